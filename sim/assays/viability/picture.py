"""Living and dead cells, as a live/dead stain shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sim.assays.declare import Canvas, Scenario, Tissue
from sim.assays.viability.measure import living


def draw(
    canvas: Canvas, tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> None:
    """Colour living and dying cells, and mark where cells have died."""
    live = living(tissue)
    canvas.stain(live, "living")
    canvas.stain(tissue.cells["alive"] & ~live, "dying")
    died = memory["events"][memory["events"][:, 1] == 0]
    canvas.dots(died[:, [5, 4]] - 0.5, "deaths")
