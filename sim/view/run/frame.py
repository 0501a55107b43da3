"""What pictures of the lattice share: extent, outlines, captions."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from numpy.typing import NDArray

from sim.runs.result import Result
from sim.scenario.schema import Drug
from sim.view import style

_WIDTH_IN: Final = 9.0


_DOT: Final = " · "


_OUTLINE_SHADE: Final = 0.55


_PIXELS_ACROSS: Final = 1600


_RECEPTOR_COLOURS: Final = (style.BLUE, style.ORANGE, style.GREEN, style.PURPLE, style.SKY)


def _title(result: Result) -> str:
    return style.one_line(str(result.scenario.name), 64)


def _treatment(result: Result) -> str:
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


def _origin(result: Result) -> str:
    words = [f"seed {result.seed}"]
    if version := result.manifest.get("version"):
        words.append(f"angiosim {version}")
    return _DOT.join(words)


def _caption(result: Result) -> str:
    time_h = _last(result.timeseries, "time_h")
    mcs = int(_last(result.timeseries, "mcs"))
    return _DOT.join([f"t = {round(time_h, 2)} h ({mcs} MCS)", _origin(result)])


def _last(table: pd.DataFrame, column: str) -> float:
    return float(table[column].iloc[-1]) if column in table and len(table) else 0.0


def _has_signalling(result: Result) -> bool:
    return bool(result.scenario.signalling.enabled)


def _drug_given(result: Result) -> Drug | None:
    """Return the drug, if the cells ever saw any."""
    table = result.timeseries
    given = "free_nM" in table and bool((table["free_nM"] > 0).any())
    return result.scenario.drug if given else None


def _periodic(result: Result) -> bool:
    return bool(result.scenario.domain.boundary == "periodic")


def _extent(result: Result) -> tuple[float, float, float, float]:
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


def _large_cells(result: Result, pixels_across: int) -> NDArray[Any]:
    cell_id = result.final["cell_id"]
    factor = max(1, min(4, pixels_across // max(cell_id.shape)))
    return _magnify(cell_id, factor, _periodic(result))


def _bare(ax: Axes, extent: tuple[float, float, float, float]) -> None:
    """Set up axes for a map: no ticks, true proportions, a thin frame."""
    ax.set(xlim=extent[:2], ylim=extent[2:], xticks=[], yticks=[], aspect="equal")
    for spine in ax.spines.values():
        spine.set(visible=True, color=style.FRAME, linewidth=0.8)


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


def _dress_colour_bar(colour_bar: Colorbar, scale: float) -> None:
    colour_bar.ax.tick_params(
        labelsize=10 * scale, length=2.5 * scale, color=style.QUIET, labelcolor=style.INK
    )
    colour_bar.outline.set(edgecolor=style.FRAME, linewidth=0.6)


def _figure_words(figure: Figure, result: Result, left: float, caption: str) -> None:
    """Write title, treatment and caption on a figure with several panels."""
    height = figure.get_figheight()
    at_top: dict[str, Any] = {"va": "top", "color": style.INK}
    figure.text(left, 1 - 0.14 / height, _title(result), size=15, weight="bold", **at_top)
    figure.text(left, 1 - 0.45 / height, _treatment(result), size=11.5, **at_top)
    figure.text(left, 0.13 / height, caption, size=10, color=style.QUIET, va="bottom")
