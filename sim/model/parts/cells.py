"""How cells move, and which of them are dead."""

from __future__ import annotations

from math import exp

import numpy as np

from sim.assays.declare import part
from sim.model.parts.model import (
    FIELD,
    NUMBER,
    ROWS,
    SITES,
    STEPS,
    STRENGTH,
    SWITCH,
    Model,
)


@part(
    reads={
        "seed": NUMBER,
        "mcs": STEPS,
        "lattice": ROWS,
        "fields.FIELD": FIELD,
        "cells.alive": SWITCH,
        "cells.type": NUMBER,
        "cells.moments": SITES,
        "cells.anchor": SITES,
        "cells.target": SITES,
        "cells.mu": STRENGTH,
        "cells.push": "energy per site",
        "cells.centroid": SITES,
        "cells.memory": SITES,
    },
    writes={
        "lattice": ROWS,
        "cells.moments": SITES,
        "cells.anchor": SITES,
        "cells.centroid": SITES,
        "cells.memory": SITES,
    },
)
def potts_sweep(model: Model) -> None:
    """One copy attempt per site in expectation; each cell remembers where it went."""
    with model.timed("potts"):
        tau_s = model.scenario.engine.persistence.tau_min * 60
        model.tissue.sweep(model.seed, model.mcs, model.threads)
        model.tissue.remember(exp(-model.scenario.time.mcs_s / tau_s))


@part(
    reads={"cells.alive": SWITCH, "cells.moments": SITES, "cells.generation": NUMBER},
    writes={"cells.alive": SWITCH, "cells.generation": NUMBER, "ids": NUMBER},
)
def deaths(model: Model) -> None:
    """Cells without a site left are dead, and their rows are free."""
    cells = model.tissue.cells
    for row in np.flatnonzero(cells["alive"] & (cells.area == 0)).tolist():
        cells.freed(row)
        model.part_with(row)
