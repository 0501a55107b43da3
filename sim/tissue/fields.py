"""Concentration fields: secretion, decay, uptake and exchange on the lattice's voxels.

    dc/dt = D lap c + source - loss c

Sources and losses stand in two (height, width) arrays, one voxel each; `spread` makes them from
one number per cell. Two solvers: forward Euler in stated sub-steps, and exponential time
differencing whose steady state does not depend on the step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.tissue.kernel import inlined, kernel
from sim.tissue.lattice import HALO

Transform = Callable[[NDArray[Any]], NDArray[Any]]

NO_FLUX, ABSORBING, PERIODIC = range(3)  # edges


@kernel
def spread(lattice, factor, source_of, loss_of, source, loss):
    """Source and loss of each voxel, the means over its sites of one number per cell row.

    Parameters
    ----------
    lattice : (height + 4, width + 4) int32
    factor : int
        Sites along a voxel's side.
    source_of, loss_of : (rows,) float64
        Row 0 is the medium.
    source, loss : (height / factor, width / factor) float64
        Filled.
    """
    height, width = source.shape
    if factor == 1:
        for y in range(height):
            for x in range(width):
                row = lattice[y + HALO, x + HALO]
                source[y, x] = source_of[row]
                loss[y, x] = loss_of[row]
        return
    share = 1.0 / (factor * factor)
    for i in range(height):
        for j in range(width):
            s = u = 0.0
            for y in range(i * factor + HALO, (i + 1) * factor + HALO):
                for x in range(j * factor + HALO, (j + 1) * factor + HALO):
                    row = lattice[y, x]
                    s += source_of[row]
                    u += loss_of[row]
            source[i, j] = s * share
            loss[i, j] = u * share


@kernel
def average_by_cell(lattice, factor, values, area, mean):
    """Means of some fields over each cell's sites, in one pass.

    Parameters
    ----------
    lattice : (height + 4, width + 4) int32
    factor : int
        Sites along a voxel's side.
    values : (height / factor, width / factor, fields) float64
    area : (rows,) int64
        Sites of each cell.
    mean : (rows, fields) float64
        Filled; 0 for rows without sites, the medium and the wall.
    """
    width, fields = values.shape[1] * factor, values.shape[2]
    voxel = np.empty(width, np.int32)
    for x in range(width):
        voxel[x] = x // factor
    mean[:] = 0.0
    for y in range(values.shape[0] * factor):
        line, voxels = lattice[y + HALO, HALO:], values[y // factor]
        for x in range(width):
            row = line[x]
            if row > 0:
                for k in range(fields):
                    mean[row, k] += voxels[voxel[x], k]
    for row in range(area.size):
        for k in range(fields):
            mean[row, k] /= max(area[row], 1)


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
    if factor == 1 and not periodic:
        for y in range(out.shape[0]):
            here, line = field[min(max(y - HALO, 0), rows - 1)], out[y]
            inside = line[HALO:]
            for x in range(columns):
                inside[x] = here[x] / (1.0 + saturation * here[x])
            line[:HALO], line[-HALO:] = line[HALO], line[-HALO - 1]
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
def _voxels_around(site, factor, voxels, periodic):
    """The two voxels whose centres lie around a site along an axis, and the second's share."""
    position = (site + 0.5) / factor - 0.5
    first = int(np.floor(position))
    share = position - first
    second = first + 1
    if periodic:
        return first % voxels, second % voxels, share
    return min(max(first, 0), voxels - 1), min(max(second, 0), voxels - 1), share


@kernel
def settle(c):
    """Lowest and highest value of a field; what is negative by rounding becomes zero."""
    lowest, highest = c[0, 0], c[0, 0]
    for y in range(c.shape[0]):
        for x in range(c.shape[1]):
            value = c[y, x]
            if not value <= np.inf:  # not a number
                return np.nan, np.nan
            lowest, highest = min(lowest, value), max(highest, value)
            c[y, x] = max(value, 0.0)
    return lowest, highest


@kernel
def _fill_edge(c, edge):
    """Ghost voxels around a padded field."""
    for x in range(c.shape[1]):
        c[0, x] = 0.0 if edge == 1 else (c[1, x] if edge == 0 else c[-2, x])
        c[-1, x] = 0.0 if edge == 1 else (c[-2, x] if edge == 0 else c[1, x])
    for y in range(c.shape[0]):
        c[y, 0] = 0.0 if edge == 1 else (c[y, 1] if edge == 0 else c[y, -2])
        c[y, -1] = 0.0 if edge == 1 else (c[y, -2] if edge == 0 else c[y, 1])


@kernel
def _euler_substep(now, then, source, loss, k, h):
    """Diffuse, then react; one row at a time, so that the inner loop is vectorised."""
    height, width = source.shape
    for y in range(height):
        above, here, below = now[y, 1:], now[y + 1, 1:], now[y + 2, 1:]
        left, right = now[y + 1], now[y + 1, 2:]
        out, s, u = then[y + 1, 1:], source[y], loss[y]
        for x in range(width):
            moved = here[x] + k * ((above[x] + below[x]) + (left[x] + right[x]) - 4.0 * here[x])
            out[x] = moved + h * (s[x] - u[x] * moved)


@kernel
def euler_step(c, source, loss, diffusion, dt, substeps, edge, work):
    """Forward Euler, in place: in each sub-step diffuse, then react.

    First order in the sub-step, second in the voxel; stable while diffusion * h <= 1/4 and
    loss * h <= 1 with h = dt / substeps.

    Parameters
    ----------
    c, source, loss : (height, width) float64
        Concentration (changed), source per time, loss rate.
    diffusion : float
        D / voxel^2, per time.
    dt : float
    substeps : int
    edge : int
        `NO_FLUX`, `ABSORBING` (c = 0 one voxel outside) or `PERIODIC`.
    work : (2, height + 2, width + 2) float64
        Room for two padded copies; its content does not matter.
    """
    h = dt / substeps
    k = diffusion * h
    now, then = work[0], work[1]
    now[1:-1, 1:-1] = c
    for part in range(substeps):
        if part % 2 == 0:
            _fill_edge(now, edge)
            _euler_substep(now, then, source, loss, k, h)
        else:
            _fill_edge(then, edge)
            _euler_substep(then, now, source, loss, k, h)
    c[:] = now[1:-1, 1:-1] if substeps % 2 == 0 else then[1:-1, 1:-1]


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
