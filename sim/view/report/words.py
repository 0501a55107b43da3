"""An experiment in words: plain sentences from its resolved scenario."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sim import data
from sim.assays import assay
from sim.errors import shown
from sim.scenario.classes import ligands_of
from sim.scenario.exposure import fraction_unbound, pk_label, potency_label, potency_of, regimen_of
from sim.scenario.ligands import Ligand
from sim.scenario.partner import of_partner
from sim.scenario.schema import LatticeScenario, Scenario
from sim.scenario.treatment import Drug
from sim.view.report.part import capital, counted, listed
from sim.view.style import number

BORDERS = {"walls": "walls around it", "periodic": "opposite edges that meet"}
SEEDED = {
    "random": "placed at random without overlap",
    "grid": "placed on a regular grid",
    "blob": "in one round cluster",
    "confluent": "in a layer without gaps",
    "image": "as a label picture has them",
}


def experiment(scenario: Scenario, compared: Collection[str] = ()) -> list[str]:
    """Return what is done in a run, a paragraph each: assay, medium, drug, duration.

    Parameters
    ----------
    scenario : Scenario
    compared : collection of str
        Keys in which the runs of a study differ.
    """
    paragraphs = (
        [*_assay(scenario)], [*_medium(scenario, compared)], [*_drugs(scenario, compared)],
        [*_time(scenario)],
    )  # fmt: skip
    return [" ".join(sentences) for sentences in paragraphs if sentences]


def of_base(base: Scenario, compared: Collection[str] = ()) -> list[str]:
    """Return what the runs of a study have in common, a paragraph each; see `experiment`."""
    first, *others = experiment(base, compared)
    return [f"All runs, unless said otherwise: {first[:1].lower()}{first[1:]}", *others]


def of_body(base: Scenario, compared: Collection[str] = ()) -> list[str]:
    """Return what is given to a body, without any tissue; see `experiment`."""
    return [" ".join(_drugs(base, compared))]


def given(scenario: Scenario) -> str:
    """Return ligands and drugs in a line, for a table."""
    words = [_ligand(name, one) for name, one in ligands_of(scenario).items() if _is_given(one)]
    for one in (scenario, *([of_partner(scenario)] if scenario.partner is not None else [])):
        drug = one.drug
        if drug is None:
            continue
        if drug.exposure == "pk":
            dose = str(regimen_of(drug) or counted(len(drug.doses), "dose")).splitlines()[0]
            words.append(f"{drug.name} {dose} ({drug.species})")
        elif drug.exposure == "schedule" or drug.free_nM or drug.nominal_nM:
            words.append(f"{drug.name} {_in_medium(drug)}")
    return "; ".join(words) or "neither growth factor nor drug"


def _assay(scenario: Scenario) -> Iterator[str]:
    own = assay(scenario.assay)
    yield f"Assay: {own.name.replace('_', ' ')}, {own.title}."
    x, y = scenario.domain.size_um
    spacing = scenario.domain.spacing_um
    if not isinstance(scenario, LatticeScenario):
        yield f"The tissue is {x:,g} × {y:,g} µm, in voxels of {spacing:g} µm."
    else:
        yield (
            f"The domain is {x:,g} × {y:,g} µm (substrate: {scenario.domain.substrate}), a lattice "
            f"of sites of {spacing:g} µm with {BORDERS[scenario.domain.boundary]}."
        )
        yield from _cells(scenario)


def _cells(scenario: LatticeScenario) -> Iterator[str]:
    cells = scenario.cells
    if cells.count is not None:
        many = counted(cells.count, "endothelial cell")
    elif cells.density_per_mm2 is not None:
        many = f"{cells.density_per_mm2:g} endothelial cells per mm²"
    else:
        many = "Endothelial cells"
    line = str(data.read("lines", cells.line).get("remark", cells.line)
               if cells.line in data.names("lines") else cells.line)  # fmt: skip
    yield f"{many} are {SEEDED[cells.seeding]}; the cell line is {line}."
    for name, kind in scenario.types.items():
        yield f"With them are {counted(kind.count, 'cell')} of another type, {name}."
    does = [what for what, on in (("divide", cells.division), ("die", cells.death)) if on]
    yield f"Cells {'may ' if does else 'neither divide nor die'}{' and '.join(does)}."
    if not scenario.signalling.enabled:
        yield "They have no receptors: neither growth factors nor drugs act on them."


def _is_given(ligand: Ligand) -> bool:
    return bool(ligand.gradient or ligand.bath_ng_ml or ligand.media)


def _ligand(name: str, ligand: Ligand) -> str:
    """Return how much of a growth factor there is."""
    if (gradient := ligand.gradient) is not None:
        low, high = gradient.low_ng_ml, gradient.high_ng_ml
        if low == high:
            return f"{name}, held at {low:g} ng/mL"
        return f"{name} in a held gradient from {low:g} to {high:g} ng/mL along {gradient.axis}"
    later = [f"{one.bath_ng_ml:g} ng/mL from {one.at_h:g} h on" for one in ligand.media]
    return f"{name} {', '.join([f'{ligand.bath_ng_ml:g} ng/mL', *later])}"


def _medium(scenario: Scenario, compared: Collection[str]) -> Iterator[str]:
    ligands = ligands_of(scenario)
    if differ := [name for name in ligands if _is_compared(f"ligands.{name}", compared)]:
        yield f"Runs differ in {listed(differ)}."
    ligands = {name: one for name, one in ligands.items() if name not in differ}
    there = [_ligand(name, one) for name, one in ligands.items() if _is_given(one)]
    none = [name for name, one in ligands.items() if not _is_given(one)]
    if there:
        yield f"The medium contains {listed(there)}."
    if none:
        verb = "is" if len(none) == 1 else "are"
        yield f"{listed(none)} {verb} not added."


def _in_medium(drug: Drug) -> str:
    """Return how much of a drug there is in the media."""
    if drug.exposure == "schedule":
        later = [
            f"{_amount(one.free_nM, one.nominal_nM)} from {one.at_h:g} h on" for one in drug.media
        ]
        return listed(later) or "in no medium"
    return _amount(drug.free_nM, drug.nominal_nM)


def _amount(free_nM: float, nominal_nM: float | None) -> str:
    return f"{free_nM:g} nM unbound" if nominal_nM is None else f"{nominal_nM:g} nM in all"


def _is_compared(table: str, compared: Collection[str]) -> bool:
    """Whether runs differ in a table."""
    return any(key == table or key.startswith(f"{table}.") for key in compared)


def _drugs(scenario: Scenario, compared: Collection[str]) -> Iterator[str]:
    if scenario.drug is None:
        yield "No drug is given."
        return
    yield from _drug(scenario, _is_compared("drug", compared))
    if scenario.partner is not None:
        yield "A second drug is given beside it."
        yield from _drug(of_partner(scenario), _is_compared("partner", compared))


def _drug(scenario: Scenario, compared: bool) -> Iterator[str]:
    """Say what is given of one drug, and what it does to receptors."""
    drug, potency = scenario.drug, potency_of(scenario)
    assert drug is not None
    if compared:
        yield "Runs differ in the drug; this is that of the base."
    if drug.exposure == "pk":
        yield from _dosed(scenario, drug)
    elif drug.exposure == "schedule":
        yield f"The drug is {drug.name}, by a schedule of media: {_in_medium(drug)}."
    elif not (drug.free_nM or drug.nominal_nM):
        control = "" if compared else ": this is a control without drug"
        yield f"The drug is {drug.name} at a concentration of 0{control}."
        if not compared:
            return
    else:
        yield f"The drug is {drug.name}, {_in_medium(drug)} throughout."
    if drug.fraction_unbound_medium is not None:
        yield f"{100 * drug.fraction_unbound_medium:g} % of the drug in the medium is unbound."
    if potency is None:
        return
    each = [f"{name} {value:g} nM" for name, value in potency.ic50_nM.items()]
    resolved = scenario.resolved.drug
    origin = f"; {potency.source}" if potency.source else ""
    yield f"IC50s of unbound drug: {listed(each)} (set {potency_label(drug, resolved)}{origin})."
    stays = [f"{value:g} h on {name}" for name, value in drug.residence_h.items()]
    yield (
        f"Once bound it stays for a mean of {listed(stays)}."
        if stays
        else "Inhibition follows unbound drug at once."
    )


def _dosed(scenario: Scenario, drug: Drug) -> Iterator[str]:
    """Say which doses a body is given, and what of it reaches the cells."""
    who = f"virtual subject {drug.subject}" if drug.subject else "the typical subject"
    regimen = regimen_of(drug)
    if regimen is not None:
        what, *calendar = str(regimen).splitlines()
        yield f"{capital(drug.name)[:-1]} is dosed to a body ({drug.species}, {who}): {what}."
        yield from (capital(line) for line in calendar if _is_sentence(line))
    else:
        doses = [f"{one.amount_mg:g} mg at {one.at_h:g} h" for one in drug.doses[:6]]
        more = [f"{len(drug.doses) - 6} more"] if len(drug.doses) > 6 else []
        yield f"The drug is {drug.name}, dosed to a body ({drug.species}, {who}):"
        yield f"{listed([*doses, *more])}."
    share = f"{100 * fraction_unbound(scenario):g} %"
    times = "as high as" if drug.kp_uu == 1 else f"{drug.kp_uu:g} times"
    yield (
        f"Of the drug in plasma {share} is unbound, and unbound drug at the cells is {times} that "
        f"in plasma (kp_uu = {drug.kp_uu:g})."
    )
    yield f"Pharmacokinetics: {pk_label(scenario)}, {_source(scenario)}."


def _is_sentence(line: str) -> bool:
    """Whether a line of a regimen is one in words, not a row of its calendar."""
    return line[:1].isalpha() and len(set(line)) > 8


def _source(scenario: Scenario) -> str:
    resolved = scenario.resolved.pk
    return resolved.source if resolved is not None and resolved.source else "no source given"


def _time(scenario: Scenario) -> Iterator[str]:
    time = scenario.time
    hours = time.steps * time.mcs_s / 3600
    days = assay(scenario.assay).clock == "d"
    span = f"{hours / 24:.4g} days" if days else f"{hours:.4g} h"
    step = f"{time.mcs_s / 3600:g} h" if time.mcs_s >= 3600 else f"{time.mcs_s:g} s"
    kind = "Monte Carlo step" if isinstance(scenario, LatticeScenario) else "step"
    yield f"The run lasts {span}, {counted(time.steps, kind)} of {step},"
    every = time.steps_per_record * time.mcs_s / 3600
    yield f"and is recorded every {number(every)} h."
    if time.start_h:
        when = f"{abs(time.start_h) / 24:g} days" if days else f"{abs(time.start_h):g} h"
        side = "after" if time.start_h > 0 else "before"
        yield f"It begins {when} {side} time 0 of the drug's schedule."


def varied(values: Sequence[Any]) -> str:
    """Return the values of a key of a study in a line."""
    found = list(dict.fromkeys(map(shown, values)))
    if len(found) > 14:
        return f"{len(found)} values from {found[0]} to {found[-1]}"
    return ", ".join(found)
