"""Where each nanosecond of a step goes: ``python benchmarks/kernels.py``.

Times the kernels apart, on one thread, on tissues that have relaxed for 100 steps, and prints the
fastest of many runs: on a busy machine the others say more about the neighbours than about us.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import sim
from sim.model.parts.fields import fields as move_fields
from sim.model.parts.signals import ligand_at_cells
from sim.tissue import euler, fields, potts, voxels
from sim.tools.bench import CELLS, CUE, NO_FIELD
from sim.tools.measures import attempts_between_owners

RELAX = 100
KERNELS = ("sweep", "general sweep")


def fastest(function: Callable[[], Any], repeats: int = 60) -> float:
    """Nanoseconds of the fastest of some calls."""
    function()
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        spent.append(time.perf_counter() - start)
    return min(spent) * 1e9


def relaxed(scenario: Any, overrides: dict[str, Any]) -> sim.AngiogenesisModel:
    """A model that has run for a while."""
    model = sim.AngiogenesisModel(sim.load(scenario, overrides))
    model.advance(RELAX)
    return model


def attempts_of(model: sim.AngiogenesisModel) -> float:
    """Attempts of a step between two owners, in expectation."""
    grid, neighbours = model.tissue.grid, model.tissue.rules.copy_yx
    return attempts_between_owners(model.lattice, neighbours, periodic=grid.periodic)


def sweep_of(model: sim.AngiogenesisModel, *, general: bool = False) -> Callable[[], None]:
    """One sweep after another of a model, and nothing else; made for it, or the general one."""
    steps = iter(range(10**6))
    tissue = model.tissue
    if not general:
        return lambda: tissue.sweep(1, next(steps))
    known = (tissue._attractants(), tissue.cells.arrays(), tissue.rules, tissue.grid, 1)
    return lambda: potts.sweep(tissue.lattice, *known, next(steps))


def field_costs(name: str, model: sim.AngiogenesisModel) -> list[tuple[str, float, str]]:
    """What a sub-step of the cue costs, and what a step costs beside its sub-steps."""
    cue, rows = model.tissue._fields["cue"], len(model.cells.area) - 1
    source, loss = np.full(rows, 1e-4), np.zeros(rows)
    source[0], loss[0] = 0.0, 1e-4
    found = []
    for precision in ("double", "single"):
        one, all_parts = (
            fastest(partial(euler.euler_field, wave, model.lattice, np.zeros(1, np.int64), 1))
            for parts in (1, 15)
            for wave in euler.waves_of(
                cue.values.copy(), 1, source, loss, 0.05, float(parts), parts,
                fields.EDGES[cue.edge], precision,
            )
        )  # fmt: skip
        part = (all_parts - one) / 14
        found += [
            (f"field, {name}, {precision}: a sub-step", part / cue.values.size, "voxel"),
            (f"field, {name}, {precision}: the rest", (one - part) / cue.values.size, "voxel"),
        ]
    return found


def main() -> None:
    """Print a table."""
    rows, idle = [], {}
    for general in (False, True):
        empty = sim.AngiogenesisModel(sim.load(CELLS, CUE | NO_FIELD))
        empty.lattice[:] = 0
        idle[general] = fastest(sweep_of(empty, general=general)) / empty.lattice.size
        rows.append((f"{KERNELS[general]}, nothing but medium", idle[general], "attempt"))
    for name, model in (
        ("plain", relaxed(CELLS, CUE | NO_FIELD)),
        ("cue", relaxed(CELLS, CUE)),
        ("tube formation", relaxed("tube_formation", {})),
    ):
        for general, kernel in enumerate(KERNELS):
            share = attempts_of(model) / model.lattice.size
            taken = fastest(sweep_of(model, general=bool(general))) / model.lattice.size
            each = (taken - idle[general]) / share
            rows.append((f"{kernel}, {name}", taken, "attempt"))
            rows.append((f"  of it, each of the {share:.1%} between owners", each, "attempt"))
        if name == "plain":
            continue
        rows += field_costs(name, model)
    tubes = relaxed("tube_formation_all_ligands", {})
    ligand = tubes.tissue._fields["VEGF"]
    finding = fastest(lambda: voxels.overlaps(tubes.lattice, ligand.factor))
    rows.append(("which cell lies in which voxel", finding / tubes.lattice.size, "site"))
    averaging = fastest(lambda: ligand_at_cells(tubes))
    rows.append(("three ligands at each cell", averaging / tubes.lattice.size, "site"))
    rows.append(
        (
            "three ligands' fields",
            fastest(lambda: move_fields(tubes, "after_sweep")) / ligand.values.size,
            "voxel",
        )
    )
    rows.append(("the network read-out", fastest(tubes.measure, 5) / tubes.lattice.size, "site"))
    for name, nanoseconds, unit in rows:
        print(f"{name:<42} {nanoseconds:8.2f} ns per {unit}")


if __name__ == "__main__":
    main()
