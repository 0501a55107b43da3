"""Single cells at random, round and of their target area."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Uniforms
from sim.assays.viability.setup import cell_count
from sim.errors import InputError

TRIES_PER_CELL = 1000


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
    sites, count = np.zeros(scenario.shape, np.int32), cell_count(scenario)
    disc = _disc(round(scenario.engine.area.target_sites))
    walls = scenario.domain.boundary == "walls"
    low = -disc.min(axis=0) * walls
    room = np.array(scenario.shape) - low - disc.max(axis=0) * walls
    used = 0
    for cell in range(1, count + 1):
        for _ in range(TRIES_PER_CELL):
            centre = (low + uniforms(2 * used, 2) * room).astype(np.int64)
            used += 1
            y, x = ((centre + disc) % scenario.shape).T
            if not sites[y, x].any():
                sites[y, x] = cell
                break
        else:
            raise InputError(
                f"cells: only {cell - 1} of {count} cells found room without overlap; lower "
                "cells.density_per_mm2 (or cells.count)"
            )
    return sites, [1] * count


def _disc(sites: int) -> NDArray[np.int64]:
    """Offsets (sites, 2) [dy, dx] of the sites nearest to a point."""
    reach = int(np.sqrt(sites / np.pi)) + 2
    dy, dx = (offset.ravel() for offset in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    nearest = np.argsort(dy**2 + dx**2, kind="stable")[:sites]
    return np.stack([dy[nearest], dx[nearest]], axis=1)
