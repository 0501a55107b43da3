"""`[resolved]`: what a scenario took from data files, and what decides its hash and keys."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim import data
from sim.errors import InputError, ScenarioError
from sim.pharmacology import drugs
from sim.scenario import keys
from sim.scenario.exposure import exposure_of, pharmacokinetic, potency_of
from sim.scenario.resolve import load
from sim.scenario.schema import LatticeScenario, Scenario
from sim.scenario.tree import dig
from sim.scenario.writing import dump, scenario_hash, structure_of
from sim.studies.identity import content_of, hash_of, text_of

ROOT = Path(__file__).parents[2]
SMALL = {"domain.size_um": [120, 120], "time.duration_h": 0.05}


@pytest.fixture
def corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that corrects a data file, as a later version might."""

    def correct(file: str, before: str, after: str) -> None:
        folder = tmp_path / "data"
        if not folder.exists():
            shutil.copytree(data.FOLDER, folder)
        text = (folder / file).read_text()
        assert before in text
        (folder / file).write_text(text.replace(before, after))
        monkeypatch.setattr(data, "FOLDER", folder)
        data._read.cache_clear()
        drugs._load_drug.cache_clear()

    yield correct
    monkeypatch.undo()
    data._read.cache_clear()
    drugs._load_drug.cache_clear()


def final(scenario: Scenario) -> dict[str, Any]:
    model = sim.AngiogenesisModel(scenario)
    for _ in range(scenario.time.steps):
        model.step()
    return model.state()


def test_a_written_scenario_gives_the_same_after_a_data_file_is_corrected(corrected: Any) -> None:
    scenario = load("tube_formation_anlotinib", SMALL)
    written, before = tomllib.loads(dump(scenario)), final(scenario)
    corrected("drugs/anlotinib.toml", "ic50_nM = {value = 5.6,", "ic50_nM = {value = 0.5,")
    corrected("ligands/VEGF.toml", "value = 45000", "value = 40000")
    again = load(written)
    assert again == scenario
    after = final(again)
    assert all(np.array_equal(after[name], values) for name, values in before.items())

    anew = load("tube_formation_anlotinib", SMALL)
    assert anew.resolved.drug is not None
    assert anew.resolved.drug.ic50_nM["VEGFR2"] == 0.5
    assert scenario_hash(anew) != scenario_hash(scenario)
    assert not np.array_equal(final(anew)["cells.drive"], before["cells.drive"])


def test_a_written_scenario_keeps_its_pharmacokinetics(corrected: Any) -> None:
    scenario, at = load("human_12mg"), np.linspace(0, 500, 7)
    written, before = tomllib.loads(dump(scenario)), exposure_of(scenario).free_nM(at)
    corrected("drugs/anlotinib.toml", "CL = {value = 12.3,", "CL = {value = 24.6,")
    np.testing.assert_array_equal(exposure_of(load(written)).free_nM(at), before)
    assert (exposure_of(load("human_12mg")).free_nM(at[1:]) < before[1:]).all()


def test_another_drug_species_or_potency_takes_its_own_numbers() -> None:
    written = tomllib.loads(dump(load("tube_formation_anlotinib")))
    for settings in ({"drug.name": "sunitinib"}, {"drug.potency": "xie2018"}):
        found = potency_of(load(written, settings))
        assert found == potency_of(load("tube_formation_anlotinib", settings))
        assert found != potency_of(load(written))
    dosed = tomllib.loads(dump(load("human_12mg")))
    rat = load(dosed, {"drug.species": "rat"})
    assert rat.resolved.pk == load("human_12mg", {"drug.species": "rat"}).resolved.pk
    assert rat.resolved.pk != load(dosed).resolved.pk
    other = load(dosed, {"drug.pk_set": "poppk2024"})
    assert other.resolved.pk is not None
    assert other.resolved.pk.parameters["CL"].value == 9.26


def test_a_resolved_scenario_needs_no_data_file(monkeypatch: pytest.MonkeyPatch) -> None:
    tube, human = load("tube_formation_anlotinib", SMALL), load("human_12mg", SMALL)
    monkeypatch.setattr(data, "FOLDER", Path("nowhere"))
    data._read.cache_clear()
    drugs._load_drug.cache_clear()
    final(tube)
    final(human)
    assert pharmacokinetic(human, subjects=3).model.subjects == 3
    data._read.cache_clear()


def test_what_is_resolved_is_written_and_not_typed() -> None:
    with pytest.raises(ScenarioError, match=r"resolved.drug.ic50_nM.VEGFR2.*written, not typed"):
        load("tube_formation_anlotinib", {"resolved.drug.ic50_nM.VEGFR2": 1})
    written = tomllib.loads(dump(load("tube_formation_anlotinib")))
    written["resolved"]["drug"]["ic50"] = 1
    with pytest.raises(ScenarioError, match=r"resolved.drug.ic50 = 1: unknown key"):
        load(written)


# --- which key enters what -----------------------------------------------------------------------


def table() -> dict[str, tuple[bool, bool, bool]]:
    """The table of docs/scenarios.md: by key or table, whether it enters hash, structure, key."""
    text = (ROOT / "docs" / "scenarios.md").read_text()
    rows = re.findall(r"^\| (`.+`) \| (yes|no) \| (yes|no) \| (yes|no) \|$", text, re.MULTILINE)
    return {
        key: (one == "yes", two == "yes", three == "yes")
        for names, one, two, three in rows
        for key in re.findall(r"`([^`]+)`", names)
    }


def expected(key: str) -> tuple[bool, bool, bool]:
    """The row of the table for a key: that of the longest name that it is or lies below."""
    rows = table()
    parts = key.split(".")
    for cut in range(len(parts), 0, -1):
        for name, row in rows.items():
            pattern = name.split(".")
            if len(pattern) == cut and all(
                one in ("NAME", two) for one, two in zip(pattern, parts, strict=False)
            ):
                return row
    raise AssertionError(f"docs/scenarios.md has no row for {key}")


def another(value: Any, node: dict[str, Any]) -> Any:
    """Another value that the schema allows."""
    if "enum" in node:
        return next((option for option in node["enum"] if option != value), value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, list):
        return [another(value[0], node.get("items", node.get("prefixItems", [{}])[0])), *value[1:]]
    nudged = value + 1 if isinstance(value, int) else value * 0.9 + 0.001
    return min(nudged, node.get("maximum", nudged))


def leaves_of(tree: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(tree, dict):
        for key, item in tree.items():
            yield from leaves_of(item, (*path, key))
    elif isinstance(tree, list) and tree and isinstance(tree[0], dict):
        yield from leaves_of(tree[0], (*path, 0))
    elif tree not in (None, []):
        yield path


BASES: dict[str, dict[str, Any]] = {
    "human_12mg": {
        "drug.regimen.loading": 24, "drug.regimen.reductions": {"2": 10},
        "drug.regimen.late_days": {"3": 2}, "drug.regimen.late_doses": {"5": 2},
        "drug.regimen.missed_days": [4], "drug.regimen.missed_doses": [6], "drug.subject": 2,
        "drug.pk": {"CL": 12}, "drug.ic50_nM": {"VEGFR2": 5}, "drug.weight_kg": 60,
    },
    "tube_formation": {
        "drug.exposure": "schedule", "drug.media": [{"at_h": 1, "free_nM": 2}],
        "cells.density_per_mm2": 500, "setup.region_um": [400, 400],
        "types": {"pericyte": {
            "count": 3, "area": {"lambda": 50, "target_sites": 90}, "mu": {"cue": 10},
            "length": {"lambda": 1, "target_sites": 20}, "secretion_per_s": {"cue": 1e-4},
            "contact_energy": {
                "medium": 20, "wall": 100, "endothelial": 40, "pericyte": 40,
            },
        }},
    },
    "reference/openvt_angiogenesis": {"fields.cue.precision": "single"},
}  # fmt: skip


@pytest.mark.parametrize("base", BASES)
def test_the_table_says_what_enters_hash_structure_and_key(base: str) -> None:
    scenario = load(base, BASES[base])
    tree = scenario.model_dump(by_alias=True, mode="json")

    def found(of: Scenario) -> tuple[str, dict[str, str], str]:
        key = hash_of(text_of([content_of(of), of.seed]))
        return scenario_hash(of), structure_of(of), key

    before, seen = found(scenario), 0
    for path in leaves_of(tree):
        node = keys.find(path, scenario.assay) or {}
        if path[0] == "assay" or path == ("format",):
            continue  # one value only
        changed = deepcopy(tree)
        parent = dig(changed, path[:-1])
        parent[path[-1]] = another(parent[path[-1]], node)
        try:
            other = LatticeScenario.model_validate(changed)
        except ValueError:
            continue  # names that must be known, such as those of assays
        after = found(other)
        if other == scenario:
            continue  # one value only
        differs = tuple(one != two for one, two in zip(before, after, strict=True))
        assert differs == expected(".".join(map(str, path))), path
        seen += 1
    assert seen > 40


def test_every_key_of_the_schema_has_a_row_in_the_table() -> None:
    for path in keys.leaves():
        if path not in (("format",), ("assay",)):
            expected(".".join(path))


# -- every data file ------------------------------------------------------------------------------

NUMBER = re.compile(r"^(\S+) = \{value = (-?[\d.]+(?:e[-+]?\d+)?)(?=[,}])", re.MULTILINE)
SPECIES = {"human": "human_12mg", "rat": "rat_oral", "dog": "dog_oral"}
FILES = sorted(
    path.relative_to(data.FOLDER).as_posix()
    for path in data.FOLDER.glob("*/*.toml")
    if NUMBER.search(path.read_text()) and path.stem != "mouse"  # which no shipped drug has
)
UNDECIDED = {
    "ea_hy926", "huvec",  # unharmed_up_to_nM of a drug, which the windows of a panel show
    "dose_mg", "every_h", "accumulation", "cmax_ng_ml", "trough_ng_ml", "terminal_half_life_h",
}  # fmt: skip
"""Numbers of data files that decide no run: what others reported, to compare with."""


def users(file: str) -> list[tuple[str, dict[str, Any]]]:
    """Scenarios that read a data file: name and settings."""
    kind, name = file.removesuffix(".toml").split("/")
    pk = [(base, {"drug.name": name, "drug.species": own}) for own, base in SPECIES.items()]
    bodies = [(base, settings | {"drug.pk_set": pk_set}) for base, settings in pk
              for pk_set in data.read("drugs", name).get("pk", {}).get(settings["drug.species"], {})
              ] if kind == "drugs" else []  # fmt: skip
    sets = data.read("drugs", name)["potency"] if kind == "drugs" else ()
    return {
        "drugs": [
            *(("tube_formation_anlotinib", {"drug.name": name, "drug.potency": one})
              for one in sets), *bodies,
        ],
        "species": [(SPECIES[name], {})] if name in SPECIES else [],
        "lines": [(assay, {"cells.line": name}) for assay in ("tube_formation", "viability")],
        "substrates": [("tube_formation", {"domain.substrate": name})],
        "ligands": [("tube_formation", {}), ("chemotaxis", {"setup.ligand": name})],
        "receptors": [("tube_formation", {})],
        "model": [("tube_formation", {"engine.sensing": sensing})
                  for sensing in ("occupancy", "concentration")] + [("viability", {}),
                                                                    ("sprouting", {})],
    }[kind]  # fmt: skip


def loaded(of: list[tuple[str, dict[str, Any]]]) -> list[Scenario]:
    """Those of them that are valid."""
    found = []
    for base, settings in of:
        try:
            found.append(load(base, settings))
        except InputError:
            continue
    return found


def changes(file: str) -> Iterator[tuple[str, str, str]]:
    """Each number of a data file: its key, the text, and the text with another number."""
    text = (data.FOLDER / file).read_text()
    for found in NUMBER.finditer(text):
        number = float(found[2])
        for other in (f"{0.99 * number or 1e-3:.6g}", f"{number + 1:.0f}", f"{number / 2:g}"):
            start, end = found.span(2)
            yield found[1], text, text[:start] + other + text[end:]


def check_each_number(file: str, corrected: Any, most: int) -> int:
    """Change numbers of a file, one at a time; return how many decide something."""
    before = loaded(users(file))
    hashes, written = [scenario_hash(one) for one in before], [dump(one) for one in before]
    decided: dict[str, bool] = {}
    for key, text, changed in list(changes(file)):
        if decided.get(key) or sum(decided.values()) >= most:
            continue
        corrected(file, text, changed)
        again = [load(tomllib.loads(one)) for one in written]
        assert again == before, f"{file}, {key}: a resolved scenario has changed"
        anew = [scenario_hash(one) for one in loaded(users(file))]
        decided[key] = anew != hashes  # one that is not valid any more has changed, too
        corrected(file, changed, text)
    unseen = {key for key, seen in decided.items() if not seen} - UNDECIDED
    assert most == 1 or not unseen, unseen
    return sum(decided.values())


@pytest.mark.parametrize("file", FILES)
def test_a_change_of_a_data_file_reaches_new_scenarios_alone(file: str, corrected: Any) -> None:
    """The resolved scenario stays as it is, and the hash of one that is resolved anew changes."""
    assert check_each_number(file, corrected, most=1) == 1


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_the_hash_sees_every_number_that_decides(file: str, corrected: Any) -> None:
    assert check_each_number(file, corrected, most=10_000) > 0
