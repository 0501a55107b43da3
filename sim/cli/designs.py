"""The command ``design``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sim.cli.common import Json, Quiet, Settings, Verbose, exit_codes, print_cautions, say
from sim.cli.studies import print_forecast, study_progress
from sim.cli.tables import digits, print_parts

if TYPE_CHECKING:
    from sim.design.result import Design


def design(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A design file, or the name of a shipped one.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Its folder: new, or one to resume. [default: runs/NAME]"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Worker processes for tissue targets. [default: one for each processor]"
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of all replicates. [default: the file's, or 1]")
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find the least dose that reaches a target, by schedule."""
    with exit_codes(verbose=verbose):
        import json

        from sim import api
        from sim.design.file import plan_design
        from sim.design.tissue import forecast
        from sim.files import plain
        from sim.kinds import expected
        from sim.scenario.settings import parse_settings
        from sim.studies.folder import default_folder

        with expected("design", file):
            plan = plan_design(file, parse_settings(settings or []), seed)
        if not quiet:
            print_cautions(plan.cautions)
            if needs := forecast(plan):
                print_forecast(needs, workers, planned=False)
        folder = out or default_folder(plan.name)
        tissue = any(target.of_tissue for target in plan.targets)
        with study_progress(folder, quiet=quiet or not tissue, checks=tissue) as progress:
            result = api.design_plan(plan, folder, workers, progress)
        if as_json:
            say(json.dumps(plain(result.to_dict()), indent=2, ensure_ascii=False))
        elif not quiet:
            _print_design(result)


def _print_design(result: Design) -> None:
    """Print the targets, then what each schedule takes, gives and costs."""
    from rich.table import Table

    from sim.design.result import COSTS

    plan = result.plan
    unit = f" ({plan.vary.unit})" if plan.vary.unit else ""
    table = Table(box=None, pad_edge=False)
    table.add_column("schedule", no_wrap=True)
    shown = [f"least dose{unit}"]
    shown += [f"strength{unit}"] * bool(plan.vary.strengths)
    shown += ["subjects, %"] * any(one.all_share is not None for one in result.found)
    for target in plan.targets:
        shown.append(_brief(target))
    over = "steady state" if plan.costs_over == "steady" else plan.costs_over
    for name in (*shown, *(f"{name}\n{over}" for name in COSTS.values())):
        table.add_column(name, justify="right")
    for one in result.found:
        row = [_cell(one.dose)]
        row += [_cell(one.strength)] * bool(plan.vary.strengths)
        if "subjects, %" in shown:
            row.append("" if one.all_share is None else f"{100 * one.all_share:.1f}")
        for target in plan.targets:
            reached = one.reached.get(target)
            row.append(_cell(reached.value if reached else None))
        row += [_cell(one.costs.get(name)) for name in COSTS]
        table.add_row(one.schedule.name, *row)
    about = [f"{name} {value}" for name, value in result.drug.items() if value is not None]
    lines = [", ".join(about), *(f"{n}. {t}" for n, t in enumerate(plan.targets, 1))]
    parts: list[Any] = ["\n".join(lines), table]
    parts += [
        f"{one.schedule.name}: {'no dose' if one.dose is None else 'no strength'}: {one.reason}"
        for one in result.found if one.reason
    ]  # fmt: skip
    parts += [f"{one.schedule.name}: {note}" for one in result.found for note in one.notes]
    parts.append(f"in {result.folder}")
    print_parts(parts)


def _brief(target: Any) -> str:
    """Return a target as the head of a column."""
    return f"{target.quantity.replace(', ', chr(10))}{f', {target.unit}' * bool(target.unit)}"


def _cell(value: float | None) -> str:
    return "-" if value is None else digits(value)
