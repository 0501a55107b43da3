"""Checks beyond the schema: whether the parts of a scenario fit each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sim.assays import assays
from sim.assays.declare import called
from sim.errors import Problem
from sim.scenario import image
from sim.scenario.checks import bed, behaviour, cells, domain, drug, fields, time
from sim.scenario.checks import scenario as whole
from sim.scenario.schema import Scenario

LARGEST_NUMBER = 1e12  # products of two such numbers and an area stay finite
SMALLEST_NUMBER = 1e-100  # and products of two of these stay above 0

CHECKS = {
    "lattice": (
        *whole.CHECKS, *domain.CHECKS, *cells.CHECKS, *image.CHECKS, *time.CHECKS, *fields.CHECKS,
        *behaviour.CHECKS, *drug.CHECKS,
    ),
    "bed": (*whole.CHECKS, *bed.CHECKS, *time.CHECKS, *drug.CHECKS),
}  # fmt: skip
"""By class of model."""


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
    assay = assays()[scenario.assay]
    every = (*CHECKS[assay.model], *(called(assay.checks) if assay.checks else ()))
    return problems + [found for each in every for found in each.problems(scenario, skip)]


def _magnitudes(scenario: Scenario) -> Iterator[Problem]:
    for key, value in _numbers(scenario.model_dump(by_alias=True, exclude={"seed"}), ""):
        if abs(value) > LARGEST_NUMBER:
            yield Problem(key, value, f"must not be larger than {LARGEST_NUMBER:g} in magnitude")
        elif 0 < abs(value) < SMALLEST_NUMBER:
            yield Problem(key, value, f"must be 0 or at least {SMALLEST_NUMBER:g} in magnitude")


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
