"""The command ``angiosim``.

Whatever is slow to import is imported inside the command that needs it, so that ``--help`` is
fast.
"""

from __future__ import annotations

import gc
import io
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TextIO, cast

import typer

from sim import signals
from sim.cli import (
    designs,
    drugs,
    exports,
    films,
    fitting,
    live,
    measuring,
    pictures,
    plates,
    reports,
    runs,
    samples,
    studies,
)
from sim.cli.common import (
    Group,
    Json,
    Unbroken,
    exit_codes,
    message,
    print_cautions,
    print_estimate,
    say,
)
from sim.cli.tables import console, print_parts
from sim.errors import AngiosimError, InputError, Problem
from sim.version import __version__

app = typer.Typer(
    name="angiosim",
    cls=Group,
    help="In-silico assays of angiogenesis: from the dose of a kinase inhibitor to the network.",
    rich_markup_mode=None,  # plain help comes three times faster
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line."""
    signals.handle(signals.leave)
    logging.raiseExceptions = False  # on a full disk, the one message must not drown
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it does without a home folder
    sys.stderr = cast(TextIO, Unbroken(sys.stderr or io.StringIO()))
    sys.stdout = cast(TextIO, Unbroken(sys.stdout or io.StringIO(), BrokenPipeError))  # | head
    gc.set_threshold(1_000_000)  # imports make many objects and no garbage: a tenth of a run
    try:
        try:
            app(prog_name="angiosim")
        finally:
            gc.freeze()  # else Python searches all objects for garbage as it ends: half a second
            sys.stdout.flush()
    except OSError as error:  # the standard output goes to a full disk
        say(message(error), err=True)
        sys.exit(AngiosimError.exit_code)


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"angiosim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def scenarios(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A shipped scenario to show or copy.")
    ] = None,
    copy_to: Annotated[
        Path | None, typer.Option(help="Copy it to this new file, or into this folder.")
    ] = None,
) -> None:
    """List, show or copy the shipped scenarios, studies and designs."""
    with exit_codes():
        from sim.files import read_toml
        from sim.scenario.shipped import (
            shipped,
            shipped_calibrations,
            shipped_designs,
            shipped_studies,
        )

        studies, calibrations = shipped_studies(), shipped_calibrations()
        designs = shipped_designs()
        known = {**shipped(), **studies, **calibrations, **designs}
        titles = {
            next(iter(designs)): "designs, for angiosim design:",
            next(iter(studies)): "studies, for angiosim sweep:",
            next(iter(calibrations)): "calibrations, for angiosim calibrate:",
        }
        if name is None:
            if copy_to is not None:
                raise InputError(
                    "--copy-to needs a scenario: angiosim scenarios NAME --copy-to PATH"
                )
            width = max(map(len, known), default=0)
            for each, path in known.items():
                if each in titles:
                    say(f"\n{titles[each]}")
                say(f"{each:<{width}}  {read_toml(path).get('description', '')}".rstrip())
            return
        if name not in known:
            raise InputError(f"no shipped scenario is called {name!r}{_nearest(name, known)}")
        if copy_to is None:
            say(known[name].read_text(encoding="utf-8"), nl=False)
        else:
            say(f"copied to {_copy(known[name], copy_to)}")


def validate(
    files: Annotated[
        list[str], typer.Argument(help="Files of any kind, or names of shipped.", metavar="FILE")
    ],
) -> None:
    """Check scenarios, studies and other files; report all errors."""
    with exit_codes():
        wrong = False
        for file in files:
            try:
                found, needs = _cautions(file)
            except InputError as error:
                say(str(error), err=True)
                wrong = True
            else:
                label = file if len(files) > 1 else ""
                print_cautions(found, label)
                say(f"{file}: valid")
                if needs is not None:
                    needs(label)
        if wrong:
            raise typer.Exit(InputError.exit_code)


def describe(
    key: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A key such as cells.density_per_mm2, a read-out or readouts for all, a drug, or "
            "the file of one.",
        ),
    ] = None,
) -> None:
    """Explain a key, read-out or drug: unit, default, source."""
    with exit_codes():
        from sim.tools.describe import describe as look_up

        console(prose=True).print(look_up(key))


def doctor() -> None:
    """Check this installation and suggest fixes."""
    with exit_codes():
        from sim.tools.doctor import examine, report

        findings = examine()
        say(report(findings))
        if any(finding.fix for finding in findings):
            raise typer.Exit(AngiosimError.exit_code)


def bench(
    problems: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PROBLEM",
            help="cue, cue_double, plain, openvt, tube_formation, all_ligands: steps of a model;"
            " threads, size: how they scale; startup, runs: whole commands and runs; large: 1 cm^2;"
            " compile: kernels of each scenario; both take minutes."
            " [default: all but large and compile]",
            show_default=False,
        ),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, max=1024, help="Threads of a model; with threads, the most.")
    ] = 1,
    against: Annotated[
        str | None,
        typer.Option(metavar="TOOL", help="Compare with glazier (cue, cue_double, plain)."),
    ] = None,
    as_json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the tables as Markdown.")
    ] = False,
) -> None:
    """Measure the speed of the engine on this machine."""
    with exit_codes():
        import json

        from sim.tools import bench

        note = partial(say, err=True)
        if against is None:
            rows = bench.relate(list(bench.measure(bench.plan(problems or [], threads), note)))
            report = bench.report
        else:
            rows = bench.compare(problems or [], against, threads, note)
            report = bench.report_comparison
        if as_json:
            say(json.dumps({"machine": bench.machine(), "results": rows}, indent=2))
        else:
            print_parts(report(rows, markdown=markdown))
        if not all(row.get("same_physics", True) for row in rows):
            raise typer.Exit(AngiosimError.exit_code)


def _cautions(file: str) -> tuple[list[Problem], Callable[[str], None] | None]:
    """Return the warnings about a valid file, and what prints, with a label, what it needs."""
    from sim.kinds import kind_of

    match kind_of(file):
        case "study":
            from sim.studies.file import plan_study
            from sim.studies.forecast import forecast

            plan = plan_study(file)
            found = forecast(plan, plan.runs, {})
            return plan.cautions, lambda label: studies.print_forecast(found, file=label)
        case "calibration":
            from sim.calibration import runner
            from sim.calibration.file import plan_calibration

            fit = plan_calibration(file)
            return fit.cautions, lambda label: studies.print_forecast(
                runner.forecast(fit), file=label, planned=False
            )
        case "design":
            from sim.design import tissue
            from sim.design.file import plan_design

            design = plan_design(file)
            if not (in_tissue := tissue.forecast(design)):
                return design.cautions, None
            return design.cautions, lambda label: studies.print_forecast(
                in_tissue, file=label, planned=False
            )
        case "plate map":
            from sim.lab.wells import read_map

            read_map(file)
            return [], None
        case "drug":
            from sim.pharmacology.drug_file import placeholders, read_drug_file

            return list(placeholders(read_drug_file(Path(file)), "")), None
    from sim.runs.estimate import estimate
    from sim.scenario.cautions import cautions, of_source
    from sim.scenario.resolve import load

    scenario = load(file)
    needs = estimate(scenario)
    return [*of_source(file), *cautions(scenario)], lambda label: print_estimate(needs, label)


def _copy(source: Path, target: Path) -> Path:
    """Copy a scenario to a new file, or into a folder; existing files are never overwritten."""
    from sim.files import write_new_text

    target = target / source.name if os.path.isdir(target) else target
    try:
        write_new_text(target, source.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{target}: {(error.strerror or str(error)).lower()}") from error
    return target


def _nearest(name: str, known: dict[str, Path]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else "; `angiosim scenarios` lists them"


for command in (
    runs.run, live.view, runs.diff, runs.pk, designs.design, studies.sweep, studies.merge,
    studies.calibrate, pictures.draw, films.film, reports.report, exports.export, fitting.fit,
    measuring.measure, plates.plate, samples.nca, samples.pk_fit,
    scenarios, validate, describe, doctor, bench,
):  # fmt: skip
    app.command()(command)
app.add_typer(drugs.drug, name="drug")
