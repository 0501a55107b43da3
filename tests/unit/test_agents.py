"""Cells as Mesa agents, and the model as Mesa sees it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import mesa
import numpy as np
import pytest

from sim.errors import StaleCellError
from sim.model.agents import EndothelialCell
from sim.model.clock import AngiogenesisModel
from sim.model.parts.life import deaths
from sim.scenario.resolve import load

SMALL = {"domain.size_um": [200, 200], "cells.count": 12, "time.record_every_h": 1 / 12}
ATTRIBUTES = ("type", "area", "length", "target_area", "target_length", "activity", "drive")


def small_model(**settings: Any) -> AngiogenesisModel:
    return AngiogenesisModel(load("tube_formation", SMALL | settings))


def erase(model: AngiogenesisModel, row: int) -> None:
    sites = model.lattice
    sites[sites == row] = 0
    model.cells.measure(model.lattice, model.tissue.grid)


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
        for k, (name, receptor) in enumerate(cell.receptors.items()):
            assert name == model.pathways[k].receptor
            assert receptor["free"] == model.cells["free_receptors"][row, k]
            assert receptor["bound"] == model.cells["bound_receptors"][row, k]
            assert receptor["inhibited"] == 0
    model.change("drug.free_nM", 5.6)
    inhibited = {name: has["inhibited"] for name, has in cell.receptors.items()}
    assert inhibited == model.inhibited() and inhibited["VEGFR2"] == pytest.approx(0.5)
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


def assert_cells_agree(model: AngiogenesisModel) -> None:
    """Agents, rows and sites name the same cells."""
    rows = sorted(cell.row for cell in model.agents)
    assert (
        rows == model.cells.living.tolist() == np.unique(model.cell_id[model.cell_id > 0]).tolist()
    )
    areas = np.bincount(model.cell_id.ravel(), minlength=model.cells.area.size)
    assert (areas[1:] == model.cells.area[1:]).all()


WAYS: dict[str, Callable[[AngiogenesisModel, EndothelialCell], Any]] = {
    "remove": lambda model, cell: cell.remove(),
    "deregister_agent": lambda model, cell: model.deregister_agent(cell),
    "do": lambda model, cell: model.agents.select(lambda other: other is cell).do("remove"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_removed_cell_leaves_the_tissue(way: str) -> None:
    model = small_model()
    for _ in range(12):
        model.step()
    cell = list(model.agents)[4]
    row, sites = cell.row, cell.sites()
    assert model.cells["bound_receptors"][row].any()
    WAYS[way](model, cell)
    assert (model.cell_id[tuple(sites.T)] == 0).all()
    assert model.cell_at(*sites[0]) is None
    assert cell not in model.agents
    assert len(model.agents) == model.measure()["cells"] == 11
    assert_cells_agree(model)
    for name in (*ATTRIBUTES, "position_um"):
        with pytest.raises(StaleCellError, match="was removed"):
            getattr(cell, name)
    before = model.state()
    cell.remove()  # nothing more happens
    for name, array in model.state().items():
        assert (array == before[name]).all(), name
    for _ in range(12):
        model.step()
    assert_cells_agree(model)

    new = model.cells.born(1)  # the row is used again; who held the old cell does not touch it
    assert new == row
    model.lattice[0, 0] = new
    model.cells.measure(model.lattice, model.tissue.grid)
    model._match_agents_to_rows()
    cell.remove()
    assert_cells_agree(model)
    assert not model.cells["bound_receptors"][row].any()
    with pytest.raises(StaleCellError):
        _ = cell.area


def test_removing_a_cell_is_its_death() -> None:
    """The others go on as if it had lost its last site."""
    one, two = small_model(), small_model()
    for model in (one, two):
        for _ in range(3):
            model.step()
    cell = list(one.agents)[2]
    row = cell.row
    cell.remove()
    erase(two, row)
    deaths(two)
    for _ in range(10):
        one.step()
        two.step()
    for name in ("lattice", "fields.VEGF", "fields.cue", "cells.drive", "ids"):
        assert (one.state()[name] == two.state()[name]).all(), name


def test_all_cells_can_be_removed() -> None:
    model = small_model()
    model.step()
    model.remove_all_agents()
    assert len(model.agents) == model.measure()["cells"] == 0
    assert not model.cell_id.any()
    model.step()
    assert_cells_agree(model)


def test_an_agent_set_belongs_to_the_user() -> None:
    """Taking cells out of it takes none out of the model."""
    model = small_model()
    model.agents.clear()
    model.agents.pop()
    model.agents.discard(next(iter(model.agents)))
    model.agents.select(lambda cell: False, inplace=True)
    model.agents_by_type[EndothelialCell].clear()
    assert len(model.agents) == len(model.agents_by_type[EndothelialCell]) == 12
    assert_cells_agree(model)


def test_agents_other_than_cells_can_be_added_and_removed() -> None:
    model = small_model()
    other = mesa.Agent(model)
    assert len(model.agents) == 13
    other.remove()
    other.remove()
    assert_cells_agree(model)


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
    model.cells.measure(model.lattice, model.tissue.grid)
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


def test_a_model_no_longer_used_is_freed() -> None:
    """Mesa 3.3 kept each model for ever in a counter of its agents."""
    model = small_model()
    model.step()
    kept = weakref.ref(model)
    del model
    gc.collect()
    assert kept() is None
