"""The fit again, from its definition: all raw values, all four parameters, plain loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import curve_fit
from scipy.stats import t as student

Array = np.ndarray[Any, Any]


def hill_curve(dose: Array, bottom: float, top: float, ic50: float, hill: float) -> Array:
    """The logistic as textbooks write it, with powers of the dose."""
    return top - (top - bottom) * dose**hill / (ic50**hill + dose**hill)


def least_squares(dose: Array, response: Array) -> Array:
    """Bottom, top, IC50, Hill slope of the curve through all values that there are."""
    at = np.tile(dose, (len(response), 1))
    known = np.isfinite(response)
    values = response[known]
    start = (values.min(), values.max(), np.median(dose), 1.0)
    bounds = ([-np.inf, -np.inf, 1e-3, 0.2], [np.inf, np.inf, 1e5, 10])
    return curve_fit(
        hill_curve, at[known], values, p0=start, bounds=bounds, xtol=1e-14, ftol=1e-14, gtol=1e-14
    )[0]


def jackknife(dose: Array, response: Array) -> tuple[Array, list[Array]]:
    """The curve through all, and those with one replicate left out each."""
    count = len(response)
    left_out = [
        least_squares(dose, response[[i for i in range(count) if i != r]]) for r in range(count)
    ]
    return least_squares(dose, response), left_out


def half_width(left_out: list[float]) -> float:
    """Half of a 95 % interval."""
    count = len(left_out)
    mean = sum(left_out) / count
    variance = (count - 1) / count * sum((x - mean) ** 2 for x in left_out)
    return float(student.ppf(0.975, count - 1) * variance**0.5)


def ic50_limits(dose: Array, response: Array) -> tuple[float, float]:
    """The lowest and highest dose at which the curve is half-way within its error."""
    whole, left_out = jackknife(dose, response)

    def beyond(at: float, curve: Array) -> float:
        return float(hill_curve(np.array(at), *curve)) - (curve[0] + curve[1]) / 2

    inside = [
        at
        for at in np.geomspace(dose[dose > 0].min(), dose.max(), 8001)
        if abs(beyond(at, whole)) <= half_width([beyond(at, curve) for curve in left_out])
    ]
    return min(inside), max(inside)


def unpaired_ic50_limits(dose: Array, response: Array) -> tuple[float, float]:
    """The same, of independent values: covariance of the parameters, variance within doses."""
    at, known = np.tile(dose, (len(response), 1)), np.isfinite(response)
    best = least_squares(dose, response)

    def slopes(of: Callable[[Array], Any]) -> Array:
        steps = 1e-6 * np.diag(best)
        return np.array(
            [(of(best + s) - of(best - s)) / (2e-6 * b) for s, b in zip(steps, best, strict=True)]
        )

    squares = np.nansum((response - np.nanmean(response, axis=0)) ** 2)
    degrees = known.sum() - dose.size
    jacobian = slopes(lambda curve: hill_curve(at[known], *curve))
    covariance = squares / degrees * np.linalg.inv(jacobian @ jacobian.T)
    inside = []
    for here in np.geomspace(dose[dose > 0].min(), dose.max(), 4001):

        def beyond(curve: Array, here: float = here) -> float:
            return float(hill_curve(np.array(here), *curve)) - (curve[0] + curve[1]) / 2

        slope = slopes(beyond)
        if abs(beyond(best)) <= student.ppf(0.975, degrees) * (slope @ covariance @ slope) ** 0.5:
            inside.append(here)
    return min(inside), max(inside)
