"""Label pictures: who is on each site, as files of other tools.

A picture is an array [y, x] of cell ids, 0 for none; column 0 and row 0 begin at x = y = 0.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sim.errors import FileError
from sim.files import read_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_16_BIT = 65_535
UM_PER_INCH = 25_400.0
MOST_PIXELS = 100_000_000  # of a picture that is read
MOST_LABEL_BYTES = 1_000_000_000


def label_type(most: int) -> np.dtype[Any]:
    """Return the type of numbers for ids up to this: 16 bits, or 32 where they do not fit."""
    import numpy as np

    return np.dtype(np.uint16 if most <= MOST_16_BIT else np.uint32)


def write_png(path: Path, cell_id: NDArray[Any], spacing_um: float) -> None:
    """Write a picture of 16 bits, whose greatest id is at most `MOST_16_BIT`."""
    from PIL import Image

    picture = Image.fromarray(cell_id.astype(label_type(int(cell_id.max(initial=0)))))
    dots = UM_PER_INCH / spacing_um
    picture.save(path, dpi=(dots, dots))


def write_npy(path: Path, cell_id: NDArray[Any]) -> None:
    """Write a NumPy array of int32."""
    import numpy as np

    np.save(path, cell_id.astype(np.int32), allow_pickle=False)


def write_piff(path: Path, cell_id: NDArray[Any], names: Mapping[int, str]) -> None:
    """Write the lattice file of CompuCell3D (PIFF).

    A line is ``id type x1 x2 y1 y2 z1 z2``, ends included: one for each run of sites along x.
    Medium, which CompuCell3D has wherever nothing is placed, has none.

    Parameters
    ----------
    path : Path
    cell_id : (y, x) int
    names : mapping of int to str
        Name of the type of each cell, by its id.
    """
    import numpy as np

    new = np.ones(cell_id.shape, dtype=bool)
    new[:, 1:] = cell_id[:, 1:] != cell_id[:, :-1]
    y, first = np.nonzero(new)
    last = np.append(first[1:], 0) - 1
    last[last < 0] = cell_id.shape[1] - 1
    ids = cell_id[y, first]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for cell, row, begin, end in zip(
            ids.tolist(), y.tolist(), first.tolist(), last.tolist(), strict=True
        ):
            if cell:
                file.write(f"{cell} {names[cell]} {begin} {end} {row} {row} 0 0\n")


class Labels(NamedTuple):
    """A label picture that was read."""

    cell_id: NDArray[np.int64]
    """(y, x), 0 where no cell is"""
    types: dict[int, str]
    """name of the type of each cell, by its id, where the file has it"""
    whole: bool
    """whether the picture is as large as what it shows: a PIFF ends with its last cell"""


def read_labels(path: Path) -> Labels:
    """Read a label picture: ``.npy``, ``.tif``, ``.tiff``, ``.png`` or ``.piff``.

    Of a stack or a series the last picture counts.

    Raises
    ------
    FileError
        If it cannot be read, or is no picture of whole numbers of at least 0.
    """
    readers = {
        ".npy": _read_npy, ".tif": _read_image, ".tiff": _read_image, ".png": _read_image,
        ".piff": _read_piff, ".pif": _read_piff,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise FileError(path, f"must be a label picture: {', '.join(readers)}")
    content = read_bytes(path, MOST_LABEL_BYTES)
    try:
        found = reader(content)
    except LabelsError as error:
        raise FileError(path, str(error)) from None
    except Exception as error:  # there is no end to what can be wrong in a picture
        raise FileError(path, f"not a label picture: {error}") from error
    if found.cell_id.size and found.cell_id.min() < 0:
        raise FileError(path, "has labels below 0; 0 is where no cell is, and cells are above it")
    if not found.cell_id.any():
        raise FileError(path, "has no cell: all labels are 0")
    return found


class LabelsError(ValueError):
    """What is wrong with a label picture."""


def _read_npy(content: bytes) -> Labels:
    import numpy as np

    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0}.get(version)  # fmt: skip
    if read is None:
        raise LabelsError("not a NumPy file of version 1 or 2")
    shape, _, kind = read(file)
    _check_size(shape[-2:])
    if kind.kind not in "iu":
        hints = {
            "O": "save the array of labels alone, such as 'masks' of a _seg.npy of Cellpose",
            "b": "this is a mask: label its cells first",
        }
        hint = hints.get(kind.kind, "convert them, such as with astype('int32')")
        raise LabelsError(
            f"has numbers of type {kind}; labels are whole numbers, such as int32 ({hint})"
        )
    array = np.load(io.BytesIO(content), allow_pickle=False)
    while array.ndim > 2:
        array = array[-1]
    if array.ndim != 2:
        raise LabelsError(f"has {array.ndim} dimensions; must have two, [y, x]")
    return Labels(_whole_numbers(array), {}, True)


def _read_image(content: bytes) -> Labels:
    import warnings

    import numpy as np
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # large ones are refused below
        with Image.open(io.BytesIO(content), formats=("TIFF", "PNG")) as image:
            _check_size((image.height, image.width))
            image.seek(getattr(image, "n_frames", 1) - 1)
            _check_size((image.height, image.width))
            if image.mode not in ("1", "L", "I", "P") and not image.mode.startswith("I;"):
                what = "fractions (32-bit floats)" if image.mode == "F" else "colours"
                raise LabelsError(
                    f"has {what}; labels are one whole number a pixel (8, 16 or 32 bits): convert "
                    "it first"
                )
            array = np.asarray(image)
    if array.dtype == bool:
        array = array.astype(np.uint8)
    return Labels(_whole_numbers(array), {}, True)


def _whole_numbers(array: NDArray[Any]) -> NDArray[np.int64]:
    import numpy as np

    if array.size and array.max() > np.iinfo(np.int32).max:
        raise LabelsError(f"has labels above {np.iinfo(np.int32).max:,}")
    return array.astype(np.int64)


def _read_piff(content: bytes) -> Labels:
    """Read the lattice file of CompuCell3D: ``id type x1 x2 y1 y2`` and, if there, ``z1 z2``."""
    import numpy as np

    boxes: list[tuple[int, int, int, int, int]] = []
    types: dict[int, str] = {}
    for number, line in enumerate(content.decode("utf-8-sig").splitlines(), 1):
        words = line.split()
        if not words or line.startswith("#"):
            continue
        if len(words) not in (6, 8) or not all(w.isascii() and w.isdigit()
                                              for w in (words[0], *words[2:])):  # fmt: skip
            raise LabelsError(f"line {number}: must be id, type, x1, x2, y1, y2, z1, z2")
        cell, x1, x2, y1, y2, *z = map(int, (words[0], *words[2:]))
        if any(z):
            raise LabelsError(f"line {number}: z1 and z2 must be 0: this is no flat tissue")
        if x1 > x2 or y1 > y2:
            raise LabelsError(f"line {number}: x1 and y1 must not be above x2 and y2")
        if words[1].lower() == "medium":
            continue
        if not 0 < cell <= np.iinfo(np.int32).max:
            raise LabelsError(f"line {number}: cells are numbered from 1 to 2^31 - 1")
        if types.setdefault(cell, words[1]) != words[1]:
            raise LabelsError(f"line {number}: cell {cell} was of type {types[cell]} before")
        _check_size((y2 + 1, x2 + 1))
        boxes.append((cell, x1, x2, y1, y2))
    if not boxes:
        raise LabelsError("has no cell")
    height, width = max(box[4] for box in boxes) + 1, max(box[2] for box in boxes) + 1
    _check_size((height, width))
    found = np.zeros((height, width), np.int64)
    for cell, x1, x2, y1, y2 in boxes:
        found[y1 : y2 + 1, x1 : x2 + 1] = cell
    return Labels(found, types, False)


def _check_size(shape: Sequence[int]) -> None:
    if len(shape) == 2 and shape[0] * shape[1] > MOST_PIXELS:
        raise LabelsError(
            f"has {shape[1]:,} x {shape[0]:,} pixels; must have at most {MOST_PIXELS:,} in all"
        )
