"""The defaults under a scenario, put together from the data files, each with its source."""

from __future__ import annotations

from typing import Any

from sim import data


def ligand_names() -> list[str]:
    """Return the growth factors, in the order of their receptors in the assay's weights."""
    weights = list(data.read("assays", "tube_formation")["behaviour"]["weights"])
    receptor = {name: data.read("ligands", name)["receptor"] for name in data.names("ligands")}
    order = {name: place for place, name in enumerate(weights)}
    return sorted(receptor, key=lambda name: (order.get(receptor[name], len(order)), name))


def default_leaves(assay: str, line: str | None = None, *, signalling: bool = True) -> Any:
    """Return all defaults as a tree of leaves ``{value, unit, spread, source, evidence}``.

    Parameters
    ----------
    assay : str
        Assay whose defaults these are.
    line : str or None
        Cell line; the assay's default line if None.
    signalling : bool
        Whether the cells have receptors. If not, ligands, their fields and receptors, behaviour
        and chemotaxis towards ligands have no defaults.

    Returns
    -------
    dict
        Tables as in a scenario. A ligand's field has the voxel side wanted as its ``spacing_um``.
    """
    tree = data.read("assays", assay)
    ligands = ligand_names()
    if signalling:
        for name in ligands:
            found = data.read("ligands", name)
            field = found["field"]
            if "voxel_um" in field:
                field["spacing_um"] = field.pop("voxel_um")
            _lay(tree, {"ligands": {name: found["ligand"]}, "fields": {name: field}})
            receptor = found["receptor"]
            constants = data.read("receptors", receptor)
            leaves = {key: leaf for key, leaf in constants.items() if data.is_leaf(leaf)}
            _lay(tree, {"signalling": {"receptors": {receptor: leaves}}})
    else:
        without_signalling(tree)
        tree["signalling"]["enabled"]["value"] = False
    return _lay(tree, data.read("lines", line or data.values(tree["cells"]["line"])))


def without_signalling(tree: dict[str, Any]) -> None:
    """Take out of a tree, in place, what cells without receptors do not have."""
    for path in signalling_tables(tree):
        table = tree
        for key in path[:-1]:
            table = table[key]
        del table[path[-1]]


def signalling_tables(tree: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return the paths of the tables of a tree that only mean something with receptors."""
    paths: list[tuple[str, ...]] = [
        ("ligands",), ("behaviour",), ("drug",), ("signalling", "receptors"),
    ]  # fmt: skip
    for name in ligand_names():
        paths += [("fields", name), ("engine", "chemotaxis", name)]
    return [path for path in paths if dig(tree, path) not in (None, {})]


def dig(tree: Any, path: tuple[str | int, ...]) -> Any:
    """Return the node at a path of keys and list places, or None if there is none."""
    for key in path:
        place = isinstance(tree, list) and isinstance(key, int) and -1 < key < len(tree)
        if not (place or (isinstance(tree, dict) and key in tree)):
            return None
        tree = tree[key]
    return tree


def _lay(tree: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree of leaves over another, in place."""
    for key, node in upper.items():
        if isinstance(node, dict) and not data.is_leaf(node) and isinstance(tree.get(key), dict):
            _lay(tree[key], node)
        else:
            tree[key] = node
    return tree
