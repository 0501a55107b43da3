"""VTK image data: cells and fields as voxels of their size, at their place; vessels as lines.

Written as the XML that VTK documents, arrays compressed and in base64, so that no library of it is
needed. A site is a cell of the image, not a point: the first one lies between 0 and its side.
"""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from sim.readouts.graph import NetworkGraph
from sim.view.export.network import network_of
from sim.view.export.snapshots import Snapshot, Snapshots, file_of_field, is_bed

TYPES = {
    "bool": "UInt8", "uint8": "UInt8", "int32": "Int32", "int64": "Int64", "float32": "Float32",
    "float64": "Float64",
}  # fmt: skip
HEAD = (
    '<?xml version="1.0"?>\n<VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" '
    'header_type="UInt64" compressor="vtkZLibDataCompressor">\n'
)
BLOCK = 1 << 20  # bytes that are compressed at a time


def write(run: Snapshots, folder: Path) -> Iterator[Path]:
    """Write a file of the cells and one of each field at each time, and a series of each."""
    series: dict[str, list[tuple[float, Path]]] = {}
    for one in run:
        texts = {
            f"{name}_{one.step:06d}.vti": image(arrays, spacing_um, one.time_h)
            for name, (arrays, spacing_um) in _images(one).items()
        }
        if is_bed(one.scenario):
            texts[f"vessels_{one.step:06d}.vtp"] = _lines(network_of(run.result, one), one.time_h)
        for name, text in texts.items():
            path = folder / name
            path.write_text(text, encoding="utf-8")
            series.setdefault(name.rpartition("_")[0], []).append((one.time_h, path))
            yield path
    for name, files in series.items():
        path = folder / f"{name}.pvd"
        path.write_text(_series(files), encoding="utf-8")
        yield path


def _images(one: Snapshot) -> dict[str, tuple[Mapping[str, NDArray[Any]], float]]:
    """Return the arrays of each image and the side of its voxels, um, by the name of the file."""
    images: dict[str, tuple[Mapping[str, NDArray[Any]], float]] = {}
    if not is_bed(one.scenario):
        images["cells"] = one.maps, one.spacing_um
    for name, field in one.fields.items():
        images[file_of_field(name)] = {name: field.values}, field.spacing_um
    return images


def image(arrays: Mapping[str, NDArray[Any]], spacing_um: float, time_h: float) -> str:
    """Return a flat image [y, x] as XML."""
    height, width = next(iter(arrays.values())).shape
    extent = f"0 {width} 0 {height} 0 0"
    sides = " ".join([repr(spacing_um)] * 3)
    return "".join([
        HEAD.format(kind="ImageData"),
        f'<ImageData WholeExtent="{extent}" Origin="0 0 0" Spacing="{sides}">\n',
        _time(time_h),
        f'<Piece Extent="{extent}">\n<CellData Scalars={quoteattr(next(iter(arrays)))}>\n',
        *(_array(name, values) for name, values in arrays.items()),
        "</CellData>\n</Piece>\n</ImageData>\n</VTKFile>\n",
    ])  # fmt: skip


def _lines(graph: NetworkGraph, time_h: float) -> str:
    """Return a graph as XML: its edges as straight lines."""
    count = len(graph.links)
    points = np.stack([graph.nodes["x_um"], graph.nodes["y_um"]], axis=1)
    points = np.pad(points, ((0, 0), (0, 1)))
    ends = 2 * np.arange(1, count + 1)
    return "".join([
        HEAD.format(kind="PolyData"),
        "<PolyData>\n",
        _time(time_h),
        f'<Piece NumberOfPoints="{len(points)}" NumberOfVerts="0" NumberOfLines="{count}" '
        'NumberOfStrips="0" NumberOfPolys="0">\n<Points>\n',
        _array("places", points, components=3),
        "</Points>\n<Lines>\n",
        _array("connectivity", graph.links),
        _array("offsets", ends.astype(np.int64)),
        "</Lines>\n<PointData>\n",
        *(_array(name, values) for name, values in graph.nodes.items()),
        "</PointData>\n<CellData>\n",
        *(_array(name, values) for name, values in graph.edges.items()),
        "</CellData>\n</Piece>\n</PolyData>\n</VTKFile>\n",
    ])  # fmt: skip


def _time(time_h: float) -> str:
    return (
        '<FieldData><DataArray type="Float64" Name="TimeValue" NumberOfTuples="1" format="ascii">'
        f"{time_h!r}</DataArray></FieldData>\n"
    )


def _array(name: str, values: NDArray[Any], components: int = 1) -> str:
    """Return an array as XML: x, the last axis, runs fastest."""
    data = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
    parts = [data[at : at + BLOCK] for at in range(0, len(data), BLOCK)]
    blocks = [zlib.compress(part) for part in parts]
    head = [len(parts), BLOCK, len(data) % BLOCK, *map(len, blocks)]
    text = (
        b64encode(each).decode() for each in (np.array(head, "<u8").tobytes(), b"".join(blocks))
    )
    kind = TYPES[values.dtype.name]
    return (
        f'<DataArray type="{kind}" Name={quoteattr(name)} NumberOfComponents="{components}" '
        f'format="binary">'
        f"{''.join(text)}</DataArray>\n"
    )


def _series(files: list[tuple[float, Path]]) -> str:
    """Return a collection of files by time, h."""
    rows = (
        f'<DataSet timestep="{time_h!r}" part="0" file={quoteattr(path.name)}/>\n'
        for time_h, path in files
    )
    return (
        '<?xml version="1.0"?>\n<VTKFile type="Collection" version="0.1" '
        f'byte_order="LittleEndian">\n<Collection>\n{"".join(rows)}</Collection>\n</VTKFile>\n'
    )
