"""Lines from site to site, their stairs smoothed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

SMOOTHINGS: Final = 8
"""How often the stairs of a skeleton are smoothed."""


def smooth_lines(
    places: NDArray[np.float64],
    links: NDArray[Any],
    shape: tuple[int, int],
    smoothings: int = SMOOTHINGS,
) -> NDArray[np.float64]:
    """Return short lines between linked places, stairs smoothed.

    Places in the middle of a line move towards their two neighbours; ends and branch points
    stay. Lines over a periodic border are given once at each side.

    Parameters
    ----------
    places : (n, 2) float
        Places (y, x), in sites.
    links : (m, 2) int
        Pairs of neighbours among them.
    shape : (int, int)
        Sites of the domain.
    smoothings : int
        How often stairs are smoothed.

    Returns
    -------
    (m or more, 2, 2) float
        Start and end of each line as (y, x) in sites.
    """
    start, end = links.T
    jump = np.round((places[start] - places[end]) / shape) * shape  # across the border
    middle = np.bincount(links.ravel(), minlength=len(places)) == 2
    place = places.copy()
    for _ in range(smoothings):
        total = np.zeros_like(place)
        np.add.at(total, start, place[end] + jump)
        np.add.at(total, end, place[start] - jump)
        place[middle] = (place[middle] + total[middle] / 2) / 2

    lines = np.stack([place[start], place[end] + jump], axis=1)
    over = jump.any(axis=1)
    return np.concatenate([lines, lines[over] - jump[over, None]])
