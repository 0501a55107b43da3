"""``angiosim describe``: what a key of a scenario or a number of the data files means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from sim import data
from sim.assays import assays, columns
from sim.assays.declare import Assay, couplings
from sim.errors import InputError
from sim.files import read_toml
from sim.pharmacology.drug_file import read_drug_file
from sim.pharmacology.drugs import Drug, load_drug, read_drug
from sim.scenario import keys
from sim.scenario.defaults import default_leaves
from sim.scenario.resolve import load
from sim.scenario.tree import dig
from sim.scenario.writing import as_tree

KINDS = ("drugs", "species", "ligands", "receptors", "lines", "substrates", "model")


def describe(key: str | None = None) -> Group:
    """Return what there is to say about a key, a table or a name, for a rich console.

    Parameters
    ----------
    key : str, optional
        A dotted key or a table of scenarios (``engine.length``), the last part of a key
        (``temperature``), a read-out (``tube_length_mm``) or ``readouts`` for all of them, the name
        of a drug, species, ligand, receptor, cell line, substrate or assay, ``cell`` for the
        defaults that all cells share, or ``couplings``: what each part
        of a step reads and writes. An overview if None.

    Raises
    ------
    InputError
        If nothing is called so; the message names the nearest.
    """
    if key is None:
        return Group(*_overview())
    if key == "couplings":
        return Group(*_couplings())
    if key.endswith(".toml"):
        return Group(*_own_drug(Path(key)))
    names = {name: kind for kind in KINDS for name in data.names(kind)}
    if key in assays():
        return Group(*_assay(assays()[key]))
    if key in names:
        return Group(*_data_file(names[key], key))
    readouts = columns()
    if key == "readouts":
        return Group(*(entry for name in readouts for entry in _readout(name)))
    found = _matching(key.split("."))
    if key in readouts:
        about = (entry for path in found for entry in _key(path))
        return Group(*_readout(key), *about)
    if not found:
        paths = _all_keys()
        options = {keys.dotted(path[: cut + 1]) for path in paths for cut in range(len(path))}
        ends = dict.fromkeys(path[-1] for path in paths)
        hint = data.nearest(
            key, [*assays(), *names, *readouts, "readouts", "couplings", *ends, *options]
        )
        raise InputError(
            f"nothing is called {key!r}: must be a key of a scenario, a read-out, or one of "
            f"{', '.join((*assays(), *names))}" + (f" ({hint})" if hint else "")
        )
    return Group(*(entry for path in found for entry in _key(path)))


def _overview() -> Iterator[Text | Padding]:
    """List all keys by table, and all names."""
    tables: dict[str, list[str]] = {}
    for path in keys.leaves():
        tables.setdefault(keys.dotted(path[:-1]), []).append(path[-1])
    yield Text("Keys of a scenario (* is a name)", style="bold")
    for table, names in tables.items():
        yield Text(f"\n[{table}]" if table else "\ntop level")
        yield Padding.indent(Text(", ".join(names)), 4)
    yield Text("\nAssays", style="bold")
    for name, one in assays().items():
        yield Text(f"{name}: {one.title}")
    yield Text("\nNumbers with their sources", style="bold")
    for kind in KINDS:
        yield Text(f"{kind}: {', '.join(data.names(kind))}")
    yield Text("the step: couplings")
    yield Text("\nRead-outs", style="bold")
    yield Text(", ".join(columns()))
    yield Text(
        "\nangiosim describe NAME shows unit, default, range, meaning and source; "
        "angiosim describe readouts shows all read-outs."
    )


def _readout(name: str) -> Iterator[Text | Padding]:
    """Describe one read-out: unit, meaning, and the files that have it."""
    about = columns()[name]
    text = Text(name, style="bold")
    text.append(f" ({', '.join(part for part in ('read-out', about.unit) if part)})", "not bold")
    yield text
    files = ["timeseries.csv", *about.files]
    where = ", ".join(files).replace("results.csv", "results.csv of studies")
    having = [one.name for one in assays().values() if name in columns(one.name)]
    of = f" of {', '.join(having)}" if len(having) < len(assays()) else ""
    yield from _indented([about.doc, f"in {where}{of}"])


def _assay(one: Assay) -> Iterator[Text | Padding]:
    """Describe an assay: its read-outs, and what it sets over substrate and cells."""
    yield Text(f"{one.name} (assay)", style="bold")
    names = ", ".join(readout.name for readout in one.readouts)
    yield from _indented([one.title, f"read-outs: {names}", f"response: {one.response}"])
    yield Text("")
    yield from _leaves(read_toml(one.defaults), ())


def _couplings() -> Iterator[Text | Padding]:
    """Report what each part of a step reads and writes, in the order of events."""
    from sim.model.assay import own_parts
    from sim.model.clock import PARTS
    from sim.model.parts.behaviour import behaviour

    own = [part for one in assays().values() for part in own_parts(one)]
    after = PARTS.index(behaviour) + 1
    for part in (*PARTS[:after], *own, *PARTS[after:]):
        yield Text(part.__name__.replace("_", " "), style="bold")
        declared = couplings(part)
        ways = [f"reads {_listed(declared.reads)}", f"writes {_listed(declared.writes)}"]
        yield from _indented([(part.__doc__ or "").splitlines()[0].rstrip("."), *ways])


def _listed(quantities: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({unit})" for name, unit in quantities.items())


def _matching(parts: list[str]) -> list[tuple[str, ...]]:
    """Return the keys at or below a dotted key, or with that last part."""
    below = []
    for path in _all_keys():
        pairs = list(zip(parts, path, strict=False))
        if len(parts) <= len(path) and all(other in ("*", part) for part, other in pairs):
            below.append((*parts, *path[len(parts) :]))
    below = list(dict.fromkeys(below))
    found = [path for path in _all_keys() if parts == [path[-1]]]
    return below or [path for path in found if path[0] != "partner"]  # its keys are the drug's


@cache
def _all_keys() -> list[tuple[str, ...]]:
    """Return the paths of all values, with the names that have defaults put in for ``*``."""
    found: list[tuple[str, ...]] = []
    for pattern in keys.leaves():
        paths: list[tuple[str, ...]] = [()]
        for part in pattern:
            if part == "*":
                paths = [(*path, name) for path in paths for name in (*_named(path), "*")]
            else:
                paths = [(*path, part) for path in paths]
        found += paths
    return found


@cache
def _defaults(assay: str) -> Any:
    return default_leaves(assays()[assay])


@cache
def _completed(assay: str) -> Any:
    """Return what a scenario has that gives nothing but its assay: defaults follow from others."""
    return as_tree(load({"assay": assay}))


def _named(path: tuple[str, ...]) -> list[str]:
    """Return the names with defaults in a table of names."""
    tables = (dig(_defaults(assay), path) for assay in assays())
    return list(dict.fromkeys(name for t in tables if isinstance(t, dict) for name in t))


def _key(path: tuple[str, ...]) -> Iterator[Text | Padding]:
    """Describe one key: default, meaning, range and unit, source; by assay where they differ."""
    different: dict[str, list[str]] = {}
    for assay in assays():
        if keys.find(path, assay) is not None:
            about = keys.find(path, assay), dig(_defaults(assay), path)
            different.setdefault(repr(about), []).append(assay)
    for having in different.values():
        yield from _key_of(path, having[0], "" if len(having) == len(assays()) else having)


def _key_of(path: tuple[str, ...], assay: str, having: Sequence[str]) -> Iterator[Text | Padding]:
    """Describe a key of some assays."""
    node = keys.find(path, assay) or {}
    leaf = dig(_defaults(assay), path)
    if leaf is None:
        leaf = {"value": node["default"]} if "default" in node else {}
    required = path[-1] in (keys.find(path[:-1], assay) or {}).get("required", [])
    if required and assays()[assay].complete:
        value = dig(_completed(assay), path)
        leaf, required = ({"value": value}, False) if value is not None else (leaf, True)
    yield _title(
        keys.dotted(path), leaf, node.get("unit", ""), "required" if required else "not set"
    )
    lines = [f"of {', '.join(having)}"] if having else []
    above = keys.find(path[:-1], assay) or {} if path[-1] == "*" else {}
    meaning = node.get("description") or above.get("description")  # of a table of numbers by name
    lines += [meaning] if meaning else []
    lines.append(keys.allowed(path, assay).removeprefix("must be "))
    yield from _indented([*lines, *_source(leaf)])


def _own_drug(path: Path) -> Iterator[Text | Padding]:
    """Describe all numbers of a drug's data file."""
    tables = read_drug_file(path)
    yield Text(f"{path.stem} (drug)\n", style="bold")
    yield from _leaves(tables, ())
    yield from _half_lives(read_drug(path.stem, tables), tables)


def _data_file(kind: str, name: str) -> Iterator[Text | Padding]:
    """Describe all numbers of one data file."""
    yield Text(f"{name} ({data.one(kind)})\n", style="bold")
    yield from _leaves(data.read(kind, name), ())
    if kind == "drugs":
        yield from _half_lives(load_drug(name), data.read(kind, name))
    if kind != "lines":
        return
    parts = {part: data.read("model", part) for part in data.names("model")}
    for where, layer in (
        *parts.items(),
        *((one.name, read_toml(one.defaults)) for one in assays().values()),
    ):
        if own := layer.get("lines", {}).get(name):
            yield Text(f"\nin {where}", style="bold")
            yield from _leaves(own, ())


def _half_lives(drug: Drug, tables: dict[str, Any]) -> Iterator[Text | Padding]:
    """Report the half-lives that follow from each set of pharmacokinetics."""
    from sim.pharmacology.half_lives import half_lives
    from sim.pharmacology.reported import compared

    whole = tables.get("reported", {})
    reported = data.values(whole)
    for species, sets in drug.pk.items():
        for key, kinetics in sets.items():
            yield Text(f"\npk.{species}.{key}, computed", style="bold")
            found = half_lives(kinetics.model(), reported.get(species, {}).get("every_h", 24.0))
            lines = str(found).splitlines()
            lines += map(str, compared(kinetics, whole.get(species, {})))
            yield from _indented(lines)


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[Text | Padding]:
    """Walk through a tree of leaves and plain texts."""
    if data.is_leaf(node):
        yield _title(keys.dotted(path), node)
        yield from _indented(_source(node))
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from _leaves(item, (*path, key))
    else:
        yield Text(f"{keys.dotted(path)}: {node}")


def _title(key: str, leaf: dict[str, Any], unit: str = "", otherwise: str = "") -> Text:
    """Return ``key = value ± spread unit``; `otherwise` where there is no value."""
    text = Text(key, style="bold")
    if "value" in leaf:
        spread = leaf.get("spread", "")
        if isinstance(spread, list):
            spread = f" ({spread[0]} to {spread[1]})"
        elif spread:
            spread = f" ± {spread}"
        unit = leaf.get("unit") or unit
        text.append(f" = {_toml(leaf['value'])}{spread} {unit}".rstrip(), style="not bold")
    else:
        text.append(f"  {otherwise}", style="not bold italic")
    return text


def _toml(value: Any) -> str:
    """Return a value as it is written in a file."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _source(leaf: dict[str, Any]) -> list[str]:
    """Return where a value comes from, how good the evidence is, and why it is not met."""
    found = [f"{leaf['source']} [{leaf['evidence']}]"] if "source" in leaf else []
    return found + ([f"not met: {leaf['not_met']}"] if "not_met" in leaf else [])


def _indented(lines: list[str]) -> Iterator[Padding]:
    for line in lines:
        yield Padding.indent(Text(line, style="dim"), 4)
