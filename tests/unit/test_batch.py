"""Mesa's own batch runner works with the model."""

from __future__ import annotations

import inspect
import multiprocessing
import warnings
from collections.abc import Iterator
from typing import Any

import mesa
import pytest
from marks import slow

import sim
from sim.runs.batch import WholeRun

TINY = {"domain.size_um": [100, 100], "time.duration_h": 0.1}
SWEPT: dict[str, Any] = {
    "scenario": "tube_formation",
    "domain.size_um": [[100, 100]],
    "time.duration_h": 0.1,
    "drug.free_nM": [0, 100],
    "seed": [1, 2],
}


@pytest.fixture(autouse=True)
def start_method() -> Iterator[None]:
    """Mesa changes how processes start, for the whole process."""
    before = multiprocessing.get_start_method(allow_none=True)
    yield
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.parametrize("processes", [1, slow(2)])
def test_batch_run(processes: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of versions in between
        rows = mesa.batch_run(WholeRun, SWEPT, number_processes=processes, display_progress=False)
    assert len(rows) == 4
    for row in rows:
        alone = sim.run(
            "tube_formation", {**TINY, "drug.free_nM": row["drug.free_nM"]}, row["seed"]
        )
        assert {name: row[name] for name in alone.summary} == alone.summary
        assert row["mcs"] == 12


def iterations_of(parameters: dict[str, Any], processes: int = 1, **options: Any) -> list[Any]:
    """Read-outs, seed and arm of three runs of each arm."""
    swept = {"scenario": "tube_formation", "domain.size_um": [[100, 100]], "time.duration_h": 0.1}
    options = options or {"iterations": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Mesa 3.5 wants another keyword than Mesa 3.3
        rows = mesa.batch_run(
            WholeRun, swept | parameters, processes, display_progress=False, **options
        )
    rows.sort(key=lambda row: row["RunId"])
    return [(row["iteration"], row["seed"], row["total_length_mm"]) for row in rows]


@pytest.mark.parametrize("processes", [1, slow(2)])
def test_iterations_differ_and_are_reproducible(processes: int) -> None:
    rows = iterations_of({"drug.free_nM": [0, 100]}, processes)
    assert [row[0] for row in rows] == [0, 0, 1, 1, 2, 2]
    seeds = [row[1] for row in rows[::2]]
    assert seeds == [row[1] for row in rows[1::2]]  # arms of an iteration share theirs
    assert seeds[0] == sim.load("tube_formation").seed
    assert len(set(seeds)) == len({row[2] for row in rows[::2]}) == 3
    assert iterations_of({"drug.free_nM": [0, 100]}) == rows
    for _, seed, length in rows[::2]:  # and each alone
        assert sim.run("tube_formation", TINY, seed).summary["total_length_mm"] == length


def test_seeds_that_are_given_are_used() -> None:
    assert [row[1] for row in iterations_of({"seed": [5, 6]})] == [5, 6, 5, 6, 5, 6]
    if "rng" in inspect.signature(mesa.batch_run).parameters:
        assert [row[1] for row in iterations_of({}, rng=[5, 6])] == [5, 6]
        assert iterations_of({}, rng=[None] * 3) == iterations_of({})
    else:
        assert [row[1] for row in iterations_of({"rng": [5, 6]}, iterations=1)] == [5, 6]


def test_a_whole_run_is_the_model() -> None:
    model = WholeRun("tube_formation", rng=3, **TINY)
    model.step()
    assert not model.running
    assert model.seed == 3
    assert len(model.datacollector.get_model_vars_dataframe()) == 1
    parameters = inspect.signature(WholeRun).parameters
    assert "seed" not in parameters  # Mesa 3.5 would overwrite it
