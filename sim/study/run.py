"""One run: a scenario through the model to its results."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.model import AngiogenesisModel
from sim.scenario.loading import dump, scenario_hash
from sim.scenario.schema import Scenario
from sim.study.folder import RunFolder, begin_manifest, finish_manifest
from sim.tissue.cells import MOMENT_NAMES

logger = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]
NOT_READOUTS = ("time_h", "mcs", "total_nM", "free_nM", "mean_drive")


@dataclass
class RunResult:
    """What a run leaves; see `sim.api.Result` for the attributes."""

    scenario: Scenario
    seed: int
    summary: dict[str, float | int]
    timeseries: pd.DataFrame
    final: Arrays
    frames: dict[int, Arrays]
    manifest: dict[str, Any]
    folder: Path | None


def run_scenario(
    scenario: Scenario,
    *,
    progress: Callable[[int, int], None] | None = None,
    folder: RunFolder | None = None,
) -> RunResult:
    """Run a scenario to its end.

    Parameters
    ----------
    scenario : Scenario
    progress : callable, optional
        Called with the steps done and the steps in all.
    folder : RunFolder, optional
        Where everything is written; nothing is without it.

    Raises
    ------
    InputError
        If the cells find no room.
    NumericalError
        If a field is not finite or becomes negative.
    KeyboardInterrupt
        As it came, after what there is has been written.
    """
    steps = scenario.time.steps
    manifest = begin_manifest(scenario_hash=scenario_hash(scenario), seed=scenario.seed)
    report = progress or (lambda done, total: None)
    report(0, steps)
    model = AngiogenesisModel(scenario)
    frames: dict[int, Arrays] = {}
    writing = 0.0
    if folder:
        folder.write_scenario(dump(scenario))
        folder.write_manifest(manifest)
    logger.info(
        "%s, seed %d: %d cells, %d steps",
        scenario.name,
        scenario.seed,
        model.cells.living.size,
        steps,
    )

    def look() -> None:
        nonlocal writing
        if scenario.record.frames and model.readouts["mcs"] == model.mcs:
            start = perf_counter()
            frames[model.mcs] = snapshot(model, fields=scenario.record.fields)
            if folder:
                folder.write_frame(model.mcs, frames[model.mcs])
            writing += perf_counter() - start

    def result(*, completed: bool) -> RunResult:
        wall_s = {**model.seconds, "writing": writing}
        return RunResult(
            scenario=scenario,
            seed=scenario.seed,
            summary={
                name: value
                for name, value in model.readouts.items()
                if name not in NOT_READOUTS and not name.startswith("inhibition_")
            },
            timeseries=model.datacollector.get_model_vars_dataframe(),
            final=final_arrays(model),
            frames=frames,
            manifest=finish_manifest(manifest, wall_s=wall_s, mcs=model.mcs, completed=completed),
            folder=folder.path if folder else None,
        )

    look()
    try:
        while model.mcs < steps:
            model.step()
            look()
            report(model.mcs, steps)
    except KeyboardInterrupt:
        logger.warning("interrupted at step %d of %d", model.mcs, steps)
        if folder:
            folder.write_results(result(completed=False))
        raise
    if model.readouts["mcs"] != model.mcs:
        model.record()
    outcome = result(completed=True)
    if folder:
        folder.write_results(outcome)
    logger.info("done at %.3g h: %s", model.time_h, outcome.summary)
    return outcome


def snapshot(model: AngiogenesisModel, *, fields: bool) -> Arrays:
    """Lattice and, if asked for, fields, as in ``frames/NNNNNN.npz``."""
    arrays: Arrays = {"cell_id": model.cell_id.copy()}
    if fields:
        arrays |= _field_arrays(model)
    return arrays


def final_arrays(model: AngiogenesisModel) -> Arrays:
    """Everything that ``final.npz`` holds."""
    arrays = {"cell_id": model.cell_id.copy(), **_field_arrays(model)}
    for name, column in model.cells.columns.items():
        rows = column[:-1].copy()  # without the wall
        if name == "moments":
            arrays |= {f"cell_{part}": rows[:, k] for k, part in enumerate(MOMENT_NAMES)}
        else:
            arrays[f"cell_{name}"] = rows
    arrays["cell_length"] = model.cells.lengths[:-1]
    return arrays


def _field_arrays(model: AngiogenesisModel) -> Arrays:
    arrays: Arrays = {}
    spacing_um = model.scenario.domain.spacing_um
    for name, values in model.fields.items():
        arrays[f"field_{name}"] = values.copy()
        factor = model.scenario.shape[0] // values.shape[0]
        arrays[f"spacing_um_{name}"] = np.array(spacing_um * factor)
    return arrays
