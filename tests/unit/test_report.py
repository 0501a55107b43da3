"""Reports: one page each, complete, true to the scenario, and harmless wherever it is opened."""

from __future__ import annotations

import html
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import fake_runs
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from tiny_runs import FIT, STUDY, files_of

import sim
from sim.analysis.write import write_analysis
from sim.assays import assays
from sim.calibration.calibrate import calibrate
from sim.calibration.file import plan_calibration
from sim.errors import FileError, InputError
from sim.runs.into import run_into
from sim.scenario.resolve import load
from sim.scenario.shipped import shipped
from sim.scenario.writing import as_tree
from sim.studies.file import plan_study
from sim.studies.sweep import SweepOptions, sweep
from sim.view.report import report as reporting
from sim.view.report.limits import limits_of
from sim.view.report.parameters import FREE, differing, of_drugs, parameters_of
from sim.view.report.part import Picture
from sim.view.report.words import experiment, given

pytest.importorskip("jinja2", reason="reports are an extra")
Call = Callable[..., Any]

ROOT = Path(__file__).parents[2]
NAME = "A & B's {{ 7 + 7 }}"
DESCRIPTION = '<script>alert(1)</script> <b>bold</b> "quoted" & {% raw %}'
SETTINGS = {
    "name": NAME,
    "description": DESCRIPTION,
    "domain.size_um": [200, 160],
    "cells.count": 12,
    "time.duration_h": 0.1,
    "time.record_every_h": 0.05,
    "drug.free_nM": 5.6,
}


class Page(HTMLParser):
    """What is on a page: its elements with their attributes, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "wbr":  # a word may be broken there
            self.text = self.text[:-1]

    def handle_data(self, data: str) -> None:
        self.text += data + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of a few steps, to read."""
    folder = tmp_path_factory.mktemp("report") / "run"
    run_into(folder, load("tube_formation", SETTINGS), pictures=False)
    return folder


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    """The report of that run."""
    return Page(sim.report(run, out=run.parent / "page.html"))


def png(width: int, height: int, noise: bool = False, **marks: str) -> bytes:
    """A picture of one colour, or of nothing but noise."""
    pixels = np.full((height, width, 3), 200, np.uint8)
    if noise:
        pixels = np.random.default_rng(1).integers(0, 256, pixels.shape, np.uint8)
    file, info = io.BytesIO(), PngInfo()
    for name, text in marks.items():
        info.add_text(name, text)
    Image.fromarray(pixels).save(file, "PNG", pnginfo=info)
    return file.getvalue()


@pytest.fixture
def unpictured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have one small picture each, which takes no time."""
    picture = Picture("network", "a network", "a network. Axes: none", png(1, 1))
    monkeypatch.setattr(reporting, "pictures_of", lambda *_: ([picture], []))


def test_a_report_needs_nothing_else(page: Page) -> None:
    policy = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in page.found}
    for tag, attributes in page.found:
        assert not [key for key in attributes if key.startswith("on")], tag
        for key in ("src", "href"):
            if key in attributes:
                assert str(attributes[key]).startswith(("data:image/png;base64,", "#"))


def test_names_are_texts_whatever_is_in_them(page: Page) -> None:
    assert NAME in page.text and DESCRIPTION in page.text
    assert not page.all("b") and not page.all("script")
    names = [one["aria-label"] for one in page.all("nav")]
    assert names == ["Contents"]


def test_a_report_can_be_read_aloud(page: Page) -> None:
    pictures = page.all("img")
    assert len(pictures) == 3
    assert all(len(str(one["alt"])) > 40 for one in pictures)
    over_time = next(str(one["alt"]) for one in pictures if "over time" in str(one["alt"]))
    assert "length (mm)" in over_time and "time (h)" in over_time and "seed 1" in over_time
    assert len(page.all("table")) == len(page.all("caption"))
    assert all("scope" in one for one in page.all("th"))
    assert [one["lang"] for one in page.all("html")] == ["en"]
    ids = {str(one["id"]) for _, one in page.found if "id" in one}
    assert {str(one["href"])[1:] for one in page.all("a")} <= ids


def test_a_report_says_what_was_done_and_what_came_out(page: Page, run: Path) -> None:
    result = sim.Result.open(run)
    manifest = result.manifest
    for words in (
        "12 endothelial cells are placed at random", "The medium contains VEGF 50 ng/mL",
        "PDGF-BB and FGF-2 are not added", "The drug is anlotinib, 5.6 nM unbound throughout",
        "VEGFR2 5.6 nM, PDGFRB 8.7 nM and FGFR1 11.7 nM", "12 Monte Carlo steps of 30 s",
        f"{result.summary['tube_length_mm']:.4g} mm",
        "all links of the pruned skeleton of the network",
        "drug.free_nM 5.6 nM 0", manifest["scenario_hash"], manifest["libraries"]["numba"],
        "angiosim run scenario.toml", f"pip install angiosim=={sim.__version__}",
        "Potency is an input", *assays()["tube_formation"].limits,
    ):  # fmt: skip
        assert words in page.text, words


def test_what_a_report_shows_runs_again_to_the_same(page: Page, run: Path, tmp_path: Path) -> None:
    text = (run.parent / "page.html").read_text()
    written = re.search(r"<pre>(format = 1.*?)</pre>", text, re.DOTALL)
    assert written is not None
    (tmp_path / "scenario.toml").write_text(html.unescape(written[1]))
    assert load(tmp_path / "scenario.toml") == sim.Result.open(run).scenario


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_scenario_is_said_in_sentences(name: str) -> None:
    scenario = load(name)
    words = experiment(scenario)
    assert len(words) >= 3 and given(scenario)
    for paragraph in words:
        assert paragraph[0].isupper() and paragraph.endswith(".")
        assert not re.search(r"None|  |\.\.|_h\b|\bnan\b|[{}\[]", paragraph), paragraph
    drug = scenario.drug
    if drug is not None and drug.exposure == "constant":
        assert f"{drug.free_nM:g} nM unbound" in " ".join(words) or not drug.free_nM


def flat(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from flat(item, (*path, key))
    else:
        yield path


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_parameter_is_in_the_report_once(name: str) -> None:
    scenario = load(name)
    found = parameters_of(scenario)
    here = {".".join(path) for path in flat(as_tree(scenario)) if path[0] not in FREE}
    shown = [one.key for one in found if one.value != "not set"]
    assert set(shown) == here and len(shown) == len(here)
    assert all(one.meaning for one in found)
    for one in found:  # what is not default was given, and the rest is not said to be
        assert (one.source == "given in the scenario") == bool(one.default)


def test_what_is_not_default_is_what_was_given() -> None:
    rows = differing(parameters_of(load({"assay": "tube_formation"}))).rows
    assert rows == []
    changed = {"engine.temperature": 60.0, "domain.size_um": [400.0, 400.0],
               "domain.boundary": "periodic"}  # fmt: skip
    rows = differing(parameters_of(load({"assay": "tube_formation"}, changed))).rows
    assert {row[0]: (row[1], row[3]) for row in rows} == {
        "engine.temperature": ("60", "50"),
        "domain.size_um": ("[400, 400]", "[800, 800]"),
        "domain.boundary": ("periodic", "walls"),  # that of the fields follows
    }


def test_numbers_of_a_drug_have_their_sources() -> None:
    potency, kinetics = of_drugs(load("human_12mg"))
    by_name = {row[0]: row for row in potency.rows}
    assert by_name["VEGFR2"][1:4] == [5.6, 1.2, 1.0]
    assert "Lin et al. 2018" in by_name["VEGFR2"][4]
    assert any(row[0] == "CL" and row[2] == "L/h" and row[4] for row in kinetics.rows)
    own, _ = of_drugs(load("human_12mg", {"drug.ic50_nM.VEGFR2": 3.0}))
    row = next(row for row in own.rows if row[0] == "VEGFR2")
    assert row[1] == 3.0 and row[4] == "given in the scenario"


@pytest.mark.parametrize("assay", sorted(assays()))
def test_limits_of_an_assay_are_those_of_its_page(assay: str) -> None:
    text = (ROOT / "docs" / f"{assay.replace('_', '-')}.md").read_text()
    written = " ".join(re.sub(r"\*+(?=\S)|(?<=\S)\*+", "", text).split())
    assert assays()[assay].limits
    for sentence in assays()[assay].limits:
        assert sentence.rstrip(".") in written, sentence
        assert sentence in limits_of(load({"assay": assay}))


def test_existing_files_are_never_overwritten(
    run: Path, tmp_path: Path, angiosim: Call, unpictured: None
) -> None:
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    before = files_of(folder)
    first, second = angiosim("report", folder), angiosim("report", folder, "--json")
    assert (first.exit_code, first.stdout) == (0, f"{folder / 'report.html'}\n")
    assert json.loads(second.stdout) == {
        "report": str(folder / "report-2.html"),
        "of": [{"folder": str(folder), "kind": "run of tube formation", "name": NAME}],
        "missing": [],
    }
    assert {n: b for n, b in files_of(folder).items() if not n.startswith("report")} == before
    page = folder / "report.html"
    content = page.read_bytes()
    for out in (page, folder):
        refused = angiosim("report", folder, "--out", out)
        assert refused.exit_code == 2 and "never overwritten" in refused.stderr
    assert page.read_bytes() == content
    assert angiosim("report", folder, "--out", tmp_path / "x.pdf").exit_code == 2
    quiet = angiosim("report", folder, "--quiet", "--out", tmp_path / "new" / "page.html")
    assert (quiet.exit_code, quiet.output) == (0, "")
    assert (tmp_path / "new" / "page.html").is_file()
    again = angiosim("run", folder / "scenario.toml", "--out", folder, "--resume", "--quiet")
    assert again.exit_code == 0


def test_the_same_result_gives_the_same_page(run: Path, tmp_path: Path, unpictured: None) -> None:
    one, other = (sim.report(run, out=tmp_path / name) for name in ("a.html", "b.html"))
    assert one.read_bytes() == other.read_bytes()


def test_what_is_no_result_is_refused(
    tmp_path: Path, angiosim: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = angiosim("report", empty)
    assert refused.exit_code == 2 and "contains no run, study" in refused.stderr
    with pytest.raises(InputError, match="is no result"):
        sim.report({"a": 1})
    with pytest.raises(InputError, match="at least one"):
        sim.report()
    monkeypatch.setattr(reporting, "find_spec", lambda name: None)
    refused = angiosim("report", empty)
    assert refused.exit_code == 2 and "pip install 'angiosim[report]'" in refused.stderr
    assert not list(empty.iterdir())


def test_a_picture_that_cannot_be_drawn_is_said(
    run: Path, tmp_path: Path, angiosim: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("no room")

    for place in ("draw_end", "draw_fields"):
        monkeypatch.setattr(f"sim.view.run.pictures.{place}", broken)
    done = angiosim("report", run, "--out", tmp_path / "page.html")
    assert done.exit_code == 3
    page = Page(tmp_path / "page.html")
    said = "network.png could not be drawn: ValueError: no room"
    assert said in done.stderr and said in page.text and len(page.all("img")) == 1


def lengths(base: dict[str, Any], task: Any) -> dict[str, float]:
    dose = task.settings["drug.free_nM"]
    return {"tube_length_mm": 5 + 9 / (1 + dose) + task.seed % 97 / 500}


def test_a_study_is_reported(tmp_path: Path, unpictured: None) -> None:
    plan = plan_study({**STUDY, "name": "doses < & >"})
    study = sweep(plan, fake_runs.Here(plan, lengths), tmp_path / "study", SweepOptions(),
                  analyse=write_analysis)  # fmt: skip
    page = Page(sim.report(tmp_path / "study"))
    fit = study.dose_response().fits
    for words in (
        "doses < & >", "Runs differ in the drug", "Dose-response of network length over anlotinib",
        next(iter(fit.values())).words(), "angiosim sweep study.toml",
        "Limits cover chance between replicates only",
    ):  # fmt: skip
        assert words in page.text, words
    assert (
        sim.report(study, out=tmp_path / "again.html").read_text()
        == (tmp_path / "study" / "report.html").read_text()
    )


def test_a_study_without_analysis_has_the_means_of_its_arms(
    tmp_path: Path, unpictured: None
) -> None:
    plan = plan_study({**STUDY, "dose_response": {}})
    found = sweep(plan, fake_runs.Here(plan, lengths), tmp_path / "study", SweepOptions(),
                  analyse=write_analysis)  # fmt: skip
    page = Page(sim.report(tmp_path / "study"))
    arms = found.results.groupby("drug.free_nM")["tube_length_mm"]
    means = [f"{mean:.4g} ± {sd:.2g}" for mean, sd in zip(arms.mean(), arms.std(), strict=True)]
    across = [f"drug.free_nM = {dose:g}" for dose, _ in arms]
    for words in means if len(means) > 6 else [" ".join(["network length (mm)", *means])]:
        assert words in page.text
    assert all(name in page.text for name in across)


def test_a_study_that_is_not_complete_says_so(tmp_path: Path, unpictured: None) -> None:
    plan = plan_study(STUDY)
    with pytest.raises(KeyboardInterrupt):
        sweep(plan, fake_runs.Here(plan, lengths, stop_after=2), tmp_path / "study",
              SweepOptions(), analyse=write_analysis)  # fmt: skip
    page = Page(sim.report(tmp_path / "study"))
    assert "are to be done; nothing is analysed" in page.text


def fitted(base: dict[str, Any], task: Any) -> dict[str, float]:
    length = 1.0 + (task.settings["engine.contact_energy.cell_cell"] - 8) / 10
    return {"tube_length_mm": length, "tube_length_mm@0": length}


def test_a_calibration_is_reported(tmp_path: Path, unpictured: None) -> None:
    pytest.importorskip("optuna", reason="calibration is an extra")
    plan = plan_calibration(FIT)
    result = calibrate(plan, fake_runs.Here(plan, fitted), tmp_path / "fit")  # type: ignore[arg-type]
    page = Page(sim.report(tmp_path / "fit"))
    for key, value in result.values.items():
        assert f"{key} {value}" in page.text
    for words in ("calibrated: these values were fitted"[12:], "A good fit proves little",
                  "angiosim calibrate calibration.toml"):  # fmt: skip
        assert words in page.text


def test_a_drug_in_a_body_and_a_design_are_reported(tmp_path: Path, unpictured: None) -> None:
    found = sim.pk("human_12mg", subjects=20)
    page = Page(sim.report(found, out=tmp_path / "pk.html"))
    for words in (
        "12 mg orally every 24 h, days 1-14 of 21, 4 cycles", "Virtual population",
        "Published exposures disagree", "without any tissue", "free Cmax, nM",
    ):  # fmt: skip
        assert words in page.text, words
    assert "angiosim pk scenario.toml --subjects 20" in page.text
    design = sim.design({
        "base": "human_12mg", "subjects": 20,
        "target": [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.4}],
        "vary": {"drug.regimen.dose_mg": {"low": 1, "high": 60}},
        "schedule": [{"name": "2 on, 1 off", "set": {"drug.regimen.off_days": 7}}],
    }, out=tmp_path / "design")  # fmt: skip
    page = Page(sim.report(tmp_path / "design"))
    assert f"{design.found[0].dose:.4g}" in page.text and "2 on, 1 off" in page.text


def test_results_side_by_side(
    run: Path, tmp_path: Path, workplace: Path, angiosim: Call, unpictured: None
) -> None:
    other = tmp_path / "other"
    run_into(other, load("tube_formation", {**SETTINGS, "drug.free_nM": 50.0, "seed": 12345}),
             pictures=False)  # fmt: skip
    done = angiosim("report", run, other)
    assert (done.exit_code, done.stdout.strip()) == (0, "report.html")
    page = Page(workplace / "report.html")
    one, two = (sim.Result.open(folder).summary["tube_length_mm"] for folder in (run, other))
    assert f"network length mm {one:.4g} {two:.4g}" in page.text
    assert "drug.free_nM nM 5.6 50" in page.text
    assert f"{NAME}, seed 1" in page.text and f"{NAME}, seed 12345" in page.text
    assert "12,345" not in page.text  # a seed is no quantity
    assert len(page.all("img")) == 2  # each once


def test_results_of_own_tables_are_reported(tmp_path: Path, angiosim: Call) -> None:
    table = tmp_path / "table.csv"
    doses = [0, 1, 3, 10, 30, 100] * 2
    lines = [f"{dose},{9 / (1 + dose / 8) + 1 + n % 3 / 20}" for n, dose in enumerate(doses)]
    table.write_text("\n".join(["dose_nM,length_mm", *lines]) + "\n")
    found = sim.fit(table, "dose_nM", "length_mm")
    (tmp_path / "<fit>").mkdir()
    found.write(tmp_path / "<fit>")
    assert angiosim("report", tmp_path / "<fit>").exit_code == 0
    page = Page(tmp_path / "<fit>" / "report.html")
    row = found.rows()[0]
    assert f"{row['ic50']:.3g} ({row['ic50_low']:.3g} to {row['ic50_high']:.3g})" in page.text
    assert "<fit>" in page.text and "Limits cover the scatter of the values given" in page.text
    assert len(page.all("img")) == 1
    ids = {str(one["id"]) for _, one in page.found if "id" in one}
    assert {str(one["href"])[1:] for one in page.all("a")} <= ids
    drawn = angiosim("draw", tmp_path / "<fit>")
    assert drawn.exit_code == 2 and "in the folder" in drawn.stderr


@pytest.mark.parametrize(
    "text",
    ['{"plates": []}', '{"plates": {"a": 3}}', '{"plates": {"a": {"readouts": {"x": 3}}}}',
     '{"notes": 3}', '{"units": {"dose": 3}}'],
)  # fmt: skip
def test_a_folder_that_no_command_wrote_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "plate.json").write_text(text)
    (tmp_path / "plate.csv").write_text("well,dose\nA1,1\n")
    with pytest.raises(FileError, match="is not as `angiosim plate MAP` writes it"):
        sim.report(tmp_path)
    assert files_of(tmp_path).keys() == {"plate.json", "plate.csv"}


def test_columns_of_a_user_may_be_called_as_limits_are(tmp_path: Path) -> None:
    (tmp_path / "plate.json").write_text("{}")
    (tmp_path / "plate.csv").write_text("well,grade,grade_low,grade_high\nA1,good,bad,2\n")
    assert "A1 good (bad to 2)" in Page(sim.report(tmp_path)).text


def test_pictures_are_as_large_as_they_are_shown() -> None:
    large = Picture("a", "", "", png(1600, 800, Seed="7"))
    small = large.at_most(675)
    with Image.open(io.BytesIO(small.content)) as image:
        assert image.size == (675, 338) and image.text == {"Seed": "7"}  # type: ignore[attr-defined]
    assert small.at_most(675) is small and small.source.startswith("data:image/png;base64,")
    noise = Picture("a", "", "", png(400, 200, noise=True))
    photo = noise.at_most(675)
    with Image.open(io.BytesIO(photo.content)) as image:
        assert image.size == (400, 200)
    assert photo.source.startswith("data:image/jpeg;base64,")
    assert len(photo.content) < 0.5 * len(noise.content)


def test_pictures_beside_each_other_are_smaller() -> None:
    wide = [Picture("a", "", "", png(1350, 100))]
    for parts, pixels in ((1, 1350), (2, 675), (9, 675)):
        (shown,), lost = reporting._fitting(wide, parts)
        with Image.open(io.BytesIO(shown.content)) as image:
            assert image.width == pixels and not lost
    (kept,), (lost,) = reporting._fitting([*wide, Picture("broken", "", "", b"no picture")], 1)
    assert kept is wide[0] and lost.startswith("broken.png cannot be read as a picture")


def test_a_plate_is_reported(tmp_path: Path) -> None:
    wells = {
        "well": ["A1", "A2", "B1", "B2", "C1", "C2"],
        "control": ["positive", "positive", "", "", "negative", "negative"],
        "dose_nM": [0, 0, 10, 10, 0, 0],
        "tube_length_mm": [14.1, 13.6, 8.9, 9.2, 5.8, 5.6],
    }
    plate = sim.plate(wells)
    plate.write(tmp_path)
    page = Page(sim.report(tmp_path))
    assert f"{plate.quality['', 'tube_length_mm'].z_prime:.4g}" in page.text
    assert "Quality of the plate" in page.text and "B2 10" in page.text
    assert len(page.all("img")) == 1


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_page_opens_from_disk_without_a_word_or_a_request(run: Path, page: Page) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    wrong: list[str] = []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND"],
        )
        shown = browser.new_page(viewport={"width": 700, "height": 900})
        shown.on("console", lambda message: wrong.append(message.text))
        shown.on("pageerror", lambda error: wrong.append(str(error)))
        shown.on("dialog", lambda dialog: wrong.append(dialog.message))
        shown.on("request", lambda request: wrong.append(request.url))
        path = (run.parent / "page.html").as_uri()
        shown.goto(path)
        assert shown.title().startswith(NAME)
        wide = "[...document.images].map(i => i.complete ? i.naturalWidth : 0)"
        assert min(shown.evaluate(wide)) > 500
        assert shown.evaluate("document.documentElement.scrollWidth") <= 700
        assert shown.locator("h2, h3").count() >= 7
        browser.close()
    asked = [one for one in wrong if one != path and not one.startswith("data:")]
    assert asked == []


@pytest.mark.slow
def test_a_report_of_12_hours_is_small_and_quick(tmp_path: Path) -> None:
    run_into(tmp_path / "run", load("tube_formation", {"time.duration_h": 12.0}), pictures=False)
    sim.report(tmp_path / "run")  # imports, and kernels
    began = sum(os.times()[:4])  # of the processor, with that of the process that helps to draw
    path = sim.report(tmp_path / "run")
    assert sum(os.times()[:4]) - began < 5
    assert path.stat().st_size < 3e6
