"""Doses one by one, from a CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sim.data import nearest, one_of
from sim.errors import Problem, ScenarioError
from sim.files import read_csv
from sim.pharmacology.dosing import MOST_DOSES, Dose

_COLUMNS = ("time_h", "amount_mg", "route", "infusion_h")


def read_doses(path: str | Path) -> tuple[Dose, ...]:
    """Return the doses of a CSV file, in order of time.

    The first line names the columns: ``time_h`` and ``amount_mg``, and if wanted ``route``
    (``oral`` unless said otherwise) and ``infusion_h``. Infusions may overlap: they add up.

    Raises
    ------
    ScenarioError
        Listing every line that is wrong, with column, value and what is allowed.
    InputError
        If the file cannot be read.
    """
    columns, rows = read_csv(Path(path), MOST_DOSES)
    problems = [
        Problem("column", name, one_of(_COLUMNS), nearest(name, _COLUMNS))
        for name in columns
        if name not in _COLUMNS
    ]
    problems += [
        Problem(f"column {name}", None, "is missing")
        for name in _COLUMNS[:2]
        if name not in columns
    ]
    doses: list[Dose] = []
    if set(_COLUMNS[:2]) <= set(columns):
        for line, row in rows:
            try:
                doses.append(_read_dose(row))
            except ScenarioError as error:
                names = {"at_h": "time_h"}
                problems += [
                    Problem(f"line {line}: {names.get(p.key, p.key)}", p.value, p.allowed, p.hint)
                    for p in error.problems
                ]
    if not rows and not problems:
        problems.append(Problem("", None, "contains no dose"))
    if problems:
        raise ScenarioError(str(path), problems)
    return tuple(sorted(doses, key=lambda dose: dose.at_h))


def _read_dose(row: Mapping[str, str]) -> Dose:
    """Read one line of a CSV file."""
    problems = []
    numbers = {"time_h": 0.0, "amount_mg": 0.0, "infusion_h": 0.0}
    for key in numbers:
        text = row.get(key, "")
        if not text and key == "infusion_h":
            continue
        try:
            numbers[key] = float(text)
        except ValueError:
            problems.append(Problem(key, text, "must be a number"))
    route = row.get("route") or "oral"
    try:
        dose = Dose(numbers["time_h"], numbers["amount_mg"], route, numbers["infusion_h"])  # type: ignore[arg-type]
    except ScenarioError as error:
        problems += error.problems
    if problems:
        raise ScenarioError("dose", problems)
    return dose
