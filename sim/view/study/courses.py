"""Read-outs over time: a line for each arm, the spread of its replicates around it."""

from __future__ import annotations

import textwrap
from itertools import cycle
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from sim.analysis.courses import Courses
from sim.assays import readout
from sim.assays.declare import FRACTION
from sim.view import canvas, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

Array = NDArray[np.float64]
DOT: Final = " · "
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
    replicates = max(len(own[found.readouts[0]]) for own in found.arms.values())
    spread = f"mean and standard deviation of {replicates} replicates" * (replicates > 1)
    below = 0.25 * -(-len(found.arms) // (1 + len(columns)))
    body = canvas.sheet(
        fig, 0.9 + 4.6 * len(columns), 1.6 * len(found.readouts) + 1.7 + below,
        title="Read-outs over time",
        caption=DOT.join(filter(None, [found.study, origin, spread])),
    )  # fmt: skip
    axes = body.subplots(
        len(found.readouts), len(columns), sharex=True, sharey="row", squeeze=False
    )
    colour = dict(zip(found.arms, cycle(COLOURS), strict=False))
    hours = 24.0 if found.clock == "d" else 1.0
    for row, name in zip(axes, found.readouts, strict=True):
        for ax, some in zip(row, columns.values(), strict=True):
            for arm in some:
                _line(ax, found.at_h / hours, found.arms[arm][name], colour[arm])
            ax.grid(axis="y", color="#e6e4df", linewidth=0.8)
            ax.set_axisbelow(True)
        if readout(name).unit != FRACTION:
            _scale(row[0], [found.arms[arm][name] for some in columns.values() for arm in some])
        else:
            row[0].set_ylim(0, 1)
        row[0].set_ylabel(textwrap.fill(readout(name).label, 20), size=10)
    for ax, title in zip(axes[0], columns, strict=True):
        if title:
            ax.set_title(title, loc="left", size=12, weight="bold")
    for ax in axes[-1]:
        ax.set_xlabel("time (days)" if hours > 1 else readout("time_h").label, size=11)
    shown = dict.fromkeys(arm for some in columns.values() for arm in some)
    body.legend(
        handles=[Line2D([], [], color=colour[arm], linewidth=2.2, label=arm) for arm in shown],
        loc="outside lower center", frameon=False, fontsize=10, ncols=1 + len(columns),
    )  # fmt: skip
    body.align_ylabels(axes[:, 0])
    return canvas.figure_of(body)


def _scale(ax: Axes, shown: list[Array]) -> None:
    """Choose the axis of a row: from 0, or logarithmic where means span much."""
    means = np.concatenate([_mean(values) for values in shown])
    known = means[np.isfinite(means)]
    if not known.size or known.min() < 0:
        return
    if known.min() > 0 and known.max() > LOG_FROM * known.min():
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
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
    ax.plot(times, mean, color=colour, linewidth=2.0, zorder=3)
    if len(values) < 2:
        return
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    spread = np.sqrt(squares / np.maximum(known.sum(axis=0) - 1, 1))
    low = mean - spread
    if (mean[np.isfinite(mean)] > 0).all():  # also on a logarithmic axis
        low = np.maximum(low, 0.05 * mean)
    ax.fill_between(times, low, mean + spread, color=colour, alpha=0.15, linewidth=0, zorder=2)
