"""Scenario files: defaults, layers, what is refused and in which words."""

from __future__ import annotations

import datetime
import json
import math
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim import data
from sim.assays.tube_formation.setup import cell_count
from sim.errors import InputError, ScenarioError
from sim.pharmacology.drugs import inhibition, load_drug
from sim.scenario import keys
from sim.scenario.bed import BedScenario
from sim.scenario.resolve import load
from sim.scenario.settings import parse_setting, parse_settings
from sim.scenario.shipped import shipped
from sim.scenario.writing import dump, scenario_hash

TESTS = Path(__file__).parents[1]
BAD = TESTS / "bad_files" / "scenarios"
SCHEMA = TESTS.parent / "docs" / "schema" / "scenario.schema.json"
LIGANDS = ["VEGF", "PDGF-BB", "FGF-2"]


def problems(source: Any, overrides: dict[str, Any] | None = None) -> dict[str, str]:
    """Dotted key and text of everything that is wrong."""
    with pytest.raises(ScenarioError) as caught:
        load(source, overrides)
    return {problem.key: str(problem) for problem in caught.value.problems}


# --- the shipped scenarios -----------------------------------------------------------------------


@pytest.mark.parametrize("name", shipped())
def test_shipped_scenarios_load(name: str) -> None:
    scenario = load(name)
    assert scenario.name == Path(name).name
    assert scenario.description
    assert load(shipped()[name]) == scenario


@pytest.mark.parametrize(
    ("name", "baths", "free_nM"),
    [
        ("tube_formation", [50, 0, 0], 0),
        ("tube_formation_unstimulated", [0, 0, 0], 0),
        ("tube_formation_pdgf_bb", [0, 10, 0], 0),
        ("tube_formation_fgf_2", [0, 0, 20], 0),
        ("tube_formation_all_ligands", [50, 10, 20], 0),
        ("tube_formation_anlotinib", [50, 0, 0], 5.6),
    ],
)
def test_the_six_of_tube_formation(name: str, baths: list[float], free_nM: float) -> None:
    scenario = load(name)
    assert list(scenario.ligands) == LIGANDS
    assert [scenario.ligands[ligand].bath_ng_ml for ligand in LIGANDS] == baths
    assert scenario.drug is not None
    assert (scenario.drug.name, scenario.drug.potency) == ("anlotinib", "lin2018")
    assert (scenario.drug.exposure, scenario.drug.free_nM) == ("constant", free_nM)
    assert scenario.domain.size_um == (800, 800)
    assert scenario.shape == (400, 400)
    assert scenario.time.steps == 720
    assert cell_count(scenario) == 352
    assert scenario.fields["VEGF"].spacing_um == 10
    assert scenario.fields["cue"].spacing_um is None


def test_the_smallest_file_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "empty.toml"
    path.write_text("")
    scenario = load(path)
    assert (scenario.name, scenario.seed, scenario.drug) == ("empty", 1, None)
    assert list(scenario.signalling.receptors) == ["VEGFR2", "PDGFRB", "FGFR1"]


# --- layers --------------------------------------------------------------------------------------


def test_overrides_and_seed() -> None:
    scenario = load(
        "tube_formation",
        {"ligands.PDGF-BB.bath_ng_ml": 3, "drug.free_nM": "1 uM", "domain.size_um.0": 400},
        seed=7,
    )
    assert scenario.ligands["PDGF-BB"].bath_ng_ml == 3
    assert scenario.drug is not None
    assert scenario.drug.free_nM == 1000
    assert scenario.domain.size_um == (400, 800)
    assert scenario.seed == 7


def test_overrides_reach_into_lists(tmp_path: Path) -> None:
    path = tmp_path / "wash.toml"
    path.write_text(
        'extends = "tube_formation"\n[drug]\nexposure = "schedule"\n'
        "media = [{at_h = 0, free_nM = 10}, {at_h = 3, free_nM = 0}]\n"
    )
    drug = load(path, {"drug.media.1.free_nM": 2}).drug
    assert drug is not None
    assert [(medium.at_h, medium.free_nM) for medium in drug.media] == [(0, 10), (3, 2)]
    assert "no place 2;" in problems(path, {"drug.media.2.free_nM": 2})["drug.media"]
    assert "no place 0;" in problems("human_12mg", {"drug.doses.0.amount_mg": 2})["drug.doses"]


def test_overrides_take_numbers_of_numpy() -> None:
    scenario = load("tube_formation", {"seed": np.int64(3), "domain.size_um": np.array([400, 400])})
    assert (scenario.seed, scenario.shape) == (3, (200, 200))


@pytest.mark.parametrize("key", ["", "drug..free_nM", ".", "extends", "drugs.free_nM", "seed.x"])
def test_bad_overrides(key: str) -> None:
    assert len(problems("tube_formation", {key: 1})) == 1


def test_contradicting_overrides() -> None:
    assert "together" in str(
        problems("tube_formation", {"cells.count": 5, "cells.density_per_mm2": 9})
    )
    assert "together with 'engine.area'" in str(
        problems("tube_formation", {"engine": {"area": 3}, "engine.area.lambda": 9})
    )
    assert "no receptors" in str(
        problems("tube_formation", {"drug.free_nM": 5, "signalling.enabled": False})
    )
    both = load(
        "tube_formation", {"engine.area.lambda": 9, "engine": {"area": {"target_sites": 80}}}
    )
    assert (both.engine.area.lambda_, both.engine.area.target_sites) == (9, 80)
    assert "not a value" in problems("tube_formation", {"drug": None})["drug"]


def test_settings_are_given_once() -> None:
    given = ["time.duration_h=3", "drug.free_nM=1", "drug.free_nM=2", "time.duration_mcs=9"]
    with pytest.raises(ScenarioError) as caught:
        parse_settings([*given, "drug={media = [{at_h = 0, free_nM = 3}]}"])
    assert {problem.key: problem.allowed for problem in caught.value.problems} == {
        "drug.free_nM": "is set twice with --set, to 1 and to 2",
        "time.duration_mcs": "must not be set together with 'time.duration_h'",
    } | {"drug.free_nM": "must not be set together with 'drug.media'"}
    assert str(caught.value).count("drug.free_nM") == 2
    assert parse_settings(["drug.free_nM=1", "cells.line=huvec"]) == {
        "drug.free_nM": 1, "cells.line": "huvec",
    }  # fmt: skip
    media = [{"at_h": 0, "free_nM": 3}]
    for first, second in (("drug.free_nM", "drug.media"), ("drug.media.0.free_nM", "drug.media")):
        assert "together" in str(problems("tube_formation", {first: 3, second: media}))
    with pytest.raises(ScenarioError, match="seed: is set twice"):
        load("tube_formation", {"seed": 3}, 3)


def test_a_file_gives_doses_once(tmp_path: Path) -> None:
    (tmp_path / "doses.csv").write_text("time_h,amount_mg\n0,12\n")
    (tmp_path / "twice.toml").write_text(
        'extends = "tube_formation"\n[drug]\nexposure = "pk"\nspecies = "human"\n'
        'doses_csv = "doses.csv"\ndoses = [{at_h = 0, amount_mg = 99}]\n'
    )
    assert "together with 'doses'" in problems(tmp_path / "twice.toml")["drug.doses_csv"]


def test_settings_are_toml_or_text() -> None:
    assert parse_setting("drug.free_nM=5.6") == ("drug.free_nM", 5.6)
    assert parse_setting("domain.size_um=[400, 400]") == ("domain.size_um", [400, 400])
    assert parse_setting("cells.line=ea_hy926") == ("cells.line", "ea_hy926")
    assert parse_setting("name=a=b") == ("name", "a=b")
    for text in ("drug.free_nM", "=3"):
        with pytest.raises(InputError, match="KEY=VALUE"):
            parse_setting(text)


def test_the_line_sets_the_length_of_the_run() -> None:
    assert load("tube_formation", {"cells.line": "ea_hy926"}).time.duration_h == 3
    assert (
        load("tube_formation", {"cells.line": "ea_hy926", "time.duration_h": 4}).time.steps == 480
    )


def test_a_short_run_is_recorded_at_its_end() -> None:
    scenario = load("tube_formation", {"time.duration_h": 0.1})
    assert scenario.time.steps == scenario.time.steps_per_record == 12


def test_one_of_two_alternative_keys_replaces_the_other() -> None:
    scenario = load(
        "tube_formation",
        {"units": "lattice", "cells.count": 100, "time.duration_mcs": 50,
         "time.record_every_mcs": 10, "fields.cue.decay_per_mcs": 0.3,
         "fields.cue.diffusion_per_mcs": 1, "fields.cue.secretion_per_mcs": 0.3},
    )  # fmt: skip
    assert scenario.cells.density_per_mm2 is None
    assert cell_count(scenario) == 100
    assert (scenario.time.steps, scenario.time.steps_per_record) == (50, 10)
    cue = scenario.fields["cue"]
    assert (cue.decay_per_s, cue.diffusion_um2_per_s, cue.secretion_per_s) == (None, None, None)
    assert cue.per_second("decay", 30) == pytest.approx(0.01)
    assert cue.diffusion(30, 2) == pytest.approx(4 / 30)


def test_files_extend_files_below_the_first(tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    (tmp_path / "bases" / "small.toml").write_text(
        'extends = "../half.toml"\nname = "small"\n[cells]\ncount = 20\n'
    )
    (tmp_path / "half.toml").write_text(
        'extends = "tube_formation"\n[cells]\ncount = 40\n[domain]\nsize_um = [400, 400]\n'
    )
    top = tmp_path / "top.toml"
    top.write_text('extends = "bases/small.toml"\nseed = 5\n')
    scenario = load(top)
    assert (scenario.name, scenario.seed, cell_count(scenario)) == ("top", 5, 20)
    assert scenario.shape == (200, 200)
    assert "in or below" in problems(tmp_path / "bases" / "small.toml")["extends"]


def test_extending_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"\nsed = 1\n')
    (tmp_path / "b.toml").write_text('extends = "a.toml"\n')
    found = problems(tmp_path / "a.toml")
    assert "must not be circular" in found["extends"]
    assert "unknown key" in found["sed"]


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_a_link_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "out.toml").write_text("seed = 3\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link.toml").symlink_to(tmp_path / "out.toml")
    (tmp_path / "in" / "top.toml").write_text('extends = "link.toml"\n')
    assert "in or below" in problems(tmp_path / "in" / "top.toml")["extends"]


def test_a_mapping_extends_what_is_shipped_or_lies_below_the_working_folder(
    workplace: Path,
) -> None:
    assert load({"extends": "tube_formation", "seed": 2}).ligands["VEGF"].bath_ng_ml == 50
    (workplace / "mine.toml").write_text('extends = "tube_formation"\nseed = 3\n')
    assert load({"extends": "mine.toml"}).seed == 3
    (workplace.parent / "mine.toml").write_text("seed = 3\n")
    assert "shipped" in problems({"extends": "../mine.toml"})["extends"]


def test_loading_changes_nothing() -> None:
    content = {"signalling": {"enabled": False}, "cells": {"count": 5}}
    load(content, {"cells.density_per_mm2": 300})
    assert content == {"signalling": {"enabled": False}, "cells": {"count": 5}}
    assert load("tube_formation") == load("tube_formation")


# --- what follows from what ----------------------------------------------------------------------


def test_fields_are_periodic_where_the_domain_is() -> None:
    scenario = load("tube_formation", {"domain.boundary": "periodic"})
    assert {field.boundary for field in scenario.fields.values()} == {"periodic"}


@pytest.mark.parametrize(
    ("size_um", "site_um", "voxel_um"),
    [
        ([800, 800], 2, 10), ([800, 804], 2, 4), ([806, 800], 2, 2), ([20, 800], 2, 10),
        ([900, 900], 3, 9), ([1200, 1200], 20, 20), ([10, 10], 1, 5),
    ],
)  # fmt: skip
def test_ligands_live_on_the_coarsest_voxels_that_fit(
    size_um: list[float], site_um: float, voxel_um: float
) -> None:
    scenario = load(
        {"domain": {"size_um": size_um, "spacing_um": site_um}, "cells": {"count": 0}},
        {"fields.cue.solver": "exponential", "setup.initial_area_sites": 1},
    )
    assert {scenario.fields[ligand].spacing_um for ligand in LIGANDS} == {voxel_um}


def test_without_receptors_nothing_of_signalling_is_left() -> None:
    scenario = load("tube_formation", {"signalling.enabled": False})
    assert (scenario.ligands, scenario.behaviour, scenario.drug) == ({}, None, None)
    assert scenario.signalling.receptors == {}
    assert list(scenario.fields) == list(scenario.engine.chemotaxis) == ["cue"]


def test_a_user_may_add_a_field() -> None:
    scenario = load(
        "tube_formation",
        {"fields.oxygen": {"diffusion_um2_per_s": 2000, "solver": "exponential"},
         "engine.chemotaxis.oxygen.mu": 5},
    )  # fmt: skip
    assert scenario.fields["oxygen"].boundary == "no_flux"
    assert list(scenario.fields) == ["cue", *LIGANDS, "oxygen"]


def test_the_order_of_tables_means_nothing() -> None:
    own = {"diffusion_um2_per_s": 1, "solver": "exponential"}
    one = load({"fields": {"b": own, "a": own}, "units": "lattice"})
    other = load({"units": "lattice", "fields": {"a": own, "b": own}})
    assert list(one.fields) == list(other.fields)
    assert dump(one) == dump(other)


# --- dump and hash -------------------------------------------------------------------------------

PERICYTES = {
    "types.pericyte": {
        "count": 10,
        "contact_energy": {"medium": 20, "wall": 100, "endothelial": 30, "pericyte": 40},
        "area": {"lambda": 50, "target_sites": 100.1},
    }
}


@pytest.mark.parametrize("overrides", [{}, {"signalling.enabled": False}, PERICYTES])
@pytest.mark.parametrize("name", shipped())
def test_what_is_dumped_loads_equal(name: str, overrides: dict[str, Any], tmp_path: Path) -> None:
    if overrides is PERICYTES and not name.startswith("tube_formation"):
        pytest.skip("published models have one cell type")
    if overrides and isinstance(load(name), BedScenario):
        pytest.skip("vessels have neither cell types nor receptors to choose")
    if "signalling.enabled" in overrides and name.startswith(("sprouting", "viability")):
        pytest.skip("needs receptors")
    scenario = load(name, overrides)
    path = tmp_path / "scenario.toml"
    path.write_text(dump(scenario))
    again = load(path)
    assert again == scenario
    assert dump(again) == dump(scenario)
    assert scenario_hash(again) == scenario_hash(scenario)
    assert load(scenario) == scenario
    assert type(scenario).model_validate(tomllib.loads(dump(scenario))) == scenario


def test_a_schedule_survives_being_dumped() -> None:
    media = [{"at_h": 0.1, "free_nM": 1 / 3}, {"at_h": 2, "free_nM": 0}]
    scenario = load("tube_formation", {"drug.exposure": "schedule", "drug.media": media})
    assert load(tomllib.loads(dump(scenario))) == scenario


def test_the_hash_knows_what_decides_a_result() -> None:
    base = scenario_hash(load("tube_formation"))
    for key, value in [
        ("name", "other"), ("description", "other"), ("seed", 9), ("record.frames", False),
        ("drug.free_nM", 0.0), ("drug.free_nM", -0.0), ("time.duration_h", "360 min"),
    ]:  # fmt: skip
        assert scenario_hash(load("tube_formation", {key: value})) == base, key
    for key, value in [
        ("drug.free_nM", 1e-9), ("domain.size_um", [800, 400]), ("engine.temperature", 50.000001),
    ]:  # fmt: skip
        assert scenario_hash(load("tube_formation", {key: value})) != base, key


# --- what is refused -----------------------------------------------------------------------------


def test_inputs_that_are_not_files_are_refused(tmp_path: Path) -> None:
    assert "no such file" in problems(tmp_path / "none.toml")[""]
    assert "did you mean 'tube_formation'?" in problems("tube_fromation")[""]
    assert "did you mean 'tube_formation'?" in problems("scenarios/tube_formaton.toml")[""]
    assert "folder" in problems(tmp_path)[""]
    assert problems("x" * 5000)
    assert problems("\0")
    binary = tmp_path / "picture.toml"
    binary.write_bytes(bytes(range(256)))
    assert "not a text file" in problems(binary)[""]


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 5000 + "]" * 5000,
        "a = " + "{a = " * 5000,
        ".".join(["a"] * 5000) + " = 1",
        "seed = " + "9" * 5000,
        "seed = 0x" + "f" * 5000,
        "seed = 1979-05-27",
        "[cells]\nline = '''\n\n'''",
        '"\\u0000" = 3',
        '"" = 3',
    ],
    ids=range(9),
)
def test_hostile_files(text: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.toml"
    path.write_text(text)
    assert problems(path)


def test_a_broken_size_is_reported_once() -> None:
    found = problems("tube_formation", {"domain.size_um": [-1, 800], "cells.count": 5000})
    assert set(found) == {"domain.size_um.0"}


def test_the_message_lists_all() -> None:
    with pytest.raises(ScenarioError) as caught:
        load("tube_formation", {"cells.line": "x", "engine.temperature": -1})
    text = str(caught.value)
    assert text.startswith("tube_formation: 2 problems\n")
    assert "engine.temperature = -1: must be a number above 0" in text
    assert caught.value.exit_code == 2


# --- mutations -----------------------------------------------------------------------------------

BASE = tomllib.loads(dump(load("tube_formation_anlotinib")))
PATHS = [path for path in keys.leaves() if "*" not in path] + [
    ("ligands", "VEGF", "bath_ng_ml"), ("fields", "cue", "solver"), ("fields", "cue", "substeps"),
    ("fields", "VEGF", "spacing_um"), ("fields", "new", "solver"), ("types", "p", "count"),
    ("engine", "chemotaxis", "cue", "mu"), ("engine", "chemotaxis", "new"), ("fields",), ("drug",),
    ("engine",), ("behaviour",), ("signalling", "receptors"), ("signalling", "receptors", "X", "Y"),
    ("ligands",), ("ligands", "X"), ("drug", "media"), ("drug", "media", "0"), ("new",), ("units",),
]  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(
        [1e-320, 1e-12, 1e12, 1e13, 1e300, -1e308, 10**30, 10**400, -(10**4000), 0, 1, 2, 3, 10,
         "12 mg", "1e999 um", "5 h", "explicit", "exponential", "periodic", "schedule", "lattice",
         "random", "blob", "", "\0", datetime.date(1979, 5, 27), object(), b"x", {1, 2}]
    ),
    st.text(max_size=5),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["mu", "at_h", "free_nM", "0", "count"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.dictionaries(st.sampled_from(PATHS).map(".".join), VALUES, max_size=4),
    dropped=st.sets(st.sampled_from(sorted(BASE)), max_size=2),
)
def test_mutated_scenarios_load_or_are_refused(changes: dict[str, Any], dropped: set[str]) -> None:
    content = {key: value for key, value in BASE.items() if key not in dropped}
    try:
        scenario = load(content, changes)
    except ScenarioError as error:
        assert error.problems
        assert all(problem.allowed for problem in error.problems)
        assert len(str(error).splitlines()) >= 2
    else:
        assert min(scenario.shape) >= 10
        assert 1 <= scenario.time.steps_per_record <= scenario.time.steps
        assert cell_count(scenario) >= 0
        assert load(tomllib.loads(dump(scenario))) == scenario


@settings(max_examples=200)
@given(text=st.text(alphabet="ab=\"[]{}.,\n 1-#'", max_size=60) | st.binary(max_size=40))
def test_any_text_loads_or_is_refused(text: str | bytes, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    try:
        load(path)
    except ScenarioError as error:
        assert str(error)


# --- the command ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["not_toml", "many_at_once", "unknown_drug", "too_many_cells"])
def test_validate_is_quick_and_writes_nothing(name: str, tmp_path: Path) -> None:
    program = "from sim.cli.main import main; main()"
    path = BAD / f"{name}.toml"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, "validate", str(path)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(TESTS.parent), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    seconds = time.perf_counter() - start
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert seconds < 3  # a second on a quiet machine


def test_loading_imports_nothing_heavy() -> None:
    program = (
        "import sys, sim.scenario.resolve as l; l.load('tube_formation');"
        "print([m for m in ('numpy', 'numba', 'mesa', 'scipy', 'pandas', 'matplotlib')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(TESTS.parent)},
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


# --- the published schema ------------------------------------------------------------------------


def test_the_published_schema_is_current() -> None:
    published = json.loads(SCHEMA.read_text())
    assert published == keys.json_schema(), (
        "python -m sim.scenario.keys > docs/schema/scenario.schema.json"
    )


def test_the_schema_has_the_defaults() -> None:
    """Those that all assays have; others differ."""
    tables = keys.json_schema()["properties"]
    assert "default" not in tables["time"]["properties"]["mcs_s"]  # classes of model differ
    assert tables["engine"]["properties"]["temperature"]["default"] == 50
    assert "default" not in tables["cells"]["properties"]["density_per_mm2"]  # assays differ
    field = tables["fields"]["properties"]["VEGF"]["properties"]
    assert field["diffusion_um2_per_s"]["default"] == 100
    assert field["diffusion_um2_per_s"]["anyOf"][0]["minimum"] == 0


@pytest.mark.parametrize("path", keys.leaves(), ids=keys.dotted)
def test_every_key_says_what_it_allows(path: tuple[str, ...]) -> None:
    assert keys.find(path)
    assert keys.allowed(path).startswith("must be ")


# --- data and drugs ------------------------------------------------------------------------------


def leaves_of(node: Any) -> list[dict[str, Any]]:
    if data.is_leaf(node):
        return [node]
    return (
        [leaf for item in node.values() for leaf in leaves_of(item)]
        if isinstance(node, dict)
        else []
    )


@pytest.mark.parametrize("kind", ["model", "substrates", "lines", "ligands", "receptors", "drugs"])
def test_every_number_has_a_source(kind: str) -> None:
    for name in data.names(kind):
        found = leaves_of(data.read(kind, name))
        assert found or kind == "lines"  # a line may be what the defaults describe
        for leaf in found:
            assert leaf["source"] and leaf["evidence"], (name, leaf)
            assert set(leaf) <= {"value", "unit", "spread", "source", "evidence", "not_met"}


def test_unknown_data_name_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'VEGFR2'"):
        data.read("receptors", "VEGFR-2")
    with pytest.raises(InputError, match="unknown drug"):
        data.read("drugs", "../ligands/VEGF")


def test_anlotinib() -> None:
    drug = load_drug("anlotinib")
    assert drug.molar_mass == 407.44
    potency = drug.potency()
    assert potency.name == "lin2018"
    assert potency.ic50_nM == {"VEGFR2": 5.6, "PDGFRB": 8.7, "FGFR1": 11.7}
    assert potency.spread_nM == {"VEGFR2": 1.2, "PDGFRB": 3.4, "FGFR1": 4.1}
    assert drug.potency("xie2018").ic50_nM["VEGFR2"] == 0.1
    with pytest.raises(InputError, match="did you mean 'xie2018'"):
        drug.potency("xie2019")
    with pytest.raises(InputError, match="did you mean 'anlotinib'"):
        load_drug("anlotinb")


def test_inhibition_follows_the_hill_equation() -> None:
    potency = load_drug("anlotinib").potency()
    assert inhibition(5.6, potency)["VEGFR2"] == 0.5
    assert inhibition(0.0, potency) == {"VEGFR2": 0, "PDGFRB": 0, "FGFR1": 0}
    free_nM = np.array([0.0, 5.6, 11.2])
    np.testing.assert_allclose(inhibition(free_nM, potency)["VEGFR2"], [0, 1 / 2, 2 / 3])
    assert math.isclose(inhibition(6.4, potency)["FGFR1"], 6.4 / (11.7 + 6.4))


# --- everything at once --------------------------------------------------------------------------

WRONG_TABLES: dict[str, Any] = {
    "domain": {"spacing_um": "wide", "boundary": "wall"},
    "time": {"duration_h": -1},
    "cells": {"count": 1.5},
    "types": {
        "stroma": {"count": 0, "contact_energy": {"medium": "x", "glass": 3}},
        "tumour": {"count": 5, "contact_energy": {"medium": 1}, "area": {"lambda": -1}},
        "matrix": 3,
    },
    "setup": {"initial_area_sites": 0},
    "ligands": {"VEGF": {"bath_ng_ml": -1}, "VEGF-A": {}},
    "fields": {"cue": {"order": "never"}, "oxygen": {}, "waste": {"spacing_um": 3, "decay": 1}},
    "drug": {"potency": "none", "media": [{"at_h": 0}, {"free_nM": -1}], "regimen": {"dose": 1}},
    "partner": {"name": "sunitinib", "free_nM": -1},
    "engine": {"temperature": 0, "chemotaxis": {"cue": {"mu": "x"}, "smoke": {"mu": 1}}},
    "behaviour": {"weights": {"VEGFR2": 2, "KIT": 0.1}, "length": {"target_sites": [1]}},
    "signalling": {"receptors": {"VEGFR2": {"per_cell": 0}, "KIT": {}}},
    "readout": {"closing_um": True},
    "record": {"frames": 1},
    "units": "metric",
    "seed": -1,
}
ALL_KEYS = {
    "domain.spacing_um", "domain.boundary", "time.duration_h", "cells.count",
    "types.stroma.count", "types.stroma.area", "types.stroma.contact_energy.medium",
    "types.stroma.contact_energy.glass", "types.stroma.contact_energy.wall",
    "types.stroma.contact_energy.stroma", "types.stroma.contact_energy.tumour",
    "types.stroma.contact_energy.matrix", "types.stroma.contact_energy.endothelial",
    "types.tumour.area.lambda", "types.tumour.area.target_sites",
    "types.tumour.contact_energy.wall", "types.tumour.contact_energy.stroma",
    "types.tumour.contact_energy.tumour", "types.tumour.contact_energy.matrix",
    "types.tumour.contact_energy.endothelial", "types.matrix",
    "setup.initial_area_sites", "ligands.VEGF.bath_ng_ml", "ligands.VEGF-A",
    "fields.cue.order", "fields.oxygen", "fields.waste.decay",
    "partner.free_nM",
    "drug.potency", "drug.media.0.free_nM", "drug.media.1.at_h", "drug.media.1.free_nM",
    "drug.regimen.dose", "engine.temperature", "engine.chemotaxis.cue.mu",
    "engine.chemotaxis.smoke", "behaviour.weights.VEGFR2", "behaviour.weights.KIT",
    "behaviour.length.target_sites", "signalling.receptors.VEGFR2.per_cell",
    "signalling.receptors.KIT", "readout.closing_um", "record.frames", "units", "seed",
}  # fmt: skip


def test_all_errors_in_all_tables_are_reported_at_once() -> None:
    assert {path[0] for path in keys.leaves()} - WRONG_TABLES.keys() == {
        "format", "name", "description", "assay", "bed",
    }  # fmt: skip
    found = problems({"extends": "tube_formation", **WRONG_TABLES})
    # a domain that is wrong leaves the voxels of fields unknown
    assert set(found) ^ ALL_KEYS <= {"fields.oxygen"}
    right = {**WRONG_TABLES, "domain": {}}
    assert set(problems({"extends": "tube_formation", **right})) >= ALL_KEYS - {
        "domain.spacing_um", "domain.boundary",
    }  # fmt: skip


@pytest.mark.parametrize("path", keys.leaves(), ids=keys.dotted)
def test_every_wrong_value_is_reported(path: tuple[str, ...]) -> None:
    """Whatever else is wrong, the types of another table are looked at."""
    names = {"types": "other"}
    names |= dict.fromkeys(("media", "doses", "covariates", "interaction"), "0")
    place: list[str] = []
    for part in path:
        place.append(names.get(place[-1], "cue") if part == "*" else part)
    *above, last = place
    tree: Any = {last: [[]]}
    for part in reversed(above):
        tree = [tree] if part == "0" else {part: tree}
    types = tree.setdefault("types", {})
    types["stroma"] = {"count": 3, "area": {"lambda": 1, "target_sites": 9}, "contact_energy": {}}
    found = problems({"extends": "tube_formation", **tree})
    assert "types.stroma.contact_energy.medium" in found
    deep = 1 if place[0] == "bed" else 2  # that table is of another class of model
    assert any(f"{key}.".startswith(".".join(place[:deep])) for key in found)


def test_tables_name_the_keys_they_need() -> None:
    found = problems(
        "tube_formation", {"types.a": 3, "types.b.count": 3, "drug.doses": [3], "engine.area": 2}
    )
    assert "must be a table with count, contact_energy and area" in found["types.a"]
    assert "must be a table with lambda and target_sites" in found["types.b.area"]
    assert "must be a table with at_h and amount_mg" in found["drug.doses.0"]
    assert found["engine.area"].endswith("must be a table")  # all its keys have defaults
