"""How a layer of cells closes a gap: what is covered, the fronts, and what came off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MEDIUM = 0
LEFT, RIGHT = 1, 2
"""Sides of the layer, as bits."""


@dataclass(frozen=True)
class Gap:
    """A gap in a layer, in sites.

    Attributes
    ----------
    covered : int
        Sites of the first gap that are in cells.
    open : (y, x) bool
        The gap now: the connected parts of the medium between the two sides of the layer.
    holes : int
        Sites of the medium in other parts.
    roughness : float
        Standard deviation of the place of a front along it, mean of the two fronts.
    detached : int
        Cells that touch the layer neither themselves nor through others.
    """

    covered: int
    open: NDArray[np.bool_]
    holes: int
    roughness: float
    detached: int


def measure_gap(
    cell_id: NDArray[np.int32],
    first: NDArray[np.bool_],
    side: NDArray[np.int8],
    *,
    periodic: bool,
) -> Gap:
    """Measure a gap that lies across the middle of the x axis.

    Cells that meet in the middle cut the gap into parts: all that lie between cells of both sides
    are the gap. A bay that cells of one side have closed is a hole.

    Parameters
    ----------
    cell_id : (y, x) int32
        0 for medium, else the row of the cell.
    first : (y, x) bool
        The gap at the start.
    side : (rows,) int8
        `LEFT` or `RIGHT` of the gap, where each cell started; 0 of rows without one.
    periodic : bool
        Whether opposite edges meet.

    Returns
    -------
    Gap
    """
    medium = cell_id == MEDIUM
    parts = connected(medium, periodic=periodic, diagonal=False)
    here = side[cell_id]
    meets = np.zeros(parts.max() + 1, np.int8)
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside = np.roll(here, step, axis)
        if not periodic:
            edge = 0 if step > 0 else -1
            beside[(edge, slice(None)) if axis == 0 else (slice(None), edge)] = 0
        at = medium & (beside > 0)
        np.bitwise_or.at(meets, parts[at], beside[at])
    between = meets == np.bitwise_or.reduce(here, axis=None)  # all sides that still have cells
    between &= np.bincount(parts[first & medium], minlength=meets.size) > 0
    between[0] = False  # the cells
    now = between[parts]
    return Gap(
        covered=int((first & ~medium).sum()),
        open=now,
        holes=int(medium.sum() - now.sum()),
        roughness=_roughness(now),
        detached=_detached(cell_id, first, periodic),
    )


def _roughness(gap: NDArray[np.bool_]) -> float:
    """Standard deviation along y of the first site of the gap from the left, and from the right."""
    rows = gap[gap.any(axis=1)]
    if not rows.size:
        return 0.0
    return float(np.mean([way.argmax(axis=1).std() for way in (rows, rows[:, ::-1])]))


def _detached(cell_id: NDArray[np.int32], first: NDArray[np.bool_], periodic: bool) -> int:
    """Count the cells in connected parts that lie wholly in the first gap."""
    parts = connected(cell_id > 0, periodic=periodic, diagonal=True)
    held = np.isin(parts, np.unique(parts[~first]))
    return int(np.setdiff1d(cell_id[~held & (parts > 0)], cell_id[held]).size)


def connected(mask: NDArray[np.bool_], *, periodic: bool, diagonal: bool) -> NDArray[np.int32]:
    """Number the connected parts of a region from 1; 0 outside.

    Parameters
    ----------
    mask : (y, x) bool
    periodic : bool
        Whether parts continue at the opposite edge.
    diagonal : bool
        Whether sites that share a corner alone are connected.
    """
    from scipy import ndimage
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    parts, n = ndimage.label(mask, np.ones((3, 3)) if diagonal else None)
    if periodic:
        shifts = (-1, 0, 1) if diagonal else (0,)
        met = [
            np.stack([one, np.roll(other, shift)])
            for one, other in ((parts[0], parts[-1]), (parts[:, 0], parts[:, -1]))
            for shift in shifts
        ]
        pairs = np.concatenate(met, axis=1)
        pairs = pairs[:, (pairs > 0).all(axis=0)]
        links = coo_array((np.ones(pairs.shape[1]), pairs), shape=(n + 1, n + 1))
        joined = connected_components(links, directed=False)[1]  # 0 is alone, and first
        parts = joined[parts]
    return np.asarray(parts, np.int32)
