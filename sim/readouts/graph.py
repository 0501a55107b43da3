"""A network as a graph of nodes and edges, for tools that analyse graphs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.readouts.skeleton import UNITS_PER_SITE, Graph, centres

JUNCTION, END, LOOP, POINT = "junction", "end", "loop", "point"
"""Kinds of nodes; a loop has one where it has no junction, and a point no edge."""


class NetworkGraph(NamedTuple):
    """Nodes, and edges between them."""

    nodes: Mapping[str, NDArray[Any]]
    """Columns (nodes,); ``x_um`` and ``y_um`` are among them"""
    links: NDArray[np.int64]
    """(edges, 2), rows of the nodes"""
    edges: Mapping[str, NDArray[Any]]
    """Columns (edges,); ``length_um`` is among them"""
    directed: bool
    """Whether edges lead from the first node to the second"""


def graph_of(skeleton: Graph, spacing_um: float, frame: int = 0) -> NetworkGraph:
    """Return the segments of a skeleton as edges between its junctions and ends.

    Parameters
    ----------
    skeleton : Graph
        On the doubled grid.
    spacing_um : float
        Side of a site.
    frame : int
        Sites around the domain that the grid has.

    Returns
    -------
    NetworkGraph
        Of each node its ``kind`` and the ``length_um`` of the skeleton inside it, which only
        junctions have; of each edge its ``length_um``, its mean ``width_um``, and whether it
        ``crosses_border``. All lengths add up to that of the skeleton.

    Notes
    -----
    The width at a position is twice its distance to the gap, less the site by which the phase is
    wider on the doubled grid: exact for bars along rows and columns.
    """
    pieces, degree, yx = skeleton.pieces, skeleton.degree, skeleton.yx
    of_position, is_junction = pieces.of_position, pieces.is_junction
    um = spacing_um / UNITS_PER_SITE
    junctions, ends = np.flatnonzero(is_junction), np.flatnonzero(degree == 1)
    node_of = np.full(is_junction.size, -1)
    node_of[junctions] = np.arange(junctions.size)

    # a chain leads from one of its ends or junctions to the other
    chain = np.concatenate([pieces.touches[:, 0], of_position[ends]])
    node = np.concatenate([node_of[pieces.touches[:, 1]], junctions.size + np.arange(ends.size)])
    order = np.argsort(chain, kind="stable")
    links, chains = node[order].reshape(-1, 2), chain[order].reshape(-1, 2)[:, 0]

    by_itself = ~is_junction
    by_itself[chains] = False
    alone = np.flatnonzero(by_itself)
    closed = pieces.lengths[alone] > 0
    first = np.unique(of_position, return_index=True)[1][alone]
    rows = junctions.size + ends.size + np.arange(alone.size)[closed]
    links = np.concatenate([links, np.stack([rows, rows], axis=1)]).astype(np.int64)
    chains = np.concatenate([chains, alone[closed]])

    at = np.concatenate([centres(skeleton), yx[ends], yx[first]])
    places = (at / 2 - frame + 0.5) * spacing_um
    kinds = [JUNCTION] * junctions.size + [END] * ends.size
    inner = np.zeros(len(kinds) + alone.size)
    inner[: junctions.size] = pieces.lengths[junctions] * um
    return NetworkGraph(
        nodes={
            "x_um": places[:, 1],
            "y_um": places[:, 0],
            "kind": np.array([*kinds, *np.where(closed, LOOP, POINT)], np.str_),
            "length_um": inner,
        },
        links=links,
        edges={
            "length_um": pieces.lengths[chains] * um,
            "width_um": _widths(skeleton)[chains] * spacing_um,
            "crosses_border": _crossing(skeleton)[chains],
        },
        directed=False,
    )


def _widths(skeleton: Graph) -> NDArray[np.float64]:
    """Mean width of each piece, in sites."""
    of_position = skeleton.pieces.of_position
    total = np.bincount(of_position, weights=np.sqrt(skeleton.square) - 1.0)
    return np.asarray(total / np.bincount(of_position))


def _crossing(skeleton: Graph) -> NDArray[np.bool_]:
    """Whether each piece leads over a border of the torus."""
    pieces, links = skeleton.pieces, skeleton.links
    over = (np.abs(np.diff(skeleton.yx[links], axis=1)) > 1).any(axis=(1, 2))
    crossing = np.zeros(pieces.is_junction.size, dtype=bool)
    crossing[pieces.of_position[links[over]]] = True
    return crossing
