"""What all commands share: exit codes, signals, options."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from sim import signals
from sim.errors import (
    AngiosimError,
    CheckpointWarning,
    Interrupted,
    LedgerWarning,
    PictureWarning,
    Problem,
    visible_lines,
)

if TYPE_CHECKING:
    from sim.runs.estimate import Estimate

SOME_FAILED = 3
"""Exit code where some of what was asked for could not be done, and the rest is there."""
SHOW_CURSOR = "\x1b[?25h"  # which a bar of progress has hidden

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value; may be repeated."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and warnings only.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Refuse (exit code 2) to add to results that other versions of libraries or another "
        "processor have made; without it, that is a warning.",
    ),
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the log, and tracebacks of errors.")
]
Width = Annotated[
    float | None,
    typer.Option(
        "--width-mm", metavar="MM", min=40, max=1000,
        help="Width: 89 for a column of a paper, 180 for a page; text is 7 to 8 pt."
        " [default: that of a screen]",
        show_default=False,
    ),
]  # fmt: skip
NoTitle = Annotated[bool, typer.Option("--no-title", help="Write neither title nor caption.")]


class Unbroken:
    """A stream that drops what is written once nobody reads it: no run ends because of that.

    Parameters
    ----------
    stream : TextIO
    dropped : type of OSError
        At which errors; any other is raised.
    """

    def __init__(self, stream: TextIO, dropped: type[OSError] = OSError) -> None:
        self._stream, self._dropped = stream, dropped
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")

    def write(self, text: str) -> int:
        """Write a text, if it can be written."""
        if text != "":  # with which click tries it, and drops errors
            with self._broken():
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if it can be flushed."""
        with self._broken():
            self._stream.flush()

    @contextmanager
    def _broken(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not isinstance(error, BlockingIOError):
                with suppress(OSError), open(os.devnull, "wb") as nowhere:
                    os.dup2(nowhere.fileno(), self._stream.fileno())  # for what is buffered
            if not isinstance(error, self._dropped):
                raise

    def __getattr__(self, name: str) -> Any:
        if name == "buffer":  # what click writes there, where text is ASCII, would not pass here
            raise AttributeError(name)
        return getattr(self._stream, name)


class Group(TyperGroup):
    """A group of commands whose messages about the command line show no control characters."""

    def make_context(self, *words: Any, **options: Any) -> Any:
        """Read the options of all commands."""
        with _visible_errors():
            return super().make_context(*words, **options)

    def invoke(self, context: Any) -> Any:
        """Run a command."""
        with _visible_errors():
            return super().invoke(context)


@contextmanager
def _visible_errors() -> Iterator[None]:
    """Escape control characters in errors of the command line."""
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):
            text = visible_lines(error.format_message())
            error.format_message = lambda: text
        raise


@contextmanager
def exit_codes(*, verbose: bool = False) -> Iterator[None]:
    """Turn errors into one message and an exit code; show the log if `verbose`.

    A picture that could not be drawn, a checkpoint that cannot be used, or damage in a ledger is a
    line, and changes no exit code.
    """
    from sim.logs import VisibleFormatter

    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, (PictureWarning, CheckpointWarning, LedgerWarning)):
            say(f"warning: {message}", err=True)
        else:
            usual(visible_lines(str(message)), category, *where)

    handler = logging.StreamHandler()
    handler.setFormatter(VisibleFormatter())
    handler.addFilter(lambda record: verbose and not record.exc_info)
    logging.getLogger("sim").addHandler(handler)
    warnings.showwarning = show  # type: ignore[assignment]
    try:
        yield
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if verbose:
            say(traceback.format_exc(), err=True)
        say("; ".join([message(error), *getattr(error, "__notes__", [])]), err=True)
        stopped = isinstance(error, KeyboardInterrupt)
        otherwise = 128 + signal.SIGINT if stopped else AngiosimError.exit_code
        raise typer.Exit(getattr(error, "exit_code", otherwise)) from None
    finally:
        warnings.showwarning = usual
        logging.getLogger("sim").removeHandler(handler)


def message(error: BaseException) -> str:
    """Return the message for an error."""
    if isinstance(error, (AngiosimError, Interrupted)):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped immediately"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the disk'}: {error.strerror.lower()}"
    hint = "; `angiosim doctor` may help" if isinstance(error, ImportError) else ""
    return f"unexpected {type(error).__name__}: {error}{hint}"


@contextmanager
def stop_at(what: str, first: int = 1) -> Iterator[Callable[[], None]]:
    """Defer Ctrl-C, SIGTERM and SIGHUP to the check that this yields; a second one leaves at once.

    Parameters
    ----------
    what : str
        What is done at the first one.
    first : int
        The check from which there is something to save; before it, signals are not deferred.
    """
    caught: list[int] = []
    checks = 0

    def note(signum: int, frame: FrameType | None) -> None:
        if caught or checks < first:
            _say(f"{SHOW_CURSOR if sys.stderr.isatty() else ''}\nstopped immediately")
            signals.leave(signum, frame)
        caught.append(signum)
        _say(f"\n{what}; again to stop immediately")

    def check() -> None:
        nonlocal checks
        checks += 1
        if caught:
            raise Interrupted(caught[0])

    before = signals.handle(note)
    try:
        yield check
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def say(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Print a text, control characters of names in it escaped: the only way to a terminal."""
    typer.echo(visible_lines(text), err=err, nl=nl)


def _say(line: str) -> None:
    """Write a line from a signal's handler, which may have come in the middle of another."""
    with suppress(OSError, RuntimeError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


def print_cautions(found: list[Problem], file: str = "") -> None:
    """Print warnings about valid input."""
    for caution in found:
        say(f"warning: {file}{': ' if file else ''}{caution}", err=True)


def print_estimate(found: Estimate, file: str = "") -> None:
    """Print what a run will need, in a line on the standard error."""
    from sim.runs.estimate import in_bytes
    from sim.view.progress import duration

    kept = f", {found.frames:,} snapshots" if found.frames else ""
    say(
        f"{file}{': ' if file else ''}{found.steps:,} steps of {found.sites:,} sites{kept}: about "
        f"{duration(found.seconds)} of processor time, {in_bytes(found.memory)} of memory and "
        f"{in_bytes(found.disk)} on disk",
        err=True,
    )
