"""What cells do in some assays: ``[behaviour.division]``, ``.death`` and ``.notch``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sim.tables import Hours, NanoMolar, Number, Table

Rate = Annotated[Number, Field(ge=0)]


class Division(Table):
    """How fast cells divide, and which of them have room for it."""

    own_per_h: Rate = Field(description="divisions per hour without any signal")
    signals_per_h: dict[str, Rate] = Field(
        {}, description="further divisions per hour at a full signal, by receptor; they add up"
    )
    most_per_h: Rate = Field(description="divisions per hour at most")
    least_area: Rate = Field(
        description="area that a cell needs to divide, in multiples of engine.area.target_sites"
    )
    least_share: Number = Field(
        ge=0, le=0.5, description="share of the mother that each daughter must have at least"
    )


class Death(Table):
    """How fast cells die, and how they leave. The three rates add up."""

    basal_per_h: Rate = Field(description="deaths per hour of every cell")
    unsupported_per_h: Rate = Field(
        description="further deaths per hour of a cell without survival signal"
    )
    survival_tau_h: Hours = Field(
        gt=0, description="time in which the survival signal follows the activity"
    )
    cytotoxic_per_h: Rate = Field(description="further deaths per hour at saturating free drug")
    cytotoxic_ec50_nM: NanoMolar = Field(gt=0, description="free drug at half of that")
    cytotoxic_hill: Number = Field(gt=0, le=20, description="slope of that")
    shrink_h: Hours = Field(gt=0, description="time constant of a dying cell's target area")
    float_area: Rate = Field(
        description="area at which it floats off, in multiples of engine.area.target_sites"
    )
    float_h: Hours = Field(gt=0, description="when it floats off at the latest")


class Notch(Table):
    """How cells that touch keep each other from making Delta."""

    tau_h: Hours = Field(gt=0, description="time constant of Notch activity and Delta")
    delta_half: Number = Field(
        gt=0, description="Delta of the neighbours at which half of a cell's Notch is active"
    )
    notch_half: Number = Field(
        gt=0, description="Notch activity at which half of the Delta is made"
    )
    own: Rate = Field(description="Delta that a cell makes without any signal")
    signals: dict[str, Rate] = Field(
        {}, description="further Delta at a full signal, by receptor; they add up, to 1 at most"
    )
