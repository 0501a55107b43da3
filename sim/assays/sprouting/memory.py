"""What the assay remembers: the core of the start, and which cells are tips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Tissue
from sim.readouts.sprouts import Core, core_of


def begin(tissue: Tissue, scenario: Scenario) -> dict[str, NDArray[Any]]:
    """Remember the spheroid at the start; no cell is a tip.

    Returns
    -------
    dict of str to ndarray
        ``core`` (3,) centre y, x and radius of the disc of its area, in sites; ``tip`` (rows,)
        steps since a cell became a tip, 0 of the others; ``polarity`` (rows, 2) [y, x] of tips.
    """
    rows = tissue.cells["alive"].size + 1  # with that of the wall, as the cells have
    return {
        "core": np.array(core_of(tissue.lattice > 0)),
        "tip": np.zeros(rows, np.int64),
        "polarity": np.zeros((rows, 2)),
    }


def after_step(tissue: Tissue, memory: dict[str, NDArray[Any]], scenario: Scenario) -> None:
    """Do nothing: the core stays what it was, and tips are a part of the step."""


def core(memory: Mapping[str, NDArray[Any]]) -> Core:
    """Return the core of the start."""
    return Core(*memory["core"].tolist())


def before(memory: dict[str, NDArray[Any]], mcs: int) -> dict[str, NDArray[Any]]:
    """Return what is known of an earlier step: the core; who was a tip, its frame says."""
    return {**memory, "tip": np.zeros_like(memory["tip"])}
