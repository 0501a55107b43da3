"""Small lattices with cells on them, and the rules and cell stores that go with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sim.tissue import energy
from sim.tissue.attractants import Attractants
from sim.tissue.cells import CellStore
from sim.tissue.fields import Field
from sim.tissue.lattice import Grid


def rules(
    grid: Grid,
    *,
    temperature: float = 1.0,
    J: Any = ((0, 0, 0), (0, 0, 0), (0, 0, 0)),
    stiffness: Any = ((0, 0), (0, 0), (0, 0)),
    connectivity: str = "none",
    penalty: float = 0.0,
    tissue_penalty: float = 0.0,
    contact_inhibited: Sequence[bool] = (),
    acts_on: Sequence[str] = (),
    saturation: Sequence[float] = (),
    copy_sites: int = 8,
    contact_sites: int = 8,
) -> energy.Rules:
    """Rules in which everything that is not named costs nothing."""
    return energy.rules(
        temperature=temperature,
        J=np.array(J, dtype=np.float64),
        stiffness=np.array(stiffness, dtype=np.float64),
        connectivity=connectivity,
        connectivity_penalty=penalty,
        tissue_penalty=tissue_penalty,
        contact_inhibited=contact_inhibited,
        acts_on=acts_on,
        saturation=saturation,
        copy_sites=copy_sites,
        contact_sites=contact_sites,
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
    """Lattice, measured cell store and grid of ``sites`` [y, x] with cells 1, 2, ..."""
    grid = Grid(*sites.shape, periodic)
    lattice = sites.astype(np.int32)
    cells = CellStore(len(types), wall_type=wall_type, fields=fields)
    for cell_type in types:
        cells.born(cell_type)
    cells["target"][1:-1] = target
    cells.measure(lattice, grid)
    return lattice, cells, grid


def attractants(*fields: np.ndarray, factor: int = 1) -> Attractants:
    """Fields that cells follow; none by default."""
    return Attractants.of(
        [Field("", each, factor, 0.0, "no_flux", "explicit", 1) for each in fields]
    )
