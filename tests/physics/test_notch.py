"""Delta-Notch signalling: its equations, the pattern that it makes, and its place in a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pydantic import Field

from sim.assays import assays
from sim.errors import ScenarioError
from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load
from sim.signalling.notch import NotchConstants, advance_notch, delta_made
from sim.tables import Switch, Table
from sim.tissue.border import border_of
from sim.tissue.lattice import Grid
from tests.naive import notch as naive
from tests.naive.border import border_sums

TAU_S, STEP_S, HOURS = 900.0, 30.0, 8
CONSTANTS = NotchConstants(TAU_S, 0.1, 0.1)
TIP = 0.25  # Delta, between the two states of the pattern

# -- equations ------------------------------------------------------------------------------------


class Patch:
    """Cells on a small lattice with medium and walls; rows 1 to 12, of which some do not signal."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        sites = np.kron(rng.integers(0, 13, (6, 7)), np.ones((3, 3), int)).astype(np.int32)
        self.border = border_of(sites, 14, Grid(*sites.shape, False))
        self.pairs, _, _, self.contacts = border_sums(sites, 14, False)
        self.rows = np.array([1, 2, 3, 5, 6, 7, 8, 9, 11, 12])
        self.notch, self.delta = rng.random((2, 14))
        self.made = rng.uniform(0.3, 1.0, self.rows.size)

    def kernel(self, seconds: float, steps: int, parts: int = 1) -> tuple[np.ndarray, np.ndarray]:
        notch, delta = self.notch.copy(), self.delta.copy()
        for _ in range(steps):
            advance_notch(
                self.rows, notch, delta, self.border.contacts, self.border.pairs, self.made,
                CONSTANTS, seconds / steps, parts,
            )  # fmt: skip
        return notch, delta

    def twin(self) -> tuple[Any, ...]:
        rows = self.rows.tolist()
        N, D = ({row: float(values[row]) for row in rows} for values in (self.notch, self.delta))
        b = dict(zip(rows, self.made.tolist(), strict=True))
        return N, D, self.contacts, self.pairs, b, TAU_S


@pytest.mark.parametrize("seed", range(3))
def test_a_step_follows_the_slopes_and_the_equations(seed: int) -> None:
    """A step goes towards where each cell would settle; short ones follow the equations."""
    patch = Patch(seed)
    twin = patch.twin()
    slopes, share = naive.slopes(*twin), 1 - np.exp(-STEP_S / TAU_S)
    notch, delta = patch.kernel(STEP_S, 1)
    for row, (dN, dD) in slopes.items():
        assert notch[row] == pytest.approx(patch.notch[row] + dN * TAU_S * share, rel=1e-12)
        assert delta[row] == pytest.approx(patch.delta[row] + dD * TAU_S * share, rel=1e-12)
    ends = [np.array([list(each.values()) for each in naive.solve(*twin, 3600.0)])]
    away = []
    for steps in (3600, 7200):
        found = np.stack(patch.kernel(3600.0, steps))[:, patch.rows]
        away.append(np.abs(found - ends[0]).max())
    assert away[0] < 2e-3
    assert away[0] / away[1] == pytest.approx(2.0, rel=0.05)


def test_rows_that_do_not_signal_stay_and_are_met_by_nobody() -> None:
    patch = Patch(4)
    before = patch.kernel(300.0, 10)
    silent = np.setdiff1d(np.arange(14), patch.rows)
    assert (before[0][silent] == patch.notch[silent]).all()
    assert (before[1][silent] == patch.delta[silent]).all()
    patch.delta[silent] = 5.0
    after = patch.kernel(300.0, 10)
    assert (after[0][patch.rows] == before[0][patch.rows]).all()
    assert (after[1][patch.rows] == before[1][patch.rows]).all()


def test_parts_of_a_step_are_steps() -> None:
    patch = Patch(5)
    for one, other in zip(patch.kernel(240.0, 1, parts=8), patch.kernel(240.0, 8), strict=True):
        assert (one == other).all()


def test_signals_add_up_to_the_most_delta() -> None:
    signals = np.array([[0.0, 0.0], [0.2, 0.0], [0.2, 0.4], [1.0, 1.0]])
    found = delta_made(0.3, np.array([2.0, 0.5]), signals)
    assert found == pytest.approx([0.3, 0.7, 0.9, 1.0])


# -- the pattern ----------------------------------------------------------------------------------


def layer(n: int, m: int) -> np.ndarray:
    """Contacts of n by m hexagonal cells around a torus, each with six neighbours."""
    rows = np.arange(n * m).reshape(n, m) + 1
    contacts = []
    for y, x in np.ndindex(n, m):
        for dy, dx in ((0, 1), (1, y % 2 - 1), (1, y % 2)):
            one, other = sorted((rows[y, x], rows[(y + dy) % n, (x + dx) % m]))
            contacts.append((one, other, 7))
    return np.array(contacts)


def pattern(b: float, seed: int, step_s: float = STEP_S) -> tuple[np.ndarray, int]:
    """Which of 400 cells are tips after 8 h, and how many pairs of tips touch."""
    contacts, n = layer(20, 20), 400
    notch, delta = np.random.default_rng(seed).random((2, n + 2))
    rows, pairs, made = np.arange(1, n + 1), np.full(n + 2, 42), np.full(n, b)
    for _ in range(round(HOURS * 3600 / step_s)):
        advance_notch(rows, notch, delta, contacts, pairs, made, CONSTANTS, step_s, 1)
    tips = delta > TIP
    return tips[1:-1], int((tips[contacts[:, 0]] & tips[contacts[:, 1]]).sum())


def shares(b: float, step_s: float = STEP_S) -> np.ndarray:
    found = [pattern(b, seed, step_s) for seed in range(6)]
    assert all(touching == 0 for _, touching in found)
    return np.array([tips.mean() for tips, _ in found])


@pytest.mark.parametrize(("b", "wanted"), [(0.3, 0.271), (0.5, 0.288), (1.0, 0.294)])
def test_a_quarter_of_a_hexagonal_layer_become_tips_and_none_touch(b: float, wanted: float) -> None:
    found = shares(b)
    assert found.mean() == pytest.approx(wanted, abs=0.012)
    assert found.std(ddof=1) < 0.025


def test_there_is_a_pattern_above_a_threshold() -> None:
    """Delta is at most b: no cell can pass the threshold of a tip with less."""
    assert shares(0.25).max() == 0.0
    assert shares(0.26).min() > 0.15


@pytest.mark.parametrize("step_s", [60.0, 120.0, 240.0])
def test_the_length_of_a_step_makes_no_other_pattern(step_s: float) -> None:
    assert shares(0.5, step_s).mean() == pytest.approx(shares(0.5).mean(), abs=0.015)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_cells_of_a_layer_make_the_pattern_by_the_length_of_their_contacts(seed: int) -> None:
    """A quarter are tips, too, and hardly any of their border is with tips: 26 % by chance."""
    settings = {
        "domain.substrate": "matrix", "domain.size_um": [600, 600], "setup.gap_um": 20,
        "engine.area.target_sites": 300,
    }  # fmt: skip
    model = AngiogenesisModel(load("wound_healing", settings), rng=seed)
    model.advance(30)
    border, rows = model.tissue.border(), model.endothelial
    notch, delta = np.random.default_rng(seed).random((2, len(border.pairs)))
    made = np.full(rows.size, 0.8)
    for _ in range(round(HOURS * 3600 / STEP_S)):
        advance_notch(rows, notch, delta, border.contacts, border.pairs, made, CONSTANTS, STEP_S, 1)
    tip = np.zeros(delta.size, bool)
    tip[rows] = delta[rows] > TIP
    one, other, length = border.contacts.T
    touching = 2 * length[tip[one] & tip[other]].sum() / border.pairs[tip].sum()
    assert tip[rows[border.free[rows] < 0.05]].mean() == pytest.approx(0.27, abs=0.03)
    assert touching < 0.01


# -- in a model -----------------------------------------------------------------------------------

SMALL: dict[str, Any] = {
    "domain.size_um": [200, 180],
    "cells.density_per_mm2": 800,
    "engine.area.target_sites": 100,
    "engine.area.creep_h": 0.1,
    "behaviour.division.signals_per_h.VEGFR2": 10.0,
    "behaviour.division.most_per_h": 10.0,
    "behaviour.division.least_area": 0.4,
    "behaviour.death.basal_per_h": 2.0,
    "behaviour.death.float_h": 0.2,
    "time.duration_h": 1,
    "time.record_every_h": 0.5,
}


class Setup(Table):
    """May block it."""

    notch: Switch = Field(True, description="whether cells signal")


@pytest.fixture
def signalling(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Cells of the viability assay signal, too, unless its set-up blocks that."""
    own = assays()["viability"]
    with_notch = replace(own, setup=Setup, parts=("border", "notch", *own.parts))
    monkeypatch.setitem(assays(), "viability", with_notch)
    yield


def made(rng: int = 1, threads: int = 1, **settings: Any) -> AngiogenesisModel:
    return AngiogenesisModel(load("viability", SMALL | settings), rng=rng, threads=threads)


def same(one: AngiogenesisModel, two: AngiogenesisModel) -> bool:
    mine, yours = one.state(), two.state()
    return all(mine[name].tobytes() == yours[name].tobytes() for name in mine)


@pytest.mark.usefixtures("signalling")
def test_every_cell_starts_with_its_own_draws() -> None:
    model, other = made(), made(rng=2)
    rows = model.endothelial
    both = np.stack([model.cells["notch"][rows], model.cells["delta"][rows]])
    assert ((both >= 0) & (both < 1)).all()
    assert np.unique(both).size == both.size
    assert both.mean() == pytest.approx(0.5, abs=0.15)
    assert (both[0] != other.cells["notch"][rows]).all()
    assert (model.cells["notch"][[0, -1]] == 0).all()


@pytest.mark.usefixtures("signalling")
def test_a_run_split_anywhere_and_on_any_threads_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With births and deaths: daughters have their mother's Notch and Delta."""
    monkeypatch.setattr("sim.kernels.threads.LEAST_SITES", 0)  # also on a domain as small as this
    monkeypatch.setattr("sim.kernels.threads.LEAST_WORK", 0)
    monkeypatch.setattr("sim.kernels.threads.processors", lambda: 4)
    whole = made()
    whole.advance(120)
    assert whole.assay.memory["born"] > 5 < whole.assay.memory["died"]
    part = made()
    part.advance(47)
    resumed = made(rng=5, threads=3)
    resumed.restore(part.state())
    resumed.advance(73)
    assert same(whole, resumed)


@pytest.mark.usefixtures("signalling")
def test_a_daughter_has_its_mothers_notch_and_delta() -> None:
    model = made(**{"behaviour.death.basal_per_h": 0})
    model.advance(5)
    model.cells["dying"][:] = 0
    row = int(model.endothelial[0])
    while (daughter := model.tissue.divide(row, 0.3, 0.1)) is None:
        row += 1
    for name in ("notch", "delta"):
        assert model.cells[name][daughter] == model.cells[name][row] > 0


@pytest.mark.usefixtures("signalling")
def test_dying_cells_take_no_part() -> None:
    settings = {"behaviour.death.basal_per_h": 0, "behaviour.division.most_per_h": 0}
    one, two = made(**settings), made(**settings)
    for model, delta in ((one, 0.0), (two, 0.9)):
        dying = model.endothelial[::3]
        model.cells["dying"][dying] = 1
        model.cells["delta"][dying] = delta
        model.advance(10)
        assert (model.cells["delta"][dying] == delta).all()
    rest = one.endothelial
    assert (one.cells["notch"][rest] == two.cells["notch"][rest]).all()
    assert (one.cells["delta"][rest] == two.cells["delta"][rest]).all()


@pytest.mark.usefixtures("signalling")
@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"ligands.VEGF.bath_ng_ml": 0}, 0.3),
        ({"ligands.VEGF.bath_ng_ml": 50}, 1.0),
        ({"ligands.VEGF.bath_ng_ml": 50, "drug.name": "anlotinib", "drug.free_nM": 5600}, 0.302),
    ],
)
def test_vegf_makes_delta_and_the_drug_takes_it_away(settings: Any, most: float) -> None:
    """A cell without neighbours makes what its signal says: b = min(1, 2 S + 0.3)."""
    quiet = {"behaviour.death.basal_per_h": 0, "behaviour.division.most_per_h": 0}
    model = made(**quiet, **settings, **{"cells.density_per_mm2": 30})
    model.advance(480)
    alone = model.endothelial[model.cells["notch"][model.endothelial] < 1e-6]
    assert alone.size
    assert model.cells["delta"][alone] == pytest.approx(most, abs=2e-3)


@pytest.mark.usefixtures("signalling")
def test_without_notch_every_cell_makes_all_its_delta() -> None:
    quiet = {"behaviour.death.basal_per_h": 0, "behaviour.division.most_per_h": 0}
    blocked, free = made(**quiet, **{"setup.notch": False}), made(**quiet)
    for model in (blocked, free):
        model.advance(480)
    rows = free.endothelial
    assert (blocked.cells["delta"][rows] > 0.99).all()
    assert (blocked.cells["notch"][rows] < 1e-6).all()
    assert free.cells["delta"][rows].min() < TIP < free.cells["delta"][rows].max()


def test_only_assays_that_ask_for_it_have_it() -> None:
    assert "delta" not in made().cells.columns
    with pytest.raises(ScenarioError, match=r"behaviour\.notch"):
        load("tube_formation", {"behaviour.notch": {
            "tau_h": 1, "delta_half": 0.1, "notch_half": 0.1, "own": 0.3,
        }})  # fmt: skip
