"""Observers look at a model while it runs, and change nothing: frames, progress, or your own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from time import perf_counter
from typing import Protocol

from sim.errors import OutOfTime
from sim.model.base import Arrays, AssayModel
from sim.model.pace import LONGEST_S, Pace

BLINK_S = 0.1


class Observer(Protocol):
    """Something that looks at a model at steps of its own choice.

    It only looks: no result depends on it. An exception that it raises ends the run.
    """

    def next_mcs(self, mcs: int) -> int | None:
        """Return the first step after `mcs` at which to look, None for never again.

        The start of a run is asked for with the step before it, -1.
        """

    def look(self, model: AssayModel) -> None:
        """Look at the model, between two steps."""

    def close(self) -> None:
        """Finish; called once, also after a run that was stopped or failed."""


class Frames:
    """Snapshots at record times; see `frame` of the model.

    Parameters
    ----------
    every, end : int
        Steps between two records, and in all.
    fields : bool
        Whether snapshots have concentrations too.
    keep : callable
        Called with the step and the arrays of each snapshot.
    """

    def __init__(
        self, every: int, end: int, *, fields: bool, keep: Callable[[int, Arrays], None]
    ) -> None:
        self._every, self._end, self._fields, self._keep = every, end, fields, keep

    def next_mcs(self, mcs: int) -> int | None:
        """Return the next record time."""
        return min((mcs // self._every + 1) * self._every, self._end) if mcs < self._end else None

    def look(self, model: AssayModel) -> None:
        """Take a snapshot."""
        with model.timed("writing"):
            self._keep(model.mcs, model.frame(fields=self._fields))

    def close(self) -> None:
        """Nothing is open."""


class Progress:
    """Reports the steps so far, at each tenth of a run and about ten times a second.

    Parameters
    ----------
    report : callable
        Called with the steps so far and the steps in all; it may raise to stop the run.
    end : int
        Steps in all.
    """

    def __init__(self, report: Callable[[int, int], None], end: int) -> None:
        self._report, self._end, self._pace = report, end, Pace(BLINK_S)

    def next_mcs(self, mcs: int) -> int | None:
        """Return a step in about a tenth of a second, or at the next tenth of the run."""
        tenth = -(-self._end * (10 * mcs // self._end + 1) // 10)
        return min(mcs + self._pace.steps, tenth) if mcs < self._end else None

    def look(self, model: AssayModel) -> None:
        """Report."""
        self._pace.at(model.mcs)
        self._report(model.mcs, self._end)

    def close(self) -> None:
        """Nothing is open."""


class TimeLimit:
    """Stops a run when its wall time is over.

    Parameters
    ----------
    began : float
        When the time began, by ``perf_counter``.
    most_s : float
        How long it lasts.
    end : int
        Steps in all, after which it is too late to stop.
    """

    def __init__(self, began: float, most_s: float, end: int) -> None:
        self._spent, self._last, self._most_s, self._end = 0.0, began, most_s, end
        self._pace = Pace(LONGEST_S)

    def next_mcs(self, mcs: int) -> int | None:
        """Return a step in about half a second."""
        return mcs + self._pace.steps

    def look(self, model: AssayModel) -> None:
        """Stop the run if its time is over."""
        self._pace.at(model.mcs)
        now = perf_counter()
        self._spent += max(0.0, now - self._last)  # also where the clock is put back
        self._last = now
        if self._spent >= self._most_s and model.mcs < self._end:
            raise OutOfTime(f"stopped after {self._most_s / 3600:.4g} h of wall time")

    def close(self) -> None:
        """Nothing is open."""


def advance_observed(model: AssayModel, end: int, observers: Sequence[Observer]) -> None:
    """Advance a model to a step while observers look at it; close them afterwards.

    Parameters
    ----------
    model : AssayModel
    end : int
        The step at which to stop.
    observers : sequence of Observer
        At one step they look in this order.
    """
    with ExitStack() as stack:
        for observer in reversed(observers):
            stack.callback(observer.close)
        pace = Pace(LONGEST_S)
        wanted = [_next(observer, model.mcs - 1) for observer in observers]
        while True:
            pace.at(model.mcs)
            for k, observer in enumerate(observers):
                if wanted[k] == model.mcs:
                    observer.look(model)
                    wanted[k] = _next(observer, model.mcs)
            if model.mcs >= end:
                return
            until = min([end, model.mcs + pace.steps, *(at for at in wanted if at is not None)])
            model.advance(until - model.mcs)


def _next(observer: Observer, mcs: int) -> int | None:
    at = observer.next_mcs(mcs)
    if at is not None and at <= mcs:
        raise ValueError(f"{observer!r}: next_mcs({mcs}) = {at}, must be above {mcs} or None")
    return at
