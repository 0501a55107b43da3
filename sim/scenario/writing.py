"""A scenario as TOML, and the hash of all that determines its result."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import tomli_w

from sim.scenario.schema import Scenario
from sim.scenario.treatment import LATER
from sim.scenario.tree import Tree

_UNHASHED = {"name", "description", "seed", "record"}
_UNDECIDED: Any = {
    **dict.fromkeys(_UNHASHED, True),
    "cells": {"image"},
    "resolved": {
        "image": {"name", "labels"},
        "drug": {"source"},
        "pk": {"source", "remark"},
        "partner": {"source"},
        "partner_pk": {"source", "remark"},
        "own": True,
        "partner_own": True,
    },
}


_NOT_STRUCTURE: Any = {
    **dict.fromkeys(_UNHASHED, True),
    "drug": True,
    "partner": True,
    "time": {"duration_h", "duration_mcs", "record_every_h", "record_every_mcs"},
    "ligands": {"__all__": {"media"}},
    "cells": {"image"},
    "resolved": {
        "drug": True,
        "pk": True,
        "partner": True,
        "partner_pk": True,
        "own": True,
        "partner_own": True,
        "image": {"name", "labels"},
    },
}


def dump(scenario: Scenario) -> str:
    """Return a scenario as TOML, complete; loading it again gives an equal scenario."""
    return tomli_w.dumps(as_tree(scenario))


def scenario_hash(scenario: Scenario) -> str:
    """Return the SHA-256 of all that determines a result; see `decisive`."""
    text = json.dumps(decisive(scenario), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def decisive(scenario: Scenario) -> Tree:
    """Return all that determines a result: not name, description, seed, record and sources."""
    content: Tree = _canonical(scenario.model_dump(mode="json", by_alias=True, exclude=_UNDECIDED))
    for table in (content, content["resolved"]):
        for key in [key for key in ("partner", "partner_pk") if table.get(key, 0) is None]:
            del table[key]
    _drop_later(content)
    for key in ("drug", "partner"):
        if content.get(key) is not None:
            content[key] = _as_before(content[key])
    return content


def _drop_later(content: Tree) -> None:
    """Remove later keys that are not given, as in `LATER`, in place."""
    for ligand in content.get("ligands", {}).values():
        if "media" in ligand and not ligand["media"]:
            del ligand["media"]
    for table, key in (("cells", "um_per_px"), ("resolved", "image")):
        if table in content and content[table].get(key, 0) is None:
            del content[table][key]


def _as_before(value: Any) -> Any:
    """Return a tree without the later keys that are not given."""
    if isinstance(value, list):
        return [_as_before(item) for item in value]
    if not isinstance(value, dict):
        return value
    given = {k: v for k, v in value.items() if k not in LATER or v not in (None, {}, [])}
    return {key: _as_before(item) for key, item in given.items()}


def structure_of(scenario: Scenario) -> dict[str, str]:
    """Return, by table, a hash of the scenario that a state of the model belongs to.

    That is what decides a result without what may change in the course of a run: the drug, the
    media of ligands, how long it lasts and how often it is recorded.
    """
    content = _canonical(scenario.model_dump(mode="json", by_alias=True, exclude=_NOT_STRUCTURE))
    _drop_later(content)
    texts = {key: json.dumps(value, sort_keys=True) for key, value in content.items()}
    return {key: hashlib.sha256(text.encode()).hexdigest()[:16] for key, text in texts.items()}


def as_tree(scenario: Scenario) -> Tree:
    """Return a scenario as plain tables, without keys that are not given."""
    tree: Tree = _without_empty(scenario.model_dump(by_alias=True, exclude_none=True))
    for own in ("setup", "readout"):  # an assay may have nothing to choose
        tree.setdefault(own, {})
    return tree


def _without_empty(value: Any) -> Any:
    """Return a tree without empty tables and lists."""
    if isinstance(value, dict):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in ({}, [], ())}
    return list(value) if isinstance(value, tuple) else value


def _canonical(value: Any) -> Any:
    """Return a tree in which equal numbers look equal (no negative zero)."""
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value + 0.0 if isinstance(value, float) else value
