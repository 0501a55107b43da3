"""Status of a planned study, and how long the rest may take."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from sim.errors import AngiosimError
from sim.runs.estimate import LIBRARIES, START_S, Estimate, estimate, in_bytes
from sim.runs.room import check_disk, check_memory, memory_free
from sim.scenario.schema import Scenario
from sim.studies.ledger import LEDGER, Entry, Ledger
from sim.studies.plan import Plan, PlannedRun
from sim.studies.task import DONE, FAILED, WORKER

KEPT_RUN = 4000
"""Bytes of a run in ledger and tables."""
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
        it is that of `sim.runs.estimate`.
    memory : int
        Of the largest run among those that were looked up, bytes.
    disk : float
        What those that are left write, bytes.
    """

    total: int
    done: int
    failed: int
    left: int
    seconds: float
    finished: int
    memory: int
    disk: float

    def memory_with(self, workers: int) -> int:
        """Memory of worker processes, as many as have something to do, and of this one."""
        return LIBRARIES + min(workers, self.left) * self.memory


def forecast(
    plan: Plan,
    runs: Sequence[PlannedRun],
    entries: Mapping[str, Entry],
    *,
    keep_runs: bool = False,
) -> Forecast:
    """Return the status of these runs of a plan.

    Parameters
    ----------
    plan : Plan
    runs : sequence of PlannedRun
        All of it, or a shard.
    entries : mapping of str to Entry
        Entries of the ledger, by key.
    keep_runs : bool
        Whether the folder of each run is kept.
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
    seconds, memory, disk = 0.0, 0, float(KEPT_RUN * len(missing))
    bases = {id(run.base): run.base for run in missing}.values()  # as arms have them
    for base in bases:
        due = [run for run in missing if run.base is base]
        times = [entries[key].seconds for key, run in finished.items() if run.base is base]
        each = _estimates(plan, due, max(1, LOADED // len(bases)))
        seconds += len(due) * fmean(times or [one.seconds - START_S for one in each])
        memory = max(memory, *(one.memory if keep_runs else one.memory_bare for one in each))
        disk += len(due) * fmean(one.disk for one in each) if keep_runs else 0.0
    left = len(runs) - done - failed
    return Forecast(len(runs), done, failed, left, seconds, len(finished), memory, disk)


def entries_in(folder: Path | None) -> dict[str, Entry]:
    """Return the entries of the ledger in the folder of a study; none if there is none to read.

    Whoever opens it to write says what is wrong with it, or repairs it.
    """
    if folder is not None and os.path.isfile(folder / LEDGER):
        with suppress(AngiosimError), Ledger(folder / LEDGER, read_only=True) as ledger:
            return dict(ledger.entries())
    return {}


def check_room_for(found: Forecast, workers: int, folder: Path | None) -> None:
    """Refuse runs that need more memory together, or room on the disk, than there is.

    Raises
    ------
    RoomError
        With how many workers there is enough memory for.
    """
    free = memory_free()
    if free is not None and found.left and found.memory_with(workers) > free:
        most = (free - LIBRARIES) // found.memory
        fewer = f"--workers {most} (workers=) fit" if most > 0 else "not even one worker fits"
        several = f"{min(workers, found.left)} workers with {in_bytes(found.memory)} each: "
        check_memory(found.memory_with(workers), f"{several}{fewer}")
    if folder is not None:
        check_disk(found.disk, folder)


def forecast_of(scenarios: Sequence[Scenario], runs: int) -> Forecast:
    """Return what so many runs of these scenarios need, in a study whose runs are not planned."""
    each = [estimate(one, bare_frames=False) for one in scenarios]
    seconds = runs * fmean(one.seconds - START_S for one in each)
    memory = max(one.memory_bare for one in each)
    return Forecast(runs, 0, 0, runs, seconds, 0, memory, float(KEPT_RUN * runs))


def _is_done(entries: Mapping[str, Entry], run: PlannedRun) -> bool:
    return run.key in entries and entries[run.key].status == DONE


def _estimates(plan: Plan, runs: Sequence[PlannedRun], most: int) -> list[Estimate]:
    """Return what some runs need, evenly spread over all."""
    some = runs[:: -(-len(runs) // most)]
    return [estimate(plan.scenario_of(run), bare_frames=False) for run in some]
