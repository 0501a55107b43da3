"""The Python interface: what ``import sim`` offers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.assays import flagged
from sim.calibration.result import Calibration
from sim.design.result import Design
from sim.errors import InputError, Problem, RunWarning, ScenarioWarning
from sim.input import checked_count, checked_path
from sim.kinds import expected
from sim.runs.branch import branch_of
from sim.runs.estimate import Estimate
from sim.runs.estimate import estimate as estimate_of
from sim.runs.into import CHECKPOINT_EVERY_MIN, run_into
from sim.runs.pk import PK
from sim.runs.result import Result
from sim.runs.room import check_room
from sim.scenario import resolve as loading
from sim.scenario.cautions import cautions, of_source
from sim.scenario.schema import Scenario
from sim.studies.sweep import SweepOptions, check_options
from sim.studies.table import Study
from sim.view.progress import show_run, show_study

if TYPE_CHECKING:
    from sim.analysis.analyse import Analysis
    from sim.calibration.file import CalibrationPlan
    from sim.design.plan import DesignPlan
    from sim.model.observers import Observer
    from sim.studies.plan import Plan
    from sim.studies.sweep import Counts

__all__ = [
    "PK", "Calibration", "Design", "Estimate", "Result", "Study", "calibrate", "calibrate_plan",
    "design", "design_plan", "estimate", "load", "merge", "pk", "run", "sweep", "sweep_plan",
]  # fmt: skip


def run(
    scenario: str | Path | Mapping[str, Any] | Scenario | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    progress: bool = False,
    threads: int = 1,
    observers: Sequence[Observer] = (),
    resume: bool = False,
    checkpoint_every: float = CHECKPOINT_EVERY_MIN,
    max_hours: float | None = None,
    from_: str | Path | None = None,
    paranoid: bool = False,
    strict: bool = False,
) -> Result:
    """Run one experiment.

    Parameters
    ----------
    scenario : str, Path, mapping or Scenario
        Name of a shipped scenario, path of a file, the content of one, or the result of `load`.
        Nothing with `from_`.
    overrides : mapping, optional
        Values by dotted key, laid over the scenario: ``{"drug.free_nM": 5.6}``.
    seed : int, optional
        Seed; by default the scenario's.
    out : str or Path, optional
        A new or empty folder to write everything into; by default nothing is written.
    progress : bool
        Show a progress bar (plain lines if there is no terminal) on the standard error.
    threads : int
        Threads for a single large run; results are bit-identical for any number.
    observers : sequence of Observer
        Objects that observe the model while it runs; see `sim.model.observers`.
    resume : bool
        Resume the run in `out` from its newest checkpoint; begin it if there is none. A finished
        run is opened, or extended if only its duration has grown.
    checkpoint_every : float
        Minutes of wall time between two checkpoints, which are written into `out`.
    max_hours : float, optional
        Hours of wall time after which the run is saved and stopped, with `OutOfTime`.
    from_ : str or Path, optional
        Folder of a run to branch from, with ``@`` and a time of its time series (h), or without
        for where it has got to; `overrides` begin there.
    paranoid : bool
        At each record, compute areas, moments, energies and the mass balance of fields (of a tumour
        bed: flow, tables and area) from scratch, and stop at the first difference; slower.
    strict : bool
        Refuse to resume or branch from a run that other versions of libraries or another processor
        have made; otherwise that is a warning.

    Warns
    -----
    RunWarning
        Of what the summary flags: ``flag_cells_lost``, ``flag_cells_at_edge``,
        ``flag_out_of_range``.

    Raises
    ------
    InputError
        If the scenario is invalid (`ScenarioError` lists all errors) or the folder is in use, not
        empty or holds another run (`FolderError`); then nothing has been written.
    CheckpointError
        If no checkpoint of the run can be used.
    NumericalError
        If values are not finite or out of range, or sums do not add up.
    OutOfTime
        After `max_hours`.
    """
    folder = None if out is None else checked_path("out", out)
    if not isinstance(observers, Iterable):
        raise InputError(f"observers = {observers!r}: must be a list of observers")
    if out is None and (resume or max_hours is not None):
        raise InputError("resume and max_hours need a folder: out=")
    start = None
    if from_ is not None:
        if scenario is not None or seed is not None:
            raise InputError("from_ takes neither scenario nor seed: they are those of the parent")
        resolved, start = branch_of(checked_path("from_", from_), overrides or {}, strict=strict)
        _warn(cautions(resolved))
    elif scenario is None:
        raise InputError("give a scenario, or with from_ the run to branch from")
    else:
        resolved = _loaded(scenario, overrides, seed)
    with show_run() if progress else nullcontext() as show:
        if folder is not None:
            result = run_into(
                folder, resolved, observers=observers, progress=show, threads=threads,
                resume=resume, checkpoint_every_min=checkpoint_every, max_hours=max_hours,
                branch=start, paranoid=paranoid, strict=strict,
            )  # fmt: skip
        else:
            from sim.runs.run import run_scenario

            check_room(estimate_of(resolved), None)
            result = run_scenario(
                resolved, observers=observers, progress=show, threads=threads, start=start,
                paranoid=paranoid,
            )  # fmt: skip
    for line in flagged(result.summary):
        warnings.warn(line, RunWarning, stacklevel=2)
    return result


def estimate(
    scenario: str | Path | Mapping[str, Any] | Scenario, overrides: Mapping[str, Any] | None = None
) -> Estimate:
    """Estimate the memory, the disk space and the time that a run will need.

    Parameters
    ----------
    scenario, overrides
        As for `run`.

    Raises
    ------
    ScenarioError
        With all errors.
    """
    return estimate_of(_loaded(scenario, overrides))


def load(
    source: str | Path | Mapping[str, Any] | Scenario,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Scenario:
    """Return a complete, checked scenario, with warnings where it may not do what is expected.

    Parameters
    ----------
    source : str, Path, mapping or Scenario
        The name of a shipped scenario, a TOML file, its content, or a scenario to change.
    overrides : mapping, optional
        Values by dotted key, laid over the file: ``{"drug.free_nM": 5.6}``. A whole number in a
        key is a place in a list: ``drug.media.1.free_nM``.
    seed : int, optional
        Seed instead of the scenario's.

    Raises
    ------
    ScenarioError
        With all errors.
    """
    return _loaded(source, overrides, seed)


def _loaded(
    source: str | Path | Mapping[str, Any] | Scenario,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Scenario:
    """Return a scenario for a caller's caller, who is warned unless that was done before."""
    with expected("scenario", source):
        scenario = loading.load(source, overrides, seed)
    if overrides or not isinstance(source, Scenario):
        _warn([*of_source(overrides or source), *cautions(scenario)], stacklevel=4)
    return scenario


def _warn(found: Sequence[Problem], stacklevel: int = 3) -> None:
    """Warn the user's code of what may not be as expected."""
    for caution in found:
        warnings.warn(str(caution), ScenarioWarning, stacklevel)


def pk(
    scenario: str | Path | Mapping[str, Any] | Scenario,
    overrides: Mapping[str, Any] | None = None,
    subjects: int | None = None,
    targets: Sequence[Mapping[str, Any]] = (),
) -> PK:
    """Compute the drug of a scenario in a body, without any tissue.

    Parameters
    ----------
    scenario, overrides
        As for `run`; the scenario's ``drug.exposure`` is ``"pk"``.
    subjects : int, optional
        Size of the virtual population behind the bands.
    targets : sequence of mapping
        As ``[[target]]`` of a design, without ``share``: in how many subjects each holds.

    Raises
    ------
    InputError
        If the scenario is wrong or doses no body, or a target is wrong.
    """
    from sim.design.attainment import pk_of, read_targets
    from sim.pharmacology.population import MOST_SUBJECTS

    if subjects is not None:
        checked_count("subjects", subjects, least=1, most=MOST_SUBJECTS)
    return pk_of(_loaded(scenario, overrides), overrides, subjects, read_targets(targets))


def sweep(
    study: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
    shard: tuple[int, int] | None = None,
    retry_failed: bool = False,
    keep_runs: bool = False,
    progress: bool | Callable[[Counts], None] = False,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
    max_minutes_per_run: float | None = None,
    strict: bool = False,
) -> Study:
    """Run a study: everything still missing is run.

    Parameters
    ----------
    study : str, Path or mapping
        Name of a shipped study, path of a file, or the content of one.
    out : str or Path, optional
        The study's folder; an existing folder of this study is resumed. By default nothing is
        written.
    workers : int, optional
        Worker processes; by default one for each processor.
    scheduler : str, optional
        Address of a Dask scheduler, to run on its cluster instead.
    shard : (int, int), optional
        (i, n): only every n-th run, from the i-th.
    retry_failed : bool
        Rerun failed runs.
    keep_runs : bool
        Keep a run folder of each run.
    progress : bool or callable
        Show a table of progress on the standard error; or a function to call with `Counts`.
    overrides : mapping, optional
        Values by dotted key, laid over the base of all runs and over the file's ``[set]``.
    seed : int, optional
        Seed of all replicates, instead of the file's.
    max_minutes_per_run : float, optional
        Wall time after which a run is stopped, and recorded as failed.
    strict : bool
        Refuse to resume a study whose finished runs other versions of libraries or another
        processor have made; otherwise that is a warning.

    Raises
    ------
    InputError
        If the study is invalid (`ScenarioError` lists all errors), the folder is in use or not
        that of this study (`FolderError`), or no scheduler answers.
    """
    from sim.studies.file import plan_study

    options = SweepOptions(
        workers, scheduler, shard, retry_failed, keep_runs, max_minutes_per_run, strict
    )
    check_options(options)
    folder = None if out is None else checked_path("out", out)
    with expected("study", study):
        plan = plan_study(study, overrides, seed)
    _warn(plan.cautions)
    with _shown(progress) as show:
        made, _ = sweep_plan(plan, folder, options, show)
    return made


def _shown(
    progress: bool | Callable[[Counts], None],
) -> AbstractContextManager[Callable[[Counts], None] | None]:
    """Return what is called with `Counts`: a table on the standard error, or the user's own."""
    return show_study() if progress is True else nullcontext(progress or None)


def sweep_plan(
    plan: Plan, out: Path | None, options: SweepOptions, progress: Callable[[Counts], None] | None
) -> tuple[Study, Analysis]:
    """Run a planned study; return the runs asked for, and the analysis of the whole study."""
    from sim.analysis.write import write_analysis
    from sim.kernels.threads import processors
    from sim.studies.executors import start_executor
    from sim.studies.forecast import check_room_for, entries_in, forecast
    from sim.studies.plan import runs_of
    from sim.studies.sweep import sweep

    if options.scheduler is None:
        left = runs_of(plan.runs, options.shard)
        needs = forecast(plan, left, entries_in(out), keep_runs=options.keep_runs)
        check_room_for(needs, options.workers or processors(), out)
    found: list[Analysis] = []
    started = start_executor(
        plan.base, options.workers, options.scheduler, options.max_minutes_per_run
    )
    with closing(started) as executor:
        study = sweep(
            plan, executor, out, options, progress=progress,
            analyse=lambda whole: found.append(write_analysis(whole)),
        )  # fmt: skip
    _draw(found[-1])
    return study, found[-1]


def merge(folders: Sequence[Path], out: Path, *, strict: bool = False) -> tuple[Study, Analysis]:
    """Merge the shards of a study into a new folder, and analyse it; see `sim.studies.merge`."""
    from sim.analysis.write import write_analysis
    from sim.studies import merge as shards

    found: list[Analysis] = []
    study = shards.merge(
        folders, out, strict=strict, analyse=lambda whole: found.append(write_analysis(whole))
    )
    _draw(found[-1])
    return study, found[-1]


def _draw(found: Analysis) -> None:
    """Draw the results of a study into its folder."""
    from sim.view.study.pictures import write_pictures

    write_pictures(found)


def calibrate(
    calibration: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    workers: int | None = None,
    trials: int | None = None,
    progress: bool | Callable[[Counts], None] = False,
    max_minutes_per_run: float | None = None,
) -> Calibration:
    """Fit named parameters to a data table.

    Parameters
    ----------
    calibration : str, Path or mapping
        Name of a shipped calibration, path of a file, or the content of one.
    out : str or Path, optional
        The calibration's folder; an existing one is resumed. By default nothing is written.
    workers : int, optional
        Worker processes; by default one for each processor. Results do not depend on it.
    trials : int, optional
        Points to try, instead of the file's; a higher number continues from those finished.
    progress : bool or callable
        Show a table of progress on the standard error; or a function to call with `Counts`.
    max_minutes_per_run : float, optional
        Wall time after which a run is stopped, and its trial has failed.

    Raises
    ------
    InputError
        If the file is invalid (`ScenarioError` lists all errors), the folder is in use or not that
        of this calibration (`FolderError`), or Optuna is not installed.
    """
    from sim.calibration.file import plan_calibration

    check_options(SweepOptions(workers))
    folder = None if out is None else checked_path("out", out)
    with expected("calibration", calibration):
        plan = plan_calibration(calibration, trials)
    _warn(plan.cautions)
    with _shown(progress) as show:
        return calibrate_plan(plan, folder, workers, show, max_minutes_per_run)


def calibrate_plan(
    plan: CalibrationPlan,
    out: Path | None,
    workers: int | None,
    progress: Callable[[Counts], None] | None,
    max_minutes_per_run: float | None = None,
) -> Calibration:
    """Run a planned calibration, and draw its pictures into its folder; see `calibrate`."""
    from sim.calibration.calibrate import calibrate as make
    from sim.calibration.runner import forecast, simulate_records
    from sim.kernels.threads import processors
    from sim.studies.executors import Pool
    from sim.studies.forecast import check_room_for

    check_room_for(forecast(plan), workers or processors(), out)
    most = max_minutes_per_run
    with closing(Pool(plan.base, workers or processors(), simulate_records, most)) as pool:
        result = make(plan, pool, out, progress=progress, max_minutes_per_run=most)
    if out is not None:
        from sim.view.study.calibration import save_pictures

        save_pictures(result, out)
    return result


def design(
    design: str | Path | Mapping[str, Any],
    out: str | Path | None = None,
    workers: int | None = None,
    progress: bool | Callable[[Counts], None] = False,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Design:
    """Find the least dose that reaches a target, on each of several schedules.

    Parameters
    ----------
    design : str, Path or mapping
        Name of a shipped design, path of a file, or the content of one.
    out : str or Path, optional
        The design's folder; an existing one is resumed. By default nothing is written.
    workers : int, optional
        Worker processes for targets in the tissue; by default one for each processor. Results do
        not depend on it.
    progress : bool or callable
        Show a table of progress on the standard error; or a function to call with `Counts`.
    overrides : mapping, optional
        Values by dotted key, laid over the base and over the file's ``[set]``.
    seed : int, optional
        Seed of all replicates, instead of the file's.

    Raises
    ------
    InputError
        If the file is invalid (`ScenarioError` lists all errors), or the folder is in use or not
        that of this design (`FolderError`).
    """
    from sim.design.file import plan_design

    check_options(SweepOptions(workers))
    folder = None if out is None else checked_path("out", out)
    with expected("design", design):
        plan = plan_design(design, overrides, seed)
    _warn(plan.cautions)
    with _shown(progress) as show:
        return design_plan(plan, folder, workers, show)


def design_plan(
    plan: DesignPlan,
    out: Path | None,
    workers: int | None,
    progress: Callable[[Counts], None] | None,
) -> Design:
    """Solve a planned design, and draw its picture into its folder; see `design`."""
    from sim.design.design import design as make
    from sim.design.tissue import forecast
    from sim.kernels.threads import processors
    from sim.studies.executors import start_executor
    from sim.studies.forecast import check_room_for

    if needs := forecast(plan):
        check_room_for(needs, workers or processors(), out)
    with closing(start_executor(plan.base, workers, None)) as pool:
        result = make(plan, out, pool, progress=progress)
    if out is not None:
        from sim.view.study.design import save_design

        save_design(result, out)
    return result
