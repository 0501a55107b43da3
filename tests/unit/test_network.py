from __future__ import annotations

import itertools
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from naive.skeleton import blocks, pruned, skeleton_of, squared_distances
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sim.readouts import skeleton as skeletons
from sim.readouts import thinning
from sim.readouts.network import Network, close_pinholes, dilate, measure_network

Mask = NDArray[np.bool_]
COUNTS = ("segments", "junctions", "end_points", "meshes")
SQRT2 = math.sqrt(2)


def length(orthogonal: int, diagonal: int = 0, corners: int = 0) -> float:
    """Length in sites of so many steps of half a site, and changes between the two kinds."""
    return pytest.approx((0.980 * orthogonal + 1.406 * diagonal - 0.125 * corners) / 2, rel=1e-12)


def measure(
    mask: Mask, *, periodic: bool = False, cell: float = 1.0, spacing_um: float = 1000.0
) -> Network:
    """Measure with warnings as errors; with sites of 1 mm lengths come out in sites."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return measure_network(mask, spacing_um=spacing_um, periodic=periodic, cell_area_sites=cell)


def counts(network: Network) -> tuple[float, ...]:
    values = network.readouts()
    return tuple(values[key] for key in COUNTS)


def blank(height: int = 60, width: int = 60) -> Mask:
    return np.zeros((height, width), dtype=bool)


def thicken(lines: Mask, by: int) -> Mask:
    return ndimage.binary_dilation(lines, np.ones((2 * by + 1, 2 * by + 1), dtype=bool))


def draw(mask: Mask, *points: tuple[float, float]) -> Mask:
    """Draw a line of single sites through the points (y, x)."""
    for (y0, x0), (y1, x1) in itertools.pairwise(points):
        steps = int(max(abs(y1 - y0), abs(x1 - x0))) + 1
        y = np.rint(np.linspace(y0, y1, steps)).astype(int)
        x = np.rint(np.linspace(x0, x1, steps)).astype(int)
        mask[y, x] = True
    return mask


def closed_grid() -> Mask:
    """Three rows and four columns of lines, closed at the rim: 2 x 3 meshes."""
    mask = blank(61, 81)
    for y in (10, 30, 50):
        mask[y, 10:71] = True
    for x in (10, 30, 50, 70):
        mask[10:51, x] = True
    return mask


def torus_grid(rows: int = 3, columns: int = 2, height: int = 48, width: int = 40) -> Mask:
    mask = blank(height, width)
    mask[:: height // rows] = True
    mask[:, :: width // columns] = True
    return mask


def random_network(seed: int, shape: tuple[int, int] = (96, 80), width: float = 0.011) -> Mask:
    """Draw rough bands with blobs, on the torus."""
    rng = np.random.default_rng(seed)
    bands = ndimage.gaussian_filter(rng.standard_normal(shape), 6, mode="wrap")
    blobs = ndimage.gaussian_filter(rng.standard_normal(shape), 1.5, mode="wrap")
    mask = (np.abs(bands) < width) | (blobs > 0.42)
    return mask ^ (mask & (rng.random(shape) < 0.01))


# --- drawn graphs with known answers -----------------------------------------------------------


def test_grid_of_single_sites_is_exact() -> None:
    values = measure(closed_grid()).readouts()
    # All twelve crossings but the corners, where edges join.
    assert (values["junctions"], values["segments"]) == (8, 17 - 4)
    assert (values["end_points"], values["meshes"]) == (0, 6)
    # Corners are cut by one diagonal step, and the stems of the six T meet the bars in two.
    steps = 2 * (3 * 60 + 4 * 40)
    assert values["tube_length_mm"] == length(steps - 4 * 2 - 6 * 3, 4 + 6 * 2, 2 * (4 + 6))
    assert values["mean_mesh_area_um2"] == pytest.approx(19 * 19 * 1e6, rel=1e-12)
    assert values["largest_part_fraction"] == 1


@pytest.mark.parametrize("by", [1, 2, 3])
def test_grid_of_thick_tubes(by: int) -> None:
    network = measure(thicken(closed_grid(), by), cell=30)
    values = network.readouts()
    assert counts(network) == (13, 8, 0, 6)
    assert values["tube_length_mm"] == pytest.approx(3 * 60 + 4 * 40, rel=0.05)
    assert values["mean_mesh_area_um2"] == (19 - 2 * by) ** 2 * 1e6


@pytest.mark.parametrize(
    ("ends", "tips", "arms"),
    [
        (
            ((30, 5), (30, 55), (5, 30), (55, 30)),
            {(30, 4.5), (30, 55.5), (4.5, 30), (55.5, 30)},
            length(4 * 51),
        ),
        (
            ((5, 5), (5, 55), (55, 5), (55, 55)),
            {(5, 5), (5, 55), (55, 5), (55, 55)},
            length(0, 4 * 50),
        ),
    ],
)
def test_star(
    ends: tuple[tuple[int, int], ...], tips: set[tuple[float, float]], arms: float
) -> None:
    mask = blank()
    for end in ends:
        draw(mask, (30, 30), end)
    network = measure(mask)
    assert counts(network) == (4, 1, 4, 0)
    assert network.readouts()["tube_length_mm"] == arms
    np.testing.assert_array_equal(network.junction_yx, [[30, 30]])
    assert {tuple(end) for end in network.end_yx} == tips


def test_thick_star_of_three_arms() -> None:
    mask = blank(120, 120)
    for angle in (90, 210, 330):
        turn = math.radians(angle)
        draw(mask, (60, 60), (60 - 45 * math.sin(turn), 60 + 45 * math.cos(turn)))
    network = measure(thicken(mask, 3), cell=60)
    assert counts(network) == (3, 1, 3, 0)
    assert np.abs(network.junction_yx - 60).max() <= 2


@pytest.mark.parametrize("half_width", [1, 3, 5])
@pytest.mark.parametrize("periodic", [False, True])
def test_ring(half_width: int, periodic: bool) -> None:
    y, x = np.mgrid[:100, :100] - 50
    mask = np.abs(np.hypot(y, x) - 30) <= half_width
    network = measure(mask, periodic=periodic, cell=50)
    assert counts(network) == (1, 0, 0, 1)
    assert network.readouts()["tube_length_mm"] == pytest.approx(2 * math.pi * 30, rel=0.015)
    inside = int(np.sum(np.hypot(y, x) < 30 - half_width))
    assert network.readouts()["mean_mesh_area_um2"] == inside * 1e6


def test_tree_of_depth_three() -> None:
    mask = blank(80, 80)
    draw(mask, (78, 40), (60, 40))
    for x, ends in ((20, (10, 30)), (60, (50, 70))):
        draw(mask, (60, 40), (40, x))
        for end in ends:
            draw(mask, (40, x), (10, end))
    for by, cell in ((0, 1), (2, 20)):
        network = measure(thicken(mask, by) if by else mask, cell=cell)
        assert counts(network) == (7, 3, 5, 0)


def test_two_rings_that_touch_in_a_bar() -> None:
    mask = draw(blank(), (10, 10), (10, 50), (40, 50), (40, 10), (10, 10))
    draw(mask, (10, 30), (40, 30))
    assert counts(measure(mask)) == (3, 2, 0, 2)


def test_a_blob_is_a_part_but_not_a_tube() -> None:
    y, x = np.mgrid[:60, :60] - 30
    network = measure(np.hypot(y, x) < 12, cell=100)
    assert network.parts.max() == 1
    assert network.readouts()["tube_length_mm"] <= 3
    assert network.readouts()["junctions"] == 0


# --- lengths -----------------------------------------------------------------------------------


@pytest.mark.parametrize("half_width", [0, 1, 2, 4])
@pytest.mark.parametrize("even", [0, 1])
def test_straight_bar(half_width: int, even: int) -> None:
    width = 2 * half_width + 1 + even
    mask = blank(40, 300)
    mask[20 - half_width : 21 + half_width + even, 20:281] = True
    network = measure(mask, cell=20)
    assert counts(network) == (1, 0, 2, 0)
    # Tips fork to their corners; without these spurs the skeleton ends half a width before them.
    lost = width / 2 if width > 1 else 0
    middle = 20 + even / 2
    np.testing.assert_array_equal(network.end_yx, [[middle, 19.5 + lost], [middle, 280.5 - lost]])
    assert network.readouts()["tube_length_mm"] == length(round(2 * (261 - 2 * lost)))


@pytest.mark.parametrize("half_width", [0, 2, 4])
def test_diagonal_bar(half_width: int) -> None:
    y, x = np.mgrid[:240, :240]
    mask = (np.abs(y - x) <= half_width * SQRT2) & (y + x >= 40) & (y + x <= 440)
    network = measure(mask, cell=20)
    assert counts(network) == (1, 0, 2, 0)
    between = 200 * SQRT2 - 2 * half_width
    assert network.readouts()["tube_length_mm"] == pytest.approx(between, rel=0.02)


@pytest.mark.parametrize("sites", [20, 80, 220])
def test_a_diagonal_tube_of_two_sites_has_its_length_in_each_orientation(sites: int) -> None:
    mask = blank(300, 300)
    for i in range(40, 40 + sites):
        mask[i, i : i + 2] = True
    found = {measure(turned, cell=6).readouts()["tube_length_mm"] for turned in orientations(mask)}
    assert len(found) == 1
    assert found.pop() == pytest.approx(sites * SQRT2, rel=0.03)


@pytest.mark.parametrize("width", range(2, 10))
@pytest.mark.parametrize("degrees", [0, 10, 17, 22.5, 33, 45, 57, 67.5, 78, 90])
def test_a_tube_has_its_length_at_any_angle(width: int, degrees: float) -> None:
    """One turn round a torus, at a slant: a tube without ends."""
    angle = math.radians(degrees)
    sides = 40 * width * np.array([math.sin(angle), math.cos(angle)])
    if degrees % 90:
        sides *= max(1, (3 * width + 4) / sides.min())  # turns must not touch
        height, width_ = np.rint(sides).astype(int)
        y, x = np.mgrid[:height, :width_]
        turns = (y / height - x / width_ + 0.3) % 1 - 0.5
        true = math.hypot(height, width_)
        mask = np.abs(turns) * height * width_ / true <= width / 2
    else:
        true = 40 * width
        mask = blank(30, true)
        mask[10 : 10 + width] = True
        mask = mask.T if degrees else mask
    network = measure(mask, periodic=True, cell=width**2)
    assert counts(network) == (1, 0, 0, 0)
    assert network.readouts()["tube_length_mm"] == pytest.approx(true, rel=0.03)


@pytest.mark.parametrize("width", [2, 3, 5, 8])
def test_ends_of_a_tube_at_any_angle(width: int) -> None:
    """Half a width before a square tip, or up to a corner of one that is cut at a slant."""
    long = 40 * width
    y, x = np.mgrid[: long + 40, : long + 40] - long / 2 - 20
    for degrees in range(0, 91, 9):
        u, v = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        mask = (np.abs(u * x + v * y) <= long / 2) & (np.abs(u * y - v * x) <= width / 2)
        network = measure(mask, cell=width**2)
        assert counts(network) == (1, 0, 2, 0)
        found = network.readouts()["tube_length_mm"]
        assert 0.97 * (long - width) < found < 1.03 * (long + (SQRT2 - 1) * width)


def test_units() -> None:
    mask = blank(50, 100)
    mask[25, 10:91] = True
    values = measure(mask, spacing_um=2.0).readouts()
    assert values["tube_length_mm"] == pytest.approx(0.98 * 81 * 0.002)
    assert values["tube_length_mm_per_mm2"] == pytest.approx(0.98 * 81 * 0.002 / (0.1 * 0.2))
    assert values["covered_fraction"] == 81 / 5000
    ring = draw(blank(), (10, 10), (10, 30), (40, 30), (40, 10), (10, 10))
    assert measure(ring, spacing_um=2.0).readouts()["mean_mesh_area_um2"] == 29 * 19 * 4


# --- parts, spurs, pinholes --------------------------------------------------------------------


def test_parts_below_three_cells_stay_out() -> None:
    mask = blank()
    mask[10:15, 10:50] = True  # 200 sites
    mask[30:35, 10:40] = True  # 150 sites: three cells of 50
    mask[45:50, 10:39] = True  # 145 sites
    network = measure(mask, cell=50)
    values = network.readouts()
    assert network.parts.max() == 3
    assert network.kept.sum() == 350
    assert counts(network) == (2, 0, 4, 0)
    assert 20 < values["total_length_mm"] - values["tube_length_mm"] < 29
    assert values["largest_part_fraction"] == 200 / 495
    assert network.skeleton_yx[:, 0].max() < 40


def test_ring_of_less_than_three_cells_encloses_no_mesh() -> None:
    mask = draw(blank(), (10, 10), (10, 30), (30, 30), (30, 10), (10, 10))  # 80 sites
    assert measure(mask, cell=30).readouts()["meshes"] == 0
    assert measure(mask, cell=25).readouts()["meshes"] == 1


def test_islands_belong_to_their_mesh() -> None:
    mask = closed_grid()
    mask[18:21, 18:21] = True
    assert measure(mask, cell=10).readouts()["mean_mesh_area_um2"] == 19 * 19 * 1e6


def test_diagonal_neighbours_are_one_part() -> None:
    mask = draw(blank(), (10, 10), (40, 40))
    assert measure(mask).parts.max() == 1
    mask[25, 25] = False
    assert measure(mask).parts.max() == 2


def test_spurs_go_and_sprouts_stay() -> None:
    bar = blank(80, 200)
    bar[37:44, 20:181] = True
    plain = measure(bar, cell=50)
    bumpy, sprouting = bar.copy(), bar.copy()
    bumpy[34:37, 60:68] = bumpy[44:46, 100:106] = True
    bumpy[44, 140] = bumpy[36, 150] = True
    sprouting[17:37, 97:104] = True
    assert counts(measure(bumpy, cell=50)) == counts(plain) == (1, 0, 2, 0)
    assert counts(measure(sprouting, cell=50)) == (3, 1, 3, 0)
    length = plain.readouts()["tube_length_mm"]
    assert measure(bumpy, cell=50).readouts()["tube_length_mm"] == pytest.approx(length, rel=0.02)
    grown = measure(sprouting, cell=50).readouts()["tube_length_mm"] - length
    assert grown == pytest.approx(20, abs=4)


@pytest.mark.parametrize(("up", "down", "left"), [(3, 6, 6), (6, 3, 6), (4, 4, 0)])
def test_a_forked_end_keeps_its_longer_tine(up: int, down: int, left: int) -> None:
    """Both tines are spurs; the shorter goes first, and the other then belongs to its tube."""

    def total(*tines: int) -> float:
        mask = draw(blank(40, 90), (20, 10), (20, 60))
        for rows in tines:
            draw(mask, (20, 60), (20 + rows, 60 + abs(rows)))
        return measure(mask, cell=200).readouts()["total_length_mm"]

    # where both go, the junction goes with them: a step of half a site
    assert total(-up, down) == pytest.approx(total(left), abs=0.6)


def test_rough_outlines_make_no_branches() -> None:
    rng = np.random.default_rng(5)
    bar = blank(60, 300)
    bar[24:35, 20:281] = True
    rim = thicken(bar, 1) & ~ndimage.binary_erosion(bar)
    bar ^= rim & (rng.random(bar.shape) < 0.4)
    assert counts(measure(bar, cell=100))[1:] == (0, 2, 0)


def test_pinholes_close_and_larger_gaps_stay() -> None:
    mask = blank(60, 120)
    mask[20:41, 20:101] = True
    whole = measure(mask, cell=30)
    holed = mask.copy()
    holed[30, 40] = holed[27:29, 60:63] = holed[33:36, 80:89] = False  # 1, 6 and 27 sites
    network = measure(holed, cell=30)
    assert counts(network) == counts(whole)
    np.testing.assert_array_equal(network.skeleton_yx, whole.skeleton_yx)
    assert network.readouts()["covered_fraction"] == holed.mean()  # cells as they lie
    holed[28:33, 50:56] = False  # 30 sites: a gap as large as a cell
    assert measure(holed, cell=30).readouts()["meshes"] == 1


# --- walls and borders -------------------------------------------------------------------------


def test_gaps_at_the_walls_are_no_meshes() -> None:
    mask = torus_grid()
    mask[0] = mask[:, 0] = False  # two rows and one column of lines, open at the walls
    network = measure(mask)
    assert counts(network) == (7, 2, 6, 0)
    assert network.readouts()["tube_length_mm"] == length(2 * (2 * 39 + 47))


def test_small_gaps_at_the_walls_stay_open() -> None:
    mask = ~blank(40, 40)
    mask[0, 10] = mask[20, 20] = False
    network = measure(mask, cell=30)
    assert not network.kept[0, 10]
    assert network.kept[20, 20]


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (3, 2), (4, 4)])
def test_torus_grid(rows: int, columns: int) -> None:
    mask = torus_grid(rows, columns)
    for shift in ((0, 0), (5, 7), (47, 1)):
        network = measure(np.roll(mask, shift, (0, 1)), periodic=True)
        n = rows * columns
        assert counts(network) == (2 * n, n, 0, n)
        values = network.readouts()
        assert values["tube_length_mm"] == length(2 * (rows * 40 + columns * 48))
        assert values["mean_mesh_area_um2"] == (48 // rows - 1) * (40 // columns - 1) * 1e6
        assert values["compactness"] == mask.mean()  # it goes round: the domain is its hull


def test_line_round_the_torus() -> None:
    mask = blank(40, 50)
    mask[18:23] = True
    network = measure(mask, periodic=True, cell=20)
    assert counts(network) == (1, 0, 0, 0)
    assert network.readouts()["tube_length_mm"] == length(100)
    walled = measure(mask, cell=20)
    assert counts(walled) == (1, 0, 2, 0)


def test_spiral_round_the_torus_leaves_no_mesh() -> None:
    y, x = np.mgrid[:40, :60]
    mask = (2 * x - 3 * y) % 120 < 7  # goes round once in y and once in x
    network = measure(mask, periodic=True, cell=20)
    assert counts(network) == (1, 0, 0, 0)
    assert network.parts.max() == 1


@pytest.mark.parametrize("half_width", [0, 2])
def test_line_across_the_border(half_width: int) -> None:
    mask = blank(40, 60)
    mask[20 - half_width : 21 + half_width, 10:41] = True
    inside = measure(mask, periodic=True, cell=10)
    for shift in ((0, 30), (20, 0), (19, 31)):
        moved = measure(np.roll(mask, shift, (0, 1)), periodic=True, cell=10)
        assert moved.readouts() == inside.readouts()
        assert moved.parts.max() == 1


def test_junction_on_the_corner_of_the_torus() -> None:
    mask = draw(blank(), (30, 10), (30, 50))
    draw(mask, (30, 30), (50, 30))
    mask = np.roll(mask, (30, 30), (0, 1))
    # The bar bends to the end of the stem, half a site off its middle.
    np.testing.assert_array_equal(measure(mask, periodic=True).junction_yx, [[0.5, 0]])


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("shape", [(30, 50), (1, 1)])
def test_empty_and_full(periodic: bool, filled: bool, shape: tuple[int, int]) -> None:
    network = measure(np.full(shape, filled), periodic=periodic, spacing_um=2.0)
    values = network.readouts()
    assert all(math.isfinite(value) for value in values.values())
    assert values["covered_fraction"] == values["largest_part_fraction"] == filled
    assert values["compactness"] == filled
    assert values["meshes"] == values["mean_mesh_area_um2"] == 0
    if not filled:
        assert values["total_length_mm"] == 0
        rows, columns = shape
        assert values["mean_chord_um"] == 4.0 * rows * columns / (rows + columns)
    else:
        assert values["mean_chord_um"] == 0
        assert not (periodic and network.skeleton_yx.size)
    assert network.junction_yx.shape[1] == network.end_yx.shape[1] == 2


# --- chords and compactness --------------------------------------------------------------------


def test_mean_chord() -> None:
    mask = blank(10, 20)
    mask[4:6, 8:12] = True
    runs = (8 + 2 * 2) + (16 + 2 * 4)
    assert measure(mask, spacing_um=1.0).readouts()["mean_chord_um"] == 2 * 192 / runs
    runs = 10 + 20  # on the torus the halves of a cut row are one run
    assert measure(mask, spacing_um=1.0, periodic=True).readouts()["mean_chord_um"] == 384 / runs


def test_compactness_is_exact_on_polygons() -> None:
    mask = blank(40, 50)
    mask[10:20, 10:30] = True
    assert measure(mask).readouts()["compactness"] == pytest.approx(1, rel=1e-12)
    mask[20:30, 10:20] = True  # an L: its hull adds half a square of 10 x 10
    mask[35, 40:44] = True  # not part of it
    expected = 300 / 350
    for shift in ((0, 0), (25, 0), (0, 33), (25, 33)):
        values = measure(np.roll(mask, shift, (0, 1)), periodic=True).readouts()
        assert values["compactness"] == pytest.approx(expected, rel=1e-12)
        assert values["largest_part_fraction"] == 300 / 304


# --- symmetries and topology -------------------------------------------------------------------


def orientations(mask: Mask) -> list[Mask]:
    """All eight, by turns and mirrors."""
    turned = [np.rot90(side, turns) for side in (mask, mask.T) for turns in range(4)]
    return [np.ascontiguousarray(one) for one in turned]


def on_doubled_grid(network: Network) -> Mask:
    """Skeleton of a torus as a map on its doubled grid."""
    height, width = network.kept.shape
    drawn = blank(2 * height, 2 * width)
    y, x = (2 * network.skeleton_yx).astype(int).T
    drawn[y, x] = True
    return drawn


@pytest.mark.parametrize("seed", range(6))
def test_rolling_a_torus_changes_nothing(seed: int) -> None:
    mask = random_network(seed, width=0.011 if seed % 2 else 0.03)
    network = measure(mask, periodic=True, cell=20)
    values = network.readouts()
    assert values["segments"] > 5
    skeleton = on_doubled_grid(network)
    between = 2 * network.junction_yx % 1.0  # 0 where a junction is a single position
    wide = np.argsort(-between.max(axis=1))[:12]
    onto_the_corner = -np.rint(network.junction_yx[wide]).astype(int)
    for y, x in ((1, 0), (0, 1), (37, 53), (48, 40), *onto_the_corner):
        moved = measure(np.roll(mask, (y, x), (0, 1)), periodic=True, cell=20)
        rolled = np.roll(skeleton, (2 * y, 2 * x), (0, 1))
        np.testing.assert_array_equal(on_doubled_grid(moved), rolled)
        np.testing.assert_array_equal(moved.kept, np.roll(network.kept, (y, x), (0, 1)))
        np.testing.assert_array_equal(moved.meshes > 0, np.roll(network.meshes > 0, (y, x), (0, 1)))
        assert moved.readouts() == values
        apart = moved.junction_yx[:, None] - network.junction_yx - (y, x)
        apart -= np.rint(apart / mask.shape) * mask.shape  # the shortest way round
        np.testing.assert_allclose(np.abs(apart).max(axis=2).min(axis=1), 0, atol=1e-9)
        assert ((moved.junction_yx >= 0) & (moved.junction_yx < mask.shape)).all()


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("closing_um", [0.0, 2.0])
def test_every_orientation_reads_the_same(periodic: bool, seed: int, closing_um: float) -> None:
    mask = random_network(seed, (160, 140), width=0.011 if seed % 2 else 0.03)
    options = dict(spacing_um=1.0, periodic=periodic, cell_area_sites=20.0, closing_um=closing_um)
    values = measure_network(mask, **options).readouts()  # type: ignore[arg-type]
    assert values["junctions"] > 10
    for turned in orientations(mask):
        other = measure_network(turned, **options).readouts()  # type: ignore[arg-type]
        assert other == values  # to the last bit


def cycles(network: Network) -> int:
    """Count the independent cycles of a skeleton as links - positions + parts, one by one.

    The blocks of 2 x 2 positions that thinning leaves at some junctions are no cycles.
    """
    places = {(int(y), int(x)): i for i, (y, x) in enumerate(2 * network.skeleton_yx)}
    links, blocks = [], 0
    for (y, x), i in places.items():
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            j = places.get((y + dy, x + dx))
            corner = dy and dx and ((y + dy, x) in places or (y, x + dx) in places)
            if j is not None and not corner:
                links.append((i, j))
        blocks += {(y + 1, x), (y, x + 1), (y + 1, x + 1)} <= places.keys()
    assert {frozenset(link) for link in links} == {*map(frozenset, network.skeleton_links.tolist())}
    a, b = np.array(links, dtype=int).reshape(-1, 2).T
    table = coo_array((np.ones(len(a)), (a, b)), shape=(len(places), len(places)))
    parts = connected_components(table, directed=False)[0] if places else 0
    return len(links) - len(places) + parts - blocks


@pytest.mark.parametrize("seed", range(5))
def test_walled_skeleton_has_one_cycle_per_mesh(seed: int) -> None:
    network = measure(random_network(seed, (160, 140)), cell=20)
    assert cycles(network) == network.readouts()["meshes"] > 0


SMALL = arrays(bool, (6, 7), elements=st.booleans())


@settings(max_examples=60, deadline=None)
@given(SMALL)
def test_meshes_of_small_tori_are_the_bounded_gaps_of_the_unrolled_plane(mask: Mask) -> None:
    network = measure(mask, periodic=True, cell=1 / 3)  # every part is kept, no pinholes
    plane, n = ndimage.label(np.tile(~mask, (9, 9)))
    rim = np.unique(np.concatenate([plane[0], plane[-1], plane[:, 0], plane[:, -1]]))
    # A gap of 42 sites that does not go round stays within the eight copies around its own.
    gap = np.setdiff1d(plane[24:30, 28:35], np.append(rim, 0))
    inside = np.isin(plane[24:30, 28:35], gap)
    np.testing.assert_array_equal(network.meshes > 0, inside)
    copies = {tuple(sorted({(y % 6, x % 7) for y, x in np.argwhere(plane == k)})) for k in gap}
    assert network.readouts()["meshes"] == len(copies) <= n


def test_rejects_unmeasurable_input() -> None:
    with pytest.raises(ValueError, match=r"\(H, W\)"):
        measure(np.zeros((3, 3, 3), dtype=bool))
    with pytest.raises(ValueError, match="positive"):
        measure(blank(), cell=0.0)


def test_types_of_the_readouts() -> None:
    values = measure(closed_grid()).readouts()
    assert {key for key, value in values.items() if type(value) is int} == set(COUNTS)
    assert all(type(value) in (int, float) for value in values.values())


@pytest.mark.parametrize("radius", [1.0, 1.5, 2.0, 2.9, 3.0, 3.7, 5.0])
def test_dilation_against_a_disc(radius: float) -> None:
    phase = np.random.default_rng(8).random((31, 27)) > 0.97
    y, x = np.mgrid[-5:6, -5:6]
    wanted = ndimage.binary_dilation(phase, y * y + x * x <= radius * radius)
    assert (dilate(phase, radius) == wanted).all()


# --- thinning ----------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(3, 9), st.integers(3, 9)), elements=st.booleans()))
def test_thinning_agrees_with_its_definition(mask: Mask) -> None:
    if not mask.all():
        positions, true = skeleton_of(mask)
        found = skeletons.skeleton(mask)
        np.testing.assert_array_equal(found.yx, positions)
        assert found.length / skeletons.UNITS_PER_SITE == pytest.approx(true, rel=1e-12)
        squares = squared_distances(blocks(mask), *found.shape)
        assert [squares[y, x] for y, x in found.yx.tolist()] == found.square.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_thinning_of_tubes_agrees_with_its_definition(seed: int) -> None:
    mask = random_network(seed, (40, 36), width=0.02)
    positions, true = skeleton_of(mask)
    found = skeletons.skeleton(mask)
    np.testing.assert_array_equal(found.yx, positions)
    assert found.length / skeletons.UNITS_PER_SITE == pytest.approx(true, rel=1e-12)


@pytest.mark.parametrize("shape", [(30, 40), (8, 60), (60, 3), (1, 9), (120, 4), (200, 230)])
@pytest.mark.parametrize("gaps", [1, 5, 100])
def test_squared_distances_are_exact(shape: tuple[int, int], gaps: int) -> None:
    rng = np.random.default_rng(gaps)
    grid = np.ones(shape, dtype=np.uint8)
    grid[rng.integers(0, shape[0], gaps), rng.integers(0, shape[1], gaps)] = 0
    square = np.empty(shape, dtype=np.int32)
    thinning.squared_distance(grid, square)
    height, width = shape
    far = ndimage.distance_transform_edt(np.tile(grid, (3, 3)))
    wanted = np.rint(far[height : 2 * height, width : 2 * width] ** 2)
    np.testing.assert_array_equal(square, np.minimum(wanted, grid.size))


@pytest.mark.parametrize("share", [0.0, 0.7, 0.95, 1.0])
def test_what_is_left_of_a_skeleton(share: float) -> None:
    """Without some of its positions, against the same in NumPy."""
    rng = np.random.default_rng(3)
    whole = skeletons.skeleton(rng.random((60, 50)) < 0.7)
    assert len(whole.crossings) > 0
    kept = rng.random(whole.positions.size) < share
    found, number = whole.only(kept), np.cumsum(kept) - 1
    left = kept[whole.links].all(axis=1)
    np.testing.assert_array_equal(found.yx, whole.yx[kept])
    np.testing.assert_array_equal(found.square, whole.square[kept])
    np.testing.assert_array_equal(found.links, number[whole.links[left]])
    np.testing.assert_array_equal(found.diagonal, whole.diagonal[left])
    squares = whole.crossings[kept[whole.crossings].all(axis=1)]
    np.testing.assert_array_equal(found.crossings, number[squares])


def test_positions_in_blocks_of_sites() -> None:
    sites = np.random.default_rng(4).random((9, 7)) < 0.4
    found = thinning.lies_in(np.arange(18 * 14), 14, sites)
    np.testing.assert_array_equal(found, skeletons.doubled(sites).ravel())


@pytest.mark.skipif(sys.platform == "win32", reason="has no `resource`")
def test_memory_of_large_networks() -> None:
    """What measuring needs at its peak, with all that it returns: 28 bytes a site."""
    code = """
from resource import RUSAGE_SELF, getrusage
import sys
import numpy as np
from sim.readouts.network import measure_network
rows = (np.arange(2000) % 40)[:, None] < 5
tubes = rows | rows.T
for mask in tubes[:100, :100], tubes:
    before = getrusage(RUSAGE_SELF).ru_maxrss
    measure_network(mask, spacing_um=2.0, periodic=True, cell_area_sites=100)
grown = getrusage(RUSAGE_SELF).ru_maxrss - before
print(grown * (1 if sys.platform == "darwin" else 1024) / tubes.size)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 36


# --- pruning -----------------------------------------------------------------------------------


def betti_numbers(graph: skeletons.Graph) -> tuple[int, int]:
    """Parts and independent cycles of a graph whose nodes are junctions and chains."""
    pieces = graph.pieces
    n = len(pieces.lengths)
    table = coo_array((np.ones(len(pieces.touches)), tuple(pieces.touches.T)), shape=(n, n))
    parts = connected_components(table, directed=False)[0] if n else 0
    least = np.full(n, 2)
    np.minimum.at(least, pieces.of_position, graph.degree)
    alone = np.bincount(pieces.touches.ravel(), minlength=n) == 0
    rings = np.count_nonzero(alone & (least == 2) & ~pieces.is_junction)
    return parts, len(pieces.touches) - n + parts + rings


def drawn(graph: skeletons.Graph) -> Mask:
    """Positions within a frame of gap; without the last row and column, it can be turned."""
    grid = blank(*graph.shape)
    grid.flat[graph.positions] = True
    return grid[:-1, :-1]


def blobs(seed: int, rows: int, columns: int) -> Mask:
    """Rough blobs of seven by seven sites, as many have crossings that lose lines."""
    mask = np.random.default_rng(seed).random((8 * rows, 8 * columns)) < 0.55
    mask[7::8] = mask[:, 7::8] = False
    return mask


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("radius", [1.2, 2.0])
@pytest.mark.parametrize("periodic", [False, True])
def test_pruning_keeps_parts_and_loops(seed: int, radius: float, periodic: bool) -> None:
    mask = np.roll(blobs(seed, 16, 15), (3, 3), (0, 1))  # on the torus across its borders
    mask = close_pinholes(mask if periodic else np.pad(mask, 1), 2)
    thin = skeletons.skeleton(mask)
    graph = skeletons.prune(thin, radius)
    assert len(graph.crossings) < len(thin.crossings)
    assert betti_numbers(graph) == betti_numbers(thin)
    if not periodic:
        parts, holes = ndimage.label(mask, np.ones((3, 3)))[1], ndimage.label(~mask)[1] - 1
        assert betti_numbers(graph) == (parts, holes)
    for turned, wanted in zip(orientations(mask), orientations(drawn(graph)), strict=True):
        other = skeletons.prune(skeletons.skeleton(turned), radius)
        assert other.length == graph.length
        assert other.pieces.is_junction.sum() == graph.pieces.is_junction.sum()
        if not periodic:
            np.testing.assert_array_equal(drawn(other), wanted)


@pytest.mark.parametrize("axis", [0, 1])
def test_the_centre_of_a_junction_across_the_border_is_on_the_torus(axis: int) -> None:
    """Junctions of several positions, rolled so that each lies across the border in turn."""
    mask = blobs(1, 4, 4)
    thin = skeletons.skeleton(mask)
    plain, size = skeletons.centres(thin), np.array(thin.shape)
    clusters = np.bincount(thin.pieces.of_position)[thin.pieces.is_junction]
    assert (clusters > 1).sum() > 5
    across = 0
    for by in range(mask.shape[axis]):
        graph = skeletons.skeleton(np.roll(mask, by, axis))
        found = skeletons.centres(graph)
        assert ((found >= 0) & (found < size)).all()
        wanted = (plain + np.eye(2)[axis] * 2 * by) % size
        apart = found[:, None] - wanted
        apart -= np.rint(apart / size) * size
        np.testing.assert_allclose(np.abs(apart).max(axis=2).min(axis=1), 0, atol=1e-9)
        across += int((found[:, axis] > size[axis] - 1).sum())
    assert across  # between the last position and the first


# Two crossings that share a side, and one that loses lines.
SHARED = ("###.#", ".###.", "#####", ".###.", "###.#")
SMALL_CROSSING = (".#.#..", "..##..", ".###..")


@pytest.mark.parametrize(
    "mask",
    [
        np.pad([[site == "#" for site in row] for row in rows], 1)
        for rows in (SHARED, SMALL_CROSSING)
    ]
    + [np.roll(blobs(seed, 3, 3), (3, 3), (0, 1)) for seed in range(4)],
)
def test_pruning_agrees_with_its_definition(mask: Mask) -> None:
    for radius in (0.5, 1.0, 2.0):
        positions, true = pruned(mask, radius)
        found = skeletons.prune(skeletons.skeleton(mask), radius)
        np.testing.assert_array_equal(found.yx, positions)
        assert found.length / skeletons.UNITS_PER_SITE == pytest.approx(true, rel=1e-12)


def test_a_crossing_without_two_of_its_lines_is_a_line() -> None:
    mask = np.array([[site == "#" for site in row] for row in SMALL_CROSSING])
    values = measure(mask, cell=4).readouts()
    # It goes down, half a site to the side and down again, then along; corners are diagonal.
    assert values["total_length_mm"] == length(6, 2, 4)
