"""Commands for one run: ``run`` and ``pk``."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from sim.cli.common import Quiet, Settings, Verbose, exit_codes, print_cautions, stop_at
from sim.cli.tables import print_pk, print_summary
from sim.errors import InputError


def run(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A scenario file, or the name of a shipped one.")
    ],
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
    no_pictures: Annotated[
        bool, typer.Option("--no-pictures", help="Draw no pictures into the folder.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run a scenario; results go into a new folder."""
    with exit_codes(verbose=verbose):
        from sim.kinds import expected
        from sim.runs.into import run_into
        from sim.scenario.cautions import cautions
        from sim.scenario.resolve import load
        from sim.scenario.settings import parse_settings
        from sim.view.progress import show_run

        with expected("scenario", file):
            scenario = load(file, parse_settings(settings or []), seed)
        if not quiet:
            print_cautions(cautions(scenario))
        shown = nullcontext() if quiet else show_run()
        with stop_at("stopping after this step") as check, shown as show:

            def progress(mcs: int, total: int) -> None:
                if show is not None:
                    show(mcs, total)
                if mcs < total:
                    check()

            result = run_into(
                out, scenario, progress=progress, threads=threads, pictures=not no_pictures
            )
        if not quiet:
            print_summary(result)


def pk(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A scenario that doses a body (exposure = pk).")
    ],
    subjects: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Virtual subjects for percentile bands.")
    ] = None,
    settings: Settings = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save the plot to this new file: .png, .pdf or .svg."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show a drug in a body: concentrations, exposure, inhibition."""
    with exit_codes():
        import json

        from sim.files import plain
        from sim.kinds import expected
        from sim.runs.pk import run_pk
        from sim.scenario.cautions import cautions
        from sim.scenario.resolve import load
        from sim.scenario.settings import parse_settings

        if plot is not None:
            from sim.view.canvas import picture_format
            from sim.view.run.pk import save_pk

            picture_format(plot)
            if plot.exists():
                raise InputError(
                    f"{plot}: file exists, and existing files are never overwritten; choose another"
                )
            if not plot.parent.is_dir():
                raise InputError(f"{plot.parent}: no such folder")
        with expected("scenario", file):
            overrides = parse_settings(settings or [])
            scenario = load(file, overrides)
        print_cautions(cautions(scenario))
        result = run_pk(scenario, subjects=subjects, overrides=overrides)
        if as_json:
            typer.echo(json.dumps(plain(result.to_dict()), indent=2, ensure_ascii=False))
        else:
            print_pk(result)
        if plot is not None:
            save_pk(result, plot)
