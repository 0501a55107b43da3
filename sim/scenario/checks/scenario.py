"""Checks of the whole scenario: its name and its units."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sim.assays.rules import reads
from sim.errors import Problem
from sim.scenario.schema import LatticeScenario, Scenario


@reads("name")
def _name(scenario: Scenario) -> Iterator[Problem]:
    name = scenario.name
    if len(name) > 100 or name != name.strip(" .") or re.search(r'[\x00-\x1f\x7f/\\:*?"<>|]', name):
        yield Problem(
            "name",
            name,
            "must serve as the name of a folder: at most 100 characters, none of "
            '/ \\ : * ? " < > | or control characters, no dot or space at either end',
        )


@reads("units")
def _steps_in_physical_units(scenario: Scenario) -> Iterator[Problem]:
    if scenario.units == "lattice":
        return
    time = scenario.time.model_dump(exclude_none=True)
    found = {f"time.{key}": value for key, value in time.items() if key.endswith("_mcs")}
    fields = scenario.fields if isinstance(scenario, LatticeScenario) else {}
    for name, field in fields.items():
        given = field.model_dump(exclude_none=True)
        found |= {f"fields.{name}.{k}": v for k, v in given.items() if k.endswith("_per_mcs")}
    for key, value in found.items():
        other = key.replace("diffusion_per_mcs", "diffusion_um2_per_s")
        other = other.replace("_per_mcs", "_per_s").replace("_mcs", "_h")
        yield Problem(
            key, value, "is allowed only with units = 'lattice'", f"in physical units: {other}"
        )


CHECKS = (_name, _steps_in_physical_units)
