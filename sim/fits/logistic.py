"""Dose-response: logistic fits with honest intervals.

Definitions, and why the intervals are made as they are, stand in ``docs/dose-response.md``. Scalars
that the data do not determine are None, never NaN, so that results go into JSON as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import least_squares

from sim.fits.limits import (
    Array,
    crossing,
    distinct,
    has_trend,
    limits_of,
    mean,
    measured,
    not_negative,
    numbers,
    openness,
    reach,
    reversal,
    shift,
    to_doses,
    variance_within_doses,
)

HILL_BOUNDS = (0.2, 10.0)
BEYOND_DOSES = 100.0  # the IC50 is sought up to this factor below and above the doses
SEEN = 0.9  # of the way from bottom to top, at the lowest dose: else nothing bounds the top
REVERSAL = 0.2  # of the range of the means: no logistic describes what turns back by more
NOTED_REVERSAL = 0.1

_START_HILLS = np.geomspace(0.3, 8.0, 9)


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
        Replicates with at least one value; of unpaired data the most values that a dose has.
    paired : bool
        Whether rows were taken as whole replicates; else values were independent.
    doses, means, errors : tuple
        The points: doses, means over replicates, standard errors (None with fewer than two values).
    left_out : tuple of tuple
        `bottom, top, ln IC50, hill` of the curve and of the curves from which all limits follow:
        those without one replicate each, or, of unpaired data, those with the mean of one dose
        shifted each. hill is 0 for a constant.
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
    paired: bool = True
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
        dose = not_negative(dose)
        return response_at(dose, Curve(*self.left_out[0])) if self.left_out else dose * np.nan

    def band(self, dose: ArrayLike) -> tuple[Array, Array]:
        """Return the pointwise 95 % limits of the fitted response at doses; NaN if there are none.

        Parameters
        ----------
        dose : array_like
            In units of the doses fitted, at least 0.
        """
        dose = not_negative(dose)
        if len(self.left_out) < 3:
            return dose * np.nan, dose * np.nan
        curves = np.array([response_at(dose, Curve(*fit)) for fit in self.left_out])
        half = reach(curves[1:])
        return curves[0] - half, curves[0] + half


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

    Raises
    ------
    ValueError
        If a dose is negative, or `ic50` or `hill` not positive.
    """
    bottom, top, ic50, hill = numbers([bottom, top, ic50, hill], "parameters").tolist()
    if not (ic50 > 0 and hill > 0):
        raise ValueError(f"ic50 and hill must be positive, not {ic50:g} and {hill:g}")
    return response_at(not_negative(dose), Curve(bottom, top, math.log(ic50), hill))


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
    values = numbers(values, "values")
    low, high = numbers(unstimulated, "unstimulated"), numbers(stimulated, "stimulated")
    window = np.where(high == low, np.nan, high - low)
    return np.asarray(100.0 * (values - low) / window)


def fit(
    dose: ArrayLike,
    response: ArrayLike,
    unstimulated: ArrayLike | None = None,
    stimulated: ArrayLike | None = None,
    *,
    paired: bool | None = None,
) -> DoseResponse:
    """Fit a four-parameter logistic by least squares, with 95 % intervals.

    Limits of paired data come from leaving out one whole replicate at a time, across all doses
    together and with its controls (jackknife, Student's t with replicates - 1 degrees of freedom).
    Those of unpaired data come from the delta method: the variance within doses, the same at all
    doses, and Student's t with its degrees of freedom. Limits of the IC50s are the doses at which
    the curve cannot be told from half-way (Fieller 1954); so an interval is open on a side on which
    the data do not close it. Nothing is drawn at random.

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

    Returns
    -------
    DoseResponse

    Raises
    ------
    ValueError
        If shapes do not agree, doses are negative, infinite, missing or repeated, or a response or
        control is infinite or text.

    Notes
    -----
    Bounds: the Hill slope within `HILL_BOUNDS`, the IC50 within `BEYOND_DOSES` times the range of
    the positive doses. Bottom and top are free: they enter linearly and are solved for exactly.
    """
    dose = numbers(dose, "doses")
    response = measured(response, "response")
    if dose.ndim != 1 or response.ndim != 2 or response.shape[1] != dose.size:
        hint = "; transpose the response" if response.shape[:1] == dose.shape else ""
        raise ValueError(
            "dose must have the shape (D,) and response (R, D), "
            f"not {dose.shape} and {response.shape}{hint}"
        )
    dose = distinct(dose)
    order = np.argsort(dose)
    dose, response = dose[order], response[:, order]
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
        return _fit(_Data(dose[used], response[kept][:, used], controls[kept]), notes)
    # A canonical order, so that not even the last digit depends on how values are put into rows.
    response, controls = np.sort(response[:, used], axis=0), np.sort(controls, axis=0)
    rows = np.isfinite(np.hstack([response, controls])).any(axis=1)
    moved = [[place] for place in range(response.shape[1])]
    if from_zero and used[0]:
        moved[0].append(response.shape[1] + 1)
    for place, control in ((0, unstimulated), (1, stimulated)):
        if np.ndim(control) > 0:  # type: ignore[arg-type]
            moved.append([response.shape[1] + place])
    return _fit(_Data(dose[used], response[rows], controls[rows]), notes, moved)


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

    def shifted(self, columns: Sequence[int], by: float) -> _Data:
        """Return the data with columns of responses, followed by controls, moved."""
        table = np.hstack([self.response, self.controls])
        table[:, columns] += by
        return _Data(self.dose, table[:, :-2], table[:, -2:])


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
    variance, degrees = variance_within_doses(data.response)
    if degrees == 0:
        return []
    counts = np.isfinite(np.hstack([data.response, data.controls])).sum(axis=0)
    moved = [columns for columns in moved if counts[columns[0]] > 0]
    size = shift(variance, degrees, len(moved))
    return [
        data.shifted(columns, sign * size / math.sqrt(counts[columns[0]]))
        for columns in moved
        for sign in (1, -1)
    ]


def _fit(
    data: _Data, notes: list[str], moved: Sequence[Sequence[int]] | None = None
) -> DoseResponse:
    """Fit paired data, or unpaired with the columns that `_parts` moves."""
    dose, response, _ = data
    paired = moved is None
    points = _points(data) | {"paired": paired}
    if dose.size < 4:
        words = f"doses with values: {dose.size}; a fit needs at least 4"
        return DoseResponse(note="; ".join([words, *notes]), **points)
    single = points["replicates"] == 1
    back = reversal(response, paired=paired)
    if back > REVERSAL and not single:
        words = "the response is not monotone: no logistic describes it"
        return DoseResponse(note="; ".join([words, *notes]), **points)
    flat = np.ptp(points["means"]) == 0 or (not single and not has_trend(response, paired=paired))
    if flat:
        notes.insert(0, "no response: no rise or fall with the dose stands out from the noise")
    if back > NOTED_REVERSAL:
        why = "one replicate cannot show whether that is noise" if single else "more than noise"
        notes.append(f"the response turns back by {100 * back:.0f} % of its range: {why}")
    if single:
        notes.append("no intervals: one replicate" if paired else "no intervals: one value a dose")
    solve = _constant if flat else _least_squares
    parts = _parts(data, moved)
    curves = [solve(part) for part in (data, *parts)]
    result: dict[str, Any] = {"left_out": tuple(tuple(map(float, curve)) for curve in curves)}
    for name in ("bottom", "top"):
        result |= limits_of(name, [getattr(curve, name) for curve in curves])
    top_seen = dose[0] == 0 or _share(dose[0], curves[0].log_ic50, curves[0].hill) >= SEEN
    if not flat:
        result |= _relative(dose, curves, notes, top_seen=bool(top_seen))
    result |= _absolute(dose, [mean(part.controls) for part in (data, *parts)], curves, notes)
    if not flat:  # an end of the curve that lies beyond the doses is no finding
        unseen = ["bottom", "emax"] if curves[0].log_ic50 > math.log(dose[-1]) else []
        unseen += [] if top_seen else ["top"]
        result |= {name + end: None for name in unseen for end in ("", "_low", "_high")}
    return DoseResponse(note="; ".join(notes), **points, **result)


# --- the curve -------------------------------------------------------------------------------


def _share(dose: Array, log_ic50: float | Array, hill: float | Array) -> Array:
    """Return 1 / (1 + (dose / ic50)^hill), which is exactly 1 at dose 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(0.5 - 0.5 * np.tanh(0.5 * hill * (np.log(dose) - log_ic50)))


def response_at(dose: Array, curve: Curve) -> Array:
    """Return the response that a curve gives at doses."""
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
    means = mean(data.response)[weight > 0]
    weight = weight[weight > 0] / weight.sum()
    middle = float(weight @ means)
    y = means - middle

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
        for key, value in limits_of("hill", [math.log(curve.hill) for curve in curves]).items()
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
    if (window * window[0] <= 0).any() or (window.size > 1 and abs(window[0]) <= reach(window[1:])):
        notes.append("the controls do not differ: no absolute IC50, no Emax")
        return {}
    bottom = np.array([curve.bottom for curve in curves])
    out = limits_of("emax", 100.0 * (ends[:, 1] - bottom) / window)
    half = ends.mean(axis=1)

    def before_half(at: Array) -> Array:
        rows = [response_at(at, curve) - level for curve, level in zip(curves, half, strict=True)]
        return math.copysign(1.0, window[0]) * np.array(rows)

    found, low, high = crossing(dose, _dose_at(curves[0], float(half[0])), before_half)
    if found is not None and curves[0].hill > 0.99 * HILL_BOUNDS[1]:
        low, high = to_doses(dose, found, low, high)
    notes += openness("absolute IC50", found, low, high, dose, with_limits=len(curves) > 1)
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


def _points(data: _Data) -> dict[str, Any]:
    """Return the doses with means and standard errors, as they stand in the result."""
    dose, response, _ = data
    count = np.isfinite(response).sum(axis=0)
    squares = np.nansum(np.square(response - mean(response)), axis=0)
    errors = np.sqrt(squares / np.maximum(count - 1, 1) / np.maximum(count, 1))
    return {
        "replicates": int(np.isfinite(response).any(axis=1).sum()),
        "doses": tuple(map(float, dose)),
        "means": tuple(map(float, mean(response))),
        "errors": tuple(float(e) if n > 1 else None for e, n in zip(errors, count, strict=True)),
    }


def _control(given: ArrayLike | None, name: str, replicates: int) -> Array:
    """Return a control of each replicate, NaN where there is none."""
    values = measured(np.nan if given is None else given, name)
    if values.ndim and values.shape != (replicates,):
        raise ValueError(
            f"{name}: a control must be a number or have the shape ({replicates},), a value for "
            f"each replicate, not {values.shape}"
        )
    return np.array(np.broadcast_to(values, replicates))
