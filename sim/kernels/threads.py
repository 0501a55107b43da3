"""Processors, and work on several threads at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache
from threading import Lock


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def together(threads: int, work: Callable[[int], None]) -> None:
    """Call ``work`` with 0 to ``threads`` - 1 at once, each on a thread; return when all are done.

    Compiled kernels run side by side, as they release Python's lock, and may wait for each other:
    all of them have a thread, and none is left alone when a signal arrives.
    """
    if threads == 1:
        work(0)
        return
    with _ALONE:
        calls = []
        try:
            calls = [_pool(threads).submit(work, part) for part in range(threads)]
        finally:
            wait(calls)
    for call in calls:
        call.result()


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
