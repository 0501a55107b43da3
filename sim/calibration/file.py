"""From a calibration file to what is fitted: parameters with ranges, and the data."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from sim import data
from sim.assays import responses
from sim.errors import InputError, Problem, ScenarioError, shown
from sim.files import named_file, read_csv
from sim.scenario import keys
from sim.scenario.cautions import by_key, cautions, differ
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.scenario.settings import parse_setting
from sim.scenario.shipped import shipped_calibrations
from sim.studies import reading
from sim.studies.file import not_swept
from sim.studies.plan import Planned
from sim.studies.reading import MOST_RUNS, Reader, distinct, open_file
from sim.studies.resolve import misfits
from sim.studies.sampling import MOST, Spread, read_spread

Tree = dict[str, Any]
Values = dict[str, float | int]

TOP = (*reading.TOP, "trials", "batch", "parameters", "data")
TIME = "time_h"
MOST_TRIALS = 100_000
MOST_ROWS = 10_000
MOST_RATIO = 20.0  # to a control; what is more is percent
LEAST_SD = 1e-12  # of a number, and as a share of it: chi-square stays a number


@dataclass(frozen=True, slots=True)
class Target:
    """One value of the data table.

    Attributes
    ----------
    row : int
        Its row, from 1.
    condition : int
        Index of its condition among those of the plan.
    time_h : float or None
        Record time; None for the end of the run.
    readout : str
    value, sd : float
        The value and its standard error.
    metric : str
        What a run calls the read-out at that time.
    control : int or None
        Index of the condition to which the value is a ratio; None for a plain value.
    """

    row: int
    condition: int
    time_h: float | None
    readout: str
    value: float
    sd: float
    metric: str
    control: int | None = None


@dataclass(frozen=True, kw_only=True)
class CalibrationPlan(Planned):
    """A calibration as planned.

    Attributes
    ----------
    trials, batch : int
        Points to try, and how many are chosen at a time.
    parameters : dict of str to Spread
        What is fitted, by dotted key.
    conditions : list of dict
        The different conditions of the table, and their controls: settings by dotted key.
    targets : list of Target

    Notes
    -----
    `replicates` are runs of each condition in a trial; all trials have the same seeds. They and the
    optimiser's follow from `seed`.
    """

    trials: int
    batch: int
    parameters: dict[str, Spread]
    conditions: list[Tree]
    targets: list[Target]


def plan_calibration(
    source: str | Path | Mapping[str, Any], trials: int | None = None
) -> CalibrationPlan:
    """Read a calibration file.

    Parameters
    ----------
    source, trials
        As for `sim.calibrate`.

    Raises
    ------
    ScenarioError
        With everything that is wrong.
    InputError
        If the file cannot be read.
    """
    tree, folder, label, name, problems = open_file(source, shipped_calibrations(), "calibration")
    try:
        found = _Reading(tree | ({"trials": trials} if trials else {}), folder, name, problems)
        if not problems:
            return found.plan()
    except RecursionError:
        problems = [Problem("", None, "nested too deeply")]
    raise ScenarioError(label, distinct(problems))


def at_record(readout: str, record: int) -> str:
    """Return what a run calls a read-out at its n-th record; at its end, it has its own name."""
    return f"{readout}@{record}"


class _Reading(Reader):
    """A calibration while it is read: errors are collected, and reading continues."""

    def __init__(self, tree: Tree, folder: Path, name: str, problems: list[Problem]) -> None:
        super().__init__(tree, folder, name, problems, TOP)
        self.trials = self._number("trials", 100, 1, MOST_TRIALS)
        self.batch = self._number("batch", 4, 1, 1000)
        self.compared = responses(self.assay.name)
        self.relative_to: Tree = {}
        self.reported: set[str] = set()
        self.cautions: list[Problem] = []
        scenario = self._resolved("base", {}) if self.base else None
        before = len(problems)
        self.parameters = self._parameters(scenario)
        if len(problems) == before:
            self._try_parameters()
        before = len(problems)
        self.rows = list(self._rows(folder))
        self.conditions: list[Tree] = []
        self.targets: list[Target] = []
        seen: dict[str, str] = {}
        for place, row in self.rows:
            self._check_columns(place, row)
            if (first := seen.setdefault(repr(sorted(row.items())), place)) != place:
                self._wrong(place, None, f"is the same as {first.removeprefix('data, ')}")
        columns = [("columns of the data", [condition_of(row) for _, row in self.rows])]
        self._refuse_set_twice([("[parameters]", [self._table("parameters")]), *columns])
        if self.base and len(problems) == before:
            self._make_targets()
            count = self.trials * self.replicates * len(self.conditions)
            if count > MOST_RUNS:
                self._wrong("", None, f"plans {count:,} runs; must be at most {MOST_RUNS:,}")

    # -- parameters -------------------------------------------------------------------------

    def _parameters(self, scenario: Scenario | None) -> dict[str, Spread]:
        table = self._table("parameters")
        if self.tree.get("parameters", {}) == {}:
            what = "must be a table of what is fitted, by dotted key"
            hint = 'for instance "engine.chemotaxis.cue.mu" = [100, 1000]'
            self._wrong("parameters", None, what, hint)
        for key in table:
            if not_swept(key, None):
                self._wrong(f"parameters, {key}", None, "cannot be fitted")
        return {
            key: read_spread(key, given, scenario, self.problems, "parameters")
            for key, given in sorted(table.items())  # their order in the file means nothing
        }

    def _try_parameters(self) -> None:
        """Refuse ranges whose ends or middle give an invalid scenario.

        An end that is out of range itself is reported first: the middle is nobody's choice.
        """
        each = {key: [spread.at(0.0), spread.at(1.0)] for key, spread in self.parameters.items()}
        if not self.base:
            for problem in misfits(each):
                self._wrong(
                    f"parameters, {problem.key}", problem.value, problem.allowed, problem.hint
                )
            return
        middle = self._middle()
        ends = [
            (key, end, self._errors(middle | {key: end}))
            for key, pair in each.items()
            for end in pair
        ]
        beyond: set[str] = set()
        for key, _, errors in ends:
            for own in errors:
                if own.key == key and keys.find(key.split("."), self.assay.name) is not None:
                    self._wrong(f"parameters, {key}", own.value, own.allowed, own.hint)
                    beyond.add(key)
        of_middle = self._errors(middle)
        self.reported |= {str(error) for error in of_middle if error.key in beyond}
        self._note("parameters", of_middle)
        if not self.problems:
            for key, end, errors in ends:
                self._note(f"parameters, {key} = {shown(end)}", errors)

    def _middle(self) -> Tree:
        return {key: spread.at(0.5) for key, spread in self.parameters.items()}

    def _resolved(self, where: str, settings: Tree) -> Scenario | None:
        """Return the base with settings; None if that is wrong, which is noted."""
        try:
            return load(self.base, settings)
        except ScenarioError as error:
            self._note(where, error.problems)
            return None

    def _errors(self, settings: Tree) -> list[Problem]:
        """Return what is wrong with the base with settings."""
        try:
            load(self.base, settings)
        except ScenarioError as error:
            return error.problems
        return []

    def _note(self, where: str, problems: list[Problem]) -> None:
        """Note errors of a scenario, each once: the next condition has them too."""
        for problem in problems:
            if str(problem) not in self.reported:
                self.reported.add(str(problem))
                self._wrong(f"{where}: {problem.key}", problem.value, problem.allowed, problem.hint)

    # -- data -------------------------------------------------------------------------------

    def _rows(self, folder: Path) -> Iterator[tuple[str, Tree]]:
        """Yield each row of the table with what messages call it."""
        table = self._table("data")
        for key in table:
            if key not in (known := ("file", "rows", "relative_error", "relative_to")):
                self._wrong(f"data.{key}", None, "unknown key", data.nearest(key, known))
        share: Any = table.get("relative_error")
        self.relative_error = share if _is_number(share) and share > 0 else None
        if share is not None and self.relative_error is None:
            self._wrong("data.relative_error", share, "must be a number above 0")
        if "relative_to" in table:
            self.relative_to = self._control(table["relative_to"])
        if ("file" in table) == ("rows" in table):
            what = "must have either file, a CSV table, or rows, a list of tables"
            if table or self.tree.get("data", {}) == {}:
                self._wrong("data", None, what)
            return
        if "file" in table:
            yield from self._file_rows(table["file"], folder)
            return
        rows = table["rows"]
        if not isinstance(rows, list) or not rows or len(rows) > MOST_ROWS:
            self._wrong("data.rows", rows, f"must be a list of 1 to {MOST_ROWS} tables")
            return
        for place, row in enumerate(rows, 1):
            if isinstance(row, dict):
                yield f"data, row {place}", row
            else:
                self._wrong(f"data, row {place}", row, "must be a table")

    def _control(self, given: Any) -> Tree:
        """Return the settings that make a condition the control of all values."""
        if not isinstance(given, dict) or not given:
            what = "must be a table of the settings of the control"
            self._wrong("data.relative_to", given, what, 'for instance {"drug.free_nM" = 0}')
            return {}
        for key, value in given.items():
            where = f"data.relative_to, {key}"
            if wrong := not_swept(key, value):
                self._wrong(where, value, f"cannot be set: {wrong}")
            elif keys.find(key.split("."), self.assay.name) is None:
                known = map(keys.dotted, keys.leaves(self.assay.name))
                hint = data.nearest(key, tuple(known))
                self._wrong(where, value, "must be a key of scenarios", hint)
            elif key in self.parameters:
                self._wrong(where, value, "is fitted, and cannot be set")
        return given

    def _file_rows(self, name: Any, folder: Path) -> Iterator[tuple[str, Tree]]:
        """Yield the rows of a CSV table; cells of conditions must not be empty."""
        try:
            header, rows = read_csv(named_file(name, folder, folder), MOST_ROWS)
        except ScenarioError as error:
            for wrong in error.problems:
                self._wrong(f"data, {wrong.key}", wrong.value, wrong.allowed, wrong.hint)
            return
        except InputError as error:
            self._wrong("data.file", name, error.reason)
            return
        if not rows:
            self._wrong("data.file", name, "must have a line of column names, and at least one row")
        for key in header:
            if key in self.compared and not any(row[key] for _, row in rows):
                self._wrong(f"data, column {key}", None, "has no values; remove it")
        for number, row in rows:
            where = f"data, line {number}"
            for key, cell in row.items():
                if not cell and key != TIME and key.removesuffix("_sd") not in self.compared:
                    self._wrong(f"{where}, {key}", None, "is empty; write the value in every row")
            yield where, {key: _cell(cell) for key, cell in row.items() if cell}

    def _check_columns(self, place: str, row: Tree) -> None:
        """Note errors of a row that show without a scenario; those of a column at its first row."""
        lost = False  # a value meant for a read-out may be in a column with another name
        for key, value in row.items():
            where, readout = f"{place}, {key}", key.removesuffix("_sd")
            if readout in self.compared:
                if not _is_number(value) or value < 0 or (readout != key and value == 0):
                    what = f"must be a number {'above 0' if readout != key else 'of at least 0'}"
                    comma = isinstance(value, str) and "," in value
                    self._wrong(where, value, what, "with a decimal point" if comma else "")
                if readout not in row:
                    self._once(place, key, f"has no matching column {readout!r}")
            elif key == TIME:
                if not _is_number(value) or value < 0:
                    self._wrong(where, value, "must be a number of hours")
            elif wrong := not_swept(key, value):
                self._once(place, key, f"cannot be a column: {wrong}")
                lost = True
            elif keys.find(key.split("."), self.assay.name) is None:
                known = (*self.compared, TIME, *map(keys.dotted, keys.leaves(self.assay.name)))
                what = f"must be a key of scenarios, {TIME!r}, a read-out, or READOUT_sd"
                self._once(place, key, what, data.nearest(key, known))
                lost = True
        compared = [name for name in self.compared if name in row]
        if not compared and not lost:
            self._wrong(place, None, f"has no read-out; they are {', '.join(self.compared)}")
        for name in compared:
            if f"{name}_sd" in row or not _is_number(row[name]):
                continue
            if self.relative_error is None:
                what = f"has no standard error: give {name}_sd, or data.relative_error for all"
                self._once(place, name, what)
            elif row[name] == 0:
                what = f"has no standard error: give {name}_sd, for 0 has no relative one"
                self._wrong(f"{place}, {name}", row[name], what)

    def _once(self, place: str, column: str, allowed: str, hint: str = "") -> None:
        """Note an error of a column, unless an earlier row reported it."""
        if f"{column}: {allowed}" not in self.reported:
            self.reported.add(f"{column}: {allowed}")
            where = "data, column" if place.startswith("data, line ") else f"{place},"
            self._wrong(f"{where} {column}", None, allowed, hint)

    def _make_targets(self) -> None:
        """Sort the rows by condition, and find their records."""
        scenarios: dict[str, tuple[int, Scenario | None]] = {}

        def known(place: str, condition: Tree) -> tuple[int, Scenario | None]:
            name = repr(sorted(condition.items()))
            if name not in scenarios:
                resolved = self._resolved(place, self._middle() | condition)
                scenarios[name] = len(self.conditions), resolved
                self.conditions.append(condition)
            return scenarios[name]

        for number, (place, row) in enumerate(self.rows, 1):
            condition, control = condition_of(row), None
            index, scenario = known(place, condition)
            if scenario is not None and self.relative_to:
                control, other = known("data.relative_to", condition | self.relative_to)
                if other is None:
                    continue
                if scenario == other:
                    self._wrong(place, None, "is the control itself, whose ratio is 1; remove it")
                    continue
                self.cautions += cautions(other)
            if scenario is None:
                continue
            self.cautions += cautions(scenario)
            record = self._record(place, row.get(TIME), scenario)
            for readout in (name for name in self.compared if name in row):
                value = float(row[readout])
                sd = row.get(f"{readout}_sd", abs(value) * (self.relative_error or 0))
                if sd < LEAST_SD * max(1.0, abs(value)):
                    what = f"has a standard error of {sd:g}, which is implausibly small"
                    self._wrong(f"{place}, {readout}", value, what)
                if self.relative_to and value > MOST_RATIO:
                    what = f"must be a ratio to the control, at most {MOST_RATIO:g}"
                    self._wrong(
                        f"{place}, {readout}", value, what, "if it is percent, divide by 100"
                    )
                metric = readout if record is None else at_record(readout, record)
                time_h = row.get(TIME)
                self.targets.append(
                    Target(number, index, time_h, readout, value, float(sd), metric, control)
                )

    def _record(self, place: str, time_h: float | None, scenario: Scenario) -> int | None:
        """Return the number of the record at a time; None for the end of the run."""
        if time_h is None:
            return None
        time = scenario.time
        steps = [*range(0, time.steps, time.steps_per_record), time.steps]
        step = round((time_h - time.start_h) * 3600 / time.mcs_s)
        used_h = time.start_h + step * time.mcs_s / 3600
        if step in steps and differ(time_h, used_h):
            what = f"is not at the end of a step; the record at {used_h:.6g} h is compared"
            self.cautions.append(Problem(f"{place}, {TIME}", time_h, what))
        if step == time.steps:
            return None
        if step in steps:
            return steps.index(step)
        near = sorted(sorted(steps, key=lambda other: abs(other - step))[:2])
        nearest = " and ".join(f"{time.start_h + n * time.mcs_s / 3600:.6g}" for n in near)
        what = f"must be a record time (time.record_every_h); the nearest are {nearest}"
        self._wrong(f"{place}, {TIME}", time_h, what)
        return None

    # -- planning ---------------------------------------------------------------------------

    def plan(self) -> CalibrationPlan:
        """Return the plan; nothing was wrong."""
        tree: Tree = {
            **self._head(),
            "trials": self.trials,
            "batch": self.batch,
            "parameters": {key: spread.table() for key, spread in self.parameters.items()},
            "data": {"rows": self._complete_rows()}
            | ({"relative_to": self.relative_to} if self.relative_to else {}),
            "base": self.base,
        }
        return CalibrationPlan(
            **self._about(),
            trials=self.trials,
            batch=self.batch,
            parameters=self.parameters,
            conditions=self.conditions,
            targets=self.targets,
            text=tomli_w.dumps({key: value for key, value in tree.items() if value != ""}),
            cautions=by_key(self.cautions),
        )

    def _complete_rows(self) -> list[Tree]:
        """Return the table with a standard error for each value."""
        rows = [dict(row) for _, row in self.rows]
        for target in self.targets:
            rows[target.row - 1][f"{target.readout}_sd"] = target.sd
        return rows


def condition_of(row: Tree) -> Tree:
    """Return the settings of a row, without times and read-outs."""
    return {
        key: value
        for key, value in row.items()
        if key != TIME and key.removesuffix("_sd") not in responses()
    }


def _cell(text: str) -> Any:
    """Return the content of a cell: a number as in spreadsheets, else a TOML value or a text."""
    if re.fullmatch(r"[+-]?\d{1,15}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return float(text)
    return parse_setting(f"cell={text}")[1]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < MOST
