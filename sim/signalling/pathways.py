"""All pathways of all cells, advanced by one step of the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.signalling.drive import activity_target, relax, signal
from sim.signalling.receptors import ReceptorRates, bind

Array = NDArray[np.float64]

LONGEST_SUBSTEP_S = 30.0  # ligand and drug count as constant this long


@dataclass(frozen=True)
class Pathway:
    """One ligand and its receptor."""

    receptor: str
    ligand: str
    rates: ReceptorRates
    M_per_ng_ml: float
    """molar concentration of 1 ng/mL of the ligand"""
    weight: float
    saturated: float
    """bound receptors per cell in steady state at the saturating concentration"""


def substeps(dt_s: float) -> int:
    """Equal parts into which a step is cut, so that drive is right at any step."""
    return max(1, int(np.ceil(dt_s / LONGEST_SUBSTEP_S)))


def advance(
    pathways: list[Pathway],
    free: Array,
    bound: Array,
    activity: Array,
    drive: Array,
    ligand_M: Array,
    inhibited: Array,
    *,
    dt_s: float,
    antagonism: Array,
    basal: float,
    tau_activity_s: float,
    tau_drive_s: float,
) -> tuple[Array, Array, Array, Array, Array]:
    """Receptors, activity and drive after a step.

    Parameters
    ----------
    pathways : list of Pathway
    free, bound : (cells, pathways) receptors per cell
    activity, drive : (cells,)
    ligand_M : (cells, pathways) mean over each cell's sites, M
    inhibited : (substeps, pathways) share of each signal that the drug takes away, at the start
        of each equal part of the step
    antagonism : (pathways, pathways) share of the second's signal that the first one's full
        signal takes away
    dt_s, basal, tau_activity_s, tau_drive_s : float

    Returns
    -------
    free, bound, activity, drive
        New arrays.
    taken : (cells, pathways)
        Ligand molecules that each cell took up, less those it released.
    """
    free, bound = free.copy(), bound.copy()
    weights, taken = np.array([p.weight for p in pathways]), np.zeros_like(bound)
    signals = np.empty_like(bound)
    part_s = dt_s / len(inhibited)
    for shares in inhibited:
        for k, pathway in enumerate(pathways):
            free[:, k], bound[:, k], net = bind(
                free[:, k], bound[:, k], ligand_M[:, k], pathway.rates, part_s
            )
            taken[:, k] += net
            signals[:, k] = signal(bound[:, k], pathway.saturated, shares[k])
        signals = signals * np.prod(1.0 - antagonism * signals[:, :, None], axis=1)
        before = activity
        activity = relax(activity, activity_target(signals, weights, basal), part_s, tau_activity_s)
        drive = relax(drive, 0.5 * (before + activity), part_s, tau_drive_s)
    return free, bound, activity, drive, taken
