"""Small lattices with cells on them, and the rules and cell stores that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.tissue import energy
from sim.tissue.cells import CellStore
from sim.tissue.lattice import RING, Grid, flat, grid_of, neighbourhood, with_halo

CONNECTIVITY = {"none": energy.NONE, "soft": energy.SOFT, "hard": energy.HARD}
ACTS_ON = {"extension": energy.EXTENSION, "retraction": energy.RETRACTION, "both": 3}


def rules(
    grid: Grid,
    *,
    temperature: float = 1.0,
    J: Any = ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
    stiffness: Any = ((0, 0), (0, 0), (0, 0)),
    connectivity: str = "none",
    penalty: float = 0.0,
    contact_inhibited: Sequence[bool] = (),
    acts_on: Sequence[str] = (),
    copy_sites: int = 8,
    contact_sites: int = 8,
) -> energy.Rules:
    """Rules in which everything that is not named costs nothing."""
    copies = neighbourhood(copy_sites)
    return energy.Rules(
        temperature=float(temperature),
        J=np.array(J, dtype=np.float64),
        stiffness=np.array(stiffness, dtype=np.float64),
        connectivity=CONNECTIVITY[connectivity],
        connectivity_penalty=float(penalty),
        contact_inhibited=np.array(contact_inhibited, dtype=np.bool_),
        acts_on=np.array([ACTS_ON[way] for way in acts_on], dtype=np.int64),
        copy_yx=copies,
        copy_steps=flat(copies, grid.row),
        contact_steps=flat(neighbourhood(contact_sites), grid.row),
        ring_steps=flat(np.array(RING, dtype=np.int64), grid.row),
    )


def place(
    sites: np.ndarray,
    types: Sequence[int],
    *,
    periodic: bool,
    wall_type: int = 2,
    fields: int = 0,
    target: Any = (0.0, 0.0),
) -> tuple[np.ndarray, CellStore, Grid]:
    """Lattice with halo, measured cell store and grid of ``sites`` [y, x] with cells 1, 2, ..."""
    grid = grid_of(sites.shape, periodic=periodic)
    lattice = with_halo(sites.astype(np.int32), periodic=periodic)
    cells = CellStore(len(types), wall_type=wall_type, fields=fields)
    for cell_type in types:
        cells.born(cell_type)
    cells["target"][1:-1] = target
    cells.measure(lattice, grid)
    return lattice, cells, grid
