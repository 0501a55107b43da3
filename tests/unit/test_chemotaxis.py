"""Chemotaxis: the gradient of the set-up, what cells sense, and what is read from tracks."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.assays.chemotaxis.measure import measure, tracks
from sim.assays.declare import Tissue
from sim.errors import ScenarioError
from sim.model.clock import AngiogenesisModel
from sim.scenario.resolve import load
from sim.scenario.writing import dump

L50 = {"VEGF": 2.5, "PDGF-BB": 0.27, "FGF-2": 1.0}
RECEPTOR = {"VEGF": "VEGFR2", "PDGF-BB": "PDGFRB", "FGF-2": "FGFR1"}
IC50_NM = {"VEGF": 5.6, "PDGF-BB": 8.7, "FGF-2": 11.7}
SMALL: dict[str, Any] = {"domain.size_um": [200, 200], "time.duration_h": 0.1}


def gradients(**settings: Any) -> dict[str, tuple[str, float, float]]:
    """Axis, low and high end of each gradient of a scenario with these settings."""
    scenario = load({"assay": "chemotaxis"}, settings)
    assert load(tomllib.loads(dump(scenario))) == scenario
    found = {name: ligand.gradient for name, ligand in scenario.ligands.items()}
    return {name: (g.axis, g.low_ng_ml, g.high_ng_ml) for name, g in found.items() if g}


# --- the gradient --------------------------------------------------------------------------------


@pytest.mark.parametrize("ligand", L50)
def test_the_set_up_writes_the_gradient_of_its_ligand(ligand: str) -> None:
    wanted = {ligand: ("y", 0.0, pytest.approx(4 * L50[ligand]))}
    assert gradients(**{"setup.ligand": ligand}) == wanted
    given = {"setup.ligand": ligand, "setup.low_ng_ml": 1, "setup.high_ng_ml": "3 ng/mL"}
    assert gradients(**given) == {ligand: ("y", 1.0, 3.0)}


def test_the_default_gradient_follows_the_half_maximal_concentration() -> None:
    assert gradients(**{"engine.sensing_L50_ng_ml.VEGF": "7.6 ng/mL"})["VEGF"][2] == 4 * 7.6


def test_a_gradient_or_a_bath_of_ones_own_takes_the_place_of_the_set_up() -> None:
    assert gradients(**{"setup.ligand": "none"}) == {}
    assert gradients(**{"ligands.VEGF.bath_ng_ml": 5}) == {}
    assert gradients(**{"ligands.FGF-2.bath_ng_ml": 5}) == {"VEGF": ("y", 0.0, 10.0)}
    own = {"ligands.FGF-2.gradient": {"axis": "x", "low_ng_ml": 4, "high_ng_ml": 1}}
    assert gradients(**own) == {"FGF-2": ("x", 4.0, 1.0)}
    assert load("chemotaxis", {"signalling.enabled": False}).setup.ligand == "none"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"setup.ligand": "VEGFA"}, "setup.ligand = 'VEGFA': must be one of 'VEGF'"),
        ({"setup.high_ng_ml": -1}, "setup.high_ng_ml = -1: must be"),
        ({"setup.low_ng_ml": "much"}, "setup.low_ng_ml = 'much'"),
        (
            {"ligands.VEGF.gradient": {"high_ng_ml": 4}, "setup.high_ng_ml": 5},
            "ligands.VEGF.gradient: must not differ from [setup], 0 to 5 ng/mL along y",
        ),
        (
            {"ligands.VEGF.bath_ng_ml": 1, "setup.ligand": "VEGF"},
            "ligands.VEGF.bath_ng_ml = 1: must not be given together with 'gradient'",
        ),
        (
            {"ligands.FGF-2.gradient": {"high_ng_ml": 4}, "setup.ligand": "VEGF"},
            "ligands.FGF-2.gradient: must not be given beside that of [setup], of VEGF",
        ),
        ({"ligands.VEGF.exchange_per_s": 0}, "ligands.VEGF.exchange_per_s = 0: must be above 0"),
        ({"domain.boundary": "periodic"}, "ligands.VEGF.gradient: must not be given on a periodic"),
        ({"cells.count": 200}, "cells.count = 200: gives 200 cells"),
        ({"cells.seeding": "grid"}, "cells.seeding = 'grid': must be 'random'"),
        ({"domain.size_um": [30, 800], "cells.count": 2}, "gives cells 39.09 um across, too large"),
        ({"engine.sensing_L50_ng_ml": 3}, "engine.sensing_L50_ng_ml = 3: must be a table"),
        ({"engine": 3}, "engine = 3: must be a table"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load("chemotaxis", settings)
    assert said in str(error.value)


def test_a_gradient_replaces_the_bath_of_a_scenario_that_is_extended() -> None:
    ligand = load("tube_formation", {"ligands.VEGF.gradient": {"high_ng_ml": 3}}).ligands["VEGF"]
    assert ligand.gradient is not None and ligand.bath_ng_ml == 0


# --- what cells sense ----------------------------------------------------------------------------


@pytest.mark.parametrize("ligand", L50)
@pytest.mark.parametrize("free_nM", [0.0, 5.6])
def test_the_strength_is_that_of_receptors_without_drug(ligand: str, free_nM: float) -> None:
    """mu f(c) = chi (w / 0.85) (1 - I) c / (c + L50)."""
    drug = {"drug.name": "anlotinib", "drug.free_nM": free_nM}
    weight = {f"behaviour.weights.{RECEPTOR[ligand]}": 0.425}
    model = AngiogenesisModel(load("chemotaxis", SMALL | drug | weight | {"setup.ligand": ligand}))
    assert model.tissue.followed == [ligand]
    model.step()
    inhibited = free_nM / (free_nM + IC50_NM[ligand])
    mu, saturation = model.cells["mu"][model.endothelial, 0], model.tissue.rules.saturation[0]
    c = np.array([0.1, 1.0, 30.0])
    wanted = 6000 * 0.5 * (1 - inhibited) * c / (c + L50[ligand])
    np.testing.assert_allclose(mu[:, None] * (c / (1 + saturation * c)), [wanted] * len(mu))


def test_cells_follow_the_ligands_that_are_supplied() -> None:
    both = {"ligands.FGF-2.bath_ng_ml": 1, "fields.PDGF-BB.secretion_per_s": 1e-4}
    assert AngiogenesisModel(load("chemotaxis", SMALL)).tissue.followed == ["VEGF"]
    model = AngiogenesisModel(load("chemotaxis", SMALL | both))
    assert model.tissue.followed == ["VEGF", "PDGF-BB", "FGF-2"]
    model.step()
    np.testing.assert_allclose(model.cells["mu"][1], [6000 / each for each in L50.values()])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine.chemotaxis.VEGF.mu": 3}, "engine.chemotaxis.VEGF.mu = 3: must not be given"),
        ({"engine.chemotaxis.FGF-2.saturation": 1}, "engine.chemotaxis.FGF-2.saturation = 1"),
        ({"behaviour.chemotaxis.VEGF.mu": [0, 1]}, "behaviour.chemotaxis.VEGF: must not be given"),
        ({"signalling.enabled": False}, "engine.sensing = 'occupancy': must be 'concentration'"),
        ({"engine.sensing_L50_ng_ml.VEGFA": 1}, "engine.sensing_L50_ng_ml.VEGFA: unknown ligand"),
    ],
)
def test_occupancy_leaves_no_strength_to_give(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load("tube_formation", {"engine.sensing": "occupancy", **settings})
    assert said in str(error.value)


BY_CONCENTRATION = {"engine.sensing": "concentration"}


def test_concentration_needs_a_strength() -> None:
    with pytest.raises(ScenarioError, match=r"engine\.chemotaxis\.FGF-2\.mu: is missing"):
        load("tube_formation", BY_CONCENTRATION | {"engine.chemotaxis.FGF-2.acts_on": "both"})


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("tube_formation", "6e82409d58b6f5dd"),
        ("tube_formation_all_ligands", "2af64f248d91fa9f"),
        ("tube_formation_anlotinib", "2fcb35f64a03df99"),
    ],
)
def test_tube_formation_is_what_it_was_before_cells_sensed_occupancy(name: str, cells: str) -> None:
    settings = BY_CONCENTRATION | {"domain.size_um": [200, 200]}
    model = AngiogenesisModel(load(name, settings), rng=7)
    model.advance(40)
    assert hashlib.sha256(model.lattice.tobytes()).hexdigest()[:16] == cells


def test_tubes_can_still_follow_a_concentration_of_vegf_alone() -> None:
    """As in version 0.2.0; `mu` and `saturation` of a ligand may then be given."""
    scenario = load("tube_formation_all_ligands", BY_CONCENTRATION)
    assert list(scenario.engine.chemotaxis) == ["cue", "VEGF"]
    vegf = scenario.engine.chemotaxis["VEGF"]
    assert (vegf.mu, vegf.saturation) == (400, 0.05)
    given = BY_CONCENTRATION | {"engine.chemotaxis.VEGF.mu": 100}
    assert load("tube_formation", given).engine.chemotaxis["VEGF"].mu == 100
    followed = load("tube_formation_all_ligands").engine.chemotaxis
    assert list(followed) == ["cue", "VEGF", "PDGF-BB", "FGF-2"]


# --- tracks --------------------------------------------------------------------------------------

SITE_UM = 2.0
LOOKS = np.array([0, 60, 120])  # steps of 30 s


def read(places: Any, looks: Any = LOOKS, **settings: Any) -> dict[str, float]:
    """Read-outs of tracks (cells, looks, 2) [y, x] in um."""
    tissue, memory = noted(places, looks)
    return measure(tissue, memory, load("chemotaxis", settings))


def noted(places: Any, looks: Any = LOOKS) -> tuple[Tissue, dict[str, np.ndarray[Any, Any]]]:
    sites = np.array(places, dtype=float).swapaxes(0, 1) / SITE_UM
    memory = {"looks": np.array(looks), "places": sites, "rows": 3 + np.arange(sites.shape[1])}
    step = int(looks[-1])
    nothing = np.zeros((4, 4), np.int32)
    return Tissue(step, 30.0, 2 + step / 120, SITE_UM, False, nothing, {}, {}), memory


def test_a_straight_way_up() -> None:
    found = read([[(0, 0), (60, 0), (120, 0)], [(9, 5), (59, 5), (109, 5)]])
    assert found == pytest.approx({
        "drift_um_h": 110, "chemotactic_index": 1, "speed_um_h": 110, "persistence_min": 60,
        "migrated_percent": 50,
    })  # fmt: skip


def test_a_way_with_corners() -> None:
    found = read([[(0, 0), (30, 0), (30, 40)], [(0, 0), (-10, 0), (-10, 10)]])
    assert found["drift_um_h"] == pytest.approx(10)
    assert found["chemotactic_index"] == pytest.approx((30 / 70 - 0.5) / 2)
    assert found["speed_um_h"] == pytest.approx(45)
    assert found["persistence_min"] == 0 and found["migrated_percent"] == 0


def test_persistence_is_that_of_the_mean_cosine() -> None:
    looks = np.arange(5) * 60
    turns = np.deg2rad(60) * np.arange(4)
    steps = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    way = np.concatenate([[(0, 0)], np.cumsum(steps, axis=0)])
    assert read([way], looks)["persistence_min"] == pytest.approx(-30 / np.log(0.5))


def test_up_is_where_the_ligand_rises() -> None:
    way = [[(0, 0), (0, 30), (0, 60)]]
    assert read(way)["drift_um_h"] == 0
    for low, high, sign in ((0, 4, 1), (4, 0, -1)):
        gradient = {"axis": "x", "low_ng_ml": low, "high_ng_ml": high}
        assert read(way, **{"ligands.VEGF.gradient": gradient})["drift_um_h"] == 60 * sign


def test_cells_that_died_are_left_out() -> None:
    gone = [(0, 0), (50, 0), (np.nan, np.nan)]
    assert read([gone, [(0, 0), (5, 0), (10, 0)]])["drift_um_h"] == 10
    assert not any(read([gone]).values())
    table = tracks(*noted([gone, [(0, 0), (5, 0), (10, 0)]]), load("chemotaxis"))
    assert table["cell"].tolist() == [3, 3, 4, 4, 4]
    assert table["time_h"].tolist() == [2, 2.5, 2, 2.5, 3]
    assert table["y_um"].tolist() == [1, 51, 1, 6, 11] and (table["x_um"] == 1).all()


def test_cells_start_in_the_middle() -> None:
    model = AngiogenesisModel(load("chemotaxis"))
    y = model.cells["centroid"][model.endothelial, 0] * SITE_UM
    assert len(y) == 24 and y.min() >= 0.35 * 800 - 1 and y.max() <= 0.65 * 800 + 1


def test_tracks_are_a_file_of_the_run(tmp_path: Path) -> None:
    result = sim.run(
        "chemotaxis", {"domain.size_um": [200, 300], "time.duration_h": 0.2,
                       "readout.every_min": 3, "time.record_every_h": 0.1}, out=tmp_path / "run",
    )  # fmt: skip
    table = result.tables["tracks.csv"]
    assert list(table) == ["cell", "time_h", "x_um", "y_um"]
    assert len(table) == 5 * result.summary["cells"]
    assert table["time_h"].unique().tolist() == [0, 0.05, 0.1, 0.15, 0.2]
    opened = sim.Result.open(tmp_path / "run").tables["tracks.csv"]
    assert opened.to_numpy().tobytes() == table.to_numpy().tobytes()
    for name in ("tracks.png", "cells.png", "tracks.csv"):
        assert (tmp_path / "run" / name).stat().st_size > 100


def test_tracks_have_no_jump_over_a_periodic_border() -> None:
    settings = SMALL | {"domain.boundary": "periodic", "setup.ligand": "none"}
    model = AngiogenesisModel(load("chemotaxis", settings | {"readout.every_min": 1}))
    model.tissue.cells["centroid"][1] = 99.5, 50  # beside the border, in sites
    model.assay.begin(model)
    for y in (1.0, 98.0, 97.0, 2.0):
        model.tissue.cells["centroid"][1] = y, 50
        model.mcs += 2
        model.assay.after_step(model)
    assert model.assay.memory["places"][:, 0, 0].tolist() == [99.5, 101, 98, 97, 102]


@pytest.mark.parametrize("cut", [1, 5, 6])
def test_tracks_of_a_run_split_anywhere_agree(cut: int) -> None:
    """Between two positions and at one, which are 2 steps apart."""
    scenario = load("chemotaxis", SMALL | {"readout.every_min": 1})
    whole, first, second = (AngiogenesisModel(scenario, rng=seed) for seed in (3, 3, 4))
    whole.advance(9)
    first.advance(cut)
    second.restore(first.state())
    second.advance(9 - cut)
    assert whole.assay.memory["looks"].tolist() == [0, 2, 4, 6, 8]
    for name, array in whole.assay.memory.items():
        assert array.tobytes() == second.assay.memory[name].tobytes(), name


@pytest.mark.slow
def test_doses_and_ligands_are_swept(tmp_path: Path) -> None:
    study = sim.sweep(
        {
            "base": "chemotaxis",
            "set": {"domain.size_um": [200, 300], "time.duration_h": 0.1, "readout.every_min": 3},
            "grid": {"drug.free_nM": [0, 5, 50, 500], "setup.ligand": ["VEGF", "FGF-2"]},
            "dose_response": {"dose": "drug.free_nM", "responses": ["drift_um_h"]},
            "replicates": 1,
        },
        out=tmp_path / "study",
    )
    assert study.results["drift_um_h"].notna().all() and len(study.results) == 8
