"""Read-outs over time."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from sim.assays import DRIVE, assay, readout
from sim.scenario.exposure import potency_label
from sim.view import canvas, style
from sim.view.run import frame
from sim.view.run.frame import Snapshot

_COLOURS: Final = (
    style.SKY, style.BLUE, style.ORANGE, style.VERMILION, style.PURPLE, style.GREEN,
)  # fmt: skip
WIDTH: Final = 9.0  # in
PANEL_IN: Final = 1.25
"""How high a panel is, with text of 10 pt."""
_LINE_IN: Final = 0.17
"""How high a row of text is, with its distance from the next."""
_Line = tuple[str, str, str]
"""A column, its label and its colour."""


def _panels(result: Snapshot) -> list[tuple[str, list[_Line]]]:
    """Return the panels of the time series that this run can fill: axis label and lines."""
    colours = cycle(_COLOURS)
    panels: list[tuple[str, list[_Line]]] = [
        (label, [(name, readout(name).words, next(colours)) for name in names])
        for label, names in assay(result.scenario.assay).panels
    ]
    drug = frame.drug_given(result)
    if frame.has_signalling(result):
        signal: list[_Line] = [(DRIVE.name, DRIVE.words, style.INK)]
        if drug:
            inhibition = [c for c in map(str, result.timeseries) if c.startswith("inhibition_")]
            signal += [
                (column, f"{column.removeprefix('inhibition_')} inhibited", colour)
                for column, colour in zip(inhibition, cycle(frame.RECEPTOR_COLOURS), strict=False)
            ]
        panels.append(("signal (0-1)", signal))
    if drug:
        unbound: list[_Line] = [("free_nM", drug.name, style.INK)]
        if result.scenario.partner is not None:
            unbound.append(("partner_free_nM", result.scenario.partner.name, style.VERMILION))
        panels.append(("unbound drug (nM)", unbound))
    present = set(result.timeseries.columns)
    panels = [(label, [line for line in lines if line[0] in present]) for label, lines in panels]
    return [(label, lines) for label, lines in panels if lines]


@style.house_style()
def draw_timeseries(result: Snapshot, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the read-outs over time: lengths, counts, fractions, signals, unbound drug.

    Signals are shown for a run that has signalling, inhibition and unbound drug for a run with
    drug. Gaps in a line are times at which a read-out has no value.

    Parameters
    ----------
    result : Result
        A finished run with at least one record.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    panels, pauses = _panels(result), frame.pauses(result)
    doses = frame.between_records(result)
    hours = 24.0 if assay(result.scenario.assay).clock == "d" else 1.0
    caption = frame.origin(result, moment=False)
    if (drug := frame.drug_given(result)) and frame.has_signalling(result):
        # Potency is an input of the model, never its finding, and its origin is debated.
        potency = potency_label(drug)
        caption += f"\ninhibition follows from IC50 set “{potency}”; on its origin see the docs"
    sheet = canvas.Sheet(
        fig, WIDTH, title="Read-outs over time", subtitle=frame.treatment(result), caption=caption
    )
    lines_of = [_wrapped(lines, sheet.width_in) for _, lines in panels]
    high_in = [max(PANEL_IN, _LINE_IN * _rows(lines)) for lines in lines_of]
    axes = sheet.panels(len(panels), 1, sharex=True, height_ratios=high_in)
    for ax, (label, lines) in zip(axes, panels, strict=True):
        _draw_panel(ax, result.timeseries, doses, label, lines, hours)
        for first_h, last_h in pauses:
            ax.axvspan(first_h / hours, last_h / hours, color=style.DAYS_OFF, zorder=0, linewidth=0)
    clock = "time (days)" if hours > 1 else readout("time_h").label
    axes[-1].set_xlabel(clock + ", grey: days off" * bool(pauses))
    sheet.body.align_ylabels(axes)
    if not sheet.is_new:
        sheet.lay_out()
        high_in = [ax.get_window_extent().height / sheet.figure.dpi for ax in axes]
    else:
        high_in = [style.points(high) for high in high_in]
    for ax, lines, high in zip(axes, lines_of, high_in, strict=True):
        _label_line_ends(ax, result.timeseries, lines, high)
    return sheet.done(axes, sum(high_in) / style.points(1.0))


def _draw_panel(
    ax: Axes,
    table: pd.DataFrame,
    doses: pd.DataFrame | None,
    label: str,
    lines: Sequence[_Line],
    hours: float,
) -> None:
    """Draw some read-outs over time in units of so many hours, from `doses` what it has."""
    time = table["time_h"].to_numpy(dtype=float) / hours
    highest = 0.0
    for column, _, colour in lines:
        x, values = time, table[column].to_numpy(dtype=float)
        between = doses is not None and column in doses and len(time) > 1
        if doses is not None and between:
            x, values = (doses[name].to_numpy(dtype=float) for name in ("time_h", column))
            x, highest = x / hours, max(highest, float(values.max()))
        look: dict[str, Any] = {
            "color": colour, "linewidth": style.points(2.0), "clip_on": False
        }  # fmt: skip
        if len(time) == 1:
            look |= {"marker": "o", "markersize": style.points(6)}
        if not between and (column.endswith("free_nM") or column.startswith("inhibition_")):
            # Unbound drug jumps when the medium is changed, and inhibition with it.
            look["drawstyle"] = "steps-post"
        if column == "free_nM":
            step: Any = None if between else "post"
            ax.fill_between(x, values, step=step, color=style.SKY, alpha=0.25, linewidth=0)
        if between:
            look["linewidth"] = style.points(1.2)
        ax.plot(x, values, zorder=3, **look)
    ax.set_xlim(_time_limits(time))
    if len(time) == 1:
        ax.set_xticks(time)
    ax.set_ylim((0.0, 1.0) if "0-1" in label else _limits(table[[c for c, _, _ in lines]], highest))
    ax.set_ylabel(label)
    if "0-1" in label:
        ax.set_yticks([0, 0.5, 1])
    else:
        ax.yaxis.set_major_locator(MaxNLocator(4, integer=label == "number"))
    ax.grid(axis="y", color="#e6e4df", linewidth=0.8)
    ax.set_axisbelow(True)


def _time_limits(time: NDArray[np.float64]) -> tuple[float, float]:
    first, last = float(np.nanmin(time)), float(np.nanmax(time))
    return (first, last) if last > first else (first - 0.5, first + 0.5)


def _limits(values: pd.DataFrame, least: float) -> tuple[float, float]:
    """Return the ends of an axis on which 0 is, and `least`."""
    numbers = values.to_numpy(dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    lowest, highest = float(numbers.min(initial=0.0)), float(numbers.max(initial=least))
    return 1.08 * lowest, 1.08 * highest if highest > 0 or lowest < 0 else 1.0


def _wrapped(lines: Sequence[_Line], width_in: float) -> list[_Line]:
    """Return lines with labels that leave most of a width to the panels."""
    size, room = style.points(10), max(0.28 * width_in, 0.8)
    return [(name, canvas.wrapped(label, size, room, 3), colour) for name, label, colour in lines]


def _rows(lines: Sequence[_Line]) -> int:
    """Return how many rows of text labels take."""
    return sum(label.count("\n") + 1 for _, label, _ in lines)


def _label_line_ends(
    ax: Axes, table: pd.DataFrame, lines: Sequence[_Line], height_in: float
) -> None:
    """Write each line's name at its right end, moved apart where they would overlap."""
    row = style.points(_LINE_IN) / height_in
    bottom, top = ax.get_ylim()
    ends = []
    for column, label, colour in lines:
        known = table[column].dropna()
        last = float(known.iloc[-1]) if len(known) else 0.0
        ends.append(((last - bottom) / (top - bottom), label, colour))
    # Lines that end together keep the order of the panel, first on top.
    ends = sorted(reversed(ends), key=lambda end: end[0])
    high = [row * (label.count("\n") + 1) for _, label, _ in ends]
    for y, (_, label, colour) in zip(_spread([end[0] for end in ends], high), ends, strict=True):
        ax.annotate(
            label, (1, y), xycoords="axes fraction", xytext=(style.points(6), 0),
            textcoords="offset points", va="center", size=style.points(10), linespacing=1.05,
            color=_readable(colour), annotation_clip=False,
        )  # fmt: skip


def _spread(places: Sequence[float], high: Sequence[float]) -> list[float]:
    """Move rising places apart by their heights, each group staying about its own middle."""
    groups: list[tuple[float, list[float]]] = []  # the middle of each, and heights in it
    for place, own in zip(places, high, strict=True):
        groups.append((place, [own]))
        while len(groups) > 1:
            (low, below), (top, above) = groups[-2:]
            if top - low >= (sum(below) + sum(above)) / 2 - 1e-12:
                break
            count = len(below), len(above)
            middle = (low * count[0] + top * count[1]) / sum(count)
            groups[-2:] = [(middle, below + above)]
    out = []
    for middle, heights in groups:
        at = max(middle - sum(heights) / 2, -heights[0] / 2)
        for own in heights:
            out.append(at + own / 2)
            at += own
    return out


def _readable(colour: str) -> tuple[float, float, float]:
    """Return the colour dark enough for text on white, or light enough for it on a dark ground."""
    light = 0.0 if style.ink() == style.INK else 0.5
    red, green, blue = (light + (0.78 - light) * part for part in to_rgb(colour))
    return (red, green, blue)
