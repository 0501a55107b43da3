"""The vessels of a tumour over oxygen, as in a section that was stained for both."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize, to_rgba
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from sim.assays import assay
from sim.assays.declare import called
from sim.model.bed import bed_of
from sim.view import style
from sim.view.run import frame
from sim.view.run.frame import Snapshot

WIDTH: Final = 9.0  # in


class _Canvas:
    """What an assay draws on: `sim.assays.declare.VesselCanvas`."""

    def __init__(self, ax: Axes, size_um: float) -> None:
        self._ax, self._size = ax, size_um
        self._scale = style.points(1.0)
        self.bars: list[frame.Bar] = []
        self.handles: list[Any] = []

    def shade(self, values: NDArray[np.float64], kind: str) -> None:
        """Shade the ground by a field, with a scale beside it."""
        look = style.SHADES[kind]
        norm = Normalize(*look.limits)
        self._ax.imshow(
            values, cmap=look.colours, norm=norm, extent=self._extent, origin="upper",
            interpolation="bilinear", zorder=1, gid=kind,
        )  # fmt: skip
        low, high = look.limits
        ticks = (low, (low + high) / 2, high)
        self.bars.append((ScalarMappable(norm, look.colours), look.label, ticks))

    def patch(self, mask: NDArray[np.bool_], kind: str) -> None:
        """Colour a region."""
        if not mask.any():
            return
        colour = style.PATCHES[kind]
        image = np.zeros((*mask.shape, 4), np.float32)
        image[mask] = to_rgba(colour)
        self._ax.imshow(
            image, extent=self._extent, origin="upper", interpolation="nearest", zorder=1.5,
            gid=kind,
        )  # fmt: skip
        self.handles.append(Patch(color=colour, label=kind))

    def outline(self, values: NDArray[np.float64], kind: str) -> None:
        """Draw where a field is 0, light around it: it may be on dark ground."""
        if values.min() * values.max() >= 0.0:
            return
        count = values.shape[0]
        places = self._size / count * (np.arange(count) + 0.5)
        colour, dashes, thick = style.OUTLINES[kind]
        lines = self._ax.contour(
            places, places, values, levels=[0.0], colors=colour, linestyles=dashes,
            linewidths=thick * self._scale, zorder=3,
        )  # fmt: skip
        light = withStroke(linewidth=(thick + 1.6) * self._scale, foreground="white")
        lines.set(gid=kind, path_effects=[light])
        self.handles.append(
            Line2D([], [], color=colour, linewidth=thick * self._scale, linestyle=dashes,  # type: ignore[arg-type]
                   label=kind)
        )  # fmt: skip

    def words(self, place: NDArray[np.float64], text: str) -> None:
        """Write beside a place, inside the frame."""
        self._ax.annotate(
            text, (place[1], place[0]), xytext=(5, -5), textcoords="offset points", va="top",
            size=10 * self._scale, color=style.INK, zorder=7,
            path_effects=[withStroke(linewidth=2.0, foreground="white")],
        )  # fmt: skip

    def lines(
        self,
        places: NDArray[np.float64],
        links: NDArray[Any],
        kind: str,
        values: NDArray[np.float64] | None = None,
    ) -> None:
        """Draw lines between linked places, coloured by values if there are any."""
        if not len(links):
            return
        look = style.VESSELS[kind]
        # ends meet in one path of round joints; a gap between two segments is never seen
        drawn = LineCollection(
            list(places[links][..., ::-1]), linewidths=look.width * self._scale,
            linestyles=look.dashes, capstyle="round", zorder=look.order, gid=kind,
        )  # fmt: skip
        if values is None:
            drawn.set_color(look.colour)
            self.handles.append(
                Line2D([], [], color=look.colour, linewidth=look.width * self._scale,
                       linestyle=look.dashes, label=look.label)  # type: ignore[arg-type]
            )  # fmt: skip
        else:
            low, high = look.limits
            drawn.set(array=values, cmap=style.flow_map(), norm=LogNorm(low, high, clip=True))
            ticks = (10.0, 100.0, 1000.0)
            self.bars.append((ScalarMappable(drawn.norm, drawn.cmap), look.label, ticks))
        self._ax.add_collection(drawn, autolim=False)

    def dots(self, places: NDArray[np.float64], kind: str) -> None:
        """Draw a dot at each place."""
        if not len(places):
            return
        face, edge, size = style.DOTS[kind]
        self._ax.scatter(
            places[:, 1], places[:, 0], s=size * self._scale**2, c=face, edgecolors=edge,
            linewidths=0.6 * self._scale, zorder=6, gid=kind,
        )  # fmt: skip
        self.handles.append(
            Line2D([], [], linestyle="", marker="o", markersize=5 * self._scale,
                   markerfacecolor=face, markeredgecolor=edge, label=kind)
        )  # fmt: skip

    @property
    def _extent(self) -> tuple[float, float, float, float]:
        return (0.0, self._size, self._size, 0.0)


@style.house_style()
def draw_vessels(
    result: Snapshot, *, ax: Axes | None = None, fig: Figure | SubFigure | None = None
) -> Figure:
    """Draw the vessels of a tumour as they are at the end of a run.

    Parameters
    ----------
    result : Result
        A finished run.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Its coordinates become um, y = 0 at the top.
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one to draw into; a new figure without it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    size_um = float(result.scenario.domain.size_um[0])
    extent = (0.0, size_um, size_um, 0.0)
    what = result.scenario.assay.replace("_", " ")
    title, treatment = style.sentence(f"{what} {frame.age(result)}"), frame.treatment(result)
    ax, sheet = frame.map_axes(ax, fig, extent, WIDTH, title, treatment, frame.origin(result))
    bed = bed_of(result.scenario, result.seed, result.final)  # type: ignore[arg-type]
    over = _Canvas(ax, size_um)
    called(assay(result.scenario.assay).picture)(over, bed, {}, result.scenario)
    frame.bare(ax, extent)
    return frame.finish(ax, sheet, over.handles, over.bars)
