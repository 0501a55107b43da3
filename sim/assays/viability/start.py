"""Single cells at random, round and of their target area."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Uniforms
from sim.assays.seeding import Place, at_random, disc
from sim.assays.viability.setup import cell_count


def place_cells(scenario: Scenario, uniforms: Uniforms) -> tuple[NDArray[np.int32], list[int]]:
    """Lay the cells on the lattice: one after another, each where there is room.

    Parameters
    ----------
    scenario : Scenario
    uniforms : callable
        ``uniforms(start, count)`` are that many numbers in [0, 1), counted from ``start``.

    Returns
    -------
    sites : (y, x) int32
        0 for medium, else the cell, counted from 1.
    types : list of int
        1, endothelial, of each.

    Raises
    ------
    InputError
        If there is no room for the cells without overlap.
    """
    count, shape = cell_count(scenario), disc(round(scenario.engine.area.target_sites))
    walls = scenario.domain.boundary == "walls"
    low = -shape.min(axis=0) * walls
    high = np.array(scenario.shape) - shape.max(axis=0) * walls
    keys = "cells.density_per_mm2 (or cells.count)"
    places = [Place(shape, low, high)] * count
    return at_random(scenario.shape, places, uniforms, keys=keys), [1] * count
