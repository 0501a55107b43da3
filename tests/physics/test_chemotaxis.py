"""Chemotaxis against ligand and dose: an optimum near L50, which the drug takes away (slow)."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest

from sim.fits.fitting import fit
from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

SEEDS = range(1001, 1011)  # 240 cells a point
READOUTS = ("drift_um_h", "chemotactic_index", "speed_um_h", "persistence_min", "migrated_percent")
HIGHS = (0.5, 2, 5, 10, 15, 50, 200)
DOSES_NM = (1.4, 2.8, 5.6, 11.2, 22.4, 44.8, 1000)
IC50_NM = {"VEGF": 5.6, "PDGF-BB": 8.7, "FGF-2": 11.7}
NOTHING = ("none", None, None, 0.0)
Arm = tuple[str, float | None, float | None, float]


def final_readouts(job: tuple[Arm, int]) -> dict[str, float]:
    """Read-outs of a ligand, between two concentrations, at a dose."""
    (ligand, low, high, free_nM), seed = job
    given = {"setup.ligand": ligand, "setup.low_ng_ml": low, "setup.high_ng_ml": high}
    settings: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    settings |= {"drug.name": "anlotinib", "drug.free_nM": free_nM, "record.frames": False}
    model = AngiogenesisModel(load("chemotaxis", settings), rng=seed)
    model.advance(model.scenario.time.steps)
    return {name: float(model.readouts[name]) for name in READOUTS}


def dosed(ligand: str, free_nM: float) -> Arm:
    return (ligand, None, None, free_nM)


@pytest.fixture(scope="module")
def table() -> dict[Arm, dict[str, np.ndarray[Any, Any]]]:
    """Read-outs by arm, an array over seeds each."""
    arms: list[Arm] = [("VEGF", None, high, 0.0) for high in HIGHS]
    arms += [dosed(ligand, dose) for ligand in IC50_NM for dose in (0.0, *DOSES_NM)]
    arms += [("VEGF", 5.0, 5.0, 0.0), NOTHING]
    jobs = [(arm, seed) for arm in arms for seed in SEEDS]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        rows = list(pool.map(final_readouts, jobs, chunksize=len(SEEDS)))
    return {
        arm: {
            name: np.array(
                [row[name] for job, row in zip(jobs, rows, strict=True) if job[0] == arm]
            )
            for name in READOUTS
        }
        for arm in arms
    }


def ic50_of(table: Any, ligand: str) -> float:
    """IC50 (nM) of the drift."""
    doses = (0.0, *DOSES_NM)
    drift = [table[dosed(ligand, dose)]["drift_um_h"] for dose in doses]
    return float(fit(doses, np.stack(drift, axis=1)).ic50 or np.nan)


@pytest.mark.parametrize("high", [5, 10])
def test_cells_go_up_a_gradient_near_half_occupancy(table: Any, high: float) -> None:
    assert table["VEGF", None, high, 0.0]["chemotactic_index"].mean() >= 0.7


def test_cells_are_lost_where_receptors_are_saturated(table: Any) -> None:
    assert table["VEGF", None, 200, 0.0]["chemotactic_index"].mean() <= 0.2


def test_a_uniform_ligand_gives_speed_without_direction(table: Any) -> None:
    found, nothing = table["VEGF", 5.0, 5.0, 0.0], table[NOTHING]
    assert abs(found["chemotactic_index"].mean()) <= 0.1
    assert found["speed_um_h"].mean() > 2 * nothing["speed_um_h"].mean()


@pytest.mark.parametrize("ligand", IC50_NM)
def test_the_drug_takes_drift_and_speed_away(table: Any, ligand: str) -> None:
    found, nothing = table[dosed(ligand, 1000)], table[NOTHING]
    assert abs(found["drift_um_h"].mean()) <= 1
    assert abs(found["speed_um_h"].mean() - nothing["speed_um_h"].mean()) <= 1


@pytest.mark.parametrize("ligand", IC50_NM)
def test_a_micromolar_leaves_the_drift_without_ligand(table: Any, ligand: str) -> None:
    """Within two standard errors of the difference of two arms with the same seeds."""
    difference = table[dosed(ligand, 1000)]["drift_um_h"] - table[NOTHING]["drift_um_h"]
    assert abs(difference.mean()) <= 2 * difference.std(ddof=1) / np.sqrt(len(SEEDS))


def test_the_half_maximal_dose_follows_the_receptor(table: Any) -> None:
    found = {ligand: ic50_of(table, ligand) for ligand in IC50_NM}
    for ligand, ic50 in found.items():
        assert 0.6 <= ic50 / IC50_NM[ligand] <= 1.4
    assert found["VEGF"] < found["PDGF-BB"] < found["FGF-2"]


def test_show(table: Any) -> None:
    """Print the tables of docs/chemotaxis.md, with -s."""
    for arm, found in table.items():
        cells = (f"{found[name].mean():.3g} ± {found[name].std(ddof=1):.2g}" for name in READOUTS)
        print("|", " | ".join([*map(str, arm), *cells]), "|")
    for ligand in IC50_NM:
        print(ligand, f"{ic50_of(table, ligand):.3g} nM")
