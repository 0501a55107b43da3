"""A run and its folder: made, filled, kept or discarded in one place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from sim import hooks
from sim.errors import CheckpointError, InputError, OutOfTime
from sim.runs.checkpoint import Limits, Start
from sim.runs.estimate import estimate
from sim.runs.folder import LOCK, LOG, MANIFEST, RunFolder
from sim.runs.result import Result
from sim.runs.resume import check_versions, folder_to_resume, stored_run, usable_checkpoint
from sim.runs.room import check_room
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    from sim.model.observers import Observer

logger = logging.getLogger(__name__)
CHECKPOINT_EVERY_MIN = 10.0


def run_into(
    out: Path | None,
    scenario: Scenario,
    *,
    observers: Sequence[Observer] = (),
    progress: Callable[[int, int], None] | None = None,
    threads: int = 1,
    pictures: bool = True,
    resume: bool = False,
    checkpoint_every_min: float | None = CHECKPOINT_EVERY_MIN,
    max_hours: float | None = None,
    branch: Start | None = None,
    paranoid: bool = False,
    strict: bool = False,
) -> Result:
    """Run a scenario into a folder of its own, or resume it there.

    Parameters
    ----------
    out : Path or None
        The folder, new or empty; None for the next free ``runs/NAME-sSEED``. With `resume` it may
        hold this run, and None is the newest of those folders that does.
    scenario, observers, progress, threads, paranoid
        As for `sim.runs.run.run_scenario`.
    pictures : bool
        Whether to draw the result into the folder.
    resume : bool
        Resume the run in the folder from its newest checkpoint, to its end or to a later one than
        it had. Without a run there it begins; a finished one is opened.
    checkpoint_every_min : float or None
        Minutes of wall time between two checkpoints; None for no checkpoint at all.
    max_hours : float, optional
        Hours of wall time after which a checkpoint is written and the run stops.
    branch : Start, optional
        Where the run begins, if it is a branch of another; see `sim.runs.branch.branch_of`.
    strict : bool
        Refuse to resume a run that other versions or another processor have made.

    Raises
    ------
    InputError
        If the folder is taken or holds another run, or the scenario turns out to be wrong; nothing
        is written. One that an observer raises later ends the run as any other error.
    CheckpointError
        If no checkpoint of the run can be used.
    OutOfTime
        After `max_hours`.
    BaseException
        Whatever else ends the run early. What exists is kept; a note says where.
    """
    limits = limits_of(checkpoint_every_min, max_hours)
    path = folder_to_resume(out, scenario) if resume else None
    if path is None:
        with RunFolder.create(out, scenario.name, scenario.seed) as folder:
            return _run(
                folder, scenario, observers, progress, threads, pictures, limits, branch, paranoid
            )
    if stored_run(path, scenario).finished and not (path / LOCK).exists():
        return Result.open(path)
    with RunFolder.reopen(path) as folder:
        stored = stored_run(path, scenario)  # again, as nobody else can write there now
        if stored.finished:  # it was killed after its last step
            result = Result.open(path)
            if pictures:
                hooks.call("save_pictures", result, path)
            return result
        check_versions(path, stored.manifest, strict=strict)
        start = Start(usable_checkpoint(path, scenario), stored.manifest)
        if start.checkpoint is None and branch is not None:  # it was killed before it had one
            start = replace(branch, manifest=stored.manifest)
        if start.checkpoint is None and stored.manifest.get("completed"):
            raise CheckpointError(f"{path}: has no checkpoint, so this run cannot be extended")
        return _run(
            folder, scenario, observers, progress, threads, pictures, limits, start, paranoid
        )


def limits_of(checkpoint_every_min: float | None, max_hours: float | None) -> Limits:
    """Return when a run is saved and stopped.

    Raises
    ------
    InputError
        If a time is not a positive number.
    """
    for name, value in (("checkpoint_every", checkpoint_every_min), ("max_hours", max_hours)):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (number and 0 < value < inf):
            raise InputError(f"{name} = {value!r}: must be a number above 0")
    return Limits(
        None if checkpoint_every_min is None else 60 * checkpoint_every_min,
        None if max_hours is None else 3600 * max_hours,
    )


def _run(
    folder: RunFolder,
    scenario: Scenario,
    observers: Sequence[Observer],
    progress: Callable[[int, int], None] | None,
    threads: int,
    pictures: bool,
    limits: Limits,
    start: Start | None,
    paranoid: bool,
) -> Result:
    """Run a scenario in a folder, and draw the result."""
    try:
        left = 1.0 - (start.mcs / scenario.time.steps if start else 0.0)
        check_room(estimate(scenario), folder.path, left)
        from sim.runs.run import run_scenario

        result = run_scenario(
            scenario, observers=observers, progress=progress, folder=folder, threads=threads,
            limits=limits, start=start, paranoid=paranoid,
        )  # fmt: skip
        if pictures:
            hooks.call("save_pictures", result, folder.path)
        return result
    except OutOfTime as error:
        error.add_note(_so_far(folder))
        raise
    except Exception as error:
        if isinstance(error, InputError) and getattr(error, "stage", "set-up") == "set-up":
            folder.discard()
            raise
        logger.exception("the run failed")
        error.add_note(f"see {folder.path / LOG}")
        raise
    except BaseException as error:
        if (folder.path / MANIFEST).exists():
            error.add_note(_so_far(folder))
        else:
            folder.discard()
        raise


def _so_far(folder: RunFolder) -> str:
    return f"the results so far are in {folder.path}; resume with --resume"
