"""Tissue connectivity: medium that would cut the tissue, whichever cells it consists of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from lattices import attractants, place, rules
from marks import slow
from naive import tiles

from sim.tissue import potts
from sim.tissue.energy import Rules
from sim.tissue.lattice import Grid

STRETCHED: dict[str, Any] = {
    "T": 20, "J_cm": 8, "J_cc": 16, "J_cw": 30, "lambda_area": 2, "A": 12, "lambda_length": 4,
    "L": 9, "penalty": 300, "tissue_penalty": 300, "copy_sites": 8, "contact_sites": 8,
}  # fmt: skip
"""Cells that would rather be small."""


def network(shape: tuple[int, int]) -> np.ndarray:
    """Cells of a few sites in lines and columns that cross, and a part apart from them."""
    sites = np.zeros(shape, np.int32)
    ys, xs = np.indices(shape)
    bars = (ys % 13 < 3) | (xs % 13 < 3)
    bars &= (ys > 2) & (xs > 2) & (ys < shape[0] - 12) & (xs < shape[1] - 12)
    bars |= (ys - shape[0] + 6) ** 2 + (xs - shape[1] + 6) ** 2 < 12
    cell = ys // 8 * 100 + xs // 8
    sites[bars] = np.unique(cell[bars], return_inverse=True)[1] + 1
    return sites


def stretched_rules(grid: Grid, **changed: Any) -> Rules:
    return rules(
        grid,
        **{
            "temperature": 20,
            "J": [[0, 8, 0], [8, 16, 30], [0, 30, 0]],
            "stiffness": [[0, 0], [2, 4], [0, 0]],
            "connectivity": "soft",
            "penalty": 300,
            "tissue_penalty": 300,
        }
        | changed,
    )


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(
    "shape",
    [*(slow(s) for s in ((101, 104), (33, 104))), (48, 52)],
)
def test_the_sweep_with_tissue_connectivity_is_that_of_its_definition(
    shape: tuple[int, int], periodic: bool
) -> None:
    sites = network(shape)
    lattice, cells, grid = place(sites, [1] * int(sites.max()), periodic=periodic, target=(12, 9))
    free = lattice.copy()
    wanted = sites
    for step in range(3):
        wanted = tiles.sweep(wanted, 9, step, STRETCHED, periodic=periodic)
        potts.sweep(lattice, attractants(), cells.arrays(), stretched_rules(grid), grid, 9, step)
        assert (lattice == wanted).all()
        free = tiles.sweep(free, 9, step, STRETCHED | {"tissue_penalty": 0}, periodic=periodic)
    assert (wanted != free).any()


def parts_of(lattice: np.ndarray, periodic: bool) -> int:
    """Parts of the tissue: sites of cells that touch at a side or a corner."""
    wide = np.pad(lattice, 1, mode="wrap" if periodic else "constant") != 0
    labels, n = scipy.ndimage.label(wide, np.ones((3, 3)))
    own = labels[1:-1, 1:-1]
    parent = np.arange(n + 1)

    def root(k: int) -> int:
        while parent[k] != k:
            k = parent[k]
        return k

    if periodic:  # the frame is what lies at the opposite edge
        frame = np.ones(labels.shape, bool)
        frame[1:-1, 1:-1] = False
        ys, xs = np.nonzero(frame)
        same = own[(ys - 1) % lattice.shape[0], (xs - 1) % lattice.shape[1]]
        for one, other in set(zip(labels[ys, xs].tolist(), same.tolist(), strict=True)):
            parent[root(one)] = root(other)
    return len({root(k) for k in np.unique(own).tolist()} - {root(0)})


@pytest.mark.parametrize("periodic", [False, True])
def test_a_tissue_is_never_torn(periodic: bool) -> None:
    """Its parts may meet, and no part becomes two; without the penalty it falls to pieces."""
    sites = network((202, 205))
    counts = {}
    for penalty in (0.0, 1e6):
        lattice, cells, grid = place(
            sites, [1] * int(sites.max()), periodic=periodic, target=(30.0, 14.0)
        )
        how = stretched_rules(grid, tissue_penalty=penalty)
        seen = [parts_of(lattice, periodic)]
        for step in range(150):
            potts.sweep(lattice, attractants(), cells.arrays(), how, grid, 3, step)
            cells.recentre(lattice, grid, reach=8)
            seen.append(parts_of(lattice, periodic))
        counts[penalty] = seen
    assert counts[1e6][0] == 2
    assert (np.diff(counts[1e6]) <= 0).all()
    assert counts[0.0][-1] > 10


def test_no_bit_of_tissue_connectivity_depends_on_the_number_of_threads() -> None:
    sites = network((310, 304))
    found = []
    for threads in (1, 2, 3, 4):
        lattice, cells, grid = place(
            sites, [1] * int(sites.max()), periodic=True, target=(30.0, 14.0)
        )
        for step in range(10):
            how = stretched_rules(grid)
            potts.sweep(lattice, attractants(), cells.arrays(), how, grid, 7, step, threads)
        found.append((lattice, cells["moments"].copy()))
    assert (found[0][0] != sites).sum() > 1000
    for lattice, moments in found[1:]:
        assert (lattice == found[0][0]).all()
        assert (moments == found[0][1]).all()
