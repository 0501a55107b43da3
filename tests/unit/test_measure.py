"""Pictures of a lab, measured as the simulation is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import sim
from sim.errors import InputError
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
