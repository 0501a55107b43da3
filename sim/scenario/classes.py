"""Which class of scenario an assay has: the one of its class of model."""

from __future__ import annotations

from sim.assays import assays
from sim.assays.declare import Assay
from sim.scenario.bed import BedScenario
from sim.scenario.ligands import Ligand
from sim.scenario.schema import LatticeScenario, Scenario

RECEPTORS = ("VEGFR2", "PDGFRB", "FGFR1")
"""What drives the vessels of a bed, in the order of columns."""
CLASSES: dict[str, type[Scenario]] = {"lattice": LatticeScenario, "bed": BedScenario}
"""By the ``model`` of an assay."""


def class_of(assay: Assay) -> type[Scenario]:
    """Return the class of an assay's scenarios."""
    return CLASSES[assay.model]


def class_named(name: str) -> type[Scenario]:
    """Return the class of the scenarios of an assay, by its name."""
    return class_of(assays()[name])


def ligands_of(scenario: Scenario) -> dict[str, Ligand]:
    """Return the growth factors that are given in a medium; none where tissue makes its own."""
    found: dict[str, Ligand] = getattr(scenario, "ligands", {})
    return found


def has_receptors(scenario: Scenario) -> bool:
    """Whether receptors drive the cells."""
    signalling = getattr(scenario, "signalling", None)
    return signalling is None or bool(signalling.enabled)


def line_of(scenario: Scenario) -> str:
    """Return the cell line, if the assay is one of cells in culture."""
    return scenario.cells.line if isinstance(scenario, LatticeScenario) else ""


def receptors_of(scenario: Scenario) -> tuple[str, ...]:
    """Return the receptors by which a drug acts on cells."""
    if isinstance(scenario, LatticeScenario):
        return tuple(scenario.signalling.receptors)
    return RECEPTORS


def uphill_of(scenario: Scenario) -> tuple[str, float, float]:
    """Return the first ligand that rises and its direction [y, x]; no name, and y, without one."""
    return scenario.uphill() if isinstance(scenario, LatticeScenario) else ("", 1.0, 0.0)
