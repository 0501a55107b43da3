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

WIDTH: Final = 7.0  # in


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
    sheet = None
    if ax is None:
        sheet = canvas.Sheet(
            fig, WIDTH, title=title, subtitle=treatment, caption=frame.origin(result)
        )
        ax = sheet.body.subplots()
    else:
        canvas.into(ax, "\n".join(filter(None, [title, treatment])))
    scale = style.points(1.0)
    name, up_y, up_x = uphill_of(result.scenario)
    up = np.array([up_x, up_y])
    looks = {True: (style.BLUE, "ended further up the gradient"),
             False: (style.ORANGE, "ended further down" if name else "")}  # fmt: skip
    handles, ends = {}, []
    for _, track in result.tables[TRACKS].groupby("cell"):
        way: NDArray[np.float64] = track[["x_um", "y_um"]].to_numpy(float)
        way = way - way[0]
        ends.append(way[-1])
        upwards = float(way[-1] @ up) > 0
        colour, words = looks[upwards]
        ax.plot(*way.T, color=colour, linewidth=1.2 * scale, alpha=0.8, zorder=2)
        (dot,) = ax.plot(
            *way[-1], "o", color=colour, markersize=4 * scale, zorder=3, label=words or "_"
        )
        handles[upwards] = dot
    reach = 1.1 * max([float(np.abs(line.get_xydata()).max()) for line in ax.lines] or [1.0])
    reach = max(reach, 10.0)
    ax.set(xlim=(-reach, reach), ylim=(reach, -reach), aspect="equal")
    for axis, along, towards in zip("xy", up, (("→", "←"), ("←", "→")), strict=True):
        words = f"displacement along {axis} (µm)"
        if name and along:  # the label of y is turned: its arrows point down and up
            words += f", more {name} {towards[int(along < 0)]}"
        ax.set(**{f"{axis}label": words})
    for line in (ax.axhline, ax.axvline):
        line(0.0, color=style.FRAME, linewidth=0.8, zorder=1)
    shown = [handles[upwards] for upwards in (True, False) if name and upwards in handles]
    if ends:
        x, y = np.mean(ends, axis=0)
        shown += ax.plot(
            x, y, "D", color=style.INK, markeredgecolor="white", markersize=9 * scale, zorder=5,
            label=f"mean of {len(ends)} cells: {x:.0f}, {y:.0f} µm",
        )  # fmt: skip
    style.plain_text(ax)
    if sheet is None:
        ax.legend(handles=shown, loc="best", frameon=False, fontsize=9.5 * scale)
        return canvas.figure_of(ax)
    sheet.legend(shown)
    return sheet.done([ax])
