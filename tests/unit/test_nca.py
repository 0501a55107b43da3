"""Non-compartmental analysis: published numbers, the rules for samples, what is refused."""

from __future__ import annotations

import csv
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import InputError
from sim.lab.nca import COLUMNS, NCA, Profile, areas
from sim.pharmacology.compartments import OneCompartment
from sim.pharmacology.course import Course
from sim.pharmacology.dosing import Dose

THEOPHYLLINE = {  # subject 1 of R's data set Theoph, after 4.02 mg/kg by mouth (79.6 kg)
    "time_h": [0, 0.25, 0.57, 1.12, 2.02, 3.82, 5.1, 7.03, 9.05, 12.12, 24.37],
    "conc_mg_L": [0.74, 2.84, 6.57, 10.5, 9.66, 8.58, 8.36, 7.47, 6.89, 5.94, 3.28],
}
T = np.array([0, 0.25, 0.5, 1, 2, 4, 8, 12, 24])
ORAL = 100 / 9 * (np.exp(-0.1 * T) - np.exp(-T))  # ka 1, k 0.1, 100 mg into 10 L
BOLUS = 10 * np.exp(-0.1 * T)


def one(time_h: Any, conc: Any, dose_mg: float = 100, **options: Any) -> Profile:
    (profile,) = sim.nca({"time_h": time_h, "conc_mg_L": conc}, dose_mg=dose_mg, **options).profiles
    return profile


def naive_areas(time: Any, level: Any) -> tuple[float, float]:
    """Areas under c and t c between samples, by quadrature: falling c is exponential."""
    from scipy.integrate import quad

    auc = aumc = 0.0
    for t1, t2, c1, c2 in zip(time, time[1:], level, level[1:], strict=False):
        if c1 > c2 > 0:
            rate = math.log(c1 / c2) / (t2 - t1)
            auc += quad(lambda t, a=c1, k=rate, s=t1: a * math.exp(-k * (t - s)), t1, t2)[0]
            aumc += quad(lambda t, a=c1, k=rate, s=t1: t * a * math.exp(-k * (t - s)), t1, t2)[0]
        else:
            auc += (t2 - t1) * (c1 + c2) / 2
            aumc += (t2 - t1) * (t1 * c1 + t2 * c2) / 2
    return auc, aumc


# --- numbers ---------------------------------------------------------------------------------


def test_the_classic_theophylline_subject() -> None:
    found = one(*THEOPHYLLINE.values(), dose_mg=4.02 * 79.6)
    assert found.half_life_points == 3
    assert found.half_life_h == pytest.approx(14.304, abs=5e-4)
    assert found.auc_last == pytest.approx(147.2347, abs=5e-5)
    assert found.auc_all == found.auc_last
    assert found.auc_inf == pytest.approx(214.9236, abs=5e-5)
    assert (found.cmax, found.tmax_h) == (10.5, 1.12)
    assert found.extrapolated_percent == pytest.approx(100 * (1 - 147.2347 / 214.9236), abs=1e-3)
    assert found.cl == pytest.approx(319.992 / 214.9236, rel=1e-6)
    assert found.vz == pytest.approx(found.cl * found.half_life_h / math.log(2))
    assert "31.5 % of AUCinf is extrapolated (above 20 %)" in found.notes


def test_areas_are_those_of_the_interpolated_curve() -> None:
    rng = np.random.default_rng(5)
    for _ in range(5):
        time = np.sort(rng.uniform(0, 30, 12))
        time[0] = 0.0
        level = rng.uniform(0.5, 5.0, 12) * np.exp(-0.1 * time)
        found = one(time, level)
        auc, aumc = naive_areas(time, level)
        assert found.auc_last == pytest.approx(auc)
        if found.half_life_h == found.half_life_h:
            rate = math.log(2) / found.half_life_h
            tail = level[-1] / rate
            mrt = (aumc + tail * (time[-1] + 1 / rate)) / (auc + tail)
            assert found.mrt_h == pytest.approx(mrt)


def test_the_terminal_phase_has_the_best_adjusted_r2_and_more_points_in_a_tie() -> None:
    assert one(T, ORAL).half_life_points == 3  # adjusted R^2 of four is lower
    straight = one(T, 10 * np.exp(-0.1 * T), route="iv")
    assert straight.half_life_points == 8  # all behind the peak: each line is perfect
    bent = BOLUS * np.where(T < 4, 3.0, 1.0)
    assert one(T, bent, route="iv").half_life_points == 4
    assert one([0, 1, 2, 3], [0, 3, 2, 1.5]).half_life_points == 0  # two samples behind the peak
    rises = one([0, 1, 2, 3, 4, 5], [0, 9, 1, 2, 3, 4])
    assert rises.half_life_points == 0 and rises.auc_last > 0
    assert "no half-life: needs 3 falling samples behind the peak" in rises.notes
    assert rises.row()["auc_inf"] is None


def test_units_of_concentrations_and_times() -> None:
    """Areas are in the unit of the table, clearances and volumes always in litres."""
    at_0 = one(T, ORAL)
    for name, factor, options in (
        ("conc_ng_ml", 1e3, {}),
        ("Conc (µg/mL)", 1.0, {}),
        ("plasma_pg_mL", 1e6, {}),
        ("c_ug_L", 1e3, {}),
        ("total_nM", 1e6 / 400, {"molar_mass": 400}),
        ("total_uM", 1e3 / 407.44, {"drug": "anlotinib"}),
    ):
        table = {"t_min": T * 60, name: ORAL * factor}
        (found,) = sim.nca(table, time="t_min", dose_mg=100, **options).profiles  # type: ignore[arg-type]
        assert found.auc_inf == pytest.approx(factor * at_0.auc_inf, rel=1e-4), name
        assert found.cl == pytest.approx(at_0.cl, rel=1e-4), name
        assert found.mrt_h == pytest.approx(at_0.mrt_h), name
    with pytest.raises(InputError, match="conc_nM is in nM: give --drug or --molar-mass"):
        sim.nca({"time_h": T, "conc_nM": ORAL}, dose_mg=100)
    with pytest.raises(InputError, match=r"molar-mass = 500: anlotinib has 407\.44 g/mol"):
        sim.nca({"time_h": T, "c_nM": ORAL}, dose_mg=1, drug="anlotinib", molar_mass=500)


@pytest.mark.parametrize("drop", [1e-15, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 2e-3])
def test_areas_of_nearly_equal_concentrations(drop: float) -> None:
    """A constant concentration c over 2 h from 1 h on has areas 2 c and 4 c, whatever rounds it."""
    auc, aumc = areas(np.array([1.0, 3.0]), np.array([0.3 * (1 + drop), 0.3]))
    assert auc == pytest.approx(0.6 * (1 + drop / 2), rel=1e-6)
    assert aumc == pytest.approx(1.2 * (1 + drop / 2 - drop / 12), rel=1e-6)
    assert areas(np.array([1.0, 3.0]), np.array([0.1 + 0.2, 0.3])) == pytest.approx((0.6, 1.2))


# --- routes and doses ------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["a zero before the dose", "nothing", "none"])
def test_a_bolus_is_extrapolated_to_its_dose(missing: str) -> None:
    level = BOLUS * (T > 0) if missing == "a zero before the dose" else BOLUS
    kept = slice(1 if missing == "nothing" else 0, None)
    found = one(T[kept], level[kept], route="iv")
    assert found.c0 == pytest.approx(10)
    first = 0 if missing == "none" else 0.25  # Cmax is a sample; C0 is none
    assert (found.cmax, found.tmax_h) == (pytest.approx(10 * math.exp(-0.1 * first)), first)
    assert found.first_added == (missing != "none")
    assert (found.cl, found.vss, found.mrt_h) == pytest.approx((1, 10, 10))
    assert any("C0 extrapolated" in note for note in found.notes) == (missing != "none")
    early = one(T, np.where(T < 0.5, 0.0, BOLUS), route="iv")
    assert early.c0 == pytest.approx(10)
    assert any("below quantification before it left out" in note for note in early.notes)
    rising = one([0.1, 0.2, 1, 2, 3], [1.0, 2, 1, 0.5, 0.25], route="iv")
    assert rising.c0 == 1.0
    assert any("C0 is the first sample" in note for note in rising.notes)


def test_an_infusion_has_its_own_residence_and_terminal_phase() -> None:
    doses = [Dose(0, 100, "iv", 2.0)]
    times = np.array([0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 6, 8, 12, 24, 36])
    level = Course(OneCompartment(1, 10, 1), doses).concentration(times)
    found = one(times, level, route="iv", infusion_h=2.0)
    assert found.mrt_h == pytest.approx(10, rel=0.01)
    assert found.vss == pytest.approx(10, rel=0.01)
    assert found.half_life_h == pytest.approx(10 * math.log(2))
    noisy = level * np.where(times == 1.5, 1.3, 1.0)  # the peak is sampled during the infusion
    assert one(times, noisy, route="iv", infusion_h=2.0).half_life_h == pytest.approx(
        10 * math.log(2)
    )


def test_several_doses_give_times_after_each_and_the_area_over_an_interval() -> None:
    """By superposition, the area over an interval in steady state is that of a single dose."""
    model = OneCompartment(1, 10, 1)
    doses = [Dose(12.0 * n, 100) for n in range(20)]
    course = Course(model, doses)
    first = np.array([0, 0.5, 1, 2, 3, 4, 6, 8, 10, 12])
    late = 228 + np.array([0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 10, 12, 24, 36])
    times = np.concatenate([first, late])
    table = {"time_h": times, "conc_mg_L": course.concentration(times, before=True)}
    given = {"time_h": [d.at_h for d in doses], "amount_mg": [100.0] * 20}
    found = sim.nca(table, doses=given).profiles
    assert [profile.dose.at_h for profile in found] == [0, 228]
    assert [profile.tau_h for profile in found] == [12, 12]
    steady = found[1]
    assert steady.auc_tau == pytest.approx(100, rel=5e-3)  # dose / CL
    assert steady.cl == pytest.approx(1, rel=5e-3)
    assert steady.half_life_h == pytest.approx(10 * math.log(2), rel=5e-3)
    assert steady.mrt_h == pytest.approx(11, rel=0.02)  # 1 / ka + V / CL
    assert found[0].cl == pytest.approx(1, rel=0.02)
    assert found[0].auc_tau == pytest.approx(float(course.auc(0, 12)), rel=0.02)
    assert found[0].time_h[-1] == 12


def test_the_first_sample_of_a_later_interval_may_be_missing() -> None:
    """At an oral dose the lowest concentration of the interval counts, at a bolus it is C0."""
    times = np.array([12.5, 13, 14, 18, 24])
    given = {"time_h": [0.0, 12.0], "amount_mg": [1.0, 100.0]}
    table = {"time_h": times, "conc_mg_L": [3.0, 6.0, 5.0, 3.0, 2.0]}
    (oral,) = sim.nca(table, doses=given).profiles
    assert (oral.time_h[0], oral.concentration[0]) == (0, 2)
    assert any("the lowest of the interval counts" in note for note in oral.notes)
    trough = {"time_h": [12.0, *times], "conc_mg_L": [1.5, 8.0, 7.0, 6.0, 3.0, 1.5]}
    (bolus,) = sim.nca(trough, doses=given, route="iv").profiles
    assert bolus.c0 == pytest.approx(8.0 * (8.0 / 7.0))
    assert bolus.auc_tau == pytest.approx(bolus.auc_last)
    assert bolus.cl == pytest.approx(100 / bolus.auc_tau)


def test_the_dose_may_be_at_any_time_of_the_clock() -> None:
    at_0 = one(T, ORAL)
    doses = {"time_h": [24.0], "amount_mg": [100.0]}
    (clock,) = sim.nca(
        {"time_h": [20.0, *(T + 24)], "conc_mg_L": ["BLQ", *ORAL]}, doses=doses
    ).profiles
    for key in ("half_life_h", "auc_inf", "tmax_h", "mrt_h", "cl"):
        assert getattr(clock, key) == pytest.approx(getattr(at_0, key)), key


def test_times_that_may_not_be_since_the_dose_are_noted() -> None:
    late = one(T + 24, ORAL)
    assert any("the first sample is 24 h after the dose" in note for note in late.notes)
    assert not any("first sample is" in note for note in one(T[1:], ORAL[1:]).notes)


# --- below quantification --------------------------------------------------------------------


def test_decimal_commas_beside_samples_below_quantification(tmp_path: Path) -> None:
    lines = [f"{t:g};{c:.6g}".replace(".", ",") for t, c in zip(T, ORAL, strict=True)]
    file = tmp_path / "samples.csv"
    file.write_text("\n".join(["time_h;conc_mg_L", *lines, "36;<0,5", "48;BLQ"]))
    (found,) = sim.nca(file, dose_mg=100).profiles
    expected = one([*T, 36, 48], [*np.round(ORAL, 6), "<0.5", "BLQ"])
    assert found.auc_last == pytest.approx(expected.auc_last, rel=1e-4)
    assert found.below_h.tolist() == expected.below_h.tolist() == [0, 36, 48]


@pytest.mark.parametrize("word", [0.0, "0", "BLQ", "blq", "BLOQ", "BQL", "LLOQ", "<0.5", "< LLOQ"])
def test_one_rule_for_what_is_below_quantification(word: Any) -> None:
    """0 before the first, left out after the last, kept between; two in a row end the profile."""
    whole = one(T, ORAL)
    for tail in ([word], [word, word], [word, word, 0.1]):
        times = [*T, *(30.0 + np.arange(len(tail)))]
        found = one(times, [*ORAL, *tail])
        for key in ("auc_last", "auc_inf", "half_life_h", "half_life_points", "mrt_h"):
            assert getattr(found, key) == getattr(whole, key), key
        triangle = ORAL[-1] * 6 / 2
        assert found.auc_all == pytest.approx(whole.auc_last + triangle)
        assert any("end the profile; not used: 0.1 at 32 h" in n for n in found.notes) == (
            len(tail) == 3
        )
    lagged = one([-1, 0, 0.1, *(T[1:] + 0.2)], [word, word, word, *ORAL[1:]])
    assert lagged.auc_inf == pytest.approx(whole.auc_inf, rel=0.01)
    with_gap = one([*T[:7], 10, *T[7:]], [*ORAL[:7], word, *ORAL[7:]])
    assert any("counts as 0: at 10 h" in note for note in with_gap.notes)
    assert with_gap.half_life_points == whole.half_life_points
    rising = one([0, 1, 2, 3, 4, 5, 6], [0, 1, word, 5, 4, 3, 2])  # also before the peak
    assert any("counts as 0: at 2 h" in note for note in rising.notes)
    assert rising.auc_last == pytest.approx(
        0.5 + 0.5 + 2.5 + sum(1 / math.log(c / (c - 1)) for c in (5, 4, 3))
    )
    lost = 0.5 * (ORAL[6] * 2 + ORAL[7] * 2)  # two linear trapezoids down to 0 and up again
    between = (ORAL[6] - ORAL[7]) / np.log(ORAL[6] / ORAL[7]) * 4
    assert with_gap.auc_last == pytest.approx(whole.auc_last - between + lost)


def test_a_cell_without_a_value_is_no_sample() -> None:
    kept = T != 4
    without = one(T[kept], ORAL[kept])
    for level in (
        [*np.where(T == 4, np.nan, ORAL)],
        np.ma.array(ORAL, mask=T == 4),
        ["" if t == 4 else value for t, value in zip(T, ORAL, strict=True)],
    ):
        found = one(T, level)
        assert found.auc_inf == without.auc_inf
        assert "1 row without a concentration left out" in found.notes


def test_a_subject_without_drug_is_reported_and_not_dropped() -> None:
    table = {
        "subject": ["a"] * 9 + ["b"] * 2,
        "time_h": [*T, 1, 2],
        "c_mg_L": [*ORAL, "BLQ", "BLQ"],
    }
    found = sim.nca(table, dose_mg=100)
    assert [p.subject for p in found.failed] == ["b"]
    assert math.isnan(found.table()["cmax"][1])
    assert "no sample after the dose is above quantification" in found.table()["note"][1]


# --- rows ------------------------------------------------------------------------------------


def test_rows_in_any_order_are_sorted_and_that_is_said() -> None:
    at_0 = one(T, ORAL)
    order = [0, 4, 2, 8, 1, 3, 5, 7, 6]
    found = one(T[order], ORAL[order])
    assert found.row() == at_0.row() | {"note": found.row()["note"]}
    assert any("were not in order of time" in note for note in found.notes)
    both = sim.nca(  # subjects in turns are in order
        {"subject": [1, 2] * 9, "time_h": np.repeat(T, 2), "c_mg_L": np.repeat(ORAL, 2)},
        dose_mg=100,
    )
    assert [p.notes for p in both.profiles] == [at_0.notes] * 2
    assert [p.subject for p in both.profiles] == ["1", "2"]


MORNING = datetime(2024, 3, 1, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time_h": np.where(T == 1, 0.5, T)}, r"row 4: time_h = 0.5: is the time of another row"),
        ({"time_h": np.where(T == 1, np.nan, T)}, r"row 4: time_h: must be a number"),
        ({"time_h": ["08:30", *T[1:]]}, "time_h = '08:30': .*not a clock time or date .*subtract"),
        ({"time_h": ["2024-03-01", *T[1:]]}, "not a clock time or date"),
        ({"time_h": ["1/3/2024 8:30 AM", *T[1:]]}, "not a clock time or date"),
        ({"time_h": pd.date_range(MORNING, periods=9, freq="h")}, "not a clock time or date"),
        ({"time_h": 45000 + T}, "row 1: time_h = 45000: .*dates of a spreadsheet"),
        ({"conc_mg_L": np.where(T == 4, -1, ORAL)}, r"row 6: conc_mg_L = -1: must be at least 0"),
        ({"conc_mg_L": np.where(T == 4, np.inf, ORAL)}, r"row 6: conc_mg_L"),
        ({"conc_mg_L": ["high", *ORAL[1:]]}, "row 1: conc_mg_L = 'high': must be a number"),
        ({"conc_mg_L": [">5", *ORAL[1:]]}, "row 1: conc_mg_L = '>5': must be a number"),
    ],
)
def test_impossible_samples_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        sim.nca({"time_h": T, "conc_mg_L": ORAL} | change, dose_mg=100)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either --dose-mg or --doses"),
        ({"dose_mg": 1, "doses": {"time_h": [0], "amount_mg": [1]}}, "give either"),
        ({"dose_mg": -5}, "--dose-mg = -5"),
        ({"dose_mg": 0}, "--dose-mg = 0: must be above 0"),
        ({"dose_mg": float("nan")}, "--dose-mg = nan"),
        ({"dose_mg": 1, "route": "IV"}, "--route = 'IV': must be one of 'oral', 'iv'.*'iv'"),
        ({"dose_mg": 1, "route": "im"}, "--route = 'im': must be one of 'oral', 'iv'; an infusion"),
        ({"dose_mg": 1, "infusion_h": 2}, "--infusion-h = 2: must be 0 for an oral dose"),
        ({"dose_mg": 1, "time": "time"}, "--time = 'time': no such column"),
        ({"dose_mg": 1, "time": "other"}, "--time = 'other': must end in its unit: _h, _min, _d"),
        ({"dose_mg": 1, "conc": "other"}, "--conc = 'other': must end in its unit"),
        ({"dose_mg": 1, "subject": "who"}, "--subject = 'who': no such column"),
        ({"dose_mg": 1, "molar_mass": 0}, "--molar-mass = 0: must be above 0"),
        ({"doses": {"time_h": [0], "dose": [1]}}, r"column = 'dose': must be one of"),
        ({"doses": {"time_h": [0, 0], "amount_mg": [1, 1]}}, "two doses at one time"),
        ({"doses": {"time_h": [-1], "amount_mg": [1]}}, "row 1: time_h = -1"),
        ({"doses": {"time_h": [0], "amount_mg": [0]}}, "row 1: amount_mg = 0: must be above 0"),
        ({"doses": {"time_h": [0.3], "amount_mg": [1]}}, "must be 0 or BLQ before the first dose"),
        (
            {"doses": {"time_h": [0], "amount_mg": [1], "route": ["sc"]}},
            "row 1: route = 'sc': must be one of 'oral', 'iv'",
        ),
        (
            {"doses": {"time_h": [0], "amount_mg": [1], "subject": ["b"]}},
            "this subject has samples and no dose",
        ),
    ],
)
def test_impossible_doses_and_columns_are_refused(options: dict[str, Any], message: str) -> None:
    table = {"time_h": T, "conc_mg_L": ORAL, "other": T}
    with pytest.raises(InputError, match=message):
        sim.nca(table, **options)


def test_subjects_in_one_column_without_its_name() -> None:
    table = {"time_h": [*T, *T], "conc_mg_L": [*ORAL, *ORAL], "patient": [1] * 9 + [2] * 9}
    with pytest.raises(InputError, match="rows of several subjects need --subject"):
        sim.nca(table, dose_mg=100)
    assert len(sim.nca(table, dose_mg=100, subject="patient").profiles) == 2
    with pytest.raises(InputError, match="row 2: patient: is missing"):
        sim.nca(table | {"patient": [1, None] + [1] * 16}, dose_mg=100, subject="patient")
    with pytest.raises(InputError, match="choose the column of concentrations with --conc: a_nM"):
        sim.nca({"time_h": T, "a_nM": ORAL, "b_mg_L": ORAL}, dose_mg=1)
    with pytest.raises(InputError, match="no column ends in a unit of concentration"):
        sim.nca({"time_h": T, "a": ORAL}, dose_mg=1)


# --- what is written -------------------------------------------------------------------------


def written(folder: Path, *words: str) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["nca", *words])
    return found.exit_code, found.stdout, found.stderr


def test_the_command_leaves_a_table_a_picture_and_json(tmp_path: Path) -> None:
    table = tmp_path / "plasma.csv"
    rows = zip(*THEOPHYLLINE.values(), strict=True)
    table.write_text("time_h,conc_mg_L\n" + "".join(f"{t},{c}\n" for t, c in rows))
    code, out, err = written(tmp_path, str(table), "--dose-mg", "319.992", "--json")
    folder = tmp_path / "plasma-nca"
    assert code == 0
    assert json.loads(out) == json.loads((folder / "nca.json").read_text())
    assert err == "warning: 31.5 % of AUCinf is extrapolated (above 20 %)\n"
    (row,) = csv.DictReader((folder / "nca.csv").open())
    assert tuple(row) == COLUMNS
    assert float(row["auc_inf"]) == pytest.approx(214.9236, abs=5e-5)
    (profile,) = json.loads(out)["profiles"]
    assert profile["half_life_samples_h"] == [9.05, 12.12, 24.37]
    assert (folder / "nca.png").stat().st_size > 10_000
    code, out, _ = written(tmp_path, str(table), "--dose-mg", "319.992")
    assert code == 0 and "214.9" in out and "plasma-nca-2" in out
    assert written(tmp_path, str(table), "--dose-mg", "1", "--out", str(folder))[0] == 2
    code, _, err = written(tmp_path, str(table), "--dose-mg", "1", "--route", "po")
    assert code == 2 and "--route = 'po': must be one of 'oral', 'iv'" in err
    assert "Traceback" not in err


def test_the_command_says_when_nothing_is_found_of_a_subject(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    lines = [f"a,{t},{c}" for t, c in zip(T, ORAL, strict=True)] + ["b,1,BLQ", "b,2,<1"]
    table.write_text("subject,time_h,c_ng_ml\n" + "\n".join(lines))
    code, out, err = written(tmp_path, str(table), "--dose-mg", "1", "--quiet")
    assert (code, out) == (3, "")
    assert "'b': no sample after the dose is above quantification" in err


def test_the_picture_marks_the_samples_of_the_half_life() -> None:
    table = {
        "subject": ["a"] * 10 + ["b"] * 9,
        "time_h": [*T, 30, *T],
        "c_ng_ml": [*ORAL, "BLQ", *ORAL],
    }
    found = sim.nca(table, dose_mg=1)
    assert repr(found) == "<NCA of c_ng_ml: 2 profiles>"
    figure = found.plot()
    assert len(figure.axes) == 2
    (marked,) = [line for line in figure.axes[0].lines if line.get_gid() == "half-life"]
    assert list(marked.get_xdata()) == [8, 12, 24]  # type: ignore[call-overload]
    (below,) = [line for line in figure.axes[0].lines if line.get_gid() == "below"]
    assert list(below.get_xdata()) == [0, 30]  # type: ignore[call-overload]
    (part,) = (whole := Figure((8, 5))).subfigures(1, 1, squeeze=False).ravel()
    assert found.plot(fig=part) is whole
    many = {"subject": np.repeat(np.arange(30), 9), "time_h": [*T] * 30, "c_nM": [*ORAL] * 30}
    drawn = sim.nca(many, dose_mg=1, drug="anlotinib").plot()
    assert len(drawn.axes) == 24
    assert "not drawn: 6 of 30 profiles" in drawn.get_supxlabel().replace("\n", " ")
    assert isinstance(found, NCA)
