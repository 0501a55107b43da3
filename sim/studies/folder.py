"""The folder of a study, a calibration or a design, used by one process at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sim.errors import FileError, FolderError
from sim.files import is_litter, locked, parse_toml, read_toml
from sim.runs.folder import LOG, below_runs, folder_name, remove_empty
from sim.studies.ledger import LEDGER, study_in
from sim.studies.table import PARENTS, RUNS, check_content

LOCK = "study.lock"


def default_folder(name: str) -> Path:
    """Return the default folder of a study, calibration or design, ``runs/NAME``.

    Raises
    ------
    FolderError
        If it, or ``runs``, is a link: it may lead anywhere.
    """
    if (path := below_runs(folder_name(name, "unnamed"))).is_symlink():
        raise FolderError(f"{path}: is a link; choose another folder with --out")
    return path


@contextmanager
def hold(out: Path, file: str, name: str) -> Iterator[None]:
    """Create and lock a folder while it is used.

    Parameters
    ----------
    out : Path
        New, empty, or its own.
    file : str
        The file that describes its content: ``study.toml`` and the like.
    name : str
        The ``name`` that this file must have.

    Raises
    ------
    FolderError
        If the folder contains anything else, is in use or is not writable.
    """
    made = [path for path in (*reversed(out.parents), out) if not os.path.exists(path)]
    with ExitStack() as held:
        held.callback(remove_empty, made)
        try:
            check_owner(out, file, name)  # before anything there is changed
            out.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(out / LOCK))
            check_owner(out, file, name)  # as its previous user left it
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise FolderError(
                f"{out}: cannot write there ({reason}); choose another folder with --out"
            ) from error
        yield


def _name_in(described: Path) -> str | None:
    """Return the name in a study's file, or that in its ledger if the file is lost or damaged."""
    with suppress(FileError):
        if (name := read_toml(described).get("name")) is not None:
            return str(name)
    text = study_in(described.parent)
    return None if text is None else str(parse_toml(text).get("name"))


def check_owner(out: Path, file: str, name: str) -> None:
    """Refuse a folder that contains anything but this study or the like; see `hold`."""
    try:
        if not stat.S_ISDIR(out.stat().st_mode):
            raise FolderError(f"{out}: cannot write there (not a folder); choose another folder")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:  # a name that is too long
        reason = (error.strerror or str(error)).lower()
        raise FolderError(f"{out}: cannot write there ({reason}); choose another folder") from None
    for inside in (LOG, RUNS, PARENTS):
        if (out / inside).is_symlink():
            raise FolderError(f"{out / inside}: is a link; replace it by what it leads to")
    check_content(out, file)
    kind = file.removesuffix(".toml")
    found = None if (described := out / file).is_symlink() else _name_in(described)
    if found is not None and found != name:
        raise FolderError(
            f"{out}: contains the {kind} {found!r}, not {name!r}; choose another folder"
        )
    has_ledger = (out / LEDGER).is_file() and (out / LEDGER).stat().st_size > 0
    if found is not None and has_ledger:
        return
    if os.path.lexists(described):
        raise FolderError(
            f"{out}: contains a file {file} that no {kind} has written, or whose {LEDGER} is lost: "
            "restore that, or choose another folder"
        )
    others = (
        f"folder is not empty and not that of a {kind}, and existing files are never overwritten"
    )
    if has_ledger:
        others = (
            f"its {file} is lost, and its {LEDGER} does not say what it was: restore one of them"
        )
    left = (LOCK, LEDGER, f"{LEDGER}-journal")  # by a process that was killed early
    if any(not (path.name in left or is_litter(path.name, file)) for path in out.iterdir()):
        raise FolderError(f"{out}: {others}, or choose another folder")
