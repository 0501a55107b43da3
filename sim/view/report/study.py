"""The part of a report that is about a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from sim.analysis.analyse import Analysis
from sim.analysis.arms import arm_of
from sim.analysis.panel import Panel
from sim.assays import FLAGS, assay, readout
from sim.scenario.resolve import load
from sim.scenario.writing import scenario_hash
from sim.studies.plan import Plan
from sim.studies.table import STUDY, Study
from sim.studies.task import DONE
from sim.version import __version__
from sim.view.report.limits import limits_of
from sim.view.report.parameters import by_table, differing, of_drugs, of_table, parameters_of
from sim.view.report.part import (
    MOST_ROWS,
    Part,
    Table,
    capital,
    counted,
    definitions,
    listed,
    table_of,
    without_empty,
)
from sim.view.report.run import again, made_of, text_of
from sim.view.report.words import given, of_base, varied

if TYPE_CHECKING:
    from sim.analysis.dose_response import DoseResponses

CHANCE = (
    "Limits cover chance between replicates only: not what is assumed in the model, nor what its "
    "parameters and potencies might be instead."
)
FEW = "With {} every spread is uncertain itself."
LIMITS_OF_95 = "Values with their 95 % limits."
MOST_FAILURES = 10
MOST_ACROSS = 6  # arms in the columns of a table
WORDS = {
    "ic50": "IC50", "absolute_ic50": "absolute IC50", "hill": "Hill slope", "top": "top",
    "bottom": "bottom", "emax": "largest inhibition, %",
}  # fmt: skip


def of_study(found: Analysis) -> Part:
    """Return what a report says of a study."""
    study, plan = found.study, found.study.plan
    base = load(plan.base)
    parameters = parameters_of(base)
    environments = study.environments
    known = list(dict.fromkeys(one["angiosim"] for one, _ in environments if "angiosim" in one))
    names = _readouts(found)
    return Part(
        title=plan.name,
        kind=f"study of {counted(len(study.runs), 'run')}",
        facts={
            "Assay": listed([name.replace("_", " ") for name in _assays(plan)]),
            "Given in the base": given(base),
            "Runs": f"{study.count(DONE):,} of {len(study.runs):,} done",
            "Replicates": plan.replicates,
            "Seed": plan.seed,
            "Version": f"angiosim {listed(known)}" if known else None,
            "Scenario": scenario_hash(base)[:12],
        },
        words=[*_words(plan), *of_base(base, {key for run in plan.runs for key in run.settings})],
        cautions=[*_cautions(study)],
        tables=[*_tables(found)] or [*_arms(study, names)],
        readouts=[definitions(names)] if names else [],
        setup=of_table(parameters, "setup", "Set-up of the assay"),
        differing=differing(parameters),
        parameters=[*of_drugs(base), *by_table(parameters)],
        made=_made(study),
        again=again("angiosim sweep", STUDY, known[0] if known else __version__),
        files={STUDY: text_of(study.folder, STUDY) or plan.text},
        limits=[CHANCE, *_few(plan), *limits_of(base)],
        scenario=base,
    )


def _words(plan: Plan) -> Iterator[str]:
    """Say what is compared."""
    if plan.description:
        yield capital(plan.description)
    arms: dict[str, dict[str, None]] = {}
    for run in plan.runs:
        for name, arm in run.group.items():
            arms.setdefault(name, {})[str(arm)] = None
    said = [f"{name} ({', '.join(names)})" for name, names in arms.items()]
    if plan.sample is not None:
        said.append(f"{counted(len(plan.parameters), 'parameter')} drawn from distributions: "
                    f"{', '.join(plan.parameters)}")  # fmt: skip
    else:
        said += [
            f"{key} ({varied([run.parameters[key] for run in plan.runs if key in run.parameters])})"
            for key in plan.parameters
        ]
    many = counted(plan.replicates, "replicate")
    yield (
        f"The study compares {counted(len(plan.runs), 'run')}, {many} of each combination of "
        f"{listed(said) or 'one setting'}. The same replicate has the same seed in all of them."
    )
    if plan.from_h is not None:
        yield f"All arms of a replicate branch from one run at {plan.from_h:g} h."


def _assays(plan: Plan) -> list[str]:
    """Return the assays of a study."""
    bases = {id(base): base for base in (plan.base_of(run) for run in plan.runs)}
    return list(dict.fromkeys(load(base).assay for base in bases.values()))


def _readouts(found: Analysis) -> list[str]:
    """Return the read-outs that it is analysed for; all of the assay where it asks for none."""
    plan = found.study.plan
    asked = [*plan.dose_response.get("responses", ()), *plan.sensitivity,
             *plan.course.get("responses", ())]  # fmt: skip
    asked += [one for run in plan.runs for one in run.responses]
    own = assay(load(plan.base).assay).readouts
    return list(dict.fromkeys(asked)) or [one.name for one in own]


def _cautions(study: Study) -> Iterator[str]:
    """Yield what is missing or odd."""
    done, failures = study.count(DONE), study.failures
    if left := len(study.runs) - done - len(failures):
        yield f"{counted(left, 'run')} of {len(study.runs):,} are to be done; nothing is analysed"
    for name, what in FLAGS.items():
        if runs := sum(bool(study.entries[run.key].metrics.get(name)) for run in study.runs):
            yield f"{name} in {runs} of {done} runs: {what}"
    if failures:
        yield f"{counted(len(failures), 'run')} failed, and are left out"
        yield from map(str, failures[:MOST_FAILURES])
    if len(study.environments) > 1:
        yield "its runs were made with different versions or processors"
    yield from map(str, study.plan.cautions)


def _tables(found: Analysis) -> Iterator[Table]:
    """Yield the results of each analysis."""
    if found.panel is not None:
        yield _panel(found.panel)
        if found.panel.found:
            yield _windows(found.panel)
    for curves in found.dose_responses:
        if any(any(fit.doses) for fit in curves.fits.values()):
            yield _fits(curves)
    for one in found.combinations:
        if one.measured:
            words = readout(one.response).words
            yield table_of(f"Combined blockades: {words}", one.table)
    for each in found.sensitivities:
        caption = f"What {readout(each.response).words} depends on"
        table = each.table.drop(columns="response")
        yield table_of(caption, table, "Limits are of 95 %, by bootstrap over the design.")
    if found.courses is not None:
        last = found.courses.table
        caption = f"Read-outs at {last['time_h'].max():g} h, the last time kept"
        yield table_of(caption, last[last["time_h"] == last["time_h"].max()])


def _arms(study: Study, names: list[str]) -> Iterator[Table]:
    """Yield the read-outs of each arm, where the study asks for no analysis of them."""
    arms: dict[str, list[Mapping[str, Any]]] = {}
    for run in study.runs:
        if study.entries[run.key].status == DONE:
            arms.setdefault(arm_of(run, ()), []).append(study.entries[run.key].metrics)
    if not arms:
        return
    rows: list[list[Any]] = [
        [readout(name).label, *(_mean(runs, name) for runs in arms.values())] for name in names
    ]
    if len(arms) <= MOST_ACROSS:
        columns = ["read-out", *arms]
    else:
        columns = ["arm", *(row[0] for row in rows)]
        rows = [[arm, *(row[n] for row in rows)] for n, arm in enumerate(arms, 1)][:MOST_ROWS]
    several = any(len(runs) > 1 for runs in arms.values())
    note = "Mean ± standard deviation of the replicates." * several
    if len(arms) > MOST_ROWS:
        note += f" {len(arms) - MOST_ROWS:,} more arms are in the files of the folder."
    yield Table("Read-outs at the end, by arm", columns, rows, note.strip())


def _mean(runs: list[Mapping[str, Any]], name: str) -> str | None:
    """Return the mean of a read-out over replicates, with its standard deviation."""
    values = [float(one[name]) for one in runs if name in one and isfinite(one[name])]
    if not values:
        return None
    spread = f" ± {stdev(values):.2g}" if len(values) > 1 else ""
    return f"{fmean(values):.4g}{spread}"


def _panel(found: Panel) -> Table:
    """Return the IC50s of all assays."""
    columns = ["assay", "drug", "ligand", "cell line", "read-out", "IC50, nM", "Hill slope", "note"]
    rows = [
        [row.assay.replace("_", " "), row.drug, row.ligand, row.line, readout(row.readout).label,
         row.fit.words(), row.fit.words("hill"), row.note]
        for row in found.rows
    ]  # fmt: skip
    return without_empty("IC50s in all assays", columns, rows, LIMITS_OF_95)


def _windows(found: Panel) -> Table:
    """Return how far the IC50s are from doses that harm cells."""
    rows = [
        [one.row.assay.replace("_", " "), one.row.drug, one.row.ligand,
         readout(one.row.readout).label, one.row.fit.words(), one.line, one.harm_nM, one.value,
         one.source]
        for one in found.found
    ]  # fmt: skip
    columns = ["assay", "drug", "ligand", "read-out", "IC50, nM", "cell line", "harm from, nM",
               "times the IC50", "note"]  # fmt: skip
    return without_empty("Distance to doses that harm cells", columns, rows, LIMITS_OF_95)


def _fits(found: DoseResponses) -> Table:
    """Return the fits of a read-out: each value with its 95 % limits."""
    names = found.differing
    rows: list[list[Any]] = []
    for arm, fit in found.fits.items():
        labels = [found.labels[arm][name] for name in names] or [arm or "all runs"]
        rows.append([*labels, *map(fit.words, WORDS), fit.note])
    unit = f", {found.unit}" if found.unit else ""
    columns = [words + unit * name.endswith("ic50") for name, words in WORDS.items()]
    drug = found.drug or found.dose
    caption = f"Dose-response of {readout(found.response).words} over {drug}"
    return without_empty(caption, [*(names or ["arm"]), *columns, "note"], rows, LIMITS_OF_95)


def _few(plan: Plan) -> list[str]:
    return [FEW.format(counted(plan.replicates, "replicate"))] if plan.replicates < 4 else []


def _made(study: Study) -> dict[str, Any]:
    """Return by what the runs were made."""
    found: dict[str, Any] = made_of(study.plan.seed, load(study.plan.base))
    for place, (environment, number) in enumerate(study.environments, 1):
        label = f"{counted(number, 'run')}" + (f" ({place})" if place > 1 else "")
        known = [f"{name} {value}" for name, value in environment.items()]
        found[label] = ", ".join(known) or "versions not known"
    return found
