"""Read-outs of a tube network: parts, length, segments, junctions, meshes.

Every definition is pinned in ``docs/readouts.md``. A walled domain is treated as a torus
with a frame of gap around it, so that one code path serves both kinds of boundary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull

from sim.readouts.skeleton import UNITS_PER_SITE, Graph, centres, prune, skeleton

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer[Any]]
FloatArray = NDArray[np.float64]

SMALLEST_PART_CELLS = 3
STRIPE_SITES = 1 << 20  # sites counted in one pass
ORTHOGONAL = ndimage.generate_binary_structure(2, 1)
DIAGONAL_TOO = ndimage.generate_binary_structure(2, 2)


@dataclass(frozen=True)
class Network:
    """A cell network with its read-outs and the arrays that draw it.

    Attributes
    ----------
    skeleton_yx : (n, 2) float
        Positions of the pruned skeleton of the network, in sites and halves of them; (0, 0) is the
        centre of the first site.
    skeleton_links : (m, 2) int
        Pairs of neighbours among these positions.
    parts : (H, W) int32
        Connected parts of the cell phase, 1 to n; 0 is gap. Labels hold across periodic borders.
    kept : (H, W) bool
        The network: the cell phase without parts smaller than three cells.
    meshes : (H, W) int32
        Gaps enclosed by the network, 1 to n; 0 elsewhere.
    junction_yx, end_yx : (n, 2) float
        Positions of junctions and end points.
    skeleton : Graph
        The pruned skeleton of the network, on the doubled grid with a frame around it.
    frame : int
        Sites of that frame at each border.
    values : mapping
        The read-outs by name.
    """

    parts: NDArray[np.int32]
    kept: BoolArray
    meshes: NDArray[np.int32]
    skeleton_yx: FloatArray
    skeleton_links: IntArray
    junction_yx: FloatArray
    end_yx: FloatArray
    skeleton: Graph
    frame: int
    values: Mapping[str, float]

    def readouts(self) -> dict[str, float]:
        """Return the read-outs by name; counts are ``int``, all others ``float``."""
        return dict(self.values)


def measure_network(
    mask: BoolArray,
    *,
    spacing_um: float,
    periodic: bool,
    cell_area_sites: float,
    closing_um: float = 0.0,
    field: BoolArray | None = None,
    sure: BoolArray | None = None,
) -> Network:
    """Measure the network that cells form.

    Parameters
    ----------
    mask : (H, W) bool
        True where a cell lies, without any frame of walls.
    spacing_um : float
        Side of a site, um.
    periodic : bool
        Whether the domain wraps around in both directions; otherwise walls surround it.
    cell_area_sites : float
        Area of one cell, in sites: enclosed gaps below it are pinholes, and parts below three
        times it are left out of the network.
    closing_um : float
        Radius of the disc with which the cell phase is closed first: gaps narrower than twice
        this count as touching.
    field : (H, W) bool, optional
        Where cells can be seen, if not everywhere: what lies outside is neither domain nor gap.
    sure : (H, W) bool, optional
        The part of a mask whose area counts, where it reaches beyond the cells, as in pictures.

    Returns
    -------
    Network
        Arrays of the shape of `mask`, and the read-outs.

    Raises
    ------
    ValueError
        If `mask` is not a two-dimensional array with sites, or a length or area is not positive.

    Notes
    -----
    Lengths after Vossepoel and Smeulders (1982); compactness after Merks et al. (2008).
    ``docs/readouts.md`` defines every read-out.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"mask must have the shape (H, W) with sites in it, not {mask.shape}")
    if not (spacing_um > 0 and cell_area_sites > 0 and closing_um >= 0):
        raise ValueError("spacing_um and cell_area_sites must be positive, closing_um not negative")
    frame = 0 if periodic else 1
    cells = np.pad(mask, frame)
    weighed = cells if sure is None else np.pad(sure, frame)
    inner = np.s_[frame : frame + mask.shape[0], frame : frame + mask.shape[1]]

    phase = close_pinholes(close(cells, closing_um / spacing_um, periodic), cell_area_sites)
    pruned = prune(skeleton(phase), math.sqrt(cell_area_sites / math.pi))  # needs the most memory
    parts = _label(phase, DIAGONAL_TOO)
    part_area = _areas(parts, weighed)
    large = part_area >= SMALLEST_PART_CELLS * cell_area_sites
    kept = large[parts.labels]
    meshes = _meshes(kept)
    mesh_count = int(meshes.max())

    graph = pruned.only(pruned.lies_in(kept))
    pieces = graph.pieces
    yx = graph.yx / 2 - frame
    ends = graph.degree == 1

    mm = spacing_um / 1000
    domain_sites = mask.size if field is None else int(np.count_nonzero(field))
    domain_mm2 = domain_sites * mm**2
    unit_mm = mm / UNITS_PER_SITE
    tube_mm = graph.length * unit_mm
    gap = ~phase[inner] if field is None else ~phase[inner] & field
    values: dict[str, float] = {
        "covered_fraction": float(np.count_nonzero(weighed) / domain_sites),
        "tube_length_mm": tube_mm,
        "total_length_mm": pruned.length * unit_mm,
        "tube_length_mm_per_mm2": tube_mm / domain_mm2,
        "segments": int(np.count_nonzero(~pieces.is_junction & (pieces.lengths > 0))),
        "junctions": int(np.count_nonzero(pieces.is_junction)),
        "end_points": int(np.count_nonzero(ends)),
        "meshes": mesh_count,
        "mean_mesh_area_um2": float(np.count_nonzero(meshes) * spacing_um**2 / max(mesh_count, 1)),
        "largest_part_fraction": float(part_area.max() / max(part_area.sum(), 1)),
        "mean_chord_um": _mean_chord(gap, periodic) * spacing_um,
        "compactness": _compactness(parts, part_area, domain_sites),
    }
    return Network(
        parts=parts.labels[inner],
        kept=kept[inner],
        meshes=meshes[inner],
        skeleton_yx=yx,
        skeleton_links=graph.links,
        junction_yx=centres(graph) / 2 - frame,
        end_yx=yx[ends],
        skeleton=graph,
        frame=frame,
        values=values,
    )


# --- components on a torus ---------------------------------------------------------------------


class _Components(NamedTuple):
    labels: NDArray[np.int32]  # (H, W), 0 outside, then 1 to n
    wraps: BoolArray  # (n + 1,), whether a component goes round the torus
    pieces: IntArray  # (H, W), labels before joining over the border, 0 to p
    of_piece: IntArray  # (p + 1,), component of each piece
    copies: IntArray  # (p + 1, 2), copy of the domain that each piece moves to when unwrapped


def _label(phase: BoolArray, structure: BoolArray) -> _Components:
    """Label the components of a phase on the torus; see which go round, and unwrap the others."""
    pieces, n = ndimage.label(phase, structure)
    root = list(range(n + 1))
    offset = np.zeros((n + 1, 2), dtype=int)
    round_trip = np.zeros(n + 1, dtype=bool)

    def find(i: int) -> tuple[int, IntArray]:
        at = np.zeros(2, dtype=int)
        while root[i] != i:
            at = at + offset[i]
            i = root[i]
        return i, at

    # Joining pieces over the border keeps, per piece, the copy of the domain it lies in relative
    # to its root. Two ways to one piece that disagree on the copy are a way round the torus.
    for a, b, *step in _border_links(pieces, bool(structure[0, 0])):
        root_a, at_a = find(a)
        root_b, at_b = find(b)
        turn = at_a + step - at_b
        if root_a == root_b:
            round_trip[root_a] |= bool(turn.any())
        else:
            root[root_b] = root_a
            offset[root_b] = turn
            round_trip[root_a] |= round_trip[root_b]
    found = [find(i) for i in range(n + 1)]
    roots, number = np.unique([r for r, _ in found], return_inverse=True)
    number = number.astype(np.int32)
    joined = number[pieces] if len(roots) <= n else pieces
    labels = np.asarray(joined, dtype=np.int32)
    return _Components(labels, round_trip[roots], pieces, number, np.array([at for _, at in found]))


def _border_links(pieces: IntArray, diagonal: bool) -> list[list[int]]:
    """List [piece, next piece, step y, step x] over the bottom and the right border."""
    links = []
    for turned in (False, True):
        last, first = (pieces[:, -1], pieces[:, 0]) if turned else (pieces[-1], pieces[0])
        for shift in (-1, 0, 1) if diagonal else (0,):
            along = np.arange(last.size) + shift
            ones, sideways = np.ones(last.size, dtype=int), along // last.size
            steps = (sideways, ones) if turned else (ones, sideways)
            links.append(np.stack([last, first[along % last.size], *steps], axis=1))
    table = np.concatenate(links)
    table = table[(table[:, 0] > 0) & (table[:, 1] > 0)]
    # as one number in the order of rows, which takes a tenth of the time of sorting these
    number = table @ [9 * (int(pieces.max()) + 1), 9, 3, 1]
    once = np.unique(number, return_index=True)[1]
    unique: list[list[int]] = table[once].tolist()
    return unique


def _areas(components: _Components, where: BoolArray | None = None) -> IntArray:
    """Sites of each component (n + 1,), or those of a mask; in stripes, to spare memory."""
    total = np.zeros(components.wraps.size, dtype=np.int64)
    rows = max(1, STRIPE_SITES // components.labels.shape[1])
    for top in range(0, len(components.labels), rows):
        stripe = components.labels[top : top + rows]
        chosen = stripe.ravel() if where is None else stripe[where[top : top + rows]]
        total += np.bincount(chosen, minlength=total.size)
    return total


def dilate(phase: BoolArray, radius: float) -> BoolArray:
    """Dilate with a disc of this radius in sites; nothing comes in from outside the array."""
    out, wide = phase.copy(), phase.copy()
    reach = int(radius)
    half = [math.isqrt(int(radius * radius) - dy * dy) for dy in range(reach + 1)]
    for dx in range(reach + 1):
        if dx:
            wide[:, dx:] |= phase[:, :-dx]
            wide[:, :-dx] |= phase[:, dx:]
        for dy in (dy for dy in range(reach + 1) if half[dy] == dx):  # rows of this half width
            out[dy:] |= wide[: len(wide) - dy]
            out[: len(out) - dy] |= wide[dy:]
    return out


def close(cells: BoolArray, radius: float, periodic: bool) -> BoolArray:
    """Close with a disc of this radius in sites; less than one site closes nothing."""
    reach = int(radius)
    if reach < 1:
        return cells
    margin = 2 * reach
    wide = np.pad(cells, margin, mode="wrap" if periodic else "constant")
    closed = ~dilate(~dilate(wide, radius), radius)
    return np.asarray(closed[margin:-margin, margin:-margin] | cells)


def close_pinholes(cells: BoolArray, cell_area_sites: float) -> BoolArray:
    """Fill the enclosed gaps that are smaller than one cell."""
    gaps = _label(~cells, ORTHOGONAL)
    pinhole = (_areas(gaps) < cell_area_sites) & ~gaps.wraps
    pinhole[0] = False
    return cells | pinhole[gaps.labels]


def _meshes(kept: BoolArray) -> NDArray[np.int32]:
    """Number the gaps of the network that do not go round the torus."""
    gaps = _label(~kept, ORTHOGONAL)
    is_mesh = ~gaps.wraps
    is_mesh[0] = False
    number = np.where(is_mesh, np.cumsum(is_mesh), 0).astype(np.int32)
    return number[gaps.labels]


# --- areas and chords --------------------------------------------------------------------------


def _mean_chord(gap: BoolArray, periodic: bool) -> float:
    """Mean length, in sites, of the straight horizontal and vertical runs through the gap."""
    runs = 0
    for axis in (0, 1):
        before = np.roll(gap, 1, axis)
        if not periodic:
            before[(0, slice(None)) if axis == 0 else (slice(None), 0)] = False
        runs += int(np.count_nonzero(gap & ~before))
        if periodic:  # a run without start goes round and counts once
            runs += int(np.count_nonzero(gap.all(axis)))
    return 2 * int(np.count_nonzero(gap)) / max(runs, 1)


def _compactness(parts: _Components, area: IntArray, domain_sites: int) -> float:
    """Area of the largest part over that of its convex hull, over the corners of its sites."""
    largest = int(area.argmax())
    if area[largest] == 0:
        return 0.0
    if parts.wraps[largest]:  # it has no hull: the domain is used instead
        return float(area[largest] / domain_sites)
    height, width = parts.labels.shape
    mine = parts.of_piece == largest
    rims = []
    for copy in np.unique(parts.copies[mine], axis=0):
        member = (mine & (parts.copies == copy).all(axis=1))[parts.pieces]
        y = np.flatnonzero(member.any(axis=1))
        left, right = member[y].argmax(axis=1), width - member[y, ::-1].argmax(axis=1)
        rims.append(
            np.stack([y, left, right]) + copy[[0, 1, 1], None] * [[height], [width], [width]]
        )
    y, left, right = np.concatenate(rims, axis=1)
    y, origin = y - y.min(), left.min()
    corners = [(y + down, side - origin) for down in (0, 1) for side in (left, right)]
    hull = ConvexHull(np.concatenate([np.stack(pair, axis=1) for pair in corners]))
    y, x = hull.points[hull.vertices].T  # whole numbers, so that this sum is exact
    hull_area = abs(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1))) / 2
    return float(area[largest] / hull_area)
