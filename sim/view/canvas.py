"""Where pictures are drawn, and the files that they become.

A picture has a title above, a caption below and a body between them, in constrained layout, so
that nothing is measured in inches and nothing covers anything else.
"""

from __future__ import annotations

import io
import logging
import textwrap
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.legend import Legend

from sim.errors import AngiosimError, InputError, PictureWarning
from sim.files import write_bytes_atomic
from sim.kernels.beside import beside
from sim.version import __version__
from sim.view import style

log = logging.getLogger(__name__)

DPI: Final = 150
FORMATS: Final = ("png", "pdf", "svg")
TITLE_SIZE: Final = 14.0
CAPTION_SIZE: Final = 9.0
_EM: Final = 0.58  # width of a letter, relative to its size


def sheet(
    fig: Figure | SubFigure | None,
    width_in: float,
    height_in: float,
    *,
    title: str,
    caption: str,
    subtitle: str = "",
) -> SubFigure:
    """Write title and caption on a figure, and return the room between them.

    Parameters
    ----------
    fig : matplotlib.figure.Figure or SubFigure, optional
        An empty one of the user, which gets constrained layout if it has no layout; a new figure
        without it. A title or a caption that it has is kept.
    width_in, height_in : float
        Size of a new figure.
    title, subtitle, caption : str
        What is shown, with what, and where it comes from; wrapped to the width of the figure.

    Returns
    -------
    matplotlib.figure.SubFigure

    Raises
    ------
    ValueError
        If there are axes in the figure.
    """
    if fig is None:
        fig = style.new_figure(width_in, height_in)
    elif fig.axes or fig.subfigs:
        raise ValueError("fig: must be empty; use a SubFigure to draw beside something else")
    root = fig.get_figure(root=True)
    assert root is not None
    if root.get_layout_engine() is None:
        root.set_layout_engine("constrained")
    width = fig.bbox.width / root.dpi
    left = 0.1 / width
    if not fig.get_suptitle():
        words = wrapped(title, 1.15 * TITLE_SIZE, 0.97 * width, lines=2)  # bold is wider
        fig.suptitle(words, x=left, ha="left", size=TITLE_SIZE, weight="bold", color=style.INK)
    if not fig.get_supxlabel():
        words = wrapped(caption, CAPTION_SIZE, 0.97 * width, lines=3)
        fig.supxlabel(words, x=left, ha="left", size=CAPTION_SIZE, color=style.QUIET)
    body: SubFigure = fig.subfigures(1, 1, facecolor="none")  # type: ignore[assignment]
    if subtitle:
        words = wrapped(subtitle, 11, 0.97 * width, lines=2)
        body.suptitle(words, x=left, ha="left", size=11, color=style.INK)
    return body


def figure_of(ax: Axes | SubFigure) -> Figure:
    """Return the figure that axes or a part of a figure are in."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def make_room(figure: Figure, legend: Legend, width_in: float, height_in: float) -> None:
    """Enlarge a new figure until there is so much beside and around a legend."""
    box, size = legend.get_window_extent(), figure.get_size_inches()
    figure.set_size_inches(
        max(size[0], box.width / figure.dpi + width_in),
        max(size[1], box.height / figure.dpi + height_in),
    )


def label(ax: Axes, title: str) -> None:
    """Write what is shown above axes of a user that have no title."""
    if not any(ax.get_title(loc) for loc in ("left", "center", "right")):
        ax.set_title(title, loc="left", size=12 * style.text_scale(ax))


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
    with style.house_style():
        if kind == "png":  # `savefig` draws all twice, the first time for the layout alone
            figure.set_dpi(DPI)
            FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
                buffer, metadata=metadata, pil_kwargs={"compress_level": 4}
            )
        else:
            figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    write_bytes_atomic(path, buffer.getvalue())


def save_pictures(
    drawings: Mapping[str, Callable[[], Figure]], folder: Path, marks: Marks
) -> list[Path]:
    """Draw and save pictures by their file names; return the files that could be written.

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
        message = f"{folder / name} could not be drawn: {style.one_line(reason, 200)}"
        warnings.warn(message, PictureWarning, stacklevel=3)
        log.error(message, exc_info=None if expected else error)
        (folder / name).unlink(missing_ok=True)
    return [folder / name for name in drawings if name not in failed]
