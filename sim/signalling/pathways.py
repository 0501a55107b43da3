"""All pathways of all cells, advanced by one step of the clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.signalling.drive import activity_target, relax, signal
from sim.signalling.receptors import ReceptorRates, bind, steady_state

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
    saturating_M: float
    ic50_nM: float
    hill: float

    @property
    def saturated(self) -> float:
        """Bound receptors per cell in steady state at the saturating concentration."""
        return float(steady_state(self.saturating_M, self.rates)[1])

    def inhibition(self, free_nM: float) -> float:
        """Share of the signal that unbound drug takes away, D^h / (IC50^h + D^h)."""
        share = (free_nM / self.ic50_nM) ** self.hill
        return float(share / (1.0 + share))


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
    free_nM: Array,
    *,
    dt_s: float,
    basal: float,
    tau_activity_s: float,
    tau_drive_s: float,
) -> tuple[Array, Array, Array, Array]:
    """Receptors, activity and drive after a step.

    Parameters
    ----------
    pathways : list of Pathway
    free, bound : (cells, pathways) receptors per cell
    activity, drive : (cells,)
    ligand_M : (cells, pathways) mean over each cell's sites, M
    free_nM : (substeps,) unbound drug at the start of each equal part of the step
    dt_s, basal, tau_activity_s, tau_drive_s : float

    Returns
    -------
    free, bound, activity, drive
        New arrays.
    """
    free, bound = free.copy(), bound.copy()
    weights = np.array([p.weight for p in pathways])
    saturated = [p.saturated for p in pathways]
    part_s = dt_s / len(free_nM)
    for drug in free_nM:
        signals = np.empty_like(bound)
        for k, pathway in enumerate(pathways):
            free[:, k], bound[:, k] = bind(
                free[:, k], bound[:, k], ligand_M[:, k], pathway.rates, part_s
            )
            signals[:, k] = signal(bound[:, k], saturated[k], pathway.inhibition(float(drug)))
        before = activity
        activity = relax(activity, activity_target(signals, weights, basal), part_s, tau_activity_s)
        drive = relax(drive, 0.5 * (before + activity), part_s, tau_drive_s)
    return free, bound, activity, drive
