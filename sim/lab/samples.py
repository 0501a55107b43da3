"""Samples of a drug: a user's table of times and concentrations, and the doses behind them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim import data
from sim.data import nearest, one_of
from sim.errors import InputError, Problem, ScenarioError, shown
from sim.lab.table import column, labels_in, numbers_in, table_of
from sim.pharmacology.dosing import Dose
from sim.pharmacology.drug_file import read_drug_file
from sim.pharmacology.drugs import load_drug
from sim.units import nM_to_ng_per_ml, parse_quantity

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[np.float64]

MASS_UNITS = ("pg/mL", "ng/mL", "ug/mL", "ng/L", "ug/L", "mg/L")
MOLAR_UNITS = ("pM", "nM", "uM")
TIME_UNITS = {"h": 1.0, "min": 1.0 / 60.0, "d": 24.0}
"""Hours in the units that the name of a column of times may end in."""
BELOW = re.compile(r"b[lq]o?[lq]|bl?loq|l?loq|<.*|nd|n\.d\.|nq", re.IGNORECASE)
"""What a cell says of a sample below quantification, beside 0."""
_CLOCK = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*|.*\d{1,2}:\d{2}.*")
_NOT_A_TIME = "must be hours since a time that all rows share, not a clock time or date"
_SUBTRACT = "subtract the time of the dose"
_LATEST_H = 20_000.0  # after the dose; a spreadsheet's dates are numbers above


@dataclass(frozen=True)
class Subject:
    """The samples of one subject.

    Attributes
    ----------
    name : str
        Empty where the table has only one, without a name.
    time_h : (samples,) ndarray
        Rising.
    concentration : (samples,) ndarray
        In the unit of the table; 0 is below quantification.
    doses : tuple of Dose
        In order of time.
    notes : tuple of str
        What was done to the rows.
    """

    name: str
    time_h: Array
    concentration: Array
    doses: tuple[Dose, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Samples:
    """The samples of all subjects of a table.

    Attributes
    ----------
    subjects : tuple of Subject
        In the order of the table.
    column : str
        The column of concentrations.
    unit : str
        Its unit.
    mg_per_L : float
        What one of it is in mg/L.
    drug : dict or None
        The content of the data file of the drug, if it was named.
    molar_mass : float or None
        In g/mol, where known.
    notes : tuple of str
        What concerns the whole table.
    """

    subjects: tuple[Subject, ...]
    column: str
    unit: str
    mg_per_L: float
    drug: Mapping[str, Any] | None = None
    molar_mass: float | None = None
    notes: tuple[str, ...] = ()


def read_samples(
    table: Any,
    *,
    time: str = "time_h",
    conc: str | None = None,
    subject: str | None = None,
    dose_mg: float | None = None,
    doses: Any = None,
    route: str = "oral",
    infusion_h: float = 0.0,
    drug: str | Path | None = None,
    molar_mass: float | None = None,
) -> Samples:
    """Read a table of samples, a row for each.

    Parameters
    ----------
    table : str, Path, pandas.DataFrame or mapping of str to array_like
        A CSV file, or columns by name.
    time : str
        Column of times. The end of its name is the unit: ``_h``, ``_min`` or ``_d``.
    conc : str, optional
        Column of concentrations. The end of its name is the unit: ``_ng_ml``, ``_mg_L``, ``_nM``
        and the like. By default the only column with such a name. 0, ``BLQ`` or ``<0.5`` is a
        sample below quantification; an empty cell is one that was not taken.
    subject : str, optional
        Column of subjects; by default ``subject``, where there is one.
    dose_mg : float, optional
        The only dose of each subject, given at time 0.
    doses : str, Path, pandas.DataFrame or mapping, optional
        A table of doses instead: ``time_h`` and ``amount_mg``, and if wanted ``subject``,
        ``route`` and ``infusion_h``; times are on the clock of the samples.
    route : {"oral", "iv"}
        How doses are given for which the table of doses does not say so.
    infusion_h : float
        How long an i.v. infusion lasts; 0 is a bolus.
    drug : str or Path, optional
        Name of a shipped drug or a file of one, for its molar mass.
    molar_mass : float, optional
        In g/mol, where concentrations are molar.

    Raises
    ------
    InputError
        If a column is missing or its unit is not known; `ScenarioError` lists every row that is
        impossible.
    """
    rows = table_of(table)
    name, unit = _concentration_column(rows, conc)
    known, mass = _molar_mass(drug, molar_mass)
    if unit in MOLAR_UNITS:
        if mass is None:
            raise InputError(
                f"{name} is in {unit}: give --drug or --molar-mass (g/mol), which turn it into mg/L"
            )
        scale = 1e-3 * nM_to_ng_per_ml(parse_quantity(f"1 {unit}", "nM"), mass)
    else:
        scale = parse_quantity(f"1 {unit}", "mg/L")
    times = _times(rows, time)
    levels, blank = _levels(rows, name)
    names = _subjects(rows, subject)
    given = _doses(dose_mg, doses, route, infusion_h)
    of: dict[str, list[int]] = {}
    for place, one in enumerate(names):
        of.setdefault(one, []).append(place)
    problems: list[Problem] = []
    where = [f"{rows.index.name} {line}: " for line in rows.index]
    found = []
    for one, places in of.items():
        notes = []
        if lost := int(blank[places].sum()):
            notes.append(f"{_count(lost, 'row')} without a concentration left out")
        kept = [place for place in places if not blank[place]]
        if sorted(kept, key=lambda place: times[place]) != kept:
            kept.sort(key=lambda place: times[place])
            notes.append("rows were not in order of time, and were sorted")
        for before, place in pairwise(kept):
            if times[place] == times[before]:
                hint = "rows of several subjects need --subject" if subject is None else ""
                what = f"is the time of another row{f' of subject {one}' if one else ''}"
                problems.append(Problem(where[place] + time, float(times[place]), what, hint))
        theirs = given.get(one, given.get(None))
        if theirs is None:
            problems.append(Problem("doses", one, "this subject has samples and no dose"))
            continue
        problems += [
            Problem(
                where[place] + name, float(levels[place]),
                f"must be 0 or BLQ before the first dose, at {theirs[0].at_h:g} h",
                "times must be on the clock of the doses",
            )
            for place in kept if times[place] < theirs[0].at_h and levels[place] > 0.0
        ]  # fmt: skip
        if kept and times[kept[0]] - theirs[0].at_h > _LATEST_H:
            hint = "numbers this large are dates of a spreadsheet"
            problems.append(
                Problem(where[kept[0]] + time, float(times[kept[0]]), _NOT_A_TIME, hint)
            )
        at = np.array(kept, dtype=int)
        found.append(Subject(one, times[at], levels[at], theirs, tuple(notes)))
    if problems:
        raise ScenarioError("samples", problems)
    spare = [one for one in given if one is not None and one not in of]
    said = f"no samples of {_listed(spare)}, who {_have(spare)} doses"
    return Samples(tuple(found), name, unit, scale, known, mass, (said,) if spare else ())


def _concentration_column(rows: pd.DataFrame, name: str | None) -> tuple[str, str]:
    """Return the column of concentrations, and its unit."""
    units = (*MASS_UNITS, *MOLAR_UNITS)
    if name is not None:
        column(rows, name, "--conc")
        if unit := _unit(name, units):
            return name, unit
        allowed = "must end in its unit, such as _ng_ml, _mg_L or _nM"
        raise InputError(str(Problem("--conc", name, allowed, "rename the column")))
    able = {one: unit for one in rows.columns if (unit := _unit(one, units))}
    if len(able) == 1:
        return next(iter(able.items()))
    listed = ", ".join(able or map(str, rows.columns[:30]))
    raise InputError(
        f"choose the column of concentrations with --conc: {listed}"
        if able
        else f"no column ends in a unit of concentration, such as _ng_ml, _mg_L or _nM: {listed}"
    )


def _unit(name: str, units: Sequence[str]) -> str | None:
    """Return the unit that the name of a column ends in, however it is written there."""
    words = "_" + re.sub(r"[^0-9a-z]+", "_", re.sub("[µμ]", "u", name).lower()).strip("_")
    ends = {unit: "_" + unit.lower().replace("/", "_") for unit in units}
    return next((unit for unit, end in ends.items() if words.endswith(end)), None)


def _molar_mass(
    drug: str | Path | None, mass: float | None
) -> tuple[Mapping[str, Any] | None, float | None]:
    """Return the data file of the drug, and the molar mass."""
    if mass is not None and not (isinstance(mass, (int, float)) and isfinite(mass) and mass > 0.0):
        raise InputError(str(Problem("--molar-mass", mass, "must be above 0 (g/mol)")))
    if drug is None:
        return None, mass
    if Path(drug).suffix == ".toml":
        tables = read_drug_file(Path(drug))
    else:
        name = load_drug(str(drug)).name  # refuses one that there is not
        tables = data.read("drugs", name)
    known = float(tables["molar_mass_g_per_mol"]["value"])
    if mass is not None and mass != known:
        raise InputError(f"--molar-mass = {mass:g}: {drug} has {known:g} g/mol; leave one out")
    return tables, known


def _times(rows: pd.DataFrame, name: str) -> Array:
    """Return times in hours; clock times and dates are refused, as they say nothing of the dose."""
    cells = column(rows, name, "--time")
    unit = _unit(name, list(TIME_UNITS))
    problems = []
    for line, cell in cells.items():
        clock = isinstance(cell, datetime.date | datetime.time | np.datetime64)
        if clock or (isinstance(cell, str) and _CLOCK.fullmatch(cell.strip())):
            where = f"{rows.index.name} {line}: {name}"
            problems.append(Problem(where, str(cell), _NOT_A_TIME, _SUBTRACT))
    if problems:
        raise ScenarioError(f"column {name}", problems)
    if unit is None:
        allowed = f"must end in its unit: {', '.join('_' + unit for unit in TIME_UNITS)}"
        raise InputError(str(Problem("--time", name, allowed, "rename the column")))
    values = numbers_in(rows, name, "--time")
    problems = [
        Problem(f"{rows.index.name} {line}: {name}", None, "must be a number")
        for line, value in zip(rows.index, values, strict=True)
        if not isfinite(value)
    ]
    if problems:
        raise ScenarioError(f"column {name}", problems)
    return values * TIME_UNITS[unit] if unit != "h" else values


def _levels(rows: pd.DataFrame, name: str) -> tuple[Array, NDArray[np.bool_]]:
    """Return concentrations, 0 below quantification, and which rows have none."""
    cells = [
        0.0 if isinstance(cell, str) and BELOW.fullmatch(cell.strip()) else cell
        for cell in rows[name].tolist()
    ]
    values = numbers_in(rows.assign(**{name: cells}), name, "--conc")
    problems = [
        Problem(f"{rows.index.name} {line}: {name}", float(value), "must be at least 0")
        for line, value in zip(rows.index, values, strict=True)
        if value < 0.0 or value == np.inf
    ]
    if problems:
        raise ScenarioError(f"column {name}", problems)
    return values, np.isnan(values)


def _subjects(rows: pd.DataFrame, name: str | None) -> list[str]:
    if name is None and "subject" not in rows.columns:
        return [""] * len(rows)
    name = name or "subject"
    found = labels_in(rows, name, "--subject")
    problems = [
        Problem(f"{rows.index.name} {line}: {name}", None, "is missing")
        for line, label in zip(rows.index, found, strict=True)
        if not label
    ]
    if problems:
        raise ScenarioError(f"column {name}", problems)
    return found


_DOSE_COLUMNS = ("subject", "time_h", "amount_mg", "route", "infusion_h")


def _doses(
    dose_mg: float | None, doses: Any, route: str, infusion_h: float
) -> Mapping[str | None, tuple[Dose, ...]]:
    """Return the doses of each subject; those of None are the doses of all."""
    if (dose_mg is None) == (doses is None):
        raise InputError("give either --dose-mg or --doses: clearance and volume need a dose")
    problems: list[Problem] = []
    if doses is None:
        keys = {"amount_mg": "--dose-mg", "route": "--route", "infusion_h": "--infusion-h"}
        dose = _dose(problems, keys, 0.0, dose_mg, route, infusion_h)
        if dose is None:
            raise ScenarioError("dose", problems)
        return {None: (dose,)}
    rows = table_of(doses)
    problems = [
        Problem("column", name, one_of(_DOSE_COLUMNS), nearest(name, _DOSE_COLUMNS))
        for name in rows.columns
        if name not in _DOSE_COLUMNS
    ]
    problems += [
        Problem(f"column {name}", None, "is missing")
        for name in ("time_h", "amount_mg")
        if name not in rows.columns
    ]
    if problems:
        raise ScenarioError("table of doses", problems)
    times, amounts = _times(rows, "time_h"), numbers_in(rows, "amount_mg", "--doses")
    own = {
        name: labels_in(rows, name, "--doses") if name in rows.columns else [""] * len(rows)
        for name in ("subject", "route")
    }
    lengths = np.full(len(rows), np.nan)
    if "infusion_h" in rows.columns:
        lengths = numbers_in(rows, "infusion_h", "--doses")
    found: dict[str | None, list[Dose]] = {}
    for place, line in enumerate(rows.index):
        keys = {name: f"{rows.index.name} {line}: {name}" for name in _DOSE_COLUMNS}
        theirs = own["route"][place]
        length = lengths[place] if isfinite(lengths[place]) else 0.0 if theirs else infusion_h
        dose = _dose(problems, keys, times[place], amounts[place], theirs or route, length)
        if dose:
            found.setdefault(own["subject"][place] or None, []).append(dose)
    if "subject" in rows.columns and None in found:
        problems.append(Problem("column subject", None, "has empty cells"))
    for one, given in found.items():
        at = [dose.at_h for dose in given]
        for twice in sorted({time for time in at if at.count(time) > 1}):
            of = f" of subject {one}" if one else ""
            problems.append(Problem("time_h", twice, f"two doses{of} at one time; add them up"))
    if problems:
        raise ScenarioError("table of doses", problems)
    return {one: tuple(sorted(given, key=lambda dose: dose.at_h)) for one, given in found.items()}


def _dose(
    problems: list[Problem],
    keys: Mapping[str, str],
    at_h: float,
    amount_mg: Any,
    route: str,
    infusion_h: Any,
) -> Dose | None:
    """Return a dose; what is wrong with it joins the problems, by the names of `keys`."""
    try:
        amount, length = float(amount_mg), float(infusion_h)
        dose = Dose(float(at_h), amount, route, length)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        problems.append(Problem(keys["amount_mg"], amount_mg, "must be a number (mg)"))
    except ScenarioError as error:
        keys = {"at_h": keys.get("time_h", ""), **keys}
        for one in error.problems:
            more = "; an infusion is 'iv' with its infusion_h" if one.key == "route" else ""
            problems.append(Problem(keys[one.key], one.value, one.allowed + more, one.hint))
    else:
        if amount > 0.0:
            return dose
        problems.append(Problem(keys["amount_mg"], amount_mg, "must be above 0 (mg)"))
    return None


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown(name) for name in names[:most]) + more


def warnings_in(notes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield each note with the subjects that it is of."""
    of: dict[str, list[str]] = {}
    for name, theirs in notes.items():
        for note in theirs:
            of.setdefault(note, []).append(name)
    for note, names in of.items():
        yield f"{_listed([n for n in names if n])}: {note}" if any(names) else note
