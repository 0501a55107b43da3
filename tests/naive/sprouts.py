"""Sprouts of a spheroid from their definitions, one site at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.naive.skeleton import length, links_of, pruned

Place = tuple[int, int]


def parts(there: Iterable[Place], diagonal: bool = True) -> Iterator[set[Place]]:
    """Connected parts of some places."""
    left = set(there)
    while left:
        part, queue = set[Place](), deque([left.pop()])
        while queue:
            y, x = queue.popleft()
            part.add((y, x))
            for dy in (-1, 0, 1):
                for dx in (-1, 0, 1):
                    near = (y + dy, x + dx)
                    if near in left and (diagonal or dy * dx == 0):
                        left.remove(near)
                        queue.append(near)
        yield part


def body_of(
    mask: NDArray[Any], core: tuple[float, float, float], closing: float, hole: float
) -> set[Place]:
    """The part of the closed and filled mask with most sites in the core; sizes in sites."""
    margin = int(closing) + 2
    height, width = mask.shape
    every = {
        (y, x) for y in range(-margin, height + margin) for x in range(-margin, width + margin)
    }
    cells = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    reach = range(-int(closing), int(closing) + 1)
    disc = [(dy, dx) for dy in reach for dx in reach if dy * dy + dx * dx <= closing * closing]
    wide = {(y + dy, x + dx) for y, x in cells for dy, dx in disc}
    closed = {(y, x) for y, x in every if all((y + dy, x + dx) in wide for dy, dx in disc)}
    closed = {p for p in closed | cells if 0 <= p[0] < height and 0 <= p[1] < width}
    for gap in parts(every - closed, diagonal=False):
        if len(gap) < hole:
            closed |= gap
    cy, cx, radius = core
    inside = {p: math.hypot(p[0] - cy, p[1] - cx) <= radius for p in closed}
    return max(parts(closed), key=lambda part: sum(inside[p] for p in part))


def measured(
    mask: NDArray[Any],
    core: tuple[float, float, float],
    *,
    cell_radius: float,
    closing: float,
    hole: float,
    margin: float,
    circle: float,
    shortest: float,
) -> tuple[float, int, float]:
    """Length, crossings and reach, in sites."""
    cy, cx, radius = core
    body = body_of(mask, core, closing, hole)
    end = radius + margin

    picture = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), bool)
    for y, x in body:
        picture[y + 1, x + 1] = True
    height, width = 2 * picture.shape[0], 2 * picture.shape[1]
    positions, _ = pruned(picture, cell_radius)
    outside = {
        (int(y), int(x)) for y, x in positions if math.hypot(y / 2 - 1 - cy, x / 2 - 1 - cx) > end
    }
    links, total = links_of(outside, height, width), 0.0
    while outside:
        part, edge = set[Place](), {min(outside)}
        while edge:
            part |= edge
            edge = {other for place in edge for other in links[place]} - part
        outside -= part
        long = length(np.array(sorted(part)), height, width)
        total += long if long >= shortest else 0.0

    ring = {p for p in body if abs(math.hypot(p[0] - cy, p[1] - cx) - end - circle) <= 0.75}
    number = sum(1 for _ in parts(ring))
    reach = max(math.hypot(y - cy, x - cx) for y, x in body) - end
    return total, number, max(reach, 0.0)
