"""Fitting parameters to data: least squares over simulated means, with Optuna, resumable.

The objective of a trial is the sum over all numbers of the data table of ((m - d) / s)^2, where d
is the number, s its standard error, and m the mean of the replicates (chi-square; Press et al.,
Numerical Recipes, 3rd ed. 2007, section 15.1). The scatter of the replicates is left out of the
weights on purpose: a weight that falls with it would reward parameters that make runs erratic. It
is reported beside the fit instead.

All trials share their seeds, so that they differ by their parameters alone (common random
numbers). Points are chosen by the tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna
(Akiba et al. 2019), a batch at a time. What it chooses follows from its seed and what it was told,
in order; so nothing of it is stored: a calibration always starts at the first trial, and finds in
the ledger what was made before. Stopped, killed, or with any number of workers, it ends the same.
Optuna's own storage could not promise that, for it keeps trials, but not the sampler's random
state.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import tomli_w

from sim import __version__
from sim.errors import AngiosimError, InputError, stage
from sim.files import write_text_atomic
from sim.scenario.loading import content, decisive, load
from sim.scenario.schema import Scenario
from sim.study.design import PlannedRun
from sim.study.executors import Executor
from sim.study.folder import plain
from sim.study.holding import hold
from sim.study.identity import code_hash, hash_of, replicate_seed, run_key, text_of
from sim.study.ledger import DONE, FAILED, Entry, Ledger, Metrics
from sim.study.results import CALIBRATION, LEDGER
from sim.study.sweep import Counts, Progress, is_due, make_runs
from sim.study.targets import COMPARED, CalibrationPlan, Values, at_record
from sim.study.worker import PlaceError, Task

if TYPE_CHECKING:
    import pandas as pd

TRIALS, BEST, REPORT = "trials.csv", "best.toml", "calibration.json"
PICTURES = ("objective.png", "profile.png", "fit.png")
"""Files of a calibration's folder, beside `CALIBRATION` and the ledger."""

FAR = 4.0  # standard errors: by chance, one of 16,000 numbers is further from the truth
SEED_BITS = 32  # of Optuna's samplers
NOTE = (
    "calibrated: these values were fitted to the data given here, with the seeds `fitted`; the "
    "objective on the seeds `fresh`, which took no part in the fit, is the one to show. `low` and "
    "`high` are one standard error below and above, from the errors of the data, the scatter of "
    "the replicates and the distance of the best trial from the minimum, as if the model were "
    "right and its read-outs straight lines near the best: an approximation from the trials that "
    "were made. They are null where that is not known, and open where they reach the end of the "
    "range searched."
)


@dataclass(frozen=True)
class Match:
    """How a number of the data was met.

    Attributes
    ----------
    mean : float
        Of the replicates.
    sd : float or None
        Their standard deviation; None of a single one.
    residual : float
        (mean - number) / its standard error.
    """

    mean: float
    sd: float | None
    residual: float


@dataclass(frozen=True)
class Miss:
    """A number of the data that the best fit is far from.

    Attributes
    ----------
    row : int
        Its row in the table, from 1.
    readout : str
    value, simulated : float
        The number, and the mean of the replicates.
    standard_errors : float
        The difference in standard errors of the number and of the mean together.
    """

    row: int
    readout: str
    value: float
    simulated: float
    standard_errors: float

    def __str__(self) -> str:
        return (
            f"{self.readout} of row {self.row} is {self.value:.4g} in the data and "
            f"{self.simulated:.4g} simulated, {abs(self.standard_errors):,.3g} standard errors away"
        )


@dataclass(frozen=True)
class Trial:
    """A point that was tried.

    Attributes
    ----------
    number : int
        From 1.
    shares, values : dict
        By parameter: where in its range, from 0 to 1, and its value.
    objective : float or None
        None if it failed.
    matches : list of Match
        By target; empty if it failed.
    reason : str
        Why it failed.
    """

    number: int
    shares: dict[str, float]
    values: Values
    objective: float | None
    matches: list[Match]
    reason: str = ""

    def __str__(self) -> str:
        values = ", ".join(f"{key} = {value}" for key, value in self.values.items())
        return f"trial {self.number} ({values}), {self.reason}"


@dataclass(frozen=True)
class Range:
    """How well a parameter is determined, as far as the trials tell.

    Attributes
    ----------
    low, high : float or None
        One standard error below and above the best; None where that is not known.
    low_open, high_open : bool
        Whether it reaches the end of the range searched.
    note : str
        Why it is not known.
    """

    low: float | None
    high: float | None
    low_open: bool
    high_open: bool
    note: str = ""

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return self.note
        low = f"{self.low:.4g}{' or less' if self.low_open else ''}"
        return f"{low} to {self.high:.4g}{' or more' if self.high_open else ''}"


@dataclass(repr=False)
class CalibrationResult:
    """What a calibration gives.

    Attributes
    ----------
    plan : CalibrationPlan
    trials : list of Trial
        In order.
    fresh : Trial
        The best values with as many other seeds.
    folder : Path or None
        Its folder; None if nothing was written.
    """

    plan: CalibrationPlan
    trials: list[Trial]
    fresh: Trial
    folder: Path | None

    def __repr__(self) -> str:
        where = f", in {self.folder}" if self.folder else ""
        values = ", ".join(f"{key} = {value:.4g}" for key, value in self.values.items())
        far = ", far from the data" if self.misses else ""
        fit = f"objective {self.objective:.4g}{far}"
        return f"<{self.plan.name}: {values} (calibrated), {fit}{where}>"

    @property
    def best(self) -> Trial:
        """The trial with the lowest objective, the first of equals."""
        return best_of(self.trials)

    @property
    def done(self) -> list[Trial]:
        """The trials that have an objective."""
        return [trial for trial in self.trials if trial.objective is not None]

    @property
    def failures(self) -> list[Trial]:
        """The trials that failed, and the fresh one if it did."""
        return [trial for trial in [*self.trials, self.fresh] if trial.objective is None]

    @property
    def values(self) -> Values:
        """The calibrated values, by parameter."""
        return self.best.values

    @property
    def objective(self) -> float:
        """Chi-square of the best trial, which was made small on the seeds of the fit."""
        assert self.best.objective is not None
        return self.best.objective

    @property
    def reduced_chi_square(self) -> float | None:
        """The objective by degree of freedom: about 1 for a model and errors that are right.

        None where there are not more numbers than parameters.
        """
        freedom = len(self.plan.targets) - len(self.plan.parameters)
        return self.objective / freedom if freedom > 0 else None

    @property
    def misses(self) -> list[Miss]:
        """The numbers that the best values miss by more than `FAR` standard errors, worst first.

        On the fresh seeds, or on those of the fit if the fresh runs failed.
        """
        matches = self.fresh.matches or self.best.matches
        found = []
        for target, match in zip(self.plan.targets, matches, strict=True):
            error = math.hypot(target.sd, (match.sd or 0.0) / math.sqrt(self.plan.replicates))
            away = (match.mean - target.value) / error
            if abs(away) > FAR:
                found.append(Miss(target.row, target.readout, target.value, match.mean, away))
        return sorted(found, key=lambda miss: -abs(miss.standard_errors))

    @property
    def verdict(self) -> str:
        """In words, how far the best fit is from the data; empty if it is near all numbers."""
        misses = self.misses
        if not misses:
            return ""
        return (
            f"the best fit is far from the data: it misses {len(misses)} of "
            f"{len(self.plan.targets)} numbers by more than {FAR:g} standard errors; {misses[0]}; "
            "check the units of the data, its standard errors, and the ranges of the parameters"
        )

    @property
    def ranges(self) -> dict[str, Range]:
        """How well each parameter is determined; see `sim.study.precision`."""
        if self.plan.replicates == 1:
            unknown = Range(None, None, True, True, "one replicate: the scatter is not known")
            return dict.fromkeys(self.plan.parameters, unknown)
        import numpy as np

        from sim.study.precision import standard_errors

        errors = standard_errors(
            np.array([[*trial.shares.values()] for trial in self.done]),
            np.array([[match.residual for match in trial.matches] for trial in self.done]),
            np.array(self._scatter),
        )
        found = {}
        for place, (key, spread) in enumerate(self.plan.parameters.items()):
            share = self.best.shares[key]
            error = 1.0 if errors is None else float(errors[place])
            low, high = max(share - error, 0.0), min(share + error, 1.0)
            if (low, high) == (0, 1):
                found[key] = Range(None, None, True, True, "not determined by these trials")
            else:
                found[key] = Range(spread.at(low), spread.at(high), low == 0, high == 1)
        return found

    @property
    def scatter(self) -> float | None:
        """What the scatter of the replicates adds to the best objective on average."""
        return math.fsum(self._scatter) if self.plan.replicates > 1 else None

    @property
    def _scatter(self) -> list[float]:
        """Variance of the simulated mean over that of the number, by target."""
        size = self.plan.replicates
        pairs = zip(self.plan.targets, self.best.matches, strict=True)
        return [(match.sd or 0.0) ** 2 / size / target.sd**2 for target, match in pairs]

    @property
    def table(self) -> pd.DataFrame:
        """One row per trial, as in ``trials.csv``."""
        import pandas as pd

        columns, rows = trials_table(self.plan, self.trials)
        return pd.DataFrame(rows, columns=columns)

    def as_dict(self) -> dict[str, Any]:
        """Return what ``calibration.json`` holds."""
        from importlib.metadata import version

        plan = self.plan
        return {
            "name": plan.name,
            "note": NOTE,
            "parameters": {
                key: {
                    "calibrated": self.values[key],
                    **vars(found),
                    "searched": plan.parameters[key].table(),
                }
                for key, found in self.ranges.items()
            },
            "objective": self.objective,
            "objective_fresh": self.fresh.objective,
            "reduced_chi_square": self.reduced_chi_square,
            "scatter": self.scatter,
            "verdict": self.verdict,
            "misses": [vars(miss) for miss in self.misses],
            "numbers": len(plan.targets),
            "degrees_of_freedom": len(plan.targets) - len(plan.parameters),
            "best_trial": self.best.number,
            "trials": len(self.trials),
            "trials_failed": len(self.trials) - len(self.done),
            "seeds": {"fitted": seeds_of(plan, fresh=False), "fresh": seeds_of(plan, fresh=True)},
            "data": [
                {
                    "row": target.row,
                    **plan.conditions[target.condition],
                    "time_h": target.time_h,
                    "readout": target.readout,
                    "value": target.value,
                    "value_sd": target.sd,
                    "fitted": vars(match),
                    "fresh": vars(self.fresh.matches[place]) if self.fresh.matches else None,
                }
                for place, (target, match) in enumerate(
                    zip(plan.targets, self.best.matches, strict=True)
                )
            ],
            "versions": {"angiosim": __version__, "optuna": version("optuna")},
        }


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the lowest objective, the first of equals."""
    return min(trials, key=lambda t: (math.inf if t.objective is None else t.objective, t.number))


def seeds_of(plan: CalibrationPlan, *, fresh: bool) -> list[int]:
    """Return the seeds of the fit, or those that are fresh: the next ones, as many."""
    first = plan.replicates if fresh else 0
    numbers = range(first + 1, first + plan.replicates + 1)
    return [replicate_seed(plan.seed, number, "calibration") for number in numbers]


def simulate_records(base: dict[str, Any], task: Task) -> Metrics:
    """Make one run with the model; its metrics are the read-outs at each record and at the end.

    Raises
    ------
    PlaceError
        If this machine resolves the run to another key than the one planned.
    """
    with stage("set-up"):
        from sim.study.run import run_scenario

        scenario = load(base, task.settings, task.seed)
        if key_of(content_hash(scenario), task.seed) != task.key:
            raise PlaceError(
                "this run is not what was planned: the worker has another version of angiosim"
            )
    result = run_scenario(scenario)
    names = [name for name in COMPARED if name in result.timeseries]
    rows: list[dict[Any, Any]] = result.timeseries[names].to_dict("records")
    metrics: Metrics = {
        at_record(name, number): row[name] for number, row in enumerate(rows) for name in names
    }
    metrics |= rows[-1]
    return metrics


def content_hash(scenario: Scenario) -> str:
    """Return the hash of what decides the records of a run: also when they are made."""
    return hash_of(text_of(decisive(scenario)))


def key_of(content: str, seed: int) -> str:
    """Return the key of a run."""
    return run_key(content, seed, code_hash())


def calibrate(
    plan: CalibrationPlan,
    executor: Executor,
    out: Path | None = None,
    *,
    progress: Progress | None = None,
) -> CalibrationResult:
    """Fit the parameters of a plan to its data.

    Parameters
    ----------
    plan : CalibrationPlan
        From `sim.study.targets.plan_calibration`.
    executor : Executor
        Makes the runs; left to the caller to close.
    out : Path, optional
        The calibration's folder: new, empty, or its own, which is then gone on with. Without it
        nothing is written.
    progress : callable, optional
        Called with `Counts` several times a second; what it raises stops the calibration.

    Raises
    ------
    InputError
        If Optuna is not installed.
    FolderError
        If the folder holds something else, is in use or cannot be written.
    AngiosimError
        If it cannot go on: no room on the disk, no workers, a run that its machine hinders twice,
        no trial that could be evaluated.
    KeyboardInterrupt
        As it came. What has finished is kept.
    """
    with (
        _Optimiser(plan) as optimiser,
        hold(out, CALIBRATION, plan.name) if out else nullcontext(),
        Ledger(out and out / LEDGER) as ledger,
    ):
        if out and not _holds(out / CALIBRATION, plan.text):
            _clear(out)
            write_text_atomic(out / CALIBRATION, plan.text)
        runner = _Runner(plan, executor, ledger, progress, out)
        trials: list[Trial] = []
        while len(trials) < plan.trials:
            shares = optimiser.ask(min(plan.batch, plan.trials - len(trials)))
            found = runner.evaluate(shares, len(trials) + 1)
            optimiser.tell(found)
            trials += found
            if out and (runner.made or len(trials) == plan.trials):
                write_text_atomic(out / TRIALS, _csv(*trials_table(plan, trials)))
        if all(trial.objective is None for trial in trials):
            raise AngiosimError(f"no trial could be evaluated; {trials[0]}")
        best = best_of(trials)
        (fresh,) = runner.evaluate([best.shares], best.number, fresh=True)
        if fresh.objective is None:
            fresh = replace(fresh, reason=f"on fresh seeds, {fresh.reason}")
        result = CalibrationResult(plan, trials, fresh, out)
        if out:
            write_text_atomic(out / TRIALS, _csv(*trials_table(plan, trials)))
            write_text_atomic(out / BEST, scenario_of(result))
            text = json.dumps(plain(result.as_dict()), indent=2, allow_nan=False)
            write_text_atomic(out / REPORT, text + "\n")
        return result


def scenario_of(result: CalibrationResult) -> str:
    """Return the base with the calibrated values, as a scenario file."""
    plan = result.plan
    lines = [f"# {key} = {value}" for key, value in result.values.items()]
    lines += [f"# {result.verdict}"] if result.verdict else []
    head = {
        "name": f"{plan.name}, calibrated",
        "description": f"with values that were calibrated in {plan.name!r}",
    }
    intro = "# Calibrated with angiosim calibrate, see calibration.json beside this file:"
    return "\n".join([intro, *lines, "", tomli_w.dumps(content(plan.base, result.values) | head)])


def trials_table(
    plan: CalibrationPlan, trials: Sequence[Trial]
) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of the table of trials."""
    columns = ["trial", *plan.parameters, "objective", "status", "reason"]
    rows = [
        [
            trial.number,
            *trial.values.values(),
            trial.objective,
            FAILED if trial.objective is None else DONE,
            trial.reason,
        ]
        for trial in trials
    ]
    return columns, rows


class _Optimiser:
    """Optuna's sampler, asked and told in order; a context in which Optuna is silent."""

    def __init__(self, plan: CalibrationPlan) -> None:
        try:
            import optuna
        except ImportError:
            raise InputError(
                "angiosim calibrate needs Optuna: pip install 'angiosim[calib]'"
            ) from None
        self._optuna, self._plan = optuna, plan
        self._asked: list[Any] = []

    def __enter__(self) -> _Optimiser:
        from warnings import catch_warnings, simplefilter

        self._verbosity = self._optuna.logging.get_verbosity()
        self._optuna.logging.set_verbosity(self._optuna.logging.ERROR)
        text = f"angiosim calibration {self._plan.seed} optimiser"
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()) >> (256 - SEED_BITS)
        with catch_warnings():  # of options that Optuna 4 calls experimental
            simplefilter("ignore")
            sampler = self._optuna.samplers.TPESampler(
                seed=seed,
                multivariate=True,  # parameters are fitted together
                constant_liar=True,  # points of a batch keep apart
            )
        self._study = self._optuna.create_study(sampler=sampler)
        return self

    def __exit__(self, *_: object) -> None:
        self._optuna.logging.set_verbosity(self._verbosity)

    def ask(self, count: int) -> list[dict[str, float]]:
        """Return the next points, as shares of the ranges."""
        share = self._optuna.distributions.FloatDistribution(0.0, 1.0)
        space = dict.fromkeys(self._plan.parameters, share)
        self._asked = [self._study.ask(space) for _ in range(count)]
        return [{key: asked.params[key] for key in space} for asked in self._asked]

    def tell(self, trials: Sequence[Trial]) -> None:
        """Take what came of the points that were asked for, in their order."""
        for asked, trial in zip(self._asked, trials, strict=True):
            if trial.objective is None:
                self._study.tell(asked, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(asked, trial.objective)


class _Runner:
    """Makes the runs of points that the ledger does not know, and compares them with the data."""

    def __init__(
        self,
        plan: CalibrationPlan,
        executor: Executor,
        ledger: Ledger,
        progress: Progress | None,
        out: Path | None,
    ) -> None:
        self._plan, self._executor, self._ledger, self._progress = plan, executor, ledger, progress
        self._stale = out  # whose files are of an earlier start, until runs are made
        self._known = ledger.entries()
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
        """Return the runs of a point by condition and replicate, or why there can be none."""
        plan = self._plan
        first, seeds = (plan.replicates if fresh else 0) + 1, seeds_of(plan, fresh=fresh)
        runs = []
        for condition in plan.conditions:
            settings = condition | point
            try:
                found = content_hash(load(plan.base, settings))
            except InputError as error:
                problems = getattr(error, "problems", [error])
                return f"set-up: {'; '.join(map(str, problems))}"
            runs.append(
                [
                    PlannedRun(0, {}, settings, settings, number, seed, key_of(found, seed))
                    for number, seed in enumerate(seeds, first)
                ]
            )
        return runs

    def _make(self, runs: Sequence[PlannedRun], count: int) -> None:
        """Have those runs made that are not known; `count` of them were asked for.

        Raises
        ------
        AngiosimError
            If the machine, and not the run, is in trouble twice: the optimiser must not hear of it.
        """
        due = self._due(runs)
        impossible = [FAILED] * (count - len(runs))
        self.made = bool(due)
        self._before += count - len(due)
        if due and self._stale:
            _clear(self._stale)
            self._stale = None
        for _ in range(2):
            if not due:
                break
            self._ledger.plan(
                [replace(run, index=n) for n, run in enumerate(due.values(), 1)],
                self._plan.text,
                code_hash(),
            )
            tasks = [Task(run.key, run.settings, run.seed) for run in due.values()]
            others = [self._known[run.key].status for run in runs if run.key not in due]
            ended = self._ended + others + impossible
            make_runs(tasks, ended, self._ledger, self._executor, self._tell)
            self._known = self._ledger.entries()
            due = self._due(runs)
        if due:
            key, run = next(iter(due.items()))
            values = ", ".join(f"{name} = {run.settings[name]}" for name in self._plan.parameters)
            raise AngiosimError(
                f"a run could not be made, twice ({values}): {self._known[key].error}; mend that, "
                "and start again to go on"
            )
        self._ended += [self._known[run.key].status for run in runs] + impossible

    def _due(self, runs: Sequence[PlannedRun]) -> dict[str, PlannedRun]:
        """Return those that are not known, by key, and those that only their machine hindered."""
        known = self._known
        return {r.key: r for r in runs if r.key not in known or is_due(known[r.key], False)}

    def _tell(self, counts: Counts) -> None:
        if self._progress is not None:
            plan = self._plan
            total = (plan.trials + 1) * len(plan.conditions) * plan.replicates
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
                return None, [], f"read-out: {target.readout} of row {target.row} is no number"
            mean = fmean(values)
            sd = stdev(values) if len(values) > 1 else None
            matches.append(Match(mean, sd, (mean - target.value) / target.sd))
        return math.fsum(match.residual**2 for match in matches), matches, ""


def _clear(out: Path) -> None:
    """Remove what was made of earlier trials."""
    for name in (REPORT, BEST, *PICTURES, TRIALS):
        (out / name).unlink(missing_ok=True)


def _holds(path: Path, text: str) -> bool:
    """Whether a file is there and holds just that."""
    return path.exists() and path.read_text(encoding="utf-8") == text


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
