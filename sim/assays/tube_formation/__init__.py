"""Tube formation: single cells on a gel form a network."""

from __future__ import annotations

from pathlib import Path

from sim.assays.declare import FRACTION, Assay, Readout
from sim.assays.tube_formation.setup import NetworkOptions, Setup

ASSAY = Assay(
    name="tube_formation",
    title="single cells on a gel form a network",
    setup=Setup,
    readout=NetworkOptions,
    defaults=Path(__file__).with_name("defaults.toml"),
    readouts=(
        Readout("covered_fraction", "covered fraction", FRACTION,
                "sites of cells / sites of the domain"),
        Readout("tube_length_mm", "network length", "mm",
                "network length: all links of the pruned skeleton of the network"),
        Readout("total_length_mm", "total length", "mm",
                "the same over all connected parts, however small"),
        Readout("tube_length_mm_per_mm2", "network length", "mm/mm^2",
                "network length / area of the domain"),
        Readout("segments", "segments", "",
                "pieces of the skeleton between junctions and end points"),
        Readout("junctions", "junctions", "",
                "clusters of adjacent branch sites of the skeleton"),
        Readout("end_points", "end points", "",
                "sites of the skeleton with exactly one link"),
        Readout("meshes", "meshes", "",
                "gaps that the network encloses"),
        Readout("mean_mesh_area_um2", "mean mesh area", "um^2",
                "mean area of the meshes; 0 without meshes"),
        Readout("largest_part_fraction", "fraction in the largest part", FRACTION,
                "cells of the largest connected part / all cells, by area"),
        Readout("mean_chord_um", "mean gap chord", "um",
                "mean length of straight horizontal and vertical runs through the gap"),
        Readout("compactness", "compactness", FRACTION,
                "area of the cells of the largest part / area of its convex hull"),
    ),
    response="tube_length_mm",
    start="sim.assays.tube_formation.start:place_cells",
    measure="sim.assays.tube_formation.measure:measure",
    picture="sim.assays.tube_formation.picture:draw",
    picture_file="network.png",
    graph="sim.assays.tube_formation.measure:graph",
    panels=(
        ("length (mm)", ("total_length_mm", "tube_length_mm")),
        ("number", ("junctions", "meshes")),
        ("fraction (0-1)", ("covered_fraction", "largest_part_fraction")),
    ),
    checks="sim.assays.tube_formation.checks:CHECKS",
    cautions="sim.assays.tube_formation.checks:CAUTIONS",
    limits=(
        "Lengths and counts are not comparable between tools, nor with micrographs: compare "
        "ratios to a control of the same age.",
        "The attractant that pulls cells together (the cue) is phenomenological: no molecule is"
        " claimed to be it.",
        "How strongly a ligand drives cells is calibrated, alike for all three.",
        "Networks coarsen for days, as published ones do, and have no lumen; cells neither "
        "divide nor die, and the gel is neither degraded nor stiffened.",
    ),
    default=True,
)  # fmt: skip
