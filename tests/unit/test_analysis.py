"""What a study's table says: arms, controls and fits."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from sim.analysis.dose_response import arms, dose_response
from sim.analysis.write import write_analysis
from sim.errors import AngiosimError, InputError, ScenarioError
from sim.fits.fitting import fit
from sim.studies.file import plan_study
from sim.studies.ledger import Entry
from sim.studies.plan import Plan
from sim.studies.sweep import SweepOptions
from sim.studies.sweep import sweep as sweep_alone
from sim.studies.table import Study
from sim.studies.task import Outcome, Task
from sim.studies.worker import attempt

sweep = partial(sweep_alone, analyse=write_analysis)

DOSES = [0, 16, 1, 2, 4, 8, 1000]
STUDY: dict[str, Any] = {
    "name": "two arms",
    "base": "tube_formation_unstimulated",
    "replicates": 4,
    "grid": {"drug.free_nM": DOSES},
    "group": {
        "ligand": [
            {"name": "VEGF", "set": {"ligands.VEGF.bath_ng_ml": 50}},
            {"name": "PDGF-BB", "set": {"ligands.PDGF-BB.bath_ng_ml": 10}},
            {"name": "none"},
        ]
    },
    "dose_response": {
        "dose": "drug.free_nM",
        "responses": ["tube_length_mm", "meshes"],
        "unstimulated": {"ligand": "none"},
    },
}


def curve(settings: dict[str, Any], seed: int) -> float:
    """A response with the IC50 5 or 9 between 5 and 15."""
    ic50 = 5 if "ligands.VEGF.bath_ng_ml" in settings else 9
    if not {"ligands.VEGF.bath_ng_ml", "ligands.PDGF-BB.bath_ng_ml"} & settings.keys():
        return 5 + seed % 7 / 100
    return 5 + 10 / (1 + settings["drug.free_nM"] / ic50) + seed % 11 / 100


class Curves:
    """Makes runs that follow the curve; those at 2 nM fail."""

    running = 0
    outcomes: list[Outcome]

    def environments(self) -> list[Any]:
        return []

    def submit(self, tasks: Any) -> None:
        self.outcomes = [attempt(self.run, {}, task) for task in tasks]

    def wait(self, seconds: float) -> list[Outcome]:
        return [self.outcomes.pop()]

    def close(self) -> None:
        pass

    @staticmethod
    def run(base: dict[str, Any], task: Task) -> dict[str, float]:
        if task.settings["drug.free_nM"] == 2:
            raise ValueError("at 2 nM")
        value = curve(task.settings, task.seed)
        return {"tube_length_mm": value, "meshes": round(10 * value)}


@pytest.fixture
def plan() -> Plan:
    return plan_study(STUDY)


def test_arms_are_arrays_by_replicate_and_dose(plan: Plan) -> None:
    study = sweep(plan, Curves())
    found = arms(study, "tube_length_mm")
    assert list(found) == ["VEGF", "PDGF-BB"]
    doses, values = found["PDGF-BB"]
    assert doses.tolist() == sorted(DOSES)
    assert values.shape == (4, 7)
    assert np.isnan(values[:, 2]).all()
    run = next(r for r in plan.runs if r.group["ligand"] == "PDGF-BB" and r.replicate == 3
               and r.parameters["drug.free_nM"] == 16)  # fmt: skip
    assert values[2, 5] == curve(run.settings, run.seed)


def test_controls_are_of_the_same_age() -> None:
    """What is swept beside dose and ligand, an arm and its control have in common."""

    class Growing(Curves):
        @staticmethod
        def run(base: dict[str, Any], task: Task) -> dict[str, float]:
            value = task.settings["time.duration_h"] * curve(task.settings, task.seed)
            return {"tube_length_mm": value, "meshes": 0}

    plan = plan_study(STUDY | {"grid": {"time.duration_h": [3, 6], "drug.free_nM": DOSES}})
    found = sweep(plan, Growing()).dose_response()
    assert len(found.fits) == 4
    for arm, one in found.fits.items():
        assert found.unstimulated[arm] == pytest.approx(5 * (6 if "6" in arm else 3), rel=0.02)
        assert one.absolute_ic50 == pytest.approx(5 if "VEGF" in arm else 9, rel=0.1)
        assert one.emax == pytest.approx(100, abs=15)


def test_fits_are_those_of_the_arms_with_their_control(plan: Plan, tmp_path: Path) -> None:
    study = sweep(plan, Curves(), tmp_path / "study")
    found = study.dose_response()
    control = np.array([curve({}, run.seed) for run in plan.runs[:4]])
    for arm, ic50 in {"VEGF": 5, "PDGF-BB": 9}.items():
        doses, values = arms(study, "tube_length_mm")[arm]
        assert found[arm] == fit(doses, values, control)
        assert found[arm].ic50 == pytest.approx(ic50, rel=0.02)
        assert found[arm].absolute_ic50 is not None
    assert found.unstimulated == pytest.approx(dict.fromkeys(found.fits, control.mean()))
    assert "VEGF: IC50 5" in repr(found)
    written = json.loads((tmp_path / "study" / "dose_response.json").read_text())
    assert list(written) == ["tube_length_mm", "meshes"]
    assert written["tube_length_mm"]["VEGF"] == json.loads(json.dumps(found["VEGF"].as_dict()))
    assert written["meshes"]["PDGF-BB"]["ic50"] == study.dose_response("meshes")["PDGF-BB"].ic50


def test_a_dose_response_is_drawn(plan: Plan) -> None:
    mpl.use("Agg")
    axes = sweep(plan, Curves()).dose_response("tube_length_mm").plot().axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_ylabel() == "network length (mm)"
    assert axes.get_xlabel() == "unbound anlotinib (nM)"


def test_arms_are_labelled_by_their_groups_and_keys() -> None:
    plan = plan_study({
        **STUDY,
        "grid": {"drug.free_nM": [0, 1], "cells.count": [200, 300]},
        "group": {"line": [{"name": "a"}, {"name": "b", "set": {"cells.line": "ea_hy926"}}]},
        "dose_response": {"dose": "drug.free_nM"},
    })  # fmt: skip
    study = Study(plan, plan.runs, {r.key: Entry("planned", {}) for r in plan.runs}, None)
    assert list(arms(study, "meshes")) == [
        f"line = {line}, cells.count = {count}" for line in "ab" for count in (200, 300)
    ]


def test_an_unknown_readout_and_a_study_without_dose_are_refused(plan: Plan) -> None:
    study = sweep(plan, Curves())
    with pytest.raises(InputError, match=r"'meshs' is not a read-out.*did you mean 'meshes'"):
        dose_response(study, "meshs")
    bare = plan_study({"base": "tube_formation"})
    with pytest.raises(InputError, match=r"has no \[dose_response\]"):
        dose_response(Study(bare, [], {}, None))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t["dose_response"].update(unstimulated="none"), "must be a table of group"),
        (lambda t: t["dose_response"].update(unstimulated={"ligan": "none"}), "mean 'ligand'"),
        (lambda t: t["dose_response"].update(unstimulated={"ligand": "non"}), "mean 'none'"),
        (lambda t: t["grid"].update({"drug.free_nM": ["1 nM", 2]}), "without units"),
        (lambda t: t["grid"].update({"drug.free_nM": [-1, 2]}), "numbers from 0"),
    ],
)
def test_wrong_dose_responses(change: Callable[[Any], None], words: str) -> None:
    tree = json.loads(json.dumps(STUDY))
    change(tree)
    with pytest.raises(ScenarioError, match=words):
        plan_study(tree)


def test_a_control_is_that_of_the_lowest_dose_that_its_arm_has() -> None:
    """Lists in step give arms their own doses."""
    doses = [0, 1, 4, 8, 1, 2, 16, 1000]
    hours = [3] * 4 + [6] * 4
    plan = plan_study({
        **{key: value for key, value in STUDY.items() if key != "grid"},
        "zip": {"drug.free_nM": doses, "time.duration_h": hours},
    })  # fmt: skip
    found = dose_response(sweep(plan, Curves()))
    assert {len(fit.doses) for fit in found.fits.values()} == {3, 4}  # 2 nM fails
    assert found.unstimulated.keys() == found.fits.keys()
    assert all(
        "a fit needs at least 4" in fit.note for fit in found.fits.values() if len(fit.doses) == 3
    )


def test_fits_no_longer_asked_for_are_removed(plan: Plan, tmp_path: Path) -> None:
    def fits() -> Any:
        file = tmp_path / "study" / "dose_response.json"
        return json.loads(file.read_text())["meshes"].keys() if file.exists() else None

    sweep(plan, Curves(), tmp_path / "study")
    assert list(fits()) == ["VEGF", "PDGF-BB"]
    fewer = {**STUDY, "group": {"ligand": STUDY["group"]["ligand"][1:]}}
    sweep(plan_study(fewer), Curves(), tmp_path / "study")
    assert list(fits()) == ["PDGF-BB"]

    class Stopped(Curves):
        def wait(self, seconds: float) -> list[Outcome]:
            raise KeyboardInterrupt

    more = plan_study({**STUDY, "replicates": 5})
    with pytest.raises(KeyboardInterrupt):
        sweep(more, Stopped(), tmp_path / "study")
    assert fits() is None  # of another table than results.csv
    sweep(more, Curves(), tmp_path / "study")
    assert len(fits()) == 2
    bare = {key: value for key, value in STUDY.items() if key != "dose_response"}
    sweep(plan_study(bare), Curves(), tmp_path / "study")
    assert fits() is None


def test_an_analysis_that_fails_leaves_the_table(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("no convergence")

    sweep(plan, Curves(), tmp_path / "study")
    table = (tmp_path / "study" / "results.csv").read_bytes()
    (tmp_path / "study" / "results.csv").unlink()
    monkeypatch.setattr("sim.fits.fitting.fit", broken)
    words = r"results.csv is complete, but it could not be analysed: LinAlgError: no convergence"
    with pytest.raises(AngiosimError, match=words) as caught:
        sweep(plan, Curves(), tmp_path / "study")
    assert caught.value.exit_code == 4
    assert (tmp_path / "study" / "results.csv").read_bytes() == table
    assert not (tmp_path / "study" / "dose_response.json").exists()


def test_completed_shards_leave_fits(plan: Plan, tmp_path: Path) -> None:
    file = tmp_path / "study" / "dose_response.json"
    sweep(plan, Curves(), tmp_path / "study", SweepOptions(shard=(1, 2)))
    assert not file.exists()
    sweep(plan, Curves(), tmp_path / "study", SweepOptions(shard=(2, 2)))
    assert file.exists()
