"""Sensitivity indices of whole studies, with functions in the place of the simulation."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import NormalDist
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
import tomli_w
from marks import slow

from sim.analysis import sensitivity as module
from sim.analysis.analyse import analyse
from sim.analysis.sensitivity import Indices, Sensitivity
from sim.analysis.write import write_analysis
from sim.api import Study
from sim.errors import AngiosimError, InputError, ScenarioError
from sim.studies.file import plan_study
from sim.studies.identity import hash_of
from sim.studies.merge import merge as merge_alone
from sim.studies.sampling import Sample, Spread
from sim.studies.sweep import SweepOptions
from sim.studies.sweep import sweep as sweep_alone
from sim.studies.table import open_result
from sim.studies.task import Outcome, Task
from sim.studies.worker import attempt
from sim.view.study.doses import labels
from sim.view.study.pictures import write_pictures
from sim.view.study.sensitivity import draw_sensitivity

sweep = partial(sweep_alone, analyse=write_analysis)
merge = partial(merge_alone, analyse=write_analysis)

pytest.importorskip("SALib")

IC50, BATH, DENSITY = "drug.ic50_nM.VEGFR2", "ligands.VEGF.bath_ng_ml", "cells.density_per_mm2"
RANGES: dict[str, Any] = {
    IC50: "published",  # log-normal, 5.6 +- 1.2
    DENSITY: [300, 900],
    BATH: {"distribution": "loguniform", "low": 1, "high": 100},
}
PI = math.pi
KNOWN = {IC50: (0.3139, 0.5576), DENSITY: (0.4424, 0.4424), BATH: (0.0, 0.2437)}
"""First-order and total indices of Ishigami's function, in closed form."""


def shares(settings: dict[str, Any]) -> tuple[float, float, float]:
    """Where a run lies in the unit cube, by the distributions themselves."""
    sigma = math.sqrt(math.log1p((1.2 / 5.6) ** 2))
    below = NormalDist().cdf(math.log(settings[IC50] / 5.6) / sigma)
    return (
        (below - 0.005) / 0.99, (settings[DENSITY] - 300) / 600, math.log(settings[BATH], 100),
    )  # fmt: skip


def linear(settings: dict[str, Any], seed: int) -> float:
    one, two, three = shares(settings)
    return 5 + 3 * one - 2 * two + 1 * three


def ishigami(settings: dict[str, Any], seed: int) -> float:
    x, y, z = (PI * (2 * share - 1) for share in shares(settings))
    return math.sin(x) + 7 * math.sin(y) ** 2 + 0.1 * z**4 * math.sin(x)


def chance(settings: dict[str, Any], seed: int, sd: float) -> float:
    """Noise of each run of its own: the sum of twelve even numbers is almost normal."""
    digits = hash_of(f"{settings} {seed}") + hash_of(f"{seed} {settings}")
    return sd * (sum(int(digits[4 * i : 4 * i + 4], 16) / 65535 for i in range(12)) - 6)


class Cheap:
    """Makes runs by a function of settings and seed; those that give None fail."""

    running = 0

    def __init__(self, function: Callable[[dict[str, Any], int], float | None]) -> None:
        self.function = function

    def environments(self) -> list[Any]:
        return []

    def submit(self, tasks: Sequence[Task]) -> None:
        self.outcomes = [attempt(self.run, {}, task) for task in tasks]

    def wait(self, seconds: float) -> list[Outcome]:
        return [self.outcomes.pop()]  # backwards: the order must not matter

    def close(self) -> None:
        pass

    def run(self, base: dict[str, Any], task: Task) -> dict[str, float]:
        value = self.function(task.settings, task.seed)
        if value is None:
            raise ValueError("no value")
        return {"tube_length_mm": value, "meshes": 3, "mean_drive": -value}


def tree(method: str, n: int, **more: Any) -> dict[str, Any]:
    sample = {"method": method, "n": n, "ranges": RANGES}
    return {"name": "sensitive", "base": "tube_formation", "sample": sample, **more}


def made(study: dict[str, Any], function: Any, out: Path | None = None) -> Study:
    return sweep(plan_study(study), Cheap(function), out)


def values_of(study: Study, response: str = "tube_length_mm") -> np.ndarray[Any, Any]:
    """The table of results of the only arm, (points, replicates), by another way."""
    table = study.results[response].to_numpy(float)
    return table.reshape(-1, study.plan.replicates)


# --- known answers -------------------------------------------------------------------------------


@pytest.mark.slow
def test_ishigami_has_its_indices_within_their_limits(tmp_path: Path) -> None:
    made(tree("saltelli", 512), ishigami, tmp_path / "study")
    written = json.loads((tmp_path / "study" / "sensitivity.json").read_text())
    found = written["tube_length_mm"]["all"]
    assert (found["method"], found["n"], found["used"]) == ("saltelli", 512, 512)
    for key, (first, total) in KNOWN.items():
        numbers = found["parameters"][key]
        for name, value in {"S1": first, "ST": total}.items():
            assert numbers[f"{name}_low"] < value < numbers[f"{name}_high"], (key, name)
            assert numbers[name] == pytest.approx(value, abs=0.06)
            assert numbers[f"{name}_high"] - numbers[f"{name}_low"] < 0.4
    assert found["parameters"][BATH]["note"] == "S1 not distinguishable from 0"
    assert found["parameters"][DENSITY]["note"] == ""


def test_limits_hold_in_90_to_99_of_100_cases() -> None:
    """All indices of Ishigami's function, over 100 designs of 64 blocks."""
    held = []
    for seed in range(1, 101):
        spreads = {key: Spread("uniform", (0.0, 1.0)) for key in "xyz"}
        sample = Sample("saltelli", 64, seed, spreads)
        x, y, z = (PI * (2 * sample.shares() - 1)).T
        values = np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)
        found = module._indices(sample, values.reshape(64, 5, 1), seed)
        for numbers, known in zip(found.parameters.values(), KNOWN.values(), strict=True):
            for name, value in zip(("S1", "ST"), known, strict=True):
                held.append(numbers[f"{name}_low"] <= value <= numbers[f"{name}_high"])
    assert 0.90 <= np.mean(held) <= 0.99


def test_a_sum_has_its_shares_of_the_variance() -> None:
    found = made(tree("saltelli", 256), linear).sensitivity().arms["all"]
    for key, slope in {IC50: 3, DENSITY: -2, BATH: 1}.items():
        numbers = found.parameters[key]
        for name in ("S1", "ST"):
            assert numbers[f"{name}_low"] < slope**2 / 14 < numbers[f"{name}_high"]
            assert numbers[name] == pytest.approx(slope**2 / 14, abs=0.03)
    assert found.ranked() == [IC50, DENSITY, BATH]


def test_effects_of_a_sum_are_its_slopes() -> None:
    """Per whole range of a parameter, whatever its distribution; ten digits of a value remain."""
    found = made(tree("morris", 6), linear).sensitivity().arms["all"]
    for key, slope in {IC50: 3, DENSITY: -2, BATH: 1}.items():
        numbers = found.parameters[key]
        assert numbers["mu"] == pytest.approx(slope, rel=1e-7)
        assert numbers["mu_star"] == pytest.approx(abs(slope), rel=1e-7)
        assert numbers["sigma"] == pytest.approx(0, abs=1e-7)
        assert numbers["mu_star_high"] - numbers["mu_star_low"] < 1e-7
        assert numbers["note"] == ""


def test_sobol_indices_agree_with_the_plain_twin() -> None:
    """Saltelli et al. 2010: from each block A, A with one value of B for each parameter, and B."""
    study = made(tree("saltelli", 64), ishigami)
    found = study.sensitivity().arms["all"]
    blocks = values_of(study).reshape(64, 5)
    blocks = blocks - blocks.mean()
    A, B = blocks[:, 0], blocks[:, 4]
    variance = np.concatenate([A, B]).var()
    for place, key in enumerate(RANGES):
        AB = blocks[:, 1 + place]
        assert found.parameters[key]["S1"] == pytest.approx((B * (AB - A)).mean() / variance)
        assert found.parameters[key]["ST"] == pytest.approx(((A - AB) ** 2).mean() / 2 / variance)


def test_elementary_effects_agree_with_the_plain_twin() -> None:
    study = made(tree("morris", 8), ishigami)
    found = study.sensitivity().arms["all"]
    effects: dict[str, list[float]] = {key: [] for key in RANGES}
    rows = study.results.to_dict("records")
    for start in range(0, len(rows), 4):
        for one, other in zip(rows[start : start + 3], rows[start + 1 : start + 4], strict=True):
            (key,) = (key for key in RANGES if one[key] != other[key])
            way = 2 / 3 if other[key] > one[key] else -2 / 3
            effects[key].append((other["tube_length_mm"] - one["tube_length_mm"]) / way)
    for key, values in effects.items():
        assert len(values) == 8
        numbers = found.parameters[key]
        assert numbers["mu"] == pytest.approx(np.mean(values))
        assert numbers["mu_star"] == pytest.approx(np.mean(np.abs(values)))
        assert numbers["sigma"] == pytest.approx(np.std(values, ddof=1))
        assert numbers["mu_star_low"] < numbers["mu_star"] < numbers["mu_star_high"]


def test_what_changes_nothing_has_no_index() -> None:
    def without(settings: dict[str, Any], seed: int) -> float:
        return shares(settings)[0] + 0.2 * chance({IC50: settings[IC50]}, seed, 1.0)

    for method in ("saltelli", "morris"):
        found = made(tree(method, 16, replicates=2), without).sensitivity().arms["all"]
        numbers = found.parameters[BATH]
        assert set(numbers.values()) == {0.0, "changes nothing"}
        assert found.parameters[IC50]["note"] == ""


def test_each_arm_has_its_own_indices(tmp_path: Path) -> None:
    arms = [{"name": "one"}, {"name": "two", "set": {"behaviour.drive_tau_h": 1.5}}]

    def other(settings: dict[str, Any], seed: int) -> float:
        slope = 4 if settings.get("behaviour.drive_tau_h") == 1.5 else 1
        return slope * shares(settings)[1] + settings["drug.free_nM"]

    study = made(
        tree("morris", 4, group={"way": arms}, grid={"drug.free_nM": [0, 2]}), other, tmp_path / "x"
    )
    found = study.sensitivity()
    assert list(found.arms) == [
        f"way = {way}, drug.free_nM = {dose}" for way in ("one", "two") for dose in (0, 2)
    ]
    for arm, indices in found.arms.items():
        slope = 4 if "two" in arm else 1
        assert indices.parameters[DENSITY]["mu"] == pytest.approx(slope, rel=1e-7)
    assert "way = two, drug.free_nM = 0: cells.density_per_mm2 4" in repr(found)
    assert found["way = one, drug.free_nM = 2"].used == 4


# --- noise ---------------------------------------------------------------------------------------


def test_the_share_of_noise_is_reported_and_excludes_the_level_of_a_replicate() -> None:
    def noisy(settings: dict[str, Any], seed: int) -> float:
        return linear(settings, seed) + chance(settings, seed, 0.5) + 100 * (seed % 7)

    true = 14 / 12  # variance of the sum
    found = made(tree("saltelli", 128, replicates=3), noisy).sensitivity().arms["all"]
    assert found.noise_sd == pytest.approx(0.5 / math.sqrt(3), rel=0.05)
    assert found.noise_share == pytest.approx((0.25 / 3) / (true + 0.25 / 3), rel=0.15)
    assert found.noise_floor == {"ST": found.noise_share}
    found = made(tree("morris", 64, replicates=3), noisy).sensitivity().arms["all"]
    assert found.noise_sd == pytest.approx(0.5 / math.sqrt(3), rel=0.1)


MORE: dict[str, Any] = {  # so many that trajectories hardly meet: runs that meet share their noise
    **RANGES,
    "drug.free_nM": [1, 9],
    "drug.ic50_nM.PDGFRB": "published",
    "drug.ic50_nM.FGFR1": "published",
    "ligands.FGF-2.bath_ng_ml": [1, 20],
}


@pytest.mark.parametrize("method", [slow("saltelli"), "morris"])
def test_the_noise_floor_is_the_indices_of_noise_only(method: str) -> None:
    def noise(settings: dict[str, Any], seed: int) -> float:
        return 3 * shares(settings)[0] + chance(settings, seed, 1.0)

    sample = {"sample": {"method": method, "n": 256, "ranges": MORE}}
    found = made(tree(method, 256, replicates=2) | sample, noise).sensitivity().arms["all"]
    assert set(found.noise_floor) == ({"ST"} if method == "saltelli" else {"mu_star", "sigma"})
    for key in MORE.keys() - {IC50}:
        for name, floor in found.noise_floor.items():
            assert found.parameters[key][name] == pytest.approx(floor, rel=0.2)
        main = "ST" if method == "saltelli" else "mu_star"
        assert f"{main} not distinguishable from noise" in found.parameters[key]["note"]
    assert found.parameters[IC50]["note"] == ""


def test_one_replicate_does_not_determine_the_noise() -> None:
    found = made(tree("morris", 4), linear).sensitivity().arms["all"]
    assert (found.noise_sd, found.noise_share, found.noise_floor) == (None, None, {})
    assert found.note.startswith("one replicate: how much is chance is not known")


# --- what is missing -----------------------------------------------------------------------------


def test_a_block_without_a_whole_replicate_is_left_out() -> None:
    study = tree("saltelli", 16)
    runs = plan_study(study).runs
    gone = {runs[7].key, runs[8].key, runs[61].key}  # two in block 1 (from 0), one in block 12
    lost = [dict(run.settings) for run in runs if run.key in gone]
    partly = made(study, lambda s, seed: None if s in lost else ishigami(s, seed))
    found = partly.sensitivity().arms["all"]
    assert (found.n, found.used) == (16, 14)
    assert found.note.startswith("3 of 80 values missing; 2 of 16 blocks left out")
    blocks = np.delete(values_of(made(study, ishigami)).reshape(16, 5), [1, 12], axis=0)
    A, B = blocks[:, 0], blocks[:, 4]
    for place, key in enumerate(RANGES):
        total = ((A - blocks[:, 1 + place]) ** 2).mean() / 2 / np.concatenate([A, B]).var()
        assert found.parameters[key]["ST"] == pytest.approx(total)


def test_a_trajectory_without_a_whole_replicate_is_left_out() -> None:
    study = tree("morris", 8)
    lost = plan_study(study).runs[13].settings  # of trajectory 3
    partly = made(study, lambda s, seed: None if s == lost else linear(s, seed))
    found = partly.sensitivity().arms["all"]
    assert (found.n, found.used) == (8, 7)
    assert found.parameters[DENSITY]["mu"] == pytest.approx(-2, rel=1e-7)
    assert found.note.startswith("1 of 32 values missing; 1 of 8 trajectories left out")


def test_points_of_a_block_are_averaged_over_the_same_replicates() -> None:
    """With a level for each replicate, a mean over others would look like an effect."""
    study = tree("morris", 8, replicates=3)
    runs = plan_study(study).runs
    lost = [(runs[40].settings, runs[40].seed), (runs[2].settings, runs[2].seed)]

    def level(settings: dict[str, Any], seed: int) -> float | None:
        return None if (settings, seed) in lost else linear(settings, seed) + seed % 1009

    found = made(study, level).sensitivity().arms["all"]
    assert (found.n, found.used) == (8, 8)
    assert found.note == "2 of 96 values missing"
    for key, slope in {IC50: 3, DENSITY: -2, BATH: 1}.items():
        assert found.parameters[key]["mu"] == pytest.approx(slope, rel=1e-6)
    assert found.noise_sd == pytest.approx(0, abs=1e-6)


def nothing(found: Indices) -> bool:
    return all(
        value in (None, "") for numbers in found.parameters.values() for value in numbers.values()
    )


@pytest.mark.parametrize("method", ["saltelli", slow("morris")])
def test_without_an_effect_there_are_no_numbers(method: str, tmp_path: Path) -> None:
    """A constant response, runs that all failed, values that are not finite, a single block."""
    cases: dict[str, tuple[int, Any, str]] = {
        "constant": (8, lambda s, seed: 0.1 + 0.2, "the response is constant"),
        "failed": (8, lambda s, seed: None, "left out"),
        "infinite": (8, lambda s, seed: math.nan, "left out"),
        "one": (1, ishigami, "at least"),
    }
    for name, (n, function, words) in cases.items():
        for replicates in (1, 2):
            out = tmp_path / f"{name}{replicates}"
            study = made(tree(method, n, replicates=replicates), function, out)
            found = study.sensitivity().arms["all"]
            assert nothing(found), name
            assert words in found.note
            text = (out / "sensitivity.json").read_text()
            assert "NaN" not in text and "Infinity" not in text
        write_pictures(analyse(study))
        if name != "failed":
            assert (out / "sensitivity_tube_length_mm.png").stat().st_size > 5000


def test_few_blocks_carry_a_note() -> None:
    """Their limits do not hold what they promise; see the measured coverage in the docs."""
    for method, enough, words in (
        (
            "saltelli",
            64,
            "with only 32 blocks the confidence limits are too narrow; use 64 or more",
        ),
        (
            "morris",
            8,
            "with only 4 trajectories the confidence limits are too narrow; use 8 or more",
        ),
    ):
        few = made(tree(method, enough // 2), linear).sensitivity()
        assert words in few.arms["all"].note
        assert all(words in row[-1] for row in few.rows())
        assert words in draw_sensitivity(few).get_supxlabel()
        done = made(tree(method, enough), linear).sensitivity()
        assert "too narrow" not in done.arms["all"].note
        assert "too narrow" not in draw_sensitivity(done).get_supxlabel()


@pytest.mark.parametrize(("against", "sign"), [(9, "+"), (11, "±")])
def test_a_sign_is_that_of_nine_tenths_of_the_effects(against: int, sign: str) -> None:
    effects = np.r_[np.ones(100 - against), -np.ones(against)]
    numbers = {"mu": effects.mean(), "mu_star": 1.0, "mu_star_low": 0.9, "mu_star_high": 1.1,
               "sigma": effects.std(ddof=1), "note": ""}  # fmt: skip
    found = Indices("morris", 100, 100, 1, None, None, {}, "", {"a": numbers})
    (ax,) = draw_sensitivity(Sensitivity("a study", "meshes", {"all": found})).axes
    assert ax.texts[0].get_text() == sign


def test_impossible_shares_carry_a_note() -> None:
    def note(**numbers: float) -> str:
        known = {"S1": 0.5, "S1_low": 0.4, "S1_high": 0.6, "ST": 0.5, "ST_low": 0.4, "ST_high": 0.6}
        return module._judge("saltelli", known | numbers, {})

    assert note() == ""
    assert note(S1=1.68, S1_low=1.36, S1_high=2.01) == "S1 above 1 beyond its limits"
    assert note(ST=1.68, ST_low=1.36, ST_high=2.01) == "ST above 1 beyond its limits"
    assert note(S1=1.1, S1_low=0.9, S1_high=1.3) == ""
    assert "S1 below 0 beyond its limits" in note(S1=-0.5, S1_low=-0.6, S1_high=-0.4)
    assert "below 0" not in note(S1=-0.1, S1_low=-0.3, S1_high=0.1)


# --- files ---------------------------------------------------------------------------------------


def test_the_files_are_bit_identical_either_way(tmp_path: Path) -> None:
    study = tree("saltelli", 8, replicates=2, sensitivity={"responses": ["mean_drive", "meshes"]})
    plan = plan_study(study)
    for name in ("one", "two"):
        made(study, ishigami, tmp_path / name)
    for i in (1, 2, 3):
        sweep(plan, Cheap(ishigami), tmp_path / f"shard{i}", SweepOptions(shard=(i, 3)))
        assert not (tmp_path / f"shard{i}" / "sensitivity.json").exists()
    merge([tmp_path / f"shard{i}" for i in (3, 1, 2)], tmp_path / "merged")
    for name in ("sensitivity.json", "sensitivity.csv", "results.csv", "study.toml"):
        known = (tmp_path / "one" / name).read_bytes()
        assert (tmp_path / "two" / name).read_bytes() == known
        assert (tmp_path / "merged" / name).read_bytes() == known
    again = Study.open(tmp_path / "one")
    assert again.plan.sensitivity == ["mean_drive", "meshes"]
    found = json.loads((tmp_path / "one" / "sensitivity.json").read_text())
    assert list(found) == ["mean_drive", "meshes"]
    numbers = again.sensitivity("mean_drive").arms["all"].parameters
    assert numbers == found["mean_drive"]["all"]["parameters"]
    assert numbers == again.sensitivity().arms["all"].parameters


def test_the_table_has_a_row_for_each_index(tmp_path: Path) -> None:
    study = made(tree("morris", 4), linear, tmp_path)
    with (tmp_path / "sensitivity.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    table = study.sensitivity().table
    assert list(table) == list(rows[0]) == list(module.COLUMNS)
    mu = next(r for r in rows if r["parameter"] == DENSITY and r["index"] == "mu")
    assert float(mu["value"]) == pytest.approx(-2)
    assert mu["low"] == ""
    star = next(r for r in rows if r["parameter"] == DENSITY and r["index"] == "mu_star")
    assert float(star["low"]) <= float(star["value"]) <= float(star["high"])
    assert star["note"].startswith("one replicate: how much is chance is not known")


def test_limits_follow_from_the_seed_of_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    def low(**more: Any) -> float:
        found = made(tree("saltelli", 16, **more), ishigami).sensitivity().arms["all"]
        return float(found.parameters[IC50]["S1_low"])

    def fixed(seed: int) -> float:
        study = tree("saltelli", 16, seed=seed)
        study["sample"] = {**study["sample"], "seed": 1}
        found = made(study, ishigami).sensitivity().arms["all"]
        return float(found.parameters[IC50]["S1_low"])

    assert fixed(1) == fixed(1) == low()
    assert fixed(1) != fixed(2)
    monkeypatch.setattr(module, "replicate_seed", lambda *_: 0)
    assert low() == low()  # SALib draws anew each time when its seed is 0


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sensitivity": {"responses": ["meshs"]}}, "sensitivity.responses.*mean 'meshes'"),
        ({"sensitivity": {"responses": "meshes"}}, "must be a list of read-outs"),
        ({"sensitivity": {"responses": []}}, "must be a list of read-outs"),
        ({"sensitivity": {"response": ["meshes"]}}, "did you mean 'responses'"),
        ({"sensitivity": ["meshes"]}, "must be a table"),
        ({"sample": {"method": "lhs", "n": 8, "ranges": RANGES}, "sensitivity": {}},
         "method must be one of 'saltelli', 'morris'"),
        ({"sample": {"n": 8, "ranges": RANGES}, "sensitivity": {}}, "'saltelli', 'morris'"),
    ],
)  # fmt: skip
def test_wrong_sensitivities(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        plan_study(tree("saltelli", 8) | change)
    with pytest.raises(ScenarioError, match="'saltelli', 'morris'"):
        plan_study({"base": "tube_formation", "sensitivity": {"responses": ["meshes"]}})


@pytest.mark.parametrize("method", ["sobol", "lhs"])
def test_other_points_give_no_indices(method: str, tmp_path: Path) -> None:
    study = made(tree(method, 8), linear, tmp_path)
    assert not (tmp_path / "sensitivity.json").exists()
    with pytest.raises(InputError, match="'saltelli' or 'morris' only"):
        study.sensitivity()
    with pytest.raises(InputError, match="'saltelli' or 'morris' only"):
        made({"base": "tube_formation"}, lambda s, seed: 1.0).sensitivity()


def test_an_unknown_readout_is_refused() -> None:
    study = made(tree("morris", 4), linear)
    with pytest.raises(InputError, match=r"'meshs' is not a read-out.*did you mean 'meshes'"):
        study.sensitivity("meshs")


def test_without_salib_the_error_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, angiosim: Any
) -> None:
    """Points that were drawn are run and shown without it; their indices need it."""
    made(tree("morris", 4), linear, tmp_path / "study")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    needs = r"needs SALib: pip install 'angiosim\[analysis\]'"
    with pytest.raises(InputError, match=needs):
        plan_study(tree("morris", 4))
    study = open_result(tmp_path / "study")
    assert study.count("done") == len(study.runs)
    with pytest.raises(InputError, match=needs):
        study.sensitivity()
    with pytest.raises(AngiosimError, match=rf"results.csv is complete.*{needs}"):
        merge([tmp_path / "study"], tmp_path / "merged")
    assert (tmp_path / "merged" / "results.csv").exists()
    file = tmp_path / "new.toml"
    file.write_text(tomli_w.dumps(tree("morris", 4)))
    done = angiosim("sweep", file, "--out", tmp_path / "new")
    assert (done.exit_code, (tmp_path / "new").exists()) == (2, False)
    assert "pip install 'angiosim[analysis]'" in done.stderr


def test_the_shipped_study() -> None:
    plan = plan_study("sweeps/sensitivity")
    assert len(plan.runs) == 24 * 7 * 2
    assert plan.base["drug"]["free_nM"] == 5.6
    assert plan.sensitivity == ["tube_length_mm", "junctions", "largest_part_fraction"]
    values = [run.parameters["behaviour.chemotaxis.cue.mu.1"] for run in plan.runs]
    assert (min(values), max(values)) == (750, 1250)


# --- pictures ------------------------------------------------------------------------------------


def test_the_pictures_of_a_study_are_in_its_folder_and_always_the_same(
    tmp_path: Path, angiosim: Any
) -> None:
    for method in ("saltelli", "morris"):
        study = tree(method, 8, replicates=2, sensitivity={"responses": ["tube_length_mm"]})
        write_pictures(analyse(made(study, ishigami, tmp_path / method)))
        picture = tmp_path / method / "sensitivity_tube_length_mm.png"
        assert picture.stat().st_size > 10_000
        shard = made(study, ishigami)
        shard.runs = shard.runs[::2]
        write_pictures(analyse(shard))  # nothing to write, nowhere to write it
        done = angiosim("merge", tmp_path / method, "--out", tmp_path / f"{method} merged")
        assert done.exit_code == 0, done.stderr
        merged = tmp_path / f"{method} merged" / picture.name
        assert merged.read_bytes() == picture.read_bytes()


def test_bars_and_points_are_where_the_indices_are() -> None:
    mpl.use("Agg")
    arms = {"group": {"way": [{"name": "a"}, {"name": "b", "set": {"drug.free_nM": 1}}]}}
    study = made(tree("saltelli", 16, replicates=2, **arms), ishigami)
    found = study.sensitivity()
    figure = found.plot()
    axes = {ax.get_title(): ax for ax in figure.axes}
    assert list(axes) == ["a", "b"]
    widths = [patch.get_width() for patch in axes["a"].patches]  # type: ignore[attr-defined]
    keys = found["a"].ranked()
    assert widths == [found["a"].parameters[key][name] for key in keys for name in ("S1", "ST")]
    names = [label.get_text().replace("\n", " ") for label in axes["a"].get_yticklabels()]
    assert names == list(labels(keys).values())
    study = made(tree("morris", 8, replicates=2), linear)
    (ax,) = study.sensitivity().plot().axes
    points = {
        (float(line.get_xdata()[0]), float(line.get_ydata()[0]))  # type: ignore[index,arg-type]
        for line in ax.lines
        if line.get_marker() in ("o", "s", "^")
    }
    parameters = study.sensitivity().arms["all"].parameters.values()
    assert points == {(numbers["mu_star"], numbers["sigma"]) for numbers in parameters}
    assert {text.get_text() for text in ax.texts} >= {"+", "−"}
    assert ax.get_xlabel() == "µ* of network length (mm)"
    larger = made(
        tree("morris", 8, replicates=2, **arms),
        lambda settings, seed: linear(settings, seed) * (1 + settings.get("drug.free_nM", 0)),
    )
    panels = larger.sensitivity().plot().axes
    assert len({(one.get_xlim(), one.get_ylim()) for one in panels}) == 1
    with pytest.raises(ValueError, match="no arm"):
        draw_sensitivity(replace(found, arms={}))
    many = draw_sensitivity(replace(found, arms={str(i): found["a"] for i in range(20)}))
    assert len(many.axes) == 12
