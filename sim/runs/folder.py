"""The run folder: the files of a run, each complete or absent."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import files
from sim.assays import assays
from sim.errors import FolderError
from sim.files import plain
from sim.logs import Log
from sim.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Arrays = Mapping[str, np.ndarray[Any, Any]]


LOG, SCENARIO, MANIFEST = "run.log", "scenario.toml", "manifest.json"
TIMESERIES, SUMMARY, FINAL = "timeseries.csv", "summary.json", "final.npz"
FRAMES, CHECKPOINT, LOCK = "frames", "checkpoint", ".lock"
FIELDS_PICTURE, TIMESERIES_PICTURE = "fields.png", "timeseries.png"
TRACKS, TRACKS_PICTURE = "tracks.csv", "tracks.png"
"""Content of a run folder, beside the picture and the tables that its assay names."""
_PICTURES = (FIELDS_PICTURE, TIMESERIES_PICTURE, TRACKS_PICTURE)
_FILES = (LOG, SCENARIO, MANIFEST, TIMESERIES, SUMMARY, FINAL, LOCK, *_PICTURES)
NUMBERED = {FRAMES: r"\d{6,}\.npz", CHECKPOINT: r"\d{6,}\.ckpt"}
"""Folders with a file for each of some steps, and what those are called."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)  # file systems without locks
SUMS, CHECKSUM = "sha256", "checksum"
"""Keys of a manifest: SHA-256 of the files of a run, by name, and of the manifest itself."""
MARK = "angiosim "
"""How the log of a run begins."""


@contextmanager
def logging_into(path: Path) -> Iterator[None]:
    """Append log messages of ``sim`` to a file, which is created with the first of them."""
    handler = Log(path, delay=True)
    logging.getLogger("sim").addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger("sim").removeHandler(handler)
        handler.close()


def folder_name(name: str, otherwise: str) -> str:
    """Return a name that is valid for a folder: letters of any script, digits and ``._+-``."""
    word = re.sub(r"[^\w.+-]+", "_", name).strip("._").encode()
    return word[:100].decode(errors="ignore") or otherwise  # systems limit bytes, not letters


def default_folder(name: str, seed: int) -> Path:
    """Return the folder of a run for which none was chosen, without a number."""
    return below_runs(f"{folder_name(name, 'run')}-s{seed}")


def below_runs(name: str) -> Path:
    """Return a folder in ``runs``, below the working folder.

    Raises
    ------
    FolderError
        If ``runs`` is a link: it may lead anywhere.
    """
    if (runs := Path("runs")).is_symlink():
        raise FolderError(f"{runs}: is a link; choose another folder with --out")
    return runs / name


def refuse_links(folder: Path) -> None:
    """Refuse a run folder with links in place of its files: they may lead anywhere.

    Raises
    ------
    FolderError
        If there is one; the message names it.
    """
    for path in _entries(folder):
        if path.is_symlink() and (path.name in NUMBERED or _is_known(path, folder)):
            raise FolderError(f"{path}: is a link; replace it by what it leads to")


class RunFolder:
    """A folder that belongs to one run.

    Made by `RunFolder.create` or `RunFolder.reopen`. Until `close` no other process can use it, and
    log messages of ``sim`` go into its ``run.log``; as a context manager it closes itself.

    Attributes
    ----------
    path : Path
        Where it is.
    frames : dict of int to str
        SHA-256 of the snapshots of the run, by step.
    """

    def __init__(self, path: Path, made: list[Path] | None) -> None:
        self.path = path
        self.frames: dict[int, str] = {}
        self._sums: dict[str, str] = {}  # SHA-256 of the files that are written once
        self._made = made  # folders that were not there before, outermost first; None: reopened
        with ExitStack() as held:
            held.enter_context(_locked(path / LOCK))
            # mode x: of two processes that want one folder, one succeeds
            mode = "a" if made is None else "x"
            self._log = Log(path / LOG, mode)
            held.callback(self._log.close)
            assert self._log.stream is not None
            try:
                if not self._log.stream.tell():  # also of a run that was killed as it began
                    self._log.stream.write(f"{MARK}{__version__}\n")
                self._log.flush()
            except OSError:
                if made is not None:
                    (path / LOG).unlink()
                raise
            self._held = held.pop_all()
        logger = logging.getLogger("sim")
        logger.addHandler(self._log)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)

    @classmethod
    def create(cls, out: Path | None, name: str, seed: int) -> RunFolder:
        """Create the folder of a run.

        Parameters
        ----------
        out : Path or None
            The folder given by the user: it must be new or empty. None for
            ``runs/NAME-sSEED`` below the working folder, with a number appended if it exists.
        name : str
            Name of the scenario.
        seed : int
            Seed of the run.

        Raises
        ------
        FolderError
            If the folder is not empty or not writable; then nothing is left on disk.
        """
        path = default_folder(name, seed) if out is None else Path(out)
        if out is not None and os.path.isfile(path / MANIFEST):
            raise FolderError(
                f"{path}: folder is not empty, and existing files are never overwritten; choose "
                "another, or resume the run in it with --resume"
            )
        path, made = make_new(path, numbered=out is None)
        with _or_nothing(path, made):
            return cls(path, made)

    @classmethod
    def reopen(cls, path: Path) -> RunFolder:
        """Return the folder of an earlier process, to resume its run.

        Raises
        ------
        FolderError
            If another process uses it, or it is not writable.
        """
        refuse_links(path)
        try:
            return cls(path, None)
        except OSError as error:
            raise not_writable(path, error) from error

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop logging into this folder, and leave it to others."""
        logging.getLogger("sim").removeHandler(self._log)
        self._held.close()

    def discard(self) -> None:
        """Remove the files of a new run, if the input turns out to be invalid."""
        self.close()
        if self._made is not None:
            for item in _content(self.path):
                item.unlink()
            remove_empty([*self._made, *(self.path / name for name in NUMBERED)])

    def go_back(self, mcs: int, frames: Mapping[int, str]) -> None:
        """Remove what was written after a step, and what the end of the run will write.

        Parameters
        ----------
        mcs : int
            The step; later checkpoints are removed.
        frames : mapping of int to str
            The snapshots to keep, by step, with their SHA-256.
        """
        self.frames = dict(frames)
        pictures = {*_PICTURES, *(one.picture_file for one in assays().values())}
        for path in _content(self.path):
            step = int(path.stem) if path.stem.isdecimal() else None
            of_later = step is not None and (
                step not in frames if path.parent.name == FRAMES else step > mcs
            )
            if of_later or path.suffix == ".tmp" or path.name in pictures:
                path.unlink()

    @staticmethod
    def clear(path: Path) -> None:
        """Remove the run folder of an earlier process.

        Raises
        ------
        FolderError
            If it is not a run folder, or contains anything else; then nothing is removed.
        """
        if not os.path.lexists(path):
            return
        known, others = [], True
        if path.is_dir() and not path.is_symlink():
            refuse_links(path)
            known = _content(path)
            others = bool({*path.rglob("*")} - {*known, *(path / name for name in NUMBERED)})
        if others or not holds_run(path):
            raise FolderError(f"{path}: contains other files than those of a run; move it away")
        for item in known:
            item.unlink()
        remove_empty([path, *(path / name for name in NUMBERED)])

    def write_scenario(self, text: str) -> None:
        """Write the resolved scenario as ``scenario.toml``."""
        self._write_text(SCENARIO, text)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write ``manifest.json``; see `begin_manifest` and `finish_manifest`.

        It has the SHA-256 of the files of the run so far, and its own.
        """
        frames = {f"{FRAMES}/{mcs:06d}.npz": known for mcs, known in self.frames.items()}
        content = {**manifest, SUMS: {**self._sums, **frames}}
        self._write_json(MANIFEST, {**content, CHECKSUM: checksum_of(content)})

    def write_frame(self, mcs: int, arrays: Arrays) -> None:
        """Write a snapshot as ``frames/NNNNNN.npz``, named by its Monte Carlo step."""
        (self.path / FRAMES).mkdir(exist_ok=True)
        path = self.path / FRAMES / f"{mcs:06d}.npz"
        files.write_npz_atomic(path, arrays)
        self.frames[mcs] = files.sha256(path.read_bytes())

    def copy_frames(self, parent: Path, frames: Mapping[int, str]) -> None:
        """Copy snapshots of another run, by step with their SHA-256, into this folder."""
        for mcs, known in frames.items():
            name = f"{mcs:06d}.npz"
            (self.path / FRAMES).mkdir(exist_ok=True)
            content = (parent / FRAMES / name).read_bytes()
            files.write_bytes_atomic(self.path / FRAMES / name, content)
            self.frames[mcs] = known

    def write_results(
        self,
        *,
        timeseries: pd.DataFrame,
        summary: Mapping[str, float],
        final: Arrays,
        tables: Mapping[str, pd.DataFrame],
        manifest: Mapping[str, Any],
    ) -> None:
        """Write the results of a run, the manifest last."""
        for name, table in {TIMESERIES: timeseries, **tables}.items():
            self._write_text(name, table.to_csv(index=False, lineterminator="\n"))
        self._write_json(SUMMARY, summary)
        files.write_npz_atomic(self.path / FINAL, final)
        self._sums[FINAL] = files.sha256((self.path / FINAL).read_bytes())
        self.write_manifest(manifest)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(plain(content), indent=2, allow_nan=False, ensure_ascii=False)
        self._write_text(name, text + "\n")

    def _write_text(self, name: str, text: str) -> None:
        files.write_text_atomic(self.path / name, text)
        if name != MANIFEST:
            self._sums[name] = files.sha256(text)


def checksum_of(manifest: Mapping[str, Any]) -> str:
    """Return the checksum of a manifest."""
    return files.sha256(json.dumps(plain(manifest), sort_keys=True))


def holds_run(folder: Path) -> bool:
    """Whether a folder is that of a run, which may have been killed as it began or cleared it."""
    log = folder / LOG
    text = files.read_text(log) if os.path.lexists(log) else ""
    begins = {path.name for path in folder.iterdir()} <= {LOG, LOCK}
    return text.startswith(MARK) or (begins and not text)


def _content(folder: Path) -> list[Path]:
    """Return the files in a run folder that a run writes, whole or in part; the log comes last."""
    found = [
        path
        for path in _entries(folder)
        if stat.S_ISREG(path.lstat().st_mode) and _is_known(path, folder)
    ]
    return sorted(found, key=lambda path: path.name == LOG)  # until it is gone, it is a run folder


def _entries(folder: Path) -> Iterator[Path]:
    """Walk through a run folder and the folders in it; links are not followed."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.name in NUMBERED and path.is_dir() and not path.is_symlink():
            yield from path.iterdir()


def _is_known(path: Path, folder: Path) -> bool:
    """Whether a file in a run folder is called as one that a run writes."""
    name = re.sub(r"^\.(.+)\.[0-9a-f]{16}\.tmp$", r"\1", path.name)
    if path.parent != folder:
        return re.fullmatch(NUMBERED[path.parent.name], name) is not None
    return name in _FILES or any(
        name in (one.picture_file, *(table for table, _ in one.tables)) for one in assays().values()
    )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a run folder, where the file system has locks."""
    with ExitStack() as held:
        try:
            held.enter_context(files.locked(path))
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield


def not_writable(path: Path, error: OSError) -> FolderError:
    """Return the error of a folder that cannot be written to."""
    reason = (error.strerror or str(error)).lower()
    return FolderError(f"{path}: cannot write there ({reason}); choose another folder with --out")


def make_folder(folder: Path, made: list[Path]) -> None:
    """Create a folder if it does not exist, and note it."""
    if folder.is_dir():
        return
    try:
        folder.mkdir()
    except FileExistsError:
        if not folder.is_dir():  # else another run was quicker
            raise
    else:
        made.append(folder)


def make_new(path: Path, *, numbered: bool) -> tuple[Path, list[Path]]:
    """Make a folder and those above it, or use an empty one; return it, and what was made.

    Parameters
    ----------
    path : Path
    numbered : bool
        Append a number if it exists, in place of using it.

    Raises
    ------
    FolderError
        If the folder is not empty or not writable; then nothing is left on disk.
    """
    made: list[Path] = []
    with _or_nothing(path, made):
        for parent in reversed(path.parents):
            make_folder(parent, made)
        if numbered:
            return make_numbered(path, made), made
        make_folder(path, made)
        if any(path.iterdir()):
            raise FolderError(
                f"{path}: folder is not empty, and existing files are never overwritten; "
                "choose another"
            )
    return path, made


@contextmanager
def _or_nothing(path: Path, made: list[Path]) -> Iterator[None]:
    """Remove the folders that were made if what follows fails, and say that one is not writable."""
    try:
        yield
    except BaseException as error:
        remove_empty(made)
        if isinstance(error, OSError):
            raise not_writable(path, error) from error
        raise


def make_numbered(path: Path, made: list[Path]) -> Path:
    """Make `path`, or the first of ``path-2``, ``path-3``, ... that is not taken; note it."""
    folder, number = path, 1
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            folder = path.with_name(f"{path.name}-{number}")
        else:
            made.append(folder)
            return folder


def remove_empty(folders: list[Path]) -> None:
    """Remove empty folders, innermost first."""
    for folder in reversed(folders):
        with suppress(OSError):  # it is not empty, or was never made
            folder.rmdir()
