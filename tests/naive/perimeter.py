"""The perimeter of a particle as ImageJ traces it, step by step."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def traced_perimeter(particle: NDArray[np.bool_]) -> float:
    """Return the perimeter of one particle whose pixels may touch at corners.

    The outline follows the edges of pixels. Of each corner 2 - sqrt 2 is taken off, of two corners
    with a side of one pixel between them once.
    """
    corners = _outline(np.pad(particle, 1))
    sides = np.diff(np.array([*corners, corners[0]]), axis=0)
    sides = abs(sides).sum(axis=1)
    cut, corner = 0, False
    for side in (sides[-1], *sides[:-1]):  # the side before each corner
        corner = bool(side > 1 or not corner)
        cut += corner
    return float(sides.sum() - cut * (2 - math.sqrt(2)))


def _outline(particle: NDArray[Any]) -> list[tuple[int, int]]:
    """Corners of the outer outline, clockwise; where pixels touch at a corner it crosses over."""
    y, x = np.argwhere(particle)[0]
    start = at = (int(y), int(x))  # upper left corner of the first pixel
    way, corners = (0, 1), [start]
    while True:
        at = (at[0] + way[0], at[1] + way[1])
        if at == start:
            return corners
        (dy, dx), (y, x) = way, at
        # the two pixels ahead of the edge; the particle is on its right
        if dy > 0:
            left, right = particle[y, x], particle[y, x - 1]
        elif dy < 0:
            left, right = particle[y - 1, x - 1], particle[y - 1, x]
        elif dx > 0:
            left, right = particle[y - 1, x], particle[y, x]
        else:
            left, right = particle[y, x - 1], particle[y - 1, x - 1]
        turned = (-dx, dy) if left else way if right else (dx, -dy)
        if turned != way:
            corners.append(at)
        way = turned
