"""Concentration fields."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from numpy.typing import NDArray

from sim.runs.result import Result
from sim.view import style
from sim.view.run.frame import (
    _PIXELS_ACROSS,
    _WIDTH_IN,
    _bare,
    _caption,
    _dress_colour_bar,
    _extent,
    _figure_words,
    _large_cells,
    _note,
    _outlines,
)


def _field_names(result: Result) -> list[str]:
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


def draw_fields(result: Result, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw each field as a map with its own colour bar, outlines of the cells over it.

    Ligands are in ng/mL, the cue in arbitrary units. A field on a coarser grid is shown at its
    own spacing, without interpolation.

    Parameters
    ----------
    result : Result
        A finished run with `field_NAME` and `spacing_um_NAME` among its final arrays.
    axes : sequence of matplotlib.axes.Axes, optional
        One for each field, in the order of the final arrays; a new figure if left out.

    Returns
    -------
    list of matplotlib.axes.Axes
        Empty for a run without fields.

    Raises
    ------
    ValueError
        If the number of `axes` is not the number of fields.
    """
    names = _field_names(result)
    extent = _extent(result)
    if axes is None:
        if not names:
            return []
        with style.house_style():
            return draw_fields(result, _fields_figure(result, len(names), extent))
    if len(axes) != len(names):
        raise ValueError(f"{len(names)} axes needed, one for each field {names}; got {len(axes)}")

    border = _outlines(_large_cells(result, _PIXELS_ACROSS // 2))
    outline = np.zeros((*border.shape, 4), dtype=np.uint8)
    outline[border] = (255, 255, 255, 110)
    for name, ax in zip(names, axes, strict=True):
        _bare(ax, extent)
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
        ax.imshow(outline, extent=extent, origin="upper", interpolation="antialiased", zorder=2)
        _bare(ax, extent)
        style.add_scale_bar(ax, extent[1])
        title = style.one_line(name, 40)
        _note(ax, title, 0, 1, 6 * scale, size=14 * scale, weight="bold", color=style.INK)
        unit = "ng/mL" if name in result.scenario.ligands else "arbitrary units"
        colour_bar = ax.figure.colorbar(shown, cax=ax.inset_axes((1.025, 0.0, 0.035, 1.0)))
        colour_bar.locator = MaxNLocator(5)
        plain = ScalarFormatter(useOffset=False)
        plain.set_powerlimits((-3, 5))
        colour_bar.formatter = plain
        colour_bar.update_ticks()
        colour_bar.set_label(unit, size=11 * scale, color=style.INK, labelpad=5 * scale)
        _dress_colour_bar(colour_bar, scale)
        colour_bar.ax.yaxis.get_offset_text().set(size=10 * scale, color=style.INK)
        style.plain_text(ax)
    return list(axes)


def _fields_figure(
    result: Result, count: int, extent: tuple[float, float, float, float]
) -> list[Axes]:
    """Return the axes of a new figure for `count` maps, two in a row."""
    columns = min(count, 2)
    rows = math.ceil(count / columns)
    left, right, above, top, bottom = 0.25, 0.95, 0.4, 0.62, 0.45
    wide = _WIDTH_IN / columns - left - right if columns > 1 else 5.6
    ratio = min(extent[2] / extent[1], 3.0)
    high = wide * ratio
    width, height = (wide + left + right) * columns, (high + above) * rows + top + bottom
    figure = style.new_figure(width, height)
    axes = []
    for place in range(count):
        row, column = divmod(place, columns)
        x = column * (wide + left + right) + left
        y = height - top - (row + 1) * (high + above)
        axes.append(figure.add_axes((x / width, y / height, wide / width, high / height)))
    _figure_words(figure, result, left / width, _caption(result))
    return axes
