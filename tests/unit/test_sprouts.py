"""Read-outs of sprouts, on drawn spheroids with known answers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from marks import slow
from naive.sprouts import measured
from numpy.typing import NDArray

from sim.readouts.sprouts import Core, Sprouts, core_of, loose_cells, measure_sprouts

Mask = NDArray[np.bool_]
SPACING_UM = 2.0
RADIUS_UM, MARGIN_UM, CIRCLE_UM = 70.0, 6.0, 15.0
ANGLES = (0, 7, 15, 23, 30, 45, 61, 90, 134, 200, 271, 333)


def drawn(
    *sprouts: tuple[float, float], wide_um: float = 12.0, spacing_um: float = SPACING_UM,
    turned: float = 0.0, size_um: float = 600.0,
) -> Mask:  # fmt: skip
    """A disc with bars of (angle in degrees, length beyond the end of the core in um), rounded."""
    sites = round(size_um / spacing_um)
    y, x = (np.mgrid[:sites, :sites] - (sites - 1) / 2) * spacing_um
    mask = np.hypot(y, x) <= RADIUS_UM
    for angle, long_um in sprouts:
        a = math.radians(angle + turned)
        along, across = x * math.cos(a) + y * math.sin(a), y * math.cos(a) - x * math.sin(a)
        end = RADIUS_UM + MARGIN_UM + long_um - wide_um / 2
        mask |= (abs(across) <= wide_um / 2) & (along > 0) & (along <= end)
        mask |= np.hypot(along - end, across) <= wide_um / 2
    return np.asarray(mask)


def measure(mask: Mask, spacing_um: float = SPACING_UM, **sizes: float) -> Sprouts:
    core = core_of(drawn(spacing_um=spacing_um))
    return measure_sprouts(mask, core, spacing_um=spacing_um, **sizes)


def test_the_core_is_the_disc_of_the_start() -> None:
    core = core_of(drawn())
    assert (core.y, core.x) == (149.5, 149.5)
    assert core.radius * SPACING_UM == pytest.approx(RADIUS_UM, rel=0.005)


@pytest.mark.parametrize("turned", ANGLES)
@pytest.mark.parametrize("wide_um", [6.0, 12.0, 20.0])
def test_sprouts_are_as_long_as_drawn_at_any_angle(turned: float, wide_um: float) -> None:
    """A skeleton ends within the rounded end of a bar: at most half its width before the tip."""
    found = measure(drawn((0, 100), (115, 60), (230, 40), wide_um=wide_um, turned=turned))
    assert found.number == 3
    assert found.reach_um == pytest.approx(100, abs=1.5 * SPACING_UM)
    assert (200 - 3 * wide_um / 2) * 0.972 <= found.length_um <= 200 * 1.028


@pytest.mark.parametrize("turned", ANGLES)
def test_a_fork_has_two_tines(turned: float) -> None:
    """60 um to the fork and 60 um beyond it twice; it crosses the circle once."""
    mask = drawn((0, 60), turned=turned)
    a, start = math.radians(turned), RADIUS_UM + MARGIN_UM + 60
    y, x = (np.mgrid[:300, :300] - 149.5) * SPACING_UM
    y, x = y - start * math.sin(a), x - start * math.cos(a)
    for way in (a - 0.6, a + 0.6):
        along = x * math.cos(way) + y * math.sin(way)
        across = y * math.cos(way) - x * math.sin(way)
        mask |= (abs(across) <= 6) & (along > -3) & (along <= 60)
    found = measure(mask)
    assert found.number == 1
    assert found.length_um == pytest.approx(180, rel=0.08)


@pytest.mark.parametrize("spacing_um", [1.0, 2.0, 3.0])
def test_length_is_that_of_the_spheroid_and_not_of_the_pixels(spacing_um: float) -> None:
    found = measure(drawn((20, 100), (140, 80), spacing_um=spacing_um), spacing_um=spacing_um)
    assert found.number == 2 and found.length_um == pytest.approx(172, rel=0.05)


def test_a_spheroid_without_sprouts_has_none() -> None:
    found = measure(drawn())
    assert (found.length_um, found.number, found.reach_um) == (0.0, 0, 0.0)
    assert not found.skeleton_yx.size and not found.skeleton_links.size


def test_what_is_short_or_does_not_come_to_the_circle_does_not_count() -> None:
    found = measure(drawn((10, 13)))
    assert (found.length_um, found.number) == (0.0, 0)
    assert found.reach_um == pytest.approx(13, abs=SPACING_UM)


def test_narrow_gaps_are_closed_and_wide_ones_cut() -> None:
    """What lies beyond a gap of 30 um is not of the spheroid; a gap of 8 um is none."""
    whole = drawn((0, 140))
    for gap_um, reach in ((8, 140), (30, 40)):
        cut = whole.copy()
        first = round((149.5 * SPACING_UM + RADIUS_UM + MARGIN_UM + 40) / SPACING_UM)
        cut[:, first : first + round(gap_um / SPACING_UM)] = False
        assert measure(cut).reach_um == pytest.approx(reach, abs=2 * SPACING_UM)


def test_small_holes_are_filled() -> None:
    """A hole of 13 x 13 um makes no ring; one of 30 x 30 um in a broad sprout does."""
    for side, rings in ((7, False), (16, True)):
        mask = drawn((0, 140), wide_um=60)
        y, x = 150 - side // 2, 220 - side // 2
        mask[y : y + side, x : x + side] = False
        found = measure(mask)
        assert bool(found.body[150, 220]) is not rings
        cycles = len(found.skeleton_links) - len(found.skeleton_yx) + 1
        assert cycles == rings


def test_sprouts_that_leave_the_picture_count() -> None:
    """Beyond the edge there is nothing, so a sprout that ends there is as long as it is seen."""
    found = measure(drawn((0, 400)))
    assert found.number == 1 and found.reach_um == pytest.approx(224, abs=3 * SPACING_UM)
    assert (223 - 6) * 0.972 <= found.length_um <= 223 * 1.028


def test_a_circle_that_lies_in_the_spheroid_is_crossed_once() -> None:
    grown = np.hypot(*(np.mgrid[:300, :300] - 149.5)) * SPACING_UM <= 110
    assert measure(grown).number == 1


def test_the_part_that_has_the_core_is_measured() -> None:
    mask = drawn((0, 60))
    mask[:40] = True  # larger, but elsewhere
    assert measure(mask).length_um == measure(drawn((0, 60))).length_um


def test_loose_cells_are_counted_by_cell() -> None:
    """Two that hold together are loose; one at the tip, also by a corner, is not."""
    sites = drawn((0, 60)).astype(np.int32)
    core = core_of(drawn())
    assert loose_cells(sites, core) == 0
    x = int(np.nonzero(sites[149])[0].max())
    sites[20:24, 20:24], sites[20:24, 24:28] = 2, 3
    sites[50:54, 50:54] = 1  # a bit of a cell of the spheroid
    y = int(np.nonzero(sites[:, x])[0].min())
    sites[y - 3 : y, x + 1 : x + 4] = 4
    assert loose_cells(sites, core) == 2


def test_nothing_is_measured_where_nothing_is() -> None:
    empty = np.zeros((30, 40), bool)
    core = core_of(empty)
    assert core == Core(14.5, 19.5, 0.0)
    found = measure_sprouts(empty, core, spacing_um=2.0)
    assert (found.length_um, found.number, found.reach_um) == (0.0, 0, 0.0)
    assert loose_cells(empty.astype(np.int32), core) == 0


@pytest.mark.parametrize(
    ("mask", "sizes", "said"),
    [
        (np.zeros(5), {}, "shape"),
        (np.zeros((0, 4)), {}, "shape"),
        (np.zeros((4, 4)), {"spacing_um": 0.0}, "positive"),
        (np.zeros((4, 4)), {"cell_area_um2": 0.0}, "positive"),
        (np.zeros((4, 4)), {"circle_um": -1.0}, "negative"),
    ],
)
def test_what_makes_no_sense_is_refused(mask: Any, sizes: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        measure_sprouts(mask, Core(2, 2, 1), **{"spacing_um": 1.0, **sizes})


@pytest.mark.parametrize("seed", [0, 1, *(slow(seed) for seed in range(2, 6))])
def test_all_is_as_defined(seed: int) -> None:
    """Random blobs around a core, against the definitions taken literally."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:56, :52]
    core = Core(27.0, 25.0, 8.0)
    mask = np.hypot(y - core.y, x - core.x) <= core.radius
    for _ in range(5):
        angle, far, wide = rng.uniform(0, 2 * math.pi), rng.uniform(10, 24), rng.uniform(1, 3)
        along = (x - core.x) * math.cos(angle) + (y - core.y) * math.sin(angle)
        across = (y - core.y) * math.cos(angle) - (x - core.x) * math.sin(angle)
        mask |= (along > 0) & (along < far) & (abs(across) < wide)
    mask ^= rng.random(mask.shape) < 0.02
    sizes = {"closing": 2.0, "hole": 6.0, "margin": 1.0, "circle": 3.0, "shortest": 4.0}
    wanted = measured(mask, core, cell_radius=2.0, **sizes)
    found = measure_sprouts(
        mask, core, spacing_um=1.0, cell_area_um2=math.pi * 4, closing_um=2.0, hole_um2=6.0,
        margin_um=1.0, circle_um=3.0, shortest_um=4.0,
    )  # fmt: skip
    assert (found.length_um, found.number, found.reach_um) == pytest.approx(wanted)
    assert found.length_um > 0
