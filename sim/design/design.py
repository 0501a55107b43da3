"""A design, from its plan to what is found, in its folder."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from sim.design.plan import DesignPlan
from sim.design.result import Design
from sim.design.solve import Scheduled, complete, solve
from sim.files import plain, write_text_atomic
from sim.scenario.schema import Scenario
from sim.studies.folder import hold
from sim.studies.ledger import Ledger
from sim.studies.table import DESIGN, LEDGER

TABLE, REPORT, PICTURE = "design.csv", "design.json", "design.png"
"""Files of the folder of a design, beside `DESIGN` and the ledger."""


def design(plan: DesignPlan, out: Path | None = None) -> Design:
    """Find the least dose of each schedule.

    Parameters
    ----------
    plan : DesignPlan
        From `sim.design.file.plan_design`.
    out : Path, optional
        The design's folder: new, empty, or its own, to resume. Without it nothing is written.

    Raises
    ------
    FolderError
        If the folder contains something else, is in use or is not writable.
    """
    with (
        hold(out, DESIGN, plan.name) if out else nullcontext(),
        Ledger(out and out / LEDGER),
    ):
        if out:
            write_text_atomic(out / DESIGN, plan.text)
        found = []
        scenario = None
        for schedule in plan.schedules:
            scheduled = Scheduled(plan, schedule)
            one = solve(plan, scheduled)
            complete(plan, scheduled, one)
            found.append(one)
            scenario = scenario or scheduled.scenario
        assert scenario is not None  # of a checked design
        result = Design(plan, _about(scenario), found, out)
        if out:
            write_text_atomic(out / TABLE, result.csv())
            text = json.dumps(plain(result.to_dict()), indent=2, allow_nan=False)
            write_text_atomic(out / REPORT, text + "\n")
        return result


def _about(scenario: Scenario) -> dict[str, Any]:
    """Return what the doses are of."""
    drug, pk = scenario.drug, scenario.resolved.pk
    assert drug is not None
    found: dict[str, Any] = {"drug": drug.name, "species": drug.species, "potency": drug.potency}
    if pk is not None:
        found |= {"pk_set": pk.pk_set, "fraction_unbound": pk.fraction_unbound}
    return found | {"kp_uu": drug.kp_uu}
