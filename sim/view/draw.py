"""Drawing results of all kinds, each by its own module."""

from __future__ import annotations

from functools import singledispatch
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

from sim.analysis.combination import Combinations
from sim.analysis.courses import Courses
from sim.analysis.dose_response import DoseResponses
from sim.analysis.panel import Panel
from sim.analysis.sensitivity import Sensitivity
from sim.calibration.result import Calibration
from sim.design.result import Design
from sim.runs.pk import PK
from sim.runs.pk_comparison import PKComparison
from sim.runs.result import Result


@singledispatch
def draw(thing: Any, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw a result; return its figure.

    Parameters
    ----------
    thing
        What a run, a study or a calibration gives, or a model at work.
    ax : matplotlib.axes.Axes, optional
        Where to draw what takes one panel; a new figure without it.
    fig : matplotlib.figure.Figure or SubFigure, optional
        Where to draw what takes several.
    """
    from sim.model.base import AssayModel  # slow to import, and rarely drawn

    if isinstance(thing, AssayModel):
        from sim.runs.run import result_of

        return draw(result_of(thing), ax=ax, fig=fig)
    raise TypeError(f"{type(thing).__name__} cannot be drawn")


@draw.register(Result)
def _(thing: Result, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
    from sim.view.run.end import draw_end

    return draw_end(thing, ax=ax, fig=fig)


@draw.register(PK)
def _(thing: PK, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
    from sim.view.run.pk import draw_pk

    return draw_pk(thing, fig=fig)


@draw.register(PKComparison)
def _(
    thing: PKComparison, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    from sim.view.run.pk import draw_comparison

    return draw_comparison(thing, fig=fig)


@draw.register(DoseResponses)
def _(
    thing: DoseResponses, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    from sim.view.study.pictures import draw_responses

    return draw_responses(thing, ax=ax, fig=fig)


@draw.register(Combinations)
def _(
    thing: Combinations, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    from sim.view.study.combination import draw_combinations

    return draw_combinations(thing, fig=fig)


@draw.register(Courses)
def _(thing: Courses, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
    from sim.view.study.courses import draw_courses

    return draw_courses(thing, fig=fig)


@draw.register(Panel)
def _(thing: Panel, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
    from sim.view.study.panel import draw_panel

    return draw_panel(thing, fig=fig)


@draw.register(Sensitivity)
def _(
    thing: Sensitivity, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    from sim.view.study.sensitivity import draw_sensitivity

    return draw_sensitivity(thing, fig=fig)


@draw.register(Calibration)
def _(
    thing: Calibration, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    from sim.view.study.calibration import draw_fit

    return draw_fit(thing, fig=fig)


@draw.register(Design)
def _(thing: Design, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
    from sim.view.study.design import draw_design

    return draw_design(thing, fig=fig)


def draw_map(
    found: DoseResponses, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw the IC50s of arms that differ in two names as a map; return its figure."""
    from sim.view.study.pictures import draw_map

    return draw_map(found, ax=ax, fig=fig)
