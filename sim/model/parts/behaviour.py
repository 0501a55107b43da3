"""From the drive of each cell to what it does."""

from __future__ import annotations

import numpy as np

from sim.assays.declare import part
from sim.model.parts.model import FRACTION, OF_CELLS, SITES, STRENGTH, Array, Model
from sim.signalling.drive import driven


@part(
    reads={**OF_CELLS, "cells.drive": FRACTION, "cells.memory": SITES},
    writes={"cells.target": SITES, "cells.mu": STRENGTH, "cells.push": "energy per site"},
)
def behaviour(model: Model) -> None:
    """Target length, chemotactic strength and persistence follow the drive."""
    spec, tissue, rows = model.scenario.behaviour, model.tissue, model.endothelial
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
