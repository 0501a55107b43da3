"""Thinning on the doubled grid, position by position from its definition."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Position = tuple[int, int]
AROUND = [step for step in itertools.product((-1, 0, 1), repeat=2) if any(step)]
DIAGONAL = [step for step in AROUND if all(step)]
CORNERS, SIDES, CENTRES = 2, 1, 0  # by the number of odd coordinates


def blocks(phase: NDArray[np.bool_]) -> set[Position]:
    """Positions of the doubled grid of a torus that lie in the blocks of a phase."""
    height, width = 2 * phase.shape[0], 2 * phase.shape[1]
    return {
        ((2 * int(y) + dy) % height, (2 * int(x) + dx) % width)
        for y, x in np.argwhere(phase)
        for dy, dx in [*AROUND, (0, 0)]
    }


def squared_distances(there: set[Position], height: int, width: int) -> dict[Position, int]:
    """Squared distance on the torus from each position to the nearest that is not there."""
    gap = np.array([p for p in itertools.product(range(height), range(width)) if p not in there])

    def nearest(position: Position) -> int:
        way = np.abs(gap - position)
        way = np.minimum(way, [height, width] - way)
        return int((way**2).sum(axis=1).min())

    return {position: nearest(position) for position in there}


def is_simple(steps: set[Position]) -> bool:
    """Whether a position may go that has neighbours at these steps, and no others.

    They are in one piece without it, more than one, and it touches the gap along an axis.
    """
    reached, edge = set[Position](), set(list(steps)[:1])
    while edge:
        reached |= edge
        edge = {s for s in steps - reached if any(touch(s, r) for r in edge)}
    return len(steps) > 1 and reached == steps and any(s not in steps for s in AROUND if not all(s))


def touch(one: Position, other: Position) -> bool:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1])) == 1


def thinned(phase: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Skeleton of a phase on the torus: positions (n, 2) on the doubled grid, row by row."""
    height, width = 2 * phase.shape[0], 2 * phase.shape[1]
    there = blocks(phase)
    square = squared_distances(there, height, width)

    def beside(position: Position, step: Position) -> Position:
        return (position[0] + step[0]) % height, (position[1] + step[1]) % width

    def steps(position: Position) -> set[Position]:
        return {step for step in AROUND if beside(position, step) in there}

    def may_go(position: Position, others: set[Position]) -> bool:
        """Whether a position may go whichever of the others go before it."""
        near = [step for step in DIAGONAL if beside(position, step) in others]
        return all(
            is_simple(steps(position) - set(gone))
            for count in range(len(near) + 1)
            for gone in itertools.combinations(near, count)
        )

    for level in sorted(set(square.values())):
        looked_at = {position for position in there if square[position] == level}
        while looked_at:
            removed = set[Position]()
            for kind in (CORNERS, SIDES, CENTRES):
                asking = {
                    p
                    for p in looked_at & there
                    if p[0] % 2 + p[1] % 2 == kind and is_simple(steps(p))
                }
                going = {p for p in asking if may_go(p, asking)}
                there -= going
                removed |= going
            near = {beside(position, step) for position in removed for step in AROUND}
            looked_at = {p for p in near & there if square[p] <= level}
    return np.array(sorted(there), dtype=np.int64).reshape(-1, 2)


def length(positions: NDArray[np.int64], height: int, width: int) -> float:
    """Length of a skeleton in sites: links, less what each change of direction overrates."""
    there = {(int(y), int(x)) for y, x in positions}
    links: dict[Position, list[bool]] = {position: [] for position in there}
    total = 0.0
    for y, x in there:
        for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
            end = ((y + dy) % height, (x + dx) % width)
            ways = {((y + dy) % height, x), (y, (x + dx) % width)} & there
            if end in there and not (dy and dx and ways):
                diagonal = bool(dy and dx)
                total += 1.406 if diagonal else 0.980
                links[y, x].append(diagonal)
                links[end].append(diagonal)
    total -= 0.125 * sum(sorted(diagonals) == [False, True] for diagonals in links.values())
    return total / 2


def skeleton_of(phase: NDArray[Any]) -> tuple[NDArray[np.int64], float]:
    """Skeleton of a phase on the torus, and its length."""
    positions = thinned(np.asarray(phase, dtype=bool))
    return positions, length(positions, 2 * phase.shape[0], 2 * phase.shape[1])
