"""Where a study runs: worker processes of this machine, or a Dask cluster.

Each gives the outcomes of tasks in any order; a study's results do not depend on it.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from math import inf
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from sim import signals
from sim.errors import AngiosimError, InputError
from sim.kernels.threads import processors
from sim.runs.environment import Environment, environment
from sim.studies.task import TIME_LIMIT, WORKER, Outcome, Task
from sim.studies.worker import Run, attempt, serve, simulate

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

TRIES = 3  # for a run whose worker dies under it
SECONDS_TO_CONNECT = 15


class Executor(Protocol):
    """Makes runs."""

    @property
    def running(self) -> int:
        """Runs in progress."""

    def environments(self) -> Sequence[Environment]:
        """Return the versions and processors that make the runs, as far as they are known."""

    def submit(self, tasks: Sequence[Task]) -> None:
        """Take tasks."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Return what has finished, waiting for the first at most this long."""

    def close(self) -> None:
        """Abandon everything that has not finished."""


class Pool:
    """Worker processes of this machine, which stay for the whole study.

    A worker that dies is replaced and its run repeated; a run on which three workers die is given
    up, and so is one that takes longer than it may, whose worker is stopped and replaced.

    Parameters
    ----------
    base : dict
        The study's base.
    workers : int
        How many processes.
    run : callable
        Executes one run.
    max_minutes : float, optional
        Wall time that one run may take.

    Raises
    ------
    InputError
        If the time is not a positive number.
    """

    def __init__(
        self,
        base: dict[str, Any],
        workers: int,
        run: Run = simulate,
        max_minutes: float | None = None,
    ) -> None:
        if max_minutes is not None and not 0 < max_minutes < inf:
            raise InputError(f"max_minutes_per_run = {max_minutes!r}: must be a number above 0")
        self._base, self._run, self._size, self._most = base, run, workers, max_minutes
        self._todo: deque[Task] = deque()
        self._deaths: Counter[str] = Counter()
        self._stillborn = 0
        self._workers: dict[Connection, SpawnProcess] = {}
        self._busy: dict[Connection, Task | None] = {}  # None: it has not said it is ready
        self._began: dict[Connection, float] = {}  # when it was given its run

    @property
    def running(self) -> int:
        """Runs in progress."""
        return sum(task is not None for task in self._busy.values())

    def environments(self) -> Sequence[Environment]:
        """Return that of this machine."""
        return [environment()]

    def submit(self, tasks: Sequence[Task]) -> None:
        """Take tasks."""
        self._todo.extend(tasks)

    def wait(self, seconds: float) -> list[Outcome]:
        """Return what has finished, waiting for the first at most this long.

        Raises
        ------
        AngiosimError
            If worker processes cannot be started.
        """
        while len(self._workers) < min(self._size, len(self._todo) + self.running):
            self._start()
        for idle in self._workers.keys() - self._busy.keys():
            self._feed(idle)
        outcomes = []
        for connection in wait(list(self._workers), seconds):
            assert isinstance(connection, Connection)
            try:
                outcome = connection.recv()
            except (EOFError, OSError):
                outcomes += self._bury(connection)
                continue
            self._stillborn = 0
            self._busy.pop(connection)
            if outcome is not None:
                outcomes.append(outcome)
            self._feed(connection)
        return outcomes + self._overdue()

    def close(self) -> None:
        """Stop all workers, also in the middle of a run."""
        for process in self._workers.values():
            process.kill()
        for connection, process in self._workers.items():
            process.join()
            connection.close()
        self._workers.clear()
        self._busy.clear()
        self._began.clear()

    def _overdue(self) -> list[Outcome]:
        """Stop workers whose runs take longer than they may; return those runs."""
        if self._most is None:
            return []
        outcomes = []
        for connection, task in list(self._busy.items()):
            spent = time.monotonic() - self._began.get(connection, inf)
            if task is not None and spent > 60 * self._most and not connection.poll():
                process = self._forget(connection)
                process.kill()
                process.join()
                error = f"took longer than the {self._most:g} min that a run may take"
                outcomes.append(
                    Outcome(task.key, None, stage=TIME_LIMIT, error=error, seconds=spent)
                )
        return outcomes

    def _forget(self, connection: Connection) -> SpawnProcess:
        """Return the process of a worker that is no longer one."""
        self._busy.pop(connection, None)
        self._began.pop(connection, None)
        connection.close()
        return self._workers.pop(connection)

    def _start(self) -> None:
        here, there = get_context("spawn").Pipe()
        process = get_context("spawn").Process(
            target=serve, args=(there, self._run, self._base), daemon=True, name="angiosim-worker"
        )
        resource_tracker.ensure_running()  # it would let the signals through again
        with _without_main(), signals.held():
            process.start()
        there.close()
        self._workers[here], self._busy[here] = process, None

    def _feed(self, connection: Connection) -> None:
        """Give a worker that waits its next run."""
        if self._todo:
            task = self._todo.popleft()
            self._busy[connection], self._began[connection] = task, time.monotonic()
            with suppress(OSError):  # it has just died: seen when it is waited for
                connection.send(task)

    def _bury(self, connection: Connection) -> list[Outcome]:
        """Clear up after a worker that died; return its run if that is given up."""
        task, idle = self._busy.get(connection), connection not in self._busy
        process = self._forget(connection)
        process.join()
        how = f"exit code {process.exitcode}"
        if process.exitcode is not None and process.exitcode < 0:
            how = f"killed by signal {-process.exitcode}"
        if task is None:
            self._stillborn += not idle
            if self._stillborn >= TRIES * self._size:
                raise AngiosimError(f"worker processes end before they are ready ({how})")
            return []
        self._deaths[task.key] += 1
        if self._deaths[task.key] < TRIES:
            self._todo.appendleft(task)
            return []
        error = f"the worker process died ({how}), {TRIES} times; was there enough memory?"
        return [Outcome(task.key, None, stage=WORKER, error=error)]


class Dask:
    """An existing Dask cluster.

    Parameters
    ----------
    base : dict
        The study's base.
    address : str
        Address of the scheduler, ``tcp://host:port``.
    run : callable
        Executes one run.

    Raises
    ------
    InputError
        If ``distributed`` is not installed or the scheduler does not answer.
    """

    def __init__(self, base: dict[str, Any], address: str, run: Run = simulate) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise InputError(
                "--scheduler needs dask.distributed: pip install 'angiosim[cluster]'"
            ) from None
        try:
            self._client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:  # TimeoutError is an OSError
            raise InputError(f"{address}: no Dask scheduler answers there ({error})") from None
        self._address = address
        self._attempt = partial(attempt, run, base)
        self._tasks: dict[Any, Task] = {}  # by future
        self._finished: SimpleQueue[Any] = SimpleQueue()

    @property
    def running(self) -> int:
        """Runs in progress, as far as known here."""
        threads: dict[str, int] = self._client.nthreads() if self._tasks else {}
        return min(sum(threads.values()), len(self._tasks))

    def environments(self) -> Sequence[Environment]:
        """Return those of the workers that have joined; one without angiosim runs nothing."""
        found = self._client.run(environment, on_error="ignore")
        return [one for one in found.values() if isinstance(one, dict)]

    def submit(self, tasks: Sequence[Task]) -> None:
        """Take tasks."""
        futures = self._client.map(self._attempt, tasks, pure=False)
        self._tasks |= dict(zip(futures, tasks, strict=True))
        for future in futures:
            future.add_done_callback(self._finished.put)

    def wait(self, seconds: float) -> list[Outcome]:
        """Return what has finished, waiting for the first at most this long.

        Raises
        ------
        AngiosimError
            If the scheduler is gone.
        """
        outcomes = []
        with suppress(Empty):
            outcomes.append(self._outcome(self._finished.get(timeout=seconds)))
            while True:
                outcomes.append(self._outcome(self._finished.get_nowait()))
        if not outcomes and self._client.status not in ("running", "connecting"):
            raise AngiosimError(f"{self._address}: the Dask scheduler is gone")
        return outcomes

    def close(self) -> None:
        """Cancel all runs that have not finished, and disconnect."""
        with suppress(Exception):  # a cluster that is gone has nothing to take back
            self._client.cancel(list(self._tasks))
        self._tasks.clear()
        self._client.close(timeout=SECONDS_TO_CONNECT)

    def _outcome(self, future: Any) -> Outcome:
        task = self._tasks.pop(future)
        if future.status not in ("finished", "error"):
            raise AngiosimError(f"{self._address}: the Dask scheduler cancelled a run")
        try:
            outcome: Outcome = future.result()
        except Exception as error:  # `attempt` raises nothing: its process died, or has no angiosim
            return Outcome(task.key, None, stage=WORKER, error=f"{type(error).__name__}: {error}")
        return outcome


def start_executor(
    base: dict[str, Any],
    workers: int | None,
    scheduler: str | None,
    max_minutes: float | None = None,
) -> Pool | Dask:
    """Return the cluster of a Dask scheduler if one is given, else worker processes here.

    Parameters
    ----------
    base : dict
        The study's base.
    workers : int or None
        How many processes; by default one for each processor.
    scheduler : str or None
        Address of a Dask scheduler.
    max_minutes : float, optional
        Wall time that one run may take; only here.
    """
    if scheduler is not None and max_minutes is not None:
        raise InputError(
            "--max-minutes-per-run: a run on a Dask cluster cannot be stopped; leave it out, or "
            "leave out --scheduler"
        )
    if scheduler is not None:
        return Dask(base, scheduler)
    return Pool(base, workers or processors(), simulate, max_minutes)


@contextmanager
def _without_main() -> Iterator[None]:
    """Start processes that do not run the user's script again: it needs no main guard then."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
