"""What holds for every assay, and an assay that others have installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from sim.assays import assay, assays, columns, default_assay, readout, responses
from sim.assays.declare import Assay, Readout, called
from sim.calibration.file import plan_calibration
from sim.errors import InputError
from sim.kernels.draws import SEEDING, uniforms
from sim.model import model_of
from sim.model.assay import tissue_of
from sim.model.bed import VesselBedModel
from sim.model.clock import AngiogenesisModel
from sim.runs.folder import FIELDS_PICTURE, TIMESERIES_PICTURE, RunFolder
from sim.scenario.resolve import load
from sim.scenario.schema import Scenario
from sim.scenario.writing import dump
from sim.studies.file import plan_study
from sim.view import style

ROOT = Path(__file__).parents[2]
EVERY = pytest.mark.parametrize("one", assays().values(), ids=assays())
CELLS = {name: one for name, one in assays().items() if one.model == "lattice"}
OF_CELLS = pytest.mark.parametrize("one", CELLS.values(), ids=CELLS)
SMALL: dict[str, dict[str, Any]] = {
    "lattice": {"domain": {"size_um": [600, 200]}, "time": {"duration_h": 0.1}},
    "bed": {
        "domain": {"size_um": [800, 800]},
        "setup": {"radius_um": 120, "gap_um": 150, "drug_start_day": 0},
        "time": {"duration_h": 24},
    },
}
"""Few sites or voxels and a short time, by class of model."""
KEY = {"lattice": ("engine.temperature", [40, 60]), "bed": ("bed.k_reg_per_h", [0.02, 0.08])}
"""A number to fit, and its range."""


def scenario_of(one: Assay, **settings: Any) -> Scenario:
    """The assay's defaults, which name the assay alone, on few sites and for a short time."""
    return load({"assay": one.name, **SMALL[one.model]}, settings)


# --- the contract --------------------------------------------------------------------------------


@EVERY
def test_its_defaults_make_a_scenario_that_says_all(one: Assay) -> None:
    scenario = load({"assay": one.name})
    assert isinstance(scenario.setup, one.setup) and isinstance(scenario.readout, one.readout)
    assert load(tomllib.loads(dump(scenario))) == scenario


@EVERY
def test_its_code_and_its_words_are_there(one: Assay) -> None:
    for place in (one.start, one.measure, one.picture, one.memory, one.checks, one.cautions):
        assert place is None or called(place) is not None
    names = [each.name for each in one.readouts]
    assert len({*names}) == len(names) and one.response in names
    assert {name for _, panel in one.panels for name in panel} <= {*names}
    for each in one.readouts:
        assert each.words and each.doc and each.name not in each.label.replace(each.words, "")
    assert re.fullmatch(r"[a-z_]+\.png", one.picture_file)
    assert one.picture_file not in (FIELDS_PICTURE, TIMESERIES_PICTURE)
    assert one.title and (Path(one.defaults)).is_file()


@OF_CELLS
def test_no_site_is_filled_twice(one: Assay) -> None:
    scenario = scenario_of(one)
    for seed in range(3):
        sites, types = called(one.start)(scenario, partial(uniforms, seed, SEEDING, 0, 0))
        assert sites.shape == scenario.shape and sites.dtype == np.int32
        assert set(np.unique(sites[sites > 0])) == {*range(1, len(types) + 1)}
        assert set(types) <= {*range(1, 2 + len(scenario.types))}


@EVERY
def test_it_measures_exactly_its_readouts(one: Assay) -> None:
    model = model_of(scenario_of(one))
    if isinstance(model, VesselBedModel):
        found = called(one.measure)(model.bed, {}, model.scenario)
    else:
        assert isinstance(model, AngiogenesisModel)
        found = called(one.measure)(tissue_of(model), model.assay.memory, model.scenario)
    assert list(found) == [each.name for each in one.readouts]
    assert model.readouts.keys() == columns(one.name).keys()
    assert {type(value) for value in found.values()} <= {int, float}
    drive = {"mean_drive"} if one in CELLS.values() else set()
    assert {*responses(one.name)} == {*found, "cells"} | drive


@OF_CELLS
def test_it_copes_with_no_cells(one: Assay) -> None:
    model = AngiogenesisModel(scenario_of(one))
    model.remove_all_agents()
    model.step()
    assert np.isfinite([value for value in model.measure().values()]).all()


@OF_CELLS
def test_what_it_sees_cannot_be_written(one: Assay) -> None:
    tissue = tissue_of(AngiogenesisModel(scenario_of(one)))
    for array in (tissue.lattice, *tissue.cells.values(), *tissue.fields.values()):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@EVERY
@pytest.mark.parametrize("cut", [1, 7])
def test_a_run_split_anywhere_agrees(one: Assay, cut: int) -> None:
    scenario = scenario_of(one)
    whole, first, second = (model_of(scenario, rng=seed) for seed in (3, 3, 4))
    whole.advance(12)
    first.advance(cut)
    second.restore(first.state())
    second.advance(12 - cut)
    wanted, found = whole.state(), second.state()
    assert wanted.keys() == found.keys()
    for name, array in wanted.items():
        assert array.tobytes() == found[name].tobytes(), name
    pd.testing.assert_series_equal(pd.Series(second.measure()), pd.Series(whole.measure()))


@EVERY
def test_no_bit_depends_on_the_number_of_threads(
    one: Assay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.kernels.threads.LEAST_SITES", 0)  # also on a domain as small as this
    monkeypatch.setattr("sim.kernels.threads.LEAST_WORK", 0)
    monkeypatch.setattr("sim.kernels.threads.processors", lambda: 4)
    alone, many = (model_of(scenario_of(one), rng=3, threads=n) for n in (1, 3))
    for model in (alone, many):
        model.advance(12)
    for name, array in alone.state().items():
        assert array.tobytes() == many.state()[name].tobytes(), name


@EVERY
def test_its_response_is_calibrated_and_its_sensitivity_found(one: Assay) -> None:
    base = {"name": "mine", "base": {"assay": one.name}}
    key, low_high = KEY[one.model]
    row = {one.response: 1.0, f"{one.response}_sd": 0.5}
    fitted = plan_calibration(
        base | {"parameters": {key: low_high}, "data": {"rows": [row]}, "trials": 3}
    )
    assert [target.readout for target in fitted.targets] == [one.response]
    sampled = {"sample": {"method": "morris", "n": 2, "ranges": {key: low_high}}}
    study = plan_study(base | sampled | {"sensitivity": {}})
    assert study.sensitivity == [one.response]


@OF_CELLS
def test_recording_changes_nothing_that_it_remembers(one: Assay) -> None:
    often, seldom = (
        AngiogenesisModel(scenario_of(one, **{"time.record_every_h": every}))
        for every in ("30 s", 0.1)
    )
    often.advance(12)
    seldom.advance(12)
    for name, array in often.assay.state().items():
        assert array.tobytes() == seldom.assay.state()[name].tobytes()
    assert often.measure() == seldom.measure()


@dataclass
class Paper:
    """A canvas that notes what is drawn."""

    drawn: list[str] = field(default_factory=list)

    def lines(self, places: NDArray[np.float64], links: NDArray[Any], kind: str) -> None:
        assert links.size == 0 or links.max() < len(places)
        self.drawn.append(kind)

    def dots(self, places: NDArray[np.float64], kind: str) -> None:
        assert places.shape[1] == 2
        self.drawn.append(kind)

    def stain(self, rows: NDArray[np.bool_], kind: str) -> None:
        assert rows.ndim == 1 and rows.dtype == bool
        self.drawn.append(kind)

    def outline(self, mask: NDArray[np.bool_], kind: str) -> None:
        assert mask.ndim == 2
        self.drawn.append(kind)

    def shade(self, values: NDArray[np.float64], kind: str) -> None:
        assert values.ndim == 2 and kind in style.SHADES
        self.drawn.append(kind)

    def patch(self, mask: NDArray[np.bool_], kind: str) -> None:
        assert mask.ndim == 2 and kind in style.PATCHES
        self.drawn.append(kind)


class VesselPaper(Paper):
    """The same for vessels, whose lines may have values."""

    def words(self, place: NDArray[np.float64], text: str) -> None:
        assert place.shape == (2,) and text
        self.drawn.append(text)

    def lines(  # type: ignore[override]
        self, places: NDArray[np.float64], links: NDArray[Any], kind: str, values: Any = None
    ) -> None:
        assert kind in style.VESSELS and (values is None or len(values) == len(links))
        super().lines(places, links, kind)


@EVERY
def test_its_picture_draws(one: Assay) -> None:
    model = model_of(scenario_of(one))
    paper = Paper() if one in CELLS.values() else VesselPaper()
    if isinstance(model, VesselBedModel):
        called(one.picture)(paper, model.bed, {}, model.scenario)
    else:
        assert isinstance(model, AngiogenesisModel)
        called(one.picture)(paper, tissue_of(model), model.assay.memory, model.scenario)
    assert paper.drawn


@EVERY
def test_its_picture_is_a_file_of_a_run_folder(one: Assay, tmp_path: Path) -> None:
    """A run that is repeated removes those of the last time, and nothing else."""
    with RunFolder.create(tmp_path / "run", "x", 1) as folder:
        (folder.path / one.picture_file).write_bytes(b"picture")
    RunFolder.clear(folder.path)
    assert not folder.path.exists()


@EVERY
def test_it_is_checked_without_kernels(one: Assay) -> None:
    program = (
        "import sys; from sim.scenario.resolve import load; from sim.scenario.cautions import *;"
        f"cautions(load({{'assay': {one.name!r}}}));"
        "print([m for m in ('numba', 'mesa', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@EVERY
def test_its_readouts_are_documented(one: Assay) -> None:
    pages = [ROOT / "docs" / "readouts.md", ROOT / "docs" / f"{one.name.replace('_', '-')}.md"]
    text = "".join(page.read_text(encoding="utf-8") for page in pages if page.exists())
    for each in one.readouts:
        assert f"`{each.name}`" in text


# --- all of them ---------------------------------------------------------------------------------


def test_one_assay_is_the_default() -> None:
    assert [one for one in assays().values() if one.default] == [default_assay()]
    assert load({}).assay == default_assay().name


def test_an_unknown_assay_gives_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'tube_formation'"):
        assay("tube_fromation")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tube_length_mm", "network length (mm)"),
        ("tube_length_mm@6", "network length at 6 h (mm)"),
        ("mean_mesh_area_um2", "mean mesh area (µm²)"),
        ("compactness", "compactness"),
        ("cells", "cells"),
        ("none_such", "none such"),
    ],
)
def test_what_a_readout_is_called_on_axes(name: str, words: str) -> None:
    assert readout(name).label == words


def test_a_readout_of_several_assays_is_one() -> None:
    found: dict[str, Readout] = {}
    for one in assays().values():
        for each in one.readouts:
            assert found.setdefault(each.name, each) == each


# --- an assay of others --------------------------------------------------------------------------

RECIPE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("### an assay")[2]
DECLARATION, CODE = re.findall(r"```python\n(.*?)```", RECIPE, re.DOTALL)[:2]
DEFAULTS, ENTRY_POINT = re.findall(r"```toml\n(.*?)```", RECIPE, re.DOTALL)[:2]
STUDY = """
base = {assay = "walk"}
replicates = 2
[grid]
"drug.free_nM" = [0, 5, 20, 80]
[set]
"drug.name" = "anlotinib"
[dose_response]
dose = "drug.free_nM"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on whose path the assay of the recipe in CONTRIBUTING is installed."""
    site = tmp_path_factory.mktemp("site")
    (site / "walk").mkdir()
    (site / "walk" / "__init__.py").write_text(DECLARATION)
    (site / "walk" / "code.py").write_text(CODE)
    (site / "walk" / "defaults.toml").write_text(DEFAULTS)
    about = site / "walk-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: walk\nVersion: 1.0\n")
    groups = tomllib.loads(ENTRY_POINT)["project"]["entry-points"]
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in points.items())
        for group, points in groups.items()
    )
    (about / "entry_points.txt").write_text(text)
    return site


def with_it(site: Path, *command: str, folder: Path | None = None) -> str:
    """What Python says with the assay installed; nothing may go wrong."""
    paths = [str(site), str(ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, encoding="utf-8", cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_an_installed_assay_runs(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('assay = "walk"\n[setup]\nrow_um = 40\n')
    said = with_it(installed, "-m", "sim", "run", "mine.toml", "--out", "out", folder=tmp_path)
    assert "PictureWarning" not in said and "left out" not in said, said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary) == ["time_h", "cells", "walked_um", "looks"]
    assert summary["cells"] == 5 and summary["walked_um"] > 0 and summary["looks"] == 6
    with np.load(tmp_path / "out" / "final.npz") as final:
        assert final["assay.looks"] == 6 and final["assay.way"].any()
    for name in ("walk.png", "timeseries.png"):
        assert (tmp_path / "out" / name).stat().st_size > 1000


def test_an_installed_assay_keeps_its_memory_in_the_state(installed: Path) -> None:
    program = (
        "from sim.scenario.resolve import load; from sim.model.clock import AngiogenesisModel\n"
        "one, two = (AngiogenesisModel(load({'assay': 'walk'})) for _ in range(2))\n"
        "one.advance(5); state = one.state()\n"
        "print(sorted(name for name in state if name.startswith('assay.')))\n"
        "one.advance(4); two.restore(state); two.advance(4)\n"
        "print(all(a.tobytes() == b.tobytes() for a, b in"
        " zip(one.state().values(), two.state().values())))\n"
        "print(two.measure() == one.measure(), two.readouts['looks'])"
    )
    said = with_it(installed, "-c", program).splitlines()
    assert said == ["['assay.last', 'assay.looks', 'assay.way']", "True", "True 3"]


def test_an_installed_assay_is_checked_and_described(installed: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from sim.scenario.resolve import load\n"
        "try: load(sys.argv[1])\nexcept Exception as error: print(error)"
    )
    for text, problems in (
        ("[setup]\nrow_um = -1\nregion_um = [1, 1]", ("setup.row_um = -1", "setup.region_um")),
        ("[cells]\ndensity_per_mm2 = 500", ("cells.count: is missing",)),
        ("[cells]\ncount = 50", ("a row longer than the domain",)),
    ):
        (tmp_path / "mine.toml").write_text(f'assay = "walk"\n{text}\n')
        said = with_it(installed, "-c", program, "mine.toml", folder=tmp_path)
        assert all(problem in said for problem in problems), said
    said = with_it(installed, "-m", "sim", "describe", "walked_um")
    assert "read-out, um" in said and "of walk" in said
    said = with_it(installed, "-m", "sim", "describe", "setup")
    assert "setup.row_um = 30 um" in said and "setup.initial_area_sites = 100" in said
    assert "how far cells of a row walk" in with_it(installed, "-m", "sim", "describe")
    schema = json.loads(with_it(installed, "-m", "sim.scenario.keys"))
    names = schema["properties"]["assay"]["enum"]
    assert names == sorted([*assays(), "walk"])
    tables = dict(zip(names, schema["properties"]["setup"]["anyOf"], strict=True))
    assert [*tables["walk"]["properties"]] == ["row_um"]


def test_an_installed_assay_is_swept(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    with_it(installed, "-m", "sim", "sweep", "study.toml", "--out", "out", folder=tmp_path)
    header, *rows = (tmp_path / "out" / "results.csv").read_text().splitlines()
    assert len(rows) == 8 and {"walked_um", "looks"} <= {*header.split(",")}
    assert "tube_length_mm" not in header
    assert [*json.loads((tmp_path / "out" / "dose_response.json").read_text())] == ["walked_um"]


def test_an_installed_assay_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    about = tmp_path / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[angiosim.assays]\nbroken = broken:ASSAY\n")
    done = subprocess.run(
        [sys.executable, "-m", "sim", "validate", "tube_formation"], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "the installed assay 'broken'" in " ".join(done.stderr.split())
