"""Shared by all dose-response fits: reading of data, 95 % limits, tests against noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]

CONFIDENCE = 0.95
POWERS = (0.0, 2.0)  # of the mean, that the variance may follow
LEAST_MEAN = 0.02  # of the largest mean
FEW = 3  # replicates, with which even a large difference may be within its error
_STEPS_PER_DECADE = 40  # of the doses at which an interval is looked for

# --- data --------------------------------------------------------------------------------------


def numbers(values: ArrayLike, name: str) -> Array:
    """Return data as an array of floats, NaN where a value is masked, None or pandas' NA.

    Parameters
    ----------
    values : array_like
        Lists, arrays, masked arrays or pandas objects.
    name : str
        What they are called in messages.

    Raises
    ------
    ValueError
        If there is text among them, or rows differ in length.
    """
    try:
        table: Any = np.ma.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name}: rows differ in length; pad them with NaN") from error
    if table.dtype.kind not in "biuf":
        import pandas as pd

        table = np.ma.array(values, dtype=object)  # text among numbers makes all of them text
        table = np.ma.masked_where(pd.isna(table.data), table)
        for value in table.compressed():
            if not isinstance(value, (Real, Decimal)):
                raise ValueError(f"{name} must be numbers, not {value!r}")
        table = np.ma.array(table.filled(math.nan), dtype=float)
    return np.asarray(table.astype(float).filled(math.nan))


def measured(values: ArrayLike, name: str) -> Array:
    """Return `numbers` that are finite or missing.

    Raises
    ------
    ValueError
        As `numbers` does, or if a value is infinite.
    """
    table = numbers(values, name)
    if np.isinf(table).any():
        raise ValueError(f"{name} must be finite; use NaN for a missing value")
    return table


def not_negative(dose: ArrayLike, name: str = "doses") -> Array:
    """Return `numbers` that are at least 0.

    Raises
    ------
    ValueError
        As `numbers` does, or if a dose is negative.
    """
    dose = numbers(dose, name)
    if (dose < 0).any():
        guess = "if these are logarithms, give the doses themselves, such as 10**x"
        raise ValueError(f"{name} must be at least 0, not {dose[dose < 0].flat[0]:g}; {guess}")
    return dose


def distinct(dose: ArrayLike) -> Array:
    """Return doses (D,) that are finite, at least 0 and all different.

    Raises
    ------
    ValueError
        If they are not.
    """
    dose = not_negative(dose)
    if not np.isfinite(dose).all():
        raise ValueError("doses must be finite; none may be missing")
    values, counts = np.unique(dose, return_counts=True)
    if values.size < dose.size:
        raise ValueError(
            f"doses must be all different, but {values[counts > 1][0]:g} is given "
            f"{counts.max()} times; put the values of one dose into one column"
        )
    return dose


def mean(values: Array, weights: Array | None = None) -> Array:
    """Return (weighted) means over replicates, NaN where there is no value, without warnings."""
    known = np.isfinite(values)
    share = known if weights is None else np.where(known, weights, 0.0)
    count = share.sum(axis=0)
    total = (np.where(known, values, 0.0) * share).sum(axis=0)
    return np.asarray(np.where(count > 0, total / np.where(count > 0, count, 1.0), np.nan))


def variance_within_doses(values: Array, weights: Array | None = None) -> tuple[float, int]:
    """Return the variance of (R, D) around the means of their doses, and its degrees of freedom.

    With weights it is the variance of a value of weight 1.
    """
    count = np.isfinite(values).sum(axis=0)
    degrees = int(np.maximum(count - 1, 0).sum())
    squares = np.square(values - mean(values, weights))
    squares = squares if weights is None else squares * weights
    return float(np.nansum(squares)) / max(degrees, 1), degrees


def variance_weights(values: ArrayLike) -> tuple[Array, float]:
    """Return weights for doses whose variance follows a power of their mean, and that power.

    The power, from `POWERS[0]` (one variance) to `POWERS[1]` (one coefficient of variation), is
    the most likely one of normal values around free means (Carroll & Ruppert 1988, Transformation
    and Weighting in Regression, chapter 3), so that two replicates are enough: all doses tell it
    together. A mean below `LEAST_MEAN` of the largest counts as that, else it would decide alone.

    Parameters
    ----------
    values : (R, D) array_like
        Responses by replicate and dose; NaN where missing.

    Returns
    -------
    weights : (D,) array
        One over the variance, in units of that at the largest mean.
    power : float

    Raises
    ------
    ValueError
        If no dose has two values: nothing is known of their variance.
    """
    values = measured(values, "response")
    count = np.isfinite(values).sum(axis=0)
    degrees = np.maximum(count - 1, 0)
    if not degrees.any():
        raise ValueError("weights by variance need at least two values at some doses")
    size = np.abs(np.where(count > 0, mean(values), 0.0))
    size = np.log(np.maximum(size / (size.max() or 1.0), LEAST_MEAN))
    squares = np.nansum(np.square(values - mean(values)), axis=0)
    powers = np.linspace(*POWERS, 201)
    spread = squares @ np.exp(-np.outer(size, powers)) / degrees.sum()
    if not (spread > 0).all():
        return np.ones(count.size), 0.0
    power = powers[np.argmin(degrees.sum() * np.log(spread) + powers * (degrees @ size))]
    return np.exp(-power * size), float(power)


# --- limits ------------------------------------------------------------------------------------


def reach(others: Array) -> Array:
    """Return the half-width of 95 % intervals from values with one replicate left out each.

    Unpaired data give values with the mean of one dose shifted each, by so much that the same
    formula holds: see `shift`.
    """
    count = len(others)
    variance = (count - 1) / count * np.square(others - others.mean(axis=0)).sum(axis=0)
    return np.asarray(stats.t.ppf(0.5 + CONFIDENCE / 2, count - 1) * np.sqrt(variance))


def shift(variance: float, degrees: int, means: int) -> float:
    """Return by how many roots of 1 / n the mean of a dose with n values is shifted for `reach`.

    Each of the means is shifted up once and down once, and what that does to a quantity is its
    derivative times the shift. The delta method takes the sum of the squares of derivative times
    standard error, and Student's t with the degrees of freedom of the variance; `reach` sums over
    twice as many values, and takes another t. The shift makes up for both.
    """
    count = 2 * means
    own, taken = (stats.t.ppf(0.5 + CONFIDENCE / 2, n) for n in (degrees, count - 1))
    return float(own / taken * math.sqrt(variance * count / (count - 1) / 2))


def limits_of(name: str, values: ArrayLike) -> dict[str, float | None]:
    """Return a value and its limits under their names, None where there are none.

    Parameters
    ----------
    name : str
        Of the quantity.
    values : (C,) array_like
        From all data first, then those that `reach` takes.
    """
    values = np.asarray(values, dtype=float)
    out: dict[str, float | None] = {name: float(values[0])}
    if values.size > 1:
        half = reach(values[1:])
        out |= {f"{name}_low": float(values[0] - half), f"{name}_high": float(values[0] + half)}
    return out


def crossing(
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
        of all data first, then those that `reach` takes.

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
    excess = np.abs(distance[0]) - reach(distance[1:])
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


def alike(difference: float, replicates: int) -> str:
    """Return in words that controls differ by no more than their error."""
    if difference != 0 and 1 < replicates <= FEW:
        return f"{replicates} replicates are too few to tell the controls apart"
    return "the controls do not differ"


def to_doses(
    dose: Array, found: float, low: float | None, high: float | None
) -> tuple[float | None, float | None]:
    """Return limits widened to the doses around: the curve drops there, and nothing shows where."""
    return (
        None if low is None else min(low, float(dose[dose <= found][-1])),
        None if high is None else max(high, float(dose[dose >= found][0])),
    )


def _between(grid: Array, excess: Array, inner: int, outer: int) -> float:
    """Return the dose between two neighbours of the grid at which the excess is 0."""
    within = max(0.0, -float(excess[inner]))
    share = within / (within + float(excess[outer]))
    return float(grid[inner] * (grid[outer] / grid[inner]) ** share)


def openness(
    name: str,
    found: float | None,
    low: float | None,
    high: float | None,
    dose: Array,
    *,
    with_limits: bool,
) -> list[str]:
    """Return in words what of an IC50 the data leave open."""
    first, last = float(dose[dose > 0][0]), float(dose[-1])
    if not with_limits:
        return [] if found is not None else [f"{name} not within the doses, {first:g} to {last:g}"]
    if None not in (found, low, high):
        return []
    if low is None and high is None:
        return [f"{name} not determined: its interval reaches beyond {first:g} to {last:g}"]
    if found is None:
        return [f"{name} not reached: {f'> {low:.4g}' if high is None else f'< {high:.4g}'}"]
    side = f"above {last:g}" if high is None else f"below {first:g}"
    return [f"{name} not determined: its interval is open {side}"]


# --- noise -------------------------------------------------------------------------------------


def has_trend(response: Array, *, paired: bool) -> bool:
    """Return whether the response rises or falls with the rank of the dose (Student's t).

    Of paired data one slope for each replicate, so that what a replicate's doses share does not
    count; else one slope of all values. Two or three slopes are few for a test, but where each of
    them differs from 0 within its replicate, all the same way, that is a response, too.
    """
    rank = np.where(np.isfinite(response), np.arange(response.shape[1], dtype=float), np.nan)
    if not paired:
        offset = rank - np.nanmean(rank)
        slope = np.nansum(offset * response)  # times the spread
        variance, degrees = variance_within_doses(response)
        error = math.sqrt(variance * np.nansum(np.square(offset)))
        return bool(abs(slope) > stats.t.ppf(0.5 + CONFIDENCE / 2, degrees) * error)
    offset = rank - np.nanmean(rank, axis=1, keepdims=True)
    values = response - np.nanmean(response, axis=1, keepdims=True)
    spread = np.nansum(np.square(offset), axis=1)
    slopes = np.nansum(offset * values, axis=1) / np.where(spread > 0, spread, np.nan)
    left = np.nansum(np.square(values - slopes[:, None] * offset), axis=1)
    degrees = np.maximum(np.isfinite(values).sum(axis=1) - 2, 0)
    within = np.sqrt(left / np.maximum(degrees, 1) / np.where(spread > 0, spread, np.nan))
    within = within * stats.t.ppf(0.5 + CONFIDENCE / 2, np.maximum(degrees, 1))
    usable = np.isfinite(slopes)
    slopes, within, degrees = slopes[usable], within[usable], degrees[usable]
    if slopes.size < 2:
        return False
    clear = (degrees > 0).all() and (np.abs(slopes) > within).all()
    if clear and abs(np.sign(slopes).sum()) == slopes.size:
        return True
    error = slopes.std(ddof=1) / math.sqrt(slopes.size)
    limit = stats.t.ppf(1 - (1 - CONFIDENCE) / 2, slopes.size - 1)
    return bool(abs(slopes.mean()) > limit * error)


def reversal(response: Array, *, paired: bool) -> float:
    """Return how far the response turns back, as a share of the range of its means.

    That is the smaller of its largest rise and its largest fall from a dose to a later one: 0 for
    a monotone response, whichever way it goes. Only what exceeds the noise counts (one-sided
    t, Bonferroni's correction for all pairs of doses). The noise of a pair is its own or that of
    all doses together, whichever is larger: few replicates know little of their own, and the noise
    may grow with the response. With one value at each dose nothing is known of it, and all counts.
    """
    means = mean(response)
    span = float(np.ptp(means))
    change, error, degrees = _changes(response, paired=paired)
    if degrees > 0:
        limit = stats.t.ppf(1 - (1 - CONFIDENCE) / max(change.size, 1), degrees)
        change = change[np.abs(change) > limit * error]
    back = min(np.max(change, initial=0.0), np.max(-change, initial=0.0))
    return float(back / span) if span > 0 else 0.0


def _changes(response: Array, *, paired: bool) -> tuple[Array, Array, int]:
    """Return the change from each dose to each later one, its error, and degrees of freedom."""
    early, late = np.triu_indices(response.shape[1], 1)
    count = np.isfinite(response).sum(axis=0)
    if not paired:
        variance, degrees = variance_within_doses(response)
        squares = np.nansum(np.square(response - mean(response)), axis=0)
        each = squares / np.maximum(count - 1, 1) / count
        own = each[early] + each[late]
        pooled = variance * (1 / count[early] + 1 / count[late])
        return mean(response)[late] - mean(response)[early], np.sqrt(np.fmax(own, pooled)), degrees
    within = response[:, late] - response[:, early]
    change, both = mean(within), np.isfinite(within).sum(axis=0)
    change, both, within = change[both > 0], both[both > 0], within[:, both > 0]
    own = np.nansum(np.square(within - change), axis=0) / np.maximum(both - 1, 1)
    rest = response - mean(response)
    rest = rest - np.nanmean(rest, axis=1, keepdims=True)
    degrees = int(count.sum()) - count.size - len(response) + 1
    pooled = 2 * float(np.nansum(np.square(rest))) / max(degrees, 1)
    return change, np.sqrt(np.fmax(own, pooled) / both), degrees


def has_bump(dose: Array, response: Array, *, paired: bool) -> tuple[float, float] | None:
    """Return where a response goes beyond that of dose 0 against its direction, and how far.

    That is the dose of the largest such change that exceeds the noise, as `reversal` judges it for
    the doses above 0, and its share of the range of the means; None without one.
    """
    order = np.argsort(dose)
    dose, response = dose[order], response[:, order]
    used = np.isfinite(response).any(axis=0)
    dose, response = dose[used], response[:, used]
    if dose.size < 3 or dose[0] != 0:
        return None
    means = mean(response)
    change, error, degrees = _changes(response, paired=paired)
    pairs = np.transpose(np.triu_indices(dose.size, 1))
    if degrees < 1 or len(pairs) != change.size or np.ptp(means) == 0:
        return None
    first = pairs[:, 0] == 0
    against = -math.copysign(1.0, means[-1] - means[0]) * change[first]
    limit = stats.t.ppf(1 - (1 - CONFIDENCE) / first.sum(), degrees)
    beyond = np.where(against > limit * error[first], against, 0.0)
    place = int(np.argmax(beyond))
    if not beyond[place] > 0:
        return None
    return float(dose[pairs[first][place, 1]]), float(beyond[place] / np.ptp(means))
