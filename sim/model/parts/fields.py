"""Concentrations of ligands and of the cue."""

from __future__ import annotations

from math import isfinite

import numpy as np

from sim.assays.declare import part
from sim.errors import NumericalError
from sim.model.assembly import ENDOTHELIAL
from sim.model.parts.model import FIELD, OF_CELLS, ROWS, SITES, Array, Model
from sim.signalling.receptors import take_up


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
        names = [name for name, field in model.reactions.items() if field.order == order]
        source, loss = rates(model, names)
        dt_s = model.scenario.time.mcs_s
        held = {
            name: model.reactions[name].exchange * model.baths[name]
            for name in names
            if model.baths[name].ndim
        }
        if model.audit is not None:
            model.audit.before(model, names)
        moved = model.tissue.move_fields(names, source, loss, dt_s, model.threads, held)
        for name, (lowest, highest) in zip(names, moved, strict=True):
            check(model, name, lowest, highest)
        if model.audit is not None:
            model.audit.after(model, names, source, loss, held)


def check(model: Model, name: str, lowest: float, highest: float) -> None:
    """Refuse a field that is not finite or is negative."""
    if not isfinite(highest) or lowest < -1e-12 * highest:
        raise NumericalError(
            f"fields.{name}: values from {lowest:g} to {highest:g} at step {model.mcs}; "
            f"more fields.{name}.substeps or a shorter time.mcs_s are needed"
        )


def rates(model: Model, names: list[str]) -> tuple[Array, Array]:
    """Source per second and loss rate (fields, rows) of the medium and of each cell.

    What comes from a bath with a gradient is not in it: it has a value for each voxel.
    """
    cells, domain = model.tissue.cells, model.scenario.domain
    takers = np.flatnonzero(cells["alive"] & (cells["type"] == ENDOTHELIAL))
    secretes = 1.0 - (cells["dying"] > 0) if "dying" in cells.columns else 1.0
    source = np.empty((len(names), cells.area.size))
    loss = np.empty_like(source)
    for name, gained, lost in zip(names, source, loss, strict=True):
        reactions = model.reactions[name]
        lost[:] = reactions.exchange + reactions.decay_inside
        lost[0] = reactions.exchange + reactions.decay_outside
        bath = model.baths[name]
        gained[:] = reactions.exchange * bath if bath.ndim == 0 else 0.0
        gained += secretes * reactions.secretion[cells["type"]]
        for k in reactions.takers:
            take_up(
                takers, cells["uptake"][:, k], cells.area, domain.spacing_um**2,
                domain.field_depth_um, model.pathways[k].M_per_ng_ml, gained,
            )  # fmt: skip
    return source, loss
