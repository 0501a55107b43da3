"""Checks of [domain]."""

from __future__ import annotations

from collections.abc import Iterator

from sim.assays.rules import NEAR, SIDE_SITES, is_whole, reads
from sim.errors import Problem
from sim.scenario.schema import LatticeScenario

MOST_SITES = 25_000_000  # 10 mm square at 2 um: 55,000 cells, a few gigabytes
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


CHECKS = (_size, _longest_cell)
