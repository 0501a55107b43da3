"""Concentrations of ligands and of the cue."""

from __future__ import annotations

import numpy as np

from sim.assays.declare import part
from sim.errors import NumericalError
from sim.model.parts.model import FIELD, OF_CELLS, ROWS, SITES, Model
from sim.signalling.receptors import molar_per_count


@part(
    reads={
        "fields.FIELD": FIELD,
        "baths.FIELD": FIELD,
        "lattice": ROWS,
        **OF_CELLS,
        "cells.uptake": "molecules/s/cell",
        "cells.moments": SITES,
    },
    writes={"fields.FIELD": FIELD},
)
def fields(model: Model, order: str) -> None:
    """Secretion, decay, exchange, uptake less release, diffusion; before or after the sweep.

    What receptors took up is taken out as it is, so that no molecule is lost between them.

    Raises
    ------
    NumericalError
        If a field is not finite or becomes negative.
    """
    with model.timed("fields"):
        for name, reactions in model.reactions.items():
            if reactions.order == order:
                _move(model, name)


def _move(model: Model, name: str) -> None:
    """Move one field by a step."""
    tissue, domain, reactions = model.tissue, model.scenario.domain, model.reactions[name]
    cells = tissue.cells
    loss = np.full(cells.area.size, reactions.exchange + reactions.decay_inside)
    loss[0] = reactions.exchange + reactions.decay_outside
    source = reactions.exchange * model.baths[name] + reactions.secretion[cells["type"]]
    for k in reactions.takers:
        rows = model.endothelial
        area_um2 = np.maximum(cells.area[rows], 1) * domain.spacing_um**2
        per_count = molar_per_count(area_um2, domain.field_depth_um)
        source[rows] -= cells["uptake"][rows, k] * per_count / model.pathways[k].M_per_ng_ml
    dt_s = model.scenario.time.mcs_s
    lowest, highest = tissue.move_field(name, source, loss, dt_s, model.threads)
    if not np.isfinite(highest) or lowest < -1e-12 * highest:
        raise NumericalError(
            f"fields.{name}: values from {lowest:g} to {highest:g} at step {model.mcs}; "
            f"more fields.{name}.substeps or a shorter time.mcs_s are needed"
        )
