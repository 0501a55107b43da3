"""Branches: runs that begin at a step of another run, and differ from it from there on."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sim.errors import BusyError, CheckpointError, FolderError, InputError, OutOfTime
from sim.model.records import rows_of
from sim.runs.checkpoint import Checkpoint, Parent, Start, checkpoints_in
from sim.runs.folder import CHECKPOINT, LOCK, SCENARIO, SUMS
from sim.runs.into import run_into
from sim.runs.reading import check, is_run, read_manifest
from sim.runs.resume import check_versions, usable_checkpoint
from sim.scenario.branch import changed, step_of, time_of
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.scenario.writing import dump, scenario_hash
from sim.units import parse_quantity
from sim.version import __version__

WAIT_S = 0.2
"""Between two looks whether another process has run what both need."""


def branch_of(
    parent: str | Path, settings: Mapping[str, Any], *, strict: bool = False
) -> tuple[Scenario, Start]:
    """Return the scenario of a branch, and where it starts.

    Parameters
    ----------
    parent : str or Path
        Folder of a run, with ``@`` and a time as in its time series (h), or without for where it
        has got to.
    settings : mapping
        What begins at that time, by dotted key; see `sim.scenario.branch.changed`.
    strict : bool
        Refuse a run that other versions or another processor have made.

    Raises
    ------
    InputError
        If there is no such run or time, or something cannot be set (`ScenarioError`).
    CheckpointError
        If the run has checkpoints up to that time, and none can be used.
    """
    folder, time_h = _parsed(str(parent))
    if not is_run(folder):
        raise InputError(f"{folder}: is not the folder of a run")
    manifest = read_manifest(folder)
    check(folder, {SCENARIO: manifest.get(SUMS, {}).get(SCENARIO)})
    scenario = load(folder / SCENARIO)
    mcs = int(manifest.get("mcs", 0)) if time_h is None else step_of(scenario, time_h)
    made = changed(scenario, settings, mcs)
    check_versions(folder, manifest, strict=strict)
    about = {
        "folder": str(folder),
        "time_h": time_of(scenario, mcs),
        "mcs": mcs,
        "scenario_hash": scenario_hash(scenario),
        "version": manifest.get("version"),
    }
    checkpoint = usable_checkpoint(folder, scenario, most=mcs)
    return made, Start(checkpoint, parent=Parent(folder, about))


def start_in(folder: Path, parent: Scenario, mcs: int) -> Start:
    """Return where branches of a run begin, which is run to there in a folder unless it has been.

    Several processes may ask for it at once: one runs it, and the others wait. If it was killed
    on the way, it is resumed.
    """
    if folder.is_symlink():
        raise FolderError(f"{folder}: is a link; remove it")
    while mcs not in checkpoints_in(folder / CHECKPOINT) or (folder / LOCK).exists():
        try:
            run_into(folder, parent, observers=[_Until(mcs)], pictures=False, resume=True)
            break  # it ends before
        except _Reached:
            break
        except BusyError:
            time.sleep(WAIT_S)
        except CheckpointError:  # it was killed on the way, and what it left is damaged
            return Start()
    about = {
        "folder": str(folder),
        "time_h": time_of(parent, mcs),
        "mcs": mcs,
        "scenario_hash": scenario_hash(parent),
        "version": __version__,
    }
    try:
        found = usable_checkpoint(folder, parent, most=mcs)
    except CheckpointError:  # damaged: the branch gives the same from its start
        return Start()
    return Start(found, parent=Parent(folder, about))


def start_in_memory(parent: Scenario, mcs: int) -> Start:
    """Return where branches of a run begin, without a folder; the latest is remembered."""
    return _in_memory(dump(parent), mcs)


@lru_cache(maxsize=1)
def _in_memory(parent: str, mcs: int) -> Start:
    from sim.model import model_of

    tree = tomllib.loads(parent)
    model = model_of(load(tree))
    model.advance(mcs)
    found = Checkpoint(mcs, __version__, tree, rows_of(model), {}, model.state())
    return Start(found)


class _Reached(OutOfTime):
    """A run has got to where others branch from it."""


class _Until:
    """Stops a run at a step; an observer."""

    def __init__(self, mcs: int) -> None:
        self._mcs = mcs

    def next_mcs(self, mcs: int) -> int | None:
        """Return the step."""
        return self._mcs if mcs < self._mcs else None

    def look(self, _: object) -> None:
        """Stop the run."""
        raise _Reached(f"step {self._mcs} is reached")

    def close(self) -> None:
        """Nothing is open."""


def _parsed(text: str) -> tuple[Path, float | None]:
    """Return folder and time of ``FOLDER@TIME``; the folder's name may have an ``@``, too."""
    folder, at, time = text.rpartition("@")
    if not at or Path(text).is_dir():
        return Path(text), None
    try:
        return Path(folder), float(time) if _is_number(time) else parse_quantity(time, "h")
    except ValueError:
        raise InputError(
            f"{text}: must be FOLDER or FOLDER@TIME, the time in h as in its time series"
        ) from None


def _is_number(text: str) -> bool:
    try:
        return float(text) is not None
    except ValueError:
        return False
