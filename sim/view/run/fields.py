"""Concentration fields."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from numpy.typing import NDArray

from sim.scenario.classes import ligands_of
from sim.view import canvas, style
from sim.view.run import frame
from sim.view.run.frame import Snapshot

_ACROSS: Final = 2  # maps in a row
_WIDE: Final = {1: 6.5, 2: 9.0}
"""Inches of a figure for a screen, by how many maps are in a row."""
_LEAST_RANGE: Final = 0.05  # of the largest value, across the colours: less would show noise


def field_names(result: Snapshot) -> list[str]:
    """Return the names of the fields in which there is something."""
    names = [key.removeprefix("field_") for key in result.final if key.startswith("field_")]
    return [name for name in names if result.final[f"field_{name}"].any()]


def _colour_limits(values: NDArray[Any]) -> tuple[float, float, str]:
    """Return the range of a colour bar, and what to say of a field that hardly varies.

    It is that of the data, but never so narrow that noise shows.
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0 or not finite.any():
        return 0.0, 1.0, ""
    low, high = float(finite.min()), float(finite.max())
    least = _LEAST_RANGE * max(abs(low), abs(high))
    if high - low >= least:
        return low, high, ""
    said = f"uniform: {low:.4g}" if high == low else f"almost uniform: {_apart(low, high)}"
    return *((low, low + least) if low < 0 else (high - least, high)), said


def _apart(low: float, high: float) -> str:
    """Return two values with as many digits as tell them apart."""
    texts = ((f"{low:.{digits}g}", f"{high:.{digits}g}") for digits in range(4, 18))
    return " to ".join(next(pair for pair in texts if pair[0] != pair[1]))


@style.house_style()
def draw_fields(result: Snapshot, *, fig: Figure | SubFigure | None = None) -> Figure:
    """Draw each field as a map with its own colour bar, outlines of the cells over it.

    Ligands are in ng/mL, the cue in arbitrary units. A field on a coarser grid is shown at its
    own spacing, without interpolation.

    Parameters
    ----------
    result : Result
        A finished run with `field_NAME` and `spacing_um_NAME` among its final arrays.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If there is no field to draw.
    """
    names, extent = field_names(result), frame.extent(result)
    if not names:
        raise ValueError("there is no field to draw")
    across = min(len(names), _ACROSS)
    sheet = canvas.Sheet(
        fig, _WIDE[across], title=f"Concentrations {frame.age(result)}",
        subtitle=frame.treatment(result), caption=frame.origin(result),
    )  # fmt: skip
    axes = sheet.panels(len(names), across)
    border = frame.outlines(frame.large_cells(result, frame.PIXELS_ACROSS // 2))
    outline = np.zeros((*border.shape, 4), dtype=np.float32)
    outline[border] = (1.0, 1.0, 1.0, 0.43)
    for name, ax in zip(names, axes, strict=False):
        _draw_field(result, name, ax)
        ax.imshow(outline, extent=extent, origin="upper", interpolation="antialiased", zorder=2)
        frame.bare(ax, extent)
        frame.scale_bar(ax, extent[1], above=True)
    return sheet.done(axes[::across])


def _draw_field(result: Snapshot, name: str, ax: Axes) -> None:
    """Draw one field, its name above it and its colour bar below it."""
    values = np.asarray(result.final[f"field_{name}"], dtype=float)
    spacing = float(
        result.final.get(f"spacing_um_{name}", np.array(result.scenario.domain.spacing_um))
    )
    low, high, said = _colour_limits(values)
    shown = ax.imshow(
        values,
        extent=(0.0, values.shape[1] * spacing, values.shape[0] * spacing, 0.0),
        origin="upper",
        cmap="viridis",
        vmin=low,
        vmax=high,
        interpolation="nearest",
        zorder=1,
    )
    room = 0.6 * canvas.width_of(ax)
    words = canvas.wrapped(style.one_line(name, 40), style.points(12), room, lines=1)
    ax.set_title(words, loc="left", size=style.points(11), weight="bold")
    unit = "ng/mL" if name in ligands_of(result.scenario) else "arbitrary units"
    bar = ax.figure.colorbar(shown, ax=ax, location="bottom", fraction=0.07, pad=0.03, aspect=25)
    bar.locator = MaxNLocator(4)
    plain = ScalarFormatter(useOffset=False)
    plain.set_powerlimits((-3, 5))
    bar.formatter = plain
    bar.update_ticks()
    label = f"{unit}; {said}" if said else unit
    label = canvas.wrapped(label, style.points(10), canvas.width_of(ax), lines=4)
    bar.set_label(label, size=style.points(10), color=style.ink())
    frame.dress_colour_bar(bar)
