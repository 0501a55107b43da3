"""Delta-Notch signalling between cells that touch."""

from __future__ import annotations

from sim.assays.declare import part
from sim.kernels.draws import DELTA, NOTCH, uniform_at
from sim.model.parts.model import FRACTION, OF_CELLS, OF_DRUG, PER_CELL, Model
from sim.model.parts.signals import by_pathway, signals_now
from sim.signalling.clock import substeps
from sim.signalling.notch import NotchConstants, advance_notch, delta_made
from sim.tissue import Border


def begin_notch(model: Model) -> None:
    """Give each cell a Notch activity and a Delta of its own: nobody is ahead by design."""
    cells, rows = model.tissue.cells, model.endothelial
    if "notch" in model.assay.parts:
        cells["notch"][rows] = uniform_at(model.seed, NOTCH, 0, rows)
        cells["delta"][rows] = uniform_at(model.seed, DELTA, 0, rows)


@part(
    reads={
        "border": "pairs of sites",
        **OF_DRUG,
        **OF_CELLS,
        "cells.bound_receptors": PER_CELL,
        "cells.notch": FRACTION,
        "cells.delta": FRACTION,
    },
    writes={"cells.notch": FRACTION, "cells.delta": FRACTION},
)
def notch(model: Model, border: Border | None) -> None:
    """Cells with much Delta keep their neighbours from it; ``setup.notch = false`` blocks that."""
    spec, cells = model.scenario.behaviour and model.scenario.behaviour.notch, model.tissue.cells
    if not ("notch" in model.assay.parts and spec and model.constants and border is not None):
        return
    rows, dt_s = model.endothelial, model.scenario.time.mcs_s
    made = delta_made(spec.own, by_pathway(model, spec.signals), signals_now(model, rows))
    blocked = not getattr(model.scenario.setup, "notch", True)
    contacts = border.contacts[: 0 if blocked else None]  # nobody meets any Delta
    constants = NotchConstants(3600 * spec.tau_h, spec.delta_half, spec.notch_half)
    with model.timed("signalling"):
        advance_notch(
            rows, cells["notch"], cells["delta"], contacts, border.pairs,
            made, constants, dt_s, substeps(dt_s),
        )  # fmt: skip
