"""Checks of [setup], [cells] and [types]: whether the cells fit in, and their other types."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim import data
from sim.errors import Problem
from sim.scenario.checks.domain import SIDE_SITES
from sim.scenario.checks.rules import NEAR, reads, unknown_names
from sim.scenario.schema import Scenario

MOST_TYPES = 12  # of cells, medium and wall among them; see `sim.tissue.energy.DIGIT_BITS`

# Share of the seeded region that cells may cover at the start: discs that fall at random without
# overlap jam at 0.547, and below 0.45 in small regions; discs on a square grid fill 0.785; a
# cluster is a disc itself.
COVERED = {"random": 0.4, "grid": 0.75, "blob": math.pi / 4}


@reads("domain", "setup.region_um")
def _region(scenario: Scenario) -> Iterator[Problem]:
    site = scenario.domain.spacing_um
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
    too_small = min(scenario.domain.size_um) < SIDE_SITES * scenario.domain.spacing_um * (1 - NEAR)
    if too_small or min(x, y) <= 0:
        return  # told elsewhere
    if cells.count is None and cells.density_per_mm2 is None:
        yield Problem("cells", None, "needs density_per_mm2 or count")
        return
    across = 2 * math.sqrt(scenario.setup.initial_area_sites * site / math.pi)
    if across > min(x, y):
        yield Problem(
            "setup.initial_area_sites",
            scenario.setup.initial_area_sites,
            f"gives cells {across:.4g} um across, too large for {x:g} x {y:g} um",
        )
        return
    key = "cells.count" if cells.count is not None else "cells.density_per_mm2"
    given = cells.count if cells.count is not None else cells.density_per_mm2
    count = scenario.cell_count
    if count == 0 and cells.count is None:
        least = 1 / (x * y * 1e-6)
        yield Problem(key, given, f"gives no cell; must be at least {least:.3g} for one")
    others = sum(kind.count for kind in scenario.types.values())
    room = COVERED[cells.seeding] * (min(x, y) ** 2 if cells.seeding == "blob" else x * y)
    initial = scenario.setup.initial_area_sites * site
    most = max(0, int(room / initial) - others)
    if count > most:
        limit = f"{most} cells"
        if cells.count is None:
            limit = f"{most / (x * y * 1e-6):.4g} per mm^2 ({limit})"
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
            f"gives {count + others} cells that want {wanted:.6g} um^2 in all, more than the "
            f"domain's {domain:.6g} um^2",
            "fewer cells, a larger domain.size_um or a smaller engine.area.target_sites",
        )


@reads("cells.line")
def _line(scenario: Scenario) -> Iterator[Problem]:
    known = data.names("lines")
    if scenario.cells.line not in known:
        hint = data.nearest(scenario.cells.line, known)
        yield Problem("cells.line", scenario.cells.line, data.one_of(known), hint)


@reads("fields:", "engine.chemotaxis:", each="types")
def _types_and_fields(scenario: Scenario) -> Iterator[Problem]:
    for name, further in scenario.types.items():
        followed = scenario.engine.chemotaxis
        yield from unknown_names(
            f"types.{name}.mu", further.mu, followed, "field of engine.chemotaxis"
        )
        given = further.secretion_per_s
        yield from unknown_names(f"types.{name}.secretion_per_s", given, scenario.fields, "field")


@reads(each="types")
def _types(scenario: Scenario) -> Iterator[Problem]:
    fixed = ["medium", "wall", "endothelial"]
    most = MOST_TYPES - len(fixed)
    if len(scenario.types) > most:
        yield Problem("types", len(scenario.types), f"must be at most {most} further cell types")
    for name, kind in scenario.types.items():
        key = f"types.{name}"
        if name in fixed:
            yield Problem(key, None, f"must have another name than {', '.join(fixed)}")
            continue
        needed = [*fixed, *scenario.types]
        given = kind.contact_energy
        yield from unknown_names(f"{key}.contact_energy", given, needed, "cell type")
        for other in needed:
            if other not in given:
                yield Problem(f"{key}.contact_energy.{other}", None, "is missing; must be a number")
        for other in scenario.types:
            back = scenario.types[other].contact_energy.get(name)
            if other > name and other in given and back is not None and given[other] != back:
                yield Problem(
                    f"{key}.contact_energy.{other}",
                    given[other],
                    f"must equal types.{other}.contact_energy.{name} = {back:g}",
                )


CHECKS = (_region, _cells_fit, _line, _types_and_fields, _types)
