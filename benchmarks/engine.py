"""How fast the engine is on this machine: ``python benchmarks/engine.py [--json]``.

Kernels are compiled afresh into a temporary folder. Each problem is relaxed first, then timed in
blocks of equal length; the median block counts. Processor time is given beside wall time: on a
busy machine they differ, and the wall time says little. ``benchmarks/README.md`` explains the
problems.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NEVER_MCS = 1_000_000  # longer than any run here: nothing is measured in a timed block

CELLS: dict[str, Any] = {
    "format": 1,
    "units": "lattice",
    "domain": {"size_um": [800, 800], "boundary": "periodic"},
    "time": {"duration_mcs": NEVER_MCS, "record_every_mcs": NEVER_MCS},
    "cells": {"count": 1000, "seeding": "random"},
    "setup": {"initial_area_sites": 50},
    "signalling": {"enabled": False},
    "engine": {
        "temperature": 50,
        "copy_sites": 8,
        "contact_sites": 8,
        "connectivity": "none",
        "contact_energy": {"cell_cell": 40, "cell_medium": 20},
        "area": {"lambda": 50, "target_sites": 50},
        "length": {"lambda": 0},
    },
}
CUE: dict[str, Any] = {
    "fields.cue.diffusion_um2_per_s": 0.1,
    "fields.cue.decay_per_s": 1.8e-4,
    "fields.cue.decay_where": "outside",
    "fields.cue.secretion_per_s": 1.8e-4,
    "fields.cue.solver": "explicit",
    "fields.cue.substeps": 15,
    "engine.chemotaxis.cue.mu": 500,
    "engine.chemotaxis.cue.saturation": 0.01,
    "engine.chemotaxis.cue.contact_inhibited": True,
}
# A field that is empty and does not move costs nothing.
NO_FIELD: dict[str, Any] = {
    "fields.cue.secretion_per_s": 0,
    "engine.chemotaxis.cue.mu": 0,
}

# name: scenario, overrides, steps to relax, steps in a block, blocks
PROBLEMS: dict[str, tuple[Any, dict[str, Any], int, int, int]] = {
    "cue": (CELLS, CUE, 100, 50, 7),
    "plain": (CELLS, NO_FIELD, 100, 100, 7),
    "openvt": ("reference/openvt_angiogenesis", {}, 0, 50, 10),
    "tube_formation": ("tube_formation", {}, 0, 60, 12),
}


def measure(name: str) -> dict[str, Any]:
    """Time one problem.

    Returns
    -------
    dict
        ``ms_per_mcs`` (wall, median block), ``cpu_ms_per_mcs``, ``mcs_per_s``, the slowest and
        the fastest block, the cells, and the share of each part of a step.
    """
    import sim

    scenario, overrides, relax, length, blocks = PROBLEMS[name]
    start = time.perf_counter()
    model = sim.AngiogenesisModel(sim.load(scenario, overrides))
    ready_s = time.perf_counter() - start
    for _ in range(relax):
        model.step()
    model.seconds.clear()
    wall, cpu = [], []
    for _ in range(blocks):
        before = time.perf_counter(), time.process_time()
        for _ in range(length):
            model.step()
        wall.append((time.perf_counter() - before[0]) / length * 1e3)
        cpu.append((time.process_time() - before[1]) / length * 1e3)
    spent = sum(model.seconds.values())
    return {
        "problem": name,
        "sites": model.cell_id.size,
        "cells": len(model.agents),
        "mcs": length * blocks,
        "ready_s": round(ready_s, 2),
        "ms_per_mcs": round(statistics.median(wall), 3),
        "fastest_ms": round(min(wall), 3),
        "slowest_ms": round(max(wall), 3),
        "cpu_ms_per_mcs": round(statistics.median(cpu), 3),
        "mcs_per_s": round(1e3 / statistics.median(wall), 1),
        "parts": {part: round(s / spent, 3) for part, s in sorted(model.seconds.items())},
    }


def machine() -> dict[str, Any]:
    """Describe the machine and the libraries."""
    from importlib import metadata

    import sim

    cpu = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), cpu)
    return {
        "angiosim": sim.__version__,
        "processor": cpu,
        "processors": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()]
        if hasattr(os, "getloadavg")
        else None,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "scipy", "numba", "mesa")},
    }


def results(names: list[str]) -> Iterator[dict[str, Any]]:
    """Measure the problems, with a fresh folder for compiled kernels."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ANGIOSIM_CACHE_DIR"] = folder  # read when sim's kernels are first imported
        for name in names:
            yield measure(name)


def main() -> None:
    """Print a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=", ".join(PROBLEMS))
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    names = options.problems or list(PROBLEMS)
    if unknown := set(names) - set(PROBLEMS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(PROBLEMS)}")
    found = []
    for result in results(names):
        found.append(result)
        sys.stderr.write(f"{result['problem']}: done\n")
    if options.json:
        print(json.dumps({"machine": machine(), "results": found}, indent=2))
        return
    print("  ".join(f"{key} {value}" for key, value in machine().items()))
    print(f"\n{'problem':<15} {'cells':>5} {'ready s':>8} {'ms/MCS':>15} {'CPU':>6} {'MCS/s':>7}")
    for row in found:
        spread = f"({row['fastest_ms']:.2f}-{row['slowest_ms']:.2f})"
        print(
            f"{row['problem']:<15} {row['cells']:>5} {row['ready_s']:>8.1f} "
            f"{row['ms_per_mcs']:>5.2f} {spread} {row['cpu_ms_per_mcs']:>6.2f} "
            f"{row['mcs_per_s']:>7.1f}  "
            + ", ".join(f"{part} {share:.0%}" for part, share in row["parts"].items())
        )


if __name__ == "__main__":
    main()
