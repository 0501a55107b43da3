"""What a result does not show, in sentences: of all assays; each assay declares its own."""

from __future__ import annotations

from typing import Final

from sim.assays import assay
from sim.scenario.schema import Scenario

POTENCY: Final = (
    "Potency is an input: the IC50s of the receptors are quoted from publications, and a simulated "
    "IC50 near them validates nothing."
)
BODY: Final = (
    "Published exposures disagree with each other, and drug in tissue relative to plasma is "
    "unknown: compare several values of drug.kp_uu and several sets of potencies."
)
OFF_RATE: Final = (
    "Inhibition follows unbound drug at once unless drug.residence_h is given: after a wash-out or "
    "before the next dose a drug that leaves slowly inhibits more."
)
PATIENTS: Final = "It is a research tool: it says nothing about any patient."


def limits_of(scenario: Scenario, *, tissue: bool = True) -> list[str]:
    """Return what results of a scenario do not show.

    Parameters
    ----------
    scenario : Scenario
    tissue : bool
        Whether there is an assay in it, or the drug alone.
    """
    drug = scenario.drug
    found = list(assay(scenario.assay).limits) if tissue else []
    if drug is not None:
        found.append(POTENCY)
        if not drug.residence_h:
            found.append(OFF_RATE)
        if drug.exposure == "pk":
            found.append(BODY)
    return [*found, PATIENTS]
