"""Skeleton of a phase on a torus: a graph with lengths, and the pruning of its spurs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.readouts import thinning

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.float64]

# Of a step along an axis, of a diagonal one, and of a change between the two, in thousandths of a
# step on the doubled grid: sums of whole numbers are the same in whatever order.
WEIGHTS = np.array((980, 1406, -125))
UNITS_PER_SITE = 2000

_REMOVABLE = thinning.removable()


class Pieces(NamedTuple):
    """A skeleton parted into junctions, which are clusters of branch positions, and chains."""

    of_position: IntArray  # (n,), piece of each position
    is_junction: BoolArray  # (p,), otherwise a chain
    lengths: IntArray  # (p,), of a chain with its links to junctions, in `UNITS_PER_SITE`
    touches: IntArray  # (k, 2), chain and junction of each link between the two kinds


@dataclass(frozen=True)
class Graph:
    """Positions of a skeleton on the doubled grid of a torus, and the links between them."""

    shape: tuple[int, int]  # of the doubled grid
    positions: IntArray  # (n,), flat, ascending
    square: IntArray  # (n,), squared distance to the gap
    links: IntArray  # (m, 2), pairs of neighbouring positions
    diagonal: BoolArray  # (m,), whether a link is diagonal
    crossings: IntArray  # (k, 4), positions of each square of 2 x 2, clockwise

    @property
    def yx(self) -> IntArray:
        """Coordinates (n, 2) on the doubled grid."""
        return np.stack(divmod(self.positions, self.shape[1]), axis=1)

    @cached_property
    def degree(self) -> IntArray:
        """Links of each position (n,)."""
        return np.bincount(self.links.ravel(), minlength=self.positions.size)

    @cached_property
    def pieces(self) -> Pieces:
        """Junctions and the chains between them."""
        of_position, counts, touches = thinning.decompose(self.links, self.diagonal, self.degree)
        is_junction = np.zeros(len(counts), dtype=bool)
        is_junction[of_position[self.degree > 2]] = True
        return Pieces(of_position, is_junction, counts @ WEIGHTS, touches)

    @property
    def length(self) -> int:
        """Length of the skeleton, in `UNITS_PER_SITE`."""
        return int(self.pieces.lengths.sum())

    @property
    def mean_width(self) -> float:
        """Mean width of the phase along the skeleton, in sites; 0 without links.

        From the middle of a bar of w sites the gap is w + 1 positions away.
        """
        if not len(self.links):
            return 0.0
        steps = np.where(self.diagonal, WEIGHTS[1], WEIGHTS[0])
        widths = np.sqrt(self.square)[self.links].mean(axis=1) - 1
        return math.fsum(widths * steps) / int(steps.sum())  # the same in whatever order

    def lies_in(self, sites: BoolArray) -> BoolArray:
        """Which positions (n,) lie in a block of some of the sites (H, W)."""
        near: BoolArray = thinning.lies_in(self.positions, self.shape[1], sites)
        return near

    def only(self, kept: BoolArray) -> Graph:
        """The graph of some of the positions, and of the links between them."""
        left = thinning.keep(kept, self.links, self.diagonal, self.crossings)
        return Graph(self.shape, self.positions[kept], self.square[kept], *left)


def doubled(phase: BoolArray) -> NDArray[np.uint8]:
    """The phase on the doubled grid."""
    height, width = phase.shape
    grid = np.zeros((2 * height, 2 * width), dtype=np.uint8)
    grid[::2, ::2] = phase
    grid[1::2] = grid[::2] | np.roll(grid[::2], -1, axis=0)
    grid[:, 1::2] = grid[:, ::2] | np.roll(grid[:, ::2], -1, axis=1)
    return grid


def skeleton(phase: BoolArray) -> Graph:
    """Thin a phase on the torus to its skeleton."""
    grid = doubled(phase)
    if phase.all():  # a phase without border has no middle
        none = np.zeros(0, dtype=np.int64)
        pairs, fours = none.reshape(0, 2), none.reshape(0, 4)
        return Graph(grid.shape, none, none, pairs, none > 0, fours)
    queue, start = thinning.queued(grid, _squared_distance(grid))
    positions, around, square = thinning.thin(grid, queue, start, _REMOVABLE)
    links, diagonal = thinning.link(positions, around, *grid.shape)
    crossings = _crossings(positions, around, *grid.shape)
    return Graph(grid.shape, positions, square, links, diagonal, crossings)


def _squared_distance(grid: NDArray[np.uint8]) -> NDArray[np.int32]:
    square = np.empty(grid.shape, dtype=np.int32)
    thinning.squared_distance(grid, square)
    return square


def _crossings(positions: IntArray, around: IntArray, height: int, width: int) -> IntArray:
    """Squares of 2 x 2 positions, which thinning leaves where a line comes to each of the four."""
    y, x = divmod(positions[around & 0x1C == 0x1C], width)  # to the right, below, and between
    below, right = (y + 1) % height, (x + 1) % width
    corners = [y * width + x, y * width + right, below * width + right, below * width + x]
    return np.searchsorted(positions, np.stack(corners, axis=1))


def _uncross(graph: Graph) -> Graph:
    """Remove positions of crossings that are linked to nothing but the crossing any more.

    Opposite corners that are left alone are linked. When all four are idle the centre of a site
    stays: each square holds one, whichever way it is turned.
    """
    while True:
        crossings, n = graph.crossings, graph.positions.size
        squares = np.bincount(crossings.ravel(), minlength=n)  # two of them may share a side
        idle = (squares > 0) & (graph.degree == np.minimum(squares, 2) + 1)
        if not idle.any():
            return graph
        y, x = graph.yx.T
        middle = graph.links[(idle & (squares == 2))[graph.links].all(axis=1)]
        # Of a shared side not both positions go at once: its side of a site waits for the other.
        idle[middle[(y + x)[middle] % 2 == 1]] = False
        all_idle = crossings[idle[crossings].all(axis=1)]
        idle[all_idle[(y | x)[all_idle] % 2 == 0]] = False
        left = ~idle[crossings]
        across = [
            crossings[(left == [k == 0, k == 1] * 2).all(axis=1), k::2]  # two opposite ones
            for k in (0, 1)
        ]
        links = np.concatenate([graph.links, *across])
        diagonal = np.append(graph.diagonal, np.ones(len(links) - len(graph.links), dtype=bool))
        graph = replace(graph, links=links, diagonal=diagonal).only(~idle)


def prune(graph: Graph, cell_radius: float) -> Graph:
    """Remove spurs: terminal chains that leave their tube by less than a cell's radius.

    A chain starts in the middle of its tube, so a spur is shorter than the radius of the tube at
    the junction plus that of a cell, in sites. The shortest spur of each junction goes first,
    equally short ones together, and what then joins counts as one chain, so that a forked end
    keeps its longer tine.
    """
    while True:
        pieces = graph.pieces
        terminal = np.zeros(pieces.lengths.size, dtype=bool)
        terminal[pieces.of_position[graph.degree == 1]] = True
        chain, junction = pieces.touches[terminal[pieces.touches[:, 0]]].T
        length = pieces.lengths[chain]
        square = np.zeros(terminal.size, dtype=np.int64)
        branch = np.flatnonzero(graph.degree >= 3)
        np.maximum.at(square, pieces.of_position[branch], graph.square[branch])
        shortest = np.full(terminal.size, np.iinfo(np.int64).max)
        np.minimum.at(shortest, junction, length)
        reach = np.sqrt(square[junction]) / 2 + cell_radius
        spur = chain[(length / UNITS_PER_SITE < reach) & (length == shortest[junction])]
        if not spur.size:
            return graph
        is_spur = np.zeros(terminal.size, dtype=bool)
        is_spur[spur] = True
        graph = _uncross(graph.only(~is_spur[pieces.of_position]))


def centres(graph: Graph) -> FloatArray:
    """Centre of each junction on the doubled grid (n, 2), also where it lies across a border."""
    pieces = graph.pieces
    at = np.flatnonzero(pieces.is_junction[pieces.of_position])
    positions = graph.yx[at]
    _, first, cluster = np.unique(pieces.of_position[at], return_index=True, return_inverse=True)
    shape = np.array(graph.shape)
    origin = positions[first]
    away = (positions - origin[cluster] + shape // 2) % shape - shape // 2
    total = np.zeros(origin.shape)
    np.add.at(total, cluster, away)
    size = np.bincount(cluster, minlength=len(origin))[:, None]
    middle: FloatArray = (origin + total / size) % shape
    return middle
