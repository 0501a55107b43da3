"""What a run of a study is known by: what decides its result, and nothing else."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from sim import data
from sim.scenario.schema import Scenario
from sim.scenario.writing import decisive
from sim.version import FLOORS

NOT_IN_A_RUN = ("fits", "version.py", "data/scenarios")
"""What is on floors 0 to 3 and never takes part in a run."""


def content_of(scenario: Scenario) -> dict[str, Any]:
    """Return what decides the final read-outs: without names, seed and when to look."""
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


def run_key(content_hash: str, seed: int, code: str) -> str:
    """Return the key of a run: its content, its seed and the code that computes it."""
    return hash_of(f"{content_hash} {seed} {code}")


@cache
def code_hash() -> str:
    """Return the hash of all source and data files of floors 0 to 3."""
    package = Path(data.__file__).parents[1]
    digest = hashlib.sha256()
    for room in (room for floor in FLOORS[:4] for room in floor):
        path = package / room
        found = [path.with_suffix(".py")] if not path.is_dir() else [
            *path.rglob("*.py"), *path.rglob("*.toml")
        ]  # fmt: skip
        for file in sorted(filter(Path.is_file, found)):
            name = file.relative_to(package).as_posix()
            if not name.startswith(NOT_IN_A_RUN):
                content = file.read_bytes()
                digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:32]
