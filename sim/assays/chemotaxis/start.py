"""Single cells in the middle of the gradient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.assays.chemotaxis.setup import BAND, cell_count
from sim.assays.declare import Scenario, Uniforms
from sim.errors import InputError

TRIES_PER_CELL = 1000


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
    areas = [(cell_count(scenario), scenario.engine.area.target_sites)]
    areas += [(further.count, further.area.target_sites) for further in scenario.types.values()]
    types = [tau for tau, (count, _) in enumerate(areas, start=1) for _ in range(count)]
    sites = np.zeros(scenario.shape, np.int32)
    height, width = scenario.shape
    used = 0
    for cell, tau in enumerate(types, start=1):
        shape = _disc(round(areas[tau - 1][1]))
        low = np.maximum([round(BAND[0] * height), 0], -shape.min(axis=0))
        high = np.minimum([round(BAND[1] * height), width], (height, width) - shape.max(axis=0))
        for _ in range(TRIES_PER_CELL):
            centre = low + (uniforms(used, 2) * (high - low)).astype(np.int64)
            used += 2
            y, x = (centre + shape).T
            if not sites[y, x].any():
                sites[y, x] = cell
                break
        else:
            raise InputError(
                f"cells: only {cell - 1} of {len(types)} cells found room without overlap; lower "
                "cells.density_per_mm2 (or cells.count) or engine.area.target_sites"
            )
    return sites, types


def _disc(sites: int) -> NDArray[np.int64]:
    """Offsets (sites, 2) [dy, dx] of the sites nearest to a point."""
    reach = int(np.sqrt(sites / np.pi)) + 2
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    order = np.lexsort((dx.ravel(), dy.ravel(), (dy**2 + dx**2).ravel()))
    return np.stack([dy.ravel(), dx.ravel()], axis=1)[order[:sites]]
