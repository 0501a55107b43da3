"""Every parameter of a scenario, with its unit, its source, and whether it is the default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sim import data
from sim.assays import assay
from sim.errors import shown
from sim.scenario import keys
from sim.scenario.classes import line_of
from sim.scenario.defaults import default_leaves
from sim.scenario.resolve import load
from sim.scenario.schema import LatticeScenario, Scenario
from sim.scenario.treatment import Drug
from sim.scenario.tree import dig
from sim.scenario.writing import as_tree
from sim.view.report.part import Table, capital, unit_words

Path = tuple[str, ...]
FREE = ("format", "name", "description", "seed", "resolved")
"""Keys that are no parameters of the experiment."""
NO_DRUG = "no drug is given by default"
OWN = "given in the scenario"
FOLLOWS = "follows from other values of the scenario"
COLUMNS = ("key", "value", "unit", "default", "meaning", "source")


@dataclass(frozen=True)
class Parameter:
    """One value of a scenario.

    Attributes
    ----------
    key, value, unit, default, meaning, source : str
        As texts; `default` is empty where the value is it.
    """

    key: str
    value: str
    unit: str
    default: str
    meaning: str
    source: str

    @property
    def table(self) -> str:
        """The table that it is in."""
        return self.key.partition(".")[0] if "." in self.key else ""

    @property
    def row(self) -> tuple[str, ...]:
        """What a table of the report says."""
        return self.key, self.value, self.unit, self.default, self.meaning, self.source


def parameters_of(scenario: Scenario) -> list[Parameter]:
    """Return all parameters of a scenario, in its order."""
    leaves = _leaves(scenario)
    usual = _usual(scenario, leaves)
    found = dict(_flat(as_tree(scenario)))
    gone = [path for path in dict(_flat(usual)) if path not in found and path[0] not in FREE]
    here = [_parameter(path, value, leaves, usual, scenario) for path, value in found.items()
            if path[0] not in FREE]  # fmt: skip
    return here + [_parameter(path, None, leaves, usual, scenario) for path in gone]


def differing(found: Sequence[Parameter]) -> Table:
    """Return what is not default."""
    rows = [one.row[:5] for one in found if one.default]
    return Table("Parameters that are not the default", COLUMNS[:5], rows)


def by_table(found: Sequence[Parameter]) -> list[Table]:
    """Return all parameters, a table for each table of the scenario."""
    names = dict.fromkeys(one.table for one in found)
    return [
        Table(
            f"[{name}]" if name else "Top level",
            COLUMNS,
            [one.row for one in found if one.table == name],
        )
        for name in names
    ]


def of_table(found: Sequence[Parameter], name: str, caption: str) -> list[Table]:
    """Return the parameters of one table of the scenario in words, if it has any."""
    rows = [(one.meaning.partition(";")[0] or one.key, one.value, one.unit, one.key)
            for one in found if one.table == name]  # fmt: skip
    return [Table(caption, ("", "value", "unit", "key"), rows)] if rows else []


def of_drugs(scenario: Scenario) -> list[Table]:
    """Return what the data files say of the drugs: potencies, pharmacokinetics."""
    tables = []
    for drug, key in ((scenario.drug, "drug"), (scenario.partner, "partner")):
        if drug is None:
            continue
        own = scenario.resolved.own if key == "drug" else scenario.resolved.partner_own
        content = json.loads(own)["tables"] if own else _data("drugs", drug.name)
        tables += [
            *_potency(scenario, drug, key, content),
            *_kinetics(scenario, drug, key, content),
        ]
    return tables


def _data(kind: str, name: str) -> dict[str, Any]:
    return data.read(kind, name) if name in data.names(kind) else {}


def _potency(scenario: Scenario, drug: Drug, key: str, content: dict[str, Any]) -> Iterator[Table]:
    found = getattr(scenario.resolved, key)
    if found is None:
        return
    rows = []
    for name, set_value in found.ic50_nM.items():
        leaves = dig(content, ("potency", found.potency, name)) or {}
        value, slope = drug.ic50_nM.get(name, set_value), drug.hill.get(name, found.hill[name])
        rows.append([
            name, value, found.ic50_spread_nM.get(name), slope,
            _source(leaves.get("ic50_nM"), value, found.source),
            _source(leaves.get("hill"), slope, found.source),
        ])  # fmt: skip
    caption = f"Potency of {drug.name}: IC50 of unbound drug, set {found.potency}"
    columns = ("receptor", "IC50, nM", "spread, nM", "Hill slope", "source of the IC50",
               "source of the slope")  # fmt: skip
    remark = dig(content, ("potency", found.potency, "remark")) or ""
    yield Table(caption, columns, rows, f"{capital(found.source)} {capital(remark)}".strip())


def _kinetics(scenario: Scenario, drug: Drug, key: str, content: dict[str, Any]) -> Iterator[Table]:
    found = getattr(scenario.resolved, "pk" if key == "drug" else "partner_pk")
    if found is None or drug.exposure != "pk":
        return
    leaves = dig(content, ("pk", found.species, found.pk_set)) or {}
    per_kg = {"CL": "L/h", "Q": "L/h", "V": "L", "V1": "L", "V2": "L", "ka": "1/h", "lag": "h"}
    rows: list[list[Any]] = []
    for name, one in found.parameters.items():
        value = drug.pk.get(name, one.value)
        unit = per_kg.get(name, "")
        unit += "/kg" if found.per_kg and unit.startswith("L") else ""
        spread = f"CV {100 * one.cv:g} %" if one.cv else ""
        if one.between:
            spread = f"{one.between[0]:g} to {one.between[1]:g}"
        rows.append([name, value, unit, spread or None,
                     _source(leaves.get(name), value, found.source)])  # fmt: skip
    own = drug.fraction_unbound
    unbound = dig(content, ("fraction_unbound", found.species))
    share = found.fraction_unbound if own is None else own
    rows.append(["unbound share in plasma", share, "", None, _source(unbound, share, "")])
    caption = f"Pharmacokinetics of {drug.name}: {found.species}, set {found.pk_set}"
    columns = ("parameter", "value", "unit", "between subjects", "source")
    yield Table(caption, columns, rows, f"{capital(found.source)} {capital(found.remark)}".strip())


def _source(leaf: Any, value: Any, otherwise: str) -> str:
    """Return the source of a number: that of its leaf, if it is the value there."""
    if not data.is_leaf(leaf):
        return otherwise
    return _origin(leaf) if _same(leaf["value"], value) else OWN


def _origin(leaf: dict[str, Any]) -> str:
    words = str(leaf.get("source", ""))
    return f"{words} [{leaf['evidence']}]" if "evidence" in leaf else words


# -- one value ------------------------------------------------------------------------------------


def _leaves(scenario: Scenario) -> Any:
    """Return the defaults below a scenario, with their sources."""
    own = assay(scenario.assay)
    if not isinstance(scenario, LatticeScenario):
        return default_leaves(own)
    line = line_of(scenario)
    return default_leaves(
        own,
        line if line in data.names("lines") else None,
        scenario.domain.substrate,
        scenario.engine.sensing,
        signalling=scenario.signalling.enabled,
    )


def _usual(scenario: Scenario, leaves: Any) -> Any:
    """Return what a scenario has that gives nothing but what others follow from.

    Borders and voxels of fields follow from the domain, and a gradient from the set-up. Those
    themselves are as the data files have them.
    """
    tree = as_tree(scenario)
    given: dict[str, Any] = {
        "assay": scenario.assay, "domain": tree["domain"], "setup": tree["setup"],
        "time": {key: value for key, value in tree["time"].items() if "duration" in key},
        "units": scenario.units,
    }  # fmt: skip
    if isinstance(scenario, LatticeScenario):
        given["cells"] = {"line": scenario.cells.line}
        given["signalling"] = {"enabled": scenario.signalling.enabled}
        given["engine"] = {"sensing": scenario.engine.sensing}
    usual = as_tree(load(given))
    first = as_tree(load({"assay": scenario.assay}))
    for path in (("domain",), ("setup",), ("time",), ("cells", "line"), ("engine", "sensing")):
        for leaf in [one for one in dict(_flat(usual)) if one[: len(path)] == path]:
            _put(usual, leaf, dig(first, leaf))
    usual["units"] = "physical"
    if isinstance(scenario, LatticeScenario):
        _put(usual, ("signalling", "enabled"), True)
    return usual


def _put(tree: dict[str, Any], path: Path, value: Any) -> None:
    *above, last = path
    for key in above:
        tree = tree[key]
    if value is None:
        tree.pop(last, None)
    else:
        tree[last] = value


def _flat(tree: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a tree by their paths; a list is a value."""
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from _flat(item, (*path, str(key)))
    else:
        yield path, tree


def _parameter(path: Path, value: Any, leaves: Any, usual: Any, scenario: Scenario) -> Parameter:
    """Return what there is to say about a value; None is one that is not set."""
    node = keys.find(path, scenario.assay) or {}
    above = keys.find(path[:-1], scenario.assay) or {}
    meaning = str(node.get("description") or above.get("description") or "")
    leaf = dig(leaves, path)
    default = dig(usual, path)
    default = node.get("default") if default is None else default
    unit = node.get("unit") or (leaf or {}).get("unit", "") if _is_leaf(leaf) else node.get("unit")
    pair = [item.get("unit") for item in node.get("prefixItems", [])]
    unit = unit or (pair[0] if pair else "") or ""
    if _same(value, default):
        source = _origin(leaf) if _is_leaf(leaf) and _same(leaf["value"], value) else ""
        if not source and _is_leaf(leaf):
            source = FOLLOWS
        return Parameter(keys.dotted(path), _text(value), unit_words(unit), "", meaning, source)
    return Parameter(
        keys.dotted(path), _text(value), unit_words(unit), _text(default), meaning, OWN
    )


def _is_leaf(node: Any) -> bool:
    return data.is_leaf(node)


def _text(value: Any) -> str:
    return "not set" if value is None else shown(value, 400).strip("'\"")


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same, whatever kinds of lists and numbers they are."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
