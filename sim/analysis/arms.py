"""Arms of a study: their names, and the read-outs of their runs."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from sim import data
from sim.errors import InputError
from sim.studies.task import DONE

if TYPE_CHECKING:
    from sim.studies.plan import PlannedRun
    from sim.studies.table import Study


def others(run: PlannedRun, within: Collection[str]) -> dict[str, Any]:
    """Return what is swept beside the keys that vary within an arm."""
    return {key: value for key, value in run.parameters.items() if key not in within}


def arm_of(run: PlannedRun, within: Collection[str]) -> str:
    """Return what an arm is called: by its group alone where that is all there is."""
    beside = others(run, within)
    if not beside and len(run.group) <= 1:
        return next(iter(run.group.values()), "all")
    return ", ".join(f"{key} = {value}" for key, value in {**run.group, **beside}.items())


def runs_with(study: Study, response: str) -> list[PlannedRun]:
    """Return the runs whose arms are analysed for a read-out.

    Where arms have bases of their own, those that ask for it; or all that have it, if none does.
    """
    asked = [run for run in study.runs if response in run.responses]
    if asked or not any(run.responses for run in study.runs):
        return asked or study.runs
    return [run for run in study.runs if response in study.entries[run.key].metrics] or study.runs


def value_of(study: Study, run: PlannedRun, response: str) -> float:
    """Return a read-out of a run; NaN if it is not done, or not finite.

    Raises
    ------
    InputError
        If no run has that read-out.
    """
    entry = study.entries[run.key]
    if entry.status != DONE:
        return math.nan
    if response not in entry.metrics:
        hint = data.nearest(response, entry.metrics)
        known = data.one_of(entry.metrics)
        raise InputError(f"{response!r} is not a read-out: {known}; {hint}".rstrip("; "))
    value = float(entry.metrics[response])
    return value if math.isfinite(value) else math.nan


def drug_of(study: Study) -> str:
    """Return the name of the drug, or nothing where arms have several or none."""
    plan = study.plan
    names = {
        str(run.settings.get("drug.name", plan.base_of(run).get("drug", {}).get("name", "")))
        for run in plan.runs
    }
    return names.pop() if len(names) == 1 else ""
