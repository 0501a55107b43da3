"""The fields that cells follow, as the sweep reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel
from sim.tissue.fields import Field
from sim.tissue.lattice import runs_of


class Attractants(NamedTuple):
    """The fields that cells follow, as kernels take them."""

    values: NDArray[np.float64]
    """(voxels of all fields,) one field after the other, row by row."""
    layout: NDArray[np.int64]
    """(fields, 4) where a field begins, its rows, its columns, sites along a voxel's side."""

    @classmethod
    def of(cls, followed: Sequence[Field]) -> Attractants:
        """A copy of the values of some fields, one after the other."""
        values = [field.values for field in followed]
        ends = np.cumsum([each.size for each in values], dtype=np.int64)
        layout = [
            (end - field.values.size, *field.values.shape, field.factor)
            for field, end in zip(followed, ends, strict=True)
        ]
        return cls(
            np.concatenate([np.empty(0), *(each.ravel() for each in values)]),
            np.array(layout, np.int64).reshape(-1, 4),
        )


@inlined
def voxels_around(site, factor, voxels, periodic):
    """The two voxels whose centres lie around a site along an axis, and the second's share.

    Beyond the edge is the opposite edge of a periodic domain, or else the edge itself.
    """
    position = (site + 0.5) / factor - 0.5
    first = int(np.floor(position))
    share = position - first
    if periodic:
        return first % voxels, (first + 1) % voxels, share
    return max(first, 0), min(first + 1, voxels - 1), share


@kernel
def sense(attractants, ys, xs, periodic):
    """Concentrations of the followed fields at the sites of a patch.

    Coarse voxels are interpolated bilinearly between their centres.

    Parameters
    ----------
    attractants : Attractants
    ys, xs : (rows,), (columns,) int64
        Sites of a patch along both axes, -1 for walls; see `sim.tissue.lattice.patch_axis`.
    periodic : bool

    Returns
    -------
    (fields, rows * columns) float64
        Whatever is there at walls.
    """
    values, layout = attractants
    row = xs.size
    out = np.empty((layout.shape[0], ys.size * row))
    runs = runs_of(xs)
    left, right, share = np.empty(row, np.int64), np.empty(row, np.int64), np.empty(row)
    for k in range(layout.shape[0]):
        begin, rows, columns, factor = layout[k, 0], layout[k, 1], layout[k, 2], layout[k, 3]
        field, line = values[begin : begin + rows * columns], out[k]
        if factor == 1:
            for i in range(ys.size):
                first = max(ys[i], 0) * columns
                for r in range(runs.shape[0]):
                    at, x = i * row + runs[r, 0], first + max(runs[r, 1], 0)
                    for j in range(runs[r, 2]):
                        line[np.uint64(at + j)] = field[np.uint64(x + j)]
            continue
        for i in range(row):
            left[i], right[i], share[i] = voxels_around(xs[i], factor, columns, periodic)
        for i in range(ys.size):
            above, below, part = voxels_around(ys[i], factor, rows, periodic)
            upper, lower = field[above * columns :], field[below * columns :]
            for j in range(row):
                high = upper[left[j]] * (1.0 - share[j]) + upper[right[j]] * share[j]
                low = lower[left[j]] * (1.0 - share[j]) + lower[right[j]] * share[j]
                line[i * row + j] = high * (1.0 - part) + low * part
    return out
