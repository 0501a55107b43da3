"""Groups of a study: arms with a name, settings, and perhaps a base and read-outs of their own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim import data
from sim.assays import columns_of, responses
from sim.assays.declare import Assay
from sim.errors import Problem
from sim.scenario.defaults import assay_of
from sim.studies.reading import Reader, Tree
from sim.studies.resolve import Axis, Point

OWN = ("base", "responses")
"""What arms of one group may have of their own, instead of the study's."""
_WITH_LIMITS = ("ic50", "absolute_ic50", "hill", "top", "bottom", "emax",
                "inhibition", "bliss", "bliss_excess", "loewe", "loewe_excess")  # fmt: skip
_COLUMNS = ("run", "replicate", "seed", "status",
            "response", "dose", "determined", "replicates", "note",
            *(name + end for name in _WITH_LIMITS for end in ("", "_low", "_high")))  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """An arm with a base or read-outs of its own, or the study where none has."""

    key: str
    name: str
    assay: Assay
    responses: Any  # as given; None without


class GroupReader(Reader):
    """The groups of a study while it is read.

    Attributes
    ----------
    groups : list of Axis
        In order.
    own : str
        The group whose arms have a base or read-outs of their own; empty if there is none.
    arms : list of Arm
        Those of this group; the study itself without it.
    """

    def __init__(
        self,
        tree: Tree,
        folder: Path,
        name: str,
        problems: list[Problem],
        known: Sequence[str],
        overrides: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(tree, folder, name, problems, known, overrides)
        self._folder = folder
        self.own, self.arms = "", [Arm("", "", self.assay, None)]
        self.groups = [self._group(name, given) for name, given in self._table("group").items()]

    def _base(self, folder: Path) -> Tree:
        """Return the base of the study; that of the first arm where each has its own."""
        groups = self.tree.get("group")
        if "base" not in self.tree and isinstance(groups, dict):
            for name, arms in groups.items():
                if (
                    isinstance(arms, list)
                    and arms
                    and all(isinstance(arm, dict) and "base" in arm for arm in arms)
                ):
                    return self._content_of(arms[0]["base"], f"group.{name}.0.base", folder)
        return super()._base(folder)

    def _group(self, name: str, given: Any) -> Axis:
        """Read one group: entries with a name and what they set."""
        if name in reserved() or not re.fullmatch(r"[A-Za-z_]\w*", name):
            self._wrong(
                f"group.{name}", None, "must be an identifier, and not the name of a results column"
            )
        points: list[Point] = []
        if not isinstance(given, list) or not given:
            what = 'must be a list of tables such as {name = "VEGF", set = {...}}'
            self._wrong(f"group.{name}", given, what)
            given = []
        entries: list[tuple[str, Tree]] = []
        for place, entry in enumerate(given):
            key, known = f"group.{name}.{place}", ("name", "set", *OWN)
            if not isinstance(entry, dict):
                self._wrong(key, entry, "must be a table with name and set")
                continue
            for other in entry:
                if other not in known:
                    self._wrong(f"{key}.{other}", None, "unknown key", data.nearest(other, known))
            label, settings = entry.get("name"), entry.get("set", {})
            if not isinstance(label, str) or not label:
                self._wrong(f"{key}.name", label, "must be a text")
            elif any(label == labels[name] for labels, _ in points):
                self._wrong(f"{key}.name", label, "must not be given twice")
            if not isinstance(settings, dict):
                self._wrong(f"{key}.set", settings, "must be a table of settings by dotted key")
                settings = {}
            points.append(({name: str(label)}, settings))
            entries.append((key, entry))
        axis = Axis(f"group.{name}", (name,), points)
        if any(key in entry for _, entry in entries for key in OWN):
            self._own(axis, entries)
        return axis

    def _own(self, axis: Axis, entries: list[tuple[str, Tree]]) -> None:
        """Read the bases and read-outs that arms of one group have of their own."""
        (name,) = axis.columns
        if self.own:
            what = f"must not give bases or responses, as {self.own!r} does; put them in one group"
            self._wrong(f"group.{name}", None, what)
            return
        self.own, self.arms = name, []
        for key, entry in entries:
            base = self.base
            if "base" in entry:
                base = self._content_of(entry["base"], f"{key}.base", self._folder)
            axis.bases.append(base)
            if base:  # else what is wrong has been reported
                label, given = str(entry.get("name")), entry.get("responses")
                self.arms.append(Arm(key, label, assay_of(base), given))
        if not all(axis.bases):
            self.base = {}

    def _responses(self, table: str) -> dict[str, list[str]]:
        """Read the read-outs of a table by arm: its own, the table's, or its assay's response."""
        given = self._table(table).get("responses")
        found: dict[str, list[str]] = {}
        for arm in self.arms:
            key, names = f"{table}.responses", given
            if arm.responses is not None:
                key, names = f"{arm.key}.responses", arm.responses
            if names is None:
                names = [arm.assay.response]
            if not isinstance(names, list) or not names:
                self._wrong(key, names, "must be a list of read-outs")
                names = []
            known = responses(arm.assay.name)
            found[arm.name] = [name for name in names if isinstance(name, str) and name in known]
            for name in names:
                if name not in found[arm.name]:
                    hint = data.nearest(str(name), known)
                    if arm.name and not hint:
                        hint = f"{arm.name!r} is an arm of {arm.assay.name}"
                    self._wrong(key, name, data.one_of(known), hint)
        return found


def reserved() -> set[str]:
    """Return the columns of the tables of results, curves and combinations: no names of groups."""
    return {*_COLUMNS, *columns_of("results.csv")}
