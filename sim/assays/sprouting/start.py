"""A round spheroid in the middle of the domain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.assays.count import types_of
from sim.assays.declare import Scenario, Uniforms
from sim.assays.seeding import disc, mixed, voronoi
from sim.assays.sprouting.setup import spheroid_sites
from sim.errors import InputError


def place_cells(scenario: Scenario, uniforms: Uniforms) -> tuple[NDArray[np.int32], list[int]]:
    """Lay a disc of Voronoi cells on the lattice.

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
        Type of each cell: 1 endothelial, 2 and up the further types, mixed among them.

    Raises
    ------
    InputError
        If a cell finds no site.
    """
    types = types_of(scenario, scenario.cells.count or 0)
    height, width = scenario.shape
    places = disc(spheroid_sites(scenario)) + np.array([height // 2, width // 2])
    owner = voronoi(places.astype(np.float64), len(types), uniforms)
    if np.unique(owner).size < len(types):
        raise InputError(f"cells.count = {len(types)}: some cells found no site; lower it")
    sites = np.zeros((height, width), np.int32)
    sites[tuple(places.T)] = owner + 1
    return sites, mixed(types, uniforms)
