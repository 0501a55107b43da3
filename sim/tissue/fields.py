"""Concentration fields: secretion, decay, uptake and exchange on the lattice's voxels.

    dc/dt = D lap c + source - loss c

Sources and losses are one number per cell; a voxel has the mean over its sites. Two solvers:
forward Euler in stated sub-steps, and exponential time differencing whose steady state does not
depend on the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel, on_threads, threaded
from sim.tissue.lattice import MEDIUM, runs_of

Transform = Callable[[NDArray[Any]], NDArray[Any]]

NO_FLUX, ABSORBING, PERIODIC = range(3)  # edges
EDGES = {"no_flux": NO_FLUX, "absorbing": ABSORBING, "periodic": PERIODIC}
LEFT = 4  # where a row begins in its buffer: its left ghost voxel precedes a whole vector
BLOCK_WIDTH = 400  # voxels; the rows at work of fifteen sub-steps fit the second-level cache


@inlined
def _mean_over_voxel(lattice, factor, y, x, of):
    """Mean over a voxel's sites of one number per cell row."""
    total = 0.0
    for site_y in range(y * factor, (y + 1) * factor):
        for site_x in range(x * factor, (x + 1) * factor):
            total += of[lattice[site_y, site_x]]
    return total / (factor * factor)


@kernel
def overlaps(lattice, factor):
    """Which cells lie in which voxels, line by line of sites.

    Parameters
    ----------
    lattice : (height, width) int32
    factor : int
        Sites along a voxel's side.

    Returns
    -------
    (overlaps, 3) int32
        Voxel, counted row by row; row of the cell; neighbouring sites of it on one line.
    """
    height, width = lattice.shape
    columns = width // factor
    out, n = np.empty((lattice.size, 3), np.int32), 0
    for y in range(height):
        line, first = lattice[y], y // factor * columns
        for column in range(columns):
            x, end = column * factor, (column + 1) * factor
            while x < end:
                row, begin = line[np.uint64(x)], x
                x += 1
                while x < end and line[np.uint64(x)] == row:
                    x += 1
                if row > 0:
                    out[n, 0], out[n, 1], out[n, 2] = first + column, row, x - begin
                    n += 1
    return out[:n]


@kernel
def spread(overlap, factor, of, out):
    """Mean over each voxel's sites of one number per cell row.

    Parameters
    ----------
    overlap : (overlaps, 3) int32
        See `overlaps`.
    factor : int
        Sites along a voxel's side.
    of : (rows,) float64
        Row 0 is the medium; there is no wall.
    out : (voxels,) float64
        Filled.
    """
    out[:] = 0.0
    if not np.all(of == of[0]):  # else no need to look who is where
        for i in range(overlap.shape[0]):
            voxel, row = np.uint64(overlap[i, 0]), np.uint64(overlap[i, 1])
            out[voxel] += overlap[i, 2] * (of[row] - of[0])
    sites = factor * factor
    for at in range(out.size):
        out[at] = of[0] + out[at] / sites


@kernel
def average_by_cell(overlap, values, area, mean):
    """Means of some fields over each cell's sites.

    Parameters
    ----------
    overlap : (overlaps, 3) int32
        See `overlaps`.
    values : (voxels, fields) float64
    area : (rows,) int64
        Sites of each cell.
    mean : (rows, fields) float64
        Filled; 0 for rows without sites, the medium and the wall.
    """
    mean[:] = 0.0
    for i in range(overlap.shape[0]):
        voxel, row, sites = np.uint64(overlap[i, 0]), np.uint64(overlap[i, 1]), overlap[i, 2]
        for k in range(values.shape[1]):
            mean[row, np.uint64(k)] += sites * values[voxel, np.uint64(k)]
    for of in range(area.size):
        for k in range(values.shape[1]):
            mean[of, k] /= max(area[of], 1)


@dataclass
class Field:
    """A concentration on voxels, and how it moves."""

    name: str
    values: NDArray[np.float64]
    """(rows, columns) voxels"""
    factor: int
    """sites along a voxel's side"""
    diffusion: float
    """D / voxel^2, per time"""
    edge: str
    """a name of `EDGES`"""
    solver: str
    """``"explicit"`` or ``"exponential"``"""
    substeps: int


class Attractants(NamedTuple):
    """The fields that cells follow, as kernels take them."""

    values: NDArray[np.float64]
    """(voxels of all fields,) one field after the other, row by row."""
    layout: NDArray[np.int64]
    """(fields, 4) where a field begins, its rows, its columns, sites along a voxel's side."""

    @classmethod
    def of(cls, followed: Sequence[Field]) -> Attractants:
        """Move the values of fields into one array, in which they stay where they were."""
        values = np.concatenate([np.empty(0), *(field.values.ravel() for field in followed)])
        layout = np.empty((len(followed), 4), np.int64)
        begin = 0
        for k, field in enumerate(followed):
            shape, end = field.values.shape, begin + field.values.size
            field.values = values[begin:end].reshape(shape)
            layout[k] = begin, *shape, field.factor
            begin = end
        return cls(values, layout)


@inlined
def _voxels_around(site, factor, voxels, periodic):
    """The two voxels whose centres lie around a site along an axis, and the second's share.

    Beyond the edge is the opposite edge of a periodic domain, or else the edge itself.
    """
    position = (site + 0.5) / factor - 0.5
    first = int(np.floor(position))
    share = position - first
    if periodic:
        return first % voxels, (first + 1) % voxels, share
    return max(first, 0), min(first + 1, voxels - 1), share


@kernel
def sense(attractants, ys, xs, periodic):
    """Concentrations of the followed fields at the sites of a patch.

    Coarse voxels are interpolated bilinearly between their centres.

    Parameters
    ----------
    attractants : Attractants
    ys, xs : (rows,), (columns,) int64
        Sites of a patch along both axes, -1 for walls; see `sim.tissue.lattice.patch_axis`.
    periodic : bool

    Returns
    -------
    (fields, rows * columns) float64
        Whatever is there at walls.
    """
    values, layout = attractants
    row = xs.size
    out = np.empty((layout.shape[0], ys.size * row))
    runs = runs_of(xs)
    left, right, share = np.empty(row, np.int64), np.empty(row, np.int64), np.empty(row)
    for k in range(layout.shape[0]):
        begin, rows, columns, factor = layout[k, 0], layout[k, 1], layout[k, 2], layout[k, 3]
        field, line = values[begin : begin + rows * columns], out[k]
        if factor == 1:
            for i in range(ys.size):
                first = max(ys[i], 0) * columns
                for r in range(runs.shape[0]):
                    at, x = i * row + runs[r, 0], first + max(runs[r, 1], 0)
                    for j in range(runs[r, 2]):
                        line[np.uint64(at + j)] = field[np.uint64(x + j)]
            continue
        for i in range(row):
            left[i], right[i], share[i] = _voxels_around(xs[i], factor, columns, periodic)
        for i in range(ys.size):
            above, below, part = _voxels_around(ys[i], factor, rows, periodic)
            upper, lower = field[above * columns :], field[below * columns :]
            for j in range(row):
                high = upper[left[j]] * (1.0 - share[j]) + upper[right[j]] * share[j]
                low = lower[left[j]] * (1.0 - share[j]) + lower[right[j]] * share[j]
                line[i * row + j] = high * (1.0 - part) + low * part
    return out


def settle(c: NDArray[np.float64]) -> tuple[float, float]:
    """Lowest and highest value of a field; what is negative by rounding becomes zero."""
    lowest, highest = float(c.min()), float(c.max())
    if lowest < 0.0:
        np.maximum(c, 0.0, out=c)
    return lowest, highest


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
                gain[done + i] = _mean_over_voxel(lattice, factor, y, x + i, gain_of)
                kept[done + i] = _mean_over_voxel(lattice, factor, y, x + i, kept_of)
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


def _euler(c, lattice, factor, gain_of, kept_of, uniform, k, substeps, edge, threads, out):
    height, width = c.shape
    strips = max(1, width // BLOCK_WIDTH)
    for block in numba.prange(threads * strips):
        band, strip = block // strips, block % strips
        euler_block(
            c, lattice, factor, gain_of, kept_of, uniform, k, substeps, edge,
            band * height // threads, (band + 1) * height // threads,
            strip * width // strips, (strip + 1) * width // strips, out,
        )  # fmt: skip
    for band in numba.prange(threads):
        for y in range(band * height // threads, (band + 1) * height // threads):
            for x in range(width):
                c[y, np.uint64(x)] = out[y, np.uint64(x)]


_euler_serial, _euler_threaded = kernel(_euler), threaded(_euler)


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
    euler = on_threads(threads, _euler_serial, _euler_threaded)
    euler(
        c, lattice, factor, gain_of, kept_of, uniform, h * diffusion, substeps, edge, threads,
        np.empty_like(c),
    )  # fmt: skip


def eigenvalues(n: int, edge: int) -> NDArray[np.float64]:
    """Eigenvalues (n,) of the three-point Laplacian of n voxels with this edge."""
    if edge == PERIODIC:
        angle = 2 * np.pi * scipy.fft.fftfreq(n)
    elif edge == NO_FLUX:
        angle = np.pi * np.arange(n) / n
    else:
        angle = np.pi * np.arange(1, n + 1) / (n + 1)
    return np.asarray(2.0 * np.cos(angle) - 2.0)


def _transforms(shape: tuple[int, ...], edge: int) -> tuple[Transform, Transform]:
    """To the eigenbasis of the Laplacian with this edge, and back."""
    if edge == PERIODIC:
        return scipy.fft.rfft2, partial(scipy.fft.irfft2, s=shape)
    if edge == NO_FLUX:
        return partial(scipy.fft.dctn, type=2), partial(scipy.fft.idctn, type=2)
    return partial(scipy.fft.dstn, type=1), partial(scipy.fft.idstn, type=1)


@lru_cache(maxsize=4)  # as many ligands as there are, and one more
def _propagator(
    shape: tuple[int, int], diffusion: float, u0: float, h: float, edge: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What a frequency keeps in a sub-step, and what it gains from a unit source."""
    rows, columns = shape
    along_x = eigenvalues(columns, edge)
    if edge == PERIODIC:  # the transform of real numbers keeps half of the frequencies
        along_x = along_x[: columns // 2 + 1]
    rate = diffusion * (eigenvalues(rows, edge)[:, None] + along_x[None, :]) - u0
    gained = np.full_like(rate, h)  # (exp(rate h) - 1) / rate
    np.divide(np.expm1(rate * h), rate, out=gained, where=rate != 0.0)
    kept = np.exp(rate * h)
    kept.flags.writeable = gained.flags.writeable = False  # shared by all that ask
    return kept, gained


def exponential_step(
    c: NDArray[np.float64],
    overlap: NDArray[np.int32],
    factor: int,
    source_of: NDArray[np.float64],
    loss_of: NDArray[np.float64],
    diffusion: float,
    dt: float,
    substeps: int,
    edge: int,
) -> None:
    """Exponential time differencing in the eigenbasis of the five-point Laplacian, in place.

    With u0 = max(loss) inside the exponential and (u0 - loss) c >= 0 among the sources (Cox &
    Matthews 2002, doi 10.1006/jcph.2002.6995, first order), the steady state is that of the
    Laplacian whatever the step, and what is non-negative stays so up to rounding. Uniform loss
    and constant sources are integrated exactly. More sub-steps are taken where u0 dt > 1.

    Parameters as in `euler_step`, but for ``overlap``, see `overlaps`.
    """
    u0 = float(loss_of.max())
    substeps = max(substeps, int(np.ceil(u0 * dt)))
    kept, gained = _propagator(c.shape, diffusion, u0, dt / substeps, edge)
    forward, backward = _transforms(c.shape, edge)
    source, rest = np.empty_like(c), np.empty_like(c)
    spread(overlap, factor, source_of, source.ravel())
    spread(overlap, factor, u0 - loss_of, rest.ravel())
    for _ in range(substeps):
        c[:] = backward(kept * forward(c) + gained * forward(source + rest * c))
