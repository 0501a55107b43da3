"""The measurements of ``angiosim bench``, each in a process of its own: `work` is that process."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.tools import side_by_side

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.model.clock import AngiogenesisModel

Task = dict[str, Any]
Row = dict[str, Any]

CALLS, LONGEST_S = 20, 1.0
"""of a part of a step that is timed apart, as long as they take less: the fastest counts."""

FORMS = ("sim.tissue.advance", "sim.tissue.specialised", "sim.tissue.potts")
"""Where the kernels of a step are that are compiled for a scenario."""


def work() -> None:
    """Run the measurement given on the command line; print its result as JSON."""
    task = json.loads(sys.argv[1])
    found = {
        "problem": task["problem"],
        "threads": task["threads"],
        **MEASURES[task["measure"]](task),
    }
    sys.stdout.write(json.dumps({"peak_memory_MiB": _peak_memory_MiB(), **found}))


# -- steps ----------------------------------------------------------------------------------------


def measure_steps(task: Task) -> Row:
    """Time the steps of a model.

    Returns
    -------
    dict
        Wall time of a step, the median block with the fastest and the slowest, processor time,
        the rate, the share of each part of a step, and what an attempt and a voxel cost.
    """
    import sim

    began = time.perf_counter()
    scenario = sim.load(task["scenario"], task["overrides"])
    model = sim.AngiogenesisModel(scenario, threads=task["threads"])
    ready_s = time.perf_counter() - began
    model.advance(task["relax"])
    model.seconds.clear()
    wall, cpu = [], []
    for _ in range(task["blocks"]):
        before = time.perf_counter(), time.process_time()
        model.advance(task["length"])
        wall.append((time.perf_counter() - before[0]) / task["length"] * 1e3)
        cpu.append((time.process_time() - before[1]) / task["length"] * 1e3)
    spent = sum(model.seconds.values())
    parts = {part: round(s / spent, 4) for part, s in sorted(model.seconds.items())}
    ms = statistics.median(wall)
    return {
        "sites": model.cell_id.size,
        "cells": len(model.agents),
        "mcs": task["length"] * task["blocks"],
        "ready_s": round(ready_s, 2),
        "seconds": round(sum(wall) * task["length"] / 1e3, 3),
        "ms_per_mcs": round(ms, 4),
        "fastest_ms": round(min(wall), 4),
        "slowest_ms": round(max(wall), 4),
        "cpu_ms_per_mcs": round(statistics.median(cpu), 4),
        "mcs_per_s": round(1e3 / ms, 2),
        "ns_per_site": round(1e6 * ms / model.cell_id.size, 3),
        "peak_memory_MiB": _peak_memory_MiB(),  # of the steps, not of what follows
        **unit_costs(model),
        "parts": parts,
    }


def unit_costs(model: AngiogenesisModel) -> Row:
    """Time the sweep and explicit fields of a model apart, on one thread; it is spoilt by that.

    Returns
    -------
    dict
        ``ns_per_attempt`` between two owners: a sweep less one of nothing but medium; and
        ``ns_per_substep`` of a voxel, None without an explicit field that moves.
    """
    from sim.model.parts.fields import rates

    tissue, dt_s = model.tissue, model.scenario.time.mcs_s
    voxels, in_fields = 0, 0.0
    for name, field in model.scenario.fields.items():
        source, loss = rates(model, [name])
        if field.solver == "explicit" and (source.any() or model.fields[name].any()):

            def move(_: int, terms: Any = ([name], source, loss, dt_s)) -> None:
                tissue.move_fields(*terms)

            in_fields += _fastest(move)
            voxels += model.fields[name].size * field.substeps

    def sweep(call: int) -> None:
        tissue.sweep(model.seed, model.mcs + call)

    attempts = attempts_between_owners(
        model.cell_id, tissue.rules.copy_yx, periodic=tissue.grid.periodic
    )
    in_sweep = _fastest(sweep)
    model.lattice[:] = 0
    of_attempts = in_sweep - _fastest(sweep)
    return {
        "ns_per_attempt": round(of_attempts / attempts * 1e9, 2) if attempts else None,
        "ns_per_substep": round(in_fields / voxels * 1e9, 4) if voxels else None,
    }


def attempts_between_owners(
    sites: NDArray[np.int32], neighbours: NDArray[np.int64], *, periodic: bool
) -> float:
    """Attempts of a step, in expectation, whose two sites have two owners; walls are none."""
    import numpy as np

    (height, width), pairs = sites.shape, 0
    for dy, dx in neighbours.tolist():
        unlike = sites != np.roll(sites, (-dy, -dx), (0, 1))
        if not periodic:
            unlike = unlike[max(-dy, 0) : height - max(dy, 0), max(-dx, 0) : width - max(dx, 0)]
        pairs += int(unlike.sum())
    return pairs / len(neighbours)


def _fastest(action: Callable[[int], None]) -> float:
    """Seconds of the fastest of some calls; each gets its number."""
    spent = []
    for call in range(CALLS):
        began = time.perf_counter()
        action(call)
        spent.append(time.perf_counter() - began)
        if sum(spent) > LONGEST_S:
            break
    return min(spent)


# -- runs and commands ----------------------------------------------------------------------------


def measure_runs(task: Task) -> Row:
    """Time whole runs one after the other, without pictures and without a folder."""
    import sim

    wall, cpu = [], []
    for seed in range(1, task["repeats"] + 1):
        before = time.perf_counter(), time.process_time()
        sim.run(task["scenario"], task["overrides"], seed=seed, threads=task["threads"])
        wall.append(time.perf_counter() - before[0])
        cpu.append(time.process_time() - before[1])
    return {
        **_spread("run_s", wall),
        "cpu_s": round(statistics.median(cpu), 3),
        "runs_per_hour": round(3600 / statistics.median(wall), 1),
    }


def measure_startup(task: Task) -> Row:
    """Time whole commands: the help; a small run with an empty cache, and again; whole runs."""
    small = [f"--set={key}={value}" for key, value in task["small"].items()]
    found: Row = {}
    with tempfile.TemporaryDirectory() as folder:
        outs = count()

        def run(*options: str) -> tuple[float, float]:
            out = f"{folder}/{next(outs)}"
            return _command(["run", task["scenario"], "--quiet", "--out", out, *options], folder)

        cold_s, cold_cpu_s = run(*small)
        manifest = Path(folder, "0", "manifest.json")
        compile_s = json.loads(manifest.read_text())["wall_s"]["compile"]
        commands: dict[str, Callable[[], tuple[float, float]]] = {
            "help_s": lambda: _command(["--help"], folder),
            "warm_run_s": lambda: run(*small),
            "whole_run_s": run,
            "no_pictures_s": lambda: run("--no-pictures"),
        }
        for name, command in commands.items():
            wall, cpu = zip(*(command() for _ in range(task["repeats"])), strict=True)
            found |= {**_spread(name, list(wall)), f"cpu_{name}": round(min(cpu), 3)}
    return {
        **found,
        "cold_run_s": round(cold_s, 3),
        "cpu_cold_run_s": round(cold_cpu_s, 3),
        "cold_compile_s": round(compile_s, 3),
    }


def measure_compile(task: Task) -> Row:
    """Time how long a scenario's model takes to be ready in two processes, the first compiling."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (
            json.loads(
                subprocess.run(
                    [sys.executable, "-P", "-c", "from sim.tools.measures import build; build()",
                     task["scenario"]],
                    env=_keeping_kernels_in(folder), capture_output=True, text=True, check=True,
                ).stdout
            )
            for _ in range(2)
        )  # fmt: skip
    return {
        "scenario": task["scenario"],
        "kernels_s": first["compile_s"],
        "form_s": first["form_s"],
        "cpu_kernels_s": first["cpu_s"],
        "cached_s": second["ready_s"],
        "cpu_cached_s": second["cpu_s"],
    }


def build() -> None:
    """Build the model of the scenario given on the command line; print how long that took.

    Imports do not count. ``form_s`` is the processor time for the kernels of a step that are made
    for the scenario.
    """
    from numba.core import event

    import sim
    from sim.model.clock import AngiogenesisModel

    form_s, depth, start = 0.0, 0, 0.0

    class Clock(event.Listener):
        def on_start(self, event: Any) -> None:
            nonlocal depth, start
            start = start if depth else time.process_time()
            depth += 1

        def on_end(self, event: Any) -> None:
            nonlocal depth, form_s
            depth -= 1
            if depth == 0 and event.data["dispatcher"].py_func.__module__ in FORMS:
                form_s += time.process_time() - start

    scenario = sim.load(sys.argv[1])
    began = time.perf_counter(), time.process_time()
    with event.install_listener("numba:compile", Clock()):
        model = AngiogenesisModel(scenario)
        model.advance(2)
    found = {
        "ready_s": time.perf_counter() - began[0],
        "compile_s": model.seconds["compile"],
        "form_s": form_s,
        "cpu_s": time.process_time() - began[1],
    }
    sys.stdout.write(json.dumps({key: round(seconds, 3) for key, seconds in found.items()}))


def _command(words: list[str], folder: str) -> tuple[float, float]:
    """Return the wall and processor time of a command whose kernels are kept in a folder."""
    before, began = os.times(), time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-c", "from sim.cli.main import main; main()", *words],
        env=_keeping_kernels_in(folder),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    wall, after = time.perf_counter() - began, os.times()
    return wall, sum(after[2:4]) - sum(before[2:4])


def _keeping_kernels_in(folder: str) -> dict[str, str]:
    return {**os.environ, "ANGIOSIM_CACHE_DIR": f"{folder}/kernels"}


def _spread(name: str, seconds: list[float]) -> Row:
    return {
        name: round(statistics.median(seconds), 3),
        f"fastest_{name}": round(min(seconds), 3),
        f"slowest_{name}": round(max(seconds), 3),
    }


def _peak_memory_MiB() -> float | None:
    """Return the peak memory of this process; None where there is no `resource`."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


MEASURES: dict[str, Callable[[Task], Row]] = {
    "steps": measure_steps,
    "runs": measure_runs,
    "startup": measure_startup,
    "compile": measure_compile,
    "against": side_by_side.compare,
}
