"""From a file to a scenario: defaults, cell line, extended files, the file, single settings.

Each layer is laid over the one below it. All errors are reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim import data
from sim.assays.declare import called
from sim.errors import Problem, ScenarioError
from sim.input import check_overrides, check_source, plain
from sim.pharmacology.drugs import load_drug
from sim.scenario import keys, resolved
from sim.scenario.checks import check
from sim.scenario.classes import class_of
from sim.scenario.defaults import assay_of, default_leaves
from sim.scenario.image import settle
from sim.scenario.layers import DRIVEN, layers_of, merge_layers, override_tree
from sim.scenario.schema import Domain, LatticeScenario, Scenario, Time
from sim.scenario.tree import (
    Tree,
    dig,
    ligand_names,
    overlay,
    signalling_tables,
    without_signalling,
)
from sim.scenario.writing import as_tree

OF_FILES = (
    "extends", "drug.file", "drug.doses_csv", "partner.file", "partner.doses_csv",
    "cells.image",
)  # fmt: skip
"""Keys that name files."""

BEFORE_SENSING = "concentration"
"""``engine.sensing`` of a scenario that was written when there was no such key, up to 0.2.0."""


def load(
    source: str | Path | Mapping[str, Any] | Scenario,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Scenario:
    """Return a complete, checked scenario, as `sim.load` does, without its warnings.

    Parameters
    ----------
    source, overrides, seed
        As for `sim.load`.

    Raises
    ------
    ScenarioError
        With all errors.
    InputError
        If source or overrides are no such thing.
    """
    if isinstance(source, Scenario):
        source = as_tree(source)
    check_source(source, "scenario")
    check_overrides(overrides)
    label = "scenario" if isinstance(source, Mapping) else str(source) or "''"
    problems: list[Problem] = []
    try:
        layers = layers_of(source, label, None, problems)
        # missing keys may be in a file that was not found
        lost = any(problem.key.startswith(OF_FILES) for problem in problems)
        layers.append(override_tree(overrides or {}, Path.cwd(), problems))
        if seed is not None:
            if "seed" in (overrides or {}):
                what = "is set twice: by --seed (seed) and by --set (overrides)"
                problems.append(Problem("seed", None, what, "keep one of them"))
            layers.append({"seed": plain(seed, problems, "seed")})
        return _resolve(merge_layers(layers, problems), label, problems, lost)
    except RecursionError:
        raise ScenarioError(label, [Problem("", None, "nested too deeply")]) from None


# -- laying layers over each other --------------------------------------------------------------


def _resolve(user: Tree, label: str, problems: list[Problem], lost: bool) -> Scenario:
    """Lay the user's input over the defaults, and check it all."""
    wrong = [problem.key for problem in problems]
    on_lattice = class_of(assay_of(user)) is LatticeScenario
    written = dig(user, ("resolved", "receptors")) is not None  # a drug's own file is there sooner
    if on_lattice and written and dig(user, ("engine", "sensing")) is None:
        user = overlay(user, {"engine": {"sensing": BEFORE_SENSING}})
    enabled = not on_lattice or dig(user, ("signalling", "enabled")) is not False
    if not enabled:
        for path in signalling_tables(user):
            value = dig(user, path)
            problems.append(
                Problem(
                    keys.dotted(path),
                    None if isinstance(value, dict) else value,
                    "must not be given while signalling.enabled = false: these cells have "
                    "no receptors",
                )
            )
        without_signalling(user)
    defaults = _default_tree(user, enabled)
    tree = overlay(defaults, user)
    unknown = _drop_unknown(tree, problems)
    if on_lattice:
        _follow_domain(tree, user, defaults)
    _follow_duration(tree, user)
    _settle(tree, defaults)
    if on_lattice:
        problems += settle(tree, user, lost=lost)
    if complete := assay_of(tree).complete:
        called(complete)(tree, user)
    tree["resolved"] = resolved.resolve(tree)
    scenario, broken = _validate(tree, defaults, problems, lost)
    if not lost:
        problems += check(scenario, [*broken, *unknown, *wrong])
    if problems:
        raise ScenarioError(label, problems)
    return scenario


def _default_tree(user: Tree, enabled: bool) -> Tree:
    """Return the defaults below the user's input."""
    assay = assay_of(user)
    given = {
        kind: dig(user, path)
        for kind, path in (("lines", ("cells", "line")), ("substrates", ("domain", "substrate")))
    }
    line, substrate = (name if name in data.names(kind) else None for kind, name in given.items())
    sensing = dig(user, ("engine", "sensing"))
    sensing = sensing if sensing in ("concentration", "occupancy") else None
    leaves = default_leaves(assay, line, substrate, sensing, signalling=enabled)
    drug = leaves.pop("drug", {})
    if isinstance(user.get("drug"), dict):
        leaves["drug"] = drug
    tree: Tree = data.values(leaves)
    for behaviour, engine in DRIVEN:
        if dig(user, engine) is not None and dig(user, behaviour) is None:
            table = dig(tree, behaviour[:-1]) or {}
            table.pop(behaviour[-1], None)
    return {"format": 1, "name": "scenario", "assay": assay.name} | tree


def _drop_unknown(tree: Tree, problems: list[Problem]) -> list[str]:
    """Take ligands and receptors that have no data file out of a tree; return their keys."""
    dropped = []
    for path, known in (
        (("ligands",), ligand_names()),
        (("signalling", "receptors"), data.names("receptors")),
    ):
        table = dig(tree, path)
        for name in [key for key in table if key not in known] if isinstance(table, dict) else []:
            dropped.append(keys.dotted((*path, name)))
            what = f"unknown {path[-1].removesuffix('s')}; {data.one_of(known)}"
            problems.append(Problem(dropped[-1], None, what, data.nearest(name, known)))
            del table[name]
    return dropped


def _follow_domain(tree: Tree, user: Tree, defaults: Tree) -> None:
    """Set the border and the voxels of fields that the user left open, in place."""
    try:
        domain = Domain.model_validate(tree["domain"])
    except ValidationError:
        domain = Domain.model_validate(defaults["domain"])
    fields = tree["fields"] if isinstance(tree["fields"], dict) else {}
    for name, field in fields.items():
        if not isinstance(field, dict):
            continue
        if dig(user, ("fields", name, "boundary")) is None:
            own = dig(defaults, ("fields", name, "boundary")) or "no_flux"
            field["boundary"] = "periodic" if domain.boundary == "periodic" else own
        wanted = dig(defaults, ("fields", name, "spacing_um"))
        if wanted is not None and dig(user, ("fields", name, "spacing_um")) is None:
            field["spacing_um"] = _voxel_um(domain, wanted)


def _follow_duration(tree: Tree, user: Tree) -> None:
    """Let a run that is shorter than the default interval be recorded at its end, in place."""
    if any(dig(user, ("time", f"record_every_{unit}")) is not None for unit in ("h", "mcs")):
        return
    try:
        time = Time.model_validate(tree["time"])
    except ValidationError:
        return  # reported elsewhere
    hours = time.duration_h or (time.duration_mcs or 0) * time.mcs_s / 3600
    tree["time"]["record_every_h"] = min(time.record_every_h or hours, hours)


def _voxel_um(domain: Domain, wanted_um: float) -> float:
    """Return the largest multiple of the site, up to `wanted_um`, that divides the domain."""
    sites = [round(min(side / domain.spacing_um, 1e9)) for side in domain.size_um]
    most = min(wanted_um / domain.spacing_um, *(side // 2 for side in sites))
    times = int(most * (1 + 1e-9))
    while times > 1 and any(side % times for side in sites):
        times -= 1
    return max(times, 1) * domain.spacing_um


def _settle(tree: Tree, defaults: Tree) -> None:
    """Fill in the potency set of the drug, and sort named tables, in place."""
    for key in ("drug", "partner"):
        drug = tree.get(key)
        if not isinstance(drug, dict):
            continue
        name, own = drug.get("name"), resolved.own_of(tree, key)
        if not isinstance(name, str) or (own is None and name not in data.names("drugs")):
            continue
        found = load_drug(name, own)
        if drug.get("potency") is None:
            drug["potency"] = found.default_potency
        if type(drug.get("hill")) in (int, float) and drug["potency"] in list(found.potencies):
            drug["hill"] = dict.fromkeys(found.potencies[drug["potency"]].hill, drug["hill"])
    for path in (
        ("types",), ("ligands",), ("fields",), ("engine", "chemotaxis"),
        ("engine", "sensing_L50_ng_ml"), ("signalling", "receptors"),
    ):  # fmt: skip
        table, first = dig(tree, path), dig(defaults, path) or {}
        if isinstance(table, dict):  # results must not depend on the order of tables in a file
            ordered = {key: table[key] for key in [*first, *sorted(set(table) - set(first))]}
            table.clear()
            table.update(ordered)


# -- checking -----------------------------------------------------------------------------------


def _validate(
    tree: Tree, defaults: Tree, problems: list[Problem], lost: bool
) -> tuple[Scenario, list[str]]:
    """Return the scenario, and the keys that were replaced to get one.

    Wrong values are reported, then replaced by their default or dropped, so that everything else
    can still be checked.
    """
    broken: list[str] = []
    assay = assay_of(tree).name
    for attempt in range(100):  # one fix may bring up another error
        try:
            return class_of(assay_of(tree)).model_validate(tree), broken
        except ValidationError as found:
            errors = found.errors(include_url=False)
        if attempt == 0:
            problems += [
                keys.problem(e, assay) for e in errors if not (lost and e["type"] == "missing")
            ]
            broken += [keys.dotted(error["loc"]) for error in errors]
        for error in errors:
            _replace(tree, error["loc"], defaults, assay)
    raise AssertionError(
        f"the defaults of {tree.get('assay')!r} are not a valid scenario: {errors}"
    )


def _replace(tree: Tree, path: tuple[str | int, ...], defaults: Tree, assay: str) -> None:
    """Replace a wrong value by the default or a stand-in, or drop it if it is not needed."""
    if dig(tree, path[:-1]) is None:
        return  # fixed with another error
    for cut in range(len(path), 0, -1):
        parent, key, default = dig(tree, path[: cut - 1]), path[cut - 1], dig(defaults, path[:cut])
        if not isinstance(parent, dict):
            continue  # a list is replaced as a whole
        if default is None and keys.is_needed(path[:cut], assay) and not isinstance(key, int):
            default = keys.stand_in(path[:cut], assay)
        if default is not None and default != parent.get(str(key)):
            parent[str(key)] = deepcopy(default)
            return
        if key in parent:
            del parent[str(key)]
            return
