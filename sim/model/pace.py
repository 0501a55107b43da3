"""How many steps a model takes in a given time, to look at it often enough."""

from __future__ import annotations

from time import perf_counter

LONGEST_S = 0.5
"""A clock or a signal waits no longer than this, or than a step."""


class Pace:
    """How many steps a model makes in a given time; one until that is known.

    Parameters
    ----------
    seconds : float

    Attributes
    ----------
    steps : int
    """

    def __init__(self, seconds: float) -> None:
        self.steps = 1
        self._seconds, self._last = seconds, (0, perf_counter())

    def at(self, mcs: int) -> None:
        """Take note that the model is at a step now."""
        now, (before, then) = perf_counter(), self._last
        if mcs > before and now > then:
            fitting = int(self._seconds * (mcs - before) / (now - then))
            self.steps = max(1, min(fitting, 2 * self.steps))  # a step may take longer later
        self._last = mcs, now
