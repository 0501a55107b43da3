"""One function draws all results, each by the module of its kind."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from sim.view import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

ONE_PANEL: Final = {
    "sim.analysis.dose_response:DoseResponses": "sim.view.study.pictures:draw_responses",
    "sim.lab.fit:Fits": "sim.view.lab.fit:draw_fits",
    "sim.lab.measure:Measured": "sim.view.lab.measured:draw_measured",
    "sim.model.base:AssayModel": "sim.view.run.end:draw_model",
    "sim.runs.result:Result": "sim.view.run.end:draw_end",
}
"""What draws results that take one panel, by their class; they can be drawn into axes."""
PANELS: Final = {
    "sim.analysis.combination:Combinations": "sim.view.study.combination:draw_combinations",
    "sim.analysis.courses:Courses": "sim.view.study.courses:draw_courses",
    "sim.analysis.panel:Panel": "sim.view.study.panel:draw_panel",
    "sim.analysis.sensitivity:Sensitivity": "sim.view.study.sensitivity:draw_sensitivity",
    "sim.calibration.result:Calibration": "sim.view.study.calibration:draw_fit",
    "sim.lab.checkerboard:Checkerboard": "sim.view.lab.checkerboard:draw_checkerboard",
    "sim.lab.pk_fit:PKFit": "sim.view.lab.samples:draw_pk_fit",
    "sim.lab.nca:NCA": "sim.view.lab.samples:draw_nca",
    "sim.lab.plate:PlateView": "sim.view.lab.plate:draw_plate",
    "sim.design.result:Design": "sim.view.study.design:draw_design",
    "sim.runs.pk:PK": "sim.view.run.pk:draw_pk",
    "sim.runs.pk_comparison:PKComparison": "sim.view.run.pk:draw_comparison",
}
"""What draws results that take several panels, a figure of their own or a part of one."""


def draw(
    thing: Any,
    *,
    ax: Axes | None = None,
    fig: Figure | SubFigure | None = None,
    width_mm: float | None = None,
    title: bool = True,
    skeleton: bool = True,
) -> Figure:
    """Draw a result; return its figure.

    Parameters
    ----------
    thing
        What a run, a study or a calibration gives, a study itself, or a model at work.
    ax : matplotlib.axes.Axes, optional
        Where to draw what takes one panel; a new figure without it.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into.
    width_mm : float, optional
        Width of a new figure, such as 89 for a column of a paper or 180 for a page: text becomes
        7 to 8 pt, and panels take their places below each other where there is no room beside.
    title : bool
        Whether title and caption are written around it.
    skeleton : bool
        Whether the skeleton of a network is drawn over its cells.

    Raises
    ------
    TypeError
        If it cannot be drawn, or not into axes.
    """
    page = style.Page(width_mm, title, skeleton)
    with style.on_page(page if page != style.Page() else style.PAGE.get()):
        if ax is not None and fig is not None:
            raise TypeError("give either ax or fig")
        place: dict[str, Any] = {"fig": fig}
        for one_panel, table in ((True, ONE_PANEL), (False, PANELS)):
            for kind, by in table.items():
                if _is_a(thing, kind):
                    if one_panel:
                        place["ax"] = ax
                    elif ax is not None:
                        raise TypeError(
                            f"{type(thing).__name__} takes several panels: give fig=, a Figure or "
                            "SubFigure, in place of ax="
                        )
                    return _found(by)(thing, **place)  # type: ignore[no-any-return]
        if _is_a(thing, "sim.studies.table:Study"):
            from sim.view.study.pictures import main_of

            return draw(main_of(thing), ax=ax, fig=fig)
    raise TypeError(f"{type(thing).__name__} cannot be drawn")


def draw_map(
    found: Any, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw the IC50s of arms that differ in two names as a map; return its figure."""
    from sim.view.study.pictures import draw_map

    return draw_map(found, ax=ax, fig=fig)


def _is_a(thing: Any, kind: str) -> bool:
    """Whether a thing is of a class, which is not imported for the question."""
    return any(f"{cls.__module__}:{cls.__qualname__}" == kind for cls in type(thing).__mro__)


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
