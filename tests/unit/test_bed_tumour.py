"""The tumour of a bed: kernels of its outline against plain twins, and its ends."""

from __future__ import annotations

import numpy as np
import pytest
from beds import NUMBERS, bed_of, with_parents
from naive import bed as naive

from sim.bed import grid, tumour
from sim.errors import NumericalError

DRAWN = np.random.default_rng(4)
N, VOXEL = 40, 20.0


def disc(radius: float, n: int = N) -> np.ndarray:
    middle = (np.arange(n) + 0.5) * VOXEL - n * VOXEL / 2
    return np.hypot(middle[None, :], middle[:, None]) - radius


def smooth_noise() -> np.ndarray:
    """Values of about -2 to 2, drawn anew in each call."""
    i, j = np.mgrid[:N, :N] / N
    a, b, c = DRAWN.normal(size=3)
    return np.sin(3 * i + a) * np.cos(4 * j + b) + c * i * j


def test_advection_against_hermite_cubics() -> None:
    f, vy, vx = smooth_noise(), smooth_noise(), smooth_noise()
    out = tumour.advect(f, vy, vx, 2.5, False)
    for i, j in ((0, 0), (7, 31), (20, 20), (39, 39), (38, 1)):
        y, x = i - 1.25 * vy[i, j], j - 1.25 * vx[i, j]
        half = [
            grid.at_points(v, np.array([(x + 0.5) * VOXEL]), np.array([(y + 0.5) * VOXEL]), VOXEL)[
                0
            ]
            for v in (vy, vx)
        ]
        value = naive.catmull_rom(f, i - 2.5 * half[0], j - 2.5 * half[1])
        assert out[i, j] == pytest.approx(value, abs=1e-12)
    clamped = tumour.advect(f, vy, vx, 2.5, True)
    assert f.min() <= clamped.min() and clamped.max() <= f.max()


def test_quadratics_are_carried_exactly() -> None:
    i, j = np.mgrid[:N, :N].astype(float)
    f = i**2 - 3 * i * j + 2 * j
    still = np.ones((N, N))
    out = tumour.advect(f, 0.3 * still, -0.7 * still, 1.0, False)
    y, x = i - 0.3, j + 0.7
    inner = np.s_[3:-3, 3:-3]
    assert out[inner] == pytest.approx((y**2 - 3 * y * x + 2 * x)[inner], abs=1e-9)


def test_curvature_step_against_plain_one() -> None:
    phi = disc(220.0) + 8.0 * smooth_noise()
    once = phi.copy()
    tumour.smooth(once, VOXEL, 15.0, 1)
    assert once[1:-1, 1:-1] == pytest.approx(naive.curvature_step(phi, VOXEL, 15.0), abs=1e-9)


def test_curvature_flow_rounds_an_ellipse() -> None:
    middle = (np.arange(80) + 0.5) * VOXEL - 800
    phi = np.hypot(middle[None, :] / 1.3, middle[:, None] * 1.3) - 300
    tumour.redistance(phi, VOXEL)
    before = tumour.diameter(phi, VOXEL)
    for _ in range(100):
        tumour.smooth(phi, VOXEL, 15.0, 48)
        tumour.redistance(phi, VOXEL)
    assert before == pytest.approx(780, rel=0.01)
    assert tumour.diameter(phi, VOXEL) == pytest.approx(600, rel=0.05)


@pytest.mark.parametrize("radius", [45.0, 210.0, 300.0])
def test_redistanced_disc(radius: float) -> None:
    exact = disc(radius)
    phi = exact * (1.5 + 0.4 * smooth_noise())  # the right outline alone
    tumour.redistance(phi, VOXEL)
    assert np.array_equal(phi < 0, exact < 0)
    assert np.abs(phi - exact)[np.abs(exact) < 40].max() < 0.15 * VOXEL
    assert np.abs(phi - exact).max() < VOXEL  # of first order far away


def test_area_is_fitted() -> None:
    phi = disc(200.0) + smooth_noise()
    for voxels in (5.0, 314.0, 700.0):
        fitted = phi.copy()
        tumour.fit_area(fitted, VOXEL, voxels)
        assert grid.inside(fitted, VOXEL).sum() == pytest.approx(voxels, abs=1e-9)
        shift = naive.shift_to_area(phi, VOXEL, voxels)
        assert fitted == pytest.approx(phi + shift, abs=1e-8)


def test_viable_share_is_continued_outside() -> None:
    phi, w = disc(150.0), np.clip(0.5 + 0.2 * smooth_noise(), 0, 1)
    expected = naive.extended(w, phi, 4)
    tumour.extend(w, phi, 4)
    assert w == pytest.approx(expected, abs=1e-14)


def test_velocity_is_a_gradient_with_the_source_as_divergence() -> None:
    source = np.where(disc(200.0) < 0, 0.01, 0.0)
    vx, vy = tumour.velocity(source, VOXEL)
    middle = (np.arange(N) + 0.5) * VOXEL - N * VOXEL / 2
    r = np.hypot(middle[None, :], middle[:, None])
    outward = (vx * middle[None, :] + vy * middle[:, None]) / r
    deep = r < 150  # v = S r / 2 in a disc
    assert outward[deep] == pytest.approx(0.005 * r[deep], rel=0.02)
    assert vx == pytest.approx(-vx[:, ::-1], abs=1e-12)


def test_largest_caliper() -> None:
    assert tumour.diameter(disc(233.0), VOXEL) == pytest.approx(466.0, rel=2e-3)
    middle = (np.arange(N) + 0.5) * VOXEL - N * VOXEL / 2
    slot = np.maximum(np.abs(middle[None, :]) - 110, np.abs(middle[:, None]) - 210)
    diagonal = 2 * np.hypot(110, 210)
    assert tumour.diameter(slot, VOXEL) == pytest.approx(diagonal, rel=0.04)
    assert tumour.diameter(np.ones((N, N)), VOXEL) == 0.0


def test_small_tumours_are_gone() -> None:
    phi, w = disc(30.0), np.zeros((N, N))
    n = NUMBERS._replace(size_um=N * VOXEL, T_clear_d=0.25)
    area = float(grid.inside(phi, VOXEL).sum()) * VOXEL**2
    phi, w, area, _ = tumour.grow(phi, w, area, np.zeros((N, N)), n, False, 1.0)
    assert area == 0.0 and grid.inside(phi, VOXEL).sum() == 0.0 and (w == 1.0).all()


def test_tumour_near_the_border_is_an_error() -> None:
    bed = bed_of(size_um=800.0, T_d_d=2.0)
    bed.place_tumour(300.0)
    bed._oxygen[:] = 40.0
    with pytest.raises(
        NumericalError, match=r"within 3 voxels .* on day \d+\.\d: enlarge domain.size_um or start"
    ):
        for _ in range(240):
            bed.grow()
            bed.finish()
    assert 5 < bed.step_number < 40


def test_grown_tissue_carries_nodes_but_not_held_ends() -> None:
    bed = with_parents(1, k_sp_per_h=0.0, T_d_d=2.0)
    x, y = bed.nodes.x.copy(), bed.nodes.y.copy()
    bed._oxygen[:] = 40.0
    for _ in range(24):
        bed.grow()
        bed.finish()
    middle, ends = 60, np.isfinite(bed.nodes.pressure)
    assert np.array_equal(bed.nodes.x[: x.size][ends[: x.size]], x[ends[: x.size]])
    growth = np.sqrt(bed.area / (np.pi * 300.0**2))
    assert x[middle] == 800.0
    assert 1200 - bed.nodes.x[middle] == pytest.approx(
        np.sqrt(400**2 + (growth**2 - 1) * 300**2), rel=0.01
    )  # area between the rim and the vessel is kept
    assert np.array_equal(bed.nodes.y[ends], y[ends[: y.size]])
