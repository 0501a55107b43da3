"""Resolving the scenarios of a study's runs, many at once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product, zip_longest
from typing import Any

from sim.errors import MOST_PROBLEMS, Problem, ScenarioError
from sim.scenario import keys
from sim.scenario.branch import laid
from sim.scenario.cautions import cautioned, cautions, mixed_potencies
from sim.scenario.schema import Scenario
from sim.scenario.settings import KEEP_ONE
from sim.scenario.tree import dig
from sim.studies.identity import content_of, hash_of, text_of
from sim.studies.plan import Tree

Point = tuple[dict[str, Any], dict[str, Any]]
"""Labels in the table of results, and settings by dotted key."""


@dataclass(eq=False)
class Axis:
    """Points, of which each run has one."""

    place: str  # in the file
    columns: tuple[str, ...]
    points: list[Point]
    bases: list[Tree] = field(default_factory=list)  # of points that have their own; or none at all
    classes: list[int] = field(default_factory=list)  # shared by points that differ only in numbers


class Resolver:
    """Resolves every combination of points, and checks each point.

    Errors are added to `problems`; combinations are only checked if there are none.
    """

    def __init__(
        self, base: Tree, axes: list[Axis], problems: list[Problem], from_h: float | None = None
    ) -> None:
        self.base, self.axes, self.problems, self.from_h = base, axes, problems, from_h
        # what is set from a time on goes into the history of a medium, not to its own place
        self.numbers = self._number_keys() if from_h is None else set()
        while not self._build_templates():
            pass

    def hashes(self) -> Iterator[tuple[tuple[Point, ...], str, str]]:
        """Yield the points of each combination, its assay, and the hash of its content."""
        numbered = [list(zip(axis.classes, axis.points, strict=True)) for axis in self.axes]
        for combination in product(*numbered):
            points = tuple(point for _, point in combination)
            template = self.templates[tuple(number for number, _ in combination)]
            yield points, template.scenario.assay, template.hash_with(points)

    def scenarios(self) -> Iterator[Scenario]:
        """Yield a scenario of each kind: combinations that differ in numbers alone are one."""
        for template in self.templates.values():
            yield template.scenario

    def cautions(self) -> Iterator[Problem]:
        """Yield the cautions of all combinations; numbers that none depends on are left out."""
        seen = {key for key in self.numbers if cautioned(key)}
        axes = [
            dict.fromkeys(
                (number, tuple((key, value) for key, value in settings.items() if key in seen))
                for number, (_, settings) in zip(axis.classes, axis.points, strict=True)
            )
            for axis in self.axes
        ]
        for combination in product(*axes):
            template = self.templates[tuple(number for number, _ in combination)]
            yield from cautions(template.with_numbers(pair for _, p in combination for pair in p))
        yield from mixed_potencies(template.scenario for template in self.templates.values())

    def _number_keys(self) -> set[str]:
        """Keys whose values are numbers of one place."""
        return {
            key
            for key, given in values_of(self.axes).items()
            if _is_number(keys.find(key.split(".")))
            and not key.startswith("domain.")
            and all(type(value) in (int, float) for value in given)
        }

    def _build_templates(self) -> bool:
        """Build all templates; False, to try again, if a key turned out not to be a mere number."""
        self.templates: dict[tuple[int, ...], _Template] = {}
        for axis in self.axes:
            known: dict[tuple[int, str], int] = {}
            axis.classes = [
                known.setdefault((id(base), self._class(settings)), len(known))
                for base, (_, settings) in zip_longest(axis.bases, axis.points)
            ]
        first = (0,) * len(self.axes)
        for place, axis in enumerate(self.axes):
            for number in self._representatives(axis):
                if not self._agrees((*first[:place], number, *first[place + 1 :])):
                    return False
        if self.problems:
            return True
        firsts = [sorted(map(axis.classes.index, set(axis.classes))) for axis in self.axes]
        for numbers in product(*firsts):
            if not self._agrees(numbers):
                return False
            if len(self.problems) > MOST_PROBLEMS:
                break
        return True

    def _class(self, settings: Tree) -> str:
        """Return the same text for settings that differ in numbers alone."""
        return repr(sorted((k, None if k in self.numbers else v) for k, v in settings.items()))

    def _representatives(self, axis: Axis) -> list[int]:
        """Points that must be checked: one of each class, and the extremes of each number."""
        found = {axis.classes.index(number) for number in set(axis.classes)}
        for key in self.numbers:
            having = [(p[1][key], i) for i, p in enumerate(axis.points) if key in p[1]]
            if having:
                found |= {min(having)[1], max(having)[1]}
        return sorted(found)

    def _agrees(self, numbers: tuple[int, ...]) -> bool:
        """Check a combination; return whether each number went to its place, and nowhere else.

        Its errors are added to `problems`.
        """
        pairs = list(zip(self.axes, numbers, strict=True))
        settings: Tree = {}
        base, arm = self.base, ""
        for axis, number in pairs:
            settings |= axis.points[number][1]
            if axis.bases:
                base, arm = axis.bases[number], f"{axis.place}.{number}, "
        try:
            scenario = laid(base, settings, None, self.from_h)
        except ScenarioError as error:
            # what is set twice has been reported with its places
            found = [wrong for wrong in error.problems if wrong.hint != KEEP_ONE]
            self.problems += [replace(wrong, key=f"{arm}{wrong.key}") for wrong in found]
            return True
        template = _Template(scenario, {k: v for k, v in settings.items() if k in self.numbers})
        name = tuple(axis.classes[number] for axis, number in pairs)
        known = self.templates.setdefault(name, template)
        if not template.lost and known.pieces == template.pieces:
            return True
        self.numbers -= set(template.lost) or settings.keys()
        return False


class _Template:
    """The text of a resolved scenario with places for numbers.

    Attributes
    ----------
    pieces : list of str
        The text between the numbers.
    lost : list of str
        Keys with another value than the one given.
    """

    def __init__(self, scenario: Scenario, numbers: Mapping[str, int | float]) -> None:
        self.scenario = scenario
        tree = content_of(scenario)
        names, self.lost = list(numbers), []
        for place, (key, value) in enumerate(numbers.items()):
            *above, last = _path(tree, key)
            parent, found = dig(tree, tuple(above)), dig(tree, (*above, last))
            if found is None:
                continue  # it does not affect results: what and when to record
            if found == value and type(found) in (int, float):
                parent[last] = f"\0{'f' if type(found) is float else 'i'}{place}\0"
            else:
                self.lost.append(key)
        parts = re.split(r'"\\u0000([fi])(\d+)\\u0000"', text_of(tree))
        self.pieces = parts[::3]
        self._slots = [
            (names[int(place)], float if kind == "f" else int)
            for kind, place in zip(parts[1::3], parts[2::3], strict=True)
        ]

    def with_numbers(self, numbers: Iterable[tuple[str, int | float]]) -> Scenario:
        """Return the scenario with these numbers in their places."""
        tree = self.scenario.model_dump(mode="json", by_alias=True)
        for key, value in numbers:
            *above, last = _path(tree, key)
            dig(tree, tuple(above))[last] = value
        return type(self.scenario).model_validate(tree)

    def hash_with(self, points: tuple[Point, ...]) -> str:
        """Return the hash of the text with the numbers of these points in their places."""
        text = [self.pieces[0]]
        for (key, kind), piece in zip(self._slots, self.pieces[1:], strict=True):
            value = next(settings[key] for _, settings in points if key in settings)
            text += [json.dumps(kind(value) + kind(0)), piece]  # + 0: no negative zero
        return hash_of("".join(text))


def values_of(axes: Iterable[Axis]) -> dict[str, list[Any]]:
    """Return all values of what is swept, by dotted key."""
    values: dict[str, list[Any]] = {}
    for axis in axes:
        for _, settings in axis.points:
            for key, value in settings.items():
                values.setdefault(key, []).append(value)
    return values


def misfits(values: Mapping[str, Sequence[Any]]) -> Iterator[Problem]:
    """Yield unknown keys and numbers out of their range, whatever the base."""
    for key, given in values.items():
        path = key.split(".")
        node = keys.find(path)
        if node is None:
            yield Problem(key, given[0], "unknown key", keys.unknown(path, ""))
        elif _is_number(node):
            numbers = {value for value in given if type(value) in (int, float)}
            for value in sorted(each for each in numbers if not _fits(each, node)):
                hint = "" if math.isfinite(value) else "must be finite"
                yield Problem(key, value, keys.allowed(path), hint)


def _is_number(node: Mapping[str, Any] | None) -> bool:
    return node is not None and node.get("type") in ("number", "integer")


def _path(tree: Any, key: str) -> list[str | int]:
    """Return a dotted key as a path of keys and list places."""
    path: list[str | int] = []
    for name in key.split("."):
        place = int(name) if isinstance(tree, list) and name.isdecimal() else name
        tree = dig(tree, (place,))
        path.append(place)
    return path


def _fits(value: int | float, node: Mapping[str, Any]) -> bool:
    """Whether a number lies in the range of a key."""
    return (
        math.isfinite(value)
        and (node["type"] == "number" or type(value) is int)
        and value >= node.get("minimum", -math.inf)
        and value <= node.get("maximum", math.inf)
        and value > node.get("exclusiveMinimum", -math.inf)
        and value < node.get("exclusiveMaximum", math.inf)
    )
