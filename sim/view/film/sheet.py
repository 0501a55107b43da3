"""What is on the frames of a film: maps, their scale and colours, the time, and the drug.

All of it is a raster of numbers of colours, with one palette for the whole film.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sim.assays import assay
from sim.errors import InputError
from sim.scenario.bed import BedScenario
from sim.scenario.schema import Scenario
from sim.view import style
from sim.view.film.drug import DrugClock
from sim.view.paint import (
    CELL_RAMPS,
    CELLS,
    FLOW,
    GROUND,
    GROUND_SHADES,
    NUMBER,
    SHADES,
    Raster,
    letters,
    palette,
    type_colour,
    write,
)
from sim.view.scene import Limits, Look, Scene, grounds, type_names

Font = ImageFont.FreeTypeFont

ONE_MAP: Final = 800
"""Pixels across one map, unless a width is chosen; several share more."""
SEVERAL_MAPS: Final = 1280
LEAST, MOST = 240, 4096
"""Width of a film, in pixels."""
HIGHEST: Final = 8192
_QUIET: Final = 0.72


@dataclass(frozen=True)
class Arm:
    """One of the runs that are side by side.

    Attributes
    ----------
    scenario : Scenario
    label : str
        What it is called.
    origin : str
        Where it comes from.
    marks : sequence of (str, str)
        What its assay draws over the cells: ``lines``, ``dots``, ``outline`` or ``stain``, and the
        kind.
    stained : bool
        Whether that colours all cells, so that none shows its drive.
    end_h : float, optional
        Time of its last frame, in its drug's schedule; without one, it lasts as long as the film.
    """

    scenario: Scenario
    label: str
    origin: str
    marks: Sequence[tuple[str, str]] = ()
    stained: bool = False
    end_h: float = inf


@dataclass
class _Item:
    """A part of the legend: how wide it is, and what draws it at a place [x, y]."""

    width: int
    draw: Callable[[Raster, int, int], None]


@dataclass
class _Panel:
    """A map, and what belongs to it."""

    x: int
    width: int
    height: int
    scale: float
    scenario: Scenario
    clock: DrugClock
    later_h: float
    """Its time in its drug's schedule, after that of the film."""
    end_h: float
    strips: tuple[Raster, Raster] | None = field(default=None)

    def own_h(self, time_h: Any) -> Any:
        """Return its time at times of the film; it stays at its end."""
        return np.minimum(time_h + self.later_h, self.end_h)

    def ended(self, time_h: Any) -> Any:
        """Whether its frames end before times of the film."""
        return time_h + self.later_h > self.end_h + 1e-6


class Sheet:
    """Frames of a film.

    Parameters
    ----------
    arms : sequence of Arm
    look : Look
        How cells are coloured, over which field.
    span_h : (float, float)
        First and last time, in the drug's schedule of the first arm; all arms start together.
    digits : int
        Decimals of the time that is shown.
    width_px : int, optional
        Width of the film; without it, sites have a whole number of pixels.
    limits : (float, float), optional
        Ends of the scale of the field, if they are known.

    Attributes
    ----------
    size : (int, int)
        Width and height of each frame, in pixels: even numbers.
    palette : bytes
        256 colours.
    """

    def __init__(
        self,
        arms: Sequence[Arm],
        look: Look,
        span_h: tuple[float, float],
        digits: int,
        width_px: int | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._arms, self._look, self._span_h, self._digits = arms, look, span_h, digits
        self._limits = limits
        first = arms[0].scenario
        self._ramp = FLOW if isinstance(first, BedScenario) else CELL_RAMPS[look.cells]
        self._ground = grounds(first).get(look.ground)
        self.palette = palette(self._ramp, self._ground)
        self._lay_out(width_px)
        self._legend_of: tuple[Limits | None, Raster] | None = None
        self._still = self._draw_still()

    # -- where things are -----------------------------------------------------------------------

    def _lay_out(self, width_px: int | None) -> None:
        arms, count = self._arms, len(self._arms)
        sizes_um = [arm.scenario.domain.size_um for arm in arms]  # width, height
        across_um = sum(size[0] for size in sizes_um)
        if width_px is None:
            target = ONE_MAP if count == 1 else SEVERAL_MAPS
            per_um = target / max(across_um, max(size[1] for size in sizes_um))
            site_um = float(arms[0].scenario.domain.spacing_um)
            if not isinstance(arms[0].scenario, BedScenario) and per_um * site_um >= 1:
                per_um = int(per_um * site_um) / site_um
            text = per_um * across_um / 54
        else:
            per_um, text = 0.0, width_px / 56
        self._text = text = min(max(round(text), 11), 28)
        self._margin = margin = max(6, round(0.8 * text))
        if width_px is not None:
            per_um = (width_px - margin * (count + 1)) / across_um
        self._per_um, x = per_um, margin
        self._panels: list[_Panel] = []
        for arm, size in zip(arms, sizes_um, strict=True):
            wide, high = (max(16, round(length * per_um)) for length in size)
            scale = per_um * float(arm.scenario.domain.spacing_um)
            later_h = arm.scenario.time.start_h - arms[0].scenario.time.start_h
            self._panels.append(
                _Panel(x, wide, high, scale, arm.scenario, DrugClock(arm.scenario), later_h,
                       arm.end_h)
            )  # fmt: skip
            x += wide + margin
        least = x if width_px is None else width_px
        self._width = max(least, round(20 * text))
        self._fonts = {
            "title": letters(round(1.25 * text), bold=True),
            "time": letters(round(1.7 * text), bold=True),
            "label": letters(text, bold=True),
            "text": letters(text),
            "small": letters(max(9, round(0.8 * text))),
        }
        self._maps_y = margin + round(2.2 * text) + (round(1.5 * text) if count > 1 else 0)
        first, last = self._span_h
        if not any(p.clock.given((p.own_h(first), p.own_h(last))) for p in self._panels):
            for panel in self._panels:
                panel.clock = DrugClock(panel.scenario, drug=False)
        y = self._maps_y + max(panel.height for panel in self._panels) + round(0.5 * text)
        self._line = round(1.4 * text)
        self._words_y, self._lines = y, self._count_lines()
        y += self._lines * self._line
        self._strip_high, self._most_nM = 0, 0.0
        self._make_strips()
        self._strip_y = y + round(0.3 * text)
        y += self._strip_high + round((0.8 if self._strip_high else 0.1) * text)
        self._legend_y = y
        rows = self._rows(self._items(self._limits))
        y += len(rows) * round(1.55 * text)
        self._caption_y = y + round(0.3 * text)
        height = self._caption_y + round(1.2 * text) + margin // 2
        self.size = (self._width + self._width % 2, height + height % 2)
        if height > HIGHEST:
            raise InputError(
                f"width_px = {width_px}: makes the film {height} pixels high; at most {HIGHEST} "
                "are possible: choose a smaller width"
            )

    def _count_lines(self) -> int:
        """Return how many lines the words below the maps need, whatever the numbers are."""
        last = self._span_h[1]
        return max(
            len(self._wrapped(self._words(panel, last, widest=True), panel))
            for panel in self._panels
        )

    def _words(self, panel: _Panel, time_h: float, *, widest: bool = False) -> list[str]:
        """Return what is written below a map: what is in the medium, and that the run has ended."""
        words = panel.clock.words(float(panel.own_h(time_h)), widest=widest)
        if panel.ended(time_h):
            words = [f"ended at {self._time(panel.end_h - panel.later_h)}", *words]
        return words

    def _wrapped(self, words: Sequence[str], panel: _Panel) -> list[str]:
        """Return words in as many lines as they need below a map."""
        font, lines = self._fonts["text"], [""]
        for word in words:
            longer = f"{lines[-1]}{' · ' if lines[-1] else ''}{word}"
            if lines[-1] and font.getlength(longer) > panel.width:
                lines.append(word)
            else:
                lines[-1] = longer
        return [_cut(line, font, panel.width) for line in lines if line]

    # -- what stays -----------------------------------------------------------------------------

    def _draw_still(self) -> Raster:
        raster = np.full(self.size[::-1], NUMBER["white"], np.uint8)
        margin, text = self._margin, self._text
        what = style.sentence(self._arms[0].scenario.assay.replace("_", " "))
        clock_wide = self._fonts["time"].getlength(self._time(self._span_h[1]) + "  ")
        one = len(self._arms) == 1
        name = self._arms[0].label
        title = (
            f"{what}: {name}" if one and style.sentence(name.replace("_", " ")) != what else what
        )
        title = _cut(title, self._fonts["title"], self._width - 2 * margin - clock_wide)
        write(raster, margin, margin + round(0.25 * text), title, self._fonts["title"])
        for arm, panel in zip(self._arms, self._panels, strict=True):
            if not one:
                label = _cut(arm.label, self._fonts["label"], panel.width)
                y = self._maps_y - round(1.45 * text)
                write(raster, panel.x, y, label, self._fonts["label"])
        origins = dict.fromkeys(arm.origin for arm in self._arms)
        caption = _cut(" | ".join(origins), self._fonts["small"], self._width - 2 * margin)
        write(raster, margin, self._caption_y, caption, self._fonts["small"], _QUIET)
        return raster

    def _items(self, limits: Limits | None) -> list[_Item]:
        """Return the parts of the legend."""
        found = []
        stained = all(arm.stained for arm in self._arms)
        if self._look.cells in ("drive", "activity", "flow") and not stained:
            label = self._ramp.label.replace(" (0-1)", "")
            found.append(self._bar(label, self._ramp.limits, CELLS, SHADES))
        if self._ground is not None:
            ends = self._ground.limits if limits is None else limits
            found.append(self._bar(self._ground.label, ends, GROUND, GROUND_SHADES, limits is None))
        arm = self._arms[0]
        if isinstance(arm.scenario, BedScenario):
            lines = {k: look.label for k, look in style.VESSELS.items() if k != "flow"}
            found += [self._mark("lines", f"line {kind}", words) for kind, words in lines.items()]
            found.append(self._mark("stain", "patch necrosis", "necrosis"))
            found.append(self._mark("dots", "dots tips", "tip"))
        elif len(names := type_names(arm.scenario)) > 1 or self._look.cells == "type":
            by_type = self._look.cells == "type"
            found += [
                self._mark("stain", type_colour(k), style.one_line(name, 24))
                for k, name in enumerate(names, 1)
                if k > 1 or by_type
            ]
        for what, kind in dict.fromkeys(mark for one in self._arms for mark in one.marks):
            name = f"{what} {kind}"
            known = name if name in NUMBER else "dots ends" if what == "dots" else "ink"
            found.append(self._mark(what, known, style.WORDS.get(kind, kind)))
        return found

    def _bar(
        self, label: str, limits: Limits, first: int, shades: int, widest: bool = False
    ) -> _Item:
        """Return a bar of colours with its limits."""
        font, text = self._fonts["text"], self._text
        low, high = ("888.8", "888.8") if widest else map(style.number, limits)
        gap, wide = round(0.4 * text), 6 * text
        at_bar = round(font.getlength(f"{label}  {low}")) + gap
        colours = first + np.linspace(0, shades - 1, wide).round().astype(np.uint8)

        def draw(raster: Raster, x: int, y: int) -> None:
            write(raster, x, y, f"{label}  {low}", font)
            high_px = round(0.85 * text)
            top = y + round(0.2 * text)
            raster[top : top + high_px, x + at_bar : x + at_bar + wide] = colours
            write(raster, x + at_bar + wide + gap, y, high, font)

        return _Item(at_bar + wide + gap + round(font.getlength(high)), draw)

    def _mark(self, what: str, colour: str, words: str) -> _Item:
        """Return a mark and what it means."""
        font, text = self._fonts["text"], self._text
        wide = round(1.1 * text) if what in ("dots", "stain") else round(1.6 * text)
        number = NUMBER[colour]

        def draw(raster: Raster, x: int, y: int) -> None:
            middle, size = y + round(0.62 * text), round(0.36 * text)
            if what in ("lines", "outline"):
                raster[middle - 1 : middle + 2, x : x + wide] = number
            elif what == "dots":
                centre = x + wide // 2
                box = (centre - size, middle - size, centre + size, middle + size)
                image = Image.fromarray(raster)
                ImageDraw.Draw(image).ellipse(box, number, NUMBER["ink"])
                raster[:] = np.asarray(image)
            else:
                raster[middle - size : middle + size + 1, x : x + wide] = number
            write(raster, x + wide + round(0.4 * text), y, words, font)

        return _Item(wide + round(0.4 * text + font.getlength(words)), draw)

    def _scale_bar(self) -> _Item:
        """Return a bar of a round length, and the length."""
        narrowest = min(panel.width for panel in self._panels)
        length_um = style.nice_length(0.3 * narrowest / self._per_um)
        wide, font, text = round(length_um * self._per_um), self._fonts["text"], self._text
        words = f"{length_um / 1000:g} mm" if length_um >= 1000 else f"{length_um:g} µm"
        before = round(font.getlength(words) + 0.5 * text)

        def draw(raster: Raster, x: int, y: int) -> None:
            middle, thick = y + round(0.62 * text), max(3, round(0.22 * text))
            write(raster, x, y, words, font)
            top = middle - thick // 2
            raster[top : top + thick, x + before : x + before + wide] = NUMBER["ink"]

        return _Item(before + wide, draw)

    def _rows(self, items: Sequence[_Item]) -> list[list[tuple[int, _Item]]]:
        """Return the items of each row of the legend with their places; the scale bar is first."""
        bar, gap, margin = self._scale_bar(), round(1.2 * self._text), self._margin
        rows = [[(self._width - margin - bar.width, bar)]]
        x, end = margin, self._width - margin - bar.width - gap
        for item in items:
            if x > margin and x + item.width > end:
                rows.append([])
                x, end = margin, self._width - margin
            elif x + item.width > end and len(rows) == 1:
                rows.append([])
                end = self._width - margin
            rows[-1].append((x, item))
            x += item.width + gap
        return rows

    def _draw_legend(self, raster: Raster, limits: Limits | None) -> None:
        top, bottom = self._legend_y, self._caption_y
        if self._legend_of is None or self._legend_of[0] != limits:
            part = np.full((bottom - top, raster.shape[1]), NUMBER["white"], np.uint8)
            for k, row in enumerate(self._rows(self._items(limits))):
                for x, item in row:
                    item.draw(part, x, round(1.55 * self._text) * k)
            self._legend_of = limits, part
        raster[top:bottom] = self._legend_of[1]

    # -- the drug over time -----------------------------------------------------------------------

    def _make_strips(self) -> None:
        """Make small curves of the unbound drug, if it changes in any arm."""
        first, last = self._span_h
        courses = []
        for panel in self._panels:
            time_h = np.linspace(first, last, 8 * panel.width)
            found = panel.clock.free_nM(panel.own_h(time_h))
            courses.append([c.reshape(-1, 8).max(axis=1) for c in found])
        every = [course for arm in courses for course in arm]
        if not any(np.ptp(course) > 1e-6 * course.max() for course in every):
            return
        self._strip_high = high = round(2.6 * self._text)
        most = self._most_nM = max(float(course.max()) for course in every)
        colours = (NUMBER["line still"], NUMBER["stain dying"])
        for panel, arm in zip(self._panels, courses, strict=True):
            strips = []
            for ground in ("grey 2", "grey 1"):
                strip = np.full((high, panel.width), NUMBER["white"], np.uint8)
                y = np.arange(high)[:, None]
                heights = [np.round((high - 2) * (1 - c / most)).astype(int) for c in arm]
                for top in heights[:1]:
                    strip[y >= top] = NUMBER[ground]
                for top, colour in zip(heights, colours, strict=False):
                    before = np.r_[top[:1], top[:-1]]
                    upper, lower = np.minimum(top, before), np.maximum(top, before)
                    strip[(y >= upper) & (y <= lower + 1)] = colour
                strip[-1] = NUMBER["grey 4"]
                strip[:, panel.ended(np.linspace(first, last, panel.width))] = NUMBER["white"]
                strips.append(strip)
            panel.strips = (strips[0], strips[1])

    def _draw_strips(self, raster: Raster, time_h: float) -> None:
        first, last = self._span_h
        share = (time_h - first) / ((last - first) or 1.0)
        top, high = self._strip_y, self._strip_high
        for panel in self._panels:
            if panel.strips is None:
                continue
            now = min(int(share * panel.width), panel.width - 2)
            part = raster[top : top + high, panel.x : panel.x + panel.width]
            part[:, :now], part[:, now:] = panel.strips[0][:, :now], panel.strips[1][:, now:]
            part[:, now : now + 2] = NUMBER["ink"]
            font, words = self._fonts["small"], f"0 to {style.number(self._most_nM)} nM"
            write(raster, panel.x + round(0.3 * self._text), top, words, font, _QUIET)

    # -- what moves ------------------------------------------------------------------------------

    def _time(self, time_h: float) -> str:
        scenario = self._arms[0].scenario
        since_h = time_h - scenario.time.start_h
        if assay(scenario.assay).clock != "d":
            return f"{since_h:.{self._digits}f} h"
        if any(panel.later_h for panel in self._panels):  # day 0, of the drug, is not the same
            return f"{since_h / 24:.{self._digits}f} days"
        return f"day {time_h / 24:.{self._digits}f}"

    def frame(self, time_h: float, scenes: Sequence[Scene], limits: Limits | None) -> Raster:
        """Return a frame.

        Parameters
        ----------
        time_h : float
            Time in the drug's schedule of the first arm.
        scenes : sequence of Scene
            What there is to see in each arm.
        limits : (float, float) or None
            Ends of the scale of the field, if one is shown.
        """
        raster = self._still.copy()
        clock = self._time(time_h)
        font = self._fonts["time"]
        x = round(self._width - self._margin - font.getlength(clock))
        write(raster, x, self._margin - round(0.1 * self._text), clock, font)
        for scene, panel in zip(scenes, self._panels, strict=True):
            painted = scene.paint(self._look, limits or (0.0, 1.0), scale=panel.scale).raster
            high, wide = min(panel.height, painted.shape[0]), min(panel.width, painted.shape[1])
            y = self._maps_y
            raster[y - 1 : y + high + 1, panel.x - 1 : panel.x + wide + 1] = NUMBER["grey 2"]
            raster[y : y + high, panel.x : panel.x + wide] = painted[:high, :wide]
            words = self._wrapped(self._words(panel, time_h), panel)
            for k, line in enumerate(words[: self._lines]):
                y = self._words_y + k * self._line
                write(raster, panel.x, y, line, self._fonts["text"])
        self._draw_strips(raster, time_h)
        self._draw_legend(raster, limits)
        return raster


def _cut(text: str, font: Font, width: float) -> str:
    """Return a text that is not wider than this, with an ellipsis where it was cut."""
    while text and font.getlength(text) > width:
        text = text.rstrip("…")[:-1].rstrip() + "…" if len(text) > 2 else ""
    return text
