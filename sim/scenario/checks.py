"""What the schema alone cannot see: whether the parts of a scenario fit each other."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sim import data
from sim.errors import InputError, Problem, ScenarioError
from sim.pharmacology.drugs import load_drug
from sim.scenario.schema import Scenario
from sim.units import AVOGADRO

SIDE_SITES = 10  # fewer sites a side make no tissue
MOST_SITES = 25_000_000  # 10 mm square at 2 um: 55,000 cells, a few gigabytes
MOST_TYPES = 12  # of cells, medium and wall among them; see `sim.tissue.energy.DIGIT_BITS`
MOST_STEPS = 10_000_000  # ten years at 30 s
LARGEST_NUMBER = 1e12  # products of two such numbers and an area stay finite
LONGEST_CELL = 0.75  # target length relative to a periodic domain
MOST_SUBSTEPS = 1000  # of the exponential solver in a step
NEAR = 1e-9  # relative error of a ratio that is meant to be whole

# Share of the seeded region that cells may cover at the start: discs that fall at random without
# overlap jam at 0.547, and below 0.45 in small regions; discs on a square grid fill 0.785; a
# cluster is a disc itself.
COVERED = {"random": 0.4, "grid": 0.75, "blob": math.pi / 4}

Check = Callable[[Scenario], Iterator[Problem]]
_CHECKS: list[tuple[tuple[str, ...], str, Check]] = []


def check(scenario: Scenario, broken: Sequence[str] = ()) -> list[Problem]:
    """Return what does not fit.

    Parameters
    ----------
    scenario : Scenario
        A structurally valid scenario.
    broken : sequence of str
        Dotted keys that were wrong and have been replaced; checks that read them are left out.
    """
    problems = list(_magnitudes(scenario))
    skip = [*broken, *(problem.key for problem in problems)]
    for reads, each, run in _CHECKS:
        if not any(_spoiled(key, other) for key in reads for other in skip):
            known = [key for key in skip if each and related(each, key)]
            problems += [
                problem
                for problem in run(scenario)
                if not any(related(problem.key, key) for key in known)
            ]
    return problems


def _reads(*keys: str, each: str = "") -> Callable[[Check], Check]:
    """Register a check with the keys that it reads.

    Parameters
    ----------
    *keys : str
        The check is left out if one of these is wrong. ``*`` stands for any name; of a key that
        ends in ``:`` only the names in the table are read.
    each : str
        A table of which it looks at each entry for itself: what it says of wrong ones is left out.
    """

    def register(run: Check) -> Check:
        _CHECKS.append((keys, each, run))
        return run

    return register


def _spoiled(read: str, broken: str) -> bool:
    """Whether a key that is wrong decides what a check reads."""
    if read.endswith(":"):
        return f"{read[:-1]}.".startswith(f"{broken}.")
    return related(read, broken)


def related(one: str, other: str) -> bool:
    """Whether two dotted keys are equal or one lies below the other; ``*`` is any name."""
    pairs = zip(one.split("."), other.split("."), strict=False)
    return all(a == b or "*" in (a, b) for a, b in pairs)


def _names(key: str, given: Iterable[str], known: Iterable[str], what: str) -> Iterator[Problem]:
    """Yield a problem for each name that is not known."""
    known = list(known)
    for name in given:
        if name not in known:
            options = data.one_of(known) if known else "there is none here"
            yield Problem(
                f"{key}.{name}", None, f"unknown {what}; {options}", data.nearest(name, known)
            )


def _is_whole(ratio: float) -> bool:
    return math.isfinite(ratio) and abs(ratio - round(ratio)) <= NEAR * max(1.0, abs(ratio))


@_reads("name")
def _name(scenario: Scenario) -> Iterator[Problem]:
    name = scenario.name
    if len(name) > 100 or name != name.strip(" .") or re.search(r'[\x00-\x1f\x7f/\\:*?"<>|]', name):
        yield Problem(
            "name",
            name,
            "must serve as the name of a folder: at most 100 characters, none of "
            '/ \\ : * ? " < > | or control characters, no dot or space at either end',
        )


def _magnitudes(scenario: Scenario) -> Iterator[Problem]:
    for key, value in _numbers(scenario.model_dump(by_alias=True, exclude={"seed"}), ""):
        if abs(value) > LARGEST_NUMBER:
            yield Problem(key, value, f"must not be larger than {LARGEST_NUMBER:g} in size")


def _numbers(node: Any, key: str) -> Iterator[tuple[str, float]]:
    """Walk to all numbers below a node."""
    if isinstance(node, dict):
        for name, item in node.items():
            yield from _numbers(item, f"{key}.{name}" if key else name)
    elif isinstance(node, list | tuple):
        for place, item in enumerate(node):
            yield from _numbers(item, f"{key}.{place}")
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield key, node


@_reads("units")
def _steps_in_physical_units(scenario: Scenario) -> Iterator[Problem]:
    if scenario.units == "lattice":
        return
    time = scenario.time.model_dump(exclude_none=True)
    found = {f"time.{key}": value for key, value in time.items() if key.endswith("_mcs")}
    for name, field in scenario.fields.items():
        given = field.model_dump(exclude_none=True)
        found |= {f"fields.{name}.{k}": v for k, v in given.items() if k.endswith("_per_mcs")}
    for key, value in found.items():
        other = key.replace("diffusion_per_mcs", "diffusion_um2_per_s")
        other = other.replace("_per_mcs", "_per_s").replace("_mcs", "_h")
        yield Problem(
            key, value, "is allowed only with units = 'lattice'", f"in physical units: {other}"
        )


@_reads("domain.size_um", "domain.spacing_um")
def _size(scenario: Scenario) -> Iterator[Problem]:
    domain = scenario.domain
    for place, side in enumerate(domain.size_um):
        ratio = side / domain.spacing_um
        key = f"domain.size_um.{place}"
        least = SIDE_SITES * domain.spacing_um
        if not ratio >= SIDE_SITES * (1 - NEAR):
            yield Problem(key, side, f"must be at least {least:g} um ({SIDE_SITES} sites)")
        elif not _is_whole(ratio):
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


@_reads("domain", "setup.region_um")
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


@_reads(
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


@_reads("time")
def _time(scenario: Scenario) -> Iterator[Problem]:
    time = scenario.time
    if time.duration_h is None and time.duration_mcs is None:
        yield Problem("time", None, "needs duration_h")
        return
    if time.record_every_h is None and time.record_every_mcs is None:
        yield Problem("time", None, "needs record_every_h")
        return
    steps = _in_steps(time.duration_h, time.duration_mcs, time.mcs_s)
    every = _in_steps(time.record_every_h, time.record_every_mcs, time.mcs_s)
    length, interval = _key(time, "duration"), _key(time, "record_every")
    step_h = time.mcs_s / 3600
    least = f"one Monte Carlo step ({step_h:.4g} h; time.mcs_s)"
    if steps < 1 - NEAR:
        yield Problem(f"time.{length[0]}", length[1], f"must be at least {least}")
    elif steps > MOST_STEPS:
        yield Problem(
            f"time.{length[0]}",
            length[1],
            f"gives {steps:.3g} Monte Carlo steps; must be at most {MOST_STEPS:,} "
            f"({MOST_STEPS * step_h:.4g} h)",
        )
    if steps < 1 - NEAR:
        return
    if every < 1 - NEAR:
        yield Problem(f"time.{interval[0]}", interval[1], f"must be at least {least}")
    elif every > steps * (1 + NEAR):
        yield Problem(
            f"time.{interval[0]}",
            interval[1],
            f"must be at most the length of the run, {length[0]} = {length[1]:g}",
        )


def _in_steps(hours: float | None, steps: int | None, mcs_s: float) -> float:
    return float(steps) if steps is not None else (hours or 0.0) * 3600 / mcs_s


def _key(time: Any, what: str) -> tuple[str, float]:
    """Return which of two alternative keys of [time] was given, and its value."""
    key = f"{what}_mcs" if getattr(time, f"{what}_h") is None else f"{what}_h"
    return key, getattr(time, key)


@_reads("domain", each="fields")
def _field_grid(scenario: Scenario) -> Iterator[Problem]:
    domain, periodic = scenario.domain, scenario.domain.boundary == "periodic"
    whole = all(side > 0 and _is_whole(side / domain.spacing_um) for side in domain.size_um)
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
        if sites < 1 - NEAR or not _is_whole(sites):
            yield Problem(
                f"{key}.spacing_um",
                field.spacing_um,
                f"must be a multiple of the site's side, {domain.spacing_um:g} um",
            )
        elif whole and not all(
            _is_whole(side / field.spacing_um) and side / field.spacing_um > 1.5
            for side in domain.size_um
        ):
            x, y = domain.size_um
            yield Problem(
                f"{key}.spacing_um",
                field.spacing_um,
                f"must divide both sides of the domain, {x:g} and {y:g} um, into at least two",
            )


@_reads("domain.spacing_um", "time.mcs_s", "ligands.*.exchange_per_s", each="fields")
def _stability(scenario: Scenario) -> Iterator[Problem]:
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


@_reads("time.mcs_s", "ligands.*.exchange_per_s", each="fields")
def _steps_of_exponential_fields(scenario: Scenario) -> Iterator[Problem]:
    """The exponential solver makes a sub-step for each 1/rate; that must come to an end."""
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


@_reads("domain", "engine.area", "ligands", "signalling", "time.mcs_s")
def _uptake(scenario: Scenario) -> Iterator[Problem]:
    """In one step receptors must not take up more than lies over their cell."""
    sites = scenario.engine.area.target_sites
    litres = sites * scenario.domain.spacing_um**2 * scenario.domain.field_depth_um * 1e-15
    for name, receptor in scenario.signalling.receptors.items():
        ligand = scenario.ligands.get(data.read("receptors", name)["ligand"])
        if ligand is None or not ligand.uptake:
            continue
        share = receptor.k_on_per_M_s * receptor.per_cell / (AVOGADRO * litres)
        if share * scenario.time.mcs_s > 1:
            least = scenario.domain.field_depth_um * share * scenario.time.mcs_s
            yield Problem(
                "domain.field_depth_um",
                scenario.domain.field_depth_um,
                f"must be at least {least:.3g} at this time.mcs_s: {name} would take up more "
                "ligand in a step than lies over a cell",
            )


@_reads("domain", "engine.length", "behaviour")
def _longest_cell(scenario: Scenario) -> Iterator[Problem]:
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


@_reads("fields:", "engine.chemotaxis:", each="types")
def _types_and_fields(scenario: Scenario) -> Iterator[Problem]:
    for name, further in scenario.types.items():
        followed = scenario.engine.chemotaxis
        yield from _names(f"types.{name}.mu", further.mu, followed, "field of engine.chemotaxis")
        given = further.secretion_per_s
        yield from _names(f"types.{name}.secretion_per_s", given, scenario.fields, "field")


@_reads("signalling.receptors:", each="behaviour")
def _antagonism(scenario: Scenario) -> Iterator[Problem]:
    if scenario.behaviour is None:
        return
    known = scenario.signalling.receptors
    for one, others in scenario.behaviour.antagonism.items():
        yield from _names("behaviour.antagonism", [one], known, "receptor")
        yield from _names(f"behaviour.antagonism.{one}", others, known, "receptor")


@_reads("cells.line")
def _line(scenario: Scenario) -> Iterator[Problem]:
    known = data.names("lines")
    if scenario.cells.line not in known:
        hint = data.nearest(scenario.cells.line, known)
        yield Problem("cells.line", scenario.cells.line, data.one_of(known), hint)


@_reads("fields:", each="engine.chemotaxis")
def _chemotaxis(scenario: Scenario) -> Iterator[Problem]:
    yield from _names("engine.chemotaxis", scenario.engine.chemotaxis, scenario.fields, "field")


@_reads("engine.chemotaxis:", "signalling.receptors:", each="behaviour")
def _behaviour(scenario: Scenario) -> Iterator[Problem]:
    behaviour = scenario.behaviour
    if behaviour is None:
        return
    receptors = scenario.signalling.receptors
    yield from _names("behaviour.weights", behaviour.weights, receptors, "receptor")
    for name in receptors:
        if name not in behaviour.weights:
            what = "is missing; must be a number from 0 to 1"
            yield Problem(f"behaviour.weights.{name}", None, what)
    yield from _names(
        "behaviour.chemotaxis",
        behaviour.chemotaxis,
        scenario.engine.chemotaxis,
        "field of engine.chemotaxis",
    )
    if behaviour.length is not None and min(behaviour.length.target_sites) <= 0:
        pair = list(behaviour.length.target_sites)
        yield Problem("behaviour.length.target_sites", pair, "must be two numbers above 0")
    if behaviour.persistence is not None and min(behaviour.persistence.mu) < 0:
        pair = list(behaviour.persistence.mu)
        yield Problem("behaviour.persistence.mu", pair, "must be two numbers of at least 0")


@_reads(each="types")
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
        yield from _names(f"{key}.contact_energy", given, needed, "cell type")
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


@_reads("drug.name", "drug.potency", "signalling.receptors:", each="drug")
def _drug(scenario: Scenario) -> Iterator[Problem]:
    drug = scenario.drug
    if drug is None:
        return
    known = data.names("drugs")
    if drug.name not in known:
        hint = data.nearest(drug.name, known)
        yield Problem("drug.name", drug.name, data.one_of(known), hint)
        return
    found = load_drug(drug.name)
    try:
        potency = found.potency(drug.potency)
    except InputError:
        hint = data.nearest(str(drug.potency), found.potencies)
        yield Problem("drug.potency", drug.potency, data.one_of(found.potencies), hint)
        return
    for receptor in scenario.signalling.receptors:
        if receptor in data.names("receptors") and receptor not in potency.ic50_nM:
            yield Problem("drug.potency", potency.name, f"has no IC50 for {receptor}")
    yield from _names("drug.ic50_nM", drug.ic50_nM, potency.ic50_nM, "receptor")


# Which keys of [drug] go with which exposure.
_EXPOSURE_KEYS = {
    "constant": ("free_nM",),
    "schedule": ("media",),
    "pk": ("species", "pk_set", "pk", "regimen", "doses", "kp_uu", "weight_kg", "subject"),
}


@_reads("drug.exposure", each="drug")
def _exposure(scenario: Scenario) -> Iterator[Problem]:
    if scenario.drug is None:
        return
    given = scenario.drug.model_dump(exclude_defaults=True)
    for exposure, keys in _EXPOSURE_KEYS.items():
        for key in keys:
            if exposure != scenario.drug.exposure and given.get(key):
                yield Problem(f"drug.{key}", given[key], f"needs drug.exposure = {exposure!r}")


@_reads("drug.exposure", "drug.media", "time")
def _media(scenario: Scenario) -> Iterator[Problem]:
    drug, time = scenario.drug, scenario.time
    if drug is None or drug.exposure != "schedule":
        return
    if not drug.media:
        yield Problem(
            "drug.media", None, "needs at least one medium with exposure = 'schedule'",
            "for instance [{at_h = 0, free_nM = 10}]",
        )  # fmt: skip
    steps = _in_steps(time.duration_h, time.duration_mcs, time.mcs_s)
    end_h = time.start_h + steps * time.mcs_s / 3600
    for place, medium in enumerate(drug.media):
        key = f"drug.media.{place}.at_h"
        if place and medium.at_h <= drug.media[place - 1].at_h:
            before = drug.media[place - 1].at_h
            yield Problem(key, medium.at_h, f"must be after the medium before it, at {before:g} h")
        elif medium.at_h >= end_h:
            yield Problem(key, medium.at_h, f"must be before the run ends, at {end_h:g} h")


@_reads("drug")
def _dosing(scenario: Scenario) -> Iterator[Problem]:
    drug = scenario.drug
    if drug is None or drug.exposure != "pk" or drug.name not in data.names("drugs"):
        return  # told elsewhere
    kinetics = data.read("drugs", drug.name).get("pk", {})
    if drug.species not in kinetics:
        allowed = f"{data.one_of(kinetics)} with exposure = 'pk'"
        hint = data.nearest(drug.species or "", kinetics)
        yield Problem("drug.species", drug.species, allowed, hint)
        return
    if (drug.regimen is None) == (not drug.doses):
        yield Problem(
            "drug.regimen", None, "give either drug.regimen or drug.doses with exposure = 'pk'",
            "for instance regimen = {dose_mg = 12, on_days = 14, off_days = 7, cycles = 4}",
        )  # fmt: skip
        return
    if drug.species and (drug.pk_set is None or drug.pk_set in kinetics[drug.species]):
        known = load_drug(drug.name).kinetics(drug.species, drug.pk_set).parameters
        unknown = list(_names("drug.pk", drug.pk, known, "parameter"))
        if unknown:
            yield from unknown
            return
    from sim.scenario.exposure import pharmacokinetic  # needs NumPy, which few scenarios do

    try:
        pharmacokinetic(drug)
    except ScenarioError as error:
        for problem in error.problems:
            yield Problem(f"drug.{problem.key}", problem.value, problem.allowed, problem.hint)
    except InputError as error:
        yield Problem("drug", drug.species, str(error))
