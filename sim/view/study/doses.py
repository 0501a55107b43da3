"""What doses and other keys of a scenario are called in pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sim.scenario import keys

DRUG = {
    "drug": "drug", "species": "species", "potency": "potency", "pk_set": "pharmacokinetics",
    "fraction_unbound": "unbound in plasma",
}  # fmt: skip
"""What `Design.drug` says, in words."""


def dose_and_unit(dose: str, drug: str = "") -> tuple[str, str]:
    """Return in words what is dosed, and its unit, from the key of the dose.

    Parameters
    ----------
    dose : str
        Such as ``drug.free_nM`` or ``ligands.VEGF.bath_ng_ml``.
    drug : str
        Name of the drug, if all arms have the same one.
    """
    words, unit = keys.words(dose)
    if dose == "drug.free_nM":
        words = f"unbound {drug or 'drug'}"
    elif dose.startswith("ligands.") and dose.endswith(".bath_ng_ml"):
        words = dose.split(".")[1]
    return words.replace("^2", "²"), unit.replace("um", "µm").replace("^2", "²")


def dose_label(dose: str, drug: str = "") -> str:
    """Return what is dosed on axes, with its unit."""
    words, unit = dose_and_unit(dose, drug)
    return f"{words} ({unit})" if unit else words


def labels(swept: Iterable[str]) -> dict[str, str]:
    """Return what swept keys are called on axes; the key itself where two would be called alike."""
    found = {key: dose_label(key) for key in swept}
    count = Counter(found.values())
    return {key: label if count[label] == 1 else key for key, label in found.items()}
