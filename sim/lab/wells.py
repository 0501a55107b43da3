"""Wells of plates: their names, and the map that says what is in each."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim.errors import InputError, Problem, ScenarioError
from sim.lab.table import labels_in, numbers_in, table_of

if TYPE_CHECKING:
    import pandas as pd

ROWS: Final = "ABCDEFGHIJKLMNOP"
FORMATS: Final = {96: (8, 12), 384: (16, 24)}
"""Rows and columns of a plate, by its number of wells."""
POSITIVE, NEGATIVE, EMPTY = "positive", "negative", "empty"
CONTROLS: Final = ("", POSITIVE, NEGATIVE, EMPTY)
_WELL: Final = re.compile(r"([A-Pa-p])0?([1-9]|1[0-9]|2[0-4])")
_IN_A_NAME: Final = re.compile(
    r"(?<![A-Za-z0-9])([A-Pa-p](?:0[1-9]|1[0-9]|2[0-4]|[1-9]))(?![A-Za-z0-9])"
)
_TEXT: Final = ("plate", "drug", "ligand", "replicate", "control", "file")


@dataclass(frozen=True)
class PlateMap:
    """What is in each well.

    Attributes
    ----------
    name : str
        Of its file; empty if it has none.
    table : pandas.DataFrame
        A row for each picture or well: ``plate, well, drug, DOSE, ligand, replicate, control`` and
        further columns of the map.
    dose : str
        The column of doses, such as ``dose_nM``.
    files : bool
        Whether it names pictures.
    conditions : tuple of str
        Columns that tell conditions apart.
    readouts : tuple of str
        Columns of numbers that came with it.
    """

    name: str
    table: pd.DataFrame
    dose: str
    files: bool
    conditions: tuple[str, ...]
    readouts: tuple[str, ...]


def well_name(text: str) -> str | None:
    """Return a well as ``A1``, however it is written (a1, A01); None if it is none of 384."""
    found = _WELL.fullmatch(text.strip())
    return f"{found[1].upper()}{int(found[2])}" if found else None


def well_in(name: str) -> str | None:
    """Return the well that the name of a file has between other words, if it has one."""
    found = {well_name(part) for part in _IN_A_NAME.findall(name)}
    return found.pop() if len(found) == 1 else None


def place(well: str) -> tuple[int, int]:
    """Return row and column of a well, from 0."""
    return ROWS.index(well[0]), int(well[1:]) - 1


def size_of(wells: Sequence[str]) -> int:
    """Return the number of wells of the smallest plate that has all these."""
    places = [place(well) for well in wells]
    small = all(row < 8 and column < 12 for row, column in places)
    return 96 if small else 384


def read_map(source: Any) -> PlateMap:
    """Read a plate map: a row for each well, or for each picture of a well.

    Parameters
    ----------
    source : str, Path, pandas.DataFrame or mapping
        A CSV file, or the table itself. It must have a column ``well``. ``drug``, ``dose_nM`` (or
        another column whose name begins with dose), ``ligand``, ``replicate``, ``control``
        (``positive``: full response; ``negative``: no response; ``empty``: no cells), ``plate``
        and ``file`` may be there; of further columns those of numbers are read-outs, those of text
        tell conditions apart.

    Raises
    ------
    InputError
        If it cannot be read; `ScenarioError` lists all that is wrong with its rows.
    """
    import pandas as pd

    table = table_of(source)
    label = str(source) if isinstance(source, str | Path) else "plate map"
    if "well" not in table.columns:
        listed = ", ".join(map(str, table.columns[:30]))
        raise InputError(f"{label}: has no column well; its columns are {listed}")
    doses = [name for name in table.columns if name.lower().startswith("dose")]
    if len(doses) > 1:
        raise InputError(f"{label}: has several columns of doses: {', '.join(doses)}")
    found = pd.DataFrame(index=table.index)
    problems: list[Problem] = []
    where = table.index.name
    wells = labels_in(table, "well", "well")
    for line, text in zip(table.index, wells, strict=True):
        if well_name(text) is None:
            what = "must be a well from A1 to P24"
            problems.append(Problem(f"{where} {line}: well", text, what))
    found["well"] = [well_name(text) or "" for text in wells]
    for name in _TEXT:
        there = name in table.columns
        found[name] = labels_in(table, name, name) if there else ""
    found["control"] = found["control"].str.lower()
    for line, text in found["control"].items():
        if text not in CONTROLS:
            what = "must be positive, negative, empty or nothing"
            problems.append(Problem(f"{where} {line}: control", text, what))
    dose = doses[0] if doses else "dose_nM"
    found[dose] = numbers_in(table, dose, dose) if doses else float("nan")
    for line, value in found[dose].items():
        if value < 0:
            problems.append(Problem(f"{where} {line}: {dose}", value, "must not be negative"))
    others = [name for name in table.columns if name not in {*found.columns}]
    readouts = [name for name in others if pd.api.types.is_numeric_dtype(table[name])]
    for name in others:
        found[name] = table[name] if name in readouts else labels_in(table, name, name)
    texts = [name for name in others if name not in readouts]
    conditions = ("drug", dose, "ligand", "control", *texts)
    problems += _several(found, conditions, has_files="file" in table.columns, where=str(where))
    if problems:
        raise ScenarioError(label, problems)
    head = ["plate", "well", "drug", dose, "ligand", "replicate", "control", "file", *texts]
    name = Path(source).name if isinstance(source, str | os.PathLike) else ""
    return PlateMap(name, found[[*head, *readouts]], dose, "file" in table.columns, conditions,
                    tuple(readouts))  # fmt: skip


def _several(
    found: pd.DataFrame, conditions: Sequence[str], *, has_files: bool, where: str
) -> list[Problem]:
    """Return what is wrong with wells that have several rows: only pictures may be several."""
    problems = []
    for (_, well), rows in found.groupby(["plate", "well"], sort=False):
        if len(rows) == 1 or not well:
            continue
        line = f"{where} {rows.index[1]}: well"
        if not has_files or rows["file"].duplicated().any() or (rows["file"] == "").any():
            problems.append(Problem(line, well, "is given twice"))
        elif len(rows[[*conditions, "replicate"]].drop_duplicates()) > 1:
            what = "has another condition than in a row above; pictures of a well have one"
            problems.append(Problem(line, well, what))
    return problems
