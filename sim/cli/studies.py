"""Commands for many runs: ``sweep``, ``merge`` and ``calibrate``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.common import (
    SOME_FAILED,
    Quiet,
    Settings,
    Strict,
    Verbose,
    exit_codes,
    print_cautions,
    say,
    stop_at,
)
from sim.errors import InputError, shown

if TYPE_CHECKING:
    from sim.analysis.analyse import Analysis
    from sim.calibration.result import Calibration
    from sim.studies.forecast import Forecast
    from sim.studies.plan import Plan, PlannedRun
    from sim.studies.sweep import Counts, SweepOptions
    from sim.studies.table import Study

MaxMinutes = Annotated[
    float | None,
    typer.Option(
        metavar="M", help="Stop a run that takes longer than this; it is recorded as failed."
    ),
]
FAILURES_SHOWN = 20
FINDINGS_SHOWN = 12


def sweep(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A study file, or the name of a shipped one.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The study's folder: new, or one to resume. [default: runs/NAME]"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes. [default: one for each processor]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of all replicates. [default: the study's, or 1]")
    ] = None,
    settings: Settings = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="Run on this Dask cluster."),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Run only every N-th run, from the I-th; see merge."),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Rerun failed runs.")
    ] = False,
    keep_runs: Annotated[
        bool, typer.Option("--keep-runs", help="Keep a run folder of each run, in runs/.")
    ] = False,
    max_minutes_per_run: MaxMinutes = None,
    only_list: Annotated[
        bool,
        typer.Option(
            "--list", help="List planned runs with their status and the time left; run nothing."
        ),
    ] = False,
    strict: Strict = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a study; resumes by default."""
    with exit_codes(verbose=verbose):
        from sim import api
        from sim.kinds import expected
        from sim.scenario.settings import parse_settings
        from sim.studies.file import plan_study
        from sim.studies.folder import default_folder
        from sim.studies.forecast import entries_in, forecast
        from sim.studies.plan import runs_of
        from sim.studies.sweep import SweepOptions, parse_shard

        with expected("study", file):
            plan = plan_study(file, parse_settings(settings or []), seed)
        which = parse_shard(shard) if shard else None
        options = SweepOptions(
            workers, scheduler, which, retry_failed, keep_runs, max_minutes_per_run, strict
        )
        folder = out or default_folder(plan.name)
        if only_list:
            print_cautions(plan.cautions)
            _print_plan(plan, runs_of(plan.runs, options.shard), folder, options)
            return
        if not quiet:
            print_cautions(plan.cautions)
            left = runs_of(plan.runs, options.shard)
            needs = forecast(plan, left, entries_in(folder), keep_runs=keep_runs)
            print_forecast(needs, workers)
        with study_progress(folder, quiet=quiet) as progress:
            study, found = api.sweep_plan(plan, folder, options, progress)
        _finish_study(study, found, quiet=quiet)


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of the shards.")],
    out: Annotated[Path, typer.Option(help="New folder for the whole study.")],
    strict: Strict = False,
) -> None:
    """Merge the shards of a study, and analyse it."""
    with exit_codes():
        from sim import api

        _finish_study(*api.merge(folders, out, strict=strict), quiet=False)


def calibrate(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A calibration file, or the name of a shipped one."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Its folder: new, or one to resume. [default: runs/NAME]"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes. [default: one for each processor]"),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Points to try. [default: the file's]")
    ] = None,
    max_minutes_per_run: MaxMinutes = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fit named parameters to a data table; resumes by default."""
    with exit_codes(verbose=verbose):
        from sim import api
        from sim.calibration.file import plan_calibration
        from sim.calibration.runner import forecast
        from sim.kinds import expected
        from sim.studies.folder import default_folder

        with expected("calibration", file):
            plan = plan_calibration(file, trials)
        if not quiet:
            print_cautions(plan.cautions)
            print_forecast(forecast(plan), workers, planned=False)
        folder = out or default_folder(plan.name)
        with study_progress(folder, quiet=quiet) as progress:
            result = api.calibrate_plan(plan, folder, workers, progress, max_minutes_per_run)
        _finish_calibration(result, quiet=quiet)


@contextmanager
def study_progress(
    folder: Path, *, quiet: bool, checks: bool = True
) -> Iterator[Callable[[Counts], None]]:
    """Yield a progress callback; a signal stops the study, and finished runs are kept.

    Where there are no `checks`, as nobody calls it, a signal ends the command at once.
    """
    from sim.view.progress import show_study

    shown = nullcontext() if quiet else show_study()
    try:
        stopping = stop_at("stopping; finished runs are kept", first=0 if checks else 1)
        with stopping as check, shown as show:

            def progress(counts: Counts) -> None:
                if show is not None:
                    show(counts)
                check()

            yield progress
    except InputError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        error.add_note(f"finished runs are in {folder}; the same command resumes")
        raise


def _finish_calibration(result: Calibration, *, quiet: bool) -> None:
    """Report what was calibrated, and how well; exit with 3 if trials failed."""
    if not quiet:
        for key, found in result.ranges.items():
            value = result.values[key]
            say(f"{key} = {shown(value)} (calibrated; standard error: {found})")
        fresh, count = result.fresh.objective, len(result.plan.targets)
        say(f"objective {result.objective:.4g} over {count} values, trial {result.best.number}")
        if fresh is not None:
            say(f"objective {fresh:.4g} on fresh seeds: report this one")
        if result.reduced_chi_square is not None:
            say(f"reduced chi-square {result.reduced_chi_square:.3g}; about 1 is a good fit")
        if result.scatter is not None:
            say(f"scatter of the replicates adds about {result.scatter:.2g}")
        done, where = f"{len(result.done)} of {len(result.trials)}", str(result.folder)
        say(f"{done} trials done, in {where}")
        if result.verdict:
            say(f"warning: {result.verdict}", err=True)
    failures = result.failures
    if failures:
        say(f"{len(failures)} failed:", err=True)
        for trial in failures[:FAILURES_SHOWN]:
            say(f"  {trial}", err=True)
        if len(failures) > FAILURES_SHOWN:
            say(f"  and {len(failures) - FAILURES_SHOWN} more, in trials.csv", err=True)
        raise typer.Exit(SOME_FAILED)


def _finish_study(study: Study, found: Analysis, *, quiet: bool) -> None:
    """Report on a study; exit with 3 if runs failed or are missing."""
    from sim.assays import FLAGS
    from sim.studies.ledger import LEDGER
    from sim.studies.table import PARQUET, RESULTS
    from sim.studies.task import DONE, WORKER

    failures, done = study.failures, study.count(DONE)
    failed, missing = len(failures), len(study.runs) - done - len(failures)
    by_worker = sum(failure.stage == WORKER for failure in failures)
    if not quiet:
        _print_findings(found)
        say(f"{done} of {len(study.runs)} runs done, in {study.folder}")
        if study.is_shard and not found.study.is_complete:
            say("this is one shard; `angiosim merge` analyses the study from all its shards")
        if study.folder is not None and not (study.folder / PARQUET).exists():
            say(f"{RESULTS} only; for {PARQUET}: pip install 'angiosim[analysis]'")
    for name in FLAGS:
        runs = sum(bool(study.entries[run.key].metrics.get(name)) for run in study.runs)
        if runs:
            what = f"{name} in {runs} of {done} runs, a column of {RESULTS}: {FLAGS[name]}"
            say(f"warning: {what}", err=True)
    if failed > by_worker:
        say(f"{failed - by_worker} failed; --retry-failed reruns them:", err=True)
    for number, failure in enumerate(sorted(failures, key=lambda f: f.stage == WORKER)):
        if number == failed - by_worker:
            what = "failed because of their worker, not their scenario; the next start reruns them:"
            say(f"{by_worker} {what}", err=True)
        if number < FAILURES_SHOWN:
            say(f"  {failure}", err=True)
    if failed > FAILURES_SHOWN:
        say(f"  and {failed - FAILURES_SHOWN} more, in {LEDGER}", err=True)
    if missing:
        folder = shlex.quote(str(study.folder))
        command = f"angiosim sweep {folder}/study.toml --out {folder}"
        say(f"{missing} missing: `{command}` runs them", err=True)
    if failed or missing:
        raise typer.Exit(SOME_FAILED)


def _print_findings(found: Analysis) -> None:
    """Print what a study shows, and the files that contain it."""
    lines, folder = found.findings(), found.study.folder
    for line in lines[:FINDINGS_SHOWN]:
        say(line)
    if len(lines) > FINDINGS_SHOWN:
        say(f"and {len(lines) - FINDINGS_SHOWN} more")
    if lines and folder is not None:
        kinds = (".csv", ".json", ".png")
        names = sorted(path.name for path in folder.iterdir() if path.suffix in kinds)
        say(f"see {', '.join(names)}")


def _print_plan(plan: Plan, runs: list[PlannedRun], folder: Path, options: SweepOptions) -> None:
    """Print the runs of a plan, a line each; on the standard error, their status in all."""
    from sim.studies.folder import check_owner
    from sim.studies.forecast import forecast
    from sim.studies.ledger import LEDGER, Ledger
    from sim.studies.table import STUDY, label_of

    check_owner(folder, STUDY, plan.name)
    entries = {}
    if os.path.isfile(folder / LEDGER):
        with Ledger(folder / LEDGER, read_only=True) as ledger:
            entries = ledger.entries()
        ledger.warn_of_lost({run.key: label_of(run) for run in plan.runs})
    columns = ["run", *plan.groups, *plan.parameters, "replicate", "seed", "key", "status"]
    lines = ["\t".join(columns)]
    for run in runs:
        values = [
            run.index,
            *(run.group[name] for name in plan.groups),
            *(run.parameters.get(key, "") for key in plan.parameters),
            run.replicate,
            run.seed,
            run.key[:12],
            entries[run.key].status if run.key in entries else "planned",
        ]
        lines.append("\t".join(map(str, values)))
    say("\n".join(lines))
    print_forecast(forecast(plan, runs, entries, keep_runs=options.keep_runs), options.workers)


def print_forecast(
    found: Forecast, workers: int | None = None, file: str = "", *, planned: bool = True
) -> None:
    """Print how far a study is, and what the runs that are left need.

    Of a calibration or a design only the most runs are known, as they are not `planned`.
    """
    from sim.kernels.threads import processors
    from sim.runs.estimate import in_bytes
    from sim.view.progress import duration

    workers = workers or processors()
    label = f"{file}: " if file else ""
    status = f"{found.done} done, {found.failed} failed, {found.left} left"
    at_most = f"up to about {found.total:,} runs, with those that have finished"
    line = f"{found.total} runs: {status}" if planned else at_most
    say(f"{label}{line}", err=True)
    if found.left:
        took = duration(max(1.0, found.seconds / min(workers, found.left)))
        basis = (
            f"at the mean time of {found.finished} finished"
            if found.finished
            else "a rough estimate, from sites and steps"
        )
        count = f"{workers} worker process{'es' if workers > 1 else ''}"
        what = "those left" if planned else "all"
        say(f"about {took} for {what}, with {count} ({basis})", err=True)
        memory, disk = in_bytes(found.memory_with(workers)), in_bytes(found.disk)
        say(f"about {memory} of memory in all, and {disk} on disk", err=True)
