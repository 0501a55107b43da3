"""Flow of blood: Poiseuille's law in every piece, and what flows into a node flows out.

Blind ends carry nothing and are peeled off; chains of pieces between junctions are contracted to
one conductance each; parts without a held pressure are dropped. What is left is a sparse symmetric
system with one unknown for each junction, which is solved directly.
"""

from __future__ import annotations

from math import pi

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix
from scipy.sparse.linalg import splu

from sim.bed.graph import SLEEVE, Nodes, Pieces, lengths
from sim.bed.numbers import Numbers
from sim.errors import NumericalError
from sim.kernels.compiling import inlined, kernel

Array = NDArray[np.float64]

PASCAL = 133.322
"""In 1 mmHg."""
ROUNDING = 1e-6
"""Share of the held pressures' range by which a solution may leave it."""


@inlined
def _root(parent, i):
    """First of the nodes that are connected to this one so far."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def contract(a, b, resistance, held):
    """Find the chains between key nodes: junctions, and nodes whose pressure is held.

    The order of the chains follows from that of the pieces alone, whatever the rows of the nodes.

    Parameters
    ----------
    a, b : (pieces,) int64
        Nodes at the ends of each piece.
    resistance : (pieces,) float64
    held : (nodes,) bool

    Returns
    -------
    first, last : (chains,) int64
        Key nodes at the ends.
    total : (chains,) float64
        Resistance.
    chain : (pieces,) int64
        Chain of each piece, or -1.
    sign : (pieces,) float64
        1 where the piece points from `first` to `last`, else -1.
    root : (nodes,) int64
        The same for nodes that chains connect.
    """
    n, m = held.size, a.size
    degree = np.zeros(n, np.int64)
    for e in range(m):
        degree[a[e]] += 1
        degree[b[e]] += 1
    start = np.zeros(n + 1, np.int64)
    for i in range(n):
        start[i + 1] = start[i] + degree[i]
    place = start[:-1].copy()
    at = np.empty(2 * m, np.int64)  # pieces of each node, in order
    for e in range(m):
        for i in (a[e], b[e]):
            at[place[i]] = e
            place[i] += 1

    there = np.ones(m, np.bool_)
    stack = np.empty(n, np.int64)
    top = 0
    for i in range(n):
        if degree[i] == 1 and not held[i]:
            stack[top] = i
            top += 1
    while top > 0:
        top -= 1
        i = stack[top]
        for t in range(start[i], start[i + 1]):
            e = at[t]
            if there[e]:
                there[e] = False
                other = a[e] + b[e] - i
                degree[i] -= 1
                degree[other] -= 1
                if degree[other] == 1 and not held[other]:
                    stack[top] = other
                    top += 1

    first, last = np.empty(m, np.int64), np.empty(m, np.int64)
    total, chain, sign = np.empty(m), np.full(m, -1, np.int64), np.zeros(m)
    root = np.arange(n)
    chains = 0
    for begin in range(m):
        if not there[begin] or chain[begin] >= 0:
            continue
        i = a[begin]
        if degree[i] == 2 and not held[i]:
            i = b[begin]
            if degree[i] == 2 and not held[i]:
                continue  # in the middle of a chain, or of a ring by itself
        first[chains], total[chains] = i, 0.0
        e = begin
        while e >= 0:
            chain[e] = chains
            sign[e] = 1.0 if a[e] == i else -1.0
            total[chains] += resistance[e]
            i = a[e] + b[e] - i
            e = -1
            if degree[i] == 2 and not held[i]:
                for t in range(start[i], start[i + 1]):
                    if there[at[t]] and chain[at[t]] < 0:
                        e = at[t]
        last[chains] = i
        p, q = _root(root, first[chains]), _root(root, i)
        root[max(p, q)] = min(p, q)
        chains += 1
    for i in range(n):
        root[i] = _root(root, i)
    return first[:chains], last[:chains], total[:chains], chain, sign, root


def velocities(pieces: Pieces, nodes: Nodes, n: Numbers, day: float) -> tuple[Array, bool]:
    """Solve the flow in the network.

    R = 8 mu l / (pi r^4) (Poiseuille); sum of flows at each junction = 0.

    Parameters
    ----------
    pieces, nodes : tables
    n : Numbers
    day : float
        For messages.

    Returns
    -------
    velocity : (pieces,) float64
        Mean speed of blood from a to b, um/s; exactly 0 in blind ends and in parts without supply.
    connected : bool
        Whether paths lead between all held pressures.
    """
    living = np.flatnonzero(pieces.kind != SLEEVE)
    of_um = 8.0 * n.viscosity_mPa_s * 1e-3 / (pi * n.r_um**4)
    held = np.isfinite(nodes.pressure)
    first, last, total, chain, sign, root = contract(
        pieces.a[living], pieces.b[living], of_um * lengths(pieces, nodes)[living], held
    )
    fed = np.zeros(held.size, np.bool_)
    fed[root[held]] = True
    use = fed[root[first]] & (first != last)
    pressure = np.where(held, nodes.pressure, 0.0) * PASCAL
    _solve(pressure, first[use], last[use], 1.0 / total[use], held, day)
    flow = np.zeros(first.size)
    flow[use] = (pressure[first[use]] - pressure[last[use]]) / total[use]
    velocity = np.zeros(pieces.id.size)
    on = chain >= 0
    velocity[living[on]] = flow[chain[on]] * sign[on] / (pi * n.r_um**2)
    return velocity, np.unique(root[held]).size == 1


def pressures(pieces: Pieces, nodes: Nodes, n: Numbers) -> Array:
    """Return the pressure (nodes,), mmHg: down the living pieces from the held ones.

    Delta p = 8 mu l v / r^2 along each piece (Poiseuille), with the velocities that were solved;
    nan where no living piece leads.
    """
    living = pieces.kind != SLEEVE
    a, b = pieces.a[living], pieces.b[living]
    per_um2_per_s = 8.0 * n.viscosity_mPa_s * 1e-3 / n.r_um**2 / PASCAL
    drop = per_um2_per_s * lengths(pieces, nodes)[living] * pieces.velocity[living]
    pressure = nodes.pressure.copy()
    while True:
        known = np.isfinite(pressure)
        down, up = known[a] & ~known[b], known[b] & ~known[a]
        if not (down | up).any():
            return pressure
        pressure[b[down]] = pressure[a[down]] - drop[down]
        pressure[a[up]] = pressure[b[up]] + drop[up]


def _solve(
    pressure: Array,
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    conductance: Array,
    held: NDArray[np.bool_],
    day: float,
) -> None:
    """Fill in the pressure (nodes,) of all junctions that chains connect to held ones."""
    both = np.stack([first, last], axis=1).ravel()
    _, seen = np.unique(both, return_index=True)
    free = both[np.sort(seen)]  # in the order of the chains, not of the nodes' rows
    free = free[~held[free]]
    if not free.size:
        return
    place = np.full(pressure.size, -1)
    place[free] = np.arange(free.size)
    here, there = np.r_[first, last], np.r_[last, first]
    g = np.r_[conductance, conductance]
    unknown = place[here] >= 0
    here, there, g = here[unknown], there[unknown], g[unknown]
    row, column = place[here], place[there]
    supply = np.bincount(row, weights=g * pressure[there] * held[there], minlength=free.size)
    inner = column >= 0
    matrix = csc_matrix(
        (np.r_[g, -g[inner]], (np.r_[row, row[inner]], np.r_[row, column[inner]])),
        shape=(free.size, free.size),
    )
    try:
        how = {"SymmetricMode": True}
        found = splu(matrix, permc_spec="MMD_AT_PLUS_A", options=how).solve(supply)
    except RuntimeError:  # singular
        found = np.full(free.size, np.nan)
    low, high = pressure[held].min(), pressure[held].max()
    slack = ROUNDING * max(high - low, 1.0)
    wrong = ~((found >= low - slack) & (found <= high + slack))
    if wrong.any():
        raise NumericalError(
            f"the pressures of {np.count_nonzero(wrong)} of {free.size} junctions have no solution "
            f"between the held ones on day {day:.1f} (node {free[wrong][0]} first): check the "
            "radius of the vessels, the viscosity of blood and the pressures of the parent vessels"
        )
    pressure[free] = found
