"""``angiosim bench``: how fast the engine is on this machine.

Every measurement runs in a process of its own, so that its peak memory is its own. This process
starts them and formats what they print.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import AngiosimError, InputError
from sim.kernels.threads import processors
from sim.runs.environment import library_version
from sim.scenario.shipped import shipped
from sim.tools import side_by_side
from sim.version import __version__

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

Task = dict[str, Any]
"""What to measure, as JSON for the process that does it."""
Row = dict[str, Any]
"""Its result."""

NEVER_MCS = 1_000_000  # longer than any run here: nothing is recorded in a timed block

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


def _steps(
    scenario: Any, overrides: dict[str, Any], *, relax: int = 0, length: int, blocks: int
) -> Task:
    """Steps of a scenario: some to relax, then blocks of equal length that are timed."""
    return {
        "measure": "steps",
        "scenario": scenario,
        "overrides": overrides,
        "relax": relax,
        "length": length,
        "blocks": blocks,
    }


def _square(sites: int, *, relax: int, length: int, blocks: int) -> Task:
    """Tube formation on a square, cells at the same density, without a record."""
    changes = {"domain.size_um": [2 * sites, 2 * sites], "time.record_every_h": 6}
    return _steps("tube_formation", changes, relax=relax, length=length, blocks=blocks)


_CUE = _steps(CELLS, CUE, relax=100, length=50, blocks=7)
_DOUBLE = {"fields.cue.precision": "double"}

PROBLEMS: dict[str, list[Task]] = {
    "cue": [_CUE],
    "cue_double": [_steps(CELLS, CUE | _DOUBLE, relax=100, length=50, blocks=7)],
    "plain": [_steps(CELLS, NO_FIELD, relax=100, length=100, blocks=7)],
    "openvt": [_steps("reference/openvt_angiogenesis", {}, length=50, blocks=10)],
    "tube_formation": [_steps("tube_formation", {}, length=60, blocks=12)],
    "all_ligands": [_steps("tube_formation_all_ligands", {}, length=60, blocks=12)],
    "threads": [_CUE],  # and again with more threads
    "size": [_square(sites, relax=20, length=20, blocks=5) for sites in (400, 200, 800)],
    "large": [_square(sites, relax=10, length=10, blocks=3) for sites in (400, 5000)],
    "startup": [
        {
            "measure": "startup",
            "scenario": "tube_formation",
            "small": {"domain.size_um": [200, 200], "time.duration_h": 0.25},
            "repeats": 5,
        }
    ],
    "compile": [{"measure": "compile", "scenario": name} for name in shipped()],
    "runs": [{"measure": "runs", "scenario": "tube_formation", "overrides": {}, "repeats": 3}],
}
"""What can be measured; `benchmarks/README.md` says what each is."""

LONG = ("large", "compile")
"""Only measured when asked for."""


# -- which measurements, and what comes of them -------------------------------------------------


def plan(names: Iterable[str], threads: int) -> list[Task]:
    """Return the measurements of some problems, or of the usual ones if none is given.

    Raises
    ------
    InputError
        If there is no such problem.
    """
    names = list(dict.fromkeys(names)) or [name for name in PROBLEMS if name not in LONG]
    _refuse_unknown(names, PROBLEMS)
    tasks = []
    for name in names:
        counts = _thread_counts(threads) if name == "threads" else [threads]
        tasks += [
            {"problem": name, "threads": count, **task}
            for count in counts
            for task in PROBLEMS[name]
        ]
    return tasks


def measure(tasks: list[Task], say: Callable[[str], None]) -> Iterator[Row]:
    """Run the measurements, each in its own process; yield a row of figures for each."""
    for number, task in enumerate(tasks, start=1):
        say(f"{number}/{len(tasks)} {task['problem']}")
        yield _in_own_process(task)


def compare(names: Iterable[str], tool: str, threads: int, say: Callable[[str], None]) -> list[Row]:
    """Measure problems side by side with another tool.

    Raises
    ------
    InputError
        If the tool or a problem is not known for this, or the tool is not installed.
    """
    names = list(dict.fromkeys(names)) or list(side_by_side.DIFFERENCES)
    _refuse_unknown([tool], ["glazier"], "tool")
    _refuse_unknown(names, side_by_side.DIFFERENCES, "problem for two tools")
    if library_version("glazier") is None:
        raise InputError("glazier is not installed: pip install 'angiosim[bench]'")
    tasks = [
        {**PROBLEMS[name][0], "measure": "against", "problem": name, "threads": threads,
         "length": side_by_side.STEPS, "blocks": side_by_side.PAIRS}
        for name in names
    ]  # fmt: skip
    return list(measure(tasks, say))


def relate(rows: list[Row]) -> list[Row]:
    """Add to rows of several sizes or thread counts how they compare with the first of them."""
    first: dict[str, Row] = {}
    for row in rows:
        if row["problem"] not in ("threads", "size", "large"):
            continue
        one = first.setdefault(row["problem"], row)
        if row["problem"] == "threads":
            row["speed_up"] = round(one["ms_per_mcs"] / row["ms_per_mcs"], 3)
        else:
            row["cost_per_site"] = round(row["ns_per_site"] / one["ns_per_site"], 3)
    return rows


def machine() -> dict[str, Any]:
    """Describe the machine and the libraries."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":")[1].strip() for line in lines if "model name" in line), cpu)
    load = os.getloadavg() if hasattr(os, "getloadavg") else None
    libraries = ("numpy", "scipy", "numba", "llvmlite", "mesa", "glazier")
    return {
        "angiosim": __version__,
        "processor": cpu,
        "processors": os.cpu_count(),
        "usable_processors": processors(),
        "load_average": load and [round(one, 2) for one in load],
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version for name in libraries if (version := library_version(name))},
    }


def _refuse_unknown(names: Iterable[str], known: Iterable[str], what: str = "problem") -> None:
    if unknown := sorted(set(names) - set(known)):
        words = ", ".join(map(repr, unknown))
        raise InputError(f"unknown {what} {words}; known: {', '.join(known)}")


def _thread_counts(most: int) -> list[int]:
    """1, 2, 4, ... up to `most`, or to the processors there are."""
    most = most if most > 1 else processors()
    counts = [2**k for k in range(most.bit_length()) if 2**k <= most]
    return counts if counts[-1] == most else [*counts, most]


def _in_own_process(task: Task) -> Row:
    program = "from sim.tools.measures import work; work()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, json.dumps(task)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise AngiosimError(f"the problem {task['problem']} could not be measured: {reason}")
    row: Row = json.loads(done.stdout)
    return row


# -- tables -------------------------------------------------------------------------------------


def report(rows: list[Row], *, markdown: bool = False) -> list[RenderableType]:
    """Format the rows as tables."""
    out: list[RenderableType] = ["  ".join(f"{key} {value}" for key, value in machine().items())]
    steps = [row for row in rows if "ms_per_mcs" in row]
    compiled = [row for row in rows if "form_s" in row]
    groups = [[row for row in steps if row["problem"] not in ("threads", "size", "large")]]
    groups += [[row for row in steps if row["problem"] == n] for n in ("threads", "size", "large")]
    out += [_table_of_steps(group, markdown) for group in groups if group]
    if compiled:
        out.append(_table_of_compiling(compiled, markdown))
    other = [line for row in rows for line in _seconds_of(row)]
    if other:
        table = _table(["", "median", "fastest-slowest"], markdown)
        for line in other:
            table.add_row(*line)
        out.append(table)
    named = {row["problem"] for row in rows}
    if "size" in named and "large" not in named:
        out.append("`angiosim bench large` measures 5000 x 5000 sites with 55,000 cells: minutes")
    return out


def _table_of_steps(rows: list[Row], markdown: bool) -> Table:
    related = {"speed_up": "speed-up", "cost_per_site": "cost per site"}
    related = {key: title for key, title in related.items() if key in rows[0]}
    unit = {"ns_per_attempt": "ns per attempt", "ns_per_substep": "ns per voxel and sub-step"}
    table = _table(
        ["problem", "threads", "sites", "cells", "MCS", "s in all", "ready, s", "ms per MCS",
         "fastest-slowest", "CPU ms", "MCS/s", "ns per site", *unit.values(), *related.values(),
         "MiB", "parts"],
        markdown,
    )  # fmt: skip
    for row in rows:
        table.add_row(
            row["problem"],
            *(f"{row[key]:,}" for key in ("threads", "sites", "cells", "mcs")),
            f"{row['seconds']:.2f}",
            f"{row['ready_s']:.1f}",
            f"{row['ms_per_mcs']:.2f}",
            f"{row['fastest_ms']:.2f}-{row['slowest_ms']:.2f}",
            f"{row['cpu_ms_per_mcs']:.2f}",
            f"{row['mcs_per_s']:.1f}",
            f"{row['ns_per_site']:.1f}",
            *("" if row[key] is None else f"{row[key]:.2f}" for key in unit),
            *(f"{row[key]:.2f}" for key in related),
            "" if row["peak_memory_MiB"] is None else f"{row['peak_memory_MiB']:,.0f}",
            ", ".join(
                f"{part} {share:.0%}" for part, share in row["parts"].items() if share >= 0.005
            ),
        )
    return table


def _table_of_compiling(rows: list[Row], markdown: bool) -> Table:
    columns = {
        "form_s": "the step, CPU s",
        "kernels_s": "all kernels, s",
        "cpu_kernels_s": "CPU s",
        "cached_s": "second process, s",
        "cpu_cached_s": "CPU s",
    }
    table = _table(["scenario", *columns.values()], markdown)
    for row in rows:
        table.add_row(row["scenario"], *(f"{row[key]:.2f}" for key in columns))
    return table


def _seconds_of(row: Row) -> Iterator[tuple[str, str, str]]:
    """Yield the lines of other measurements than steps: title, median, spread."""
    titles = {
        "help_s": "`--help`, s",
        "warm_run_s": "small run, kernels cached, s",
        "whole_run_s": "run of tube_formation with pictures, s",
        "no_pictures_s": "run of tube_formation with --no-pictures, s",
        "run_s": "run of tube_formation in one process, s",
    }
    for key, title in titles.items():
        if key in row:
            spread = f"{row[f'fastest_{key}']:.2f}-{row[f'slowest_{key}']:.2f}"
            yield title, f"{row[key]:.2f}", spread
            if f"cpu_{key}" in row:
                yield "least processor time of it, s", f"{row[f'cpu_{key}']:.2f}", ""
    if "cold_run_s" in row:
        yield "small run, nothing cached, s", f"{row['cold_run_s']:.1f}", ""
        yield "of which compiling, s", f"{row['cold_compile_s']:.1f}", ""
    if "runs_per_hour" in row:
        yield "runs of tube_formation per hour", f"{row['runs_per_hour']:.0f}", ""


def report_comparison(rows: list[Row], *, markdown: bool = False) -> list[RenderableType]:
    """Format a comparison: figures, check, ratio or why there is none."""
    out: list[RenderableType] = ["  ".join(f"{key} {value}" for key, value in machine().items())]
    for row in rows:
        ours, theirs = row["angiosim"], row["glazier"]
        table = _table([row["problem"], "angiosim", "glazier", "difference", "allowed"], markdown)
        table.add_row("threads", str(row["threads"]), "1", "", "")
        for key, title in (("ms_per_mcs", "ms per MCS"), ("cpu_ms_per_mcs", "CPU ms per MCS")):
            table.add_row(title, f"{ours[key]:.2f}", f"{theirs[key]:.2f}", "", "")
        spreads = (f"{one['fastest_ms']:.2f}-{one['slowest_ms']:.2f}" for one in (ours, theirs))
        table.add_row("fastest-slowest", *spreads, "", "")
        for name, check in row["check"].items():
            values = (
                "" if check[who] is None else f"{check[who]:.4g}" for who in ("ours", "theirs")
            )
            difference, allowed = f"{check['difference']:.4f}", f"{check['allowed']:g}"
            table.add_row(side_by_side.CHECKS[name][0], *values, difference, allowed)
        out.append(table)
        if row["ratio"]:
            out.append(
                "glazier takes {median:.2f} times as long ({lowest:.2f}-{highest:.2f} over the "
                "{pairs} pairs; {fastest_cpu:.2f} by the processor time of the fastest block of "
                "each)".format(**row["ratio"])
            )
        else:
            out.append(f"no ratio, for the physics is not the same: {'; '.join(row['reasons'])}")
        out += ["what differs nevertheless:", *(f"- {each}" for each in row["differences"])]
    return out


def _table(titles: list[str], markdown: bool) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.MARKDOWN if markdown else None, pad_edge=markdown)
    for title in titles:
        left = title in (titles[0], "parts")
        table.add_column(title, justify="left" if left else "right", no_wrap=True)
    return table
