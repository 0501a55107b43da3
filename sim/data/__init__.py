"""Numbers with a source: one TOML file for each assay, cell line, ligand, receptor and drug.

A leaf is a table ``{value, unit, spread, source, evidence}``. ``read`` keeps the leaves,
``values`` strips them.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from sim.errors import InputError, shown
from sim.files import read_toml

FOLDER = Path(__file__).parent
LONGEST_NAME = 100


def names(kind: str) -> list[str]:
    """Return the names of all data files of a kind (a folder here: ``"drugs"``), sorted."""
    return list(_names(FOLDER / kind))


def read(kind: str, name: str) -> dict[str, Any]:
    """Return the tables of one data file, leaves and all.

    Parameters
    ----------
    kind : str
        ``"assays"``, ``"lines"``, ``"ligands"``, ``"receptors"``, ``"drugs"`` or ``"species"``.
    name : str
        Name of the file, without ``.toml``.

    Raises
    ------
    InputError
        If there is no such file; the message names the nearest.
    """
    known = names(kind)
    if name not in known:
        hint = nearest(name, known)
        raise InputError(
            f"unknown {one(kind)} {name!r}: {one_of(known)}" + (f" ({hint})" if hint else "")
        )
    return deepcopy(_read(kind, name))


def one(kind: str) -> str:
    """Return what one file of a kind is called: ``"drug"``."""
    return kind if kind == "species" else kind.removesuffix("s")


def is_leaf(node: Any) -> bool:
    """Whether a node of a data file is a leaf: a table with a value."""
    return isinstance(node, dict) and "value" in node


def values(tree: Any) -> Any:
    """Return a tree of data with each leaf replaced by its value."""
    if is_leaf(tree):
        return deepcopy(tree["value"])
    if isinstance(tree, dict):
        return {key: values(node) for key, node in tree.items()}
    return tree


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``"did you mean 'x'?"`` for the known name nearest to `name`, or nothing."""
    if len(name) > LONGEST_NAME:  # no misprint, and long to compare
        return ""
    by_lower = {option.lower(): option for option in known}
    found = get_close_matches(name.lower(), list(by_lower), n=1, cutoff=0.6)
    return f"did you mean {by_lower[found[0]]!r}?" if found else ""


def one_of(known: Iterable[Any]) -> str:
    """Return ``"must be one of 'a', 'b'"``."""
    options = [shown(option) for option in known] or ["a known name, and there is none"]
    return f"must be {options[0]}" if len(options) == 1 else f"must be one of {', '.join(options)}"


@cache
def _names(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in folder.glob("*.toml")))


@cache
def _read(kind: str, name: str) -> dict[str, Any]:
    return read_toml(FOLDER / kind / f"{name}.toml")
