"""Sprouts of a spheroid: their length outside its core, their number, and how far they reach.

What grows is measured against the core that was there at the start, whether the picture comes from
a lattice or from a microscope.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from sim.readouts.front import connected
from sim.readouts.network import close, close_pinholes
from sim.readouts.skeleton import UNITS_PER_SITE, Graph, prune, skeleton

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

FRAME = 1  # site around what is thinned
HALF_RING = 0.75  # sites: no step from a site to its neighbour, corners too, leads across the ring


class Core(NamedTuple):
    """The spheroid at the start, in sites; (0, 0) is the centre of the first one."""

    y: float
    x: float
    radius: float


@dataclass(frozen=True)
class Sprouts:
    """The sprouts of a spheroid.

    Attributes
    ----------
    length_um : float
        Length of the skeleton outside the core, in parts that are long enough.
    number : int
        Connected parts of the spheroid on a circle around the core.
    reach_um : float
        Distance from the core to the farthest site of the spheroid.
    body : (y, x) bool
        The spheroid with its sprouts, gaps closed: what is measured.
    skeleton_yx : (n, 2) float
        Positions of the skeleton that count, in sites and halves of them.
    skeleton_links : (m, 2) int
        Pairs of neighbours among these positions.
    skeleton : Graph
        The same on the doubled grid, with a frame of `FRAME` sites around it.
    """

    length_um: float
    number: int
    reach_um: float
    body: BoolArray
    skeleton_yx: FloatArray
    skeleton_links: NDArray[np.integer[Any]]
    skeleton: Graph


def core_of(mask: BoolArray) -> Core:
    """Return the disc of the area of a spheroid around its centre; of an empty picture a point."""
    y, x = np.nonzero(mask)
    if not y.size:
        return Core((mask.shape[0] - 1) / 2, (mask.shape[1] - 1) / 2, 0.0)
    return Core(float(y.mean()), float(x.mean()), math.sqrt(y.size / math.pi))


def measure_sprouts(
    mask: BoolArray,
    core: Core,
    *,
    spacing_um: float,
    cell_area_um2: float = 400.0,
    closing_um: float = 6.0,
    hole_um2: float = 240.0,
    margin_um: float = 6.0,
    circle_um: float = 15.0,
    shortest_um: float = 20.0,
) -> Sprouts:
    """Measure the sprouts of a spheroid.

    Parameters
    ----------
    mask : (y, x) bool
        True where cells are; beyond the edges of the picture there are none.
    core : Core
        The spheroid at the start.
    spacing_um : float
        Side of a site, or of a pixel, um.
    cell_area_um2 : float
        Area of a cell: side branches that leave a sprout by less than a cell's radius are none.
    closing_um : float
        Radius of the disc with which narrow gaps are closed.
    hole_um2 : float
        Enclosed gaps smaller than this are filled.
    margin_um : float
        The core ends so far outside its radius at the start: all lengths count from there.
    circle_um : float
        Distance from the end of the core at which sprouts are counted.
    shortest_um : float
        Connected parts of the skeleton that are shorter are left out.

    Returns
    -------
    Sprouts

    Raises
    ------
    ValueError
        If `mask` is not a two-dimensional array with sites, or a size is not positive.

    Notes
    -----
    Length as that of a network, after Vossepoel and Smeulders (1982).
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"mask must have the shape (y, x) with sites in it, not {mask.shape}")
    if not (spacing_um > 0 and cell_area_um2 > 0):
        raise ValueError("spacing_um and cell_area_um2 must be positive")
    if min(closing_um, hole_um2, margin_um, circle_um, shortest_um, core.radius) < 0:
        raise ValueError("sizes must not be negative")
    framed = close(np.pad(mask, 1), closing_um / spacing_um, periodic=False)
    filled = close_pinholes(framed, hole_um2 / spacing_um**2)
    body = _part_at(filled[1:-1, 1:-1], core)
    end = core.radius + margin_um / spacing_um
    graph = prune(skeleton(np.pad(body, FRAME)), math.sqrt(cell_area_um2 / math.pi) / spacing_um)
    graph = graph.only(_distances(graph.yx / 2 - FRAME, core) > end)
    graph = _without_short_parts(graph, shortest_um / spacing_um)
    reach = _distances(np.argwhere(body), core).max(initial=end) - end
    return Sprouts(
        length_um=graph.length / UNITS_PER_SITE * spacing_um,
        number=_crossings(body, core, end + circle_um / spacing_um),
        reach_um=float(reach) * spacing_um,
        body=body,
        skeleton_yx=graph.yx / 2 - FRAME,
        skeleton_links=graph.links,
        skeleton=graph,
    )


def loose_cells(cell_id: NDArray[np.int32], core: Core) -> int:
    """Count the cells that touch the spheroid neither themselves nor through others."""
    body = _part_at(cell_id > 0, core)
    return int(np.setdiff1d(cell_id[cell_id > 0], cell_id[body]).size)


def _distances(places: NDArray[Any], core: Core) -> FloatArray:
    """Distances of places (n, 2) from the centre of the core."""
    return np.asarray(np.hypot(places[:, 0] - core.y, places[:, 1] - core.x))


def _part_at(mask: BoolArray, core: Core) -> BoolArray:
    """The connected part that has most sites in the core; none if none has any."""
    parts = connected(mask, periodic=False, diagonal=True)
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    inside = (y - core.y) ** 2 + (x - core.x) ** 2 <= core.radius**2
    sizes = np.bincount(parts[inside], minlength=1)
    sizes[0] = 0  # no cell
    return np.asarray((parts == sizes.argmax()) & mask & (sizes.max() > 0))


def _without_short_parts(graph: Graph, shortest: float) -> Graph:
    """Leave out connected parts of a skeleton that are shorter, in sites."""
    n = graph.positions.size
    ones = np.ones(len(graph.links))
    part = connected_components(coo_array((ones, tuple(graph.links.T)), shape=(n, n)), False)[1]
    pieces = graph.pieces
    of_piece = np.zeros(pieces.lengths.size, np.int64)
    of_piece[pieces.of_position] = part
    length = np.bincount(of_piece, pieces.lengths, minlength=n)
    return graph.only(length[part] >= shortest * UNITS_PER_SITE)


def _crossings(body: BoolArray, core: Core, radius: float) -> int:
    """Connected parts of the body in a thin ring of sites; beyond the edges there is none."""
    y, x = np.ogrid[: body.shape[0], : body.shape[1]]
    ring = np.abs(np.hypot(y - core.y, x - core.x) - radius) <= HALF_RING
    return int(connected(body & ring, periodic=False, diagonal=True).max(initial=0))
