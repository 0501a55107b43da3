"""The vessels as a graph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Vessels
from sim.readouts.graph import NetworkGraph


def graph(bed: Vessels, memory: Mapping[str, NDArray[Any]], scenario: Any) -> NetworkGraph:
    """Return every piece of vessel as an edge, in the direction of the blood, with its flow."""
    pieces, nodes, numbers = bed.pieces, bed.nodes, bed.numbers
    back = pieces.velocity < 0.0
    ends = np.stack([pieces.a, pieces.b], axis=1)
    ends[back] = ends[back, ::-1]
    used, links = np.unique(ends, return_inverse=True)
    speed = np.abs(pieces.velocity)
    return NetworkGraph(
        nodes={
            "x_um": nodes.x[used],
            "y_um": nodes.y[used],
            "pressure_mmHg": bed.pressures()[used],
            "tip": np.isin(used, bed.tips.node),
        },
        links=links.reshape(ends.shape),
        edges={
            "piece": pieces.id,
            "sleeve": bed.is_sleeve,
            "parent": ~(bed.is_sleeve | bed.is_vessel),
            "length_um": bed.lengths(),
            "diameter_um": np.full(speed.size, 2.0 * numbers.r_um),
            "velocity_um_per_s": speed,
            "flow_um3_per_s": speed * math.pi * numbers.r_um**2,
            "perfused": ~bed.is_sleeve & (speed > numbers.v_perf_um_per_s),
            "pericyte": pieces.pericyte,
            "survival": pieces.survival,
        },
        directed=True,
    )
