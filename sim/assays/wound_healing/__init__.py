"""Wound healing: a gap in a confluent layer closes."""

from __future__ import annotations

from pathlib import Path

from sim.assays.declare import Assay, Readout
from sim.assays.wound_healing.setup import Options, Setup

ASSAY = Assay(
    name="wound_healing",
    title="a gap in a confluent layer closes",
    setup=Setup,
    readout=Options,
    defaults=Path(__file__).with_name("defaults.toml"),
    readouts=(
        Readout("closure_percent", "gap closure", "%",
                "sites of the first gap that are covered by cells / sites of the first gap"),
        Readout("gap_area_um2", "area of the gap", "um^2",
                "area of the connected parts of the medium between the two sides of the layer"),
        Readout("holes_um2", "area of holes", "um^2",
                "area of all other parts of the medium"),
        Readout("front_speed_um_h", "speed of the fronts", "um/h",
                "covered area of the first gap / (2 x its length x time); 0 at the start"),
        Readout("front_roughness_um", "roughness of the fronts", "um",
                "standard deviation of a front's place along it, mean of the two fronts"),
        Readout("detached_cells", "detached cells", "",
                "cells in connected parts that lie wholly in the first gap"),
    ),
    response="closure_percent",
    start="sim.assays.wound_healing.start:place_cells",
    complete="sim.assays.wound_healing.setup:complete",
    from_picture="sim.assays.wound_healing.scratch:check",
    memory="sim.assays.wound_healing.memory",
    measure="sim.assays.wound_healing.measure:measure",
    picture="sim.assays.wound_healing.picture:draw",
    picture_file="gap.png",
    panels=(
        ("closure (%)", ("closure_percent",)),
        ("front (µm/h)", ("front_speed_um_h",)),
        ("area (µm²)", ("gap_area_um2", "holes_um2")),
    ),
    checks="sim.assays.wound_healing.checks:CHECKS",
    cautions="sim.assays.wound_healing.checks:CAUTIONS",
    parts=("border",),
    limits=(
        "That a driven layer is faster is an input, not a prediction.",
        "Closure saturates as the cells come to the largest area. Compare treatments with a "
        "control of the same age, at 12 h or before.",
        "Absolute speeds hold for no particular plate or line; ratios to a control are what to "
        "compare.",
        "One piece of 240 µm differs from another: use several seeds.",
    ),
)  # fmt: skip
