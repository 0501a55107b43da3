"""The keys of a scenario that only this assay has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Strict

from sim.assays.count import seeded
from sim.assays.declare import Scenario
from sim.tables import Micrometres, Number, Table


class Setup(Table):
    """How the cells start."""

    initial_area_sites: Number = Field(
        ge=1, description="sites that a cell covers when it is seeded; it then grows to its target"
    )
    region_um: Annotated[tuple[Micrometres, Micrometres], Strict(False)] | None = Field(
        None,
        description="centred region [x, y] in which cells are seeded; the whole domain if unset",
    )


class NetworkOptions(Table):
    """How the network is measured."""

    closing_um: Micrometres = Field(
        ge=0,
        le=50,
        description="radius of the disc that closes narrow gaps between cells before measuring",
    )


def cell_count(scenario: Scenario) -> int:
    """Return how many endothelial cells are seeded."""
    x, y = scenario.setup.region_um or scenario.domain.size_um
    return seeded(scenario, x, y)
