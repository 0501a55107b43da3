"""The read-outs of the network that the cells form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from sim.assays.declare import Scenario, Tissue
from sim.readouts.graph import NetworkGraph, graph_of
from sim.readouts.network import Network, measure_network


def measure(
    tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> dict[str, float]:
    """Return the read-outs of the network by name."""
    return network_of(tissue.lattice, scenario).readouts()


def network_of(cell_id: NDArray[Any], scenario: Scenario) -> Network:
    """Return the network of a lattice, measured as a scenario says.

    Parameters
    ----------
    cell_id : (y, x) int
        0 for medium, as in ``final.npz`` and frames.
    scenario : Scenario
        The resolved scenario of the run.
    """
    return measure_network(
        cell_id > 0,
        spacing_um=scenario.domain.spacing_um,
        periodic=scenario.domain.boundary == "periodic",
        cell_area_sites=scenario.engine.area.target_sites,
        closing_um=scenario.readout.closing_um,
    )


def graph(
    lattice: NDArray[Any], memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> NetworkGraph:
    """Return the segments of the network between its junctions and end points."""
    network = network_of(lattice, scenario)
    return graph_of(network.skeleton, scenario.domain.spacing_um, network.frame)
