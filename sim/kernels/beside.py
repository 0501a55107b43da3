"""Work in a process of its own, beside the caller."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from typing import NoReturn

from sim import signals
from sim.kernels.threads import processors


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[Callable[[], bool]]:
    """Work in a copy of this process, where one can be made and a processor is free.

    None can be made by a daemonic process, such as a worker of a pool, nor beside other threads:
    what they have locked would stay locked in the copy.

    Nothing comes back but whether all is done. Whatever fails there, and every warning, is left to
    the caller, who then does the same work himself.

    Parameters
    ----------
    work : callable

    Yields
    ------
    callable
        Waits for the work; returns whether all is done, with nothing to report.
    """
    alone = threading.active_count() == 1 and not multiprocessing.current_process().daemon
    if sys.platform != "linux" or processors() < 2 or not alone:
        yield lambda: False
        return
    copy = multiprocessing.get_context("fork").Process(target=_quietly, args=[work])
    with warnings.catch_warnings(), signals.held():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that are not Python's
        copy.start()

    def done() -> bool:
        copy.join()
        return copy.exitcode == 0

    try:
        yield done
    finally:
        copy.terminate()  # where the caller is interrupted
        copy.join()


def _quietly(work: Callable[[], object]) -> NoReturn:
    """Work, and exit with 0 if there is nothing to report."""
    report = 1
    try:
        signals.leave_to_parent()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        leave_with_parent()
        logging.disable()
        with warnings.catch_warnings(record=True) as seen:
            work()
        report = int(bool(seen))
    except BaseException:
        pass  # the caller finds out himself
    sys.exit(report)


def leave_with_parent() -> None:
    """End this process as soon as its parent is gone, whatever it is doing."""

    def watch() -> None:
        if (parent := multiprocessing.parent_process()) is not None:
            wait([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
