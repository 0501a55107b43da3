"""Single read-outs of a drug in a body against their plain definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import sim
from sim.scenario.exposure import pharmacokinetic
from sim.scenario.resolve import load

RAT = {"CL": 5.35, "V1": 11.04, "Q": 5.42, "V2": 16.56, "ka": 1.0, "F": 0.43}


def rat(**drug: Any) -> dict[str, Any]:
    whole = {"name": "anlotinib", "exposure": "pk", "species": "rat", **drug}
    return {"extends": "tube_formation", "drug": whole}


@pytest.mark.parametrize("every_h", [6.0, 24.0])
def test_the_effective_half_life_is_that_of_many_doses(every_h: float) -> None:
    """R is the last area of 60 doses over the first, although less than half is absorbed."""
    regimen = {"dose_mg_per_kg": 1, "every_h": every_h, "on_days": int(60 * every_h / 24)}
    course = sim.pk(rat(regimen=regimen))
    first, last = course.windows["first dose"], course.windows["last dose"]
    R = last["auc_nM_h"] / first["auc_nM_h"]
    assert course.half_lives.every_h == every_h
    assert course.half_lives.accumulation == pytest.approx(R, rel=1e-6)
    expected = every_h * np.log(2) / np.log(R / (R - 1))
    assert course.half_lives.effective_h == pytest.approx(expected, rel=1e-6)


def test_listed_doses_end_three_half_lives_after_the_last_infusion() -> None:
    """And any oral dose among them brings its absorption into the half-lives."""
    infusion = {"at_h": 30, "amount_mg": 0.1, "route": "iv", "infusion_h": 20}
    course = sim.pk(rat(doses=[infusion]))
    end_h = 30 + 20 + 3 * float(course.half_lives.terminal_h)
    assert course.windows["whole"]["end_h"] == pytest.approx(end_h)
    assert course.half_lives.absorption_h is None
    for oral in ({"at_h": 0, "amount_mg": 1}, {"at_h": 60, "amount_mg": 1}):
        mixed = sim.pk(rat(doses=[infusion, oral], pk={"ka": 0.05})).half_lives
        assert mixed.absorption_h == pytest.approx(np.log(2) / 0.05)
        assert mixed.terminal_h == pytest.approx(np.log(2) / 0.05)  # the slowest


def test_free_read_outs_are_those_of_plasma_times_unbound_and_at_the_cells() -> None:
    for window in sim.pk("human_12mg", {"drug.kp_uu": 3}).windows.values():
        for name in ("cmax", "mean", "last"):
            expected = 0.07 * 3 * window[f"{name}_nM"]
            assert window[f"{name}_free_nM"] == pytest.approx(expected, rel=1e-12)
        length_h = window["end_h"] - window["start_h"]
        assert window["mean_nM"] == pytest.approx(window["auc_nM_h"] / length_h, rel=1e-12)


def test_peaks_and_ends_of_subjects_do_not_depend_on_blocks_of_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    regimen = {"dose_mg_per_kg": 1, "on_days": 3}
    monkeypatch.setattr("sim.runs.pk.BLOCK", 7 * 100)
    course = sim.pk(rat(regimen=regimen), subjects=7)
    each = [pharmacokinetic(load(rat(regimen=regimen, subject=n))) for n in range(1, 8)]
    total = np.array([one.total_nM(course.time_h) for one in each])
    for name, values in (("cmax_nM", total.max(axis=1)), ("last_nM", total[:, -1])):
        found = list(course.population[name].values())
        np.testing.assert_allclose(found, np.percentile(values, (5, 50, 95)), rtol=1e-12)


def test_what_a_large_dose_inhibits_within_minutes_counts() -> None:
    """Against midpoints a thousand times finer than the dose's rise."""
    dose = {"at_h": 0, "amount_mg": 200, "route": "iv", "infusion_h": 0.5}
    course = sim.pk(rat(doses=[dose, {**dose, "at_h": 10}], pk={"CL": 60.0}))
    window, exposure = course.windows["whole"], pharmacokinetic(course.scenario)
    edges = np.linspace(window["start_h"], window["end_h"], 400_001)
    free = exposure.free_nM((edges[1:] + edges[:-1]) / 2)
    for receptor, ic50 in (("VEGFR2", 5.6), ("FGFR1", 11.7)):
        found = window["inhibition"][receptor]
        assert found["mean"] == pytest.approx((free / (free + ic50)).mean(), abs=1e-4)
        above_h = (free > ic50).mean() * (window["end_h"] - window["start_h"])
        assert found["above_ic50_h"] == pytest.approx(above_h, abs=2e-3)
        assert found["above_ic50"] == pytest.approx(
            above_h / (window["end_h"] - window["start_h"]), abs=1e-4
        )


def test_windows_of_a_steady_state_after_a_pause() -> None:
    """The last dose lasts `every_h` also before days off, and its trough is read there."""
    regimen = {
        "dose_mg_per_kg": 1, "every_h": 12, "on_days": 2, "off_days": 3, "cycles": "steady",
    }  # fmt: skip
    course = sim.pk(rat(regimen=regimen))
    exposure, window = pharmacokinetic(course.scenario), course.windows["last dose"]
    assert (window["start_h"], window["end_h"]) == (36, 48)
    assert window["last_nM"] == pytest.approx(float(exposure.total_nM(48.0)), rel=1e-9)
    assert (window["first_day"], window["last_day"]) == (2, 2)
    whole = course.windows["cycle in steady state"]
    times = np.linspace(0, 120, 240_001)
    total = exposure.total_nM(times)
    assert whole["auc_nM_h"] == pytest.approx(np.trapezoid(total, times), rel=1e-5)
    assert whole["cmax_nM"] == pytest.approx(total.max(), rel=1e-6)
    assert whole["last_nM"] == pytest.approx(float(exposure.total_nM(120.0, before=True)), rel=1e-9)
