"""The look that all pictures share: colours, fonts, scale bar, words under a picture."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
from matplotlib.patches import Rectangle
from matplotlib.text import Text

INK: Final = "#22262b"
QUIET: Final = "#626a73"
FRAME: Final = "#c9c6bf"
GAP: Final = "#f5f3ee"
DAYS_OFF: Final = "#00000010"
OTHER_CELLS: Final = "#b9aea6"  # of types without receptors

# Okabe and Ito (2008), told apart with every common colour-vision deficiency.
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"

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

STAINS: Final = {"living": GREEN, "dead": VERMILION, "tips": VERMILION}
"""Colours of cells by what a stain shows."""
DOTS: Final = {
    "junctions": (VERMILION, "white", 24.0),
    "ends": ("white", INK, 13.0),
    "dead": (VERMILION, "white", 24.0),
    "tips": ("#F0E442", INK, 16.0),
}
"""Face, edge and size of dots by what they mark."""


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
OUTLINES: Final = {"start": ("white", "dashed", 2.0), "tumour": ("black", "solid", 1.8)}
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
}


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
    layout = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.1)
    figure = Figure((width_in, height_in), dpi=100, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def drive_map() -> Colormap:
    """Return the map of the drive: dark is more, even the palest stands out from the gaps."""
    base = mpl.colormaps["viridis_r"]
    return LinearSegmentedColormap.from_list("drive", base(0.06 + 0.80 * np.linspace(0, 1, 256)))


def flow_map() -> Colormap:
    """Return the map of the velocity of blood: dark is fast, even the palest is red."""
    return LinearSegmentedColormap.from_list("flow", ["#f79b7f", "#d7301f", "#5c0013"])


def text_scale(ax: Axes) -> float:
    """Return the factor by which text and lines shrink in axes narrower than a full picture."""
    width_in = ax.get_window_extent().width / ax.figure.dpi
    return float(min(1.0, max(0.5, (width_in / 6.5) ** 0.4)))


def nice_length(limit: float) -> float:
    """Return the largest of 1, 2, 5 times a power of ten that is not above `limit`."""
    power = 10.0 ** math.floor(math.log10(limit))
    return max(step * power for step in (1, 2, 5) if step * power <= limit * (1 + 1e-9))


def add_scale_bar(ax: Axes, width_um: float) -> None:
    """Put a scale bar of a round length into the lower right corner of axes drawn in um."""
    length = nice_length(0.25 * width_um)
    scale = text_scale(ax)
    bar = AuxTransformBox(ax.transData)
    bar.add_artist(Rectangle((0, 0), length, 0, ec=INK, lw=3.0 * scale, fc="none"))
    words = TextArea(f"{length:g} µm", textprops={"color": INK, "size": 11 * scale})
    box = AnchoredOffsetbox(
        loc="lower right",
        child=VPacker(children=[words, bar], align="center", pad=0, sep=4 * scale),
        pad=0.5,
        borderpad=0.8 * scale,
        prop=FontProperties(size=11 * scale),
    )
    box.patch.set(facecolor="white", edgecolor="none", alpha=0.85)
    box.patch.set_boxstyle("round,pad=0,rounding_size=0.25")
    box.set_gid("scale-bar")
    box.set_zorder(6)
    ax.add_artist(box)


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
