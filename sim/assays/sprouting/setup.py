"""The keys of a scenario that only this assay has."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sim.assays.declare import Scenario
from sim.tables import Hours, Micrometres, Number, Pair, Switch, Table, Whole

Share = Annotated[Number, Field(ge=0, le=1)]


class Tips(Table):
    """How cells become tips, and what tips do. Pairs are [undriven, driven]."""

    rate_per_h: Pair = Field(description="rate at which a candidate becomes a tip, per hour")
    least_delta: Share = Field(description="Delta above which a cell is a candidate")
    least_free: Share = Field(description="share of free border above which a cell is a candidate")
    lasts_h: Hours = Field(gt=0, description="how long a tip stays one")
    kept_free: Share = Field(
        description="share of free border at or below which it is none any more"
    )
    turn_h: Hours = Field(gt=0, description="time in which its polarity turns to its free border")
    mu: Pair = Field(description="strength of its push along its polarity")


class Stalk(Table):
    """How cells hold on to each other while a tip draws them out."""

    reach: Whole = Field(ge=0, description="contacts from a tip within which cells follow it")
    pull: Number = Field(ge=0, description="strength at which a follower is drawn to its leader")
    slack_sites: Number = Field(
        ge=0, description="distance of two centres up to which the cells are at ease"
    )
    stretch_sites: Number = Field(
        gt=0,
        description="how much farther apart they are where a follower is drawn with full strength, "
        "and a tip does not push any more",
    )


class Spread(Table):
    """How cells spread that leave the spheroid."""

    free: Share = Field(description="share of free border from which on a cell spreads")
    area: Number = Field(
        ge=1, description="target area of a spread cell, in multiples of engine.area.target_sites"
    )
    sites_per_h: Number = Field(ge=0, description="how fast its target area changes")


class Setup(Table):
    """Tip cells, and those that follow them."""

    notch: Switch = Field(description="false: Notch is blocked, and no cell inhibits another")
    tips: Tips
    stalk: Stalk
    spread: Spread


class SproutOptions(Table):
    """How sprouts are measured."""

    closing_um: Micrometres = Field(
        ge=0, le=50, description="radius of the disc that closes narrow gaps before measuring"
    )
    hole_um2: Number = Field(ge=0, description="enclosed gaps smaller than this are filled, um^2")
    margin_um: Micrometres = Field(
        ge=0, description="the core ends so far outside the radius of the spheroid at the start"
    )
    circle_um: Micrometres = Field(
        ge=0, description="distance from the end of the core at which sprouts are counted"
    )
    shortest_um: Micrometres = Field(
        ge=0, description="parts of the skeleton that are shorter are left out"
    )


def spheroid_sites(scenario: Scenario) -> int:
    """Return how many sites the spheroid has at the start: each cell its target area."""
    sites = (scenario.cells.count or 0) * scenario.engine.area.target_sites
    sites += sum(kind.count * kind.area.target_sites for kind in scenario.types.values())
    whole: int = round(sites)
    return whole
