"""The part of a report that is about one run, or about a drug in a body alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.assays import CELLS, DRIVE, assay, flagged, readout
from sim.runs import pk_table
from sim.runs.environment import environments_of
from sim.runs.folder import SCENARIO
from sim.scenario.cautions import cautions
from sim.scenario.schema import Scenario
from sim.scenario.writing import dump, scenario_hash
from sim.version import __version__
from sim.view.progress import duration
from sim.view.report.limits import limits_of
from sim.view.report.parameters import by_table, differing, of_drugs, of_table, parameters_of
from sim.view.report.part import Part, Table, capital, counted, definitions, unit_words
from sim.view.report.words import experiment, given, of_body

if TYPE_CHECKING:
    from sim.runs.pk import PK
    from sim.runs.result import Result

ONE_RUN = (
    "Chance: this is one run with one seed. How far another seed would differ is not shown; runs "
    "with several seeds give means and their spread."
)
RUN, PK_COMMAND = "angiosim run", "angiosim pk"
INSTALL = "pip install angiosim=={version}"


def of_run(result: Result) -> Part:
    """Return what a report says of a run."""
    scenario, manifest = result.scenario, result.manifest
    own = assay(scenario.assay)
    words = experiment(scenario)
    if scenario.description:
        words.insert(0, capital(scenario.description))
    if parent := manifest.get("parent"):
        words.append(_branch(parent))
    found = parameters_of(scenario)
    names = [CELLS.name, *(one.name for one in own.readouts)]
    if has_drive := DRIVE.name in result.timeseries:
        names.append(DRIVE.name)
    values = dict(result.summary)
    if has_drive:
        values[DRIVE.name] = float(result.timeseries[DRIVE.name].iloc[-1])
    return Part(
        title=scenario.name,
        kind=f"run of {own.name.replace('_', ' ')}",
        facts={
            "Assay": own.name.replace("_", " "),
            "Given": given(scenario),
            "Duration": _span(scenario, values.get("time_h", 0.0)),
            capital(readout(own.response).words)[:-1]: _main(own.response, values),
            "Seed": result.seed,
            "Version": f"angiosim {manifest.get('version')}",
            "Scenario": hash_of(manifest, scenario)[:12],
        },
        words=words,
        cautions=[*flagged(result.summary), *_odd(result), *map(str, cautions(scenario))],
        tables=_pk_tables(scenario),
        readouts=[definitions([name for name in names if name in values], values)],
        setup=of_table(found, "setup", "Set-up of the assay"),
        differing=differing(found),
        parameters=[*of_drugs(scenario), *by_table(found)],
        made=_made(manifest),
        again=again(RUN, SCENARIO, manifest.get("version")),
        files={SCENARIO: text_of(result.folder, SCENARIO) or dump(scenario)},
        limits=[ONE_RUN, *limits_of(scenario)],
        scenario=scenario,
        values=values,
    )


def of_pk(result: PK) -> Part:
    """Return what a report says of a drug in a body, without any tissue."""
    scenario, found = result.scenario, parameters_of(result.scenario)
    drugs = [one for one in found if one.table in ("drug", "partner")]
    origin = result.provenance
    words = ["The drug is computed in a body, without any tissue.", *of_body(scenario)]
    if result.subjects:
        words.append(f"Bands are of {counted(result.subjects, 'virtual subject')}.")
    return Part(
        title=scenario.name,
        kind=f"{result.drugs} in a body ({result.drug.species})",
        facts={
            "Given": origin.regimen,
            "Potency": origin.potency,
            "Pharmacokinetics": origin.pk_set,
            "Version": f"angiosim {__version__}",
            "Scenario": origin.scenario_hash[:12],
        },
        words=words,
        cautions=[*origin.warnings, *map(str, cautions(scenario))],
        tables=pk_tables(result),
        differing=differing(drugs),
        parameters=[*of_drugs(scenario), *by_table(drugs)],
        made={"Version": f"angiosim {__version__}", "Scenario hash": origin.scenario_hash},
        again=again(PK_COMMAND, SCENARIO, __version__, _options(result)),
        files={SCENARIO: dump(scenario)},
        limits=limits_of(scenario, tissue=False),
        scenario=scenario,
    )


def pk_tables(result: PK) -> list[Table]:
    """Return exposure and inhibition over the windows of a schedule."""
    told = [result.labelled()]
    halves = result.half_lives
    note = f"Half-life: effective {halves.effective_h:.3g} h, terminal {halves.terminal_h:.3g} h."
    notes = ["; ".join([note, *pk_table.notes(told)])]
    captions = ["Exposure and inhibition by window of the schedule"]
    found = pk_table.tables(told)
    captions += ["Virtual population"] * bool(result.population)
    captions += ["Targets"] * (len(found) - len(captions))
    notes += [""] * (len(found) - 1)
    return [
        Table(caption, titles, rows, note)
        for caption, (titles, rows), note in zip(captions, found, notes, strict=True)
    ]


def _pk_tables(scenario: Scenario) -> list[Table]:
    if scenario.drug is None or scenario.drug.exposure != "pk":
        return []
    from sim.runs.pk import run_pk

    return pk_tables(run_pk(scenario))


def hash_of(manifest: Mapping[str, Any], scenario: Scenario) -> str:
    """Return the hash of a scenario as its run recorded it."""
    return str(manifest.get("scenario_hash") or scenario_hash(scenario))


def text_of(folder: Path | None, name: str) -> str:
    """Return a text file of a folder; nothing where there is none."""
    from sim.files import read_text

    if folder is None or not (folder / name).is_file():
        return ""
    return read_text(folder / name)


def again(command: str, file: str, version: object, options: str = "") -> list[str]:
    """Return the commands that give the same result from a file in this page."""
    return [INSTALL.format(version=version), f"{command} {file}{options}"]


def _options(result: PK) -> str:
    """Return what was asked for beside the scenario."""
    subjects = f" --subjects {result.subjects}" if result.subjects else ""
    targets = "  # with --at-least and --at-most for the targets" if result.targets else ""
    return subjects + targets


def _main(response: str, values: Mapping[str, float]) -> str | None:
    """Return the value of the read-out that a study would fit."""
    if (value := values.get(response)) is None or value != value:
        return None
    return f"{value:.4g} {unit_words(readout(response).unit)}".strip()


def _span(scenario: Scenario, time_h: float) -> str:
    hours = time_h - scenario.time.start_h
    if assay(scenario.assay).clock == "d":
        return f"{hours / 24:.4g} days"
    return f"{hours:.4g} h"


def _branch(parent: Mapping[str, Any]) -> str:
    name = Path(str(parent.get("folder", "another run"))).name
    at = parent.get("time_h")
    when = f" at {at:g} h" if isinstance(at, int | float) else ""
    return f"It branches from the run {name}{when}; before that it is that run."


def _odd(result: Result) -> Iterator[str]:
    """Yield what is unusual about how a run was made."""
    manifest = result.manifest
    if not manifest.get("completed", True):
        yield "the run was stopped before its end: these are the results up to then"
    made = environments_of(manifest)
    if len({tuple(sorted(one.items())) for one in made}) > 1:
        yield (
            "its sessions were made with different versions or processors, so that the last bits "
            "of another run may differ"
        )


def made_of(seed: int, base: Scenario) -> dict[str, Any]:
    """Return what a study, a calibration or a design follows from, and what wrote the report."""
    return {
        "Seed": seed,
        "Hash of the base": scenario_hash(base),
        "Report by": f"angiosim {__version__}",
    }


def _made(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return by what a run was made, and when."""
    platform = manifest.get("platform", {})
    seconds = sum(manifest.get("wall_s", {}).values())
    libraries = [f"{name} {one}" for name, one in manifest.get("libraries", {}).items() if one]
    found = {
        "Version": f"angiosim {manifest.get('version')}",
        "Seed": manifest.get("seed"),
        "Scenario hash": manifest.get("scenario_hash"),
        "Started": manifest.get("started"),
        "Ended": manifest.get("ended"),
        "Sessions": len(manifest.get("sessions", ())) or None,
        "Wall time": duration(seconds) if seconds else None,
        "Threads": manifest.get("threads"),
        "Python": platform.get("python"),
        "System": platform.get("system"),
        "Processor": platform.get("processor") or platform.get("machine"),
        "Libraries": ", ".join(libraries) or None,
    }
    return {name: value for name, value in found.items() if value is not None}
