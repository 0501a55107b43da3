"""Doses to a body, asked with the tissue: the arms agree until the drug comes, and recover."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from marks import slow

from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load

SMALL = {"domain.size_um": [200, 200], "cells.count": 20}


def steps(model: AngiogenesisModel, count: int) -> AngiogenesisModel:
    for _ in range(count):
        model.step()
    return model


def test_arms_are_bit_identical_until_the_first_dose() -> None:
    """A dose at 0.5 h: 60 steps are the control's, and the drive differs soon after."""
    regimen = {"dose_mg_per_kg": 500, "first_h": 0.5}
    treated = AngiogenesisModel(load("rat_oral", {**SMALL, "drug.regimen": regimen}))
    control = AngiogenesisModel(
        load("rat_oral", {**SMALL, "drug.regimen": {**regimen, "dose_mg_per_kg": 0}})
    )
    for model in (treated, control):
        steps(model, 60)
    one, other = treated.state(), control.state()
    assert all((one[name] == other[name]).all() for name in one)
    for model in (treated, control):
        steps(model, 20)
    assert (treated.cells["drive"] < control.cells["drive"]).any()


@pytest.mark.parametrize("mcs_s", [slow(30), 300])
def test_drive_under_doses_does_not_depend_on_the_step(mcs_s: float) -> None:
    """Two hours after an oral dose, against 10 s steps, over cells that stand still."""
    still = {"engine.temperature": 1e-6, **SMALL, "cells.count": 4, "fields.cue.substeps": 400}
    drive = []
    for step_s in (10, mcs_s):
        overrides = {**still, "time.mcs_s": step_s, "drug.regimen.dose_mg_per_kg": 45}
        model = steps(AngiogenesisModel(load("rat_oral", overrides)), round(7200 / step_s))
        row = model.datacollector.model_vars["free_nM"]
        assert row[0] == 0.0
        drive.append((model.cells["drive"][1], model.measure()["free_nM"]))
    np.testing.assert_allclose(drive[1], drive[0], rtol=0.01)


def network_mm(name: str, seed: int, hours: list[float], **overrides: Any) -> list[float]:
    """Network length at these hours, on 500 um square."""
    overrides = {"domain.size_um": [500, 500], **overrides}
    model = AngiogenesisModel(load(name, overrides), rng=seed)
    found = []
    for hour in hours:
        steps(model, round(hour * 120) - model.mcs)
        found.append(model.measure()["tube_length_mm"])
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_rat_loses_and_regains_its_network() -> None:
    """45 mg/kg by mouth: below control after a day's worst, nearer to it when the drug has gone."""
    hours = [6.0, 24.0]
    treated = np.array([network_mm("rat_oral", seed, hours) for seed in range(1, 5)])
    control = np.array(
        [
            network_mm("rat_oral", seed, hours, **{"drug.regimen.dose_mg_per_kg": 0})
            for seed in range(1, 5)
        ]
    )
    percent = 100 * treated / control
    print("rat, % of control at 6 and 24 h:", percent.mean(axis=0), percent.std(axis=0, ddof=1))
    assert percent[:, 0].mean() < 80
    assert percent[:, 1].mean() > percent[:, 0].mean()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_washed_out_networks_recover_within_36_hours() -> None:
    """Drug for the first 6 h; 36 h later the network is no shorter than the control's."""
    media = [{"at_h": 0, "free_nM": 100.0}, {"at_h": 6, "free_nM": 0.0}]
    schedule = {"drug.exposure": "schedule", "drug.media": media, "time.duration_h": 42.0}
    hours = [6.0, 42.0]
    seeds = range(1, 5)
    treated = np.array([network_mm("tube_formation", s, hours, **schedule) for s in seeds])
    control = np.array(
        [network_mm("tube_formation", s, hours, **{"time.duration_h": 42.0}) for s in seeds]
    )
    percent = 100 * treated / control
    print("wash-out, % of control at 6 and 42 h:", percent.mean(axis=0))
    assert percent[:, 0].mean() < 60
    error = scipy.stats.sem(percent[:, 1])
    assert percent[:, 1].mean() + 2 * error >= 90


def test_the_picture_of_a_cycle_is_drawn() -> None:
    example = Path(__file__).parents[2] / "examples" / "human_cycle.py"
    cycle = runpy.run_path(str(example))
    mean = np.linspace(90, 70, len(cycle["DAYS"]))
    upper, middle, lower = cycle["draw"](mean, np.ones(len(mean)), 1.0).axes
    assert (upper.get_ylabel(), middle.get_ylabel()) == ("concentration (nM)", "inhibition (0-1)")
    np.testing.assert_allclose(lower.lines[0].get_ydata(), mean)
    assert lower.get_xlim() == middle.get_xlim()


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_fresh_assays_follow_a_patients_cycle() -> None:
    """Network length against control: lowest 14 days after the first dose, then recovering."""
    example = Path(__file__).parents[2] / "examples" / "human_cycle.py"
    cycle = runpy.run_path(str(example))
    jobs = [(day, seed, 1.0) for day in (None, *cycle["DAYS"]) for seed in cycle["SEEDS"]]
    lengths = np.array([cycle["network_length_mm"](job) for job in jobs])
    percent = (100 * lengths.reshape(8, -1)[1:] / lengths.reshape(8, -1)[0]).mean(axis=1)
    print("cycle, % of control:", dict(zip(cycle["DAYS"], percent.round(1), strict=True)))
    assert cycle["DAYS"][int(percent.argmin())] == 14
    assert percent[4] < percent[5] < percent[6]
