"""The cells, and what their assay draws over them.

Maps keep the orientation of the arrays [y, x], as a micrograph does: row 0 is at the top, and
axes are in um from the upper left corner. No function touches pyplot or the user's settings.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sim.assays import assay
from sim.assays.declare import Tissue, called
from sim.view import canvas, style
from sim.view.lines import SMOOTHINGS, smooth_lines
from sim.view.run import frame
from sim.view.run.frame import Snapshot

WIDTH: Final = 9.0  # in
_THIN: Final = 1.4  # sites, of lines over the cells
_SHADES: Final = 0.28
_GOLDEN: Final = 0.618033988749895


def _types(result: Snapshot) -> dict[int, str]:
    """Return the names of the further types of cells that are there, by their number."""
    if "cell_type" not in result.final:
        return {}
    there = np.unique(result.final["cell_type"][np.unique(result.final["cell_id"])])
    names = dict(enumerate(getattr(result.scenario, "types", {}), 2))
    return {int(kind): names.get(int(kind), f"type {kind}") for kind in there if kind > 1}


def _colour_of_type(kind: int) -> str:
    return style.OTHER_CELLS[(kind - 2) % len(style.OTHER_CELLS)]


def _cell_colours(result: Snapshot) -> NDArray[np.float32]:
    """Return an RGBA colour for each row of the cell store; row 0 is the medium."""
    count = int(result.final["cell_id"].max(initial=0)) + 1
    if frame.has_signalling(result):
        drive = np.asarray(result.final["cell_drive"], dtype=float)[:count]
        colours = style.drive_map()(np.clip(np.nan_to_num(drive), 0.0, 1.0))[:, :3]
    else:
        soft = np.array([to_rgb(colour) for colour in style.SOFT_CYCLE])
        colours = soft[np.arange(count) % len(soft)]
        if _types(result):  # those without a name of their own look alike
            colours[:] = to_rgb(style.ONE_TYPE)
    types = result.final.get("cell_type", np.ones(count, int))[:count]
    for kind in _types(result):
        colours[types == kind] = to_rgb(_colour_of_type(kind))
    if frame.has_signalling(result) or _types(result):
        # neighbours of one colour differ a little in lightness, so that cells can be told apart
        shade = _SHADES * ((np.arange(count) * _GOLDEN) % 1.0)[:, None]
        colours = colours * (1.0 - shade) + shade
    colours[0] = to_rgb(style.GAP)
    rgba = np.ones((count, 4), dtype=np.float32)  # what matplotlib would make of others, slowly
    rgba[:, :3] = colours
    return rgba


def _painted(cells: NDArray[Any], colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an RGBA image of cells, each in the colour of its row, darker where they end."""
    dark = (colours * (*[frame.OUTLINE_SHADE] * 3, 1.0)).astype(np.float32)
    both = np.stack([colours, dark], axis=1).reshape(-1, 4)
    return np.take(both, 2 * cells + frame.outlines(cells), axis=0)


class _Canvas:
    """What an assay draws on: `sim.assays.declare.Canvas`."""

    def __init__(
        self, ax: Axes, cells: NDArray[Any], shape: tuple[int, int], spacing_um: float
    ) -> None:
        self._ax, self._cells, self._shape, self._spacing_um = ax, cells, shape, spacing_um
        self.stains: dict[str, NDArray[np.intp]] = {}
        self.handles: dict[str, Artist] = {}

    def _um(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return places [y, x] in sites as [x, y] in um."""
        return (places[..., ::-1] + 0.5) * self._spacing_um

    def lines(self, places: NDArray[np.float64], links: NDArray[Any], kind: str) -> None:
        """Draw lines between linked places; lines over a periodic border at each side.

        They are thinner than a cord of one cell, and without a light edge, which would hide it.
        """
        if kind == "skeleton" and not style.PAGE.get().skeleton:
            return
        smoothings = SMOOTHINGS if kind in style.STAIRS else 0
        lines = self._um(smooth_lines(places, links, self._shape, smoothings))
        broken = np.pad(lines, ((0, 0), (0, 1), (0, 0)), constant_values=np.nan)  # one path: fast
        x, y = broken.reshape(-1, 2).T
        (drawn,) = self._ax.plot(
            x, y, color=style.INK, linewidth=self._thin(), solid_capstyle="round", zorder=3.2,
            gid=kind, label=kind, scalex=False, scaley=False,
        )  # fmt: skip
        if len(links):
            self.handles[kind] = drawn

    def _thin(self) -> float:
        """Return a width that leaves cells to be seen on both sides of a line, in points."""
        box = self._ax.get_window_extent()
        across = box.width * 72 / canvas.figure_of(self._ax).dpi / self._shape[1]  # of a site
        return float(min(max(_THIN * across, 0.5), style.points(1.6)))

    def dots(self, places: NDArray[np.float64], kind: str) -> None:
        """Draw a dot at each place."""
        if kind in style.OF_SKELETON and not style.PAGE.get().skeleton:
            return
        face, edge, size = style.DOTS.get(kind, style.DOTS["ends"])
        x, y = self._um(places).T
        scale = style.points(1.0) * min(1.0, self._thin() / style.points(1.0))
        drawn = self._ax.scatter(
            x, y, s=size * scale**2, c=face, edgecolors=edge, linewidths=0.6 * scale, zorder=4,
            gid=kind, label=style.WORDS.get(kind, kind),
        )  # fmt: skip
        if len(places):
            self.handles[kind] = drawn

    def stain(self, rows: NDArray[np.bool_], kind: str) -> None:
        """Colour some rows of the cells by what they are, instead of by their drive."""
        self.stains[kind] = np.flatnonzero(rows)
        colours = np.zeros((rows.size, 4), dtype=np.float32)
        colours[rows] = (*to_rgb(style.STAINS[kind]), 1.0)
        image = _painted(self._cells, colours)
        height, width = self._shape
        extent = (0.0, width * self._spacing_um, height * self._spacing_um, 0.0)
        self._ax.imshow(
            image, extent=extent, origin="upper", interpolation="antialiased", zorder=2, gid=kind
        )

    def outline(self, mask: NDArray[np.bool_], kind: str) -> None:
        """Draw the outline of a region (y, x)."""
        height, width = mask.shape
        x, y = (self._spacing_um * (np.arange(count) + 0.5) for count in (width, height))
        colour, dashes, thick = style.OUTLINES.get(kind, (style.INK, "solid", 1.5))
        thick = style.points(thick)
        lines = self._ax.contour(
            x, y, mask, levels=[0.5], colors=colour, linestyles=dashes, linewidths=thick, zorder=3
        )
        lines.set_gid(kind)
        words = style.WORDS.get(kind, kind)
        self.handles[kind] = Line2D([], [], color=colour, ls=dashes, lw=thick, label=words)


def _tissue(result: Snapshot) -> Tissue:
    """Return what an assay sees of a run."""
    domain = result.scenario.domain
    columns = {
        key.removeprefix("cell_"): values
        for key, values in result.final.items()
        if key.startswith("cell_") and key != "cell_id"
    }
    fields = {
        key.removeprefix("field_"): values
        for key, values in result.final.items()
        if key.startswith("field_")
    }
    return Tissue(
        mcs=int(frame.last(result.timeseries, "mcs")),
        mcs_s=float(result.scenario.time.mcs_s),
        time_h=frame.last(result.timeseries, "time_h"),
        spacing_um=float(domain.spacing_um),
        periodic=frame.periodic(result),
        lattice=result.final["cell_id"],
        cells=columns,
        fields=fields,
    )


def _show_drive(tissue: Tissue, stains: dict[str, NDArray[np.intp]]) -> bool:
    """Whether any cell is in the colour of its drive, or nothing is stained."""
    there = np.unique(tissue.lattice)
    own = there[tissue.cells["type"][there] == 1] if "type" in tissue.cells else there[there > 0]
    return not stains or bool(np.setdiff1d(own, np.concatenate([*stains.values()])).size)


@style.house_style()
def draw_network(
    result: Snapshot, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw the cells and what they form, as seen under a microscope.

    Cells are coloured by their drive (by number where nothing signals), gaps are pale; outlines
    are smoothed within one lattice site. What is drawn over them is the assay's: of a network the
    line is its skeleton, which leaves out parts smaller than three cells, filled dots are its
    junctions and open dots its ends.

    Parameters
    ----------
    result : Result
        A finished run.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Its coordinates become um, row 0 at the top.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    extent = frame.extent(result)
    what = result.scenario.assay.replace("_", " ")
    title, treatment = style.sentence(f"{what} {frame.age(result)}"), frame.treatment(result)
    ax, sheet = frame.map_axes(ax, fig, extent, WIDTH, title, treatment, frame.origin(result))

    cells = frame.large_cells(result, frame.PIXELS_ACROSS)
    image = _painted(cells, _cell_colours(result))
    ax.imshow(image, extent=extent, origin="upper", interpolation="antialiased", zorder=1)

    tissue = _tissue(result)
    memory = {
        key.removeprefix("assay."): values
        for key, values in result.final.items()
        if key.startswith("assay.")
    }
    over = _Canvas(ax, cells, tissue.lattice.shape, tissue.spacing_um)
    called(assay(result.scenario.assay).picture)(over, tissue, memory, result.scenario)
    frame.bare(ax, extent)
    patches = [Patch(color=style.STAINS[kind], label=kind) for kind in over.stains]
    if types := _types(result):
        patches += [] if frame.has_signalling(result) else [
            Patch(color=style.ONE_TYPE, label="endothelial")
        ]  # fmt: skip
        patches += [
            Patch(color=_colour_of_type(kind), label=style.one_line(name, 24))
            for kind, name in types.items()
        ]
    named = {handle.get_label() for handle in patches}
    drawn = [handle for handle in over.handles.values() if handle.get_label() not in named]
    drive = ScalarMappable(Normalize(0, 1), style.drive_map()), "drive (0-1)", (0, 0.5, 1)
    coloured = frame.has_signalling(result) and _show_drive(tissue, over.stains)
    return frame.finish(ax, sheet, [*patches, *drawn], [drive] if coloured else [])
