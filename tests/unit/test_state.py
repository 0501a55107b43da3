"""States, copies and pickles of a model: what goes on from them is the same run."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import mesa
import numpy as np
import pytest

from sim.errors import CheckpointError
from sim.model.clock import AngiogenesisModel
from sim.runs.batch import WholeRun
from sim.scenario.resolve import load

SMALL = {
    "domain.size_um": [200, 220],
    "cells.count": 12,
    "time.duration_h": 40 / 120,
    "time.record_every_h": 5 / 120,
}
TORUS = {
    "domain.boundary": "periodic",
    "fields.cue.boundary": "periodic",
    "fields.VEGF.boundary": "periodic",
    "engine.persistence.mu": 20,
}
COPIES: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


def model_of(name: str = "tube_formation", **settings: Any) -> AngiogenesisModel:
    return AngiogenesisModel(load(name, SMALL | settings))


def stepped(model: AngiogenesisModel, steps: int) -> AngiogenesisModel:
    for _ in range(steps):
        model.step()
    return model


def assert_same(one: AngiogenesisModel, two: AngiogenesisModel) -> None:
    states = one.state(), two.state()
    assert states[0].keys() == states[1].keys()
    for name, array in states[0].items():
        assert array.tobytes() == states[1][name].tobytes(), name


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tube_formation_anlotinib", {}),
        ("tube_formation_all_ligands", TORUS),
        ("rat_oral", {}),
        ("tube_formation", {"fields.VEGF.solver": "exponential", "drug.exposure": "schedule",
                            "drug.media": [{"at_h": 0.2, "free_nM": 8.0}]}),
    ],
)  # fmt: skip
def test_a_copy_continues_alike_and_independently(
    way: str, name: str, settings: dict[str, Any]
) -> None:
    model = stepped(model_of(name, **settings), 7)
    list(model.agents)[3].remove()
    made = COPIES[way](model)
    assert type(made) is AngiogenesisModel
    assert_same(made, model)
    assert all(cell.model is made for cell in made.agents)
    assert [c.unique_id for c in made.agents] == [c.unique_id for c in model.agents]
    assert not set(made.agents) & set(model.agents)
    before = model.state()
    stepped(made, 12)
    for array_name, array in model.state().items():
        assert array.tobytes() == before[array_name].tobytes(), array_name
    assert len(model.datacollector.get_model_vars_dataframe()) == 2
    stepped(model, 12)
    assert_same(made, model)
    assert model.measure() == made.measure()
    tables = [m.datacollector.get_model_vars_dataframe() for m in (model, made)]
    assert tables[0].equals(tables[1])
    assert (made.steps, made.mcs) == (model.steps, model.mcs)

    cell = next(iter(made.agents))
    cell.remove()
    made.fields["cue"][:] = 7.0
    assert len(model.agents) == len(made.agents) + 1
    assert not (model.fields["cue"] == 7.0).any()
    made.step()  # what the kernels follow is the copy's field
    assert made.tissue._attractants().values.max() > 3.0
    made.run_model()
    assert (made.mcs, made.running, model.running) == (40, False, True)


@pytest.mark.parametrize("way", COPIES)
def test_what_a_user_added_is_copied(way: str) -> None:
    model = WholeRun("tube_formation", 3, **SMALL)
    model.note = ["mine"]
    model.datacollector = mesa.DataCollector({"seed": "seed"}, tables={"seen": ["id"]})
    model.datacollector.collect(model)
    made = COPIES[way](model)
    model.note.append("changed")
    model.datacollector.add_table_row("seen", {"id": 1})
    assert made.note == ["mine"]
    assert made.datacollector.tables == {"seen": {"id": []}}
    assert made.datacollector.model_vars == {"seed": [3]}
    made.step()
    assert (made.mcs, model.mcs) == (40, 0)


def test_ids_are_restored() -> None:
    model = stepped(model_of(), 3)
    list(model.agents)[5].remove()
    row = model.cells.born(1)  # a cell in the row of another, with an id of its own
    model.cells["target"][row] = 100.0, 15.0
    model.lattice[tuple(np.argwhere(model.cell_id == 0)[0])] = row
    model.cells.measure(model.lattice, model.tissue.grid)
    model._match_agents_to_rows()
    ids = {cell.row: cell.unique_id for cell in model.agents}
    assert ids[row] == 13
    state = model.state()

    other = stepped(model_of(), 8)
    held = next(iter(other.agents))
    for restored in (other, model):
        restored.restore(state)
        assert {cell.row: cell.unique_id for cell in restored.agents} == ids
        assert [cell.unique_id for cell in restored.agents] == sorted(ids.values())
        assert restored.next_id == model.next_id == 14
        assert_same(restored, model)
    assert held not in other.agents
    with pytest.raises(Exception, match="was removed"):
        _ = held.area
    assert_same(stepped(other, 5), stepped(model, 5))


def test_records_of_the_future_are_dropped() -> None:
    model = stepped(model_of(), 12)
    model.datacollector.agent_reporters["area"] = _area
    state, kept = model.state(), model.datacollector.get_model_vars_dataframe()
    stepped(model, 15)
    whole = model.datacollector.get_model_vars_dataframe()
    areas = model.datacollector.get_agent_vars_dataframe()
    model.restore(state)
    assert model.datacollector.get_model_vars_dataframe().equals(kept)
    assert model.readouts["mcs"] == model.mcs == 12
    assert len(model.datacollector._agent_records) == 0
    stepped(model, 15)
    assert model.datacollector.get_model_vars_dataframe().equals(whole)
    again = model.datacollector.get_agent_vars_dataframe()
    assert (again["area"].to_numpy() == areas["area"].to_numpy()).all()

    another = AngiogenesisModel(load("tube_formation", SMALL), rng=9)
    another.restore(state)  # its first record is of another run
    assert another.seed == 1
    assert another.datacollector.get_model_vars_dataframe().empty


def _area(cell: Any) -> int:
    return int(cell.area)


def test_running_follows_the_state() -> None:
    model = model_of()
    start = model.state()
    model.run_model()
    end = model.state()
    model.restore(start)
    assert model.running
    model.restore(end)
    assert not model.running
    longer = model_of(**{"time.duration_h": 1})
    longer.restore(end)
    assert longer.running
    assert longer.mcs == longer.steps == 40


@pytest.mark.parametrize(
    ("settings", "tables"),
    [
        ({"engine.temperature": 60}, "engine"),
        ({"fields.cue.decay_per_s": 1e-3, "ligands.VEGF.bath_ng_ml": 20}, "fields, ligands"),
        ({"domain.size_um": [220, 220]}, "domain"),
        ({"time.mcs_s": 20}, "time"),
        ({"behaviour.weights.VEGFR2": 0.5}, "behaviour"),
    ],
)
def test_a_state_of_another_scenario_is_refused(settings: dict[str, Any], tables: str) -> None:
    state = stepped(model_of(), 3).state()
    other = model_of(**settings)
    before = other.state()
    with pytest.raises(CheckpointError, match=f"another scenario, which differs in {tables}; only"):
        other.restore(state)
    assert all((array == before[name]).all() for name, array in other.state().items())


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "another", "seed": 7},
        {"time.duration_h": 2},
        {"time.record_every_h": 0.1, "record.fields": True},
        {"drug.free_nM": 5},
        {"drug.name": "sunitinib", "drug.free_nM": 5},
    ],
)
def test_a_state_fits_another_drug_or_duration(settings: dict[str, Any]) -> None:
    state = stepped(model_of(), 3).state()
    model = AngiogenesisModel(load("tube_formation", SMALL | settings))
    model.restore(state)
    assert model.mcs == 3
    assert (model.lattice == state["lattice"]).all()
    model.step()


def test_a_state_that_lacks_something_is_refused() -> None:
    model = model_of()
    state = model.state()
    for name in ("fields.cue", "ids", "structure"):
        with pytest.raises(CheckpointError, match=f"lacks {name}"):
            model.restore({key: array for key, array in state.items() if key != name})
    with pytest.raises(CheckpointError, match="has unknown extra"):
        model.restore({**state, "extra": np.zeros(1)})
