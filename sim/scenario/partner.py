"""The second drug, seen as the first: what is known of one drug holds for both."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sim.assays.rules import Check
from sim.errors import Problem
from sim.scenario.schema import Scenario

_KEY = re.compile(r"\bdrug(?=\.[a-z_]|$)")


def of_partner(scenario: Scenario) -> Scenario:
    """Return the scenario with its second drug as the only one."""
    resolved = scenario.resolved.model_copy(
        update={
            "drug": scenario.resolved.partner,
            "pk": scenario.resolved.partner_pk,
            "own": scenario.resolved.partner_own,
            "partner": None,
            "partner_pk": None,
            "partner_own": None,
        }
    )
    update = {"drug": scenario.partner, "partner": None, "resolved": resolved}
    return scenario.model_copy(update=update)


def for_partner(check: Check) -> Check:
    """Return a check of the drug as one of the second drug."""

    def run(scenario: Scenario) -> Iterator[Problem]:
        if scenario.partner is not None:
            for one in check.run(of_partner(scenario)):
                texts = {name: _named(getattr(one, name)) for name in ("key", "allowed", "hint")}
                yield replace(one, **texts)

    return Check(run, tuple(map(_named, check.reads)), _named(check.each))


def _named(text: str) -> str:
    """Return a text that names the keys of the second drug."""
    return _KEY.sub("partner", text)
