"""A film of a run while it goes on."""

from __future__ import annotations

import logging
import warnings
from contextlib import ExitStack
from pathlib import Path

from sim.errors import InputError, PictureWarning, shown
from sim.files import new_file
from sim.input import checked_path
from sim.model.base import AssayModel
from sim.view import style
from sim.view.film.film import Options, Writer, about, digits_of, fixed_limits, marks_of, origin_of
from sim.view.film.sheet import Arm, Sheet
from sim.view.paint import round_limits
from sim.view.scene import Limits, overlay_of, scene_of

log = logging.getLogger(__name__)


class Film:
    """Films a run while it goes on: ``sim.run(..., observers=[sim.Film("film.gif")])``.

    It changes nothing in the run. A run that is stopped leaves the film so far; if it is resumed
    with a film of its own, that one begins where the run was resumed. A film that cannot be written
    any more, as on a full disk, is given up with a warning, and the run continues.

    Parameters
    ----------
    path : str or Path
        The new file: ``.gif``, ``.apng`` (or ``.png``), or ``.mp4``, which needs the extra
        ``film``.
    every_h : float, optional
        Hours between two frames; by default those between two records. The end is a frame, too.
    fps : int
        Frames per second.
    width_px : int, optional
        Width in pixels; by default each site has a whole number of them.
    cells : str, optional
        How cells are coloured: ``"drive"``, ``"activity"``, ``"cell"``, ``"type"`` or
        ``"outline"``.
    field : str, optional
        The field between them, such as ``"VEGF"``. Its scale grows when values leave it.
    skeleton : bool
        Whether the skeleton of a network is drawn.

    Raises
    ------
    InputError
        If the file exists or cannot be written so.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        every_h: float | None = None,
        fps: int = Options.fps,
        width_px: int | None = None,
        cells: str | None = None,
        field: str | None = None,
        skeleton: bool = True,
    ) -> None:
        if every_h is not None and not (
            isinstance(every_h, int | float) and 0 < every_h < float("inf")
        ):
            raise InputError(f"every_h = {shown(every_h)}: must be a number above 0")
        self.path = checked_path("path", path)
        self._options = Options(None, fps, width_px, cells, field, skeleton)
        self._to, self._every_h = self._options.check(self.path), every_h
        self._every, self._end = 1, 0  # steps; known from the first look on
        self._sheet: Sheet | None = None
        self._writer: Writer | None = None
        self._limits: Limits | None = None
        self._open, self._given_up, self._closed = ExitStack(), False, False

    def next_mcs(self, mcs: int) -> int | None:
        """Return the next step of which there is a frame."""
        if self._given_up:
            return None
        if self._sheet is None:
            return mcs + 1
        return min((mcs // self._every + 1) * self._every, self._end) if mcs < self._end else None

    def look(self, model: AssayModel) -> None:
        """Draw a frame.

        Raises
        ------
        InputError
            If the run that it filmed has ended.
        """
        if self._closed:
            raise InputError(f"{self.path}: is the film of another run; give each its own sim.Film")
        with model.timed("writing"):
            if self._sheet is None:
                self._begin(model)
            else:
                self._add(model)

    def _begin(self, model: AssayModel) -> None:
        """Lay out the frames, and draw the first one."""
        scenario = model.scenario
        time = scenario.time
        self._end = max(int(time.steps), model.mcs)
        self._every = int(time.steps_per_record)
        if self._every_h is not None:
            self._every = max(1, round(self._every_h * 3600 / time.mcs_s))
        self._look = self._options.look(scenario)
        self._limits = fixed_limits(scenario, self._look)
        over = overlay_of(model, skeleton=self._options.skeleton)
        name = style.one_line(str(scenario.name), 60)
        marks = marks_of(over, model.frame(fields=False))
        arm = Arm(scenario, name, origin_of(scenario, model.seed), *marks)
        span_h = [time.start_h + step * time.mcs_s / 3600 for step in (model.mcs, self._end)]
        digits = digits_of(scenario, [*span_h, span_h[0] + self._every * time.mcs_s / 3600])
        self._sheet = Sheet(
            [arm], self._look, (span_h[0], span_h[1]), digits, self._options.width_px, self._limits
        )
        try:
            temporary = self._open.enter_context(new_file(self.path))
            writer = Writer(temporary, self._to, self._sheet, self._options.fps, about([arm]))
            self._writer = self._open.enter_context(writer)
        except OSError as error:
            return self._give_up(error)
        self._add(model)
        return None

    def _add(self, model: AssayModel) -> None:
        """Draw one more frame; if that fails, go on without a film."""
        assert self._sheet is not None and self._writer is not None
        try:
            over = overlay_of(model, skeleton=self._options.skeleton)
            scene = scene_of(model, bool(self._look.ground), over)
            if self._look.ground:
                self._limits = _widened(self._limits, scene.range(self._look.ground))
            self._writer.add(self._sheet.frame(model.time_h, [scene], self._limits))
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._given_up = True
        reason = getattr(error, "strerror", None) or str(error)
        text = f"{self.path} could not be written: {style.one_line(reason.lower(), 200)}"
        expected = isinstance(error, OSError | InputError)
        log.error("%s", text, exc_info=None if expected else error)
        warnings.warn(text, PictureWarning, stacklevel=2)
        open_files, self._open = self._open, ExitStack()
        try:
            open_files.__exit__(type(error), error, error.__traceback__)
        except Exception as again:
            if again is not error and not isinstance(again, OSError):
                raise

    def close(self) -> None:
        """Finish the film; called at the end of the run, also if it was stopped."""
        if self._writer is None or self._given_up:
            return
        self._closed = True
        try:
            self._open.close()
        except OSError as error:
            self._given_up = True
            self._give_up(error)


def _widened(before: Limits | None, found: Limits) -> Limits:
    """Return the ends of a scale, which change only where values are beyond them."""
    low, high = found
    if before is None:
        return round_limits(low, high, None)
    if before[0] <= low and high <= before[1]:
        return before
    return round_limits(min(low, before[0]), max(high, before[1]), None)
