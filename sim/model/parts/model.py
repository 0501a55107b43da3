"""What a part of the step sees of the model, and the units that parts declare."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim.model.assay import RunningAssay
from sim.model.assembly import Reactions, Sensing
from sim.pharmacology.drugs import Potency
from sim.pharmacology.effect import Effect
from sim.pharmacology.exposure import Exposure, Media
from sim.scenario.schema import LatticeScenario
from sim.signalling.pathways import Constants, Pathway
from sim.tissue import CellStore, Tissue

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

SITES, STEPS, NUMBER = "sites", "steps", "1"
OWN = "as the assay says"
EVERY = "of all columns"
ROWS = "rows of the cell store"
FIELD = "ng/mL, or the cue's own unit"
STRENGTH = "energy per unit of the field"
FRACTION, SWITCH = "0-1", "true or false"
PER_CELL = "1/cell"

OF_CELLS = {"cells.alive": SWITCH, "cells.type": NUMBER, "cells.dying": STEPS}
"""Which cells there are; nearly all parts read it."""

OF_DRUG = {"drug.free_nM": "nM", "mcs": STEPS}
"""What the inhibition of receptors follows: the drug now and, where it leaves slowly, the time."""


class Auditor(Protocol):
    """What follows the mass of fields and repeats steps, where that was asked for."""

    def before(self, model: Model, names: list[str]) -> None:
        """Look at fields just before they move."""

    def after(
        self,
        model: Model,
        names: list[str],
        source: Array,
        loss: Array,
        held: Mapping[str, Array],
    ) -> None:
        """Compare what they have become."""


class Model(Protocol):
    """A model at work: constants first, then what changes."""

    scenario: LatticeScenario
    exposure: Exposure
    potency: Potency | None
    effect: Effect | None
    pathways: list[Pathway]
    constants: Constants | None
    """of signalling, which there may be none of"""
    sensing: Sensing
    """of ligands by the occupancy of their receptors"""
    reactions: dict[str, Reactions]
    threads: int
    seed: int

    assay: RunningAssay
    tissue: Tissue
    audit: Auditor | None
    free_nM: Array
    """(substeps,) unbound drug"""
    baths: dict[str, Array]
    media: dict[str, Media]
    """baths that change, by field, in ng/mL"""
    mcs: int

    @property
    def time_h(self) -> float:
        """Hours since the start of the drug's schedule."""

    @property
    def cell_id(self) -> NDArray[np.int32]:
        """Sites, to look at."""

    @property
    def cells(self) -> CellStore:
        """Cells as arrays."""

    @property
    def fields(self) -> dict[str, Array]:
        """Concentrations by name."""

    @property
    def endothelial(self) -> NDArray[np.int64]:
        """Rows of the living endothelial cells; dying ones count as dead."""

    def id_of(self, row: int) -> int:
        """Id of the cell in a row."""

    def take_in(self, row: int) -> None:
        """Add an agent for a cell that was born."""

    def part_with(self, row: int) -> None:
        """Remove the agent of a cell that has died."""

    def record(self) -> None:
        """Measure, and add a row to the data collector."""

    def timed(self, part: str) -> AbstractContextManager[None]:
        """Count the wall time of a block."""
