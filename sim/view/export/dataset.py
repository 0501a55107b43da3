"""A run as an xarray Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.view.export.snapshots import Field, Snapshots, about, is_bed

if TYPE_CHECKING:
    import xarray as xr

    from sim.runs.result import Result

OF_MAPS = {
    "cell_id": "id of the cell, 0 for none",
    "cell_type": "type of the cell, 1 for endothelial",
    "cell_drive": "drive of the cell",
    "cell_activity": "endothelial activity of the cell",
}
NOTHING = {"cell_id": 0, "cell_type": 0}
"""What stands for what was not recorded; NaN in all else."""


def to_xarray(result: Result) -> xr.Dataset:
    """Return cells and fields over time; see `sim.runs.result.Result.to_xarray`."""
    import xarray as xr

    snapshots = Snapshots(result)
    own = float(result.scenario.domain.spacing_um)
    stacks: dict[str, NDArray[Any]] = {}
    grids: dict[str, tuple[float, dict[str, str]]] = {}
    hours = []
    for place, one in enumerate(snapshots):
        hours.append(one.time_h)
        maps = {} if is_bed(result.scenario) else one.maps
        found = {name: Field(values, own, "1", OF_MAPS[name]) for name, values in maps.items()}
        for name, field in (found | one.fields).items():
            if name not in stacks:
                shape = (len(snapshots), *field.values.shape)
                stacks[name] = np.full(shape, NOTHING.get(name, np.nan), field.values.dtype)
                grids[name] = field.spacing_um, {"units": field.unit, "long_name": field.words}
            stacks[name][place] = field.values
    coords: dict[str, Any] = {"time_h": ("time_h", hours, {"units": "h", "long_name": "time"})}
    variables = {}
    for name, values in stacks.items():
        spacing_um, attrs = grids[name]
        end = "" if spacing_um == own else f"_{spacing_um:g}"
        dims = [f"y_um{end}", f"x_um{end}"]
        for dim, count in zip(dims, values.shape[1:], strict=True):
            middles = (np.arange(count) + 0.5) * spacing_um
            coords[dim] = (dim, middles, {"units": "um", "spacing_um": spacing_um})
        variables[name] = (["time_h", *dims], values, attrs)
    return xr.Dataset(variables, coords, about(result))
