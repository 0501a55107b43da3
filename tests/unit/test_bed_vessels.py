"""Vessels of a bed: rates of what pieces do, sprouts, tips that join, splits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from beds import ALL, NETWORK, NOTHING, NUMBERS, bed_of, run, step, with_mesh, with_parents
from naive import bed as naive

import sim.bed
from sim.bed import graph, vessels
from sim.bed.graph import PARENT, SLEEVE, VESSEL, Nodes, Pieces, Tips
from sim.errors import NumericalError

COUNT = 40_000


def pieces_of(count: int = COUNT, **columns: Any) -> Pieces:
    given = {
        "id": np.arange(count), "a": np.arange(count), "b": np.arange(count) + 1, "age": 480.0,
        "survival": 0.5, "pericyte": False, "no_flow": 0.0, "kind": VESSEL, "gone": 0.0,
        "velocity": 100.0,
    }  # fmt: skip
    return graph.table_of(Pieces, given | columns, count)


def line(count: int) -> Nodes:
    return graph.new_nodes(np.arange(count + 1) * 20.0, np.zeros(count + 1))


def share(events: Any) -> Any:
    """An observed share, which a chance equals within 4 standard errors."""
    return pytest.approx(np.mean(events), abs=4 * np.sqrt(0.25 / COUNT))


def chance(rate: float) -> float:
    return 1 - np.exp(-rate)


def test_activity_is_that_of_either_receptor() -> None:
    n, c = NUMBERS, np.array([0.0, 2.5, 1e9])
    free = vessels.activity(c, NOTHING, n)
    assert free == pytest.approx(1 - (1 - 0.85 * np.array([0, 0.5, 1])) * (1 - 0.085))
    assert vessels.activity(c, (1.0, 0.0, 0.0), n) == pytest.approx([0.085] * 3)
    assert vessels.activity(c, (0.0, 1.0, 0.0), n) == pytest.approx(free)
    assert vessels.activity(c, ALL, n) == pytest.approx([0.0] * 3)


def test_survival_follows_activity_with_its_time_constant() -> None:
    pieces = pieces_of(4, kind=np.array([VESSEL, SLEEVE, PARENT, VESSEL]), survival=0.6)
    active, outside = np.array([0.1, 0.1, 0.3, 0.0]), np.array([0.0, 0.0, 0.0, 1.0])
    for _ in range(24):
        vessels.survive(pieces, active, outside, NUMBERS)
    kept = np.exp(-1)
    assert pieces.survival == pytest.approx(
        [0.1 + 0.5 * kept, 0.6, 0.3 + 0.3 * kept, 0.2 + 0.4 * kept]
    )
    assert (pieces.age == 504.0).all()


def test_hours_without_flow() -> None:
    pieces = pieces_of(3, velocity=np.array([10.1, -10.1, 9.9]), no_flow=5.0)
    vessels.survive(pieces, np.zeros(3), np.zeros(3), NUMBERS)
    assert pieces.no_flow.tolist() == [0.0, 0.0, 6.0]


def test_pericytes_come_and_go_at_their_rates() -> None:
    n = NUMBERS._replace(k_rec_per_d=4.8, k_shed_per_d=2.4, k_off_per_d=7.2)
    for inhibition in (0.0, 0.5, 1.0):
        bare, covered = pieces_of(), pieces_of(pericyte=True)
        vessels.pericytes(bare, inhibition, n, 1, 7)
        vessels.pericytes(covered, inhibition, n, 1, 7)
        assert chance(0.2 * (1 - inhibition)) == share(bare.pericyte)
        assert chance(0.1 + 0.3 * inhibition) == share(~covered.pericyte)
    for columns in ({"velocity": 5.0}, {"age": 24.0}, {"kind": SLEEVE}, {"kind": PARENT}):
        bare = pieces_of(**columns)
        vessels.pericytes(bare, 0.0, n, 1, 7)
        assert not bare.pericyte.any()


@pytest.mark.parametrize("pericyte", [False, True])
def test_hungry_pieces_regress_at_their_rate(pericyte: bool) -> None:
    n = NUMBERS._replace(k_reg_per_h=0.4)
    pieces = pieces_of(survival=0.05, velocity=-20.0, pericyte=pericyte)
    gone = vessels.regress(pieces, n, 1, 7)
    assert not gone.any()
    dead = pieces.kind == SLEEVE
    assert chance(0.4 * 0.75 / 2 * (0.1 if pericyte else 1)) == share(dead)
    assert (pieces.gone[dead] == 0.0).all() and (pieces.gone[~dead] == 1.0).all()


def test_pieces_without_flow_are_pruned_and_leave_no_sleeve() -> None:
    n = NUMBERS._replace(k_noflow_per_h=0.2)
    idle = {"velocity": 0.0, "no_flow": 67.0, "age": 241.0}
    pieces = pieces_of(**idle)
    gone = vessels.regress(pieces, n, 1, 7)
    assert chance(0.2) == share(gone)
    assert not (pieces.kind == SLEEVE).any()
    for columns in ({"no_flow": 66.0}, {"age": 240.0}, {"kind": PARENT}):
        assert not vessels.regress(pieces_of(**(idle | columns)), n, 1, 7).any()


def test_sleeves_last_three_weeks() -> None:
    pieces = pieces_of(2, kind=SLEEVE, gone=np.array([503.0, 504.0]))
    assert vessels.regress(pieces, NUMBERS, 1, 7).tolist() == [False, True]


def test_sleeves_are_refilled_where_a_living_piece_touches() -> None:
    kind = np.where(np.arange(COUNT) % 4 == 0, VESSEL, SLEEVE)  # V s s s V s s s
    n, active = NUMBERS._replace(k_refill_per_h=0.5), np.full(COUNT, 0.425)
    pieces = pieces_of(kind=kind, gone=5.0)
    vessels.refill(pieces, COUNT + 1, active, n, 1, 7)
    back = (pieces.kind == VESSEL).reshape(-1, 4)
    assert chance(0.25) == pytest.approx(back[:, 1].mean(), abs=0.02)
    assert chance(0.25) == pytest.approx(back[:, 3].mean(), abs=0.02)
    assert not back[:, 2].any()
    new = (kind == SLEEVE) & (pieces.kind == VESSEL)
    assert (pieces.age[new] == 0.0).all() and (pieces.survival[new] == 0.425).all()
    for columns, e in (({"gone": 0.0}, 0.425), ({"gone": 5.0}, 0.2)):  # just emptied; E = V0
        pieces = pieces_of(kind=kind, **columns)
        vessels.refill(pieces, COUNT + 1, np.full(COUNT, e), n, 1, 7)
        assert np.array_equal(pieces.kind, kind)


def sprouts(pieces: Pieces, vegf: float = 1.0, **numbers: Any) -> Any:
    n = NUMBERS._replace(R_ex_um=0.0, k_sp_per_h=0.4, **numbers)
    count, tips = pieces.id.size, graph.empty(Tips)
    level, active = np.full(count, vegf), np.full(count, 0.425)
    return vessels.may_sprout(pieces, line(count), tips, level, active, n, 1, 7)


def test_pieces_sprout_at_their_rate() -> None:
    rows = sprouts(pieces_of())
    assert rows.size / COUNT == pytest.approx(chance(0.2), abs=4 * np.sqrt(0.25 / COUNT))
    assert sprouts(pieces_of(kind=PARENT)).size == rows.size
    for columns in ({"pericyte": True}, {"age": 24.0}, {"kind": SLEEVE}):
        assert not sprouts(pieces_of(**columns)).size
    assert not sprouts(pieces_of(), vegf=0.5).size


def test_sprouts_keep_their_distance() -> None:
    drawn = np.random.default_rng(2)
    for candidates, tips in ((0, 0), (1, 0), (60, 8), (200, 0)):
        x, y = drawn.uniform(0, 500, (2, 300))
        tip_x, tip_y = drawn.uniform(0, 500, (2, tips))
        order = drawn.permutation(300)[:candidates]
        chosen = vessels.spaced(order, x, y, tip_x, tip_y, 80.0)
        assert chosen.tolist() == naive.spaced(order, x, y, tip_x, tip_y, 80.0)


def test_sprouts_leave_across_the_vessel_up_the_gradient() -> None:
    pieces, nodes = pieces_of(20), line(20)
    nodes.y[:] = 500.0
    up = np.repeat(np.arange(50.0)[:, None], 50, axis=1)
    for field, sign in ((up, 1.0), (up[::-1].copy(), -1.0)):
        base, dx, dy = vessels.sprouts(pieces, nodes, np.arange(20), field, NUMBERS, 1, 7)
        assert dx == pytest.approx(np.zeros(20), abs=1e-8)
        assert dy == pytest.approx(np.full(20, sign))
        assert set(base - np.arange(20)) == {0, 1}


def test_partners_by_comparing_all_pairs() -> None:
    drawn = np.random.default_rng(3)
    for _ in range(20):
        x, y = np.round(drawn.uniform(30, 400, (2, 200)))
        x[100:120], y[100:120] = x[:20], y[:20]  # nodes at one place
        a, b = drawn.integers(0, 200, (2, 180))
        trail = drawn.integers(0, 6, 200)
        tip = drawn.permutation(200)[:40]
        ident = drawn.integers(1, 6, 40)
        done, ready = drawn.random(40) < 0.2, drawn.random(40) < 0.8
        found, after = naive.partners(tip, ident, done, ready, x, y, trail, a, b, 25.0)
        got = vessels.partners(tip, ident, done, ready, x, y, trail, a, b, 25.0)
        assert got.tolist() == found
        assert done.tolist() == after


def test_tips_go_up_the_gradient_and_leave_pieces() -> None:
    """Without chance a tip in a steep gradient goes straight, one piece every 20 um."""
    bed = bed_of(eta=0.0, chi=1e3, k_sp_per_h=1e9, k_noflow_per_h=0.0, e_host=0.5, R_ex_um=5e3)
    bed.add_parent(1200.0, (25.0, 24.0))
    bed.begin()
    field = np.repeat(np.linspace(1, 300, bed.vegf.shape[1])[None, :], bed.vegf.shape[0], axis=0)
    bed._vegf = field
    run_tips(bed, 30)
    assert bed.tips.id.size == 1
    grown = bed.nodes.trail[bed.pieces.b] == bed.tips.id
    own = graph.taken(bed.pieces, grown)
    length = bed.lengths()[grown]
    path = bed.tips.path[0]
    assert 200 < path <= 300
    assert length.sum() == pytest.approx(path, abs=1.0)
    assert (length[:-1] >= 20.0).all() and (length < 30.0).all()
    assert np.ptp(bed.nodes.y[own.b]) < 1.0
    assert bed.nodes.x[own.b[-1]] == pytest.approx(1200.0 + path)
    assert (bed.nodes.trail[own.b] == bed.tips.id).all()


def run_tips(bed: Any, hours: int) -> None:
    """Vessels alone, in a field that is held."""
    for _ in range(hours):
        bed.survive(NOTHING)
        bed.sprout()
        bed.move_tips(NOTHING)
        bed.finish()


def test_tips_stop_at_the_border_with_age_and_without_their_piece() -> None:
    n = NUMBERS
    nodes = graph.new_nodes([500, 29, 500, 2375, 500], [500, 500, 2371, 500, 500])
    pieces = graph.new_pieces(1, [0, 0, 0, 0], [1, 2, 3, 4], 0.0, 0.5)
    tip = {"id": np.arange(5), "node": np.array([1, 2, 3, 4, 0]), "dx": 1.0, "dy": 0.0}
    tips = graph.table_of(Tips, tip | {"age": [1, 1, 1, 1, 241], "path": 0.0}, 5)
    assert vessels.stopped(tips, pieces, nodes, n).tolist() == [True, True, True, False, True]
    pieces.kind[3] = SLEEVE
    assert vessels.stopped(tips, pieces, nodes, n)[3]


def test_long_pieces_split() -> None:
    pieces = graph.new_pieces(5, [0, 1], [1, 2], 3.0, 0.4)
    pieces.kind[1] = PARENT
    nodes = graph.new_nodes([0.0, 31.0, 60.0], [0.0, 0.0, 0.0], [7, 7, 0])
    long = vessels.dividing(pieces, nodes, NUMBERS)
    assert long.tolist() == [0]
    pieces, nodes = graph.split(pieces, nodes, long, 9)
    assert pieces.id.tolist() == [5, 6, 9]
    assert (pieces.a.tolist(), pieces.b.tolist()) == ([0, 1, 3], [3, 2, 1])
    assert nodes.x[3] == 15.5 and nodes.trail[3] == 7
    assert pieces.survival.tolist() == [0.4] * 3 and pieces.age.tolist() == [3.0] * 3


def test_unused_nodes_are_dropped() -> None:
    bed = run(with_mesh(), 23)
    before = bed.nodes.x.size
    ends = bed.nodes.x[bed.pieces.a], bed.nodes.y[bed.pieces.b]
    used = np.union1d(np.union1d(bed.pieces.a, bed.pieces.b), bed.tips.node).size
    bed.drop_unused_nodes()
    assert bed.nodes.x.size == used <= before
    assert np.array_equal(ends, (bed.nodes.x[bed.pieces.a], bed.nodes.y[bed.pieces.b]))


def test_mesh_is_in_one_part_with_both_parents() -> None:
    bed = with_mesh(4)
    p, n = bed.pieces, bed.numbers
    mesh = p.kind == VESSEL
    assert np.ptp(p.id) == p.id.size - 1
    assert bed.lengths()[mesh].max() < 1.5 * n.piece_um
    assert p.pericyte[mesh].mean() == pytest.approx(NETWORK["covered"], abs=0.06)
    assert (np.abs(p.velocity[mesh]) > n.v_perf_um_per_s).mean() > 0.7
    length, places = bed.lengths()[mesh], graph.middles(graph.taken(p, mesh), bed.nodes)
    assert length.sum() / 1440.0**2 * 1e3 == pytest.approx(13.0, abs=1.0)  # mm/mm2
    for place in places:  # it fills its window to all four sides
        parts = np.histogram(place, bins=8, range=(480.0, 1920.0), weights=length)[0]
        assert parts.min() > 0.65 * parts.mean()


@pytest.mark.parametrize("spacing_um", [60.0, 400.0, 3000.0])
def test_mesh_of_any_spacing(spacing_um: float) -> None:
    bed = bed_of(size_um=1210.0, piece_um=19.0)  # 61 voxels, 64 pieces
    parents = [bed.add_parent(x, (20.0, 19.0)) for x in (300.0, 900.0)]
    bed.add_network(*parents, **(NETWORK | {"spacing_um": spacing_um}))
    bed.begin()
    mesh = bed.pieces.kind == VESSEL
    assert mesh.any() == (spacing_um < 3000)
    assert bed.lengths()[mesh].max(initial=0.0) < 1.5 * bed.numbers.piece_um
    run(bed, 7)


def test_parents_stay() -> None:
    bed = with_parents(1)
    run(bed, 60, ALL)
    parent = bed.pieces.kind == PARENT
    assert np.count_nonzero(parent) == 240
    held = np.isfinite(bed.nodes.pressure)
    assert bed.nodes.pressure[held].tolist() == [25.0, 24.0, 16.0, 15.0]
    assert bed.nodes.y[held].tolist() == [0.0, 2400.0, 0.0, 2400.0]


def test_all_blocked_to_the_end_of_vessels() -> None:
    """Without vessels, then without a tumour, all stays finite and goes on."""
    bed = with_mesh(1, k_reg_per_h=20.0, e_host=0.0, T_sleeve_h=2.0, T_an_d=0.5, T_clear_d=0.5,
                    P_host_mmHg=0.0, v_perf_um_per_s=1e9, tau_V_h=1.0)  # fmt: skip
    for hour in range(200):
        step(bed, ALL)
        if hour == 12:
            assert (bed.pieces.kind == PARENT).all() and not bed.tips.id.size
    assert bed.area == 0.0 and bed.diameter_um() == 0.0 and bed.inside().sum() == 0.0
    assert bed.no_path
    for name, values in bed.state().items():
        if name != "node.pressure":
            assert np.isfinite(values).all(), name


def test_nothing_at_all() -> None:
    bed = bed_of()
    bed.begin()
    run(bed, 25)
    assert bed.pieces.id.size == bed.tips.id.size == 0
    assert bed.oxygen == pytest.approx(NUMBERS.P_host_mmHg)
    assert bed.vegf.max() < 1e-6
    assert bed.diameter0 == 0.0


def test_too_many_pieces_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bed = with_mesh(k_sp_per_h=1.0, thr_ng_ml=0.01, R_ex_um=20.0)
    monkeypatch.setattr(sim.bed, "MOST_PIECES", 1500)
    with pytest.raises(NumericalError, match=r"more than 1500 pieces .* on day \d+\.\d: choose"):
        run(bed, 200)
