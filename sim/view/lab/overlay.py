"""What was found on a picture, drawn over it as analysts know it.

Meshes are tinted, the skeleton is a line, its junctions are filled dots and its ends open ones.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from sim.files import write_bytes_atomic
from sim.lab.measure import Measured
from sim.version import __version__
from sim.view import canvas, style
from sim.view.run import frame

ACROSS: Final = 1600  # pixels of an overlay, unless the picture has more
MOST_LARGER: Final = 4
TINT, PALE = 0.22, 0.75
LINE, JUNCTION, END = style.SKY, style.VERMILION, "#F0E442"
_BRIGHTNESS: Final = (0.5, 99.8)  # percentiles that become black and white


def overlay(one: Measured) -> NDArray[np.uint8]:
    """Return the picture [y, x, colour] with what was found on it; what was left out is pale."""
    low, high = np.percentile(one.grey, _BRIGHTNESS)
    grey = np.clip((one.grey - low) / max(high - low, 1e-9), 0, 1)
    if one.field is not None:
        grey = np.where(one.field, grey, PALE + (1 - PALE) * grey)
    image = np.repeat((255 * grey).astype(np.uint8)[..., None], 3, axis=2)
    found = one.analysis
    if found is not None:  # on pixels of its own
        height, width = found.skeleton.shape
        image = np.asarray(Image.fromarray(image).resize((width, height))).copy()
    tints = np.array([to_rgb(colour) for colour in style.SOFT_CYCLE]) * 255 * TINT
    meshes = one.network.meshes if found is None else found.meshes
    where = meshes > 0
    image[where] = ((1 - TINT) * image[where] + tints[meshes[where] % len(tints)]).astype(np.uint8)
    height, width = image.shape[:2]
    larger = max(1, min(MOST_LARGER, round(ACROSS / max(height, width))))
    size = width * larger, height * larger
    large = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    if found is None:
        _draw_skeleton(ImageDraw.Draw(large), one, larger)
        return np.asarray(large)
    drawn = np.array(large)
    for pixels, colour in (
        (ndimage.binary_dilation(found.skeleton), LINE),
        (ndimage.binary_dilation(found.branches > 0), style.GREEN),
        (found.junctions > 0, JUNCTION),
    ):
        drawn[np.repeat(np.repeat(pixels, larger, 0), larger, 1)] = np.array(to_rgb(colour)) * 255
    return drawn


def _draw_skeleton(draw: ImageDraw.ImageDraw, one: Measured, larger: int) -> None:
    """Draw the skeleton with its junctions and ends."""
    network = one.network
    places = (network.skeleton_yx[:, ::-1] + 0.5) * larger
    thick = max(2, larger)
    for start, end in network.skeleton_links.tolist():
        draw.line([*places[start], *places[end]], fill=LINE, width=thick)
    for yx, colour, edge, size in (
        (network.end_yx, END, "black", 1.3), (network.junction_yx, JUNCTION, "white", 1.7)
    ):  # fmt: skip
        radius = size * thick
        for y, x in ((yx + 0.5) * larger).tolist():
            box = (x - radius, y - radius, x + radius, y + radius)
            draw.ellipse(box, fill=colour, outline=edge)


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
    title, found = style.one_line(one.picture, 64), _words(one)
    sheet = None
    if ax is None:
        caption = frame.DOT.join([one.mode, f"angiosim {__version__}"])
        sheet = canvas.Sheet(fig, 9.0, title=title, subtitle=found, caption=caption)
        ax = sheet.body.subplots()
    else:
        canvas.into(ax, f"{title}\n{found}")
    height, width = (n * one.pixel_um for n in one.grey.shape)
    extent = (0.0, width, height, 0.0)
    ax.imshow(overlay(one), extent=extent, origin="upper", interpolation="antialiased")
    frame.bare(ax, extent)
    return frame.finish(ax, sheet, _handles(one), [], in_um=one.um_per_px is not None)


def _words(one: Measured) -> str:
    """Say how much was found."""
    names = ("tube_length_mm", "tube_length_px", "junctions", "meshes", "Nb Junctions", "Nb meshes")
    found = [f"{name} {style.number(one.values[name])}" for name in names if name in one.values]
    return frame.DOT.join([*found, *one.doubts])


def _handles(one: Measured) -> list[Line2D | Patch]:
    """Say what is drawn."""
    dot: dict[str, Any] = {"ls": "", "marker": "o"}
    thick = style.points(2)
    return [
        Line2D([], [], color=LINE, lw=thick, label="skeleton"),
        Line2D([], [], **dot, color=JUNCTION, mec="white", label="junctions"),
        Line2D([], [], **dot, color=END, mec="black", label="ends")
        if one.analysis is None
        else Line2D([], [], color=style.GREEN, lw=thick, label="branches"),
        Patch(color=style.SOFT_CYCLE[0], alpha=2 * TINT, label="meshes"),
    ]
