"""The run folder: the files of a run, each complete or absent."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import files
from sim.assays import assays
from sim.errors import FolderError
from sim.files import plain
from sim.version import __version__

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    Arrays = Mapping[str, np.ndarray[Any, Any]]


LOG, SCENARIO, MANIFEST = "run.log", "scenario.toml", "manifest.json"
TIMESERIES, SUMMARY, FINAL, FRAMES = "timeseries.csv", "summary.json", "final.npz", "frames"
FIELDS_PICTURE, TIMESERIES_PICTURE = "fields.png", "timeseries.png"
TRACKS, TRACKS_PICTURE = "tracks.csv", "tracks.png"
"""Content of a run folder, beside the picture and the tables that its assay names."""
_FILES = (
    LOG, SCENARIO, MANIFEST, TIMESERIES, SUMMARY, FINAL, FIELDS_PICTURE, TIMESERIES_PICTURE,
    TRACKS_PICTURE,
)  # fmt: skip
_MARK = "angiosim "  # how the log of a run begins
_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def logging_into(path: Path) -> Iterator[None]:
    """Append log messages of ``sim`` to a file, which is created with the first of them."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
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


class RunFolder:
    """A folder that belongs to one run.

    Made by `RunFolder.create`. Log messages of ``sim`` go into its ``run.log`` until `close`;
    as a context manager it closes itself.

    Attributes
    ----------
    path : Path
        Where it is.
    """

    def __init__(self, path: Path, made: list[Path]) -> None:
        self.path = path
        self._made = made  # folders that were not there before, outermost first
        # mode x: of two processes that want one folder, one succeeds
        self._log = logging.FileHandler(path / LOG, mode="x", encoding="utf-8")
        assert self._log.stream is not None
        self._log.stream.write(f"{_MARK}{__version__}\n")
        self._log.flush()
        self._log.setFormatter(logging.Formatter(_LOG_FORMAT))
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
        path = Path("runs", f"{folder_name(name, 'run')}-s{seed}") if out is None else Path(out)
        made: list[Path] = []
        try:
            for parent in reversed(path.parents):
                _make(parent, made)
            if out is None:
                path = _make_numbered(path, made)
            else:
                _make(path, made)
                if any(path.iterdir()):
                    raise FolderError(
                        f"{path}: folder is not empty, and existing files are never overwritten; "
                        "choose another"
                    )
            return cls(path, made)
        except BaseException as error:
            _remove_empty(made)
            if isinstance(error, OSError):
                reason = (error.strerror or str(error)).lower()
                raise FolderError(
                    f"{path}: cannot write there ({reason}); choose another folder with --out"
                ) from error
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop logging into this folder."""
        logging.getLogger("sim").removeHandler(self._log)
        self._log.close()

    def discard(self) -> None:
        """Remove the files of this run, if the input turns out to be invalid."""
        self.close()
        for item in _content(self.path):
            item.unlink()
        _remove_empty([*self._made, self.path / FRAMES])

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
        known = _content(path) if path.is_dir() and not path.is_symlink() else []
        log = path / LOG
        if (
            log not in known
            or {*path.rglob("*")} - {*known, path / FRAMES}
            or not files.read_text(log).startswith(_MARK)
        ):
            raise FolderError(f"{path}: contains other files than those of a run; move it away")
        for item in known:
            item.unlink()
        _remove_empty([path, path / FRAMES])

    def write_scenario(self, text: str) -> None:
        """Write the resolved scenario as ``scenario.toml``."""
        files.write_text_atomic(self.path / SCENARIO, text)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write ``manifest.json``; see `begin_manifest` and `finish_manifest`."""
        self._write_json(MANIFEST, manifest)

    def write_frame(self, mcs: int, arrays: Arrays) -> None:
        """Write a snapshot as ``frames/NNNNNN.npz``, named by its Monte Carlo step."""
        (self.path / FRAMES).mkdir(exist_ok=True)
        files.write_npz_atomic(self.path / FRAMES / f"{mcs:06d}.npz", arrays)

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
            text = table.to_csv(index=False, lineterminator="\n")
            files.write_text_atomic(self.path / name, text)
        self._write_json(SUMMARY, summary)
        files.write_npz_atomic(self.path / FINAL, final)
        self.write_manifest(manifest)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(plain(content), indent=2, allow_nan=False, ensure_ascii=False)
        files.write_text_atomic(self.path / name, text + "\n")


def _content(folder: Path) -> list[Path]:
    """Return the files in a run folder that a run writes, whole or while they are written."""
    found = []
    names = {*_FILES}
    for one in assays().values():
        names |= {one.picture_file, *(name for name, _ in one.tables)}
    for path in (*folder.iterdir(), *(folder / FRAMES).glob("*")):
        name = re.sub(r"^\.(.+)\.[0-9a-f]{16}\.tmp$", r"\1", path.name)
        frame = path.parent != folder
        known = re.fullmatch(r"\d{6,}\.npz", name) if frame else name in names
        if known and stat.S_ISREG(path.lstat().st_mode):
            found.append(path)
    return found


def _make(folder: Path, made: list[Path]) -> None:
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


def _make_numbered(path: Path, made: list[Path]) -> Path:
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


def _remove_empty(folders: list[Path]) -> None:
    """Remove empty folders, innermost first."""
    for folder in reversed(folders):
        with suppress(OSError):  # it is not empty, or was never made
            folder.rmdir()
