"""From a scenario's drug to the exposure of the cells: constant, a schedule of media, or doses."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from sim.pharmacology.compartments import Compartments
from sim.pharmacology.dosing import Dose, Regimen
from sim.pharmacology.drugs import Kinetics, Parameter, Potency, body_weight_kg, load_drug
from sim.pharmacology.exposure import Exposure, Media, Pharmacokinetic, constant
from sim.pharmacology.population import draw_subjects
from sim.scenario import schema


def exposure_of(drug: schema.Drug | None) -> Exposure:
    """The drug around the cells; none at all without a drug."""
    if drug is None:
        return constant(0.0)
    if drug.exposure == "pk":
        return pharmacokinetic(drug)
    if drug.exposure == "schedule":
        return Media(
            tuple(medium.at_h for medium in drug.media),
            tuple(medium.free_nM for medium in drug.media),
        )
    return constant(drug.free_nM)


def pharmacokinetic(drug: schema.Drug, subjects: int | None = None) -> Pharmacokinetic:
    """The drug in one subject, or in that many of the virtual population.

    Raises
    ------
    InputError
        If drug, species and doses are inconsistent.
    """
    found = load_drug(drug.name)
    kinetics = kinetics_of(drug)
    doses = doses_of(drug)
    if subjects is not None:
        model = draw_subjects(kinetics, subjects, drug.population_seed, drug.weight_kg)
    else:
        model = one_subject(drug, kinetics)
    return Pharmacokinetic(
        model, doses, found.unbound(kinetics.species), drug.kp_uu, found.molar_mass
    )


def potency_of(drug: schema.Drug) -> Potency:
    """The drug's potency set, with the IC50s that the scenario gives itself."""
    found = load_drug(drug.name).potency(drug.potency)
    return replace(found, ic50_nM=MappingProxyType({**found.ic50_nM, **drug.ic50_nM}))


def kinetics_of(drug: schema.Drug) -> Kinetics:
    """The drug's pharmacokinetics in its species, with the parameters that the scenario gives."""
    found = load_drug(drug.name).kinetics(drug.species or "", drug.pk_set)
    own = {name: Parameter(value) for name, value in drug.pk.items()}
    return replace(found, parameters=MappingProxyType({**found.parameters, **own}))


def one_subject(drug: schema.Drug, kinetics: Kinetics) -> Compartments:
    """The typical subject, or the one chosen from the virtual population."""
    if drug.subject is None:
        return kinetics.model(drug.weight_kg)
    everyone = draw_subjects(kinetics, drug.subject, drug.population_seed, drug.weight_kg)
    return everyone.subject(drug.subject - 1)


def doses_of(drug: schema.Drug) -> tuple[Dose, ...]:
    """The doses of the scenario's regimen, or its list of doses.

    A dose in mg/kg takes the weight of the species where clearance and volume are per kg too.

    Raises
    ------
    InputError
        If a dose is invalid, needs a body weight, or is i.v. where only CL/F is known.
    """
    kinetics, regimen, weight_kg = kinetics_of(drug), regimen_of(drug), drug.weight_kg
    if weight_kg is None and kinetics.per_kg:
        weight_kg = body_weight_kg(kinetics.species)
    if regimen is None:
        doses = tuple(Dose(**dose.model_dump()) for dose in drug.doses)
        kinetics.check(doses)
    else:
        doses = regimen.doses(weight_kg)
        kinetics.check(doses, "regimen.route")
    return doses


def regimen_of(drug: schema.Drug) -> Regimen | None:
    """The scenario's regimen, if it has one."""
    if drug.regimen is None:
        return None
    given = drug.regimen.model_dump(exclude_none=True)
    for by_number in ("reductions", "late_days", "late_doses"):
        given[by_number] = {int(number): value for number, value in given[by_number].items()}
    return Regimen(**given)
