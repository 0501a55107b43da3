"""Status of a planned study, and how long the rest may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sim.assays import assays
from sim.studies.ledger import Entry
from sim.studies.plan import Plan, PlannedRun
from sim.studies.task import DONE, FAILED, WORKER

SITE_STEP_S = {"lattice": 30e-9, "bed": 350e-9}
"""Processor time of one site or voxel in one step, by class of model, measured."""

LOADED = 20  # runs whose size is looked up; the others are assumed to be similar


@dataclass(frozen=True)
class Forecast:
    """Status of a study.

    Attributes
    ----------
    total, done, failed, left : int
        Runs. Those that failed because of their worker count as left, since they are rerun.
    seconds : float
        Estimated processor time of those that are left.
    finished : int
        Finished runs whose mean time the estimate is based on, by the bases of arms; without any
        it is `SITE_STEP_S` times sites or voxels and steps.
    """

    total: int
    done: int
    failed: int
    left: int
    seconds: float
    finished: int


def forecast(plan: Plan, runs: Sequence[PlannedRun], entries: Mapping[str, Entry]) -> Forecast:
    """Return the status of these runs of a plan.

    Parameters
    ----------
    plan : Plan
    runs : sequence of PlannedRun
        All of it, or a shard.
    entries : mapping of str to Entry
        Entries of the ledger, by key.
    """
    known = [entries.get(run.key) for run in runs]
    done = sum(entry is not None and entry.status == DONE for entry in known)
    failed = sum(
        entry is not None and entry.status == FAILED and entry.stage != WORKER for entry in known
    )
    missing = list({
        run.key: run
        for run, entry in zip(runs, known, strict=True)
        if entry is None or entry.status not in (DONE, FAILED) or entry.stage == WORKER
    }.values())  # fmt: skip
    finished = {run.key: run for run in runs if _is_done(entries, run)}
    seconds = 0.0
    for base in {id(run.base): run.base for run in missing}.values():  # as arms have them
        due = [run for run in missing if run.base is base]
        times = [entries[key].seconds for key, run in finished.items() if run.base is base]
        seconds += len(due) * (fmean(times) if times else _estimate(plan, due))
    left = len(runs) - done - failed
    return Forecast(len(runs), done, failed, left, seconds, len(finished))


def _is_done(entries: Mapping[str, Entry], run: PlannedRun) -> bool:
    return run.key in entries and entries[run.key].status == DONE


def _estimate(plan: Plan, runs: Sequence[PlannedRun]) -> float:
    """Return the mean time of runs by their sites and steps, from some of them, evenly spread."""
    some = runs[:: -(-len(runs) // LOADED)]
    scenarios = [plan.scenario_of(run) for run in some]
    return fmean(
        SITE_STEP_S[assays()[s.assay].model] * s.shape[0] * s.shape[1] * s.time.steps
        for s in scenarios
    )
