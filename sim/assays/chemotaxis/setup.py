"""The keys of a scenario that only this assay has, and the gradient that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from sim.assays.count import seeded
from sim.assays.declare import Scenario
from sim.errors import InputError
from sim.tables import Micrometres, Minutes, NgPerMl, Table, Text
from sim.units import parse_quantity

NO_LIGAND = "none"
OF_L50 = 4.0  # the far end of the default gradient: cells in the middle are near L50
KEYS = ("ligand", "low_ng_ml", "high_ng_ml")
BAND = 0.35, 0.65  # share of the height between which cells start


class Setup(Table):
    """The gradient along y."""

    ligand: Text = Field(
        description="ligand with a held gradient along y, or none: all baths are as in [ligands]"
    )
    low_ng_ml: NgPerMl = Field(ge=0, description="concentration where y begins")
    high_ng_ml: NgPerMl | None = Field(
        None, ge=0, description="concentration where y ends; four times the ligand's L50 if unset"
    )


class TrackOptions(Table):
    """How cells are followed."""

    every_min: Minutes = Field(gt=0, description="interval between two positions of a track")
    migrated_um: Micrometres = Field(
        ge=0, description="way up the gradient from which on a cell counts as migrated"
    )


def complete(tree: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Write the gradient of the set-up into its ligand, in place.

    Where a scenario gives a gradient or the bath of this ligand itself, and nothing of the set-up,
    there is none of the set-up. What is of another type than it should be is left to be reported.

    Parameters
    ----------
    tree : dict
        A scenario with all defaults, as plain tables.
    given : mapping
        The part of it that is not default.
    """
    setup, ligands = tree.get("setup"), tree.get("ligands", {})
    if not isinstance(setup, dict) or not isinstance(ligands, dict):
        return
    own, typed = given.get("setup"), given.get("ligands")
    if not (isinstance(own, dict) and any(key in own for key in KEYS)):
        tables = typed if isinstance(typed, dict) else {}
        baths = {name: table for name, table in tables.items() if isinstance(table, dict)}
        if (
            any("gradient" in table for table in baths.values())
            or "bath_ng_ml" in baths.get(str(setup.get("ligand")), {})
            or not ligands
        ):
            setup["ligand"] = NO_LIGAND
    name = setup.get("ligand")
    ligand = ligands.get(name) if isinstance(name, str) else None
    if not isinstance(ligand, dict):
        return
    if setup.get("high_ng_ml") is None:
        try:
            half = tree["engine"]["sensing_L50_ng_ml"][name]
            half = parse_quantity(half, "ng/mL") if isinstance(half, str) else half
            setup["high_ng_ml"] = OF_L50 * half
        except (InputError, KeyError, TypeError, ValueError):
            return
    ends = {key: setup.get(key) for key in ("low_ng_ml", "high_ng_ml")}
    if not all(_is_concentration(end) for end in ends.values()):
        return  # once is enough to report it
    ligand.setdefault("gradient", {"axis": "y", **ends})


def _is_concentration(value: Any) -> bool:
    try:
        number = parse_quantity(value, "ng/mL") if isinstance(value, str) else value
        return not isinstance(number, bool) and bool(number >= 0)
    except (InputError, TypeError, ValueError):
        return False


def steps_between(scenario: Scenario) -> int:
    """Return the Monte Carlo steps between two positions of a track."""
    return max(1, round(float(scenario.readout.every_min * 60 / scenario.time.mcs_s)))


def cell_count(scenario: Scenario) -> int:
    """Return how many endothelial cells are seeded; the density is that of the whole domain."""
    x, y = scenario.domain.size_um
    return seeded(scenario, x, y)
