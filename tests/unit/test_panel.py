"""Panels: several assays of a drug at one list of doses, and how far they are from harm."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import fake_runs
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import sim
from sim import data
from sim.analysis.panel import Panel, halving
from sim.analysis.write import write_analysis
from sim.errors import InputError
from sim.pharmacology.drugs import load_drug
from sim.scenario.resolve import load
from sim.studies.file import plan_study
from sim.studies.forecast import forecast
from sim.studies.sweep import SweepOptions
from sim.studies.sweep import sweep as sweep_alone
from sim.studies.table import Study
from sim.studies.task import Task

mpl.use("Agg")
sweep = partial(sweep_alone, analyse=write_analysis)

CULTURE = ["viability_percent", "live_cells"]
STUDY: dict[str, Any] = {
    "name": "a panel",
    "replicates": 3,
    "grid": {"drug.free_nM": [0, 0.5, 2, 5, 10, 20, 100, 1000]},
    "group": {
        "arm": [
            {"name": "tubes", "base": "tube_formation"},
            {"name": "none", "base": "tube_formation", "set": {"ligands.VEGF.bath_ng_ml": 0}},
            {"name": "wound", "base": "wound_healing"},
            {"name": "up FGF-2", "base": "chemotaxis", "set": {"setup.ligand": "FGF-2"}},
            {"name": "HUVEC", "base": "viability", "responses": CULTURE},
            {"name": "EA.hy 926", "base": "viability_ea_hy926", "responses": CULTURE},
        ],
        "drug": [
            {"name": "a", "set": {"drug.name": "anlotinib"}},
            {"name": "s", "set": {"drug.name": "sunitinib"}},
        ],
    },
    "dose_response": {"dose": "drug.free_nM", "unstimulated": {"arm": ["none"]}},
}
IC50 = {"tube_formation": 5.0, "wound_healing": 8.0, "chemotaxis": 4.0}


def run(base: dict[str, Any], task: Task) -> dict[str, float]:
    """Effects with an IC50 of their own; HUVEC lose 2 % of viability and half of their number."""
    dose = task.settings["drug.free_nM"]
    chance = random.Random(f"{task.seed} {dose}").gauss(0, 0.1)
    left = 1 / (1 + dose / IC50.get(base["assay"], 5.0))
    if base["assay"] == "viability":
        lost = 0 if base["cells"]["line"] == "ea_hy926" else 1 - left
        return {"viability_percent": 99 - 2 * lost + chance / 20, "live_cells": 80 - 44 * lost}
    name = {"tube_formation": "tube_length_mm", "wound_healing": "closure_percent",
            "chemotaxis": "drift_um_h"}[base["assay"]]  # fmt: skip
    left *= task.settings.get("ligands.VEGF.bath_ng_ml") != 0
    return {name: 4 + 12 * left + chance}


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> tuple[Panel, Path]:
    """A panel, and the folder of its study."""
    folder = tmp_path_factory.mktemp("panel")
    return made(out=folder).panel(), folder


def made(tree: dict[str, Any] = STUDY, out: Path | None = None) -> Study:
    plan = plan_study(tree)
    return sweep(plan, fake_runs.Here(plan, run), out)


def test_the_table_has_the_ic50_of_each_assay(panel: tuple[Panel, Path]) -> None:
    table = pd.read_csv(panel[1] / "panel.csv", keep_default_na=False, na_values=[""])
    assert list(table.columns) == ["assay", "drug", "ligand", "line", "readout", "ic50", "ic50_low",
                                   "ic50_high", "hill", "note"]  # fmt: skip
    written = panel[0].table.replace("", float("nan"))
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    assert len(table) == 2 * (3 + 2 * 2)
    found = table.set_index(["drug", "readout", "line"]).sort_index()
    for name, ic50 in {"tube_length_mm": 5.0, "closure_percent": 8.0, "drift_um_h": 4.0}.items():
        row = found.loc["sunitinib", name, "huvec"]
        assert row.ic50 == pytest.approx(ic50, rel=0.05)
        assert row.ic50_low < row.ic50 < row.ic50_high
    assert found.loc[("anlotinib", "drift_um_h", "huvec"), "ligand"] == "FGF-2"
    assert found.loc[("anlotinib", "closure_percent", "huvec"), "ligand"] == "VEGF"


def test_half_of_a_small_loss_is_no_ic50_of_killing(panel: tuple[Panel, Path]) -> None:
    """HUVEC lose 2 % of their viability, half of that at 5 nM: no dose halves it."""
    found = panel[0].table.set_index(["drug", "readout", "line"])
    for line in ("huvec", "ea_hy926"):
        row = found.loc["anlotinib", "viability_percent", line]
        assert pd.isna(row.ic50) and row.ic50_low == 1000
        assert "the dose that halves the value" in row.note and "assumed rates" in row.note
    number = found.loc["anlotinib", "live_cells", "huvec"]
    assert number.ic50 == pytest.approx(5 * 40 / 4, rel=0.1)  # 80 to 36: 40 are left at 50 nM


def test_cells_that_stop_dividing_and_then_die_have_no_single_ic50() -> None:
    doses = np.array([0, 0.1, 1, 3, 10, 30, 100, 1e3, 1e4, 1e5])
    steps = 198 * (0.6 + 0.4 / (1 + doses / 5)) / (1 + (doses / 5e4) ** 2)
    chance = np.random.default_rng(1).normal(0, 2, (4, 10))
    found = halving(doses, steps + chance)
    assert (found.ic50, found.ic50_low, found.determined) == (None, None, False)
    assert found.note.startswith("no logistic fits")
    one = halving(doses, 198 / (1 + doses / 300) + chance)
    assert one.ic50 == pytest.approx(300, rel=0.1)


def test_windows_are_at_least_where_cells_were_seen_unharmed_and_else_not_known(
    panel: tuple[Panel, Path],
) -> None:
    with (panel[1] / "panel_windows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {"drug", "window", "kind", "source"} < {*rows[0]}
    assert {row["assay"] for row in rows} == {*IC50}  # what is wanted, and not the harm
    for row in rows:
        if row["drug"] == "anlotinib":
            assert row["kind"] == "at_least" and row["harmed_line"] == "ea_hy926"
            assert float(row["window"]) == pytest.approx(1000 / IC50[row["assay"]], rel=0.05)
            assert "1 uM" in row["source"]
            low, at, high = (float(row[f"window{end}"]) for end in ("_low", "", "_high"))
            assert low < at < high
            ic50s = panel[0].table.set_index(["drug", "assay", "readout"])
            of = ic50s.loc["anlotinib", row["assay"], row["readout"]]
            assert (low, high) == pytest.approx((1000 / of["ic50_high"], 1000 / of["ic50_low"]))
        else:
            assert (row["kind"], row["window"]) == ("not_known", "")
            assert row["source"] == (
                "no dose known that kills cells, nor one up to which they were seen unharmed"
            )


@pytest.mark.parametrize("ec50", [100, 30000])
def test_the_assumed_rate_of_killing_gives_no_window(ec50: int) -> None:
    tree = json.loads(json.dumps(STUDY))
    for arm in tree["group"]["arm"][4:]:
        arm["set"] = {"behaviour.death.cytotoxic_ec50_nM": ec50}
    found = made(tree).panel()
    assert {one.kind for one in found.found} == {"at_least", "not_known"}


def test_a_finding_of_the_drug_file_gives_a_value(own_data: Path) -> None:
    file = own_data / "drugs" / "sunitinib.toml"
    leaf = '{value = 4000, unit = "nM", source = "seen", evidence = "published"}'
    file.write_text(file.read_text() + f"\n[cytotoxic_ec50_nM]\nhuvec = {leaf}\n")
    found = [one for one in made().panel().found if one.row.drug == "sunitinib"]
    assert [(one.kind, one.line, one.source) for one in found] == [("value", "huvec", "seen")] * 3
    assert found[0].window == pytest.approx(4000 / 5, rel=0.05)
    ends = (found[0].window_low, found[0].window_high)
    words = "{:.3g} ({:.3g} to {:.3g})".format(found[0].window, *ends)
    assert found[0].words() == f"sunitinib, network length, VEGF: window to harm of HUVEC {words}"


def test_without_an_ic50_there_is_no_window() -> None:
    tree = json.loads(json.dumps(STUDY)) | {"grid": {"drug.free_nM": [0, 0.01, 0.02, 0.03]}}
    found = made(tree).panel()
    assert {one.kind for one in found.found} == {"not_known"}
    assert "the IC50 is not determined: " in found.found[0].source


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        ('{value = 0, source = "s", evidence = "published"}', "= 0: must be above 0"),
        ('{value = 9, source = "s", evidence = "assumed"}', "evidence = 'assumed': .* findings"),
    ],
)
@pytest.mark.parametrize("key", ["unharmed_up_to_nM", "cytotoxic_ec50_nM"])
def test_only_findings_belong_in_a_drug_file(
    own_data: Path, key: str, leaf: str, said: str
) -> None:
    file = own_data / "drugs" / "axitinib.toml"
    file.write_text(file.read_text() + f"\n[{key}]\nhuvec = {leaf}\n")
    with pytest.raises(InputError, match=f"drugs/axitinib.toml: {key}.huvec.*{said}"):
        load_drug("axitinib")


def test_numbers_of_cells_and_viability_never_share_an_axis(panel: tuple[Panel, Path]) -> None:
    figure = panel[0].plot()
    titles: dict[str, list[str]] = {}
    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        words = [text.get_text().partition(":")[0] for text in legend.get_texts()]
        words = [name for name in words if name != "unstimulated"]
        titles[f"{legend.get_title().get_text()} | {axes.get_ylabel()}"] = words
    effects = ["network length", "gap closure", "drift", "viability, HUVEC", "viability, EA.hy 926"]
    numbers = ["living cells, HUVEC", "living cells, EA.hy 926"]
    per_drug = [effects[:2] + effects[3:], effects[2:3], numbers]
    assert sorted(titles.values()) == sorted(per_drug * 2)
    assert "EA.hy 926 seen unharmed up to 1000 nM of anlotinib" in " ".join(
        figure.get_supxlabel().split()
    )
    for title, words in titles.items():
        assert ("cell number" in title) == (words == numbers)
        assert "_" not in title  # words, not keys


@pytest.mark.parametrize(
    ("assay", "readout", "number"),
    [
        ("viability", "viability_percent", False),
        ("viability", "mean_drive", False),
        ("viability", "cells", True),
        ("viability", "doublings", True),
        ("viability", "covered_fraction", True),  # cells that do not divide cover less
        ("wound_healing", "detached_cells", False),
    ],
)
def test_what_follows_the_number_of_cells(
    panel: tuple[Panel, Path], assay: str, readout: str, number: bool
) -> None:
    row = replace(panel[0].rows[0], assay=assay, readout=readout)
    assert row.is_number is number


def test_curves_are_per_cent_of_no_drug() -> None:
    tree = {**STUDY, "group": {"arm": STUDY["group"]["arm"]}}
    axes = made(tree).panel().plot().axes[0]
    points = [
        line for line in axes.lines if len(line.get_xdata()) == 8 and line.get_marker() in "os^D"
    ]
    assert points and all(line.get_ydata()[0] == pytest.approx(100) for line in points)
    legend = axes.get_legend()
    assert legend is not None and "unstimulated" in [t.get_text() for t in legend.get_texts()]
    (control,) = [line for line in axes.lines if set(line.get_xdata()) == {0, 1}]
    (curve,) = [line for line in points if line.get_color() == control.get_color()]
    assert control.get_linestyle() == ":" and curve in points


def test_one_assay_alone_is_no_panel_unless_asked_for(tmp_path: Path) -> None:
    tree = {**STUDY, "group": {"arm": STUDY["group"]["arm"][:2]}}
    study = made(tree, tmp_path / "one")
    assert not list((tmp_path / "one").glob("panel*"))
    assert isinstance(study.panel(), Panel) and len(study.panel().rows) == 1
    with pytest.raises(
        InputError, match=r"a panel needs .dose_response. with dose = 'drug.free_nM"
    ):
        made({key: STUDY[key] for key in ("name", "group", "grid")}).panel()


def test_a_panel_no_longer_asked_for_is_removed(tmp_path: Path, panel: tuple[Panel, Path]) -> None:
    made(out=tmp_path)
    (tmp_path / "panel.png").touch()  # as it is drawn from the analysis
    names = {"panel.csv", "panel_windows.csv", "panel.png"}
    assert names < {path.name for path in tmp_path.iterdir()}
    assert sim.Study.open(tmp_path).panel().table.equals(panel[0].table)
    made({**STUDY, "group": {"arm": STUDY["group"]["arm"][:2]}}, tmp_path)
    assert not names & {path.name for path in tmp_path.iterdir()}
    plan = plan_study(STUDY)
    options = SweepOptions(shard=(1, 2))
    shard = sweep(plan, fake_runs.Here(plan, run), tmp_path / "shard", options)
    assert not names & {path.name for path in (tmp_path / "shard").iterdir()}
    with pytest.raises(InputError, match="this is one shard"):
        shard.panel()


# --- the studies that come with it ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "doses", "hours"), [("panel", 9, 0.75), ("panel_drugs", 9, 3), ("cytotoxicity", 10, 1)]
)
def test_the_shipped_panels(name: str, doses: int, hours: float) -> None:
    plan = plan_study(f"sweeps/{name}")
    assert plan.replicates == 4
    assert len({run.parameters["drug.free_nM"] for run in plan.runs}) == doses
    assert forecast(plan, plan.runs, {}).seconds / 2 < hours * 3600
    controls = plan.dose_response["unstimulated"]["arm"]
    for arm in {run.group["arm"]: run for run in plan.runs}.values():
        scenario = load(plan.base_of(arm), arm.settings)
        stimulated = [
            one for one in scenario.ligands.values() if one.bath_ng_ml > 0 or one.gradient
        ]
        assert len(stimulated) == (arm.group["arm"] not in controls)


def test_all_drugs_of_the_screen_are_in_the_panel_of_drugs() -> None:
    sets = [
        {run.group["drug"]: (run.settings["drug.name"], run.settings["drug.potency"])
         for run in plan_study(f"sweeps/{name}").runs}
        for name in ("screen", "panel_drugs")
    ]  # fmt: skip
    assert sets[0] == sets[1]


def test_cells_were_seen_unharmed() -> None:
    finding = load_drug("anlotinib").unharmed_up_to_nM["ea_hy926"]
    assert finding.dose_nM == 1000
    assert not any(load_drug(name).cytotoxic_ec50_nM for name in data.names("drugs"))


def test_a_tiny_real_panel(
    tmp_path: Path, angiosim: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two doses are too few for a fit, and the files say so."""
    monkeypatch.chdir(tmp_path)
    tree = {
        "name": "tiny",
        "set": {"time.duration_h": 0.2, "domain.size_um": [300, 120]},
        "grid": {"drug.free_nM": [0, 100]},
        "group": {
            "arm": [
                {"name": "tubes", "base": "tube_formation"},
                {"name": "wound", "base": "wound_healing", "set": {"setup.gap_um": 100}},
                {"name": "up", "base": "chemotaxis", "set": {"readout.every_min": 6}},
                {"name": "alive", "base": "viability", "responses": CULTURE},
            ]
        },
        "dose_response": {"dose": "drug.free_nM"},
    }
    Path("tiny.toml").write_text(plan_study(tree).text)
    done = angiosim("sweep", "tiny.toml", "--out", "out", "--workers", 1)
    assert done.exit_code == 0, done.stderr
    assert "anlotinib, network length, VEGF: window to harm of EA.hy 926 not known" in done.stdout
    table = pd.read_csv("out/panel.csv")
    assert table.readout.tolist() == ["tube_length_mm", "closure_percent", "drift_um_h", *CULTURE]
    assert table.ic50.isna().all() and table.note.str.contains("at least 4").all()
    results = pd.read_csv("out/results.csv")
    assert results.status.eq("done").all()
    assert results.viability_percent.notna().sum() == 2
    assert Path("out/panel.png").exists()
