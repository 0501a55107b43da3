"""Two drugs in all pairs of doses: what they do together, and what was to be expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import hooks
from sim.errors import InputError, Problem, ScenarioError, shown
from sim.files import plain
from sim.fits.checkerboard import MODELS, expected
from sim.fits.limits import mean, reach, shift, variance_within_doses
from sim.input import checked_path
from sim.lab.layout import CONTROLS, check_not_logarithms
from sim.lab.table import labels_in, numbers_in, table_of, unit_of
from sim.lab.writing import write

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_CELLS = 400
"""Pairs of doses: each of their limits takes as many fits."""
_FITTED = {"zip": "zip_fitted"}  # what a model compares with, where that is not the mean


@dataclass(frozen=True, repr=False)
class Checkerboard:
    """Inhibition by two drugs together, and its excess over four expectations.

    Limits, ``_low`` and ``_high``, are 95 %.

    Attributes
    ----------
    table, response : str
        Name of the table, and what is measured.
    drugs, units : tuple of str
        What is dosed in words, and the units of the doses.
    doses : tuple of (A,) and (B,) array
    found : dict of str to (3, A, B) array
        ``inhibition``, ``hsa``, ``bliss``, ``loewe``, ``zip`` and ``..._excess``: value, lower and
        upper limit; NaN where there is none. Inhibition is a fraction of the controls' difference.
    scores : dict of str to (3,) array
        By model the mean excess over all pairs of doses above 0.
    values : (A, B) array of int
        How many values a pair has.
    paired : bool
    notes : tuple of str
    """

    table: str
    response: str
    drugs: tuple[str, str]
    units: tuple[str, str]
    doses: tuple[Array, Array]
    found: dict[str, Array]
    scores: dict[str, Array]
    values: NDArray[np.int_]
    paired: bool
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        lines = [f"  {name}: mean excess {words(score)}" for name, score in self.scores.items()]
        return "\n".join([f"<{self.drugs[0]} with {self.drugs[1]}>", *lines])

    @property
    def failed(self) -> list[str]:
        """Models that are defined for no pair of doses."""
        return [name for name, score in self.scores.items() if np.isnan(score[0])]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each pair of doses, as in ``checkerboard.csv``."""
        keys = [f"dose_{n}{f'_{unit}' if unit else ''}".replace("/", "_per_")
                for n, unit in enumerate(self.units, 1)]  # fmt: skip
        rows = []
        for i, one in enumerate(self.doses[0]):
            for j, two in enumerate(self.doses[1]):
                row: dict[str, Any] = {keys[0]: float(one), keys[1]: float(two)}
                row["values"] = int(self.values[i, j])
                for name, table in self.found.items():
                    for end, value in zip(("", "_low", "_high"), table[:, i, j], strict=True):
                        row[name + end] = float(value) if np.isfinite(value) else ""
                rows.append(row)
        return rows

    @property
    def frame(self) -> pd.DataFrame:
        """The same as a table of pandas."""
        import pandas as pd

        return pd.DataFrame(self.rows()).replace("", math.nan)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as in ``checkerboard.json``.

        Tables have a row for each dose of the first drug.
        """
        ends = ("", "_low", "_high")
        tables = {
            name + end: table[place].tolist()
            for name, table in self.found.items()
            for place, end in enumerate(ends)
        }
        found: dict[str, Any] = plain({
            "table": self.table, "response": self.response, "drugs": list(self.drugs),
            "units": list(self.units), "doses": [list(map(float, d)) for d in self.doses],
            "paired": self.paired, **tables,
            "scores": {
                name: dict(zip((f"mean_excess{end}" for end in ends), score.tolist(), strict=True))
                for name, score in self.scores.items()
            },
            "notes": list(self.notes),
        })  # fmt: skip
        return found

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw the inhibition, and the excess over each expectation; return the figure."""
        return hooks.draw(self, fig=fig)

    def write(self, folder: str | Path) -> None:
        """Write ``checkerboard.json``, ``.csv`` and ``.png`` into a folder, which exists."""
        write(self, "checkerboard", self.rows(), checked_path("folder", folder))


def words(score: Array) -> str:
    """Return a value with its limits, in percent points."""
    value, low, high = 100 * score
    if np.isnan(value):
        return "not defined"
    return f"{value:.1f} ({f'{low:.1f} to {high:.1f}' if np.isfinite(low) else 'no limits'})"


def checkerboard(
    table: Any,
    dose: Sequence[str],
    response: str,
    *,
    replicate: str | None = None,
    control: str | None = None,
    inhibition: bool = False,
) -> Checkerboard:
    """Compare two drugs together with what is expected of each alone.

    Limits of paired data come from leaving out whole replicates, those of others from the scatter
    of values of the same pair of doses, as those of dose-responses; expectations are computed anew
    each time, so that their errors count.

    Parameters
    ----------
    table
        As for `sim.fit`, in long form: a row for each value.
    dose : (str, str)
        The columns of doses of the two drugs, each also alone, with the other at 0.
    response, replicate, control : str
        Columns, as for `sim.fit`.
    inhibition : bool
        Whether the responses are inhibitions, as fractions; by default they are signals, of which
        those without drug are 100 %, and negative controls, or 0, no response.

    Returns
    -------
    Checkerboard

    Raises
    ------
    InputError
        If a drug is missing alone, or a cell is not what its column holds.
    """
    name = Path(table).name if isinstance(table, str | Path) else ""
    table = table_of(table)
    if isinstance(dose, str) or len(dose) != 2:
        raise InputError(f"dose = {shown(dose)}: must be two columns, one for each drug")
    wells = _wells(table, (dose[0], dose[1]), response, replicate, control)
    notes: list[str] = []
    if replicate and not inhibition:
        wells = _with_controls(wells, replicate, notes)
    zero, signal = wells[wells["negative"]], wells[~wells["negative"]]
    first, second = (np.unique(signal[drug]) for drug in ("first", "second"))
    for one, axis in zip(dose, (first, second), strict=True):
        if axis.size < 4 or axis[0] != 0:
            raise InputError(f"{one}: must have 0 and at least 3 other doses, not {axis.tolist()}")
    if first.size * second.size > MOST_CELLS:
        count = first.size * second.size
        raise InputError(f"table: has {count} pairs of doses; must have at most {MOST_CELLS}")
    places = np.searchsorted(first, signal["first"]), np.searchsorted(second, signal["second"])
    counts = np.zeros((first.size, second.size), dtype=int)
    np.add.at(counts, places, 1)
    notes += _check_alone(dose, counts)
    means = signal["y"].groupby([signal["row"].to_numpy(), *places]).mean()
    values = np.full((wells["row"].max() + 1, *counts.shape), math.nan)
    values[tuple(means.index.get_level_values(n) for n in range(3))] = means
    none = np.full(len(values), 0.0 if zero.empty else math.nan)
    own = zero["y"].groupby(zero["row"]).mean()
    none[own.index] = own
    found, scores = _surfaces(
        first, second, values, none, paired=bool(replicate), inhibition=inhibition,
        known_zero=zero.empty,
    )  # fmt: skip
    (one, unit), (two, other) = map(unit_of, dose)
    drugs = (one, two) if one != two else (dose[0], dose[1])
    return Checkerboard(
        name, response, drugs, (unit, other), (first, second), found, scores, counts,
        bool(replicate), tuple(notes),
    )  # fmt: skip


def _wells(
    table: pd.DataFrame,
    dose: tuple[str, str],
    response: str,
    replicate: str | None,
    control: str | None,
) -> pd.DataFrame:
    """Return the values of a table: both doses, response, row of the replicate, negative or not."""
    import pandas as pd

    wells = pd.DataFrame({"y": numbers_in(table, response, "response")}, index=table.index)
    for drug, one in zip(("first", "second"), dose, strict=True):
        wells[drug] = numbers_in(table, one, "dose")
        check_not_logarithms(one, wells[drug].to_numpy())
    wells["name"] = labels_in(table, replicate, "replicate") if replicate else ""
    wells["mark"] = labels_in(table, control, "control") if control else ""
    wells["mark"] = wells["mark"].str.lower()
    wells = wells[np.isfinite(wells["y"]) | (wells["mark"] != "")]
    problems = []
    for line, row in zip(wells.index, wells.itertuples(), strict=True):
        where = f"{table.index.name} {line}"
        if row.mark and row.mark not in CONTROLS:
            what = f"must be {' or '.join(CONTROLS)}, or empty"
            problems.append(Problem(f"{where}: {control}", row.mark, what))
        elif not row.mark and not np.isfinite([row.first, row.second]).all():
            problems.append(Problem(where, None, "has a response, but not both doses"))
        elif replicate and not row.name:
            problems.append(Problem(f"{where}: {replicate}", None, "is empty"))
    if problems:
        raise ScenarioError("table", problems)
    kept: pd.DataFrame = wells[np.isfinite(wells["y"])].sort_values("y", kind="stable")
    kept["negative"] = kept["mark"] == "negative"
    kept.loc[kept["mark"] != "", ["first", "second"]] = 0.0
    kept[["first", "second"]] = kept[["first", "second"]].map(lambda one: float(f"{one:.12g}"))
    labels = sorted({*kept["name"]}, key=lambda label: (len(label), label))
    kept["row"] = kept["name"].map(labels.index)
    if not replicate:  # any order will do
        kept["row"] = kept.groupby(["negative", "first", "second"]).cumcount()
    return kept


def _with_controls(wells: pd.DataFrame, replicate: str, notes: list[str]) -> pd.DataFrame:
    """Return the wells of replicates with all controls, which percent of each needs."""
    signal = wells[~wells["negative"]]
    whole = {*signal["row"][(signal["first"] == 0) & (signal["second"] == 0)]}
    if wells["negative"].any():
        whole &= {*wells["row"][wells["negative"]]}
    known = wells["row"].isin(whole)
    if not known.any():
        what = "no replicate has a value at both doses 0 and, where there are any, a negative one"
        raise InputError(f"replicate = {shown(replicate)}: {what}")
    if not known.all():
        gone = ", ".join(sorted({*wells["name"][~known]}))
        notes.append(f"no control in replicate {gone}: left out")
    kept = wells[known]
    return kept.assign(row=kept["row"].rank(method="dense").astype(int) - 1)


def _check_alone(dose: Sequence[str], counts: NDArray[np.int_]) -> list[str]:
    """Refuse a table that lacks single effects; return how much else it lacks."""
    for name, alone in zip(dose, (counts[:, 0], counts[0]), strict=True):
        if not alone.all():
            raise InputError(
                f"{name}: each of its doses must be there with 0 of the other drug, and both at 0: "
                "expectations come from single effects"
            )
    empty = int(np.count_nonzero(counts == 0))
    return [f"{empty} of {counts.size} pairs of doses have no value"] if empty else []


def _surfaces(
    first: Array, second: Array, values: Array, none: Array,
    *, paired: bool, inhibition: bool, known_zero: bool,
) -> tuple[dict[str, Array], dict[str, Array]]:  # fmt: skip
    """Return all tables with limits, and the mean excess by model."""

    def fractions(values: Array, none: Array) -> Array:
        if inhibition:
            return values
        window = values[:, :1, :1] - none[:, None, None]
        if not (np.abs(window) > 1e-12 * np.nanmax(np.abs(values))).all():
            raise InputError(
                "table: the response without drugs is that of no response at all; if responses are "
                "inhibitions, say so (--inhibition)"
            )
        return 1.0 - (values - none[:, None, None]) / window

    def tables(values: Array, none: Array) -> Array:
        if paired:  # percent of the control of each plate, then the mean
            measured = mean(fractions(values, none))
        else:
            measured = fractions(mean(values)[None], mean(none)[None])[0]
        try:
            found = expected(first, second, measured)
        except ValueError as error:
            raise InputError(f"table: {error}") from None
        excess = [(found[_FITTED[m]] if m in _FITTED else measured) - found[m] for m in MODELS]
        return np.array([measured, *(found[m] for m in MODELS), *excess])

    whole = tables(values, none)
    parts = [tables(*one) for one in _parts(values, none, paired=paired, known_zero=known_zero)]
    names = ["inhibition", *MODELS, *(f"{model}_excess" for model in MODELS)]
    half = reach(np.array(parts)) if parts else np.full(whole.shape, math.nan)
    found = {
        name: np.stack([w, w - h, w + h]) for name, w, h in zip(names, whole, half, strict=True)
    }
    scores = {}
    for place, model in enumerate(MODELS, 1 + len(MODELS)):
        means = [_inner(one[place]) for one in (whole, *parts)]
        error = float(reach(np.array(means[1:]))) if parts else math.nan
        scores[model] = np.array([means[0], means[0] - error, means[0] + error])
    return found, scores


def _inner(table: Array) -> float:
    """Return the mean over pairs of doses above 0, of those that are known."""
    known = table[1:, 1:][np.isfinite(table[1:, 1:])]
    return float(known.mean()) if known.size else math.nan


def _parts(
    values: Array, none: Array, *, paired: bool, known_zero: bool
) -> list[tuple[Array, Array]]:
    """Return the data from which `reach` finds limits; see `sim.fits.fitting`."""
    if paired:
        rows = range(len(values) if len(values) > 1 else 0)
        return [(np.delete(values, r, axis=0), np.delete(none, r)) for r in rows]
    columns = values.reshape(len(values), -1)
    if not known_zero:
        columns = np.hstack([columns, none[:, None]])
    variance, degrees = variance_within_doses(columns)
    counts = np.isfinite(columns).sum(axis=0)
    moved = np.flatnonzero(counts)
    if degrees == 0:
        return []
    size = shift(variance, degrees, moved.size)
    parts = []
    for column in moved:
        for sign in (1, -1):
            table = columns.copy()
            table[:, column] += sign * size / math.sqrt(counts[column])
            zero = none if known_zero else table[:, -1]
            parts.append((table[:, : values[0].size].reshape(values.shape), zero))
    return parts
