"""How many cells an assay seeds, of which types, and how wide they are."""

from __future__ import annotations

from math import pi, sqrt

from sim.assays.declare import Scenario


def seeded(scenario: Scenario, width_um: float, height_um: float) -> int:
    """Return how many endothelial cells are seeded on an area: their count, or by density."""
    if scenario.cells.count is not None:
        return scenario.cells.count
    return round((scenario.cells.density_per_mm2 or 0.0) * width_um * height_um * 1e-6)


def types_of(scenario: Scenario, count: int) -> list[int]:
    """Return the type of each cell: 1 endothelial, 2 and up the further types in their order."""
    counts = [count, *(further.count for further in scenario.types.values())]
    return [tau for tau, cells in enumerate(counts, start=1) for _ in range(cells)]


def across(area: float) -> float:
    """Return the diameter of a round cell of an area."""
    return 2 * sqrt(area / pi)
