"""The pictures that a study leaves in its folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sim.analysis.analyse import Analysis
from sim.analysis.combination import Combinations
from sim.analysis.dose_response import DoseResponses
from sim.analysis.sensitivity import Sensitivity
from sim.runs.folder import LOG, logging_into
from sim.studies.plan import Plan
from sim.studies.task import DONE
from sim.view.words import drug_and_unit, readout_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.fits.logistic import DoseResponse

MOST_ARMS = 60  # that a picture shows: sampled designs have as many as points


def write_pictures(found: Analysis) -> None:
    """Write the pictures of what a study shows into its folder: all that can be drawn.

    A picture that cannot be drawn is left out with a warning.
    """
    folder, plan = found.study.folder, found.study.plan
    if folder is None or not found.study.count(DONE):
        return
    with logging_into(folder / LOG):
        _dose_responses(found.dose_responses, folder, plan)
        _combinations(found.combinations, folder, plan)
        _sensitivities(found.sensitivities, folder)


def draw(found: DoseResponses, ax: Axes | None = None, origin: str = "") -> Axes:
    """Draw the dose-responses of a read-out: all arms in one, or in a panel for each group.

    Where arms differ in several names, the last tells the curves of a panel apart. What all arms
    share is not named.
    """
    from sim.view.study.curves import draw_dose_response, draw_panels

    drug, unit = drug_and_unit(found.dose)
    response = readout_words(found.response)
    if len(found.differing) < 2 or ax is not None:
        return draw_dose_response(
            _short(found), ax, response=response, drug=drug, unit=unit,
            controls=_levels(found, list(found.fits)), title=found.study, origin=origin,
        )  # fmt: skip
    *names, last = found.differing
    arms: dict[str, list[str]] = {}
    for arm, labels in found.labels.items():
        if any(found[arm].doses):
            arms.setdefault(", ".join(str(labels[name]) for name in names), []).append(arm)
    return draw_panels(
        {name: {str(found.labels[a][last]): found[a] for a in some} for name, some in arms.items()},
        responses=dict.fromkeys(arms, response),
        drug=drug,
        unit=unit,
        controls={name: _levels(found, some) for name, some in arms.items()},
        title=f"{found.study}: {response}",
        origin=origin,
    )


def draw_map(found: DoseResponses, ax: Axes | None = None, origin: str = "") -> Axes:
    """Draw the IC50s of a read-out by the two names in which the arms differ.

    Absolute ones where there is a control: a blockade that takes little has a low relative IC50.
    """
    from sim.view.study.map import draw_ic50_map

    title = f"{found.study}: IC50 of {readout_words(found.response).partition(' (')[0]}"
    _, unit = drug_and_unit(found.dose)
    quantity = "absolute_ic50" if found.unstimulated else "ic50"
    return draw_ic50_map(
        found.pairs(), ax, quantity=quantity, unit=unit, title=title, origin=origin
    )


def _name(found: DoseResponses, arm: str) -> str:
    """Return what an arm is called by the names in which arms differ."""
    return ", ".join(str(found.labels[arm][name]) for name in found.differing) or arm


def _short(found: DoseResponses) -> dict[str, DoseResponse]:
    """Return the fits by short names."""
    return {_name(found, arm): fit for arm, fit in found.fits.items()}


def _levels(found: DoseResponses, arms: list[str]) -> dict[str, float]:
    """Return the unstimulated controls of some arms by name: one line if they are all alike."""
    known = {arm: found.unstimulated[arm] for arm in arms if arm in found.unstimulated}
    if len(set(known.values())) == 1:
        return {"unstimulated": next(iter(known.values()))}
    return {f"unstimulated, {_name(found, arm)}": level for arm, level in known.items()}


def _dose_responses(all_found: list[DoseResponses], folder: Path, plan: Plan) -> None:
    """Write curves, and where arms differ in two names maps of IC50s."""
    from sim.view.canvas import try_picture

    name, origin = plan.name, plan.description
    found = [one for one in all_found if any(any(fit.doses) for fit in one.fits.values())]
    found = [one for one in found if len(one.fits) <= MOST_ARMS]
    for one in found:
        if len(one.differing) > 1:
            path = folder / f"dose_response_{one.response}.png"
            try_picture(path, partial(draw, one, origin=origin), name)
        if len(one.differing) == 2:
            path = folder / f"ic50_{one.response}.png"
            try_picture(path, partial(draw_map, one, origin=origin), name)
    if found and len(found[0].differing) < 2:
        path = folder / "dose_response.png"
        try_picture(path, partial(_draw_responses, found, name, origin), name)


def _draw_responses(found: list[DoseResponses], name: str, origin: str) -> Axes:
    """Draw the dose-responses of several read-outs, each in a panel."""
    from sim.view.study.curves import draw_panels

    if len(found) == 1:
        return draw(found[0], origin=origin)
    drug, unit = drug_and_unit(found[0].dose)
    words = {one.response: readout_words(one.response) for one in found}
    return draw_panels(
        {words[one.response]: _short(one) for one in found},
        responses={each: each for each in words.values()},
        drug=drug,
        unit=unit,
        controls={words[one.response]: _levels(one, list(one.fits)) for one in found},
        title=name,
        origin=origin,
    )


def _combinations(all_found: list[Combinations], folder: Path, plan: Plan) -> None:
    """Write what combined blockades do, a picture for each read-out."""
    from sim.view.canvas import try_picture
    from sim.view.study.combination import draw_combinations

    for found in all_found:
        if found.measured:
            path = folder / f"combination_{found.response}.png"
            try_picture(path, partial(draw_combinations, found, plan.description), plan.name)


def _sensitivities(all_found: list[Sensitivity], folder: Path) -> None:
    """Write what read-outs depend on, a picture for each."""
    from sim.view.canvas import try_picture

    for found in all_found:
        path = folder / f"sensitivity_{found.response}.png"
        try_picture(path, found.plot, f"{found.study}: sensitivity of {found.response}")
