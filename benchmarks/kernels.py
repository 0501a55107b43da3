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
from sim.kernels import draws
from sim.model.parts.fields import fields as move_fields
from sim.model.parts.signals import ligand_at_cells
from sim.tissue import euler, fields, lattice, potts, voxels
from sim.tools.bench import CELLS, CUE, NO_FIELD

RELAX = 100


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
    for _ in range(RELAX):
        model.step()
    return model


def unlike(sites: np.ndarray, periodic: bool) -> float:
    """Share of the ordered pairs of neighbours that have two owners."""
    pairs = [(sites != np.roll(sites, step, (0, 1))).mean() for step in lattice.neighbourhood(8)]
    return float(np.mean(pairs))


def sweep_of(model: sim.AngiogenesisModel) -> Callable[[], None]:
    """One sweep after another of a model, and nothing else."""
    steps = iter(range(10**6))
    tissue = model.tissue
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
    key, grid_side = np.uint64(draws.key_of(1, draws.COPY, 0, 0)), 400
    rows = [
        (
            "draw the attempts of a tile",
            fastest(lambda: potts.draw_attempts(key, (50, 50), 8, (500, 500), (0, 0), 54)) / 2500,
            "attempt",
        )
    ]
    plain = relaxed(CELLS, CUE | NO_FIELD)
    axis = lattice.patch_axis(175, 50, grid_side, True)
    rows.append(
        (
            "copy a tile and what lies around it",
            fastest(lambda: lattice.load_patch(plain.lattice, axis, axis, 1001)) / 2500,
            "site",
        )
    )
    empty = sim.AngiogenesisModel(sim.load(CELLS, CUE | NO_FIELD))
    empty.lattice[:] = 0
    idle = fastest(sweep_of(empty)) / empty.lattice.size
    rows.append(("sweep, nothing but medium", idle, "attempt"))
    for name, model in (
        ("plain", plain),
        ("cue", relaxed(CELLS, CUE)),
        ("tube formation", relaxed("tube_formation", {})),
    ):
        taken = fastest(sweep_of(model)) / model.lattice.size
        share = unlike(model.lattice, model.tissue.grid.periodic)
        rows.append((f"sweep, {name}", taken, "attempt"))
        rows.append((f"  of it, each of the {share:.1%} unlike", (taken - idle) / share, "attempt"))
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
