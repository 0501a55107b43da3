"""One run: a scenario through the model to its results."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pandas as pd

from sim.assays import columns_of, flagged
from sim.errors import Interrupted, NumericalError, OutOfTime, stage
from sim.model import model_of
from sim.model.base import AssayModel
from sim.model.observers import Frames, Observer, Progress, TimeLimit, advance_observed
from sim.runs.checkpoint import (
    Checkpoints,
    Limits,
    Start,
    Witness,
    prune,
    write_checkpoint,
)
from sim.runs.folder import CHECKPOINT, RunFolder
from sim.runs.manifest import begin_manifest, finish_manifest, note_progress
from sim.runs.reading import Frames as SavedFrames
from sim.runs.result import Result
from sim.scenario.cautions import cautions
from sim.scenario.schema import Scenario
from sim.scenario.writing import dump, scenario_hash
from sim.version import __version__

if TYPE_CHECKING:
    from sim.runs.result import Arrays

logger = logging.getLogger(__name__)


def run_scenario(
    scenario: Scenario,
    *,
    observers: Sequence[Observer] = (),
    progress: Callable[[int, int], None] | None = None,
    folder: RunFolder | None = None,
    threads: int = 1,
    limits: Limits | None = None,
    start: Start | None = None,
    paranoid: bool = False,
) -> Result:
    """Run a scenario to its end.

    Parameters
    ----------
    scenario : Scenario
    observers : sequence of Observer
        Objects that observe the model while it runs, and change nothing.
    progress : callable, optional
        Called about ten times a second with the steps done and the steps in all; it may raise.
    folder : RunFolder, optional
        Where everything is written; nothing is without it.
    threads : int
        Threads of the kernels; see `AngiogenesisModel`.
    limits : Limits
        When to write checkpoints, which needs a folder, and when to stop.
    start : Start, optional
        Where to go on from, instead of the beginning.
    paranoid : bool
        Compute sums, energies, fields and tables from scratch at each record, and compare.

    Raises
    ------
    InputError
        If there is no room for the cells.
    NumericalError
        If a value is not finite or out of range, or sums do not add up; what is written is the run
        as it was at the last record before.
    OutOfTime
        If the wall time is over, after a checkpoint and what there is have been written.
    KeyboardInterrupt
        As it came, after what there is has been written; if it is `Interrupted`, which comes
        between two steps, a checkpoint too.
    """
    began, steps = perf_counter(), scenario.time.steps
    start, limits = start or Start(), limits or Limits()
    manifest = begin_manifest(
        scenario_hash=scenario_hash(scenario), seed=scenario.seed, threads=threads,
        earlier=start.manifest, mcs=start.mcs, parent=start.parent.about if start.parent else None,
    )  # fmt: skip
    looking = list(observers)
    if progress:
        progress(start.mcs, steps)
        looking.append(Progress(progress, steps))
    if folder:
        folder.write_manifest(manifest)
        folder.write_scenario(dump(scenario))
        if start.manifest is not None:
            folder.go_back(start.mcs, start.frames(scenario))
        if start.parent is not None:
            folder.copy_frames(start.parent.folder, start.frames(scenario))
    with stage("set-up"):
        model = model_of(scenario, threads=threads, paranoid=paranoid)
        start.restore(model)
    frames: dict[int, Arrays] = {}
    if start.parent is not None and not folder:
        seen_before = SavedFrames(start.parent.folder)
        frames = {mcs: seen_before[mcs] for mcs in start.frames(scenario)}

    def keep(mcs: int, arrays: Arrays) -> None:
        if folder:
            folder.write_frame(mcs, arrays)
        else:
            frames[mcs] = arrays

    if scenario.record.frames:
        every, fields = scenario.time.steps_per_record, scenario.record.fields
        looking.insert(0, Frames(every, steps, fields=fields, keep=keep))
    if limits.most_s is not None:
        looking.append(TimeLimit(began, limits.most_s, steps))
    saving = None
    if folder and limits.checkpoint_every_s is not None:

        def save(model: AssayModel) -> None:
            write_checkpoint(folder.path / CHECKPOINT, model, folder.frames)
            so_far = note_progress(manifest, wall_s=model.seconds, mcs=model.mcs)
            folder.write_manifest(so_far)
            prune(folder.path / CHECKPOINT, scenario.checkpoint_steps)

        saving = Checkpoints(
            save, limits.checkpoint_every_s, scenario.checkpoint_steps, saved=start.saved
        )
        looking.append(saving)
    witness = Witness(scenario.time.steps_per_record, steps) if folder else None
    if witness:
        looking.insert(0, witness)
    for caution in cautions(scenario):
        logger.warning("%s", caution)
    logger.info("%s, seed %d: %d cells", scenario.name, scenario.seed, model.readouts["cells"])
    if start.mcs:
        logger.info("going on from step %d", start.mcs)
    completed = False
    try:
        with stage("run"):
            advance_observed(model, steps, looking)
        completed = True
    except (Interrupted, OutOfTime):  # raised between two steps
        if saving:
            saving.save(model)
        raise
    except NumericalError as error:
        if witness:
            witness.go_back(model)
            error.add_note(f"the results are those of step {model.mcs}, which was sound")
            if saving:
                saving.save(model)
        raise
    finally:  # also what an interrupted run has is kept
        if folder or completed:
            with stage("read-out"):
                if completed and saving:
                    saving.save(model)
                if not model.recorded:
                    model.record()
                manifest = finish_manifest(
                    manifest, wall_s=model.seconds, mcs=model.mcs, completed=completed
                )
                seen = SavedFrames(folder.path) if folder else frames
                result = result_of(model, seen, manifest, folder.path if folder else None)
                if folder:
                    folder.write_results(
                        timeseries=result.timeseries,
                        summary=result.summary,
                        final=result.final,
                        tables=result.tables,
                        manifest=result.manifest,
                    )
                for line in flagged(result.summary):
                    logger.warning("%s", line)
                logger.info("%s after %.3g h", "done" if completed else "stopped", model.time_h)
    return result


def result_of(
    model: AssayModel,
    frames: Mapping[int, Arrays] | None = None,
    manifest: dict[str, Any] | None = None,
    folder: Path | None = None,
) -> Result:
    """Return the results of a model, also in the middle of a run; the model is not changed."""
    table = model.datacollector.get_model_vars_dataframe()
    now = model.readouts if model.recorded else model.measure()
    if model.mcs not in list(table.get(model.STEP, ())):
        table = pd.concat([table, pd.DataFrame([now])], ignore_index=True)
    kept = columns_of("summary.json", model.scenario.assay)
    return Result(
        scenario=model.scenario,
        seed=model.seed,
        summary={name: value for name, value in now.items() if name in kept} | model.flags(),
        timeseries=table,
        final=model.final_arrays(),
        frames=frames or {},
        manifest=manifest or {"version": __version__, "completed": False, "mcs": model.mcs},
        folder=folder,
        tables={name: pd.DataFrame(table) for name, table in model.tables().items()},
    )
