"""Checks of the section of tissue around a tumour, and of the numbers of its vessels."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from sim.assays.rules import is_whole, reads
from sim.errors import Problem
from sim.scenario.bed import BedScenario

VOXELS = (20, 480)
"""Least and most voxels a side."""
MOST_SMOOTHING = 0.5
"""Of gamma over the area of a voxel, 1/h: half-hour steps of the outline are stable below."""


@reads("units")
def _units(scenario: BedScenario) -> Iterator[Problem]:
    if scenario.units == "lattice":
        yield Problem("units", "lattice", f"must be 'physical' with assay = {scenario.assay!r}")


@reads("domain.size_um", "domain.spacing_um")
def _size(scenario: BedScenario) -> Iterator[Problem]:
    (x, y), voxel = scenario.domain.size_um, scenario.domain.spacing_um
    least, most = VOXELS
    if x != y:
        yield Problem("domain.size_um", [x, y], "must be square: two equal sides")
    elif not is_whole(x / voxel):
        what = f"must be a whole number of voxels, a multiple of {voxel:g} um (domain.spacing_um)"
        yield Problem("domain.size_um", [x, y], what, f"for instance {round(x / voxel) * voxel:g}")
    elif not least <= round(x / voxel) <= most:
        span = f"{least * voxel:g} to {most * voxel:g} um"
        what = f"must be {span} a side ({least} to {most} voxels of {voxel:g} um)"
        yield Problem("domain.size_um", [x, y], what)


@reads("bed.arterial_mmHg", "bed.venous_mmHg")
def _pressures(scenario: BedScenario) -> Iterator[Problem]:
    bed = scenario.bed
    if fmean(bed.arterial_mmHg) <= fmean(bed.venous_mmHg):
        what = f"must on average be above bed.venous_mmHg = {list(bed.venous_mmHg)}, or no blood"
        yield Problem("bed.arterial_mmHg", list(bed.arterial_mmHg), f"{what} flows")


@reads("bed.gamma_um2_per_h", "domain.spacing_um")
def _smoothing(scenario: BedScenario) -> Iterator[Problem]:
    gamma, voxel = scenario.bed.gamma_um2_per_h, scenario.domain.spacing_um
    most = MOST_SMOOTHING * voxel**2
    if gamma > most:
        what = f"must be at most {most:g} um^2/h with voxels of {voxel:g} um"
        yield Problem("bed.gamma_um2_per_h", gamma, what)


CHECKS = (_units, _size, _pressures, _smoothing)
