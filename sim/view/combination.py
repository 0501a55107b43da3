"""Picture of combined blockades: what they do together, beside what they let expect."""

from __future__ import annotations

import re
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from sim import __version__
from sim.assay.dose_response import Comparison
from sim.study.analysis import Combinations, differing
from sim.view import style
from sim.view.dose_response import INPUT

Array = NDArray[np.float64]

_WIDE: Final = 3.0  # in, of a panel
_HIGH: Final = 2.35


def draw_combinations(found: Combinations, origin: str = "") -> Axes:
    """Draw each combination in a panel of its own: dose across, inhibition in % upwards.

    Points are measured, with 95 % limits: full where they differ from Bliss independence beyond
    the limits of the difference. Dashed is Bliss with its limits, dotted is Loewe where it is
    defined, and thin lines are the parts alone.

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
    ValueError
        If no combination has been measured.
    """
    group, parts = found.group, found.parts
    dose = re.sub(r"_nM$", " (nM)", found.dose)
    names = [name for name in differing([labels for labels, _ in found.found]) if name != group]
    rows: dict[str, dict[str, list[Comparison]]] = {}
    for labels, comparisons in found.found:
        if any(one.inhibition is not None for one in comparisons):
            context = ", ".join(str(labels[name]) for name in names)
            rows.setdefault(context, {})[labels[group]] = comparisons
    columns = [arm for arm in parts if any(arm in row for row in rows.values())]
    if not columns:
        raise ValueError("there is no combination to draw")
    width, height = _WIDE * len(columns) + 0.9, (_HIGH + 0.6) * len(rows) + 2.0
    with style.house_style():
        figure = style.new_figure(width, height)
        for down, (context, arms) in enumerate(rows.items()):
            for across, arm in enumerate(columns):
                if arm not in arms:
                    continue
                left, bottom = 0.85 + _WIDE * across, height - 1.15 - (_HIGH + 0.6) * down - _HIGH
                box = (left / width, bottom / height, (_WIDE - 0.55) / width, _HIGH / height)
                ax = figure.add_axes(box)
                _panel(ax, arms[arm], [arms[part] for part in parts[arm] if part in arms])
                words = f"{context}: {arm}" if context else arm
                ax.set_title(words, size=10, weight="bold", loc="left", parse_math=False)
                if across == 0:
                    ax.set_ylabel("inhibition (%)", size=10)
                if down == len(rows) - 1:
                    ax.set_xlabel(dose, size=10)
        _legend(figure)
        title = style.one_line(f"{found.study}: {found.response}", 90)
        figure.text(0.25 / width, 1 - 0.15 / height, title, size=14, weight="bold", va="top",
                    parse_math=False)  # fmt: skip
        lines = ["inhibition: % of the difference between stimulated and unstimulated control, "
                 "bars and bands 95 % limits over replicates",
                 " · ".join(filter(None, [origin, INPUT, f"angiosim {__version__}"]))]  # fmt: skip
        figure.text(0.25 / width, 0.12 / height, "\n".join(lines), size=9, color=style.QUIET,
                    va="bottom", parse_math=False)  # fmt: skip
    return figure.axes[0]


def _panel(ax: Axes, whole: list[Comparison], parts: list[list[Comparison]]) -> None:
    """Draw one combination over the dose."""
    ax.set_xscale("log")
    for part in parts:
        ax.plot(*_line(part, "inhibition"), color=style.FRAME, linewidth=1.4, zorder=2)
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
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())


def _line(comparisons: list[Comparison], name: str) -> tuple[Array, Array]:
    """Return doses, and a quantity in %, NaN where it is not known."""
    values = [getattr(one, name) for one in comparisons]
    known = np.array([np.nan if value is None else 100.0 * value for value in values])
    return np.array([one.dose for one in comparisons]), known


def _differs(one: Comparison) -> bool:
    """Whether the limits of the excess over Bliss leave 0 out."""
    low, high = one.bliss_excess_low, one.bliss_excess_high
    return low is not None and high is not None and not low <= 0 <= high


def _legend(figure: Figure) -> None:
    """Write below the title what points and lines are."""
    dot: dict[str, Any] = {
        "marker": "o",
        "linestyle": "none",
        "markeredgecolor": style.INK,
        "markersize": 5.5,
    }
    entries = {
        "measured": Line2D([], [], markerfacecolor="white", **dot),
        "measured, differs from Bliss": Line2D([], [], markerfacecolor=style.INK, **dot),
        "Bliss": Line2D([], [], color=style.BLUE, linestyle="--", linewidth=1.6),
        "its limits": Patch(color=style.BLUE, alpha=0.15, linewidth=0),
        "Loewe": Line2D([], [], color=style.VERMILION, linestyle=":", linewidth=1.8),
        "each part alone": Line2D([], [], color=style.FRAME, linewidth=1.4),
    }
    height = figure.get_figheight()
    figure.legend(
        list(entries.values()), list(entries), ncols=3, loc="upper left", frameon=False,
        bbox_to_anchor=(0.15 / figure.get_figwidth(), 1 - 0.38 / height), fontsize=9.5,
        labelspacing=0.3, columnspacing=1.5,
    )  # fmt: skip
