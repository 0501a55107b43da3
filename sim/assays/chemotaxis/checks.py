"""Whether the cells fit into the middle of the domain, and which gradient there is."""

from __future__ import annotations

from collections.abc import Iterator

from sim import data
from sim.assays.chemotaxis.setup import BAND, NO_LIGAND, cell_count, steps_between
from sim.assays.count import across, number_given
from sim.assays.declare import Scenario
from sim.assays.rules import NEAR, is_whole, reads
from sim.errors import Problem

COVERED = 0.4  # discs that fall at random without overlap jam at 0.547, and below in small regions


@reads("ligands", "setup", "engine.sensing_L50_ng_ml")
def _gradient(scenario: Scenario) -> Iterator[Problem]:
    setup = scenario.setup
    if setup.ligand == NO_LIGAND:
        return
    if setup.ligand not in scenario.ligands:
        options = [*scenario.ligands, NO_LIGAND]
        yield Problem(
            "setup.ligand", setup.ligand, data.one_of(options), data.nearest(setup.ligand, options)
        )
        return
    found = scenario.ligands[setup.ligand].gradient
    wanted = ("y", setup.low_ng_ml, setup.high_ng_ml)
    if found is None or (found.axis, found.low_ng_ml, found.high_ng_ml) != wanted:
        yield Problem(
            f"ligands.{setup.ligand}.gradient",
            None,
            f"must not differ from [setup], {setup.low_ng_ml:g} to {setup.high_ng_ml:g} ng/mL "
            "along y",
            "give one of them, or both alike",
        )
    for name, ligand in scenario.ligands.items():
        if name != setup.ligand and ligand.gradient is not None:
            what = f"must not be given beside that of [setup], of {setup.ligand}"
            yield Problem(f"ligands.{name}.gradient", None, what, "set setup.ligand = 'none'")


@reads("cells", "domain", "engine.area", "types")
def _cells_fit(scenario: Scenario) -> Iterator[Problem]:
    cells, count = scenario.cells, cell_count(scenario)
    if cells.seeding == "image":
        return  # a picture has its own checks
    if cells.seeding != "random":
        yield Problem("cells.seeding", cells.seeding, "must be 'random' or 'image' in this assay")
    (x, y), site_um = scenario.domain.size_um, scenario.domain.spacing_um
    kinds = {"engine": scenario.engine.area}
    kinds |= {f"types.{name}": further.area for name, further in scenario.types.items()}
    for key, area in kinds.items():
        if (wide := across(area.target_sites * site_um**2)) > min(x, y):
            what = f"gives cells {wide:.4g} um across, too large for {x:g} x {y:g} um"
            yield Problem(f"{key}.area.target_sites", area.target_sites, what)
            return
    height, width = scenario.shape
    room = width * max(1, round(BAND[1] * height) - round(BAND[0] * height))
    sites = count * scenario.engine.area.target_sites
    sites += sum(further.count * further.area.target_sites for further in scenario.types.values())
    if sites > COVERED * room * (1 + NEAR):
        yield Problem(
            *number_given(scenario),
            f"gives {count} cells, which would cover {sites / room:.0%} of the middle of the "
            f"domain; must cover at most {COVERED:.0%}",
        )


@reads("time", "readout")
def _looks(scenario: Scenario) -> Iterator[Problem]:
    """A track needs two positions, and they are noted after whole steps."""
    steps, every_min = steps_between(scenario), scenario.readout.every_min
    used_min = steps * scenario.time.mcs_s / 60
    if scenario.time.steps < steps:
        yield Problem(
            "readout.every_min",
            every_min,
            "is longer than the run: there are no tracks, and all read-outs are 0",
        )
    elif not is_whole(every_min / used_min):
        yield Problem(
            "readout.every_min",
            every_min,
            f"is not a whole number of steps of {scenario.time.mcs_s:g} s (time.mcs_s); positions "
            f"are noted every {used_min:.6g} min",
        )


@reads("ligands", "setup.ligand")
def _uniform(scenario: Scenario) -> Iterator[Problem]:
    """A bath takes the place of the gradient of the set-up."""
    if any(ligand.gradient is not None for ligand in scenario.ligands.values()):
        return
    for name, ligand in scenario.ligands.items():
        if ligand.bath_ng_ml:
            key = f"ligands.{name}.bath_ng_ml"
            what = "is the same everywhere: there is no gradient to follow (setup.ligand = 'none')"
            hint = "setup.low_ng_ml and setup.high_ng_ml give one"
            yield Problem(key, ligand.bath_ng_ml, what, hint)


CHECKS = (_gradient, _cells_fit)
CAUTIONS = (_looks, _uniform)
