"""Which run a folder holds, whether it can be resumed as asked, and from which checkpoint."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import (
    CheckpointError,
    CheckpointWarning,
    FileError,
    FolderError,
    InputError,
    shown,
    visible_lines,
)
from sim.files import read_bytes, sha256
from sim.runs.checkpoint import Checkpoint, checkpoints_in, most_bytes, read_checkpoint
from sim.runs.environment import differences, environments_of
from sim.runs.folder import (
    CHECKPOINT,
    FINAL,
    FRAMES,
    SCENARIO,
    SUMMARY,
    SUMS,
    TIMESERIES,
    default_folder,
    holds_run,
)
from sim.runs.reading import damaged, read_manifest
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.scenario.writing import as_tree, decisive, scenario_hash

DURATION = ("time.duration_h", "time.duration_mcs")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stored:
    """The run in a folder.

    Attributes
    ----------
    manifest : dict
        Empty if it was killed before it had one.
    finished : bool
        Whether nothing is left to do.
    """

    manifest: dict[str, Any]
    finished: bool


def folder_to_resume(out: Path | None, scenario: Scenario) -> Path | None:
    """Return the folder with the run of a scenario; None if there is none yet.

    Of several default folders (``runs/NAME-sSEED``, ``-2``, ...) that is the newest that can be
    resumed with this scenario, else the newest.
    """
    if out is not None:
        return out if os.path.lexists(out) and not (out.is_dir() and _is_empty(out)) else None
    first = path = default_folder(scenario.name, scenario.seed)
    found, number = [], 1
    while os.path.lexists(path):
        if not path.is_symlink():
            found.append(path)
        number += 1
        path = first.with_name(f"{first.name}-{number}")
    for folder in reversed(found):
        try:
            stored_run(folder, scenario)
        except InputError:
            continue
        return folder
    return found[-1] if found else None


def stored_run(folder: Path, scenario: Scenario) -> Stored:
    """Return the run in a folder, if it can be resumed with a scenario.

    Raises
    ------
    InputError
        If the folder holds no run, or that of another scenario; the message names the keys that
        differ. The same scenario with a longer duration is no other one.
    """
    other = FolderError(
        f"{folder}: is not a run folder, and existing files are never overwritten; choose "
        "another with --out"
    )
    if not folder.is_dir():
        raise other
    try:
        manifest = read_manifest(folder)
    except FileError as error:
        if not (holds_run(folder) or checkpoints_in(folder / CHECKPOINT)):
            raise other from error  # perhaps with a scenario.toml of the user's own
        if (folder / SCENARIO).is_file():  # else it was killed before it had one
            warn(f"{error.args[0]}: is lost or damaged; it is written again")
        manifest = {}
    sums = manifest.get(SUMS, {})
    if SCENARIO in damaged(folder, {SCENARIO: sums.get(SCENARIO)}):
        _check_without_scenario(folder, manifest, scenario)
        return Stored({**manifest, "completed": False}, finished=False)
    try:
        theirs = load(folder / SCENARIO)
    except InputError as error:
        version = manifest.get("version")
        raise InputError(f"{error}\n{folder}: this run is from angiosim {version}") from error
    found = differing(theirs, scenario)
    longer = scenario.time.steps > theirs.time.steps
    if longer:
        found = {key: values for key, values in found.items() if key not in DURATION}
    if found:
        raise InputError(
            f"{folder}: is the run of another scenario, so it cannot be resumed with this one: "
            f"{in_words(found)}. Only a longer time.duration_h may differ; choose another folder "
            f"with --out, or resume it with {folder / SCENARIO}"
        )
    if longer or not manifest.get("completed"):
        return Stored(manifest, finished=False)
    sums = {name: known for name, known in sums.items() if "/" not in name}
    lost = damaged(folder, sums or dict.fromkeys((TIMESERIES, SUMMARY, FINAL)))
    if lost:
        warn(f"{folder}: lost, or not as the run wrote them, and written again: {', '.join(lost)}")
    return Stored({**manifest, "completed": not lost}, finished=not lost)


def _check_without_scenario(folder: Path, manifest: Mapping[str, Any], scenario: Scenario) -> None:
    """Refuse another scenario than the one that a run had, whose ``scenario.toml`` is lost.

    A run that was killed at once has neither that nor a manifest, and no results; checkpoints say
    themselves what they belong to.
    """
    results = any((folder / name).exists() for name in (TIMESERIES, SUMMARY, FINAL))
    if not manifest and (checkpoints_in(folder / CHECKPOINT) or not results):
        return
    known = manifest.get("scenario_hash"), manifest.get("seed")
    if known != (scenario_hash(scenario), scenario.seed):
        raise InputError(
            f"{folder / SCENARIO}: is lost or damaged, and this is not known to be the scenario "
            "that ran here; give that one, or choose another folder with --out"
        )
    warn(f"{folder / SCENARIO}: is lost or damaged; it is written again")


def differing(theirs: Scenario, ours: Scenario) -> dict[str, tuple[Any, Any]]:
    """Return what differs between two runs by dotted key: values of the one and of the other.

    Descriptions and sources of numbers may differ.
    """
    one, other = (dict(_leaves(_whole(scenario), "")) for scenario in (theirs, ours))
    keys = dict.fromkeys((*one, *other))
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def in_words(
    found: Mapping[str, tuple[Any, Any]], places: tuple[str, str] = ("there", "here")
) -> str:
    """Return what differs as a line, with words for the two places."""
    one, other = places
    return "; ".join(
        f"{key} is {_said(theirs)} {one} and {_said(ours)} {other}"
        for key, (theirs, ours) in found.items()
    )


def usable_checkpoint(
    folder: Path, scenario: Scenario, most: int | None = None
) -> Checkpoint | None:
    """Return the newest checkpoint in a run folder; None if there is none yet.

    One that is damaged, belongs to another scenario or lacks one of its snapshots is named in a
    warning, and the one before it is used.

    Parameters
    ----------
    folder : Path
    scenario : Scenario
        The run's; its duration may be another.
    most : int, optional
        Latest step.

    Raises
    ------
    CheckpointError
        If there are some, and none can be used.
    """
    reasons = []
    for mcs, path in checkpoints_in(folder / CHECKPOINT).items():
        if most is not None and mcs > most:
            continue
        try:
            found = read_checkpoint(path, most_bytes(scenario))
            _belongs(path, found, scenario)
            _has_frames(path, found, folder)
        except CheckpointError as error:
            reasons.append(str(error))
            continue
        for reason in reasons:
            warn(f"{reason}; using {path.name} instead")
        return found
    if reasons:
        raise CheckpointError(
            "\n".join(reasons) + f"\n{folder}: none of its checkpoints can be used; run the "
            "scenario again in another folder"
        )
    return None


def warn(text: str) -> None:
    """Warn the user, and in the log of the run."""
    logger.warning("%s", text)
    warnings.warn(visible_lines(text), CheckpointWarning, stacklevel=2)


def check_versions(folder: Path, manifest: Mapping[str, Any], *, strict: bool = False) -> None:
    """Warn if a run is resumed with other versions or another processor than it was made with.

    Raises
    ------
    InputError
        Instead of the warning, if `strict`.
    """
    other = differences(environments_of(manifest))
    if other and strict:
        raise InputError(
            f"{folder}: would be resumed with {other}, which --strict refuses; use those, or leave "
            "out --strict"
        )
    if other:
        warn(f"resuming with {other}: the result may differ from that of one session")


def _belongs(path: Path, found: Checkpoint, scenario: Scenario) -> None:
    """Refuse a checkpoint of another scenario."""
    try:
        theirs = load(found.scenario)
    except InputError as error:
        raise CheckpointError(f"{path}: its scenario is not valid here ({error})") from error
    other = differing(theirs, scenario)
    if other := {key: values for key, values in other.items() if key not in DURATION}:
        raise CheckpointError(f"{path}: belongs to another run: {in_words(other)}")


def _has_frames(path: Path, found: Checkpoint, folder: Path) -> None:
    """Refuse a checkpoint whose snapshots are not those that it was written with."""
    for mcs, known in found.frames.items():
        frame = folder / FRAMES / f"{mcs:06d}.npz"
        try:
            content = read_bytes(frame)
        except FileError:
            content = b""
        if sha256(content) != known:
            raise CheckpointError(f"{path}: {frame} was changed or removed since it was written")


def _whole(scenario: Scenario) -> dict[str, Any]:
    tree = as_tree(scenario)
    return decisive(scenario) | {key: tree.get(key) for key in ("name", "seed", "record")}


def _leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Walk to all values of a tree, by dotted key; a list is one, and so is what is not given."""
    if isinstance(node, dict):
        for name, item in node.items():
            yield from _leaves(item, f"{key}.{name}" if key else name)
    elif node not in (None, []):
        yield key, list(node) if isinstance(node, tuple) else node


def _said(value: Any) -> str:
    return "not given" if value is None else shown(value)


def _is_empty(folder: Path) -> bool:
    return not any(folder.iterdir())
