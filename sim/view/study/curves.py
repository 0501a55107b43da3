"""Pictures of dose-responses: curves of several groups in one axes, and a map of IC50s."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import Any, Final, cast

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from sim.fits.logistic import DoseResponse
from sim.version import __version__
from sim.view import style

_COLOURS: Final = (
    style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.INK,
)  # fmt: skip
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
_DOT: Final = " · "
INPUT: Final = "potency is an input of the model, not its finding"
_ROW: Final = 50  # letters of the name of a row
_GAP: Final = 0.55  # decades between dose 0 and the lowest other dose


def draw_dose_response(
    fits: Mapping[str, DoseResponse],
    ax: Axes | None = None,
    *,
    response: str = "response",
    drug: str = "free drug",
    unit: str = "nM",
    controls: Mapping[str, float] | None = None,
    title: str = "",
    origin: str = "",
) -> Axes:
    """Draw the dose-responses of one or several groups on a logarithmic axis of doses.

    Points are means with standard errors, lines the fitted logistic, bands its pointwise 95 %
    limits (not with two replicates, nor below 0 where no point is). Dose 0 stands left of a break
    in the axis. Each IC50 is marked above the axis with its limits, an arrow where they are open. A
    group without a fit shows its points.

    Parameters
    ----------
    fits : mapping of str to DoseResponse
        The groups by name, such as ligands; drawn in this order.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, with title and provenance, if left out.
    response, drug, unit : str
        Words on the axes: what is measured, with its unit, such as ``"network length (mm)"``; what
        is dosed, such as ``"free anlotinib"``; the unit of doses.
    controls : mapping of str to float, optional
        Levels of controls by name, drawn as dotted lines.
    title, origin : str
        For a new figure: what is shown, and where it comes from, such as seeds and study.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If there is no dose above 0 to draw.
    """
    positive = [dose for fit in fits.values() for dose in fit.doses if dose > 0]
    if not positive:
        raise ValueError("there is no dose above 0 to draw")
    if ax is None:
        with style.house_style():
            ax = style.new_figure(9, 5.6).add_axes((0.09, 0.185, 0.615, 0.70))
            draw_dose_response(fits, ax, response=response, drug=drug, unit=unit, controls=controls)
            legend = cast(Legend, ax.get_legend())
            legend.set_loc("upper left")
            legend.set_bbox_to_anchor((1.01, 1.0))
            _make_room(ax, legend)
            _words(ax, title or "Dose-response", _about(fits.values()), origin)
        return ax

    lowest, highest = min(positive), max(positive)
    zero = lowest / 10**_GAP if any(0 in fit.doses for fit in fits.values()) else None
    ax.set_xscale("log")
    ax.set_xlim((zero or lowest) / 10**0.2, highest * 10**0.2)
    looks = list(zip(fits.items(), cycle(_COLOURS), cycle(_MARKERS), strict=False))
    for (_, fit), colour, marker in looks:
        _points(ax, fit, zero, colour, marker)
        _line(ax, fit, zero, lowest, highest, colour, 0.3 / (1 + len(fits)))
    _levels(ax, controls or {})
    _response_axis(ax, fits, list((controls or {}).values()))
    for place, ((_, fit), colour, marker) in enumerate(looks):
        _mark_ic50(ax, fit, len(fits) - 1 - place, colour, marker, lowest, highest)
    dose_axis(ax, zero, lowest, highest)
    ax.set_xlabel(f"{style.one_line(drug, 60)} ({unit})", size=11)
    ax.set_ylabel(response, size=11)
    ax.legend(
        handles=[
            Line2D([], [], color=colour, marker=marker, markersize=6.5, linewidth=1.8,
                   label=f"{_wrapped(name, 40, lines=3)}\n{_ic50_words(fit, unit)}")
            for (name, fit), colour, marker in looks
        ],
        loc="upper right",
        frameon=False,
        labelspacing=1.0,
        fontsize=10 * style.text_scale(ax),
    )  # fmt: skip
    style.plain_text(ax)
    return ax


def draw_panels(
    panels: Mapping[str, Mapping[str, DoseResponse]],
    *,
    responses: Mapping[str, str],
    drug: str = "free drug",
    unit: str = "nM",
    controls: Mapping[str, Mapping[str, float]] | None = None,
    title: str = "",
    origin: str = "",
) -> Axes:
    """Draw dose-responses in several panels, each as `draw_dose_response` does.

    Parameters
    ----------
    panels : mapping of str to mapping of str to DoseResponse
        By the panel's name its groups by name, in order.
    responses : mapping of str to str
        By the panel's name what is measured there.
    drug, unit, title, origin : str
        As for `draw_dose_response`.
    controls : mapping of str to mapping of str to float, optional
        By the panel's name its controls by name.

    Returns
    -------
    matplotlib.axes.Axes
        The first.

    Raises
    ------
    ValueError
        If there is no panel, or one without a dose above 0.
    """
    if not panels:
        raise ValueError("there is no dose above 0 to draw")
    across = min(len(panels), 3 if len(panels) < 7 else 4)
    down = math.ceil(len(panels) / across)
    above = 0.5 + 0.19 * max(len(fits) for fits in panels.values())  # in: the legends
    letters = max(len(name) for fits in panels.values() for name in fits) + 34  # with the IC50
    wide, high = min(max(3.65, 0.068 * letters), 6.0), 3.3
    height = (high + above + 0.65) * down + 1.05
    with style.house_style():
        figure = style.new_figure(wide, height)
        for name, fits in panels.items():
            ax = figure.add_axes((0, 0, 1, high / height))
            draw_dose_response(
                fits, ax, response=responses[name], drug=drug, unit=unit,
                controls=(controls or {}).get(name),
            )  # fmt: skip
            old = cast(Legend, ax.get_legend())
            words = [
                f"{style.one_line(arm, 40)}: {_ic50_words(fit, unit)}" for arm, fit in fits.items()
            ]
            handles = cast(list[Artist], old.legend_handles)
            ax.legend(
                handles, words, title=style.one_line(name, int(10 * wide)), alignment="left",
                frameon=False, loc="lower left", bbox_to_anchor=(-0.03, 0.99), fontsize=9.5,
                labelspacing=0.3, title_fontproperties={"size": 11, "weight": "bold"},
            )  # fmt: skip
        left = max(map(_overhang, figure.axes)) + 0.15  # in, for the labels of the y axes
        pitch = wide + left + 0.1
        width = pitch * across + 0.1
        figure.set_figwidth(width)
        for place, ax in enumerate(figure.axes):
            row, column = divmod(place, across)
            bottom = height - 0.5 - (high + above + 0.65) * row - above - high
            ax.set_position(
                ((pitch * column + left) / width, bottom / height, wide / width, high / height)
            )
        first = figure.axes[0]
        _words(
            first,
            title or "Dose-response",
            _about(f for p in panels.values() for f in p.values()),
            origin,
        )
    return first


def _about(fits: Iterable[DoseResponse]) -> str:
    """Return what points, lines and bands are."""
    fits = list(fits)
    counts = sorted({fit.replicates for fit in fits if fit.doses})
    number = f"{' or '.join(map(str, counts))} replicate{'' if counts == [1] else 's'}"
    about = f"values of {number}" if counts == [1] else f"mean ± standard error of {number}"
    about += f"{_DOT}logistic"
    if any(map(_has_band, fits)):
        about += " with 95 % band"
    elif fits:
        about += f", no band with {number}"
    if not all(fit.determined for fit in fits):
        about += f"{_DOT}dashed: IC50 not determined"
    return about


def _overhang(ax: Axes) -> float:
    """Return how far labels reach to the left of axes, in inches."""
    box = ax.yaxis.get_tightbbox()
    return 0.0 if box is None else (ax.bbox.x0 - box.x0) / ax.figure.dpi


def _make_room(ax: Axes, legend: Legend) -> None:
    """Enlarge a figure with one axes until its labels and the legend beside it are within."""
    figure = cast(Figure, ax.figure)
    dpi = figure.dpi
    size, box = figure.get_size_inches(), ax.get_position()
    left, bottom, wide, high = np.array(box.bounds) * (*size, *size)
    extent = legend.get_window_extent()
    shift = max(0.0, _overhang(ax) + 0.15 - left)
    width = max(size[0], extent.x1 / dpi + shift + 0.15)
    more = max(0.0, bottom - extent.y0 / dpi)
    figure.set_size_inches(width, size[1] + more)
    height = size[1] + more
    ax.set_position(((left + shift) / width, bottom / height, wide / width, (high + more) / height))


def _is_flat(fit: DoseResponse) -> bool:
    """Whether no response was found: the curve is a constant."""
    return bool(fit.left_out) and fit.left_out[0][3] == 0.0


def _has_band(fit: DoseResponse) -> bool:
    """Whether limits of the curve mean something: of two replicates they do not."""
    return len(fit.left_out) > 3


def _ic50_words(fit: DoseResponse, unit: str) -> str:
    words = fit.words()
    if fit.ic50 is not None:
        return f"IC50 {words.replace(' (', f' {unit} (', 1)}"
    if words != "not determined":
        return f"IC50 {words} {unit}"
    return "no response found" if _is_flat(fit) else "IC50 not determined"


def _points(ax: Axes, fit: DoseResponse, zero: float | None, colour: str, marker: str) -> None:
    at = [dose if dose > 0 else zero for dose in fit.doses]
    ax.errorbar(
        at,  # type: ignore[arg-type]
        fit.means,
        yerr=[0.0 if error is None else error for error in fit.errors],
        color=colour,
        marker=marker,
        markersize=6,
        markeredgecolor="white",
        markeredgewidth=0.7,
        linestyle="none",
        elinewidth=1.3,
        capsize=2.5,
        zorder=4,
    )


def _line(
    ax: Axes,
    fit: DoseResponse,
    zero: float | None,
    lowest: float,
    highest: float,
    colour: str,
    alpha: float,
) -> None:
    if not fit.left_out:
        return
    pieces = [(np.geomspace(lowest / 1.25, highest * 1.25, 300),) * 2]
    if zero is not None and 0 in fit.doses:
        pieces.append((np.geomspace(zero / 1.35, zero * 1.35, 2), np.zeros(2)))
    dashes: Any = "-" if fit.determined else (0, (4, 2))
    for at, dose in pieces:
        if _has_band(fit):
            low, high = fit.band(dose)
            if min(fit.means) >= 0:  # a length or a count
                low = np.maximum(low, 0.0)
            if not _is_flat(fit):
                ax.fill_between(at, low, high, color=colour, alpha=alpha, linewidth=0, zorder=2)
            ax.plot(at, low, at, high, color=colour, alpha=0.4, linewidth=0.6, zorder=2)
        ax.plot(at, fit.curve(dose), color=colour, linewidth=1.8, linestyle=dashes, zorder=3)


def _levels(ax: Axes, controls: Mapping[str, float]) -> None:
    for name, level in controls.items():
        ax.axhline(level, color=style.QUIET, linewidth=1, linestyle=":", zorder=1)
        ax.annotate(
            style.one_line(name, 60),
            (0, level),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            size=9.5 * style.text_scale(ax),
            color=style.QUIET,
        )


_RUNG: Final = 0.032  # of the height, between the marks of two IC50s


def _response_axis(ax: Axes, fits: Mapping[str, DoseResponse], levels: list[float]) -> None:
    """Fit the axis to the points, and leave room below for the marks of the IC50s."""
    points = [
        mean + side * (error or 0.0)
        for fit in fits.values()
        for mean, error in zip(fit.means, fit.errors, strict=True)
        for side in (-1, 1)
    ]
    low, high = min(points + levels), max(points + levels)
    if high - low <= 1e-9 * abs(high):  # all the same: ticks need a range, from 0 on
        low, high = (0.0, 1.0) if high == low == 0 else (min(low, 0.0), max(high, 0.0))
    if 0 < low < 0.35 * high:
        low = 0.0
    size = high - low
    room = _RUNG * (len(fits) + 1.5)
    ax.set_ylim(low - size * (room / (1 - room) + 0.03), high + 0.06 * size)
    ax.ticklabel_format(axis="y", useOffset=False)
    # No tick below what is measured: the room is for the marks.
    ticks = MaxNLocator(6).tick_values(low, high)
    least = 0.0 if low >= 0 else -math.inf
    ax.yaxis.set_major_locator(
        FixedLocator([t for t in ticks if t >= max(low - 0.03 * size, least)])
    )


def _mark_ic50(
    ax: Axes,
    fit: DoseResponse,
    rung: int,
    colour: str,
    marker: str,
    lowest: float,
    highest: float,
) -> None:
    """Mark an IC50 and its limits above the axis, with an arrow where a side is open."""
    if fit.ic50_low is None and fit.ic50_high is None:
        return
    across = ax.get_xaxis_transform()
    y = _RUNG * (rung + 1)
    low = lowest if fit.ic50_low is None else fit.ic50_low
    high = highest if fit.ic50_high is None else fit.ic50_high
    ends = [(low, "<" if fit.ic50_low is None else "|")]
    ends.append((high, ">" if fit.ic50_high is None else "|"))
    ax.plot([low, high], [y, y], color=colour, linewidth=2, transform=across, zorder=3)
    for x, shape in ends:
        ax.plot(x, y, marker=shape, color=colour, markersize=6, transform=across, zorder=3)
    if fit.ic50 is None:
        return
    half = float(fit.curve(fit.ic50))
    bottom, top = ax.get_ylim()
    ax.plot(
        [fit.ic50] * 2,
        [y, (half - bottom) / (top - bottom)],
        color=colour,
        linewidth=0.9,
        linestyle=":",
        transform=across,
        zorder=2,
    )
    ax.plot(
        fit.ic50,
        y,
        marker=marker,
        color=colour,
        markersize=6,
        markeredgecolor="white",
        markeredgewidth=0.7,
        transform=across,
        zorder=4,
    )


def dose_axis(ax: Axes, zero: float | None, lowest: float, highest: float) -> None:
    """Label decades and dose 0, and break the axis between 0 and the lowest dose."""
    near = 0.13  # decades: 0.1 is labelled though the lowest dose is 0.125
    first = math.ceil(math.log10(lowest) - near)
    ticks = [10.0**p for p in range(first, math.floor(math.log10(highest) + near) + 1)]
    if len(ticks) < 2:
        ticks = sorted({lowest, highest, *ticks})
    minor = LogLocator(subs=range(2, 10), numticks=99).tick_values(lowest, highest)
    if zero is not None:
        ticks = [zero, *ticks]
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_minor_locator(FixedLocator([t for t in minor if lowest <= t <= highest]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: "0" if x == zero else f"{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    if zero is None:
        return
    middle = math.sqrt(zero * lowest)
    across = ax.get_xaxis_transform()
    whole = {"transform": across, "clip_on": False}
    ax.add_patch(
        Rectangle((middle / 1.06, -0.012), middle * 0.12, 0.024, color="white", zorder=9, **whole)  # type: ignore[arg-type]
    )
    for x in (middle / 1.06, middle * 1.06):
        ax.plot(
            [x / 1.05, x * 1.05],
            [-0.016, 0.016],
            color=style.QUIET,
            linewidth=1,
            zorder=10,
            **whole,  # type: ignore[arg-type]
        )


def _words(ax: Axes, title: str, about: str, origin: str) -> None:
    """Write the title above, and below what is shown, where it comes from, and the caveat."""
    figure = cast(Figure, ax.figure)
    height = figure.get_figheight()
    left = 0.25 / figure.get_figwidth()
    letters, most = (int(each * figure.get_figwidth()) - 8 for each in (15, 9.2))
    figure.text(
        left, 1 - 0.15 / height, style.one_line(title, min(90, most)), size=14, weight="bold",
        va="top",
    )  # fmt: skip
    source = _DOT.join(filter(None, [origin, INPUT, f"angiosim {__version__}"]))
    lines = [*textwrap.wrap(about, letters)[:3], *textwrap.wrap(source, letters)[:3]]
    figure.text(left, 0.12 / height, "\n".join(lines), size=9, color=style.QUIET, va="bottom")


def _wrapped(name: str, width: int = 20, lines: int = 4) -> str:
    """Return a name in lines, cut where there would be more of them."""
    return textwrap.fill(name, width, max_lines=lines, placeholder="…")
