"""Several Monte Carlo steps in one compiled call, where nothing happens between them but moves."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import lean
from sim.tissue.euler import euler_field
from sim.tissue.moments import measure_cells, recentre, remember
from sim.tissue.specialised import sweep


class Way(NamedTuple):
    """What follows cells on their way."""

    alive: NDArray[np.bool_]
    centroid: NDArray[np.float64]
    memory: NDArray[np.float64]
    kept: float
    """of the memory, in a step"""
    reach: int
    """sites that a centre may wander before its anchor follows"""
    ahead: NDArray[np.int64]
    """(1,) set to how many steps have been taken"""


@lean
def follow(lattice, cells, wall, way):
    """Move anchors after their cells, and bring memories up to date."""
    height, width = lattice.shape
    if wall is None:
        if recentre(cells.moments, cells.anchor, way.alive, way.reach, height, width):
            measure_cells(lattice, cells.anchor, True, cells.moments)
    remember(
        cells.moments, cells.anchor, height, width, wall is None, way.kept, way.centroid,
        way.memory,
    )  # fmt: skip


@lean
def advance(
    lattice, cells, costs, length, connectivity, tissue, push, fine, coarse, wall, wave, way, when,
    part, room,
):  # fmt: skip
    """Some steps in each of which a field moves, and then the cells, or the other way round.

    Called once by each thread.

    Parameters
    ----------
    lattice, cells, costs, ..., wall, part, room
        As in `sim.tissue.specialised.sweep`.
    wave : Wave or None
        This thread's band of the field.
    way : Way
    when : (int, int, int, int)
        Seed, first step, the step after the last, and whether (1) the field moves after the cells.
    """
    seed, first, end, late = when
    threads = room.deviation.shape[0]
    for step in range(first, end):
        if wave is not None:
            if late == 0:
                euler_field(wave, lattice, room.counts, threads)
        sweep(
            lattice, cells, costs, length, connectivity, tissue, push, fine, coarse, wall, seed,
            step, part, room,
        )  # fmt: skip
        if part == 0:
            follow(lattice, cells, wall, way)
        if wave is not None:
            if late == 1:
                euler_field(wave, lattice, room.counts, threads)
    if part == 0:
        way.ahead[0] = end - first
