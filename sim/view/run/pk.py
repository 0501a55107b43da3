"""Picture of a drug in a body: plasma and free concentration, inhibition, doses."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from sim.runs.pk import PK
from sim.scenario.writing import scenario_hash
from sim.view import canvas, style
from sim.view.run.frame import RECEPTOR_COLOURS

SHADE = "#00000010"


@style.house_style()
def draw_pk(result: PK, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw concentrations (log scale) above, inhibition of each receptor below.

    Lines are the typical subject; the band holds 90 % of the virtual population. Ticks at the
    bottom mark doses, shading marks weeks off, dashed lines the IC50s of unbound drug.

    Parameters
    ----------
    result : PK
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    drug = result.drug
    halves, found = result.half_lives, result.provenance
    caption = (
        f"IC50 set {found.potency}; pharmacokinetics {found.pk_set}; kp_uu {drug.kp_uu:g}; "
        f"half-life effective {halves.effective_h:.3g} h, terminal {halves.terminal_h:.3g} h; "
        f"angiosim {found.version}, scenario {found.scenario_hash[:12]}"
    )
    if result.subjects and found.nothing_varies:
        caption += "; spread between subjects not known"
    caption = "\n".join([caption, *found.warnings])
    title = f"{drug.name}, {drug.species}: {_summary(result)}"
    body = canvas.sheet(fig, 9, 6.8, title=title, caption=caption)
    upper, lower = body.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    days = result.time_h / 24
    for ax in (upper, lower):
        _shade_weeks_off(ax, result)
    _concentrations(upper, result, days)
    for (receptor, inhibited), colour in zip(
        result.inhibition.items(), cycle(RECEPTOR_COLOURS), strict=False
    ):
        lower.plot(days, inhibited, color=colour, label=receptor)
    lower.set(ylim=(0, 1), ylabel="inhibition (0-1)", xlabel="elapsed time (days)")
    lower.set_xlim(days[0], days[-1])
    across = max(1, min(4, int(canvas.width_of(body) / 2.1)))
    for ax in (upper, lower):
        ax.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=across, frameon=False)
    body.align_ylabels([upper, lower])
    return canvas.figure_of(body)


def save_pk(result: PK, path: Path) -> None:
    """Write the picture in the format that the file's suffix names, whole or not at all."""
    drug = result.drug
    marks = canvas.Marks(
        title=f"{drug.name}, {drug.species}", scenario_hash=scenario_hash(result.scenario)
    )
    canvas.save_picture(draw_pk(result), path, marks)


def _summary(result: PK) -> str:
    if result.regimen is None:
        return f"{len(result.doses)} doses"
    return str(result.regimen).splitlines()[0]


def _concentrations(ax: Axes, result: PK, days: NDArray[np.float64]) -> None:
    for values, band, colour, label in (
        (result.total_nM, result.total_bands_nM, style.INK, "total in plasma"),
        (result.free_nM, result.free_bands_nM, style.VERMILION, "unbound at the cells"),
    ):
        if band is not None:
            ax.fill_between(days, band[0], band[2], color=colour, alpha=0.15, linewidth=0)
        ax.plot(days, values, color=colour, label=label)
    for (receptor, ic50), colour in zip(
        result.potency.ic50_nM.items(), cycle(RECEPTOR_COLOURS), strict=False
    ):
        ax.axhline(ic50, color=colour, linestyle="--", linewidth=1, label=f"IC50 {receptor}")
    highest = max(result.total_nM.max(), *result.potency.ic50_nM.values())
    lowest = min(max(result.free_nM.max(), 1e-3) / 50, min(result.potency.ic50_nM.values()) / 2)
    ax.set(yscale="log", ylim=(lowest, 2 * highest), ylabel="concentration (nM)")
    ax.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    dosed = np.array([dose.at_h for dose in result.doses]) / 24
    ax.plot(
        dosed,
        np.full(dosed.size, 0.02),
        "|",
        color=style.QUIET,
        transform=ax.get_xaxis_transform(),
        zorder=3,  # over a line that rises there
        label="dose",
    )


def _shade_weeks_off(ax: Axes, result: PK) -> None:
    regimen = result.regimen
    if regimen is None or regimen.off_days == 0:
        return
    for number in range(1, regimen.counted + 1):
        end = (regimen.first_h + number * regimen.cycle_h) / 24
        ax.axvspan(end - regimen.off_days, end, color=SHADE, linewidth=0)
