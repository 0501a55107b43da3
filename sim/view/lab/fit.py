"""Picture of the dose-responses of a user's table."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from sim.assays import readout
from sim.lab.against import Against
from sim.lab.fit import Fits, Fitted
from sim.view.study.curves import DOT, INPUT, Single, draw_dose_response, draw_panels
from sim.view.study.doses import dose_and_unit

SINGLE: Final = "dots: single values; crosses: outliers, which are kept"


def draw_fits(
    found: Fits, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw single values, means, curves with bands and IC50s of all groups of a table."""
    if found.against is not None and ax is None:
        return draw_against(found.against, found, fig=fig)
    levels = {
        name: float(np.nanmean(one.values.background))
        for name, one in found.groups.items()
        if one.values.background is not None
    }
    return draw_dose_response(
        found.fits, ax=ax, fig=fig, response=found.response, drug=found.dose,
        unit=unit_words(found.unit), controls=levels,
        values={name: single(one) for name, one in found.groups.items()},
        title=f"{found.response} over {found.dose}", origin=found.table, caveat=SINGLE,
    )  # fmt: skip


def draw_against(against: Against, found: Fits, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw each measured curve beside the simulated one, in percent of their own controls."""
    panels, values = {}, {}
    for pair in against.pairs:
        both = {"measured": pair.measured, "simulated": pair.simulated}
        name = pair.group if pair.group == pair.arm else f"{pair.group} and {pair.arm}"
        name = f"{name}: IC50 {pair.ratios['ic50']} times that simulated"
        panels[name] = {which: one.fit for which, one in both.items()}
        values[name] = {"measured": single(pair.measured)}
    drug, unit = dose_and_unit(against.dose, against.drug)
    zero = "0: negative controls" if against.subtracted else "0: no response"
    return draw_panels(
        panels, fig=fig, responses=dict.fromkeys(panels, "% of own control"), drug=drug,
        unit=unit_words(unit), values=values,
        title=f"measured {found.response} and simulated {readout(against.readout).words}",
        origin=DOT.join(filter(None, [found.table, against.study, f"100: dose 0, {zero}"])),
        caveat=DOT.join([INPUT, SINGLE]),
    )  # fmt: skip


def single(one: Fitted) -> Single:
    """Return the single values of a group."""
    known = np.isfinite(one.values.response)
    dose = np.broadcast_to(one.values.dose, known.shape)
    out = np.zeros(known.shape, dtype=bool)
    for outlier in one.quality.outliers:
        out[outlier.row, outlier.column] = True
    return Single(dose[known], one.values.response[known], out[known])


def unit_words(unit: str) -> str:
    """Return a unit as it is drawn."""
    return re.sub(r"^u(?=[gmLM])", "µ", unit)  # not of words, such as units/mL
