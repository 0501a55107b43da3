"""The network of a run at each moment, as GraphML, and as a graph of arrays for other formats."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from sim.assays import assay
from sim.assays.declare import called
from sim.readouts.graph import NetworkGraph
from sim.scenario.bed import BedScenario
from sim.view.export.snapshots import Snapshot, Snapshots, about

if TYPE_CHECKING:
    import networkx as nx

    from sim.runs.result import Result

MEMORY = "assay."


def write(run: Snapshots, folder: Path) -> Iterator[Path]:
    """Write a file for each moment."""
    for one in run:
        found = network_of(run.result, one)
        path = folder / f"network_{one.step:06d}.graphml"
        told = {key: value for key, value in about(run.result).items() if value != ""}
        path.write_bytes(_graphml(_networkx(found, told | {"time_h": one.time_h})))
        yield path


def network_of(result: Result, one: Snapshot) -> NetworkGraph:
    """Return the network of a frame or of the end; what the assay remembers is of the end."""
    scenario = result.scenario
    place = assay(scenario.assay).graph
    assert place is not None  # else the format was refused
    memory = {
        key.removeprefix(MEMORY): values
        for key, values in result.final.items()
        if key.startswith(MEMORY)
    }
    seen: Any
    if isinstance(scenario, BedScenario):
        from sim.model.bed import bed_of  # compiles

        seen = bed_of(scenario, result.seed, {**result.final, **one.arrays})
    else:
        seen = one.arrays["cell_id"]
    found: NetworkGraph = called(place)(seen, memory, scenario)
    return found


def _networkx(graph: NetworkGraph, about: Mapping[str, Any]) -> nx.Graph:
    """Return a graph of plain numbers and words; NaN, which other tools cannot read, is left out.

    Two nodes may have several edges between them.
    """
    import networkx as nx

    made = nx.MultiDiGraph(**about) if graph.directed else nx.MultiGraph(**about)
    made.add_nodes_from((str(row), columns) for row, columns in enumerate(_rows(graph.nodes)))
    made.add_edges_from(
        (str(one), str(other), str(row), columns)  # each with a key of its own, as in the file
        for row, ((one, other), columns) in enumerate(
            zip(graph.links.tolist(), _rows(graph.edges), strict=True)
        )
    )
    return made


def _graphml(graph: nx.Graph) -> bytes:
    """Return a graph as XML, in which truth is ``true``: NetworkX writes ``True``, as Python."""
    import networkx as nx

    writer = nx.GraphMLWriter(graph=graph)
    kinds = {key.get("id"): key.get("attr.type") for key in writer.xml.iter("key")}
    for data in writer.xml.iter("data"):
        if kinds[data.get("key")] == "boolean":
            data.text = data.text.lower()
    text = io.BytesIO()
    writer.dump(text)
    return text.getvalue()


def _rows(columns: Mapping[str, NDArray[Any]]) -> Iterator[dict[str, Any]]:
    for row in zip(*(values.tolist() for values in columns.values()), strict=True):
        yield {
            name: value
            for name, value in zip(columns, row, strict=True)
            if not (isinstance(value, float) and math.isnan(value))
        }
