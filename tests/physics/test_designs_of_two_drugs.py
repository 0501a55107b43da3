"""Designs beside a second drug: against superposition and integration of both, plainly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from sim.design.design import design
from sim.design.file import plan_design
from sim.errors import ScenarioError
from sim.pharmacology.drug_file import template

Array = NDArray[np.float64]

IC50_NM, OTHER_IC50_NM = 30.0, 4.0
MOLAR_MASS, UNBOUND = 400.0, 0.1  # of the template
CL, V, KA, F = 10.0, 50.0, 1.0, 0.6
DOSE, OTHER = "drug.regimen.dose_mg", "partner.regimen.dose_mg"
MEAN = {"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.7, "window": "last cycle"}


@pytest.fixture(autouse=True)
def _drug(workplace: Path) -> None:
    text = template("mine").replace("V = {value = 500", f"V = {{value = {V}")
    absorbed = f'F = {{value = {F}, source = "s", evidence = "assumed"}}\n'
    Path("mine.toml").write_text(text.replace("# [pk.human", absorbed + "# [pk.human"))


def base(drug: dict[str, Any], partner: dict[str, Any]) -> dict[str, Any]:
    one = {"file": "mine.toml", "exposure": "pk", "species": "human"}
    return {
        "extends": "tube_formation",
        "drug": {**one, "ic50_nM": {"VEGFR2": IC50_NM}, **drug},
        "partner": {**one, "ic50_nM": {"VEGFR2": OTHER_IC50_NM}, **partner},
    }


def found_of(tree: dict[str, Any]) -> Any:
    vary = tree.pop("vary", DOSE)
    (found,) = design(plan_design(
        {"target": [MEAN], "vary": {vary: {"low": 0.1, "high": 1e4}}, "subjects": 10} | tree
    )).found  # fmt: skip
    return found


def free_nM(doses: list[tuple[float, float]], times: Array, V: float = V) -> Array:
    """Unbound drug by superposition."""
    k, found = CL / V, np.zeros(times.shape)
    for at_h, mg in doses:
        since = np.maximum(times - at_h, 0.0)
        curve = (np.exp(-k * since) - np.exp(-KA * since)) * (times >= at_h)
        found += F * mg / V * KA / (KA - k) * curve
    return found * 1e6 / MOLAR_MASS * UNBOUND


def mean_inhibition(one: list[Any], other: list[Any], start_h: float, end_h: float) -> float:
    times = np.linspace(start_h, end_h, 200_001)
    x = free_nM(one, times) / IC50_NM + free_nM(other, times) / OTHER_IC50_NM
    return float(np.trapezoid(x / (1 + x), times)) / (end_h - start_h)


def every(hours: float, count: int, mg: float, first_h: float = 0.0) -> list[tuple[float, float]]:
    return [(first_h + hours * place, mg) for place in range(count)]


def test_beside_a_partner_whose_doses_are_fixed() -> None:
    partner = {"regimen": {"dose_mg": 3, "every_h": 12, "on_days": 6, "first_h": 5}}
    found = found_of({"base": base({"regimen": {"on_days": 3, "cycles": 2}}, partner)})
    given, theirs = every(24, 6, found.dose), every(12, 12, 3, 5)
    assert mean_inhibition(given, theirs, 72, 144) == pytest.approx(0.7, rel=1e-6)
    assert mean_inhibition(given, [], 72, 144) < 0.69  # it counts
    assert found.all_share is not None


def test_the_dose_of_the_partner_may_be_the_one_that_is_sought() -> None:
    """Windows, concentrations and costs are then its own."""
    partner = {"regimen": {"every_h": 12, "on_days": 6, "first_h": 5}}
    tree = {"base": base({"regimen": {"dose_mg": 20, "on_days": 6}}, partner), "vary": OTHER}
    found = found_of(tree | {"limits": {"total_ng_ml.max": 1e5}})
    given, theirs = every(24, 6, 20), every(12, 12, found.dose, 5)
    assert mean_inhibition(given, theirs, 5, 149) == pytest.approx(0.7, rel=1e-6)
    assert found.costs["mg_per_day"] == pytest.approx(2 * found.dose)
    own = free_nM(theirs, np.linspace(5, 149, 100_001)).max() / UNBOUND * MOLAR_MASS / 1e3
    assert found.costs["cmax_ng_ml"] == pytest.approx(own, rel=1e-5)


@pytest.mark.parametrize("cycles", [1, "steady"])
def test_in_steady_state_so_is_the_partner(cycles: Any) -> None:
    drug = {"regimen": {"on_days": 2, "off_days": 1, "first_h": 30.3, "cycles": cycles}}
    partner = {"regimen": {"dose_mg": 3, "every_h": 12, "first_h": 5}}
    tree = {"base": base(drug, partner), "target": [MEAN | {"window": "steady"}]}
    found = found_of(tree)
    given = [(30.3 + 72 * n + day, found.dose) for n in range(12) for day in (0, 24)]
    start_h = 30.3 + 72 * 10
    assert mean_inhibition(given, every(12, 90, 3, 5), start_h, start_h + 72) == pytest.approx(
        0.7, rel=1e-6
    )
    assert found.costs["mg_per_day"] == pytest.approx(found.dose * 2 / 3)


def test_a_medium_beside_a_steady_state_was_always_there() -> None:
    drug = {"regimen": {}, "residence_h": {"VEGFR2": 3}, "pk": {"CL": CL, "V": V}}
    tree = {"base": base(drug, {}), "target": [MEAN | {"window": "steady"}]}
    tree["base"]["partner"] = {
        "file": "mine.toml", "free_nM": 4.0, "ic50_nM": {"VEGFR2": 4.0},
        "residence_h": {"VEGFR2": 8},
    }  # fmt: skip
    found = found_of(tree)

    def slope(time_h: float, y: Array) -> list[float]:
        x = free_nM(every(24, 10, found.dose), np.array([time_h]))[0] / IC50_NM
        free = 1 - y[0] - y[1]
        return [(x * free - y[0]) / 3, (1.0 * free - y[1]) / 8, y[0] + y[1]]

    state = np.zeros(3)
    for day in range(9):
        before = state[2]
        span = (24.0 * day, 24.0 * day + 24)
        state = solve_ivp(slope, span, state, method="LSODA", rtol=1e-9, atol=1e-12).y[:, -1]
    assert (state[2] - before) / 24 == pytest.approx(0.7, rel=1e-5)


def test_a_drug_that_keeps_a_slow_one_off_may_inhibit_less_with_more() -> None:
    partner = {"regimen": {"dose_mg": 30}, "residence_h": {"VEGFR2": 200}}
    target = {"of": "inhibition.VEGFR2", "statistic": "at_end", "hours": [0, 72], "at_least": 0.5}
    found = found_of({
        "base": base({"regimen": {}, "pk": {"V": 250.0}}, partner), "target": [target],
    })  # fmt: skip
    values = found.curves[0].values
    assert values.argmin() not in (0, len(values) - 1)  # it falls, then rises
    assert any("is not monotone" in note for note in found.notes)

    def x(doses: list[Any], time_h: float, ic50_nM: float, V: float) -> float:
        return float(free_nM(doses, np.array([time_h]), V)[0]) / ic50_nM

    def fast(time_h: float) -> float:
        return x([(0, found.dose)], time_h, IC50_NM, 250)

    def slope(time_h: float, occupied: Array) -> Array:
        on = x([(0, 30)], time_h, OTHER_IC50_NM, V) * (1 - occupied) / (1 + fast(time_h))
        return (on - occupied) / 200

    occupied = solve_ivp(slope, (0, 72), [0.0], method="LSODA", rtol=1e-10, atol=1e-12).y[0, -1]
    assert 1 - (1 - occupied) / (1 + fast(72)) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("partner", "words"),
    [
        ({"regimen": {"dose_mg": 3, "on_days": 2}}, "cycles of 1 days, and of 2 of partner"),
        ({"regimen": {"dose_mg": 3, "loading": 9}}, r"partner\.regimen\.loading"),
        ({"doses": [{"at_h": 0, "amount_mg": 3}]}, r"partner\.doses: give it a regimen"),
        (
            {"regimen": {"dose_mg": 3}, "interaction": [{"factor_CL": 2, "from_day": 1}]},
            r"partner\.interaction on some days only",
        ),
    ],
)
def test_a_partner_that_has_no_steady_state(partner: dict[str, Any], words: str) -> None:
    tree = {"base": base({"regimen": {}}, partner), "target": [MEAN | {"window": "steady"}]}
    with pytest.raises(ScenarioError, match=words):
        found_of(tree)


def test_a_spread_of_the_partner_is_one_of_joint_inhibition() -> None:
    drug = {"regimen": {}, "pk": {"CL": CL, "V": V}}
    partner = {"regimen": {"dose_mg": 3}}
    target = MEAN | {"share": 0.9, "at_least": 0.5}
    found = found_of({"base": base(drug, partner), "target": [target]})
    assert 0.9 <= found.all_share < 1
