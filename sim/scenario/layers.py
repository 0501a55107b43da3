"""The layers of a scenario: what a file extends, the file, single settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sim import data
from sim.errors import FileError, InputError, Problem, ScenarioError
from sim.files import named_file, read_toml
from sim.input import MOST_DEPTH, default_name, plain
from sim.pharmacology.dose_table import read_doses
from sim.pharmacology.drug_file import as_own
from sim.scenario import keys
from sim.scenario.image import read_image
from sim.scenario.resolved import OWN
from sim.scenario.settings import ALTERNATIVES, contradictions
from sim.scenario.shipped import shipped
from sim.scenario.tree import Tree, dig, overlay

# A pair of [behaviour] and the engine's value that it replaces: giving only the second keeps it.
DRIVEN = (
    (("behaviour", "length"), ("engine", "length", "target_sites")),
    (("behaviour", "chemotaxis", "cue"), ("engine", "chemotaxis", "cue", "mu")),
    (("behaviour", "persistence"), ("engine", "persistence", "mu")),
)


def content(
    tree: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    folder: Path | None = None,
    label: str = "scenario",
) -> Tree:
    """Return the content of a file laid over all that it extends, without defaults.

    Loading this equals loading the file, but reads none.

    Parameters
    ----------
    tree : mapping
        The content.
    overrides : mapping, optional
        As in `load`.
    folder : Path, optional
        Its folder, by default the working folder: it may refer to files in or below it.
    label : str
        Its name in messages.

    Raises
    ------
    ScenarioError
        If a file that it extends cannot be read, or one file gives two keys for one thing.
    """
    problems: list[Problem] = []
    try:
        layers = layers_of(tree, label, folder, problems)
        layers.append(override_tree(overrides or {}, folder or Path.cwd(), problems))
        laid = merge_layers(layers, problems)
    except RecursionError:
        problems = [Problem("", None, "nested too deeply")]
    if problems:
        raise ScenarioError(label, problems)
    return laid


def layers_of(
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
                hint = (
                    data.nearest(path.stem, shipped())
                    or "`angiosim scenarios` lists the shipped ones"
                )
            raise ScenarioError(label, [Problem("", None, error.reason, hint)]) from None
    _take_files(tree, path.parent, root, problems)
    tree.setdefault("name", name)
    chain, seen = [tree], [path]
    while "extends" in tree:
        base = tree.pop("extends")
        try:
            path = _extended(base, path, root)
            if path in (other.resolve() for other in seen):
                raise InputError("must not be circular")
            tree = plain(read_toml(path), problems)
        except InputError as error:
            hint = data.nearest(base, shipped()) if isinstance(base, str) else ""
            problems.append(Problem("extends", base, error.reason, hint))
            break
        seen.append(path)
        inside = root if path.is_relative_to(root.resolve()) else path.parent  # a shipped one
        _take_files(tree, path.parent, inside, problems)
        tree = {key: item for key, item in tree.items() if key not in ("name", "description")}
        chain.append(tree)
    return chain[::-1]


def _take_files(tree: Tree, folder: Path, root: Path, problems: list[Problem]) -> None:
    """Replace the names of files by what they hold: doses, drugs and label pictures."""
    _take_doses(tree, folder, root, problems)
    _take_image(tree, folder, root, problems)
    for table in ("drug", "partner"):
        drug, key = tree.get(table), f"{table}.file"
        if not isinstance(drug, dict) or not isinstance(drug.get("file"), str):
            continue  # other values than texts are reported by the schema
        name = drug.pop("file")
        if "name" in drug:
            problems.append(Problem(key, name, "must not be given together with 'name'"))
        try:
            path = named_file(name, folder, root)
            written = tree.get("resolved")
            written = written if isinstance(written, dict) else {}
            tree["resolved"] = written | {OWN[table]: as_own(path)}
            drug["name"] = path.stem
        except ScenarioError as error:
            problems += _in_file(key, error)
        except InputError as error:
            problems.append(Problem(key, name, error.reason))


def _take_doses(tree: Tree, folder: Path, root: Path, problems: list[Problem]) -> None:
    """Replace the name of a CSV file by its doses."""
    for table in ("drug", "partner"):
        drug, key = tree.get(table), f"{table}.doses_csv"
        if not isinstance(drug, dict) or not isinstance(drug.get("doses_csv"), str):
            continue  # other values than texts are reported by the schema
        name = drug.pop("doses_csv")
        if "doses" in drug:
            problems.append(Problem(key, name, "must not be given together with 'doses'"))
        try:
            doses = read_doses(named_file(name, folder, root))
        except ScenarioError as error:
            problems += _in_file(key, error)
        except InputError as error:
            problems.append(Problem(key, name, error.reason))
        else:
            drug["doses"] = [asdict(dose) for dose in doses]


def _take_image(tree: Tree, folder: Path, root: Path, problems: list[Problem]) -> None:
    """Keep the content of a label picture, unless it was kept before."""
    name, kept = dig(tree, ("cells", "image")), dig(tree, ("resolved", "image"))
    if not isinstance(name, str) or (isinstance(kept, dict) and kept.get("name") == name):
        return  # other values than texts are reported by the schema
    written = tree.get("resolved")
    written = written if isinstance(written, dict) else {}
    try:
        found = read_image(named_file(name, folder, root), name)
        tree["resolved"] = written | {"image": found}
    except InputError as error:
        problems.append(Problem("cells.image", name, error.reason))


def _in_file(key: str, error: ScenarioError) -> Iterator[Problem]:
    """Yield the errors of a file, after the key that names it."""
    for one in error.problems:
        yield Problem(f"{key}, {one.key}".removesuffix(", "), one.value, one.allowed, one.hint)


def _extended(base: Any, path: Path, root: Path) -> Path:
    """Return the file that an ``extends`` in the file `path` names."""
    if isinstance(base, str) and base in shipped():
        return shipped()[base].resolve()
    try:
        return named_file(base, path.parent, root)
    except InputError as error:
        raise InputError(f"must be the name of a shipped scenario; else it {error}") from None


def override_tree(overrides: Mapping[str, Any], folder: Path, problems: list[Problem]) -> Tree:
    """Return settings by dotted key as one tree; they may refer to files below the folder."""
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
        if key == "extends":
            problems.append(Problem(key, value, "can only be given in a file"))
            continue
        if key.partition(".")[0] == "resolved":
            problems.append(Problem(key, value, "is written, not typed: set the drug's own keys"))
            continue
        if "" in (*above, last):
            problems.append(Problem(key, value, "must be a dotted key such as drug.free_nM"))
            continue
        table: Any = tree
        for part in above:
            table = table.setdefault(part, {})
        table[last] = value
    problems += [
        Problem(str(key), None, "None is not a value; omit the key")
        for key, value in overrides.items()
        if value is None
    ]
    _take_files(tree, folder, folder, problems)
    return tree


def _contradictions(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """Yield the alternative keys that one layer gives together, and drop the second."""
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


def merge_layers(layers: list[Tree], problems: list[Problem]) -> Tree:
    """Lay all layers over each other, the first one lowest."""
    laid: Tree = {}
    for layer in layers:
        problems += _contradictions(layer)
        for table in ("drug", "partner"):
            laid = _without_sets_of_others(laid, layer, table)
        if isinstance(dig(layer, ("cells", "image")), str):  # the picture has the cells
            for key in ("count", "density_per_mm2"):
                (dig(laid, ("cells",)) or {}).pop(key, None)
        laid = overlay(laid, layer)
    return laid


def _without_sets_of_others(lower: Tree, upper: Tree, table: str) -> Tree:
    """Return the lower layers without the named sets of a drug or a species that is replaced."""
    below, above = lower.get(table), upper.get(table)
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return lower

    def replaced(key: str) -> bool:
        return key in above and below.get(key) not in (None, above[key])

    gone = {"potency", "pk_set"} if replaced("name") else set()
    gone |= {"pk_set"} if replaced("species") else set()
    found = lower | {table: {key: item for key, item in below.items() if key not in gone}}
    if dig(upper, ("resolved", OWN[table])) not in (None, dig(lower, ("resolved", OWN[table]))):
        parts = {"drug": ("drug", "pk"), "partner": ("partner", "partner_pk")}[table]
        written = lower.get("resolved")  # from another file, perhaps of the same name
        if isinstance(written, dict):
            found["resolved"] = {key: item for key, item in written.items() if key not in parts}
    return found
