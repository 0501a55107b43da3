"""Faults of the machine: one message, the right exit code, and nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import fake_runs
import pytest
from fake_runs import Here
from marks import slow
from tiny_runs import COMMAND, ENVIRONMENT, FIT, STUDY, TINY, litter_in, results_of

import sim
from sim.calibration.calibrate import calibrate
from sim.calibration.file import plan_calibration
from sim.errors import AngiosimError, InputError
from sim.runs.folder import LOCK, RunFolder
from sim.runs.into import run_into
from sim.scenario.resolve import load
from sim.studies.file import plan_study
from sim.studies.sweep import sweep

Angiosim = Callable[..., Any]

FULL = OSError(28, "No space left on device")

# --- a run that was killed as it began -------------------------------------------------------


@pytest.mark.parametrize("left", [(LOCK,), ("run.log",), (LOCK, "run.log"), ()])
def test_a_folder_killed_as_it_was_made_is_used(left: tuple[str, ...], tmp_path: Path) -> None:
    """By --resume, and by the next worker of a study that keeps its runs."""
    scenario = load("tube_formation", TINY)
    for use in ("resume", "clear"):
        out = tmp_path / use
        out.mkdir()
        for name in left:
            (out / name).touch()
        if LOCK in left:
            (out / LOCK).write_text("angiosim: process 1 on x, writing 01234567\n")
        if use == "clear":
            RunFolder.clear(out)
            assert not out.exists()
        else:
            assert run_into(out, scenario, pictures=False, resume=True).manifest["completed"]
            assert (out / "run.log").read_text().startswith("angiosim ")
            RunFolder.clear(out)


def test_a_run_killed_as_it_drew_its_pictures_gets_them(tmp_path: Path) -> None:
    """All else is complete; the lock that it left says so."""
    scenario, out = load("tube_formation", TINY), tmp_path / "out"
    run_into(out, scenario, pictures=False)
    litter = out / ".network.png.0123456789abcdef.tmp"
    litter.write_bytes(b"half")
    (out / LOCK).write_text("angiosim: process 1 on x, writing 01234567\n")
    run_into(out, scenario, resume=True)
    assert {path.name for path in out.glob("*.png")} == {
        "network.png", "fields.png", "timeseries.png",
    }  # fmt: skip
    assert litter_in(out) == []


@pytest.mark.parametrize("name", ["notes.txt", "manifest.json", "run.log"])
def test_a_folder_of_others_is_not(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("mine")
    (tmp_path / LOCK).touch()
    for use in (
        RunFolder.clear,
        lambda out: run_into(out, load("tube_formation", TINY), pictures=False, resume=True),
    ):
        with pytest.raises(InputError, match=r"move it away|not a run folder"):
            use(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_clearing_a_run_folder_can_be_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any of its removals, it is still known as a run folder, and cleared by the next."""
    scenario, unlink = load("tube_formation", TINY), Path.unlink
    run_into(tmp_path / "run", scenario, pictures=False)
    left = 10**9

    def killed(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        if (left := left - 1) < 0:
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    for _ in range(30):
        left = 1
        try:
            RunFolder.clear(tmp_path / "run")
        except KeyboardInterrupt:
            continue
        break
    assert not (tmp_path / "run").exists()


# --- writes that fail ------------------------------------------------------------------------


@contextmanager
def failing_write(at: int, lasting: bool) -> Iterator[list[int]]:
    """Let the n-th call that brings a file to the disk fail, or all from it on; yield the count."""
    count = [0]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "replace"):

            def call(*args: Any, real: Any) -> Any:
                count[0] += 1
                if count[0] == at or (lasting and count[0] > at):
                    raise OSError(*FULL.args)
                return real(*args)

            patch.setattr(os, name, partial(call, real=getattr(os, name)))
        yield count


def every(count: int, few: int) -> list[int]:
    """Which calls fail: all, if few are asked for evenly spread ones and the first and last."""
    return sorted({1 + k * (count - 1) // max(1, few - 1) for k in range(min(few, count))})


@pytest.mark.parametrize("few", [7, slow(10**6)])
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "lasting"])
def test_a_run_survives_any_write_that_fails(few: int, lasting: bool, tmp_path: Path) -> None:
    """Checkpoint, record, frame, summary, manifest: no litter, not completed, resumed exactly."""
    scenario = load("tube_formation", TINY)
    options: dict[str, Any] = {"pictures": False, "checkpoint_every_min": 1e-9}
    with failing_write(0, False) as count:
        run_into(tmp_path / "whole", scenario, **options)
    whole = results_of(tmp_path / "whole")
    for at in every(count[0], few):
        out = tmp_path / f"out{at}"
        with failing_write(at, lasting), pytest.raises(OSError, match="No space left") as caught:
            run_into(out, scenario, **options)
        assert caught.value.__notes__ == [f"see {out / 'run.log'}"]
        assert litter_in(out) == []
        if (out / "manifest.json").exists():
            assert json.loads((out / "manifest.json").read_text())["completed"] is False or (
                at == count[0]  # the folder's own fsync, after the last rename
            )
        run_into(out, scenario, resume=True, **options)
        assert results_of(out) == whole


def test_pictures_that_cannot_be_written_are_left_out(
    angiosim: Angiosim, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each; the run is complete, and its exit code 0."""
    monkeypatch.setattr("sim.kernels.beside.processors", lambda: 1)

    def full(*_: Any) -> None:
        raise OSError(*FULL.args)

    monkeypatch.setattr("sim.view.canvas.write_bytes_atomic", full)
    done = angiosim("run", "tube_formation", "--out", "out", *sets(TINY))
    assert done.exit_code == 0
    assert done.stderr.count("could not be drawn: no space left on device\n") == 3
    assert "Traceback" not in done.stderr
    assert sim.Result.open("out").manifest["completed"]
    assert litter_in(Path("out")) == [] and not list(Path("out").glob("*.png"))


def sets(settings: dict[str, Any]) -> list[str]:
    return [f"--set={key}={json.dumps(value)}" for key, value in settings.items()]


class Limping(sqlite3.Connection):
    """A data base whose n-th statement finds the disk full."""

    count, at = 0, 0

    def execute(self, *args: Any) -> Any:
        return self._limp(super().execute, *args)

    def executemany(self, *args: Any) -> Any:
        return self._limp(super().executemany, *args)

    def _limp(self, call: Any, *args: Any) -> Any:
        Limping.count += 1
        if Limping.count == Limping.at:
            raise sqlite3.OperationalError("database or disk is full")
        return call(*args)


@contextmanager
def failing_statement(at: int) -> Iterator[None]:
    connect = sqlite3.connect
    Limping.count, Limping.at = 0, at
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Limping, **k))
        yield


def make_study(out: Path) -> Any:
    from sim.analysis.write import write_analysis

    plan = plan_study(STUDY)
    return sweep(plan, Here(plan, fake_runs.instant), out, analyse=write_analysis)


def make_fit(out: Path) -> Any:
    plan = plan_calibration(FIT)
    return calibrate(plan, Here(plan, fake_runs.treated), out)


@pytest.mark.parametrize("make", [make_study, make_fit], ids=["study", "calibration"])
@pytest.mark.parametrize("where", ["files", "ledger"])
@pytest.mark.parametrize("few", [8, slow(10**6)])
def test_studies_survive_any_write_that_fails(
    make: Callable[[Path], Any], where: str, few: int, tmp_path: Path
) -> None:
    """Ledger, tables, analysis: one message, no litter, and the next start gives the same."""
    with failing_statement(0), failing_write(0, False) as count:
        make(tmp_path / "whole")
    whole, total = results_of(tmp_path / "whole"), count[0] if where == "files" else Limping.count
    for at in every(total, few):
        out = tmp_path / f"out{at}"
        broken = failing_write(at, False) if where == "files" else failing_statement(at)
        with broken, pytest.raises((AngiosimError, OSError), match=r"[Nn]o space|full"):
            make(out)
        assert not out.exists() or litter_in(out) == []
        make(out)
        assert results_of(out) == whole


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow above a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, slow(700), 3000, slow(6000)])
def test_a_limit_of_file_size_is_one_message(
    size: int, angiosim: Angiosim, workplace: Path
) -> None:
    words = ["run", "tube_formation", "--out", "out", "--no-pictures", "--quiet", *sets(TINY)]
    with largest_file(size):
        done = angiosim(*words)
    assert done.exit_code == (4 if size else 2), done.stderr
    assert ".tmp" not in done.stderr
    assert "file too large" in done.stderr.lower()
    assert len(done.stderr.splitlines()) == 1
    assert Path("out").exists() == bool(size) and litter_in(Path()) == []
    assert angiosim(*words, "--resume").exit_code == 0
    with largest_file(700):
        text = angiosim("pk", "case_iadsrct", "--plot", "pk.png")
        copied = angiosim("scenarios", "tube_formation", "--copy-to", "copy.toml")
        drug = angiosim("drug", "new", "Mine")
    assert (text.exit_code, copied.exit_code, drug.exit_code) == (4, 2, 2)
    assert text.stderr.endswith("pk.png: file too large\n")  # and no temporary name
    assert [path.suffix for path in Path().iterdir() if path.is_file()] == []
    assert litter_in(Path()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, which fills up."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    try:
        made = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        made = False
    if not made:
        pytest.skip("needs the right to mount a file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("free", [0, 4096, 16_384, 100_000])
def test_a_full_disk_is_one_message(
    free: int, angiosim: Angiosim, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fills after the run has begun, not one where it is refused beforehand."""
    monkeypatch.setattr("sim.runs.room.disk_free", lambda _: None)
    (small_disk / "ballast").write_bytes(bytes(4096 * 100 - 8192 - free))
    out = small_disk / "out"
    words = ["run", "tube_formation", "--no-pictures", "--quiet", *sets(TINY), "--out", out]
    done = angiosim(*words, "--checkpoint-every=1e-9")
    if done.exit_code:
        assert done.exit_code in (2, 4)
        assert "no space left on device" in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert out.exists() == (done.exit_code == 4)
    assert not out.exists() or litter_in(out) == []
    with pytest.raises(AngiosimError, match=r"no space|full|resume"):
        for k in range(1000):
            make_study(small_disk / f"study{k}")
    for folder in small_disk.glob("study*"):
        assert litter_in(folder) == []
    (small_disk / "ballast").unlink()
    for folder in small_disk.glob("study*"):
        assert make_study(folder).is_complete
    assert angiosim(*words, "--resume").exit_code == 0


# --- output and folders of the user ------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["scenarios"], ["pk", "case_iadsrct"], ["run", "--help"], ["describe", "readouts"]]
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_output_that_nobody_reads_ends_quietly(words: list[str], encoding: str) -> None:
    """As `angiosim ... | head -1`: the exit code is that of the work."""
    process = subprocess.Popen(
        [*COMMAND, *words], env={**ENVIRONMENT, "PYTHONIOENCODING": encoding},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("words", [["scenarios"], ["pk", "case_iadsrct"], ["--version"]])
def test_output_to_a_full_disk_is_an_error(words: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *words], env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (4, b"the disk: no space left on device\n")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody can write")
@pytest.mark.parametrize(
    "words",
    [
        ["pk", "case_iadsrct", "--plot", "pk.png"],
        pytest.param(
            ["run", "tube_formation", "--out", "out", "--quiet", *sets(TINY)],
            marks=pytest.mark.slow,  # its kernels are compiled in memory
        ),
    ],
)
def test_no_home_folder_is_needed(words: list[str], workplace: Path) -> None:
    """Neither for what is compiled nor for what Matplotlib keeps."""
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), "/proc/nowhere")
    done = subprocess.run(
        [*COMMAND, *words], env=ENVIRONMENT | nowhere | {"ANGIOSIM_CACHE_DIR": "/proc/nowhere"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in workplace.iterdir()] in (["pk.png"], ["out"])
