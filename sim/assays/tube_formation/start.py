"""Tube formation: single cells, or one cluster, on an empty gel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.assays.count import types_of
from sim.assays.declare import Scenario, Uniforms
from sim.assays.seeding import Place, at_random, disc, mixed
from sim.assays.tube_formation.setup import cell_count
from sim.errors import InputError


def place_cells(scenario: Scenario, uniforms: Uniforms) -> tuple[NDArray[np.int32], list[int]]:
    """Lay the cells on the lattice.

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
    if not types:
        return np.zeros(scenario.shape, np.int32), types
    low, high = region_sites(scenario)
    if scenario.cells.seeding == "random":
        return _at_random(scenario, len(types), low, high, uniforms), types
    if scenario.cells.seeding == "grid":
        sites = _on_grid(scenario, len(types), low, high)
    else:
        sites = _in_blob(scenario, len(types), uniforms)
    placed = np.unique(sites[sites > 0]).size
    if placed < len(types):
        raise InputError(
            f"cells: only {placed} of {len(types)} cells found a site; lower cells.count or raise "
            "setup.initial_area_sites"
        )
    return sites, mixed(types, uniforms)


def region_sites(scenario: Scenario) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First site and end [y, x] of the centred region in which cells are seeded."""
    shape = np.array(scenario.shape)
    region = scenario.setup.region_um
    size = shape if region is None else np.rint(np.array(region[::-1]) / scenario.domain.spacing_um)
    low = ((shape - size) // 2).astype(np.int64)
    return low, (low + size).astype(np.int64)


def _at_random(
    scenario: Scenario,
    count: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    uniforms: Uniforms,
) -> NDArray[np.int32]:
    """Random sequential placing without overlap."""
    shape = disc(round(scenario.setup.initial_area_sites))
    if scenario.domain.boundary != "periodic" or scenario.setup.region_um is not None:
        low, high = low - shape.min(axis=0), high - shape.max(axis=0)
    keys = "cells.density_per_mm2 (or cells.count) or setup.initial_area_sites"
    return at_random(scenario.shape, [Place(shape, low, high)] * count, uniforms, keys=keys)


def _on_grid(
    scenario: Scenario, count: int, low: NDArray[np.int64], high: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Centres of the boxes of a regular grid, row by row."""
    sites = np.zeros(scenario.shape, np.int32)
    height, width = high - low
    columns = max(1, int(np.ceil(np.sqrt(count * width / height))))
    rows = -(-count // columns)
    shape = disc(round(scenario.setup.initial_area_sites))
    for cell in range(count):
        row, column = divmod(cell, columns)
        centre = low + np.array(
            [(2 * row + 1) * height // (2 * rows), (2 * column + 1) * width // (2 * columns)]
        )
        y, x = ((centre + shape) % scenario.shape).T
        free = sites[y, x] == 0
        sites[y[free], x[free]] = cell + 1
    return sites


def _in_blob(scenario: Scenario, count: int, uniforms: Uniforms) -> NDArray[np.int32]:
    """A disc cut into cells of about equal area: Voronoi cells of relaxed random points."""
    from scipy.spatial import cKDTree

    sites = np.zeros(scenario.shape, np.int32)
    inside = disc(round(count * scenario.setup.initial_area_sites))
    points = inside[(uniforms(0, count) * len(inside)).astype(np.int64)] + 0.0
    points += 0.5 * uniforms(count, 2 * count).reshape(count, 2)
    for _ in range(30):  # Lloyd relaxation
        owner = cKDTree(points).query(inside)[1]
        size = np.maximum(np.bincount(owner, minlength=count), 1)[:, None]
        total = np.stack(
            [np.bincount(owner, weights=inside[:, k], minlength=count) for k in (0, 1)], axis=1
        )
        points = np.where(np.bincount(owner, minlength=count)[:, None] > 0, total / size, points)
    y, x = ((np.array(scenario.shape) // 2 + inside) % scenario.shape).T
    sites[y, x] = cKDTree(points).query(inside)[1] + 1
    return sites
