"""Parts of the step: each reads and writes what it declares, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sim.assays import assays
from sim.assays.declare import couplings, part
from sim.model.clock import PARTS, AngiogenesisModel
from sim.model.parts.life import births, deaths
from sim.model.parts.signals import ligand_at_cells
from sim.scenario.resolve import load

COMMON = {
    "domain.size_um": [200, 220],
    "cells.count": 12,
    "time.record_every_h": 5 / 120,
    "drug.exposure": "schedule",
    "drug.media": [{"at_h": 0.0, "free_nM": 5.0}, {"at_h": 0.2, "free_nM": 8.0}],
    "engine.persistence.mu": 20,
}
SCENARIOS = {
    "walls": (  # of a drug that leaves its receptors slowly
        "tube_formation_all_ligands",
        COMMON | {"drug.residence_h": {"VEGFR2": 0.5}},
    ),
    "torus": (
        "tube_formation",
        COMMON
        | {
            "domain.boundary": "periodic",
            "fields.cue.boundary": "periodic",
            "fields.VEGF.boundary": "periodic",
            "fields.VEGF.spacing_um": 10,
            "fields.VEGF.solver": "exponential",
            "behaviour.persistence.mu": [0, 55],
            "engine.area.creep_h": 1,
            "engine.area.most": 2.5,
        },
    ),
    "life": (  # with Delta-Notch signalling
        "viability",
        {
            "domain.size_um": [300, 320],
            "cells.density_per_mm2": 200,
            "time.record_every_h": 5 / 120,
            "drug.exposure": "schedule",
            "drug.media": COMMON["drug.media"],
            "behaviour.division.signals_per_h.VEGFR2": 30,
            "behaviour.division.most_per_h": 30,
            "behaviour.division.least_area": 0.3,
            "behaviour.death.basal_per_h": 20,
        },
    ),
    "spheroid": (
        "sprouting",
        {
            "domain.size_um": [300, 320],
            "time.record_every_h": 5 / 120,
            "setup.tips.rate_per_h": [2, 9],
            "setup.spread.sites_per_h": 400,
        },
    ),
}
ARGUMENTS: dict[str, list[tuple[str, ...]]] = {"fields": [("before_sweep",), ("after_sweep",)]}
WITHOUT = {"ids", "next_id", "structure"}  # of the agents, and of the scenario


@pytest.fixture(scope="module", params=SCENARIOS)
def model(request: pytest.FixtureRequest) -> AngiogenesisModel:
    """A model at a time of record, with a cell that has lost its last site."""
    name, settings = SCENARIOS[request.param]
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "life":
            own = assays()[name]
            patch.setitem(assays(), name, replace(own, parts=("border", "notch", *own.parts)))
        made = AngiogenesisModel(load(name, settings))
    if request.param == "torus":
        made.assay.parts = ("border",)
    made.advance(5 if request.param == "life" else 30)  # while many cells divide and die
    made.lattice[made.lattice == 4] = 0
    made.cells.measure(made.lattice, made.tissue.grid)
    return made


def stated(names: Any, model: AngiogenesisModel) -> set[str]:
    """Names of arrays of the state, with each field for FIELD and LIGAND."""
    out = set()
    for name in names:
        kind, _, which = name.partition(".")
        every = {"assay": model.assay.memory, "cells": model.cells.columns}.get(kind, model.fields)
        out |= {f"{kind}.{field}" for field in every} if which.isupper() else {name}
    own = {"cells.dying", "cells.survival"} - model.state().keys()  # where cells die
    own |= {"cells.notch", "cells.delta"} - model.state().keys()  # where they signal
    return out - own


def scramble(model: AngiogenesisModel, names: set[str]) -> None:
    """Put other values, which are possible, into arrays of the state."""
    rng = np.random.default_rng(5)
    for name, array in model._state().items():
        if name not in names:
            continue
        if name in ("mcs", "seed"):
            setattr(model, name, int(array) + 3)
        elif name == "cells.type":
            array[1:-1] = 1
        elif array.dtype == bool:
            array[1:-1] ^= True
        elif array.dtype.kind == "f":
            array[...] = rng.uniform(0.1, 0.9, array.shape)
        else:
            array[...] = rng.integers(0, 7, array.shape)


def run(part: Callable[..., Any], model: AngiogenesisModel, *arguments: Any) -> dict[str, Any]:
    """State after a part, what it gives and what is recorded."""
    given = part(model, *arguments)
    return {**model.state(), "given": given, "readouts": dict(model.readouts)}


def check(part: Callable[..., Any], model: AngiogenesisModel, *arguments: Any) -> None:
    declared = couplings(part)
    reads, writes = (stated(names, model) for names in (declared.reads, declared.writes))
    plain, other = deepcopy(model), deepcopy(model)
    wanted = run(part, plain, *arguments)
    strange = model.state().keys() - reads - WITHOUT
    scramble(other, strange)
    before = other.state()
    found = run(part, other, *arguments)
    for name in before.keys() - WITHOUT:
        if name in writes:  # what it wrote agrees, and the rest it left alone
            grown = found[name].shape != before[name].shape
            kept = False if grown else found[name] == before[name]
            assert ((found[name] == wanted[name]) | (kept & (name in strange))).all(), name
        else:
            assert found[name].tobytes() == before[name].tobytes(), f"{name} is written"
    if "ids" not in writes:
        assert (found["ids"] == before["ids"]).all()
    np.testing.assert_equal(found["given"], wanted["given"])
    if "readouts" in writes:
        assert found["readouts"] == wanted["readouts"]
        assert found["readouts"]["mcs"] == model.mcs


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_a_part_reads_and_writes_what_it_declares(part: Any, model: AngiogenesisModel) -> None:
    if part.__name__ == "receptors":
        check(part, model, ligand_at_cells(model))
        return
    if part.__name__ in ("notch", "behaviour"):
        for border in (None, model.tissue.border()):
            check(part, model, border)
        return
    for arguments in ARGUMENTS.get(part.__name__, [()]):
        check(part, model, *arguments)


@pytest.mark.parametrize(("part", "what"), [(deaths, "died"), (births, "born")])
def test_cells_die_and_are_born_where_that_is_checked(
    part: Any, what: str, model: AngiogenesisModel
) -> None:
    if what in model.assay.memory:
        other = deepcopy(model)
        part(other)
        assert other.assay.memory[what] > model.assay.memory[what]


def test_parts_that_an_assay_brings_do_so_too(model: AngiogenesisModel) -> None:
    for own_part in model.assay.own_parts:
        check(own_part, model, model.tissue.border())


def _reads_in_secret(model: Any) -> None:
    model.cells["drive"][1:-1] = model.cells["activity"][1:-1]


def _writes_in_secret(model: Any) -> None:
    model.cells["drive"][1:-1] = 0.5
    model.fields["VEGF"][0, 0] += 1.0


@pytest.mark.parametrize(
    ("false", "reads", "why"),
    [
        (_reads_in_secret, {}, "cells.drive"),
        (_writes_in_secret, {"fields.FIELD": ""}, "fields.VEGF is written"),
        (_writes_in_secret, {}, "fields.VEGF is written"),
    ],
)
def test_a_false_declaration_is_noticed(
    false: Any, reads: dict[str, str], why: str, model: AngiogenesisModel
) -> None:
    with pytest.raises(AssertionError, match=why):
        check(part(reads=reads, writes={"cells.drive": "0-1"})(false), model)


def test_the_step_has_its_parts_in_order() -> None:
    text = inspect.getsource(AngiogenesisModel.step)
    places = [text.index(f" {part.__name__}(self") for part in PARTS]
    assert places == sorted(places)


def test_declared_names_are_those_of_the_state(model: AngiogenesisModel) -> None:
    state = model.state().keys()
    declared = [couplings(part) for part in PARTS]
    named = {name for each in declared for way in (each.reads, each.writes) for name in way}
    within_a_step = {"ligand_M", "border", "readouts"}
    assert stated(named - within_a_step, model) <= state
    assert state - stated(named, model) == {"structure", "next_id", "followed"}
    units = [item for each in declared for way in (each.reads, each.writes) for item in way.items()]
    assert len(dict(units)) == len(set(units))  # one unit for each name
