"""The pictures that a study leaves in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.analysis.analyse import Analysis, analyse
from sim.analysis.combination import Combinations
from sim.analysis.courses import Courses
from sim.analysis.dose_response import DoseResponses
from sim.analysis.panel import Panel
from sim.analysis.sensitivity import Sensitivity
from sim.analysis.write import picture
from sim.assays import readout
from sim.errors import InputError
from sim.runs.folder import LOG, logging_into
from sim.scenario.cautions import MIXED
from sim.studies.table import Study
from sim.studies.task import DONE
from sim.version import __version__
from sim.view import canvas
from sim.view.canvas import Drawings
from sim.view.study import curves
from sim.view.study.doses import dose_and_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from sim.fits.logistic import DoseResponse

MOST_ARMS = 60  # that a picture shows: sampled designs have as many as points


def drawings_of(found: Analysis) -> Drawings:
    """Return how to draw what a study shows, by the names of the pictures."""
    plan = found.study.plan
    mixed = [one.allowed for one in plan.cautions if one.key == MIXED]
    versions = _versions(found.study)
    others = f"runs by angiosim {', '.join(versions)}" if {*versions} - {__version__} else ""
    origin = "; ".join(filter(None, [plan.description, *mixed, others]))
    drawings = {
        **_dose_responses(found.dose_responses, origin),
        **_combinations(found.combinations, origin),
        **_sensitivities(found.sensitivities),
        **_panel(found.panel, origin),
        **_courses(found.courses, origin),
    }
    return {Path(name).stem: draw for name, draw in drawings.items()}


def write_pictures(found: Analysis) -> None:
    """Write the pictures of what a study shows into its folder: all that can be drawn.

    A picture that cannot be drawn is left out with a warning.
    """
    folder = found.study.folder
    if folder is None or not found.study.count(DONE):
        return
    drawings = {f"{name}.png": draw for name, draw in drawings_of(found).items()}
    with logging_into(folder / LOG):
        canvas.save_pictures(drawings, folder, marks_of(found.study))


def marks_of(study: Study) -> canvas.Marks:
    """Return what the pictures of a study say of themselves: versions are those of its runs."""
    marks = canvas.marks_of(study.plan)
    return replace(marks, version=", ".join(_versions(study)) or marks.version)


def _versions(study: Study) -> list[str]:
    """Return the versions that made its runs, as far as they are known."""
    known = (made.get("angiosim") for made, _ in study.environments)
    return list(dict.fromkeys(filter(None, known)))


def main_of(study: Study) -> Any:
    """Return what a study is about: what its first picture shows.

    Raises
    ------
    InputError
        If it asks for no analysis that is drawn, or is not complete.
    """
    found = analyse(study)
    for one in (found.panel, found.courses, *found.combinations, *found.sensitivities,
                *found.dose_responses):  # fmt: skip
        if one is not None:
            return one
    raise InputError(
        f"{study.plan.name}: there is nothing to draw: the study is not complete, or asks for no "
        "analysis that is drawn, such as [dose_response]"
    )


def draw_responses(
    found: DoseResponses,
    *,
    ax: Axes | None = None,
    fig: Figure | SubFigure | None = None,
    origin: str = "",
) -> Figure:
    """Draw the dose-responses of a read-out: all arms in one, or in a panel for each group.

    Where arms differ in several names, the last tells the curves of a panel apart. What all arms
    share is not named.
    """
    from sim.view.study.curves import draw_dose_response, draw_panels

    drug, unit = dose_and_unit(found.dose, found.drug)
    response, origin = readout(found.response).label, _origin(found.study, origin)
    if len(found.differing) < 2 or ax is not None:
        return draw_dose_response(
            _short(found), ax=ax, fig=fig, response=response, drug=drug, unit=unit,
            controls=_levels(found, list(found.fits)), origin=origin,
        )  # fmt: skip
    *names, last = found.differing
    arms: dict[str, list[str]] = {}
    for arm, labels in found.labels.items():
        if any(found[arm].doses):
            arms.setdefault(", ".join(str(labels[name]) for name in names), []).append(arm)
    return draw_panels(
        {name: {str(found.labels[a][last]): found[a] for a in some} for name, some in arms.items()},
        fig=fig,
        responses=dict.fromkeys(arms, response),
        drug=drug,
        unit=unit,
        controls={
            name: _levels(found, some, lambda arm: str(found.labels[arm][last]))
            for name, some in arms.items()
        },
        title=f"{readout(found.response).words} over {drug}",
        origin=origin,
    )


def draw_map(
    found: DoseResponses,
    *,
    ax: Axes | None = None,
    fig: Figure | SubFigure | None = None,
    origin: str = "",
) -> Figure:
    """Draw the IC50s of a read-out by the two names in which the arms differ.

    Absolute ones where there is a control: a blockade that takes little has a low relative IC50.
    """
    from sim.view.study.map import draw_ic50_map

    _, unit = dose_and_unit(found.dose)
    quantity = "absolute_ic50" if found.unstimulated else "ic50"
    return draw_ic50_map(
        found.pairs(), ax=ax, fig=fig, quantity=quantity, unit=unit,
        title=f"IC50 of {readout(found.response).words}", origin=_origin(found.study, origin),
    )  # fmt: skip


def _origin(study: str, origin: str) -> str:
    """Return what a study is called and what it shows."""
    return " · ".join(filter(None, [study, origin]))


def _name(found: DoseResponses, arm: str) -> str:
    """Return what an arm is called by the names in which arms differ."""
    return ", ".join(str(found.labels[arm][name]) for name in found.differing) or arm


def _short(found: DoseResponses) -> dict[str, DoseResponse]:
    """Return the fits by short names."""
    return {_name(found, arm): fit for arm, fit in found.fits.items()}


def _levels(
    found: DoseResponses, arms: list[str], name: Callable[[str], str] | None = None
) -> dict[str, float]:
    """Return the unstimulated controls of some arms by their names: one if they are all alike."""
    name = name or partial(_name, found)
    known = {arm: found.unstimulated[arm] for arm in arms if arm in found.unstimulated}
    if len(set(known.values())) == 1:
        return {curves.UNSTIMULATED: next(iter(known.values()))}
    return {name(arm): level for arm, level in known.items()}


def _dose_responses(all_found: list[DoseResponses], origin: str) -> Drawings:
    """Return curves, and where arms differ in two names maps of IC50s, by their files."""
    found = [one for one in all_found if any(any(fit.doses) for fit in one.fits.values())]
    found = [one for one in found if len(one.fits) <= MOST_ARMS]
    drawings: Drawings = {}
    for one in found:
        if len(one.differing) > 1:
            name = picture("dose_response", one.response)
            drawings[name] = partial(draw_responses, one, origin=origin)
        if len(one.differing) == 2:
            drawings[picture("ic50", one.response)] = partial(draw_map, one, origin=origin)
    if simple := [one for one in found if len(one.differing) < 2]:
        drawings[picture("dose_response")] = partial(_draw_all, simple, origin)
    return drawings


def _draw_all(found: list[DoseResponses], origin: str) -> Figure:
    """Draw the dose-responses of several read-outs, each in a panel."""
    from sim.view.study.curves import draw_panels

    first = found[0]
    if len(found) == 1:
        return draw_responses(first, origin=origin)
    drug, unit = dose_and_unit(first.dose, first.drug)
    words = {one.response: readout(one.response).label for one in found}
    return draw_panels(
        {words[one.response]: _short(one) for one in found},
        responses={each: each for each in words.values()},
        drug=drug,
        unit=unit,
        controls={words[one.response]: _levels(one, list(one.fits)) for one in found},
        origin=_origin(first.study, origin),
    )


def _combinations(all_found: list[Combinations], origin: str) -> Drawings:
    """Return what combined blockades do, a picture for each read-out, by its file."""
    from sim.view.study.combination import draw_combinations

    return {
        picture("combination", one.response): partial(draw_combinations, one, origin=origin)
        for one in all_found
        if one.measured
    }


def _panel(found: Panel | None, origin: str) -> Drawings:
    """Return the picture of several assays, by its file."""
    from sim.view.study.panel import draw_panel

    if found is None or not 0 < sum(any(row.fit.doses) for row in found.rows) <= MOST_ARMS:
        return {}
    return {picture("panel"): partial(draw_panel, found, origin=origin)}


def _courses(found: Courses | None, origin: str) -> Drawings:
    """Return the picture of read-outs over time, by its file."""
    from sim.view.study.courses import draw_courses

    if found is None or len(found.arms) > MOST_ARMS:
        return {}
    return {picture("courses"): partial(draw_courses, found, origin=origin)}


def _sensitivities(all_found: list[Sensitivity]) -> Drawings:
    """Return what read-outs depend on, a picture for each, by its file."""
    from sim.view.study.sensitivity import draw_sensitivity

    return {
        picture("sensitivity", one.response): partial(draw_sensitivity, one) for one in all_found
    }
