"""The one decorator of all compiled kernels, and where their machine code is kept."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import llvmlite.binding
import numba
from numba.core import event

from sim.errors import InputError
from sim.kernels.cache import KernelCache

Function = Callable[..., Any]
SOURCES = ("kernels", "tissue", "bed", "signalling", "readouts")  # packages with kernels


def _fingerprint() -> str:
    """Hash of every kernel source and of what compiles it: nothing stale is ever used."""
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for folder in SOURCES:
        for source in sorted((Path(__file__).parents[1] / folder).glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def cache_folder() -> Path | None:
    """First writable folder for compiled kernels, or None when they must stay in memory.

    Tried in turn: ``$ANGIOSIM_CACHE_DIR``, ``$XDG_CACHE_HOME/angiosim``, ``~/.cache/angiosim``.
    """
    named = [os.environ.get("ANGIOSIM_CACHE_DIR")]
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        named.append(f"{xdg}/angiosim")
    named.append(os.path.expanduser("~/.cache/angiosim"))
    for parent in filter(None, named):
        folder = Path(parent) / f"kernels-{_fingerprint()}"
        if _is_writable(folder):
            return folder
    return None


_CACHE = cache_folder()
_CONFIG: Any = numba.config


def _use_wide_vectors() -> None:
    """Let LLVM use vectors of 512 bits where the processor has them.

    On Intel's it keeps to 256 by default, with which explicit fields take a quarter longer.
    """
    if _CONFIG.CPU_NAME is None and _CONFIG.CPU_FEATURES is None and _CONFIG.ENABLE_AVX:
        features = llvmlite.binding.get_host_cpu_features()
        if features.get("avx512f"):
            _CONFIG.CPU_FEATURES = f"{features.flatten()},-prefer-256-bit"


_use_wide_vectors()


_OPTIONS: dict[str, Any] = {
    "fastmath": False,
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,
}


def _compiled(function: Function, **options: Any) -> Function:
    if _CONFIG.DISABLE_JIT:
        raise InputError("NUMBA_DISABLE_JIT is set: angiosim needs compiled kernels; unset it")
    kernel = numba.njit(**_OPTIONS, **options)(function)
    if _CACHE is not None:
        kernel._cache = KernelCache(function, _CACHE)
    return kernel  # type: ignore[no-any-return]


class _Watch(event.Listener):
    def __init__(self, report: Callable[[], None]) -> None:
        self.report: Callable[[], None] | None = report

    def on_start(self, event: Any) -> None:
        if self.report is not None:
            self.report()
        self.report = None

    def on_end(self, event: Any) -> None:
        pass


def when_compiling(report: Callable[[], None]) -> AbstractContextManager[object]:
    """Return a context in which the first kernel that is not in the cache calls `report`."""
    return event.install_listener("numba:compile", _Watch(report))


def kernel(function: Function) -> Function:
    """Compile a function over plain arrays and numbers: no fast-math, no hidden state."""
    return _compiled(function)


def lean(function: Function) -> Function:
    """Compile a kernel that allocates nothing, and so counts no references to its arrays.

    Saves 5 to 10 % where a kernel takes apart tuples of arrays.
    """
    return _compiled(function, _nrt=False)


def inlined(function: Function) -> Function:
    """Compile a piece of a kernel's innermost loop into its callers; it may not allocate.

    Without this each call would count references of every array that it is given, which costs
    more than the arithmetic (measured: 120 against 28 ns for one copy's energy).
    """
    return _compiled(function, forceinline=True, _nrt=False)
