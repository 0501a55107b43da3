"""Concentration fields."""

from __future__ import annotations

import math
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
_WIDE: Final = {1: 5.6, 2: 3.5}
"""Inches of a map, by how many are in a row."""


def field_names(result: Snapshot) -> list[str]:
    """Return the names of the fields in which there is something."""
    names = [key.removeprefix("field_") for key in result.final if key.startswith("field_")]
    return [name for name in names if result.final[f"field_{name}"].any()]


def _colour_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Return the range of a colour bar: the data's, but never so narrow that noise shows."""
    finite = values[np.isfinite(values)]
    if finite.size == 0 or not finite.any():
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    widest = max(abs(low), abs(high))
    if high - low < 0.01 * widest:
        low, high = (low, low + 0.01 * widest) if low < 0 else (high - 0.01 * widest, high)
    return low, high


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
    down = math.ceil(len(names) / across)
    wide = _WIDE[across]
    high = wide * min(extent[2] / extent[1], 3.0)
    body = canvas.sheet(
        fig, across * (wide + 1.0), down * (high + 0.4) + 0.95,
        title=f"Concentrations {frame.age(result)}", subtitle=frame.treatment(result),
        caption=frame.origin(result),
    )  # fmt: skip
    axes = body.subplots(down, across, squeeze=False).ravel().tolist()
    for empty in axes[len(names) :]:
        empty.remove()
    border = frame.outlines(frame.large_cells(result, frame.PIXELS_ACROSS // 2))
    outline = np.zeros((*border.shape, 4), dtype=np.float32)
    outline[border] = (1.0, 1.0, 1.0, 0.43)
    for name, ax in zip(names, axes, strict=False):
        _draw_field(result, name, ax)
        ax.imshow(outline, extent=extent, origin="upper", interpolation="antialiased", zorder=2)
        frame.bare(ax, extent)
        style.add_scale_bar(ax, extent[1])
    return canvas.figure_of(body)


def _draw_field(result: Snapshot, name: str, ax: Axes) -> None:
    """Draw one field, its name above it and its colour bar beside it."""
    scale = style.text_scale(ax)
    values = np.asarray(result.final[f"field_{name}"], dtype=float)
    spacing = float(
        result.final.get(f"spacing_um_{name}", np.array(result.scenario.domain.spacing_um))
    )
    low, high = _colour_limits(values)
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
    ax.set_title(style.one_line(name, 40), loc="left", size=12, weight="bold")
    unit = "ng/mL" if name in ligands_of(result.scenario) else "arbitrary units"
    # in the axes of the map, so that it is as high as the map
    bar = ax.figure.colorbar(shown, cax=ax.inset_axes((1.025, 0.0, 0.035, 1.0)))
    bar.locator = MaxNLocator(5)
    plain = ScalarFormatter(useOffset=False)
    plain.set_powerlimits((-3, 5))
    bar.formatter = plain
    bar.update_ticks()
    bar.set_label(unit, size=11 * scale, color=style.INK, labelpad=5 * scale)
    frame.dress_colour_bar(bar, scale)
    bar.ax.yaxis.get_offset_text().set(size=10 * scale, color=style.INK)
