"""A drug of one's own: a new file, what is wrong with one, and scenarios that use it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim import data
from sim.design.design import design
from sim.design.file import plan_design
from sim.errors import ScenarioError
from sim.kinds import kind_of
from sim.pharmacology.drug_file import problems_of, template
from sim.runs.pk import run_pk
from sim.scenario.exposure import pharmacokinetic, potency_of
from sim.scenario.resolve import load
from sim.scenario.writing import dump, scenario_hash

BODY = 'extends = "human_12mg"\n[drug]\nfile = "mine.toml"\n'


@pytest.fixture
def mine(workplace: Path, angiosim: Callable[..., Any]) -> Path:
    """A new drug file in the working folder."""
    done = angiosim("drug", "new", "mine")
    assert done.exit_code == 0, done.output
    return workplace / "mine.toml"


def test_a_new_file_is_valid_described_and_used(mine: Path, angiosim: Callable[..., Any]) -> None:
    assert kind_of(str(mine)) == "drug"
    assert angiosim("validate", "mine.toml").stdout == "mine.toml: valid\n"
    words = angiosim("describe", "mine.toml").stdout
    assert "potency.mine.VEGFR2.ic50_nM = 10 nM" in words
    assert "terminal half-life 34.66 h" in words
    Path("body.toml").write_text(BODY)
    assert angiosim("validate", "body.toml").exit_code == 0
    done = angiosim("pk", "body.toml", "--subjects", 5)
    assert done.exit_code == 0, done.output
    assert "mine, human" in done.stdout


def test_what_is_not_filled_in_is_said(mine: Path, angiosim: Callable[..., Any]) -> None:
    """Numbers whose source is the template's, of the file and of a scenario with it."""
    Path("body.toml").write_text(BODY)
    for command in (("validate", "mine.toml"), ("validate", "body.toml"), ("pk", "body.toml")):
        done = angiosim(*command)
        assert done.exit_code == 0
        assert "holds placeholders of `drug new`: potency.mine.FGFR1.ic50_nM" in done.stderr
        assert done.stderr.count("placeholders") == 1
    mine.write_text(mine.read_text().replace("a placeholder", "our assay"))
    for command in (("validate", "mine.toml"), ("pk", "body.toml")):
        assert "placeholder" not in angiosim(*command).output


def test_existing_files_and_bad_names_are_refused(mine: Path, angiosim: Callable[..., Any]) -> None:
    before = mine.read_text()
    assert angiosim("drug", "new", "mine").exit_code == 2
    assert mine.read_text() == before
    for name, words in (("anlotinib", "comes with angiosim"), ("../x", "must be a word")):
        done = angiosim("drug", "new", name)
        assert done.exit_code == 2 and words in done.stderr
    assert [path.name for path in mine.parent.iterdir()] == ["mine.toml"]


@pytest.mark.parametrize("name", data.names("drugs"))
def test_the_drugs_that_come_with_angiosim_keep_the_rules(name: str) -> None:
    assert problems_of(data.read("drugs", name), "another") == []


WRONG = {
    "key": ("default_potency", "defaultpotency", "did you mean 'default_potency'?"),
    "receptor": ("[potency.mine.VEGFR2]", "[potency.mine.VEGFR9]", "did you mean 'VEGFR2'?"),
    "species": ("human = {value = 0.1", "humans = {value = 0.1", "did you mean 'human'?"),
    "default set": ('default_potency = "mine"', 'default_potency = "yours"', "must be 'mine'"),
    "number": ("{value = 10, spread", '{value = "10", spread', "must be a number"),
    "unit": ('unit = "L/h"', 'unit = "mL/h"', "must be 'L/h'"),
    "no source": (', source = "free base"', "", "must say where the number comes from"),
    "negative": ("ic50_nM = {value = 10", "ic50_nM = {value = -10", "must be above 0"),
    "parameter": ("ka = {", "k_a = {", "must have CL, V, ka"),
    "no slope": ("hill = {value = 1,", "hills = {value = 1,", "is missing"),
    "no leaf": ('molar_mass_g_per_mol = {value = 400, unit = "g/mol", source = "free base", '
                'evidence = "assumed"}', "molar_mass_g_per_mol = 400", "must be such as {value"),
    "too large a share": ("human = {value = 0.1", "human = {value = 1.1", "at most 1"),
    "spread": ('spread = "30 %", unit = "L"', 'spread = "wide", unit = "L"', "must be '29 %'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_drug_files(case: str, mine: Path, angiosim: Callable[..., Any]) -> None:
    old, new, words = WRONG[case]
    assert old in mine.read_text()
    mine.write_text(mine.read_text().replace(old, new))
    Path("body.toml").write_text(BODY)
    for file in ("mine.toml", "body.toml"):
        done = angiosim("validate", file)
        assert done.exit_code == 2 and words in done.stderr, done.output
        assert "Traceback" not in done.output


OTHERS: list[Any] = [True, -3, "x", [], ["x"], [{}], {}, {"x": 1}, {"value": []}]


def spoiled(value: Any) -> Any:
    """Each value in turn replaced by one of every type."""
    yield from OTHERS
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: other} for other in spoiled(item))


def test_values_of_wrong_types_are_reported() -> None:
    tables = tomllib.loads(template("mine"))
    assert problems_of(tables, "mine") == []
    for wrong in spoiled(tables):
        if isinstance(wrong, dict):
            problems_of(wrong, "mine")  # never a crash


def test_what_is_written_needs_no_file(mine: Path) -> None:
    scenario = load({"extends": "human_12mg", "drug": {"file": "mine.toml"}})
    mine.unlink()
    again = load(tomllib.loads(dump(scenario)))
    assert again == scenario and scenario_hash(again) == scenario_hash(scenario)
    assert again.drug is not None and again.drug.name == "mine"
    other = load(again, {"drug.potency": "mine", "drug.kp_uu": 2})
    assert potency_of(other) == potency_of(again)


def test_another_file_of_the_same_name_is_looked_up_anew(mine: Path) -> None:
    first = load({"extends": "human_12mg", "drug": {"file": "mine.toml"}})
    mine.write_text(mine.read_text().replace("ic50_nM = {value = 10", "ic50_nM = {value = 20"))
    second = load(first, {"drug.file": "mine.toml"})
    for scenario, ic50_nM in ((first, 10.0), (second, 20.0)):
        potency = potency_of(scenario)
        assert potency is not None and potency.ic50_nM["VEGFR2"] == ic50_nM
    back = load(second, {"drug.name": "anlotinib"})
    assert back.resolved.own is None
    assert scenario_hash(back) == scenario_hash(load("human_12mg"))


def test_only_comments_and_sources_keep_the_key(mine: Path) -> None:
    tree = {"extends": "human_12mg", "drug": {"file": "mine.toml"}}
    first = load(tree)
    mine.write_text(mine.read_text().replace("a placeholder", "a paper") + "# more\n")
    assert scenario_hash(load(tree)) == scenario_hash(first)


def test_name_and_file_exclude_each_other_and_files_stay_inside(mine: Path) -> None:
    for drug, words in (
        ({"file": "mine.toml", "name": "anlotinib"}, "together with 'name'"),
        ({"file": "other.toml"}, "there is no such file"),
        ({"file": "../mine.toml"}, "in or below"),
    ):
        with pytest.raises(ScenarioError) as error:
            load({"extends": "human_12mg", "drug": drug})
        assert words in str(error.value)


def test_slope_and_unbound_fraction_can_be_overridden() -> None:
    for hill in (2.0, {"VEGFR2": 2.0}):
        scenario = load("human_12mg", {"drug.hill": hill, "drug.fraction_unbound": 0.14})
        potency = potency_of(scenario)
        assert potency is not None and potency.hill["VEGFR2"] == 2.0
        assert potency.hill["FGFR1"] == (2.0 if hill == 2.0 else 1.0)
        assert pharmacokinetic(scenario).fu == 0.14
    usual = run_pk(load("human_12mg"))
    twice = run_pk(load("human_12mg", {"drug.fraction_unbound": 0.14}))
    assert twice.free_nM == pytest.approx(2 * usual.free_nM)
    for key, value in (("drug.hill", 0), ("drug.hill.VEGFR9", 1), ("drug.fraction_unbound", 2)):
        with pytest.raises(ScenarioError):
            load("human_12mg", {key: value})


def test_a_mouse_is_a_species_of_a_drug_of_ones_own(mine: Path) -> None:
    mine.write_text(
        mine.read_text().replace("human = {", "mouse = {").replace("pk.human", "pk.mouse")
    )
    scenario = load(
        {"extends": "rat_oral", "drug": {"file": "mine.toml", "species": "mouse",
                                         "weight_kg": 0.02}}
    )  # fmt: skip
    assert float(run_pk(scenario).doses[0].amount_mg) == pytest.approx(45 * 0.02)


def test_a_design_may_have_a_drug_of_ones_own(mine: Path) -> None:
    plan = plan_design({
        "base": {"extends": "human_12mg", "drug": {"file": "mine.toml"}},
        "target": [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.5}],
        "vary": {"drug.regimen.dose_mg": {"low": 1, "high": 1000}},
        "subjects": 10,
    })  # fmt: skip
    (found,) = design(plan).found
    assert found.dose is not None
