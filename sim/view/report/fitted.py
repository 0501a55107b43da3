"""The parts of a report that are about calibrations and designs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.assays import readout
from sim.calibration.file import CalibrationPlan
from sim.calibration.result import NOTE, Calibration
from sim.design.result import COSTS, Design
from sim.errors import shown
from sim.scenario.resolve import load
from sim.scenario.writing import scenario_hash
from sim.studies.table import CALIBRATION, DESIGN
from sim.version import __version__
from sim.view.report.limits import limits_of
from sim.view.report.parameters import by_table, differing, of_drugs, of_table, parameters_of
from sim.view.report.part import Part, Table, capital, counted, definitions, without_empty
from sim.view.report.run import again, made_of, text_of
from sim.view.report.words import of_base, of_body
from sim.view.study.doses import DRUG

FITTED = (
    "A good fit proves little: parameters can compensate for each other, and what the model leaves "
    "out is not in its errors.",
    "The best objective is not a test: it was minimised on its own seeds. The one on fresh seeds "
    "is to be reported.",
)
TYPICAL = (
    "Doses follow from the model of the body and its potencies, which are inputs; a share of "
    "subjects is that of virtual ones, whose spread is quoted from publications."
)


def of_calibration(result: Calibration) -> Part:
    """Return what a report says of a calibration."""
    plan, base = result.plan, load(result.plan.base)
    found = parameters_of(base)
    names = list(dict.fromkeys(target.readout for target in plan.targets))
    fresh = result.fresh.objective
    conditions = {key for condition in plan.conditions for key in condition}
    return Part(
        title=plan.name,
        kind=f"calibration of {counted(len(plan.parameters), 'parameter')}",
        facts={
            "Data": counted(len(plan.targets), "value"),
            "Trials": f"{len(result.done)} of {len(result.trials)} done",
            "Replicates": plan.replicates,
            "Objective": f"{result.objective:.4g} on the seeds of the fit, "
            + ("not known" if fresh is None else f"{fresh:.4g}") + " on fresh seeds",
            "Seed": plan.seed,
            "Version": f"angiosim {__version__}",
            "Scenario": scenario_hash(base)[:12],
        },
        words=[*_fit_words(plan), *of_base(base, {*plan.parameters, *conditions})],
        cautions=[*filter(None, [result.verdict]), *map(str, result.failures[:10]),
                  *map(str, plan.cautions)],
        tables=[_values(result), _matches(result)],
        readouts=[definitions(names)],
        setup=of_table(found, "setup", "Set-up of the assay"),
        differing=differing(found),
        parameters=[*of_drugs(base), *by_table(found)],
        made=made_of(plan.seed, base),
        again=again("angiosim calibrate", CALIBRATION, __version__),
        files={CALIBRATION: text_of(result.folder, CALIBRATION) or plan.text},
        limits=[*FITTED, *limits_of(base)],
        scenario=base,
    )  # fmt: skip


def _fit_words(plan: CalibrationPlan) -> Iterator[str]:
    if plan.description:
        yield capital(plan.description)
    yield (
        f"{counted(len(plan.parameters), 'parameter')} were fitted to "
        f"{counted(len(plan.targets), 'value')} of data under "
        f"{counted(len(plan.conditions), 'condition')}, in {counted(plan.trials, 'trial')} with "
        f"{counted(plan.replicates, 'replicate')} each, by least squares (chi-square)."
    )


def _values(result: Calibration) -> Table:
    rows = []
    ranges = result.ranges
    for key, spread in result.plan.parameters.items():
        low, high = (f"{number:g}" for number in spread.numbers)
        searched = f"{spread.distribution} {low}, {high}"
        rows.append([key, shown(result.values[key]), str(ranges[key]), searched])
    columns = ("key", "calibrated value", "one standard error", "searched")
    return Table("Calibrated values", columns, rows, capital(NOTE.replace("`", "")))


def _matches(result: Calibration) -> Table:
    """Return the data beside what was simulated."""
    rows: list[list[Any]] = []
    for place, target in enumerate(result.plan.targets):
        condition = result.plan.conditions[target.condition]
        set_to = ", ".join(f"{key} = {shown(value)}" for key, value in condition.items())
        when = None if target.time_h is None else target.time_h
        row: list[Any] = [readout(target.readout).label, set_to, when, target.value, target.sd]
        for trial in (result.best, result.fresh):
            match = trial.matches[place] if trial.matches else None
            row += [match.mean, match.residual] if match else [None, None]
        rows.append(row)
    columns = ["read-out", "condition", "time, h", "data", "standard error", "simulated",
               "residual", "fresh seeds", "residual on fresh seeds"]  # fmt: skip
    note = "Residuals are in standard errors of the data."
    return without_empty("Data and calibrated model", columns, rows, note)


def of_design(result: Design) -> Part:
    """Return what a report says of a design."""
    plan, base = result.plan, load(result.plan.base)
    found, vary = parameters_of(base), result.plan.vary
    tissue = any(target.of_tissue for target in plan.targets)
    targets = "; ".join(map(str, plan.targets))
    compared = {vary.key, *(key for one in plan.schedules for key in one.settings)}
    words = [capital(plan.description)] if plan.description else []
    words += [
        f"Sought is the least {vary.key}, from {vary.low:g} to {vary.high:g} {vary.unit}, at which "
        f"all of these hold on each of {counted(len(result.found), 'schedule')}: {targets}.",
    ]
    return Part(
        title=plan.name,
        kind=f"design of {counted(len(result.found), 'schedule')}",
        facts={
            **{_head(DRUG.get(name, name)): value for name, value in result.drug.items()},
            "Subjects": plan.subjects,
            "Seed": plan.seed,
            "Version": f"angiosim {__version__}",
            "Scenario": scenario_hash(base)[:12],
        },
        words=[*words, *(of_base(base, compared) if tissue else of_body(base, compared))],
        cautions=[
            *(f"{one.schedule.name}: {one.reason}" for one in result.found if one.reason),
            *(f"{one.schedule.name}: {note}" for one in result.found for note in one.notes),
            *map(str, plan.cautions),
        ],
        tables=[_schedules(result)],
        differing=differing(found),
        parameters=[*of_drugs(base), *by_table(found)],
        made=made_of(plan.seed, base),
        again=again("angiosim design", DESIGN, __version__),
        files={DESIGN: text_of(result.folder, DESIGN) or plan.text},
        limits=[TYPICAL, *limits_of(base, tissue=tissue)],
        scenario=base,
    )


def _head(words: str) -> str:
    """Return words with a capital; symbols stay as they are."""
    return words if "_" in words else words.capitalize()


def _schedules(result: Design) -> Table:
    """Return the least dose of each schedule, what it gives and what it costs."""
    plan, unit = result.plan, result.plan.vary.unit
    names = [
        target.quantity + (f", {target.unit}" if target.unit else "") for target in plan.targets
    ]
    columns = ["schedule", f"least dose, {unit}", f"strength, {unit}", "subjects in whom all hold",
               *names, *COSTS.values()]  # fmt: skip
    rows: list[list[Any]] = []
    for one in result.found:
        share = None if one.all_share is None else f"{100 * one.all_share:.1f} %"
        reached = [one.reached.get(target) for target in plan.targets]
        rows.append([
            one.schedule.name, one.dose, one.strength, share,
            *(found and found.value for found in reached), *(one.costs.get(name) for name in COSTS),
        ])  # fmt: skip
    return without_empty("The least dose of each schedule", columns, rows)
