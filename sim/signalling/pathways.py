"""All pathways of all cells, advanced by one step of the clock."""

from __future__ import annotations

from dataclasses import dataclass

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


def constants_of(pathways: list[Pathway]) -> Array:
    """Constants (pathways, 7) as `advance` takes them: `ReceptorRates`, weight, saturated."""
    rows = [(*p.rates, p.weight, p.saturated) for p in pathways]
    return np.array(rows, dtype=np.float64).reshape(len(pathways), 7)


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
    antagonism,
    dt_s,
    basal,
    tau_activity_s,
    tau_drive_s,
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
    constants : (pathways, 7) float64
        See `constants_of`.
    antagonism : (pathways, pathways) float64
        Share of the second's signal that the first one's full signal takes away.
    dt_s, basal, tau_activity_s, tau_drive_s : float
    """
    parts, pathways = inhibited.shape
    part_s = dt_s / parts
    kept_activity, kept_drive = np.exp(-part_s / tau_activity_s), np.exp(-part_s / tau_drive_s)
    signals = np.zeros(pathways)
    for row in rows:
        uptake[row] = 0.0
        for part in range(parts):
            for k in range(pathways):
                k_on, k_off, k_int = constants[k, 0], constants[k, 1], constants[k, 2]
                k_int_bound, per_cell = constants[k, 3], constants[k, 4]
                L, R, C = ligand_M[row, k], free[row, k], bound[row, k]
                if L == 0.0 and C == 0.0 and per_cell == R:
                    signals[k] = 0.0
                    continue
                free[row, k], bound[row, k], taken = bind(
                    R, C, L, k_on, k_off, k_int, k_int_bound, per_cell, part_s
                )
                uptake[row, k] += taken / dt_s
                signals[k] = signal(bound[row, k], constants[k, 6], inhibited[part, k])
            rest = 1.0 - basal
            for k in range(pathways):
                share = 1.0
                for other in range(pathways):
                    share *= 1.0 - antagonism[other, k] * signals[other]
                rest *= 1.0 - constants[k, 5] * signals[k] * share
            before = activity[row]
            activity[row] = relax(before, 1.0 - rest, kept_activity)
            drive[row] = relax(drive[row], 0.5 * (before + activity[row]), kept_drive)
