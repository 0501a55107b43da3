"""Chemotaxis: single cells on plastic in a gradient of a growth factor."""

from __future__ import annotations

from pathlib import Path

from sim.assays.chemotaxis.setup import Setup, TrackOptions
from sim.assays.declare import Assay, Readout

ASSAY = Assay(
    name="chemotaxis",
    title="single cells follow a gradient of a growth factor",
    setup=Setup,
    readout=TrackOptions,
    defaults=Path(__file__).with_name("defaults.toml"),
    readouts=(
        Readout("drift_um_h", "drift", "um/h",
                "net displacement up the gradient / time, mean of the cells"),
        Readout("chemotactic_index", "chemotactic index", "",
                "net displacement up the gradient / length of the path, mean of the cells"),
        Readout("speed_um_h", "speed", "um/h",
                "length of the path / time, mean of the cells"),
        Readout("persistence_min", "persistence", "min",
                "-interval / ln(mean cosine between successive steps), at most the time so far"),
        Readout("migrated_percent", "migrated cells", "%",
                "cells that have come further up the gradient than readout.migrated_um"),
    ),
    response="drift_um_h",
    start="sim.assays.chemotaxis.start:place_cells",
    memory="sim.assays.chemotaxis.memory",
    measure="sim.assays.chemotaxis.measure:measure",
    picture="sim.assays.chemotaxis.picture:draw",
    picture_file="cells.png",
    tables=(("tracks.csv", "sim.assays.chemotaxis.measure:tracks"),),
    panels=(
        ("speed (µm/h)", ("drift_um_h", "speed_um_h")),
        ("index", ("chemotactic_index",)),
        ("persistence (min)", ("persistence_min",)),
        ("migrated (%)", ("migrated_percent",)),
    ),
    parts=("border",),
    keeps_off=("y",),
    complete="sim.assays.chemotaxis.setup:complete",
    checks="sim.assays.chemotaxis.checks:CHECKS",
    cautions="sim.assays.chemotaxis.checks:CAUTIONS",
    limits=(
        "No threshold comes out: at low concentrations the response is proportional to the "
        "gradient.",
        "The optimum is put in: it lies where the concentration at the cells is near L50.",
        "The IC50 of the drift is not that of the receptor alone: the drug acts on sensing and "
        "on speed.",
        "Cells do not adapt, and sense the field as it is now, not its course in time.",
        "Means of one run vary much: use ten seeds or more.",
    ),
)  # fmt: skip
