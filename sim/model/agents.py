"""Cells as Mesa agents: each is a view of one row of the cell store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import mesa
import numpy as np
from numpy.typing import NDArray

from sim.errors import StaleCellError
from sim.scenario.schema import Scenario
from sim.signalling.pathways import Pathway
from sim.tissue import CellStore


class Home(Protocol):
    """What a cell sees of its model."""

    scenario: Scenario
    next_id: int

    @property
    def cells(self) -> CellStore:
        """Cells as arrays."""

    @property
    def lattice(self) -> NDArray[np.int32]:
        """Sites (y, x)."""

    @property
    def pathways(self) -> Sequence[Pathway]:
        """Ligands and their receptors."""

    def inhibited(self) -> dict[str, float]:
        """Share of each receptor's signal that the drug takes away now."""


def _column(
    name: str, index: int | None = None, *, lowest: float = 0.0, highest: float, doc: str
) -> Any:
    """Attribute that reads and writes one row of a column, found through the model each time."""

    def read(self: EndothelialCell) -> Any:
        value = self.model.cells[name][self._checked_row()]
        return (value if index is None else value[index]).item()

    def write(self: EndothelialCell, value: float) -> None:
        if not lowest <= value <= highest:  # nor a NaN
            raise ValueError(f"{name} = {value!r}: must be from {lowest:g} to {highest:g}")
        key = self._checked_row() if index is None else (self._checked_row(), index)
        self.model.cells[name][key] = value

    return property(read, write, doc=doc)


class EndothelialCell(mesa.Agent):
    """A cell. Its attributes are its row of the arrays that the kernels use.

    Writing ``cell.drive`` changes what the cell does from the next step on; so does
    ``cell.target_length``, unless the length follows the drive. Cells have no ``step`` of their
    own: the Potts sweep moves them. ``cell.remove()`` takes a cell out of the tissue.

    Raises
    ------
    StaleCellError
        On any access after the cell has died, was removed, or the model was restored.
    """

    model: Home

    def __init__(self, model: Home, row: int) -> None:
        super().__init__(model)
        getattr(mesa.Agent, "_ids", {}).pop(model, None)  # Mesa 3.3 keeps every model for ever
        self.unique_id = model.next_id
        model.next_id += 1
        self.row = row
        self.generation = int(model.cells["generation"][row])

    def _checked_row(self) -> int:
        if self.model.cells["generation"][self.row] != self.generation:
            raise StaleCellError(f"cell {self.unique_id} has died or was removed")
        return self.row

    def forget(self) -> None:
        """Mark the agent as stale, whatever happens to the row."""
        self.generation = -1

    target_area = _column("target", 0, highest=1e6, doc="target area in sites")
    target_length = _column("target", 1, highest=1e4, doc="target length in sites")
    activity = _column("activity", highest=1.0, doc="downstream activity E, 0 to 1")
    drive = _column("drive", highest=1.0, doc="morphogenic state m, 0 to 1")

    @property
    def type(self) -> int:
        """Cell type: 1 endothelial, 2 and up the further types."""
        return int(self.model.cells["type"][self._checked_row()])

    def __repr__(self) -> str:
        try:
            return f"<cell {self.unique_id}: {self.area} sites, drive {self.drive:.3f}>"
        except StaleCellError:
            return f"<cell {self.unique_id}: dead>"

    @property
    def area(self) -> int:
        """Sites that the cell covers."""
        return int(self.model.cells.area[self._checked_row()])

    @property
    def length(self) -> float:
        """Length in sites."""
        return self.model.cells.length_of(self._checked_row())

    @property
    def receptors(self) -> dict[str, dict[str, float]]:
        """By receptor: ``free`` and ``bound`` on the surface, and the share ``inhibited``, 0 to 1.

        Numbers per cell; nothing where cells have no signalling.
        """
        row, cells, inhibited = self._checked_row(), self.model.cells, self.model.inhibited()
        return {
            pathway.receptor: {
                "free": float(cells["free_receptors"][row, k]),
                "bound": float(cells["bound_receptors"][row, k]),
                "inhibited": inhibited[pathway.receptor],
            }
            for k, pathway in enumerate(self.model.pathways)
        }

    @property
    def position_um(self) -> tuple[float, float]:
        """Centre [x, y] in um, within the domain."""
        row = self._checked_row()
        n, sum_x, sum_y = self.model.cells["moments"][row, :3]
        middle = np.array([sum_y, sum_x]) / max(n, 1) + 0.5  # of sites, not of their corners
        y, x = (self.model.cells["anchor"][row] + middle) % self.model.scenario.shape
        spacing = self.model.scenario.domain.spacing_um
        return float(x) * spacing, float(y) * spacing

    def sites(self) -> NDArray[np.int64]:
        """Sites (n, 2) [y, x] of the cell."""
        return np.argwhere(self.model.lattice == self._checked_row())
