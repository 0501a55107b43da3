"""Pictures of scratches: drawn and rendered ones with known gaps, and what is no wound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rendering import fluorescence, phase
from scipy import ndimage
from scipy.spatial import cKDTree

import sim
from sim.errors import InputError
from sim.lab.segment import resample
from sim.lab.wound import Settings, Wound, measure_wounds

Cells = NDArray[np.int32]
SITE_UM = 2.0


def layer(*gaps: tuple[int, int], height: int = 160, width: int = 400, seed: int = 1) -> Cells:
    """Cells of about 300 sites with wavy gaps, each from one column to another."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    centres = rng.uniform(size=(height * width // 300, 2)) * (height, width)
    cells = cKDTree(centres).query(np.stack([y, x], -1).reshape(-1, 2))[1].reshape(height, width)
    for start, end in gaps:
        wave = 4 * np.sin(y / 9 + seed)
        cells[(x >= start + wave) & (x < end - wave)] = -1
    return np.asarray(cells + 1, np.int32)


def masks(*cells: Cells) -> list[NDArray[np.float64]]:
    return [np.where(one > 0, 1.0, 0.0) for one in cells]


def rendered(
    cells: Cells, render: Callable[..., Any], um: float = 2.0, seed: int = 3, **how: float
) -> NDArray[np.float32]:
    return resample(render(cells, um, seed, **how), SITE_UM / um)


def closures(found: list[Wound]) -> list[float]:
    return [one.values["closure_percent"] for one in found]


def true_closure(first: Cells, now: Cells) -> float:
    return 100 * np.count_nonzero((first == 0) & (now > 0)) / np.count_nonzero(first == 0)


START, LATER, LATE = layer((130, 270)), layer((150, 255)), layer((185, 215))


@pytest.mark.parametrize("turned", [False, True])
def test_a_mask_has_the_read_outs_of_the_lattice(turned: bool) -> None:
    """Whichever way the scratch runs, which is found."""
    cells = [one.T if turned else one for one in (START, LATER, LATE)]
    found = measure_wounds(masks(*cells), "mask", times_h=[0, 6, 12])
    assert {one.direction for one in found} == {"horizontal" if turned else "vertical"}
    assert closures(found) == pytest.approx([true_closure(START, now) for now in
                                             (START, LATER, LATE)])  # fmt: skip
    for one, now in zip(found, cells, strict=True):
        assert one.values["gap_area_um2"] == np.count_nonzero(now == 0) * SITE_UM**2
        assert (one.gap == (now == 0)).all() and not one.doubts
        assert one.values["front_roughness_um"] == pytest.approx(4 / math.sqrt(2) * 2, rel=0.1)
    covered = np.count_nonzero((START == 0) & (LATE > 0)) * SITE_UM
    assert found[0].values["front_speed_um_h"] == 0.0
    assert found[2].values["front_speed_um_h"] == pytest.approx(covered / (2 * 160) / 12)


def test_a_direction_that_is_given_is_used() -> None:
    found = measure_wounds(masks(START), "mask", settings=Settings(direction="horizontal"))
    assert found[0].direction == "horizontal"


@pytest.mark.parametrize("render", [phase, fluorescence])
def test_rendered_gaps_are_found(render: Callable[..., Any]) -> None:
    found = measure_wounds([rendered(one, render) for one in (START, LATER, LATE)], render.__name__)
    true = [true_closure(START, now) for now in (START, LATER, LATE)]
    assert closures(found) == pytest.approx(true, abs=2)
    assert not any(one.doubts for one in found)


def test_two_gaps_that_a_bridge_leaves_are_summed() -> None:
    bridged = LATER.copy()
    bridged[60:100] = layer()[60:100]
    found = measure_wounds(masks(START, bridged), "mask")
    assert found[1].values["gap_area_um2"] == np.count_nonzero(bridged == 0) * 4
    alone = measure_wounds(masks(bridged), "mask")[0]  # also where the first picture has them
    assert alone.values["gap_area_um2"] == np.count_nonzero(bridged == 0) * 4


@pytest.mark.parametrize("render", [None, phase, fluorescence])
def test_a_closed_gap_has_no_area(render: Callable[..., Any] | None) -> None:
    """Closed is a result, and so is nearly closed."""
    cells = (START, layer((190, 210)), layer())
    if render is None:
        found = measure_wounds(masks(*cells), "mask")
    else:
        found = measure_wounds([rendered(one, render) for one in cells], render.__name__)
    assert closures(found)[2] == pytest.approx(100, abs=0.5)
    assert found[2].values["gap_area_um2"] == pytest.approx(0, abs=500)
    assert found[2].values["front_roughness_um"] == 0
    assert closures(found)[1] == pytest.approx(true_closure(START, cells[1]), abs=2)


def test_a_single_picture_has_an_area() -> None:
    found = measure_wounds([rendered(LATER, phase)], "phase")[0]
    assert found.values["closure_percent"] == 0
    assert found.values["gap_area_um2"] == pytest.approx(np.count_nonzero(LATER == 0) * 4, rel=0.03)
    assert "front_speed_um_h" not in found.values


def test_a_single_picture_of_a_closed_layer_has_no_gap() -> None:
    for render in (phase, fluorescence):
        found = measure_wounds([rendered(layer(), render)], render.__name__)[0]
        assert found.values["gap_area_um2"] == 0 and math.isnan(found.values["closure_percent"])
        assert any("no gap" in doubt for doubt in found.doubts)


def test_a_black_frame_is_no_wound() -> None:
    true = np.count_nonzero(LATER == 0) * 4
    framed = np.pad(rendered(LATER, phase), 60)
    found = measure_wounds([framed], "phase")[0]
    assert found.direction == "vertical"
    assert found.values["gap_area_um2"] == pytest.approx(true, rel=0.1)  # less its outermost 12 um
    assert not found.doubts


def test_a_round_field_of_view_is_no_wound() -> None:
    y, x = np.mgrid[:160, :400]
    round_field = np.hypot(y - 79.5, x - 199.5) < 78
    noise = np.random.default_rng(1).normal(4, 1, (160, 400))
    start, later = (
        np.where(round_field, rendered(one, phase), noise)
        for one in (layer((170, 230)), layer((185, 215)))
    )
    found = measure_wounds([start, later], "phase")
    first, now = (layer(gap) == 0 for gap in ((170, 230), (185, 215)))
    true = (
        100 * np.count_nonzero(first & ~now & round_field) / np.count_nonzero(first & round_field)
    )
    assert closures(found) == pytest.approx([0, true], abs=4)
    assert not found[0].gap[~round_field].any()


def test_a_scratch_that_leans_is_no_rougher() -> None:
    leaning = np.stack([np.roll(row, round(0.2 * at)) for at, row in enumerate(START)])
    straight, found = (measure_wounds(masks(one), "mask")[0].values for one in (START, leaning))
    assert found["gap_area_um2"] == straight["gap_area_um2"]
    assert found["front_roughness_um"] == pytest.approx(straight["front_roughness_um"], abs=1)


def test_sparse_cells_are_reported() -> None:
    cells = START.copy()
    cells[cells % 5 < 2] = 0
    for mode, picture in (("mask", masks(cells)[0]), ("phase", rendered(cells, phase))):
        found = measure_wounds([picture], mode)[0]
        assert any("sparse" in doubt for doubt in found.doubts)


@pytest.mark.parametrize("kind", ["blank", "noise", "blurred"])
def test_a_picture_of_no_layer_is_reported(kind: str) -> None:
    noise = np.random.default_rng(2).normal(120, 4, (160, 400))
    picture = {
        "blank": np.full((160, 400), 120.0), "noise": noise,
        "blurred": ndimage.gaussian_filter(rendered(START, phase), 6),
    }[kind]  # fmt: skip
    found = measure_wounds([picture], "phase")[0]
    assert kind == "blurred" or found.doubts
    assert np.isfinite(found.values["gap_area_um2"])


def test_wrong_arguments() -> None:
    one, two = masks(START, LATER)
    with pytest.raises(InputError, match="one size"):
        measure_wounds([one, two[:, :-1]], "mask")
    with pytest.raises(InputError, match="ascending"):
        measure_wounds([one, two], "mask", times_h=[6, 0])
    with pytest.raises(InputError, match="1 times for 2 pictures"):
        measure_wounds([one, two], "mask", times_h=[0])
    with pytest.raises(InputError, match="no picture"):
        measure_wounds([], "mask")
    with pytest.raises(InputError, match="direction = 'up'"):
        measure_wounds([one], "mask", settings=Settings(direction="up"))


SEEDS = (1001, 1002, 1003)


@pytest.fixture(scope="module")
def simulated() -> dict[int, list[Cells]]:
    """Layers after 0, 4, 8 and 12 h; two periods of each."""
    found = {}
    for seed in SEEDS:
        how = {"record.frames": True, "time.record_every_h": 4, "ligands.VEGF.bath_ng_ml": 50}
        frames = sim.run("wound_healing", how, seed=seed).frames
        found[seed] = [np.tile(frames[mcs]["cell_id"], (2, 1)) for mcs in sorted(frames)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("um", [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize("render", [phase, fluorescence])
def test_rendered_simulations_have_their_closure(
    simulated: dict[int, list[Cells]], render: Callable[..., Any], um: float, seed: int
) -> None:
    """Within 2 points, at each time; on seeds with which nothing was set."""
    cells = simulated[seed]
    pictures = [rendered(one, render, um, seed + turn) for turn, one in enumerate(cells)]
    found = closures(measure_wounds(pictures, render.__name__))
    true = [true_closure(cells[0], now) for now in cells]
    print(render.__name__, um, seed, np.round(true, 1), np.round(np.subtract(found, true), 2))
    assert found == pytest.approx(true, abs=2)
