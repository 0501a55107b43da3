"""The keys of a scenario that only this assay has."""

from __future__ import annotations

from pydantic import Field

from sim.assays.count import seeded
from sim.assays.declare import Scenario
from sim.tables import Micrometres, Table


class Setup(Table):
    """The gap."""

    gap_um: Micrometres = Field(
        gt=0, description="width of the gap, across the middle of the x axis; as long as y"
    )


class Options(Table):
    """How the gap is measured: there is nothing to choose."""


def gap_sites(scenario: Scenario) -> tuple[int, int]:
    """Return the first column of the gap, and the one after its last."""
    width = scenario.shape[1]
    gap = round(scenario.setup.gap_um / scenario.domain.spacing_um)
    first = (width - gap) // 2
    return first, first + gap


def cell_count(scenario: Scenario) -> int:
    """Return how many endothelial cells the layer has."""
    (x, y), gap_um = scenario.domain.size_um, float(scenario.setup.gap_um)
    return seeded(scenario, x - gap_um, y)
