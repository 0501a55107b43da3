"""The manifest of a run: versions, times, rates."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any

from sim.version import __version__

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "mesa", "pandas", "matplotlib")
"""The libraries whose versions a manifest records."""


def begin_manifest(*, scenario_hash: str, seed: int, threads: int) -> dict[str, Any]:
    """Return the manifest of a run that starts now, with ``completed`` false."""
    return {
        "completed": False,
        "version": __version__,
        "seed": seed,
        "scenario_hash": scenario_hash,
        "threads": threads,
        "started": _now(),
        "ended": None,
        "mcs": 0,
        "mcs_per_s": None,
        "wall_s": {},
        "platform": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
        },
        "libraries": {name: library_version(name) for name in LIBRARIES},
    }


def finish_manifest(
    manifest: Mapping[str, Any],
    *,
    wall_s: Mapping[str, float],
    mcs: int,
    completed: bool = True,
) -> dict[str, Any]:
    """Return the manifest of a run that ends now.

    Parameters
    ----------
    manifest : mapping
        What `begin_manifest` gave.
    wall_s : mapping of str to float
        Seconds by part: compile, potts, fields, signalling, measuring, writing.
    mcs : int
        Monte Carlo steps done; their rate leaves out the seconds of ``compile``.
    completed : bool
        False if the run was interrupted.
    """
    seconds = sum(spent for part, spent in wall_s.items() if part != "compile")
    return {
        **manifest,
        "completed": completed,
        "ended": _now(),
        "mcs": mcs,
        "mcs_per_s": round(mcs / seconds, 3) if seconds > 0 else None,
        "wall_s": {part: round(spent, 6) for part, spent in wall_s.items()},
    }


def library_version(name: str) -> str | None:
    """Return the version of an installed distribution, without importing it; None if absent."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
