"""Picture of the dose-responses of a user's table."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from sim.lab.fit import Fits, Fitted
from sim.view.study.curves import Single, draw_dose_response

SINGLE: Final = "dots: single values; crosses: outliers, which are kept"


def draw_fits(
    found: Fits, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw single values, means, curves with bands and IC50s of all groups of a table."""
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
    return f"µ{unit[1:]}" if unit[:1] == "u" else unit
