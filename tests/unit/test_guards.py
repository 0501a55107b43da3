"""Wrong arrays are caught where they are first seen; what an assay does not expect is flagged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import slow

import sim
from sim.assays import FLAGS, assays, flagged
from sim.errors import NumericalError, RunWarning
from sim.model import model_of
from sim.runs.checkpoint import checkpoints_in
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped
from sim.studies.file import plan_study
from sim.studies.ledger import Entry
from sim.studies.table import Study, table_of
from sim.studies.task import DONE, FAILED

SMALL: dict[str, Any] = {
    "domain.size_um": [160, 180],
    "cells.count": 8,
    "time.duration_h": 30 / 120,
    "time.record_every_h": 10 / 120,
}
BED: dict[str, Any] = {"time.duration_h": 4, "time.record_every_h": 1, "setup.drug_start_day": 0}


class Spoil:
    """Changes a model at a step, as a fault would."""

    def __init__(self, at: int, how: Callable[[Any], None]) -> None:
        self.at, self.how = at, how

    def next_mcs(self, mcs: int) -> int | None:
        return self.at if mcs < self.at else None

    def look(self, model: Any) -> None:
        self.how(model)

    def close(self) -> None:
        pass


def setting(name: str, place: Any, value: float) -> Callable[[Any], None]:
    """Return what sets one entry of a column of cells."""

    def spoil(model: Any) -> None:
        model.cells[name][place] = value

    return spoil


def set_field(name: str, value: float) -> Callable[[Any], None]:
    def spoil(model: Any) -> None:
        model.fields[name][3, 4] = value

    return spoil


def lattice(value: Callable[[Any], int]) -> Callable[[Any], None]:
    """Return what gives one site of medium to another owner."""

    def spoil(model: Any) -> None:
        y, x = np.argwhere(model.lattice == 0)[0]
        model.lattice[y, x] = value(model)

    return spoil


QUICK: dict[str, tuple[Callable[[Any], None], str]] = {
    "a field that is nan": (
        set_field("VEGF", np.nan),
        r"step 15: fields\.VEGF is nan at voxel \(y, x\) 3, 4; must be finite",
    ),
    "a field that is infinite": (set_field("cue", np.inf), r"fields\.cue is inf at voxel"),
    "a field that is negative": (
        set_field("VEGF", -2.5),
        r"fields\.VEGF is -2\.5 at voxel \(y, x\) 3, 4; must be at least 0",
    ),
    "a drive above 1": (
        setting("drive", 2, 1.5),
        r"cells\.drive is 1\.5 at cell 2 \(row 2\); must be from 0 to 1",
    ),
    "negative receptors": (
        setting("free_receptors", (3, 0), -7.0),
        r"cells\.free_receptors is -7 at cell 3 \(row 3\); must be at least 0",
    ),
    "a centroid that is nan": (setting("centroid", (1, 0), np.nan), r"cells\.centroid is nan"),
    "a site too many": (lattice(lambda model: 1), r"areas of the cells add up to .* sites, but"),
    "a site of no cell": (lattice(lambda model: 4000), r"lattice holds 4000 at site .* no such"),
    "a negative site": (lattice(lambda model: -1), r"lattice holds -1 at site .* no such cell"),
    "an area too large": (setting("moments", (1, 0), 999), r"areas of the cells add up to"),
}


def swap_sites(model: Any) -> None:
    """Exchange a site of one cell for one of another: all areas stay."""
    (one, other) = (np.argwhere(model.lattice == row)[0] for row in (1, 2))
    model.lattice[tuple(one)], model.lattice[tuple(other)] = 2, 1


def scale_field(model: Any) -> None:
    model.fields["VEGF"][:] *= 1.001


THOROUGH: dict[str, tuple[Callable[[Any], None], str]] = {
    "sites of two cells exchanged": (swap_sites, r"sum_x of cell 1 \(row 1\) is .* in its sums"),
    "a sum that is off": (setting("moments", (2, 5), 12345), r"sum_xy of cell 2 \(row 2\) is"),
    "a centre that is off": (setting("centroid", (1, 0), 3.0), r"centroid of cell 1 \(row 1\)"),
    "a cell without an agent": (lambda model: model._views.pop(3), r"agent of their own"),
    "a dead cell with sites": (setting("alive", 4, 0), r"row 4 has sites on the lattice"),
    "an id to come": (lambda model: setattr(model, "next_id", 5), r"id that is still to come: 5"),
}


@pytest.mark.parametrize("what", QUICK)
def test_a_wrong_value_is_named_where_it_is_first_seen(what: str) -> None:
    spoil, words = QUICK[what]
    model = model_of(load("tube_formation", SMALL))
    model.advance(15)
    model.check()
    spoil(model)
    rows = len(model.datacollector.model_vars["mcs"])
    with pytest.raises(NumericalError, match=words):
        model.record()
    assert len(model.datacollector.model_vars["mcs"]) == rows


@pytest.mark.parametrize("what", THOROUGH)
def test_what_only_a_count_from_scratch_shows(what: str) -> None:
    spoil, words = THOROUGH[what]
    quick, thorough = (
        model_of(load("tube_formation", SMALL), paranoid=paranoid) for paranoid in (False, True)
    )
    for model in (quick, thorough):
        model.advance(3)
        spoil(model)
    quick.check()
    with pytest.raises(NumericalError, match=words):
        thorough.check()


def test_energies_that_do_not_follow_from_the_lattice(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(load("tube_formation", SMALL), paranoid=True)
    right = model.energy()
    monkeypatch.setattr(type(model), "energy", lambda self: right | {"length": 1.0})
    with pytest.raises(NumericalError, match="the length energy is 1 from the cells' sums"):
        model.check()


@pytest.mark.parametrize("order", ["before_sweep", "after_sweep"])
@pytest.mark.parametrize("solver", ["explicit", "exponential"])
def test_a_field_that_changes_between_steps_breaks_its_mass_balance(
    solver: str, order: str
) -> None:
    field = {"fields.cue.solver": solver, "fields.cue.order": order, "fields.VEGF.order": order}
    model = model_of(load("tube_formation", SMALL | field), paranoid=True)
    model.advance(10)
    scale_field(model)
    with pytest.raises(NumericalError, match=r"step 10: the mass balance of fields\.VEGF"):
        model.step()


@pytest.mark.parametrize("name", ["VEGF", "cue"])
def test_a_step_that_gives_another_field_is_seen(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of(load("tube_formation", SMALL), paranoid=True)
    right = type(model.tissue).move_fields

    def wrong(tissue: Any, *how: Any) -> Any:
        moved = right(tissue, *how)
        if name in how[0]:
            field = tissue.fields[name]
            field[np.unravel_index(field.argmax(), field.shape)] *= 1.001
        return moved

    monkeypatch.setattr(type(model.tissue), "move_fields", wrong)
    with pytest.raises(NumericalError, match=rf"step 9: .*fields\.{name}"):
        model.advance(10)


OF_BED: dict[str, tuple[Callable[[Any], None], str]] = {
    "oxygen that is nan": (lambda m: m.bed._oxygen.__setitem__((3, 4), np.nan), r"oxygen is nan"),
    "a viable share above 1": (lambda m: m.bed._w.__setitem__((3, 4), 2.0), r"w is 2 at voxel"),
    "a place that is nan": (lambda m: m.bed._nodes.x.__setitem__(5, np.nan), r"node\.x is nan"),
    "a negative area": (lambda m: setattr(m.bed, "area", -1.0), r"area is -1"),
}
OF_BED_THOROUGH: dict[str, tuple[Callable[[Any], None], str]] = {
    "flow that is lost": (
        lambda m: m.bed._pieces.velocity.__imul__(np.where(m.bed.pieces.id % 2, 1.0, 1.01)),
        r"flow is not conserved: .* um/s more flow into node",
    ),
    "a piece that ends nowhere": (
        lambda m: m.bed._pieces.b.__setitem__(7, 10**6),
        r"piece\.b is 1000000 in row 7, where there are",
    ),
    "two pieces of one id": (
        lambda m: m.bed._pieces.id.__setitem__(7, m.bed.pieces.id[8]),
        r"two rows of pieces have the same id",
    ),
    "an id to come": (lambda m: setattr(m.bed, "_next_id", 3), r"id that is still to come: 3"),
    "an area that is another": (
        lambda m: setattr(m.bed, "area", 1.01 * m.bed.area),
        r"area inside the outline is .* um\^2, the integrated one",
    ),
}


def test_a_wrong_bed_is_named() -> None:
    scenario = load("tumour_bed", BED)
    quick, thorough = (model_of(scenario, paranoid=paranoid) for paranoid in (False, True))
    quick.advance(1)
    thorough.advance(1)
    state = quick.state()
    for spoil, words in OF_BED.values():
        spoil(quick)
        with pytest.raises(NumericalError, match=f"step 1: {words}"):
            quick.record()
        quick.restore(state)
    for spoil, words in OF_BED_THOROUGH.values():
        quick.restore(state)
        thorough.restore(state)
        spoil(quick)
        spoil(thorough)
        quick.check()
        with pytest.raises(NumericalError, match=words):
            thorough.check()


def test_a_run_that_goes_wrong_keeps_what_was_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Table, summary, final state and a checkpoint are those of the last record before."""
    scenario, out = load("tube_formation", SMALL | {"record.frames": True}), tmp_path / "run"
    monkeypatch.setattr(
        "sim.model.parts.fields.check", lambda *of: None
    )  # else it is seen in the step
    with pytest.raises(NumericalError, match=r"step 20: fields\.VEGF is nan") as found:
        sim.run(scenario, out=out, observers=[Spoil(12, set_field("VEGF", np.nan))])
    assert any("step 10" in note for note in found.value.__notes__)
    result = sim.Result.open(out)
    assert result.timeseries["mcs"].tolist() == [0, 10]
    assert np.isfinite(result.timeseries.to_numpy(float)).all()
    assert list(result.frames) == [0, 10]
    assert np.isfinite(result.final["field_VEGF"]).all()
    assert result.manifest["completed"] is False
    assert result.manifest["mcs"] == 10
    assert list(checkpoints_in(out / "checkpoint")) == [10]
    assert "step 20: fields.VEGF is nan" in (out / "run.log").read_text()

    monkeypatch.undo()  # what was wrong has been put right
    resumed = sim.run(scenario, out=out, resume=True)
    plain = sim.run(scenario)
    assert resumed.timeseries.equals(plain.timeseries)
    assert all(np.array_equal(resumed.final[key], plain.final[key]) for key in plain.final)


def test_no_checkpoint_is_written_of_what_is_not_sound(tmp_path: Path) -> None:
    scenario, out = load("tube_formation", SMALL), tmp_path / "run"
    spoil = Spoil(13, setting("drive", 2, np.nan))
    with pytest.raises(NumericalError, match=r"cells\.drive is nan at cell 2"):
        sim.run(scenario, out=out, observers=[spoil], checkpoint_every=1e-9)
    assert max(checkpoints_in(out / "checkpoint")) <= 13
    sim.run(scenario, out=out, resume=True)


def test_in_memory_the_error_is_that_of_the_step() -> None:
    with pytest.raises(NumericalError) as found:
        sim.run("tube_formation", SMALL, observers=[Spoil(12, setting("drive", 2, np.nan))])
    assert found.value.__dict__["stage"] == "run"
    assert found.value.__context__ is None


@pytest.mark.parametrize("name", [slow("tube_formation_all_ligands"), "viability", "tumour_bed"])
def test_paranoia_changes_no_bit(name: str) -> None:
    changes = BED if name == "tumour_bed" else {k: v for k, v in SMALL.items() if "time" in k}
    scenario = load(name, changes)
    one, two = model_of(scenario), model_of(scenario, paranoid=True)
    for model in (one, two):
        model.advance(min(scenario.time.steps, 12))
    first, second = one.state(), two.state()
    assert all(first[key].tobytes() == second[key].tobytes() for key in first)


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_passes(name: str) -> None:
    scenario = load(name)
    model = model_of(scenario, paranoid=True)
    for _ in range(3):
        model.advance(min(scenario.time.steps_per_record, 40))
        model.check()
    assert not model.flags()


# -- flags ---------------------------------------------------------------------------------------


def test_a_cell_that_vanishes_is_flagged() -> None:
    def vanish(model: Any) -> None:
        model.cells["target"][2] = 0.0, 0.0
        model.tissue.rules.stiffness[1, 0] = 1e6

    with pytest.warns(RunWarning, match="flag_cells_lost = "):
        result = sim.run("tube_formation", SMALL, observers=[Spoil(1, vanish)])
    assert result.summary["flag_cells_lost"] == 8 - result.summary["cells"] > 0


def test_cells_at_an_edge_are_flagged_where_the_assay_keeps_them_off(tmp_path: Path) -> None:
    changes: dict[str, Any] = {
        "domain.size_um": [240, 240], "cells.count": 12, "time.duration_h": 0.05,
    }  # fmt: skip
    quiet = sim.run(load("sprouting", changes))
    assert "flag_cells_at_edge" not in quiet.summary

    def touch(model: Any) -> None:
        model.lattice[0, 5] = 1
        model.tissue.cells.measure(model.lattice, model.tissue.grid)

    end = load("sprouting", changes).time.steps
    with pytest.warns(RunWarning, match=r"flag_cells_at_edge = 1: .*larger domain\.size_um"):
        result = sim.run(
            load("sprouting", changes), observers=[Spoil(end, touch)], out=tmp_path / "run"
        )
    assert result.summary["flag_cells_at_edge"] == 1
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["flag_cells_at_edge"] == 1
    assert "flag_cells_at_edge" in (tmp_path / "run" / "run.log").read_text()
    assert {one.name for one in assays().values() if one.keeps_off} == {"chemotaxis", "sprouting"}


def test_a_fraction_out_of_range_is_flagged() -> None:
    model = model_of(load("tube_formation", SMALL))
    assert model.flags() == {}
    model.datacollector.model_vars["covered_fraction"][0] = 1.2
    assert model.flags() == {"flag_out_of_range": 1}
    assert flagged({"flag_out_of_range": 1, "cells": 8})[0].startswith("flag_out_of_range = 1: ")


def test_the_table_of_a_study_has_the_flags() -> None:
    """A column of each flag that is raised, 0 where it is not; none for the others."""
    plan = plan_study({"base": "tube_formation", "replicates": 3, "grid": {"drug.free_nM": [0]}})
    one, two, three = (run.key for run in plan.runs)
    entries = {
        one: Entry(DONE, {"cells": 352}),
        two: Entry(DONE, {"cells": 350, "flag_cells_lost": 2}),
        three: Entry(FAILED, {}, "run", "it broke"),
    }
    columns, rows = table_of(Study(plan, plan.runs, entries, None))
    assert set(FLAGS) & set(columns) == {"flag_cells_lost"}
    assert [row[columns.index("flag_cells_lost")] for row in rows] == [0, 2, None]
