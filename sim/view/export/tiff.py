"""OME-TIFF: label pictures and fields, with pixel sizes and times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.labels import label_type
from sim.view.export.snapshots import Snapshots, file_of_field, origin

UM_PER_CM = 1e4
BIG = 4_000_000_000  # bytes, for which a plain TIFF has no room


def write(run: Snapshots, folder: Path) -> Iterator[Path]:
    """Write a file for the cell ids and one for each field; yield each when it is written."""
    found, scenario = run.survey, run.result.scenario
    save = partial(_write, about=origin(run.result), name=str(scenario.name))
    if found.shape:
        yield save(
            folder / "cell_id.ome.tif",
            (one.cell_id for one in run),
            shape=found.shape,
            dtype=label_type(found.most_id),
            seconds=run.seconds,
            spacing_um=float(scenario.domain.spacing_um),
            channel="cell id",
        )
    for name, field in found.fields.items():
        yield save(
            folder / f"{file_of_field(name)}.ome.tif",
            _values(run, name),
            shape=found.shapes[name],
            dtype=np.dtype(np.float32),
            seconds=found.seconds[name],
            spacing_um=field.spacing_um,
            channel=name if field.unit == "1" else f"{name} ({field.unit})",
        )


def _values(run: Snapshots, name: str) -> Iterator[NDArray[np.float64]]:
    """Yield a field at each time at which it was recorded."""
    for one in run:
        if name in one.fields:
            yield one.fields[name].values


def _write(
    path: Path,
    pages: Iterator[NDArray[Any]],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    seconds: Sequence[float],
    spacing_um: float,
    channel: str,
    name: str,
    about: str,
) -> Path:
    """Write pages, one for each time, as one picture with the axes T, Y, X."""
    import tifffile

    whole = (len(seconds), *shape)
    metadata: dict[str, Any] = {
        "axes": "TYX",
        "Name": name,
        "Description": about,
        "Channel": {"Name": [channel]},
        "PhysicalSizeX": spacing_um,
        "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": spacing_um,
        "PhysicalSizeYUnit": "µm",
        "Plane": {"DeltaT": list(seconds), "DeltaTUnit": ["s"] * len(seconds)},
    }
    steps = np.diff(seconds)
    if steps.size and np.allclose(steps, steps[0], rtol=1e-9, atol=0):
        metadata |= {"TimeIncrement": float(steps[0]), "TimeIncrementUnit": "s"}
    tifffile.imwrite(
        path,
        (np.ascontiguousarray(page, dtype) for page in pages),
        shape=whole,
        dtype=dtype,
        ome=True,
        bigtiff=math.prod(whole) * dtype.itemsize > BIG,
        photometric="minisblack",
        compression="zlib",
        resolution=(UM_PER_CM / spacing_um, UM_PER_CM / spacing_um),
        resolutionunit="CENTIMETER",
        software="angiosim",
        metadata=metadata,
    )
    return path
