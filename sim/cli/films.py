"""The command ``film``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sim.cli.common import Quiet, exit_codes, say, stop_at


def film(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="DIR", help="Folder of a run; several are shown side by side."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The new file: .gif, .apng, .png or .mp4. [default: film.gif in the first DIR]",
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        Literal["gif", "apng", "mp4"] | None,
        typer.Option(
            help="Format: mp4 needs the extra film. [default: by the ending of FILE, or gif]",
            show_default=False,
        ),
    ] = None,
    fps: Annotated[int, typer.Option(min=1, help="Frames per second.")] = 10,
    width_px: Annotated[
        int | None,
        typer.Option(
            metavar="PX",
            help="Width. [default: a whole number of pixels for each site]",
            show_default=False,
        ),
    ] = None,
    cells: Annotated[
        str | None,
        typer.Option(
            metavar="COLOURING",
            help="Colour cells by drive, activity, cell or type, or draw each outline.",
        ),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Field between the cells; needs record.fields."),
    ] = None,
    no_skeleton: Annotated[
        bool, typer.Option("--no-skeleton", help="Draw cells without the skeleton of a network.")
    ] = False,
    label: Annotated[
        list[str] | None,
        typer.Option(help="What a run is called, one for each DIR. [default: its folder]"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print file, frames, size and length as JSON.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Film runs from their frames, one or side by side."""
    with exit_codes():
        import json
        from contextlib import nullcontext

        from sim.view.film.film import Options
        from sim.view.film.film import film as make
        from sim.view.progress import show_run

        options = Options(to, fps, width_px, cells, field, not no_skeleton)
        shown = nullcontext() if quiet or as_json else show_run("frames")
        with stop_at("stopping; the unfinished film is removed", first=0) as check, shown as show:

            def progress(done: int, total: int) -> None:
                if show is not None:
                    show(done, total)
                check()

            made = make(folders, out, options, labels=label or (), progress=progress)
        width, height = made.size_px
        if as_json:
            tree = {
                "film": str(made.path), "frames": made.frames, "width_px": width,
                "height_px": height, "seconds": made.frames / fps,
            }  # fmt: skip
            say(json.dumps(tree, indent=2, ensure_ascii=False))
        elif not quiet:
            say(f"{made.path}: {made.frames} frames of {width} x {height} pixels")
