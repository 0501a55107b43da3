"""Half-lives against simulated slopes and accumulation, where they are said and how."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive.pharmacokinetics import Body, interval_areas
from scipy.linalg import expm
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import InputError
from sim.pharmacology.compartments import OneCompartment, TwoCompartment
from sim.pharmacology.drugs import load_drug
from sim.pharmacology.half_lives import half_lives
from sim.pharmacology.population import draw_subjects

parameters = st.fixed_dictionaries(
    {
        "CL": st.floats(0.5, 50), "V1": st.floats(2, 200), "Q": st.floats(0.5, 30),
        "V2": st.floats(2, 500), "ka": st.floats(0.02, 4), "F": st.floats(0.05, 1),
        "lag": st.sampled_from([0.0, 0.5]),
    }
)  # fmt: skip


@given(
    parameters, st.sampled_from([4.0, 12.0, 24.0]), st.sampled_from(["oral", "bolus", 2.0, 30.0])
)
@settings(max_examples=4)
def test_half_lives_of_two_compartments(
    pk: dict[str, float], every_h: float, kind: str | float
) -> None:
    route: Any = "oral" if kind == "oral" else "iv"
    infusion_h = kind if isinstance(kind, float) else 0.0
    found = half_lives(TwoCompartment(**pk), every_h, route, infusion_h)

    # the slope at the end of a simulated curve
    body = Body(pk, (), route, 0)
    rates = -np.linalg.eigvals(body.matrix[:3, :3] if kind == "oral" else body.matrix[1:3, 1:3])
    slow, near = np.sort(rates.real)[:2]
    state = np.eye(5)[0 if kind == "oral" else 1]
    late = state @ expm(body.matrix * 12 / slow).T  # the others are e^(-30) of it
    later = late @ expm(body.matrix / slow).T
    if near > 3.5 * slow:
        slope = np.log(late[1] / later[1]) * slow
        assert found.terminal_h == pytest.approx(np.log(2) / slope, rel=1e-5)
    assert found.terminal_h == pytest.approx(np.log(2) / slow, rel=1e-9)

    # what simulated doses accumulate to
    intervals = int(45 / (slow * every_h) + infusion_h / every_h + 3)
    assume(intervals < 100)
    areas = interval_areas(pk, every_h, intervals, route, infusion_h)
    ratio = areas[-1] / areas[0]
    assert areas[-1] == pytest.approx((pk["F"] if kind == "oral" else 1.0) / pk["CL"], rel=1e-9)
    assert found.accumulation == pytest.approx(ratio, rel=1e-8)
    if ratio > 1.001:  # else the logarithm of a difference
        k = np.log(ratio / (ratio - 1)) / every_h
        assert found.effective_h == pytest.approx(np.log(2) / k, rel=1e-5)

    # the phases after a bolus
    (fast_h, fast), (slow_h, slow_share) = found.phases
    assert fast + slow_share == pytest.approx(1.0)
    time = np.array([0.0, 0.3, 2.0, 20.0])
    level = [(expm(body.matrix * t) @ np.eye(5)[1])[1] / pk["V1"] for t in time]
    curve = sum(
        share / pk["CL"] * np.log(2) / half * np.exp2(-time / half)
        for half, share in ((fast_h, fast), (slow_h, slow_share))
    )
    np.testing.assert_allclose(curve, level, rtol=1e-7)
    assert bool(found.flip_flop) == (kind == "oral" and pk["ka"] < np.log(2) / slow_h)


@pytest.mark.parametrize("every_h", [1.0, 12.0, 400.0])
def test_of_one_phase_all_half_lives_are_one(every_h: float) -> None:
    found = half_lives(OneCompartment(5.0, 50.0, 1.0), every_h, "iv")
    assert found.effective_h == pytest.approx(10 * np.log(2), rel=1e-12)
    assert found.terminal_h == pytest.approx(10 * np.log(2), rel=1e-12)
    assert found.accumulation == pytest.approx(1 / (1 - np.exp(-every_h / 10)))
    assert [float(share) for _, share in found.phases] == [1.0]


def test_a_periphery_that_nothing_reaches_has_no_half_life() -> None:
    found = half_lives(TwoCompartment(5.0, 50.0, 0.0, 30.0, 1.0), 12.0)
    assert found.terminal_h == pytest.approx(10 * np.log(2))
    assert float(found.phases[-1][1]) == 1.0
    one = half_lives(OneCompartment(5.0, 50.0, 1.0), 12.0)
    assert found.effective_h == pytest.approx(float(one.effective_h))


def test_a_fast_drug_a_long_lag_and_no_interval() -> None:
    quick = half_lives(OneCompartment(100.0, 10.0, 50.0), 24.0, "iv")
    assert quick.effective_h == pytest.approx(0.1 * np.log(2))  # though nothing accumulates
    late = half_lives(OneCompartment(1.0, 10.0, 1.0, lag=13.0), 12.0)
    assert np.isinf(late.effective_h) and np.isinf(late.accumulation)
    assert "not defined" in str(late)
    with pytest.raises(InputError, match=r"every_h = 0: must be above 0"):
        half_lives(OneCompartment(1.0, 10.0, 1.0), 0.0)


def test_each_subject_has_its_own() -> None:
    population = draw_subjects(load_drug("anlotinib").kinetics("rat"), 4, seed=3)
    together = half_lives(population, 24.0)
    for place in range(4):
        alone = half_lives(population.subject(place), 24.0)
        assert together.effective_h[place] == pytest.approx(float(alone.effective_h))
        assert together.terminal_h[place] == pytest.approx(float(alone.terminal_h))
        assert together.phases[0][1][place] == pytest.approx(float(alone.phases[0][1]))


def test_screen_json_and_describe_say_which_half_life_it_is() -> None:
    settings = ["--set", "drug.name=axitinib", "--set", "drug.regimen.every_h=12"]
    settings += ["--set", "drug.regimen.dose_mg=5"]
    shown = CliRunner().invoke(app, ["pk", "human_12mg", *settings]).output
    assert "effective half-life 5.81 h (1.31-fold accumulation of a dose every 12 h)" in shown
    assert (
        "terminal half-life 87.25 h, of a phase with 22.4 % of the AUC; before it 1.75 h" in shown
    )
    told = json.loads(CliRunner().invoke(app, ["pk", "human_12mg", *settings, "--json"]).stdout)
    assert told["effective_half_life_h"] == pytest.approx(5.81, abs=0.01)
    assert told["effective_half_life_every_h"] == 12
    assert told["terminal_half_life_h"] == told["half_life_h"] == pytest.approx(87.25, abs=0.01)
    assert told["accumulation_steady"] == pytest.approx(1.314, abs=1e-3)
    assert [phase["auc_share"] for phase in told["phases"]] == pytest.approx(
        [0.776, 0.224], abs=1e-3
    )
    about = CliRunner().invoke(app, ["describe", "nintedanib"]).output
    assert "flip-flop" in about and "effective half-life" in about


def test_a_population_has_both() -> None:
    found = sim.pk("rat_oral", subjects=30).population
    assert found["terminal_half_life_h"] == found["half_life_h"]
    assert 0 < found["effective_half_life_h"]["p50"] < found["terminal_half_life_h"]["p95"]
