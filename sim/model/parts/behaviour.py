"""From the drive of each cell to what it does."""

from __future__ import annotations

from math import expm1

import numpy as np

from sim.assays.declare import part
from sim.model.parts.model import (
    FRACTION,
    OF_CELLS,
    OF_DRUG,
    ROWS,
    SITES,
    STRENGTH,
    Array,
    Model,
    Rows,
)
from sim.model.parts.signals import inhibited_shares
from sim.signalling.drive import driven
from sim.tissue import Border


@part(
    reads={"lattice": ROWS},
    writes={"border": "pairs of sites"},
)
def border_sums(model: Model) -> Border | None:
    """Free border of each cell and contacts between cells, of assays that ask for them."""
    if "border" not in model.assay.parts:
        return None
    with model.timed("border"):
        return model.tissue.border()


@part(
    reads={
        "border": "pairs of sites",
        **OF_CELLS,
        "cells.drive": FRACTION,
        "cells.memory": SITES,
        "cells.moments": SITES,
        "cells.target": SITES,
        **OF_DRUG,
    },
    writes={"cells.target": SITES, "cells.mu": STRENGTH, "cells.push": "energy per site"},
)
def behaviour(model: Model, border: Border | None) -> None:
    """Targets, chemotactic strength and push follow the drive; drug inhibits sensing."""
    spec, tissue, rows = model.scenario.behaviour, model.tissue, model.endothelial
    creep(model, rows)
    cells = tissue.cells
    mu_persistence: float | Array = model.scenario.engine.persistence.mu
    if spec is not None:
        drive = cells["drive"][rows]
        if spec.length:
            length = driven(spec.length.target_sites, drive)
            if border is not None and spec.length.enclosed_sites is not None:
                enclosed = border.free[rows] < spec.length.enclosed_free
                length = np.where(enclosed, spec.length.enclosed_sites, length)
            cells["target"][rows, 1] = length
        for name, pair in spec.chemotaxis.items():
            cells["mu"][rows, tissue.followed.index(name)] = driven(pair.mu, drive)
        if model.sensing.pathways:
            seen = 1.0 - inhibited_shares(model).mean(axis=0)[model.sensing.pathways]
            cells["mu"][rows[:, None], model.sensing.columns] = model.sensing.mu * seen
        if spec.persistence:
            mu_persistence = driven(spec.persistence.mu, drive)
    if (spec is not None and spec.persistence) or np.any(mu_persistence):
        mu = np.broadcast_to(mu_persistence, rows.shape)
        cells["push"][rows] = mu[:, None] * polarity(model, rows, border)


def polarity(model: Model, rows: Rows, border: Border | None) -> Array:
    """Return where cells are heading (rows, 2) [y, x]: their recent way, and away from neighbours.

    p = q / |q|; with border sums v = min(1, 2 f) p + kappa N, no longer than 1: contact inhibition
    of locomotion. A free cell has f = 1 and N = 0, and one without free border stays.
    """
    memory = model.tissue.cells["memory"][rows]
    way = memory / np.maximum(np.hypot(memory[:, 0], memory[:, 1]), 1e-12)[:, None]
    if border is None:
        return np.asarray(way)
    heading = np.minimum(1.0, 2.0 * border.free[rows])[:, None] * way
    heading += model.scenario.engine.persistence.kappa * border.outward[rows]
    return np.asarray(heading / np.maximum(1.0, np.hypot(*heading.T))[:, None])


def creep(model: Model, rows: Rows) -> None:
    """Let target areas follow the areas: A_t' = (min(max(a, A), most A) - A_t) / tau."""
    area, cells = model.scenario.engine.area, model.tissue.cells
    if area.creep_h is None:
        return
    aim = np.clip(cells.area[rows], area.target_sites, area.most * area.target_sites)
    share = -expm1(-model.scenario.time.mcs_s / (area.creep_h * 3600))
    cells["target"][rows, 0] += share * (aim - cells["target"][rows, 0])
