"""Designed doses, put back as regimens, reach their targets: over random drugs and schedules."""

from __future__ import annotations

import math
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import slow
from numpy.typing import NDArray

from sim.design.design import design
from sim.design.file import plan_design
from sim.pharmacology.drug_file import template
from sim.pharmacology.exposure import Pharmacokinetic
from sim.pharmacology.metrics import blockade, exposure_metrics, window_times
from sim.runs.pk import run_pk
from sim.scenario.exposure import pharmacokinetic, potency_of, regimen_of
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario

Array = NDArray[np.float64]
NEAR = 1e-3  # as designs promise; what bounds the test is the trapezoids of the plain twin
STATISTICS = ("mean", "min", "max", "at_end", "hours_above", "auc")


def plain_value(scenario: Scenario, target: dict[str, Any], subject: int | None = None) -> float:
    """The value of a target by fine trapezoids over the simulated course."""
    drug = scenario.drug
    assert drug is not None
    regimen = regimen_of(drug)
    assert regimen is not None
    exposure = pharmacokinetic(scenario)
    start_h, end_h = {
        "last cycle": (regimen.end_h - regimen.cycle_h, regimen.end_h),
        "first day": (regimen.first_h, regimen.first_h + 24),
        "day 3": (regimen.first_h + 48, regimen.first_h + 72),
        "steady": (regimen.first_h, regimen.first_h + regimen.cycle_h),
        "schedule": (regimen.first_h, regimen.end_h),
    }[target["window"]]
    times = fine_times(exposure, start_h, end_h)
    total = exposure.total_nM(times)
    total[-1] = exposure.total_nM(end_h, before=True)
    return statistic_of(scenario, exposure, target, times, total)


def fine_times(exposure: Pharmacokinetic, start_h: float, end_h: float) -> Array:
    times = window_times(exposure.course, start_h, end_h, (end_h - start_h) / 20_000)
    after = np.add.outer(exposure.course.events_h(start_h, end_h), np.geomspace(1e-6, 0.5, 60))
    return np.union1d(times, after[after < end_h])


def statistic_of(
    scenario: Scenario, exposure: Pharmacokinetic, target: dict[str, Any], times: Array,
    total: Array,
) -> float:  # fmt: skip
    potency = potency_of(scenario)
    assert potency is not None
    free = total * exposure.fu * exposure.kp_uu
    if target["of"] == "total_ng_ml":
        values = total * exposure.molar_mass / 1e3
    elif target["of"] == "free_nM":
        values = free
    else:
        receptor = target["of"].removeprefix("inhibition.")
        ic50, hill = potency.ic50_nM[receptor], potency.hill[receptor]
        values = free**hill / (free**hill + ic50**hill)
    length = times[-1] - times[0]
    match target["statistic"]:
        case "mean":
            return float(np.trapezoid(values, times)) / length
        case "auc":
            return float(np.trapezoid(values, times))
        case "at_end":
            return float(values[-1])
        case "max":
            return float(values.max())
        case "min":
            return float(values.min())
    level = target["level"]
    level = potency.ic50_nM[level.removeprefix("ic50.")] if isinstance(level, str) else level
    low, high = np.sort([values[:-1], values[1:]], axis=0) - level
    crossing = np.where(high > low, high / np.where(high > low, high - low, 1.0), high > 0.0)
    return float(np.diff(times) @ np.clip(crossing, 0.0, 1.0))


def drawn(seed: int) -> dict[str, Any]:
    """A random drug, schedule and target."""
    draw = random.Random(seed)
    half_life_h = math.exp(draw.uniform(math.log(2), math.log(200)))
    volume = math.exp(draw.uniform(math.log(20), math.log(2000)))
    base: dict[str, Any] = {
        "extends": "human_12mg",
        "drug": {
            "pk": {"CL": volume * math.log(2) / half_life_h, "V": volume,
                   "ka": math.exp(draw.uniform(math.log(0.05), math.log(4)))},
            "ic50_nM": {"VEGFR2": math.exp(draw.uniform(math.log(0.1), math.log(100)))},
        },
    }  # fmt: skip
    every_h = draw.choice([12, 24, 48, 168])
    on_days = max(draw.choice([1, 5, 14]), every_h // 24 or 1)
    off_days = draw.choice([0, 2, 7])
    if every_h == 48:
        on_days += on_days % 2
    regimen: dict[str, Any] = {
        "every_h": every_h, "on_days": on_days, "off_days": off_days, "cycles": draw.choice([1, 3]),
    }  # fmt: skip
    if draw.random() < 0.3:
        regimen["loading"] = draw.choice([0.0, 2.0, 50.0])
    if draw.random() < 0.3:
        regimen["first_h"] = 7.5
    statistic = draw.choice(STATISTICS)
    of = draw.choice(["inhibition.VEGFR2", "free_nM", "total_ng_ml"])
    if statistic == "auc" and of.startswith("inhibition"):
        of = "free_nM"
    windows = ["last cycle", "first day", "schedule"]
    if (on_days + off_days) * regimen["cycles"] >= 3:
        windows.append("day 3")
    target: dict[str, Any] = {
        "of": of, "statistic": statistic, "window": draw.choice(windows),
    }  # fmt: skip
    if statistic == "hours_above":
        target["level"] = {"inhibition.VEGFR2": 0.5, "free_nM": "ic50.VEGFR2"}.get(of, 20.0)
        target["at_least"] = draw.choice([1.0, 6.0, 12.0])
    elif of.startswith("inhibition"):
        target["at_least"] = draw.uniform(0.05, 0.95)
    else:
        target["at_least"] = math.exp(draw.uniform(0, math.log(1000)))
    if draw.random() < 0.4 and statistic != "min":
        target["at_most"] = target.pop("at_least")
    return {
        "base": base,
        "set": {f"drug.regimen.{key}": value for key, value in regimen.items()},
        "target": [target],
        "vary": {"drug.regimen.dose_mg": {"low": 1e-3, "high": 1e6}},
        "subjects": 3,
    }


def drawn_iv(seed: int) -> dict[str, Any]:
    """A drug of two phases, quick or slow, in infusions, boluses and doses by mouth."""
    draw = random.Random(1000 + seed)

    def between(low: float, high: float) -> float:
        return math.exp(draw.uniform(math.log(low), math.log(high)))

    V, half_life_h = between(0.05, 20), between(0.2, 50)
    CL = V * math.log(2) / half_life_h
    every_h = draw.choice([2.4, 8, 24, 168, 504])
    route = draw.choice(["iv", "iv", "oral"])
    infusion_h = draw.choice([0.0, 0.5, every_h * 0.9, every_h * 2.7]) if route == "iv" else 0.0
    off_days = draw.choice([0, 7])
    regimen = {
        "every_h": every_h, "on_days": math.ceil(every_h / 24), "off_days": off_days,
        "cycles": draw.choice([1, 2, "steady"]), "route": route, "infusion_h": infusion_h,
        "first_h": draw.choice([0.0, 7.3, 33.3]),
    }  # fmt: skip
    drug = {
        "name": "anlotinib", "exposure": "pk", "species": "rat", "regimen": regimen,
        "pk": {"CL": CL, "V1": V, "Q": CL * between(0.05, 5), "V2": V * between(0.2, 10),
               "ka": between(0.1, 20), "F": draw.uniform(0.1, 1.0)},
        "ic50_nM": {"VEGFR2": between(0.1, 100)}, "hill": {"VEGFR2": draw.choice([0.5, 1, 2, 6])},
    }  # fmt: skip
    statistic = draw.choice(["mean", "max", "min", "at_end", "hours_above"])
    target = {
        "of": "inhibition.VEGFR2", "statistic": statistic,
        "window": draw.choice(["last cycle", "first day", "schedule", "steady"]),
        "at_least": draw.uniform(0.1, 0.9),
    }  # fmt: skip
    if statistic == "hours_above":
        target |= {"level": draw.uniform(0.2, 0.8), "at_least": draw.uniform(0.5, 12)}
    return {
        "base": {"extends": "tube_formation", "drug": drug},
        "target": [target],
        "vary": {"drug.regimen.dose_mg": {"low": 1e-3, "high": 1e6}},
        "subjects": 3,
    }


@pytest.mark.parametrize("seed", range(40))
def test_designed_doses_of_infusions_boluses_and_quick_drugs_meet_their_target(seed: int) -> None:
    check_doses(drawn_iv(seed))


@pytest.mark.parametrize("seed", range(40))
def test_designed_doses_meet_their_target(seed: int) -> None:
    check_doses(drawn(seed))


def check_doses(tree: dict[str, Any]) -> None:
    plan = plan_design(tree)
    (found,) = design(plan).found
    (target,) = tree["target"]
    at = next(iter(found.bounds.values())).dose
    level = target.get("at_least", target.get("at_most"))
    if math.isnan(at):  # at no dose: not at a far higher, or lower, one either
        dose = 1e12 if "at_least" in target else 0.0
        value = put_back(plan.base, tree, dose)
        assert value < level if "at_least" in target else value > level
    elif at in (0.0, math.inf):
        value = put_back(plan.base, tree, 1e-9 if at == 0.0 else 1e12)
        assert value >= level * (1 - NEAR) if "at_least" in target else value <= level * (1 + NEAR)
    elif target["statistic"] == "hours_above":  # may jump past its value
        above, below = (put_back(plan.base, tree, at * near) for near in (1 + NEAR, 1 - NEAR))
        assert above >= level * (1 - NEAR) and below <= level * (1 + NEAR)
    else:
        assert put_back(plan.base, tree, at) == pytest.approx(level, rel=NEAR)


def put_back(base: dict[str, Any], tree: dict[str, Any], dose: float) -> float:
    more = {"drug.regimen.cycles": "steady"} if tree["target"][0]["window"] == "steady" else {}
    scenario = load(base, {"drug.regimen.dose_mg": dose} | more)
    return plain_value(scenario, tree["target"][0])


SHARE: dict[str, Any] = {
    "base": "human_12mg",
    "subjects": 40,
    "target": [
        {"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.4, "share": 0.9},
        {"of": "free_nM", "statistic": "hours_above", "level": "ic50.VEGFR2", "at_least": 100.0,
         "share": 0.75},
    ],
    "vary": {"drug.regimen.dose_mg": {"low": 1, "high": 100, "strengths": [8, 10, 12, 20, 50]}},
    "limits": {"total_ng_ml.max": {"at_most": 250, "share": 0.9}},
}  # fmt: skip


def test_a_share_of_subjects_is_that_of_subjects_simulated_one_by_one() -> None:
    plan = plan_design(SHARE)
    (found,) = design(plan).found
    assert found.dose is not None and found.strength is not None
    assert found.strength >= found.dose
    for target, asked in zip(plan.targets, [*SHARE["target"], None], strict=True):
        at = found.bounds[target].dose
        given = asked or {"of": "total_ng_ml", "statistic": "max", "window": "schedule"}
        given = {"window": "last cycle"} | given
        values = np.array([
            plain_value(load(plan.base, {"drug.regimen.dose_mg": at, "drug.subject": n}), given)
            for n in range(1, 41)
        ])  # fmt: skip
        near = NEAR * target.value
        least = math.ceil(target.share * 40 - 1e-9)  # type: ignore[operator]
        holds = (values - target.value) * (1 if target.at_least else -1)
        assert (holds >= -near).sum() >= least
        assert (holds >= near).sum() < least  # one of them has it just so


@pytest.mark.parametrize(
    ("statistic", "at_least"), [("mean", 0.5), ("min", 0.3), ("hours_above", 9)]
)
def test_a_share_of_subjects_in_whom_doses_arrive_at_times_of_their_own(
    statistic: str, at_least: float, workplace: Path
) -> None:
    text = template("mine").replace("ka = {value = 1,", "ka = {value = 5,")
    lag = 'lag = {value = 2, spread = [0.5, 5], unit = "h", source = "s", evidence = "assumed"}\n'
    Path("mine.toml").write_text(text.replace("# [pk.human", lag + "# [pk.human"))
    target = {"of": "inhibition.VEGFR2", "statistic": statistic, "at_least": at_least,
              "window": "day 3", "share": 0.5}  # fmt: skip
    target |= {"level": 0.5} if statistic == "hours_above" else {}
    drug = {"file": "mine.toml", "exposure": "pk", "species": "human",
            "regimen": {"every_h": 8, "on_days": 5}}  # fmt: skip
    plan = plan_design({
        "base": {"extends": "tube_formation", "drug": drug}, "subjects": 20, "target": [target],
        "vary": {"drug.regimen.dose_mg": {"low": 1e-2, "high": 1e5}},
    })  # fmt: skip
    (found,) = design(plan).found
    (bound,) = found.bounds.values()
    values = np.array([
        plain_value(
            load(plan.base, {"drug.regimen.dose_mg": bound.dose, "drug.subject": n}), target
        )
        for n in range(1, 21)
    ])  # fmt: skip
    assert (values >= at_least * (1 - NEAR)).sum() == 10
    assert (values >= at_least * (1 + NEAR)).sum() == 9


def test_what_pk_reads_out_is_what_was_designed() -> None:
    """The read-outs of `sim.pk` at the designed dose."""
    tree = {
        "base": "rat_oral",
        "target": [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.7}],
        "vary": {"drug.regimen.dose_mg_per_kg": {"low": 1, "high": 1000}},
    }
    plan = plan_design(tree)
    (found,) = design(plan).found
    scenario = load(plan.base, {"drug.regimen.dose_mg_per_kg": found.dose})
    exposure, potency = pharmacokinetic(scenario), potency_of(scenario)
    assert potency is not None
    read = blockade(exposure, potency, 0.0, 24.0)["VEGFR2"].mean
    assert read == pytest.approx(0.7, rel=NEAR)
    costs = found.costs
    metrics = exposure_metrics(exposure, 0.0, 24.0)
    to_ng_ml = exposure.molar_mass / 1e3
    assert costs["cmax_ng_ml"] == pytest.approx(metrics.cmax_nM * to_ng_ml, rel=1e-6)
    assert costs["trough_ng_ml"] == pytest.approx(metrics.last_nM * to_ng_ml, rel=1e-9)
    assert costs["auc_ng_h_ml_per_day"] == pytest.approx(metrics.auc_nM_h * to_ng_ml, rel=1e-6)
    assert found.dose is not None
    assert costs["mg_per_day"] == pytest.approx(0.25 * found.dose)


def test_steady_is_the_end_of_many_cycles() -> None:
    tree = {
        "base": "human_12mg",
        "target": [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.5,
                    "window": "steady"}],
        "vary": {"drug.regimen.dose_mg": {"low": 1, "high": 100}},
    }  # fmt: skip
    plan = plan_design(tree)
    (found,) = design(plan).found
    settings = {"drug.regimen.dose_mg": found.dose, "drug.regimen.cycles": 20}
    value = plain_value(
        load(plan.base, settings),
        {**tree["target"][0], "window": "last cycle"},  # type: ignore[index]
    )
    assert value == pytest.approx(0.5, rel=1e-4)


SLOW: dict[str, Any] = {
    "a slow off-rate": {"drug.residence_h": {"VEGFR2": 24}},
    "an interaction": {"drug.interaction": [{"factor_CL": 0.5, "factor_F": 0.7, "from_day": 8}]},
    "an interaction throughout": {"drug.interaction": [{"factor_CL": 2, "factor_F": 0.5}]},
    "a steady state": {"drug.regimen.cycles": "steady", "drug.regimen.first_h": 5},
    "a steady state and a slow off-rate": {
        "drug.regimen.cycles": "steady", "drug.residence_h": {"VEGFR2": 24},
    },
}  # fmt: skip


@pytest.mark.parametrize("case", [slow(case) if "off-rate" in case else case for case in SLOW])
def test_whatever_moves_the_drug_is_designed_for(case: str) -> None:
    """Against the read-outs of `sim.pk`, whose trapezoids are good to 1e-3."""
    tree = {
        "base": "human_12mg",
        "set": {"drug.regimen.cycles": 1} | SLOW[case],
        "target": [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.5}],
        "vary": {"drug.regimen.dose_mg": {"low": 1, "high": 100}},
        "subjects": 3,
    }
    plan = plan_design(tree)
    (found,) = design(plan).found
    result = run_pk(load(plan.base, {"drug.regimen.dose_mg": found.dose}))
    window = next(iter(result.windows.values()))
    assert window["inhibition"]["VEGFR2"]["mean"] == pytest.approx(0.5, rel=NEAR)
    to_ng_ml = 407.44 / 1e3
    assert found.costs["cmax_ng_ml"] == pytest.approx(window["cmax_nM"] * to_ng_ml, rel=1e-5)
    assert found.costs["trough_ng_ml"] == pytest.approx(window["last_nM"] * to_ng_ml, rel=1e-7)


def test_potencies_that_vary_count_in_a_share() -> None:
    target = {"of": "free_nM", "statistic": "hours_above", "level": "ic50.VEGFR2",
              "window": "last cycle", "at_least": 200.0, "share": 0.8}  # fmt: skip
    plan = plan_design(SHARE | {
        "subjects": 10, "target": [target], "limits": {},
        "set": {"drug.ic50_cv": {"VEGFR2": 1.0}, "drug.pk": {"CL": 12, "V": 2000, "ka": 0.6}},
    })  # fmt: skip
    (found,) = design(plan).found
    (bound,) = found.bounds.values()
    hours = [
        plain_value(
            load(plan.base, {"drug.regimen.dose_mg": bound.dose, "drug.subject": n}), target
        )
        for n in range(1, 11)
    ]
    assert sum(one >= 200 * (1 - NEAR) for one in hours) == 8
    assert sum(one >= 200 * (1 + NEAR) for one in hours) == 7


def test_a_thousand_subjects_and_five_schedules_take_seconds() -> None:
    began = time.process_time()
    plan = plan_design("designs/human_schedules")
    assert (plan.subjects, len(plan.schedules)) == (1000, 5)
    design(plan)
    assert time.process_time() - began < 5.0
