"""The runs of a calibration's trials."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from sim.assays import responses
from sim.calibration.file import CalibrationPlan, Values, at_record
from sim.calibration.result import Match, Trial, seeds_of
from sim.errors import AngiosimError, InputError, shown, stage
from sim.scenario.resolve import load
from sim.scenario.writing import decisive
from sim.studies.executors import Executor
from sim.studies.forecast import Forecast, forecast_of
from sim.studies.identity import code_hash, key_of
from sim.studies.ledger import Entry, Ledger
from sim.studies.mixing import check_mixing
from sim.studies.plan import PlannedRun
from sim.studies.sweep import Counts, Progress, make_runs, must_run
from sim.studies.task import DONE, FAILED, Metrics, Task
from sim.studies.worker import resolved

TRIALS, BEST, REPORT = "trials.csv", "best.toml", "calibration.json"


PICTURES = ("objective.png", "profile.png", "fit.png")
"""Files of a calibration's folder, beside `CALIBRATION` and the ledger."""


def simulate_records(base: dict[str, Any], task: Task) -> Metrics:
    """Run one task with the model; its metrics are the read-outs at each record and at the end.

    Its key holds all that determines the records, their times included.

    Raises
    ------
    PlaceError
        If this machine resolves the run to another key than the one planned.
    """
    with stage("set-up"):
        from sim.runs.run import run_scenario

        scenario = resolved(base, task, decisive)
    result = run_scenario(scenario)
    names = [name for name in responses(scenario.assay) if name in result.timeseries]
    rows: list[dict[Any, Any]] = result.timeseries[names].to_dict("records")
    metrics: Metrics = {
        at_record(name, number): row[name] for number, row in enumerate(rows) for name in names
    }
    metrics |= rows[-1]
    return metrics


def forecast(plan: CalibrationPlan) -> Forecast:
    """Return what all runs of a calibration need."""
    middle = {key: spread.at(0.5) for key, spread in plan.parameters.items()}
    each = [load(plan.base, condition | middle) for condition in plan.conditions]
    return forecast_of(each, runs_in_all(plan))


def runs_in_all(plan: CalibrationPlan) -> int:
    """Return how many runs a calibration has: those of the trials, and of the best on new seeds."""
    return (plan.trials + 1) * len(plan.conditions) * plan.replicates


class Runner:
    """Runs the points that are not in the ledger, and compares them with the data."""

    def __init__(
        self,
        plan: CalibrationPlan,
        executor: Executor,
        ledger: Ledger,
        progress: Progress | None,
        out: Path | None,
        max_minutes: float | None = None,
    ) -> None:
        self._plan, self._executor, self._ledger, self._progress = plan, executor, ledger, progress
        self._most = max_minutes
        self._stale = out  # whose files are of an earlier start, until there are new runs
        self._known = ledger.entries()
        ledger.warn_of_lost({})
        self._ended: list[str] = []
        self._before, self._began = 0, time.monotonic()
        self.made = False

    def evaluate(
        self, shares: Sequence[dict[str, float]], number: int, *, fresh: bool = False
    ) -> list[Trial]:
        """Return the trials of points, the first of which has this number."""
        spreads = self._plan.parameters
        points = [{key: spreads[key].at(share) for key, share in p.items()} for p in shares]
        planned: list[list[list[PlannedRun]] | str] = [self._runs(point, fresh) for point in points]
        runs = [
            run for trial in planned if not isinstance(trial, str) for arm in trial for run in arm
        ]
        self._make(runs, len(points) * len(self._plan.conditions) * self._plan.replicates)
        return [
            Trial(number + place, shares[place], points[place], *self._compared(found))
            for place, found in enumerate(planned)
        ]

    def _runs(self, point: Values, fresh: bool) -> list[list[PlannedRun]] | str:
        """Return the runs of a point by condition and replicate, or why it has none."""
        plan = self._plan
        first, seeds = (plan.replicates if fresh else 0) + 1, seeds_of(plan, fresh=fresh)
        runs = []
        for condition in plan.conditions:
            settings = condition | point
            try:
                scenario = load(plan.base, settings)
            except InputError as error:
                problems = getattr(error, "problems", [error])
                return f"set-up: {'; '.join(map(str, problems))}"
            content, assay = decisive(scenario), scenario.assay
            runs.append(
                [
                    PlannedRun(0, {}, settings, settings, n, seed, key_of(content, seed, assay))
                    for n, seed in enumerate(seeds, first)
                ]
            )
        return runs

    def _make(self, runs: Sequence[PlannedRun], count: int) -> None:
        """Execute the runs that are not in the ledger, of `count` in all.

        Raises
        ------
        AngiosimError
            If the machine, and not the run, fails twice: the optimiser must not see that.
        """
        missing = self._missing(runs)
        impossible = [FAILED] * (count - len(runs))
        self.made = bool(missing)
        self._before += count - len(missing)
        if missing and self._stale:
            clear_outputs(self._stale)
            self._stale = None
        if missing:
            check_mixing(self._known.values(), self._executor.environments())
        for _ in range(2):
            if not missing:
                break
            self._ledger.plan(
                [replace(run, index=n) for n, run in enumerate(missing.values(), 1)],
                self._plan.text,
                code_hash(load(self._plan.base).assay),
            )
            tasks = [Task(run.key, run.settings, run.seed) for run in missing.values()]
            others = [self._known[run.key].status for run in runs if run.key not in missing]
            ended = self._ended + others + impossible
            make_runs(tasks, ended, self._ledger, self._executor, self._report)
            self._known = self._ledger.entries()
            missing = self._missing(runs)
        if missing:
            key, run = next(iter(missing.items()))
            values = ", ".join(
                f"{name} = {shown(run.settings[name])}" for name in self._plan.parameters
            )
            raise AngiosimError(
                f"a run failed twice for a reason outside the model ({values}): "
                f"{self._known[key].error}; fix it and start again to resume"
            )
        self._ended += [self._known[run.key].status for run in runs] + impossible

    def _missing(self, runs: Sequence[PlannedRun]) -> dict[str, PlannedRun]:
        """Return the runs still to do, by key, with those that failed because of their machine."""
        known, most = self._known, self._most
        return {r.key: r for r in runs if r.key not in known or must_run(known[r.key], False, most)}

    def _report(self, counts: Counts) -> None:
        if self._progress is not None:
            total = runs_in_all(self._plan)
            spent = time.monotonic() - self._began
            self._progress(replace(counts, total=total, before=self._before, seconds=spent))

    def _compared(
        self, runs: list[list[PlannedRun]] | str
    ) -> tuple[float | None, list[Match], str]:
        """Return objective, matches, and why there are none, if it is so."""
        if isinstance(runs, str):
            return None, [], runs
        arms: list[list[Entry]] = [[self._known[run.key] for run in arm] for arm in runs]
        for entry in (entry for arm in arms for entry in arm):
            if entry.status != DONE:
                return None, [], f"{entry.stage}: {entry.error}"
        matches = []
        for target in self._plan.targets:
            arm = arms[target.condition]
            values = [entry.metrics.get(target.metric, math.nan) for entry in arm]
            if not all(map(math.isfinite, values)):
                return None, [], f"read-out: {target.readout} of row {target.row} is not a number"
            if target.control is not None:
                controls = [
                    entry.metrics.get(target.metric, math.nan) for entry in arms[target.control]
                ]
                values = ratios(values, controls)
                if not all(map(math.isfinite, values)):
                    what = f"read-out: the control of {target.readout} of row {target.row} is 0"
                    return None, [], what
            mean = fmean(values)
            sd = stdev(values) if len(values) > 1 else None
            matches.append(Match(mean, sd, (mean - target.value) / target.sd))
        return math.fsum(match.residual**2 for match in matches), matches, ""


def ratios(values: list[float], controls: list[float]) -> list[float]:
    """Return values with the mean and, to first order, the standard deviation of their ratio.

    Replicates share their seeds, so what a value and its control have in common cancels.
    """
    control = fmean(controls)
    if control == 0.0:
        return [math.nan] * len(values)
    ratio = fmean(values) / control
    return [ratio + (m - ratio * c) / control for m, c in zip(values, controls, strict=True)]


def clear_outputs(out: Path) -> None:
    """Remove the files of earlier trials."""
    for name in (REPORT, BEST, *PICTURES, TRIALS):
        (out / name).unlink(missing_ok=True)
