"""The second drug, seen as the first: what is known of one drug holds for both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sim.assays.rules import Check
from sim.errors import Problem
from sim.scenario.schema import Scenario

_KEY = re.compile(r"\bdrug(?=\.[a-z_]|$)")


def swapped(scenario: Scenario) -> Scenario:
    """Return the scenario with its two drugs in each other's place."""
    found = scenario.resolved
    resolved = found.model_copy(
        update={
            "drug": found.partner,
            "pk": found.partner_pk,
            "own": found.partner_own,
            "partner": found.drug,
            "partner_pk": found.pk,
            "partner_own": found.own,
        }
    )
    update = {"drug": scenario.partner, "partner": scenario.drug, "resolved": resolved}
    return scenario.model_copy(update=update)


def of_partner(scenario: Scenario) -> Scenario:
    """Return the scenario with its second drug as the only one."""
    found = swapped(scenario)
    none = {"partner": None, "partner_pk": None, "partner_own": None}
    update = {"partner": None, "resolved": found.resolved.model_copy(update=none)}
    return found.model_copy(update=update)


def for_partner(check: Check) -> Check:
    """Return a check of the drug as one of the second drug."""

    def run(scenario: Scenario) -> Iterator[Problem]:
        if scenario.partner is not None:
            for one in check.run(of_partner(scenario)):
                texts = {
                    name: as_partner(getattr(one, name)) for name in ("key", "allowed", "hint")
                }
                yield replace(one, **texts)

    return Check(run, tuple(map(as_partner, check.reads)), as_partner(check.each))


def as_partner(text: str) -> str:
    """Return a text about the drug as one about the second drug: it names the keys of that."""
    return _KEY.sub("partner", text)
