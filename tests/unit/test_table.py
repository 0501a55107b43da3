"""The one reader of users' tables: every common kind of CSV, and what Python has in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sim.errors import InputError
from sim.lab.table import labels_in, numbers_in, read_table, table_of


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "dose_nM,length,drug\n0,1.5,A\n10,0.25,\n",
        "dose_nM;length;drug\n0;1.5;A\n10;0.25;\n",
        "dose_nM;length;drug\n0;1,5;A\n10;0,25;\n",
        "dose_nM\tlength\tdrug\n0\t1,5\tA\n1e1\t,25\t\n",
        'dose_nM,length,drug\n0,"1,5",A\n10,"0,25",\n',
        "\ufeff# a note\r\ndose_nM, length, drug,\r\n0, 1.5, A,\r\n\r\n10, .25, ,\r\n",
    ],
)
def test_one_table_in_all_the_ways_in_which_spreadsheets_write_it(
    tmp_path: Path, text: str
) -> None:
    table = read_table(write(tmp_path, text))
    assert list(table) == ["dose_nM", "length", "drug"]
    assert table["dose_nM"].tolist() == [0, 10] and table["length"].tolist() == [1.5, 0.25]
    assert labels_in(table, "drug", "--by") == ["A", ""]


def test_missing_numbers_are_nan_and_rows_keep_their_lines(tmp_path: Path) -> None:
    cells = ["1", "", "NA", "n/a", "NaN", "-", ".", "#N/A", "null", "None", "2"]
    table = read_table(write(tmp_path, "y,x\n" + "".join(f"0,{cell}\n" for cell in cells)))
    assert numbers_in(table, "x", "--dose")[[0, -1]].tolist() == [1, 2]
    assert np.isnan(table["x"]).sum() == 9
    assert table.index.tolist() == list(range(2, 13)) and table.index.name == "line"


def test_decimal_commas_among_text_become_points(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "x;c\n1;0,5\n2;<0,1\n3;BLQ\n4;1,25\n"))
    assert table["c"].tolist() == ["0.5", "<0,1", "BLQ", "1.25"]
    with pytest.raises(InputError) as found:
        numbers_in(table, "c", "--dose")
    assert "line 3: c = '<0,1'" in str(found.value) and "'0.5'" not in str(found.value)
    for text in ("x;c\n1.5;0,5\n2;BLQ\n", "x;c\n1;1,000\n2;BLQ\n", "x;c\n1;0,5\n2;x\n3;0.5\n"):
        assert read_table(write(tmp_path, text))["c"][2] in ("0,5", "1,000")  # could be either


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no rows"),
        ("dose,y\n", "has no rows"),
        ("y,y\n1,2\n", "column = 'y': is given twice"),
        ("x,y\n1,2,3\n", "line 2: has 3 cells; must have 2"),
        ("x,y\n1,5,2,5\n", "numbers have decimal points"),
        ("x;y\n1,5;2.5\n", "decimal points (y: 2.5) and commas (x: 1,5)"),
        ("x;y\n1,000;2\n20,000;3\n", "could be decimal or separate thousands"),
        ("x,=y\n1,2\n", "must not begin with"),
        (b"PK\3\4 and so on", "is a spreadsheet, not text; save it as CSV"),
        (b"x,dose (\xb5M)\n1,2\n", "not a text file (UTF-8); save it as UTF-8"),
        ("x,y\n1,2\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path: Path, text: str | bytes, words: str) -> None:
    with pytest.raises(InputError) as found:
        read_table(write(tmp_path, text))
    assert words in str(found.value)


def test_folders_pipes_and_what_is_not_there_are_refused(tmp_path: Path) -> None:
    for path, words in [(tmp_path, "is a folder"), (tmp_path / "no.csv", "no such file")]:
        with pytest.raises(InputError, match=words):
            read_table(path)
    with pytest.raises(InputError, match="not a regular file"):
        read_table("/dev/null")


def test_three_digits_after_the_comma_are_a_number_where_another_shows_it(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "x;y\n1,000;0,125\n20,000;3\n"))
    assert table["x"].tolist() == [1, 20]


@pytest.mark.parametrize(
    ("cell", "hint"),
    [
        ("50%", "percent sign"),
        ("<0.5", "a bound is no number"),
        ("5 nM", "into the name of the column"),
        ("BLQ", "must be a number"),
        ("inf", "must be a number"),
        ("1e200", "must be at most 1e+100 in size"),
    ],
)
def test_cells_that_are_no_numbers_are_listed_with_their_lines(
    tmp_path: Path, cell: str, hint: str
) -> None:
    table = read_table(write(tmp_path, f"x,y\n1,2\n\n{cell},3\n"))
    if cell != "1e200":  # a number, though a wrong one
        assert table["x"].tolist() == ["1", cell]  # for those who know what such words mean
    with pytest.raises(InputError) as found:
        numbers_in(table, "x", "--dose")
    assert "line 4: x = " in str(found.value) and "must be" in str(found.value)
    assert hint in str(found.value)


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InputError, match=r"--dose = 'Dose': no such column; the table has dose, y"):
        numbers_in(table_of({"dose": [1], "y": [2]}), "Dose", "--dose")


def test_tables_in_memory() -> None:
    masked = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
    by_columns = table_of({"x": masked, "y": [None, 1, float("nan")], "z": ["a", "b", "c"]})
    assert numbers_in(by_columns, "x", "dose").tolist()[::2] == [1, 3]
    assert np.isnan(numbers_in(by_columns, "x", "dose")[1])
    assert np.isnan(numbers_in(by_columns, "y", "dose")[[0, 2]]).all()
    frame = pd.DataFrame({"x": pd.array([1, None], "Int64"), "plate": [1.0, 2.0]}, index=[7, 7])
    assert numbers_in(table_of(frame), "x", "dose")[0] == 1
    assert labels_in(table_of(frame), "plate", "by") == ["1", "2"]
    assert frame.index.tolist() == [7, 7]  # untouched
    for wrong in (3, [1, 2], {"x": [1], "y": [1, 2]}, {}, {"x": []}):
        with pytest.raises(InputError):
            table_of(wrong)
    with pytest.raises(InputError, match="given twice"):
        table_of(pd.DataFrame([[1, 2]], columns=["x", "x"]))
