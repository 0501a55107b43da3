"""Cells on plastic: their target areas creep, and they turn away from their neighbours."""

from __future__ import annotations

from math import exp
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sim.model.clock import AngiogenesisModel
from sim.model.parts.behaviour import behaviour, polarity
from sim.scenario.resolve import load

PLASTIC: dict[str, Any] = {
    "domain.substrate": "plastic",
    "domain.size_um": [200, 200],
    "cells.count": 4,
    "setup.initial_area_sites": 300,
}


def test_a_target_follows_the_area_between_its_ends() -> None:
    """A_t' = (min(max(a, A), k A) - A_t) / tau_c, exactly while the area stays."""
    model = AngiogenesisModel(load("tube_formation", PLASTIC))
    moments, target = model.cells["moments"], model.cells["target"]
    areas = np.array([120, 300, 500, 900])
    moments[1:5, 0], target[1:5, 0] = areas, [300, 400, 300, 300]
    aims, first = np.clip(areas, 300, 750), target[1:5, 0].copy()
    for _ in range(120):  # an hour
        behaviour(model, None)
    assert target[1:5, 0] == pytest.approx(aims + (first - aims) * exp(-1), rel=1e-12)


def test_targets_are_fixed_on_gel() -> None:
    model = AngiogenesisModel(load("tube_formation", PLASTIC | {"domain.substrate": "gel"}))
    model.advance(5)
    assert set(model.cells["target"][1:5, 0]) == {100.0}


def test_targets_creep_in_cells_without_receptors_too() -> None:
    """Steps with creep are not taken together, whoever else does nothing."""
    scenario = load(
        "tube_formation", PLASTIC | {"signalling.enabled": False, "engine.persistence.mu": 0}
    )
    one, many = AngiogenesisModel(scenario), AngiogenesisModel(scenario)
    one.cells["target"][1:5, 0] = many.cells["target"][1:5, 0] = 200
    for _ in range(5):
        one.step()
    many.advance(5)
    assert (many.cells["target"] == one.cells["target"]).all()
    assert (many.cells["target"][1:5, 0] > 200).all()


@pytest.mark.parametrize(
    ("free", "outward", "way", "wanted"),
    [
        (1.0, (0.0, 0.0), (0.0, 3.0), (0.0, 1.0)),  # alone: a persistent walker
        (0.0, (0.0, 0.0), (0.0, 3.0), (0.0, 0.0)),  # in a layer: stays
        (0.25, (0.0, 0.0), (2.0, 0.0), (0.5, 0.0)),  # on its way through a narrow gap
        (0.5, (0.0, 0.2), (-1.0, 0.0), (-0.857, 0.514)),  # at an edge: turned outward
        (0.1, (0.1, 0.0), (0.0, 0.0), (0.3, 0.0)),  # not yet under way
    ],
)
def test_cells_turn_from_their_neighbours(free: float, outward: Any, way: Any, wanted: Any) -> None:
    """v = min(1, 2 f) p + kappa N, no longer than 1."""
    model = AngiogenesisModel(load("tube_formation", PLASTIC))
    border: Any = SimpleNamespace(free=np.full(6, free), outward=np.tile(outward, (6, 1)))
    model.cells["memory"][1:5] = way
    found = polarity(model, model.endothelial, border)
    assert found == pytest.approx(np.tile(wanted, (4, 1)), abs=1e-3)
