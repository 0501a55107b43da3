"""The keys of a scenario that only this assay has: none. Its cells are those of ``[cells]``."""

from __future__ import annotations

from sim.assays.count import seeded
from sim.assays.declare import Scenario
from sim.tables import Table


class Setup(Table):
    """How the cells start: as in [cells]."""


class Options(Table):
    """How viability is read: there is nothing to choose."""


def cell_count(scenario: Scenario) -> int:
    """Return how many endothelial cells are seeded."""
    x, y = scenario.domain.size_um
    return seeded(scenario, x, y)
