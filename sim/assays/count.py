"""How many cells an assay seeds, of which types, and how wide they are."""

from __future__ import annotations

from math import pi, sqrt

from sim.assays.declare import Scenario


def seeded(scenario: Scenario, width_um: float, height_um: float) -> int:
    """Return how many endothelial cells are seeded on an area: their count, or by density."""
    if scenario.cells.count is not None:
        return scenario.cells.count
    return round((scenario.cells.density_per_mm2 or 0.0) * width_um * height_um * 1e-6)


def number_given(scenario: Scenario) -> tuple[str, float | None]:
    """Return the key that says how many cells are seeded, and its value."""
    cells = scenario.cells
    if cells.count is not None:
        return "cells.count", cells.count
    return "cells.density_per_mm2", cells.density_per_mm2


def in_words(scenario: Scenario, number: int, width_um: float, height_um: float) -> str:
    """Return a number of cells on an area as the scenario gives it: by density, or as it is."""
    if scenario.cells.count is not None:
        return f"{number} cells"
    return f"{number / (width_um * height_um * 1e-6):.4g} per mm^2 ({number} cells)"


def types_of(scenario: Scenario, count: int) -> list[int]:
    """Return the type of each cell: 1 endothelial, 2 and up the further types in their order."""
    counts = [count, *(further.count for further in scenario.types.values())]
    return [tau for tau, cells in enumerate(counts, start=1) for _ in range(cells)]


def across(area: float) -> float:
    """Return the diameter of a round cell of an area."""
    return 2 * sqrt(area / pi)
