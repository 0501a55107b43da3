"""Branches of a run: exact up to the change, and what they write replays to the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sim
from sim.errors import InputError, OutOfTime, ScenarioError
from sim.scenario.resolve import load
from sim.scenario.writing import dump, scenario_hash
from tests.unit.test_resume import StopAt, assert_same_run, content, manifest_of

Angiosim = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("undrawn")

SMALL = {
    "domain.size_um": [160, 160],
    "cells.count": 8,
    "time.duration_h": 48 / 120,
    "time.record_every_h": 8 / 120,
    "record.checkpoint": [0.2],  # step 24
}
TIMES = {"at a kept one": 0.2, "between two": 30 / 120, "before any": 9 / 120}


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory, undrawn: None) -> Path:
    """A finished run with VEGF, whose drug is 0 throughout."""
    folder = tmp_path_factory.mktemp("parent") / "run"
    sim.run("tube_formation", SMALL, out=folder)
    return folder


def treated_parent(folder: Path, **settings: Any) -> Path:
    name = settings.pop("name", "tube_formation_anlotinib")
    sim.run(name, SMALL | settings, out=folder)
    return folder


def assert_replays(branch: Path, tmp_path: Path) -> None:
    """The scenario that a branch has written gives the same files from its start."""
    sim.run(branch / "scenario.toml", out=tmp_path / "replay")
    assert_same_run(branch, tmp_path / "replay")


# --- exact ----------------------------------------------------------------------------------


@pytest.mark.parametrize("time_h", TIMES.values(), ids=TIMES)
def test_a_branch_with_nothing_changed_is_the_undisturbed_run(
    parent: Path, tmp_path: Path, time_h: float
) -> None:
    sim.run(from_=f"{parent}@{time_h}", out=tmp_path / "branch")
    assert_same_run(parent, tmp_path / "branch")


CHANGES: dict[str, dict[str, Any]] = {
    "drug": {"drug.free_nM": 10},
    "another drug": {"drug.name": "sunitinib", "drug.free_nM": 20},
    "own potency": {"drug.free_nM": 10, "drug.ic50_nM.VEGFR2": 1.5},
    "slow drug": {"drug.free_nM": 10, "drug.residence_h.VEGFR2": 2.0},
    "media to come": {"drug.media": [{"at_h": 0.25, "free_nM": 8}, {"at_h": 0.3, "free_nM": 0}],
                      "drug.exposure": "schedule"},
    "wash-out": {"ligands.VEGF.bath_ng_ml": 0},
    "a new ligand": {"ligands.PDGF-BB.bath_ng_ml": 10},
    "two ligands": {"ligands.VEGF.bath_ng_ml": 5, "ligands.FGF-2.media":
                    [{"at_h": 0.3, "bath_ng_ml": 20}]},
    "doses": {"drug.exposure": "pk", "drug.species": "rat",
              "drug.doses": [{"at_h": 0.2, "amount_mg": 10}]},
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_branch_is_its_parent_up_to_the_change_and_replays(
    parent: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    branch = tmp_path / "branch"
    sim.run(from_=f"{parent}@0.2", overrides=change, out=branch)
    ours, theirs = (pd.read_csv(folder / "timeseries.csv") for folder in (branch, parent))
    before = ours["mcs"] < 24
    pd.testing.assert_frame_equal(ours[before], theirs[before], check_exact=True)
    frames = [f"frames/{mcs:06d}.npz" for mcs in (0, 8, 16, 24)]
    one, other = content(branch), content(parent)
    assert [one[name] == other[name] for name in frames] == [True] * 4
    assert one["final.npz"] != other["final.npz"]
    found = manifest_of(branch)
    assert found["parent"] == {
        "folder": str(parent), "time_h": 0.2, "mcs": 24, "version": sim.__version__,
        "scenario_hash": scenario_hash(load(parent / "scenario.toml")),
    }  # fmt: skip
    assert found["sessions"][0]["from_mcs"] == 24
    assert found["scenario_hash"] == scenario_hash(load(branch / "scenario.toml"))
    assert_replays(branch, tmp_path)


@pytest.mark.parametrize(
    ("parent_has", "change"),
    [
        ({"name": "tube_formation_anlotinib"}, {"drug.free_nM": 0}),
        ({"drug.exposure": "schedule",
          "drug.media": [{"at_h": 0.1, "free_nM": 9}, {"at_h": 0.3, "free_nM": 2}]},
         {"drug.free_nM": 30}),
        ({"drug.fraction_unbound_medium": 0.1, "drug.nominal_nM": 50}, {"drug.nominal_nM": 20}),
        ({"name": "rat_oral"}, {"drug.doses": [{"at_h": 0.25, "amount_mg": 20}]}),
        ({"name": "human_12mg", "time.start_h": 24.0, "record.checkpoint": [24.2]},
         {"drug.regimen.off_days": 5}),
        ({"name": "tube_formation", "signalling.enabled": False}, {"time.duration_h": 0.5}),
    ],
    ids=["constant", "schedule", "nominal", "rat", "human", "no receptors"],
)  # fmt: skip
def test_a_parent_with_a_drug_is_branched_exactly(
    tmp_path: Path, parent_has: dict[str, Any], change: dict[str, Any]
) -> None:
    parent = treated_parent(tmp_path / "parent", **parent_has)
    time_h = parent_has.get("time.start_h", 0.0) + 0.2
    sim.run(from_=f"{parent}@{time_h}", overrides=change, out=tmp_path / "branch")
    assert manifest_of(tmp_path / "branch")["sessions"][0]["from_mcs"] == 24
    assert_replays(tmp_path / "branch", tmp_path)


def test_a_slow_drug_is_branched_where_its_past_has_the_same_bits(tmp_path: Path) -> None:
    """Its occupancy is integrated in steps of 4 h, and finer ones after a change."""
    slow = {"drug.residence_h": {"VEGFR2": 1.0}, "record.checkpoint": [4.0]}
    time = {"time.duration_h": 4.2, "time.record_every_h": 1.0, "time.mcs_s": 120}
    parent = treated_parent(tmp_path / "parent", **slow, **time)
    sim.run(from_=f"{parent}@4", overrides={"drug.free_nM": 0}, out=tmp_path / "branch")
    assert_replays(tmp_path / "branch", tmp_path)
    with pytest.raises(ScenarioError, match="in the last digits; branch at a multiple of 4 h"):
        sim.run(from_=f"{parent}@3.9", overrides={"drug.free_nM": 0})


def test_a_branch_of_a_branch_replays(parent: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    sim.run(from_=f"{parent}@0.2", overrides={"drug.free_nM": 10}, out=one)
    sim.run(from_=f"{one}@0.3", overrides={"drug.free_nM": 0, "name": "washed"}, out=two)
    media = [(medium.at_h, medium.free_nM) for medium in load(two / "scenario.toml").drug.media]
    assert media == [(0.2, 10.0), (0.3, 0.0)]
    assert load(two / "scenario.toml").name == "washed"
    assert_replays(two, tmp_path)


def test_a_branch_from_the_end_goes_on_for_longer(parent: Path, tmp_path: Path) -> None:
    more = {"time.duration_h": 0.5, "drug.free_nM": 10}
    result = sim.run(from_=parent, overrides=more, out=tmp_path / "branch")
    assert result.manifest["parent"]["mcs"] == 48
    assert_replays(tmp_path / "branch", tmp_path)
    with pytest.raises(ScenarioError, match=r"must be longer: the branch begins at 0\.4 h"):
        sim.run(from_=parent, overrides={"drug.free_nM": 10})


def test_a_stopped_run_is_branched_where_it_has_got_to_and_beyond(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    with pytest.raises(OutOfTime):
        sim.run("tube_formation", SMALL, out=parent, observers=[StopAt(13)])
    for name, at in (("here", ""), ("later", "@0.3")):
        sim.run(from_=f"{parent}{at}", overrides={"drug.free_nM": 10}, out=tmp_path / name)
        manifest = manifest_of(tmp_path / name)
        assert manifest["parent"]["mcs"] == (36 if at else 13)
        assert manifest["sessions"][0]["from_mcs"] == 13
    assert_replays(tmp_path / "later", tmp_path)


def test_a_branch_without_a_folder_has_the_frames_of_its_parent(parent: Path) -> None:
    result = sim.run(from_=f"{parent}@0.2", overrides={"drug.free_nM": 10})
    replay = sim.run(result.scenario)
    assert list(result.frames) == list(replay.frames) == [0, 8, 16, 24, 32, 40, 48]
    for mcs, arrays in replay.frames.items():
        for name, array in arrays.items():
            assert array.tobytes() == result.frames[mcs][name].tobytes()
    pd.testing.assert_frame_equal(result.timeseries, replay.timeseries, check_exact=True)


def test_a_branch_is_stopped_and_resumed(parent: Path, tmp_path: Path) -> None:
    words = {"from_": f"{parent}@0.2", "overrides": {"drug.free_nM": 10}, "resume": True}
    sim.run(**words, out=tmp_path / "whole")
    out = tmp_path / "cut"
    for stop in (30, 41):
        with pytest.raises(OutOfTime):
            sim.run(**words, out=out, observers=[StopAt(stop)])
    sim.run(**words, out=out)
    assert_same_run(tmp_path / "whole", out)
    assert manifest_of(out)["parent"]["mcs"] == 24
    assert [one["from_mcs"] for one in manifest_of(out)["sessions"]] == [24, 30, 41]


@pytest.mark.slow
def test_a_bed_is_branched_and_changed(tmp_path: Path) -> None:
    """It begins a day before its drug; a dose more, and one left out, are doses of the scenario."""
    parent, branch = tmp_path / "parent", tmp_path / "branch"
    settings = {"setup.drug_start_day": 0.5, "time.duration_h": 20, "record.checkpoint": [2]}
    sim.run("tumour_bed", settings, out=parent)
    sim.run(
        from_=f"{parent}@2", overrides={"drug.doses": [{"at_h": 3, "amount_mg": 30}]}, out=branch
    )
    assert [dose.at_h for dose in load(branch / "scenario.toml").drug.doses] == [0, 3]
    assert_replays(branch, tmp_path)
    model = sim.model_of(load("tumour_bed", settings))
    model.advance(14)
    model.change("drug.doses", [{"at_h": 3, "amount_mg": 30}])
    model.run_model()
    with np.load(branch / "final.npz") as final:
        assert all(array.tobytes() == final[key].tobytes()
                   for key, array in model.final_arrays().items())  # fmt: skip


# --- words ----------------------------------------------------------------------------------


def test_the_command_branches(parent: Path, workplace: Path, angiosim: Angiosim) -> None:
    done = angiosim("run", "--from", f"{parent}@0.2", "--set", "drug.free_nM=10", "--quiet")
    assert done.exit_code == 0, done.stderr
    (folder,) = Path("runs").iterdir()
    assert folder.name == "tube_formation-s1"
    scenario = load(folder / "scenario.toml")
    assert scenario.drug.exposure == "schedule"
    assert [medium.model_dump(exclude_none=True) for medium in scenario.drug.media] == [
        {"at_h": 0.2, "free_nM": 10.0}
    ]
    again = angiosim("run", "--from", f"{parent}@12 min", "--set", "drug.free_nM=10", "--resume")
    assert again.exit_code == 0
    assert len(list(Path("runs").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--from", "{parent}@0.2", "tube_formation"], "either a scenario, FILE, or the run to"),
        (["--from", "{parent}@0.2", "--seed=2"], "a branch has the seed of its parent"),
        (["--from", "nowhere"], "nowhere: is not the folder of a run"),
        (["--from", "{parent}@noon"], "must be FOLDER or FOLDER@TIME, the time in h"),
        (["--from", "{parent}@0.201"], "time_h = 0.201: must be on a whole step of the run"),
        (["--from", "{parent}@-1"], "time_h = -1: must be on a whole step of the run"),
        (["--from", "{parent}@inf"], "time_h = inf: must be on a whole step of the run"),
        (["--from", "{parent}@nan"], "time_h = nan: must be on a whole step of the run"),
        (["--from", "{parent}@5"], "time.duration_h = 0.4: must be longer: the branch begins at 5"),
        (["--from", "{parent}@0.2", "--set=engine.temperature=60"],
         "engine.temperature = 60: cannot be changed during a run: only concentrations, media"),
        (["--from", "{parent}@0.2", "--set=seed=3"], "seed = 3: cannot be changed during a run"),
        (["--from", "{parent}@0.2", "--set=time.record_every_h=0.1"], "cannot be changed during"),
        (["--from", "{parent}@0.2", "--set=ligands.VEGF.exchange_per_s=1"], "cannot be changed"),
        (["--from", "{parent}@0.2", "--set=partner.name=sunitinib"], "cannot be added from a step"),
        (["--from", "{parent}@0.2", "--set=drug.free_nM=-3"], "drug.media.0.free_nM = -3"),
        (["--from", "{parent}@0.2", "--set=drug.fre_nM=3"], "did you mean 'free_nM'"),
        (["--from", "{parent}@0.2", "--set=drug.exposure=schedule",
          "--set=drug.media=[{at_h = 0.1, free_nM = 3}]"],
         "drug: would change what the cells had before 0.2 h; give what comes from then on"),
        (["--from", "{parent}@0.2", "--set=ligands.VEGF.media=[{at_h = 0, bath_ng_ml = 3}]"],
         "ligands.VEGF: would change what the cells had before 0.2 h"),
        ([], "give a scenario, FILE, or the run to branch --from"),
    ],
)  # fmt: skip
def test_wrong_branches_say_why_and_write_nothing(
    parent: Path, workplace: Path, angiosim: Angiosim, words: list[str], said: str
) -> None:
    done = angiosim("run", *(word.replace("{parent}", str(parent)) for word in words))
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(workplace.iterdir()) == []


def test_a_drug_that_was_given_stays_the_same(tmp_path: Path) -> None:
    parent = treated_parent(tmp_path / "parent")
    for change in ({"drug.name": "sunitinib"}, {"drug.ic50_nM.VEGFR2": 1.0}, {"drug.potency": "x"}):
        with pytest.raises(ScenarioError, match=r"the cells had anlotinib before 0\.2 h"):
            sim.run(from_=f"{parent}@0.2", overrides=change)
    steady = treated_parent(
        tmp_path / "steady",
        **{"name": "human_12mg", "drug.regimen.cycles": "steady", "time.start_h": 24.0,
           "record.checkpoint": []},
    )  # fmt: skip
    with pytest.raises(InputError, match="cannot follow a regimen in its steady state"):
        sim.run(from_=f"{steady}@24.2", overrides={"drug.doses": [{"at_h": 25, "amount_mg": 1}]})
    with pytest.raises(ScenarioError, match="would change what the cells had"):
        sim.run(from_=f"{steady}@24.2", overrides={"drug.regimen.dose_mg": 6})


def test_python_says_what_belongs_together(parent: Path) -> None:
    for words in ({"seed": 3}, {"scenario": "tube_formation"}):
        with pytest.raises(InputError, match="from_ takes neither scenario nor seed"):
            sim.run(from_=parent, **words)
    with pytest.raises(InputError, match="give a scenario, or with from_"):
        sim.run()


# --- in a model -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tube_formation", "tube_formation_anlotinib"])
@pytest.mark.parametrize("at", [0, 8, 13])
def test_what_a_model_was_changed_to_replays(name: str, at: int) -> None:
    model = sim.AngiogenesisModel(load(name, SMALL))
    model.advance(at)
    model.change("drug.free_nM", 10)
    model.advance(10)
    model.change("ligands.PDGF-BB.bath_ng_ml", 10)
    model.change("ligands.VEGF.bath_ng_ml", 2.5)
    model.change("time.duration_h", 0.35)
    model.advance(7)
    model.change("drug.free_nM", 0)
    model.run_model()
    assert model.mcs == 42
    again = sim.AngiogenesisModel(load(dict(_tree(model))))
    again.run_model()
    one, other = model.state(), again.state()
    assert one.keys() == other.keys()
    for key, array in one.items():
        assert array.tobytes() == other[key].tobytes(), key
    tables = [each.datacollector.get_model_vars_dataframe() for each in (model, again)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def _tree(model: sim.AngiogenesisModel) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(dump(model.scenario))


def test_a_change_that_cannot_be_made_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    model = sim.AngiogenesisModel(load("tube_formation", SMALL))
    model.advance(5)
    before, scenario = model.state(), model.scenario
    for key, value in (("drug.free_nM", -1), ("engine.temperature", 1), ("nothing", 1)):
        with pytest.raises(ScenarioError):
            model.change(key, value)
    assert model.scenario is scenario
    assert all((array == before[key]).all() for key, array in model.state().items())
    with caplog.at_level("INFO"):
        model.change("drug.free_nM", 10)
    assert "drug.free_nM = 10 from 0.0416667 h on" in caplog.text


# --- media of ligands --------------------------------------------------------------------------


def test_the_bath_follows_the_media() -> None:
    media = [{"at_h": 0.1, "bath_ng_ml": 0}, {"at_h": "15 min", "bath_ng_ml": 20}]
    settings = SMALL | {"ligands.VEGF.media": media, "ligands.VEGF.uptake": False}
    model = sim.AngiogenesisModel(load("tube_formation", settings))
    k = model.scenario.ligands["VEGF"].exchange_per_s * model.scenario.time.mcs_s
    expected, bath = 50.0, 50.0
    for _ in range(40):
        bath = 20.0 if model.time_h >= 0.25 - 1e-9 else 0.0 if model.time_h >= 0.1 - 1e-9 else 50.0
        model.step()
        expected = bath + (expected - bath) * np.exp(-k)
        assert model.baths["VEGF"] == bath
        np.testing.assert_allclose(model.fields["VEGF"].mean(), expected, rtol=1e-9)


def test_a_run_begins_in_the_medium_before_it() -> None:
    def start(at_h: float) -> float:
        media = [{"at_h": at_h, "bath_ng_ml": 7}]
        settings = SMALL | {"time.start_h": 2.0, "ligands.VEGF.media": media}
        model = sim.AngiogenesisModel(load("tube_formation", settings | {"record.checkpoint": []}))
        return float(model.fields["VEGF"].mean())

    assert [start(at_h) for at_h in (1.0, 2.0, 2.1)] == [7.0, 50.0, 50.0]


def test_hashes_of_scenarios_without_media_are_those_of_before() -> None:
    from sim.scenario.writing import decisive

    assert "media" not in decisive(load("tube_formation"))["ligands"]["VEGF"]
    media = {"ligands.VEGF.media": [{"at_h": 1, "bath_ng_ml": 0}]}
    one, other = load("tube_formation"), load("tube_formation", media)
    assert scenario_hash(one) != scenario_hash(other)
    assert json.dumps(decisive(other)["ligands"]["VEGF"]["media"])
