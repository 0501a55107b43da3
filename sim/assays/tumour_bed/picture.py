"""The vessels over oxygen and tumour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import VesselCanvas, Vessels

DEAD = 0.5  # share of dead tissue from which it is shown as necrotic


def draw(
    canvas: VesselCanvas, bed: Vessels, memory: Mapping[str, NDArray[Any]], scenario: Any
) -> None:
    """Draw oxygen, necrosis, outline, vessels by flow, pericytes, sleeves and tips."""
    pieces, nodes = bed.pieces, bed.nodes
    places = np.stack([nodes.y, nodes.x], axis=1)
    links = np.stack([pieces.a, pieces.b], axis=1)
    canvas.shade(bed.oxygen, "oxygen")
    if bed.area > 0:
        canvas.patch((bed.phi < 0) & (bed.w < DEAD), "necrosis")
        canvas.outline(bed.phi, "tumour")
    speed, living = np.abs(pieces.velocity), ~bed.is_sleeve
    flowing = living & (speed > bed.numbers.v_perf_um_per_s)
    canvas.lines(places, links[~living], "sleeve")
    canvas.lines(places, links[living & (pieces.pericyte > 0)], "pericyte")
    canvas.lines(places, links[living & ~flowing], "still")
    canvas.lines(places, links[flowing], "flow", speed[flowing])
    canvas.dots(places[bed.tips.node], "tips")
    # the artery was placed first
    upper_ends = np.flatnonzero(np.isfinite(nodes.pressure) & (nodes.y == 0.0))
    for end, name in zip(upper_ends, ("artery", "vein"), strict=False):
        canvas.words(places[end], name)
