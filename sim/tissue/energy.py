"""Energies of the Cellular Potts model: what changes when a site is copied into its neighbour.

    H = sum over contact pairs J(tau, tau') [sigma != sigma']
      + sum over cells lambda_area (a - A)^2 + sum over cells lambda_length (l - L)^2

(Graner & Glazier 1992, doi 10.1103/PhysRevLett.69.2013; length: Merks et al. 2006,
doi 10.1016/j.ydbio.2005.10.003). A pair of sites counts once, lambda has no factor 1/2.
Chemotaxis and persistence add work that is no difference of any H.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel
from sim.tissue.lattice import MEDIUM, neighbourhood

NONE, SOFT, HARD, AUTHORS = range(4)
CONNECTIVITY = {"none": NONE, "soft": SOFT, "hard": HARD, "authors": AUTHORS}
EXTENSION, RETRACTION = 1, 2  # bits
ACTS_ON = {"extension": EXTENSION, "retraction": RETRACTION, "both": EXTENSION | RETRACTION}

REFUSED = np.inf

# Contacts are counted in one integer with a digit for each type; a site has at most 20.
DIGIT_BITS = 5
_DIGIT_BITS, _DIGIT = np.uint64(DIGIT_BITS), np.uint64(2**DIGIT_BITS - 1)

# Indices without a sign need no check for counting from the end.
_0, _1, _2, _3, _4, _5 = (np.uint64(i) for i in range(6))


def _ring_breaks() -> NDArray[np.bool_]:
    """By the eight bits of a ring: whether those that are set form more than one run."""
    bits = np.arange(256)[:, None] >> np.arange(8) & 1
    runs = (bits & ~np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.asarray(runs > 1)


RING_BREAKS = _ring_breaks()


class Rules(NamedTuple):
    """What a copy costs, by cell type. Energies share the unit of the temperature."""

    temperature: float
    J: NDArray[np.float64]
    """(types, types) contact energy; type 0 is medium, the last is the wall."""
    stiffness: NDArray[np.float64]
    """(types, 2) lambda_area, lambda_length."""
    connectivity: int
    connectivity_penalty: float
    tissue_penalty: float
    """of medium that would cut the tissue, whichever cells it consists of; 0 for none"""
    contact_inhibited: NDArray[np.bool_]
    """(fields,)"""
    acts_on: NDArray[np.int64]
    saturation: NDArray[np.float64]
    """(fields,) s of f(c) = c / (1 + s c), per unit of the field."""
    copy_yx: NDArray[np.int64]
    """(copy_sites, 2) neighbours [dy, dx] that may be copied from."""
    contact_yx: NDArray[np.int64]
    """(contact_sites, 2) neighbours whose contact counts."""
    persistent: bool
    """Whether cells are pushed on; `CellArrays.push` counts anyhow."""


def rules(
    *,
    temperature: float,
    J: NDArray[np.float64],
    stiffness: NDArray[np.float64],
    connectivity: str,
    connectivity_penalty: float,
    contact_inhibited: Sequence[bool],
    acts_on: Sequence[str],
    saturation: Sequence[float],
    copy_sites: int,
    contact_sites: int,
    tissue_penalty: float = 0.0,
    persistent: bool = False,
) -> Rules:
    """`Rules` from words: a `CONNECTIVITY`, and one of `ACTS_ON` for each field."""
    return Rules(
        temperature=float(temperature),
        J=J,
        stiffness=stiffness,
        connectivity=CONNECTIVITY[connectivity],
        connectivity_penalty=float(connectivity_penalty),
        tissue_penalty=float(tissue_penalty),
        contact_inhibited=np.array(contact_inhibited, dtype=np.bool_),
        acts_on=np.array([ACTS_ON[way] for way in acts_on], dtype=np.int64),
        saturation=np.array(saturation, dtype=np.float64),
        copy_yx=neighbourhood(copy_sites),
        contact_yx=neighbourhood(contact_sites),
        persistent=persistent,
    )


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
def row_length(moments, row):
    """Length of the cell in a row of ``moments``."""
    return length_of(
        moments[row, _0],
        moments[row, _1],
        moments[row, _2],
        moments[row, _3],
        moments[row, _4],
        moments[row, _5],
    )


@inlined
def length_with(moments, row, sign, dy, dx):
    """Length of a cell that gains (sign 1) or loses (-1) the site at dy, dx from its anchor."""
    return length_of(
        moments[row, _0] + sign,
        moments[row, _1] + sign * dx,
        moments[row, _2] + sign * dy,
        moments[row, _3] + sign * dx * dx,
        moments[row, _4] + sign * dy * dy,
        moments[row, _5] + sign * dx * dy,
    )


@inlined
def reshape(shape, moments, target, row):
    """What a cell's moments make of its area and length; see `shapes`."""
    shape[row, _0] = 2.0 * shape[row, _1] * (moments[row, _0] - target[row, _0])
    if shape[row, _2] != 0.0:
        shape[row, _3] = row_length(moments, row) - target[row, _1]


@inlined
def shape_change(moments, shape, anchor, target, row, sign, y, x, height, width, periodic):
    """Change of a cell's area and length energy when it gains (1) or loses (-1) a site.

    lambda_area ((a +- 1 - A)^2 - (a - A)^2) and the like for its length; the medium has neither.
    """
    change = sign * shape[row, _0] + shape[row, _1]
    lambda_length = shape[row, _2]
    if lambda_length != 0.0:
        dy, dx = from_anchor(anchor, row, y, x, height, width, periodic)
        before = shape[row, _3]
        after = length_with(moments, row, sign, dy, dx) - target[row, _1]
        change += lambda_length * (after * after - before * before)
    return change


@inlined
def breaks(lattice, site, losing, ring_steps):
    """Whether the losing cell's sites in the ring of eight form more than one run."""
    ring = np.int64(0)
    for k in range(8):
        ring |= np.int64(lattice[np.uint64(site + ring_steps[np.uint64(k)])] == losing) << k
    return RING_BREAKS[np.uint64(ring)]


@inlined
def between_two_cells(lattice, site, losing, ring_steps):
    """Whether the ring of eight holds the losing cell, one other and no medium; a wall is a cell.

    Merks' code lets such a cell break, so that corners of four cells do not stall.
    """
    low, high = np.int32(2**31 - 1), np.int32(0)
    for k in range(8):
        owner = lattice[np.uint64(site + ring_steps[np.uint64(k)])]
        low = min(low, owner if owner != losing else low)
        high = max(high, owner if owner != losing else high)
    return low == high and low != MEDIUM


@inlined
def tears(lattice, site, wall, ring_steps):
    """Whether the sites of any cells in the ring of eight form more than one run."""
    ring = np.int64(0)
    for k in range(8):
        owner = lattice[np.uint64(site + ring_steps[np.uint64(k)])]
        ring |= np.int64(owner != MEDIUM and owner != wall) << k
    return RING_BREAKS[np.uint64(ring)]


@inlined
def contact_change(lattice, site, gaining, losing, to, away, digit, J, contact_steps):
    """Change of contact energy when a site goes from one cell to another, of types to and away."""
    counts, of_gaining, of_losing = _0, np.int64(0), np.int64(0)
    for k in range(0, contact_steps.shape[0], 4):  # by fours, else vectors are pieced together
        a = lattice[np.uint64(site + contact_steps[np.uint64(k)])]
        b = lattice[np.uint64(site + contact_steps[np.uint64(k + 1)])]
        c = lattice[np.uint64(site + contact_steps[np.uint64(k + 2)])]
        d = lattice[np.uint64(site + contact_steps[np.uint64(k + 3)])]
        counts += digit[np.uint64(a)] + digit[np.uint64(b)]
        counts += digit[np.uint64(c)] + digit[np.uint64(d)]
        of_gaining += np.int64(a == gaining) + np.int64(b == gaining)
        of_gaining += np.int64(c == gaining) + np.int64(d == gaining)
        of_losing += np.int64(a == losing) + np.int64(b == losing)
        of_losing += np.int64(c == losing) + np.int64(d == losing)
    change = of_losing * J[away, away] - of_gaining * J[to, to]  # no contact with itself
    for k in range(J.shape[0]):
        tau = np.uint64(k)
        change += np.int64(counts & _DIGIT) * (J[to, tau] - J[away, tau])
        counts >>= _DIGIT_BITS
    return change


@inlined
def chemotaxis_work(
    concentration, site, source, gaining, losing, mu, contact_inhibited, acts_on, saturation
):
    """dH = -mu [f(c_t) - f(c_s)] over all fields, f(c) = c / (1 + s c).

    mu is that of the cell that gains the site, or else of the cell that loses it, as far as
    `acts_on` lets each act; the medium has none.
    """
    work = 0.0
    between_cells = gaining != MEDIUM and losing != MEDIUM
    for k in range(concentration.shape[0]):
        field = np.uint64(k)
        acts, s = acts_on[field], saturation[field]
        follower = losing if acts & RETRACTION else MEDIUM
        if gaining != MEDIUM and acts & EXTENSION:
            follower = gaining
        strength = mu[np.uint64(follower), field]
        if between_cells and contact_inhibited[field]:
            strength = 0.0
        there, here = concentration[field, np.uint64(site)], concentration[field, source]
        # f(there) - f(here) with a single division
        work -= strength * ((there - here) / ((1.0 + s * there) * (1.0 + s * here)))
    return work


@inlined
def copy_energy(
    lattice,
    concentration,
    moments,
    shape,
    digit,
    anchor,
    cell_type,
    target,
    mu,
    push,
    J,
    connectivity,
    connectivity_penalty,
    tissue_penalty,
    contact_inhibited,
    acts_on,
    saturation,
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
        A flat patch of the lattice with walls; see `sim.tissue.lattice.load_patch`.
    concentration : (fields, sites) float64
        Of the fields that cells follow, in the patch; see `sim.tissue.attractants.sense`.
    moments
        As in `CellArrays`.
    shape : (rows, 4) float64
        What the moments make of area and length; see `shapes`.
    digit : (rows,) uint64
        One contact of the row's type; see `digits`.
    anchor, ..., push
        As in `CellArrays`.
    J, ..., copy_yx
        As in `Rules`, without its ``stiffness``, which is in ``shape``.
    copy_steps, contact_steps, ring_steps : (n,) int64
        Neighbours as steps in the patch.
    height, width, periodic
        As in `sim.tissue.lattice.Grid`.
    site, y, x : int
        The site that is overwritten: its place in the patch, its row and column on the lattice.
    neighbour : uint64
        Which copy neighbour is the source.
    """
    source = np.uint64(site + copy_steps[neighbour])
    gaining, losing = lattice[source], lattice[np.uint64(site)]
    penalty = 0.0
    if connectivity != NONE and losing != MEDIUM and breaks(lattice, site, losing, ring_steps):
        if connectivity == HARD:
            return REFUSED
        if connectivity != AUTHORS or not between_two_cells(lattice, site, losing, ring_steps):
            penalty = connectivity_penalty
    wall = moments.shape[0] - 1
    if tissue_penalty != 0.0 and gaining == MEDIUM and tears(lattice, site, wall, ring_steps):
        penalty += tissue_penalty
    winner, loser = np.uint64(gaining), np.uint64(losing)
    to, away = np.uint64(cell_type[winner]), np.uint64(cell_type[loser])
    contact = contact_change(lattice, site, gaining, losing, to, away, digit, J, contact_steps)
    gain = shape_change(moments, shape, anchor, target, winner, 1, y, x, height, width, periodic)
    loss = shape_change(moments, shape, anchor, target, loser, -1, y, x, height, width, periodic)
    # the copy goes from the source to the site: minus the step to the neighbour
    work_y = (push[winner, _0] + push[loser, _0]) * copy_yx[neighbour, _0]
    work_x = (push[winner, _1] + push[loser, _1]) * copy_yx[neighbour, _1]
    work = chemotaxis_work(
        concentration, site, source, gaining, losing, mu, contact_inhibited, acts_on, saturation
    )
    return (contact + (gain + loss)) + ((penalty + work) + (work_y + work_x))


@kernel
def digits(cell_type):
    """For each row, one contact of its type as `contact_change` counts them."""
    out = np.empty(cell_type.shape[0], np.uint64)
    for row in range(cell_type.shape[0]):
        out[row] = np.uint64(1) << np.uint64(DIGIT_BITS * cell_type[row])
    return out


@kernel
def shapes(moments, cell_type, target, stiffness):
    """How far each cell is from its targets, as the sweep takes it.

    Returns
    -------
    (rows, 4) float64
        2 lambda_area (a - A), lambda_area, lambda_length, and l - L where lambda_length is not 0.
    """
    shape = np.zeros((moments.shape[0], 4))
    for i in range(moments.shape[0]):
        row = np.uint64(i)
        shape[row, _1] = stiffness[cell_type[row], 0]
        shape[row, _2] = stiffness[cell_type[row], 1]
        reshape(shape, moments, target, row)
    return shape


@kernel
def lengths(moments):
    """Length of every row, in sites."""
    out = np.empty(moments.shape[0])
    for row in range(moments.shape[0]):
        out[row] = row_length(moments, np.uint64(row))
    return out
