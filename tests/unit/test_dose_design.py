"""Design files: what they plan, what is wrong with them, what a design leaves and says."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import fake_runs
import pytest

import sim
from sim.design.design import design
from sim.design.file import plan_design
from sim.design.result import Design
from sim.design.tissue import arm_of
from sim.errors import AngiosimError, FolderError, ScenarioError
from sim.kinds import kind_of
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped_designs
from sim.studies.executors import Pool
from sim.studies.ledger import Ledger

INHIBITED = {"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.4}
DESIGN: dict[str, Any] = {
    "name": "half",
    "base": "human_12mg",
    "subjects": 20,
    "target": [INHIBITED],
    "vary": {"drug.regimen.dose_mg": {"low": 1, "high": 60}},
}
DOSE = "drug.regimen.dose_mg"


def changed(**changes: Any) -> dict[str, Any]:
    return deepcopy(DESIGN) | changes


def target(**changes: Any) -> dict[str, Any]:
    """The design with another target; a key of None is left out."""
    found = {**INHIBITED, **changes}
    return changed(target=[{key: value for key, value in found.items() if value is not None}])


def vary(**changes: Any) -> dict[str, Any]:
    return changed(vary={DOSE: {"low": 1, "high": 60, **changes}})


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown key": (changed(targets=[]), "targets", "did you mean 'target'?"),
    "key of a study": (changed(grid={}), "grid", "unknown key"),
    "no target": (changed(target=[]), "target", "list of tables"),
    "target as table": (changed(target=INHIBITED), "target", "list of tables"),
    "target in words": (changed(target=["all"]), "target.0", "must be a table"),
    "unknown key of a target": (target(windows="steady"), "target.0.windows", "'window'"),
    "of nothing": (target(of=None), "target.0.of", "free_nM, total_ng_ml"),
    "of an unknown quantity": (target(of="free_nm"), "target.0.of", "did you mean 'free_nM'?"),
    "unknown receptor": (
        target(of="inhibition.VEGFR3"), "target.0.of", "did you mean 'VEGFR2'?",
    ),
    "unknown statistic": (target(statistic="average"), "target.0.statistic", "'mean'"),
    "no statistic": (target(statistic=None), "target.0.statistic", "is missing"),
    "no bound": (target(at_least=None), "target.0", "either at_least or at_most"),
    "two bounds": (target(at_most=0.5), "target.0", "either at_least or at_most"),
    "all of a receptor": (target(at_least=1), "target.0.at_least", "above 0 and below 1"),
    "bound in words": (target(at_least="half"), "target.0.at_least", "above 0 and below 1"),
    "no finite bound": (target(at_least=float("inf")), "target.0.at_least", "above 0"),
    "a switch": (target(at_least=True), "target.0.at_least", "above 0"),
    "of control": (target(at_least="50 % of control"), "target.0.at_least", "only read-outs"),
    "area of an inhibition": (target(statistic="auc"), "target.0.statistic", "use 'mean'"),
    "a level of a mean": (target(level=3), "target.0.level", "belongs to statistic"),
    "hours above nothing": (
        target(of="free_nM", statistic="hours_above", at_least=12), "target.0.level", "ic50.FGFR1",
    ),
    "hours above an unknown IC50": (
        target(of="free_nM", statistic="hours_above", at_least=12, level="ic50.FGFR"),
        "target.0.level", "did you mean 'FGFR1'?",
    ),
    "more hours than there are": (
        target(of="free_nM", statistic="hours_above", at_least=25, level=1, window="first day"),
        "target.0.at_least", "at most the length of its window, 24 h",
    ),
    "unknown window": (target(window="last cylce"), "target.0.window", "'last cycle'"),
    "a day that is not": (
        target(window="day 85"), "target.0.window", "a day of the schedule, from 1 to 84",
    ),
    "day zero": (target(window="day 0"), "target.0.window", "day N"),
    "window and hours": (
        target(window="first day", hours=[0, 24]), "target.0.window", "not be given with hours",
    ),
    "hours upside down": (target(hours=[24, 0]), "target.0.hours", "two rising hours"),
    "share in percent": (target(share=90), "target.0.share", "such as 0.9"),
    "share of a drug without spread": (
        target(share=0.9) | {"set": {"drug.pk": {"CL": 12, "V": 2000, "ka": 1}}},
        "target.0.share", "needs a spread between subjects",
    ),
    "nothing varied": (changed(vary={}), "vary", "must have one key"),
    "two varied": (
        changed(vary={DOSE: {"low": 1, "high": 2}, "drug.kp_uu": {"low": 1, "high": 2}}),
        "vary", "must have one key",
    ),
    "another key varied": (
        changed(vary={"drug.regimen.dose_mgs": {"low": 1, "high": 2}}),
        "vary.drug.regimen.dose_mgs", "did you mean 'drug.regimen.dose_mg'?",
    ),
    "a range as list": (changed(vary={DOSE: [1, 60]}), f"vary.{DOSE}", "must be a table"),
    "no low": (changed(vary={DOSE: {"high": 60}}), f"vary.{DOSE}.low", "above 0"),
    "range upside down": (vary(low=70), f"vary.{DOSE}.low", "below high = 60"),
    "a strength out of range": (vary(strengths=[8, 80]), f"vary.{DOSE}.strengths", "1 to 60"),
    "no strengths": (vary(strengths=[]), f"vary.{DOSE}.strengths", "list of numbers"),
    "dose by weight as well": (
        changed(vary={"drug.regimen.dose_mg_per_kg": {"low": 1, "high": 60}}),
        "base: drug.regimen.dose_mg_per_kg", "needs a body weight",
    ),
    "concentration of a body": (
        changed(vary={"drug.free_nM": {"low": 1, "high": 60}}),
        "base: drug.free_nM", "needs drug.exposure = 'constant'",
    ),
    "no body": (
        changed(base="tube_formation", vary={"drug.free_nM": {"low": 1, "high": 60}}),
        "target.0.of", "needs doses to a body",
    ),
    "no drug": (changed(base="wound_healing"), "base: drug.regimen", "drug.exposure = 'pk'"),
    "schedule as table": (changed(schedule={"name": "a"}), "schedule", "list of tables"),
    "schedule without name": (changed(schedule=[{"set": {}}]), "schedule.0.name", "a text"),
    "one name twice": (
        changed(schedule=[{"name": "a"}, {"name": "a"}]), "schedule.1.name", "twice",
    ),
    "unknown key of a schedule": (
        changed(schedule=[{"name": "a", "sets": {}}]), "schedule.0.sets", "'set'",
    ),
    "a wrong schedule": (
        changed(schedule=[{"name": "a", "set": {"drug.regimen.every_h": 500}}]),
        "schedule.0 ('a'): drug.regimen.every_h", "does not fit",
    ),
    "schedule that sets the dose": (
        changed(schedule=[{"name": "a", "set": {DOSE: 12}}]), DOSE, "by [vary] and by schedule.0",
    ),
    "dose that is set": (changed(set={DOSE: 12}), DOSE, "is set by [set] and by [vary]"),
    "unknown limit": (changed(limits={"total_ng_ml": 60}), "limits.total_ng_ml", "with .max"),
    "limit below zero": (
        changed(limits={"total_ng_ml.max": -1}), "limits.total_ng_ml.max", "above 0",
    ),
    "unknown key of a limit": (
        changed(limits={"total_ng_ml.max": {"at_most": 1, "windw": "steady"}}),
        "limits.total_ng_ml.max.windw", "'window'",
    ),
    "steady with a loading dose": (
        target(window="steady") | {"set": {"drug.regimen.loading": 20}},
        "target.0.window", "no meaning with drug.regimen.loading",
    ),
    "read-out with a mean": (
        target(of="tube_length_mm"), "target.0.statistic", "must be 'at_end'",
    ),
    "read-out over a cycle": (
        target(of="tube_length_mm", statistic=None, window="last cycle"),
        "target.0.window", "must be 'day N'",
    ),
    "read-out of a share": (
        target(of="tube_length_mm", statistic=None, share=0.9), "target.0.share", "be left out",
    ),
    "no subjects": (changed(subjects=0), "subjects", "whole number from 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_designs(case: str, workplace: Path) -> None:
    tree, key, text = WRONG[case]
    with pytest.raises(ScenarioError) as error:
        plan_design(tree)
    found = {wrong.key: f"{wrong.allowed} {wrong.hint}" for wrong in error.value.problems}
    assert key in found, found
    assert text in found[key]
    assert not any(workplace.iterdir())


def test_all_errors_are_reported_at_once() -> None:
    tree = target(statistic="avg", window="never", share=5) | {"subjects": 0, "vary": {}}
    with pytest.raises(ScenarioError) as error:
        plan_design(tree)
    assert {wrong.key for wrong in error.value.problems} >= {
        "target.0.statistic", "subjects", "vary",
    }  # fmt: skip


@pytest.mark.parametrize("name", shipped_designs())
def test_shipped_designs_are_valid(name: str) -> None:
    assert kind_of(name) == "design"
    assert plan_design(name).cautions == []


def test_the_plan_is_written_as_a_file_that_plans_the_same() -> None:
    plan = plan_design(vary(strengths=[12, 8]) | {"limits": {"total_ng_ml.max": 60}})
    again = plan_design(tomllib.loads(plan.text))
    assert again == plan
    assert again.vary.strengths == (8.0, 12.0)
    assert [str(one) for one in again.targets] == [
        "mean inhibition of VEGFR2, last cycle >= 0.4",
        "highest total drug in plasma, whole schedule <= 60 ng/mL",
    ]


def only(tree: dict[str, Any]) -> Any:
    (found,) = design(plan_design(tree)).found
    return found


def test_a_dose_is_rounded_up_to_a_strength() -> None:
    exact = only(DESIGN).dose
    assert 8 < exact < 12
    found = only(vary(strengths=[8, 10, 12, 14]))
    assert found.dose == pytest.approx(exact, rel=1e-9)
    assert found.strength == min(one for one in (8, 10, 12, 14) if one >= exact)
    assert found.reached[plan_design(DESIGN).targets[0]].value >= 0.4


IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "too much is needed": (
        target(at_least=0.9), "VEGFR2, last cycle >= 0.9 needs 140.7 mg, above the highest dose",
    ),
    "a limit": (
        changed(limits={"total_ng_ml.max": 20}),
        "needs 9.937 mg, and highest total drug in plasma, whole schedule <= 20 ng/mL allows at "
        "most 6.1",
    ),
    "a limit below the lowest dose": (
        changed(limits={"total_ng_ml.max": 1}), "below the lowest dose of 1 mg",
    ),
    "never": (
        target(hours=[0, 24], at_least=0.99) | {"set": {"drug.regimen.first_h": 23}},
        "holds at no dose",
    ),
    "no such strength": (vary(strengths=[8, 9]), "needs 9.937 mg, above the highest strength"),
    "strengths too far apart": (
        vary(strengths=[8, 60]) | {"limits": {"total_ng_ml.max": 60}}, "next strength is 60 mg",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_where_no_dose_does_it_the_reason_is_given(case: str) -> None:
    tree, words = IMPOSSIBLE[case]
    found = only(tree)
    assert found.chosen is None and words in found.reason
    assert not found.reached and not found.costs


def test_a_dose_that_is_more_than_enough_is_the_lowest() -> None:
    found = only(target(at_least=0.01))
    assert found.dose == 1.0


def test_unknown_spread_is_not_known_and_never_zero() -> None:
    found = only(changed(set={"drug.pk": {"CL": 12, "V": 2000, "ka": 1}}))
    assert found.all_share is None
    assert all(one.share is None for one in found.reached.values())
    assert found.curves[0].bands is None


def test_a_design_leaves_its_files(workplace: Path, angiosim: Callable[..., Any]) -> None:
    path = workplace / "half.toml"
    text = plan_design(changed(schedule=[
        {"name": "2/1"}, {"name": "daily", "set": {"drug.regimen.off_days": 0}},
    ])).text  # fmt: skip
    path.write_text(text)
    done = angiosim("design", path)
    assert done.exit_code == 0, done.output
    folder = workplace / "runs" / "half"
    assert {one.name for one in folder.iterdir()} >= {
        "design.toml", "design.csv", "design.json", "design.png",
    }  # fmt: skip
    report = json.loads((folder / "design.json").read_text())
    rows = list(csv.DictReader((folder / "design.csv").open()))
    assert [row["schedule"] for row in rows] == ["2/1", "daily"]
    for row, one in zip(rows, report["schedules"], strict=True):
        assert float(row["dose"]) == one["dose"]
        assert one["mg_per_day"] and row["reason"] == ""
        assert f"{one['dose']:.4g}" in done.stdout
    assert report["drug"] == "anlotinib" and report["potency"] == "lin2018"
    again = angiosim("design", path, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == report
    assert angiosim("validate", path).exit_code == 0


def test_no_dose_is_a_result_with_exit_code_0(
    workplace: Path, angiosim: Callable[..., Any]
) -> None:
    (workplace / "never.toml").write_text(plan_design(target(at_least=0.9)).text)
    done = angiosim("design", "never.toml")
    assert done.exit_code == 0
    assert "half: no dose: mean inhibition" in done.stdout
    assert "above the highest dose of 60 mg" in done.stdout


def test_wrong_input_is_exit_code_2_and_writes_nothing(
    workplace: Path, angiosim: Callable[..., Any]
) -> None:
    assert angiosim("design", "human_12mg").exit_code == 2
    done = angiosim("design", "designs/human_schedules", "--set", "drug.kp_uu=-1")
    assert done.exit_code == 2 and "drug.kp_uu" in done.stderr
    assert not any(workplace.iterdir())


def test_the_folder_of_another_design_is_refused(tmp_path: Path) -> None:
    design(plan_design(DESIGN), tmp_path / "mine")
    with pytest.raises(FolderError, match="'half', not 'other'"):
        design(plan_design(changed(name="other")), tmp_path / "mine")


# --- targets in the tissue -----------------------------------------------------------------------

TISSUE: dict[str, Any] = {
    "name": "half a network",
    "base": "human_12mg",
    "replicates": 6,
    "target": [{"of": "tube_length_mm", "window": "day 14", "at_most": "50 % of control"}],
    "vary": {DOSE: {"low": 1, "high": 100}},
}


class Here(fake_runs.Here):
    """Makes runs in this process, and notes which."""

    def __init__(self, plan: Any, run: Any = fake_runs.treated, stop_after: int = 10**9) -> None:
        super().__init__(plan, run, stop_after)


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("design.csv", "design.json")}


def test_a_dose_is_found_by_bisection_with_its_confidence_interval() -> None:
    plan = plan_design(TISSUE)
    here = Here(plan)
    (found,) = design(plan, None, here).found
    assert found.dose == pytest.approx(10, rel=0.1)
    (reached,) = found.reached.values()
    assert reached.low is not None and reached.high is not None
    assert reached.value <= 0.5 and reached.low < 0.5
    assert len(here.made) == len(set(here.made)) <= 6 * 12  # one control, some doses
    again = plan_design(TISSUE | {"seed": 99, "vary": {DOSE: {
        "low": found.dose * (1 - 1e-9), "high": found.dose}}})  # fmt: skip
    search = design(again, None, Here(again)).found[0].curves[0]
    low, _, high = search.bands[:, -1]  # type: ignore[index]
    assert low <= 0.5 * 1.01 and high >= reached.low


def test_bound_from_below_is_the_most_that_is_allowed() -> None:
    tree = TISSUE | {"target": [
        {"of": "tube_length_mm", "at_least": 2.0},
        {"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.3},
    ]}  # fmt: skip
    (found,) = design(plan := plan_design(tree), None, Here(plan)).found
    tissue, body = found.bounds[plan.targets[0]], found.bounds[plan.targets[1]]
    assert not tissue.least and tissue.dose == pytest.approx(10, rel=0.15)
    assert body.least and found.dose == body.dose < tissue.dose


def test_a_strength_is_simulated_itself() -> None:
    tree = TISSUE | {"vary": {DOSE: {"low": 1, "high": 100, "strengths": [8, 16, 32]}}}
    plan = plan_design(tree)
    (found,) = design(plan, None, Here(plan)).found
    assert found.strength == 16 and 16 in found.curves[0].doses
    assert found.reached[plan.targets[0]].value < 0.42


def test_what_no_dose_reaches_is_said() -> None:
    tree = TISSUE | {"target": [{"of": "tube_length_mm", "at_most": "1 % of control"}]}
    plan = plan_design(tree)
    (found,) = design(plan, None, Here(plan)).found
    assert found.chosen is None and "holds at no dose" in found.reason


def test_a_response_that_turns_is_said_to() -> None:
    tree = TISSUE | {"target": [{"of": "tube_length_mm", "at_most": 1.3}],
                     "vary": {DOSE: {"low": 1, "high": 100}}}  # fmt: skip
    plan = plan_design(tree)
    (found,) = design(plan, None, Here(plan, fake_runs.bent)).found
    assert any("is not monotone" in note for note in found.notes)
    assert found.dose == 1.0  # as both ends do
    tree["target"] = [{"of": "tube_length_mm", "at_least": 1.5}]  # as neither end does
    (found,) = design(plan := plan_design(tree), None, Here(plan, fake_runs.bent)).found
    assert found.dose == pytest.approx(2.32, rel=0.05)  # x exp(1 - x) = 1/2 at x = 0.232
    assert any("is not monotone" in note for note in found.notes)


def test_what_was_stopped_resumes_where_it_was(tmp_path: Path) -> None:
    plan = plan_design(TISSUE)
    whole = Here(plan)
    design(plan, tmp_path / "whole", whole)
    first = Here(plan, stop_after=20)
    with pytest.raises(KeyboardInterrupt):
        design(plan, tmp_path / "stopped", first)
    assert not (tmp_path / "stopped" / "design.json").exists()
    second = Here(plan)
    design(plan, tmp_path / "stopped", second)
    assert sorted(first.made + second.made) == sorted(whole.made)
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
    nothing = Here(plan)
    design(plan, tmp_path / "stopped", nothing)
    assert not nothing.made


def test_any_number_of_workers_gives_the_same_also_after_a_kill(tmp_path: Path) -> None:
    plan = plan_design(TISSUE)
    design(plan, tmp_path / "here", Here(plan))
    script = (
        "import sys, fake_runs; from pathlib import Path\n"
        "from sim.design.design import design; from sim.design.file import plan_design\n"
        "from sim.studies.executors import Pool; import json\n"
        "plan = plan_design(json.loads(sys.argv[1]))\n"
        "design(plan, Path(sys.argv[2]), Pool(plan.base, 2, fake_runs.slow_treated))\n"
    )
    words = [sys.executable, "-c", script, json.dumps(TISSUE), str(tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(
        [str(Path(fake_runs.__file__).parent), os.environ.get("PYTHONPATH", "")])}  # fmt: skip
    process = subprocess.Popen(words, env=environment)
    ledger = tmp_path / "killed" / "ledger.sqlite"
    while process.poll() is None and not (ledger.exists() and done_in(ledger) >= 10):
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert not (tmp_path / "killed" / "design.json").exists()
    with closing(Pool(plan.base, 2, fake_runs.treated)) as pool:
        design(plan, tmp_path / "killed", pool)
    assert files(tmp_path / "killed") == files(tmp_path / "here")


def done_in(path: Path) -> int:
    try:
        with Ledger(path, read_only=True) as ledger:
            return sum(entry.status == "done" for entry in ledger.entries().values())
    except AngiosimError:
        return 0


def test_a_run_that_fails_stops_the_design_with_its_reason(tmp_path: Path) -> None:
    plan = plan_design(TISSUE)
    with pytest.raises(AngiosimError, match=r"a run failed .* no room; fix it and start again"):
        design(plan, tmp_path / "failed", Here(plan, fake_runs.no_tubes))


def test_the_control_has_no_drug_and_the_day_is_that_of_the_schedule() -> None:
    plan = plan_design(TISSUE | {"set": {"drug.regimen.first_h": 6}})
    (target,), (schedule,) = plan.targets, plan.schedules
    base, settings = arm_of(plan, schedule, target, 12.0)
    assert base is None and settings == {DOSE: 12.0, "time.start_h": 6 + 13 * 24}
    base, settings = arm_of(plan, schedule, target, None)
    control = load(base, settings)  # type: ignore[arg-type]
    assert control.time.start_h == 6 + 13 * 24
    assert control.drug is not None and control.drug.exposure == "constant"
    assert control.drug.free_nM == 0


def test_python_designs_and_draws(workplace: Path) -> None:
    result = sim.design(DESIGN)
    assert isinstance(result, Design)
    assert result.best is result.found[0]
    figure = result.plot()
    assert len(figure.axes) == 2
    assert sim.design is __import__("sim").design
    assert not any(workplace.iterdir())
