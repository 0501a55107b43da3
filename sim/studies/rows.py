"""The tables of a ledger, and the checksums in them: what was altered is noticed when it is read.

A row of ``runs`` has a checksum over its other columns; the tables ``plan`` and ``about`` have
theirs in ``about``; a row of ``environments`` is named by the hash of its content.
"""

from __future__ import annotations

import json
import sqlite3
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from sim.errors import InputError
from sim.files import parse_json, sha256
from sim.studies.task import DONE, FAILED, PLANNED

APPLICATION_ID = 0x616E6769  # "angi", in the file's header
VERSION = 2
OLDEST = 1
"""The version without checksums and environments, which can be read, and is upgraded."""

_RUNS = """
CREATE TABLE IF NOT EXISTS runs (
    key TEXT PRIMARY KEY,
    parameters TEXT NOT NULL,  -- JSON: group and parameters, as last planned
    replicate INTEGER NOT NULL,
    seed INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('planned', 'done', 'failed')),
    metrics TEXT,              -- JSON, of a run that is done
    stage TEXT,                -- of a run that failed: set-up, run, read-out or worker
    error TEXT,
    traceback TEXT,
    seconds REAL,
    environment TEXT,          -- of a run that was made: which of environments
    checksum TEXT NOT NULL DEFAULT ''  -- of the other columns
) WITHOUT ROWID
"""
_PLAN = "CREATE TABLE IF NOT EXISTS plan (run INTEGER PRIMARY KEY, key TEXT NOT NULL)"
_ABOUT = "CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
_ENVIRONMENTS = (
    "CREATE TABLE IF NOT EXISTS environments (name TEXT PRIMARY KEY, content TEXT NOT NULL)"
)
_TABLES = {"runs": _RUNS, "plan": _PLAN, "about": _ABOUT, "environments": _ENVIRONMENTS}
COLUMNS = (
    "key", "parameters", "replicate", "seed", "status", "metrics", "stage", "error", "traceback",
    "seconds", "environment", "checksum",
)  # fmt: skip
ADDED = 2
"""Columns that version 1 has not."""
CHECKSUM, PLAN = "checksum", "plan"
"""Rows of ``about``: the checksum of its others, and that of the plan."""

Row = tuple[Any, ...]
"""The columns of a run but the checksum."""


def checksum(content: object) -> str:
    """Return the checksum of columns or rows."""
    return sha256(json.dumps(content, default=repr))[:32]


def code_of(error: sqlite3.Error) -> int:
    """Return SQLite's primary code of an error; 0 if it has none."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def make_tables(file: sqlite3.Connection) -> None:
    """Make the tables that a ledger lacks."""
    for statement in _TABLES.values():
        file.execute(statement)
    file.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    file.execute(f"PRAGMA user_version = {VERSION}")


def missing_tables(file: sqlite3.Connection, version: int) -> list[str]:
    """Return the names of the tables that a ledger has lost."""
    found = {name for (name,) in file.execute("SELECT name FROM sqlite_schema").fetchall()}
    return [name for name in _TABLES if name not in found and (name, version) != (
        "environments", OLDEST)]  # fmt: skip


def check_tables(file: sqlite3.Connection, path: object) -> None:
    """Refuse a ledger with anything but its tables: a trigger or view may do anything."""
    found = file.execute("SELECT type, name FROM sqlite_schema WHERE type != 'index'").fetchall()
    for kind, name in found:
        if kind != "table" or name not in _TABLES:
            what = f"has a {kind} {name!r}, which no ledger has; restore a copy, or move it away"
            raise InputError(f"{path}: {what}")


def check_columns(file: sqlite3.Connection, version: int, path: object) -> None:
    """Refuse a ledger whose table of runs is not that of its version."""
    found = [column[1] for column in file.execute("PRAGMA table_info(runs)").fetchall()]
    if found and found != list(COLUMNS[: -ADDED if version == OLDEST else None]):
        raise InputError(
            f"{path}: is damaged: its table of runs is not that of ledger version {version}; "
            "restore a copy, or move it away and start again, which reruns all runs"
        )


def put(file: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Enter rows in place of those with the same keys."""
    marks = ", ".join("?" * len(COLUMNS))
    file.executemany(
        f"INSERT OR REPLACE INTO runs VALUES ({marks})", [(*row, checksum(row)) for row in rows]
    )


def read_rows(file: sqlite3.Connection, version: int) -> tuple[dict[str, Row], set[str]]:
    """Return the rows that are as they were written, by key, and the keys of the others.

    Of a file of which parts cannot be read, those before and after them are returned.
    """
    names = ", ".join(COLUMNS[: -ADDED if version == OLDEST else None])
    good: dict[str, Row] = {}
    bad: set[str] = set()
    for order in ("ASC", "DESC"):
        try:
            for row in file.execute(f"SELECT {names} FROM runs ORDER BY key {order}"):
                content = (*row, None) if version == OLDEST else row[:-1]
                whole = version == OLDEST or checksum(content) == row[-1]
                if whole and _is_valid(content):
                    good[content[0]] = content
                else:
                    bad.add(str(content[0]))
        except sqlite3.DatabaseError as error:
            if code_of(error) != sqlite3.SQLITE_CORRUPT:
                raise  # the file cannot be read now
            continue
        break
    return good, bad - good.keys()


def _is_valid(row: Row) -> bool:
    """Whether a row can be used; one without a checksum may hold anything."""
    key, parameters, replicate, seed, status, metrics, *texts, seconds, environment = row
    with suppress(ValueError, TypeError):
        parse_json(parameters)
        found = parse_json(metrics) if status == DONE or metrics else {}
        return (
            status in (PLANNED, DONE, FAILED)
            and isinstance(key, str)
            and type(replicate) is type(seed) is int
            and all(type(value) in (int, float) for value in found.values())
            and all(text is None or isinstance(text, str) for text in (*texts, environment))
            and (seconds is None or isinstance(seconds, float))
        )
    return False


def seal(file: sqlite3.Connection) -> None:
    """Enter the checksums of what was planned: of the plan, and of ``about`` with that in it."""
    put_about(file, {PLAN: checksum(_plan(file))})
    put_about(file, {CHECKSUM: checksum(_about(file))})


def put_about(file: sqlite3.Connection, about: Mapping[str, str]) -> None:
    """Enter rows of ``about``."""
    file.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", about.items())


def about_is_whole(file: sqlite3.Connection, version: int) -> bool:
    """Whether what is said of the study is as it was written; nothing said yet is, too."""
    content = dict(_about(file))
    if version == OLDEST:
        return not content or _is_about(content)
    found = file.execute("SELECT value FROM about WHERE name = ?", (CHECKSUM,)).fetchone()
    return found == (checksum(_about(file)),) if found else not content


def plan_is_whole(file: sqlite3.Connection, version: int) -> bool:
    """Whether the plan is as it was written; so is none."""
    known = dict(_about(file)).get(PLAN)
    return version == OLDEST or checksum(_plan(file)) == (known or checksum([]))


def _is_about(about: Mapping[str, str]) -> bool:
    """Whether this says what was planned, where no checksum knows."""
    with suppress(ValueError):
        return "name" in tomllib.loads(about.get("study", "")) and {"code", "version"} <= {*about}
    return False


def _about(file: sqlite3.Connection) -> list[tuple[str, str]]:
    query = "SELECT name, value FROM about WHERE name != ? ORDER BY name"
    return file.execute(query, (CHECKSUM,)).fetchall()


def _plan(file: sqlite3.Connection) -> list[tuple[int, str]]:
    return file.execute("SELECT run, key FROM plan ORDER BY run").fetchall()


def name_of(environment: str) -> str:
    """Return the name of an environment by its content, JSON."""
    return checksum(environment)[:12]


def read_environments(file: sqlite3.Connection, version: int) -> dict[str, dict[str, str]]:
    """Return the environments by name; what was altered is not known."""
    if version == OLDEST:
        return {}
    rows = file.execute("SELECT name, content FROM environments").fetchall()
    found = {}
    for name, content in rows:
        with suppress(ValueError, TypeError):
            table = parse_json(content) if name_of(content) == name else {}
            if table and all(isinstance(value, str) for value in table.values()):
                found[name] = table
    return found


def put_environment(file: sqlite3.Connection, content: dict[str, str]) -> str | None:
    """Enter an environment, and return its name; nothing is entered if nothing is known of it."""
    if not content:
        return None
    text = json.dumps(content, sort_keys=True)
    file.execute("INSERT OR IGNORE INTO environments VALUES (?, ?)", (name_of(text), text))
    return name_of(text)
