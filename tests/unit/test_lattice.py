"""Patches: the sites of a tile and what lies around it, on walls and on a torus."""

from __future__ import annotations

import numpy as np
import pytest

from sim.tissue.lattice import NOWHERE, REACH, load_patch, patch_axis
from sim.tissue.potts import write_images

SIDES = HEIGHT, WIDTH = 10, 12
WALL = -7


def patch_of(
    lattice: np.ndarray, corner: tuple[int, int], size: tuple[int, int], periodic: bool
) -> np.ndarray:
    axes = [patch_axis(*axis, periodic) for axis in zip(corner, size, lattice.shape, strict=True)]
    return load_patch(lattice, *axes, WALL).reshape(axes[0].size, axes[1].size)


@pytest.mark.parametrize("corner", [(0, 0), (3, 5), (8, 11)])
@pytest.mark.parametrize("size", [SIDES, (HEIGHT, 5), (4, WIDTH), (4, 5)])
def test_a_patch_of_a_torus_goes_round_it_also_at_its_corners(
    corner: tuple[int, int], size: tuple[int, int]
) -> None:
    lattice = np.arange(HEIGHT * WIDTH, dtype=np.int32).reshape(SIDES)
    y, x = (c + np.arange(-REACH, n + REACH) for c, n in zip(corner, size, strict=True))
    wanted = lattice[np.ix_(y % HEIGHT, x % WIDTH)]
    np.testing.assert_array_equal(patch_of(lattice, corner, size, periodic=True), wanted)


def test_a_patch_between_walls_ends_in_wall() -> None:
    lattice = np.arange(HEIGHT * WIDTH, dtype=np.int32).reshape(SIDES)
    wanted = np.pad(lattice, REACH, constant_values=WALL)
    np.testing.assert_array_equal(patch_of(lattice, (0, 0), SIDES, periodic=False), wanted)
    np.testing.assert_array_equal(  # a tile that goes on at the other end has wall in between
        patch_axis(8, 5, HEIGHT, False),
        [6, 7, 8, 9, NOWHERE, NOWHERE, 0, 1, 2, 3, 4],
    )


@pytest.mark.parametrize("size", [SIDES, (HEIGHT, 5), (4, WIDTH)])
def test_a_site_is_written_wherever_a_tile_as_long_as_the_torus_sees_it(
    size: tuple[int, int],
) -> None:
    lattice = np.zeros(SIDES, np.int32)
    patch = patch_of(lattice, (0, 0), size, periodic=True)
    flat = patch.ravel()  # of the same memory
    for value, (y, x) in enumerate(np.ndindex(size), start=1):
        lattice[y, x] = patch[y + REACH, x + REACH] = value
        write_images(flat, patch.shape[1], y + REACH, x + REACH, value, HEIGHT, WIDTH, size)
        np.testing.assert_array_equal(patch, patch_of(lattice, (0, 0), size, periodic=True))
