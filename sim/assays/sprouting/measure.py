"""The read-outs of the sprouts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Tissue
from sim.assays.sprouting.memory import core
from sim.readouts.graph import NetworkGraph, graph_of
from sim.readouts.sprouts import FRAME, Sprouts, loose_cells, measure_sprouts


def measure(
    tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> dict[str, float]:
    """Return the read-outs of the sprouts by name."""
    found = sprouts_of(tissue.lattice, memory, scenario)
    return {
        "cumulative_length_um": found.length_um,
        "sprouts": found.number,
        "mean_length_um": found.length_um / found.number if found.number else 0.0,
        "longest_um": found.reach_um,
        "loose_cells": loose_cells(tissue.lattice, core(memory)),
        "tips": int(np.count_nonzero(tips(tissue, memory))),
    }


def tips(tissue: Tissue, memory: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which rows (rows,) are tips."""
    return np.asarray(tissue.cells["alive"] & (memory["tip"][:-1] > 0))


def sprouts_of(
    lattice: NDArray[Any], memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> Sprouts:
    """Return the sprouts of a lattice, measured as a scenario says."""
    options, spacing_um = scenario.readout, scenario.domain.spacing_um
    return measure_sprouts(
        lattice > 0,
        core(memory),
        spacing_um=spacing_um,
        cell_area_um2=scenario.engine.area.target_sites * spacing_um**2,
        closing_um=options.closing_um,
        hole_um2=options.hole_um2,
        margin_um=options.margin_um,
        circle_um=options.circle_um,
        shortest_um=options.shortest_um,
    )


def graph(
    lattice: NDArray[Any], memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> NetworkGraph:
    """Return the segments of the sprouts outside the core."""
    found = sprouts_of(lattice, memory, scenario)
    return graph_of(found.skeleton, scenario.domain.spacing_um, FRAME)
