"""The ledger of a study: the record of each run, in one SQLite file with one writer.

SQLite's rollback journal is used, not its write-ahead log: a ledger is then one file that also
works on network file systems, and a finished run is on the disk when `Ledger.record` returns.

What is damaged is never read as good (`sim.studies.rows`). A ledger opened for writing is repaired:
damaged rows are removed, so that their runs are planned again.
"""

from __future__ import annotations

import json
import os
import sqlite3
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.errors import AngiosimError, InputError, LedgerWarning
from sim.files import write_bytes_atomic
from sim.studies.rows import (
    APPLICATION_ID,
    CHECKSUM,
    OLDEST,
    PLAN,
    VERSION,
    Row,
    about_is_whole,
    check_columns,
    check_tables,
    code_of,
    make_tables,
    missing_tables,
    plan_is_whole,
    put,
    put_about,
    put_environment,
    read_environments,
    read_rows,
    seal,
)
from sim.studies.task import DONE, FAILED, PLANNED, Metrics
from sim.version import __version__

if TYPE_CHECKING:
    from sim.studies.plan import PlannedRun
    from sim.studies.task import Outcome


LEDGER = "ledger.sqlite"
"""Its name in the folder of a study, a calibration or a design."""
MOST_NAMED = 20
MOST_LONGER = 100  # times what is left: else the length that the file says is damaged, too
REPAIR = "start again in its folder to repair it; finished runs that can be read are kept"


@dataclass(frozen=True, slots=True)
class Entry:
    """The ledger's record of a run.

    Attributes
    ----------
    status : str
    metrics : dict
    stage, error, traceback : str
        Of a run that failed.
    seconds : float
    environment : mapping of str to str
        What made it: versions of libraries and the processor; empty if that is not known.
    """

    status: str
    metrics: Metrics
    stage: str = ""
    error: str = ""
    traceback: str = ""
    seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)


class Ledger:
    """The ledger of a study.

    Parameters
    ----------
    path : Path or None
        The file, created if missing; None for a ledger in memory.
    read_only : bool
        Open it for reading only.

    Attributes
    ----------
    lost : set of str
        Keys of the runs whose rows were damaged or lost, when it was opened.

    Raises
    ------
    InputError
        If the file is not a ledger, one of another version, or damaged beyond repair.
    AngiosimError
        Also from all methods, if the disk is full or not writable.
    """

    def __init__(self, path: Path | None, *, read_only: bool = False) -> None:
        self.path, self.lost = path, set[str]()
        self._version, self._read_only = VERSION, read_only
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
                _lengthen(path)
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
        with self._plain_errors(), self._file as file:
            known, _ = read_rows(file, VERSION)
            rows: dict[str, Row] = {}
            for run in runs:
                parameters = json.dumps(run.group | run.parameters)
                new = (run.key, parameters, run.replicate, run.seed, PLANNED, *(None,) * 6)
                old = known.get(run.key, new)
                rows[run.key] = (run.key, parameters, *old[2:])
            put(file, (row for key, row in rows.items() if row != known.get(key)))
            file.execute("DELETE FROM plan")
            file.executemany("INSERT INTO plan VALUES (?, ?)", [(r.index, r.key) for r in runs])
            put_about(file, about)
            seal(file)

    def planned(self) -> dict[int, str]:
        """Return the keys of the last plan, by the number of the run.

        Raises
        ------
        InputError
            If it is damaged.
        """
        with self._plain_errors():
            if not plan_is_whole(self._file, self._version):
                raise InputError(f"{self.path}: what was planned is damaged; {REPAIR}")
            return dict(self._file.execute("SELECT run, key FROM plan ORDER BY run").fetchall())

    def identities(self) -> dict[str, tuple[dict[str, Any], int, int]]:
        """Return group and parameters, replicate and seed of the runs, by key."""
        return {key: (json.loads(row[1]), row[2], row[3]) for key, row in self._rows().items()}

    def knows(self, keys: Iterable[str]) -> bool:
        """Whether one of these runs was planned before."""
        return not self._rows().keys().isdisjoint(keys)

    def about(self) -> dict[str, str]:
        """Return the origin of the last plan: `study`, `code`, and angiosim's `version`.

        Beside them may be `results`, the checksum of the table.

        Raises
        ------
        InputError
            If that is damaged.
        """
        with self._plain_errors():
            if not about_is_whole(self._file, self._version):
                raise InputError(f"{self.path}: what was planned is damaged; {REPAIR}")
            found = dict(self._file.execute("SELECT name, value FROM about").fetchall())
        return {name: value for name, value in found.items() if name not in (CHECKSUM, PLAN)}

    def note_results(self, checksum: str) -> None:
        """Enter the checksum of the table of results."""
        with self._plain_errors(), self._file as file:
            put_about(file, {"results": checksum})
            seal(file)

    def record(self, outcomes: Iterable[Outcome]) -> None:
        """Enter the outcomes of runs; when this returns, they are on disk."""
        with self._plain_errors(), self._file as file:
            for outcome in outcomes:
                query = "SELECT key, parameters, replicate, seed, status FROM runs WHERE key = ?"
                known = file.execute(query, (outcome.key,)).fetchone()
                if known is None or known[4] == DONE:
                    continue
                row = (
                    *known[:4],
                    FAILED if outcome.metrics is None else DONE,
                    None if outcome.metrics is None else json.dumps(outcome.metrics),
                    outcome.stage,
                    _storable(outcome.error),
                    _storable(outcome.traceback),
                    round(outcome.seconds, 3),
                    put_environment(file, dict(outcome.environment)),
                )
                put(file, [row])

    def entries(self) -> dict[str, Entry]:
        """Return all records that are not damaged, by key."""
        rows = self._rows()
        with self._plain_errors():
            environments = read_environments(self._file, self._version)
        return {key: _entry(row, environments) for key, row in rows.items()}

    def take_over(self, other: Ledger) -> None:
        """Enter the records of another ledger that are missing here; done replaces failed.

        Raises
        ------
        AngiosimError
            If the two have different results of the same run.
        """
        mine, rank = self.entries(), {PLANNED: 0, FAILED: 1, DONE: 2}
        rows, known = other._rows(), other.entries()
        better = []
        for key, row in rows.items():
            entry, own = known[key], mine.get(key)
            if own is None or rank[entry.status] > rank[own.status]:
                better.append(row)
            elif own.status == entry.status == DONE and repr(own.metrics) != repr(entry.metrics):
                raise AngiosimError(
                    f"{other.path}: its result of run {key} differs from that of the other "
                    "ledgers: machines differed in the last bits of their results; nothing was "
                    "merged"
                )
        with self._plain_errors(), self._file as file:
            for row in better:
                put_environment(file, dict(known[row[0]].environment))
            put(file, better)

    def _rows(self) -> dict[str, Row]:
        with self._plain_errors():
            return read_rows(self._file, self._version)[0]

    def _begin(self, *, read_only: bool) -> None:
        """Make the tables in a new file, or check that the file is a ledger, and repair it."""
        self._file.execute("PRAGMA trusted_schema = OFF")
        self._file.text_factory = lambda text: text.decode(errors="replace")
        (application,) = self._file.execute("PRAGMA application_id").fetchone()
        (version,) = self._file.execute("PRAGMA user_version").fetchone()
        (tables,) = self._file.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        self._file.execute("PRAGMA synchronous = FULL")
        if not tables and not application and not read_only:
            with self._file as file:
                file.execute("BEGIN IMMEDIATE")
                make_tables(file)
            return
        if application != APPLICATION_ID:
            raise InputError(
                f"{self.path}: not the ledger of a study, or damaged; restore a copy, or "
                "choose another folder"
            )
        if not OLDEST <= version <= VERSION:
            age = "newer" if version > VERSION else "older"
            raise InputError(
                f"{self.path}: was written by {'an' if age == 'older' else 'a'} {age} angiosim "
                f"(ledger version {version}; this one reads {VERSION}); resume with that version, "
                "or start in another folder: results.csv stays readable, and nothing was changed"
            )
        check_tables(self._file, self.path)
        check_columns(self._file, version, self.path)
        self._version = version
        missing = missing_tables(self._file, version)
        if not read_only:
            self._repair(missing)
        elif not missing and plan_is_whole(self._file, version):
            rows, self.lost = read_rows(self._file, version)
            self.lost |= {key for key in self.planned().values() if key not in rows}

    def _repair(self, missing: Sequence[str]) -> None:
        """Write the ledger again, if it is of an older version or damaged, without the damage."""
        file, version = self._file, self._version
        rows, bad = ({}, set[str]()) if "runs" in missing else read_rows(file, version)
        environments: dict[str, dict[str, str]] = {}
        plan: list[Row] = []
        about: dict[str, str] = {}
        sealed = False
        with _damage_allowed():
            if "environments" not in missing:
                environments = read_environments(file, version)
        with _damage_allowed():
            if "about" not in missing and about_is_whole(file, version):
                about = dict(file.execute("SELECT name, value FROM about").fetchall())
                if "plan" not in missing and plan_is_whole(file, version):
                    plan = file.execute("SELECT run, key FROM plan").fetchall()
                    sealed = True
        self.lost = bad | {key for _, key in plan if key not in rows}
        made_by = {row[-1] for row in rows.values()} - {None}
        whole = sealed and not missing and not self.lost and made_by <= environments.keys()
        with _damage_allowed():
            whole &= file.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
            if whole and version == VERSION:
                return
        if not rows and not about:
            raise InputError(
                f"{self.path}: is damaged, and nothing in it can be read; restore a copy, or start "
                "in another folder, which reruns all runs"
            )
        with Ledger(None) as new:
            with new._file as memory:
                for environment in environments.values():
                    put_environment(memory, environment)
                put(memory, rows.values())
                memory.executemany("INSERT INTO plan VALUES (?, ?)", plan)
                if about:
                    put_about(memory, about)
                    seal(memory)
            content = new._file.serialize()
        assert self.path is not None
        file.close()
        if not whole:
            kept = self.path.with_name(f"{self.path.name}.damaged")
            write_bytes_atomic(kept, self.path.read_bytes())
            lost = "" if sealed else "; what was planned was lost, and is written again"
            what = f"was damaged and is repaired; as it was, it is kept as {kept.name}{lost}"
            warnings.warn(f"{self.path}: {what}", LedgerWarning, stacklevel=2)
        write_bytes_atomic(self.path, content)
        self._file, self._version = sqlite3.connect(self.path, timeout=60), VERSION
        self._file.execute("PRAGMA synchronous = FULL")

    def warn_of_lost(self, names: Mapping[str, str]) -> None:
        """Warn of runs whose rows were damaged: by these names, the others by their number."""
        if not self.lost:
            return
        words = [names[key] for key in names if key in self.lost][:MOST_NAMED]
        if len(words) < len(self.lost):
            words.append(f"{len(self.lost)} in all")
        what = "rows were damaged, and their runs count as not done"
        warnings.warn(f"{self.path}: {what}: {'; '.join(words)}", LedgerWarning, stacklevel=2)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """Translate errors of SQLite."""
        try:
            yield
        except UnicodeDecodeError as error:  # in what SQLite says of a name
            raise InputError(f"{self.path}: is damaged; restore a copy, or move it away") from error
        except sqlite3.DatabaseError as error:
            code = code_of(error)
            if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
                raise AngiosimError(
                    f"{self.path}: {error}; all finished runs are kept: free some space, or "
                    "make the folder writable, and start again to resume"
                ) from error
            way_out = "restore a copy, or start in another folder, which reruns all runs"
            if self._read_only and code != sqlite3.SQLITE_NOTADB:
                way_out = REPAIR
            raise InputError(
                f"{self.path}: {error}; this file is damaged or not a ledger: {way_out}"
            ) from error


def _lengthen(path: Path) -> None:
    """Give a file that was cut off its length again: SQLite reads what is left only then."""
    if not path.exists() or path.with_name(f"{path.name}-journal").exists():
        return
    with suppress(OSError), path.open("r+b") as file:
        head, size = file.read(100), path.stat().st_size
        page = int.from_bytes(head[16:18]) or 4096
        length = (65536 if page == 1 else page) * int.from_bytes(head[28:32])
        ours = head[68:72] == APPLICATION_ID.to_bytes(4)
        if ours and size < length < MOST_LONGER * size:
            file.truncate(length)


@contextmanager
def _damage_allowed() -> Iterator[None]:
    """Go on where a part of a file cannot be read; other errors of SQLite are raised."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if code_of(error) != sqlite3.SQLITE_CORRUPT:
            raise


def study_in(folder: Path) -> str | None:
    """Return what the ledger in a folder says of its study, its file's text; None without."""
    if not (folder / LEDGER).is_file():
        return None
    with suppress(AngiosimError), Ledger(folder / LEDGER, read_only=True) as ledger:
        return ledger.about().get("study")
    return None


def _entry(row: Row, environments: Mapping[str, Mapping[str, str]]) -> Entry:
    """Return what a row says of its run."""
    status, metrics, stage, error, traceback, seconds, environment = row[4:]
    return Entry(
        status,
        json.loads(metrics) if metrics else {},
        stage or "",
        error or "",
        traceback or "",
        seconds or 0.0,
        environments.get(environment, {}),
    )


def _storable(text: str) -> str:
    """Return a text that can be stored: names of files may contain bytes that are not text."""
    return text.encode(errors="backslashreplace").decode()
