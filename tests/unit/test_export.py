"""Files for other tools, each read back by its own library: sizes, times, values, places."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import fake_runs
import networkx as nx
import numpy as np
import pandas as pd
import pytest
from made_runs import forget_checksums
from PIL import Image

import sim
from sim import signals
from sim.analysis.write import write_analysis
from sim.assays import assays
from sim.runs.into import run_into
from sim.scenario.resolve import load
from sim.studies.file import plan_study
from sim.studies.sweep import sweep
from sim.view.export import export as exporting
from sim.view.export import labels
from sim.view.export.export import FORMATS

Arrays = dict[str, np.ndarray[Any, Any]]
Call = Callable[..., Any]

SPACING_UM, VOXEL_UM = 2.0, 10.0
STEPS = (0, 2, 4, 5)
"""Of the frames: the last comes early."""
CELL, ROW, COLUMN = 7, 3, 50
"""The marked cell, and its only site."""
X_UM, Y_UM = 101.0, 7.0
"""Where that is: the lattice is 120 sites wide and 80 high."""
SETTINGS = {
    "domain.size_um": [240, 160],
    "time.duration_h": 5 / 120,
    "time.record_every_h": 2 / 120,
    "record.frames": True,
    "record.fields": True,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of a few steps, to read."""
    folder = tmp_path_factory.mktemp("export") / "run"
    run_into(folder, load("tube_formation", {**SETTINGS, "name": "Größe A & B's"}), pictures=False)
    forget_checksums(folder)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy of it, to export."""
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture
def marked(run: Path) -> Path:
    """The same with one cell on one site, and one voxel of each field that is not 0."""
    change(run, mark)
    return run


def mark(arrays: Arrays) -> None:
    for name, array in arrays.items():
        if name == "cell_id" or name.startswith("field_"):
            array[:] = 0
    arrays["cell_id"][ROW, COLUMN] = CELL
    arrays["field_cue"][ROW, COLUMN] = 0.5
    arrays["field_VEGF"][0, 10] = 12.5  # the voxel around that site


def change(run: Path, how: Callable[[Arrays], None]) -> None:
    """Change the arrays of the end and of all frames."""
    for path in (run / "final.npz", *(run / "frames").iterdir()):
        with np.load(path) as file:
            arrays = dict(file)
        how(arrays)
        np.savez(path, **arrays)


def exported(run: Path, *formats: str) -> Path:
    return exporting.export(run, formats).folder


# --- OME-TIFF ----------------------------------------------------------------------------------


def described(path: Path) -> tuple[Any, ElementTree.Element, np.ndarray[Any, Any]]:
    """Return the first page, the OME-XML below <Image>, and the picture of a TIFF."""
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        xml = ElementTree.fromstring(file.ome_metadata)
        for element in xml.iter():
            element.tag = element.tag.partition("}")[2]
        image = xml.find("Image")
        assert image is not None
        (series,) = file.series
        assert series.axes in ("TYX", "YX")
        return file.pages[0], image, np.atleast_3d(series.asarray())


@pytest.mark.parametrize(
    ("file", "spacing_um", "kind"),
    [("cell_id", SPACING_UM, "uint16"), ("field_cue", SPACING_UM, "float"),
     ("field_VEGF", VOXEL_UM, "float")],
)  # fmt: skip
def test_a_tiff_has_its_axes_sizes_and_times(
    marked: Path, file: str, spacing_um: float, kind: str
) -> None:
    pytest.importorskip("tifffile")
    page, image, _ = described(exported(marked, "tiff") / "tiff" / f"{file}.ome.tif")
    pixels = image.find("Pixels")
    assert pixels is not None and image.get("Name") == "Größe A & B's"
    told = {key: pixels.get(key) for key in ("SizeT", "SizeC", "SizeZ", "Type")}
    assert told == {"SizeT": "4", "SizeC": "1", "SizeZ": "1", "Type": kind}
    for axis, sites in (("X", 120), ("Y", 80)):
        assert float(pixels.get(f"PhysicalSize{axis}", "")) == spacing_um
        assert pixels.get(f"PhysicalSize{axis}Unit") == "µm"
        assert int(pixels.get(f"Size{axis}", "")) == sites * SPACING_UM / spacing_um
        top, bottom = page.tags[f"{axis}Resolution"].value
        assert top / bottom == pytest.approx(1e4 / spacing_um)
    assert page.tags["ResolutionUnit"].value == 3  # centimetres
    planes = pixels.findall("Plane")
    assert [float(each.get("DeltaT", "")) for each in planes] == [30.0 * step for step in STEPS]
    assert {each.get("DeltaTUnit") for each in planes} == {"s"}
    assert pixels.get("TimeIncrement") is None  # the last frame comes early


def test_a_marked_cell_and_voxel_are_at_their_place_in_a_tiff(marked: Path) -> None:
    pytest.importorskip("tifffile")
    folder = exported(marked, "tiff") / "tiff"
    for name, value, place in (
        ("cell_id", CELL, (ROW, COLUMN)), ("field_cue", 0.5, (ROW, COLUMN)),
        ("field_VEGF", 12.5, (0, 10)),
    ):  # fmt: skip
        stack = described(folder / f"{name}.ome.tif")[2]
        assert [tuple(at) for at in np.argwhere(stack)] == [(t, *place) for t in range(4)]
        assert set(stack[stack > 0].tolist()) == {value}
    assert "ng/mL" in described(folder / "field_VEGF.ome.tif")[1].findall(".//Channel")[0].get(
        "Name", ""
    )


def test_even_times_are_an_increment_and_one_moment_is_a_picture(run: Path) -> None:
    pytest.importorskip("tifffile")
    (run / "frames" / "000005.npz").rename(run / "frames" / "000006.npz")
    table = pd.read_csv(run / "timeseries.csv")
    table.loc[table.index[-1], "mcs"] = 6
    table.to_csv(run / "timeseries.csv", index=False)
    pixels = described(exported(run, "tiff") / "tiff" / "cell_id.ome.tif")[1].find("Pixels")
    assert pixels is not None
    assert (pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit")) == ("60.0", "s")
    shutil.rmtree(run / "frames")
    _, image, picture = described(exported(run, "tiff") / "tiff" / "cell_id.ome.tif")
    assert picture.size == 80 * 120
    assert [each.get("DeltaT") for each in image.findall(".//Plane")] == ["180.0"]


@pytest.mark.parametrize(("most", "kind"), [(65_535, np.uint16), (65_536, np.uint32)])
def test_ids_that_16_bits_cannot_number_have_32(
    marked: Path, most: int, kind: type, angiosim: Call
) -> None:
    pytest.importorskip("tifffile")

    def renumber(arrays: Arrays) -> None:
        arrays["cell_unique_id"][CELL] = most

    change(marked, renumber)
    outcome = angiosim("export", marked, "--to", "tiff", "--to", "labels", "--to", "piff")
    assert outcome.exit_code == 0, outcome.stderr
    assert ("ImageJ" in outcome.stderr) == (kind is np.uint32)
    folder = marked / "export"
    stack = described(folder / "tiff" / "cell_id.ome.tif")[2]
    assert stack.dtype == kind and stack[0, ROW, COLUMN] == most
    picture = folder / "labels" / "cell_id_000005"
    assert np.load(picture.with_suffix(".npy"))[ROW, COLUMN] == most
    assert picture.with_suffix(".png").exists() == (kind is np.uint16)
    assert read_piff(folder / "piff" / "cells_000005.piff")[0] == {(COLUMN, ROW, 0): most}


def test_without_recorded_fields_only_the_end_has_them(run: Path) -> None:
    pytest.importorskip("tifffile")
    for path in (run / "frames").iterdir():
        with np.load(path) as file:
            kept = {name: file[name] for name in file if name.startswith("cell_")}
        np.savez(path, **kept)
    folder = exported(run, "tiff", "vti")
    assert len(described(folder / "tiff" / "cell_id.ome.tif")[1].findall(".//Plane")) == 4
    assert len(described(folder / "tiff" / "field_VEGF.ome.tif")[1].findall(".//Plane")) == 1
    files = sorted(path.name for path in (folder / "vti").glob("field_VEGF*.vti"))
    assert files == ["field_VEGF_000005.vti"]


OTHER_TYPE = """
[types.'grün & blau']
count = 1
area = {lambda = 50, target_sites = 100}
contact_energy = {medium = 8, wall = 8, endothelial = 6, 'grün & blau' = 6}
"""


def test_any_name_of_a_field_and_type_can_be_exported(marked: Path) -> None:
    """Names of fields and types are the user's."""
    pytest.importorskip("tifffile")
    name = "a/b ß & <d>"
    (marked / "scenario.toml").write_text((marked / "scenario.toml").read_text() + OTHER_TYPE)

    def rename(arrays: Arrays) -> None:
        arrays[f"field_{name}"] = arrays.pop("field_cue")
        arrays["cell_type"][CELL] = 2

    change(marked, rename)
    folder = exported(marked, "tiff", "vti", "piff")
    (path,) = (folder / "tiff").glob("field_a*.tif")
    assert described(path)[1].findall(".//Channel")[0].get("Name") == name
    assert read_piff(folder / "piff" / "cells_000005.piff")[1] == {CELL: "grün_&_blau"}
    if find_spec("vtk"):
        (path, *_) = (folder / "vti").glob("field_a*.vti")
        assert value_at(image_data(path), name, X_UM, Y_UM) == 0.5


# --- VTK ---------------------------------------------------------------------------------------


def image_data(path: Path) -> Any:
    reader = pytest.importorskip("vtk").vtkXMLImageDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def value_at(image: Any, array: str, x_um: float, y_um: float) -> float:
    """What a viewer shows at a place."""
    vtk = pytest.importorskip("vtk")
    cell = image.FindCell((x_um, y_um, 0.0), None, 0, 0.0, vtk.mutable(0), [0.0] * 3, [0.0] * 4)
    return float(image.GetCellData().GetArray(array).GetTuple1(cell))


def test_vti_has_its_size_and_a_marked_cell_at_its_place(marked: Path) -> None:
    pytest.importorskip("vtk")
    folder = exported(marked, "vti") / "vti"
    cells = image_data(folder / "cells_000004.vti")
    assert cells.GetSpacing()[:2] == (SPACING_UM, SPACING_UM)
    assert cells.GetOrigin() == (0.0, 0.0, 0.0)
    assert cells.GetBounds()[:4] == (0.0, 240.0, 0.0, 160.0)
    values = cells.GetCellData().GetArray("cell_id")
    assert values.GetNumberOfTuples() == 80 * 120 and values.GetRange() == (0.0, CELL)
    assert value_at(cells, "cell_id", X_UM, Y_UM) == CELL
    assert value_at(cells, "cell_type", X_UM, Y_UM) == 1
    for x_um, y_um in ((X_UM + 2, Y_UM), (X_UM, Y_UM + 2), (X_UM, 160 - Y_UM), (240 - X_UM, Y_UM)):
        assert value_at(cells, "cell_id", x_um, y_um) == 0
    field = image_data(folder / "field_VEGF_000004.vti")
    assert field.GetSpacing()[0] == VOXEL_UM and field.GetBounds()[:4] == (0.0, 240.0, 0.0, 160.0)
    assert value_at(field, "VEGF", X_UM, Y_UM) == 12.5
    assert value_at(field, "VEGF", X_UM, Y_UM + VOXEL_UM) == 0.0


def test_vti_has_all_values_of_a_run_and_their_times(run: Path) -> None:
    pytest.importorskip("vtk")
    from vtk.util.numpy_support import vtk_to_numpy  # type: ignore[import-not-found]

    folder, result = exported(run, "vti") / "vti", sim.Result.open(run)
    cells = image_data(folder / "cells_000005.vti")
    ids = vtk_to_numpy(cells.GetCellData().GetArray("cell_id")).reshape(80, 120)
    np.testing.assert_array_equal(ids, result.final["cell_id"])
    drive = vtk_to_numpy(cells.GetCellData().GetArray("cell_drive")).reshape(80, 120)
    expected = np.where(ids > 0, result.final["cell_drive"][ids], 0).astype(np.float32)
    np.testing.assert_array_equal(drive, expected)
    vegf = image_data(folder / "field_VEGF_000005.vti").GetCellData().GetArray("VEGF")
    np.testing.assert_array_equal(vtk_to_numpy(vegf).reshape(16, 24), result.final["field_VEGF"])
    assert cells.GetFieldData().GetArray("TimeValue").GetTuple1(0) == 5 / 120
    series = ElementTree.parse(folder / "cells.pvd").findall(".//DataSet")
    assert [float(each.get("timestep", "")) for each in series] == [s / 120 for s in STEPS]
    assert all((folder / each.get("file", "")).is_file() for each in series)


def test_a_large_image_is_written_in_blocks(run: Path) -> None:
    pytest.importorskip("vtk")
    from vtk.util.numpy_support import vtk_to_numpy

    from sim.view.export import vtk

    values = np.arange(700 * 500, dtype=np.float64).reshape(700, 500)  # 2.8 MB, three blocks
    path = run / "large.vti"
    path.write_text(vtk.image({"a": values}, 0.5, 1.0))
    found = vtk_to_numpy(image_data(path).GetCellData().GetArray("a"))
    np.testing.assert_array_equal(found.reshape(700, 500), values)


# --- label pictures and PIFF --------------------------------------------------------------------


def read_piff(path: Path) -> tuple[dict[tuple[int, int, int], int], dict[int, str]]:
    """Return the cell on each site (x, y, z), and the type of each cell.

    A line of a PIFF is ``cell# celltype x1 x2 y1 y2 z1 z2``: a box of sites, ends included.
    """
    sites: dict[tuple[int, int, int], int] = {}
    types: dict[int, str] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        cell, kind, *box = line.split()
        x1, x2, y1, y2, z1, z2 = map(int, box)
        assert types.setdefault(int(cell), kind) == kind
        for x in range(x1, x2 + 1):
            for y in range(y1, y2 + 1):
                for z in range(z1, z2 + 1):
                    assert (x, y, z) not in sites
                    sites[x, y, z] = int(cell)
    return sites, types


def test_piff_has_every_site_and_type(run: Path) -> None:
    sites, types = read_piff(exported(run, "piff") / "piff" / "cells_000005.piff")
    cell_id = sim.Result.open(run).final["cell_id"]
    lattice = np.zeros_like(cell_id)
    for (x, y, z), cell in sites.items():
        assert z == 0
        lattice[y, x] = cell
    np.testing.assert_array_equal(lattice, cell_id)
    assert set(types.values()) == {"endothelial"}


def test_runs_of_sites_end_at_the_border_of_a_picture(tmp_path: Path) -> None:
    from sim.labels import write_piff

    cell_id = np.array([[1, 1, 0, 2], [2, 2, 2, 2], [0, 0, 0, 0], [3, 0, 3, 1]])
    write_piff(tmp_path / "a.piff", cell_id, {1: "a", 2: "b", 3: "a"})
    sites, types = read_piff(tmp_path / "a.piff")
    assert sites == {(x, y, 0): int(c) for (y, x), c in np.ndenumerate(cell_id) if c}
    assert types == {1: "a", 2: "b", 3: "a"}


def test_label_pictures_have_ids_and_size(marked: Path) -> None:
    folder = exported(marked, "labels") / "labels"
    for step in STEPS:
        ids = np.load(folder / f"cell_id_{step:06d}.npy")
        assert ids.dtype == np.int32 and ids.shape == (80, 120)
        assert np.argwhere(ids).tolist() == [[ROW, COLUMN]] and ids.max() == CELL
        file = folder / f"cell_id_{step:06d}.png"
        with Image.open(file) as picture:
            np.testing.assert_array_equal(np.asarray(picture), ids)
            assert file.read_bytes()[24] == 16  # bits, in the header
            assert picture.info["dpi"] == pytest.approx([25_400 / SPACING_UM] * 2, rel=1e-4)


def test_ids_are_those_of_cells_and_not_of_rows(run: Path) -> None:
    """A row is used again after a cell has died; its id is not."""
    result = sim.Result.open(run)
    ids = result.final["cell_unique_id"]
    np.testing.assert_array_equal(ids, result.frames[5]["cell_unique_id"])

    def renumber(arrays: Arrays) -> None:
        arrays["cell_unique_id"][1:] = ids[1:][::-1] + 100

    change(run, renumber)
    found = np.load(exported(run, "labels") / "labels" / "cell_id_000005.npy")
    rows = result.final["cell_id"]
    np.testing.assert_array_equal(found[rows > 0], (ids[1:][::-1] + 100)[rows[rows > 0] - 1])
    assert not found[rows == 0].any()


def test_a_run_of_an_earlier_version_has_rows_as_ids(run: Path) -> None:
    change(run, lambda arrays: arrays.pop("cell_unique_id"))
    found = np.load(exported(run, "labels") / "labels" / "cell_id_000005.npy")
    np.testing.assert_array_equal(found, sim.Result.open(run).final["cell_id"])


# --- networks ----------------------------------------------------------------------------------


def test_graphml_is_the_network_that_is_measured(run: Path) -> None:
    folder, result = exported(run, "graphml") / "graphml", sim.Result.open(run)
    graph = nx.read_graphml(folder / "network_000005.graphml", force_multigraph=True)
    kinds = [node["kind"] for _, node in graph.nodes(data=True)]
    edges = [edge for _, _, edge in graph.edges(data=True)]
    summary = result.summary
    assert kinds.count("junction") == summary["junctions"]
    assert kinds.count("end") == summary["end_points"] > 0
    assert len(edges) == summary["segments"] > 0
    parts = [*edges, *(node for _, node in graph.nodes(data=True))]
    total_um = sum(part["length_um"] for part in parts)
    assert total_um == pytest.approx(1000 * summary["tube_length_mm"])
    ids = [key for *_, key in graph.edges(keys=True)]
    assert len({*ids}) == len(edges)  # in the file, too: some tools take equal ids for one edge
    xml = ElementTree.parse(folder / "network_000005.graphml").getroot()
    space = "{http://graphml.graphdrawing.org/xmlns}"
    kinds = {key.get("id"): key.get("attr.type") for key in xml.iter(f"{space}key")}
    truths = [each.text for each in xml.iter(f"{space}data") if kinds[each.get("key")] == "boolean"]
    assert len(truths) == len(edges) and {*truths} <= {"true", "false"}  # as XML has them
    assert graph.graph["time_h"] == 5 / 120 and graph.graph["seed"] == 1
    assert graph.graph["scenario_hash"] == result.manifest["scenario_hash"]


def test_a_bar_is_at_its_place_in_graphml(run: Path) -> None:
    def bar(arrays: Arrays) -> None:
        arrays["cell_id"][:] = 0
        arrays["cell_id"][10:15, 20:100] = 1  # 10 um wide, its axis at y = 25 um

    change(run, bar)
    graph = nx.read_graphml(exported(run, "graphml") / "graphml" / "network_000002.graphml")
    ends = sorted((node["x_um"], node["y_um"]) for _, node in graph.nodes(data=True))
    assert [y for _, y in ends] == pytest.approx([25.0, 25.0])
    assert 40 <= ends[0][0] <= 50 and 190 <= ends[1][0] <= 200
    ((_, _, edge),) = graph.edges(data=True)
    assert edge["width_um"] == pytest.approx(10.0, rel=0.1)
    assert edge["length_um"] == pytest.approx(0.98 * (ends[1][0] - ends[0][0]))


# --- tables and arrays -------------------------------------------------------------------------


def test_parquet_has_the_tables_of_a_run(run: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder, result = exported(run, "parquet") / "parquet", sim.Result.open(run)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "timeseries.parquet"), result.timeseries)
    (row,) = pd.read_parquet(folder / "summary.parquet").to_dict("records")
    assert row == result.summary
    told = parquet.read_schema(folder / "summary.parquet").metadata
    assert told[b"angiosim.seed"] == b"1" and told[b"angiosim.scenario"] == "Größe A & B's".encode()


def test_parquet_has_the_tables_of_a_study(tmp_path: Path, angiosim: Call) -> None:
    pytest.importorskip("pyarrow")
    plan = plan_study({
        "name": "tiny", "base": "tube_formation", "replicates": 2,
        "grid": {"drug.free_nM": [0, 1, 2, 4, 8, 16]},
        "dose_response": {"dose": "drug.free_nM", "responses": ["tube_length_mm"]},
    })  # fmt: skip
    study = sweep(plan, fake_runs.Here(plan, fake_runs.instant), tmp_path / "study")
    write_analysis(study)
    outcome = angiosim("export", tmp_path / "study", "--to", "parquet")
    assert outcome.exit_code == 0, outcome.stderr
    folder = tmp_path / "study" / "export" / "parquet"
    table = pd.read_parquet(folder / "results.parquet")
    pd.testing.assert_frame_equal(table, study.results, check_dtype=False)
    pd.testing.assert_frame_equal(
        pd.read_parquet(folder / "dose_response.parquet"),
        pd.read_csv(tmp_path / "study" / "dose_response.csv"),
    )
    assert sim.Study.open(tmp_path / "study").count("done") == 12
    outcome = angiosim("export", tmp_path / "study", "--to", "tiff")
    assert outcome.exit_code == 2 and "exports to parquet only" in outcome.stderr


def test_xarray_has_places_times_units_and_origin(marked: Path) -> None:
    pytest.importorskip("xarray")
    result = sim.Result.open(marked)
    data = result.to_xarray()
    assert data["time_h"].values.tolist() == [step / 120 for step in STEPS]
    here = data.sel(x_um=X_UM, y_um=Y_UM)
    assert here["cell_id"].values.tolist() == [CELL] * 4
    assert here["cue"].values.tolist() == [0.5] * 4
    assert data["cell_id"].sum() == 4 * CELL
    assert data["VEGF"].dims == ("time_h", "y_um_10", "x_um_10")
    voxel = data["VEGF"].sel(x_um_10=X_UM, y_um_10=Y_UM, method="nearest")
    assert voxel.values.tolist() == [12.5] * 4
    assert (data["VEGF"].sizes["y_um_10"], data["VEGF"].sizes["x_um_10"]) == (16, 24)
    assert data["x_um"].values[[0, -1]].tolist() == [1.0, 239.0]
    units = {name: data[name].attrs["units"] for name in ("time_h", "x_um", "VEGF", "cue")}
    assert units == {"time_h": "h", "x_um": "um", "VEGF": "ng/mL", "cue": "1"}
    assert data.attrs["version"] == result.manifest["version"]
    assert data.attrs["scenario_hash"] == result.manifest["scenario_hash"]
    assert data.attrs["seed"] == 1


def test_xarray_of_a_run_in_memory_is_its_end_and_goes_to_zarr(tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    result = sim.run("tube_formation", {**SETTINGS, "record.frames": False})
    data = result.to_xarray()
    assert data.sizes["time_h"] == 1
    np.testing.assert_array_equal(data["cell_id"][0], result.final["cell_id"])
    pytest.importorskip("zarr")
    data.to_zarr(tmp_path / "run.zarr", consolidated=False)
    xarray.testing.assert_identical(
        xarray.open_zarr(tmp_path / "run.zarr", consolidated=False).load(), data
    )


def test_a_field_that_was_not_recorded_is_nan(run: Path) -> None:
    pytest.importorskip("xarray")
    with np.load(run / "frames" / "000002.npz") as file:
        kept = {name: file[name] for name in file if name.startswith("cell_")}
    np.savez(run / "frames" / "000002.npz", **kept)
    found = sim.Result.open(run).to_xarray()["VEGF"].isnull().all(("y_um_10", "x_um_10"))
    assert found.values.tolist() == [False, True, False, False]


# --- vessels -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours of the vessels of a tumour, frames every hour, without fields."""
    folder = tmp_path_factory.mktemp("bed") / "run"
    settings = {"time.duration_h": 2, "time.record_every_h": 1, "record.frames": True}
    run_into(folder, load("tumour_bed", settings), pictures=False)
    return folder


def test_vessels_are_exported_with_flow_and_pressure(bed: Path, tmp_path: Path) -> None:
    exporting.export(bed, ["graphml"], tmp_path / "out")
    graph = nx.read_graphml(tmp_path / "out" / "graphml" / "network_000002.graphml")
    final = sim.Result.open(bed).final
    assert graph.is_directed() and graph.number_of_edges() == final["piece.id"].size
    edges = {edge["piece"]: (a, b, edge) for a, b, edge in graph.edges(data=True)}
    place = {name: (node["x_um"], node["y_um"]) for name, node in graph.nodes(data=True)}
    flowing = 0
    for row, piece in enumerate(final["piece.id"].tolist()):
        a, b, edge = edges[piece]
        ends = [
            (final["node.x"][final[end][row]], final["node.y"][final[end][row]])
            for end in ("piece.a", "piece.b")
        ]
        velocity = final["piece.velocity"][row]
        assert [place[a], place[b]] == (ends if velocity >= 0 else ends[::-1])
        assert edge["velocity_um_per_s"] == abs(velocity)
        area_um2 = np.pi * (edge["diameter_um"] / 2) ** 2
        assert edge["flow_um3_per_s"] == pytest.approx(abs(velocity) * area_um2)
        if velocity and not edge["sleeve"]:  # blood flows down the pressure
            flowing += 1
            drop = graph.nodes[a]["pressure_mmHg"] - graph.nodes[b]["pressure_mmHg"]
            assert drop > 0
    assert flowing > 100
    held = final["node.pressure"][np.isfinite(final["node.pressure"])]
    pressures = [node["pressure_mmHg"] for _, node in graph.nodes(data=True)
                 if "pressure_mmHg" in node]  # fmt: skip
    assert (min(pressures), max(pressures)) == pytest.approx((held.min(), held.max()))


def test_vessels_are_lines_of_vtk(bed: Path, tmp_path: Path) -> None:
    vtk = pytest.importorskip("vtk")
    from vtk.util.numpy_support import vtk_to_numpy

    exporting.export(bed, ["vti"], tmp_path / "out")
    folder, final = tmp_path / "out" / "vti", sim.Result.open(bed).final
    reader = vtk.vtkXMLPolyDataReader()
    reader.SetFileName(str(folder / "vessels_000002.vtp"))
    reader.Update()
    lines = reader.GetOutput()
    columns = {
        name: vtk_to_numpy(lines.GetCellData().GetArray(name))
        for name in ("piece", "velocity_um_per_s", "sleeve", "parent", "pericyte")
    }
    np.testing.assert_array_equal(columns["piece"], final["piece.id"])
    np.testing.assert_array_equal(columns["velocity_um_per_s"], np.abs(final["piece.velocity"]))
    np.testing.assert_array_equal(columns["pericyte"], final["piece.pericyte"])
    np.testing.assert_array_equal(columns["sleeve"] + 2 * columns["parent"], final["piece.kind"])
    for row in range(0, lines.GetNumberOfCells(), 50):
        points = lines.GetCell(row).GetPoints()
        found = {points.GetPoint(end) for end in (0, 1)}
        nodes = (final["piece.a"][row], final["piece.b"][row])
        assert found == {(final["node.x"][n], final["node.y"][n], 0.0) for n in nodes}
    assert len(ElementTree.parse(folder / "vessels.pvd").findall(".//DataSet")) == 3


def test_fields_around_vessels_are_exported(bed: Path, tmp_path: Path) -> None:
    pytest.importorskip("tifffile")
    exporting.export(bed, ["tiff", "vti"], tmp_path / "out")
    final = sim.Result.open(bed).final
    for name, moments in (("oxygen", 1), ("vegf", 1), ("phi", 3), ("w", 3)):
        _, image, stack = described(tmp_path / "out" / "tiff" / f"field_{name}.ome.tif")
        assert len(image.findall(".//Plane")) == moments
        np.testing.assert_array_equal(
            stack.reshape(-1, *final[name].shape)[-1], final[name].astype(np.float32)
        )
    assert not (tmp_path / "out" / "tiff" / "cell_id.ome.tif").exists()


def test_vessels_go_to_xarray(bed: Path) -> None:
    pytest.importorskip("xarray")
    result = sim.Result.open(bed)
    data = result.to_xarray()
    assert {"oxygen", "vegf", "phi", "w"} == {*data.data_vars}
    assert data["time_h"].values.tolist() == result.timeseries["time_h"].tolist()
    np.testing.assert_array_equal(data["oxygen"][-1], result.final["oxygen"])
    assert data["oxygen"].attrs["units"] == "mmHg" and data["oxygen"].isnull()[0].all()


# --- the command -------------------------------------------------------------------------------


def test_formats_are_those_of_the_help(angiosim: Call) -> None:
    text = " ".join(angiosim("export", "--help").stdout.split())
    for name in FORMATS:
        assert f"{name}: " in text


def test_json_lists_what_was_written(run: Path, angiosim: Call) -> None:
    outcome = angiosim("export", run, "--to", "piff", "--to", "vti", "--json")
    tree = json.loads(outcome.stdout)
    assert tree["folder"] == str(run / "export") and tree["notes"] == []
    listed = [Path(path) for paths in tree["files"].values() for path in paths]
    assert {*listed} == {path for path in (run / "export").rglob("*") if path.is_file()}
    assert [*tree["files"]] == ["piff", "vti"]


def test_existing_files_are_never_overwritten(run: Path, angiosim: Call) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    for folder in ("export", "export-2"):
        assert angiosim("export", run, "--to", "labels").exit_code == 0
        assert (run / folder / "labels" / "cell_id_000005.png").is_file()
    outcome = angiosim("export", run, "--to", "labels", "--out", run / "export")
    assert outcome.exit_code == 2 and "never overwritten" in outcome.stderr
    assert all(path.read_bytes() == content for path, content in before.items())
    assert sim.Result.open(run).summary  # it is still a run
    empty = run.parent / "a" / "b"
    assert angiosim("export", run, "--to", "labels", "--out", empty).exit_code == 0
    assert (empty / "labels").is_dir()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--to", "tif"], "--to 'tif': must be one of tiff, vti"),
        (["--to", "vti", "--to", "png"], "--to 'png'"),
    ],
)
def test_unknown_formats_are_refused(
    run: Path, words: list[str], told: str, angiosim: Call
) -> None:
    outcome = angiosim("export", run, *words)
    assert outcome.exit_code == 2 and told in outcome.stderr and outcome.stderr.count("\n") == 1
    assert not (run / "export").exists()


def test_what_is_no_run_is_refused(tmp_path: Path, angiosim: Call) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        outcome = angiosim("export", folder, "--to", "vti")
        assert outcome.exit_code == 2 and str(folder) in outcome.stderr
        assert not (folder / "export").exists()


def test_assays_without_cells_or_network_say_which_have_them(bed: Path, angiosim: Call) -> None:
    outcome = angiosim("export", bed, "--to", "graphml", "--to", "piff")
    assert outcome.exit_code == 2 and not (bed / "export").exists()
    with_cells = [each.name for each in assays().values() if each.model == "lattice"]
    assert outcome.stderr.rstrip().endswith(", ".join(with_cells))


@pytest.mark.parametrize(("name", "library"), [("tiff", "tifffile"), ("parquet", "pyarrow")])
def test_a_missing_library_is_one_sentence(
    run: Path, name: str, library: str, angiosim: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(which: str) -> Any:
        return None if which == library else find_spec(which)

    monkeypatch.setattr(exporting, "find_spec", without)
    outcome = angiosim("export", run, "--to", "labels", "--to", name)
    assert outcome.exit_code == 2 and not (run / "export").exists()
    assert outcome.stderr == f"--to {name} needs {library}: pip install 'angiosim[export]'\n"


def test_xarray_that_is_missing_is_one_sentence(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "find_spec", lambda which: None)
    with pytest.raises(sim.errors.InputError, match=r"xarray: pip install 'angiosim\[export\]'"):
        sim.Result.open(made).to_xarray()


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("there", [False, True])
def test_an_export_that_fails_leaves_nothing(
    run: Path, error: BaseException, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def fail() -> None:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise error

    out = run / "own"
    if there:
        out.mkdir()
    with pytest.raises(type(error)):
        exporting.export(run, ["labels", "vti"], out, fail)
    assert calls == 12 and out.exists() == there and not (there and any(out.iterdir()))


@pytest.mark.parametrize("damage", ["cut", "empty", "changed"])
def test_a_damaged_frame_is_named_and_nothing_is_left(
    run: Path, damage: str, angiosim: Call
) -> None:
    path = run / "frames" / "000004.npz"
    content = path.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 40])
    path.write_bytes(
        {"cut": content[:middle], "empty": b"", "changed": changed + content[middle + 40 :]}[damage]
    )
    outcome = angiosim("export", run, "--to", "labels", "--to", "vti")
    assert outcome.exit_code == 2 and not (run / "export").exists()
    assert "000004.npz: cannot be read" in outcome.stderr and outcome.stderr.count("\n") == 1


def test_a_signal_stops_after_the_file_and_leaves_nothing(
    run: Path, angiosim: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = labels.write
    written = []

    def interrupted(run: Any, folder: Path) -> Iterator[Path]:
        os.kill(os.getpid(), signal.SIGTERM)
        for path in whole(run, folder):
            written.append(path)
            yield path

    def leave(signum: int, frame: Any) -> None:
        raise AssertionError("left at once")

    monkeypatch.setattr(labels, "write", interrupted)
    monkeypatch.setattr(signals, "leave", leave)
    outcome = angiosim("export", run, "--to", "labels")
    assert outcome.exit_code == 128 + signal.SIGTERM
    assert len(written) == 1 and not (run / "export").exists()


def test_nothing_of_other_tools_is_imported_before_it_is_needed() -> None:
    import subprocess

    code = (
        "import sys, sim; from sim.cli.main import app; import sim.runs.result\n"
        "found = {'tifffile', 'xarray', 'zarr', 'pyarrow', 'networkx'} & {*sys.modules}\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
