"""Picture of a plate: its wells by a read-out, and how each differs from its like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import matplotlib as mpl
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import Colormap, Normalize
from matplotlib.patches import Circle

from sim.assays import readout as words_of
from sim.lab.plate import PlateView
from sim.lab.wells import EMPTY, NEGATIVE, POSITIVE, ROWS, place
from sim.view import canvas, style
from sim.view.run.frame import dress_colour_bar
from sim.view.study.curves import source

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RADIUS: Final = 0.42  # of a well, whose neighbours are 1 away
LEAST_RANGE: Final = 0.1  # of the largest value, across the colours: less is noise
FARTHEST: Final = 4.0  # standard deviations that colours span


@style.house_style()
def draw_plate(view: PlateView, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw the wells of a plate by a read-out, and beside them by how each differs from its like.

    Wells are as on the plate. P and N are positive and negative controls, crosses are outliers,
    open circles have no value.
    """
    wells = view.of.wells_of(view.plate)
    check = view.of.quality[view.plate, view.readout]
    about = []
    if check.z_prime is not None:
        about.append(f"Z' {check.z_prime:.2f}")
    if check.edge_percent is not None:
        about.append(
            f"wells at the edge {check.edge_percent:+.1f} % "
            f"({check.edge_low:+.1f} to {check.edge_high:+.1f})"
        )
    title = " ".join(filter(None, ["Plate", view.plate]))
    label = words_of(view.readout).label
    key = "P, N: positive, negative control · cross: outlier, kept · open: no value"
    sheet = canvas.Sheet(
        fig, 11.0, title=title, subtitle=" · ".join(about),
        caption=f"{key}\n{source(view.of.name, '')}",
    )  # fmt: skip
    across = sheet.across(4.5, 2)
    left, right = sheet.panels(2, across)
    values = wells[view.readout].to_numpy(dtype=float)
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    low = min(low, high - LEAST_RANGE * abs(high))
    _wells(left, view, wells, values, (low, high if high > low else low + 1.0),
           style.part_of_viridis("plate", 0.86), label)  # fmt: skip
    away = _away(wells, view)
    _wells(right, view, wells, away, (-FARTHEST, FARTHEST), mpl.colormaps["PuOr_r"],
           "from the mean of its condition (standard deviations)")  # fmt: skip
    return sheet.done([left, right][::across])


def _away(wells: pd.DataFrame, view: PlateView) -> Array:
    """Return how far each well is from the mean of its condition, in pooled standard deviations."""
    values = wells[view.readout].astype(float)
    like = values.groupby([wells[name] for name in view.of.conditions], dropna=False)
    away = (values - like.transform("mean")).where(like.transform("count") > 1)
    degrees = int(away.count()) - int((like.count() > 1).sum())
    sd = np.sqrt((away**2).sum() / degrees) if degrees > 0 else 0.0
    return (away / sd if sd > 0 else away * np.nan).to_numpy()


def _wells(
    ax: Axes,
    view: PlateView,
    wells: pd.DataFrame,
    values: Array,
    limits: tuple[float, float],
    colours: Colormap,
    label: str,
) -> None:
    """Draw circles where wells are."""
    rows, columns = view.shape
    norm = Normalize(*limits)
    size = style.points(8 if columns == 12 else 5)
    at = dict(zip(wells["well"], range(len(wells)), strict=True))
    everything = [Circle((x, y), RADIUS) for y in range(rows) for x in range(columns)]
    ax.add_collection(PatchCollection(everything, facecolor="white", edgecolor=style.FRAME,
                                      linewidth=0.5))  # fmt: skip
    out = {one.well for one in view.of.quality[view.plate, view.readout].outliers}
    for well, n in at.items():
        y, x = place(well)
        face = colours(norm(values[n])) if np.isfinite(values[n]) else "white"
        empty = wells["control"].iloc[n] == EMPTY
        ax.add_patch(Circle((x, y), RADIUS, facecolor=face, linewidth=0.8,
                            edgecolor=style.FRAME if empty else style.INK))  # fmt: skip
        letter = {POSITIVE: "P", NEGATIVE: "N"}.get(wells["control"].iloc[n], "")
        ink = "white" if np.dot(mpl.colors.to_rgb(face), (0.3, 0.59, 0.11)) < 0.5 else style.INK
        ax.text(x, y, letter, ha="center", va="center", size=size, color=ink)
        if well in out:
            ax.plot(x, y, "x", color=style.VERMILION, markersize=size, markeredgewidth=1.8)
    ax.set_xlim(-0.6, columns - 0.4)
    ax.set_ylim(rows - 0.4, -0.6)
    ax.set_aspect("equal")
    every = 1 if columns == 12 else 2
    ax.set_xticks(range(0, columns, every), [str(n + 1) for n in range(0, columns, every)])
    ax.set_yticks(range(rows), list(ROWS[:rows]))
    ax.tick_params(length=0, labelsize=style.points(8 if columns == 12 else 6.5))
    ax.xaxis.tick_top()
    ax.spines[:].set_visible(False)
    style.plain_text(ax)
    ends = (("neither", "max"), ("min", "both"))
    extend = ends[bool((values < limits[0]).any())][bool((values > limits[1]).any())]
    bar = ax.figure.colorbar(ScalarMappable(norm, colours), ax=ax, orientation="horizontal",
                             aspect=30, pad=0.04, shrink=0.9, extend=extend)  # fmt: skip
    dress_colour_bar(bar)
    bar.set_label(label, color=style.ink())
