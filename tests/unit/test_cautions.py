"""What is valid, but may not be as expected: times off the steps, cells too few to connect."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.calibration.file import plan_calibration
from sim.scenario.cautions import cautions
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped, shipped_calibrations, shipped_studies
from sim.studies.file import plan_study

Angiosim = Callable[..., Any]


def found(overrides: dict[str, Any]) -> dict[str, str]:
    """Text of each caution by its key."""
    return {caution.key: str(caution) for caution in cautions(load("tube_formation", overrides))}


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_are_done_as_they_are_written(name: str) -> None:
    assert cautions(load(name)) == []


@pytest.mark.parametrize("name", shipped_studies())
def test_shipped_studies_are_done_as_they_are_written(name: str) -> None:
    keys = [caution.key for caution in plan_study(name).cautions]
    expected = (
        ["cells.density_per_mm2"] if name == "sweeps/sensitivity" else []
    )  # all published protocols
    expected += ["drug.potency"] if name in ("sweeps/screen", "sweeps/panel_drugs") else []
    assert keys == expected


@pytest.mark.parametrize("name", shipped_calibrations())
def test_shipped_calibrations_are_done_as_they_are_written(name: str) -> None:
    assert plan_calibration(name).cautions == []


@pytest.mark.parametrize(
    ("overrides", "key", "used"),
    [
        ({"time.duration_h": 0.333}, "time.duration_h", "40 steps, 0.333333 h"),
        ({"time.duration_h": "5.31 h", "time.mcs_s": 40}, "time.duration_h", "478 steps, 5.31111"),
        ({"time.record_every_h": 0.33}, "time.record_every_h", "40 steps, 0.333333 h"),
        ({"time.mcs_s": 70, "time.duration_h": 7}, "time.record_every_h", "of 70 s"),
        (
            {"drug.exposure": "schedule", "drug.media": [{"at_h": 0.1001, "free_nM": 3}]},
            "drug.media.0.at_h",
            "0.108333 h",
        ),
        (
            {
                "drug.exposure": "schedule", "time.start_h": 0.005,
                "drug.media": [{"at_h": 0, "free_nM": 3}, {"at_h": 0.1, "free_nM": 3}],
            },
            "drug.media.1.at_h",
            "0.105 h",
        ),
        # half of a step of 60 s: the drug is looked at every 30 s
        (
            {
                "drug.exposure": "schedule", "time.mcs_s": 60,
                "drug.media": [{"at_h": "30 s", "free_nM": 3}, {"at_h": "40 s", "free_nM": 3}],
            },
            "drug.media.1.at_h",
            "0.0166667 h",
        ),
    ],
)  # fmt: skip
def test_times_that_are_not_reached(overrides: dict[str, Any], key: str, used: str) -> None:
    text = found(overrides)
    assert list(text) == [key]
    assert text[key].startswith(f"{key} = ")
    assert used in text[key]


@pytest.mark.parametrize(
    "overrides",
    [
        {"time.duration_h": "20 min"},
        {"time.duration_h": 0.333333},  # as exactly as it would be shown
        {"time.duration_h": 1.2, "time.record_every_h": 0.1},
        {"time.mcs_s": 0.1, "time.duration_h": 0.7},
        {"time.start_h": 0.1234},  # only shifts the schedule
        {"drug.exposure": "schedule", "drug.media": [{"at_h": 2.1, "free_nM": 3}]},
        {"drug.media": [], "behaviour.drive_tau_h": 1.2345},
    ],
)
def test_times_that_are_reached(overrides: dict[str, Any]) -> None:
    assert found(overrides) == {}


@pytest.mark.parametrize(
    ("overrides", "key", "density"),
    [
        ({"cells.density_per_mm2": 350}, "cells.density_per_mm2", "350 cells per mm^2"),
        ({"cells.count": 100}, "cells.count", "156 cells per mm^2"),
        ({"cells.count": 100, "cells.seeding": "grid"}, "cells.count", "156 cells"),
        ({"setup.region_um": [400, 800], "cells.count": 120}, "cells.count", "375 cells"),
    ],
)
def test_too_few_cells_to_connect(overrides: dict[str, Any], key: str, density: str) -> None:
    text = found(overrides)
    assert list(text) == [key]
    assert f"gives {density}" in text[key]


@pytest.mark.parametrize(
    "overrides",
    [
        {"cells.density_per_mm2": 400},
        {"setup.region_um": [400, 400], "cells.count": 100},
        {"cells.count": 100, "cells.seeding": "blob"},
        {"cells.count": 1},  # no network is meant
    ],
)
def test_cells_that_may_connect(overrides: dict[str, Any]) -> None:
    assert found(overrides) == {}


def test_locomotion_that_an_assay_cannot_inhibit() -> None:
    found = cautions(load("tube_formation", {"domain.substrate": "plastic"}))
    assert [problem.key for problem in found] == ["engine.persistence.kappa"]
    assert "does not count the free borders of cells" in str(found[0])
    assert cautions(load("wound_healing", {})) == []


@pytest.mark.parametrize(
    ("name", "key", "value", "words"),
    [
        (
            "tube_formation",
            "behaviour.length.enclosed_sites",
            13,
            "does not count the free borders",
        ),
        ("tube_formation", "engine.area.most", 2.5, "has no effect without engine.area.creep_h"),
        ("chemotaxis", "readout.every_min", 7.3, "positions are noted every 7.5 min"),
        ("chemotaxis", "readout.every_min", 400, "is longer than the run"),
        ("wound_healing", "cells.density_per_mm2", 500, "gives cells of 2000 um^2, which at rest"),
    ],
)
def test_keys_that_do_not_do_what_they_say(name: str, key: str, value: float, words: str) -> None:
    (found,) = cautions(load(name, {key: value}))
    assert found.key == key and words in str(found)


def test_the_reported_time_is_the_time_used() -> None:
    scenario = load(
        "tube_formation",
        {
            "domain.size_um": [100, 100], "cells.count": 2,
            "time.duration_h": 0.1, "time.mcs_s": 50, "time.start_h": 0.7,
            "drug.exposure": "schedule", "drug.media": [{"at_h": 0.753, "free_nM": 3}],
        },
    )  # fmt: skip
    told = {caution.key: str(caution) for caution in cautions(scenario)}
    assert "7 steps, 0.0972222 h" in told["time.duration_h"]
    assert "the next, 0.755556 h" in told["drug.media.0.at_h"]
    model = sim.AngiogenesisModel(scenario)
    assert scenario.time.steps == 7
    for _ in range(scenario.time.steps):
        before = 0.7 + model.mcs * 50 / 3600
        model.step()
        assert model.free_nM.tolist() == [
            3.0 * (before + part * 25 / 3600 > 0.7555) for part in range(2)
        ]


def test_a_medium_at_the_start_of_a_step_is_in_that_step() -> None:
    """Sums of steps are rounded; 0.7 h + 0.1 h is a hair less than 0.8 h."""
    scenario = load(
        "tube_formation",
        {
            "domain.size_um": [100, 100], "cells.count": 2,
            "time.start_h": 0.7, "time.duration_h": 0.2, "time.mcs_s": 30,
            "drug.exposure": "schedule", "drug.media": [{"at_h": 0.8, "free_nM": 3}],
        },
    )  # fmt: skip
    model = sim.AngiogenesisModel(scenario)
    model.mcs = 11
    model.step()
    assert model.free_nM.tolist() == [0.0]
    model.step()
    assert model.free_nM.tolist() == [3.0]


STUDY: dict[str, Any] = {
    "base": "tube_formation",
    "replicates": 3,
    "grid": {"drug.free_nM": [0, 1], "time.duration_h": [1, 1.001, 2, 2.001]},
    "group": {
        "pace": [
            {"name": "30 s", "set": {"time.mcs_s": 30}},
            {"name": "40 s", "set": {"time.mcs_s": 40}},
        ]
    },
}


DOSED = {"drug.exposure": "pk", "drug.species": "human", "time.duration_h": 6}
REGIMEN = {"dose_mg": 12, "on_days": 14, "off_days": 7, "cycles": 2}
ONE_DOSE = [{"at_h": 100, "amount_mg": 12}]


@pytest.mark.parametrize(
    ("drug", "start_h", "said"),
    [
        ({"drug.regimen": REGIMEN}, 0, ""),
        ({"drug.regimen": REGIMEN}, 340, ""),
        ({"drug.regimen": REGIMEN}, 5000, "from 5000 to 5006 h, without effective drug: the doses "
                                          "are given from 0 to 816 h"),
        ({"drug.doses": ONE_DOSE}, 0, "from 0 to 6 h, without effective drug: the doses are given "
                                      "from 100 to 100 h"),
        ({"drug.doses": ONE_DOSE}, 94, "from 94 to 100 h"),
        ({"drug.doses": ONE_DOSE}, 95, ""),
        ({"drug.doses": ONE_DOSE}, 101, ""),
        ({"drug.doses": ONE_DOSE}, 4000, "from 100 to 100 h"),
    ],
)  # fmt: skip
def test_a_run_beyond_the_doses(drug: dict[str, Any], start_h: float, said: str) -> None:
    about = found({"drug.name": "anlotinib", **DOSED, **drug, "time.start_h": start_h})
    assert ({*about} == {"time.start_h"}) == bool(said)
    assert said in about.get("time.start_h", "")


def test_a_study_reports_each_key_once() -> None:
    assert [str(caution) for caution in plan_study(STUDY).cautions] == [
        "time.duration_h = 1.001: is not a whole number of steps of 30 s (time.mcs_s); the run "
        "takes 120 steps, 1 h (and 3 more such)"
    ]


def test_a_calibration_checks_its_conditions_and_record_times() -> None:
    row = {"drug.free_nM": 0, "tube_length_mm": 3, "tube_length_mm_sd": 1}
    plan = plan_calibration(
        {
            "base": "tube_formation",
            "parameters": {"engine.temperature": [8, 12]},
            "data": {
                "rows": [
                    row | {"time_h": 1.001},
                    row | {"time_h": 1.001, "time.duration_h": 2.001},
                ]
            },
        }
    )
    text = {caution.key: str(caution) for caution in plan.cautions}
    assert list(text) == ["data, row 1, time_h", "time.duration_h", "data, row 2, time_h"]
    assert "the record at 1 h is compared" in text["data, row 1, time_h"]


def test_commands_warn_and_continue(angiosim: Angiosim, workplace: Path) -> None:
    Path("short.toml").write_text(
        'extends = "tube_formation"\n[domain]\nsize_um = [100, 100]\n[cells]\ncount = 2\n'
        "[time]\nduration_h = 0.0101\n"
    )
    warning = (
        "warning: time.duration_h = 0.0101: is not a whole number of steps of 30 s (time.mcs_s); "
        "the run takes 1 step, 0.00833333 h\n"
    )
    done = angiosim("validate", "short.toml")
    assert (done.exit_code, done.stdout) == (0, "short.toml: valid\n")
    needs = "1 steps of 2,500 sites, 2 snapshots: about "
    assert done.stderr.startswith(f"{warning}{needs}")
    done = angiosim("validate", "short.toml", "tube_formation")
    first = warning.replace("warning: ", "warning: short.toml: ")
    assert done.stderr.startswith(f"{first}short.toml: {needs}")
    assert "\ntube_formation: 720 steps of" in done.stderr
    done = angiosim("run", "short.toml", "--out", "out")
    assert done.exit_code == 0
    assert done.stderr.count(warning) == 1
    assert warning[9:-1] in Path("out/run.log").read_text()
    assert "warning" not in angiosim("run", "short.toml", "--quiet", "--out", "quiet").stderr
    done = angiosim("pk", "human_12mg", "--set", "time.duration_h=1.001", "--json")
    assert done.exit_code == 0
    assert done.stderr.startswith("warning: time.duration_h = 1.001: ")
    Path("study.toml").write_text('base = "short.toml"\n[grid]\n"drug.free_nM" = [0, 1]\n')
    done = angiosim("sweep", "study.toml", "--list")
    assert done.stderr.startswith(warning)
    assert done.stderr.count("warning") == 1


def test_python_warns_its_user(workplace: Path) -> None:
    with pytest.warns(sim.ScenarioWarning, match=r"time.duration_h = 1.001: ") as caught:
        scenario = sim.load("tube_formation", {"time.duration_h": 1.001})
    assert [warning.filename for warning in caught] == [__file__]
    tiny = {"domain.size_um": [100, 100], "cells.count": 2, "time.duration_h": 0.0101}
    with pytest.warns(sim.ScenarioWarning) as caught:
        sim.run("tube_formation", tiny)
    assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(sim.ScenarioWarning) as caught:
        sim.pk("human_12mg", {"time.duration_h": 1.001})
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sim.load(scenario, seed=3)  # it was said when this was loaded
