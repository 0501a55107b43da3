"""Viability and growth in culture: who lives, how many, and when a layer is full (slow)."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

SEEDS = range(1001, 1009)
LINES = ("huvec", "ea_hy926")
SIDE_UM = 800  # 96 cells at the start
FULL = {
    "domain.size_um": [400, 400],
    "cells.density_per_mm2": 300,
    "ligands.FGF-2.bath_ng_ml": 20,
    "time.duration_h": 96,
}
"""A small culture that grows as fast as it can, until there is no room."""


def day(job: tuple[str, float, int]) -> dict[str, float]:
    """Read-outs after 24 h of a line at a dose (nM)."""
    line, free_nM, seed = job
    settings: dict[str, Any] = {
        "cells.line": line,
        "drug.name": "anlotinib",
        "drug.free_nM": free_nM,
        "domain.size_um": [SIDE_UM, SIDE_UM],
        "record.frames": False,
    }
    model = AngiogenesisModel(load("viability", settings), rng=seed)
    model.advance(model.scenario.time.steps)
    return {name: float(model.readouts[name]) for name in ("viability_percent", "live_cells")}


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, float], dict[str, np.ndarray[Any, Any]]]:
    """Read-outs by line and dose, an array over seeds each."""
    jobs = [(line, dose, seed) for line in LINES for dose in (0.0, 1000.0) for seed in SEEDS]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        rows = list(pool.map(day, jobs))
    return {
        arm: {
            name: np.array(
                [row[name] for job, row in zip(jobs, rows, strict=True) if job[:2] == arm]
            )
            for name in rows[0]
        }
        for arm in {job[:2] for job in jobs}
    }


def test_ea_hy926_cells_live_at_a_micromolar(table: Any) -> None:
    assert table["ea_hy926", 1000.0]["viability_percent"].mean() >= 95


@pytest.mark.parametrize("line", LINES)
def test_few_cells_die_at_a_micromolar(table: Any, line: str) -> None:
    """Of HUVEC-like ones 2.7 % of the control's viability is lost, by the rates alone."""
    expected = {"huvec": 97.3, "ea_hy926": 99.9}[line]
    drug, control = (table[line, dose]["viability_percent"] for dose in (1000.0, 0.0))
    found = 100 * drug / control.mean()
    assert abs(found.mean() - expected) <= 3 * found.std(ddof=1) / np.sqrt(len(SEEDS)) + 0.1


def test_the_number_of_huvec_halves_and_that_of_ea_hy926_does_not(table: Any) -> None:
    share = {
        line: table[line, 1000.0]["live_cells"].mean() / table[line, 0.0]["live_cells"].mean()
        for line in LINES
    }
    assert 0.48 <= share["huvec"] <= 0.68  # 0.55 by the rates alone, where all have room
    assert 0.9 <= share["ea_hy926"] <= 1.1


def test_a_layer_is_full_at_three_quarters_of_the_area_of_a_cell_at_rest() -> None:
    """And stops growing: contact inhibition by room alone."""
    model = AngiogenesisModel(load("viability", FULL), rng=1)
    rest = 400 * 400 / 1200  # cells at rest that cover it
    counts = []
    for _ in range(4):
        model.advance(2880)
        counts.append(model.measure()["live_cells"] / rest)
    assert model.measure()["covered_fraction"] > 0.995
    assert counts[-1] == pytest.approx(1 / 0.76, rel=0.1)
    assert counts[-1] < 1.1 * counts[-2]
