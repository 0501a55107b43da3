"""Pictures of a run: the network, the fields, the read-outs over time.

Maps keep the orientation of the arrays [y, x], as a micrograph does: row 0 is at the top, and
axes are in um from the upper left corner. No function touches pyplot or the user's settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from numpy.typing import NDArray

from sim.assay.network import Network, measure_network
from sim.scenario.schema import Drug
from sim.study.result import RunResult
from sim.view import style
from sim.view.pictures import try_picture

_WIDTH_IN: Final = 9.0
_DOT: Final = " · "
_OUTLINE_SHADE: Final = 0.55
_PIXELS_ACROSS: Final = 1600
_SHADES: Final = 0.28
_SMOOTHINGS: Final = 8
_GOLDEN: Final = 0.618033988749895
_RECEPTOR_COLOURS: Final = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY)


# --- words -----------------------------------------------------------------------------------


def _title(result: RunResult) -> str:
    return style.one_line(str(result.scenario.name), 64)


def _treatment(result: RunResult) -> str:
    """Return the ligands in the bath and the free drug at the end, or nothing for neither."""
    words = [
        f"{name} {ligand.bath_ng_ml:g} ng/mL"
        for name, ligand in result.scenario.ligands.items()
        if ligand.bath_ng_ml > 0
    ]
    if drug := _drug_given(result):
        free, most = _last(result.timeseries, "free_nM"), result.timeseries["free_nM"].max()
        words.append(f"{drug.name} {free:.3g} nM free")
        if most > 1.001 * free:
            words[-1] += f", before up to {most:.3g}"
    if not words and _has_signalling(result):
        words.append("no ligand, no drug")
    return style.one_line(_DOT.join(words), 110)


def _origin(result: RunResult) -> str:
    words = [f"seed {result.seed}"]
    if version := result.manifest.get("version"):
        words.append(f"angiosim {version}")
    return _DOT.join(words)


def _caption(result: RunResult) -> str:
    time_h = _last(result.timeseries, "time_h")
    mcs = int(_last(result.timeseries, "mcs"))
    return _DOT.join([f"t = {time_h:.1f} h ({mcs} MCS)", _origin(result)])


def _last(table: pd.DataFrame, column: str) -> float:
    return float(table[column].iloc[-1]) if column in table and len(table) else 0.0


def _has_signalling(result: RunResult) -> bool:
    return bool(result.scenario.signalling.enabled)


def _drug_given(result: RunResult) -> Drug | None:
    """Return the drug, if the cells ever saw any."""
    table = result.timeseries
    given = "free_nM" in table and bool((table["free_nM"] > 0).any())
    return result.scenario.drug if given else None


# --- the cells -------------------------------------------------------------------------------


def _periodic(result: RunResult) -> bool:
    return bool(result.scenario.domain.boundary == "periodic")


def _extent(result: RunResult) -> tuple[float, float, float, float]:
    """Return (left, right, bottom, top) of the domain in um, with row 0 at the top."""
    height, width = result.final["cell_id"].shape
    spacing = float(result.scenario.domain.spacing_um)
    return (0.0, width * spacing, height * spacing, 0.0)


def _magnify(cell_id: NDArray[Any], factor: int, periodic: bool) -> NDArray[Any]:
    """Enlarge a map of cell ids, rounding the corners of sites.

    Each small pixel goes to the id with the greatest weight under a quadratic B-spline on the
    3 x 3 sites around it: no id is invented, and each site keeps its centre. The weights are
    whole numbers, so that equal weights are found equal (the site's own id then wins).

    Parameters
    ----------
    cell_id : (H, W) int
        Cell ids, 0 is medium.
    factor : int
        Small pixels per site and direction.
    periodic : bool
        Whether opposite borders touch.

    Returns
    -------
    (H * factor, W * factor) int
    """
    large = np.repeat(np.repeat(cell_id, factor, axis=0), factor, axis=1)
    if factor == 1:
        return large
    height, width = cell_id.shape
    padded = np.pad(cell_id, 1, mode="wrap" if periodic else "edge")
    places = sorted(((dy, dx) for dy in range(3) for dx in range(3)), key=lambda p: p != (1, 1))
    near = np.stack([padded[dy : dy + height, dx : dx + width] for dy, dx in places])
    rows, columns = np.nonzero((near != cell_id).any(axis=0))

    across = 2 * np.arange(factor) + 1 - factor
    spline = np.stack(
        [(factor - across) ** 2, 6 * factor**2 - 2 * across**2, (factor + across) ** 2], axis=1
    ).astype(np.float32)
    weights = np.stack([np.outer(spline[:, dy], spline[:, dx]).ravel() for dy, dx in places], 1)

    sub_rows, sub_columns = np.divmod(np.arange(factor**2), factor)
    block = 16384
    for start in range(0, rows.size, block):
        y, x = rows[start : start + block], columns[start : start + block]
        ids = near[:, y, x]
        same = (ids[None] == ids[:, None]).astype(np.float32)
        scores = (weights @ same.reshape(9, -1)).reshape(factor**2, 9, y.size)
        winner = np.take_along_axis(ids, scores.argmax(axis=1), axis=0)
        large[y * factor + sub_rows[:, None], x * factor + sub_columns[:, None]] = winner
    return large


def _outlines(cell_id: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the pixels of cells that touch another cell or the medium."""
    border = np.zeros(cell_id.shape, dtype=bool)
    for axis in (0, 1):
        step = np.diff(cell_id, axis=axis) != 0
        ahead = [slice(None), slice(None)]
        behind = [slice(None), slice(None)]
        ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
        border[tuple(ahead)] |= step
        border[tuple(behind)] |= step
    return border & (cell_id > 0)


def _large_cells(result: RunResult, pixels_across: int) -> NDArray[Any]:
    cell_id = result.final["cell_id"]
    factor = max(1, min(4, pixels_across // max(cell_id.shape)))
    return _magnify(cell_id, factor, _periodic(result))


def _cell_colours(result: RunResult) -> NDArray[np.float64]:
    """Return an RGB colour for each row of the cell store; row 0 is the medium."""
    count = int(result.final["cell_id"].max(initial=0)) + 1
    if _has_signalling(result):
        drive = np.asarray(result.final["cell_drive"], dtype=float)[:count]
        colours = style.drive_map()(np.clip(np.nan_to_num(drive), 0.0, 1.0))[:, :3]
        types = result.final.get("cell_type", np.ones(count, int))[:count]
        colours[types > 1] = to_rgb(style.OTHER_CELLS)
        # neighbours of one drive differ a little in lightness, so that cells can be told apart
        shade = _SHADES * ((np.arange(count) * _GOLDEN) % 1.0)[:, None]
        colours = colours * (1.0 - shade) + shade
    else:
        soft = np.array([to_rgb(colour) for colour in style.SOFT_CYCLE])
        colours = soft[np.arange(count) % len(soft)]
    colours[0] = to_rgb(style.GAP)
    return np.asarray(colours, dtype=float)


# --- the skeleton ----------------------------------------------------------------------------


def _skeleton_lines(
    places: NDArray[np.float64], links: NDArray[Any], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the skeleton as short lines between linked places, stairs smoothed.

    Places in the middle of a line move towards their two neighbours; ends and branch points
    stay. Lines over a periodic border are given once at each side.

    Parameters
    ----------
    places : (n, 2) float
        Places (y, x) of the skeleton, in sites.
    links : (m, 2) int
        Pairs of neighbours among them.
    shape : (int, int)
        Sites of the domain.

    Returns
    -------
    (m or more, 2, 2) float
        Start and end of each line as (y, x) in sites.
    """
    start, end = links.T
    jump = np.round((places[start] - places[end]) / shape) * shape  # across the border
    middle = np.bincount(links.ravel(), minlength=len(places)) == 2
    place = places.copy()
    for _ in range(_SMOOTHINGS):
        total = np.zeros_like(place)
        np.add.at(total, start, place[end] + jump)
        np.add.at(total, end, place[start] - jump)
        place[middle] = (place[middle] + total[middle] / 2) / 2

    lines = np.stack([place[start], place[end] + jump], axis=1)
    over = jump.any(axis=1)
    return np.concatenate([lines, lines[over] - jump[over, None]])


def _draw_skeleton(ax: Axes, network: Network, spacing_um: float) -> None:
    scale = style.text_scale(ax)
    lines = _skeleton_lines(network.skeleton_yx, network.skeleton_links, network.kept.shape)
    lines = (lines[..., ::-1] + 0.5) * spacing_um
    for colour, width, order in (("white", 3.0, 3.0), (style.INK, 1.5, 3.2)):
        ax.add_collection(
            LineCollection(
                list(lines),
                colors=colour,
                linewidths=width * scale,
                capstyle="round",
                zorder=order,
                gid="skeleton",
            ),
            autolim=False,
        )
    for name, places, colour, size in (
        ("junctions", network.junction_yx, style.VERMILION, 24.0),
        ("ends", network.end_yx, "white", 13.0),
    ):
        ax.scatter(
            (places[:, 1] + 0.5) * spacing_um,
            (places[:, 0] + 0.5) * spacing_um,
            s=size * scale**2,
            c=colour,
            edgecolors="white" if name == "junctions" else style.INK,
            linewidths=0.8 * scale,
            zorder=4,
            gid=name,
        )


# --- pictures --------------------------------------------------------------------------------


def _bare(ax: Axes, extent: tuple[float, float, float, float]) -> None:
    """Set up axes for a map: no ticks, true proportions, a thin frame."""
    ax.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal")
    for spine in ax.spines.values():
        spine.set(visible=True, color=style.FRAME, linewidth=0.8)


def _map_axes(result: RunResult, extent: tuple[float, float, float, float]) -> Axes:
    """Return the axes of a new figure that fit a domain, with room for words and colour bar."""
    left, bottom = 0.25, 0.5
    right = 0.8 if _has_signalling(result) else left
    top = 0.85 if _treatment(result) else 0.6
    wide = _WIDTH_IN - left - right
    ratio = extent[2] / extent[1]
    high = min(wide * ratio, 2 * _WIDTH_IN)
    wide = high / ratio
    width, height = max(wide + left + right, 5.0), high + top + bottom
    figure = style.new_figure(width, height)
    return figure.add_axes((left / width, bottom / height, wide / width, high / height))


def _note(ax: Axes, text: str, x: float, y: float, drop_pt: float, **words: Any) -> None:
    """Write beside the axes, `drop_pt` points above (below, if negative) a point of its frame."""
    ax.annotate(
        text,
        (x, y),
        xycoords="axes fraction",
        xytext=(0, drop_pt),
        textcoords="offset points",
        va="bottom" if drop_pt > 0 else "top",
        annotation_clip=False,
        **words,
    )


def draw_network(result: RunResult, ax: Axes | None = None) -> Axes:
    """Draw the cells and the network that they form, as seen under a microscope.

    Cells are coloured by their drive (by number where nothing signals), gaps are pale. The line
    is the skeleton of the network, which leaves out parts smaller than three cells; filled dots
    are its junctions, open dots its ends. Outlines are smoothed within one lattice site.

    Parameters
    ----------
    result : RunResult
        A finished run.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if left out. Its coordinates become um, row 0 at the top.

    Returns
    -------
    matplotlib.axes.Axes
    """
    extent = _extent(result)
    if ax is None:
        with style.house_style():
            return draw_network(result, _map_axes(result, extent))
    domain = result.scenario.domain
    _bare(ax, extent)
    scale = style.text_scale(ax)

    cells = _large_cells(result, _PIXELS_ACROSS)
    colours = _cell_colours(result)
    image = (colours * 255).round().astype(np.uint8)[cells]
    dark = (colours * _OUTLINE_SHADE * 255).round().astype(np.uint8)
    border = _outlines(cells)
    image[border] = dark[cells[border]]
    ax.imshow(image, extent=extent, origin="upper", interpolation="antialiased", zorder=1)

    network = measure_network(result.final["cell_id"] > 0, **result.scenario.network_options)
    _draw_skeleton(ax, network, float(domain.spacing_um))
    _bare(ax, extent)
    style.add_scale_bar(ax, extent[1])

    treatment = _treatment(result)
    title_pt = (27.0 if treatment else 9.0) * scale
    _note(ax, _title(result), 0, 1, title_pt, size=15 * scale, weight="bold", color=style.INK)
    if treatment:
        _note(ax, treatment, 0, 1, 8 * scale, size=11.5 * scale, color=style.INK)
    _note(ax, _caption(result), 0, 0, -8 * scale, size=10 * scale, color=style.QUIET)

    if _has_signalling(result):
        inset = ax.inset_axes((1.02, 0.0, 0.028, 0.45))
        colour_bar = ax.figure.colorbar(
            ScalarMappable(Normalize(0, 1), style.drive_map()), cax=inset, ticks=[0, 0.5, 1]
        )
        _dress_colour_bar(colour_bar, scale)
        _note(inset, "drive\n(0-1)", 0, 1, 6 * scale, size=11 * scale, color=style.INK)
    style.plain_text(ax)
    return ax


def _dress_colour_bar(colour_bar: Colorbar, scale: float) -> None:
    colour_bar.ax.tick_params(
        labelsize=10 * scale, length=2.5 * scale, color=style.QUIET, labelcolor=style.INK
    )
    colour_bar.outline.set(edgecolor=style.FRAME, linewidth=0.6)


def _field_names(result: RunResult) -> list[str]:
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


def draw_fields(result: RunResult, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw each field as a map with its own colour bar, outlines of the cells over it.

    Ligands are in ng/mL, the cue in arbitrary units. A field on a coarser grid is shown at its
    own spacing, without interpolation.

    Parameters
    ----------
    result : RunResult
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
    result: RunResult, count: int, extent: tuple[float, float, float, float]
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


def _figure_words(figure: Figure, result: RunResult, left: float, caption: str) -> None:
    """Write title, treatment and caption on a figure with several panels."""
    height = figure.get_figheight()
    at_top: dict[str, Any] = {"va": "top", "color": style.INK}
    figure.text(left, 1 - 0.14 / height, _title(result), size=15, weight="bold", **at_top)
    figure.text(left, 1 - 0.45 / height, _treatment(result), size=11.5, **at_top)
    figure.text(left, 0.13 / height, caption, size=10, color=style.QUIET, va="bottom")


# --- read-outs over time ---------------------------------------------------------------------

_Line = tuple[str, str, str]
"""A column, its label and its colour."""


def _panels(result: RunResult) -> list[tuple[str, list[_Line]]]:
    """Return the panels of the time series that this run can fill: axis label and lines."""
    panels: list[tuple[str, list[_Line]]] = [
        (
            "length (mm)",
            [
                ("total_length_mm", "total", style.SKY),
                ("tube_length_mm", "network", style.BLUE),
            ],
        ),
        (
            "number",
            [("junctions", "junctions", style.ORANGE), ("meshes", "meshes", style.VERMILION)],
        ),
        (
            "fraction (0-1)",
            [
                ("covered_fraction", "covered", style.PURPLE),
                ("largest_part_fraction", "largest part", style.GREEN),
            ],
        ),
    ]
    if _has_signalling(result):
        inhibition = [c for c in map(str, result.timeseries) if c.startswith("inhibition_")]
        signal: list[_Line] = [("mean_drive", "mean drive", style.INK)]
        if _drug_given(result):
            signal += [
                (column, f"{column.removeprefix('inhibition_')} inhibited", colour)
                for column, colour in zip(inhibition, cycle(_RECEPTOR_COLOURS), strict=False)
            ]
        panels.append(("signal (0-1)", signal))
    if drug := _drug_given(result):
        panels.append(("free drug (nM)", [("free_nM", drug.name, style.INK)]))
    present = set(result.timeseries.columns)
    panels = [(label, [line for line in lines if line[0] in present]) for label, lines in panels]
    return [(label, lines) for label, lines in panels if lines]


def draw_timeseries(result: RunResult, axes: Sequence[Axes] | None = None) -> list[Axes]:
    """Draw the read-outs over time: lengths, counts, fractions, signals, free drug.

    Signals are shown for a run that has signalling, inhibition and free drug for a run with
    drug. Gaps in a line are times at which a read-out has no value.

    Parameters
    ----------
    result : RunResult
        A finished run with at least one record.
    axes : sequence of matplotlib.axes.Axes, optional
        One for each panel, top to bottom; a new figure if left out.

    Returns
    -------
    list of matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the number of `axes` is not the number of panels.
    """
    panels = _panels(result)
    if axes is None:
        with style.house_style():
            return draw_timeseries(result, _timeseries_figure(result, len(panels)))
    if len(axes) != len(panels):
        raise ValueError(
            f"{len(panels)} axes needed, one for each of {[label for label, _ in panels]}; "
            f"got {len(axes)}"
        )
    table = result.timeseries
    time = table["time_h"].to_numpy(dtype=float)
    for ax, (label, lines) in zip(axes, panels, strict=True):
        for column, _, colour in lines:
            values = table[column].to_numpy(dtype=float)
            look: dict[str, Any] = {"color": colour, "linewidth": 2.0, "clip_on": False}
            if len(time) == 1:
                look |= {"marker": "o", "markersize": 6}
            if column == "free_nM" or column.startswith("inhibition_"):
                # Free drug jumps when the medium is changed, and inhibition with it.
                look["drawstyle"] = "steps-post"
            if column == "free_nM":
                ax.fill_between(time, values, step="post", color=style.SKY, alpha=0.25, linewidth=0)
            ax.plot(time, values, zorder=3, **look)
        ax.set_xlim(_time_limits(time))
        if len(time) == 1:
            ax.set_xticks(time)
        ax.set_ylim(0, 1 if "0-1" in label else _roof(table[[c for c, _, _ in lines]]))
        ax.set_ylabel(label, size=11)
        if "0-1" in label:
            ax.set_yticks([0, 0.5, 1])
        else:
            ax.yaxis.set_major_locator(MaxNLocator(4, integer=label == "number"))
        ax.grid(axis="y", color="#e6e4df", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.tick_params(labelbottom=ax is axes[-1])
        _label_line_ends(ax, table, lines)
        style.plain_text(ax)
    axes[-1].set_xlabel("time (h)", size=11)
    return list(axes)


def _timeseries_figure(result: RunResult, count: int) -> list[Axes]:
    left, right, top, bottom, high, gap = 0.85, 1.7, 0.85, 0.95, 1.35, 0.24
    height = top + bottom + count * high + (count - 1) * gap
    figure = style.new_figure(_WIDTH_IN, height)
    axes: list[Axes] = []
    for place in range(count):
        y = height - top - high - place * (high + gap)
        box = (left / _WIDTH_IN, y / height, (_WIDTH_IN - left - right) / _WIDTH_IN, high / height)
        axes.append(figure.add_axes(box, sharex=axes[0] if axes else None))
        axes[-1].yaxis.set_label_coords(-0.075, 0.5)
    caption = _origin(result)
    if (drug := _drug_given(result)) and _has_signalling(result):
        # Potency is an input of the model, never its finding, and its origin is debated.
        potency = drug.potency or "default"
        caption += f"{_DOT}inhibition follows from IC50 set “{potency}”; on its origin see the docs"
    _figure_words(figure, result, 0.25 / _WIDTH_IN, caption)
    return axes


def _time_limits(time: NDArray[np.float64]) -> tuple[float, float]:
    first, last = float(np.nanmin(time)), float(np.nanmax(time))
    return (first, last) if last > first else (first - 0.5, first + 0.5)


def _roof(values: pd.DataFrame) -> float:
    """Return the upper end of an axis that starts at 0."""
    numbers = values.to_numpy(dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    highest = float(numbers.max(initial=0.0))
    return 1.08 * highest if highest > 0 else 1.0


def _label_line_ends(ax: Axes, table: pd.DataFrame, lines: Sequence[_Line]) -> None:
    """Write each line's name at its right end, moved apart where they would overlap."""
    size = 10.5
    height_in = ax.get_window_extent().height / ax.figure.dpi
    gap = 1.25 * size / 72 / height_in
    top = ax.get_ylim()[1]
    ends = []
    for column, label, colour in lines:
        known = table[column].dropna()
        ends.append((float(known.iloc[-1]) / top if len(known) else 0.0, label, colour))
    # Lines that end together keep the order of the panel, first on top.
    ends = sorted(reversed(ends), key=lambda end: end[0])
    for y, (_, label, colour) in zip(_spread([end[0] for end in ends], gap), ends, strict=True):
        ax.annotate(
            label,
            (1, y),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            size=size,
            color=_readable(colour),
            annotation_clip=False,
        )


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """Move rising places apart to at least `gap`, each group staying about its own middle."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1:
            low, high = groups[-2], groups[-1]
            reach = gap * (len(low) + len(high)) / 2
            if sum(high) / len(high) - sum(low) / len(low) >= reach - 1e-12:
                break
            groups[-2:] = [low + high]
    out = []
    for group in groups:
        middle = max(sum(group) / len(group), gap * (len(group) - 1) / 2)
        out += [middle + gap * (i - (len(group) - 1) / 2) for i in range(len(group))]
    return out


def _readable(colour: str) -> tuple[float, float, float]:
    """Return the colour dark enough for text on white."""
    red, green, blue = (0.78 * part for part in to_rgb(colour))
    return (red, green, blue)


# --- files -----------------------------------------------------------------------------------


def save_pictures(result: RunResult, folder: str | Path) -> list[Path]:
    """Write `network.png`, `fields.png` (if there are fields) and `timeseries.png`.

    The same result gives the same bytes. Title, version, scenario hash and seed are in the PNG text
    chunks. A picture that cannot be drawn is left out with a warning.

    Parameters
    ----------
    result : RunResult
        A finished run.
    folder : str or Path
        Where to write; made if it does not exist.

    Returns
    -------
    list of Path
        The files written.
    """
    drawings: dict[str, Callable[[], Axes]] = {"network.png": lambda: draw_network(result)}
    if _field_names(result):
        drawings["fields.png"] = lambda: draw_fields(result)[0]
    drawings["timeseries.png"] = lambda: draw_timeseries(result)[0]
    chunks = {
        "Title": str(result.scenario.name),
        "Software": f"angiosim {result.manifest.get('version', '')}".strip(),
        "Scenario-Hash": str(result.manifest.get("scenario_hash", "")),
        "Seed": str(result.seed),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        folder / name
        for name, draw in drawings.items()
        if try_picture(folder / name, draw, **chunks)
    ]
