"""The command ``export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sim.cli.common import Quiet, exit_codes, say, stop_at


def export(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run or a study.")],
    to: Annotated[
        list[str],
        typer.Option(
            metavar="FORMAT",
            help="tiff: OME-TIFF of cells and fields; vti: VTK image data of both; parquet: "
            "tables, also of a study; graphml: the network; piff: cells for CompuCell3D; labels: "
            "cell ids as PNG and NPY. May be repeated.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the files, new or empty. [default: export in DIR]"),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print folder and files as JSON.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Export a run or a study to the formats of other tools."""
    with exit_codes():
        import json

        from sim.view.export.export import export as write

        with stop_at("stopping; what was exported is removed", first=0) as check:
            made = write(source, to, out, check)
        for note in made.notes:
            say(note, err=True)
        if as_json:
            files = {name: [str(path) for path in paths] for name, paths in made.files.items()}
            tree = {"folder": str(made.folder), "files": files, "notes": made.notes}
            say(json.dumps(tree, indent=2, ensure_ascii=False))
        elif not quiet:
            for name, paths in made.files.items():
                count = f"{len(paths)} file{'s' if len(paths) > 1 else ''}"
                say(f"{name}: {count}, in {made.folder / name}")
