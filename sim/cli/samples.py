"""The commands ``nca`` and ``pk-fit``: samples of a drug."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.common import SOME_FAILED, Json, Quiet, exit_codes, say
from sim.cli.lab import print_json, write_new
from sim.cli.tables import digits, print_parts

if TYPE_CHECKING:
    from sim.lab.nca import NCA
    from sim.lab.pk_fit import PKFit

Samples = Annotated[Path, typer.Argument(metavar="TABLE", help="A CSV file, a row for a sample.")]
Time = Annotated[
    str, typer.Option(metavar="COLUMN", help="Times; its name ends in _h, _min or _d.")
]
Conc = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="Concentrations; its name ends in _ng_ml, _mg_L, _nM or the like. 0, BLQ or <0.5 is "
        "below quantification. [default: the only such column]",
        show_default=False,
    ),
]
SubjectColumn = Annotated[
    str | None,
    typer.Option("--subject", metavar="COLUMN", help="Subjects. [default: subject, if there]"),
]
DoseMg = Annotated[float | None, typer.Option(help="The only dose of each subject, at time 0.")]
Doses = Annotated[
    Path | None,
    typer.Option(
        metavar="CSV",
        help="A table of doses instead: time_h, amount_mg, and subject, route, infusion_h.",
    ),
]
Route = Annotated[str, typer.Option(help="How doses are given: oral or iv.")]
InfusionH = Annotated[float, typer.Option(help="How long an i.v. infusion lasts; 0 is a bolus.")]
DrugName = Annotated[
    str | None, typer.Option("--drug", metavar="NAME", help="Drug of the data files, or its file.")
]
MolarMass = Annotated[float | None, typer.Option(help="In g/mol, for molar concentrations.")]
Out = Annotated[Path | None, typer.Option(help="Folder for the files, new or empty.")]


def nca(
    table: Samples,
    time: Time = "time_h",
    conc: Conc = None,
    subject: SubjectColumn = None,
    dose_mg: DoseMg = None,
    doses: Doses = None,
    route: Route = "oral",
    infusion_h: InfusionH = 0.0,
    drug: DrugName = None,
    molar_mass: MolarMass = None,
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Analyse samples of a drug without a model."""
    with exit_codes():
        from sim.lab.nca import nca as analyse

        found = analyse(
            table, time=time, conc=conc, subject=subject, dose_mg=dose_mg, doses=doses,
            route=route, infusion_h=infusion_h, drug=drug, molar_mass=molar_mass,
        )  # fmt: skip
        folder = write_new(found, table, out, "nca")
        if as_json:
            print_json(found)
        elif not quiet:
            _print_nca(found, folder)
        _warn(found, {one.subject: one.notes for one in found.profiles})
        if found.failed:
            raise typer.Exit(SOME_FAILED)


def pk_fit(
    table: Samples,
    time: Time = "time_h",
    conc: Conc = None,
    subject: SubjectColumn = None,
    dose_mg: DoseMg = None,
    doses: Doses = None,
    route: Route = "oral",
    infusion_h: InfusionH = 0.0,
    drug: DrugName = None,
    molar_mass: MolarMass = None,
    compartments: Annotated[
        int | None,
        typer.Option(min=1, max=2, help="Fit this model only. [default: the one of lower AICc]"),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="Of the residuals, y being the fit: 1/y^2, 1/y or 1.")
    ] = "1/y^2",
    species: Annotated[str, typer.Option(help="Whose samples they are.")] = "human",
    out: Out = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit one or two compartments to samples of a drug."""
    with exit_codes():
        from sim.lab.pk_fit import pk_fit as fit

        found = fit(
            table, time=time, conc=conc, subject=subject, dose_mg=dose_mg, doses=doses,
            route=route, infusion_h=infusion_h, drug=drug, molar_mass=molar_mass,
            compartments=compartments, weights=weights, species=species,
        )  # fmt: skip
        folder = write_new(found, table, out, "pk-fit")
        if as_json:
            print_json(found)
        elif not quiet:
            _print_fit(found, folder)
        _warn(found, found.notes)
        if found.failed:
            raise typer.Exit(SOME_FAILED)


def _warn(found: Any, notes: dict[str, tuple[str, ...]]) -> None:
    """Print notes, each once with the subjects that it is of."""
    from sim.lab.samples import warnings_in

    for note in [*found.samples.notes, *warnings_in(notes)]:
        say(f"warning: {note}", err=True)


_TITLES = {
    "cmax": "Cmax", "tmax_h": "tmax\nh", "auc_last": "AUClast", "auc_all": "AUCall",
    "auc_inf": "AUCinf", "extrapolated_percent": "extrapolated\n%", "half_life_h": "half-life\nh",
    "half_life_points": "points", "cl": "CL", "vz": "Vz", "mrt_h": "MRT\nh",
    "auc_tau": "AUCtau",
}  # fmt: skip


def _print_nca(found: NCA, folder: Path) -> None:
    from rich.table import Table

    rows = [one.row() for one in found.profiles]
    several = len({row["subject"] for row in rows}) < len(rows)
    by_mouth = {row["route"] for row in rows} == {"oral"}
    names = [name for name in _TITLES if any(row[name] is not None for row in rows)]
    shown = Table(box=None, pad_edge=False)
    shown.add_column("subject")
    if several:
        shown.add_column("dose at\nh", justify="right")
    for name in names:
        unit = f"\n{found.units[name]}" if name in found.units else ""
        apparent = "/F" if by_mouth and name in ("cl", "vz") else ""
        shown.add_column(_TITLES[name] + apparent + unit, justify="right")
    for row in rows:
        first = [row["subject"]] + [digits(row["dose_h"])] * several
        values = ("-" if row[name] is None else digits(row[name]) for name in names)
        shown.add_row(*first, *values)
    print_parts([shown, f"in {folder}"])


def _print_fit(found: PKFit, folder: Path) -> None:
    from rich.table import Table

    from sim.lab.compartment_fit import DERIVED, UNITS

    tried = ", ".join(f"{number}: {value:.4g}" for number, value in found.aicc.items())
    words = f"{found.compartments} compartment{'s' * (found.compartments > 1)}"
    head = f"{words}, weights {found.weights} (AICc by compartments {tried})"
    shown = Table(box=None, pad_edge=False)
    shown.add_column("subject")
    over = "ka" in found.typical and "F" not in found.typical
    for name in found.typical:
        apparent = "/F" if over and name[0] in "CVQ" else ""
        unit = (UNITS | DERIVED)[name]
        title = name.removesuffix("_h").replace("_", "-") + apparent
        shown.add_column(f"{title}\n{unit}".rstrip(), justify="right")
    for fit in found.fits:
        row = [
            f"{digits(value)}\n{digits(fit.limits[name][0])}-{digits(fit.limits[name][1])}"
            for name, value in fit.values.items()
        ]
        shown.add_row(fit.subject, *row)
    if len(found.fits) > 1:
        shown.add_row("geometric mean", *map(digits, found.typical.values()))
    if found.spread:
        shown.add_row("CV, %", *(digits(100.0 * value) for value in found.spread.values()))
    print_parts([head, shown, f"in {folder}, with drug.toml"])
