"""Mesa's own batch runner works with the model."""

from __future__ import annotations

import inspect
import multiprocessing
import warnings
from collections.abc import Iterator
from typing import Any

import mesa
import pytest

import sim
from sim.study.batch import WholeRun

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


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.slow)])
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


def test_a_whole_run_is_the_model() -> None:
    model = WholeRun("tube_formation", rng=3, **TINY)
    model.step()
    assert not model.running
    assert model.seed == 3
    assert len(model.datacollector.get_model_vars_dataframe()) == 1
    parameters = inspect.signature(WholeRun).parameters
    assert "seed" not in parameters  # Mesa 3.5 would overwrite it
