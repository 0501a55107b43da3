"""Attempts of a tile, drawn together and looked at in blocks; see `sim.tissue.specialised`."""

from __future__ import annotations

import numpy as np

from sim.kernels.compiling import inlined
from sim.kernels.draws import bits
from sim.kernels.vectors import BLOCK
from sim.tissue.lattice import REACH, neighbourhood

NEIGHBOURS = 8

_0, _3, _29, _32 = (np.uint64(i) for i in (0, 3, 29, 32))
_MASK_32 = np.uint64(2**32 - 1)

# The steps to the copy neighbours, with 1 added, two bits each: a loop over them has no table.
_STEPS_Y, _STEPS_X = (
    np.uint32(sum((int(step) + 1) << 2 * k for k, step in enumerate(steps)))
    for steps in neighbourhood(NEIGHBOURS).T
)


@inlined
def place_of(draw, count, width, width_share, row, until_y, until_x, gap_y, gap_x, wall):
    """Site and source of an attempt in a flat patch, from 32 random bits."""
    index = np.uint32(((draw >> _3) * count) >> _29)
    neighbour = np.uint32(draw) & np.uint32(7)
    y = (index * width_share) >> np.uint32(21)  # index // width
    x = index - y * width + np.uint32(REACH)
    y = y + np.uint32(REACH)
    if wall is not None:
        y = y + gap_y if y >= until_y else y
        x = x + gap_x if x >= until_x else x
    site = y * row + x
    shift = neighbour * np.uint32(2)
    step_y, step_x = (_STEPS_Y >> shift) & np.uint32(3), (_STEPS_X >> shift) & np.uint32(3)
    return np.uint16(site), np.uint16(site + step_y * row + step_x - (row + np.uint32(1)))


@inlined
def draw_attempts(key, tile, height, width, n_ys, row, wall, draws, site, source):
    """A tile's attempts: two to a draw, those of the list's second half from its upper bits.

    The list ends with whole blocks, of attempts that lead nowhere.
    """
    top, left, size_y, size_x = tile
    sites = size_y * size_x
    count = np.uint64(np.uint32(sites))
    across, across_share = np.uint32(size_x), np.uint32(2**21 // size_x + 1)
    row_sites = np.uint32(row)
    until_y, until_x = np.uint32(height - top + REACH), np.uint32(width - left + REACH)
    gap_y, gap_x = np.uint32(n_ys - size_y - 2 * REACH), np.uint32(row - size_x - 2 * REACH)
    half = (sites + 1) // 2
    for i in range(half):
        draws[np.uint64(i)] = bits(key, i)
    for i in range(half):
        draw = draws[np.uint64(i)]
        site[np.uint64(i)], source[np.uint64(i)] = place_of(
            draw & _MASK_32, count, across, across_share, row_sites, until_y, until_x, gap_y, gap_x,
            wall,
        )  # fmt: skip
        site[np.uint64(i + half)], source[np.uint64(i + half)] = place_of(
            draw >> _32, count, across, across_share, row_sites, until_y, until_x, gap_y, gap_x,
            wall,
        )  # fmt: skip
    for i in range(sites, sites + BLOCK):
        site[np.uint64(i)] = source[np.uint64(i)] = 0


@inlined
def between_owners(first, site, source, patch):
    """Which of a block's attempts are between two owners: a word."""
    word = _0
    for i in range(BLOCK):  # a chain, so that no compiler gathers, which takes twice as long
        k = np.uint64(first + (BLOCK - 1) - i)
        differ = patch[np.uint64(site[k])] != patch[np.uint64(source[k])]
        word = word + word + np.uint64(differ)
    return word
