"""``angiosim bench``: words, JSON, and a ratio that is given for the same physics only."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import sim
from sim.assays.tube_formation.setup import cell_count
from sim.scenario.resolve import load
from sim.tissue.lattice import neighbourhood
from sim.tools import bench, measures, side_by_side

Angiosim = Callable[..., Any]

SMALL = {"domain.size_um": [120, 120], "cells.count": 10}
STEPS_KEYS = {
    "problem", "threads", "sites", "cells", "mcs", "ready_s", "seconds", "ms_per_mcs",
    "fastest_ms", "slowest_ms", "cpu_ms_per_mcs", "mcs_per_s", "ns_per_site", "parts",
    "ns_per_attempt", "ns_per_substep", "peak_memory_MiB",
}  # fmt: skip


def small(name: str) -> dict[str, Any]:
    """A problem on 60 x 60 sites, two blocks of two steps."""
    task = bench.PROBLEMS[name][0]
    return {**task, "overrides": {**task["overrides"], **SMALL}, "relax": 1, "length": 2,
            "blocks": 2}  # fmt: skip


def here(task: dict[str, Any]) -> dict[str, Any]:
    """Make a measurement in this process."""
    found = measures.MEASURES[task["measure"]](task)
    return {"peak_memory_MiB": 1.0, "problem": task["problem"], "threads": task["threads"], **found}


@pytest.fixture
def small_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cue", "plain"):
        monkeypatch.setitem(bench.PROBLEMS, name, [small(name)])
    monkeypatch.setattr(side_by_side, "STEPS", 4)
    monkeypatch.setattr(side_by_side, "PAIRS", 2)
    monkeypatch.setattr(side_by_side, "WARM_UP", 1)


@pytest.fixture
def glazier(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Put a function (description, steps) -> labels in glazier's place."""

    def stand_in(run: Any) -> None:
        package, native = ModuleType("glazier"), ModuleType("glazier._native")
        native.run = lambda text, steps: (run(json.loads(text), steps).ravel().tolist(),)  # type: ignore[attr-defined]
        package._native = native  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "glazier", package)
        monkeypatch.setitem(sys.modules, "glazier._native", native)
        monkeypatch.setattr(bench, "library_version", lambda name: "0.3.0")
        monkeypatch.setattr(bench, "_in_own_process", here)

    return stand_in


def our_cells(description: dict[str, Any], steps: int) -> Any:
    """What angiosim makes of glazier's description, by way of `plain`; nothing takes no time."""
    if steps == 0:
        return cells_at_the_start(description, 0)
    model = sim.AngiogenesisModel(load(bench.CELLS, small("plain")["overrides"]))
    model.restore({**model.state(), "seed": np.array(description["seed"])})
    for _ in range(steps):
        model.step()
    return model.cell_id


def cells_at_the_start(description: dict[str, Any], steps: int) -> Any:
    return np.load(description["initial"]["labels"])


# --- words ---------------------------------------------------------------------------------------


def test_help_names_every_problem(angiosim: Angiosim) -> None:
    words = angiosim("bench", "--help").stdout
    assert all(name in words for name in [*bench.PROBLEMS, *side_by_side.DIFFERENCES, "glazier"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cue", "cu"], "'cu'; known: cue, cue_double, plain, openvt"),
        (["--against", "morpheus"], "'morpheus'; known: glazier"),
        (["--against", "glazier", "openvt"], "'openvt'; known: cue, cue_double, plain"),
        (["--threads", "0"], "threads"),
    ],
)
def test_wrong_words_are_wrong_input(angiosim: Angiosim, words: list[str], says: str) -> None:
    done = angiosim("bench", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert says in done.stderr


def test_without_glazier_one_message(angiosim: Angiosim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "library_version", lambda name: None)
    done = angiosim("bench", "--against", "glazier")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "glazier is not installed: pip install 'angiosim[bench]'\n"


def test_unmeasurable_settings_stop_the_benchmark(
    angiosim: Angiosim, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = {**small("plain"), "overrides": {"domain.size_um": [1, 1]}}
    monkeypatch.setitem(bench.PROBLEMS, "plain", [wrong])
    done = angiosim("bench", "plain")
    assert (done.exit_code, done.stdout) == (4, "")
    assert "plain could not be measured" in done.stderr


# --- plans and figures ---------------------------------------------------------------------------


def test_the_usual_problems_are_all_but_the_long_ones() -> None:
    named = {task["problem"] for task in bench.plan([], 1)}
    assert named == set(bench.PROBLEMS) - set(bench.LONG)
    assert [task["threads"] for task in bench.plan(["threads"], 6)] == [1, 2, 4, 6]
    assert [task["threads"] for task in bench.plan(["plain", "plain"], 6)] == [6]


@pytest.mark.parametrize("name", bench.PROBLEMS)
def test_every_scenario_loads(name: str) -> None:
    for task in bench.PROBLEMS[name]:
        if "scenario" in task:
            scenario = load(task["scenario"], task.get("overrides", task.get("small")))
            assert scenario.time.steps >= task.get("relax", 0)
    if name == "large":
        assert (scenario.shape, cell_count(scenario)) == ((5000, 5000), 55_000)


def test_json_of_a_small_problem(angiosim: Angiosim, small_problems: None) -> None:
    done = angiosim("bench", "cue", "--threads", 9, "--json")  # more than most machines have
    assert done.exit_code == 0, done.stderr
    assert done.stderr == "1/1 cue\n"
    found = json.loads(done.stdout)
    assert {"angiosim", "processor", "processors", "python", "numba"} <= found["machine"].keys()
    (row,) = found["results"]
    assert row.keys() == STEPS_KEYS
    assert (row["sites"], row["cells"], row["mcs"], row["threads"]) == (3600, 10, 4, 9)
    assert 0 < row["fastest_ms"] <= row["ms_per_mcs"] <= row["slowest_ms"]
    assert row["ns_per_site"] == pytest.approx(row["ms_per_mcs"] / 3600 * 1e6, rel=1e-3)
    assert sum(row["parts"].values()) == pytest.approx(1, abs=1e-3)
    assert row["peak_memory_MiB"] > 50


def test_the_attempts_between_owners_are_counted() -> None:
    """Against all attempts, one by one; those of a wall and of one owner are none."""
    sites = np.random.default_rng(4).integers(0, 3, (6, 9)).astype(np.int32)
    for neighbours in (neighbourhood(4), neighbourhood(8)):
        for periodic in (True, False):
            unlike = 0
            for (y, x), (dy, dx) in itertools.product(np.ndindex(sites.shape), neighbours):
                there = y + dy, x + dx
                if periodic:
                    there = there[0] % 6, there[1] % 9
                if 0 <= there[0] < 6 and 0 <= there[1] < 9:
                    unlike += sites[y, x] != sites[there]
            counted = measures.attempts_between_owners(sites, neighbours, periodic=periodic)
            assert counted == pytest.approx(unlike / len(neighbours))
    assert measures.attempts_between_owners(0 * sites, neighbours, periodic=True) == 0


def test_the_parts_of_a_step_are_timed_apart() -> None:
    for name, has_a_field in (("plain", False), ("cue", True)):
        model = sim.AngiogenesisModel(load(bench.CELLS, small(name)["overrides"]))
        model.advance(3)
        found = measures.unit_costs(model)
        assert found["ns_per_attempt"] > 0
        assert (found["ns_per_substep"] is not None) == has_a_field


@pytest.mark.parametrize("markdown", [False, True])
def test_tables(
    angiosim: Angiosim, monkeypatch: pytest.MonkeyPatch, small_problems: None, markdown: bool
) -> None:
    monkeypatch.setattr(bench, "_in_own_process", here)
    monkeypatch.setitem(bench.PROBLEMS, "size", [small("plain"), small("cue")])
    tiny = {
        **SMALL,
        "domain.size_um": [200, 200],
        "time.duration_mcs": 2,
        "time.record_every_mcs": 1,
    }
    runs = {"measure": "runs", "scenario": bench.CELLS, "overrides": tiny, "repeats": 2}
    monkeypatch.setitem(bench.PROBLEMS, "runs", [runs])
    words = ["bench", "plain", "size", "runs", *(["--markdown"] if markdown else [])]
    done = angiosim(*words)
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    bar = "| " if markdown else ""
    assert sum(line.startswith(f"{bar}problem ") for line in lines) == 2
    (of_sizes,) = (line for line in lines if "cost per site" in line)
    assert sum(line.startswith(f"{bar}size ") for line in lines) == 2
    assert any("per hour" in line for line in lines)
    assert "parts" in of_sizes  # no column was cut


# --- side by side --------------------------------------------------------------------------------


def test_glazier_is_given_the_same_problem() -> None:
    told = side_by_side.blueprint(load(bench.CELLS, bench.CUE), Path("cells.npy"))
    medium, cell = told["types"]
    assert (medium["target_volume"], medium["lambda_volume"]) == (0, 0)
    assert (cell["target_volume"], cell["lambda_volume"]) == (50, 50)
    assert cell["chemotaxis"] == {"cue": 500}
    assert cell["secretion"]["cue"] == pytest.approx(0.0054)
    (field,) = told["fields"]
    assert (field["diffusion"], field["decay"]) == pytest.approx((0.75, 0.0054))
    energies = np.reshape(told["contact"], (3, 3))
    assert np.array_equal(energies, [[0, 0, 20], [0, 0, 20], [20, 20, 40]])
    assert side_by_side.blueprint(load(bench.CELLS, bench.NO_FIELD), Path())["fields"] == []
    walls = {**bench.NO_FIELD, "domain.boundary": "walls"}
    with pytest.raises(sim.errors.InputError, match="periodic"):
        side_by_side.blueprint(load(bench.CELLS, walls), Path())


def test_the_check_detects_differences() -> None:
    sites = np.zeros((1, 60, 60), np.int32)
    for k in range(9):
        y, x = divmod(k, 3)
        sites[0, 20 * y : 20 * y + 7, 20 * x : 20 * x + 7] = k + 1
    same = side_by_side.agreement(sites, np.roll(sites, 5, 1))
    assert all(each["difference"] == 0 for each in same.values())
    assert same["mean_area"]["ours"] == 49
    assert same["interface"]["ours"] == pytest.approx(9 * (14 + 14 + 26 + 26) / (4 * 3600))
    larger, fewer = sites.copy(), sites.copy()
    larger[0, 7, :7] = 1
    fewer[fewer > 7] = 0
    broken = {
        name
        for name, each in side_by_side.agreement(sites, larger).items()
        if each["difference"] > each["allowed"]
    }
    assert {"mean_area", "sd_area", "area_distance", "covered_fraction"} <= broken
    assert side_by_side.agreement(sites, fewer)["cells"]["difference"] == 2


def test_the_same_physics_gives_a_ratio(
    angiosim: Angiosim, small_problems: None, glazier: Callable[[Any], None]
) -> None:
    glazier(our_cells)
    done = angiosim("bench", "plain", "--against", "glazier", "--json")
    assert done.exit_code == 0, done.exception
    (row,) = json.loads(done.stdout)["results"]
    assert row["same_physics"] and row["reasons"] == []
    assert row["check"].keys() == side_by_side.CHECKS.keys()
    assert all(each["difference"] == 0 for each in row["check"].values())  # the very same seeds
    assert row["ratio"]["lowest"] <= row["ratio"]["median"] <= row["ratio"]["highest"]
    assert row["ratio"]["pairs"] == 2
    assert row["ratio"]["fastest_cpu"] > 0
    assert row["differences"]
    for tool in ("angiosim", "glazier"):
        assert 0 < row[tool]["fastest_ms"] <= row[tool]["ms_per_mcs"] <= row[tool]["slowest_ms"]
    shown = angiosim("bench", "plain", "--against", "glazier")
    assert "glazier takes" in shown.stdout and "no ratio" not in shown.stdout


def test_other_physics_gives_no_ratio(
    angiosim: Angiosim, small_problems: None, glazier: Callable[[Any], None]
) -> None:
    glazier(cells_at_the_start)  # cells that never move
    done = angiosim("bench", "cue", "--against", "glazier", "--json")
    assert done.exit_code == 4
    (row,) = json.loads(done.stdout)["results"]
    assert not row["same_physics"] and row["reasons"] and row["ratio"] is None
    shown = angiosim("bench", "cue", "--against", "glazier")
    assert shown.exit_code == 4
    assert "no ratio, for the physics is not the same" in shown.stdout
    assert "glazier takes" not in shown.stdout
    for difference in side_by_side.DIFFERENCES["cue"]:
        assert difference in shown.stdout


# --- forms ---------------------------------------------------------------------------------------

FORMS = """
from sim.model import assembly
from sim.model.clock import _Rehearsal
from sim.scenario.resolve import load
from sim.scenario.schema import LatticeScenario
from sim.scenario.shipped import shipped
from sim.tissue.advance import advance
from sim.tissue.specialised import sweep

for name in shipped():
    scenario = load(name)
    if isinstance(scenario, LatticeScenario):
        _Rehearsal(assembly.small(scenario), rng=0).advance(2)
print(len(advance.signatures) + len(sweep.signatures))
"""


def test_the_shipped_scenarios_share_few_forms() -> None:
    """Each form of the step is compiled once on a machine."""
    done = subprocess.run([sys.executable, "-c", FORMS], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) <= 12


# --- long ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("problem", ["plain", "cue"])
def test_glazier_simulates_the_same(problem: str) -> None:
    pytest.importorskip("glazier")
    task = {**bench.PROBLEMS[problem][0], "problem": problem, "threads": 1, "blocks": 7,
            "length": side_by_side.STEPS}  # fmt: skip
    assert side_by_side.compare(task)["reasons"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrong", [{"temperature": 65}, {"contact": [0, 20, 20, 40]}, {"contact": [0, 24, 24, 40]}]
)
def test_the_check_detects_wrong_physics(
    wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also that medium has to be declared as a type: with one type it gets the cells' energies."""
    pytest.importorskip("glazier")

    def blueprint(*words: Any) -> dict[str, Any]:
        told = {**right(*words), **wrong}
        if len(told["contact"]) == 4:
            told["types"], told["initial"] = told["types"][1:], {**told["initial"], "fractions": {}}
        return told

    right = side_by_side.blueprint
    monkeypatch.setattr(side_by_side, "blueprint", blueprint)
    task = {**bench.PROBLEMS["plain"][0], "problem": "plain", "threads": 1, "blocks": 4,
            "length": 100}  # fmt: skip
    found = side_by_side.compare(task)
    assert found["ratio"] is None
    assert "neighbours" in " ".join(found["reasons"])


@pytest.mark.slow
def test_start_up_is_measured() -> None:
    task = {**bench.PROBLEMS["startup"][0], "problem": "startup", "threads": 1, "repeats": 1}
    found = here(task)
    assert 0 < found["help_s"] < found["warm_run_s"] < found["cold_run_s"]
    assert 0 < found["cold_compile_s"] < found["cold_run_s"]
    assert found["warm_run_s"] < found["no_pictures_s"] < found["whole_run_s"]


@pytest.mark.slow
def test_compiling_is_measured() -> None:
    found = here({"problem": "compile", "threads": 1, "measure": "compile",
                  "scenario": "reference/openvt_angiogenesis"})  # fmt: skip
    assert 0 < found["form_s"] < found["kernels_s"]
    assert 0 < found["cached_s"] < found["kernels_s"]
