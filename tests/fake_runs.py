"""Runs that take no time, for tests of the runner; found by name in worker processes."""

from __future__ import annotations

import errno
import math
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.errors import FolderError, stage
from sim.studies import worker
from sim.studies.task import Outcome, Task
from sim.studies.worker import Run, attempt, simulate


def instant(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Read-outs that are functions of settings and seed."""
    dose = float(task.settings.get("drug.free_nM", 0.0))
    length = 1 / 3 + task.seed % 1000 / 7 - dose / 11
    return {"tube_length_mm": length, "meshes": task.seed % 17, "mean_drive": float("nan")}


def slow(base: dict[str, Any], task: Task) -> dict[str, float]:
    time.sleep(0.05)
    return instant(base, task)


def counted(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Writes down that it was begun."""
    with Path(os.environ["EXECUTIONS"]).open("a") as file:
        file.write(f"{task.key}\n")
    return slow(base, task)


def counted_model(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Writes down that it was begun, and runs the model."""
    with Path(os.environ["EXECUTIONS"]).open("a") as file:
        file.write(f"{task.key}\n")
    return simulate(base, task)


def hindered(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Finds no sound place at some doses."""
    trouble = {
        1: OSError(errno.ENOSPC, "No space left on device"),
        2: MemoryError("cannot allocate"),
        4: ModuleNotFoundError("No module named 'mesa'"),
        8: FolderError("runs/x: cannot write there"),
    }
    dose = task.settings["drug.free_nM"]
    if dose in trouble:
        with stage("run"):
            raise trouble[dose]
    return instant(base, task)


def no_text(base: dict[str, Any], task: Task) -> dict[str, float]:
    raise ValueError("a\udcffb\0c")


def endless(base: dict[str, Any], task: Task) -> dict[str, float]:
    time.sleep(600)
    return {}


def hanging(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Never ends at dose 1."""
    if task.settings["drug.free_nM"] == 1:
        time.sleep(600)
    return instant(base, task)


def hanging_tubes(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Never ends with much glue."""
    if (glue := task.settings["engine.contact_energy.cell_cell"]) > 5:
        time.sleep(600)
    return {"tube_length_mm": glue + task.seed % 17 / 100}


def failing(base: dict[str, Any], task: Task) -> dict[str, Any]:
    """Fails at some doses, in each stage."""
    dose = task.settings["drug.free_nM"]
    if dose == 1:
        with stage("set-up"):
            raise ValueError("no room")
    if dose == 2:
        with stage("run"):
            raise FloatingPointError("not finite")
    if dose == 4:
        return {"meshes": "many"}
    return instant(base, task)


def dying(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Takes its worker with it at dose 1."""
    if task.settings["drug.free_nM"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return instant(base, task)


def dying_once(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Takes its worker with it the first time; the base's name is a folder for notes."""
    note = Path(base["notes"]) / task.key
    if not note.exists():
        note.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return instant(base, task)


def tubes(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Read-outs at records and the end, which follow two parameters smoothly but for the seed."""
    pull = math.log(task.settings["engine.chemotaxis.cue.mu"] / 100)
    glue = task.settings["engine.contact_energy.cell_cell"]
    chance = (task.seed % 1009 / 1009 - 0.5) / 20
    left = math.exp(-task.settings.get("drug.free_nM", 0) / 20)
    length = pull * left + glue / 20 + chance
    return {"tube_length_mm": length, "tube_length_mm@1": length / 2, "meshes": glue + chance}


def treated(base: dict[str, Any], task: Task) -> dict[str, float]:
    """A network that shrinks with each dose, half of it at 10 mg, but for the seed."""
    dose = task.settings.get("drug.regimen.dose_mg", 0.0)
    chance = 1.0 + (task.seed % 1009 / 1009 - 0.5) / 5
    jitter = ((task.seed + int(1e6 * dose)) % 1013 / 1013 - 0.5) / 50
    return {"tube_length_mm": 4 * chance * (1 / (1 + dose / 10) + jitter), "meshes": 1.0}


def slow_treated(base: dict[str, Any], task: Task) -> dict[str, float]:
    time.sleep(0.05)
    return treated(base, task)


def bent(base: dict[str, Any], task: Task) -> dict[str, float]:
    """A network that a little drug helps, and much destroys."""
    dose = task.settings.get("drug.regimen.dose_mg", 0.0)
    chance = (task.seed % 1009 / 1009 - 0.5) / 50
    return {"tube_length_mm": 1 + chance + dose / 10 * math.exp(1 - dose / 10), "meshes": 0.0}


def slow_tubes(base: dict[str, Any], task: Task) -> dict[str, float]:
    time.sleep(0.02)
    return tubes(base, task)


def brittle_tubes(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Fails with much glue, and has no read-out with little."""
    glue = task.settings["engine.contact_energy.cell_cell"]
    if glue > 15:
        with stage("run"):
            raise FloatingPointError("not finite")
    return tubes(base, task) | ({"meshes": math.nan} if glue < 5 else {})


def no_tubes(base: dict[str, Any], task: Task) -> dict[str, float]:
    raise ValueError("no room")


def mended(base: dict[str, Any], task: Task) -> dict[str, float]:
    return instant(base, task)


class Here:
    """An executor that makes runs in this process, and notes which."""

    def __init__(self, plan: Any, run: Run, stop_after: int = 10**9) -> None:
        self.base, self.run, self.stop_after = plan.base, run, stop_after
        self.running = 0
        self.tasks: list[Task] = []
        self.made: list[str] = []

    def environments(self) -> list[Any]:
        return [worker.environment()]

    def submit(self, tasks: Sequence[Task]) -> None:
        self.tasks += tasks

    def wait(self, seconds: float) -> list[Outcome]:
        if seconds == 0:
            return []
        if len(self.made) >= self.stop_after:
            raise KeyboardInterrupt
        task = self.tasks.pop()  # backwards: the order must not matter
        self.made.append(task.key)
        return [attempt(self.run, self.base, task)]

    def close(self) -> None:
        pass
