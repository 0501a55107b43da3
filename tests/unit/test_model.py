"""What building a model does, when it is done, its energy and its receptors."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from marks import slow
from matplotlib.figure import Figure
from matplotlib.text import Text
from naive import potts as naive
from scipy.ndimage import map_coordinates

import sim.signalling
import sim.tissue
from sim import data
from sim.errors import InputError, NumericalError, ScenarioError
from sim.model import assembly
from sim.model.clock import AngiogenesisModel, _Rehearsal
from sim.model.parts.cells import potts_sweep
from sim.runs.run import result_of, run_scenario
from sim.scenario.resolve import load
from sim.tools import bench
from sim.view.run.timeseries import draw_timeseries

SMALL = {"domain.size_um": [240, 220], "cells.count": 12}
TORUS = {
    "domain.boundary": "periodic",
    "fields.cue.boundary": "periodic",
    "fields.VEGF.boundary": "periodic",
}
PERICYTE = {
    "count": 3,
    "contact_energy": {"medium": 20, "endothelial": 40, "pericyte": 40, "wall": 100},
    "area": {"lambda": 50, "target_sites": 100},
}
EXPERIMENTS = pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tube_formation_all_ligands", SMALL),
        ("tube_formation_unstimulated", SMALL),
        ("tube_formation", SMALL | TORUS),
        ("tube_formation", SMALL | {"types.pericyte": PERICYTE, "setup.region_um": [150, 150]}),
        ("reference/openvt_angiogenesis", {}),
        ("reference/merks2008_sprouting", {}),
    ],
)


def kernels() -> dict[str, Any]:
    """All compiled functions by name."""
    found = {}
    for package in (sim.tissue, sim.signalling):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            for name, item in vars(importlib.import_module(module.name)).items():
                if isinstance(item, numba.core.dispatcher.Dispatcher):
                    found[f"{item.__module__}.{name}"] = item
    return found


@EXPERIMENTS
def test_a_built_model_compiles_nothing_more(name: str, settings: dict[str, Any]) -> None:
    model = AngiogenesisModel(load(name, settings))
    ready = {kernel: len(item.signatures) for kernel, item in kernels().items()}
    assert "sim.signalling.pathways.advance" in ready
    for _ in range(3):
        model.step()
    assert {kernel: len(item.signatures) for kernel, item in kernels().items()} == ready


@EXPERIMENTS
def test_the_small_experiment_is_of_the_same_kind(name: str, settings: dict[str, Any]) -> None:
    scenario = load(name, settings)
    small = _Rehearsal(assembly.small(scenario))
    assert small.cell_id.size <= 120 * 120
    assert not small.cell_id.any()
    assert small.fields.keys() == AngiogenesisModel(scenario).fields.keys()
    assert small.scenario.fields == scenario.fields
    assert small.scenario.engine == scenario.engine


def test_building_leaves_a_model_at_its_start() -> None:
    model = AngiogenesisModel(load("tube_formation", SMALL))
    assert model.mcs == model.readouts["mcs"] == 0
    assert set(model.seconds) == {"compile"}
    assert (model.fields["VEGF"] == 50).all()
    assert not model.fields["cue"].any()
    assert not model.cells["bound_receptors"].any()
    assert (np.bincount(model.cell_id.ravel())[1:] == 100).all()
    assert [cell.unique_id for cell in model.agents] == list(range(1, 13))


def test_a_push_ends_with_the_drive() -> None:
    """Persistence that follows the drive is gone in all cells once none is driven."""
    pushed = SMALL | {"behaviour.persistence.mu": [0, 55]}
    model = AngiogenesisModel(load("tube_formation_unstimulated", pushed))
    model.cells["drive"][:] = model.cells["activity"][:] = 1.0
    for _ in range(3):
        model.step()
    assert np.abs(model.cells["push"]).max() > 10
    model.cells["drive"][:] = model.cells["activity"][:] = 0.0
    model.step()
    assert np.abs(model.cells["push"]).max() == 0


def test_a_rehearsal_is_no_larger_than_the_domain() -> None:
    scenario = load("tube_formation", {"domain.size_um": [60, 700]})
    assert assembly.small(scenario).domain.size_um[0] <= 60


def test_what_is_not_a_number_is_not_accepted() -> None:
    model = AngiogenesisModel(load("tube_formation", SMALL))
    before = model.lattice.copy()
    model.cells["target"][:, 0] = np.nan
    potts_sweep(model)
    assert (model.lattice == before).all()


BRIEF = {"domain.size_um": [100, 100], "time.duration_h": 9 / 120, "time.record_every_h": 4 / 120}


def test_a_model_runs_until_the_end_of_its_experiment() -> None:
    model = AngiogenesisModel(load("tube_formation", BRIEF))
    assert model.running
    model.run_model()
    assert not model.running
    assert model.mcs == model.scenario.time.steps == model.readouts["mcs"] == 9
    assert list(model.datacollector.get_model_vars_dataframe()["mcs"]) == [0, 4, 8, 9]
    model.step()  # by hand it goes on
    assert model.mcs == 10
    assert not model.running


def test_the_end_has_a_frame_where_it_has_a_record() -> None:
    result = run_scenario(load("tube_formation", BRIEF | {"record.frames": True}))
    assert list(result.frames) == list(result.timeseries["mcs"]) == [0, 4, 8, 9]


@pytest.mark.parametrize("rng", [-1, 2**63, 1.5, "1", np.random.default_rng(1)])
def test_a_seed_is_a_whole_number(rng: Any) -> None:
    with pytest.raises(InputError, match=r"rng = .*must be a whole number from 0 to 2\^63"):
        AngiogenesisModel(load("tube_formation", BRIEF), rng=rng)


def test_a_model_at_work_is_drawn_as_it_is() -> None:
    """As a result draws its end; the model and its records stay as they are."""
    model = AngiogenesisModel(load("tube_formation", BRIEF))
    model.advance(6)  # between two records
    before, rows = model.state(), len(model.datacollector.get_model_vars_dataframe())
    figure = model.plot()
    ax = figure.axes[0]
    assert isinstance(figure, Figure)
    assert "0.05 h" in " ".join(text.get_text() for text in figure.findobj(Text))
    assert model.plot(ax=Figure().subplots()) is not figure
    shown = result_of(model)
    assert (shown.final["cell_id"] == model.cell_id).all()
    assert list(shown.timeseries["mcs"]) == [0, 4, 6]
    assert shown.timeseries["mcs"].dtype == np.int64
    assert len(model.datacollector.get_model_vars_dataframe()) == rows
    assert all((array == before[name]).all() for name, array in model.state().items())
    assert ax.images


@EXPERIMENTS
def test_energy_by_term(name: str, settings: dict[str, Any]) -> None:
    model = AngiogenesisModel(load(name, settings))
    for _ in range(5):
        model.step()
    sites, cells, rules = model.cell_id, model.cells, model.tissue.rules
    types, target, periodic = cells["type"][:-1], cells["target"], model.tissue.grid.periodic
    wall, contacts = len(rules.J) - 1, len(rules.contact_yx)

    def from_scratch(J: Any, stiffness: Any) -> float:
        return naive.total_energy(
            sites, types, J, contacts, periodic, wall, stiffness[:, 0], target[:, 0],
            stiffness[:, 1], target[:, 1], alive=cells["alive"],
        )  # fmt: skip

    none = 0 * rules.stiffness
    wanted = {
        "contact": from_scratch(rules.J, none),
        "area": from_scratch(0 * rules.J, rules.stiffness * [1, 0]),
        "length": from_scratch(0 * rules.J, rules.stiffness * [0, 1]),
        "chemotaxis": 0.0,
    }
    mode = "grid-wrap" if periodic else "nearest"
    for k, field in enumerate(model.tissue.followed):
        values = model.fields[field]
        voxel = sites.shape[0] // values.shape[0]
        where = (np.argwhere(sites > 0).T + 0.5) / voxel - 0.5
        c = map_coordinates(values, where, order=1, mode=mode)
        mu = cells["mu"][sites[sites > 0], k]
        wanted["chemotaxis"] -= float((mu * naive.saturate(c, rules.saturation[k])).sum())
    assert model.energy() == pytest.approx(wanted, rel=1e-12)
    assert wanted["contact"] != 0
    assert wanted["area"] != 0


@pytest.fixture
def fourth_receptor(own_data: Path) -> dict[str, Any]:
    """VEGFR1, which takes VEGF too, among the data and the potencies of anlotinib."""
    folder = own_data
    receptor = (folder / "receptors" / "VEGFR2.toml").read_text()
    (folder / "receptors" / "A-VEGFR1.toml").write_text(receptor)
    drug = folder / "drugs" / "anlotinib.toml"
    ic50 = 'ic50_nM = {value = 27, source = "s"}\nhill = {value = 1, source = "s"}\n'
    drug.write_text(
        drug.read_text().replace(
            "[potency.lin2018.VEGFR2]",
            f"[potency.lin2018.A-VEGFR1]\n{ic50}[potency.lin2018.VEGFR2]",
        )
    )
    return {
        **BRIEF,
        "drug.free_nM": 27,
        "signalling.receptors.A-VEGFR1": data.values(
            {k: v for k, v in data.read("receptors", "VEGFR2").items() if data.is_leaf(v)}
        ),
    }


def test_each_receptor_of_the_scenario_is_reported(fourth_receptor: dict[str, Any]) -> None:
    with pytest.raises(ScenarioError, match=r"behaviour.weights.A-VEGFR1.* is missing"):
        load("tube_formation", fourth_receptor)
    scenario = load("tube_formation", fourth_receptor | {"behaviour.weights.A-VEGFR1": 0.3})
    result = run_scenario(scenario)
    columns = [name for name in result.timeseries if name.startswith("inhibition_")]
    usual = ["inhibition_VEGFR2", "inhibition_PDGFRB", "inhibition_FGFR1"]
    assert columns == [*usual, "inhibition_A-VEGFR1"]
    assert (result.timeseries["inhibition_A-VEGFR1"] == 0.5).all()
    assert not any(name.startswith("inhibition_") for name in result.summary)
    texts = {text.get_text() for ax in draw_timeseries(result).axes for text in ax.texts}
    assert "A-VEGFR1 inhibited" in texts


ALONE = {
    "domain.size_um": [220, 208], "cells.count": 80,
    "time.record_every_mcs": 7, "time.duration_mcs": 17,
}  # fmt: skip
"""Cells that nothing signals to."""


DOUBLE = {"fields.cue.precision": "double", "fields.cue.order": "after_sweep"}
WALLS = {"domain.boundary": "walls", "engine.contact_energy.cell_wall": 100}
LENGTH = {"engine.length.lambda": 3, "engine.length.target_sites": 14}


@pytest.mark.parametrize("threads", [slow(1), 2])
@pytest.mark.parametrize(
    ("settings", "at_once"),
    [
        slow(bench.NO_FIELD, True),
        (bench.CUE, True),
        slow(bench.CUE | DOUBLE, True),
        slow(bench.CUE | WALLS, True),
        slow(bench.NO_FIELD | LENGTH, True),
        (bench.CUE | {"engine.persistence.mu": 20}, False),
        slow(bench.CUE | {"engine.contact_energy.cell_cell": 40.5}, False),
    ],
)
def test_steps_taken_together_are_those_taken_one_by_one(
    settings: dict[str, Any], at_once: bool, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """State, records and the steps that Mesa counts; whatever the steps are cut into."""
    monkeypatch.setattr("sim.kernels.threads.LEAST_SITES", 0)
    monkeypatch.setattr("sim.kernels.threads.LEAST_WORK", 0)
    monkeypatch.setattr("sim.kernels.threads.processors", lambda: 2)
    scenario = load(bench.CELLS, settings | ALONE)
    one, together = AngiogenesisModel(scenario), AngiogenesisModel(scenario, threads=threads)
    for _ in range(24):
        one.step()
    taken, advance = [], together.tissue.advance
    together.tissue.advance = lambda *a, **k: advance(*a, **k) or taken.append(a[3].item())
    for steps in (1, 9, 0, 14):
        together.advance(steps)
    assert any(taken) == at_once
    assert not together.running
    assert (together.steps, together.mcs) == (24, 24)
    state = together.state()
    for name, array in one.state().items():
        np.testing.assert_array_equal(state[name], array, err_msg=name)
    records = [each.datacollector.get_model_vars_dataframe() for each in (one, together)]
    assert records[0]["mcs"].tolist() == [0, 7, 14, 17, 21]
    assert records[0].equals(records[1])
    assert (one.lattice > 0).any()


def test_an_interruption_comes_between_whole_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for the end of a call of several steps, which have all been taken then."""
    scenario = load(bench.CELLS, bench.CUE | ALONE)
    model, whole = AngiogenesisModel(scenario), AngiogenesisModel(scenario)
    whole.advance(12)
    compiled = sim.tissue.advance

    def interrupted(*arguments: Any) -> None:
        compiled(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sim.tissue, "advance", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.advance(12)
    assert model.mcs == model.readouts["mcs"] == 7
    model.advance(5)
    state = model.state()
    assert all((array == state[name]).all() for name, array in whole.state().items())


def test_a_step_of_ones_own_sees_each_step() -> None:
    class Seen(AngiogenesisModel):
        def step(self) -> None:
            super().step()
            seen.append(self.cell_id.copy())

    scenario = load(bench.CELLS, bench.CUE | ALONE)
    seen: list[Any] = []
    one, several = AngiogenesisModel(scenario), Seen(scenario)
    several.advance(6)
    for lattice in seen:
        one.step()
        assert (one.cell_id == lattice).all()
    assert len(seen) == 6


def test_a_negative_field_is_refused_in_each_way_of_stepping() -> None:
    for way in ("step by step", "at once"):
        model = AngiogenesisModel(load(bench.CELLS, bench.CUE | ALONE))
        model.fields["cue"][100, 100] = -1e6
        with pytest.raises(NumericalError, match=r"fields\.cue: values from -"):
            model.step() if way == "step by step" else model.advance(5)


@pytest.mark.parametrize("steps", [-5, True, 1.5, "3", None])
def test_steps_are_a_whole_number(steps: Any) -> None:
    model = AngiogenesisModel(load("tube_formation", BRIEF))
    with pytest.raises(InputError, match=r"steps = .*whole number of at least 0"):
        model.advance(steps)
    assert model.mcs == 0


@pytest.mark.parametrize("threads", [0, 2.5, "2"])
def test_threads_are_a_whole_number(threads: Any) -> None:
    with pytest.raises(InputError, match=r"threads = .*whole number of at least 1"):
        AngiogenesisModel(load("tube_formation", BRIEF), threads=threads)


def test_a_model_is_made_of_a_scenario_not_of_its_name() -> None:
    with pytest.raises(InputError, match=r"'tube_formation': must be a Scenario; sim\.load"):
        AngiogenesisModel("tube_formation")  # type: ignore[arg-type]


def test_a_picture_tells_the_age_of_the_assay_not_the_time_of_the_schedule() -> None:
    model = AngiogenesisModel(load("tube_formation", BRIEF | {"time.start_h": 300}))
    model.advance(6)
    shown = " ".join(text.get_text() for text in model.plot().findobj(Text))
    assert "after 0.05 h" in shown
