"""Checks of [drug]: name, potency, exposure, media and doses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sim import data
from sim.assays.rules import in_steps, reads, unknown_names
from sim.errors import InputError, Problem, ScenarioError
from sim.pharmacology.drugs import load_drug
from sim.scenario.classes import receptors_of
from sim.scenario.partner import for_partner
from sim.scenario.resolved import ResolvedParameter
from sim.scenario.schema import Scenario
from sim.scenario.treatment import Drug, Medium


@reads("drug.name", "drug.potency", "signalling.receptors:", each="drug")
def _drug(scenario: Scenario) -> Iterator[Problem]:
    drug = scenario.drug
    if drug is None:
        return
    known, potency = data.names("drugs"), scenario.resolved.drug
    own = scenario.resolved.own
    if potency is None and own is None and drug.name not in known:
        hint = data.nearest(drug.name, known)
        yield Problem("drug.name", drug.name, data.one_of(known), hint)
        return
    if potency is None:
        sets = load_drug(drug.name, own).potencies
        hint = data.nearest(str(drug.potency), sets)
        yield Problem("drug.potency", drug.potency, data.one_of(sets), hint)
        return
    for receptor in receptors_of(scenario):
        if receptor in data.names("receptors") and receptor not in potency.ic50_nM:
            yield Problem("drug.potency", drug.potency, f"has no IC50 for {receptor}")
    for key in ("ic50_nM", "hill", "ic50_cv", "residence_h"):
        given = getattr(drug, key)
        yield from unknown_names(f"drug.{key}", given, potency.ic50_nM, "receptor")


# Which keys of [drug] go with which exposure.
_EXPOSURE_KEYS = {
    "constant": ("free_nM", "nominal_nM"),
    "schedule": ("media",),
    "pk": (
        "species",
        "pk_set",
        "pk",
        "regimen",
        "doses",
        "kp_uu",
        "fraction_unbound",
        "weight_kg",
        "height_cm",
        "subject",
        "covariates",
        "interaction",
        "ic50_cv",
    ),
}


@reads("drug.exposure", each="drug")
def _exposure(scenario: Scenario) -> Iterator[Problem]:
    if scenario.drug is None:
        return
    given = scenario.drug.model_dump(exclude_defaults=True)
    for exposure, keys in _EXPOSURE_KEYS.items():
        for key in keys:
            if exposure != scenario.drug.exposure and given.get(key):
                yield Problem(f"drug.{key}", given[key], f"needs drug.exposure = {exposure!r}")


@reads("drug")
def _nominal(scenario: Scenario) -> Iterator[Problem]:
    """All drug of a medium is given instead of the unbound, and needs the unbound share."""
    drug = scenario.drug
    if drug is None:
        return
    every: list[tuple[str, Drug | Medium]] = [("drug", drug)]
    every += [(f"drug.media.{place}", one) for place, one in enumerate(drug.media)]
    for key, one in every:
        if one.nominal_nM is not None and one.free_nM:
            allowed = f"must not be given together with {key}.nominal_nM"
            yield Problem(f"{key}.free_nM", one.free_nM, allowed)
        if one.nominal_nM is not None and drug.fraction_unbound_medium is None:
            allowed = "needs drug.fraction_unbound_medium, the unbound share in this medium"
            yield Problem(f"{key}.nominal_nM", one.nominal_nM, allowed)
    if drug.exposure == "pk" and drug.fraction_unbound_medium is not None:
        allowed = "is of media; plasma has the fraction unbound of the species"
        yield Problem("drug.fraction_unbound_medium", drug.fraction_unbound_medium, allowed)


@reads("drug.exposure", "drug.media", "time")
def _media(scenario: Scenario) -> Iterator[Problem]:
    drug, time = scenario.drug, scenario.time
    if drug is None or drug.exposure != "schedule":
        return
    if not drug.media:
        yield Problem(
            "drug.media", None, "needs at least one medium with exposure = 'schedule'",
            "for instance [{at_h = 0, free_nM = 10}]",
        )  # fmt: skip
    steps = in_steps(time.duration_h, time.duration_mcs, time.mcs_s)
    end_h = time.start_h + steps * time.mcs_s / 3600
    for place, medium in enumerate(drug.media):
        key = f"drug.media.{place}.at_h"
        if place and medium.at_h <= drug.media[place - 1].at_h:
            before = drug.media[place - 1].at_h
            yield Problem(key, medium.at_h, f"must be after the medium before it, at {before:g} h")
        elif medium.at_h >= end_h:
            yield Problem(key, medium.at_h, f"must be before the run ends, at {end_h:g} h")


@reads("drug")
def _dosing(scenario: Scenario) -> Iterator[Problem]:
    drug, resolved = scenario.drug, scenario.resolved.pk
    if drug is None or drug.exposure != "pk":
        return
    wrong = list(_misplanned(drug))
    if resolved is not None:
        wrong += unknown_names("drug.pk", drug.pk, resolved.parameters, "parameter")
        wrong += _covariates(drug, resolved.parameters)
        wrong += _interactions(drug, resolved.parameters)
        if drug.regimen is not None and drug.regimen.dose_mg_per_m2 and drug.species != "human":
            allowed = "needs drug.species = 'human': Mosteller's formula is of people"
            wrong.append(Problem("drug.regimen.dose_mg_per_m2", None, allowed))
    elif scenario.resolved.own is not None or drug.name in data.names("drugs"):
        wrong += _unknown_kinetics(drug, scenario.resolved.own)  # else reported elsewhere
    yield from wrong
    if resolved is not None and not wrong:
        from sim.scenario.exposure import pharmacokinetic  # needs NumPy, which few scenarios do

        yield from _raised(drug, lambda: pharmacokinetic(scenario))


def _misplanned(drug: Drug) -> Iterator[Problem]:
    """Yield what is wrong with doses, whatever the drug."""
    if (drug.regimen is None) == (not drug.doses):
        yield Problem(
            "drug.regimen", None, "give either drug.regimen or drug.doses with exposure = 'pk'",
            "for instance regimen = {dose_mg = 12, on_days = 14, off_days = 7, cycles = 4}",
        )  # fmt: skip
        return
    from sim.scenario.exposure import planned_doses

    yield from _raised(drug, lambda: planned_doses(drug))


def _covariates(drug: Drug, parameters: Mapping[str, object]) -> Iterator[Problem]:
    """Yield what is wrong with what sets the subject apart."""
    for place, one in enumerate(drug.covariates):
        key = f"drug.covariates.{place}"
        if one.of not in parameters:
            hint = data.nearest(one.of, parameters)
            yield Problem(f"{key}.of", one.of, data.one_of(parameters), hint)
        if one.value is None and one.name != "weight_kg":
            yield Problem(f"{key}.value", None, f"is missing: {one.name} of the subject")
        if one.value is not None and one.name == "weight_kg":
            yield Problem(f"{key}.value", one.value, "is drug.weight_kg: give it there")


def _interactions(drug: Drug, parameters: Mapping[str, ResolvedParameter]) -> Iterator[Problem]:
    """Yield what is wrong with interactions."""
    steady = drug.regimen is not None and drug.regimen.cycles == "steady"
    F = parameters.get("F")
    highest = drug.pk.get("F", 0.0 if F is None else F.between[1] if F.between else F.value)
    for place, one in enumerate(drug.interaction):
        key = f"drug.interaction.{place}"
        for end in ("from_day", "to_day"):
            if steady and getattr(one, end) is not None:
                yield Problem(
                    f"{key}.{end}", getattr(one, end),
                    "must be left out in the steady state, which has no days",
                    "give a number of cycles that is long enough to reach it",
                )  # fmt: skip
        if one.to_day is not None and one.to_day < (one.from_day or 1):
            yield Problem(f"{key}.to_day", one.to_day, f"must be at least from_day, {one.from_day}")
        if highest * one.factor_F > 1.0:
            allowed = f"must be at most {1 / highest:.4g}: F, up to {highest:g}, stays below 1"
            yield Problem(f"{key}.factor_F", one.factor_F, allowed)


def _raised(drug: Drug, make: Callable[[], object]) -> Iterator[Problem]:
    """Yield the errors that making something of the drug raises."""
    try:
        make()
    except ScenarioError as error:
        for problem in error.problems:
            yield Problem(f"drug.{problem.key}", problem.value, problem.allowed, problem.hint)
    except InputError as error:
        yield Problem("drug", drug.species, str(error))


def _unknown_kinetics(drug: Drug, own: str | None) -> Iterator[Problem]:
    """Say why the data files have no pharmacokinetics for these names."""
    found = load_drug(drug.name, own)
    if not found.pk:
        yield Problem(
            "drug.name", drug.name,
            "has no pharmacokinetics in its data file, which exposure = 'pk' needs",
        )  # fmt: skip
        return
    for key, name, known in (
        ("species", drug.species, found.pk),
        ("pk_set", drug.pk_set, found.pk.get(drug.species or "", {})),
    ):
        if name not in known:
            allowed = f"{data.one_of(known)} with exposure = 'pk'"
            yield Problem(f"drug.{key}", name, allowed, data.nearest(name or "", known))
            return
    yield Problem("drug.species", drug.species, "has no fraction_unbound in the data file")


@reads("drug", "partner")
def _partner(scenario: Scenario) -> Iterator[Problem]:
    if scenario.partner is not None and scenario.drug is None:
        yield Problem("partner", None, "is the second drug: give [drug], too")


_OF_DRUG = (_drug, _exposure, _nominal, _media, _dosing)
CHECKS = (*_OF_DRUG, _partner, *map(for_partner, _OF_DRUG))
