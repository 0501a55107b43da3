"""Picture of a checkerboard: what two drugs do together, and its excess over expectations."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from sim.fits.checkerboard import MODELS
from sim.lab.checkerboard import Checkerboard, words
from sim.view import canvas, style
from sim.view.lab.fit import unit_words
from sim.view.run.frame import dress_colour_bar
from sim.view.study.curves import source

NAMES: Final = {"hsa": "HSA", "bliss": "Bliss", "loewe": "Loewe", "zip": "ZIP"}
_LEAST_IN: Final = 2.7  # how wide a panel is at least, with text of 10 pt
_HIGH_IN: Final = 2.5  # and how high
_LEAST_RANGE: Final = 0.1  # of the colours of excess: less is noise


@style.house_style()
def draw_checkerboard(found: Checkerboard, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw inhibition, and its excess over each expectation: red is synergy, blue antagonism.

    Dots are pairs of doses whose limits leave 0 out. Above a panel is the mean excess over all
    pairs of doses above 0.
    """
    about = ("excess: measured less expected, in percent points; dots: 95 % limits without 0; "
             f"{'paired' if found.paired else 'independent'} values")  # fmt: skip
    title = f"{found.drugs[0]} with {found.drugs[1]}: inhibition of {found.response}"
    sheet = canvas.Sheet(fig, 11.0, title=title, caption=f"{about}\n{source(found.table, '')}")
    count = 1 + len(MODELS)
    across = min(sheet.across(style.points(_LEAST_IN), count), 3)
    axes = sheet.panels(count, across)
    _map(axes[0], found, 100 * found.found["inhibition"][0], "viridis", (0.0, 100.0))
    axes[0].set_title("inhibition (%)", loc="left", weight="bold")
    excess = {model: 100 * found.found[f"{model}_excess"] for model in MODELS}
    known = [np.nanmax(np.abs(one[0])) for one in excess.values() if np.isfinite(one[0]).any()]
    most = max([100 * _LEAST_RANGE, *known])
    for ax, model in zip(axes[1:], MODELS, strict=True):
        _map(ax, found, excess[model][0], "RdBu_r", (-most, most))
        _, low, high = excess[model]
        i, j = np.nonzero((low > 1e-9) | (high < -1e-9))
        ax.plot(i, j, "o", color=style.INK, markersize=style.points(5), markeredgecolor="white")
        score = words(found.scores[model])
        heading = f"excess over {NAMES[model]}: {score}"
        ax.set_title(canvas.wrapped(heading, style.points(11), sheet.width_in / across - 0.4, 2),
                     loc="left", weight="bold")  # fmt: skip
    return sheet.done(axes[::across], _HIGH_IN * -(-count // across))


def _map(
    ax: Axes, found: Checkerboard, table: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    colours: str, limits: tuple[float, float],
) -> None:  # fmt: skip
    """Draw a table with the doses of the first drug across, and of the second upwards."""
    drawn = ax.imshow(table.T, origin="lower", aspect="auto", cmap=colours, vmin=limits[0],
                      vmax=limits[1])  # fmt: skip
    ax.set_facecolor(style.GAP)
    for axis, drug, unit, doses in zip(
        (ax.xaxis, ax.yaxis), found.drugs, found.units, found.doses, strict=True
    ):
        axis.set_ticks(range(doses.size), [f"{dose:g}" for dose in doses])
        label = f"{drug} ({unit_words(unit)})" if unit else drug
        axis.set_label_text(canvas.wrapped(label, style.points(10), 2.4, 2))
    bar = canvas.figure_of(ax).colorbar(drawn, ax=ax, pad=0.03, aspect=18)
    dress_colour_bar(bar)
