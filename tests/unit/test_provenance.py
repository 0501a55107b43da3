"""Where numbers come from is said with them: on the screen, in JSON, in pictures."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.runs.provenance import NOT_KNOWN, provenance
from sim.scenario.cautions import MIXED, cautions, mixed_potencies
from sim.scenario.resolve import load
from sim.scenario.writing import scenario_hash
from sim.studies.file import plan_study
from sim.version import __version__
from sim.view.run.timeseries import draw_timeseries

OWN = ["--set", "drug.ic50_nM.VEGFR2=3", "--set", "drug.pk.CL=5"]


def shown(*args: str) -> str:
    result = CliRunner().invoke(app, ["pk", *args])
    assert result.exit_code == 0, result.output
    return result.output


def test_header_json_and_picture_say_what_was_overridden() -> None:
    text = shown("human_12mg", *OWN)
    scenario = load("human_12mg", {"drug.ic50_nM.VEGFR2": 3, "drug.pk.CL": 5})
    head = text.split("12 mg orally")[0]
    for words in (
        f"angiosim {__version__}, scenario human_12mg, hash {scenario_hash(scenario)[:12]}",
        "potency set lin2018 with own IC50 of VEGFR2; pharmacokinetics default with own CL",
        "set: drug.ic50_nM.VEGFR2 = 3, drug.pk.CL = 5",
    ):
        assert words in head
    told = json.loads(shown("human_12mg", *OWN, "--json"))["provenance"]
    assert told["set"] == {"drug.ic50_nM.VEGFR2": 3, "drug.pk.CL": 5}
    assert told["own"] == {"drug.ic50_nM.VEGFR2": 3, "drug.pk.CL": 5}
    assert told["version"] == __version__ and told["scenario_hash"] == scenario_hash(scenario)
    assert told["regimen"].startswith("12 mg orally every 24 h, days 1-14 of 21")
    course = sim.pk("human_12mg", {"drug.ic50_nM.VEGFR2": 3, "drug.pk.CL": 5})
    assert course.provenance.set == told["set"]
    note = " ".join(course.plot().get_supxlabel().split())
    for words in ("lin2018 with own IC50 of VEGFR2", "own CL", told["scenario_hash"][:12]):
        assert words in note
    plain = shown("human_12mg")
    assert "own" not in plain and "set:" not in plain
    # a scenario that gives them itself, without --set
    mine = sim.pk(scenario).provenance
    assert mine.set == {} and mine.own == told["own"] and "own CL" in mine.pk_set


def test_spread_that_is_not_known_is_not_zero() -> None:
    sunitinib = {"drug.name": "sunitinib", "drug.regimen.dose_mg": 50}
    course = sim.pk("human_12mg", sunitinib, subjects=20)
    assert course.total_bands_nM is None and course.inhibition_bands is None
    assert course.population == {}
    assert set(course.provenance.spread.values()) == {NOT_KNOWN}
    assert "spread between subjects not known" in " ".join(course.plot().get_supxlabel().split())
    settings = ["--set", "drug.name=sunitinib", "--subjects", "20"]
    text = shown("human_12mg", *settings)
    assert "spread between subjects is not known, so there are no bands" in text
    told = json.loads(shown("human_12mg", *settings, "--json"))
    assert told["population"] == {}
    assert set(told["provenance"]["ic50_spread"].values()) == {"not known"}
    # known in part
    rat = shown("rat_oral", "--subjects", "20")
    assert "spread of ka is not known; it does not vary" in rat
    spread = sim.pk("rat_oral").provenance.spread
    assert spread["CL"] == "24.5 %" and spread["F"] == "0.28-0.58" and spread["ka"] == "not known"
    assert sim.pk("rat_oral", {"drug.pk.ka": 2}).provenance.spread["ka"] == "set"
    assert "ic50_spread" not in shown("rat_oral")
    assert provenance(load("rat_oral")).ic50_spread["VEGFR2"] == "1.2 nM"
    # IC50s may vary where nothing else is known to
    varied = sim.pk("human_12mg", sunitinib | {"drug.ic50_cv.VEGFR2": 0.4}, subjects=20)
    assert varied.total_bands_nM is None and varied.inhibition_bands is not None
    assert (varied.inhibition_bands["VEGFR2"][2] > varied.inhibition_bands["VEGFR2"][0]).any()


PAIR = {"partner.name": "sunitinib", "partner.potency": "company"}


def test_two_drugs_of_different_assays_are_not_put_side_by_side_in_silence() -> None:
    found = [one for one in cautions(load("tube_formation", PAIR)) if one.key == MIXED]
    assert "anlotinib (lin2018), sunitinib (company) come from different assays" in str(found[0])
    both = {"drug.name": "axitinib", "drug.potency": "davis2011"}
    same = load("tube_formation", PAIR | both | {"partner.potency": "davis2011"})
    assert not [one for one in cautions(same) if one.key == MIXED]
    course = sim.pk("human_12mg", PAIR)
    assert "different assays" in str(course.provenance)
    assert "different assays" in " ".join(course.plot().get_supxlabel().split())


@pytest.mark.parametrize(
    ("drugs", "mixed"),
    [
        ([{"drug.name": "sunitinib"}, {"drug.name": "axitinib"}], False),  # both davis2011
        ([{"drug.name": "sunitinib"}, {"drug.name": "nintedanib"}], True),
        ([{"drug.potency": "lin2018"}, {"drug.potency": "xie2018"}], False),  # one drug
    ],
)
def test_studies_of_several_drugs_say_so(drugs: list[dict[str, Any]], mixed: bool) -> None:
    arms = [{"name": f"arm {place}", "set": settings} for place, settings in enumerate(drugs)]
    plan = plan_study(
        {
            "name": "s", "base": "tube_formation", "replicates": 1,
            "group": {"arm": arms}, "grid": {"drug.free_nM": [0, 1]},
        }
    )  # fmt: skip
    assert bool([one for one in plan.cautions if one.key == MIXED]) == mixed
    assert bool(list(mixed_potencies(load("tube_formation", one) for one in drugs))) == mixed


def test_runs_say_whose_ic50_it_is() -> None:
    settings = {
        "domain.size_um": [200, 200], "time.duration_h": "30 s", "drug.free_nM": 3,
        "drug.ic50_nM.FGFR1": 2,
    }  # fmt: skip
    result = sim.run("tube_formation", settings)
    note = " ".join(draw_timeseries(result).get_supxlabel().split())
    assert "lin2018 with own IC50 of FGFR1" in note
