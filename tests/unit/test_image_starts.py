"""Wounds and spheroids that start as label pictures have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sim
from sim.assays.wound_healing.scratch import gap_of
from sim.errors import InputError
from sim.labels import write_npy
from sim.scenario.writing import scenario_hash
from sim.view.export.export import export

Sites = NDArray[np.int32]
SHORT = {"time.duration_h": 4 / 120, "time.record_every_h": 1 / 120}


def layer(width: int = 120, height: int = 60, between: int = 0) -> Sites:
    """Square cells of 10 sites a side, so many sites apart."""
    y, x = np.indices((height, width))
    sites = 1 + x // 10 + (width // 10) * (y // 10)
    apart = (x % 10 < between) | (y % 10 < between)
    return np.where(apart, 0, sites).astype(np.int32)


def scratch(lean: float = 0.0, between: int = 0) -> Sites:
    """A layer with a gap 30 sites wide, which moves to the right by `lean` sites a row."""
    sites = layer(between=between)
    y, x = np.indices(sites.shape)
    sites = np.where(np.abs(x - 59.5 - lean * (y - 29.5)) < 15, 0, sites)
    few = np.flatnonzero(np.bincount(sites.ravel()) < 30)  # what is left of a cell
    return np.where(np.isin(sites, few), 0, sites).astype(np.int32)


def spheroid() -> Sites:
    """Squares of 10 sites a side within a circle."""
    sites = layer(100, 100)
    y, x = np.indices(sites.shape) // 10 * 10 + 5
    return np.where(np.hypot(y - 50, x - 50) < 26, sites, 0).astype(np.int32)


def load(assay: str, sites: Sites, **more: Any) -> Any:
    write_npy(Path("cells.npy"), sites)
    size_um = [2 * side for side in sites.shape[::-1]]
    settings = {"domain.size_um": size_um, "cells.seeding": "image", "cells.image": "cells.npy"}
    return sim.load(assay, settings | SHORT | {k.replace("__", "."): v for k, v in more.items()})


@pytest.mark.parametrize(("lean", "boundary"), [(0.0, "walls"), (0.3, "periodic")])
def test_a_scratch_of_a_picture_closes(lean: float, boundary: str, workplace: Path) -> None:
    scenario = load("wound_healing", scratch(lean), domain__boundary=boundary)
    assert scenario.setup.gap_um is None
    result = sim.run(scenario, seed=1, out="run")
    first = result.timeseries.iloc[0]
    assert first["closure_percent"] == first["holes_um2"] == first["detached_cells"] == 0
    open_um2 = np.count_nonzero(scratch(lean) == 0) * 4
    assert first["gap_area_um2"] == open_um2
    last = result.timeseries.iloc[-1]
    assert 0 < last["closure_percent"] < 100 and last["gap_area_um2"] < open_um2
    again = sim.load("run/scenario.toml")
    assert scenario_hash(again) == scenario_hash(scenario)


def test_a_picture_of_the_usual_start_is_measured_as_that(workplace: Path) -> None:
    usual = {"domain.size_um": [600, 120], "setup.gap_um": 200, "cells.density_per_mm2": 833}
    whole = sim.run("wound_healing", usual | SHORT, seed=3, out="run")
    model = sim.model_of(sim.load("run/scenario.toml"), rng=3)
    same = load("wound_healing", model.cell_id)
    again = sim.run(same, seed=3)
    names = ["closure_percent", "gap_area_um2", "holes_um2", "front_roughness_um"]
    assert again.timeseries[names].iloc[0].equals(whole.timeseries[names].iloc[0])


def test_gaps_between_cells_and_holes_are_no_wound() -> None:
    sites = scratch(between=2)
    sites[20:30, 10:20] = 0  # a cell is missing
    gap, middle = gap_of(sites, 2.0, periodic=True)
    assert gap[:, 42:75].all() and not gap[:, :37].any() and not gap[:, 80:].any()
    assert middle == pytest.approx(58, abs=1.5)


@pytest.mark.parametrize(
    ("sites", "more", "words"),
    [
        (layer(), {}, "has no gap: cells cover all of it"),
        (np.pad(layer(60), ((0, 0), (60, 0))), {}, "has no cells on one side of its gap"),
        (scratch().T, {}, "of the y axis; must be along all of it .turn the picture by 90 degrees"),
        (spheroid(), {}, "has a gap that runs along .*; must be along all of it"),
        (np.where(layer() == 30, 30, 0), {}, "is no layer with a gap"),
        (scratch(), {"cells__seeding": "blob"}, "must be 'confluent' or 'image' in this assay"),
    ],
)
def test_a_picture_that_is_no_scratch_is_refused(
    sites: Sites, more: dict[str, Any], words: str, workplace: Path
) -> None:
    more = {"domain__boundary": "walls"} | more
    with pytest.raises(InputError, match=words):
        load("wound_healing", np.ascontiguousarray(sites), **more)


def test_a_spheroid_of_a_picture_sprouts(workplace: Path) -> None:
    scenario = load("sprouting", spheroid())
    result = sim.run(scenario, seed=1)
    first = result.timeseries.iloc[0]
    assert first["cumulative_length_um"] == first["loose_cells"] == 0
    assert result.final["cell_id"].max() == scenario.cells.count == np.unique(spheroid()).size - 1


def test_a_picture_that_is_no_spheroid_is_refused(workplace: Path) -> None:
    sites = spheroid()
    sites[10:14, 10:14] = 900
    with pytest.raises(InputError, match="must be one spheroid; 1 of its cells lie apart"):
        load("sprouting", sites)
    with pytest.raises(InputError, match="has cells at the walls; must leave 4 um free"):
        load("sprouting", spheroid()[20:, 20:])
    with pytest.raises(InputError, match="must be 'blob' or 'image' in this assay"):
        load("sprouting", spheroid(), cells__seeding="random")


@pytest.mark.slow
@pytest.mark.parametrize("assay", ["wound_healing", "sprouting"])
def test_exports_of_every_format_start_the_assay(assay: str, workplace: Path) -> None:
    small = {"domain.size_um": [600, 120]} if assay == "wound_healing" else {"cells.count": 20}
    result = sim.run(assay, small | SHORT, seed=2, out="run")
    export(Path("run"), ["labels", "piff", "tiff"], None)
    step = f"{result.scenario.time.steps:06d}"
    for name in (f"labels/cell_id_{step}.npy", f"labels/cell_id_{step}.png",
                 f"piff/cells_{step}.piff", "tiff/cell_id.ome.tif"):  # fmt: skip
        settings = {"domain.size_um": list(result.scenario.domain.size_um), **SHORT,
                    "cells.seeding": "image", "cells.image": f"run/export/{name}"}  # fmt: skip
        model = sim.model_of(sim.load(assay, settings), rng=1)
        assert np.array_equal(model.cell_id, result.final["cell_id"]), name
