"""Damaged run folders: nothing damaged is read as good, and resuming writes it again."""

from __future__ import annotations

import random
import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_runs import forget_checksums
from marks import slow

import sim
from sim.errors import CheckpointWarning, FileError, InputError
from sim.runs import environment as environments
from sim.runs.branch import branch_of
from sim.runs.into import run_into
from sim.scenario.resolve import load
from sim.tools.diff import compare

BRIEF: dict[str, Any] = {
    "domain.size_um": [100, 100],
    "time.duration_h": "90 s",
    "time.record_every_h": "30 s",
    "record.frames": True,
}
WRITTEN_ONCE = ("scenario.toml", "timeseries.csv", "summary.json", "final.npz", "manifest.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run_into(folder, load("tube_formation", BRIEF, 3), pictures=False)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def resume(folder: Path, **more: Any) -> sim.Result:
    scenario = load("tube_formation", BRIEF | more, 3)
    return run_into(folder, scenario, pictures=False, resume=True)


def altered(data: bytes) -> bytes:
    """Another digit, as far from the end as it can be; of a compressed file another bit."""
    at = next((i for i, byte in enumerate(data) if chr(byte) in "12345678"), len(data) // 2)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


HOW: dict[str, Callable[[bytes], bytes | None]] = {
    "altered": altered,
    "cut off": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "lost": lambda data: None,
}


def damage(path: Path, how: str) -> None:
    content = HOW[how](path.read_bytes())
    path.unlink() if content is None else path.write_bytes(content)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", WRITTEN_ONCE)
def test_a_damaged_file_is_named_and_written_again(
    name: str, how: str, whole: Path, folder: Path
) -> None:
    damage(folder / name, how)
    with pytest.raises(InputError) as caught:
        sim.Result.open(folder)
    said = str(caught.value)
    assert said.startswith(f"{folder / name}: "), said
    assert "--resume` writes it again" in said
    assert "\n" not in said
    if name in ("scenario.toml", "manifest.json"):
        for look in (lambda: branch_of(folder, {}), lambda: compare(folder, whole)):
            with pytest.raises(InputError) as caught:
                look()
            assert str(caught.value) == said
    with pytest.warns(CheckpointWarning, match=rf"{name}.* written again|written again: .*{name}"):
        resume(folder)
    for file in WRITTEN_ONCE[:-1]:
        assert (folder / file).read_bytes() == (whole / file).read_bytes()
    assert compare(folder, whole).equal
    assert sim.Result.open(folder).manifest["completed"]


@pytest.mark.parametrize("name", ["final.npz", "scenario.toml"])
def test_a_run_without_checkpoint_is_repaired_from_its_start(
    name: str, whole: Path, folder: Path
) -> None:
    shutil.rmtree(folder / "checkpoint")
    damage(folder / name, "altered")
    with pytest.warns(CheckpointWarning, match=rf"written again: {name}|{name}: .*written again"):
        resume(folder)
    for file in WRITTEN_ONCE[:-1]:
        assert (folder / file).read_bytes() == (whole / file).read_bytes()


def test_other_files_beside_frames_and_checkpoints_are_left_alone(
    whole: Path, folder: Path
) -> None:
    others = [folder / "frames" / "000001 copy.npz", folder / "checkpoint" / "copy.ckpt"]
    for path in others:
        path.write_text("mine")
    assert list(sim.Result.open(folder).frames) == [0, 1, 2, 3]
    assert compare(folder, whole).equal
    longer = resume(folder, **{"time.duration_h": "120 s"})
    assert list(longer.frames) == [0, 1, 2, 3, 4]
    assert [path.read_text() for path in others] == ["mine", "mine"]


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_frame_is_named_when_it_is_read(how: str, folder: Path) -> None:
    damage(folder / "frames" / "000001.npz", how)
    result = sim.Result.open(folder)
    assert list(result.frames) == [0, 1, 2, 3]
    with pytest.raises(FileError, match=r"000001.npz: is .*; run .* again in another folder"):
        result.frames[1]
    assert result.frames[2]
    damage(folder / "summary.json", "altered")
    with pytest.warns(CheckpointWarning), pytest.raises(sim.errors.CheckpointError, match="frames"):
        resume(folder)


@pytest.mark.parametrize("lost", [("scenario.toml",), ("scenario.toml", "manifest.json")])
def test_without_its_scenario_no_other_one_takes_the_folder(
    lost: tuple[str, ...], folder: Path
) -> None:
    for name in lost:
        (folder / name).unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    words = "not known to be|belongs to another run"
    with pytest.raises(sim.errors.AngiosimError, match=words):
        resume(folder, **{"drug.free_nM": 1})
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_a_parent_that_is_damaged_is_not_branched(folder: Path) -> None:
    damage(folder / "scenario.toml", "altered")
    for look in (lambda: branch_of(folder, {"drug.free_nM": 1}), lambda: compare(folder, folder)):
        with pytest.raises(FileError, match=r"scenario.toml: is not as the run wrote it"):
            look()


@pytest.mark.parametrize("count", [12, slow(200)])
def test_no_damage_of_a_run_is_read_as_good(count: int, whole: Path, folder: Path) -> None:
    known, outcomes = sim.Result.open(whole), Counter[str]()
    names = [*WRITTEN_ONCE, "frames/000001.npz"]
    for number in range(count):
        dice, name = random.Random(number), names[number % len(names)]
        data = bytearray((whole / name).read_bytes())
        kind = dice.choice(("flipped", "cut", "swapped"))
        if kind == "flipped":
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        elif kind == "cut":
            del data[dice.randrange(len(data)) :]
        else:
            data = bytearray((whole / dice.choice([n for n in names if n != name])).read_bytes())
        (folder / name).write_bytes(data)
        try:
            found = sim.Result.open(folder)
            frames = dict(found.frames)
        except InputError as error:
            assert name in str(error)
            outcomes["refused"] += 1
        else:
            assert found.summary == known.summary
            pd.testing.assert_frame_equal(found.timeseries, known.timeseries)
            for mcs, frame in frames.items():
                np.testing.assert_array_equal(frame["cell_id"], known.frames[mcs]["cell_id"])
            outcomes["equal"] += 1
        shutil.copy(whole / name, folder / name)
    print(f"\n{count} damaged run folders: {dict(outcomes)}")
    assert outcomes["refused"] > 0.9 * count


def test_a_run_of_an_earlier_version_is_read_without_checksums(folder: Path) -> None:
    forget_checksums(folder)
    assert sim.Result.open(folder).summary
    for name in ("final.npz", "summary.json", "timeseries.csv"):
        content = (folder / name).read_bytes()
        for wrong in (content[:50], b"PK\x03\x04" + bytes(200), b"[1]", b'a,"b\n1\n'):
            (folder / name).write_bytes(wrong)
            with pytest.raises(FileError, match=name):
                sim.Result.open(folder)
        (folder / name).write_bytes(content)


def test_other_versions_can_be_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {**environments.environment(), "processor": "abacus (features 0)"}
    monkeypatch.setattr(environments, "environment", lambda: found)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    longer, strict = BRIEF | {"time.duration_h": "120 s"}, {"out": folder, "strict": True}
    words = "processor abacus .* instead of .*, which --strict refuses"
    with pytest.raises(InputError, match=words):
        sim.run("tube_formation", longer, seed=3, resume=True, **strict)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=words):
        branch_of(folder, {"time.duration_h": "120 s"}, strict=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sim.run("tube_formation", BRIEF, seed=3, resume=True, **strict)  # type: ignore[arg-type]
