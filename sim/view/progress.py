"""How far a run or a study is, on the standard error: drawn on a terminal, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from sim.studies.sweep import Counts, Progress

LINE_EVERY_S = 60
COMPILING = "compiling kernels: up to half a minute, once for each kind of model"

Steps = Callable[[int, int], None]
"""Called with the steps, or whatever is counted, done and in all."""


def on_terminal() -> bool:
    """Whether the standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def write_line(line: str) -> None:
    """Write a line on the standard error; nothing where it is closed, or no longer read."""
    if sys.stderr is not None:
        with suppress(OSError):  # a run is not lost because nobody reads how far it is
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


@contextmanager
def show_run(unit: str = "steps") -> Iterator[Steps]:
    """Yield a callback that shows the steps done: a bar on a terminal, else plain lines."""
    with ExitStack() as stack:

        def watch(tell: Callable[[], None]) -> None:
            """Announce compiling; called in the run, which may set up numba before its import."""
            from sim.kernels.compiling import when_compiling

            stack.enter_context(when_compiling(tell))

        if on_terminal():
            yield _step_bar(stack, watch, unit)
        else:
            yield _step_lines(watch, unit)


def _step_bar(stack: ExitStack, watch: Callable[[Callable[[], None]], None], unit: str) -> Steps:
    """Return a callback that moves a bar."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    stack.enter_context(bar)
    task = bar.add_task("preparing", total=None)
    watched = False

    def show(mcs: int, total: int) -> None:
        nonlocal watched
        if not watched:
            watched = True
            watch(lambda: bar.update(task, description=COMPILING))
        if mcs:
            bar.update(task, completed=mcs, total=total, description="running")
        if mcs == total:
            bar.stop()  # and its thread, beside which no picture can be drawn in a copy

    return show


def _step_lines(watch: Callable[[Callable[[], None]], None], unit: str) -> Steps:
    """Return a callback that writes a line at each tenth of the run."""
    began = time.monotonic()
    last = -1

    def show(mcs: int, total: int) -> None:
        nonlocal last
        if last == -1:
            watch(lambda: write_line(COMPILING))
        tenth = 10 * mcs // max(total, 1)
        if tenth != last:
            last = tenth
            write_line(f"{mcs}/{total} {unit}, {time.monotonic() - began:.0f} s")

    return show


@contextmanager
def show_study() -> Iterator[Progress]:
    """Yield a callback that shows runs done, running, failed and left, their rate and time left."""
    if not on_terminal():
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
    """Return a callback that writes a line at each tenth of the study, and every minute."""
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
        write_line(line)

    return show


def duration(seconds: float) -> str:
    """Return a time as people read it: ``3 min``, ``2 h 10 min``."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
