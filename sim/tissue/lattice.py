"""The lattice: sites with a halo two sites deep, addressed by flat indices in the kernels.

A site holds 0 for medium, the row of its cell in the cell store, or `WALL`. The halo repeats the
opposite edge of a periodic domain, or is wall.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HALO = 2  # the widest contact neighbourhood reaches two sites
MEDIUM, WALL = 0, -1

# The eight neighbours in circular order, for the connectivity test.
RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))


class Grid(NamedTuple):
    """Size of a lattice, as kernels take it."""

    height: int
    width: int
    row: int
    """Sites between vertical neighbours: ``width + 2 * HALO``."""
    periodic: bool


def grid_of(shape: tuple[int, int], *, periodic: bool) -> Grid:
    """Grid of a domain of ``shape`` [y, x] sites."""
    height, width = shape
    return Grid(height, width, width + 2 * HALO, periodic)


def with_halo(sites: NDArray[np.int32], *, periodic: bool) -> NDArray[np.int32]:
    """Lattice (height + 4, width + 4) of the sites (height, width)."""
    if periodic:
        return np.ascontiguousarray(np.pad(sites, HALO, mode="wrap"), dtype=np.int32)
    return np.ascontiguousarray(np.pad(sites, HALO, constant_values=WALL), dtype=np.int32)


def interior(lattice: NDArray[np.int32]) -> NDArray[np.int32]:
    """The sites [y, x] without their halo: a view."""
    return lattice[HALO:-HALO, HALO:-HALO]


def neighbourhood(sites: int) -> NDArray[np.int64]:
    """Offsets (sites, 2) [dy, dx] of the 4, 8, 12 or 20 nearest neighbours."""
    reach = {4: 1, 8: 2, 12: 4, 20: 5}[sites]
    span = range(-HALO, HALO + 1)
    return np.array(
        [(dy, dx) for dy in span for dx in span if 0 < dy * dy + dx * dx <= reach], dtype=np.int64
    )


def flat(offsets: NDArray[np.int64], row: int) -> NDArray[np.int64]:
    """Offsets [dy, dx] as steps in the flat lattice."""
    return np.asarray(offsets[:, 0] * row + offsets[:, 1], dtype=np.int64)
