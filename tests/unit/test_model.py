"""What building a model does: kernels are made ready, and nothing else happens."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import numba
import numpy as np
import pytest

import sim.signalling
import sim.tissue
from sim import assembly
from sim.model import AngiogenesisModel
from sim.scenario.loading import load

SMALL = {"domain.size_um": [240, 220], "cells.count": 12}
TORUS = {
    "domain.boundary": "periodic",
    "fields.cue.boundary": "periodic",
    "fields.VEGF.boundary": "periodic",
}
PERICYTE = {
    "count": 3,
    "contact_energy": {"medium": 20, "endothelial": 40, "pericyte": 40, "wall": 100},
    "area": {"lambda": 50, "target_sites": 100},
}
EXPERIMENTS = pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tube_formation_all_ligands", SMALL),
        ("tube_formation_unstimulated", SMALL),
        ("tube_formation", SMALL | TORUS),
        ("tube_formation", SMALL | {"types.pericyte": PERICYTE, "setup.region_um": [150, 150]}),
        ("reference/openvt_angiogenesis", {}),
        ("reference/merks2008_sprouting", {}),
    ],
)


def kernels() -> dict[str, Any]:
    """All compiled functions by name."""
    found = {}
    for package in (sim.tissue, sim.signalling):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            for name, item in vars(importlib.import_module(module.name)).items():
                if isinstance(item, numba.core.dispatcher.Dispatcher):
                    found[f"{item.__module__}.{name}"] = item
    return found


@EXPERIMENTS
def test_a_model_that_is_built_compiles_no_more(name: str, settings: dict[str, Any]) -> None:
    model = AngiogenesisModel(load(name, settings))
    ready = {kernel: len(item.signatures) for kernel, item in kernels().items()}
    assert "sim.signalling.pathways.advance" in ready
    for _ in range(3):
        model.step()
    assert {kernel: len(item.signatures) for kernel, item in kernels().items()} == ready


@EXPERIMENTS
def test_the_small_experiment_is_of_the_same_kind(name: str, settings: dict[str, Any]) -> None:
    scenario = load(name, settings)
    small = AngiogenesisModel(assembly.small(scenario))
    assert small.cell_id.size <= 40 * 40
    assert small.cells.living.size == 0
    assert small.fields.keys() == AngiogenesisModel(scenario).fields.keys()
    assert small.scenario.fields == scenario.fields
    assert small.scenario.engine == scenario.engine


def test_building_leaves_a_model_at_its_start() -> None:
    model = AngiogenesisModel(load("tube_formation", SMALL))
    assert model.mcs == model.readouts["mcs"] == 0
    assert set(model.seconds) == {"compile"}
    assert (model.fields["VEGF"] == 50).all()
    assert not model.fields["cue"].any()
    assert not model.cells["bound_receptors"].any()
    assert (np.bincount(model.cell_id.ravel())[1:] == 100).all()
    assert [cell.unique_id for cell in model.agents] == list(range(1, 13))


def test_a_push_ends_with_the_drive() -> None:
    """Persistence that follows the drive is gone in all cells once none is driven."""
    pushed = SMALL | {"behaviour.persistence.mu": [0, 55]}
    model = AngiogenesisModel(load("tube_formation_unstimulated", pushed))
    model.cells["drive"][:] = model.cells["activity"][:] = 1.0
    for _ in range(3):
        model.step()
    assert np.abs(model.cells["push"]).max() > 10
    model.cells["drive"][:] = model.cells["activity"][:] = 0.0
    model.step()
    assert np.abs(model.cells["push"]).max() == 0


def test_a_rehearsal_is_no_larger_than_the_domain() -> None:
    scenario = load("tube_formation", {"domain.size_um": [60, 700]})
    assert assembly.small(scenario).domain.size_um[0] <= 60


def test_what_is_not_a_number_is_not_accepted() -> None:
    model = AngiogenesisModel(load("tube_formation", SMALL))
    before = model.lattice.copy()
    model.cells["target"][:, 0] = np.nan
    model._potts_sweep()
    assert (model.lattice == before).all()
