"""What endothelial cells and pericytes do in an hour: survive, regress, refill sleeves, sprout.

Chances in an hour are 1 - exp(-rate dt). All draws are counted by the id of the piece or the tip.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sim.bed import graph
from sim.bed.graph import SLEEVE, VESSEL, Nodes, Pieces, Tips
from sim.bed.grid import at_points, uphill
from sim.bed.numbers import Numbers
from sim.kernels import draws
from sim.kernels.compiling import kernel
from sim.kernels.draws import uniform_at

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

HOURS_PER_DAY = 24.0
EDGE_VOXELS = 1.5
"""A tip stops this near to the border."""


def chance(rate_per_h: Array | float) -> Array:
    """Chance of an event within an hour."""
    result: Array = -np.expm1(-np.asarray(rate_per_h))
    return result


def activity(vegf: Array, inhibition: Sequence[float], n: Numbers) -> Array:
    """Endothelial activity E in [0, 1): VEGFR2 or FGFR1 (Bliss independence).

    E = 1 - (1 - w o_V (1 - I_VEGFR2)) (1 - w o_F (1 - I_FGFR1)), with o_V = c / (c + L50).

    Parameters
    ----------
    vegf : (places,) float64
        ng/mL
    inhibition : sequence of float
        Of VEGFR2, PDGFRB and FGFR1, each in [0, 1].
    n : Numbers
    """
    by_vegfr2 = n.w * vegf / (vegf + n.L50_ng_ml) * (1.0 - inhibition[0])
    by_fgfr1 = n.w * n.o_F * (1.0 - inhibition[2])
    return 1.0 - (1.0 - by_vegfr2) * (1.0 - by_fgfr1)


def survive(pieces: Pieces, active: Array, outside: Array, n: Numbers) -> None:
    """Bring survival V, ages and the hours without flow up to date, in place.

    V' = (max(E, e_host (1 - H)) - V) / tau_V: host tissue keeps its own vessels.

    Parameters
    ----------
    pieces : Pieces
    active, outside : (pieces,) float64
        E, and 1 - H, the share of host tissue.
    n : Numbers
    """
    gain = (np.maximum(active, n.e_host * outside) - pieces.survival) * chance(1.0 / n.tau_V_h)
    np.add(pieces.survival, gain, out=pieces.survival, where=pieces.kind != SLEEVE)
    pieces.age[:] += 1.0
    pieces.no_flow[:] = np.where(perfused(pieces, n), 0.0, pieces.no_flow + 1.0)


def perfused(pieces: Pieces, n: Numbers) -> Mask:
    """Whether blood flows in each piece faster than v_perf."""
    flowing: Mask = np.abs(pieces.velocity) > n.v_perf_um_per_s
    return flowing


def pericytes(pieces: Pieces, inhibition: float, n: Numbers, seed: int, step: int) -> None:
    """Gain and lose pericytes, in place: gained on mature perfused vessels, kept on sleeves.

    Gain k_rec (1 - I_PDGFRB), loss k_shed + k_off I_PDGFRB.
    """
    bare = (pieces.kind == VESSEL) & perfused(pieces, n) & (pieces.age > n.T_mature_h)
    gain = chance(n.k_rec_per_d / HOURS_PER_DAY * (1.0 - inhibition))
    loss = chance((n.k_shed_per_d + n.k_off_per_d * inhibition) / HOURS_PER_DAY)
    gained = bare & (uniform_at(seed, draws.PERICYTE_GAIN, step, pieces.id) < gain)
    kept = uniform_at(seed, draws.PERICYTE_LOSS, step, pieces.id) >= loss
    pieces.pericyte[:] = np.where(pieces.pericyte, kept, gained)


def regress(pieces: Pieces, n: Numbers, seed: int, step: int) -> Mask:
    """Let pieces die: those that starve become sleeves in place, others are to be removed.

    Hazard m_p (k_reg max(0, 1 - V/V0) / (1 + (v/v_feed)^2) + k_noflow [pruned]), m_p = c_P under a
    pericyte: a piece is pruned after T_noflow without flow, once it is older than T_sprout. A piece
    that starves leaves its basement membrane (Mancuso et al. 2006, doi 10.1172/JCI24612); one that
    is pruned retracts.

    Returns
    -------
    (pieces,) bool
        Pieces that retracted, and sleeves older than T_sleeve.
    """
    starved = n.k_reg_per_h * np.maximum(0.0, 1.0 - pieces.survival / n.V0)
    starved /= 1.0 + (pieces.velocity / n.v_feed_um_per_s) ** 2
    idle = (pieces.no_flow > n.T_noflow_h) & (pieces.age > n.T_sprout_h)
    pruned = np.where(idle, n.k_noflow_per_h, 0.0)
    hazard = np.where(pieces.pericyte, n.c_P, 1.0) * (starved + pruned)
    dies = uniform_at(seed, draws.REGRESSION, step, pieces.id) < chance(hazard)
    dies &= pieces.kind == VESSEL
    by_hunger = dies & (starved >= pruned)
    pieces.gone[:] = np.where(dies, 0.0, pieces.gone + 1.0)
    pieces.kind[by_hunger] = SLEEVE
    pieces.velocity[by_hunger] = 0.0
    gone: Mask = (dies & ~by_hunger) | ((pieces.kind == SLEEVE) & (pieces.gone > n.T_sleeve_h))
    return gone


def refill(pieces: Pieces, nodes: int, active: Array, n: Numbers, seed: int, step: int) -> None:
    """Refill sleeves, in place: k_refill E / w where a living piece touches and E > V0.

    Parameters
    ----------
    pieces : Pieces
    nodes : int
        How many there are.
    active : (pieces,) float64
        E.
    n : Numbers
    seed, step : int
    """
    alive = graph.of_living(pieces, nodes)
    may = (pieces.kind == SLEEVE) & (pieces.gone > 0.0) & (active > n.V0)
    may &= alive[pieces.a] | alive[pieces.b]
    drawn = uniform_at(seed, draws.REFILL, step, pieces.id)
    filled = may & (drawn < chance(n.k_refill_per_h * active / n.w))
    pieces.kind[filled] = VESSEL
    pieces.age[filled] = pieces.no_flow[filled] = 0.0
    pieces.survival[filled] = active[filled]


# -- sprouts and tips ---------------------------------------------------------------------------


@kernel
def spaced(order, x, y, tip_x, tip_y, reach):
    """Rows of the candidates, in this order, that are within reach of no tip and none before."""
    chosen = np.empty(order.size, np.int64)
    count = 0
    for row in order:
        free = True
        for t in range(tip_x.size):
            free &= (tip_x[t] - x[row]) ** 2 + (tip_y[t] - y[row]) ** 2 >= reach * reach
        for k in range(count):
            other = chosen[k]
            free &= (x[other] - x[row]) ** 2 + (y[other] - y[row]) ** 2 >= reach * reach
        if free:
            chosen[count] = row
            count += 1
    return chosen[:count]


def may_sprout(
    pieces: Pieces, nodes: Nodes, tips: Tips, vegf: Array, active: Array, n: Numbers, seed: int,
    step: int,
) -> Rows:  # fmt: skip
    """Return the rows of the pieces that sprout, in the order of their draws.

    k_sp E / w per endothelial cell, from mature pieces without pericyte where VEGF is above thr.

    Parameters
    ----------
    pieces, nodes, tips : tables
    vegf, active : (pieces,) float64
        At their middles.
    n : Numbers
    seed, step : int
    """
    cells = graph.lengths(pieces, nodes) / n.piece_um
    drawn = uniform_at(seed, draws.SPROUT, step, pieces.id)
    may = drawn < chance(n.k_sp_per_h * active / n.w * cells)
    may &= (pieces.kind != SLEEVE) & ~pieces.pericyte & (pieces.age > n.T_mature_h)
    rows = np.flatnonzero(may & (vegf > n.thr_ng_ml))
    rows = rows[np.argsort(drawn[rows], kind="stable")]
    x, y = graph.middles(pieces, nodes)
    result: Rows = spaced(rows, x, y, nodes.x[tips.node], nodes.y[tips.node], n.R_ex_um)
    return result


def sprouts(
    pieces: Pieces, nodes: Nodes, rows: Rows, field: Array, n: Numbers, seed: int, step: int
) -> tuple[Rows, Array, Array]:
    """Return where pieces sprout and in which direction: across the vessel, up the gradient.

    Returns
    -------
    base : (rows,) int64
        One of the two nodes of each piece.
    dx, dy : (rows,) float64
    """
    a, b = pieces.a[rows], pieces.b[rows]
    x, y = graph.middles(graph.taken(pieces, rows), nodes)
    gx, gy = uphill(field, x, y, n.voxel_um)
    along_x, along_y = nodes.x[b] - nodes.x[a], nodes.y[b] - nodes.y[a]
    size = np.hypot(along_x, along_y) + 1e-9
    side = np.where(along_x * gy - along_y * gx >= 0.0, 1.0, -1.0) / size
    first = uniform_at(seed, draws.SIDE, step, pieces.id[rows]) < 0.5
    return np.where(first, a, b), -along_y * side, along_x * side


def move(
    tips: Tips, nodes: Nodes, active: Array, field: Array, n: Numbers, seed: int, step: int
) -> None:
    """Turn and move the tips with their nodes by one hour, in place.

    d <- normalise(d + chi g + eta xi), then v_max E / w along d (after Anderson & Chaplain 1998,
    doi 10.1006/bulm.1998.0042), g the unit vector up the gradient of VEGF, xi standard normals.

    Parameters
    ----------
    tips, nodes : tables
        Changed.
    active : (tips,) float64
        E at the tips.
    field : (n, n) float64
        VEGF.
    n : Numbers
    seed, step : int
    """
    x, y = nodes.x[tips.node], nodes.y[tips.node]
    gx, gy = uphill(field, x, y, n.voxel_um)
    size = np.sqrt(-2.0 * np.log1p(-uniform_at(seed, draws.TURN, step, tips.id)))
    angle = 2.0 * np.pi * uniform_at(seed, draws.TURN_ANGLE, step, tips.id)
    dx = tips.dx + n.chi * gx + n.eta * size * np.cos(angle)
    dy = tips.dy + n.chi * gy + n.eta * size * np.sin(angle)
    norm = np.hypot(dx, dy) + 1e-12
    tips.dx[:], tips.dy[:] = dx / norm, dy / norm
    path = n.v_max_um_per_h * np.minimum(active / n.w, 1.0)
    nodes.x[tips.node] = x + path * tips.dx
    nodes.y[tips.node] = y + path * tips.dy
    tips.path[:] += path
    tips.age[:] += 1.0


def stopped(tips: Tips, pieces: Pieces, nodes: Nodes, n: Numbers) -> Mask:
    """Whether each tip is done: its piece is gone, it is at the border, or too old."""
    alive = graph.of_living(pieces, nodes.x.size)[tips.node]
    x, y = nodes.x[tips.node], nodes.y[tips.node]
    edge = EDGE_VOXELS * n.voxel_um
    to_border = np.minimum(np.minimum(x, y), n.size_um - np.maximum(x, y))
    result: Mask = ~alive | (to_border < edge) | (tips.age > n.T_sprout_h)
    return result


@kernel
def partners(tip, ident, done, ready, x, y, trail, a, b, reach):
    """Find the nearest living node that each tip joins, and which tips are done.

    Tips are asked in turn. Of nodes at the same distance that of the earlier piece is taken,
    whatever their rows.

    Parameters
    ----------
    tip, ident : (tips,) int64
        Node and id.
    done : (tips,) bool
        Set for tips that join, and for those that are joined.
    ready : (tips,) bool
        Whether a tip has gone far enough to join.
    x, y, trail : (nodes,)
    a, b : (living pieces,) int64
    reach : float
        R_an.

    Returns
    -------
    (tips,) int64
        Node that is joined, or -1.
    """
    n = x.size
    found = np.full(tip.size, -1, np.int64)
    tip_of = np.full(n, -1, np.int64)
    for k in range(tip.size):
        tip_of[tip[k]] = k
    rank = np.full(n, -1, np.int64)  # by the first piece; -1: no living piece
    side = max(x.max(), y.max(), reach)
    cell = max(reach, side / 1024.0)
    cells = int(side / cell) + 1
    first = np.full((cells, cells), -1, np.int64)  # lists of the nodes of each cell
    after = np.empty(n, np.int64)
    for e in range(a.size):
        for i in (a[e], b[e]):
            if rank[i] < 0:
                rank[i] = 2 * e if i == a[e] else 2 * e + 1
                p, q = max(int(y[i] / cell), 0), max(int(x[i] / cell), 0)
                after[i] = first[p, q]
                first[p, q] = i
    for k in range(tip.size):
        if done[k] or not ready[k]:
            continue
        me = tip[k]
        best, nearest = reach * reach, -1
        p, q = int(y[me] / cell), int(x[me] / cell)
        for r in range(max(p - 1, 0), min(p + 2, cells)):
            for c in range(max(q - 1, 0), min(q + 2, cells)):
                i = first[r, c]
                while i >= 0:
                    if i != me and trail[i] != ident[k]:
                        d = (x[i] - x[me]) ** 2 + (y[i] - y[me]) ** 2
                        earlier = nearest >= 0 and d == best and rank[i] < rank[nearest]
                        if d < best or earlier:
                            best, nearest = d, i
                    i = after[i]
        if nearest >= 0:
            found[k] = nearest
            done[k] = True
            if tip_of[nearest] >= 0:
                done[tip_of[nearest]] = True
    return found


def join(tips: Tips, pieces: Pieces, nodes: Nodes, done: Mask, n: Numbers) -> Rows:
    """Return the node (tips,) that each tip joins, or -1; tips that are done are marked."""
    ready = tips.path >= n.free_um
    if not np.any(ready & ~done):
        return np.full(tips.id.size, -1)
    living = pieces.kind != SLEEVE
    found: Rows = partners(
        tips.node, tips.id, done, ready, nodes.x, nodes.y, nodes.trail,
        pieces.a[living], pieces.b[living], n.R_an_um,
    )  # fmt: skip
    return found


def grown(tips: Tips, pieces: Pieces, nodes: Nodes, n: Numbers) -> Mask:
    """Whether the piece that ends at each tip has its full length."""
    own = np.full(nodes.x.size, -1)
    own[pieces.b] = np.arange(pieces.b.size)
    rows = own[tips.node]
    result: Mask = rows >= 0
    result[result] = graph.lengths(graph.taken(pieces, rows[result]), nodes) >= n.piece_um
    return result


def at_tips(field: Array, tips: Tips, nodes: Nodes, n: Numbers) -> Array:
    """Value (tips,) of a field at each tip."""
    values: Array = at_points(field, nodes.x[tips.node], nodes.y[tips.node], n.voxel_um)
    return values


def dividing(pieces: Pieces, nodes: Nodes, n: Numbers) -> Rows:
    """Rows of the pieces that are half again as long as a piece begins, sleeves apart."""
    long = graph.lengths(pieces, nodes) > 1.5 * n.piece_um
    return np.flatnonzero(long & (pieces.kind != SLEEVE))
