"""The Potts sweep: one Monte Carlo step, one copy attempt per site in expectation.

The lattice is cut into tiles, an even number along each axis, by a grid that is shifted at random
every step. Tiles have four colours, taken in order; tiles of one colour do not touch. In each tile
as many attempts are made as it has sites: a random site, a random copy neighbour, accepted with
probability min(1, exp(-dH / T)). Within a colour a tile sees the cells' moments as they were when
the colour began, plus its own changes; changes are sums of integers, so that their order does not
matter. Each draw is a function of (seed, purpose, step, tile, counter). So it does not matter who
runs which tile, and no bit depends on the number of threads.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from sim.tissue.draws import COPY, TILE_SHIFT, bits, key_of, unit
from sim.tissue.energy import (
    CellArrays,
    Rules,
    copy_energy,
    digits,
    from_anchor,
    lengths,
    row_length,
)
from sim.tissue.kernel import inlined, kernel, on_threads, threaded
from sim.tissue.lattice import HALO, MEDIUM, Grid

TILE_SIDE = 50  # sites; a tile with its fields fits the first-level cache

_3, _29, _32 = np.uint64(3), np.uint64(29), np.uint64(32)
_MASK_3, _MASK_32 = np.uint64(7), np.uint64(2**32 - 1)


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
    if image_y != y or image_x != x:
        lattice[(image_y + HALO) * row + x + HALO] = value
        lattice[(y + HALO) * row + image_x + HALO] = value
        lattice[(image_y + HALO) * row + image_x + HALO] = value


@inlined
def attempt_at(draw, top, left, height, width, sites, tile_width, row_share):
    """A random site and neighbour from 32 random bits: y in bits 32 on, x in 3 to 31, then which.

    Without branches or signs, so that the loop over attempts is vectorised.
    """
    index = ((draw >> _3) * sites) >> _29
    tile_y = (index * row_share) >> _32  # index // tile_width
    y, x = top + tile_y, left + index - tile_y * tile_width
    y = y - height if y >= height else y
    x = x - width if x >= width else x
    return (y << _32) | (x << _3) | (draw & _MASK_3)


@kernel
def draw_attempts(key, corner, size, grid):
    """A tile's attempts: two to a draw, those of the list's second half from its upper bits."""
    top, left = np.uint64(corner[0]), np.uint64(corner[1])
    height, width = np.uint64(grid.height), np.uint64(grid.width)
    count = size[0] * size[1]
    sites, tile_width = np.uint64(count), np.uint64(size[1])
    row_share = np.uint64(2**32 // size[1] + 1)
    half = (count + 1) // 2
    attempts = np.empty(2 * half, np.uint64)
    for i in range(half):
        attempts[np.uint64(i)] = bits(key, i)
    for i in range(half):
        draw = attempts[np.uint64(i)]
        attempts[np.uint64(i)] = attempt_at(
            draw & _MASK_32, top, left, height, width, sites, tile_width, row_share
        )
        attempts[np.uint64(i + half)] = attempt_at(
            draw >> _32, top, left, height, width, sites, tile_width, row_share
        )
    return attempts


@kernel
def sweep_tile(
    lattice, attraction, cells, length, digit, rules, grid, corner, size, key, touched, is_touched
):
    """Attempt as many copies in a tile as it has sites; list the cells that changed.

    Parameters
    ----------
    lattice, attraction, rules, grid
        As in `sweep`.
    cells : CellArrays
        ``moments`` are changed; those of the medium, row 0, mean nothing then.
    length : (rows,) float64
        Lengths that the moments give, changed with them where a type has a stiffness.
    digit : (rows,) uint64
        See `energy.digits`.
    corner, size : (int, int)
        First site [y, x] of the tile, and its sides.
    key : uint64
        Key of the tile's draws.
    touched : (rows,) int64
        Filled with the rows that changed.
    is_touched : (rows,) bool
        All False; True for what `touched` lists.

    Returns
    -------
    int
        Rows in `touched`.
    """
    moments, anchor, cell_type, target, mu, push = cells
    temperature, J, stiffness, connectivity, connectivity_penalty = rules[:5]
    contact_inhibited, acts_on, copy_yx, copy_steps, contact_steps, ring_steps = rules[5:]
    height, width, row_sites, periodic = grid
    which = np.uint64(copy_steps.shape[0] - 1)  # 4 or 8 neighbours: a mask of bits
    elongate = has_lengths(stiffness)
    count = size[0] * size[1]
    attempts = draw_attempts(key, corner, size, grid)
    n_touched = 0
    for attempt in range(count):
        packed = attempts[np.uint64(attempt)]
        y, x = np.int64(packed >> _32), np.int64((packed & _MASK_32) >> _3)
        site = (y + HALO) * row_sites + x + HALO
        neighbour = packed & which
        gaining = lattice[np.uint64(site + copy_steps[neighbour])]
        losing = lattice[np.uint64(site)]
        if gaining == losing or gaining < MEDIUM:  # a wall is never copied
            continue
        dH = copy_energy(
            lattice,
            attraction,
            moments,
            length,
            digit,
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
        if dH > 0.0 and unit(bits(key, count + attempt)) >= np.exp(-dH / temperature):
            continue
        write_site(lattice, y, x, gaining, height, width, periodic)
        for row, sign in ((np.uint64(gaining), 1), (np.uint64(losing), -1)):
            dy, dx = from_anchor(anchor, row, y, x, height, width, periodic)
            add_site(moments, row, sign, dy, dx)
            if elongate:
                length[row] = row_length(moments, row)
            touched[n_touched] = row
            n_touched += 1 - is_touched[row]  # no branch: half of them would be mispredicted
            is_touched[row] = True
    return n_touched


@inlined
def has_lengths(stiffness):
    """Whether any type resists a change of its length."""
    strongest = 0.0
    for tau in range(stiffness.shape[0]):
        strongest = max(strongest, abs(stiffness[tau, 1]))
    return strongest > 0.0


class Shares(NamedTuple):
    """What the threads of a sweep have to themselves, the first axis of every array."""

    moments: NDArray[np.int64]
    """(threads, rows, 6) as when the colour began, and changed by the tile at work."""
    change: NDArray[np.int64]
    """(threads, rows, 6) by all tiles of the colour so far."""
    listed: NDArray[np.int64]
    """(threads, rows + 1) the rows that changed."""
    n_listed: NDArray[np.int64]
    is_listed: NDArray[np.bool_]
    """(threads, rows)"""


@kernel
def sweep_share(
    lattice, attraction, cells, length, digit, rules, grid, seed, step, colour, part, shares
):
    """Sweep one of several equal parts of a colour's tiles; add up what changes."""
    own, change = shares.moments[part], shares.change[part]
    listed, is_listed = shares.listed[part], shares.is_listed[part]
    moments, anchor, cell_type, target, mu, push = cells
    mine, my_length = CellArrays(own, anchor, cell_type, target, mu, push), length.copy()
    rows, parts = moments.shape[0], shares.moments.shape[0]
    touched, is_touched = np.empty(rows + 1, np.int64), np.zeros(rows, np.bool_)
    tiles_y, tiles_x = tiles_along(grid.height), tiles_along(grid.width)
    shift_key = key_of(seed, TILE_SHIFT, step, 0)
    shift_y = np.int64(unit(bits(shift_key, 0)) * grid.height)
    shift_x = np.int64(unit(bits(shift_key, 1)) * grid.width)
    of_colour_y = (tiles_y + 1 - colour // 2) // 2
    of_colour_x = (tiles_x + 1 - colour % 2) // 2
    tiles = of_colour_y * of_colour_x
    n_listed = 0
    for tile in range(part * tiles // parts, (part + 1) * tiles // parts):
        tile_y = 2 * (tile // of_colour_x) + colour // 2
        tile_x = 2 * (tile % of_colour_x) + colour % 2
        top, bottom = tile_y * grid.height // tiles_y, (tile_y + 1) * grid.height // tiles_y
        left, right = tile_x * grid.width // tiles_x, (tile_x + 1) * grid.width // tiles_x
        n_touched = sweep_tile(
            lattice,
            attraction,
            mine,
            my_length,
            digit,
            rules,
            grid,
            ((top + shift_y) % grid.height, (left + shift_x) % grid.width),
            (bottom - top, right - left),
            key_of(seed, COPY, step, tile_y * tiles_x + tile_x),
            touched,
            is_touched,
        )
        for i in range(n_touched):
            row = touched[i]
            is_touched[row] = False
            listed[n_listed] = row
            n_listed += 1 - is_listed[row]
            is_listed[row] = True
            for j in range(6):
                change[row, j] += own[row, j] - moments[row, j]
                own[row, j] = moments[row, j]
            my_length[row] = length[row]
    shares.n_listed[part] = n_listed


@kernel
def merge_shares(moments, length, elongate, shares):
    """Add what each thread changed to the moments, and to every thread's copy of them."""
    own, change, listed, n_listed, is_listed = shares
    threads = own.shape[0]
    for part in range(threads):
        for i in range(n_listed[part]):
            row = listed[part, i]
            is_listed[part, row] = False
            for j in range(6):
                moments[row, j] += change[part, row, j]
                change[part, row, j] = 0
    for part in range(threads):
        for i in range(n_listed[part]):
            row = listed[part, i]
            for j in range(6):
                for other in range(threads):
                    own[other, row, j] = moments[row, j]
            if elongate:
                length[row] = row_length(moments, np.uint64(row))


def _sweep(lattice, attraction, cells, length, digit, rules, grid, seed, step, shares):
    elongate = has_lengths(rules.stiffness)
    for colour in range(4):
        for part in numba.prange(shares.moments.shape[0]):
            sweep_share(
                lattice, attraction, cells, length, digit, rules, grid, seed, step, colour, part,
                shares,
            )  # fmt: skip
        merge_shares(cells.moments, length, elongate, shares)


_sweep_serial, _sweep_threaded = kernel(_sweep), threaded(_sweep)


def sweep(
    lattice: NDArray[np.int32],
    attraction: NDArray[np.float64],
    cells: CellArrays,
    rules: Rules,
    grid: Grid,
    seed: int,
    step: int,
    threads: int = 1,
) -> None:
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
    threads : int
        No bit of the result depends on it.
    """
    moments = cells.moments
    rows = moments.shape[0]
    shares = Shares(
        moments=np.repeat(moments[None], threads, axis=0),
        change=np.zeros((threads, rows, 6), np.int64),
        listed=np.empty((threads, rows + 1), np.int64),
        n_listed=np.zeros(threads, np.int64),
        is_listed=np.zeros((threads, rows), np.bool_),
    )
    one_step = on_threads(threads, _sweep_serial, _sweep_threaded)
    one_step(
        lattice, attraction, cells, lengths(moments), digits(cells.type), rules, grid, seed, step,
        shares,
    )  # fmt: skip
    moments[MEDIUM] = 0  # counted like the others, so that nothing branches, but meaningless


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
