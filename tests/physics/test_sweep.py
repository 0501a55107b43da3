"""The Potts sweep: what it keeps, what it tries, and agreement with a naive full-lattice sweep."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lattices import attractants, place, rules
from marks import slow
from naive import potts as naive
from naive import sweep as naive_sweep
from naive import tiles

from sim.kernels import draws
from sim.kernels.threads import together
from sim.tissue import potts
from sim.tissue.cells import CellStore
from sim.tissue.energy import Rules, digits
from sim.tissue.lattice import REACH, Grid
from sim.tissue.tiles import COLOURS, shift_of, tile_at, tiles_of

CERTAIN = 1e300  # a temperature at which every copy is accepted


def run(
    lattice: np.ndarray, cells: CellStore, grid: Grid, how: Rules, steps: int, *, seed: int = 1
) -> None:
    """Sweep as the model does."""
    for step in range(steps):
        potts.sweep(lattice, attractants(), cells.arrays(), how, grid, seed, step)
        cells.recentre(lattice, grid, reach=8)


def squares(shape: tuple[int, int], side: int, gap: int) -> np.ndarray:
    """Square cells on a regular grid that fills the lattice, from its corner."""
    sites = np.zeros(shape, np.int32)
    corners = itertools.product(
        range(0, shape[0] - side + 1, side + gap), range(0, shape[1] - side + 1, side + gap)
    )
    for row, (y, x) in enumerate(corners, start=1):
        sites[y : y + side, x : x + side] = row
    return sites


def counted(sites: np.ndarray, cells: CellStore, periodic: bool) -> np.ndarray:
    """Moments from the lattice, about the cells' anchors."""
    moments = np.zeros_like(cells["moments"])
    height, width = sites.shape
    for row in cells.living:
        y, x = np.nonzero(sites == row)
        dy, dx = y - cells["anchor"][row, 0], x - cells["anchor"][row, 1]
        if periodic:
            dy = (dy + (height - 1) // 2) % height - (height - 1) // 2
            dx = (dx + (width - 1) // 2) % width - (width - 1) // 2
        moments[row] = [y.size, dx.sum(), dy.sum(), (dx**2).sum(), (dy**2).sum(), (dx * dy).sum()]
    return moments


ELONGATED: dict[str, Any] = {
    "temperature": 20,
    "J": [[0, 8, 0], [8, 16, 30], [0, 30, 0]],
    "stiffness": [[0, 0], [2, 4], [0, 0]],
    "connectivity": "soft",
    "penalty": 300,
}


@pytest.mark.parametrize("periodic", [False, True])
def test_running_sums_equal_counts(periodic: bool) -> None:
    sites = squares((110, 107), 7, 6)
    lattice, cells, grid = place(
        sites, [1] * int(sites.max()), periodic=periodic, target=(55.0, 26.0)
    )
    how = rules(grid, **ELONGATED)
    lowest, highest = np.full(sites.max() + 2, 1e9), np.full(sites.max() + 2, -1e9)
    for start in range(0, 400, 50):
        for step in range(start, start + 50):
            potts.sweep(lattice, attractants(), cells.arrays(), how, grid, 5, step)
            cells.recentre(lattice, grid, reach=8)
        assert (cells["moments"] == counted(lattice, cells, periodic)).all()
        lowest = np.minimum(lowest, cells.centroids()[:, 0])
        highest = np.maximum(highest, cells.centroids()[:, 0])
    long = cells.lengths[cells.living]
    assert long.mean() > 18  # cells are long
    if periodic:
        crossing = set(lattice[0]) & set(lattice[-1]) - {0}
        assert crossing  # and some lie across the border
        for row in crossing:
            own = naive.cell_length(lattice, int(row), True)
            assert cells.lengths[row] == pytest.approx(own, rel=1e-9)


def test_recentring_changes_no_shape() -> None:
    sites = squares((60, 55), 7, 6)
    lattice, cells, grid = place(sites, [1] * int(sites.max()), periodic=True, target=(55.0, 20.0))
    run(lattice, cells, grid, rules(grid, **ELONGATED), 60)
    lengths, middle = cells.lengths, cells.centroids() % sites.shape
    cells.recentre(lattice, grid, reach=0)
    assert np.abs(cells.centroids() - cells["anchor"])[cells.living].max() <= 0.5 + 1e-12
    assert (cells["moments"] == counted(lattice, cells, True)).all()
    np.testing.assert_allclose(cells.lengths, lengths, rtol=1e-12)
    moved = np.abs(cells.centroids() % sites.shape - middle)[cells.living]
    assert np.minimum(moved, sites.shape - moved).max() < 1e-9


def test_walls_are_never_entered_nor_copied() -> None:
    sites = squares((23, 31), 5, 0)
    lattice, cells, grid = place(sites, [1] * int(sites.max()), periodic=False, target=(25.0, 0.0))
    attractive = [[0, 0, 0], [0, 0, -90], [0, -90, 0]]
    run(lattice, cells, grid, rules(grid, temperature=CERTAIN, J=attractive), 200)
    assert (lattice >= 0).all()


def tiles_of_a_sweep(shape: tuple[int, int], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns of each tile, in the order of their colours."""
    shift, seen = shift_of(seed, 0, *shape), []
    for colour in range(COLOURS):
        for number in range(tiles_of(colour, *shape)):
            (top, left, height, width), _ = tile_at(colour, number, shift, seed, 0, *shape)
            seen.append(
                ((top + np.arange(height)) % shape[0], (left + np.arange(width)) % shape[1])
            )
    return seen


@pytest.mark.parametrize("shape", [(37, 101), (101, 37), (5, 6), (199, 200), (301, 250)])
def test_tiles_cover_each_site_once(shape: tuple[int, int]) -> None:
    corners = set()
    for seed in range(20):
        visits = np.zeros(shape, int)
        for y, x in tiles_of_a_sweep(shape, seed):
            visits[np.ix_(y, x)] += 1
        corners.add((int(y[0]), int(x[0])))
        assert (visits == 1).all()
    assert len(corners) > 5 or max(shape) < 100  # the grid of tiles is shifted


def test_tiles_of_one_colour_do_not_touch() -> None:
    shape = (303, 211)
    tiles = tiles_of_a_sweep(shape, 3)
    per_colour = len(tiles) // 4
    assert len(tiles) == 6 * 4
    for colour in range(4):
        reached = np.zeros(shape, int)
        for y, x in tiles[colour * per_colour : (colour + 1) * per_colour]:
            rows = (y[0] + np.arange(-REACH, y.size + REACH)) % shape[0]
            columns = (x[0] + np.arange(-REACH, x.size + REACH)) % shape[1]
            reached[np.ix_(rows, columns)] += 1
        assert reached.max() == 1


def test_no_bit_depends_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on the number of parts when they run one after another."""
    sites = squares((310, 304), 8, 3)

    def in_turn(threads: int, work: Callable[[int], None]) -> None:
        for part in range(threads):
            work(part)

    outcomes = []
    choices = [(together, parts) for parts in (1, 2, 3, 4)]
    for choose, parts in [*choices, (in_turn, 3), (in_turn, 7)]:
        monkeypatch.setattr(potts, "together", choose)
        lattice, cells, grid = place(
            sites, [1] * int(sites.max()), periodic=True, target=(70.0, 20.0)
        )
        how = rules(grid, **ELONGATED)
        for step in range(6):
            potts.sweep(lattice, attractants(), cells.arrays(), how, grid, 7, step, parts)
        outcomes.append((lattice, cells["moments"].copy()))
    assert (outcomes[0][0] != sites).sum() > 1000
    for lattice, moments in outcomes[1:]:
        assert (lattice == outcomes[0][0]).all()
        assert (moments == outcomes[0][1]).all()


@pytest.mark.parametrize(
    ("copy_sites", "contact_sites", "connectivity", "gap"),
    [(4, 8, "soft", 4), (8, 20, "soft", 4), (12, 4, "authors", 1), (20, 20, "authors", 0)],
)
@pytest.mark.parametrize(
    "shape",
    [
        *(slow(s) for s in ((101, 104), (33, 104), (103, 40))),
        (48, 52),
        (24, 26),
    ],
)
@pytest.mark.parametrize("periodic", [False, True])
def test_the_sweep_is_that_of_its_definition(
    periodic: bool,
    shape: tuple[int, int],
    copy_sites: int,
    contact_sites: int,
    connectivity: str,
    gap: int,
) -> None:
    """Site by site as the plain twin, which counts every energy anew."""
    neighbours = {"copy_sites": copy_sites, "contact_sites": contact_sites}
    physics = {
        "T": 20, "J_cm": 8, "J_cc": 16, "J_cw": 30, "lambda_area": 2, "A": 55, "lambda_length": 4,
        "L": 18, "penalty": 300, "authors": connectivity == "authors", **neighbours,
    }  # fmt: skip
    sites = squares(shape, 7, gap)
    lattice, cells, grid = place(
        sites, [1] * int(sites.max()), periodic=periodic, target=(physics["A"], physics["L"])
    )
    how = rules(grid, **ELONGATED | neighbours | {"connectivity": connectivity})
    wanted = sites
    for step in range(3):
        wanted = tiles.sweep(wanted, 9, step, physics, periodic=periodic)
        potts.sweep(lattice, attractants(), cells.arrays(), how, grid, 9, step)
        assert (lattice == wanted).all()
    assert (wanted != sites).mean() > 0.05


@pytest.mark.parametrize("copy_sites", [4, 8, 12, 20])
def test_each_ordered_pair_is_tried_at_its_rate(copy_sites: int) -> None:
    """With every copy accepted, the expected lattice follows a linear equation: compare with it.

    In an attempt each of N sites takes the value of one of its n neighbours with probability
    1/(N n), so that p -> p + (mean of the neighbours - p) / N.
    """
    shape = (24, 31)
    sites = np.zeros(shape, np.int32)
    sites[:9, 4:17] = 1
    sites[20:, 25:] = 1  # across corner and border with the tile below
    corner, size = (15, 20), (20, 18)
    inside = np.zeros(shape, bool)
    inside[
        np.ix_((corner[0] + np.arange(20)) % shape[0], (corner[1] + np.arange(18)) % shape[1])
    ] = True

    expected = sites.astype(float)
    for _ in range(size[0] * size[1]):
        around = np.mean(
            [np.roll(expected, step, (0, 1)) for step in naive.neighbourhood(copy_sites)], axis=0
        )
        expected = np.where(inside, expected + (around - expected) / (size[0] * size[1]), expected)

    start, cells, grid = place(sites, [1], periodic=True)
    how = rules(grid, temperature=CERTAIN, copy_sites=copy_sites)
    repeats, total = 4000, np.zeros(shape)
    for repeat in range(repeats):
        lattice = start.copy()
        key = np.uint64(draws.key_of(11, draws.COPY, repeat, 0))
        potts.sweep_tile(
            lattice,
            attractants(),
            cells.arrays(),
            np.zeros((3, 4)),
            digits(cells["type"]),
            how,
            grid,
            corner,
            size,
            key,
            np.zeros(4, np.int64),
            np.zeros(3, bool),
        )
        total += lattice
    mean = total / repeats
    assert (mean[~inside] == sites[~inside]).all()
    error = np.sqrt(expected * (1 - expected) / repeats)
    open_sites = inside & (expected > 0.01) & (expected < 0.99)
    z = (mean - expected)[open_sites] / error[open_sites]
    assert open_sites.sum() > 100
    assert np.abs(z).max() < 4.5
    assert np.mean(z**2) == pytest.approx(1.0, abs=0.4)


# -- agreement with the naive sweep -------------------------------------------------------------

CASES: dict[str, dict[str, Any]] = {
    "sparse and long": {
        "start": squares((102, 100), 7, 18),
        "mcs": 60,
        "periodic": False,
        "physics": {
            "T": 20, "J_cm": 8, "J_cc": 16, "J_cw": 40, "lambda_area": 2, "A": 55,
            "lambda_length": 4, "L": 18, "penalty": 300,
        },
    },
    "crowded": {
        "start": squares((104, 112), 7, 1),
        "mcs": 60,
        "periodic": True,
        "physics": {
            "T": 12, "J_cm": 8, "J_cc": 6, "lambda_area": 1, "A": 52, "contact_sites": 20,
            "copy_sites": 4,
        },
    },
    "copies from afar": {
        "start": squares((102, 100), 7, 1),
        "mcs": 60,
        "periodic": False,
        "physics": {
            "T": 50, "J_cm": 20, "J_cc": 40, "J_cw": 100, "lambda_area": 25, "A": 50,
            "copy_sites": 20, "contact_sites": 20,
        },
    },
    "twelve, around a torus": {
        "start": squares((104, 112), 7, 3),
        "mcs": 60,
        "periodic": True,
        "physics": {
            "T": 12, "J_cm": 8, "J_cc": 6, "lambda_area": 1, "A": 52, "copy_sites": 12,
            "contact_sites": 12,
        },
    },
    "as the authors' code": {
        "start": squares((104, 112), 7, 1),
        "mcs": 80,
        "periodic": False,
        "physics": {
            "T": 20, "J_cm": 8, "J_cc": 12, "J_cw": 20, "lambda_area": 2, "A": 55,
            "lambda_length": 4, "L": 16, "penalty": 300, "authors": True,
        },
    },
    "crowded and long": {
        "start": squares((104, 112), 7, 1),
        "mcs": 80,
        "periodic": False,
        "physics": {
            "T": 20, "J_cm": 8, "J_cc": 12, "J_cw": 20, "lambda_area": 2, "A": 55,
            "lambda_length": 4, "L": 16, "penalty": 300,
        },
    },
}  # fmt: skip


def read_out(before: np.ndarray, after: np.ndarray, case: dict[str, Any]) -> list[float]:
    """Contacts per cell (cell-medium, cell-cell), area, its variance, length, displacement^2."""
    physics, periodic = case["physics"], case["periodic"]
    padded = np.pad(after, 2, mode="wrap") if periodic else np.pad(after, 2, constant_values=-1)
    height, width = after.shape
    medium = cell = 0
    for dy, dx in naive_sweep.neighbourhood(physics.get("contact_sites", 8)):
        other = padded[2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width]
        medium += np.count_nonzero((after > 0) & (other == 0))
        cell += np.count_nonzero((after > 0) & (other > 0) & (after != other))
    n = int(before.max())
    areas = np.bincount(after.ravel(), minlength=n + 1)[1:]
    lengths, squared = [], []
    for row in np.flatnonzero(areas)[::4] + 1:  # every fourth cell: the twin is slow
        lengths.append(naive.cell_length(after, row, periodic))
        moved = naive.cell_sites(after, row, periodic).mean(axis=0)
        moved -= naive.cell_sites(before, row, periodic).mean(axis=0)
        if periodic:
            moved -= np.rint(moved / after.shape) * after.shape
        squared.append(moved @ moved)
    return [
        medium / n, cell / n, areas.mean(), areas.var(), float(np.mean(lengths)),
        float(np.mean(squared)), float(np.mean(areas > 0)),
    ]  # fmt: skip


def compare(name: str, replicates: int) -> None:
    """Means of both sweeps differ by less than 4 of their standard errors (fixed seeds)."""
    case = CASES[name]
    start, physics, periodic = case["start"], case["physics"], case["periodic"]
    n = int(start.max())
    wall = physics.get("J_cw", 0)
    found: dict[str, list[list[float]]] = {"naive": [], "tiled": []}
    for seed in range(1, replicates + 1):
        after = naive_sweep.simulate(start, seed, case["mcs"], periodic=periodic, **physics)
        found["naive"].append(read_out(start, after, case))
        lattice, cells, grid = place(
            start, [1] * n, periodic=periodic, target=(physics["A"], physics.get("L", 0))
        )
        how = rules(
            grid,
            temperature=physics["T"],
            J=[[0, physics["J_cm"], 0], [physics["J_cm"], physics["J_cc"], wall], [0, wall, 0]],
            stiffness=[
                [0, 0],
                [physics["lambda_area"], physics.get("lambda_length", 0)],
                [0, 0],
            ],
            connectivity="authors"
            if "authors" in physics
            else ("soft" if "penalty" in physics else "none"),
            penalty=physics.get("penalty", 0),
            copy_sites=physics.get("copy_sites", 8),
            contact_sites=physics.get("contact_sites", 8),
        )
        run(lattice, cells, grid, how, case["mcs"], seed=seed)
        found["tiled"].append(read_out(start, lattice, case))
    one, two = np.array(found["naive"]), np.array(found["tiled"])
    error = np.sqrt((one.var(axis=0, ddof=1) + two.var(axis=0, ddof=1)) / replicates)
    difference = np.abs(one.mean(axis=0) - two.mean(axis=0))
    report = np.stack([one.mean(axis=0), two.mean(axis=0), error], axis=1)
    print(name, np.array2string(report, precision=4, suppress_small=True), sep="\n")
    assert (difference <= 4 * error + 1e-12).all(), report


@pytest.mark.parametrize("name", [name for name in CASES if "long" not in name])
def test_agrees_with_the_naive_sweep(name: str) -> None:
    compare(name, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(CASES))
def test_agrees_closely_with_the_naive_sweep(name: str) -> None:
    compare(name, 100)
