"""Pictures of one scratch or spheroid, the first of them the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sim.errors import InputError
from sim.lab import wound
from sim.lab.crop import Crop
from sim.lab.doubts import WALL
from sim.lab.measure import Measured, in_pixels
from sim.lab.picture import Picture
from sim.lab.prepare import Prepared, prepare
from sim.lab.settings import Settings
from sim.lab.spheroid import Spheroid, measure_spheroids

WOUND, SPHEROID = "wound", "spheroid"
SERIES: Final = (WOUND, SPHEROID)
"""What is measured of pictures of one place, in their order."""


def measure_series(
    pictures: Sequence[Picture],
    assay: str,
    mode: str,
    crop: Crop | None,
    settings: Settings,
    times_h: Sequence[float] | None = None,
) -> list[Measured]:
    """Measure pictures of one place by an assay's own functions.

    Parameters
    ----------
    pictures : sequence of Picture
        In their order; what the first shows, all show.
    assay : str
        One of `SERIES`.
    mode, crop, settings
        As for `sim.lab.measure.measure_picture`.
    times_h : sequence of float, optional
        When they were taken: without it there is no speed.

    Raises
    ------
    InputError
        If the pictures differ in size, the size of pixels is known of some only, or a crop is
        outside of them.
    """
    unknown = [picture for picture in pictures if picture.um_per_px is None]
    if known := unknown and [picture for picture in pictures if picture.um_per_px is not None]:
        raise InputError(
            f"{unknown[0].name} does not say the size of its pixels, and {known[0].name} has "
            f"{known[0].um_per_px:.4g} um; pictures of one series need one scale: give --um-per-px"
        )
    seen: list[Prepared] = []
    for picture in pictures:
        seen.append(prepare(picture, seen[0].mode if seen else mode, crop, settings))
    greys, fields = [one.grey for one in seen], [one.field for one in seen]
    found: list[wound.Wound] | list[Spheroid]
    if assay == WOUND:
        of_wound = wound.Settings(
            pixel_um=settings.pixel_um, flat_um=settings.flat_um, blur_um=settings.blur_um,
            cell_um2=settings.cell_um2,
        )  # fmt: skip
        found = wound.measure_wounds(greys, seen[0].mode, times_h, of_wound, fields)
    else:
        found = measure_spheroids(greys, seen[0].mode, settings, fields)
    measured = []
    for at, picture in enumerate(pictures):
        what, one = found[at], seen[at]
        values = dict(what.values)
        if picture.um_per_px is None:
            values = in_pixels(values, settings.pixel_um)
        doubts = [*(doubt for doubt in one.doubts if doubt != WALL), *what.doubts]
        measured.append(
            Measured(
                picture.name, one.mode, picture.um_per_px, values, doubts, one.notes,
                settings.pixel_um, one.grey, what.covered, one.field, what,
            )
        )  # fmt: skip
    return measured
