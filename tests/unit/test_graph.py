"""The graph of a network, on drawn networks with known answers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sim.readouts.graph import NetworkGraph, graph_of
from sim.readouts.network import Network, measure_network
from sim.readouts.sprouts import FRAME, Core, measure_sprouts

Mask = NDArray[np.bool_]
SPACING_UM = 2.0


def measured(mask: Mask, periodic: bool = False) -> tuple[Network, NetworkGraph]:
    network = measure_network(mask, spacing_um=SPACING_UM, periodic=periodic, cell_area_sites=1.0)
    graph = graph_of(network.skeleton, SPACING_UM, network.frame)
    check(network, graph)
    return network, graph


def check(network: Network, graph: NetworkGraph) -> None:
    """The graph has the counts and lengths of the read-outs, whatever the network."""
    values, kinds = network.readouts(), graph.nodes["kind"].tolist()
    assert kinds.count("junction") == values["junctions"]
    assert kinds.count("end") == values["end_points"]
    assert len(graph.links) == values["segments"]
    total_um = graph.edges["length_um"].sum() + graph.nodes["length_um"].sum()
    assert total_um == pytest.approx(1000 * values["tube_length_mm"])
    assert (graph.edges["length_um"] > 0).all() and (graph.edges["width_um"] > 0).all()
    degree = np.bincount(graph.links.ravel(), minlength=len(kinds))
    of_kind = {kind: {*degree[np.array(kinds) == kind].tolist()} for kind in {*kinds}}
    assert of_kind.get("end", {1}) == {1} and of_kind.get("loop", {2}) == {2}
    assert of_kind.get("point", {0}) == {0} and min(of_kind.get("junction", {3})) >= 1
    for columns, rows in ((graph.nodes, len(kinds)), (graph.edges, len(graph.links))):
        assert {values.shape for values in columns.values()} == {(rows,)}


def blank(height: int = 60, width: int = 90) -> Mask:
    return np.zeros((height, width), dtype=bool)


@pytest.mark.parametrize("thick", [1, 2, 3, 4, 5, 6])
def test_a_bar_has_its_width_and_place(thick: int) -> None:
    mask = blank()
    mask[20 : 20 + thick, 10:80] = True
    _, graph = measured(mask)
    assert graph.links.tolist() == [[0, 1]] and graph.nodes["kind"].tolist() == ["end", "end"]
    np.testing.assert_allclose(graph.nodes["y_um"], (20 + thick / 2) * SPACING_UM)
    # within half a width of the ends, where the skeleton stops
    x_um = np.sort(graph.nodes["x_um"]) - [10 * SPACING_UM, 80 * SPACING_UM]
    assert (np.abs(x_um) <= (thick / 2 + 0.5) * SPACING_UM).all()
    assert graph.edges["width_um"][0] == pytest.approx(thick * SPACING_UM, rel=0.08)
    assert not graph.edges["crosses_border"].any() and not graph.directed


def test_a_cross_has_four_segments_from_one_junction() -> None:
    mask = blank()
    mask[29:32, 10:80] = mask[5:55, 44:47] = True
    _, graph = measured(mask)
    (middle,) = np.flatnonzero(graph.nodes["kind"] == "junction")
    assert len(graph.links) == 4 and (graph.links == middle).any(axis=1).all()
    assert graph.nodes["x_um"][middle] == pytest.approx(45.5 * SPACING_UM, abs=1)
    assert graph.nodes["y_um"][middle] == pytest.approx(30.5 * SPACING_UM, abs=1)


def test_a_theta_has_three_segments_between_the_same_junctions() -> None:
    mask = blank()
    mask[10:50, 10:80] = True
    mask[13:28, 13:77] = mask[32:47, 13:77] = False
    _, graph = measured(mask)
    assert sorted(map(sorted, graph.links.tolist())) == [[0, 1]] * 3


def test_rings_and_points_have_a_node_of_their_own() -> None:
    mask = blank()
    mask[10:30, 10:40] = True
    mask[13:27, 13:37] = False
    mask[40:47, 60:67] = True
    _, graph = measured(mask)
    kinds = graph.nodes["kind"].tolist()
    assert sorted(kinds) == ["loop", "point"]
    ring = kinds.index("loop")
    assert graph.links.tolist() == [[ring, ring]]
    point = kinds.index("point")
    assert graph.nodes["x_um"][point] == pytest.approx(63.5 * SPACING_UM, abs=1)
    assert graph.nodes["y_um"][point] == pytest.approx(43.5 * SPACING_UM, abs=1)


def test_a_ring_with_a_handle_leads_back_to_its_junction() -> None:
    mask = blank()
    mask[10:30, 10:40] = True
    mask[13:27, 13:37] = False
    mask[19:21, 40:80] = True
    _, graph = measured(mask)
    (loop,) = np.flatnonzero(graph.links[:, 0] == graph.links[:, 1])
    assert len(graph.links) == 2
    assert graph.nodes["kind"][graph.links[loop, 0]] == "junction"


def test_segments_over_a_border_say_so() -> None:
    mask = blank()
    mask[20:23, 70:90] = mask[20:23, 0:30] = mask[40:43, 20:60] = True
    _, graph = measured(mask, periodic=True)
    assert sorted(graph.edges["crosses_border"].tolist()) == [False, True]
    (over,) = np.flatnonzero(graph.edges["crosses_border"])
    assert graph.edges["length_um"][over] == pytest.approx(0.98 * 49 * SPACING_UM, rel=0.1)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_any_network_has_its_read_outs(seed: int, periodic: bool) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(64, 96))
    spectrum = np.fft.rfft2(noise)
    ky, kx = np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(96)[None, :]
    smooth = np.fft.irfft2(spectrum * np.exp(-120 * (ky**2 + kx**2)), noise.shape)
    measured(np.abs(smooth) < 0.4 * smooth.std(), periodic)


def test_nothing_has_an_empty_graph() -> None:
    for mask in (blank(), ~blank()):
        _, graph = measured(mask, periodic=True)
        assert graph.links.shape == (0, 2) and graph.nodes["x_um"].size == 0


def test_sprouts_have_their_length() -> None:
    y, x = np.indices((80, 120))
    mask = np.hypot(y - 40, x - 30) < 12
    mask[38:43, 30:100] = mask[10:40, 70:74] = True
    core = Core(40.0, 30.0, 12.0)
    found = measure_sprouts(mask, core, spacing_um=SPACING_UM)
    graph = graph_of(found.skeleton, SPACING_UM, FRAME)
    total_um = graph.edges["length_um"].sum() + graph.nodes["length_um"].sum()
    assert total_um == pytest.approx(found.length_um)
    assert sorted(graph.nodes["kind"].tolist()) == ["end", "end", "end", "junction"]
    at = graph.nodes["kind"] == "junction"
    assert graph.nodes["x_um"][at] == pytest.approx(72 * SPACING_UM, abs=4)
    assert graph.nodes["y_um"][at] == pytest.approx(40.5 * SPACING_UM, abs=4)
