"""Receptors of each cell: synthesis, binding, internalisation.

    R' = k_syn - k_int R - k_on L R + k_off C          free receptors per cell
    C' = k_on L R - (k_off + k_int_bound) C            bound receptors per cell

with k_syn = k_int R_0. At constant ligand the system is linear: it is advanced exactly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel
from sim.units import AVOGADRO

Array = NDArray[np.float64]


class ReceptorRates(NamedTuple):
    """Constants of one receptor."""

    k_on: float
    """1/(M s)"""
    k_off: float
    """1/s"""
    k_int: float
    """1/s"""
    k_int_bound: float
    """1/s"""
    per_cell: float
    """free receptors per cell without ligand"""


def steady_state(ligand: Array | float, rates: ReceptorRates) -> tuple[Array, Array]:
    """Free and bound receptors per cell after long exposure to a ligand (M).

    C = (k_int / k_int_bound) R_0 L / (L + L50), L50 = k_int (k_off + k_int_bound) / (k_on
    k_int_bound).
    """
    binding = rates.k_on * np.asarray(ligand, dtype=np.float64)
    leaving = rates.k_off + rates.k_int_bound
    free = rates.k_int * rates.per_cell / (rates.k_int + binding * rates.k_int_bound / leaving)
    return np.asarray(free), np.asarray(binding * free / leaving)


@inlined
def bind(free, bound, ligand, k_on, k_off, k_int, k_int_bound, per_cell, dt_s):
    """Receptors of a cell after ``dt_s`` seconds at constant ligand (M).

    x(t) = x* + exp(M t) (x(0) - x*) with the exponential of a 2 x 2 matrix with real eigenvalues,
    and its integral x* t + inverse(M) (x(t) - x(0)).

    Parameters
    ----------
    free, bound : float
        Receptors per cell at the start.
    ligand : float
    k_on, ..., per_cell : float
        `ReceptorRates`.
    dt_s : float

    Returns
    -------
    free, bound : float
        Receptors per cell at the end.
    taken : float
        Ligand molecules that the cell took up, less those it released.
    """
    binding, leaving = k_on * ligand, k_off + k_int_bound
    free_end = k_int * per_cell / (k_int + binding * k_int_bound / leaving)  # as `steady_state`
    bound_end = binding * free_end / leaving
    a, d = -(k_int + binding), -leaving
    middle, half_gap = 0.5 * (a + d), 0.5 * np.sqrt((a - d) ** 2 + 4.0 * binding * k_off)
    fast, slow = np.exp((middle - half_gap) * dt_s), np.exp((middle + half_gap) * dt_s)
    even = 0.5 * (slow + fast)
    odd = dt_s * even  # sinh(half_gap t) / half_gap, scaled by exp(middle t)
    if half_gap * dt_s > 1e-9:
        odd = (slow - fast) / (2.0 * half_gap)
    x, y = free - free_end, bound - bound_end
    free_now = free_end + even * x + odd * ((a - middle) * x + k_off * y)
    bound_now = bound_end + even * y + odd * (binding * x + (d - middle) * y)
    gained = bound_now - bound
    bound_time = bound_end * dt_s + (a * gained - binding * (free_now - free)) / (
        a * d - binding * k_off
    )
    return free_now, bound_now, gained + k_int_bound * bound_time


@inlined
def molar_per_count(area_um2, depth_um):
    """Concentration (M) of one molecule in the layer over a cell: 1 / (N_A area depth)."""
    return 1.0 / (AVOGADRO * (area_um2 * depth_um * 1e-15))


@kernel
def take_up(rows, uptake, area, site_um2, depth_um, M_per_ng_ml, source):
    """Take what receptors took up out of the source of their ligand.

    Parameters
    ----------
    rows : (cells,) int64
        Rows of the cells with receptors.
    uptake : (all rows,) float64
        Molecules per second.
    area : (all rows,) int64
        Sites of each cell.
    site_um2, depth_um : float
        Area of a site, and depth of the layer over it.
    M_per_ng_ml : float
        Molar concentration of 1 ng/mL of the ligand.
    source : (all rows,) float64
        ng/mL per second of each site of a cell; changed.
    """
    for row in rows:
        per_count = molar_per_count(max(area[row], 1) * site_um2, depth_um)
        source[row] -= uptake[row] * per_count / M_per_ng_ml
