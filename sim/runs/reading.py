"""Reading a run folder."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field, Strict, ValidationError

from sim.assays import assay
from sim.errors import FileError, InputError
from sim.files import parse_json, parse_npz, read_bytes, read_text, read_toml, sha256
from sim.runs.folder import (
    CHECKSUM,
    FINAL,
    FRAMES,
    LOG,
    MANIFEST,
    NUMBERED,
    SCENARIO,
    SUMMARY,
    SUMS,
    TIMESERIES,
    checksum_of,
    holds_run,
    refuse_links,
)
from sim.scenario.resolve import load

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]


class Frames(Mapping[int, "Arrays"]):
    """The snapshots of a run folder by Monte Carlo step, each read when it is asked for."""

    def __init__(self, folder: Path, sums: Mapping[str, str] | None = None) -> None:
        names = {path.name for path in (folder / FRAMES).glob("*.npz")}
        names |= {Path(name).name for name in sums or {} if name.startswith(f"{FRAMES}/")}
        frames = sorted(name for name in names if re.fullmatch(NUMBERED[FRAMES], name))
        self._files = {int(Path(name).stem): folder / FRAMES / name for name in frames}
        self._folder, self._sums = folder, sums or {}

    def __getitem__(self, mcs: int) -> Arrays:
        path = self._files[mcs]
        check(self._folder, {name: self._sums.get(name) for name in (f"{FRAMES}/{path.name}",)})
        return arrays_of(path)

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
    if not is_run(folder):
        raise InputError(f"{folder}: {_what_it_is(folder)}")
    manifest = read_manifest(folder)
    sums = manifest.pop(SUMS, {})
    if not manifest.get("ended"):
        raise InputError(
            f"{folder}: this run has not ended, or was killed; resume it with --resume"
        )
    check(folder, {name: sums[name] for name in (SCENARIO,) if name in sums})
    try:
        if "format" not in read_toml(folder / SCENARIO):
            raise FileError(folder / SCENARIO, "is not the complete scenario of a run")
        scenario = load(folder / SCENARIO)
    except InputError as error:
        version = manifest.get("version")
        raise InputError(f"{error}\n{folder}: this run is from angiosim {version}") from error
    check(folder, {name: known for name, known in sums.items() if "/" not in name})
    summary = read_json(folder / SUMMARY)
    return {
        "scenario": scenario,
        "seed": scenario.seed,
        "summary": {name: math.nan if v is None else v for name, v in summary.items()},
        "timeseries": table_of(folder / TIMESERIES),
        "final": arrays_of(folder / FINAL),
        "frames": Frames(folder, sums),
        "manifest": manifest,
        "folder": folder,
        "tables": {
            name: _table_of_assay(folder / name)
            for name, _ in assay(scenario.assay).tables
            if (folder / name).is_file()  # a run of an earlier version has none
        },
    }


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run, whose manifest may be lost."""
    began = all(os.path.isfile(folder / name) for name in (LOG, SCENARIO))
    return os.path.isfile(folder / MANIFEST) or (began and holds_run(folder))


class _Session(BaseModel):
    """What is read of a session of a run."""

    mcs: Annotated[int, Strict(), Field(ge=0)]
    from_mcs: Annotated[int, Strict(), Field(ge=0)]
    wall_s: dict[str, float]
    version: str | None = None
    libraries: dict[str, str | None] = {}
    platform: dict[str, Any] = {}


class _Manifest(BaseModel):
    """What is read of a manifest."""

    completed: bool
    seed: int = 0
    mcs: Annotated[int, Strict(), Field(ge=0)] = 0
    version: str | None = None
    libraries: dict[str, str | None] = {}
    platform: dict[str, Any] = {}
    parent: dict[str, Any] | None = None
    sessions: list[_Session] = []
    sha256: dict[Annotated[str, Field(pattern=r"^(frames/)?[\w-]+\.\w+$")], str] = {}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run, if it is as it was written; that of earlier versions as it is.

    Raises
    ------
    FileError
        If it is lost or damaged.
    FolderError
        If there are links in the folder.
    """
    refuse_links(folder)
    try:
        manifest = read_json(folder / MANIFEST)
    except FileError as error:
        raise FileError(folder / MANIFEST, f"{error.reason}; {_again(folder)}") from error
    known = manifest.pop(CHECKSUM, None)
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise FileError(folder / MANIFEST, f"is damaged at {where}; {_again(folder)}") from None
    if known not in (None, checksum_of(manifest)):
        raise FileError(folder / MANIFEST, f"is damaged; {_again(folder)}")
    return manifest


def damaged(folder: Path, sums: Mapping[str, str | None]) -> list[str]:
    """Return the names of files that are lost, or not as a run wrote them.

    Parameters
    ----------
    folder : Path
    sums : mapping of str to str or None
        SHA-256 of the files by name; None where it is not known.
    """
    found = []
    for name, known in sums.items():
        try:
            content = read_bytes(folder / name)
        except FileError:
            found.append(name)
            continue
        if known not in (None, sha256(content)):
            found.append(name)
    return found


def check(folder: Path, sums: Mapping[str, str | None]) -> None:
    """Refuse files that are lost, or not as a run wrote them; see `damaged`."""
    for name in damaged(folder, sums):
        what = "is not as the run wrote it" if (folder / name).exists() else "is lost"
        raise FileError(folder / name, f"{what}; {_again(folder, name)}")


def _again(folder: Path, name: str = MANIFEST) -> str:
    """Return how a file of a run is written again."""
    scenario = "SCENARIO" if name == SCENARIO else folder / SCENARIO
    if name.startswith(FRAMES):
        return f"run {scenario} again in another folder"
    return f"`angiosim run {scenario} --out {folder} --resume` writes it again"


def arrays_of(path: Path) -> Arrays:
    """Return the arrays of a file of a run."""
    try:
        return parse_npz(read_bytes(path))
    except ValueError as error:
        raise FileError(path, f"cannot be read ({error})") from error


def table_of(path: Path) -> pd.DataFrame:
    """Return a table of numbers as it was written, to the last bit."""
    return _table(path, _number, least=1)


def _table_of_assay(path: Path) -> pd.DataFrame:
    """Return a table of an assay, which may have words in it, and no row at all."""
    return _table(path, _number_or_word, least=0)


def _table(path: Path, read: Callable[[str], Any], *, least: int) -> pd.DataFrame:
    """Return a table of at least so many rows."""
    import pandas as pd

    if not (lines := read_text(path).splitlines()):
        raise FileError(path, "is empty")
    try:
        header, *rows = csv.reader(lines)
        if len(rows) < least:
            raise ValueError("has no rows")
        columns = zip(*rows, strict=True) if rows else ((),) * len(header)
        table = {
            name: [read(text) for text in column]
            for name, column in zip(header, columns, strict=True)
        }
    except (ValueError, csv.Error) as error:
        raise FileError(path, f"is not a table of numbers ({error})") from error
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
        return parse_json(read_text(path))
    except ValueError as error:
        raise FileError(path, str(error)) from error


def _what_it_is(folder: Path) -> str:
    """Return what a folder is that is not the folder of a run."""
    if not os.path.isdir(folder):
        return "no such folder"
    for kind, how in (("study", "sim.Study.open"), ("calibration", "sim.calibrate")):
        if (folder / f"{kind}.toml").exists():
            return f"contains a {kind}, not a run; use `{how}`"
    return "is not a run folder; `angiosim run` creates one"
