"""Pictures of spheroids: drawn and rendered ones with known sprouts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rendering import fluorescence, phase

import sim
from sim.errors import InputError
from sim.lab.segment import resample
from sim.lab.spheroid import Spheroid, largest_disc, measure_spheroids
from sim.readouts.sprouts import core_of, measure_sprouts

Cells = NDArray[np.int32]
SITE_UM = 2.0
SPROUTS = ((0, 120), (70, 80), (140, 100), (215, 60), (290, 90))


def spheroid(*sprouts: tuple[float, float], size: int = 240) -> Cells:
    """Cells in a disc of 70 um with sprouts 14 um wide: (angle in degrees, length beyond it)."""
    y, x = (np.mgrid[:size, :size] - (size - 1) / 2) * SITE_UM
    mask = np.hypot(y, x) <= 70
    for angle, long_um in sprouts:
        a = math.radians(angle)
        along, across = x * math.cos(a) + y * math.sin(a), y * math.cos(a) - x * math.sin(a)
        mask |= (abs(across) <= 7) & (along > 0) & (along <= 70 + long_um)
    patches = (y // 20).astype(int) * 100 + (x // 20).astype(int)
    cells = np.unique(patches, return_inverse=True)[1].reshape(mask.shape) + 1
    return np.asarray(np.where(mask, cells, 0), np.int32)


def rendered(cells: Cells, render: Callable[..., Any], um: float = 2.0) -> NDArray[np.float32]:
    return resample(render(cells, um, 3), SITE_UM / um)


START, LATER = spheroid(), spheroid(*SPROUTS)


def true_values(start: Cells, now: Cells) -> dict[str, float]:
    found = measure_sprouts(now > 0, core_of(start > 0), spacing_um=SITE_UM)
    return {"cumulative_length_um": found.length_um, "sprouts": found.number,
            "longest_um": found.reach_um}  # fmt: skip


def test_a_mask_has_the_read_outs_of_the_lattice() -> None:
    pictures = [np.where(one > 0, 1.0, 0.0) for one in (START, LATER)]
    first, found = measure_spheroids(pictures, "mask")
    true = true_values(START, LATER)
    assert true["sprouts"] == 5 and 350 < true["cumulative_length_um"] < 450
    for name, value in true.items():
        assert found.values[name] == value
    assert found.values["mean_length_um"] == true["cumulative_length_um"] / 5
    assert found.values["core_radius_um"] == pytest.approx(70, rel=0.01)
    assert first.values["cumulative_length_um"] == first.values["sprouts"] == 0
    assert not first.doubts and not found.doubts


@pytest.mark.parametrize("render", [phase, fluorescence])
def test_rendered_sprouts_are_found(render: Callable[..., Any]) -> None:
    pictures = [rendered(one, render) for one in (START, LATER)]
    found = measure_spheroids(pictures, render.__name__)[1]
    true = true_values(START, LATER)
    assert found.values["cumulative_length_um"] == pytest.approx(
        true["cumulative_length_um"], rel=0.08
    )
    assert found.values["sprouts"] == 5
    assert found.values["longest_um"] == pytest.approx(true["longest_um"], abs=8)


def test_a_single_picture_has_the_largest_disc_as_its_core() -> None:
    found = measure_spheroids([np.where(LATER > 0, 1.0, 0.0)], "mask")[0]
    assert found.core == largest_disc(LATER > 0)
    assert found.values["core_radius_um"] == pytest.approx(70, abs=3)
    assert found.values["cumulative_length_um"] == pytest.approx(
        true_values(START, LATER)["cumulative_length_um"], rel=0.06
    )


def doubts_of(cells: Cells) -> str:
    return " ".join(measure_spheroids([np.where(cells > 0, 1.0, 0.0)], "mask")[0].doubts)


def test_what_may_be_no_spheroid_is_reported() -> None:
    broken = LATER.copy()
    broken[:, 170:182] = 0  # across a sprout
    assert "1 parts" not in doubts_of(LATER) and "not connected" in doubts_of(broken)
    assert "edge of the picture" in doubts_of(LATER[:, :170])
    assert doubts_of(np.zeros_like(LATER)) == "no spheroid was found"
    speck = np.zeros_like(LATER)
    speck[100:110, 100:110] = 1
    assert "smaller than three cells" in doubts_of(speck)


def test_wrong_arguments() -> None:
    with pytest.raises(InputError, match="no picture"):
        measure_spheroids([], "mask")
    with pytest.raises(InputError, match="one size"):
        measure_spheroids([np.zeros((20, 20)), np.zeros((20, 30))], "mask")


SEEDS = (1101, 1102, 1103, 1104)


@pytest.fixture(scope="module")
def simulated() -> dict[int, list[Cells]]:
    """Spheroids at the start and after 24 h."""
    found = {}
    for seed in SEEDS:
        how = {"record.frames": True, "time.record_every_h": 24}
        frames = sim.run("sprouting", how, seed=seed).frames
        found[seed] = [frames[mcs]["cell_id"] for mcs in sorted(frames)]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("um", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("render", [phase, fluorescence])
def test_rendered_simulations_have_their_cumulative_length(
    simulated: dict[int, list[Cells]], render: Callable[..., Any], um: float
) -> None:
    """Within 5 % in the mean of four spheroids; on seeds with which nothing was set."""

    def length(found: list[Spheroid]) -> float:
        return found[-1].values["cumulative_length_um"]

    ratios = []
    for start, now in simulated.values():
        pictures = [rendered(one, render, um) for one in (start, now)]
        true = true_values(start, now)["cumulative_length_um"]
        ratios.append(length(measure_spheroids(pictures, render.__name__)) / true)
    print(render.__name__, um, np.round(ratios, 3), np.mean(ratios))
    assert np.mean(ratios) == pytest.approx(1, abs=0.05)
