"""From a study file to the runs that it plans, each with its key.

Resolving a scenario takes milliseconds, so it is not done for each of 10,000 runs. Settings are of
two kinds. A *number* goes to one place of the resolved scenario, whatever its value; runs that
differ in numbers alone share a template of the resolved text, into which the numbers are put.
Everything else (names, tables, switches, the domain) is resolved in every combination. Each worker
resolves its run in full and compares the key (`sim.studies.worker`), so that a plan cannot be wrong
unnoticed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import tomli_w

from sim import data
from sim.errors import Problem, ScenarioError
from sim.input import check_overrides
from sim.runs.seeds import replicate_seed
from sim.scenario import keys
from sim.scenario.cautions import by_key
from sim.scenario.resolve import load
from sim.scenario.settings import contradictions
from sim.scenario.shipped import shipped_studies
from sim.studies import reading
from sim.studies.course import read_course, unrecorded
from sim.studies.groups import GroupReader
from sim.studies.identity import code_hash, run_key
from sim.studies.plan import Plan, PlannedRun, Tree, controls, is_control
from sim.studies.reading import MOST_RUNS, distinct, open_file
from sim.studies.resolve import Axis, Point, Resolver, misfits, values_of
from sim.studies.sampling import INDICES, Sample, check_method, read_sample

TOP = (
    *reading.TOP, "grid", "zip", "sample", "group", "replicate", "dose_response", "combination",
    "sensitivity", "course", "from",
)  # fmt: skip
EACH = "[replicate]"
"""The place of what differs between replicates."""
NOT_SWEPT = {
    "seed": "replicates have seeds of their own; see `replicates` and the study's `seed`",
    "extends": "can only be given in a file",
    "format": "is the same for all runs",
    "assay": "follows from the base; arms of a group may each have a `base`",
    "name": "is that of the study",
    "description": "is that of the study",
    "drug.file": "refers to a file; give it in a base: arms of a group may each have one",
    "drug.doses_csv": "refers to a file; list the doses themselves: drug.doses",
}


def plan_study(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Plan:
    """Read a study and plan its runs.

    Parameters
    ----------
    source, overrides, seed
        As for `sim.sweep`.

    Raises
    ------
    ScenarioError
        With everything that is wrong.
    InputError
        If the file cannot be read, or a library that it needs is not installed.
    """
    check_overrides(overrides)
    tree, folder, label, name, problems = open_file(source, shipped_studies(), "study")
    try:
        if seed is not None:
            tree = tree | {"seed": seed}
        drawn = _Drawing(tree, folder, name, problems, overrides)
        whole = drawn.base and all(axis.points for axis in drawn.axes)
        resolver = Resolver(drawn.base, drawn.axes, problems, drawn.from_h) if whole else None
        if resolver and not problems:
            drawn.check_course(resolver)
        if resolver and not problems:
            return drawn.plan(resolver)
    except RecursionError:
        problems = [Problem("", None, "nested too deeply")]
    raise ScenarioError(label, distinct(problems))


class _Drawing(GroupReader):
    """A study while it is read: errors are added to `problems`, and reading continues."""

    def __init__(
        self,
        tree: Tree,
        folder: Path,
        name: str,
        problems: list[Problem],
        overrides: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(tree, folder, name, problems, TOP, overrides)
        self.responses: dict[str, list[str]] = {}  # by arm, all that it is analysed for
        self.axes = [*self.groups, *self._zip(), *self._sample(), *self._grid(), *self._each()]
        self.from_h = self._from()
        self._check_settings()
        self._check_dose_response()
        self._check_sensitivity()
        self._check_combination()
        names = [arm.assay.name for arm in self.arms]
        alone = not any(key in tree for key in ("grid", "zip", "sample"))
        course = self._table("course")
        self.course = read_course(course, self.groups, alone, names, self._wrong)

    # -- reading ----------------------------------------------------------------------------

    def _grid(self) -> list[Axis]:
        """Read the grid: an axis for each key."""
        axes = []
        for key, values in self._lists("grid").items():
            seen: set[Any] = set()
            for value in values:
                same = value if isinstance(value, (int, float)) else repr(value)
                if same in seen:
                    self._wrong(f"grid, {key}", value, "must not be given twice")
                seen.add(same)
            axes.append(Axis("[grid]", (key,), [({key: value}, {key: value}) for value in values]))
        return axes

    def _zip(self) -> list[Axis]:
        """Read the lists that advance together: one axis."""
        lists = self._lists("zip")
        lengths = {key: len(values) for key, values in lists.items()}
        if len(set(lengths.values())) > 1:
            self._wrong("zip", lengths, "must be lists of equal length")
        return [Axis("[zip]", tuple(lists), [(r, r) for r in _rows(lists)])] if lists else []

    def _each(self) -> list[Axis]:
        """Read what differs between replicates: one axis, with a point for each of them."""
        lists = self._lists("replicate")
        for key, values in lists.items():
            if len(values) != self.replicates:
                what = f"must be a list of {self.replicates} values, one for each replicate"
                self._wrong(f"replicate, {key}", values, what)
                return []
        self.each = Axis(EACH, (), [({}, row) for row in _rows(lists)])
        return [self.each] if lists else []

    def _from(self) -> float | None:
        """Read the time at which all runs branch from the base."""
        table = self._table("from")
        for key in table:
            if key != "at_h":
                self._wrong(f"from.{key}", None, "unknown key", data.nearest(key, ("at_h",)))
        if "from" not in self.tree:
            return None
        at_h = table.get("at_h")
        if isinstance(at_h, int | float) and type(at_h) is not bool and math.isfinite(at_h):
            return float(at_h)
        self._wrong("from.at_h", at_h, "must be a time of the base's time series, in h")
        return None

    def _lists(self, table: str) -> dict[str, list[Any]]:
        lists = {}
        for key, values in self._table(table).items():
            if isinstance(values, list) and values:
                lists[key] = values
            else:
                what = "must be a list of values"
                hint = "quote a dotted key" if isinstance(values, dict) else ""
                self._wrong(f"{table}, {key}", values, what, hint)
        return lists

    def _sample(self) -> list[Axis]:
        """Read the sampled design: one axis."""
        self.sample: Sample | None = None
        if "sample" not in self.tree:
            return []
        try:
            scenario = load(self.base)
        except ScenarioError:
            scenario = None  # reported elsewhere
        before = len(self.problems)
        sample = read_sample(self._table("sample"), self.seed, scenario, self.problems)
        if len(self.problems) > before:
            return []
        if not sample.given:
            check_method(sample.method)
        self.sample = sample = replace(sample, given=sample.shares().tolist())
        points: list[Point] = [(point, point) for point in sample.points()]
        return [Axis("[sample]", tuple(sample.spreads), points)]

    def _check_settings(self) -> None:
        """Refuse keys that cannot be swept, or that two parts of the study set."""
        for axis in self.axes:
            for each in {tuple(settings): settings for _, settings in axis.points}.values():
                self.problems += contradictions(each).values()
            given = [item for _, settings in axis.points for item in settings.items()]
            for key, reason in sorted({(key, not_swept(key, value)) for key, value in given}):
                if reason:
                    self._wrong(key, None, reason)
        self.problems += misfits(values_of(self.axes))
        self._refuse_set_twice([(axis.place, [s for _, s in axis.points]) for axis in self.axes])
        swept = {key for axis in self.axes if axis not in self.groups for key in axis.columns}
        for name in (axis.columns[0] for axis in self.groups if axis.columns[0] in swept):
            self._wrong(f"group.{name}", None, "must not have the name of a swept key")
        others = [axis for axis in self.axes if axis.place != EACH]
        count = self.replicates * math.prod(len(axis.points) for axis in others)
        if count > MOST_RUNS:
            self._wrong("", None, f"plans {count:,} runs; must be at most {MOST_RUNS:,}")

    def _check_dose_response(self) -> None:
        table = self._table("dose_response")
        self.dose_response: dict[str, Any] = table
        known = ("dose", "responses", "unstimulated")
        for key in table:
            if key not in known:
                hint = data.nearest(key, known)
                self._wrong(f"dose_response.{key}", None, "unknown key", hint)
        if not table:
            return
        dose, responses = table.get("dose"), self._asked("dose_response")
        swept = [key for axis in self.axes if axis not in self.groups for key in axis.columns]
        if dose not in swept:
            known_keys = [key for key in swept if keys.find(key.split(".")) is not None]
            what = data.one_of(known_keys) if known_keys else "must be swept by this study"
            self._wrong("dose_response.dose", dose, what, data.nearest(str(dose), known_keys))
        elif not all(
            type(labels.get(dose, 0)) in (int, float) and labels.get(dose, 0) >= 0
            for axis in self.axes
            for labels, _ in axis.points
        ):
            self._wrong(
                "dose_response.dose", dose, "must be given in numbers from 0, without units"
            )
        self.dose_response = {"dose": dose, "responses": responses}
        if "unstimulated" in table:
            self.dose_response["unstimulated"] = table["unstimulated"]
            self._check_unstimulated(table["unstimulated"])

    def _check_unstimulated(self, named: Any) -> None:
        """Refuse a control that is not an arm."""
        key = "dose_response.unstimulated"
        arms = {
            axis.columns[0]: [labels[axis.columns[0]] for labels, _ in axis.points]
            for axis in self.groups
        }
        if not isinstance(named, dict) or not named:
            self._wrong(key, named, 'must be a table of group and arm, such as {ligand = "none"}')
            return
        for group, arm in named.items():  # an arm, or a list of them
            if group not in arms:
                what = data.one_of(arms) if arms else "must be a group of this study"
                self._wrong(key, group, what, data.nearest(group, arms))
                continue
            for each in arm if isinstance(arm, list) and arm else [arm]:
                if each not in arms[group]:
                    hint = data.nearest(str(each), arms[group])
                    self._wrong(f"{key}.{group}", each, data.one_of(arms[group]), hint)

    def _check_sensitivity(self) -> None:
        """Refuse unknown read-outs, and designs without indices."""
        table, sample = self._table("sensitivity"), self._table("sample")
        self.sensitivity: list[str] = []
        for key in table:
            if key != "responses":
                hint = data.nearest(key, ("responses",))
                self._wrong(f"sensitivity.{key}", None, "unknown key", hint)
        if sample.get("method") in INDICES:
            self.sensitivity = self._asked("sensitivity")
        elif "sensitivity" in self.tree:
            what = f"needs a design with indices: sample.method {data.one_of(INDICES)}"
            self._wrong("sensitivity", None, what)

    def _asked(self, table: str) -> list[str]:
        """Return the read-outs of a table, those of all arms."""
        found = self._responses(table)
        for arm, names in found.items():
            self.responses[arm] = list(dict.fromkeys([*self.responses.get(arm, []), *names]))
        return list(dict.fromkeys(name for names in found.values() for name in names))

    def _check_combination(self) -> None:
        """Refuse combinations of arms that are not run, or cannot be compared."""
        self.combination = table = self._table("combination")
        if not table:
            return
        for key in table:
            if key not in ("group", "parts"):
                hint = data.nearest(key, ("group", "parts"))
                self._wrong(f"combination.{key}", None, "unknown key", hint)
        if "unstimulated" not in self.dose_response:
            what = "needs [dose_response] with an unstimulated control"
            self._wrong("combination", None, what)
        doses = self._table("grid").get(str(self.dose_response.get("dose")))
        if not isinstance(doses, list) or 0 not in doses:
            self._wrong("combination", None, "needs the dose in [grid], with dose 0")
        groups = {axis.columns[0]: [labels for labels, _ in axis.points] for axis in self.groups}
        group, parts = table.get("group"), table.get("parts")
        if not isinstance(group, str) or group not in groups:
            what = data.one_of(groups) if groups else "must be a group of this study"
            self._wrong("combination.group", group, what, data.nearest(str(group), groups))
            return
        control = controls(self.dose_response)
        names = [labels[str(group)] for labels in groups[str(group)]]
        arms = [name for name in names if {*control} != {group} or name not in control[group]]
        if not isinstance(parts, dict) or not parts:
            what = 'must be a table of arms and the arms they combine, such as {both = ["a", "b"]}'
            self._wrong("combination.parts", parts, what)
            return
        for name, combined in parts.items():
            key = f"combination.parts.{name}"
            if name not in arms:
                self._wrong(key, None, data.one_of(arms), data.nearest(name, arms))
            if not isinstance(combined, list) or len(combined) < 2:
                self._wrong(key, combined, "must be a list of at least two arms")
                continue
            for place, arm in enumerate(combined):
                if arm == name or arm in combined[:place]:
                    self._wrong(key, arm, "must be another arm")
                elif arm not in arms:
                    self._wrong(key, arm, data.one_of(arms), data.nearest(str(arm), arms))

    def check_course(self, resolver: Resolver) -> None:
        """Refuse times at which a run has no record."""
        for scenario in resolver.scenarios():
            for at in unrecorded(self.course, scenario):
                what = "must be a time at which every run is recorded"
                self._wrong("course.at_h", at, what, "see time.record_every_h")
                return

    # -- planning ---------------------------------------------------------------------------

    def plan(self, resolver: Resolver) -> Plan:
        """Return the plan; nothing was wrong."""
        return Plan(
            **self._about(),
            groups=tuple(name for axis in self.groups for name in axis.columns),
            parameters=tuple(
                key for axis in self.axes if axis not in self.groups for key in axis.columns
            ),
            runs=self._runs(resolver),
            code=" ".join(sorted({code_hash(assay) for _, assay, _ in resolver.hashes()})),
            sample=self.sample,
            dose_response=self.dose_response,
            sensitivity=self.sensitivity,
            combination=self.combination,
            course=self.course,
            from_h=self.from_h,
            text=self._text_of_file(),
            cautions=by_key(list(resolver.cautions())),
        )

    def _runs(self, resolver: Resolver) -> list[PlannedRun]:
        seeds = [(n, replicate_seed(self.seed, n)) for n in range(1, self.replicates + 1)]
        runs: list[PlannedRun] = []
        bases = self._own_bases()
        places = [axis.place for axis in self.axes]
        index = 0
        for points, assay, content_hash in resolver.hashes():
            group: dict[str, str] = {}
            parameters: dict[str, Any] = {}
            settings: dict[str, Any] = {}
            for axis, (labels, values) in zip(self.axes, points, strict=True):
                (group if axis in self.groups else parameters).update(labels)
                settings |= values
            if self._is_spare(group, parameters):
                index += 1 if EACH in places else self.replicates
                continue
            due = seeds
            if EACH in places:
                row = points[places.index(EACH)]
                due = [
                    pair for pair, own in zip(seeds, self.each.points, strict=True) if own is row
                ]
            arm = group.get(self.own, "")
            base, asked = bases.get(arm), tuple(self.responses.get(arm, ())) if self.own else ()
            for replicate, seed in due:
                key = run_key(content_hash, seed, code_hash(assay), self.course)
                index += 1
                runs.append(
                    PlannedRun(
                        index, group, parameters, settings, replicate, seed, key, base, asked
                    )
                )
        return runs

    def _own_bases(self) -> dict[str, Tree]:
        """Return by arm the bases that are not the study's."""
        axis = next((axis for axis in self.groups if axis.columns == (self.own,)), None)
        pairs = zip(axis.points, axis.bases, strict=True) if axis else ()
        return {labels[self.own]: base for (labels, _), base in pairs if base is not self.base}

    def _is_spare(self, group: dict[str, str], parameters: dict[str, Any]) -> bool:
        """Whether a run is the unstimulated control at another dose of the grid than the lowest."""
        if not is_control(group, self.dose_response):
            return False
        return bool(parameters[self.dose_response["dose"]] > self._lowest_dose)

    @cached_property
    def _lowest_dose(self) -> float:
        """The lowest dose of the grid; doses of other parts of a study come with other settings."""
        dose = self.dose_response["dose"]
        return min(map(float, self._table("grid").get(dose, ())), default=math.inf)

    def _text_of_file(self) -> str:
        """Return the study as a file without references to others."""
        tree: Tree = self._head()
        if self.sample is not None:
            spreads = {key: spread.table() for key, spread in self.sample.spreads.items()}
            numbers = {"n": self.sample.n, "seed": self.sample.seed}
            tree["sample"] = {"method": self.sample.method, **numbers, "ranges": spreads}
        tree["dose_response"] = self.dose_response
        tree["sensitivity"] = {"responses": self.sensitivity} if self.sensitivity else {}
        if self.own:  # arms may differ in their read-outs
            tree |= {key: self._table(key) for key in ("dose_response", "sensitivity")}
        tree["combination"] = self.combination
        tree["course"] = self.course
        tree["from"] = {} if self.from_h is None else {"at_h": self.from_h}
        tree["base"] = self.base
        text = tomli_w.dumps({key: value for key, value in tree.items() if value not in ({}, "")})
        group = dict(self._table("group"))
        if bases := self._own_bases():
            group[self.own] = [
                arm | ({"base": bases[arm["name"]]} if arm["name"] in bases else {})
                for arm in group[self.own]
            ]
        text += listed("grid", self._table("grid")) + listed("zip", self._table("zip"))
        text += listed("group", group) + listed("replicate", self._table("replicate"))
        if self.sample is None:
            return text
        # other versions of SciPy or SALib draw other points; a line for each, ten times faster
        points = ",\n".join(map(json.dumps, self.sample.given))
        return text.replace("[sample]\n", f"[sample]\npoints = [\n{points},\n]\n", 1)


def _rows(lists: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    """Return what lists that advance together have at each place."""
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=False)]


def listed(table: str, lists: Mapping[str, Any]) -> str:
    """Return a table of lists as text, in this order: the order of the runs follows from it.

    TOML writers put lists of long tables, as ``[[table.key]]``, behind all others.
    """
    if not lists:
        return ""
    lines = [f"\n[{table}]\n"]
    for key, values in lists.items():
        lines += [f"{_key(key)} = [\n", *(f"    {inline(value)},\n" for value in values), "]\n"]
    return "".join(lines)


def inline(value: Any) -> str:
    """Return a TOML value on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(key)} = {inline(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").rstrip("\n")


def _key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def not_swept(key: str, value: Any) -> str:
    """Return why a setting cannot differ between runs; empty if it can."""
    if key in NOT_SWEPT:
        return NOT_SWEPT[key]
    below = value.items() if isinstance(value, dict) else ()
    return next(filter(None, (not_swept(f"{key}.{name}", item) for name, item in below)), "")
