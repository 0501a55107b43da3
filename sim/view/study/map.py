"""IC50s as a map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter

from sim.fits.logistic import DoseResponse
from sim.view import canvas, style
from sim.view.run.frame import dress_colour_bar
from sim.view.study.curves import DOT, is_flat, source

_ROW_IN = 0.62  # how high a row is, with text of 10 pt


@style.house_style()
def draw_ic50_map(
    fits: Mapping[tuple[str, str], DoseResponse],
    *,
    ax: Axes | None = None,
    fig: Figure | SubFigure | None = None,
    quantity: str = "ic50",
    unit: str = "nM",
    title: str = "",
    origin: str = "",
) -> Figure:
    """Draw IC50s as a table of colours, rows by columns, such as drugs by ligands.

    Dark is potent. A cell has its value and 95 % limits; cells that are not determined are hatched
    and say what is known, such as ``> 64``; pairs that are not in `fits` stay empty. Where the drug
    takes less than half of the effect, the cell is dotted and says how much (Emax).

    Parameters
    ----------
    fits : mapping of (row, column) to DoseResponse
        Rows and columns appear in the order in which they come first.
    ax, fig, unit, title, origin
        As for `sim.view.study.curves.draw_dose_response`.
    quantity : {"ic50", "absolute_ic50"}
        Which IC50.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If `fits` is empty.
    """
    if not fits:
        raise ValueError("there is no IC50 to draw")
    rows = list(dict.fromkeys(row for row, _ in fits))
    columns = list(dict.fromkeys(column for _, column in fits))
    sheet = None
    if ax is None:
        which = "relative" if quantity == "ic50" else "absolute"
        about = f"{which} IC50 with 95 % limits"
        if not all(_is_closed(fit, quantity) for fit in fits.values()):
            about += f"{DOT}hatched: not determined"
        if any(map(_takes_little, fits.values())):
            about += f"{DOT}dotted: Emax below 50 %"
        wide = max(6.8, 1.75 * len(columns) + 3.0)
        sheet = canvas.Sheet(
            fig, wide, title=title or "IC50s", caption=f"{about}\n{source(origin)}"
        )
        ax = sheet.body.subplots()
    else:
        canvas.into(ax, title)
    _draw_cells(ax, fits, rows, columns, quantity, unit)
    style.plain_text(ax)
    return canvas.figure_of(ax) if sheet is None else sheet.done([ax], _ROW_IN * len(rows))


def _draw_cells(
    ax: Axes,
    fits: Mapping[tuple[str, str], DoseResponse],
    rows: list[str],
    columns: list[str],
    quantity: str,
    unit: str,
) -> None:
    closed = {pair: fit for pair, fit in fits.items() if _is_closed(fit, quantity)}
    known = [getattr(fit, quantity) for fit in closed.values()] or [1.0]
    # At least one decade, so that a difference within noise does not span the colours.
    middle = math.sqrt(min(known) * max(known))
    norm = LogNorm(min(*known, middle / 10**0.5), max(*known, middle * 10**0.5))
    colours = style.potency_map()
    for (row, column), fit in fits.items():
        x, y = columns.index(column), rows.index(row)
        value = getattr(fit, quantity)
        if (row, column) in closed:
            face = colours(norm(value))
            look: dict[str, Any] = {"facecolor": face}
            # Relative luminance (WCAG 2): white has the better contrast below 0.2.
            bright = np.dot(np.power(face[:3], 2.2), (0.2126, 0.7152, 0.0722))
            ink = "white" if bright < 0.2 else style.INK
        else:
            look = {"facecolor": style.GAP, "hatch": "////"}
            ink = style.INK
        little = _takes_little(fit)
        if little:
            look["hatch"] = look.get("hatch", "") + ".."
        ax.add_patch(
            Rectangle((x - 0.5, y - 0.5), 1, 1, edgecolor=style.FRAME, linewidth=0.0, **look)
        )
        first, _, rest = fit.words(quantity).partition(" (")
        text = f"{first}\n({rest}" if rest else first
        if first == "not determined":
            text = "no response\nfound" if is_flat(fit) else "not\ndetermined"
        backdrop = {"facecolor": look["facecolor"], "edgecolor": "none", "pad": 1.5}
        if little:
            ax.text(x, y + 0.33, f"Emax {fit.emax:.0f} %", ha="center", va="center",
                    size=style.points(8), color=ink, bbox=backdrop)  # fmt: skip
        ax.text(
            x,
            y - 0.12 * little,
            text,
            ha="center",
            va="center",
            size=style.points(9),
            color=ink,
            linespacing=1.15,
            bbox=backdrop if "hatch" in look else None,
        )
    ax.set_xlim(-0.5, len(columns) - 0.5)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    width = canvas.width_of(ax)
    size, wide = style.points(10), 0.8 * width / len(columns)
    ax.set_xticks(range(len(columns)), [canvas.wrapped(c, size, wide, 4) for c in columns])
    ax.set_yticks(range(len(rows)), [canvas.wrapped(row, size, 0.25 * width, 3) for row in rows])
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for x in range(1, len(columns)):
        ax.axvline(x - 0.5, color="white", linewidth=2)
    for y in range(1, len(rows)):
        ax.axhline(y - 0.5, color="white", linewidth=2)
    if closed:
        which = "absolute " if quantity == "absolute_ic50" else ""
        _colour_bar(ax, norm, colours, f"{which}IC50 ({unit})")


def _takes_little(fit: DoseResponse) -> bool:
    """Whether the drug is known to inhibit less than half of what it could."""
    return fit.emax is not None and fit.emax < 50 and not is_flat(fit)


def _is_closed(fit: DoseResponse, quantity: str) -> bool:
    return None not in (getattr(fit, quantity + end) for end in ("", "_low", "_high"))


def _colour_bar(ax: Axes, norm: LogNorm, colours: Colormap, label: str) -> None:
    bar = ax.figure.colorbar(ScalarMappable(norm, colours), ax=ax, aspect=24, pad=0.03)
    low, high = cast(float, norm.vmin), cast(float, norm.vmax)
    steps = [s * 10.0**p for p in range(-12, 13) for s in (1, 2, 5)]
    bar.set_ticks([s for s in steps if low <= s <= high])
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
    bar.ax.invert_yaxis()  # potent above
    dress_colour_bar(bar)
    bar.ax.tick_params(which="minor", length=0)
    bar.set_label(label, color=style.ink())
