"""Read-outs over time in the arms of a study, and against a control of the same replicate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim import hooks
from sim.analysis.arms import arm_of, others, value_of
from sim.errors import InputError
from sim.studies.course import name_at

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure

    from sim.studies.table import Study

Array = NDArray[np.float64]
LOW, HIGH = 0.1, 0.9
"""Quantiles of the replicates in the table."""


@dataclass(frozen=True)
class Courses:
    """Read-outs of the arms of a study at some times.

    Attributes
    ----------
    study : str
        What it is called.
    readouts : tuple of str
    at_h : (times,) float64
        In hours of the drug's schedule.
    arms : dict of str to dict of str to (replicates, times) float64
        By arm and read-out; NaN where a run is not done, or a read-out has no value.
    control : dict of str to str
        The arm that each is compared with, which has the same values but for its group; empty
        without.
    columns : dict of str to list of str
        Arms by the column of the picture that shows them.
    clock : str
        Unit of time in pictures: ``"h"`` or ``"d"``.
    """

    study: str
    readouts: tuple[str, ...]
    at_h: Array
    arms: dict[str, dict[str, Array]]
    control: dict[str, str]
    columns: dict[str, list[str]]
    clock: str

    def ratio(self, arm: str, readout: str) -> Array:
        """Return values (replicates, times) over those of the control in the same replicate.

        Raises
        ------
        InputError
            If the study names no control.
        """
        if not self.control:
            raise InputError(f"{self.study}: needs [course] with a control")
        below = self.arms[self.control[arm]][readout]
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Array = np.where(below != 0, self.arms[arm][readout] / below, np.nan)
        return found

    @property
    def table(self) -> pd.DataFrame:
        """A row for each arm, read-out and time: number, mean, sd, quantiles, ratio to control."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for arm, own in self.arms.items():
            for name in self.readouts:
                ratios = self.ratio(arm, name) if self.control else None
                for place, at in enumerate(self.at_h):
                    row = {"arm": arm, "readout": name, "time_h": at}
                    row |= _spread(own[name][:, place], "")
                    if ratios is not None:
                        row |= _spread(ratios[:, place], "ratio_")
                    rows.append(row)
        return pd.DataFrame(rows)

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw mean and spread of each arm over time; return the figure."""
        return hooks.draw(self, fig=fig)


def _spread(values: Array, prefix: str) -> dict[str, float | int]:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [LOW, HIGH]) if known.size else (np.nan, np.nan)
    return {
        f"{prefix}n": int(known.size),
        f"{prefix}mean": float(known.mean()) if known.size else np.nan,
        f"{prefix}sd": float(known.std(ddof=1)) if known.size > 1 else np.nan,
        f"{prefix}low": float(low),
        f"{prefix}high": float(high),
    }


def courses(study: Study) -> Courses:
    """Return the read-outs of a study over time; see `Study.courses`."""
    from sim.scenario.defaults import assay_of

    course = study.plan.course
    if not course:
        raise InputError(f"{study.plan.name}: has no [course]")
    study.check_not_shard()
    names, times = tuple(course["responses"]), course["at_h"]
    by_arm: dict[str, dict[int, Any]] = {}
    for run in study.runs:
        by_arm.setdefault(arm_of(run, ()), {})[run.replicate] = run
    every = range(1, study.plan.replicates + 1)

    def values(own: dict[int, Any], name: str) -> Array:
        blank = [np.nan] * len(times)
        return np.array(
            [
                [value_of(study, own[n], name_at(name, at)) for at in times] if n in own else blank
                for n in every
            ]
        )

    arms = {arm: {name: values(own, name) for name in names} for arm, own in by_arm.items()}
    wanted = course.get("control")
    named = [(arm_of(run, ()), others(run, ()), run.group) for run in study.runs]
    controls = {repr(beside): arm for arm, beside, group in named if group == wanted}
    control = {arm: controls[repr(beside)] for arm, beside, _ in named} if wanted else {}
    return Courses(
        study.plan.name,
        names,
        np.array(times),
        arms,
        control,
        course.get("columns") or {"": list(arms)},
        assay_of(study.plan.base_of(study.runs[0])).clock,
    )
