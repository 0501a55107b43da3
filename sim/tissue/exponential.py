"""The solver whose steady state does not depend on the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.kernels.compiling import kernel
from sim.tissue.fields import NO_FLUX, PERIODIC
from sim.tissue.voxels import is_uniform, spread

Transform = Callable[[NDArray[Any]], NDArray[Any]]


def eigenvalues(n: int, edge: int) -> NDArray[np.float64]:
    """Eigenvalues (n,) of the three-point Laplacian of n voxels with this edge."""
    if edge == PERIODIC:
        angle = 2 * np.pi * scipy.fft.fftfreq(n)
    elif edge == NO_FLUX:
        angle = np.pi * np.arange(n) / n
    else:
        angle = np.pi * np.arange(1, n + 1) / (n + 1)
    return np.asarray(2.0 * np.cos(angle) - 2.0)


def _transforms(shape: tuple[int, int], edge: int) -> tuple[Transform, Transform]:
    """To the eigenbasis of the Laplacian with this edge, and back, of a stack of fields."""
    axes = 1, 2
    if edge == PERIODIC:
        return partial(scipy.fft.rfft2, axes=axes), partial(scipy.fft.irfft2, s=shape, axes=axes)
    if edge == NO_FLUX:
        forward, backward, kind = scipy.fft.dctn, scipy.fft.idctn, 2
    else:
        forward, backward, kind = scipy.fft.dstn, scipy.fft.idstn, 1
    how = {"type": kind, "axes": axes, "overwrite_x": True}
    return partial(forward, **how), partial(backward, **how)


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


@kernel
def _react(overlap, factor, source_of, rest_of, c, out):
    """Source and what is left of the loss, by voxel: ``out`` becomes source + rest c."""
    spread(overlap, factor, source_of, out)
    if is_uniform(rest_of):
        for at in range(c.size):
            out[at] += rest_of[0] * c[at]
    else:
        rest = np.empty(c.size)
        spread(overlap, factor, rest_of, rest)
        for at in range(c.size):
            out[at] += rest[at] * c[at]


def substeps_for(loss_of: NDArray[np.float64], dt: float, least: int) -> int:
    """Sub-steps of a field: more than stated where u0 dt > 1."""
    return max(least, int(np.ceil(loss_of.max() * dt)))


def exponential_step(
    fields: Sequence[NDArray[np.float64]],
    overlap: NDArray[np.int32],
    factor: int,
    source_of: NDArray[np.float64],
    loss_of: NDArray[np.float64],
    diffusion: Sequence[float],
    dt: float,
    substeps: int,
    edge: int,
    held: Sequence[NDArray[np.float64] | None] = (),
) -> None:
    """Exponential time differencing in the eigenbasis of the five-point Laplacian, in place.

    With u0 = max(loss) inside the exponential and (u0 - loss) c >= 0 among the sources (Cox &
    Matthews 2002, doi 10.1006/jcph.2002.6995, first order), the steady state is that of the
    Laplacian whatever the step, and what is non-negative stays so up to rounding. Uniform loss
    and constant sources are integrated exactly.

    Parameters
    ----------
    fields : sequence of (height, width) float64
        Concentrations, changed: n fields with voxels of one size, which are transformed together.
    overlap : (overlaps, 3) int32
        See `overlaps`.
    factor : int
        Sites along a voxel's side.
    source_of, loss_of : (n, rows) float64
        Source per time and loss rate of the medium, row 0, and of each cell.
    diffusion : sequence of float
        D / voxel^2 of each field, per time.
    dt : float
    substeps : int
        See `substeps_for`.
    edge : int
        `NO_FLUX`, `ABSORBING` (c = 0 one voxel outside) or `PERIODIC`.
    held : sequence of (height, width) float64 or None
        Source per time of each voxel beside that, by field; none where there is no sequence.
    """
    n, shape = len(fields), fields[0].shape
    u0 = loss_of.max(axis=1)
    rest_of = u0[:, None] - loss_of
    forward, backward = _transforms(shape, edge)
    for _ in range(substeps):
        both = np.empty((2 * n, *shape))  # concentrations, then what they gain
        for k, c in enumerate(fields):
            both[k] = c
            _react(overlap, factor, source_of[k], rest_of[k], c.ravel(), both[n + k].ravel())
            if held and held[k] is not None:
                both[n + k] += held[k]
        both = forward(both)
        for k in range(n):
            kept, gained = _propagator(shape, diffusion[k], float(u0[k]), dt / substeps, edge)
            both[k] *= kept
            both[n + k] *= gained
            both[k] += both[n + k]
        for c, moved in zip(fields, backward(both[:n]), strict=True):
            c[:] = moved
