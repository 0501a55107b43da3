"""Tube formation against ligand and dose, 8 seeds a point: what the assay is for."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from sim.fits.fitting import fit
from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load

pytestmark = pytest.mark.slow

SEEDS = range(1, 9)
SINGLE = ("tube_formation", "tube_formation_pdgf_bb", "tube_formation_fgf_2")
RECEPTORS_NM = dict(zip(SINGLE, ((5.6, 1.2), (8.7, 3.4), (11.7, 4.1)), strict=True))
"""IC50 of the drug at the receptor, and its published spread, nM."""
DOSES_NM = (0, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 1000)


def final_readouts(job: tuple[str, float, int]) -> dict[str, float]:
    """Read-outs at the end of a shipped scenario at a dose."""
    name, free_nM, seed = job
    overrides: dict[str, Any] = {"time.record_every_h": 6.0}
    if free_nM:
        overrides["drug.free_nM"] = free_nM
    model = AngiogenesisModel(load(name, overrides), rng=seed)
    for _ in range(model.scenario.time.steps):
        model.step()
    return model.readouts


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, float], dict[str, np.ndarray[Any, Any]]]:
    """Read-outs by scenario and dose, an array over seeds each."""
    arms = [(name, 0.0) for name in (*SINGLE, "tube_formation_all_ligands")]
    arms += [("tube_formation_unstimulated", 0.0)]
    arms += [(name, float(dose)) for name in SINGLE for dose in DOSES_NM if dose]
    jobs = [(*arm, seed) for arm in arms for seed in SEEDS]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        rows = list(pool.map(final_readouts, jobs))
    return {
        arm: {
            key: np.array([row[key] for job, row in zip(jobs, rows, strict=True) if job[:2] == arm])
            for key in ("tube_length_mm", "meshes", "largest_part_fraction", "cells")
        }
        for arm in arms
    }


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", [*SINGLE, "tube_formation_all_ligands"])
def test_saturating_ligand_connects_the_network(table: Any, name: str) -> None:
    assert (table[name, 0.0]["largest_part_fraction"] > 0.9).sum() >= 7


def test_without_ligand_there_is_no_network(table: Any) -> None:
    assert table["tube_formation_unstimulated", 0.0]["largest_part_fraction"].mean() < 0.3


@pytest.mark.parametrize("name", SINGLE)
def test_single_ligands_give_most_of_the_length(table: Any, name: str) -> None:
    def length(arm: str) -> float:
        return float(table[arm, 0.0]["tube_length_mm"].mean())

    none = length("tube_formation_unstimulated")
    share = (length(name) - none) / (length("tube_formation_all_ligands") - none)
    assert 0.6 <= share <= 0.97


@pytest.mark.parametrize("readout", ["tube_length_mm", "meshes"])
def test_the_dose_removes_the_network_gradually(table: Any, readout: str) -> None:
    by_dose = [table["tube_formation", float(dose)][readout] for dose in DOSES_NM]
    for lower, higher in pairwise(by_dose):
        error = np.hypot(lower.std(ddof=1), higher.std(ddof=1)) / np.sqrt(len(SEEDS))
        assert higher.mean() - lower.mean() <= 2 * error
    means = [values.mean() for values in by_dose]
    assert spearmanr(DOSES_NM, means).statistic < -0.9


def halving_dose(table: Any, readout: str) -> float:
    """Dose (nM) at which a read-out is half-way to the unstimulated one, log-interpolated."""
    means = np.array([table["tube_formation", float(d)][readout].mean() for d in DOSES_NM])
    none = table["tube_formation_unstimulated", 0.0][readout].mean()
    effect = (means - none) / (means[0] - none)
    k = int(np.argmax(effect < 0.5))
    low, high = np.log(DOSES_NM[k - 1]), np.log(DOSES_NM[k])
    part = (effect[k - 1] - 0.5) / (effect[k - 1] - effect[k])
    return float(np.exp(low + part * (high - low)))


def ic50(table: Any, name: str) -> float:
    """IC50 (nM) of the length of the network."""
    lengths = [table[name, float(dose)]["tube_length_mm"] for dose in DOSES_NM]
    return float(fit(DOSES_NM, np.stack(lengths, axis=1)).ic50 or np.nan)


def test_the_half_maximal_dose_follows_the_receptor(table: Any) -> None:
    """Within the spread of the potency that went in; so is the order."""
    found = {name: ic50(table, name) for name in SINGLE}
    for name, (at_receptor, spread) in RECEPTORS_NM.items():
        assert abs(found[name] - at_receptor) <= spread
    assert sorted(SINGLE, key=found.__getitem__) == list(SINGLE)


def test_meshes_go_before_length(table: Any) -> None:
    assert halving_dose(table, "meshes") < halving_dose(table, "tube_length_mm")


@pytest.mark.parametrize("readout", ["tube_length_mm", "meshes", "largest_part_fraction"])
def test_micromolar_drug_gives_the_unstimulated_network(table: Any, readout: str) -> None:
    treated = table["tube_formation", 1000.0][readout]
    none = table["tube_formation_unstimulated", 0.0][readout]
    error = np.hypot(treated.std(ddof=1), none.std(ddof=1)) / np.sqrt(len(SEEDS))
    assert abs(treated.mean() - none.mean()) <= 3 * error + 1e-9


def test_cells_survive_a_micromolar(table: Any) -> None:
    assert (table["tube_formation", 1000.0]["cells"] == 352).all()


def test_show(table: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Print the table that the documentation quotes."""
    with capsys.disabled():
        for (name, dose), columns in table.items():
            words = [f"{key} {v.mean():.3g} +- {v.std(ddof=1):.2g}" for key, v in columns.items()]
            print(f"\n{name} {dose:g} nM: " + "; ".join(words), end="")
        for readout in ("tube_length_mm", "meshes"):
            print(f"\nhalf at {halving_dose(table, readout):.3g} nM: {readout}", end="")
        for name in SINGLE:
            print(f"\nIC50 of length {ic50(table, name):.3g} nM: {name}", end="")
    assert table
