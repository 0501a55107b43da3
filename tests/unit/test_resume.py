"""Runs that are stopped and resumed: the same bits as undisturbed, from sound checkpoints only."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from marks import slow

import sim
from sim import hooks
from sim.cli.main import main
from sim.errors import CheckpointError, CheckpointWarning, FolderError, InputError, OutOfTime
from sim.files import sha256
from sim.model import observers
from sim.runs.checkpoint import checkpoints_in, read_checkpoint
from sim.runs.folder import RunFolder
from sim.runs.reading import arrays_of

Angiosim = Callable[..., Any]

SMALL = {
    "domain.size_um": [160, 160],
    "cells.count": 9,
    "time.duration_h": 50 / 120,
    "time.record_every_h": 8 / 120,
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "ligands": ("tube_formation_all_ligands", SMALL | {"drug.exposure": "schedule",
                "drug.media": [{"at_h": 0.1, "free_nM": 8.0}, {"at_h": 0.3, "free_nM": 0.0}]}),
    "tracks": ("chemotaxis", SMALL | {"domain.size_um": [400, 400], "time.duration_h": 70 / 120,
               "record.fields": True}),
    "life": ("viability", SMALL | {"cells.count": 8, "time.duration_h": 1.0, "drug.free_nM": 3e4,
             "time.record_every_h": 0.25, "time.mcs_s": 60}),
    "steps": ("reference/openvt_angiogenesis",
              {"time.duration_mcs": 40, "time.record_every_mcs": 7}),
}  # fmt: skip
"""Scenarios that differ in what a run has to remember."""
EVERY_STEP = 1e-9  # minutes between checkpoints


class StopAt:
    """Stops a run between two steps, as a limit of time does."""

    def __init__(self, mcs: int, error: type[BaseException] = OutOfTime) -> None:
        self.mcs, self.error = mcs, error

    def next_mcs(self, mcs: int) -> int | None:
        return self.mcs if mcs < self.mcs else None

    def look(self, model: Any) -> None:
        raise self.error("enough")

    def close(self) -> None:
        pass


def run(kind: str, out: Path | str, *stops: int, **options: Any) -> sim.Result:
    """Run one of the kinds, stopped at some steps and resumed each time."""
    name, settings = KINDS[kind]
    for stop in stops:
        with pytest.raises(OutOfTime, match="enough"):
            sim.run(name, settings, out=out, resume=True, observers=[StopAt(stop)])
    return sim.run(name, settings, out=out, resume=True, **options)


def content(folder: Path | str) -> dict[str, bytes]:
    """The files of a run but for what tells of machine and time."""
    out = {}
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in ("manifest.json", "run.log"):
            out[name] = path.read_bytes()
    return {name: data for name, data in out.items() if not name.startswith("checkpoint/")}


def manifest_of(folder: Path | str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "manifest.json").read_text())
    del found["checksum"]  # so that it can be altered
    return found


def assert_same_run(one: Path | str, two: Path | str) -> None:
    """All files are equal byte for byte: arrays, rows, read-outs, tables, frames, pictures."""
    ours, theirs = content(one), content(two)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


@pytest.fixture(autouse=True)
def pictures(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw none, as they take most of the time, but in the tests that ask for them."""
    if "with_pictures" not in request.fixturenames:
        monkeypatch.setitem(hooks.PLACES, "save_pictures", "tiny_runs:draw_nothing")


@pytest.fixture(params=[pytest.param(False), slow(True)])
def drawn(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pictures, and slowly with them."""
    if request.param:
        monkeypatch.setitem(hooks.PLACES, "save_pictures", "sim.view.run.pictures:save_pictures")


@pytest.fixture
def with_pictures() -> None:
    """Draw them."""


# --- exact ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_pictures_of_a_run_cut_into_parts_are_those_of_the_undisturbed_one(
    with_pictures: None, tmp_path: Path
) -> None:
    run("ligands", tmp_path / "whole")
    assert len(list((tmp_path / "whole").glob("*.png"))) == 3
    run("ligands", tmp_path / "cut", 13)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_cut_into_parts_is_the_undisturbed_one(kind: str, tmp_path: Path) -> None:
    whole = run(kind, tmp_path / "whole")
    for k, stops in enumerate([(1,), (13, 16, 33)]):
        cut = run(kind, tmp_path / f"cut{k}", *stops)
        assert_same_run(tmp_path / "whole", cut.folder)
        assert cut.summary == whole.summary
        pd.testing.assert_frame_equal(cut.timeseries, whole.timeseries, check_exact=True)
        assert list(cut.frames) == list(whole.frames)
        sessions = manifest_of(cut.folder)["sessions"]
        assert [(one["from_mcs"], one["mcs"]) for one in sessions] == [
            *zip((0, *stops), (*stops, cut.manifest["mcs"]), strict=True)
        ]


def test_checkpoints_change_nothing(tmp_path: Path) -> None:
    name, settings = KINDS["ligands"]
    kept = {"record.checkpoint": [0.05, 0.2]}
    sim.run(name, settings, out=tmp_path / "one")
    sim.run(name, settings | kept, out=tmp_path / "two", checkpoint_every=EVERY_STEP)
    one, two = content(tmp_path / "one"), content(tmp_path / "two")
    assert one.pop("scenario.toml") != two.pop("scenario.toml")
    assert one == two
    found = list(checkpoints_in(tmp_path / "two" / "checkpoint"))
    assert found == [50, 49, 24, 6]  # the newest two, and those asked for
    assert list(checkpoints_in(tmp_path / "one" / "checkpoint")) == [50]


def test_a_run_is_resumed_twice_from_one_file(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime):
        sim.run(*KINDS["tracks"], out=tmp_path / "a", observers=[StopAt(21)])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for folder in "ab":
        run("tracks", tmp_path / folder)
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_what_was_written_after_the_checkpoint_is_dropped(tmp_path: Path) -> None:
    run("ligands", tmp_path / "whole")
    out = tmp_path / "cut"
    with pytest.raises(OutOfTime):
        sim.run(*KINDS["ligands"], out=out, observers=[StopAt(17)])
    rows = pd.read_csv(out / "timeseries.csv")
    assert list(rows["mcs"]) == [0, 8, 16, 17]  # where it was stopped, too
    (out / "frames" / "000024.npz").write_bytes(b"of a session that was killed")
    (out / "frames" / ".000032.npz.0123abcd89ab4567.tmp").write_bytes(b"half")
    (out / "network.png").write_bytes(b"of an earlier end")
    with pytest.raises(OutOfTime):
        sim.run(*KINDS["ligands"], out=out, resume=True, observers=[StopAt(18)])
    frames = sorted(path.name for path in (out / "frames").iterdir())
    assert frames == ["000000.npz", "000008.npz", "000016.npz"]
    assert not (out / "network.png").exists()
    run("ligands", out)
    assert_same_run(tmp_path / "whole", out)


def test_an_interruption_in_the_middle_of_a_step_loses_no_checkpoint(tmp_path: Path) -> None:
    """Ctrl-C in Python comes anywhere: what is half done is not saved."""
    run("ligands", tmp_path / "whole")
    out = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        sim.run(
            *KINDS["ligands"], out=out, checkpoint_every=EVERY_STEP,
            observers=[StopAt(20, KeyboardInterrupt)],
        )  # fmt: skip
    assert list(checkpoints_in(out / "checkpoint")) == [19, 18]
    run("ligands", out)
    assert_same_run(tmp_path / "whole", out)


# --- when ----------------------------------------------------------------------------------


def test_checkpoints_come_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten minutes by default, half of a second late at most; and the newest two are kept."""
    clock = [0.0]
    written = []

    class Clock:
        def next_mcs(self, mcs: int) -> int | None:
            return mcs + 1

        def look(self, model: Any) -> None:
            clock[0] += 100.0
            written.append(sorted(checkpoints_in(tmp_path / "out" / "checkpoint")))

        def close(self) -> None:
            pass

    for module in ("sim.model.pace", "sim.runs.checkpoint"):
        monkeypatch.setattr(f"{module}.perf_counter", lambda: clock[0])
    sim.run(*KINDS["ligands"], out=tmp_path / "out", observers=[Clock()])
    seen = sorted({tuple(found) for found in written})
    assert seen == [(), *(((6 * k - 1) - 6, 6 * k - 1) if k > 1 else (5,) for k in range(1, 9))]


def test_the_limit_of_time_stops_between_steps_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, angiosim: Angiosim
) -> None:
    run("steps", tmp_path / "whole")
    clock = [0.0]
    monkeypatch.setattr(observers, "perf_counter", lambda: clock[0])
    monkeypatch.setattr("sim.runs.run.perf_counter", lambda: clock[0])
    advance = sim.AngiogenesisModel.advance

    def slow(model: Any, steps: int) -> None:
        advance(model, steps)
        clock[0] += 360.0 * steps  # a tenth of an hour

    monkeypatch.setattr(sim.AngiogenesisModel, "advance", slow)
    words = [f"--set={key}={value}" for key, value in KINDS["steps"][1].items()]
    words = ["run", "reference/openvt_angiogenesis", "--out", tmp_path / "cut", *words]
    for mcs in (14, 28):
        done = angiosim(*words, "--resume", "--max-hours", "1.45")
        assert done.exit_code == 5
        last = done.stderr.splitlines()[-1]
        assert last.startswith("stopped after 1.45 h of wall time; the results so far are in ")
        assert last.endswith("; resume with --resume")
        manifest = manifest_of(tmp_path / "cut")
        assert (manifest["completed"], manifest["mcs"] >= mcs) == (False, True)
    assert angiosim(*words, "--resume", "--max-hours", "1000").exit_code == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("wrong", ["--checkpoint-every=0", "--max-hours=-1", "--max-hours=nan"])
def test_times_are_positive(angiosim: Angiosim, workplace: Path, wrong: str) -> None:
    done = angiosim("run", "tube_formation", wrong)
    assert done.exit_code == 2
    assert "must be a number above 0" in done.stderr
    assert list(workplace.iterdir()) == []


def test_what_needs_a_folder_says_so() -> None:
    for options in ({"resume": True}, {"max_hours": 1}):
        with pytest.raises(InputError, match="need a folder: out="):
            sim.run("tube_formation", SMALL, **options)


# --- what ----------------------------------------------------------------------------------


def test_without_a_folder_it_is_a_new_run(workplace: Path) -> None:
    for out in ("new", "empty"):
        Path("empty").mkdir(exist_ok=True)
        assert run("ligands", out).manifest["completed"]
    assert len(manifest_of("new")["sessions"]) == 1


def test_a_finished_run_is_left_alone(
    workplace: Path, angiosim: Angiosim, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("ligands", "out")
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    again = run("ligands", "out")
    assert again.summary == whole.summary
    pd.testing.assert_frame_equal(again.timeseries, whole.timeseries, check_exact=True)
    words = [f"--set={key}={json.dumps(value)}" for key, value in SMALL.items()]
    done = angiosim("run", "out/scenario.toml", "--out", "out", "--resume")
    assert done.exit_code == 0, done.stderr
    assert "tube_length_mm" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")} == before
    assert words


@pytest.mark.usefixtures("drawn")
@pytest.mark.parametrize("kind", ["ligands", "tracks", "life"])
def test_a_longer_duration_extends_a_run(kind: str, tmp_path: Path) -> None:
    """Also one that ended between two records, or was stopped: as if it had always been longer."""
    name, settings = KINDS[kind]
    longer = settings | {"time.duration_h": 2 * settings["time.duration_h"]}
    sim.run(name, longer, out=tmp_path / "long")
    for stops in ((), (11,)):
        out = tmp_path / f"extended{len(stops)}"
        for stop in stops:
            with pytest.raises(OutOfTime):
                sim.run(name, settings, out=out, observers=[StopAt(stop)])
        if not stops:
            sim.run(name, settings, out=out)
        result = sim.run(name, longer, out=out, resume=True)
        assert_same_run(tmp_path / "long", out)
        assert result.manifest["completed"] is manifest_of(out)["completed"] is True
        assert manifest_of(out)["scenario_hash"] == manifest_of(tmp_path / "long")["scenario_hash"]


@pytest.mark.parametrize("completed", [True, False])
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"drug.free_nM": 3}, "drug.free_nM is 0 there and 3 here"),
        ({"time.duration_h": 0.3}, "time.duration_h is 0.4166666666666667 there and 0.3 here"),
        ({"time.duration_h": 2, "engine.temperature": 60}, "engine.temperature is "),
        ({"record.frames": False}, "record.frames is true there and false here"),
        ({"record.checkpoint": [0.1]}, "record.checkpoint is not given there and [0.1] here"),
        ({"seed": 7}, "seed is 1 there and 7 here"),
        ({"name": "other"}, "name is 'tube_formation' there and 'other' here"),
    ],
)
def test_any_other_difference_is_refused(
    changed: dict[str, Any], said: str, completed: bool, workplace: Path, angiosim: Angiosim
) -> None:
    stop = [] if completed else [StopAt(9)]
    try:
        sim.run("tube_formation", SMALL, out="out", observers=stop)
    except OutOfTime:
        assert not completed
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    with pytest.raises(InputError) as found:
        sim.run("tube_formation", SMALL | changed, out="out", resume=True)
    assert said in str(found.value)
    settings = [f"--set={key}={json.dumps(value)}" for key, value in (SMALL | changed).items()]
    done = angiosim("run", "tube_formation", *settings, "--out", "out", "--resume")
    assert done.exit_code == 2
    assert said in done.stderr
    assert "Only a longer time.duration_h may differ" in done.stderr
    assert {p: p.read_bytes() for p in Path("out").rglob("*") if p.is_file()} == before


def test_other_folders_are_refused(workplace: Path) -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("mine")
    Path("file").write_text("mine")
    Path("scenarios").mkdir()  # of the user's own
    own = {name: f"{name}, # mine" for name in ("scenario.toml", "manifest.json", "run.log")}
    for name, text in own.items():
        Path("scenarios", name).write_text(text)
        for out in ("mine", "file", "scenarios"):
            with pytest.raises(FolderError, match="is not a run folder"):
                run("ligands", out)
    assert {path.name: path.read_text() for path in Path("scenarios").iterdir()} == own
    with RunFolder.create(Path("busy"), "x", 1), pytest.raises(FolderError, match="another angio"):
        run("ligands", "busy")


@pytest.mark.parametrize("at", [-1, 9])
def test_what_an_observer_raises_discards_no_work(at: int, workplace: Path) -> None:
    """Only wrong input of the run itself leaves nothing behind."""

    class Wrong(StopAt):
        def next_mcs(self, mcs: int) -> int | None:
            if at < 0:
                raise InputError("no such step")
            return super().next_mcs(mcs)

    name, settings = KINDS["ligands"]
    more = {"checkpoint_every": EVERY_STEP, "observers": [Wrong(at, InputError)]}
    with pytest.raises(InputError):
        sim.run(name, settings, out="run", **more)
    assert len(checkpoints_in(Path("run/checkpoint"))) == 2 * (at > 0)
    run("ligands", "whole")
    run("ligands", "run")
    assert_same_run("whole", "run")


def test_a_run_in_the_way_can_be_resumed(workplace: Path) -> None:
    run("steps", "out")
    name, settings = KINDS["steps"]
    with pytest.raises(FolderError, match=r"choose another, or resume the run in it"):
        sim.run(name, settings, out="out")


def test_the_default_folder_is_that_of_this_run(workplace: Path, angiosim: Angiosim) -> None:
    """Of several, that which can be resumed with this scenario."""

    def words(**settings: Any) -> list[str]:
        found = SMALL | {key.replace("__", "."): value for key, value in settings.items()}
        return [f"--set={key}={json.dumps(value)}" for key, value in found.items()]

    def once(*more: str, **settings: Any) -> Any:
        return angiosim("run", "tube_formation", "--no-pictures", *words(**settings), *more)

    assert once().exit_code == 0
    assert once(drug__free_nM=5).exit_code == 0
    assert once("--max-hours=1e-9", drug__free_nM=9).exit_code == 5
    names = ["tube_formation-s1", "tube_formation-s1-2", "tube_formation-s1-3"]
    assert once("--resume", drug__free_nM=9).exit_code == 0
    done = once("--resume", "--quiet")
    assert done.exit_code == 0
    assert sorted(os.listdir("runs")) == names
    assert all(manifest_of(f"runs/{name}")["completed"] for name in names)
    done = once("--resume", drug__free_nM=11)
    assert done.exit_code == 2
    assert "tube_formation-s1-3: is the run of another scenario" in done.stderr
    assert "drug.free_nM is 9 there and 11 here" in done.stderr
    assert once("--resume", seed=2).exit_code == 0
    assert sorted(os.listdir("runs")) == [*names, "tube_formation-s2"]


def test_a_run_that_was_killed_before_its_first_step_begins(workplace: Path) -> None:
    run("ligands", "whole")
    RunFolder.create(Path("a"), "x", 1).close()  # it has a log, and nothing else
    run("ligands", "a")
    assert_same_run("whole", "a")
    shutil.copytree("whole", "b")
    shutil.rmtree("b/checkpoint")
    Path("b/scenario.toml").unlink()  # is written after the manifest
    manifest = manifest_of("b") | {"completed": False, "ended": None}
    Path("b/manifest.json").write_text(json.dumps(manifest))
    run("ligands", "b")
    assert_same_run("whole", "b")


def test_other_versions_are_reported(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime):
        sim.run(*KINDS["ligands"], out=tmp_path, observers=[StopAt(9)])
    manifest = manifest_of(tmp_path)
    manifest["sessions"][0]["libraries"]["numba"] = "0.1"
    manifest["sessions"][0]["version"] = "0.0.9"
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.warns(CheckpointWarning, match=r"angiosim .* instead of 0\.0\.9, numba .* 0\.1"):
        run("ligands", tmp_path)
    first, second = manifest_of(tmp_path)["sessions"]
    assert (first["version"], second["version"]) == ("0.0.9", sim.__version__)
    assert "instead of 0.0.9" in (tmp_path / "run.log").read_text()


# --- damage ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run with checkpoints of steps 18 and 19, stopped; and what it would have become."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(hooks.PLACES, "save_pictures", "tiny_runs:draw_nothing")
        run("ligands", folder / "whole")
    with pytest.raises(OutOfTime):
        sim.run(
            *KINDS["ligands"], out=folder / "out", checkpoint_every=EVERY_STEP,
            observers=[StopAt(19)],
        )  # fmt: skip
    assert list(checkpoints_in(folder / "out" / "checkpoint")) == [19, 18]
    return {"whole": folder / "whole", "out": folder / "out"}


@pytest.fixture
def damaged(stopped: dict[str, Path], tmp_path: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(stopped["out"], tmp_path / "out")
    return tmp_path / "out"


def test_the_checkpoint_before_a_damaged_one_is_used(
    stopped: dict[str, Path], damaged: Path, angiosim: Angiosim
) -> None:
    newest = damaged / "checkpoint" / "000019.ckpt"
    newest.write_bytes(newest.read_bytes()[:-1])
    done = angiosim("run", damaged / "scenario.toml", "--out", damaged, "--resume")
    assert done.exit_code == 0
    assert f"warning: {newest}: is damaged (its checksum differs); using 000018.ckpt" in done.stderr
    assert_same_run(stopped["whole"], damaged)
    assert "is damaged" in (damaged / "run.log").read_text()
    assert not newest.exists()


def test_where_all_are_damaged_nothing_is_lost(damaged: Path, angiosim: Angiosim) -> None:
    for path in checkpoints_in(damaged / "checkpoint").values():
        path.write_bytes(b"")
    before = {path: path.read_bytes() for path in damaged.rglob("*.*") if path.name != "run.log"}
    done = angiosim("run", damaged / "scenario.toml", "--out", damaged, "--resume")
    assert done.exit_code == 4
    assert "000019.ckpt: is damaged" in done.stderr and "000018.ckpt: is damaged" in done.stderr
    assert "none of its checkpoints can be used" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_another_format_is_named(damaged: Path) -> None:
    path = damaged / "checkpoint" / "000019.ckpt"
    path.write_bytes(path.read_bytes().replace(b"checkpoint 1 ", b"checkpoint 2 ", 1))
    with pytest.raises(CheckpointError, match=r"checkpoint of format 2; this version .* format 1"):
        read_checkpoint(path)


def test_anothers_checkpoint_is_refused_with_the_keys(damaged: Path, tmp_path: Path) -> None:
    name, settings = KINDS["ligands"]
    with pytest.raises(OutOfTime):
        sim.run(
            name, settings | {"engine.temperature": 61}, seed=4, out=tmp_path / "other",
            observers=[StopAt(19)],
        )  # fmt: skip
    shutil.copy(tmp_path / "other" / "checkpoint" / "000019.ckpt", damaged / "checkpoint")
    with pytest.warns(CheckpointWarning, match=r"belongs to another run: engine\.temp.*seed is 4"):
        run("ligands", damaged)


def test_a_checkpoint_without_its_frames_is_not_used(
    stopped: dict[str, Path], damaged: Path
) -> None:
    frame = damaged / "frames" / "000016.npz"
    content = frame.read_bytes()
    frame.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"000016\.npz was changed or removed since"):
        run("ligands", damaged)


def test_no_damage_goes_unnoticed(damaged: Path) -> None:
    """Flipped bits, truncations, what was added, swapped files: never read, never a traceback."""
    chance = random.Random(1)
    newest, before = (damaged / "checkpoint" / f"0000{mcs}.ckpt" for mcs in (19, 18))
    sound, other = newest.read_bytes(), before.read_bytes()
    head = len(sound.split(b"\n", 2)[0]) + 1

    def flipped() -> bytes:
        place = chance.randrange(head if chance.random() < 0.3 else len(sound))
        return sound[:place] + bytes([sound[place] ^ 1 << chance.randrange(8)]) + sound[place + 1 :]

    def swapped() -> bytes:
        a, b = sorted(chance.sample(range(len(sound)), 2))
        return sound[:a] + other[a:b] + sound[b:]

    ways: list[Callable[[], bytes]] = [
        flipped,
        lambda: sound[: chance.randrange(len(sound))],
        lambda: sound + chance.randbytes(chance.randrange(1, 100)),
        lambda: chance.randbytes(chance.randrange(1000)),
        swapped,
        lambda: other,
        lambda: sound.replace(b"checkpoint 1", f"checkpoint {chance.randrange(2, 99)}".encode(), 1),
    ]
    for k in range(300):
        content = ways[k % len(ways)]()
        if content == sound:
            continue
        newest.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"000019\.ckpt: "):
            read_checkpoint(newest)
    newest.write_bytes(sound)
    assert read_checkpoint(newest).mcs == 19


def test_contents_that_are_no_checkpoint_are_named(damaged: Path) -> None:
    """Whatever a sound checksum stands over."""
    path = damaged / "checkpoint" / "000019.ckpt"
    line, arrays = path.read_bytes().split(b"\n", 1)[1].split(b"\n", 1)
    about = json.loads(line)
    for body in (
        b"",
        b"{}\n" + arrays,
        line + b"\n",
        line + b"\nno arrays",
        b"[1]\n" + arrays,
        json.dumps(about | {"scenario": "= 1"}).encode() + b"\n" + arrays,
        json.dumps(about | {"frames": []}).encode() + b"\n" + arrays,
    ):
        path.write_bytes(f"angiosim checkpoint 1 {sha256(body)}\n".encode() + body)
        with pytest.raises(CheckpointError, match=r"000019\.ckpt: is not a checkpoint of angiosim"):
            read_checkpoint(path)


@pytest.mark.slow
def test_a_write_that_fails_keeps_the_checkpoint_before(
    stopped: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at any of the writes: no litter, and the run is resumed exactly."""
    replace = os.replace
    for fail_at in range(1, 40, 3):
        calls = 0

        def failing(source: Any, target: Any, at: int = fail_at) -> None:
            nonlocal calls
            calls += 1
            if calls >= at:
                raise OSError(28, "No space left on device")
            replace(source, target)

        out = tmp_path / f"out{fail_at}"
        monkeypatch.setattr(os, "replace", failing)
        with pytest.raises(OSError, match="No space"):
            sim.run(*KINDS["ligands"], out=out, checkpoint_every=EVERY_STEP)
        monkeypatch.setattr(os, "replace", replace)
        assert not list(out.rglob(".*"))
        assert not (out / "manifest.json").exists() or not manifest_of(out)["completed"]
        run("ligands", out)
        assert_same_run(stopped["whole"], out)


# --- signals ---------------------------------------------------------------------------------

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(sim.__file__).parents[1])}
TINY = {"domain.size_um": [60, 60], "cells.count": 3}
LONG = TINY | {"time.duration_h": 100, "time.record_every_h": 50}
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def heed() -> None:
    """Let a process take SIGHUP, even if these tests are run with nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Started:
    """The command in a copy of this process, which has all imported, when it has written a line."""

    def __init__(
        self, settings: dict[str, Any], *words: str, until: str, before: Callable[[], None] = heed
    ) -> None:
        sets = [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]
        said, writes = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            try:
                before()
                os.dup2(writes, 2)
                sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1)
                sys.argv = ["angiosim", "run", "tube_formation", *sets, "--no-pictures", *words]
                main()
            except SystemExit as end:
                sys.stderr.flush()
                os._exit(end.code if isinstance(end.code, int) else 0)
            finally:
                os._exit(99)
        os.close(writes)
        self.lines = os.fdopen(said)
        self.until(until)

    def until(self, start: str) -> None:
        while not (line := self.lines.readline()).startswith(start):
            assert line, "it has ended"

    def send(self, signum: signal.Signals) -> None:
        os.kill(self.pid, signum)

    def end(self) -> tuple[int, str]:
        """Its exit code, and what else it said."""
        with self.lines:
            said = self.lines.read()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1]), said


@pytest.mark.parametrize("signum", CODES)
def test_a_signal_saves_and_leaves(signum: signal.Signals, workplace: Path) -> None:
    process = Started(LONG, "--out", "out", until="1200/")
    process.send(signum)
    code, said = process.end()
    assert code == CODES[signum], said
    assert "resume with --resume" in said
    manifest = manifest_of("out")
    assert manifest["completed"] is False
    (newest, *_) = checkpoints_in(Path("out/checkpoint"))
    assert newest == manifest["mcs"] >= 1200
    assert not Path("out/.lock").exists()


def test_nohup_is_respected(workplace: Path) -> None:
    process = Started(
        LONG, "--out", "out", until="1200/",
        before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN) and None,
    )  # fmt: skip
    process.send(signal.SIGHUP)
    process.until("2400/")
    process.send(signal.SIGKILL)
    assert process.end()[0] == -signal.SIGKILL


def test_a_killed_run_is_resumed_from_its_last_checkpoint(workplace: Path) -> None:
    settings = TINY | {"time.duration_h": 15, "time.record_every_h": 5}
    process = Started(settings, "--out", "out", "--checkpoint-every", "0.001", until="180/")
    while not checkpoints_in(Path("out/checkpoint")):  # written by the wall clock, not by the step
        time.sleep(0.001)
    process.send(signal.SIGKILL)
    assert process.end()[0] == -signal.SIGKILL
    assert manifest_of("out")["completed"] is False
    with pytest.raises(InputError, match="was killed; resume it with --resume"):
        sim.Result.open("out")
    newest = max(checkpoints_in(Path("out/checkpoint")))
    sim.run("tube_formation", settings, out="out", resume=True)
    assert manifest_of("out")["sessions"][1]["from_mcs"] in (newest, newest - 1)
    sim.run("tube_formation", settings, out="whole")
    assert_same_run("whole", "out")


def test_a_second_signal_leaves_at_once_without_damage(workplace: Path) -> None:
    process = Started(LONG, "--out", "out", "--checkpoint-every", "0.001", until="1200/")
    process.send(signal.SIGINT)
    time.sleep(random.Random(3).uniform(0, 0.02))
    process.send(signal.SIGTERM)
    code, said = process.end()
    assert code in (130, 143), said
    assert "Traceback" not in said
    for path in checkpoints_in(Path("out/checkpoint")).values():
        assert read_checkpoint(path).mcs
    assert not list(Path("out").rglob("*.tmp")) and not Path("out/.lock").exists()
    assert manifest_of("out")["completed"] is False
    with pytest.raises(OutOfTime, match="enough"):
        sim.run("tube_formation", LONG, out="out", resume=True, observers=[StopAt(2000)])
    assert not list(Path("out").rglob("*.tmp")) and not Path("out/.lock").exists()


@pytest.mark.parametrize("signum", [signal.SIGINT, *map(slow, (signal.SIGTERM, signal.SIGHUP))])
def test_a_signal_during_imports_leaves_without_a_traceback(
    signum: signal.Signals, workplace: Path
) -> None:
    """From the first line of the package on; before it, Python itself is starting."""
    slow_import = (
        "import os, runpy, signal, sys\n"
        "at = int(sys.argv[1])\n"
        "class Send:\n"
        "    seen = 0\n"
        "    def find_spec(self, name, *_):\n"
        "        Send.seen += name.startswith('sim.')\n"
        "        if Send.seen == at: os.kill(os.getpid(), int(sys.argv[2]))\n"
        "sys.meta_path.insert(0, Send())\n"
        "sys.argv = ['angiosim', 'run', 'tube_formation']\n"
        "import sim.cli.main; sim.cli.main.main()\n"
    )
    slow_import = slow_import.replace("sys.argv[2]", str(int(signum)))
    for at in (2, 3, 6, 20, 40, 60):
        code = slow_import.replace("int(sys.argv[1])", str(at))
        done = subprocess.run(
            [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True,
            check=False, preexec_fn=heed,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (CODES[signum], ""), at
        assert list(workplace.iterdir()) == []


def test_arrays_of_a_stopped_run_are_whole(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime):
        sim.run(*KINDS["ligands"], out=tmp_path, observers=[StopAt(17)])
    final = arrays_of(tmp_path / "final.npz")
    counts = np.bincount(final["cell_id"].ravel())
    np.testing.assert_array_equal(counts[1:], final["cell_area"][1 : counts.size])
