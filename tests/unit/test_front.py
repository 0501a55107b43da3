"""Read-outs of a gap, on drawn layers with known answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.readouts.front import LEFT, RIGHT, connected, measure_gap

SHAPE = 20, 60


def layer(left: int = 20, right: int = 20) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Cells of 5 x 5 sites on both sides of a gap."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    sites = (y // 5 * 12 + x // 5 + 1).astype(np.int32)
    sites[:, left : SHAPE[1] - right] = 0
    return sites


FIRST = layer() == 0
SIDE = np.where(np.arange(-1, 150) % 12 < 6, LEFT, RIGHT).astype(np.int8)
SIDE[0] = 0


def test_a_gap_at_the_start() -> None:
    found = measure_gap(layer(), FIRST, SIDE, periodic=True)
    assert (found.covered, found.holes, found.roughness, found.detached) == (0, 0, 0.0, 0)
    assert (found.open == FIRST).all()


def test_fronts_that_advance_cover_the_first_gap() -> None:
    found = measure_gap(layer(25, 30), FIRST, SIDE, periodic=True)
    assert found.covered == 15 * 20 and found.open.sum() == 5 * 20


def test_what_opens_outside_the_first_gap_covers_nothing() -> None:
    found = measure_gap(layer(15, 20), FIRST, SIDE, periodic=True)
    assert found.covered == 0 and found.open.sum() == 25 * 20


@pytest.mark.parametrize("periodic", [True, False])
def test_holes_are_the_other_parts_of_the_medium(periodic: bool) -> None:
    """A hole over the border is one with itself, and no part of the gap."""
    sites = layer()
    sites[8:10, 4:7] = 0
    sites[[0, -1], 50] = 0
    found = measure_gap(sites, FIRST, SIDE, periodic=periodic)
    assert found.holes == 8 and (found.open == FIRST).all()


@pytest.mark.parametrize("periodic", [True, False])
def test_cells_that_meet_cut_the_gap_into_parts_which_are_the_gap_together(periodic: bool) -> None:
    sites = layer()
    sites[:3, 20:31], sites[:3, 31:40] = 4, 9
    sites[10:12, 20:40] = 4
    found = measure_gap(sites, FIRST, SIDE, periodic=periodic)
    assert found.open.sum() == (7 + 8) * 20 and found.holes == 0
    assert found.roughness == 0.0


def test_a_bay_that_one_side_has_closed_is_a_hole() -> None:
    sites = layer()
    sites[5:10, 20:30] = 4
    sites[6:8, 22:27] = 0
    found = measure_gap(sites, FIRST, SIDE, periodic=True)
    assert found.holes == 10 and found.open.sum() == 20 * 20 - 50


def test_a_gap_with_cells_on_one_side_alone_is_open() -> None:
    sites = layer()
    sites[:, 40:] = 0
    for periodic in (True, False):
        found = measure_gap(sites, FIRST, SIDE, periodic=periodic)
        assert found.open.sum() == 40 * 20 and found.holes == 0


def test_roughness_is_the_spread_of_each_front() -> None:
    """One front is a step of 6 sites, sd 3; the other straight."""
    sites = layer()
    sites[:10, 20:26] = 1
    assert measure_gap(sites, FIRST, SIDE, periodic=True).roughness == pytest.approx(1.5)


def test_rows_in_which_the_gap_is_closed_have_no_front() -> None:
    sites = layer()
    sites[:4] = 1
    assert measure_gap(sites, FIRST, SIDE, periodic=False).roughness == 0.0


def test_cells_that_came_off_are_counted_once() -> None:
    """Two that hold together are detached too; one at the layer, or a bit of a cell, is not."""
    sites = layer()
    sites[3:6, 30:33], sites[3:6, 33:36] = 100, 101
    sites[12:15, 20:24] = 102  # at the layer
    sites[18:, 28] = sites[18, 0]  # a bit of a cell in the layer
    assert measure_gap(sites, FIRST, SIDE, periodic=True).detached == 2
    assert measure_gap(sites, FIRST, SIDE, periodic=False).detached == 2


def test_cells_across_the_border_hold_to_the_layer() -> None:
    """On a periodic domain the first and the last row are neighbours, corners too."""
    sites = layer()
    sites[0, 30], sites[-1, 20:30] = 100, 101
    assert measure_gap(sites, FIRST, SIDE, periodic=True).detached == 0
    assert measure_gap(sites, FIRST, SIDE, periodic=False).detached == 1


def test_a_closed_gap_and_an_empty_domain() -> None:
    closed = measure_gap(layer(30, 30), FIRST, SIDE, periodic=True)
    assert closed.covered == FIRST.sum() and not closed.open.any() and closed.roughness == 0.0
    empty = measure_gap(np.zeros(SHAPE, np.int32), FIRST, SIDE, periodic=True)
    assert empty.covered == 0 and empty.open.all() and empty.detached == 0


@pytest.mark.parametrize(("diagonal", "wanted"), [(False, 4), (True, 1)])
def test_parts_on_a_torus(diagonal: bool, wanted: int) -> None:
    """Four corners, which meet in one point over the border."""
    mask = np.zeros((6, 7), np.bool_)
    mask[0, 0] = mask[-1, -1] = mask[1, 1] = mask[2, 0] = True
    parts = connected(mask, periodic=True, diagonal=diagonal)
    assert len(np.unique(parts[mask])) == parts.max() == wanted
