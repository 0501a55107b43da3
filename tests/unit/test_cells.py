"""The cell store: rows that are born, freed and reused."""

from __future__ import annotations

import numpy as np
import pytest
from lattices import place

from sim.tissue.cells import MOMENT_NAMES, CellStore
from sim.tissue.moments import first_sites, measure_cells, remember

WALL_TYPE = 3


def store(capacity: int = 3) -> CellStore:
    return CellStore(capacity, wall_type=WALL_TYPE, fields=2, extra={"bound": (np.float64, (3,))})


def test_rows_of_medium_and_wall() -> None:
    cells = store()
    assert {len(column) for column in cells.columns.values()} == {5}
    assert cells["type"][-1] == WALL_TYPE
    assert cells["type"][0] == 0
    assert cells["mu"].shape == (5, 2)
    assert cells["bound"].shape == (5, 3)
    assert cells["moments"].shape == (5, len(MOMENT_NAMES))
    assert cells.living.size == 0


def test_birth_and_death() -> None:
    cells = store()
    assert [cells.born(1), cells.born(2), cells.born(1)] == [1, 2, 3]
    assert list(cells.living) == [1, 2, 3]
    assert list(cells["type"][1:-1]) == [1, 2, 1]
    assert (cells["generation"] == 0).all()
    cells.freed(2)
    assert list(cells.living) == [1, 3]
    assert list(cells["generation"]) == [0, 0, 1, 0, 0]


def test_a_reused_row_starts_empty_but_for_its_generation() -> None:
    cells = store()
    for _ in range(3):
        cells.born(1)
    for name, column in cells.columns.items():
        if name not in ("alive", "generation", "type"):
            column[2] = 7
    cells.freed(2)
    assert cells.born(2) == 2
    assert cells["generation"][2] == 1
    assert cells["type"][2] == 2
    for name, column in cells.columns.items():
        if name not in ("alive", "generation", "type"):
            assert not column[2].any(), name


@pytest.mark.parametrize("capacity", [0, 1, 3])
def test_growth_keeps_the_wall_last(capacity: int) -> None:
    cells = store(capacity)
    for number in range(1, 21):
        row = cells.born(1)
        assert row == number
        cells["mu"][row] = number
        assert cells["type"][-1] == WALL_TYPE
        assert cells["type"][0] == 0
        assert not cells["alive"][0]
        assert not cells["alive"][-1]
    assert {len(column) for column in cells.columns.values()} == {len(cells.area)}
    assert (cells["mu"][1:21, 0] == np.arange(1, 21)).all()
    assert list(cells.living) == list(range(1, 21))
    assert len(cells.area) <= 2 * 21  # it doubles


def test_arrays_are_the_columns_themselves() -> None:
    cells = store()
    row = cells.born(1)
    arrays = cells.arrays()
    arrays.moments[row, 0] = 11
    assert cells.area[row] == 11
    cells["target"][row] = 40, 9
    assert list(arrays.target[row]) == [40, 9]


@pytest.mark.parametrize("periodic", [False, True])
def test_measuring_cells_counts_their_sites(periodic: bool) -> None:
    sites = np.zeros((20, 24), int)
    sites[3:5, 4:14] = 1  # a rod
    sites[10:14, 10:14] = 2
    if periodic:
        sites[18:, 22:] = sites[:2, 22:] = sites[18:, :2] = sites[:2, :2] = 3
    _, cells, _ = place(sites, [1, 1, 1], periodic=periodic)
    assert list(cells.area[1:4]) == [20, 16, 16 if periodic else 0]
    # variance of n sites in a row is (n^2 - 1) / 12
    assert cells.lengths[1] == pytest.approx(4 * np.sqrt((10**2 - 1) / 12))
    assert cells.lengths[2] == pytest.approx(4 * np.sqrt((4**2 - 1) / 12))
    np.testing.assert_allclose(cells.centroids()[1:3], [[3.5, 8.5], [11.5, 11.5]])
    if periodic:
        np.testing.assert_allclose(cells.centroids()[3] % (20, 24), [19.5, 23.5])
        assert cells.lengths[3] == cells.lengths[2]
    assert cells.lengths[0] == cells.lengths[-1] == 0
    np.testing.assert_allclose(cells["centroid"], cells.centroids())


def test_a_disc_has_the_length_of_its_diameter() -> None:
    y, x = np.mgrid[:61, :61]
    disc = ((y - 30) ** 2 + (x - 30) ** 2 <= 20.5**2).astype(int)
    _, cells, _ = place(disc, [1], periodic=False)
    assert cells.lengths[1] == pytest.approx(2 * np.sqrt(disc.sum() / np.pi), rel=0.005)


def test_cells_born_together_take_the_rows_that_cells_born_singly_take() -> None:
    one, two = store(4), store(4)
    for cells in (one, two):
        assert list(cells.born_together([1, 2, 1])) == [1, 2, 3]
        cells["mu"][1:4] = 5
        cells.freed(2)
        cells.freed(1)
    types = [2, 1, 1, 2, 1, 2, 1, 1, 2]
    rows = one.born_together(types)
    assert list(rows) == [two.born(cell_type) for cell_type in types]
    assert list(rows[:3]) == [1, 2, 4]
    assert list(one["type"][rows]) == types
    for name, column in one.columns.items():
        assert (column == two[name]).all(), name
        assert column.shape == two[name].shape
    assert (one["generation"][[1, 2]] == 1).all()
    assert list(one.living) == list(range(1, 11))
    assert one.born_together([]).size == 0


def test_many_cells_are_born_at_once() -> None:
    cells = store(0)
    assert list(cells.born_together([1] * 60_000)) == list(range(1, 60_001))
    assert cells["type"][-1] == WALL_TYPE


@pytest.mark.parametrize("shape", [(60, 71), (25, 90)])
@pytest.mark.parametrize("reach", [0, 2])
def test_moments_about_another_anchor_are_those_of_a_count(
    shape: tuple[int, int], reach: int
) -> None:
    """Also for cells in pieces, and where a cell reaches around half of the torus."""
    rng = np.random.default_rng(7)
    for _ in range(30):
        sites = np.zeros(shape, int)
        for row in range(1, 7):
            y, x = rng.integers(0, shape[0]), rng.integers(0, shape[1])
            high, wide = rng.integers(1, [12, 50 if row == 6 else 20])
            sites[np.ix_((y + np.arange(high)) % shape[0], (x + np.arange(wide)) % shape[1])] = row
        lattice, cells, grid = place(sites, [1] * 6, periodic=True)
        anchor = cells["anchor"]
        anchor[1:7] = (anchor[1:7] + rng.integers(-9, 10, (6, 2))) % shape
        measure_cells(lattice, anchor, True, cells["moments"])
        away = np.rint(cells.centroids() - anchor)
        moved = np.abs(away).max(axis=1) > reach
        wanted = np.where(moved[:, None], (anchor + away) % shape, anchor).astype(int)

        cells.recentre(lattice, grid, reach=reach)
        assert (anchor == wanted).all()
        found = cells["moments"].copy()
        measure_cells(lattice, anchor, True, cells["moments"])
        assert (found == cells["moments"]).all()


@pytest.mark.parametrize("periodic", [False, True])
def test_memory_of_the_way(periodic: bool) -> None:
    sites = np.zeros((20, 24), int)
    sites[3:5, 4:14] = 1
    sites[18:, 21:24] = sites[:1, 21:24] = 2  # across the border, if there is none
    _, cells, grid = place(sites, [1, 1], periodic=periodic)
    rng = np.random.default_rng(3)
    memory, before = rng.normal(size=(2, *cells["memory"].shape))
    before += cells.centroids() + 20 * periodic  # once around the torus
    found, centroid = memory.copy(), before.copy()
    remember(
        cells["moments"], cells["anchor"], grid.height, grid.width, periodic, 0.9, centroid, found
    )
    moved = cells.centroids() - before
    if periodic:
        moved -= np.array(sites.shape) * np.rint(moved / sites.shape)
    np.testing.assert_allclose(found, 0.9 * memory + moved, rtol=1e-12)
    assert (centroid == cells.centroids()).all()


def test_anchors_at_first_sites() -> None:
    rng = np.random.default_rng(5)
    sites = rng.integers(0, 5, (9, 7))
    sites[sites == 3] = 0
    anchor, found = np.full((7, 2), -1), np.zeros(7, bool)
    first_sites(sites.astype(np.int32), anchor, found)
    assert list(np.flatnonzero(found)) == [1, 2, 4]
    for row in range(7):
        assert list(anchor[row]) == (list(np.argwhere(sites == row)[0]) if found[row] else [-1, -1])
