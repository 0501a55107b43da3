"""Checks of [fields] and [ligands]: grid, stability and number of sub-steps, uptake."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim import data
from sim.assays.rules import NEAR, is_whole, reads
from sim.errors import Problem
from sim.scenario.schema import LatticeScenario
from sim.units import AVOGADRO

MOST_SUBSTEPS = 1000  # of the exponential solver in a step


@reads("domain", each="fields")
def _field_grid(scenario: LatticeScenario) -> Iterator[Problem]:
    domain, periodic = scenario.domain, scenario.domain.boundary == "periodic"
    whole = all(side > 0 and is_whole(side / domain.spacing_um) for side in domain.size_um)
    for name, field in scenario.fields.items():
        key = f"fields.{name}"
        if field.boundary is not None and periodic != (field.boundary == "periodic"):
            options = ["periodic"] if periodic else ["no_flux", "absorbing"]
            yield Problem(
                f"{key}.boundary",
                field.boundary,
                f"{data.one_of(options)}, as domain.boundary = {domain.boundary!r}",
            )
        if field.diffusion_um2_per_s is None and field.diffusion_per_mcs is None:
            yield Problem(key, None, "needs diffusion_um2_per_s")
        if field.spacing_um is None:
            continue
        sites = field.spacing_um / domain.spacing_um
        if sites < 1 - NEAR or not is_whole(sites):
            yield Problem(
                f"{key}.spacing_um",
                field.spacing_um,
                f"must be a multiple of the site's side, {domain.spacing_um:g} um",
            )
        elif whole and not all(
            is_whole(side / field.spacing_um) and side / field.spacing_um > 1.5
            for side in domain.size_um
        ):
            x, y = domain.size_um
            yield Problem(
                f"{key}.spacing_um",
                field.spacing_um,
                f"must divide both sides of the domain, {x:g} and {y:g} um, into at least two",
            )


@reads("domain.spacing_um", "time.mcs_s", "ligands.*.exchange_per_s", each="fields")
def _stability(scenario: LatticeScenario) -> Iterator[Problem]:
    """Forward Euler: D dt / dx^2 <= 1/4 keeps weights non-negative, k dt <= 1 does so for decay."""
    mcs_s, site = scenario.time.mcs_s, scenario.domain.spacing_um
    for name, field in scenario.fields.items():
        if field.solver != "explicit":
            continue
        ligand = scenario.ligands.get(name)
        rate = field.per_second("decay", mcs_s) + (ligand.exchange_per_s if ligand else 0.0)
        spread = field.diffusion(mcs_s, site) * mcs_s / (field.spacing_um or site) ** 2
        needed = max(4 * spread, rate * mcs_s)
        if needed > field.substeps * (1 + NEAR):
            why = "diffusion" if 4 * spread >= rate * mcs_s else "decay and exchange"
            least = f"{math.ceil(needed * (1 - NEAR)):,}" if needed < 1e9 else f"{needed:.3g}"
            yield Problem(
                f"fields.{name}.substeps",
                field.substeps,
                f"must be at least {least}: explicit {why} is unstable with fewer",
                "or solver = 'exponential'",
            )


@reads("time.mcs_s", "ligands.*.exchange_per_s", each="fields")
def _steps_of_exponential_fields(scenario: LatticeScenario) -> Iterator[Problem]:
    """The exponential solver takes a sub-step for each 1/rate, so the rate is bounded."""
    mcs_s = scenario.time.mcs_s
    for name, field in scenario.fields.items():
        ligand = scenario.ligands.get(name)
        rate = field.per_second("decay", mcs_s) + (ligand.exchange_per_s if ligand else 0.0)
        if field.solver == "exponential" and rate * mcs_s > MOST_SUBSTEPS:
            yield Problem(
                f"fields.{name}",
                None,
                f"decay and exchange must not be above {MOST_SUBSTEPS / mcs_s:g} per second, "
                f"{MOST_SUBSTEPS} times in a step; here they are {rate:g}",
            )


@reads("domain.boundary", each="ligands")
def _gradients(scenario: LatticeScenario) -> Iterator[Problem]:
    for name, ligand in scenario.ligands.items():
        if ligand.gradient is None:
            continue
        key = f"ligands.{name}"
        if scenario.domain.boundary == "periodic":
            what = "must not be given on a periodic domain: it would jump where the edges meet"
            yield Problem(f"{key}.gradient", None, what, "set domain.boundary = 'walls'")
        if ligand.bath_ng_ml:
            what = "must not be given together with 'gradient'"
            yield Problem(f"{key}.bath_ng_ml", ligand.bath_ng_ml, what, "keep one of them")
        if ligand.exchange_per_s == 0:
            what = "must be above 0 with a gradient, which exchange with the bath maintains"
            yield Problem(f"{key}.exchange_per_s", 0, what)


@reads("ligands", "time")
def _media(scenario: LatticeScenario) -> Iterator[Problem]:
    time = scenario.time
    end_h = time.start_h + time.steps * time.mcs_s / 3600
    for name, ligand in scenario.ligands.items():
        key = f"ligands.{name}"
        if ligand.media and ligand.gradient is not None:
            what = "must not be given together with 'gradient'"
            yield Problem(f"{key}.media", None, what, "keep one of them")
        if ligand.media and ligand.exchange_per_s == 0:
            what = "must be above 0 with media, whose ligand reaches the cells by exchange"
            yield Problem(f"{key}.exchange_per_s", 0, what)
        for place, medium in enumerate(ligand.media):
            before = ligand.media[place - 1].at_h if place else -1.0
            where = f"{key}.media.{place}.at_h"
            if medium.at_h <= before:
                what = f"must be after the medium before it, at {before:g} h"
                yield Problem(where, medium.at_h, what)
            elif medium.at_h >= end_h:
                what = f"must be before the run ends, at {end_h:g} h"
                yield Problem(where, medium.at_h, what)


@reads("ligands", each="fields")
def _precision(scenario: LatticeScenario) -> Iterator[Problem]:
    for name, field in scenario.fields.items():
        ligand = name in scenario.ligands
        if field.precision == "single" and (ligand or field.solver == "exponential"):
            what = "a ligand" if ligand else "the exponential solver"
            yield Problem(
                f"fields.{name}.precision", "single", f"must be 'double' or unset for {what}"
            )


@reads("domain", "engine.area", "ligands", "signalling", "time.mcs_s")
def _uptake(scenario: LatticeScenario) -> Iterator[Problem]:
    """In one step receptors must not take up more than there is over their cell."""
    sites = scenario.engine.area.target_sites
    litres = sites * scenario.domain.spacing_um**2 * scenario.domain.field_depth_um * 1e-15
    for name, receptor in scenario.signalling.receptors.items():
        ligand = scenario.ligands.get(scenario.resolved.receptors[name].ligand)
        if ligand is None or not ligand.uptake:
            continue
        share = receptor.k_on_per_M_s * receptor.per_cell / (AVOGADRO * litres)
        if share * scenario.time.mcs_s > 1:
            least = scenario.domain.field_depth_um * share * scenario.time.mcs_s
            yield Problem(
                "domain.field_depth_um",
                scenario.domain.field_depth_um,
                f"must be at least {least:.3g} at this time.mcs_s: {name} would take up more "
                "ligand in a step than there is over a cell",
            )


CHECKS = (
    _field_grid,
    _stability,
    _steps_of_exponential_fields,
    _gradients,
    _media,
    _precision,
    _uptake,
)
