"""Closure of a gap against drive, ligand and dose: what the assay is for."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.optimize import curve_fit

from sim.assays.wound_healing.start import place_cells
from sim.kernels.draws import SEEDING, uniforms
from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load

SEEDS = range(1001, 1009)
DRIVES = (0.0, 0.1, 0.2, 0.3, 0.425, 0.55, 0.7, 0.85)
LIGANDS = {"VEGF": (50, 5.6), "PDGF-BB": (10, 8.7), "FGF-2": (20, 11.7)}
"""Saturating ng/mL, and the IC50 of the drug at the receptor, nM."""
DOSES_NM = (1.0, 3.0, 10.0, 30.0, 100.0, 1000.0)


def held(drive: float) -> dict[str, Any]:
    """Settings that hold the drive of all cells."""
    return {"behaviour.basal_activity": drive, "ligands.VEGF.bath_ng_ml": 0}


# --- fast ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("boundary", ["periodic", "walls"])
def test_the_layer_is_confluent_beside_a_straight_gap(boundary: str) -> None:
    scenario = load({"assay": "wound_healing"}, {"domain.boundary": boundary})
    sites, types = place_cells(scenario, partial(uniforms, 7, SEEDING, 0, 0))
    gap = np.zeros(sites.shape, np.bool_)
    gap[:, 250:500] = True
    assert ((sites == 0) == gap).all()
    assert len(types) == 200 == len(np.unique(sites[sites > 0]))
    areas = np.bincount(sites.ravel())[1:]
    assert areas.mean() == 300 and areas.std() < 0.25 * 300


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"cells.seeding": "random"}, "cells.seeding"),
        ({"setup.gap_um": 1480}, "setup.gap_um"),
        ({"setup.gap_um": 4}, "setup.gap_um"),
        ({"cells.count": 0}, "cells.count"),
        ({"cells.density_per_mm2": 50_000}, "cells.density_per_mm2"),
        ({"cells.density_per_mm2": 1}, "cells.density_per_mm2"),
    ],
)
def test_what_does_not_fit_is_reported(settings: dict[str, Any], key: str) -> None:
    from sim.errors import ScenarioError

    with pytest.raises(ScenarioError) as found:
        load({"assay": "wound_healing"}, settings)
    assert [problem.key for problem in found.value.problems] == [key]


def test_driven_layers_close_more_of_the_gap() -> None:
    """In two hours, on a short piece; speed and closure are one measure of it."""
    short = {"domain.size_um": [900, 120], "setup.gap_um": 300}
    still, driven = (
        AngiogenesisModel(load("wound_healing", short | held(m)), rng=1) for m in (0.0, 0.85)
    )
    for model in (still, driven):
        model.advance(240)
    one, other = still.measure(), driven.measure()
    assert other["closure_percent"] > 2 * one["closure_percent"] > 0
    assert other["front_speed_um_h"] == pytest.approx(other["closure_percent"] / 100 * 150 / 2)
    assert other["detached_cells"] == 0


# --- slow: eight layers a point -------------------------------------------------------------------


def read_at_6_and_12(job: tuple[str, float, int]) -> tuple[dict[str, float], dict[str, float]]:
    """Read-outs at 6 and 12 h: by drive held, or by free drug (nM) on a saturating ligand."""
    name, value, seed = job
    settings: dict[str, Any]
    if name == "drive":
        settings = held(value)
    else:
        settings = {"ligands.VEGF.bath_ng_ml": 0} | {
            f"ligands.{name}.bath_ng_ml": LIGANDS[name][0],
            "drug.free_nM": value,
        }
    model = AngiogenesisModel(load("wound_healing", settings), rng=seed)
    model.advance(720)
    at_6_h = model.measure()
    model.advance(720)
    return at_6_h, model.measure()


@pytest.fixture(scope="module")
def table() -> dict[tuple[str, float], list[tuple[dict[str, float], dict[str, float]]]]:
    """Read-outs of all seeds by arm."""
    arms = [("drive", drive) for drive in DRIVES]
    arms += [(name, dose) for name in LIGANDS for dose in (0.0, *DOSES_NM)]
    jobs = [(*arm, seed) for arm in arms for seed in SEEDS]
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        rows = list(pool.map(read_at_6_and_12, jobs))
    return {
        arm: [row for job, row in zip(jobs, rows, strict=True) if job[:2] == arm] for arm in arms
    }


def values(table: Any, arm: tuple[str, float], readout: str, at: int = 12) -> Any:
    """A read-out of all seeds."""
    return np.array([row[at == 12][readout] for row in table[arm]])


@pytest.mark.slow
@pytest.mark.timeout(14_400)
@pytest.mark.parametrize(
    ("arm", "low", "high"),
    [(("drive", 0.0), 8, 16), (("drive", 0.85), 58, 76), (("VEGF", 0.0), 52, 70)],
)
def test_closure_at_12_h(table: Any, arm: tuple[str, float], low: float, high: float) -> None:
    assert low <= values(table, arm, "closure_percent").mean() <= high


@pytest.mark.slow
def test_front_speed_is_linear_in_the_drive(table: Any) -> None:
    speed = [values(table, ("drive", drive), "front_speed_um_h").mean() for drive in DRIVES]
    assert np.corrcoef(DRIVES, speed)[0, 1] ** 2 >= 0.98


def ic50(table: Any, ligand: str) -> float:
    """Dose (nM) that halves what the ligand adds to the closure, by a fit of Hill slope 1."""
    none = values(table, ("drive", 0.0), "closure_percent").mean()
    doses = np.array([0.0, *DOSES_NM])
    means = np.array([values(table, (ligand, d), "closure_percent").mean() for d in doses])

    def curve(dose: Any, top: float, log_ic50: float) -> Any:
        return none + top / (1 + dose / np.exp(log_ic50))

    return float(np.exp(curve_fit(curve, doses, means, (50.0, np.log(8.0)))[0][1]))


@pytest.mark.slow
def test_the_dose_that_halves_closure_is_that_of_the_receptor(table: Any) -> None:
    found = {ligand: ic50(table, ligand) for ligand in LIGANDS}
    for ligand, (_, at_receptor) in LIGANDS.items():
        assert found[ligand] == pytest.approx(at_receptor, rel=0.25)
    for lower, higher in pairwise(found.values()):
        assert lower < higher


@pytest.mark.slow
@pytest.mark.parametrize("ligand", LIGANDS)
def test_a_micromolar_takes_all_that_a_ligand_adds(table: Any, ligand: str) -> None:
    """Closure is within two standard errors of that of unstimulated cells."""
    none = values(table, ("drive", 0.0), "closure_percent")
    found = values(table, (ligand, 1000.0), "closure_percent")
    error = np.hypot(*(each.std(ddof=1) / np.sqrt(len(each)) for each in (none, found)))
    assert abs(found.mean() - none.mean()) <= 2 * error


@pytest.mark.slow
def test_the_layer_holds(table: Any) -> None:
    """Holes stay below 6 % of the gap, and fewer than 2 % of the cells come off."""
    for arm in table:
        assert values(table, arm, "holes_um2").mean() < 0.06 * 500 * 240
        assert (values(table, arm, "detached_cells") / values(table, arm, "cells")).mean() < 0.02


def hours_of_free_cells(job: tuple[float, int]) -> float:
    """Mean square displacement (um^2) over 1 h of free cells of a drive, after an hour."""
    drive, seed = job
    settings = held(drive) | {
        "domain.substrate": "plastic",
        "domain.boundary": "periodic",
        "domain.size_um": [1200, 1200],
        "cells.count": 30,
        "cells.seeding": "grid",
        "setup.initial_area_sites": 300,
    }
    model = AngiogenesisModel(load("tube_formation", settings), rng=seed)
    way = np.zeros((model.endothelial.size, 2))
    squares = []
    for _ in range(4):
        before = model.cells["centroid"][model.endothelial].copy()
        way[:] = 0.0
        for _ in range(12):
            model.advance(10)
            now = model.cells["centroid"][model.endothelial]
            step = now - before
            way += step - 600 * np.rint(step / 600)
            before = now.copy()
        squares.append((way**2).sum(axis=1).mean() * model.scenario.domain.spacing_um**2)
    return float(np.mean(squares[1:]))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("drive", "um"), [(0.0, 6.7), (0.5, 18.3), (1.0, 30.3)])
def test_free_cells_walk(drive: float, um: float) -> None:
    """Within 15 % of the rms displacement over 1 h for which the pushes were chosen."""
    squares = [hours_of_free_cells((drive, seed)) for seed in SEEDS[:4]]
    assert np.sqrt(np.mean(squares)) == pytest.approx(um, rel=0.15)


@pytest.mark.slow
def test_show(table: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Print the tables that the documentation quotes."""
    with capsys.disabled():
        for arm in table:
            closure = [values(table, arm, "closure_percent", at) for at in (6, 12)]
            words = [f"{c.mean():.1f} +- {c.std(ddof=1):.1f} %" for c in closure]
            speed = values(table, arm, "front_speed_um_h").mean()
            rough = values(table, arm, "front_roughness_um").mean()
            print(f"\n{arm}: {', '.join(words)}; {speed:.1f} um/h; rough {rough:.0f} um", end="")
        for ligand in LIGANDS:
            print(f"\nIC50 {ligand} {ic50(table, ligand):.2f} nM", end="")
    assert table
