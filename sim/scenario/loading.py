"""From a file to a scenario: defaults, cell line, extended files, the file, single settings.

Each layer is laid over the one below it. All that is wrong is told at once.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from sim import data
from sim.errors import FileError, InputError, Problem, ScenarioError
from sim.files import named_file, read_toml
from sim.pharmacology.dosing import read_doses
from sim.pharmacology.drugs import load_drug
from sim.scenario import keys
from sim.scenario.checks import check
from sim.scenario.defaults import (
    default_leaves,
    dig,
    ligand_names,
    signalling_tables,
    without_signalling,
)
from sim.scenario.input import MOST_DEPTH, default_name, plain
from sim.scenario.schema import Domain, Scenario, Time
from sim.scenario.settings import ALTERNATIVES, REPLACED, contradictions

Tree = dict[str, Any]

# A pair of [behaviour] and the engine's value that it replaces: giving only the second keeps it.
DRIVEN = (
    (("behaviour", "length"), ("engine", "length", "target_sites")),
    (("behaviour", "chemotaxis", "cue"), ("engine", "chemotaxis", "cue", "mu")),
    (("behaviour", "persistence"), ("engine", "persistence", "mu")),
)
STUDIES, CALIBRATIONS = "sweeps/", "calibration/"  # where they stand among the scenarios
KINDS = {"scenario": "run", "study": "sweep", "calibration": "calibrate"}
"""The kinds of files, and the command of each."""
SHARED = ("base", "set", "replicates")
"""What studies and calibrations have, and scenarios have not."""
OWN = {
    "study": (
        "grid", "zip", "sample", "group", "dose_response", "combination", "sensitivity",
    ),
    "calibration": ("trials", "batch", "parameters", "data"),
}  # fmt: skip
"""What only files of a kind have."""
_UNHASHED = {"name", "description", "seed", "record"}
_NOT_STRUCTURE: Any = {
    **dict.fromkeys(_UNHASHED, True),
    "drug": True,
    "partner": True,
    "time": {"duration_h", "duration_mcs", "record_every_h", "record_every_mcs"},
    "ligands": {"__all__": {"media"}},
}


def shipped() -> dict[str, Path]:
    """Return the files of the scenarios that come with angiosim, by name."""
    others = (STUDIES, CALIBRATIONS)
    return {name: path for name, path in _shipped().items() if not name.startswith(others)}


def shipped_studies() -> dict[str, Path]:
    """Return the study files that come with angiosim, by name."""
    return {name: path for name, path in _shipped().items() if name.startswith(STUDIES)}


def shipped_calibrations() -> dict[str, Path]:
    """Return the calibration files that come with angiosim, by name."""
    return {name: path for name, path in _shipped().items() if name.startswith(CALIBRATIONS)}


def _shipped() -> dict[str, Path]:
    package = Path(data.__file__).parents[1]
    folder = package / "data" / "scenarios"  # in the wheel
    if not folder.is_dir():
        folder = package.parent / "scenarios"  # in a checkout
    files = sorted(folder.rglob("*.toml"))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def kind_of(source: str | Path | Mapping[str, Any], likely: str = "scenario") -> str:
    """Return whether a name, a file or its content is of a scenario, a study or a calibration.

    The kind is that to which most of its keys belong.

    Parameters
    ----------
    source : str, Path or mapping
        The name of a shipped file, a TOML file, or its content.
    likely : str
        What it is if as many keys belong there, or if it cannot be read.
    """
    names = {"scenario": shipped, "study": shipped_studies, "calibration": shipped_calibrations}
    try:
        if isinstance(source, Mapping):
            tree: Mapping[str, Any] = source
        elif found := [kind for kind, known in names.items() if str(source) in known()]:
            return found[0]
        else:
            tree = read_toml(Path(source))
    except InputError:
        return likely
    known = {kind: {*own, *SHARED} for kind, own in OWN.items()}
    known["scenario"] = {"extends", *keys.children(())} - {"format", "name", "description", "seed"}
    return max((likely, *known), key=lambda kind: len(known[kind].intersection(tree)))


def check_kind(source: str | Path | Mapping[str, Any], kind: str) -> None:
    """Refuse what is of another kind; for what was found wrong, to tell why.

    Raises
    ------
    ScenarioError
        If it is; the message names the right command.
    """
    found = kind_of(source, kind)
    if found == kind:
        return
    if isinstance(source, Mapping):
        label, command = kind, f"sim.{KINDS[found]}"
    else:
        label, command = str(source), f"angiosim {KINDS[found]} {shlex.quote(str(source))}"
    what = f"this is a {found}, not a {kind}: `{command}`"
    raise ScenarioError(label, [Problem("", None, what)])


def load(
    source: str | Path | Mapping[str, Any] | Scenario,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Scenario:
    """Return a complete, checked scenario.

    Parameters
    ----------
    source : str, Path, mapping or Scenario
        The name of a shipped scenario, a TOML file, its content, or a scenario to change.
    overrides : mapping, optional
        Values by dotted key, laid over the file: ``{"drug.free_nM": 5.6}``. A whole number in a
        key is a place in a list: ``drug.media.1.free_nM``.
    seed : int, optional
        Seed instead of the scenario's.

    Raises
    ------
    ScenarioError
        With everything that is wrong.
    """
    if isinstance(source, Scenario):
        source = _as_tree(source)
    label = "scenario" if isinstance(source, Mapping) else str(source) or "''"
    problems: list[Problem] = []
    try:
        layers = _layers(source, label, None, problems)
        # what is missing may stand in a file that was not found
        lost = any(problem.key.startswith(("extends", "drug.doses_csv")) for problem in problems)
        layers.append(_override_tree(overrides or {}, Path.cwd(), problems))
        if seed is not None:
            if "seed" in (overrides or {}):
                what = "is set twice: by --seed (seed) and by --set (overrides)"
                problems.append(Problem("seed", None, what, "keep one of them"))
            layers.append({"seed": plain(seed, problems, "seed")})
        return _resolve(_laid(layers, problems), label, problems, lost)
    except ScenarioError:
        check_kind(source, "scenario")
        raise
    except RecursionError:
        raise ScenarioError(label, [Problem("", None, "nested too deeply")]) from None


def content(
    tree: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    label: str = "scenario",
) -> Tree:
    """Return the content of a file with all that it extends laid beneath it, without defaults.

    Loading what this returns is loading the file, without reading any.

    Parameters
    ----------
    tree : mapping
        The content.
    overrides : mapping, optional
        As in `load`.
    folder : Path, optional
        Where it stands, the working folder if none is given: files that it names may lie in or
        below it.
    label : str
        What messages call it.

    Raises
    ------
    ScenarioError
        If a file that it extends cannot be read, or one file gives two keys for one thing.
    """
    problems: list[Problem] = []
    try:
        layers = _layers(tree, label, folder, problems)
        layers.append(_override_tree(overrides or {}, folder or Path.cwd(), problems))
        laid = _laid(layers, problems)
    except RecursionError:
        problems = [Problem("", None, "nested too deeply")]
    if problems:
        raise ScenarioError(label, problems)
    return laid


def dump(scenario: Scenario) -> str:
    """Return a scenario as TOML, complete; loading it again gives an equal scenario."""
    return tomli_w.dumps(_as_tree(scenario))


def scenario_hash(scenario: Scenario) -> str:
    """Return the SHA-256 of what decides a result: all but name, description, seed and record."""
    text = json.dumps(decisive(scenario), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def decisive(scenario: Scenario) -> Tree:
    """Return what decides a result: all but name, description, seed and record."""
    content: Tree = _canonical(scenario.model_dump(mode="json", by_alias=True, exclude=_UNHASHED))
    return content


def structure_of(scenario: Scenario) -> dict[str, str]:
    """Return, by table, a hash of the scenario that a state of the model belongs to.

    That is what decides a result without what may change in the course of a run: the drug, the
    media of ligands, how long it lasts and how often it is recorded.
    """
    content = _canonical(scenario.model_dump(mode="json", by_alias=True, exclude=_NOT_STRUCTURE))
    texts = {key: json.dumps(value, sort_keys=True) for key, value in content.items()}
    return {key: hashlib.sha256(text.encode()).hexdigest()[:16] for key, text in texts.items()}


# -- reading ------------------------------------------------------------------------------------


def _layers(
    source: str | Path | Mapping[str, Any],
    label: str,
    folder: Path | None,
    problems: list[Problem],
) -> list[Tree]:
    """Return the trees of a source, from the furthest extended one to the source itself."""
    if isinstance(source, Mapping):
        root = folder or Path.cwd()
        path, name = root / "content", "scenario"
        tree: Tree = plain(source, problems)
    else:
        path = shipped().get(str(source), Path(source))
        root, name = path.parent, default_name(path)
        try:
            tree = plain(read_toml(path), problems)
        except FileError as error:
            hint = ""
            if "no such file" in error.reason:
                hint = data.nearest(path.stem, shipped()) or "`angiosim scenarios` lists some"
            raise ScenarioError(label, [Problem("", None, error.reason, hint)]) from None
    _take_doses(tree, path.parent, root, problems)
    tree.setdefault("name", name)
    chain, seen = [tree], [path]
    while "extends" in tree:
        base = tree.pop("extends")
        try:
            path = _extended(base, path, root)
            if path in (other.resolve() for other in seen):
                raise InputError("must not lead back to itself")
            tree = plain(read_toml(path), problems)
        except InputError as error:
            hint = data.nearest(base, shipped()) if isinstance(base, str) else ""
            problems.append(Problem("extends", base, error.reason, hint))
            break
        seen.append(path)
        inside = root if path.is_relative_to(root.resolve()) else path.parent  # a shipped one
        _take_doses(tree, path.parent, inside, problems)
        tree = {key: item for key, item in tree.items() if key not in ("name", "description")}
        chain.append(tree)
    return chain[::-1]


def _take_doses(tree: Tree, folder: Path, root: Path, problems: list[Problem]) -> None:
    """Put the doses of a CSV file in the place of its name."""
    drug = tree.get("drug")
    if not isinstance(drug, dict) or not isinstance(drug.get("doses_csv"), str):
        return  # what is no text is found by the schema
    name = drug.pop("doses_csv")
    if "doses" in drug:
        problems.append(Problem("drug.doses_csv", name, "must not be given together with 'doses'"))
    try:
        doses = read_doses(named_file(name, folder, root))
    except ScenarioError as error:
        problems += [
            Problem(f"drug.doses_csv, {wrong.key}", wrong.value, wrong.allowed, wrong.hint)
            for wrong in error.problems
        ]
    except InputError as error:
        problems.append(Problem("drug.doses_csv", name, error.reason))
    else:
        drug["doses"] = [asdict(dose) for dose in doses]


def _extended(base: Any, path: Path, root: Path) -> Path:
    """Return the file that an ``extends`` in the file `path` names."""
    if isinstance(base, str) and base in shipped():
        return shipped()[base].resolve()
    try:
        return named_file(base, path.parent, root)
    except InputError as error:
        raise InputError(f"must be the name of a shipped scenario; else it {error}") from None


def _override_tree(overrides: Mapping[str, Any], folder: Path, problems: list[Problem]) -> Tree:
    """Return single settings by dotted key as one tree; they may name files below the folder."""
    tree: Tree = {}
    settings = plain(overrides, problems)
    wrong = contradictions(settings)
    problems += wrong.values()
    settings = {key: value for key, value in settings.items() if key not in wrong}
    for key, value in sorted(settings.items(), key=lambda item: item[0].count(".")):
        *above, last = key.split(".")
        if len(above) > MOST_DEPTH:
            problems.append(Problem(key, value, "is nested too deeply"))
            continue
        table: Any = tree
        for part in above:
            table = table.setdefault(part, {})
        if key == "extends":
            problems.append(Problem(key, value, "can only be given in a file"))
        elif "" in (*above, last):
            problems.append(Problem(key, value, "must be a dotted key such as drug.free_nM"))
        else:
            table[last] = value
    problems += [
        Problem(str(key), None, "None is no value; leave the key out")
        for key, value in overrides.items()
        if value is None
    ]
    _take_doses(tree, folder, folder, problems)
    return tree


def _contradictions(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Yield the pairs of alternative keys of which one layer gives both, and drop the second."""
    if isinstance(tree, list):
        for place, item in enumerate(tree):
            yield from _contradictions(item, (*path, place))
    if not isinstance(tree, dict):
        return
    for one, other in ALTERNATIVES:
        if tree.get(one) is not None and tree.get(other) is not None:
            value = tree.pop(other)
            yield Problem(
                keys.dotted((*path, other)), value, f"must not be given together with {one!r}"
            )
    for key, item in tree.items():
        yield from _contradictions(item, (*path, key))


# -- laying layers over each other --------------------------------------------------------------


def _laid(layers: list[Tree], problems: list[Problem]) -> Tree:
    """Lay all layers over each other, the first one lowest."""
    laid: Tree = {}
    for layer in layers:
        problems += _contradictions(layer)
        laid = _lay(laid, layer)
    return laid


def _lay(lower: Any, upper: Any) -> Any:
    """Return one tree laid over another; neither is changed."""
    if isinstance(lower, list) and isinstance(upper, dict) and _are_places(upper, lower):
        merged = list(lower)
        for place, item in upper.items():
            merged[int(place)] = _lay(merged[int(place)], item)
        return merged
    if not isinstance(upper, dict):
        return upper
    below = dict(lower) if isinstance(lower, dict) else {}
    if dig(upper, ("signalling", "enabled")) is False:
        below = deepcopy(below)
        without_signalling(below)
    for key in upper:
        if key in REPLACED and REPLACED[key] not in upper:
            below.pop(REPLACED[key], None)
    return below | {key: _lay(below.get(key), item) for key, item in upper.items()}


def _are_places(tree: Tree, items: list[Any]) -> bool:
    """Whether all keys of a table are places in a list."""
    return all(key in map(str, range(len(items))) for key in tree)


def _resolve(user: Tree, label: str, problems: list[Problem], lost: bool) -> Scenario:
    """Lay what the user gave over the defaults, and check it all."""
    told = [problem.key for problem in problems]
    enabled = dig(user, ("signalling", "enabled")) is not False
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
    tree = _lay(defaults, user)
    unknown = _drop_unknown(tree, problems)
    _follow_domain(tree, user, defaults)
    _follow_duration(tree, user)
    _settle(tree, defaults)
    scenario, broken = _validate(tree, defaults, problems, lost)
    if not lost:
        problems += check(scenario, [*broken, *unknown, *told])
    if problems:
        raise ScenarioError(label, problems)
    return scenario


def _default_tree(user: Tree, enabled: bool) -> Tree:
    """Return the defaults that hold under what the user gave."""
    assay, line = user.get("assay"), dig(user, ("cells", "line"))
    leaves = default_leaves(
        assay if isinstance(assay, str) and assay in data.names("assays") else "tube_formation",
        line if isinstance(line, str) and line in data.names("lines") else None,
        signalling=enabled,
    )
    drug = leaves.pop("drug", {})
    if isinstance(user.get("drug"), dict):
        leaves["drug"] = drug
    tree: Tree = data.values(leaves)
    for behaviour, engine in DRIVEN:
        if dig(user, engine) is not None and dig(user, behaviour) is None:
            table = dig(tree, behaviour[:-1]) or {}
            table.pop(behaviour[-1], None)
    return {"format": 1, "name": "scenario", "assay": "tube_formation"} | tree


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
        return  # told elsewhere
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
    """Name the drug's potency, and put named tables into one order, in place."""
    drug = tree.get("drug")
    known = isinstance(drug, dict) and drug.get("name") in data.names("drugs")
    if isinstance(drug, dict) and known and drug.get("potency") is None:
        drug["potency"] = load_drug(drug["name"]).default_potency
    for path in (
        ("types",), ("ligands",), ("fields",), ("engine", "chemotaxis"),
        ("signalling", "receptors"),
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
    """Return the scenario, and the keys that had to be mended to make one.

    What is wrong is reported, then replaced by its default or dropped, so that everything else
    can still be checked.
    """
    broken: list[str] = []
    for attempt in range(100):  # mending one thing may bring up another
        try:
            return Scenario.model_validate(tree), broken
        except ValidationError as found:
            errors = found.errors(include_url=False)
        if attempt == 0:
            problems += [keys.problem(e) for e in errors if not (lost and e["type"] == "missing")]
            broken += [keys.dotted(error["loc"]) for error in errors]
        for error in errors:
            _mend(tree, error["loc"], defaults)
    raise AssertionError(f"the defaults of {tree.get('assay')!r} are no valid scenario: {errors}")


def _mend(tree: Tree, path: tuple[str | int, ...], defaults: Tree) -> None:
    """Put the default or a stand-in in place of what is wrong, or drop what is not needed."""
    if dig(tree, path[:-1]) is None:
        return  # mended with another error
    for cut in range(len(path), 0, -1):
        parent, key, default = dig(tree, path[: cut - 1]), path[cut - 1], dig(defaults, path[:cut])
        if not isinstance(parent, dict):
            continue  # a list is mended as a whole
        if default is None and keys.is_needed(path[:cut]) and not isinstance(key, int):
            default = keys.stand_in(path[:cut])
        if default is not None and default != parent.get(str(key)):
            parent[str(key)] = deepcopy(default)
            return
        if key in parent:
            del parent[str(key)]
            return


# -- writing ------------------------------------------------------------------------------------


def _as_tree(scenario: Scenario) -> Tree:
    """Return a scenario as plain tables, without what is not given."""
    tree: Tree = _without_empty(scenario.model_dump(by_alias=True, exclude_none=True))
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
