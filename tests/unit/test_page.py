"""Pictures for papers: widths, words that do not collide, formats, and files that are not lost."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_figures import DRAWINGS, calibration, courses, morris, pk, result
from made_runs import make_result
from marks import slow
from matplotlib.axis import Axis
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from tiny_runs import TINY
from typer.testing import CliRunner

import sim
from sim.cli.main import app
from sim.runs.result import Result
from sim.view import style
from sim.view.draw import draw
from sim.view.run.network import draw_network
from sim.view.study.courses import draw_courses

MM = 25.4


def written(figure: Figure) -> list[tuple[str, Bbox]]:
    """All words that can be seen on a figure, and where they are."""
    figure.draw_without_rendering()
    hidden: set[int] = set()
    for axis in figure.findobj(Axis):
        assert isinstance(axis, Axis)
        low, high = sorted(axis.get_view_interval())
        reach = 1e-9 * max(abs(low), abs(high))
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            there = low - reach <= tick.get_loc() <= high + reach
            if not (there and axis.axes.axison and axis.axes.get_visible()):
                hidden |= {id(tick.label1), id(tick.label2)}
    found = []
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        box = text.get_window_extent()
        if text.get_visible() and text.get_text().strip() and box.width and id(text) not in hidden:
            found.append((text.get_text(), box))
    return found


def collisions(figure: Figure) -> list[tuple[str, ...]]:
    """Words that leave the figure or lie on others by more than a pixel."""
    words, page = written(figure), figure.bbox.padded(0.5)
    off = [(text,) for text, box in words if Bbox.union([box, page]).size.max() > page.size.max()]  # type: ignore[attr-defined]
    signs = {"+", "−", "±"}  # beside points that may be anywhere
    return off + [
        (text, other)
        for (text, box), (other, beside) in itertools.combinations(words, 2)
        if (both := Bbox.intersection(box.padded(-0.5), beside.padded(-0.5))) is not None
        and both.width > 0 < both.height
        and not {text, other} <= signs
    ]


@pytest.mark.parametrize("width_mm", [89, slow(180)])
@pytest.mark.parametrize("name", DRAWINGS)
def test_no_words_collide_or_leave_a_picture_in_a_paper(name: str, width_mm: float) -> None:
    with style.on_page(style.Page(width_mm)):
        figure = DRAWINGS[name]()
    assert figure.get_size_inches()[0] * MM == pytest.approx(width_mm)
    assert collisions(figure) == []
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]  # type: ignore[attr-defined]
    assert min(sizes) >= 5.5 and max(sizes) < 12


def test_titles_can_be_left_out() -> None:
    figure = draw(result(), width_mm=89, title=False)
    assert not figure.get_suptitle() and not figure.get_supxlabel()
    assert not any("VEGF 50 ng/mL" in text for text, _ in written(figure))
    assert draw(result(), width_mm=89).get_suptitle()


def test_cells_can_be_shown_without_the_skeleton() -> None:
    def drawn(figure: Figure) -> set[str]:
        return {str(child.get_gid()) for child in figure.axes[0].get_children()}

    skeleton = {"skeleton", "junctions", "ends"}
    assert skeleton <= drawn(draw(result()))
    assert not skeleton & drawn(draw(result(), skeleton=False))


def test_a_line_over_the_cells_leaves_them_to_be_seen() -> None:
    """A cord of one cell is 4 sites wide at least; the line takes less than half of it."""
    for width_mm in (89, 180, 400):
        figure = draw(result(), width_mm=width_mm)
        figure.draw_without_rendering()
        ax = figure.axes[0]
        (line,) = [one for one in ax.lines if one.get_gid() == "skeleton"]
        site = ax.get_window_extent().width / 120 * 72 / figure.dpi
        assert line.get_linewidth() < 0.5 * 4 * site and not line.get_path_effects()


def test_neither_scale_bar_nor_legend_covers_the_map() -> None:
    for width_mm in (89, 180):
        figure = draw(result(), width_mm=width_mm)
        figure.draw_without_rendering()
        ax = figure.axes[0]
        (bar,) = [child for child in ax.get_children() if child.get_gid() == "scale-bar"]
        legend = ax.get_legend()
        assert legend is not None
        for box in (bar.get_window_extent(), legend.get_window_extent()):
            assert box.y1 <= ax.bbox.y0 + 0.5
        assert legend.get_window_extent().x1 < bar.get_window_extent().x0


def test_further_types_of_cells_have_names_and_colours() -> None:
    made = make_result()
    count = len(made.final["cell_drive"])
    made.final["cell_type"] = np.ones(count, int)
    made.final["cell_type"][5:20], made.final["cell_type"][20:30] = 2, 3
    made.scenario.types = {"pericyte": SimpleNamespace(), "fibroblast": SimpleNamespace()}
    legend = draw_network(made).axes[0].get_legend()
    assert legend is not None
    colours = {
        text.get_text(): to_hex(patch.get_facecolor())  # type: ignore[attr-defined]
        for text, patch in zip(legend.get_texts(), legend.get_patches(), strict=False)
    }
    assert colours == {"pericyte": style.ORANGE.lower(), "fibroblast": style.PURPLE.lower()}


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_colour_bars_stay_in_the_place_of_the_axes_of_a_user(layout: Any) -> None:
    figure = Figure(figsize=(7, 7), layout=layout)
    axes = figure.subplots(2, 2)
    for ax in axes.ravel()[1:]:
        ax.plot([0, 1])
    place = axes[0, 0].get_subplotspec().get_position(figure).transformed(figure.transSubfigure)
    draw(result(), ax=axes[0, 0], title=False)
    figure.draw_without_rendering()
    edge = axes[0, 1].get_tightbbox().x0
    for ax in [ax for ax in figure.axes if ax not in axes.ravel()]:
        assert ax.get_tightbbox().x1 <= (edge if layout else place.x1 + 3)
    assert not any(axes[0, 0].get_tightbbox().overlaps(one.get_tightbbox()) for one in axes[:, 1])


@pytest.mark.parametrize("later", ["tight", "constrained"])
def test_colour_bars_stay_beside_the_map_in_a_later_layout(later: Any) -> None:
    figure = Figure(figsize=(7, 4))
    ax, _ = figure.subplots(1, 2)
    draw(result(), ax=ax, title=False)
    figure.set_layout_engine(later)
    figure.draw_without_rendering()
    (strip,) = [one for one in figure.axes if one not in (ax, _)]
    assert strip.bbox.x0 >= ax.bbox.x1


@pytest.mark.parametrize("size_in", [slow((7.1, 3.4)), (7.1, 3.0), slow((5, 4)), (3.5, 4)])
def test_words_around_a_map_have_room_in_a_figure_of_a_user(size_in: tuple[float, float]) -> None:
    figure = Figure(figsize=size_in, layout="constrained")
    for ax in figure.subplots(1, 2):
        draw(result(), ax=ax, title=False)
    assert collisions(figure) == []
    figure = Figure(figsize=size_in)
    draw(result(), fig=figure)
    assert collisions(figure) == []


def test_what_takes_several_panels_is_not_drawn_into_axes() -> None:
    ax = Figure().subplots()
    for thing in (pk(), courses(), morris(), calibration()):
        with pytest.raises(TypeError, match="several panels: give fig="):
            draw(thing, ax=ax)
    assert not ax.lines


def test_lines_of_courses_are_the_means() -> None:
    found = courses()
    figure = draw_courses(found)
    for place, name in enumerate(found.readouts):
        for ax, arms in zip(figure.axes[2 * place :], found.columns.values(), strict=False):
            for line, arm in zip(ax.lines, arms, strict=True):
                np.testing.assert_allclose(line.get_ydata(), found.arms[arm][name].mean(axis=0))
    assert not any("mathdefault" in text for text, _ in written(figure))


def test_of_many_parameters_those_of_most_effect_are_named() -> None:
    found = morris(arms=1)
    (indices,) = found.arms.values()
    one = indices.parameters["a.key"]
    indices.parameters.clear()
    for n in range(30):
        effect = {f"mu_star{end}": 1.0 + n + shift for end, shift in
                  (("", 0.0), ("_low", -0.5), ("_high", 0.5))}  # fmt: skip
        indices.parameters[f"key.number_{n}"] = one | effect
    figure = draw(found, width_mm=89)
    assert [pair for pair in collisions(figure) if len(pair) == 1] == []
    (legend,) = figure.findobj(Legend)
    words = [text.get_text() for text in legend.get_texts()]  # type: ignore[attr-defined]
    assert words[0] == "key.number_29" and "18 parameters of less effect" in words


# --- angiosim draw -------------------------------------------------------------------------------


def command(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "run"
    sim.run("tube_formation", TINY, out=folder)
    return folder


NAMES = {"network", "fields", "timeseries"}


@pytest.mark.parametrize("kind", [slow("png"), slow("pdf"), "svg"])
def test_a_run_is_drawn_again_in_every_format(run: Path, tmp_path: Path, kind: str) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    options = ("--to", kind, "--width-mm", 89, "--no-title", "--no-skeleton")
    for out in ("a", "b"):
        done = command("draw", run, *options, "--out", tmp_path / out)
        assert done.exit_code == 0, done.output
    names = {f"{name}.{kind}" for name in NAMES}
    assert {path.name for path in (tmp_path / "a").iterdir()} == names
    manifest = Result.open(run).manifest
    for name in names:
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        if kind == "png":
            with Image.open(tmp_path / "a" / name) as image:
                said = str(image.info)
                assert image.width == pytest.approx(89 / MM * 400, abs=1)
        else:
            said = content.decode("latin-1")
            assert not re.search(rb"CreationDate|<dc:date>", content)
        for word in (f"angiosim {manifest['version']}", manifest["scenario_hash"], "Seed"):
            assert word in said
    assert before == {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}


def test_no_picture_is_overwritten(run: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*.png")}
    done = command("draw", run)
    assert done.exit_code == 0
    new = {run / f"{name}-2.png" for name in NAMES}
    assert {Path(line) for line in done.stdout.split()} == new
    assert all(path.read_bytes() == content for path, content in before.items())
    for path in new:
        path.unlink()
    (tmp_path / "fields.png").write_bytes(b"mine")
    done = command("draw", run, "--out", tmp_path)
    assert done.exit_code == 2 and "fields.png exists, and existing files are never" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["fields.png"]
    with pytest.raises(sim.errors.FolderError, match=r"network\.png.*never overwritten"):
        Result.open(run).save_pictures(run)


def test_only_folders_of_results_are_drawn(tmp_path: Path) -> None:
    for folder, said in ((tmp_path, "contains no run, study"), (tmp_path / "a", "no such folder")):
        done = command("draw", folder)
        assert done.exit_code == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert command("draw", tmp_path, "--to", "jpg").exit_code == 2
    assert command("draw", tmp_path, "--width-mm", "3").exit_code == 2
