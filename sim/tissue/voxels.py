"""Cells in voxels: which lie where, and means over voxels and over cells."""

from __future__ import annotations

import numpy as np

from sim.kernels.compiling import inlined, kernel


@inlined
def mean_over_voxel(lattice, factor, y, x, of):
    """Mean over a voxel's sites of one number per cell row."""
    total = 0.0
    for site_y in range(y * factor, (y + 1) * factor):
        for site_x in range(x * factor, (x + 1) * factor):
            total += of[lattice[site_y, site_x]]
    return total / (factor * factor)


@kernel
def overlaps(lattice, factor):
    """Which cells lie in which voxels, line by line of sites.

    Parameters
    ----------
    lattice : (height, width) int32
    factor : int
        Sites along a voxel's side.

    Returns
    -------
    (overlaps, 3) int32
        Voxel, counted row by row; row of the cell; neighbouring sites of it on one line.
    """
    height, width = lattice.shape
    columns = width // factor
    out, n = np.empty((lattice.size, 3), np.int32), 0
    for y in range(height):
        line, first = lattice[y], y // factor * columns
        for column in range(columns):
            x, end = column * factor, (column + 1) * factor
            while x < end:
                row, begin = line[np.uint64(x)], x
                x += 1
                while x < end and line[np.uint64(x)] == row:
                    x += 1
                if row > 0:
                    out[n, 0], out[n, 1], out[n, 2] = first + column, row, x - begin
                    n += 1
    return out[:n]


@kernel
def spread(overlap, factor, of, out):
    """Mean over each voxel's sites of one number per cell row.

    Parameters
    ----------
    overlap : (overlaps, 3) int32
        See `overlaps`.
    factor : int
        Sites along a voxel's side.
    of : (rows,) float64
        Row 0 is the medium; there is no wall.
    out : (voxels,) float64
        Filled.
    """
    out[:] = 0.0
    if not np.all(of == of[0]):  # else no need to look who is where
        for i in range(overlap.shape[0]):
            voxel, row = np.uint64(overlap[i, 0]), np.uint64(overlap[i, 1])
            out[voxel] += overlap[i, 2] * (of[row] - of[0])
    sites = factor * factor
    for at in range(out.size):
        out[at] = of[0] + out[at] / sites


@kernel
def average_by_cell(overlap, values, area, mean):
    """Means of some fields over each cell's sites.

    Parameters
    ----------
    overlap : (overlaps, 3) int32
        See `overlaps`.
    values : (voxels, fields) float64
    area : (rows,) int64
        Sites of each cell.
    mean : (rows, fields) float64
        Filled; 0 for rows without sites, the medium and the wall.
    """
    mean[:] = 0.0
    for i in range(overlap.shape[0]):
        voxel, row, sites = np.uint64(overlap[i, 0]), np.uint64(overlap[i, 1]), overlap[i, 2]
        for k in range(values.shape[1]):
            mean[row, np.uint64(k)] += sites * values[voxel, np.uint64(k)]
    for of in range(area.size):
        for k in range(values.shape[1]):
            mean[of, k] /= max(area[of], 1)
