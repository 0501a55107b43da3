"""Quick pictures of cells and vessels for films and live view: a raster of numbers of colours."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final
from zlib import Z_RLE

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex, to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

from sim.view import style
from sim.view.lines import SMOOTHINGS, smooth_lines

Array = NDArray[np.float64]
Raster = NDArray[np.uint8]
"""(y, x) numbers of colours."""

SHADES: Final = 60
"""Shades of cells; each has a darker one, for outlines."""
CELLS, DARK, GROUND, FIXED = 1, 1 + SHADES, 1 + 2 * SHADES, 221
GROUND_SHADES: Final = FIXED - GROUND
GREYS: Final = 8
"""Steps from white to ink, for smooth letters."""
THIN: Final = 1.4
"""Sites: width of lines over the cells, which leaves a cord of one cell to be seen."""
OUTLINE: Final = 0.65
PIXELS: Final = 800
"""A lattice is enlarged to about so many pixels, and thinned from about twice as many on."""
BED_PIXELS: Final = 1000
NAMED: Final = {
    "ink": style.INK, "white": "#ffffff", "chosen": "#e6007e", "edge": "#8f897f",
    **{f"type {k}": colour for k, colour in enumerate((style.ONE_TYPE, *style.OTHER_CELLS), 1)},
    **{f"stain {kind}": colour for kind, colour in style.STAINS.items()},
    **{f"patch {kind}": colour for kind, colour in style.PATCHES.items()},
    **{f"dots {kind}": look[0] for kind, look in style.DOTS.items()},
    **{f"outline {kind}": look[0] for kind, look in style.OUTLINES.items()},
    **{f"line {kind}": look.colour for kind, look in style.VESSELS.items() if kind != "flow"},
    **{f"grey {k}": style.tint(k / GREYS) for k in range(1, GREYS)},
}  # fmt: skip
"""Colours that are always the same, by what they show."""
NUMBER: Final = {name: FIXED + k for k, name in enumerate(NAMED)}
NOTHING: Final = 255
"""A number that no colour has."""
assert FIXED + len(NAMED) <= NOTHING


@dataclass(frozen=True)
class Ramp:
    """Colours for numbers between two limits, and what they are called."""

    label: str
    colours: str
    limits: tuple[float, float]
    logarithmic: bool = False

    def hexes(self, count: int = 13) -> list[str]:
        """Return some of the colours, from low to high."""
        return [to_hex(colour) for colour in self.rgb(count)]

    def rgb(self, count: int) -> Array:
        """Return so many colours (count, 3), from low to high."""
        if self.colours == "cycle":
            cycle = np.array([to_rgb(colour) for colour in style.SOFT_CYCLE])
            return cycle[np.arange(count) % len(cycle)]
        own = {"drive": style.drive_map, "flow": style.flow_map}
        colours = own[self.colours]() if self.colours in own else mpl.colormaps[self.colours]
        return np.asarray(colours(np.linspace(0.0, 1.0, count))[:, :3])

    def shades(self, values: Any, count: int) -> NDArray[np.intp]:
        """Return which of so many colours values have."""
        low, high = self.limits
        if self.logarithmic:
            low, high, values = np.log(low), np.log(high), np.log(np.maximum(values, low))
        share = (np.asarray(values, float) - low) / ((high - low) or 1.0)
        return (np.clip(np.nan_to_num(share), 0.0, 1.0) * (count - 1) + 0.5).astype(np.intp)


CELL_RAMPS: Final = {
    "cell": Ramp("each cell", "cycle", (0, SHADES - 1)),
    "drive": Ramp("drive (0-1)", "drive", (0.0, 1.0)),
    "activity": Ramp("activity (0-1)", "drive", (0.0, 1.0)),
    "type": Ramp("cell type", "cycle", (0, SHADES - 1)),
    "outline": Ramp("outlines", "drive", (0.0, 1.0)),
}
"""How cells may be coloured."""
FLOW: Final = Ramp("flow (µm/s)", "flow", style.VESSELS["flow"].limits, logarithmic=True)


@lru_cache(maxsize=32)
def palette(cells: Ramp, ground: Ramp | None) -> bytes:
    """Return the palette (256, 3) of a picture."""
    colours = np.zeros((256, 3))
    colours[0] = to_rgb(style.GAP)
    colours[CELLS:DARK] = cells.rgb(SHADES)
    colours[DARK:GROUND] = OUTLINE * colours[CELLS:DARK]
    if ground is not None:
        colours[GROUND:FIXED] = ground.rgb(GROUND_SHADES)
    colours[FIXED : FIXED + len(NAMED)] = [to_rgb(colour) for colour in NAMED.values()]
    return np.round(255 * colours).astype(np.uint8).tobytes()


def png(raster: Raster, cells: Ramp, ground: Ramp | None) -> bytes:
    """Return a PNG of a raster."""
    image = Image.frombytes("P", raster.shape[::-1], raster.tobytes())
    image.putpalette(palette(cells, ground))
    out = io.BytesIO()
    image.save(out, "png", compress_level=1, compress_type=Z_RLE)  # half the time, and smaller
    return out.getvalue()


def round_limits(
    low: float, high: float, before: tuple[float, float] | None
) -> tuple[float, float]:
    """Return round numbers around two; those before as long as they fit.

    They are apart by a twentieth of the larger one at least: noise is not magnified.
    """
    if not (np.isfinite(low) and np.isfinite(high)):
        return before or (0.0, 1.0)
    narrow = 0.05 * max(abs(low), abs(high)) - (high - low)
    if narrow > 0:
        low, high = low - narrow / 2, high + narrow / 2
    inside = before is not None and before[0] <= low <= high <= before[1]
    if before and inside and high - low > 0.3 * (before[1] - before[0]):
        return before
    span = max(high - low, 1e-12)
    step = style.nice_length(span / 4)
    low = np.floor(low / step) * step
    return float(f"{low:.6g}"), float(f"{max(np.ceil(high / step) * step, low + step):.6g}")


@dataclass
class Overlay:
    """What an assay draws over its cells, kept to be painted: `sim.assays.declare.Canvas`.

    Parameters
    ----------
    shape : (int, int)
        Sites of the lattice.
    skeleton : bool
        Whether the skeleton of a network is kept, too.
    """

    shape: tuple[int, int]
    skeleton: bool = True
    stains: list[tuple[NDArray[np.bool_], str]] = field(default_factory=list)
    drawn: list[tuple[str, Any, str]] = field(default_factory=list)

    def lines(self, places: Array, links: NDArray[Any], kind: str) -> None:
        """Keep lines between linked places; lines over a periodic border at each side."""
        if kind == "skeleton" and not self.skeleton:
            return
        smoothings = SMOOTHINGS if kind in style.STAIRS else 0
        lines = smooth_lines(places, links, self.shape, smoothings)
        self.drawn.append(("lines", lines, kind))

    def dots(self, places: Array, kind: str) -> None:
        """Keep dots."""
        if self.skeleton or kind not in style.OF_SKELETON:
            self.drawn.append(("dots", places, kind))

    def stain(self, rows: NDArray[np.bool_], kind: str) -> None:
        """Keep which rows of the cells are coloured."""
        self.stains.append((rows, kind))

    def marks(self) -> dict[str, str]:
        """Return the colours of what is kept, by words for it."""
        names = [("stain", kind) for _, kind in self.stains] + [(w, k) for w, _, k in self.drawn]
        return {
            style.WORDS.get(kind, kind): NAMED.get(f"{what} {kind}", style.INK)
            for what, kind in names
        }

    def outline(self, mask: NDArray[np.bool_], kind: str) -> None:
        """Keep the outline of a region."""
        edges = [
            np.argwhere(mask != np.roll(mask, 1, axis)) - (0.5 if axis == 0 else 0.0, 0.5 * axis)
            for axis in (0, 1)
        ]
        inside = [edge[(edge > 0).all(axis=1)] for edge in edges]
        self.drawn.append(("outline", np.concatenate(inside), kind))


def scale_of(shape: tuple[int, ...], pixels: int = PIXELS) -> float:
    """Return how many pixels a side of a site has: 1 to 4, or 1/2, 1/3, ... of a large lattice."""
    most = max(shape)
    return max(1, min(4, pixels // most)) if most < 2 * pixels else 1 / (most // (2 * pixels))


def paint_cells(
    labels: NDArray[np.int32],
    shades: NDArray[np.intp],
    *,
    special: Mapping[str, NDArray[np.bool_]],
    hollow: bool,
    ground: tuple[Ramp, Array] | None,
    chosen: int,
    overlay: Overlay | None,
    scale: float | None = None,
) -> Raster:
    """Paint cells on a lattice.

    Parameters
    ----------
    labels : (y, x) int32
        0 for medium, else the row of the cell.
    shades : (rows,) int
        The shade of each cell.
    special : mapping of str to (rows,) bool
        Cells of a named colour.
    hollow : bool
        Whether only the outlines of cells are drawn.
    ground : (Ramp, (y, x) float64), optional
        A field, in the medium and under hollow cells; on a grid as fine as the lattice or coarser.
    chosen : int
        Row of the cell that is marked; 0 for none.
    overlay : Overlay, optional
        What is drawn over the cells.
    scale : float, optional
        Pixels of a side of a site, also less than 1; by default those of `scale_of`.
    """
    scale = scale_of(labels.shape) if scale is None else scale
    rows, columns = (_sites(count, scale) for count in labels.shape)
    look = (CELLS + shades).astype(np.uint8)
    for name, which in [*special.items(), *((f"stain {k}", r) for r, k in _stains(overlay))]:
        look[: which.size][which[: look.size]] = NUMBER[name]
    look[0] = 0
    small = look[labels]
    if ground is not None:
        ramp, values = ground
        factor = max(1, round(labels.shape[0] / values.shape[0]))
        below = (GROUND + ramp.shades(values, GROUND_SHADES)).astype(np.uint8)
        below = below.repeat(factor, 0).repeat(factor, 1)
        small = np.where((labels == 0) | hollow, below, small)
    raster = small.take(columns, 1).take(rows, 0)
    border = np.zeros(raster.shape, bool)
    left, upper = (1 + np.flatnonzero(np.diff(sites)) for sites in (columns, rows))
    ends = labels[:, columns[left]] != labels[:, columns[left - 1]]
    border[:, left] = ends.take(rows, 0)
    ends = labels[rows[upper]] != labels[rows[upper - 1]]
    border[upper] |= ends.take(columns, 1)
    at = np.flatnonzero(border)
    found = raster.ravel()[at]
    dark = np.where((found >= CELLS) & (found < DARK), found + SHADES, NUMBER["edge"])
    raster.ravel()[at] = NUMBER["ink"] if hollow else dark
    image = Image.frombuffer("L", raster.shape[::-1], raster.tobytes(), "raw", "L", 0, 1).copy()
    if overlay is not None:
        _draw(image, overlay, scale)
    if chosen:
        _ring(image, (labels == chosen).take(rows, 0).take(columns, 1), max(1, round(scale)))
    return np.asarray(image)


def _sites(count: int, scale: float) -> NDArray[np.intp]:
    """Return the site that each pixel shows."""
    pixels = np.arange(max(1, round(count * scale)))
    sites: NDArray[np.intp] = np.minimum((pixels + 0.5) / scale, count - 1).astype(np.intp)
    return sites


def type_colour(number: int) -> str:
    """Return the name of the colour of a type of cells, 1 and up."""
    return f"type {number if number == 1 else 2 + (number - 2) % len(style.OTHER_CELLS)}"


def _stains(overlay: Overlay | None) -> Sequence[tuple[NDArray[np.bool_], str]]:
    return overlay.stains if overlay else ()


def _draw(image: Image.Image, overlay: Overlay, scale: float) -> None:
    """Draw lines, dots and outlines in sites."""
    draw = ImageDraw.Draw(image)
    for what, places, kind in overlay.drawn:
        at = (places[..., ::-1] + 0.5) * scale
        if what == "lines":
            image.paste(NUMBER["ink"], mask=_lines(image.size, at, int(THIN * scale)))
        elif what == "outline":
            for x, y in at.tolist():
                face = NUMBER.get(f"outline {kind}", NUMBER["ink"])
                draw.rectangle((x - 1, y - 1, x + 1, y + 1), face)
        else:
            _dots(draw, at.tolist(), kind, min(4.0, max(2.0, 1.6 * scale)))


def _lines(size: tuple[int, int], ends: Array, width: int) -> Image.Image:
    """Return a mask of lines (lines, 2, 2) between [x, y] in pixels: points on them, widened."""
    mask = np.zeros(size[::-1], np.uint8)
    ends = ends[np.isfinite(ends).all(axis=(1, 2))]
    if ends.size:
        steps = np.ceil(np.abs(ends[:, 1] - ends[:, 0]).max(axis=1)).astype(int) + 1
        first = np.repeat(np.cumsum(steps) - steps, steps)
        share = (np.arange(steps.sum()) - first) / np.repeat(np.maximum(steps - 1, 1), steps)
        start, end = (ends[:, k].repeat(steps, 0) for k in (0, 1))
        width = min(max(width, 1), 3)
        at = np.floor(start + share[:, None] * (end - start) - (width - 1) / 2).astype(int)
        x, y = at[((at >= 0) & (at < size)).all(axis=1)].T
        mask[y, x] = 255
        for _ in range(width - 1):
            mask[1:] |= mask[:-1]
            mask[:, 1:] |= mask[:, :-1]
    return Image.fromarray(mask)


def _dots(draw: ImageDraw.ImageDraw, at: list[list[float]], kind: str, radius: float) -> None:
    """Draw dots, of a kind that is not known like ends."""
    face = NUMBER.get(f"dots {kind}", NUMBER["dots ends"])
    for x, y in at:
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, face, NUMBER["ink"])


def _ring(image: Image.Image, inside: NDArray[np.bool_], width: int) -> None:
    """Draw a thick line around a region."""
    if not inside.any():
        return
    mask = Image.fromarray(255 * inside.astype(np.uint8))
    for thick, colour in ((2 * width, "white"), (width, "chosen")):
        grown = mask.filter(ImageFilter.MaxFilter(2 * thick + 1))
        image.paste(NUMBER[colour], mask=ImageChops.difference(grown, mask))


class VesselCanvas:
    """What an assay draws its vessels on: `sim.assays.declare.VesselCanvas`.

    Parameters
    ----------
    size_um : float
        Side of the tissue.
    ground : (Ramp, (y, x) float64), optional
        The field under it.
    pixels : int
        Side of the picture.
    """

    def __init__(
        self, size_um: float, ground: tuple[Ramp, Array] | None, pixels: int = BED_PIXELS
    ) -> None:
        self._scale, self._pixels_across = pixels / size_um, pixels
        self._thick = pixels / BED_PIXELS
        self._image = Image.new("L", (pixels, pixels), 0)
        self._draw = ImageDraw.Draw(self._image)
        self._draw.fontmode = "1"  # shades between two numbers of colours would be others
        self._ground = ground

    def shade(self, values: Array, kind: str) -> None:
        """Shade the ground, by the field that the page has chosen."""
        if self._ground is not None:
            ramp, values = self._ground
            self._image.paste(self._enlarged(GROUND + ramp.shades(values, GROUND_SHADES)))

    def patch(self, mask: NDArray[np.bool_], kind: str) -> None:
        """Colour a region."""
        self._image.paste(
            NUMBER[f"patch {kind}"], mask=self._enlarged(255 * mask).point(_UPPER_HALF)
        )

    def outline(self, values: Array, kind: str) -> None:
        """Draw where a field is 0, light around it."""
        outside = self._enlarged(np.clip(128 + 4 * values, 0, 255)).point(_UPPER_HALF)
        for width, colour in ((self._wide(5), "white"), (self._wide(3), "ink")):
            for x, y in ((width, 0), (0, width)):
                moved = ImageChops.offset(outside, x, y)
                line = ImageChops.offset(ImageChops.difference(outside, moved), -x // 2, -y // 2)
                self._image.paste(NUMBER[colour], mask=line)

    def words(self, place: Array, text: str) -> None:
        """Write beside a place."""
        x, y = (round(at) + 6 for at in self._pixels(place))
        font = letters(max(11, self._wide(18)))
        self._draw.text((x, y), text, NUMBER["white"], font, stroke_width=2)
        raster = self.raster().copy()
        write(raster, x, y, text, font)
        self._image.paste(Image.fromarray(raster))

    def lines(
        self, places: Array, links: NDArray[Any], kind: str, values: Array | None = None
    ) -> None:
        """Draw lines between linked places, coloured by values if there are any."""
        if not len(links):
            return
        width = max(2, self._wide(1.9 * style.VESSELS[kind].width))
        if values is None:
            colours = [NUMBER[f"line {kind}"]] * len(links)
        else:
            colours = (CELLS + FLOW.shades(values, SHADES)).tolist()
        dotted = style.VESSELS[kind].dashes == "dotted"
        for (start, end), colour in zip(self._pixels(places[links]), colours, strict=True):
            if dotted:
                end = [(a + b) / 2 for a, b in zip(start, end, strict=True)]
            self._draw.line((*start, *end), colour, width)

    def dots(self, places: Array, kind: str) -> None:
        """Draw a dot at each place."""
        _dots(self._draw, self._pixels(places), kind, max(2.5, 5.0 * self._thick))

    def ring(self, ends_um: Array) -> None:
        """Mark a piece of vessel by its ends [y, x]."""
        x, y = np.mean(self._pixels(ends_um), axis=0)
        self._draw.ellipse((x - 14, y - 14, x + 14, y + 14), None, NUMBER["chosen"], 5)

    def raster(self) -> Raster:
        """Return what has been drawn."""
        return np.asarray(self._image)

    def _pixels(self, places: Array) -> Any:
        return (places[..., ::-1] * self._scale).tolist()

    def _wide(self, pixels: float) -> int:
        """Return a width as it is on a picture of this size."""
        return max(1, round(pixels * self._thick))

    def _enlarged(self, values: NDArray[Any]) -> Image.Image:
        """Return numbers from 0 to 255 of voxels, enlarged."""
        image = Image.fromarray(values.astype(np.uint8))
        return image.resize((self._pixels_across,) * 2, Image.Resampling.BILINEAR)


_UPPER_HALF: Final = [0] * 128 + [255] * 128


@lru_cache(maxsize=32)
def letters(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return a font of so many pixels; the one that comes with matplotlib has all our letters."""
    name = f"fonts/ttf/DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(f"{mpl.get_data_path()}/{name}", size)


_LETTERS: Final = np.array(
    [NUMBER["white"], *(NUMBER[f"grey {k}"] for k in range(1, GREYS)), NUMBER["ink"]], np.uint8
)


def write(
    raster: Raster, x: int, y: int, text: str, font: ImageFont.FreeTypeFont, share: float = 1.0
) -> None:
    """Write a text on white with its upper left corner at a place; a share of ink is quieter."""
    if not text:
        return
    wide, high = round(font.getlength(text)) + 4, round(1.4 * font.size)
    image = Image.new("L", (wide, high), 0)
    ImageDraw.Draw(image).text((0, 0), text, 255, font)
    cover = np.asarray(image)[: raster.shape[0] - y, : raster.shape[1] - x]
    ink: NDArray[Any] = np.round(cover * (share * GREYS / 255)).astype(np.uint8)
    part = raster[y : y + cover.shape[0], x : x + cover.shape[1]]
    np.copyto(part, _LETTERS[ink], where=ink > 0)
