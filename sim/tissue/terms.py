"""What `sim.tissue.specialised` is given: the terms of a copy's cost, and room to work in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Costs(NamedTuple):
    """What a copy costs: contact, area and temperature."""

    contact: NDArray[np.int64]
    """(32,) by case, 8 (2 [a cell gains] + [a cell loses]): per neighbour that is the loser, the
    gainer, medium, wall, and in any case."""
    lambda_area: int
    temperature: float
    threshold: NDArray[np.float64]
    """(257,) dH below which a copy is accepted if u is in a bin; see `sim.tissue.potts.MINUS_LN`"""
    whole_threshold: NDArray[np.int64]
    """(257,) the same for a dH that is whole"""


class Length(NamedTuple):
    """lambda_length (l - L)^2, and the lengths of cells while a sweep is at work."""

    stiffness: float
    now: NDArray[np.float64]
    """(threads, rows, 6) moments as the tile at work has changed them"""
    off: NDArray[np.float64]
    """(threads, rows) l - L now"""
    off_before: NDArray[np.float64]
    """(rows,) l - L as when the colour began; infinite where it has to be measured"""


class Connectivity(NamedTuple):
    """What it costs to break a cell; see `sim.tissue.energy.CONNECTIVITY`."""

    penalty: float
    """infinite: refused"""
    authors: bool
    """whether a cell may break between itself and one other"""


class Attractant(NamedTuple):
    """A field that cells follow; ``factor`` sites along a voxel's side."""

    values: NDArray[np.floating]
    factor: int
    column: np.uint64
    """of the strengths ``mu``"""
    share: NDArray[np.float64]
    """(4,) of its strength that acts, by case: 2 [a cell gains] + [a cell loses]"""
    saturation: float


class Room(NamedTuple):
    """What each thread works in, the first axis of every array; kept from step to step."""

    deviation: NDArray[np.int64]
    """(threads, rows) 2 lambda_area (a - A) as the tile at work has changed it"""
    patch: NDArray[np.int32]
    level: NDArray[np.floating]
    """(threads, sites) the fine attractant in the patch, of its own type"""
    draws: NDArray[np.uint32]
    site: NDArray[np.uint16]
    source: NDArray[np.uint16]
    """(threads, attempts) places in the patch"""
    log: NDArray[np.uint64]
    """(threads, copies, 2) rows that gained and lost, site [y, x], 32 bits each"""
    counts: NDArray[np.int64]
    """(8 + colours,) that threads share: who came to the barrier, tiles of a colour taken"""
    logged: NDArray[np.int64]
    """(threads,) copies in the log"""
    axes: NDArray[np.int64]
    """(threads, 2, side) sites of the patch along y and x"""
    runs: NDArray[np.int64]
    """(threads, 8, 3)"""
    voxel: NDArray[np.int64]
    """(threads, 2, 2, side) voxels of coarse attractants around each site, along y and x"""
    part: NDArray[np.float64]
    """(threads, 2, side) share of the second"""
