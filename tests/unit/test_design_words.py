"""What a design says: why there is no dose, over which time limits hold, of which drug."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import fake_runs
import pytest

from sim.design.design import design
from sim.design.file import plan_design
from sim.design.result import Design
from sim.design.tissue import arm_of
from sim.pharmacology.drug_file import template
from sim.scenario.resolve import load

DOSE = "drug.regimen.dose_mg"
MEAN = {"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.4}
TREE: dict[str, Any] = {
    "base": "human_12mg",
    "subjects": 20,
    "target": [MEAN],
    "vary": {DOSE: {"low": 1, "high": 60}},
}
SUNITINIB = {"name": "sunitinib", "potency": "company", "free_nM": 3.0}
LENGTH = {"of": "tube_length_mm", "at_most": "50 % of control", "hours": [0, 6]}


def of(**changes: Any) -> Design:
    return design(plan_design(deepcopy(TREE) | changes))


def test_every_target_that_no_dose_meets_is_named_with_what_comes_nearest() -> None:
    first = {"drug.regimen.first_h": 23}
    targets = [
        MEAN | {"hours": [0, 24], "at_least": 0.99},
        {"of": "free_nM", "statistic": "max", "hours": [0, 20], "at_least": 1, "share": 0.9},
        MEAN,
    ]
    (found,) = of(target=targets, set=first).found
    assert found.chosen is None
    one, two = found.reason.split("; mean")[0], found.reason
    assert "VEGFR2, 0-24 h >= 0.99: holds at no dose; 6e+07 mg gives 0.04" in one
    assert "in 90 % of subjects: holds at no dose; 6e+07 mg gives 0 % of subjects" in two
    assert "last cycle" not in two


def test_an_upper_bound_that_a_loading_dose_breaks() -> None:
    target = {"of": "total_ng_ml", "statistic": "max", "window": "first day", "at_most": 1.0}
    (found,) = of(target=[target], set={"drug.regimen.loading": 50}).found
    assert "<= 1 ng/mL: holds at no dose; 1e-06 mg gives 23" in found.reason


@pytest.mark.parametrize(("window", "over"), [("last cycle", "schedule"), ("steady", "steady")])
def test_a_limit_holds_over_the_schedule_or_in_steady_state_with_the_targets(
    window: str, over: str
) -> None:
    tree = TREE | {"target": [MEAN | {"window": window}], "limits": {"total_ng_ml.max": 30}}
    assert plan_design(tree).targets[-1].window == over
    own = TREE | {"limits": {"total_ng_ml.max": {"at_most": 30, "window": "first day"}}}
    assert plan_design(own).targets[-1].window == "first day"


def test_a_limit_beside_a_steady_target_is_not_of_the_first_cycle_alone() -> None:
    steady, once = MEAN | {"window": "steady"}, {"drug.regimen.cycles": 1}
    peak = of(target=[steady], set=once).found[0].costs["cmax_ng_ml"]
    (found,) = of(target=[steady], set=once, limits={"total_ng_ml.max": peak * 0.98}).found
    assert "and highest total drug in plasma, steady state" in found.reason


def test_drug_a_day_of_a_steady_state_that_begins_late() -> None:
    """A cycle has no beginning: all its doses count."""
    daily = {"drug.regimen.cycles": "steady", "drug.regimen.on_days": 1, "drug.regimen.off_days": 0}
    for first_h in (0.0, 6.0, 30.0):
        (found,) = of(set=daily | {"drug.regimen.first_h": first_h}).found
        assert found.costs["mg_per_day"] == pytest.approx(found.dose)


def test_whose_numbers_they_are() -> None:
    own = {
        "drug.ic50_nM": {"VEGFR2": 3.0}, "drug.hill": {"FGFR1": 2.0}, "drug.pk": {"CL": 10.0},
        "drug.fraction_unbound": 0.2, "partner": SUNITINIB,
    }  # fmt: skip
    told = of(set=own).to_dict()
    assert told["potency"] == "lin2018 with own IC50 of VEGFR2 and slope of FGFR1"
    assert told["pk_set"] == "default with own CL"
    assert told["fraction_unbound"] == 0.2
    assert told["partner"] == "sunitinib" and told["partner_potency"] == "company"
    assert told["partner_given"] == "3 nM unbound"
    alone = of().to_dict()
    assert alone["potency"] == "lin2018" and "partner" not in alone


# --- in the tissue -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"partner.name": "sunitinib", "partner.free_nM": 3.0},
        {"partner": SUNITINIB},
        {"drug": {"kp_uu": 3}},
        {"drug.kp_uu": 3},
    ],
)
def test_the_control_has_neither_drug_however_a_schedule_gives_it(settings: dict[str, Any]) -> None:
    plan = plan_design(TREE | {"target": [LENGTH], "schedule": [{"name": "a", "set": settings}]})
    base, own = arm_of(plan, plan.schedules[0], plan.targets[0], None)
    control = load(base, own)  # type: ignore[arg-type]
    assert control.partner is None and control.drug is not None
    assert (control.drug.exposure, control.drug.free_nM, control.drug.kp_uu) == ("constant", 0, 1)


def test_a_drug_of_ones_own_whose_dose_only_the_design_gives(workplace: Path) -> None:
    Path("mine.toml").write_text(template("mine"))
    drug = {"file": "mine.toml", "exposure": "pk", "species": "human", "regimen": {"on_days": 3}}
    tree = TREE | {"base": {"extends": "tube_formation", "drug": drug}, "target": [LENGTH]}
    plan = plan_design(tree)
    (found,) = design(plan, None, fake_runs.Here(plan, fake_runs.treated)).found
    assert found.dose == pytest.approx(10, rel=0.15)


def test_how_well_a_dose_is_known_is_said() -> None:
    """Between the nearest doses whose confidence limits exclude the bound."""
    tree = TREE | {"target": [LENGTH], "vary": {DOSE: {"low": 1, "high": 100}}, "replicates": 3}
    plan = plan_design(tree)
    (found,) = design(plan, None, fake_runs.Here(plan, fake_runs.treated)).found
    (note,) = found.notes
    assert "by the 95 % confidence limits, the dose is above" in note
    curve = found.curves[0]
    sure = (curve.bands[0] > 0.5) | (curve.bands[2] < 0.5)  # type: ignore[index]
    below = max(curve.doses[sure & (curve.doses < found.dose)])
    assert f"above {below:.4g}" in note


def test_runs_that_were_planned_and_not_made_count_once(tmp_path: Path) -> None:
    plan = plan_design(TREE | {"target": [LENGTH], "replicates": 3})
    with pytest.raises(KeyboardInterrupt):
        design(plan, tmp_path, fake_runs.Here(plan, fake_runs.treated, stop_after=4))
    told: list[Any] = []
    design(plan, tmp_path, fake_runs.Here(plan, fake_runs.treated), progress=told.append)
    assert told[0].total == 12  # both ends, the middle and the control
    assert all(0 <= one.before <= one.done + one.failed <= one.total for one in told)
