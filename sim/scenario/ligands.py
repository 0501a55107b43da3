"""``[ligands.NAME]``: growth factors in the medium."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sim.tables import Hours, NgPerMl, PerSecond, Switch, Table


class Gradient(Table):
    """A concentration that rises linearly across the domain, and is held."""

    axis: Literal["x", "y"] = Field("y", description="along which it rises")
    low_ng_ml: NgPerMl = Field(0.0, ge=0, description="concentration where the axis begins")
    high_ng_ml: NgPerMl = Field(ge=0, description="concentration where the axis ends")


class Bath(Table):
    """One change of medium, for one ligand."""

    at_h: Hours = Field(ge=0, description="when this medium is given")
    bath_ng_ml: NgPerMl = Field(ge=0, description="concentration in it")


class Ligand(Table):
    """A growth factor in the medium."""

    bath_ng_ml: NgPerMl = Field(0.0, ge=0, description="concentration in the well-mixed bath")
    media: tuple[Bath, ...] = Field(
        (), strict=False, description="later media by time; bath_ng_ml is that before the first"
    )
    gradient: Gradient | None = Field(
        None, description="instead of one concentration, a bath that rises across the domain"
    )
    exchange_per_s: PerSecond = Field(
        ge=0, description="rate of exchange between the layer over the cells and the bath"
    )
    saturating_ng_ml: NgPerMl = Field(
        gt=0, description="concentration at which bound receptors count as saturated"
    )
    uptake: Switch = Field(description="whether receptors take ligand out of the field")

    def bath_at(self, time_h: float) -> float:
        """Concentration in the bath at a time."""
        given = [medium.bath_ng_ml for medium in self.media if medium.at_h <= time_h + 1e-9]
        return given[-1] if given else self.bath_ng_ml
