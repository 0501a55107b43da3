"""From a table of a user to responses by group: long form, a row for each value, or a matrix."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sim.errors import InputError, Problem, ScenarioError, shown
from sim.lab.table import labels_in, numbers_in, unit_of
from sim.lab.wells import EMPTY, NEGATIVE, POSITIVE

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CONTROLS = (POSITIVE, NEGATIVE)
"""What a column of controls may say beside nothing: 100 %, which counts as dose 0, and 0 %."""
_REPLICATE = re.compile(r"(.*?)[\s_.-]*(\d+)")
_DOSES = re.compile(
    r"(?i:dose|conc)|[\W_](?:[munpµμ]?M|(?:[munpµμ]?g)(?:[\W_]+(?:per_)?)m?[lL])\W*$"
)
"""What the name of a column of doses has: the word, or a unit of concentration at its end."""
_OPTIONS = {
    "control": ("control",),
    "replicate": ("replicate", "rep", "plate", "day", "donor", "experiment", "passage"),
}
"""Names of columns that are meant for other options than ``by``."""
_PERCENT = (50.0, 200.0)
"""A response so many times a number that was given is percent where that is a fraction."""


@dataclass(frozen=True)
class Group:
    """Responses of a group at its doses.

    Attributes
    ----------
    dose : (D,) array
        Rising.
    response : (R, D) array
        By replicate where `paired`, else in any order; NaN where there is none.
    lines : (R, D) array of tuple of int
        The rows of the table behind each response: lines of the file, or rows counted from 1.
    background : (R,) array or None
        The control that counts as 0 %, as `response` has it.
    paired : bool
        Whether a row is a whole replicate.
    replicates : tuple of str
        Their names, where `paired`.
    sd : (R, D) array or None
        Standard deviation of each response, if the table has it.
    notes : tuple of str
    """

    dose: Array
    response: Array
    lines: NDArray[np.object_]
    background: Array | None
    paired: bool
    replicates: tuple[str, ...] = ()
    sd: Array | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A table sorted into groups.

    Attributes
    ----------
    dose, unit : str
        What is dosed in words, and its unit, empty if the column names none.
    response : str
    groups : dict of str to Group
    notes : tuple of str
        What was assumed about the table.
    """

    dose: str
    unit: str
    response: str
    groups: dict[str, Group]
    notes: tuple[str, ...] = ()


@dataclass
class _Values:
    """Values of a group while they are collected: of each, dose, replicate, value, sd and line."""

    dose: list[float] = field(default_factory=list)
    replicate: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    sd: list[float] = field(default_factory=list)
    line: list[int] = field(default_factory=list)

    def add(self, dose: float, replicate: str, value: float, sd: float, line: int) -> None:
        for cells, cell in zip(
            vars(self).values(), (dose, replicate, value, sd, line), strict=True
        ):
            cells.append(cell)

    def extend(self, other: _Values) -> None:
        for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True):
            mine.extend(theirs)


def long_form(
    table: pd.DataFrame,
    dose: str,
    response: str,
    by: Sequence[str],
    replicate: str | None,
    control: str | None,
    sd: str | None,
) -> Layout:
    """Sort a table with a row for each value.

    A label that has nothing but controls, or nothing but dose 0, is no group: its values are the
    controls of all groups that have none of their own.

    Raises
    ------
    InputError
        If a column is not there, or a cell is not what its column holds.
    """
    doses, values = numbers_in(table, dose, "dose"), numbers_in(table, response, "response")
    check_not_logarithms(dose, doses)
    used = {dose, response, *by, replicate, control, sd}
    _check_one_drug(table, dose, by, used)
    names = [labels_in(table, name, "by") for name in by]
    labels = [", ".join(parts) for parts in zip(*names, strict=True)] if by else [""] * len(table)
    replicates = labels_in(table, replicate, "replicate") if replicate else [""] * len(table)
    marks = labels_in(table, control, "control") if control else [""] * len(table)
    sds = numbers_in(table, sd, "weights") if sd else np.full(len(table), math.nan)
    found: dict[str, dict[str, _Values]] = {}
    problems: list[Problem] = []
    missing = 0
    for place, line in enumerate(table.index.tolist()):
        where, mark = f"{table.index.name} {line}", marks[place].lower()
        if mark == EMPTY:  # a well without cells
            continue
        if mark and mark not in CONTROLS:
            what = f"must be {' or '.join(CONTROLS)}, or empty"
            problems.append(Problem(f"{where}: {control}", marks[place], what))
        if not math.isfinite(values[place]):
            missing += math.isfinite(doses[place]) or bool(mark)
            continue
        at = doses[place]
        if mark == "positive" and at == at and at != 0:
            what = "a positive control is without drug: it counts as 100 %, and as dose 0"
            problems.append(Problem(f"{where}: {dose}", float(at), what, "negative counts as 0 %"))
        elif not mark and not math.isfinite(at):
            hint = (
                "" if control else "if it is a control, choose the column that says so: --control"
            )
            problems.append(Problem(f"{where}: {dose}", None, "has a response but no dose", hint))
        elif replicate and not replicates[place]:
            problems.append(Problem(f"{where}: {replicate}", None, "is empty"))
        elif sd and mark != "negative" and not sds[place] > 0:
            what = "must be a standard deviation above 0"
            problems.append(Problem(f"{where}: {sd}", float(sds[place]), what))
        else:
            kind = mark if mark == "negative" else "zero" if mark or at == 0 else "dose"
            some = found.setdefault(labels[place], {}).setdefault(kind, _Values())
            cell = 0.0 if kind == "zero" else float(f"{at:.12g}")
            some.add(cell, replicates[place], values[place], sds[place], line)
    if problems:
        raise ScenarioError("table", problems)
    groups = {label: kinds for label, kinds in found.items() if "dose" in kinds}
    if not groups:
        raise InputError(f"table: no value of {response} at a dose above 0")
    rest = {label: kinds for label, kinds in found.items() if label not in groups}
    notes = [f"{missing} responses missing"] if missing else []
    notes += [
        f"{label or 'rows without a name'}: controls of groups that have none of their own"
        for label in rest
    ]
    arranged = {}
    for label in sorted(groups):
        kinds = {
            kind: groups[label].get(kind) or _joined(kinds.get(kind) for kinds in rest.values())
            for kind in ("dose", "zero", "negative")
        }
        arranged[label or response] = _group(kinds, paired=bool(replicate))
    notes += _unused(table, dose, by, used)
    return Layout(*unit_of(dose), response, arranged, tuple(notes))


def matrix(table: pd.DataFrame, dose: str, *, paired: bool) -> Layout:
    """Sort a matrix: a column of doses, and a column of responses for each group or replicate.

    Columns whose names differ in nothing but a number at their end are replicates of one group; a
    dose that comes in several rows has as many values in each.

    Raises
    ------
    InputError
        If there is no column of responses, or one is not of numbers.
    """
    doses = numbers_in(table, dose, "dose")
    check_not_logarithms(dose, doses)
    names = [name for name in table.columns if name != dose]
    if not names:
        raise InputError(f"table: has no column beside {dose!r}; it needs one of responses")
    if others := [name for name in names if _DOSES.search(name)]:
        raise InputError(
            f"column {others[0]!r} looks like doses, too; a table of two drugs is in long form: "
            f"--dose {dose} --dose {others[0]} --response COLUMN compares them; else rename it"
        )
    responses = {name: _responses(table, name) for name in names}
    stems: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        match = _REPLICATE.fullmatch(name)
        stem, number = match.groups() if match else (name, "")
        stems.setdefault(stem.strip(), []).append((number, name))
    found: dict[str, _Values] = {}
    problems = []
    for stem, columns in stems.items():
        numbered = len(columns) > 1
        for number, name in columns:
            some = found.setdefault(stem if numbered else name, _Values())
            for place, line in enumerate(table.index.tolist()):
                value = responses[name][place]
                if not math.isfinite(value):
                    continue
                if not math.isfinite(doses[place]):
                    where = f"{table.index.name} {line}: {dose}"
                    problems.append(Problem(where, None, "has responses but no dose"))
                    continue
                at = float(f"{doses[place]:.12g}")
                some.add(at, number if numbered else "1", value, math.nan, line)
    if problems:
        raise ScenarioError("table", list(dict.fromkeys(problems)))
    if not any(values.dose for values in found.values()):
        raise InputError("table: has no responses")
    groups = {}
    for name, values in found.items():
        if values.dose:
            kinds = {"dose": values, "zero": _Values(), "negative": _Values()}
            groups[name or "response"] = _group(kinds, paired=paired)
    counts = {stem: len(columns) for stem, columns in stems.items() if len(columns) > 1}
    notes = [f"{count} columns are replicates of {stem or 'one group'}"
             for stem, count in counts.items()]  # fmt: skip
    response = next(iter(groups)) if len(groups) == 1 else "response"
    return Layout(*unit_of(dose), response, groups, tuple(notes))


def _responses(table: pd.DataFrame, name: str) -> Array:
    """Return a column of a matrix, whose cells are numbers or missing."""
    cells = labels_in(table, name, "response")
    if table[name].dtype.kind not in "biuf" and not any(
        cell[:1] in "+-.,<>0123456789" for cell in filter(None, cells)
    ):
        raise InputError(
            f"column {name!r} holds text: a table in long form needs the name of its response "
            "(--response)"
        )
    return numbers_in(table, name, "response")


def dose_column(table: pd.DataFrame) -> str:
    """Return the column of doses: the only one whose name begins so, else the first.

    Raises
    ------
    InputError
        If the names of several begin so.
    """
    named = [str(name) for name in table.columns if re.match(r"(?i)dose|conc", name)]
    if len(named) > 1:
        raise InputError(f"table: choose the column of doses with --dose: {', '.join(named)}")
    return named[0] if named else str(table.columns[0])


def check_not_logarithms(name: str, doses: Array) -> None:
    """Refuse doses that are logarithms, as their name says or negative values show.

    Raises
    ------
    InputError
        If they are.
    """
    guess = "give the doses themselves, such as 10**x"
    if re.match(r"(?i)(log|ln|lg)(10|2)?[\s_(\[]", name):
        raise InputError(f"dose = {shown(name)}: the name says logarithms; {guess}")
    if (doses < 0).any():
        raise InputError(
            f"{name} = {float(doses[doses < 0][0]):g}: must be at least 0; if these are "
            f"logarithms, {guess}"
        )
    if np.isinf(doses).any():
        raise InputError(f"{name} must be finite")


def check_known(name: str, known: float | None, group: Group) -> None:
    """Refuse a known bottom or top in fractions where the response is percent, or the reverse.

    Raises
    ------
    InputError
        If it is.
    """
    if not known:
        return
    size = float(np.nanmax(np.abs(group.response)))
    units = {"percent": size / abs(known), "fractions": abs(known) / max(size, 1e-300)}
    for unit, times in units.items():
        if _PERCENT[0] < times < _PERCENT[1]:
            raise InputError(
                f"{name} = {known:g}: must be in the unit of the response, of which the largest is "
                f"{size:.4g}; if that is in {unit}, so must {name} be"
            )


def _joined(parts: object) -> _Values:
    joined = _Values()
    for part in parts:  # type: ignore[attr-defined]
        if part is not None:
            joined.extend(part)
    return joined


def _group(kinds: dict[str, _Values], *, paired: bool) -> Group:
    """Arrange the values of a group by replicate and dose."""
    values, background = kinds["dose"], kinds["negative"]
    values.extend(kinds["zero"])
    dose = np.unique(values.dose)
    notes = []
    if paired:
        names = sorted({*values.replicate}, key=lambda name: (len(name), name))
        row_of = {name: row for row, name in enumerate(names)}
        cells: dict[tuple[int, int], list[tuple[float, float, int]]] = {}
        for at, name, *rest in zip(*vars(values).values(), strict=True):
            cells.setdefault((row_of[name], int(np.searchsorted(dose, at))), []).append(tuple(rest))
        rows = len(names)
        most = max(map(len, cells.values()))
        if most > 1:
            notes.append("values of one replicate at one dose are averaged")
    else:
        names, cells = [], {}
        filled = dict.fromkeys(range(dose.size), 0)
        for at, _, *rest in sorted(zip(*vars(values).values(), strict=True)):
            place = int(np.searchsorted(dose, at))
            cells[filled[place], place] = [tuple(rest)]
            filled[place] += 1
        rows = max(*filled.values(), len(background.value))
    response, sd = np.full((rows, dose.size), math.nan), np.full((rows, dose.size), math.nan)
    lines = np.empty((rows, dose.size), dtype=object)
    for where, some in cells.items():
        some.sort()
        response[where] = np.mean([value for value, _, _ in some])
        sd[where] = math.sqrt(sum(own**2 for _, own, _ in some)) / len(some)
        lines[where] = tuple(line for _, _, line in some)
    empty = np.full(rows, math.nan)
    if background.value and paired:
        for row, name in enumerate(names):
            own = [
                v for v, n in zip(background.value, background.replicate, strict=True) if n == name
            ]
            empty[row] = np.mean(sorted(own)) if own else math.nan
        if np.isnan(empty).any():
            gone = ", ".join(np.array(names)[np.isnan(empty)])
            notes.append(f"no negative control in replicate {gone}")
    elif background.value:
        empty[: len(background.value)] = sorted(background.value)
    return Group(
        dose, response, lines, empty if background.value else None, paired, tuple(names),
        sd if np.isfinite(sd).any() else None, tuple(notes),
    )  # fmt: skip


def _is_design(table: pd.DataFrame, name: str, within: list[str]) -> bool:
    """Whether a column of numbers separates rows that are pooled.

    Each of its values comes with several doses, so that it is no read-out.
    """
    dose = within[0]
    return bool(
        (table.groupby(within, dropna=False)[name].nunique() > 1).any()
        and (table.groupby(name)[dose].nunique() > 1).all()
    )


def _check_one_drug(
    table: pd.DataFrame, dose: str, by: Sequence[str], used: set[str | None]
) -> None:
    """Refuse to pool rows that differ in the dose of another drug."""
    for name in table.columns:
        if name in used or table[name].dtype.kind not in "biuf" or not _DOSES.search(name):
            continue
        if _is_design(table, name, [dose, *by]):
            raise InputError(
                f"column {name!r} looks like doses of another drug, in which rows of one {dose} "
                f"differ: --dose {dose} --dose {name} compares both drugs, --by {name} fits a "
                "curve at each of its doses"
            )


def _unused(table: pd.DataFrame, dose: str, by: Sequence[str], used: set[str | None]) -> list[str]:
    """Return warnings of columns that separate rows which are pooled."""
    found = []
    for name in table.columns:
        if name in used:
            continue
        count = len({*labels_in(table, name, "by")})
        if table[name].dtype.kind in "biuf":
            pooled = _is_design(table, name, [dose, *by])
        else:
            pooled = 1 < count < len(table)
        if pooled:
            option = next((o for o, names in _OPTIONS.items() if name.lower() in names), "by")
            does = "pairs" if option == "replicate" else "separates"
            found.append(
                f"column {name!r} has {count} values and is not used: they are pooled; "
                f"--{option} {name} {does} them"
            )
    return found
