"""Concentration fields: secretion, decay, uptake and exchange on the lattice's voxels.

    dc/dt = D lap c + source - loss c

Sources and losses are one number per cell; a voxel has the mean over its sites. Two solvers:
forward Euler in stated sub-steps, and exponential time differencing whose steady state does not
depend on the step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.tissue.kernel import inlined, kernel, on_threads, threaded
from sim.tissue.lattice import HALO

Transform = Callable[[NDArray[Any]], NDArray[Any]]

NO_FLUX, ABSORBING, PERIODIC = range(3)  # edges
BLOCK_WIDTH = 400  # voxels; the rows at work of fifteen sub-steps fit the second-level cache


@inlined
def _mean_over_voxel(lattice, factor, y, x, of):
    """Mean over a voxel's sites of one number per cell row."""
    total = 0.0
    for site_y in range(y * factor + HALO, (y + 1) * factor + HALO):
        for site_x in range(x * factor + HALO, (x + 1) * factor + HALO):
            total += of[lattice[site_y, site_x]]
    return total / (factor * factor)


@kernel
def spread(lattice, factor, of):
    """Mean over each voxel's sites of one number per cell row.

    Parameters
    ----------
    lattice : (height + 4, width + 4) int32
    factor : int
        Sites along a voxel's side.
    of : (rows,) float64
        Row 0 is the medium.

    Returns
    -------
    (height / factor, width / factor) float64
    """
    height, width = lattice.shape[0] - 2 * HALO, lattice.shape[1] - 2 * HALO
    out = np.empty((height // factor, width // factor))
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = _mean_over_voxel(lattice, factor, y, x, of)
    return out


@kernel
def average_by_cell(lattice, factor, field, total, count):
    """Mean of a field over each cell's sites, into ``total`` (rows,); rows without sites give 0."""
    total[:] = 0.0
    count[:] = 0
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            for y in range(i * factor + HALO, (i + 1) * factor + HALO):
                for x in range(j * factor + HALO, (j + 1) * factor + HALO):
                    row = lattice[y, x]
                    total[row] += field[i, j]
                    count[row] += 1
    for row in range(total.shape[0]):
        if count[row] > 0:
            total[row] /= count[row]


@kernel
def sense(field, factor, periodic, saturation, out):
    """What a site attracts with, f(c) = c / (1 + s c), halo included.

    Coarse voxels are interpolated bilinearly between their centres.

    Parameters
    ----------
    field : (height / factor, width / factor) float64
    factor : int
    periodic : bool
        Beyond the edge stands the opposite edge, or else the edge itself.
    saturation : float
        s, per unit of the field.
    out : (height + 4, width + 4) float64
    """
    rows, columns = field.shape
    if factor == 1:
        for y in range(out.shape[0]):
            here, line = field[_beyond(y - HALO, rows, periodic)], out[y]
            inside = line[HALO:]
            for x in range(columns):
                inside[x] = here[x] / (1.0 + saturation * here[x])
            for x in range(HALO):
                line[x] = inside[_beyond(x - HALO, columns, periodic)]
                inside[columns + x] = inside[_beyond(columns + x, columns, periodic)]
        return
    left, right = np.empty(out.shape[1], np.int64), np.empty(out.shape[1], np.int64)
    share = np.empty(out.shape[1])
    for x in range(out.shape[1]):
        left[x], right[x], share[x] = _voxels_around(x - HALO, factor, columns, periodic)
    for y in range(out.shape[0]):
        above, below, part = _voxels_around(y - HALO, factor, rows, periodic)
        upper, lower, line = field[above], field[below], out[y]
        for x in range(out.shape[1]):
            j, k, f = left[x], right[x], share[x]
            high = upper[j] * (1.0 - f) + upper[k] * f
            low = lower[j] * (1.0 - f) + lower[k] * f
            c = high * (1.0 - part) + low * part
            line[x] = c / (1.0 + saturation * c)


@inlined
def _beyond(i, n, periodic):
    """The voxel that stands for one at most a little beyond the edge."""
    return i % n if periodic else min(max(i, 0), n - 1)


@inlined
def _voxels_around(site, factor, voxels, periodic):
    """The two voxels whose centres lie around a site along an axis, and the second's share."""
    position = (site + 0.5) / factor - 0.5
    first = int(np.floor(position))
    share = position - first
    second = first + 1
    return _beyond(first, voxels, periodic), _beyond(second, voxels, periodic), share


def settle(c: NDArray[np.float64]) -> tuple[float, float]:
    """Lowest and highest value of a field; what is negative by rounding becomes zero."""
    lowest, highest = float(c.min()), float(c.max())
    if lowest < 0.0:
        np.maximum(c, 0.0, out=c)
    return lowest, highest


@inlined
def _load_row(c, lattice, factor, gain_of, kept_of, y, first_x, now, gain, kept):
    """A row of a block before the first sub-step, and what each voxel gains and keeps in one."""
    line, width = c[y], c.shape[1]
    j, x = 0, first_x % width
    while j < gain.shape[0]:  # in runs that end where the domain wraps around
        run = min(gain.shape[0] - j, width - x)
        for i in range(run):
            now[j + i + 1] = line[x + i]
        if factor == 1:
            sites = lattice[y + HALO, HALO:]
            for i in range(run):
                row = np.uint64(sites[x + i])
                gain[j + i], kept[j + i] = gain_of[row], kept_of[row]
        else:
            for i in range(run):
                gain[j + i] = _mean_over_voxel(lattice, factor, y, x + i, gain_of)
                kept[j + i] = _mean_over_voxel(lattice, factor, y, x + i, kept_of)
        j, x = j + run, 0


@inlined
def _euler_row(above, here, below, gain, kept, k, then):
    """A row of a sub-step, without its ghost voxels: diffuse, then react."""
    middle, left, right = here[1:], here, here[2:]
    up, down, out, stay = above[1:], below[1:], then[1:], 1.0 - 4.0 * k
    for x in range(gain.shape[0]):
        moved = stay * middle[x] + k * ((up[x] + down[x]) + (left[x] + right[x]))
        out[x] = kept[x] * moved + gain[x]


@inlined
def _third(age):
    """Which of three rows holds the one of this age."""
    return np.int64(np.uint64(age) % np.uint64(3))


@inlined
def _close_row(line, edge, at_left, at_right):
    """Ghost voxels at the ends of a row that reaches the border of the domain."""
    if at_left:
        line[0] = line[1] if edge == NO_FLUX else 0.0
    if at_right:
        line[-1] = line[-2] if edge == NO_FLUX else 0.0


@inlined
def _euler_block(
    c, lattice, factor, gain_of, kept_of, k, substeps, edge, top, bottom, left, right, first_x,
    rows, gain, kept, zero, out,
):  # fmt: skip
    """All sub-steps of a block: row y of one follows at once on row y + 1 of the one before."""
    height, width = c.shape
    open_edge = edge == PERIODIC
    first_y = top - substeps if open_edge else max(top - substeps, 0)
    end_y = bottom + substeps if open_edge else min(bottom + substeps, height)
    at_left, at_right = not open_edge and first_x == 0, not open_edge and right == width
    slots = gain.shape[0]
    newest = -1
    for front in range(first_y, end_y + substeps):
        newest = newest + 1 if newest + 1 < slots else 0
        if front < end_y:
            now = rows[0, _third(front - first_y)]
            _load_row(
                c, lattice, factor, gain_of, kept_of, front % height, first_x, now, gain[newest],
                kept[newest],
            )  # fmt: skip
            _close_row(now, edge, at_left, at_right)
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
            _euler_row(above, here, below, gain[slot], kept[slot], k, then)
            _close_row(then, edge, at_left, at_right)
        y = front - substeps
        if top <= y < bottom:
            done, line = rows[substeps, _third(y - first_y)], out[y]
            for x in range(left, right):
                line[x] = done[x - first_x + 1]


@kernel
def euler_block(
    c, lattice, factor, gain_of, kept_of, k, substeps, edge, top, bottom, left, right, out
):
    """All sub-steps of the voxels from ``top`` to ``bottom`` and ``left`` to ``right``, into `out`.

    A margin of one voxel per sub-step is computed with the block, so that blocks need nothing of
    each other and no bit depends on how a field is cut: what is wrong at the margin's outer end
    does not reach the block. Only the rows at work are kept, which fit the cache.
    """
    width = c.shape[1]
    first_x, end_x = left - substeps, right + substeps
    if edge != PERIODIC:
        first_x, end_x = max(first_x, 0), min(end_x, width)
    count = end_x - first_x
    rows = np.zeros((substeps + 1, 3, count + 2))  # the latest three rows of each sub-step
    gain, kept = np.empty((substeps + 1, count)), np.empty((substeps + 1, count))
    _euler_block(
        c, lattice, factor, gain_of, kept_of, k, substeps, edge, top, bottom, left, right, first_x,
        rows, gain, kept, np.zeros(count + 2), out,
    )  # fmt: skip


def _euler(c, lattice, factor, gain_of, kept_of, k, substeps, edge, threads, out):
    height, width = c.shape
    strips = max(1, width // BLOCK_WIDTH)
    for block in numba.prange(threads * strips):
        band, strip = block // strips, block % strips
        euler_block(
            c, lattice, factor, gain_of, kept_of, k, substeps, edge,
            band * height // threads, (band + 1) * height // threads,
            strip * width // strips, (strip + 1) * width // strips, out,
        )  # fmt: skip
    for band in numba.prange(threads):
        for y in range(band * height // threads, (band + 1) * height // threads):
            for x in range(width):
                c[y, x] = out[y, x]


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
    lattice, factor, source_of, loss_of
        As in `spread`: source per time and loss rate are given by cell row.
    diffusion : float
        D / voxel^2, per time.
    dt : float
    substeps : int
    edge : int
        `NO_FLUX`, `ABSORBING` (c = 0 one voxel outside) or `PERIODIC`.
    threads : int
        No bit of the result depends on it.
    """
    h = dt / substeps
    euler = on_threads(threads, _euler_serial, _euler_threaded)
    euler(
        c, lattice, factor, h * source_of, 1.0 - h * loss_of, h * diffusion, substeps, edge,
        threads, np.empty_like(c),
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


def exponential_step(
    c: NDArray[np.float64],
    source: NDArray[np.float64],
    loss: NDArray[np.float64],
    diffusion: float,
    dt: float,
    substeps: int,
    edge: int,
) -> None:
    """Exponential time differencing in the eigenbasis of the five-point Laplacian, in place.

    With u0 = max(loss) inside the exponential and (u0 - loss) c >= 0 among the sources (Cox &
    Matthews 2002, doi 10.1006/jcph.2002.6995, first order), the steady state is that of the
    Laplacian whatever the step, and what is non-negative stays so up to rounding. Uniform loss
    and constant sources are integrated exactly. More sub-steps are made where u0 dt > 1.

    Parameters as in `euler_step`, without ``work``.
    """
    u0 = float(loss.max())
    substeps = max(substeps, int(np.ceil(u0 * dt)))
    h = dt / substeps
    rows, columns = c.shape
    forward, backward = _transforms(c.shape, edge)
    along_x = eigenvalues(columns, edge)
    if edge == PERIODIC:  # the transform of real numbers keeps half of the frequencies
        along_x = along_x[: columns // 2 + 1]
    rate = diffusion * (eigenvalues(rows, edge)[:, None] + along_x[None, :]) - u0
    growth = np.exp(rate * h)
    weight = np.full_like(rate, h)  # (exp(rate h) - 1) / rate
    np.divide(np.expm1(rate * h), rate, out=weight, where=rate != 0.0)
    for _ in range(substeps):
        c[:] = backward(growth * forward(c) + weight * forward(source + (u0 - loss) * c))
