"""Where pictures are drawn, and the files that they become.

Constrained layout finds room for all words; a new figure becomes as high as its panels need.
"""

from __future__ import annotations

import io
import logging
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure, SubFigure

if TYPE_CHECKING:
    from sim.studies.plan import Planned

from sim.errors import AngiosimError, InputError, PictureWarning
from sim.files import write_bytes_atomic
from sim.kernels.beside import beside
from sim.version import __version__
from sim.view import style

log = logging.getLogger(__name__)

DPI: Final = 150
DPI_IN_PRINT: Final = 400
"""Of pictures whose width is chosen, and of what is not lines in PDF and SVG."""
FORMATS: Final = ("png", "pdf", "svg")
Drawings = dict[str, Callable[[], Figure]]
"""How to draw pictures, by their names without an ending."""
MM: Final = 1 / 25.4
_EM: Final = 0.59  # width of a letter, relative to its size
_TALLEST: Final = 1.25
"""Maps are at most so many times as high as the figure is wide."""
_ROUNDS: Final = 4  # in which a height is found


class Sheet:
    """A figure with a title above, a caption below and a body between them.

    Text in it has the size that `style.font_size` gives for its width.

    Parameters
    ----------
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one of the user, which gets constrained layout if it has no layout; a new figure
        without it. A title or a caption that it has is kept.
    width_in : float
        Width of a new figure for a screen; `style.Page` may have another.
    title, subtitle, caption : str
        What is shown, with what, and where it comes from; wrapped to the width of the figure.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    body : matplotlib.figure.SubFigure
        The room between title and caption.
    width_in : float
        How wide it is.
    is_new : bool
        Whether the figure is a new one.

    Raises
    ------
    ValueError
        If there are axes in the figure.
    """

    def __init__(
        self,
        fig: Figure | SubFigure | None,
        width_in: float,
        *,
        title: str,
        caption: str,
        subtitle: str = "",
    ) -> None:
        page = style.PAGE.get()
        self.is_new = fig is None
        if fig is None:
            width_in = page.width_mm * MM if page.width_mm else width_in
            fig = style.new_figure(width_in, 0.8 * width_in)
        elif fig.axes or fig.subfigs:
            raise ValueError("fig: must be empty; use a SubFigure to draw beside something else")
        self.figure = figure_of(fig)
        if self.figure.get_layout_engine() is None:
            self.figure.set_layout_engine("constrained")
        self.width_in = fig.bbox.width / self.figure.dpi
        style.ink_on(_ground(fig))
        set_size(self.width_in)
        left = {"x": 0.05 / self.width_in, "ha": "left"}
        room, base = 0.97 * self.width_in, style.points(10)
        if page.title and not fig.get_suptitle():
            words = wrapped(title, 1.5 * base, room, lines=2)  # bold is wider
            fig.suptitle(words, size=1.3 * base, weight="bold", color=style.ink(), **left)
        if page.title and not fig.get_supxlabel():
            words = wrapped(caption, 0.85 * base, room, lines=3)
            fig.supxlabel(words, size=0.85 * base, color=style.quiet(), **left)
        self.body = _part(fig)
        if page.title and subtitle:
            words = wrapped(subtitle, 1.05 * base, room, lines=2)
            self.body.suptitle(words, size=1.05 * base, color=style.ink(), **left)
            self.body = _part(self.body)  # a legend above it would be beside the words

    def panels(self, count: int, across: int, **options: Any) -> list[Axes]:
        """Return so many axes, so many of them in a row."""
        down = -(-count // across)
        axes: list[Axes] = (
            self.body.subplots(down, across, squeeze=False, **options).ravel().tolist()
        )
        for empty in axes[count:]:
            empty.remove()
        return axes[:count]

    def across(self, least_in: float, count: int) -> int:
        """Return how many panels of a least width have room in a row."""
        return max(1, min(count, int(self.width_in / least_in)))

    def legend(self, handles: Sequence[Any]) -> None:
        """Say above the panels what is drawn, in as many columns as there is room for."""
        for columns in range(len(handles), 0, -1):
            legend = self.body.legend(
                handles=handles, loc="outside upper left", ncols=columns, labelspacing=0.3,
                columnspacing=1.4, fontsize=style.points(9.5), **style.box(),
            )  # fmt: skip
            if legend.get_window_extent().width < 0.98 * self.body.bbox.width or columns == 1:
                return
            legend.remove()

    def done(self, column: Sequence[Axes], high_in: float | None = None) -> Figure:
        """Give a new figure the height that its panels need; return it.

        Parameters
        ----------
        column : sequence of Axes
            Panels below each other, from the top to the bottom.
        high_in : float, optional
            How high they are together, in inches for text of 10 pt; without it they are maps, as
            high as their proportions and their width want.
        """
        for ax in self.body.findobj(Axes):
            size = style.points(10)
            ax.tick_params(which="both", labelsize=size)
            ax.xaxis.get_offset_text().set_fontsize(size)
            ax.yaxis.get_offset_text().set_fontsize(size)
        if self.is_new:
            if high_in is not None:  # enough for all words around the panels
                self.figure.set_size_inches(self.width_in, 3.0 + 2.5 * style.points(high_in))
            for _ in range(_ROUNDS if high_in is None else 1):
                self.lay_out()
                missing = sum(_height_missing(ax, high_in, len(column)) for ax in column)
                width, height = self.figure.get_size_inches()
                self.figure.set_size_inches(width, max(0.5, height + missing))
                if abs(missing) < 0.01:
                    break
        elif high_in is None:
            settle([ax for ax in self.body.findobj(Axes) if ax.get_aspect() == 1.0])
        return self.figure

    def lay_out(self) -> None:
        """Give all axes their places, as drawing does."""
        engine = self.figure.get_layout_engine()
        if engine is not None:
            engine.execute(self.figure)


def _part(fig: Figure | SubFigure) -> SubFigure:
    """Return a part of a figure that fills it."""
    part = fig.subfigures(1, 1, facecolor="none")
    assert isinstance(part, SubFigure)
    return part


def _height_missing(ax: Axes, high_in: float | None, count: int) -> float:
    """Return by how much axes are too low after the layout, in inches."""
    figure = figure_of(ax)
    box = ax.get_position(original=True).transformed(ax.figure.transSubfigure)
    if high_in is None:
        left, right, bottom, top = *ax.get_xlim(), *ax.get_ylim()
        wanted = box.width * abs((top - bottom) / (right - left)) / figure.dpi
        wanted = min(wanted, _TALLEST * figure.get_size_inches()[0] / count)
    else:
        wanted = style.points(high_in) / count
    return float(wanted - box.height / figure.dpi)


def set_size(width_in: float) -> None:
    """Let all text that is drawn from now on have the size for a width, within `house_style`."""
    mpl.rcParams["font.size"] = style.font_size(width_in)


def settle(maps: Sequence[Axes]) -> None:
    """Let the layout of a user's figure make room for the words around maps.

    Constrained layout takes the empty part of a place that a map does not fill for room; so it
    first sees the whole place filled, and then keeps what it has found.
    """
    for ax in maps:
        ax.set_aspect("auto")
    for figure in {figure_of(ax) for ax in maps}:
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
    for ax in maps:
        ax.set_aspect("equal")


def into(ax: Axes, title: str = "") -> Axes:
    """Prepare axes of a user, and write what is shown above them, where they have no title."""
    set_size(width_of(ax))
    style.ink_on(_ground(ax.figure))
    titled = any(ax.get_title(loc) for loc in ("left", "center", "right"))
    if title and style.PAGE.get().title and not titled:
        size = style.points(11)
        ax.apply_aspect()  # a map may be narrower than its place
        words = wrapped(title, size, width_of(ax), 2)
        ax.set_title(words, loc="left", size=size, color=style.ink())
    return ax


def _ground(part: Figure | SubFigure) -> object:
    """Return the colour under a part of a figure."""
    own = part.get_facecolor()
    if isinstance(part, SubFigure) and to_rgba(own)[3] < 0.5:
        return _ground(part._parent)  # type: ignore[attr-defined]
    return own


def figure_of(ax: Axes | Figure | SubFigure) -> Figure:
    """Return the figure that axes or a part of a figure are in."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def width_of(place: Axes | SubFigure) -> float:
    """Return how wide axes or a part of a figure are, in inches; of axes before the layout."""
    return float(place.bbox.width / figure_of(place).dpi)


def wrapped(text: str, size: float, width_in: float, lines: int) -> str:
    """Return text in lines that are about as wide as there is room; each of its own is wrapped."""
    letters = max(12, int(width_in * 72 / (_EM * size)))
    found = [
        textwrap.fill(line, letters, max_lines=lines, placeholder="…")
        for line in text.splitlines()
        if line.strip()
    ]
    return "\n".join(found)


@dataclass(frozen=True)
class Marks:
    """Metadata of a picture file."""

    title: str = ""
    version: str = __version__
    scenario_hash: str = ""
    seed: int | None = None

    def metadata(self, kind: str) -> dict[str, Any]:
        """Return Matplotlib's metadata for a format, without dates."""
        software = f"angiosim {self.version}"
        others = {
            "Scenario-Hash": self.scenario_hash,
            "Seed": "" if self.seed is None else str(self.seed),
        }
        others = {name: value for name, value in others.items() if value}
        if kind == "png":
            return {"Title": self.title, "Software": software, **others}
        words = ", ".join(f"{name} {value}" for name, value in others.items()) or None
        if kind == "pdf":
            return {"Title": self.title, "Creator": software, "Keywords": words,
                    "CreationDate": None}  # fmt: skip
        return {"Title": self.title, "Creator": software, "Description": words, "Date": None}


def marks_of(plan: Planned) -> Marks:
    """Return what the pictures of a study, a calibration or a design say of themselves."""
    from sim.scenario.resolve import load
    from sim.scenario.writing import scenario_hash

    return Marks(plan.name, scenario_hash=scenario_hash(load(plan.base)), seed=plan.seed)


def picture_format(path: Path) -> str:
    """Return the format of a picture that its suffix names: png, pdf or svg.

    Raises
    ------
    InputError
        If it names none of them.
    """
    suffix = path.suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise InputError(f"{path}: must end in .png, .pdf or .svg")
    return suffix


def save_picture(figure: Figure, path: str | Path, marks: Marks | None = None) -> None:
    """Write a figure, whole or not at all; the same figure gives the same bytes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : str or Path
        Where to, ending in ``.png``, ``.pdf`` or ``.svg``; its folder exists.
    marks : Marks, optional
        What the file says of itself.

    Raises
    ------
    InputError
        If the name of the file has another ending.
    """
    path = Path(path)
    kind = picture_format(path)
    buffer = io.BytesIO()
    metadata = (marks or Marks()).metadata(kind)
    dpi = DPI if style.PAGE.get().width_mm is None and kind == "png" else DPI_IN_PRINT
    with style.house_style():
        if kind == "png":  # `savefig` draws all twice, the first time for the layout alone
            figure.set_dpi(dpi)
            FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
                buffer, metadata=metadata, pil_kwargs={"compress_level": 4}
            )
        else:
            figure.savefig(buffer, format=kind, dpi=dpi, metadata=metadata)
    write_bytes_atomic(path, buffer.getvalue())


def save_pictures(
    drawings: Mapping[str, Callable[[], Figure]], folder: Path, marks: Marks | None
) -> list[Path]:
    """Draw and save pictures by their file names; return the files that could be written.

    Those of an earlier result are replaced: this is for whoever has the folder to himself.

    A picture shows results that are on the disk already: whatever is wrong with it, they stay. It
    is left out with a warning, and no older one is left in its place; the log has the traceback of
    what should never happen. The first one is drawn beside the others where a processor is free.
    """
    if not drawings:
        return []
    failed: dict[str, Exception] = {}

    def save(name: str) -> None:
        save_picture(drawings[name](), folder / name, marks)

    def attempt(name: str) -> None:
        try:
            save(name)
        except Exception as error:
            failed[name] = error

    first, *others = drawings
    with beside(lambda: save(first)) as done:
        for name in others:
            attempt(name)
        if not done():
            attempt(first)
    for name in filter(failed.__contains__, drawings):
        error = failed[name]
        expected = isinstance(error, (AngiosimError, OSError))
        reason = str(error) if expected else f"{type(error).__name__}: {error}"
        if isinstance(error, OSError):
            reason = (error.strerror or reason).lower()
        message = f"{folder / name} could not be drawn: {style.one_line(reason, 200)}"
        warnings.warn(message, PictureWarning, stacklevel=3)
        log.error(message, exc_info=None if expected else error)
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in drawings if name not in failed]
