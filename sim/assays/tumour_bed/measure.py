"""The read-outs: vessels, oxygen, tumour."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Vessels

UM_PER_MM = 1e3


def measure(
    bed: Vessels, memory: Mapping[str, NDArray[Any]], scenario: Any
) -> dict[str, float | int]:
    """Return the read-outs of a bed; shares without a denominator are NaN.

    The density on a section is that of lines of random direction in a slab: length per area of the
    slab / (2 x its thickness).
    """
    numbers, pieces, length = bed.numbers, bed.pieces, bed.lengths()
    vessel = bed.is_vessel
    inner = vessel & (bed.at_middles(bed.phi) < 0.0)
    flowing = np.abs(pieces.velocity) > numbers.v_perf_um_per_s
    all_um, inner_um = float(length[vessel].sum()), float(length[inner].sum())
    flowing_um = float(length[inner & flowing].sum())
    covered_um = float((length * pieces.pericyte)[inner].sum())

    share = bed.inside()
    voxels = float(share.sum())
    tissue_mm2 = voxels * numbers.voxel_um**2 / UM_PER_MM**2
    density = _ratio(inner_um / UM_PER_MM, tissue_mm2)
    sections = 2.0 * numbers.slab_um / UM_PER_MM
    area_mm2 = bed.area / UM_PER_MM**2

    def mean(values: Any) -> float:
        return _ratio(float((share * values).sum()), voxels)

    return {
        "mvd_per_mm2": density / sections,
        "perfused_mvd_per_mm2": _ratio(flowing_um / UM_PER_MM, tissue_mm2) / sections,
        "vessel_length_mm": all_um / UM_PER_MM,
        "tumour_vessel_length_mm": inner_um / UM_PER_MM,
        "vessel_density_mm_per_mm2": density,
        "perfused_fraction": _ratio(flowing_um, inner_um),
        "pericyte_coverage": _ratio(covered_um, inner_um),
        "mean_oxygen_mmHg": mean(bed.oxygen),
        "hypoxic_fraction": mean(bed.oxygen < numbers.hypoxic_mmHg),
        "anoxic_fraction": mean(bed.oxygen < numbers.anoxic_mmHg),
        "viable_fraction": mean(bed.w),
        "tumour_area_mm2": area_mm2,
        "tumour_volume_mm3": 4.0 / 3.0 * math.pi * (area_mm2 / math.pi) ** 1.5,
        "diameter_change_percent": _change(bed, scenario),
        "mean_vegf_ng_ml": mean(bed.vegf),
        "mean_survival": _ratio(float((length * pieces.survival)[vessel].sum()), all_um),
        "tips": int(bed.tips.id.size),
        "sleeve_length_mm": float(length[bed.is_sleeve].sum()) / UM_PER_MM,
    }


def _change(bed: Vessels, scenario: Any) -> float:
    """Return the change of the largest caliper since the drug's start, in percent."""
    if bed.step_number + scenario.time.start_h < 0:
        return math.nan
    return 100.0 * (_ratio(bed.diameter_um(), bed.diameter0) - 1.0)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else math.nan
