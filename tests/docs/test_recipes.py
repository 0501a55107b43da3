"""What CONTRIBUTING says of how to add something is all that is needed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import forget

import sim.assays
from sim.assays import default_assay, readout, responses
from sim.assays.declare import Readout
from sim.assays.tube_formation.measure import measure
from sim.studies.file import plan_study

TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
MEDIUM, BODY = re.findall(
    r"```toml\n(.*?)```", TEXT.partition("### a drug\n")[2].partition("\n### ")[0], re.DOTALL
)
SMALL = """
domain.size_um = [100, 100]
cells.count = 3
time.duration_h = "1 min"
time.record_every_h = "1 min"
"""


@pytest.fixture
def drug(own_data: Path) -> Path:
    """The file of a drug that is only given in a medium."""
    file = own_data / "drugs" / "mine.toml"
    file.write_text(MEDIUM)
    return file


def test_a_drug_is_one_file(drug: Path, workplace: Path, angiosim: Any) -> None:
    Path("a.toml").write_text(f'drug = {{name = "mine", free_nM = 25}}\n{SMALL}')
    assert angiosim("validate", "a.toml").exit_code == 0
    assert "potency.author2020.PDGFRB.ic50_nM = 25 nM" in angiosim("describe", "mine").stdout
    done = angiosim("run", "a.toml", "--out", "out", "--quiet")
    assert done.exit_code == 0, done.stderr
    last = Path("out/timeseries.csv").read_text().splitlines()
    row = dict(zip(last[0].split(","), last[-1].split(","), strict=True))
    assert float(row["inhibition_PDGFRB"]) == pytest.approx(0.5)
    assert float(row["inhibition_VEGFR2"]) == pytest.approx(25 / 35)


def test_a_drug_for_a_body_says_how_it_moves_there(
    drug: Path, workplace: Path, angiosim: Any
) -> None:
    Path("a.toml").write_text('extends = "human_12mg"\ndrug.name = "mine"\n')
    refused = angiosim("validate", "a.toml")
    assert refused.exit_code == 2
    assert "drug.name = 'mine': has no pharmacokinetics in its data file" in refused.stderr
    drug.write_text(MEDIUM + BODY)
    forget()
    assert angiosim("validate", "a.toml").exit_code == 0
    found = json.loads(angiosim("pk", "a.toml", "--json").stdout)
    assert found["drug"] == "mine"
    # 12 mg of 500 g/mol a day at 10 L/h: AUC 2400 nM h
    assert found["windows"]["first cycle"]["auc_nM_h"] == pytest.approx(14 * 2400, rel=0.01)


@pytest.fixture
def outline(monkeypatch: pytest.MonkeyPatch) -> Iterator[Readout]:
    """A read-out in the declaration and the `measure` of tube formation, and nowhere else."""

    def measured(tissue: Any, memory: Any, scenario: Any) -> Mapping[str, float]:
        return {**measure(tissue, memory, scenario), "outline_mm": 1.5}

    new = Readout("outline_mm", "outline", "mm", "border between cells and gaps")
    one = default_assay()
    one = replace(one, readouts=(*one.readouts, new), measure="measured_here:measured")
    monkeypatch.setitem(sys.modules, "measured_here", SimpleNamespace(measured=measured))
    forget()
    monkeypatch.setattr(sim.assays, "_own", lambda: (one,))
    yield new
    monkeypatch.undo()
    forget()


def test_a_readout_is_named_once(outline: Readout, angiosim: Any) -> None:
    small = {"domain.size_um": [100, 100], "cells.count": 3, "time.duration_h": "1 min"}
    assert sim.run("tube_formation", small).summary["outline_mm"] == 1.5
    assert readout("outline_mm").label == "outline (mm)"
    assert "outline_mm" in responses()
    assert "border between cells and gaps" in angiosim("describe", "outline_mm").stdout
    study = {
        "base": "tube_formation_anlotinib",
        "grid": {"drug.free_nM": [0, 5]},
        "dose_response": {"dose": "drug.free_nM", "responses": ["outline_mm"]},
    }
    assert plan_study(study).dose_response["responses"] == ["outline_mm"]
