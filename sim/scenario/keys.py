"""Every key of a scenario in words: its meaning, its range, and messages about wrong values.

The one source is the schema; its published form is a JSON Schema with the defaults filled in.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, reduce
from operator import and_, or_
from typing import Any

from sim import data
from sim.assays import assays
from sim.assays.declare import Assay
from sim.errors import Problem, shown
from sim.scenario.classes import class_of
from sim.scenario.defaults import default_leaves
from sim.scenario.tree import dig
from sim.tables import Table

Node = dict[str, Any]
Path = tuple[str | int, ...]

OWN = ("setup", "readout")
"""Tables that each assay defines itself."""
_BOUNDS = {
    "exclusiveMinimum": "above",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}
_CONSTRAINTS = dict(
    zip(("gt", "ge", "lt", "le"), _BOUNDS, strict=True)  # pydantic's own names for them
)


@cache
def root(assay: str = "") -> Node:
    """Return the schema of a scenario as one nested JSON Schema, without references.

    Parameters
    ----------
    assay : str
        The assay whose own tables it has; those of all assays if there is none of this name.
    """
    schema: Node = reduce(_union, (_schema_of(class_of(one)) for one in _of(assay)))
    schema["description"] = "One experiment, complete."
    for key in OWN:
        tables = [_schema_of(getattr(one, key)) for one in _of(assay)]
        merged = reduce(or_, (table["properties"] for table in tables))
        needed = reduce(and_, (set(table.get("required", ())) for table in tables))
        schema["properties"][key] |= {
            "properties": merged, "required": [name for name in merged if name in needed],
        }  # fmt: skip
    return schema


def _union(one: Node, other: Node) -> Node:
    """Return a schema with the tables of two, of which what both need is needed."""
    merged = {**one["properties"], **other["properties"], **one["properties"]}
    for key in one["properties"].keys() & other["properties"].keys():
        if "properties" in one["properties"][key] and "properties" in other["properties"][key]:
            merged[key] = _union(one["properties"][key], other["properties"][key])
    needed = {*one.get("required", ())} & {*other.get("required", ())}
    return one | {"properties": merged, "required": [name for name in merged if name in needed]}


def _schema_of(table: type[Table]) -> Node:
    schema = table.model_json_schema()
    inlined: Node = _inline(schema, schema.pop("$defs", {}))
    return inlined


def _of(name: str) -> list[Assay]:
    """Return the assay of this name, or all if there is none."""
    return [assays()[name]] if name in assays() else [*assays().values()]


def _default_values(assay: str) -> Any:
    """Return the defaults of an assay, or those in which all agree that have the key."""
    by_model: dict[str, Any] = {}
    for one in _of(assay):
        values = data.values(default_leaves(one))
        before = by_model.get(one.model)
        by_model[one.model] = values if before is None else _same(before, values)
    return reduce(_agreed, by_model.values())


def _agreed(one: Any, other: Any) -> Any:
    """Return what is in one of two trees, or alike in both."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one
    tables = {
        key: _agreed(one[key], other[key])
        for key in one.keys() & other.keys()
        if one[key] == other[key] or (isinstance(one[key], dict) and isinstance(other[key], dict))
    }
    lone = {
        k: v for tree in (one, other) for k, v in tree.items() if k not in one or k not in other
    }
    return {key: (tables | lone)[key] for key in (*one, *other) if key in tables or key in lone}


def _same(one: Any, other: Any) -> Any:
    """Return what two trees have in common."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one
    shared = (key for key in one if key in other)
    return {
        key: _same(one[key], other[key])
        for key in shared
        if one[key] == other[key] or (isinstance(one[key], dict) and isinstance(other[key], dict))
    }


def json_schema() -> Node:
    """Return the JSON Schema of a scenario file, with the defaults of the data files."""
    schema = _with_defaults(root(), _default_values(""))
    schema["properties"] = {
        **schema["properties"],
        **{
            key: {
                "anyOf": [
                    _with_defaults(_schema_of(getattr(one, key)), _default_values(one.name)[key])
                    for one in assays().values()
                ]
            }
            for key in OWN
        },
        "extends": {
            "type": "string",
            "description": "a shipped scenario, or a file in or below this file's folder, "
            "whose keys apply where this file has none",
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "angiosim scenario",
        **schema,
    }


def find(path: Sequence[str | int], assay: str = "") -> Node | None:
    """Return the schema at a path of keys, or None if there is no such key.

    Parameters
    ----------
    path : sequence of str or int
        ``*`` stands for any name that the user chooses, and any place in a list of tables.
    assay : str
        The assay whose keys these are; those of all assays if there is none of this name.
    """
    node = root(assay)
    for key in path:
        if isinstance(key, str) and key in node.get("properties", {}):
            node = node["properties"][key]
        elif isinstance(key, str) and isinstance(node.get("additionalProperties"), dict):
            node = node["additionalProperties"]
        elif node.get("type") == "array" and "items" in node:
            node = node["items"]
        elif node.get("type") == "array" and str(key) in ("0", "1"):
            node = node["prefixItems"][int(key)]
        else:
            return None
    return node


def children(path: Sequence[str | int], assay: str = "") -> list[str]:
    """Return the keys of the table at a path; none where the user chooses the names."""
    node = find(path, assay)
    return list(node.get("properties", {})) if node else []


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as users write it: ``drug.media.0.free_nM``."""
    return ".".join(str(key) for key in path)


def words(key: str, assay: str = "") -> tuple[str, str]:
    """Return what a key is called on axes, and its unit: the start of its description.

    Parameters
    ----------
    key : str
        Such as ``engine.length.lambda``, which is ``length: strength``. What is no key of a
        scenario is called what it is, and so is a choice, whose description lists the options.
    assay : str
        As for `find`.
    """
    path = key.split(".")
    node = find(path, assay)
    if node is None or len(path) < 2 or "enum" in node or node.get("type") == "boolean":
        return key, ""
    place = int(path.pop()) if path[-1].isdecimal() else None
    unit = node.get("unit", "")
    about = (find(path, assay) or {}).get("description", "")
    pair = re.search(r" \[(\w+), (\w+)\]", about)
    which = f" {pair[place + 1]}" if pair and place in (0, 1) else ""
    brief = re.split(r"[,;] | \(| \[", about)[0]
    around = " ".join(path[1:-1] if brief else path[1:]).replace("_", " ")
    if unit and not brief:
        around = re.sub(rf"\b{re.escape(unit)}\b ?", "", around).replace("ic50", "IC50")
    return ": ".join(filter(None, [around, f"{brief}{which and ',' + which}"])), unit


def allowed(path: Sequence[str | int], assay: str = "") -> str:
    """Return the range of a key, as the end of a sentence: ``must be a number above 0 in um``."""
    node = find(path, assay)
    defaults = dig(_default_values(assay), tuple(path))
    return f"must be {_kind(node, defaults)}" if node else "must not be here"


def is_needed(path: Sequence[str | int], assay: str) -> bool:
    """Whether a key is required, or a table whose name the user chooses."""
    around, node = find(path[:-1], assay) or {}, find(path, assay) or {}
    named = path[-1] not in around.get("properties", {})
    return "properties" in node if named else path[-1] in around.get("required", [])


def stand_in(path: Sequence[str | int], assay: str) -> Any:
    """Return a valid value of a key, to replace a wrong one while the rest is checked."""
    return _stand_in(find(path, assay) or {})


def _stand_in(node: Node) -> Any:
    if "anyOf" in node:
        return _stand_in(node["anyOf"][0])
    if "enum" in node:
        return node["enum"][0]
    match node.get("type"):
        case "number" | "integer":
            return node.get("minimum", node.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return False
        case "string":
            return "x"
        case "array":
            return [_stand_in(item) for item in node.get("prefixItems", [])]
    return {key: _stand_in(node["properties"][key]) for key in node.get("required", [])}


def unknown(path: Sequence[str | int], assay: str) -> str:
    """Return a hint for an unknown key: the nearest beside it, or the place where it belongs."""
    name, siblings = str(path[-1]), children(path[:-1], assay)
    elsewhere = [
        dotted(leaf)
        for leaf in leaves(assay)
        if leaf[-1] == name and (leaf[0] != "partner" or path[0] == "partner")  # the same keys
    ]
    if len(elsewhere) == 1:
        return f"did you mean {elsewhere[0]!r}?"
    return data.nearest(name, siblings)


@cache
def leaves(assay: str = "") -> tuple[tuple[str, ...], ...]:
    """Return the paths of all values that a user sets; ``*`` stands for a name of the user's.

    ``[resolved]`` is written, not typed.
    """
    return tuple(path for path in _walk(root(assay), ()) if path[0] != "resolved")


def problem(error: Mapping[str, Any], assay: str) -> Problem:
    """Return a pydantic error of a scenario of this assay in plain words."""
    path: Path = tuple(error["loc"])
    kind, value, key = error["type"], error["input"], dotted(error["loc"])
    if kind == "extra_forbidden" and len(path) == 1 and find(path) is not None:
        return Problem(key, None, "unknown key", f"assay = {assay!r} has no such table")
    if kind == "extra_forbidden":
        return Problem(key, value, "unknown key", unknown(path, assay))
    if path and path[-1] == "[key]":  # the name of a table's key
        return Problem(dotted(path[:-1]), None, "its name must be a whole number from 1")
    if kind == "missing" and isinstance(path[-1], int):  # a list that is too short
        return Problem(dotted(path[:-1]), value, allowed(path[:-1], assay))
    if kind == "missing":
        return Problem(key, None, f"is missing; it {allowed(path, assay)}", _meaning(path, assay))
    hint = ""
    if kind == "finite_number":
        hint = "must be finite"
    elif kind == "literal_error" and isinstance(value, str):
        node = find(path, assay) or {}
        hint = data.nearest(value, [str(option) for option in node.get("enum", [])])
    elif kind == "value_error":
        hint = str(error["ctx"]["error"])
    elif kind in ("list_type", "tuple_type") and isinstance(value, dict):
        places = [name for name in value if name.isdecimal()]  # a setting such as media.7.free_nM
        hint = f"it has no place {places[-1]}; places are counted from 0" if places else ""
    return Problem(key, value, allowed(path, assay), hint)


def _meaning(path: Sequence[str | int], assay: str) -> str:
    """Return the description of a key."""
    return str((find(path, assay) or {}).get("description", ""))


def _kind(node: Node, defaults: Any = None) -> str:
    """Describe the values of a node: ``a whole number at least 1``."""
    if "anyOf" in node:
        return " or ".join(map(_kind, node["anyOf"]))
    if "const" in node:
        return shown(node["const"])
    if "enum" in node:
        return data.one_of(node["enum"]).removeprefix("must be ")
    match node.get("type"):
        case "number" | "integer":
            words = "a number" if node["type"] == "number" else "a whole number"
            bounds = [f"{text} {shown(node[key])}" for key, text in _BOUNDS.items() if key in node]
            unit = f" in {node['unit']}" if "unit" in node else ""
            return " ".join([words, " and ".join(bounds)]).strip() + unit
        case "boolean":
            return "true or false"
        case "string":
            return "a text" + (" of at least one character" if node.get("minLength") else "")
        case "array" if "prefixItems" in node:
            items = node["prefixItems"]
            return f"a list of {len(items)} {_plural(items[0])}"
        case "array":
            return f"a list of {_plural(node['items'])}"
    if "patternProperties" in node:  # cycles, days, doses
        (child,) = node["patternProperties"].values()
        return f"a table of {_plural(child)} by whole numbers from 1"
    if isinstance(node.get("additionalProperties"), dict):
        return f"a table of {_plural(node['additionalProperties']).partition(' with ')[0]} by name"
    given = defaults if isinstance(defaults, dict) else {}
    needed = [key for key in node.get("required", []) if key not in given]
    return f"a table with {_listed(needed)}" if needed else "a table"


def _plural(node: Node) -> str:
    """Describe the values of many nodes: ``whole numbers at least 1``."""
    one, _, more = _kind(node).removeprefix("a ").partition(" ")
    if one == "whole":
        one, more = "whole number", more.removeprefix("number").strip()
    return f"{one}s {more}".strip()


def _listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them: ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _inline(node: Any, definitions: Node) -> Any:
    """Return a schema with its references, null options and made-up titles resolved."""
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].removeprefix("#/$defs/")]
        node = {**target, **{key: item for key, item in node.items() if key != "$ref"}}
    if "anyOf" in node:  # nearly every union here is "this, or not given"
        options = [item for item in node["anyOf"] if item.get("type") != "null"]
        if len(options) == 1:
            node = {**options[0], **{key: item for key, item in node.items() if key != "anyOf"}}
            return _inline(node, definitions)
    clean: Node = {}
    for key, item in node.items():
        if key == "properties":
            clean[key] = {name: _inline(child, definitions) for name, child in item.items()}
        elif key == "default":
            if item not in (None, {}, []):
                clean[key] = item
        elif key != "title":
            clean[_CONSTRAINTS.get(key, key)] = _inline(item, definitions)
    return clean


def _with_defaults(node: Node, defaults: Any) -> Node:
    """Return a schema for files: nothing required that has a default, numbers also with units."""
    node = dict(node)
    node.pop("required", None)  # an extended file may give it
    if isinstance(defaults, dict):
        named: Node = node.get("properties") or dict.fromkeys(
            defaults, node["additionalProperties"]
        )
        node["properties"] = {
            name: _with_defaults(child, defaults.get(name)) for name, child in named.items()
        }
    elif "properties" in node:
        node["properties"] = {
            name: _with_defaults(child, None) for name, child in node["properties"].items()
        }
    elif defaults is not None:
        node["default"] = defaults
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            node[key] = _with_defaults(node[key], None)
    if "prefixItems" in node:
        node["prefixItems"] = [_with_defaults(item, None) for item in node["prefixItems"]]
    if "unit" in node:  # "12 mg" as well as 12
        bounds = {key: node.pop(key) for key in ("type", *_BOUNDS) if key in node}
        node["anyOf"] = [bounds, {"type": "string", "description": "a number with its unit"}]
    return node


def _walk(node: Node, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Walk to every value below a node."""
    if "properties" in node:
        for name, child in node["properties"].items():
            yield from _walk(child, (*path, name))
    elif isinstance(node.get("additionalProperties"), dict):
        yield from _walk(node["additionalProperties"], (*path, "*"))
    elif "properties" in node.get("items", {}):
        yield from _walk(node["items"], (*path, "*"))
    else:
        yield path


if __name__ == "__main__":  # writes the published schema: docs/schema/scenario.schema.json
    json.dump(json_schema(), sys.stdout, indent=2)
    print()
