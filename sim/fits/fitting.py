"""Dose-response: logistic fits with honest intervals.

Definitions, and the reasons for these intervals, are in ``docs/dose-response.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from sim.fits.limits import (
    Array,
    alike,
    crossing,
    distinct,
    has_trend,
    limits_of,
    mean,
    measured,
    numbers,
    openness,
    reach,
    reversal,
    shift,
    to_doses,
    variance_within_doses,
)
from sim.fits.logistic import Curve, DoseResponse, dose_at, response_at, share_of_top

HILL_BOUNDS = (0.2, 10.0)
BEYOND_DOSES = 100.0  # the IC50 is sought up to this factor below and above the doses
SEEN = 0.9  # of the way from bottom to top, at the lowest dose: else nothing bounds the top
REVERSAL = 0.2  # of the range of the means: no logistic describes what turns back by more
NOTED_REVERSAL = 0.1

_START_HILLS = np.geomspace(0.3, 8.0, 9)


def fit(
    dose: ArrayLike,
    response: ArrayLike,
    unstimulated: ArrayLike | None = None,
    stimulated: ArrayLike | None = None,
    *,
    paired: bool | None = None,
    bottom: float | None = None,
    top: float | None = None,
    hill: float | None = None,
    weights: ArrayLike | None = None,
) -> DoseResponse:
    """Fit a four-parameter logistic by least squares, with 95 % intervals.

    Limits of paired data come from leaving out one whole replicate at a time, across all doses
    together and with its controls (jackknife, Student's t with replicates - 1 degrees of freedom).
    Those of unpaired data come from the delta method: the variance within doses, the same at all
    doses, and Student's t with its degrees of freedom. Limits of the IC50s are the doses at which
    the curve cannot be distinguished from half-way (Fieller 1954); so an interval is open on a side
    on which the data do not close it. Nothing is drawn at random.

    Parameters
    ----------
    dose : (D,) array_like
        Doses, all different, at least 0. Dose 0 enters exactly: the response there is the top.
    response : (R, D) array_like
        Response of each replicate at each dose; NaN, None, NA or masked where there is none.
    unstimulated, stimulated : float or (R,) array_like, optional
        The controls, of the same age, in the order of the replicates; a number is taken as known.
        The stimulated control is the response at dose 0 if left out. Without the unstimulated one
        the absolute IC50 and Emax are None.
    paired : bool, optional
        True if a row is a whole replicate, whose values share their seed, donor or day; False if
        all values are independent, such as those of separate wells: their order within a dose
        then does not matter. By default rows are replicates if none of their values is missing.
    bottom, top, hill : float, optional
        A parameter that is known and not fitted: three free ones, or fewer. Its limits are itself.
    weights : (D,) or (R, D) array_like, optional
        Weight of each value, positive: one over its variance, up to a factor. By default all have
        the same. See `sim.fits.limits.variance_weights`.

    Returns
    -------
    DoseResponse

    Raises
    ------
    ValueError
        If shapes do not agree, doses are negative, infinite, missing or repeated, a response or
        control is infinite or text, or a known parameter or a weight is impossible.

    Notes
    -----
    Bounds: the Hill slope within `HILL_BOUNDS`, the IC50 within `BEYOND_DOSES` times the range of
    the positive doses. Bottom and top enter linearly and are solved for exactly.
    """
    fixed = _checked(bottom, top, hill)
    dose = numbers(dose, "doses")
    response = measured(response, "response")
    if dose.ndim != 1 or response.ndim != 2 or response.shape[1] != dose.size:
        hint = "; transpose the response" if response.shape[:1] == dose.shape else ""
        raise ValueError(
            "dose must have the shape (D,) and response (R, D), "
            f"not {dose.shape} and {response.shape}{hint}"
        )
    dose = distinct(dose)
    weight = _weights(weights, response)
    order = np.argsort(dose)
    dose, response, weight = dose[order], response[:, order], weight[:, order]
    from_zero = stimulated is None and dose.size > 0 and dose[0] == 0
    controls = np.stack(
        [
            _control(unstimulated, "unstimulated", len(response)),
            _control(response[:, 0] if from_zero else stimulated, "stimulated", len(response)),
        ],
        axis=1,
    )
    known: Any = np.isfinite(response)
    used = known.any(axis=0)
    missing = int(np.count_nonzero(~known))
    notes = []
    if missing and paired is not False:
        notes.append(f"{missing} of {response.size} values missing")
    kept = known.any(axis=1)
    if paired is None:
        paired = bool(known[kept][:, used].all())
        if not paired:
            notes.append("rows with missing values are not taken as whole replicates")
    if paired:
        data = _Data(dose[used], response[kept][:, used], controls[kept], weight[kept][:, used])
        return _fit(data, fixed, notes)
    # A canonical order, so that not even the last digit depends on how values are put into rows.
    response, weight, controls = response[:, used], weight[:, used], np.sort(controls, axis=0)
    ranks = np.lexsort((weight, response), axis=0)
    response, weight = (np.take_along_axis(table, ranks, 0) for table in (response, weight))
    rows = np.isfinite(np.hstack([response, controls])).any(axis=1)
    moved = [[place] for place in range(response.shape[1])]
    if from_zero and used[0]:
        moved[0].append(response.shape[1] + 1)
    for place, control in ((0, unstimulated), (1, stimulated)):
        if np.ndim(control) > 0:  # type: ignore[arg-type]
            moved.append([response.shape[1] + place])
    data = _Data(dose[used], response[rows], controls[rows], weight[rows])
    return _fit(data, fixed, notes, moved)


def curve_of(
    dose: ArrayLike,
    response: ArrayLike,
    *,
    bottom: float | None = None,
    top: float | None = None,
    hill: float | None = None,
) -> Curve:
    """Return the curve that `fit` finds to one response (D,) at each dose, and nothing else.

    Raises
    ------
    ValueError
        As `fit` does, or if there are fewer doses than parameters to find.
    """
    fixed = _checked(bottom, top, hill)
    dose, response = distinct(dose), measured(response, "response")
    known = np.isfinite(response)
    if known.sum() < fixed.free or np.count_nonzero(dose[known]) < min(fixed.free, 2):
        raise ValueError(f"doses with values: {known.sum()}; a fit needs at least {fixed.free}")
    order = np.argsort(dose[known])
    row = response[known][order][None]
    nothing = np.full((1, 2), np.nan)
    data = _Data(dose[known][order], row, nothing, np.ones(row.shape))
    return _constant(data) if np.ptp(row) == 0 else _least_squares(data, fixed)


class _Fixed(NamedTuple):
    """Parameters that are known; None for those to fit."""

    bottom: float | None
    top: float | None
    hill: float | None

    @property
    def free(self) -> int:
        """How many are fitted: these, and the IC50."""
        return 1 + sum(value is None for value in self)


class _Data(NamedTuple):
    """Doses (D,), responses (R, D), both controls (R, 2), unstimulated first, weights (R, D)."""

    dose: Array
    response: Array
    controls: Array
    weight: Array

    def without(self, replicate: int) -> _Data:
        rest = (np.delete(table, replicate, axis=0) for table in self[1:])
        return _Data(self.dose, *rest)

    def shifted(self, columns: Sequence[int], by: float) -> _Data:
        """Return the data with columns of responses, followed by controls, moved."""
        table = np.hstack([self.response, self.controls])
        table[:, columns] += by
        return _Data(self.dose, table[:, :-2], table[:, -2:], self.weight)


def _checked(bottom: float | None, top: float | None, hill: float | None) -> _Fixed:
    """Return parameters that are known, or refuse them."""
    for name, value in (("bottom", bottom), ("top", top), ("hill", hill)):
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, not {value}")
    if hill is not None and hill <= 0:
        raise ValueError(f"hill must be positive, not {hill:g}")
    if bottom is not None and bottom == top:
        raise ValueError(f"bottom and top must differ; both are {top:g}")
    return _Fixed(bottom, top, hill)


def _weights(given: ArrayLike | None, response: Array) -> Array:
    """Return a weight for each value; 1 where none are given."""
    if given is None:
        return np.ones(response.shape)
    weights = numbers(given, "weights")
    if weights.shape not in (response.shape, response.shape[1:]):
        raise ValueError(
            f"weights must have the shape of the response, {response.shape}, or a value for each "
            f"dose, not {weights.shape}"
        )
    weights = np.array(np.broadcast_to(weights, response.shape))
    known = np.isfinite(response)
    if not (np.isfinite(weights) & (weights > 0))[known].all():
        raise ValueError("weights must be positive and finite")
    weights[~known] = 1.0
    return weights


def _control(given: ArrayLike | None, name: str, replicates: int) -> Array:
    """Return a control of each replicate, NaN where there is none."""
    values = measured(np.nan if given is None else given, name)
    if values.ndim and values.shape != (replicates,):
        raise ValueError(
            f"{name}: a control must be a number or have the shape ({replicates},), a value for "
            f"each replicate, not {values.shape}"
        )
    return np.array(np.broadcast_to(values, replicates))


def _parts(data: _Data, moved: Sequence[Sequence[int]] | None) -> list[_Data]:
    """Return the data from whose curves `reach` finds limits; none of one replicate.

    Parameters
    ----------
    data : _Data
    moved : list of list of int, optional
        For unpaired data, the columns that share a mean; see `_Data.shifted`.
    """
    count = len(data.response)
    if moved is None:
        return [data.without(r) for r in range(count)] if count > 1 else []
    variance, degrees = variance_within_doses(data.response, data.weight)
    if degrees == 0:
        return []
    table = np.hstack([data.response, data.controls])
    counts = np.isfinite(table).sum(axis=0)
    total = np.where(np.isfinite(table), np.hstack([data.weight, np.ones((count, 2))]), 0.0)
    sums = total.sum(axis=0)
    for place in (-2, -1):  # a control whose weight is not known, or that scatters more
        own, some = variance_within_doses(table[:, place:][:, :1])
        if some and variance > 0 and own > (0 if np.ptp(data.weight) > 0 else variance):
            sums[place] *= variance / own
    moved = [columns for columns in moved if counts[columns[0]] > 0]
    size = shift(variance, degrees, len(moved))
    return [
        data.shifted(columns, sign * size / math.sqrt(sums[columns[0]]))
        for columns in moved
        for sign in (1, -1)
    ]


def _fit(
    data: _Data, fixed: _Fixed, notes: list[str], moved: Sequence[Sequence[int]] | None = None
) -> DoseResponse:
    """Fit paired data, or unpaired with the columns that `_parts` moves."""
    dose, response, *_ = data
    paired = moved is None
    points = _points(data) | {"paired": paired}
    if dose.size < fixed.free or np.count_nonzero(dose) < min(fixed.free, 2):
        words = f"doses with values: {dose.size}; a fit needs at least {fixed.free}"
        return DoseResponse(note="; ".join([words, *notes]), **points)
    single = points["replicates"] == 1
    back = reversal(response, paired=paired)
    if back > REVERSAL and not single:
        words = "the response is not monotone: no logistic describes it"
        return DoseResponse(note="; ".join([words, *notes]), **points)
    flat = np.ptp(points["means"]) == 0 or (not single and not has_trend(response, paired=paired))
    if flat:
        notes.insert(0, "no detectable dose response")
    if back > NOTED_REVERSAL:
        why = "one replicate cannot show whether that is noise" if single else "more than noise"
        notes.append(f"the response turns back by {100 * back:.0f} % of its range: {why}")
    if single:
        notes.append("no intervals: one replicate" if paired else "no intervals: one value a dose")
    parts = _parts(data, moved)
    curves = [_constant(part) if flat else _least_squares(part, fixed) for part in (data, *parts)]
    result: dict[str, Any] = {"left_out": tuple(tuple(map(float, curve)) for curve in curves)}
    for name in ("bottom", "top"):
        result |= limits_of(name, [getattr(curve, name) for curve in curves])
    top_seen = fixed.top is not None or dose[0] == 0
    top_seen = top_seen or share_of_top(dose[0], curves[0].log_ic50, curves[0].hill) >= SEEN
    if not flat:
        known = fixed.hill is not None
        result |= _relative(dose, curves, notes, top_seen=bool(top_seen), hill_known=known)
    controls = [mean(part.controls) for part in (data, *parts)]
    result |= _absolute(dose, controls, curves, notes, replicates=points["replicates"])
    if not flat:  # an end of the curve beyond the doses is not a result
        beyond = fixed.bottom is None and curves[0].log_ic50 > math.log(dose[-1])
        unseen = ["bottom", "emax"] if beyond else []
        unseen += [] if top_seen else ["top"]
        result |= {name + end: None for name in unseen for end in ("", "_low", "_high")}
    return DoseResponse(note="; ".join(notes), **points, **result)


def _points(data: _Data) -> dict[str, Any]:
    """Return the doses with means and standard errors, as they are in the result."""
    dose, response, *_ = data
    count = np.isfinite(response).sum(axis=0)
    squares = np.nansum(np.square(response - mean(response)), axis=0)
    errors = np.sqrt(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
    return {
        "replicates": int(np.isfinite(response).any(axis=1).sum()),
        "doses": tuple(map(float, dose)),
        "means": tuple(map(float, mean(response))),
        "errors": tuple(float(e) if n > 1 else None for e, n in zip(errors, count, strict=True)),
    }


def _constant(data: _Data) -> Curve:
    known = np.isfinite(data.response)
    total = float(np.where(known, data.weight, 0.0).sum())
    mean = float(np.nansum(data.response * data.weight)) / total if total else math.nan
    return Curve(mean, mean, 0.0, 0.0)


def _least_squares(data: _Data, fixed: _Fixed) -> Curve:
    """Return the logistic with the least weighted sum of squares over all raw values.

    That sum is the one around the means of the doses, weighted by the weights of their values, plus
    what no curve can change. For a given IC50 and slope the best bottom and top are a linear
    regression (variable projection, Golub & Pereyra 1973), so only two parameters are searched for:
    on a grid first, then from its best point.
    """
    known = np.isfinite(data.response)
    weight = np.where(known, data.weight, 0.0).sum(axis=0)
    dose = data.dose[weight > 0]
    means = mean(data.response, data.weight)[weight > 0]
    weight = weight[weight > 0] / weight.sum()
    origin = float(weight @ means)  # the curve is origin + span * (share of the top - offset)
    if fixed.bottom is not None or fixed.top is not None:
        origin = fixed.top if fixed.bottom is None else fixed.bottom  # type: ignore[assignment]
    y = means - origin

    def offset(share: Array) -> Array:
        if fixed.bottom is None and fixed.top is None:
            return np.asarray(share @ weight)
        return np.full(share.shape[:-1], 1.0 if fixed.bottom is None else 0.0)

    def regression(log_ic50: float | Array, log_hill: float | Array) -> tuple[Array, Array]:
        """Shares (..., D) above the offset, and the best span (...) over them."""
        share = share_of_top(dose, log_ic50, np.exp(log_hill))
        x = share - offset(share)[..., None]
        if fixed.bottom is not None and fixed.top is not None:
            return x, np.full(x.shape[:-1], fixed.top - fixed.bottom)
        return x, x @ (weight * y) / np.maximum(np.square(x) @ weight, 1e-300)

    def misfit(shape: Array) -> Array:
        x, span = regression(shape[0], shape[1] if shape.size > 1 else hills[0])
        return np.asarray(np.sqrt(weight) * (span * x - y) / scale)

    scale = math.sqrt(weight @ np.square(y)) or 1.0
    positive = np.log(data.dose[data.dose > 0])
    hills = np.log(_START_HILLS if fixed.hill is None else [fixed.hill])
    log_ic50, log_hill = np.meshgrid(
        np.linspace(positive[0], positive[-1], 4 * positive.size), hills
    )
    grid = np.stack([log_ic50.ravel(), log_hill.ravel()], axis=1)
    x, span = regression(grid[:, :1], grid[:, 1:])
    start = grid[np.argmin(np.square(span[:, None] * x - y) @ weight)]
    margin = math.log(BEYOND_DOSES)
    low, high = np.log(HILL_BOUNDS)
    bounds = np.array([[positive[0] - margin, low], [positive[-1] + margin, high]])
    sought = 2 if fixed.hill is None else 1
    found = least_squares(
        misfit, start[:sought], bounds=tuple(bounds[:, :sought]), xtol=1e-10, ftol=1e-14, gtol=1e-14
    ).x
    log_hill = found[1] if fixed.hill is None else hills[0]
    share = share_of_top(dose, found[0], np.exp(log_hill))
    _, span = regression(found[0], log_hill)
    bottom = origin - float(span * offset(share)) if fixed.bottom is None else fixed.bottom
    top = bottom + float(span) if fixed.top is None else fixed.top
    hill = math.exp(log_hill) if fixed.hill is None else fixed.hill
    return Curve(bottom, top, float(found[0]), hill)


# --- what is read from the curve -------------------------------------------------------------


def _relative(
    dose: Array, curves: Sequence[Curve], notes: list[str], *, top_seen: bool, hill_known: bool
) -> dict[str, Any]:
    """Return IC50 and Hill slope with limits, and whether they are determined."""
    out: dict[str, Any] = {
        key: None if value is None else math.exp(value)
        for key, value in limits_of("hill", [math.log(curve.hill) for curve in curves]).items()
    }
    whole = curves[0]
    flattest = whole.hill < 1.01 * HILL_BOUNDS[0] and not hill_known
    steepest = whole.hill > 0.99 * HILL_BOUNDS[1]
    lowest, highest = dose[dose > 0][0] / BEYOND_DOSES, dose[-1] * BEYOND_DOSES
    farthest = not 1.01 * lowest < math.exp(whole.log_ic50) < 0.99 * highest
    if flattest or steepest or farthest:  # curves that stop at a bound agree, and know nothing
        out |= {"hill_low": None, "hill_high": None}
    if flattest:
        notes.append(f"flatter than a slope of {HILL_BOUNDS[0]:g}: no limits of the slope")
    sign = math.copysign(1.0, whole.top - whole.bottom)

    def before_half(at: Array) -> Array:
        rows = [response_at(at, curve) - (curve.top + curve.bottom) / 2 for curve in curves]
        return sign * np.array(rows)

    found, low, high = crossing(dose, math.exp(whole.log_ic50), before_half)
    if found is not None and steepest:
        low, high = to_doses(dose, found, low, high)
        notes.append("steeper than the doses resolve: the IC50 lies between two of them")
    if not top_seen:  # a higher one, and a lower IC50, would do as well
        low = None
        notes.append("no dose 0: the top is extrapolated")
    notes += openness("IC50", found, low, high, dose, with_limits=len(curves) > 1)
    out |= {"ic50": found, "ic50_low": low, "ic50_high": high}
    return out | {"determined": None not in (found, low, high)}


def _absolute(
    dose: Array,
    controls: Sequence[Array],
    curves: Sequence[Curve],
    notes: list[str],
    *,
    replicates: int,
) -> dict[str, float | None]:
    """Return absolute IC50 and Emax with limits, where there are controls."""
    ends = np.array(controls)
    missing = np.isnan(ends[0])
    if missing.any():
        names = [n for n, gone in zip(("unstimulated", "stimulated"), missing, strict=True) if gone]
        notes.append(f"no {' nor '.join(names)} control: no absolute IC50, no Emax")
        return {}
    if np.isnan(ends).any():
        notes.append("a control has one value: no limits of absolute IC50 and Emax")
        ends, curves = ends[:1], curves[:1]
    window = ends[:, 1] - ends[:, 0]
    if (window * window[0] <= 0).any() or (window.size > 1 and abs(window[0]) <= reach(window[1:])):
        words = alike(window[0], replicates)
        notes.append(f"{words}: no absolute IC50, no Emax")
        return {}
    bottom = np.array([curve.bottom for curve in curves])
    out = limits_of("emax", 100.0 * (ends[:, 1] - bottom) / window)
    half = ends.mean(axis=1)

    def before_half(at: Array) -> Array:
        rows = [response_at(at, curve) - level for curve, level in zip(curves, half, strict=True)]
        return math.copysign(1.0, window[0]) * np.array(rows)

    found, low, high = crossing(dose, dose_at(curves[0], float(half[0])), before_half)
    if found is not None and curves[0].hill > 0.99 * HILL_BOUNDS[1]:
        low, high = to_doses(dose, found, low, high)
    notes += openness("absolute IC50", found, low, high, dose, with_limits=len(curves) > 1)
    return out | {"absolute_ic50": found, "absolute_ic50_low": low, "absolute_ic50_high": high}
