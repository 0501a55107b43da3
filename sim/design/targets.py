"""Targets and limits: from tables to what must hold, and whether a scenario can have it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

from sim import data
from sim.design.curves import window_of
from sim.design.plan import INHIBITION, NAMED, STATISTICS, UNITS, Target
from sim.errors import Problem, ScenarioError
from sim.scenario.schema import Scenario
from sim.studies.reading import Tree

_OF_TARGET = (
    "of", "statistic", "level", "at_least", "at_most", "window", "hours", "share",
)  # fmt: skip
_OF_LIMIT = ("at_most", "window", "hours", "share")
_RELATIVE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s+of\s+control\s*")


class TargetReader:
    """Tables of targets and limits while they are read: errors are added to `problems`.

    Attributes
    ----------
    problems : list of Problem
    readouts : sequence of str
        Read-outs of the assay that a target may be of.
    window : str
        That of a target of the body which names none.
    """

    def __init__(
        self, problems: list[Problem], readouts: Sequence[str] = (), window: str = "last cycle"
    ) -> None:
        self.problems, self.readouts, self.window = problems, readouts, window

    def targets(self, given: Any) -> Iterator[Target]:
        """Yield what the list ``[[target]]`` asks for."""
        if not isinstance(given, list) or not given:
            what = "must be a list of tables: [[target]] with of, statistic and at_least or at_most"
            self._wrong("target", None, what)
            return
        for place, entry in enumerate(given):
            where = f"target.{place}"
            if not isinstance(entry, dict):
                self._wrong(where, entry, "must be a table")
                continue
            before = len(self.problems)
            self.problems += unknown(where, entry, _OF_TARGET)
            of, statistic = entry.get("of"), entry.get("statistic", "at_end")
            known = ("free_nM", "total_ng_ml", f"{INHIBITION}RECEPTOR", *self.readouts)
            if not isinstance(of, str) or not self._is_known(of):
                hint = data.nearest(str(of), known)
                self._wrong(f"{where}.of", of, f"must be {_listed(known)}", hint)
                of = None
            if statistic not in STATISTICS:
                hint = data.nearest(str(statistic), STATISTICS)
                self._wrong(f"{where}.statistic", statistic, data.one_of(STATISTICS), hint)
            elif of is not None and "statistic" not in entry and not self._of_tissue(of):
                self._wrong(f"{where}.statistic", None, f"is missing; {data.one_of(STATISTICS)}")
            if ("at_least" in entry) == ("at_most" in entry):
                self._wrong(where, None, "must have either at_least or at_most")
            if len(self.problems) == before:
                yield from self._target(where, entry, str(of), str(statistic))

    def _target(self, where: str, entry: Tree, of: str, statistic: str) -> Iterator[Target]:
        """Read a target whose quantity and statistic are known."""
        before, tissue = len(self.problems), self._of_tissue(of)
        bound = "at_least" if "at_least" in entry else "at_most"
        value, relative = entry[bound], False
        if isinstance(value, str) and (found := _RELATIVE.fullmatch(value)):
            value, relative = float(found[1]) / 100, True
            if not tissue:
                what = "must be a number: only read-outs are relative to control"
                self._wrong(f"{where}.{bound}", entry[bound], what)
        fraction = of.startswith(INHIBITION) and statistic != "hours_above"
        if not above_0(value) or (fraction and value >= 1):
            allowed = "must be above 0 and below 1" if fraction else "must be a number above 0"
            allowed += ', or such as "60 % of control"' if tissue else ""
            self._wrong(f"{where}.{bound}", value, allowed)
        if tissue and statistic != "at_end":
            self._wrong(f"{where}.statistic", statistic, "must be 'at_end' for a read-out")
        if statistic == "auc" and of.startswith(INHIBITION):
            self._wrong(f"{where}.statistic", statistic, "is of a concentration; use 'mean'")
        level = self._level(where, entry.get("level"), of, statistic)
        window, hours = self._window(where, entry, "" if tissue else self.window)
        if tissue and window and not window.startswith("day "):
            self._wrong(f"{where}.window", window, "must be 'day N' for a read-out, or give hours")
        share = self._share(where, entry)
        if tissue and share is not None:
            what = "must be left out: read-outs are those of the typical subject or drug.subject"
            self._wrong(f"{where}.share", share, what)
        if len(self.problems) == before:
            at_least = bound == "at_least"
            yield Target(
                of, statistic, float(value), at_least, window, hours, level, share, relative
            )

    def limits(self, table_of_all: Tree, default: str = "schedule") -> Iterator[Target]:
        """Yield what the table ``[limits]`` forbids, over a window unless one says otherwise."""
        for key, given in table_of_all.items():
            where = f"limits.{key}"
            of, _, statistic = key.rpartition(".")
            if of not in UNITS or statistic not in ("max", "min", "mean", "at_end", "auc"):
                what = "must be total_ng_ml or free_nM with .max, .mean, .min, .at_end or .auc"
                self._wrong(where, None, what, 'in quotes: "total_ng_ml.max" = 60')
                continue
            table = given if isinstance(given, dict) else {"at_most": given}
            before = len(self.problems)
            self.problems += unknown(where, table, _OF_LIMIT)
            if not above_0(table.get("at_most")):
                what = "must be a number above 0, or a table with at_most"
                self._wrong(where, table.get("at_most"), what)
            window, hours = self._window(where, table, default)
            share = self._share(where, table)
            if len(self.problems) == before:
                value = float(table["at_most"])
                yield Target(of, statistic, value, False, window, hours, None, share, limit=True)

    def _level(self, where: str, given: Any, of: str, statistic: str) -> float | str | None:
        """Read what ``hours_above`` is above."""
        if statistic != "hours_above":
            if given is not None:
                what = "must be left out: it belongs to statistic = 'hours_above'"
                self._wrong(f"{where}.level", given, what)
            return None
        if isinstance(given, str) and of == "free_nM" and given.startswith("ic50."):
            return given
        highest = 1.0 if of.startswith(INHIBITION) else float("inf")
        if not isinstance(given, str) and above_0(given) and given < highest:
            return float(given)
        what = f"must be a number above 0{' and below 1' if highest == 1.0 else ''}"
        what += ', or such as "ic50.FGFR1"' if of == "free_nM" else ""
        self._wrong(f"{where}.level", given, what)
        return None

    def _window(
        self, where: str, entry: Tree, default: str
    ) -> tuple[str, tuple[float, float] | None]:
        if "hours" in entry:
            given = entry["hours"]
            if "window" in entry:
                self._wrong(f"{where}.window", entry["window"], "must not be given with hours")
            numbers = isinstance(given, list) and len(given) == 2 and all(map(_is_number, given))
            if numbers and 0 <= given[0] < given[1]:
                return "", (float(given[0]), float(given[1]))
            self._wrong(f"{where}.hours", given, "must be two rising hours, such as [0, 24]")
            return "", None
        window = entry.get("window", default)
        known = isinstance(window, str) and re.fullmatch(r"day [1-9]\d{0,4}", window)
        if window not in NAMED and window != default and not known:
            what = f"must be {_listed((*NAMED, 'day N'))}"
            self._wrong(f"{where}.window", window, what, data.nearest(str(window), NAMED))
        return str(window), None

    def _share(self, where: str, entry: Tree) -> float | None:
        share = entry.get("share")
        if share is None or (above_0(share) and share < 1):
            return None if share is None else float(share)
        self._wrong(f"{where}.share", share, "must be above 0 and below 1, such as 0.9")
        return None

    def _is_known(self, of: str) -> bool:
        return of in UNITS or of.startswith(INHIBITION) or of in self.readouts

    def _of_tissue(self, of: str) -> bool:
        return of not in UNITS and not of.startswith(INHIBITION)

    def _wrong(self, key: str, value: Any, allowed: str, hint: str = "") -> None:
        self.problems.append(Problem(key, value, allowed, hint))


def misfits(target: Target, key: str, scenario: Scenario) -> Iterator[Problem]:
    """Yield what a scenario that doses a body lacks for a target of the body, found at `key`."""
    receptors = scenario.resolved.drug.potencies().ic50_nM if scenario.resolved.drug else {}
    named = [target.of.removeprefix(INHIBITION)] * target.of.startswith(INHIBITION)
    named += [str(target.level).removeprefix("ic50.")] * isinstance(target.level, str)
    for receptor in named:
        if receptor not in receptors:
            hint = data.nearest(receptor, receptors)
            which = "level" if isinstance(target.level, str) else "of"
            yield Problem(f"{key}.{which}", receptor, data.one_of(receptors), hint)
    try:
        start_h, end_h, _ = window_of(target, scenario)
    except ScenarioError as error:
        for wrong in error.problems:
            yield Problem(f"{key}.window", wrong.value, wrong.allowed)
        return
    if target.statistic == "hours_above" and target.value > end_h - start_h:
        bound = "at_least" if target.at_least else "at_most"
        what = f"must be at most the length of its window, {end_h - start_h:g} h"
        yield Problem(f"{key}.{bound}", target.value, what)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def unknown(where: str, table: Tree, known: Sequence[str]) -> Iterator[Problem]:
    """Yield the keys of a table that are none."""
    for key in table:
        if key not in known:
            yield Problem(f"{where}.{key}", None, "unknown key", data.nearest(key, known))


def above_0(value: Any) -> bool:
    """Whether it is a number above 0."""
    return _is_number(value) and value > 0


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
