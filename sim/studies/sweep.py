"""Runs a study, whatever happens on the way.

Only the parent process writes. A run counts as finished when its row of the ledger is on the
disk; starting again runs what has not finished, and what has changed since.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sim.errors import FileError, FolderError, InputError
from sim.files import holds, parse_toml, write_text_atomic
from sim.input import checked_count
from sim.studies.executors import Executor
from sim.studies.folder import hold
from sim.studies.ledger import LEDGER, Entry, Ledger
from sim.studies.mixing import check_mixing
from sim.studies.plan import Plan, PlannedRun, runs_of
from sim.studies.table import PARENTS, RUNS, STUDY, Study, label_of, write_results
from sim.studies.task import DONE, FAILED, PLANNED, TIME_LIMIT, WORKER, Task

TICK_S = 0.25  # how often progress is reported, and signals are checked
Shard = tuple[int, int]


@dataclass(frozen=True)
class Counts:
    """How far a study is.

    Attributes
    ----------
    total, done, failed, running : int
        Runs.
    before : int
        Those of the done and failed that were so when this began.
    seconds : float
        Time since this began.
    """

    total: int
    done: int
    failed: int
    running: int
    before: int
    seconds: float

    @property
    def left(self) -> int:
        """Runs that are neither done nor failed."""
        return self.total - self.done - self.failed

    @property
    def per_hour(self) -> float | None:
        """Rate of finishing since this began; None before the first."""
        made = self.done + self.failed - self.before
        return 3600 * made / self.seconds if made and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Time to the end at this rate."""
        return None if self.per_hour is None else 3600 * self.left / self.per_hour


Progress = Callable[[Counts], None]
Analyse = Callable[[Study], object]
"""Called with the whole study when its table is written, while its folder is still held."""


@dataclass(frozen=True)
class SweepOptions:
    """How the runs of a study are made; nothing in them changes a result.

    Attributes
    ----------
    workers : int or None
        Worker processes; by default one for each processor.
    scheduler : str or None
        Address of a Dask scheduler, to run on its cluster instead.
    shard : (int, int) or None
        (i, n): only every n-th run, from the i-th. The folder has the whole plan.
    retry_failed : bool
        Rerun runs that failed by an error. Those that failed because of their worker or its
        machine are rerun anyway, and those stopped by a time limit if it is longer now.
    keep_runs : bool
        Keep a run folder of each run, in ``runs/``.
    max_minutes_per_run : float or None
        Wall time after which a run is stopped, and recorded as failed.
    strict : bool
        Refuse to resume a study with other versions of libraries or another processor than its
        finished runs were made with.
    """

    workers: int | None = None
    scheduler: str | None = None
    shard: Shard | None = None
    retry_failed: bool = False
    keep_runs: bool = False
    max_minutes_per_run: float | None = None
    strict: bool = False


def parse_shard(text: str) -> Shard:
    """Return (i, n) of ``i/n``.

    Raises
    ------
    InputError
        If it is not that, or i is not from 1 to n.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip())
    shard = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= shard[0] <= shard[1]:
        raise InputError(f"--shard {text}: must be i/n with i from 1 to n, such as 2/8")
    return shard


def check_options(options: SweepOptions) -> None:
    """Refuse options from Python that are no such thing.

    Raises
    ------
    InputError
        If workers are no whole number of at least 1, or a shard is not (i, n) with i from 1 to n.
    """
    if options.workers is not None:
        checked_count("workers", options.workers, least=1)
    if options.shard is not None:
        if not isinstance(options.shard, tuple | list) or len(options.shard) != 2:
            raise InputError(f"shard = {options.shard!r}: must be (i, n), such as (2, 8)")
        n = checked_count("shard, n", options.shard[1], least=1)
        checked_count("shard, i", options.shard[0], least=1, most=n)


def sweep(
    plan: Plan,
    executor: Executor,
    out: Path | None = None,
    options: SweepOptions = SweepOptions(),
    *,
    progress: Progress | None = None,
    analyse: Analyse | None = None,
) -> Study:
    """Run a study: everything still missing is run.

    Parameters
    ----------
    plan : Plan
        From `sim.studies.file.plan_study`.
    executor : Executor
        Executes the runs; the caller closes it.
    out : Path, optional
        The study's folder: new, empty, or the study's own, to resume. Without it nothing is
        written.
    options : SweepOptions
        Its workers and scheduler are the executor's matter.
    progress : callable, optional
        Called with `Counts` several times a second; what it raises stops the study.
    analyse : callable, optional
        Called once the table is written, also of a study that was stopped.

    Returns
    -------
    Study
        With the runs of the shard.

    Raises
    ------
    FolderError
        If the folder contains something else, is in use or is not writable.
    AngiosimError
        If it cannot continue: a full disk, no workers, an analysis that fails. Finished runs are
        kept.
    KeyboardInterrupt
        Passed on. Finished runs are kept.
    """
    runs = runs_of(plan.runs, options.shard)
    with (
        hold(out, STUDY, plan.name) if out else nullcontext(),
        _opened(out, runs, options, executor) as ledger,
    ):
        if out:
            _check_same(ledger, plan, out)
            write_if_new(out / STUDY, plan.text)
        ledger.warn_of_lost({run.key: label_of(run) for run in plan.runs})
        ledger.plan(plan.runs, plan.text, plan.code)
        try:
            entries = ledger.entries()
            again, most = options.retry_failed, options.max_minutes_per_run
            due = {run.key: run for run in runs if must_run(entries[run.key], again, most)}
            tasks = [
                Task(
                    run.key,
                    run.settings,
                    run.seed,
                    _run_folder(out, run) if options.keep_runs else None,
                    run.base,
                    plan.course or None,
                    plan.from_h,
                    str(out.resolve() / PARENTS) if out and not options.scheduler else None,
                )
                for run in due.values()
            ]
            others = {run.key for run in runs} - due.keys()
            now = executor.environments() if due else ()
            differ = check_mixing([entries[key] for key in others], now)
            make_runs(tasks, [entries[key].status for key in others], ledger, executor, progress)
            if due and not differ:  # workers of a cluster that joined later
                made = ledger.entries()
                check_mixing(made[run.key] for run in runs)
        except BaseException:
            with suppress(Exception):  # the first error is the one to report
                finish(Study(plan, plan.runs, ledger.entries(), out), ledger, analyse)
            raise
        result = Study(plan, plan.runs, ledger.entries(), out)
        finish(result, ledger, analyse)
        return replace(result, runs=runs)


def finish(study: Study, ledger: Ledger, analyse: Analyse | None) -> None:
    """Write the table, and have it analysed."""
    write_results(study, ledger)
    if analyse is not None:
        analyse(study)


def _opened(
    out: Path | None, runs: list[PlannedRun], options: SweepOptions, executor: Executor
) -> Ledger:
    """Open the ledger of a study; with `strict` nothing in it is changed before it is looked at."""
    if out and options.strict:
        entries: Mapping[str, Entry] = {}
        if (out / LEDGER).is_file():
            with Ledger(out / LEDGER, read_only=True) as ledger:
                entries = ledger.entries()
        known = [entries.get(key, Entry(PLANNED, {})) for key in {run.key for run in runs}]
        again, most = options.retry_failed, options.max_minutes_per_run
        due = any(must_run(entry, again, most) for entry in known)
        check_mixing(known, executor.environments() if due else (), out)
    return Ledger(out and out / LEDGER)


def make_runs(
    tasks: list[Task],
    finished: list[str],
    ledger: Ledger,
    executor: Executor,
    progress: Progress | None,
) -> None:
    """Have runs made and enter each as it finishes; `finished` is how the others ended."""
    status = Counter(finished)
    total, began = len(tasks) + len(finished), time.monotonic()

    def take(seconds: float) -> None:
        outcomes = executor.wait(seconds)
        if outcomes:
            ledger.record(outcomes)
            status.update(DONE if outcome.metrics is not None else FAILED for outcome in outcomes)

    executor.submit(tasks)
    try:
        while status.total() < total:
            take(TICK_S)
            if progress is not None:
                done, failed = status[DONE], status[FAILED]
                spent = time.monotonic() - began
                progress(Counts(total, done, failed, executor.running, len(finished), spent))
    except KeyboardInterrupt:
        take(0)  # what has just finished
        raise


def must_run(entry: Entry, retry_failed: bool, max_minutes: float | None = None) -> bool:
    """Whether a run is to be made, now that it may take so long."""
    if entry.status == FAILED and entry.stage == TIME_LIMIT:
        return retry_failed or max_minutes is None or 60 * max_minutes > entry.seconds
    if entry.status == FAILED:
        return retry_failed or entry.stage == WORKER
    return entry.status == PLANNED


def _run_folder(out: Path | None, run: PlannedRun) -> str:
    """Return the folder of a run; its worker clears it first."""
    if out is None:
        raise InputError("run folders can only be kept in a study folder; choose one")
    return str(out.resolve() / RUNS / run.key[:12])  # its number changes when others are added


def _check_same(ledger: Ledger, plan: Plan, out: Path) -> None:
    """Refuse a study that shares only its name with that in the folder.

    Doses, arms, replicates, the base and the swept keys may all change, and the study continues.
    Only if base and swept keys both differ, and none of its runs was ever planned here, it is
    another study.
    """
    about = ledger.about()
    if not about:
        return
    try:
        before, now = (parse_toml(text) for text in (about["study"], plan.text))
        swept = [_swept(tree) for tree in (before, now)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise FileError(out / LEDGER, f"says of no study what it is ({error})") from error
    if before.get("name") != plan.name:
        raise FolderError(
            f"{out / LEDGER}: is of the study {before.get('name')!r}, not {plan.name!r}; restore "
            "the one that belongs here, or choose another folder"
        )
    if (
        before.get("base") != now["base"]
        and swept[0] != swept[1]
        and not ledger.knows(run.key for run in plan.runs)
    ):
        raise FolderError(
            f"{out}: contains a different study also called {plan.name!r} (other base, other "
            "swept keys); choose another folder"
        )


def _swept(tree: Mapping[str, Any]) -> set[str]:
    """Return the keys that a study sweeps."""
    ranges = tree.get("sample", {}).get("ranges", {})
    return {*ranges, *(key for name in ("group", "grid", "zip") for key in tree.get(name, {}))}


def write_if_new(path: Path, text: str) -> None:
    """Write a file unless it has exactly this content."""
    if not holds(path, text):
        write_text_atomic(path, text)
