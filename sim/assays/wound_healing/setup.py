"""The keys of a scenario that only this assay has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from sim.assays.count import seeded
from sim.assays.declare import Scenario
from sim.tables import Micrometres, Table


class Setup(Table):
    """The gap."""

    gap_um: Micrometres | None = Field(
        None,
        gt=0,
        description="width of the gap, across the middle of the x axis; as long as y; not "
        "used with cells.seeding = 'image'",
    )


class Options(Table):
    """How the gap is measured: there is nothing to choose."""


def complete(tree: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Take the width of the gap out of a scenario that starts from a picture, in place."""
    cells, setup = tree.get("cells"), tree.get("setup")
    if isinstance(cells, dict) and cells.get("seeding") == "image" and isinstance(setup, dict):
        setup.pop("gap_um", None)


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
