"""The defaults under a scenario, put together from the data files, each with its source."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from sim import data
from sim.assays import assays, default_assay
from sim.assays.declare import Assay
from sim.files import read_toml
from sim.scenario.tree import dig, ligand_names, without_signalling


def assay_of(tree: Mapping[str, Any]) -> Assay:
    """Return the assay of a tree, or the default one."""
    name = tree.get("assay")
    return assays().get(name if isinstance(name, str) else "", default_assay())


def default_leaves(
    assay: Assay,
    line: str | None = None,
    substrate: str | None = None,
    sensing: str | None = None,
    *,
    signalling: bool = True,
) -> Any:
    """Return all defaults as a tree of leaves ``{value, unit, spread, source, evidence}``.

    The biology of all cells lies lowest, then the substrate, what cells of this assay do beside
    (its parts), the assay and the cell line.

    Parameters
    ----------
    assay : Assay
        Assay whose defaults these are.
    line, substrate : str or None
        Cell line and substrate; the assay's own defaults if None.
    sensing : str or None
        What cells compare along a gradient of ligand; the assay's own default if None.
    signalling : bool
        Whether the cells have receptors. If not, ligands, their fields and receptors, behaviour
        and chemotaxis towards ligands have no defaults.

    Returns
    -------
    dict
        Tables as in a scenario. A ligand's field has the voxel side wanted as its ``spacing_um``.
    """
    own = deepcopy(_read(assay.defaults))
    if assay.model != "lattice":
        record = data.read("model", "cell")["record"]
        return _lay({"setup": {}, "readout": {}, "record": record}, own)
    parts = [data.read("model", part) for part in assay.parts if part in data.names("model")]
    lines = [layer.pop("lines", {}) for layer in (*parts, own)]
    ligands = ligand_names()
    followed: dict[str, Any] = {}
    tree = data.read("model", "cell")
    _lay(tree, {"fields": {}})
    for name in ligands:
        found = data.read("ligands", name)
        field = found["field"]
        if "voxel_um" in field:
            field["spacing_um"] = field.pop("voxel_um")
        _lay(tree, {"ligands": {name: found["ligand"]}, "fields": {name: field}})
        half = found["sensing"].pop("L50_ng_ml")
        _lay(tree, {"engine": {"sensing_L50_ng_ml": {name: half}}})
        followed[name] = found["sensing"]
        receptor = found["receptor"]
        constants = data.read("receptors", receptor)
        leaves = {key: leaf for key, leaf in constants.items() if data.is_leaf(leaf)}
        _lay(tree, {"signalling": {"receptors": {receptor: leaves}}})
    _lay(tree, {"setup": {}, "readout": {}})  # an assay may have nothing to choose
    _lay(tree, data.read("substrates", substrate or data.values(own["domain"]["substrate"])))
    for layer in (*parts, own):
        _lay(tree, layer)
    line = line or data.values(tree["cells"]["line"])
    _lay(tree, {key: table for key, table in data.read("lines", line).items() if key != "remark"})
    for own_of_line in lines:
        _lay(tree, own_of_line.get(line, {}))
    if (sensing or tree["engine"]["sensing"]["value"]) == "occupancy":
        for name in ligands:  # the strength is what the receptors say
            own = dig(tree, ("engine", "chemotaxis", name)) or {}
            own = {key: leaf for key, leaf in own.items() if key not in ("mu", "saturation")}
            tree["engine"]["chemotaxis"][name] = followed[name] | own
    for table in (tree["fields"], dig(tree, ("engine", "chemotaxis")) or {}):
        for name in ligands:  # after the other fields, to keep the order of results
            if name in table:
                table[name] = table.pop(name)
    if not signalling:
        without_signalling(tree)
        for part in assay.parts:  # what cells do on signals
            tree["cells"].pop(part, None)
        tree["signalling"]["enabled"]["value"] = False
        tree["engine"]["sensing"]["value"] = "concentration"
    return tree


@cache
def _read(path: Path) -> Any:
    return read_toml(path)


def _lay(tree: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """Lay one tree of leaves over another, in place."""
    for key, node in upper.items():
        if isinstance(node, dict) and not data.is_leaf(node) and isinstance(tree.get(key), dict):
            _lay(tree[key], node)
        else:
            tree[key] = node
    return tree
