"""The logistic dose-response curve, and the result of a fit.

Scalars that the data do not determine are None, never NaN: results go into JSON as they are.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from sim.fits.limits import Array, not_negative, numbers, reach


class Curve(NamedTuple):
    """Parameters of a logistic curve, the IC50 as its natural logarithm."""

    bottom: float
    top: float
    log_ic50: float
    hill: float


@dataclass(frozen=True)
class DoseResponse:
    """A fitted dose-response curve. Each quantity has 95 % limits, ``_low`` and ``_high``.

    None is what the data do not determine: an estimate that lies outside the doses given, or a
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
        """Return all fields; JSON takes them as they are."""
        return asdict(self)

    def words(self, name: str = "ic50") -> str:
        """Return a quantity as text: value and limits, a bound, or that it is not determined.

        Parameters
        ----------
        name : str
            Such as ``"ic50"``, ``"absolute_ic50"`` or ``"hill"``.
        """
        return with_limits(*(getattr(self, name + end) for end in ("", "_low", "_high")))

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


def with_limits(value: float | None, low: float | None, high: float | None) -> str:
    """Return a quantity as text: value and limits, a bound, or that it is not determined."""
    limits = ""
    if low is not None and high is not None:
        limits = f"{_figures(low)} to {_figures(high)}"
    elif high is not None:
        limits = f"< {_figures(high, 4)}"
    elif low is not None:
        limits = f"> {_figures(low, 4)}"
    if value is None:
        return limits or "not determined"
    return f"{_figures(value)} ({limits or 'no limits'})"


def _figures(number: float, count: int = 3) -> str:
    """Return a number with so many figures: 1270, not 1.27e+03."""
    return f"{float(f'{number:.{count}g}'):g}"


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


def share_of_top(dose: Array, log_ic50: float | Array, hill: float | Array) -> Array:
    """Return 1 / (1 + (dose / ic50)^hill), which is exactly 1 at dose 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(0.5 - 0.5 * np.tanh(0.5 * hill * (np.log(dose) - log_ic50)))


def response_at(dose: Array, curve: Curve) -> Array:
    """Return the response that a curve gives at doses."""
    if curve.hill == 0.0:  # a constant
        return np.full(dose.shape, curve.top)
    share = share_of_top(dose, curve.log_ic50, curve.hill)
    return curve.bottom * (1.0 - share) + curve.top * share


def dose_at(curve: Curve, level: float) -> float | None:
    """Return the dose at which the curve is at a level, or None where it never is."""
    if curve.bottom == curve.top:
        return None
    share = (level - curve.bottom) / (curve.top - curve.bottom)
    if not 0.0 < share < 1.0:
        return None
    log_dose = curve.log_ic50 + math.log(1.0 / share - 1.0) / curve.hill
    return math.exp(log_dose) if log_dose < 700.0 else None
