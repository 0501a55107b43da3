"""Which sweep a tissue gets: the one made for it, or the general one; and its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.kernels.threads import together
from sim.kernels.vectors import BLOCK, aligned
from sim.tissue import specialised
from sim.tissue.attempts import NEIGHBOURS
from sim.tissue.energy import AUTHORS, EXTENSION, HARD, NONE, RETRACTION, CellArrays, Rules
from sim.tissue.fields import Field
from sim.tissue.lattice import MEDIUM, REACH, Grid, neighbourhood
from sim.tissue.potts import MINUS_LN
from sim.tissue.terms import Attractant, Connectivity, Costs, Length, Room
from sim.tissue.tiles import COLOURS, TILE_SIDE, tiles_along

LONGEST_TILE = 2 * TILE_SIDE  # of a side of 199
LONGEST_PATCH = LONGEST_TILE + 3 * REACH

LEAST_SIDE = 2 * TILE_SIDE
"""Sites along a side from which on a sweep is made for a tissue."""

CELL = 1  # the one type of cell
EXACT = 2.0**26  # below it, products of two whole numbers are exact as floats


def is_whole(numbers: Any) -> bool:
    """Whether all numbers are whole, and so small that what is made of them is exact."""
    return bool(np.all(np.abs(numbers) < EXACT) and np.all(numbers == np.rint(numbers)))


class Form:
    """The sweep that is made for a tissue: what it costs, in the room that it keeps.

    Parameters
    ----------
    rules : Rules
    grid : Grid
    followed : sequence of Field
        The fields that cells follow.
    """

    def __init__(self, rules: Rules, grid: Grid, followed: Sequence[Field]) -> None:
        self.rules, self.grid, self.followed = rules, grid, list(followed)
        self.costs = _costs(rules)
        self.connectivity = (
            None
            if rules.connectivity == NONE and not rules.tissue_penalty
            else Connectivity(
                {NONE: 0.0, HARD: np.inf}.get(rules.connectivity, rules.connectivity_penalty),
                rules.connectivity == AUTHORS,
            )
        )
        self.tissue = rules.tissue_penalty or None
        self._room: Room | None = None
        self._length: Length | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the room, which is made again."""
        return self.__dict__ | {"_room": None, "_length": None}

    @staticmethod
    def fits(rules: Rules, grid: Grid, followed: Sequence[Field]) -> bool:
        """Whether a sweep is made for these; it needs one cell type and whole energies."""
        coarse = [field.factor for field in followed if field.factor > 1]
        in_order = len(followed) < 3 or all(field.factor > 1 for field in followed[1:])
        eight = neighbourhood(NEIGHBOURS)
        return (
            rules.J.shape == (CELL + 2, CELL + 2)
            and is_whole(rules.J)
            and is_whole(rules.stiffness[CELL, 0])
            and rules.temperature < EXACT
            and np.array_equal(rules.copy_yx, eight)
            and np.array_equal(rules.contact_yx, eight)
            and min(grid.height, grid.width) >= LEAST_SIDE
            and len(set(coarse)) <= 1
            and len(followed) - len(coarse) <= 1
            and in_order  # of the sum over attractants
            and all(acts & EXTENSION for acts in rules.acts_on)
        )

    def fits_now(self, cells: CellArrays) -> bool:
        """Whether target areas are whole, and no cell is too large for exact sums."""
        largest = float(cells.moments[:, 0].max(initial=0))
        return is_whole(cells.target[:, 0]) and largest * max(self.grid[:2]) < EXACT

    def arguments(self, cells: CellArrays, threads: int) -> tuple[Any, ...]:
        """What `specialised.sweep` takes between the cells and the seed, and the room."""
        rows = len(cells.type)
        if self._room is None or self._room.deviation.shape != (threads, rows):
            self._make_room(threads, rows)
        push = cells.push if self.rules.persistent or cells.push.any() else None
        fine, coarse = self._attractants()
        wall = None if self.grid.periodic else np.int32(rows - 1)
        penalties = self.connectivity, self.tissue
        return self.costs, self._length, *penalties, push, fine, coarse, wall, self._room

    def sweep(
        self, lattice: NDArray[np.int32], cells: CellArrays, seed: int, step: int, threads: int
    ) -> None:
        """One Monte Carlo step, in place; no bit depends on the number of threads."""
        *terms, room = self.arguments(cells, threads)
        together(
            threads,
            lambda part: specialised.sweep(lattice, cells, *terms, seed, step, part, room),
        )

    def _attractants(self) -> tuple[Attractant | None, tuple[Attractant, ...] | None]:
        """The fields that cells follow, with voxels of one site and with larger ones."""
        fine, coarse = None, []
        for k, field in enumerate(self.followed):
            alone = bool(self.rules.contact_inhibited[k])
            both = self.rules.acts_on[k] & RETRACTION > 0
            attractant = Attractant(
                field.values,
                field.factor,
                np.uint64(k),
                np.array([0.0, both, 1.0, not alone]),
                float(self.rules.saturation[k]),
            )
            if field.factor == 1:
                fine = attractant
            else:
                coarse.append(attractant)
        return fine, tuple(coarse) or None

    def _make_room(self, threads: int, rows: int) -> None:
        attempts = LONGEST_TILE**2 + BLOCK
        fine = next((field for field in self.followed if field.factor == 1), None)
        copies = 1  # of a colour
        for side in self.grid[:2]:
            tiles = tiles_along(side)
            copies *= tiles // 2 * -(-side // tiles)
        self._room = Room(
            deviation=aligned((threads, rows), np.int64),
            patch=aligned((threads, LONGEST_PATCH**2), np.int32),
            level=aligned(
                (threads, LONGEST_PATCH**2 if fine else 1),
                fine.values.dtype if fine else np.float64,
            ),
            draws=aligned((threads, attempts), np.uint32),
            site=aligned((threads, attempts), np.uint16),
            source=aligned((threads, attempts), np.uint16),
            log=aligned((threads, copies, 2), np.uint64),
            counts=aligned(specialised.TAKEN + COLOURS, np.int64),
            logged=aligned(threads, np.int64),
            axes=aligned((threads, 2, LONGEST_PATCH), np.int64),
            runs=aligned((threads, 8, 3), np.int64),
            voxel=aligned((threads, 2, 2, LONGEST_PATCH), np.int64),
            part=aligned((threads, 2, LONGEST_PATCH), np.float64),
        )
        stiffness = float(self.rules.stiffness[CELL, 1])
        self._length = (
            stiffness
            and Length(
                stiffness,
                aligned((threads, rows, 6), np.float64),
                aligned((threads, rows), np.float64),
                aligned(rows, np.float64),
            )
        ) or None


def _costs(rules: Rules) -> Costs:
    J, temperature = rules.J, rules.temperature
    contact = np.zeros((4, 8), np.int64)
    for to in range(2):
        for away in range(2):
            change = J[to] - J[away]  # by the owner of a neighbour: medium, a cell, wall
            contact[2 * to + away, :5] = (
                J[away, away],
                -J[to, to],
                change[MEDIUM] - change[CELL],
                change[CELL + 1] - change[CELL],
                NEIGHBOURS * change[CELL],
            )
    threshold = temperature * MINUS_LN
    return Costs(
        contact=contact.ravel(),
        lambda_area=int(rules.stiffness[CELL, 0]),
        temperature=temperature,
        threshold=threshold,
        whole_threshold=np.append(2**62, np.ceil(threshold[1:])).astype(np.int64),
    )
