"""Whether the spheroid fits into the domain."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim.assays.declare import Scenario
from sim.assays.rules import reads
from sim.assays.sprouting.setup import spheroid_sites
from sim.errors import Problem

ROOM_UM = 250  # around the spheroid: sprouts of a day hardly grow longer


@reads("cells.seeding")
def _seeding(scenario: Scenario) -> Iterator[Problem]:
    if scenario.cells.seeding != "blob":
        yield Problem("cells.seeding", scenario.cells.seeding, "must be 'blob' in this assay")


@reads("domain.boundary")
def _walls(scenario: Scenario) -> Iterator[Problem]:
    if scenario.domain.boundary != "walls":
        what = "must be 'walls' in this assay: a spheroid has one centre"
        yield Problem("domain.boundary", scenario.domain.boundary, what)


@reads("domain", "cells", "engine.area.target_sites", "types")
def _spheroid_fits(scenario: Scenario) -> Iterator[Problem]:
    if scenario.cells.count is None:
        what = "is missing; it is how many cells the spheroid has"
        yield Problem("cells.count", None, what, "a spheroid has no cells.density_per_mm2")
        return
    room = _room_um(scenario)
    if room <= 0:
        yield Problem(
            "cells.count",
            scenario.cells.count,
            f"gives a spheroid of {2 * _radius_um(scenario):.4g} um across, which must be less "
            f"than the domain's {min(scenario.domain.size_um):g} um",
        )


@reads("domain", "cells", "engine.area.target_sites", "types")
def _narrow(scenario: Scenario) -> Iterator[Problem]:
    room = _room_um(scenario)
    if room < ROOM_UM:
        yield Problem(
            "domain.size_um",
            list(scenario.domain.size_um),
            f"leaves {room:.3g} um around the spheroid, and sprouts end at walls; at least "
            f"{ROOM_UM} um are better",
        )


@reads("domain.substrate")
def _in_matrix(scenario: Scenario) -> Iterator[Problem]:
    substrate = scenario.domain.substrate  # type: ignore[attr-defined]
    if substrate != "matrix":
        yield Problem(
            "domain.substrate", substrate, "does not hold a spheroid together",
            "matrix is the default of this assay",
        )  # fmt: skip


def _radius_um(scenario: Scenario) -> float:
    """Radius of the spheroid at the start."""
    return math.sqrt(spheroid_sites(scenario) / math.pi) * scenario.domain.spacing_um


def _room_um(scenario: Scenario) -> float:
    """Width of the medium around the spheroid, where it is narrowest; with a site to spare."""
    spare = 2 * scenario.domain.spacing_um
    return min(scenario.domain.size_um) / 2 - _radius_um(scenario) - spare


CHECKS = (_seeding, _walls, _spheroid_fits)
CAUTIONS = (_narrow, _in_matrix)
