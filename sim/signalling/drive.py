"""From bound receptors to what a cell does: signal, activity, drive.

S = min(1, C / C_saturated) (1 - I)                               signal of a receptor
E -> 1 - (1 - E_basal) product over receptors (1 - w S)           activity (ERK-like), tau_E
m' = (E - m) / tau_m                                              drive, the morphogenic state
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined

Array = NDArray[np.float64]


@inlined
def signal(bound, saturated, inhibition):
    """S of a receptor of a cell: its bound share, capped at 1, less what the drug inhibits."""
    return min(1.0, bound / saturated) * (1.0 - inhibition)


@inlined
def relax(value, target, kept):
    """First-order approach to a constant target, exact for any step: ``kept`` is exp(-dt / tau)."""
    return target + (value - target) * kept


def driven(pair: tuple[float, float], drive: Array) -> Array:
    """A quantity between its undriven and its driven value."""
    undriven, full = pair
    return np.asarray(undriven + (full - undriven) * drive)
