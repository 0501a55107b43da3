"""The command ``plate``: what is in the wells of a plate, and how good it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.common import Json, Quiet, exit_codes, say
from sim.cli.lab import print_json, write_new
from sim.cli.tables import digits, print_parts

if TYPE_CHECKING:
    from sim.lab.plate import Plate


def plate(
    plate_map: Annotated[
        Path,
        typer.Argument(
            metavar="MAP",
            help="A CSV file with a row for each well: well, drug, dose_nM, ligand, replicate, "
            "control (positive, negative or empty), plate, file; read-outs may follow.",
        ),
    ],
    numbers: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="Read-outs, if the map has none: a table with a column well, or of names of "
            "pictures, or a grid of rows A, B and columns 1, 2.",
        ),
    ] = None,
    readouts: Annotated[
        list[str] | None,
        typer.Option(
            "--readout", metavar="COLUMN", show_default=False,
            help="A read-out; may be repeated. [default: all columns of numbers]",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the files, new or empty. [default: NAME-plate beside the map]",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:  # fmt: skip
    """Join read-outs to the wells of a plate, and check the plate."""
    with exit_codes():
        from sim.lab.plate import plate as join

        found = join(plate_map, numbers, readouts or None)
        folder = write_new(found, plate_map, out, "plate")
        if as_json:
            print_json(found)
        elif not quiet:
            print_plate(found)
            say(f"in {folder}")
        warn(found)


def warn(found: Plate) -> None:
    """Print what was assumed of a plate, and its outliers."""
    for note in found.notes:
        say(f"warning: {note}", err=True)
    for (name, readout), check in found.quality.items():
        for one in check.outliers:
            where = " ".join(filter(None, [name, one.well]))
            say(
                f"warning: {where}: {readout} {digits(one.value)}, where its like have "
                f"{digits(one.expected)} (p = {one.p:.2g}); kept",
                err=True,
            )


def print_plate(found: Plate) -> None:
    """Print a row for each plate and read-out."""
    from rich.table import Table

    several = len(found.plates) > 1
    shown = Table(box=None, pad_edge=False)
    for title in ["plate"] * several + ["read-out"]:
        shown.add_column(title)
    for title in ("positive", "negative", "Z'", "edge, %", "outliers"):
        shown.add_column(title, justify="right")
    for (name, readout), check in found.quality.items():
        edge = "-"
        if check.edge_percent is not None:
            edge = f"{check.edge_percent:+.1f} ({check.edge_low:+.1f} to {check.edge_high:+.1f})"
        z_prime = "-" if check.z_prime is None else f"{check.z_prime:.2f}"
        levels = (_level(check.positive), _level(check.negative))
        shown.add_row(*[name] * several, readout, *levels, z_prime, edge, str(len(check.outliers)))
    print_parts([shown])


def _level(level: Any) -> str:
    if level.mean is None:
        return "-"
    return digits(level.mean) if level.sd is None else f"{digits(level.mean)} ± {digits(level.sd)}"
