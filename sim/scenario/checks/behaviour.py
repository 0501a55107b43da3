"""Checks of [engine] and [behaviour]: names of fields and receptors, pairs of numbers."""

from __future__ import annotations

from collections.abc import Iterator

from sim.assays.rules import reads, unknown_names
from sim.errors import Problem
from sim.scenario.schema import LatticeScenario


@reads("fields:", each="engine.chemotaxis")
def _chemotaxis(scenario: LatticeScenario) -> Iterator[Problem]:
    yield from unknown_names(
        "engine.chemotaxis", scenario.engine.chemotaxis, scenario.fields, "field"
    )


@reads("ligands:", "engine.sensing", each="engine.chemotaxis")
def _strength(scenario: LatticeScenario) -> Iterator[Problem]:
    """Either there is a strength, or it follows from the receptors."""
    what = (
        "must not be given while engine.sensing = 'occupancy': it follows from "
        "engine.chemotaxis_chi, engine.sensing_L50_ng_ml and behaviour.weights"
    )
    hint = "or set engine.sensing = 'concentration', as it always was up to version 0.2.0"
    for name, taxis in scenario.engine.chemotaxis.items():
        key = f"engine.chemotaxis.{name}"
        if not scenario.sensed_by_occupancy(name):
            if taxis.mu is None:
                yield Problem(f"{key}.mu", None, "is missing; must be a number")
            continue
        if taxis.mu is not None:
            yield Problem(f"{key}.mu", taxis.mu, what, hint)
        if taxis.saturation:
            yield Problem(f"{key}.saturation", taxis.saturation, what, hint)
        if scenario.behaviour and name in scenario.behaviour.chemotaxis:
            yield Problem(f"behaviour.chemotaxis.{name}", None, what, hint)


@reads("ligands:", "signalling.enabled", "engine.sensing", each="engine.sensing_L50_ng_ml")
def _sensing(scenario: LatticeScenario) -> Iterator[Problem]:
    engine, key = scenario.engine, "engine.sensing_L50_ng_ml"
    yield from unknown_names(key, engine.sensing_L50_ng_ml, scenario.ligands, "ligand")
    if engine.sensing == "occupancy" and not scenario.signalling.enabled:
        what = "must be 'concentration' while signalling.enabled = false: there are no receptors"
        yield Problem("engine.sensing", engine.sensing, what)


@reads("engine.chemotaxis:", "signalling.receptors:", each="behaviour")
def _behaviour(scenario: LatticeScenario) -> Iterator[Problem]:
    behaviour = scenario.behaviour
    if behaviour is None:
        return
    receptors = scenario.signalling.receptors
    yield from unknown_names("behaviour.weights", behaviour.weights, receptors, "receptor")
    for name in receptors:
        if name not in behaviour.weights:
            what = "is missing; must be a number from 0 to 1"
            yield Problem(f"behaviour.weights.{name}", None, what)
    yield from unknown_names(
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


@reads("signalling.receptors:", each="behaviour")
def _antagonism(scenario: LatticeScenario) -> Iterator[Problem]:
    if scenario.behaviour is None:
        return
    known = scenario.signalling.receptors
    for one, others in scenario.behaviour.antagonism.items():
        yield from unknown_names("behaviour.antagonism", [one], known, "receptor")
        yield from unknown_names(f"behaviour.antagonism.{one}", others, known, "receptor")


CHECKS = (_chemotaxis, _strength, _sensing, _behaviour, _antagonism)
