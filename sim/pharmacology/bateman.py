"""The response of a chain of first-order steps, accurate where their rates coincide."""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

_TERMS = 20  # of the series: the first one left out is below 1e-17 of the sum


def bateman(rates: Sequence[ArrayLike], time_h: ArrayLike) -> Array:
    """Return the divided difference of exp(-rate t) over one or more rates.

    sum over i of exp(-r_i t) / prod over j != i of (r_j - r_i): what is left of a unit impulse
    in the last of a chain of first-order steps, apart from the product of the rates between
    them (Bateman 1910, Proc Camb Phil Soc 15:423). A rate of zero integrates over time.

    Parameters
    ----------
    rates : sequence of array_like
        Rates of the steps, at least 0 (1/h), in any order; they may coincide.
    time_h : array_like
        Times; rates and times broadcast against each other.

    Returns
    -------
    array
        Never negative, 0 before time 0, in h^(number of rates - 1); accurate to about
        1e-13 of its value.
    """
    time = np.asarray(time_h, dtype=np.float64)
    columns = [np.asarray(rate, dtype=np.float64) for rate in rates]
    ordered = np.sort(np.stack(np.broadcast_arrays(*columns)), axis=0)
    return np.where(time < 0.0, 0.0, _divided(list(ordered), np.maximum(time, 0.0)))


def _divided(rates: list[Array], time: Array) -> Array:
    """Return :func:`bateman` of rates in rising order."""
    if len(rates) == 1:
        return np.asarray(np.exp(-rates[0] * time))
    spread = rates[-1] - rates[0]
    x = spread * time
    if len(rates) == 2:  # t e^(-r t) (1 - e^-x) / x
        positive = np.where(x > 0.0, x, 1.0)
        mean = np.where(x > 0.0, -np.expm1(-positive) / positive, 1.0)
        return np.asarray(time * np.exp(-rates[0] * time) * mean)
    difference = _divided(rates[:-1], time) - _divided(rates[1:], time)
    found = np.asarray(difference / np.where(spread > 0.0, spread, 1.0))
    near = x < 1.0  # where the difference loses digits
    if near.any():
        picked = [np.broadcast_to(part, near.shape)[near] for part in (*rates, time)]
        found[near] = _series(picked[:-1], picked[-1])
    return found


def _series(rates: list[Array], time: Array) -> Array:
    """Return :func:`bateman` of rates with (highest - lowest) t < 1, by Taylor series.

    t^(n-1) e^(-r_1 t) sum over m of (-1)^m h_m / (m + n - 1)!, where h_m is the complete
    homogeneous polynomial of degree m in the (r_i - r_1) t.
    """
    order = len(rates) - 1
    offsets = [(rate - rates[0]) * time for rate in rates[1:]]
    h = [np.ones_like(time) for _ in offsets]  # in the first, the first two, ... offsets
    total = h[-1] / factorial(order)
    for m in range(1, _TERMS):
        lower = np.zeros_like(time)
        for place, offset in enumerate(offsets):
            h[place] = lower = lower + offset * h[place]
        total += (-1.0) ** m / factorial(m + order) * h[-1]
    return np.asarray(time**order * np.exp(-rates[0] * time) * total)
