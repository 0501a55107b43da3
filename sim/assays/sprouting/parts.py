"""What only cells of this assay do: some become tips and push, others follow and spread."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import part
from sim.assays.sprouting.setup import Setup, Stalk
from sim.kernels.draws import TIP, uniform_at
from sim.signalling.drive import driven
from sim.tissue import Border

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
Array = NDArray[np.float64]

NEAR = 1e-12  # sites: centres that are nearer have no direction


@part(
    reads={
        "seed": "1",
        "mcs": "steps",
        "border": "pairs of sites",
        "cells.alive": "true or false",
        "cells.type": "1",
        "cells.dying": "steps",
        "cells.drive": "0-1",
        "cells.delta": "0-1",
        "cells.centroid": "sites",
        "cells.target": "sites",
        "assay.tip": "steps",
        "assay.polarity": "1",
    },
    writes={
        "assay.tip": "steps",
        "assay.polarity": "1",
        "cells.push": "energy per site",
        "cells.target": "sites",
    },
)
def tips_and_stalks(model: Any, border: Border) -> None:
    """Candidates become tips, which push; the cells behind follow, and spread as they leave."""
    setup: Setup = model.scenario.setup
    cells, rows = model.tissue.cells, model.endothelial
    own = np.zeros(cells.area.size, np.bool_)
    own[rows] = True
    contacts = border.contacts[own[border.contacts[:, :2]].all(axis=1)]
    _choose_tips(model, rows, border, contacts)
    tip, polarity = model.assay.memory["tip"] > 0, model.assay.memory["polarity"]

    push, centre, tips = np.zeros((own.size, 2)), cells["centroid"], np.flatnonzero(tip)
    mu = (
        driven(setup.tips.mu, cells["drive"][tips])
        * (1.0 - lost(contacts, centre, setup.stalk))[tips]
    )
    push[tips] = mu[:, None] * polarity[tips]
    leader = leaders(contacts, tip, setup.stalk.reach)
    draw_together(push, leader, centre, setup.stalk)
    cells["push"][rows] = push[rows]
    _spread(model, rows, border.free[rows])


def _choose_tips(model: Any, rows: Rows, border: Border, contacts: Rows) -> None:
    """Tips end and turn; of the candidates, which have much Delta and free border, some begin."""
    rules: Any = model.scenario.setup.tips
    cells, mcs_h = model.tissue.cells, model.scenario.time.mcs_s / 3600
    tip, polarity = model.assay.memory["tip"], model.assay.memory["polarity"]
    ways = unit(border.outward)
    tip[tip > 0] += 1
    ends = np.ones(tip.size, np.bool_)  # of cells that are gone, too
    ends[rows] = (tip[rows] * mcs_h > rules.lasts_h) | (border.free[rows] <= rules.kept_free)
    tip[ends] = 0
    tips = np.flatnonzero(tip)
    kept = np.exp(-mcs_h / rules.turn_h)
    polarity[tips] = ways[tips] + (polarity[tips] - ways[tips]) * kept

    may = (cells["delta"][rows] > rules.least_delta) & (border.free[rows] > rules.least_free)
    may &= tip[rows] == 0
    if model.scenario.setup.notch:  # a tip keeps its neighbours from it, however little they touch
        may &= ~beside(contacts, tip > 0)[rows]
    rows = rows[may]
    rate = driven(rules.rate_per_h, cells["drive"][rows])
    begins = rows[uniform_at(model.seed, TIP, model.mcs, rows) < -np.expm1(-rate * mcs_h)]
    tip[begins] = 1
    polarity[tip == 0] = 0.0
    polarity[begins] = ways[begins]


def _spread(model: Any, rows: Rows, free: Array) -> None:
    """Target areas go, in whole sites, to that of cells that have left the spheroid, or back."""
    rules, normal = model.scenario.setup.spread, model.scenario.engine.area.target_sites
    per_step = rules.sites_per_h * model.scenario.time.mcs_s / 3600
    most = np.floor(per_step * (model.mcs + 1)) - np.floor(per_step * model.mcs)
    goal = np.where(free < rules.free, normal, np.rint(rules.area * normal))
    target = model.tissue.cells["target"]
    target[rows, 0] += np.clip(goal - target[rows, 0], -most, most)


def unit(ways: Array) -> Array:
    """Directions (n, 2) of some ways; 0 of none."""
    return np.asarray(ways / np.maximum(np.hypot(ways[:, 0], ways[:, 1]), NEAR)[:, None])


def beside(contacts: Rows, tip: Mask) -> Mask:
    """Which rows touch a tip."""
    out, (one, other) = np.zeros_like(tip), contacts[:, :2].T
    out[one[tip[other]]] = True
    out[other[tip[one]]] = True
    return out


def stretch(apart: Array, stalk: Stalk) -> Array:
    """From 0 to 1: how far the distance of two centres exceeds what cells are at ease with."""
    return np.asarray(np.clip((apart - stalk.slack_sites) / stalk.stretch_sites, 0.0, 1.0))


def lost(contacts: Rows, centre: Array, stalk: Stalk) -> Array:
    """How far each cell (rows,) is stretched from the nearest cell that it touches."""
    (one, other), nearest = contacts[:, :2].T, np.full(len(centre), np.inf)
    way = centre[one] - centre[other]
    apart = np.hypot(way[:, 0], way[:, 1])
    np.minimum.at(nearest, one, apart)
    np.minimum.at(nearest, other, apart)
    return stretch(nearest, stalk)


def leaders(contacts: Rows, tip: Mask, reach: int) -> Rows:
    """Return whom each cell follows (rows,): the neighbour nearest to a tip, by contacts; or 0.

    Of several that are as near the one with the longest contact, then the lowest row.

    Parameters
    ----------
    contacts : (n, 3) int64
        Row, other row and the length of their contact.
    tip : (rows,) bool
    reach : int
        Cells farther than so many contacts from a tip follow nobody.
    """
    ways = np.concatenate([contacts, contacts[:, [1, 0, 2]]])
    ways = ways[np.lexsort((-ways[:, 0], ways[:, 2]))]  # the best way to a cell comes last
    leader, front, reached = np.zeros(tip.size, np.int64), tip, tip.copy()
    for _ in range(reach):
        step = ways[front[ways[:, 0]] & ~reached[ways[:, 1]]]
        if not len(step):
            break
        leader[step[:, 1]] = step[:, 0]
        front = np.zeros_like(tip)
        front[step[:, 1]] = True
        reached |= front
    return leader


def draw_together(push: Array, leader: Rows, centre: Array, stalk: Stalk) -> None:
    """Add to the push (rows, 2) of followers what draws them to their leader, and half of it back.

    The pull is along the line between the two centres, and grows with how far it is stretched.
    """
    followers = np.flatnonzero(leader)
    way = centre[leader[followers]] - centre[followers]
    strength = stalk.pull * stretch(np.hypot(way[:, 0], way[:, 1]), stalk)
    pull = strength[:, None] * unit(way)
    push[followers] += pull
    np.subtract.at(push, leader[followers], pull / 2)
