"""Whether the spheroid fits into the domain, and what it is in holds it together."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim.assays.declare import Scenario
from sim.assays.rules import reads
from sim.assays.sprouting.setup import spheroid_sites
from sim.errors import Problem

ROOM_UM = 250  # around the spheroid: the mean reach of a day with VEGF
SPARE_SITES = 2  # at least, between the spheroid and the walls


@reads("cells.seeding")
def _seeding(scenario: Scenario) -> Iterator[Problem]:
    if scenario.cells.seeding not in ("blob", "image"):
        what = "must be 'blob' or 'image' in this assay"
        yield Problem("cells.seeding", scenario.cells.seeding, what)


@reads("domain.boundary")
def _walls(scenario: Scenario) -> Iterator[Problem]:
    if scenario.domain.boundary != "walls":
        what = "must be 'walls' in this assay: a spheroid has one centre"
        yield Problem("domain.boundary", scenario.domain.boundary, what)


@reads("domain", "cells", "engine.area.target_sites", "types")
def _spheroid_fits(scenario: Scenario) -> Iterator[Problem]:
    if scenario.cells.seeding == "image":
        return  # a picture has its own checks
    if scenario.cells.count is None:
        what = "is missing; it is how many cells the spheroid has"
        yield Problem("cells.count", None, what, "a spheroid has no cells.density_per_mm2")
        return
    if min(scenario.domain.size_um) <= 0:
        return  # reported elsewhere
    if _room_um(scenario) <= 0:
        yield Problem(
            "cells.count",
            scenario.cells.count,
            f"gives a spheroid of {2 * _radius_um(scenario):.4g} um across, which must be less "
            f"than {min(scenario.domain.size_um) - 2 * _spare_um(scenario):g} um in this domain",
            "its walls are left free",
        )


@reads("domain", "cells", "engine.area.target_sites", "types")
def _narrow(scenario: Scenario) -> Iterator[Problem]:
    if scenario.cells.seeding == "image":
        return
    room = _room_um(scenario)
    if room < ROOM_UM:
        yield Problem(
            "domain.size_um",
            list(scenario.domain.size_um),
            f"leaves {room:.3g} um around the spheroid, and sprouts end at walls; at least "
            f"{ROOM_UM} um are better",
        )


@reads("signalling.enabled")
def _signalling(scenario: Scenario) -> Iterator[Problem]:
    if not scenario.signalling.enabled:  # type: ignore[attr-defined]
        what = "must be true in this assay: Delta-Notch signalling and receptors make the tips"
        yield Problem("signalling.enabled", False, what)


@reads("setup.tips")
def _tips(scenario: Scenario) -> Iterator[Problem]:
    tips = scenario.setup.tips
    for key in ("rate_per_h", "mu"):
        if min(pair := getattr(tips, key)) < 0:
            yield Problem(f"setup.tips.{key}", list(pair), "must be two numbers of at least 0")
    if tips.kept_free > tips.least_free:
        what = f"must be at most setup.tips.least_free = {tips.least_free:g}: new tips would end"
        yield Problem("setup.tips.kept_free", tips.kept_free, what)


@reads("engine.tissue_connectivity_penalty", "domain.substrate")
def _in_matrix(scenario: Scenario) -> Iterator[Problem]:
    substrate = scenario.domain.substrate  # type: ignore[attr-defined]
    penalty = scenario.engine.tissue_connectivity_penalty
    if substrate != "matrix":
        key, value, hint = "domain.substrate", substrate, "matrix is the default of this assay"
        yield Problem(key, value, "does not hold a spheroid together", hint)
    elif not penalty:
        key, what = "engine.tissue_connectivity_penalty", "does not hold a spheroid together"
        yield Problem(key, penalty, what)


@reads("engine.area.creep_h")
def _creep(scenario: Scenario) -> Iterator[Problem]:
    creep_h = scenario.engine.area.creep_h
    if creep_h is not None:
        what = "moves target areas beside setup.spread, which moves them back"
        yield Problem("engine.area.creep_h", creep_h, what)


def _radius_um(scenario: Scenario) -> float:
    """Radius of the spheroid at the start."""
    return math.sqrt(spheroid_sites(scenario) / math.pi) * scenario.domain.spacing_um


def _room_um(scenario: Scenario) -> float:
    """Width of the medium around the spheroid, where it is narrowest; without what is spare."""
    return min(scenario.domain.size_um) / 2 - _radius_um(scenario) - _spare_um(scenario)


def _spare_um(scenario: Scenario) -> float:
    """Width beside a wall that is left free at the start."""
    return SPARE_SITES * scenario.domain.spacing_um


CHECKS = (_seeding, _walls, _spheroid_fits, _signalling, _tips)
CAUTIONS = (_narrow, _in_matrix, _creep)
