"""Borders of the cells: how much of each is free, which way it faces, and who touches whom."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel
from sim.tissue.lattice import MEDIUM, Grid

_1 = np.uint64(1)
NO_CONTACT = -1
FULL = -1


class Border(NamedTuple):
    """Sums over the pairs of a site of a cell and one of its eight neighbours, of another owner."""

    pairs: NDArray[np.int64]
    """(rows,) P, all of them; the wall counts"""
    free_pairs: NDArray[np.int64]
    """(rows,) F, those with medium"""
    straight: NDArray[np.int64]
    """(rows, 2) [y, x] sum of the steps into the medium of those that share a side"""
    diagonal: NDArray[np.int64]
    """(rows, 2) [y, x] the same of those that share a corner"""
    contacts: NDArray[np.int64]
    """(contacts, 3) row, higher row and their pairs; sorted"""

    @property
    def free(self) -> NDArray[np.float64]:
        """(rows,) share f = F / P of the border that is free; 0 for rows without one."""
        return np.asarray(self.free_pairs / np.maximum(self.pairs, 1))

    @property
    def outward(self) -> NDArray[np.float64]:
        """(rows, 2) [y, x] N = (straight + diagonal / sqrt 2) / P: which way the free border faces.

        0 for a cell that is free all around.
        """
        total = self.straight + self.diagonal / np.sqrt(2.0)
        return np.asarray(total / np.maximum(self.pairs, 1)[:, None])


def border_of(lattice: NDArray[np.int32], rows: int, grid: Grid) -> Border:
    """Count the borders of the cells on a lattice."""
    sums, room, n = np.zeros((rows, 6), np.int64), 8 * rows, FULL
    while n == FULL:
        contacts, following = np.zeros((room, 3), np.int64), np.empty(room, np.int64)
        first = np.full(rows, NO_CONTACT, np.int64)
        sums[:], room = 0, 2 * room
        n = count_borders(lattice, grid.periodic, sums, first, following, contacts)
    contacts = contacts[:n]
    order = np.lexsort((contacts[:, 1], contacts[:, 0]))
    return Border(sums[:, 0], sums[:, 1], sums[:, 2:4], sums[:, 4:], contacts[order])


@inlined
def _add_free(sums, row, dy, dx):
    """Add a pair with medium to the borders of a cell."""
    at = 2 if dy == 0 or dx == 0 else 4
    sums[row, 0] += 1
    sums[row, 1] += 1
    sums[row, at] += dy
    sums[row, at + 1] += dx


@inlined
def _meet(sums, first, following, contacts, n, here, there, dy, dx):
    """Add a pair of sites, ``there`` at dy, dx from ``here``; return the number of contacts."""
    if here == there:
        return n
    if there == MEDIUM:
        _add_free(sums, here, dy, dx)
        return n
    if here == MEDIUM:
        _add_free(sums, there, -dy, -dx)
        return n
    sums[here, 0] += 1
    sums[there, 0] += 1
    low, high = min(here, there), max(here, there)
    at = first[low]
    while at != NO_CONTACT and contacts[at, 1] != high:
        at = following[at]
    if at == NO_CONTACT:
        if n == following.size:
            return FULL
        contacts[n, 0], contacts[n, 1] = low, high
        following[n], first[low], at = first[low], n, n
        n += 1
    contacts[at, 2] += 1
    return n


@inlined
def _mark(line, under, marked):
    """Mark the columns, but for the first and the last, whose pairs are not all alike."""
    for x in range(1, line.size - 1):
        i = np.uint64(x)
        here = line[i]
        marked[i] = (
            (here != line[i + _1])
            | (here != under[i - _1])
            | (here != under[i])
            | (here != under[i + _1])
        )


@kernel
def count_borders(lattice, periodic, sums, first, following, contacts):
    """Border sums of every cell, in one pass over the lattice.

    Every pair of neighbouring sites is met once, from the upper or left one.

    Parameters
    ----------
    lattice : (height, width) int32
    periodic : bool
    sums : (rows, 6) int64
        Zeros; filled with P, F and the steps [y, x] of straight and of diagonal free pairs.
    first : (rows,) int64
        `NO_CONTACT`; filled with the first contact of each row with a higher one.
    following : (room,) int64
        Filled with the next contact of the same row.
    contacts : (room, 3) int64
        Zeros; filled with row, higher row and pairs of all cells that touch, in no order.

    Returns
    -------
    int
        How many contacts there are; `FULL` if there is no room for them.
    """
    height, width = lattice.shape
    marked = np.ones(width, np.bool_)
    n = 0
    for y in range(height):
        line, under = lattice[y], lattice[(y + 1) % height]
        has_under = periodic or y + 1 < height
        _mark(line, under, marked)
        for x in range(width):
            if not marked[x]:
                continue
            here = line[x]
            left, right = x - 1 if x > 0 else width - 1, x + 1 if x + 1 < width else 0
            if periodic or right > 0:
                n = _meet(sums, first, following, contacts, n, here, line[right], 0, 1)
            if has_under:
                if n != FULL and (periodic or x > 0):
                    n = _meet(sums, first, following, contacts, n, here, under[left], 1, -1)
                if n != FULL:
                    n = _meet(sums, first, following, contacts, n, here, under[x], 1, 0)
                if n != FULL and (periodic or right > 0):
                    n = _meet(sums, first, following, contacts, n, here, under[right], 1, 1)
            if n == FULL:
                return FULL
    if not periodic:  # pairs with the wall: three for a site at a side, five at a corner
        for y in range(height):
            step = 1 if y == 0 or y == height - 1 else width - 1
            for x in range(0, width, step):
                down = 3 - (y == 0) - (y == height - 1)
                right = 3 - (x == 0) - (x == width - 1)
                if lattice[y, x] > 0:
                    sums[lattice[y, x], 0] += 9 - down * right
    return n
