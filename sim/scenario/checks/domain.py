"""Checks of [domain]."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim.assays.rules import NEAR, SIDE_SITES, is_whole, reads
from sim.errors import Problem
from sim.scenario.checks.time import MOST_STEPS
from sim.scenario.schema import LatticeScenario

MOST_SITES = 25_000_000  # 10 mm square at 2 um: 55,000 cells, a few gigabytes
MOST_WORK = 1e15  # updates of sites and voxels in a run
LONGEST_CELL = 0.75  # target length relative to a periodic domain


@reads("domain.size_um", "domain.spacing_um")
def _size(scenario: LatticeScenario) -> Iterator[Problem]:
    domain = scenario.domain
    for place, side in enumerate(domain.size_um):
        ratio = side / domain.spacing_um
        key = f"domain.size_um.{place}"
        least = SIDE_SITES * domain.spacing_um
        if not ratio >= SIDE_SITES * (1 - NEAR):
            yield Problem(key, side, f"must be at least {least:g} um ({SIDE_SITES} sites)")
        elif not is_whole(ratio):
            yield Problem(
                key,
                side,
                f"must be a whole number of sites, a multiple of {domain.spacing_um:g} um",
                f"for instance {round(ratio) * domain.spacing_um:g}",
            )
    x, y = domain.size_um
    sites = (x / domain.spacing_um) * (y / domain.spacing_um)
    if sites > MOST_SITES:
        yield Problem(
            "domain.size_um",
            list(domain.size_um),
            f"gives {sites:,.0f} sites; must be at most {MOST_SITES:,} (a few GB of memory)",
        )


@reads("domain", "engine.length", "behaviour")
def _longest_cell(scenario: LatticeScenario) -> Iterator[Problem]:
    """On a periodic domain a cell must not meet itself: sites are counted from its centre."""
    if scenario.domain.boundary != "periodic" or scenario.engine.length.lambda_ == 0:
        return
    longest = scenario.engine.length.target_sites
    if scenario.behaviour and scenario.behaviour.length:
        longest = max(scenario.behaviour.length.target_sites)
    if longest > LONGEST_CELL * min(scenario.shape):
        yield Problem(
            "domain.size_um",
            list(scenario.domain.size_um),
            f"must be at least {longest * scenario.domain.spacing_um / LONGEST_CELL:.4g} um a side "
            "on a periodic domain: the longest target length takes at most three quarters of it",
        )


@reads("domain.size_um", "domain.spacing_um", "time", each="fields")
def _work(scenario: LatticeScenario) -> Iterator[Problem]:
    """No run is so long that nobody would see its end."""
    sides = (side / scenario.domain.spacing_um for side in scenario.domain.size_um)
    sites, steps, substeps = math.prod(sides), scenario.time.steps, 0.0
    for field in scenario.fields.values():
        voxel = (field.spacing_um or scenario.domain.spacing_um) / scenario.domain.spacing_um
        substeps += field.substeps / voxel**2
    work = steps * sites * (1.0 + substeps)
    if work > MOST_WORK and steps <= MOST_STEPS:  # else that is reported
        yield Problem(
            "time",
            None,
            f"makes {steps:,} steps of {sites:,.0f} sites with {substeps:,.4g} sub-steps of fields "
            f"at each, {work:.3g} updates in all; must be at most {MOST_WORK:g}, some weeks",
            "a shorter time.duration_h, a smaller domain.size_um or fewer substeps",
        )


CHECKS = (_size, _longest_cell, _work)
