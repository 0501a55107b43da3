"""What is read off a regimen, window by window, against a body stepped through time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from naive.pharmacokinetics import DAY, TICK_H, Body, Given, calendar, read_out, ticks

import sim
from sim.errors import ScenarioError

TO_NM = 1e6 / 407.44
FU = 0.03
WEIGHT_KG = 0.25
RAT = {"CL": 5.35, "V1": 11.04, "Q": 5.42, "V2": 16.56, "ka": 1.0, "F": 0.43}
PLAIN = {
    "dose_mg": 1.0, "every_h": 24.0, "on_days": 1, "off_days": 0, "cycles": 1, "reductions": {},
    "loading": None, "missed_days": [], "missed_doses": [], "late_days": {}, "late_doses": {},
    "route": "oral", "infusion_h": 0.0, "first_h": 0.0,
}  # fmt: skip


@st.composite
def regimens(draw: st.DrawFn) -> dict[str, Any]:
    """Regimens of up to 12 days, with everything that can be off the plan."""
    every_h = draw(st.sampled_from([2.4, 6.0, 8.0, 12.0, 24.0, 36.0, 48.0]))
    whole = math.lcm(ticks(every_h), DAY) // DAY
    on, off, cycles = (
        whole * draw(st.integers(1, 3 if whole < 3 else 1)),
        draw(st.integers(0, 2)),
        1,
    )
    cycles = draw(st.integers(1, max(1, 12 // (on + off))))
    per_cycle = on * DAY // ticks(every_h)
    doses, days = st.integers(1, per_cycle * cycles), st.integers(1, cycles * (on + off))
    late_h = st.sampled_from([0.5, 1.0, every_h / 2 - 0.2, 20.0, 50.0])
    mg, infusion_h = st.sampled_from([0.5, 5.0]), st.sampled_from([0.0, 1.0, 2.4, 9.0, 30.0])
    route = draw(st.sampled_from(["oral", "iv"]))
    found = PLAIN | {
        "dose_mg": draw(st.sampled_from([0.1, 1.0, 20.0])),
        "every_h": every_h, "on_days": on, "off_days": off, "cycles": cycles, "route": route,
        "reductions": draw(st.dictionaries(st.integers(1, cycles), mg, max_size=2)),
        "loading": draw(st.sampled_from([None, None, 3.0])),
        "first_h": draw(st.sampled_from([0.0, 0.0, 0.5, 30.0, 100.0])),
        "infusion_h": draw(infusion_h) if route == "iv" else 0.0,
        "missed_days": draw(st.lists(days, max_size=1)),
        "missed_doses": draw(st.lists(doses, max_size=2)),
        "late_days": draw(st.dictionaries(days, late_h, max_size=1)),
        "late_doses": draw(st.dictionaries(doses, late_h, max_size=2)),
    }  # fmt: skip
    if draw(st.booleans()):  # the last dose, into the days off and beyond the last cycle
        found["late_doses"] = {per_cycle * cycles: draw(late_h)}
    return found


def windows(regimen: dict[str, Any], taken: list[Given]) -> dict[str, tuple[int, int]]:
    """Every window, in ticks."""
    first, every = ticks(regimen["first_h"]), ticks(regimen["every_h"])
    cycle = (regimen["on_days"] + regimen["off_days"]) * DAY
    found = {
        "first cycle" if k == 0 else f"cycle {k + 1}": (first + k * cycle, first + (k + 1) * cycle)
        for k in range(regimen["cycles"])
    }
    for name, place in (("last dose", -1), ("first dose", 0)):
        if taken:
            at = taken[place].at
            later = [dose.at for dose in taken if dose.at > at]
            found[name] = (at, min([at + every, *later]))
    return found


def accumulated(body: Body, regimen: dict[str, Any], taken: list[Given]) -> float | None:
    """Area after the last dose of the first cycle over that after its first one."""
    own = [dose.at for dose in taken if dose.cycle == 1]
    if len(own) < 2:
        return None
    every = ticks(regimen["every_h"])
    gaps = [min([every, *(d.at - at for d in taken if d.at > at)]) for at in (own[0], own[-1])]
    first, last = (body.area[at + min(gaps)] - body.area[at] for at in (own[0], own[-1]))
    return last / first


SLOW = {"ka": 0.05}  # slower than disposition: flip-flop


@given(regimens(), st.sampled_from([{}, {}, SLOW, {"CL": 1.0, "ka": 0.3}, {"Q": 0.0}]))
@example(PLAIN | {"cycles": 2, "route": "iv", "reductions": {2: 5.0}}, {})
@example(PLAIN | {"on_days": 3, "first_h": 100.0}, {})
@example(PLAIN | {"on_days": 3, "first_h": 30.0, "cycles": 2}, SLOW)
@example(PLAIN | {"on_days": 2, "late_doses": {2: 50.0}}, {})
@example(PLAIN | {"on_days": 2, "missed_doses": [1, 2]}, {})
@example(PLAIN | {"every_h": 2.4, "route": "iv", "infusion_h": 2.4}, SLOW)
@settings(max_examples=3)
def test_every_window_of_a_regimen(regimen: dict[str, Any], parameters: dict[str, float]) -> None:
    drug = {
        "name": "anlotinib", "exposure": "pk", "species": "rat", "pk": parameters,
        "regimen": {key: value for key, value in regimen.items() if value is not None},
        "kp_uu": 3.0,
    }  # fmt: skip
    for key in ("reductions", "late_days", "late_doses"):
        drug["regimen"][key] = {str(n): value for n, value in regimen[key].items()}
    try:
        result = sim.pk({"extends": "tube_formation", "drug": drug})
    except ScenarioError as error:
        # late into the next dose, or late on a day without a dose; never the interval
        assert not any("every_h" in problem.key for problem in error.problems)
        assume(False)
    taken = calendar(regimen)
    spans = windows(regimen, taken)
    last = max([end for _, end in spans.values()] + [dose.at + dose.infusion for dose in taken])
    pk = {**RAT, **parameters}
    pk |= {key: value * WEIGHT_KG for key, value in pk.items() if key in ("CL", "V1", "Q", "V2")}
    body, free = Body(pk, taken, regimen["route"], last), FU * 3.0
    half_life_h = body.half_life_h(regimen["route"] if taken else "oral")
    assert result.half_life_h == pytest.approx(half_life_h, rel=1e-9)
    assert [dose.at_h for dose in result.doses] == pytest.approx([d.at * TICK_H for d in taken])
    assert result.time_h[-1] == pytest.approx(last * TICK_H)
    assert {w for name, w in spans.items() if name not in result.windows} <= {
        spans[name] for name in result.windows
    }
    for name, found in result.windows.items():
        start, end = spans[name]
        assert (found["start_h"], found["end_h"]) == pytest.approx((start * TICK_H, end * TICK_H))
        for receptor, blocked in found["inhibition"].items():
            ic50 = result.potency.ic50_nM[receptor]
            truth = read_out(body, start, end, TO_NM, free, ic50)
            length_h = (end - start) * TICK_H
            plainly = {
                "auc_nM_h": truth["auc_nM_h"],
                "last_nM": truth["last_nM"],
                "mean_nM": truth["auc_nM_h"] / length_h,
                "mean_free_nM": free * truth["auc_nM_h"] / length_h,
                "last_free_nM": free * truth["last_nM"],
                "cmax_free_nM": free * found["cmax_nM"],  # held against the body below
            }
            for key, value in plainly.items():
                assert found[key] == pytest.approx(value, rel=1e-7, abs=1e-9), (name, key)
            hours = blocked["above_ic50"] * length_h
            assert blocked["above_ic50_h"] == pytest.approx(hours, rel=1e-9, abs=1e-12), name
            assert blocked["last"] == pytest.approx(truth["last"], rel=1e-7, abs=1e-12), name
            # a tick may miss the peak, never exceed it
            for mine, plain in (
                (found["cmax_nM"], truth["cmax_nM"]),
                (blocked["highest"], truth["highest"]),
            ):
                assert plain * (1 - 1e-9) - 1e-12 <= mine <= plain * (1 + 1e-3) + 1e-12, name
            # a tick of the plain body may miss the rise after a large dose
            error = 1e-3 + 0.5 / (end - start)
            assert blocked["mean"] == pytest.approx(truth["mean"], abs=error), name
            assert blocked["above_ic50"] == pytest.approx(truth["above_ic50"], abs=error), name
        beside = [body.before[start + 1 : end + 1], body.after[start:end]]
        near = [
            level[place]
            for level, offset in zip(beside, (start + 1, start), strict=True)
            for place in range(len(level))
            if abs((place + offset) * TICK_H - found["tmax_h"]) <= 1.01 * TICK_H
        ]
        assert TO_NM * max(near) == pytest.approx(found["cmax_nM"], rel=1e-3, abs=1e-9), name
        assert start * TICK_H - 1e-9 <= found["tmax_h"] <= end * TICK_H + 1e-9
    ratio = accumulated(body, regimen, taken)
    assert result.accumulation == (ratio if ratio is None else pytest.approx(ratio, rel=1e-6))


@st.composite
def listed(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Doses one by one: of both kinds of i.v. dose, overlapping as they fall."""
    found = []
    for _ in range(draw(st.integers(1, 5))):
        at_h = TICK_H * draw(st.integers(0, 1500))
        infusion_h = draw(st.sampled_from([0.0, 0.2, 4.0, 30.0]))
        mg = draw(st.sampled_from([0.05, 1.0, 4.0]))
        found.append({"at_h": at_h, "amount_mg": mg, "route": "iv", "infusion_h": infusion_h})
    return found


@given(listed())
@example([{"at_h": t, "amount_mg": 1, "route": "iv", "infusion_h": 4} for t in (0, 2)])
@example([{"at_h": t, "amount_mg": 1, "route": "iv", "infusion_h": 0.2} for t in (0.1, 0.3)])
@settings(max_examples=30)
def test_infusions_add_up_where_they_overlap(doses: list[dict[str, Any]]) -> None:
    drug = {"name": "anlotinib", "exposure": "pk", "species": "rat", "doses": doses}
    result = sim.pk({"extends": "tube_formation", "drug": drug})
    pk = {**RAT} | {key: RAT[key] * WEIGHT_KG for key in ("CL", "V1", "Q", "V2")}
    taken = [Given(ticks(d["at_h"]), d["amount_mg"], ticks(d["infusion_h"]), 1) for d in doses]
    window = result.windows["whole"]
    last = int(window["end_h"] / TICK_H)
    body = Body(pk, taken, "iv", last)
    inside = result.time_h < last * TICK_H
    at = np.floor(result.time_h[inside] / TICK_H + 1e-9).astype(int)
    on_tick = np.abs(result.time_h[inside] - at * TICK_H) < 1e-9
    after = TO_NM * body.after[at[on_tick]]
    before = TO_NM * body.before[at[on_tick]]
    mine = result.total_nM[inside][on_tick]
    # a time may be the moment just before an event
    error = np.minimum(np.abs(mine - after), np.abs(mine - before))
    assert (error <= 1e-7 * after.max()).all()
    assert window["start_h"] == pytest.approx(min(dose.at for dose in taken) * TICK_H)
    assert window["cmax_nM"] == pytest.approx(TO_NM * max(body.after.max(), body.before.max()))
