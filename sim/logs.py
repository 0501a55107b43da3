"""Log messages of the package, to a file or a terminal."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from sim.errors import visible_lines


class Log(logging.FileHandler):
    """Appends log messages to a file, control characters escaped; links are never followed.

    It takes what it can: a full disk is reported by what it stops.
    """

    def __init__(self, path: Path, mode: str = "a", *, delay: bool = False) -> None:
        super().__init__(path, mode=mode, encoding="utf-8", delay=delay)
        self.setFormatter(VisibleFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def handleError(self, record: logging.LogRecord) -> None:
        """Leave a message out."""

    def _open(self) -> Any:
        return open(self.baseFilename, self.mode, encoding=self.encoding, opener=_open_no_link)


class VisibleFormatter(logging.Formatter):
    """Formats log messages, with control characters of names and errors escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a message."""
        return visible_lines(super().format(record))


def _open_no_link(path: str, flags: int) -> int:
    """Open a file to write into; a link is refused, or a pipe that nobody reads."""
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    return os.open(path, flags, 0o666)
