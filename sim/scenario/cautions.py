"""Warnings before a run about input that is valid, but may not do what is expected."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from sim.assays import assays, default_assay
from sim.assays.declare import called
from sim.assays.rules import NEAR, Check, reads, related
from sim.errors import Problem
from sim.files import read_toml
from sim.pharmacology.drug_file import placeholders
from sim.scenario.image import in_parts
from sim.scenario.partner import for_partner
from sim.scenario.schema import LatticeScenario, Scenario
from sim.signalling.clock import substeps

MIXED = "drug.potency"
"""The key of the warning that potencies come from different assays."""
NO_DRUG = 0.01
"""Unbound drug over the lowest IC50, below which a run is as good as without drug."""


def cautions(scenario: Scenario) -> list[Problem]:
    """Return the warnings about a valid scenario.

    Parameters
    ----------
    scenario : Scenario
        As `sim.load` gives it.
    """
    return [problem for one in _of(scenario.assay) for problem in one.run(scenario)]


def of_source(source: object) -> list[Problem]:
    """Return the warning about a file, or a mapping, that gives nothing; it is valid all the same.

    Parameters
    ----------
    source : str, Path, mapping or Scenario
        What a scenario was loaded from.
    """
    if isinstance(source, Mapping):
        empty = not source
    else:
        file = isinstance(source, str | os.PathLike) and os.path.isfile(source)
        empty = file and not read_toml(Path(source))  # type: ignore[arg-type]
    what = f"the scenario is empty: all is default, with assay = {default_assay().name!r}"
    return [Problem("", None, what, "`angiosim describe` lists the keys")] if empty else []


def cautioned(key: str) -> bool:
    """Whether cautions depend on the value of a dotted key."""
    every = (one for name in assays() for one in _of(name))
    return any(related(key, other) for one in every for other in one.reads)


def _of(assay: str) -> tuple[Check, ...]:
    """Return the cautions that hold for an assay."""
    own = assays()[assay].cautions
    every: tuple[Check, ...] = (
        _whole_steps, _media, for_partner(_media), _doses, _pair, _placeholders,
        for_partner(_placeholders),
    )  # fmt: skip
    if assays()[assay].model == "lattice":
        every += (_borders, _creep, in_parts)
    return (*every, *(called(own) if own else ()))


def mixed_potencies(scenarios: Iterable[Scenario]) -> Iterator[Problem]:
    """Warn where the potencies of different drugs come from different assays.

    Parameters
    ----------
    scenarios : iterable of Scenario
        What is put side by side; the drug and the partner of one are, too.
    """
    sources: dict[str, dict[str, str]] = {}  # by drug, that of each set of potencies
    for one in scenarios:
        for found in (one.resolved.drug, one.resolved.partner):
            if found is not None:
                sources.setdefault(found.name, {})[found.potency] = found.source
    if len(sources) > 1 and len({text for own in sources.values() for text in own.values()}) > 1:
        each = ", ".join(f"{drug} ({' and '.join(own)})" for drug, own in sources.items())
        allowed = f"the potencies of {each} come from different assays"
        yield Problem(MIXED, None, allowed, "compare receptors within a drug, not drugs")


@reads("drug.name", "drug.potency", "partner.name", "partner.potency")
def _pair(scenario: Scenario) -> Iterator[Problem]:
    """Two drugs in one run are side by side."""
    if scenario.partner is not None:
        yield from mixed_potencies([scenario])


@reads("drug.file", "drug.name")
def _placeholders(scenario: Scenario) -> Iterator[Problem]:
    """The file of a drug may not have been filled in."""
    if scenario.resolved.own is not None:
        yield from placeholders(json.loads(scenario.resolved.own)["tables"])


def by_key(found: Sequence[Problem]) -> list[Problem]:
    """Return one caution for each key: the first, with the number of others."""
    groups: dict[str, list[Problem]] = {}
    for problem in found:
        group = groups.setdefault(problem.key, [])
        if problem not in group:
            group.append(problem)
    return [
        replace(first, hint=f"and {len(more)} more such") if more else first
        for first, *more in groups.values()
    ]


@reads("time.duration_h", "time.record_every_h", "time.mcs_s")
def _whole_steps(scenario: Scenario) -> Iterator[Problem]:
    """Runs and intervals between records are whole numbers of steps."""
    time = scenario.time
    if time.duration_h is not None:
        yield from _rounded("time.duration_h", time.duration_h, time.steps, time.mcs_s, "the run")
    if time.record_every_h is not None and time.record_every_h != time.duration_h:
        interval = time.steps_per_record
        what = "the interval between records"
        yield from _rounded("time.record_every_h", time.record_every_h, interval, time.mcs_s, what)


def _rounded(key: str, hours: float, steps: int, mcs_s: float, what: str) -> Iterator[Problem]:
    used_h = steps * mcs_s / 3600
    if differ(hours, used_h):
        unit = f"a whole number of steps of {mcs_s:g} s (time.mcs_s)"
        count = f"{steps} step{'s' if steps > 1 else ''}, {used_h:.6g} h"
        yield Problem(key, hours, f"is not {unit}; {what} takes {count}")


@reads("drug.media", "drug.exposure", "time.mcs_s", "time.start_h")
def _media(scenario: Scenario) -> Iterator[Problem]:
    """A medium takes effect where a step, or a part of a long one, begins."""
    drug, time = scenario.drug, scenario.time
    if drug is None or drug.exposure != "schedule":
        return
    part_h = time.mcs_s / substeps(time.mcs_s) / 3600
    for place, medium in enumerate(drug.media):
        parts = math.ceil((medium.at_h - time.start_h) / part_h * (1 - NEAR))
        used_h = time.start_h + parts * part_h
        if parts > 0 and differ(medium.at_h, used_h):
            yield Problem(
                f"drug.media.{place}.at_h",
                medium.at_h,
                f"is not at the start of a step; the medium is changed at the next, {used_h:.6g} h",
            )


@reads(
    "drug.doses", "drug.exposure", "drug.regimen", "time.duration_h", "time.mcs_s", "time.start_h"
)  # what else decides concentrations is sampled by the thousand, and changes little here
def _doses(scenario: Scenario) -> Iterator[Problem]:
    """A run may begin long after the last dose, or end before the first."""
    drug, time = scenario.drug, scenario.time
    if drug is None or drug.exposure != "pk":
        return
    from sim.scenario.exposure import pharmacokinetic, potency_of  # need NumPy

    exposure, potency = pharmacokinetic(scenario), potency_of(scenario)
    end_h = time.start_h + time.steps * time.mcs_s / 3600
    times_h = [time.start_h + share / 100 * (end_h - time.start_h) for share in range(101)]
    given_h = [dose.at_h for dose in exposure.doses]
    if end_h <= 0:  # of a bed, which says so itself
        return
    in_time = any(time.start_h <= at_h < end_h for at_h in given_h)
    if in_time or not given_h or potency is None:
        return
    if exposure.free_nM(times_h).max() < NO_DRUG * min(potency.ic50_nM.values()):
        yield Problem(
            "time.start_h",
            time.start_h,
            f"leaves the run, from {time.start_h:g} to {end_h:g} h, without effective drug: the "
            f"doses are given from {min(given_h):g} to {max(given_h):g} h",
        )


def differ(one: float, other: float) -> bool:
    """Whether two times differ in the six digits that are shown."""
    return f"{one:.6g}" != f"{other:.6g}"


@reads("engine.persistence.kappa", "behaviour.length.enclosed_sites", "assay")
def _borders(scenario: LatticeScenario) -> Iterator[Problem]:
    """Only assays that count borders know where the free border is."""
    if "border" in assays()[scenario.assay].parts:
        return
    length = scenario.behaviour.length if scenario.behaviour else None
    given = {
        "engine.persistence.kappa": scenario.engine.persistence.kappa,
        "behaviour.length.enclosed_sites": length.enclosed_sites if length else None,
    }
    what = f"has no effect: assay = {scenario.assay!r} does not count the free borders of cells"
    for key, value in given.items():
        if value:
            yield Problem(key, value, what)


@reads("engine.area.most", "engine.area.creep_h")
def _creep(scenario: LatticeScenario) -> Iterator[Problem]:
    """Targets that are fixed follow nothing."""
    area = scenario.engine.area
    if area.most != 1 and area.creep_h is None:
        what = "has no effect without engine.area.creep_h: target areas are fixed"
        yield Problem("engine.area.most", area.most, what)
