"""Where cells went, from a common origin."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from sim.runs.folder import TRACKS
from sim.scenario.classes import uphill_of
from sim.view import canvas, style
from sim.view.run import frame
from sim.view.run.frame import Snapshot

SIDE: Final = 6.4  # in


@style.house_style()
def draw_tracks(
    result: Snapshot, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw the track of each cell from a common origin, y downwards as in the map of the cells.

    Tracks that ended further up the gradient than they began are blue, the others orange; black
    is the mean of their ends.

    Parameters
    ----------
    result : Result
        A run whose assay follows cells.
    ax : matplotlib.axes.Axes, optional
        Where to draw.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    title, treatment = f"Tracks {frame.age(result)}", frame.treatment(result)
    if ax is None:
        body = canvas.sheet(
            fig, SIDE + 0.6, SIDE + 1.3, title=title, subtitle=treatment,
            caption=frame.origin(result),
        )  # fmt: skip
        ax = body.subplots()
    else:
        canvas.label(ax, "\n".join(filter(None, [title, treatment])))
    scale = style.text_scale(ax)
    name, up_y, up_x = uphill_of(result.scenario)
    up = [up_x, up_y]
    ends = []
    for _, track in result.tables[TRACKS].groupby("cell"):
        way: NDArray[np.float64] = track[["x_um", "y_um"]].to_numpy(float)
        way = way - way[0]
        ends.append(way[-1])
        colour = style.BLUE if float(way[-1] @ up) > 0 else style.ORANGE
        ax.plot(*way.T, color=colour, linewidth=1.2 * scale, alpha=0.8, zorder=2)
        ax.plot(*way[-1], "o", color=colour, markersize=4 * scale, zorder=3)
    reach = 1.1 * max([float(np.abs(line.get_xydata()).max()) for line in ax.lines] or [1.0])
    reach = max(reach, 10.0)
    ax.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal")
    ax.set_xlabel("displacement along x (µm)", size=11 * scale)
    ax.set_ylabel("displacement along y (µm)", size=11 * scale)
    for line in (ax.axhline, ax.axvline):
        line(0.0, color=style.FRAME, linewidth=0.8, zorder=1)
    if ends:
        x, y = np.mean(ends, axis=0)
        ax.plot(x, y, "D", color=style.INK, markeredgecolor="white", markersize=9 * scale, zorder=5)
        ax.annotate(
            f"mean of {len(ends)} cells: {x:.0f}, {y:.0f} µm", (x, y), xytext=(10, 0),
            textcoords="offset points", va="center", size=10 * scale, color=style.INK, zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
        )  # fmt: skip
    if name:
        _point_uphill(ax, name, up, reach, scale)
    style.plain_text(ax)
    return canvas.figure_of(ax)


def _point_uphill(ax: Axes, name: str, up: list[float], reach: float, scale: float) -> None:
    """Draw an arrow at the edge that says where more of a ligand is."""
    x, y = (0.0, 0.9 * reach) if up[0] else (-0.9 * reach, 0.0)
    dx, dy = (0.2 * reach * along for along in up)
    look = {"arrowstyle": "-|>", "color": style.QUIET, "linewidth": 1.5 * scale}
    ax.annotate("", (x + dx, y + dy), xytext=(x - dx, y - dy), arrowprops=look)
    turned = {"rotation": 90, "ha": "left", "va": "center"} if up[1] else {"ha": "center"}
    beside = (x + 0.04 * reach, y) if up[1] else (x, y - 0.04 * reach)
    ax.annotate(f"more {name}", beside, size=10 * scale, color=style.QUIET, **turned)
