"""Tumour bed: the vessels in and around a tumour, and the tumour, over weeks."""

from __future__ import annotations

from pathlib import Path

from sim.assays.declare import FRACTION, Assay, Readout
from sim.assays.tumour_bed.setup import Options, Setup

ASSAY = Assay(
    name="tumour_bed",
    title="what a schedule does to a tumour's vessels, and to the tumour, over weeks",
    setup=Setup,
    readout=Options,
    defaults=Path(__file__).with_name("defaults.toml"),
    readouts=(
        Readout("mvd_per_mm2", "microvessel density", "1/mm^2",
                "vessels that a thin section of the tumour meets, per area of it: their length "
                "per area of the slab / (2 x its thickness)"),
        Readout("perfused_mvd_per_mm2", "perfused microvessel density", "1/mm^2",
                "the same of vessels in which blood flows"),
        Readout("vessel_length_mm", "vessel length", "mm",
                "length of all vessels but the two parents"),
        Readout("tumour_vessel_length_mm", "vessel length in the tumour", "mm",
                "length of the vessels inside the tumour's outline"),
        Readout("vessel_density_mm_per_mm2", "vessel density", "mm/mm^2",
                "length of vessels inside the outline / area inside it"),
        Readout("perfused_fraction", "perfused vessels", FRACTION,
                "share of the length of vessels inside the outline in which blood flows faster "
                "than bed.v_perf_um_per_s"),
        Readout("pericyte_coverage", "pericyte coverage", FRACTION,
                "share of the length of vessels inside the outline that is under pericytes"),
        Readout("mean_oxygen_mmHg", "oxygen", "mmHg", "mean inside the outline"),
        Readout("hypoxic_fraction", "hypoxic tumour", FRACTION,
                "share of the area inside the outline below bed.hypoxic_mmHg"),
        Readout("anoxic_fraction", "anoxic tumour", FRACTION,
                "share of the area inside the outline below bed.anoxic_mmHg"),
        Readout("viable_fraction", "viable tumour", FRACTION,
                "share of the tissue inside the outline that is alive"),
        Readout("tumour_area_mm2", "tumour area", "mm^2",
                "area of the section, integrated from growth and clearance"),
        Readout("tumour_volume_mm3", "tumour volume", "mm^3",
                "of a sphere whose section has this area"),
        Readout("diameter_change_percent", "change of diameter", "%",
                "largest caliper of the outline against that at the start of the drug, "
                "empty before"),
        Readout("mean_vegf_ng_ml", "VEGF", "ng/mL", "free VEGF, mean inside the outline"),
        Readout("mean_survival", "survival signal", FRACTION,
                "mean over the length of all vessels but the parents"),
        Readout("tips", "tip cells", "", "cells that lead a sprout"),
        Readout("sleeve_length_mm", "empty sleeves", "mm",
                "length of basement membrane that vessels left behind"),
    ),
    response="mvd_per_mm2",
    model="bed",
    clock="d",
    start="sim.assays.tumour_bed.start:place",
    measure="sim.assays.tumour_bed.measure:measure",
    picture="sim.assays.tumour_bed.picture:draw",
    picture_file="vessels.png",
    graph="sim.assays.tumour_bed.graph:graph",
    panels=(
        ("MVD (1/mm²)", ("mvd_per_mm2", "perfused_mvd_per_mm2")),
        ("vessels (0-1)", ("perfused_fraction", "pericyte_coverage")),
        ("tumour (0-1)", ("viable_fraction", "hypoxic_fraction")),
        ("area (mm²)", ("tumour_area_mm2",)),
    ),
    complete="sim.assays.tumour_bed.setup:complete",
    checks="sim.assays.tumour_bed.checks:CHECKS",
    cautions="sim.assays.tumour_bed.checks:CAUTIONS",
    limits=(
        "Sizes, times and doses of any patient. It demonstrates how schedule, receptors and "
        "drug in the tissue compare within one setting.",
        "Delivery: vessels do not leak, there is no interstitial pressure, one calibre for all.",
        "The drug's effect on tumour cells, which may have its receptors; immune cells; escape "
        "by other factors than FGF-2.",
        "Adverse events, which decide doses in the clinic.",
    ),
)  # fmt: skip
