"""From a micrograph to the mask of its cells. All sizes are in um, on pixels of one size.

Phase contrast shows cells as rough bands of bright and dark, so its feature is the local deviation;
fluorescence shows them as light above the background near by. A pixel is cell where its feature
exceeds a low threshold, which keeps faint cells, and a share of the strongest near by, which keeps
strong ones from swelling.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sim.lab.settings import Settings

BoolArray = NDArray[np.bool_]
Grey = NDArray[np.float32]

MODES: Final = ("phase", "fluorescence", "mask")
"""What a picture may show."""
PERCENTILE = 20  # what lies below most of the cells, wherever these cover less than four fifths
WINDOW_SAMPLES = 25  # across the window of a local percentile
DARK = 0.05  # of white: what is added where a picture is divided by its light
LEAST_WHITE = 1e-30  # of a picture that is all black
LEAST_DEVIATION = 1e-4  # of white, against a background without any noise
LEAST_NOISE = 4e-5
CLIPPED = 3.0  # deviations of the background above its median: what is brighter is a cell
CORE = (0.5, 99.9)  # percentiles between which a histogram is used


class Segmented(NamedTuple):
    """The cells of a picture, on pixels of ``Settings.pixel_um``.

    Attributes
    ----------
    mask : (H, W) bool
        True where there are cells.
    feature : (H, W) float32 or None
        What was compared with thresholds; None if the picture was a mask.
    threshold : float
    """

    mask: BoolArray
    feature: Grey | None
    threshold: float


def segment(grey: Grey, mode: str, settings: Settings) -> Segmented:
    """Find the cells of a picture.

    Parameters
    ----------
    grey : (H, W) float32
        On pixels of ``settings.pixel_um``, as `resample` makes them.
    mode : str
        One of `MODES`; a mask has cells where it is above one half.
    settings : Settings
    """
    if mode == "mask":
        return Segmented(grey > 0.5, None, 0.5)
    grey = grey / np.float32(max(white(grey), LEAST_WHITE))
    reach = settings.reach_um / settings.pixel_um
    if mode == "phase":
        feature, share = local_contrast(grey, settings), settings.ridge_phase
        threshold = settings.triangle * _triangle(feature)
    else:
        feature, share = light_above_background(grey, settings), settings.ridge_fluorescence
        threshold = settings.noise
    mask = (feature > threshold) & (feature > share * _strongest_near(feature, reach))
    return Segmented(mask, feature, threshold)


def white(grey: Grey) -> float:
    """Return what is white in a picture: a few pixels are brighter."""
    return float(np.percentile(grey, CORE[1]))


def local_contrast(grey: Grey, settings: Settings) -> Grey:
    """Local deviation, without uneven light, over that of the background near by."""
    flat, window = settings.flat_um / settings.pixel_um, settings.window_um / settings.pixel_um
    even = grey / (_smooth(grey, flat) + np.float32(DARK))
    even -= _smooth(even, flat)
    mean = _smooth(even, window)
    square = np.square(even, out=even)
    variance = _smooth(square, window) - mean * mean
    deviation = np.sqrt(np.maximum(variance, 0, out=variance), out=variance)
    floor = _locally(deviation, settings.floor_um / settings.pixel_um)
    deviation /= np.maximum(floor, LEAST_DEVIATION, out=floor)
    return deviation


def light_above_background(grey: Grey, settings: Settings) -> Grey:
    """Light above the background near by, over the noise of that."""
    light = _smooth(grey, settings.blur_um / settings.pixel_um)
    light -= _locally(light, settings.background_um / settings.pixel_um)
    level, noise = background(light)  # how far a local percentile is below it depends on the cells
    light -= np.float32(level)
    light /= max(noise, LEAST_NOISE)
    return light


def background(light: Grey) -> tuple[float, float]:
    """Level and noise of what is no cell, whether cells cover little or half of a picture.

    The darker half of the pixels is extended by all that is within three deviations above its
    median until nothing is added (sigma clipping, from below). The deviation is that of the values
    below the median, since cells are only brighter.
    """
    values = np.sort(light, axis=None)
    count = (values.size + 1) // 2
    while True:
        level = float(values[count // 2])
        below = values[: count // 2] - level
        noise = math.sqrt(float(np.mean(np.square(below)))) if below.size else 0.0
        extended = int(np.searchsorted(values, level + CLIPPED * noise, side="right"))
        if extended <= count:
            return level, noise
        count = extended


def _smooth(field: Grey, deviation: float) -> Grey:
    smooth: Grey = ndimage.gaussian_filter(field, deviation)
    return smooth


def _locally(field: Grey, size: float) -> Grey:
    """Smooth local percentile over a window of this size, computed on some of the pixels."""
    step = max(1, math.ceil(size / WINDOW_SAMPLES))
    few = field[step // 2 :: step, step // 2 :: step]
    low = ndimage.percentile_filter(few, PERCENTILE, size=round(size / step) | 1)
    low = _smooth(low, size / step / 3)
    for axis in (0, 1):
        low = _between(low, (np.arange(field.shape[axis]) - step // 2) / step, axis)
    return low


def _triangle(feature: Grey) -> float:
    """Threshold of the logarithms where they part from the peak of the background (Zack 1977)."""
    from skimage.filters import threshold_triangle

    low, high = np.percentile(feature, CORE)
    inner = feature[(feature > max(low, 1e-6)) & (feature < high)]
    return math.exp(float(threshold_triangle(np.log(inner)))) if inner.size else math.inf


def _strongest_near(feature: Grey, radius: float) -> Grey:
    """Maximum over a disc, smoothed."""
    reach = int(radius)
    wide = np.pad(feature, ((0, 0), (reach, reach)), mode="edge")
    top = np.zeros_like(feature)
    for dx in range(-reach, reach + 1):
        half = int(math.sqrt(radius**2 - dx**2))
        column = wide[:, reach + dx : reach + dx + feature.shape[1]]
        np.maximum(top, ndimage.maximum_filter1d(column, 2 * half + 1, axis=0), out=top)
    return _smooth(top, radius / 2)


# --- pixels of another size ----------------------------------------------------------------------


def resample(grey: NDArray[Any], ratio: float) -> Grey:
    """Bring a picture to pixels that are `ratio` times as large, by area or linear between pixels.

    What is left over at the borders is left out at both sides alike, so that the result does not
    depend on which way the picture is turned.
    """
    field = np.asarray(grey, dtype=np.float32)
    if abs(ratio - 1) < 1e-3:
        return field
    for axis in (0, 1):
        field = _along(field, ratio, axis)
    return field


def _along(field: Grey, ratio: float, axis: int) -> Grey:
    size = field.shape[axis]
    count = max(1, int(size / ratio + 1e-6))
    first = (size - count * ratio) / 2
    if ratio < 1:
        return _between(field, first + (np.arange(count) + 0.5) * ratio - 0.5, axis)
    before = np.cumsum(field, axis=axis, dtype=np.float64)
    before = np.concatenate([np.zeros_like(before.take([0], axis)), before], axis)
    sums = np.diff(_between(before, first + np.arange(count + 1) * ratio, axis), axis=axis)
    return np.asarray(sums / ratio, dtype=np.float32)


def _between(field: NDArray[Any], places: NDArray[np.float64], axis: int) -> NDArray[Any]:
    """Values at places along an axis, linear between pixels; beyond the ends those of the ends."""
    places = np.clip(places, 0, field.shape[axis] - 1)
    at = places.astype(int)
    share = (places - at).astype(field.dtype)
    share = share[:, None] if axis == 0 else share
    values = field.take(at, axis)
    values *= 1 - share
    values += share * field.take(np.minimum(at + 1, field.shape[axis] - 1), axis)
    return values
