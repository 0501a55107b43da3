"""What runs need is said before they begin, within stated limits; what is too much is refused."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from marks import slow

import sim
from sim.errors import InputError, RoomError, ScenarioError
from sim.model import model_of
from sim.runs import room
from sim.runs.estimate import LIBRARIES, PICTURES, estimate, in_bytes
from sim.runs.room import memory_free
from sim.runs.run import run_scenario
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped
from sim.studies.file import plan_study
from sim.studies.forecast import check_room_for, entries_in, forecast
from sim.studies.task import Task
from sim.studies.worker import simulate

MEASURED: dict[str, tuple[str, dict[str, Any]]] = {
    "a network": ("tube_formation", {"time.duration_h": 0.2}),
    "a large network": (
        "tube_formation",
        {"domain.size_um": [3200, 3200], "time.duration_h": 0.02},
    ),
    "a wound": ("wound_healing", {"time.duration_h": 0.5}),
    "a tumour": ("tumour_bed", {"time.duration_h": 48}),
}
PROGRAM = """
import json, resource, sys
import sim
scenario = sim.load(sys.argv[1], json.loads(sys.argv[2]))
if sys.argv[3] != "-":
    sim.run(scenario, out=sys.argv[3])
else:
    from sim.model import model_of
    model_of(scenario).advance(2)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def peak_of(name: str, changes: dict[str, Any], out: str) -> int:
    import json

    words = [sys.executable, "-W", "ignore", "-c", PROGRAM, name, json.dumps(changes), out]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is of kilobytes on Linux")
@pytest.mark.parametrize("what", MEASURED)
def test_memory_and_disk_are_as_measured(what: str, tmp_path: Path) -> None:
    """Peak memory within 30 %; the folder takes between a quarter of what is said and all of it."""
    name, changes = MEASURED[what]
    found = estimate(load(name, changes))
    peak_of(name, changes, "-")  # kernels are compiled, which takes more
    assert found.memory == pytest.approx(peak_of(name, changes, str(tmp_path / "run")), rel=0.3)
    files = [path.stat().st_size for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert found.disk / 4 < sum(files) < found.disk * 1.1


@pytest.mark.parametrize("name", ["tube_formation", slow("viability"), "tumour_bed"])
def test_the_state_of_a_model_is_what_is_counted(name: str) -> None:
    changes = {"time.duration_h": 24.0, "time.record_every_h": 24.0}
    scenario = load(name, changes | ({} if "bed" in name else {"record.frames": False}))
    state = sum(array.nbytes for array in model_of(scenario).state().values())
    found = estimate(scenario)
    counted = found.memory - LIBRARIES - PICTURES
    assert 2 * state < counted < 20 * state + 4_000_000


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_has_an_estimate(name: str) -> None:
    found = sim.estimate(load(name))
    assert found.steps == load(name).time.steps
    assert 300e6 < found.memory < 1e9
    assert 1e6 < found.disk < 2e9
    assert 4 < found.seconds < 3600


def test_more_costs_more() -> None:
    plain = estimate(load("tube_formation"))
    wide = estimate(load("tube_formation", {"domain.size_um": [1600, 1600]}))
    fields = estimate(load("tube_formation", {"record.fields": True, "record.frames": True}))
    kept = estimate(load("tube_formation", {"record.checkpoint": [1, 2, 3]}))
    substeps = estimate(load("tube_formation", {"fields.cue.substeps": 150}))
    assert wide.memory - plain.memory == pytest.approx(3 * 160_000 * 141, rel=0.1)
    assert wide.seconds > 3 * plain.seconds - 20
    assert fields.disk > plain.disk + plain.frames * 1_000_000
    assert kept.disk > plain.disk + 3_000_000
    assert substeps.seconds > plain.seconds + 5
    assert fields.memory_bare > plain.memory_bare  # snapshots are in memory without a folder


def test_it_is_printed_and_writes_nothing(workplace: Path, angiosim: Callable[..., Any]) -> None:
    found = angiosim("validate", "tube_formation")
    line = "720 steps of 160,000 sites, 13 snapshots: about 7 s of processor time, 373 MB of memory"
    assert line in found.stderr
    study = angiosim("validate", "sweeps/dose_response")
    assert "296 runs: 0 done, 0 failed, 296 left\nabout " in study.stderr
    assert "with 3 worker processes" in angiosim(
        "sweep", "sweeps/dose_response", "--list", "--workers", 3
    ).stderr  # fmt: skip
    assert "of memory in all, and 1 MB on disk" in study.stderr
    fit = angiosim("validate", "calibration/example")
    assert "up to about 492 runs, with those that have finished\nabout 1 min for all" in fit.stderr
    rats = angiosim("validate", "designs/rat_network")
    assert "up to about 66 runs, with those that have finished\nabout " in rats.stderr
    assert angiosim("validate", "designs/human_intensity").stderr == ""
    assert not list(workplace.iterdir())


def test_a_run_that_needs_more_than_there_is_is_refused(
    workplace: Path, angiosim: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "memory_free", lambda: 200_000_000)
    found = angiosim("run", "tube_formation", "--out", "here")
    assert found.exit_code == 2
    words = "needs about 373 MB of memory, and 200 MB are free here; a smaller domain.size_um"
    assert words in found.stderr
    with pytest.raises(RoomError, match="are free here"):
        sim.run("tube_formation")
    monkeypatch.setattr(room, "memory_free", lambda: None)  # a system that does not say
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=2_000_000))
    found = angiosim("run", "tube_formation", "--out", "here")
    assert found.exit_code == 2
    assert "here: about 6 MB will be written, and 2 MB are free there; a longer" in found.stderr
    assert not list(workplace.iterdir())


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (["sweep", "sweeps/dose_response"], "296 runs: 0 done, 0 failed, 296 left"),
        (["calibrate", "calibration/example"], "up to about 492 runs"),
        (["design", "designs/rat_network"], "up to about 66 runs"),
    ],
)
def test_what_many_runs_need_is_said_and_refused_before_they_begin(
    words: list[str],
    runs: str,
    workplace: Path,
    angiosim: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sim.studies import forecast as studies

    for module in (room, studies):
        monkeypatch.setattr(module, "memory_free", lambda: 400_000_000)
    found = angiosim(*words, "--workers", 2)
    assert found.exit_code == 2
    assert runs in found.stderr
    assert "with 2 worker processes (a rough estimate" in found.stderr
    assert "400 MB are free here; 2 workers with" in found.stderr
    assert not list(workplace.iterdir())


def test_a_study_that_needs_more_than_there_is_is_refused(
    workplace: Path, angiosim: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sim.studies import forecast as studies

    for module in (room, studies):
        monkeypatch.setattr(module, "memory_free", lambda: 1_000_000_000)
    found = angiosim("sweep", "sweeps/dose_response", "--workers", 8)
    assert found.exit_code == 2
    assert "8 workers with 311 MB each: --workers 2 (workers=) fit" in found.stderr
    plan = plan_study("sweeps/dose_response")
    check_room_for(forecast(plan, plan.runs, {}), 2, None)
    with pytest.raises(RoomError, match="--workers 1 "):
        check_room_for(forecast(plan, plan.runs, {}, keep_runs=True), 2, None)
    monkeypatch.setattr(studies, "memory_free", lambda: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=2_000_000))
    check_room_for(forecast(plan, plan.runs, {}), 2, Path("study"))
    with pytest.raises(RoomError, match=r"study: about .* will be written, and 2 MB are free"):
        check_room_for(forecast(plan, plan.runs, {}, keep_runs=True), 2, Path("study"))
    assert not list(workplace.iterdir())


def test_free_memory_is_the_least_of_machine_and_groups(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemAvailable:   8000 kB\nSwapFree:       1000 kB\n")
    (proc / "self" / "cgroup").write_text("0::/job/step\n")
    own = groups / "job" / "step"
    own.mkdir(parents=True)
    assert memory_free(proc, groups) == 9_000 * 1024
    for group, most, used, cached in ((own, "max", 10, 0), (own.parent, "4000000", 900_000, 500)):
        (group / "memory.max").write_text(f"{most}\n")
        (group / "memory.current").write_text(f"{used}\n")
        (group / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")
    assert memory_free(proc, groups) == 4_000_000 - 900_000 + 500
    (proc / "self" / "cgroup").write_text("4:cpu,memory:/old\n0::/\n")
    old = groups / "memory" / "old"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("3000000")
    (old / "memory.usage_in_bytes").write_text("2900000")
    assert memory_free(proc, groups) == 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="limits of the address space are Linux's")
def test_a_limit_of_the_address_space_counts(tmp_path: Path) -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))\n"
        "from sim.runs.room import memory_free; print(memory_free())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert int(done.stdout) <= 2**28, done.stderr


def test_sizes_in_words() -> None:
    sizes = (500, 372.6e6, 999e6, 1.24e9, 12.4e9, 3.2e12)
    assert [in_bytes(size) for size in sizes] == [
        "1 MB", "373 MB", "999 MB", "1.24 GB", "12 GB", "3.20 TB",
    ]  # fmt: skip


# -- what is kept in memory ------------------------------------------------------------------------


def peak(run: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_snapshots_are_written_and_not_kept(tmp_path: Path) -> None:
    """The peak of a run into a folder does not grow with their number."""
    few, many = (
        load("tube_formation", {
            "domain.size_um": [200, 200], "cells.count": 14, "time.duration_h": 20 / 120,
            "time.record_every_h": every / 120, "record.frames": True, "record.fields": True,
        })
        for every in (10, 1)
    )  # fmt: skip
    sim.run(few), sim.run(many)  # kernels and imports

    def into(name: str, scenario: Any) -> int:
        from sim.runs.into import run_into

        return peak(lambda: run_into(tmp_path / name, scenario, pictures=False))

    frame = 4 * 100 * 100 + 8 * 100 * 100
    one, other = into("few", few), into("many", many)
    assert len(list((tmp_path / "many" / "frames").iterdir())) == 21
    assert other - one < 3 * frame
    assert peak(lambda: run_scenario(many)) - peak(lambda: run_scenario(few)) >= 18 * frame


def test_a_worker_keeps_no_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A study without run folders would throw them away."""
    seen = []
    monkeypatch.setattr(
        "sim.runs.run.run_scenario", lambda scenario, **how: seen.append(scenario) or stop()
    )

    def stop() -> None:
        raise InterruptedError

    plan = plan_study({"base": "tube_formation", "set": {"record.frames": True},
                       "grid": {"drug.free_nM": [1]}})  # fmt: skip
    run = plan.runs[0]
    with pytest.raises(InterruptedError):
        simulate(plan.base, Task(run.key, run.settings, run.seed))
    assert seen[0].record.frames is False


# -- bounds ----------------------------------------------------------------------------------------


def test_endless_work_is_refused() -> None:
    huge = {"domain.size_um": [8000, 8000], "time.duration_h": 20_000, "fields.cue.substeps": 9000}
    with pytest.raises(ScenarioError, match=r"updates in all; must be at most 1e\+15, some weeks"):
        load("tube_formation", huge)
    load("tube_formation", huge | {"fields.cue.substeps": 15, "time.duration_h": 240})


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "a folder": (lambda: sim.run("tube_formation", out=5), "out = 5: must be a path"),
    "a parent": (lambda: sim.run(from_=5), "from_ = 5: must be a path"),
    "hours": (lambda: sim.run("tube_formation", out="x", max_hours="a"), "max_hours = 'a': must"),
    "minutes": (
        lambda: sim.run("tube_formation", out="x", checkpoint_every=[]),
        r"checkpoint_every = \[\]: must be a number above 0",
    ),
    "observers": (lambda: sim.run("tube_formation", observers=5), "observers = 5: must be a list"),
    "a study's folder": (lambda: sim.Study.open(5), "folder = 5: must be a path"),
    "a run's folder": (lambda: sim.Result.open(None), "folder = None: must be a path"),
    "bytes": (lambda: sim.Result.open(b"x"), "folder = b'x': must be a path"),
    "subjects": (lambda: sim.pk("human_12mg", subjects="a"), "subjects = 'a': must be a whole"),
    "many subjects": (
        lambda: sim.pk("human_12mg", subjects=10**9),
        "subjects = 1000000000: must be a whole number from 1 to 100,000",
    ),
    "half a subject": (lambda: sim.pk("human_12mg", subjects=2.5), "subjects = 2.5: must be"),
    "an output": (lambda: sim.sweep("sweeps/example", out=5), "out = 5: must be a path"),
    "no workers": (lambda: sim.sweep("sweeps/example", workers=0), "workers = 0: must be a whole"),
    "a shard": (lambda: sim.sweep("sweeps/example", shard=5), r"shard = 5: must be \(i, n\)"),
    "no such shard": (
        lambda: sim.sweep("sweeps/example", shard=(5, 2)),
        "shard, i = 5: must be a whole number from 1 to 2",
    ),
    "of a calibration": (lambda: sim.calibrate("calibration/example", out=5), "out = 5: must"),
    "its workers": (
        lambda: sim.calibrate("calibration/example", workers="a"),
        "workers = 'a': must be a whole number",
    ),
    "of a design": (lambda: sim.design("designs/human_intensity", out=5), "out = 5: must"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_arguments_are_the_packages_own_errors(what: str, workplace: Path) -> None:
    call, words = WRONG[what]
    with pytest.raises(InputError, match=words):
        call()
    assert not list(workplace.iterdir())


def test_an_empty_scenario_is_valid_and_says_so(
    workplace: Path, angiosim: Callable[..., Any]
) -> None:
    (workplace / "empty.toml").write_text("# nothing\n")
    found = angiosim("validate", "empty.toml")
    assert (found.exit_code, found.stdout) == (0, "empty.toml: valid\n")
    assert "warning: the scenario is empty: all is default" in found.stderr
    with pytest.warns(sim.ScenarioWarning, match="the scenario is empty"):
        sim.load({})


def test_a_bath_in_place_of_the_gradient_is_said_and_a_wrong_end_once() -> None:
    with pytest.warns(sim.ScenarioWarning, match="is the same everywhere: there is no gradient"):
        sim.load("chemotaxis", {"ligands.VEGF.bath_ng_ml": 5})
    for key in ("low_ng_ml", "high_ng_ml"):
        with pytest.raises(ScenarioError, match="1 problem\n") as found:
            load("chemotaxis", {f"setup.{key}": -1})
        assert f"setup.{key} = -1: must be" in str(found.value)


def test_a_ledger_that_cannot_be_read_is_left_to_the_study(tmp_path: Path) -> None:
    """What is wrong with it is said, or repaired, where it is opened to write."""
    assert entries_in(None) == entries_in(tmp_path) == {}
    (tmp_path / "ledger.sqlite").write_bytes(b"no database, but long enough to look at" * 100)
    assert entries_in(tmp_path) == {}
