"""``angiosim doctor``: check the installation and suggest fixes."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from sim.runs.manifest import LIBRARIES
from sim.version import __version__


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes
    ----------
    what, found : str
        What was checked, and the result.
    fix : str
        What to do about it; empty if it is in order.
    """

    what: str
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Check everything that a run needs."""
    return [
        Finding("angiosim", f"{__version__} in {Path(__file__).parents[1]}"),
        _python(),
        _processors(),
        *(_library(name) for name in LIBRARIES),
        _mesa_pair(),
        _scenarios(),
        _kernel_cache(),
        _working_folder(),
    ]


def report(findings: list[Finding]) -> str:
    """Return the findings as lines of text, with the fixes at the end."""
    width = max(len(finding.what) for finding in findings)
    lines = [
        f"{'!!' if finding.fix else 'ok'}  {finding.what:<{width}}  {finding.found}"
        for finding in findings
    ]
    troubles = [finding for finding in findings if finding.fix]
    if not troubles:
        return "\n".join([*lines, "", "Everything is in order."])
    return "\n".join([*lines, "", "To fix:", *(f"  {t.what}: {t.fix}" for t in troubles)])


def _python() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}, {platform.platform()}"
    wrong = sys.version_info < (3, 11)
    return Finding("Python", found, "install Python 3.11 or newer" if wrong else "")


def _processors() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("processors", f"{usable} usable of {os.cpu_count()}, {platform.machine()}")


def _library(name: str) -> Finding:
    """Report the version of a library, and whether it can be imported."""
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, "not installed", f"pip install {name}")
    try:
        import_module(name)
    except Exception as error:  # a broken library may raise anything
        reason = " ".join(str(error).split())
        fix = f"pip install --force-reinstall {name}"
        return Finding(name, f"{version}, cannot be imported: {reason}", fix)
    return Finding(name, version)


def _mesa_pair() -> Finding:
    """Report whether this Mesa is one that angiosim knows."""
    what = "Mesa with Python"
    try:
        version = metadata.version("mesa")
    except metadata.PackageNotFoundError:
        return Finding(what, "no Mesa", "pip install 'mesa>=3.3.1,<4'")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    python = ".".join(platform.python_version_tuple()[:2])
    fits = (3, 3) <= numbers < (4,)
    return Finding(
        what,
        f"{version} with {python}",
        "" if fits else "pip install 'mesa>=3.3.1,<4'",
    )


def _scenarios() -> Finding:
    from sim.scenario.shipped import shipped

    found = shipped()
    fix = "" if found else "reinstall angiosim: its scenarios are missing"
    return Finding("scenarios", f"{len(found)} shipped", fix)


def _kernel_cache() -> Finding:
    """Report where compiled kernels are kept between runs."""
    what = "kernel cache"
    try:
        import numba

        from sim.kernels.cache import check
        from sim.kernels.compiling import cache_folder

        config: Any = numba.config
        if config.DISABLE_JIT:
            return Finding(what, "unused: NUMBA_DISABLE_JIT is set", "unset NUMBA_DISABLE_JIT")
        folder = cache_folder()
        whole, damaged = check(folder) if folder else (0, 0)
    except Exception as error:  # no numba, or a broken one
        reason = " ".join(str(error).split())
        return Finding(what, f"not reached: {reason}", "fix numba first (above)")
    if folder is None:
        return Finding(
            what,
            "none: every run compiles again",
            "set ANGIOSIM_CACHE_DIR to a writable folder",
        )
    named = os.environ.get("ANGIOSIM_CACHE_DIR")
    trouble = _unwritable(Path(folder))
    fix = "make it writable, or set ANGIOSIM_CACHE_DIR to a writable folder" if trouble else ""
    if named and Path(named) != folder.parent:
        trouble, fix = f", since {named} is not writable", "choose a writable folder"
    if damaged:
        trouble += f", {damaged} of {whole + damaged} kernels were damaged and removed"
        fix = fix or "check the disk; the kernels are compiled again when they are next used"
    older = sum(other.is_dir() for other in folder.parent.glob("kernels-*")) - 1
    note = f"; {older} of older versions beside it can be deleted" if older > 0 else ""
    return Finding(what, f"{folder}, {whole} kernels{trouble}{note}", fix)


def _working_folder() -> Finding:
    folder = Path.cwd()
    trouble = _unwritable(folder)
    free = shutil.disk_usage(folder).free / 1e9
    fix = "change to a writable folder, or run with --out" if trouble else ""
    if not trouble and free < 0.1:
        fix = "free some space: a run may need 100 MB"
    return Finding("working folder", f"{folder}{trouble}, {free:.1f} GB free", fix)


def _unwritable(folder: Path) -> str:
    """Return why a folder (or its parent) is not writable; empty if it is."""
    place = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            return ""
    except OSError as error:
        return f", not writable ({(error.strerror or str(error)).lower()})"
