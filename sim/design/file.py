"""From a design file to its plan."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from sim import data
from sim.assays import responses
from sim.design.plan import DesignPlan, Schedule, Vary
from sim.design.solve import varies
from sim.design.targets import TargetReader, above_0, misfits, unknown
from sim.errors import Problem, ScenarioError
from sim.scenario.cautions import by_key, cautions
from sim.scenario.partner import as_partner, swapped
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.scenario.shipped import shipped_designs
from sim.studies import reading
from sim.studies.reading import Reader, distinct, open_file

TOP = (*reading.TOP, "subjects", "target", "vary", "schedule", "limits")
VARIED = {
    f"{drug}.{key}": unit
    for drug in ("drug", "partner")
    for key, unit in {
        "regimen.dose_mg": "mg",
        "regimen.dose_mg_per_kg": "mg/kg",
        "regimen.dose_mg_per_m2": "mg/m2",
        "regimen.loading": "",
        "free_nM": "nM",
    }.items()
}
"""Keys that can be minimised, and their units; a loading dose has that of the dose."""
MOST_SUBJECTS, MOST_SCHEDULES = 10_000, 100
_OF_VARY = ("low", "high", "strengths")


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
        reader = TargetReader(self.problems, responses(self.assay.name))
        self.targets = [*reader.targets(self.tree.get("target", []))]
        steady = any(target.window == "steady" for target in self.targets)
        window = "steady" if steady else "schedule"  # of limits that name none
        self.targets += reader.limits(self._table("limits"), window)
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
        self.problems += unknown(f"vary.{key}", given, _OF_VARY)
        for name in ("low", "high"):
            if not above_0(given.get(name)):
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
            or not all(above_0(one) and low <= one <= high for one in strengths)
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
            self.problems += unknown(where, entry, ("name", "set"))
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

    # -- the schedules, tried ---------------------------------------------------------------

    def _try_schedules(self) -> None:
        """Load each schedule at both ends, and find every window and receptor in it."""
        assert self.vary is not None
        for place, schedule in enumerate(self.schedules):
            where = f"schedule.{place} ({schedule.name!r})" if "schedule" in self.tree else "base"
            for dose in (self.vary.low, self.vary.high):
                try:
                    scenario = load(self.base, schedule.settings | {self.vary.key: dose})
                    if self.vary.drug == "partner":
                        scenario = swapped(scenario)
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
        doses_body = scenario.drug.exposure == "pk" and scenario.drug.regimen is not None
        for number, target in enumerate(self.targets):
            place = f"target.{number}"
            if target.limit:
                place = f"limits.{target.of}.{target.statistic}"
            if not doses_body:
                if not target.of_tissue:
                    self._wrong(f"{place}.of", target.of, "needs doses to a body", f"in {where}")
                continue
            for one in misfits(target, place, scenario):
                hint = one.hint if one.key.endswith((".of", ".level")) else f"in {where}"
                own = self.vary is None or self.vary.drug == "drug"
                self._wrong(
                    one.key, one.value, one.allowed if own else as_partner(one.allowed), hint
                )
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
