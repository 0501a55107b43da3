"""A picture or a folder of pictures, measured into a table: a row for each picture."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim import hooks
from sim.errors import InputError, shown
from sim.files import write_bytes_atomic, write_text_atomic
from sim.input import checked_count, checked_path, wrong_name
from sim.lab.analyzer import COLUMNS
from sim.lab.crop import Crop
from sim.lab.measure import ANALYZER, Measured, measure_picture
from sim.lab.picture import ENDINGS, Picture, checked_scale, from_array, need, read_picture
from sim.lab.prepare import AUTO
from sim.lab.segment import MODES
from sim.lab.series import SERIES, measure_series
from sim.lab.settings import Settings
from sim.labels import UM_PER_INCH
from sim.runs.folder import make_new, remove_empty

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from sim.hooks import Axes, Figure, SubFigure

TABLE, SETTINGS = "measurements.csv", "settings.csv"
MASKS, OVERLAYS = "masks", "overlays"
TUBES, ASSAYS, MOST_HOURS = "tubes", ("tubes", *SERIES), 10_000
IMAGE_NAME = COLUMNS[0]
_LAST = ("doubts", "error")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Options:
    """How pictures are measured.

    Attributes
    ----------
    um_per_px : float or None
        Side of a pixel, instead of what files say.
    mode : str
        What they show, or ``"auto"``.
    crop : Crop or None
        The part of each.
    plane : int or None
        Of files with several, from 1.
    settings : Settings
    as_ : str or None
        Another tool whose counts are given.
    assay : str
        One of `ASSAYS`.
    interval_h : float or None
        Hours from one picture of a series to the next.
    """

    um_per_px: float | None = None
    mode: str = AUTO
    crop: Crop | None = None
    plane: int | None = None
    settings: Settings = field(default_factory=Settings)
    as_: str | None = None
    assay: str = TUBES
    interval_h: float | None = None

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each setting: its name, value, default, unit and meaning."""
        given = {
            "um_per_px": (self.um_per_px, None, "um", "side of a pixel, in place of the file's"),
            "mode": (self.mode, AUTO, "", "what pictures show"),
            "crop": (self.crop and str(self.crop), None, "px", "the part that is measured"),
            "assay": (self.assay, TUBES, "", "what is measured"),
            "interval_h": (self.interval_h, None, "h", "from one picture of a series to the next"),
            "as": (self.as_, None, "", "another tool whose counts are given"),
            "plane": (self.plane, None, "", "which plane of files with several"),
        }
        names = ("value", "default", "unit", "meaning")
        rows = [
            {"setting": name, **dict(zip(names, row, strict=True))} for name, row in given.items()
        ]
        return [*rows, *self.settings.table()]


@dataclass
class Measurements:
    """Pictures that were measured.

    Attributes
    ----------
    source : Path or Picture
        What was measured.
    options : Options
    rows : list of dict
        For each picture its name, read-outs, doubts, and the error if it could not be measured.
    notes : list of str
        What was chosen without being asked, and which files of a folder are no pictures.
    folder : Path or None
        Where it is written.
    """

    source: Path | Picture
    options: Options
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    folder: Path | None = None

    @property
    def failed(self) -> list[str]:
        """Names of the pictures that could not be measured."""
        return [row["picture"] for row in self.rows if row["error"]]

    @property
    def table(self) -> pd.DataFrame:
        """A row for each picture; where one failed, its name and the error alone."""
        import pandas as pd

        found = dict.fromkeys(name for row in self.rows for name in row)
        columns = [*(name for name in found if name not in _LAST), *_LAST]
        table = pd.DataFrame(self.rows, columns=columns)
        counts = [name for name in columns if self._is_count(name)]
        table = table.astype(dict.fromkeys(counts, "Int64"))
        return table.rename(columns={"picture": IMAGE_NAME}) if self.options.as_ else table

    def _is_count(self, name: str) -> bool:
        values = [row[name] for row in self.rows if row.get(name) is not None]
        return bool(values) and all(isinstance(value, int) for value in values)

    def plot(
        self,
        picture: str | None = None,
        *,
        ax: Axes | None = None,
        fig: Figure | SubFigure | None = None,
    ) -> Figure:
        """Draw what was found over a picture, which is measured once more.

        Parameters
        ----------
        picture : str, optional
            Its name in the table; by default the first that could be measured.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure without it.
        fig : matplotlib.figure.Figure or SubFigure, optional
            An empty one to draw into.

        Raises
        ------
        InputError
            If there is no such picture.
        """
        names = [row["picture"] for row in self.rows if not row["error"]]
        if picture is None and names:
            picture = names[0]
        if picture is None or picture not in names:
            raise InputError(f"picture = {shown(picture)}: must be one of {', '.join(names)}")
        source = self.source
        if isinstance(source, Path):
            source = source / picture if source.is_dir() else source
        if self.options.assay in SERIES:
            read = list(_read_all(_pictures(self.source, []), self.options))
            series = _series(read, self.options)
            return hooks.draw(series[names.index(picture)], ax=ax, fig=fig)
        return hooks.draw(_measured(source, self.options), ax=ax, fig=fig)


def measure(
    source: str | Path | NDArray[Any],
    um_per_px: float | None = None,
    mode: str = AUTO,
    crop: str | Sequence[float] | None = None,
    plane: int | None = None,
    settings: Mapping[str, Any] | None = None,
    as_: str | None = None,
    assay: str = TUBES,
    interval_h: float | None = None,
    out: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measurements:
    """Measure the networks of pictures by the rules of the simulation.

    Parameters
    ----------
    source : str, Path or array
        A picture, a folder of pictures, or an array [y, x] or [y, x, colour].
    um_per_px : float, optional
        Side of a pixel in um; by default what the file says. Where that is nothing, lengths are in
        pixels.
    mode : str
        What the pictures show: ``"phase"``, ``"fluorescence"``, ``"mask"`` (black and white); by
        default each is looked at.
    crop : str or sequence of float, optional
        The part to measure, in pixels: ``"x,y,width,height"`` or ``"circle:x,y,radius"``.
    plane : int, optional
        Which plane of files with several, from 1; by default the last one in time, and then
        the sharpest.
    settings : mapping, optional
        Values by name, as `sim.lab.settings.Settings` has them.
    as_ : str, optional
        ``"angiogenesis-analyzer"``: the counts of that ImageJ macro by its rules, under its names,
        in pixels, in place of the read-outs.
    assay : str
        ``"tubes"``; or ``"wound"`` or ``"spheroid"``, of which a folder has one series of pictures
        in the order of their names, the first at the start.
    interval_h : float, optional
        Hours from one picture of a series to the next, for the speed of a front.
    out : str or Path, optional
        A new or empty folder for table, overlays and masks; by default nothing is written.
    progress : callable, optional
        Called with how many pictures are done, and how many there are.

    Raises
    ------
    InputError
        If an option is wrong, there is no picture, or scikit-image is not installed. A picture of a
        folder that cannot be measured is a row with the error.
    """
    options = options_of(um_per_px, mode, crop, plane, settings, as_, assay, interval_h)
    folder = None if out is None else checked_path("out", out)
    pictures = (
        from_array(source, options.um_per_px)
        if hasattr(source, "shape")
        else checked_path("source", source)
    )
    return _measure_all(pictures, options, folder, progress=progress)


def options_of(
    um_per_px: float | None,
    mode: str,
    crop: str | Sequence[float] | None,
    plane: int | None,
    settings: Mapping[str, Any] | None,
    as_: str | None = None,
    assay: str = TUBES,
    interval_h: float | None = None,
) -> Options:
    """Return options, checked, as `measure` has them."""
    need("skimage")
    if mode not in (AUTO, *MODES):
        raise InputError(f"mode = {shown(mode)}: must be {', '.join(MODES)} or {AUTO}")
    if plane is not None:
        checked_count("plane", plane, least=1)
    scale = None if um_per_px is None else checked_scale(um_per_px)
    if as_ not in (None, ANALYZER):
        raise InputError(f"as_ = {shown(as_)}: must be {ANALYZER}")
    if assay not in ASSAYS:
        raise InputError(f"assay = {shown(assay)}: must be {', '.join(ASSAYS)}")
    if as_ is not None and assay != TUBES:
        raise InputError(f"as_ = {shown(as_)}: counts networks, with assay = {TUBES!r} only")
    if interval_h is not None:
        number = isinstance(interval_h, (int, float)) and not isinstance(interval_h, bool)
        if not number or not 0 < interval_h <= MOST_HOURS:
            allowed = f"must be a number of hours above 0, at most {MOST_HOURS:,}"
            raise InputError(f"interval_h = {shown(interval_h)}: {allowed}")
    return Options(scale, mode, Crop.of(crop), plane, Settings.of(settings), as_, assay, interval_h)


def measure_into(
    source: Path,
    options: Options,
    out: Path | None,
    progress: Callable[[int, int], None] | None = None,
) -> Measurements:
    """Measure pictures into a folder, by default ``NAME-measured`` beside them; see `measure`."""
    name = source.resolve()
    beside = name.parent / f"{name.stem if name.is_file() else name.name}-measured"
    return _measure_all(
        source, options, beside if out is None else out, numbered=out is None, progress=progress
    )


def _measure_all(
    source: Path | Picture,
    options: Options,
    out: Path | None,
    *,
    numbered: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Measurements:
    """Measure what there is, one picture after the other; a picture alone must not fail."""
    found = Measurements(source, options)
    pictures = _pictures(source, found.notes)
    files = _file_names([each.name for each in pictures])
    made: list[Path] = []
    if out is not None:
        found.folder, made = make_new(out, numbered=numbered)
        made += [found.folder / part for part in (MASKS, OVERLAYS)]
    try:
        for number, one in enumerate(_each(pictures, options)):
            if isinstance(one, Measured):
                found.rows.append(_row(one))
                found.notes += [f"{one.picture}: {note}" for note in one.notes]
                if found.folder is not None:
                    _write_pictures(one, found.folder, files[number])
            elif len(pictures) == 1:
                raise one
            else:
                found.rows.append({"picture": pictures[number].name, "error": one.reason})
            if progress is not None:
                progress(number + 1, len(pictures))
    finally:
        if found.folder is not None:
            if found.rows:
                _write_tables(found, found.folder)
            else:
                remove_empty(made)
    return found


def _each(pictures: Sequence[Path | Picture], options: Options) -> Iterator[Measured | InputError]:
    """Measure pictures; yield for each what was found, or why it could not be measured."""
    if options.assay in SERIES:  # all are needed at once
        read = list(_read_all(pictures, options))
        series = iter(_series(read, options))
        for one in read:
            yield next(series) if isinstance(one, Picture) else one
        return
    for each in pictures:
        try:
            yield _measured(each, options)
        except InputError as error:
            yield error


def _read_all(
    pictures: Sequence[Path | Picture], options: Options
) -> Iterator[Picture | InputError]:
    """Read pictures; yield each, or why it cannot be read."""
    for each in pictures:
        try:
            yield _read(each, options)
        except InputError as error:
            yield error


def _series(read: Sequence[Picture | InputError], options: Options) -> list[Measured]:
    """Measure what could be read of a series, each picture at the time of its place in it."""
    if isinstance(read[0], InputError):
        raise read[0]  # the others are measured against the start
    known = [(at, one) for at, one in enumerate(read) if isinstance(one, Picture)]
    hours = options.interval_h
    return measure_series(
        [one for _, one in known], options.assay, options.mode, options.crop, options.settings,
        None if hours is None else [at * hours for at, _ in known],
    )  # fmt: skip


def _pictures(source: Path | Picture, notes: list[str]) -> Sequence[Path | Picture]:
    """Return the pictures of a folder in the order in which people count, or the one given."""
    if isinstance(source, Picture):
        return [source]
    if not source.is_dir():
        _check_name(source)
        return [source]
    files = sorted(
        (path for path in source.iterdir() if not path.name.startswith(".")), key=_natural
    )
    pictures = [path for path in files if path.suffix.lower() in ENDINGS]
    others = [path.name for path in files if path not in pictures]
    if not pictures:
        raise InputError(f"{source}: has no pictures; their names end in {', '.join(ENDINGS)}")
    for path in pictures:
        _check_name(path)
    if others:
        notes.append(f"not measured, for these are no pictures: {', '.join(others)}")
    return pictures


def _check_name(path: Path) -> None:
    """Refuse a name that must not be in a table."""
    if wrong := wrong_name(path.name):
        raise InputError(f"{path}: the name of a picture {wrong}; rename it")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Order of names in which 2 comes before 10."""
    parts = _DIGITS.split(path.name.lower())
    return [(int(part) if part.isdecimal() else -1, part) for part in parts]


def _read(source: Path | Picture, options: Options) -> Picture:
    if isinstance(source, Picture):
        return source
    return read_picture(source, options.um_per_px, options.plane)


def _measured(source: Path | Picture, options: Options) -> Measured:
    return measure_picture(
        _read(source, options), options.mode, options.crop, options.settings, options.as_
    )


def _row(one: Measured) -> dict[str, Any]:
    """Return the row of a picture."""
    head = {"picture": one.picture, "mode": one.mode, "um_per_px": one.um_per_px}
    return {**head, **one.values, "doubts": "; ".join(one.doubts), "error": ""}


# --- files ---------------------------------------------------------------------------------------


def _file_names(pictures: Sequence[str]) -> list[str]:
    """Return a name for the files of each picture: without its ending, where that is distinct."""
    stems = Counter(Path(name).stem for name in pictures)
    return [Path(name).stem if stems[Path(name).stem] == 1 else name for name in pictures]


def _write_pictures(one: Measured, folder: Path, file: str) -> None:
    """Write the mask of a picture, and what was found drawn over it."""
    from PIL import Image

    for part in (MASKS, OVERLAYS):
        (folder / part).mkdir(exist_ok=True)
    dots = {"dpi": (UM_PER_INCH / one.pixel_um,) * 2} if one.um_per_px else {}
    content = io.BytesIO()
    Image.fromarray(one.mask).save(content, "PNG", **dots)
    write_bytes_atomic(folder / MASKS / f"{file}.png", content.getvalue())
    hooks.call("save_overlay", one, folder / OVERLAYS / f"{file}.png")


def _write_tables(found: Measurements, folder: Path) -> None:
    """Write the read-outs of all pictures, and the settings."""
    import pandas as pd

    tables = {TABLE: found.table, SETTINGS: pd.DataFrame(found.options.table())}
    for name, table in tables.items():
        write_text_atomic(folder / name, table.to_csv(index=False, lineterminator="\n"))
