"""Result of a calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import hooks
from sim.calibration.file import CalibrationPlan, Target, Values
from sim.errors import shown
from sim.runs.seeds import replicate_seed
from sim.studies.task import DONE, FAILED
from sim.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure


FAR = 4.0  # standard errors: by chance, one of 16,000 values is further from the truth


NOTE = (
    "calibrated: these values were fitted to the data given here, with the seeds `fitted`; the "
    "objective on the seeds `fresh`, which took no part in the fit, is the one to report. `low` "
    "and `high` are one standard error below and above, from the errors of the data, the scatter "
    "of the replicates and the distance of the best trial from the minimum, assuming that the "
    "model is correct and its read-outs are linear near the optimum: an approximation from the "
    "trials of this search. They are null where that is not known, and open where they reach the "
    "end of the range searched."
)


@dataclass(frozen=True)
class Match:
    """How a value of the data was matched.

    Attributes
    ----------
    mean : float
        Of the replicates.
    sd : float or None
        Their standard deviation; None of a single one.
    residual : float
        (mean - value) / its standard error.
    """

    mean: float
    sd: float | None
    residual: float


@dataclass(frozen=True)
class Miss:
    """A value of the data that the best fit misses.

    Attributes
    ----------
    row : int
        Its row in the table, from 1.
    readout : str
    value, simulated : float
        The value, and the mean of the replicates.
    standard_errors : float
        The difference, in standard errors of the value and of the mean together.
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
        values = ", ".join(f"{key} = {shown(value)}" for key, value in self.values.items())
        return f"trial {self.number} ({values}), {self.reason}"


@dataclass(frozen=True)
class Range:
    """How well a parameter is determined, as far as the trials show.

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
class Calibration:
    """Result of a calibration.

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
        """Chi-square of the best trial, minimised on the seeds of the fit."""
        assert self.best.objective is not None
        return self.best.objective

    @property
    def reduced_chi_square(self) -> float | None:
        """The objective per degree of freedom: about 1 if model and errors are right.

        None where there are not more values than parameters.
        """
        freedom = len(self.plan.targets) - len(self.plan.parameters)
        return self.objective / freedom if freedom > 0 else None

    @property
    def misses(self) -> list[Miss]:
        """The values that the best fit misses by more than `FAR` standard errors, worst first.

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
        """In words, how far the best fit is from the data; empty if it is close to all values."""
        misses = self.misses
        if not misses:
            return ""
        return (
            f"the best fit is far from the data: it misses {len(misses)} of "
            f"{len(self.plan.targets)} values by more than {FAR:g} standard errors; {misses[0]}; "
            "check the units of the data, its standard errors, and the ranges of the parameters"
        )

    @property
    def ranges(self) -> dict[str, Range]:
        """How well each parameter is determined; see `sim.calibration.precision`."""
        if self.plan.replicates == 1:
            unknown = Range(None, None, True, True, "one replicate: the scatter is not known")
            return dict.fromkeys(self.plan.parameters, unknown)
        import numpy as np

        from sim.calibration.precision import standard_errors

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
        """Variance of the simulated mean over that of the value, by target."""
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
        """Return the content of ``calibration.json``."""
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
                    **_control_of(plan, target),
                    "fitted": vars(match),
                    "fresh": vars(self.fresh.matches[place]) if self.fresh.matches else None,
                }
                for place, (target, match) in enumerate(
                    zip(plan.targets, self.best.matches, strict=True)
                )
            ],
            "versions": {"angiosim": __version__, "optuna": version("optuna")},
        }

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw data against fit, a panel for each read-out; return the figure."""
        return hooks.draw(self, fig=fig)


def _control_of(plan: CalibrationPlan, target: Target) -> dict[str, Any]:
    """Return the condition to which a value is a ratio, if it is one."""
    return {} if target.control is None else {"ratio_to": plan.conditions[target.control]}


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the lowest objective, the first of equals."""
    return min(trials, key=lambda t: (math.inf if t.objective is None else t.objective, t.number))


def seeds_of(plan: CalibrationPlan, *, fresh: bool) -> list[int]:
    """Return the seeds of the fit, or those that are fresh: the next ones, as many."""
    first = plan.replicates if fresh else 0
    numbers = range(first + 1, first + plan.replicates + 1)
    return [replicate_seed(plan.seed, number, "calibration") for number in numbers]


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
