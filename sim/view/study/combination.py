"""Picture of combined blockades: what they do together, beside what they let expect."""

from __future__ import annotations

import textwrap
from itertools import cycle
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sim.analysis.combination import Combinations
from sim.analysis.dose_response import differing
from sim.errors import InputError
from sim.fits.combination import Comparison
from sim.version import __version__
from sim.view import style
from sim.view.study.curves import INPUT, dose_axis
from sim.view.words import drug_and_unit, readout_words

Array = NDArray[np.float64]

_WIDE: Final = 3.0  # in, of a panel
_HIGH: Final = 2.35
_LEAST: Final = 7.2  # in, of the figure: its words need as much
_PARTS: Final = (
    (style.GREEN, "-", "^"), (style.PURPLE, "--", "s"), (style.ORANGE, "-.", "D"),
    (style.SKY, (0, (1, 1)), "v"), (style.QUIET, "-", "P"),
)  # fmt: skip


def draw_combinations(found: Combinations, origin: str = "") -> Axes:
    """Draw each combination in a panel of its own: dose across, inhibition in % upwards.

    Points are measured, with 95 % limits: full where they differ from Bliss independence beyond
    the limits of the difference. Dashed is Bliss with its limits, dotted is Loewe where it is
    defined, and thin lines are the parts alone, each named in the legend.

    Parameters
    ----------
    found : Combinations
    origin : str
        Where it comes from, such as the study.

    Returns
    -------
    matplotlib.axes.Axes
        The first.

    Raises
    ------
    InputError
        If no combination has been measured; it says why.
    """
    group, parts = found.group, found.parts
    drug, unit = drug_and_unit(found.dose)
    dose = f"{style.one_line(drug, 40)} ({unit})"
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
    width = max(_WIDE * len(columns) + 0.9, _LEAST)
    wide = (width - 0.9) / len(columns)
    names_of_parts = dict.fromkeys(part for arm in columns for part in parts[arm])
    looks = dict(zip(names_of_parts, cycle(_PARTS), strict=False))
    with style.house_style():
        figure = style.new_figure(width, 1.0)
        legend = style.add_legend(
            figure, _handles(looks), 4, loc="upper left", fontsize=9.5, labelspacing=0.3,
            columnspacing=1.5,
        )  # fmt: skip
        above = 0.42 + legend.get_window_extent().height / figure.dpi + 0.3
        height = above + (_HIGH + 0.6) * len(rows) + 0.85
        figure.set_figheight(height)
        legend.set_bbox_to_anchor((0.15 / width, 1 - 0.38 / height))
        for down, (context, arms) in enumerate(rows.items()):
            for across, arm in enumerate(columns):
                if arm not in arms:
                    continue
                left, bottom = 0.85 + wide * across, height - above - (_HIGH + 0.6) * down - _HIGH
                box = (left / width, bottom / height, (wide - 0.55) / width, _HIGH / height)
                ax = figure.add_axes(box)
                alone = {part: arms[part] for part in parts[arm] if part in arms}
                _panel(ax, arms[arm], alone, looks)
                words = style.one_line(f"{context}: {arm}" if context else arm, int(11 * wide))
                ax.set_title(words, size=10, weight="bold", loc="left")
                if across == 0:
                    ax.set_ylabel("inhibition (%)", size=10)
                if down == len(rows) - 1:
                    ax.set_xlabel(dose, size=10)
        what = f": {readout_words(found.response)}"
        title = style.one_line(found.study, min(90, int(8.2 * width)) - len(what)) + what
        figure.text(0.25 / width, 1 - 0.15 / height, title, size=14, weight="bold", va="top")
        about = ("inhibition: % of the difference between stimulated and unstimulated control · "
                 "bars and bands: 95 % limits over replicates")  # fmt: skip
        source = " · ".join(filter(None, [origin, INPUT, f"angiosim {__version__}"]))
        lines = [line for text in (about, source)
                 for line in textwrap.wrap(text, int(14 * width) - 8)[:2]]  # fmt: skip
        figure.text(0.25 / width, 0.12 / height, "\n".join(lines), size=9, color=style.QUIET,
                    va="bottom")  # fmt: skip
    return figure.axes[0]


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
