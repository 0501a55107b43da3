"""Border sums against their definition, and on shapes with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from sim.tissue.border import border_of
from sim.tissue.lattice import Grid
from tests.naive.border import border_sums


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_sums_equal_their_definition(seed: int, periodic: bool) -> None:
    """On lattices of noise, on which every cell touches many, and of coarse blocks."""
    rng = np.random.default_rng(seed)
    block = 1 + 3 * (seed % 2)
    sites = np.kron(rng.integers(0, 40, (7, 9)), np.ones((block, block), int)).astype(np.int32)
    rows = 42
    found = border_of(sites, rows, Grid(*sites.shape, periodic))
    pairs, free, outward, contacts = border_sums(sites, rows, periodic)
    assert found.pairs.tolist() == pairs
    assert found.free_pairs.tolist() == free
    assert found.outward == pytest.approx(outward, abs=1e-12)
    assert [tuple(each) for each in found.contacts[:, :2].tolist()] == sorted(contacts)
    assert {(a, b): n for a, b, n in found.contacts.tolist()} == contacts


def test_a_free_cell_has_no_outward_direction_and_one_in_a_layer_no_free_border() -> None:
    sites = np.zeros((12, 12), np.int32)
    sites[4:7, 4:8] = 1
    alone = border_of(sites, 4, Grid(12, 12, True))
    assert alone.free[1] == 1.0 and (alone.outward == 0.0).all() and alone.contacts.size == 0
    sites[sites == 0] = 2
    inside = border_of(sites, 4, Grid(12, 12, True))
    assert inside.free[1] == 0.0 and inside.pairs[1] == inside.pairs[2] == inside.contacts[0, 2]


def test_the_wall_is_border_that_is_not_free() -> None:
    sites = np.zeros((12, 12), np.int32)
    sites[:, :3] = 1
    walled, torus = (border_of(sites, 3, Grid(12, 12, periodic)) for periodic in (False, True))
    assert walled.free_pairs[1] == 12 * 3 - 2  # its free side; the two corners look at the wall
    assert walled.pairs[1] == 34 + 12 * 3 + 2 * 3 * 3 - 2  # corners have five, not six
    assert walled.outward[1, 1] > 0 == walled.outward[1, 0]
    assert torus.free[1] == 1.0 and (torus.outward[1] == 0.0).all()
