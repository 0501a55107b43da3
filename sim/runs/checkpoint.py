"""Checkpoints: a model and its records at one step, from which a run is resumed exactly.

A checkpoint is one file: a line with the version of the format and the SHA-256 of all that follows,
a line of JSON (step, scenario, rows of the time series, frames with their SHA-256), and
``model.state()`` as npz. Nothing in it is executed when it is read.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sim.errors import CheckpointError, FileError
from sim.files import (
    MOST_ARRAY_BYTES,
    parse_json,
    parse_npz,
    parse_toml,
    read_bytes,
    sha256,
    write_bytes_atomic,
)
from sim.model.pace import LONGEST_S, Pace
from sim.model.records import Rows, give_rows, keep_rows, record_again, rows_of
from sim.runs.estimate import estimate
from sim.scenario.writing import dump
from sim.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from sim.model.base import AssayModel
    from sim.scenario.schema import Scenario

FORMAT = 1
NEWEST = 2
"""How many checkpoints are kept, beside those of the times that a scenario gives."""
_MARK = "angiosim checkpoint"
_NAME = re.compile(r"\d{6,}\.ckpt")


@dataclass(frozen=True)
class Checkpoint:
    """What a file of a checkpoint holds.

    Attributes
    ----------
    mcs : int
        Steps taken.
    version : str
        Of angiosim, which wrote it.
    scenario : dict
        The complete scenario, as written.
    rows : dict of str to list
        The time series so far, by column.
    frames : dict of int to str
        SHA-256 of the snapshots so far, by step.
    state : dict of str to ndarray
        What `model.state()` gave.
    """

    mcs: int
    version: str
    scenario: dict[str, Any]
    rows: Rows
    frames: dict[int, str]
    state: dict[str, NDArray[Any]]


def write_checkpoint(folder: Path, model: AssayModel, frames: Mapping[int, str]) -> Path:
    """Write the checkpoint of a model into a folder, which is made; return its path.

    Parameters
    ----------
    folder : Path
    model : AssayModel
        Between two steps.
    frames : mapping of int to str
        SHA-256 of the snapshots so far, by step.
    """
    import numpy as np

    about = {
        "mcs": model.mcs,
        "version": __version__,
        "scenario": dump(model.scenario),
        "rows": rows_of(model),
        "frames": frames,
    }
    body = io.BytesIO()
    body.write(json.dumps(about, default=_number).encode() + b"\n")
    np.savez_compressed(body, **model.state())  # type: ignore[arg-type]
    head = f"{_MARK} {FORMAT} {sha256(body.getvalue())}\n".encode()
    folder.mkdir(exist_ok=True)
    path = folder / f"{model.mcs:06d}.ckpt"
    write_bytes_atomic(path, head + body.getvalue())
    return path


def most_bytes(scenario: Scenario) -> int:
    """Return more bytes than any checkpoint of a scenario has, with its rows and tracks."""
    found = estimate(scenario)
    return 200_000_000 + 1000 * found.sites + 2 * found.disk


def read_checkpoint(path: Path, most: int = MOST_ARRAY_BYTES) -> Checkpoint:
    """Return a checkpoint that is whole, and unpacks to at most so many bytes.

    Raises
    ------
    CheckpointError
        If it cannot be read, is damaged, or has another version of the format; the message says
        which file, and what is wrong.
    """
    try:
        data = read_bytes(path, most)
    except FileError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.reason})") from error
    first, _, body = data.partition(b"\n")
    mark = re.fullmatch(rf"{_MARK} (\d+) ([0-9a-f]{{64}})".encode(), first)
    if mark is None:
        raise CheckpointError(f"{path}: is damaged, or not a checkpoint")
    if (version := int(mark[1])) != FORMAT:
        raise CheckpointError(
            f"{path}: is a checkpoint of format {version}; this version of angiosim reads "
            f"format {FORMAT}"
        )
    if sha256(body).encode() != mark[2]:
        raise CheckpointError(f"{path}: is damaged (its checksum differs)")
    line, _, arrays = body.partition(b"\n")
    try:
        about = parse_json(line)
        found = Checkpoint(
            int(about["mcs"]),
            str(about["version"]),
            parse_toml(about["scenario"]),
            _rows(about["rows"]),
            {int(mcs): text for mcs, text in about["frames"].items()},
            parse_npz(arrays, most),
        )
    except KeyError as error:
        raise CheckpointError(f"{path}: is not a checkpoint of angiosim (lacks {error})") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise CheckpointError(f"{path}: is not a checkpoint of angiosim ({error})") from error
    if path.name != f"{found.mcs:06d}.ckpt":
        raise CheckpointError(f"{path}: is the checkpoint of another step, {found.mcs}")
    return found


def _rows(found: Any) -> Rows:
    """Return rows of a time series, checked: columns of numbers, equally long."""
    columns = list(dict(found).values())
    if len({len(column) for column in columns}) > 1 or not all(
        type(value) in (int, float) for column in columns for value in column
    ):
        raise ValueError("its rows are not those of a time series")
    return dict(found)


def checkpoints_in(folder: Path) -> dict[int, Path]:
    """Return the checkpoints in a folder by step, the newest first, whether whole or not."""
    found = {int(path.stem): path for path in folder.glob("*.ckpt") if _NAME.fullmatch(path.name)}
    return dict(sorted(found.items(), reverse=True))


def prune(folder: Path, keep: Collection[int]) -> None:
    """Remove all checkpoints but the newest two and those of some steps."""
    found = checkpoints_in(folder)
    for mcs in list(found)[NEWEST:]:
        if mcs not in keep:
            found[mcs].unlink(missing_ok=True)


@dataclass(frozen=True)
class Limits:
    """When a run is saved, and when it is stopped.

    Attributes
    ----------
    checkpoint_every_s : float or None
        Wall time between two checkpoints; None for no checkpoint at all.
    most_s : float or None
        Wall time after which the run is stopped.
    """

    checkpoint_every_s: float | None = None
    most_s: float | None = None


@dataclass(frozen=True)
class Parent:
    """The run that another one branches from.

    Attributes
    ----------
    folder : Path
    about : dict
        What the manifest of the branch says of it.
    """

    folder: Path
    about: dict[str, Any]


@dataclass(frozen=True)
class Start:
    """Where a run begins: at its first step, or at a checkpoint.

    Attributes
    ----------
    checkpoint : Checkpoint or None
    manifest : dict or None
        What an earlier session of the same run has left; None if there was none.
    parent : Parent or None
        Whose checkpoint it is, if the run is a branch of another.
    """

    checkpoint: Checkpoint | None = None
    manifest: dict[str, Any] | None = None
    parent: Parent | None = None

    @property
    def mcs(self) -> int:
        """Steps taken already."""
        return self.checkpoint.mcs if self.checkpoint else 0

    @property
    def saved(self) -> int | None:
        """The step that has a checkpoint in the folder of the run already."""
        own = self.checkpoint and self.manifest is not None and self.parent is None
        return self.mcs if own else None

    def frames(self, scenario: Scenario) -> dict[int, str]:
        """Return the snapshots so far that a scenario has, too."""
        found = self.checkpoint.frames if self.checkpoint and scenario.record.frames else {}
        return {mcs: known for mcs, known in found.items() if scenario.time.records(mcs)}

    def restore(self, model: AssayModel) -> None:
        """Bring a new model to where the run begins."""
        if self.checkpoint:
            model.restore(self.checkpoint.state)
            recorded = model.scenario.time.records
            give_rows(model, keep_rows(self.checkpoint.rows, model.STEP, recorded))
            record_again(model)


class Witness:
    """Keeps the state at the latest record, whose checks it passed, to go back to; an observer.

    Parameters
    ----------
    every, end : int
        Steps between two records, and in all.
    """

    def __init__(self, every: int, end: int) -> None:
        self._every, self._end = every, end
        self._state: dict[str, NDArray[Any]] | None = None

    def next_mcs(self, mcs: int) -> int | None:
        """Return the start, then the next record time."""
        if self._state is None:
            return mcs + 1
        return min((mcs // self._every + 1) * self._every, self._end) if mcs < self._end else None

    def look(self, model: AssayModel) -> None:
        """Keep the state."""
        self._state = None  # what it was goes first
        self._state = model.state()

    def go_back(self, model: AssayModel) -> None:
        """Bring a model back to the state that is kept."""
        if self._state is not None:
            model.restore(self._state)

    def close(self) -> None:
        """Nothing is open."""


class Checkpoints:
    """Writes checkpoints of a run from time to time; an observer.

    Parameters
    ----------
    keep : callable
        Writes a checkpoint of the model that it is given.
    every_s : float
        Wall time between two of them.
    at : collection of int
        Steps of which there is one whatever the time.
    saved : int, optional
        Step that has one already.
    """

    def __init__(
        self,
        keep: Callable[[AssayModel], None],
        every_s: float,
        at: Collection[int] = (),
        saved: int | None = None,
    ) -> None:
        self._keep, self._every_s, self._at, self._saved = keep, every_s, sorted(at), saved
        self._pace, self._last = Pace(min(every_s, LONGEST_S)), perf_counter()

    def next_mcs(self, mcs: int) -> int | None:
        """Return a step in about half a second, or the next of those that were asked for."""
        return min([mcs + self._pace.steps, *(at for at in self._at if at > mcs)])

    def look(self, model: AssayModel) -> None:
        """Write a checkpoint if it is time."""
        self._pace.at(model.mcs)
        spent = perf_counter() - self._last  # below 0 if the clock was put back
        if model.mcs in self._at or not 0 <= spent < self._every_s:
            self.save(model)

    def save(self, model: AssayModel) -> None:
        """Write a checkpoint, unless this step has one."""
        if model.mcs != self._saved:
            model.check()  # none that is not sound takes the place of one that is
            with model.timed("writing"):
                self._keep(model)
            self._saved = model.mcs
        self._last = perf_counter()

    def close(self) -> None:
        """Nothing is open."""


def _number(value: Any) -> Any:
    """Return a scalar of NumPy as JSON can hold it."""
    return value.item()
