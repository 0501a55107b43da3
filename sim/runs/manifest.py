"""The manifest of a run: versions, times, rates."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sim.runs.environment import DECISIVE, library_version, processor
from sim.version import __version__

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "mesa", "pandas", "matplotlib")
"""The libraries that angiosim needs."""


def begin_manifest(
    *,
    scenario_hash: str,
    seed: int,
    threads: int,
    earlier: Mapping[str, Any] | None = None,
    mcs: int = 0,
    parent: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the manifest of a run, or of a session that resumes it, that starts now.

    Parameters
    ----------
    scenario_hash : str
    seed, threads : int
    earlier : mapping, optional
        The manifest that the run has had so far.
    mcs : int
        Monte Carlo steps done so far.
    parent : mapping, optional
        Folder, time and hash of the run that this one branches from.
    """
    now = _now()
    made_by = {
        "version": __version__,
        "threads": threads,
        "platform": {
            "system": platform.platform(),
            "machine": platform.machine(),
            "processors": os.cpu_count(),
            "processor": processor(),
            "python": platform.python_version(),
            "implementation": sys.implementation.name,
        },
        "libraries": {
            name: library_version(name) for name in dict.fromkeys((*LIBRARIES, *DECISIVE))
        },
    }
    session = {"started": now, "ended": None, "from_mcs": mcs, "mcs": mcs, "wall_s": {}, **made_by}
    before = earlier or {}
    return {
        "completed": False,
        "version": __version__,
        "seed": seed,
        "scenario_hash": scenario_hash,
        "threads": threads,
        "started": before.get("started", now),
        "ended": None,
        "mcs": mcs,
        "mcs_per_s": None,
        "wall_s": {},
        "platform": made_by["platform"],
        "libraries": made_by["libraries"],
        **({"parent": dict(found)} if (found := parent or before.get("parent")) else {}),
        "sessions": [*before.get("sessions", ()), session],
    }


def note_progress(
    manifest: Mapping[str, Any], *, wall_s: Mapping[str, float], mcs: int, ended: str | None = None
) -> dict[str, Any]:
    """Return the manifest of a run that has done so many steps, in so much time by part."""
    *earlier, now = manifest["sessions"]
    now = now | {"ended": ended, "mcs": mcs}
    now["wall_s"] = {part: round(spent, 6) for part, spent in wall_s.items()}
    sessions = [*earlier, now]
    total: dict[str, float] = {}
    for session in sessions:
        for part, spent in session["wall_s"].items():
            total[part] = round(total.get(part, 0.0) + spent, 6)
    seconds = sum(spent for part, spent in total.items() if part != "compile")
    steps = sum(session["mcs"] - session["from_mcs"] for session in sessions)
    return {
        **manifest,
        "ended": ended,
        "mcs": mcs,
        "mcs_per_s": round(steps / seconds, 3) if seconds > 0 else None,
        "wall_s": total,
        "sessions": sessions,
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
        Seconds of this session by part: compile, potts, fields, signalling, measuring, writing.
    mcs : int
        Monte Carlo steps done; their rate leaves out the seconds of ``compile``.
    completed : bool
        False if the run was interrupted.
    """
    found = note_progress(manifest, wall_s=wall_s, mcs=mcs, ended=_now())
    return {**found, "completed": completed}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
