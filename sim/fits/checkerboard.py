"""Expected inhibition of all pairs of doses of two drugs: HSA, Bliss, Loewe and ZIP.

Single effects and curves are those of the checkerboard itself: its first row and column.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from sim.fits.combination import NOISE, bliss, loewe
from sim.fits.fitting import curve_of
from sim.fits.limits import Array
from sim.fits.logistic import Curve, response_at

MODELS = ("hsa", "bliss", "loewe", "zip")


def expected(first: Array, second: Array, inhibition: Array) -> dict[str, Array]:
    """Return what is expected of two drugs together, and what of it is measured.

    Parameters
    ----------
    first, second : (A,), (B,) array
        Rising doses of each, the first 0.
    inhibition : (A, B) array
        As fractions; NaN where there is none, but not in the first row or column.

    Returns
    -------
    dict of str to (A, B) array
        ``hsa``, ``bliss``, ``loewe`` and ``zip``, and ``zip_fitted``, with which ZIP compares: the
        mean of curves along rows and columns. NaN where a model is not defined.

    Notes
    -----
    HSA is the larger of the two single effects (highest single agent; Berenbaum 1989, Pharmacol Rev
    41:93). Bliss independence and Loewe additivity are `sim.fits.combination.bliss` and `loewe`,
    Loewe with curves through the single effects from 0 to a free maximum. ZIP (zero interaction
    potency; Yadav et al. 2015, Comput Struct Biotechnol J 13:504) takes curves from 0 to 1 for the
    single effects, and from the other drug's single effect to 1 along each row and column.
    """
    alone = inhibition[:, 0], inhibition[0, :]
    found = {
        "hsa": np.maximum(alone[0][:, None], alone[1]),
        "bliss": bliss(np.broadcast_arrays(alone[0][:, None], alone[1])),
        "loewe": _loewe(first, second, alone),
    }
    single = [
        _potency(dose, effect, 0.0) for dose, effect in zip((first, second), alone, strict=True)
    ]
    one, two = (response_at(d, c) for d, c in zip((first, second), single, strict=True))
    found["zip"] = one[:, None] + two - one[:, None] * two
    along = np.stack([_along(first, inhibition[:, j], two[j]) for j in range(second.size)], axis=1)
    across = np.stack([_along(second, inhibition[i], one[i]) for i in range(first.size)])
    found["zip_fitted"] = (along + across) / 2
    return found


def _loewe(first: Array, second: Array, alone: tuple[Array, Array]) -> Array:
    """Return Loewe's expectation where both drugs are given, else the single effects."""
    curves = [
        _curve(tuple(dose.tolist()), tuple(effect.tolist()), 0.0, None)
        for dose, effect in zip((first, second), alone, strict=True)
    ]
    found = np.maximum(alone[0][:, None], alone[1])
    usable = all(-1 - NOISE <= curve.bottom <= 1 + NOISE for curve in curves)
    ic50 = [math.exp(curve.log_ic50) for curve in curves]
    hill = [curve.hill or 1.0 for curve in curves]
    for i in range(1, first.size):
        for j in range(1, second.size):
            found[i, j] = math.nan
            if usable:
                most = [curve.bottom for curve in curves]
                found[i, j] = loewe([first[i], second[j]], ic50, hill, most).inhibition
    return found


def _potency(dose: Array, effect: Array, base: float) -> Curve:
    """Return the curve of ZIP: from an effect without the drug to a whole one."""
    if base >= 1.0:
        return Curve(base, base, 0.0, 0.0)
    return _curve(tuple(dose.tolist()), tuple(effect.tolist()), base, 1.0)


@lru_cache(maxsize=5000)
def _curve(
    dose: tuple[float, ...], effect: tuple[float, ...], top: float, bottom: float | None
) -> Curve:
    """Return `curve_of`, once for each row: limits change one value at a time."""
    return curve_of(dose, effect, top=top, bottom=bottom)


def _along(dose: Array, effect: Array, base: float) -> Array:
    """Return the curve along one row or column; NaN where too little of it is measured."""
    try:
        return response_at(dose, _potency(dose, effect, base))
    except ValueError:
        return np.full(dose.size, math.nan)
