"""Errors and warnings, with the exit code of each."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

MOST_PROBLEMS = 50
"""Problems listed in a message; the rest are counted."""
LONGEST_KEY, LONGEST_SOURCE = 120, 300  # characters shown of the user's names


def visible(text: str) -> str:
    """Return a text with control characters and invisible ones escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def visible_lines(text: str) -> str:
    """Return a text of several lines and columns with all other control characters escaped."""
    lines = (map(visible, line.split("\t")) for line in text.split("\n"))
    return "\n".join(map("\t".join, lines))


def shown(value: object, width: int = 60) -> str:
    """Return a value as it is written in a file (``true``, ``168``), cut to `width` characters."""
    try:
        return _cut(_written(value), width)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of too many digits"
    except RecursionError:
        return "a value nested too deeply"


def _written(value: object) -> str:
    """Return a value in the notation of TOML; anything else as Python shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(float(value)).removesuffix(".0")
    if isinstance(value, datetime.date | datetime.time):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_written(item)}' for key, item in value.items())}}}"
    return repr(value)


class AngiosimError(Exception):
    """A run failed."""

    exit_code = 4

    def __str__(self) -> str:
        return visible_lines(super().__str__())


class InputError(AngiosimError):
    """The user's input is wrong; nothing has been written."""

    exit_code = 2

    @property
    def reason(self) -> str:
        """What is wrong, without the name of the file."""
        return str(self)


class FileError(InputError):
    """A file cannot be read or used.

    Parameters
    ----------
    path : str
        The file.
    reason : str
        Why, without the file's name.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(path, reason)  # as args, so that it survives pickling

    @property
    def reason(self) -> str:
        """What is wrong, without the name of the file."""
        return visible(self.args[1])

    def __str__(self) -> str:
        return f"{_cut(visible(str(self.args[0])), LONGEST_SOURCE)}: {self.reason}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a scenario.

    Attributes
    ----------
    key : str
        Dotted key, such as ``cells.density_per_mm2``; empty for the file as a whole.
    value : object
        The value found there; None when there is none to show.
    allowed : str
        What is allowed there, as the end of a sentence: ``must be above 0``.
    hint : str
        What to try next: ``did you mean 'cells'?``.
    """

    key: str
    value: object
    allowed: str
    hint: str = ""

    def __str__(self) -> str:
        found = "" if self.value is None else shown(self.value)
        key = _cut(visible(self.key), LONGEST_KEY)
        where = " = ".join(part for part in (key, found) if part)
        line = f"{where}: {self.allowed}" if where else self.allowed
        return visible(f"{line} ({self.hint})" if self.hint else line)


class ScenarioError(InputError):
    """A scenario with problems; its message lists all of them.

    Parameters
    ----------
    source : str
        The file or name that the scenario came from.
    problems : sequence of Problem
        Everything that is wrong.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        super().__init__(source, problems)  # as args, so that it survives pickling
        self.source = source
        self.problems = list(problems)

    def __str__(self) -> str:
        count = len(self.problems)
        source = _cut(visible(self.source), LONGEST_SOURCE)
        lines = [f"{source}: {count} problem{'s' if count != 1 else ''}"]
        lines += [f"  {problem}" for problem in self.problems[:MOST_PROBLEMS]]
        if count > MOST_PROBLEMS:
            lines.append(f"  and {count - MOST_PROBLEMS} more")
        return "\n".join(lines)


class ScenarioWarning(UserWarning):
    """A scenario is valid, but may not do what is expected."""


class FolderError(InputError):
    """The output folder is in use, not empty or not writable."""


class RoomError(InputError):
    """A run needs more memory, or room on the disk, than this machine has free."""


class BusyError(FolderError):
    """Another process is using the folder."""


class CheckpointError(AngiosimError):
    """A checkpoint is damaged, or belongs to another run."""


class OutOfTime(AngiosimError):
    """A run was stopped between two steps because its wall time is over; it can be resumed."""

    exit_code = 5


class StaleCellError(AngiosimError):
    """Access to a dead cell, whose row may belong to another one now."""


class NumericalError(AngiosimError):
    """A value left the range in which the method is valid."""


class PictureWarning(UserWarning):
    """A picture could not be drawn; the results are complete without it."""


class RunWarning(UserWarning):
    """Something has happened in a run that its assay does not expect; the summary flags it."""


class CheckpointWarning(UserWarning):
    """A checkpoint cannot be used, or comes from other versions; the run goes on without it."""


class LedgerWarning(UserWarning):
    """A study goes on without what is damaged in its ledger, or with results of other versions."""


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run between two steps; not an error, so not caught as one.

    Parameters
    ----------
    signum : int
        Number of the signal; the exit code is 128 + signum.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_code = 128 + signum

    def __str__(self) -> str:
        return "stopped by Ctrl-C" if self.exit_code == 130 else "stopped by a signal"


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Record in the ``stage`` of an error the part of a run in which it was raised.

    The parts are ``"set-up"``, ``"run"`` and ``"read-out"``; the innermost mark stays.
    """
    try:
        yield
    except Exception as error:
        error.__dict__.setdefault("stage", name)
        raise


def _cut(text: str, width: int) -> str:
    """Return a text, cut to `width` characters."""
    return text if len(text) <= width else text[: width - 3] + "..."
