"""When the model records itself."""

from __future__ import annotations

from sim.assays.declare import part
from sim.model.parts.model import FRACTION, OF_CELLS, ROWS, STEPS, Model


@part(
    reads={"mcs": STEPS, "lattice": ROWS, **OF_CELLS, "cells.drive": FRACTION},
    writes={"readouts": "see docs/readouts.md"},
)
def record_when_due(model: Model) -> None:
    """The assay's read-outs at record times and at the end; changes nothing."""
    time = model.scenario.time
    if model.mcs % time.steps_per_record == 0 or model.mcs == time.steps:
        model.record()
