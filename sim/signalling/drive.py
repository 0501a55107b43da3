"""From bound receptors to what a cell does: signal, activity, drive.

S = min(1, C / C_saturated) (1 - I)                               signal of a receptor
E -> 1 - (1 - E_basal) product over receptors (1 - w S)           activity (ERK-like), tau_E
m' = (E - m) / tau_m                                              drive, the morphogenic state
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def signal(bound: Array, saturated: float, inhibition: float) -> Array:
    """S (cells,) of a receptor: its bound share, capped at 1, less what the drug inhibits."""
    return np.asarray(np.minimum(1.0, bound / saturated) * (1.0 - inhibition))


def activity_target(signals: Array, weights: Array, basal: float) -> Array:
    """Activity (cells,) that signals (cells, receptors) lead to: pathways are redundant."""
    return np.asarray(1.0 - (1.0 - basal) * np.prod(1.0 - weights * signals, axis=1))


def relax(value: Array, target: Array, dt_s: float, tau_s: float) -> Array:
    """First-order approach to a constant target, exact for any step."""
    return np.asarray(target + (value - target) * np.exp(-dt_s / tau_s))


def driven(pair: tuple[float, float], drive: Array) -> Array:
    """A quantity between its undriven and its driven value."""
    undriven, full = pair
    return np.asarray(undriven + (full - undriven) * drive)
