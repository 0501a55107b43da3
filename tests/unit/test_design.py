"""Study files: what they plan, what is wrong with them, and what runs are known by."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from marks import slow

import sim
from sim import data
from sim.analysis.combination import Combinations
from sim.analysis.dose_response import DoseResponses
from sim.assays import columns_of
from sim.calibration.file import plan_calibration
from sim.errors import InputError, ScenarioError
from sim.fits.combination import Comparison
from sim.fits.logistic import DoseResponse
from sim.kinds import kind_of
from sim.runs.seeds import replicate_seed
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped, shipped_studies
from sim.studies import sampling
from sim.studies.file import plan_study
from sim.studies.groups import reserved
from sim.studies.identity import code_hash, content_of, hash_of, run_key, text_of
from sim.studies.plan import runs_of

LIGANDS = [
    {"name": "VEGF", "set": {"ligands.VEGF.bath_ng_ml": 50}},
    {"name": "PDGF-BB", "set": {"ligands.PDGF-BB.bath_ng_ml": 10}},
]
DOSES = [0, 1, 5.6]
STUDY: dict[str, Any] = {
    "name": "two ligands",
    "base": "tube_formation_unstimulated",
    "replicates": 2,
    "grid": {"drug.free_nM": DOSES},
    "group": {"ligand": LIGANDS},
}


def problems(tree: dict[str, Any]) -> dict[str, str]:
    """What is wrong with a study, by key."""
    with pytest.raises(ScenarioError) as caught:
        plan_study(tree)
    return {problem.key: str(problem) for problem in caught.value.problems}


def full_key(plan: Any, run: Any) -> str:
    """The key of a run, resolved in full."""
    scenario = load(plan.base, run.settings, run.seed)
    return run_key(hash_of(text_of(content_of(scenario))), run.seed, code_hash(scenario.assay))


# --- plans ---------------------------------------------------------------------------------------


def test_a_plan_is_every_combination_in_order() -> None:
    plan = plan_study(STUDY)
    found = [(r.group["ligand"], r.parameters["drug.free_nM"], r.replicate) for r in plan.runs]
    assert found == [(g, d, n) for g in ("VEGF", "PDGF-BB") for d in DOSES for n in (1, 2)]
    assert [run.index for run in plan.runs] == list(range(1, 13))
    assert (plan.groups, plan.parameters) == (("ligand",), ("drug.free_nM",))
    assert plan.runs[2].settings == {"ligands.VEGF.bath_ng_ml": 50, "drug.free_nM": 1}


def test_lists_in_zip_advance_together() -> None:
    pairs = {"drug.free_nM": [1, 2], "behaviour.drive_tau_h": [1.0, 1.5]}
    plan = plan_study({"base": "tube_formation", "zip": pairs, "grid": {"time.duration_h": [1, 2]}})
    rows = [tuple(run.parameters.values()) for run in plan.runs]
    assert rows == [(1, 1.0, 1), (1, 1.0, 2), (2, 1.5, 1), (2, 1.5, 2)]


def test_a_study_of_one_run() -> None:
    (run,) = plan_study({"base": "tube_formation"}).runs
    assert run.settings == {}


SWEPT = {
    "numbers": {"drug.free_nM": [0, 5.6], "cells.density_per_mm2": [400, 550]},
    "whole numbers": {"cells.count": [100, 200], "fields.cue.substeps": [15, 30]},
    "names": {"drug.name": ["anlotinib", "sunitinib"], "cells.line": ["huvec", "ea_hy926"]},
    "units": {"drug.free_nM": ["5 nM", 6]},
    "the domain": {"domain.size_um": [[400, 400], [600, 800]], "domain.spacing_um": [1, 2]},
    "the border": {"domain.boundary": ["walls", "periodic"], "drug.free_nM": [1, 2]},
    "tables": {"drug.media": [[{"at_h": 0, "free_nM": 1}]], "drug.exposure": ["schedule"]},
    "places in lists": {"behaviour.length.target_sites.1": [45, 55]},
    "instead of a default": {"engine.length.target_sites": [20, 30]},
    "when to look": {"time.record_every_h": [0.5, 1.0], "time.duration_h": [2, 6]},
    "switches": {"record.frames": [True, False], "ligands.VEGF.uptake": [True, False]},
    "IC50s": {"drug.ic50_nM.VEGFR2": [4.4, 5.6]},
    "no receptors": {"signalling.enabled": [True], "behaviour.weights.VEGFR2": [0.5, 0.85]},
}


@pytest.mark.parametrize("grid", SWEPT.values(), ids=SWEPT)
def test_any_key_can_be_swept_and_keys_are_those_of_the_resolved_run(grid: dict[str, Any]) -> None:
    plan = plan_study({"base": "tube_formation", "replicates": 2, "grid": grid})
    assert [run.key for run in plan.runs] == [full_key(plan, run) for run in plan.runs]
    differing = 1 if set(grid) & {"record.frames"} else 0
    if not differing and "time.record_every_h" not in grid:
        assert len({run.key for run in plan.runs}) == len(plan.runs)


def test_groups_that_set_different_keys_are_resolved_apart() -> None:
    entries = [
        {"name": "constant"},
        {"name": "density", "set": {"cells.density_per_mm2": 500}},
        {"name": "count", "set": {"cells.count": 300}},
        {"name": "schedule",
         "set": {"drug.exposure": "schedule", "drug.media": [{"at_h": 1, "free_nM": 9}]}},
    ]  # fmt: skip
    plan = plan_study({"base": "tube_formation", "group": {"way": entries}})
    assert [run.key for run in plan.runs] == [full_key(plan, run) for run in plan.runs]
    assert len({run.key for run in plan.runs}) == 4


def test_the_resolved_file_plans_the_same_runs(tmp_path: Path) -> None:
    shutil.copy(shipped()["tube_formation"], tmp_path / "mine.toml")
    (tmp_path / "study.toml").write_text(
        'base = "mine.toml"\nreplicates = 3\n[set]\n"time.duration_h" = 1\n'
        '[grid]\n"drug.free_nM" = [1, 2]\n[zip]\n"behaviour.drive_tau_h" = [1, 2]\n'
        '[sample]\nmethod = "lhs"\nn = 3\n[sample.ranges]\n"drug.ic50_nM.VEGFR2" = "published"\n'
        '[[group.way]]\nname = "a"\n'
    )
    plan = plan_study(tmp_path / "study.toml")
    (tmp_path / "mine.toml").unlink()
    (tmp_path / "again.toml").write_text(plan.text)
    again = plan_study(tmp_path / "again.toml")
    assert again.runs == plan.runs
    assert again.text == plan.text


def test_ten_thousand_runs_are_planned_and_listed_in_two_seconds(tmp_path: Path) -> None:
    doses = ", ".join(str(dose / 7) for dose in range(1250))
    (tmp_path / "big.toml").write_text(
        f'base = "tube_formation"\nreplicates = 8\n[grid]\n"drug.free_nM" = [{doses}]\n'
    )
    began = time.process_time()  # other processes do not count
    plan = plan_study(tmp_path / "big.toml")
    assert time.process_time() - began < 2
    assert len({run.key for run in plan.runs}) == 10_000
    words = [sys.executable, "-c", "from sim.cli.main import main; main()", "sweep", "big.toml"]
    script = "import sys, resource, subprocess\n" + (
        "done = subprocess.run(sys.argv[1:], capture_output=True, text=True)\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(done.returncode, len(done.stdout.splitlines()), used.ru_utime + used.ru_stime)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words, "--list"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    code, lines, seconds = done.stdout.split()
    assert (code, lines) == ("0", "10001"), done.stderr
    assert float(seconds) < 2


# --- seeds and keys ------------------------------------------------------------------------------


def test_ten_thousand_replicates_have_ten_thousand_seeds() -> None:
    seeds = {replicate_seed(study, n) for study in (1, 2) for n in range(1, 10_001)}
    assert len(seeds) == 20_000
    assert max(seeds) < 2**sim.runs.seeds.SEED_BITS  # type: ignore[attr-defined]


def test_arms_of_a_replicate_share_their_seed_and_replicates_do_not() -> None:
    plan = plan_study(STUDY)
    assert {run.seed for run in plan.runs if run.replicate == 1} == {replicate_seed(1, 1)}
    assert {run.seed for run in plan.runs if run.replicate == 2} == {replicate_seed(1, 2)}
    more = plan_study({**STUDY, "replicates": 3, "grid": {"drug.free_nM": [7]}})
    assert {run.seed for run in more.runs} == {replicate_seed(1, n) for n in (1, 2, 3)}


def test_a_key_follows_what_decides_the_result_and_nothing_else() -> None:
    (run,) = plan_study({"base": "tube_formation"}).runs

    def key(**more: Any) -> str:
        return plan_study({"base": "tube_formation", **more}).runs[0].key

    assert key(name="another", description="words") == run.key
    for setting in ({"record.frames": True}, {"time.record_every_h": 1.0}, {"name": "other"}):
        assert key(set=setting) == run.key, setting
    assert key(set={"drug.free_nM": 0.0}) == run.key
    for setting in ({"drug.free_nM": 1}, {"readout.closing_um": 3}, {"time.start_h": 1}):
        assert key(set=setting) != run.key, setting
    assert key(seed=2) != run.key


def test_a_key_follows_the_code_of_floors_0_to_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = Path(sim.__file__).parent
    shutil.copytree(package, tmp_path / "sim", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(data, "__file__", str(tmp_path / "sim" / "data" / "__init__.py"))

    def now() -> str:
        return str(code_hash.__wrapped__("tube_formation"))

    before = now()
    assert before == code_hash("tube_formation")
    for name in (
        "model/clock.py",
        "tissue/potts.py",
        "data/__init__.py",
        "scenario/schema.py",
        "assays/declare.py",
        "assays/tube_formation/start.py",
        "tables.py",
    ):
        file = tmp_path / "sim" / name
        content = file.read_bytes()
        file.write_bytes(content + b"\n")
        assert now() != before, name
        file.write_bytes(content)
    for name in (
        "cli/main.py",
        "studies/sweep.py",
        "view/style.py",
        "fits/logistic.py",
        "version.py",
        "assays/another/__init__.py",
        "bed/vessels.py",
        "data/drugs/anlotinib.toml",
    ):
        (tmp_path / "sim" / name).parent.mkdir(exist_ok=True)
        with (tmp_path / "sim" / name).open("a") as file_:
            file_.write("\n")
        assert now() == before, name


# --- samples -------------------------------------------------------------------------------------


def sampled(method: str, n: int, ranges: dict[str, Any], **more: Any) -> Any:
    base = {"extends": "tube_formation", "drug": {"free_nM": 0}}
    return plan_study(
        {"base": base, "sample": {"method": method, "n": n, "ranges": ranges, **more}}
    )


@pytest.mark.parametrize("method", ["sobol", "lhs"])
def test_points_fill_their_ranges_and_follow_the_seed(method: str) -> None:
    ranges = {
        "drug.free_nM": {"distribution": "loguniform", "low": 0.1, "high": 1000},
        "drug.ic50_nM.VEGFR2": "published",
        "cells.count": [100, 104],
        "behaviour.weights.VEGFR2": {"distribution": "normal", "mean": 0.5, "sd": 0.1},
    }
    plan = sampled(method, 256, ranges)
    rows = [run.parameters for run in plan.runs]
    assert len(rows) == 256
    doses = sorted(row["drug.free_nM"] for row in rows)
    assert 0.1 <= doses[0] < 0.15
    assert 8 < doses[128] < 12  # the geometric middle
    assert {row["cells.count"] for row in rows} == {100, 101, 102, 103, 104}
    ic50s = sorted(row["drug.ic50_nM.VEGFR2"] for row in rows)
    assert 5.4 < ic50s[128] < 5.8
    assert 1.0 < (ic50s[215] - ic50s[40]) / 2 < 1.4  # one standard deviation: 1.2
    assert all(0.2 < row["behaviour.weights.VEGFR2"] < 0.8 for row in rows)
    assert [run.parameters for run in sampled(method, 256, ranges).runs] == rows
    assert [run.parameters for run in sampled(method, 256, ranges, seed=2).runs] != rows
    assert [run.key for run in plan.runs[:3]] == [full_key(plan, run) for run in plan.runs[:3]]


def test_published_spreads_of_pharmacokinetics() -> None:
    dog, rat, human = (load(name) for name in ("dog_oral", "rat_oral", "human_12mg"))
    assert sampling.published("drug.pk.CL", dog) == sampling.Spread("lognormal", (0.40, 0.15))
    assert sampling.published("drug.pk.F", rat) == sampling.Spread("uniform", (0.28, 0.58))
    assert sampling.published("drug.pk.V", human) == sampling.Spread("lognormal", (2010, 0.29))
    assert sampling.published("drug.pk.ka", dog) is None
    assert sampling.published("cells.density_per_mm2", dog) is None


@pytest.mark.parametrize(("method", "runs"), [("saltelli", 8 * 4), ("morris", 8 * 3)])
def test_layouts_for_sensitivity(method: str, runs: int) -> None:
    pytest.importorskip("SALib")
    ranges = {"drug.free_nM": [0.1, 10], "drug.ic50_nM.VEGFR2": "published"}
    plan = sampled(method, 8, ranges)
    assert len(plan.runs) == runs
    assert plan.sample.problem["names"] == list(ranges)
    assert all(0.1 <= run.parameters["drug.free_nM"] <= 10 for run in plan.runs)
    assert plan.runs == sampled(method, 8, ranges).runs


@pytest.mark.parametrize("method", ["sobol", "lhs", "saltelli", "morris"])
def test_sampled_points_are_not_drawn_twice(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`study.toml` gives the same runs where SciPy or SALib is of another version, or missing."""
    if method in ("saltelli", "morris"):
        pytest.importorskip("SALib")
    plan = sampled(method, 8, {"drug.free_nM": [0.1, 10], "cells.count": [100, 104]})
    monkeypatch.setattr(sampling, "METHODS", dict.fromkeys(sampling.METHODS))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    again = plan_study(tomllib.loads(plan.text))
    assert again.runs == plan.runs
    assert again.text == plan.text
    assert (again.sample.shares() == plan.sample.shares()).all()  # type: ignore[union-attr]


@pytest.mark.parametrize("points", [1, [[0.5]], [[0.5, 2.0]], [[0.5, "a"]], [0.5, 0.5]])
def test_invalid_points_are_refused(points: Any) -> None:
    with pytest.raises(ScenarioError, match=r"sample.points.*must be a list of points"):
        sampled("lhs", 1, {"drug.free_nM": [0.1, 10], "cells.count": [1, 9]}, points=points)


@pytest.mark.parametrize("method", ["sobol", "lhs", "saltelli", "morris"])
def test_points_of_another_design_are_refused(method: str) -> None:
    """Old points under a new `n` would run a design that nobody asked for."""
    if method in ("saltelli", "morris"):
        pytest.importorskip("SALib")
    ranges = {"drug.free_nM": [0.1, 10], "cells.count": [100, 104]}
    tree = tomllib.loads(sampled(method, 8, ranges).text)
    plan_study(tree)
    for n in (4, 16):
        changed = {**tree, "sample": {**tree["sample"], "n": n}}
        with pytest.raises(ScenarioError, match=r"sample.points: .*delete `points` to draw new"):
            plan_study(changed)
    points = tree["sample"]["points"]
    for wrong in (points[1:] + points[:1], [[0.4, 0.3], *points[1:]]):
        changed = {**tree, "sample": {**tree["sample"], "points": wrong}}
        if method in ("sobol", "lhs"):
            plan_study(changed)
            continue
        with pytest.raises(ScenarioError, match=rf"layout of '{method}'.*delete `points`"):
            plan_study(changed)


def test_names_of_groups_are_no_columns_of_any_table() -> None:
    """A group of such a name would be overwritten in the tables, or overwrite them."""
    nothing = DoseResponse(replicates=1)
    curves = DoseResponses("", "", "", {"all": nothing}, {}, {"all": {}}).table
    pairs = Combinations("", "", "", "", {}, [({}, [Comparison(1.0)])]).table
    assert {*curves.columns, *pairs.columns} <= reserved()
    for name in ("dose", "note", "bliss", "response", "hill", "ic50_low"):
        with pytest.raises(ScenarioError, match=rf"group.{name}: must be an identifier, and not"):
            plan_study({"base": "tube_formation", "group": {name: [{"name": "a"}]}})


def test_a_group_cannot_have_the_name_of_a_key() -> None:
    arms = [{"name": "a"}, {"name": "b"}]
    with pytest.raises(ScenarioError, match="must not have the name of a swept key"):
        plan_study({
            "base": "tube_formation", "group": {"units": arms}, "grid": {"units": ["physical"]},
        })  # fmt: skip


def test_a_layout_without_salib_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'angiosim\[analysis\]'"):
        sampled("morris", 8, {"drug.free_nM": [0.1, 10]})


# --- IC50s and pharmacokinetics as keys ----------------------------------------------------------


def test_ic50s_and_kinetics_of_a_scenario_reach_the_model() -> None:
    from sim.scenario.exposure import kinetics_of, potency_of

    scenario = load("dog_oral", {"drug.ic50_nM.VEGFR2": 2.5, "drug.pk.CL": 0.8})
    potency = potency_of(scenario)
    assert potency is not None
    assert dict(potency.ic50_nM) == {"VEGFR2": 2.5, "PDGFRB": 8.7, "FGFR1": 11.7}
    found = kinetics_of(scenario).parameters
    assert found["CL"].value == 0.8
    assert found["CL"].cv == 0
    assert found["V1"].value == 2.64
    slow, fast = (sim.pk("dog_oral", {"drug.pk.CL": CL}) for CL in (0.2, 0.8))
    assert slow.half_life_h > 1.5 * fast.half_life_h


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"drug.ic50_nM.VEGFR": 1}, "did you mean 'VEGFR2'"),
        ({"drug.ic50_nM.VEGFR2": 0}, "above 0"),
        ({"drug.pk.CLL": 1}, "must be one of 'CL'"),
        ({"drug.pk.CL": -1}, "above 0"),
    ],
)
def test_wrong_ic50s_and_kinetics(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        load("dog_oral", settings)
    with pytest.raises(ScenarioError, match=r"needs drug\.exposure = 'pk'"):
        load("tube_formation", {"drug.pk.CL": 1})


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "values"), [("drug.free_nm", [0, 1, 4]), ("drug.ic50_nM.VEGFR2", [1, 10**400])]
)
def test_a_mistyped_key_is_reported_once_whatever_its_values(key: str, values: list[Any]) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan_study({"name": "a", "base": "tube_formation_anlotinib", "grid": {key: values}})
    assert [problem.key for problem in caught.value.problems] == [key]


def test_a_dose_is_not_corrected_to_a_mistyped_key() -> None:
    grid = {"drug.free_nm": [0, 1]}
    found = problems(
        {"base": "tube_formation", "grid": grid, "dose_response": {"dose": "drug.free_nM"}}
    )
    assert "did you mean 'free_nM'" in found["drug.free_nm"]
    assert found["dose_response.dose"].endswith("must be swept by this study")


def test_all_errors_are_reported_at_once() -> None:
    found = problems(
        {
            "format": 2,
            "replicates": 0,
            "replicats": 3,
            "base": "tube_formation",
            "grid": {"drug.free_nM": [-1, 2, 2], "cells.densty_per_mm2": [1]},
            "zip": {"drug.kp_uu": [1], "time.duration_h": [1, 2]},
            "group": {"meshes": [{"name": "a"}], "line": [{"name": "a"}, {"name": "a", "sett": 1}]},
            "dose_response": {"dose": "drug.free_nm", "responses": ["meshs"]},
        }
    )
    for key, words in {
        "format": "must be 1",
        "replicates": "whole number from 1",
        "replicats": "did you mean 'replicates'",
        "drug.free_nM": "at least 0",
        "grid, drug.free_nM": "twice",
        "cells.densty_per_mm2": "density_per_mm2",
        "zip": "equal length",
        "group.meshes": "not the name of a results column",
        "group.line.1.name": "twice",
        "group.line.1.sett": "did you mean 'set'",
        "dose_response.dose": "did you mean 'drug.free_nM'",
        "dose_response.responses": "did you mean 'meshes'",
    }.items():
        assert words in found[key], (key, found)


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no base": ({"grid": {"drug.free_nM": [1]}}, "base", "is missing"),
    "unknown base": ({"base": "tube_formatio"}, "base", "did you mean 'tube_formation'"),
    "base that leads out": ({"base": "../x.toml"}, "base", "shipped scenario"),
    "wrong base": ({"base": {"extends": "tube_formation", "tim": {}}}, "tim", "unknown key"),
    "seed swept": ({"base": "tube_formation", "grid": {"seed": [1]}}, "seed", "replicates"),
    "set twice": (
        {"base": "tube_formation", "grid": {"drug.free_nM": [1]}, "zip": {"drug.free_nM": [1]}},
        "drug.free_nM",
        "is set by [zip] and by [grid]",
    ),
    "not quoted": (
        {"base": "tube_formation", "grid": {"drug": {"free_nM": [1]}}}, "grid, drug", "quote"
    ),
    "too many": (
        {"base": "tube_formation", "replicates": 1_000_000, "grid": {"drug.free_nM": [1, 2]}},
        "",
        "2,000,000 runs",
    ),
    "a combination": (
        {"base": "tube_formation", "grid": {"drug.name": ["anlotinib", "sunitinib"],
                                            "drug.potency": ["lin2018", "davis2011"]}},
        "drug.potency",
        "must be one of",
    ),
    "name in a list": (
        {"base": "tube_formation", "grid": {"drug.name": ["anlotinib", "sunitinb"]}},
        "drug.name",
        "did you mean 'sunitinib'",
    ),
    "method": (
        {"base": "tube_formation", "sample": {"method": "soboll", "n": 4, "ranges": {"a": [0, 1]}}},
        "sample.method",
        "did you mean 'sobol'",
    ),
    "range": (
        {"base": "tube_formation", "sample": {"n": 4, "ranges": {"drug.free_nM": [2, 1]}}},
        "sample.ranges, drug.free_nM",
        "low must be below high",
    ),
    "distribution": (
        {"base": "tube_formation",
         "sample": {"n": 4, "ranges": {"drug.free_nM": {"distribution": "gauss", "mean": 1}}}},
        "sample.ranges, drug.free_nM",
        "lognormal",
    ),
    "range that leaves what is allowed": (
        {"base": "tube_formation", "sample": {"n": 64, "ranges": {"drug.free_nM": [-9, 1]}}},
        "drug.free_nM",
        "at least 0",
    ),
    "nothing published": (
        {"base": "tube_formation", "sample": {"n": 4, "ranges": {"drug.kp_uu": "published"}}},
        "sample.ranges, drug.kp_uu",
        "no published spread",
    ),
    "fractions of cells": (
        {"base": "tube_formation", "grid": {"cells.count": [100, 100.5]}},
        "cells.count",
        "whole number",
    ),
    "not a table": ({"base": "tube_formation", "grid": 3}, "grid", "must be a table"),
    "no number": (
        {"base": "tube_formation", "grid": {"drug.free_nM": [1, float("nan")]}},
        "drug.free_nM",
        "must be a number",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("tree", "key", "words"), WRONG.values(), ids=WRONG)
def test_wrong_studies(tree: dict[str, Any], key: str, words: str) -> None:
    found = problems(tree)
    assert key in found, found
    assert words in found[key]


@pytest.mark.parametrize("table", ["grid", "zip", "group"])
def test_a_wrong_base_hides_no_unknown_key_and_no_number(table: str) -> None:
    settings = {"cells.cuont": 3, "drug.free_nM": -1, "cells.count": 1.5, "time.duration_h": 2}
    swept: dict[str, Any] = {key: [value] for key, value in settings.items()}
    if table == "group":
        swept = {"arm": [{"name": "one", "set": settings}]}
    found = problems({"base": "tube_formatio", table: swept})
    assert {*found} == {"base", "cells.cuont", "drug.free_nM", "cells.count"}
    assert "did you mean 'count'" in found["cells.cuont"]


WHOLE: dict[str, Any] = {
    **STUDY,
    "format": 1,
    "description": "all tables",
    "seed": 1,
    "set": {"cells.count": 100},
    "grid": {"drug.free_nM": [0, 1]},
    "replicates": 1,
    "zip": {"time.duration_h": [1], "behaviour.drive_tau_h": [1]},
    "group": {"ligand": [*LIGANDS, {"name": "both"}, {"name": "none"}]},
    "dose_response": {
        "dose": "drug.free_nM",
        "responses": ["meshes"],
        "unstimulated": {"ligand": "none"},
    },
    "combination": {"group": "ligand", "parts": {"both": ["VEGF", "PDGF-BB"]}},
}
SAMPLED: dict[str, Any] = {
    "base": "tube_formation",
    "sample": {
        "method": "saltelli",
        "n": 1,
        "seed": 1,
        "ranges": {
            "drug.free_nM": [0.1, 10],
            "drug.ic50_nM.VEGFR2": "published",
            "behaviour.drive_tau_h": {"distribution": "lognormal", "median": 1, "cv": 0.1},
        },
        "points": [[0, 0, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5], [0.5, 0.5, 0.5]],
    },
    "sensitivity": {"responses": ["meshes"]},
}
CALIBRATION: dict[str, Any] = {
    "name": "all tables",
    "base": "tube_formation",
    "seed": 1,
    "replicates": 2,
    "trials": 20,
    "set": {"domain.size_um": [400, 300]},
    "parameters": {"behaviour.drive_tau_h": [1, 2]},
    "data": {"rows": [{"time_h": 1.0, "drug.free_nM": 0, "meshes": 3.0, "meshes_sd": 1.0}]},
}
OTHERS: list[Any] = [
    True, -3, math.nan, "x", date(2020, 1, 1), [], ["x"], [["x"]], [{}], {}, {"x": [1]},
]  # fmt: skip
"""Values of all types that a TOML file can have."""


def spoiled(value: Any) -> Iterator[Any]:
    """Yield a value with each value within it, and itself, in the place of which is another."""
    yield from OTHERS
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: other} for other in spoiled(item))
            yield {**value, key + "x": item}
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from ([*value[:place], other, *value[place + 1 :]] for other in spoiled(item))


@pytest.mark.parametrize(
    ("read", "tree"),
    [
        slow(plan_study, WHOLE),
        slow(plan_study, SAMPLED),
        (plan_calibration, CALIBRATION),
    ],
    ids=["study", "sample", "calibration"],
)
def test_values_of_wrong_types_are_reported(
    read: Callable[[dict[str, Any]], Any], tree: dict[str, Any]
) -> None:
    """Each value of a file in turn becomes one of every type: a plan or an `InputError`."""
    read(tree)
    crashes = []
    for wrong in spoiled(tree):
        if not isinstance(wrong, dict):
            continue  # no file
        try:
            read(wrong)
        except InputError as error:
            assert str(error)
        except Exception as error:  # all that a user would see as a failure of angiosim
            crashes.append((next(k for k in (*wrong, *tree) if wrong.get(k) != tree.get(k)), error))
    assert not crashes, crashes[:5]


def test_an_unreadable_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        plan_study(tmp_path / "none.toml")
    with pytest.raises(InputError, match="did you mean 'sweeps/example'"):
        plan_study("sweeps/exampl")


# --- shipped studies, the command line -----------------------------------------------------------


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_are_valid(name: str) -> None:
    if name == "sweeps/sensitivity":
        pytest.importorskip("SALib")
    plan = plan_study(name)
    assert plan.description
    assert kind_of(name) == kind_of(shipped_studies()[name]) == "study"
    assert plan.runs == plan_study(tomllib.loads(plan.text)).runs


def test_the_dose_response_study() -> None:
    plan = plan_study("sweeps/dose_response")
    assert len(plan.runs) == (3 * 12 + 1) * 8  # the control at the lowest dose alone
    assert plan.dose_response["dose"] == "drug.free_nM"
    assert {run.group["ligand"] for run in plan.runs} == {"VEGF", "PDGF-BB", "FGF-2", "none"}
    assert plan.dose_response["unstimulated"] == {"ligand": "none"}


def test_studies_are_listed_apart_and_validated(
    angiosim: Callable[..., Any], workplace: Path
) -> None:
    head, _, tail = angiosim("scenarios").stdout.partition("studies")
    assert "sweeps/" not in head
    assert all(re.search(f"{name} +[a-z]", tail) for name in shipped_studies())
    assert angiosim("scenarios", "sweeps/example", "--copy-to", "mine.toml").exit_code == 0
    assert angiosim("validate", "mine.toml").stdout == "mine.toml: valid\n"
    text = Path("mine.toml").read_text().replace("drug.free_nM", "drug.free_nm")
    Path("mine.toml").write_text(text)
    done = angiosim("validate", "mine.toml")
    assert done.exit_code == 2
    assert "did you mean 'free_nM'" in done.stderr


def test_a_shard_is_every_nth_run() -> None:
    runs = plan_study(STUDY).runs
    parts = [runs_of(runs, (i, 5)) for i in range(1, 6)]
    assert sorted(run.index for some in parts for run in some) == [run.index for run in runs]
    assert [run.index for run in parts[1]] == [2, 7, 12]
    assert runs_of(runs, None) == runs


def test_names_of_readouts_are_those_of_a_run() -> None:
    tiny = {"domain.size_um": [100, 100], "time.duration_h": "30 s"}
    assert sim.run("tube_formation", tiny).summary.keys() <= {*columns_of("summary.json")}


# --- what is set twice, and what is set from outside ---------------------------------------------

MEDIA = [{"at_h": 0, "free_nM": 1}]
ARM: list[dict[str, Any]] = [
    {"name": "a", "set": {"cells.count": 9}},
    {"name": "b", "set": {"cells": {"count": 8}}},
]
PLACES: dict[str, tuple[dict[str, Any], str, str]] = {
    "[set] and [grid]": (
        {"set": {"drug.free_nM": 1}, "grid": {"drug.free_nM": [1, 2]}},
        "drug.free_nM",
        "is set by [set] and by [grid]",
    ),
    "[set] and [zip], a table": (
        {"set": {"drug": {"free_nM": 1}}, "zip": {"drug.free_nM": [1, 2]}},
        "drug.free_nM",
        "is set by [set] and by [zip]",
    ),
    "[set] and [sample], alternatives": (
        {
            "set": {"cells.count": 9},
            "sample": {"method": "lhs", "n": 4, "ranges": {"cells.density_per_mm2": [300, 400]}},
        },
        "cells.density_per_mm2",
        "is set by [sample], and 'cells.count' by [set]",
    ),
    "[set] and a group": (
        {"set": {"cells.count": 9}, "group": {"arm": ARM}},
        "cells.count",
        "is set by [set] and by group.arm",
    ),
    "a group and [grid]": (
        {"group": {"arm": ARM}, "grid": {"cells.density_per_mm2": [300, 400]}},
        "cells.density_per_mm2",
        "is set by [grid], and 'cells.count' by group.arm",
    ),
    "two groups": (
        {"group": {"arm": ARM, "leg": ARM}},
        "cells.count",
        "is set by group.arm and by group.leg",
    ),
    "doses and media": (
        {"set": {"drug": {"free_nM": 0, "exposure": "schedule"}}, "grid": {"drug.media": [MEDIA]}},
        "drug.media",
        "is set by [grid], and 'drug.free_nM' by [set]",
    ),
    "a list and a place in it": (
        {"set": {"drug.media": MEDIA}, "grid": {"drug.media.0.free_nM": [1, 2]}},
        "drug.media.0.free_nM",
        "is set by [grid], and 'drug.media' by [set]",
    ),
    "an arm alone": (
        {"group": {"arm": [{"name": "a", "set": {"cells.count": 9, **ARM[1]["set"]}}]}},
        "cells.count",
        "must not be set together with 'cells.count'",
    ),
    "a seed": ({"set": {"seed": 3}}, "seed", "the file's own `seed`"),
}


@pytest.mark.parametrize("name", PLACES)
def test_nothing_is_set_twice(name: str) -> None:
    tree, key, words = PLACES[name]
    with pytest.raises(ScenarioError) as error:
        plan_study({"base": "tube_formation", **tree})
    assert words in {p.key: str(p) for p in error.value.problems}[key]
    assert len([p for p in error.value.problems if p.key == key]) == 1


def test_overrides_change_the_base_of_all_runs() -> None:
    study = {
        "base": "tube_formation", "replicates": 2,
        "set": {"time.duration_h": 2}, "grid": {"drug.free_nM": [0, 1]},
    }  # fmt: skip
    overrides = {"time": {"duration_h": 1}, "cells.count": 9}
    plan = plan_study(study, overrides, seed=5)
    typed = plan_study(
        study | {"seed": 5, "set": {"time.duration_h": 1, "cells.count": 9}},
    )
    assert (plan.runs, plan.text) == (typed.runs, typed.text)
    assert {run.key for run in plan.runs}.isdisjoint(run.key for run in plan_study(study).runs)
    assert plan_study(tomllib.loads(plan.text)).runs == plan.runs
    for wrong, words in (
        ({"drug.free_nM": 3}, "is set by overrides (--set) and by [grid]"),
        ({"drug": {"media": MEDIA}}, "is set by [grid], and 'drug.media' by overrides (--set)"),
        ({"seed": 3}, "must not be set by overrides (--set)"),
        ({"cells.coutn": 3}, "did you mean 'count'"),
        ({"extends": "tube_formation"}, "only be given in a file"),
    ):
        with pytest.raises(ScenarioError) as error:
            plan_study(study, wrong)
        assert words in str(error.value)
