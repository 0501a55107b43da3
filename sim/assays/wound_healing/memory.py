"""What the assay remembers: the first gap."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Tissue


def begin(tissue: Tissue, scenario: Scenario) -> dict[str, NDArray[Any]]:
    """Remember where there is no cell at the start."""
    return {"gap": np.asarray(tissue.lattice == 0)}


def after_step(tissue: Tissue, memory: dict[str, NDArray[Any]], scenario: Scenario) -> None:
    """Do nothing: the first gap stays what it was."""
