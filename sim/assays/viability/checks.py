"""Whether the cells fit into the domain."""

from __future__ import annotations

from collections.abc import Iterator

from sim.assays.count import across, in_words, number_given
from sim.assays.declare import Scenario
from sim.assays.rules import reads
from sim.assays.viability.setup import cell_count
from sim.errors import Problem

COVERED = 0.4  # share that cells may cover at the start: discs at random jam at 0.547


@reads("cells.seeding", "types:")
def _at_random(scenario: Scenario) -> Iterator[Problem]:
    if scenario.cells.seeding not in ("random", "image"):
        what = "must be 'random' or 'image' in this assay"
        yield Problem("cells.seeding", scenario.cells.seeding, what)
    if scenario.types:
        yield Problem("types", len(scenario.types), "must be 0 further cell types in this assay")


@reads(
    "cells.seeding", "domain.size_um", "domain.spacing_um", "cells.count",
    "cells.density_per_mm2", "engine.area.target_sites",
)  # fmt: skip
def _cells_fit(scenario: Scenario) -> Iterator[Problem]:
    cells, (x, y) = scenario.cells, scenario.domain.size_um
    if min(x, y) <= 0 or cells.seeding == "image":
        return  # reported elsewhere, or by the checks of a picture
    if cells.count is None and cells.density_per_mm2 is None:
        yield Problem("cells", None, "needs density_per_mm2 or count")
        return
    area = scenario.engine.area.target_sites * scenario.domain.spacing_um**2
    if across(area) > min(x, y):
        yield Problem(
            "engine.area.target_sites",
            scenario.engine.area.target_sites,
            f"gives cells {across(area):.4g} um across, too large for {x:g} x {y:g} um",
        )
        return
    key, given = number_given(scenario)
    count, most = cell_count(scenario), int(COVERED * x * y / area)
    if count == 0 and cells.count is None:
        yield Problem(key, given, f"gives no cell; must be at least {1e6 / (x * y):.3g} for one")
    if count > most:
        limit = in_words(scenario, most, x, y)
        yield Problem(
            key,
            given,
            f"gives {count} cells of {area:g} um^2 in {x:g} x {y:g} um; must be at most {limit}, "
            "which leaves them room to grow",
        )


@reads("signalling.enabled")
def _signalling(scenario: Scenario) -> Iterator[Problem]:
    if not scenario.signalling.enabled:  # type: ignore[attr-defined]
        what = "must be true in this assay: without receptors cells neither divide nor die"
        yield Problem("signalling.enabled", False, what)


CHECKS = (_at_random, _cells_fit, _signalling)
