"""The Potts sweep on the whole lattice: one MCS is as many attempts as sites, one after another.

Each attempt takes a site uniformly at random and one of its copy neighbours. Energies are written
out before and after the copy: no tiles, no differences worked out by hand. A cell's area and length
come from the sums of 1, y, x, yy, xx, xy over its sites in plain lattice coordinates, so lengths
need walls around the domain.
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
def cell_energy(
    sums: np.ndarray, lambda_area: float, A: float, lambda_length: float, L: float
) -> float:
    """Area and length energy of one cell from its sums (6,) of 1, y, x, yy, xx, xy."""
    n, y, x, yy, xx, xy = sums
    energy = lambda_area * (n - A) ** 2
    if lambda_length > 0:
        length = 0.0
        if n > 0:
            var_y, var_x = yy / n - (y / n) ** 2, xx / n - (x / n) ** 2
            cov = xy / n - (y / n) * (x / n)
            trace, determinant = var_y + var_x, var_y * var_x - cov**2
            gap = math.sqrt(max(0.0, trace**2 / 4 - determinant))
            length = 4 * math.sqrt(max(0.0, trace / 2 + gap))
        energy += lambda_length * (length - L) ** 2
    return energy


@numba.njit
def move_site(sums: np.ndarray, y: int, x: int, old: int, new: int) -> None:
    """Take the site (y, x) from one cell's sums and add it to another's."""
    terms = np.array([1.0, y, x, y * y, x * x, x * y])
    sums[old] -= terms
    sums[new] += terms


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
def breaks(
    sigma: np.ndarray, y: int, x: int, ring: np.ndarray, authors: bool, periodic: bool
) -> bool:
    """Whether a site's owner has more than one run of sites in the ring around it.

    As the authors' code has it, only where the ring holds the medium or a third owner too.
    """
    own = sigma[y, x]
    runs, other, further = 0, own, False
    before = at(sigma, y + ring[-1, 0], x + ring[-1, 1], periodic)
    for i in range(8):
        here = at(sigma, y + ring[i, 0], x + ring[i, 1], periodic)
        runs += here == own and before != own
        further |= here == 0 or (here not in (own, other) and other != own)
        other = other if here == own else here
        before = here
    return runs > 1 and (further or not authors)


@numba.njit
def sweep(
    sigma: np.ndarray, sums: np.ndarray, T: float, J_cm: float, J_cc: float, J_cw: float,
    lambda_area: float, A: float, lambda_length: float, L: float, penalty: float, authors: bool,
    copies: np.ndarray, contacts: np.ndarray, ring: np.ndarray, periodic: bool,
) -> None:  # fmt: skip
    """One MCS in place."""
    height, width = sigma.shape
    for _ in range(height * width):
        y, x = np.random.randint(height), np.random.randint(width)
        k = np.random.randint(len(copies))
        new = at(sigma, y + copies[k, 0], x + copies[k, 1], periodic)
        old = sigma[y, x]
        if new in (old, WALL):
            continue
        dH = 0.0
        if old > 0 and penalty > 0 and breaks(sigma, y, x, ring, authors, periodic):
            dH += penalty
        dH -= contacts_of(sigma, y, x, J_cm, J_cc, J_cw, contacts, periodic)
        for row in (old, new):
            if row > 0:
                dH -= cell_energy(sums[row], lambda_area, A, lambda_length, L)
        sigma[y, x] = new
        move_site(sums, y, x, old, new)
        dH += contacts_of(sigma, y, x, J_cm, J_cc, J_cw, contacts, periodic)
        for row in (old, new):
            if row > 0:
                dH += cell_energy(sums[row], lambda_area, A, lambda_length, L)
        if dH > 0 and np.random.random() >= math.exp(-dH / T):
            sigma[y, x] = old
            move_site(sums, y, x, new, old)


@numba.njit
def sweeps(
    seed: int, mcs: int, sigma: np.ndarray, sums: np.ndarray, T: float, J_cm: float, J_cc: float,
    J_cw: float, lambda_area: float, A: float, lambda_length: float, L: float, penalty: float,
    authors: bool, copies: np.ndarray, contacts: np.ndarray, ring: np.ndarray, periodic: bool,
) -> None:  # fmt: skip
    """Several MCS in place, from a seed."""
    np.random.seed(seed)
    for y in range(sigma.shape[0]):
        for x in range(sigma.shape[1]):
            move_site(sums, y, x, 0, sigma[y, x])
    for _ in range(mcs):
        sweep(
            sigma, sums, T, J_cm, J_cc, J_cw, lambda_area, A, lambda_length, L, penalty, authors,
            copies, contacts, ring, periodic,
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
    authors: bool = False,
    copy_sites: int = 8,
    contact_sites: int = 8,
    periodic: bool,
) -> np.ndarray:
    """Lattice after ``mcs`` steps from ``sigma`` [y, x], 0 medium, else the cell."""
    if periodic and lambda_length > 0:
        raise ValueError("lengths need walls")
    after = sigma.astype(np.int64)
    sweeps(
        seed, mcs, after, np.zeros((sigma.max() + 1, 6)), float(T), float(J_cm), float(J_cc),
        float(J_cw), float(lambda_area), float(A), float(lambda_length), float(L), float(penalty),
        authors, neighbourhood(copy_sites), neighbourhood(contact_sites), RING, periodic,
    )  # fmt: skip
    return after
