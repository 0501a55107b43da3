"""Sprouting: tip cells lead sprouts out of a spheroid in a matrix."""

from __future__ import annotations

from pathlib import Path

from sim.assays.declare import Assay, Readout
from sim.assays.sprouting.setup import Setup, SproutOptions

ASSAY = Assay(
    name="sprouting",
    title="sprouts grow out of a spheroid in a matrix",
    setup=Setup,
    readout=SproutOptions,
    defaults=Path(__file__).with_name("defaults.toml"),
    readouts=(
        Readout("cumulative_length_um", "cumulative sprout length", "um",
                "length of the skeleton outside the core of the start, in parts that are not too "
                "short"),
        Readout("sprouts", "sprouts", "",
                "connected parts of the spheroid with its sprouts on a circle around the core"),
        Readout("mean_length_um", "mean sprout length", "um",
                "cumulative_length_um / sprouts; 0 without sprouts"),
        Readout("longest_um", "longest reach", "um",
                "distance from the core to the farthest site of the spheroid with its sprouts"),
        Readout("loose_cells", "loose cells", "",
                "cells that touch the spheroid neither themselves nor through others"),
        Readout("tips", "tip cells", "", "cells that lead a sprout"),
    ),
    response="cumulative_length_um",
    start="sim.assays.sprouting.start:place_cells",
    from_picture="sim.assays.sprouting.start:check",
    memory="sim.assays.sprouting.memory",
    in_frames=("tip",),
    measure="sim.assays.sprouting.measure:measure",
    picture="sim.assays.sprouting.picture:draw",
    picture_file="spheroid.png",
    graph="sim.assays.sprouting.measure:graph",
    panels=(
        ("length (µm)", ("cumulative_length_um",)),
        ("reach (µm)", ("mean_length_um", "longest_um")),
        ("count", ("sprouts", "tips", "loose_cells")),
    ),
    checks="sim.assays.sprouting.checks:CHECKS",
    cautions="sim.assays.sprouting.checks:CAUTIONS",
    parts=("border", "notch", "sim.assays.sprouting.parts:tips_and_stalks"),
    keeps_off=("x", "y"),
    limits=(
        "That VEGF makes sprouts longer, by how much, and at which concentration, is an input "
        "and no prediction.",
        "The number of sprouts is not that of a lab, where they are counted by eye.",
        "The spheroid is used up. Cells do not divide, and those in sprouts are twice as large.",
        "Sprouts are one cell wide, in places two, about 13 µm on average, and have no lumen.",
        "The matrix is uniform, is not degraded or stiffened, and has no gradient.",
        "Pericytes, division, anastomosis with perfusion and regression are not there.",
        "A spheroid differs much from the next: use ten seeds or more for each arm.",
    ),
)  # fmt: skip
