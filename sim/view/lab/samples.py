"""Pictures of samples of a drug: profiles with their terminal phase, and fitted models."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sim.lab.compartment_fit import Fit
from sim.lab.nca import NCA, Profile
from sim.lab.pk_fit import PKFit
from sim.version import __version__
from sim.view import canvas, style

MOST_PANELS = 24
"""Of more profiles the first are drawn, and the caption says so."""
ACROSS = 4
_LEAST_IN, _HIGH_IN = 2.2, 2.4
_LOWEST = 0.6  # of the lowest concentration: where samples below quantification are drawn


@style.house_style()
def draw_nca(found: NCA, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the samples of each profile on a log scale, with the samples of the half-life marked.

    Parameters
    ----------
    found : NCA
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    drawn = [one for one in found.profiles if not one.failed][:MOST_PANELS]
    caption = "filled: samples of the half-life, with their line; shaded: extrapolated to infinity"
    if any(len(one.below_h) for one in drawn):
        caption += "; triangles: below quantification"
    if any(one.first_added and one.concentration[0] > 0.0 for one in drawn):
        caption += "; cross: at the dose, not sampled"
    left = len(found.profiles) - len(drawn)
    if left:
        caption += f"; not drawn: {left} of {len(found.profiles)} profiles"
    title = f"Non-compartmental analysis: {found.samples.column}"
    caption += f" · angiosim {__version__}"
    sheet = canvas.Sheet(fig, 5.2 if len(drawn) < 2 else 10.0, title=title, caption=caption)
    count = max(1, len(drawn))
    across = min(sheet.across(style.points(_LEAST_IN), min(ACROSS, count)), count)
    axes = sheet.panels(count, across, sharey=True)
    several = len({one.subject for one in drawn}) < len(drawn)
    for ax, one in zip(axes, drawn, strict=False):
        _profile(ax, one, found.samples.unit, several=several)
    if drawn:
        lowest = min(float(one.concentration[one.concentration > 0].min()) for one in drawn)
        highest = max(float(one.concentration.max()) for one in drawn)
        axes[0].set_ylim(0.4 * lowest, 1.6 * highest)
        style.log_axis(axes[0].yaxis)
        for ax, one in zip(axes, drawn, strict=True):
            ax.plot(one.below_h, np.full(len(one.below_h), _LOWEST * lowest), "v", mfc="none",
                    color=style.QUIET, ms=style.points(5), gid="below")  # fmt: skip
    _outer_labels(axes, across)
    sheet.legend([
        Line2D([], [], marker="o", ls="", mfc="white", color=style.BLUE, label="sample"),
        Line2D([], [], marker="o", color=style.VERMILION, label="half-life"),
    ])  # fmt: skip
    high = (4.2 if count == 1 else _HIGH_IN) * -(-count // across)
    return sheet.done(axes[::across], high)


def _profile(ax: Axes, one: Profile, unit: str, *, several: bool) -> None:
    time, level = one.time_h, one.concentration
    above = level > 0.0
    ax.set_yscale("log")
    ax.plot(time[above], level[above], "-", color=style.SKY, lw=1.2)
    first = int(one.first_added)
    points = above & (np.arange(len(time)) >= first)
    ax.plot(time[points], level[points], "o", mfc="white", color=style.BLUE, ms=style.points(5))
    if first and above[0]:
        ax.plot(time[:1], level[:1], "x", color=style.BLUE, ms=style.points(6), gid="at dose")
    words = []
    if one.half_life_points:
        picked = time[above][-one.half_life_points :], level[above][-one.half_life_points :]
        ax.plot(*picked, "o", color=style.VERMILION, ms=style.points(5), gid="half-life", zorder=4)
        ends = np.array([picked[0][0], time[-1] + 0.12 * time[-1]])
        line = one.intercept * np.exp(-math.log(2.0) / one.half_life_h * ends)
        ax.plot(ends, line, color=style.VERMILION, lw=1.2)
        tail = np.linspace(time[-1], ends[1], 20)
        falling = level[-1] * 0.5 ** ((tail - time[-1]) / one.half_life_h)
        ax.fill_between(tail, falling, color=style.VERMILION, alpha=0.15, lw=0)
        words.append(f"half-life {style.number(one.half_life_h)} h ({one.half_life_points} points)")
        words.append(f"{one.extrapolated_percent:.0f} % extrapolated")
    name = one.subject + (f", dose at {one.dose.at_h:g} h" if several else "")
    lines = [name.strip(", "), *words]
    ax.set_title("\n".join(filter(None, lines)), loc="left", size=style.points(9))
    ax.set_xlabel("time after the dose, h")
    ax.set_ylabel(f"concentration, {unit}")
    ax.xaxis.set_major_locator(MaxNLocator(5))


@style.house_style()
def draw_pk_fit(found: PKFit, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the samples of each subject on a log scale, with the chosen model and the other one.

    Parameters
    ----------
    found : PKFit
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    drawn = found.fits[:MOST_PANELS]
    words = f"{found.compartments} compartment{'s' * (found.compartments > 1)}"
    tried = ", ".join(f"{value:.1f} of {number}" for number, value in found.aicc.items())
    caption = f"weights {found.weights}; AICc by number of compartments: {tried}"
    if left := len(found.fits) + len(found.failed) - len(drawn):
        caption += f"; not drawn: {left} subject{'s' * (left > 1)}"
    sheet = canvas.Sheet(
        fig, 5.2 if len(drawn) < 2 else 10.0, title=f"{words} fitted: {found.samples.column}",
        caption=f"{caption} · angiosim {__version__}",
    )  # fmt: skip
    across = sheet.across(style.points(_LEAST_IN), min(ACROSS, len(drawn)))
    axes = sheet.panels(len(drawn), across, sharey=True)
    others = {fit.subject: fit for fit in found.others}
    scale = found.samples.mg_per_L
    for ax, fit in zip(axes, drawn, strict=True):
        _fit(ax, fit, others.get(fit.subject), scale)
        ax.set_ylabel(f"concentration, {found.samples.unit}")
    _outer_labels(axes, across)
    levels = np.concatenate([fit.concentration for fit in drawn]) / scale
    axes[0].set_ylim(0.4 * levels.min(), 2.0 * levels.max())
    style.log_axis(axes[0].yaxis)
    handles = [
        Line2D([], [], marker="o", ls="", mfc="white", color=style.BLUE, label="sample"),
        Line2D([], [], color=style.VERMILION, label=words),
    ]
    if others:
        other = "1 compartment" if found.compartments == 2 else "2 compartments"
        handles.append(Line2D([], [], color=style.QUIET, ls="--", lw=1.0, label=other))
    sheet.legend(handles)
    high = (4.2 if len(drawn) == 1 else _HIGH_IN) * -(-len(drawn) // across)
    return sheet.done(axes[::across], high)


def _fit(ax: Axes, fit: Fit, other: Fit | None, scale: float) -> None:
    ax.set_yscale("log")
    first, last = fit.doses[0].at_h, float(fit.time_h[-1])
    times = np.unique(np.concatenate([
        np.linspace(first, last + 0.05 * (last - first), 400),
        *(dose.at_h + np.array([-1e-6, 0.0, 1e-6]) * (last - first) for dose in fit.doses),
    ]))  # fmt: skip
    times = times[times >= first]
    for one, look, width in ((other, "--", 1.0), (fit, "-", 1.4)):
        if one is not None:
            level = one.curve(times) / scale
            colour = style.VERMILION if one is fit else style.QUIET
            ax.plot(times, np.where(level > 0.0, level, np.nan), look, color=colour, lw=width)
    ax.plot(fit.time_h, fit.concentration / scale, "o", mfc="white", color=style.BLUE,
            ms=style.points(5), zorder=3)  # fmt: skip
    half = f"half-life {style.number(fit.values['half_life_h'])} h"
    ax.set_title("\n".join(filter(None, [fit.subject, half])), loc="left", size=style.points(9))
    ax.set_xlabel("time, h")
    ax.xaxis.set_major_locator(MaxNLocator(5))


def _outer_labels(axes: list[Axes], across: int) -> None:
    """Name the axes of the first panel of each row and of the last of each column."""
    for place, ax in enumerate(axes):
        if place % across:
            ax.set_ylabel("")
            ax.tick_params(labelleft=False)
        if place + across < len(axes):
            ax.set_xlabel("")
