"""All pathways of all cells, advanced by one step of the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import kernel
from sim.signalling.drive import relax, signal
from sim.signalling.receptors import ReceptorRates, bind

Array = NDArray[np.float64]


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


class Constants(NamedTuple):
    """What `advance` has to know of the pathways, and of what their signals do."""

    pathways: Array
    """(pathways, 7) `ReceptorRates`, weight, saturated."""
    antagonism: Array
    """(pathways, pathways) share of the second's signal that the first one's full signal takes."""
    basal: float
    """E_basal"""
    tau_activity_s: float
    tau_drive_s: float

    @property
    def saturated(self) -> Array:
        """(pathways,) bound receptors per cell that count as saturated."""
        return self.pathways[:, 6]


def constants_of(
    pathways: Sequence[Pathway],
    antagonism: Array,
    *,
    basal: float,
    tau_activity_s: float,
    tau_drive_s: float,
) -> Constants:
    """`Constants` of some pathways."""
    rows = [(*p.rates, p.weight, p.saturated) for p in pathways]
    table = np.array(rows, dtype=np.float64).reshape(len(pathways), 7)
    return Constants(table, antagonism, basal, tau_activity_s, tau_drive_s)


@kernel
def advance(
    rows,
    free,
    bound,
    uptake,
    activity,
    drive,
    ligand_M,
    inhibited,
    constants,
    dt_s,
):
    """Receptors, activity and drive of the cells after a step, in place.

    Activity follows E -> 1 - (1 - E_basal) product over receptors (1 - w S): pathways are
    redundant. A receptor without ligand, and with none bound, rests and costs nothing.

    Parameters
    ----------
    rows : (cells,) int64
        Rows of the cells that signal; the others stay as they are.
    free, bound : (all rows, pathways) float64
        Receptors per cell; changed.
    uptake : (all rows, pathways) float64
        Filled: ligand molecules per second that each cell took up, less those it released.
    activity, drive : (all rows,) float64
        Changed.
    ligand_M : (all rows, pathways) float64
        Mean over each cell's sites, M.
    inhibited : (substeps, pathways) float64
        Share of each signal that the drug takes away, at the start of each equal part of the step.
    constants : Constants
    dt_s : float
    """
    table, antagonism, basal, tau_activity_s, tau_drive_s = constants
    parts, pathways = inhibited.shape
    part_s = dt_s / parts
    kept_activity, kept_drive = np.exp(-part_s / tau_activity_s), np.exp(-part_s / tau_drive_s)
    signals = np.zeros(pathways)
    for row in rows:
        uptake[row] = 0.0
        for part in range(parts):
            for k in range(pathways):
                k_on, k_off, k_int = table[k, 0], table[k, 1], table[k, 2]
                k_int_bound, per_cell = table[k, 3], table[k, 4]
                L, R, C = ligand_M[row, k], free[row, k], bound[row, k]
                if L == 0.0 and C == 0.0 and per_cell == R:
                    signals[k] = 0.0
                    continue
                free[row, k], bound[row, k], taken = bind(
                    R, C, L, k_on, k_off, k_int, k_int_bound, per_cell, part_s
                )
                uptake[row, k] += taken / dt_s
                signals[k] = signal(bound[row, k], table[k, 6], inhibited[part, k])
            rest = 1.0 - basal
            for k in range(pathways):
                share = 1.0
                for other in range(pathways):
                    share *= 1.0 - antagonism[other, k] * signals[other]
                rest *= 1.0 - table[k, 5] * signals[k] * share
            before = activity[row]
            activity[row] = relax(before, 1.0 - rest, kept_activity)
            drive[row] = relax(drive[row], 0.5 * (before + activity[row]), kept_drive)


def steady_activity(signals: Array, constants: Constants) -> float:
    """Activity E after long exposure to constant signals (pathways,)."""
    kept = np.prod(1.0 - constants.antagonism * signals[:, None], axis=0)
    return float(
        1.0 - (1.0 - constants.basal) * np.prod(1.0 - constants.pathways[:, 5] * signals * kept)
    )
