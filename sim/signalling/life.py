"""How fast cells divide and die.

b = b_0 + sum over receptors of b_R S_R, at most b_max                  division
d = d_0 + d_V (1 - V) + d_D D^h / (EC50^h + D^h)                        death, D free drug
V' = (E - V) / tau_V                                                    survival signal
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def signals(bound: Array, saturated: Array, inhibited: Array) -> Array:
    """S of each receptor (cells, receptors), as `sim.signalling.drive.signal` has it."""
    return np.asarray(np.minimum(1.0, bound / saturated) * (1.0 - inhibited))


def division_rate(own: float, by_signal: Array, most: float, signals: Array) -> Array:
    """Divisions per hour of cells with these signals (cells, receptors)."""
    return np.minimum(own + signals @ by_signal, most)


def death_rate(
    basal: float, unsupported: float, survival: Array, cytotoxic: float, ec50: float, hill: float,
    free: float,
) -> Array:  # fmt: skip
    """Deaths per hour of cells with these survival signals, at this unbound drug."""
    effect = 1.0 / (1.0 + (ec50 / free) ** hill) if free > 0 else 0.0
    return np.asarray(basal + unsupported * (1.0 - survival) + cytotoxic * effect)


def within(rate_per_h: Array, dt_s: float) -> Array:
    """Probability of an event within a time."""
    return np.asarray(-np.expm1(-rate_per_h * dt_s / 3600))
