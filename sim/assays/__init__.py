"""Assays: what an experiment prepares, and what it reads from the cells."""

READOUTS = (
    "cells", "covered_fraction", "tube_length_mm", "total_length_mm", "tube_length_mm_per_mm2",
    "segments", "junctions", "end_points", "meshes", "mean_mesh_area_um2", "largest_part_fraction",
    "mean_chord_um", "compactness",
)  # fmt: skip
"""Names of the final read-outs, known without computing any."""
