"""Dose-response: logistic fits with honest intervals, and what two blockades should do together.

Definitions, and why the intervals are made as they are, stand in ``docs/dose-response.md``. Scalars
that the data do not determine are None, never NaN, so that results go into JSON as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import brentq, least_squares

Array = NDArray[np.float64]

CONFIDENCE = 0.95
HILL_BOUNDS = (0.2, 10.0)
BEYOND_DOSES = 100.0  # the IC50 is sought up to this factor below and above the doses
SEEN = 0.9  # of the way from bottom to top, at the lowest dose: else nothing bounds the top
IDLE = 0.1  # of the controls' difference: within it a blockade counts as doing nothing alone
REVERSAL = 0.2  # of the range of the means, against the trend: a curve that is not monotone

_START_HILLS = np.geomspace(0.3, 8.0, 9)
_STEPS_PER_DECADE = 40  # of the doses at which an interval is looked for


class Curve(NamedTuple):
    """Parameters of a logistic curve, the IC50 as its natural logarithm."""

    bottom: float
    top: float
    log_ic50: float
    hill: float


@dataclass(frozen=True)
class DoseResponse:
    """A fitted dose-response curve. Each quantity has 95 % limits, ``_low`` and ``_high``.

    None stands for what the data do not tell: an estimate that lies outside the doses given, or a
    limit on a side that is open. An IC50 of None with ``ic50_low = 64`` reads "above 64".

    Attributes
    ----------
    bottom, top : float or None
        Response at infinite dose and without drug, in units of the response. `bottom` is above
        `top` where the response rises with the dose.
    ic50 : float or None
        Relative IC50: the dose half-way between the curve's own top and bottom, in units of dose.
    hill : float or None
        Steepness, always positive.
    absolute_ic50 : float or None
        The dose at which the curve is half-way between the stimulated and the unstimulated control.
    emax : float or None
        Inhibition at infinite dose, % of the difference between the controls; may exceed 100.
    determined : bool
        Whether the relative IC50 and both its limits lie within the doses given; without dose 0
        the lower one does so only where the lowest doses show the top.
    note : str
        Why something is not determined, and what else should be known; empty if all is well.
    replicates : int
        Replicates with at least one value.
    doses, means, errors : tuple
        The points: doses, means over replicates, standard errors (None with fewer than two values).
    left_out : tuple of tuple
        `bottom, top, ln IC50, hill` of the curve and of the curves without one replicate each,
        from which all limits follow; hill is 0 for a constant.
    """

    bottom: float | None = None
    bottom_low: float | None = None
    bottom_high: float | None = None
    top: float | None = None
    top_low: float | None = None
    top_high: float | None = None
    ic50: float | None = None
    ic50_low: float | None = None
    ic50_high: float | None = None
    hill: float | None = None
    hill_low: float | None = None
    hill_high: float | None = None
    absolute_ic50: float | None = None
    absolute_ic50_low: float | None = None
    absolute_ic50_high: float | None = None
    emax: float | None = None
    emax_low: float | None = None
    emax_high: float | None = None
    determined: bool = False
    note: str = ""
    replicates: int = 0
    doses: tuple[float, ...] = ()
    means: tuple[float, ...] = ()
    errors: tuple[float | None, ...] = ()
    left_out: tuple[tuple[float, float, float, float], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return all fields; JSON takes them as they are, and `from_dict` takes them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Return the result that `as_dict` wrote, also after a passage through JSON."""
        plain: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()
        }
        plain["left_out"] = tuple(tuple(curve) for curve in fields["left_out"])
        return cls(**plain)

    def words(self, name: str = "ic50") -> str:
        """Return a quantity as text: value and limits, a bound, or that it is not determined.

        Parameters
        ----------
        name : str
            Such as ``"ic50"``, ``"absolute_ic50"`` or ``"hill"``.
        """
        value, low, high = (getattr(self, name + end) for end in ("", "_low", "_high"))
        limits = ""
        if low is not None and high is not None:
            limits = f"{_figures(low)} to {_figures(high)}"
        elif low is not None or high is not None:
            limits = f"> {low:.4g}" if high is None else f"< {high:.4g}"
        if value is None:
            return limits or "not determined"
        return f"{_figures(value)} ({limits or 'no limits'})"

    def curve(self, dose: ArrayLike) -> Array:
        """Return the fitted response at doses; NaN where there is no fit.

        Parameters
        ----------
        dose : array_like
            In units of the doses fitted, at least 0.
        """
        dose = np.asarray(dose, dtype=float)
        return _response(dose, Curve(*self.left_out[0])) if self.left_out else dose * np.nan

    def band(self, dose: ArrayLike) -> tuple[Array, Array]:
        """Return the pointwise 95 % limits of the fitted response at doses; NaN if there are none.

        Parameters
        ----------
        dose : array_like
            In units of the doses fitted, at least 0.
        """
        dose = np.asarray(dose, dtype=float)
        if len(self.left_out) < 3:
            return dose * np.nan, dose * np.nan
        curves = np.array([_response(dose, Curve(*fit)) for fit in self.left_out])
        reach = _reach(curves[1:])
        return curves[0] - reach, curves[0] + reach


def _figures(number: float) -> str:
    """Return a number with three figures: 1270, not 1.27e+03."""
    return f"{float(f'{number:.3g}'):g}"


def logistic(dose: ArrayLike, bottom: float, top: float, ic50: float, hill: float = 1.0) -> Array:
    """Return the four-parameter logistic, bottom + (top - bottom) / (1 + (dose / ic50)^hill).

    Parameters
    ----------
    dose : array_like
        At least 0; at 0 the response is exactly `top`.
    bottom, top : float
        Response at infinite dose and at none.
    ic50 : float
        Dose half-way, in units of `dose`, positive.
    hill : float
        Steepness, positive.
    """
    curve = Curve(bottom, top, math.log(ic50), hill)
    return _response(np.asarray(dose, dtype=float), curve)


def normalised(values: ArrayLike, unstimulated: ArrayLike, stimulated: ArrayLike) -> Array:
    """Return responses as percent of what stimulation adds: 100 (x - u) / (s - u).

    Parameters
    ----------
    values : array_like
        Responses.
    unstimulated, stimulated : array_like
        Mean responses u and s of the controls, **of the same age** as `values`; numbers, or arrays
        that broadcast with `values`.

    Returns
    -------
    array
        100 is the stimulated control and 0 the unstimulated one; NaN where the controls are equal.
    """
    values, low, high = (np.asarray(x, dtype=float) for x in (values, unstimulated, stimulated))
    window = np.where(high == low, np.nan, high - low)
    return np.asarray(100.0 * (values - low) / window)


def fit(
    dose: ArrayLike,
    response: ArrayLike,
    unstimulated: ArrayLike | None = None,
    stimulated: ArrayLike | None = None,
) -> DoseResponse:
    """Fit a four-parameter logistic by least squares, with 95 % intervals over replicates.

    Limits come from leaving out one whole replicate at a time, across all doses together and with
    its controls (jackknife, Student's t with replicates - 1 degrees of freedom). Those of the
    IC50s are the doses at which the curve cannot be told from half-way (Fieller 1954); so an
    interval is open on a side on which the data do not close it. Nothing is drawn at random.

    Parameters
    ----------
    dose : (D,) array_like
        Doses, all different, at least 0. Dose 0 enters exactly: the response there is the top.
    response : (R, D) array_like
        Response of each replicate at each dose; NaN for runs that are missing.
    unstimulated, stimulated : float or (R,) array_like, optional
        The controls, of the same age, in the order of the replicates; a number is taken as known.
        The stimulated control is the response at dose 0 if left out. Without the unstimulated one
        the absolute IC50 and Emax are None.

    Returns
    -------
    DoseResponse

    Raises
    ------
    ValueError
        If shapes do not agree, or doses are negative, infinite or repeated.

    Notes
    -----
    Bounds: the Hill slope within `HILL_BOUNDS`, the IC50 within `BEYOND_DOSES` times the range of
    the positive doses. Bottom and top are free: they enter linearly and are solved for exactly.
    """
    dose = np.asarray(dose, dtype=float)
    response = np.asarray(response, dtype=float)
    if dose.ndim != 1 or response.ndim != 2 or response.shape[1] != dose.size:
        raise ValueError(
            "dose must have the shape (D,) and response (R, D), "
            f"not {dose.shape} and {response.shape}"
        )
    if not (np.isfinite(dose).all() and (dose >= 0).all()) or np.unique(dose).size < dose.size:
        raise ValueError("doses must be finite, at least 0, and all different")
    order = np.argsort(dose)
    dose, response = dose[order], response[:, order]
    response = np.where(np.isfinite(response), response, np.nan)
    if stimulated is None and dose.size and dose[0] == 0:
        stimulated = response[:, 0]
    controls = np.stack(
        [_control(given, len(response)) for given in (unstimulated, stimulated)], axis=1
    )
    known = np.isfinite(response)
    kept = known.any(axis=1)
    used = known.any(axis=0)
    missing = int(np.count_nonzero(~known))
    data = _Data(dose[used], response[kept][:, used], controls[kept])
    notes = [f"{missing} of {response.size} values missing"] if missing else []
    return _fit(data, notes)


class _Data(NamedTuple):
    """Doses (D,), responses (R, D), and both controls (R, 2), unstimulated first."""

    dose: Array
    response: Array
    controls: Array

    def without(self, replicate: int) -> _Data:
        return _Data(
            self.dose,
            np.delete(self.response, replicate, axis=0),
            np.delete(self.controls, replicate, axis=0),
        )


def _fit(data: _Data, notes: list[str]) -> DoseResponse:
    dose, response, _ = data
    count = len(response)
    points = _points(data)
    if dose.size < 4 or np.count_nonzero(dose) < 3:
        words = f"{dose.size} doses with values: fewer than the four parameters"
        return DoseResponse(note=_join([words, *notes]), **points)
    if _reverses(response):
        words = "the response is not monotone: no logistic describes it"
        return DoseResponse(note=_join([words, *notes]), **points)
    flat = np.ptp(points["means"]) == 0 or (count > 1 and not _has_trend(response))
    if flat:
        notes.insert(0, "no response: no rise or fall with the dose stands out from the noise")
    if count == 1:
        notes.append("no intervals: one replicate")
    solve = _constant if flat else _least_squares
    parts = [data.without(r) for r in range(count)] if count > 1 else []
    curves = [solve(part) for part in (data, *parts)]
    result: dict[str, Any] = {"left_out": tuple(tuple(map(float, curve)) for curve in curves)}
    for name in ("bottom", "top"):
        result |= _limits(name, [getattr(curve, name) for curve in curves])
    top_seen = dose[0] == 0 or _share(dose[0], curves[0].log_ic50, curves[0].hill) >= SEEN
    if not flat:
        result |= _relative(dose, curves, notes, top_seen=bool(top_seen))
    result |= _absolute(dose, [_mean(part.controls) for part in (data, *parts)], curves, notes)
    if not flat:  # an end of the curve that lies beyond the doses is no finding
        unseen = ["bottom", "emax"] if curves[0].log_ic50 > math.log(dose[-1]) else []
        unseen += [] if top_seen else ["top"]
        result |= {name + end: None for name in unseen for end in ("", "_low", "_high")}
    return DoseResponse(note=_join(notes), **points, **result)


# --- the curve -------------------------------------------------------------------------------


def _share(dose: Array, log_ic50: float | Array, hill: float | Array) -> Array:
    """Return 1 / (1 + (dose / ic50)^hill), which is exactly 1 at dose 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(0.5 - 0.5 * np.tanh(0.5 * hill * (np.log(dose) - log_ic50)))


def _response(dose: Array, curve: Curve) -> Array:
    if curve.hill == 0.0:  # a constant
        return np.full(dose.shape, curve.top)
    share = _share(dose, curve.log_ic50, curve.hill)
    return curve.bottom * (1.0 - share) + curve.top * share


def _constant(data: _Data) -> Curve:
    mean = float(np.nanmean(data.response))
    return Curve(mean, mean, 0.0, 0.0)


def _least_squares(data: _Data) -> Curve:
    """Return the logistic with the least sum of squares over all raw values.

    That sum is the one around the means of the doses, weighted by the numbers of values, plus what
    no curve can change. For a given IC50 and slope the best bottom and top are a linear regression
    (variable projection, Golub & Pereyra 1973), so only two parameters are searched for: on a grid
    first, then from its best point.
    """
    weight = np.isfinite(data.response).sum(axis=0).astype(float)
    dose = data.dose[weight > 0]
    mean = _mean(data.response)[weight > 0]
    weight = weight[weight > 0] / weight.sum()
    middle = float(weight @ mean)
    y = mean - middle

    def regression(log_ic50: float | Array, log_hill: float | Array) -> tuple[Array, Array]:
        """Shares (..., D), and the best top - bottom (...) over them."""
        share = _share(dose, log_ic50, np.exp(log_hill))
        x = share - (share @ weight)[..., None]
        return share, x @ (weight * y) / np.maximum(np.square(x) @ weight, 1e-300)

    def misfit(shape: Array) -> Array:
        share, span = regression(*shape)
        x = share - share @ weight
        return np.asarray(np.sqrt(weight) * (span * x - y) / scale)

    scale = math.sqrt(weight @ np.square(y)) or 1.0
    positive = np.log(data.dose[data.dose > 0])
    log_ic50, log_hill = np.meshgrid(
        np.linspace(positive[0], positive[-1], 4 * positive.size), np.log(_START_HILLS)
    )
    grid = np.stack([log_ic50.ravel(), log_hill.ravel()], axis=1)
    share, span = regression(grid[:, :1], grid[:, 1:])
    x = share - (share @ weight)[:, None]
    start = grid[np.argmin(np.square(span[:, None] * x - y) @ weight)]
    margin = math.log(BEYOND_DOSES)
    low, high = np.log(HILL_BOUNDS)
    bounds = ([positive[0] - margin, low], [positive[-1] + margin, high])
    found = least_squares(misfit, start, bounds=bounds, xtol=1e-10, ftol=1e-14, gtol=1e-14).x
    share, span = regression(*found)
    bottom = middle - float(span * (share @ weight))
    return Curve(bottom, bottom + float(span), float(found[0]), math.exp(found[1]))


# --- what is read from the curve -------------------------------------------------------------


def _relative(
    dose: Array, curves: Sequence[Curve], notes: list[str], *, top_seen: bool
) -> dict[str, Any]:
    """Return IC50 and Hill slope with limits, and whether they are determined."""
    out: dict[str, Any] = {
        key: None if value is None else math.exp(value)
        for key, value in _limits("hill", [math.log(curve.hill) for curve in curves]).items()
    }
    whole = curves[0]
    flattest, steepest = (whole.hill < 1.01 * HILL_BOUNDS[0], whole.hill > 0.99 * HILL_BOUNDS[1])
    lowest, highest = dose[dose > 0][0] / BEYOND_DOSES, dose[-1] * BEYOND_DOSES
    farthest = not 1.01 * lowest < math.exp(whole.log_ic50) < 0.99 * highest
    if flattest or steepest or farthest:  # curves that stop at a bound agree, and know nothing
        out |= {"hill_low": None, "hill_high": None}
    if flattest:
        notes.append(f"flatter than a slope of {HILL_BOUNDS[0]:g}: no limits of the slope")
    sign = math.copysign(1.0, whole.top - whole.bottom)

    def before_half(at: Array) -> Array:
        rows = [_response(at, curve) - (curve.top + curve.bottom) / 2 for curve in curves]
        return sign * np.array(rows)

    found, low, high = _crossing(dose, math.exp(whole.log_ic50), before_half)
    if found is not None and steepest:
        low, high = _to_doses(dose, found, low, high)
        notes.append("steeper than the doses resolve: the IC50 lies between two of them")
    if not top_seen:  # a higher one, and a lower IC50, would do as well
        low = None
        notes.append("no dose 0: the top is extrapolated")
    if len(curves) > 1:
        notes += _openness("IC50", found, low, high, dose)
    out |= {"ic50": found, "ic50_low": low, "ic50_high": high}
    return out | {"determined": None not in (found, low, high)}


def _absolute(
    dose: Array, controls: Sequence[Array], curves: Sequence[Curve], notes: list[str]
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
    if (window * window[0] <= 0).any() or (
        window.size > 1 and abs(window[0]) <= _reach(window[1:])
    ):
        notes.append("the controls do not differ: no absolute IC50, no Emax")
        return {}
    bottom = np.array([curve.bottom for curve in curves])
    out = _limits("emax", 100.0 * (ends[:, 1] - bottom) / window)
    half = ends.mean(axis=1)

    def before_half(at: Array) -> Array:
        rows = [_response(at, curve) - level for curve, level in zip(curves, half, strict=True)]
        return math.copysign(1.0, window[0]) * np.array(rows)

    found, low, high = _crossing(dose, _dose_at(curves[0], float(half[0])), before_half)
    if found is not None and curves[0].hill > 0.99 * HILL_BOUNDS[1]:
        low, high = _to_doses(dose, found, low, high)
    if len(curves) > 1:
        notes += _openness("absolute IC50", found, low, high, dose)
    return out | {"absolute_ic50": found, "absolute_ic50_low": low, "absolute_ic50_high": high}


def _dose_at(curve: Curve, level: float) -> float | None:
    """Return the dose at which the curve is at a level, or None where it never is."""
    if curve.bottom == curve.top:
        return None
    share = (level - curve.bottom) / (curve.top - curve.bottom)
    if not 0.0 < share < 1.0:
        return None
    log_dose = curve.log_ic50 + math.log(1.0 / share - 1.0) / curve.hill
    return math.exp(log_dose) if log_dose < 700.0 else None


def _crossing(
    dose: Array, found: float | None, before_half: Callable[[Array], Array]
) -> tuple[float | None, float | None, float | None]:
    """Return where a curve is half-way, and its limits, each None if not within the doses.

    Parameters
    ----------
    dose : (D,) array
        Rising; the first may be 0.
    found : float or None
        Where the curve is half-way.
    before_half : callable
        Gives, for doses (G,), how far each curve (C, G) is from half-way, positive before it: that
        of all replicates first, then those with one left out each.

    Notes
    -----
    The limits enclose all doses at which the distance from half-way is within its own error. A
    curve that is not half-way within the doses has a limit on one side only.
    """
    first, last = float(dose[dose > 0][0]), float(dose[-1])
    if found is not None and not first <= found <= last:
        found = None
    grid = np.geomspace(first, last, math.ceil(_STEPS_PER_DECADE * math.log10(last / first)) + 2)
    grid[[0, -1]] = first, last
    if found is not None:
        grid = np.unique(np.append(grid, found))
    distance = before_half(grid)
    if len(distance) == 1:
        return found, None, None
    excess = np.abs(distance[0]) - _reach(distance[1:])
    inside = (excess <= 0) | (grid == found)
    low: float | None = None
    high: float | None = None
    if inside.any():
        i, j = np.flatnonzero(inside)[[0, -1]]
        low = _between(grid, excess, i, i - 1) if i > 0 else None
        high = _between(grid, excess, j, j + 1) if j < grid.size - 1 else None
    elif distance[0, -1] > 0:
        low = last
    else:
        high = first
    if found is None and distance[0, -1] > 0:
        high = None
    elif found is None:
        low = None
    return found, low, high


def _to_doses(
    dose: Array, found: float, low: float | None, high: float | None
) -> tuple[float | None, float | None]:
    """Return limits widened to the doses around: the curve drops there, and nothing tells where."""
    return (
        None if low is None else min(low, float(dose[dose <= found][-1])),
        None if high is None else max(high, float(dose[dose >= found][0])),
    )


def _between(grid: Array, excess: Array, inner: int, outer: int) -> float:
    """Return the dose between two neighbours of the grid at which the excess is 0."""
    within = max(0.0, -float(excess[inner]))
    share = within / (within + float(excess[outer]))
    return float(grid[inner] * (grid[outer] / grid[inner]) ** share)


def _openness(
    name: str, found: float | None, low: float | None, high: float | None, dose: Array
) -> list[str]:
    """Return in words what of an IC50 the data leave open."""
    first, last = float(dose[dose > 0][0]), float(dose[-1])
    if None not in (found, low, high):
        return []
    if low is None and high is None:
        return [f"{name} not determined: its interval reaches beyond {first:g} to {last:g}"]
    if found is None:
        return [f"{name} not reached: {f'> {low:.4g}' if high is None else f'< {high:.4g}'}"]
    side = f"above {last:g}" if high is None else f"below {first:g}"
    return [f"{name} not determined: its interval is open {side}"]


# --- replicates ------------------------------------------------------------------------------


def _reach(left_out: Array) -> Array:
    """Return the half-width of 95 % intervals from values with one replicate left out each."""
    count = len(left_out)
    variance = (count - 1) / count * np.square(left_out - left_out.mean(axis=0)).sum(axis=0)
    return np.asarray(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * np.sqrt(variance))


def _limits(name: str, values: ArrayLike) -> dict[str, float | None]:
    """Return a value and its limits under their names, None where there are none.

    Parameters
    ----------
    name : str
        Of the quantity.
    values : (C,) array_like
        From all replicates first, then with one left out each.
    """
    values = np.asarray(values, dtype=float)
    out: dict[str, float | None] = {name: float(values[0])}
    if values.size > 1:
        reach = _reach(values[1:])
        out |= {f"{name}_low": float(values[0] - reach), f"{name}_high": float(values[0] + reach)}
    return out


def _mean(values: Array) -> Array:
    """Return means over replicates, NaN where there is no value, without warnings."""
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))


def _points(data: _Data) -> dict[str, Any]:
    """Return the doses with means and standard errors, as they stand in the result."""
    dose, response, _ = data
    count = np.isfinite(response).sum(axis=0)
    squares = np.nansum(np.square(response - _mean(response)), axis=0)
    errors = np.sqrt(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
    return {
        "replicates": len(response),
        "doses": tuple(map(float, dose)),
        "means": tuple(map(float, _mean(response))),
        "errors": tuple(float(e) if n > 1 else None for e, n in zip(errors, count, strict=True)),
    }


def _differs_from_zero(values: Array, comparisons: int = 1) -> bool:
    """Return whether the mean of one value for each replicate differs from 0 (Student's t)."""
    values = values[np.isfinite(values)]
    if values.size < 2:
        return False
    error = values.std(ddof=1) / math.sqrt(values.size)
    limit = stats.t.ppf(1 - (1 - CONFIDENCE) / 2 / comparisons, values.size - 1)
    return bool(abs(values.mean()) > limit * error)


def _has_trend(response: Array) -> bool:
    """Return whether the response rises or falls with the rank of the dose.

    One slope for each replicate, so that what a replicate's doses share does not count.
    """
    rank = np.where(np.isfinite(response), np.arange(response.shape[1], dtype=float), np.nan)
    offset = rank - np.nanmean(rank, axis=1, keepdims=True)
    values = response - np.nanmean(response, axis=1, keepdims=True)
    spread = np.nansum(np.square(offset), axis=1)
    slopes = np.nansum(offset * values, axis=1) / np.where(spread > 0, spread, np.nan)
    return _differs_from_zero(slopes)


def _reverses(response: Array) -> bool:
    """Return whether the response turns back by more than noise and `REVERSAL` would."""
    means = _mean(response)
    direction = math.copysign(1.0, float(means @ (np.arange(means.size) - (means.size - 1) / 2)))
    size = REVERSAL * float(np.ptp(means))
    pairs = [(i, j) for i in range(means.size) for j in range(i + 1, means.size)]
    return any(
        direction * (means[i] - means[j]) > size
        and _differs_from_zero(response[:, j] - response[:, i], len(pairs))
        for i, j in pairs
    )


def _control(given: ArrayLike | None, replicates: int) -> Array:
    """Return a control of each replicate, NaN where there is none."""
    values = np.asarray(np.nan if given is None else given, dtype=float)
    if values.ndim and values.shape != (replicates,):
        raise ValueError(f"a control must be a number or have the shape ({replicates},)")
    return np.array(np.broadcast_to(np.where(np.isfinite(values), values, np.nan), replicates))


def _join(notes: Sequence[str]) -> str:
    return "; ".join(notes)


# --- two blockades together ------------------------------------------------------------------


class Expectation(NamedTuple):
    """The inhibition to expect, a fraction; NaN where it is not defined, with the reason."""

    inhibition: float
    note: str


def bliss(inhibitions: ArrayLike) -> Array:
    """Return what independent blockades inhibit together, 1 - product of (1 - a).

    Parameters
    ----------
    inhibitions : (N, ...) array_like
        Inhibition by each blockade alone, a fraction, not percent. Values a little below 0 or
        above 1, which noise gives, are taken as they are.

    Returns
    -------
    array, shape (...)
        NaN where an inhibition is NaN.

    Notes
    -----
    Independence after Bliss (1939), Ann Appl Biol 26:585. An observed inhibition above it is
    called synergy, one below antagonism.
    """
    return np.asarray(1.0 - np.prod(1.0 - np.asarray(inhibitions, dtype=float), axis=0))


def loewe(
    doses: ArrayLike, ic50: ArrayLike, hill: ArrayLike = 1.0, emax: ArrayLike = 1.0
) -> Expectation:
    """Return the inhibition of a combination under Loewe additivity.

    It is the a at which the doses, each as a share of the dose D(a) that inhibits as much alone,
    add up to one: sum of d / D(a) = 1, with D(a) = ic50 (a / (emax - a))^(1 / hill). A drug is
    exactly additive with itself.

    Parameters
    ----------
    doses : (N,) array_like
        Dose of each blockade, at least 0; in units of `ic50`, or in IC50-equivalents with an
        `ic50` of 1.
    ic50, hill, emax : float or (N,) array_like
        Each blockade alone: dose of half its largest inhibition, slope, largest inhibition as a
        fraction; None or NaN where not determined. A blockade with an `emax` of 0 is inert and
        drops out (Greco et al. 1995).

    Returns
    -------
    Expectation
        NaN with the reason where a parameter or dose is not finite, an `emax` is negative, or the
        others alone inhibit more than one does at any dose: no dose of that one is equivalent.

    Raises
    ------
    ValueError
        If a dose is negative, or an IC50 or slope not positive.

    Notes
    -----
    Loewe & Muischnek (1926), Arch Exp Pathol Pharmakol 114:313; Greco, Bravo & Parsons (1995),
    Pharmacol Rev 47:331.
    """
    table = np.stack(
        np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (doses, ic50, hill, emax)))
    )
    if table.ndim != 2:
        raise ValueError("doses must have the shape (N,)")
    if (table[0] < 0).any() or (table[1:3] <= 0).any():
        raise ValueError("doses must be at least 0, ic50 and hill positive")
    inert = table[3] == 0
    notes = [f"blockade {i + 1} is inert alone and drops out" for i in np.flatnonzero(inert)]
    table = table[:, ~inert]
    if not np.isfinite(table).all():
        return Expectation(math.nan, _join(["a dose or parameter is not finite", *notes]))
    if (table[3] < 0).any():
        return Expectation(math.nan, _join(["a blockade alone does the opposite", *notes]))
    table = table[:, table[0] > 0]
    if table.shape[1] == 0:
        return Expectation(0.0, _join(notes))
    d, half, slope, most = table

    def excess(inhibition: float) -> float:
        with np.errstate(divide="ignore"):
            shares = d / half * (most / inhibition - 1.0) ** (1.0 / slope)
        return float(shares.sum()) - 1.0

    limit = float(most.min())
    if excess(limit) >= 0.0:
        words = f"the others inhibit more than {limit:g}, the most that one does at any dose"
        return Expectation(math.nan, _join([words, *notes]))
    # At the largest inhibition that one of them gives alone, its share is one already.
    low = min(limit, float((most / (1.0 + (half / d) ** slope)).max()))
    found = float(brentq(excess, low, limit, xtol=1e-14)) if excess(low) > 0.0 else low
    return Expectation(found, _join(notes))


class Blockade(NamedTuple):
    """Responses (R, D) to one blockade, by replicate and dose, and the fit to them."""

    response: Array
    fit: DoseResponse


@dataclass(frozen=True)
class Comparison:
    """What a blockade does at a dose, beside what its parts let expect.

    Inhibition is a fraction of the difference between the controls. Limits, ``_low`` and ``_high``,
    are 95 %. None stands for what is not known or not defined; `note` says why.

    Attributes
    ----------
    dose : float
    inhibition : float or None
        As measured.
    bliss, loewe : float or None
        As expected of the parts; None for a single blockade.
    bliss_excess, loewe_excess : float or None
        Inhibition above the expectation: positive is synergy.
    note : str
        Why something is None, and what else should be known; empty if all is well.
    """

    dose: float
    inhibition: float | None = None
    inhibition_low: float | None = None
    inhibition_high: float | None = None
    bliss: float | None = None
    bliss_low: float | None = None
    bliss_high: float | None = None
    bliss_excess: float | None = None
    bliss_excess_low: float | None = None
    bliss_excess_high: float | None = None
    loewe: float | None = None
    loewe_low: float | None = None
    loewe_high: float | None = None
    loewe_excess: float | None = None
    loewe_excess_low: float | None = None
    loewe_excess_high: float | None = None
    note: str = ""


def compare(
    dose: ArrayLike,
    response: ArrayLike,
    unstimulated: ArrayLike,
    parts: Mapping[str, Blockade] | None = None,
) -> list[Comparison]:
    """Compare a combined blockade with its parts, each given at the same doses alone.

    Limits come from leaving out one whole replicate at a time, measurement and expectations
    together, so that what replicates share does not count.

    A part drops out of Loewe at a dose where its fit is a constant, the limits of its inhibition
    there hold 0, and those of its largest inhibition at any dose lie within `IDLE` of 0. A part
    whose response may hide in noise leaves Loewe undefined.

    Parameters
    ----------
    dose : (D,) array_like
        Rising, the first 0: there is the stimulated control of each blockade.
    response : (R, D) array_like
        Response of each replicate at each dose; NaN for runs that are missing.
    unstimulated : (R,) array_like
        The other control, of the same age.
    parts : mapping of str to Blockade, optional
        The single blockades by name, in the order of replicates and doses of `response`. Without
        them only the inhibition is given.

    Returns
    -------
    list of Comparison
        One for each dose above 0.

    Raises
    ------
    ValueError
        If the first dose is not 0.
    """
    dose, response = np.asarray(dose, dtype=float), np.asarray(response, dtype=float)
    if dose[0] != 0:
        raise ValueError("the first dose must be 0: it is the stimulated control")
    low, parts = np.asarray(unstimulated, dtype=float), parts or {}
    responses = [response, *(np.asarray(part.response, dtype=float) for part in parts.values())]
    flat = {name: part for name, part in parts.items() if _is_flat(part.fit)}
    alone = {name: compare(dose, part.response, low) for name, part in flat.items()}
    return [
        _compared(float(dose[j]), low, [x[:, 0] for x in responses], [x[:, j] for x in responses],
                  {name: part.fit for name, part in parts.items()},
                  {name for name, found in alone.items() if _is_idle(found[j - 1], found)})
        for j in range(1, dose.size)
    ]  # fmt: skip


def _is_flat(fit: DoseResponse) -> bool:
    """Whether the fit is a constant: no response stands out from the noise."""
    return bool(fit.left_out) and fit.left_out[0][3] == 0.0


def _is_idle(here: Comparison, doses: Sequence[Comparison]) -> bool:
    """Whether a blockade does nothing at a dose, and little at any; see `compare`."""

    def limits(one: Comparison) -> tuple[float, float]:
        value = one.inhibition or 0.0  # exact with one replicate: its runs are all alike
        low, high = one.inhibition_low, one.inhibition_high
        return value if low is None else low, value if high is None else high

    known = [one for one in doses if one.inhibition is not None]
    if here.inhibition is None:
        return False
    low, high = limits(here)
    least, most = limits(max(known, key=lambda one: abs(one.inhibition or 0.0)))
    return low < 1e-9 and high > -1e-9 and least > -IDLE and most < IDLE


def _compared(
    dose: float,
    low: Array,
    high: list[Array],
    values: list[Array],
    parts: dict[str, DoseResponse],
    idle: set[str],
) -> Comparison:
    """Compare at one dose; `high` and `values` are (R,) of the whole and of each of its parts.

    Parts in `idle` do nothing alone.
    """
    table = np.stack([low, *high, *values])
    known = np.isfinite(table).all(axis=0)
    missing = int(np.count_nonzero(~known))
    notes = [f"{missing} of {known.size} replicates missing"] if missing else []
    if missing == known.size:
        return Comparison(dose, note=_join(notes))
    table = table[:, known]
    count = table.shape[1]
    without = (table.sum(axis=1) - table.T) / (count - 1) if count > 1 else table.T[:0]
    means = np.vstack([table.mean(axis=1), without])  # (C, 1 + 2 (1 + parts)), all first
    low, highs, middle = means[:, :1], means[:, 1 : len(values) + 1], means[:, len(values) + 1 :]
    window = highs - low
    if (window * window[0] <= 0).any() or (count > 1 and _equal(window).any()):
        return Comparison(dose, note=_join([*notes, "the controls do not differ"]))
    inhibition = 1.0 - normalised(middle, low, highs) / 100.0
    found: dict[str, Any] = _limits("inhibition", inhibition[:, 0])
    if parts:
        expected = bliss(inhibition[:, 1:].T)
        found |= _limits("bliss", expected)
        found |= _limits("bliss_excess", inhibition[:, 0] - expected)
        expected, words = _loewe_of(dose, parts, idle, highs[:, 1:], window[:, 1:])
        notes += words
        if np.isfinite(expected[0]):
            if missing or not np.isfinite(expected).all():
                why = "a run is missing" if missing else "not defined without each replicate"
                notes.append(f"no limits of Loewe: {why}")
                expected = expected[:1]
            found |= _limits("loewe", expected)
            found |= _limits("loewe_excess", inhibition[: expected.size, 0] - expected)
    if count == 1:
        notes.append("no limits: one replicate")
    return Comparison(dose, **found, note=_join(notes))


def _loewe_of(
    dose: float, parts: dict[str, DoseResponse], idle: set[str], high: Array, window: Array
) -> tuple[Array, list[str]]:
    """Return Loewe's expectation (C,) from all replicates and without each, and what to know.

    `high` and `window` are (C, parts): the stimulated control, and its height above the other.
    """
    acting, words, rows = [], [], len(high)
    for place, (name, fit) in enumerate(parts.items()):
        if name in idle:
            words.append(f"{name} does nothing alone and drops out of Loewe")
        elif _is_flat(fit):
            words.append(f"no Loewe: no response told from noise in {name}")
            return np.array([math.nan]), words
        elif fit.ic50 is None or fit.emax is None:
            words.append(f"no Loewe: {name} alone, {fit.note or 'IC50 not determined'}")
            return np.array([math.nan]), words
        else:
            acting.append((place, fit))
            rows = min(rows, len(fit.left_out))
    expected = np.zeros(rows)
    for row in range(rows):
        curves = [Curve(*fit.left_out[row]) for _, fit in acting]
        most = [
            (high[row, place] - curve.bottom) / window[row, place]
            for (place, _), curve in zip(acting, curves, strict=True)
        ]
        ic50, hill = [math.exp(c.log_ic50) for c in curves], [c.hill for c in curves]
        answer = loewe([dose] * len(curves), ic50, hill, most) if curves else Expectation(0.0, "")
        expected[row] = answer.inhibition
        if row == 0 and answer.note:
            words.append(f"no Loewe: {answer.note}")
    return expected, words


def _equal(values: Array) -> Array:
    """Whether a value is 0 within its error; rows from all replicates, then without each."""
    return np.asarray(np.abs(values[0]) <= _reach(values[1:]))
