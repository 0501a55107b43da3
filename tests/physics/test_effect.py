"""Inhibition over time: slow off-rates and two drugs, against integration; in the tissue, too."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from marks import slow
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

import sim
from sim.errors import ScenarioError
from sim.pharmacology.compartments import TwoCompartment
from sim.pharmacology.dosing import Dose
from sim.pharmacology.drugs import Potency, inhibition, load_drug
from sim.pharmacology.effect import Agent, Effect, _Occupancy, _radau
from sim.pharmacology.exposure import Media, Pharmacokinetic
from sim.pharmacology.population import draw_potencies, draw_subjects
from sim.scenario.exposure import effect_of, exposure_of, potency_of
from sim.scenario.resolve import load
from sim.scenario.writing import dump

Array = NDArray[np.float64]

POTENCY = Potency("p", "s", {"A": 5.0, "B": 1.0}, {"A": 1.0, "B": 1.7}, {})
RAT = TwoCompartment(5.35 * 0.25, 11.04 * 0.25, 5.42 * 0.25, 16.56 * 0.25, 1.0, 0.43)
DOSES = [Dose(0, 3), Dose(24, 1, "iv"), Dose(30, 1, "iv", 4)]
ORAL_AND_IV = Pharmacokinetic(RAT, DOSES, 0.03, 1.0, 407.44)
MEDIA = Media((0.0, 6.0, 30.0), (5.0, 0.0, 50.0))
TIMES = np.array([0.01, 0.5, 6.0, 6.5, 24.0, 24.01, 31.0, 34.0, 40.0, 55.0])
SMALL = {"domain.size_um": [200, 200], "time.duration_h": 0.2, "time.record_every_h": 0.05}


def integrated(agents: Sequence[Agent], receptor: str, times: Array) -> Array:
    """Inhibition by an ordinary solver, from one sudden change to the next."""
    slow = [agent for agent in agents if receptor in agent.residence_h]
    fast = [agent for agent in agents if receptor not in agent.residence_h]

    def x(agent: Agent, time_h: float) -> float:
        free_nM = float(np.asarray(agent.exposure.free_nM(np.array([time_h])))[0])
        return (free_nM / agent.potency.ic50_nM[receptor]) ** agent.potency.hill[receptor]

    def free(time_h: float, occupied: Array) -> float:
        return (1 - occupied.sum()) / (1 + sum(x(agent, time_h) for agent in fast))

    def slope(time_h: float, occupied: Array) -> Array:
        on = np.array([x(agent, time_h) for agent in slow]) * free(time_h, occupied)
        return (on - occupied) / [agent.residence_h[receptor] for agent in slow]

    events = np.unique(np.concatenate([agent.exposure.events_h(0, 100) for agent in agents]))
    occupied, now, found = np.zeros(len(slow)), 0.0, []
    stops = sorted([(at_h, 0) for at_h in events if at_h > 0] + [(at_h, 1) for at_h in times])
    for at_h, asked in stops:
        if at_h > now:
            end = at_h if asked else at_h - 2e-9  # up to the change, not beyond
            occupied = solve_ivp(
                slope, (now, end), occupied, method="DOP853", rtol=1e-11, atol=1e-13
            ).y[:, -1]
            now = at_h
        if asked:
            found.append(1 - free(at_h, occupied))
    return np.array(found)


@pytest.mark.parametrize("receptor", ["A", slow("B")])
@pytest.mark.parametrize(
    "agents",
    [
        [Agent(MEDIA, POTENCY, {"A": 32.0, "B": 0.5})],
        [Agent(ORAL_AND_IV, POTENCY, {"A": 32.0, "B": 4.0})],
        [Agent(ORAL_AND_IV, POTENCY, {"A": 3.0, "B": 2.0}), Agent(MEDIA, POTENCY)],
        [Agent(MEDIA, POTENCY, {"A": 1.0, "B": 10.0}), Agent(ORAL_AND_IV, POTENCY, {"A": 3.0})],
    ],
)
def test_slow_off_rates_are_integrated_to_1e_8(agents: list[Agent], receptor: str) -> None:
    found = Effect(agents).inhibition(TIMES)[receptor]
    np.testing.assert_allclose(found, integrated(agents, receptor, TIMES), rtol=0, atol=1e-8)


def test_wash_out_is_exponential() -> None:
    """Rate (1 + x) / residence while the drug is there, 1 / residence after it."""
    effect = Effect([Agent(Media((0.0, 6.0), (5.0, 0.0)), POTENCY, {"A": 32.0})])
    at_6 = 0.5 * -np.expm1(-2 * 6 / 32)
    times = np.array([6.0, 7.0, 38.0, 100.0])
    expected = at_6 * np.exp(-(times - 6) / 32)
    np.testing.assert_allclose(effect.inhibition(times)["A"], expected, atol=1e-9)
    # the receptor without a residence time follows at once
    assert (effect.inhibition(times)["B"] == 0.0).all()


@pytest.mark.parametrize("drugs", [1, 2])
def test_elimination_without_pivots_is_exact(drugs: int) -> None:
    """Against LAPACK's solution of the stages, for drives of twelve orders of magnitude."""
    rng = np.random.default_rng(3)
    times = np.array([0.0, 0.25, 1.0, 5.0])
    c, A = _radau()
    for _ in range(40):
        k = 10.0 ** rng.uniform(-3, 3, drugs)
        x = 10.0 ** rng.uniform(-6, 6, drugs)
        agents = [
            Agent(Media((0.0,), (5.0 * one,)), POTENCY, {"A": 1.0 / rate})
            for one, rate in zip(x, k, strict=True)
        ]
        M, N = _Occupancy(agents, ["A"])._steps(times[:-1], times[1:])
        for place, h in enumerate(np.diff(times)):
            J = np.outer(k * x, np.ones(drugs)) + np.diag(k)
            left = np.eye(5 * drugs) + np.kron(h * A, J)
            right = np.column_stack([
                np.tile(np.eye(drugs), (5, 1)), np.kron(h * c[:, None], (k * x)[:, None])
            ])  # fmt: skip
            exact = np.linalg.solve(left, right)[-drugs:]
            np.testing.assert_allclose(M[place, :, :, 0], exact[:, :drugs], rtol=0, atol=1e-9)
            np.testing.assert_allclose(N[place, :, 0], exact[:, drugs], rtol=0, atol=1e-9)


def test_nothing_depends_on_what_was_asked_before() -> None:
    agents = [Agent(ORAL_AND_IV, POTENCY, {"A": 3.0})]
    whole = Effect(agents).inhibition(TIMES)["A"]
    one_by_one = Effect(agents)
    for place in np.random.default_rng(1).permutation(len(TIMES)):
        assert one_by_one.inhibition(TIMES[place : place + 1])["A"][0] == whole[place]


def test_a_quick_off_rate_is_none() -> None:
    times = TIMES[(TIMES > 0.1) & (TIMES != 24.0)]  # not at the moment of a bolus
    slow = Effect([Agent(ORAL_AND_IV, POTENCY, {"A": 1e-3, "B": 1e-3})]).inhibition(times)
    at_once = inhibition(ORAL_AND_IV.free_nM(times), POTENCY)
    np.testing.assert_allclose(slow["A"], at_once["A"], atol=3e-3)
    np.testing.assert_allclose(slow["B"], at_once["B"], atol=3e-3)


def test_each_subject_as_if_alone() -> None:
    population = draw_subjects(load_drug("anlotinib").kinetics("rat"), 3, seed=2, weight_kg=0.25)
    many = Pharmacokinetic(population, DOSES, 0.03, 1.0, 407.44)
    partner = Agent(MEDIA, POTENCY)
    for more in ([], [partner]):
        together = Effect([Agent(many, POTENCY, {"A": 8.0}), *more]).inhibition(TIMES)
        for place in range(3):
            one = Pharmacokinetic(population.subject(place), DOSES, 0.03, 1.0, 407.44)
            alone = Effect([Agent(one, POTENCY, {"A": 8.0}), *more]).inhibition(TIMES)
            for receptor in "AB":
                np.testing.assert_allclose(
                    together[receptor][place], alone[receptor], rtol=0, atol=1e-9
                )


def test_of_a_steady_state_there_always_was_a_before() -> None:
    steady = Pharmacokinetic(RAT, [Dose(0, 3)], 0.03, 1.0, 407.44, cycle_h=24.0)
    many = Pharmacokinetic(RAT, [Dose(24.0 * n, 3) for n in range(41)], 0.03, 1.0, 407.44)
    residence = {"A": 20.0}
    found = Effect([Agent(steady, POTENCY, residence)]).inhibition(TIMES)["A"]
    late = Effect([Agent(many, POTENCY, residence)]).inhibition(TIMES[TIMES < 24] + 960)["A"]
    np.testing.assert_allclose(found[TIMES < 24], late, rtol=0, atol=1e-8)


def test_two_drugs_that_act_at_once_exclude_each_other() -> None:
    """x = sum of (D / IC50)^h, I = x / (1 + x); one drug alone is as without the other."""
    time = np.array([1.0, 10.0, 40.0])
    other = Potency("q", "s", {"A": 2.0}, {"A": 1.0}, {})
    pair = Effect([Agent(ORAL_AND_IV, POTENCY), Agent(MEDIA, other)]).inhibition(time)
    one, two = ORAL_AND_IV.free_nM(time), MEDIA.free_nM(time)
    x = one / 5.0 + two / 2.0
    np.testing.assert_allclose(pair["A"], x / (1 + x), rtol=1e-14)
    np.testing.assert_allclose(pair["B"], inhibition(one, POTENCY)["B"], rtol=1e-13)
    assert pair["A"][1] == pytest.approx(inhibition(one, POTENCY)["A"][1], rel=1e-13)
    none = Effect([Agent(Media((0.0,), (0.0,)), POTENCY), Agent(Media((0.0,), (0.0,)), other)])
    assert (none.inhibition(time)["A"] == 0.0).all()


# --- in scenarios ----------------------------------------------------------------------------


def test_the_tissue_and_pk_see_the_same_inhibition() -> None:
    settings = {"drug.residence_h.VEGFR2": 2.0, "time.start_h": 3.0, **SMALL}
    scenario = load("rat_oral", settings)
    result = sim.run(scenario)
    table = result.timeseries
    effect = effect_of(scenario)
    assert effect is not None
    at = table["time_h"].to_numpy()
    np.testing.assert_allclose(
        table["inhibition_VEGFR2"], effect.inhibition(at)["VEGFR2"], rtol=0, atol=1e-12
    )
    at_once = effect.inhibition(at)["FGFR1"]
    np.testing.assert_allclose(table["inhibition_FGFR1"], at_once, atol=1e-12)
    course = sim.pk(scenario)
    there = np.interp(at, course.time_h, course.inhibition["VEGFR2"])
    np.testing.assert_allclose(table["inhibition_VEGFR2"], there, atol=1e-3)
    window = course.windows["first dose"]["inhibition"]["VEGFR2"]
    times = np.linspace(0.0, 24.0, 2401)
    found = effect.inhibition(times)["VEGFR2"]
    assert window["mean"] == pytest.approx(np.trapezoid(found, times) / 24, abs=1e-3)
    assert window["highest"] == pytest.approx(found.max(), abs=1e-3)
    assert window["last"] == pytest.approx(found[-1], abs=1e-6)
    plain = sim.pk("rat_oral").windows["first dose"]["inhibition"]
    assert window["highest"] < plain["VEGFR2"]["highest"]
    assert course.windows["first dose"]["inhibition"]["FGFR1"]["mean"] == pytest.approx(
        plain["FGFR1"]["mean"], abs=1e-3
    )


def test_a_model_goes_on_bit_for_bit_where_inhibition_outlasts_the_drug() -> None:
    media = [{"at_h": 0, "free_nM": 50}, {"at_h": 1.05, "free_nM": 0}]
    drug = {"drug.media": media, "drug.exposure": "schedule", "time.start_h": 1.0}
    scenario = load("tube_formation", {**drug, "drug.residence_h": {"VEGFR2": 1.0}, **SMALL})
    whole = sim.AngiogenesisModel(scenario)
    whole.advance(20)
    first = sim.AngiogenesisModel(scenario)
    first.advance(13)
    second = sim.AngiogenesisModel(scenario)
    second.restore(first.state())
    second.advance(7)
    mine, theirs = second.state(), whole.state()
    assert all(np.array_equal(mine[key], theirs[key]) for key in theirs)
    assert second.measure() == whole.measure()
    at_once = sim.AngiogenesisModel(load("tube_formation", {**drug, **SMALL}))
    at_once.advance(20)
    assert whole.measure()["inhibition_VEGFR2"] > 0.5 > at_once.measure()["inhibition_VEGFR2"] == 0
    assert whole.cells["activity"].mean() < at_once.cells["activity"].mean()


def test_a_medium_with_serum() -> None:
    plain = load("tube_formation", {"drug.free_nM": 4.0})
    serum = load(
        "tube_formation", {"drug.nominal_nM": 40.0, "drug.fraction_unbound_medium": 0.1}
    )  # over a base that gives free_nM
    times = np.array([0.0, 3.0])
    for scenario, total in ((plain, 4.0), (serum, 40.0)):
        exposure = exposure_of(scenario)
        np.testing.assert_allclose(exposure.free_nM(times), 4.0)
        np.testing.assert_allclose(exposure.total_nM(times), total)
    media = [{"at_h": 0, "nominal_nM": 40}, {"at_h": 2, "free_nM": 1}]
    mixed = exposure_of(
        load(
            "tube_formation",
            {
                "drug.exposure": "schedule",
                "drug.media": media,
                "drug.fraction_unbound_medium": 0.1,
            },
        )
    )
    np.testing.assert_allclose(mixed.free_nM(times), [4.0, 1.0])
    np.testing.assert_allclose(mixed.total_nM(times), [40.0, 10.0])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"drug.nominal_nM": 4.0}, "needs drug.fraction_unbound_medium"),
        ({"drug.fraction_unbound_medium": 1.5}, "at most 1"),
        ({"drug.fraction_unbound_medium": 0}, "above 0"),
        ({"drug.residence_h.VEGFR": 3}, "did you mean 'VEGFR2'"),
        ({"drug.residence_h.VEGFR2": 0}, "above 0"),
        ({"drug.ic50_cv.VEGFR2": 0.3}, "needs drug.exposure = 'pk'"),
        ({"drug.exposure": "schedule", "drug.media": [{"at_h": 0}]}, "free_nM: is missing"),
        (
            {
                "drug.exposure": "schedule",
                "drug.fraction_unbound_medium": 0.1,
                "drug.media": [{"at_h": 0, "free_nM": 1, "nominal_nM": 1}],
            },
            "must not be given together",
        ),
    ],
)
def test_impossible_media_and_off_rates(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        load("tube_formation", settings)


def test_plasma_has_no_medium() -> None:
    with pytest.raises(ScenarioError, match="is of media"):
        load("rat_oral", {"drug.fraction_unbound_medium": 0.1})


# --- spread of potency -----------------------------------------------------------------------


def test_potencies_vary_between_subjects() -> None:
    potency = Potency("p", "s", {"A": 5.0, "B": 1.0}, {"A": 1.0, "B": 1.0}, {})
    found = draw_potencies(potency, {"A": 0.5}, 20_000, seed=3)
    assert (found["B"] == 1.0).all()
    assert np.median(found["A"]) == pytest.approx(5.0, rel=0.02)
    assert found["A"].std() / found["A"].mean() == pytest.approx(0.5, rel=0.05)
    fewer = draw_potencies(potency, {"A": 0.5, "B": 0.2}, 50, seed=3)
    np.testing.assert_array_equal(fewer["A"], found["A"][:50])
    assert not np.array_equal(fewer["B"] - 1, fewer["A"] - 5)
    other = draw_potencies(potency, {"A": 0.5}, 50, seed=4)
    assert not np.array_equal(other["A"], fewer["A"])


def test_spread_of_potency_widens_the_bands_of_inhibition() -> None:
    settings = {"drug.ic50_cv.VEGFR2": 0.6}
    plain, wide = sim.pk("human_12mg", subjects=60), sim.pk("human_12mg", settings, subjects=60)
    assert plain.inhibition_bands is not None and wide.inhibition_bands is not None
    late = plain.time_h > 300
    for receptor, more in (("VEGFR2", 1.2), ("FGFR1", 0.0)):
        widths = [
            (one.inhibition_bands[receptor][2] - one.inhibition_bands[receptor][0])[late].mean()
            for one in (plain, wide)
        ]
        assert widths[1] > more * widths[0]
    np.testing.assert_array_equal(wide.total_bands_nM, plain.total_bands_nM)
    np.testing.assert_allclose(
        wide.inhibition_bands["FGFR1"], plain.inhibition_bands["FGFR1"], atol=2e-3
    )
    # plainly: each subject by itself
    scenarios = [load("human_12mg", settings | {"drug.subject": n}) for n in range(1, 61)]
    at = int(np.argmax(plain.time_h > 310))
    each = []
    for scenario in scenarios:
        free_nM = exposure_of(scenario).free_nM(plain.time_h[at : at + 1])[0]
        ic50 = potency_of(scenario).ic50_nM["VEGFR2"]  # type: ignore[union-attr]
        each.append(free_nM / (free_nM + ic50))
    expected = np.percentile(each, (5, 50, 95))
    np.testing.assert_allclose(wide.inhibition_bands["VEGFR2"][:, at], expected, rtol=1e-9)


# --- a second drug ---------------------------------------------------------------------------

PAIR = {
    "drug.free_nM": 3.0,
    "partner.name": "sunitinib",
    "partner.potency": "company",
    "partner.free_nM": 4.0,
}


def test_a_checkerboard_is_two_keys() -> None:
    for one in (0.0, 5.6):
        for other in (0.0, 9.0, 18.0):
            settings = PAIR | {"drug.free_nM": one, "partner.free_nM": other}
            effect = effect_of(load("tube_formation", settings))
            assert effect is not None
            x = one / 5.6 + other / 9.0
            found = effect.inhibition(np.array([1.0]))
            assert found["VEGFR2"][0] == pytest.approx(x / (1 + x), rel=1e-12)
            x = one / 8.7 + other / 8.0
            assert found["PDGFRB"][0] == pytest.approx(x / (1 + x), rel=1e-12)


def test_the_tissue_sees_both_drugs() -> None:
    pair = load("tube_formation", PAIR | SMALL)
    table = sim.run(pair).timeseries
    x = 3.0 / 5.6 + 4.0 / 9.0
    np.testing.assert_allclose(table["inhibition_VEGFR2"], x / (1 + x), rtol=1e-12)
    assert (table["partner_free_nM"] == 4.0).all() and (table["partner_total_nM"] == 4.0).all()
    # one drug of the same x at each receptor is the same run
    own = {
        f"drug.ic50_nM.{receptor}": 3.0 / (3.0 / one + 4.0 / other)
        for receptor, one, other in (
            ("VEGFR2", 5.6, 9.0), ("PDGFRB", 8.7, 8.0), ("FGFR1", 11.7, 830.0),
        )
    }  # fmt: skip
    same = sim.run("tube_formation", {"drug.free_nM": 3.0, **own, **SMALL})
    np.testing.assert_allclose(same.timeseries["mean_drive"], table["mean_drive"], rtol=1e-9)
    assert "partner_free_nM" not in same.timeseries
    # a partner that is not there changes nothing
    none = sim.run("tube_formation", PAIR | {"partner.free_nM": 0.0} | SMALL).timeseries
    alone = sim.run("tube_formation", {"drug.free_nM": 3.0, **SMALL}).timeseries
    for column in alone:
        np.testing.assert_allclose(none[column], alone[column], rtol=1e-12)


def test_a_partner_in_a_body() -> None:
    """Each has its own doses, species data and kp_uu; what is written loads equal."""
    partner = {
        "name": "sunitinib", "potency": "company", "exposure": "pk", "species": "human",
        "regimen": {"dose_mg": 50, "on_days": 28}, "kp_uu": 2.0,
        "residence_h": {"VEGFR2": 5.0},
    }  # fmt: skip
    scenario = load("human_12mg", {"partner": partner})
    assert load(tomllib.loads(dump(scenario))) == scenario
    effect = effect_of(scenario)
    assert effect is not None
    times = np.array([20.0, 30.0])
    theirs = sim.pk(
        "human_12mg", {"drug": {key: v for key, v in partner.items() if key != "residence_h"}}
    )
    np.testing.assert_allclose(
        effect.agents[1].exposure.free_nM(times),
        exposure_of(theirs.scenario).free_nM(times),
        rtol=1e-12,
    )
    np.testing.assert_allclose(
        effect.inhibition(times)["VEGFR2"],
        integrated(effect.agents, "VEGFR2", times),
        rtol=0,
        atol=1e-8,
    )
    both, alone = sim.pk(scenario), sim.pk("human_12mg")
    for receptor in ("VEGFR2", "FGFR1"):
        joint = both.windows["first cycle"]["inhibition"][receptor]
        single = alone.windows["first cycle"]["inhibition"][receptor]
        assert joint["mean"] > single["mean"]
        assert joint["above_ic50"] == single["above_ic50"]
    told = both.to_dict()["partner"]
    assert told["drug"] == "sunitinib" and told["windows"]["first cycle"]["mean_free_nM"] > 0
    many = sim.pk(scenario, subjects=4)
    assert many.inhibition_bands is not None
    assert (many.inhibition_bands["PDGFRB"][1] > alone.inhibition["PDGFRB"] - 0.2).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"partner": {"name": "sunitinb"}},
            r"partner\.name = 'sunitinb'.*did you mean 'sunitinib'",
        ),
        ({"partner": {"name": "sunitinib", "potency": "lin2018"}}, r"partner\.potency = 'lin2018'"),
        (
            {"partner": {"name": "sunitinib", "free_nM": 3, "exposure": "pk"}},
            r"partner\.free_nM = 3: needs partner\.exposure = 'constant'",
        ),
        (
            {"partner": {"name": "sunitinib", "nominal_nM": 3}},
            r"partner\.nominal_nM = 3: needs partner\.fraction_unbound_medium",
        ),
        ({"partner.free_nM": 3}, r"partner\.name: is missing"),
        ({"partner": {"name": "sunitinib", "free_nm": 3}}, "did you mean"),
    ],
)
def test_impossible_partners(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        load("tube_formation", settings)


def test_a_partner_alone_is_the_drug() -> None:
    with pytest.raises(ScenarioError, match=r"partner: is the second drug: give \[drug\]"):
        load({"assay": "tube_formation", "partner": {"name": "sunitinib"}})
