"""What is said of a population, against its subjects one by one."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from marks import slow

import sim
from sim.pharmacology.course import Change, Course
from sim.pharmacology.dosing import Dose
from sim.pharmacology.drugs import load_drug
from sim.pharmacology.half_lives import half_lives
from sim.pharmacology.population import draw_subjects
from sim.scenario.exposure import pharmacokinetic
from sim.scenario.resolve import load

RAT: dict[str, Any] = {
    "extends": "tube_formation",
    "drug": {
        "name": "anlotinib", "exposure": "pk", "species": "rat", "kp_uu": 2.0,
        "regimen": {"dose_mg": 0.5, "every_h": 12, "on_days": 2, "off_days": 1, "cycles": 2},
    },
}  # fmt: skip


@pytest.mark.parametrize("n", [5, slow(45)])
@pytest.mark.parametrize("steady", [False, True])
def test_percentiles_are_those_of_the_subjects(n: int, steady: bool) -> None:
    """Both ways in which times are taken: dose by dose for many subjects, and at once."""
    regimen = RAT["drug"]["regimen"] | ({"cycles": "steady"} if steady else {})
    scenario = RAT | {"drug": RAT["drug"] | {"regimen": regimen}}
    course = sim.pk(scenario, subjects=n)
    each = [
        pharmacokinetic(load(RAT | {"drug": scenario["drug"] | {"subject": place}}))
        for place in range(1, n + 1)
    ]
    total = np.array([one.total_nM(course.time_h) for one in each])
    expected = np.percentile(total, (5, 50, 95), axis=0)
    assert course.total_bands_nM is not None and course.free_bands_nM is not None
    np.testing.assert_allclose(course.total_bands_nM, expected, rtol=1e-12)
    np.testing.assert_allclose(course.free_bands_nM, 0.03 * 2.0 * expected, rtol=1e-12)
    free = course.free_bands_nM
    np.testing.assert_allclose(
        course.inhibition_bands["VEGFR2"], free / (free + 5.6), rtol=1e-12, atol=1e-15
    )
    end_h = course.time_h[-1]
    plain = {
        "cmax_nM": total.max(axis=1),
        "last_nM": total[:, -1],
        "auc_nM_h": [
            np.trapezoid(one.total_nM(fine := np.linspace(0, end_h, 200_001)), fine) for one in each
        ],
        "terminal_half_life_h": [np.log(2) / min(one.model.terminal_rate, 1.0) for one in each],
        "effective_half_life_h": [half_lives(one.model, 12.0).effective_h for one in each],
    }
    for name, values in plain.items():
        found = list(course.population[name].values())
        assert found == pytest.approx(np.percentile(values, (5, 50, 95)), rel=1e-6), name


def test_many_subjects_are_as_one_by_one_whatever_the_times() -> None:
    doses = [Dose(0, 1), Dose(5, 2, "iv"), Dose(6, 1, "iv", 3), Dose(20, 1), Dose(20, 1, "iv", 30)]
    changes = [Change(7.0, 2.0, 0.5), Change(21.0)]
    many = draw_subjects(load_drug("anlotinib").kinetics("rat"), 40, seed=4, weight_kg=0.3)
    times = np.random.default_rng(1).permutation(np.linspace(0, 60, 91))
    for changed in ((), changes):
        together = Course(many, doses, None, changed)
        for place in (0, 17, 39):
            alone = Course(many.subject(place), doses, None, changed)
            for part in ("gut", "central", "peripheral", "eliminated"):
                np.testing.assert_allclose(
                    together.amount(part, times)[place], alone.amount(part, times), rtol=1e-12
                )
            assert together.auc(3, 50)[place] == pytest.approx(float(alone.auc(3, 50)), rel=1e-12)
        before = together.concentration(np.array([5.0, 20.0]), before=True)
        after = together.concentration(np.array([5.0, 20.0]))
        assert (before[:, 0] < after[:, 0]).all()
        np.testing.assert_allclose(before[:, 1], after[:, 1], rtol=1e-12)  # oral, an infusion


@pytest.mark.slow  # a matter of the machine
def test_ten_thousand_subjects_take_three_seconds() -> None:
    scenario = load("human_12mg")
    sim.pk(scenario, subjects=40)
    took = []
    for _ in range(2):
        start = time.process_time()
        sim.pk(scenario, subjects=10_000)
        took.append(time.process_time() - start)
    assert min(took) < 3.0
