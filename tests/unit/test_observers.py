"""Observers: when they look, that they are closed, and that no result depends on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.model import pace
from sim.model.clock import AngiogenesisModel
from sim.model.observers import Progress, advance_observed
from sim.runs.folder import RunFolder
from sim.runs.run import run_scenario
from sim.scenario.resolve import load

SMALL = {
    "domain.size_um": [160, 180],
    "cells.count": 8,
    "time.duration_h": 30 / 120,
    "time.record_every_h": 7 / 120,
}


class Looker:
    """Looks every few steps, at everything there is."""

    def __init__(self, every: int, fails_at: int | None = None) -> None:
        self.every, self.fails_at = every, fails_at
        self.seen: list[int] = []
        self.closed = 0

    def next_mcs(self, mcs: int) -> int | None:
        return (mcs // self.every + 1) * self.every

    def look(self, model: AngiogenesisModel) -> None:
        self.seen.append(model.mcs)
        model.measure(), model.energy(), model.state()
        [cell.length for cell in model.agents]
        if model.mcs == self.fails_at:
            raise RuntimeError("the film is torn")

    def close(self) -> None:
        self.closed += 1


def assert_same(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert one.keys() == two.keys()
    for name, array in one.items():
        assert array.tobytes() == two[name].tobytes(), name


def test_no_result_depends_on_observers() -> None:
    scenario = load("tube_formation_all_ligands", SMALL)
    alone = run_scenario(scenario)
    watched = run_scenario(
        load("tube_formation_all_ligands", SMALL | {"record.frames": True, "record.fields": True}),
        observers=[Looker(1), Looker(4)],
        progress=lambda done, total: None,
    )
    assert_same(alone.final, watched.final)
    assert alone.timeseries.equals(watched.timeseries)
    assert alone.summary == watched.summary

    one, two = AngiogenesisModel(scenario), AngiogenesisModel(scenario)
    one.advance(20)
    advance_observed(two, 20, [Looker(3)])
    assert_same(one.state(), two.state())


def test_observers_look_when_they_ask_to_and_are_closed_once() -> None:
    often, rarely, never = Looker(1), Looker(12), Looker(1)
    never.next_mcs = lambda mcs: None  # type: ignore[method-assign]
    sim.run("tube_formation", SMALL, observers=[often, rarely, never])
    assert often.seen == list(range(31))
    assert rarely.seen == [0, 12, 24]
    assert never.seen == []
    assert [looker.closed for looker in (often, rarely, never)] == [1, 1, 1]


def test_a_resumed_model_is_observed_from_its_step() -> None:
    model, looker = AngiogenesisModel(load("tube_formation", SMALL)), Looker(4)
    model.advance(8)
    advance_observed(model, 17, [looker])
    assert looker.seen == [8, 12, 16]
    assert model.mcs == model.steps == 17


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_an_exception_ends_the_run_and_closes_all(stop: type[BaseException]) -> None:
    looker, other = Looker(5, fails_at=10), Looker(2)
    if stop is KeyboardInterrupt:
        looker.fails_at = None
        other.look = _interrupt  # type: ignore[method-assign]
    with pytest.raises(stop):
        sim.run("tube_formation", SMALL, observers=[looker, other])
    assert (looker.closed, other.closed) == (1, 1)
    assert looker.seen == ([0, 5, 10] if stop is RuntimeError else [0, 5])


def _interrupt(model: AngiogenesisModel) -> None:
    if model.mcs == 8:
        raise KeyboardInterrupt


def test_a_failing_observer_is_exit_code_4(tmp_path: Path, monkeypatch: Any) -> None:
    """Frames are an observer of the command's."""

    def torn(self: RunFolder, mcs: int, arrays: Any) -> None:
        raise RuntimeError("the film is torn")

    monkeypatch.setattr(RunFolder, "write_frame", torn)
    settings = [
        f"--set={key}={value}" for key, value in (SMALL | {"record.frames": "true"}).items()
    ]
    done = CliRunner().invoke(
        app, ["run", "tube_formation", "--out", str(tmp_path / "run"), "--quiet", *settings]
    )
    assert done.exit_code == 4
    assert "the film is torn" in done.output
    assert (tmp_path / "run" / "final.npz").exists()


@pytest.mark.parametrize("wrong", [-3, 0])
def test_observers_cannot_ask_for_earlier_steps(wrong: int) -> None:
    looker = Looker(1)
    looker.next_mcs = lambda mcs: mcs + wrong  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=r"next_mcs\(-1\) = .*, must be above -1 or None"):
        sim.run("tube_formation", SMALL, observers=[looker])


class Clock:
    """A model whose steps take the time that they are said to."""

    def __init__(self, step_s: float) -> None:
        self.step_s, self.now, self.mcs = step_s, 0.0, 0
        self.advances: list[int] = []

    def advance(self, steps: int) -> None:
        self.advances.append(steps)
        self.now += steps * self.step_s
        self.mcs += steps


@pytest.mark.parametrize(("step_s", "at_once"), [(10.0, 1), (0.3, 1), (0.1, 5), (0.01, 50)])
def test_the_loop_returns_every_half_second(
    step_s: float, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = Clock(step_s)
    monkeypatch.setattr(pace, "perf_counter", lambda: model.now)
    advance_observed(model, 500, [])
    assert sum(model.advances) == 500
    assert at_once - 1 <= max(model.advances) <= at_once
    assert model.advances[0] == 1


def test_progress_is_reported_ten_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = Clock(0.01)
    monkeypatch.setattr(pace, "perf_counter", lambda: model.now)
    told: list[tuple[int, int]] = []
    advance_observed(model, 300, [Progress(lambda *now: told.append(now), 300)])
    assert told[0] == (0, 300)
    assert told[-1] == (300, 300)
    assert 30 <= len(told) <= 45
    assert max(np.diff([done for done, _ in told])) <= 10


@pytest.mark.parametrize("end", [1, 7, 10, 24_000, 24_001])
def test_progress_is_reported_at_each_tenth(end: int) -> None:
    """At the first step of each, however quick the run."""
    told: list[int] = []
    advance_observed(Clock(0.0), end, [Progress(lambda done, _: told.append(done), end)])  # type: ignore[arg-type]
    tenths = {10 * mcs // end: mcs for mcs in reversed(range(end + 1))}
    assert set(tenths.values()) <= set(told)
    assert told[-1] == end


def test_frames_say_who_the_cells_are() -> None:
    scenario = load("tube_formation", SMALL | {"record.frames": True, "types.pericyte": PERICYTE})
    frames = run_scenario(scenario).frames
    model = AngiogenesisModel(scenario)
    assert list(frames) == [0, 7, 14, 21, 28, 30]
    for mcs, arrays in frames.items():
        model.advance(mcs - model.mcs)
        assert (arrays["cell_id"] == model.cell_id).all()
        for cell in model.agents:
            assert arrays["cell_unique_id"][cell.row] == cell.unique_id
            assert arrays["cell_type"][cell.row] == cell.type
            assert arrays["cell_drive"][cell.row] == cell.drive
            assert arrays["cell_activity"][cell.row] == cell.activity
        assert np.count_nonzero(arrays["cell_unique_id"]) == len(model.agents)
        assert {len(arrays[name]) for name in arrays if name != "cell_id"} == {
            len(model.cells.area) - 1
        }
    assert set(frames[0]["cell_type"][1:]) == {1, 2}


PERICYTE = {
    "count": 2,
    "contact_energy": {"medium": 20, "endothelial": 40, "pericyte": 40, "wall": 100},
    "area": {"lambda": 50, "target_sites": 100},
}


def test_steps_are_counted_once() -> None:
    model = AngiogenesisModel(load("tube_formation", SMALL))
    model.advance(3)
    model.step()
    model.advance(0)
    assert model.mcs == model.steps == 4
    if hasattr(model, "time"):  # Mesa 3.5
        assert model.time == 4
    model.advance(40)  # also beyond the end
    assert (model.mcs, model.steps, model.running) == (44, 44, False)
