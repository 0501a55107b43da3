"""How far a study is, on the standard error: a table on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sim.studies.sweep import Counts, Progress

if TYPE_CHECKING:
    from rich.table import Table

LINE_EVERY_S = 60


@contextmanager
def show_study() -> Iterator[Progress]:
    """Give a callback that shows runs done, running, failed and left, their rate, the time left."""
    if not sys.stderr.isatty():
        yield _plain_lines()
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), refresh_per_second=4) as live:
        yield lambda counts: live.update(_table(counts))


def words(counts: Counts) -> dict[str, str]:
    """Return what is shown, by heading."""
    rate, left = counts.per_hour, counts.seconds_left
    return {
        "done": f"{counts.done:,} of {counts.total:,}",
        "running": f"{counts.running:,}",
        "failed": f"{counts.failed:,}",
        "left": f"{counts.left:,}",
        "runs/h": "" if rate is None else f"{rate:,.0f}",
        "time left": "" if left is None else duration(left),
    }


def _table(counts: Counts) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    found = words(counts)
    for heading in found:
        table.add_column(heading, justify="right", min_width=len(heading) + 2)
    table.add_row(*found.values(), style="red" if counts.failed else None)
    return table


def _plain_lines() -> Progress:
    """Give a callback that writes a line at each tenth of the study, and every minute."""
    last, told = -1, time.monotonic()

    def show(counts: Counts) -> None:
        nonlocal last, told
        tenth = 10 * (counts.total - counts.left) // max(counts.total, 1)
        now = time.monotonic()
        if tenth == last and now - told < LINE_EVERY_S:
            return
        last, told = tenth, now
        found = words(counts)
        line = ", ".join(f"{value} {heading}" for heading, value in found.items() if value)
        sys.stderr.write(line + "\n")
        sys.stderr.flush()

    return show


def duration(seconds: float) -> str:
    """Return a time as people read it: ``3 min``, ``2 h 10 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
