"""One run: a scenario through the model to its results."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sim.errors import stage
from sim.model.clock import AngiogenesisModel
from sim.runs.folder import RunFolder
from sim.runs.manifest import begin_manifest, finish_manifest
from sim.runs.result import Result
from sim.scenario.cautions import cautions
from sim.scenario.schema import Scenario
from sim.scenario.writing import dump, scenario_hash

if TYPE_CHECKING:
    from sim.runs.result import Arrays

logger = logging.getLogger(__name__)


def run_scenario(
    scenario: Scenario,
    *,
    progress: Callable[[int, int], None] | None = None,
    folder: RunFolder | None = None,
    threads: int = 1,
) -> Result:
    """Run a scenario to its end.

    Parameters
    ----------
    scenario : Scenario
    progress : callable, optional
        Called with the steps done and the steps in all.
    folder : RunFolder, optional
        Where everything is written; nothing is without it.
    threads : int
        Threads of the kernels; see `AngiogenesisModel`.

    Raises
    ------
    InputError
        If the cells find no room, or numba was loaded for fewer threads.
    NumericalError
        If a field is not finite or becomes negative.
    KeyboardInterrupt
        As it came, after what there is has been written.
    """
    steps = scenario.time.steps
    manifest = begin_manifest(
        scenario_hash=scenario_hash(scenario), seed=scenario.seed, threads=threads
    )
    report = progress or (lambda done, total: None)
    report(0, steps)
    if folder:
        folder.write_scenario(dump(scenario))
        folder.write_manifest(manifest)
    with stage("set-up"):
        model = AngiogenesisModel(scenario, threads=threads)
    frames: dict[int, Arrays] = {}
    for caution in cautions(scenario):
        logger.warning("%s", caution)
    logger.info("%s, seed %d: %d cells", scenario.name, scenario.seed, model.cells.living.size)
    completed = False
    try:
        with stage("run"):
            _keep_frame(model, frames, folder)
            while model.mcs < steps:
                model.step()
                _keep_frame(model, frames, folder)
                report(model.mcs, steps)
        completed = True
    finally:  # also what an interrupted run has is kept
        with stage("read-out"):
            if model.readouts["mcs"] != model.mcs:
                model.record()
            result = Result(
                scenario=scenario,
                seed=scenario.seed,
                summary={k: v for k, v in model.readouts.items() if _is_readout(k)},
                timeseries=model.datacollector.get_model_vars_dataframe(),
                final=final_arrays(model),
                frames=frames,
                manifest=finish_manifest(
                    manifest, wall_s=model.seconds, mcs=model.mcs, completed=completed
                ),
                folder=folder.path if folder else None,
            )
            if folder:
                folder.write_results(result)
            logger.info("%s after %.3g h", "done" if completed else "stopped", model.time_h)
    return result


def _is_readout(column: str) -> bool:
    """Whether a column of the time series stands in the summary too."""
    others = ("mcs", "total_nM", "free_nM", "mean_drive")
    return column not in others and not column.startswith("inhibition_")


def _keep_frame(
    model: AngiogenesisModel, frames: dict[int, Arrays], folder: RunFolder | None
) -> None:
    """Keep a snapshot at record times."""
    record = model.scenario.record
    if record.frames and model.readouts["mcs"] == model.mcs:
        with model.timed("writing"):
            frames[model.mcs] = snapshot(model, fields=record.fields)
            if folder:
                folder.write_frame(model.mcs, frames[model.mcs])


def snapshot(model: AngiogenesisModel, *, fields: bool) -> Arrays:
    """Lattice and, if asked for, fields, as in ``frames/NNNNNN.npz``."""
    arrays: Arrays = {"cell_id": model.cell_id.copy()}
    if fields:
        arrays |= _field_arrays(model)
    return arrays


def final_arrays(model: AngiogenesisModel) -> Arrays:
    """Everything that ``final.npz`` holds."""
    arrays = {"cell_id": model.cell_id.copy(), **_field_arrays(model)}
    return arrays | {f"cell_{name}": rows for name, rows in model.cells.by_name().items()}


def _field_arrays(model: AngiogenesisModel) -> Arrays:
    arrays: Arrays = {}
    spacing_um = model.scenario.domain.spacing_um
    for name, values in model.fields.items():
        arrays[f"field_{name}"] = values.copy()
        factor = model.scenario.shape[0] // values.shape[0]
        arrays[f"spacing_um_{name}"] = np.array(spacing_um * factor)
    return arrays
