"""The OpenVT reference scenario against the naive full-lattice model and published field values."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from naive import fields as naive_fields
from naive import openvt

from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load
from sim.tissue.euler import euler_step
from sim.tissue.fields import PERIODIC

SCENARIO = "reference/openvt_angiogenesis"
STORED = json.loads(openvt.RESULTS.read_text())
KEYS = {
    "mu": "engine.chemotaxis.cue.mu",
    "s": "engine.chemotaxis.cue.saturation",
    "eps": "fields.cue.decay_per_mcs",
    "J_cc": "engine.contact_energy.cell_cell",
}
POINTS = [(name, at) for name, scan in STORED["scans"].items() for at in range(len(scan))]


def run(seed: int, **overrides: Any) -> AngiogenesisModel:
    settings = {"time.record_every_mcs": 500} | overrides
    model = AngiogenesisModel(load(SCENARIO, settings, seed=seed))
    for _ in range(500):
        model.step()
    return model


def check_point(name: str, at: int, seeds: int) -> None:
    stored = STORED["scans"][name][at]
    wanted = stored["covered_fraction"]["mean"]
    covered = []
    for seed in range(1, seeds + 1):
        model = run(seed, **{KEYS[k]: value for k, value in stored["parameters"].items()})
        covered.append(np.count_nonzero(model.cell_id) / model.cell_id.size)
        assert model.cells.living.size == 400
    print(f"{name} = {stored['parameters'][name]:g}: {np.mean(covered):.4f}, naive {wanted:.4f}")
    assert np.mean(covered) == pytest.approx(wanted, abs=0.01)


def test_the_scenario_is_the_one_that_was_measured() -> None:
    scenario = load(SCENARIO)
    engine, cue = scenario.engine, scenario.fields["cue"]
    defaults = STORED["header"]["defaults"]
    assert engine.chemotaxis["cue"].mu == defaults["mu"]
    assert engine.chemotaxis["cue"].saturation == defaults["s"]
    assert cue.decay_per_mcs == defaults["eps"]
    assert engine.contact_energy.cell_cell == defaults["J_cc"]
    model = AngiogenesisModel(scenario)
    assert ((model.cell_id > 0) == (openvt.start() > 0)).all()
    assert scenario.time.steps == STORED["header"]["mcs"]


@pytest.mark.parametrize(("name", "at"), [("mu", 4), ("mu", 0), ("s", 4)])
def test_covered_fraction(name: str, at: int) -> None:
    check_point(name, at, 1)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "at"), POINTS)
def test_covered_fraction_over_the_scans(name: str, at: int) -> None:
    check_point(name, at, 6)


def free_cell(replicates: int) -> np.ndarray:
    """Area and surface (replicates, samples, 2) of one cell without a field, as stored."""
    settings = {
        "domain.size_um": [100, 100],
        "cells.count": 1,
        "engine.chemotaxis.cue.mu": 0,
        "fields.cue.secretion_per_mcs": 0,
        "time.record_every_mcs": 500,
    }
    times = set(STORED["single_cell"]["sampled_mcs"])
    samples = []
    for seed in range(1, replicates + 1):
        model = AngiogenesisModel(load(SCENARIO, settings, seed=seed))
        samples.append([])
        while model.mcs < max(times):
            model.step()
            if model.mcs in times:
                surface = openvt.surface(model.cell_id, 1)
                samples[-1].append((model.cells.area[1], surface))
    return np.array(samples, dtype=float)


def check_free_cell(replicates: int) -> None:
    samples = free_cell(replicates)
    for column, name in ((0, "area"), (1, "surface_20")):
        wanted, values = STORED["single_cell"][name], samples[:, :, column]
        error = values.mean(axis=1).std(ddof=1) / np.sqrt(replicates)
        error = np.hypot(error, wanted["standard_error_of_mean"])
        print(
            f"{name}: mean {values.mean():.3f} sd {values.std():.3f}, "
            f"naive {wanted['mean']:.3f} sd {wanted['sd']:.3f}, error of the mean {error:.3f}"
        )
        assert abs(values.mean() - wanted["mean"]) < 4 * error
        assert values.std() == pytest.approx(wanted["sd"], rel=0.1)


def test_free_cell() -> None:
    check_free_cell(10)


@pytest.mark.slow
def test_free_cell_closely() -> None:
    check_free_cell(150)


@pytest.mark.parametrize(
    ("cells", "golden"),
    [
        (naive_fields.point_source(), naive_fields.GOLDEN_T3),
        (naive_fields.frozen_cell(), naive_fields.GOLDEN_T5),
    ],
    ids=["T3", "T5"],
)
@pytest.mark.parametrize("precision", ["single", "double"])
def test_golden_field_values(cells: np.ndarray, golden: dict[int, float], precision: str) -> None:
    field, lattice = np.zeros(cells.shape), cells.astype(np.int32)
    source, loss = np.array([0.0, 0.3]), np.array([0.3, 0.0])  # medium, cell
    for mcs in range(1, max(golden) + 1):
        # as the published values were made: 11 sub-steps of a tenth of a step
        euler_step(field, lattice, 1, source, loss, 1.0, 1.1, 11, PERIODIC, precision)
        if mcs in golden:
            assert field[80, 80] == pytest.approx(golden[mcs], rel=2e-5)
