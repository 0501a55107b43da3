"""Input of users becomes plain tables; values that no key may have are refused.

Files, mappings from Python and single settings all pass through here, once.
"""

from __future__ import annotations

import datetime
import math
import numbers
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.errors import InputError, Problem, shown

MOST_DEPTH = 20
MOST_KEYS = 10_000  # of a table; a hint for each unknown one takes long
MOST_TEXT = 10_000  # characters
FORMULA = ("=", "+", "-", "@")  # spreadsheets evaluate a cell that begins so


def check_source(source: Any, kind: str) -> None:
    """Refuse what is neither the name of a file nor its content.

    Raises
    ------
    InputError
        If it is something else: a number, a list.
    """
    if not isinstance(source, str | os.PathLike | Mapping):
        raise InputError(
            f"{shown(source)}: must be the name of a shipped {kind}, a path of a TOML file, or the "
            "content of one (a mapping)"
        )


def check_overrides(overrides: Any) -> None:
    """Refuse overrides that are no mapping.

    Raises
    ------
    InputError
        If they are something else: a text, a list.
    """
    if overrides is not None and not isinstance(overrides, Mapping):
        raise InputError(
            f"overrides = {shown(overrides)}: must be a mapping of values by dotted key, such as "
            '{"drug.free_nM": 5.6}'
        )


def checked_count(name: str, number: Any, *, least: int, most: int | None = None) -> int:
    """Return a whole number of at least `least`, at most `most`, or refuse it by name."""
    whole = not isinstance(number, bool) and isinstance(number, numbers.Integral)
    if not whole or number < least or (most is not None and number > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most:,}"
        raise InputError(f"{name} = {shown(number)}: must be a whole number {allowed}")
    return int(number)


def checked_path(name: str, path: Any) -> Path:
    """Return a path, or refuse by name what is none."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise InputError(f"{name} = {shown(path)}: must be a path, a text or a pathlib.Path")
    return Path(path)


def plain(value: Any, problems: list[Problem], key: str = "", depth: int = 0) -> Any:
    """Return a copy made of plain Python: dict without None, list, numbers (also NumPy's), text.

    Errors are added to `problems`: keys and texts with control or invisible characters,
    names that a spreadsheet would evaluate, dates, tables too deep, and what is not a value.

    Parameters
    ----------
    value : object
        A value, or a whole table.
    problems : list of Problem
    key : str
        Dotted key of the value.
    depth : int
        Number of tables and lists around it.
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if depth > MOST_DEPTH:
        problems.append(Problem(key, None, "is nested too deeply"))
        return None
    if isinstance(value, Mapping) and len(value) > MOST_KEYS:
        what = f"has {len(value):,} keys; must have at most {MOST_KEYS:,}"
        problems.append(Problem(key, None, what))
        return {}
    if isinstance(value, Mapping):
        table = {}
        for name, item in value.items():
            below = f"{key}.{name}" if key else str(name)
            if wrong := wrong_name(str(name)):
                problems.append(Problem(below, None, f"a key {wrong}"))
            elif item is not None:
                found = plain(item, problems, below, depth + 1)
                if found is not None:
                    table[str(name)] = found
        return table
    if isinstance(value, list | tuple):
        if all(type(item) is float for item in value):  # sampled points are many
            return list(value)
        items = (plain(v, problems, f"{key}.{n}", depth + 1) for n, v in enumerate(value))
        return [item for item in items if item is not None]
    if isinstance(value, str):
        last = key.rpartition(".")[2]
        if wrong := _wrong_text(value, last):
            problems.append(Problem(key, value, wrong))
            return str(value) if last == "name" else None  # a name is needed further on
        return str(value)
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):  # larger than any number here can be
        return value if abs(value) < 2**1023 else math.inf if value > 0 else -math.inf
    what = "must be a number, a text, true or false, a list or a table"
    if isinstance(value, datetime.date | datetime.time):
        what = "must not be a date or a time of day"
    problems.append(Problem(key, value, what))
    return None


def wrong_name(name: str) -> str:
    """Return the error of a name or key, as the end of a sentence; empty if it is valid."""
    if not name.strip():
        return "must not be empty"
    if not name.isprintable():
        return "must not contain control or invisible characters"
    if name.startswith(FORMULA):
        return f"must not begin with {' '.join(FORMULA)}, which spreadsheets treat as a formula"
    return ""


def default_name(path: Path) -> str:
    """Return the default name for the content of a file."""
    name = "".join(c if c.isprintable() else "_" for c in path.stem).lstrip("".join(FORMULA))
    return name.strip() or "unnamed"


def _wrong_text(text: str, key: str) -> str:
    """Return the error of a text, if any."""
    if len(text) > MOST_TEXT:
        return f"must have at most {MOST_TEXT:,} characters"
    if key == "name" and text:
        return wrong_name(text)
    if key == "description":  # of any number of lines
        text = "".join(c for c in text if c not in "\n\r\t" and unicodedata.category(c) != "Zs")
    return "" if text.isprintable() else "must not contain control or invisible characters"
