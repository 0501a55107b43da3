"""The tumour bed as an experiment: what vessels and tumour do over weeks, with and without drug."""

from __future__ import annotations

import math
import resource
import time
from functools import cache
from typing import Any

import numpy as np
import pytest

from sim.bed.graph import VESSEL
from sim.model.bed import VesselBedModel
from sim.scenario.resolve import load

ASSAY = {"assay": "tumour_bed"}
CYCLES = {"on_days": 14, "off_days": 7, "cycles": 4}
SMALL: dict[str, Any] = {
    "domain": {"size_um": [1200, 1200]},
    "setup": {"radius_um": 220, "gap_um": 250, "drug_start_day": 4},
    "time": {"duration_h": 24 * 14},
    "bed": {"rho_per_um3": 6e-4},
}
"""A small bed, for quick tests: cells that secrete more VEGF, since there are fewer of them."""
DAY = 24
NEVER = 1e12
"""IC50 of a receptor that is not blocked, nM."""
WEEK = 7 * DAY


def schedule(mg: float, **more: Any) -> dict[str, Any]:
    """A drug by mouth, two weeks of three."""
    drug = {"name": "anlotinib", "exposure": "pk", "species": "human"}
    return {"drug": drug | {"regimen": {"dose_mg": mg, **CYCLES}} | more}


def full_block(receptor: str) -> dict[str, Any]:
    """A drug that blocks one receptor wholly from day 0 on, and no other."""
    ic50 = dict.fromkeys(("VEGFR2", "PDGFRB", "FGFR1"), NEVER) | {receptor: 1e-6}
    return {"drug": {"name": "anlotinib", "free_nM": 1.0, "ic50_nM": ic50}}


def model_of(seed: int, settings: dict[str, Any] | None = None) -> VesselBedModel:
    return VesselBedModel(load(ASSAY | (settings or {})), rng=seed)


@cache
def at_start(seed: int) -> dict[str, np.ndarray]:
    """The state of a bed when the drug begins, which all arms of a seed share."""
    model = model_of(seed)
    model.advance(35 * DAY)
    return model.state()


def arm(seed: int, settings: dict[str, Any]) -> VesselBedModel:
    """A bed on the day on which the drug begins."""
    model = model_of(seed, settings)
    model.restore(at_start(seed))
    return model


def mean_error(values: Any) -> tuple[float, float]:
    values = np.asarray(values, float)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(values.size))


# --- quick ---------------------------------------------------------------------------------------


def test_a_block_of_one_receptor_takes_vessels_and_not_pericytes_or_the_reverse() -> None:
    free = model_of(1, SMALL)
    free.advance(4 * DAY)
    state = free.state()
    found = {}
    for receptor in ("VEGFR2", "PDGFRB"):
        model = model_of(1, SMALL | full_block(receptor))
        model.restore(state)
        model.advance(6 * DAY)
        found[receptor] = model.measure()
    free.advance(6 * DAY)
    control = free.measure()
    name = "tumour_vessel_length_mm"
    assert (
        found["VEGFR2"][name] < 0.7 * control[name] and found["PDGFRB"][name] > 0.9 * control[name]
    )
    assert found["PDGFRB"]["pericyte_coverage"] < control["pericyte_coverage"] - 0.1


def test_there_is_no_drug_before_its_first_day() -> None:
    treated, free = (model_of(2, SMALL | drug) for drug in (full_block("VEGFR2"), {}))
    for model in (treated, free):
        model.advance(4 * DAY)
    assert treated.measure()["free_nM"] == 1.0 and treated.time_h == 0.0
    ours, theirs = treated.state(), free.state()
    for name in ours.keys() - {"structure"}:
        assert ours[name].tobytes() == theirs[name].tobytes(), name
    rows = treated.datacollector.get_model_vars_dataframe()
    before = rows[rows["time_h"] < 0]
    assert len(before) == 4 and (before[["total_nM", "free_nM"]] == 0).all(axis=None)
    assert (before[[f"inhibition_{name}" for name in ("VEGFR2", "PDGFRB", "FGFR1")]] == 0).all(
        axis=None
    )


def test_the_diameter_is_counted_from_the_first_day_of_the_drug() -> None:
    model = model_of(1, SMALL)
    assert math.isnan(model.measure()["diameter_change_percent"])
    model.advance(4 * DAY)
    assert model.measure()["diameter_change_percent"] == 0.0
    model.advance(10 * DAY)
    assert model.measure()["diameter_change_percent"] > 0.0


def test_everything_blocked_for_good_is_a_defined_end() -> None:
    ic50 = dict.fromkeys(("VEGFR2", "PDGFRB", "FGFR1"), 1e-6)
    drug = {"drug": {"name": "anlotinib", "free_nM": 1.0, "ic50_nM": ic50}}
    hostile = {"bed": SMALL["bed"] | {"k_reg_per_h": 0.5, "tau_V_h": 2.0, "e_host": 0.0}}
    setup = SMALL["setup"] | {"drug_start_day": 0}
    model = model_of(1, SMALL | drug | hostile | {"setup": setup})
    model.advance(20 * DAY)
    found = model.measure()
    assert found["mvd_per_mm2"] == 0.0 and found["tips"] == 0
    for share in ("perfused_fraction", "pericyte_coverage"):
        assert math.isnan(found[share])
    assert np.isfinite(found["mean_oxygen_mmHg"]) and found["tumour_area_mm2"] > 0.0


def test_a_tumour_that_is_gone_is_a_defined_end() -> None:
    setup = SMALL["setup"] | {"radius_um": 60, "drug_start_day": 0}
    starved = {"bed": {"T_an_d": 0.25, "T_clear_d": 0.25, "P_host_mmHg": 0.0, "psi_um_per_s": 0.0}}
    model = model_of(1, SMALL | {"setup": setup} | starved)
    model.advance(6 * DAY)
    found = model.measure()
    assert found["tumour_area_mm2"] == 0.0 and found["diameter_change_percent"] == -100.0
    assert math.isnan(found["mvd_per_mm2"]) and math.isnan(found["mean_oxygen_mmHg"])
    model.advance(DAY)


def test_pieces_and_tips_are_agents() -> None:
    model = model_of(1, SMALL)
    model.advance(3 * DAY)
    pieces, tips = model.agents_by_type.values()
    assert len(pieces) == model.measure()["cells"] and len(tips) == model.measure()["tips"]
    one = pieces[0]
    (x0, y0), (x1, y1) = one.ends_um
    rows = model.bed.pieces.id == one.unique_id
    assert math.hypot(x1 - x0, y1 - y0) == pytest.approx(model.bed.lengths()[rows][0])
    assert one.velocity_um_per_s == model.bed.pieces.velocity[rows][0]
    first = {agent.unique_id: agent for agent in model.agents}
    assert all(first[agent.unique_id] is agent for agent in model.agents)
    assert math.hypot(*tips[0].direction) == pytest.approx(1.0)


def test_a_run_cut_anywhere_agrees_with_drug() -> None:
    settings = SMALL | schedule(12, kp_uu=3)
    whole = model_of(3, settings)
    whole.advance(240)
    model = model_of(3, settings)
    for part in (37, 100, 103):
        model.advance(part)
        state, model = model.state(), model_of(3, settings)
        model.restore(state)
    for name, array in whole.state().items():
        assert array.tobytes() == model.state()[name].tobytes(), name


# --- acceptance: seeds that set nothing ----------------------------------------------------------


@pytest.mark.slow
def test_parents_are_bridged_within_two_weeks_and_feed_a_bed() -> None:
    good = []
    for seed in range(1001, 1011):
        model = model_of(seed, {"setup": {"start": "parent"}, "time": {"duration_h": 35 * DAY}})
        first = math.inf
        while model.running:
            model.advance(DAY)
            if not model.bed.no_path and model.measure()["perfused_fraction"] > 0:
                first = min(first, model.mcs / DAY)
        found = model.measure()
        print(seed, first, found["mvd_per_mm2"], found["perfused_fraction"],
              found["pericyte_coverage"])  # fmt: skip
        good.append(first <= 14 and 50 <= found["mvd_per_mm2"] <= 160)
    assert sum(good) >= 8


@pytest.mark.slow
def test_a_week_of_full_block_costs_half_the_vessels_and_spares_the_covered() -> None:
    lost, kept = [], np.zeros((2, 2))
    for seed in range(1001, 1007):
        model = arm(seed, full_block("VEGFR2"))
        pieces, length = model.bed.pieces, model.measure()["tumour_vessel_length_mm"]
        inner = (pieces.kind == VESSEL) & (model.bed.at_middles(model.bed.phi) < 0)
        groups = [pieces.id[inner & (pieces.pericyte == covered)] for covered in (True, False)]
        model.advance(WEEK)
        now = model.bed.pieces
        alive = now.id[(now.kind == VESSEL) & (now.age >= WEEK)]
        for group, ids in enumerate(groups):
            kept[group] += np.isin(ids, alive).sum(), ids.size
        lost.append(1 - model.measure()["tumour_vessel_length_mm"] / length)
    covered, bare = kept[:, 0] / kept[:, 1]
    print(lost, covered, bare)
    assert 0.5 <= np.mean(lost) <= 0.6
    assert covered >= 1.7 * bare


@pytest.mark.slow
def test_a_block_of_pdgfr_beta_bares_vessels() -> None:
    for seed in range(1001, 1007):
        blocked, free = arm(seed, full_block("PDGFRB")), arm(seed, {})
        for model in (blocked, free):
            model.advance(WEEK)
        one, other = (model.measure()["pericyte_coverage"] for model in (blocked, free))
        print(seed, one, other)
        assert one <= other - 0.1


@pytest.mark.slow
def test_more_drug_in_the_tumour_leaves_less_of_it() -> None:
    areas: dict[str, list[float]] = {}
    drugs = {
        "none": {},
        "1": schedule(12),
        "3": schedule(12, kp_uu=3),
        "10": schedule(12, kp_uu=10),
    }
    back = []
    for seed in range(1001, 1005):
        for name, drug in drugs.items():
            model = arm(seed, drug)
            first = model.measure()["tumour_area_mm2"]
            model.advance(14 * DAY)
            day_14 = model.measure()["mvd_per_mm2"]
            model.advance(7 * DAY)
            if name == "1":
                back.append((day_14, model.measure()["mvd_per_mm2"]))
            model.advance(63 * DAY)
            areas.setdefault(name, []).append(model.measure()["tumour_area_mm2"] / first)
    print(areas, back)
    none, one, three, ten = (mean_error(areas[name]) for name in ("none", "1", "3", "10"))
    assert none[0] > one[0] > three[0]
    assert ten[0] <= three[0] + math.hypot(three[1], ten[1])
    week_off = np.diff(back)
    assert week_off.mean() > 0


@pytest.mark.slow
def test_119_days_take_half_a_minute_and_a_gibibyte() -> None:
    model = model_of(1001, schedule(12))
    began = time.process_time()
    model.advance(model.scenario.time.steps)
    seconds = time.process_time() - began
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    assert seconds < 30
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2**20  # KiB
