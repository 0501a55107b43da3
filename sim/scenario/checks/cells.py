"""Checks of [cells] and [types]: the line, and other types of cells."""

from __future__ import annotations

from collections.abc import Iterator

from sim import data
from sim.assays import assays
from sim.assays.rules import reads, unknown_names
from sim.errors import Problem
from sim.scenario.schema import LatticeScenario

MOST_TYPES = 12  # of cells, medium and wall among them; see `sim.tissue.energy.DIGIT_BITS`


@reads("cells.line")
def _line(scenario: LatticeScenario) -> Iterator[Problem]:
    known = data.names("lines")
    if scenario.cells.line not in known:
        hint = data.nearest(scenario.cells.line, known)
        yield Problem("cells.line", scenario.cells.line, data.one_of(known), hint)


@reads("fields:", "engine.chemotaxis:", each="types")
def _types_and_fields(scenario: LatticeScenario) -> Iterator[Problem]:
    for name, further in scenario.types.items():
        followed = scenario.engine.chemotaxis
        yield from unknown_names(
            f"types.{name}.mu", further.mu, followed, "field of engine.chemotaxis"
        )
        given = further.secretion_per_s
        yield from unknown_names(f"types.{name}.secretion_per_s", given, scenario.fields, "field")


@reads(each="types")
def _types(scenario: LatticeScenario) -> Iterator[Problem]:
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


def _having(what: str) -> str:
    """Return the names of the assays with a part of the step."""
    return ", ".join(repr(one.name) for one in assays().values() if what in one.parts)


@reads(
    "cells.division", "cells.death", "assay", "signalling.enabled", "behaviour.division",
    "behaviour.death", "engine.area.creep_h",
)  # fmt: skip
def _life(scenario: LatticeScenario) -> Iterator[Problem]:
    for what in ("division", "death"):
        on, allowed = getattr(scenario.cells, what), what in assays()[scenario.assay].parts
        numbers = getattr(scenario.behaviour, what) if scenario.behaviour else None
        having = _having(what)
        if not allowed and on:
            yield Problem(f"cells.{what}", True, f"must be false except in the assay {having}")
        elif not allowed and numbers is not None:
            yield Problem(f"behaviour.{what}", None, f"has no effect except in the assay {having}")
        elif on and numbers is None:
            yield Problem(f"cells.{what}", True, "needs signalling.enabled = true")
    if scenario.cells.division and scenario.engine.area.creep_h is None:
        hint = "daughters grow back to their area in that time"
        yield Problem("cells.division", True, "needs engine.area.creep_h", hint)


@reads("assay", "behaviour.notch")
def _notch(scenario: LatticeScenario) -> Iterator[Problem]:
    allowed = "notch" in assays()[scenario.assay].parts
    if scenario.behaviour and scenario.behaviour.notch and not allowed:
        yield Problem(
            "behaviour.notch", None, f"has no effect except in the assay {_having('notch')}"
        )


@reads("signalling.receptors:", each="behaviour")
def _receptors(scenario: LatticeScenario) -> Iterator[Problem]:
    if scenario.behaviour and scenario.behaviour.division:
        given, known = scenario.behaviour.division.signals_per_h, scenario.signalling.receptors
        yield from unknown_names("behaviour.division.signals_per_h", given, known, "receptor")
    if scenario.behaviour and scenario.behaviour.notch:
        given, known = scenario.behaviour.notch.signals, scenario.signalling.receptors
        yield from unknown_names("behaviour.notch.signals", given, known, "receptor")


CHECKS = (_line, _types_and_fields, _types, _life, _notch, _receptors)
