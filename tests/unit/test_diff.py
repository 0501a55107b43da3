"""Where two runs part."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import forget_checksums

import sim
from sim.tools.diff import compare

Angiosim = Callable[..., Any]
SMALL = {
    "domain.size_um": [160, 160],
    "cells.count": 8,
    "time.duration_h": 48 / 120,
    "time.record_every_h": 8 / 120,
    "record.checkpoint": [0.2],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, the same again, a branch of it at step 24, and one with another seed."""
    folder = tmp_path_factory.mktemp("runs")
    for name in "ab":
        sim.run("tube_formation", SMALL, out=folder / name)
    sim.run(from_=f"{folder}/a@0.2", overrides={"drug.free_nM": 50}, out=folder / "branch")
    sim.run("tube_formation", SMALL, seed=2, out=folder / "seed")
    return folder


def test_equal_runs_are_equal(runs: Path, angiosim: Angiosim) -> None:
    done = angiosim("diff", runs / "a", runs / "b")
    assert (done.exit_code, done.stdout) == (0, "equal\n")
    found = json.loads(angiosim("diff", runs / "a", runs / "b", "--json").stdout)
    assert found["equal"] is True
    assert (found["step"], found["equal_until"], found["settings"]) == (None, 48, {})


def test_the_first_step_and_array_then_settings(runs: Path, angiosim: Angiosim) -> None:
    done = angiosim("diff", runs / "a", runs / "branch")
    assert done.exit_code == 1
    first, second, *rest = done.stdout.splitlines()
    assert (first, second) == ("equal up to step 16", "differ at step 24 (0.2 h):")
    assert rest[0].strip() == "timeseries: total_nM: 0.0 and 50.0"
    assert not any("frames" in line for line in rest)  # cells part later
    assert rest[-1].startswith(f"settings: drug.exposure is 'constant' in {runs / 'a'} and 'sche")
    assert "drug.media is not given in" in rest[-1]
    other = compare(runs / "a", runs / "seed")
    assert (other.step, other.equal_until) == (0, None)
    assert "frames: cell_id" in other.arrays
    assert other.settings == {"seed": (1, 2)}


def test_one_value_is_found(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "b", tmp_path / "b")
    path = tmp_path / "b" / "frames" / "000032.npz"
    with np.load(path) as frame:
        arrays = dict(frame)
    arrays["cell_id"][3, 7] = 5
    np.savez_compressed(path, **arrays)
    with pytest.warns(sim.CheckpointWarning, match=r"000032\.npz: is not as the run wrote it"):
        assert compare(runs / "a", tmp_path / "b").equal
    forget_checksums(tmp_path / "b")
    found = compare(runs / "a", tmp_path / "b")
    assert (found.step, found.equal_until) == (32, 24)
    assert found.arrays == {"frames: cell_id": "1 of 6400 values, first at [3, 7]: 0 and 5"}


def test_runs_of_other_length_or_shape(runs: Path, tmp_path: Path) -> None:
    sim.run("tube_formation", SMALL | {"time.duration_h": 32 / 120}, out=tmp_path / "short")
    found = compare(runs / "a", tmp_path / "short")
    assert (found.step, found.equal_until) == (32, 32)
    assert found.arrays == {"steps": "48 and 32 in all"}
    wide = SMALL | {"domain.size_um": [180, 160], "record.checkpoint": []}
    sim.run("tube_formation", wide, out=tmp_path / "wide")
    found = compare(runs / "a", tmp_path / "wide")
    assert found.arrays["frames: cell_id"] == "has shape (80, 80) and (80, 90)"
    assert "domain.size_um" in found.settings


def test_a_killed_run_and_damaged_checkpoints_are_compared(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "b", tmp_path / "b")
    (tmp_path / "b" / "checkpoint" / "000024.ckpt").write_bytes(b"damaged")
    for name in ("final.npz", "summary.json", "timeseries.csv"):
        (tmp_path / "b" / name).unlink()
    with pytest.warns(sim.CheckpointWarning, match=r"000024\.ckpt: is damaged.*it is left out"):
        assert compare(runs / "a", tmp_path / "b").equal


def test_another_processor_is_named(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "a", tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    del manifest["checksum"]
    manifest["platform"]["processor"] = "abacus (features 0)"
    (tmp_path / "a" / "manifest.json").write_text(json.dumps(manifest))
    found = compare(runs / "a", tmp_path / "a")
    assert found.equal
    assert found.versions["processor"][1] == "abacus (features 0)"


def test_other_folders_are_refused(runs: Path, tmp_path: Path, angiosim: Angiosim) -> None:
    for folders in ((tmp_path, runs / "a"), (runs / "a", tmp_path / "none")):
        done = angiosim("diff", *folders)
        assert done.exit_code == 2
        assert "is not the folder of a run" in done.stderr
