"""Files that are complete or absent: written under a temporary name, then renamed."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import math
import os
import platform
import re
import secrets
import stat
import tomllib
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from sim.errors import (
    BusyError,
    FileError,
    FolderError,
    InputError,
    Problem,
    ScenarioError,
)
from sim.input import wrong_name

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]

MOST_BYTES = 100_000_000  # of a file to read: a million sampled points and more
MOST_TABLE_BYTES = 10_000_000
MOST_ARRAY_BYTES = 4_000_000_000  # of the arrays of a file: some small files unpack to terabytes
_DEEP_KEY = re.compile(r"(?<![\w\"'-])(?:[\w\"'-]++[ \t]*+\.[ \t]*+){100}")
_LOCK_TEXT = re.compile(r"angiosim: (process \d+ on .*), writing ([0-9a-f]{8})\n")
_TOKEN = secrets.token_hex(4)  # in the names of files that this process is writing
passing: set[Path] = set()
"""Locks and temporary files of this process; `sim.signals.leave` removes them."""


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a file so that, whatever happens, either the old or the complete new one remains."""
    _write_atomic(path, lambda file: file.write(data))


def write_text_atomic(path: Path, text: str) -> None:
    """Write a text file (UTF-8, lines as given) as `write_bytes_atomic` does."""
    write_bytes_atomic(path, text.encode())


def write_new_text(path: Path, text: str) -> None:
    """Write a new text file, or nothing: where there is one, raise `FileExistsError`."""
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_npz_atomic(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write a compressed npz file; equal arrays give equal bytes, in whatever order they come."""
    import numpy as np

    ordered: dict[str, Any] = {name: arrays[name] for name in sorted(arrays)}
    _write_atomic(path, lambda file: np.savez_compressed(file, **ordered))


def read_bytes(path: Path, most: int = MOST_ARRAY_BYTES) -> bytes:
    """Read a regular file.

    Raises
    ------
    FileError
        If it is anything else, cannot be read, or has more than `most` bytes.
    """
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise FileError(path, "is a folder, not a file")
        if not stat.S_ISREG(mode):  # a device or pipe may never end
            raise FileError(path, "is not a regular file")
        with open(path, "rb", opener=_open_nonblocking) as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        raise FileError(path, "there is no such file") from None
    except OSError as error:
        raise FileError(path, (error.strerror or str(error)).lower()) from error
    except ValueError:  # a NUL in the name
        raise FileError(path, "there is no such file") from None
    if len(content) > most:
        raise FileError(path, f"is too large; must be at most {most // 1_000_000} MB")
    return content


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a text file (UTF-8, with or without a byte-order mark).

    Raises
    ------
    FileError
        If it is not a regular file, cannot be read, is not UTF-8, or has more than `most` bytes.
    """
    content = read_bytes(path, most)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FileError(path, "not a text file in UTF-8 but in UTF-16; save it as UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(path, "not a text file (UTF-8); save it as UTF-8") from error
    if "\0" in text:
        raise FileError(path, "not a text file (UTF-8): contains NUL characters")
    return text


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    FileError
        If the file cannot be read or is not TOML; the message says where.
    """
    try:
        return parse_toml(read_text(path))
    except ValueError as error:
        raise FileError(path, str(error)) from error


def parse_toml(text: str) -> dict[str, Any]:
    """Return the content of a TOML text.

    Raises
    ------
    ValueError
        If it is none; the message says where.
    """
    if _DEEP_KEY.search(text):  # which takes the parser hours
        raise ValueError("not valid TOML: nested too deeply")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not valid TOML: {error}") from error
    except RecursionError:
        raise ValueError("not valid TOML: nested too deeply") from None
    except ValueError:  # Python reads whole numbers of up to 4300 digits, and dates that exist
        raise ValueError("not valid TOML: a number or date is out of range") from None


def parse_json(text: str | bytes) -> dict[str, Any]:
    """Return the content of a JSON text.

    Raises
    ------
    ValueError
        If it is no table of JSON.
    """
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError("not valid JSON: nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"not valid JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError("not valid JSON: must be a table")
    return found


def parse_npz(content: bytes, most: int = MOST_ARRAY_BYTES) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an npz file. Nothing in it is executed.

    Raises
    ------
    ValueError
        If it is no such file, or unpacks to more than `most` bytes.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(member.file_size for member in archive.infolist()) > most:
                raise ValueError(f"unpacks to more than {most // 1_000_000} MB")
        with np.load(io.BytesIO(content)) as arrays:
            found = dict(arrays)
    except (Exception, RecursionError) as error:  # there is no end to what can be wrong in it
        raise ValueError(f"not valid arrays: {error}") from error
    if other := [name for name, array in found.items() if not hasattr(array, "dtype")]:
        raise ValueError(f"not valid arrays: {other[0]} is none")
    return found


def holds(path: Path, text: str) -> bool:
    """Whether a file has exactly this content."""
    return os.path.lexists(path) and not path.is_symlink() and read_bytes(path) == text.encode()


def read_csv(path: Path, most_rows: int) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a CSV table with commas as `read_cells` does; return the cells of a row by column."""
    header, body = read_cells(path, most_rows)
    return header, [(line, dict(zip(header, row, strict=True))) for line, row in body]


def read_cells(
    path: Path, most_rows: int, most_bytes: int = MOST_TABLE_BYTES, separators: str = ","
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Read a table: a line of column names, then rows.

    Empty lines and lines that begin with ``#`` are left out, and empty columns without a name, as
    spreadsheets write them. A first column without a name, of rows, is ``row``.

    Parameters
    ----------
    path : Path
    most_rows, most_bytes : int
        More are an error.
    separators : str
        What may separate cells: the first of them that the line of names has, else the last.

    Returns
    -------
    columns : list of str
    rows : list of (int, list of str)
        Number of the line, and its cells.

    Raises
    ------
    FileError
        If the file cannot be read, or is not such a table.
    ScenarioError
        Listing what is wrong with columns and lines.
    """
    text = read_text(path, most_bytes).replace("\r\n", "\n").replace("\r", "\n")
    lines = [
        (number, line)
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip() and not line.startswith("#")
    ]
    names = lines[0][1] if lines else ""
    separator = next((one for one in separators if one in names), separators[-1])
    reader = csv.reader(
        (line for _, line in lines), delimiter=separator, skipinitialspace=True, strict=True
    )
    try:  # a row ends at the line that was read last
        table = [(lines[reader.line_num - 1][0], list(map(str.strip, row))) for row in reader]
    except csv.Error as error:
        reason = "a quotation mark is not closed" if "end of data" in str(error) else error
        raise FileError(path, f"not a CSV table: {reason}") from None
    (_, header), *body = table or [(0, [])]
    header[:1] = [name or "row" for name in header[:1]]
    if len(header) == 1 and any(other in header[0] for other in ";\t"):
        what = "cells must be separated by commas, and numbers have decimal points"
        raise FileError(path, what)
    if len(body) > most_rows:
        raise FileError(path, f"has {len(body):,} rows; must have at most {most_rows:,}")
    width = max((place for place, name in enumerate(header, 1) if name), default=0)
    if not any(any(row[width:]) for _, row in body):
        header, body = header[:width], [(line, row[:width]) for line, row in body]
    problems = [
        Problem("column", name, "is given twice")
        for name, count in Counter(header).items()
        if name and count > 1
    ]
    problems += [
        Problem(f"column {place}", name or None, f"a name {wrong}" if name else "has no name")
        for place, name in enumerate(header, 1)
        if (wrong := wrong_name(name))
    ]
    for line, row in body:
        for name, cell in zip(header, row, strict=False):
            if not cell.isprintable():
                what = "must not contain control or invisible characters"
                problems.append(Problem(f"line {line}: {name}", cell, what))
        if len(row) != len(header):
            what = f"has {len(row)} cells; must have {len(header)}, as the line of names"
            hint = "numbers have decimal points, not commas" if separator == "," else ""
            problems.append(Problem(f"line {line}", None, what, hint))
    if problems:
        raise ScenarioError(str(path), problems)
    return header, body


def named_file(name: object, folder: Path, root: Path) -> Path:
    """Return the file that a key of another file refers to; nothing outside `root` is read.

    Parameters
    ----------
    name : object
        Value of the key: a path relative to `folder`.
    folder : Path
        Folder of the file with the key.
    root : Path
        Folder in or below which it must be, links followed.

    Raises
    ------
    InputError
        If it is not a regular file there; the message says what the name must be.
    """
    allowed = f"must be a file in or below {'the working folder' if root == Path() else root}"
    if not isinstance(name, str) or not name.strip():
        raise InputError(allowed)
    try:
        inside, root, target = root, root.resolve(), Path(folder, name).resolve()
        if target.is_relative_to(root):
            if target.is_file():
                return target
            kind = "that is not a regular file" if target.exists() else "there is no such file"
            allowed = f"{allowed}; {kind}"
        elif Path(os.path.abspath(Path(folder, name))).is_relative_to(os.path.abspath(inside)):
            allowed = f"{allowed}; that is a link out of it"
    except (OSError, RuntimeError, ValueError):  # too long, a loop of links, a NUL
        allowed = f"{allowed}; there is no such file"
    raise InputError(allowed)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, as only one process at a time can.

    The system releases the lock when its holder dies, however that happens, so a lock file that was
    left behind is taken over, and temporary files of that holder are removed. On network file
    systems this works if they support locks (NFS and Lustre do by default). Only a lock
    file of this kind is ever changed or removed.

    Raises
    ------
    FolderError
        If another process holds it, the message says which; or if it is another kind of file.
    """
    text = ""
    while True:
        descriptor, ours = _open_lock(path)
        try:
            _lock(descriptor)
        except OSError as error:
            holder = _LOCK_TEXT.fullmatch(_read_lock(descriptor))
            os.close(descriptor)
            if isinstance(error, (BlockingIOError, PermissionError)):
                raise BusyError(
                    f"{path.parent}: another angiosim process is using this folder"
                    + (f" ({holder[1]})" if holder else "")
                ) from None
            raise
        with suppress(OSError):  # its holder may have just removed it
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                break
        os.close(descriptor)
    try:
        left = _LOCK_TEXT.fullmatch(text := _read_lock(descriptor))
        if text and not left:
            ours = False
            raise _foreign(path)
        ours = ours or left is not None
        if left:
            _remove_litter(path.parent, left[2])
        os.truncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        holder_now = f"process {os.getpid()} on {platform.node()}"
        os.write(descriptor, f"angiosim: {holder_now}, writing {_TOKEN}\n".encode())
        if ours and os.name == "posix":
            passing.add(path)
        yield
    finally:
        passing.discard(path)
        if ours and os.name == "posix":  # elsewhere an open file cannot be removed
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                    path.unlink()
        elif not ours and not text:  # it was there, and empty: it may belong to another program
            os.truncate(descriptor, 0)
        os.close(descriptor)


def is_litter(name: str, file: str) -> bool:
    """Whether a name is the temporary one of `file` while it is being written."""
    return re.fullmatch(rf"\.{re.escape(file)}\.[0-9a-f]{{16}}\.tmp", name) is not None


def _open_lock(path: Path) -> tuple[int, bool]:
    """Open a lock file, and return whether it is new; refuse links and anything but a file."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with suppress(FileExistsError):
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644), True
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise _foreign(path)
        descriptor = os.open(path, flags)
    except FileNotFoundError:  # its holder has just removed it
        return _open_lock(path)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise _foreign(path)
    return descriptor, False


def _read_lock(descriptor: int) -> str:
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, 1000).decode(errors="replace")


def _foreign(path: Path) -> FolderError:
    return FolderError(f"{path}: not a lock file of angiosim; remove it or choose another folder")


def _remove_litter(folder: Path, token: str) -> None:
    """Remove the temporary files of a process that was killed."""
    for litter in folder.glob(f".*.{token}????????.tmp"):
        if is_litter(litter.name, litter.name[1:-21]) and stat.S_ISREG(litter.lstat().st_mode):
            litter.unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    """Lock an open file for this process alone, or raise without waiting."""
    if os.name == "posix":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # beyond the text, which others may read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        os.lseek(descriptor, 0, os.SEEK_SET)


def _open_nonblocking(path: str, flags: int) -> int:
    """Open a file without blocking, in case it has become a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def sha256(data: bytes | str) -> str:
    """Return the SHA-256 of bytes, or of a text in UTF-8, as 64 hexadecimal digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def _write_atomic(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write to a temporary neighbour, flush it to the disk, and move it to `path`."""
    with _temporary(path := Path(path)) as temporary:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield an empty temporary neighbour, which becomes a new file unless something goes wrong.

    Where there is a file, raise `FileExistsError` and leave that one as it is.
    """
    with _temporary(path) as temporary:
        temporary.touch(exist_ok=False)
        yield temporary
        try:
            os.link(temporary, path)  # unlike a move, it never replaces anything
            temporary.unlink()
        except OSError:
            if os.path.lexists(path):
                raise
            os.replace(temporary, path)  # on file systems without links


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """Yield a name beside a file that is to be written; sync their folder, remove what is left."""
    passing.add(temporary := path.with_name(f".{path.name}.{_TOKEN}{secrets.token_hex(4)}.tmp"))
    try:
        yield temporary
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:  # names the file, not the temporary one
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        passing.discard(temporary)
    if os.name == "posix":  # the move itself reaches the disk with its folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: NumPy scalars as numbers, NaN and infinity as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
