"""Cells in voxels: which lie where, and means over voxels and over cells."""

from __future__ import annotations

import numpy as np

from sim.kernels.compiling import inlined, kernel
from sim.kernels.vectors import BLOCK, changes, lowest_one, nonzero

_0, _1, _BLOCK = np.uint64(0), np.uint64(1), np.uint64(BLOCK)


@inlined
def mean_over_voxel(lattice, factor, y, x, of):
    """Mean over a voxel's sites of one number per cell row."""
    total = 0.0
    for site_y in range(y * factor, (y + 1) * factor):
        for site_x in range(x * factor, (x + 1) * factor):
            total += of[lattice[site_y, site_x]]
    return total / (factor * factor)


@inlined
def _mark_runs(line, borders, rest, begins, in_cells):
    """Mark the first site of each run of a line, and among them those in cells.

    ``borders`` are marks where voxels begin and the line ends, and ``rest`` has room for the sites
    after the last whole block, and 0 beyond them.
    """
    whole, last = line.size // BLOCK, np.int32(0)
    for at in range(BLOCK * whole, line.size):
        rest[np.uint64(at - BLOCK * whole)] = line[np.uint64(at)]
    for k in range(whole + 1):
        word = np.uint64(k)
        if k < whole:
            begin, inside = changes(line, BLOCK * k, last), nonzero(line, BLOCK * k)
            last = line[np.uint64(BLOCK * k + BLOCK - 1)]
        else:
            begin, inside = changes(rest, 0, last), nonzero(rest, 0)
        begins[word] = begin | borders[word]
        in_cells[word] = begins[word] & inside


@inlined
def _next_mark(marks, after):
    """Place of the first mark after a site; there is one at the end of the line."""
    word = after // _BLOCK
    later = marks[word] & (~_1 << after % _BLOCK)
    while later == _0:
        word += _1
        later = marks[word]
    return word * _BLOCK + lowest_one(later)


@kernel
def overlaps(lattice, factor):
    """Which cells lie in which voxels, line by line of sites.

    Parameters
    ----------
    lattice : (height, width) int32
    factor : int
        Sites along a voxel's side, which divides those of the lattice.

    Returns
    -------
    (overlaps, 3) int32
        Voxel, counted row by row; row of the cell; neighbouring sites of it on one line.
    """
    height, width = lattice.shape
    words = width // BLOCK + 1
    borders, column = np.zeros(words, np.uint64), np.empty(width, np.int32)
    for x in range(0, width + 1, factor):
        borders[x // BLOCK] |= _1 << np.uint64(x % BLOCK)
    for x in range(width):
        column[x] = x // factor
    begins, in_cells = np.empty((2, words), np.uint64)
    rest = np.zeros(BLOCK, np.int32)
    out, n = np.empty((lattice.size, 3), np.int32), _0
    for y in range(height):
        line, first = lattice[y], y // factor * (width // factor)
        _mark_runs(line, borders, rest, begins, in_cells)
        for word in range(words):
            waiting = in_cells[np.uint64(word)]
            while waiting != _0:
                x = np.uint64(BLOCK * word) + lowest_one(waiting)
                waiting &= waiting - _1
                out[n, 0], out[n, 1] = first + column[x], line[x]
                out[n, 2] = _next_mark(begins, x) - x
                n += _1
    return out[:n]


@inlined
def is_uniform(of):
    """Whether all rows have the same number."""
    differ = False
    for row in range(of.size):
        differ |= of[row] != of[0]
    return not differ


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
    if not is_uniform(of):  # else no need to look who is where
        for i in range(overlap.shape[0]):
            voxel, row = np.uint64(overlap[i, 0]), np.uint64(overlap[i, 1])
            out[voxel] += overlap[i, 2] * (of[row] - of[0])
    sites = factor * factor
    for at in range(out.size):
        out[at] = of[0] + out[at] / sites


@kernel
def average_by_cell(overlap, values, area, mean):
    """Mean of a field over each cell's sites.

    Parameters
    ----------
    overlap : (overlaps, 3) int32
        See `overlaps`.
    values : (voxels,) float64
    area : (rows,) int64
        Sites of each cell.
    mean : (rows,) float64
        Filled; 0 for rows without sites, the medium and the wall.
    """
    mean[:] = 0.0
    for i in range(overlap.shape[0]):
        voxel, row = np.uint64(overlap[i, 0]), np.uint64(overlap[i, 1])
        mean[row] += overlap[i, 2] * values[voxel]
    for of in range(area.size):
        mean[of] /= max(area[of], 1)
