"""Where a study runs: worker processes of this machine, or a Dask cluster.

Each gives the outcomes of tasks in any order; a study's results do not depend on it.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from queue import Empty, SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from sim.errors import AngiosimError, InputError
from sim.kernels.threads import processors
from sim.studies.task import WORKER, Outcome, Task
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

    def submit(self, tasks: Sequence[Task]) -> None:
        """Take tasks."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Return what has finished, waiting for the first at most this long."""

    def close(self) -> None:
        """Abandon everything that has not finished."""


class Pool:
    """Worker processes of this machine, which stay for the whole study.

    A worker that dies is replaced and its run repeated; a run on which three workers die is given
    up.

    Parameters
    ----------
    base : dict
        The study's base.
    workers : int
        How many processes.
    run : callable
        Executes one run.
    """

    def __init__(self, base: dict[str, Any], workers: int, run: Run = simulate) -> None:
        self._base, self._run, self._size = base, run, workers
        self._todo: deque[Task] = deque()
        self._deaths: Counter[str] = Counter()
        self._stillborn = 0
        self._workers: dict[Connection, SpawnProcess] = {}
        self._busy: dict[Connection, Task | None] = {}  # None: it has not said it is ready

    @property
    def running(self) -> int:
        """Runs in progress."""
        return sum(task is not None for task in self._busy.values())

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
        return outcomes

    def close(self) -> None:
        """Stop all workers, also in the middle of a run."""
        for process in self._workers.values():
            process.kill()
        for connection, process in self._workers.items():
            process.join()
            connection.close()
        self._workers.clear()
        self._busy.clear()

    def _start(self) -> None:
        here, there = get_context("spawn").Pipe()
        process = get_context("spawn").Process(
            target=serve, args=(there, self._run, self._base), daemon=True, name="angiosim-worker"
        )
        with _without_main():
            process.start()
        there.close()
        self._workers[here], self._busy[here] = process, None

    def _feed(self, connection: Connection) -> None:
        """Give a worker that waits its next run."""
        if self._todo:
            task = self._todo.popleft()
            self._busy[connection] = task
            with suppress(OSError):  # it has just died: seen when it is waited for
                connection.send(task)

    def _bury(self, connection: Connection) -> list[Outcome]:
        """Clear up after a worker that died; return its run if that is given up."""
        process, idle = self._workers.pop(connection), connection not in self._busy
        task = self._busy.pop(connection, None)
        connection.close()
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


def start_executor(base: dict[str, Any], workers: int | None, scheduler: str | None) -> Pool | Dask:
    """Return the cluster of a Dask scheduler if one is given, else worker processes here.

    Parameters
    ----------
    base : dict
        The study's base.
    workers : int or None
        How many processes; by default one for each processor.
    scheduler : str or None
        Address of a Dask scheduler.
    """
    if scheduler is not None:
        return Dask(base, scheduler)
    return Pool(base, workers or processors())


@contextmanager
def _without_main() -> Iterator[None]:
    """Start processes that do not run the user's script again: it needs no main guard then."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
