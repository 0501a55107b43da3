"""Steady states, infusions that overlap, interactions and covariates against integration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marks import slow
from naive.pharmacokinetics import integrated
from numpy.typing import NDArray

import sim
from sim.errors import InputError, ScenarioError
from sim.pharmacology.compartments import OneCompartment, TwoCompartment
from sim.pharmacology.course import Change, Course
from sim.pharmacology.dosing import Dose, body_surface_m2
from sim.scenario.exposure import pharmacokinetic
from sim.scenario.resolve import load
from sim.scenario.treatment import LATER
from sim.scenario.writing import decisive, scenario_hash

Array = NDArray[np.float64]

RAT = TwoCompartment(5.35 * 0.25, 11.04 * 0.25, 5.42 * 0.25, 16.56 * 0.25, 1.0, 0.43)
TO_NM = 1e6 / 407.44
TIMES = np.array([0.0, 0.3, 1.0, 5.99, 6.0, 11.0, 20.0, 23.0])


def rat(regimen: dict[str, Any] | None = None, **drug: Any) -> dict[str, Any]:
    given = {"name": "anlotinib", "exposure": "pk", "species": "rat", **drug}
    return {
        "extends": "tube_formation",
        "drug": given | ({"regimen": regimen} if regimen else {}),
    }


def human(regimen: dict[str, Any], **drug: Any) -> dict[str, Any]:
    return rat(regimen, **drug) | {"drug": {**rat(regimen, **drug)["drug"], "species": "human"}}


# --- interactions ----------------------------------------------------------------------------

hours = st.floats(0, 40).map(lambda at_h: round(at_h, 6))  # nearer to a sample is at the sample
doses = st.lists(
    st.one_of(
        st.builds(Dose, hours, st.floats(0.5, 50)),
        st.builds(Dose, hours, st.floats(0.5, 50), st.just("iv")),
        st.builds(Dose, hours, st.floats(0.5, 50), st.just("iv"), st.floats(0.05, 30)),
    ),
    min_size=1,
    max_size=4,
)
changes = st.lists(
    st.tuples(st.floats(0, 60), st.floats(0.2, 5), st.floats(0.3, 1.2)), min_size=1, max_size=3
).map(lambda found: tuple(Change(*one) for one in sorted(found)))


@given(doses, changes, st.booleans(), st.sampled_from([0.0, 0.7]))
@settings(max_examples=40)
def test_what_changes_clearance_and_absorption(
    given_: list[Dose], changed: tuple[Change, ...], two: bool, lag: float
) -> None:
    one = OneCompartment(3.0, 40.0, 0.4, 0.5, lag)
    model = TwoCompartment(3.0, 40.0, 2.0, 90.0, 0.4, 0.5, lag) if two else one
    times = np.linspace(0.0, 80.0, 9)
    course, truth = Course(model, given_, None, changed), integrated(model, given_, times, changed)
    level, area = truth[1] / 40.0, truth[4]
    np.testing.assert_allclose(
        course.concentration(times), level, rtol=1e-8, atol=1e-14 * level.max()
    )
    for start, end in ((0, 8), (1, 5), (3, 4)):
        found = course.auc(times[start], times[end])
        assert found == pytest.approx(area[end] - area[start], rel=1e-8, abs=1e-10 * area.max())


def test_a_change_that_changes_nothing() -> None:
    plain = Course(RAT, [Dose(0, 1), Dose(24, 1, "iv", 3)])
    same = Course(RAT, [Dose(0, 1), Dose(24, 1, "iv", 3)], None, [Change(7.0), Change(30.0)])
    np.testing.assert_allclose(same.concentration(TIMES), plain.concentration(TIMES), rtol=1e-13)
    assert same.auc(2.0, 40.0) == pytest.approx(float(plain.auc(2.0, 40.0)), rel=1e-13)
    assert 7.0 in same.events_h(0.0, 10.0)
    with pytest.raises(InputError, match="a steady state has no changes"):
        Course(RAT, [Dose(0, 1)], 24.0, [Change(7.0)])


def test_subjects_with_lags_of_their_own_and_a_change() -> None:
    lags = np.array([0.0, 0.4, 3.0])
    many = OneCompartment(3.0, 40.0, 0.4, 0.5, lags)
    together = Course(many, [Dose(0, 10), Dose(12, 10)], None, [Change(1.0, 3.0), Change(13.0)])
    for place, lag in enumerate(lags):
        alone = OneCompartment(3.0, 40.0, 0.4, 0.5, lag)
        truth = integrated(alone, together.doses, TIMES, together.changes)[1] / 40.0
        np.testing.assert_allclose(together.concentration(TIMES)[place], truth, rtol=1e-8)
        assert together.auc(0, 30)[place] == pytest.approx(
            integrated(alone, together.doses, np.array([30.0]), together.changes)[4, 0], rel=1e-8
        )


def test_interactions_of_a_scenario_count_days_from_the_first_dose() -> None:
    interaction = [
        {"factor_CL": 0.5, "from_day": 2, "to_day": 3},
        {"factor_CL": 0.5, "factor_F": 1.5, "from_day": 3},
        {"factor_CL": 0.8},
    ]
    regimen = {"dose_mg": 0.5, "on_days": 4, "first_h": 10.0}
    exposure = pharmacokinetic(load(rat(regimen, interaction=interaction)))
    dose = [Dose(10.0 + 24 * day, 0.5) for day in range(4)]
    changed = [Change(34.0, 0.5), Change(58.0, 0.25, 1.5), Change(82.0, 0.5, 1.5)]
    model = replace(RAT, CL=0.8 * RAT.CL)
    times = np.linspace(0, 120, 13)
    truth = TO_NM * integrated(model, dose, times, changed)[1] / RAT.V1
    np.testing.assert_allclose(exposure.total_nM(times), truth, rtol=1e-8)
    # a list of doses: from its first dose on
    listed = [{"at_h": d.at_h, "amount_mg": d.amount_mg} for d in dose[::-1]]
    same = pharmacokinetic(load(rat(doses=listed, interaction=interaction)))
    np.testing.assert_allclose(same.total_nM(times), truth, rtol=1e-8)


def test_an_interaction_throughout_is_another_clearance_and_dose() -> None:
    regimen = {"dose_mg": 12, "on_days": 14, "off_days": 7, "cycles": "steady"}
    found = sim.pk(human(regimen, interaction=[{"factor_CL": 0.5, "factor_F": 0.7}]))
    same = sim.pk(human(regimen | {"dose_mg": 12 * 0.7}, pk={"CL": 6.15}))
    np.testing.assert_allclose(found.total_nM, same.total_nM, rtol=1e-12)
    assert found.half_lives.terminal_h == pytest.approx(2 * 113.27, rel=1e-3)
    assert found.doses[0].amount_mg == 12
    population = sim.pk(human(regimen, interaction=[{"factor_CL": 0.5}]), subjects=40)
    assert population.population["terminal_half_life_h"]["p50"] > 180


# --- the steady state ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "regimen",
    [
        {"dose_mg": 0.5},
        {"dose_mg": 0.5, "every_h": 8, "on_days": 2, "off_days": 1, "first_h": 30.0},
        {"dose_mg": 0.5, "route": "iv"},
        {"dose_mg": 0.5, "every_h": 6, "route": "iv", "infusion_h": 15.0},
        {"dose_mg": 0.5, "every_h": 6, "route": "iv", "infusion_h": 6.0},
        {"dose_mg": 0.5, "every_h": 2.4, "route": "iv", "infusion_h": 2.4},
        {"dose_mg": 0.5, "every_h": 24, "off_days": 1, "route": "iv", "infusion_h": 100.0},
    ],
)
def test_the_steady_state_of_a_regimen(regimen: dict[str, Any]) -> None:
    found = sim.pk(rat(regimen | {"cycles": "steady"}), subjects=3)
    every_h, on = regimen.get("every_h", 24), regimen.get("on_days", 1)
    cycle_h, first_h = 24.0 * (on + regimen.get("off_days", 0)), regimen.get("first_h", 0.0)
    route, infusion_h = regimen.get("route", "oral"), regimen.get("infusion_h", 0.0)
    before = int(np.ceil((260 + infusion_h) / cycle_h))
    start_h = before * cycle_h
    per_cycle = round(24 * on / every_h)
    taken = [
        Dose(k * cycle_h + n * every_h, 0.5, route, infusion_h)
        for k in range(before + 1)
        for n in range(per_cycle)
    ]  # fmt: skip
    times = np.linspace(0, cycle_h, 10)[:-1] + 0.01
    truth = integrated(RAT, taken, np.append(start_h + times, [start_h, start_h + cycle_h]))
    exposure = pharmacokinetic(load(rat(regimen | {"cycles": "steady"})))
    level = TO_NM * truth[1] / RAT.V1
    np.testing.assert_allclose(exposure.total_nM(first_h + times), level[:-2], rtol=1e-8)
    window = found.windows["cycle in steady state"]
    assert (window["start_h"], window["end_h"]) == (first_h, first_h + cycle_h)
    assert window["auc_nM_h"] == pytest.approx(TO_NM * (truth[4, -1] - truth[4, -2]), rel=1e-8)
    assert window["last_nM"] == pytest.approx(level[-1], rel=1e-8)
    assert window["cmax_nM"] >= level.max() * (1 - 1e-9)
    assert found.accumulation is None
    assert "in steady state" in str(found.regimen)
    assert len(found.doses) == per_cycle and found.doses[0].at_h == first_h
    last = found.windows.get("last dose", window)
    gap_h = cycle_h - (per_cycle - 1) * every_h
    assert last["end_h"] - last["start_h"] == pytest.approx(min(every_h, gap_h))
    found.plot()


@pytest.mark.parametrize("every_h", [2.4, slow(24.0)])
def test_a_dose_at_the_end_of_a_cycle_is_the_first_of_the_next_one(every_h: float) -> None:
    """Whatever the sum of hours is rounded to."""
    for first_h in np.round(np.arange(0.0, 60.0, 0.7), 1).tolist():
        regimen = {"dose_mg": 0.5, "route": "iv", "every_h": every_h, "first_h": first_h}
        exposure = pharmacokinetic(load(rat(regimen | {"cycles": "steady"})))
        trough, peak = (float(exposure.total_nM(first_h + 24 + by)) for by in (-1e-6, 1e-6))
        assert peak > 2 * trough
        for turn in (1, 2, 3):
            end_h = first_h + 24.0 * turn
            assert exposure.total_nM(end_h, before=True) == pytest.approx(trough, rel=1e-5)
            assert exposure.total_nM(end_h) == pytest.approx(peak, rel=1e-5)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"loading": 3.0}, "loading"),
        ({"reductions": {"1": 3.0}}, "reductions"),
        ({"missed_days": [1]}, "missed_days"),
        ({"late_doses": {"1": 3.0}}, "late_doses"),
        ({"every_h": 36.0, "on_days": 2}, "every_h"),
    ],
)
def test_what_a_steady_state_cannot_have(more: dict[str, Any], key: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(rat({"dose_mg": 1, "cycles": "steady"} | more))
    assert [problem.key for problem in caught.value.problems] == [f"drug.regimen.{key}"]


# --- infusions in every form of input --------------------------------------------------------


@pytest.mark.parametrize("infusion_h", [6.0, 15.0, 0.1])
def test_infusions_overlap_or_follow_in_every_form_of_input(
    tmp_path: Path, infusion_h: float
) -> None:
    starts = [6.0 * place for place in range(4)]
    truth = [Dose(at_h, 0.5, "iv", infusion_h) for at_h in starts]
    listed = [
        {"at_h": at_h, "amount_mg": 0.5, "route": "iv", "infusion_h": infusion_h} for at_h in starts
    ]
    rows = "\n".join(f"{at_h},0.5,iv,{infusion_h}" for at_h in starts)
    (tmp_path / "doses.csv").write_text(f"time_h,amount_mg,route,infusion_h\n{rows}\n")
    (tmp_path / "mine.toml").write_text(
        'extends = "tube_formation"\n[drug]\nname = "anlotinib"\nexposure = "pk"\n'
        'species = "rat"\ndoses_csv = "doses.csv"\n'
    )
    regimen = {"dose_mg": 0.5, "every_h": 6, "route": "iv", "infusion_h": infusion_h}
    settings_ = {"drug.doses": listed}
    level = TO_NM * integrated(RAT, truth, TIMES)[1] / RAT.V1
    for scenario in (
        load(rat(regimen)),
        load(rat(doses=listed)),
        load(tmp_path / "mine.toml"),
        load("rat_oral", settings_),
    ):
        found = pharmacokinetic(scenario).total_nM(TIMES)
        np.testing.assert_allclose(found, level, rtol=1e-8, atol=1e-12)


# --- for whom --------------------------------------------------------------------------------


def test_doses_by_body_surface() -> None:
    assert body_surface_m2(72.0, 200.0) == pytest.approx(2.0)
    body = {"weight_kg": 72.0, "height_cm": 200.0}
    found = sim.pk(human({"dose_mg_per_m2": 5.0, "on_days": 3}, **body))
    assert [dose.amount_mg for dose in found.doses] == pytest.approx([10.0] * 3)
    assert "5 mg/m2 orally" in str(found.regimen)
    loading = sim.pk(human({"dose_mg_per_m2": 5.0, "on_days": 2, "loading": 7.0}, **body))
    assert [dose.amount_mg for dose in loading.doses] == pytest.approx([14.0, 10.0])
    for missing, key in (("weight_kg", "weight_kg"), ("height_cm", "height_cm")):
        less = {name: value for name, value in body.items() if name != missing}
        with pytest.raises(ScenarioError, match=rf"dose_mg_per_m2 = 5.*give {key}"):
            load(human({"dose_mg_per_m2": 5.0}, **less))
    with pytest.raises(ScenarioError, match="people"):
        load(rat({"dose_mg_per_m2": 5.0}, height_cm=10.0))


def test_another_kind_of_dose_replaces_that_of_the_base() -> None:
    scenario = load("human_12mg", {"drug.regimen.dose_mg_per_kg": 0.2, "drug.weight_kg": 50})
    assert scenario.drug is not None and scenario.drug.regimen is not None
    assert scenario.drug.regimen.dose_mg is None
    assert pharmacokinetic(scenario).doses[0].amount_mg == pytest.approx(10.0)


def test_covariates_scale_parameters() -> None:
    covariates = [
        {"of": "CL", "name": "weight_kg", "reference": 70, "exponent": 0.75},
        {"of": "V", "name": "weight_kg", "reference": 70, "exponent": 1},
        {"of": "CL", "name": "albumin", "value": 30, "reference": 40, "exponent": -0.5},
    ]
    regimen = {"dose_mg": 12, "on_days": 5}
    found = sim.pk(human(regimen, weight_kg=50, covariates=covariates), subjects=50)
    CL = 12.3 * (50 / 70) ** 0.75 * (30 / 40) ** -0.5
    plain = sim.pk(human(regimen, pk={"CL": CL, "V": 2010 * 50 / 70}))
    np.testing.assert_allclose(found.total_nM, plain.total_nM, rtol=1e-12)
    typical = sim.pk(human(regimen), subjects=50)  # the same subjects, each scaled
    V_by_CL = 50 / 70 * 12.3 / CL
    for percent, value in found.population["terminal_half_life_h"].items():
        theirs = typical.population["terminal_half_life_h"][percent]
        assert value == pytest.approx(theirs * V_by_CL, rel=0.02)


@pytest.mark.parametrize(
    ("drug", "words"),
    [
        ({"covariates": [{"of": "CLL", "name": "x", "value": 1, "reference": 1, "exponent": 1}]},
         r"covariates\.0\.of = 'CLL': must be one of.*did you mean 'CL'"),
        ({"covariates": [{"of": "CL", "name": "age", "reference": 1, "exponent": 1}]},
         r"covariates\.0\.value: is missing: age"),
        ({"covariates": [{"of": "CL", "name": "weight_kg", "value": 3, "reference": 1,
                          "exponent": 1}]}, r"is drug\.weight_kg: give it there"),
        ({"interaction": [{"factor_CL": 0}]}, r"interaction\.0\.factor_CL = 0: .*above 0"),
        ({"interaction": [{"from_day": 5, "to_day": 4}]}, r"to_day = 4: must be at least from_day"),
        ({"interaction": [{"factor_CL": 2, "from_day": 0}]}, r"from_day = 0: .*at least 1"),
        ({"interaction": [{"factor_F": 2.0}]}, r"factor_F = 2: must be at most 1.724"),
    ],
)  # fmt: skip
def test_impossible_interactions_and_covariates(drug: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        load(rat({"dose_mg": 1}, **drug))


def test_scenarios_without_later_keys_keep_their_hash() -> None:
    """Studies of the version before these keys are not run again for them."""
    plain, tall = load("rat_oral"), load("rat_oral", {"drug.height_cm": 30})
    assert not LATER & {*decisive(plain)["drug"], *decisive(plain)["drug"]["regimen"]}
    assert decisive(tall)["drug"]["height_cm"] == 30
    assert scenario_hash(tall) != scenario_hash(plain)
