"""Targets in the tissue: bisection over doses, each simulated with replicates that share seeds.

A read-out need not rise or fall steadily with the dose. It is simulated at both ends of the range
and in the middle (of the logarithm), then in the middle of the interval within which it comes to
hold, until that is narrower than 2 %, or its ends cannot be told apart from the bound. All that was
simulated is looked at for a reversal. Each decision follows from results in the ledger, so a design
that was stopped ends as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, inf, isfinite, log, log2, nan, sqrt
from statistics import fmean, stdev
from typing import Any

import numpy as np

from sim.design.plan import DesignPlan, Schedule, Target
from sim.design.result import Bound, Curve, Reached
from sim.errors import AngiosimError
from sim.runs.seeds import replicate_seed
from sim.scenario.bed import BedScenario
from sim.scenario.resolve import load
from sim.studies.executors import Executor
from sim.studies.forecast import Forecast, forecast_of
from sim.studies.identity import code_hash, content_of, key_of
from sim.studies.ledger import Entry, Ledger
from sim.studies.mixing import check_mixing
from sim.studies.plan import PlannedRun
from sim.studies.sweep import Progress, make_runs, must_run
from sim.studies.task import DONE, Task

NARROW = 1.02
"""Ratio of the ends of an interval of doses that is narrow enough."""


@dataclass(frozen=True)
class Point:
    """A read-out at a dose: mean of the replicates and its 95 % confidence limits."""

    dose: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Arm:
    """What is simulated: a schedule at a dose, or without drug, over the window of a target."""

    schedule: int
    target: Target
    dose: float | None


class Runner:
    """Simulates arms that are not in the ledger yet."""

    def __init__(
        self, plan: DesignPlan, executor: Executor, ledger: Ledger, progress: Progress | None
    ) -> None:
        self._plan, self._executor, self._ledger = plan, executor, ledger
        self._progress, self._began = progress, time.monotonic()
        self._known = ledger.entries()
        ledger.warn_of_lost({})
        self._runs: dict[str, PlannedRun] = {}

    def simulate(self, arms: Sequence[Arm]) -> dict[Arm, list[float]]:
        """Return the read-out of each arm by replicate.

        Raises
        ------
        AngiosimError
            If a run failed.
        """
        planned = {arm: self._planned(arm) for arm in arms}
        for run in (run for runs in planned.values() for run in runs):
            self._runs.setdefault(run.key, replace(run, index=len(self._runs) + 1))
        due = [r for r in self._runs.values()
               if r.key not in self._known or must_run(self._known[r.key], False)]  # fmt: skip
        if due:
            check_mixing(self._known.values(), self._executor.environments())
            assay = self._plan.scenario(self._plan.schedules[0], self._plan.vary.low).assay
            self._ledger.plan(list(self._runs.values()), self._plan.text, code_hash(assay))
            again = {run.key for run in due}
            before = [self._known[key].status for key in self._runs if key not in again]
            tasks = [Task(run.key, run.settings, run.seed, base=run.base) for run in due]
            make_runs(tasks, before, self._ledger, self._executor, self._progress)
            self._known = self._ledger.entries()
        return {arm: [self._read(run, arm) for run in runs] for arm, runs in planned.items()}

    def _planned(self, arm: Arm) -> list[PlannedRun]:
        plan = self._plan
        base, settings = arm_of(plan, plan.schedules[arm.schedule], arm.target, arm.dose)
        scenario = load(base or plan.base, settings)
        content = content_of(scenario)
        group = {"schedule": plan.schedules[arm.schedule].name}
        found = []
        for replicate in range(1, plan.replicates + 1):
            seed = replicate_seed(plan.seed, replicate, "design")
            key = key_of(content, seed, scenario.assay)
            found.append(PlannedRun(0, group, settings, settings, replicate, seed, key, base))
        return found

    def _read(self, run: PlannedRun, arm: Arm) -> float:
        entry: Entry = self._known[run.key]
        if entry.status != DONE:
            where = "control" if arm.dose is None else f"dose {arm.dose:.4g}"
            name = self._plan.schedules[arm.schedule].name
            raise AngiosimError(
                f"a run failed ({name}, {where}, replicate {run.replicate}), {entry.stage}: "
                f"{entry.error}; fix it and start again to resume"
            )
        return float(entry.metrics[arm.target.of])


def arm_of(
    plan: DesignPlan, schedule: Schedule, target: Target, dose: float | None
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return an arm's base, if it has one, and settings; without any drug if dose is None."""
    settings = dict(schedule.settings) | _window(plan, schedule, target)
    if dose is not None:
        return None, settings | {plan.vary.key: dose}
    name = load(plan.base, schedule.settings | {plan.vary.key: plan.vary.low}).drug.name  # type: ignore[union-attr]
    base = {key: item for key, item in plan.base.items() if key != "partner"}
    base["drug"] = {"name": name}
    drugs = ("drug", "partner")
    return base, {k: item for k, item in settings.items() if k.partition(".")[0] not in drugs}


def _window(plan: DesignPlan, schedule: Schedule, target: Target) -> dict[str, Any]:
    """Return when the assay begins and how long it lasts, where the target says so.

    Cells in culture are read in a fresh assay on the day; vessels are the same from the first day
    of the run to the end of the day that is asked for.
    """
    whole = load(plan.base, schedule.settings | {plan.vary.key: plan.vary.low})
    if isinstance(whole, BedScenario):
        first_h = whole.drug.regimen.first_h if whole.drug and whole.drug.regimen else 0.0
        if target.hours is not None:
            end_h = target.hours[1]
        elif target.window:
            end_h = first_h + 24.0 * int(target.window.removeprefix("day "))
        else:
            return {}
        return {"time.duration_h": end_h - whole.time.start_h}
    if target.hours is not None:
        start_h, end_h = target.hours
        return {"time.start_h": start_h, "time.duration_h": end_h - start_h}
    if not target.window:
        return {}
    drug = plan.scenario(schedule, plan.vary.low).drug
    first_h = drug.regimen.first_h if drug and drug.regimen else 0.0
    day = int(target.window.removeprefix("day "))
    return {"time.start_h": first_h + 24.0 * (day - 1)}


def forecast(plan: DesignPlan) -> Forecast | None:
    """Return what the runs of a design need if all searches are long; None if it has none."""
    targets = [target for target in plan.targets if target.of_tissue]
    if not targets:
        return None
    halvings = ceil(log2(max(1.0, log(plan.vary.high / plan.vary.low) / 2 / log(NARROW))))
    doses = [3 + halvings + target.relative for target in targets]  # with the control
    scenarios = []
    for target in targets:
        for schedule in plan.schedules:
            base, settings = arm_of(plan, schedule, target, plan.vary.low)
            scenarios.append(load(base or plan.base, settings))
    return forecast_of(scenarios, sum(doses) * len(plan.schedules) * plan.replicates)


class Search:
    """The search for the dose of one target on one schedule."""

    def __init__(self, plan: DesignPlan, target: Target) -> None:
        self.target, self._range = target, (plan.vary.low, plan.vary.high)
        self.points: dict[float, Point] = {}

    def asks(self) -> list[float]:
        """Return the doses to simulate next; none when it is done."""
        low, high = self._range
        missing = [dose for dose in (low, sqrt(low * high), high) if dose not in self.points]
        if missing:
            return missing
        if (bracket := self._bracket()) is None:
            return []
        low, high = bracket
        if high / low < NARROW:
            return []
        if all(self._is_near(self.points[dose]) for dose in (low, high)):
            return []
        return [sqrt(low * high)]

    def take(self, dose: float, values: Sequence[float]) -> None:
        """Enter the values of the replicates at a dose."""
        self.points[dose] = Point(dose, *interval(values))

    def holds(self, dose: float) -> bool:
        """Whether the mean at a dose meets the bound."""
        mean, target = self.points[dose].mean, self.target
        return mean >= target.value if target.at_least else mean <= target.value

    def bound(self) -> Bound:
        """Return the least dose from which the target holds, or the most up to which it does."""
        if (bracket := self._bracket()) is None:
            if self.holds(self._range[0]):
                return Bound(0.0, True)
            best = (max if self.target.at_least else min)(
                self.points.values(), key=lambda point: point.mean
            )
            return Bound(nan, True, (best.dose, f"{best.mean:.4g} {self.target.unit}".rstrip()))
        low, high = bracket
        return Bound(high, True) if self.holds(high) else Bound(low, False)

    def reversal(self) -> str:
        """Return where the read-out turns against its trend beyond its scatter, if it does."""
        points = sorted(self.points.values(), key=lambda point: point.dose)
        sign = 1.0 if points[-1].mean >= points[0].mean else -1.0
        for place, one in enumerate(points):
            for other in points[place + 1 :]:
                apart = one.low > other.high if sign > 0 else other.low > one.high
                if apart:
                    return (f"{self.target.quantity} is not monotone: {one.mean:.4g} at "
                            f"{one.dose:.4g}, {other.mean:.4g} at {other.dose:.4g}")  # fmt: skip
        return ""

    def uncertainty(self, unit: str) -> str:
        """Return between which doses it comes to hold by its confidence limits, if that is wide."""
        if (bracket := self._bracket()) is None:
            return ""
        sure = [p.dose for p in self.points.values() if isfinite(p.low) and not self._is_near(p)]
        low, high = bracket
        below = max((d for d in sure if d <= low and self.holds(d) == self.holds(low)), default=0.0)
        above = min(
            (d for d in sure if d >= high and self.holds(d) == self.holds(high)), default=inf
        )
        if not sure or above / max(below, self._range[0]) < NARROW:
            return ""
        words = [f"above {below:.4g}"] * (below > 0.0) + [f"below {above:.4g}"] * isfinite(above)
        return (f"{self.target.quantity}: by the 95 % confidence limits, the dose is "
                f"{' and '.join(words)} {unit}".rstrip())  # fmt: skip

    def curve(self) -> Curve:
        """Return what was simulated, over the dose."""
        points = sorted(self.points.values(), key=lambda point: point.dose)
        doses, *others = np.array([(p.dose, p.mean, p.low, p.high) for p in points]).T
        return Curve(self.target, doses, others[0], np.array([others[1], others[0], others[2]]))

    def reached(self, dose: float) -> Reached:
        """Return what the target comes to at a dose that was simulated."""
        point = self.points[dose]
        limits = (point.low, point.high) if isfinite(point.low) else (None, None)
        return Reached(point.mean, None, *limits)

    def _bracket(self) -> tuple[float, float] | None:
        """Return neighbouring doses between which it comes to hold, or ceases to.

        None if nothing is to be found: it holds at no dose that was simulated, or at both ends.
        """
        pairs = pairwise(sorted(self.points))
        changes = [(a, b) for a, b in pairs if self.holds(a) != self.holds(b)]
        first, last = (self.holds(dose) for dose in self._range)
        if not changes or (first and last):
            return None
        return changes[-1] if last else changes[0]

    def _is_near(self, point: Point) -> bool:
        return point.low <= self.target.value <= point.high


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return mean and 95 % confidence limits by Student's t; no limits of a single value."""
    from scipy.stats import t

    mean = fmean(values)
    if len(values) < 2:
        return mean, nan, nan
    half = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / sqrt(len(values))
    return mean, mean - half, mean + half


def search_all(plan: DesignPlan, runner: Runner) -> dict[tuple[int, Target], Search]:
    """Run the searches of all schedules side by side; return them by schedule and target."""
    targets = [target for target in plan.targets if target.of_tissue]
    searches = {
        (place, target): Search(plan, target)
        for place in range(len(plan.schedules))
        for target in targets
    }
    while True:
        asked = {name: search.asks() for name, search in searches.items()}
        if not any(asked.values()):
            return searches
        measure(runner, searches, asked)


def measure(
    runner: Runner,
    searches: Mapping[tuple[int, Target], Search],
    asked: Mapping[tuple[int, Target], Sequence[float]],
) -> None:
    """Simulate doses, and enter what they give, relative to control where the target is."""
    doses = [Arm(place, target, dose) for (place, target), d in asked.items() for dose in d]
    controls = {arm: replace(arm, dose=None) for arm in doses if arm.target.relative}
    values = runner.simulate([*doses, *dict.fromkeys(controls.values())])
    for arm in doses:
        found = values[arm]
        if arm in controls:
            found = _relative(arm, found, values[controls[arm]])
        assert arm.dose is not None
        searches[arm.schedule, arm.target].take(arm.dose, found)


def _relative(arm: Arm, values: Sequence[float], control: Sequence[float]) -> list[float]:
    if not all(control):
        raise AngiosimError(f"{arm.target}: the control is 0 in a replicate; bound the number")
    return [value / whole for value, whole in zip(values, control, strict=True)]
