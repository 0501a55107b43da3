"""What doses are called in pictures."""

from __future__ import annotations

from typing import Final

_UNITS: Final = {
    "_nM": "nM", "_ng_ml": "ng/mL", "_mg_per_kg": "mg/kg", "_mg": "mg", "_um": "µm", "_h": "h",
}  # fmt: skip
"""Unit by the end of a key."""


def dose_and_unit(dose: str, drug: str = "") -> tuple[str, str]:
    """Return in words what is dosed, and its unit, from the key of the dose.

    Parameters
    ----------
    dose : str
        Such as ``drug.free_nM`` or ``ligands.VEGF.bath_ng_ml``.
    drug : str
        Name of the drug, if all arms have the same one.
    """
    if dose == "drug.free_nM":
        return f"unbound {drug or 'drug'}", "nM"
    if not dose.startswith(("drug.", "ligands.")):
        return dose, ""
    end = next((end for end in _UNITS if dose.endswith(end)), "")
    *places, last = dose.removesuffix(end).split(".")
    words = places[-1] if places[:1] == ["ligands"] else last.replace("_", " ")
    return words, _UNITS.get(end, "")


def dose_label(dose: str, drug: str = "") -> str:
    """Return what is dosed on axes, with its unit."""
    words, unit = dose_and_unit(dose, drug)
    return f"{words} ({unit})" if unit else words
