"""The keys of a scenario that only this assay has, and what follows from the set-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from sim.assays.rules import is_whole
from sim.tables import Hours, Micrometres, Number, Table

OF_START: dict[str, dict[str, float]] = {
    "bed": {"drug_start_day": 35.0, "radius_um": 270.0, "gap_um": 450.0},
    "parent": {"drug_start_day": 0.0, "radius_um": 300.0, "gap_um": 100.0},
}
"""Defaults that depend on how the vessels start."""
DAY_H = 24.0


class Setup(Table):
    """A tumour in the middle, a vessel on each side of it, and a network between them or none."""

    start: Literal["bed", "parent"] = Field(
        description="bed: a perfused network around the tumour; parent: two vessels beside it, "
        "which have to sprout"
    )
    drug_start_day: Number = Field(
        ge=0,
        le=365,
        description="day of the run on which the drug's schedule begins; 0 with start = 'parent'",
    )
    radius_um: Micrometres = Field(
        gt=0, description="radius of the tumour at the start; 300 with start = 'parent'"
    )
    gap_um: Micrometres = Field(
        gt=0,
        description="from the tumour's rim to the middle of each parent vessel; 100 with "
        "start = 'parent'",
    )
    mesh_um: Micrometres = Field(
        ge=40, le=1000, description="distance of the junctions of the network"
    )
    left_out: Number = Field(ge=0, lt=1, description="share of the network's edges left out")
    age_h: Hours = Field(ge=0, description="age of the network's vessels at the start")
    covered: Number = Field(ge=0, le=1, description="share of them under pericytes at the start")
    survival: Number = Field(ge=0, le=1, description="their survival signal at the start")


class Options(Table):
    """How it is read: there is nothing to choose."""


def complete(tree: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Write what follows from how the vessels start, and when the run begins, in place.

    Parameters
    ----------
    tree : dict
        A scenario with all defaults, as plain tables.
    given : mapping
        The part of it that is not default.
    """
    setup, time = tree.get("setup"), tree.get("time")
    if not isinstance(setup, dict) or not isinstance(time, dict):
        return
    start = str(setup.get("start"))
    for key, value in OF_START.get(start, OF_START["bed"]).items():
        setup.setdefault(key, value)
    day, own = setup.get("drug_start_day"), given.get("time")
    if isinstance(day, int | float) and not (isinstance(own, dict) and "start_h" in own):
        time["start_h"] = start_h(day)


def start_h(day: float) -> float:
    """Return when the run begins: whole hours without error, so that a record is of time 0."""
    hours = DAY_H * day
    return -float(round(hours)) if is_whole(hours) else -hours
