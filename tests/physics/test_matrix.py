"""Cells in a matrix: those that others enclose are round, and none comes off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.ndimage

from sim.model.clock import AngiogenesisModel
from sim.model.parts.behaviour import behaviour
from sim.scenario.resolve import load
from sim.signalling.drive import driven

MATRIX: dict[str, Any] = {
    "domain.substrate": "matrix",
    "domain.size_um": [240, 240],
    "cells.count": 30,
    "cells.seeding": "blob",
}


def test_enclosed_cells_have_a_length_of_their_own() -> None:
    model = AngiogenesisModel(load("tube_formation", MATRIX))
    free = np.zeros(32)
    free[1:31] = np.linspace(0, 0.3, 30)
    border: Any = SimpleNamespace(free=free)
    model.cells["drive"][1:31] = np.linspace(1, 0, 30)
    behaviour(model, border)
    wanted = np.where(free[1:31] < 0.1, 13, driven((15, 30), model.cells["drive"][1:31]))
    assert (model.cells["target"][1:31, 1] == wanted).all()
    assert 5 < (wanted == 13).sum() < 25
    behaviour(model, None)  # an assay that counts no borders
    assert model.cells["target"][1:31, 1].min() >= 15


def test_no_cell_comes_off() -> None:
    """Cells that would rather part stay one piece; without the penalty they do not."""
    pieces = []
    for penalty in (2000, 0):
        settings = MATRIX | {
            "engine.contact_energy.cell_cell": 80,
            "engine.tissue_connectivity_penalty": penalty,
        }
        model = AngiogenesisModel(load("tube_formation", settings))
        model.advance(200)
        pieces.append(scipy.ndimage.label(model.lattice > 0, np.ones((3, 3)))[1])
    assert pieces[0] == 1 < pieces[1]
