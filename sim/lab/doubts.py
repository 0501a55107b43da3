"""Why a picture may not carry a network: limits measured on rendered networks, and on none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import ndimage

from sim.lab.segment import Segmented

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sim.readouts.network import Network

    BoolArray = NDArray[np.bool_]

LEAST_CONTRAST: Final[Mapping[str, float]] = {"phase": 2.5, "fluorescence": 7.5}
MOST_COVERED: Final[Mapping[str, float]] = {"phase": 0.50, "fluorescence": 0.38}
LEAST_IN_PARTS: Final = 0.75
LEAST_IN_PARTS_OF_PHASE: Final = 0.85  # of cells, not of the mask, which joins some
MOST_NOISE: Final = 0.33
NOTHING: Final = "no cells found"
FAINT: Final = "cells hardly differ from the background: empty, out of focus or noise"
DENSE: Final = "cells cover so much that there are hardly tubes: dense or out of focus"
CRUMBS: Final = "much of what was found is smaller than three cells"
GROUND: Final = (
    "; if the overlay has cells in the background, as where a picture was cut off at black, raise "
    "--setting noise, such as noise=6"
)
JOINED: Final = (
    "many cells lie apart or in pairs, which phase contrast joins: length and counts may be too "
    "large"
)
NOISY: Final = "few photons: the noise of cells is more than a third of their light"
WALL: Final = (
    "a part of the picture is so dark that it may be the wall of a well or a frame: mark the field "
    "with --crop, or what is there counts as cells"
)
RIM: Final = (
    "what was found ends along a circle, as at the wall of a well or the end of the light: mark "
    "the field with --crop, or that counts as cells"
)
EDGE_PX: Final = 10  # of the picture, at which anything ends
NEAR_PX: Final = 3  # to the outer edge of what was found
LEAST_ARC: Final = 0.1  # of the perimeter of the picture
LEAST_ON_ARC: Final = 0.7  # of it
MOST_OFF_ARC: Final = 0.02  # of its radius
MOST_RADIUS: Final = 10  # diagonals of the picture: what is wider is straight


def doubts_of(
    found: Segmented, mode: str, network: Network, covered: float, field: BoolArray | None
) -> list[str]:
    """Return why what was found may be no network; empty if nothing speaks against it.

    Parameters
    ----------
    found : Segmented
    mode : str
    network : Network
        Measured on it.
    covered : float
        Share of the field that is cells.
    field : (H, W) bool, optional
        What was measured, if not all.
    """
    mask = found.mask if field is None else found.mask & field
    if not mask.any():
        return [NOTHING]
    doubts = []
    if found.feature is not None:
        outside = ~found.mask if field is None else field & ~found.mask
        rest = found.feature[outside]
        ground = float(np.median(rest)) if mode == "phase" and rest.size else 1.0  # 1 is noise
        if float(np.median(found.feature[mask])) < LEAST_CONTRAST[mode] * ground:
            doubts.append(FAINT)
        if covered > MOST_COVERED[mode]:
            doubts.append(DENSE)
    if np.count_nonzero(mask & network.kept) < LEAST_IN_PARTS * np.count_nonzero(mask):
        doubts.append(CRUMBS + (GROUND if mode == "fluorescence" else ""))
    return doubts


def ends_along_a_circle(mask: BoolArray) -> bool:
    """Whether the outer edge of a mask is an arc, where it is not that of the picture.

    No network ends so: of its convex hull few points are cells, and these are on no circle.
    """
    from scipy.spatial import ConvexHull, QhullError

    rows = np.flatnonzero(mask.any(axis=1))
    width = mask.shape[1]
    ends = [mask[rows].argmax(axis=1), width - 1 - mask[rows, ::-1].argmax(axis=1)]
    points = np.concatenate([np.stack([rows, end], axis=1) for end in ends])
    try:
        corners = points[ConvexHull(points).vertices]
    except (QhullError, ValueError):  # all of it is on a line
        return False
    sides = np.roll(corners, -1, axis=0) - corners
    steps = np.maximum(np.hypot(*sides.T).astype(int), 1)
    hull = np.concatenate([
        corner + np.linspace(0, 1, count, endpoint=False)[:, None] * side
        for corner, side, count in zip(corners, sides, steps, strict=True)
    ])  # fmt: skip
    far = np.minimum(hull, np.array(mask.shape) - 1 - hull).min(axis=1)
    hull = hull[far > EDGE_PX]
    if len(hull) < LEAST_ARC * 2 * sum(mask.shape):
        return False
    away = ndimage.distance_transform_edt(~mask)
    on = hull[away[tuple(np.rint(hull).astype(int).T)] <= NEAR_PX]
    if len(on) < LEAST_ON_ARC * len(hull):
        return False
    middle = on.mean(axis=0)
    y, x = (on - middle).T
    (a, b, c), *_ = np.linalg.lstsq(
        np.stack([y, x, np.ones(len(on))], axis=1), y**2 + x**2, rcond=None
    )
    radius = float(np.sqrt(c + (a**2 + b**2) / 4))
    off = float(np.std(np.hypot(y - a / 2, x - b / 2)))
    return radius < MOST_RADIUS * float(np.hypot(*mask.shape)) and off < MOST_OFF_ARC * radius
