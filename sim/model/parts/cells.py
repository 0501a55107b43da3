"""How cells move."""

from __future__ import annotations

from math import exp

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
