"""Single cells in the middle of the gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.assays.chemotaxis.setup import BAND, cell_count
from sim.assays.count import types_of
from sim.assays.declare import Scenario, Uniforms
from sim.assays.seeding import Place, at_random, disc


def place_cells(scenario: Scenario, uniforms: Uniforms) -> tuple[NDArray[np.int32], list[int]]:
    """Lay cells of their target area on the lattice, at random and without overlap.

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
        Type of each cell: 1 endothelial, 2 and up the further types in their order.

    Raises
    ------
    InputError
        If there is no room for the cells without overlap.
    """
    types = types_of(scenario, cell_count(scenario))
    area = [scenario.engine.area, *(further.area for further in scenario.types.values())]
    (height, width), places = scenario.shape, []
    for each in area:
        shape = disc(round(each.target_sites))
        low = np.maximum([round(BAND[0] * height), 0], -shape.min(axis=0))
        high = np.minimum([round(BAND[1] * height), width], (height, width) - shape.max(axis=0))
        places.append(Place(shape, low, high))
    keys = "cells.density_per_mm2 (or cells.count) or engine.area.target_sites"
    by_cell = [places[tau - 1] for tau in types]
    return at_random(scenario.shape, by_cell, uniforms, keys=keys), types
