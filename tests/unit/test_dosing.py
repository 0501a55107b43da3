"""Doses, regimens and their calendars."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.errors import InputError, ScenarioError
from sim.pharmacology.dose_table import read_doses
from sim.pharmacology.dosing import Dose, Regimen, day_of, days_of

CLINIC = Regimen(dose_mg=12, on_days=14, off_days=7, cycles=4)


def test_two_weeks_on_one_week_off() -> None:
    doses = CLINIC.doses()
    assert len(doses) == 56
    assert [dose.at_h for dose in doses[:15]] == [*(24.0 * day for day in range(14)), 504.0]
    assert {dose.amount_mg for dose in doses} == {12}
    assert (CLINIC.cycle_h, CLINIC.end_h) == (504.0, 2016.0)


def test_a_single_dose_is_the_simplest_regimen() -> None:
    assert Regimen(dose_mg=5, first_h=2).doses() == (Dose(2, 5),)


@pytest.mark.parametrize(
    ("every_h", "on_days", "off_days", "cycles", "per_cycle"),
    [
        (12, 14, 7, 4, 28),
        (48, 14, 7, 4, 7),
        (48, 7, 0, 1, 4),  # days 1, 3, 5 and 7
        (48, 7, 7, 3, 4),
        (48, 7, 1, 3, 4),
        (0.1, 1, 0, 2, 240),
        (2.4, 1, 0, 2, 10),
        (24 / 7, 3, 0, 2, 21),
        (168, 7, 0, 6, 1),
        (168, 1, 6, 6, 1),
        (168, 14, 7, 2, 2),
    ],
)
def test_intervals_that_fit(
    every_h: float, on_days: int, off_days: int, cycles: int, per_cycle: int
) -> None:
    regimen = Regimen(dose_mg=1, every_h=every_h, on_days=on_days, off_days=off_days, cycles=cycles)
    assert len(regimen.doses()) == per_cycle * cycles


@pytest.mark.parametrize(
    ("every_h", "on_days", "off_days", "cycles", "message"),
    [
        (168, 1, 0, 6, r"regimen.every_h = 168: does not fit 1 day on \(on_days = 7 would do\)"),
        (168, 1, 0, 1, "on_days = 7 would do"),
        (168, 1, 2, 6, "1 day on and 2 off .on_days = 7 would do"),
        (168, 1, 13, 6, "on_days = 7 would do"),
        (168, 10, 0, 2, "on_days = 14 would do"),
        (1000, 7, 0, 1, "on_days = 42 would do"),
        (1000, 7, 0, 2, "on_days = 125 would do"),
        (48, 7, 0, 2, "does not fit 7 days on .on_days = 8 would do"),
        (72, 7, 1, 2, "7 days on and 1 off .on_days = 8 would do"),
        (5, 1, 0, 2, "on_days = 5 would do"),
        (24.5, 1, 0, 3, "on_days = 49 would do"),
        (3.1415926, 1, 0, 2, "24 . on_days must be a multiple of it"),
        (1e300, 1, 0, 2, "24 . on_days must be a multiple of it"),
    ],
)
def test_intervals_that_do_not_fit_are_refused(
    every_h: float, on_days: int, off_days: int, cycles: int, message: str
) -> None:
    calendar = {"on_days": on_days, "off_days": off_days, "cycles": cycles}
    with pytest.raises(ScenarioError, match=message):
        Regimen(dose_mg=1, every_h=every_h, **calendar)  # type: ignore[arg-type]


@given(
    st.one_of(
        st.sampled_from([0.5, 1.6, 2.4, 24 / 7, 4.8, 5, 12, 20, 24, 36, 48, 72, 120, 168, 336]),
        st.integers(1, 400).map(lambda tenths: tenths / 10),
    ),
    st.integers(1, 30),
    st.integers(0, 14),
    st.integers(1, 5),
)
@settings(max_examples=400)
def test_doses_are_as_far_apart_as_asked(
    every_h: float, on_days: int, off_days: int, cycles: int
) -> None:
    """Always within a cycle, and from cycle to cycle without days off; what is named would do."""
    calendar: dict[str, Any] = {"every_h": every_h, "off_days": off_days, "cycles": cycles}
    try:
        regimen = Regimen(dose_mg=1, on_days=on_days, **calendar)
    except ScenarioError as error:
        (problem,) = error.problems
        assert problem.key == "regimen.every_h"
        found = re.fullmatch(r"on_days = (\d+) would do", problem.hint)
        assert found
        assert int(found[1]) > on_days
        regimen = Regimen(dose_mg=1, on_days=int(found[1]), **calendar)
    times_h = np.array([dose.at_h for dose in regimen.doses()]).reshape(cycles, -1)
    np.testing.assert_allclose(np.diff(times_h), every_h, rtol=1e-7)
    np.testing.assert_allclose(times_h[:, 0], regimen.cycle_h * np.arange(cycles), rtol=1e-12)
    joins_h = times_h[1:, 0] - times_h[:-1, -1]
    if off_days == 0:
        np.testing.assert_allclose(joins_h, every_h, rtol=1e-6)
    assert (joins_h >= every_h * (1 - 1e-6)).all()
    days_on_h = 24 * regimen.on_days
    assert ((times_h - times_h[:, :1]) < days_on_h).all()
    # none is missing at the end of the days on
    assert times_h[0, -1] + every_h >= days_on_h * (1 - 1e-9)


@given(st.integers(1, 40), st.integers(1, 60))
def test_a_day_ends_where_the_next_begins(parts: int, day: int) -> None:
    """Whatever interval a day is made of, and however it is added up."""
    every_h = 24 / parts
    assert day_of(every_h * parts * (day - 1)) == day
    assert day_of(sum([every_h] * parts * (day - 1))) == day
    assert days_of(24.0 * (day - 1), 24.0 * day) == (day, day)
    assert days_of(24.0 * (day - 1), 24.0 * day + 1) == (day, day + 1)


def test_a_late_dose_belongs_to_its_cycle() -> None:
    regimen = Regimen(
        dose_mg=1, on_days=2, cycles=2, first_h=100, late_doses={2: 30}, missed_doses=[3]
    )
    assert regimen.taken_h(1) == [100, 154]  # cycle 2 begins at 148 h
    assert regimen.taken_h(2) == [172]


def test_reductions_last_and_the_loading_dose_comes_once() -> None:
    regimen = Regimen(dose_mg=12, on_days=2, cycles=4, reductions={2: 10, 4: 8}, loading=24)
    assert [dose.amount_mg for dose in regimen.doses()] == [24, 12, 10, 10, 10, 10, 8, 8]


def test_missed_and_late() -> None:
    regimen = Regimen(
        dose_mg=1, every_h=12, on_days=3, missed_days=[2], missed_doses=[1], late_days={3: 4},
        late_doses={2: 1.5},
    )  # fmt: skip
    assert [dose.at_h for dose in regimen.doses()] == [13.5, 52, 64]


def test_a_late_dose_may_move_into_days_off() -> None:
    assert Regimen(dose_mg=1, on_days=2, off_days=5, late_doses={2: 30}).doses()[1].at_h == 54


def test_mg_per_kg_needs_a_weight() -> None:
    regimen = Regimen(dose_mg_per_kg=3, route="iv", infusion_h=0.5, loading=6, on_days=2)
    assert regimen.doses(0.25) == (Dose(0, 1.5, "iv", 0.5), Dose(24, 0.75, "iv", 0.5))
    with pytest.raises(InputError, match=r"regimen.dose_mg_per_kg = 3: needs a body weight"):
        regimen.doses()
    with pytest.raises(InputError, match="weight_kg = 0: must be above 0"):
        regimen.doses(0)
    assert Regimen(dose_mg=3).doses(70) == (Dose(0, 3),)


def test_the_calendar() -> None:
    regimen = Regimen(
        dose_mg=12, on_days=14, off_days=7, cycles=5, reductions={4: 10}, missed_days=[26],
        late_days={30: 6},
    )  # fmt: skip
    assert str(regimen).splitlines() == [
        "12 mg orally every 24 h, days 1-14 of 21, 5 cycles",
        "  cycle 1    days 1-21    12 mg  ooooooo ooooooo .......",
        "  cycle 2    days 22-42   12 mg  ooooxoo o>ooooo .......",
        "  cycle 3    days 43-63   12 mg  ooooooo ooooooo .......",
        "  cycle 4-5  days 64-105  10 mg  ooooooo ooooooo .......",
        "  o dose, x missed, > late, . no dose",
    ]


@pytest.mark.parametrize(
    ("regimen", "title"),
    [
        (Regimen(dose_mg_per_kg=3), "3 mg/kg orally once"),
        (Regimen(dose_mg=5, every_h=12, on_days=28), "5 mg orally every 12 h, 28 days"),
        (Regimen(dose_mg=1, route="iv", infusion_h=2), "1 mg i.v. over 2 h once"),
        (Regimen(dose_mg=1, cycles=2), "1 mg orally every 24 h, 1 day, 2 cycles"),
        (
            Regimen(dose_mg=12, every_h=168, on_days=7, cycles=6),
            "12 mg orally every 168 h, 7 days, 6 cycles",
        ),
        (Regimen(dose_mg=1, off_days=6), "1 mg orally once, day 1 of 7"),
        (
            Regimen(dose_mg=1, on_days=3, loading=2, first_h=6),
            "1 mg orally every 24 h, 3 days, first dose 2 mg, from 6 h",
        ),
    ],
)
def test_titles(regimen: Regimen, title: str) -> None:
    assert str(regimen).splitlines()[0] == title


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dose_mg": -5}, "regimen.dose_mg = -5: must be at least 0"),
        ({"dose_mg": float("nan")}, "regimen.dose_mg = nan"),
        ({"dose_mg": None}, "either dose_mg, dose_mg_per_kg or dose_mg_per_m2"),
        ({"dose_mg_per_kg": 1}, "either dose_mg, dose_mg_per_kg or dose_mg_per_m2"),
        ({"every_h": 0}, "regimen.every_h = 0: must be above 0"),
        ({"every_h": 1e-4, "on_days": 100}, "makes more than 100000 doses"),
        ({"on_days": 0}, "regimen.on_days = 0: must be a whole number from 1"),
        ({"off_days": -1}, "regimen.off_days = -1"),
        ({"cycles": 1.5}, "regimen.cycles = 1.5"),
        ({"reductions": {5: 10}}, "regimen.reductions = 5: must be a cycle from 1 to 4"),
        ({"reductions": {2: -10}}, r"regimen.reductions.2 = -10: must be at least 0"),
        ({"loading": -1}, "regimen.loading = -1"),
        ({"missed_days": [15]}, "regimen.missed_days = 15: must be a day with a dose, of 1-84"),
        ({"missed_days": [85]}, "regimen.missed_days = 85"),
        ({"missed_doses": [57]}, "regimen.missed_doses = 57: must be a dose from 1 to 56"),
        ({"late_days": {99: 1}}, "regimen.late_days = 99"),
        ({"late_doses": {0: 1}}, "regimen.late_doses = 0"),
        ({"late_doses": {3: -1}}, "regimen.late_doses.3 = -1"),
        (
            {"late_doses": {3: 24}},
            "regimen.late_doses.3 = 24: must leave dose 3 before dose 4, at 72 h",
        ),
        (
            {"late_days": {5: 25}, "missed_days": [8]},
            "regimen.late_days.5 = 25: must leave dose 5 before dose 6, at 120 h",
        ),
        ({"route": "im"}, "regimen.route = 'im': must be one of 'oral', 'iv'"),
        ({"infusion_h": 1}, "regimen.infusion_h = 1: must be 0 for an oral dose"),
        ({"first_h": -1}, "regimen.first_h = -1"),
    ],
)
def test_impossible_regimens_are_refused(wrong: dict[str, Any], message: str) -> None:
    whole: dict[str, Any] = {"dose_mg": 12, "on_days": 14, "off_days": 7, "cycles": 4}
    with pytest.raises(ScenarioError, match=message):
        Regimen(**(whole | wrong))


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        Regimen(dose_mg=-1, cycles=0, route="im")  # type: ignore[arg-type]
    assert [p.key for p in caught.value.problems] == [
        "regimen.dose_mg",
        "regimen.cycles",
        "regimen.route",
    ]
    with pytest.raises(ScenarioError) as caught:
        Regimen(dose_mg=1, on_days=4, missed_days=[9], late_doses={2: 25}, reductions={3: 1})
    assert [p.key for p in caught.value.problems] == [
        "regimen.missed_days",
        "regimen.reductions",
        "regimen.late_doses.2",
    ]


def test_all_errors_of_a_file_are_reported_at_once(tmp_path: Path) -> None:
    path = write(
        tmp_path, "time_h,amount_mg,rout,route\n0,x,a,oral\n-1,2,b,po\n1,y,c,im\n2,1,d,iv\n"
    )
    with pytest.raises(ScenarioError) as caught:
        read_doses(path)
    assert [p.key for p in caught.value.problems] == [
        "column",
        "line 2: amount_mg",
        "line 3: time_h",
        "line 3: route",
        "line 4: amount_mg",
        "line 4: route",
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((-1, 5), "at_h = -1: must be a number of at least 0"),
        ((0, -5), "amount_mg = -5: must be a number of at least 0"),
        ((0, float("inf")), "amount_mg = inf"),
        ((0, 5, "oral", 1), "infusion_h = 1: must be 0 for an oral dose"),
        ((0, 5, "iV"), "did you mean 'iv'"),
    ],
)
def test_impossible_doses_are_refused(wrong: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        Dose(*wrong)


def write(folder: Path, text: str) -> Path:
    path = folder / "doses.csv"
    path.write_text(text)
    return path


def test_doses_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "time_h, amount_mg, route, infusion_h\n24,12,,\n0,5,iv,0.5\n")
    assert read_doses(path) == (Dose(0, 5, "iv", 0.5), Dose(24, 12))
    assert read_doses(write(tmp_path, "amount_mg,time_h\n12,0\n")) == (Dose(0, 12),)
    pumps = write(tmp_path, "time_h,amount_mg,route,infusion_h\n2,1,iv,4\n0,1,iv,4\n")
    assert read_doses(pumps) == (Dose(0, 1, "iv", 4), Dose(2, 1, "iv", 4))
    assert Regimen(dose_mg=1, on_days=2, route="iv", infusion_h=30).doses()[1].infusion_h == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("time_h,amount\n0,1\n", "column = 'amount'.*did you mean 'amount_mg'"),
        ("time_h\n0\n", "column amount_mg: is missing"),
        ("time_h,time_h,amount_mg\n0,0,1\n", "column = 'time_h': is given twice"),
        (
            "time_h,amount_mg\n0,1\n24,-5\n",
            "line 3: amount_mg = -5: must be a number of at",
        ),
        ("time_h,amount_mg\nx,1\n", "line 2: time_h = 'x': must be a number"),
        ("time_h,amount_mg\n-3,1\n", "line 2: time_h = -3"),
        ("time_h,amount_mg\n1\n", "line 2: has 1 cells; must have 2"),
        ("time_h,amount_mg\n1,2,3\n", "line 2: has 3 cells; must have 2"),
        ("time_h,amount_mg,infusion_h\n0,1,2\n", "line 2: infusion_h = 2: must be 0 for an oral"),
        ("time_h,amount_mg\n", "contains no dose"),
        ("", "is missing"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        read_doses(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_doses(tmp_path / "none.csv")
