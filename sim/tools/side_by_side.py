"""angiosim and glazier, a Cellular Potts engine in Rust, on the same problem in one process.

Both start from the same cells and an empty field, and make the same number of Monte Carlo steps,
in turn: a slow moment of the machine meets both. glazier runs as fast as it is offered: its
serial engine from PyPI, without output, the time to read its input taken off. Every pair has a
seed of its own. Before a ratio is given both must have arrived at the same tissue.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.scenario.schema import LatticeScenario

    Labels = NDArray[np.int32]

STEPS = 200
"""Monte Carlo steps of a timed block; the areas are relaxed after a tenth of them."""
PAIRS = 7
"""Blocks of each tool."""

WARM_UP = 20
"""Steps of each before the clock starts."""

CHECKS: dict[str, tuple[str, float]] = {
    "mean_area": ("mean area, sites", 0.08),
    "sd_area": ("its standard deviation", 0.06),
    "area_distance": ("distance of the cumulative distributions", 0.04),
    "covered_fraction": ("covered fraction", 0.0005),
    "interface": ("share of neighbours with two owners", 0.015),
    "cells": ("cells", 1.0),
}
"""Title and the difference allowed of each figure; `benchmarks/README.md` says where from."""

_EVERYWHERE = [
    "angiosim draws the sites tile by tile, glazier over the whole lattice: as many in both",
    "glazier never takes a cell's last site",
]
_OF_THE_CUE = [
    "field: 15 explicit sub-steps per MCS in angiosim; in glazier 3, which it chooses itself",
    "secretion and decay: in every sub-step in angiosim, once per MCS in glazier",
    "decay: outside of cells in angiosim, everywhere in glazier",
    "chemotaxis: between cells and medium in angiosim, whichever of the two advances; in "
    "glazier of the advancing cell, also against other cells",
    "chemotaxis: saturates in angiosim (s = 0.01), is linear in glazier",
    *_EVERYWHERE,
]
DIFFERENCES = {
    "cue": _OF_THE_CUE,
    "cue_double": _OF_THE_CUE,
    "plain": _EVERYWHERE,
}
"""What the two do differently, by problem."""


def compare(task: dict[str, Any]) -> dict[str, Any]:
    """Time both tools in turn, and check that they simulate the same.

    Parameters
    ----------
    task : dict
        ``problem``, ``scenario``, ``overrides``, ``threads`` (of angiosim), ``length`` (steps of
        a block) and ``blocks``.

    Returns
    -------
    dict
        For each tool its times; the ``check``; the ``ratio`` of glazier's wall time to angiosim's,
        median, lowest and highest of the pairs, and by the processor time of the fastest block of
        each, or None and the ``reasons``; the ``differences``.
    """
    import numpy as np
    from glazier import _native as glazier  # all of its serial engine that Python can reach

    import sim

    scenario = sim.load(task["scenario"], task["overrides"])
    model = sim.AngiogenesisModel(scenario, threads=task["threads"])
    start, length = model.state(), task["length"]
    times: dict[str, list[tuple[float, float]]] = {"angiosim": [], "glazier": []}
    ends: dict[str, list[Labels]] = {"angiosim": [], "glazier": []}

    def ours(steps: int) -> Labels:
        model.advance(steps)
        return model.cell_id

    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder, "cells.npy")
        np.save(labels, model.cell_id.astype(np.uint32))
        description = blueprint(model.scenario, labels)

        def theirs(steps: int) -> Any:
            return glazier.run(json.dumps({**description, "seed": model.seed}), steps)[0]

        ours(WARM_UP), theirs(WARM_UP)
        reading = [_clock(theirs, 0)[1] for _ in range(5)]
        for pair in range(task["blocks"]):
            model.restore({**start, "seed": start["seed"] + pair})
            end, *spent = _clock(ours, length)
            ends["angiosim"].append(end.copy())
            times["angiosim"].append((spent[0], spent[1]))
            end, *spent = _clock(theirs, length)
            ends["glazier"].append(np.array(end, np.int32).reshape(scenario.shape))
            before = statistics.median(reading)
            times["glazier"].append((spent[0] - before, spent[1] - before))

    check = agreement(*(np.stack(ends[tool]) for tool in ("angiosim", "glazier")))
    reasons = [
        f"{CHECKS[name][0]} differs by {one['difference']:.4g}, allowed is {one['allowed']:g}"
        for name, one in check.items()
        if not one["difference"] <= one["allowed"]
    ]
    pairs = zip(times["angiosim"], times["glazier"], strict=True)
    ratios = [their_wall / our_wall for (our_wall, _), (their_wall, _) in pairs]
    return {
        "mcs": length,
        **{tool: _summary(found, length) for tool, found in times.items()},
        "check": check,
        "same_physics": not reasons,
        "reasons": reasons,
        "ratio": None if reasons else {
            "median": round(statistics.median(ratios), 3),
            "lowest": round(min(ratios), 3),
            "highest": round(max(ratios), 3),
            "fastest_cpu": round(min(c for _, c in times["glazier"])
                                 / min(c for _, c in times["angiosim"]), 3),
            "pairs": len(ratios),
        },
        "differences": DIFFERENCES[task["problem"]],
    }  # fmt: skip


def blueprint(scenario: LatticeScenario, labels: Path) -> dict[str, Any]:
    """Return glazier's description of a scenario with one type of cell and at most a cue.

    glazier 0.3 gives medium the contact energies of the first type that is declared. So the first
    one represents the medium and has no cells, and both get the energies of the medium.

    Parameters
    ----------
    scenario : LatticeScenario
    labels : Path
        File with the cells at the start, ``.npy``.

    Raises
    ------
    InputError
        If glazier cannot simulate the scenario.
    """
    engine, mcs_s, site_um = scenario.engine, scenario.time.mcs_s, scenario.domain.spacing_um
    if scenario.domain.boundary != "periodic" or (engine.copy_sites, engine.contact_sites) != (
        8,
        8,
    ):
        raise InputError("glazier knows periodic domains and these eight neighbours only")
    height, width = scenario.shape
    cell: dict[str, Any] = {
        "name": "cell",
        "target_volume": engine.area.target_sites,
        "lambda_volume": engine.area.lambda_,
    }
    fields = []
    if (taxis := engine.chemotaxis["cue"]).mu:
        cue = scenario.fields["cue"]
        cell["chemotaxis"] = {"cue": taxis.mu}
        cell["secretion"] = {"cue": cue.per_second("secretion", mcs_s) * mcs_s}
        fields.append({
            "name": "cue",
            "diffusion": cue.diffusion(mcs_s, site_um) * mcs_s / site_um**2,
            "decay": cue.per_second("decay", mcs_s) * mcs_s,
        })  # fmt: skip
    J, J_cell = engine.contact_energy.cell_medium, engine.contact_energy.cell_cell
    return {
        "name": scenario.name,
        "width": width,
        "height": height,
        "types": [{"name": "medium", "target_volume": 0, "lambda_volume": 0}, cell],
        "fields": fields,
        "contact": [0, 0, J, 0, 0, J, J, J, J_cell],
        "temperature": engine.temperature,
        "neighbour_order": 2,
        "seed": scenario.seed,
        "steps": 0,
        "dump_every": 0,
        "initial": {"side": 0, "nx": 0, "ny": 0, "labels": str(labels), "fractions": {"cell": 1}},
        "units": {"micron_per_site": site_um, "minute_per_step": mcs_s / 60},
    }


def agreement(ours: Labels, theirs: Labels) -> dict[str, dict[str, Any]]:
    """Compare the lattices (pair, y, x) of two tools, 0 for medium, else the cell.

    Returns
    -------
    dict
        By name of a check its value in both, the difference and the difference allowed.
    """
    import numpy as np

    both = (ours, theirs)
    areas = [np.concatenate([_areas(labels) for labels in lattices]) for lattices in both]
    grid = np.unique(np.concatenate(areas))
    shares = [np.searchsorted(np.sort(a), grid, side="right") / max(a.size, 1) for a in areas]
    values: dict[str, list[float]] = {
        "mean_area": [a.mean() for a in areas],
        "sd_area": [a.std() for a in areas],
        "covered_fraction": [(lattices > 0).mean() for lattices in both],
        "interface": [_interface(lattices) for lattices in both],
        "cells": [a.size / len(ours) for a in areas],
    }
    found: dict[str, dict[str, Any]] = {}
    for name, (_, allowed) in CHECKS.items():
        if name == "area_distance":
            found[name] = {"ours": None, "theirs": None,
                           "difference": float(np.abs(shares[0] - shares[1]).max())}  # fmt: skip
        else:
            one, other = map(float, values[name])
            difference = abs(other - one) / (one if name == "interface" and one else 1.0)
            found[name] = {"ours": one, "theirs": other, "difference": difference}
        found[name]["allowed"] = allowed
    return found


def _areas(labels: Labels) -> NDArray[np.int64]:
    """Sites of each cell that has any."""
    import numpy as np

    counts = np.bincount(labels.ravel())[1:]
    return counts[counts > 0]


def _interface(labels: Labels) -> float:
    """Share of pairs of neighbouring sites that belong to two owners: what the work grows with."""
    import numpy as np

    steps = ((0, 1), (1, 0), (1, 1), (1, -1))
    return float(np.mean([labels != np.roll(labels, step, (1, 2)) for step in steps]))


def _clock(action: Callable[[int], Any], steps: int) -> tuple[Any, float, float]:
    """Return what an action gives, and its wall and processor time in seconds."""
    before = time.perf_counter(), time.process_time()
    end = action(steps)
    return end, time.perf_counter() - before[0], time.process_time() - before[1]


def _summary(times: list[tuple[float, float]], length: int) -> dict[str, float]:
    wall, cpu = zip(*times, strict=True)
    return {
        "ms_per_mcs": round(statistics.median(wall) / length * 1e3, 4),
        "fastest_ms": round(min(wall) / length * 1e3, 4),
        "slowest_ms": round(max(wall) / length * 1e3, 4),
        "cpu_ms_per_mcs": round(statistics.median(cpu) / length * 1e3, 4),
    }
