"""What a run of a study is known by: what decides its result, and nothing else."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from sim import data
from sim.scenario.loading import decisive
from sim.scenario.schema import Scenario

FLOORS_0_TO_3 = (
    "errors.py", "units.py", "files.py", "agents.py", "assembly.py", "model.py",
    "data", "tissue", "pharmacology", "assay", "signalling", "scenario",
)  # fmt: skip
NOT_IN_A_RUN = "data/scenarios"
"""What stands on these floors and never takes part in a run."""

SEED_BITS = 48  # few enough for a spreadsheet to keep every digit


def replicate_seed(seed: int, replicate: int, purpose: str = "study") -> int:
    """Return the seed of a replicate: all its arms share it, and no other replicate has it.

    Parameters
    ----------
    seed : int
        Seed of the study.
    replicate : int
        Its number, from 1.
    purpose : str
        What has seeds of its own: a study shows no run that a calibration was fitted with.
    """
    text = f"angiosim {purpose} {seed} replicate {replicate}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()) >> (256 - SEED_BITS)


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
    for part in FLOORS_0_TO_3:
        path = package / part
        found = [path] if path.is_file() else [*path.rglob("*.py"), *path.rglob("*.toml")]
        for file in sorted(found):
            name = file.relative_to(package).as_posix()
            if not name.startswith(NOT_IN_A_RUN):
                content = file.read_bytes()
                digest.update(f"{name} {len(content)} ".encode() + content)
    return digest.hexdigest()[:32]
