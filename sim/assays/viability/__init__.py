"""Viability and growth: cells on plastic divide and die."""

from __future__ import annotations

from pathlib import Path

from sim.assays.declare import FRACTION, Assay, Readout
from sim.assays.viability.setup import Options, Setup

ASSAY = Assay(
    name="viability",
    title="cells on plastic divide and die",
    setup=Setup,
    readout=Options,
    defaults=Path(__file__).with_name("defaults.toml"),
    readouts=(
        Readout("viability_percent", "viability", "%",
                "100 x living cells / (living cells + cells that died since the start)"),
        Readout("live_cells", "living cells", "", "cells that are alive"),
        Readout("dead_cells", "dead cells", "",
                "cells that died since the start, also those that have floated off"),
        Readout("doublings", "population doublings", "",
                "log2 of (living and dead cells / cells at the start): by births alone"),
        Readout("covered_fraction", "covered fraction", FRACTION,
                "sites of cells / sites of the domain"),
    ),
    response="viability_percent",
    start="sim.assays.viability.start:place_cells",
    measure="sim.assays.viability.measure:measure",
    picture="sim.assays.viability.picture:draw",
    picture_file="viability.png",
    panels=(
        ("viability (%)", ("viability_percent",)),
        ("number", ("live_cells", "dead_cells")),
        ("fraction (0-1)", ("covered_fraction",)),
    ),
    tables=(("events.csv", "sim.assays.viability.measure:events"),),
    checks="sim.assays.viability.checks:CHECKS",
    parts=("border", "division", "death"),
    adapted=True,
    limits=(
        "Whether a drug kills cells: its cytotoxicity is an input here, the same for every "
        "drug.",
        "How many cells detach, take up a dye or have active enzymes: a cell is alive or dead.",
        "Absolute doubling times: they are an input, and lengthen as the plastic fills.",
    ),
)  # fmt: skip
