"""Arms with bases of their own: several assays in one study."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import fake_runs
import pytest

import sim
from sim.analysis.dose_response import dose_response
from sim.analysis.write import write_analysis
from sim.errors import InputError, ScenarioError
from sim.runs.estimate import START_S, estimate
from sim.scenario.resolve import load
from sim.studies.file import plan_study
from sim.studies.forecast import forecast
from sim.studies.ledger import Entry
from sim.studies.merge import merge
from sim.studies.plan import Plan
from sim.studies.sweep import SweepOptions
from sim.studies.sweep import sweep as sweep_alone
from sim.studies.table import open_result
from sim.studies.task import Task

sweep = partial(sweep_alone, analyse=write_analysis)

STUDY: dict[str, Any] = {
    "name": "three assays",
    "replicates": 2,
    "set": {"drug.name": "sunitinib"},
    "grid": {"drug.free_nM": [0, 1, 10, 100, 1000]},
    "group": {
        "arm": [
            {"name": "tubes", "base": "tube_formation"},
            {
                "name": "no tubes",
                "base": "tube_formation",
                "set": {"ligands.VEGF.bath_ng_ml": 0},
            },
            {"name": "wound", "base": "wound_healing", "set": {"setup.gap_um": 300}},
            {
                "name": "alive",
                "base": "viability_ea_hy926",
                "responses": ["viability_percent", "live_cells"],
            },
        ]
    },
    "dose_response": {"dose": "drug.free_nM", "unstimulated": {"arm": ["no tubes"]}},
}
READOUTS = {
    "tube_formation": ("tube_length_mm", 5.0),
    "wound_healing": ("closure_percent", 20.0),
    "viability": ("viability_percent", 30000.0),
}


def falling(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Read-outs of the run's own assay, each with an IC50 of its own; they know the assay alone."""
    name, ic50 = READOUTS[base["assay"]]
    chance, dose = task.seed % 11 / 1000, task.settings["drug.free_nM"]
    without = task.settings.get("ligands.VEGF.bath_ng_ml") == 0
    value = 2 + (0 if without else 10 / (1 + dose / ic50)) + chance
    own = {"live_cells": round(9 * value)} if name == "viability_percent" else {}
    return {"cells": 3, name: value, **own}


def here(plan: Plan) -> fake_runs.Here:
    return fake_runs.Here(plan, falling)


@pytest.fixture
def plan() -> Plan:
    return plan_study(STUDY)


def test_settings_of_an_arm_apply_to_its_own_base(plan: Plan) -> None:
    """Each run is what the same scenario is by itself, so that its key is known from elsewhere."""
    bases = {"tubes": "tube_formation", "no tubes": "tube_formation", "wound": "wound_healing",
             "alive": "viability_ea_hy926"}  # fmt: skip
    assert len(plan.runs) == 2 * (3 * 5 + 1)
    for run in plan.runs:
        arm = run.group["arm"]
        alone = plan_study({
            "base": bases[arm], "replicates": 2, "set": {"drug.name": "sunitinib", **run.settings},
        })  # fmt: skip
        assert run.key in [one.key for one in alone.runs]
        scenario = load(plan.base_of(run), run.settings)
        assert scenario.drug is not None and scenario.drug.name == "sunitinib"
        assert arm != "wound" or scenario.setup.gap_um == 300
        assert arm != "alive" or scenario.cells.line == "ea_hy926"


def test_arms_without_a_base_have_the_study_s(plan: Plan) -> None:
    tree = json.loads(json.dumps(STUDY))
    for arm in tree["group"]["arm"][:2]:
        del arm["base"]
    mixed = plan_study(tree | {"base": "tube_formation"})
    assert [run.key for run in mixed.runs] == [run.key for run in plan.runs]
    assert {run.group["arm"] for run in mixed.runs if run.base is None} == {"tubes", "no tubes"}


def test_the_table_is_the_union_of_the_columns(plan: Plan, tmp_path: Path) -> None:
    study = sweep(plan, here(plan), tmp_path / "study")
    with (tmp_path / "study" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    readouts = ["cells", "tube_length_mm", "closure_percent", "viability_percent", "live_cells"]
    assert [*rows[0]][-5:] == readouts
    given = {arm: {name for row in rows if row["arm"] == arm for name in readouts if row[name]}
             for arm in ("tubes", "no tubes", "wound", "alive")}  # fmt: skip
    assert given == {
        "tubes": {"cells", "tube_length_mm"},
        "no tubes": {"cells", "tube_length_mm"},
        "wound": {"cells", "closure_percent"},
        "alive": {"cells", "viability_percent", "live_cells"},
    }
    assert study.results["closure_percent"].notna().sum() == 10


def test_the_written_study_is_the_same_study(plan: Plan, tmp_path: Path) -> None:
    sweep(plan, here(plan), tmp_path / "study")
    again = plan_study(tmp_path / "study" / "study.toml")
    assert again.text == plan.text
    assert [run.key for run in again.runs] == [run.key for run in plan.runs]
    assert again.dose_response == plan.dose_response
    executor = here(again)
    sweep(again, executor, tmp_path / "study")
    assert executor.made == []
    opened = open_result(tmp_path / "study")
    assert opened.count("done") == len(plan.runs)
    with pytest.raises(ScenarioError, match="must be one of 'tubes'"):
        tree = tomllib.loads(plan.text)
        plan_study(tree | {"dose_response": STUDY["dose_response"] | {"unstimulated": {"arm": 3}}})


def test_shards_are_merged(plan: Plan, tmp_path: Path) -> None:
    sweep(plan, here(plan), tmp_path / "whole")
    for i in (1, 2):
        sweep(plan, here(plan), tmp_path / f"s{i}", SweepOptions(shard=(i, 2)))
    merge([tmp_path / "s1", tmp_path / "s2"], tmp_path / "merged", analyse=write_analysis)
    for name in ("results.csv", "dose_response.json", "study.toml"):
        assert (tmp_path / "merged" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_each_arm_is_analysed_for_its_own_read_outs(plan: Plan, tmp_path: Path) -> None:
    study = sweep(plan, here(plan), tmp_path / "study")
    written = json.loads((tmp_path / "study" / "dose_response.json").read_text())
    assert {name: [*arms] for name, arms in written.items()} == {
        "tube_length_mm": ["tubes"],
        "closure_percent": ["wound"],
        "viability_percent": ["alive"],
        "live_cells": ["alive"],
    }
    assert written["tube_length_mm"]["tubes"]["ic50"] == pytest.approx(5, rel=0.02)
    assert written["closure_percent"]["wound"]["ic50"] == pytest.approx(20, rel=0.02)
    assert written["tube_length_mm"]["tubes"]["emax"] == pytest.approx(100, abs=1)
    assert written["closure_percent"]["wound"]["emax"] is None  # it has no control
    assert [*dose_response(study, "cells").fits] == ["tubes", "wound", "alive"]
    with pytest.raises(InputError, match="'closure' is not a read-out"):
        dose_response(study, "closure")


def test_read_outs_of_the_study_are_those_of_arms_without_their_own() -> None:
    tree = json.loads(json.dumps(STUDY))
    tree["group"]["arm"][2:3] = []
    tree["dose_response"]["responses"] = ["meshes"]
    plan = plan_study(tree)
    asked = {run.group["arm"]: run.responses for run in plan.runs}
    assert asked["tubes"] == ("meshes",)
    assert asked["alive"] == ("viability_percent", "live_cells")
    assert plan_study(tomllib.loads(plan.text)).dose_response == plan.dose_response


def test_a_control_is_that_of_the_arms_with_its_base() -> None:
    tree = json.loads(json.dumps(STUDY))
    tree["group"]["arm"].append(
        {"name": "no wound", "base": "wound_healing", "set": {"ligands.VEGF.bath_ng_ml": 0}}
    )
    tree["dose_response"]["unstimulated"] = {"arm": ["no tubes", "no wound"]}
    plan = plan_study(tree)
    study = sweep(plan, here(plan))
    for response, arm, ic50 in (("tube_length_mm", "tubes", 5), ("closure_percent", "wound", 20)):
        found = dose_response(study, response)
        assert [*found.fits] == [*found.unstimulated] == [arm]
        assert found[arm].absolute_ic50 == pytest.approx(ic50, rel=0.03)


def test_the_time_left_goes_by_arms(plan: Plan) -> None:
    def seconds(run: Any) -> float:
        return estimate(load(plan.base_of(run), run.settings)).seconds - START_S

    nothing = forecast(plan, plan.runs, {})
    assert nothing.seconds == pytest.approx(sum(map(seconds, plan.runs)))
    quick = {run.key: Entry("done", {}, seconds=1.0) for run in plan.runs if run.index == 1}
    tubes = [run for run in plan.runs if run.group["arm"] == "tubes"]
    saved = sum(map(seconds, tubes)) - (len(tubes) - 1) * 1.0
    assert forecast(plan, plan.runs, quick).seconds == pytest.approx(nothing.seconds - saved)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t["group"]["arm"][2].update(base="wond_healing"),
         r"group.arm.2.base = 'wond_healing': .*did you mean 'wound_healing'"),
        (lambda t: t["group"]["arm"][2].update(base=3), r"group.arm.2.base = 3: must be the name"),
        (lambda t: t["group"]["arm"][0].update(base="nothing"), r"group.arm.0.base = 'nothing'"),
        (lambda t: t["group"]["arm"][2].pop("base"), r"base: is missing"),
        (lambda t: t["group"].update(line=[{"name": "a", "base": "viability"}]),
         r"group.line: must not give bases or responses, as 'arm' does"),
        (lambda t: t["group"]["arm"][2].update(responses=["tube_length_mm"]),
         r"group.arm.2.responses = 'tube_length_mm': must be .*'wound' is an arm of wound"),
        (lambda t: t["group"]["arm"][2].update(responses="closure_percent"),
         r"group.arm.2.responses = 'closure_percent': must be a list of read-outs"),
        (lambda t: t["dose_response"].update(responses=["meshes"]),
         r"dose_response.responses = 'meshes': must be .*'wound' is an arm of wound"),
        (lambda t: t["grid"].update({"setup.gap_um": [200]}) or t["group"]["arm"][2].pop("set"),
         r"group.arm.0, setup.gap_um = 200: unknown key"),
        (lambda t: t["group"]["arm"][0].update(set={"setup.gap_um": 200}),
         r"group.arm.0, setup.gap_um = 200: unknown key"),
        (lambda t: t["set"].update({"setup.gap_um": 200}) or t["group"]["arm"][2].pop("set"),
         r"group.arm.0, setup.gap_um = 200: unknown key"),
        (lambda t: t["group"]["arm"][0].update(bas="x"), r"group.arm.0.bas: unknown key .*'base'"),
        (lambda t: t["group"]["arm"][0].update(set={"assay": "viability"}),
         r"assay: follows from the base; arms of a group may each have a `base`"),
        (lambda t: t["set"].update(seed=3), r"seed = 3: must not be set by \[set\]"),
        (lambda t: t["dose_response"].update(unstimulated={"arm": ["no tube"]}),
         r"dose_response.unstimulated.arm = 'no tube': .*did you mean 'no tubes'"),
        (lambda t: t["dose_response"].update(unstimulated={"arm": []}),
         r"dose_response.unstimulated.arm = \[\]: must be one of"),
    ],
)  # fmt: skip
def test_wrong_arms(change: Callable[[Any], None], said: str) -> None:
    tree = json.loads(json.dumps(STUDY))
    change(tree)
    with pytest.raises(ScenarioError, match=said):
        plan_study(tree)


def test_the_list_and_the_command(angiosim: Callable[..., Any], workplace: Path) -> None:
    text = plan_study(STUDY).text
    Path("study.toml").write_text(text)
    listed = angiosim("sweep", "study.toml", "--list")
    assert listed.exit_code == 0
    assert len(listed.stdout.splitlines()) == 33
    assert angiosim("validate", "study.toml").exit_code == 0
    Path("study.toml").write_text(text.replace('name = "alive"', 'bases = 3, name = "alive"'))
    wrong = angiosim("validate", "study.toml")
    assert wrong.exit_code == 2 and "did you mean 'base'" in wrong.stderr


def test_real_runs_of_three_assays(tmp_path: Path) -> None:
    """A worker runs each arm from its own base, and gets what the scenario gives by itself."""
    small = {"domain.size_um": [200, 120], "time.duration_h": 0.1}
    sizes = {"viability_ea_hy926": {"cells.density_per_mm2": 300}, "wound_healing": {
        "setup.gap_um": 60}, "tube_formation": {}}  # fmt: skip
    study = sim.sweep(
        {
            "name": "tiny panel",
            "set": small,
            "group": {"arm": [{"name": b, "base": b, "set": own} for b, own in sizes.items()]},
        },
        tmp_path / "study",
        workers=1,
    )
    assert study.failures == []
    for run, (_, row) in zip(study.plan.runs, study.results.iterrows(), strict=True):
        base = run.group["arm"]
        alone = sim.run(base, {**small, **sizes[base]}, seed=run.seed)
        assert {name: row[name] for name in alone.summary} == alone.summary


def test_lists_keep_their_order_in_the_written_study(tmp_path: Path) -> None:
    """Also where some are of long tables and others of short ones: the runs are numbered by it."""
    doses = {"cycles": 12, "dose_mg": 12, "every_h": 24, "on_days": 14, "off_days": 7}
    long = {f"drug.ic50_nM.{name}": 1e9 for name in ("VEGFR2", "PDGFRB", "FGFR1")}
    tree = {
        "name": "order",
        "base": "human_12mg",
        "grid": {"drug.regimen": [doses, doses | {"dose_mg": 10}], "cells.count": [200, 300]},
        "group": {"first": [{"name": "a \"b\"", "set": long}, {"name": "c"}], "second": [
            {"name": "plain"}, {"name": "short", "set": {"time.duration_h": 3}}]},
    }  # fmt: skip
    plan = plan_study(tree)
    again = plan_study(tomllib.loads(plan.text))
    assert again.text == plan.text
    assert again.groups == plan.groups == ("first", "second")
    assert [run.key for run in again.runs] == [run.key for run in plan.runs]
    executor = fake_runs.Here(plan, lambda base, task: {"cells": 1})
    sweep(plan, executor, tmp_path / "study")
    assert open_result(tmp_path / "study").count("done") == len(plan.runs) == 16


def test_sensitivity_is_that_of_each_arm_s_own_read_outs() -> None:
    pytest.importorskip("SALib")

    def felt(base: dict[str, Any], task: Task) -> dict[str, float]:
        name = READOUTS[base["assay"]][0]
        dose, glue = task.settings["drug.free_nM"], task.settings["engine.contact_energy.cell_cell"]
        return {"cells": 3, name: -dose + (9 * glue if name == "closure_percent" else 0)}

    plan = plan_study({
        "name": "sensitive arms",
        "group": {"arm": STUDY["group"]["arm"][0:3:2]},
        "sample": {
            "method": "morris",
            "n": 8,
            "ranges": {"drug.free_nM": [0, 10], "engine.contact_energy.cell_cell": [20, 30]},
        },
    })  # fmt: skip
    assert plan.sensitivity == ["tube_length_mm", "closure_percent"]
    assert plan_study(tomllib.loads(plan.text)).sensitivity == plan.sensitivity
    study = sweep(plan, fake_runs.Here(plan, felt))
    most = {
        one: {arm: found.ranked()[0] for arm, found in study.sensitivity(one).arms.items()}
        for one in plan.sensitivity
    }
    assert most == {
        "tube_length_mm": {"tubes": "drug.free_nM"},
        "closure_percent": {"wound": "engine.contact_energy.cell_cell"},
    }
