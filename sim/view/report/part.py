"""What a report says of one result: plain data, which the page lays out."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from sim.assays import readout
from sim.assays.declare import FRACTION

if TYPE_CHECKING:
    from sim.scenario.schema import Scenario

MOST_ROWS = 60
"""of a table of results; the files of the folder have all of them."""


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first cell of a row names it.

    Attributes
    ----------
    caption : str
    columns : sequence of str
    rows : sequence of sequences
        Texts, numbers, or None for what is not known.
    note : str
        What to know of it, below.
    footnotes : sequence of str
        What to know of some rows, which have their numbers in the column ``note``.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    footnotes: Sequence[str] = ()

    @property
    def numeric(self) -> list[bool]:
        """By column, whether it has numbers only."""
        kinds = [
            {type(row[n]) for row in self.rows} - {type(None)} for n in range(len(self.columns))
        ]
        return [bool(each) and each <= {int, float} for each in kinds]


@dataclass(frozen=True)
class Picture:
    """A picture as the page has it.

    Attributes
    ----------
    name : str
        Of its file, without an ending.
    title : str
        What it shows.
    alt : str
        The same for those who do not see it: title, axes, caption.
    content : bytes
        A PNG or a JPEG.
    """

    name: str
    title: str
    alt: str
    content: bytes

    @property
    def source(self) -> str:
        """It as a data URI."""
        kind = "jpeg" if self.content.startswith(b"\xff\xd8") else "png"
        return f"data:image/{kind};base64,{base64.b64encode(self.content).decode()}"

    def at_most(self, wide: int) -> Picture:
        """Return it with at most so many pixels across; a photograph as JPEG.

        A picture with more bytes than pixels is one: its noise cannot be compressed without loss.
        """
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        with Image.open(io.BytesIO(self.content), formats=("PNG",)) as image:
            is_photo = len(self.content) > image.width * image.height
            if image.width <= wide and not is_photo:
                return self
            size = min(wide, image.width), max(1, round(image.height * min(1, wide / image.width)))
            small, marks = image.convert("RGB").resize(size, Image.Resampling.LANCZOS), PngInfo()
            for name, text in getattr(image, "text", {}).items():
                marks.add_text(name, text)
        file = io.BytesIO()
        if is_photo:
            small.save(file, "JPEG", quality=85)
        else:
            small.save(file, "PNG", pnginfo=marks)
        return replace(self, content=file.getvalue())


@dataclass
class Part:
    """All that a report says of one result.

    Attributes
    ----------
    title, kind : str
        Its name, and what it is in a few words: ``"study of 296 runs"``.
    facts : dict of str to any
        What identifies it, for the head: assay, seed, version, ...
    words : list of str
        The experiment, a paragraph each.
    cautions : list of str
        Flags, and what may not be as expected.
    tables : list of Table
        Results.
    readouts : list of Table
        What the read-outs are.
    setup : list of Table
        Set-up of the assay.
    differing : Table or None
        What is not default.
    parameters : list of Table
        All parameters.
    made : dict of str to any
        Versions, processor, times.
    again : list of str
        Commands that give the same result.
    files : dict of str to str
        What these commands read, by name.
    limits : list of str
        What the result does not show.
    scenario : Scenario or None
        For comparison with others.
    values : dict of str to float
        Final read-outs, for comparison with others.
    pictures : list of Picture
        Those that are in the folder; those that are drawn anew are added.
    """

    title: str
    kind: str
    facts: dict[str, Any]
    words: list[str]
    cautions: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    readouts: list[Table] = field(default_factory=list)
    setup: list[Table] = field(default_factory=list)
    differing: Table | None = None
    parameters: list[Table] = field(default_factory=list)
    made: dict[str, Any] = field(default_factory=dict)
    again: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    limits: list[str] = field(default_factory=list)
    scenario: Scenario | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    pictures: list[Picture] = field(default_factory=list)


class Frame(Protocol):
    """A pandas DataFrame, as far as it is shown."""

    columns: Any

    def itertuples(self, *, index: bool, name: None) -> Any:
        """Rows as tuples."""


def table_of(caption: str, frame: Frame, note: str = "") -> Table:
    """Return a data frame as a table; long ones are cut."""
    rows = [[_known(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]
    if len(rows) > MOST_ROWS:
        more = f"{len(rows) - MOST_ROWS:,} more rows are in the files of the folder."
        rows, note = rows[:MOST_ROWS], f"{note} {more}".strip()
    return without_empty(caption, [str(name) for name in frame.columns], rows, note)


def without_empty(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], note: str = ""
) -> Table:
    """Return a table without the columns in which nothing is; notes of rows become footnotes."""
    used = [n for n in range(len(columns)) if any(row[n] not in (None, "") for row in rows)]
    names = [columns[n] for n in used]
    cut = [[row[n] for n in used] for row in rows]
    if "note" not in names:
        return Table(caption, names, cut, note)
    place = names.index("note")
    texts = list(dict.fromkeys(row[place] for row in cut if row[place]))
    for row in cut:
        row[place] = f"({texts.index(row[place]) + 1})" if row[place] else ""
    return Table(caption, names, cut, note, texts)


def _known(cell: Any) -> Any:
    """Return a cell; None for NaN."""
    cell = cell.item() if hasattr(cell, "item") else cell
    return None if isinstance(cell, float) and cell != cell else cell


def unit_words(unit: str) -> str:
    """Return a unit as texts have it; nothing for a fraction."""
    if unit == FRACTION:
        return ""
    return re.sub(r"m\^?([23])", lambda m: f"m{'²³'[int(m[1]) - 2]}", unit.replace("um", "µm"))


def definitions(names: Sequence[str], values: Mapping[str, float] | None = None) -> Table:
    """Return what read-outs are, with their values if there are any."""
    found = [readout(name) for name in names]
    columns = ["read-out", *([] if values is None else ["value"]), "unit", "definition", "key"]
    rows = [
        [
            one.words,
            *([] if values is None else [_known(values.get(one.name))]),
            unit_words(one.unit) or ("fraction" if one.unit else "number"),
            one.doc,
            one.name,
        ]
        for one in found
    ]
    caption = "Read-outs and their definitions" if values is None else "Read-outs at the end"
    return Table(caption, columns, rows)


def listed(words: Sequence[str]) -> str:
    """Return words as a sentence has them: ``a, b and c``."""
    *first, last = words or [""]
    return f"{', '.join(first)} and {last}" if first else last


def counted(number: int, what: str) -> str:
    """Return a number of things: ``1 run``, ``2,000 runs``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def capital(text: str) -> str:
    """Return a text as a sentence: a capital letter first, a full stop last."""
    text = " ".join(text.split())
    end = "" if not text or text[-1] in ".!?" else "."
    return f"{text[:1].upper()}{text[1:]}{end}"
