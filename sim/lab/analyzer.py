"""Counts of a network as the ImageJ macro Angiogenesis Analyzer defines them.

Written from its definitions (Carpentier et al. 2020, Sci Rep 10:11568), so that a lab can compare
with its old tables. All of its lengths and areas are in pixels of the picture: the same network at
another magnification has other counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sim.errors import InputError
from sim.readouts.network import dilate

BoolArray = NDArray[np.bool_]
Labels = NDArray[np.int32]

AREA = "Analysed area"
COLUMNS = (
    "Image Name",
    AREA,
    "Nb extrem.",
    "Nb nodes",
    "Nb Junctions",
    "Nb master junction",
    "Nb master segments",
    "Tot. master segments lenght",
    "Nb meshes",
    "Tot.meshes area",
    "Nb peaces",
    "Nb segments",
    "Nb branches",
    "Nb isol. seg.",
    "Tot. lenght",
    "Tot. branching lenght",
    "Tot. segments lenght",
    "Tot. branches lenght",
    "Tot. isol. branches lenght",
    "Branching interval",
    "Mesh index",
    "Mean Mesh Size",
)
"""Columns of the macro's table, in its spelling and order."""

AROUND = np.ones((3, 3), np.bool_)
NODE_RADIUS = 3.5  # pixels: a node is a disc 7 pixels wide
SMOOTHING_RADIUS = math.sqrt(10)  # ImageJ's "Maximum" of radius 3


@dataclass(frozen=True)
class Settings:
    """The macro's settings, in pixels, with its defaults.

    Attributes
    ----------
    twig_size : int
        Branches of fewer pixels are twigs, and cut.
    loop_size : int
        Closed loops of a smaller area are filled; meshes have at least this area.
    isolated_size : int
        Isolated segments that are not longer are left out.
    master_size : int
        Master segments that are not longer are merged with their junctions.
    passes : int
        How often twigs are cut, before a last time.
    loop_passes : int
        In how many of these passes loops are filled.
    smooth : bool
        Whether the skeleton is smoothed after each pass that has changed it.
    """

    twig_size: int = 25
    loop_size: int = 850
    isolated_size: int = 25
    master_size: int = 30
    passes: int = 3
    loop_passes: int = 2
    smooth: bool = True

    def __post_init__(self) -> None:
        for name in ("twig_size", "loop_size", "isolated_size", "master_size", "passes",
                     "loop_passes"):  # fmt: skip
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InputError(f"{name} = {value!r} must be a whole number of at least 0")


@dataclass(frozen=True)
class Analysis:
    """What was counted, and the pictures (y, x) that show it.

    Attributes
    ----------
    values : dict
        The macro's columns, as `COLUMNS` but for the name of the picture.
    skeleton : (y, x) bool
    junctions, segments, branches, isolated : (y, x) int
        Numbered from 1; 0 elsewhere. Junctions are clusters of node discs, the others pieces of the
        skeleton between them.
    master_segments, master_junctions, meshes : (y, x) int
        Those of the tree of master segments.
    """

    values: dict[str, float]
    skeleton: BoolArray
    junctions: Labels
    segments: Labels
    branches: Labels
    isolated: Labels
    master_segments: Labels
    master_junctions: Labels
    meshes: Labels


def analyse(mask: BoolArray, settings: Settings | None = None) -> Analysis:
    """Count a network by the macro's rules.

    Parameters
    ----------
    mask : (y, x) bool
        True where cells are, or a skeleton, at the pixels of the picture.
    settings : Settings, optional
        By default the macro's.

    Returns
    -------
    Analysis
        The same, mirrored or turned, of a picture that is mirrored or turned by a right angle.

    Raises
    ------
    InputError
        If scikit-image is not installed.
    ValueError
        If `mask` is not a two-dimensional array with pixels in it.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(f"mask must have the shape (y, x) with pixels in it, not {mask.shape}")
    # Thinning depends on the orientation, so all orientations of a picture are analysed as one.
    way = max(range(8), key=lambda way: (*_turned(mask, way).shape, _turned(mask, way).tobytes()))
    values, *pictures = _analyse(_turned(mask, way), settings or Settings())
    return Analysis(values, *(_turned_back(picture, way) for picture in pictures))


def _turned(picture: NDArray[Any], way: int) -> NDArray[Any]:
    return np.rot90(picture[:, ::-1] if way > 3 else picture, way % 4)


def _turned_back(picture: NDArray[Any], way: int) -> NDArray[Any]:
    picture = np.rot90(picture, -(way % 4))
    return np.ascontiguousarray(picture[:, ::-1] if way > 3 else picture)


def _analyse(mask: BoolArray, settings: Settings) -> tuple[Any, ...]:
    tree = _without_short_isolated(_limbed(_thinned(mask), settings), settings.isolated_size)
    kinds = [tree.ends == ends for ends in (0, 1, 2)]  # segments, branches, isolated ones
    counts = [int(np.count_nonzero(kind)) for kind in kinds]
    lengths = [int(tree.lengths[kind].sum()) for kind in kinds]
    master = _master(tree)
    is_master = master.lengths > settings.master_size
    master_junctions = _merged(master, is_master)
    master_length, master_count = int(master.lengths[is_master].sum()), int(master_junctions.max())
    meshes = _numbered(_enclosed(master.skeleton), at_least=settings.loop_size)
    mesh_count, mesh_area = int(meshes.max()), int(np.count_nonzero(meshes))
    found = (
        mask.size,
        int(np.count_nonzero(tree.extremities)),
        int(np.count_nonzero(tree.nodes)),
        int(tree.junctions.max()),
        master_count,
        int(np.count_nonzero(is_master)),
        master_length,
        mesh_count,
        mesh_area,
        sum(counts),
        *counts,
        sum(lengths),
        lengths[0] + lengths[1],
        *lengths,
        lengths[0] / counts[1] if counts[1] else 0.0,
        master_length / master_count if master_count else 0.0,
        mesh_area / mesh_count if mesh_count else 0.0,
    )
    return (
        dict(zip(COLUMNS[1:], found, strict=True)),
        tree.skeleton,
        tree.junctions,
        *(_chosen(tree.pieces, kind) for kind in kinds),
        _chosen(master.pieces, is_master),
        master_junctions,
        meshes,
    )


# --- the tree and its pieces -------------------------------------------------------------------


class _Tree:
    """A skeleton, its nodes and junctions, and the pieces between these."""

    def __init__(self, skeleton: BoolArray) -> None:
        around = _neighbours(skeleton)
        self.skeleton = skeleton & (around > 0)
        self.extremities = skeleton & (around == 1)
        self.nodes = skeleton & (around > 2)
        discs = dilate(self.nodes, NODE_RADIUS)
        self.junctions = _label(discs)
        self.enlarged = ndimage.binary_dilation(discs, AROUND)
        self.pieces = _label(self.skeleton & ~self.enlarged)
        self.ends = _of_each(self.pieces, self.extremities)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Half the perimeter of each piece as ImageJ traces it, in whole pixels.

        Of a curve that is one pixel wide this is its length and sqrt 2, but for 1 % where it winds.
        Of a closed one only the outer outline is traced, so that it counts half.
        """
        straight, diagonal = _links(self.pieces)
        closed = straight + diagonal == np.bincount(self.pieces.ravel())[1:]
        length = (straight + math.sqrt(2) * diagonal) / np.where(closed, 2, 1)
        return (length + math.sqrt(2)).astype(np.int64)

    def hanging(self, size: float) -> BoolArray:
        """Branches of fewer pixels, from their extremity up to their node."""
        chains = _label(self.skeleton & ~self.nodes)
        pixels = _of_each(chains, ~self.enlarged)
        return _chosen(chains, (_of_each(chains, self.extremities) == 1) & (pixels < size)) > 0


def _limbed(skeleton: BoolArray, settings: Settings) -> BoolArray:
    """Fill small loops and cut twigs, until there are none or as often as the settings say."""
    for turn in range(settings.passes + 1):
        before = skeleton
        if turn < settings.loop_passes:
            loops = _enclosed(skeleton)
            skeleton = _thinned(skeleton | _chosen(loops, _areas(loops) < settings.loop_size) > 0)
        skeleton = skeleton & ~_Tree(skeleton).hanging(settings.twig_size)
        if np.array_equal(skeleton, before):
            break
        skeleton = _thinned(_smoothed(skeleton) if settings.smooth else skeleton)
    return skeleton


def _without_short_isolated(skeleton: BoolArray, size: float) -> _Tree:
    tree = _Tree(skeleton)
    short = _chosen(tree.pieces, (tree.ends == 2) & (tree.lengths <= size)) > 0
    return _Tree(skeleton & ~short)


def _master(tree: _Tree) -> _Tree:
    """The tree without isolated pieces and branches, and those that are left when these are cut."""
    isolated = _chosen(tree.pieces, tree.ends == 2) > 0
    skeleton = tree.skeleton & ~isolated
    while (hanging := _Tree(skeleton).hanging(math.inf)).any():
        skeleton = _thinned(skeleton & ~hanging)
    return _Tree(skeleton)


def _merged(master: _Tree, is_master: BoolArray) -> Labels:
    """Junctions with at least three master segments; those that short pieces join are one."""
    clusters = _label(master.enlarged | (_chosen(master.pieces, ~is_master) > 0))
    segments = _chosen(master.pieces, is_master) > 0
    ends = segments & (_neighbours(segments) < 2)
    near = ndimage.maximum_filter(clusters, 3)[ends]
    joined = np.bincount(near, minlength=int(clusters.max()) + 1)[1:]
    return _chosen(clusters, joined >= 3)


# --- pictures ----------------------------------------------------------------------------------


def _thinned(mask: BoolArray) -> BoolArray:
    """Skeleton after Zhang and Suen (1984), as ImageJ's, without corners that only double it."""
    try:
        from skimage.morphology import skeletonize
    except ImportError:
        raise InputError(
            "angiogenesis-analyzer needs scikit-image: pip install 'angiosim[lab]'"
        ) from None
    wide = np.pad(skeletonize(mask), 1)
    flat, width = wide.ravel(), wide.shape[1]
    steps = np.array([-width, 1 - width, 1, 1 + width, width, width - 1, -1, -1 - width])
    left = np.flatnonzero(flat)
    while True:
        before = left.size
        for field in range(4):  # neighbours are never removed at once
            at = left[left // width % 2 * 2 + left % width % 2 == field]
            code = sum(flat[at + step].astype(np.uint8) << k for k, step in enumerate(steps))
            flat[at[_DOUBLING[code]]] = False
        left = left[flat[left]]
        if left.size == before:
            return wide[1:-1, 1:-1]


def _doubling() -> BoolArray:
    """Whether a pixel only doubles a line (256,), by its neighbours as bits clockwise from above.

    Either its neighbours are in one run around it, or it is a corner that they cut.
    """
    there = [(np.arange(256) >> k & 1).astype(bool) for k in range(8)]
    runs = sum((~there[k - 1] & there[k]).astype(int) for k in range(8))
    count = sum(site.astype(int) for site in there)
    doubling = (runs == 1) & (count > 1) & (count < 7)
    for k in (0, 2, 4, 6):
        one, other = there[k], there[(k + 2) % 8]
        doubling |= one & other & ~there[k - 2] & ~there[k - 3] & ~there[k - 4]
    return np.asarray(doubling)


_DOUBLING = _doubling()


def _smoothed(skeleton: BoolArray) -> BoolArray:
    """A mean over 3 x 3 pixels made black and white, and a maximum around each pixel."""
    return dilate(ndimage.binary_dilation(skeleton, AROUND), SMOOTHING_RADIUS)


def _neighbours(mask: BoolArray) -> NDArray[np.uint8]:
    """How many of the eight pixels around each are in a mask."""
    wide = np.pad(mask, 1).astype(np.uint8)
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return np.asarray(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - wide[1:-1, 1:-1])


def _enclosed(skeleton: BoolArray) -> Labels:
    """Number the regions that a skeleton encloses; what meets the edge of the picture is open."""
    gaps, _ = ndimage.label(np.pad(~skeleton, 1, constant_values=True))
    return _numbered(np.where(gaps == gaps[0, 0], 0, gaps)[1:-1, 1:-1], at_least=1)


def _numbered(labels: Labels, at_least: int) -> Labels:
    """Those of a least area, numbered from 1."""
    return _chosen(labels, _areas(labels) >= at_least)


def _chosen(labels: Labels, kept: BoolArray) -> Labels:
    """Some of what is numbered, numbered from 1."""
    number = np.append(0, np.where(kept, np.cumsum(kept), 0)).astype(np.int32)
    return number[labels]


def _label(mask: BoolArray) -> Labels:
    return np.asarray(ndimage.label(mask, AROUND)[0], np.int32)


def _areas(labels: Labels) -> NDArray[np.intp]:
    return np.bincount(labels.ravel(), minlength=1)[1:]


def _of_each(labels: Labels, mask: BoolArray) -> NDArray[np.intp]:
    """How many pixels of a mask each of what is numbered has."""
    return np.bincount(labels[mask], minlength=int(labels.max()) + 1)[1:]


def _links(pieces: Labels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs of neighbouring pixels in each piece: along rows and columns, and diagonal ones."""

    def pairs(one: Labels, other: Labels) -> NDArray[np.intp]:
        met = one[(one > 0) & (one == other)]
        return np.bincount(met, minlength=int(pieces.max()) + 1)[1:]

    return (
        pairs(pieces[1:], pieces[:-1]) + pairs(pieces[:, 1:], pieces[:, :-1]),
        pairs(pieces[1:, 1:], pieces[:-1, :-1]) + pairs(pieces[1:, :-1], pieces[:-1, 1:]),
    )
