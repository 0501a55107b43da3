"""The key of a run: a hash of all that determines its result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import sim.assays
from sim import data
from sim.assays import assays
from sim.scenario.schema import Scenario
from sim.scenario.writing import decisive
from sim.version import FLOORS

NOT_IN_A_RUN = ("fits", "version")
"""Rooms of floors 0 to 3 that take no part in a run."""
ROOM_OF_MODEL = {"lattice": "tissue", "bed": "bed"}
"""The room of each class of model."""


def content_of(scenario: Scenario) -> dict[str, Any]:
    """Return what determines the final read-outs: without names, seed and times of records."""
    content = decisive(scenario)
    for key in ("record_every_h", "record_every_mcs"):
        content["time"].pop(key, None)
    return content


def text_of(content: Any) -> str:
    """Return content as text: equal content gives equal text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_of(text: str) -> str:
    """Return the SHA-256 of a text, its first 32 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def run_key(
    content_hash: str, seed: int, code: str, course: Mapping[str, Any] | None = None
) -> str:
    """Return the key of a run: its content, its seed, the code, and what is kept of its course."""
    kept = {key: course[key] for key in ("responses", "at_h")} if course else None
    return hash_of(f"{content_hash} {seed} {code}" + (f" {text_of(kept)}" if kept else ""))


def key_of(content: Any, seed: int, assay: str, course: Mapping[str, Any] | None = None) -> str:
    """Return the key of a run of an assay, from what determines its result."""
    return run_key(hash_of(text_of(content)), seed, code_hash(assay), course)


@cache
def code_hash(assay: str) -> str:
    """Return the hash of the code that computes a run of an assay: that of floors 0 to 3.

    Data files are not in it, since the resolved scenario holds their numbers. Folders of other
    assays and the room of the other class of model are left out: adding an assay
    makes nobody run old studies again.
    """
    package, own = Path(data.__file__).parents[1], assays()[assay]
    home = own.defaults.parent
    rooms = {room for floor in FLOORS[:4] for room in floor} - {*NOT_IN_A_RUN}
    rooms -= {room for model, room in ROOM_OF_MODEL.items() if model != own.model}
    found = [pair for room in sorted(rooms) for pair in _files(package / room, room)]
    found = [(name, file) for name, file in found if not _of_other_assay(name, home.name)]
    if not home.is_relative_to(Path(sim.assays.__file__).parent):  # installed by itself
        found += _files(home, assay)
    digest = hashlib.sha256()
    for name, file in found:
        content = file.read_bytes()
        digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:32]


def _of_other_assay(name: str, own: str) -> bool:
    """Whether a file is in the folder of another assay than `own`."""
    room, *below = name.split("/")
    return room == "assays" and len(below) > 1 and below[0] != own


def _files(path: Path, name: str) -> list[tuple[str, Path]]:
    """Return the source files of a room by name; that of a file is with its suffix."""
    if not path.is_dir():
        file = path.with_suffix(".py")
        return [(f"{name}.py", file)] if file.is_file() else []
    found = sorted(path.rglob("*.py"))
    return [(f"{name}/{file.relative_to(path).as_posix()}", file) for file in found]
