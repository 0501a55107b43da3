"""Thinning and pruning on the doubled grid, position by position from their definitions."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Position = tuple[int, int]
Links = dict[Position, dict[Position, bool]]  # neighbours, and whether diagonally
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


def links_of(there: set[Position], height: int, width: int) -> Links:
    """Links of each position, no diagonal one where a way along the axes exists."""
    links: Links = {position: {} for position in there}
    for y, x in there:
        for dy, dx in AROUND:
            end = ((y + dy) % height, (x + dx) % width)
            ways = {((y + dy) % height, x), (y, (x + dx) % width)} & there
            if end in there and not (dy and dx and ways):
                links[y, x][end] = bool(dy and dx)
    return links


def length(positions: NDArray[np.int64], height: int, width: int) -> float:
    """Length of a skeleton in sites: links, less what each change of direction overrates."""
    links = links_of({(int(y), int(x)) for y, x in positions}, height, width)
    total = sum(1.406 if way else 0.980 for ends in links.values() for way in ends.values()) / 2
    total -= 0.125 * sum(sorted(ends.values()) == [False, True] for ends in links.values())
    return total / 2


def skeleton_of(phase: NDArray[Any]) -> tuple[NDArray[np.int64], float]:
    """Skeleton of a phase on the torus, and its length."""
    positions = thinned(np.asarray(phase, dtype=bool))
    return positions, length(positions, 2 * phase.shape[0], 2 * phase.shape[1])


def junctions(links: Links) -> list[set[Position]]:
    """Clusters of linked positions with three links or more."""
    left = {position for position, ends in links.items() if len(ends) > 2}
    clusters = []
    while left:
        cluster, edge = set[Position](), {min(left)}
        while edge:
            cluster |= edge
            edge = {end for position in edge for end in links[position]} & left - cluster
        clusters.append(cluster)
        left -= cluster
    return clusters


def spurs_at(junction: set[Position], links: Links) -> dict[frozenset[Position], int]:
    """Chains from a junction to an end point, and their lengths in thousandths of a step."""
    spurs = {}
    for start in junction:
        for here in set(links[start]) - junction:
            chain = [start, here]
            while len(links[chain[-1]]) == 2:
                (after,) = set(links[chain[-1]]) - {chain[-2]}
                chain.append(after)
            if len(links[chain[-1]]) == 1:
                ways = [links[one][other] for one, other in itertools.pairwise(chain)]
                turns = sum(one != other for one, other in itertools.pairwise(ways))
                spurs[frozenset(chain[1:])] = (
                    sum(1406 if way else 980 for way in ways) - 125 * turns
                )
    return spurs


def idle_in_squares(there: set[Position], height: int, width: int) -> set[Position]:
    """Positions of full squares of 2 x 2 that may go and are linked to nothing else.

    Of two squares that share a side, the position of that side that is centre or corner goes
    before the other; of a square that would go as a whole the centre of a site stays.
    """

    def beside(position: Position, step: Position) -> Position:
        return (position[0] + step[0]) % height, (position[1] + step[1]) % width

    links = links_of(there, height, width)
    corners = {p: {beside(p, step) for step in itertools.product((0, 1), repeat=2)} for p in there}
    squares = [square for square in corners.values() if square <= there]
    idle = set[Position]()
    for position in there:
        beyond = set(links[position]).difference(*(s for s in squares if position in s))
        steps = {step for step in AROUND if beside(position, step) in there}
        if any(position in s for s in squares) and not beyond and is_simple(steps):
            idle.add(position)
    shared = {p for p in idle if sum(p in s for s in squares) == 2}
    idle -= {p for p in shared if sum(p) % 2 == 1 and set(links[p]) & shared}
    for square in squares:
        if square <= idle:
            idle -= {p for p in square if not (p[0] % 2 or p[1] % 2)}
    return idle


def pruned(phase: NDArray[Any], cell_radius: float) -> tuple[NDArray[np.int64], float]:
    """Skeleton without its spurs, and its length."""
    height, width = 2 * phase.shape[0], 2 * phase.shape[1]
    square = squared_distances(blocks(phase), height, width)
    there = {(int(y), int(x)) for y, x in thinned(phase)}
    while True:
        links = links_of(there, height, width)
        short = {
            position
            for junction in junctions(links)
            if (spurs := spurs_at(junction, links))
            and min(spurs.values()) / 2000
            < math.sqrt(max(square[position] for position in junction)) / 2 + cell_radius
            for spur, thousandths in spurs.items()
            if thousandths == min(spurs.values())
            for position in spur
        }
        if not short:
            positions = np.array(sorted(there), dtype=np.int64).reshape(-1, 2)
            return positions, length(positions, height, width)
        there -= short
        while idle := idle_in_squares(there, height, width):
            there -= idle
