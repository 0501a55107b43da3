"""A plate: read-outs of its wells beside what was in them, controls, and how good it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from sim import hooks
from sim.errors import InputError, shown
from sim.files import plain, write_text_atomic
from sim.input import checked_path
from sim.lab.plate_quality import WellQuality, percent, quality
from sim.lab.table import labels_in, table_of
from sim.lab.wells import EMPTY, FORMATS, PlateMap, place, read_map, size_of, well_in, well_name
from sim.lab.writing import write_json

if TYPE_CHECKING:
    import pandas as pd

    from sim.hooks import Figure, SubFigure

JSON, CSV, PICTURE = "plate.json", "plate.csv", "plate.png"
MAIN: Final = ("tube_length_mm", "tube_length_px", "closure_percent", "cumulative_length_um")
"""Read-outs of pictures that are drawn if nobody chooses."""
FILE_COLUMNS: Final = ("picture", "file", "image", "image name", "label")
"""Columns of tables of numbers that name a picture, in lower case."""
NO_READOUTS: Final = ("um_per_px", "fields", "replicate", "row", "column", "slice", "")


@dataclass(frozen=True, repr=False)
class Plate:
    """Wells with their read-outs.

    Attributes
    ----------
    name : str
    table : pandas.DataFrame
        A row for each well: ``plate, well``, what was in it, ``fields`` (its pictures), each
        read-out, in per cent of its control, and ``outlier``: which of its read-outs are.
    dose : str
        The column of doses.
    readouts : tuple of str
    quality : dict of (str, str) to WellQuality
        By plate and read-out.
    notes : tuple of str
        What was assumed or is missing.
    """

    name: str
    table: pd.DataFrame
    dose: str
    readouts: tuple[str, ...]
    quality: dict[tuple[str, str], WellQuality]
    notes: tuple[str, ...] = ()
    conditions: tuple[str, ...] = field(default=(), repr=False)

    def __repr__(self) -> str:
        return f"<{self.name or 'plate'}: {len(self.table)} wells, {', '.join(self.readouts)}>"

    @property
    def plates(self) -> list[str]:
        """Names of its plates; one without a name is ``""``."""
        return list(dict.fromkeys(self.table["plate"]))

    def wells_of(self, plate: str) -> pd.DataFrame:
        """Return the rows of a plate."""
        return self.table[self.table["plate"] == plate]

    def to_dict(self) -> dict[str, Any]:
        """Return all that was found of the plates, as in ``plate.json``."""
        plates: dict[str, Any] = {}
        for plate in self.plates:
            wells = self.wells_of(plate)
            found = {name: self.quality[plate, name].to_dict() for name in self.readouts}
            plates[plate] = {
                "size": size_of(list(wells["well"])),
                "wells": len(wells),
                "empty": int((wells["control"] == EMPTY).sum()),
                "readouts": found,
            }
        tree = {"plate_map": self.name, "dose": self.dose, "plates": plates, "notes": self.notes}
        made: dict[str, Any] = plain(tree)
        return made

    def plot(
        self,
        readout: str | None = None,
        plate: str | None = None,
        *,
        fig: Figure | SubFigure | None = None,
    ) -> Figure:
        """Draw a plate: its wells by a read-out, and how each differs from its like.

        Parameters
        ----------
        readout, plate : str, optional
            By default network length, or the first; and the first plate.
        fig : matplotlib.figure.Figure or SubFigure, optional
            An empty one to draw into.

        Raises
        ------
        InputError
            If there is no such read-out or plate.
        """
        return hooks.draw(self.view(readout, plate), fig=fig)

    def view(self, readout: str | None = None, plate: str | None = None) -> PlateView:
        """Return what is drawn of a plate; see `plot`."""
        if readout is None:
            usual = (name for name in MAIN if name in self.readouts)
            readout = next(usual, self.readouts[0])
        plate = self.plates[0] if plate is None else plate
        if readout not in self.readouts:
            raise InputError(f"readout = {shown(readout)}: must be {', '.join(self.readouts)}")
        if plate not in self.plates:
            raise InputError(f"plate = {shown(plate)}: must be {', '.join(self.plates)}")
        return PlateView(self, readout, plate)

    def write(self, folder: str | Path) -> None:
        """Write ``plate.csv``, ``plate.json`` and a picture of each plate into a folder."""
        folder = checked_path("folder", folder)
        write_json(self, folder / JSON)
        write_text_atomic(folder / CSV, self.table.to_csv(index=False, lineterminator="\n"))
        pictures = {}
        for number, plate in enumerate(self.plates, 1):
            name = PICTURE if number == 1 else f"plate_{number}.png"
            pictures[name] = self.view(plate=plate).plot
        hooks.call("save_figures", pictures, folder, None)


@dataclass(frozen=True)
class PlateView:
    """One read-out of one plate, to be drawn."""

    of: Plate
    readout: str
    plate: str

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the plate."""
        return FORMATS[size_of(list(self.of.wells_of(self.plate)["well"]))]

    def plot(self, *, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw it."""
        return hooks.draw(self, fig=fig)


def plate(
    plate_map: Any, numbers: Any = None, readouts: str | Sequence[str] | None = None
) -> Plate:
    """Join read-outs to the wells of a plate, and say how good the plate is.

    Parameters
    ----------
    plate_map : str, Path, pandas.DataFrame or mapping
        What is in each well; see `sim.lab.wells.read_map`.
    numbers : Measurements, str, Path, pandas.DataFrame or mapping, optional
        Read-outs: pictures that `sim.measure` has measured, a table with a column ``well`` (and
        ``plate``) or of names of pictures, or a grid as plate readers write it: a column of the
        letters A to H, and columns 1 to 12. Without it the map itself has them.
    readouts : str or sequence of str, optional
        Which; by default all columns of numbers.

    Returns
    -------
    Plate

    Raises
    ------
    InputError
        If a table cannot be read, or rows do not fit together.
    """
    found = plate_map if isinstance(plate_map, PlateMap) else read_map(plate_map)
    notes: list[str] = []
    if numbers is None:
        table = found.table.copy()
        names = [name for name in found.readouts if name.lower() not in NO_READOUTS]
    else:
        table, names = _joined(found, numbers, notes)
    names = _chosen(names, readouts)
    table = _one_row_a_well(found, table, names)
    used = table["control"] != EMPTY
    checks: dict[tuple[str, str], WellQuality] = {}
    table["outlier"] = ""
    for readout in names:
        table.loc[~used, readout] = math.nan
        table[f"{readout}_percent"] = math.nan
        for which in dict.fromkeys(table["plate"]):
            rows = (table["plate"] == which) & used
            values, said = percent(table[rows], readout, found.dose)
            table.loc[rows, f"{readout}_percent"] = values
            label = f"plate {which}: " if which else ""
            notes += [f"{label}{readout}: {one}" for one in said]
            check = quality(table[table["plate"] == which], readout, found.dose, found.conditions)
            checks[which, readout] = check
            if check.edge_percent is None:
                notes.append(
                    f"{label}no condition is both at the edge and inside: an effect of the edge "
                    "cannot be seen"
                )
            bad = table["well"].isin([one.well for one in check.outliers]) & rows
            table.loc[bad, "outlier"] += f"{readout} "
    table["outlier"] = table["outlier"].str.strip()
    return Plate(found.name, table, found.dose, tuple(names), checks, tuple(dict.fromkeys(notes)),
                 found.conditions)  # fmt: skip


def _chosen(names: list[str], wanted: str | Sequence[str] | None) -> list[str]:
    """Return the read-outs that are wanted, or refuse one that is not there."""
    if wanted is None:
        if not names:
            raise InputError(
                "plate: there are no read-outs: the map has no columns of numbers, and no table of "
                "numbers was given (--numbers)"
            )
        return names
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    for one in wanted:
        if one not in names:
            raise InputError(f"readout = {shown(one)}: must be {', '.join(names)}")
    return wanted


def _joined(found: PlateMap, numbers: Any, notes: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Return the map with the numbers beside it, and the names of the read-outs."""
    import pandas as pd

    source = numbers.table if hasattr(numbers, "rows") else _no_grid(table_of(numbers))
    kept = [
        name for name in source.columns
        if str(name).lower() not in {*NO_READOUTS, *FILE_COLUMNS, "well", "plate"}
    ]  # fmt: skip
    names = [name for name in kept if pd.api.types.is_numeric_dtype(source[name])]
    texts = [name for name in ("doubts", "error") if name in kept]
    places = _places(found, source)
    keys = list(places)
    right = source[[*names, *texts]].assign(**places)
    if keys != ["well"] and right.duplicated(keys).any():
        twice = right[right.duplicated(keys)].iloc[0]
        raise InputError(f"numbers: {_words(twice, keys)} is given twice")
    left = found.table.drop(columns=[name for name in names if name in found.table.columns])
    both = right.merge(left[keys].drop_duplicates(), on=keys, how="left", indicator=True)
    strange = both[both["_merge"] == "left_only"]
    if len(strange):
        listed = ", ".join(_words(row, keys) for _, row in strange.head(8).iterrows())
        notes.append(f"{len(strange)} rows of numbers are not on the plate map: {listed}")
    table = left.merge(right, on=keys, how="left")
    lacking = table[table[names].isna().all(axis=1) & (table["control"] != EMPTY)]
    if len(lacking):
        listed = ", ".join(lacking["well"].head(8))
        notes.append(f"{len(lacking)} wells of the plate map have no numbers: {listed}")
    return table, [str(name) for name in names]


def _places(found: PlateMap, source: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns by which numbers are joined to a map: wells, with plates, or pictures."""
    by_name = {str(name).lower(): name for name in source.columns}
    picture = next((by_name[one] for one in FILE_COLUMNS if one in by_name), None)
    if "well" not in by_name and picture is not None and found.files:
        return {"file": [str(text) for text in source[picture]]}
    read: Callable[[str], str | None]
    if "well" in by_name:
        column, read, what = by_name["well"], well_name, "must be a well from A1 to P24"
    elif picture is not None:
        column, read = picture, well_in
        what = "has no well in its name, such as _B03; give the plate map a column file"
    else:
        listed = ", ".join(map(str, source.columns[:30]))
        raise InputError(f"numbers: must have a column well, or one of pictures; have {listed}")
    wells: list[str] = []
    for text in map(str, source[column]):
        if (well := read(text)) is None:
            raise InputError(f"{column} = {shown(text)}: {what}")
        wells.append(well)
    if "plate" in by_name:
        return {"plate": labels_in(source, by_name["plate"], "plate"), "well": wells}
    if found.table["plate"].nunique() > 1:
        raise InputError("numbers: must have a column plate, since the map has several plates")
    return {"well": wells}


def _words(row: Any, keys: list[str]) -> str:
    return " ".join(str(row[key]) for key in keys)


def _no_grid(table: pd.DataFrame) -> pd.DataFrame:
    """Return a grid of a plate reader as a table of wells; any other table as it is."""
    import pandas as pd

    others = list(map(str, table.columns))[1:]
    letters = [str(cell).strip().upper() for cell in table[table.columns[0]]]
    if not others or not all(name.isdecimal() for name in others):
        return table
    if any(well_name(f"{letter}1") is None for letter in letters):
        return table
    rows = [
        {"well": f"{letter}{column}", "signal": value}
        for letter, (_, row) in zip(letters, table.iterrows(), strict=True)
        for column, value in zip(others, row.tolist()[1:], strict=True)
    ]
    return pd.DataFrame(rows)


def _one_row_a_well(found: PlateMap, table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the means of the pictures of each well, in the order of the plate."""
    import pandas as pd

    head = [name for name in found.table.columns if name not in (*found.readouts, "file")]
    how: dict[str, Any] = {name: (name, "first") for name in head if name not in ("plate", "well")}
    how |= {name: (name, "mean") for name in names}
    if "file" in table.columns and found.files:
        how["fields"] = ("file", lambda files: int((files != "").sum()))
    for name in ("doubts", "error"):
        if name in table.columns:
            how[name] = (name, _sentences)
    table[names] = table[names].astype(float)
    wells = table.groupby(["plate", "well"], sort=False, dropna=False).agg(**how).reset_index()
    at = np.array([place(well) for well in wells["well"]])
    order = np.lexsort((at[:, 1], at[:, 0], pd.factorize(wells["plate"])[0]))
    tail = [name for name in ("doubts", "error") if name in wells]
    wells = wells[[*(name for name in wells if name not in tail), *tail]]
    ordered: pd.DataFrame = wells.iloc[order].reset_index(drop=True)
    return ordered


def _sentences(texts: Any) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if isinstance(text, str) and text))
