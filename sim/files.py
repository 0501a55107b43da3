"""Files that are whole or not there: written beside their place, then moved into it."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sim.errors import FolderError, InputError

if TYPE_CHECKING:
    import numpy as np


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a file so that, whatever happens, it is the old one or the whole new one."""
    _write_atomic(path, lambda file: file.write(data))


def write_text_atomic(path: Path, text: str) -> None:
    """Write a text file (UTF-8, lines as given) as `write_bytes_atomic` does."""
    write_bytes_atomic(path, text.encode())


def write_npz_atomic(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write a compressed npz file; equal arrays give equal bytes, in whatever order they come."""
    import numpy as np

    ordered: dict[str, Any] = {name: arrays[name] for name in sorted(arrays)}
    _write_atomic(path, lambda file: np.savez_compressed(file, **ordered))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    InputError
        If the file cannot be read or is not TOML; the message says where.
    """
    try:
        return tomllib.loads(Path(path).read_bytes().decode())
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file (UTF-8)") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; one process at a time can.

    The system lets go of it when its holder dies, however that happens, so a lock file that was
    left behind is simply taken over. On network file systems this works where they pass locks on
    (NFS and Lustre do by default).

    Raises
    ------
    FolderError
        If another process holds it; the message says which.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor)
        except OSError as error:
            holder = os.read(descriptor, 200).decode(errors="replace").strip()
            os.close(descriptor)
            if isinstance(error, (BlockingIOError, PermissionError)):
                raise FolderError(
                    f"{path.parent}: another angiosim is working in this folder"
                    + (f" ({holder})" if holder else "")
                ) from None
            raise
        with suppress(OSError):  # that of a holder who has just removed it is of no use
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                break
        os.close(descriptor)
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {platform.node()}\n".encode())
        yield
    finally:
        if os.name == "posix":  # elsewhere an open file cannot be removed
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    """Lock an open file for this process alone, or raise at once."""
    if os.name == "posix":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond the text, which others may read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        os.lseek(descriptor, 0, os.SEEK_SET)


def sha256(data: bytes | str) -> str:
    """Return the SHA-256 of bytes, or of a text in UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def _write_atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write to a temporary neighbour, flush it to the disk, and move it to `path`."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the move itself reaches the disk with its folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
