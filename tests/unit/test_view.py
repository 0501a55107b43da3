"""What all pictures have in common: one way to draw, figures of a user, words and not keys."""

from __future__ import annotations

import re
from typing import Any

import matplotlib as mpl
import matplotlib.style
import pytest
from made_figures import (
    DRAWINGS,
    calibration,
    combinations,
    design,
    dose_responses,
    morris,
    pk,
    result,
    sobol,
)  # fmt: skip
from made_runs import make_result
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend
from matplotlib.text import Text

import sim
from sim.assays import readout, responses
from sim.runs.pk_comparison import PKComparison
from sim.view import canvas, style
from sim.view.draw import draw
from sim.view.lab.fit import unit_words
from sim.view.run import frame
from sim.view.run.pk import marks_of
from sim.view.run.timeseries import draw_timeseries
from sim.view.study.calibration import draw_objective, draw_profile
from sim.view.study.doses import dose_label, labels

ONE_PANEL = ("run", "dose-responses", "map")


def texts(figure: Figure | SubFigure) -> list[Text]:
    """What is written on a figure, and can be seen."""
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def brightness(colour: Any) -> float:
    """How bright a colour is, from 0 to 1."""
    red, green, blue, _ = to_rgba(colour)
    return 0.3 * red + 0.59 * green + 0.11 * blue


def off_the_page(figure: Figure) -> list[str]:
    """Axes with all their words, legends and words of the figure that leave it."""
    figure.draw_without_rendering()
    page = figure.bbox.padded(0.5)
    outer = [text for part in (figure, *figure.findobj(SubFigure)) for text in part.texts]
    boxes = [(artist, artist.get_window_extent()) for artist in (*figure.findobj(Legend), *outer)]
    boxes += [(ax, ax.get_tightbbox()) for ax in figure.axes]
    return [
        f"{artist}: {box}"
        for artist, box in boxes
        if not (page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 and box.y1 <= page.y1)
    ]


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_gives_a_figure_whose_words_are_on_the_page(name: str) -> None:
    before = dict(mpl.rcParams)
    figure = DRAWINGS[name]()
    assert isinstance(figure, Figure)
    assert figure.get_suptitle() and figure.get_supxlabel()
    assert off_the_page(figure) == []
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_into_a_figure_of_the_user(name: str) -> None:
    figure = Figure(figsize=(9, 8))
    assert DRAWINGS[name](fig=figure) is figure
    assert off_the_page(figure) == []
    with pytest.raises(ValueError, match="must be empty"):
        DRAWINGS[name](fig=figure)


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawing_into_a_part_of_a_figure_stays_there(name: str) -> None:
    figure = Figure(figsize=(18, 8))
    left, right = figure.subfigures(1, 2)
    mine = left.subplots()
    mine.set_ylabel("mine")
    assert DRAWINGS[name](fig=right) is figure
    assert off_the_page(figure) == []
    edge = right.bbox.x0 - 0.5
    assert all(ax.get_tightbbox().x0 >= edge for ax in right.findobj(Axes))
    assert mine.get_tightbbox().x1 <= edge + 1


@pytest.mark.parametrize("name", ONE_PANEL)
@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_drawing_into_axes_of_the_user(name: str, layout: Any) -> None:
    figure = Figure(figsize=(12, 11), layout=layout)
    axes = figure.subplots(2, 2)
    for ax in axes.ravel()[1:]:
        ax.set_title("mine $x$")
        ax.set_ylabel("mine")
    own = [text.get_text() for text in texts(figure)]
    assert DRAWINGS[name](ax=axes[0, 0]) is figure
    figure.draw_without_rendering()
    box = axes[0, 0].get_tightbbox()
    assert not any(box.overlaps(ax.get_tightbbox()) for ax in axes.ravel()[1:])
    assert set(own) <= {text.get_text() for text in texts(figure)}
    assert not figure.get_suptitle() and not figure.get_supxlabel()
    assert all(ax.title.get_parse_math() for ax in axes.ravel()[1:])


@pytest.mark.parametrize("name", DRAWINGS)
def test_words_are_seen_on_the_dark_ground_of_a_user(name: str) -> None:
    with mpl.style.context("dark_background"):
        places: list[dict[str, Any]] = [{"fig": Figure(figsize=(9, 8))}]
        if name in ONE_PANEL:
            places.append({"ax": Figure(figsize=(9, 8)).subplots()})
    for place in places:
        figure = DRAWINGS[name](**place)
        figure.draw_without_rendering()
        boxed = [one for one in figure.findobj(Legend) if one.get_frame_on()]
        on_light = [one.get_window_extent() for one in boxed] + [ax.bbox for ax in figure.axes]
        around = 0
        for text in (one for one in texts(figure) if one.axes is None or one.axes.axison):
            box = text.get_window_extent()
            if not any(each.overlaps(box) for each in on_light):
                around += 1
                assert brightness(text.get_color()) > 0.4, text
        assert around > 2
        for legend in boxed:
            assert all(brightness(text.get_color()) < 0.4 for text in legend.get_texts())


def test_long_titles_stay_above_the_axes_of_a_user() -> None:
    figure = Figure(figsize=(9, 3))
    axes = figure.subplots(1, 3)
    made = result()
    made.timeseries["free_nM"] = 30_000.0
    draw(made, ax=axes[2])
    figure.draw_without_rendering()
    title = axes[2]._left_title
    assert "unbound" in title.get_text()
    assert title.get_window_extent().x1 <= figure.bbox.x1


def test_the_bands_of_a_comparison_are_of_those_who_have_them() -> None:
    several = PKComparison({"alone": sim.pk("rat_oral"), "many": sim.pk("rat_oral", subjects=12)})
    words = " ".join(draw(several).get_supxlabel().split())
    assert "5th to 95th percentile of 12 subjects" in words
    assert marks_of(several).metadata("png")["Seed"] == "1"  # of the virtual population


def test_the_caption_of_a_design_has_words_and_no_keys() -> None:
    caption = " ".join(draw(design()).get_supxlabel().split())
    assert "pharmacokinetics default, unbound in plasma 0.07" in caption


def test_a_title_of_the_user_is_kept() -> None:
    figure = Figure()
    figure.suptitle("mine")
    draw(pk(), fig=figure)
    assert figure.get_suptitle() == "mine"
    figure = Figure()
    ax = figure.subplots()
    ax.set_title("mine")
    draw(result(), ax=ax)
    assert ax.get_title() == "mine" and not ax.get_title("left")


WORDS: dict[str, tuple[str, set[str]]] = {
    "run": ("Tube formation after 6 h", {"drive (0-1)", "skeleton", "junctions", "ends"}),
    "pk": ("anlotinib, rat: 45 mg/kg orally once", {
        "concentration (nM)", "inhibition (0-1)", "time after the first dose (h)",
        "total in plasma", "unbound at the cells", "dose", "VEGFR2", "PDGFRB", "FGFR1"}),
    "dose-responses": ("Network length over unbound anlotinib", {
        "unbound anlotinib (nM)", "network length (mm)", "unstimulated"}),
    "combinations": ("Combined blockades: inhibition of network length", {
        "unbound drug (nM)", "inhibition (%)", "both", "measured", "measured, differs from Bliss",
        "Bliss", "limits of Bliss", "Loewe", "a alone", "b alone"}),
    "sobol": ("Sensitivity of network length", {
        "share of the variance of network length", "S1: first-order effect", "ST: total effect",
        "ST from noise only"}),
    "morris": ("Sensitivity of network length", {
        "µ* of network length (mm)", "σ (in the unit of µ*)", "noise only", "a.key",
        "another.key"}),
    "calibration": ("Data and calibrated model", {
        "unbound drug (nM)", "network length (mm)", "data", "fitted", "fresh seeds"}),
    "objective": ("Objective over the trials", {
        "trial", "objective (chi-square)", "a trial", "lowest so far"}),
    "profile": ("Objective over each parameter", {
        "a.key", "another.key", "objective (chi-square)"}),
    "map": ("IC50 of network length", {"absolute IC50 (nM)"}),
    "fields": ("Concentrations after 6 h", {"ng/mL", "arbitrary units", "VEGF", "cue"}),
    "timeseries": ("Read-outs over time", {
        "length (mm)", "number", "fraction (0-1)", "signal (0-1)", "time (h)",
        "unbound drug (nM)"}),
}  # fmt: skip
"""Title of each picture; labels of its axes and entries of its legends."""


@pytest.mark.parametrize("name", WORDS)
def test_axes_and_legends_say_what_is_drawn_in_which_unit(name: str) -> None:
    more = {"objective": draw_objective, "profile": draw_profile}
    figure = more[name](calibration()) if name in more else DRAWINGS[name]()
    title, wanted = WORDS[name]
    assert figure.get_suptitle() == title
    found = {
        label
        for ax in figure.findobj(Axes)
        for label in (ax.get_xlabel(), ax.get_ylabel(), ax.get_title("left"))
    }
    for legend in figure.findobj(Legend):
        found |= {text.get_text() for text in legend.get_texts() if ": IC50 " not in str(text)}
    one_line = {label.replace("\n", " ") for label in found}
    assert {label for label in one_line if label and not label.startswith("arm ")} == wanted


@pytest.mark.parametrize(
    ("course", "said"),
    [
        ([0, 3, 5.6], "anlotinib 5.6 nM unbound"),
        ([0, 5.601, 5.6], "anlotinib 5.6 nM unbound"),
        ([0, 8, 5.6], "anlotinib 5.6 nM unbound, before up to 8"),
        ([0, 8, 0], "anlotinib 0 nM unbound, before up to 8"),
    ],
)
def test_the_drug_of_a_picture_is_that_at_its_time(course: list[float], said: str) -> None:
    made = make_result(records=3)
    made.timeseries["free_nM"] = course
    assert frame.treatment(made) == f"VEGF 50 ng/mL · {said}"


def test_only_results_are_drawn() -> None:
    with pytest.raises(TypeError, match="dict cannot be drawn"):
        draw({})


KEY = re.compile(r"[a-z0-9]+_[a-zA-Z0-9]")


@pytest.mark.parametrize("response", [*responses(), "tube_length_mm@6"])
def test_names_of_readouts_are_words(response: str) -> None:
    assert not KEY.search(readout(response).label) and readout(response).words


@pytest.mark.parametrize("response", ["mean_chord_um", "tube_length_mm@6"])
def test_labels_are_words_and_not_keys(response: str) -> None:
    for make in (dose_responses, combinations, sobol, morris, calibration):
        figure = draw(make(response))
        for ax in figure.axes:
            for label in (ax.get_xlabel(), ax.get_ylabel()):
                assert not KEY.search(label), label
        assert not KEY.search(figure.get_suptitle())


def test_labels_of_a_run_are_words_and_not_keys() -> None:
    for figure in (draw(result()), draw_timeseries(make_result()), draw(pk())):
        for ax in figure.axes:
            for text in (ax.get_xlabel(), ax.get_ylabel(), *(t.get_text() for t in ax.texts)):
                assert not KEY.search(text), text


def test_doses_are_labelled_in_words_with_a_unit() -> None:
    assert dose_label("drug.free_nM", "anlotinib") == "unbound anlotinib (nM)"
    assert dose_label("drug.free_nM") == "unbound drug (nM)"
    assert dose_label("ligands.VEGF.bath_ng_ml") == "VEGF (ng/mL)"
    assert dose_label("drug.regimen.dose_mg") == "regimen: each dose (mg)"


@pytest.mark.parametrize(
    ("key", "label"),
    [
        ("engine.length.lambda", "length: strength"),
        ("engine.temperature", "amplitude of membrane fluctuations"),
        ("engine.contact_energy.cell_cell", "contact energy: J between two cells"),
        ("engine.chemotaxis.VEGF.saturation", "chemotaxis VEGF: saturation s"),
        ("behaviour.chemotaxis.cue.mu.1", "chemotaxis cue: strength, driven"),
        ("behaviour.weights.VEGFR2", "weights VEGFR2"),
        ("cells.density_per_mm2", "cells seeded per mm²"),
        ("drug.ic50_nM.VEGFR2", "IC50 VEGFR2 (nM)"),
        ("signalling.receptors.VEGFR2.k_off_per_s", "receptors VEGFR2: dissociation (1/s)"),
        ("setup.region_um.0", "centred region, x (µm)"),
        ("cells.seeding", "cells.seeding"),  # described by its options
        ("no.such_key", "no.such_key"),
        ("plate", "plate"),
    ],
)
def test_swept_keys_are_labelled_in_words(key: str, label: str) -> None:
    assert dose_label(key) == label


def test_units_of_a_user_are_units_and_not_words() -> None:
    units = ("uM", "ug/mL", "um", "units/mL", "nM", "")
    assert [*map(unit_words, units)] == ["µM", "µg/mL", "µm", "units/mL", "nM", ""]


def test_swept_keys_of_one_label_keep_their_keys() -> None:
    alike = ["engine.persistence.mu", "behaviour.persistence.mu", "engine.length.lambda"]
    assert list(labels(alike).values()) == [*alike[:2], "length: strength"]


def test_long_words_are_wrapped_and_cut() -> None:
    text = canvas.wrapped("word " * 99, 10, 3.0, lines=2)
    assert text.count("\n") == 1 and text.endswith("…")
    figure = Figure(figsize=(5, 4))
    with style.house_style():
        canvas.Sheet(figure, 0, title="word " * 99, caption="word " * 99)
    assert off_the_page(figure) == []
