"""Measured dose-responses beside those of a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fake_runs import Here
from typer.testing import CliRunner

import sim
from sim.analysis.write import write_analysis
from sim.cli.main import app
from sim.errors import InputError
from sim.fits.logistic import DoseResponse
from sim.lab.against import ratio_of
from sim.studies.file import plan_study
from sim.studies.sweep import SweepOptions, sweep
from sim.studies.table import Study

DOSES = [0, 0.5, 1, 2, 4, 8, 16, 64]
STUDY: dict[str, Any] = {
    "name": "two arms",
    "base": "tube_formation_unstimulated",
    "replicates": 4,
    "grid": {"drug.free_nM": DOSES},
    "group": {
        "ligand": [
            {"name": "VEGF", "set": {"ligands.VEGF.bath_ng_ml": 50}},
            {"name": "PDGF-BB", "set": {"ligands.PDGF-BB.bath_ng_ml": 10}},
            {"name": "none"},
        ]
    },
    "dose_response": {
        "dose": "drug.free_nM",
        "responses": ["tube_length_mm", "meshes"],
        "unstimulated": {"ligand": "none"},
    },
}


def curves(base: dict[str, Any], task: Any) -> dict[str, float]:
    """IC50s of 5 nM with VEGF and 9 nM with PDGF-BB, between 5 and 15 mm; seeds differ."""
    noise = (task.seed % 11 - 5) / 30
    given = [name for name in ("VEGF", "PDGF-BB") if f"ligands.{name}.bath_ng_ml" in task.settings]
    if not given:
        return {"tube_length_mm": 5.0 + noise, "meshes": 1.0}
    ic50 = {"VEGF": 5.0, "PDGF-BB": 9.0}[given[0]]
    length = 5 + (10 + noise) / (1 + task.settings["drug.free_nM"] / ic50) + noise
    return {"tube_length_mm": length, "meshes": 1 + 30 / (1 + task.settings["drug.free_nM"])}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("study") / "arms"
    plan = plan_study(STUDY)
    sweep(plan, Here(plan, curves), folder, SweepOptions(), analyse=write_analysis)
    return Study.open(folder)


def measured(plates: int = 4, unit: str = "nM", seed: int = 5) -> Any:
    """Lengths in pixels, with IC50s twice those of the study, unstimulated wells at 1/3."""
    rng, rows = np.random.default_rng(seed), []
    for plate in range(1, plates + 1):
        level = 300 * (1 + 0.1 * rng.normal())
        for name, ic50 in (("VEGF", 5.0), ("PDGF-BB", 9.0)):
            for dose in (0, 1, 2, 4, 8, 16, 32, 128):
                y = level * (5 + 10 / (1 + dose / ic50 / 2) + 0.2 * rng.normal())
                rows.append((name, dose, plate, y, ""))
        rows.append(("none", np.nan, plate, level * (5 + 0.1 * rng.normal()), "negative"))
    table = pd.DataFrame(rows, columns=["ligand", "dose_nM", "plate", "length_px", "well"])
    return table if unit == "nM" else table.assign(dose_uM=table.pop("dose_nM") / 1000)


def test_ratios_of_known_potencies_come_out(study: Study) -> None:
    found = sim.fit(
        measured(), response="length_px", by="ligand", replicate="plate", control="well",
        dose="dose_nM", against=study, readout="tube_length_mm",
    ).against  # fmt: skip
    assert found is not None and found.subtracted and found.unit == "nM"
    assert [(pair.group, pair.arm) for pair in found.pairs] == [("PDGF-BB",) * 2, ("VEGF",) * 2]
    for pair in found.pairs:
        for ratio in pair.ratios.values():
            assert ratio.value == pytest.approx(2.0, rel=0.15)
            assert ratio.low < ratio.value < ratio.high < 1.5 * ratio.low
        for fit in (pair.measured.fit, pair.simulated.fit):
            assert fit.means[0] == pytest.approx(100) and abs(fit.bottom) < 5
    assert found.to_dict()["percent"]["0"] == "negative control"


def test_without_negative_controls_neither_side_has_one(study: Study) -> None:
    table = measured().query("well == ''")
    found = sim.fit(
        table, "dose_nM", "length_px", "ligand", replicate="plate", against=study.folder
    ).against
    assert not found.subtracted and "compared with tube_length_mm" in found.notes[0]
    for pair in found.pairs:
        assert pair.measured.fit.bottom == pytest.approx(100 / 3, abs=5)
        assert pair.simulated.fit.bottom == pytest.approx(100 / 3, abs=5)
        assert pair.ratios["ic50"].value == pytest.approx(2.0, rel=0.15)


def test_what_a_study_does_not_determine_is_said(tmp_path: Path) -> None:
    plan = plan_study(STUDY | {"name": "flat"})

    def flat(base: dict[str, Any], task: Any) -> dict[str, float]:
        return {"tube_length_mm": 5 + task.seed % 11 / 30, "meshes": 1.0}

    sweep(plan, Here(plan, flat), tmp_path / "flat", SweepOptions(), analyse=write_analysis)
    found = sim.fit(
        measured().query("well == ''"), "dose_nM", "length_px", "ligand", replicate="plate",
        against=tmp_path / "flat",
    ).against  # fmt: skip
    assert "VEGF of the study: no detectable dose response" in "; ".join(found.notes)


@pytest.mark.parametrize("negatives", [0, 2])
def test_percent_of_independent_wells_leaves_ic50s_and_limits(study: Study, negatives: int) -> None:
    """One scale for all wells changes no IC50; a zero that is known has no error, two wells do."""
    rng, rows = np.random.default_rng(3), []
    for dose in (0, 1, 2, 4, 8, 16, 32, 128):
        rows += [(dose, 60 + 200 / (1 + dose / 10) + 8 * rng.normal(), "") for _ in range(6)]
    rows += [(0, 20.0 + 10 * n, "negative") for n in range(negatives)]
    table = pd.DataFrame(rows, columns=["dose_nM", "length_px", "well"])
    options: dict[str, Any] = {"response": "length_px", "control": "well"}
    found = sim.fit(table, "dose_nM", **options, against=study, readout="tube_length_mm")
    own = found["length_px"]
    for pair in found.against.pairs:
        assert found.against.subtracted == (negatives > 0)
        for name in ("ic50", "absolute_ic50"):
            for end in ("", "_low", "_high"):
                expected = getattr(own, name + end)
                assert expected is not None
                assert getattr(pair.measured.fit, name + end) == pytest.approx(expected, rel=1e-4)


def test_a_plate_without_its_control_is_left_out_and_reported(study: Study) -> None:
    table = measured().query("not (plate == 3 and dose_nM == 0)")
    found = sim.fit(
        table, "dose_nM", "length_px", "ligand", replicate="plate", control="well",
        against=study, readout="tube_length_mm",
    ).against  # fmt: skip
    assert found.notes == tuple(
        f"{name}: no control in replicate 3: left out" for name in ("PDGF-BB", "VEGF")
    )
    assert {pair.measured.fit.replicates for pair in found.pairs} == {3}


@pytest.mark.slow
def test_limits_of_ratios_of_plates_hold(study: Study) -> None:
    """Of percent by plate, 90 to 99 % of 200 limits hold the true ratio."""
    held = []
    for seed in range(100):
        found = sim.fit(
            measured(seed=seed), "dose_nM", "length_px", "ligand", replicate="plate",
            control="well", against=study, readout="tube_length_mm",
        ).against  # fmt: skip
        held += [pair.ratios["ic50"].low <= 2.0 <= pair.ratios["ic50"].high for pair in found.pairs]
    assert 0.90 < np.mean(held) < 0.99


def test_units_are_converted_and_others_refused(study: Study) -> None:
    table = measured(plates=2, unit="uM").query("ligand != 'PDGF-BB'")
    options: dict[str, Any] = {"response": "length_px", "by": "ligand", "control": "well"}
    found = sim.fit(table, "dose_uM", **options, against=study).against
    assert found.pairs[0].ratios["ic50"].value == pytest.approx(2.0, rel=0.3)
    none = table.rename(columns={"dose_uM": "dose"})
    assert "names no unit" in "; ".join(sim.fit(none, **options, against=study).against.notes)
    mass = table.rename(columns={"dose_uM": "dose_ng_ml"})
    with pytest.raises(InputError, match="doses in ng/mL cannot be compared"):
        sim.fit(mass, **options, against=study)
    with pytest.raises(InputError, match="no group has the name of an arm"):
        sim.fit(
            measured(unit="uM").replace({"VEGF": "A", "PDGF-BB": "B"}), **options, against=study
        )
    with pytest.raises(InputError, match="is not a read-out"):
        sim.fit(table, **options, against=study, readout="closure_percent")
    with pytest.raises(InputError, match="neither bottom nor top"):
        sim.fit(table, **options, against=study, top=100.0)
    with pytest.raises(InputError, match="has no dose 0"):
        sim.fit(table.query("dose_uM > 0 or well != ''"), **options, against=study)


def fit(value: float | None, low: float | None, high: float | None) -> DoseResponse:
    return DoseResponse(ic50=value, ic50_low=low, ic50_high=high)


def test_ratios_keep_open_sides_and_bounds() -> None:
    whole = ratio_of(fit(10, 8, 12.5), fit(5, 4, 6.25), "ic50")
    sd = np.log(1.25) * np.sqrt(2)
    assert (whole.value, whole.low, whole.high) == pytest.approx(
        (2, 2 / np.exp(sd), 2 * np.exp(sd))
    )
    half = ratio_of(fit(10, 8, None), fit(5, 4, 6.25), "ic50")
    assert (
        half.value == pytest.approx(2)
        and half.low == pytest.approx(whole.low)
        and half.high is None
    )
    above = ratio_of(fit(None, 64, None), fit(5, 4, 6.25), "ic50")
    assert above.value is None and above.high is None and above.low == pytest.approx(64 / 6.25)
    assert str(above) == "> 10.2" and str(half) == "2 (> 1.46)"
    assert str(ratio_of(fit(None, None, None), fit(5, 4, 6), "ic50")) == "not determined"


def test_the_limits_of_a_ratio_hold() -> None:
    """95 % of 2,000 ratios of two log-normal estimates."""
    rng = np.random.default_rng(3)
    errors = np.array([0.3, 0.1]) * rng.normal(size=(2000, 2))
    held = 0
    for one, two in errors:
        a, b = np.exp(one) * np.exp([0, -0.588, 0.588]), np.exp(two) * np.exp([0, -0.196, 0.196])
        ratio = ratio_of(fit(*a), fit(*b), "ic50")
        held += ratio.low <= 1 <= ratio.high
    assert 0.935 < held / 2000 < 0.965


def test_the_command_draws_both_and_prints_their_ratio(study: Study, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    measured(plates=2).to_csv(file, index=False)
    words = ["fit", str(file), "--response", "length_px", "--by", "ligand", "--control", "well"]
    words += ["--replicate", "plate", "--against", str(study.folder), "--dose", "dose_nM"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "ratio" in result.stdout
    written = json.loads((tmp_path / "mine-fit" / "fit.json").read_text())
    pair = written["against"]["pairs"][1]
    assert pair["group"] == pair["arm"] == "VEGF" and 1.5 < pair["ic50_ratio"] < 2.7
    assert pair["measured"]["means"][0] == pytest.approx(100)
    wrong = CliRunner().invoke(app, [*words[:-1], "dose_nM", "--against", str(tmp_path)])
    assert wrong.exit_code == 2
