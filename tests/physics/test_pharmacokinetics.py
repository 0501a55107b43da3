"""Pharmacokinetics: closed forms against a numerical solution, and against published numbers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import astuple
from decimal import Decimal, localcontext
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import pharmacokinetics as naive
from numpy.typing import NDArray

from sim import data
from sim.errors import InputError
from sim.lab.nca import nca
from sim.pharmacology.bateman import bateman
from sim.pharmacology.compartments import Compartments, OneCompartment, TwoCompartment
from sim.pharmacology.course import Course
from sim.pharmacology.dosing import Dose, Regimen
from sim.pharmacology.drugs import Kinetics, body_weight_kg, inhibition, load_drug
from sim.pharmacology.exposure import Pharmacokinetic
from sim.pharmacology.metrics import (
    MOST_STEPS,
    accumulation_ratio,
    blockade,
    exposure_metrics,
    window_times,
)
from sim.pharmacology.population import bands, draw_subjects
from sim.pharmacology.reported import compared

Array = NDArray[np.float64]

ANLOTINIB = load_drug("anlotinib")
PATIENTS = Regimen(dose_mg=12, on_days=14, off_days=7, cycles=4)

# --- the function that everything is built from ----------------------------------------------


def exact(rates: Sequence[float], time_h: float) -> float:
    """The textbook sum with 120 digits; the rates are moved apart by some 1e-25."""
    with localcontext() as context:
        context.prec = 120
        r = [Decimal(x) + place * Decimal("1e-25") for place, x in enumerate(rates)]
        total = sum(
            (-x * Decimal(time_h)).exp() / prod(y - x for j, y in enumerate(r) if j != i)
            for i, x in enumerate(r)
        )
        return float(total)


close = st.sampled_from([0.0, 1e-15, 1e-12, 1e-9, 1e-6, 1e-3, 0.1])
rate = st.floats(1e-3, 5.0)


@given(rate, st.lists(st.one_of(close, st.floats(0.2, 20)), max_size=3), st.floats(1e-3, 60.0))
@settings(max_examples=300)
def test_divided_differences_are_exact_to_1e_13(
    slowest: float, apart: list[float], time_h: float
) -> None:
    rates = [slowest, *(slowest * (1 + x) for x in apart)]
    assert bateman(rates, time_h) == pytest.approx(exact(rates, time_h), rel=2e-13)


def test_a_rate_of_zero_integrates() -> None:
    times = np.linspace(0, 50, 11)
    np.testing.assert_allclose(
        bateman([0.3, 0.0], times), -np.expm1(-0.3 * times) / 0.3, rtol=1e-14
    )
    np.testing.assert_allclose(bateman([0.0, 0.0, 0.0], times), times**2 / 2, rtol=1e-14)
    assert bateman([0.3], -1.0) == 0.0


# --- against the numerical solution ----------------------------------------------------------


@st.composite
def dose_lists(draw: st.DrawFn, longest_h: float = 12.0) -> list[Dose]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        # times within a billionth of an hour are one
        at_h, amount = round(draw(st.floats(0, 30)), 6), draw(st.floats(0.1, 500))
        kind = draw(st.sampled_from(["oral", "bolus", "infusion"]))
        if kind == "infusion":
            found.append(Dose(at_h, amount, "iv", draw(st.floats(0.05, longest_h))))
        else:
            found.append(Dose(at_h, amount, "oral" if kind == "oral" else "iv"))
    return found


@st.composite
def models(draw: st.DrawFn) -> Compartments:
    """Random models, every second one with nearly equal rates."""
    volume, k10, ka = draw(st.floats(0.1, 3000)), draw(st.floats(0.01, 2)), draw(st.floats(0.02, 3))
    F, lag = draw(st.floats(0.01, 1)), draw(st.sampled_from([0.0, 0.25, 1.7]))
    apart = draw(st.sampled_from([0.0, 1e-14, 1e-10, 1e-6, 1e-3]))
    alike = draw(st.booleans())
    if draw(st.booleans()):
        ka = k10 * (1 + apart) if alike else ka
        return OneCompartment(k10 * volume, volume, ka, F, lag)
    k12, k21 = draw(st.floats(1e-3, 2)), draw(st.floats(0.01, 2))
    if alike:  # alpha near beta: k21 near k10, and hardly anything goes to the periphery
        k21, k12, ka = k10 * (1 + apart), draw(st.sampled_from([1e-12, 1e-7])), k10 * (1 - apart)
    Q = k12 * volume
    return TwoCompartment(k10 * volume, volume, Q, Q / k21, ka, F, lag)


@given(models(), dose_lists())
@settings(max_examples=80)
def test_closed_forms_agree_with_the_numerical_solution(
    model: Compartments, doses: list[Dose]
) -> None:
    times = np.linspace(0, 60, 13)
    course = Course(model, doses)
    found, truth = naive.amounts(course, times), naive.integrated(model, doses, times)[:4]
    truth[0] += waiting(model, doses, times)
    given_mg = sum(dose.amount_mg for dose in doses)
    for mine, theirs in zip(found, truth, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-15 * given_mg)
    level = truth[1] / model.central_volume
    np.testing.assert_allclose(
        course.concentration(times), level, rtol=1e-8, atol=1e-15 * level.max()
    )


def waiting(model: Compartments, doses: Sequence[Dose], times: Array) -> Array:
    """What has been swallowed and waits for its lag (mg)."""
    found = np.zeros_like(times)
    for dose in doses:
        if dose.route == "oral":
            found[(times >= dose.at_h) & (times < dose.at_h + model.lag)] += (
                model.F * dose.amount_mg
            )
    return found


@given(models(), dose_lists())
@settings(max_examples=100)
def test_mass_is_conserved_and_nothing_is_negative(model: Compartments, doses: list[Dose]) -> None:
    times = np.linspace(0.0, 400.0, 157)
    amounts = naive.amounts(Course(model, doses), times)
    given_mg = np.zeros_like(times)
    for dose in doses:
        share = model.F if dose.route == "oral" else 1.0
        passed = np.clip((times - dose.at_h) / max(dose.infusion_h, 1e-300), 0.0, 1.0)
        given_mg += share * dose.amount_mg * np.where(times >= dose.at_h, passed, 0.0)
        if dose.infusion_h == 0.0:
            given_mg += share * dose.amount_mg * (times == dose.at_h)
    np.testing.assert_allclose(sum(amounts), given_mg, rtol=1e-11, atol=1e-11)
    for part in amounts:
        assert (part >= 0.0).all()


@given(models(), dose_lists(longest_h=130.0))
@settings(max_examples=40)
def test_steady_state_is_what_many_cycles_come_to(model: Compartments, doses: list[Dose]) -> None:
    """Infusions that outlast the cycle overlap with those of the cycles before."""
    cycle_h = 48.0
    cycles = 3 + int(130.0 / cycle_h) + int(40.0 / (min(model.terminal_rate, model.ka) * cycle_h))
    if cycles > 400:
        return
    many = [
        Dose(dose.at_h + cycle_h * n, dose.amount_mg, dose.route, dose.infusion_h)
        for n in range(cycles)
        for dose in doses
    ]
    times = np.linspace(0.0, cycle_h, 25)[:-1] + 0.1
    steady = Course(model, doses, cycle_h)
    late_h = cycle_h * (cycles - 1)
    many_h = Course(model, many)
    np.testing.assert_allclose(
        steady.concentration(times), many_h.concentration(times + late_h), rtol=1e-8
    )
    for start_h, end_h in ((0.0, cycle_h), (7.0, 40.0)):
        area = many_h.auc(late_h + start_h, late_h + end_h)
        np.testing.assert_allclose(steady.auc(start_h, end_h), area, rtol=1e-6)
        np.testing.assert_allclose(
            steady.auc(start_h, end_h + 3 * cycle_h) - area, 3 * steady.auc(0.0, cycle_h), rtol=1e-6
        )


def test_steady_state_repeats_and_its_area_is_dose_over_clearance() -> None:
    model = TwoCompartment(5, 20, 3, 60, 0.7, 0.6, lag=0.5)
    course = Course(model, [Dose(2, 100), Dose(10, 50, "iv", 4)], 24.0)
    times = np.linspace(0, 24, 7)
    np.testing.assert_allclose(course.concentration(times), course.concentration(times + 72))
    area = np.trapezoid(course.concentration(fine := np.linspace(0, 24, 24_001)), fine)
    assert area == pytest.approx((0.6 * 100 + 50) / 5, rel=1e-6)
    assert course.concentration(0.0, before=True) == pytest.approx(float(course.concentration(24)))
    assert course.auc(0.0, 24.0) == pytest.approx(area, rel=1e-6)
    assert course.auc(20.0, 44.0) == pytest.approx(area, rel=1e-6)
    with pytest.raises(InputError, match=r"dose 1.at_h = 24: must be within the cycle of 24 h"):
        Course(model, [Dose(24, 10)], 24.0)
    with pytest.raises(InputError, match=r"cycle_h = 0: must be above 0"):
        Course(model, [Dose(0, 10)], 0)


def test_windows_of_a_steady_state_hold_its_later_doses() -> None:
    """A bolus every 24 h for ever, and a bag of 30 h every 24 h."""
    model = OneCompartment(1.0, 10.0, 1.0)
    steady = Pharmacokinetic(model, [Dose(5, 10, "iv")], 0.1, 1.0, 400.0, cycle_h=24.0)
    found = exposure_metrics(steady, 48.0, 72.0)
    assert found.tmax_h == pytest.approx(53.0)
    assert found.cmax_nM == pytest.approx(1.0 / (1 - np.exp(-2.4)) * 2500)
    assert found.auc_nM_h == pytest.approx(10 * 2500)
    bags = Course(model, [Dose(5, 30, "iv", 30)], 24.0)
    assert list(bags.events_h(48.0, 72.0)) == [53.0, 59.0]
    # 1 mg/h all the time, and 2 mg/h from 5 h to 11 h
    low = bags.concentration(5.0)
    assert bags.concentration(11.0) == pytest.approx(2 - (2 - low) * np.exp(-0.6))
    assert low == pytest.approx(1 + (bags.concentration(11.0) - 1) * np.exp(-1.8))


def test_ten_bags_a_day_are_one_infusion() -> None:
    """Changed without a gap, as rounding leaves them: in a day, and in a steady state."""
    model = TwoCompartment(5, 20, 3, 60, 0.7)
    bags = Regimen(dose_mg=1, every_h=2.4, on_days=2, route="iv", infusion_h=2.4).doses()
    times = np.linspace(0, 60, 241)
    whole = Course(model, [Dose(0, 20, "iv", 48)]).concentration(times)
    np.testing.assert_allclose(Course(model, bags).concentration(times), whole, rtol=1e-11)
    steady = Course(model, bags[:10], 24.0).concentration(times)
    np.testing.assert_allclose(steady, 10 / 24 / 5, rtol=1e-11)


def test_absorption_slower_than_elimination_sets_the_half_life() -> None:
    """Nintedanib's, as measured on its curve; after an i.v. dose disposition sets it."""
    model = load_drug("nintedanib").kinetics("human").model()
    assert model.ka < model.terminal_rate
    oral = Course(model, [Dose(0, 200)])
    late = oral.concentration(np.array([200.0, 300.0]))
    assert oral.terminal_half_life_h == pytest.approx(
        100 * np.log(2) / np.log(late[0] / late[1]), rel=1e-6
    )
    slow = OneCompartment(5.0, 20.0, 0.01)
    iv = Course(slow, [Dose(0, 10, "iv"), Dose(3, 10, "iv", 2)])
    assert iv.terminal_half_life_h == pytest.approx(4 * np.log(2))
    both = Course(slow, [Dose(0, 10, "iv"), Dose(3, 10)])
    assert both.terminal_half_life_h == slow.terminal_half_life_h == pytest.approx(100 * np.log(2))


def test_areas_are_exact() -> None:
    model = TwoCompartment(5, 20, 3, 60, 0.7, 0.6)
    course = Course(model, [Dose(0, 100), Dose(24, 80, "iv", 2)])
    fine = np.linspace(3.0, 60.0, 200_001)
    area = np.trapezoid(course.concentration(fine), fine)
    assert course.auc(3.0, 60.0) == pytest.approx(area, rel=1e-8)
    assert course.auc(0.0, 5000.0) == pytest.approx((60 + 80) / 5, rel=1e-12)


def test_many_subjects_are_as_many_single_ones() -> None:
    population = draw_subjects(ANLOTINIB.kinetics("rat"), 5, seed=2, weight_kg=0.3)
    doses = [Dose(0, 1), Dose(8, 2, "iv"), Dose(20, 1, "iv", 3)]
    times = np.linspace(0, 48, 97).reshape(1, 97)
    together = Course(population, doses).concentration(times)
    assert together.shape == (5, 1, 97)
    for i in range(5):
        alone = Course(population.subject(i), doses).concentration(times)
        np.testing.assert_allclose(together[i], alone, rtol=1e-13)
    assert Course(population, doses).auc(0.0, 48.0).shape == (5,)


def test_lags_of_their_own() -> None:
    model = OneCompartment(5, 20, 1.0, lag=np.array([0.0, 0.5, 2.0]))
    found = Course(model, [Dose(1, 10)]).concentration(np.array([1.4, 2.5, 4.0]))
    plain = OneCompartment(5, 20, 1.0)
    for row, lag in zip(found, (0.0, 0.5, 2.0), strict=True):
        shifted = Course(plain, [Dose(0, 10)]).concentration(np.array([0.4, 1.5, 3.0]) - lag)
        np.testing.assert_allclose(row, shifted)


def test_nothing_before_the_first_dose_and_later_doses_do_not_reach_back() -> None:
    model = ANLOTINIB.kinetics("human").model()
    early, both = [Dose(24, 12)], [Dose(24, 12), Dose(48, 12)]
    times = np.linspace(0, 48, 49)
    assert (Course(model, both).concentration(times[:25]) == 0.0).all()
    np.testing.assert_array_equal(
        Course(model, early).concentration(times), Course(model, both).concentration(times)
    )


def test_a_population_over_many_doses_is_fast() -> None:
    population = draw_subjects(ANLOTINIB.kinetics("human"), 200, seed=1)
    doses, times = PATIENTS.doses(), np.linspace(0, 2016, 1000)
    assert len(doses) == 56
    Course(population, doses).concentration(times)
    took = []
    for _ in range(3):
        start = time.process_time()
        Course(population, doses).concentration(times)
        took.append(time.process_time() - start)
    assert min(took) < 0.3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"CL": -1.0}, "CL = -1: must be above 0"),
        ({"V": 0.0}, "V = 0: must be above 0"),
        ({"F": 1.2}, "F = 1.2: must be from 0 to 1"),
        ({"lag": -0.1}, "lag = -0.1: must be at least 0"),
        ({"ka": float("nan")}, "ka = nan: must be above 0"),
        ({"ka": np.ones(3), "CL": np.ones(2)}, "one for each subject"),
        ({"ka": np.ones((2, 2))}, "one value per subject"),
    ],
)
def test_impossible_parameters_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OneCompartment(**({"CL": 1.0, "V": 1.0, "ka": 1.0} | wrong))  # type: ignore[arg-type]


# --- against published numbers ---------------------------------------------------------------

ANIMALS = {  # half-life, its sd, range of F, CL, Vss (Zhong et al. 2018)
    "rat": (5.1, 1.6, (0.28, 0.58), 5.35, 27.6),
    "dog": (22.8, 11.0, (0.41, 0.77), 0.40, 6.6),
}


@pytest.mark.parametrize("species", ANIMALS)
def test_noncompartmental_analysis_recovers_the_published_numbers(species: str) -> None:
    half_life_h, _, _, CL, Vss = ANIMALS[species]
    kinetics, weight_kg = ANLOTINIB.kinetics(species), body_weight_kg(species)
    model = kinetics.model()
    times = (
        np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 7]) * half_life_h
    )
    iv = Regimen(dose_mg_per_kg=1, route="iv").doses(weight_kg)
    oral = Regimen(dose_mg_per_kg=1).doses(weight_kg)
    found, by_mouth = (
        nca(
            {"time_h": times, "conc_mg_L": Course(model, doses).concentration(times)},
            dose_mg=doses[0].amount_mg, route=doses[0].route,
        ).profiles[0]
        for doses in (iv, oral)
    )  # fmt: skip
    assert found.half_life_h == pytest.approx(half_life_h, rel=0.01)
    assert found.cl / weight_kg == pytest.approx(CL, rel=0.02)
    assert found.vss / weight_kg == pytest.approx(Vss, rel=0.02)
    assert by_mouth.auc_inf / found.auc_inf == pytest.approx(float(model.F), rel=0.03)
    exact_ratio = Course(model, oral).auc(0.0, 1e4) / Course(model, iv).auc(0.0, 1e4)
    assert exact_ratio == pytest.approx(kinetics.parameters["F"].value)


@pytest.mark.parametrize("species", ANIMALS)
def test_populations_of_animals_vary_as_published(species: str) -> None:
    mean, sd, (low, high), CL, Vss = ANIMALS[species]
    population = draw_subjects(ANLOTINIB.kinetics(species), 2000, seed=1)
    half_lives = population.terminal_half_life_h
    assert half_lives.mean() == pytest.approx(mean, rel=0.15)
    assert half_lives.std(ddof=1) == pytest.approx(sd, rel=0.15)
    F = np.asarray(population.F)
    assert low <= F.min() < low + 0.01
    assert high - 0.01 < F.max() <= high
    weight_kg = body_weight_kg(species)
    assert np.median(population.CL) / weight_kg == pytest.approx(CL, rel=0.02)
    assert np.median(np.add(population.V1, population.V2)) / weight_kg == pytest.approx(
        Vss, rel=0.03
    )


def test_trough_of_day_43_is_covered_by_the_population() -> None:
    """A check of the calibration, no validation: CL/F was fitted to this trough."""
    kinetics, day_43 = ANLOTINIB.kinetics("human"), 42 * 24.0
    typical = Course(kinetics.model(), PATIENTS.doses()).concentration(day_43, before=True) * 1e3
    assert typical == pytest.approx(12.4, abs=0.05)
    population = draw_subjects(kinetics, 2000, seed=1)
    ng_ml = Course(population, PATIENTS.doses()).concentration(day_43, before=True) * 1e3
    low, _, high = bands(ng_ml)
    assert low < 11.38 - 4.29
    assert high > 11.38 + 4.29
    assert ng_ml.std() == pytest.approx(4.29, rel=0.25)
    popPK = Course(ANLOTINIB.kinetics("human", "poppk2024").model(), PATIENTS.doses())
    assert popPK.concentration(day_43, before=True) * 1e3 == pytest.approx(20.5, abs=0.05)


def test_inhibition_over_the_first_cycle_of_patients() -> None:
    human = Pharmacokinetic(
        ANLOTINIB.kinetics("human").model(),
        PATIENTS.doses(),
        ANLOTINIB.unbound("human"),
        1.0,
        ANLOTINIB.molar_mass,
    )
    potency, cycle = ANLOTINIB.potency(), exposure_metrics(human, 0.0, 504.0)
    assert 6.2 < cycle.cmax_free_nM < 6.6
    assert 13 * 24 < cycle.tmax_h < 14 * 24
    receptors = blockade(human, potency, 0.0, 504.0)
    total = inhibition(cycle.cmax_nM, potency)
    for receptor, peak, end, claimed in (
        ("VEGFR2", 53, 27, 94),
        ("PDGFRB", 42, 19, 91),
        ("FGFR1", 35, 15, 88),
    ):
        assert 100 * receptors[receptor].highest == pytest.approx(peak, abs=2)
        assert 100 * receptors[receptor].last == pytest.approx(end, abs=2)
        assert 100 * total[receptor] == pytest.approx(claimed, abs=2)
    accumulated = accumulation_ratio(human, 0.0, 13 * 24.0, 24.0)
    assert accumulated == pytest.approx(6.8, abs=0.05)
    first, later = (human.total_nM(PATIENTS.doses()[n].at_h, before=True) for n in (0, 14))
    assert first == 0.0
    assert later == pytest.approx(cycle.last_nM)


def test_a_rat_under_the_published_potency() -> None:
    """The contradiction that docs/pharmacokinetics.md prints."""
    potency, model = ANLOTINIB.potency(), ANLOTINIB.kinetics("rat").model()

    def given(mg_per_kg: float, kp_uu: float = 1.0) -> Pharmacokinetic:
        doses = Regimen(dose_mg_per_kg=mg_per_kg).doses(body_weight_kg("rat"))
        return Pharmacokinetic(model, doses, ANLOTINIB.unbound("rat"), kp_uu, ANLOTINIB.molar_mass)

    assert exposure_metrics(given(3), 0, 24).cmax_free_nM == pytest.approx(3.3, abs=0.05)
    assert blockade(given(3), potency, 0, 24)["VEGFR2"].mean == pytest.approx(0.10, abs=0.005)
    assert blockade(given(45), potency, 0, 24)["VEGFR2"].above_ic50_h == pytest.approx(12, abs=0.5)
    assert blockade(given(3, 10), potency, 0, 24)["VEGFR2"].mean == pytest.approx(0.43, abs=0.01)
    xie = blockade(given(3), ANLOTINIB.potency("xie2018"), 0, 24)["VEGFR2"].mean
    assert xie == pytest.approx(0.75, abs=0.01)


@pytest.mark.parametrize("receptor", ["VEGFR2", "FGFR1"])
def test_time_above_and_mean_inhibition_against_a_fine_grid(receptor: str) -> None:
    doses = Regimen(dose_mg_per_kg=20, every_h=12, on_days=2).doses(0.25)
    rat = Pharmacokinetic(ANLOTINIB.kinetics("rat").model(), doses, 0.03, 2.0, 407.44)
    found = blockade(rat, potency := ANLOTINIB.potency(), 0, 48)[receptor]
    fine = (np.arange(480_000) + 0.5) / 1e4
    free = rat.free_nM(fine)
    assert found.above_ic50 == pytest.approx((free > potency.ic50_nM[receptor]).mean(), abs=1e-3)
    assert found.mean == pytest.approx(inhibition(free, potency)[receptor].mean(), rel=1e-3)
    assert exposure_metrics(rat, 0, 48).cmax_free_nM == pytest.approx(free.max(), rel=1e-8)


def test_the_highest_of_peaks_that_differ_by_less_than_the_samples() -> None:
    """The first peak falls on a sample, the second, 0.01 % higher, between two."""
    doses = [Dose(0, 10), Dose(20.05, 10.001)]
    one = Pharmacokinetic(OneCompartment(10, 10, 5), doses, 0.5, 1.0, 400.0)
    found = exposure_metrics(one, 0, 40)
    after_h = np.log(5) / 4
    assert found.tmax_h == pytest.approx(20.05 + after_h, abs=1e-6)
    assert found.cmax_nM == pytest.approx(1.0001 * 2500 * 5 ** (-1 / 4), rel=1e-8)


def test_a_dose_at_the_end_of_a_window_is_not_in_it() -> None:
    """A bolus while an oral dose rises, peaks and falls, where rounding may go either way."""
    model, potency = OneCompartment(1, 10, 1), ANLOTINIB.potency()
    for end_h in (0.05, *np.linspace(1.0, 3.0, 21).tolist()):
        oral, bolus = Dose(0, 10), Dose(end_h, 100, "iv")
        alone, both = (
            Pharmacokinetic(model, doses, 0.5, 1.0, 400.0) for doses in ([oral], [oral, bolus])
        )
        found = exposure_metrics(both, 0, end_h)
        assert astuple(found) == pytest.approx(astuple(exposure_metrics(alone, 0, end_h)))
        without = blockade(alone, potency, 0, end_h)
        for receptor, blocked in blockade(both, potency, 0, end_h).items():
            assert astuple(blocked) == pytest.approx(astuple(without[receptor]))
        longer = exposure_metrics(both, 0, end_h + 0.1)
        assert longer.tmax_h == end_h
        assert longer.cmax_nM > 5 * found.cmax_nM


def test_windows_hold_events_and_the_moment_before() -> None:
    course = Course(OneCompartment(1, 10, 1), [Dose(1.05, 10, "iv"), Dose(2.03, 10)])
    times = window_times(course, 0.0, 3.0)
    level = course.concentration(times)
    assert {1.05, 2.03} <= set(times)
    assert level[times == 1.05] == pytest.approx(1.0)
    assert level[times < 1.05].max() == 0.0
    assert (np.diff(times) <= 0.1 + 1e-12).all()
    assert window_times(course, 0.0, 1e9).size <= MOST_STEPS + 5
    with pytest.raises(InputError, match="must be above start_h"):
        window_times(course, 3.0, 3.0)


def test_metrics_are_of_one_subject() -> None:
    exposure = Pharmacokinetic(
        draw_subjects(ANLOTINIB.kinetics("human"), 2, seed=1), [Dose(0, 12)], 0.07, 1.0, 407.44
    )
    with pytest.raises(InputError, match="of one subject"):
        exposure_metrics(exposure, 0, 24)


# --- comparators -----------------------------------------------------------------------------

COURSES = {
    "sunitinib": Regimen(dose_mg=50, on_days=28, off_days=14),
    "sorafenib": Regimen(dose_mg=400, every_h=12, on_days=21),
    "nintedanib": Regimen(dose_mg=200, every_h=12, on_days=14),
    "axitinib": Regimen(dose_mg=5, every_h=12, on_days=15),
    "pazopanib": Regimen(dose_mg=800, every_h=24, on_days=21),
    "lenvatinib": Regimen(dose_mg=24, on_days=15),
}


def reported_of(kinetics: Kinetics) -> dict[str, Any]:
    """What the drug's data file reports of the species."""
    found: dict[str, Any] = data.read("drugs", kinetics.drug).get("reported", {})
    return dict(found.get(kinetics.species, {}))


@pytest.mark.parametrize("name", COURSES)
def test_comparators_agree_with_what_is_reported(name: str) -> None:
    """Or their data file says why not."""
    kinetics = load_drug(name).kinetics("human")
    found = list(compared(kinetics, reported_of(kinetics)))
    assert found
    for one in found:
        assert one.met != bool(one.not_met), str(one)
    # computed plainly: doses one after the other, as areas and samples of a stepped body
    reported = data.values(data.read("drugs", name))["reported"]["human"]
    model, every_h = kinetics.model(), float(reported["every_h"])
    pk = {"Q": 0.0, "V2": 1.0, **{k: v.value for k, v in kinetics.parameters.items()}}
    pk = {"F": 1.0, **pk, "V1": pk.get("V1", pk.get("V"))}
    count = int(40 * model.terminal_half_life_h / every_h)
    areas = naive.interval_areas(pk, every_h, count, "oral")
    mine = {one.name: one.computed for one in found}
    if "accumulation" in mine:
        assert mine["accumulation"] == pytest.approx(areas[-1] / areas[0], rel=1e-8)
    if "auc_mg_h_L" in mine:
        assert mine["auc_mg_h_L"] == pytest.approx(reported["dose_mg"] * areas[-1], rel=1e-8)
    # and what a whole course on the calendar comes to
    drug, regimen = load_drug(name), COURSES[name]
    human = Pharmacokinetic(model, regimen.doses(), drug.unbound("human"), 1.0, drug.molar_mass)
    last = 24.0 * regimen.on_days - regimen.every_h
    window = exposure_metrics(human, last, last + regimen.every_h)
    in_ng_ml = drug.molar_mass / 1e3
    assert window.cmax_nM * in_ng_ml == pytest.approx(mine["cmax_ng_ml"], rel=0.03)
    if "tmax_h" in mine:
        assert window.tmax_h - last == pytest.approx(mine["tmax_h"], abs=0.1)
    if "trough_ng_ml" in mine:
        assert window.last_nM * in_ng_ml == pytest.approx(mine["trough_ng_ml"], rel=0.03)


def test_a_published_set_is_kept_beside_the_calibrated_one() -> None:
    published = load_drug("sunitinib").kinetics("human", "khosravan2016")
    found = {one.name: one for one in compared(published, reported_of(published))}
    assert found["accumulation"].computed == pytest.approx(5.43, abs=0.01)
    assert str(found["accumulation"]) == "accumulation 5.43, reported 3-4: not met"
    assert load_drug("nintedanib").kinetics("human", "schmid2018").parameters["ka"].value == 0.0827
