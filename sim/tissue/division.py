"""Division of a cell across its long axis, in exact integers, and the sites of one cell."""

from __future__ import annotations

from math import atan2, ceil, cos, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sim.tissue.cells import CellStore
from sim.tissue.lattice import Grid

Sites = NDArray[np.int64]
TOUCHING = np.ones((3, 3), np.int64)
"""Sites that share a side or a corner are connected."""


def sites_of(lattice: NDArray[np.int32], cells: CellStore, row: int, grid: Grid) -> Sites:
    """Return the sites of a cell relative to its anchor: (sites, 2) [dy, dx], row by row.

    No site lies further from the mean than sqrt(XX - X^2 / n) (Samuelson 1968, doi
    10.1080/01621459.1968.10480944), so they are looked for within that distance only.
    """
    n, x, y, xx, yy, _ = (int(sum_) for sum_ in cells["moments"][row])
    if n == 0:
        return np.empty((0, 2), np.int64)
    boxes = []
    for total, square, side, anchor in (
        (y, yy, grid.height, int(cells["anchor"][row, 0])),
        (x, xx, grid.width, int(cells["anchor"][row, 1])),
    ):
        reach, middle = ceil(sqrt(square - total * total / n)) + 1, total / n
        low, high = int(middle) - reach, int(middle) + reach
        if grid.periodic:  # the shortest way from the anchor
            low, high = max(low, -((side - 1) // 2)), min(high, side // 2)
        else:
            low, high = max(low, -anchor), min(high, side - 1 - anchor)
        boxes.append(np.arange(low, high + 1))
    dy, dx = boxes
    anchor_y, anchor_x = cells["anchor"][row]
    window = lattice[np.ix_((anchor_y + dy) % grid.height, (anchor_x + dx) % grid.width)]
    found: Sites = np.argwhere(window == row) + np.array([dy[0], dx[0]])
    return found


def on_lattice(sites: Sites, cells: CellStore, row: int, grid: Grid) -> tuple[Sites, Sites]:
    """Return sites relative to a cell's anchor as indices [y, x] of the lattice."""
    y, x = ((cells["anchor"][row] + sites) % (grid.height, grid.width)).T
    return y, x


def split(sites: Sites, draw: float, least_share: float) -> NDArray[np.bool_] | None:
    """Cut a cell across its long axis, through its centre, into two parts that are each in a piece.

    What lies beyond the cut but hangs on the other part goes with that: crescents and hooks would
    fall into pieces.

    Parameters
    ----------
    sites : (sites, 2) int64
        [dy, dx] about any point.
    draw : float
        In [0, 1): chooses the axis of a cell that has none.
    least_share : float
        Share of the sites that each part must have at least.

    Returns
    -------
    (sites,) bool or None
        Which of them one daughter gets; None if a part is too small, or the cell in pieces.
    """
    n = len(sites)
    from_centre = n * sites - sites.sum(axis=0)  # n times the distance: whole numbers
    (var_y, cov), (_, var_x) = (from_centre.T @ from_centre).tolist()
    is_round = var_x == var_y and cov == 0
    angle = pi * draw if is_round else 0.5 * atan2(2 * cov, var_x - var_y)
    far: NDArray[np.bool_] = from_centre @ (sin(angle), cos(angle)) > 0
    far = largest_piece(sites, far)
    far = ~largest_piece(sites, ~far)
    share = np.count_nonzero(far) / max(n, 1)
    if min(share, 1 - share) < least_share or (far & ~largest_piece(sites, far)).any():
        return None
    return far


def largest_piece(sites: Sites, part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which sites belong to the largest connected piece of a part, the first of equals."""
    if not part.any():
        return part
    places = tuple((sites - sites.min(axis=0)).T)
    window = np.zeros(np.ptp(sites, axis=0) + 1, np.int8)
    window[places] = part
    piece = ndimage.label(window, TOUCHING)[0][places]
    return np.asarray(piece == np.bincount(piece[part]).argmax())


def divide(
    lattice: NDArray[np.int32], cells: CellStore, row: int, grid: Grid, draw: float, least: float
) -> int | None:
    """Divide a cell; see `sim.tissue.Tissue.divide`."""
    sites = sites_of(lattice, cells, row, grid)
    far = split(sites, draw, least)
    if far is None:
        return None
    daughter = cells.born(int(cells["type"][row]))
    for name, column in cells.columns.items():
        if name not in ("alive", "generation", "moments"):
            column[daughter] = column[row]
    lattice[on_lattice(sites[far], cells, row, grid)] = daughter
    dy, dx = sites[far].T
    sums = [len(dy), dx.sum(), dy.sum(), dx @ dx, dy @ dy, dx @ dy]
    cells["moments"][daughter] = sums
    cells["moments"][row] -= cells["moments"][daughter]
    pair = [row, daughter]
    cells.recentre(lattice, grid, reach=0, rows=pair)
    cells["centroid"][pair] = cells.centroids()[pair]
    return daughter
