"""From ligand and drug to the drive of each cell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.assays.declare import part
from sim.model.parts.drug import part_times
from sim.model.parts.model import (
    FIELD,
    FRACTION,
    OF_CELLS,
    OF_DRUG,
    PER_CELL,
    ROWS,
    SITES,
    Array,
    Model,
    Rows,
)
from sim.pharmacology.drugs import inhibition
from sim.signalling.life import signals
from sim.signalling.pathways import advance


@part(
    reads={"fields.LIGAND": FIELD, "lattice": ROWS, "cells.moments": SITES},
    writes={"ligand_M": "M"},
)
def ligand_at_cells(model: Model) -> Array:
    """Mean of each ligand over a cell's sites: (rows, pathways)."""
    with model.timed("signalling"):
        pathways = model.pathways
        ng_ml = model.tissue.means_at_cells([pathway.ligand for pathway in pathways])
        return np.asarray(ng_ml * [pathway.M_per_ng_ml for pathway in pathways])


def inhibited_shares(model: Model) -> Array:
    """Share of each signal that the drug takes away: (parts of the step, pathways)."""
    shares = np.zeros((model.free_nM.size, len(model.pathways)))
    if model.effect and not model.effect.alone:
        over_time = model.effect.inhibition(part_times(model))
        for k, pathway in enumerate(model.pathways):
            shares[:, k] = over_time.get(pathway.receptor, 0.0)
    elif model.potency and model.free_nM.any():
        found = inhibition(model.free_nM, model.potency)
        for k, pathway in enumerate(model.pathways):
            shares[:, k] = found.get(pathway.receptor, 0.0)
    return shares


def signals_now(model: Model, rows: Rows) -> Array:
    """Signal of each receptor of some cells, as it is at the end of the step: (cells, pathways)."""
    assert model.constants is not None
    bound = model.tissue.cells["bound_receptors"][rows]
    return signals(bound, model.constants.saturated, inhibited_shares(model)[-1])


def by_pathway(model: Model, by_receptor: Mapping[str, float]) -> Array:
    """Numbers by receptor in the order of the pathways; 0 where there is none."""
    return np.array([by_receptor.get(pathway.receptor, 0.0) for pathway in model.pathways])


@part(
    reads={
        "ligand_M": "M",
        **OF_DRUG,
        **OF_CELLS,
        "cells.free_receptors": PER_CELL,
        "cells.bound_receptors": PER_CELL,
        "cells.activity": FRACTION,
        "cells.drive": FRACTION,
    },
    writes={
        "cells.free_receptors": PER_CELL,
        "cells.bound_receptors": PER_CELL,
        "cells.uptake": "molecules/s/cell",
        "cells.activity": FRACTION,
        "cells.drive": FRACTION,
    },
)
def receptors(model: Model, ligand_M: Array) -> None:
    """Binding and trafficking, inhibition, activity, drive."""
    cells = model.tissue.cells
    if model.constants is None:
        return
    with model.timed("signalling"):
        if "dying" in cells.columns:
            cells["uptake"][cells["dying"] > 0] = 0.0
        advance(
            model.endothelial,
            cells["free_receptors"],
            cells["bound_receptors"],
            cells["uptake"],
            cells["activity"],
            cells["drive"],
            ligand_M,
            inhibited_shares(model),
            model.constants,
            model.scenario.time.mcs_s,
        )
