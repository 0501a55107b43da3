"""Pictures of dose-responses: what stands on them, and that nothing undetermined looks certain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from marks import slow
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from sim.errors import InputError
from sim.fits.fitting import fit
from sim.fits.logistic import DoseResponse, logistic
from sim.view import style
from sim.view.canvas import Marks, save_picture
from sim.view.study.curves import draw_dose_response, draw_panels
from sim.view.study.map import draw_ic50_map

DOSES = np.array([0, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 1000])


def fitted(ic50: float, doses: Any = DOSES, seed: int = 1, count: int = 8) -> DoseResponse:
    noise = np.random.default_rng(seed).normal(size=(count, len(doses)))
    return fit(doses, logistic(doses, 5.0, 14.0, ic50) + 0.3 * noise, unstimulated=5.0)


GROUPS = {name: fitted(ic50) for name, ic50 in (("VEGF", 5.6), ("PDGF-BB", 9), ("FGF-2", 12))}
NOTHING = fit(DOSES, 14 + 0.3 * np.random.default_rng(1).normal(size=(8, 12)), 5.0)


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text) if text.get_visible())


def outside(figure: Figure) -> list[str]:
    """Texts that leave the figure."""
    figure.canvas.draw()
    page, out = figure.bbox, []
    for text in figure.findobj(Text):
        if text.get_visible() and text.get_text():
            box = text.get_window_extent()
            if box.x0 < page.x0 or box.y0 < page.y0 or box.x1 > page.x1 or box.y1 > page.y1:
                out.append(text.get_text())
    return out


def fitted_lines(ax: Axes) -> list[Line2D]:
    """The curves; lines along the edges of bands are thin."""
    return [
        line
        for line in ax.lines
        if len(line.get_xdata()) == 300 and line.get_linewidth() > 1  # type: ignore[arg-type]
    ]


def test_a_figure_says_what_it_shows() -> None:
    figure = draw_dose_response(
        GROUPS, response="network length (mm)", drug="free anlotinib",
        controls={"unstimulated": 5.0}, title="Length at 6 h", origin="seeds 1-8",
    )  # fmt: skip
    ax = figure.axes[0]
    assert ax.get_xlabel() == "free anlotinib (nM)" and ax.get_ylabel() == "network length (mm)"
    text = words(figure)
    for part in ("Length at 6 h", "8 replicates", "seeds 1-8", "angiosim ", "unstimulated",
                 "potency is an input"):  # fmt: skip
        assert part in text
    for name, one in GROUPS.items():
        low, high = one.ic50_low, one.ic50_high
        assert f"{name}: IC50 {one.ic50:.3g} nM ({low:.3g} to {high:.3g})" in text
    assert "dashed" not in text


def test_dose_zero_is_drawn_left_of_a_break() -> None:
    figure = draw_dose_response(GROUPS)
    ax = figure.axes[0]
    ticks = dict(zip([t.get_text() for t in ax.get_xticklabels()], ax.get_xticks(), strict=True))
    assert list(ticks) == ["0", "0.1", "1", "10", "100", "1000"]
    assert 0 < ticks["0"] < 0.125 / 2
    points = ax.containers[0][0].get_xdata()  # type: ignore[index]
    assert points[0] == ticks["0"] and list(points[1:]) == list(DOSES[1:])
    for line in fitted_lines(ax):  # no line across the break
        assert min(line.get_xdata()) > 2 * ticks["0"]  # type: ignore[type-var, operator]
    without = draw_dose_response({"a": fitted(5.0, DOSES[1:])}).axes[0]
    assert "0" not in [label.get_text() for label in without.get_xticklabels()]


def test_points_carry_their_standard_errors() -> None:
    one = GROUPS["VEGF"]
    figure = draw_dose_response({"VEGF": one})
    ax = figure.axes[0]
    bars = ax.containers[0][2][0].get_segments()  # type: ignore[index]
    for (low, high), mean, error in zip(bars, one.means, one.errors, strict=True):
        assert error is not None
        assert (low[1], high[1]) == pytest.approx((mean - error, mean + error))


def test_groups_differ_in_colour_and_marker() -> None:
    legend = draw_dose_response(GROUPS).axes[0].get_legend()
    assert legend is not None
    handles = legend.get_lines()
    assert len({handle.get_color() for handle in handles}) == 3
    assert len({handle.get_marker() for handle in handles}) == 3


def test_ic50s_are_marked_with_their_limits() -> None:
    one = GROUPS["VEGF"]
    figure = draw_dose_response({"VEGF": one})
    ax = figure.axes[0]
    spans = [list(map(float, line.get_xdata())) for line in ax.lines]  # type: ignore[arg-type]
    assert [one.ic50_low, one.ic50_high] in spans  # the bar
    assert [one.ic50, one.ic50] in spans  # the drop line


def test_what_is_not_determined_is_dashed_and_open() -> None:
    late = fitted(45.0, DOSES[:-1], seed=3)
    assert late.ic50_high is None
    figure = draw_dose_response({"late": late, "none": NOTHING})
    ax = figure.axes[0]
    text = words(figure)
    assert "dashed: IC50 not determined" in text
    assert f"(> {late.ic50_low:.4g})" in text and "none: no response found" in text
    assert all(line.get_linestyle() == "--" for line in fitted_lines(ax))
    assert [line for line in ax.lines if line.get_marker() == ">"]


def test_two_replicates_have_no_band() -> None:
    def bands(**fits: DoseResponse) -> int:
        figure = draw_dose_response(fits)
        ax = figure.axes[0]
        assert f"no band with {two.replicates} replicates" in words(figure) or len(fits) > 1
        return sum(isinstance(one, PolyCollection) for one in ax.collections)

    two, three = fitted(5.0, count=2), fitted(5.0, count=3)
    assert two.left_out and bands(two=two) == 0
    assert bands(two=two, three=three) == 2  # at dose 0 and beside it


def test_one_replicate_has_no_standard_error() -> None:
    text = words(draw_dose_response({"one": fitted(5.0, count=1)}))
    assert "values of 1 replicate · logistic, no band with 1 replicate ·" in text


@pytest.mark.parametrize("level", [0.0, 0.25062, 40.0, -3.0])
def test_a_read_out_that_is_the_same_everywhere(level: float) -> None:
    """Meshes of small networks are 0 in every run: the axis still has ticks that can be read."""
    figure = draw_dose_response({"a": fit(DOSES, np.full((3, len(DOSES)), level))})
    ax = figure.axes[0]
    low, high = ax.get_ylim()
    assert low < level < high
    figure.canvas.draw()
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert len(labels) > 2 and len(set(labels)) == len(labels) and max(map(len, labels)) < 7
    assert not ax.yaxis.get_offset_text().get_text()


def test_letters_that_the_font_lacks_give_no_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    for title in ("日本", "細胞 a"):
        save_picture(draw_dose_response({"線": NOTHING}, title=title), tmp_path / "picture.png")
    assert not recwarn.list


def test_lengths_have_neither_bands_nor_ticks_below_zero() -> None:
    noise = np.random.default_rng(2).normal(size=(4, len(DOSES)))
    figure = draw_dose_response(
        {"a": fit(DOSES, np.abs(logistic(DOSES, 0.0, 1.0, 5.0) + 0.4 * noise))}
    )
    ax = figure.axes[0]
    for band in ax.collections:
        if isinstance(band, PolyCollection):
            assert all(path.vertices[:, 1].min() >= 0 for path in band.get_paths())
    assert ax.get_ylim()[0] < 0 <= min(ax.get_yticks())


LONG = "a name of an arm that is much longer than the space beside any axes, and so on"


def test_words_stay_on_the_page() -> None:
    fits = {f"{LONG} {i}": one for i, one in enumerate([*GROUPS.values(), NOTHING] * 3)}
    assert not outside(draw_dose_response(GROUPS, response="network length (mm)"))
    assert not outside(draw_dose_response(fits, title=LONG * 3, origin=LONG * 2))
    tiny = fit(DOSES, 0.2196 + 1e-5 * np.random.default_rng(1).normal(size=(4, 12)))
    panels = {f"{i} {LONG}": {LONG: GROUPS["VEGF"], "tiny": tiny} for i in range(5)}
    for some in (panels, {"one": {"a": GROUPS["VEGF"]}}):
        figure = draw_panels(some, responses=dict.fromkeys(some, "fraction in the largest part"))
        assert not outside(figure)
        boxes = [one.get_tightbbox() for one in figure.axes]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:i])  # type: ignore[union-attr]
    assert not outside(draw_ic50_map({(LONG, LONG): GROUPS["VEGF"], ("a", "b"): NOTHING}))


def test_a_group_without_fit_shows_its_points() -> None:
    hump = np.exp(-0.5 * (np.arange(12) - 6.0) ** 2) + np.zeros((4, 1))
    figure = draw_dose_response({"hump": fit(DOSES, hump), "one": fitted(5.0, count=1)})
    ax = figure.axes[0]
    assert len(ax.containers) == 2 and len(fitted_lines(ax)) == 1


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(ValueError, match="no dose"):
        draw_dose_response({"empty": DoseResponse()})
    with pytest.raises(ValueError, match="no IC50"):
        draw_ic50_map({})


def test_given_axes_are_used() -> None:
    with style.house_style():
        axes = style.new_figure(9, 4).subplots(1, 2)
    figure = axes[0].figure
    assert draw_dose_response(GROUPS, ax=axes[0]) is figure
    assert draw_ic50_map({("a", "b"): GROUPS["VEGF"]}, ax=axes[1]) is figure
    assert axes[0].lines and axes[1].patches and "angiosim" not in words(figure)
    assert mpl.rcParams["axes.spines.top"]


def test_the_map_marks_what_is_not_determined() -> None:
    pairs = {
        ("anlotinib", "VEGF"): GROUPS["VEGF"],
        ("anlotinib", "FGF-2"): GROUPS["FGF-2"],
        ("axitinib", "FGF-2"): NOTHING,
    }
    figure = draw_ic50_map(pairs, origin="seeds 1-8")
    ax = figure.axes[0]
    hatched = [patch for patch in ax.patches if patch.get_hatch()]
    assert len(ax.patches) == 3 and len(hatched) == 1  # a pair not run has no cell
    text = words(figure)
    one = GROUPS["VEGF"]
    assert f"{one.ic50:.3g}\n({one.ic50_low:.3g} to {one.ic50_high:.3g})" in text
    for part in ("no response\nfound", "IC50 (nM)", "relative IC50", "seeds 1-8"):
        assert part in text
    absolute = words(draw_ic50_map(pairs, quantity="absolute_ic50"))
    assert "> 1000" in absolute


def test_the_map_shows_small_effects_without_inventing_a_scale() -> None:
    part = fit(DOSES, GROUPS["VEGF"].curve(DOSES) + 0.1 * np.random.default_rng(4).normal(
        size=(8, 12)), unstimulated=-25.0)  # fmt: skip
    assert part.determined and part.emax is not None and 20 < part.emax < 26
    figure = draw_ic50_map({("a", "part"): part, ("a", "whole"): GROUPS["VEGF"]})
    ax = figure.axes[0]
    assert words(figure).count(f"Emax {part.emax:.0f} %") == 1
    assert [bool(patch.get_hatch()) for patch in ax.patches] == [True, False]
    assert len(figure.axes) == 2
    nothing = draw_ic50_map({("a", "b"): NOTHING})
    assert len(nothing.axes) == 1 and "IC50 (nM)" not in words(nothing)


def test_darker_is_more_potent_and_text_can_be_read() -> None:
    figure = draw_ic50_map({("a", str(i)): fitted(i) for i in (0.5, 4, 40)})
    ax = figure.axes[0]
    bright = [
        float(np.dot(np.power(patch.get_facecolor()[:3], 2.2), (0.2126, 0.7152, 0.0722)))
        for patch in ax.patches
    ]
    assert bright == sorted(bright)
    for cell, label in zip(bright, ax.texts, strict=True):
        ink = mpl.colors.to_rgb(label.get_color())
        other = float(np.dot(np.power(ink, 2.2), (0.2126, 0.7152, 0.0722)))
        low, high = sorted((cell, other))
        assert (high + 0.05) / (low + 0.05) > 3.5


def test_pictures_are_written_whole_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        save_picture(draw_dose_response(GROUPS), tmp_path / name, Marks("Length"))
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.info["Title"] == "Length"
        assert picture.info["Software"].startswith("angiosim ")
        assert picture.width >= 1200
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(InputError, match=r"three\.jpg.* end in \.png"):
        save_picture(draw_dose_response(GROUPS), tmp_path / "three.jpg")


@pytest.mark.parametrize(
    "name", ["$5% or $6_", *map(slow, ("$1", r"$\frac{1}$", "two\nlines")), "long " * 999]
)
def test_names_are_written_as_they_are_and_in_bounds(tmp_path: Path, name: str) -> None:
    fit = GROUPS[next(iter(GROUPS))]
    new: list[Figure] = [
        draw_dose_response({name: fit}, response=name, drug=name, controls={name: 3}, title=name),
        draw_panels({name: {name: fit}}, responses={name: "length"}, drug=name, title=name),
        draw_ic50_map({(name, name): fit, ("a", "b"): fit}, title=name),
    ]
    for place, figure in enumerate(new):
        save_picture(figure, tmp_path / f"{place}.png", Marks(name))
        assert max(figure.get_size_inches()) < 20
    own = Figure()  # of a user, with matplotlib's own settings
    upper, lower = own.subplots(2, 1)
    draw_dose_response({name: fit}, ax=upper, response=name, controls={name: 3})
    draw_ic50_map({(name, name): fit}, ax=lower)
    own.savefig(tmp_path / "own.png")
