"""Pictures: what stands on them, what they survive, and that the same run gives the same bytes."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from made_runs import make_result
from marks import slow
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image
from scipy.spatial import cKDTree

from sim.assays.tube_formation.measure import network_of
from sim.errors import PictureWarning
from sim.view import style
from sim.view.lines import smooth_lines
from sim.view.run import fields, frame, network, pictures, timeseries


def words(figure: Figure) -> str:
    """Return all text on a figure."""
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def with_gid(ax: Axes, gid: str) -> list[Any]:
    return [child for child in ax.get_children() if child.get_gid() == gid]


# --- the network -----------------------------------------------------------------------------


def test_network_says_what_it_shows() -> None:
    figure = network.draw_network(make_result())
    ax, text = figure.axes[0], words(figure)
    assert "Tube formation after 6 h" in text and "tube_formation_anlotinib" in text
    assert "VEGF 50 ng/mL · anlotinib 5.6 nM unbound" in text
    assert "FGF2" not in text
    assert "t = 6.0 h (720 MCS) · seed 1 · angiosim 0.1.0" in text
    short = make_result()
    short.timeseries.loc[short.timeseries.index[-1], "time_h"] = 1 / 30
    assert "t = 0.03 h (720 MCS)" in words(network.draw_network(short))
    assert "drive (0-1)" in text and "skeleton\njunctions\nends" in text
    assert "50 µm" in text
    assert len(with_gid(ax, "scale-bar")) == 1


def test_network_keeps_the_orientation_of_the_array() -> None:
    cells = np.zeros((60, 40), dtype=np.int32)
    cells[5:15, 5:35] = 1
    ax = network.draw_network(make_result(cells=cells, fields=False)).axes[0]
    assert ax.get_xlim() == (0, 80)
    assert ax.get_ylim() == (120, 0)
    image = np.asarray(ax.images[0].get_array())
    gap = np.array(mpl.colors.to_rgb(style.GAP), dtype=np.float32)
    factor = image.shape[0] // 60
    assert (image[10 * factor, 20 * factor, :3] != gap).any()
    assert (image[50 * factor, 20 * factor, :3] == gap).all()


def test_network_colours_cells_by_number_without_signalling() -> None:
    result = make_result(signalling=False, free_nM=0, VEGF=0)
    del result.final["cell_drive"]
    figure = network.draw_network(result)
    assert "drive" not in words(figure)
    assert "ng/mL" not in words(figure)
    colours = np.unique(np.asarray(figure.axes[0].images[0].get_array()).reshape(-1, 4), axis=0)
    soft = {tuple(np.array(mpl.colors.to_rgba(c), np.float32)) for c in style.SOFT_CYCLE}
    assert soft & {tuple(colour) for colour in colours}


def test_network_without_drug_and_ligand() -> None:
    result = make_result(free_nM=0, VEGF=0)
    result.scenario.drug = None
    assert "no ligand, no drug" in words(network.draw_network(result))


def test_network_drawn_into_given_axes() -> None:
    figure = Figure(figsize=(3, 3))
    ax = figure.add_subplot()
    assert network.draw_network(make_result(), ax=ax) is figure
    assert ax.images and "Tube formation after 6 h" in ax.get_title("left")
    figure.savefig(io.BytesIO())


def segments(line: Line2D) -> np.ndarray[Any, Any]:
    """Ends (n, 2, 2) of the pieces of a broken line."""
    return np.asarray(line.get_xydata()).reshape(-1, 3, 2)[:, :2]


@pytest.mark.parametrize("boundary", ["walls", "periodic"])
@pytest.mark.parametrize("count", [0, 1])
def test_network_with_no_cell_or_one(boundary: str, count: int) -> None:
    cells = np.zeros((50, 50), dtype=np.int32)
    cells[10:20, 10:20] = count
    figure = network.draw_network(make_result(cells=cells, boundary=boundary))
    assert sum(len(segments(line)) for line in with_gid(figure.axes[0], "skeleton")) == 0
    figure.canvas.draw()


def test_names_are_shown_as_written() -> None:
    figure = network.draw_network(make_result(name="costs $5\nand $x_2^"))
    assert "costs $5 and $x_2^" in words(figure)
    figure.canvas.draw()


# --- cells and skeleton ----------------------------------------------------------------------


def naive_magnify(cell_id: np.ndarray[Any, Any], factor: int, mode: Any) -> Any:
    padded = np.pad(cell_id, 1, mode=mode)
    out = np.zeros(np.array(cell_id.shape) * factor, dtype=cell_id.dtype)
    for y, x in np.ndindex(out.shape):
        votes: dict[int, int] = {}
        for dy, dx in sorted(np.ndindex(3, 3), key=lambda p: p != (1, 1)):
            weight = 1
            for sub, step in ((y % factor, dy), (x % factor, dx)):
                u = 2 * sub + 1 - factor
                weight *= ((factor - u) ** 2, 6 * factor**2 - 2 * u**2, (factor + u) ** 2)[step]
            cell = int(padded[y // factor + dy, x // factor + dx])
            votes[cell] = votes.get(cell, 0) + weight
        out[y, x] = max(votes, key=lambda cell: votes[cell])
    return out


@pytest.mark.parametrize(("periodic", "mode"), [(False, "edge"), (True, "wrap")])
@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_magnify_agrees_with_a_plain_vote(factor: int, periodic: bool, mode: str) -> None:
    cells = np.random.default_rng(3).integers(0, 4, size=(9, 11)).astype(np.int32)
    large = frame.magnify(cells, factor, periodic)
    np.testing.assert_array_equal(
        large, naive_magnify(cells, factor, mode) if factor > 1 else cells
    )


def row(width: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Places half a site apart along row 3, and the links between them and over the border."""
    along = np.arange(2 * width)
    places = np.stack([np.full(2 * width, 3.0), along / 2], axis=1)
    return places, np.stack([along, np.roll(along, -1)], axis=1)


def test_smooth_lines_over_a_periodic_border_come_twice() -> None:
    places, links = row(10)
    assert len(smooth_lines(places, links[:-1], (6, 10))) == 19
    lines = smooth_lines(places, links, (6, 10))
    assert len(lines) == 21
    np.testing.assert_allclose(np.abs(np.diff(lines, axis=1)).max(axis=(1, 2)), 0.5)
    assert lines[..., 1].min() == -0.5
    assert lines[..., 1].max() == 10


@pytest.mark.parametrize("boundary", ["walls", "periodic"])
def test_the_line_drawn_is_the_skeleton_measured(boundary: str) -> None:
    y, x = np.mgrid[:60, :60]
    cells = (np.abs((y - x + 30) % 60 - 30) < 6).astype(np.int32)  # on a torus it goes round
    result = make_result(cells=cells, boundary=boundary)
    (line,) = with_gid(network.draw_network(result).axes[0], "skeleton")
    drawn = segments(line)
    found = network_of(cells, result.scenario)
    across = np.abs(np.diff(found.skeleton_yx[found.skeleton_links], axis=1)).max((1, 2)) > 1
    assert bool(across.any()) == (boundary == "periodic")
    assert len(drawn) == len(found.skeleton_links) + across.sum() > 60
    spacing = float(result.scenario.domain.spacing_um)
    points = np.concatenate(drawn)[:, ::-1] / spacing - 0.5
    assert cKDTree(found.skeleton_yx).query(points)[0].max() < 1


@pytest.mark.parametrize(
    ("limit", "length"), [(1, 1), (200, 200), (199, 100), (75, 50), (0.3, 0.2), (1999, 1000)]
)
def test_nice_length(limit: float, length: float) -> None:
    assert style.nice_length(limit) == pytest.approx(length)


# --- fields ----------------------------------------------------------------------------------


def test_fields_have_units_and_their_own_spacing() -> None:
    result = make_result()
    figure = fields.draw_fields(result)
    axes = [ax for ax in figure.axes if ax.images]
    assert len(axes) == 2
    text = words(figure)
    for word in ("VEGF", "cue", "ng/mL", "arbitrary units", "t = 6.0 h (720 MCS)", "50 µm"):
        assert word in text
    assert np.asarray(axes[0].images[0].get_array()).shape == (24, 24)
    assert axes[0].images[0].get_extent() == [0, 240, 240, 0]
    assert axes[1].images[0].get_extent() == [0, 240, 240, 0]


def test_a_field_that_hardly_varies_says_so_and_shows_no_noise() -> None:
    assert fields._colour_limits(np.zeros((3, 3))) == (0, 1, "")
    assert fields._colour_limits(np.full((3, 3), np.nan)) == (0, 1, "")
    low, high, said = fields._colour_limits(50 + np.array([0.0, 0.25]))
    assert (low, high) == (pytest.approx(50.25 * 0.95), 50.25)
    assert said == "almost uniform: 50 to 50.25"
    *_, said = fields._colour_limits(np.array([49.9881, 49.9894]))
    assert said == "almost uniform: 49.988 to 49.989"  # digits that tell them apart
    *_, said = fields._colour_limits(np.array([50, np.nextafter(50, 51)]))
    assert len(set(said.removeprefix("almost uniform: ").split(" to "))) == 2
    assert fields._colour_limits(np.full((3, 3), 50.0)) == (47.5, 50, "uniform: 50")
    assert fields._colour_limits(np.array([2.0, 5.0])) == (2, 5, "")
    result = make_result()
    result.final["field_VEGF"][:] = 50.0
    assert "ng/mL; uniform" in words(fields.draw_fields(result))


def test_run_without_fields_has_no_field_picture(tmp_path: Path) -> None:
    result = make_result(fields=False)
    with pytest.raises(ValueError, match="no field"):
        fields.draw_fields(result)
    paths = pictures.save_pictures(result, tmp_path)
    assert [path.name for path in paths] == ["network.png", "timeseries.png"]


# --- time series -----------------------------------------------------------------------------


def test_timeseries_panels_and_units() -> None:
    figure = timeseries.draw_timeseries(make_result())
    axes = figure.axes
    assert [ax.get_ylabel() for ax in axes] == [
        "length (mm)", "number", "fraction (0-1)", "signal (0-1)", "unbound drug (nM)",
    ]  # fmt: skip
    assert axes[-1].get_xlabel() == "time (h)"
    text = words(figure)
    for word in (
        "network length",
        "total length",
        "meshes",
        "largest part",
        "VEGFR2 inhibited",
        "lin2018",
    ):
        assert word in text
    assert len({ax.get_xlim() for ax in axes}) == 1


def test_timeseries_without_drug_or_signalling() -> None:
    axes = timeseries.draw_timeseries(make_result(free_nM=0)).axes
    assert axes[-1].get_ylabel() == "signal (0-1)"
    figure = timeseries.draw_timeseries(make_result(free_nM=0, signalling=False))
    assert len(figure.axes) == 3
    assert "inhibited" not in words(figure)


def test_timeseries_of_a_single_record() -> None:
    figure = timeseries.draw_timeseries(make_result(records=1))
    assert all(line.get_marker() == "o" for ax in figure.axes for line in ax.lines)
    figure.canvas.draw()


def test_timeseries_with_missing_values_and_columns() -> None:
    result = make_result()
    result.timeseries["tube_length_mm"] = np.nan
    result.timeseries["total_length_mm"] = np.nan
    result.timeseries.loc[3, "mean_drive"] = np.nan
    result.timeseries = result.timeseries.drop(columns=["meshes", "junctions"])
    figure = timeseries.draw_timeseries(result)
    assert "number" not in [ax.get_ylabel() for ax in figure.axes]
    assert figure.axes[0].get_ylim() == (0, 1)
    figure.canvas.draw()


def test_labels_do_not_overlap() -> None:
    spread = timeseries._spread([0.0, 0.0, 0.01, 0.8], [0.1] * 4)
    assert spread == pytest.approx([0.0, 0.1, 0.2, 0.8])
    assert timeseries._spread([0.5, 0.52], [0.1, 0.1]) == pytest.approx([0.46, 0.56])
    assert timeseries._spread([0.5, 0.52], [0.3, 0.1]) == pytest.approx([0.46, 0.66])
    assert timeseries._spread([], []) == []


# --- files -----------------------------------------------------------------------------------


def test_saved_pictures_are_deterministic_and_marked(tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    paths = pictures.save_pictures(make_result(), tmp_path / "a")
    assert [path.name for path in paths] == ["network.png", "fields.png", "timeseries.png"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        path.name for path in paths
    )
    with mpl.rc_context({"font.size": 30, "image.origin": "lower", "lines.linewidth": 9}):
        again = pictures.save_pictures(make_result(), tmp_path / "b")
    for first, second in zip(paths, again, strict=True):
        assert first.read_bytes() == second.read_bytes()
        with Image.open(first) as image:
            assert image.info["Software"] == f"angiosim {make_result().manifest['version']}"
            assert image.info["Scenario-Hash"] == "0123abcd"
            assert image.info["Seed"] == "1"
            assert image.info["Title"] == "tube_formation_anlotinib"
            assert image.width >= 1350
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", ["network", "timeseries"])
def test_a_picture_that_fails_spares_the_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("no such column")

    result = make_result()
    (tmp_path / f"{name}.png").write_bytes(b"of an earlier result")
    drawn = {"network": "draw_end", "timeseries": "draw_timeseries"}[name]
    monkeypatch.setattr(pictures, drawn, broken)
    with pytest.warns(PictureWarning) as warned:
        paths = pictures.save_pictures(result, tmp_path)
    (message,) = {str(warning.message) for warning in warned}
    assert f"{name}.png could not be drawn: KeyError: 'no such column'" in message
    assert [path.stem for path in paths] == [
        each for each in ("network", "fields", "timeseries") if each != name
    ]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    (record,) = caplog.records
    assert record.exc_info


@pytest.mark.parametrize(
    "name",
    [
        r"$\frac{1}$",
        *(slow(name) for name in ("long " * 400, "$1", "$5% or $6_", "two\nlines")),
    ],
)
def test_names_are_never_read_as_mathematics(tmp_path: Path, name: str) -> None:
    result = make_result()
    result.scenario.name = name
    for array in ("field_", "spacing_um_"):
        result.final[array + name] = result.final[array + "VEGF"]
    assert len(pictures.save_pictures(result, tmp_path)) == 3
    own = Figure(figsize=(9, 14))  # of a user, with matplotlib's own settings
    upper, lower = own.subfigures(2, 1)
    network.draw_network(result, ax=upper.subplots())
    fields.draw_fields(result, fig=lower)
    own.savefig(tmp_path / "own.png")


def test_drawing_changes_nothing_in_the_result() -> None:
    result = make_result()
    copies = {key: value.copy() for key, value in result.final.items()}
    table = result.timeseries.copy()
    draws: list[Callable[[Any], Any]] = [
        network.draw_network, fields.draw_fields, timeseries.draw_timeseries,
    ]  # fmt: skip
    for draw in draws:
        draw(result)
    assert copies.keys() == result.final.keys()
    for key, value in copies.items():
        np.testing.assert_array_equal(value, result.final[key])
    pd.testing.assert_frame_equal(table, result.timeseries)


def test_pictures_leave_pyplot_alone() -> None:
    code = "import sys, sim.view.run.network; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
