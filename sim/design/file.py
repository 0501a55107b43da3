"""From a design file to its plan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import tomli_w

from sim import data
from sim.assays import responses
from sim.design.curves import window_of
from sim.design.plan import (
    INHIBITION,
    NAMED,
    STATISTICS,
    UNITS,
    DesignPlan,
    Schedule,
    Target,
    Vary,
)
from sim.design.solve import varies
from sim.errors import Problem, ScenarioError
from sim.scenario.cautions import by_key, cautions
from sim.scenario.exposure import pharmacokinetic, regimen_of
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.scenario.shipped import shipped_designs
from sim.studies import reading
from sim.studies.reading import Reader, Tree, distinct, open_file

TOP = (*reading.TOP, "subjects", "target", "vary", "schedule", "limits")
VARIED = {
    "drug.regimen.dose_mg": "mg",
    "drug.regimen.dose_mg_per_kg": "mg/kg",
    "drug.regimen.dose_mg_per_m2": "mg/m2",
    "drug.regimen.loading": "",
    "drug.free_nM": "nM",
}
"""Keys that can be minimised, and their units; a loading dose has that of the dose."""
MOST_SUBJECTS, MOST_SCHEDULES = 10_000, 100
_OF_TARGET = (
    "of", "statistic", "level", "at_least", "at_most", "window", "hours", "share",
)  # fmt: skip
_OF_LIMIT = ("at_most", "window", "hours", "share")
_OF_VARY = ("low", "high", "strengths")
_RELATIVE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s+of\s+control\s*")


def plan_design(
    source: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> DesignPlan:
    """Read a design file.

    Parameters
    ----------
    source, overrides, seed
        As for `sim.design`.

    Raises
    ------
    ScenarioError
        With everything that is wrong.
    InputError
        If the file cannot be read.
    """
    tree, folder, label, name, problems = open_file(source, shipped_designs(), "design")
    if seed is not None:
        tree = tree | {"seed": seed}
    try:
        found = _Reading(tree, folder, name, problems, TOP, overrides)
        found.read()
        if not problems:
            return found.plan()
    except RecursionError:
        problems = [Problem("", None, "nested too deeply")]
    raise ScenarioError(label, distinct(problems))


class _Reading(Reader):
    """A design while it is read: errors are collected, and reading continues."""

    def read(self) -> None:
        """Read all tables, then try each schedule at both ends of what is varied."""
        self.subjects = self._number("subjects", 1000, 1, MOST_SUBJECTS)
        self.vary = self._vary()
        self.schedules = self._schedules()
        self.targets = [*self._targets(), *self._limits()]
        self.cautions: list[Problem] = []
        varied = [{self.vary.key: self.vary.low}] if self.vary else []
        places = [(f"schedule.{n}.set", [one.settings]) for n, one in enumerate(self.schedules)]
        for place in places:
            self._refuse_set_twice([("[vary]", varied), place])
        if self.base and self.vary and not self.problems:
            self._try_schedules()

    # -- what is varied, and the schedules --------------------------------------------------

    def _vary(self) -> Vary | None:
        table = self._table("vary")
        if len(table) != 1:
            what = "must have one key, the dose that is minimised; put others in [[schedule]]"
            hint = 'such as "drug.regimen.dose_mg" = {low = 1, high = 60}'
            self._wrong("vary", None, what, hint)
            return None
        ((key, given),) = table.items()
        if key not in VARIED:
            what = f"cannot be minimised; {data.one_of(VARIED)}"
            self._wrong(f"vary.{key}", None, what, data.nearest(key, VARIED))
            return None
        before = len(self.problems)
        if not isinstance(given, dict):
            self._wrong(f"vary.{key}", given, "must be a table such as {low = 1, high = 60}")
            return None
        self._known(f"vary.{key}", given, _OF_VARY)
        for name in ("low", "high"):
            if not _above_0(given.get(name)):
                self._wrong(f"vary.{key}.{name}", given.get(name), "must be a number above 0")
        if len(self.problems) > before:
            return None
        low, high = float(given["low"]), float(given["high"])
        if not low < high:
            self._wrong(f"vary.{key}.low", low, f"must be below high = {high:g}")
        strengths = given.get("strengths", [])
        allowed = f"must be a list of numbers from low to high, {low:g} to {high:g}"
        if (
            not isinstance(strengths, list)
            or not all(_above_0(one) and low <= one <= high for one in strengths)
            or ("strengths" in given and not strengths)
        ):
            self._wrong(f"vary.{key}.strengths", strengths, allowed)
            return None
        rising = tuple(sorted({float(one) for one in strengths}))
        return Vary(key, low, high, rising, VARIED[key])

    def _schedules(self) -> list[Schedule]:
        given = self.tree.get("schedule")
        if given is None:
            return [Schedule(self.name)]
        what = 'must be a list of tables: [[schedule]] with name = "..." and set = {...}'
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_SCHEDULES:
            self._wrong("schedule", None, what)
            return []
        found: list[Schedule] = []
        for place, entry in enumerate(given):
            where = f"schedule.{place}"
            if not isinstance(entry, dict):
                self._wrong(where, entry, "must be a table with name and set")
                continue
            self._known(where, entry, ("name", "set"))
            name, settings = entry.get("name"), entry.get("set", {})
            if not isinstance(name, str) or not name:
                self._wrong(f"{where}.name", name, "must be a text")
            elif name in (one.name for one in found):
                self._wrong(f"{where}.name", name, "must not be given twice")
            if not isinstance(settings, dict):
                self._wrong(f"{where}.set", settings, "must be a table of settings by dotted key")
                settings = {}
            found.append(Schedule(str(name), settings))
        return found

    # -- targets and limits -----------------------------------------------------------------

    def _targets(self) -> Iterator[Target]:
        given = self.tree.get("target", [])
        if not isinstance(given, list) or not given:
            what = "must be a list of tables: [[target]] with of, statistic and at_least or at_most"
            self._wrong("target", None, what)
            return
        for place, entry in enumerate(given):
            where = f"target.{place}"
            if not isinstance(entry, dict):
                self._wrong(where, entry, "must be a table")
                continue
            before = len(self.problems)
            self._known(where, entry, _OF_TARGET)
            of, statistic = entry.get("of"), entry.get("statistic", "at_end")
            known = ("free_nM", "total_ng_ml", f"{INHIBITION}RECEPTOR", *responses(self.assay.name))
            if not isinstance(of, str) or not self._is_known(of):
                hint = data.nearest(str(of), known)
                self._wrong(f"{where}.of", of, f"must be {_listed(known)}", hint)
                of = None
            if statistic not in STATISTICS:
                hint = data.nearest(str(statistic), STATISTICS)
                self._wrong(f"{where}.statistic", statistic, data.one_of(STATISTICS), hint)
            elif of is not None and "statistic" not in entry and not self._of_tissue(of):
                self._wrong(f"{where}.statistic", None, f"is missing; {data.one_of(STATISTICS)}")
            if ("at_least" in entry) == ("at_most" in entry):
                self._wrong(where, None, "must have either at_least or at_most")
            if len(self.problems) == before:
                yield from self._target(where, entry, str(of), str(statistic))

    def _target(self, where: str, entry: Tree, of: str, statistic: str) -> Iterator[Target]:
        """Read a target whose quantity and statistic are known."""
        before, tissue = len(self.problems), self._of_tissue(of)
        bound = "at_least" if "at_least" in entry else "at_most"
        value, relative = entry[bound], False
        if isinstance(value, str) and (found := _RELATIVE.fullmatch(value)):
            value, relative = float(found[1]) / 100, True
            if not tissue:
                what = "must be a number: only read-outs are relative to control"
                self._wrong(f"{where}.{bound}", entry[bound], what)
        fraction = of.startswith(INHIBITION) and statistic != "hours_above"
        if not _above_0(value) or (fraction and value >= 1):
            allowed = "must be above 0 and below 1" if fraction else "must be a number above 0"
            allowed += ', or such as "60 % of control"' if tissue else ""
            self._wrong(f"{where}.{bound}", value, allowed)
        if tissue and statistic != "at_end":
            self._wrong(f"{where}.statistic", statistic, "must be 'at_end' for a read-out")
        if statistic == "auc" and of.startswith(INHIBITION):
            self._wrong(f"{where}.statistic", statistic, "is of a concentration; use 'mean'")
        level = self._level(where, entry.get("level"), of, statistic)
        window, hours = self._window(where, entry, "" if tissue else "last cycle")
        if tissue and window and not window.startswith("day "):
            self._wrong(f"{where}.window", window, "must be 'day N' for a read-out, or give hours")
        share = self._share(where, entry)
        if tissue and share is not None:
            what = "must be left out: read-outs are those of the typical subject or drug.subject"
            self._wrong(f"{where}.share", share, what)
        if len(self.problems) == before:
            at_least = bound == "at_least"
            yield Target(
                of, statistic, float(value), at_least, window, hours, level, share, relative
            )

    def _limits(self) -> Iterator[Target]:
        for key, given in self._table("limits").items():
            where = f"limits.{key}"
            of, _, statistic = key.rpartition(".")
            if of not in UNITS or statistic not in ("max", "min", "mean", "at_end", "auc"):
                what = "must be total_ng_ml or free_nM with .max, .mean, .min, .at_end or .auc"
                self._wrong(where, None, what, 'in quotes: "total_ng_ml.max" = 60')
                continue
            table = given if isinstance(given, dict) else {"at_most": given}
            before = len(self.problems)
            self._known(where, table, _OF_LIMIT)
            if not _above_0(table.get("at_most")):
                what = "must be a number above 0, or a table with at_most"
                self._wrong(where, table.get("at_most"), what)
            window, hours = self._window(where, table, "schedule")
            share = self._share(where, table)
            if len(self.problems) == before:
                value = float(table["at_most"])
                yield Target(of, statistic, value, False, window, hours, None, share, limit=True)

    def _level(self, where: str, given: Any, of: str, statistic: str) -> float | str | None:
        """Read what ``hours_above`` is above."""
        if statistic != "hours_above":
            if given is not None:
                what = "must be left out: it belongs to statistic = 'hours_above'"
                self._wrong(f"{where}.level", given, what)
            return None
        if isinstance(given, str) and of == "free_nM" and given.startswith("ic50."):
            return given
        highest = 1.0 if of.startswith(INHIBITION) else float("inf")
        if not isinstance(given, str) and _above_0(given) and given < highest:
            return float(given)
        what = f"must be a number above 0{' and below 1' if highest == 1.0 else ''}"
        what += ', or such as "ic50.FGFR1"' if of == "free_nM" else ""
        self._wrong(f"{where}.level", given, what)
        return None

    def _window(
        self, where: str, entry: Tree, default: str
    ) -> tuple[str, tuple[float, float] | None]:
        if "hours" in entry:
            given = entry["hours"]
            if "window" in entry:
                self._wrong(f"{where}.window", entry["window"], "must not be given with hours")
            numbers = isinstance(given, list) and len(given) == 2 and all(map(_is_number, given))
            if numbers and 0 <= given[0] < given[1]:
                return "", (float(given[0]), float(given[1]))
            self._wrong(f"{where}.hours", given, "must be two rising hours, such as [0, 24]")
            return "", None
        window = entry.get("window", default)
        known = isinstance(window, str) and re.fullmatch(r"day [1-9]\d{0,4}", window)
        if window not in NAMED and window != default and not known:
            what = f"must be {_listed((*NAMED, 'day N'))}"
            self._wrong(f"{where}.window", window, what, data.nearest(str(window), NAMED))
        return str(window), None

    def _share(self, where: str, entry: Tree) -> float | None:
        share = entry.get("share")
        if share is None or (_above_0(share) and share < 1):
            return None if share is None else float(share)
        self._wrong(f"{where}.share", share, "must be above 0 and below 1, such as 0.9")
        return None

    def _known(self, where: str, table: Tree, known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                self._wrong(f"{where}.{key}", None, "unknown key", data.nearest(key, known))

    def _is_known(self, of: str) -> bool:
        return of in UNITS or of.startswith(INHIBITION) or of in responses(self.assay.name)

    def _of_tissue(self, of: str) -> bool:
        return of not in UNITS and not of.startswith(INHIBITION)

    # -- the schedules, tried ---------------------------------------------------------------

    def _try_schedules(self) -> None:
        """Load each schedule at both ends, and find every window and receptor in it."""
        assert self.vary is not None
        for place, schedule in enumerate(self.schedules):
            where = f"schedule.{place} ({schedule.name!r})" if "schedule" in self.tree else "base"
            for dose in (self.vary.low, self.vary.high):
                try:
                    scenario = load(self.base, schedule.settings | {self.vary.key: dose})
                except ScenarioError as error:
                    for wrong in error.problems:
                        key = f"{where}: {wrong.key}"
                        self._wrong(key, wrong.value, wrong.allowed, wrong.hint)
                    break
            else:
                self.cautions += cautions(scenario)
                self._fit(where, scenario)

    def _fit(self, where: str, scenario: Scenario) -> None:
        """Refuse what a schedule does not have."""
        assert scenario.drug is not None  # the varied key is one of it
        regimen = regimen_of(scenario.drug) if scenario.drug.exposure == "pk" else None
        receptors = scenario.resolved.drug.potencies().ic50_nM if scenario.resolved.drug else {}
        for number, target in enumerate(self.targets):
            place = f"target.{number}"
            if target.limit:
                place = f"limits.{target.of}.{target.statistic}"
            if regimen is None:
                if not target.of_tissue:
                    self._wrong(f"{place}.of", target.of, "needs doses to a body", f"in {where}")
                continue
            named = [target.of.removeprefix(INHIBITION)] * target.of.startswith(INHIBITION)
            named += [str(target.level).removeprefix("ic50.")] * isinstance(target.level, str)
            for receptor in named:
                if receptor not in receptors:
                    hint = data.nearest(receptor, receptors)
                    which = "level" if isinstance(target.level, str) else "of"
                    self._wrong(f"{place}.{which}", receptor, data.one_of(receptors), hint)
            try:
                start_h, end_h, _ = window_of(target, regimen)
            except ScenarioError as error:
                for wrong in error.problems:
                    self._wrong(f"{place}.window", wrong.value, wrong.allowed, f"in {where}")
                continue
            if target.window == "steady" and pharmacokinetic(scenario).changes:
                what = "has no meaning with drug.interaction on some days only"
                self._wrong(f"{place}.window", target.window, what, f"in {where}")
            if target.statistic == "hours_above" and target.value > end_h - start_h:
                bound = "at_least" if target.at_least else "at_most"
                what = f"must be at most the length of its window, {end_h - start_h:g} h"
                self._wrong(f"{place}.{bound}", target.value, what, f"in {where}")
            if target.share is not None and not varies(scenario):
                drug, species = scenario.drug.name, scenario.drug.species
                what = f"needs a spread between subjects, and none is known of {drug} in {species}"
                self._wrong(f"{place}.share", target.share, what)

    # -- planning ---------------------------------------------------------------------------

    def plan(self) -> DesignPlan:
        """Return the plan; nothing was wrong."""
        assert self.vary is not None
        head = self._head() | {"subjects": self.subjects}
        kept = {key: self.tree[key] for key in ("target", "vary", "schedule", "limits")
                if key in self.tree}  # fmt: skip
        tree = {key: value for key, value in head.items() if value != ""} | kept
        return DesignPlan(
            **self._about(),
            vary=self.vary,
            targets=self.targets,
            schedules=self.schedules,
            subjects=self.subjects,
            text=tomli_w.dumps(tree | {"base": self.base}),
            cautions=by_key(self.cautions),
        )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _above_0(value: Any) -> bool:
    return _is_number(value) and value > 0


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
