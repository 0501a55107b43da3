"""Whether tumour and vessels fit into the domain, and when the run begins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.assays.rules import reads
from sim.assays.tumour_bed.setup import start_h
from sim.errors import Problem

RIM_VOXELS = 3
"""A tumour must not come nearer to the border."""
LEAST_RADIUS = 3.0
"""Of a tumour that voxels resolve, in voxels."""


@reads("setup", "domain")
def _fits(scenario: Any) -> Iterator[Problem]:
    setup, domain = scenario.setup, scenario.domain
    half, voxel = min(domain.size_um) / 2, domain.spacing_um
    least, most = LEAST_RADIUS * voxel, half - RIM_VOXELS * voxel
    if not least <= setup.radius_um < most:
        what = f"must be at least {least:g} um (three voxels) and below {most:g} um, which keeps"
        what += f" {RIM_VOXELS} voxels from the border"
        yield Problem("setup.radius_um", setup.radius_um, what)
        return
    room = half - setup.radius_um - RIM_VOXELS * voxel
    if setup.gap_um > room:
        what = f"must be at most {room:g} um: the parent vessels must lie in the domain"
        yield Problem("setup.gap_um", setup.gap_um, what, "or enlarge domain.size_um")


@reads("setup.drug_start_day", "time")
def _beginning(scenario: Any) -> Iterator[Problem]:
    wanted, start = start_h(scenario.setup.drug_start_day), scenario.time.start_h
    if start != wanted:
        what = f"must be {wanted:g}: 0 is the start of the drug (setup.drug_start_day)"
        yield Problem("time.start_h", start, what, "leave it out")
    if wanted != round(wanted):
        what = f"is {-wanted:g} hours, which must be a whole number"
        yield Problem("setup.drug_start_day", scenario.setup.drug_start_day, what)


@reads("setup.drug_start_day", "time", "drug")
def _no_drug(scenario: Any) -> Iterator[Problem]:
    ends_h = scenario.time.steps * scenario.time.mcs_s / 3600 + scenario.time.start_h
    if scenario.drug is not None and ends_h <= 0:
        what = f"ends before the drug begins, on day {scenario.setup.drug_start_day:g}"
        yield Problem("time.duration_h", scenario.time.duration_h, what)


CHECKS = (_fits, _beginning)
CAUTIONS = (_no_drug,)
