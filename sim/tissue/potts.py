"""The Potts sweep: one Monte Carlo step, one copy attempt per site in expectation.

The lattice is cut into tiles, an even number along each axis, by a grid that is shifted at random
every step. Tiles have four colours, taken in order; tiles of one colour do not touch. In each tile
as many attempts are made as it has sites: a random site, a random copy neighbour, accepted with
probability min(1, exp(-dH / T)). Within a colour a tile sees the cells' moments as they were when
the colour began, plus its own changes; changes are merged in the order of the tiles. Each draw is
a function of (seed, purpose, step, tile, counter), so it does not matter who runs which tile.
"""

from __future__ import annotations

import numpy as np

from sim.tissue.draws import COPY, TILE_SHIFT, bits, key_of, unit
from sim.tissue.energy import copy_energy, from_anchor, length_of
from sim.tissue.kernel import inlined, kernel
from sim.tissue.lattice import HALO, MEDIUM

TILE_SIDE = 50  # sites; a tile with its fields fits the first-level cache

_4, _30, _34, _MASK_30 = np.uint64(4), np.uint64(30), np.uint64(34), np.uint64(2**30 - 1)


@inlined
def tiles_along(side: int) -> int:
    """Tiles along an axis: one, or an even number, so that colours alternate around a torus."""
    return max(1, 2 * (side // (2 * TILE_SIDE)))


@inlined
def add_site(moments, row, sign, y, x):
    """Add (sign 1) or take away (-1) a site at y, x from the anchor."""
    moments[row, 0] += sign
    moments[row, 1] += sign * x
    moments[row, 2] += sign * y
    moments[row, 3] += sign * x * x
    moments[row, 4] += sign * y * y
    moments[row, 5] += sign * x * y


@inlined
def write_site(lattice, y, x, value, height, width, periodic):
    """Write a site, and its images in the halo of a periodic domain."""
    row = width + 2 * HALO
    lattice[(y + HALO) * row + x + HALO] = value
    if not periodic:
        return
    image_y = y + height if y < HALO else (y - height if y >= height - HALO else y)
    image_x = x + width if x < HALO else (x - width if x >= width - HALO else x)
    if image_y != y:
        lattice[(image_y + HALO) * row + x + HALO] = value
    if image_x != x:
        lattice[(y + HALO) * row + image_x + HALO] = value
        if image_y != y:
            lattice[(image_y + HALO) * row + image_x + HALO] = value


@kernel
def sweep_tile(lattice, attraction, cells, rules, grid, corner, size, key, touched, is_touched):
    """Attempt as many copies in a tile as it has sites; list the cells that changed."""
    moments, anchor, cell_type, target, mu, push = cells
    temperature, J, stiffness, connectivity, connectivity_penalty = rules[:5]
    contact_inhibited, acts_on, copy_yx, copy_steps, contact_steps, ring_steps = rules[5:]
    height, width, row_length, periodic = grid
    tile_height, tile_width = np.uint64(size[0]), np.uint64(size[1])
    which = np.uint64(copy_steps.shape[0] - 1)  # 4 or 8 neighbours: a mask of bits
    n_touched = 0
    for attempt in range(size[0] * size[1]):
        r = bits(key, 2 * attempt)
        y = corner[0] + np.int64(((r >> _34) * tile_height) >> _30)
        x = corner[1] + np.int64((((r >> _4) & _MASK_30) * tile_width) >> _30)
        y -= height if y >= height else 0
        x -= width if x >= width else 0
        neighbour = np.int64(r & which)
        site = (y + HALO) * row_length + x + HALO
        gaining, losing = lattice[site + copy_steps[neighbour]], lattice[site]
        if gaining == losing or gaining < MEDIUM:  # a wall is never copied
            continue
        dH = copy_energy(
            lattice,
            attraction,
            moments,
            anchor,
            cell_type,
            target,
            mu,
            push,
            J,
            stiffness,
            connectivity,
            connectivity_penalty,
            contact_inhibited,
            acts_on,
            copy_yx,
            copy_steps,
            contact_steps,
            ring_steps,
            height,
            width,
            periodic,
            site,
            y,
            x,
            neighbour,
        )
        if dH > 0.0 and unit(bits(key, 2 * attempt + 1)) >= np.exp(-dH / temperature):
            continue
        write_site(lattice, y, x, gaining, height, width, periodic)
        if gaining != 0:
            dy, dx = from_anchor(anchor, gaining, y, x, height, width, periodic)
            add_site(moments, gaining, 1, dy, dx)
            if not is_touched[gaining]:
                is_touched[gaining] = True
                touched[n_touched] = gaining
                n_touched += 1
        if losing != 0:
            dy, dx = from_anchor(anchor, losing, y, x, height, width, periodic)
            add_site(moments, losing, -1, dy, dx)
            if not is_touched[losing]:
                is_touched[losing] = True
                touched[n_touched] = losing
                n_touched += 1
    return n_touched


@kernel
def sweep(lattice, attraction, cells, rules, grid, seed, step):
    """One Monte Carlo step, in place.

    Parameters
    ----------
    lattice : (sites,) int32
        Flat lattice with halo; changed.
    attraction : (fields, sites) float64
        f(c) of what cells are drawn to, in the lattice's flat layout with halo.
    cells : CellArrays
        ``moments`` is changed.
    rules : Rules
    grid : Grid
    seed, step : int
        Key of the draws.
    """
    tiles_y, tiles_x = tiles_along(grid.height), tiles_along(grid.width)
    shift_key = key_of(seed, TILE_SHIFT, step, 0)
    shift_y = np.int64(unit(bits(shift_key, 0)) * grid.height)
    shift_x = np.int64(unit(bits(shift_key, 1)) * grid.width)

    moments = cells.moments
    rows = moments.shape[0]
    start = moments.copy()  # the moments when the colour began
    change = np.zeros_like(moments)
    touched, changed = np.empty(rows, np.int64), np.empty(rows, np.int64)
    is_touched, is_changed = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
    for colour in range(4):
        n_changed = 0
        for tile_y in range(colour // 2, tiles_y, 2):
            top = tile_y * grid.height // tiles_y
            bottom = (tile_y + 1) * grid.height // tiles_y
            for tile_x in range(colour % 2, tiles_x, 2):
                left = tile_x * grid.width // tiles_x
                right = (tile_x + 1) * grid.width // tiles_x
                corner = ((top + shift_y) % grid.height, (left + shift_x) % grid.width)
                key = key_of(seed, COPY, step, tile_y * tiles_x + tile_x)
                n_touched = sweep_tile(
                    lattice,
                    attraction,
                    cells,
                    rules,
                    grid,
                    corner,
                    (bottom - top, right - left),
                    key,
                    touched,
                    is_touched,
                )
                for i in range(n_touched):
                    row = touched[i]
                    is_touched[row] = False
                    if not is_changed[row]:
                        is_changed[row] = True
                        changed[n_changed] = row
                        n_changed += 1
                    for j in range(6):
                        change[row, j] += moments[row, j] - start[row, j]
                        moments[row, j] = start[row, j]
        for i in range(n_changed):
            row = changed[i]
            is_changed[row] = False
            for j in range(6):
                start[row, j] += change[row, j]
                moments[row, j] = start[row, j]
                change[row, j] = 0


@kernel
def measure_cells(lattice, anchor, grid, moments):
    """Moments of every cell from its sites on the lattice."""
    moments[:] = 0
    for y in range(grid.height):
        for x in range(grid.width):
            row = lattice[(y + HALO) * grid.row + x + HALO]
            if row > 0:
                dy, dx = from_anchor(anchor, row, y, x, grid.height, grid.width, grid.periodic)
                add_site(moments, row, 1, dy, dx)


@kernel
def lengths(moments):
    """Length of every row, in sites."""
    out = np.zeros(moments.shape[0])
    for row in range(moments.shape[0]):
        out[row] = length_of(
            moments[row, 0],
            moments[row, 1],
            moments[row, 2],
            moments[row, 3],
            moments[row, 4],
            moments[row, 5],
        )
    return out
