"""What a model looks like at one time, as arrays for files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.model.clock import AngiogenesisModel

Arrays = dict[str, NDArray[Any]]


def frame(model: AngiogenesisModel, *, fields: bool) -> Arrays:
    """Lattice, who the cells are and what drives them, as in ``frames/NNNNNN.npz``.

    Parameters
    ----------
    model : AngiogenesisModel
    fields : bool
        Whether concentrations are there too.

    Returns
    -------
    dict of str to ndarray
        ``cell_id`` (y, x); ``cell_unique_id``, ``cell_type``, ``cell_drive`` and ``cell_activity``
        (rows,), row 0 being the medium; ``field_NAME`` and ``spacing_um_NAME``.
    """
    arrays: Arrays = {"cell_id": model.cell_id.copy(), "cell_unique_id": model.ids[:-1]}
    for name in ("type", "drive", "activity"):
        arrays[f"cell_{name}"] = model.cells[name][:-1].copy()
    if fields:
        arrays |= _fields(model)
    return arrays


def final_arrays(model: AngiogenesisModel) -> Arrays:
    """Everything that ``final.npz`` holds."""
    columns = {f"cell_{name}": rows for name, rows in model.cells.by_name().items()}
    memory = {name: array.copy() for name, array in model.assay.state().items()}
    return {"cell_id": model.cell_id.copy(), **_fields(model), **columns, **memory}


def _fields(model: AngiogenesisModel) -> Arrays:
    arrays: Arrays = {}
    spacing_um = model.scenario.domain.spacing_um
    for name, values in model.fields.items():
        arrays[f"field_{name}"] = values.copy()
        factor = model.scenario.shape[0] // values.shape[0]
        arrays[f"spacing_um_{name}"] = np.array(spacing_um * factor)
    return arrays
