"""Processors, and work on several threads at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def together(threads: int, work: Callable[[int], None]) -> None:
    """Call ``work`` with 0 to ``threads`` - 1 at once, each on a thread; return when all are done.

    Compiled kernels run side by side, as they release Python's lock. A thread that waits sleeps,
    and takes no processor from what it waits for.
    """
    others = [_pool(threads - 1).submit(work, part) for part in range(1, threads)]
    work(0)
    for other in others:
        other.result()


@lru_cache(maxsize=1)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="angiosim")


if hasattr(os, "register_at_fork"):  # a child has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
