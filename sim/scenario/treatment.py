"""``[drug]`` of a scenario: which inhibitor, how potent, and how it reaches the cells."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator
from pydantic_core import PydanticKnownError

from sim.tables import (
    Hours,
    Kilograms,
    Milligrams,
    NanoMolar,
    Number,
    Ordinal,
    Table,
    Text,
    Whole,
)

LATER = frozenset(
    {
        "covariates", "dose_mg_per_m2", "file", "fraction_unbound", "fraction_unbound_medium",
        "height_cm", "hill", "ic50_cv", "interaction", "nominal_nM", "residence_h",
    }
)  # fmt: skip
"""Keys of later versions: where they are not given, the hash is that of the earlier version."""


class Medium(Table):
    """One change of medium."""

    at_h: Hours = Field(ge=0, description="when this medium is given")
    free_nM: NanoMolar = Field(ge=0, description="unbound drug in it, or else")
    nominal_nM: NanoMolar | None = Field(None, ge=0, description="all drug in it")

    @model_validator(mode="before")
    @classmethod
    def _one_of_them(cls, given: Any) -> Any:
        """Let all drug stand for the unbound."""
        nominal = isinstance(given, dict) and given.get("nominal_nM") is not None
        return {"free_nM": 0.0, **given} if nominal else given


class Dose(Table):
    """One dose of a list."""

    at_h: Hours = Field(ge=0, description="when it is given; of an infusion, its start")
    amount_mg: Milligrams = Field(ge=0, description="amount")
    route: Literal["oral", "iv"] = Field("oral", description="by mouth, or into a vein")
    infusion_h: Hours = Field(0.0, ge=0, description="how long an infusion lasts; 0 is a bolus")


class Interaction(Table):
    """What another drug does to this one, on some days or throughout."""

    factor_CL: Number = Field(1.0, gt=0, description="of the clearance")
    factor_F: Number = Field(
        1.0, gt=0, description="of the absorbed share of oral doses given on these days"
    )
    from_day: Whole | None = Field(
        None, ge=1, description="first day; day 1 begins with the first dose"
    )
    to_day: Whole | None = Field(None, ge=1, description="last day; it lasts for good if unset")


class Covariate(Table):
    """What sets a subject apart: a parameter is multiplied by (value / reference)^exponent."""

    of: Text = Field(description="parameter of the pharmacokinetics: CL, V, ...")
    name: Text = Field(description="what it is; weight_kg takes drug.weight_kg")
    value: Number | None = Field(None, gt=0, description="that of the subject")
    reference: Number = Field(gt=0, description="that of the typical subject")
    exponent: Number = Field(description="0.75 for clearance in the usual allometry, 1 for volume")


def _counted(value: object) -> object:
    if value == "steady" or (type(value) is int and value >= 1):
        return value
    raise PydanticKnownError("literal_error", {"expected": "a whole number or 'steady'"})


Cycles = Annotated[
    int | Literal["steady"],
    PlainValidator(_counted),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"enum": ["steady"]}]}),
]


class Regimen(Table):
    """Doses on a calendar: days on and off, in cycles. Day 1 begins with the first dose."""

    dose_mg: Milligrams | None = Field(None, ge=0, description="each dose")
    dose_mg_per_kg: Number | None = Field(
        None, ge=0, description="each dose by body weight, in mg/kg"
    )
    dose_mg_per_m2: Number | None = Field(
        None, ge=0, description="each dose by body surface, in mg/m2 (Mosteller's formula)"
    )
    every_h: Hours = Field(
        24.0, gt=0, description="time between doses on the days on, which it must fit"
    )
    on_days: Whole = Field(1, ge=1, description="days with doses in a cycle")
    off_days: Whole = Field(0, ge=0, description="days without doses after them")
    cycles: Cycles = Field(
        1,
        description="how many cycles are given, or that they have been given for ever: the steady "
        "state",
    )
    reductions: dict[Ordinal, Number] = Field(
        {}, description="by number of the cycle, the dose from it on, in the unit of the dose"
    )
    loading: Number | None = Field(None, ge=0, description="the first dose of all, if it differs")
    missed_days: tuple[Whole, ...] = Field(
        (), strict=False, description="numbers of days without the dose, counted from 1"
    )
    missed_doses: tuple[Whole, ...] = Field(
        (), strict=False, description="numbers of doses not taken, counted from 1 over all cycles"
    )
    late_days: dict[Ordinal, Hours] = Field(
        {}, description="by number of the day, hours that its doses were late"
    )
    late_doses: dict[Ordinal, Hours] = Field(
        {}, description="by number of the dose, hours that it was late"
    )
    route: Literal["oral", "iv"] = Field("oral", description="by mouth, or into a vein")
    infusion_h: Hours = Field(0.0, ge=0, description="how long an infusion lasts; 0 is a bolus")
    first_h: Hours = Field(0.0, ge=0, description="time of the first dose; day 1 begins with it")


class Drug(Table):
    """Which inhibitor, how potent, and how much of it reaches the cells."""

    name: Text = Field(description="drug (a file in sim/data/drugs)")
    file: Text | None = Field(
        None,
        description="data file of a drug of one's own, instead of name: in or below this file's "
        "folder; its content goes into `[resolved]`",
    )
    potency: Text | None = Field(None, description="potency set of the drug; its default if unset")
    ic50_nM: dict[str, Annotated[NanoMolar, Field(gt=0)]] = Field(
        {}, description="IC50 of unbound drug by receptor, instead of the potency set's"
    )
    hill: dict[str, Annotated[Number, Field(gt=0)]] = Field(
        {},
        description="slope of the Hill equation by receptor, or one number for all, instead of the "
        "potency set's",
    )
    ic50_cv: dict[str, Annotated[Number, Field(ge=0, le=5)]] = Field(
        {},
        description="coefficient of variation of the IC50 between virtual subjects, by receptor",
    )
    residence_h: dict[str, Annotated[Hours, Field(gt=0)]] = Field(
        {},
        description="mean time that the drug stays on a receptor, by receptor: inhibition outlasts "
        "it; it leaves at once where there is none",
    )
    exposure: Literal["constant", "schedule", "pk"] = Field(
        "constant",
        description="a constant free concentration, a schedule of media, or doses to a body",
    )
    free_nM: NanoMolar = Field(0.0, ge=0, description="unbound drug (exposure = constant)")
    nominal_nM: NanoMolar | None = Field(
        None,
        ge=0,
        description="all drug in a medium with serum, instead (exposure = constant); unbound is "
        "fraction_unbound_medium of it",
    )
    fraction_unbound_medium: Number | None = Field(
        None, gt=0, le=1, description="unbound share of the drug in the medium; all of it if unset"
    )
    media: tuple[Medium, ...] = Field(
        (), strict=False, description="media by time (exposure = schedule); none before the first"
    )
    species: Text | None = Field(None, description="species that takes the doses (exposure = pk)")
    pk_set: Text | None = Field(
        None, description="set of the drug's pharmacokinetics in the species; its first if unset"
    )
    pk: dict[str, Annotated[Number, Field(gt=0)]] = Field(
        {},
        description="parameters of the pharmacokinetics (CL, V, ka, ...) in the units of the "
        "drug's data file, the same in every subject, instead of the set's",
    )
    regimen: Regimen | None = Field(None, description="doses on a calendar (exposure = pk)")
    doses: tuple[Dose, ...] = Field(
        (), strict=False, description="doses one by one, instead of a regimen"
    )
    doses_csv: Text | None = Field(
        None,
        description="doses as a CSV file in or below this file's folder (time_h, amount_mg, route, "
        "infusion_h); they become `doses`",
    )
    kp_uu: Number = Field(
        1.0, gt=0, description="unbound drug at the cells relative to unbound drug in plasma"
    )
    fraction_unbound: Number | None = Field(
        None, gt=0, le=1, description="unbound share in plasma, instead of the data file's"
    )
    weight_kg: Kilograms | None = Field(None, gt=0, description="body weight")
    height_cm: Number | None = Field(None, gt=0, description="height, for doses in mg/m2")
    covariates: tuple[Covariate, ...] = Field(
        (), strict=False, description="what sets the subject apart from the typical one"
    )
    interaction: tuple[Interaction, ...] = Field(
        (), strict=False, description="what other drugs do to this one's pharmacokinetics"
    )
    subject: Whole | None = Field(
        None,
        ge=1,
        le=100_000,
        description="which of the virtual subjects; the typical one if unset",
    )
    population_seed: Annotated[Whole, Field(ge=0, lt=2**63)] = Field(
        1, description="seed of the virtual population"
    )
