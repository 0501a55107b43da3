"""Physics of a tumour and its vessels: oxygen, and growth of a disc."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from beds import NUMBERS
from scipy.integrate import solve_bvp
from scipy.ndimage import gaussian_filter

from sim.bed import grid, oxygen, tumour

N, VOXEL = 120, 20.0
MIDDLE = (np.arange(N) + 0.5) * VOXEL - N * VOXEL / 2
RADIUS = np.hypot(MIDDLE[None, :], MIDDLE[:, None])


def test_oxygen_around_a_plane_of_vessels() -> None:
    """p = P + A exp(-|x| / L), with L = sqrt(D / k)."""
    n = NUMBERS._replace(P_host_mmHg=10.0)
    per_um = 2.0 / (n.psi_um_per_s * 2 * np.pi * n.r_um / (VOXEL**2 * n.slab_um))
    perfused = np.zeros((N, N))
    perfused[:, 60] = per_um  # G = 2 / s
    p, none = np.full((N, N), 20.0), np.zeros((N, N))
    for _ in range(20):
        oxygen.move_oxygen(p, perfused, none, none, n, 0.0)
    x = np.abs(np.arange(N) - 60) * VOXEL
    decay = np.sqrt(n.D_O2_um2_per_s / n.k_host_per_s)
    supply = 2.0 * VOXEL
    height = supply * (40 - 10) / (2 * n.D_O2_um2_per_s / decay + supply)
    near = x < 800
    assert p[5, near] == pytest.approx((10 + height * np.exp(-x / decay))[near], rel=0.02)


def test_oxygen_in_a_slab_of_tumour() -> None:
    """Michaelis-Menten consumption, against a boundary value problem."""
    n = NUMBERS._replace(psi_um_per_s=1e6)
    perfused, within = np.zeros((N, N)), np.ones((N, N))
    perfused[:, 0] = 1e6  # held at the oxygen of blood
    p = np.full((N, N), 10.0)
    for _ in range(20):
        oxygen.move_oxygen(p, perfused, within, within, n, 0.0)

    def slope(x: Any, y: Any) -> Any:
        u = np.maximum(y[0], 0)
        return np.array([y[1], n.q_mmHg_per_s / n.D_O2_um2_per_s * u / (u + n.Km_mmHg)])

    x = np.linspace(0, 600, 600)
    guess = 40 * np.exp(-x / 100)
    exact = solve_bvp(
        slope, lambda a, b: np.array([a[0] - 40, b[1]]), x, np.array([guess, -guess / 100]),
        max_nodes=20_000, tol=1e-8,
    )  # fmt: skip
    at = np.arange(20) * VOXEL
    assert np.abs(p[3, :20] - exact.sol(at)[0]).max() < 0.02 * 40


def out_of_round(phi: np.ndarray) -> float:
    """(Largest - least) / mean radius of the outline."""
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    r = np.arange(5.0, 1150.0, 2.0)
    x, y = 1200 + r[None, :] * np.cos(angle)[:, None], 1200 + r[None, :] * np.sin(angle)[:, None]
    values = grid.at_points(phi, x.ravel(), y.ravel(), VOXEL).reshape(x.shape)
    radius = r[np.argmax(values > 0, axis=1)]
    return float(np.ptp(radius) / radius.mean())


def grown(
    days: int, radius: float, level: Callable[[np.ndarray], Any]
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Outline, viable share, area and area at the start, of a disc under oxygen by decree."""
    phi, w = RADIUS - radius, np.ones((N, N))
    start = area = float(grid.inside(phi, VOXEL).sum()) * VOXEL**2
    for k in range(4 * days):
        p = np.ascontiguousarray(np.broadcast_to(level(phi), (N, N)), np.float64)
        phi, w, area, _ = tumour.grow(phi, w, area, p, NUMBERS, k % 4 == 3, k / 4)
        outline = float(grid.inside(phi, VOXEL).sum()) * VOXEL**2
        assert outline == pytest.approx(area, rel=0.01)
    return phi, w, area, start


def test_disc_doubles_in_the_doubling_time() -> None:
    phi, w, area, start = grown(30, 300.0, lambda phi: 40.0)
    assert area / start == pytest.approx(2.0, rel=0.02)
    assert out_of_round(phi) < 0.1
    assert w == pytest.approx(1.0, abs=1e-3)


def test_disc_without_oxygen_shrinks_and_stays_round() -> None:
    phi, w, area, start = grown(40, 600.0, lambda phi: 0.0)
    assert 0.05 < area / start < 0.3
    assert out_of_round(phi) < 0.1
    inner = phi < -30
    assert w[inner].max() < 0.05


def test_core_without_oxygen_is_necrotic() -> None:
    phi, w, _, _ = grown(20, 500.0, lambda phi: np.where(phi < -150, 0.0, 40.0))
    assert out_of_round(phi) < 0.1
    assert w[phi < -220].max() < 0.3 < 0.8 < w[(phi < -20) & (phi > -100)].min()


@pytest.mark.slow
def test_lobes_under_patchy_oxygen_do_not_grow_without_bound() -> None:
    noise = gaussian_filter(np.random.default_rng(3).normal(size=(N, N)), 4)
    patchy = np.clip(2.5 + 3 * noise / noise.std(), 0, 40)
    phi, _, area, start = grown(40, 700.0, lambda phi: patchy)
    assert area < start
    assert out_of_round(phi) < 0.5
