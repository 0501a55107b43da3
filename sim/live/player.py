"""A finished run, frame by frame."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from sim.errors import InputError
from sim.files import plain
from sim.live.session import about
from sim.live.stage import Stage
from sim.runs.result import Result
from sim.scenario.bed import BedScenario
from sim.scenario.branch import time_of
from sim.scenario.classes import ligands_of
from sim.view.scene import Scene, scene_of_frame


class Player(Stage):
    """The frames of a run; its end alone if it has no frames.

    Parameters
    ----------
    result : Result
        A run that was opened from its folder.
    """

    def __init__(self, result: Result) -> None:
        super().__init__(result.scenario)
        self._result = result
        step = "step" if isinstance(result.scenario, BedScenario) else "mcs"
        self._end = int(result.timeseries[step].iloc[-1])
        self._steps = [*(mcs for mcs in sorted(result.frames) if mcs != self._end), self._end]
        self._at, self._arrays = 0, self._read(0)
        self.speed = 5

    def begin(self) -> Mapping[str, Any]:
        """Read the records; return what the page is made of."""
        ligands = ligands_of(self.scenario)
        table = self._result.timeseries.to_dict("records")
        for row in table:
            row |= {f"bath_{n}": one.bath_at(row["time_h"]) for n, one in ligands.items()}
        self.rows = [(row,) for row in plain(table)]
        return {
            **about(self.scenario),
            "kind": "player",
            "seed": self._result.seed,
            "folder": str(self._result.folder),
            "controls": [],
            "dose": False,
            "overlay": False,
            "times_h": [time_of(self.scenario, mcs) for mcs in self._steps],
        }

    @property
    def left(self) -> int:
        """Frames to the end."""
        return len(self._steps) - 1 - self._at

    def advance(self, most: int) -> int:
        """Go on by some frames; as fast as possible, by one."""
        steps = min(most, self.left) if self.speed else 1
        self._go(self._at + steps)
        return steps

    def scenes(self) -> Sequence[Scene]:
        """Return what is to see in this frame."""
        return [scene_of_frame(self.scenario, self._result.seed, self._arrays)]

    def _go(self, frame: int) -> None:
        """Go to a frame, if it can be read."""
        self._arrays, self._at = self._read(frame), frame

    def _read(self, frame: int) -> Mapping[str, NDArray[Any]]:
        mcs, result = self._steps[frame], self._result
        return result.frames.get(mcs, result.final)

    def head(self) -> dict[str, Any]:
        """Return where it is."""
        mcs = self._steps[self._at]
        now = bisect_right([row[0]["time_h"] for row in self.rows], time_of(self.scenario, mcs))
        return {
            "step": mcs,
            "time_h": time_of(self.scenario, mcs),
            "frame": self._at,
            "row": max(0, now - 1),
            "arms": [{}],
        }

    def do_play(self) -> None:
        """Go on; from the end, from the beginning."""
        if not self.left:
            self._go(0)
        if self.left:
            super().do_play()

    def do_reset(self) -> None:
        """Go to the beginning."""
        self.playing = False
        self._go(0)

    def do_frame(self, frame: int) -> None:
        """Go to a frame."""
        if frame >= len(self._steps):
            raise InputError(f"frame = {frame}: must be from 0 to {len(self._steps) - 1}")
        self.playing = False
        self._go(frame)
