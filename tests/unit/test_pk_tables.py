"""Drugs in bodies as a report has them: tables, several side by side, targets, pictures."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import InputError, ScenarioError
from sim.runs.pk import run_pk
from sim.scenario.resolve import load

SHORT = {"drug.regimen.cycles": 2}
SUNITINIB = {
    "drug.name": "sunitinib",
    "drug.potency": "company",
    "drug.regimen": {"dose_mg": 50, "on_days": 28, "off_days": 14},
}


def shown(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["pk", *args])
    assert result.exit_code == code, result.output
    return result.output if code else result.stdout


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.fixture
def regimens(tmp_path: Path) -> list[str]:
    """Files of two regimens of one drug, and of another drug."""
    head = 'extends = "human_12mg"\n[drug.regimen]\n'
    other = '[drug]\nname = "sunitinib"\npotency = "company"\n[drug.regimen]\ndose_mg = 50\n'
    for name, text in {
        "on_off": head + "cycles = 2\n",
        "daily": head + "cycles = 2\ndose_mg = 8\noff_days = 0\n",
        "sunitinib": f'extends = "human_12mg"\n{other}on_days = 28\noff_days = 14\ncycles = 1\n',
    }.items():
        (tmp_path / f"{name}.toml").write_text(text)
    return [str(tmp_path / f"{name}.toml") for name in ("on_off", "daily", "sunitinib")]


def figure_text(figure: Any) -> str:
    return " ".join(figure.get_supxlabel().split())


# --- tables ------------------------------------------------------------------------------------


def test_csv_has_every_number_of_the_json_with_its_unit() -> None:
    args = ["human_12mg", "--subjects", "9", "--set", "drug.regimen.cycles=2"]
    target = ["--at-least", "inhibition.VEGFR2.mean=0.4"]
    told = json.loads(shown(*args, *target, "--json"))
    rows = rows_of(shown(*args, *target, "--csv"))
    found = {(row["subject"], row["window"], row["readout"]): row for row in rows}
    assert len(found) == len(rows)
    for name, window in told["windows"].items():
        for key, value in window.items():
            if key.endswith(("_nM", "_ng_ml", "_nM_h", "_ng_h_ml")):
                row = found["typical", name, key]
                assert float(row["value"]) == value
                assert (row["first_day"], row["last_day"]) == (
                    str(window["first_day"]), str(window["last_day"])
                )  # fmt: skip
                ends = {"_nM": "nM", "_ng_ml": "ng/mL", "_nM_h": "nM h", "_ng_h_ml": "ng h/mL"}
                assert row["unit"] == next(u for end, u in ends.items() if key.endswith(end))
        for receptor, inhibited in window["inhibition"].items():
            for key, value in inhibited.items():
                row = found["typical", name, f"inhibition.{receptor}.{key}"]
                assert float(row["value"]) == value
                assert row["unit"] == ("h" if key == "above_ic50_h" else "")
    for name, spread in told["population"].items():
        if name != "half_life_h":
            for percentile, value in spread.items():
                assert float(found[percentile, "schedule", name]["value"]) == value
    (aim,) = told["targets"]
    assert float(found["share", "last cycle", aim["target"]]["value"]) == aim["share"]
    assert rows[0]["set"] == "drug.regimen.cycles = 2"
    assert rows[0]["scenario_hash"] == told["provenance"]["scenario_hash"]


def test_mass_and_moles_agree() -> None:
    """Anlotinib has 407.44 g/mol."""
    told = sim.pk("human_12mg", SHORT, subjects=5).to_dict()
    checked = 0
    for found in (*told["windows"].values(), *told["population"].values()):
        for name, value in found.items():
            mass = name.replace("_nM_h", "_ng_h_ml").replace("_nM", "_ng_ml")
            if mass != name:
                assert found[mass] == pytest.approx(value * 0.40744, rel=1e-9)
                checked += 1
    assert checked == 4 * 7
    population = told["population"]
    assert population["auc_ng_h_ml"]["p50"] == pytest.approx(
        population["auc_nM_h"]["p50"] * 0.40744, rel=1e-9
    )


def test_markdown_has_the_cells_of_the_printed_table() -> None:
    args = ["rat_oral", "--subjects", "5", "--at-most", "total_ng_ml.max=500"]
    printed, markdown = shown(*args), shown(*args, "--markdown")
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert {"|:--|--:|"} < set(lines) and len({len(cells(line)) for line in lines}) == 2
    for line in lines:
        if not line.startswith("|:"):
            pattern = r"\s{2,}".join(map(re.escape, cells(line)))
            assert re.search(rf"^{pattern}\s*$", printed, re.MULTILINE), line
    assert "hash " in markdown and "potency set lin2018" in markdown
    assert "spread of ka is not known; it does not vary" in markdown


def test_markdown_keeps_what_is_called_with_a_bar() -> None:
    one = sim.pk("rat_oral")
    text = sim.PKComparison({"a|b": one, "c": one}).markdown()
    (head, *_) = [line for line in text.splitlines() if line.startswith("|")]
    assert r"a\|b: first dose" in cells(head)


@pytest.mark.parametrize("flags", [["--json", "--csv"], ["--csv", "--markdown"]])
def test_one_format_at_a_time(flags: list[str]) -> None:
    assert "choose one of them" in shown("rat_oral", *flags, code=2)


def test_a_data_frame_has_the_rows_of_the_csv() -> None:
    course = sim.pk("rat_oral", subjects=4)
    frame, rows = course.table(), rows_of(course.csv())
    assert list(frame.columns) == list(rows[0])
    assert len(frame) == len(rows)
    assert frame["value"].iloc[0] == float(rows[0]["value"])


# --- side by side ------------------------------------------------------------------------------


def test_regimens_side_by_side_have_their_first_and_last_cycle(regimens: list[str]) -> None:
    text = shown(*regimens[:2], "--markdown")
    table = [cells(line) for line in text.splitlines() if line.startswith("|")]
    assert table[0][1:] == [
        "on_off: first cycle", "on_off: cycle 2", "daily: first cycle", "daily: cycle 2",
    ]  # fmt: skip
    rows = {row[0]: row[1:] for row in table}
    assert rows["days"] == ["1-21", "22-42", "1-14", "15-28"]
    assert "different assays" not in text
    alone = json.loads(shown(regimens[1], "--json"))
    told = json.loads(shown(*regimens[:2], "--json"))
    assert [one["label"] for one in told] == ["on_off", "daily"]
    assert told[1]["windows"] == alone["windows"]
    assert float(rows["mean, nM"][3]) == pytest.approx(
        alone["windows"]["cycle 2"]["mean_nM"], rel=1e-3
    )


def test_drugs_of_different_assays_are_never_side_by_side_in_silence(
    regimens: list[str], tmp_path: Path
) -> None:
    files = [regimens[0], regimens[2]]
    words = "anlotinib (lin2018), sunitinib (company) come from different assays"
    assert words in shown(*files)
    assert words in shown(*files, "--markdown")
    assert all(words in row["warning"] for row in rows_of(shown(*files, "--csv")))
    told = json.loads(shown(*files, "--json"))
    assert all(words in " ".join(one["provenance"]["warnings"]) for one in told)
    pair = sim.PKComparison([sim.pk(file) for file in files])
    assert words in figure_text(pair.plot())
    assert words not in figure_text(sim.PKComparison([sim.pk(files[0])]).plot())


def test_receptors_of_several_drugs_have_their_own_ic50(regimens: list[str]) -> None:
    text = shown(regimens[0], regimens[2], "--markdown")
    rows = {cells(line)[0]: cells(line)[1:] for line in text.splitlines() if line[0:1] == "|"}
    assert rows["VEGFR2 IC50, nM"] == ["5.6", "5.6", "9"]
    assert "VEGFR2 time above it" in rows


def test_spread_that_is_not_known_is_said_everywhere(regimens: list[str]) -> None:
    files = [regimens[0], regimens[2]]
    args = [*files, "--subjects", "10", "--at-least", "inhibition.VEGFR2.mean=0.3"]
    text = shown(*args, "--markdown")
    rows = {cells(line)[0]: cells(line)[1:] for line in text.splitlines() if line[0:1] == "|"}
    assert rows["population Cmax, nM"][1] == "not known"
    (aim,) = [row for name, row in rows.items() if name.startswith("mean inhibition")]
    assert aim[1].endswith(" %") and aim[3] == "not known"
    told = json.loads(shown(*args, "--json"))
    assert told[1]["targets"][0]["share"] is None and told[1]["population"] == {}
    rows_csv = [row for row in rows_of(shown(*args, "--csv")) if row["drug"] == "sunitinib"]
    assert {r["value"] for r in rows_csv if r["subject"] in ("p5", "p50", "p95", "share")} == {""}
    figure = sim.PKComparison([sim.pk(file, subjects=10) for file in files]).plot()
    assert figure_text(figure).count("spread between subjects not known") == 1


def test_equal_names_are_told_apart() -> None:
    one = sim.pk("human_12mg", SHORT)
    tripled = sim.pk("human_12mg", {**SHORT, "drug.kp_uu": 3})
    daily = sim.pk("human_12mg", {**SHORT, "drug.regimen.off_days": 0})
    assert list(sim.PKComparison([one, daily]).results) == [
        "human_12mg, 12 mg orally every 24 h, days 1-14 of 21, 2 cycles",
        "human_12mg, 12 mg orally every 24 h, 14 days, 2 cycles",
    ]
    labels = list(sim.PKComparison([one, tripled]).results)
    assert labels[0] != labels[1] and labels[1].endswith("drug.kp_uu = 3")
    assert list(sim.PKComparison([one, one]).results)[1].endswith("(2)")
    with pytest.raises(InputError, match="1 to 12 results"):
        sim.PKComparison([])


def test_copies_are_called_as_their_files(tmp_path: Path) -> None:
    copy = str(tmp_path / "mine.toml")
    assert CliRunner().invoke(app, ["scenarios", "rat_oral", "--copy-to", copy]).exit_code == 0
    told = json.loads(shown(copy, "rat_oral", "--json"))
    assert [one["label"] for one in told] == ["mine", "rat_oral"]


def test_a_second_drug_and_a_chosen_subject_are_named() -> None:
    partner = {"name": "sunitinib", "potency": "company", "free_nM": 5}
    course = sim.pk("human_12mg", {**SHORT, "partner": partner, "drug.subject": 3})
    assert "anlotinib with sunitinib, human" in course.markdown()
    assert set(course.table()["partner"]) == {"sunitinib"}
    assert {"3"} == set(course.table()["subject"])
    figure = course.plot()
    assert figure.get_suptitle().startswith("anlotinib with sunitinib")
    assert "chosen subject" in figure_text(figure) and "subject 3" in figure_text(figure)


# --- targets -----------------------------------------------------------------------------------


def test_the_share_is_that_of_subjects_one_by_one() -> None:
    n, targets = 24, [
        {"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.43},
        {"of": "free_nM", "statistic": "at_end", "at_least": 2.2},
        {"of": "total_ng_ml", "statistic": "max", "at_most": 38, "window": "schedule"},
        {"of": "free_nM", "statistic": "hours_above", "level": "ic50.VEGFR2", "at_least": 150},
        {"of": "total_ng_ml", "statistic": "auc", "at_least": 120, "window": "first day"},
    ]  # fmt: skip
    found = sim.pk("human_12mg", SHORT, subjects=n, targets=targets).targets
    values = []
    for number in range(1, n + 1):
        windows = run_pk(load("human_12mg", {**SHORT, "drug.subject": number})).windows
        first, last = windows["first cycle"], windows["cycle 2"]
        inhibited = last["inhibition"]["VEGFR2"]
        values.append([
            inhibited["mean"], last["last_free_nM"], max(first["cmax_ng_ml"], last["cmax_ng_ml"]),
            inhibited["above_ic50_h"], windows["first dose"]["auc_ng_h_ml"],
        ])  # fmt: skip
    each = np.array(values)
    typical = sim.pk("human_12mg", SHORT).windows["cycle 2"]
    assert found[0].value == pytest.approx(typical["inhibition"]["VEGFR2"]["mean"], abs=1e-4)
    for place, (target, one) in enumerate(zip(targets, found, strict=True)):
        met = each[:, place] >= target["at_least"] if "at_least" in target else (
            each[:, place] <= target["at_most"]
        )  # fmt: skip
        assert one.share == met.mean() and 0 < met.mean() < 1
        expected = np.percentile(each[:, place], (5, 50, 95))
        np.testing.assert_allclose(one.bands, expected, rtol=3e-3)


def test_subjects_in_blocks_are_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    target = [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.43}]
    settings = {**SHORT, "drug.ic50_cv.VEGFR2": 0.4, "drug.residence_h.VEGFR2": 9}
    whole = sim.pk("human_12mg", settings, subjects=11, targets=target).targets
    monkeypatch.setattr("sim.design.attainment.BLOCK", 4)
    pieces = sim.pk("human_12mg", settings, subjects=11, targets=target).targets
    assert pieces[0].share == whole[0].share
    np.testing.assert_allclose(pieces[0].bands, whole[0].bands, rtol=1e-7)


def test_targets_of_a_steady_state_and_of_listed_doses() -> None:
    mean = {"of": "total_ng_ml", "statistic": "mean", "at_least": 1}
    (steady,) = sim.pk("human_12mg", targets=[{**mean, "window": "steady"}]).targets
    forever = sim.pk("human_12mg", {"drug.regimen.cycles": "steady"}, targets=[mean])
    assert steady.value == pytest.approx(forever.targets[0].value, rel=1e-9)
    assert steady.value == pytest.approx(
        forever.windows["cycle in steady state"]["mean_ng_ml"], rel=1e-6
    )
    drug = {
        "name": "anlotinib", "exposure": "pk", "species": "human",
        "doses": [{"at_h": 10, "amount_mg": 12}, {"at_h": 34, "amount_mg": 12}],
    }  # fmt: skip
    listed = {"extends": "tube_formation", "drug": drug, "time": {"start_h": 12}}
    course = sim.pk(listed, targets=[mean, {**mean, "window": "day 2"}])
    whole = course.windows["whole"]
    assert course.targets[0].value == pytest.approx(whole["mean_ng_ml"], rel=1e-6)
    assert course.targets[0].window == "whole schedule"
    exact = np.trapezoid(
        np.interp(np.linspace(34, 58, 4001), course.time_h, course.total_nM * 0.40744), dx=24 / 4000
    )
    assert course.targets[1].value == pytest.approx(exact / 24, rel=1e-3)
    with pytest.raises(ScenarioError, match="have no cycles"):
        sim.pk(listed, targets=[{**mean, "window": "last cycle"}])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--at-least", "inhibition.VEGF2.mean=0.5"], "did you mean 'VEGFR2'"),
        (["--at-least", "inhibition.VEGFR2.median=0.5"], "statistic = 'median': must be one of"),
        (["--at-least", "inhibition.VEGFR2.mean=50"], "must be above 0 and below 1"),
        (["--at-least", "inhibition.VEGFR2.mean"], "must be OF.STATISTIC=VALUE"),
        (["--at-least", "free_nM=5.6"], "such as inhibition.VEGFR2.mean=0.5"),
        (["--at-most", "free_nM.hours_above=5"], "level: must be a number above 0"),
        (["--at-least", "free_nM.hours_above.ic50.VEGFR2=600"], "at most the length"),
        (["--at-least", "free_nM.min=1", "--window", "day 99"], "from 1 to 84"),
        (["--at-least", "free_nM.min=1", "--window", "last week"], "did you mean 'last cycle'"),
        (["--at-least", "tube_length_mm.at_end=3"], "free_nM, total_ng_ml or inhibition.RECEPTOR"),
        (["--window", "steady"], "--at-least and --at-most"),
    ],
)
def test_wrong_targets_are_named(args: list[str], words: str) -> None:
    output = shown("human_12mg", *args, code=2)
    assert words in output and "Traceback" not in output


def test_a_share_is_not_asked_but_computed() -> None:
    target = {"of": "free_nM", "statistic": "min", "at_least": 1, "share": 0.9}
    with pytest.raises(ScenarioError, match="what is computed"):
        sim.pk("human_12mg", targets=[target])
    with pytest.raises(InputError, match="list of tables"):
        sim.pk("human_12mg", targets={"of": "free_nM"})  # type: ignore[arg-type]


# --- pictures ----------------------------------------------------------------------------------


def test_days_of_the_picture_are_those_of_the_calendar() -> None:
    """Day 1 begins with the first dose, whenever that is; the first day off is day 15."""
    course = sim.pk("human_12mg", {**SHORT, "drug.regimen.first_h": 100, "time.start_h": 100})
    upper, lower = course.plot().axes
    assert lower.get_xlim() == pytest.approx((1, 43))
    assert list(lower.get_xticks()) == [1, 8, 15, 22, 29, 36]
    assert "day of treatment" in lower.get_xlabel()
    (dosed,) = [line for line in upper.get_lines() if line.get_label() == "dose"]
    days = [*range(1, 15), *range(22, 36)]
    np.testing.assert_allclose(np.asarray(dosed.get_xdata(), dtype=float), days)
    shades = sorted(patch.get_x() for patch in upper.patches)  # type: ignore[attr-defined]
    assert shades == pytest.approx([15, 36])


def test_a_short_course_is_drawn_in_hours() -> None:
    *_, lower = sim.pk("rat_oral").plot().axes
    assert lower.get_xlabel() == "time after the first dose (h)"
    assert lower.get_xlim() == pytest.approx((0, 24))


@pytest.mark.parametrize(
    ("settings", "spans", "titles"),
    [
        ({"cycles": 12}, [(1, 22), (232, 253)], ["cycle 1", "cycle 12"]),
        (
            {"cycles": 90, "on_days": 1, "off_days": 0},
            [(1, 8), (83, 91)],
            ["first week", "last week"],
        ),
        ({"cycles": 4}, [(1, 85)], [""]),
    ],
)
def test_of_many_cycles_the_first_and_the_last_are_drawn(
    settings: dict[str, Any], spans: list[tuple[int, int]], titles: list[str]
) -> None:
    course = sim.pk("human_12mg", {f"drug.regimen.{key}": v for key, v in settings.items()})
    axes = course.plot().axes
    uppers = axes[: len(axes) // 2]
    assert [ax.get_title(loc="left") for ax in uppers] == titles
    for ax, span in zip(uppers, spans, strict=True):
        assert ax.get_xlim() == pytest.approx(span)
        for line in ax.get_lines():  # nothing of what is left out is in a piece
            x = np.asarray(line.get_xdata(), dtype=float)
            if str(line.get_label())[:4] != "IC50":
                assert x.min() >= span[0] and x.max() <= span[1]


def test_inhibition_has_the_bands_of_the_population() -> None:
    course = sim.pk("human_12mg", SHORT, subjects=20)
    assert course.inhibition_bands is not None
    _, lower = course.plot().axes
    outlines = [band.get_paths()[0].vertices for band in lower.collections]
    assert len(outlines) == 3
    for outline, band in zip(outlines, course.inhibition_bands.values(), strict=True):
        assert outline[:, 1].max() == pytest.approx(band[2].max())


def test_one_legend_names_every_colour(regimens: list[str]) -> None:
    found = sim.PKComparison([sim.pk(file) for file in regimens])
    for figure in (found.plot(), sim.pk("rat_oral").plot()):
        (legend,) = figure.subfigs[0].legends
        words = [text.get_text() for text in legend.get_texts()]
        assert words == [
            "total in plasma", "unbound at the cells", "dose", "VEGFR2", "PDGFRB", "FGFR1",
        ]  # fmt: skip


def test_the_note_says_what_was_set_and_what_holds() -> None:
    target = [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.3}]
    course = sim.pk("human_12mg", {**SHORT, "drug.kp_uu": 2}, subjects=10, targets=target)
    note = figure_text(course.plot())
    assert "set: drug.regimen.cycles = 2, drug.kp_uu = 2" in note
    assert "last cycle >= 0.3: share of subjects 100.0 %" in note
    assert "band: 5th to 95th percentile of 10 subjects" in note


def test_results_side_by_side_share_their_scales(regimens: list[str]) -> None:
    found = sim.PKComparison([sim.pk(file) for file in regimens])
    figure = found.plot()
    figure.draw_without_rendering()
    uppers, lowers = figure.axes[:3], figure.axes[3:]
    assert len({ax.get_ylim() for ax in uppers}) == len({ax.get_ylim() for ax in lowers}) == 1
    assert [ax.get_title(loc="left").split(":")[0] for ax in uppers] == list(found.results)
    for ax, one in zip(uppers, found.results.values(), strict=True):
        (child,) = ax.child_axes  # the same in ng/mL
        low, high = ax.get_ylim()
        factor = one.molar_mass / 1e3
        assert child.get_ylim() == pytest.approx((low * factor, high * factor))
