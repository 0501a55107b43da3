"""Pictures of dose-responses: curves of several groups in a panel, and several panels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import cycle
from typing import Any, Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from sim.fits.logistic import DoseResponse
from sim.version import __version__
from sim.view import canvas, style

Array = NDArray[np.float64]

_COLOURS: Final = (
    style.BLUE, style.VERMILION, style.GREEN, style.PURPLE, style.ORANGE, style.SKY, style.INK,
)  # fmt: skip
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")
UNSTIMULATED: Final = "unstimulated"
_LEVEL: Final[dict[str, Any]] = {"linewidth": 1.0, "linestyle": ":"}
DOT: Final = " · "
INPUT: Final = "potency is an input of the model, not a result"
_WIDE: Final = {1: 8.0, 2: 9.0, 3: 12.5}
"""Inches of a figure for a screen, by how many panels are in a row."""
_LEAST_IN: Final = 2.9
"""How wide a panel is at least, with text of 10 pt."""
_HIGH_IN: Final = 2.9
"""How high a panel is, with text of 10 pt."""
MOST_DECADES: Final = 6  # with a label
_GAP: Final = 0.55  # decades between dose 0 and the lowest other dose


class Single(NamedTuple):
    """Single values (N,) of a group at their doses, and which of them are outliers."""

    dose: Array
    value: Array
    outlier: NDArray[np.bool_]


@style.house_style()
def draw_dose_response(
    fits: Mapping[str, DoseResponse],
    *,
    ax: Axes | None = None,
    fig: Figure | SubFigure | None = None,
    response: str = "response",
    drug: str = "unbound drug",
    unit: str = "nM",
    controls: Mapping[str, float] | None = None,
    values: Mapping[str, Single] | None = None,
    title: str = "",
    origin: str = "",
    caveat: str = INPUT,
) -> Figure:
    """Draw the dose-responses of one or several groups on a logarithmic axis of doses.

    Points are means with standard errors, lines the fitted logistic, bands its pointwise 95 %
    limits (not with two replicates, nor below 0 where no point is). Dose 0 is left of a break
    in the axis. Each IC50 is marked above the axis with its limits, an arrow where they are open. A
    group without a fit shows its points.

    Parameters
    ----------
    fits : mapping of str to DoseResponse
        The groups by name, such as ligands; drawn in this order.
    ax : matplotlib.axes.Axes, optional
        Where to draw; the legend is then in the axes.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without `ax` and `fig`.
    response, drug, unit : str
        Words on the axes: what is measured, with its unit, such as ``"network length (mm)"``; what
        is dosed, such as ``"unbound anlotinib"``; the unit of doses.
    controls : mapping of str to float, optional
        Levels of controls, drawn as dotted lines: in the colour of the group of that name, or grey.
    values : mapping of str to Single, optional
        Single values by group, drawn small, outliers as crosses.
    title, origin, caveat : str
        What is shown, where it comes from, such as seeds and study, and what it does not show.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no dose above 0 to draw.
    """
    if ax is None:
        return draw_panels(
            {"": fits}, fig=fig, responses={"": response}, drug=drug, unit=unit,
            controls={"": controls or {}}, values={"": values or {}}, origin=origin, caveat=caveat,
            title=title or _heading(response, drug),
        )  # fmt: skip
    _check_doses(fits)
    canvas.into(ax, title)
    width = canvas.width_of(ax)
    legend = ax.legend(
        handles=_handles(fits, controls or {}, unit, 0.9 * width),
        frameon=False,
        loc="upper right",
        fontsize=style.points(9.5),
        labelspacing=0.3,
    )
    above = min(0.6, legend.get_window_extent().height / ax.get_window_extent().height + 0.03)
    _panel(ax, fits, response, drug, unit, controls or {}, values or {}, width, above)
    style.plain_text(ax)
    return canvas.figure_of(ax)


@style.house_style()
def draw_panels(
    panels: Mapping[str, Mapping[str, DoseResponse]],
    *,
    fig: Figure | SubFigure | None = None,
    responses: Mapping[str, str],
    drug: str = "unbound drug",
    unit: str = "nM",
    controls: Mapping[str, Mapping[str, float]] | None = None,
    values: Mapping[str, Mapping[str, Single]] | None = None,
    title: str = "",
    origin: str = "",
    caveat: str = INPUT,
) -> Figure:
    """Draw dose-responses in several panels, each as `draw_dose_response` does.

    Parameters
    ----------
    panels : mapping of str to mapping of str to DoseResponse
        By the panel's name its groups by name, in order.
    responses : mapping of str to str
        By the panel's name what is measured there.
    fig, drug, unit, title, origin, caveat
        As for `draw_dose_response`.
    controls : mapping of str to mapping of str to float, optional
        By the panel's name its controls by name.
    values : mapping of str to mapping of str to Single, optional
        By the panel's name its single values by group.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no panel, or one without a dose above 0.
    """
    for fits in panels.values():
        _check_doses(fits)
    if not panels:
        raise ValueError("there is no dose above 0 to draw")
    count = len(panels)
    sheet = canvas.Sheet(
        fig, _WIDE[min(count, 3)], title=style.sentence(title or _heading("dose-response", drug)),
        caption=_caption((f for p in panels.values() for f in p.values()), origin, caveat),
    )  # fmt: skip
    across = sheet.across(style.points(_LEAST_IN), min(count, 3))
    axes = sheet.panels(count, across)
    wide = sheet.width_in / across
    for (name, fits), ax in zip(panels.items(), axes, strict=True):
        levels = (controls or {}).get(name, {})
        _panel(ax, fits, responses[name], drug, unit, levels, (values or {}).get(name, {}), wide)
        heading = canvas.wrapped(name, style.points(13), wide - 0.6, lines=2)  # bold is wider
        ax.legend(
            handles=_handles(fits, levels, unit, wide - 0.5), title=heading, alignment="left",
            frameon=False, loc="lower left", bbox_to_anchor=(-0.03, 0.99), labelspacing=0.3,
            fontsize=style.points(9.5),
            title_fontproperties={"size": style.points(11), "weight": "bold"},
        )  # fmt: skip
    return sheet.done(axes[::across], _HIGH_IN * -(-count // across))


def _check_doses(fits: Mapping[str, DoseResponse]) -> None:
    if not any(dose > 0 for fit in fits.values() for dose in fit.doses):
        raise ValueError("there is no dose above 0 to draw")


def _heading(response: str, drug: str) -> str:
    """Return the default heading."""
    return f"{response.partition(' (')[0]} over {style.one_line(drug, 60)}"


def _looks(fits: Mapping[str, DoseResponse]) -> list[tuple[DoseResponse, str, str]]:
    """Return each group's fit, colour and marker."""
    return list(zip(fits.values(), cycle(_COLOURS), cycle(_MARKERS), strict=False))


def _handles(
    fits: Mapping[str, DoseResponse], controls: Mapping[str, float], unit: str, width_in: float
) -> list[Line2D]:
    """Return the entries of a legend as wide as this: groups with their IC50s, and controls."""
    size = style.points(9.5)
    room = width_in - 5 * size / 72

    def entry(words: str, **look: Any) -> Line2D:
        return Line2D([], [], label=canvas.wrapped(words, size, room, lines=4), **look)

    entries = []
    for name, (fit, colour, marker) in zip(fits, _looks(fits), strict=True):
        words = f"{style.one_line(name, 60)}: {_ic50_words(fit, unit)}"
        if "\n" in canvas.wrapped(words, size, room, lines=2):
            words = words.replace(": ", ":\n", 1)
        entries.append(entry(words, color=colour, marker=marker, markersize=style.points(6.5),
                             linewidth=style.points(1.8)))  # fmt: skip
    levels = dict.fromkeys(UNSTIMULATED if name in fits else name for name in controls)
    return [*entries, *(entry(name, **_LEVEL, color=style.QUIET) for name in levels)]


def _panel(
    ax: Axes,
    fits: Mapping[str, DoseResponse],
    response: str,
    drug: str,
    unit: str,
    controls: Mapping[str, float],
    values: Mapping[str, Single],
    width_in: float,
    above: float = 0.0,
) -> None:
    """Draw the groups in axes as wide as this with their words, below a share for a legend."""
    positive = [dose for fit in fits.values() for dose in fit.doses if dose > 0]
    lowest, highest = min(positive), max(positive)
    zero = lowest / 10**_GAP if any(0 in fit.doses for fit in fits.values()) else None
    ax.set_xscale("log")
    ax.set_xlim((zero or lowest) / 10**0.2, highest * 10**0.2)
    looks = _looks(fits)
    for fit, colour, marker in looks:
        _points(ax, fit, zero, colour, marker)
        _line(ax, fit, zero, lowest, highest, colour, 0.3 / (1 + len(fits)))
    own = {name: colour for name, (_, colour, _) in zip(fits, looks, strict=True)}
    for name, single in values.items():
        at = np.where(single.dose > 0, single.dose, zero or lowest)
        for which, shape in ((~single.outlier, "."), (single.outlier, "x")):
            ax.plot(at[which], single.value[which], shape, color=own[name], alpha=0.55,
                    markersize=style.points(4 if shape == "." else 7), zorder=3)  # fmt: skip
    for name, level in controls.items():
        ax.axhline(level, color=own.get(name, style.QUIET), zorder=1, **_LEVEL)
    more = [float(value) for single in values.values() for value in single.value]
    _response_axis(ax, fits, [*controls.values(), *more], above)
    for place, (fit, colour, marker) in enumerate(looks):
        _mark_ic50(ax, fit, len(fits) - 1 - place, colour, marker, lowest, highest)
    dose_axis(ax, zero, lowest, highest)
    label = style.one_line(drug, 60)
    label = f"{label} ({unit})" if unit else label
    size = style.points(10)
    ax.set_xlabel(canvas.wrapped(label, size, width_in, lines=3), size=size)
    ax.set_ylabel(canvas.wrapped(response, size, style.points(_HIGH_IN), lines=2), size=size)


def _caption(fits: Iterable[DoseResponse], origin: str, caveat: str) -> str:
    """Return what points, lines and bands are, and where they come from."""
    return f"{_about(fits)}\n{source(origin, caveat)}"


def source(origin: str, caveat: str = INPUT) -> str:
    """Return where a picture comes from, the caveat and the version."""
    return DOT.join(filter(None, [style.one_line(origin, 200), caveat, f"angiosim {__version__}"]))


def _about(fits: Iterable[DoseResponse]) -> str:
    """Return what points, lines and bands are."""
    fits = list(fits)
    counts = sorted({fit.replicates for fit in fits if fit.doses})
    what = "replicate" if any(fit.paired for fit in fits) else "value"
    number = f"{' or '.join(map(str, counts))} {what}{'' if counts == [1] else 's'}"
    if what == "value" and counts != [1]:  # of the dose that has the most
        number = f"up to {number}"
    about = f"values of {number}" if counts == [1] else f"mean ± standard error of {number}"
    about += f"{DOT}logistic"
    if any(map(_has_band, fits)):
        about += " with 95 % band"
    elif fits:
        about += f", no band with {number}"
    if not all(fit.determined for fit in fits):
        about += f"{DOT}dashed: IC50 not determined"
    return about


def is_flat(fit: DoseResponse) -> bool:
    """Whether no response was found: the curve is a constant."""
    return bool(fit.left_out) and fit.left_out[0][3] == 0.0


def _has_band(fit: DoseResponse) -> bool:
    """Whether limits of the curve mean something: of two replicates they do not."""
    return len(fit.left_out) > 3


def _ic50_words(fit: DoseResponse, unit: str) -> str:
    words = fit.words()
    if fit.ic50 is not None:
        return f"IC50 {words.replace(' (', f' {unit} (', 1) if unit else words}"
    if words != "not determined":
        return f"IC50 {words} {unit}".strip()
    return "no response found" if is_flat(fit) else "IC50 not determined"


def _points(ax: Axes, fit: DoseResponse, zero: float | None, colour: str, marker: str) -> None:
    at = [dose if dose > 0 else zero for dose in fit.doses]
    ax.errorbar(
        at,  # type: ignore[arg-type]
        fit.means,
        yerr=[0.0 if error is None else error for error in fit.errors],
        color=colour,
        marker=marker,
        markersize=style.points(6),
        markeredgecolor="white",
        markeredgewidth=style.points(0.7),
        linestyle="none",
        elinewidth=style.points(1.3),
        capsize=style.points(2.5),
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
            if not is_flat(fit):
                ax.fill_between(at, low, high, color=colour, alpha=alpha, linewidth=0, zorder=2)
            ax.plot(at, low, at, high, color=colour, alpha=0.4,
                    linewidth=style.points(0.6), zorder=2)  # fmt: skip
        ax.plot(at, fit.curve(dose), color=colour, linewidth=style.points(1.8),
                linestyle=dashes, zorder=3)  # fmt: skip


_RUNG: Final = 0.032  # of the height, between the marks of two IC50s


def _response_axis(
    ax: Axes, fits: Mapping[str, DoseResponse], levels: list[float], above: float
) -> None:
    """Fit the axis to the points; below is room for the marks of the IC50s, above for a legend."""
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
    bottom, top = low - size * (room / (1 - room) + 0.03), high + 0.06 * size
    ax.set_ylim(bottom, top + (top - bottom) * above / (1 - above))
    ax.ticklabel_format(axis="y", useOffset=False)
    # No tick below what is measured: the room is for the marks.
    ticks = MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
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
    thick, size = style.points(2), style.points(6)
    ax.plot([low, high], [y, y], color=colour, linewidth=thick, transform=across, zorder=3)
    for x, shape in ends:
        ax.plot(x, y, marker=shape, color=colour, markersize=size, transform=across, zorder=3)
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
        markersize=size,
        markeredgecolor="white",
        markeredgewidth=style.points(0.7),
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
    minor = [*ticks, *LogLocator(subs=range(2, 10), numticks=99).tick_values(lowest, highest)]
    ticks = ticks[:: -(-len(ticks) // MOST_DECADES)]
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
