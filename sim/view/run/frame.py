"""What pictures of the lattice share: extent, outlines, captions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar, make_axes, make_axes_gridspec
from matplotlib.figure import Figure, SubFigure
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from sim.assays import assay
from sim.scenario.classes import has_receptors, ligands_of
from sim.scenario.exposure import effect_of
from sim.scenario.schema import Scenario
from sim.scenario.treatment import Drug
from sim.view import style
from sim.view.canvas import Sheet, figure_of, into, settle, width_of

if TYPE_CHECKING:
    from sim.runs.result import Arrays

DOT: Final = " · "
OUTLINE_SHADE: Final = 0.55
PIXELS_ACROSS: Final = 1600
MOMENTS: Final = 3000
RECEPTOR_COLOURS: Final = (
    style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY, *style.SOFT_CYCLE,
)  # fmt: skip


class Snapshot(Protocol):
    """What pictures read of a run or of a running model."""

    @property
    def scenario(self) -> Scenario:
        """The resolved scenario."""

    @property
    def seed(self) -> int:
        """The seed it runs with."""

    @property
    def timeseries(self) -> pd.DataFrame:
        """A row for each record."""

    @property
    def final(self) -> Arrays:
        """Arrays as in ``final.npz``."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Tables of the assay by the name of the file."""

    @property
    def manifest(self) -> dict[str, Any]:
        """Versions."""


def age(result: Snapshot) -> str:
    """Return the age of the assay that a picture shows: ``after 6 h``."""
    time_h = last(result.timeseries, "time_h")
    if assay(result.scenario.assay).clock == "d":
        return f"on day {time_h / 24:.4g}"
    return f"after {time_h - result.scenario.time.start_h:.3g} h"


def treatment(result: Snapshot) -> str:
    """Return the ligands in the bath and the free drug at the end, or nothing for neither."""
    words = []
    for name, ligand in ligands_of(result.scenario).items():
        if ligand.gradient is not None:
            low, high = ligand.gradient.low_ng_ml, ligand.gradient.high_ng_ml
            along = f"{low:g} to {high:g} ng/mL along {ligand.gradient.axis}"
            words.append(f"{name} {along if low != high else f'{low:g} ng/mL'}")
        elif ligand.bath_ng_ml > 0 or ligand.media:
            levels = [ligand.bath_ng_ml, *(medium.bath_ng_ml for medium in ligand.media)]
            words.append(f"{name} {', then '.join(f'{level:g}' for level in levels)} ng/mL")
    if drug := drug_given(result):
        free, most = last(result.timeseries, "free_nM"), result.timeseries["free_nM"].max()
        if (doses := between_records(result)) is not None:
            most = max(most, doses["free_nM"].max())
        words.append(f"{drug.name} {style.number(free)} nM unbound")
        if most > 1.001 * free:
            words[-1] += f", before up to {style.number(most)}"
        if result.scenario.partner is not None:
            other = last(result.timeseries, "partner_free_nM")
            words.append(f"{result.scenario.partner.name} {style.number(other)} nM unbound")
    if not words and has_signalling(result):
        cultured = assay(result.scenario.assay).model == "lattice"
        words.append("no ligand, no drug" if cultured else "no drug")
    return style.one_line(DOT.join(words), 110)


def origin(result: Snapshot, moment: bool = True) -> str:
    """Return the caption: scenario, time if it shows one, seed and version."""
    words = [style.one_line(str(result.scenario.name), 64)]
    if moment:
        time_h = last(result.timeseries, "time_h")
        steps = "mcs" in result.timeseries
        words.append(
            f"t = {round(time_h, 2)} h ({int(last(result.timeseries, 'mcs'))} MCS)"
            if steps
            else f"day {time_h / 24:.4g}"
        )
    words.append(f"seed {result.seed}")
    if version := result.manifest.get("version"):
        words.append(f"angiosim {version}")
    if known := result.manifest.get("scenario_hash"):
        words.append(f"scenario {known[:12]}")
    return DOT.join(words)


def last(table: pd.DataFrame, column: str) -> float:
    """Return the last value of a column, 0 where there is none."""
    return float(table[column].iloc[-1]) if column in table and len(table) else 0.0


def has_signalling(result: Snapshot) -> bool:
    """Whether receptors drive the cells."""
    return has_receptors(result.scenario)


def drug_given(result: Snapshot) -> Drug | None:
    """Return the drug, if the cells ever saw any."""
    table = result.timeseries
    columns = [name for name in ("free_nM", "partner_free_nM") if name in table]
    given = bool((table[columns] > 0).any(axis=None)) if columns else False
    return result.scenario.drug if given else None


def between_records(result: Snapshot) -> pd.DataFrame | None:
    """Return unbound drug and inhibition at many times where doses are given; None without.

    Records, once a day perhaps, miss the peaks.
    """
    drug = result.scenario.drug
    if drug is None or drug.exposure != "pk" or (effect := effect_of(result.scenario)) is None:
        return None
    first_h, last_h = result.timeseries["time_h"].iloc[[0, -1]]
    time_h = np.linspace(first_h, last_h, MOMENTS)
    begun = time_h >= 0
    names = ("free_nM", "partner_free_nM")
    found = {
        **{
            n: agent.exposure.free_nM(time_h)
            for n, agent in zip(names, effect.agents, strict=False)
        },
        **{f"inhibition_{n}": values for n, values in effect.inhibition(time_h).items()},
    }
    return pd.DataFrame(
        {"time_h": time_h, **{name: np.where(begun, values, 0.0) for name, values in found.items()}}
    )


def periodic(result: Snapshot) -> bool:
    """Whether opposite borders touch."""
    return getattr(result.scenario.domain, "boundary", None) == "periodic"


def extent(result: Snapshot) -> tuple[float, float, float, float]:
    """Return (left, right, bottom, top) of the domain in um, with row 0 at the top."""
    height, width = result.final["cell_id"].shape
    spacing = float(result.scenario.domain.spacing_um)
    return (0.0, width * spacing, height * spacing, 0.0)


def magnify(cell_id: NDArray[Any], factor: int, periodic: bool) -> NDArray[Any]:
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
    near = near[:, rows, columns]

    across = 2 * np.arange(factor) + 1 - factor
    spline = np.stack(
        [(factor - across) ** 2, 6 * factor**2 - 2 * across**2, (factor + across) ** 2], axis=1
    )
    weights = np.stack([np.outer(spline[:, dy], spline[:, dx]).ravel() for dy, dx in places], 1)

    # Who wins depends on which of the nine are equal alone, and there are few such patterns: the
    # first equal place of each of the nine, as one number.
    first = np.full(near.shape, 8, dtype=np.uint8)
    for place in range(7, -1, -1):
        np.copyto(first, np.uint8(place), where=near == near[place])
    number = 9 ** np.arange(9) @ first
    _, sample, pattern = np.unique(number, return_index=True, return_inverse=True)
    equal = first[:, None, sample] == first[None, :, sample]
    winner = np.tensordot(weights, equal, 1).argmax(axis=1)  # (factor^2, patterns)

    sub_rows, sub_columns = np.divmod(np.arange(factor**2), factor)
    large[rows * factor + sub_rows[:, None], columns * factor + sub_columns[:, None]] = near[
        winner[:, pattern], np.arange(rows.size)
    ]
    return large


def outlines(cell_id: NDArray[Any]) -> NDArray[np.bool_]:
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


def large_cells(result: Snapshot, pixels_across: int) -> NDArray[Any]:
    """Return the map of cell ids, enlarged to about so many pixels."""
    cell_id = result.final["cell_id"]
    factor = max(1, min(4, pixels_across // max(cell_id.shape)))
    return magnify(cell_id, factor, periodic(result))


def map_axes(
    ax: Axes | None,
    fig: Figure | SubFigure | None,
    extent: tuple[float, float, float, float],
    width_in: float,
    title: str,
    subtitle: str,
    caption: str,
) -> tuple[Axes, Sheet | None]:
    """Return axes for a map, with its words: of a user, or of a new sheet; and that sheet."""
    sheet = None
    if ax is None:
        sheet = Sheet(fig, width_in, title=title, subtitle=subtitle, caption=caption)
        ax = sheet.body.subplots()
    else:
        bare(ax, extent)  # words are as wide as the map
        into(ax, "\n".join(filter(None, [title, subtitle])))
    bare(ax, extent)
    return ax, sheet


def bare(ax: Axes, extent: tuple[float, float, float, float]) -> None:
    """Set up axes for a map: no ticks, true proportions, a thin frame."""
    ax.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal")
    for spine in ax.spines.values():
        spine.set(visible=True, color=style.FRAME, linewidth=style.points(0.8))


def scale_bar(ax: Axes, width_um: float, *, above: bool = False) -> None:
    """Put a scale bar of a round length below a map drawn in um, or above it, at the right."""
    length = style.nice_length(0.25 * width_um)
    bar = AuxTransformBox(ax.transData)
    bar.add_artist(Rectangle((0, 0), length, 0, ec=style.ink(), lw=style.points(2.5), fc="none"))
    words = TextArea(f"{length:g} µm", textprops={"color": style.ink(), "size": style.points(10)})
    children: list[Artist] = [words, bar] if above else [bar, words]
    box = AnchoredOffsetbox(
        loc="lower right" if above else "upper right",
        child=VPacker(children=children, align="center", pad=0, sep=style.points(3)),
        bbox_to_anchor=(1.0, 1.0 if above else 0.0), bbox_transform=ax.transAxes,
        pad=0.0, borderpad=0.5, frameon=False,
    )  # fmt: skip
    box.set_gid("scale-bar")
    ax.add_artist(box)
    box.set_clip_on(False)  # else the layout takes it for a part of the map


def legend(ax: Axes, handles: Sequence[Artist], wide_in: float | None = None) -> None:
    """Say below a map what is drawn in it, at the left of the scale bar.

    The map is as wide as it is now, or as it will be after the layout.
    """
    if wide_in is None:
        ax.apply_aspect()
        wide_in = width_of(ax)
    room = 0.72 * wide_in * figure_of(ax).dpi
    for columns in range(len(handles), 0, -1):
        found = ax.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=columns,
            borderaxespad=0.4, borderpad=0.0, fontsize=style.points(9.5), handlelength=1.4,
            handletextpad=0.5, columnspacing=1.2, labelspacing=0.3, **style.box(),
        )  # fmt: skip
        if found.get_window_extent().width < room:
            return


Bar = tuple[ScalarMappable, str, Sequence[float]]
"""What a colour bar shows, its label and its ticks."""


def colour_bars(ax: Axes, bars: Sequence[Bar]) -> None:
    """Draw colour bars in a strip that is taken from the right of a map's own room."""
    letter_in, wide_in = style.points(10) / 72, width_of(ax)
    fraction = min(0.4, 5.5 * letter_in / wide_in)  # of which a bar is a fifth
    engine = figure_of(ax).get_layout_engine()
    # as Matplotlib does: layouts other than the constrained one move axes back to their places
    in_grid = ax.get_subplotspec() is not None and (engine is None or engine.colorbar_gridspec)
    take: Any = make_axes_gridspec if in_grid else make_axes
    # rows of no height above and below the strip would be an error of a later constrained layout
    strip, _ = take(ax, location="right", fraction=fraction, pad=0.02, shrink=0.999)
    strip.set_axis_off()
    high_in = min(wide_in * abs(float(np.ptp(ax.get_ylim()) / np.ptp(ax.get_xlim()))), 5.0)
    flat = 0.5 * high_in < letter_in * 0.6 * max(len(label) for _, label, _ in bars)
    high = min(1.0 if flat else 0.45, 0.86 / len(bars) if len(bars) > 1 else 1.0)
    for place, (shown, label, ticks) in enumerate(bars):
        place_in = strip.inset_axes((0.0, place / len(bars), 0.2, high))
        bar = figure_of(ax).colorbar(shown, cax=place_in, ticks=ticks)
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        bar.ax.yaxis.set_minor_formatter(NullFormatter())
        if flat:
            turned: dict[str, Any] = {"rotation": 0, "ha": "left", "va": "center"}
            label = label.replace(" (", "\n(")
        else:
            turned = {}
        bar.set_label(label, size=style.points(10), color=style.ink(), **turned)
        dress_colour_bar(bar)


def finish(
    ax: Axes,
    sheet: Sheet | None,
    handles: Sequence[Artist],
    bars: Sequence[Bar],
    *,
    in_um: bool = True,
) -> Figure:
    """Say around a map what is drawn in it; return its figure, with all in its place."""
    if in_um:
        scale_bar(ax, abs(float(np.ptp(ax.get_xlim()))))
    if bars:
        colour_bars(ax, bars)
    style.plain_text(ax)
    if sheet is not None and sheet.is_new:
        legend(ax, handles, 0.85 * sheet.width_in)
        return sheet.done([ax])
    legend(ax, handles)
    if sheet is not None:
        sheet.done([ax])
    settle([ax])
    legend(ax, handles)  # how wide the map is is known now
    settle([ax])
    return figure_of(ax)


def dress_colour_bar(colour_bar: Colorbar) -> None:
    """Give a colour bar the look of the other axes."""
    colour_bar.ax.tick_params(
        which="both", labelsize=style.points(10), length=style.points(2.5), color=style.quiet(),
        labelcolor=style.ink(),
    )  # fmt: skip
    colour_bar.outline.set(edgecolor=style.FRAME, linewidth=style.points(0.6))


def pauses(result: Snapshot) -> list[tuple[float, float]]:
    """Return the spans of the run that are days off, as in the picture of a regimen; hours."""
    drug = result.scenario.drug
    if drug is None or drug.exposure != "pk" or not (regimen := drug.regimen):
        return []
    if not regimen.off_days:
        return []
    first_h, last_h = result.timeseries["time_h"].iloc[[0, -1]]
    cycle_h, on_h = 24.0 * (regimen.on_days + regimen.off_days), 24.0 * regimen.on_days
    count = math.ceil(last_h / cycle_h)
    if not isinstance(regimen.cycles, str):
        count = min(count, regimen.cycles)
    starts = [regimen.first_h + k * cycle_h for k in range(count)]
    spans = [(max(start + on_h, first_h), min(start + cycle_h, last_h)) for start in starts]
    return [(start, end) for start, end in spans if start < end]
