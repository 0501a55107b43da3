"""The cell store: rows that are born, freed and reused."""

from __future__ import annotations

import numpy as np
import pytest
from lattices import place

from sim.tissue.cells import MOMENT_NAMES, CellStore
from sim.tissue.lattice import WALL

WALL_TYPE = 3


def store(capacity: int = 3) -> CellStore:
    return CellStore(capacity, wall_type=WALL_TYPE, fields=2, extra={"bound": (np.float64, (3,))})


def test_rows_of_medium_and_wall() -> None:
    cells = store()
    assert {len(column) for column in cells.columns.values()} == {5}
    assert cells["type"][WALL] == WALL_TYPE
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
        assert cells["type"][WALL] == WALL_TYPE
        assert cells["type"][0] == 0
        assert not cells["alive"][0]
        assert not cells["alive"][WALL]
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
def test_measured_cells(periodic: bool) -> None:
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
    assert cells.lengths[0] == cells.lengths[WALL] == 0
    np.testing.assert_allclose(cells["centroid"], cells.centroids())


def test_a_disc_has_the_length_of_its_diameter() -> None:
    y, x = np.mgrid[:61, :61]
    disc = ((y - 30) ** 2 + (x - 30) ** 2 <= 20.5**2).astype(int)
    _, cells, _ = place(disc, [1], periodic=False)
    assert cells.lengths[1] == pytest.approx(2 * np.sqrt(disc.sum() / np.pi), rel=0.005)
