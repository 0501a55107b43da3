"""A confluent layer with a gap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.assays.count import types_of
from sim.assays.declare import Scenario, Uniforms
from sim.assays.seeding import mixed, voronoi
from sim.assays.wound_healing.setup import cell_count, gap_sites
from sim.errors import InputError


def place_cells(scenario: Scenario, uniforms: Uniforms) -> tuple[NDArray[np.int32], list[int]]:
    """Lay a layer of Voronoi cells on both sides of the gap.

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
    types = types_of(scenario, cell_count(scenario))
    height, width = scenario.shape
    gap, end = gap_sites(scenario)
    layer = np.ones((height, width), np.bool_)
    layer[:, gap:end] = False
    y, x = np.nonzero(layer)
    periodic = scenario.domain.boundary == "periodic"
    # Along x the two sides are one layer across a periodic border, and else far from each other.
    along = (x - end) % width if periodic else x + width * (x >= end)
    places = np.stack([y, along], axis=1).astype(np.float64)
    owner = voronoi(places, len(types), uniforms, around=height if periodic else 0)
    sites = np.zeros((height, width), np.int32)
    sites[y, x] = owner + 1
    placed = np.unique(owner).size
    if placed < len(types):
        raise InputError(
            f"cells: only {placed} of {len(types)} cells found a site; lower cells.density_per_mm2 "
            "(or cells.count)"
        )
    return sites, mixed(types, uniforms)
