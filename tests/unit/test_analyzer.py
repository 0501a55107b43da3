"""Counts by the rules of Angiogenesis Analyzer, on drawn skeletons that were counted by hand.

How to count: a cross has five node pixels (its centre, and the first pixel of each arm, which
touches those beside it), a T four. Discs reach three pixels beyond them and are enlarged by one, so
that the first five pixels of each arm belong to the junction, and a piece begins with the sixth. A
straight piece is as long as it has pixels. The pixel of a rectangular corner is cut by thinning.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest
from naive.perimeter import traced_perimeter
from numpy.typing import NDArray
from scipy import ndimage

from sim.errors import InputError
from sim.lab.analyzer import COLUMNS, Analysis, Settings, analyse

Mask = NDArray[np.bool_]
AS_DRAWN = Settings(smooth=False)


def drawn(shape: tuple[int, int], *lines: tuple[int, int, int, int]) -> Mask:
    """Lines one pixel wide along rows or columns, from (y, x) to (y, x)."""
    mask = np.zeros(shape, np.bool_)
    for y, x, end_y, end_x in lines:
        mask[y : end_y + 1, x : end_x + 1] = True
    return mask


def expected(size: int, **counts: float) -> dict[str, float]:
    """All columns; what is not named is 0, and sums and ratios are by their definitions."""
    get = counts.get
    segments, branches, isolated = get("segments", 0), get("branches", 0), get("isolated", 0)
    lengths = [get(f"{kind}_px", 0) for kind in ("segments", "branches", "isolated")]
    master_px, mesh_px = get("master_px", 0), get("mesh_px", 0)
    found = (
        size, get("extremities", 0), get("nodes", 0), get("junctions", 0),
        get("master_junctions", 0), get("master_segments", 0), master_px, get("meshes", 0), mesh_px,
        segments + branches + isolated, segments, branches, isolated,
        sum(lengths), lengths[0] + lengths[1], *lengths,
        lengths[0] / branches if branches else 0,
        master_px / counts["master_junctions"] if get("master_junctions") else 0,
        mesh_px / counts["meshes"] if get("meshes") else 0,
    )  # fmt: skip
    return dict(zip(COLUMNS[1:], found, strict=True))


LINE = (
    drawn((60, 200), (30, 50, 30, 149)),
    expected(12000, extremities=2, isolated=1, isolated_px=100),
)
# four arms of 80 pixels beyond the centre, 5 of each in the junction
CROSS = (
    drawn((200, 200), (100, 20, 100, 180), (20, 100, 180, 100)),
    expected(40000, extremities=4, nodes=5, junctions=1, branches=4, branches_px=4 * 75),
)
# Two rails with three rungs, 70 apart and 100 long; the rails end 60 beyond the outer rungs. Each
# of the six junctions is a T. Segments: 4 of 69 - 10 and 3 of 99 - 10; branches: 4 of 60 - 5.
# Without these the outer four are corners: two junctions, the rung between them, and two ways round
# are left, of 64 + 99 + 64 pixels with two corners that are cut: 224 + 2 sqrt 2 + sqrt 2.
LADDER = drawn(
    (300, 200), (20, 50, 280, 50), (20, 150, 280, 150),
    (80, 50, 80, 150), (150, 50, 150, 150), (220, 50, 220, 150),
), expected(
    60000, extremities=4, nodes=24, junctions=6, segments=7, segments_px=4 * 59 + 3 * 89,
    branches=4, branches_px=4 * 55, master_junctions=2, master_segments=3,
    master_px=89 + 2 * 228, meshes=2, mesh_px=2 * 69 * 99,
)  # fmt: skip
SQUARE = (40, 40, 40, 100), (100, 40, 100, 100), (40, 40, 100, 40), (40, 100, 100, 100)
# A twig of 15 pixels, 10 beyond the junction, is cut. Of a closed outline ImageJ traces the outer
# side alone: half of 4 x 58 steps and 4 diagonal ones, and sqrt 2.
RING_WITH_TWIG = (
    drawn((140, 180), *SQUARE, (70, 100, 70, 115)),
    expected(
        25200,
        segments=1,
        segments_px=120,
        master_segments=1,
        master_px=120,
        meshes=1,
        mesh_px=59**2,
    ),
)
# A branch of 40 - 5 pixels stays, and makes a junction in the ring, which is 236 - 11 pixels
# without it: 220 straight links and 4 diagonal ones. In the tree of master segments it is closed.
RING_WITH_BRANCH = drawn((140, 180), *SQUARE, (70, 100, 70, 140)), expected(
    25200, extremities=1, nodes=4, junctions=1, segments=1, segments_px=227, branches=1,
    branches_px=35, master_segments=1, master_px=120, meshes=1, mesh_px=59**2,
)  # fmt: skip
# Four by four lines, 60 apart: 4 crosses and 8 T; 16 straight segments of 59 - 10 pixels, and round
# each corner one of 54 + 54 pixels with one diagonal link: 106 + 2 sqrt 2.
GRID = drawn(
    (240, 240), *((y, 30, y, 210) for y in (30, 90, 150, 210)),
    *((30, x, 210, x) for x in (30, 90, 150, 210)),
), expected(
    57600, nodes=4 * 5 + 8 * 4, junctions=12, segments=20, segments_px=16 * 49 + 4 * 108,
    master_junctions=12, master_segments=20, master_px=16 * 49 + 4 * 108, meshes=9,
    mesh_px=9 * 59**2,
)  # fmt: skip
# beside the cross a line of 60 pixels, and one of 20, which is too short to count
TWO_PARTS = drawn(
    (200, 300), (100, 20, 100, 180), (20, 100, 180, 100), (50, 220, 109, 220), (150, 220, 169, 220)
), expected(
    60000, extremities=6, nodes=5, junctions=1, branches=4, branches_px=4 * 75, isolated=1,
    isolated_px=60,
)  # fmt: skip
# Two rungs 30 apart: the rails between them have 29 - 10 pixels, so as master segments they belong
# to their junctions, of which two are left. The ways round have 64 + 99 + 64 and 74 + 99 + 74.
SHORT_SEGMENTS = drawn(
    (240, 200), (20, 50, 200, 50), (20, 150, 200, 150),
    *((y, 50, y, 150) for y in (20, 90, 120, 200)),
), expected(
    48000, nodes=16, junctions=4, segments=6, segments_px=228 + 248 + 2 * 89 + 2 * 19,
    master_junctions=2, master_segments=4, master_px=228 + 248 + 2 * 89, meshes=3,
    mesh_px=(69 + 29 + 79) * 99,
)  # fmt: skip
# a loop around 19 x 19 pixels is filled: what is left is the line through it
SMALL_LOOP = drawn(
    (100, 300), (50, 40, 50, 140), (50, 160, 50, 260), (40, 140, 40, 160), (60, 140, 60, 160),
    (40, 140, 60, 140), (40, 160, 60, 160),
), expected(30000, extremities=2, isolated=1, isolated_px=221)  # fmt: skip
# and one around 39 x 39 pixels is a mesh between two branches of 60 - 5; the two ways round it have
# 14 + 39 + 14 pixels, two corners and no third way: in the tree of master segments it is a ring
LARGE_LOOP = drawn(
    (100, 300), (50, 70, 50, 130), (50, 170, 50, 230), (30, 130, 30, 170), (70, 130, 70, 170),
    (30, 130, 70, 130), (30, 170, 70, 170),
), expected(
    30000, extremities=2, nodes=8, junctions=2, segments=2, segments_px=2 * 68, branches=2,
    branches_px=2 * 55, master_segments=1, master_px=80, meshes=1, mesh_px=39**2,
)  # fmt: skip
DRAWN = {
    "line": LINE, "cross": CROSS, "ladder": LADDER, "ring with twig": RING_WITH_TWIG,
    "ring with branch": RING_WITH_BRANCH, "grid": GRID, "two parts": TWO_PARTS,
    "short segments": SHORT_SEGMENTS, "small loop": SMALL_LOOP, "large loop": LARGE_LOOP,
}  # fmt: skip


@pytest.mark.parametrize("mask, counts", DRAWN.values(), ids=DRAWN)
def test_every_column_is_as_counted_by_hand(mask: Mask, counts: dict[str, float]) -> None:
    assert analyse(mask, AS_DRAWN).values == pytest.approx(counts)


@pytest.mark.parametrize("mask, counts", DRAWN.values(), ids=DRAWN)
def test_smoothing_changes_no_count(mask: Mask, counts: dict[str, float]) -> None:
    """It happens only where a twig was cut or a loop filled, and moves lines by a pixel or two."""
    assert analyse(mask).values == pytest.approx(counts, rel=0.04)


@pytest.mark.parametrize("name", ["ring with twig", "two parts", "small loop"])
def test_a_picture_that_is_turned_or_mirrored_has_the_same_counts(name: str) -> None:
    mask = DRAWN[name][0]
    found = analyse(mask)
    for turns in range(4):
        for mirrored in (False, True):
            way = np.rot90(mask[:, ::-1] if mirrored else mask, turns)
            there = analyse(way)
            assert there.values == found.values
            back = np.rot90(there.skeleton, -turns)
            assert np.array_equal(back[:, ::-1] if mirrored else back, found.skeleton)


def blobs(seed: int, size: int = 300) -> Mask:
    """A network of thick, rough tubes."""
    noise = np.random.default_rng(seed).normal(size=(size, size))
    return np.asarray(abs(ndimage.gaussian_filter(noise, 9)) < 0.008)


def test_thick_and_rough_tubes_have_the_same_counts_in_any_orientation() -> None:
    mask = blobs(1)
    found = analyse(mask)
    assert found.values["Nb meshes"] > 3 and found.values["Nb Junctions"] > 10
    for way in (mask[::-1], mask.T, np.rot90(mask)):
        assert analyse(way).values == found.values


def all_pieces(found: Analysis) -> Mask:
    return np.asarray((found.segments > 0) | (found.branches > 0) | (found.isolated > 0))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pieces_are_as_long_as_half_their_traced_perimeter(seed: int) -> None:
    found = analyse(blobs(seed))
    for kind, name in ((found.segments, "segments"), (found.branches, "branches")):
        lengths = [
            int(traced_perimeter(kind == piece) / 2) for piece in range(1, int(kind.max()) + 1)
        ]
        assert abs(found.values[f"Tot. {name} lenght"] - sum(lengths)) <= 0.015 * sum(lengths) + 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_arrays_show_what_was_counted(seed: int) -> None:
    found = analyse(blobs(seed))
    for array, column in (
        (found.junctions, "Nb Junctions"), (found.segments, "Nb segments"),
        (found.branches, "Nb branches"), (found.isolated, "Nb isol. seg."),
        (found.master_segments, "Nb master segments"),
        (found.master_junctions, "Nb master junction"), (found.meshes, "Nb meshes"),
    ):  # fmt: skip
        assert array.max() == found.values[column] and array.shape == (300, 300)
    assert np.count_nonzero(found.meshes) == found.values["Tot.meshes area"]
    assert (found.skeleton | ~all_pieces(found)).all()


def test_a_setting_is_a_number_of_pixels() -> None:
    mask = RING_WITH_TWIG[0]
    assert analyse(mask, Settings(twig_size=10, smooth=False)).values["Nb branches"] == 1
    assert analyse(mask, Settings(twig_size=11, smooth=False)).values["Nb branches"] == 0
    assert analyse(LARGE_LOOP[0], Settings(loop_size=39**2)).values["Nb meshes"] == 1
    assert analyse(LARGE_LOOP[0], Settings(loop_size=39**2 + 1)).values["Nb meshes"] == 0
    short = Settings(master_size=18)
    assert analyse(SHORT_SEGMENTS[0], short).values["Nb master segments"] == 6
    assert analyse(TWO_PARTS[0], Settings(isolated_size=19)).values["Nb isol. seg."] == 2


@pytest.mark.parametrize("empty", [np.zeros((30, 40), bool), np.ones((30, 40), bool)])
def test_a_picture_without_network_has_none(empty: Mask) -> None:
    found = analyse(empty).values
    assert found["Analysed area"] == 1200
    assert found["Nb Junctions"] == found["Nb meshes"] == found["Nb segments"] == 0


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="mask must have the shape"):
        analyse(np.zeros((3, 4, 5), bool))
    for wrong in (-1, 2.5, True):
        with pytest.raises(InputError, match="twig_size"):
            Settings(twig_size=wrong)  # type: ignore[arg-type]


def test_without_scikit_image_there_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.morphology", None)
    with pytest.raises(InputError, match=r"pip install 'angiosim\[lab\]'"):
        analyse(LINE[0])
