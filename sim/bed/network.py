"""Vessels to start from: straight parent vessels, and an irregular mesh between two of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Voronoi

from sim.kernels import draws
from sim.kernels.draws import uniform_at

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

SHIFT, SQUASH, JITTER = 0.5, 0.9, 0.8
"""Of the lattice, in spacings: shift of every other row, distance of rows, width of the jitter."""
GAP_PIECES = 0.75
"""Of junctions to the parent vessels, at least, in pieces."""


def lattice_edges(
    low: float, high: float, bottom: float, top: float, spacing: float, seed: int
) -> tuple[Array, Array, Rows, Rows]:
    """Voronoi edges of a jittered lattice in a window.

    Parameters
    ----------
    low, high, bottom, top : float
        The window.
    spacing : float
    seed : int

    Returns
    -------
    x, y : (junctions,) float64
        Junctions in the window.
    inner : (edges, 2) int64
        Rows of the junctions at both ends.
    side : (edges, 2) int64
        Of edges that leave it to the left or right: the junction, and 0 for left, 1 for right.
    """
    m = int(max(high, top) / (SQUASH * spacing)) + 5  # rows of points beyond the window, too
    place = np.arange(m * m)
    row, column = place // m, place % m
    jx, jy = (JITTER * (uniform_at(seed, draws.LATTICE, axis, place) - 0.5) for axis in (0, 1))
    points = np.stack([column + SHIFT * (row % 2) + jx - 1.0, row * SQUASH + jy - 1.0], axis=1)
    mesh = Voronoi(points * spacing)
    x, y = mesh.vertices.T
    within = (x > low) & (x < high) & (y > bottom) & (y < top)
    new = np.where(within, np.cumsum(within) - 1, -1)
    ends = np.array([e for e in mesh.ridge_vertices if min(e) >= 0], np.int64).reshape(-1, 2)
    count = np.count_nonzero(within[ends], axis=1)
    inner = new[ends[count == 2]]
    leaving = ends[count == 1]
    leaving = np.where(within[leaving[:, :1]], leaving, leaving[:, ::-1])
    out = x[leaving[:, 1]]
    to_side = (out <= low) | (out >= high)
    side = np.stack([new[leaving[:, 0]], (out >= high).astype(np.int64)], axis=1)[to_side]
    return x[within], y[within], inner, side


def along(x: Array, y: Array, ends: Rows, piece: float) -> tuple[Array, Array, Rows]:
    """Divide straight vessels between points into pieces of about this length.

    Parameters
    ----------
    x, y : (points,) float64
    ends : (vessels, 2) int64
    piece : float

    Returns
    -------
    x, y : (new points,) float64
        Points between pieces, numbered on from the others.
    pieces : (pieces, 2) int64
        Points at their ends, vessel by vessel.
    """
    new_x, new_y, pieces = [np.zeros(0)], [np.zeros(0)], [np.zeros((0, 2), np.int64)]
    next_point = x.size
    for a, b in ends:
        count = max(1, round(np.hypot(x[b] - x[a], y[b] - y[a]) / piece))
        t = np.arange(1, count) / count
        new_x.append(x[a] + t * (x[b] - x[a]))
        new_y.append(y[a] + t * (y[b] - y[a]))
        chain = np.r_[a, np.arange(next_point, next_point + count - 1), b]
        pieces.append(np.stack([chain[:-1], chain[1:]], axis=1))
        next_point += count - 1
    return np.concatenate(new_x), np.concatenate(new_y), np.concatenate(pieces)
