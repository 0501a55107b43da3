"""Which parameters a read-out depends on: Sobol' indices and elementary effects, by SALib.

SALib sees the unit cube that the points were drawn in: each parameter as the share of its
distribution that lies below its value, whatever the distribution.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim import hooks
from sim.analysis.arms import arm_of, runs_with, value_of
from sim.errors import InputError
from sim.runs.seeds import replicate_seed
from sim.studies.sampling import INDICES, LEVELS, STEP, Sample, check_method

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    from sim.studies.table import Study

    Array = NDArray[np.float64]

COLUMNS = ("response", "arm", "method", "parameter", "index", "value", "low", "high", "note")
MAIN = {"saltelli": "ST", "morris": "mu_star"}
"""The index that parameters are ranked by."""
OF_METHOD = {"saltelli": ("S1", "ST"), "morris": ("mu", "mu_star", "sigma")}
"""Indices of each method; those in `WITH_LIMITS` have 95 % limits."""
WITH_LIMITS = ("S1", "ST", "mu_star")
BLOCK = {"saltelli": "blocks", "morris": "trajectories"}
"""Points that are used together, or not at all if one has no value."""
ENOUGH = {"saltelli": 64, "morris": 8}
"""Blocks or trajectories needed for reliable limits; see the docs."""
RESAMPLES, MOST_RESAMPLED = 1000, 4_000_000  # of the bootstrap; values drawn for it at once


@dataclass(frozen=True)
class Indices:
    """Sensitivity of one read-out in one arm.

    Attributes
    ----------
    method : str
        ``"saltelli"`` (Sobol' indices) or ``"morris"`` (elementary effects).
    n, used : int
        Blocks or trajectories of the design, and those that the indices are computed from.
    replicates : int
        Runs at each point.
    noise_sd : float or None
        Standard deviation, in units of the response, of the mean over the replicates at a point
        by chance alone; None with fewer than two replicates.
    noise_share : float or None
        Share of the variance between points that is this noise, at most 1.
    noise_floor : dict of str to float
        Indices of a parameter by noise alone, if it changed the course of runs but not their mean:
        ``ST``, or ``mu_star`` and ``sigma``. Empty where noise is not known.
    note : str
        What is missing or limited.
    parameters : dict of str to dict
        By key: ``S1`` and ``ST`` (shares of the variance), or ``mu``, ``mu_star`` and ``sigma``
        (units of the response, per whole range); 95 % limits as ``_low`` and ``_high``; a
        ``note``. Numbers are None where they are not defined.
    """

    method: str
    n: int
    used: int
    replicates: int
    noise_sd: float | None
    noise_share: float | None
    noise_floor: dict[str, float]
    note: str
    parameters: dict[str, dict[str, Any]]

    def ranked(self) -> list[str]:
        """Return the parameters, the most influential first."""
        main = MAIN[self.method]
        return sorted(self.parameters, key=lambda key: -(self.parameters[key][main] or 0.0))

    def words(self) -> str:
        """Return the indices as one line, the most influential parameter first."""
        main = MAIN[self.method]
        values = [(key, self.parameters[key][main]) for key in self.ranked()]
        return ", ".join(f"{key} {value:.3g}" for key, value in values if value is not None)


@dataclass(frozen=True, repr=False)
class Sensitivity:
    """How a read-out depends on what was sampled, in each arm of a study.

    Attributes
    ----------
    study : str
        Name of the study.
    response : str
        The read-out.
    arms : dict of str to Indices
        By arm: what it is called in its groups, and its values of what else is swept.
    """

    study: str
    response: str
    arms: dict[str, Indices]

    def __repr__(self) -> str:
        lines = [f"  {arm}: {found.words() or found.note}" for arm, found in self.arms.items()]
        return "\n".join([f"<sensitivity of {self.response}>", *lines])

    def __getitem__(self, arm: str) -> Indices:
        return self.arms[arm]

    @property
    def table(self) -> pd.DataFrame:
        """One row per arm, parameter and index, as in ``sensitivity.csv``."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=COLUMNS)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows of the table."""
        return [
            (self.response, arm, found.method, key, name, values[name],
             values.get(f"{name}_low"), values.get(f"{name}_high"),
             "; ".join(filter(None, (found.note, values["note"]))))
            for arm, found in self.arms.items()
            for key, values in found.parameters.items()
            for name in OF_METHOD[found.method]
        ]  # fmt: skip

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw the indices of every arm, a panel for each; return the figure."""
        return hooks.draw(self, fig=fig)


def sensitivity(study: Study, response: str | None = None) -> Sensitivity:
    """Compute the sensitivity of a read-out to the sampled parameters, in every arm of a study.

    Parameters
    ----------
    study : Study
        A study with a ``[sample]`` of the method ``saltelli`` or ``morris``.
    response : str, optional
        A read-out; by default the first that the study names.

    Raises
    ------
    InputError
        If the study has no such sample or no such read-out, is a shard, or SALib is not installed.
    """
    plan = study.plan
    if plan.sample is None or plan.sample.method not in INDICES:
        methods = " or ".join(map(repr, INDICES))
        raise InputError(f"{plan.name}: indices follow from a [sample] with method {methods} only")
    study.check_not_shard()
    check_method(plan.sample.method)
    response = response or plan.sensitivity[0]
    # No replicate has the number 0, and SALib takes the seed 0 for none.
    seed = replicate_seed(plan.seed, 0) or 1
    return Sensitivity(
        study=plan.name,
        response=response,
        arms={
            arm: _indices(plan.sample, values, seed)
            for arm, values in _values(study, plan.sample, response).items()
        },
    )


def _values(study: Study, sample: Sample, response: str) -> dict[str, Array]:
    """Return the read-out by arm, (n, points of a block, replicates), in the order of the points.

    NaN where there is none. A point that a design has twice was run once.
    """
    import numpy as np

    points = sample.points()
    places: dict[tuple[Any, ...], list[int]] = {}
    for place, point in enumerate(points):
        places.setdefault(tuple(point.values()), []).append(place)
    found: dict[str, Array] = {}
    for run in runs_with(study, response):
        arm = arm_of(run, sample.spreads)
        if arm not in found:
            found[arm] = np.full((len(points), study.plan.replicates), np.nan)
        its = tuple(run.parameters[key] for key in sample.spreads)
        found[arm][places[its], run.replicate - 1] = value_of(study, run, response)
    shape = (sample.n, -1, study.plan.replicates)
    return {arm: values.reshape(shape) for arm, values in found.items()}


def _indices(sample: Sample, values: Array, seed: int) -> Indices:
    """Return the indices from values (n, points of a block, replicates).

    Replicates share their random numbers across points, so that points of a block are averaged
    over the same replicates: those that have a value at each of them.
    """
    import numpy as np

    whole: Any = np.isfinite(values).all(axis=1)  # (n, replicates)
    kept = whole.any(axis=1)
    used = int(kept.sum())
    means = np.nanmean(np.where(whole[:, None], values, np.nan)[kept], axis=2)
    # Where the variance of the response is taken from: of a Saltelli block its two free points.
    free = means[:, [0, -1]] if sample.method == "saltelli" else means
    notes = _what_is_missing(sample, values, used)
    parameters = {
        key: dict.fromkeys(_columns(sample.method)) | {"note": ""} for key in sample.spreads
    }
    sd, share, floor = _noise(values[whole.all(axis=1)]), None, {}
    if sd is None:
        why = "one replicate" if values.shape[2] == 1 else f"no {BLOCK[sample.method]} are whole"
        notes.append(f"{why}: how much is chance is not known")
    else:
        sd *= math.sqrt((1 / whole[kept].sum(axis=1)).mean())  # of the mean over replicates
    if used < 2:
        notes.append(f"no indices: they take two {BLOCK[sample.method]} at least")
    elif np.ptp(free) <= 1e-12 * np.abs(free).max():
        notes.append("no indices: the response is constant")
    else:
        parameters = _by_salib(sample, means, kept, seed)
        notes += filter(None, [too_few(sample.method, used)])
        if sd is not None:
            share = min(1.0, sd**2 / float(free.var()))
            floor = _floor(sample.method, sd, share)
        for found in parameters.values():
            found["note"] = _judge(sample.method, found, floor)
    return Indices(
        sample.method, sample.n, used, values.shape[2], sd, share, floor, "; ".join(notes),
        parameters,
    )  # fmt: skip


def too_few(method: str, used: int) -> str:
    """Return a warning about limits from few blocks or trajectories; empty if there are enough."""
    if not 2 <= used < ENOUGH[method]:  # of fewer than two there are none
        return ""
    what = f"with only {used} {BLOCK[method]} the confidence limits are too narrow"
    return f"{what}; use {ENOUGH[method]} or more"


def _what_is_missing(sample: Sample, values: Array, used: int) -> list[str]:
    import numpy as np

    missing, notes = int((~np.isfinite(values)).sum()), []
    if missing:
        notes.append(f"{missing} of {values.size} values missing")
    if used < sample.n:
        notes.append(f"{sample.n - used} of {sample.n} {BLOCK[sample.method]} left out")
    return notes


def _columns(method: str) -> list[str]:
    """Return the names of the numbers of each parameter."""
    ends = {True: ("", "_low", "_high"), False: ("",)}
    return [name + end for name in OF_METHOD[method] for end in ends[name in WITH_LIMITS]]


def _by_salib(sample: Sample, means: Array, kept: Any, seed: int) -> dict[str, dict[str, Any]]:
    """Return the numbers of each parameter, from the means at all points of the blocks kept."""
    resamples = max(100, min(RESAMPLES, MOST_RESAMPLED // len(means)))
    if sample.method == "saltelli":
        from SALib.analyze import sobol

        found = sobol.analyze(
            sample.problem, means.ravel(), calc_second_order=False, num_resamples=resamples,
            seed=seed,
        )  # fmt: skip
    else:
        from SALib.analyze import morris

        points = sample.shares().reshape(sample.n, -1, len(sample.spreads))[kept]
        found = morris.analyze(
            sample.problem, points.reshape(-1, len(sample.spreads)), means.ravel(),
            num_resamples=resamples, num_levels=LEVELS, seed=seed,
        )  # fmt: skip
    parameters: dict[str, dict[str, Any]] = {}
    for place, key in enumerate(sample.spreads):
        numbers = parameters[key] = {}
        for name in OF_METHOD[sample.method]:
            value = numbers[name] = float(found[name][place])
            if name in WITH_LIMITS:
                half = float(found[f"{name}_conf"][place])
                numbers |= {f"{name}_low": value - half, f"{name}_high": value + half}
    return parameters


def _noise(values: Array) -> float | None:
    """Return the standard deviation of one run by chance, from values (blocks, points, replicates).

    It is what remains without the mean of each point and the level of each replicate, which all
    points share.
    """
    points, replicates = values.shape[0] * values.shape[1], values.shape[2]
    if points < 2 or replicates < 2:
        return None
    table = values.reshape(points, replicates)
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    return math.sqrt(float((rest**2).sum()) / ((points - 1) * (replicates - 1)))


def _floor(method: str, sd: float, share: float) -> dict[str, float]:
    """Return the indices of noise alone: elementary effects are then normal around 0."""
    if method == "saltelli":
        return {"ST": share}
    sigma = math.sqrt(2) * sd / STEP
    return {"mu_star": math.sqrt(2 / math.pi) * sigma, "sigma": sigma}


def _judge(method: str, numbers: dict[str, Any], floor: dict[str, float]) -> str:
    """Return what the limits of a parameter leave open."""
    main = MAIN[method]
    if numbers[main] == 0:
        return "changes nothing"
    notes = [] if numbers.get("S1_low", 1) > 0 else ["S1 not distinguishable from 0"]
    if numbers[f"{main}_low"] <= floor.get(main, 0):
        notes.append(f"{main} not distinguishable from {'noise' if floor else '0'}")
    for name in ("S1", "ST") if method == "saltelli" else ():
        if numbers[f"{name}_low"] > 1 or numbers[f"{name}_high"] < 0:
            side = "above 1" if numbers[name] > 1 else "below 0"
            notes.append(f"{name} {side} beyond its limits")
    return ", ".join(notes)
