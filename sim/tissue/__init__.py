"""The tissue: cells on a lattice and the fields around them, as arrays, behind one door.

`Tissue` is the door, and what its constructor takes comes with it; nothing else of this room is
imported from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.buffers import Buffers
from sim.kernels.threads import together, worth
from sim.tissue import audit, potts
from sim.tissue.advance import Way, advance
from sim.tissue.attractants import Attractants
from sim.tissue.border import Border, border_of
from sim.tissue.cells import CellStore
from sim.tissue.division import divide, on_lattice, sites_of
from sim.tissue.energy import Rules, rules
from sim.tissue.euler import Wave, euler_step, waves_of
from sim.tissue.exponential import exponential_step, substeps_for
from sim.tissue.fields import EDGES, Field, settle
from sim.tissue.forms import LEAST_SIDE, Form
from sim.tissue.hamiltonian import energy_by_term
from sim.tissue.lattice import MEDIUM, Grid
from sim.tissue.moments import remember
from sim.tissue.voxels import average_by_cell, overlaps

__all__ = ["LEAST_SIDE", "Border", "CellStore", "Field", "Rules", "Tissue", "rules"]

NOTHING: NDArray[np.float64] = np.empty(0)
NONE: Mapping[str, NDArray[np.float64]] = {}
REACH_OF_ANCHORS = 8  # sites that a centre may wander before its anchor follows


class Tissue:
    """Cells on a lattice, and the fields around them.

    Parameters
    ----------
    lattice : (height, width) int32
        0 for medium, else the row of the cell.
    cells : CellStore
        The cells on it, with their targets; their sites are counted here.
    fields : sequence of Field
        The fields around them.
    followed : sequence of str
        Names of the fields that cells follow, in the order of the column ``mu``.
    rules : Rules
        What a copy costs.
    periodic : bool
        Whether opposite edges meet.

    Attributes
    ----------
    lattice, cells, rules
        As given.
    fields : dict of str to (y, x) float64
        Concentrations, the arrays that the kernels use.
    grid : Grid
    followed : list of str
    """

    def __init__(
        self,
        lattice: NDArray[np.int32],
        cells: CellStore,
        fields: Sequence[Field],
        followed: Sequence[str],
        rules: Rules,
        *,
        periodic: bool,
    ) -> None:
        self.lattice, self.cells, self.rules = lattice, cells, rules
        self.grid = Grid(lattice.shape[0], lattice.shape[1], periodic)
        self.followed = list(followed)
        self._fields = {field.name: field for field in fields}
        self._overlaps: dict[int, NDArray[np.int32]] = {}
        following = [self._fields[name] for name in followed]
        fits = Form.fits(rules, self.grid, following)
        self._form = Form(rules, self.grid, following) if fits else None
        self._buffers = Buffers()
        cells.measure(lattice, self.grid)

    @property
    def fields(self) -> dict[str, NDArray[np.float64]]:
        """Concentrations (y, x) by name."""
        return {name: field.values for name, field in self._fields.items()}

    # -- what moves -------------------------------------------------------------------------

    def sweep(self, seed: int, step: int, threads: int = 1) -> None:
        """One copy attempt per site in expectation; bit-identical for any number of threads."""
        cells, threads = self.cells.arrays(), worth(threads, self.lattice.size)
        if self._form and self._form.fits_now(cells):
            self._form.sweep(self.lattice, cells, seed, step, threads)
        else:
            potts.sweep(
                self.lattice, self._attractants(), cells, self.rules, self.grid, seed, step, threads
            )
        self._overlaps.clear()
        self.cells.recentre(self.lattice, self.grid, reach=REACH_OF_ANCHORS)

    def remember(self, kept: float) -> None:
        """Bring each cell's memory of its way up to date: q' = kept q + displacement."""
        cells, (height, width, periodic) = self.cells, self.grid
        where = cells["moments"], cells["anchor"], height, width, periodic
        remember(*where, kept, cells["centroid"], cells["memory"])

    def advance(
        self,
        seed: int,
        steps: range,
        kept: float,
        ahead: NDArray[np.int64],
        field: str | None = None,
        source_of: NDArray[np.float64] = NOTHING,
        loss_of: NDArray[np.float64] = NOTHING,
        dt: float = 0.0,
        *,
        late: bool = False,
        threads: int = 1,
    ) -> None:
        """Take several steps at once, of nothing but one field and the cells, if that is possible.

        Parameters
        ----------
        seed : int
        steps : range
            What `sweep` would be called with, one after another.
        kept : float
            As in `remember`.
        ahead : (1,) int64
            Set to how many steps have been taken, in the call that takes them, so that an
            interruption cannot come between; left alone if they cannot be taken at once.
        field, source_of, loss_of, dt
            The field that moves, and its rates (rows,) as in `move_fields`; None if none moves.
        late : bool
            Whether the field moves after the cells.
        threads : int
            No bit depends on it.
        """
        cells, threads = self.cells.arrays(), worth(threads, self.lattice.size, len(steps))
        waves: list[Wave | None] = [None] * threads
        if not self._form or not self._form.fits_now(cells):
            return
        if field is not None:
            moving = self._fields[field]
            if moving.solver != "explicit" or moving.values.min() < 0.0:
                return
            bands = waves_of(
                moving.values, moving.factor, source_of[:-1], loss_of[:-1], moving.diffusion, dt,
                moving.substeps, EDGES[moving.edge], moving.precision, threads, self._buffers,
            )  # fmt: skip
            if bands[0].least < 0.0:  # values could become negative, and have to be looked at
                return
            waves = list(bands)
        *terms, room = self._form.arguments(cells, threads)
        alive, centroid, memory = (self.cells[key] for key in ("alive", "centroid", "memory"))
        way = Way(alive, centroid, memory, kept, REACH_OF_ANCHORS, ahead)
        when = seed, steps.start, steps.stop, int(late)
        self._overlaps.clear()
        together(
            threads,
            lambda part: advance(self.lattice, cells, *terms, waves[part], way, when, part, room),
        )

    def move_fields(
        self,
        names: Sequence[str],
        source_of: NDArray[np.float64],
        loss_of: NDArray[np.float64],
        dt: float,
        threads: int = 1,
        held: Mapping[str, NDArray[np.float64]] = NONE,
    ) -> list[tuple[float, float]]:
        """Move some fields by a time ``dt``: dc/dt = D lap c + source - loss c.

        Parameters
        ----------
        names : sequence of str
        source_of, loss_of : (names, rows) float64
            Source per time and loss rate of the medium, row 0, and of each cell; the wall, the last
            row, has none.
        dt : float
        threads : int
            Threads of an explicit solver; results are bit-identical for any number.
        held : mapping of str to (rows, columns) float64
            Source per time of each voxel beside that, of fields that have one.

        Returns
        -------
        list of (lowest, highest)
            Values of each field before what is negative by rounding became zero.
        """
        moved, source_of, loss_of = [], source_of[:, :-1], loss_of[:, :-1]
        threads = worth(threads, self.lattice.size)
        together: dict[tuple[int, str, int], list[int]] = {}
        for k, name in enumerate(names):
            field = self._fields[name]
            if not source_of[k].any() and field.is_empty and name not in held:
                continue
            moved.append(k)
            if field.solver == "explicit":
                euler_step(
                    field.values, self.lattice, field.factor, source_of[k], loss_of[k],
                    field.diffusion, dt, field.substeps, EDGES[field.edge], field.precision,
                    threads, self._buffers, held.get(name),
                )  # fmt: skip
            else:
                substeps = substeps_for(loss_of[k], dt, field.substeps)
                together.setdefault((field.factor, field.edge, substeps), []).append(k)
        for (factor, edge, substeps), alike in together.items():
            fields = [self._fields[names[k]] for k in alike]
            exponential_step(
                [field.values for field in fields], self._overlap(factor), factor,
                source_of[alike], loss_of[alike], [field.diffusion for field in fields],
                dt, substeps, EDGES[edge], [held.get(field.name) for field in fields],
            )  # fmt: skip
        return [
            settle(self._fields[name].values) if k in moved else (0.0, 0.0)
            for k, name in enumerate(names)
        ]

    def remove(self, row: int) -> None:
        """Take a cell out: its sites become medium, and its row is free."""
        sites = sites_of(self.lattice, self.cells, row, self.grid)
        self.lattice[on_lattice(sites, self.cells, row, self.grid)] = MEDIUM
        self._overlaps.clear()
        self.cells["moments"][row] = 0
        self.cells.freed(row)

    def divide(self, row: int, draw: float, least_share: float) -> int | None:
        """Divide a cell across its long axis, through its centre.

        Both daughters have what the mother had in every column but their moments, anchors and
        centroids; what has to be shared is shared by the caller. The store may grow: columns that
        were held before are outdated.

        Parameters
        ----------
        row : int
            The mother, which stays as one of the daughters.
        draw : float
            In [0, 1): chooses the axis of a round cell.
        least_share : float
            Share of the sites that each daughter must have at least.

        Returns
        -------
        int or None
            Row of the other daughter; None if a part would be smaller than that, or in pieces.
        """
        daughter = divide(self.lattice, self.cells, row, self.grid, draw, least_share)
        self._overlaps.clear()
        return daughter

    # -- what it looks like -----------------------------------------------------------------

    def means_at_cells(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Means (rows, names) of some fields over each cell's sites."""
        area = self.cells.area
        means = np.zeros((area.size, len(names)))
        for k, name in enumerate(names):
            field = self._fields[name]
            if not field.is_empty:
                overlap = self._overlap(field.factor)
                average_by_cell(overlap, field.values.ravel(), area, means[:, k])
        return means

    def border(self) -> Border:
        """Borders of the cells as they are now, and which cells touch."""
        return border_of(self.lattice, self.cells.area.size, self.grid)

    def energy(self) -> dict[str, float]:
        """Energy by term: contact, area, length, and the potential of chemotaxis."""
        cells = self.cells
        return energy_by_term(
            self.lattice, self._attractants(), cells.arrays(), cells["alive"], self.rules, self.grid
        )

    # -- once more, from scratch ------------------------------------------------------------

    def counted(self) -> NDArray[np.int64]:
        """Area and sums (rows, 6) of each cell, counted on the lattice: ``moments``, if right."""
        return audit.moments(self.lattice, self.cells["anchor"], self.grid)

    def energies(self) -> dict[str, float]:
        """Contact, area and length energy from the lattice alone: as `energy` gives, if right."""
        kinds, target, alive = (self.cells[name] for name in ("type", "target", "alive"))
        return audit.energies(
            self.lattice, kinds, target, alive, self.counted(), self.rules, self.grid
        )

    def moved(
        self,
        name: str,
        before: NDArray[np.float64],
        source_of: NDArray[np.float64],
        loss_of: NDArray[np.float64],
        dt: float,
        held: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """What `move_fields` should make of a field that was ``before``, with its rates (rows,)."""
        field, source_of, loss_of = self._fields[name], source_of[:-1], loss_of[:-1]
        exponential = field.solver == "exponential"
        substeps = substeps_for(loss_of, dt, field.substeps) if exponential else field.substeps
        return audit.moved(before, field, self.lattice, source_of, loss_of, dt, substeps, held)

    def precision_of(self, name: str) -> str:
        """``"single"`` or ``"double"``: of the sub-steps of a field."""
        field = self._fields[name]
        return field.precision if field.solver == "explicit" else "double"

    # -- state ------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that the next step reads, by name; the same memory."""
        return {
            "lattice": self.lattice,
            **{f"cells.{name}": column for name, column in self.cells.columns.items()},
            **{f"fields.{name}": values for name, values in self.fields.items()},
        }

    def restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over the content of what `arrays` gave, if it can be that of this tissue.

        Raises
        ------
        ValueError
            If not: kernels trust what they are given.
        """
        self._check(arrays)
        self.lattice[:] = arrays["lattice"]
        self._overlaps.clear()
        for name in self.cells.columns:
            self.cells.columns[name] = arrays[f"cells.{name}"].copy()
        for name, values in self.fields.items():
            values[:] = arrays[f"fields.{name}"]

    def _check(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Refuse arrays whose shapes or rows do not match."""
        held: dict[str, NDArray[Any]] = {
            "lattice": self.lattice,
            **{f"fields.{k}": v for k, v in self.fields.items()},
        }
        lattice, types = arrays["lattice"], arrays["cells.type"]
        rows = types.size
        wrong = [name for name, array in held.items() if arrays[name].shape != array.shape]
        wrong += [
            f"cells.{name}"
            for name, column in self.cells.columns.items()
            if arrays[f"cells.{name}"].shape[:1] != (rows,)
            or (name != "mu" and arrays[f"cells.{name}"].shape[1:] != column.shape[1:])
        ]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} are of another shape")
        if not 0 <= lattice.min() <= lattice.max() < rows:
            raise ValueError("there are sites of unknown cells")
        if not 0 <= types.min() <= types.max() <= self.cells["type"][-1]:
            raise ValueError("there are cells of unknown type")
        areas = np.bincount(lattice.ravel(), minlength=rows)[1:-1]
        if not np.array_equal(areas, arrays["cells.moments"][1:-1, 0]):
            raise ValueError("areas of cells are not those on the lattice")

    def _attractants(self) -> Attractants:
        """The fields that cells follow, as they are now."""
        return Attractants.of([self._fields[name] for name in self.followed])

    def _overlap(self, factor: int) -> NDArray[np.int32]:
        """Which cells lie in which voxels: found anew only after the lattice has changed."""
        if factor not in self._overlaps:
            self._overlaps[factor] = overlaps(self.lattice, factor)
        return self._overlaps[factor]
