"""A patch of the lattice, in room that its owner keeps: loading it, and writing its tile back."""

from __future__ import annotations

import numpy as np

from sim.kernels.compiling import inlined
from sim.tissue.lattice import NOWHERE, REACH


@inlined
def sites_along(first, count, side, wall, sites):
    """Fill in the sites along one axis of a patch, as `sim.tissue.lattice.patch_axis`.

    Returns
    -------
    int
        How many there are.
    """
    gap = 0
    if wall is not None:
        gap = 0 if first + count <= side else REACH
    n = count + gap + 2 * REACH
    for i in range(n):
        site = first + i - REACH
        if wall is None:
            site = site + side if site < 0 else (site - side if site >= side else site)
        else:
            site = site - (side + gap) if gap > 0 and site >= side + gap else site
            site = site if 0 <= site < side else NOWHERE
        sites[i] = site
    return n


@inlined
def runs_along(sites, n, runs):
    """Fill in runs of sites that follow each other: where, which site, how many.

    Returns
    -------
    int
        How many there are.
    """
    found = 0
    for i in range(n):
        if found > 0 and sites[i] > 0 and sites[i] == sites[i - 1] + 1:
            runs[found - 1, 2] += 1
        else:
            runs[found, 0], runs[found, 1], runs[found, 2] = i, sites[i], 1
            found += 1
    return found


@inlined
def load(values, ys, n_ys, runs, n_runs, row, patch):
    """Copy the rows ``ys`` and columns in ``runs`` of an array into a flat patch.

    Walls hold whatever lies at the edge.
    """
    for i in range(n_ys):
        y, begin = np.uint64(max(ys[i], 0)), i * row
        for k in range(n_runs):
            at, x = begin + runs[k, 0], max(runs[k, 1], 0)
            for j in range(runs[k, 2]):
                patch[np.uint64(at + j)] = values[y, np.uint64(x + j)]


@inlined
def build_walls(ys, n_ys, runs, n_runs, row, wall, patch):
    """Put the wall where there is no site."""
    for i in range(n_ys):
        for k in range(n_runs):
            if ys[i] == NOWHERE or runs[k, 1] == NOWHERE:
                for j in range(runs[k, 2]):
                    patch[np.uint64(i * row + runs[k, 0] + j)] = wall


@inlined
def store(patch, ys, n_ys, runs, n_runs, row, lattice):
    """Write the tile back to the lattice, row by row, without what lies around it."""
    for i in range(REACH, n_ys - REACH):
        if ys[i] == NOWHERE:
            continue
        y = np.uint64(ys[i])
        for k in range(n_runs):
            begin = max(runs[k, 0], REACH)
            end = min(runs[k, 0] + runs[k, 2], row - REACH)
            x = runs[k, 1] - runs[k, 0]
            if runs[k, 1] != NOWHERE:
                for j in range(begin, end):
                    lattice[y, np.uint64(x + j)] = patch[np.uint64(i * row + j)]
