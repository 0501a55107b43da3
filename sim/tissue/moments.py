"""Moments of the cells: counting them, moving their anchors, and how far each cell moved."""

from __future__ import annotations

import numpy as np

from sim.kernels.compiling import inlined, kernel
from sim.tissue.energy import from_anchor


@inlined
def add_site(moments, row, sign, y, x):
    """Add (sign 1) or take away (-1) a site at y, x from the anchor."""
    moments[row, 0] += sign
    moments[row, 1] += sign * x
    moments[row, 2] += sign * y
    moments[row, 3] += sign * x * x
    moments[row, 4] += sign * y * y
    moments[row, 5] += sign * x * y


@kernel
def measure_cells(lattice, anchor, periodic, moments):
    """Moments of every cell from its sites on the lattice."""
    moments[:] = 0
    height, width = lattice.shape
    for y in range(height):
        for x in range(width):
            row = lattice[y, x]
            if row > 0:
                dy, dx = from_anchor(anchor, row, y, x, height, width, periodic)
                add_site(moments, row, 1, dy, dx)


@kernel
def first_sites(lattice, anchor, found):
    """Anchor of each cell on the lattice: its first site, row by row.

    Parameters
    ----------
    lattice : (height, width) int32
    anchor : (rows, 2) int64
        [y, x]; those of cells without sites stay.
    found : (rows,) bool
        All false; true for the cells with sites afterwards.
    """
    for y in range(lattice.shape[0]):
        line = lattice[y]
        for x in range(line.size):
            row = line[x]
            if row > 0 and not found[row]:
                found[row] = True
                anchor[row, 0], anchor[row, 1] = y, x


@kernel
def recentre(moments, anchor, alive, reach, height, width):
    """Move anchors on a torus to the centres of cells that lie further away than ``reach`` sites.

    Sums about another point follow from the sums alone, exactly: x' = x - d gives
    X' = X - n d, XX' = XX - 2 d X + n d^2 and so on. That is what a count would give as long as
    no site lies half the torus away; by Samuelson's inequality (1968, doi
    10.1080/01621459.1968.10480944) none lies further from the mean than sqrt(XX - X^2 / n).

    Parameters
    ----------
    moments : (rows, 6) int64
    anchor : (rows, 2) int64
        [y, x]; both are changed.
    alive : (rows,) bool
    reach : int
    height, width : int

    Returns
    -------
    bool
        Whether a cell may reach half around the torus: moments must be counted anew then.
    """
    unsure = False
    for row in range(anchor.shape[0]):
        n, sx, sy = moments[row, 0], moments[row, 1], moments[row, 2]
        if n < 1 or not alive[row]:
            continue
        dy = np.int64(np.rint(sy / n))
        dx = np.int64(np.rint(sx / n))
        if max(abs(dy), abs(dx)) <= reach:
            continue
        anchor[row, 0] = (anchor[row, 0] + dy) % height
        anchor[row, 1] = (anchor[row, 1] + dx) % width
        moments[row, 3] += n * dx * dx - 2 * dx * sx
        moments[row, 4] += n * dy * dy - 2 * dy * sy
        moments[row, 5] += n * dx * dy - dx * sy - dy * sx
        sx, sy = sx - n * dx, sy - n * dy
        moments[row, 1], moments[row, 2] = sx, sy
        far_x, far_y = (width - 1) // 2 - 1, (height - 1) // 2 - 1  # less half a site, rounded up
        if (
            n * moments[row, 3] - sx * sx > n * far_x * far_x
            or n * moments[row, 4] - sy * sy > n * far_y * far_y
        ):
            unsure = True
    return unsure


@kernel
def remember(moments, anchor, height, width, periodic, kept, centroid, memory):
    """Memory of each cell's way: q' = kept q + displacement of its centroid.

    Parameters
    ----------
    moments : (rows, 6) int64
    anchor : (rows, 2) int64
    height, width : int
    periodic : bool
        Displacements go the shortest way then.
    kept : float
        exp(-dt / tau).
    centroid, memory : (rows, 2) float64
        [y, x]; both are changed.
    """
    for row in range(anchor.shape[0]):
        n = max(moments[row, 0], 1)
        y, x = anchor[row, 0] + moments[row, 2] / n, anchor[row, 1] + moments[row, 1] / n
        dy, dx = y - centroid[row, 0], x - centroid[row, 1]
        if periodic:
            dy -= height * np.rint(dy / height)
            dx -= width * np.rint(dx / width)
        memory[row, 0] = memory[row, 0] * kept + dy
        memory[row, 1] = memory[row, 1] * kept + dx
        centroid[row, 0], centroid[row, 1] = y, x
