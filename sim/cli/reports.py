"""The command ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.common import SOME_FAILED, Quiet, exit_codes, say


def report(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR...",
            help="Folders of runs, studies, calibrations, designs, fits, plates or measurements; "
            "several are put side by side.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page, a new file. [default: report.html in DIR, or of several in the working "
            "folder]",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print where the page is as JSON.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write one page about results, to send to a colleague."""
    with exit_codes():
        import json

        from sim.view.report.report import write_report

        made = write_report(folders, out)
        for line in made.missing:
            say(f"warning: {line}", err=True)
        if as_json:
            of = [
                {"folder": str(folder), "kind": part.kind, "name": part.title}
                for folder, part in zip(folders, made.parts, strict=True)
            ]
            tree = {"report": str(made.path), "of": of, "missing": made.missing}
            say(json.dumps(tree, indent=2, ensure_ascii=False))
        elif not quiet:
            say(str(made.path))
        if made.missing:
            raise typer.Exit(SOME_FAILED)
