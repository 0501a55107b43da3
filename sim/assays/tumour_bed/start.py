"""The tumour and its vessels at the start."""

from __future__ import annotations

from typing import Any

from sim.bed import Bed


def place(bed: Bed, scenario: Any) -> None:
    """Place the tumour, the two parent vessels and, if wanted, a network between them."""
    setup, numbers = scenario.setup, scenario.bed
    middle, away = scenario.domain.size_um[0] / 2, setup.radius_um + setup.gap_um
    bed.place_tumour(setup.radius_um)
    artery = bed.add_parent(middle - away, numbers.arterial_mmHg)
    vein = bed.add_parent(middle + away, numbers.venous_mmHg)
    if setup.start == "bed":
        bed.add_network(
            artery,
            vein,
            spacing_um=setup.mesh_um,
            left_out=setup.left_out,
            age_h=setup.age_h,
            covered=setup.covered,
            survival=setup.survival,
        )
