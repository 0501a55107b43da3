"""Models: a class for cells on a lattice, one for the vessels of a tumour, behind one door."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sim.assays import assays
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    from sim.model.base import AssayModel

CLASSES = {
    "lattice": "sim.model.clock:AngiogenesisModel",
    "bed": "sim.model.bed:VesselBedModel",
}
"""By the ``model`` of an assay."""


def model_of(
    scenario: Scenario, rng: int | None = None, threads: int = 1, *, paranoid: bool = False
) -> AssayModel:
    """Return a scenario at work, in the class of model that its assay asks for.

    Parameters
    ----------
    scenario, rng, threads, paranoid
        As for `sim.model.base.AssayModel`.
    """
    module, _, name = CLASSES[assays()[scenario.assay].model].partition(":")
    made: AssayModel = getattr(import_module(module), name)(
        scenario, rng, threads, paranoid=paranoid
    )
    return made
