"""Reading a run folder."""

from __future__ import annotations

import csv
import json
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.assays import assay
from sim.errors import FileError, InputError
from sim.files import read_text, read_toml
from sim.runs.folder import FINAL, FRAMES, MANIFEST, SCENARIO, SUMMARY, TIMESERIES
from sim.scenario.resolve import load

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]


class Frames(Mapping[int, "Arrays"]):
    """The snapshots of a run folder by Monte Carlo step, each read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._files = {int(path.stem): path for path in sorted((folder / FRAMES).glob("*.npz"))}

    def __getitem__(self, mcs: int) -> Arrays:
        return arrays_of(self._files[mcs])

    def __iter__(self) -> Iterator[int]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def read_run(folder: Path) -> dict[str, Any]:
    """Return the content of a run folder, by the attributes of `sim.runs.result.Result`.

    Raises
    ------
    InputError
        If it is not the folder of a run that has ended, or cannot be read.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder}: {_what_it_is(folder)}")
    manifest = read_json(folder / MANIFEST)
    if not manifest.get("ended"):
        raise InputError(
            f"{folder}: this run has not ended, or was killed; resume it with --resume"
        )
    try:
        if "format" not in (tree := read_toml(folder / SCENARIO)):
            raise FileError(folder / SCENARIO, "is not the complete scenario of a run")
        scenario = load(tree)
    except InputError as error:
        version = manifest.get("version")
        raise InputError(f"{error}\n{folder}: this run is from angiosim {version}") from error
    summary = read_json(folder / SUMMARY)
    return {
        "scenario": scenario,
        "seed": manifest["seed"],
        "summary": {name: math.nan if v is None else v for name, v in summary.items()},
        "timeseries": table_of(folder / TIMESERIES),
        "final": arrays_of(folder / FINAL),
        "frames": Frames(folder),
        "manifest": manifest,
        "folder": folder,
        "tables": {
            name: _table_of_assay(folder / name)
            for name, _ in assay(scenario.assay).tables
            if (folder / name).is_file()  # a run of an earlier version has none
        },
    }


def arrays_of(path: Path) -> Arrays:
    """Return the arrays of a file of a run."""
    import numpy as np

    try:
        with np.load(path) as archive:
            return dict(archive)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise FileError(path, f"cannot be read ({error})") from error


def table_of(path: Path) -> pd.DataFrame:
    """Return a table of numbers as it was written, to the last bit."""
    import pandas as pd

    if not (lines := read_text(path).splitlines()):
        raise FileError(path, "is empty")
    header, *rows = csv.reader(lines)
    try:
        columns = {
            name: [_number(text) for text in column]
            for name, column in zip(header, zip(*rows, strict=True), strict=True)
        }
    except ValueError as error:
        raise FileError(path, f"is not a table of numbers ({error})") from error
    return pd.DataFrame(columns)


def _table_of_assay(path: Path) -> pd.DataFrame:
    """Return a table of an assay, which may have words in it, and no row at all."""
    import pandas as pd

    if not (lines := read_text(path).splitlines()):
        raise FileError(path, "is empty")
    header, *rows = csv.reader(lines)
    columns = zip(*rows, strict=True) if rows else ((),) * len(header)
    table = {
        name: [_number_or_word(text) for text in column]
        for name, column in zip(header, columns, strict=True)
    }
    return pd.DataFrame(table)


def _number_or_word(text: str) -> float | int | str:
    try:
        return _number(text)
    except ValueError:
        return text


def _number(text: str) -> float | int:
    return int(text) if text.lstrip("-").isdigit() else float(text or "nan")


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file of a run."""
    try:
        content: dict[str, Any] = json.loads(read_text(path))
    except ValueError as error:
        raise FileError(path, f"is not valid JSON ({error})") from error
    return content


def _what_it_is(folder: Path) -> str:
    """Return what a folder is that is not the folder of a run."""
    if not folder.is_dir():
        return "no such folder"
    for kind, how in (("study", "sim.Study.open"), ("calibration", "sim.calibrate")):
        if (folder / f"{kind}.toml").exists():
            return f"contains a {kind}, not a run; use `{how}`"
    return "is not a run folder; `angiosim run` creates one"
