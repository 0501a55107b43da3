"""Read-outs over time: a line for each arm, the spread of its replicates around it."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from sim.analysis.courses import Courses
from sim.assays import readout
from sim.assays.declare import FRACTION
from sim.view import canvas, style
from sim.view.study.curves import DOT, source

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

Array = NDArray[np.float64]
PANEL_IN: Final = 1.5
"""How high a panel is, with text of 10 pt."""
COLOURS: Final = (
    style.INK, style.BLUE, style.ORANGE, style.GREEN, style.VERMILION, style.PURPLE, style.SKY,
    "#999933", "#882255", "#44AA99",
)  # fmt: skip
LOG_FROM: Final = 15.0
"""Where positive means span more than this, the axis is logarithmic."""


@style.house_style()
def draw_courses(
    found: Courses, *, fig: Figure | SubFigure | None = None, origin: str = ""
) -> Figure:
    """Draw the mean of each arm over time, and one standard deviation of its replicates.

    A row for each read-out, a column for each set of arms; an arm has one colour in all.

    Parameters
    ----------
    found : Courses
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.
    origin : str
        What the study shows, for the caption.
    """
    columns = found.columns
    counts = {len(own[found.readouts[0]]) for own in found.arms.values()}
    most = f"{'up to ' * (len(counts) > 1)}{max(counts)}"
    spread = f"line: mean of {most} replicates; band: ± 1 standard deviation" * (max(counts) > 1)
    about = source(DOT.join(filter(None, [found.study, origin])))
    sheet = canvas.Sheet(
        fig, max(6.5, 0.9 + 4.0 * len(columns)), title="Read-outs over time",
        caption="\n".join(filter(None, [spread, about])),
    )  # fmt: skip
    colour = dict(zip(found.arms, cycle(COLOURS), strict=False))
    shown = dict.fromkeys(arm for some in columns.values() for arm in some)
    sheet.legend([
        Line2D([], [], color=colour[arm], linewidth=style.points(2.2),
               label=canvas.wrapped(arm, style.points(9.5), sheet.width_in - 0.5, 2))
        for arm in shown
    ])  # fmt: skip
    axes = sheet.panels(len(found.readouts) * len(columns), len(columns), sharex=True, sharey="row")
    hours = 24.0 if found.clock == "d" else 1.0
    size, wide = style.points(10), sheet.width_in / len(columns)
    rows = [axes[place : place + len(columns)] for place in range(0, len(axes), len(columns))]
    for row, name in zip(rows, found.readouts, strict=True):
        for ax, some in zip(row, columns.values(), strict=True):
            for arm in some:
                _line(ax, found.at_h / hours, found.arms[arm][name], colour[arm])
            ax.grid(axis="y", color="#e6e4df", linewidth=0.8)
            ax.set_axisbelow(True)
        if readout(name).unit != FRACTION:
            _scale(row[0], [found.arms[arm][name] for some in columns.values() for arm in some])
        else:
            row[0].set_ylim(0, 1)
        label = canvas.wrapped(readout(name).label, size, style.points(PANEL_IN), lines=3)
        row[0].set_ylabel(label)
    for ax, title in zip(rows[0], columns, strict=True):
        if title:
            words = canvas.wrapped(title, 1.2 * size, wide - 0.4, lines=2)
            ax.set_title(words, loc="left", size=1.1 * size, weight="bold")
    for ax in rows[-1]:
        ax.set_xlabel("time (days)" if hours > 1 else readout("time_h").label)
    column = [row[0] for row in rows]
    sheet.body.align_ylabels(column)
    return sheet.done(column, PANEL_IN * len(rows))


def _scale(ax: Axes, shown: list[Array]) -> None:
    """Choose the axis of a row: from 0, or logarithmic where means span much."""
    means = np.concatenate([_mean(values) for values in shown])
    known = means[np.isfinite(means)]
    if not known.size or known.min() < 0:
        return
    if known.min() > 0 and known.max() > LOG_FROM * known.min():
        ax.set_yscale("log")
        style.log_axis(ax.yaxis)
    else:
        ax.set_ylim(bottom=0)


def _mean(values: Array) -> Array:
    """Return the mean (times,) where at least half of the replicates have a value, else NaN."""
    known = np.isfinite(values)
    count, total = known.sum(axis=0), np.where(known, values, 0.0).sum(axis=0)
    found: Array = np.where(2 * count >= len(values), total / np.maximum(count, 1), np.nan)
    return found


def _line(ax: Axes, times: Array, values: Array, colour: str) -> None:
    """Draw the mean, and a band of one standard deviation where there are several."""
    mean, known = _mean(values), np.isfinite(values)
    ax.plot(times, mean, color=colour, linewidth=style.points(2.0), zorder=3)
    if len(values) < 2:
        return
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    spread = np.sqrt(squares / np.maximum(known.sum(axis=0) - 1, 1))
    low = mean - spread
    if (mean[np.isfinite(mean)] > 0).all():  # also on a logarithmic axis
        low = np.maximum(low, 0.05 * mean)
    ax.fill_between(times, low, mean + spread, color=colour, alpha=0.15, linewidth=0, zorder=2)
