"""Plates of a user: maps, numbers, controls, edges, outliers, pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import InputError
from sim.lab.wells import size_of, well_in, well_name

Table = dict[str, list[Any]]


def wells(rows: str = "ABCDEFGH", columns: int = 12) -> list[str]:
    return [f"{row}{column}" for row in rows for column in range(1, columns + 1)]


def noisy(edge: float = 0.0, seed: int = 1) -> Table:
    """Sixteen conditions at random places of a plate of 96, controls among them."""
    rng = np.random.default_rng(seed)
    names = wells()
    what = rng.permutation(np.arange(96) % 16)
    control = ["positive" if n == 0 else "negative" if n == 1 else "" for n in what]
    dose = [0.0 if n < 2 else float(2**n) for n in what]
    level = np.where(what == 0, 14.0, np.where(what == 1, 6.0, 5.0 + what / 2))
    outer = np.array([name[0] in "AH" or name[1:] in ("1", "12") for name in names])
    value = level * (1 + edge * outer) + rng.normal(0, 0.3, 96)
    return {"well": names, "control": control, "dose_nM": dose, "length_mm": value.tolist()}


# --- wells ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "well"),
    [("A1", "A1"), ("a01", "A1"), (" h12 ", "H12"), ("P24", "P24"), ("B10", "B10"), ("b9", "B9"),
     ("A0", None), ("A25", None), ("Q1", None), ("1A", None), ("A001", None), ("", None)],
)  # fmt: skip
def test_names_of_wells(text: str, well: str | None) -> None:
    assert well_name(text) == well


@pytest.mark.parametrize(
    ("name", "well"),
    [("day1_B03.tif", "B3"), ("b3 field 1.png", "B3"), ("A01_day2_h3x.tif", "A1"),
     ("plateA1.tif", None), ("A1_B2.tif", None), ("HUVEC.tif", None)],
)  # fmt: skip
def test_wells_in_names_of_files(name: str, well: str | None) -> None:
    assert well_in(name) == well


def test_a_plate_is_as_large_as_its_wells_need() -> None:
    assert size_of(["A1", "H12"]) == 96
    assert size_of(["A1", "A13"]) == size_of(["I1"]) == 384


# --- joining -------------------------------------------------------------------------------------


def test_rows_that_are_missing_shift_no_others() -> None:
    table = {"well": ["C2", "A1", "B10"], "dose_nM": [3, 1, 2], "length_mm": [0.3, 0.1, 0.2]}
    found = sim.plate(table).table
    assert found["well"].tolist() == ["A1", "B10", "C2"]
    assert found["length_mm"].tolist() == [0.1, 0.2, 0.3]
    assert found["dose_nM"].tolist() == [1, 2, 3]


def test_empty_wells_stay_without_numbers() -> None:
    table = {"well": ["A1", "A2", "A3"], "control": ["positive", "empty", ""], "x": [2, 9, 1]}
    found = sim.plate(table).table
    assert found["x_percent"].tolist()[::2] == [100, 50]
    assert np.isnan(found["x"][1]) and np.isnan(found["x_percent"][1])


@pytest.mark.parametrize("key", ["well", "Image Name"])
def test_numbers_of_another_program_find_their_wells(key: str) -> None:
    plate_map = {"well": ["A1", "B3", "H12"], "dose_nM": [0, 1, 2]}
    names = {"well": ["h12", "B03", "a1"], "Image Name": ["p_H12.tif", "p_B3.tif", "p_A01.tif"]}
    found = sim.plate(plate_map, {key: names[key], "meshes": [3, 2, 1]})
    assert found.table["meshes"].tolist() == [1, 2, 3]
    assert found.readouts == ("meshes",)


def test_pictures_of_a_well_are_averaged() -> None:
    plate_map = {"well": ["A1", "A1", "B1"], "dose_nM": [1, 1, 2], "file": ["a", "b", "c"]}
    found = sim.plate(plate_map, {"picture": ["c", "b", "a"], "meshes": [7, 2, 4]}).table
    assert found["meshes"].tolist() == [3, 7]
    assert found["fields"].tolist() == [2, 1]


def test_a_grid_of_a_plate_reader() -> None:
    grid = {"row": ["A", "B"], **{str(n): [n, 100 + n] for n in range(1, 13)}}
    found = sim.plate({"well": ["B11", "A2"]}, grid).table
    assert dict(zip(found["well"], found["signal"], strict=True)) == {"A2": 2, "B11": 111}


def test_what_has_no_partner_is_reported() -> None:
    found = sim.plate({"well": ["A1", "A2"]}, {"well": ["A1", "C5"], "x": [1.0, 2.0]})
    assert any("1 rows of numbers are not on the plate map: C5" in note for note in found.notes)
    assert any("1 wells of the plate map have no numbers: A2" in note for note in found.notes)


def test_plates_have_their_own_controls() -> None:
    table = {
        "plate": [1, 1, 2, 2], "well": ["A1", "B1"] * 2, "control": ["positive", ""] * 2,
        "x": [10, 5, 20, 5],
    }  # fmt: skip
    found = sim.plate(table)
    assert found.plates == ["1", "2"]
    assert found.table["x_percent"].tolist() == [100, 50, 100, 25]


def test_controls_are_those_of_the_same_ligand() -> None:
    table = {
        "well": wells("A", 6), "ligand": ["VEGF", "FGF-2", "VEGF", "FGF-2", "", "none"],
        "control": ["positive", "positive", "", "", "negative", ""], "x": [10, 20, 5, 5, 3, 4],
    }  # fmt: skip
    found = sim.plate(table)
    assert found.table["x_percent"].tolist()[:5] == [100, 100, 50, 25, 20]
    assert np.isnan(found.table["x_percent"][5])
    assert any("wells with the ligand none have no control" in note for note in found.notes)


def test_wells_without_drug_are_controls_where_none_is_named() -> None:
    found = sim.plate({"well": ["A1", "A2"], "dose_nM": [0, 5], "x": [4, 1]})
    assert found.table["x_percent"].tolist() == [100, 25]
    assert any("per cent of the wells without drug" in note for note in found.notes)
    assert np.isnan(sim.plate({"well": ["A1"], "x": [4]}).table["x_percent"][0])


def test_numbers_of_other_tools_may_number_their_rows_without_a_name(tmp_path: Path) -> None:
    table = {"well": ["A1", "A2", "B1", "B2"]}
    grid, imagej, frame = (tmp_path / name for name in ("grid.csv", "imagej.csv", "frame.csv"))
    grid.write_text(",1,2\nA,10,11\nB,12,13\n")
    imagej.write_text(
        " ;Label;Length\n1;A01.tif;10,5\n2;A02.tif;11,5\n3;B01.tif;12,5\n4;B02.tif;13\n"
    )
    frame.write_text(",well,Length\n0,A1,10\n1,A2,11\n2,B1,12\n3,B2,13\n")
    assert sim.plate(table, grid).table["signal"].tolist() == [10, 11, 12, 13]
    found = sim.plate(table, imagej)
    assert found.readouts == ("Length",)
    assert found.table["Length"].tolist() == [10.5, 11.5, 12.5, 13]
    assert sim.plate(frame).readouts == ("Length",)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"wel": ["A1"]}, "has no column well"),
        ({"well": ["A1", "a01"]}, r"row 2: well = 'A1': is given twice"),
        ({"well": ["Z9"]}, "row 1: well = 'Z9': must be a well from A1 to P24"),
        ({"well": ["A1"], "control": ["high"]}, "control = 'high': must be positive, negative"),
        ({"well": ["A1"], "dose_nM": [-1]}, "dose_nM = -1: must not be negative"),
        ({"well": ["A1"], "dose_nM": ["much"]}, "dose_nM = 'much': must be a number"),
        ({"well": ["A1"], "dose_nM": [1], "dose_uM": [1]}, "several columns of doses"),
        ({"well": ["A1"] * 2, "file": ["a", "b"], "dose_nM": [1, 2]}, "pictures of a well have"),
        ({"well": ["A1"], "dose_nM": [1]}, "there are no read-outs"),
    ],
)
def test_maps_that_are_refused(table: Table, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sim.plate(table)


@pytest.mark.parametrize("text", ["wel\nA1\n", "well,dose_a,dose_b\nA1,1,2\n", "well\nZ9\n"])
def test_a_map_that_is_refused_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text(text)
    with pytest.raises(InputError, match=rf"^{tmp_path}/map\.csv: "):
        sim.plate(tmp_path / "map.csv")


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"x": [1.0]}, "must have a column well, or one of pictures"),
        ({"well": ["Q1"], "x": [1.0]}, "well = 'Q1': must be a well"),
        ({"label": ["one.tif"], "x": [1.0]}, "has no well in its name"),
    ],
)
def test_numbers_that_are_refused(numbers: Table, said: str) -> None:
    with pytest.raises(InputError, match=said):
        sim.plate({"well": ["A1"]}, numbers)


def test_a_readout_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match="readout = 'meshes': must be length_mm"):
        sim.plate(noisy(), readouts="meshes")


# --- quality -------------------------------------------------------------------------------------


def test_z_prime_is_that_of_its_definition() -> None:
    table = {
        "well": wells("A", 6), "control": ["positive"] * 3 + ["negative"] * 3,
        "x": [10, 11, 12, 1, 2, 3],
    }  # fmt: skip
    check = sim.plate(table).quality["", "x"]
    assert check.z_prime == pytest.approx(1 - 3 * 2 / 9)
    assert (check.positive.wells, check.positive.mean, check.positive.sd) == (3, 11, 1)
    lone = sim.plate({"well": ["A1", "A2"], "control": ["positive", "negative"], "x": [2, 1]})
    assert lone.quality["", "x"].z_prime is None


def test_effects_of_the_edge_are_found_within_their_limits() -> None:
    held = 0
    for seed in range(40):
        check = sim.plate(noisy(-0.07, seed)).quality["", "length_mm"]
        assert check.edge_low is not None and check.edge_high is not None
        held += check.edge_low < -7.0 < check.edge_high
    assert 34 <= held <= 40
    level = sim.plate(noisy(0.0)).quality["", "length_mm"]
    assert level.edge_low < 0 < level.edge_high  # type: ignore[operator]


def test_wells_marked_empty_keep_the_edge_where_it_is() -> None:
    """Of 384 wells rows I to P are empty: H is no edge. Wells in row A and column 1 read 8 for 10.

    Of 8 x 12 wells 19 are at the edge, so the mean is 10 - 2 * 19 / 96 and the effect -2 of that.
    """
    names = [*wells(), *wells("IJKLMNOP", 24)]
    used = [name[0] in "ABCDEFGH" for name in names]
    value = [8.0 if name[0] == "A" or name[1:] == "1" else 10.0 for name in names]
    table = {"well": names, "control": ["" if one else "empty" for one in used], "x": value}
    found = sim.plate(table)
    assert found.to_dict()["plates"][""]["size"] == 384
    check = found.quality["", "x"]
    assert check.edge_percent == pytest.approx(-200 / (10 - 2 * 19 / 96))
    assert check.positive.wells == check.negative.wells == 0


def test_no_edge_without_a_condition_on_both_sides() -> None:
    outer = {"well": ["A1", "A2", "B2", "B3"], "dose_nM": [0, 0, 1, 1], "x": [5, 6, 2, 3]}
    found = sim.plate(outer)
    assert found.quality["", "x"].edge_percent is None
    assert any("an effect of the edge cannot be seen" in note for note in found.notes)


def test_outliers_are_reported_and_stay() -> None:
    table = noisy()
    found = sim.plate(table)
    assert not found.quality["", "length_mm"].outliers
    table["length_mm"][40] = 1.0
    found = sim.plate(table)
    (one,) = found.quality["", "length_mm"].outliers
    assert (one.well, one.value) == (table["well"][40], 1.0)
    row = found.table.set_index("well").loc[one.well]
    assert row["outlier"] == "length_mm" and row["length_mm"] == 1.0


def test_outliers_are_rare_where_there_are_none() -> None:
    wrong = sum(bool(sim.plate(noisy(seed=seed)).quality["", "length_mm"].outliers)
                for seed in range(60))  # fmt: skip
    assert wrong <= 8  # 5 % are expected: 3


# --- files and pictures --------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    source = tmp_path / "screen.csv"
    pd.DataFrame(noisy(-0.07)).to_csv(source, index=False)
    runner = CliRunner()
    done = runner.invoke(app, ["plate", str(source)])
    assert done.exit_code == 0, done.output
    assert "Z'" in done.stdout and "length_mm" in done.stdout
    folder = tmp_path / "screen-plate"
    assert {path.name for path in folder.iterdir()} == {"plate.csv", "plate.json", "plate.png"}
    tree = json.loads((folder / "plate.json").read_text())["plates"][""]
    assert tree["size"] == 96 and tree["readouts"]["length_mm"]["z_prime"] > 0.3
    again = runner.invoke(app, ["plate", str(source), "--json"])
    assert json.loads(again.stdout)["plates"][""] == tree
    assert (tmp_path / "screen-plate-2").is_dir()
    fitted = sim.fit(folder / "plate.csv", dose="dose_nM", response="length_mm", control="control")
    assert fitted.groups
    assert runner.invoke(app, ["validate", str(source)]).exit_code == 0
    source.write_text("well,control\nA1,high\n")
    wrong = runner.invoke(app, ["validate", str(source)])
    assert wrong.exit_code == 2 and "control = 'high'" in wrong.stderr


@pytest.mark.parametrize("last", ["H12", "P24"])
def test_wells_are_drawn_where_they_are(last: str) -> None:
    table = {"well": ["A1", last, "B3"], "control": ["positive", "negative", "empty"],
             "x": [1.0, 2.0, np.nan]}  # fmt: skip
    figure = sim.plate(table).plot()
    left = figure.findobj(lambda each: hasattr(each, "get_aspect") and each.get_aspect() == 1.0)[0]
    assert {text.get_text(): text.get_position() for text in left.texts if text.get_text()} == {
        "P": (0, 0),
        "N": (11, 7) if last == "H12" else (23, 15),
    }
    assert left.get_ylim()[0] > left.get_ylim()[1]  # A is above
    faces = {tuple(patch.center): patch.get_facecolor() for patch in left.patches}
    assert faces[2, 1][:3] == (1, 1, 1) and faces[0, 0][:3] != (1, 1, 1)
