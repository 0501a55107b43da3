"""The part of a report that is about a user's own tables and pictures, as their folder has it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sim.assays import readout
from sim.errors import FileError
from sim.files import parse_json, read_bytes, read_csv, read_text
from sim.version import __version__
from sim.view.report.part import MOST_ROWS, Part, Picture, Table, capital, counted, without_empty

MOST_READ: Final = 100_000
MOST_PICTURES: Final = 12
_ENDS: Final = ("_low", "_high")
WORDS: Final = {
    "aicc": "AICc by number of compartments", "typical": "Typical parameters",
    "cv_percent": "Between subjects, CV in %", "known": "Given, and not fitted",
    "table": "Table", "column": "Column of the table",
}  # fmt: skip
_NOT_FACTS: Final = ("version", "notes")


@dataclass(frozen=True)
class Found:
    """What a folder has of one kind.

    Attributes
    ----------
    kind, words : str
        What it is, and what was done, in a sentence.
    table : str
        Its table; empty without one.
    pictures : str
        Which of its files are its pictures.
    command : str
        What wrote it.
    limits : tuple of str
    """

    kind: str
    words: str
    table: str
    pictures: str
    command: str
    limits: tuple[str, ...]


SCATTER: Final = (
    "Limits cover the scatter of the values given, not errors that all of them share: of doses, "
    "staining, pictures or assays."
)
FOUND: Final[Mapping[str, Found]] = {
    "fit.json": Found(
        "dose-response fit", "Dose-responses of a table were fitted as those of studies are.",
        "fit.csv", "fit*.png", "angiosim fit TABLE",
        (SCATTER, "What may be unbound drug at the cells is not known from a nominal dose."),
    ),
    "checkerboard.json": Found(
        "checkerboard of two drugs", "Two drugs were combined, and compared with what each gives.",
        "checkerboard.csv", "checkerboard*.png", "angiosim fit TABLE",
        (SCATTER, "What two drugs should give without interaction is a definition, one of four."),
    ),
    "plate.json": Found(
        "plate", "The read-outs of a plate were put beside what was in its wells.",
        "plate.csv", "plate*.png", "angiosim plate MAP",
        (SCATTER, "One plate shows no scatter between days, passages or donors."),
    ),
    "nca.json": Found(
        "non-compartmental analysis", "Drug samples were analysed without a model of the body.",
        "nca.csv", "nca*.png", "angiosim nca TABLE",
        ("What lies between samples and behind the last one is interpolated or extrapolated.",),
    ),
    "pk-fit.json": Found(
        "fit of a compartment model", "A compartment model was fitted to drug samples.",
        "", "pk-fit*.png", "angiosim pk-fit TABLE",
        ("A good fit proves little: parameters can compensate for each other.",
         "Spread between subjects is that of the subjects sampled."),
    ),
    "measurements.csv": Found(
        "measurements of pictures", "Networks on pictures were measured as simulated ones are.",
        "measurements.csv", "overlays/*.png", "angiosim measure PICTURES",
        ("Absolute counts depend on staining, magnification and settings: compare pictures that "
         "were made alike.",),
    ),
}  # fmt: skip
"""By the file that says what is in a folder; the first of them counts."""


@dataclass(frozen=True)
class Saved:
    """What was found in a user's tables or pictures, in its folder; `file` is one of `FOUND`."""

    folder: Path
    file: str


def of_saved(result: Saved) -> Part:
    """Return what a report says of a user's table or pictures.

    Raises
    ------
    FileError
        If its file is not as the command writes it.
    """
    try:
        return _part(result)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        command = FOUND[result.file].command
        raise FileError(
            result.folder / result.file, f"is not as `{command}` writes it; run that again"
        ) from error


def _part(result: Saved) -> Part:
    found, folder = FOUND[result.file], result.folder
    tree = _tree(folder / result.file)
    columns, rows = _read(folder / found.table) if found.table else ([], [])
    settings = folder / "settings.csv"
    units = tree.get("units")
    units = units if isinstance(units, dict) else {}  # of columns, where they are named
    tables = [*_quality(tree), *_of_names(tree)]
    if rows:
        tables.append(_table(capital(found.kind)[:-1], columns, rows, units))
    facts = {
        _words(key): value
        for key, value in tree.items()
        if isinstance(value, str | int | float) and value != "" and key not in _NOT_FACTS
    }
    version = tree.get("version")
    return Part(
        title=folder.resolve().name,
        kind=found.kind,
        facts={**facts, **({"Rows": f"{len(rows):,}"} if rows else {})},
        words=[found.words],
        cautions=[*map(str, tree.get("notes") or ()), *_doubts(columns, rows)],
        tables=tables,
        setup=[Table("Settings", *_read(settings))] if settings.is_file() else [],
        made={"Version": f"angiosim {version}" if version else None,
              "Report by": f"angiosim {__version__}"},
        again=[f"{found.command}  # with the options that were given"],
        limits=list(found.limits),
        pictures=list(_pictures(folder, found)),
    )  # fmt: skip


def _read(path: Path) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of a CSV file."""
    columns, lines = read_csv(path, MOST_READ)
    return columns, [[_value(row[name]) for name in columns] for _, row in lines]


def _of_names(tree: Mapping[str, Any]) -> Iterator[Table]:
    """Yield what a file of JSON says by name, a table each."""
    for key, found in tree.items():
        if key == "units" or not isinstance(found, dict) or not found:
            continue
        if all(isinstance(value, str | int | float | None) for value in found.values()):
            yield Table(_words(key), ("", "value"), list(found.items()))


def _quality(tree: Mapping[str, Any]) -> Iterator[Table]:
    """Yield how good the plates of a file are."""
    rows = []
    for plate, about in tree.get("plates", {}).items():
        for name, one in about["readouts"].items():
            edge = [one.get(f"edge_{end}") for end in ("percent", "low", "high")]
            means = [(one.get(kind) or {}).get("mean") for kind in ("positive", "negative")]
            outliers = len(one.get("outliers") or ())
            label = readout(name).label
            rows.append([label, plate, *means, one.get("z_prime"), _limits(*edge), outliers])
    if rows:
        columns = ("read-out", "plate", "positive control", "negative control", "Z'",
                   "wells at the edge, %", "outliers")  # fmt: skip
        yield without_empty("Quality of the plate", columns, rows)


def _tree(path: Path) -> dict[str, Any]:
    """Return what a file of JSON says; nothing of a table."""
    if path.suffix != ".json":
        return {}
    try:
        return parse_json(read_text(path))
    except ValueError as error:
        raise FileError(path, str(error)) from error


def _value(text: str) -> Any:
    """Return a cell of a CSV file: a number, a text, or None where it is empty."""
    try:
        number = float(text)
    except ValueError:
        return text or None
    return int(text) if re.fullmatch(r"-?\d{1,15}", text) else number


def _words(key: str) -> str:
    return WORDS.get(key) or capital(key.replace("_", " "))[:-1]


def _doubts(columns: list[str], rows: list[list[Any]]) -> Iterator[str]:
    """Yield how many rows have doubts or errors."""
    for name, what in (("error", "could not be measured"), ("doubts", "are doubtful")):
        if name in columns:
            place = columns.index(name)
            if many := sum(row[place] not in (None, "") for row in rows):
                yield f"{counted(many, 'picture')} {what}: see the column {name}"


def _table(
    caption: str, columns: list[str], rows: list[list[Any]], units: Mapping[str, str]
) -> Table:
    """Return a table, with the limits of each value in its cell."""
    names = [name for name in columns if not name.endswith(_ENDS)]
    limited = {name for name in names if all(f"{name}{end}" in columns for end in _ENDS)}
    place = {name: n for n, name in enumerate(columns)}
    shown = [
        [
            _limits(*(row[place[f"{name}{end}"]] for end in ("", *_ENDS)))
            if name in limited
            else row[place[name]]
            for name in names
        ]
        for row in rows[:MOST_ROWS]
    ]
    more = len(rows) - MOST_ROWS
    note = "Limits are of 95 %." if limited else ""
    note += f" {more:,} more rows are in the files of the folder." if more > 0 else ""
    heads = [", ".join(filter(None, [name.replace("_", " "), units.get(name)])) for name in names]
    return without_empty(caption, heads, shown, note.strip())


def _limits(value: Any, low: Any, high: Any) -> Any:
    """Return a value with its limits; the value alone where it has none."""
    if low is None and high is None:
        return value
    span = " to ".join("open" if end is None else _short(end) for end in (low, high))
    return span if value is None else f"{_short(value)} ({span})"


def _short(value: Any) -> str:
    """Return a number in three digits; what else is in a user's column as it is."""
    return str(value) if isinstance(value, str) else f"{value:.3g}"


def _pictures(folder: Path, found: Found) -> Iterator[Picture]:
    """Yield the pictures of a folder, as they are in it."""
    paths = sorted(folder.glob(found.pictures))
    for path in paths[:MOST_PICTURES]:
        title = capital(found.kind)[:-1] + f": {path.stem}" * (len(paths) > 1)
        yield Picture(path.stem, title, f"{title}, as in {path.name}", read_bytes(path))
