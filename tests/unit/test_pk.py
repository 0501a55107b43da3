"""Doses in scenarios: the command, the Python function, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import slow
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import InputError, ScenarioError
from sim.scenario.exposure import exposure_of
from sim.scenario.resolve import load
from sim.scenario.writing import dump

HUMAN = {
    "extends": "tube_formation",
    "drug": {
        "name": "anlotinib",
        "exposure": "pk",
        "species": "human",
        "regimen": {"dose_mg": 12, "on_days": 14, "off_days": 7, "cycles": 2},
    },
}


def with_drug(**changes: Any) -> dict[str, Any]:
    drug = {**HUMAN["drug"], **changes}  # type: ignore[dict-item]
    return {**HUMAN, "drug": {key: value for key, value in drug.items() if value is not None}}


def test_the_tissue_sees_the_free_drug_of_the_schedule() -> None:
    exposure = exposure_of(load(HUMAN))
    peak = float(exposure.free_nM(np.array([316.0]))[0])
    assert peak == pytest.approx(6.37, abs=0.01)
    assert float(exposure.total_nM(np.array([316.0]))[0]) == pytest.approx(peak / 0.07)
    tripled = exposure_of(load(with_drug(kp_uu=3)))
    assert float(tripled.free_nM(np.array([316.0]))[0]) == pytest.approx(3 * peak)


def test_a_list_of_doses_equals_the_regimen() -> None:
    doses = [{"at_h": 24 * day, "amount_mg": 12} for day in (*range(14), *range(21, 35))]
    listed = exposure_of(load(with_drug(regimen=None, doses=doses)))
    times = np.linspace(0, 1000, 101)
    regimen = exposure_of(load(HUMAN))
    np.testing.assert_allclose(listed.free_nM(times), regimen.free_nM(times), rtol=1e-12)


def test_a_subject_of_the_population_can_be_taken_into_the_tissue() -> None:
    times = np.array([100.0, 300.0])
    typical = exposure_of(load(HUMAN)).free_nM(times)
    one, two = (exposure_of(load(with_drug(subject=k))).free_nM(times) for k in (1, 2))
    assert not np.allclose(one, typical) and not np.allclose(one, two)
    again = exposure_of(load(with_drug(subject=1))).free_nM(times)
    assert (one == again).all()
    other = exposure_of(load(with_drug(subject=1, population_seed=2))).free_nM(times)
    assert not np.allclose(one, other)


def test_per_kg_doses_take_the_weight_of_the_species_where_it_cancels() -> None:
    rat = with_drug(species="rat", regimen={"dose_mg_per_kg": 3})
    times = np.array([1.0, 6.0])
    default = exposure_of(load(rat)).free_nM(times)
    heavy = with_drug(species="rat", regimen={"dose_mg_per_kg": 3}, weight_kg=0.6)
    np.testing.assert_allclose(exposure_of(load(heavy)).free_nM(times), default, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"regimen": {"dose_mg": -12}}, "drug.regimen.dose_mg", "at least 0"),
        ({"species": "cat"}, "drug.species", "'human'"),
        ({"species": None}, "drug.species", "'rat'"),
        ({"regimen": None}, "drug.regimen", "drug.doses"),
        ({"regimen": {"dose_mg_per_kg": 1}}, "drug.regimen.dose_mg_per_kg", "weight_kg"),
        ({"regimen": {"dose_mg": 12, "route": "iv"}}, "drug.regimen.route", "CL/F"),
        ({"regimen": {"dose_mg": 12, "missed_days": [3]}}, "drug.regimen.missed_days", "1-1"),
        ({"regimen": {"dose_mg": 12, "infusion_h": 1}}, "drug.regimen.infusion_h", "oral"),
        ({"regimen": {"dose_mg": 12, "dose_mg_per_kg": 1}}, "drug.regimen.dose_mg", "either"),
        (
            {"regimen": {"dose_mg": 12, "late_days": {"1.5": 2}}},
            "drug.regimen.late_days.1.5",
            "whole",
        ),
        ({"pk_set": "poppk2042"}, "drug.pk_set", "poppk2024"),
        ({"kp_uu": 0}, "drug.kp_uu", "above 0"),
        ({"weight_kg": -70}, "drug.weight_kg", "above 0"),
        ({"subject": 0}, "drug.subject", "at least 1"),
        ({"free_nM": 5.6}, "drug.free_nM", "constant"),
        ({"exposure": "constant"}, "drug.species", "exposure = 'pk'"),
        ({"doses": [{"at_h": -1, "amount_mg": 12}]}, "drug.doses.0.at_h", "at least 0"),
    ],
)
def test_impossible_doses_are_refused(changes: dict[str, Any], key: str, words: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load(with_drug(**changes))
    found = {problem.key: str(problem) for problem in caught.value.problems}
    assert key in found
    assert words in found[key]


def test_what_is_dumped_loads_equal() -> None:
    regimen = {"dose_mg": 12, "on_days": 14, "reductions": {"1": 10}, "late_doses": {"3": 4}}
    scenario = load(with_drug(regimen=regimen, subject=3))
    import tomllib

    assert load(tomllib.loads(dump(scenario))) == scenario


def test_python_returns_the_course_and_draws_it() -> None:
    course = sim.pk(HUMAN, subjects=50)
    assert course.half_life_h == pytest.approx(113.3, abs=0.1)
    assert course.free_bands_nM.shape == (3, course.time_h.size)
    assert (course.free_bands_nM[0] <= course.free_bands_nM[2]).all()
    assert set(course.inhibition) == {"VEGFR2", "PDGFRB", "FGFR1"}
    first = course.windows["cycle 1" if "cycle 1" in course.windows else "first cycle"]
    assert first["cmax_free_nM"] == pytest.approx(6.37, abs=0.01)
    figure = course.plot()
    upper, lower = figure.axes
    assert upper.get_yscale() == "log"
    assert "12 mg" in figure.get_suptitle()
    assert len(lower.get_lines()) == 3
    with pytest.raises(InputError, match="exposure"):
        sim.pk("tube_formation")


def test_command_prints_a_table_json_and_a_picture(tmp_path: Path) -> None:
    runner = CliRunner()
    shown = runner.invoke(app, ["pk", "human_12mg", "--subjects", "20"])
    assert shown.exit_code == 0, shown.output
    for words in ("days 1-14 of 21", "half-life 113.3 h", "Cmax", "VEGFR2", "population"):
        assert words in shown.output
    picture = tmp_path / "pk.png"
    args = ["pk", "rat_oral", "--json", "--plot", str(picture), "--set", "drug.kp_uu=2"]
    told = runner.invoke(app, args)
    assert told.exit_code == 0, told.output
    content = json.loads(told.stdout)
    assert content["kp_uu"] == 2
    assert content["half_life_h"] == pytest.approx(5.1, abs=0.01)
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = picture.read_bytes()
    assert runner.invoke(app, args).exit_code == 2
    assert picture.read_bytes() == before
    assert runner.invoke(app, ["pk", "tube_formation"]).exit_code == 2


@pytest.mark.parametrize(
    ("suffix", "start"),
    [slow("png", b"\x89PNG"), ("PNG", b"\x89PNG"), ("pdf", b"%PDF"), slow("svg", b"<?xml")],
)
def test_the_suffix_chooses_the_format_of_the_picture(
    tmp_path: Path, suffix: str, start: bytes
) -> None:
    pictures = [tmp_path / f"{name}.{suffix}" for name in ("one", "two")]
    for picture in pictures:
        shown = CliRunner().invoke(app, ["pk", "rat_oral", "--plot", str(picture)])
        assert shown.exit_code == 0, shown.output
    one, two = (picture.read_bytes() for picture in pictures)
    assert one.startswith(start)
    assert one == two
    assert b"Date" not in one


@pytest.mark.parametrize("name", ["pk.jpg", "pk", "pk.", "none/pk.png"])
def test_a_picture_that_cannot_be_written_is_refused_before_any_work(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.runs.pk.run_pk", None)
    shown = CliRunner().invoke(app, ["pk", "rat_oral", "--plot", str(tmp_path / name)])
    assert shown.exit_code == 2
    assert ("no such folder" if "/" in name else "must end in .png, .pdf or .svg") in shown.output


def test_short_courses_are_resolved_in_picture_and_population() -> None:
    """Half-hour steps would leave two straight lines of an hour's infusion."""
    regimen = {"dose_mg_per_kg": 3, "on_days": 3, "route": "iv", "infusion_h": 1}
    course = sim.pk(with_drug(species="rat", regimen=regimen), subjects=20)
    assert (np.diff(course.time_h) <= 0.0721).all()
    assert (np.diff(sim.pk(HUMAN).time_h) <= 0.5 + 1e-9).all()


def test_the_picture_shows_every_receptor() -> None:
    """Those of a drug with IC50s on sixteen, some far below any concentration."""
    course = sim.pk("rat_oral")
    ic50 = {f"R{n}": 10.0 ** (n / 2 - 4) for n in range(16)}
    course.potency = replace(course.potency, ic50_nM=ic50, hill=dict.fromkeys(ic50, 1.0))
    upper, lower = course.plot().axes
    assert [line.get_label() for line in lower.get_lines()] == list(ic50)
    lines = {line.get_label(): line for line in upper.get_lines()}
    low, high = upper.get_ylim()
    for receptor, value in ic50.items():
        (shown,) = set(np.asarray(lines[f"IC50 {receptor}"].get_ydata(), dtype=float))
        assert low < shown == value < high


def table_of(output: str) -> dict[str, list[str]]:
    """Rows of the printed table by label; columns are two or more blanks apart."""
    rows = [re.split(r"  +", line.strip()) for line in output.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def test_listed_doses_have_one_column_up_to_three_half_lives(tmp_path: Path) -> None:
    half_life_h = sim.pk(HUMAN).half_life_h
    file = tmp_path / "listed.toml"
    for last_h, counted in ((0, "\n1 dose listed\n"), (4800, "\n2 doses listed\n")):
        times_h = sorted({0, last_h})
        doses = [{"at_h": at_h, "amount_mg": 12} for at_h in times_h]
        file.write_text(dump(load(with_drug(regimen=None, doses=doses))))
        printed = CliRunner().invoke(app, ["pk", str(file)]).output
        assert counted in printed
        assert table_of(printed)["hours"] == [f"0-{round(last_h + 3 * half_life_h, 2)}"]


def test_days_and_areas_are_counted_alike_in_table_and_json() -> None:
    """Day 1 is the first 24 h after the first dose; areas are in nM h."""
    changes = {**HUMAN["drug"]["regimen"], "first_h": 100}  # type: ignore[index]
    settings = ["--set", "drug.regimen.first_h=100", "--set", "drug.regimen.cycles=2"]
    printed = CliRunner().invoke(app, ["pk", "human_12mg", *settings, "--subjects", "5"])
    shown = table_of(printed.output)
    assert shown["total in plasma, free at the cells"] == [
        "first cycle", "cycle 2", "last dose", "first dose",
    ]  # fmt: skip
    assert shown["days"] == ["1-21", "22-42", "35", "1"]
    assert shown["hours"] == ["100-604", "604-1108", "916-940", "100-124"]
    assert "days 1-42" in printed.output
    told = json.loads(CliRunner().invoke(app, ["pk", "human_12mg", *settings, "--json"]).stdout)
    windows = sim.pk(with_drug(regimen=changes)).windows
    for place, name in enumerate(shown["total in plasma, free at the cells"]):
        assert told["windows"][name] == windows[name]
        assert float(shown["AUC, nM h"][place]) == pytest.approx(
            windows[name]["auc_nM_h"], rel=1e-3
        )
    assert re.search(r"population AUC, nM h +\d{5,6} ", printed.output)
    assert "uM h" not in printed.output


def test_listed_doses_are_read_out_from_the_first_one_on() -> None:
    doses = [{"at_h": 124, "amount_mg": 12}, {"at_h": 100, "amount_mg": 12}]
    course = sim.pk(with_drug(regimen=None, doses=doses))
    assert course.first_h == course.windows["whole"]["start_h"] == 100
    assert [dose.at_h for dose in course.doses] == [100, 124]


def test_nothing_taken_is_no_drug() -> None:
    for regimen in ({"dose_mg": 12, "missed_days": [1]}, {"dose_mg": 0, "on_days": 2}):
        course = sim.pk(with_drug(regimen=regimen), subjects=3)
        assert not course.total_nM.any()
        assert course.accumulation is None
        for window in course.windows.values():
            assert (window["cmax_nM"], window["tmax_h"]) == (0, window["start_h"])
            assert window["inhibition"]["VEGFR2"]["highest"] == 0
        course.plot()


def test_a_wide_table_is_printed_whole() -> None:
    shown = CliRunner().invoke(app, ["pk", "human_12mg", "--set", "drug.regimen.cycles=12"])
    assert "…" not in shown.output
    assert len(table_of(shown.output)["VEGFR2 highest"]) == 14


def test_an_interval_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ScenarioError, match=r"drug.regimen.every_h = 168.*on_days = 7 would do"):
        load(with_drug(regimen={"dose_mg": 12, "every_h": 168, "cycles": 6}))
    weekly = sim.pk(with_drug(regimen={"dose_mg": 12, "every_h": 168, "on_days": 7, "cycles": 6}))
    assert [dose.at_h for dose in weekly.doses] == [168 * n for n in range(6)]


def test_pk_imports_neither_numba_nor_mesa() -> None:
    code = (
        "import sys, sim; sim.pk('human_12mg'); "
        "print([name for name in ('numba', 'mesa', 'matplotlib') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_doses_can_be_in_a_csv_file_beside_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "doses.csv").write_text("time_h,amount_mg\n0,12\n24,12\n")
    head = 'extends = "tube_formation"\n[drug]\nname = "anlotinib"\nexposure = "pk"\n'
    file = tmp_path / "mine.toml"
    file.write_text(head + 'species = "human"\ndoses_csv = "doses.csv"\n')
    drug = load(file).drug
    assert drug is not None
    assert [(dose.at_h, dose.amount_mg) for dose in drug.doses] == [(0, 12), (24, 12)]
    assert drug.doses_csv is None
    (tmp_path / "doses.csv").write_text("time_h,amount_mg\n0,12\n24,-12\n")
    with pytest.raises(ScenarioError, match=r"line 3.*-12"):
        load(file)
    (tmp_path / "doses.csv").unlink()
    with pytest.raises(ScenarioError, match=r"drug\.doses_csv"):
        load(file)
