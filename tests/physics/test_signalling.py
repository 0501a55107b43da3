"""Receptors, activity and drive against a numerical solution and the numbers of the literature."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import signalling as naive
from scipy.integrate import solve_ivp

from sim.model import assembly
from sim.model.clock import AngiogenesisModel
from sim.pharmacology.drugs import inhibition
from sim.scenario.exposure import potency_of
from sim.scenario.resolve import load
from sim.signalling import pathways as signalling
from sim.signalling.clock import LONGEST_SUBSTEP_S, substeps
from sim.signalling.drive import driven, relax, signal
from sim.signalling.pathways import Pathway
from sim.signalling.receptors import (
    ReceptorRates,
    bind,
    molar_per_count,
    steady_state,
    take_up,
)
from sim.units import ng_per_ml_to_nM

SCENARIO = load("tube_formation_anlotinib")
PATHWAYS = {pathway.receptor: pathway for pathway in assembly.pathways_of(SCENARIO)}
POTENCY = potency_of(SCENARIO)
BEHAVIOUR = SCENARIO.behaviour
TAU = {
    "basal": BEHAVIOUR.basal_activity,
    "tau_activity_s": BEHAVIOUR.activity_tau_min * 60,
    "tau_drive_s": BEHAVIOUR.drive_tau_h * 3600,
}


def advance(
    pathways: list[Pathway],
    free: np.ndarray,
    bound: np.ndarray,
    activity: np.ndarray,
    drive: np.ndarray,
    ligand_M: np.ndarray,
    inhibited: np.ndarray,
    *,
    dt_s: float,
    antagonism: np.ndarray | None = None,
    basal: float = TAU["basal"],
    tau_activity_s: float = TAU["tau_activity_s"],
    tau_drive_s: float = TAU["tau_drive_s"],
) -> tuple[np.ndarray, ...]:
    """Free, bound, ligand taken up, activity and drive after a step of all cells."""
    if antagonism is None:
        antagonism = np.zeros((len(pathways), len(pathways)))
    arrays = [np.array(a, np.float64) for a in (free, bound, np.empty_like(free), activity, drive)]
    constants = signalling.constants_of(
        pathways, antagonism, basal=basal, tau_activity_s=tau_activity_s, tau_drive_s=tau_drive_s
    )
    signalling.advance(np.arange(len(free)), *arrays, ligand_M, inhibited, constants, dt_s)
    arrays[2] *= dt_s
    return tuple(arrays)


def saturating_M(pathway: Pathway) -> float:
    return SCENARIO.ligands[pathway.ligand].saturating_ng_ml * pathway.M_per_ng_ml


def inhibited(pathways: list[Pathway], free_nM: np.ndarray) -> np.ndarray:
    """Inhibited share (times, pathways)."""
    shares = inhibition(free_nM, POTENCY)
    return np.stack([shares[p.receptor] for p in pathways], axis=1)


every_receptor = pytest.mark.parametrize("receptor", ["VEGFR2", "PDGFRB", "FGFR1"])


def receptor_ode(_t: float, state: np.ndarray, ligand: float, rates: ReceptorRates) -> list[float]:
    """R' and C' as the equations say."""
    free, bound = state
    made = rates.k_int * rates.per_cell
    on, off = rates.k_on * ligand * free, rates.k_off * bound
    return [made - rates.k_int * free - on + off, on - off - rates.k_int_bound * bound]


@every_receptor
@given(
    times_L50=st.floats(-3, 3).map(lambda power: 10.0**power) | st.just(0.0),
    free=st.floats(0, 20_000),
    bound=st.floats(0, 20_000),
    dt_s=st.sampled_from([0.1, 30.0, 300.0, 20_000.0]),
)
def test_binding(receptor: str, times_L50: float, free: float, bound: float, dt_s: float) -> None:
    rates = PATHWAYS[receptor].rates
    ligand = times_L50 * naive.half_maximal(rates)
    found = bind(free, bound, ligand, *rates, dt_s)

    def equations(t: float, state: np.ndarray) -> list[float]:
        net = rates.k_on * ligand * state[0] - rates.k_off * state[1]  # ligand taken up
        return [*receptor_ode(t, state[:2], ligand, rates), net]

    wanted = solve_ivp(equations, (0, dt_s), [free, bound, 0.0], "LSODA", rtol=1e-10, atol=1e-7).y[
        :, -1
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-4)
    twin = naive.bind(free, bound, ligand, rates, dt_s)
    np.testing.assert_allclose(found, twin, rtol=1e-9, atol=1e-7)


@every_receptor
def test_steady_state_of_binding(receptor: str) -> None:
    rates = PATHWAYS[receptor].rates
    ligand = naive.half_maximal(rates) * np.array([0.0, 0.01, 1.0, 100.0])
    free, bound = steady_state(ligand, rates)
    for L, R, C in zip(ligand, free, bound, strict=True):
        np.testing.assert_allclose(receptor_ode(0, [R, C], L, rates), 0, atol=1e-9)
    after = [bind(R, C, L, *rates, 30.0) for L, R, C in zip(ligand, free, bound, strict=True)]
    *stay, taken = np.array(after).T
    np.testing.assert_allclose(stay, (free, bound), rtol=1e-12)
    np.testing.assert_allclose(taken, rates.k_int_bound * bound * 30.0, rtol=1e-9)
    most = rates.k_int * rates.per_cell / rates.k_int_bound
    np.testing.assert_allclose(bound / most, [0, 0.01 / 1.01, 0.5, 100 / 101], rtol=1e-12)
    assert free[0] == pytest.approx(rates.per_cell)


@pytest.mark.parametrize(
    ("receptor", "ng_ml", "pM"), [("VEGFR2", 2.5, 56), ("FGFR1", 1.0, 59), ("PDGFRB", 0.27, 11)]
)
def test_half_maximal_ligand(receptor: str, ng_ml: float, pM: float) -> None:
    pathway = PATHWAYS[receptor]
    L50 = naive.half_maximal(pathway.rates)
    np.testing.assert_allclose(L50 * 1e12, pM, rtol=0.03)
    assert L50 / pathway.M_per_ng_ml == pytest.approx(ng_ml, rel=0.03)


@every_receptor
def test_fresh_ligand_overshoots_and_settles(receptor: str) -> None:
    pathway = PATHWAYS[receptor]
    free, bound = pathway.rates.per_cell, 0.0
    over = []
    for _ in range(6 * 60):
        free, bound, _ = bind(free, bound, saturating_M(pathway), *pathway.rates, 60.0)
        over.append(bound / pathway.saturated)
    above = np.count_nonzero(np.array(over) > 1.5) / 60
    print(f"{receptor}: {max(over):.1f} times saturation, above 1.5 times for {above:.1f} h")
    assert 2 <= max(over) <= 7
    assert over[3 * 60] == pytest.approx(1.0, abs=0.35)
    assert over[-1] == pytest.approx(1.0, abs=0.1)


def test_signal_is_capped_and_inhibited() -> None:
    for inhibition_, wanted in ((0.0, [0, 0.5, 1, 1]), (0.4, [0, 0.3, 0.6, 0.6])):
        found = [signal(bound, 500.0, inhibition_) for bound in (0.0, 250.0, 500.0, 3000.0)]
        np.testing.assert_allclose(found, wanted)


@every_receptor
def test_inhibition_is_a_hill_curve(receptor: str) -> None:
    ic50 = {"VEGFR2": 5.6, "PDGFRB": 8.7, "FGFR1": 11.7}[receptor]
    assert POTENCY.ic50_nM[receptor] == ic50
    dose = np.array([0.0, 1e-300, ic50, 1000.0, 1e300])
    found = inhibition(dose, POTENCY)[receptor]
    np.testing.assert_allclose(found, [0, 0, 0.5, 1000 / (1000 + ic50), 1], atol=1e-12)
    steep = replace(POTENCY, hill=dict.fromkeys(POTENCY.hill, 2.0))
    assert inhibition(3 * ic50, steep)[receptor] == pytest.approx(9 / 10)


def test_free_drug_at_the_peak_of_a_patient() -> None:
    """6.4 nM unbound: 53/42/35 % inhibition; as if all drug were unbound: 94/91/88 %."""
    for factor, wanted in ((1.0, (0.53, 0.42, 0.35)), (1 / 0.07, (0.94, 0.91, 0.88))):
        shares = inhibition(6.4 * factor, POTENCY)
        found = [shares[name] for name in ("VEGFR2", "PDGFRB", "FGFR1")]
        np.testing.assert_allclose(found, wanted, atol=0.01)


def settled(receptors: list[str], free_nM: float = 0.0) -> tuple[float, float]:
    """Activity and drive after 24 h of saturating ligands of these receptors."""
    chosen = [PATHWAYS[name] for name in receptors]
    free = np.array([[p.rates.per_cell for p in chosen]])
    bound, activity, drive = np.zeros_like(free), np.zeros(1), np.zeros(1)
    ligand = np.array([[saturating_M(p) for p in chosen]])
    shares = inhibited(chosen, np.array([free_nM]))
    for _ in range(24 * 30):
        free, bound, _taken, activity, drive = advance(
            chosen, free, bound, activity, drive, ligand, shares, dt_s=120.0
        )
    return float(activity[0]), float(drive[0])


def activity_with(signals: list[float], weights: list[float], basal: float) -> float:
    """Activity that constant signals lead to: receptors without exchange, part of them bound."""
    pathways = [replace(PATHWAYS["VEGFR2"], weight=w, saturated=1000.0) for w in weights]
    free, bound = np.zeros((1, len(signals))), 1000.0 * np.array([signals])
    _, _, _, activity, _ = advance(
        pathways, free, bound, np.zeros(1), np.zeros(1), np.zeros_like(free),
        np.zeros((1, len(signals))), dt_s=1e-6, tau_activity_s=1e-9, basal=basal,
    )  # fmt: skip
    return float(activity[0])


@every_receptor
def test_one_saturating_ligand(receptor: str) -> None:
    activity, drive = settled([receptor])
    assert activity == pytest.approx(0.85, abs=0.002)
    assert drive == pytest.approx(0.85, abs=0.002)


def test_redundant_pathways() -> None:
    """On the drug at its peak all three ligands give 0.86 of 1.00, and VEGF alone 0.40 of 0.85."""
    names = ["VEGFR2", "PDGFRB", "FGFR1"]
    assert settled(names)[0] == pytest.approx(1.0, abs=0.005)
    w = [PATHWAYS[name].weight for name in names]
    assert activity_with([0.47, 0.58, 0.65], w, 0.0) == pytest.approx(0.86, abs=0.005)
    assert activity_with([0.47], w[:1], 0.0) == pytest.approx(0.40, abs=0.005)
    # and through the whole chain, at the free concentration
    assert settled(names, free_nM=6.4)[1] == pytest.approx(0.86, abs=0.005)
    assert settled(["VEGFR2"], free_nM=6.4)[1] == pytest.approx(0.40, abs=0.005)


def test_basal_activity() -> None:
    assert activity_with([0.0, 0.0, 0.0], [0.85] * 3, 0.2) == pytest.approx(0.2)
    assert activity_with([0.5], [0.85], 0.2) == pytest.approx(1 - 0.8 * (1 - 0.425))


def test_relaxation_is_exact() -> None:
    once = relax(0.3, 1.0, np.exp(-600 / 900))
    half = relax(relax(0.3, 1.0, np.exp(-300 / 900)), 1.0, np.exp(-300 / 900))
    assert once == pytest.approx(half, rel=1e-14)
    assert once == pytest.approx(1.0 - 0.7 * np.exp(-2 / 3))
    np.testing.assert_allclose(driven((15.0, 55.0), np.array([0.0, 0.25, 1.0])), [15, 25, 55])


@pytest.mark.parametrize("parts", [1, 3])
def test_advance_against_its_plain_twin(parts: int) -> None:
    pathways, rng = list(PATHWAYS.values()), np.random.default_rng(4)
    ligand = np.array([saturating_M(p) for p in pathways]) * rng.random((20, 3))
    free = np.array([p.rates.per_cell for p in pathways]) * rng.random((20, 3))
    bound = np.array([p.saturated for p in pathways]) * 2 * rng.random((20, 3))
    ligand[::3, 0] = bound[::4, 1] = free[::5, 2] = 0.0
    ligand[1] = bound[1] = 0.0
    free[1] = [p.rates.per_cell for p in pathways]  # at rest
    start = (pathways, free, bound, rng.random(20), rng.random(20), ligand, rng.random((parts, 3)))
    terms = {"dt_s": 90.0, **TAU, "basal": 0.1, "antagonism": 0.5 * rng.random((3, 3))}
    for found, wanted in zip(advance(*start, **terms), naive.advance(*start, **terms), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-8)


def test_only_the_rows_that_signal_are_touched() -> None:
    pathways = list(PATHWAYS.values())
    arrays = [np.full((4, 3), 7.0) for _ in range(3)] + [np.full(4, 0.5) for _ in range(2)]
    constants = signalling.constants_of(pathways, np.zeros((3, 3)), **TAU)
    signalling.advance(
        np.array([2]), *arrays, np.full((4, 3), 1e-9), np.zeros((1, 3)), constants, 30.0
    )
    for array, before in zip(arrays, (7.0, 7.0, 7.0, 0.5, 0.5), strict=True):
        assert (np.delete(array, 2, axis=0) == before).all()
        assert (array[2] != before).all()


def test_a_receptor_without_ligand_rests() -> None:
    """To the last bit, so that a bath of 0 is no other experiment than a pathway left out."""
    pathways = list(PATHWAYS.values())
    free = np.array([[p.rates.per_cell for p in pathways]])
    none = np.zeros((1, 3))
    after = advance(pathways, free, none, np.zeros(1), np.zeros(1), none, none, dt_s=30.0)
    assert (after[0] == free).all()
    assert not any(array.any() for array in after[1:])


def course(pathways: list[Pathway], ng_ml: list[float], mcs_s: float, hours: float) -> np.ndarray:
    """Activity and drive (hours, 2) each hour; the drug comes after 2 h and goes after 5 h."""
    ligand = np.array([[c * p.M_per_ng_ml for p, c in zip(pathways, ng_ml, strict=True)]])
    free = np.array([[p.rates.per_cell for p in pathways]])
    bound, activity, drive = np.zeros_like(free), np.zeros(1), np.zeros(1)
    found = []
    parts = substeps(mcs_s)
    for step in range(round(hours * 3600 / mcs_s)):
        time = step * mcs_s + np.arange(parts) * mcs_s / parts
        free_nM = np.where((time >= 7200) & (time < 18_000), 10.0, 0.0)
        free, bound, _taken, activity, drive = advance(
            pathways, free, bound, activity, drive, ligand, inhibited(pathways, free_nM), dt_s=mcs_s
        )
        if (step + 1) * mcs_s % 3600 == 0:
            found.append((activity[0], drive[0]))
    return np.array(found)


def test_activity_and_drive_against_the_equations() -> None:
    pathways, ng_ml = [PATHWAYS["VEGFR2"], PATHWAYS["FGFR1"]], [3.0, 0.5]

    def equations(t: float, state: np.ndarray) -> list[float]:
        drug = 10.0 if 7200 <= t < 18_000 else 0.0
        rest, rates = 1.0 - TAU["basal"], []
        for k, (pathway, c) in enumerate(zip(pathways, ng_ml, strict=True)):
            own = state[2 * k : 2 * k + 2]
            rates += receptor_ode(t, own, c * pathway.M_per_ng_ml, pathway.rates)
            ic50 = POTENCY.ic50_nM[pathway.receptor]
            S = min(1.0, own[1] / pathway.saturated) * ic50 / (ic50 + drug)
            rest *= 1.0 - pathway.weight * S
        E, m = state[4:]
        return [*rates, (1.0 - rest - E) / TAU["tau_activity_s"], (E - m) / TAU["tau_drive_s"]]

    start = [pathways[0].rates.per_cell, 0.0, pathways[1].rates.per_cell, 0.0, 0.0, 0.0]
    hours = np.arange(1, 9) * 3600.0
    wanted = (
        solve_ivp(
            equations, (0, hours[-1]), start, t_eval=hours, rtol=1e-8, atol=1e-9, max_step=20.0
        )
        .y[4:]
        .T
    )
    found = course(pathways, ng_ml, 30.0, 8)
    assert np.ptp(wanted[:, 0]) > 0.2
    np.testing.assert_allclose(found, wanted, rtol=0.01)


def test_the_length_of_a_step_does_not_matter() -> None:
    pathways = list(PATHWAYS.values())
    ng_ml = [3.0 if p.receptor == "VEGFR2" else 0.2 for p in pathways]
    short, long = course(pathways, ng_ml, 30.0, 8), course(pathways, ng_ml, 300.0, 8)
    np.testing.assert_allclose(long, short, rtol=0.01)
    assert [substeps(dt) for dt in (1.0, 30.0, 31.0, 300.0)] == [1, 1, 2, 10]
    assert LONGEST_SUBSTEP_S == 30.0


def test_receptors_in_the_layer_above_a_cell() -> None:
    """4,900 receptors on 400 um^2 and 100 um depth are 4e-14 mol/L each, 0.2 nM together."""
    per_count = molar_per_count(400.0, 100.0)
    assert per_count == pytest.approx(1 / (6.02214076e23 * 4e-11))
    assert 4900 * per_count * 1e9 == pytest.approx(0.203, rel=0.01)
    assert ng_per_ml_to_nM(1.0, 45_000) == pytest.approx(0.0222, rel=0.01)


def test_what_receptors_took_up_leaves_the_layer_over_their_cell() -> None:
    rng = np.random.default_rng(7)
    uptake, area, source = rng.normal(0.0, 5.0, 9), rng.integers(0, 90, 9), rng.random(9)
    wanted = source.copy()
    for row in (2, 5, 8):
        litres = max(area[row], 1) * 4.0 * 100.0 * 1e-15
        wanted[row] -= uptake[row] / (6.02214076e23 * litres) / 2e-11
    take_up(np.array([2, 5, 8]), uptake, area, 4.0, 100.0, 2e-11, source)
    np.testing.assert_allclose(source, wanted, rtol=1e-12)


def test_antagonism_takes_from_the_second_signal() -> None:
    pathways = [PATHWAYS["PDGFRB"], PATHWAYS["FGFR1"]]
    free = np.array([[p.rates.per_cell for p in pathways]])
    bound, none = np.array([[p.saturated for p in pathways]]), np.zeros((1, 2))
    ligand = np.array([[saturating_M(p) for p in pathways]])
    found = []
    for share in (0.0, 0.5):
        against = np.array([[0.0, share], [0.0, 0.0]])
        activity = advance(
            pathways, free, bound, np.zeros(1), np.zeros(1), ligand, none,
            dt_s=30.0, antagonism=against,
        )[3]  # fmt: skip
        found.append(activity[0] / (1 - np.exp(-30.0 / TAU["tau_activity_s"])))
    w = pathways[0].weight
    np.testing.assert_allclose(found, [1 - (1 - w) ** 2, 1 - (1 - w) * (1 - 0.5 * w)], rtol=1e-9)


@pytest.mark.parametrize(("depth_um", "bath"), [(100, 50), (100, 2), (10, 2)])
def test_molecules_are_balanced_between_field_and_receptors(depth_um: float, bath: float) -> None:
    """In a closed layer what the field loses is what receptors took up, whatever the depth."""
    model = AngiogenesisModel(
        load(
            "tube_formation",
            {
                "domain.size_um": [200, 200],
                "domain.field_depth_um": depth_um,
                "cells.count": 14,
                "ligands.VEGF.exchange_per_s": 0,
                "ligands.VEGF.bath_ng_ml": bath,
            },
        )
    )
    field, mcs_s = model.fields["VEGF"], model.scenario.time.mcs_s
    per_voxel = PATHWAYS["VEGFR2"].M_per_ng_ml / molar_per_count(100.0, depth_um)
    start, taken = field.sum() * per_voxel, 0.0
    for _ in range(60):
        model.step()
        taken += model.cells["uptake"][:, 0].sum() * mcs_s
    assert taken > 0.01 * start
    assert field.sum() * per_voxel + taken == pytest.approx(start, rel=1e-12)
