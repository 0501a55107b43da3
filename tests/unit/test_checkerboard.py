"""Two drugs in all pairs of doses: expectations, limits, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from marks import slow
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.errors import InputError
from sim.fits.checkerboard import MODELS, expected

FIRST, SECOND = np.array([0.0, 1, 2, 4, 8, 16]), np.array([0.0, 0.5, 1, 2, 4])
A, B = np.meshgrid(FIRST, SECOND, indexing="ij")


def hill(dose: Any, half: float, slope: float = 1.0, most: float = 1.0) -> Any:
    return most * dose**slope / (half**slope + dose**slope)


INDEPENDENT = 1 - (1 - hill(A, 4)) * (1 - hill(B, 1))
SAME = hill(A + 4 * B, 4, 1.5)
"""A drug with itself, four times as potent."""


def table(inhibition: Any, plates: int = 4, noise: float = 0.02, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level = 100 * (1 + 0.1 * rng.normal(size=(plates, 1)))
    y = level * (1 - inhibition.ravel()) + 100 * noise * rng.normal(size=(plates, A.size))
    return pd.DataFrame({
        "a_nM": np.tile(A.ravel(), plates), "b_uM": np.tile(B.ravel(), plates), "y": y.ravel(),
        "plate": np.repeat(np.arange(plates), A.size),
    })  # fmt: skip


def test_surfaces_of_known_drugs_are_exact() -> None:
    """Bliss and ZIP of independent drugs, Loewe of a drug with itself: measured is expected."""
    found = expected(FIRST, SECOND, INDEPENDENT)
    assert found["bliss"] == pytest.approx(INDEPENDENT, abs=1e-12)
    assert found["zip"] == pytest.approx(INDEPENDENT, abs=1e-6)
    assert found["zip_fitted"] == pytest.approx(INDEPENDENT, abs=1e-3)
    assert found["hsa"] == pytest.approx(np.maximum(hill(A, 4), hill(B, 1)))
    assert expected(FIRST, SECOND, SAME)["loewe"] == pytest.approx(SAME, abs=1e-6)
    weak = hill(A, 4, most=0.4) + 0 * B  # the second does nothing
    found = expected(FIRST, SECOND, weak)
    assert found["loewe"] == pytest.approx(weak, abs=1e-6)


def test_a_drug_with_a_small_effect_leaves_loewe_undefined_beyond_it() -> None:
    both = 1 - (1 - hill(A, 4, most=0.6)) * (1 - hill(B, 1))
    loewe = expected(FIRST, SECOND, both)["loewe"]
    assert np.isnan(loewe[5, 4]) and np.isfinite(loewe[1, 1])


@pytest.mark.parametrize("replicate", ["plate", slow(None)])
def test_excess_is_found_with_limits(replicate: str | None) -> None:
    """Synergy of 0.15 over independence; without it, none."""
    more = np.clip(INDEPENDENT + 0.15 * (A > 0) * (B > 0) * (INDEPENDENT < 0.8), 0, 1)
    inner = (more - INDEPENDENT)[1:, 1:].mean()
    for truth, here in ((INDEPENDENT, 0.0), (more, inner)):
        found = sim.checkerboard(table(truth), ["a_nM", "b_uM"], "y", replicate=replicate)
        value, low, high = found.scores["bliss"]
        assert low < here < high and high - low < (0.04 if replicate else 0.12)
        assert value == pytest.approx(here, abs=0.02)
        assert (found.scores["zip"][1] > 0) == (here > 0)
    assert found.drugs == ("a", "b") and found.units == ("nM", "uM") and not found.failed


@pytest.mark.slow
def test_limits_hold_for_single_pairs() -> None:
    """Of independent drugs, 95 % of the limits of the excess over Bliss hold 0."""
    inside = []
    for seed in range(40):
        data = table(INDEPENDENT, seed=seed)
        found = sim.checkerboard(data, ["a_nM", "b_uM"], "y", replicate="plate")
        _, low, high = found.found["bliss_excess"][:, 1:, 1:]
        inside.append((low <= 0) & (high >= 0))
    assert 0.90 < np.mean(inside) < 0.99


def test_neither_order_nor_negative_controls_nor_plates_matter_where_they_should_not() -> None:
    data = table(SAME, noise=0.0)
    first = sim.checkerboard(data, ["a_nM", "b_uM"], "y", replicate="plate")
    other = data.sample(frac=1, random_state=2)
    assert sim.checkerboard(other, ["a_nM", "b_uM"], "y", replicate="plate").rows() == first.rows()
    wells = pd.DataFrame({"y": [50.0] * 4, "plate": range(4), "what": "negative"})
    moved = pd.concat([data.assign(y=data["y"] + 50.0), wells])
    second = sim.checkerboard(moved, ["a_nM", "b_uM"], "y", replicate="plate", control="what")
    assert second.found["inhibition"] == pytest.approx(first.found["inhibition"], abs=1e-9)


def test_a_plate_without_its_control_is_left_out_and_reported() -> None:
    """Limits are those of the plates that are left, as if it had never been there."""
    data = table(INDEPENDENT)
    lacking = data[(data["plate"] != 2) | (data["a_nM"] > 0) | (data["b_uM"] > 0)]
    names = ["a_nM", "b_uM"]
    found = sim.checkerboard(lacking, names, "y", replicate="plate")
    three = sim.checkerboard(data[data["plate"] != 2], names, "y", replicate="plate")
    assert found.rows() == three.rows()
    assert found.scores["bliss"].tolist() == three.scores["bliss"].tolist()
    assert found.notes == ("no control in replicate 2: left out",) and not three.notes
    with pytest.raises(InputError, match="replicate = 'plate': no replicate has a value at both"):
        none = data[(data["a_nM"] > 0) | (data["b_uM"] > 0)]
        sim.checkerboard(none, names, "y", replicate="plate")


def test_inhibitions_are_fractions_not_percent() -> None:
    data = table(INDEPENDENT)
    data["y"] = 1 - data["y"] / 100
    names = ["a_nM", "b_uM"]
    found = sim.checkerboard(data, names, "y", replicate="plate", inhibition=True)
    assert found.scores["bliss"][0] == pytest.approx(0, abs=0.02)
    with pytest.raises(InputError, match="if these are percent, divide by 100"):
        percent = data.assign(y=100 * data["y"])
        sim.checkerboard(percent, ["a_nM", "b_uM"], "y", inhibition=True)
    with pytest.raises(InputError, match="--inhibition"):
        none = table(INDEPENDENT, noise=0.0)
        sim.checkerboard(none.assign(y=100 - none["y"] * 0 - 100), ["a_nM", "b_uM"], "y")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t[t["b_uM"] > 0], "b_uM: must have 0 and at least 3 other doses"),
        (lambda t: t[(t["b_uM"] > 0) | (t["a_nM"] != 4)], "each of its doses must be there with 0"),
        (lambda t: t.assign(a_nM=np.log10(t["a_nM"] + 0.1)), "if these are logarithms"),
        (lambda t: t.assign(a_nM=t["a_nM"].where(t.index != 3)), "but not both doses"),
        (lambda t: t.rename(columns={"y": "z"}), "response = 'y': no such column"),
    ],
)
def test_what_cannot_be_compared_is_refused(change: Any, words: str) -> None:
    with pytest.raises(InputError) as found:
        sim.checkerboard(change(table(INDEPENDENT)), ["a_nM", "b_uM"], "y")
    assert words in str(found.value)


def test_the_command_leaves_json_table_and_picture(tmp_path: Path) -> None:
    file = tmp_path / "board.csv"
    table(INDEPENDENT, plates=2).to_csv(file, index=False)
    words = ["fit", str(file), "--dose", "a_nM", "--dose", "b_uM"]
    result = CliRunner().invoke(app, [*words, "--response", "y", "--replicate", "plate"])
    assert result.exit_code == 0, result.output
    assert all(model in result.stdout for model in MODELS)
    folder = tmp_path / "board-fit"
    assert {path.suffix for path in folder.iterdir()} == {".json", ".csv", ".png"}
    written = json.loads((folder / "checkerboard.json").read_text())
    assert set(written["scores"]) == set(MODELS) and len(written["bliss_excess_low"]) == 6
    rows = pd.read_csv(folder / "checkerboard.csv")
    assert len(rows) == A.size and list(rows)[:3] == ["dose_1_nM", "dose_2_uM", "values"]
    assert CliRunner().invoke(app, [*words, "--by", "plate"]).exit_code == 2


def test_a_report_shows_it(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    sim.checkerboard(table(INDEPENDENT, plates=2), dose=["a_nM", "b_uM"], response="y").write(
        tmp_path
    )
    page = sim.report(tmp_path).read_text()
    assert "checkerboard of two drugs" in page.lower() and "data:image/png" in page
