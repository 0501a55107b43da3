"""The Potts sweep on the whole lattice: one MCS is as many attempts as sites, one after another.

Each attempt takes a site uniformly at random and one of its copy neighbours, and computes the
energy change from the lattice: no tiles, no running sums. Areas and lengths are counted in a window
around the site that is larger than any cell.
"""

from __future__ import annotations

import math

import numba
import numpy as np

WALL = -1
REACH_SQUARED = {4: 1, 8: 2, 12: 4, 20: 5}


def neighbourhood(n_sites: int) -> np.ndarray:
    """Offsets (n_sites, 2) [dy, dx] of the 4, 8, 12 or 20 nearest neighbours."""
    near = range(-2, 3)
    reach = REACH_SQUARED[n_sites]
    return np.array([(dy, dx) for dy in near for dx in near if 0 < dy * dy + dx * dx <= reach])


RING = np.array([(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)])


@numba.njit
def at(sigma: np.ndarray, y: int, x: int, periodic: bool) -> int:
    """Owner of a site; beyond the border the opposite side or wall."""
    height, width = sigma.shape
    if periodic:
        return sigma[y % height, x % width]
    if 0 <= y < height and 0 <= x < width:
        return sigma[y, x]
    return WALL


@numba.njit
def area_and_length(
    sigma: np.ndarray, row: int, y: int, x: int, window: int, periodic: bool
) -> tuple[int, float]:
    """Sites and length 4 sqrt(largest eigenvalue of the covariance) of a cell around (y, x)."""
    n = 0
    sy = sx = syy = sxx = sxy = 0.0
    for dy in range(-window, window + 1):
        for dx in range(-window, window + 1):
            if at(sigma, y + dy, x + dx, periodic) == row:
                n += 1
                sy += dy
                sx += dx
                syy += dy * dy
                sxx += dx * dx
                sxy += dy * dx
    if n == 0:
        return 0, 0.0
    vy, vx, cov = syy / n - (sy / n) ** 2, sxx / n - (sx / n) ** 2, sxy / n - sy * sx / n**2
    trace, determinant = vy + vx, vy * vx - cov * cov
    return n, 4.0 * math.sqrt(trace / 2 + math.sqrt(max(0.0, trace * trace / 4 - determinant)))


@numba.njit
def cell_energy(
    sigma: np.ndarray,
    row: int,
    y: int,
    x: int,
    lambda_area: float,
    A: float,
    lambda_length: float,
    L: float,
    window: int,
    periodic: bool,
) -> float:
    """Area and length energy of one cell."""
    area, length = area_and_length(sigma, row, y, x, window, periodic)
    return lambda_area * (area - A) ** 2 + lambda_length * (length - L) ** 2


@numba.njit
def contacts_of(
    sigma: np.ndarray, y: int, x: int, J_cm: float, J_cc: float, J_cw: float,
    contacts: np.ndarray, periodic: bool,
) -> float:  # fmt: skip
    """Contact energy of one site with its neighbours."""
    own = sigma[y, x]
    energy = 0.0
    for k in range(len(contacts)):
        other = at(sigma, y + contacts[k, 0], x + contacts[k, 1], periodic)
        if other == own:
            continue
        if own == WALL or other == WALL:
            energy += J_cw if own > 0 or other > 0 else 0.0
        else:
            energy += J_cm if own == 0 or other == 0 else J_cc
    return energy


@numba.njit
def sweep(
    sigma: np.ndarray, T: float, J_cm: float, J_cc: float, J_cw: float, lambda_area: float,
    A: float, lambda_length: float, L: float, penalty: float, copies: np.ndarray,
    contacts: np.ndarray, ring: np.ndarray, window: int, periodic: bool,
) -> None:  # fmt: skip
    """One MCS in place."""
    height, width = sigma.shape
    for _ in range(height * width):
        y, x = np.random.randint(height), np.random.randint(width)
        k = np.random.randint(len(copies))
        new = at(sigma, y + copies[k, 0], x + copies[k, 1], periodic)
        old = sigma[y, x]
        if new == old or new == WALL:
            continue
        dH = -contacts_of(sigma, y, x, J_cm, J_cc, J_cw, contacts, periodic)
        for row in (old, new):
            if row > 0:
                dH -= cell_energy(
                    sigma, row, y, x, lambda_area, A, lambda_length, L, window, periodic
                )
        if old > 0 and penalty > 0:
            runs = 0
            for i in range(8):
                here = at(sigma, y + ring[i, 0], x + ring[i, 1], periodic) == old
                before = at(sigma, y + ring[i - 1, 0], x + ring[i - 1, 1], periodic) == old
                runs += here and not before
            dH += penalty if runs > 1 else 0.0
        sigma[y, x] = new
        dH += contacts_of(sigma, y, x, J_cm, J_cc, J_cw, contacts, periodic)
        for row in (old, new):
            if row > 0:
                dH += cell_energy(
                    sigma, row, y, x, lambda_area, A, lambda_length, L, window, periodic
                )
        if dH > 0 and np.random.random() >= math.exp(-dH / T):
            sigma[y, x] = old


@numba.njit
def sweeps(
    seed: int, mcs: int, sigma: np.ndarray, T: float, J_cm: float, J_cc: float, J_cw: float,
    lambda_area: float, A: float, lambda_length: float, L: float, penalty: float,
    copies: np.ndarray, contacts: np.ndarray, ring: np.ndarray, window: int, periodic: bool,
) -> None:  # fmt: skip
    """Several MCS in place, from a seed."""
    np.random.seed(seed)
    for _ in range(mcs):
        sweep(
            sigma, T, J_cm, J_cc, J_cw, lambda_area, A, lambda_length, L, penalty, copies,
            contacts, ring, window, periodic,
        )  # fmt: skip


def simulate(
    sigma: np.ndarray,
    seed: int,
    mcs: int,
    *,
    T: float,
    J_cm: float,
    J_cc: float,
    J_cw: float = 0.0,
    lambda_area: float,
    A: float,
    lambda_length: float = 0.0,
    L: float = 0.0,
    penalty: float = 0.0,
    copy_sites: int = 8,
    contact_sites: int = 8,
    window: int = 15,
    periodic: bool,
) -> np.ndarray:
    """Lattice after ``mcs`` steps from ``sigma`` [y, x], 0 medium, else the cell."""
    after = sigma.astype(np.int64)
    sweeps(
        seed, mcs, after, float(T), float(J_cm), float(J_cc), float(J_cw), float(lambda_area),
        float(A), float(lambda_length), float(L), float(penalty), neighbourhood(copy_sites),
        neighbourhood(contact_sites), RING, window, periodic,
    )  # fmt: skip
    return after
