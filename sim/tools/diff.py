"""Where two runs part: the first step and the arrays that differ there, then their settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.errors import CheckpointError, FileError, InputError
from sim.runs.checkpoint import checkpoints_in, read_checkpoint
from sim.runs.folder import CHECKPOINT, FINAL, FRAMES, SCENARIO, SUMS, TIMESERIES
from sim.runs.reading import Frames, arrays_of, check, is_run, read_manifest, table_of
from sim.runs.resume import differing, in_words, warn
from sim.scenario.branch import time_of
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]

OF_SETTINGS = ("structure", "seed")
"""Arrays of a state that say what the settings do."""


@dataclass(frozen=True)
class Difference:
    """How two runs compare.

    Attributes
    ----------
    folders : (str, str)
    step : int or None
        The first at which they differ; None if they do not.
    time_h : float or None
    arrays : dict of str to str
        What differs there, by name: ``frames: cell_id``, ``timeseries: meshes``.
    equal_until : int or None
        The last step before it that both have kept, and at which all is equal.
    settings : dict of str to (any, any)
        What differs between the scenarios, by key.
    versions : dict of str to (any, any)
        What made them, where it differs.
    """

    folders: tuple[str, str]
    step: int | None
    time_h: float | None
    arrays: dict[str, str]
    equal_until: int | None
    settings: dict[str, tuple[Any, Any]]
    versions: dict[str, tuple[Any, Any]]

    @property
    def equal(self) -> bool:
        """Whether all that both have kept is equal, to the end."""
        return self.step is None

    def __str__(self) -> str:
        lines, places = [], (f"in {self.folders[0]}", f"in {self.folders[1]}")
        if self.equal_until is not None:
            lines.append(f"equal up to step {self.equal_until}" if not self.equal else "equal")
        if not self.equal:
            lines.append(f"differ at step {self.step} ({self.time_h:g} h):")
            lines += [f"  {name}: {how}" for name, how in self.arrays.items()]
        if self.settings:
            lines.append(f"settings: {in_words(self.settings, places)}")
        if self.versions:
            lines.append(f"versions: {in_words(self.versions, places)}")
        return "\n".join(lines)


@dataclass
class _Run:
    """What a run folder has kept, by step and kind."""

    folder: Path
    scenario: Scenario = field(init=False)
    manifest: dict[str, Any] = field(init=False)
    frames: Frames = field(init=False)
    checkpoints: dict[int, Path] = field(init=False)
    rows: dict[int, dict[str, Any]] = field(init=False)
    kept_once: list[str] = field(init=False)

    def __post_init__(self) -> None:
        if not is_run(self.folder):
            raise InputError(f"{self.folder}: is not the folder of a run")
        self.manifest = read_manifest(self.folder)
        sums = self.manifest.get(SUMS, {})
        check(self.folder, {SCENARIO: sums.get(SCENARIO)})
        self.kept_once = []
        for name in (TIMESERIES, FINAL):
            if (self.folder / name).is_file():
                try:
                    check(self.folder, {name: sums.get(name)})
                    self.kept_once.append(name)
                except FileError as error:
                    warn(f"{error}; it is left out")
        self.scenario = load(self.folder / SCENARIO)
        self.frames = Frames(self.folder, sums)
        self.checkpoints = checkpoints_in(self.folder / CHECKPOINT)
        self.rows = {}
        if TIMESERIES in self.kept_once:
            table = table_of(self.folder / TIMESERIES)
            try:
                steps = table["mcs" if "mcs" in table else "step"].astype(int)
            except (KeyError, ValueError) as error:
                raise FileError(self.folder / TIMESERIES, "has no column of steps") from error
            self.rows = {
                step: {str(name): value for name, value in row.items()}
                for step, row in zip(steps, table.to_dict("records"), strict=True)
            }

    @property
    def end(self) -> int:
        """Steps taken."""
        return int(self.manifest.get("mcs", 0))

    def kept(self) -> Iterator[tuple[int, str]]:
        """Yield what is kept, by step and kind."""
        yield from ((mcs, FRAMES) for mcs in self.frames)
        yield from ((mcs, CHECKPOINT) for mcs in self.checkpoints)
        yield from ((mcs, TIMESERIES) for mcs in self.rows)
        if FINAL in self.kept_once:
            yield self.end, FINAL

    def arrays(self, mcs: int, kind: str) -> Arrays | None:
        """Return what is kept; None if it is damaged."""
        if kind == TIMESERIES:
            return {name: np.asarray(value) for name, value in self.rows[mcs].items()}
        if kind == FINAL:
            return arrays_of(self.folder / FINAL)
        try:
            if kind == FRAMES:
                return self.frames[mcs]
            state = read_checkpoint(self.checkpoints[mcs]).state
        except (CheckpointError, FileError) as error:
            warn(f"{error}; it is left out")
            return None
        return {name: array for name, array in state.items() if name not in OF_SETTINGS}


def compare(one: Path, other: Path) -> Difference:
    """Return where two runs first differ.

    Parameters
    ----------
    one, other : Path
        Folders of runs, finished or not.

    Raises
    ------
    InputError
        If one is not the folder of a run.
    """
    runs = _Run(one), _Run(other)
    common = sorted({*runs[0].kept()} & {*runs[1].kept()})
    found: dict[str, str] = {}
    step: int | None = None
    equal_until: int | None = None
    for mcs, kind in common:
        if step is not None and mcs > step:
            break
        ours, theirs = (run.arrays(mcs, kind) for run in runs)
        if ours is None or theirs is None:
            continue
        here = {f"{kind.partition('.')[0]}: {k}": how for k, how in _differing(ours, theirs)}
        if here:
            step, found = mcs, found | here
        elif step is None:
            equal_until = mcs
    if step == equal_until:
        equal_until = max((mcs for mcs, _ in common if step is None or mcs < step), default=None)
    ends = [run.end for run in runs]
    if step is None and ends[0] != ends[1]:
        step, found = min(ends), {"steps": f"{ends[0]} and {ends[1]} in all"}
    if step is None and equal_until is None:
        step, found = 0, {"nothing": "is kept of the same step by both"}
    settings = differing(runs[0].scenario, runs[1].scenario)
    made_by = [_versions(run.manifest) for run in runs]
    versions = {k: (v, made_by[1].get(k)) for k, v in made_by[0].items() if made_by[1].get(k) != v}
    time_h = None if step is None else time_of(runs[0].scenario, step)
    return Difference((str(one), str(other)), step, time_h, found, equal_until, settings, versions)


def _differing(one: Arrays, other: Arrays) -> Iterator[tuple[str, str]]:
    """Yield the names of arrays that differ, and how."""
    for name in dict.fromkeys((*one, *other)):
        if name not in one or name not in other:
            yield name, f"is only in the {'first' if name in one else 'second'}"
            continue
        a, b = one[name], other[name]
        if a.shape != b.shape:
            yield name, f"has shape {a.shape} and {b.shape}"
            continue
        unequal = a != b
        if a.dtype.kind == b.dtype.kind == "f":
            unequal &= ~(np.isnan(a) & np.isnan(b))
        if not unequal.any():
            continue
        place = tuple(int(k) for k in np.argwhere(unequal)[0])
        where = f", first at {list(place)}" if place else ""
        count = f"{np.count_nonzero(unequal)} of {a.size} values{where}: " if place else ""
        yield name, f"{count}{a[place]} and {b[place]}"


def _versions(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        "angiosim": manifest.get("version"),
        **manifest.get("libraries", {}),
        **{name: manifest.get("platform", {}).get(name) for name in ("machine", "processor")},
    }
