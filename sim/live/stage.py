"""What a page shows and commands: one thread does all work, and hands out finished snapshots."""

from __future__ import annotations

import inspect
import logging
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

import numpy as np

from sim.errors import AngiosimError, InputError, shown
from sim.files import plain
from sim.scenario.schema import Scenario
from sim.view.paint import round_limits
from sim.view.scene import Details, Limits, Scene, cell_looks, first_look, grounds

logger = logging.getLogger(__name__)

IDLE_S: Final = 15.0
"""When nobody has looked for so long, the model pauses."""
PICTURES_PER_S: Final = 20.0
ARMS: Final = 4
"""Most runs side by side; of a session, two."""
SPEEDS: Final = (1, 2, 5, 10, 20, 50, 100, 0)
"""Steps a second that a page may choose; 0 is as fast as possible."""
PAGES: Final = 32
"""The newest of so many pages have their commands counted."""

Row = tuple[Mapping[str, Any], ...]
"""A record of each arm."""


@dataclass(frozen=True)
class Snapshot:
    """What is to see at one moment; nothing in it ever changes.

    Attributes
    ----------
    version, epoch : int
        Counts snapshots, and how often the records began anew.
    head : dict
        What the page shows beside pictures and records, as JSON can hold it.
    rows : sequence of Row
        Records; later ones may be added to it.
    count : int
        How many of them are of this snapshot.
    pictures : tuple of bytes
        PNG of each arm.
    """

    version: int
    epoch: int
    head: Mapping[str, Any]
    rows: Sequence[Row]
    count: int
    pictures: tuple[bytes, ...]

    def answer(self, epoch: int, known: int) -> dict[str, Any]:
        """Return what a page has to be told that knows so many records of an epoch."""
        first = known if epoch == self.epoch else 0
        return {
            **self.head,
            "rows_from": first,
            "rows": [list(row) for row in self.rows[first : self.count]],
            "pictures": [len(picture) for picture in self.pictures],
        }


class Ended(AngiosimError):
    """The thread that does the work has ended."""


class Stage(ABC):
    """Something that moves in steps, for many pages.

    Pages call `ask`, `newer` and read `about`; all else happens in the thread of its own, in which
    methods called ``do_NAME`` are the commands that a page can give.

    Parameters
    ----------
    scenario : Scenario
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.about: Mapping[str, Any] = {}
        self.playing, self.speed, self.message = False, 0, ""
        self.look = first_look(scenario)
        self.chosen: int | None = None
        self.rows: list[Row] = []
        self.epoch = 0
        self._version = 0
        self._applied: dict[str, int] = {}
        self._limits: Limits | None = None
        self._jobs: queue.Queue[tuple[Callable[[], Any], Future[Any]]] = queue.Queue()
        self._changed = threading.Condition()
        self._snapshot: Snapshot | None = None
        self._ended = ""
        self._seen, self._fetched = monotonic(), 0
        self._owed, self._then, self._published = 0.0, monotonic(), 0.0

    # -- what it is made of ------------------------------------------------------------------

    @abstractmethod
    def begin(self) -> Mapping[str, Any]:
        """Make everything ready; return what is said of it once."""

    @property
    @abstractmethod
    def left(self) -> int:
        """Steps to the end."""

    @abstractmethod
    def advance(self, most: int) -> int:
        """Take at most so many steps; return how many."""

    @abstractmethod
    def scenes(self) -> Sequence[Scene]:
        """Return what is to see of each arm."""

    @abstractmethod
    def head(self) -> dict[str, Any]:
        """Return what else is said with each picture."""

    def details(self, arm: int, scene: Scene, number: int) -> Details | None:
        """Return what is known of a cell of an arm."""
        return scene.details(number)

    # -- what pages do -----------------------------------------------------------------------

    def start(self) -> None:
        """Make it ready; raise what went wrong."""
        ready: Future[None] = Future()
        threading.Thread(target=self._work, args=(ready,), name="live", daemon=True).start()
        ready.result()

    def ask(self, command: Any) -> Any:
        """Do what a page asks for, and return when it is done.

        Parameters
        ----------
        command : dict
            ``do``, the name of the command, its values by name, and if a page counts its commands
            ``page`` and ``number``.

        Raises
        ------
        AngiosimError
            If it cannot be done; nothing has changed.
        Ended
            If nothing can be done any more.
        """
        if not isinstance(command, dict):
            raise InputError("a command must be a JSON object")
        values = dict(command)
        name, page, number = (values.pop(key, None) for key in ("do", "page", "number"))
        method = getattr(self, f"do_{name}", None) if isinstance(name, str) else None
        if method is None:
            raise InputError(f"{shown(name)}: there is no such command here")
        wanted = inspect.signature(method).parameters
        if wanted.keys() != values.keys():
            raise InputError(f"{name}: needs {', '.join(wanted) or 'no values'}")
        for key, value in values.items():
            _check(key, value)
        done: Future[Any] = Future()

        def job() -> Any:
            self.message = ""
            try:
                return method(**values)
            finally:
                if isinstance(page, str) and isinstance(number, int):
                    others = {one: n for one, n in self._applied.items() if one != page[:40]}
                    self._applied = dict([*others.items(), (page[:40], number)][-PAGES:])

        self._seen = monotonic()
        with self._changed:  # what comes after the thread has ended is not waited for
            self._refuse_ended()
            self._jobs.put((job, done))
        return done.result()

    def newer(self, version: int, timeout_s: float) -> Snapshot:
        """Return a snapshot newer than a version as soon as there is one, else the newest.

        Raises
        ------
        Ended
            If there will be none any more.
        """
        self._seen = monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._version > version or self._ended, timeout_s)
            self._refuse_ended()
            assert self._snapshot is not None  # it was started
            self._seen, self._fetched = monotonic(), self._snapshot.version
            return self._snapshot

    # -- commands of all ---------------------------------------------------------------------

    def do_play(self) -> None:
        """Move on."""
        if not self.left:
            raise InputError("this is the end")
        self.playing, self._owed, self._then = True, 1.0, monotonic()

    def do_pause(self) -> None:
        """Stop moving."""
        self.playing = False

    def do_step(self) -> None:
        """Take one step."""
        self.playing = False
        if not self.left:
            raise InputError("this is the end")
        self.advance(1)

    def do_speed(self, value: float) -> None:
        """Choose how many steps are taken in a second."""
        if value not in SPEEDS:
            raise InputError(f"speed = {value:g}: must be one of {', '.join(map(str, SPEEDS))}")
        self.speed, self._owed = int(value), 0.0

    def do_look(self, cells: str, ground: str, overlay: bool) -> None:
        """Choose how cells are coloured, over which field."""
        known, fields = cell_looks(self.scenario) or {self.look.cells: ""}, grounds(self.scenario)
        if cells not in known or ground not in ("", *fields):
            raise InputError(
                f"look = {shown(cells)} over {shown(ground)}: cells must be one of "
                f"{', '.join(known)}; the field nothing or one of {', '.join(fields)}"
            )
        if ground != self.look.ground:
            self._limits = None
        self.look = replace(self.look, cells=cells, ground=ground, overlay=overlay)

    def do_pick(self, arm: int, y: float, x: float) -> None:
        """Choose the cell at a place, in shares of the domain; none where there is none."""
        scenes = self.scenes()
        if arm >= len(scenes):
            raise InputError(f"arm = {arm}: there is no such arm")
        self.chosen = scenes[arm].find(y, x)

    def do_choose(self, cell: int) -> None:
        """Choose a cell by its number."""
        if all(scene.details(cell) is None for scene in self.scenes()):
            raise InputError(f"there is no cell {cell} now")
        self.chosen = cell

    # -- the thread --------------------------------------------------------------------------

    def _work(self, ready: Future[None]) -> None:
        try:
            self.about = plain(self.begin())
            self._publish()
        except BaseException as error:
            ready.set_exception(error)
            return
        ready.set_result(None)
        try:
            while True:
                self._turn()
        except BaseException as error:  # what cannot even be drawn as at first
            self._end(f"{_unexpected(error)}; start again with angiosim view")

    def _turn(self) -> None:
        """Do what a page asks for, or move on."""
        try:
            job, done = self._jobs.get(timeout=self._wait_s())
        except queue.Empty:
            self._move()
            return
        result: Any = None
        failure: BaseException | None = None
        try:
            result = job()
        except AngiosimError as error:
            failure = error
        except Exception as error:
            failure = _unexpected(error)
        try:
            self._publish()
        except BaseException as error:
            failure = _unexpected(error)
            raise
        finally:
            if failure:
                done.set_exception(failure)
            else:
                done.set_result(result)

    def _end(self, why: str) -> None:
        """Let nobody wait for what will not come."""
        with self._changed:
            self._ended = why
            self._changed.notify_all()
        while not self._jobs.empty():
            self._jobs.get()[1].set_exception(Ended(why))

    def _refuse_ended(self) -> None:
        if self._ended:
            raise Ended(self._ended)

    def _wait_s(self) -> float | None:
        """Return how long to wait for a command before the next step."""
        if not self.playing:
            return None
        return max(1e-4, (1.0 - self._owed) / self.speed) if self.speed and self._owed < 1 else 1e-4

    def _move(self) -> None:
        """Take the steps that are due, and show where that has led."""
        now = monotonic()
        passed, self._then = min(now - self._then, 0.5), now
        self._owed = min(self._owed + self.speed * passed, max(1.0, self.speed * 0.25))
        try:
            if now - self._seen > IDLE_S:
                self.message = "paused, as nobody was looking"
                self.do_pause()
            elif due := int(self._owed) if self.speed else self.left:
                self._owed -= self.advance(due)
        except AngiosimError as error:
            self.playing, self.message = False, str(error)
        except Exception as error:
            self.playing, self.message = False, str(_unexpected(error))
        if not self.left:
            self.playing = False
        fetched = self._fetched == self._version or now - self._published > 1.0
        if not self.playing or (fetched and now - self._published > 1.0 / PICTURES_PER_S):
            self._publish()

    def _publish(self) -> None:
        """Make a snapshot; if it cannot be drawn as asked for, as at first."""
        try:
            self._draw()
        except Exception as error:
            self.playing, self.message = False, str(_unexpected(error))
            self.look, self.chosen = first_look(self.scenario), None
            self._draw()

    def _draw(self) -> None:
        scenes, ground = self.scenes(), self.look.ground
        if ground:
            ranges = np.array([scene.range(ground) for scene in scenes])
            self._limits = round_limits(ranges[:, 0].min(), ranges[:, 1].max(), self._limits)
        limits = self._limits or (0.0, 1.0)
        details = [
            None if self.chosen is None else self.details(arm, scene, self.chosen)
            for arm, scene in enumerate(scenes)
        ]
        head = {
            "playing": self.playing,
            "ended": not self.left,
            "speed": self.speed,
            "message": self.message,
            "look": [self.look.cells, self.look.ground, self.look.overlay],
            "limits": limits,
            "cells": details,
            "chosen": self.chosen,
            "applied": self._applied,
            "version": self._version + 1,
            "epoch": self.epoch,
            **self.head(),
        }
        pictures = tuple(scene.paint(self.look, limits, self.chosen).png() for scene in scenes)
        made = Snapshot(
            self._version + 1, self.epoch, plain(head), self.rows, len(self.rows), pictures
        )
        self._published = monotonic()
        with self._changed:
            self._snapshot, self._version = made, made.version
            self._changed.notify_all()


def _unexpected(error: BaseException) -> AngiosimError:
    """Return an error of the program for the page; the log has all of it."""
    logger.error("unexpected error", exc_info=error)
    return AngiosimError(f"unexpected {type(error).__name__}: {error}")


def _check(key: str, value: Any) -> None:
    """Refuse a value of a command that is not of its kind."""
    what, fits = _KINDS[key]
    if not fits(value):
        raise InputError(f"{key} = {shown(value)}: must be {what}")


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


_COUNT = ("a whole number", _count)
_NUMBER = ("a finite number", _number)
_SHARE = ("a number from 0 to 1", lambda value: _number(value) and 0 <= value <= 1)
_TEXT = ("a text", lambda value: isinstance(value, str))
_KINDS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "arm": (f"a whole number below {ARMS}", lambda value: _count(value) and value < ARMS),
    "overlay": ("true or false", lambda value: type(value) is bool),
    **dict.fromkeys(("cell", "frame"), _COUNT),
    **dict.fromkeys(("value", "amount_mg"), _NUMBER),
    **dict.fromkeys(("y", "x"), _SHARE),
    **dict.fromkeys(("key", "cells", "ground"), _TEXT),
}
"""What the values of commands must be, by name."""
