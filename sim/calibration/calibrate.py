"""Fitting parameters to data: least squares over simulated means, with Optuna, resumable.

The objective of a trial is the sum over all values of the data table of ((m - d) / s)^2, where d
is the value, s its standard error, and m the mean of the replicates (chi-square; Press et al.,
Numerical Recipes, 3rd ed. 2007, section 15.1). The scatter of the replicates is left out of the
weights on purpose: a weight that falls with it would reward parameters that make runs erratic. It
is reported beside the fit instead.

All trials share their seeds, so that they differ by their parameters alone (common random
numbers). Points are chosen by the tree-structured Parzen estimator (Bergstra et al. 2011) of Optuna
(Akiba et al. 2019), a batch at a time. Its choices follow from its seed and the results it was
given, in order; so none of its state is stored: a calibration always starts at the first trial,
and finds finished runs in the ledger. Stopped, killed, or with any number of workers, it ends the
same. Optuna's own storage could not promise that, for it keeps trials, but not the sampler's
random state.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from sim.calibration.file import CalibrationPlan
from sim.calibration.optimiser import Optimiser
from sim.calibration.result import Calibration, Trial, best_of, trials_table
from sim.calibration.runner import BEST, REPORT, TRIALS, Runner, clear_outputs
from sim.errors import AngiosimError, shown
from sim.files import holds, plain, write_text_atomic
from sim.scenario.layers import content
from sim.studies.executors import Executor
from sim.studies.folder import hold
from sim.studies.ledger import LEDGER, Ledger
from sim.studies.sweep import Progress
from sim.studies.table import CALIBRATION

if TYPE_CHECKING:
    pass


def calibrate(
    plan: CalibrationPlan,
    executor: Executor,
    out: Path | None = None,
    *,
    progress: Progress | None = None,
    max_minutes_per_run: float | None = None,
) -> Calibration:
    """Fit the parameters of a plan to its data.

    Parameters
    ----------
    plan : CalibrationPlan
        From `sim.calibration.file.plan_calibration`.
    executor : Executor
        Executes the runs; the caller closes it.
    out : Path, optional
        The calibration's folder: new, empty, or its own, to resume. Without it nothing is written.
    progress : callable, optional
        Called with `Counts` several times a second; what it raises stops the calibration.
    max_minutes_per_run : float, optional
        Wall time after which the executor stops a run; those that took longer are not rerun.

    Raises
    ------
    InputError
        If Optuna is not installed.
    FolderError
        If the folder contains something else, is in use or is not writable.
    AngiosimError
        If it cannot continue: a full disk, no workers, a run that fails twice because of its
        machine, no trial that could be evaluated.
    KeyboardInterrupt
        Passed on. Finished runs are kept.
    """
    with (
        Optimiser(plan) as optimiser,
        hold(out, CALIBRATION, plan.name) if out else nullcontext(),
        Ledger(out and out / LEDGER) as ledger,
    ):
        if out and not holds(out / CALIBRATION, plan.text):
            clear_outputs(out)
            write_text_atomic(out / CALIBRATION, plan.text)
        runner = Runner(plan, executor, ledger, progress, out, max_minutes_per_run)
        trials: list[Trial] = []
        while len(trials) < plan.trials:
            shares = optimiser.ask(min(plan.batch, plan.trials - len(trials)))
            found = runner.evaluate(shares, len(trials) + 1)
            optimiser.tell(found)
            trials += found
            if out and (runner.made or len(trials) == plan.trials):
                write_text_atomic(out / TRIALS, _csv(*trials_table(plan, trials)))
        if all(trial.objective is None for trial in trials):
            raise AngiosimError(f"no trial could be evaluated; {trials[0]}")
        best = best_of(trials)
        (fresh,) = runner.evaluate([best.shares], best.number, fresh=True)
        if fresh.objective is None:
            fresh = replace(fresh, reason=f"on fresh seeds, {fresh.reason}")
        result = Calibration(plan, trials, fresh, out)
        if out:
            write_text_atomic(out / TRIALS, _csv(*trials_table(plan, trials)))
            write_text_atomic(out / BEST, scenario_of(result))
            text = json.dumps(plain(result.as_dict()), indent=2, allow_nan=False)
            write_text_atomic(out / REPORT, text + "\n")
        return result


def scenario_of(result: Calibration) -> str:
    """Return the base with the calibrated values, as a scenario file."""
    plan = result.plan
    lines = [f"# {key} = {shown(value)}" for key, value in result.values.items()]
    lines += [f"# {result.verdict}"] if result.verdict else []
    head = {
        "name": f"{plan.name}, calibrated",
        "description": f"with values calibrated in {plan.name!r}",
    }
    intro = "# Calibrated with angiosim calibrate, see calibration.json beside this file:"
    return "\n".join([intro, *lines, "", tomli_w.dumps(content(plan.base, result.values) | head)])


def _csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
