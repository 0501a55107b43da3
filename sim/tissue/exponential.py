"""The solver whose steady state does not depend on the step."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from sim.tissue.fields import NO_FLUX, PERIODIC
from sim.tissue.voxels import spread

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
