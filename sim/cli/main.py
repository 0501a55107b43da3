"""The command ``angiosim``: words and exit codes.

Whatever is slow to import is imported inside the command that needs it, so that ``--help``
answers at once.
"""

from __future__ import annotations

import gc
import logging
import os
import shlex
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.errors import (
    AngiosimError,
    InputError,
    Interrupted,
    PictureWarning,
    Problem,
    visible,
)
from sim.version import __version__

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from sim.api import Calibration, Result
    from sim.runs.folder import RunFolder
    from sim.runs.pk import PK
    from sim.scenario.schema import Scenario
    from sim.studies.plan import Plan, PlannedRun
    from sim.studies.sweep import Counts
    from sim.studies.table import Study

SOME_FAILED = 3  # exit code of a study with runs that failed
FAILURES_SHOWN = 20
FINDINGS_SHOWN = 12

log = logging.getLogger(__name__)

app = typer.Typer(
    name="angiosim",
    help="An in-silico capillary tube-formation assay: cells, growth factors, kinase inhibitors.",
    rich_markup_mode=None,  # plain help comes three times faster
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value; may be repeated."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors and warnings only.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the log, and tracebacks of errors.")
]


def main() -> None:
    """Run the command line."""
    logging.raiseExceptions = False  # on a full disk, the one message must not drown
    gc.set_threshold(100_000)  # imports make many objects and no garbage: a tenth of start-up
    app(prog_name="angiosim")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"angiosim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


@app.command()
def run(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A scenario file, or the name of a shipped one.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results, new or empty. [default: runs/NAME-sSEED]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of all chance. [default: the scenario's, or 1]")
    ] = None,
    settings: Settings = None,
    threads: Annotated[
        int,
        typer.Option(min=1, help="For one large run; results are the same to the last bit."),
    ] = 1,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a scenario file into a folder of results."""
    with _exit_codes(verbose=verbose):
        from sim.runs.folder import RunFolder
        from sim.scenario.cautions import cautions
        from sim.scenario.resolve import load
        from sim.scenario.settings import parse_settings

        scenario = load(file, parse_settings(settings or []), seed)
        if not quiet:
            _print_cautions(cautions(scenario))
        with RunFolder.create(out, scenario.name, scenario.seed) as folder:
            result = _run_in(folder, scenario, quiet=quiet, threads=threads)
        if not quiet:
            _print_summary(result, folder.path)


@app.command()
def pk(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A scenario that doses a body (exposure = pk).")
    ],
    subjects: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Virtual subjects, for bands.")
    ] = None,
    settings: Settings = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw it into this new file: .png, .pdf or .svg."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
) -> None:
    """Pharmacokinetics alone: concentrations, exposure, inhibition."""
    with _exit_codes():
        import json

        from sim.files import plain
        from sim.runs.pk import run_pk
        from sim.scenario.cautions import cautions
        from sim.scenario.resolve import load
        from sim.scenario.settings import parse_settings

        if plot is not None:
            from sim.view.run.pk import save_pk
            from sim.view.style import picture_format

            picture_format(plot)
            if plot.exists():
                raise InputError(f"{plot}: this file exists, and nothing is overwritten")
            if not plot.parent.is_dir():
                raise InputError(f"{plot.parent}: no such folder")
        scenario = load(file, parse_settings(settings or []))
        _print_cautions(cautions(scenario))
        result = run_pk(scenario, subjects=subjects)
        if as_json:
            typer.echo(json.dumps(plain(result.to_dict()), indent=2, ensure_ascii=False))
        else:
            _print_pk(result)
        if plot is not None:
            save_pk(result, plot)


@app.command()
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
    only_list: Annotated[
        bool,
        typer.Option(
            "--list", help="List the runs, how they stand, and how long the rest may take."
        ),
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a study: all runs that are still missing, with results in one folder."""
    with _exit_codes(verbose=verbose):
        from sim.scenario.settings import parse_settings
        from sim.studies.file import plan_study
        from sim.studies.folder import default_folder
        from sim.studies.plan import part
        from sim.studies.sweep import parse_shard

        plan = plan_study(file, parse_settings(settings or []), seed)
        which = parse_shard(shard) if shard else None
        folder = out or default_folder(plan.name)
        if only_list:
            _print_cautions(plan.cautions)
            _print_plan(plan, part(plan.runs, which), folder, workers)
            return
        if not quiet:
            _print_cautions(plan.cautions)
        study = _sweep_in(
            folder,
            plan,
            quiet=quiet,
            workers=workers,
            scheduler=scheduler,
            shard=which,
            retry_failed=retry_failed,
            keep_runs=keep_runs,
        )
        _finish_study(study, quiet=quiet)


@app.command()
def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of the shards.")],
    out: Annotated[Path, typer.Option(help="New folder for the whole study.")],
) -> None:
    """Put the shards of a study together, and analyse it."""
    with _exit_codes():
        from sim.api import merge as put_together

        _finish_study(put_together(folders, out), quiet=False)


@app.command()
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
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Fit named parameters to a data table; resumes by default."""
    with _exit_codes(verbose=verbose):
        from sim import api
        from sim.calibration.file import plan_calibration
        from sim.studies.folder import default_folder

        plan = plan_calibration(file, trials)
        if not quiet:
            _print_cautions(plan.cautions)
        folder = out or default_folder(plan.name)
        with _study_progress(folder, quiet=quiet) as progress:
            result = api.calibrate_plan(plan, folder, workers, progress)
        _finish_calibration(result, quiet=quiet)


@app.command()
def scenarios(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A shipped scenario to show or copy.")
    ] = None,
    copy_to: Annotated[
        Path | None, typer.Option(help="Copy it to this new file, or into this folder.")
    ] = None,
) -> None:
    """List the shipped scenarios, studies and calibrations, show one, or copy one to edit."""
    with _exit_codes():
        from sim.files import read_toml
        from sim.scenario.shipped import shipped, shipped_calibrations, shipped_studies

        studies, calibrations = shipped_studies(), shipped_calibrations()
        known = {**shipped(), **studies, **calibrations}
        titles = {
            next(iter(studies)): "studies, for angiosim sweep:",
            next(iter(calibrations)): "calibrations, for angiosim calibrate:",
        }
        if name is None:
            if copy_to is not None:
                raise InputError("which one? angiosim scenarios NAME --copy-to PATH")
            width = max(map(len, known), default=0)
            for each, path in known.items():
                if each in titles:
                    typer.echo(f"\n{titles[each]}")
                typer.echo(f"{each:<{width}}  {read_toml(path).get('description', '')}".rstrip())
            return
        if name not in known:
            raise InputError(f"no shipped scenario is called {name!r}{_nearest(name, known)}")
        if copy_to is None:
            typer.echo(known[name].read_text(encoding="utf-8"), nl=False)
        else:
            typer.echo(f"copied to {visible(str(_copy(known[name], copy_to)))}")


@app.command()
def validate(
    files: Annotated[
        list[str], typer.Argument(help="Scenario, study or calibration files.", metavar="FILE")
    ],
) -> None:
    """Check scenario, study and calibration files, and report all errors at once."""
    with _exit_codes():
        from sim.calibration.file import plan_calibration
        from sim.scenario.cautions import cautions
        from sim.scenario.kinds import kind_of
        from sim.scenario.resolve import load
        from sim.studies.file import plan_study

        look: dict[str, Callable[[str], list[Problem]]] = {
            "scenario": lambda file: cautions(load(file)),
            "study": lambda file: plan_study(file).cautions,
            "calibration": lambda file: plan_calibration(file).cautions,
        }
        wrong = False
        for file in files:
            try:
                found = look[kind_of(file)](file)
            except InputError as error:
                typer.echo(str(error), err=True)
                wrong = True
            else:
                _print_cautions(found, file if len(files) > 1 else "")
                typer.echo(f"{visible(file)}: valid")
        if wrong:
            raise typer.Exit(InputError.exit_code)


@app.command()
def describe(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A key such as cells.density_per_mm2, a read-out or readouts for all, or a drug.",
        ),
    ] = None,
) -> None:
    """Show what a parameter or read-out means: unit, default, range, source."""
    with _exit_codes():
        from sim.tools.describe import describe as look_up

        _console(prose=True).print(look_up(key))


@app.command()
def doctor() -> None:
    """Check this installation and suggest fixes."""
    with _exit_codes():
        from sim.tools.doctor import examine, report

        findings = examine()
        typer.echo(report(findings))
        if any(finding.mend for finding in findings):
            raise typer.Exit(AngiosimError.exit_code)


@app.command()
def bench(
    problems: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROBLEM",
            help="cue, plain, openvt, tube_formation, all_ligands: steps of a model; threads, size:"
            " how they scale; startup, runs: whole commands and runs; large: 1 cm^2, takes minutes."
            " [default: all but large]",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, max=1024, help="Threads of a model; with threads, the most.")
    ] = 1,
    against: Annotated[
        str | None,
        typer.Option(metavar="TOOL", help="Side by side with glazier: cue, plain."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables as Markdown.")
    ] = False,
) -> None:
    """Measure the speed of the engine on this machine."""
    with _exit_codes():
        import json

        from sim.tools import bench

        def say(line: str) -> None:
            typer.echo(line, err=True)

        if against is None:
            rows = bench.relate(list(bench.measure(bench.plan(problems or [], threads), say)))
            report = bench.report
        else:
            rows = bench.compare(problems or [], against, threads, say)
            report = bench.report_comparison
        if as_json:
            typer.echo(json.dumps({"machine": bench.machine(), "results": rows}, indent=2))
        else:
            _print_parts(report(rows, markdown=markdown))
        if not all(row.get("same_physics", True) for row in rows):
            raise typer.Exit(AngiosimError.exit_code)


@contextmanager
def _exit_codes(*, verbose: bool = False) -> Iterator[None]:
    """Turn what goes wrong into one message and an exit code; show the log if `verbose`.

    A picture that could not be drawn is a line, and changes no exit code.
    """
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, PictureWarning):
            typer.echo(f"warning: {message}", err=True)
        else:
            usual(message, category, *where)

    handler = logging.StreamHandler()
    handler.addFilter(lambda record: verbose and not record.exc_info)
    logging.getLogger("sim").addHandler(handler)
    warnings.showwarning = show  # type: ignore[assignment]
    try:
        yield
    except typer.Exit:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if verbose:
            traceback.print_exc()
        notes = map(visible, getattr(error, "__notes__", []))
        typer.echo("; ".join([_message(error), *notes]), err=True)
        stopped = isinstance(error, KeyboardInterrupt)
        otherwise = 128 + signal.SIGINT if stopped else AngiosimError.exit_code
        raise typer.Exit(getattr(error, "exit_code", otherwise)) from None
    finally:
        warnings.showwarning = usual
        logging.getLogger("sim").removeHandler(handler)


def _message(error: BaseException) -> str:
    """Return what to tell the user about an error."""
    if isinstance(error, (AngiosimError, Interrupted)):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "stopped at once"
    if isinstance(error, OSError) and error.strerror:
        return visible(f"{error.filename or 'the disk'}: {error.strerror.lower()}")
    hint = "; `angiosim doctor` may know more" if isinstance(error, ImportError) else ""
    return visible(f"unexpected {type(error).__name__}: {error}") + hint


def _print_cautions(found: list[Problem], file: str = "") -> None:
    """Print what is valid, but may not be as expected."""
    for caution in found:
        typer.echo(f"warning: {file}{': ' if file else ''}{caution}", err=True)


def _run_in(folder: RunFolder, scenario: Scenario, *, quiet: bool, threads: int) -> Result:
    """Run a scenario in its folder; keep what exists when it stops, nothing if it was wrong."""
    from sim import api

    shown = nullcontext() if quiet else api.show_progress()
    try:
        with _stop_at("stopping after this step") as check, shown as show:

            def progress(mcs: int, total: int) -> None:
                if show is not None:
                    show(mcs, total)
                if mcs < total:
                    check()

            return api.execute(scenario, folder=folder, progress=progress, threads=threads)
    except InputError:
        folder.discard()
        raise
    except KeyboardInterrupt as error:
        if (folder.path / "manifest.json").exists():
            error.add_note(f"what exists is in {folder.path}")
        else:
            folder.discard()
        raise
    except Exception as error:
        log.exception("the run could not go on")
        error.add_note(f"see {folder.path / 'run.log'}")
        raise


@contextmanager
def _stop_at(what: str) -> Iterator[Callable[[], None]]:
    """Hold Ctrl-C and SIGTERM back until the check that this gives; a second one is obeyed."""
    caught: list[int] = []

    def note(signum: int, _: FrameType | None) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(signum)
        sys.stderr.write(f"\n{what}; again to stop at once\n")

    def check() -> None:
        if caught:
            raise Interrupted(caught[0])

    before = {signum: signal.signal(signum, note) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield check
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _sweep_in(folder: Path, plan: Plan, *, quiet: bool, **options: Any) -> Study:
    """Make a study's runs in its folder."""
    from sim import api

    with _study_progress(folder, quiet=quiet) as progress:
        return api.sweep_plan(plan, out=folder, progress=progress, **options)


@contextmanager
def _study_progress(folder: Path, *, quiet: bool) -> Iterator[Callable[[Counts], None]]:
    """Give what shows progress; a signal stops the study then, and keeps what has finished."""
    from sim.view.progress import show_study

    shown = nullcontext() if quiet else show_study()
    try:
        with _stop_at("stopping, and keeping what has finished") as check, shown as show:

            def progress(counts: Counts) -> None:
                if show is not None:
                    show(counts)
                check()

            yield progress
    except InputError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        error.add_note(f"what has finished is in {folder}; the same command goes on")
        raise


def _finish_calibration(result: Calibration, *, quiet: bool) -> None:
    """Say what was calibrated, and how well; exit with 3 if trials failed."""
    if not quiet:
        for key, found in result.ranges.items():
            value = result.values[key]
            typer.echo(f"{key} = {value} (calibrated; standard error: {found})")
        fresh, count = result.fresh.objective, len(result.plan.targets)
        typer.echo(
            f"objective {result.objective:.4g} over {count} numbers, trial {result.best.number}"
        )
        if fresh is not None:
            typer.echo(f"objective {fresh:.4g} on fresh seeds: this is the one to show")
        if result.reduced_chi_square is not None:
            typer.echo(f"reduced chi-square {result.reduced_chi_square:.3g}; about 1 is a good fit")
        if result.scatter is not None:
            typer.echo(f"scatter of the replicates adds about {result.scatter:.2g}")
        done, where = f"{len(result.done)} of {len(result.trials)}", visible(str(result.folder))
        typer.echo(f"{done} trials done, in {where}")
        if result.verdict:
            typer.echo(f"warning: {result.verdict}", err=True)
    failures = result.failures
    if failures:
        typer.echo(f"{len(failures)} failed:", err=True)
        for trial in failures[:FAILURES_SHOWN]:
            typer.echo(f"  {visible(str(trial))}", err=True)
        if len(failures) > FAILURES_SHOWN:
            typer.echo(f"  and {len(failures) - FAILURES_SHOWN} more, in trials.csv", err=True)
        raise typer.Exit(SOME_FAILED)


def _finish_study(study: Study, *, quiet: bool) -> None:
    """Say how a study stands; exit with 3 if runs failed or are missing."""
    failures, done = study.failures, study.count("done")
    failed, missing = len(failures), len(study.runs) - done - len(failures)
    hindered = sum(failure.stage == "worker" for failure in failures)
    if not quiet:
        _print_findings(study.whole())
        typer.echo(f"{done} of {len(study.runs)} runs done, in {visible(str(study.folder))}")
        if study.is_shard and not study.whole().is_complete:
            typer.echo("this is one shard; `angiosim merge` analyses the study from all its shards")
        if study.folder is not None and not (study.folder / "results.parquet").exists():
            typer.echo("results.csv only; for results.parquet: pip install 'angiosim[analysis]'")
    if failed > hindered:
        typer.echo(f"{failed - hindered} failed; --retry-failed reruns them:", err=True)
    for number, failure in enumerate(sorted(failures, key=lambda f: f.stage == "worker")):
        if number == failed - hindered:
            what = "failed because of their worker, not their scenario; the next start reruns them:"
            typer.echo(f"{hindered} {what}", err=True)
        if number < FAILURES_SHOWN:
            typer.echo(f"  {visible(str(failure))}", err=True)
    if failed > FAILURES_SHOWN:
        typer.echo(f"  and {failed - FAILURES_SHOWN} more, in ledger.sqlite", err=True)
    if missing:
        folder = shlex.quote(visible(str(study.folder)))
        command = f"angiosim sweep {folder}/study.toml --out {folder}"
        typer.echo(f"{missing} missing: `{command}` runs them", err=True)
    if failed or missing:
        raise typer.Exit(SOME_FAILED)


def _print_findings(study: Study) -> None:
    """Print what a study found, and the files that hold it."""
    from sim.view.study.pictures import findings

    lines = findings(study)
    for line in lines[:FINDINGS_SHOWN]:
        typer.echo(line)
    if len(lines) > FINDINGS_SHOWN:
        typer.echo(f"and {len(lines) - FINDINGS_SHOWN} more")
    if lines and study.folder is not None:
        kinds = (".csv", ".json", ".png")
        names = sorted(path.name for path in study.folder.iterdir() if path.suffix in kinds)
        typer.echo(f"see {', '.join(names)}")


def _print_plan(plan: Plan, runs: list[PlannedRun], folder: Path, workers: int | None) -> None:
    """Print the runs of a plan, a line each; on the standard error, how they stand in all."""
    from sim.api import processors
    from sim.studies.folder import check_owner
    from sim.studies.forecast import SITE_STEP_S, forecast
    from sim.studies.ledger import Ledger
    from sim.studies.table import STUDY
    from sim.view.progress import duration

    check_owner(folder, STUDY, plan.name)
    entries = {}
    if os.path.isfile(folder / "ledger.sqlite"):
        with Ledger(folder / "ledger.sqlite", read_only=True) as ledger:
            entries = ledger.entries()
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
    typer.echo("\n".join(lines))
    found, workers = forecast(plan, runs, entries), workers or processors()
    typer.echo(
        f"{found.total} runs: {found.done} done, {found.failed} failed, {found.left} left",
        err=True,
    )
    if found.left:
        took = duration(max(1.0, found.seconds / min(workers, found.left)))
        basis = (
            f"at the mean time of {found.finished} finished"
            if found.finished
            else f"a rough estimate: {1e9 * SITE_STEP_S:g} ns for each lattice site and step"
        )
        count = f"{workers} worker process{'es' if workers > 1 else ''}"
        typer.echo(f"about {took} for those left, with {count} ({basis})", err=True)


def _console(*, prose: bool = False) -> Console:
    """Return a console that cuts no cell of a table; prose wraps at the width of a terminal."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=not prose)
    if not prose or not console.is_terminal:
        console.width = 10_000  # a terminal wraps lines that are too long for it
    return console


def _print_summary(result: Result, folder: Path) -> None:
    from rich.table import Table

    table = Table(box=None, show_header=False)
    for name, value in result.summary.items():
        table.add_row(name, f"{value:d}" if isinstance(value, int) else f"{value:.4g}")
    table.add_row("folder", visible(str(folder)), style="bold")
    _console().print(table)


def _print_parts(parts: list[RenderableType]) -> None:
    """Print lines and tables, an empty line before each table."""
    console = _console()
    for part in parts:
        if not isinstance(part, str):
            console.print()
        console.print(part)


def _print_pk(result: PK) -> None:
    """Print the calendar, then exposure and inhibition by window."""
    from rich.table import Table

    from sim.pharmacology.dosing import days_of

    drug = result.drug
    table = Table(box=None, pad_edge=False)
    table.add_column("total in plasma, free at the cells", no_wrap=True)
    for name in result.windows:
        table.add_column(name, justify="right", no_wrap=True)
    windows = result.windows.values()
    spans = [(w["start_h"], w["end_h"]) for w in windows]
    days = [days_of(start - result.first_h, end - result.first_h) for start, end in spans]
    table.add_row("days", *(f"{a}" if a == b else f"{a}-{b}" for a, b in days))
    table.add_row("hours", *(f"{round(start, 2):.9g}-{round(end, 2):.9g}" for start, end in spans))
    for key, label in (
        ("cmax_nM", "Cmax, nM"),
        ("tmax_h", "time of Cmax, h"),
        ("auc_nM_h", "AUC, nM h"),
        ("last_nM", "trough, nM"),
        ("cmax_free_nM", "free Cmax, nM"),
        ("last_free_nM", "free trough, nM"),
    ):
        table.add_row(label, *(_digits(w[key]) for w in windows))
    for receptor, ic50 in result.potency.ic50_nM.items():
        for key, label in (
            ("mean", "inhibited, mean"),
            ("highest", "highest"),
            ("last", "at end"),
            ("above_ic50", f"time above {ic50:g} nM"),
        ):
            percents = (f"{100 * w['inhibition'][receptor][key]:.0f} %" for w in windows)
            table.add_row(f"{receptor} {label}", *percents)
    listed = f"{len(result.doses)} dose{'' if len(result.doses) == 1 else 's'} listed"
    lines = [
        f"{drug.name}, {drug.species}, kp_uu {drug.kp_uu:g}",
        str(result.regimen) if result.regimen else listed,
        f"terminal half-life {result.half_life_h:.4g} h",
    ]
    if result.accumulation is not None:
        lines.append(f"accumulation over the first cycle {result.accumulation:.3g}-fold")
    words = {"half_life_h": "half-life, h", "cmax_nM": "Cmax, nM", "auc_nM_h": "AUC, nM h"}
    spread = [
        f"population {words.get(name, 'at the end, nM')}: {_digits(found['p50'])} "
        f"({_digits(found['p5'])}-{_digits(found['p95'])}, 5th-95th percentile)"
        for name, found in result.population.items()
    ]
    _print_parts(["\n".join(lines), table, *spread])


def _digits(value: float) -> str:
    """Return a number with four significant digits, in plain figures below a million."""
    return f"{float(f'{value:.4g}'):g}"


def _copy(source: Path, target: Path) -> Path:
    """Copy a scenario to a new file, or into a folder; never over anything."""
    target = target / source.name if os.path.isdir(target) else target
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{target}: {(error.strerror or str(error)).lower()}") from error
    return target


def _nearest(name: str, known: dict[str, Path]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; `angiosim scenarios` lists them"
