"""What the assay remembers: the first gap, and on which side of it each cell started."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Tissue
from sim.assays.wound_healing.scratch import gap_of, sides
from sim.assays.wound_healing.setup import gap_sites
from sim.readouts.front import LEFT, RIGHT


def begin(tissue: Tissue, scenario: Scenario) -> dict[str, NDArray[Any]]:
    """Remember where there is no cell at the start, and where each cell is.

    Returns
    -------
    dict of str to ndarray
        ``gap`` (y, x), of a label picture without the narrow gaps between cells, and ``side``
        (rows,): `LEFT`, `RIGHT`, or 0 of rows without a cell.
    """
    if scenario.cells.seeding == "image":
        gap, middle = gap_of(tissue.lattice, tissue.spacing_um, periodic=tissue.periodic)
        side = sides(tissue.cells["centroid"], middle, tissue.lattice.shape[1])
        return {"gap": gap, "side": (side * tissue.cells["alive"]).astype(np.int8)}
    first, _ = gap_sites(scenario)
    x = tissue.cells["centroid"][:, 1] % tissue.lattice.shape[1]
    side = np.where(x < first, LEFT, RIGHT) * tissue.cells["alive"]
    return {"gap": np.asarray(tissue.lattice == 0), "side": side.astype(np.int8)}


def after_step(tissue: Tissue, memory: dict[str, NDArray[Any]], scenario: Scenario) -> None:
    """Do nothing: the start stays what it was."""


def before(memory: dict[str, NDArray[Any]], mcs: int) -> dict[str, NDArray[Any]]:
    """Return what was remembered at an earlier step: the same."""
    return memory
