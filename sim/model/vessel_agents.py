"""Pieces of vessel and tips as Mesa agents: each is a view of a row of the bed's tables."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

import mesa
import numpy as np

from sim.bed import Bed
from sim.errors import StaleCellError


class Home(Protocol):
    """What an agent sees of its model."""

    @property
    def bed(self) -> Bed:
        """Vessels, tumour and fields."""


class _View(mesa.Agent):
    """A row of a table, found by its id each time: rows move."""

    model: Home
    kind: ClassVar[str]
    """What it is called, and with an ``s`` the table that it is in."""

    def __init__(self, model: Home, own: int) -> None:
        super().__init__(model)
        getattr(mesa.Agent, "_ids", {}).pop(model, None)  # Mesa 3.3 keeps every model for ever
        self.unique_id = own

    def _table(self) -> Any:
        return getattr(self.model.bed, f"{self.kind}s")

    def _row(self) -> int:
        found = np.flatnonzero(self._table().id == abs(self.unique_id))
        if not found.size:
            raise StaleCellError(f"{self.kind} {abs(self.unique_id)} is gone")
        return int(found[0])

    def _value(self, column: str) -> float:
        return float(getattr(self._table(), column)[self._row()])

    def _place(self, node: int) -> tuple[float, float]:
        nodes = self.model.bed.nodes
        return float(nodes.x[node]), float(nodes.y[node])


class VesselPiece(_View):
    """A piece of vessel, one endothelial cell: look at it, the bed moves it."""

    kind = "piece"

    @property
    def ends_um(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Both ends [x, y]."""
        row, pieces = self._row(), self._table()
        return self._place(int(pieces.a[row])), self._place(int(pieces.b[row]))

    @property
    def age_h(self) -> float:
        """Hours since it grew, or was refilled."""
        return self._value("age")

    @property
    def survival(self) -> float:
        """Survival signal V, 0 to 1."""
        return self._value("survival")

    @property
    def pericyte(self) -> bool:
        """Whether it is under a pericyte."""
        return self._value("pericyte") > 0

    @property
    def velocity_um_per_s(self) -> float:
        """Velocity of the blood, positive from the first end to the second."""
        return self._value("velocity")


class VesselTip(_View):
    """The tip of a sprout."""

    kind = "tip"

    @property
    def position_um(self) -> tuple[float, float]:
        """Where it is [x, y]."""
        return self._place(int(self._value("node")))

    @property
    def direction(self) -> tuple[float, float]:
        """Where it goes [x, y], a unit vector."""
        return self._value("dx"), self._value("dy")

    @property
    def path_um(self) -> float:
        """Path so far."""
        return self._value("path")
