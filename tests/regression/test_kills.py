"""Runs and studies that are killed at random moments end as if nothing had happened."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import fake_runs
import pytest
from marks import slow
from processes import children_of, is_alive
from tiny_runs import TINY, litter_in, results_of

from sim import errors
from sim.runs.into import run_into
from sim.scenario.resolve import load
from sim.studies import executors
from sim.studies.file import plan_study
from sim.studies.ledger import Ledger
from sim.studies.sweep import SweepOptions, sweep

SETTINGS = TINY | {"time.duration_h": 60 / 120, "time.record_every_h": 10 / 120}
STUDY: dict[str, Any] = {
    "name": "doses",
    "base": "tube_formation",
    "replicates": 12,
    "set": SETTINGS,
    "grid": {"drug.free_nM": [0, 20]},
}
RUNS, WORKERS = 24, 2
often = pytest.mark.parametrize("kills", [4, slow(60)])
pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")


def forked(work: Callable[[], object]) -> int:
    """Work in a copy of this process, which has all imported, so that kills meet runs and writes.

    Its workers are copies, too.
    """
    if pid := os.fork():
        return pid
    try:
        executors.get_context = lambda _: multiprocessing.get_context("fork")  # type: ignore
        work()
        os._exit(0)
    except BaseException as error:
        os.write(2, f"{error!r}\n".encode())
    finally:
        os._exit(1)


def ends(pid: int, seconds: float) -> bool:
    """Whether a process ends in this time, with success."""
    end = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            assert os.waitstatus_to_exitcode(status) in (0, -signal.SIGKILL)
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.001)


def kill(victims: list[int]) -> None:
    for victim in victims:
        if is_alive(victim):
            os.kill(victim, signal.SIGKILL)


@often
def test_a_run_that_is_killed_at_random_is_the_undisturbed_one(kills: int, tmp_path: Path) -> None:
    """Also in the middle of a checkpoint, a frame, or as it begins or ends."""
    scenario, chance, made = load("tube_formation", SETTINGS), random.Random(kills), 0
    options: dict[str, Any] = {"pictures": False, "resume": True, "checkpoint_every_min": 1e-4}
    run_into(tmp_path / "whole", scenario, **options)
    for number in range(1000):
        out = tmp_path / f"run{number}"
        while made < kills:
            pid = forked(lambda: run_into(out, scenario, **options))  # noqa: B023
            if ends(pid, chance.uniform(0, 0.25)):
                break
            kill([pid])
            ends(pid, 60)
            made += 1
            manifest = out / "manifest.json"
            if manifest.exists() and not (found := json.loads(manifest.read_text()))["completed"]:
                assert found["ended"] is None
        assert run_into(out, scenario, **options).manifest["completed"]
        assert results_of(out) == results_of(tmp_path / "whole")
        assert litter_in(out) == []
        if made >= kills:
            return


@often
@pytest.mark.parametrize(
    ("keep", "more"),
    [(False, {}), slow(True, {}), slow(False, {"from": {"at_h": 30 / 120}})],
    ids=["plain", "keep-runs", "branches"],
)
def test_a_study_that_is_killed_at_random_loses_and_doubles_nothing(
    keep: bool, more: dict[str, Any], kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner, a worker, or all of them."""
    plan, chance = plan_study(STUDY | more), random.Random(kills)
    options = SweepOptions(keep_runs=keep)
    monkeypatch.setenv("EXECUTIONS", str(tmp_path / "undisturbed"))
    sweep(plan, fake_runs.Here(plan, fake_runs.counted_model), tmp_path / "whole", options)
    whole, made = results_of(tmp_path / "whole"), 0

    def make(out: Path) -> None:
        with closing(executors.Pool(plan.base, WORKERS, fake_runs.counted_model)) as pool:
            while True:
                with suppress(errors.BusyError):  # copies have its lock until they leave, too
                    sweep(plan, pool, out, options)
                    return

    for number in range(1000):
        out, executions = tmp_path / f"study{number}", tmp_path / f"executions{number}"
        monkeypatch.setenv("EXECUTIONS", str(executions))
        executions.touch()
        before, done = made, False
        while not done:
            begun, finished = executions.read_text().split(), keys_done(out)
            workers: list[int] = []
            pid = forked(lambda: make(out))  # noqa: B023
            while made < kills:
                if done := ends(pid, chance.uniform(0, 0.6)):
                    break
                workers = children_of(pid, spawned=False)
                victims = chance.choice([[pid], [chance.choice([pid, *workers])], [pid, *workers]])
                kill(victims)
                made += 1
                if pid in victims:
                    ends(pid, 60)
                    break
            else:
                done = ends(pid, 300)
            while any(map(is_alive, workers)):
                time.sleep(0.002)
            assert finished.isdisjoint(executions.read_text().split()[len(begun) :])
            done = done and len(keys_done(out)) == RUNS
        assert results_of(out) == whole
        assert litter_in(out) == []
        assert len(executions.read_text().split()) <= RUNS + WORKERS * (made - before)
        if made >= kills:
            return


def keys_done(out: Path) -> set[str]:
    try:
        with Ledger(out / "ledger.sqlite", read_only=True) as ledger:
            return {key for key, entry in ledger.entries().items() if entry.status == "done"}
    except errors.AngiosimError:  # none yet
        return set()
