"""What ends a run or a study from outside: signals, kills, limits of time."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import fake_runs
import pytest
import tomli_w
from fake_runs import Here
from marks import slow
from processes import children_of, is_alive
from tiny_runs import COMMAND, ENVIRONMENT, FIT, ROOT, STUDY, TINY, litter_in, results_of

from sim.calibration.calibrate import calibrate
from sim.calibration.file import plan_calibration
from sim.errors import InputError, OutOfTime
from sim.kernels.beside import beside
from sim.runs.checkpoint import checkpoints_in
from sim.runs.into import run_into
from sim.scenario.resolve import load
from sim.studies.executors import Pool, start_executor
from sim.studies.file import plan_study
from sim.studies.sweep import Counts, SweepOptions, sweep

Angiosim = Callable[..., Any]

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


# --- signals ---------------------------------------------------------------------------------


def heed() -> None:
    """Be a group of processes of its own that takes SIGHUP, as below a terminal."""
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


SLOW_START = """
import pathlib, sys, time
class Slow:
    def find_spec(name, *_):
        if name == "sim":
            sys.meta_path.remove(Slow)
            pathlib.Path("starting").touch()
            time.sleep(1)
if any("spawn_main" in word for word in sys.orig_argv):
    sys.meta_path.insert(0, Slow)
"""


def started(*words: str) -> subprocess.Popen[str]:
    """The command, whose workers take a second as they begin to import the package."""
    Path("site").mkdir()
    Path("site", "sitecustomize.py").write_text(SLOW_START)
    paths = os.pathsep.join([str(Path("site").resolve()), str(ROOT)])
    return subprocess.Popen(
        [*COMMAND, *words], env=ENVIRONMENT | {"PYTHONPATH": paths}, preexec_fn=heed, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for_workers(process: subprocess.Popen[str]) -> list[int]:
    end = time.monotonic() + 120
    while not Path("starting").exists():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.002)
    return children_of(process.pid)


@needs_proc
@pytest.mark.parametrize(
    ("command", "signum", "again"),
    [
        ("sweep", signal.SIGINT, False),
        slow("sweep", signal.SIGTERM, False),
        slow("sweep", signal.SIGHUP, True),
        slow("calibrate", signal.SIGINT, False),
    ],
)
def test_a_signal_to_all_processes_leaves_without_a_traceback(
    command: str, signum: signal.Signals, again: bool, workplace: Path
) -> None:
    """As a terminal sends it, while the first worker is starting; a second one leaves at once."""
    tree = STUDY if command == "sweep" else FIT
    Path("file.toml").write_text(tomli_w.dumps(tree))
    process = started(command, "file.toml", "--out", "out", "--workers", "2", "--quiet")
    workers = wait_for_workers(process)
    for _ in range(1 + again):
        os.killpg(process.pid, signum)
    _, said = process.communicate(timeout=60)
    assert process.returncode == CODES[signum], said
    assert "Traceback" not in said and "Error" not in said, said
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < end
        time.sleep(0.02)
    if not again:
        assert "finished runs are in out; the same command resumes" in said
    assert [name for name in litter_in(Path("out")) if not name.endswith("-journal")] == []
    if command == "sweep":
        plan = plan_study("file.toml")
        assert sweep(plan, Here(plan, fake_runs.instant), Path("out")).is_complete
        assert litter_in(Path("out")) == []


@needs_proc
def test_a_copy_that_draws_leaves_when_its_parent_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would keep the folder of the run locked."""
    monkeypatch.setattr("sim.kernels.beside.processors", lambda: 2)
    note = tmp_path / "copy"

    def draw() -> None:
        (tmp_path / "part").write_text(str(os.getpid()))
        (tmp_path / "part").rename(note)
        time.sleep(600)

    if not (parent := os.fork()):
        with beside(draw):
            time.sleep(600)
        os._exit(0)
    end = time.monotonic() + 30
    while not note.exists():
        assert time.monotonic() < end
        time.sleep(0.002)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    while is_alive(int(note.read_text())):
        assert time.monotonic() < end
        time.sleep(0.002)


# --- time --------------------------------------------------------------------------------------


def test_a_run_that_hangs_is_stopped_and_recorded(tmp_path: Path) -> None:
    plan, limit = plan_study(STUDY), 0.02
    with closing(Pool(plan.base, 2, fake_runs.hanging, limit)) as pool:
        study = sweep(plan, pool, tmp_path, SweepOptions(max_minutes_per_run=limit))
    assert [(one.stage, one.error) for one in study.failures] == 2 * [
        ("time limit", "took longer than the 0.02 min that a run may take")
    ]
    assert study.count("done") == 4
    for most, made in ((limit, 0), (limit / 2, 0), (2 * limit, 2)):
        here = Here(plan, fake_runs.hanging, 0 if made else 1)
        with suppress(KeyboardInterrupt):  # not made, but it would be
            sweep(plan, here, tmp_path, SweepOptions(max_minutes_per_run=most))
        assert len(here.tasks) == made
    whole = sweep(plan, Here(plan, fake_runs.instant), tmp_path)  # without a limit
    assert whole.is_complete and not whole.failures


def test_a_trial_that_hangs_has_failed(tmp_path: Path) -> None:
    plan, limit = plan_calibration({**FIT, "trials": 6, "replicates": 2}), 0.02
    with closing(Pool(plan.base, 2, fake_runs.hanging_tubes, limit)) as pool:
        found = calibrate(plan, pool, tmp_path, max_minutes_per_run=limit)
    hung = [one for one in found.trials if one.values["engine.contact_energy.cell_cell"] > 5]
    assert 0 < len(hung) < 6
    assert [one.reason.partition(":")[0] for one in hung] == len(hung) * ["time limit"]
    assert found.failures == hung
    assert found.best not in hung


def test_limits_of_time_are_checked(angiosim: Angiosim, workplace: Path) -> None:
    Path("study.toml").write_text(tomli_w.dumps(STUDY))
    Path("fit.toml").write_text(tomli_w.dumps(FIT))
    for words in (["sweep", "study.toml"], ["calibrate", "fit.toml"]):
        for wrong in ("0", "-1", "nan", "inf"):
            done = angiosim(*words, f"--max-minutes-per-run={wrong}")
            assert done.exit_code == 2
            assert "must be a number above 0" in done.stderr
    with pytest.raises(InputError, match="on a Dask cluster cannot be stopped"):
        start_executor({}, None, "tcp://127.0.0.1:1", 5)
    assert not Path("runs").exists()


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_clock_that_jumps_spoils_nothing(
    jump: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint comes at once; neither the result nor a limit of time is another."""
    scenario = load("tube_formation", TINY)
    whole = run_into(tmp_path / "whole", scenario, pictures=False)
    offset, real = [0.0], time.perf_counter
    for module in ("sim.model.pace", "sim.model.observers", "sim.runs.checkpoint"):
        monkeypatch.setattr(f"{module}.perf_counter", lambda: real() + offset[0])

    class Jump:
        def next_mcs(self, mcs: int) -> int | None:
            return 3 if mcs < 3 else None

        def look(self, _: Any) -> None:
            offset[0] += jump

        def close(self) -> None:
            pass

    steps: list[tuple[int, int]] = []
    try:
        run_into(
            tmp_path / "out", scenario, pictures=False, observers=[Jump()], max_hours=100,
            progress=lambda *at: steps.append(at),
        )  # fmt: skip
        assert jump < 0
    except OutOfTime:
        assert jump > 0  # as by its clock; saved
    assert 3 in [at for at, _ in steps] or jump < 0
    found = checkpoints_in(tmp_path / "out" / "checkpoint")
    assert set(found) & {3, 4, 5}
    result = run_into(tmp_path / "out", scenario, pictures=False, resume=True)
    assert result.summary == whole.summary
    assert results_of(tmp_path / "out") == results_of(tmp_path / "whole")


def test_a_rate_is_shown_only_where_time_has_passed() -> None:
    for seconds in (-5.0, 0.0):
        counts = Counts(total=10, done=2, failed=0, running=1, before=0, seconds=seconds)
        assert counts.per_hour is counts.seconds_left is None


def test_nothing_waits_by_the_clock_of_the_day() -> None:
    """That one is put forward and back; what measures time asks a clock that only runs."""
    for path in (ROOT / "sim").rglob("*.py"):
        found = re.findall(r"\btime\.time\(|datetime\.now\(", path.read_text(encoding="utf-8"))
        assert not found or path.name == "manifest.py", path
