"""The energy of a whole tissue, term by term; `sim.tissue.energy` has what one copy changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.tissue.attractants import Attractants, sense
from sim.tissue.energy import CellArrays, Rules, lengths
from sim.tissue.lattice import REACH, Grid, load_patch, patch_axis


def energy_by_term(
    lattice: NDArray[np.int32],
    attractants: Attractants,
    cells: CellArrays,
    alive: NDArray[np.bool_],
    rules: Rules,
    grid: Grid,
) -> dict[str, float]:
    """The contact, area and length energy, and the potential of chemotaxis.

    Parameters
    ----------
    lattice, attractants, cells, rules, grid
        As in `sim.tissue.potts.sweep`.
    alive : (rows,) bool
        Cells that count.

    Returns
    -------
    dict
        ``contact``, ``area`` and ``length``, the terms of H in `sim.tissue.energy`; and
        ``chemotaxis``, -sum over fields and sites of mu f(c), whose slope cells follow.
    """
    stiffness = rules.stiffness[cells.type]
    away = np.stack([cells.moments[:, 0], lengths(cells.moments)], axis=1) - cells.target
    area, length = (stiffness * away**2)[alive].sum(axis=0)
    c = sense(attractants, np.arange(grid.height), np.arange(grid.width), grid.periodic)
    saturated = (each / (1.0 + s * each) for each, s in zip(c, rules.saturation, strict=True))
    return {
        "contact": _contact(lattice, cells.type, rules, grid),
        "area": float(area),
        "length": float(length),
        "chemotaxis": -sum(
            float(np.bincount(lattice.ravel(), f, minlength=len(mu)) @ mu)
            for f, mu in zip(saturated, cells.mu.T, strict=True)
        ),
    }


def _contact(
    lattice: NDArray[np.int32], cell_type: NDArray[np.int64], rules: Rules, grid: Grid
) -> float:
    """J of each pair of sites of different owners, once; against a wall too."""
    height, width, periodic = grid
    ys, xs = (patch_axis(0, side, side, periodic) for side in (height, width))
    patch = load_patch(lattice, ys, xs, len(cell_type) - 1).reshape(ys.size, xs.size)
    types = len(rules.J)
    pairs = np.zeros(types * types)
    for dy, dx in rules.contact_yx:
        other = patch[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
        differ = other != lattice
        pair = types * cell_type[lattice[differ]] + cell_type[other[differ]]
        pairs += np.bincount(pair, minlength=types * types)
    energy = rules.J * pairs.reshape(types, types)
    # a pair of sites was counted from both, one of a site and a wall from the site alone
    return float(energy[:, :-1].sum() / 2 + energy[:, -1].sum())
