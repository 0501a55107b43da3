"""The tumour: viable and dead tissue that fill an outline, which is a level set.

phi is the signed distance to the outline in um, negative inside. Inside, the viable share w and the
dead share 1 - w fill the tissue, so its density is 1 by construction:

    w' = w [(g + k_c)(1 - w) - a]        g = ln 2 / T_d min(1, p / p_hypoxic)
                                         a = ln 2 / T_an / (1 + (p / p_anoxic)^2)
    div v = S = H (g w - k_c (1 - w))    k_c = ln 2 / T_clear

The velocity is v = grad psi with lap psi = S and psi = 0 at the border, so host tissue yields
outward. The area is integrated, A' = sum of S voxel^2; the level set says only where it lies.
"""

from __future__ import annotations

from functools import lru_cache
from math import log, pi

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dstn, idstn

from sim.bed.grid import at_points, inside, linear
from sim.bed.numbers import Numbers
from sim.errors import NumericalError
from sim.kernels.compiling import inlined, kernel

Array = NDArray[np.float64]

HOURS = 6
"""Time step of the tumour."""
SMOOTHING_H = 0.5
"""Time step of curvature flow, explicit."""
LEAST_VOXELS = 4
"""A smaller tumour is gone."""
MARGIN_VOXELS = 3
"""Between the tumour and the border, at least."""
TAPER_UM = 200.0
"""From here to the border the motion of nodes falls to 0, so that held ends stay."""
BAND_VOXELS = 6
"""Curvature is that within this distance of the outline."""
EXTENSION_VOXELS = 4
"""By which w is continued outside."""
BISECTIONS = 60
FAR = 1e9


@inlined
def _weights(t):
    """Catmull-Rom weights of four neighbours at t in [0, 1] between the inner ones."""
    return (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )


@inlined
def _cubic(f, y, x, clamp):
    """Catmull-Rom value at a place in units of voxels, between its four neighbours if clamped."""
    ny, nx = f.shape
    y, x = min(max(y, 0.0), ny - 1.0), min(max(x, 0.0), nx - 1.0)
    i, j = min(int(y), ny - 2), min(int(x), nx - 2)
    along_y, along_x = _weights(y - i), _weights(x - j)
    value = 0.0
    for p in range(4):
        row = min(max(i + p - 1, 0), ny - 1)
        for q in range(4):
            value += along_y[p] * along_x[q] * f[row, min(max(j + q - 1, 0), nx - 1)]
    if clamp:
        low = min(f[i, j], f[i, j + 1], f[i + 1, j], f[i + 1, j + 1])
        high = max(f[i, j], f[i, j + 1], f[i + 1, j], f[i + 1, j + 1])
        value = min(max(value, low), high)
    return value


@kernel
def advect(f, vy, vx, t, clamp):
    """Return a field carried for a time: semi-Lagrangian, with midpoints (Staniforth & Cote 1991).

    Velocities times `t` are in voxels.
    """
    out = np.empty_like(f)
    for i in range(f.shape[0]):
        for j in range(f.shape[1]):
            y, x = i - 0.5 * t * vy[i, j], j - 0.5 * t * vx[i, j]
            out[i, j] = _cubic(f, i - t * linear(vy, y, x), j - t * linear(vx, y, x), clamp)
    return out


@kernel
def smooth(phi, voxel, amount, steps):
    """Curvature flow that keeps the area, in place: phi_t = gamma (kappa - mean) |grad phi|.

    (Gage 1986; Osher & Sethian 1988, doi 10.1016/0021-9991(88)90002-2.) `amount` is gamma dt.
    """
    ny, nx = phi.shape
    kappa, size = np.zeros_like(phi), np.zeros_like(phi)
    for _ in range(steps):
        total, count = 0.0, 0.0
        for i in range(1, ny - 1):
            for j in range(1, nx - 1):
                here = phi[i, j]
                kappa[i, j] = size[i, j] = 0.0
                if abs(here) > BAND_VOXELS * voxel:
                    continue
                x = (phi[i, j + 1] - phi[i, j - 1]) / (2.0 * voxel)
                y = (phi[i + 1, j] - phi[i - 1, j]) / (2.0 * voxel)
                xx = (phi[i, j + 1] - 2.0 * here + phi[i, j - 1]) / voxel**2
                yy = (phi[i + 1, j] - 2.0 * here + phi[i - 1, j]) / voxel**2
                xy = phi[i + 1, j + 1] - phi[i + 1, j - 1] - phi[i - 1, j + 1] + phi[i - 1, j - 1]
                xy /= 4.0 * voxel**2
                square = x * x + y * y + 1e-12
                curved = (xx * y * y - 2.0 * x * y * xy + yy * x * x) / square**1.5
                kappa[i, j] = min(max(curved, -1.0 / voxel), 1.0 / voxel)
                size[i, j] = np.sqrt(square)
                if abs(here) < voxel:
                    total += kappa[i, j]
                    count += 1.0
        mean = total / max(count, 1.0)
        for i in range(1, ny - 1):
            for j in range(1, nx - 1):
                phi[i, j] += amount * (kappa[i, j] - mean) * size[i, j]


@kernel
def redistance(phi, voxel):
    """Make phi a signed distance again, in place, by fast sweeping (Zhao 2005).

    Doi 10.1090/S0025-5718-04-01678-3. Voxels at the outline keep phi / |grad phi|.
    """
    ny, nx = phi.shape
    d = np.full((ny, nx), FAR)
    known = np.zeros((ny, nx), np.bool_)
    for i in range(1, ny - 1):
        for j in range(1, nx - 1):
            here, right, left = phi[i, j], phi[i, j + 1], phi[i, j - 1]
            down, up = phi[i + 1, j], phi[i - 1, j]
            if min(here * right, here * left, here * down, here * up) <= 0.0:
                x, y = 0.5 * abs(right - left), 0.5 * abs(down - up)
                if max(x, y) < 0.1 * voxel:  # a ridge one voxel wide: central differences are 0
                    x = max(abs(right - here), abs(left - here))
                d[i, j] = min(abs(here) / max(np.hypot(x, y), 1e-9), 1.5) * voxel
                known[i, j] = True
    for sweep in range(8):
        for p in range(ny):
            i = p if sweep % 4 < 2 else ny - 1 - p
            for q in range(nx):
                j = q if sweep % 2 == 0 else nx - 1 - q
                if known[i, j]:
                    continue
                u = min(d[max(i - 1, 0), j], d[min(i + 1, ny - 1), j])
                v = min(d[i, max(j - 1, 0)], d[i, min(j + 1, nx - 1)])
                if abs(u - v) >= voxel:
                    reached = min(u, v) + voxel
                else:
                    reached = 0.5 * (u + v + np.sqrt(2.0 * voxel**2 - (u - v) ** 2))
                d[i, j] = min(d[i, j], reached)
    for i in range(ny):
        for j in range(nx):
            phi[i, j] = d[i, j] if phi[i, j] > 0.0 else -d[i, j]


@kernel
def fit_area(phi, voxel, voxels):
    """Add the constant to phi, in place, with which so many voxels are inside."""
    low, high = -np.max(phi) - voxel, voxel - np.min(phi)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        total = 0.0
        for here in phi.flat:
            total += min(max(0.5 - (here + middle) / voxel, 0.0), 1.0)
        if total > voxels:
            low = middle
        else:
            high = middle
    phi += 0.5 * (low + high)


@kernel
def extend(w, phi, layers):
    """Continue w outside the outline, in place: layers of means of neighbours, 1 beyond."""
    ny, nx = w.shape
    known = phi < 0.0
    for _ in range(layers):
        after = known.copy()
        for i in range(1, ny - 1):
            for j in range(1, nx - 1):
                if known[i, j]:
                    continue
                total, count = 0.0, 0
                for p in range(i - 1, i + 2):
                    for q in range(j - 1, j + 2):
                        if known[p, q]:
                            total += w[p, q]
                            count += 1
                if count:
                    w[i, j] = total / count
                    after[i, j] = True
        known = after
    for i in range(ny):
        for j in range(nx):
            if not known[i, j]:
                w[i, j] = 1.0


@kernel
def reshape(phi, w, vy, vx, t, voxel, amount, steps, anew):
    """Carry the outline and the viable share, smooth the outline; return both.

    Parameters
    ----------
    phi, w, vy, vx : (n, n) float64
    t : float
        Hours per voxel's side: velocities times `t` are in voxels.
    voxel : float
    amount : float
        gamma dt of one step of curvature flow.
    steps : int
    anew : bool
        Whether phi is made a distance again.
    """
    w = advect(w, vy, vx, t, True)
    phi = advect(phi, vy, vx, t, False)
    smooth(phi, voxel, amount, steps)
    if anew:
        redistance(phi, voxel)
    return phi, w


@lru_cache(maxsize=2)
def _eigenvalues(n: int, voxel: float) -> Array:
    """Of the five-point Laplacian with 0 at the border, a voxel's side from its middle."""
    along = (2.0 * np.cos(pi * np.arange(1, n + 1) / n) - 2.0) / voxel**2
    both = along[:, None] + along[None, :]
    both.flags.writeable = False
    return both


def velocity(source: Array, voxel: float) -> tuple[Array, Array]:
    """Velocity (x, y) of the tissue: grad psi with lap psi = S, and psi = 0 at the border."""
    psi = idstn(dstn(source, type=2) / _eigenvalues(source.shape[0], voxel), type=2)
    wide = np.pad(psi, 1)
    wide[0], wide[-1] = -wide[1], -wide[-2]
    wide[:, 0], wide[:, -1] = -wide[:, 1], -wide[:, -2]
    vx = (wide[1:-1, 2:] - wide[1:-1, :-2]) / (2.0 * voxel)
    vy = (wide[2:, 1:-1] - wide[:-2, 1:-1]) / (2.0 * voxel)
    return vx, vy


def rates(p: Array, n: Numbers) -> tuple[Array, Array, float]:
    """Growth g, death a (voxels, 1/h) at this oxygen, and clearance k_c (1/h)."""
    growth = log(2.0) / (24.0 * n.T_d_d) * np.minimum(1.0, p / n.hypoxic_mmHg)
    death = log(2.0) / (24.0 * n.T_an_d) / (1.0 + (p / n.anoxic_mmHg) ** 2)
    return growth, death, log(2.0) / (24.0 * n.T_clear_d)


def grow(
    phi: Array, w: Array, area: float, p: Array, n: Numbers, anew: bool, day: float
) -> tuple[Array, Array, float, tuple[Array, Array]]:
    """Grow or shrink the tumour for `HOURS`.

    Parameters
    ----------
    phi, w : (n, n) float64
        Outline and viable share.
    area : float
        Integrated area, um^2, above 0.
    p : (n, n) float64
        Oxygen.
    n : Numbers
    anew : bool
        Whether phi is made a distance again.
    day : float
        For the message.

    Returns
    -------
    phi, w : (n, n) float64
    area : float
        0 if the tumour is gone.
    velocity : two of (n, n) float64
        With which the tissue moved, x and y, um/h.
    """
    voxel = n.voxel_um
    growth, death, clearance = rates(p, n)
    source = inside(phi, voxel) * (growth * w - clearance * (1.0 - w))
    vx, vy = velocity(source, voxel)
    w = w + HOURS * w * ((growth + clearance) * (1.0 - w) - death)
    steps = round(HOURS / SMOOTHING_H) if n.gamma_um2_per_h > 0.0 else 0
    amount = n.gamma_um2_per_h * SMOOTHING_H
    phi, w = reshape(phi, w, vy, vx, HOURS / voxel, voxel, amount, steps, anew)
    w = np.clip(w, 0.0, 1.0)
    area = area + HOURS * float(source.sum()) * voxel**2
    if area < LEAST_VOXELS * voxel**2:
        return np.abs(phi) + voxel, np.ones_like(w), 0.0, (vx, vy)
    fit_area(phi, voxel, area / voxel**2)
    extend(w, phi, EXTENSION_VOXELS)
    near = MARGIN_VOXELS
    rim = min(phi[:near].min(), phi[-near:].min(), phi[:, :near].min(), phi[:, -near:].min())
    if rim < 0.0:
        raise NumericalError(
            f"the tumour came within {near} voxels of the border on day {day:.1f}: "
            "enlarge domain.size_um or start smaller"
        )
    return phi, w, area, (vx, vy)


def carried(x: Array, y: Array, flow: tuple[Array, Array], n: Numbers) -> tuple[Array, Array]:
    """Return where nodes are after the tissue has moved for `HOURS`, held at the border."""
    to_border = np.minimum(np.minimum(x, y), n.size_um - np.maximum(x, y))
    t = HOURS * np.clip(to_border / TAPER_UM, 0.0, 1.0)
    vx, vy = (at_points(v, x, y, n.voxel_um) for v in flow)
    return x + t * vx, y + t * vy


def diameter(phi: Array, voxel: float) -> float:
    """Largest caliper of the outline, um; 0 if there is none.

    The outline crosses lines between the middles of voxels where phi, linear between them, is 0.
    """
    points = []
    for one, other, dy, dx in (
        (phi[:, :-1], phi[:, 1:], 0.0, 1.0),
        (phi[:-1], phi[1:], 1.0, 0.0),
    ):
        i, j = np.nonzero((one < 0.0) != (other < 0.0))
        share = one[i, j] / (one[i, j] - other[i, j])
        points.append(np.stack([i + dy * share, j + dx * share]))
    y, x = np.concatenate(points, axis=1)
    if not x.size:
        return 0.0
    angle = np.linspace(0.0, pi, 180, endpoint=False)
    along = np.cos(angle)[:, None] * x + np.sin(angle)[:, None] * y
    return float(np.ptp(along, axis=1).max()) * voxel
