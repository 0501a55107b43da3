"""Diffusion fields in plain NumPy: explicit sub-steps, golden set-ups, steady states, eigenmodes.

Borders are ``"periodic"``, ``"no_flux"`` or ``"absorbing"`` (c = 0 at the centre of the site just
outside the domain). The Laplacian is the 5-point one throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

BORDERS = ("periodic", "no_flux", "absorbing")

# Golden values at probe (80, 80) by MCS: 200 x 200, float32, 11 sub-steps of a tenth MCS each.
GOLDEN_T3 = {10: 4.265927e-13, 20: 6.643265e-10, 60: 2.6136322e-9, 500: 2.61375144e-9}
GOLDEN_T5 = {10: 8.715297e-11, 20: 5.629230e-8, 60: 2.8182748e-7, 500: 2.8239444e-7}

# First and last y of the frozen cell of test T5, by x.
FROZEN_CELL = {
    97: (99, 102),
    98: (98, 103),
    99: (98, 103),
    100: (98, 104),
    101: (98, 104),
    102: (98, 104),
    103: (98, 104),
    104: (99, 103),
}


def neighbours(c: np.ndarray, border: str) -> np.ndarray:
    """Sum of the four neighbours: above and below, left and right."""
    mode = {"periodic": "wrap", "no_flux": "edge", "absorbing": "constant"}[border]
    wide = np.pad(c, 1, mode=mode)  # type: ignore[call-overload]
    return (wide[:-2, 1:-1] + wide[2:, 1:-1]) + (wide[1:-1, :-2] + wide[1:-1, 2:])


def laplacian(c: np.ndarray, border: str) -> np.ndarray:
    """Sum of the four neighbours minus four times the site itself, in units of 1 / spacing^2."""
    return neighbours(c, border) - 4 * c


def euler(
    c: np.ndarray, kept: np.ndarray, gained: np.ndarray, k: float, substeps: int, border: str
) -> np.ndarray:
    """Explicit sub-steps in the order of operations of the kernels."""
    stay = c.dtype.type(1.0 - 4.0 * k)
    for _ in range(substeps):
        c = kept * (stay * c + c.dtype.type(k) * neighbours(c, border)) + gained
    return c


def euler_single(
    c: np.ndarray, kept: np.ndarray, gained: np.ndarray, k: float, substeps: int, border: str
) -> np.ndarray:
    """The same with changes in single precision: c is in double precision before and after."""
    first = (euler(c, kept, gained, k, 1, border) - c).astype(np.float32)
    return c + euler(first, kept.astype(np.float32), first, k, substeps - 1, border)


def substep(
    c: np.ndarray,
    inside: np.ndarray,
    *,
    D: float,
    secretion: float,
    decay_outside: float,
    decay_inside: float = 0.0,
    dt: float,
    border: str,
    spacing: float = 1.0,
) -> np.ndarray:
    """Return ``c`` after one explicit sub-step: diffuse, then react on the diffused field.

    Diffusing before reacting makes the steady state depend on dt: where only decay acts, it is that
    of a decay of k / (1 - k dt). At the probes of the golden tests this is a quarter of the value.

    Parameters
    ----------
    c : (H, W) float
        Concentration; its dtype is kept.
    inside : (H, W) bool
        Sites of cells: they secrete, and ``decay_inside`` holds there.
    D, secretion, decay_outside, decay_inside : float
        Diffusivity (length^2 / time), zeroth-order and first-order rates (1 / time).
    dt, spacing : float
        Time of the sub-step and side of a site.
    """
    real = c.dtype.type
    c = c + real(D * dt / spacing**2) * laplacian(c, border)
    gain = np.where(inside, real(secretion * dt), real(0))
    loss = np.where(inside, real(decay_inside * dt), real(decay_outside * dt))
    return c + gain - loss * c


def frozen_cell() -> np.ndarray:
    """(200, 200) bool: the 49 sites of the frozen cell of test T5."""
    inside = np.zeros((200, 200), dtype=bool)
    for x, (first, last) in FROZEN_CELL.items():
        inside[first : last + 1, x] = True
    return inside


def point_source() -> np.ndarray:
    """(200, 200) bool: the one source site of test T3."""
    inside = np.zeros((200, 200), dtype=bool)
    inside[100, 100] = True
    return inside


def probe_over_time(
    inside: np.ndarray,
    times: Iterable[int],
    *,
    substeps: int = 11,
    dtype: Any = np.float64,
    probe: tuple[int, int] = (80, 80),
    D: float = 1.0,
    secretion: float = 0.3,
    decay_outside: float = 0.3,
) -> dict[int, float]:
    """Concentration at ``probe`` (y, x) by MCS, from an empty periodic field of fixed sources.

    Each sub-step lasts a tenth of an MCS whatever their number: 10 is what the OpenVT
    specification says, 11 is what its golden values were made with.
    """
    wanted = set(times)
    c = np.zeros(inside.shape, dtype=dtype)
    found = {}
    for mcs in range(1, max(wanted) + 1):
        for _ in range(substeps):
            c = substep(
                c, inside, D=D, secretion=secretion, decay_outside=decay_outside,
                dt=0.1, border="periodic",
            )  # fmt: skip
        if mcs in wanted:
            found[mcs] = float(c[probe])
    return found


def golden_t3(
    times: Iterable[int] = GOLDEN_T3, *, substeps: int = 11, dtype: Any = np.float64
) -> dict[int, float]:
    """Test T3: a point source at (100, 100), read at (80, 80)."""
    return probe_over_time(point_source(), times, substeps=substeps, dtype=dtype)


def golden_t5(
    times: Iterable[int] = GOLDEN_T5, *, substeps: int = 11, dtype: Any = np.float64
) -> dict[int, float]:
    """Test T5: a frozen cell of 49 sites, read at (80, 80)."""
    return probe_over_time(frozen_cell(), times, substeps=substeps, dtype=dtype)


def laplacian_matrix(n: int, border: str) -> scipy.sparse.csr_matrix:
    """(n, n) second difference along one axis, with its border."""
    matrix = scipy.sparse.lil_matrix((n, n))
    for i in range(n):
        for j in (i - 1, i + 1):
            if 0 <= j < n:
                matrix[i, j] += 1
                matrix[i, i] -= 1
            elif border == "periodic":
                matrix[i, j % n] += 1
                matrix[i, i] -= 1
            elif border == "absorbing":
                matrix[i, i] -= 1
            elif border != "no_flux":
                raise ValueError(f"border is {border!r}")
    return matrix.tocsr()


def steady_state(
    source: np.ndarray, loss: np.ndarray | float, D: float, *, border: str, spacing: float = 1.0
) -> np.ndarray:
    """Solve D lap c - loss c + source = 0 on the sites given, by a sparse direct solver.

    Parameters
    ----------
    source : (H, W) float
        Amount made, concentration / time.
    loss : (H, W) float or float
        First-order loss, 1 / time. Without any loss only an absorbing border has a steady state.
    D, spacing : float
        Diffusivity (length^2 / time) and side of a site.
    border : {"periodic", "no_flux", "absorbing"}
    """
    source = np.asarray(source, dtype=float)
    height, width = source.shape
    loss = np.broadcast_to(np.asarray(loss, dtype=float), source.shape)
    if border != "absorbing" and not loss.any():
        raise ValueError(f"a {border} domain without loss has no steady state")
    lap = scipy.sparse.kron(laplacian_matrix(height, border), scipy.sparse.identity(width))
    lap = lap + scipy.sparse.kron(scipy.sparse.identity(height), laplacian_matrix(width, border))
    system = scipy.sparse.diags(loss.ravel()) - (D / spacing**2) * lap
    return scipy.sparse.linalg.spsolve(system.tocsc(), source.ravel()).reshape(source.shape)


def fine_steady_state(
    source: np.ndarray,
    loss: np.ndarray | float,
    D: float,
    *,
    border: str,
    spacing: float = 1.0,
    factor: int = 3,
) -> np.ndarray:
    """Steady state solved with each site cut into factor x factor, averaged back onto the sites.

    ``factor`` must be odd, so that an absorbing border can stay at the centre of the site outside.
    Beyond the domain, up to that border, the loss of the nearest site holds.
    """
    if factor % 2 == 0:
        raise ValueError("factor must be odd")
    source = np.asarray(source, dtype=float)
    block = np.ones((factor, factor))
    fine_source = np.kron(source, block)
    fine_loss = np.kron(np.broadcast_to(np.asarray(loss, dtype=float), source.shape), block)
    strip = (factor - 1) // 2 if border == "absorbing" else 0
    fine = steady_state(
        np.pad(fine_source, strip),
        np.pad(fine_loss, strip, mode="edge"),
        D,
        border=border,
        spacing=spacing / factor,
    )
    height, width = source.shape
    fine = fine[strip : strip + height * factor, strip : strip + width * factor]
    return fine.reshape(height, factor, width, factor).mean(axis=(1, 3))


def eigenmode(n: int, order: int, border: str) -> tuple[np.ndarray, float]:
    """One-dimensional eigenmode (n,) of the Laplacian and its wave number in radians per site.

    Periodic: cos(2 pi m i / n); no-flux: cos(pi m (i + 1/2) / n), m from 0; absorbing:
    sin(pi m (i + 1) / (n + 1)), m from 1.
    """
    i = np.arange(n)
    if border == "periodic":
        k = 2 * math.pi * order / n
        return np.cos(k * i), k
    if border == "no_flux":
        k = math.pi * order / n
        return np.cos(k * (i + 0.5)), k
    if border == "absorbing":
        if order < 1:
            raise ValueError("an absorbing border has no constant mode")
        k = math.pi * order / (n + 1)
        return np.sin(k * (i + 1)), k
    raise ValueError(f"border is {border!r}")


def decaying_mode(
    shape: tuple[int, int],
    orders: Sequence[int],
    t: float,
    *,
    D: float,
    decay: float,
    border: str,
    spacing: float = 1.0,
    lattice: bool = False,
) -> np.ndarray:
    """Exact solution at time ``t`` of dc/dt = D lap c - decay c that starts as an eigenmode.

    Parameters
    ----------
    shape, orders : (H, W), (m_y, m_x)
        Size in sites and order of the mode on each axis.
    lattice : bool
        Use the eigenvalue of the 5-point Laplacian, (2 - 2 cos k) / spacing^2, exact on the
        lattice; otherwise that of the continuum, (k / spacing)^2.
    """
    column, ky = eigenmode(shape[0], orders[0], border)
    line, kx = eigenmode(shape[1], orders[1], border)
    squares = sum(2 - 2 * math.cos(k) if lattice else k**2 for k in (ky, kx))
    return np.outer(column, line) * math.exp(-(D * squares / spacing**2 + decay) * t)


def striped(rng: np.random.Generator, height: int, width: int, widest: int) -> np.ndarray:
    """(height, width) int32: lines of runs of random rows, 0 to 3, of up to so many sites."""
    lines = []
    for _ in range(height):
        lengths = rng.integers(1, widest + 1, width)
        lines.append(np.repeat(rng.integers(0, 4, width), lengths)[:width])
    return np.array(lines, dtype=np.int32)


def overlaps(lattice: np.ndarray, factor: int) -> list[list[int]]:
    """[voxel, row, sites] of each run of a cell within a voxel, line by line, site by site."""
    columns, found = lattice.shape[1] // factor, []
    before = None
    for y, x in np.ndindex(lattice.shape):
        voxel, row = y // factor * columns + x // factor, int(lattice[y, x])
        if row and before == (y, voxel, row):
            found[-1][2] += 1
        elif row:
            found.append([voxel, row, 1])
        before = y, voxel, row
    return found
