"""Steady oxygen and VEGF: one equation, by multigrid.

Both fields are at rest between two hours of the model: oxygen settles within seconds, VEGF within
an hour or two. Each solves

    0 = D lap u + b - a u - m u / (u + K)                       no flux across the borders

where for oxygen (Krogh 1919, with Michaelis-Menten consumption)

    a = G + k_host (1 - H),  b = G Pb + k_host (1 - H) P_host,  m = q H w,  K = Km,
    G = psi 2 pi r L_perfused / (voxel^2 slab)

and for VEGF

    a = k,  b = s rho H w [1 + (f - 1) / (1 + (p / p_hypoxic)^4)],
    m = U N / (voxel^2 slab),  K = L50

H is the share of a voxel inside the outline, w the viable share of the tissue there, N the number
of endothelial cells in a voxel.
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray

from sim.bed.numbers import Numbers
from sim.errors import NumericalError
from sim.kernels.compiling import inlined, kernel

Array = NDArray[np.float64]

TOLERANCE_MMHG, TOLERANCE_NG_ML = 1e-3, 1e-4
"""Largest change of a voxel in the last cycle: then the errors are some 6e-5 mmHg, 2e-5 ng/mL."""
MOST_CYCLES = 200
COARSEST, SWEEPS = 8, 40
"""Voxels along the side of the coarsest grid, and sweeps that solve it."""
AVOGADRO = 6.02214076e23
_UM3_PER_ML, _NG_PER_KG = 1e12, 1e12


@inlined
def _around(u, i, j):
    """Sum of the neighbours that are in the domain, and how many they are."""
    ny, nx = u.shape
    total, count = 0.0, 0.0
    if i > 0:
        total += u[i - 1, j]
        count += 1.0
    if i < ny - 1:
        total += u[i + 1, j]
        count += 1.0
    if j > 0:
        total += u[i, j - 1]
        count += 1.0
    if j < nx - 1:
        total += u[i, j + 1]
        count += 1.0
    return total, count


@inlined
def _sweep(u, b, k, share, sweeps):
    """Red-black Gauss-Seidel for s u - k lap u = b; `share` is one over the diagonal."""
    ny, nx = u.shape
    for sweep in range(2 * sweeps):
        for i in range(ny):
            first = (i + sweep) & 1
            if 0 < i < ny - 1:
                if first == 0:
                    u[i, 0] = (b[i, 0] + k * _around(u, i, 0)[0]) * share[i, 0]
                for j in range(2 - first, nx - 1, 2):
                    total = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
                    u[i, j] = (b[i, j] + k * total) * share[i, j]
                if (nx - 1 - first) % 2 == 0:
                    u[i, nx - 1] = (b[i, nx - 1] + k * _around(u, i, nx - 1)[0]) * share[i, nx - 1]
            else:
                for j in range(first, nx, 2):
                    u[i, j] = (b[i, j] + k * _around(u, i, j)[0]) * share[i, j]


@kernel
def _coarse(f):
    """Means of 2 x 2 voxels, or of fewer along an odd border."""
    ny, nx = f.shape
    out = np.empty(((ny + 1) // 2, (nx + 1) // 2))
    for i in range(out.shape[0]):
        down = min(2 * i + 1, ny - 1)
        for j in range(out.shape[1]):
            right = min(2 * j + 1, nx - 1)
            top = f[2 * i, 2 * j] + f[2 * i, right]
            out[i, j] = 0.25 * (top + f[down, 2 * j] + f[down, right])
    return out


@inlined
def _add_best(u, e, r, s, k, d):
    """Add a coarse correction, bilinearly, in the size that leaves the least error in energy.

    Unscaled, corrections around a few strong sinks overshoot, and the cycles may diverge. `d` is
    room to work in.
    """
    ny, nx = u.shape
    my, mx = e.shape
    for i in range(ny):
        y = i // 2
        oy = min(max(y - 1 + 2 * (i & 1), 0), my - 1)
        for j in range(nx):
            x = j // 2
            ox = min(max(x - 1 + 2 * (j & 1), 0), mx - 1)
            d[i, j] = (9.0 * e[y, x] + 3.0 * (e[oy, x] + e[y, ox]) + e[oy, ox]) / 16.0
    gain, energy = 0.0, 0.0
    for i in range(ny):
        for j in range(nx):
            here = d[i, j]
            gain += r[i, j] * here
            energy += s[i, j] * here * here
            if i > 0:
                energy += k * (here - d[i - 1, j]) ** 2
            if j > 0:
                energy += k * (here - d[i, j - 1]) ** 2
    size = gain / energy if energy > 0.0 else 0.0
    for i in range(ny):
        for j in range(nx):
            u[i, j] += size * d[i, j]


@kernel
def _cycle(u, s, b, k):
    """One V(2, 1) cycle for s u - k lap u = b (Trottenberg, Oosterlee & Schueller 2001)."""
    ny, nx = u.shape
    share = np.empty_like(u)
    for i in range(ny):
        for j in range(nx):
            share[i, j] = 1.0 / (s[i, j] + k * _around(u, i, j)[1])
    if min(ny, nx) <= COARSEST:
        _sweep(u, b, k, share, SWEEPS)
        return
    _sweep(u, b, k, share, 2)
    r, d = np.empty_like(u), np.empty_like(u)
    for i in range(ny):
        for j in range(nx):
            total, count = _around(u, i, j)
            r[i, j] = b[i, j] + k * total - (k * count + s[i, j]) * u[i, j]
    e = np.zeros(((ny + 1) // 2, (nx + 1) // 2))
    _cycle(e, _coarse(s), _coarse(r), k / 4.0)
    _add_best(u, e, r, s, k, d)
    _sweep(u, b, k, share, 1)


@kernel
def settle(u, a, b, m, half, k, tolerance, most):
    """Bring a field to rest in place, by Newton steps of one cycle each; values stay >= 0.

    Parameters
    ----------
    u : (n, n) float64
        A guess, changed.
    a, b, m : (n, n) float64
        Of the equation above.
    half : float
        K, where m acts at half its rate.
    k : float
        D / voxel^2.
    tolerance : float
        Largest change by the last cycle.
    most : int
        Cycles at most.

    Returns
    -------
    int
        Cycles done; ``most`` + 1 if the field is not at rest yet.
    """
    s, rest, before = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    for cycle in range(most):
        for i in range(u.shape[0]):
            for j in range(u.shape[1]):
                x = u[i, j]
                share = 1.0 / (x + half)
                slope = m[i, j] * half * share * share
                s[i, j] = a[i, j] + slope
                rest[i, j] = b[i, j] - m[i, j] * x * share + slope * x
                before[i, j] = x
        _cycle(u, s, rest, k)
        worst = 0.0
        for i in range(u.shape[0]):
            for j in range(u.shape[1]):
                u[i, j] = max(u[i, j], 0.0)
                worst = max(worst, abs(u[i, j] - before[i, j]))
        if worst < tolerance:
            return cycle + 1
    return most + 1


def molecules_per_um3(kda: float) -> float:
    """Molecules of so many kDa (kg/mol) in 1 um^3 at 1 ng/mL."""
    return AVOGADRO / (kda * _NG_PER_KG * _UM3_PER_ML)


def move_oxygen(
    p: Array, perfused_um: Array, within: Array, viable: Array, n: Numbers, day: float
) -> int:
    """Bring oxygen (mmHg) to rest, in place.

    Parameters
    ----------
    p : (n, n) float64
    perfused_um : (n, n) float64
        Length of perfused vessel in each voxel.
    within, viable : (n, n) float64
        H and w.
    n : Numbers
    day : float
        For the message if it does not come to rest.

    Returns
    -------
    int
        Cycles that it took.
    """
    exchange = n.psi_um_per_s * 2.0 * pi * n.r_um / (n.voxel_um**2 * n.slab_um) * perfused_um
    host = n.k_host_per_s * (1.0 - within)
    a = exchange + host
    b = exchange * n.Pb_mmHg + host * n.P_host_mmHg
    m = n.q_mmHg_per_s * within * viable
    k = n.D_O2_um2_per_s / n.voxel_um**2
    return _settled("oxygen", settle(p, a, b, m, n.Km_mmHg, k, TOLERANCE_MMHG, MOST_CYCLES), day)


def move_vegf(
    c: Array, p: Array, living_um: Array, within: Array, viable: Array, n: Numbers, day: float
) -> int:
    """Bring VEGF (ng/mL) to rest, in place; see `move_oxygen`.

    Parameters
    ----------
    c, p : (n, n) float64
        VEGF, changed, and oxygen.
    living_um : (n, n) float64
        Length of living vessel in each voxel.
    within, viable : (n, n) float64
    n : Numbers
    day : float
    """
    unit = molecules_per_um3(n.vegf_kda)
    squared = (p / n.hypoxic_mmHg) ** 2
    stress = 1.0 + (n.f - 1.0) / (1.0 + squared * squared)
    b = n.s_molecules_per_s * n.rho_per_um3 / unit * within * viable * stress
    volume = n.voxel_um**2 * n.slab_um
    m = n.U_molecules_per_s / (unit * volume * n.piece_um) * living_um
    a, k = np.full_like(c, n.k_per_s), n.D_VEGF_um2_per_s / n.voxel_um**2
    return _settled("VEGF", settle(c, a, b, m, n.L50_ng_ml, k, TOLERANCE_NG_ML, MOST_CYCLES), day)


def _settled(name: str, cycles: int, day: float) -> int:
    if cycles > MOST_CYCLES:
        raise NumericalError(
            f"{name} has no steady state after {MOST_CYCLES} cycles on day {day:.1f}: "
            "check the numbers of the bed that its equation has (diffusion, supply, consumption)"
        )
    return cycles
