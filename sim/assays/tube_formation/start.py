"""Tube formation: single cells, or one cluster, on an empty gel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Uniforms
from sim.assays.tube_formation.setup import cell_count
from sim.errors import InputError

TRIES_PER_CELL = 1000


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
    counts = [cell_count(scenario), *(further.count for further in scenario.types.values())]
    types = [tau for tau, count in enumerate(counts, start=1) for _ in range(count)]
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
    return sites, _mixed(types, uniforms)


def region_sites(scenario: Scenario) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First site and end [y, x] of the centred region in which cells are seeded."""
    shape = np.array(scenario.shape)
    region = scenario.setup.region_um
    size = shape if region is None else np.rint(np.array(region[::-1]) / scenario.domain.spacing_um)
    low = ((shape - size) // 2).astype(np.int64)
    return low, (low + size).astype(np.int64)


def disc(sites: int) -> NDArray[np.int64]:
    """Offsets (sites, 2) [dy, dx] of the sites nearest to a point."""
    reach = int(np.sqrt(sites / np.pi)) + 2
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    order = np.lexsort((dx.ravel(), dy.ravel(), (dy**2 + dx**2).ravel()))
    return np.stack([dy.ravel(), dx.ravel()], axis=1)[order[:sites]]


def _mixed(types: list[int], uniforms: Uniforms) -> list[int]:
    """The types in random order: places on a grid or in a blob are not."""
    return [types[i] for i in np.argsort(uniforms(1 << 32, len(types)), kind="stable")]


def _at_random(
    scenario: Scenario,
    count: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    uniforms: Uniforms,
) -> NDArray[np.int32]:
    """Random sequential placing without overlap."""
    height, width = scenario.shape
    sites = np.zeros((height, width), np.int32)
    flat, shape = sites.ravel(), disc(round(scenario.setup.initial_area_sites))
    steps, reach = shape @ [width, 1], int(np.abs(shape).max())
    wrap = scenario.domain.boundary == "periodic" and scenario.setup.region_um is None
    if not wrap:
        low, high = low - shape.min(axis=0), high - shape.max(axis=0)
    used, batch = 0, 2 * count
    for cell in range(1, count + 1):
        for _ in range(TRIES_PER_CELL):
            if used % batch == 0:
                draws = uniforms(2 * used, 2 * batch).reshape(batch, 2)
                centres = (low + (draws * (high - low)).astype(np.int64)).tolist()
            y, x = centres[used % batch]
            used += 1
            if reach <= y < height - reach and reach <= x < width - reach:
                at = y * width + x + steps
            else:
                at = np.add(shape, (y, x)) % (height, width) @ [width, 1]
            if not flat[at].any():
                flat[at] = cell
                break
        else:
            raise InputError(
                f"cells: only {cell - 1} of {count} cells found room without overlap; lower "
                "cells.density_per_mm2 (or cells.count) or setup.initial_area_sites"
            )
    return sites


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
