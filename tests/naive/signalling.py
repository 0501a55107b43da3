"""Receptors, activity and drive in plain NumPy, all cells at once.

    R' = k_syn - k_int R - k_on L R + k_off C              C' = k_on L R - (k_off + k_int_bound) C

At constant ligand x(t) = x* + exp(M t) (x(0) - x*), here with the matrix exponential of SciPy.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import expm

from sim.signalling.pathways import Pathway
from sim.signalling.receptors import ReceptorRates


def half_maximal(rates: ReceptorRates) -> float:
    """Ligand (M) at which half of the most that can be bound is bound, in steady state."""
    return rates.k_int * (rates.k_off + rates.k_int_bound) / (rates.k_on * rates.k_int_bound)


def bind(
    free: float, bound: float, ligand: float, rates: ReceptorRates, dt_s: float
) -> tuple[float, float, float]:
    """Free and bound receptors of a cell after a time, and the ligand that it took up."""
    on, off, lost = rates.k_on * ligand, rates.k_off, rates.k_int_bound
    made = rates.k_int * rates.per_cell
    # free, bound, ligand taken up, and a constant 1 that makes the synthesis linear too
    M = np.array(
        [
            [-(rates.k_int + on), off, 0.0, made],
            [on, -(off + lost), 0.0, 0.0],
            [on, -off, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.0],
        ]
    )
    end = expm(M * dt_s) @ [free, bound, 0.0, 1.0]
    return float(end[0]), float(end[1]), float(end[2])


def advance(
    pathways: list[Pathway],
    free: np.ndarray,
    bound: np.ndarray,
    activity: np.ndarray,
    drive: np.ndarray,
    ligand_M: np.ndarray,
    inhibited: np.ndarray,
    *,
    dt_s: float,
    antagonism: np.ndarray,
    basal: float,
    tau_activity_s: float,
    tau_drive_s: float,
) -> tuple[np.ndarray, ...]:
    """Free, bound, ligand taken up (cells, pathways), activity and drive (cells,) after a step."""
    free, bound, taken = free.copy(), bound.copy(), np.zeros_like(bound)
    weights = np.array([p.weight for p in pathways])
    saturated = np.array([p.saturated for p in pathways])
    part_s = dt_s / len(inhibited)
    for shares in inhibited:
        for cell, k in np.ndindex(free.shape):
            free[cell, k], bound[cell, k], net = bind(
                free[cell, k], bound[cell, k], ligand_M[cell, k], pathways[k].rates, part_s
            )
            taken[cell, k] += net
        signals = np.minimum(1.0, bound / saturated) * (1.0 - shares)
        signals = signals * np.prod(1.0 - antagonism * signals[:, :, None], axis=1)
        target = 1.0 - (1.0 - basal) * np.prod(1.0 - weights * signals, axis=1)
        before = activity
        activity = target + (activity - target) * np.exp(-part_s / tau_activity_s)
        middle = 0.5 * (before + activity)
        drive = middle + (drive - middle) * np.exp(-part_s / tau_drive_s)
    return free, bound, taken, activity, drive
