"""Concentration fields: secretion, decay, uptake and exchange on the lattice's voxels.

    dc/dt = D lap c + source - loss c

Sources and losses stand in two (height, width) arrays, one voxel each; `spread` makes them from
one number per cell. Two solvers: forward Euler in stated sub-steps, and exponential time
differencing whose steady state does not depend on the step.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.tissue.kernel import kernel
from sim.tissue.lattice import HALO

NO_FLUX, ABSORBING, PERIODIC = range(3)  # edges


@kernel
def spread(lattice, factor, per_row, out):  # type: ignore[no-untyped-def]
    """Mean over each voxel of a number per cell row.

    Parameters
    ----------
    lattice : (height + 4, width + 4) int32
    factor : int
        Sites along a voxel's side.
    per_row : (rows,) float64
        Row 0 is the medium.
    out : (height / factor, width / factor) float64
    """
    share = 1.0 / (factor * factor)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total = 0.0
            for y in range(i * factor + HALO, (i + 1) * factor + HALO):
                for x in range(j * factor + HALO, (j + 1) * factor + HALO):
                    total += per_row[lattice[y, x]]
            out[i, j] = total * share


@kernel
def average_by_cell(lattice, factor, field, total, count):  # type: ignore[no-untyped-def]
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
def at_sites(field, factor, periodic, out):  # type: ignore[no-untyped-def]
    """Field at every site, halo included: bilinear between the centres of coarse voxels.

    Parameters
    ----------
    field : (height / factor, width / factor) float64
    factor : int
    periodic : bool
        Beyond the edge stands the opposite edge, or else the edge itself.
    out : (height + 4, width + 4) float64
    """
    rows, columns = field.shape
    for y in range(out.shape[0]):
        v = (y - HALO + 0.5) / factor - 0.5
        i = int(np.floor(v))
        fy = v - i
        i1 = i + 1
        if periodic:
            i, i1 = i % rows, i1 % rows
        else:
            i, i1 = min(max(i, 0), rows - 1), min(max(i1, 0), rows - 1)
        for x in range(out.shape[1]):
            u = (x - HALO + 0.5) / factor - 0.5
            j = int(np.floor(u))
            fx = u - j
            j1 = j + 1
            if periodic:
                j, j1 = j % columns, j1 % columns
            else:
                j, j1 = min(max(j, 0), columns - 1), min(max(j1, 0), columns - 1)
            low = field[i, j] * (1.0 - fx) + field[i, j1] * fx
            high = field[i1, j] * (1.0 - fx) + field[i1, j1] * fx
            out[y, x] = low * (1.0 - fy) + high * fy


@kernel
def _fill_edge(c, edge):  # type: ignore[no-untyped-def]
    """Ghost voxels around a padded field."""
    for x in range(c.shape[1]):
        c[0, x] = 0.0 if edge == 1 else (c[1, x] if edge == 0 else c[-2, x])
        c[-1, x] = 0.0 if edge == 1 else (c[-2, x] if edge == 0 else c[1, x])
    for y in range(c.shape[0]):
        c[y, 0] = 0.0 if edge == 1 else (c[y, 1] if edge == 0 else c[y, -2])
        c[y, -1] = 0.0 if edge == 1 else (c[y, -2] if edge == 0 else c[y, 1])


@kernel
def euler_step(c, source, loss, diffusion, dt, substeps, edge):  # type: ignore[no-untyped-def]
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
    """
    height, width = c.shape
    h = dt / substeps
    k = diffusion * h
    now, then = np.zeros((height + 2, width + 2)), np.zeros((height + 2, width + 2))
    now[1:-1, 1:-1] = c
    for _ in range(substeps):
        _fill_edge(now, edge)
        for y in range(height):
            above, here, below = now[y], now[y + 1], now[y + 2]
            out, s, u = then[y + 1], source[y], loss[y]
            for x in range(width):
                moved = here[x + 1] + k * (
                    (above[x + 1] + below[x + 1]) + (here[x] + here[x + 2]) - 4.0 * here[x + 1]
                )
                out[x + 1] = moved + h * (s[x] - u[x] * moved)
        now, then = then, now
    c[:] = now[1:-1, 1:-1]


def eigenvalues(n: int, edge: int) -> NDArray[np.float64]:
    """Eigenvalues (n,) of the three-point Laplacian of n voxels with this edge."""
    if edge == PERIODIC:
        angle = 2 * np.pi * scipy.fft.fftfreq(n)
    elif edge == NO_FLUX:
        angle = np.pi * np.arange(n) / n
    else:
        angle = np.pi * np.arange(1, n + 1) / (n + 1)
    return np.asarray(2.0 * np.cos(angle) - 2.0)


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

    Parameters as in `euler_step`.
    """
    u0 = float(loss.max())
    substeps = max(substeps, int(np.ceil(u0 * dt)))
    h = dt / substeps
    rows, columns = c.shape
    if edge == PERIODIC:
        lam_x = eigenvalues(columns, edge)[: columns // 2 + 1]

        def forward(a: NDArray[np.float64]) -> NDArray[np.complex128]:
            return np.asarray(scipy.fft.rfft2(a))

        def backward(a: NDArray[np.complex128]) -> NDArray[np.float64]:
            return np.asarray(scipy.fft.irfft2(a, s=c.shape))
    else:
        transform, inverse, kind = (
            (scipy.fft.dctn, scipy.fft.idctn, 2)
            if edge == NO_FLUX
            else (scipy.fft.dstn, scipy.fft.idstn, 1)
        )
        lam_x = eigenvalues(columns, edge)

        def forward(a: NDArray[np.float64]) -> NDArray[np.complex128]:
            return np.asarray(transform(a, type=kind))

        def backward(a: NDArray[np.complex128]) -> NDArray[np.float64]:
            return np.asarray(inverse(a, type=kind))

    rate = diffusion * (eigenvalues(rows, edge)[:, None] + lam_x[None, :]) - u0
    growth = np.exp(rate * h)
    weight = np.full_like(rate, h)  # (exp(rate h) - 1) / rate
    np.divide(np.expm1(rate * h), rate, out=weight, where=rate != 0.0)
    for _ in range(substeps):
        c[:] = backward(growth * forward(c) + weight * forward(source + (u0 - loss) * c))


def sense(
    field: NDArray[np.float64], factor: int, periodic: bool, out: NDArray[np.float64]
) -> None:
    """Field at every site, halo included, into ``out``; see `at_sites`."""
    if factor > 1:
        at_sites(field, factor, periodic, out)
        return
    out[HALO:-HALO, HALO:-HALO] = field
    if periodic:
        out[:HALO], out[-HALO:] = out[-2 * HALO : -HALO], out[HALO : 2 * HALO]
        out[:, :HALO], out[:, -HALO:] = out[:, -2 * HALO : -HALO], out[:, HALO : 2 * HALO]
