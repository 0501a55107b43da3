"""What was found on a picture, drawn over it as analysts know it.

Meshes are tinted, the skeleton is a line, its junctions are filled dots and its ends open ones.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from sim.lab.analyzer import Analysis
from sim.lab.measure import Measured
from sim.readouts.network import Network
from sim.view import style

ACROSS: Final = 1600  # pixels of an overlay, unless the picture has more
MOST_LARGER: Final = 4
TINT: Final = 0.22
LINE, JUNCTION, END = style.SKY, style.VERMILION, "#F0E442"
_BRIGHTNESS: Final = (0.5, 99.8)  # percentiles that become black and white


def overlay_network(one: Measured, found: Network | Analysis) -> NDArray[np.uint8]:
    """Return the picture [y, x, colour] with what was found on it; what was left out is white."""
    low, high = np.percentile(one.grey, _BRIGHTNESS)
    grey = np.clip((one.grey - low) / max(high - low, 1e-9), 0, 1)
    if one.field is not None:
        grey = np.where(one.field, grey, 1.0)
    image = np.repeat((255 * grey).astype(np.uint8)[..., None], 3, axis=2)
    if isinstance(found, Analysis):  # on pixels of its own
        height, width = found.skeleton.shape
        image = np.asarray(Image.fromarray(image).resize((width, height))).copy()
    tints = np.array([to_rgb(colour) for colour in style.SOFT_CYCLE]) * 255 * TINT
    meshes = found.meshes
    where = meshes > 0
    image[where] = ((1 - TINT) * image[where] + tints[meshes[where] % len(tints)]).astype(np.uint8)
    height, width = image.shape[:2]
    larger = max(1, min(MOST_LARGER, round(ACROSS / max(height, width))))
    size = width * larger, height * larger
    large = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    if isinstance(found, Network):
        _draw_skeleton(ImageDraw.Draw(large), found, larger)
        return np.asarray(large)
    drawn = np.array(large)
    for pixels, colour in (
        (ndimage.binary_dilation(found.skeleton), LINE),
        (ndimage.binary_dilation(found.branches > 0), style.GREEN),
        (found.junctions > 0, JUNCTION),
    ):
        drawn[np.repeat(np.repeat(pixels, larger, 0), larger, 1)] = np.array(to_rgb(colour)) * 255
    return drawn


def _draw_skeleton(draw: ImageDraw.ImageDraw, network: Network, larger: int) -> None:
    """Draw the skeleton with its junctions and ends."""
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
