"""The gap over the cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sim.assays.declare import Canvas, Scenario, Tissue
from sim.readouts.front import measure_gap


def draw(
    canvas: Canvas, tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> None:
    """Draw the outlines of the gap at the start and of what is left of it."""
    first = memory["gap"]
    canvas.outline(first, "start")
    now = measure_gap(tissue.lattice, first, memory["side"], periodic=tissue.periodic).open
    if now.any():
        canvas.outline(now, "now")
