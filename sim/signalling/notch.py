"""Delta-Notch signalling between cells that touch: lateral inhibition (Collier et al. 1996).

    N' = (X^2 / (K_D^2 + X^2) - N) / tau            Notch activity; X: Delta that a cell meets
    D' = (b / (1 + (N / K_N)^2) - D) / tau          Delta
    b  = min(1, b_0 + sum over receptors of b_R S_R)

X is the Delta of the neighbours, each weighted by its share of the cell's whole border: medium,
wall and cells that do not signal count as no Delta. (J Theor Biol 183:429, doi
10.1006/jtbi.1996.0233.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import kernel
from sim.signalling.drive import relax

Array = NDArray[np.float64]


class NotchConstants(NamedTuple):
    """Of the equations above."""

    tau_s: float
    delta_half: float
    """K_D, Delta met at which half of the Notch is active"""
    notch_half: float
    """K_N, Notch activity at which half of the Delta is made"""


def delta_made(own: float, by_signal: Array, signals: Array) -> Array:
    """b of cells with these signals (cells, receptors)."""
    return np.minimum(1.0, own + signals @ by_signal)


@kernel
def advance_notch(rows, notch, delta, contacts, pairs, made, constants, dt_s, parts):
    """Notch and Delta of the cells after a step, in place.

    In each of some equal parts of the step both relax exactly to where they would settle, were
    their neighbours and they to stay as they are at its start.

    Parameters
    ----------
    rows : (cells,) int64
        Rows of the cells that signal; the others stay as they are, and none meets their Delta.
    notch, delta : (all rows,) float64
        Changed.
    contacts : (contacts, 3) int64
        Row, other row and the pairs of sites in which they touch.
    pairs : (all rows,) int64
        Pairs of sites in the whole border of each cell.
    made : (cells,) float64
        b of each of ``rows``.
    constants : NotchConstants
    dt_s : float
    parts : int
    """
    tau_s, delta_half, notch_half = constants
    kept = np.exp(-dt_s / parts / tau_s)
    met, signals = np.zeros(notch.size), np.zeros(notch.size, np.bool_)
    for row in rows:
        signals[row] = True
    for _ in range(parts):
        met[:] = 0.0
        for k in range(contacts.shape[0]):
            one, other, length = contacts[k]
            if signals[one] and signals[other]:
                met[one] += length * delta[other]
                met[other] += length * delta[one]
        for i in range(rows.size):
            row = rows[i]
            X = met[row] / max(pairs[row], 1) / delta_half
            N = notch[row] / notch_half
            notch[row] = relax(notch[row], X * X / (1.0 + X * X), kept)
            delta[row] = relax(delta[row], made[i] / (1.0 + N * N), kept)
