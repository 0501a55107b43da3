"""Single settings by dotted key: how they are written, and which of them conflict."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from sim.errors import InputError, Problem, ScenarioError, shown

Path = tuple[str, ...]

# Two keys for one thing: giving one removes the other where a lower layer had set it.
ALTERNATIVES = (
    ("count", "density_per_mm2"),
    ("duration_h", "duration_mcs"),
    ("record_every_h", "record_every_mcs"),
    ("diffusion_um2_per_s", "diffusion_per_mcs"),
    ("decay_per_s", "decay_per_mcs"),
    ("secretion_per_s", "secretion_per_mcs"),
)
KEEP_ONE = "keep one of them"
REPLACED = {
    key: tuple(other for other in group if other != key)
    for group in (
        *ALTERNATIVES,
        ("free_nM", "nominal_nM", "media"),
        ("bath_ng_ml", "gradient"),
        ("regimen", "doses"),
        ("dose_mg", "dose_mg_per_kg", "dose_mg_per_m2"),
    )
    for key in group
}
"""By key, the others for the same thing."""


def parse_setting(text: str) -> tuple[str, Any]:
    """Return key and value of ``KEY=VALUE``; VALUE is a TOML value, else a text.

    Raises
    ------
    InputError
        If there is no ``=`` or no key.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set {shown(text)}: must be KEY=VALUE, such as drug.free_nM=5.6")
    try:
        (parsed,) = tomllib.loads(f"value = {value}").values()
    except (ValueError, RecursionError):  # not a TOML value, or more than one
        parsed = value.strip()
    return key.strip(), parsed


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return the settings of a command line, each ``KEY=VALUE``.

    Raises
    ------
    InputError
        If one does not have this form.
    ScenarioError
        If a key is given twice, or two of them set one thing.
    """
    settings: dict[str, Any] = {}
    problems = []
    for text in texts:
        key, value = parse_setting(text)
        if key in settings:
            what = f"is set twice with --set, to {shown(settings[key])} and to {shown(value)}"
            problems.append(Problem(key, None, what, KEEP_ONE))
        settings[key] = value
    problems += contradictions(settings).values()
    if problems:
        raise ScenarioError("--set", problems)
    return settings


def contradictions(settings: Mapping[str, Any]) -> dict[str, Problem]:
    """Return, by key, the errors of settings that conflict with another one."""
    paths = {key: list(_paths({key: value})) for key, value in settings.items()}
    ordered = sorted(paths, key=lambda key: (key.count("."), key))
    found: dict[str, Problem] = {}
    for key, other in combinations(ordered, 2):
        met = [mine for mine in paths[key] if any(_same(mine, yours) for yours in paths[other])]
        if met and key not in found:
            what = f"must not be set together with {'.'.join(met[0])!r}"
            found[other] = Problem(other, settings[other], what, KEEP_ONE)
    return found


def set_twice(places: Iterable[tuple[str, Iterable[Mapping[str, Any]]]]) -> Iterator[Problem]:
    """Yield what two places set, such as ``[set]`` and ``[grid]`` of a study.

    Parameters
    ----------
    places : iterable of (str, iterable of mapping)
        Each place by its name in messages, with all its settings.
    """
    found = [
        (place, list(dict.fromkeys(path for settings in each for path in _paths(settings))))
        for place, each in places
    ]
    for (one, before), (two, after) in combinations(found, 2):
        for path in after:
            other = next((other for other in before if _same(path, other)), None)
            if other == path:
                what = f"is set by {one} and by {two}"
                yield Problem(".".join(path), None, what, KEEP_ONE)
            elif other is not None:
                what = f"is set by {two}, and {'.'.join(other)!r} by {one}: they exclude each other"
                yield Problem(".".join(path), None, what, KEEP_ONE)


def _same(one: Path, other: Path) -> bool:
    """Whether two keys set one thing: the same, one inside the other, or alternatives."""
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            return yours in REPLACED.get(mine, ())
    return True


def _paths(settings: Mapping[str, Any]) -> Iterator[Path]:
    """Walk to every key that settings by dotted key give a value."""
    for key, value in settings.items():
        path = tuple(str(key).split("."))
        if isinstance(value, Mapping) and value:
            yield from ((*path, *below) for below in _paths(value))
        else:
            yield path
