"""From a scenario's drug to the exposure of the cells: constant, a schedule of media, or doses."""

from __future__ import annotations

from dataclasses import replace

from sim.pharmacology.compartments import Compartments
from sim.pharmacology.dosing import Dose, Regimen
from sim.pharmacology.drugs import Kinetics, Parameter, Potency
from sim.pharmacology.exposure import Exposure, Media, Pharmacokinetic, constant
from sim.pharmacology.population import draw_subjects
from sim.scenario.schema import Scenario
from sim.scenario.treatment import Drug


def exposure_of(scenario: Scenario) -> Exposure:
    """The drug around the cells; none at all without a drug."""
    drug = scenario.drug
    if drug is None:
        return constant(0.0)
    if drug.exposure == "pk":
        return pharmacokinetic(scenario)
    if drug.exposure == "schedule":
        return Media(
            tuple(medium.at_h for medium in drug.media),
            tuple(medium.free_nM for medium in drug.media),
        )
    return constant(drug.free_nM)


def pharmacokinetic(scenario: Scenario, subjects: int | None = None) -> Pharmacokinetic:
    """The drug in one subject, or in that many of the virtual population.

    Raises
    ------
    InputError
        If drug, species and doses are inconsistent.
    """
    drug, kinetics = _dosed(scenario), kinetics_of(scenario)
    weight_kg = weight_of(scenario)
    if subjects is not None:
        model = draw_subjects(kinetics, subjects, drug.population_seed, weight_kg)
    else:
        model = one_subject(drug, kinetics, weight_kg)
    resolved = scenario.resolved.pk
    assert resolved is not None  # of a checked scenario that doses a body
    return Pharmacokinetic(
        model,
        doses_of(scenario),
        resolved.fraction_unbound,
        drug.kp_uu,
        resolved.molar_mass_g_per_mol,
    )


def potency_of(scenario: Scenario) -> Potency | None:
    """The drug's potency set, with the IC50s that the scenario gives itself; None without drug."""
    if scenario.drug is None or scenario.resolved.drug is None:
        return None
    found = scenario.resolved.drug.potencies()
    return replace(found, ic50_nM={**found.ic50_nM, **scenario.drug.ic50_nM})


def kinetics_of(scenario: Scenario) -> Kinetics:
    """The drug's pharmacokinetics in its species, with the parameters that the scenario gives."""
    assert scenario.resolved.pk is not None  # of a checked scenario that doses a body
    found = scenario.resolved.pk.kinetics()
    own = {name: Parameter(value) for name, value in _dosed(scenario).pk.items()}
    return replace(found, parameters={**found.parameters, **own})


def weight_of(scenario: Scenario) -> float:
    """The body weight in kg: the scenario's own, or the typical one of the species."""
    assert scenario.resolved.pk is not None  # of a checked scenario that doses a body
    own = _dosed(scenario).weight_kg
    return scenario.resolved.pk.body_weight_kg if own is None else own


def one_subject(drug: Drug, kinetics: Kinetics, weight_kg: float) -> Compartments:
    """The typical subject, or the one chosen from the virtual population."""
    if drug.subject is None:
        return kinetics.model(weight_kg)
    everyone = draw_subjects(kinetics, drug.subject, drug.population_seed, weight_kg)
    return everyone.subject(drug.subject - 1)


def doses_of(scenario: Scenario) -> tuple[Dose, ...]:
    """The doses of the scenario's regimen, or its list of doses.

    A dose in mg/kg takes the weight of the species where clearance and volume are per kg too.

    Raises
    ------
    InputError
        If a dose is invalid, needs a body weight, or is i.v. where only CL/F is known.
    """
    drug, kinetics = _dosed(scenario), kinetics_of(scenario)
    planned = planned_doses(drug)
    if isinstance(planned, tuple):
        kinetics.check(planned)
        return planned
    doses = planned.doses(weight_of(scenario) if kinetics.per_kg else drug.weight_kg)
    kinetics.check(doses, "regimen.route")
    return doses


def planned_doses(drug: Drug) -> Regimen | tuple[Dose, ...]:
    """The regimen, or the list of doses.

    Raises
    ------
    ScenarioError
        If there are wrong ones among them, whatever the drug.
    """
    return regimen_of(drug) or tuple(Dose(**dose.model_dump()) for dose in drug.doses)


def regimen_of(drug: Drug) -> Regimen | None:
    """The scenario's regimen, if it has one."""
    if drug.regimen is None:
        return None
    given = drug.regimen.model_dump(exclude_none=True)
    for by_number in ("reductions", "late_days", "late_doses"):
        given[by_number] = {int(number): value for number, value in given[by_number].items()}
    return Regimen(**given)


def _dosed(scenario: Scenario) -> Drug:
    assert scenario.drug is not None
    return scenario.drug
