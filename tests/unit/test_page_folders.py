"""Studies, calibrations and designs are drawn again from their folders, and nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fake_runs
import pytest
from matplotlib.figure import Figure
from tiny_runs import FIT, STUDY
from typer.testing import CliRunner

import sim
from sim.analysis.write import write_analysis
from sim.calibration.calibrate import calibrate
from sim.calibration.file import plan_calibration
from sim.cli.main import app
from sim.errors import InputError
from sim.studies.file import plan_study
from sim.studies.plan import Plan
from sim.studies.sweep import SweepOptions, sweep
from sim.view.draw import draw
from sim.view.folder import pictures_of


def command(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def drawn(folder: Path, out: Path) -> set[str]:
    """What is drawn of a folder, which stays as it is."""
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    done = command("draw", folder, "--to", "svg", "--width-mm", 89, "--out", out)
    assert done.exit_code == 0, done.output
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for path in out.iterdir():
        text = path.read_text()
        assert "Scenario-Hash" in text and "Seed 1" in text and "angiosim" in text
    return {path.name for path in out.iterdir()}


def lengths(base: dict[str, Any], task: Any) -> dict[str, float]:
    dose = task.settings["drug.free_nM"]
    return {"tube_length_mm": 5 + 9 / (1 + dose) + task.seed % 97 / 500}


def made(tree: dict[str, Any], out: Path | None, **options: Any) -> sim.Study:
    plan: Plan = plan_study({**STUDY, **tree})
    return sweep(
        plan, fake_runs.Here(plan, lengths), out, SweepOptions(**options), analyse=write_analysis
    )


def test_a_study_is_drawn_again(tmp_path: Path) -> None:
    study = made({}, tmp_path / "study")
    assert drawn(tmp_path / "study", tmp_path / "out") == {"dose_response.svg"}
    own = Figure().subplots()
    assert study.plot(ax=own) is own.figure and own.get_xscale() == "log"
    words = draw(study, width_mm=89).axes[0].get_ylabel()
    assert words == "network length (mm)"


def test_pictures_of_a_study_have_the_version_of_its_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made({}, tmp_path / "study")
    older = property(lambda _: [({"angiosim": "0.0.9"}, 4)])
    monkeypatch.setattr(sim.Study, "environments", older)
    drawings, marks = pictures_of(tmp_path / "study")
    assert marks.metadata("png")["Software"] == "angiosim 0.0.9"
    (draw_one,) = drawings.values()
    assert "runs by angiosim 0.0.9" in " ".join(draw_one().get_supxlabel().split())


def test_a_study_without_pictures_says_why(tmp_path: Path) -> None:
    plain = {"dose_response": {}}
    study = made(plain, tmp_path / "plain")
    with pytest.raises(InputError, match="nothing to draw"):
        study.plot()
    done = command("draw", tmp_path / "plain")
    assert done.exit_code == 2 and "asks for no analysis that is drawn" in done.stderr
    made({}, tmp_path / "shard", shard=(1, 2))
    done = command("draw", tmp_path / "shard")
    assert done.exit_code == 2 and "shard" in done.stderr


def fitted(base: dict[str, Any], task: Any) -> dict[str, float]:
    length = 1.0 + (task.settings["engine.contact_energy.cell_cell"] - 8) / 10
    return {"tube_length_mm": length, "tube_length_mm@0": length}


def test_a_calibration_is_drawn_again(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="calibration is an extra")
    plan, folder = plan_calibration(FIT), tmp_path / "fit"
    calibrate(plan, fake_runs.Here(plan, fitted), folder)  # type: ignore[arg-type]
    assert drawn(folder, tmp_path / "out") == {"objective.svg", "profile.svg", "fit.svg"}
    text = (folder / "calibration.toml").read_text()
    (folder / "calibration.toml").write_text(text.replace("trials = 4", "trials = 9"))
    done = command("draw", folder, "--out", tmp_path / "more")
    assert done.exit_code == 2 and "of its runs are missing" in done.stderr
    assert not (tmp_path / "more").exists()


def test_a_design_is_drawn_again(tmp_path: Path) -> None:
    sim.design({
        "base": "human_12mg", "subjects": 5,
        "target": [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.4}],
        "vary": {"drug.regimen.dose_mg": {"low": 1, "high": 60}},
    }, out=tmp_path / "design")  # fmt: skip
    assert drawn(tmp_path / "design", tmp_path / "out") == {"design.svg"}


def test_the_plot_of_pk_has_a_width(tmp_path: Path) -> None:
    file = tmp_path / "pk.svg"
    done = command("pk", "rat_oral", "--plot", file, "--width-mm", 89, "--no-title")
    assert done.exit_code == 0, done.output
    assert f'width="{89 / 25.4 * 72:.3f}'[:12] in file.read_text()
    done = command("pk", "rat_oral", "--width-mm", 89)
    assert done.exit_code == 2 and "--plot" in done.stderr


@pytest.mark.parametrize(
    ("file", "kind"),
    [("plate.json", "plate"), ("fit.json", "fit"), ("nca.json", "analysis of samples")],
)
def test_data_of_a_user_are_not_drawn_again_and_named(tmp_path: Path, file: str, kind: str) -> None:
    (tmp_path / file).write_text("{}")
    done = command("draw", tmp_path)
    assert done.exit_code == 2
    assert f"this {kind} has no picture" in " ".join(done.stderr.split())
