"""The Potts energy and its work terms, from scratch, one site and one pair at a time.

Conventions: the lattice ``sigma[y, x]`` holds cell rows, 0 is the medium. There is no padding:
outside a walled domain everything is wall. Arrays "by row" are indexed by cell row (row 0, the
medium, is ignored), arrays "by type" by cell type. Sites and vectors are (y, x) pairs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

MEDIUM = 0
WALL = -1

REACH_SQUARED = {4: 1, 8: 2, 12: 4, 20: 5}

RING = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]

Site = tuple[int, int]


def neighbourhood(n_sites: int) -> list[Site]:
    """Offsets (dy, dx) of the neighbourhood with 4, 8, 12 or 20 sites.

    These are all offsets with squared distance up to 1, 2, 4 and 5.

    Raises
    ------
    KeyError
        For any other number of sites.
    """
    reach = REACH_SQUARED[n_sites]
    return [
        (dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if 0 < dy * dy + dx * dx <= reach
    ]


def value_at(sigma: np.ndarray, y: int, x: int, periodic: bool) -> int:
    """Return the cell row at (y, x); beyond the border wrap around, or give ``WALL``."""
    height, width = sigma.shape
    if periodic:
        return int(sigma[y % height, x % width])
    if 0 <= y < height and 0 <= x < width:
        return int(sigma[y, x])
    return WALL


def contact_energy(
    sigma: np.ndarray,
    cell_type: Sequence[int],
    J: np.ndarray,
    contact_sites: int,
    periodic: bool,
    wall_type: int,
) -> float:
    """Sum J(tau, tau') over unordered pairs of neighbouring sites of different owners.

    A pair of a site and a wall counts once, wall against wall never.

    Parameters
    ----------
    sigma : (H, W) int
    cell_type : (rows,) int
        Type by row; row 0 is the type of the medium.
    J : (types, types) float
        Symmetric contact energies.
    contact_sites : {4, 8, 12, 20}
    periodic : bool
        Wrap around; otherwise walls stand on all sides.
    wall_type : int
        Type of the wall.
    """
    height, width = sigma.shape
    if periodic and min(height, width) < 5:
        raise ValueError("a periodic lattice needs sides of 5 sites: smaller ones meet themselves")
    energy = 0.0
    for y in range(height):
        for x in range(width):
            own = int(sigma[y, x])
            for dy, dx in neighbourhood(contact_sites):
                other = value_at(sigma, y + dy, x + dx, periodic)
                if other == own:
                    continue
                if other == WALL:
                    energy += J[cell_type[own]][wall_type]
                else:
                    # Both sites of the pair come past, so each brings half.
                    energy += 0.5 * J[cell_type[own]][cell_type[other]]
    return energy


def cell_sites(sigma: np.ndarray, row: int, periodic: bool) -> np.ndarray:
    """Sites (n, 2) of a cell; on a periodic domain unwrapped about its first site.

    The minimal image is the right one for cells that reach less than half the domain.
    """
    sites = np.argwhere(sigma == row)
    if periodic and len(sites):
        for axis in (0, 1):
            side = sigma.shape[axis]
            shift = sites[:, axis] - sites[0, axis]
            sites[:, axis] = sites[0, axis] + (shift + side // 2) % side - side // 2
    return sites


def cell_length(sigma: np.ndarray, row: int, periodic: bool) -> float:
    """Length 4 sqrt(largest eigenvalue of the population covariance of the cell's sites)."""
    sites = cell_sites(sigma, row, periodic)
    if len(sites) == 0:
        return 0.0
    away = sites - sites.mean(axis=0)
    covariance = away.T @ away / len(sites)
    return 4.0 * math.sqrt(max(0.0, float(np.linalg.eigvalsh(covariance)[-1])))


def total_energy(
    sigma: np.ndarray,
    cell_type: Sequence[int],
    J: np.ndarray,
    contact_sites: int,
    periodic: bool,
    wall_type: int,
    lambda_area: Sequence[float],
    target_area: Sequence[float],
    lambda_length: Sequence[float],
    target_length: Sequence[float],
    alive: Sequence[bool] | None = None,
) -> float:
    """Energy of the whole lattice: contacts, areas and lengths, without factors 1/2.

    Parameters
    ----------
    sigma, cell_type, J, contact_sites, periodic, wall_type
        As in `contact_energy`.
    lambda_area, lambda_length : (types,) float
        Strengths by type.
    target_area, target_length : (rows,) float
        Targets by row, in sites.
    alive : (rows,) bool, optional
        Rows that count; all by default. A living cell without sites has area and length 0.
    """
    energy = contact_energy(sigma, cell_type, J, contact_sites, periodic, wall_type)
    for row in range(1, len(cell_type)):
        if alive is not None and not alive[row]:
            continue
        kind = cell_type[row]
        area = int(np.count_nonzero(sigma == row))
        length = cell_length(sigma, row, periodic)
        energy += lambda_area[kind] * (area - target_area[row]) ** 2
        energy += lambda_length[kind] * (length - target_length[row]) ** 2
    return float(energy)


def delta_energy_by_difference(
    sigma: np.ndarray, source: Site, target: Site, *args: Any, **kwargs: Any
) -> float:
    """Energy after copying ``source`` into ``target`` minus energy before, both from scratch.

    Further arguments are those of `total_energy` after ``sigma``, which stays untouched.
    """
    after = sigma.copy()
    after[target] = sigma[source]
    return total_energy(after, *args, **kwargs) - total_energy(sigma, *args, **kwargs)


def connectivity_break(sigma: np.ndarray, y: int, x: int, periodic: bool) -> bool:
    """Tell whether losing (y, x) would locally cut its cell, by the ring of 8.

    True when the cell's sites on the ring form more than one circular run. The medium never
    breaks, nor does a cell whose ring is empty or full.
    """
    losing = int(sigma[y, x])
    if losing == MEDIUM:
        return False
    own = [value_at(sigma, y + dy, x + dx, periodic) == losing for dy, dx in RING]
    runs = sum(1 for i in range(8) if own[i] and not own[i - 1])
    return runs > 1


def tissue_break(sigma: np.ndarray, y: int, x: int, periodic: bool) -> bool:
    """Tell whether medium on (y, x) would locally cut the tissue, by the ring of 8.

    True when the ring's sites of cells, whichever, form more than one circular run. Medium and wall
    hold nothing together.
    """
    cells = [value_at(sigma, y + dy, x + dx, periodic) not in (MEDIUM, WALL) for dy, dx in RING]
    return sum(1 for i in range(8) if cells[i] and not cells[i - 1]) > 1


def between_two_cells(sigma: np.ndarray, y: int, x: int, periodic: bool) -> bool:
    """Tell whether the ring of 8 has two owners at most, and none of them the medium.

    Merks' code lets a cell break there. A wall is an owner like any other.
    """
    owners = {value_at(sigma, y + dy, x + dx, periodic) for dy, dx in RING}
    return len(owners) <= 2 and MEDIUM not in owners


def saturate(c: float, saturation: float) -> float:
    """Saturating response f(c) = c / (1 + s c)."""
    return c / (1.0 + saturation * c)


def chemotaxis_work(
    sigma: np.ndarray,
    field: np.ndarray,
    source: Site,
    target: Site,
    mu: Sequence[float],
    saturation: float,
    contact_inhibited: bool,
    acts_on: str,
) -> float:
    """Work dH = -mu [f(c_target) - f(c_source)] of a copy from ``source`` into ``target``.

    The gaining cell's mu counts if a cell gains and extension acts, else the losing cell's if a
    cell loses and retraction acts, else none.

    Parameters
    ----------
    sigma, field : (H, W)
        Cell rows and concentration.
    source, target : (y, x)
        Sites inside the domain.
    mu : (rows,) float
        Strength by row.
    saturation : float
    contact_inhibited : bool
        No work between two cells.
    acts_on : {"extension", "retraction", "both"}
    """
    if acts_on not in ("extension", "retraction", "both"):
        raise ValueError(f"acts_on is {acts_on!r}")
    gaining = int(sigma[source])
    losing = int(sigma[target])
    if contact_inhibited and gaining != MEDIUM and losing != MEDIUM:
        return 0.0
    if gaining != MEDIUM and acts_on in ("extension", "both"):
        strength = mu[gaining]
    elif losing != MEDIUM and acts_on in ("retraction", "both"):
        strength = mu[losing]
    else:
        return 0.0
    rise = saturate(float(field[target]), saturation) - saturate(float(field[source]), saturation)
    return -strength * rise


def persistence_work(
    sigma: np.ndarray,
    source: Site,
    target: Site,
    mu_p: Sequence[float],
    direction: np.ndarray,
    periodic: bool,
) -> float:
    """Work dH = -mu_p p . (target - source), summed over the gaining and the losing cell.

    Parameters
    ----------
    sigma : (H, W) int
    source, target : (y, x)
        Neighbouring sites; across a periodic border the short way counts.
    mu_p : (rows,) float
        Strength by row.
    direction : (rows, 2) float
        Unit vector p by row, as (y, x).
    periodic : bool
    """
    step = [target[0] - source[0], target[1] - source[1]]
    if periodic:
        for axis in (0, 1):
            side = sigma.shape[axis]
            step[axis] = (step[axis] + side // 2) % side - side // 2
    work = 0.0
    for row in (int(sigma[source]), int(sigma[target])):
        if row != MEDIUM:
            work -= mu_p[row] * (direction[row][0] * step[0] + direction[row][1] * step[1])
    return float(work)
