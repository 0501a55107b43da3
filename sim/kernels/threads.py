"""Processors and threads; numba is not imported here, as threads must be set before it is."""

from __future__ import annotations

import os
import sys


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def allow_threads(threads: int) -> None:
    """Allow more threads than processors, which numba must know before it is loaded."""
    allowed = int(os.environ.get("NUMBA_NUM_THREADS", processors()))
    if threads > allowed and "numba" not in sys.modules:
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
