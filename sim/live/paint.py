"""Pictures of the live view: numbers of colours on a raster, quickly made and sent as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex, to_rgb
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw

from sim.view import style

Array = NDArray[np.float64]
Raster = NDArray[np.uint8]
"""(y, x) numbers of colours."""

SHADES: Final = 60
"""Shades of cells; each has a darker one, for outlines."""
CELLS, DARK, GROUND, FIXED = 1, 1 + SHADES, 1 + 2 * SHADES, 221
GROUND_SHADES: Final = FIXED - GROUND
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
}  # fmt: skip
"""Colours that are always the same, by what they show."""
NUMBER: Final = {name: FIXED + k for k, name in enumerate(NAMED)}
assert FIXED + len(NAMED) <= 256


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
def _palette(cells: Ramp, ground: Ramp | None) -> bytes:
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
    image.putpalette(_palette(cells, ground))
    out = io.BytesIO()
    image.save(out, "png", compress_level=1)
    return out.getvalue()


def round_limits(
    low: float, high: float, before: tuple[float, float] | None
) -> tuple[float, float]:
    """Return round numbers around two; those before as long as they fit."""
    if not (np.isfinite(low) and np.isfinite(high)):
        return before or (0.0, 1.0)
    inside = before is not None and before[0] <= low <= high <= before[1]
    if before and inside and high - low > 0.3 * (before[1] - before[0]):
        return before
    span = max(high - low, 0.02 * max(abs(low), abs(high)), 1e-12)
    step = style.nice_length(span / 4)
    low = np.floor(low / step) * step
    return float(f"{low:.6g}"), float(f"{max(np.ceil(high / step) * step, low + step):.6g}")


@dataclass
class Overlay:
    """What an assay draws over its cells, kept to be painted: `sim.assays.declare.Canvas`."""

    shape: tuple[int, int]
    stains: list[tuple[NDArray[np.bool_], str]] = field(default_factory=list)
    drawn: list[tuple[str, Any, str]] = field(default_factory=list)

    def lines(self, places: Array, links: NDArray[Any], kind: str) -> None:
        """Keep lines between linked places; none across a periodic border."""
        ends = places[links] if len(links) else np.zeros((0, 2, 2))
        near = (np.abs(ends[:, 0] - ends[:, 1]) < np.array(self.shape) / 2).all(axis=1)
        self.drawn.append(("lines", ends[near], kind))

    def dots(self, places: Array, kind: str) -> None:
        """Keep dots."""
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


def paint_cells(
    labels: NDArray[np.int32],
    shades: NDArray[np.intp],
    *,
    special: Mapping[str, NDArray[np.bool_]],
    hollow: bool,
    ground: tuple[Ramp, Array] | None,
    chosen: int,
    overlay: Overlay | None,
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
    """
    thin = max(1, max(labels.shape) // (2 * PIXELS))
    labels = labels[::thin, ::thin]
    look = (CELLS + shades).astype(np.uint8)
    for name, rows in [*special.items(), *((f"stain {k}", r) for r, k in _stains(overlay))]:
        look[: rows.size][rows[: look.size]] = NUMBER[name]
    look[0] = 0
    raster = look[labels]
    if ground is not None:
        ramp, values = ground
        factor = max(1, round(labels.shape[0] * thin / values.shape[0]))
        below = (GROUND + ramp.shades(values, GROUND_SHADES)).astype(np.uint8)
        below = below.repeat(factor, 0).repeat(factor, 1)[::thin, ::thin]
        raster = np.where((labels == 0) | hollow, below, raster)
    size = max(1, min(4, PIXELS // max(labels.shape)))
    raster = raster.repeat(size, 0).repeat(size, 1)
    border = np.zeros(raster.shape, bool)
    border[:, size::size] = (labels[:, 1:] != labels[:, :-1]).repeat(size, 0)
    border[size::size] |= (labels[1:] != labels[:-1]).repeat(size, 1)
    at = np.flatnonzero(border)
    found = raster.ravel()[at]
    dark = np.where((found >= CELLS) & (found < DARK), found + SHADES, NUMBER["edge"])
    raster.ravel()[at] = NUMBER["ink"] if hollow else dark
    image = Image.frombuffer("L", raster.shape[::-1], raster.tobytes(), "raw", "L", 0, 1).copy()
    if overlay is not None:
        _draw(ImageDraw.Draw(image), overlay, size / thin)
    if chosen:
        _ring(image, labels == chosen, size)
    return np.asarray(image)


def type_colour(number: int) -> str:
    """Return the name of the colour of a type of cells, 1 and up."""
    return f"type {number if number == 1 else 2 + (number - 2) % len(style.OTHER_CELLS)}"


def _stains(overlay: Overlay | None) -> Sequence[tuple[NDArray[np.bool_], str]]:
    return overlay.stains if overlay else ()


def _draw(draw: ImageDraw.ImageDraw, overlay: Overlay, scale: float) -> None:
    """Draw lines, dots and outlines in sites."""
    for what, places, kind in overlay.drawn:
        at = ((places[..., ::-1] + 0.5) * scale).tolist()
        if what == "lines":
            for width, colour in ((4, "white"), (2, "ink")):
                for (x, y), (to_x, to_y) in at:
                    draw.line((x, y, to_x, to_y), NUMBER[colour], width)
        elif what == "outline":
            for x, y in at:
                face = NUMBER.get(f"outline {kind}", NUMBER["ink"])
                draw.rectangle((x - 1, y - 1, x + 1, y + 1), face)
        else:
            _dots(draw, at, kind, 4.0)


def _dots(draw: ImageDraw.ImageDraw, at: list[list[float]], kind: str, radius: float) -> None:
    """Draw dots, of a kind that is not known like ends."""
    face = NUMBER.get(f"dots {kind}", NUMBER["dots ends"])
    for x, y in at:
        box = (x - radius, y - radius, x + radius, y + radius)
        draw.ellipse(box, face, NUMBER["ink"])


def _ring(image: Image.Image, inside: NDArray[np.bool_], size: int) -> None:
    """Draw a thick line around a region."""
    if not inside.any():
        return
    for width, colour in ((2, "white"), (1, "chosen")):
        grown = np.pad(inside, width)
        around = grown.copy()
        for axis in (0, 1):  # a square around each site
            around = np.logical_or.reduce(
                [np.roll(around, shift, axis) for shift in range(-width, width + 1)]
            )
        ring = (around & ~grown)[width:-width, width:-width].repeat(size, 0).repeat(size, 1)
        image.paste(NUMBER[colour], mask=Image.fromarray(255 * ring.astype(np.uint8)))


class VesselCanvas:
    """What an assay draws its vessels on: `sim.assays.declare.VesselCanvas`."""

    def __init__(self, size_um: float, ground: tuple[Ramp, Array] | None) -> None:
        self._scale = BED_PIXELS / size_um
        self._image = Image.new("L", (BED_PIXELS, BED_PIXELS), 0)
        self._draw = ImageDraw.Draw(self._image)
        self._ground = ground

    def shade(self, values: Array, kind: str) -> None:
        """Shade the ground, by the field that the page has chosen."""
        if self._ground is not None:
            ramp, values = self._ground
            self._image.paste(_enlarged(GROUND + ramp.shades(values, GROUND_SHADES)))

    def patch(self, mask: NDArray[np.bool_], kind: str) -> None:
        """Colour a region."""
        self._image.paste(NUMBER[f"patch {kind}"], mask=_enlarged(255 * mask).point(_UPPER_HALF))

    def outline(self, values: Array, kind: str) -> None:
        """Draw where a field is 0, light around it."""
        outside = _enlarged(np.clip(128 + 4 * values, 0, 255)).point(_UPPER_HALF)
        for width, colour in ((5, "white"), (3, "ink")):
            for x, y in ((width, 0), (0, width)):
                moved = ImageChops.offset(outside, x, y)
                line = ImageChops.offset(ImageChops.difference(outside, moved), -x // 2, -y // 2)
                self._image.paste(NUMBER[colour], mask=line)

    def words(self, place: Array, text: str) -> None:
        """Write beside a place."""
        x, y = self._pixels(place)
        self._draw.text((x + 6, y + 6), text, NUMBER["ink"], font_size=22,
                        stroke_width=3, stroke_fill=NUMBER["white"])  # fmt: skip

    def lines(
        self, places: Array, links: NDArray[Any], kind: str, values: Array | None = None
    ) -> None:
        """Draw lines between linked places, coloured by values if there are any."""
        if not len(links):
            return
        width = max(2, round(1.9 * style.VESSELS[kind].width))
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
        _dots(self._draw, self._pixels(places), kind, 5.0)

    def ring(self, ends_um: Array) -> None:
        """Mark a piece of vessel by its ends [y, x]."""
        x, y = np.mean(self._pixels(ends_um), axis=0)
        self._draw.ellipse((x - 14, y - 14, x + 14, y + 14), None, NUMBER["chosen"], 5)

    def raster(self) -> Raster:
        """Return what has been drawn."""
        return np.asarray(self._image)

    def _pixels(self, places: Array) -> Any:
        return (places[..., ::-1] * self._scale).tolist()


_UPPER_HALF: Final = [0] * 128 + [255] * 128


def _enlarged(values: NDArray[Any]) -> Image.Image:
    """Return numbers from 0 to 255 of voxels, enlarged."""
    image = Image.fromarray(values.astype(np.uint8))
    return image.resize((BED_PIXELS, BED_PIXELS), Image.Resampling.BILINEAR)
