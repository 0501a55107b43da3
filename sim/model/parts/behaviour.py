"""From the drive of each cell to what it does."""

from __future__ import annotations

from math import expm1

import numpy as np

from sim.assays.declare import part
from sim.model.parts.model import FRACTION, OF_CELLS, SITES, STRENGTH, Array, Model, Rows
from sim.signalling.drive import driven


@part(
    reads={
        **OF_CELLS,
        "cells.drive": FRACTION,
        "cells.memory": SITES,
        "cells.moments": SITES,
        "cells.target": SITES,
    },
    writes={"cells.target": SITES, "cells.mu": STRENGTH, "cells.push": "energy per site"},
)
def behaviour(model: Model) -> None:
    """Target length, chemotactic strength and persistence follow the drive; target areas creep."""
    spec, tissue, rows = model.scenario.behaviour, model.tissue, model.endothelial
    creep(model, rows)
    cells = tissue.cells
    mu_persistence: float | Array = model.scenario.engine.persistence.mu
    if spec is not None:
        drive = cells["drive"][rows]
        if spec.length:
            cells["target"][rows, 1] = driven(spec.length.target_sites, drive)
        for name, pair in spec.chemotaxis.items():
            cells["mu"][rows, tissue.followed.index(name)] = driven(pair.mu, drive)
        if spec.persistence:
            mu_persistence = driven(spec.persistence.mu, drive)
    if (spec is not None and spec.persistence) or np.any(mu_persistence):
        memory = cells["memory"][rows]
        speed = np.maximum(np.hypot(memory[:, 0], memory[:, 1]), 1e-12)
        cells["push"][rows] = memory * np.divide(mu_persistence, speed)[:, None]


def creep(model: Model, rows: Rows) -> None:
    """Let target areas follow the areas: A_t' = (min(max(a, A), most A) - A_t) / tau."""
    area, cells = model.scenario.engine.area, model.tissue.cells
    if area.creep_h is None:
        return
    aim = np.clip(cells.area[rows], area.target_sites, area.most * area.target_sites)
    share = -expm1(-model.scenario.time.mcs_s / (area.creep_h * 3600))
    cells["target"][rows, 0] += share * (aim - cells["target"][rows, 0])
