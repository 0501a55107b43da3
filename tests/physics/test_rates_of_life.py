"""Rates of division and death: how they add up, and what follows from them without a lattice."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

from sim.kernels.draws import uniform_at, uniforms
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.scenario.writing import decisive
from sim.signalling.drive import signal
from sim.signalling.life import death_rate, division_rate, signals, within


def test_draws_at_places_are_those_of_each_place() -> None:
    places = np.array([1, 5, 1_000])
    one_by_one = [uniforms(3, 4, 5, place, 0, 1)[0] for place in places.tolist()]
    assert uniform_at(3, 4, 5, places).tolist() == one_by_one


def test_signals_are_those_of_the_pathways() -> None:
    bound, saturated = np.array([[50.0, 300.0]]), np.array([100.0, 200.0])
    wanted = [signal(50.0, 100.0, 0.25), signal(300.0, 200.0, 0.5)]
    assert signals(bound, saturated, np.array([0.25, 0.5]))[0].tolist() == wanted


def test_rates_add_up_to_the_fastest() -> None:
    by_signal = np.array([0.0239, 0.03466])
    S = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [1.0, 1.0]])
    rates = division_rate(0.0, by_signal, 0.04332, S)
    assert rates == pytest.approx([0, 0.0239, 0.02928, 0.04332])
    assert log(2) / rates[[1, 3]] == pytest.approx([29.0, 16.0], rel=1e-3)
    assert division_rate(0.03466, 0 * by_signal, 0.04332, S) == pytest.approx([0.03466] * 4)
    assert within(np.array([log(2)]), 3600) == pytest.approx([0.5])


def course(line: str, free_nM: float, hours: float) -> tuple[float, float, float]:
    """Share of the cells that survive, number of cells, and viability; without a lattice."""
    scenario: Scenario = load("viability", {"cells.line": line, "drug.free_nM": free_nM})
    assert scenario.behaviour and scenario.behaviour.death and scenario.behaviour.division
    death, division = scenario.behaviour.death, scenario.behaviour.division
    inhibited = free_nM / (free_nM + 5.6)
    E, V, dt_h = 0.85 * (1 - inhibited), 0.85, 1 / 120
    survived, number, died = 1.0, 1.0, 0.0
    b = division_rate(
        division.own_per_h, np.array([division.signals_per_h["VEGFR2"]]), division.most_per_h,
        np.array([[1 - inhibited]]),
    )[0]  # fmt: skip
    for _ in range(round(hours / dt_h)):
        V = E + (V - E) * exp(-dt_h / death.survival_tau_h)
        d = float(
            death_rate(
                death.basal_per_h, death.unsupported_per_h, np.array(V), death.cytotoxic_per_h,
                death.cytotoxic_ec50_nM, death.cytotoxic_hill, free_nM,
            )
        )  # fmt: skip
        survived *= exp(-d * dt_h)
        died += number * d * dt_h
        number *= exp((b - d) * dt_h)
    return survived, number, 100 * number / (number + died)


@pytest.mark.parametrize(
    ("line", "hours", "percent"),
    [("huvec", 24, 97.7), ("huvec", 48, 93.1), ("huvec", 72, 87.9),
     ("ea_hy926", 24, 99.9), ("ea_hy926", 48, 99.7), ("ea_hy926", 72, 99.6)],
)  # fmt: skip
def test_cells_survive_a_micromolar(line: str, hours: float, percent: float) -> None:
    """A cell's chance to survive, relative to the control's."""
    relative = course(line, 1000, hours)[0] / course(line, 0, hours)[0]
    assert 100 * relative == pytest.approx(percent, abs=0.06)


@pytest.mark.parametrize(
    ("free_nM", "percent"), [(3e3, 96.6), (1e4, 86.7), (3e4, 53.7), (1e5, 32.5)]
)
def test_cells_die_at_tens_of_micromolar(free_nM: float, percent: float) -> None:
    relative = course("huvec", free_nM, 24)[0] / course("huvec", 0, 24)[0]
    assert 100 * relative == pytest.approx(percent, abs=0.06)


def test_number_and_viability_are_two_things() -> None:
    """A micromolar halves the number of cells of a line that needs VEGF, and kills hardly any."""
    for hours, number, viability in ((24, 55, 97.3), (48, 30, 91.5)):
        drug, control = course("huvec", 1000, hours), course("huvec", 0, hours)
        assert 100 * drug[1] / control[1] == pytest.approx(number, abs=0.6)
        assert 100 * drug[2] / control[2] == pytest.approx(viability, abs=0.3)
    drug, control = course("ea_hy926", 1000, 24), course("ea_hy926", 0, 24)
    assert 100 * drug[1] / control[1] == pytest.approx(99.9, abs=0.06)


@pytest.mark.parametrize("name", ["tube_formation", "wound_healing", "chemotaxis", "viability"])
def test_cell_lines_differ_in_division_and_death_alone(name: str) -> None:
    """And in when tubes are read: both migrate alike, with and without drug."""
    one, other = (
        decisive(load(name, {"cells.line": line, "time.duration_h": 2, "drug.free_nM": 8}))
        for line in ("huvec", "ea_hy926")
    )
    assert one["cells"].pop("line") != other["cells"].pop("line")
    lives = [tree["behaviour"].pop(what) for tree in (one, other) for what in ("division", "death")]
    assert one == other
    assert (lives[:2] != lives[2:]) == (name == "viability")
