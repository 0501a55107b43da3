"""Calibration: known parameters come back, whatever stops it; and what is wrong is told."""

from __future__ import annotations

import json
import math
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import fake_runs
import numpy as np
import pandas as pd
import pytest
import tomli_w
from marks import slow
from processes import children_of

import sim
from sim.calibration.calibrate import calibrate
from sim.calibration.file import CalibrationPlan, plan_calibration
from sim.calibration.precision import standard_errors
from sim.calibration.result import Range, seeds_of
from sim.calibration.runner import ratios
from sim.errors import AngiosimError, FolderError, InputError, LedgerWarning, ScenarioError
from sim.kinds import kind_of
from sim.runs.seeds import replicate_seed
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped_calibrations
from sim.studies.executors import Pool
from sim.studies.sweep import Counts
from sim.studies.task import Outcome, Task
from sim.studies.worker import Run
from sim.view.study.calibration import save_pictures

ROOT = Path(__file__).parents[2]
MU, GLUE = "engine.chemotaxis.cue.mu", "engine.contact_energy.cell_cell"
TRUTH = {MU: 300.0, GLUE: 8.0}


def number(dose: float, readout: str) -> float:
    """What the fake run gives for the truth, but for the seed."""
    task = Task("", {**TRUTH, "drug.free_nM": dose}, 504)
    return round(fake_runs.tubes({}, task)[readout], 3)


CALIBRATION: dict[str, Any] = {
    "name": "pull and glue",
    "base": "tube_formation",
    "replicates": 3,
    "trials": 80,
    "set": {"time.duration_h": 2, "time.record_every_h": 1},
    "parameters": {
        MU: {"distribution": "loguniform", "low": 100, "high": 1000},
        GLUE: [1, 20],
    },
    "data": {
        "rows": [
            {
                "time_h": 1,
                "tube_length_mm": number(0, "tube_length_mm@1"),
                "tube_length_mm_sd": 0.05,
            },
            {
                "tube_length_mm": number(0, "tube_length_mm"),
                "tube_length_mm_sd": 0.05,
                "meshes": number(0, "meshes"),
                "meshes_sd": 0.5,
            },
            {
                "drug.free_nM": 10,
                "time_h": 2,
                "tube_length_mm": number(10, "tube_length_mm"),
                "tube_length_mm_sd": 0.05,
            },
        ]
    },
}
SHORT = {**CALIBRATION, "trials": 14}

pytest.importorskip("optuna", reason="calibration is an extra")


class Here(fake_runs.Here):
    """Makes runs in this process, and notes which."""

    def __init__(self, plan: CalibrationPlan, run: Run = fake_runs.tubes) -> None:
        super().__init__(plan, run)


def task_with(task: Task, settings: dict[str, Any]) -> Task:
    return Task(task.key, {**settings, **task.settings}, task.seed)


def tables(folder: Path) -> dict[str, bytes]:
    """What must be the same, whichever way a calibration was made."""
    names = ("trials.csv", "calibration.json", "best.toml", "calibration.toml")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, bytes]:
    plan = plan_calibration(SHORT)
    calibrate(plan, Here(plan), tmp_path / "undisturbed")
    return tables(tmp_path / "undisturbed")


# --- the fit -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, *(slow(seed) for seed in (2, 3))])
def test_known_parameters_are_recovered(seed: int) -> None:
    plan = plan_calibration({**CALIBRATION, "seed": seed, "trials": 150})
    result = calibrate(plan, Here(plan))
    assert result.values[MU] == pytest.approx(TRUTH[MU], rel=0.05)
    assert result.values[GLUE] == pytest.approx(TRUTH[GLUE], abs=0.8)
    assert result.objective < 1
    assert result.fresh.objective is not None and result.fresh.objective < 3
    for key, found in result.ranges.items():
        assert found.low is not None and found.high is not None
        assert found.low < result.values[key] < found.high
        assert not found.low_open and not found.high_open
        width = found.high - found.low
        assert found.low - width < TRUTH[key] < found.high + width


def test_the_objective_is_chi_square_of_the_means(tmp_path: Path) -> None:
    plan = plan_calibration(SHORT)
    result = calibrate(plan, Here(plan), tmp_path)
    for trial in (result.best, result.trials[3]):
        chi_square = 0.0
        for row in plan_calibration(SHORT).targets:
            settings = {**plan.conditions[row.condition], **trial.values}
            seeds = seeds_of(plan, fresh=False)
            values = [fake_runs.tubes({}, Task("", settings, seed))[row.metric] for seed in seeds]
            chi_square += ((fmean(values) - row.value) / row.sd) ** 2
            assert trial.matches[plan.targets.index(row)].sd == stdev(values)
        assert trial.objective == pytest.approx(chi_square, rel=1e-12)
    assert result.scatter == pytest.approx(
        sum(
            (match.sd or 0) ** 2 / 3 / target.sd**2
            for match, target in zip(result.best.matches, plan.targets, strict=True)
        )
    )


def test_a_hopeless_fit_says_so(tmp_path: Path) -> None:
    rows = deepcopy(CALIBRATION["data"]["rows"])
    rows[0]["tube_length_mm"] = 8904.0  # um in a column of mm
    plan = plan_calibration({**SHORT, "data": {"rows": rows}})
    result = calibrate(plan, Here(plan), tmp_path)
    worst = result.misses[0]
    assert (worst.row, worst.readout, worst.value) == (1, "tube_length_mm", 8904.0)
    mean, sd = result.fresh.matches[0].mean, result.fresh.matches[0].sd or 0.0
    assert worst.simulated == mean
    assert worst.standard_errors == pytest.approx((mean - 8904) / (0.05**2 + sd**2 / 3) ** 0.5)
    assert result.verdict.startswith("the best fit is far from the data: it misses ")
    assert "tube_length_mm of row 1 is 8904 in the data and" in result.verdict
    assert "far from the data" in repr(result)
    assert result.reduced_chi_square == result.objective / 2
    report = json.loads((tmp_path / "calibration.json").read_text())
    assert report["verdict"] == result.verdict
    assert report["misses"][0] == vars(worst)
    assert report["reduced_chi_square"] == result.reduced_chi_square
    assert f"# {result.verdict}\n" in (tmp_path / "best.toml").read_text()
    load(tmp_path / "best.toml")


def test_a_good_fit_has_no_misses() -> None:
    plan = plan_calibration({**CALIBRATION, "trials": 60})
    result = calibrate(plan, Here(plan))
    assert (result.misses, result.verdict) == ([], "")
    assert "far" not in repr(result)
    as_many = {**SHORT, "data": {"rows": CALIBRATION["data"]["rows"][:1]}}
    assert replace(result, plan=plan_calibration(as_many)).reduced_chi_square is None


def test_all_trials_share_seeds_and_fresh_seeds_differ() -> None:
    plan = plan_calibration(SHORT)
    fitted, fresh = seeds_of(plan, fresh=False), seeds_of(plan, fresh=True)
    assert len(fitted) == len(fresh) == 3
    assert len({*fitted, *fresh}) == 6
    here, seeds = Here(plan), []

    def note(base: dict[str, Any], task: Task) -> dict[str, float]:
        seeds.append(task.seed)
        return fake_runs.tubes(base, task)

    here.run = note
    calibrate(plan, here)
    assert set(seeds[:-6]) == set(fitted)
    assert set(seeds[-6:]) == set(fresh)  # two conditions, three seeds


def test_no_study_shows_the_seeds_of_a_calibration() -> None:
    shown = {replicate_seed(seed, n) for seed in range(50) for n in range(100)}
    short = plan_calibration(SHORT)
    for seed in range(20):
        plan = replace(short, seed=seed, replicates=20)
        assert shown.isdisjoint(seeds_of(plan, fresh=False) + seeds_of(plan, fresh=True))


def test_rows_that_differ_in_time_share_a_run() -> None:
    plan = plan_calibration(SHORT)
    assert plan.conditions == [{}, {"drug.free_nM": 10}]
    assert [target.metric for target in plan.targets] == [
        "tube_length_mm@1", "tube_length_mm", "meshes", "tube_length_mm",
    ]  # fmt: skip
    here = Here(plan)
    calibrate(plan, here)
    assert len(here.made) == len(set(here.made)) == (14 + 1) * 2 * 3


def test_standard_errors_are_those_of_least_squares() -> None:
    """Straight lines without noise have the covariance of the textbook, about their minimum."""
    chance = np.random.default_rng(1)
    slopes, shares = chance.normal(size=(2, 5)), chance.uniform(size=(40, 2))
    level = chance.normal(size=5)
    residuals = (shares - 0.5) @ slopes + level
    minimum = 0.5 + np.linalg.lstsq(slopes.T, -level, rcond=None)[0]
    aside = shares[(residuals**2).sum(axis=1).argmin()] - minimum
    variances = np.diag(np.linalg.inv(slopes @ slopes.T))
    found = standard_errors(shares, residuals, np.zeros(5))
    assert found == pytest.approx(np.sqrt(variances + aside**2))
    noisier = standard_errors(shares, residuals, np.full(5, 3.0))
    assert noisier == pytest.approx(np.sqrt(4 * variances + aside**2))


def test_standard_errors_hold_the_truth_as_often_as_they_should() -> None:
    """68 % of estimates lie within one, with noise in the data and in each simulated mean."""
    chance = np.random.default_rng(2)
    inside = []
    for _ in range(300):
        slopes = chance.normal(0, 30, size=(2, 6))
        shares = 0.5 + chance.normal(0, 0.08, size=(60, 2))
        data = chance.normal(size=6)
        residuals = (shares - 0.5) @ slopes + data + chance.normal(0, 0.5, size=(60, 6))
        found = standard_errors(shares, residuals, np.full(6, 0.25))
        assert found is not None
        best = shares[(residuals**2).sum(axis=1).argmin()]
        inside += list(np.abs(best - 0.5) < found)
    assert 0.58 < np.mean(inside) < 0.78


@pytest.mark.slow
def test_ranges_of_a_short_calibration_hold_the_truth_as_often_as_they_should() -> None:
    """Of 40 trials the best is still away from the minimum, which counts too."""
    plan = plan_calibration({**CALIBRATION, "trials": 40})
    chance, inside = np.random.default_rng(7), []
    for seed in range(40):
        data = [replace(t, value=t.value + t.sd * chance.normal()) for t in plan.targets]
        drawn = replace(plan, targets=data, seed=5000 + seed)
        for key, found in calibrate(drawn, Here(drawn)).ranges.items():
            assert found.low is not None and found.high is not None
            inside.append(found.low < TRUTH[key] < found.high)
    assert 0.55 < np.mean(inside) < 0.8


def test_one_replicate_gives_no_ranges(tmp_path: Path) -> None:
    plan = plan_calibration({**SHORT, "trials": 40, "replicates": 1})
    result = calibrate(plan, Here(plan), tmp_path)
    note = "one replicate: the scatter is not known"
    assert [str(found) for found in result.ranges.values()] == [note, note]
    report = json.loads((tmp_path / "calibration.json").read_text())["parameters"][GLUE]
    assert (report["low"], report["high"], report["note"]) == (None, None, note)


def test_standard_errors_are_not_claimed_where_the_trials_do_not_determine_them() -> None:
    chance = np.random.default_rng(3)
    shares = chance.uniform(size=(40, 2))
    noise = chance.normal(size=(40, 5))
    found = standard_errors(shares, noise, np.ones(5))  # no effect
    assert found is None or min(found) > 1
    slopes = chance.normal(size=5)
    both = (shares.sum(axis=1) - 1)[:, None] * slopes * 10
    assert standard_errors(shares, both, np.zeros(5)) is None  # only their sum has one
    assert standard_errors(shares[:3], noise[:3], np.ones(5)) is None  # too few
    assert standard_errors(shares * [1, 0], noise, np.ones(5)) is None  # one was not varied


def test_ranges_are_open_at_the_ends_of_what_was_searched() -> None:
    plan = plan_calibration({**CALIBRATION, "trials": 40, "parameters": {GLUE: [7.8, 20]}})
    here = Here(plan, lambda base, task: fake_runs.tubes(base, task_with(task, {MU: 300})))
    result = calibrate(plan, here)
    assert str(result.ranges[GLUE]).startswith("7.8 or less to 8.")


RATIOS: dict[str, Any] = {
    **CALIBRATION,
    "parameters": {MU: CALIBRATION["parameters"][MU]},
    "set": CALIBRATION["set"] | {GLUE: TRUTH[GLUE]},
    "data": {
        "relative_to": {"drug.free_nM": 0},
        "relative_error": 0.02,
        "rows": [
            {"drug.free_nM": dose, "tube_length_mm": number(dose, "tube_length_mm")
             / number(0, "tube_length_mm")}
            for dose in (5, 20, 60)
        ],
    },
}  # fmt: skip


def glued(base: dict[str, Any], task: Task) -> dict[str, float]:
    return fake_runs.tubes(base, replace(task, settings=task.settings | {GLUE: TRUTH[GLUE]}))


def glued_times_seven(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Another lab's numbers: the same network in another unit, with a level of each seed."""
    level = 7 * (1 + task.seed % 13 / 10)
    return {name: level * value for name, value in glued(base, task).items()}


def test_ratios_to_a_control_are_fitted() -> None:
    """The control needs no row; neither units nor what seeds share with it matter."""
    plan = plan_calibration(RATIOS, trials=60)
    assert [target.control for target in plan.targets] == [1, 1, 1]
    assert plan.conditions[1] == {"drug.free_nM": 0}
    found = calibrate(plan, fake_runs.Here(plan, glued))
    assert found.values[MU] == pytest.approx(TRUTH[MU], rel=0.1)
    other = calibrate(plan, fake_runs.Here(plan, glued_times_seven))
    assert other.values[MU] == pytest.approx(TRUTH[MU], rel=0.1)
    assert other.best.matches[0].sd < 0.05 * other.best.matches[0].mean
    data = found.as_dict()["data"][0]
    assert data["ratio_to"] == {"drug.free_nM": 0} and 0.5 < data["fitted"]["mean"] < 1


def test_a_ratio_is_that_of_means_with_the_scatter_of_pairs() -> None:
    rng = np.random.default_rng(1)
    controls = 10 * (1 + 0.2 * rng.normal(size=2000))
    values = 0.4 * controls * (1 + 0.01 * rng.normal(size=2000))
    found = ratios(values.tolist(), controls.tolist())
    assert fmean(found) == pytest.approx(values.mean() / controls.mean(), rel=1e-12)
    assert stdev(found) == pytest.approx(0.004, rel=0.1)
    assert math.isnan(ratios([1.0], [0.0])[0])


def test_a_control_of_zero_fails_the_trial_with_the_reason() -> None:
    plan = plan_calibration(RATIOS, trials=2)
    with pytest.raises(AngiosimError, match="the control of tube_length_mm of row 1 is 0"):
        calibrate(plan, fake_runs.Here(plan, lambda base, task: {"tube_length_mm": 0.0}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"relative_to": 3}, "data.relative_to = 3: must be a table of the settings"),
        ({"relative_to": {}}, "must be a table of the settings of the control"),
        ({"relative_to": {"drug.fre_nM": 0}}, "must be a key of scenarios"),
        ({"relative_to": {MU: 100}}, "is fitted, and cannot be set"),
        ({"relative_to": {"seed": 1}}, "data.relative_to, seed"),
        ({"relative_to": {"drug.free_nM": -1}}, "data.relative_to: drug.free_nM"),
        ({"relative_to": {"drug.free_nM": 5}}, "is the control itself, whose ratio is 1"),
        ({"rows": [{"drug.free_nM": 5, "tube_length_mm": 84}]}, "if it is percent, divide by 100"),
    ],
)
def test_wrong_controls_and_percent_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError) as found:
        plan_calibration({**RATIOS, "data": RATIOS["data"] | change})
    assert words in str(found.value)


def test_a_relative_error_must_be_given() -> None:
    rows = [{"tube_length_mm": 2.0}, {"tube_length_mm": 4.0, "tube_length_mm_sd": 0.1}]
    data = {"rows": rows, "relative_error": 0.1}
    plan = plan_calibration({**CALIBRATION, "data": data})
    assert [target.sd for target in plan.targets] == [0.2, 0.1]
    again = plan_calibration({**CALIBRATION, "data": {"rows": rows[1:]}})
    assert [target.sd for target in again.targets] == [0.1]


def test_a_table_can_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "wells.csv").write_text(
        "# counted on Monday\ndrug.free_nM,time_h,tube_length_mm,tube_length_mm_sd,meshes\n"
        "0,1,2.5,0.1,\n\n10,,1.5,0.2,3\n"
    )
    tree = {**CALIBRATION, "data": {"file": "wells.csv", "relative_error": 0.5}}
    (tmp_path / "fit.toml").write_text(tomli_w.dumps(tree))
    plan = plan_calibration(tmp_path / "fit.toml")
    assert plan.conditions == [{"drug.free_nM": 0}, {"drug.free_nM": 10}]
    found = [(t.row, t.time_h, t.readout, t.value, t.sd) for t in plan.targets]
    assert found == [
        (1, 1, "tube_length_mm", 2.5, 0.1),
        (2, None, "tube_length_mm", 1.5, 0.2),
        (2, None, "meshes", 3.0, 1.5),
    ]


# --- the folder ----------------------------------------------------------------------------------


def test_a_calibration_leaves_its_files(tmp_path: Path) -> None:
    plan = plan_calibration(SHORT)
    result = calibrate(plan, Here(plan), tmp_path / "fit")
    assert {path.name for path in (tmp_path / "fit").iterdir()} == {
        "calibration.toml", "ledger.sqlite", "trials.csv", "best.toml", "calibration.json",
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "fit" / "trials.csv")
    assert list(table) == ["trial", MU, GLUE, "objective", "status", "reason"]
    assert table["trial"].tolist() == list(range(1, 15))
    assert table["objective"].min() == result.objective
    best = load(tmp_path / "fit" / "best.toml")
    assert best.name == "pull and glue, calibrated"
    assert best.engine.chemotaxis["cue"].mu == result.values[MU]
    assert best.engine.contact_energy.cell_cell == result.values[GLUE]
    assert best.time.duration_h == 2
    report = json.loads((tmp_path / "fit" / "calibration.json").read_text())
    assert report["parameters"][MU]["calibrated"] == result.values[MU]
    assert report["objective_fresh"] == result.fresh.objective
    assert len(report["data"]) == 4
    again = plan_calibration(tmp_path / "fit" / "calibration.toml")
    assert (again.text, again.targets) == (plan.text, plan.targets)


def test_pictures_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.view.study.calibration import draw_fit, draw_objective, draw_profile, save_pictures
    from sim.view.study.doses import dose_label

    plan = plan_calibration(SHORT)
    result = calibrate(plan, Here(plan))
    save_pictures(result, tmp_path)
    for name in ("objective.png", "profile.png", "fit.png"):
        assert (tmp_path / name).stat().st_size > 10_000
    axes = [ax.get_xlabel().replace("\n", " ") for ax in draw_profile(result).axes]
    assert axes == [dose_label(MU), dose_label(GLUE)]
    assert [ax.get_ylabel() for ax in draw_fit(result).axes] == ["network length (mm)", "meshes"]
    fit = draw_fit(result).axes[0]
    assert fit.get_xlabel() == "time (h)\nunbound drug (nM)"
    assert [label.get_text() for label in fit.get_xticklabels()] == ["1\n–", "end\n–", "2\n10"]
    assert len(draw_objective(result).axes[0].lines) == 14 + 1
    assert all(ax.patches for ax in draw_profile(result).axes)
    known = {MU: Range(200, 300, False, False), GLUE: Range(1.0, 20.0, True, True)}
    monkeypatch.setattr(type(result), "ranges", known)
    profile = draw_profile(result)
    assert [len(ax.patches) for ax in profile.axes] == [1, 0]
    assert "no band: not determined" in profile.get_supxlabel()


def test_the_order_of_parameters_means_nothing(undisturbed: dict[str, bytes]) -> None:
    turned = dict(reversed(CALIBRATION["parameters"].items()))
    plan = plan_calibration({**SHORT, "parameters": turned})
    assert plan.text.encode() == undisturbed["calibration.toml"]
    result = calibrate(plan, Here(plan))
    assert result.objective == json.loads(undisturbed["calibration.json"])["objective"]


def test_without_a_folder_nothing_is_written(workplace: Path) -> None:
    plan = plan_calibration(SHORT)
    calibrate(plan, Here(plan))
    assert not any(workplace.iterdir())


def test_folders_of_others_are_refused(tmp_path: Path) -> None:
    plan = plan_calibration(SHORT)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FolderError, match="not that of a calibration"):
        calibrate(plan, Here(plan), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    calibrate(plan, Here(plan), tmp_path / "fit")
    other = plan_calibration({**SHORT, "name": "another"})
    with pytest.raises(FolderError, match="'pull and glue', not 'another'"):
        calibrate(other, Here(other), tmp_path / "fit")


def test_two_calibrations_in_one_folder_are_refused(tmp_path: Path) -> None:
    plan = plan_calibration(SHORT)

    def again(counts: Counts) -> None:
        with pytest.raises(FolderError, match="another angiosim process is using"):
            calibrate(plan, Here(plan), tmp_path / "fit")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(plan, Here(plan), tmp_path / "fit", progress=again)


# --- going on ------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same(
    undisturbed: dict[str, bytes], tmp_path: Path, workers: int
) -> None:
    plan = plan_calibration(SHORT)
    with closing(Pool(plan.base, workers, fake_runs.tubes)) as pool:
        calibrate(plan, pool, tmp_path / "fit")
    assert tables(tmp_path / "fit") == undisturbed


def test_what_was_stopped_resumes_where_it_was(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    plan = plan_calibration(SHORT)
    made: list[str] = []
    for stop_after in (1, 23, 0, 30, 10**9):  # in the first batch, between batches, at once
        here = Here(plan)
        here.stop_after = stop_after
        if stop_after < 10**9:
            with pytest.raises(KeyboardInterrupt):
                calibrate(plan, here, tmp_path / "fit")
        else:
            calibrate(plan, here, tmp_path / "fit")
        made += here.made
    assert len(made) == len(set(made)) == (14 + 1) * 2 * 3
    assert tables(tmp_path / "fit") == undisturbed
    here = Here(plan)
    calibrate(plan, here, tmp_path / "fit")
    assert here.made == []
    assert tables(tmp_path / "fit") == undisturbed


def test_damaged_rows_are_made_again_and_reported(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    plan = plan_calibration(SHORT)
    calibrate(plan, Here(plan), tmp_path / "fit")
    with closing(sqlite3.connect(tmp_path / "fit" / "ledger.sqlite", isolation_level=None)) as file:
        file.execute("UPDATE runs SET seconds = seconds + 1 WHERE key < '4'")
        (count,) = file.execute("SELECT count(*) FROM runs WHERE key < '4'").fetchone()
    (tmp_path / "fit" / "calibration.toml").unlink()
    here = Here(plan)
    with pytest.warns(LedgerWarning, match=f"count as not done: {count} in all"):
        calibrate(plan, here, tmp_path / "fit")
    assert len(here.made) == count
    assert tables(tmp_path / "fit") == undisturbed


def test_more_trials_continue_from_those_finished(tmp_path: Path) -> None:
    plan = plan_calibration(SHORT)
    few = calibrate(plan, Here(plan), tmp_path / "fit")
    more_plan = plan_calibration(SHORT, trials=21)
    here = Here(more_plan)
    more = calibrate(more_plan, here, tmp_path / "fit")
    assert more.trials[:14] == few.trials
    assert len(here.made) <= (7 + 1) * 2 * 3
    afresh = calibrate(more_plan, Here(more_plan), tmp_path / "afresh")
    assert afresh.trials == more.trials
    assert tables(tmp_path / "afresh") == tables(tmp_path / "fit")


def leftovers(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"ledger.sqlite"}


def test_files_of_an_earlier_calibration_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_calibration(SHORT)
    result = calibrate(plan, Here(plan), tmp_path)
    save_pictures(result, tmp_path)
    whole = leftovers(tmp_path)
    assert len(whole) == 7
    here = Here(plan)
    here.stop_after = 0
    calibrate(plan, here, tmp_path)  # nothing is to be made, so all of it is true
    assert leftovers(tmp_path) == whole
    rows = [{**row, "tube_length_mm_sd": 0.1} for row in CALIBRATION["data"]["rows"]]
    changed = plan_calibration({**SHORT, "seed": 5, "data": {"rows": rows}})
    here.tasks = []
    with pytest.raises(KeyboardInterrupt):
        calibrate(changed, here, tmp_path)
    assert leftovers(tmp_path) == {"calibration.toml"}
    calibrate(changed, Here(changed), tmp_path)
    monkeypatch.setattr("sim.studies.identity.code_hash", lambda _: "other code")
    with pytest.raises(KeyboardInterrupt):
        calibrate(changed, here, tmp_path)
    assert leftovers(tmp_path) == {"calibration.toml"}


def test_a_calibration_that_only_lacked_fresh_runs_is_completed(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    plan = plan_calibration(SHORT)
    here = Here(plan)
    here.stop_after = 14 * 2 * 3
    with pytest.raises(KeyboardInterrupt):
        calibrate(plan, here, tmp_path / "fit")
    assert leftovers(tmp_path / "fit") == {"calibration.toml", "trials.csv"}
    calibrate(plan, Here(plan), tmp_path / "fit")
    assert tables(tmp_path / "fit") == undisturbed


def test_a_changed_error_or_readout_reruns_nothing(tmp_path: Path) -> None:
    plan = plan_calibration({**SHORT, "trials": 8})  # drawn at random, whatever the objective
    calibrate(plan, Here(plan), tmp_path / "fit")
    rows = [{**row, "tube_length_mm_sd": 0.1} for row in CALIBRATION["data"]["rows"]]
    changed = plan_calibration({**SHORT, "trials": 8, "data": {"rows": rows}})
    here = Here(changed)
    calibrate(changed, here, tmp_path / "fit")
    assert len(here.made) in (0, 6)  # the fresh ones, if another trial is the best


def start(file: Path, out: Path, run: str) -> Any:
    words = [ROOT / "tests" / "calibration_script.py", file, out, run, 2]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
@pytest.mark.parametrize("kills", [1, slow(40)])
def test_kills_at_random_moments_change_nothing(
    undisturbed: dict[str, bytes], tmp_path: Path, kills: int
) -> None:
    file = tmp_path / "fit.toml"
    file.write_text(tomli_w.dumps(SHORT))
    chance, made = random.Random(kills), 0
    for attempt_number in range(1000):  # a calibration may be done before it is killed enough
        out = tmp_path / f"fit{attempt_number}"
        while not (out / "calibration.json").exists():
            process = start(file, out, "slow_tubes")
            if made < kills:
                assert process.stdout.readline() == "ready\n"
                try:
                    process.wait(chance.uniform(0.0, 1.5))
                except subprocess.TimeoutExpired:
                    victim = chance.choice([process.pid, *children_of(process.pid)])
                    os.kill(victim, signal.SIGKILL)
                    made += 1
            _, errors = process.communicate(timeout=120)
            assert process.returncode in (0, -signal.SIGKILL), errors
        assert tables(out) == undisturbed
        assert not [path for path in out.iterdir() if path.name.endswith((".tmp", "-journal"))]
        if made >= kills:
            return


# --- failing -------------------------------------------------------------------------------------


def test_trials_that_fail_stop_nothing(tmp_path: Path) -> None:
    plan = plan_calibration({**CALIBRATION, "trials": 40})
    result = calibrate(plan, Here(plan, fake_runs.brittle_tubes), tmp_path / "fit")
    failed = {trial.number: trial for trial in result.trials if trial.objective is None}
    assert 3 < len(failed) < 37
    for trial in result.trials:
        glue = trial.values[GLUE]
        assert (trial.number in failed) == (glue > 15 or glue < 5)
    reasons = {trial.reason for trial in failed.values()}
    assert reasons == {
        "run: FloatingPointError: not finite", "read-out: meshes of row 2 is not a number",
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "fit" / "trials.csv")
    assert set(table.loc[table["status"] == "failed", "trial"]) == set(failed)
    assert table["objective"].isna().sum() == len(failed)
    assert result.values[GLUE] == pytest.approx(8, abs=2)
    here = Here(plan, fake_runs.brittle_tubes)
    assert calibrate(plan, here, tmp_path / "fit").trials == result.trials
    assert here.made == []


def test_values_that_give_no_valid_scenario_fail_with_their_reason() -> None:
    tree = {
        **SHORT,
        "set": {"time.duration_h": 2, "time.record_every_h": 1, "cells.count": 100},
        "parameters": {"domain.size_um.0": [600, 700], "domain.size_um.1": [600, 700]},
    }
    plan = plan_calibration(tree)

    def run(base: dict[str, Any], task: Task) -> dict[str, float]:
        return fake_runs.tubes(base, task_with(task, TRUTH))

    with pytest.raises(AngiosimError, match=r"no trial could be evaluated; trial 1 .*set-up: "):
        calibrate(plan, Here(plan, run))


def test_when_all_fail_the_reason_is_reported(tmp_path: Path) -> None:
    plan = plan_calibration(SHORT)
    with pytest.raises(AngiosimError, match=r"no trial could be evaluated.*ValueError: no room"):
        calibrate(plan, Here(plan, fake_runs.no_tubes), tmp_path / "fit")
    assert len(pd.read_csv(tmp_path / "fit" / "trials.csv")) == 14


def test_fresh_seeds_that_fail_leave_the_fit(tmp_path: Path) -> None:
    plan = plan_calibration(SHORT)
    fresh = seeds_of(plan, fresh=True)

    def run(base: dict[str, Any], task: Task) -> dict[str, float]:
        if task.seed == fresh[1]:
            raise ValueError("no room")
        return fake_runs.tubes(base, task)

    result = calibrate(plan, Here(plan, run), tmp_path / "fit")
    assert [trial.reason for trial in result.failures] == [
        "on fresh seeds, set-up: ValueError: no room"
    ]
    report = json.loads((tmp_path / "fit" / "calibration.json").read_text())
    assert report["objective_fresh"] is None
    assert report["objective"] == result.objective
    assert report["trials_failed"] == 0


class Troubled(Here):
    """A machine on which one run comes to nothing so many times."""

    def __init__(self, plan: CalibrationPlan, times: int) -> None:
        super().__init__(plan)
        self.times, self.key = times, ""

    def wait(self, seconds: float) -> list[Outcome]:
        found = super().wait(seconds)
        if found and len(self.made) == 7:
            self.key = found[0].key
        if found and found[0].key == self.key and self.times:
            self.times -= 1
            return [Outcome(self.key, None, stage="worker", error="killed by signal 9")]
        return found


def test_machine_errors_are_overcome(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    plan, counts = plan_calibration(SHORT), list[Counts]()
    here = Troubled(plan, times=1)
    result = calibrate(plan, here, tmp_path / "fit", progress=counts.append)
    assert result.failures == []
    assert len(here.made) == (14 + 1) * 2 * 3 + 1
    assert (counts[-1].done, counts[-1].failed, counts[-1].left) == ((14 + 1) * 2 * 3, 0, 0)
    assert tables(tmp_path / "fit") == undisturbed


def test_lasting_errors_stop_and_never_reach_the_optimiser(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    plan = plan_calibration(SHORT)
    here = Troubled(plan, times=2)
    told = rf"failed twice for a reason outside the model \({MU} = .*killed by signal 9; fix it and"
    with pytest.raises(AngiosimError, match=told):
        calibrate(plan, here, tmp_path / "fit")
    assert not (tmp_path / "fit" / "calibration.json").exists()
    again = Here(plan)
    calibrate(plan, again, tmp_path / "fit")
    assert len(set(here.made) & set(again.made)) == 1
    assert tables(tmp_path / "fit") == undisturbed


# --- files that are wrong ------------------------------------------------------------------------

ROW = {"tube_length_mm": 2.0, "tube_length_mm_sd": 0.1}
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown key": ({"trails": 5}, "trails", "did you mean 'trials'?"),
    "key of a study": ({"grid": {}}, "grid", "unknown key"),
    "no trials": ({"trials": 0}, "trials", "whole number from 1"),
    "trials in words": ({"trials": "many"}, "trials", "whole number from 1"),
    "no batch": ({"batch": 0}, "batch", "whole number from 1"),
    "no replicates": ({"replicates": 0}, "replicates", "whole number from 1"),
    "other format": ({"format": 2}, "format", "must be 1"),
    "empty name": ({"name": ""}, "name", "must be a text"),
    "no base": ({"base": "nothing"}, "base", "shipped scenario"),
    "wrong base": ({"set": {"cells.line": "hela"}}, "base: cells.line", "must be one of"),
    "nothing to fit": ({"parameters": {}}, "parameters", "must be a table of what is fitted"),
    "parameters as list": ({"parameters": [1]}, "parameters", "must be a table"),
    "unknown parameter": (
        {"parameters": {"engine.glue": [1, 2]}}, "parameters: engine.glue", "unknown key",
    ),
    "the seed as parameter": ({"parameters": {"seed": [1, 2]}}, "parameters, seed", "fitted"),
    "range upside down": ({"parameters": {GLUE: [5, 1]}}, f"parameters, {GLUE}", "low must be"),
    "range of one": ({"parameters": {GLUE: [5]}}, f"parameters, {GLUE}", "must be [low, high]"),
    "unknown distribution": (
        {"parameters": {GLUE: {"distribution": "flat", "low": 1, "high": 2}}},
        f"parameters, {GLUE}", "loguniform",
    ),
    "huge range": ({"parameters": {GLUE: [1, 10**400]}}, f"parameters, {GLUE}", "must be [low"),
    "log of zero": (
        {"parameters": {GLUE: {"distribution": "loguniform", "low": 0, "high": 2}}},
        f"parameters, {GLUE}", "above 0",
    ),
    "broken whole number": (
        {"parameters": {"cells.count": [10, 20.5]}}, "parameters, cells.count", "whole numbers",
    ),
    "range beyond what is allowed": (
        {"parameters": {"cells.density_per_mm2": [-100, 500]}},
        "parameters, cells.density_per_mm2", "above 0",
    ),
    "no data": ({"data": {}}, "data", "either file"),
    "data twice": ({"data": {"file": "a.csv", "rows": [ROW]}}, "data", "either file"),
    "unknown key of data": ({"data": {"rows": [ROW], "unit": "mm"}}, "data.unit", "unknown key"),
    "no file": ({"data": {"file": "a.csv"}}, "data.file", "no such file"),
    "file as number": ({"data": {"file": 5}}, "data.file", "must be a file in or below"),
    "no rows": ({"data": {"rows": []}}, "data.rows", "list of 1 to"),
    "row as number": ({"data": {"rows": [5]}}, "data, row 1", "must be a table"),
    "row without number": ({"data": {"rows": [{"drug.free_nM": 5}]}}, "data, row 1", "read-out"),
    "no error": (
        {"data": {"rows": [{"tube_length_mm": 2.0}]}}, "data, row 1, tube_length_mm",
        "has no standard error: give tube_length_mm_sd, or data.relative_error",
    ),
    "relative error of zero": (
        {"data": {"rows": [{"meshes": 0}], "relative_error": 0.1}}, "data, row 1, meshes", "for 0",
    ),
    "error of zero": (
        {"data": {"rows": [{**ROW, "tube_length_mm_sd": 0}]}},
        "data, row 1, tube_length_mm_sd", "above 0",
    ),
    "error that is next to none": (
        {"data": {"rows": [{**ROW, "tube_length_mm_sd": 1e-200}]}},
        "data, row 1, tube_length_mm", "standard error of 1e-200, which is implausibly small",
    ),
    "relative error that is next to none": (
        {"data": {"rows": [{"meshes": 1e200, "meshes_sd": 1.0}]}},
        "data, row 1, meshes", "implausibly small",
    ),
    "negative relative error": (
        {"data": {"rows": [ROW], "relative_error": -1}}, "data.relative_error", "above 0",
    ),
    "error alone": (
        {"data": {"rows": [{**ROW, "meshes_sd": 1}]}}, "data, row 1, meshes_sd", "has no matching",
    ),
    "read-out in words": (
        {"data": {"rows": [{**ROW, "tube_length_mm": "long"}]}},
        "data, row 1, tube_length_mm", "must be a number",
    ),
    "huge": (
        {"data": {"rows": [{**ROW, "tube_length_mm": 10**400}]}},
        "data, row 1, tube_length_mm", "must be a number",
    ),
    "data as list": ({"data": [ROW]}, "data", "must be a table"),
    "not finite": (
        {"data": {"rows": [{**ROW, "tube_length_mm": math.nan}]}},
        "data, row 1, tube_length_mm", "must be a number",
    ),
    "unknown column": (
        {"data": {"rows": [{**ROW, "tube_lenght_mm": 2}]}},
        "data, row 1, tube_lenght_mm", "did you mean 'tube_length_mm'?",
    ),
    "condition that is fitted": (
        {"data": {"rows": [{**ROW, GLUE: 5}]}}, GLUE, "by [parameters] and by columns of the data",
    ),
    "parameter that is set": (
        {"set": {"engine": {"contact_energy": {"cell_cell": 5}}}},
        GLUE, "is set by [set] and by [parameters]",
    ),
    "condition that is set otherwise": (
        {"set": {"cells.count": 5}, "data": {"rows": [{**ROW, "cells.density_per_mm2": 500}]}},
        "cells.density_per_mm2", "by columns of the data, and 'cells.count' by [set]",
    ),
    "condition that is not allowed": (
        {"data": {"rows": [{**ROW, "drug.free_nM": -5}]}},
        "data, row 1: drug.free_nM", "at least 0",
    ),
    "seed as condition": (
        {"data": {"rows": [{**ROW, "seed": 5}]}}, "data, row 1, seed", "cannot be"
    ),
    "time without record": (
        {"data": {"rows": [{**ROW, "time_h": 1.25}]}}, "data, row 1, time_h",
        "must be a record time (time.record_every_h); the nearest are 1 and 2",
    ),
    "time after the end": (
        {"data": {"rows": [{**ROW, "time_h": 8}]}}, "data, row 1, time_h", "record time",
    ),
    "time in words": (
        {"data": {"rows": [{**ROW, "time_h": "late"}]}}, "data, row 1, time_h", "hours",
    ),
    "too many runs": (
        {"trials": 100_000, "replicates": 100}, "", "plans 20,000,000 runs",
    ),
}  # fmt: skip


def problems(tree: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ScenarioError) as error:
        plan_calibration(tree)
    return {wrong.key: f"{wrong.allowed} {wrong.hint}" for wrong in error.value.problems}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_calibrations(case: str, workplace: Path) -> None:
    changes, key, text = WRONG[case]
    found = problems({**CALIBRATION, **changes})
    assert key in found, found
    assert text in found[key]
    assert not any(workplace.iterdir())


def test_all_errors_are_reported_at_once() -> None:
    found = problems(
        {
            "trials": 0,
            "base": "tube_formatoin",
            "parameters": {GLUE: [5, 1], MU: [1, 2, 3, 4]},
            "data": {"rows": [{"meshes": 1}, {"lengths": 5, "meshes": "x"}], "relative_error": 0},
        }
    )
    assert len(found) >= 6, found
    assert "did you mean 'tube_formation'?" in found["base"]
    found = problems({})
    assert set(found) == {"base", "parameters", "data"}


@pytest.mark.parametrize(
    ("text", "key", "told"),
    [
        ("", "data.file", "a line of column names, and at least one row"),
        ("meshes,meshes\n1,2\n", "data, column", "is given twice"),
        ("meshes\n1,2\n", "data, line 2", "has 2 cells; must have 1"),
        (f"meshes\n{'9' * 200_000}\n", "data.file", "not a CSV table"),
        ("meshes\nmany\n", "data, line 2, meshes", "must be a number"),
        ("# of wells\n\nmeshes\n1\n#\n\nmany\n", "data, line 7, meshes", "must be a number"),
        ('meshes\n"1,5"\n', "data, line 2, meshes", "of at least 0 (with a decimal point)"),
        ("meshes;time_h\n1,5;1\n", "data.file", "must be separated by commas"),
        ("meshes\ttime_h\n1\t1\n", "data.file", "must be separated by commas"),
        ("time_h,meshes\n1,1,5\n", "data, line 2", "(numbers have decimal points, not commas)"),
        ("meshes,junctions\n1,\n2,\n", "data, column junctions", "has no values; remove it"),
        ("meshes\n1\n2\n1.0\n1\n", "data, line 5", "is the same as line 2"),
        ("drug.free_nM,meshes\n0,5\n,3\n", "data, line 3, drug.free_nM", "is empty"),
        ("drug.free_nM,meshes\n.5,5\n05,-1\n", "data, line 3, meshes", "of at least 0"),
        ("drug.free_nM,\n0,5\n", "data, column 2", "has no name"),
        ('meshes,drug\n1,"{doses_csv = ""x.csv""}"\n', "data, column drug", "cannot be a column"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str, key: str, told: str) -> None:
    (tmp_path / "wells.csv").write_text(text)
    tree = {**CALIBRATION, "data": {"file": "wells.csv", "relative_error": 0.1}}
    (tmp_path / "fit.toml").write_text(tomli_w.dumps(tree))
    with pytest.raises(ScenarioError) as error:
        plan_calibration(tmp_path / "fit.toml")
    found = {wrong.key: f"{wrong.allowed} ({wrong.hint})" for wrong in error.value.problems}
    assert told in found[key]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("changes", "row", "key"),
    [
        ({}, {"tube_lenght_mm": 2}, "data, row 1, tube_lenght_mm"),
        ({}, {"meshes_sd": 1}, "data, row 1, meshes_sd"),
        ({}, {"junctions": 1}, "data, row 1, junctions"),
        ({}, {GLUE: 1}, GLUE),
        ({}, {"drug.name": "none such"}, "data, row 1: drug.name"),
        (
            {"parameters": {"cells.density_per_mm2": [-100, 500]}},
            {},
            "parameters, cells.density_per_mm2",
        ),
        (
            {"parameters": {"cells.density_per_mm2": [-500, 100]}},
            {},
            "parameters, cells.density_per_mm2",
        ),
    ],
)
def test_an_error_in_all_rows_is_reported_once(
    changes: dict[str, Any], row: dict[str, Any], key: str
) -> None:
    rows = [{**ROW, **row, "drug.free_nM": dose} for dose in (1, 2, 3)]
    with pytest.raises(ScenarioError) as error:
        plan_calibration({**CALIBRATION, **changes, "data": {"rows": rows}})
    assert [wrong.key for wrong in error.value.problems] == [key]


@pytest.mark.parametrize(
    ("ranges", "wrong"),
    [
        ({"cells.density_per_mm2": [-500, 100]}, {"cells.density_per_mm2": [-500.0]}),
        ({"cells.density_per_mm2": [-500, -100]}, {"cells.density_per_mm2": [-500.0, -100.0]}),
        ({"cells.density_per_mm2": [100, 1e9]}, {"cells.density_per_mm2": [1e9]}),
        ({"engine.temperature": [-9, 40], "cells.density_per_mm2": [-1, 500]},
         {"cells.density_per_mm2": [-1.0], "engine.temperature": [-9.0]}),
        ({"engine.temperature": [-9, 4]}, {"engine.temperature": [-9.0]}),
    ],
)  # fmt: skip
def test_a_range_is_refused_by_the_end_that_is_wrong(
    ranges: dict[str, Any], wrong: dict[str, list[float]]
) -> None:
    """The middle, which nobody typed, is not in the message."""
    with pytest.raises(ScenarioError) as error:
        plan_calibration({**CALIBRATION, "parameters": ranges})
    found: dict[str, list[float]] = {}
    for problem in error.value.problems:
        found.setdefault(problem.key.removeprefix("parameters, "), []).append(problem.value)
    assert found == wrong


def test_a_wrong_base_hides_nothing_else() -> None:
    """Whatever does not depend on it is reported with it."""
    ranges = {"engine.temperature": [-9, 40]}
    for base in ("tube_fromation", {"extends": "tube_formation", "drug": {"name": "anlotini"}}):
        found = problems({**CALIBRATION, "base": base, "trials": 0, "parameters": ranges,
                          "data": {"rows": [{**ROW, "drug.free_nM": -1}]}})  # fmt: skip
        wanted = {"trials", "parameters, engine.temperature"}
        if isinstance(base, dict):
            wanted |= {"base: drug.name", "data, row 1: drug.free_nM"}
        else:
            wanted |= {"base"}
        assert {*found} == wanted


def test_a_missing_input_file_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'calibration/example'"):
        plan_calibration("calibration/exampel")


# --- shipped, the command line -------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped_calibrations())
def test_shipped_calibrations_are_valid(name: str) -> None:
    plan = plan_calibration(name)
    assert plan.description
    assert plan.text == plan_calibration(shipped_calibrations()[name]).text
    assert kind_of(name) == kind_of(shipped_calibrations()[name]) == "calibration"


def test_calibrations_are_listed_and_validated(
    angiosim: Callable[..., Any], workplace: Path
) -> None:
    _, _, tail = angiosim("scenarios").stdout.partition("calibrations, for angiosim calibrate")
    assert "calibration/example " in tail
    assert angiosim("scenarios", "calibration/example", "--copy-to", "mine.toml").exit_code == 0
    assert angiosim("validate", "mine.toml").stdout == "mine.toml: valid\n"
    Path("mine.toml").write_text(Path("mine.toml").read_text().replace("trials", "trails"))
    outcome = angiosim("validate", "mine.toml")
    assert outcome.exit_code == 2
    assert "trails: unknown key (did you mean 'trials'?)" in outcome.stderr


TINY: dict[str, Any] = {
    "name": "tiny",
    "base": "tube_formation",
    "trials": 3,
    "batch": 2,
    "replicates": 2,
    "set": {
        "domain.size_um": [100, 100],
        "time.duration_h": 0.1,
        "time.record_every_h": 0.05,
    },
    "parameters": {"behaviour.chemotaxis.cue.mu.1": [500, 1500]},
    "data": {
        "rows": [
            {"time_h": 0.05, "covered_fraction": 0.1, "covered_fraction_sd": 0.02},
            {"drug.free_nM": 100, "covered_fraction": 0.2, "covered_fraction_sd": 0.02},
        ]
    },
}


def test_the_command_calibrates_the_model(angiosim: Callable[..., Any], workplace: Path) -> None:
    Path("tiny.toml").write_text(tomli_w.dumps(TINY))
    outcome = angiosim("calibrate", "tiny.toml", "--workers", 1)
    assert outcome.exit_code == 0, outcome.stderr
    assert "behaviour.chemotaxis.cue.mu.1 = " in outcome.stdout
    assert "(calibrated; standard error: " in outcome.stdout
    assert "on fresh seeds: report this one" in outcome.stdout
    folder = Path("runs/tiny")
    assert {path.name for path in folder.iterdir()} == {
        "calibration.toml", "ledger.sqlite", "trials.csv", "best.toml", "calibration.json",
        "objective.png", "profile.png", "fit.png",
    }  # fmt: skip
    before = tables(folder)
    report = json.loads(before["calibration.json"])
    seeds = report["seeds"]["fitted"]
    runs = [
        sim.run("runs/tiny/best.toml", seed=seed, overrides={"time.duration_h": 0.05})
        for seed in seeds
    ]
    found = [run.summary["covered_fraction"] for run in runs]
    assert report["data"][0]["fitted"]["mean"] == fmean(found)
    outcome = angiosim("calibrate", "tiny.toml", "--quiet", "--workers", 2)
    assert (outcome.exit_code, outcome.stdout) == (0, "")
    assert tables(folder) == before
    more = angiosim("calibrate", "tiny.toml", "--trials", 4, "--workers", 1)
    assert "4 of 4 trials done" in more.stdout


def test_the_command_lists_trials_that_failed(
    angiosim: Callable[..., Any], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.calibration.runner.simulate_records", fake_runs.brittle_tubes)
    Path("fit.toml").write_text(tomli_w.dumps(SHORT))
    outcome = angiosim("calibrate", "fit.toml", "--out", "fit", "--workers", 1)
    assert outcome.exit_code == 3
    assert "of 14 trials done, in fit" in outcome.stdout
    assert "FloatingPointError: not finite" in outcome.stderr


def test_the_command_says_that_a_fit_is_hopeless(
    angiosim: Callable[..., Any], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.calibration.runner.simulate_records", fake_runs.tubes)
    row = {"tube_length_mm": 8904.0, "tube_length_mm_sd": 1.0}
    Path("fit.toml").write_text(tomli_w.dumps({**SHORT, "data": {"rows": [row]}}))
    outcome = angiosim("calibrate", "fit.toml", "--out", "fit", "--workers", 1)
    assert outcome.exit_code == 0
    assert "warning: the best fit is far from the data: it misses 1 of 1 values" in outcome.stderr
    assert "tube_length_mm of row 1 is 8904 in the data" in outcome.stderr


def test_python_calibrates_and_draws(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.calibration.runner.simulate_records", fake_runs.tubes)
    counts: list[Counts] = []
    result = sim.calibrate(CALIBRATION, workers=1, trials=6, progress=counts.append)
    assert isinstance(result, sim.Calibration)
    assert len(result.table) == 6
    assert counts[-1].total == counts[-1].done == (6 + 1) * 2 * 3
    assert len(result.plot().axes) == 2
    assert not any(workplace.iterdir())


def test_without_optuna_one_message_says_what_to_install(
    angiosim: Callable[..., Any], workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    Path("tiny.toml").write_text(tomli_w.dumps(TINY))
    outcome = angiosim("calibrate", "tiny.toml")
    assert outcome.exit_code == 2
    expected = "angiosim calibrate needs Optuna: pip install 'angiosim[calib]'\n"
    assert outcome.stderr.endswith(expected)
    assert angiosim("validate", "tiny.toml").exit_code == 0
    assert [path.name for path in workplace.iterdir()] == ["tiny.toml"]


def test_optuna_is_left_as_it_was() -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    plan = plan_calibration({**SHORT, "trials": 2})
    calibrate(plan, Here(plan))
    assert optuna.logging.get_verbosity() == before
