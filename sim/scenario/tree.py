"""Trees of plain Python: dictionaries, lists, numbers, text."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sim import data
from sim.scenario.settings import REPLACED


def ligand_names() -> list[str]:
    """Return the growth factors, in the order of their receptors in the weights of all cells."""
    weights = list(data.read("model", "cell")["behaviour"]["weights"])
    receptor = {name: data.read("ligands", name)["receptor"] for name in data.names("ligands")}
    order = {name: place for place, name in enumerate(weights)}
    return sorted(receptor, key=lambda name: (order.get(receptor[name], len(order)), name))


def without_signalling(tree: dict[str, Any]) -> None:
    """Remove from a tree, in place, what cells without receptors do not have."""
    for path in signalling_tables(tree):
        table = tree
        for key in path[:-1]:
            table = table[key]
        del table[path[-1]]


def signalling_tables(tree: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the paths of the tables of a tree that only mean something with receptors."""
    paths: list[tuple[str, ...]] = [
        ("ligands",), ("behaviour",), ("drug",), ("partner",), ("signalling", "receptors"),
    ]  # fmt: skip
    for name in ligand_names():
        paths += [("fields", name)]
        paths += [("engine", table, name) for table in ("chemotaxis", "sensing_L50_ng_ml")]
    return [path for path in paths if dig(tree, path) not in (None, {})]


def dig(tree: Any, path: tuple[str | int, ...]) -> Any:
    """Return the node at a path of keys and list places, or None if there is none."""
    for key in path:
        place = isinstance(tree, list) and isinstance(key, int) and -1 < key < len(tree)
        if not (place or (isinstance(tree, dict) and key in tree)):
            return None
        tree = tree[key]
    return tree


Tree = dict[str, Any]


def overlay(lower: Any, upper: Any) -> Any:
    """Return one tree laid over another; neither is changed."""
    if isinstance(lower, list) and isinstance(upper, dict) and _are_places(upper, lower):
        merged = list(lower)
        for place, item in upper.items():
            merged[int(place)] = overlay(merged[int(place)], item)
        return merged
    if not isinstance(upper, dict):
        return upper
    below = dict(lower) if isinstance(lower, dict) else {}
    if dig(upper, ("signalling", "enabled")) is False:
        below = deepcopy(below)
        without_signalling(below)
    for key in upper:
        for other in REPLACED.get(key, ()):
            if other not in upper:
                below.pop(other, None)
    return below | {key: overlay(below.get(key), item) for key, item in upper.items()}


def _are_places(tree: Tree, items: list[Any]) -> bool:
    """Whether all keys of a table are places in a list."""
    return all(key in map(str, range(len(items))) for key in tree)
