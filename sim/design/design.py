"""A design, from its plan to what is found, in its folder."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from sim.design.plan import DesignPlan
from sim.design.result import Design, Found, choose
from sim.design.solve import Scheduled, complete, solve
from sim.design.tissue import Runner, Search, measure, search_all
from sim.files import plain, write_text_atomic
from sim.scenario.exposure import fraction_unbound, given_words, pk_label, potency_label
from sim.scenario.partner import of_partner
from sim.scenario.schema import Scenario
from sim.studies.executors import Executor
from sim.studies.folder import hold
from sim.studies.ledger import LEDGER, Ledger
from sim.studies.sweep import Progress
from sim.studies.table import DESIGN

TABLE, REPORT, PICTURE = "design.csv", "design.json", "design.png"
"""Files of the folder of a design, beside `DESIGN` and the ledger."""


def design(
    plan: DesignPlan,
    out: Path | None = None,
    executor: Executor | None = None,
    *,
    progress: Progress | None = None,
) -> Design:
    """Find the least dose of each schedule.

    Parameters
    ----------
    plan : DesignPlan
        From `sim.design.file.plan_design`.
    out : Path, optional
        The design's folder: new, empty, or its own, to resume. Without it nothing is written.
    executor : Executor, optional
        Executes runs; needed for targets in the tissue. The caller closes it.
    progress : callable, optional
        Called with `Counts` several times a second; what it raises stops the design.

    Raises
    ------
    FolderError
        If the folder contains something else, is in use or is not writable.
    AngiosimError
        If it cannot continue: a full disk, no workers, a run that failed.
    KeyboardInterrupt
        Passed on. Finished runs are kept.
    """
    with (
        hold(out, DESIGN, plan.name) if out else nullcontext(),
        Ledger(out and out / LEDGER) as ledger,
    ):
        if out:
            write_text_atomic(out / DESIGN, plan.text)
        scenarios = [_of(plan, place) for place in range(len(plan.schedules))]
        bodies = [
            Scheduled(plan, schedule) if scenario.drug.regimen else None  # type: ignore[union-attr]
            for schedule, scenario in zip(plan.schedules, scenarios, strict=True)
        ]
        found = [
            solve(plan, body) if body else Found(schedule, "constant concentration", {})
            for schedule, body in zip(plan.schedules, bodies, strict=True)
        ]
        if any(target.of_tissue for target in plan.targets):
            assert executor is not None
            _in_tissue(plan, found, Runner(plan, executor, ledger, progress))
        else:
            for one in found:
                _choose(plan, one)
        for body, one in zip(bodies, found, strict=True):
            if body is not None:
                complete(plan, body, one)
        result = Design(plan, _common([_about(scenario) for scenario in scenarios]), found, out)
        if out:
            write_text_atomic(out / TABLE, result.csv())
            text = json.dumps(plain(result.to_dict()), indent=2, allow_nan=False)
            write_text_atomic(out / REPORT, text + "\n")
        return result


def _choose(plan: DesignPlan, one: Found) -> None:
    one.rounds = bool(plan.vary.strengths)
    one.dose, one.strength, one.reason = choose(plan.vary, one.bounds)


def _in_tissue(plan: DesignPlan, found: list[Found], runner: Runner) -> None:
    """Add the targets in the tissue, in place; a strength is simulated itself."""
    searches = search_all(plan, runner)
    for (place, target), search in searches.items():
        found[place].bounds[target] = search.bound()
    for place, one in enumerate(found):
        _choose(plan, one)
        own = {name: search for name, search in searches.items() if name[0] == place}
        while (dose := one.chosen) is not None:
            missing = {name: [dose] for name, search in own.items() if dose not in search.points}
            if missing:
                measure(runner, searches, missing)
            failed = [search for search in own.values() if not search.holds(dose)]
            if not failed:
                break
            _next_strength(plan, one, failed[0])
        for search in own.values():
            one.curves.append(search.curve())
            one.notes += filter(None, (search.reversal(), search.uncertainty(plan.vary.unit)))
            if one.chosen is not None:
                one.reached[search.target] = search.reached(one.chosen)


def _next_strength(plan: DesignPlan, one: Found, failed: Search) -> None:
    """Take the next strength, where the mean at the one chosen does not hold; or a dose not."""
    chosen = one.chosen
    assert chosen is not None
    why = f"{failed.target} does not hold at {chosen:.4g}"
    higher = [strength for strength in plan.vary.strengths if strength > chosen]
    allowed = min((b.dose for b in one.bounds.values() if not b.least), default=plan.vary.high)
    if one.rounds and higher and higher[0] <= allowed:
        one.notes.append(why)
        one.strength = higher[0]
    else:
        one.strength, one.reason = None, why
        one.dose = one.dose if one.rounds else None


def _of(plan: DesignPlan, place: int) -> Scenario:
    """Return the scenario of a schedule at the lowest dose."""
    return plan.scenario(plan.schedules[place], plan.vary.low)


def _common(each: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what is the same on all schedules, and which names are not."""
    names = dict.fromkeys(name for one in each for name in one)
    values = {name: [one.get(name) for one in each] for name in names}
    return {
        name: of[0] if all(value == of[0] for value in of) else "by schedule"
        for name, of in values.items()
    }


def _about(scenario: Scenario) -> dict[str, Any]:
    """Return what the doses are of, and the drug that is given beside them."""
    found = _about_one(scenario)
    if scenario.partner is not None:
        other = of_partner(scenario)
        theirs = _about_one(other) | {"given": given_words(other)}
        found |= {"partner": theirs.pop("drug")}
        found |= {f"partner_{key}": value for key, value in theirs.items()}
    return found


def _about_one(scenario: Scenario) -> dict[str, Any]:
    drug = scenario.drug
    assert drug is not None  # the varied key is one of it
    found: dict[str, Any] = {"drug": drug.name, "species": drug.species}
    found["potency"] = potency_label(drug, scenario.resolved.drug)
    if scenario.resolved.pk is not None:
        found["pk_set"] = pk_label(scenario)
        found["fraction_unbound"] = fraction_unbound(scenario)
        found["kp_uu"] = drug.kp_uu
    return found
