"""Common parts of study and calibration files, and how their errors are reported."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim import data
from sim.errors import FileError, LedgerWarning, Problem, ScenarioError
from sim.files import read_toml
from sim.input import check_source, default_name, plain
from sim.scenario.defaults import assay_of
from sim.scenario.layers import content
from sim.scenario.settings import set_twice
from sim.studies.ledger import LEDGER, study_in

Tree = dict[str, Any]

FORMAT = 1
TOP = ("format", "name", "description", "seed", "base", "set", "replicates")
"""Keys that studies and calibrations have."""
Place = tuple[str, Sequence[Mapping[str, Any]]]
"""Name of a place in the file for messages, and all settings made there."""

WRITTEN = ("study.toml", "calibration.toml", "design.toml")
"""Names of files that are written into folders with a ledger."""
MOST_RUNS = 1_000_000
OVERRIDES = "overrides (--set)"
A_BASE = "must be the name of a shipped scenario, a scenario file, or a table"
NAMES = ("name", "description", "seed")
"""Keys of the file itself, which it does not take from its base."""


def open_file(
    source: str | Path | Mapping[str, Any], shipped: Mapping[str, Path], kind: str
) -> tuple[Tree, Path, str, str, list[Problem]]:
    """Return content, folder, label, default name and errors of a file.

    Parameters
    ----------
    source : str, Path or mapping
        The name of a shipped file, a TOML file, or its content, whose folder is the working one.
    shipped : mapping of str to Path
        The shipped files of this kind.
    kind : str
        ``"study"`` or ``"calibration"``.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    check_source(source, kind)
    problems: list[Problem] = []
    if isinstance(source, Mapping):
        return plain(source, problems), Path.cwd(), kind, kind, problems
    path = shipped.get(str(source), Path(source))
    try:
        tree = plain(_read(path), problems)
    except FileError as error:
        hint = data.nearest(str(source), shipped)
        if not hint and "no such file" in error.reason:
            hint = "`angiosim scenarios` lists the shipped ones"
        reason = f"{error.reason}; {hint}" if hint else error.reason
        raise FileError(str(source) or "''", reason) from None
    return tree, path.parent, str(source), default_name(path), problems


def _read(path: Path) -> Tree:
    """Read a file; one that a study has written, and that was lost since, is in its ledger."""
    try:
        tree, error = read_toml(path), None
    except FileError as found:
        tree, error = {}, found
    text = None if tree or path.name not in WRITTEN else study_in(path.parent)
    if text is None:
        if error is not None:
            raise error
        return tree
    what = error or FileError(path, "is empty")
    warnings.warn(f"{what}; read from {LEDGER} instead", LedgerWarning, stacklevel=4)
    return tomllib.loads(text)


class Reader:
    """A file while it is read: errors are added to `problems`, and reading continues.

    Attributes
    ----------
    tree : dict
        Its content.
    seed, replicates : int
    name, description : str
    base : dict
        The base of all runs, with ``[set]`` and then the overrides laid over it; empty if it is
        wrong.
    assay : Assay
        The assay of all runs.
    common : list
        The two places that set something for all runs: ``[set]``, and the overrides.
    """

    def __init__(
        self,
        tree: Tree,
        folder: Path,
        name: str,
        problems: list[Problem],
        known: Sequence[str],
        overrides: Mapping[str, Any] | None = None,
    ) -> None:
        self.problems = problems
        self.tree = tree
        for key in tree:
            if key not in known:
                self._wrong(key, None, "unknown key", data.nearest(key, known))
        self._number("format", FORMAT, FORMAT, FORMAT)
        self.seed = self._number("seed", 1, 0, 2**63 - 1)
        self.replicates = self._number("replicates", 1, 1, MOST_RUNS)
        self.name = self._text("name", name)
        self.description = self._text("description", "")
        self.common: list[Place] = [("[set]", [self._table("set")]), (OVERRIDES, [overrides or {}])]
        for place, (settings,) in self.common:
            if "seed" in settings:
                what = f"must not be set by {place}; seeds follow from the file's own `seed`"
                self._wrong("seed", settings["seed"], what)
        self.base = self._base(folder)
        self.assay = assay_of(self.base)

    def _about(self) -> dict[str, Any]:
        """Return what the plan has of every file; see `sim.studies.plan.Planned`."""
        return {
            "name": self.name,
            "description": self.description,
            "seed": self.seed,
            "replicates": self.replicates,
            "base": self.base,
        }

    def _head(self) -> Tree:
        """Return the first keys of the file as it is written without references."""
        about = self._about()
        del about["base"]
        return {"format": FORMAT, **about}

    def _wrong(self, key: str, value: Any, allowed: str, hint: str = "") -> None:
        self.problems.append(Problem(key, value, allowed, hint))

    def _number(self, key: str, default: int, least: int, most: int) -> int:
        value = self.tree.get(key, default)
        if type(value) is int and least <= value <= most:
            return value
        what = f"must be {least}" if least == most else f"must be a whole number from {least}"
        self._wrong(key, value, what if least == most else f"{what} to {most}")
        return default

    def _text(self, key: str, default: str) -> str:
        value = self.tree.get(key, default)
        if isinstance(value, str) and (value or key != "name"):
            return value
        self._wrong(key, value, "must be a text")
        return default

    def _table(self, key: str) -> Tree:
        value = self.tree.get(key, {})
        if isinstance(value, dict):
            return value
        self._wrong(key, value, "must be a table")
        return {}

    def _base(self, folder: Path) -> Tree:
        """Return the content of the base with the settings for all runs laid over it."""
        if "base" not in self.tree:
            self._wrong("base", None, f"is missing; it {A_BASE}")
            return {}
        return self._content_of(self.tree["base"], "base", folder)

    def _content_of(self, given: Any, key: str, folder: Path) -> Tree:
        """Return the content of a base given under a key; empty if it is wrong."""
        if not isinstance(given, str | dict):
            self._wrong(key, given, A_BASE)
            return {}
        tree, before = given if isinstance(given, dict) else {"extends": given}, len(self.problems)
        (_, (own,)), (_, (overrides,)) = self.common
        base = self._laid(tree, own, key, folder)
        base = self._laid(base, overrides, OVERRIDES, None)
        return base if len(self.problems) == before else {}

    def _laid(
        self, tree: Tree, settings: Mapping[str, Any], place: str, folder: Path | None
    ) -> Tree:
        """Return content with settings laid over it and without names; empty if it is wrong."""
        try:
            laid = content(tree, settings, folder)
        except ScenarioError as error:
            for problem in error.problems:
                key = place if problem.key == "extends" else f"{place}: {problem.key}"
                self._wrong(key, problem.value, problem.allowed, problem.hint)
            return {}
        return {key: item for key, item in laid.items() if key not in NAMES}

    def _refuse_set_twice(self, places: Sequence[Place]) -> None:
        """Refuse settings made in two of these places, or in one of them and for all runs."""
        for common in self.common:
            self.problems += set_twice([common, *places])


def distinct(problems: list[Problem]) -> list[Problem]:
    """Return each error once, an unknown key with the first of its values."""
    found: dict[str, Problem] = {}
    for problem in problems:
        unknown = problem.allowed == "unknown key"
        found.setdefault(problem.key if unknown else str(problem), problem)
    return list(found.values())
