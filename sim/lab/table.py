"""The one reader of users' tables: CSV of any common kind, or what Python has in memory."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import FileError, InputError, Problem, ScenarioError, shown
from sim.files import MOST_BYTES, read_bytes, read_cells
from sim.units import parse_quantity

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

MOST_ROWS = 1_000_000
MOST = 1e100  # of a number: its square is one, too
MISSING = ("", "na", "n/a", "#n/a", "nan", "none", "null", "-", ".")
"""Cells of a column of numbers that hold none, in any case."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d{1,3})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table of a user from a text file: a line of column names, then rows.

    Cells are separated by tabs, semicolons or commas: the first of these that the line of names
    has. Empty lines and lines that begin with ``#`` are left out. A column whose cells are all
    numbers or missing (`MISSING`) becomes numbers, NaN where missing; any other stays text.
    Numbers may have decimal commas, as spreadsheets of many languages write them, if no number of
    the table has a decimal point; ``1,000`` alone could be either, and is refused. Numbers with
    decimal commas among text, such as concentrations with ``BLQ``, get decimal points.

    Parameters
    ----------
    path : str or Path
        A file of UTF-8 text, with at most `MOST_ROWS` rows.

    Returns
    -------
    pandas.DataFrame
        Its index is the line of each row in the file, for messages.

    Raises
    ------
    FileError
        If the file cannot be read, or is not such a table.
    ScenarioError
        Listing what is wrong with columns and lines.
    """
    import pandas as pd

    path = Path(path)
    if path.suffix.lower() in (".xlsx", ".xls", ".ods") or read_bytes(path)[:4] == b"PK\3\4":
        raise FileError(path, "is a spreadsheet, not text; save it as CSV (UTF-8)")
    header, body = read_cells(path, MOST_ROWS, MOST_BYTES, "\t;,")
    if not body:
        raise FileError(path, "has no rows; must have a line of column names, and rows below it")
    columns = {name: [row[place] for _, row in body] for place, name in enumerate(header)}
    index = pd.Index([line for line, _ in body], name="line")
    try:
        return pd.DataFrame(_typed(columns), index=index)
    except ValueError as error:
        raise FileError(path, str(error)) from None


def table_of(source: Any) -> pd.DataFrame:
    """Return a table of a user: the file of one, or what Python has in memory.

    Parameters
    ----------
    source : str, Path, pandas.DataFrame or mapping of str to array_like
        A file as for `read_table`; a table; or its columns by name. Masked values are missing.

    Raises
    ------
    InputError
        If it is something else, is empty, or names a column twice.
    """
    import pandas as pd

    if isinstance(source, str | os.PathLike):
        return read_table(Path(source))
    if isinstance(source, Mapping):
        try:
            source = pd.DataFrame({name: _unmasked(cells) for name, cells in source.items()})
        except ValueError as error:
            raise InputError(f"table: columns must be equally long: {error}") from None
    if not isinstance(source, pd.DataFrame):
        raise InputError(
            f"table = {shown(source)}: must be a path of a CSV file, a pandas DataFrame, or a "
            "mapping of columns by name"
        )
    names = [str(name) for name in source.columns]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"table: the column {twice!r} is given twice")
    if not len(source):
        raise InputError("table: has no rows")
    table = source.set_axis(names, axis=1)
    table.index = pd.RangeIndex(1, len(table) + 1, name="row")
    return table


def column(table: pd.DataFrame, name: str, key: str) -> pd.Series:
    """Return a column by its name, or refuse a name that the table does not have.

    Parameters
    ----------
    table : pandas.DataFrame
    name : str
    key : str
        What names it, such as ``"--dose"``, for the message.

    Raises
    ------
    InputError
        If there is no such column; it lists those that there are.
    """
    if name in table.columns:
        return table[name]
    close = get_close_matches(name, list(table.columns), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(map(str, table.columns[:30]))
    raise InputError(f"{key} = {shown(name)}: no such column; the table has {listed}{hint}")


def numbers_in(table: pd.DataFrame, name: str, key: str) -> NDArray[np.float64]:
    """Return a column of numbers, NaN where they are missing.

    Raises
    ------
    InputError
        If there is no such column; `ScenarioError` lists the cells that are not numbers.
    """
    import numpy as np

    from sim.fits.limits import numbers

    cells = column(table, name, key)
    values, problems = np.full(len(cells), math.nan), []
    try:
        values = numbers(cells.to_numpy(), name)
        if not (np.abs(values) > MOST).any():  # NaN is not
            return values
    except ValueError:
        pass
    for place, (line, cell) in enumerate(cells.items()):
        text = str(cell).strip()
        where = f"{table.index.name} {line}: {name}"
        if _NUMBER.fullmatch(text):
            values[place] = float(text)
            if abs(values[place]) > MOST:
                problems.append(Problem(where, cell, f"must be at most {MOST:g} in size"))
        elif text.lower() not in MISSING and cell is not None and cell == cell:
            problems.append(Problem(where, cell, "must be a number", _hint(text)))
    if problems:
        raise ScenarioError(f"column {name}", problems)
    return values


def labels_in(table: pd.DataFrame, name: str, key: str) -> list[str]:
    """Return a column as names: of groups, plates or replicates; empty where there is none.

    Whole numbers have no decimal point, so that plate 1 is the same in text and in numbers.
    """

    def label(cell: Any) -> str:
        if cell is None or cell != cell:
            return ""
        if isinstance(cell, float):
            return f"{cell:.12g}"
        return str(cell).strip()

    return [label(cell) for cell in column(table, name, key).tolist()]


def _unmasked(cells: Any) -> Any:
    """Return a column with None where it is masked."""
    import numpy as np

    if not np.ma.isMaskedArray(cells):
        return cells
    return [
        None if gone else cell
        for cell, gone in zip(cells.data.tolist(), np.ma.getmaskarray(cells), strict=True)
    ]


def _typed(columns: dict[str, list[str]]) -> dict[str, Any]:
    """Return columns of text as numbers where all that they have is numbers.

    Raises
    ------
    ValueError
        If decimal commas cannot be told from anything else.
    """
    import numpy as np

    plain: dict[str, list[str]] = {}
    with_commas: dict[str, list[str]] = {}
    mixed: list[str] = []  # numbers of columns with text
    for name, cells in columns.items():
        present = [cell for cell in cells if cell.lower() not in MISSING]
        if all(map(_NUMBER.fullmatch, present)):
            plain[name] = present
        elif all(_NUMBER.fullmatch(cell) or _COMMA.fullmatch(cell) for cell in present):
            with_commas[name] = present
        else:
            mixed += [cell for cell in present if _NUMBER.fullmatch(cell) or _COMMA.fullmatch(cell)]
    if with_commas:
        _check_commas(plain, with_commas)
    decimal_commas = _are_decimal([*chain(*plain.values(), *with_commas.values()), *mixed])
    typed: dict[str, Any] = {}
    for name, cells in columns.items():
        if name in plain or name in with_commas:
            typed[name] = np.array([
                math.nan if cell.lower() in MISSING else float(cell.replace(",", "."))
                for cell in cells
            ])  # fmt: skip
        else:
            typed[name] = np.array([
                cell.replace(",", ".") if decimal_commas and _COMMA.fullmatch(cell) else cell
                for cell in cells
            ], dtype=object)  # fmt: skip
    return typed


def _are_decimal(numbers: list[str]) -> bool:
    """Return whether commas in the numbers of a table can only be decimal ones."""
    commas = [one for one in numbers if "," in one]
    return not any("." in one for one in numbers) and not all(map(_THOUSANDS.fullmatch, commas))


def _check_commas(plain: dict[str, list[str]], with_commas: dict[str, list[str]]) -> None:
    """Refuse commas in numbers that need not be decimal ones."""
    commas = {name: next(c for c in cells if "," in c) for name, cells in with_commas.items()}
    name, example = next(iter(commas.items()))
    for other, cells in (plain | with_commas).items():
        if point := next((cell for cell in cells if "." in cell), None):
            raise ValueError(
                f"numbers have decimal points ({other}: {point}) and commas ({name}: {example}); "
                "write all of them with decimal points"
            )
    if not _are_decimal([cell for cells in with_commas.values() for cell in cells]):
        raise ValueError(
            f"{name} = {example}: the comma could be decimal or separate thousands; "
            "write numbers with decimal points, and thousands without a separator"
        )


def _hint(text: str) -> str:
    """Return what may be meant by a cell that should be a number."""
    if text.endswith("%"):
        return "write the number alone, without the percent sign"
    if text[:1] in "<>":
        return "a bound is no number; leave the cell empty, or leave the row out"
    if _THOUSANDS.fullmatch(text):
        return "the comma could be decimal or separate thousands; write numbers with decimal points"
    if _COMMA.fullmatch(text):
        return "write all numbers with decimal points"
    if re.match(r"[+-]?[\d.]+\s*[A-Za-zµμ]", text):
        return "write the unit into the name of the column"
    return ""


def unit_of(name: str) -> tuple[str, str]:
    """Return what a column of doses holds in words, and its unit, empty if its name has none.

    Parameters
    ----------
    name : str
        Such as ``dose_nM``, ``dose (µM)`` or ``conc_ng_ml``. A dose is no length: ``nm`` is nM.
    """
    bracket = re.fullmatch(r"(.*?)[\s,_]*[(\[](.+)[)\]]\s*", name)
    if bracket:
        tries = [(bracket[1], bracket[2])]
    else:
        parts = re.split(r"[_\s]+", name)
        tries = [(" ".join(parts[:-n]), "/".join(parts[-n:])) for n in (3, 2, 1)]
    for words, text in tries:
        unit = text.replace("/per/", "/").replace("µ", "u").replace("μ", "u")
        unit = re.sub(r"(?<![A-Za-z])([munpd]?)l\b", r"\1L", unit)
        unit = {"nm": "nM", "um": "uM", "mm": "mM", "pm": "pM"}.get(unit, unit)
        try:
            parse_quantity(f"1 {unit}", unit)
        except ValueError:
            continue
        return words.replace("_", " ").strip() or "dose", unit
    return name.replace("_", " "), ""


def default_folder(table: Any, ending: str) -> Path:
    """Return the folder beside a user's table for what is found in it."""
    path = Path(table)
    return path.with_name(f"{path.stem}-{ending}")
