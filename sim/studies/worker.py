"""A worker: one run after the other, and no error of a run can end it."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import signals
from sim.assays import columns_of
from sim.errors import AngiosimError, FolderError, RoomError, stage
from sim.files import sha256
from sim.kernels.beside import leave_with_parent
from sim.runs.environment import environment
from sim.studies.course import values_at
from sim.studies.task import WORKER, Metrics, Outcome, PlaceError, Task

if TYPE_CHECKING:
    from sim.runs.checkpoint import Start
    from sim.scenario.schema import Scenario

NOT_THE_RUN = (PlaceError, FolderError, RoomError, OSError, MemoryError, ImportError)
"""Errors of the machine or installation, and not of the run: it is rerun."""


Run = Callable[[dict[str, Any], Task], Metrics]
"""Executes one run from the study's base; found by its name in other processes."""


def resolved(
    base: dict[str, Any], task: Task, content: Callable[[Scenario], dict[str, Any]]
) -> Scenario:
    """Return the scenario of a task, resolved here.

    Parameters
    ----------
    base, task
        As for `simulate`.
    content : callable
        What of a scenario is in the key of a run.

    Raises
    ------
    PlaceError
        If this machine resolves the run to another key than the one planned.
    """
    from sim.scenario.branch import laid
    from sim.studies.identity import key_of

    scenario = laid(base, task.settings, task.seed, task.from_h)
    if key_of(content(scenario), task.seed, scenario.assay, task.course) != task.key:
        raise PlaceError(
            "this run is not the planned one: the worker has another version of angiosim, "
            "or the plan put a number in the wrong place, which would be a bug"
        )
    return scenario


def simulate(base: dict[str, Any], task: Task) -> Metrics:
    """Execute one run with the model; the usual `Run`.

    Raises
    ------
    PlaceError
        If this machine resolves the run to another key than the one planned.
    """
    with stage("set-up"):
        from sim.runs.folder import RunFolder
        from sim.runs.into import run_into
        from sim.runs.run import run_scenario
        from sim.studies.identity import content_of

        scenario = resolved(base, task, content_of)
    start = _start(base, task) if task.from_h is not None else None
    if task.folder is None:
        bare = scenario.record.model_copy(update={"frames": False})  # nobody would see them
        result = run_scenario(scenario.model_copy(update={"record": bare}), start=start)
    else:
        RunFolder.clear(Path(task.folder))  # left by a worker that died
        result = run_into(
            Path(task.folder), scenario, pictures=False, checkpoint_every_min=None, branch=start
        )
    last = result.timeseries.iloc[-1]
    more = (
        name for name in columns_of("results.csv", scenario.assay) if name not in result.summary
    )
    then = values_at(task.course, result.timeseries) if task.course else {}
    return {**result.summary, **{name: float(last[name]) for name in more}, **then}


def _start(base: dict[str, Any], task: Task) -> Start:
    """Return where the run of a task branches from its base alone, which is run to there once."""
    from sim.runs.branch import start_in, start_in_memory
    from sim.scenario.branch import step_of
    from sim.scenario.resolve import load
    from sim.studies.identity import content_of, key_of

    assert task.from_h is not None
    kept = {} if task.folder else {"record.frames": False}
    parent = load(base, kept, task.seed)
    mcs = step_of(parent, task.from_h)
    if task.parents is None:
        return start_in_memory(parent, mcs)
    name = key_of(content_of(parent), task.seed, parent.assay)[:12]
    kind = "frames" if task.folder else "states"
    made_by = sha256(repr(environment()))[:6]  # a branch goes on with what made its parent
    return start_in(Path(task.parents) / f"{name}-{mcs}-{kind}-{made_by}", parent, mcs)


def attempt(run: Run, base: dict[str, Any], task: Task) -> Outcome:
    """Execute one run from its own base or the study's; errors are reported in the outcome."""
    began = time.perf_counter()
    try:
        metrics = run(task.base or base, task)
        with stage("read-out"):
            metrics = {name: _number(value) for name, value in metrics.items()}
    except Exception as error:
        kind = "" if isinstance(error, AngiosimError) else f"{type(error).__name__}: "
        return Outcome(
            task.key,
            None,
            stage=WORKER if isinstance(error, NOT_THE_RUN) else getattr(error, "stage", "set-up"),
            error=f"{kind}{error}",
            traceback=traceback.format_exc(),
            seconds=time.perf_counter() - began,
            environment=environment(),
        )
    seconds = time.perf_counter() - began
    return Outcome(task.key, metrics, seconds=seconds, environment=environment())


def serve(connection: Connection, run: Run, base: dict[str, Any]) -> None:
    """Execute the runs that come through a connection, until it closes or the parent is gone."""
    signals.leave_to_parent()
    for library in ("NUMBA", "OMP", "OPENBLAS", "MKL"):  # runs side by side, kernels serial
        os.environ[f"{library}_NUM_THREADS"] = "1"
    leave_with_parent()
    try:
        connection.send(None)  # ready
        while True:
            connection.send(attempt(run, base, connection.recv()))
    except (EOFError, OSError):
        return


def _number(value: Any) -> float | int:
    """Return a read-out as a plain number."""
    value = value.item() if hasattr(value, "item") else value
    if type(value) not in (int, float):
        raise TypeError(f"a read-out must be a number, not {value!r}")
    return value  # type: ignore[no-any-return]
