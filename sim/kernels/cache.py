"""Compiled kernels on disk: a file for each kernel, signature and processor, used only if whole.

numba executes whatever is in the files of its own cache. Here a file begins with a checksum over
its content, its name and the version of the sources; one that is not as it was written is removed,
and the kernel compiled again. A file is complete or absent, so several processes may write at once.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.serialize import dumps

from sim.files import write_bytes_atomic

_CONFIG: Any = numba.config
_SIZE = 32  # bytes of a checksum


class KernelCache(FunctionCache):
    """What numba asks for the machine code of a kernel.

    Parameters
    ----------
    function : callable
        The kernel.
    folder : Path
        That of all kernels, named by the version of their sources.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        before, _CONFIG.CACHE_DIR = _CONFIG.CACHE_DIR, str(folder)
        try:
            super().__init__(function)  # type: ignore[no-untyped-call]
        finally:
            _CONFIG.CACHE_DIR = before
        files: Any = _Files(Path(self.cache_path), self._impl.filename_base)
        self._cache_file = files

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for a signature, or None if it must be compiled."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]
        except Exception:  # written with other versions of what numba needs
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the machine code for a signature, if it can be written."""
        with suppress(OSError):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]


class _Files:
    """The files of one kernel."""

    def __init__(self, folder: Path, kernel: str) -> None:
        self._folder, self._kernel = folder, kernel

    def load(self, key: object) -> Any:
        found = read(self._path(key))
        return found[1] if found is not None and found[0] == key else None

    def save(self, key: object, code: object) -> None:
        path, body = self._path(key), dumps((key, code))  # type: ignore[no-untyped-call]
        write_bytes_atomic(path, _checksum(path, body) + body)

    def flush(self) -> None:
        for path in self._folder.glob(f"{self._kernel}.*.nbc"):
            path.unlink(missing_ok=True)

    def _path(self, key: object) -> Path:
        name = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return self._folder / f"{self._kernel}.{name}.nbc"


def read(path: Path) -> tuple[object, object] | None:
    """Return key and machine code of a file, or None; a damaged one is removed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        content = b""
    body = content[_SIZE:]
    if content[:_SIZE] == _checksum(path, body):
        with suppress(Exception):  # written with other versions of what numba needs
            key, code = pickle.loads(body)
            return key, code
    with suppress(OSError):
        path.unlink()
    return None


def check(folder: Path) -> tuple[int, int]:
    """Read all files in a folder of kernels; return how many were whole and how many damaged."""
    found = [read(path) is not None for path in sorted(folder.rglob("*.nbc"))]
    return sum(found), len(found) - sum(found)


def _checksum(path: Path, body: bytes) -> bytes:
    """Return the checksum of a file: of its content in its place."""
    place = "/".join(path.parts[-3:])  # version of the sources, source, kernel
    return hashlib.blake2b(place.encode() + b"\n" + body, digest_size=_SIZE).digest()
