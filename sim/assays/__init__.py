"""Assays: how an experiment starts, and what is measured.

Each is a folder beside this file, or an installed package that names its `Assay` in the entry-point
group ``angiosim.assays``. Whoever needs to know them all walks over `assays`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

from sim import data
from sim.assays.declare import FRACTION, Assay, Readout
from sim.errors import InputError

GROUP = "angiosim.assays"
"""Entry points of assays: ``name = "package:ASSAY"``."""

_BEFORE = (
    Readout("time_h", "time", "h",
            "time in the drug's schedule; 0 at the start unless time.start_h says otherwise"),
    Readout("total_nM", "total drug", "nM",
            "total drug: in the medium; with doses to a body, in plasma", files=()),
    Readout("free_nM", "free drug", "nM",
            "unbound drug: in the medium; with doses to a body, at the cells", files=()),
)  # fmt: skip
_STEP = {
    "lattice": Readout("mcs", "Monte Carlo steps", "", "Monte Carlo steps so far", files=()),
    "bed": Readout("step", "steps", "", "steps of one hour so far", files=()),
}
"""The number of steps, by class of model."""
_PARTNER = (
    Readout("partner_total_nM", "total second drug", "nM",
            "total_nM of the second drug, in runs with [partner]", files=()),
    Readout("partner_free_nM", "free second drug", "nM",
            "free_nM of the second drug, in runs with [partner]", files=()),
)  # fmt: skip
DRIVE = Readout(
    "mean_drive",
    "mean drive",
    FRACTION,
    "mean drive of the living cells; further types count with 0",
    files=("results.csv",),
)
CELLS = Readout("cells", "cells", "", "living cells; of vessels, pieces of one cell")

FLAGS = {
    "flag_cells_lost": "cells have vanished, and none should: their areas or energies do not hold "
    "them",
    "flag_cells_at_edge": "cells touch an edge of the domain, which cuts read-outs short: a larger "
    "domain.size_um is needed",
    "flag_out_of_range": "records have a fraction that is not from 0 to 1",
}
"""What is flagged in the summary of a run, where there is some of it."""


def flagged(summary: Mapping[str, float]) -> list[str]:
    """Return a line for each flag of a summary, or of a row of a study."""
    return [f"{name} = {summary[name]:g}: {what}" for name, what in FLAGS.items()
            if summary.get(name)]  # fmt: skip


@cache
def _own() -> tuple[Assay, ...]:
    """Return the assays beside this file."""
    folders = [module.name for module in iter_modules(__path__) if module.ispkg]
    return tuple(import_module(f"{__name__}.{name}").ASSAY for name in folders)


@cache
def assays() -> dict[str, Assay]:
    """Return all assays by name, sorted.

    Raises
    ------
    InputError
        If an installed one cannot be loaded, or has the name of another.
    """
    found = {one.name: one for one in _own()}
    for point in entry_points(group=GROUP):
        try:
            one: Assay = point.load()
        except Exception as error:
            raise InputError(
                f"the installed assay {point.name!r} ({point.value}) cannot be loaded: "
                f"{type(error).__name__}: {error}; repair or uninstall it"
            ) from error
        if found.setdefault(one.name, one) is not one:
            raise InputError(
                f"the installed assay {point.name!r} ({point.value}) has the name of another, "
                f"{one.name!r}; rename or uninstall it"
            )
    return dict(sorted(found.items()))


def assay(name: str) -> Assay:
    """Return an assay by its name.

    Raises
    ------
    InputError
        If there is none; the message names the nearest.
    """
    known = assays()
    if name not in known:
        hint = data.nearest(name, known)
        raise InputError(
            f"unknown assay {name!r}: {data.one_of(known)}" + (f" ({hint})" if hint else "")
        )
    return known[name]


def default_assay() -> Assay:
    """Return the default assay."""
    return next(one for one in _own() if one.default)


@cache
def columns(name: str | None = None) -> dict[str, Readout]:
    """Return the columns of the time series by name, of an assay (without partner) or of all."""
    inhibitions = (
        Readout(f"inhibition_{receptor}", f"{receptor} inhibited", FRACTION,
                "share of the receptor's signal that the drug, or both drugs, take away",
                files=())
        for receptor in data.names("receptors")
    )  # fmt: skip
    chosen = [one for one in assays().values() if name in (None, one.name)]
    models = dict.fromkeys(one.model for one in chosen)
    each = (one.readouts for one in chosen)
    steps = (_STEP[model] for model in models)
    drive = (DRIVE,) if "lattice" in models else ()
    partner = _PARTNER if name is None else ()
    every = (
        *_BEFORE,
        *steps,
        *partner,
        *inhibitions,
        *drive,
        CELLS,
        *(one for own in each for one in own),
    )
    found: dict[str, Readout] = {}
    for one in every:
        found.setdefault(one.name, one)
    return found


@cache
def columns_of(file: str, name: str | None = None) -> tuple[str, ...]:
    """Return which columns of the time series another file has too, of an assay or of all."""
    return tuple(one.name for one in columns(name).values() if file in one.files)


@cache
def responses(name: str | None = None) -> tuple[str, ...]:
    """Return the read-outs that a study may fit, of an assay or of all."""
    found = (one for one in columns_of("summary.json", name) if one != "time_h")
    return (*found, *([DRIVE.name] if DRIVE.name in columns(name) else ()))


def readout(name: str) -> Readout:
    """Return a column of the time series by its name: ``tube_length_mm@6`` is that at 6 h."""
    plain, _, time = name.partition("@")
    found = columns().get(plain, Readout(plain, plain.replace("_", " ")))
    return found.at(time) if time else found
