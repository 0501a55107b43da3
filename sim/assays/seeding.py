"""How cells are laid on an empty lattice: what the starts of several assays share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Uniforms
from sim.errors import InputError

TRIES_PER_CELL = 1000


class Place(NamedTuple):
    """Where a cell may be laid."""

    disc: NDArray[np.int64]
    """(sites, 2) [dy, dx] of its sites from its centre"""
    low: NDArray[np.int64]
    """(2,) first centre [y, x]"""
    high: NDArray[np.int64]
    """(2,) end of the centres"""


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
