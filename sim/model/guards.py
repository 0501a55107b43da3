"""Whether the arrays of a model are sound: quick checks at each record, and all of it if asked for.

A value that is wrong stops the run where it is first seen, with its step, place and value, instead
of turning up as nan in a table.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite, nan
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.assays import assays, columns
from sim.assays.declare import FRACTION
from sim.bed import Bed
from sim.errors import NumericalError
from sim.model.parts.model import Model

Array = NDArray[np.float64]

ROUNDING = 1e-12
"""Of the largest value in an array: by how much it may leave its range."""
OF_CELLS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("free_receptors", "bound_receptors", "target"), (0.0, inf)),
    **dict.fromkeys(("activity", "drive", "survival", "notch", "delta"), (0.0, 1.0)),
}
"""Least and most of the columns of cells; those of the others are any finite number."""
OF_BED: dict[str, tuple[float, float]] = {
    "phi": (-inf, inf), "w": (0.0, 1.0), "oxygen": (0.0, inf), "vegf": (0.0, inf),
}  # fmt: skip

ENERGY = 1e-9
"""Relative difference of energies that is rounding."""
MASS = {"double": 1e-12, "single": 1e-6}
"""Relative difference of a field, and of its mass, from the same step in plain NumPy."""
FLOW = 1e-6
"""Share of the fastest flow by which what flows into a node and out of it may differ."""
AREA = 1e-6
"""Relative difference of a tumour's integrated area from that inside its outline."""


class Recorded(Protocol):
    """A model of any class, as far as it is checked."""

    scenario: Any
    mcs: int
    readouts: dict[str, float | int]
    datacollector: Any

    def own_flags(self) -> dict[str, int]: ...  # noqa: D102


class OnLattice(Model, Protocol):
    """A model with cells on a lattice, as far as it is checked."""

    next_id: int

    @property
    def lattice(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def ids(self) -> NDArray[np.int64]: ...  # noqa: D102
    def energy(self) -> dict[str, float]: ...  # noqa: D102


class Stepped(Protocol):
    """A model that counts its steps."""

    mcs: int


# -- quick, at each record ------------------------------------------------------------------------


def check_lattice(model: OnLattice) -> None:
    """Refuse fields and cells that are not finite or out of range, and areas that do not add up.

    Raises
    ------
    NumericalError
        With step, place and value.
    """
    lattice, cells = model.lattice, model.cells
    for name, field in model.fields.items():
        _check_range(model, f"fields.{name}", field, (0.0, inf), "voxel (y, x)")
    rows = cells.living
    for name, column in cells.columns.items():
        if column.dtype.kind == "f":
            limits = OF_CELLS.get(name, (-inf, inf))
            _check_range(model, f"cells.{name}", column[rows], limits, "cell", _Ids(model, rows))
    lowest, highest = int(lattice.min()), int(lattice.max())
    if lowest < 0 or highest > cells.area.size - 2:
        wrong = lowest if lowest < 0 else highest
        y, x = np.argwhere(lattice == wrong)[0].tolist()
        raise _error(model, f"the lattice holds {wrong} at site (y, x) = {y}, {x}: no such cell")
    occupied, areas = int(np.count_nonzero(lattice)), int(cells.area[1:-1].sum())
    if areas != occupied:
        what = f"the areas of the cells add up to {areas:,} sites, but cells are on {occupied:,}"
        raise _error(model, what)


def check_bed(model: Stepped, bed: Bed) -> None:
    """Refuse fields and rows of a bed that are not finite or out of range; see `check_lattice`."""
    for name, limits in OF_BED.items():
        _check_range(model, name, getattr(bed, name), limits, "voxel (y, x)")
    for kind, table in (("piece", bed.pieces), ("node", bed.nodes), ("tip", bed.tips)):
        for name, column in table._asdict().items():
            if column.dtype.kind == "f" and name != "pressure":  # nan where it is not held
                _check_range(model, f"{kind}.{name}", column, (-inf, inf), f"{kind} in row")
    _check_range(model, "area", np.array([bed.area]), (0.0, inf), "entry")


class _Ids(dict[int, str]):
    """What each place in a list of rows is called: the cell's id, and its row."""

    def __init__(self, model: OnLattice, rows: NDArray[np.int64]) -> None:
        super().__init__()
        self._model, self._rows = model, rows

    def __missing__(self, place: int) -> str:
        row = int(self._rows[place])
        return f"{int(self._model.ids[row])} (row {row})"


def _check_range(
    model: Stepped,
    name: str,
    values: NDArray[Any],
    limits: tuple[float, float],
    what: str,
    names: Mapping[int, str] | None = None,
) -> None:
    if not values.size:
        return
    (least, most), low, high = limits, float(values.min()), float(values.max())  # nan if one is
    slack = ROUNDING * max(abs(low), abs(high))
    if isfinite(low) and isfinite(high) and low >= least - slack and high <= most + slack:
        return
    slack = slack if isfinite(slack) else 0.0
    sound = np.isfinite(values) & (values >= least - slack) & (values <= most + slack)
    first = np.argwhere(~sound)[0].tolist()
    value = float(values[tuple(first)])
    place = ", ".join(map(str, first)) if names is None else names[first[0]]
    allowed = "finite"
    if isfinite(least) and isfinite(value):
        allowed = f"from {least:g} to {most:g}" if isfinite(most) else f"at least {least:g}"
    many = int(np.count_nonzero(~sound))
    more = f", one of {many:,} such values" if many > 1 else ""
    raise _error(model, f"{name} is {value:g} at {what} {place}{more}; must be {allowed}")


# -- thorough, if asked for ------------------------------------------------------------------------


class Audit:
    """Follows the mass of each field of a model from step to step, and repeats steps to compare."""

    def __init__(self) -> None:
        self._left: dict[str, float] = {}
        self._before: dict[str, Array] = {}

    def forget(self) -> None:
        """Follow from here: the state has been replaced."""
        self._left.clear()

    def before(self, model: Model, names: list[str]) -> None:
        """Look at some fields just before they move: nothing has changed them since they did."""
        for name in names:
            mass = float(model.fields[name].sum())
            self._compare(model, name, self._left.get(name, mass), mass, 0.0)
        due = model.scenario.time.records(model.mcs + 1)
        self._before = {name: model.fields[name].copy() for name in names} if due else {}

    def after(
        self,
        model: Model,
        names: list[str],
        source: Array,
        loss: Array,
        held: Mapping[str, Array],
    ) -> None:
        """Compare what they have become with the same step in plain NumPy, before a record."""
        tissue, dt_s = model.tissue, model.scenario.time.mcs_s
        for name, gained, lost in zip(names, source, loss, strict=True):
            field = model.fields[name]
            self._left[name] = float(field.sum())
            if name not in self._before:
                continue
            wanted = tissue.moved(name, self._before[name], gained, lost, dt_s, held.get(name))
            within = MASS[tissue.precision_of(name)]
            self._compare(model, name, float(wanted.sum()), self._left[name], within)
            off = np.abs(field - np.maximum(wanted, 0.0))
            if not off.max() <= within * np.abs(wanted).max():
                y, x = np.unravel_index(int(np.argmax(off)), off.shape)
                raise _error(
                    model,
                    f"fields.{name} is {field[y, x]:.12g} at voxel (y, x) {y}, {x}, where the "
                    f"equation gives {wanted[y, x]:.12g}",
                )

    @staticmethod
    def _compare(model: Model, name: str, wanted: float, mass: float, within: float) -> None:
        if not abs(mass - wanted) <= within * max(abs(wanted), abs(mass)):
            balance = "it held before" if within == 0.0 else "gains and losses give"
            what = f"the mass balance of fields.{name} is broken: its voxels hold {mass:.12g}"
            raise _error(model, f"{what} in all, where {balance} {wanted:.12g}")


def recheck_lattice(model: OnLattice) -> None:
    """Refuse sums, agents and energies that are not those counted on the lattice anew.

    Raises
    ------
    NumericalError
        At the first difference.
    """
    tissue, cells = model.tissue, model.cells
    counted = tissue.counted()
    for row, part in np.argwhere(cells["moments"][1:-1] != counted[1:-1])[:1].tolist():
        what = ("area", "sum_x", "sum_y", "sum_xx", "sum_yy", "sum_xy")[part]
        kept, own = int(cells["moments"][row + 1, part]), int(counted[row + 1, part])
        name = _Ids(model, np.arange(cells.area.size))[row + 1]
        raise _error(model, f"{what} of cell {name} is {kept} in its sums, {own} on the lattice")
    dead = np.flatnonzero(~cells["alive"][1:-1] & (counted[1:-1, 0] > 0))
    if dead.size:
        raise _error(model, f"row {dead[0] + 1} has sites on the lattice, but no living cell")
    ids = model.ids[cells.living]
    if np.unique(ids).size < ids.size or not ids.min(initial=1) > 0:
        raise _error(model, "living cells without an agent of their own, or with that of another")
    if ids.max(initial=0) >= model.next_id:
        raise _error(model, f"cell {ids.max()} has an id that is still to come: {model.next_id}")
    centres = cells.centroids()[cells.living] - cells["centroid"][cells.living]
    if model.tissue.grid.periodic:
        centres -= np.rint(centres / model.scenario.shape) * model.scenario.shape
    off = np.abs(centres).max(axis=1, initial=0.0)
    if not off.max(initial=0.0) <= ENERGY * max(model.scenario.shape):
        name = _Ids(model, cells.living)[int(np.argmax(off))]
        raise _error(model, f"the centroid of cell {name} is not that of its sites")
    held = model.energy()
    for name, energy in tissue.energies().items():
        scale = max(abs(energy), abs(held[name]), abs(held["contact"]))
        if not abs(energy - held[name]) <= ENERGY * scale:
            what = f"the {name} energy is {held[name]:.12g} from the cells' sums"
            raise _error(model, f"{what}, {energy:.12g} from the lattice")


def recheck_bed(model: Stepped, bed: Bed) -> None:
    """Refuse tables of a bed that do not fit each other, flow that is lost, and a wrong area."""
    pieces, nodes, tips = bed.pieces, bed.nodes, bed.tips
    for kind, ids, coming in (
        ("piece", pieces.id, bed.next_ids[0]), ("tip", tips.id, bed.next_ids[1]),
    ):  # fmt: skip
        if np.unique(ids).size < ids.size:
            raise _error(model, f"two rows of {kind}s have the same id")
        if ids.max(initial=-1) >= coming:
            raise _error(model, f"{kind} {ids.max()} has an id that is still to come: {coming}")
    for name, ends in (("piece.a", pieces.a), ("piece.b", pieces.b), ("tip.node", tips.node)):
        wrong = np.flatnonzero((ends < 0) | (ends >= nodes.x.size))
        if wrong.size:
            row = int(wrong[0])
            what = f"{name} is {ends[row]} in row {row}, where there are {nodes.x.size} nodes"
            raise _error(model, what)
    moving = np.flatnonzero(bed.is_sleeve & (pieces.velocity != 0.0))
    if moving.size:
        raise _error(model, f"piece {pieces.id[moving[0]]} is an empty sleeve in which blood flows")
    net = np.bincount(pieces.b, pieces.velocity, nodes.x.size)
    net -= np.bincount(pieces.a, pieces.velocity, nodes.x.size)
    net[np.isfinite(nodes.pressure)] = 0.0
    lost = np.abs(net)
    if not lost.max(initial=0.0) <= FLOW * np.abs(pieces.velocity).max(initial=0.0):
        node = int(np.argmax(lost))
        what = f"flow is not conserved: {net[node]:.6g} um/s more flow into node {node} than out"
        raise _error(model, what)
    inside = float(bed.inside().sum()) * bed.numbers.voxel_um**2
    if not abs(inside - bed.area) <= AREA * max(bed.area, inside):
        what = f"the area inside the outline is {inside:.9g} um^2, the integrated one"
        raise _error(model, f"{what} {bed.area:.9g}")


# -- what is not wrong, but should be known --------------------------------------------------------


def flags_of(model: Recorded) -> dict[str, int]:
    """Return what has happened that the assay does not expect, by name, with how often.

    Everything here follows from the records and the present state, so that a resumed run has what
    the undisturbed one has.
    """
    assay = model.scenario.assay
    fractions = [name for name, one in columns(assay).items() if one.unit == FRACTION]
    rows = {n: model.datacollector.model_vars[n] for n in fractions if n in model.readouts}
    table = np.array([[nan if v is None else v for v in column] for column in rows.values()])
    outside = ((table < -ROUNDING) | (table > 1.0 + ROUNDING)).any(axis=0)
    return {"flag_out_of_range": int(np.count_nonzero(outside)), **model.own_flags()}


def lost_cells(model: OnLattice) -> int:
    """Cells that are no longer there, where none should die."""
    return 0 if model.scenario.cells.death else model.next_id - 1 - model.cells.living.size


def cells_at_edges(model: OnLattice) -> int:
    """Cells that touch an edge of the domain which the assay keeps them from."""
    lattice, axes = model.lattice, assays()[model.scenario.assay].keeps_off
    if model.scenario.domain.boundary == "periodic":
        return 0
    edges = {"y": (lattice[0], lattice[-1]), "x": (lattice[:, 0], lattice[:, -1])}
    touching = [np.unique(line) for axis in axes for line in edges[axis]]
    return int(np.count_nonzero(np.unique(np.concatenate(touching)))) if touching else 0


def _error(model: Stepped, what: str) -> NumericalError:
    return NumericalError(f"step {model.mcs}: {what}")
