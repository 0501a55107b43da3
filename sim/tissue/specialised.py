"""The Potts sweep of one cell type, made for a scenario by the types of its arguments.

The same attempts, energies and bits as `sim.tissue.potts`, for one cell type with whole-number
contact energies, lambda_area and target areas, eight copy and contact neighbours, and sides of at
least `sim.tissue.tiles.TILE_SIDE` times two. A term whose argument is None is not compiled, so that
each scenario has a form of its own.

What makes it fast: 64 attempts are looked at together, and those between two owners are taken one
after another; a copy marks which later ones of the 64 it concerns. The eight sites around a site
are compared at once. Energies that are whole are integers. Copies are written into a log, from
which the cells' moments are brought up to date at the end of a colour.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.barrier import take, wait
from sim.kernels.compiling import inlined, lean
from sim.kernels.draws import bits, unit
from sim.kernels.vectors import BLOCK, RING_LANES, equal_around, lowest_one, matching, ones
from sim.tissue.attempts import NEIGHBOURS, between_owners, draw_attempts
from sim.tissue.attractants import voxels_around
from sim.tissue.energy import RING_BREAKS, length_of, unwrapped
from sim.tissue.lattice import MEDIUM
from sim.tissue.moments import add_site
from sim.tissue.patch import build_walls, load, runs_along, sites_along, store
from sim.tissue.tiles import COLOURS, shift_of, tile_at, tiles_of

_0, _1, _2, _3, _4, _5, _7, _8 = (np.uint64(i) for i in (0, 1, 2, 3, 4, 5, 7, 8))
_16, _29, _32, _48, _56 = (np.uint64(i) for i in (16, 29, 32, 48, 56))
TAKEN = 8  # from here on the counts of a room are the tiles that threads have taken

_MASK_11, _MASK_16, _MASK_32 = (np.uint64(2**n - 1) for n in (11, 16, 32))


def _breaks() -> NDArray[np.bool_]:
    """By the lanes of `equal_around`: whether the sites that hold a cell form several runs."""
    lanes = np.arange(2**11)
    ring = sum(((lanes >> lane) & 1) << k for k, lane in enumerate(RING_LANES))
    return np.asarray(RING_BREAKS[ring])


BREAKS = _breaks()


# -- energies -------------------------------------------------------------------------------------


@inlined
def from_anchor(anchor, row, y, x, height, width, wall):
    """Coordinates [y, x] of a site relative to a cell's anchor."""
    dy, dx = y - anchor[row, _0], x - anchor[row, _1]
    if wall is None:
        dy, dx = unwrapped(dy, height), unwrapped(dx, width)
    return dy, dx


@inlined
def length_with(now, row, sign, dy, dx):
    """Length of a cell that gains (sign 1) or loses (-1) a site, from moments that are floats."""
    sum_x, sum_y = sign * dx, sign * dy
    n = now[row, _0] + sign
    length = float_length(
        max(n, 1.0),
        now[row, _1] + sum_x,
        now[row, _2] + sum_y,
        now[row, _3] + sum_x * dx,
        now[row, _4] + sum_y * dy,
        now[row, _5] + sum_x * dy,
    )
    return length if n > 0.0 else 0.0


@inlined
def float_length(n, x, y, xx, yy, xy):
    """`sim.tissue.energy.length_of` of sums that are floats, exact below 2^53."""
    var_x, var_y, cov = n * xx - x * x, n * yy - y * y, n * xy - x * y
    half = 0.5 * (var_x - var_y)
    largest = 0.5 * (var_x + var_y) + np.sqrt(half * half + cov * cov)
    return 4.0 * np.sqrt(largest) / n


@inlined
def work_of(here, there, strength, saturation):
    """mu [f(there) - f(here)] with f(c) = c / (1 + s c)."""
    divisor = (1.0 + saturation * there) * (1.0 + saturation * here)
    return strength * ((there - here) / divisor)


@inlined
def blended(values, voxel, part, i, j):
    """A coarse attractant at a site, between the centres of four voxels."""
    above, below = np.uint64(voxel[_0, _0, i]), np.uint64(voxel[_0, _1, i])
    left, right = np.uint64(voxel[_1, _0, j]), np.uint64(voxel[_1, _1, j])
    share, down = part[_1, j], part[_0, i]
    high = values[above, left] * (1.0 - share) + values[above, right] * share
    low = values[below, left] * (1.0 - share) + values[below, right] * share
    return high * (1.0 - down) + low * down


# -- a tile ---------------------------------------------------------------------------------------


@lean
def sweep_tile(
    lattice, cells, costs, length, connectivity, tissue, push, fine, coarse, wall, tile, key,
    part, room,
):  # fmt: skip
    """Attempt as many copies in a tile as it has sites; write them into the log.

    Parameters
    ----------
    lattice, cells, costs, ..., wall, room
        As in `sweep`.
    tile : (int, int, int, int)
        First site [y, x], and sides.
    key : uint64
        Key of the tile's draws.
    part : int
        Which thread this is.
    """
    height, width = lattice.shape
    anchor, target, mu = cells.anchor, cells.target, cells.mu
    deviation, patch, level = room.deviation[part], room.patch[part], room.level[part]
    site, source, log = room.site[part], room.source[part], room.log[part]
    ys, xs, runs = room.axes[part, 0], room.axes[part, 1], room.runs[part]
    voxel, share_of = room.voxel[part], room.part[part]
    contact, lambda_area, temperature, threshold, whole_threshold = costs

    if length is not None:
        now, off = length.now[part], length.off[part]
    n_ys = sites_along(tile[0], tile[2], height, wall, ys)
    row = sites_along(tile[1], tile[3], width, wall, xs)
    n_runs = runs_along(xs, row, runs)
    load(lattice, ys, n_ys, runs, n_runs, row, patch)
    if wall is not None:
        build_walls(ys, n_ys, runs, n_runs, row, wall, patch)
    if fine is not None:
        load(fine.values, ys, n_ys, runs, n_runs, row, level)
    if coarse is not None:  # interpolated only where an attempt asks
        factor, (voxels_y, voxels_x) = coarse[0].factor, coarse[0].values.shape
        for j in range(n_ys):
            voxel[0, 0, j], voxel[0, 1, j], share_of[0, j] = voxels_around(
                ys[j], factor, voxels_y, wall is None
            )
        for j in range(row):
            voxel[1, 0, j], voxel[1, 1, j], share_of[1, j] = voxels_around(
                xs[j], factor, voxels_x, wall is None
            )
    draw_attempts(key, tile, height, width, n_ys, row, wall, room.draws[part], site, source)

    count = tile[2] * tile[3]
    row_sites, row_share = np.uint64(row), np.uint64(2**32 // row + 1)
    twice = 2 * lambda_area
    n_logged = room.logged[part]
    begun = n_logged
    for first in range(0, count, BLOCK):
        waiting = between_owners(first, site, source, patch)
        while waiting != _0:
            bit = lowest_one(waiting)
            waiting &= waiting - _1
            attempt = first + np.int64(bit)
            s, r = np.uint64(site[np.uint64(attempt)]), np.uint64(source[np.uint64(attempt)])
            gaining, losing = patch[r], patch[s]
            if wall is not None:
                if gaining == wall:  # never copied; numba prunes the outer one only
                    continue
            winner, loser = np.uint64(gaining), np.uint64(losing)
            to, away = np.int64(gaining != MEDIUM), np.int64(losing != MEDIUM)
            case = np.uint64(2 * to + away)

            if wall is None:
                around = equal_around(
                    patch, np.int64(s), row, gaining, losing, np.int32(MEDIUM), np.int32(MEDIUM)
                )
            else:
                around = equal_around(
                    patch, np.int64(s), row, gaining, losing, np.int32(MEDIUM), wall
                )
            of_losing, c = (around >> _16) & _MASK_16, _8 * case
            change = (
                ones(of_losing) * contact[c]
                + ones(around & _MASK_16) * contact[c + _1]
                + ones((around >> _32) & _MASK_16) * contact[c + _2]
                + contact[c + _4]
            )
            if wall is not None:
                change += ones(around >> _48) * contact[c + _3]
            whole = change + (deviation[winner] - deviation[loser] + (to + away) * lambda_area)
            dH = np.float64(whole)

            i = (s * row_share) >> _32  # s // row
            k = (r * row_share) >> _32
            off_winner, off_loser = 0.0, 0.0
            if length is not None:
                y, x = ys[i], xs[s - i * row_sites]
                gain = np.float64(deviation[winner] + to * lambda_area)
                loss = np.float64(away * lambda_area - deviation[loser])
                if gaining != MEDIUM:
                    before = off[winner]
                    dy, dx = from_anchor(anchor, winner, y, x, height, width, wall)
                    off_winner = (
                        length_with(now, winner, 1.0, np.float64(dy), np.float64(dx))
                        - target[winner, _1]
                    )
                    gain += length.stiffness * (off_winner * off_winner - before * before)
                if losing != MEDIUM:
                    before = off[loser]
                    dy, dx = from_anchor(anchor, loser, y, x, height, width, wall)
                    off_loser = (
                        length_with(now, loser, -1.0, np.float64(dy), np.float64(dx))
                        - target[loser, _1]
                    )
                    loss += length.stiffness * (off_loser * off_loser - before * before)
                dH = np.float64(change) + (gain + loss)

            work = 0.0
            follower = winner if gaining != MEDIUM else loser
            if fine is not None:
                strength = mu[follower, fine.column] * fine.share[case]
                work -= work_of(
                    np.float64(level[r]), np.float64(level[s]), strength, fine.saturation
                )
            if coarse is not None:
                for each in coarse:
                    strength = mu[follower, each.column] * each.share[case]
                    work -= work_of(
                        blended(each.values, voxel, share_of, k, r - k * row_sites),
                        blended(each.values, voxel, share_of, i, s - i * row_sites),
                        strength,
                        each.saturation,
                    )
            if connectivity is not None:
                breaking = losing != MEDIUM and BREAKS[of_losing]
                if breaking and connectivity.authors:  # between itself and one other, no medium
                    of_both = ones(of_losing | (around & _MASK_16))
                    breaking = not (of_both == NEIGHBOURS and gaining != MEDIUM)
                penalty = connectivity.penalty if breaking else 0.0
                if tissue is not None:
                    of_cells = ~(around | (around >> _48)) & _MASK_11  # neither medium nor wall
                    penalty += tissue if gaining == MEDIUM and BREAKS[of_cells] else 0.0
                work = penalty + work
            if push is not None:  # the copy goes from the source to the site
                step_y = np.float64(np.int64(k) - np.int64(i))
                step_x = np.float64(np.int64(r - k * row_sites) - np.int64(s - i * row_sites))
                work += (push[winner, _0] + push[loser, _0]) * step_y + (
                    push[winner, _1] + push[loser, _1]
                ) * step_x
            dH = dH + work

            # u < exp(-dH / T) as dH < -T ln u, and no logarithm where the bin of u settles it
            u = bits(key, count + attempt)
            bin_of_u = u >> _56
            if (
                length is None
                and fine is None
                and coarse is None
                and connectivity is None
                and push is None
            ):
                if not whole < whole_threshold[bin_of_u]:
                    continue
                surely = whole < whole_threshold[bin_of_u + _1]
            else:
                if not dH < threshold[bin_of_u]:
                    continue
                surely = dH < threshold[bin_of_u + _1]
            if not (surely or dH < -temperature * np.log(unit(u))):
                continue

            patch[s] = gaining
            y, x = ys[i], xs[s - i * row_sites]
            deviation[winner] += to * twice
            deviation[loser] -= away * twice
            if length is not None:
                if gaining != MEDIUM:
                    dy, dx = from_anchor(anchor, winner, y, x, height, width, wall)
                    add_site(now, winner, 1.0, np.float64(dy), np.float64(dx))
                    off[winner] = off_winner
                if losing != MEDIUM:
                    dy, dx = from_anchor(anchor, loser, y, x, height, width, wall)
                    add_site(now, loser, -1.0, np.float64(dy), np.float64(dx))
                    off[loser] = off_loser
            log[np.uint64(n_logged), _0] = (winner << _32) | loser
            log[np.uint64(n_logged), _1] = (np.uint64(y) << _32) | np.uint64(x)
            n_logged += 1
            again = matching(site, source, first, np.uint16(s)) & ~((_2 << bit) - _1)
            while again != _0:  # later attempts of the block that look at the site that changed
                bit = lowest_one(again)
                later = np.uint64(first) + bit
                differ = patch[np.uint64(site[later])] != patch[np.uint64(source[later])]
                waiting = (waiting & ~(_1 << bit)) | (np.uint64(differ) << bit)
                again &= again - _1

    store(patch, ys, n_ys, runs, n_runs, row, lattice)
    for at in range(begun, n_logged):  # the colour's next tile sees the cells as they were
        winner, loser = log[np.uint64(at), _0] >> _32, log[np.uint64(at), _0] & _MASK_32
        deviation[winner] -= twice
        deviation[loser] += twice
        if length is not None:
            for cell in (winner, loser):
                for j in range(6):
                    now[cell, np.uint64(j)] = cells.moments[cell, np.uint64(j)]
                off[cell] = length.off_before[cell]
    deviation[MEDIUM] = 0
    room.logged[part] = n_logged


# -- a sweep --------------------------------------------------------------------------------------


@inlined
def measure_length(cell, cells, length):
    """Take the length of a cell from its moments, for all threads."""
    n = cells.moments[cell, _0]
    measured = length_of(
        n,
        cells.moments[cell, _1],
        cells.moments[cell, _2],
        cells.moments[cell, _3],
        cells.moments[cell, _4],
        cells.moments[cell, _5],
    )
    length.off_before[cell] = measured - cells.target[cell, _1]
    for part in range(length.off.shape[0]):
        length.off[part, cell] = length.off_before[cell]
        for k in range(6):
            length.now[part, cell, np.uint64(k)] = cells.moments[cell, np.uint64(k)]


@lean
def begin_sweep(cells, costs, length, room):
    """Write down how far each cell is from its targets."""
    for colour in range(COLOURS):
        room.counts[TAKEN + colour] = 0
    for part in range(room.deviation.shape[0]):
        room.logged[part] = 0
        room.deviation[part, MEDIUM] = 0
        for row in range(1, room.deviation.shape[1]):
            away = cells.moments[row, 0] - np.int64(cells.target[row, 0])
            room.deviation[part, row] = 2 * costs.lambda_area * away
    if length is not None:
        for row in range(1, room.deviation.shape[1]):
            measure_length(np.uint64(row), cells, length)


@lean
def settle_colour(cells, costs, length, wall, shape, room):
    """Bring the cells up to date with what all tiles of a colour changed; clear the logs."""
    twice, (height, width) = 2 * costs.lambda_area, shape
    parts = room.deviation.shape[0]
    for part in range(parts):
        for i in range(room.logged[part]):
            rows, where = room.log[part, np.uint64(i), _0], room.log[part, np.uint64(i), _1]
            y, x = np.int64(where >> _32), np.int64(where & _MASK_32)
            for cell, sign in ((rows >> _32, 1), (rows & _MASK_32, -1)):
                dy, dx = from_anchor(cells.anchor, cell, y, x, height, width, wall)
                add_site(cells.moments, cell, sign, dy, dx)
                for other in range(parts):
                    room.deviation[other, cell] += sign * twice
                if length is not None:
                    length.off_before[cell] = np.inf
        room.logged[part] = 0
    for other in range(parts):
        room.deviation[other, MEDIUM] = 0
    for k in range(6):
        cells.moments[MEDIUM, np.uint64(k)] = 0
    if length is not None:
        length.off_before[MEDIUM] = 0.0
        for row in range(1, room.deviation.shape[1]):
            if length.off_before[np.uint64(row)] == np.inf:  # once for each cell
                measure_length(np.uint64(row), cells, length)


@lean
def sweep(
    lattice, cells, costs, length, connectivity, tissue, push, fine, coarse, wall, seed, step,
    part, room,
):  # fmt: skip
    """One Monte Carlo step, in place; called once by each thread.

    Tiles of a colour go to whichever thread is free; no bit depends on which it is.

    Parameters
    ----------
    lattice : (height, width) int32
        Changed.
    cells : CellArrays
        ``moments`` is changed.
    costs : Costs
    length : Length or None
    connectivity : Connectivity or None
    tissue : float or None
        Penalty of medium that would cut the tissue, beside that of `connectivity`.
    push : (rows, 2) float64 or None
        mu_p p [y, x], strength and direction of persistence.
    fine : Attractant or None
        With voxels of one site.
    coarse : tuple of Attractant, or None
        With larger voxels, of one size.
    wall : int32 or None
        Its row; None on a periodic domain.
    seed, step : int
        Key of the draws.
    part : int
        Which of the threads this is.
    room : Room
        For as many threads as call this.
    """
    height, width = lattice.shape
    threads = room.deviation.shape[0]
    shift = shift_of(seed, step, height, width)
    if part == 0:
        begin_sweep(cells, costs, length, room)
    wait(room.counts, threads)
    for colour in range(COLOURS):
        tiles = tiles_of(colour, height, width)
        number = take(room.counts, TAKEN + colour)
        while number < tiles:
            tile, key = tile_at(colour, number, shift, seed, step, height, width)
            sweep_tile(
                lattice, cells, costs, length, connectivity, tissue, push, fine, coarse, wall, tile,
                key, part, room,
            )  # fmt: skip
            number = take(room.counts, TAKEN + colour)
        wait(room.counts, threads)
        if part == 0:
            settle_colour(cells, costs, length, wall, lattice.shape, room)
        wait(room.counts, threads)
