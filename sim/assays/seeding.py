"""How cells are laid on an empty lattice: what the starts of several assays share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Uniforms
from sim.errors import InputError
from sim.readouts.network import close

TRIES_PER_CELL = 1000
BETWEEN_UM = 6
"""What is narrower between cells of a picture is no gap in the tissue: half a cell."""
LLOYD_STEPS = 6
"""Relaxations of random points: cells of about one size, yet irregular."""


class Place(NamedTuple):
    """Where a cell may be laid."""

    disc: NDArray[np.int64]
    """(sites, 2) [dy, dx] of its sites from its centre"""
    low: NDArray[np.int64]
    """(2,) first centre [y, x]"""
    high: NDArray[np.int64]
    """(2,) end of the centres"""


def mixed(types: Sequence[int], uniforms: Uniforms) -> list[int]:
    """Return types in random order, for cells whose places are not."""
    return [types[i] for i in np.argsort(uniforms(1 << 32, len(types)), kind="stable")]


def disc(sites: int) -> NDArray[np.int64]:
    """Offsets (sites, 2) [dy, dx] of the sites nearest to a point."""
    reach = int(np.sqrt(sites / np.pi)) + 2
    dy, dx = (offset.ravel() for offset in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    nearest = np.argsort(dy**2 + dx**2, kind="stable")[:sites]
    return np.stack([dy[nearest], dx[nearest]], axis=1)


def at_random(
    domain: tuple[int, int], places: Sequence[Place], uniforms: Uniforms, *, keys: str
) -> NDArray[np.int32]:
    """Lay cells one after another, each where there is room; discs wrap around the domain.

    Parameters
    ----------
    domain : (int, int)
        Sites [y, x].
    places : sequence of Place
        One for each cell.
    uniforms : callable
        ``uniforms(start, count)`` are that many numbers in [0, 1), counted from ``start``.
    keys : str
        What to lower where there is no room.

    Returns
    -------
    (y, x) int32
        0 for medium, else the cell, counted from 1.

    Raises
    ------
    InputError
        If there is no room for the cells without overlap.
    """
    height, width = domain
    sites = np.zeros(domain, np.int32)
    flat, count = sites.ravel(), len(places)
    used, batch = 0, 2 * count
    for cell, (shape, low, high) in enumerate(places, start=1):
        steps, reach = shape @ [width, 1], int(np.abs(shape).max())
        (low_y, low_x), (span_y, span_x) = low.tolist(), (high - low).tolist()
        for _ in range(TRIES_PER_CELL):
            if used % batch == 0:
                draws = uniforms(2 * used, 2 * batch).reshape(batch, 2).tolist()
            along_y, along_x = draws[used % batch]
            y, x = low_y + int(along_y * span_y), low_x + int(along_x * span_x)
            used += 1
            if reach <= y < height - reach and reach <= x < width - reach:
                at = y * width + x + steps
            else:
                at = np.add(shape, (y, x)) % (height, width) @ [width, 1]
            if not flat[at].any():
                flat[at] = cell
                break
        else:
            raise InputError(
                f"cells: only {cell - 1} of {count} cells found room without overlap; lower {keys}"
            )
    return sites


def voronoi(
    places: NDArray[np.float64], count: int, uniforms: Uniforms, *, around: int = 0
) -> NDArray[np.int64]:
    """Share places among cells that touch: each goes to the nearest of relaxed random points.

    Lloyd (1982): each point moves to the centre of the places that are nearest to it.

    Parameters
    ----------
    places : (n, 2) float
        Sites [y, x].
    count : int
        Cells.
    uniforms : callable
        ``uniforms(start, count)`` are that many numbers in [0, 1), counted from ``start``.
    around : int
        After so many sites y begins anew, if more than none.

    Returns
    -------
    (n,) int64
        The cell of each place, from 0.
    """
    from scipy.spatial import cKDTree

    points = places[(uniforms(0, count) * len(places)).astype(np.int64)]
    points = points + 0.5 * uniforms(count, 2 * count).reshape(count, 2)
    box: Any = (around, 0) if around else None
    for step in range(LLOYD_STEPS + 1):
        if around:
            points[:, 0] %= around
        owner = cKDTree(points, boxsize=box).query(places)[1]
        if step == LLOYD_STEPS:
            break
        away = places - points[owner]
        if around:
            away[:, 0] -= around * np.rint(away[:, 0] / around)
        size = np.maximum(np.bincount(owner, minlength=count), 1)
        for axis in (0, 1):
            points[:, axis] += np.bincount(owner, away[:, axis], minlength=count) / size
    return np.asarray(owner, np.int64)


def covered(sites: NDArray[np.int32], spacing_um: float, *, periodic: bool) -> NDArray[np.bool_]:
    """Return what the cells of a picture cover, with narrow gaps between them closed."""
    return close(sites > 0, BETWEEN_UM / spacing_um, periodic)
