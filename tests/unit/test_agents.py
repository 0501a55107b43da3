"""Cells as Mesa agents, and the model as Mesa sees it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import mesa
import numpy as np
import pytest

from sim.agents import EndothelialCell
from sim.errors import StaleCellError
from sim.model import AngiogenesisModel
from sim.scenario.loading import load

SMALL = {"domain.size_um": [200, 200], "cells.count": 12, "time.record_every_h": 1 / 12}
ATTRIBUTES = ("type", "area", "length", "target_area", "target_length", "activity", "drive")


def small_model(**settings: Any) -> AngiogenesisModel:
    return AngiogenesisModel(load("tube_formation", SMALL | settings))


def erase(model: AngiogenesisModel, row: int) -> None:
    sites = model.lattice
    sites[sites == row] = 0
    model.cells.measure(model.lattice, model.grid)


def test_the_model_is_a_mesa_model_with_an_agent_for_each_cell() -> None:
    model = small_model()
    assert isinstance(model, mesa.Model)
    assert len(model.agents) == 12
    assert all(isinstance(cell, EndothelialCell) for cell in model.agents)
    assert sorted(cell.row for cell in model.agents) == list(model.cells.living)
    assert sum(cell.area for cell in model.agents) == np.count_nonzero(model.cell_id)


def test_attributes_read_the_arrays() -> None:
    model = small_model()
    for _ in range(30):
        model.step()
    for cell in model.agents:
        row = cell.row
        assert cell.area == np.count_nonzero(model.cell_id == row)
        assert cell.length == model.cells.lengths[row]
        assert (cell.target_area, cell.target_length) == tuple(model.cells["target"][row])
        assert 0 < cell.drive == model.cells["drive"][row] < 1
        assert cell.activity == model.cells["activity"][row]
        assert cell.type == 1
        sites = cell.sites()
        assert (model.cell_id[tuple(sites.T)] == row).all()
        x, y = cell.position_um
        np.testing.assert_allclose((sites.mean(axis=0) + 0.5) * 2, (y, x))
        assert model.cell_at(*sites[0]) is cell
    empty = np.argwhere(model.cell_id == 0)[0]
    assert model.cell_at(*empty) is None


def test_a_position_across_the_border_lies_in_the_domain() -> None:
    size = {"domain.size_um": [220, 240], "domain.boundary": "periodic"}
    model = small_model(**size)
    for _ in range(20):
        model.step()
    x, y = np.array([cell.position_um for cell in model.agents]).T
    assert ((x >= 0) & (x < 220) & (y >= 0) & (y < 240)).all()


def test_writing_an_attribute_changes_what_the_sweep_reads() -> None:
    model = small_model(**{"signalling.enabled": False})
    grown, long = sorted(model.agents, key=lambda cell: cell.row)[:2]
    grown.target_area, long.target_length = 160.0, 40.0
    assert model.cells["target"][grown.row, 0] == 160.0
    assert model.cells["target"][long.row, 1] == 40.0
    for _ in range(200):
        model.step()
    others = [cell for cell in model.agents if cell not in (grown, long)]
    assert grown.area > 1.3 * max(cell.area for cell in others)
    assert long.length > 1.3 * max(cell.length for cell in others)


def test_drive_can_be_written() -> None:
    model = small_model()
    cell = model.agents[0]
    cell.drive = 0.75
    assert model.cells["drive"][cell.row] == 0.75


def test_select() -> None:
    model = small_model()
    for _ in range(5):
        model.step()
    middle = float(np.median([cell.area for cell in model.agents]))
    large = model.agents.select(lambda cell: cell.area > middle)
    assert 0 < len(large) < 12
    assert min(large.get("area")) > middle
    large.set("target_area", 77.0)
    assert np.count_nonzero(model.cells["target"][:, 0] == 77.0) == len(large)


def test_a_dead_cell_is_an_error_even_when_its_row_lives_again() -> None:
    model = small_model()
    cell = model.agents[3]
    row = cell.row
    erase(model, row)
    model.step()
    assert len(model.agents) == 11
    assert cell not in model.agents
    assert model.readouts["cells"] == 12  # until the next record
    model.record()
    assert model.readouts["cells"] == 11
    for name in (*ATTRIBUTES, "position_um"):
        with pytest.raises(StaleCellError, match="has died"):
            getattr(cell, name)
    with pytest.raises(StaleCellError):
        cell.target_area = 1.0
    with pytest.raises(StaleCellError):
        cell.sites()

    assert model.cells.born(1) == row  # the row is used again
    model._match_agents_to_rows()
    assert len(model.agents) == 12
    with pytest.raises(StaleCellError):
        _ = cell.area


def test_the_store_may_grow_during_a_run() -> None:
    model = small_model()
    for _ in range(5):
        model.step()
    old = {cell: cell.drive for cell in model.agents}
    rows = model.cells.area.size
    where = np.argwhere(model.cell_id == 0)[::50][:6]
    for y, x in where:
        row = model.cells.born(1)
        model.cells["target"][row] = 100.0, 15.0
        model.lattice[y, x] = row
    model.cells.measure(model.lattice, model.grid)
    model._match_agents_to_rows()
    assert model.cells.area.size > rows
    assert len(model.agents) == 18
    assert {cell: cell.drive for cell in old} == old
    for _ in range(10):
        model.step()
    assert sum(cell.area for cell in model.agents) == np.count_nonzero(model.cell_id)
    assert (model.lattice >= 0).all()
    areas = np.bincount(model.cell_id.ravel(), minlength=model.cells.area.size)
    assert (areas[1:] == model.cells.area[1:]).all()

    other = small_model()  # and a state of a grown store can be taken up
    other.restore(model.state())
    for _ in range(5):
        model.step()
        other.step()
    for name, array in model.state().items():
        assert (array == other.state()[name]).all(), name


def test_two_models_in_one_process_do_not_disturb_each_other() -> None:
    alone = small_model()
    for _ in range(12):
        alone.step()
    one, two = small_model(), small_model(seed=2)
    for _ in range(12):
        one.step()
        two.step()
    assert (one.cell_id == alone.cell_id).all()
    assert (one.cell_id != two.cell_id).any()
    for name, array in one.state().items():
        assert (array == alone.state()[name]).all(), name


def test_the_seed_can_be_given_as_in_mesa() -> None:
    scenario = load("tube_formation", SMALL, seed=5)
    assert (AngiogenesisModel(scenario).cell_id == AngiogenesisModel(scenario, rng=5).cell_id).all()
    assert (AngiogenesisModel(scenario).cell_id != AngiogenesisModel(scenario, rng=6).cell_id).any()


def test_a_row_of_the_data_collector_for_each_record() -> None:
    model = small_model()
    for _ in range(25):
        model.step()
    table = model.datacollector.get_model_vars_dataframe()
    assert list(table["mcs"]) == [0, 10, 20]
    np.testing.assert_allclose(table["time_h"], [0, 1 / 12, 1 / 6])
    assert (table["cells"] == 12).all()
    assert (table["free_nM"] == 0).all()
    assert table["mean_drive"].is_monotonic_increasing
    covered = np.count_nonzero(model.cell_id) / model.cell_id.size
    assert model.measure()["mcs"] == 25
    assert 0 < covered < 1


def test_a_model_that_is_done_with_is_freed() -> None:
    """Mesa 3.3 kept each model for ever in a counter of its agents."""
    model = small_model()
    model.step()
    kept = weakref.ref(model)
    del model
    gc.collect()
    assert kept() is None
