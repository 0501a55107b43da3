"""Values of a field of voxels at points, and what lies in each voxel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel

Array = NDArray[np.float64]


@inlined
def linear(f, y, x):
    """Bilinear value at a place in units of voxels, 0 at the first centre; constant outside."""
    ny, nx = f.shape
    y = min(max(y, 0.0), ny - 1.0)
    x = min(max(x, 0.0), nx - 1.0)
    i = min(int(y), ny - 2)
    j = min(int(x), nx - 2)
    p, q = y - i, x - j
    above = (1.0 - q) * f[i, j] + q * f[i, j + 1]
    below = (1.0 - q) * f[i + 1, j] + q * f[i + 1, j + 1]
    return (1.0 - p) * above + p * below


@kernel
def at_points(f, x, y, voxel):
    """Bilinear values (points,) of a field at places in um."""
    out = np.empty(x.size)
    for k in range(x.size):
        out[k] = linear(f, y[k] / voxel - 0.5, x[k] / voxel - 0.5)
    return out


def uphill(f: Array, x: Array, y: Array, voxel: float) -> tuple[Array, Array]:
    """Unit vectors (points,), x and y, up the gradient of a field; about zero where it is flat."""
    gx = at_points(f, x + voxel, y, voxel) - at_points(f, x - voxel, y, voxel)
    gy = at_points(f, x, y + voxel, voxel) - at_points(f, x, y - voxel, voxel)
    size = np.hypot(gx, gy) + 1e-12
    return gx / size, gy / size


def by_voxel(x: Array, y: Array, amount: Array, voxel: float, n: int) -> Array:
    """Sum (n, n) of the amounts at points by the voxel that they lie in."""
    i = np.clip((y / voxel).astype(np.int64), 0, n - 1)
    j = np.clip((x / voxel).astype(np.int64), 0, n - 1)
    total: Array = np.bincount(i * n + j, weights=amount, minlength=n * n).astype(np.float64)
    return total.reshape(n, n)


def inside(phi: Array, voxel: float) -> Array:
    """Share of each voxel inside the outline phi = 0: linear in the distance across one voxel."""
    return np.clip(0.5 - phi / voxel, 0.0, 1.0)
