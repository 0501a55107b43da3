"""The bed of a tumour: vessels as a graph, a tumour as an outline, oxygen and VEGF on voxels.

This is the door of the room: only `Bed` and `Numbers` are imported from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sim.bed import flow, graph, grid, network, oxygen, tumour, vessels
from sim.bed.graph import PARENT, SLEEVE, VESSEL, Nodes, Pieces, Tips
from sim.bed.numbers import Numbers
from sim.errors import NumericalError
from sim.kernels import draws
from sim.kernels.draws import uniform_at

__all__ = ["Bed", "Numbers"]

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Table = TypeVar("Table", Pieces, Nodes, Tips)
T = TypeVar("T", bound=np.generic)

DAY = 24
"""Steps of one hour."""
MOST_PIECES = 60_000
FIELDS = ("phi", "w", "oxygen", "vegf")
TABLES: dict[str, type[Any]] = {"piece": Pieces, "node": Nodes, "tip": Tips}
COUNTS = {"step": "step_number", "next_id": "_next_id", "next_tip": "_next_tip"}


class Bed:
    """Vessels, tumour and fields, and the parts of a step of one hour.

    A step is `order_rows, fields, survive, pericytes, regress, refill, sprout, move_tips, grow,
    drop_unused_nodes, flow, finish`, in this order.

    Parameters
    ----------
    numbers : Numbers
    seed : int
        Of all draws.

    Attributes
    ----------
    step_number : int
        Hours done.
    area : float
        Integrated area of the tumour, um^2.
    diameter0 : float
        Diameter that changes are counted from, um.
    no_path : bool
        Whether no vessel leads from one parent vessel to the other.
    """

    def __init__(self, numbers: Numbers, seed: int) -> None:
        self.numbers = Numbers(*(_floats(value) for value in numbers))
        self.seed = seed
        self.step_number, self._next_id, self._next_tip = 0, 0, 1
        self.area, self.diameter0, self.no_path = 0.0, 0.0, True
        self._pieces, self._nodes = graph.empty(Pieces), graph.empty(Nodes)
        self._tips = graph.empty(Tips)
        n = self.numbers
        self._n = round(n.size_um / n.voxel_um)
        shape = self._n, self._n
        self._phi, self._w = np.full(shape, n.size_um), np.ones(shape)
        self._oxygen, self._vegf = np.full(shape, n.P_host_mmHg), np.full(shape, n.thr_ng_ml)
        self._ligand = self._active = np.zeros(0)  # VEGF and E at the pieces, within a step

    # -- what it looks like -----------------------------------------------------------------

    @property
    def pieces(self) -> Pieces:
        """Columns of the pieces, to read."""
        return _to_read(self._pieces)

    @property
    def nodes(self) -> Nodes:
        """Columns of the nodes, to read."""
        return _to_read(self._nodes)

    @property
    def tips(self) -> Tips:
        """Columns of the tips, to read."""
        return _to_read(self._tips)

    @property
    def phi(self) -> Array:
        """Signed distance to the tumour's outline, um, negative inside, to read."""
        return _view(self._phi)

    @property
    def w(self) -> Array:
        """Viable share of the tissue inside the outline, to read."""
        return _view(self._w)

    @property
    def oxygen(self) -> Array:
        """Oxygen, mmHg, to read."""
        return _view(self._oxygen)

    @property
    def vegf(self) -> Array:
        """Free VEGF, ng/mL, to read."""
        return _view(self._vegf)

    @property
    def next_ids(self) -> tuple[int, int]:
        """Ids that the next piece and the next tip will have."""
        return self._next_id, self._next_tip

    @property
    def day(self) -> float:
        """Days done."""
        return self.step_number / DAY

    @property
    def is_vessel(self) -> NDArray[np.bool_]:
        """Which pieces (pieces,) are living vessel, parents apart."""
        return np.asarray(self._pieces.kind == VESSEL)

    @property
    def is_sleeve(self) -> NDArray[np.bool_]:
        """Which pieces (pieces,) are the empty sleeves of vessels."""
        return np.asarray(self._pieces.kind == SLEEVE)

    def lengths(self) -> Array:
        """Length (pieces,), um."""
        return graph.lengths(self._pieces, self._nodes)

    def pressures(self) -> Array:
        """Pressure (nodes,) of blood, mmHg; nan where no vessel leads to a held one."""
        return flow.pressures(self._pieces, self._nodes, self.numbers)

    def inside(self) -> Array:
        """Share of each voxel inside the outline."""
        return grid.inside(self._phi, self.numbers.voxel_um)

    def at_middles(self, field: Array) -> Array:
        """Values (pieces,) of a field of voxels at the middles of the pieces."""
        x, y = graph.middles(self._pieces, self._nodes)
        values: Array = grid.at_points(np.array(field, np.float64), x, y, self.numbers.voxel_um)
        return values

    def diameter_um(self) -> float:
        """Largest caliper of the outline; 0 without tumour."""
        return tumour.diameter(self._phi, self.numbers.voxel_um)

    # -- how it starts ----------------------------------------------------------------------

    def place_tumour(self, radius_um: float) -> None:
        """Place a viable disc of tumour in the middle of the domain."""
        n = self.numbers
        middle = (np.arange(self._n) + 0.5) * n.voxel_um - 0.5 * n.size_um
        self._phi = np.hypot(middle[None, :], middle[:, None]) - radius_um
        self._w = np.ones_like(self._phi)
        self.area = float(self.inside().sum()) * n.voxel_um**2

    def add_parent(self, x_um: float, ends_mmHg: Sequence[float]) -> Rows:
        """Add a straight parent vessel from border to border; return the rows of its nodes.

        Parameters
        ----------
        x_um : float
        ends_mmHg : pair of float
            Held pressures at y = 0 and at the other end.
        """
        n = self.numbers
        count = round(n.size_um / n.piece_um)
        y = np.linspace(0.0, n.size_um, count + 1)
        rows = self._add_nodes(np.full(y.size, float(x_um)), y)
        self._nodes.pressure[rows[[0, -1]]] = ends_mmHg
        self._add_pieces(rows[:-1], rows[1:], n.T_mature_h, n.e_host, kind=PARENT)
        return rows

    def add_network(
        self,
        left: Rows,
        right: Rows,
        *,
        spacing_um: float,
        left_out: float,
        age_h: float,
        covered: float,
        survival: float,
    ) -> None:
        """Add an irregular mesh between two parent vessels: Voronoi edges of a jittered lattice.

        It is as high as it is wide, in the middle of the domain.

        Parameters
        ----------
        left, right : (nodes,) int64
            Nodes of the parent vessels, as `add_parent` returned them.
        spacing_um : float
            Of the lattice.
        left_out : float
            Share of the edges between two junctions that are left out.
        age_h : float
        covered : float
            Share of the pieces with a pericyte.
        survival : float
            V of all pieces.
        """
        n = self.numbers
        low, high = self._nodes.x[left[0]], self._nodes.x[right[0]]
        gap, middle, half = network.GAP_PIECES * n.piece_um, 0.5 * n.size_um, 0.5 * (high - low)
        x, y, inner, side = network.lattice_edges(
            low + gap, high - gap, middle - half, middle + half, spacing_um, self.seed
        )
        junctions = self._add_nodes(x, y)
        drawn = uniform_at(self.seed, draws.LEFT_OUT, 0, np.arange(len(inner)))
        parents = np.stack([left, right])
        near = np.rint(y[side[:, 0]] / n.size_um * (left.size - 1)).astype(np.int64)
        near = np.clip(near, 1, left.size - 2)
        to_parents = np.stack([junctions[side[:, 0]], parents[side[:, 1], near]], axis=1)
        ends = np.concatenate([junctions[inner[drawn >= left_out]], to_parents])
        far = np.hypot(*(np.diff(at[ends])[:, 0] for at in (self._nodes.x, self._nodes.y)))
        self._check_count(int(far.sum() / n.piece_um))
        x, y, pieces = network.along(self._nodes.x, self._nodes.y, ends, n.piece_um)
        self._add_nodes(x, y)
        new = np.arange(self._next_id, self._next_id + len(pieces))
        with_pericyte = uniform_at(self.seed, draws.COVERED, 0, new) < covered
        self._add_pieces(pieces[:, 0], pieces[:, 1], age_h, survival, with_pericyte)

    def begin(self) -> None:
        """Bring flow and fields to rest; the diameter is counted from here."""
        self.flow()
        self.fields()
        self.mark_diameter()

    def mark_diameter(self) -> None:
        """Count changes of the diameter from now on."""
        self.diameter0 = self.diameter_um()

    # -- parts of a step --------------------------------------------------------------------

    def order_rows(self) -> None:
        """Bring the rows of pieces and tips into the order of their ids."""
        self._pieces, self._tips = graph.in_order(self._pieces), graph.in_order(self._tips)

    def fields(self) -> None:
        """Bring oxygen, then VEGF to rest around vessels and tumour as they are now."""
        n, within, length = self.numbers, self.inside(), self.lengths()
        x, y = graph.middles(self._pieces, self._nodes)
        living = ~self.is_sleeve
        blood = living & vessels.perfused(self._pieces, n)
        supply = grid.by_voxel(x, y, length * blood, n.voxel_um, self._n)
        uptake = grid.by_voxel(x, y, length * living, n.voxel_um, self._n)
        oxygen.move_oxygen(self._oxygen, supply, within, self._w, n, self.day)
        oxygen.move_vegf(self._vegf, self._oxygen, uptake, within, self._w, n, self.day)

    def survive(self, inhibition: Sequence[float]) -> None:
        """Bring activity, survival and ages of the pieces up to date.

        Parameters
        ----------
        inhibition : sequence of float
            Of VEGFR2, PDGFRB and FGFR1, each in [0, 1].
        """
        n = self.numbers
        self._ligand = self.at_middles(self._vegf)
        self._active = vessels.activity(self._ligand, inhibition, n)
        outside = np.clip(0.5 + self.at_middles(self._phi) / n.voxel_um, 0.0, 1.0)
        vessels.survive(self._pieces, self._active, outside, n)

    def pericytes(self, inhibition: Sequence[float]) -> None:
        """Gain and lose pericytes; see `survive`."""
        step = self.step_number
        vessels.pericytes(self._pieces, inhibition[1], self.numbers, self.seed, step)

    def regress(self) -> None:
        """Let pieces die that starve or carry no blood, and take away what is left of them."""
        gone = vessels.regress(self._pieces, self.numbers, self.seed, self.step_number)
        if gone.any():
            self._pieces = graph.taken(self._pieces, ~gone)
            self._ligand, self._active = self._ligand[~gone], self._active[~gone]

    def refill(self) -> None:
        """Refill sleeves from living vessels."""
        nodes, step = self._nodes.x.size, self.step_number
        vessels.refill(self._pieces, nodes, self._active, self.numbers, self.seed, step)

    def sprout(self) -> None:
        """Let new tips leave mature bare vessels where VEGF is high."""
        pieces, nodes, n = self._pieces, self._nodes, self.numbers
        when = self.seed, self.step_number
        rows = vessels.may_sprout(pieces, nodes, self._tips, self._ligand, self._active, n, *when)
        if not rows.size:
            return
        base, dx, dy = vessels.sprouts(pieces, nodes, rows, self._vegf, n, *when)
        ids = np.arange(self._next_tip, self._next_tip + rows.size)
        self._next_tip += rows.size
        new = self._add_nodes(nodes.x[base], nodes.y[base], ids)
        self._add_pieces(base, new, 0.0, self._active[rows])
        columns = {"id": ids, "node": new, "dx": dx, "dy": dy, "age": 0.0, "path": 0.0}
        tips = graph.table_of(Tips, columns, rows.size)
        self._tips = graph.joined(self._tips, tips)

    def move_tips(self, inhibition: Sequence[float]) -> None:
        """Move the tips, which leave pieces behind and join vessels; see `survive`."""
        tips, n = self._tips, self.numbers
        if not tips.id.size:
            return
        vegf = vessels.at_tips(self._vegf, tips, self._nodes, n)
        active = vessels.activity(vegf, inhibition, n)
        vessels.move(tips, self._nodes, active, self._vegf, n, self.seed, self.step_number)
        done = vessels.stopped(tips, self._pieces, self._nodes, n)
        met = vessels.join(tips, self._pieces, self._nodes, done, n)
        full = np.flatnonzero(~done & vessels.grown(tips, self._pieces, self._nodes, n))
        joins = np.flatnonzero(met >= 0)
        if full.size or joins.size:
            old = tips.node[full]
            new = self._add_nodes(self._nodes.x[old], self._nodes.y[old], tips.id[full])
            rows, ends = np.r_[joins, full], np.r_[met[joins], new]
            self._add_pieces(tips.node[rows], ends, 0.0, active[rows])
            tips.node[full] = new
        if done.any():
            self._tips = graph.taken(tips, ~done)

    def grow(self) -> None:
        """Grow or shrink the tumour and carry the vessels, in every sixth step."""
        hours = self.step_number + 1
        if hours % tumour.HOURS == 0 and self.area > 0.0:
            anew = hours % DAY == 0
            self._phi, self._w, self.area, velocity = tumour.grow(
                self._phi, self._w, self.area, self._oxygen, self.numbers, anew, self.day
            )
            x, y = tumour.carried(self._nodes.x, self._nodes.y, velocity, self.numbers)
            self._nodes = self._nodes._replace(x=x, y=y)
        if hours % tumour.HOURS == 0:
            self._split()

    def drop_unused_nodes(self) -> None:
        """Drop nodes that nothing uses, once a day."""
        if (self.step_number + 1) % DAY == 0:
            tables = graph.without_unused(self._pieces, self._nodes, self._tips)
            self._pieces, self._nodes, self._tips = tables

    def flow(self) -> None:
        """Solve the flow of blood."""
        velocity, connected = flow.velocities(self._pieces, self._nodes, self.numbers, self.day)
        self._pieces.velocity[:] = velocity
        self.no_path = not connected

    def finish(self) -> None:
        """Count the step."""
        self.step_number += 1

    # -- state ------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that the next step reads, by name: copies of arrays, and numbers."""
        return {
            **{name: getattr(self, held) for name, held in COUNTS.items()},
            "area": self.area,
            "diameter0": self.diameter0,
            **{name: getattr(self, f"_{name}").copy() for name in FIELDS},
            **{
                f"{name}.{column}": values.copy()
                for name in TABLES
                for column, values in getattr(self, f"_{name}s")._asdict().items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` gave."""
        for name, held in COUNTS.items():
            setattr(self, held, int(state[name]))
        self.area, self.diameter0 = float(state["area"]), float(state["diameter0"])
        for name in FIELDS:
            field = np.array(state[name], np.float64, order="C")
            if field.shape != getattr(self, f"_{name}").shape:
                raise ValueError(f"{name} is of another shape")
            setattr(self, f"_{name}", field)
        for name, table in TABLES.items():
            columns = {column: state[f"{name}.{column}"] for column in table._fields}
            setattr(self, f"_{name}s", graph.table_of(table, columns))
        graph.check(self._pieces, self._nodes, self._tips)
        self._ligand = self._active = np.zeros(0)
        n = self.numbers
        self.no_path = not flow.velocities(self._pieces, self._nodes, n, self.day)[1]

    # -- rows -------------------------------------------------------------------------------

    def _add_nodes(self, x: Any, y: Any, trail: Any = 0) -> Rows:
        first = self._nodes.x.size
        self._nodes = graph.joined(self._nodes, graph.new_nodes(x, y, trail))
        return np.arange(first, self._nodes.x.size)

    def _add_pieces(self, a: Rows, b: Rows, *columns: Any, **more: Any) -> None:
        new = graph.new_pieces(self._next_id, a, b, *columns, **more)
        self._next_id += new.id.size
        self._pieces = graph.joined(self._pieces, new)
        self._check_count(self._pieces.id.size)

    def _split(self) -> None:
        long = vessels.dividing(self._pieces, self._nodes, self.numbers)
        if long.size:
            tables = graph.split(self._pieces, self._nodes, long, self._next_id)
            self._pieces, self._nodes = tables
            self._next_id += long.size
            self._check_count(self._pieces.id.size)

    def _check_count(self, pieces: int) -> None:
        if pieces > MOST_PIECES:
            raise NumericalError(
                f"more than {MOST_PIECES} pieces of vessel on day {self.day:.1f}: choose a smaller "
                "domain or a wider network (setup.mesh_um), or lower the rate of sprouts or the "
                "VEGF that tumour cells release"
            )


def _floats(value: float | Sequence[float]) -> Any:
    """A number, or a pair of them, as floats: kernels are compiled for one type."""
    return tuple(map(float, value)) if isinstance(value, Sequence) else float(value)


def _view(array: NDArray[T]) -> NDArray[T]:
    """The same memory, not to be written."""
    seen = array.view()
    seen.flags.writeable = False
    return seen


def _to_read(table: Table) -> Table:
    columns: Any = map(_view, table)
    return type(table)(*columns)
