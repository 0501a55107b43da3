from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from marks import slow

import sim
from sim import logs
from sim.errors import FolderError, InputError
from sim.files import plain
from sim.runs.folder import RunFolder
from sim.runs.manifest import begin_manifest, finish_manifest
from sim.studies.folder import default_folder


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def some_result(**manifest: Any) -> dict[str, Any]:
    return dict(
        summary={"cells": np.int64(3), "mean_mesh_area_um2": float("nan"), "meshes": 0},
        timeseries=pd.DataFrame({"time_h": [0.0, 0.5], "mcs": [0, 60], "meshes": [0.1, np.nan]}),
        final={"cell_id": np.arange(6, dtype=np.int32).reshape(2, 3)},
        tables={},
        manifest=manifest,
    )


def test_default_folders_are_numbered(workplace: Path) -> None:
    paths = []
    for _ in range(3):
        with RunFolder.create(None, "tube", 7) as folder:
            paths.append(folder.path.as_posix())
    assert paths == ["runs/tube-s7", "runs/tube-s7-2", "runs/tube-s7-3"]


@pytest.mark.parametrize("name", ["../evil", "a/b", "  ", "..", "naïve name", "x" * 400])
def test_any_name_makes_one_folder_below_runs(workplace: Path, name: str) -> None:
    with RunFolder.create(None, name, 1) as folder:
        assert folder.path.resolve().parent == workplace / "runs"


def test_names_in_any_script_have_folders_of_their_own(workplace: Path) -> None:
    names = ["血管 新生", "血管新生 $2", "größe", "細胞" * 50, "a b"]
    paths = [RunFolder.create(None, name, 1).path.as_posix() for name in names]
    assert paths[:3] == ["runs/血管_新生-s1", "runs/血管新生_2-s1", "runs/größe-s1"]
    assert paths[3] == f"runs/{'細胞' * 16}細-s1"
    assert paths[4] == "runs/a_b-s1"
    assert default_folder("用量") == Path("runs", "用量")
    assert default_folder("..") == Path("runs", "unnamed")


def test_a_chosen_folder_may_be_new_or_empty(workplace: Path) -> None:
    with RunFolder.create(Path("a/b/c"), "tube", 1) as folder:
        assert folder.path == Path("a/b/c")
    Path("empty").mkdir()
    RunFolder.create(Path("empty"), "tube", 1).close()
    assert everything(Path("empty")) == ["run.log"]


def test_a_chosen_folder_is_never_overwritten(workplace: Path) -> None:
    Path("mine").mkdir()
    Path("mine/precious").write_text("data")
    with pytest.raises(FolderError, match="not empty"):
        RunFolder.create(Path("mine"), "tube", 1)
    Path("file").write_text("data")
    for path in ("file", "file/below/it"):
        with pytest.raises(FolderError, match="cannot write there"):
            RunFolder.create(Path(path), "tube", 1)
    assert everything(workplace) == ["file", "mine", "mine/precious"]


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_runs_may_be_something_else(workplace: Path, make: Callable[[Path], None]) -> None:
    make(Path("runs"))
    with pytest.raises(FolderError, match="choose another folder with --out"):
        RunFolder.create(None, "tube", 1)
    assert everything(workplace) == ["runs"]


@pytest.mark.parametrize(
    ("out", "fail_at"), [(None, 1), (None, 2), *((Path("a/b/c"), at) for at in (1, 2, 3))]
)
def test_nothing_is_left_when_creation_fails(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, out: Path | None, fail_at: int
) -> None:
    calls = 0
    mkdir = Path.mkdir

    def failing(self: Path, *words: Any, **named: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == fail_at:
            raise PermissionError(13, "Permission denied")
        mkdir(self, *words, **named)

    monkeypatch.setattr(Path, "mkdir", failing)
    with pytest.raises(FolderError, match="permission denied"):
        RunFolder.create(out, "tube", 1)
    assert everything(workplace) == []


def test_nothing_is_left_when_the_log_cannot_be_written(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(logs.Log, "_open", refuse)
    with pytest.raises(FolderError, match="read-only"):
        RunFolder.create(None, "tube", 1)
    assert everything(workplace) == []


def test_two_processes_cannot_share_an_empty_folder(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("shared").mkdir()
    with RunFolder.create(Path("shared"), "tube", 1):
        # the other one looked before the log was there
        monkeypatch.setattr(Path, "iterdir", lambda _: iter(()))
        with pytest.raises(FolderError, match="another angiosim process is using this folder"):
            RunFolder.create(Path("shared"), "tube", 1)
    with pytest.raises(FolderError, match="file exists"):  # nor when the first has finished
        RunFolder.create(Path("shared"), "tube", 1)


def test_discard_restores_the_disk(workplace: Path) -> None:
    Path("empty").mkdir()
    for out in (None, Path("x/y"), Path("empty")):
        folder = RunFolder.create(out, "tube", 1)
        folder.write_scenario("")
        folder.write_frame(3, {"a": np.zeros(1)})
        folder.discard()
    assert everything(workplace) == ["empty"]


def test_discard_keeps_other_runs(workplace: Path) -> None:
    RunFolder.create(None, "tube", 1).close()
    RunFolder.create(None, "tube", 1).discard()
    assert everything(workplace) == ["runs", "runs/tube-s1", "runs/tube-s1/run.log"]


def test_the_files_of_a_run(workplace: Path) -> None:
    with RunFolder.create(Path("out"), "tube", 1) as folder:
        folder.write_scenario('name = "µ"\n')
        folder.write_frame(0, {"cell_id": np.zeros((2, 2))})
        folder.write_frame(720, {"cell_id": np.ones((2, 2))})
        folder.write_results(**some_result(completed=True))
    assert everything(Path("out")) == [
        "final.npz", "frames", "frames/000000.npz", "frames/000720.npz", "manifest.json",
        "run.log", "scenario.toml", "summary.json", "timeseries.csv",
    ]  # fmt: skip
    assert Path("out/scenario.toml").read_text(encoding="utf-8") == 'name = "µ"\n'
    assert Path("out/timeseries.csv").read_text() == "time_h,mcs,meshes\n0.0,0,0.1\n0.5,60,\n"
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary == {"cells": 3, "mean_mesh_area_um2": None, "meshes": 0}
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest["completed"] is True
    names = {*everything(Path("out"))} - {"frames", "manifest.json", "run.log"}
    assert manifest["sha256"].keys() == names
    with np.load("out/final.npz") as final:
        np.testing.assert_array_equal(final["cell_id"], [[0, 1, 2], [3, 4, 5]])


def test_the_manifest_says_completed_only_when_all_else_is_written(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace
    for fail_at in range(1, 5):
        calls = 0

        def failing(source: str, target: str, at: int = fail_at) -> None:
            nonlocal calls
            calls += 1
            if calls == at:
                raise OSError(28, "No space left on device")
            replace(source, target)

        with RunFolder.create(None, "tube", 1) as folder:
            folder.write_manifest({"completed": False})
            monkeypatch.setattr(os, "replace", failing)
            with pytest.raises(OSError, match="No space"):
                folder.write_results(**some_result(completed=True))
            monkeypatch.setattr(os, "replace", replace)
        assert json.loads((folder.path / "manifest.json").read_text())["completed"] is False
        assert not list(folder.path.glob(".*"))


def test_the_log_takes_messages_until_closed(workplace: Path) -> None:
    log = logging.getLogger("sim.somewhere")
    with RunFolder.create(Path("a"), "tube", 1):
        log.info("inside")
    log.info("outside")
    text = Path("a/run.log").read_text()
    assert "INFO sim.somewhere: inside" in text
    assert "outside" not in text


def test_manifest() -> None:
    begun = begin_manifest(scenario_hash="abc", seed=3, threads=1)
    assert begun["completed"] is False
    assert begun["version"] == sim.__version__
    assert (begun["seed"], begun["scenario_hash"]) == (3, "abc")
    assert begun["libraries"]["numpy"] == np.__version__
    done = finish_manifest(begun, wall_s={"compile": 10.0, "potts": 3.0, "fields": 1.0}, mcs=720)
    assert done["completed"] is True
    assert done["mcs"] == 720
    assert done["mcs_per_s"] == 180.0  # compiling does not count
    assert done["started"] <= done["ended"]
    assert begun["completed"] is False
    assert finish_manifest(begun, wall_s={}, mcs=0)["mcs_per_s"] is None
    json.dumps(done, allow_nan=False)


def test_plain() -> None:
    given = {
        "a": np.float32(0.5),
        "b": [np.inf, (np.bool_(True), None)],
        3: np.arange(2),
        "p": Path("x"),
    }
    assert plain(given) == {"a": 0.5, "b": [None, [True, None]], "3": [0, 1], "p": "x"}


# --- what is written can be opened -----------------------------------------------------------

RUNS = {
    "drug": ("tube_formation_anlotinib", {"record.frames": True}),
    "doses": ("rat_oral", {}),
    "plain": ("reference/openvt_angiogenesis", {"record.frames": True, "record.fields": True}),
}


@pytest.mark.parametrize("name", ["drug", slow("doses"), slow("plain")])
def test_an_opened_run_is_what_the_run_returned(name: str, workplace: Path) -> None:
    source, settings = RUNS[name]
    steps = {"time.duration_mcs": 20, "time.record_every_mcs": 7}
    hours = {"time.duration_h": "90 s", "time.record_every_h": "60 s"}
    size = {"domain.size_um": [120, 120]} if name != "plain" else {}
    time = steps if name == "plain" else hours
    known = sim.run(source, settings | time | size, out="out", seed=5)
    found = sim.Result.open("out")
    assert found.scenario == known.scenario
    assert (found.seed, found.summary, found.folder) == (5, known.summary, known.folder)
    pd.testing.assert_frame_equal(found.timeseries, known.timeseries, check_exact=True)
    assert found.manifest == json.loads(json.dumps(known.manifest))
    assert list(found.frames) == list(known.frames)
    pairs = [(found.final, known.final)]
    for one, other in [*pairs, *((found.frames[mcs], known.frames[mcs]) for mcs in known.frames)]:
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])
            assert one[key].dtype == other[key].dtype
    assert repr(found) == repr(known)
    assert found.plot().axes


def test_only_run_folders_can_be_opened(workplace: Path) -> None:
    Path("empty").mkdir()
    Path("study").mkdir()
    Path("study/study.toml").touch()
    with RunFolder.create(Path("stopped"), "tube", 1) as folder:
        folder.write_manifest({"completed": False, "ended": None, "seed": 1, "mcs": 0})
    reasons = {
        "none": "no such folder",
        "empty": "is not a run folder",
        "study": "contains a study, not a run; use `sim.Study.open`",
        "stopped": "has not ended",
    }
    for name, reason in reasons.items():
        with pytest.raises(InputError, match=reason):
            sim.Result.open(name)


def test_a_damaged_run_is_named_by_its_file(workplace: Path) -> None:
    brief = {"time.duration_h": "60 s", "domain.size_um": [120, 120]}
    sim.run("tube_formation", brief, out="out")
    for name in ("final.npz", "timeseries.csv", "summary.json", "scenario.toml", "manifest.json"):
        path = Path("out", name)
        content = path.read_bytes()
        for damaged in (b"", b"{\x00", None):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            with pytest.raises(InputError, match=r"out"):
                sim.Result.open("out")
            path.write_bytes(content)
    assert sim.Result.open("out").summary
