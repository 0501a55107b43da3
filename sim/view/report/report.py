"""Writing reports: from results or their folders to one page that needs nothing else."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from sim.assays.declare import called
from sim.errors import InputError, PictureWarning
from sim.files import write_new_text
from sim.input import checked_path
from sim.studies.table import Study
from sim.version import __version__
from sim.view import canvas
from sim.view.canvas import Drawings, Marks
from sim.view.folder import KINDS, Kind, kind_of, open_folder
from sim.view.report.beside import labels_of, picture_rows, side_by_side
from sim.view.report.part import Part, Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME, ENDING = "report", ".html"
LIBRARY: Final = "jinja2"
ALONE: Final = 1350
BESIDE: Final = 675
"""Pixels across a picture of one result, and of several, which are two beside each other."""


@dataclass(frozen=True)
class Written:
    """A report that was written.

    Attributes
    ----------
    path : Path
    parts : list of Part
        What is in it.
    missing : list of str
        Pictures that could not be drawn, and why.
    """

    path: Path
    parts: list[Part]
    missing: list[str]


def report(*results: Any, out: str | Path | None = None) -> Path:
    """Write a page about results: what was done, what came out, and what it does not show.

    It is one HTML file with all pictures in it, to be opened from disk. It has no script, and asks
    nothing of the network.

    Parameters
    ----------
    *results : str, Path, Result, Study, Calibration, Design or PK
        Results, or their folders; several are put side by side.
    out : str or Path, optional
        A new file, or a folder for ``report.html``. By default that is in the folder of the result,
        or of several in the working folder, with a number appended if it exists.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If a folder has no result, the file exists, or Jinja2 is not installed; then nothing has
        been written.
    """
    return write_report(results, None if out is None else checked_path("out", out)).path


def write_report(results: Sequence[Any], out: Path | None) -> Written:
    """Write a report, as `report` does; return what is in it, too."""
    if find_spec(LIBRARY) is None:
        raise InputError(f"a report needs {LIBRARY}: pip install 'angiosim[report]'")
    if not results:
        raise InputError("give at least one result, or its folder")
    place = None if out is None else _chosen(out)
    opened = [_opened(one) for one in results]
    kinds = [_kind(result) for result in opened]
    parts, missing = [], []
    for kind, result in zip(kinds, opened, strict=True):
        part: Part = called(kind.report)(result)
        drawn, lost = pictures_of(*kind.drawn(result))
        part.pictures += drawn
        missing += lost
        part.cautions += lost
        parts.append(part)
    for part in parts:
        part.pictures, lost = _fitting(part.pictures, len(parts))
        missing += lost
        part.cautions += lost
    text = page(parts)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        _write_chosen(place, text)
        return Written(place, parts, missing)
    return Written(_write_numbered(_folder(results, opened), text), parts, missing)


def page(parts: Sequence[Part]) -> str:
    """Return the page about some results as HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"cell": cell, "breakable": breakable}
    labels = labels_of(parts)
    title = parts[0].title if len(parts) == 1 else f"{len(parts)} results side by side"
    text: str = environment.get_template("page.html").render(
        title=title, parts=list(zip(labels, parts, strict=True)), version=__version__,
        beside=side_by_side(parts) if len(parts) > 1 else [],
        rows=picture_rows(parts) if len(parts) > 1 else [],
    )  # fmt: skip
    return text


def cell(value: Any) -> str:
    """Return what a cell of a table shows."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{float(f'{value:.4g}'):g}" if abs(value) < 1e6 else f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def breakable(value: Any) -> str:
    """Return a key that may be broken after its dots."""
    from markupsafe import Markup

    return Markup(".<wbr>").join(cell(value).split("."))


def pictures_of(drawings: Drawings, marks: Marks) -> tuple[list[Picture], list[str]]:
    """Draw pictures for a page; return them, and which could not be drawn."""
    with TemporaryDirectory() as name, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", PictureWarning)
        folder = Path(name)

        def described(draw: Any, picture: str) -> Figure:
            figure: Figure = draw()
            words = json.dumps(_words(figure))  # a file: it may be drawn in another process
            (folder / f"{picture}.json").write_text(words, encoding="utf-8")
            return figure

        wanted = {
            f"{picture}.png": lambda draw=draw, picture=picture: described(draw, picture)
            for picture, draw in drawings.items()
        }
        made = [_embedded(path) for path in canvas.save_pictures(wanted, folder, marks)]
    found = [one for one in seen if issubclass(one.category, PictureWarning)]
    for other in (one for one in seen if one not in found):
        warnings.warn_explicit(other.message, other.category, other.filename, other.lineno)
    return made, [str(one.message).replace(f"{name}/", "") for one in found]


def _fitting(pictures: Sequence[Picture], parts: int) -> tuple[list[Picture], list[str]]:
    """Return pictures as large as they are shown, and which are none: smaller ones of several."""
    wide, found, lost = BESIDE if parts > 1 else ALONE, [], []
    for one in pictures:
        try:
            found.append(one.at_most(wide))
        except Exception as error:  # there is no end to what can be wrong in a picture
            lost.append(f"{one.name}.png cannot be read as a picture: {error}")
    return found, lost


def _embedded(path: Path) -> Picture:
    title, alt = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Picture(path.stem, title, alt, path.read_bytes())


def _words(figure: Figure) -> tuple[str, str]:
    """Return the title of a figure, and what it shows: its axes and its caption."""
    from matplotlib.axes import Axes
    from matplotlib.figure import FigureBase

    within = [figure, *(one for one in figure.findobj(FigureBase) if one is not figure)]
    titles = [" ".join(one.get_suptitle().split()) for one in within]
    titles = list(dict.fromkeys(filter(None, titles))) or [""]
    axes = [
        " over ".join(filter(None, (ax.get_ylabel(), ax.get_xlabel())))
        for ax in figure.findobj(Axes)
        if isinstance(ax, Axes)
    ]
    shown = "; ".join(" ".join(words.split()) for words in dict.fromkeys(filter(None, axes)))
    caption = " ".join(figure.get_supxlabel().split())
    title, *more = titles
    alt = ". ".join(filter(None, [title, *more, f"Axes: {shown}" * bool(shown), caption]))
    return title, alt


# -- where it goes --------------------------------------------------------------------------------


def _opened(one: Any) -> Any:
    """Return a result; of a study, its analysis."""
    if isinstance(one, str | Path):
        return open_folder(checked_path("folder", one))
    if isinstance(one, Study):
        from sim.analysis.analyse import analyse

        one.check_not_shard()
        return analyse(one)
    return one


def _kind(result: Any) -> Kind:
    found = kind_of(result)
    if found is None:
        names = ", ".join(kind.name for kind in KINDS)
        raise InputError(f"{type(result).__name__}: is no result; must be one of: {names}")
    return found


def _folder(results: Sequence[Any], opened: Sequence[Any]) -> Path:
    """Return where a report goes for which no place was chosen."""
    if len(results) > 1:
        return Path()
    if isinstance(results[0], str | Path):
        return Path(results[0])
    own = getattr(getattr(opened[0], "study", opened[0]), "folder", None)
    return own if isinstance(own, Path) else Path()


def _chosen(out: Path) -> Path:
    """Return the file that was chosen.

    Raises
    ------
    InputError
        If it exists, or is not called as a page is.
    """
    place = out / f"{NAME}{ENDING}" if out.is_dir() else out
    if place.suffix.lower() not in (ENDING, ".htm"):
        raise InputError(f"{place}: must end in {ENDING}, or be a folder that exists")
    if place.exists() or place.is_symlink():
        raise _taken(place)
    return place


def _write_chosen(place: Path, text: str) -> None:
    try:
        write_new_text(place, text)
    except FileExistsError:
        raise _taken(place) from None


def _taken(place: Path) -> InputError:
    return InputError(
        f"{place}: file exists, and existing files are never overwritten; choose another"
    )


def _write_numbered(folder: Path, text: str) -> Path:
    """Write ``report.html``, or the first of ``report-2.html``, ... that does not exist."""
    number, place = 1, folder / f"{NAME}{ENDING}"
    while True:
        try:
            write_new_text(place, text)
        except FileExistsError:
            number += 1
            place = folder / f"{NAME}-{number}{ENDING}"
        else:
            return place
