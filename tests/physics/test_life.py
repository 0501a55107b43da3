"""Births and deaths: what is conserved, what agrees, and how fast they are."""

from __future__ import annotations

from math import exp, sqrt
from typing import Any

import numpy as np
import pytest
from lattices import place
from scipy.stats import spearmanr

from sim.model.clock import AngiogenesisModel
from sim.model.parts import life
from sim.runs.result import Result
from sim.runs.run import run_scenario
from sim.scenario.resolve import load
from sim.tissue.division import divide, sites_of, split
from sim.units import AVOGADRO

FAST = {
    "domain.size_um": [200, 180],
    "cells.density_per_mm2": 300,
    "time.duration_h": 2,
    "time.record_every_h": 1,
    "engine.area.creep_h": 0.1,
    "behaviour.division.signals_per_h.VEGFR2": 10.0,
    "behaviour.division.most_per_h": 10.0,
    "behaviour.division.least_area": 0.4,
    "behaviour.death.basal_per_h": 2.0,
    "behaviour.death.float_h": 0.2,
    "drug.free_nM": 2,
}
"""Cells that live fast: hundreds of births and deaths in two hours."""


def fast(seed: int = 1, threads: int = 1, **settings: Any) -> AngiogenesisModel:
    return AngiogenesisModel(load("viability", FAST | settings), rng=seed, threads=threads)


def assert_whole(model: AngiogenesisModel) -> None:
    """Moments are those of a count, rows and agents agree, and nothing dead is on the lattice."""
    cells, lattice = model.cells, model.lattice
    rows = cells.living
    assert set(np.unique(lattice[lattice > 0])) <= {*rows.tolist()}
    height, width = lattice.shape
    for row in rows.tolist():
        sites = np.argwhere(lattice == row) - cells["anchor"][row]
        if model.tissue.grid.periodic:
            half = np.array([(height - 1) // 2, (width - 1) // 2])
            sites = (sites + half) % (height, width) - half
        dy, dx = sites.T
        count = [len(dy), dx.sum(), dy.sum(), dx @ dx, dy @ dy, dx @ dy]
        assert cells["moments"][row].tolist() == count
    assert sorted(agent.row for agent in model.agents) == rows.tolist()
    for agent in model.agents:
        assert agent.generation == cells["generation"][agent.row]
    ids = model.ids[rows]
    assert len({*ids.tolist()}) == len(rows) and ids.max(initial=0) < model.next_id
    assert model.measure()["live_cells"] == model.living.size <= len(rows)


def live_and_die(model: AngiogenesisModel, events: int) -> None:
    while model.assay.memory["born"] + model.assay.memory["died"] < events:
        model.advance(10)
        assert_whole(model)
        assert model.living.size > 0


@pytest.mark.parametrize("boundary", ["periodic", "walls"])
def test_hundreds_of_births_and_deaths_leave_the_tissue_whole(boundary: str) -> None:
    settings = {"domain.boundary": boundary}
    if boundary == "walls":
        settings |= {f"fields.{name}.boundary": "no_flux" for name in ("VEGF", "PDGF-BB", "FGF-2")}
    model = fast(**settings)
    live_and_die(model, 300)
    assert model.assay.memory["born"] > 100 and model.assay.memory["died"] > 50


def test_cells_that_reach_around_the_domain_are_whole() -> None:
    small = {"domain.size_um": [80, 44], "behaviour.death.basal_per_h": 0.5}
    model = fast(seed=1, **small)
    for _ in range(30):
        model.advance(4)
        assert_whole(model)
    assert model.assay.memory["born"] > 5


@pytest.mark.slow
def test_ten_thousand_births_and_deaths_leave_the_tissue_whole() -> None:
    live_and_die(fast(seed=2), 10_000)


def test_events_agree_with_the_cells() -> None:
    model = fast(seed=3)
    first = model.living.size
    model.advance(120)
    memory = model.assay.memory
    born = memory["events"][:, 1] == 1
    assert (born.sum(), (~born).sum()) == (memory["born"], memory["died"])
    assert model.living.size == first + memory["born"] - memory["died"]
    cells, mothers = memory["events"][born, 2], memory["events"][born, 3]
    assert (mothers > 0).all() and (mothers < cells).all()
    assert (np.diff(cells) == 1).all() and cells[0] == first + 1
    assert not memory["events"][~born, 3].any()
    assert (np.diff(memory["events"][:, 0]) >= 0).all()
    assert memory["events"][-1, 0] <= model.mcs


@pytest.mark.parametrize("death", [True, False])
def test_cells_that_are_removed_or_lose_their_last_site_have_died(death: bool) -> None:
    """Once, also if they were dying."""
    quiet = {"cells.division": False, "behaviour.death.basal_per_h": 0}
    model = fast(seed=12, **quiet, **{"cells.death": death})
    one, two, three = sorted(model.agents, key=lambda cell: cell.unique_id)[:3]
    first = model.living.size
    if death:
        model.cells["dying"][three.row] = 1
        model.assay.memory["died"] += 1
        three.remove()
    one.remove()
    model.lattice[model.lattice == two.row] = 0
    model.cells.measure(model.lattice, model.tissue.grid)
    model.step()
    found, died = model.measure(), 2 + death
    assert (found["dead_cells"], found["live_cells"]) == (died, first - died)
    assert found["doublings"] == 0
    assert model.assay.memory["events"][:, [0, 2]].tolist() == [[0, 1], [1, 2]]


def test_a_birth_loses_no_receptor_and_no_ligand(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fast(seed=4, **{"behaviour.death.basal_per_h": 0.0})
    before = {}
    born = 0

    def sums() -> dict[str, Any]:
        return {name: model.cells[name][model.cells.living].sum(axis=0) for name in life.SHARED}

    plain = life.births

    def watched(of: Any) -> None:
        nonlocal born, before
        before, was = sums(), int(model.assay.memory["born"])
        plain(of)
        if model.assay.memory["born"] > was:
            born += 1
            for name, total in sums().items():
                assert total == pytest.approx(before[name], rel=1e-12), name

    monkeypatch.setattr("sim.model.clock.births", watched)
    model.advance(60)
    assert born > 10


def test_no_ligand_is_made_or_lost_in_births_and_deaths() -> None:
    """What is in the field, bound to cells, and left with the dead is what there was."""
    kept = {
        f"signalling.receptors.{name}.k_int_bound_per_s": 1e-15
        for name in ("VEGFR2", "PDGFRB", "FGFR1")
    }
    model = fast(seed=11, **kept, **{"ligands.VEGF.exchange_per_s": 0})
    cells, (pathway, *_) = model.cells, model.pathways
    assert pathway.ligand == "VEGF"
    field = model.scenario.fields["VEGF"]
    litres = (field.spacing_um or 2.0) ** 2 * model.scenario.domain.field_depth_um * 1e-15
    left, plain = [0.0], cells.freed

    def watched(row: int) -> None:
        left[0] += cells["bound_receptors"][row, 0]
        plain(row)

    def molecules() -> float:
        there = model.fields["VEGF"].sum() * pathway.M_per_ng_ml * AVOGADRO * litres
        return float(there + cells["bound_receptors"][cells["alive"], 0].sum() + left[0])

    cells.freed = watched  # type: ignore[method-assign]
    first, field_first = molecules(), model.fields["VEGF"].sum()
    for _ in range(120):
        model.step()
        assert molecules() == pytest.approx(first, rel=1e-9)
    assert model.fields["VEGF"].sum() < 0.99 * field_first
    assert model.assay.memory["born"] > 20 < model.assay.memory["died"]


def test_daughters_have_what_their_mother_had_and_share_her_receptors() -> None:
    model = fast(seed=5, **{"behaviour.death.basal_per_h": 0.0})
    model.advance(3)
    while (born := int(model.assay.memory["born"])) == int(model.assay.memory["born"]):
        before = {name: column.copy() for name, column in model.cells.columns.items()}
        ids = model.ids
        life.births(model)
        model.mcs += 1
        if model.assay.memory["born"] > born:
            break
    _, _, cell, mother, x, y = model.assay.memory["events"][born]
    one, two = np.flatnonzero(model.ids == cell)[0], np.flatnonzero(ids == mother)[0]
    area = model.cells.area
    assert area[one] + area[two] == before["moments"][two, 0]
    for name in ("activity", "drive", "survival", "memory", "type", "mu", "push"):
        assert (model.cells[name][[one, two]] == before[name][two]).all(), name
    for name in life.SHARED:
        part = before[name][two] * area[one] / before["moments"][two, 0]
        assert model.cells[name][one] == pytest.approx(part, rel=1e-12)
    normal = model.scenario.engine.area.target_sites
    for row in (one, two):
        assert model.cells["target"][row, 0] == max(area[row], normal / 2)
        sites = np.argwhere(model.lattice == row)
        around = sites[0] - np.array(model.lattice.shape) // 2  # the shortest way from one of them
        centre = ((sites - around) % model.lattice.shape).mean(axis=0) + around
        far = (model.cells["centroid"][row] - centre) / model.lattice.shape
        assert far == pytest.approx(np.rint(far), abs=1e-9)
    assert (y, x) == pytest.approx((model.cells["centroid"][one] + 0.5) % model.lattice.shape)


@pytest.mark.parametrize("cut", [1, 37, 80])
def test_a_run_with_births_split_anywhere_agrees(cut: int) -> None:
    whole, first, second = fast(seed=6), fast(seed=6), fast(seed=7)
    whole.advance(100)
    first.advance(cut)
    second.restore(first.state())
    second.advance(100 - cut)
    assert whole.assay.memory["born"] > 20
    wanted, found = whole.state(), second.state()
    assert wanted.keys() == found.keys()
    for name, array in wanted.items():
        assert array.tobytes() == found[name].tobytes(), name


def test_a_run_with_births_agrees_on_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sim.kernels.threads.LEAST_SITES", 0)  # also on a domain as small as this
    monkeypatch.setattr("sim.kernels.threads.LEAST_WORK", 0)
    monkeypatch.setattr("sim.kernels.threads.processors", lambda: 4)
    one, *others = (fast(seed=8, threads=threads) for threads in (1, 2, 4))
    one.advance(60)
    assert one.assay.memory["born"] > 10
    for other in others:
        other.advance(60)
        for name, array in one.state().items():
            assert array.tobytes() == other.state()[name].tobytes(), name


def test_births_happen_at_their_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the hours of the cells that may divide; few cuts are refused."""
    expected, tried, refused = [0.0], [0], [0]
    plain_within, plain_split = life.within, split

    def counted(rate: Any, dt_s: float) -> Any:
        expected[0] += rate.sum() * dt_s / 3600
        return plain_within(rate, dt_s)

    def watched(*arguments: Any) -> Any:
        tried[0] += 1
        part = plain_split(*arguments)
        refused[0] += part is None
        return part

    monkeypatch.setattr("sim.tissue.division.split", watched)
    monkeypatch.setattr(life, "within", counted)
    settings = {
        "domain.size_um": [600, 600],
        "behaviour.division.signals_per_h.VEGFR2": 0.3,
        "behaviour.division.most_per_h": 0.3,
        "cells.density_per_mm2": 150,
        "cells.death": False,
        "behaviour.division.least_area": 0.85,
        "engine.area.creep_h": 1,
        "drug.free_nM": 0,
    }
    for seed in range(2):
        fast(seed=seed, **settings).advance(600)
    assert expected[0] > 100
    assert abs(tried[0] - expected[0]) < 3 * sqrt(expected[0])
    assert refused[0] < 0.05 * tried[0]


def test_a_dead_cell_is_gone_after_hours_even_from_a_layer() -> None:
    model = fast(seed=9, **{"behaviour.death.basal_per_h": 0.0, "cells.division": False})
    row = int(model.living[0])
    model.advance(2)
    model.cells["dying"][row] = 1
    uptake = model.cells["uptake"][row].copy()
    assert uptake.any()
    model.step()
    assert not model.cells["uptake"][row].any()
    target = model.cells["target"][row, 0]
    assert row not in model.living and row not in model.endothelial
    model.step()
    assert model.cells["target"][row, 0] == pytest.approx(target * exp(-1 / 120), rel=1e-12)
    model.advance(24)
    assert not model.cells["alive"][row] and not (model.lattice == row).any()


def test_a_dying_cell_may_be_removed_and_its_row_used_again() -> None:
    model = fast(seed=10, **{"behaviour.death.basal_per_h": 0.0})
    model.advance(2)
    agent = min(model.agents, key=lambda cell: cell.row)
    model.cells["dying"][agent.row] = 2
    agent.remove()
    model.advance(30)
    assert_whole(model)


# --- the cut -------------------------------------------------------------------------------------


def grid_of(text: str) -> np.ndarray:
    return np.array([[int(mark) for mark in line] for line in text.split()])


def test_a_cell_is_cut_across_its_long_axis() -> None:
    sites = np.argwhere(np.ones((4, 10)))
    far = split(sites, 0.0, 0.25)
    assert far is not None and (far == (sites[:, 1] >= 5)).all()


def test_a_round_cell_is_cut_where_chance_says() -> None:
    sites = np.argwhere(np.ones((6, 6)))
    across, along = split(sites, 0.0, 0.25), split(sites, 0.5, 0.25)
    assert across is not None and (across == (sites[:, 1] >= 3)).all()
    assert along is not None and (along == (sites[:, 0] >= 3)).all()


def test_what_hangs_on_the_other_part_goes_with_it() -> None:
    hook = grid_of("1111111110 1111111110 0000000010 0000000010 0001111110 0001110000 0000000000")
    sites = np.argwhere(hook)
    far = split(sites, 0.0, 0.25)
    assert far is not None
    for part in (far, ~far):
        shape = np.zeros(hook.shape, int)
        shape[tuple(sites[part].T)] = 1
        seen, edge = set(), [tuple(sites[part][0])]
        while edge:
            y, x = edge.pop()
            if (y, x) in seen or not (0 <= y < 7 and 0 <= x < 10) or not shape[y, x]:
                continue
            seen.add((y, x))
            edge += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        assert len(seen) == part.sum()


@pytest.mark.parametrize(
    "shape", ["1", "1111 0000 1111 0000 1111", "11111 11111 11111 00000 00000 00100"], ids=str
)
def test_a_cell_that_cannot_be_cut_is_left(shape: str) -> None:
    assert split(np.argwhere(grid_of(shape)), 0.3, 0.25) is None


@pytest.mark.parametrize("periodic", [True, False])
def test_sites_are_found_from_the_moments(periodic: bool) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        sites = np.zeros((17, 23), int)
        blob = rng.integers(0, 7, (40, 2)) + rng.integers(0, 17 if periodic else 10, 2)
        sites[tuple((blob % (17, 23)).T)] = 1
        lattice, cells, grid = place(sites, [1], periodic=periodic)
        found = (sites_of(lattice, cells, 1, grid) + cells["anchor"][1]) % (17, 23)
        assert sorted(map(tuple, found)) == sorted(map(tuple, np.argwhere(sites)))


def test_a_refused_division_changes_nothing() -> None:
    lattice, cells, grid = place(grid_of("1111 0000 1111 0000 1111 0000"), [1], periodic=False)
    before = lattice.copy(), {name: column.copy() for name, column in cells.columns.items()}
    assert divide(lattice, cells, 1, grid, 0.0, 0.25) is None
    assert (lattice == before[0]).all()
    assert all((cells[name] == column).all() for name, column in before[1].items())


# --- the assay -----------------------------------------------------------------------------------


def test_cells_start_as_they_are_after_days_in_their_medium() -> None:
    scenario = load("viability", {"ligands.PDGF-BB.bath_ng_ml": 0.1})
    model = AngiogenesisModel(scenario)
    before = {name: model.cells[name][1:5].copy() for name in ("bound_receptors", "activity")}
    assert before["activity"][0] == model.cells["survival"][1] > 0.85
    model.advance(20)
    for name, values in before.items():
        assert model.cells[name][1:5] == pytest.approx(values, rel=1e-2), name


def test_cells_start_as_they_are_where_they_are() -> None:
    """In a gradient each was in what is around it."""
    walls = {f"fields.{name}.boundary": "no_flux" for name in ("VEGF", "PDGF-BB", "FGF-2")}
    gradient = {"ligands.VEGF.gradient": {"axis": "y", "high_ng_ml": 5}}
    model = AngiogenesisModel(load("viability", {"domain.boundary": "walls", **walls, **gradient}))
    y, rows = model.cells["centroid"][model.living, 0], model.living
    drive = model.cells["drive"][rows]
    assert spearmanr(y, drive).statistic > 0.99 and drive.max() > 2 * drive.min() > 0
    assert (model.cells["survival"] == model.cells["activity"]).all()


def test_two_drugs_kill_by_their_sum() -> None:
    quiet = {"cells.division": False, "behaviour.death.basal_per_h": 0.0}
    found = []
    for first, second in ((4e4, 0), (1e4, 3e4), (0, 4e4)):
        both = {"drug.free_nM": first, "partner.name": "sunitinib", "partner.free_nM": second}
        model = fast(seed=13, **quiet, **both, **{"behaviour.death.cytotoxic_per_h": 5.0})
        model.advance(20)
        found.append(model.measure()["dead_cells"])
    assert found[0] == found[1] == found[2] > 0


def test_a_run_has_its_events(tmp_path: Any) -> None:
    from sim.runs.folder import RunFolder

    with RunFolder.create(tmp_path / "run", "x", 1) as folder:
        result = run_scenario(load("viability", FAST | {"time.duration_h": 1}), folder=folder)
    header, *rows = (tmp_path / "run" / "events.csv").read_text().splitlines()
    assert header == "time_h,event,cell,mother,x_um,y_um"
    kinds = [row.split(",")[1] for row in rows]
    assert kinds.count("death") == result.summary["dead_cells"] > 0
    assert kinds.count("birth") == result.final["assay.born"] > 0
    assert all((row.split(",")[3] == "0") == (",death," in row) for row in rows)
    assert Result.open(tmp_path / "run").tables["events.csv"].equals(result.tables["events.csv"])
    RunFolder.clear(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_without_births_has_no_events(tmp_path: Any) -> None:
    from sim.runs.folder import RunFolder

    few = {"domain.size_um": [100, 100], "cells.count": 2, "time.duration_h": "30 s"}
    with RunFolder.create(tmp_path / "run", "x", 1) as folder:
        run_scenario(load("tube_formation", few), folder=folder)
    assert not (tmp_path / "run" / "events.csv").exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"assay": "tube_formation", "cells.division": True}, "must be false except in the assay"),
        ({"assay": "viability", "domain.substrate": "gel"}, "needs engine.area.creep_h"),
        ({"assay": "viability", "cells.seeding": "grid"}, "must be 'random'"),
        ({"assay": "viability", "cells.density_per_mm2": 500}, "at most"),
        (
            {"assay": "viability", "behaviour.division.signals_per_h.FLT1": 1.0},
            "unknown receptor",
        ),
    ],
)
def test_what_does_not_fit_is_reported(settings: dict[str, Any], words: str) -> None:
    from sim.errors import ScenarioError

    with pytest.raises(ScenarioError, match=words):
        load({}, settings)
