"""Runs of all shipped scenarios, interrupted at random in every way, are the undisturbed runs."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sim
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped
from tests.unit.test_resume import assert_same_run, heed, manifest_of

STEPS = 200
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -9}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(sim.__file__).parents[1])}


def doses() -> list[tuple[str, str]]:
    """Every shipped scenario, with and without drug if its cells have receptors."""
    found = []
    for name in shipped():
        drug = load(name).drug
        if drug is None:
            found.append((name, ""))
        elif drug.exposure == "constant":
            found += [(name, f"drug.free_nM={dose}") for dose in (0, 10)]
        else:
            dose = "dose_mg" if drug.regimen.dose_mg else "dose_mg_per_kg"
            found += [(name, ""), (name, f"drug.regimen.{dose}=0")]
    return found


RUNS = doses()
INTERRUPTIONS = max(3, -(-100 // len(RUNS)))
"""Of each run, which makes at least a hundred together."""


def words_of(name: str, dose: str, out: Path) -> list[str]:
    """The command that runs 200 steps of a scenario."""
    clock = load(name).time
    unit, step = ("h", clock.mcs_s / 3600) if clock.duration_mcs is None else ("mcs", 1)
    settings = [f"time.duration_{unit}={STEPS * step}", f"time.record_every_{unit}={30 * step}"]
    return [
        sys.executable, "-m", "sim", "run", name, "--out", str(out), "--no-pictures", "--quiet",
        *(word for setting in filter(None, [*settings, dose]) for word in ("--set", setting)),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(("name", "dose"), RUNS, ids=lambda text: text or "as shipped")
def test_random_interruptions_change_nothing(name: str, dose: str, tmp_path: Path) -> None:
    """All runs together are interrupted a hundred times."""
    chance = random.Random(f"{name} {dose}")
    began = time.monotonic()
    subprocess.run(words_of(name, dose, tmp_path / "whole"), env=ENVIRONMENT, check=True)
    lasts = time.monotonic() - began
    words = [*words_of(name, dose, tmp_path / "cut"), "--resume", "--checkpoint-every", "0.001"]
    for _ in range(INTERRUPTIONS):
        if chance.random() < 0.25:
            limited = [*words, "--max-hours", repr(chance.uniform(0, lasts) / 3600)]
            assert subprocess.run(limited, env=ENVIRONMENT, check=False).returncode in (0, 5)
            continue
        signum = chance.choice(list(CODES))
        process = subprocess.Popen(words, env=ENVIRONMENT, preexec_fn=heed, stderr=subprocess.PIPE)
        time.sleep(chance.uniform(0.2, lasts))  # before that, Python itself is starting
        process.send_signal(signum)
        _, said = process.communicate()
        assert process.returncode in (0, CODES[signum]), said
        assert b"Traceback" not in said
    subprocess.run(words, env=ENVIRONMENT, check=True)
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    assert manifest_of(tmp_path / "cut")["completed"] is True
