"""The explicit solver: forward Euler in stated sub-steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel
from sim.tissue.fields import ABSORBING, NO_FLUX, PERIODIC
from sim.tissue.lattice import MEDIUM
from sim.tissue.voxels import mean_over_voxel

LEFT = 4  # where a row begins in its buffer: its left ghost voxel precedes a whole vector
BLOCK_WIDTH = 400  # voxels; the rows at work of fifteen sub-steps fit the second-level cache


@inlined
def _load_row(c, lattice, factor, gain_of, kept_of, uniform, y, first_x, count, now, gain, kept):
    """A row of a block before the first sub-step, and what each voxel gains and keeps in one.

    If ``uniform``, all cells gain and keep the same.
    """
    width = c.shape[1]
    done, x = 0, first_x % width
    while done < count:  # in runs that end where the domain wraps around
        run = min(count - done, width - x)
        if factor == 1 and uniform:  # vectorised
            gain_out, gain_in = gain_of[0], gain_of[gain_of.size - 1]
            kept_out, kept_in = kept_of[0], kept_of[kept_of.size - 1]
            for i in range(run):
                at, is_out = np.uint64(done + i), lattice[y, np.uint64(x + i)] == MEDIUM
                now[np.uint64(done + i + LEFT)] = c[y, np.uint64(x + i)]
                gain[at] = gain_out if is_out else gain_in
                kept[at] = kept_out if is_out else kept_in
        elif factor == 1:
            for i in range(run):
                row = np.uint64(lattice[np.uint64(y), np.uint64(x + i)])
                now[np.uint64(done + i + LEFT)] = c[np.uint64(y), np.uint64(x + i)]
                gain[np.uint64(done + i)] = gain_of[row]
                kept[np.uint64(done + i)] = kept_of[row]
        else:
            for i in range(run):
                now[done + i + LEFT] = c[y, x + i]
                gain[done + i] = mean_over_voxel(lattice, factor, y, x + i, gain_of)
                kept[done + i] = mean_over_voxel(lattice, factor, y, x + i, kept_of)
        done, x = done + run, 0


@inlined
def _euler_row(above, here, below, gain, kept, k, count, then):
    """A row of a sub-step, without its ghost voxels: diffuse, then react."""
    up, down, out, stay = above[LEFT:], below[LEFT:], then[LEFT:], 1.0 - 4.0 * k
    left, middle, right = here[LEFT - 1 :], here[LEFT:], here[LEFT + 1 :]
    for x in range(count):
        moved = stay * middle[x] + k * ((up[x] + down[x]) + (left[x] + right[x]))
        out[x] = kept[x] * moved + gain[x]


@inlined
def _third(age):
    """Which of three rows holds the one of this age."""
    return np.int64(np.uint64(age) % np.uint64(3))


@inlined
def _close_row(line, count, edge, at_left, at_right):
    """Ghost voxels at the ends of a row that reaches the border of the domain."""
    first, last = LEFT, LEFT + count - 1
    if at_left:
        line[first - 1] = 0.0 if edge == ABSORBING else line[last if edge == PERIODIC else first]
    if at_right:
        line[last + 1] = 0.0 if edge == ABSORBING else line[first if edge == PERIODIC else last]


@inlined
def _euler_block(
    c, lattice, factor, gain_of, kept_of, uniform, k, substeps, edge, top, bottom, left, right,
    first_x, count, rows, gain, kept, zero, out,
):  # fmt: skip
    """All sub-steps of a block: row y of one directly follows row y + 1 of the one before."""
    height, width = c.shape
    open_edge = edge == PERIODIC
    first_y = top - substeps if open_edge else max(top - substeps, 0)
    end_y = bottom + substeps if open_edge else min(bottom + substeps, height)
    whole = count == width
    at_left = whole or (not open_edge and first_x == 0)
    at_right = whole or (not open_edge and first_x + count == width)
    slots, newest = gain.shape[0], -1
    for front in range(first_y, end_y + substeps):
        newest = newest + 1 if newest + 1 < slots else 0
        if front < end_y:
            now = rows[0, _third(front - first_y)]
            _load_row(
                c, lattice, factor, gain_of, kept_of, uniform, front % height, first_x, count, now,
                gain[newest], kept[newest],
            )  # fmt: skip
            _close_row(now, count, edge, at_left, at_right)
        for part in range(max(1, front - end_y + 1), min(substeps, front - first_y) + 1):
            y = front - part
            if not top - substeps + part <= y < bottom + substeps - part:
                continue
            before, third = rows[part - 1], _third(y - first_y)
            here, then = before[third], rows[part, third]
            above = before[third - 1 if third > 0 else 2]
            below = before[third + 1 if third < 2 else 0]
            if not open_edge and y == 0:
                above = here if edge == NO_FLUX else zero
            if not open_edge and y == height - 1:
                below = here if edge == NO_FLUX else zero
            slot = newest - part if newest >= part else newest - part + slots
            _euler_row(above, here, below, gain[slot], kept[slot], k, count, then)
            _close_row(then, count, edge, at_left, at_right)
        y = front - substeps
        if top <= y < bottom:
            done, line = rows[substeps, _third(y - first_y)], out[y]
            for x in range(left, right):
                line[np.uint64(x)] = done[np.uint64(x - first_x + LEFT)]


@kernel
def euler_block(
    c, lattice, factor, gain_of, kept_of, uniform, k, substeps, edge, top, bottom, left, right, out
):
    """All sub-steps of the voxels from ``top`` to ``bottom`` and ``left`` to ``right``, into `out`.

    A margin of one voxel per sub-step is computed with the block, so that blocks need nothing of
    each other and results do not depend on how a field is cut: errors at the margin's outer end
    do not reach the block. Only the rows at work are kept, which fit the cache.
    """
    width = c.shape[1]
    first_x, end_x = left - substeps, right + substeps
    if edge != PERIODIC or right - left == width:
        first_x, end_x = max(first_x, 0), min(end_x, width)
    count = end_x - first_x
    room = (count + 2 * LEFT) // LEFT * LEFT  # rows begin and end where vectors do
    rows = np.zeros((substeps + 1, 3, room))  # the latest three rows of each sub-step
    gain, kept = np.empty((substeps + 1, room)), np.empty((substeps + 1, room))
    _euler_block(
        c, lattice, factor, gain_of, kept_of, uniform, k, substeps, edge, top, bottom, left, right,
        first_x, count, rows, gain, kept, np.zeros(room), out,
    )  # fmt: skip


@kernel
def _euler(c, lattice, factor, gain_of, kept_of, uniform, k, substeps, edge, threads, out):
    height, width = c.shape
    strips = max(1, width // BLOCK_WIDTH)
    for block in range(threads * strips):
        band, strip = block // strips, block % strips
        euler_block(
            c, lattice, factor, gain_of, kept_of, uniform, k, substeps, edge,
            band * height // threads, (band + 1) * height // threads,
            strip * width // strips, (strip + 1) * width // strips, out,
        )  # fmt: skip
    for band in range(threads):
        for y in range(band * height // threads, (band + 1) * height // threads):
            for x in range(width):
                c[y, np.uint64(x)] = out[y, np.uint64(x)]


def euler_step(
    c: NDArray[np.float64],
    lattice: NDArray[np.int32],
    factor: int,
    source_of: NDArray[np.float64],
    loss_of: NDArray[np.float64],
    diffusion: float,
    dt: float,
    substeps: int,
    edge: int,
    threads: int = 1,
) -> None:
    """Forward Euler, in place: in each sub-step diffuse, then react.

    First order in the sub-step, second in the voxel; stable while diffusion * h <= 1/4 and
    loss * h <= 1 with h = dt / substeps.

    Parameters
    ----------
    c : (height, width) float64
        Concentration, changed.
    lattice : (height, width) int32
    factor : int
        Sites along a voxel's side.
    source_of, loss_of : (rows,) float64
        Source per time and loss rate of the medium, row 0, and of each cell.
    diffusion : float
        D / voxel^2, per time.
    dt : float
    substeps : int
    edge : int
        `NO_FLUX`, `ABSORBING` (c = 0 one voxel outside) or `PERIODIC`.
    threads : int
        Results are bit-identical for any number.
    """
    h = dt / substeps
    gain_of, kept_of = h * source_of, 1.0 - h * loss_of
    uniform = bool((gain_of[1:] == gain_of[-1]).all() and (kept_of[1:] == kept_of[-1]).all())
    _euler(
        c, lattice, factor, gain_of, kept_of, uniform, h * diffusion, substeps, edge, threads,
        np.empty_like(c),
    )  # fmt: skip
