"""Pictures of a scratch: how far the fronts have come, by the read-outs of the wound assay.

A picture becomes a mask of what cells cover, and `sim.readouts.front.measure_gap` measures it as it
measures a lattice. All pictures of a series have one threshold, so that a nearly closed gap, which
is too small to be seen in a histogram, is found by that of the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtri

from sim.errors import InputError
from sim.readouts.front import LEFT, RIGHT, measure_gap

BoolArray = NDArray[np.bool_]
Grey = NDArray[np.float32]

DIRECTIONS: Final = ("auto", "vertical", "horizontal")
"""Which way a scratch runs over the picture."""
DARK = 0.05  # of white: what is added where a picture is divided by its light
BLACK = 0.15  # of the light: what is darker at the edge is outside of the field of view
FRAME_UM = 12.0  # at its border, which is no texture
AROUND = np.ones((3, 3), np.bool_)
LEAST_CONTRAST = 2.0  # of cells, in the median
MOST_HOLES = 0.1  # of the layer
LEAST_ALONG = 0.8  # of the field: what a scratch runs over
NOWHERE = 3  # what is outside of the field, beside `LEFT` and `RIGHT`


@dataclass(frozen=True)
class Settings:
    """How a gap is found; all sizes are in um, those of the pictures' pixels too.

    Attributes
    ----------
    pixel_um : float
        Side of a pixel.
    direction : str
        Which way the scratch runs: one of `DIRECTIONS`.
    window_um : float
        Gaussian window of the local deviation (phase).
    flat_um : float
        Light that is wider is uneven light (phase).
    blur_um : float
        Gaussian against noise (fluorescence).
    cell_um2 : float
        What is smaller in the gap is debris.
    hole_um2 : float
        Holes of the layer that are smaller are filled: cells without texture.
    """

    pixel_um: float = 2.0
    direction: str = "auto"
    window_um: float = 4.0
    flat_um: float = 50.0
    blur_um: float = 1.5
    cell_um2: float = 400.0
    hole_um2: float = 1200.0


@dataclass(frozen=True)
class Wound:
    """A picture of a scratch.

    Attributes
    ----------
    values : dict
        Read-outs by name: those of the wound assay, but for the cells that a picture does not tell
        apart. ``closure_percent`` and ``front_speed_um_h`` are against the first of the series.
    covered : (y, x) bool
        Where cells are.
    gap : (y, x) bool
        What is left of the gap.
    first : (y, x) bool
        The gap in the first picture of the series.
    field : (y, x) bool
        What of the picture was measured.
    direction : str
        Which way the scratch runs.
    doubts : list of str
        Why the values may mean nothing.
    """

    values: dict[str, float]
    covered: BoolArray
    gap: BoolArray
    first: BoolArray
    field: BoolArray
    direction: str
    doubts: list[str]


def measure_wounds(
    pictures: Sequence[NDArray[np.floating]],
    mode: str,
    times_h: Sequence[float] | None = None,
    settings: Settings | None = None,
    fields: Sequence[BoolArray | None] | None = None,
) -> list[Wound]:
    """Measure pictures of one scratch, the first one at the start.

    Parameters
    ----------
    pictures : sequence of (y, x) float
        Grey values of one place, in their order, on pixels of ``settings.pixel_um``.
    mode : str
        ``phase``, ``fluorescence``, or ``mask``, which has cells where it is above one half.
    times_h : sequence of float, optional
        When they were taken; without it there is no speed.
    settings : Settings, optional
    fields : sequence of (y, x) bool or None, optional
        What of each is to be measured; by default all but a black frame.

    Returns
    -------
    list of Wound
        One for each picture.

    Raises
    ------
    InputError
        If pictures differ in size, times are not ascending, or a setting is not allowed.
    """
    settings = settings or Settings()
    pictures = [np.asarray(picture, np.float32) for picture in pictures]
    _check(pictures, times_h, settings)
    seen = [
        _field(grey, mode, settings) if field is None else field
        for grey, field in zip(pictures, fields or [None] * len(pictures), strict=True)
    ]
    layers, doubts = _layers(pictures, seen, mode, settings)
    frame = _frame(layers[0], seen[0], settings)
    first = _gap(layers[0], ~layers[0], seen[0], frame)[1]
    found = []
    for turn, (covered, field) in enumerate(zip(layers, seen, strict=True)):
        hours = times_h[turn] - times_h[0] if times_h is not None else None
        values, gap = _gap(covered, first, field, frame, hours, settings.pixel_um)
        mine = [*doubts, *_doubts(covered, gap, first, field, frame)]
        found.append(Wound(values, covered, gap, first, field, frame.direction, mine))
    return found


def _check(pictures: Sequence[Grey], times_h: Sequence[float] | None, settings: Settings) -> None:
    if not pictures:
        raise InputError("no picture of a wound")
    shapes = {picture.shape for picture in pictures}
    if len(shapes) > 1:
        sizes = ", ".join(f"{x} x {y}" for y, x in sorted(shapes))
        raise InputError(f"pictures of one wound must have one size, not {sizes} pixels")
    if settings.direction not in DIRECTIONS:
        raise InputError(f"direction = {settings.direction!r} must be one of {DIRECTIONS}")
    if times_h is not None:
        if len(times_h) != len(pictures):
            raise InputError(f"{len(times_h)} times for {len(pictures)} pictures")
        if not all(a < b for a, b in pairwise(times_h)):
            raise InputError(f"times {list(times_h)} must be ascending, the first one the start")


# --- what cells cover --------------------------------------------------------------------------


def _field(grey: Grey, mode: str, settings: Settings) -> BoolArray:
    """What is no black frame, nor dark around a round field of view: both are at the edge."""
    if mode == "mask":
        return np.ones(grey.shape, np.bool_)
    even = _smooth(grey, 3.0)
    dark = even < BLACK * np.percentile(even, 90) if mode == "phase" else grey == grey.min()
    wide = ndimage.binary_opening(np.pad(dark, 4, mode="edge"), AROUND, iterations=3)
    parts, _ = ndimage.label(np.pad(wide, 1, constant_values=True), AROUND)
    outside = (parts == parts[0, 0])[5:-5, 5:-5]
    if not outside.any():
        return np.ones(grey.shape, np.bool_)
    return ndimage.distance_transform_edt(~outside) * settings.pixel_um > FRAME_UM


def _layers(
    pictures: Sequence[Grey], fields: Sequence[BoolArray], mode: str, settings: Settings
) -> tuple[list[BoolArray], list[str]]:
    """What cells cover in each picture of a series, and why it may not."""
    from skimage.filters import threshold_otsu

    if mode == "mask":
        return [picture > 0.5 for picture in pictures], []
    features = [
        _feature(grey, field, mode, settings) for grey, field in zip(pictures, fields, strict=True)
    ]
    seen = [feature[field] for feature, field in zip(features, fields, strict=True)]
    logs = np.log(np.concatenate(seen) + np.float32(1e-6))
    threshold = float(np.exp(threshold_otsu(logs)))
    layers = [
        _without_debris((feature > threshold) & field, settings)
        for feature, field in zip(features, fields, strict=True)
    ]
    both = list(zip(features, layers, fields, strict=True))
    cells = np.concatenate([feature[layer & field] for feature, layer, field in both])
    gap = np.concatenate([feature[~layer & field] for feature, layer, field in both])
    contrast = float(np.median(cells)) / max(float(np.median(gap)), 1e-6) if gap.size else math.inf
    if not cells.size or contrast < LEAST_CONTRAST:
        return [np.ones_like(layer) for layer in layers], [
            "nothing parts cells from a gap: it is closed, or the picture is empty or out of focus"
        ]
    swell = 0.0
    if mode == "phase":  # a window reaches beyond the cells as far as the threshold is low
        share = (threshold**2 - np.median(gap) ** 2) / np.mean(cells**2)
        swell = -settings.window_um * float(ndtri(min(max(share, 1e-4), 0.5)))
    for turn, field in enumerate(fields):
        layer = _filled(layers[turn], field, settings)
        layer = _eroded(layer | ~field, swell / settings.pixel_um) & field
        layer = _without_debris(layer, settings)
        layers[turn] = _filled(layer, field, settings)
    return layers, []


def _feature(grey: Grey, field: BoolArray, mode: str, settings: Settings) -> Grey:
    """Phase: local deviation without uneven light; fluorescence: light. Outside counts for none."""
    grey = grey / max(float(np.percentile(grey[field], 99.9)), 1e-9)
    inside = field.astype(np.float32)

    def mean(values: Grey, size_um: float) -> Grey:
        size = size_um / settings.pixel_um
        weight = np.maximum(_smooth(inside, size), np.float32(1e-3))
        return np.asarray(_smooth(values * inside, size) / weight)

    if mode == "fluorescence":
        return mean(grey, settings.blur_um)
    even = grey / (mean(grey, settings.flat_um) + np.float32(DARK))
    even -= mean(even, settings.window_um)
    return np.asarray(np.sqrt(mean(even * even, settings.window_um)))


def _smooth(field: Grey, deviation: float) -> Grey:
    smooth: Grey = ndimage.gaussian_filter(field, deviation)
    return smooth


def _without_debris(covered: BoolArray, settings: Settings) -> BoolArray:
    """Without parts that are smaller than a cell."""
    parts, _ = ndimage.label(covered, AROUND)
    kept = np.bincount(parts.ravel()) >= settings.cell_um2 / settings.pixel_um**2
    kept[0] = False
    return np.asarray(kept[parts])


def _filled(covered: BoolArray, field: BoolArray, settings: Settings) -> BoolArray:
    """Without small holes."""
    holes, _ = ndimage.label(~covered & field)
    small = np.bincount(holes.ravel()) < settings.hole_um2 / settings.pixel_um**2
    small[0] = False
    return np.asarray(covered | small[holes])


def _eroded(covered: BoolArray, pixels: float) -> BoolArray:
    """Without what is nearer to the gap than so many pixels; beyond the picture is no gap."""
    if covered.all():
        return covered
    return np.asarray(ndimage.distance_transform_edt(covered) > pixels + 0.5)


# --- the gap -----------------------------------------------------------------------------------


class _Frame(NamedTuple):
    """How the scratch lies in the picture."""

    direction: str
    slope: float  # pixels across for a pixel along
    middle: float  # pixels across, at the first pixel along


def _frame(covered: BoolArray, field: BoolArray, settings: Settings) -> _Frame:
    """Find which way the scratch runs, and the straight line in its middle."""
    gap = ~covered & field
    direction = settings.direction
    if direction == "auto":
        across, along = (_unevenness(gap, field, axis) for axis in (0, 1))
        direction = "vertical" if across >= along else "horizontal"
    if direction == "horizontal":
        gap = gap.T
    parts, count = ndimage.label(gap)
    if not count:
        return _Frame(direction, 0.0, gap.shape[1] / 2)
    largest = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    rows = np.flatnonzero(largest.any(axis=1))
    middles = (largest[rows] * np.arange(gap.shape[1])).sum(axis=1) / largest[rows].sum(axis=1)
    if rows.size < 2:
        return _Frame(direction, 0.0, float(middles[0]))
    slope, middle = np.polyfit(rows, middles, 1)
    return _Frame(direction, float(slope), float(middle))


def _unevenness(gap: BoolArray, field: BoolArray, axis: int) -> float:
    """Variance of the share of the gap in columns (0) or rows (1), over the field's long ones."""
    length = np.asarray(field.sum(axis), np.int64)
    long = length > length.max() / 2
    return float(np.var(gap.sum(axis)[long] / length[long])) if long.any() else 0.0


def _gap(
    covered: BoolArray,
    first: BoolArray,
    field: BoolArray,
    frame: _Frame,
    hours: float | None = None,
    pixel_um: float = 1.0,
) -> tuple[dict[str, float], BoolArray]:
    """The read-outs of the gap, and what of it is open; the scratch is set upright for them."""
    turned = frame.direction == "horizontal"
    height, width = covered.shape[::-1] if turned else covered.shape
    y, x = np.arange(height)[:, None], np.arange(width)
    lean = np.rint(frame.slope * (y - (height - 1) / 2)).astype(int)
    wide = x + lean
    there = (wide >= 0) & (wide < width)

    def upright(mask: BoolArray) -> BoolArray:
        mask = mask.T if turned else mask
        return np.asarray(mask[y, np.clip(wide, 0, width - 1)] & there)

    inside, start = upright(field), upright(first & field)
    middle = frame.middle + frame.slope * (height - 1) / 2
    cells = np.where(upright(covered), np.where(x < middle, LEFT, RIGHT), 0)
    cell_id = np.where(inside, cells, NOWHERE).astype(np.int32)
    side = np.array([0, LEFT, RIGHT, 0], np.int8)
    gap = measure_gap(cell_id, start, side, periodic=False)
    upright_um = pixel_um / math.hypot(1, frame.slope)  # across the scratch, not along the rows
    length = int(start.any(axis=1).sum())
    values = {
        "closure_percent": 100.0 * gap.covered / int(start.sum()) if start.any() else math.nan,
        "gap_area_um2": float(gap.open.sum()) * pixel_um**2,
        "holes_um2": gap.holes * pixel_um**2,
        "front_roughness_um": gap.roughness * upright_um,
    }
    if hours is not None:
        advance = gap.covered / (2 * length) * upright_um if length else math.nan
        values["front_speed_um_h"] = advance / hours if hours else 0.0
    back = np.zeros((height, width), np.bool_)
    where = np.nonzero(gap.open)
    back[where[0], wide[where]] = True
    return values, np.ascontiguousarray(back.T) if turned else back


def _doubts(
    covered: BoolArray, gap: BoolArray, first: BoolArray, field: BoolArray, frame: _Frame
) -> list[str]:
    """Why a picture may be none of a scratch in a layer; empty if nothing speaks against it."""
    found = []
    if not first.any():
        found.append("no gap runs between two sides of the layer in the first picture")
    layer = field & ~first
    holes = int(np.count_nonzero(layer & ~covered & ~gap))
    if holes > MOST_HOLES * int(np.count_nonzero(layer)):
        found.append("the layer is full of holes: cells are sparse, or hardly to be seen")
    axis = 1 if frame.direction == "vertical" else 0
    along = np.count_nonzero(first.any(axis))
    if 0 < along < LEAST_ALONG * int(np.count_nonzero(field.any(axis))):
        found.append("the gap does not run across the picture")
    return found
