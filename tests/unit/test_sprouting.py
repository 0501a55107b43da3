"""Spheroids: how they start, how cells become tips, what tips and followers do."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from naive.tips import leaders as plain_leaders
from naive.tips import pushes

from sim.assays.sprouting.parts import draw_together, leaders, lost, tips_and_stalks, unit
from sim.assays.sprouting.setup import Stalk
from sim.assays.sprouting.start import place_cells
from sim.errors import ScenarioError
from sim.kernels.draws import SEEDING, uniforms
from sim.model.clock import AngiogenesisModel
from sim.scenario.cautions import cautions
from sim.scenario.resolve import load
from sim.tissue import Border

SMALL: dict[str, Any] = {"domain.size_um": [240, 240], "ligands.VEGF.bath_ng_ml": 64}
STALK = {"reach": 3, "pull": 50.0, "slack_sites": 10.0, "stretch_sites": 8.0}


def model(seed: int = 1, threads: int = 1, **settings: Any) -> AngiogenesisModel:
    scenario = load({"assay": "sprouting"}, SMALL | settings)
    return AngiogenesisModel(scenario, rng=seed, threads=threads)


# --- the start -----------------------------------------------------------------------------------


def test_the_spheroid_is_a_disc_of_cells() -> None:
    """40 cells of 400 um^2: a radius of 71 um in the middle of the domain."""
    scenario = load({"assay": "sprouting"})
    sites, types = place_cells(scenario, partial(uniforms, 3, SEEDING, 0, 0))
    y, x = np.nonzero(sites)
    assert len(types) == 40 and y.size == 4000
    assert np.hypot(y - 200, x - 200).max() * 2 == pytest.approx(71.4, abs=2)
    areas = np.bincount(sites.ravel())[1:]
    assert areas.size == 40 and areas.std() < 0.25 * 100


def test_what_is_remembered_of_the_start() -> None:
    memory = model().assay.memory
    assert memory["core"] == pytest.approx([60, 60, 35.68], abs=0.02)
    assert not memory["tip"].any() and not memory["polarity"].any()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cells.seeding": "random"}, "cells.seeding = 'random': must be 'blob'"),
        ({"domain.boundary": "periodic"}, "domain.boundary = 'periodic': must be 'walls'"),
        ({"cells.density_per_mm2": 100}, "cells.count: is missing"),
        ({"cells.count": 2000}, "cells.count = 2000: gives a spheroid of 1009 um across"),
        ({"domain.size_um": [150, 800]}, "142.7 um across, which must be less than 142 um in this"),
        ({"setup.tips.lasts_h": 0}, "setup.tips.lasts_h = 0: must be a number above 0"),
        (
            {"setup.tips.rate_per_h": [-1, 1]},
            "rate_per_h = [-1, 1]: must be two numbers",
        ),
        (
            {"setup.tips.mu": [36, -1]},
            "mu = [36, -1]: must be two numbers of at least 0",
        ),
        ({"setup.tips.kept_free": 0.2}, "kept_free = 0.2: must be at most setup.tips.least_free"),
        ({"signalling.enabled": False}, "signalling.enabled = false: must be true in this assay"),
    ],
)
def test_what_does_not_fit_is_reported(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load({"assay": "sprouting"}, settings)
    assert said in str(error.value)


def test_what_may_not_be_meant_is_a_caution() -> None:
    assert not cautions(load("sprouting"))
    found = cautions(load("sprouting", {"domain.size_um": [500, 800]}))
    assert [problem.key for problem in found] == ["domain.size_um"]
    found = cautions(load("sprouting", {"domain.substrate": "gel"}))
    assert [problem.key for problem in found] == ["domain.substrate"]
    for key, value in (("engine.tissue_connectivity_penalty", 0), ("engine.area.creep_h", 1)):
        assert [problem.key for problem in cautions(load("sprouting", {key: value}))] == [key]


# --- tips ----------------------------------------------------------------------------------------


def bordered(made: AngiogenesisModel, free: dict[int, float], *contacts: tuple[int, int]) -> Border:
    """Borders of 1000 pairs of which a share is free, facing along y; contacts of 10 pairs."""
    rows = made.cells.area.size
    pairs, free_pairs = np.full(rows, 1000), np.zeros(rows, np.int64)
    straight = np.zeros((rows, 2), np.int64)
    for row, share in free.items():
        free_pairs[row] = round(1000 * share)
        straight[row, 0] = free_pairs[row]
    diagonal = np.zeros((rows, 2), np.int64)
    touching = np.array([(*pair, 10) for pair in contacts], np.int64).reshape(-1, 3)
    return Border(pairs, free_pairs, straight, diagonal, touching)


def test_candidates_have_delta_and_free_border_and_touch_no_tip() -> None:
    """At a rate at which every candidate becomes a tip at once."""
    for notch in (True, False):
        made = model(**{"setup.tips.rate_per_h": [1e9, 1e9], "setup.notch": notch})
        made.cells["delta"][:] = 0.0
        made.cells["delta"][[1, 2, 3, 5]] = 0.26, 0.24, 0.9, 0.9
        made.assay.memory["tip"][4] = 7
        tips_and_stalks(made, bordered(made, {1: 0.2, 2: 0.2, 3: 0.05, 4: 0.3, 5: 0.2}, (4, 5)))
        tip, polarity = made.assay.memory["tip"], made.assay.memory["polarity"]
        assert dict(enumerate(tip[1:6], start=1)) == {1: 1, 2: 0, 3: 0, 4: 8, 5: int(not notch)}
        assert (polarity[1] == [1, 0]).all() and not polarity[2:4].any()


def test_tips_begin_at_the_rate_of_their_drive() -> None:
    """0.03 + 0.1 x 0.75 per h: a share of exp(-0.105) of the candidates is left after 1 h."""
    begun = []
    for seed in range(40):
        made = model(seed, **{"setup.tips.rate_per_h": [0.03, 0.13]})
        made.cells["delta"][:], made.cells["drive"][:] = 0.9, 0.75
        border = bordered(made, dict.fromkeys(range(1, 41), 0.5))
        for made.mcs in range(120):
            tips_and_stalks(made, border)
        begun.append(int((made.assay.memory["tip"] > 0).sum()))
    wanted = 1 - np.exp(-0.105)
    error = np.sqrt(wanted * (1 - wanted) / 1600)
    assert np.mean(begun) / 40 == pytest.approx(wanted, abs=3.5 * error)


def test_tips_end_when_they_are_old_or_closed_in() -> None:
    made = model(**{"setup.tips.rate_per_h": [0, 0], "setup.tips.lasts_h": 0.1})
    made.assay.memory["tip"][[1, 2, 3]] = 11, 12, 3
    made.assay.memory["polarity"][[1, 2, 3]] = 1.0
    tips_and_stalks(made, bordered(made, {1: 0.5, 2: 0.5, 3: 0.01}))
    assert made.assay.memory["tip"][1:4].tolist() == [12, 0, 0]
    assert not made.assay.memory["polarity"][2:4].any()


def test_polarity_turns_to_the_free_border() -> None:
    made = model(**{"setup.tips.rate_per_h": [0, 0], "setup.tips.turn_h": 4})
    memory, border = made.assay.memory, bordered(made, {1: 0.5})
    memory["tip"][1], memory["polarity"][1] = 1, (0.0, 1.0)
    for _ in range(480):
        tips_and_stalks(made, border)
    assert memory["polarity"][1] == pytest.approx([1 - np.exp(-1), np.exp(-1)])


def test_tips_push_by_their_drive_unless_they_are_lost() -> None:
    made = model(**{"setup.tips.rate_per_h": [0, 0], "setup.tips.mu": [20, 60]})
    cells, memory = made.cells, made.assay.memory
    memory["tip"][[1, 3]], memory["polarity"][[1, 3]] = 1, (1.0, 0.0)
    cells["drive"][[1, 3]] = 0.5
    stalk = made.scenario.setup.stalk
    cells["centroid"][[1, 2]] = (0, 0), (0, stalk.slack_sites)
    cells["centroid"][[3, 4]] = (90, 0), (90, stalk.slack_sites + stalk.stretch_sites / 2)
    tips_and_stalks(made, bordered(made, {1: 0.5, 3: 0.5}, (1, 2), (3, 4)))
    assert cells["push"][1] == pytest.approx([40, 0])
    assert cells["push"][2] == pytest.approx([0, 0])
    assert cells["push"][3] == pytest.approx([20, stalk.pull / 4])
    assert cells["push"][4] == pytest.approx([0, -stalk.pull / 2])


def test_cells_spread_as_they_leave_and_shrink_as_they_come_back() -> None:
    """By whole sites, 60 in an hour, between 100 and 200."""
    made = model(**{"setup.tips.rate_per_h": [0, 0], "setup.spread.sites_per_h": 60})
    target = made.cells["target"]
    for free, wanted in ((0.5, (160, 200, 200)), (0.05, (140, 100, 100))):
        border = bordered(made, {1: free})
        for hour in range(3):
            for step in range(120):
                made.mcs = 120 * hour + step
                tips_and_stalks(made, border)
                assert target[1, 0] == round(target[1, 0])
            assert (target[1, 0], target[2, 0]) == (wanted[hour], 100)


# --- followers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_followers_are_those_of_the_plain_twin(seed: int) -> None:
    """Random contacts of 14 cells, three of them tips: leaders and pushes."""
    rng = np.random.default_rng(seed)
    pairs = [(a, b) for a in range(1, 15) for b in range(a + 1, 15) if rng.random() < 0.15]
    contacts = np.array([(*pair, rng.integers(1, 4)) for pair in pairs], np.int64).reshape(-1, 3)
    tips = rng.choice(np.arange(1, 15), 3, replace=False)
    centre = rng.uniform(0, 40, (16, 2))
    tip, polarity, mu = np.zeros(16, bool), unit(rng.normal(size=(16, 2))), 30.0
    tip[tips] = True
    stalk = Stalk.model_validate(STALK)

    leader = leaders(contacts, tip, stalk.reach)
    plain = [(int(a), int(b), int(n)) for a, b, n in contacts]
    wanted = plain_leaders(plain, {*tips.tolist()}, stalk.reach)
    assert {int(row): int(leader[row]) for row in np.flatnonzero(leader)} == wanted

    push = np.zeros((16, 2))
    push[tips] = mu * (1 - lost(contacts, centre, stalk))[tips, None] * polarity[tips]
    draw_together(push, leader, centre, stalk)
    twin = pushes(
        plain, {int(t): (mu, tuple(polarity[t])) for t in tips},
        {row: tuple(centre[row]) for row in range(1, 15)},
        reach=3, pull=50.0, slack=10.0, full=8.0,
    )  # fmt: skip
    for row, wanted_push in twin.items():
        assert push[row] == pytest.approx(wanted_push, abs=1e-9)


# --- whole spheroids -----------------------------------------------------------------------------

QUICK = {"setup.tips.rate_per_h": [1, 4], "setup.tips.mu": [60, 90], "time.duration_h": 2}


def test_tips_leave_the_spheroid_and_nothing_comes_off() -> None:
    made = model(**QUICK)
    made.advance(240)
    found = made.measure()
    assert found["tips"] >= 3 and found["loose_cells"] == 0
    assert found["longest_um"] > 15
    assert found["tips"] == sum(made.assay.memory["tip"] > 0)
    still = model(**QUICK | {"setup.tips.rate_per_h": [0, 0]})
    still.advance(240)
    assert still.measure()["tips"] == 0 and still.measure()["longest_um"] < found["longest_um"]


def test_blocked_notch_makes_more_tips() -> None:
    tips = {}
    for notch in (True, False):
        made = model(**QUICK | {"setup.notch": notch})
        made.advance(240)
        tips[notch] = made.measure()["tips"]
    assert tips[False] > 1.5 * tips[True] > 0


def test_no_bit_depends_on_threads_or_on_where_a_run_is_split() -> None:
    wanted, found = (model(5, threads=threads, **QUICK) for threads in (1, 4))
    wanted.advance(200)
    found.advance(77)
    other = model(6, threads=2, **QUICK)
    other.restore(found.state())
    found.advance(123)
    other.advance(123)
    for again in (found, other):
        state = again.state()
        for name, array in wanted.state().items():
            assert array.tobytes() == state[name].tobytes(), name
    assert wanted.state()["assay.tip"].any()


def test_the_picture_explains_the_colour_of_cells_that_are_no_tips() -> None:
    """The bar of the drive is left out where all cells are tips."""
    made = model()
    assert any("drive" in axes.get_ylabel() for axes in drawn_axes(made))
    made.assay.memory["tip"][made.endothelial] = 1
    assert not any("drive" in axes.get_ylabel() for axes in drawn_axes(made))


def drawn_axes(made: AngiogenesisModel) -> list[Any]:
    """The axes of a picture, also those within others."""
    axes = made.plot().axes
    return [*axes, *(child for one in axes for child in one.child_axes)]


def test_a_removed_tip_is_none_any_more() -> None:
    made = model(**QUICK)
    made.advance(60)
    row = int(np.flatnonzero(made.assay.memory["tip"])[0])
    next(agent for agent in made.agents if agent.row == row).remove()
    before = made.measure()["tips"]
    made.step()
    assert not made.assay.memory["tip"][row] and made.measure()["tips"] <= before + 2
