"""The command ``measure``: networks on pictures of a lab."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sim.cli import plates
from sim.cli.common import SOME_FAILED, Json, Quiet, exit_codes, say

if TYPE_CHECKING:
    from sim.lab.folder import Measurements


def measure(
    source: Annotated[
        Path, typer.Argument(metavar="PICTURE", help="A picture, or a folder of pictures.")
    ],
    um_per_px: Annotated[
        float | None,
        typer.Option(
            metavar="UM", help="Side of a pixel in um. [default: what the file says]",
            show_default=False,
        ),
    ] = None,
    mode: Annotated[
        Literal["auto", "phase", "fluorescence", "mask"],
        typer.Option(help="What the pictures show; a mask is black and white."),
    ] = "auto",
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="PART",
            help="The part to measure, in pixels: x,y,width,height or circle:x,y,radius of a well."
            " [default: all]",
            show_default=False,
        ),
    ] = None,
    plane: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Plane of files with several. [default: the last in time, then the sharpest]",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--setting", metavar="NAME=VALUE",
            help="Change a setting of the method, as settings.csv lists them; may be repeated.",
        ),
    ] = None,
    plate: Annotated[
        Path | None,
        typer.Option(
            metavar="MAP",
            help="A plate map: what is in the well of each picture; as for angiosim plate.",
        ),
    ] = None,
    as_: Annotated[
        Literal["angiogenesis-analyzer"] | None,
        typer.Option(
            "--as",
            help="Give the counts of that ImageJ macro, by its rules and under its names.",
            show_default=False,
        ),
    ] = None,
    assay: Annotated[
        Literal["tubes", "wound", "spheroid"],
        typer.Option(help="What is measured; pictures of a scratch or spheroid are one series."),
    ] = "tubes",
    interval_h: Annotated[
        float | None,
        typer.Option(
            metavar="H", help="Hours from one picture of a series to the next.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="A new or empty folder. [default: NAME-measured beside PICTURE]"),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Measure networks, scratches or spheroids on pictures."""
    with exit_codes():
        import json
        from contextlib import nullcontext

        from sim.errors import InputError
        from sim.files import plain
        from sim.lab.folder import measure_into, options_of
        from sim.lab.wells import read_map
        from sim.scenario.settings import parse_setting
        from sim.view.progress import show_run

        if plate is not None and assay != "tubes":
            raise InputError("--plate needs --assay tubes: a series of pictures is of one well")
        plate_map = None if plate is None else read_map(plate)
        changes = dict(map(parse_setting, settings or []))
        options = options_of(um_per_px, mode, crop, plane, changes, as_, assay, interval_h)
        several = source.is_dir() and assay == "tubes"  # a series is measured as one
        shown = nullcontext() if quiet or not several else show_run("pictures")
        with shown as progress:
            found = measure_into(source, options, out, progress)
        for note in [] if quiet else found.notes:
            say(note, err=True)
        for row in found.rows:
            for what in filter(None, [row["error"], row.get("doubts")]):
                say(f"warning: {row['picture']}: {what}", err=True)
        joined = None
        if plate_map is not None and found.folder is not None:
            from sim.lab.plate import plate as join

            joined = join(plate_map, found)
            joined.write(found.folder)
        if as_json:
            tree: dict[str, Any] = {
                "folder": str(found.folder),
                "settings": options.table(),
                "pictures": found.rows,
            }
            if joined is not None:
                tree["plate"] = joined.to_dict()
            say(json.dumps(plain(tree), indent=2, ensure_ascii=False))
        elif not quiet:
            _print(found)
            if joined is not None:
                plates.print_plate(joined)
        if joined is not None:
            plates.warn(joined)
        if found.failed:
            raise typer.Exit(SOME_FAILED)


SHOWN = (
    "tube_length_mm", "tube_length_px", "junctions", "meshes", "covered_fraction", "Nb Junctions",
    "Nb meshes", "Tot. lenght", "Nb master segments",
    "closure_percent", "gap_area_um2", "gap_area_px2", "sprouts", "cumulative_length_um",
    "cumulative_length_px",
)  # fmt: skip
"""Read-outs of a folder of pictures that are printed; the table has all."""


def _print(found: Measurements) -> None:
    """Print all read-outs of a picture, or some of many; and where all are."""
    from rich.table import Table

    from sim.cli.tables import console, digits

    def words(value: Any) -> str:
        return digits(value) if isinstance(value, float) else str(value)

    rows = [row for row in found.rows if not row["error"]]
    table = Table(box=None, show_header=len(rows) > 1)
    if len(rows) > 1:
        names = [name for name in SHOWN if any(name in row for row in rows)]
        table.add_column("picture")
        for name in names:
            table.add_column(name, justify="right")
        for row in rows:
            table.add_row(row["picture"], *(words(row.get(name, "")) for name in names))
    else:
        for name, value in (item for row in rows for item in row.items()):
            if name not in ("doubts", "error") and value is not None:
                table.add_row(name, words(value))
    console().print(table)
    console().print(f"folder  {found.folder}")
