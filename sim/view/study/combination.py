"""Picture of combined blockades: their effect together, beside that expected from the parts."""

from __future__ import annotations

from itertools import cycle
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sim.analysis.combination import Combinations
from sim.analysis.dose_response import differing
from sim.assays import readout
from sim.errors import InputError
from sim.fits.combination import Comparison
from sim.view import canvas, style
from sim.view.study.curves import DOT, dose_axis, source
from sim.view.study.doses import dose_label

Array = NDArray[np.float64]

_WIDE: Final = 3.0  # in, of a panel on a screen
_NARROW: Final = 2.2  # in, of one with text of 10 pt
_HIGH: Final = 2.1
_LEAST: Final = 7.2  # in, of the figure
_PARTS: Final = (
    (style.GREEN, "-", "^"), (style.PURPLE, "--", "s"), (style.ORANGE, "-.", "D"),
    (style.SKY, (0, (1, 1)), "v"), (style.QUIET, "-", "P"),
)  # fmt: skip


@style.house_style()
def draw_combinations(
    found: Combinations, *, fig: Figure | SubFigure | None = None, origin: str = ""
) -> Figure:
    """Draw each combination in a panel of its own: dose across, inhibition in % upwards.

    Points are measured, with 95 % limits: full where they differ from Bliss independence beyond
    the limits of the difference. Dashed is Bliss with its limits, dotted is Loewe where it is
    defined, and thin lines are the parts alone, each named in the legend.

    Parameters
    ----------
    found : Combinations
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.
    origin : str
        Where it comes from, such as what the study shows.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If no combination has been measured; it says why.
    """
    group, parts = found.group, found.parts
    names = [name for name in differing([labels for labels, _ in found.found]) if name != group]
    rows: dict[str, dict[str, list[Comparison]]] = {}
    for labels, comparisons in found.found:
        if any(one.inhibition is not None for one in comparisons):
            context = ", ".join(str(labels[name]) for name in names)
            rows.setdefault(context, {})[labels[group]] = comparisons
    columns = [arm for arm in parts if any(arm in row for row in rows.values())]
    if not columns:
        notes = {one.note: None for labels, comparisons in found.found
                 if labels[group] in parts for one in comparisons}  # fmt: skip
        why = "; ".join(filter(None, notes)) or "nothing has been measured"
        raise InputError(
            f"{found.study}: there is no combination of {found.response} to draw: {why}"
        )
    about = ("inhibition: % of the difference between stimulated and unstimulated control · "
             "bars and bands: 95 % limits over replicates")  # fmt: skip
    sheet = canvas.Sheet(
        fig, max(_LEAST, _WIDE * len(columns) + 0.4),
        title=f"Combined blockades: inhibition of {readout(found.response).words}",
        caption=f"{about}\n{source(DOT.join(filter(None, [found.study, origin])))}",
    )  # fmt: skip
    names_of_parts = dict.fromkeys(part for arm in columns for part in parts[arm])
    looks = dict(zip(names_of_parts, cycle(_PARTS), strict=False))
    sheet.legend(_handles(looks))
    shown = [(context, arm) for context, arms in rows.items() for arm in columns if arm in arms]
    across = sheet.across(style.points(_NARROW), len(columns))
    if across == len(columns):  # a row for each context
        shown = [(context, arm) for context in rows for arm in columns]
    axes = sheet.panels(len(shown), across)
    dose, size = dose_label(found.dose, found.drug), style.points(10)
    wide = sheet.width_in / across
    for place, ((context, arm), ax) in enumerate(zip(shown, axes, strict=True)):
        if arm not in rows[context]:
            ax.remove()
            continue
        arms = rows[context]
        alone = {part: arms[part] for part in parts[arm] if part in arms}
        _panel(ax, arms[arm], alone, looks)
        words = f"{context}: {arm}" if context else arm
        ax.set_title(canvas.wrapped(words, 1.1 * size, wide - 0.5, 2), weight="bold", loc="left")
        if place % across == 0:
            ax.set_ylabel("inhibition (%)")
        if place + across >= len(shown):
            ax.set_xlabel(canvas.wrapped(dose, size, wide - 0.5, 2))
    column = [ax for ax in axes[::across] if ax.figure]
    return sheet.done(column, _HIGH * len(column))


def _panel(
    ax: Axes,
    whole: list[Comparison],
    parts: dict[str, list[Comparison]],
    looks: dict[str, tuple[str, Any, str]],
) -> None:
    """Draw one combination over the dose."""
    ax.set_xscale("log")
    for name, part in parts.items():
        ax.plot(*_line(part, "inhibition"), **_look(looks[name]), zorder=2)
    dose, low = _line(whole, "bliss_low")
    ax.fill_between(dose, low, _line(whole, "bliss_high")[1], color=style.BLUE, alpha=0.15,
                    linewidth=0)  # fmt: skip
    ax.plot(*_line(whole, "bliss"), color=style.BLUE, linewidth=1.6, linestyle="--", zorder=3)
    ax.plot(*_line(whole, "loewe"), color=style.VERMILION, linewidth=1.8, linestyle=":", zorder=3,
            marker=".", markersize=4)  # fmt: skip
    dose, middle = _line(whole, "inhibition")
    ax.plot(dose, middle, color=style.INK, linewidth=1.2, zorder=4)
    ends = np.array([_line(whole, "inhibition_low")[1], _line(whole, "inhibition_high")[1]])
    ax.errorbar(dose, middle, yerr=np.nan_to_num(np.abs(ends - middle)), color=style.INK,
                linestyle="none", elinewidth=1.2, capsize=2.5, zorder=4)  # fmt: skip
    for one, y in zip(whole, middle, strict=True):
        face = style.INK if _differs(one) else "white"
        ax.plot(one.dose, y, marker="o", markersize=5.5, markerfacecolor=face,
                markeredgecolor=style.INK, zorder=5)  # fmt: skip
    ax.axhline(0, color=style.FRAME, linewidth=0.8, zorder=1)
    ax.set_ylim(min(-8.0, ax.get_ylim()[0]), max(108.0, ax.get_ylim()[1]))
    dose_axis(ax, None, min(dose), max(dose))


def _line(comparisons: list[Comparison], name: str) -> tuple[Array, Array]:
    """Return doses, and a quantity in %, NaN where it is not known."""
    values = [getattr(one, name) for one in comparisons]
    known = np.array([np.nan if value is None else 100.0 * value for value in values])
    return np.array([one.dose for one in comparisons]), known


def _differs(one: Comparison) -> bool:
    """Whether the limits of the excess over Bliss leave 0 out."""
    low, high = one.bliss_excess_low, one.bliss_excess_high
    return low is not None and high is not None and not low <= 0 <= high


def _look(look: tuple[str, Any, str]) -> dict[str, Any]:
    """Return how a part alone is drawn."""
    colour, dashes, marker = look
    return {"color": colour, "linestyle": dashes, "marker": marker, "markersize": 4,
            "linewidth": 1.2}  # fmt: skip


def _handles(looks: dict[str, tuple[str, Any, str]]) -> list[Any]:
    """Return the entries of the legend: what points and lines are."""
    dot: dict[str, Any] = {
        "marker": "o",
        "linestyle": "none",
        "markeredgecolor": style.INK,
        "markersize": 5.5,
    }
    return [
        Line2D([], [], markerfacecolor="white", label="measured", **dot),
        Line2D([], [], markerfacecolor=style.INK, label="measured, differs from Bliss", **dot),
        Line2D([], [], color=style.BLUE, linestyle="--", linewidth=1.6, label="Bliss"),
        Patch(color=style.BLUE, alpha=0.15, linewidth=0, label="limits of Bliss"),
        Line2D([], [], color=style.VERMILION, linestyle=":", linewidth=1.8, label="Loewe"),
        *(
            Line2D([], [], label=f"{style.one_line(name, 40)} alone", **_look(look))
            for name, look in looks.items()
        ),
    ]
