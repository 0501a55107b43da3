"""Where cells lie at the start."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from sim.assays.tube_formation.setup import cell_count
from sim.assays.tube_formation.start import disc, place_cells, region_sites
from sim.errors import InputError
from sim.kernels.draws import SEEDING, uniforms
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario

FURTHER = {
    "count": 9,
    "contact_energy": {"medium": 20, "endothelial": 40, "pericyte": 40, "wall": 100},
    "area": {"lambda": 50, "target_sites": 100},
}


def numbers(seed: int) -> Callable[[int, int], np.ndarray]:
    return partial(uniforms, seed, SEEDING, 0, 0)


def placed(seed: int = 1, **settings: Any) -> tuple[Scenario, np.ndarray, list[int]]:
    defaults = {"domain.size_um": [300, 240], "cells.count": 30}
    scenario = load("tube_formation", defaults | settings)
    return scenario, *place_cells(scenario, numbers(seed))


@pytest.mark.parametrize("boundary", ["walls", "periodic"])
@pytest.mark.parametrize("area", [1, 50, 100])
def test_random(area: int, boundary: str) -> None:
    scenario, sites, types = placed(
        **{"setup.initial_area_sites": area, "domain.boundary": boundary}
    )
    assert sites.shape == scenario.shape == (120, 150)
    assert sites.dtype == np.int32
    assert types == [1] * 30
    # no cell is cut off by the border or by another cell
    assert (np.bincount(sites.ravel())[1:] == area).all()
    assert sites.max() == 30


def test_random_reaches_everywhere() -> None:
    found = np.zeros((120, 150), int)
    for seed in range(120):
        found += placed(seed)[1] > 0
    assert np.corrcoef(np.arange(150), found.sum(axis=0))[0, 1] == pytest.approx(0, abs=0.3)
    assert found[:, :2].any()
    assert found[:, -2:].any()
    assert found[:2].any()
    assert found[-2:].any()
    assert found[20:-20, 20:-20].std() < 0.4 * found[20:-20, 20:-20].mean()


def test_random_is_reproducible() -> None:
    assert (placed(3)[1] == placed(3)[1]).all()
    assert (placed(3)[1] != placed(4)[1]).any()


def test_a_density_counts_cells_in_the_region() -> None:
    scenario = load("tube_formation")
    sites, _ = place_cells(scenario, numbers(1))
    assert sites.max() == cell_count(scenario) == 352
    region = {"setup.region_um": [400, 400], "domain.size_um": [800, 800]}
    assert cell_count(load("tube_formation", region)) == 88


@pytest.mark.parametrize("boundary", ["walls", "periodic"])
def test_region(boundary: str) -> None:
    scenario, sites, _ = placed(
        **{"setup.region_um": [200, 120], "cells.count": 20, "domain.boundary": boundary}
    )
    low, high = region_sites(scenario)
    assert (list(low), list(high)) == ([30, 25], [90, 125])
    outside = sites.copy()
    outside[30:90, 25:125] = 0
    assert not outside.any()
    assert (np.bincount(sites.ravel())[1:] == 100).all()


def test_too_little_room_is_refused() -> None:
    scenario = load("tube_formation", {"domain.size_um": [300, 240], "cells.count": 72})
    many = scenario.cells.model_copy(update={"count": 150})  # more than checking would let pass
    scenario = scenario.model_copy(update={"cells": many})
    with pytest.raises(InputError, match=r"of 150 cells found room without overlap"):
        place_cells(scenario, numbers(1))


def test_grid_of_the_openvt_model() -> None:
    scenario = load("reference/openvt_angiogenesis")
    sites, types = place_cells(scenario, numbers(1))
    y, x = np.mgrid[5:200:10, 5:200:10]
    wanted = np.zeros((200, 200), int)
    wanted[y.ravel(), x.ravel()] = np.arange(1, 401)
    assert (sites == wanted).all()
    assert types == [1] * 400


@pytest.mark.parametrize("count", [1, 7, 30])
def test_grid(count: int) -> None:
    _, sites, _ = placed(
        **{"cells.seeding": "grid", "cells.count": count, "setup.initial_area_sites": 50}
    )
    assert (np.bincount(sites.ravel())[1:] == 50).all()
    assert sites.max() == count


@pytest.mark.parametrize("seed", range(5))
def test_blob(seed: int) -> None:
    scenario = load("reference/merks2008_sprouting")
    sites, types = place_cells(scenario, numbers(seed))
    areas = np.bincount(sites.ravel())[1:]
    assert len(types) == len(areas) == 128
    assert areas.sum() == 128 * 50
    assert areas.min() > 25
    assert areas.max() < 90
    # one round cluster in the middle, of cells in one piece
    assert ndimage.label(sites > 0)[1] == 1
    assert all(ndimage.label(sites == row)[1] == 1 for row in range(1, 129))
    y, x = np.nonzero(sites)
    np.testing.assert_allclose([y.mean(), x.mean()], [100, 100], atol=0.5)
    assert np.hypot(y - 100, x - 100).max() < np.sqrt(128 * 50 / np.pi) + 1


@pytest.mark.parametrize("seeding", ["random", "grid", "blob"])
def test_further_types(seeding: str) -> None:
    _, sites, types = placed(**{"cells.seeding": seeding, "types.pericyte": FURTHER})
    assert sorted(types) == [1] * 30 + [2] * 9
    assert sites.max() == 39
    if seeding != "random":  # places have an order, types must not
        assert types != sorted(types)
    assert types == placed(**{"cells.seeding": seeding, "types.pericyte": FURTHER})[2]


def test_no_cells() -> None:
    _, sites, types = placed(**{"cells.count": 0})
    assert not sites.any()
    assert types == []


@pytest.mark.parametrize("sites", [1, 5, 9, 50, 100, 101])
def test_disc(sites: int) -> None:
    shape = disc(sites)
    assert len({tuple(offset) for offset in shape}) == sites
    radius = np.hypot(*shape.T)
    assert radius.max() <= np.sqrt(sites / np.pi) + 0.7
    assert (np.diff(radius) >= 0).all()


@pytest.mark.parametrize("settings", [
    {}, {"domain.boundary": "periodic"}, {"setup.region_um": [200, 120]},
    {"domain.boundary": "periodic", "setup.region_um": [200, 120], "setup.initial_area_sites": 37},
    {"cells.count": 68, "domain.boundary": "periodic"},
])  # fmt: skip
def test_random_against_its_plain_twin(settings: dict[str, Any]) -> None:
    """One try after another, each with the next two draws."""
    scenario, sites, types = placed(2, **{"cells.count": 20} | settings)
    low, high = region_sites(scenario)
    shape = disc(round(scenario.setup.initial_area_sites))
    if scenario.domain.boundary == "walls" or scenario.setup.region_um is not None:
        low, high = low - shape.min(axis=0), high - shape.max(axis=0)
    twin = np.zeros(scenario.shape, int)
    draws = iter(numbers(2)(0, 100_000).reshape(-1, 2))
    for cell in range(1, len(types) + 1):
        while True:
            centre = low + (next(draws) * (high - low)).astype(int)
            y, x = ((centre + shape) % scenario.shape).T
            if not twin[y, x].any():
                twin[y, x] = cell
                break
    assert (sites == twin).all()
