"""The read-outs of the gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sim.assays.declare import Scenario, Tissue
from sim.readouts.front import measure_gap


def measure(
    tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> dict[str, float]:
    """Return the read-outs of the gap by name."""
    first, side_um = memory["gap"], tissue.spacing_um
    gap = measure_gap(tissue.lattice, first, memory["side"], periodic=tissue.periodic)
    hours = tissue.mcs * tissue.mcs_s / 3600
    advance_um = gap.covered / (2 * len(first)) * side_um  # of each front
    return {
        "closure_percent": 100.0 * gap.covered / int(first.sum()),
        "gap_area_um2": float(gap.open.sum()) * side_um**2,
        "holes_um2": gap.holes * side_um**2,
        "front_speed_um_h": advance_um / hours if hours else 0.0,
        "front_roughness_um": gap.roughness * side_um,
        "detached_cells": gap.detached,
    }
