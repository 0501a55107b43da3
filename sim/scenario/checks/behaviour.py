"""Checks of [engine] and [behaviour]: names of fields and receptors, pairs of numbers."""

from __future__ import annotations

from collections.abc import Iterator

from sim.assays.rules import reads, unknown_names
from sim.errors import Problem
from sim.scenario.schema import Scenario


@reads("fields:", each="engine.chemotaxis")
def _chemotaxis(scenario: Scenario) -> Iterator[Problem]:
    yield from unknown_names(
        "engine.chemotaxis", scenario.engine.chemotaxis, scenario.fields, "field"
    )


@reads("engine.chemotaxis:", "signalling.receptors:", each="behaviour")
def _behaviour(scenario: Scenario) -> Iterator[Problem]:
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
def _antagonism(scenario: Scenario) -> Iterator[Problem]:
    if scenario.behaviour is None:
        return
    known = scenario.signalling.receptors
    for one, others in scenario.behaviour.antagonism.items():
        yield from unknown_names("behaviour.antagonism", [one], known, "receptor")
        yield from unknown_names(f"behaviour.antagonism.{one}", others, known, "receptor")


CHECKS = (_chemotaxis, _behaviour, _antagonism)
