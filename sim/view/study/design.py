"""Picture of a design: each target over the dose, and the schedules side by side."""

from __future__ import annotations

from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D

from sim.design.design import PICTURE
from sim.design.plan import Target
from sim.design.result import Curve, Design, Found
from sim.version import __version__
from sim.view import canvas, style
from sim.view.study.doses import DRUG

_COLOURS: Final = (
    style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY,
)  # fmt: skip
_LEAST_IN: Final = 3.4  # how wide a panel is at least, with text of 10 pt
_HIGH_IN: Final = 2.6  # and how high


@style.house_style()
def draw_design(result: Design, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw each target over the dose, then the dose that each schedule takes.

    Parameters
    ----------
    result : Design
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.
    """
    targets = [target for target in result.plan.targets if not target.limit]
    count = len(targets) + 1
    known = {name: value for name, value in result.drug.items() if value is not None}
    about = ", ".join(f"{DRUG.get(name, name)} {value}" for name, value in known.items())
    caption = f"{about}; angiosim {__version__}\n{_legend_words(result)}"
    sheet = canvas.Sheet(fig, max(7.0, 4.4 * count), title=result.plan.name, caption=caption)
    colours = dict(zip((one.schedule.name for one in result.found), cycle(_COLOURS)))
    if len(colours) > 1:
        sheet.legend([Line2D([], [], color=colour, label=style.one_line(name, 40))
                      for name, colour in colours.items()])  # fmt: skip
    across = sheet.across(style.points(_LEAST_IN), count)
    panels = sheet.panels(count, across)
    for ax, target in zip(panels, targets, strict=False):
        for one in result.found:
            for curve in one.curves:
                if curve.target == target:
                    _over_dose(ax, curve, one, colours[one.schedule.name])
        _frame(ax, target, result)
    _side_by_side(panels[-1], result, colours)
    high = max(_HIGH_IN, 0.45 * len(result.found))
    return sheet.done(panels[::across], high * -(-count // across))


def drawings_of(result: Design) -> canvas.Drawings:
    """Return how to draw the picture of a design."""
    return {Path(PICTURE).stem: partial(draw_design, result)}


def save_design(result: Design, folder: Path) -> None:
    """Draw the picture into the folder of the design."""
    canvas.save_pictures(
        {PICTURE: partial(draw_design, result)}, folder, canvas.marks_of(result.plan)
    )


def _legend_words(result: Design) -> str:
    words = "dashed: the target; dotted: the dose before rounding; square: the dose chosen"
    if any(c.bands is not None and not c.target.of_tissue for o in result.found for c in o.curves):
        words += f"; band: 5th to 95th percentile of {result.plan.subjects:,} subjects"
    if any(target.of_tissue for target in result.plan.targets):
        words += "; bars: 95 % confidence limits"
    return words


def _over_dose(ax: Axes, curve: Curve, one: Found, colour: str) -> None:
    if curve.target.of_tissue:
        assert curve.bands is not None
        spread = [curve.values - curve.bands[0], curve.bands[2] - curve.values]
        ax.errorbar(
            curve.doses, curve.values, spread, fmt="o", ms=4, lw=1, color=colour, clip_on=False
        )  # those at the ends of the range in full
    else:
        ax.plot(curve.doses, curve.values, color=colour)
        if curve.bands is not None:
            ax.fill_between(
                curve.doses, curve.bands[0], curve.bands[2], color=colour, alpha=0.12, linewidth=0
            )
    if one.dose is not None:
        ax.axvline(one.dose, color=colour, linewidth=1, linestyle=":")


def _frame(ax: Axes, target: Target, result: Design) -> None:
    ax.axhline(target.value, color=style.INK, linewidth=1, linestyle="--")
    _dose_axis(ax, result)
    if target.of.startswith("inhibition.") and target.statistic != "hours_above":
        ax.set_ylim(0, 1)
    else:
        ax.set_ylim(bottom=0)
    label = f"{target.quantity} ({target.unit})" if target.unit else target.quantity
    ax.set_ylabel(canvas.wrapped(label, style.points(10), style.points(_HIGH_IN), lines=2))


def _side_by_side(ax: Axes, result: Design, colours: dict[str, str]) -> None:
    rows = range(len(result.found))
    for row, one in zip(rows, result.found, strict=True):
        colour = colours[one.schedule.name]
        if one.dose is not None:
            ax.plot(one.dose, row, "o", color=colour, mfc="white", clip_on=False)
        if one.chosen is None:
            words = "no dose" if one.dose is None else "no strength"
            ax.text(0.02, row, words, transform=ax.get_yaxis_transform(), va="center",
                    color=style.QUIET)  # fmt: skip
            continue
        ax.plot(one.chosen, row, "s", color=colour, clip_on=False)
        share = "" if one.all_share is None else f"{100 * one.all_share:.0f} % of subjects"
        ax.annotate(
            share, (one.chosen, row), (0, style.points(6)), textcoords="offset points",
            ha="center", size=style.points(8.5),
            color=style.QUIET,
        )  # fmt: skip
    for strength in result.plan.vary.strengths:
        ax.axvline(strength, color=style.FRAME, linewidth=0.8, zorder=0)
    _dose_axis(ax, result, "least dose, ")
    ax.set_ylim(len(result.found) - 0.5, -0.7)
    ax.set_yticks(
        list(rows),
        [
            canvas.wrapped(one.schedule.name, style.points(10), style.points(1.2), lines=2)
            for one in result.found
        ],
    )


def _dose_axis(ax: Axes, result: Design, what: str = "") -> None:
    """Make x the range of doses, on a logarithmic scale."""
    vary = result.plan.vary
    name = "loading dose" if vary.key.endswith("loading") else "each dose"
    name = "free drug" if vary.key.endswith("free_nM") else name
    label = f"{what}{name} ({vary.unit})" if vary.unit else f"{what}{name}"
    ax.set(xscale="log", xlim=(vary.low, vary.high), xlabel=label)
    style.log_axis(ax.xaxis)
