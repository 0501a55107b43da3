"""The look that all pictures share: colours, fonts, scale bar, words under a picture."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex, to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

INK: Final = "#22262b"
QUIET: Final = "#626a73"
ON_DARK: Final = "#e6e4df"
"""Words on the dark ground of a user's figure."""
FRAME: Final = "#c9c6bf"
GAP: Final = "#f5f3ee"
DAYS_OFF: Final = "#00000010"

# Okabe and Ito (2008), told apart with every common colour-vision deficiency.
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"

OTHER_CELLS: Final = (ORANGE, PURPLE, "#b9aea6", "#8a6a4a", SKY)
"""Colours of further types of cells, which have no drive, in their order."""

# The light qualitative scheme of Paul Tol, without its grey.
SOFT_CYCLE: Final = (
    "#77AADD",
    "#EE8866",
    "#EEDD88",
    "#FFAABB",
    "#99DDFF",
    "#44BB99",
    "#BBCC33",
    "#AAAA00",
)

STAINS: Final = {"living": GREEN, "dying": VERMILION, "tips": VERMILION}
"""Colours of cells by what a stain shows."""
DOTS: Final = {
    "junctions": (VERMILION, "white", 24.0),
    "ends": ("white", INK, 13.0),
    "starts": ("white", INK, 13.0),
    "deaths": (VERMILION, "white", 24.0),
    "tips": ("#F0E442", INK, 16.0),
}
"""Face, edge and size of dots by what they mark."""
OF_SKELETON: Final = ("junctions", "ends")
"""Dots that belong to the skeleton of a network."""
WORDS: Final = {"start": "gap at the start", "now": "gap now", "core": "end of the core"}
"""What is marked, in words, where that is not its name."""
ONE_TYPE: Final = "#8fb8d8"
"""Cells of the first type where others have colours, and nothing signals."""


@dataclass(frozen=True)
class Shade:
    """How a field under a picture looks: colours, the values at their ends, what it is called."""

    colours: str
    limits: tuple[float, float]
    label: str


@dataclass(frozen=True)
class Line:
    """How lines look: a colour, or the name of colours for values between limits."""

    label: str
    colour: str
    width: float
    order: float
    dashes: str = "solid"
    limits: tuple[float, float] = (0.0, 1.0)


SHADES: Final = {"oxygen": Shade("gray", (0.0, 40.0), "oxygen (mmHg)")}
"""Fields under a picture: dark is little."""
PATCHES: Final = {"necrosis": "#8a6a4a"}
"""Colours of regions by what they are."""
VESSELS: Final = {
    "sleeve": Line("empty sleeve", "#a678c8", 1.3, 3.2, dashes="dotted"),
    "pericyte": Line("under pericytes", GREEN, 4.2, 3.4),
    "still": Line("no flow", BLUE, 1.8, 3.6),
    "flow": Line("flow (µm/s)", "flow", 1.8, 3.8, limits=(10.0, 3000.0)),
}
"""Lines of vessels by what they show, from below."""

STAIRS: Final = ("skeleton",)
"""Lines from site to site, whose stairs are smoothed."""
OUTLINES: Final = {
    "start": (INK, "dashed", 1.6), "now": (VERMILION, "solid", 1.6), "core": (INK, "dashed", 1.6),
    "tumour": ("black", "solid", 1.8),
}  # fmt: skip
"""Colour, style and width of outlines by what they mark."""

_RC: Final[dict[str, object]] = {
    "font.size": 10.0,
    "text.color": INK,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "text.parse_math": False,  # names of a user may have any number of $
    "svg.hashsalt": "angiosim",
    "pdf.fonttype": 42,  # text that can be edited and searched
}


_WORDS: Final = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")


@dataclass(frozen=True)
class Page:
    """What pictures are drawn for.

    Attributes
    ----------
    width_mm : float or None
        Width of a new figure; without it each kind of picture has its own, for a screen.
    title : bool
        Whether title and caption are written around a figure.
    skeleton : bool
        Whether the skeleton of a network is drawn over the cells.
    """

    width_mm: float | None = None
    title: bool = True
    skeleton: bool = True


_SCREEN: Final = Page()
PAGE: Final = ContextVar("page", default=_SCREEN)
"""What is being drawn for."""


@contextmanager
def on_page(page: Page) -> Iterator[None]:
    """Draw for a page."""
    before = PAGE.set(page)
    try:
        yield
    finally:
        PAGE.reset(before)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the same style whatever the user's matplotlib settings are, and restore them."""
    with mpl.rc_context(), warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box: no warning for each of them.
        warnings.filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)  # type: ignore[arg-type]
        yield


def plain_text(ax: Axes) -> None:
    """Let no text in the axes of a user be read as mathematics: names may have any number of $."""
    for text in ax.findobj(Text):
        text.set_parse_math(False)


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure in constrained layout, which pyplot does not know of."""
    layout = ConstrainedLayoutEngine(h_pad=0.05, w_pad=0.05)
    figure = Figure((width_in, height_in), dpi=100, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def ink_on(ground: object) -> None:
    """Let words around what is drawn be seen on a ground, within `house_style`."""
    red, green, blue, alpha = to_rgba(ground)  # type: ignore[arg-type]
    dark = alpha > 0.5 and 0.3 * red + 0.59 * green + 0.11 * blue < 0.4
    for name in _WORDS:
        mpl.rcParams[name] = ON_DARK if dark else INK


def ink() -> str:
    """Return the colour of words around what is drawn."""
    return str(mpl.rcParams["text.color"])


def quiet() -> str:
    """Return the colour of words of less weight around what is drawn."""
    return QUIET if ink() == INK else ON_DARK


def box() -> dict[str, object]:
    """Return the look of a legend: on a dark ground it has a light one of its own."""
    if ink() == INK:
        return {"frameon": False}
    return {"frameon": True, "framealpha": 1.0, "facecolor": "white", "labelcolor": INK}


def drive_map() -> Colormap:
    """Return the map of the drive: dark is more, even the palest stands out from the gaps."""
    return part_of_viridis("drive", 0.62)  # and a dark line is seen on the darkest


def potency_map() -> Colormap:
    """Return the map of IC50s: dark is potent."""
    return part_of_viridis("potency", 0.86).reversed()


def part_of_viridis(name: str, end: float) -> Colormap:
    """Return the reversed map from where it stands out from the gaps, up to a share of it."""
    shades = np.linspace(0.06, end, 256)
    return LinearSegmentedColormap.from_list(name, mpl.colormaps["viridis_r"](shades))


def flow_map() -> Colormap:
    """Return the map of the velocity of blood: dark is fast, even the palest is red."""
    return LinearSegmentedColormap.from_list("flow", ["#f79b7f", "#d7301f", "#5c0013"])


def tint(share: float) -> str:
    """Return the colour that is a share of ink on white."""
    red, green, blue = (1.0 - share * (1.0 - value) for value in to_rgb(INK))
    return to_hex((red, green, blue))


def font_size(width_in: float) -> float:
    """Return the size of text for a width: 7 pt in a column, 8 pt on a page, 10 pt on a screen."""
    return float(np.interp(width_in, (3.6, 7.1, 9.0), (7.0, 8.0, 10.0)))


def points(size: float) -> float:
    """Return a size for text of 10 pt, in points, as it is in the figure being drawn."""
    return size * float(mpl.rcParams["font.size"]) / 10.0


def nice_length(limit: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above `limit`."""
    power = 10.0 ** math.floor(math.log10(limit))
    return max(step * power for step in (1, 2, 5) if step * power <= limit * (1 + 1e-9))


def log_axis(axis: Axis) -> None:
    """Label a logarithmic axis with plain numbers: decades, and 2 and 5 where there are few."""
    low, high = sorted(axis.get_view_interval())
    few = low > 0 and high < 30 * low
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda x, _: number(x)))
    axis.set_minor_formatter(NullFormatter())


def number(value: float) -> str:
    """Return a number with three significant digits, in plain figures below a million."""
    return f"{float(f'{value:.3g}'):,g}"


def one_line(text: str, limit: int) -> str:
    """Return `text` on one line, cut with an ellipsis after `limit` characters."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def sentence(text: str) -> str:
    """Return `text` with a capital first letter."""
    return text[:1].upper() + text[1:]
