"""The defaults under a scenario, put together from the data files, each with its source."""

from __future__ import annotations

from typing import Any

from sim import data
from sim.scenario.tree import ligand_names, without_signalling


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


def _lay(tree: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree of leaves over another, in place."""
    for key, node in upper.items():
        if isinstance(node, dict) and not data.is_leaf(node) and isinstance(tree.get(key), dict):
            _lay(tree[key], node)
        else:
            tree[key] = node
    return tree
