"""The cell store: one row per cell, columns as arrays, rows that are born, freed and reused.

Row 0 is the medium and the last row is the wall, so that all that a cell may touch has a row. A
freed row counts up its generation, so that an outdated handle is detected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.tissue.energy import CellArrays, lengths
from sim.tissue.lattice import Grid
from sim.tissue.moments import first_sites, measure_cells, recentre

MOMENT_NAMES = ("area", "sum_x", "sum_y", "sum_xx", "sum_yy", "sum_xy")


class CellStore:
    """Cells as columns.

    Parameters
    ----------
    capacity : int
        Cells that fit before the store grows.
    wall_type : int
        Cell type of the wall, the last of the contact-energy table.
    fields : int
        Fields that cells can follow (columns of ``mu``).
    extra : dict of str to (dtype, tuple of int), optional
        Further columns and the shape of one row.

    Attributes
    ----------
    columns : dict of str to ndarray
        By name; ``alive``, ``generation``, ``type``, ``moments`` (rows, 6), ``anchor`` (rows, 2)
        [y, x], ``target`` (rows, 2) area and length in sites, ``mu`` (rows, fields), ``push``,
        ``memory`` and ``centroid`` (rows, 2) [y, x], and the extra ones.
    """

    def __init__(
        self,
        capacity: int,
        *,
        wall_type: int,
        fields: int,
        extra: dict[str, tuple[Any, tuple[int, ...]]] | None = None,
    ) -> None:
        layout: dict[str, tuple[Any, tuple[int, ...]]] = {
            "alive": (np.bool_, ()),
            "generation": (np.int64, ()),
            "type": (np.int64, ()),
            "moments": (np.int64, (6,)),
            "anchor": (np.int64, (2,)),
            "target": (np.float64, (2,)),
            "mu": (np.float64, (fields,)),
            "push": (np.float64, (2,)),
            "memory": (np.float64, (2,)),
            "centroid": (np.float64, (2,)),
        }
        layout |= extra or {}
        rows = capacity + 2
        self.columns: dict[str, NDArray[Any]] = {
            name: np.zeros((rows, *shape), dtype) for name, (dtype, shape) in layout.items()
        }
        self.columns["type"][-1] = wall_type

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]

    @property
    def area(self) -> NDArray[np.int64]:
        """(rows,) sites of each cell: a view."""
        return self.columns["moments"][:, 0]

    @property
    def living(self) -> NDArray[np.int64]:
        """Rows of the cells that are alive."""
        return np.flatnonzero(self.columns["alive"])

    @property
    def lengths(self) -> NDArray[np.float64]:
        """(rows,) length of each cell in sites, 4 sqrt of the covariance's largest eigenvalue."""
        return lengths(self.columns["moments"])  # type: ignore[no-any-return]

    def length_of(self, row: int) -> float:
        """Length of one cell in sites."""
        return float(lengths(self.columns["moments"][row : row + 1])[0])

    def by_name(self) -> dict[str, NDArray[Any]]:
        """Every column by its name in files: moments one by one, and the lengths; without wall."""
        out: dict[str, NDArray[Any]] = {}
        for name, column in self.columns.items():
            rows = column[:-1].copy()
            if name == "moments":
                out |= {part: rows[:, k] for k, part in enumerate(MOMENT_NAMES)}
            else:
                out[name] = rows
        return out | {"length": self.lengths[:-1]}

    def arrays(self) -> CellArrays:
        """The columns as the sweep takes them; the same memory."""
        return CellArrays(*(self.columns[name] for name in CellArrays._fields))

    def born(self, cell_type: int) -> int:
        """Take a free row for a new cell; see `born_together`."""
        return int(self.born_together([cell_type])[0])

    def born_together(self, types: Sequence[int]) -> NDArray[np.int64]:
        """Take free rows for new cells of these types, lowest first; the store grows at need.

        Returns
        -------
        (cells,) int64
            The rows, all zero but for their type and generation.
        """
        while (free := np.flatnonzero(~self.columns["alive"][1:-1])).size < len(types):
            self._grow()
        rows = free[: len(types)] + 1
        for name, column in self.columns.items():
            if name != "generation":
                column[rows] = 0
        self.columns["alive"][rows] = True
        self.columns["type"][rows] = types
        return rows

    def freed(self, row: int) -> None:
        """Give back the row of a dead cell."""
        self.columns["alive"][row] = False
        self.columns["generation"][row] += 1

    def _grow(self) -> None:
        """Double the rows between the medium and the wall."""
        more = self.area.size - 1
        for name, column in self.columns.items():
            room = np.zeros((more, *column.shape[1:]), column.dtype)
            self.columns[name] = np.concatenate([column[:-1], room, column[-1:]])

    def measure(self, lattice: NDArray[np.int32], grid: Grid) -> None:
        """Count every cell's moments anew, about an anchor at its centre."""
        anchor = self.columns["anchor"]
        first_sites(lattice, anchor, np.zeros(len(anchor), np.bool_))
        measure_cells(lattice, anchor, grid.periodic, self.columns["moments"])
        self.recentre(lattice, grid, reach=0)
        self.columns["centroid"][:] = self.centroids()

    def centroids(self) -> NDArray[np.float64]:
        """(rows, 2) [y, x] centre of each cell, in sites, not wrapped into the domain."""
        moments = self.columns["moments"]
        n = np.maximum(moments[:, 0], 1)
        middle = np.stack([moments[:, 2] / n, moments[:, 1] / n], axis=1)
        return np.asarray(self.columns["anchor"] + middle)

    def recentre(
        self,
        lattice: NDArray[np.int32],
        grid: Grid,
        *,
        reach: int,
        rows: Sequence[int] | None = None,
    ) -> None:
        """Move the anchors of cells (or of some) that are more than ``reach`` sites from theirs.

        On a periodic domain a site's coordinates are the shortest way from the anchor, so the
        anchor must stay within the cell; elsewhere nothing depends on it.
        """
        moments, anchor, alive = (self.columns[key] for key in ("moments", "anchor", "alive"))
        if rows is not None:
            alive = np.zeros_like(alive)
            alive[rows] = True
        if grid.periodic and recentre(moments, anchor, alive, reach, grid.height, grid.width):
            measure_cells(lattice, anchor, grid.periodic, moments)
