"""What decides the last bits of a result beside its scenario: versions of libraries, processor."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from typing import Any

from sim.files import sha256
from sim.version import __version__

DECISIVE = ("numpy", "scipy", "numba", "llvmlite", "scikit-image")
"""Libraries that compute results, or the machine code that does."""

Environment = Mapping[str, str]
"""Versions by name, and the ``processor``; what is not known is not in it."""


@cache
def environment() -> Environment:
    """Return the environment of this process."""
    versions = {name: library_version(name) for name in DECISIVE}
    found = {"angiosim": __version__, **versions, "processor": processor()}
    return {name: value for name, value in found.items() if value is not None}


@cache
def processor() -> str:
    """Return the processor that kernels are compiled for: its name, and a hash of its features.

    numba's own variables (``NUMBA_CPU_NAME`` and the like) choose another.
    """
    from llvmlite import binding

    name = os.environ.get("NUMBA_CPU_NAME") or binding.get_host_cpu_name()
    features = os.environ.get("NUMBA_CPU_FEATURES") or binding.get_host_cpu_features().flatten()
    vectors = os.environ.get("NUMBA_ENABLE_AVX", "")
    return f"{name} (features {sha256(f'{features} {vectors}')[:8]})"


def environments_of(manifest: Mapping[str, Any]) -> list[Environment]:
    """Return the environments of the sessions of a run, by its manifest."""
    found: list[Environment] = []
    for session in manifest.get("sessions") or [manifest]:
        known = {
            "angiosim": session.get("version"),
            **{name: session.get("libraries", {}).get(name) for name in DECISIVE},
            "processor": session.get("platform", {}).get("processor"),
        }
        found.append({name: value for name, value in known.items() if value is not None})
    return found


def differences(before: Iterable[Environment]) -> str:
    """Return in words how this process differs from earlier environments; empty if it does not.

    What one of them does not know is left out.
    """
    words: dict[str, None] = {}
    for other in before:
        for name, now in environment().items():
            if other.get(name, now) != now:
                words[f"{name} {now} instead of {other[name]}"] = None
    return ", ".join(words)


def library_version(name: str) -> str | None:
    """Return the version of an installed distribution, without importing it; None if absent."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
