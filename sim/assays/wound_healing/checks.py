"""Whether the gap and the cells fit into the domain."""

from __future__ import annotations

from collections.abc import Iterator

from sim.assays.count import number_given
from sim.assays.declare import Scenario
from sim.assays.rules import SIDE_SITES, reads
from sim.assays.wound_healing.setup import cell_count
from sim.errors import Problem

LEAST_CELL_SITES = 20  # at the start, on average
NARROW_UM = 250  # of layer beside the gap
STRETCHED = 1.5  # times the area at rest: cells that start larger tear open or draw back


@reads("cells.seeding")
def _seeding(scenario: Scenario) -> Iterator[Problem]:
    if scenario.cells.seeding not in ("confluent", "image"):
        what = "must be 'confluent' or 'image' in this assay"
        yield Problem("cells.seeding", scenario.cells.seeding, what)


@reads("domain", "cells.seeding", "setup.gap_um")
def _gap_fits(scenario: Scenario) -> Iterator[Problem]:
    site, gap = scenario.domain.spacing_um, scenario.setup.gap_um
    if scenario.cells.seeding == "image":
        return  # a picture has its own checks
    if gap is None:
        yield Problem("setup.gap_um", None, "is missing")
        return
    least, most = SIDE_SITES * site, scenario.domain.size_um[0] - 2 * SIDE_SITES * site
    if not least <= gap <= most:
        what = f"must be at least {least:g} um ({SIDE_SITES} sites)"
        if most >= least:
            what += f" and at most {most:g} um, which leaves as much on both sides"
        yield Problem("setup.gap_um", gap, what)


@reads(
    "domain", "cells.seeding", "setup.gap_um", "cells.count", "cells.density_per_mm2", "types:",
    "types.*.count",
)  # fmt: skip
def _cells_fit(scenario: Scenario) -> Iterator[Problem]:
    cells = scenario.cells
    if scenario.setup.gap_um is None:
        return  # a picture has its own checks
    if cells.count is None and cells.density_per_mm2 is None:
        yield Problem("cells", None, "needs density_per_mm2 or count")
        return
    x, y = scenario.domain.size_um
    layer_um2 = (x - scenario.setup.gap_um) * y
    others = sum(kind.count for kind in scenario.types.values())
    count, most = (
        cell_count(scenario),
        int(layer_um2 / (LEAST_CELL_SITES * scenario.domain.spacing_um**2)) - others,
    )
    key, given = number_given(scenario)
    if layer_um2 > 0 and not 1 <= count <= most:
        limits = (1, most) if cells.count is not None else (1e6 / layer_um2, most * 1e6 / layer_um2)
        yield Problem(
            key,
            given,
            f"gives {count} cells in a layer of {layer_um2:g} um^2; must be at least "
            f"{limits[0]:.3g} and at most {limits[1]:.4g}",
        )


@reads("domain", "setup.gap_um")
def _narrow(scenario: Scenario) -> Iterator[Problem]:
    if scenario.setup.gap_um is None:
        return
    beside = (scenario.domain.size_um[0] - scenario.setup.gap_um) / 2
    if 0 < beside <= NARROW_UM:
        yield Problem(
            "domain.size_um.0",
            scenario.domain.size_um[0],
            f"leaves a layer of {beside:g} um beside the gap: it is stretched before the gap is "
            f"closed; more than {NARROW_UM} um are better",
        )


@reads(
    "domain", "cells.seeding", "setup.gap_um", "cells.count", "cells.density_per_mm2", "types:",
    "types.*.count", "engine.area.target_sites",
)  # fmt: skip
def _sparse(scenario: Scenario) -> Iterator[Problem]:
    if scenario.setup.gap_um is None:
        return
    (x, y), site_um2 = scenario.domain.size_um, scenario.domain.spacing_um**2
    cells = cell_count(scenario) + sum(kind.count for kind in scenario.types.values())
    area, rest = ((x - scenario.setup.gap_um) * y / cells, scenario.engine.area.target_sites)
    if area > STRETCHED * rest * site_um2:
        yield Problem(
            *number_given(scenario),
            f"gives cells of {area:.4g} um^2, which at rest have {rest * site_um2:g} um^2: the "
            "layer draws back from the gap or tears",
            f"{1e6 / (rest * site_um2):.4g} per mm^2 fill it",
        )


@reads("domain.substrate")
def _stiff(scenario: Scenario) -> Iterator[Problem]:
    substrate = scenario.domain.substrate  # type: ignore[attr-defined]
    if substrate != "plastic":
        yield Problem(
            "domain.substrate", substrate, "has cells that do not spread into the gap",
            "plastic is the default of this assay",
        )  # fmt: skip


CHECKS = (_seeding, _gap_fits, _cells_fit)
CAUTIONS = (_narrow, _sparse, _stiff)
