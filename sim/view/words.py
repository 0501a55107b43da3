"""What read-outs and doses are called in pictures."""

from __future__ import annotations

from typing import Final

_READOUTS: Final = {
    "cells": "cells",
    "covered_fraction": "covered fraction",
    "tube_length_mm": "network length (mm)",
    "total_length_mm": "total length (mm)",
    "tube_length_mm_per_mm2": "network length (mm per mm²)",
    "segments": "segments",
    "junctions": "junctions",
    "end_points": "end points",
    "meshes": "meshes",
    "mean_mesh_area_um2": "mean mesh area (µm²)",
    "largest_part_fraction": "fraction in the largest part",
    "mean_chord_um": "mean gap chord (µm)",
    "compactness": "compactness",
    "mean_drive": "mean drive",
}


def readout_words(name: str) -> str:
    """Return what a read-out is called on axes: ``tube_length_mm@6`` is measured at 6 h."""
    plain, _, time = name.partition("@")
    words = _READOUTS.get(plain, plain)
    if not time:
        return words
    what, bracket, unit = words.partition(" (")
    return f"{what} at {time} h{bracket}{unit}"


def drug_and_unit(dose: str) -> tuple[str, str]:
    """Return in words what is dosed, and its unit, from the key of the dose."""
    if dose == "drug.free_nM":
        return "unbound drug", "nM"
    return dose.removesuffix("_nM"), "nM" if dose.endswith("_nM") else ""
