"""What the assay remembers, and when the model records itself."""

from __future__ import annotations

from sim.assays.declare import part
from sim.model.parts.model import EVERY, FIELD, OF_CELLS, OWN, ROWS, SITES, STEPS, Model


@part(
    reads={
        "mcs": STEPS,
        "lattice": ROWS,
        **OF_CELLS,
        "cells.centroid": SITES,
        "fields.FIELD": FIELD,
        "assay.KEY": OWN,
    },
    writes={"assay.KEY": OWN},
)
def assay_memory(model: Model) -> None:
    """What the assay remembers, on its own clock; most assays remember nothing."""
    model.assay.after_step(model)


@part(
    reads={
        "mcs": STEPS,
        "lattice": ROWS,
        "fields.FIELD": FIELD,
        "cells.EVERY": EVERY,
        "assay.KEY": OWN,
    },
    writes={"readouts": "see docs/readouts.md"},
)
def record_when_due(model: Model) -> None:
    """The assay's read-outs at record times and at the end, if values are sound; changes nothing.

    Raises
    ------
    NumericalError
        If they are not; see `sim.model.guards`.
    """
    if model.scenario.time.records(model.mcs):
        model.record()
