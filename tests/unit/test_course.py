"""Read-outs over time in studies, and what differs between replicates."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sim
from sim.errors import InputError, ScenarioError
from sim.studies.file import plan_study
from sim.studies.table import Study

BED: dict[str, Any] = {
    "assay": "tumour_bed",
    "domain": {"size_um": [800, 800]},
    "setup": {"radius_um": 120, "gap_um": 150, "drug_start_day": 0},
    "time": {"duration_h": 12, "record_every_h": 4},
    "record": {"frames": False},
    "drug": {"name": "anlotinib", "exposure": "pk", "species": "human",
             "regimen": {"dose_mg": 12}},
}  # fmt: skip
ARMS = [{"name": "none", "set": {"drug.regimen.dose_mg": 0}}, {"name": "12 mg"}]
STUDY: dict[str, Any] = {
    "name": "courses",
    "base": BED,
    "replicates": 2,
    "group": {"arm": ARMS},
    "replicate": {"drug.subject": [4, 7]},
    "course": {
        "responses": ["tumour_area_mm2", "free_nM"],
        "at_h": [0, 4, 12],
        "control": {"arm": "none"},
    },
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return sim.sweep(STUDY, out=tmp_path_factory.mktemp("s") / "out", workers=1)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in STUDY.items() if name != key}


def refused(**changes: Any) -> dict[str, str]:
    with pytest.raises(ScenarioError) as caught:
        plan_study(STUDY | changes)
    return {problem.key: problem.allowed for problem in caught.value.problems}


def test_each_replicate_is_its_own_subject_and_shares_its_seed_with_other_arms() -> None:
    plan = plan_study(STUDY)
    assert len(plan.runs) == 4 and len({run.key for run in plan.runs}) == 4
    for run in plan.runs:
        assert run.settings["drug.subject"] == {1: 4, 2: 7}[run.replicate]
        assert "drug.subject" not in run.parameters
    assert [run.index for run in plan.runs] == [1, 2, 3, 4]
    seeds = {run.replicate: run.seed for run in plan.runs}
    assert all(run.seed == seeds[run.replicate] for run in plan.runs)
    plain = plan_study(without("replicate"))
    assert {run.replicate: run.seed for run in plain.runs} == seeds


def test_what_is_kept_of_a_course_is_in_the_key_of_a_run() -> None:
    plan, more = plan_study(STUDY), plan_study(STUDY | {"course": STUDY["course"] | {"at_h": [4]}})
    looks = plan_study(STUDY | {"course": STUDY["course"] | {"columns": {"all": ["none"]}}})
    keys = [{run.key for run in one.runs} for one in (plan, more, looks)]
    assert not keys[0] & keys[1] and keys[0] == keys[2]
    assert not keys[0] & {run.key for run in plan_study(without("course")).runs}


def test_the_table_has_the_values_of_the_time_series(study: Study) -> None:
    rows = study.results
    run = study.plan.runs[3]
    alone = sim.run(BED, {"drug.subject": 7}, seed=run.seed).timeseries
    row = rows[rows["run"] == run.index].iloc[0]
    for at in (0, 4, 12):
        there = alone[np.isclose(alone["time_h"], at)].iloc[0]
        for name in ("tumour_area_mm2", "free_nM"):
            assert row[f"{name}@{at}"] == there[name]
    assert study.folder is not None
    written = pd.read_csv(study.folder / "courses.csv")
    pd.testing.assert_frame_equal(written, study.courses().table)
    assert (study.folder / "courses.png").stat().st_size > 10_000


def test_arms_are_compared_with_the_control_of_the_same_replicate(study: Study) -> None:
    found = study.courses()
    assert found.control == {"none": "none", "12 mg": "none"}
    assert found.clock == "d" and list(found.arms) == ["none", "12 mg"]
    ratio = found.ratio("12 mg", "tumour_area_mm2")
    rows = study.results.set_index(["arm", "replicate"])["tumour_area_mm2@12"]
    assert ratio[:, 2] == pytest.approx(
        [rows["12 mg", n] / rows["none", n] for n in (1, 2)], rel=1e-15
    )
    assert (found.ratio("none", "tumour_area_mm2") == 1).all()
    table = found.table.set_index(["arm", "readout", "time_h"]).loc[("12 mg", "free_nM", 12.0)]
    values = study.results.query("arm == '12 mg'")["free_nM@12"]
    assert table["mean"] == pytest.approx(values.mean()) and table["n"] == 2
    assert table["sd"] == pytest.approx(values.std(ddof=1))
    assert values.nunique() == 2  # two subjects
    assert math.isnan(table["ratio_mean"])  # no drug to compare with
    again = Study.open(study.folder)
    pd.testing.assert_frame_equal(again.courses().table, found.table)
    figure = found.plot()
    assert figure.axes[-1].get_xlabel() == "time (days)"


@pytest.mark.slow
def test_the_control_of_an_arm_has_the_same_other_values(tmp_path: Path) -> None:
    """With a grid, each value has a control of its own."""
    grid = STUDY | {"grid": {"bed.T_d_d": [5, 50]}}
    found = sim.sweep(grid, out=tmp_path / "grid", workers=1).courses()
    assert len(found.arms) == 4
    for name in ("none", "12 mg"):
        for days in (5, 50):
            arm, control = (f"arm = {of}, bed.T_d_d = {days}" for of in (name, "none"))
            assert found.control[arm] == control
            ours, theirs = (found.arms[of]["tumour_area_mm2"] for of in (arm, control))
            assert found.ratio(arm, "tumour_area_mm2") == pytest.approx(ours / theirs, rel=1e-15)
    columns = {"columns": {"all": ["none"]}}
    with pytest.raises(ScenarioError, match=r"course\.columns: needs a study with one group"):
        plan_study(grid | {"course": STUDY["course"] | columns})


def test_a_study_without_a_course_says_so(study: Study) -> None:
    with pytest.raises(InputError, match=r"has no \[course\]"):
        sim.sweep(without("course") | {"replicate": {}, "replicates": 1}, workers=1).courses()


def test_wrong_courses_are_refused() -> None:
    course = STUDY["course"]
    for given, key in (
        ({"responses": ["tube_length_mm"]}, "course.responses"),
        ({"responses": []}, "course.responses"),
        ({"at_h": [4, 0]}, "course.at_h"),
        ({"at_h": [3]}, "course.at_h"),
        ({"at_h": [16]}, "course.at_h"),
        ({"at_h": "all"}, "course.at_h"),
        ({"control": {"arm": "placebo"}}, "course.control.arm"),
        ({"control": "none"}, "course.control"),
        ({"columns": {"a": ["placebo"]}}, "course.columns.a"),
        ({"columns": ["none"]}, "course.columns"),
        ({"columns": "all"}, "course.columns"),
        ({"every_h": 3}, "course.every_h"),
    ):
        assert key in refused(course=course | given), given


def test_wrong_replicates_are_refused() -> None:
    assert "replicate, drug.subject" in refused(replicate={"drug.subject": [1]})
    assert "replicate, drug.subject" in refused(replicate={"drug.subject": 3})
    assert refused(replicate={"drug.subjects": [1, 2]})
    assert refused(replicate={"drug.regimen.dose_mg": [8, 10]})  # an arm sets it
