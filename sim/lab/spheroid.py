"""Pictures of a spheroid: length and number of its sprouts, by the function for lattices.

The core, from which lengths count, is the spheroid in the first picture of a series; of a single
picture it is the largest disc that the spheroid holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sim.errors import InputError
from sim.lab.segment import segment
from sim.lab.settings import Settings
from sim.readouts.network import dilate
from sim.readouts.sprouts import Core, Sprouts, core_of, measure_sprouts

BoolArray = NDArray[np.bool_]

AROUND = np.ones((3, 3), np.bool_)
BRIDGED_UM = 24.0  # less than the length of a cell: a faint one breaks a sprout
HALF_BRIDGE_UM = 3.0


@dataclass(frozen=True)
class Spheroid:
    """A picture of a spheroid.

    Attributes
    ----------
    values : dict
        Read-outs by name: those of a lattice, but for cells that a picture does not tell
        apart.
    covered : (y, x) bool
        Where cells are.
    core : Core
        In pixels.
    sprouts : Sprouts
        What was measured, and the skeleton.
    doubts : list of str
        Why the values may mean nothing.
    """

    values: dict[str, float]
    covered: BoolArray
    core: Core
    sprouts: Sprouts
    doubts: list[str]


def measure_spheroids(
    pictures: Sequence[NDArray[np.floating[Any]]],
    mode: str,
    settings: Settings | None = None,
    fields: Sequence[BoolArray | None] | None = None,
    **sizes: float,
) -> list[Spheroid]:
    """Measure pictures of one spheroid, the first one at the start.

    Parameters
    ----------
    pictures : sequence of (y, x) float
        Grey values of one place, in their order, on pixels of ``settings.pixel_um``. A single
        picture is no start: its core is the largest disc in it.
    mode : str
        ``phase``, ``fluorescence``, or ``mask``, which has cells where it is above one half.
    settings : sim.lab.settings.Settings, optional
    fields : sequence of (y, x) bool or None, optional
        What of each is to be measured; by default all.
    **sizes : float
        Of the read-outs, in um: `sim.readouts.sprouts.measure_sprouts`.

    Returns
    -------
    list of Spheroid
        One for each picture.

    Raises
    ------
    InputError
        If there is no picture, or pictures differ in size.
    """
    settings = settings or Settings()
    if not pictures:
        raise InputError("no picture of a spheroid")
    shapes = {np.shape(picture) for picture in pictures}
    if len(shapes) > 1:
        found = ", ".join(f"{x} x {y}" for y, x in sorted(shapes))
        raise InputError(f"pictures of one spheroid must have one size, not {found} pixels")
    narrow = replace(settings, ridge_phase=settings.ridge_spheroid)  # `_joined` bridges the gaps
    masks = []
    for picture, field in zip(pictures, fields or [None] * len(pictures), strict=True):
        mask = segment(np.asarray(picture, np.float32), mode, narrow).mask
        masks.append(mask if field is None else mask & field)
    core = core_of(_largest(masks[0])) if len(masks) > 1 else largest_disc(masks[0])
    if mode != "mask":
        masks = [_joined(mask, core, settings) for mask in masks]
    return [_measured(mask, core, settings, sizes) for mask in masks]


def largest_disc(mask: BoolArray) -> Core:
    """Return the largest disc that fits into a mask without its holes."""
    depth = ndimage.distance_transform_edt(np.pad(ndimage.binary_fill_holes(mask), 1))[1:-1, 1:-1]
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return Core(float(y), float(x), float(depth[y, x]))


def _largest(mask: BoolArray) -> BoolArray:
    """The largest connected part without its holes."""
    parts, count = ndimage.label(ndimage.binary_fill_holes(mask), AROUND)
    return np.asarray(parts == np.bincount(parts.ravel())[1:].argmax() + 1) if count else mask


def _joined(mask: BoolArray, core: Core, settings: Settings) -> BoolArray:
    """Join parts of a cell or more that a faint cell parts from the spheroid, nearest first."""
    parts, count = ndimage.label(mask, AROUND)
    area = np.bincount(parts.ravel(), minlength=count + 1)
    inside = np.bincount(parts[_disc(mask.shape, core)], minlength=count + 1)
    inside[0] = 0
    main = int(inside.argmax())
    body, mask = parts == main, mask.copy()
    waiting = (area >= settings.cell_um2 / settings.pixel_um**2) & (np.arange(count + 1) > 0)
    waiting[main] = False
    while main and waiting.any():
        away, nearest = ndimage.distance_transform_edt(~body, return_indices=True)
        away[~waiting[parts]] = np.inf
        y, x = np.unravel_index(int(away.argmin()), away.shape)
        far = float(away[y, x])
        if far * settings.pixel_um > BRIDGED_UM:
            break
        line = np.zeros_like(mask)
        steps = np.rint(np.linspace((y, x), nearest[:, y, x], int(far) + 2)).astype(int)
        line[tuple(steps.T)] = True
        mask |= dilate(line, HALF_BRIDGE_UM / settings.pixel_um)
        body |= (parts == parts[y, x]) | line
        waiting[parts[y, x]] = False
    return mask


def _disc(shape: tuple[int, ...], core: Core) -> BoolArray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.asarray((y - core.y) ** 2 + (x - core.x) ** 2 <= core.radius**2)


def _measured(mask: BoolArray, core: Core, settings: Settings, sizes: dict[str, float]) -> Spheroid:
    # light from the background near by leaves a hole in what is wider than that
    mask = mask | (ndimage.binary_fill_holes(mask) & _disc(mask.shape, core))
    found = measure_sprouts(mask, core, spacing_um=settings.pixel_um, **sizes)
    values = {
        "cumulative_length_um": found.length_um,
        "sprouts": found.number,
        "mean_length_um": found.length_um / found.number if found.number else 0.0,
        "longest_um": found.reach_um,
        "core_radius_um": core.radius * settings.pixel_um,
    }
    return Spheroid(values, mask, core, found, _doubts(mask, found.body, core, settings))


def _doubts(mask: BoolArray, body: BoolArray, core: Core, settings: Settings) -> list[str]:
    """Why a picture may be none of a spheroid with its sprouts; empty if nothing speaks against."""
    if not body.any():
        return ["no spheroid was found"]
    found = []
    cell = settings.cell_um2 / settings.pixel_um**2
    parts, _ = ndimage.label(mask & ~body, AROUND)
    loose = int(np.count_nonzero(np.bincount(parts.ravel())[1:] >= cell))
    if loose:
        found.append(
            f"{loose} parts of a cell or more are not connected with the spheroid: loose cells, "
            "debris, or sprouts with a faint stretch, which do not count"
        )
    edges = (body[0], body[-1], body[:, 0], body[:, -1])
    if any(edge.any() for edge in edges):
        found.append("the spheroid or its sprouts reach the edge of the picture")
    if core.radius < np.sqrt(3 * cell / np.pi):
        found.append("the spheroid is smaller than three cells")
    return found
