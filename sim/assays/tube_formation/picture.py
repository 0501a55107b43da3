"""The network over the cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sim.assays.declare import Canvas, Scenario, Tissue
from sim.assays.tube_formation.measure import network_of


def draw(
    canvas: Canvas, tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> None:
    """Draw the skeleton of the network, its junctions and its ends."""
    network = network_of(tissue.lattice, scenario)
    canvas.lines(network.skeleton_yx, network.skeleton_links, "skeleton")
    canvas.dots(network.junction_yx, "junctions")
    canvas.dots(network.end_yx, "ends")
