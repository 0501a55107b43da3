"""Tips, the skeleton of the sprouts and the core over the cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Canvas, Scenario, Tissue
from sim.assays.sprouting.measure import sprouts_of, tips
from sim.assays.sprouting.memory import core


def draw(
    canvas: Canvas, tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> None:
    """Colour tips, and draw what is measured: the sprouts from the end of the core on."""
    canvas.stain(tips(tissue, memory), "tips")
    found, (cy, cx, radius) = sprouts_of(tissue.lattice, memory, scenario), core(memory)
    canvas.lines(found.skeleton_yx, found.skeleton_links, "skeleton")
    y, x = np.ogrid[: tissue.lattice.shape[0], : tissue.lattice.shape[1]]
    end = radius + scenario.readout.margin_um / tissue.spacing_um
    canvas.outline((y - cy) ** 2 + (x - cx) ** 2 <= end**2, "core")
