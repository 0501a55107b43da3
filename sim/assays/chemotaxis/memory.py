"""Where the cells have been, on the assay's own clock."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.chemotaxis.setup import steps_between
from sim.assays.declare import Scenario, Tissue

Memory = dict[str, NDArray[Any]]

ENDOTHELIAL = 1


def begin(tissue: Tissue, scenario: Scenario) -> Memory:
    """Remember where the endothelial cells start.

    Returns
    -------
    dict of str to ndarray
        ``rows`` (cells,) whom to follow, and their ``generation``; ``last`` and ``place``
        (cells, 2), in sites, the centre now and the same without jumps over periodic borders;
        ``looks`` (looks,) steps at which ``places`` (looks, cells, 2) were noted, NaN of the dead.
    """
    cells = tissue.cells
    rows = np.flatnonzero(cells["alive"] & (cells["type"] == ENDOTHELIAL))
    centres = cells["centroid"][rows].copy()
    return {
        "rows": rows,
        "generation": cells["generation"][rows].copy(),
        "last": centres,
        "place": centres.copy(),
        "looks": np.array([tissue.mcs]),
        "places": centres[None].copy(),
    }


def after_step(tissue: Tissue, memory: Memory, scenario: Scenario) -> None:
    """Follow the cells; note where they are when it is time."""
    rows, cells = memory["rows"], tissue.cells
    here = cells["centroid"][rows]
    moved = here - memory["last"]
    if tissue.periodic:
        moved -= tissue.lattice.shape * np.round(moved / tissue.lattice.shape)
    memory["place"] += moved
    memory["last"][:] = here
    if tissue.mcs % steps_between(scenario) == 0:
        there = cells["alive"][rows] & (cells["generation"][rows] == memory["generation"])
        now = np.where(there[:, None], memory["place"], np.nan)
        memory["looks"] = np.append(memory["looks"], tissue.mcs)
        memory["places"] = np.concatenate([memory["places"], now[None]])


def before(memory: Memory, mcs: int) -> Memory:
    """Return what was remembered at an earlier step: the tracks up to the latest look."""
    looks = memory["looks"] <= mcs
    places = memory["places"][looks]
    return {**memory, "looks": memory["looks"][looks], "places": places, "place": places[-1]}
