"""From a scenario's drug to the exposure of the cells: constant, a schedule of media, or doses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, prod

from sim.pharmacology.compartments import Compartments
from sim.pharmacology.course import Change
from sim.pharmacology.dosing import Dose, Regimen
from sim.pharmacology.drugs import Kinetics, Parameter, Potency
from sim.pharmacology.effect import Agent, Effect
from sim.pharmacology.exposure import Exposure, Media, Pharmacokinetic, constant
from sim.pharmacology.population import draw_potencies, draw_subjects
from sim.scenario.partner import of_partner
from sim.scenario.resolved import ResolvedDrug
from sim.scenario.schema import Scenario
from sim.scenario.treatment import Drug, Interaction, Medium


def exposure_of(scenario: Scenario) -> Exposure:
    """The drug around the cells; none at all without a drug."""
    drug = scenario.drug
    if drug is None:
        return constant(0.0)
    if drug.exposure == "pk":
        return pharmacokinetic(scenario)
    share = drug.fraction_unbound_medium or 1.0
    if drug.exposure == "schedule":
        return Media(
            tuple(medium.at_h for medium in drug.media),
            tuple(_unbound(medium, share) for medium in drug.media),
            share,
        )
    return constant(_unbound(drug, share), share)


def _unbound(given: Drug | Medium, share: float) -> float:
    """The unbound drug of a medium, nM."""
    return given.free_nM if given.nominal_nM is None else given.nominal_nM * share


def effect_of(scenario: Scenario, subjects: int | None = None) -> Effect | None:
    """What the drug and its partner do to receptors over time; None without a drug."""
    drug, potency = scenario.drug, potency_of(scenario, subjects)
    if drug is None or potency is None:
        return None
    in_many = subjects is not None and drug.exposure == "pk"
    exposure = pharmacokinetic(scenario, subjects) if in_many else exposure_of(scenario)
    agents = [Agent(exposure, potency, drug.residence_h)]
    if scenario.partner is not None:
        partner = effect_of(of_partner(scenario), subjects)
        agents += partner.agents if partner else ()
    return Effect(agents)


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
    resolved, regimen = scenario.resolved.pk, regimen_of(drug)
    assert resolved is not None  # of a checked scenario that doses a body
    doses = doses_of(scenario)
    factor_F = prod(one.factor_F for one in drug.interaction if not _dated(one))
    if factor_F != 1.0:
        doses = tuple(
            replace(dose, amount_mg=dose.amount_mg * factor_F) if dose.route == "oral" else dose
            for dose in doses
        )
    return Pharmacokinetic(
        model,
        doses,
        fraction_unbound(scenario),
        drug.kp_uu,
        resolved.molar_mass_g_per_mol,
        regimen.cycle_h if regimen and regimen.steady else None,
        changes_of(drug, doses),
    )


def changes_of(drug: Drug, doses: Sequence[Dose]) -> tuple[Change, ...]:
    """What interactions that begin or end on a day change, in order of time."""
    dated = [one for one in drug.interaction if _dated(one)]
    if not dated:
        return ()
    first_h = drug.regimen.first_h if drug.regimen else min(dose.at_h for dose in doses)
    spans = [
        (
            first_h + 24.0 * ((one.from_day or 1) - 1),
            inf if one.to_day is None else first_h + 24.0 * one.to_day,
            one,
        )
        for one in dated
    ]
    found = []
    for at_h in sorted({time for start_h, end_h, _ in spans for time in (start_h, end_h)} - {inf}):
        holding = [one for start_h, end_h, one in spans if start_h <= at_h < end_h]
        factor_CL = prod(one.factor_CL for one in holding)
        found.append(Change(at_h, factor_CL, prod(one.factor_F for one in holding)))
    return tuple(found)


def _dated(interaction: Interaction) -> bool:
    """Whether it holds on some days only."""
    return interaction.from_day is not None or interaction.to_day is not None


def potency_of(scenario: Scenario, subjects: int | None = None) -> Potency | None:
    """The drug's potency set, with the IC50s that the scenario gives itself; None without drug.

    Those of the scenario's subject, or with `subjects` an IC50 for each.
    """
    drug = scenario.drug
    if drug is None or scenario.resolved.drug is None:
        return None
    found = scenario.resolved.drug.potencies()
    ic50_nM, hill = {**found.ic50_nM, **drug.ic50_nM}, {**found.hill, **drug.hill}
    found = replace(found, ic50_nM=ic50_nM, hill=hill)
    number = subjects or drug.subject
    if not drug.ic50_cv or number is None:
        return found
    everyone = draw_potencies(found, drug.ic50_cv, number, drug.population_seed)
    own = {name: float(values[-1]) for name, values in everyone.items()}
    return replace(found, ic50_nM=everyone if subjects else own)  # type: ignore[arg-type]


def potency_label(drug: Drug, resolved: ResolvedDrug | None = None) -> str:
    """The name of the potency set, with what is not the set's."""
    name = resolved.potency if resolved else drug.potency or "default"
    own = {"IC50": drug.ic50_nM, "slope": drug.hill, "off-rate": drug.residence_h}
    words = [f"{what} of {', '.join(of)}" for what, of in own.items() if of]
    return f"{name} with own {' and '.join(words)}" if words else name


def pk_label(scenario: Scenario) -> str:
    """The name of the set of pharmacokinetics, with what is not the set's."""
    drug, resolved = _dosed(scenario), scenario.resolved.pk
    assert resolved is not None  # of a checked scenario that doses a body
    found = resolved.pk_set
    if drug.pk:
        found += f" with own {', '.join(drug.pk)}"
    if drug.interaction:
        found += f", {len(drug.interaction)} interaction{'s' if len(drug.interaction) > 1 else ''}"
    if drug.covariates:
        found += f", covariates of {', '.join(dict.fromkeys(c.of for c in drug.covariates))}"
    return found


def given_words(scenario: Scenario) -> str:
    """What is given of the drug, in a line."""
    drug = _dosed(scenario)
    if drug.exposure == "pk":
        regimen = regimen_of(drug)
        return str(regimen).splitlines()[0] if regimen else f"{len(drug.doses)} doses listed"
    if drug.exposure == "schedule":
        return f"{len(drug.media)} media"
    return f"{_unbound(drug, drug.fraction_unbound_medium or 1.0):g} nM unbound"


def fraction_unbound(scenario: Scenario) -> float:
    """The unbound share in plasma: the scenario's own, or that of the data file."""
    assert scenario.resolved.pk is not None  # of a checked scenario that doses a body
    return _dosed(scenario).fraction_unbound or scenario.resolved.pk.fraction_unbound


def kinetics_of(scenario: Scenario) -> Kinetics:
    """The drug's pharmacokinetics in its species, with the parameters that the scenario gives."""
    assert scenario.resolved.pk is not None  # of a checked scenario that doses a body
    found = scenario.resolved.pk.kinetics()
    drug = _dosed(scenario)
    own = {name: Parameter(value) for name, value in drug.pk.items()}
    parameters = {**found.parameters, **own}
    for one in drug.covariates:
        value = weight_of(scenario) if one.value is None else one.value
        parameters[one.of] = parameters[one.of].times((value / one.reference) ** one.exponent)
    factor_CL = prod(one.factor_CL for one in drug.interaction if not _dated(one))
    if factor_CL != 1.0:
        parameters["CL"] = parameters["CL"].times(factor_CL)
    return replace(found, parameters=parameters)


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
    weight_kg = weight_of(scenario) if kinetics.per_kg else drug.weight_kg
    doses = planned.doses(weight_kg, drug.height_cm)
    if planned.steady:  # all within one cycle, which has no beginning
        doses = tuple(replace(dose, at_h=dose.at_h % planned.cycle_h) for dose in doses)
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
