"""Commands for one run: ``run`` and ``pk``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.common import (
    Json,
    NoTitle,
    Quiet,
    Settings,
    Strict,
    Verbose,
    Width,
    exit_codes,
    print_cautions,
    print_estimate,
    say,
    stop_at,
)
from sim.cli.tables import print_pk, print_summary
from sim.errors import InputError


def run(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="A scenario file, or the name of a shipped one."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results, new or empty. [default: runs/NAME-sSEED]"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed. [default: the scenario's, or 1]")
    ] = None,
    settings: Settings = None,
    threads: Annotated[
        int,
        typer.Option(
            min=1,
            help="Most threads for a large domain (from 700 x 700 sites on); results are "
            "bit-identical for any number.",
        ),
    ] = 1,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Resume this run in its folder from the newest checkpoint; begin it if there is "
            "none. With a longer time.duration_h, a finished run is extended.",
        ),
    ] = False,
    parent: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DIR[@TIME]",
            help="Instead of FILE: branch from a run at a time (h) of its time series, or from "
            "where it has got to; what --set changes begins there.",
        ),
    ] = None,
    checkpoint_every: Annotated[
        float, typer.Option(metavar="MINUTES", help="Wall time between two checkpoints.")
    ] = 10.0,
    max_hours: Annotated[
        float | None,
        typer.Option(
            metavar="H", help="Save and stop (exit code 5) after this many hours of wall time."
        ),
    ] = None,
    paranoid: Annotated[
        bool,
        typer.Option(
            "--paranoid",
            help="At each record compute areas, energies and mass balances from scratch, and stop "
            "(exit code 4) at the first difference; slower.",
        ),
    ] = False,
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="Draw no pictures into the folder.")
    ] = False,
    film: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Film it at its record times into this new file: .gif, .apng or .mp4.",
        ),
    ] = None,
    strict: Strict = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a scenario; results go into a new folder."""
    with exit_codes(verbose=verbose):
        from sim.assays import flagged
        from sim.kinds import expected
        from sim.runs.estimate import estimate
        from sim.runs.into import run_into
        from sim.scenario.cautions import cautions, of_source
        from sim.scenario.resolve import load
        from sim.scenario.settings import parse_settings
        from sim.view.progress import show_run

        overrides, branch = parse_settings(settings or []), None
        if parent is not None:
            if file is not None:
                raise InputError("give either a scenario, FILE, or the run to branch --from")
            if seed is not None:
                raise InputError("--seed: a branch has the seed of its parent; leave it out")
            from sim.runs.branch import branch_of

            scenario, branch = branch_of(parent, overrides, strict=strict)
        elif file is None:
            raise InputError("give a scenario, FILE, or the run to branch --from")
        else:
            with expected("scenario", file):
                scenario = load(file, overrides, seed)
        if not quiet:
            print_cautions([*of_source(file), *cautions(scenario)])
            print_estimate(estimate(scenario))
        observers = []
        if film is not None:
            from sim.view.film.film import free_path
            from sim.view.film.observer import Film

            observers.append(Film(free_path(film) if resume else film))
        shown = nullcontext() if quiet else show_run()
        with stop_at("stopping after this step", first=2) as check, shown as show:

            def progress(mcs: int, total: int) -> None:
                if show is not None:
                    show(mcs, total)
                if mcs < total:
                    check()

            result = run_into(
                out, scenario, observers=observers, progress=progress,
                threads=threads, pictures=not no_pictures, resume=resume,
                checkpoint_every_min=checkpoint_every, max_hours=max_hours, branch=branch,
                paranoid=paranoid, strict=strict,
            )  # fmt: skip
        for line in flagged(result.summary):
            say(f"warning: {line}", err=True)
        if not quiet:
            print_summary(result)


def diff(
    one: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")],
    other: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of another.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Show where two runs first differ; exit code 1 if they do."""
    with exit_codes():
        import json
        from dataclasses import asdict

        from sim.files import plain
        from sim.tools.diff import compare

        found = compare(one, other)
        if as_json:
            tree = {"equal": found.equal, **asdict(found)}
            say(json.dumps(plain(tree), indent=2, ensure_ascii=False))
        else:
            say(str(found))
        if not found.equal:
            raise typer.Exit(1)


def pk(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="Scenarios that dose a body (exposure = pk); several are put side by side.",
        ),
    ],
    subjects: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Virtual subjects for percentile bands.")
    ] = None,
    at_least: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OF.STATISTIC=VALUE",
            help="A target as in a design, such as inhibition.VEGFR2.mean=0.5: what it comes to, "
            "and the share of --subjects in whom it holds; may be repeated.",
        ),
    ] = None,
    at_most: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OF.STATISTIC=VALUE", help="The same of an upper bound: total_ng_ml.max=60."
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="Window of the targets: last cycle, first day, day N, schedule or steady."
            " [default: last cycle]",
            show_default=False,
        ),
    ] = None,
    settings: Settings = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the plot to this new file: .png, .pdf or .svg."),
    ] = None,
    width_mm: Width = None,
    no_title: NoTitle = False,
    as_json: Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV: a row for each read-out.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables as Markdown.")
    ] = False,
) -> None:
    """Show a drug in a body: concentrations, exposure, inhibition."""
    with exit_codes():
        import json

        from sim.design.attainment import option_targets, pk_of
        from sim.files import plain
        from sim.input import default_name
        from sim.kinds import expected
        from sim.runs.pk_comparison import PKComparison
        from sim.scenario.cautions import cautions
        from sim.scenario.resolve import load
        from sim.scenario.settings import parse_settings

        if as_json + as_csv + markdown > 1:
            raise InputError("--json, --csv and --markdown: choose one of them")
        if plot is None and (width_mm is not None or no_title):
            raise InputError("--width-mm and --no-title are of the plot: give --plot FILE, too")
        if plot is not None:
            from sim.view import style
            from sim.view.canvas import picture_format
            from sim.view.run.pk import save_pk

            picture_format(plot)
            if plot.exists():
                raise InputError(
                    f"{plot}: file exists, and existing files are never overwritten; choose another"
                )
            if not plot.parent.is_dir():
                raise InputError(f"{plot.parent}: no such folder")
        targets = option_targets(at_least or [], at_most or [], window)
        overrides, scenarios = parse_settings(settings or []), []
        for file in files:
            with expected("scenario", file):
                scenarios.append(load(file, overrides))
            print_cautions(cautions(scenarios[-1]), file if len(files) > 1 else "")
        results = [pk_of(one, overrides, subjects, targets) for one in scenarios]
        names, stems = {one.name for one in scenarios}, [default_name(Path(file)) for file in files]
        by_file = len(names) < len(files) == len(set(stems))  # copies have the same name
        found = PKComparison(dict(zip(stems, results, strict=True)) if by_file else results)
        told = found.to_list()
        if as_json:
            content = plain(told if len(told) > 1 else told[0])
            say(json.dumps(content, indent=2, ensure_ascii=False))
        elif as_csv:
            say(found.csv(), nl=False)
        elif markdown:
            say(found.markdown(), nl=False)
        else:
            print_pk(found.results, told)
        if plot is not None:
            with style.on_page(style.Page(width_mm, title=not no_title)):
                save_pk(found, plot)
