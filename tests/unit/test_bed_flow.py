"""Flow in the vessels of a bed: against a dense solve, conservation, and what carries nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from beds import NUMBERS, bed_of, run, with_mesh, with_parents
from naive.bed import PASCAL, dense_flow

from sim.bed import flow, graph
from sim.bed.graph import SLEEVE, Nodes, Pieces
from sim.errors import NumericalError


def tables(
    places: list[tuple[float, float]], ends: list[tuple[int, int]], held: dict[int, float]
) -> tuple[Pieces, Nodes]:
    x, y = np.array(places, float).T
    nodes = graph.new_nodes(x, y)
    for row, pressure in held.items():
        nodes.pressure[row] = pressure
    a, b = np.array(ends, np.int64).reshape(-1, 2).T
    return graph.new_pieces(0, a, b, 0.0, 0.5), nodes


def ladder(rungs: int = 30) -> tuple[Pieces, Nodes]:
    """Two rails and their rungs, and a blind end of two pieces."""
    places = [(20.0 * i, 0.0) for i in range(rungs)] + [(20.0 * i, 37.0) for i in range(rungs)]
    rails = [(i, i + 1) for i in range(rungs - 1)]
    ends = rails + [(i + rungs, j + rungs) for i, j in rails]
    ends += [(i, i + rungs) for i in range(rungs)]
    blind = len(places)
    places += [(300.0, -20.0), (310.0, -40.0)]
    ends += [(rungs // 2, blind), (blind, blind + 1)]
    return tables(places, ends, {0: 25.0, 2 * rungs - 1: 15.0})


def dense(pieces: Pieces, nodes: Nodes) -> Any:
    return dense_flow(
        nodes.x, nodes.y, nodes.pressure, pieces.a, pieces.b,
        NUMBERS.r_um, NUMBERS.viscosity_mPa_s * 1e-3,
    )  # fmt: skip


def velocities(pieces: Pieces, nodes: Nodes) -> Any:
    return flow.velocities(pieces, nodes, NUMBERS, 0.0)[0]


def imbalance(pieces: Pieces, nodes: Nodes, velocity: Any) -> float:
    """Largest net flow into a node without held pressure, as a share of the largest flow."""
    count = nodes.x.size
    net = np.bincount(pieces.a, velocity, count) - np.bincount(pieces.b, velocity, count)
    return float(np.abs(net[np.isnan(nodes.pressure)]).max() / np.abs(velocity).max())


def test_ladder_against_dense_solve() -> None:
    pieces, nodes = ladder()
    velocity = velocities(pieces, nodes)
    assert np.abs(velocity - dense(pieces, nodes)).max() < 1e-12 * np.abs(velocity).max()
    assert imbalance(pieces, nodes, velocity) < 1e-10
    assert (velocity[-2:] == 0.0).all()


def test_one_vessel_is_poiseuille() -> None:
    pieces, nodes = tables([(0, 0), (100, 0), (200, 0)], [(0, 1), (2, 1)], {0: 20.0, 2: 10.0})
    n = NUMBERS
    speed = 10.0 * PASCAL * n.r_um**2 / (8 * n.viscosity_mPa_s * 1e-3 * 200.0)
    assert velocities(pieces, nodes) == pytest.approx([speed, -speed], rel=1e-12)


def test_loops_rings_and_parts_without_supply() -> None:
    """A loop at the end of a stem, a ring and a line by themselves carry nothing."""
    places = [(i * 50.0, 0.0) for i in range(3)]
    places += [(50.0, 40.0), (80.0, 80.0), (20.0, 80.0)]  # stem and loop
    places += [(500.0, 0.0), (550.0, 0.0), (500.0, 50.0), (700.0, 0.0), (750.0, 0.0)]
    ends = [(0, 1), (1, 2), (1, 3), (3, 4), (4, 5), (5, 3)]
    ends += [(6, 7), (7, 8), (8, 6), (9, 10)]
    pieces, nodes = tables(places, ends, {0: 20.0, 2: 10.0})
    velocity = velocities(pieces, nodes)
    assert np.abs(velocity[2:]).max() < 1e-9 < velocity[0]
    assert velocity == pytest.approx(dense(pieces, nodes), abs=1e-9)


def test_two_vessels_between_the_same_nodes_share_the_flow() -> None:
    places = [(0, 0), (50, 0), (100, 40), (100, -40), (150, 0), (200, 0)]
    ends = [(0, 1), (1, 2), (2, 4), (1, 3), (3, 4), (4, 5)]
    pieces, nodes = tables(places, ends, {0: 20.0, 5: 10.0})
    velocity = velocities(pieces, nodes)
    assert velocity[1] == pytest.approx(velocity[0] / 2, rel=1e-12)
    assert velocity == pytest.approx(dense(pieces, nodes), rel=1e-12)


@pytest.mark.parametrize("mesh", [True, False])
def test_grown_network_against_dense_solve(mesh: bool) -> None:
    bed = run(with_mesh() if mesh else with_parents(), 72)
    assert bed.tips.id.size or mesh
    living = graph.taken(bed.pieces, bed.pieces.kind != SLEEVE)
    assert imbalance(living, bed.nodes, living.velocity) < 1e-10
    error = np.abs(living.velocity - dense(living, bed.nodes)).max()
    assert error < 1e-8 * np.abs(living.velocity).max()


def test_flow_is_the_same_whatever_the_rows_of_the_nodes() -> None:
    bed = run(with_mesh(3), 30)
    pieces, nodes = bed.pieces, bed.nodes
    order = np.random.default_rng(1).permutation(nodes.x.size)
    row = np.argsort(order)
    moved = pieces._replace(a=row[pieces.a], b=row[pieces.b])
    velocity = velocities(moved, graph.taken(nodes, order))
    assert np.array_equal(velocity, pieces.velocity)


def test_no_path_from_artery_to_vein() -> None:
    bed = with_parents()
    assert bed.no_path
    assert (bed.pieces.velocity != 0.0).all()  # each parent vessel flows by itself
    assert not with_mesh().no_path
    steep = {"arterial_mmHg": (30.0, 10.0), "venous_mmHg": (16.0, 15.0)}
    assert with_parents(**steep).no_path  # though one vessel has both the highest and the lowest
    assert not with_mesh(**steep).no_path
    empty = bed_of()
    empty.flow()
    assert empty.no_path


def test_sleeves_carry_nothing() -> None:
    pieces, nodes = ladder()
    pieces.kind[3] = SLEEVE
    assert velocities(pieces, nodes)[3] == 0.0


def test_pressure_outside_the_held_ones_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong:
        def solve(self, supply: Any) -> Any:
            return np.full(supply.size, 1e9)

    def singular(*args: Any, **options: Any) -> Wrong:
        raise RuntimeError("Factor is exactly singular")

    pieces, nodes = ladder()
    for solver in (lambda *args, **options: Wrong(), singular):
        monkeypatch.setattr(flow, "splu", solver)
        with pytest.raises(NumericalError, match=r"junctions.* on day 12\.0 \(node .*check"):
            flow.velocities(pieces, nodes, NUMBERS, 12.0)


def test_radius_sets_speed() -> None:
    """Mean speed grows with the square of the radius, whatever the network."""
    pieces, nodes = ladder()
    wide = flow.velocities(pieces, nodes, NUMBERS._replace(r_um=2 * NUMBERS.r_um), 0.0)[0]
    assert wide == pytest.approx(4 * velocities(pieces, nodes), rel=1e-10, abs=1e-6)


def test_pressures_fall_along_the_flow_from_artery_to_vein() -> None:
    pieces, nodes = ladder()
    pieces = pieces._replace(velocity=velocities(pieces, nodes))
    found = flow.pressures(pieces, nodes, NUMBERS)
    held = np.isfinite(nodes.pressure)
    np.testing.assert_allclose(found[held], nodes.pressure[held])
    drop = found[pieces.a] - found[pieces.b]
    of_um = 8 * NUMBERS.viscosity_mPa_s * 1e-3 / NUMBERS.r_um**2 / PASCAL
    np.testing.assert_allclose(
        drop, of_um * graph.lengths(pieces, nodes) * pieces.velocity, atol=1e-9
    )


def test_nothing_is_known_of_pressures_beyond_a_sleeve() -> None:
    places = [(20.0 * i, 0.0) for i in range(5)]
    pieces, nodes = tables(places, [(i, i + 1) for i in range(4)], {0: 30.0})
    pieces.kind[2] = SLEEVE
    found = flow.pressures(pieces, nodes, NUMBERS)
    np.testing.assert_array_equal(found, [30.0, 30.0, 30.0, np.nan, np.nan])
