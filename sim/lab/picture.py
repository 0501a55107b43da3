"""Pictures of a user: micrographs and masks, with the size of their pixels.

What a file says is not believed before it is checked: how large it unpacks, and that the size of
its pixels is one of a microscope.
"""

from __future__ import annotations

import io
import logging
import math
import re
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim.errors import FileError, InputError, shown
from sim.files import read_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Values = NDArray[Any]

ENDINGS: Final = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp")
"""Of files that are taken for pictures in a folder."""
MOST_BYTES: Final = 2_000_000_000  # of a file, and of its planes together
MOST_PIXELS: Final = 150_000_000  # of a plane
LEAST_UM, MOST_UM = 0.01, 20.0  # side of a pixel of a microscope; printers' dots are larger
NOT_SQUARE = 1.01
GIVEN, IN_FILE = "given", "resolution in the file"
"""Where the size of pixels comes from."""
UM: Final[Mapping[str, float]] = {
    "nm": 1e-3, "nanometer": 1e-3, "um": 1.0, "µm": 1.0, "μm": 1.0, "micron": 1.0, "microns": 1.0,
    "micrometer": 1.0, "mm": 1e3, "millimeter": 1e3, "cm": 1e4, "centimeter": 1e4, "inch": 25_400.0,
    "in": 25_400.0, "m": 1e6,
}  # fmt: skip
"""Units of length of other programs, in um."""
_ZLIB = (8, 32946)
_PLAIN = 1
_MARKS = {b"II*\0": "TIFF", b"MM\0*": "TIFF", b"II+\0": "TIFF", b"MM\0+": "TIFF"}
_BY_PILLOW = ("PNG", "JPEG", "BMP")
_WITH_UNIT = re.compile(r'PhysicalSize([XY])(Unit)?\s*=\s*"([^"]{1,40})"')


@dataclass(frozen=True)
class Picture:
    """A plane of grey values.

    Attributes
    ----------
    name : str
        Of its file, or what its owner calls it.
    values : (H, W) array
        Numbers or truth values; row 0 is at the top.
    um_per_px : float or None
        Side of a pixel; None if it is not known.
    scale_from : str
        Where that comes from.
    plane : str
        Which plane of how many it is, and why; empty if there is one.
    """

    name: str
    values: Values
    um_per_px: float | None = None
    scale_from: str = ""
    plane: str = ""


def need(library: str) -> None:
    """Refuse to measure pictures where a library is not installed.

    Raises
    ------
    InputError
        Which says how to install it.
    """
    if find_spec(library) is None:
        raise InputError(
            f"measuring pictures needs {library.replace('skimage', 'scikit-image')}: "
            "pip install 'angiosim[lab]'"
        )


def is_picture(path: Path) -> bool:
    """Whether a file in a folder is taken for a picture."""
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".")


def read_picture(path: Path, um_per_px: float | None = None, plane: int | None = None) -> Picture:
    """Read a TIFF (also OME and ImageJ), PNG, JPEG or BMP file.

    Of colours the channel with the largest spread of values is taken. Of several planes it is the
    last one in time, and of what else there is (depth, channels, pages) the sharpest one.

    Parameters
    ----------
    path : Path
    um_per_px : float, optional
        Side of a pixel, instead of what the file says.
    plane : int, optional
        Number of the plane to take instead, from 1, in the order of the file.

    Raises
    ------
    FileError
        If it is no such file, damaged, too large, or has no such plane.
    """
    content = read_bytes(path, MOST_BYTES)
    kind = _MARKS.get(content[:4])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = (_tiff if kind else _other)(content, path, um_per_px, plane)
    except FileError:
        raise
    except (Exception, RecursionError) as error:  # there is no end to what can be wrong in it
        raise FileError(path, f"is damaged, or no picture that can be read: {error}") from error
    return _checked(picture, path)


def from_array(values: Any, um_per_px: float | None = None, name: str = "array") -> Picture:
    """Return the picture of an array: grey values [y, x], or colours [y, x, channel]."""
    import numpy as np

    values = np.asarray(values)
    if values.ndim == 3 and values.shape[-1] in (3, 4):
        values = _grey(values)
    return _checked(Picture(name, values, um_per_px, GIVEN if um_per_px else ""), name)


def _checked(picture: Picture, path: object) -> Picture:
    """Refuse what is no plane of numbers."""
    import numpy as np

    values = picture.values
    if values.ndim != 2 or 0 in values.shape:
        raise FileError(path, f"must have rows and columns of pixels, not the shape {values.shape}")
    if values.dtype.kind not in "buif":
        raise FileError(path, f"must have real numbers as grey values, not {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise FileError(path, "has grey values that are not finite")
    return picture


# --- files ---------------------------------------------------------------------------------------


def _other(content: bytes, path: Path, um_per_px: float | None, plane: int | None) -> Picture:
    """Read what Pillow reads: one plane."""
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    if plane not in (None, 1):
        raise FileError(path, f"has one plane; there is no plane {plane}")
    try:
        with Image.open(io.BytesIO(content), formats=_BY_PILLOW) as image:
            _check_size(path, image.height, image.width)
            dots = image.info.get("dpi") or (0, 0)
            if image.mode not in ("1", "L", "I", "I;16", "I;16B", "F", "RGB"):
                grey = image.mode in ("LA", "La")
                values = np.asarray(image.convert("L" if grey else "RGB"))
            else:
                values = np.asarray(image)
            values = _grey(values)
    except UnidentifiedImageError:
        allowed = "is not a picture: must be TIFF, PNG, JPEG or BMP"
        raise FileError(path, allowed) from None
    except Image.DecompressionBombError:
        raise FileError(path, _too_large()) from None
    if um_per_px is not None:
        return Picture(path.name, values, um_per_px, GIVEN)
    scale = _scale(float(dots[0]), float(dots[1]), UM["inch"], path)
    return Picture(path.name, values, scale, IN_FILE if scale else "")


def _tiff(content: bytes, path: Path, um_per_px: float | None, plane: int | None) -> Picture:
    """Read a plane of a TIFF file."""
    need("tifffile")
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # says what is odd in any file
    with tifffile.TiffFile(io.BytesIO(content), _multifile=False) as file:
        series = file.series[0]
        sizes = dict(zip(series.axes, series.shape, strict=True))
        _check_size(path, sizes["Y"], sizes["X"])
        if math.prod(series.shape) * series.dtype.itemsize > MOST_BYTES:
            raise FileError(path, f"unpacks to more than {MOST_BYTES // 1_000_000} MB")
        planes = _planes(file, series, content, path)
        chosen, words = _choice(planes, series.axes, plane, path)
        scale, source = _tiff_scale(file, path) if um_per_px is None else (um_per_px, GIVEN)
    return Picture(path.name, chosen, scale, source, words)


def _planes(file: Any, series: Any, content: bytes, path: Path) -> Values:
    """Return all planes of a series [..., y, x], each as grey values."""
    import numpy as np

    compressions = {int(page.compression) for page in series.pages if page is not None}
    if compressions <= {_PLAIN, *_ZLIB}:
        for page in series.pages:
            if page is not None and page.compression in _ZLIB:
                _check_zlib(page, content, path)
        values = np.asarray(series.asarray())
    else:
        from PIL import Image, ImageSequence

        if len(series.pages) * 1 != math.prod(series.shape[: series.axes.index("Y")]):
            raise FileError(path, "has planes compressed in a way that cannot be read")
        with Image.open(io.BytesIO(content), formats=("TIFF",)) as image:
            wanted = [np.asarray(frame) for frame in ImageSequence.Iterator(image)]
        values = np.stack(wanted[: len(series.pages)]).reshape(series.shape)
    order = [at for at, axis in enumerate(series.axes) if axis not in "YXS"]
    order += [series.axes.index(axis) for axis in "YXS" if axis in series.axes]
    values = values.transpose(order)
    if "S" in series.axes:
        flat = values.reshape(-1, *values.shape[-3:])
        grey = np.stack([_grey(each) for each in flat])
        values = grey.reshape(values.shape[:-1])
    if int(file.pages[0].photometric) == 0:  # white is zero
        values = np.invert(values) if values.dtype.kind in "bu" else -values
    return values


def _check_zlib(page: Any, content: bytes, path: Path) -> None:
    """Refuse a page whose parts unpack to more than they should."""
    most = math.prod(page.chunks) * page.dtype.itemsize + 1
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        unpack = zlib.decompressobj()
        if len(unpack.decompress(content[start : start + count], most)) >= most:
            raise FileError(path, "is damaged: a part of it unpacks to more than it should")


def _choice(planes: Values, axes: str, plane: int | None, path: Path) -> tuple[Values, str]:
    """Return a plane of several, and which it is."""
    import numpy as np

    others = [axis for axis in axes if axis not in "YXS"]
    if not others or math.prod(planes.shape[:-2]) == 1:
        if plane not in (None, 1):
            raise FileError(path, f"has one plane; there is no plane {plane}")
        return planes.reshape(planes.shape[-2:]), ""
    numbers: Values = np.arange(math.prod(planes.shape[:-2])).reshape(planes.shape[:-2])
    flat = planes.reshape(-1, *planes.shape[-2:])
    count = len(flat)
    if plane is not None:
        if not 1 <= plane <= count:
            raise FileError(path, f"has {count} planes; there is no plane {plane}")
        return flat[plane - 1], f"{plane} of {count}"
    why = []
    if "T" in others:
        numbers = numbers.take(-1, others.index("T"))
        why.append("the last in time")
    left = numbers.ravel().tolist()
    if len(left) > 1:
        why.append("the sharpest")
        left = [max(left, key=lambda at: _sharpness(flat[at]))]
    return flat[left[0]], f"{left[0] + 1} of {count}, {' and '.join(why)}"


def _sharpness(values: Values) -> float:
    """How much neighbouring pixels differ."""
    import numpy as np

    few = values[:: max(1, len(values) // 2000)].astype(np.float32)
    return float(np.diff(few, 2, axis=1).std()) if few.shape[1] > 2 else 0.0


def _grey(values: Values) -> Values:
    """Return the channel of a colour picture [y, x, channel] with the largest spread."""
    if values.ndim == 2:
        return values
    colours = range(min(values.shape[-1], 3)) if values.shape[-1] != 2 else range(1)  # no alpha
    return values[..., max(colours, key=lambda c: float(values[::4, ::4, c].std()))]


def _check_size(path: Path, height: int, width: int) -> None:
    """Refuse more pixels than can be measured, before they are unpacked."""
    if height * width > MOST_PIXELS:
        raise FileError(path, _too_large(f"{width:,} x {height:,} pixels"))


def _too_large(found: str = "more pixels") -> str:
    return f"has {found}; must have at most {MOST_PIXELS // 1_000_000} million"


# --- the size of a pixel -------------------------------------------------------------------------


def checked_scale(um_per_px: Any) -> float:
    """Return the side of a pixel that a user gives, or refuse it.

    Raises
    ------
    InputError
        If it is no length that a pixel can have.
    """
    number = isinstance(um_per_px, (int, float)) and not isinstance(um_per_px, bool)
    if not number or not 0.001 <= um_per_px <= 1000:
        allowed = "must be the side of a pixel in um, a number from 0.001 to 1000"
        raise InputError(f"um_per_px = {shown(um_per_px)}: {allowed}")
    return float(um_per_px)


def _tiff_scale(file: Any, path: Path) -> tuple[float | None, str]:
    """Return the side of a pixel in um that a TIFF file has, and where."""
    tags = file.pages[0].tags
    across, down = (_ratio(tags.get(name)) for name in ("XResolution", "YResolution"))
    if file.ome_metadata:
        found = {(axis, bool(unit)): text for axis, unit, text in _first_ome(file.ome_metadata)}
        if (x := _number(found.get(("X", False)))) and (y := _number(found.get(("Y", False)))):
            unit_x, unit_y = (_unit(found.get((axis, True), "um")) for axis in "XY")
            if unit_x and unit_y:
                return _scale(1 / (x * unit_x), 1 / (y * unit_y), 1.0, path), "OME metadata"
    if file.imagej_metadata:
        unit = _unit(str(file.imagej_metadata.get("unit", "")))
        scale = _scale(across, down, unit, path) if unit else None
        return scale, "ImageJ metadata" if scale else ""
    unit = {2: UM["inch"], 3: UM["cm"]}.get(int(getattr(tags.get("ResolutionUnit"), "value", 2)), 0)
    scale = _scale(across, down, unit, path) if unit else None
    return scale, IN_FILE if scale else ""


def _first_ome(text: str) -> list[tuple[str, str, str]]:
    """Return the sizes of pixels of the first picture of OME metadata: axis, unit or not, text."""
    begin = text.find("<Pixels")
    return _WITH_UNIT.findall(text[begin : text.find(">", begin)]) if begin >= 0 else []


def _number(text: str | None) -> float:
    try:
        return max(float(text or 0), 0.0)
    except ValueError:
        return 0.0


def _unit(text: str) -> float:
    """Return a unit of length in um; 0 if it is not known."""
    text = text.encode().decode("unicode_escape") if "\\u" in text else text
    return UM.get(text.replace("&#181;", "µ").replace("&#xB5;", "µ").strip().lower(), 0.0)


def _ratio(tag: Any) -> float:
    """Return a resolution, which a TIFF file has as a fraction; 0 if it has none."""
    try:
        above, below = tag.value
        return float(above) / float(below)
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return 0.0


def _scale(across: float, down: float, unit_um: float, path: Path) -> float | None:
    """Return the side of a pixel in um, from pixels a unit; None if no microscope has it."""
    if not (across > 0 and down > 0):
        return None
    x, y = unit_um / across, unit_um / down
    if not LEAST_UM <= x <= MOST_UM:
        return None
    if not 1 / NOT_SQUARE < x / y < NOT_SQUARE:
        raise FileError(
            path, f"has pixels of {x:.4g} x {y:.4g} um; they must be square, or give um_per_px"
        )
    return (x + y) / 2
