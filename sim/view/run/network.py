"""Pictures of a run: the network, the fields, the read-outs over time.

Maps keep the orientation of the arrays [y, x], as a micrograph does: row 0 is at the top, and
axes are in um from the upper left corner. No function touches pyplot or the user's settings.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize, to_rgb
from numpy.typing import NDArray

from sim.assays.tube_formation.measure import network_of
from sim.readouts.network import Network
from sim.runs.result import Result
from sim.view import style
from sim.view.run.frame import (
    _OUTLINE_SHADE,
    _PIXELS_ACROSS,
    _WIDTH_IN,
    _bare,
    _caption,
    _dress_colour_bar,
    _extent,
    _has_signalling,
    _large_cells,
    _note,
    _outlines,
    _title,
    _treatment,
)

_SHADES: Final = 0.28
_SMOOTHINGS: Final = 8
_GOLDEN: Final = 0.618033988749895


# --- words -----------------------------------------------------------------------------------


# --- the cells -------------------------------------------------------------------------------


def _cell_colours(result: Result) -> NDArray[np.float64]:
    """Return an RGB colour for each row of the cell store; row 0 is the medium."""
    count = int(result.final["cell_id"].max(initial=0)) + 1
    if _has_signalling(result):
        drive = np.asarray(result.final["cell_drive"], dtype=float)[:count]
        colours = style.drive_map()(np.clip(np.nan_to_num(drive), 0.0, 1.0))[:, :3]
        types = result.final.get("cell_type", np.ones(count, int))[:count]
        colours[types > 1] = to_rgb(style.OTHER_CELLS)
        # neighbours of one drive differ a little in lightness, so that cells can be told apart
        shade = _SHADES * ((np.arange(count) * _GOLDEN) % 1.0)[:, None]
        colours = colours * (1.0 - shade) + shade
    else:
        soft = np.array([to_rgb(colour) for colour in style.SOFT_CYCLE])
        colours = soft[np.arange(count) % len(soft)]
    colours[0] = to_rgb(style.GAP)
    return np.asarray(colours, dtype=float)


# --- the skeleton ----------------------------------------------------------------------------


def _skeleton_lines(
    places: NDArray[np.float64], links: NDArray[Any], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the skeleton as short lines between linked places, stairs smoothed.

    Places in the middle of a line move towards their two neighbours; ends and branch points
    stay. Lines over a periodic border are given once at each side.

    Parameters
    ----------
    places : (n, 2) float
        Places (y, x) of the skeleton, in sites.
    links : (m, 2) int
        Pairs of neighbours among them.
    shape : (int, int)
        Sites of the domain.

    Returns
    -------
    (m or more, 2, 2) float
        Start and end of each line as (y, x) in sites.
    """
    start, end = links.T
    jump = np.round((places[start] - places[end]) / shape) * shape  # across the border
    middle = np.bincount(links.ravel(), minlength=len(places)) == 2
    place = places.copy()
    for _ in range(_SMOOTHINGS):
        total = np.zeros_like(place)
        np.add.at(total, start, place[end] + jump)
        np.add.at(total, end, place[start] - jump)
        place[middle] = (place[middle] + total[middle] / 2) / 2

    lines = np.stack([place[start], place[end] + jump], axis=1)
    over = jump.any(axis=1)
    return np.concatenate([lines, lines[over] - jump[over, None]])


def _draw_skeleton(ax: Axes, network: Network, spacing_um: float) -> None:
    scale = style.text_scale(ax)
    lines = _skeleton_lines(network.skeleton_yx, network.skeleton_links, network.kept.shape)
    lines = (lines[..., ::-1] + 0.5) * spacing_um
    for colour, width, order in (("white", 3.0, 3.0), (style.INK, 1.5, 3.2)):
        ax.add_collection(
            LineCollection(
                list(lines),
                colors=colour,
                linewidths=width * scale,
                capstyle="round",
                zorder=order,
                gid="skeleton",
            ),
            autolim=False,
        )
    for name, places, colour, size in (
        ("junctions", network.junction_yx, style.VERMILION, 24.0),
        ("ends", network.end_yx, "white", 13.0),
    ):
        ax.scatter(
            (places[:, 1] + 0.5) * spacing_um,
            (places[:, 0] + 0.5) * spacing_um,
            s=size * scale**2,
            c=colour,
            edgecolors="white" if name == "junctions" else style.INK,
            linewidths=0.8 * scale,
            zorder=4,
            gid=name,
        )


# --- pictures --------------------------------------------------------------------------------


def _map_axes(result: Result, extent: tuple[float, float, float, float]) -> Axes:
    """Return the axes of a new figure that fit a domain, with room for words and colour bar."""
    left, bottom = 0.25, 0.5
    right = 0.8 if _has_signalling(result) else left
    top = 0.85 if _treatment(result) else 0.6
    wide = _WIDTH_IN - left - right
    ratio = extent[2] / extent[1]
    high = min(wide * ratio, 2 * _WIDTH_IN)
    wide = high / ratio
    width, height = max(wide + left + right, 5.0), high + top + bottom
    figure = style.new_figure(width, height)
    return figure.add_axes((left / width, bottom / height, wide / width, high / height))


def draw_network(result: Result, ax: Axes | None = None) -> Axes:
    """Draw the cells and the network that they form, as seen under a microscope.

    Cells are coloured by their drive (by number where nothing signals), gaps are pale. The line
    is the skeleton of the network, which leaves out parts smaller than three cells; filled dots
    are its junctions, open dots its ends. Outlines are smoothed within one lattice site.

    Parameters
    ----------
    result : Result
        A finished run.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if left out. Its coordinates become um, row 0 at the top.

    Returns
    -------
    matplotlib.axes.Axes
    """
    extent = _extent(result)
    if ax is None:
        with style.house_style():
            return draw_network(result, _map_axes(result, extent))
    domain = result.scenario.domain
    _bare(ax, extent)
    scale = style.text_scale(ax)

    cells = _large_cells(result, _PIXELS_ACROSS)
    colours = _cell_colours(result)
    image = (colours * 255).round().astype(np.uint8)[cells]
    dark = (colours * _OUTLINE_SHADE * 255).round().astype(np.uint8)
    border = _outlines(cells)
    image[border] = dark[cells[border]]
    ax.imshow(image, extent=extent, origin="upper", interpolation="antialiased", zorder=1)

    network = network_of(result.final["cell_id"], result.scenario)
    _draw_skeleton(ax, network, float(domain.spacing_um))
    _bare(ax, extent)
    style.add_scale_bar(ax, extent[1])

    treatment = _treatment(result)
    title_pt = (27.0 if treatment else 9.0) * scale
    _note(ax, _title(result), 0, 1, title_pt, size=15 * scale, weight="bold", color=style.INK)
    if treatment:
        _note(ax, treatment, 0, 1, 8 * scale, size=11.5 * scale, color=style.INK)
    _note(ax, _caption(result), 0, 0, -8 * scale, size=10 * scale, color=style.QUIET)

    if _has_signalling(result):
        inset = ax.inset_axes((1.02, 0.0, 0.028, 0.45))
        colour_bar = ax.figure.colorbar(
            ScalarMappable(Normalize(0, 1), style.drive_map()), cax=inset, ticks=[0, 0.5, 1]
        )
        _dress_colour_bar(colour_bar, scale)
        _note(inset, "drive\n(0-1)", 0, 1, 6 * scale, size=11 * scale, color=style.INK)
    style.plain_text(ax)
    return ax


# --- read-outs over time ---------------------------------------------------------------------


# --- files -----------------------------------------------------------------------------------
