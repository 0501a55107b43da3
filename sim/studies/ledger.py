"""The ledger of a study: the record of each run, in one SQLite file with one writer.

SQLite's rollback journal is used, not its write-ahead log: a ledger is then one file that also
works on network file systems, and a finished run is on the disk when `Ledger.record` returns.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import AngiosimError, InputError
from sim.studies.task import DONE, FAILED, PLANNED, Metrics
from sim.version import __version__

if TYPE_CHECKING:
    from sim.studies.plan import PlannedRun
    from sim.studies.task import Outcome


APPLICATION_ID = 0x616E6769  # "angi", in the file's header
VERSION = 1

_RUNS = """
CREATE TABLE runs (
    key TEXT PRIMARY KEY,
    parameters TEXT NOT NULL,  -- JSON: group and parameters, as last planned
    replicate INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('planned', 'done', 'failed')),
    metrics TEXT,              -- JSON, of a run that is done
    stage TEXT,                -- of a run that failed: set-up, run, read-out or worker
    error TEXT,
    traceback TEXT,
    seconds REAL
) WITHOUT ROWID
"""
_PLAN = "CREATE TABLE plan (run INTEGER PRIMARY KEY, key TEXT NOT NULL)"  # as it was last
_ABOUT = "CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL)"  # study, code, version


@dataclass(frozen=True, slots=True)
class Entry:
    """The ledger's record of a run."""

    status: str
    metrics: Metrics
    stage: str = ""
    error: str = ""
    traceback: str = ""
    seconds: float = 0.0


class Ledger:
    """The ledger of a study.

    Parameters
    ----------
    path : Path or None
        The file, created if missing; None for a ledger in memory.
    read_only : bool
        Open it for reading only.

    Raises
    ------
    InputError
        If the file is not a ledger, or one of another version.
    AngiosimError
        Also from all methods, if the disk is full or not writable.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self.path = path
        for file in () if path is None else (path, path.with_name(f"{path.name}-journal")):
            if file.is_symlink() or (file.exists() and not file.is_file()):
                raise InputError(
                    f"{file}: must be a regular file, not a link; choose another folder"
                )
        with self._plain_errors():
            if path is None:
                self._file = sqlite3.connect(":memory:")
            elif read_only:
                # a transaction of a killed writer is rolled back by a reader that may write
                mode = "rw" if os.access(path, os.W_OK) else "ro"
                address = f"{path.resolve().as_uri()}?mode={mode}"
                self._file = sqlite3.connect(address, uri=True, timeout=60)
            else:
                self._file = sqlite3.connect(path, timeout=60)
        try:
            with self._plain_errors():
                self._begin(read_only=read_only)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextmanager
    def read_transaction(self) -> Iterator[None]:
        """Read a consistent snapshot; writers wait."""
        with self._plain_errors():
            self._file.execute("BEGIN")
        try:
            yield
        finally:
            self._file.rollback()

    def plan(self, runs: Sequence[PlannedRun], study: str, code: str) -> None:
        """Enter planned runs in place of the last plan; results of runs are kept.

        Parameters
        ----------
        runs : sequence of PlannedRun
        study : str
            The content of ``study.toml``.
        code : str
            Hash of the code behind the keys of the runs.
        """
        about = {"study": study, "code": code, "version": __version__}
        rows = [
            (run.key, json.dumps(run.group | run.parameters), run.replicate, run.seed)
            for run in runs
        ]
        with self._plain_errors(), self._file as file:
            file.executemany(
                "INSERT INTO runs (key, parameters, replicate, seed, status)"
                " VALUES (?, ?, ?, ?, 'planned') ON CONFLICT DO UPDATE"
                " SET parameters = excluded.parameters WHERE parameters != excluded.parameters",
                rows,
            )
            file.execute("DELETE FROM plan")
            file.executemany("INSERT INTO plan VALUES (?, ?)", [(r.index, r.key) for r in runs])
            file.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())

    def planned(self) -> dict[int, str]:
        """Return the keys of the last plan, by the number of the run."""
        with self._plain_errors():
            return dict(self._file.execute("SELECT run, key FROM plan ORDER BY run").fetchall())

    def parameters(self) -> dict[str, dict[str, Any]]:
        """Return group and parameters of the planned runs, by key."""
        with self._plain_errors():
            rows = self._file.execute("SELECT key, parameters FROM runs JOIN plan USING (key)")
            return {key: json.loads(parameters) for key, parameters in rows.fetchall()}

    def knows(self, keys: Iterable[str]) -> bool:
        """Whether one of these runs was planned before."""
        with self._plain_errors():
            rows = self._file.execute("SELECT key FROM runs").fetchall()
        return not {key for (key,) in rows}.isdisjoint(keys)

    def about(self) -> dict[str, str]:
        """Return the origin of the last plan: `study`, `code`, and angiosim's `version`."""
        with self._plain_errors():
            return dict(self._file.execute("SELECT name, value FROM about").fetchall())

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Enter the outcomes of runs; when this returns, they are on disk."""
        rows = [
            (
                FAILED if outcome.metrics is None else DONE,
                None if outcome.metrics is None else json.dumps(outcome.metrics),
                outcome.stage,
                _storable(outcome.error),
                _storable(outcome.traceback),
                round(outcome.seconds, 3),
                outcome.key,
            )
            for outcome in outcomes
        ]
        with self._plain_errors(), self._file as file:
            file.executemany(
                "UPDATE runs SET status = ?, metrics = ?, stage = ?, error = ?, traceback = ?,"
                " seconds = ? WHERE key = ? AND status != 'done'",
                rows,
            )

    def entries(self) -> dict[str, Entry]:
        """Return all records, by key."""
        with self._plain_errors():
            rows = self._file.execute(
                "SELECT key, status, metrics, stage, error, traceback, seconds FROM runs"
            ).fetchall()
        return {
            key: Entry(
                status,
                json.loads(metrics) if metrics else {},
                stage or "",
                error or "",
                traceback or "",
                seconds or 0.0,
            )
            for key, status, metrics, stage, error, traceback, seconds in rows
        }

    def take_over(self, other: Ledger) -> None:
        """Enter the records of another ledger that are missing here; done replaces failed.

        Raises
        ------
        AngiosimError
            If the two have different results of the same run.
        """
        mine, rank = self.entries(), {PLANNED: 0, FAILED: 1, DONE: 2}
        with other._plain_errors():
            rows = other._file.execute("SELECT * FROM runs").fetchall()
            names = [column[1] for column in other._file.execute("PRAGMA table_info(runs)")]
        known = other.entries()
        better = []
        for row in rows:
            entry, own = known[row[0]], mine.get(row[0])
            if own is None or rank[entry.status] > rank[own.status]:
                better.append(row)
            elif own.status == entry.status == DONE and repr(own.metrics) != repr(entry.metrics):
                raise AngiosimError(
                    f"{other.path}: its result of run {row[0]} differs from that of the other "
                    "ledgers: machines differed in the last bits of their results; nothing was "
                    "merged"
                )
        marks = ", ".join("?" * len(names))
        with self._plain_errors(), self._file as file:
            file.executemany(
                f"INSERT OR REPLACE INTO runs ({', '.join(names)}) VALUES ({marks})", better
            )

    def _begin(self, *, read_only: bool) -> None:
        """Make the table in a new file, or check that the file is a ledger of this version."""
        (application,) = self._file.execute("PRAGMA application_id").fetchone()
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        (tables,) = self._file.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        self._file.execute("PRAGMA synchronous = FULL")
        if not tables and not application and not read_only:
            with self._file as file:
                file.execute("BEGIN IMMEDIATE")
                for statement in (_RUNS, _PLAN, _ABOUT):
                    file.execute(statement)
                file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                file.execute(f"PRAGMA user_version = {VERSION}")
            return
        if application != APPLICATION_ID:
            raise InputError(f"{self.path}: not the ledger of a study; choose another folder")
        if version != VERSION:
            age = "newer" if version > VERSION else "older"
            raise InputError(
                f"{self.path}: was written by {'an' if age == 'older' else 'a'} {age} angiosim "
                f"(ledger version {version}; this one reads {VERSION}); resume with that version, "
                "or start in another folder: results.csv stays readable, and nothing was changed"
            )

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Translate errors of SQLite."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise AngiosimError(
                f"{self.path}: {error}; all finished runs are kept: free some space, or "
                "make the folder writable, and start again to resume"
            ) from error
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{self.path}: {error}; this file is damaged or not a ledger: restore a copy, "
                "or start in another folder"
            ) from error


def _storable(text: str) -> str:
    """Return a text that can be stored: names of files may contain bytes that are not text."""
    return text.encode(errors="backslashreplace").decode()
