"""A round spheroid in the middle of the domain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sim.assays.count import types_of
from sim.assays.declare import Scenario, Uniforms
from sim.assays.seeding import covered, disc, mixed, voronoi
from sim.assays.sprouting.checks import ROOM_UM, SPARE_SITES
from sim.assays.sprouting.setup import spheroid_sites
from sim.errors import InputError, Problem
from sim.readouts.front import connected


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


def check(sites: NDArray[np.int32], scenario: Scenario) -> Iterator[Problem]:
    """Refuse a label picture that is not one spheroid with free walls."""
    site_um = scenario.domain.spacing_um
    parts = connected(covered(sites, site_um, periodic=False), periodic=False, diagonal=True)
    spheroid = parts == 1 + np.bincount(parts.ravel())[1:].argmax()
    cells = sites > 0
    apart = np.setdiff1d(sites[cells & ~spheroid], sites[cells & spheroid]).size
    y, x = np.nonzero(cells)
    room = min(y.min(), x.min(), sites.shape[0] - 1 - y.max(), sites.shape[1] - 1 - x.max())
    if apart:
        what = f"must be one spheroid; {apart} of its cells lie apart from the largest part"
        yield Problem("cells.image", scenario.cells.image, what, "remove them from the picture")
    elif room < SPARE_SITES:
        what = f"has cells at the walls; must leave {SPARE_SITES * site_um:g} um free there"
        hint = f"add empty pixels at its sides: sprouts need {ROOM_UM} um around the spheroid"
        yield Problem("cells.image", scenario.cells.image, what, hint)
