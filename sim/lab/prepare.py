"""What is seen of a picture: the part to measure, on pixels of one size, and what it shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sim.lab.crop import Crop
from sim.lab.doubts import MOST_NOISE, NOISY, WALL
from sim.lab.picture import Picture
from sim.lab.segment import CLIPPED, Grey, background, resample
from sim.lab.settings import Settings
from sim.runs.room import check_memory

if TYPE_CHECKING:
    BoolArray = NDArray[np.bool_]

AUTO: Final = "auto"
BYTES_PER_PX: Final = 100  # of working memory, for a pixel on which a picture is measured
OF_RANGE: Final = 0.1  # greys so near to the darkest or the brightest are black or white (JPEG)
MASK_SHARE, LEAST_WHITE = 0.98, 0.005  # of a mask's pixels are black or white; are white
WIDE_UM, NARROW_UM = 30.0, 2.0  # Gaussians between which cells are seen
SKEW: Final = 1.3  # of that, above which cells are bright: fluorescence
DARK_CORNER: Final = 0.35  # of the median light: what no uneven lamp does
CORNER_SHARE: Final = 0.01
NOISE_UM = 1.5  # Gaussian


@dataclass(frozen=True)
class Prepared:
    """A part of a picture, ready to find cells in.

    Attributes
    ----------
    grey : (H, W) float32
        On pixels of ``Settings.pixel_um``; of a mask 0 to 1.
    field : (H, W) bool or None
        What of it is to be measured; None for all.
    mode : str
        What it shows: one of `sim.lab.segment.MODES`.
    um_per_px : float
        Side of the picture's pixels; where it is not known, that of ``Settings.pixel_um``.
    notes : list of str
        What was chosen without being asked.
    doubts : list of str
        Why it may not be what it is taken for.
    """

    grey: Grey
    field: BoolArray | None
    mode: str
    um_per_px: float
    notes: list[str]
    doubts: list[str]


def prepare(picture: Picture, mode: str, crop: Crop | None, settings: Settings) -> Prepared:
    """Bring the part of a picture that is measured to pixels of one size.

    Raises
    ------
    InputError
        If the crop is outside of the picture, or there is too little memory.
    """
    um = picture.um_per_px or settings.pixel_um
    rows, columns = crop.box(picture.values.shape) if crop else (slice(None), slice(None))
    values = picture.values[rows, columns]
    ratio = settings.pixel_um / um
    check_memory(
        BYTES_PER_PX * values.size / ratio**2,
        "a smaller part (--crop) or a larger pixel_um needs less",
    )
    notes: list[str] = []
    doubts: list[str] = []
    if crop and crop.reaches_beyond(picture.values.shape):
        height, width = picture.values.shape[:2]
        notes.append(f"the crop reaches beyond the picture of {width} x {height} pixels: cut there")
    if picture.um_per_px is None:
        notes.append(
            "no size of pixels in the file (give --um-per-px): lengths are in pixels, and settings "
            f"in um count a pixel as {settings.pixel_um:g} um"
        )
    elif picture.scale_from != "given":
        notes.append(f"{picture.um_per_px:.4g} um per pixel: {picture.scale_from}")
    if picture.plane:
        notes.append(f"plane {picture.plane}")
    if crop and crop.is_circle:
        values = crop.mirrored(values, rows.start, columns.start)
    if mode == AUTO:
        mode = _mode_of(values, um)
        notes.append(f"taken for {mode}")
    if settings.inverted:
        values = values.max() - values.astype(np.float32)
    if mode == "mask":
        values = _cells_of_mask(values, doubts)
    elif crop is None and mode == "phase" and _shows_wall(values, um, settings):
        doubts.append(WALL)
    elif mode == "fluorescence" and _noise(values, um) > MOST_NOISE:
        doubts.append(NOISY)
    grey = resample(values, ratio)
    field = None
    if crop and crop.is_circle:
        starts = rows.start, columns.start
        y, x = (
            start + size / 2 + (np.arange(count) + 0.5 - count / 2) * ratio
            for start, size, count in zip(starts, values.shape, grey.shape, strict=True)
        )
        field = crop.holds(y, x)
    return Prepared(grey, field, mode, um, notes, doubts)


def _mode_of(values: NDArray[Any], um: float) -> str:
    """Return what a picture seems to show."""
    low, high = float(values.min()), float(values.max())
    if high > low:
        share = (values[::2, ::2].astype(np.float32) - low) / (high - low)
        white = float(np.mean(share > 1 - OF_RANGE))
        if white >= LEAST_WHITE and float(np.mean(share < OF_RANGE)) + white >= MASK_SHARE:
            return "mask"
    return "fluorescence" if _skewness(values, um) > SKEW else "phase"


def _skewness(values: NDArray[Any], um: float) -> float:
    """Skewness of what is between a narrow and a wide Gaussian: cells that are bright have much."""
    step = max(1, round(NARROW_UM / um))
    grey = resample(values, step)
    band = ndimage.gaussian_filter(grey, NARROW_UM / um / step)
    band -= ndimage.gaussian_filter(grey, WIDE_UM / um / step)
    band -= band.mean()
    spread = float(band.std())
    return float(np.mean((band / spread) ** 3)) if spread > 0 else 0.0


def _cells_of_mask(values: NDArray[Any], doubts: list[str]) -> Grey:
    """Return 1 where a mask has cells: not 0 in labels, above half of the brightest in 8 bits."""
    if values.dtype.kind in "iu" and values.dtype.itemsize > 1:
        return np.asarray(values > 0, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    if high > low:
        share = (values.astype(np.float32) - low) / (high - low)
        between = float(np.mean((share >= OF_RANGE) & (share <= 1 - OF_RANGE)))
        if between > 1 - MASK_SHARE:
            doubts.append(f"{between:.0%} of the pixels are grey: is it a mask?")
    return np.asarray(values > high / 2, dtype=np.float32)


def _shows_wall(values: NDArray[Any], um: float, settings: Settings) -> bool:
    """Whether a part of a phase picture is darker than uneven light makes it."""
    step = max(1, round(settings.flat_um / um / 4))
    light = ndimage.gaussian_filter(resample(values, step), settings.flat_um / um / step / 2)
    return float(np.mean(light < DARK_CORNER * np.median(light))) > CORNER_SHARE


def _noise(values: NDArray[Any], um: float) -> float:
    """Noise of the brightest pixels relative to their light, at pixels of 2 um."""
    light = values.astype(np.float32)
    smooth = ndimage.gaussian_filter(light, NOISE_UM / um)
    level, spread = background(smooth)
    cells = smooth > level + CLIPPED * spread
    if not cells.any():
        return 0.0  # all alike: a closed layer, or nothing
    cells &= smooth >= np.median(smooth[cells])  # the brighter half
    signal = float(np.median(smooth[cells])) - level
    beside = light[:, 1:-1] - (light[:, 2:] + light[:, :-2]) / 2
    here = beside[cells[:, 1:-1]]
    noise = 1.4826 * float(np.median(np.abs(here))) / math.sqrt(1.5) if here.size else 0.0
    return noise / signal * math.sqrt(um / 2)
