"""Studies whose runs branch from one run of each replicate."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sim
from sim.errors import OutOfTime, ScenarioError
from sim.runs.branch import start_in
from sim.runs.checkpoint import Start, checkpoints_in
from sim.scenario.branch import changed, step_of
from sim.scenario.resolve import load
from sim.scenario.writing import scenario_hash
from sim.studies.file import plan_study
from tests.unit.test_resume import StopAt, assert_same_run

Angiosim = Callable[..., Any]

SMALL = {
    "domain.size_um": [160, 160],
    "cells.count": 8,
    "time.duration_h": 32 / 120,
    "time.record_every_h": 8 / 120,
}
STUDY: dict[str, Any] = {
    "name": "late drug",
    "base": "tube_formation",
    "replicates": 2,
    "set": SMALL,
    "from": {"at_h": 0.2},
    "grid": {"drug.free_nM": [0, 4, 50]},
    "group": {"medium": [
        {"name": "same", "set": {}},
        {"name": "washed", "set": {"ligands.VEGF.bath_ng_ml": 0}},
    ]},
    "dose_response": {"dose": "drug.free_nM", "responses": ["tube_length_mm"]},
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "out"
    sim.sweep(STUDY, out=out, workers=2, keep_runs=True)
    return out


def test_each_arm_is_what_its_scenario_gives_alone(made: Path, tmp_path: Path) -> None:
    study = sim.Study.open(made)
    assert len(study.runs) == 12
    table = study.results
    assert (table["status"] == "done").all()
    parent = load("tube_formation", SMALL)
    for run in study.runs[::3]:
        scenario = changed(parent, run.settings, step_of(parent, 0.2))
        assert scenario_hash(study.plan.scenario_of(run)) == scenario_hash(scenario)
        alone = sim.run(scenario, seed=run.seed)
        row = table[table["run"] == run.index].iloc[0]
        for name, value in alone.summary.items():
            assert row[name] == value, name


def test_the_parent_of_a_replicate_is_run_once(made: Path) -> None:
    parents = sorted((made / "parents").iterdir())
    assert len(parents) == 2
    for folder in parents:
        (newest,) = (folder / "checkpoint").glob("*.ckpt")
        assert newest.name == "000024.ckpt"
        sessions = pd.read_json(folder / "manifest.json", typ="series")["sessions"]
        assert [(one["from_mcs"], one["mcs"]) for one in sessions] == [(0, 24)]


def test_a_kept_run_is_its_scenario_from_the_start(made: Path, tmp_path: Path) -> None:
    folder = next((made / "runs").iterdir())
    sim.run(folder / "scenario.toml", out=tmp_path / "replay")
    for name in ("network.png", "fields.png", "timeseries.png"):
        (tmp_path / "replay" / name).unlink()
    assert_same_run(folder, tmp_path / "replay")


@pytest.mark.slow
def test_any_way_of_running_gives_the_same_table(made: Path, tmp_path: Path) -> None:
    known = (made / "results.csv").read_bytes()
    without = sim.sweep(STUDY, workers=1)  # in memory
    pd.testing.assert_frame_equal(without.results, sim.Study.open(made).results, check_exact=True)
    for k in (1, 2):
        sim.sweep(STUDY, out=tmp_path / f"shard{k}", workers=1, shard=(k, 2))
    sim.api.merge([tmp_path / "shard1", tmp_path / "shard2"], tmp_path / "merged")
    assert (tmp_path / "merged" / "results.csv").read_bytes() == known
    sim.sweep(made / "study.toml", out=tmp_path / "again", workers=2)
    assert (tmp_path / "again" / "results.csv").read_bytes() == known


@pytest.mark.slow
def test_a_damaged_parent_costs_time_only(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(made / "parents", out / "parents")
    for path in (out / "parents").rglob("*.ckpt"):
        path.write_bytes(b"damaged")
    (out / "study.toml").write_bytes((made / "study.toml").read_bytes())
    (out / "ledger.sqlite").write_bytes((made / "ledger.sqlite").read_bytes())
    more = STUDY | {"grid": {"drug.free_nM": [0, 4, 50, 7]}}
    sim.sweep(more, out=out, workers=1, keep_runs=True)
    fresh = sim.sweep(more, out=tmp_path / "fresh", workers=1)
    assert (fresh.results["status"] == "done").all()
    assert (out / "results.csv").read_bytes() == (tmp_path / "fresh" / "results.csv").read_bytes()


def test_a_parent_that_was_killed_and_damaged_costs_time_only(tmp_path: Path) -> None:
    parent = load("tube_formation", SMALL)
    with pytest.raises(OutOfTime):
        sim.run(parent, out=tmp_path, observers=[StopAt(5)])
    for path in checkpoints_in(tmp_path / "checkpoint").values():
        path.write_bytes(b"damaged")
    assert start_in(tmp_path, parent, 24) == Start()


def test_the_control_is_the_undisturbed_run() -> None:
    plan = plan_study(STUDY)
    control = next(r for r in plan.runs if r.parameters == {"drug.free_nM": 0}
                   and r.group == {"medium": "same"})  # fmt: skip
    assert scenario_hash(plan.scenario_of(control)) == scenario_hash(load("tube_formation", SMALL))
    plain = plan_study({**{k: v for k, v in STUDY.items() if k != "from"}})
    same = next(r for r in plain.runs if r.parameters == control.parameters
                and r.group == control.group)  # fmt: skip
    assert same.key == control.key
    assert len({run.key for run in plan.runs}) == len(plan.runs)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"from": {"at_h": "noon"}}, "from.at_h = 'noon': must be a time of the base's time"),
        ({"from": {}}, "from.at_h: must be a time"),
        ({"from": {"at_h": 0.2, "at": 1}}, r"from.at: unknown key \(did you mean 'at_h'"),
        ({"from": {"at_h": 0.201}}, "from.at_h = 0.201: must be on a whole step"),
        ({"from": {"at_h": 3}}, "time.duration_h = .*: must be longer: the branch begins at 3 h"),
        ({"grid": {"drug.free_nM": [0, 5], "engine.temperature": [40, 50]}},
         "engine.temperature = 40: cannot be changed during a run"),
        ({"grid": {"drug.free_nM": [0, -5]}}, "drug.free_nM = -5"),
    ],
)  # fmt: skip
def test_wrong_branches_are_reported(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        plan_study(STUDY | change)
