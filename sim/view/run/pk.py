"""Picture of a drug in a body: plasma and free concentration, inhibition, doses."""

from __future__ import annotations

import io
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from sim.files import write_bytes_atomic
from sim.runs.pk import PK
from sim.version import __version__
from sim.view import style

RECEPTOR_COLOURS = (
    style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, *style.SOFT_CYCLE,
)  # fmt: skip
SHADE = "#00000010"


def draw_pk(result: PK, axes: tuple[Axes, Axes] | None = None) -> tuple[Axes, Axes]:
    """Draw concentrations (log scale) above, inhibition of each receptor below.

    Lines are the typical subject; the band holds 90 % of the virtual population. Ticks at the
    bottom mark doses, shading marks weeks off, dashed lines the IC50s of free drug.

    Parameters
    ----------
    result : PK
    axes : pair of Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    pair of Axes
    """
    with style.house_style():
        upper, lower = axes or _new_axes()
        days = result.time_h / 24
        for ax in (upper, lower):
            _shade_weeks_off(ax, result)
        _concentrations(upper, result, days)
        for (receptor, inhibited), colour in zip(
            result.inhibition.items(), cycle(RECEPTOR_COLOURS), strict=False
        ):
            lower.plot(days, inhibited, color=colour, label=receptor)
        lower.set(ylim=(0, 1), ylabel="inhibition (0-1)", xlabel="elapsed time (days)")
        lower.legend(loc="upper right", ncols=3, frameon=False)
        drug = result.drug
        upper.set_title(f"{drug.name}, {drug.species}: {_summary(result)}", loc="left")
        note = (
            f"IC50 set {result.potency.name}; kp_uu {drug.kp_uu:g}; half-life "
            f"{result.half_life_h:.3g} h; angiosim {__version__}"
        )
        if axes is not None:
            return upper, lower
        lower.annotate(
            note, (0, -0.28), xycoords="axes fraction", color=style.QUIET, fontsize="small"
        )
    return upper, lower


def save_pk(result: PK, path: Path) -> None:
    """Write the picture in the format that the file's suffix names, whole or not at all."""
    kind = style.picture_format(path)
    with style.house_style():
        figure = draw_pk(result)[0].get_figure(root=True)
        assert figure is not None
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=160, metadata=style.PICTURE_METADATA[kind])
    write_bytes_atomic(path, buffer.getvalue())


def _new_axes() -> tuple[Axes, Axes]:
    figure = style.new_figure(9, 6.4)
    figure.set_layout_engine("constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    return upper, lower


def _summary(result: PK) -> str:
    if result.regimen is None:
        return f"{len(result.doses)} doses"
    return str(result.regimen).splitlines()[0]


def _concentrations(ax: Axes, result: PK, days: NDArray[np.float64]) -> None:
    for values, band, colour, label in (
        (result.total_nM, result.total_bands_nM, style.INK, "total in plasma"),
        (result.free_nM, result.free_bands_nM, style.VERMILION, "free at the cells"),
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
    ax.set(yscale="log", ylim=(lowest, 20 * highest), ylabel="concentration (nM)")
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
    ax.legend(loc="upper right", ncols=3, frameon=False)


def _shade_weeks_off(ax: Axes, result: PK) -> None:
    regimen = result.regimen
    if regimen is None or regimen.off_days == 0:
        return
    for number in range(1, regimen.cycles + 1):
        end = (regimen.first_h + number * regimen.cycle_h) / 24
        ax.axvspan(end - regimen.off_days, end, color=SHADE, linewidth=0)
