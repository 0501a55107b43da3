"""Signals that end the command: from its first line on, it leaves at once and without a traceback.

Whatever is written is complete or absent at any moment, so nothing is lost but what has not been
saved. While a run or a study is under way, `sim.cli.common.stop_at` saves first.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Ctrl-C, and requests to end; SIGHUP is sent by a terminal that closes."""
_WORDS = ("angiosim", "sim")


def is_command() -> bool:
    """Whether this process is the command, not a script that imports the package."""
    name: str = os.path.basename((getattr(sys, "argv", None) or [""])[0])
    if name == "-m":  # Python looks for the module to run
        return any(word in _WORDS for word in sys.orig_argv)
    return name.partition(".")[0].removesuffix("-script") == "angiosim"


def handle(handler: Callable[[int, FrameType | None], Any] | signal.Handlers) -> dict[int, Any]:
    """Call a function at these signals; return what was done before, by signal.

    Those that whoever started the process asked to ignore, as ``nohup`` does, are still ignored;
    but not Ctrl-C, which shells ignore on behalf of a script's commands in the background.
    """
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    for signum, found in before.items():
        if found is not signal.SIG_IGN or signum == signal.SIGINT:
            signal.signal(signum, handler)
    return before


def leave(signum: int, _: FrameType | None = None) -> None:
    """End this process now, with the exit code of a signal; files half written are removed."""
    for path in list(getattr(sys.modules.get("sim.files"), "passing", ())):
        with suppress(OSError):
            os.unlink(path)
    os._exit(128 + signum)


@contextmanager
def held() -> Iterator[None]:
    """Hold back these signals, also from processes that are started meanwhile.

    They would show a traceback while they import; `leave_to_parent` ends it there.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_to_parent() -> None:
    """In a child, ignore Ctrl-C, which reaches its parent too; the other signals end it quietly."""
    handle(signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


if is_command():
    handle(leave)
