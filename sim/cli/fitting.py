"""The command ``fit``: dose-responses of a user's table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.common import SOME_FAILED, Json, Quiet, exit_codes, say
from sim.cli.lab import print_json, write_new
from sim.cli.tables import digits, print_parts

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from sim.lab.against import Against
    from sim.lab.checkerboard import Checkerboard
    from sim.lab.fit import Fits

Column = "COLUMN"


def fit(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="A CSV file: a row for each value, or a matrix with a column of doses and a "
            "column for each group or replicate.",
        ),
    ],
    dose: Annotated[
        list[str] | None,
        typer.Option(
            metavar=Column,
            help="Doses; given twice, a checkerboard of two drugs. [default: the column named "
            "dose... or conc..., else the first]",
            show_default=False,
        ),
    ] = None,
    response: Annotated[
        str | None,
        typer.Option(metavar=Column, help="Responses; without it the table is a matrix."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar=Column, help="What tells groups apart; may be repeated."),
    ] = None,
    replicate: Annotated[
        str | None,
        typer.Option(
            metavar=Column,
            help="Plate, day or donor: values of one are paired. Without it all are independent.",
        ),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(
            metavar=Column, help="Says positive (100 %, dose 0) or negative (0 %) of controls."
        ),
    ] = None,
    paired: Annotated[
        bool, typer.Option("--paired", help="Columns of a matrix are whole replicates.")
    ] = False,
    weights: Annotated[
        str,
        typer.Option(
            metavar="WEIGHTS",
            help="equal; variance: one over the variance, found as a power of the mean; or a "
            "column with the standard deviation of each value.",
        ),
    ] = "equal",
    bottom: Annotated[
        float | None, typer.Option(help="Response at infinite dose, if it is known.")
    ] = None,
    top: Annotated[
        float | None, typer.Option(help="Response without drug, if it is known.")
    ] = None,
    hill: Annotated[float | None, typer.Option(help="Slope, if it is known.")] = None,
    inhibition: Annotated[
        bool,
        typer.Option(
            "--inhibition", help="Responses of a checkerboard are inhibitions, as fractions."
        ),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="STUDY",
            help="Folder of a study to compare with, both in percent of their own controls.",
        ),
    ] = None,
    readout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which read-out of the study. [default: that named as the response, else its "
            "first]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the files, new or empty. [default: NAME-fit beside the table]",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit dose-responses of a table of your own."""
    with exit_codes():
        from sim.errors import InputError
        from sim.lab.checkerboard import checkerboard
        from sim.lab.fit import fit as fit_table

        found: Fits | Checkerboard
        notes: list[str] = []
        if dose and len(dose) > 1:
            others = (by, paired, weights != "equal", bottom, top, hill, against, readout)
            if response is None or any(one not in (None, False, []) for one in others):
                raise InputError(
                    "--dose: a checkerboard needs --response, and takes no other option than "
                    "--replicate, --control and --inhibition"
                )
            found = checkerboard(
                table, dose, response, replicate=replicate, control=control, inhibition=inhibition
            )
        elif inhibition:
            raise InputError("--inhibition: goes with two columns of doses, a checkerboard")
        else:
            found = fit_table(
                table, dose[0] if dose else None, response, by or (), replicate=replicate,
                control=control, paired=paired, weights=weights, bottom=bottom, top=top, hill=hill,
                against=against, readout=readout,
            )  # fmt: skip
            notes = [f"{name}: {note}" for name, one in found.groups.items()
                     for note in one.notes()]  # fmt: skip
            notes += found.against.notes if found.against else ()
        folder = write_new(found, table, out, "fit")
        if as_json:
            print_json(found)
        elif not quiet:
            print_parts([*_parts(found), f"in {folder}"])
        for note in [*found.notes, *notes]:
            say(f"warning: {note}", err=True)
        if found.failed:
            raise typer.Exit(SOME_FAILED)


def _parts(found: Fits | Checkerboard) -> list[RenderableType]:
    """Return the tables to print."""
    from sim.lab.checkerboard import Checkerboard

    if isinstance(found, Checkerboard):
        return [_scores(found)]
    if found.against is None:
        return [_curves(found)]
    return [_curves(found), _pairs(found.against)]


def _curves(found: Fits) -> Table:
    """Return a row for each group."""
    from rich.table import Table

    unit = f"\n{found.unit}" if found.unit else ""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("group")
    for title in (f"IC50{unit}", f"absolute IC50{unit}", "slope", "top", "bottom"):
        shown.add_column(title, justify="right")
    for title in ("replicates", "R²", "residual\nerror", "lack of fit\np"):
        shown.add_column(title, justify="right")
    for name, one in found.groups.items():
        words = (one.fit.words(key) for key in ("ic50", "absolute_ic50", "hill", "top", "bottom"))
        how = one.quality
        numbers = (how.r2, how.residual_error, how.lack_of_fit_p)
        cells = ("-" if value is None else digits(value) for value in numbers)
        kind = "paired" if one.fit.paired else "independent"
        shown.add_row(name, *words, f"{one.fit.replicates} {kind}", *cells)
    return shown


def _pairs(against: Against) -> Table:
    """Return a row for each group beside an arm of the study."""
    from rich.table import Table

    unit = f"\n{against.unit}" if against.unit else ""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("group")
    shown.add_column("arm")
    for title in (f"IC50 measured{unit}", f"simulated{unit}", "ratio", "ratio of\nabsolute ones"):
        shown.add_column(title, justify="right")
    for pair in against.pairs:
        ratios = map(str, pair.ratios.values())
        shown.add_row(
            pair.group, pair.arm, pair.measured.fit.words(), pair.simulated.fit.words(), *ratios
        )
    return shown


def _scores(found: Checkerboard) -> Table:
    """Return a row for each expectation."""
    from rich.table import Table

    from sim.lab.checkerboard import words

    shown = Table(box=None, pad_edge=False)
    shown.add_column("expectation")
    shown.add_column("mean excess of inhibition\npercent points", justify="right")
    for name, score in found.scores.items():
        shown.add_row(name, words(score))
    return shown
