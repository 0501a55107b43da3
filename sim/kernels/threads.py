"""Processors, and work on several threads at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from threading import Event, Lock


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


LEAST_SITES = 40_000
"""Of a domain, from which on more than one thread is worth it (measured on two processors)."""
LEAST_WORK = 500_000
"""Sites times steps of a call, likewise: to start threads takes some 0.3 ms."""


def worth(asked: int, sites: int, steps: int = 1) -> int:
    """Return how many of the threads asked for are worth it; no result depends on it.

    Parameters
    ----------
    asked : int
    sites : int
        Of the domain.
    steps : int
        Monte Carlo steps of one call.
    """
    enough = sites >= LEAST_SITES and sites * steps >= LEAST_WORK
    return min(asked, processors()) if enough else 1


def together(threads: int, work: Callable[[int], None]) -> None:
    """Call ``work`` with 0 to ``threads`` - 1 at once, each on a thread; return when all are done.

    Compiled kernels run side by side, as they release Python's lock, and may wait for each other:
    either all of them run or, where a signal arrives first, none.
    """
    if threads == 1:
        work(0)
        return
    gate = Event()
    calls: list[Future[None]] = []

    def call(part: int) -> None:
        gate.wait()
        if len(calls) == threads:  # else a signal came while the threads were called
            work(part)

    with _ALONE:
        try:
            for part in range(threads):
                calls.append(_pool(threads).submit(call, part))
        finally:
            gate.set()
            try:
                wait(calls)
            except BaseException:  # a signal: nobody may find arrays that are still at work
                wait(calls)
                raise
    for done in calls:
        done.result()


_ALONE = Lock()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="angiosim")


def _forget() -> None:
    """In a child that was forked: it has none of its parent's threads."""
    global _ALONE
    _ALONE = Lock()
    _pool.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
