"""Does the assay work at all? VEGF, none, and a micromolar of drug, on a small square for 4 h."""

from __future__ import annotations

import numpy as np
import pytest

from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load

SMALL = {"domain.size_um": [400, 400], "time.duration_h": 4, "time.record_every_h": 4}
ARMS = {
    "vegf": ("tube_formation", {}),
    "none": ("tube_formation_unstimulated", {}),
    "drug": ("tube_formation", {"drug.free_nM": 1000}),
}
SEEDS = (1, 2)

Table = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def mean() -> Table:
    """Read-outs of each arm, averaged over the seeds."""
    table: Table = {}
    for arm, (name, overrides) in ARMS.items():
        rows = []
        for seed in SEEDS:
            model = AngiogenesisModel(load(name, {**SMALL, **overrides}), rng=seed)
            for _ in range(model.scenario.time.steps):
                model.step()
            rows.append(model.readouts)
        table[arm] = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return table


def test_vegf_makes_a_network(mean: Table) -> None:
    """3.8 mm and 8 meshes against 1.6 mm and none."""
    assert mean["vegf"]["tube_length_mm"] > 2 * mean["none"]["tube_length_mm"]
    assert mean["vegf"]["meshes"] >= mean["none"]["meshes"] + 3
    assert mean["vegf"]["largest_part_fraction"] > 0.5


def test_a_micromolar_drug_removes_it(mean: Table) -> None:
    gained = mean["vegf"]["tube_length_mm"] - mean["none"]["tube_length_mm"]
    left = mean["drug"]["tube_length_mm"] - mean["none"]["tube_length_mm"]
    assert abs(left) < 0.25 * gained
    assert abs(mean["drug"]["meshes"] - mean["none"]["meshes"]) <= 1
    assert mean["drug"]["largest_part_fraction"] < 0.3


def test_no_cell_dies(mean: Table) -> None:
    assert {row["cells"] for row in mean.values()} == {88}
