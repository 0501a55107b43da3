"""Overlays of scratches and spheroids: what was found, over the picture."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from sim.lab.spheroid import Spheroid
from sim.lab.wound import Wound
from sim.view.lab.overlay import ACROSS, END, JUNCTION, LINE, MOST_LARGER, TINT

Picture = NDArray[np.uint8]
FRONT, FIRST, OUTSIDE = JUNCTION, END, 0.5
_BRIGHTNESS: Final = (0.5, 99.8)  # percentiles that become black and white
_DASH: Final = 6  # degrees


def overlay_wound(grey: NDArray[np.floating[Any]], found: Wound) -> Picture:
    """Return a picture [y, x, colour] with the gap tinted and outlined.

    The outline of the gap in the first picture of the series is drawn too; what was not measured is
    darker.
    """
    image = _shown(grey)
    image[found.gap] = _mixed(image[found.gap], LINE, 2 * TINT)
    image[~found.field] = (image[~found.field] * OUTSIDE).astype(np.uint8)
    large, larger = _enlarged(image)
    for region, colour, thick in ((found.first, FIRST, 1), (found.gap, FRONT, 2)):
        whole = np.kron(region, np.ones((larger, larger), np.bool_))
        rim = whole & ~ndimage.binary_erosion(whole, iterations=thick, border_value=1)
        large[rim] = np.array(to_rgb(colour)) * 255
    return large


def overlay_spheroid(grey: NDArray[np.floating[Any]], found: Spheroid) -> Picture:
    """Return a picture [y, x, colour] with the spheroid tinted and the skeletons of its sprouts.

    The dashed circle is the core: the spheroid at the start.
    """
    image = _shown(grey)
    body = found.sprouts.body
    image[body] = _mixed(image[body], LINE, TINT)
    array, larger = _enlarged(image)
    large = Image.fromarray(array)
    draw = ImageDraw.Draw(large)
    thick = max(2, larger)
    places = (found.sprouts.skeleton_yx[:, ::-1] + 0.5) * larger
    for start, end in found.sprouts.skeleton_links.tolist():
        draw.line([*places[start], *places[end]], fill=FRONT, width=thick)
    y, x, radius = (larger * value for value in found.core)
    y, x = y + larger / 2, x + larger / 2
    for turn in range(0, 360, 2 * _DASH):
        a, b = math.radians(turn), math.radians(turn + _DASH)
        ends = [(x + radius * math.cos(at), y + radius * math.sin(at)) for at in (a, b)]
        draw.line(ends, fill=FIRST, width=thick)
    return np.asarray(large)


def _shown(grey: NDArray[np.floating[Any]]) -> Picture:
    """Return a picture in grey, its darkest and brightest pixels black and white."""
    low, high = np.percentile(grey, _BRIGHTNESS)
    share = np.clip((grey - low) / max(high - low, 1e-9), 0, 1)
    return np.repeat((255 * share).astype(np.uint8)[..., None], 3, axis=2)


def _mixed(pixels: Picture, colour: str, share: float) -> Picture:
    return ((1 - share) * pixels + share * 255 * np.array(to_rgb(colour))).astype(np.uint8)


def _enlarged(image: Picture) -> tuple[Picture, int]:
    """Return a picture large enough for lines, and how many times as large it is."""
    height, width, _ = image.shape
    larger = max(1, min(MOST_LARGER, round(ACROSS / max(height, width))))
    size = (width * larger, height * larger)
    return np.array(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)), larger
