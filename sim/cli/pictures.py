"""The command for pictures of results that exist: ``draw``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sim.cli.common import SOME_FAILED, NoTitle, Quiet, Width, exit_codes, say


def draw(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Folder of a run, a study, a calibration or a design."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pictures. [default: DIR]")
    ] = None,
    to: Annotated[Literal["png", "pdf", "svg"], typer.Option(help="Format.")] = "png",
    width_mm: Width = None,
    no_title: NoTitle = False,
    no_skeleton: Annotated[
        bool, typer.Option("--no-skeleton", help="Draw cells without the skeleton of a network.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Draw the pictures of a run or study again; overwrites nothing."""
    with exit_codes():
        from sim.view import style
        from sim.view.folder import pictures_of, save_beside

        drawings, marks = pictures_of(folder)
        with style.on_page(style.Page(width_mm, not no_title, not no_skeleton)):
            paths = save_beside(drawings, folder, out, marks, to)
        if not quiet:
            say("\n".join(map(str, paths)))
        if len(paths) < len(drawings):
            raise typer.Exit(SOME_FAILED)
