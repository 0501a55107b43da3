"""The lattice: an array [y, x] of sites.

A site holds 0 for medium or the row of its cell in the cell store. Beyond a walled domain is
the store's last row, the wall; a periodic one continues at its other side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import kernel

REACH = 2  # sites: the widest neighbourhood, of copies or contacts
MEDIUM = 0
NOWHERE = -1  # no site: beyond the border of a walled domain

# The eight neighbours in circular order, for the connectivity test.
RING = np.array(((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)))


class Grid(NamedTuple):
    """Size of a lattice, as kernels take it."""

    height: int
    width: int
    periodic: bool


def neighbourhood(sites: int) -> NDArray[np.int64]:
    """Offsets (sites, 2) [dy, dx] of the 4, 8, 12 or 20 nearest neighbours."""
    reach = {4: 1, 8: 2, 12: 4, 20: 5}[sites]
    span = range(-REACH, REACH + 1)
    return np.array(
        [(dy, dx) for dy in span for dx in span if 0 < dy * dy + dx * dx <= reach], dtype=np.int64
    )


@kernel
def flat(offsets, row):
    """Offsets (n, 2) [dy, dx] as steps (n,) in a flat array with ``row`` sites in a row."""
    steps = np.empty(offsets.shape[0], np.int64)
    for k in range(steps.size):
        steps[k] = offsets[k, 0] * row + offsets[k, 1]
    return steps


@kernel
def patch_axis(first, count, side, periodic):
    """Sites (n,) along one axis of a patch: those of a tile, and `REACH` more on each side.

    `NOWHERE` beyond a walled domain, and between its two ends where a tile continues at the other
    one.
    """
    gap = 0 if periodic or first + count <= side else REACH
    sites = np.empty(count + gap + 2 * REACH, np.int64)
    for i in range(sites.size):
        site = first + i - REACH
        if periodic:
            site %= side
        elif gap > 0 and site >= side + gap:
            site -= side + gap
        sites[i] = site if 0 <= site < side else NOWHERE
    return sites


@kernel
def runs_of(sites):
    """Runs (n, 3) of sites that follow each other along an axis: where, which site, how many."""
    runs = np.empty((sites.size, 3), np.int64)
    n = 0
    for i in range(sites.size):
        if n > 0 and sites[i] > 0 and sites[i] == sites[i - 1] + 1:
            runs[n - 1, 2] += 1
        else:
            runs[n, 0], runs[n, 1], runs[n, 2] = i, sites[i], 1
            n += 1
    return runs[:n]


@kernel
def load_patch(lattice, ys, xs, wall):
    """A flat copy of the lattice at rows ``ys`` and columns ``xs``; ``wall`` where it ends."""
    runs, row = runs_of(xs), xs.size
    patch = np.empty(ys.size * row, np.int32)
    for i in range(ys.size):
        for k in range(runs.shape[0]):
            y, x, at = ys[i], runs[k, 1], i * row + runs[k, 0]
            is_wall = y == NOWHERE or x == NOWHERE
            for j in range(runs[k, 2]):  # vectorised: indices have no sign
                site = lattice[np.uint64(max(y, 0)), np.uint64(max(x, 0) + j)]
                patch[np.uint64(at + j)] = wall if is_wall else site
    return patch
