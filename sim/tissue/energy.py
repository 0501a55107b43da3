"""Energies of the Cellular Potts model: what changes when a site is copied into its neighbour.

    H = sum over contact pairs J(tau, tau') [sigma != sigma']
      + sum over cells lambda_area (a - A)^2 + sum over cells lambda_length (l - L)^2

(Graner & Glazier 1992, doi 10.1103/PhysRevLett.69.2013; length: Merks et al. 2006,
doi 10.1016/j.ydbio.2005.10.003). A pair of sites counts once, lambda has no factor 1/2.
Chemotaxis and persistence add work that is no difference of any H.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.tissue.kernel import inlined

AREA, SUM_X, SUM_Y, SUM_XX, SUM_YY, SUM_XY = range(6)  # columns of `moments`
NONE, SOFT, HARD = range(3)  # connectivity
EXTENSION, RETRACTION = 1, 2  # bits of `acts_on`

REFUSED = np.inf


class Rules(NamedTuple):
    """What a copy costs, by cell type. Energies share the unit of the temperature."""

    temperature: float
    J: NDArray[np.float64]
    """(types, types) contact energy; type 0 is medium, the last is the wall."""
    stiffness: NDArray[np.float64]
    """(types, 2) lambda_area, lambda_length."""
    connectivity: int
    connectivity_penalty: float
    contact_inhibited: NDArray[np.bool_]
    """(fields,)"""
    acts_on: NDArray[np.int64]
    copy_yx: NDArray[np.int64]
    """(copy_sites, 2) neighbours [dy, dx] that may be copied from."""
    copy_steps: NDArray[np.int64]
    """(copy_sites,) the same as steps in the flat lattice."""
    contact_steps: NDArray[np.int64]
    ring_steps: NDArray[np.int64]


class CellArrays(NamedTuple):
    """The columns of the cell store that the sweep reads; it changes ``moments`` alone."""

    moments: NDArray[np.int64]
    """(rows, 6) exact sums over a cell's sites of 1, x, y, xx, yy, xy, relative to its anchor."""
    anchor: NDArray[np.int64]
    """(rows, 2) [y, x] site from which a cell's coordinates count."""
    type: NDArray[np.int64]
    """(rows,) cell type."""
    target: NDArray[np.float64]
    """(rows, 2) target area and length."""
    mu: NDArray[np.float64]
    """(rows, fields) chemotactic strength."""
    push: NDArray[np.float64]
    """(rows, 2) mu_p p [y, x], strength and direction of persistence."""


@inlined
def unwrapped(distance: int, period: int) -> int:
    """The shortest of the distances that differ by whole periods."""
    if distance > period // 2:
        return distance - period
    if distance < -((period - 1) // 2):
        return distance + period
    return distance


@inlined
def from_anchor(anchor, row, y, x, height, width, periodic):
    """Coordinates [y, x] of a site relative to a cell's anchor."""
    dy, dx = y - anchor[row, 0], x - anchor[row, 1]
    if periodic:
        dy, dx = unwrapped(dy, height), unwrapped(dx, width)
    return dy, dx


@inlined
def length_of(n: int, x: int, y: int, xx: int, yy: int, xy: int) -> float:
    """Length l = 4 sqrt(largest eigenvalue of the covariance of a cell's sites)."""
    if n < 1:
        return 0.0
    # n^2 times the covariance, exact in integers
    var_x, var_y, cov = float(n * xx - x * x), float(n * yy - y * y), float(n * xy - x * y)
    half = 0.5 * (var_x - var_y)
    largest = 0.5 * (var_x + var_y) + np.sqrt(half * half + cov * cov)
    return float(4.0 * np.sqrt(largest) / n)


@inlined
def length_change(moments, row, y, x, sign, target):
    """Change of (l - L)^2 when the cell gains (sign 1) or loses (-1) the site at y, x."""
    n, sx, sy = moments[row, 0], moments[row, 1], moments[row, 2]
    xx, yy, xy = moments[row, 3], moments[row, 4], moments[row, 5]
    before = length_of(n, sx, sy, xx, yy, xy) - target
    after = (
        length_of(
            n + sign,
            sx + sign * x,
            sy + sign * y,
            xx + sign * x * x,
            yy + sign * y * y,
            xy + sign * x * y,
        )
        - target
    )
    return after * after - before * before


@inlined
def shape_change(
    moments, anchor, cell_type, target, stiffness, row, sign, y, x, height, width, periodic
):
    """Change of a cell's area and length energy when it gains (1) or loses (-1) a site."""
    lambda_area, lambda_length = stiffness[cell_type[row], 0], stiffness[cell_type[row], 1]
    change = lambda_area * (2.0 * sign * (moments[row, AREA] - target[row, 0]) + 1.0)
    if lambda_length != 0.0:
        dy, dx = from_anchor(anchor, row, y, x, height, width, periodic)
        change += lambda_length * length_change(moments, row, dy, dx, sign, target[row, 1])
    return change


@inlined
def breaks(lattice, site, losing, ring_steps):
    """Whether the losing cell's sites in the ring of eight form more than one run."""
    runs = 0
    previous = lattice[site + ring_steps[7]] == losing
    for k in range(8):
        here = lattice[site + ring_steps[k]] == losing
        if here and not previous:
            runs += 1
        previous = here
    return runs > 1


@inlined
def contact_change(lattice, site, gaining, losing, cell_type, J, contact_steps):
    """Change of contact energy when `site` goes from one cell to another."""
    change = 0.0
    to, away = cell_type[gaining], cell_type[losing]
    for k in range(contact_steps.shape[0]):
        other = lattice[site + contact_steps[k]]
        tau = cell_type[other]
        if other != gaining:
            change += J[to, tau]
        if other != losing:
            change -= J[away, tau]
    return change


@inlined
def chemotaxis_work(attraction, site, source, gaining, losing, mu, contact_inhibited, acts_on):
    """dH = -mu [f(c_t) - f(c_s)] over all fields.

    mu is that of the cell that gains the site, or else of the cell that loses it, as far as
    `acts_on` lets each act.
    """
    work = 0.0
    for k in range(attraction.shape[0]):
        if gaining != 0 and losing != 0 and contact_inhibited[k]:
            continue
        if gaining != 0 and acts_on[k] & EXTENSION:
            strength = mu[gaining, k]
        elif losing != 0 and acts_on[k] & RETRACTION:
            strength = mu[losing, k]
        else:
            continue
        work -= strength * (attraction[k, site] - attraction[k, source])
    return work


@inlined
def copy_energy(
    lattice,
    attraction,
    moments,
    anchor,
    cell_type,
    target,
    mu,
    push,
    J,
    stiffness,
    connectivity,
    connectivity_penalty,
    contact_inhibited,
    acts_on,
    copy_yx,
    copy_steps,
    contact_steps,
    ring_steps,
    height,
    width,
    periodic,
    site,
    y,
    x,
    neighbour,
):
    """dH of copying a neighbour into a site, work included; infinite where it is refused.

    Plain arguments, and not the tuples that hold them: unpacking counts references.

    Parameters
    ----------
    lattice : (sites,) int32
        Flat lattice with halo.
    attraction : (fields, sites) float64
        f(c) = c / (1 + s c) at the sites, in the same flat layout; see `sim.tissue.fields.sense`.
    moments, ..., push
        As in `CellArrays`.
    J, ..., ring_steps
        As in `Rules`.
    height, width, periodic
        As in `sim.tissue.lattice.Grid`.
    site, y, x : int
        The site that is overwritten: flat index, and its row and column without the halo.
    neighbour : int
        Which copy neighbour is the source.
    """
    source = site + copy_steps[neighbour]
    gaining, losing = lattice[source], lattice[site]
    change = 0.0
    if connectivity != NONE and losing != 0 and breaks(lattice, site, losing, ring_steps):
        if connectivity == HARD:
            return REFUSED
        change += connectivity_penalty
    change += contact_change(lattice, site, gaining, losing, cell_type, J, contact_steps)
    # the copy goes from the source to the site: minus the step to the neighbour
    dy, dx = -copy_yx[neighbour, 0], -copy_yx[neighbour, 1]
    if gaining != 0:
        change += shape_change(
            moments, anchor, cell_type, target, stiffness, gaining, 1, y, x, height, width, periodic
        )
        change -= push[gaining, 0] * dy + push[gaining, 1] * dx
    if losing != 0:
        change += shape_change(
            moments, anchor, cell_type, target, stiffness, losing, -1, y, x, height, width, periodic
        )
        change -= push[losing, 0] * dy + push[losing, 1] * dx
    return change + chemotaxis_work(
        attraction, site, source, gaining, losing, mu, contact_inhibited, acts_on
    )
