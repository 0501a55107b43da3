"""Vessels as a graph: tables of pieces, nodes and tips, each a named tuple of columns.

A *piece* is one endothelial cell's length of vessel between two nodes. Pieces and tips have ids
that are never used twice, and rows in the order of their ids; nodes are known by their rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

VESSEL, SLEEVE, PARENT = 0, 1, 2
"""Kinds of a piece: living vessel, empty sleeve of basement membrane, held parent vessel."""
LEAST_UM = 1.0
"""Length of a piece that has just begun, for resistance and surface."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Pieces(NamedTuple):
    """Columns of the pieces."""

    id: Ints
    a: Ints
    """Row of the node where it begins"""
    b: Ints
    age: Floats
    """h since it began or was refilled"""
    survival: Floats
    """V, the endothelial activity of the last day or so"""
    pericyte: Bools
    no_flow: Floats
    """h without flow"""
    kind: Ints
    gone: Floats
    """h since its cell died"""
    velocity: Floats
    """Of blood from a to b, um/s"""


class Nodes(NamedTuple):
    """Columns of the nodes."""

    x: Floats
    y: Floats
    pressure: Floats
    """mmHg where it is held, else nan"""
    trail: Ints
    """Tip that left it, or 0"""


class Tips(NamedTuple):
    """Columns of the tips."""

    id: Ints
    node: Ints
    dx: Floats
    dy: Floats
    """Unit vector of its direction"""
    age: Floats
    path: Floats
    """um from where it began"""


Table = TypeVar("Table", Pieces, Nodes, Tips)
WithIds = TypeVar("WithIds", Pieces, Tips)

TYPES: dict[str, Any] = {
    **dict.fromkeys(("id", "a", "b", "kind", "trail", "node"), np.int64),
    "pericyte": np.bool_,
}


def empty(table: type[Table]) -> Table:
    """Return a table without rows."""
    return table(*(np.zeros(0, TYPES.get(name, np.float64)) for name in table._fields))


def table_of(table: type[Table], columns: Mapping[str, Any], rows: int = 1) -> Table:
    """Return a table of copies of these columns; a number fills a column of so many rows."""
    full = (np.array(columns[name], TYPES.get(name, np.float64)) for name in table._fields)
    return table(*(c if c.ndim else np.full(rows, c) for c in full))


def check(pieces: Pieces, nodes: Nodes, tips: Tips) -> None:
    """Refuse tables that are not those of one graph: kernels trust what they are given.

    Raises
    ------
    ValueError
        If columns differ in length, or a piece or tip has no node.
    """
    for table in (pieces, nodes, tips):
        if len({column.shape for column in table}) > 1:
            raise ValueError("the columns of a table differ in length")
    for rows in (pieces.a, pieces.b, tips.node):
        if rows.size and not 0 <= rows.min() <= rows.max() < nodes.x.size:
            raise ValueError("there are pieces or tips without a node")
    if pieces.kind.size and not VESSEL <= pieces.kind.min() <= pieces.kind.max() <= PARENT:
        raise ValueError("there are pieces of unknown kind")


def joined(first: Table, second: Table) -> Table:
    """Return the rows of both."""
    columns: Any = map(np.concatenate, zip(first, second, strict=True))
    return type(first)(*columns)


def taken(table: Table, rows: Any) -> Table:
    """Return some rows, by number or by mask."""
    return type(table)(*(column[rows] for column in table))


def in_order(table: WithIds) -> WithIds:
    """Return the rows in the order of their ids; the table itself if they are."""
    ids = table.id
    if np.all(ids[1:] > ids[:-1]):
        return table
    return taken(table, np.argsort(ids))


def new_pieces(
    first: int, a: Any, b: Any, age: Any, survival: Any, pericyte: Any = False, kind: int = VESSEL
) -> Pieces:
    """Return pieces between nodes, with ids from `first` on, perfused so far by nothing."""
    rows = np.size(a)
    columns = {
        "id": np.arange(first, first + rows), "a": a, "b": b, "age": age, "survival": survival,
        "pericyte": pericyte, "no_flow": 0.0, "kind": kind, "gone": 0.0, "velocity": 0.0,
    }  # fmt: skip
    return table_of(Pieces, columns, rows)


def new_nodes(x: Any, y: Any, trail: Any = 0) -> Nodes:
    """Return nodes at these places, where no pressure is held."""
    return table_of(Nodes, {"x": x, "y": y, "pressure": np.nan, "trail": trail}, np.size(x))


def lengths(pieces: Pieces, nodes: Nodes) -> Floats:
    """Length (pieces,) of each piece, um."""
    x, y, a, b = nodes.x, nodes.y, pieces.a, pieces.b
    dx, dy = x[b] - x[a], y[b] - y[a]
    return np.maximum(np.sqrt(dx * dx + dy * dy), LEAST_UM)  # np.hypot takes four times as long


def middles(pieces: Pieces, nodes: Nodes) -> tuple[Floats, Floats]:
    """Middle of each piece, x and y."""
    x, y, a, b = nodes.x, nodes.y, pieces.a, pieces.b
    return 0.5 * (x[a] + x[b]), 0.5 * (y[a] + y[b])


def of_living(pieces: Pieces, nodes: int) -> Bools:
    """Whether each of so many nodes is an end of a piece that is not a sleeve."""
    living = pieces.kind != SLEEVE
    alive = np.zeros(nodes, np.bool_)
    alive[pieces.a[living]] = alive[pieces.b[living]] = True
    return alive


def split(pieces: Pieces, nodes: Nodes, long: Ints, next_id: int) -> tuple[Pieces, Nodes]:
    """Return the tables with some pieces split in their middles: an endothelial cell divides.

    The half at `b` is the new one; it has what the other has but its id. A node between two of one
    tip's trail belongs to that trail.
    """
    a, b = pieces.a[long], pieces.b[long]
    x, y = middles(taken(pieces, long), nodes)
    trail = np.where(nodes.trail[a] == nodes.trail[b], nodes.trail[a], 0)
    middle = np.arange(nodes.x.size, nodes.x.size + long.size)
    half = taken(pieces, long)._replace(
        id=np.arange(next_id, next_id + long.size), a=middle, b=b.copy()
    )
    pieces.b[long] = middle
    return joined(pieces, half), joined(nodes, new_nodes(x, y, trail))


def without_unused(pieces: Pieces, nodes: Nodes, tips: Tips) -> tuple[Pieces, Nodes, Tips]:
    """Return the tables without nodes that have neither a piece, a tip nor a held pressure."""
    used = np.isfinite(nodes.pressure)
    used[pieces.a] = used[pieces.b] = used[tips.node] = True
    row = np.cumsum(used) - 1
    pieces = pieces._replace(a=row[pieces.a], b=row[pieces.b])
    return pieces, taken(nodes, used), tips._replace(node=row[tips.node])
