"""Whether the cells fit into the domain, and are enough."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim import data
from sim.assays.count import across, in_words, number_given
from sim.assays.declare import Scenario
from sim.assays.rules import NEAR, SIDE_SITES, reads
from sim.assays.tube_formation.setup import cell_count
from sim.errors import Problem

SPARSE_PER_MM2 = 400  # fewer cells make no connected network; see docs/tube-formation.md
FEW_CELLS = 10  # not meant to form a network

# Share of the seeded region that cells may cover at the start: discs that fall at random without
# overlap jam at 0.547, and below 0.45 in small regions; discs on a square grid fill 0.785; a
# cluster is a disc itself.
COVERED = {"random": 0.4, "grid": 0.75, "blob": math.pi / 4}


@reads("cells.seeding")
def _seeding(scenario: Scenario) -> Iterator[Problem]:
    if scenario.cells.seeding not in (*COVERED, "image"):
        known = data.one_of([*COVERED, "image"])
        yield Problem("cells.seeding", scenario.cells.seeding, f"{known} here")


@reads("cells.seeding", "domain", "setup.region_um")
def _region_fits(scenario: Scenario) -> Iterator[Problem]:
    site = scenario.domain.spacing_um
    if scenario.cells.seeding == "image" and scenario.setup.region_um is not None:
        what = "must not be given with cells.seeding = 'image'"
        yield Problem("setup.region_um", scenario.setup.region_um, what)
    for place, side in enumerate(scenario.setup.region_um or ()):
        whole = scenario.domain.size_um[place]
        if not site <= side <= whole:
            yield Problem(
                f"setup.region_um.{place}",
                side,
                f"must be at least {site:g} um, a site, and at most {whole:g} um, the domain",
            )


@reads(
    "domain.size_um", "domain.spacing_um", "setup", "cells.count", "cells.density_per_mm2",
    "cells.seeding", "types:", "types.*.count", "types.*.area", "engine.area.target_sites",
)  # fmt: skip
def _cells_fit(scenario: Scenario) -> Iterator[Problem]:
    cells, site = scenario.cells, scenario.domain.spacing_um**2
    x, y = scenario.setup.region_um or scenario.domain.size_um
    if cells.seeding not in COVERED:
        return  # a picture has its own checks; others are reported elsewhere
    too_small = min(scenario.domain.size_um) < SIDE_SITES * scenario.domain.spacing_um * (1 - NEAR)
    if too_small or min(x, y) <= 0:
        return  # reported elsewhere
    if cells.count is None and cells.density_per_mm2 is None:
        yield Problem("cells", None, "needs density_per_mm2 or count")
        return
    if (wide := across(scenario.setup.initial_area_sites * site)) > min(x, y):
        yield Problem(
            "setup.initial_area_sites",
            scenario.setup.initial_area_sites,
            f"gives cells {wide:.4g} um across, too large for {x:g} x {y:g} um",
        )
        return
    key, given = number_given(scenario)
    count = cell_count(scenario)
    if count == 0 and cells.count is None:
        least = 1 / (x * y * 1e-6)
        yield Problem(key, given, f"gives no cell; must be at least {least:.3g} for one")
    others = sum(kind.count for kind in scenario.types.values())
    room = COVERED[cells.seeding] * (min(x, y) ** 2 if cells.seeding == "blob" else x * y)
    initial = scenario.setup.initial_area_sites * site
    most = max(0, int(room / initial) - others)
    if count > most:
        limit = in_words(scenario, most, x, y)
        yield Problem(
            key,
            given,
            f"gives {count} cells of {initial:g} um^2 at the start in {x:g} x {y:g} um; "
            f"must be at most {limit} with seeding = {cells.seeding!r}",
        )
        return
    domain = math.prod(scenario.domain.size_um)
    wanted = count * scenario.engine.area.target_sites * site + sum(
        kind.count * kind.area.target_sites * site for kind in scenario.types.values()
    )
    if wanted > domain * (1 + NEAR):
        yield Problem(
            key,
            given,
            f"gives {count + others} cells of {wanted:.6g} um^2 target area in all, more than the "
            f"domain's {domain:.6g} um^2",
            "fewer cells, a larger domain.size_um or a smaller engine.area.target_sites",
        )


@reads("cells", "domain.size_um", "setup.region_um")
def _sparse(scenario: Scenario) -> Iterator[Problem]:
    """The cue's short range and the length of a cell set the widest gap that tubes bridge."""
    cells, count = scenario.cells, cell_count(scenario)
    x, y = scenario.setup.region_um or scenario.domain.size_um
    density = cells.density_per_mm2 if cells.count is None else cells.count / (x * y * 1e-6)
    if density is None or density >= SPARSE_PER_MM2 or count < FEW_CELLS or cells.seeding == "blob":
        return
    key, value = ("density_per_mm2", density) if cells.count is None else ("count", count)
    yield Problem(
        f"cells.{key}",
        value,
        f"gives {density:.3g} cells per mm^2; below about 450 no network spans the domain",
        "the model lacks an attractant that crosses wide gaps",
    )


CHECKS = (_seeding, _region_fits, _cells_fit)
CAUTIONS = (_sparse,)
