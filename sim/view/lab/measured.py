"""What was measured on pictures, drawn over them: files, and figures with words."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image

from sim.files import write_bytes_atomic
from sim.lab.analyzer import Analysis
from sim.lab.measure import Measured
from sim.lab.spheroid import Spheroid
from sim.lab.wound import Wound
from sim.version import __version__
from sim.view import style
from sim.view.lab.assays import FIRST, FRONT, overlay_spheroid, overlay_wound
from sim.view.lab.overlay import END, JUNCTION, LINE, TINT, overlay_network
from sim.view.run import frame


def overlay(one: Measured) -> NDArray[np.uint8]:
    """Return a picture [y, x, colour] with what was found on it."""
    if isinstance(one.found, Wound):
        return overlay_wound(one.grey, one.found)
    if isinstance(one.found, Spheroid):
        return overlay_spheroid(one.grey, one.found)
    return overlay_network(one, one.found)


def save(one: Measured, path: Path) -> None:
    """Write the overlay of a picture as PNG."""
    content = io.BytesIO()
    Image.fromarray(overlay(one)).save(content, "PNG")
    write_bytes_atomic(path, content.getvalue())


@style.house_style()
def draw_measured(
    one: Measured, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw what was found over a picture, with a scale bar and words.

    Parameters
    ----------
    one : Measured
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into.
    """
    height, width = (n * one.pixel_um for n in one.grey.shape)
    extent = (0.0, width, height, 0.0)
    title, caption = style.one_line(one.picture, 64), [one.mode, f"angiosim {__version__}"]
    ax, sheet = frame.map_axes(ax, fig, extent, 9.0, title, _words(one), frame.DOT.join(caption))
    ax.imshow(overlay(one), extent=extent, origin="upper", interpolation="antialiased")
    frame.bare(ax, extent)
    return frame.finish(ax, sheet, _handles(one), [], in_um=one.um_per_px is not None)


_FOUND = {
    "tube_length_mm": "network length {} mm", "tube_length_px": "network length {} px",
    "junctions": "junctions {}", "meshes": "meshes {}",
    "Nb Junctions": "junctions {}", "Nb meshes": "meshes {}",
    "closure_percent": "closure {} %", "gap_area_um2": "gap {} µm²", "gap_area_px2": "gap {} px²",
    "cumulative_length_um": "cumulative sprout length {} µm",
    "cumulative_length_px": "cumulative sprout length {} px", "sprouts": "sprouts {}",
}  # fmt: skip
"""Read-outs that are written above a picture, in words."""


def _words(one: Measured) -> str:
    """Say how much was found."""
    found = [
        words.format(style.number(one.values[name]))
        for name, words in _FOUND.items()
        if name in one.values
    ]
    return frame.DOT.join([*found, *one.doubts])


def _handles(one: Measured) -> list[Line2D | Patch]:
    """Say what is drawn."""
    dot: dict[str, Any] = {"ls": "", "marker": "o"}
    thick = style.points(2)
    if isinstance(one.found, Wound):
        return [
            Line2D([], [], color=FIRST, lw=thick, label="gap at the start"),
            Line2D([], [], color=FRONT, lw=thick, label="gap"),
        ]
    if isinstance(one.found, Spheroid):
        return [
            Line2D([], [], color=FIRST, lw=thick, ls="dashed", label="core"),
            Line2D([], [], color=FRONT, lw=thick, label="sprouts"),
        ]
    return [
        Line2D([], [], color=LINE, lw=thick, label="skeleton"),
        Line2D([], [], **dot, color=JUNCTION, mec="white", label="junctions"),
        Line2D([], [], color=style.GREEN, lw=thick, label="branches")
        if isinstance(one.found, Analysis)
        else Line2D([], [], **dot, color=END, mec="black", label="ends"),
        Patch(color=style.SOFT_CYCLE[0], alpha=2 * TINT, label="meshes"),
    ]
