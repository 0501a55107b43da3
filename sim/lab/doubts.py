"""Why a picture may not carry a network: limits measured on rendered networks, and on none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

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
