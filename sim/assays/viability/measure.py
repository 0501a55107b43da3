"""Living and dead cells."""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Tissue


def living(tissue: Tissue) -> NDArray[np.bool_]:
    """Return which rows are living cells; dying ones, which are still there, count as dead."""
    alive: NDArray[np.bool_] = tissue.cells["alive"]
    return alive & (tissue.cells["dying"] == 0) if "dying" in tissue.cells else alive


def measure(
    tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> dict[str, float | int]:
    """Return the read-outs by name; without any cell none has died, and viability is 100 %."""
    live, died = int(np.count_nonzero(living(tissue))), int(memory["died"])
    ever = live + died
    first = ever - int(memory["born"])
    return {
        "viability_percent": 100 * live / ever if ever else 100.0,
        "live_cells": live,
        "dead_cells": died,
        "doublings": log2(ever / first) if first > 0 else 0.0,
        "covered_fraction": float(np.count_nonzero(tissue.lattice) / tissue.lattice.size),
    }


def events(
    tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> dict[str, NDArray[Any]]:
    """Return the columns of ``events.csv``: who was born or died, when and where."""
    mcs, born, cell, mother, x, y = memory["events"].T
    return {
        "time_h": np.round(tissue.time_h + (mcs - tissue.mcs) * tissue.mcs_s / 3600, 9),
        "event": np.where(born == 1, "birth", "death"),
        "cell": cell.astype(np.int64),
        "mother": mother.astype(np.int64),
        "x_um": x * tissue.spacing_um,
        "y_um": y * tissue.spacing_um,
    }
