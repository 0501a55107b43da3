"""What older versions wrote still works: a scenario and a run folder kept of each of them.

``tests/compat/VERSION`` has ``tubes.toml`` as a user typed it, ``run`` and ``study``, without the
pictures. Studies are tested in ``test_study.py``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sim
from sim.errors import CheckpointError, ScenarioError
from sim.scenario.resolve import load

KEPT = Path(__file__).parents[1] / "compat"
VERSIONS = sorted(path.parent.name for path in KEPT.glob("*/run"))


@pytest.fixture(params=VERSIONS)
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of what a version wrote."""
    folder = tmp_path / "kept"
    shutil.copytree(KEPT / request.param, folder)
    return folder


def test_its_scenarios_are_valid(kept: Path, angiosim: Callable[..., Any]) -> None:
    for file in (kept / "tubes.toml", kept / "run" / "scenario.toml"):
        found = angiosim("validate", file)
        assert found.exit_code == 0, found.output
    assert angiosim("validate", kept / "study" / "study.toml").exit_code == 0


def test_its_run_reads_right(kept: Path) -> None:
    result = sim.Result.open(kept / "run")
    table = pd.read_csv(kept / "run" / "timeseries.csv")
    pd.testing.assert_frame_equal(result.timeseries, table, check_exact=True)
    assert result.summary["cells"] == 4
    assert list(result.frames) == table["mcs"].tolist()
    result.plot()


def test_its_written_scenario_gives_the_same_run(kept: Path) -> None:
    """All that is new since leaves what was written as it was, bit for bit on such a machine."""
    before = sim.Result.open(kept / "run")
    after = sim.run(before.scenario)
    assert set(before.final) <= set(after.final)
    for name, array in before.final.items():
        np.testing.assert_allclose(after.final[name], array, rtol=1e-9, err_msg=name)


def test_a_finished_run_is_opened_and_says_why_it_cannot_be_extended(kept: Path) -> None:
    """Runs of 0.2.0 have no checkpoints."""
    written = load(kept / "run" / "scenario.toml")
    files = {path: path.read_bytes() for path in (kept / "run").rglob("*") if path.is_file()}
    result = sim.run(written, out=kept / "run", resume=True)
    assert result.manifest["completed"]
    longer = load(written, {"time.duration_h": 0.3})
    with pytest.raises(CheckpointError, match="has no checkpoint, so this run cannot be extended"):
        sim.run(longer, out=kept / "run", resume=True)
    assert files == {path: path.read_bytes() for path in files}


def test_typed_strengths_say_how_to_keep_them() -> None:
    """Up to 0.2.0 cells compared concentrations: a file that gives mu of a ligand says so."""
    given = {"assay": "tube_formation", "engine": {"chemotaxis": {"VEGF": {"mu": 300}}}}
    with pytest.raises(ScenarioError, match=r"set engine\.sensing = 'concentration'"):
        load(given)
    load(given, {"engine.sensing": "concentration"})


def test_only_what_was_written_whole_is_read_as_old(
    workplace: Path, angiosim: Callable[..., Any]
) -> None:
    """The file of a drug is resolved before the rest: such a scenario is no old one."""
    assert angiosim("drug", "new", "mine").exit_code == 0
    scenario = load({"extends": "human_12mg", "drug": {"file": "mine.toml"}})
    assert scenario.engine.sensing == "occupancy"  # type: ignore[attr-defined]
