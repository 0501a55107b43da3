"""The Potts sweep: one Monte Carlo step, one copy attempt per site in expectation.

The lattice is cut into tiles, an even number along each axis, by a grid that is shifted at random
every step. Tiles have four colours, taken in order; tiles of one colour do not touch. In each tile
as many attempts are made as it has sites: a random site, a random copy neighbour, accepted with
probability min(1, exp(-dH / T)). Within a colour a tile sees the cells' moments as they were when
the colour began, plus its own changes; changes are sums of integers, so that their order does not
matter. Each draw is a function of (seed, purpose, step, tile, counter). So it does not matter who
runs which tile, and the result is bit-identical for any number.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel
from sim.kernels.draws import bits, unit
from sim.kernels.threads import together
from sim.tissue.attractants import Attractants, sense
from sim.tissue.energy import (
    CellArrays,
    Rules,
    copy_energy,
    digits,
    from_anchor,
    reshape,
    shapes,
)
from sim.tissue.lattice import MEDIUM, REACH, RING, Grid, flat, load_patch, patch_axis
from sim.tissue.moments import add_site
from sim.tissue.tiles import COLOURS, shift_of, tile_at, tiles_of

MINUS_LN = np.append(np.inf, -np.log(np.arange(1, 257) / 256))  # at the edges of 256 bins of u

_1, _56 = np.uint64(1), np.uint64(56)
_3, _5, _8 = np.uint64(3), np.uint64(5), np.uint64(8)
_16, _29, _32 = np.uint64(16), np.uint64(29), np.uint64(32)
_MASK_5, _MASK_16, _MASK_32 = np.uint64(2**5 - 1), np.uint64(2**16 - 1), np.uint64(2**32 - 1)
_REACH = np.uint64(REACH)


@inlined
def write_images(patch, row, y, x, value, height, width, size):
    """Write a site also where a tile that is as long as a periodic domain sees it again.

    `y` and `x` count in the patch.
    """
    image_y, image_x = y, x
    if size[0] == height:
        image_y = y + height if y < 2 * REACH else (y - height if y >= height else y)
    if size[1] == width:
        image_x = x + width if x < 2 * REACH else (x - width if x >= width else x)
    patch[image_y * row + x] = value
    patch[y * row + image_x] = value
    patch[image_y * row + image_x] = value


@inlined
def attempt_at(
    draw, sites, neighbours, share, tile_width, row_share, until_y, until_x, gap_y, gap_x, row
):
    """A random site and neighbour from 32 random bits.

    The place in the flat patch from bit 32 on, y in 16 to 31, x in 5 to 15, then which neighbour.
    Without signs, and with no branch but on what is the same for all attempts, so that the loop
    is vectorised.
    """
    if neighbours <= _8:  # 4 or 8: a mask of bits
        index, neighbour = ((draw >> _3) * sites) >> _29, draw & (neighbours - _1)
    else:
        pair = (draw * (sites * neighbours)) >> _32
        index = (pair * share) >> _32  # pair // neighbours
        neighbour = pair - index * neighbours
    tile_y = (index * row_share) >> _32  # index // tile_width
    y, x = tile_y + _REACH, index - tile_y * tile_width + _REACH
    y = y + gap_y if y >= until_y else y
    x = x + gap_x if x >= until_x else x
    return ((y * row + x) << _32) | (y << _16) | (x << _5) | neighbour


@kernel
def draw_attempts(key, size, neighbours, until, gap, row):
    """A tile's attempts: two to a draw, those of the list's second half from its upper bits.

    From ``until`` [y, x] on a patch has ``gap`` [y, x] sites of wall before it continues; it has
    ``row`` sites in a row.
    """
    count = size[0] * size[1]
    sites, tile_width = np.uint64(count), np.uint64(size[1])
    of_site, share = np.uint64(neighbours), np.uint64(2**32 // neighbours + 1)
    row_share = np.uint64(2**32 // size[1] + 1)
    until_y, until_x = np.uint64(until[0]), np.uint64(until[1])
    gap_y, gap_x = np.uint64(gap[0]), np.uint64(gap[1])
    row_sites = np.uint64(row)
    half = (count + 1) // 2
    attempts = np.empty(2 * half, np.uint64)
    for i in range(half):
        attempts[np.uint64(i)] = bits(key, i)
    for i in range(half):
        draw = attempts[np.uint64(i)]
        attempts[np.uint64(i)] = attempt_at(
            draw & _MASK_32,
            sites,
            of_site,
            share,
            tile_width,
            row_share,
            until_y,
            until_x,
            gap_y,
            gap_x,
            row_sites,
        )
        attempts[np.uint64(i + half)] = attempt_at(
            draw >> _32,
            sites,
            of_site,
            share,
            tile_width,
            row_share,
            until_y,
            until_x,
            gap_y,
            gap_x,
            row_sites,
        )
    return attempts


@kernel
def sweep_tile(
    lattice, attractants, cells, shape, digit, rules, grid, corner, size, key, touched, is_touched
):
    """Attempt as many copies in a tile as it has sites; list the cells that changed.

    Works on a patch, a copy of the tile and of what lies around it, which fits the first-level
    cache wherever the tile lies on the lattice.

    Parameters
    ----------
    lattice, attractants, rules, grid
        As in `sweep`.
    cells : CellArrays
        ``moments`` are changed; those of the medium, row 0, mean nothing then.
    shape : (rows, 4) float64
        See `energy.shapes`; changed with the moments.
    digit : (rows,) uint64
        See `energy.digits`.
    corner, size : (int, int)
        First site [y, x] of the tile, and its sides.
    key : uint64
        Key of the tile's draws.
    touched : (rows + 1,) int64
        Filled with the rows that changed.
    is_touched : (rows,) bool
        All False; True for what `touched` lists.

    Returns
    -------
    int
        Rows in `touched`.
    """
    moments, anchor, cell_type, target, mu, push = cells
    temperature, J, copy_yx = rules.temperature, rules.J, rules.copy_yx
    connectivity, connectivity_penalty, tissue_penalty = (
        rules.connectivity, rules.connectivity_penalty, rules.tissue_penalty,
    )  # fmt: skip
    contact_inhibited, acts_on, saturation = (
        rules.contact_inhibited, rules.acts_on, rules.saturation,
    )  # fmt: skip
    height, width, periodic = grid
    ys = patch_axis(corner[0], size[0], height, periodic)
    xs = patch_axis(corner[1], size[1], width, periodic)
    row_sites = xs.size
    wall = moments.shape[0] - 1  # its row
    patch, concentration = load_patch(lattice, ys, xs, wall), sense(attractants, ys, xs, periodic)
    copy_steps, contact_steps = flat(copy_yx, row_sites), flat(rules.contact_yx, row_sites)
    ring_steps = flat(RING, row_sites)
    attempts = draw_attempts(
        key,
        size,
        copy_steps.shape[0],
        (height - corner[0] + REACH, width - corner[1] + REACH),
        (ys.size - size[0] - 2 * REACH, xs.size - size[1] - 2 * REACH),
        row_sites,
    )
    sees_itself = size[0] == height or size[1] == width
    count = size[0] * size[1]
    n_touched = 0
    for attempt in range(count):
        packed = attempts[np.uint64(attempt)]
        site, neighbour = np.int64(packed >> _32), packed & _MASK_5
        gaining = patch[np.uint64(site + copy_steps[neighbour])]
        losing = patch[np.uint64(site)]
        if gaining == losing:
            continue
        if gaining == wall:  # never copied
            continue
        i, j = (packed >> _16) & _MASK_16, (packed & _MASK_16) >> _5
        y, x = ys[i], xs[j]
        dH = copy_energy(
            patch,
            concentration,
            moments,
            shape,
            digit,
            anchor,
            cell_type,
            target,
            mu,
            push,
            J,
            connectivity,
            connectivity_penalty,
            tissue_penalty,
            contact_inhibited,
            acts_on,
            saturation,
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
        # u < exp(-dH / T) as dH < -T ln u, and no logarithm where the bin of u settles it
        u = bits(key, count + attempt)
        bin_of_u = u >> _56
        if not dH < temperature * MINUS_LN[bin_of_u]:  # nor is what is not a number accepted
            continue
        surely = dH < temperature * MINUS_LN[bin_of_u + _1]
        if not (surely or dH < -temperature * np.log(unit(u))):
            continue
        patch[np.uint64(site)] = lattice[y, x] = gaining
        if periodic and sees_itself:
            write_images(patch, row_sites, np.int64(i), np.int64(j), gaining, height, width, size)
        for row, sign in ((np.uint64(gaining), 1), (np.uint64(losing), -1)):
            dy, dx = from_anchor(anchor, row, y, x, height, width, periodic)
            add_site(moments, row, sign, dy, dx)
            reshape(shape, moments, target, row)
            touched[n_touched] = row
            n_touched += 1 - is_touched[row]  # no branch: half of them would be mispredicted
            is_touched[row] = True
    return n_touched


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
    lattice, attractants, cells, shape, digit, rules, grid, seed, step, colour, part, shares
):
    """Sweep one of several equal parts of a colour's tiles; add up what changes."""
    own, change = shares.moments[part], shares.change[part]
    listed, is_listed = shares.listed[part], shares.is_listed[part]
    moments, anchor, cell_type, target, mu, push = cells
    mine, my_shape = CellArrays(own, anchor, cell_type, target, mu, push), shape.copy()
    rows, parts = moments.shape[0], shares.moments.shape[0]
    touched, is_touched = np.empty(rows + 1, np.int64), np.zeros(rows, np.bool_)
    shift = shift_of(seed, step, grid.height, grid.width)
    tiles = tiles_of(colour, grid.height, grid.width)
    n_listed = 0
    for tile in range(part * tiles // parts, (part + 1) * tiles // parts):
        where, key = tile_at(colour, tile, shift, seed, step, grid.height, grid.width)
        n_touched = sweep_tile(
            lattice,
            attractants,
            mine,
            my_shape,
            digit,
            rules,
            grid,
            (where[0], where[1]),
            (where[2], where[3]),
            key,
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
            for j in range(4):
                my_shape[row, j] = shape[row, j]
    shares.n_listed[part] = n_listed


@kernel
def merge_shares(moments, target, shape, shares):
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
            reshape(shape, moments, target, np.uint64(row))


@kernel
def _sweep_alone(lattice, attractants, cells, shape, digit, rules, grid, seed, step, shares):
    for colour in range(COLOURS):
        for part in range(shares.moments.shape[0]):
            sweep_share(
                lattice, attractants, cells, shape, digit, rules, grid, seed, step, colour, part,
                shares,
            )  # fmt: skip
        merge_shares(cells.moments, cells.target, shape, shares)


def sweep(
    lattice: NDArray[np.int32],
    attractants: Attractants,
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
    lattice : (height, width) int32
        Changed.
    attractants : Attractants
        The fields that cells follow.
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
    shape = shapes(moments, cells.type, cells.target, rules.stiffness)
    digit = digits(cells.type)
    if threads == 1:
        _sweep_alone(lattice, attractants, cells, shape, digit, rules, grid, seed, step, shares)
    else:
        for colour in range(COLOURS):

            def work(part: int, colour: int = colour) -> None:
                sweep_share(
                    lattice, attractants, cells, shape, digit, rules, grid, seed, step, colour,
                    part, shares,
                )  # fmt: skip

            try:
                together(threads, work)
            finally:  # moments are those of the lattice, also after an interruption
                merge_shares(cells.moments, cells.target, shape, shares)
    moments[MEDIUM] = 0  # counted like the others, so that nothing branches, but meaningless
