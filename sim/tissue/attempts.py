"""Attempts of a tile, drawn together and looked at in blocks; see `sim.tissue.specialised`."""

from __future__ import annotations

import numpy as np

from sim.kernels.compiling import inlined
from sim.kernels.draws import bits
from sim.kernels.vectors import BLOCK
from sim.tissue.lattice import REACH, neighbourhood

NEIGHBOURS = 8

_3, _29, _32, _35 = (np.uint64(i) for i in (3, 29, 32, 35))
_MASK_32 = np.uint64(2**32 - 1)
_ONE, _TWO, _THREE, _FIVE, _SEVEN = (np.uint32(i) for i in (1, 2, 3, 5, 7))
_SIXTEEN, _TWENTY_ONE, _MASK_16 = np.uint32(16), np.uint32(21), np.uint32(2**16 - 1)

# The steps along x to the copy neighbours, with 1 added, two bits each: a loop over them has no
# table. The first three are a row up, the last three a row down.
_STEPS_X = np.uint32(sum((int(x) + 1) << 2 * k for k, (_, x) in enumerate(neighbourhood(8))))


@inlined
def draw_attempts(key, tile, height, width, n_ys, row, wall, draws, site, source):
    """A tile's attempts: site and source in a flat patch, each from 32 random bits.

    Two to a draw, those of the list's second half from its upper bits. The list ends with whole
    blocks, of attempts that lead nowhere. Casts keep numba from widening numbers to 64 bits, so
    that more of them fit a vector.
    """
    top, left, size_y, size_x = tile
    sites = size_y * size_x
    half, count = (sites + 1) // 2, np.uint64(np.uint32(sites))
    for i in range(half):  # which of the tile's sites, and which neighbour
        draw = bits(key, i)
        index = np.uint32(((draw & _MASK_32) >> _3) * count >> _29)
        draws[np.uint64(i)] = index | (np.uint32(draw) & _SEVEN) << _SIXTEEN
        index = np.uint32((draw >> _35) * count >> _29)
        draws[np.uint64(i + half)] = index | (np.uint32(draw >> _32) & _SEVEN) << _SIXTEEN
    across, share = np.uint32(size_x), np.uint32(2**21 // size_x + 1)
    row_sites, more = np.uint32(row), np.uint32(row - size_x)
    first = np.uint32(REACH * row + REACH)
    until_y, until_x = np.uint32(height - top), np.uint32(width - left)
    gap_y = np.uint32((n_ys - size_y - 2 * REACH) * row)
    gap_x = np.uint32(row - size_x - 2 * REACH)
    for i in range(2 * half):
        both = draws[np.uint64(i)]
        index, neighbour = np.uint32(both & _MASK_16), np.uint32(both >> _SIXTEEN)
        y = np.uint32(np.uint32(index * share) >> _TWENTY_ONE)  # index // across
        here = np.uint32(np.uint32(index + np.uint32(y * more)) + first)
        if wall is not None:
            x = np.uint32(index - np.uint32(y * across))
            here = np.uint32(here + gap_y) if y >= until_y else here
            here = np.uint32(here + gap_x) if x >= until_x else here
        step = np.uint32(np.uint32(_STEPS_X >> np.uint32(neighbour * _TWO)) & _THREE)
        there = np.uint32(here + step - _ONE)
        there = np.uint32(there - row_sites) if neighbour < _THREE else there
        there = np.uint32(there + row_sites) if neighbour >= _FIVE else there
        site[np.uint64(i)], source[np.uint64(i)] = np.uint16(here), np.uint16(there)
    for i in range(sites, sites + BLOCK):
        site[np.uint64(i)] = source[np.uint64(i)] = 0


@inlined
def between_owners(first, site, source, patch):
    """Which of a block's attempts are between two owners: a word."""
    word = np.uint64(0)
    for i in range(BLOCK):  # a chain, so that no compiler gathers, which takes twice as long
        k = np.uint64(first + (BLOCK - 1) - i)
        differ = patch[np.uint64(site[k])] != patch[np.uint64(source[k])]
        word = word + word + np.uint64(differ)
    return word
