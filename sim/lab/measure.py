"""A picture measured as the simulation is: the same read-outs, by the same function.

A picture becomes a mask of its cells (`sim.lab.segment`), which is measured by
`sim.readouts.network.measure_network`, as a lattice is.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sim.lab.analyzer import AREA, Analysis, analyse
from sim.lab.crop import Crop
from sim.lab.doubts import (
    CRUMBS,
    JOINED,
    LEAST_IN_PARTS_OF_PHASE,
    RIM,
    doubts_of,
    ends_along_a_circle,
)
from sim.lab.picture import Picture
from sim.lab.prepare import AUTO, prepare
from sim.lab.segment import Grey, resample, segment
from sim.lab.settings import Settings
from sim.readouts.network import (
    DIAGONAL_TOO,
    SMALLEST_PART_CELLS,
    Network,
    close,
    measure_network,
)

if TYPE_CHECKING:
    from sim.lab.spheroid import Spheroid
    from sim.lab.wound import Wound

    BoolArray = NDArray[np.bool_]

ANALYZER: Final = "angiogenesis-analyzer"
"""Whose counts are given in place of the read-outs."""
_UNIT: Final = re.compile(r"_(mm_per_mm2|mm|um2|um_h|um)$")
_IN_PX: Final[Mapping[str, tuple[str, float, int]]] = {
    "mm": ("px", 1000.0, 1),
    "um": ("px", 1.0, 1),
    "um2": ("px2", 1.0, 2),
    "mm_per_mm2": ("px_per_px2", 0.001, -1),
    "um_h": ("px_h", 1.0, 1),
}
"""Of units of read-outs: what they are without a scale, their size in um, and the power of that."""


@dataclass(frozen=True)
class Measured:
    """A picture with its read-outs, and the arrays that draw it.

    Attributes
    ----------
    picture : str
        Its name.
    mode : str
        What it was taken for.
    um_per_px : float or None
        Side of its pixels; None if it is not known, and lengths are in pixels.
    values : dict
        Read-outs by name.
    doubts : list of str
        Why they may mean nothing.
    notes : list of str
        What was chosen without being asked.
    pixel_um : float
        Side of the pixels of the arrays; without a scale it counts as one of the picture's.
    grey : (H, W) float32
        The part that was measured.
    mask : (H, W) bool
        Its cells.
    field : (H, W) bool or None
        What of it was measured; None for all.
    found : Network, Analysis, Wound or Spheroid
        What was measured; an `Analysis` is on the pixels of the picture.
    """

    picture: str
    mode: str
    um_per_px: float | None
    values: dict[str, float]
    doubts: list[str]
    notes: list[str]
    pixel_um: float
    grey: Grey = dataclasses.field(repr=False)
    mask: BoolArray = dataclasses.field(repr=False)
    field: BoolArray | None = dataclasses.field(repr=False)
    found: Network | Analysis | Wound | Spheroid = dataclasses.field(repr=False)


def measure_picture(
    picture: Picture,
    mode: str = AUTO,
    crop: Crop | None = None,
    settings: Settings | None = None,
    as_: str | None = None,
) -> Measured:
    """Measure the network of a picture.

    Parameters
    ----------
    picture : Picture
    mode : str
        ``"phase"``, ``"fluorescence"`` or ``"mask"``; ``"auto"`` chooses.
    crop : Crop, optional
        The part to measure; by default all of it.
    settings : Settings, optional
    as_ : str, optional
        `ANALYZER`, for its counts in place of the read-outs.

    Raises
    ------
    InputError
        If there is no such mode, the crop is outside of the picture, scikit-image is not installed,
        or there is too little memory.
    """
    settings = settings or Settings()
    seen = prepare(picture, mode, crop, settings)
    found = segment(seen.grey, seen.mode, settings)
    mask = found.mask if seen.field is None else found.mask & seen.field
    swell_um, sure = 0.0, None
    if seen.mode == "phase":
        swell_um = settings.swell_um
        depth_px = ndimage.distance_transform_edt(mask) - 0.5  # below the edge, not the next centre
        sure = depth_px > swell_um / settings.pixel_um
    network = measure_network(
        mask,
        spacing_um=settings.pixel_um,
        periodic=False,
        cell_area_sites=settings.cell_um2 / settings.pixel_um**2,
        closing_um=max(settings.closing_um - swell_um, 0),  # a gap is narrower between such masks
        field=seen.field,
        sure=sure,
    )
    values = network.readouts()
    doubts = doubts_of(found, seen.mode, network, values["covered_fraction"], seen.field)
    if seen.mode == "fluorescence" and crop is None and ends_along_a_circle(mask):
        doubts.append(RIM)
    if sure is not None:
        values["largest_part_fraction"], in_network = _parts(sure, settings)
        if in_network < LEAST_IN_PARTS_OF_PHASE and CRUMBS not in doubts:
            doubts.append(JOINED)
    width_um = network.skeleton.mean_width * settings.pixel_um - 2 * swell_um
    values["tube_width_um"] = max(width_um, 0.0)
    shown: Network | Analysis = network
    if as_ == ANALYZER:
        phase = resample(network.parts > 0, seen.um_per_px / settings.pixel_um)
        shown = analyse(phase > 0.5)
        values = dict(shown.values)
        if seen.field is not None:  # the circle, not the box around it
            pixels = (settings.pixel_um / seen.um_per_px) ** 2
            values[AREA] = round(np.count_nonzero(seen.field) * pixels)
    elif picture.um_per_px is None:
        values = in_pixels(values, settings.pixel_um)
    return Measured(
        picture.name, seen.mode, picture.um_per_px, values, [*seen.doubts, *doubts], seen.notes,
        settings.pixel_um, seen.grey, mask, seen.field, shown,
    )  # fmt: skip


def _parts(sure: BoolArray, settings: Settings) -> tuple[float, float]:
    """Share of cells in the largest part, and in parts of at least three cells.

    A mask that reaches beyond its cells joins what lies apart; `sure` is what is within it.
    """
    closed = close(sure, settings.closing_um / settings.pixel_um, periodic=False)
    parts, count = ndimage.label(closed, DIAGONAL_TOO)
    area = np.bincount(parts[sure], minlength=count + 1)
    least = SMALLEST_PART_CELLS * settings.cell_um2 / settings.pixel_um**2
    total = max(int(area.sum()), 1)
    return int(area.max()) / total, int(area[area >= least].sum()) / total


def in_pixels(values: Mapping[str, float], pixel_um: float) -> dict[str, float]:
    """Return read-outs of a picture without a scale, in its pixels, and named so."""
    found = {}
    for name, value in values.items():
        if unit := _UNIT.search(name):
            words, size_um, power = _IN_PX[unit[1]]
            value *= size_um * pixel_um**-power
            name = f"{name[: unit.start()]}_{words}"
        found[name] = value
    return found
