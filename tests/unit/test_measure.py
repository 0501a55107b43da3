"""Pictures of a lab, measured as the simulation is."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rendering
import tifffile
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import sim
from sim.errors import FileError, InputError
from sim.lab.analyzer import COLUMNS
from sim.lab.doubts import JOINED, NOISY, RIM, WALL
from sim.lab.picture import read_picture
from sim.lab.segment import background
from sim.lab.spheroid import measure_spheroids
from sim.readouts.network import measure_network

Grey = NDArray[np.uint8]


def grid() -> Grey:
    """A mask of tubes 5 pixels wide: three rows, four columns."""
    mask = np.zeros((121, 161), np.uint8)
    for at in (20, 60, 100):
        mask[at - 2 : at + 3, 18:143] = 255
    for at in (20, 60, 100, 140):
        mask[18:103, at - 2 : at + 3] = 255
    return mask


def test_a_mask_is_measured_as_a_lattice_is() -> None:
    found = sim.measure(grid(), um_per_px=2.0, mode="mask").rows[0]
    expected = measure_network(
        grid() > 0, spacing_um=2.0, periodic=False, cell_area_sites=100, closing_um=6.0
    ).readouts()
    assert {name: found[name] for name in expected} == expected
    assert (found["junctions"], found["meshes"], found["doubts"]) == (8, 6, "")
    assert found["tube_width_um"] == pytest.approx(10, rel=0.1)


def test_without_a_scale_lengths_are_in_pixels() -> None:
    known, unknown = (
        sim.measure(grid(), um_per_px=scale, mode="mask").rows[0] for scale in (2.0, None)
    )
    assert unknown["um_per_px"] is None
    assert unknown["tube_length_px"] == pytest.approx(known["tube_length_mm"] * 500)
    assert unknown["mean_mesh_area_px2"] == pytest.approx(known["mean_mesh_area_um2"] / 4)
    assert not [name for name in unknown if "mm" in name or name.endswith(("_um", "_um2"))]


def test_a_folder_is_measured_into_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "plate"
    folder.mkdir()
    for name in ("w10.png", "w2.png"):
        Image.fromarray(grid()).save(folder / name, dpi=(12700, 12700))
    (folder / "w3.tif").write_bytes(b"II*\0 no picture")
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "notes.txt").write_text("x")
    found = sim.measure(folder, out=tmp_path / "out")
    assert [row["picture"] for row in found.rows] == ["w2.png", "w3.tif", "w10.png"]
    assert found.failed == ["w3.tif"]
    assert found.notes[0].endswith("notes.txt")
    assert {row.get("um_per_px") for row in found.rows} == {2.0, None}
    assert {row.get("mode") for row in found.rows} == {"mask", None}
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.*")) == [
        "measurements.csv", "settings.csv", "w10.png", "w10.png", "w2.png", "w2.png",
    ]  # fmt: skip
    assert list(found.table["junctions"].dropna()) == [8, 8]


@pytest.mark.parametrize("crop", ["1,2,3", "circle:1,2", "circle:1,2,-3", "a,b,c,d", "0,0,0,5"])
def test_wrong_crops_are_refused(crop: str) -> None:
    with pytest.raises(InputError, match="must be a rectangle"):
        sim.measure(grid(), crop=crop)


def test_a_crop_beyond_the_picture_is_cut_and_said() -> None:
    rows, columns = grid().shape
    inside = sim.measure(grid(), um_per_px=2, crop=f"0,0,{columns},{rows}")
    beyond = sim.measure(grid(), um_per_px=2, crop=f"-9,0,{columns + 20},{rows}")
    assert inside.table.iloc[0]["junctions"] == beyond.table.iloc[0]["junctions"]
    assert not any("beyond" in note for note in inside.notes)
    assert any(f"beyond the picture of {columns} x {rows} pixels" in note for note in beyond.notes)


# --- drawn graphs ---------------------------------------------------------------------------------


def drawn(*lines: tuple[float, float, float, float], turned: float = 0.0) -> Grey:
    """Tubes 5 pixels wide along lines (x, y, x, y) about the middle, turned by an angle."""
    y, x = np.mgrid[-200:200, -200:200] + 0.5
    angle = math.radians(turned)
    x, y = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    mask = np.zeros(x.shape, bool)
    for x0, y0, x1, y1 in lines:
        along = np.array([x1 - x0, y1 - y0])
        share = np.clip(((x - x0) * along[0] + (y - y0) * along[1]) / (along @ along), 0, 1)
        mask |= np.hypot(x - x0 - share * along[0], y - y0 - share * along[1]) <= 2.5
    return (255 * mask).astype(np.uint8)


GRID = [(-130, at, 130, at) for at in (-130, 0, 130)] + [
    (at, -130, at, 130) for at in (-130, 0, 130)
]
ARMS = [(100 * math.cos(k * math.tau / 3), 100 * math.sin(k * math.tau / 3)) for k in range(3)]
STAR = [(0.0, 0.0, x, y) for x, y in ARMS]
CORNERS = [(90 * math.cos(k * math.tau / 60), 90 * math.sin(k * math.tau / 60)) for k in range(60)]
RING = [(*CORNERS[k - 1], *CORNERS[k]) for k in range(60)]
TREE = [(0, 100, 0, 20), (0, 20, -70, -50), (0, 20, 70, -50), (-70, -50, -70, -110),
        (-70, -50, -120, -60), (70, -50, 70, -110), (70, -50, 120, -60)]  # fmt: skip
GRAPHS = {"grid": (GRID, 5, 0, 4), "star": (STAR, 1, 3, 0), "ring": (RING, 0, 0, 1),
          "tree": (TREE, 3, 5, 0)}  # fmt: skip
COUNTED = ("junctions", "end_points", "meshes")


def measured(picture: Grey) -> dict[str, float]:
    return sim.measure(picture, um_per_px=2.0, mode="mask").rows[0]


@pytest.mark.parametrize("turned", [0, 17, 30, 45, 73])
@pytest.mark.parametrize("graph", GRAPHS)
def test_drawn_graphs_have_exact_counts_and_lengths(graph: str, turned: float) -> None:
    lines, *counts = GRAPHS[graph]
    found = measured(drawn(*lines, turned=turned))
    assert [found[name] for name in COUNTED] == counts
    length = sum(math.dist(line[:2], line[2:]) for line in lines)
    assert found["tube_length_mm"] == pytest.approx(length * 0.002, rel=0.03)


def test_a_picture_that_is_turned_or_mirrored_has_the_same_values() -> None:
    picture = drawn(*TREE, turned=20)
    expected = measured(picture)
    for way in range(8):
        turned = np.rot90(picture if way < 4 else picture[::-1], way % 4)
        assert measured(turned) == expected


# --- files ----------------------------------------------------------------------------------------


def saved(path: Path, values: NDArray[Any], **options: Any) -> Path:
    tifffile.imwrite(path, values, **options)
    return path


OME = {"axes": "YX", "PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 650,
       "PhysicalSizeYUnit": "nm"}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "scale"),
    [
        ({"ome": True, "metadata": OME}, 0.65),
        ({"imagej": True, "resolution": (0.5, 0.5), "metadata": {"unit": "um"}}, 2.0),
        ({"imagej": True, "resolution": (2000, 2000), "metadata": {"unit": "mm"}}, 0.5),
        ({"imagej": True, "metadata": {}}, None),
        ({"resolution": (5000, 5000), "resolutionunit": "CENTIMETER"}, 2.0),
        ({"resolution": (25400, 25400), "resolutionunit": "INCH"}, 1.0),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, None),  # a printer's
        ({}, None),
    ],
)
def test_the_size_of_pixels_comes_from_the_file(
    tmp_path: Path, options: dict[str, Any], scale: float | None
) -> None:
    picture = read_picture(saved(tmp_path / "a.tif", grid(), **options))
    assert picture.um_per_px == (None if scale is None else pytest.approx(scale))
    np.testing.assert_array_equal(picture.values, grid())


def test_a_given_size_wins_and_pixels_must_be_square(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.tif", grid(), resolution=(5000, 4000), resolutionunit="CENTIMETER")
    with pytest.raises(FileError, match="must be square"):
        read_picture(path)
    assert read_picture(path, 1.5).um_per_px == 1.5


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_compressed_files_are_read(tmp_path: Path, compression: str | None) -> None:
    Image.fromarray(grid()).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").values, grid())


def test_the_channel_with_the_largest_spread_is_taken(tmp_path: Path) -> None:
    colours = np.zeros((*grid().shape, 3), np.uint8)
    colours[..., 1], colours[..., 2] = grid(), 30
    Image.fromarray(colours).save(tmp_path / "a.png")
    saved(tmp_path / "b.tif", colours, photometric="rgb")
    for name in ("a.png", "b.tif"):
        np.testing.assert_array_equal(read_picture(tmp_path / name).values, grid())


def test_grey_values_of_any_depth_give_the_same() -> None:
    expected = measured(grid())
    for values in (grid().astype(np.uint16) * 257, grid() > 0, grid().astype(np.float32)):
        assert measured(values) == expected


def test_a_plane_of_a_stack_is_chosen_by_a_stated_rule(tmp_path: Path) -> None:
    blurred = ndimage.gaussian_filter(grid(), 4)
    times = np.stack([blurred, grid(), blurred, blurred])
    path = saved(tmp_path / "z.tif", times, imagej=True, metadata={"axes": "ZYX"})
    assert read_picture(path).plane == "2 of 4, the sharpest"
    assert read_picture(path, plane=3).plane == "3 of 4"
    path = saved(tmp_path / "t.tif", times, imagej=True, metadata={"axes": "TYX"})
    assert read_picture(path).plane == "4 of 4, the last in time"
    with pytest.raises(FileError, match="no plane 5"):
        read_picture(path, plane=5)


def test_files_that_are_no_pictures_are_refused(tmp_path: Path) -> None:
    for name, content in (("a.png", b"text"), ("b.tif", b"II*\0"), ("c.jpg", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileError, match=name):
            read_picture(tmp_path / name)
    with pytest.raises(FileError, match="is a folder"):
        read_picture(tmp_path)
    with pytest.raises(InputError, match="has no pictures"):
        (tmp_path / "empty").mkdir()
        sim.measure(tmp_path / "empty")


def test_names_that_no_table_may_have_are_refused(tmp_path: Path) -> None:
    for name in ("=1+1.png", "a\nb.png"):
        path = tmp_path / name
        Image.fromarray(grid()).save(path)
        for source in (path, tmp_path):
            with pytest.raises(InputError, match="rename it"):
                sim.measure(source)
        path.unlink()


def test_files_that_unpack_to_too_much_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((16_000, 16_000), bool)).save(tmp_path / "large.png")
    with pytest.raises(FileError, match="at most 150 million"):
        read_picture(tmp_path / "large.png")
    path = saved(tmp_path / "bomb.tif", np.zeros((2000, 2000), np.uint8), compression="zlib")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags["ImageLength"]
        at = tag.valueoffset
    content[at : at + 2] = (8).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(FileError):
        read_picture(path)


def test_without_scikit_image_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.lab.picture.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"scikit-image: pip install 'angiosim\[lab\]'"):
        sim.measure(grid())


# --- micrographs ----------------------------------------------------------------------------------


def cells() -> NDArray[np.int32]:
    """A lattice of cells along a grid of tubes, sites of 2 um."""
    mask = np.zeros((200, 200), bool)
    for at in (30, 100, 170):
        mask[at - 4 : at + 5, 26:175] = mask[26:175, at - 4 : at + 5] = True
    y, x = np.indices(mask.shape) // 10
    return np.where(mask, 1 + y * 20 + x, 0).astype(np.int32)


def broken_rings(gap_sites: int) -> NDArray[np.int32]:
    """Nine rings of cells, each with a gap."""
    ring = np.zeros((60, 60), bool)
    ring[8:52, 8:52] = True
    ring[16:44, 16:44] = ring[30 : 30 + gap_sites, 8:16] = False
    mask = np.tile(ring, (3, 3))
    y, x = np.indices(mask.shape) // 10
    return np.where(mask, 1 + y * 100 + x, 0).astype(np.int32)


# the first seeds after those with which the settings of a mode were last chosen
NETWORKS = {"phase": range(1201, 1209), "fluorescence": range(1101, 1109)}
SPARSE = {"phase": (1211, 1212, 1221, 1222), "fluorescence": (1111, 1112, 1121, 1122)}
APART = (1213, 1214, 1223, 1224)
SPARSE_NM, APART_NM = 5.6, 30.0  # unbound drug
COUNTS = ("tube_length_mm", "junctions", "meshes")


@cache
def simulated(seed: int, free_nM: float) -> NDArray[np.int32]:
    drug = {"drug.name": "anlotinib", "drug.free_nM": free_nM} if free_nM else {}
    cells: NDArray[np.int32] = sim.run("tube_formation", drug, seed=seed).final["cell_id"]
    return cells


def error_percent(seed: int, free_nM: float, mode: str, um_per_px: float) -> list[float]:
    """How far the counts of a rendered network are from those of its lattice."""
    lattice = simulated(seed, free_nM)
    truth = measure_network(
        lattice > 0, spacing_um=2, periodic=False, cell_area_sites=100, closing_um=6
    ).readouts()
    assert truth["meshes"] >= 20 if free_nM == 0 else 0 < truth["meshes"] < 20
    picture = RENDERED[mode](lattice, um_per_px, seed)
    found = sim.measure(picture, um_per_px=float(um_per_px)).rows[0]
    assert (found["mode"], found["doubts"]) == (mode, "")
    return [100 * (found[name] / max(truth[name], 1) - 1) for name in COUNTS]


RENDERED = {"phase": rendering.phase, "fluorescence": rendering.fluorescence}


@pytest.mark.parametrize("um_per_px", [1, 3])
@pytest.mark.parametrize("mode", RENDERED)
def test_rendered_cells_are_found(mode: str, um_per_px: float) -> None:
    found = sim.measure(RENDERED[mode](cells(), um_per_px, 5), um_per_px=float(um_per_px)).rows[0]
    truth = measure_network(
        cells() > 0, spacing_um=2, periodic=False, cell_area_sites=100, closing_um=6
    ).readouts()
    assert (found["mode"], found["doubts"], found["meshes"]) == (mode, "", truth["meshes"])
    assert found["tube_length_mm"] == pytest.approx(truth["tube_length_mm"], rel=0.06)
    assert found["covered_fraction"] == pytest.approx(truth["covered_fraction"], rel=0.35)


@pytest.mark.parametrize("um_per_px", [1, 2])
@pytest.mark.parametrize(("gap_um", "meshes"), [(6, 9), (16, 0)])
@pytest.mark.parametrize("mode", RENDERED)
def test_gaps_are_closed_as_in_the_simulation(
    mode: str, gap_um: int, meshes: int, um_per_px: float
) -> None:
    """Below 12 um, though masks of phase contrast reach beyond their cells."""
    lattice = broken_rings(gap_um // 2)
    truth = measure_network(
        lattice > 0, spacing_um=2, periodic=False, cell_area_sites=100, closing_um=6
    ).readouts()
    picture = RENDERED[mode](lattice, um_per_px, 1)
    found = sim.measure(picture, um_per_px=float(um_per_px), mode=mode).rows[0]
    assert found["meshes"] == truth["meshes"] == meshes


@pytest.mark.slow
@pytest.mark.parametrize("um_per_px", [0.5, 1, 2, 3])
@pytest.mark.parametrize("mode", RENDERED)
def test_networks_that_tuned_nothing_are_measured(mode: str, um_per_px: float) -> None:
    """Mean of eight networks with at least 20 meshes, and of four sparse ones."""
    most = {"fluorescence": (5, 10, 10), "phase": (5, 12, 20) if um_per_px == 3 else (5, 10, 15)}
    groups = ((NETWORKS[mode], 0.0, most[mode]), (SPARSE[mode], SPARSE_NM, (15, 30)))
    for seeds, free_nM, limits in groups:
        errors = [error_percent(seed, free_nM, mode, um_per_px) for seed in seeds]
        for name, limit, error in zip(COUNTS, limits, np.mean(errors, axis=0), strict=False):
            assert abs(error) <= limit, (name, error)


@pytest.mark.slow
@pytest.mark.parametrize("um_per_px", [0.5, 1, 2, 3])
def test_cells_apart_that_phase_contrast_joins_are_doubted(um_per_px: float) -> None:
    for seed in APART:
        picture = rendering.phase(simulated(seed, APART_NM), um_per_px, seed)
        assert JOINED in sim.measure(picture, um_per_px=float(um_per_px)).rows[0]["doubts"]


@pytest.mark.parametrize("mode", RENDERED)
def test_pictures_without_a_network_are_doubted(mode: str) -> None:
    noise = np.clip(np.random.default_rng(1).normal(120, 20, (200, 200)), 0, 255).astype(np.uint8)
    empty = RENDERED[mode](np.zeros((200, 200), int), 2, 1)
    for picture in (noise, empty, np.full((200, 200), 90, np.uint8), np.zeros((200, 200))):
        found = sim.measure(picture, um_per_px=2.0, mode=mode).rows[0]
        assert found["doubts"]
        assert mode == "phase" or found["tube_length_mm"] == 0


@pytest.mark.parametrize("covered", [0, 0.03, 0.3, 0.5])
def test_the_background_is_that_whatever_cells_cover(covered: float) -> None:
    rng = np.random.default_rng(1)
    light = rng.normal(20, 2, (200, 200))
    cells = rng.random(light.shape) < covered
    light[cells] += rng.uniform(10, 100, cells.sum())
    assert background(light.astype(np.float32)) == pytest.approx((20, 2), rel=0.04)


def wide() -> NDArray[np.int32]:
    """A small network in the corner of an empty field."""
    lattice = np.zeros((300, 300), np.int32)
    lattice[10:126, 10:126] = cells()[10:126, 10:126]
    return lattice


def check_wide_field(um_per_px: float, photons: float, background: float) -> str:
    """Compare what is found in it with what is there; return the doubts."""
    truth = measure_network(
        wide() > 0, spacing_um=2, periodic=False, cell_area_sites=100, closing_um=6
    ).readouts()
    picture = rendering.fluorescence(wide(), um_per_px, 5, photons=photons, background=background)
    found = sim.measure(picture, um_per_px=float(um_per_px), mode="fluorescence").rows[0]
    assert found["tube_length_mm"] == pytest.approx(truth["tube_length_mm"], rel=0.15)
    assert found["meshes"] == truth["meshes"] == 1
    return str(found["doubts"])


def test_noise_of_a_wide_empty_field_is_no_network() -> None:
    assert check_wide_field(2, photons=80, background=0.15) == ""


@pytest.mark.slow
@pytest.mark.parametrize("photons", [15, 40, 80, 200])
@pytest.mark.parametrize("background", [0.03, 0.15, 0.5])
@pytest.mark.parametrize("um_per_px", [0.5, 1, 2, 3])
def test_noise_of_any_wide_empty_field_is_no_network(
    um_per_px: float, photons: float, background: float
) -> None:
    doubts = check_wide_field(um_per_px, photons, background)
    assert photons < 40 or doubts == ""


def test_faint_and_dark_pictures_are_doubted() -> None:
    faint = rendering.phase(cells(), 3, 1, contrast=0.15)
    assert sim.measure(faint, um_per_px=3.0, mode="phase").rows[0]["doubts"]
    dark = rendering.fluorescence(cells(), 3, 1, photons=3)
    assert NOISY in sim.measure(dark, um_per_px=3.0, mode="fluorescence").rows[0]["doubts"]


def test_a_wall_without_a_crop_is_doubted_and_a_crop_leaves_it_out() -> None:
    picture = rendering.phase(cells(), 2, 3)
    y, x = np.indices(picture.shape)
    outside = np.hypot(y - 100, x - 100) > 96
    walled = np.where(outside, np.where((y + x) % 8 < 4, 0, 30), picture).astype(np.uint8)
    assert WALL in sim.measure(walled, um_per_px=2.0, mode="phase").rows[0]["doubts"]
    crop = "circle:100,100,95"
    marked, clean = (
        sim.measure(each, um_per_px=2.0, mode="phase", crop=crop).rows[0]
        for each in (walled, np.where(outside, 255, picture).astype(np.uint8))
    )
    assert marked == clean
    assert marked["doubts"] == ""
    area_mm2 = math.pi * 0.19**2
    assert marked["tube_length_mm"] / marked["tube_length_mm_per_mm2"] == pytest.approx(
        area_mm2, rel=0.01
    )


def test_the_edge_of_a_well_without_a_crop_is_doubted_in_fluorescence() -> None:
    picture = rendering.fluorescence(cells(), 2, 3)
    y, x = np.indices(picture.shape)
    away = np.hypot(y - 100, x - 100)
    dark = np.where(away > 94, 0, picture)
    bright = np.clip(dark + 150 * np.exp(-(((away - 92) / 4) ** 2)), 0, 255)
    options: dict[str, Any] = {"um_per_px": 2.0, "mode": "fluorescence"}
    assert RIM not in sim.measure(picture, **options).rows[0]["doubts"]
    for walled in (dark, bright):
        assert RIM in sim.measure(walled.astype(np.uint8), **options).rows[0]["doubts"]
        marked = sim.measure(walled.astype(np.uint8), crop="circle:100,100,84", **options)
        assert marked.rows[0]["doubts"] == ""


def test_wrong_settings_are_refused_and_right_ones_are_in_the_table() -> None:
    with pytest.raises(InputError, match="did you mean 'closing_um'"):
        sim.measure(grid(), settings={"closing": 3})
    with pytest.raises(InputError, match="must be a number from"):
        sim.measure(grid(), settings={"closing_um": math.nan})
    found = sim.measure(grid(), mode="mask", settings={"closing_um": 3})
    (row,) = [row for row in found.options.table() if row["setting"] == "closing_um"]
    assert (row["value"], row["default"], row["unit"]) == (3, 6, "um")


# --- another tool's names, the command ------------------------------------------------------------


def test_counts_of_another_tool_have_its_names() -> None:
    table = sim.measure(grid(), mode="mask", as_="angiogenesis-analyzer").table
    assert set(COLUMNS) <= set(table.columns)
    assert table["Nb meshes"][0] == 6


def test_the_analysed_area_of_a_round_crop_is_that_of_the_circle() -> None:
    for um_per_px in (1.0, 2.0, None):
        found = sim.measure(
            grid(), um_per_px=um_per_px, mode="mask", crop="circle:80,60,50",
            as_="angiogenesis-analyzer",
        )  # fmt: skip
        assert found.rows[0]["Analysed area"] == pytest.approx(math.pi * 50**2, rel=0.01)
    whole = sim.measure(grid(), mode="mask", as_="angiogenesis-analyzer").rows[0]
    assert whole["Analysed area"] == grid().size


def scratch(gap: int) -> Grey:
    """A mask of a layer with a gap so many pixels wide."""
    mask = np.full((120, 160), 255, np.uint8)
    mask[:, 80 - gap // 2 : 80 + gap // 2] = 0
    return mask


def test_a_folder_of_a_scratch_is_one_series(tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    folder.mkdir()
    for name, gap in (("0h.png", 60), ("6h.png", 30), ("12h.png", 0)):
        Image.fromarray(scratch(gap)).save(folder / name)
    found = sim.measure(
        folder, um_per_px=2.0, mode="mask", assay="wound", interval_h=6, out=tmp_path / "out"
    )
    assert [row["picture"] for row in found.rows] == ["0h.png", "6h.png", "12h.png"]
    assert [row["closure_percent"] for row in found.rows] == pytest.approx([0, 50, 100], abs=1)
    assert found.rows[1]["front_speed_um_h"] == pytest.approx(5, rel=0.05)
    assert len(list((tmp_path / "out" / "overlays").iterdir())) == 3
    assert "gap" in [text.get_text() for text in found.plot("6h.png").findobj(Text)]
    with pytest.raises(InputError, match="must be"):
        sim.measure(folder, assay="scratch")


def test_a_damaged_picture_of_a_series_moves_no_times_and_is_no_start(tmp_path: Path) -> None:
    """Fronts that are 15 pixels of 2 um ahead after 12 h move at 2.5 um/h each."""
    for name, gap in (("a0.png", 60), ("a2.png", 30)):
        Image.fromarray(scratch(gap)).save(tmp_path / name)
    (tmp_path / "a1.png").write_bytes(b"no picture")
    options: dict[str, Any] = {"um_per_px": 2.0, "mode": "mask", "assay": "wound"}
    found = sim.measure(tmp_path, **options, interval_h=6)
    assert found.failed == ["a1.png"]
    assert found.rows[2]["front_speed_um_h"] == pytest.approx(2.5)
    (tmp_path / "a0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a0\.png.*is not a picture"):
        sim.measure(tmp_path, **options)


def test_a_series_has_one_scale(tmp_path: Path) -> None:
    Image.fromarray(scratch(60)).save(tmp_path / "a0.png", dpi=(12700, 12700))
    Image.fromarray(scratch(30)).save(tmp_path / "a1.png")
    options: dict[str, Any] = {"mode": "mask", "assay": "wound"}
    with pytest.raises(InputError, match=r"a1\.png does not say .* a0\.png has 2 um"):
        sim.measure(tmp_path, **options)
    assert len(sim.measure(tmp_path, um_per_px=2.0, **options).rows) == 2


def test_the_sprouts_of_a_spheroid_are_measured() -> None:
    y, x = np.indices((200, 200)) - 100
    body = (np.hypot(y, x) < 40) | ((np.abs(y) < 5) & (np.abs(x) < 80))
    row = sim.measure(body, um_per_px=2.0, mode="mask", assay="spheroid").rows[0]
    expected = measure_spheroids([body.astype(np.float32)], "mask")[0].values
    assert expected["sprouts"] == 2
    assert {name: row[name] for name in expected} == expected
    unknown = sim.measure(body, mode="mask", assay="spheroid").rows[0]
    assert unknown["cumulative_length_px"] == pytest.approx(row["cumulative_length_um"] / 2)


def angiosim(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sim", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_leaves_a_folder_and_says_what_failed(tmp_path: Path) -> None:
    folder = tmp_path / "plate"
    folder.mkdir()
    Image.fromarray(grid()).save(folder / "a.png")
    (folder / "b.png").write_bytes(b"no picture")
    found = angiosim("measure", str(folder), "--json", "--um-per-px", "2")
    assert found.returncode == 3
    assert "b.png: is not a picture" in found.stderr
    assert "1/2 pictures" in found.stderr and "2/2 pictures" in found.stderr
    tree = json.loads(found.stdout)
    assert Path(tree["folder"]) == tmp_path / "plate-measured"
    assert [row["picture"] for row in tree["pictures"]] == ["a.png", "b.png"]
    alone = angiosim("measure", str(folder / "b.png"))
    assert (alone.returncode, len(list(tmp_path.iterdir()))) == (2, 2)


def test_what_was_found_is_drawn() -> None:
    found = sim.measure(grid(), um_per_px=2.0, mode="mask")
    words = [text.get_text() for text in found.plot().findobj(Text)]
    assert "junctions" in words
    length = found.table["tube_length_mm"].iloc[0]
    assert any(each.startswith(f"network length {length:.3g} mm · junctions ") for each in words)
    assert not any("tube_length" in each for each in words)
    with pytest.raises(InputError, match="must be one of"):
        found.plot("other.png")
