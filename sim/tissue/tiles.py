"""Tiles of a sweep: where they lie, and in which order they are taken.

The lattice is cut into tiles, an even number along each axis, by a grid that is shifted at random
every step. Tiles have four colours, taken in order; tiles of one colour do not touch.
"""

from __future__ import annotations

import numpy as np

from sim.kernels.compiling import inlined
from sim.kernels.draws import COPY, TILE_SHIFT, bits, key_of, unit

TILE_SIDE = 50  # sites; a tile with its fields fits the first-level cache
COLOURS = 4


@inlined
def tiles_along(side):
    """Tiles along an axis: one, or an even number, so that colours alternate around a torus."""
    return max(1, 2 * (side // (2 * TILE_SIDE)))


@inlined
def tiles_of(colour, height, width):
    """How many tiles have a colour."""
    along_y = (tiles_along(height) + 1 - colour // 2) // 2
    return along_y * ((tiles_along(width) + 1 - colour % 2) // 2)


@inlined
def shift_of(seed, step, height, width):
    """Sites [y, x] by which the grid of tiles is shifted; a single tile is not."""
    key = key_of(seed, TILE_SHIFT, step, 0)
    shift_y = np.int64(unit(bits(key, 0)) * height) if tiles_along(height) > 1 else 0
    shift_x = np.int64(unit(bits(key, 1)) * width) if tiles_along(width) > 1 else 0
    return shift_y, shift_x


@inlined
def tile_at(colour, number, shift, seed, step, height, width):
    """A tile of a colour: its first site and its sides [top, left, height, width], and its key."""
    tiles_y, tiles_x = tiles_along(height), tiles_along(width)
    of_colour = (tiles_x + 1 - colour % 2) // 2
    y, x = 2 * (number // of_colour) + colour // 2, 2 * (number % of_colour) + colour % 2
    top, bottom = y * height // tiles_y, (y + 1) * height // tiles_y
    left, right = x * width // tiles_x, (x + 1) * width // tiles_x
    tile = (top + shift[0]) % height, (left + shift[1]) % width, bottom - top, right - left
    return tile, key_of(seed, COPY, step, y * tiles_x + x)
