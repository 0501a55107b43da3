"""Finished runs, frame by frame: one, or several side by side."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from sim.errors import InputError
from sim.files import plain
from sim.live.session import about
from sim.live.stage import ARMS, Stage
from sim.runs.result import Result
from sim.scenario.branch import time_of
from sim.scenario.classes import ligands_of
from sim.scenario.schema import LatticeScenario
from sim.view.scene import Scene, overlay_of_frame, scene_of_frame

Arrays = Mapping[str, NDArray[Any]]
DIGITS: Final = 6
"""Of times since the start, in seconds, which are compared between runs."""


class _Run:
    """The frames of a run, by the time since its start."""

    def __init__(self, result: Result) -> None:
        self.result, self.scenario = result, result.scenario
        table = result.timeseries
        end = int(table["mcs" if "mcs" in table else "step"].iloc[-1])
        self.steps = [*(mcs for mcs in sorted(result.frames) if mcs != end), end]
        self.seconds = [round(mcs * float(self.scenario.time.mcs_s), DIGITS) for mcs in self.steps]
        start_h, ligands = self.scenario.time.start_h, ligands_of(self.scenario)
        self.rows: list[dict[str, Any]] = plain(table.to_dict("records"))
        self.row_seconds = [round((row["time_h"] - start_h) * 3600, 3) for row in self.rows]
        for row in self.rows:
            row |= {f"bath_{n}": one.bath_at(row["time_h"]) for n, one in ligands.items()}

    def read(self, seconds: float) -> tuple[int, Arrays]:
        """Return the step and the arrays of the latest frame at a time, or of the first one."""
        mcs = self.steps[max(0, bisect_right(self.seconds, seconds) - 1)]
        return mcs, self.result.frames.get(mcs, self.result.final)

    def row(self, seconds: float) -> Mapping[str, Any]:
        """Return the latest record at a time, or the first one."""
        return self.rows[max(0, bisect_right(self.row_seconds, seconds) - 1)]


class Player(Stage):
    """The frames of runs; the end alone of one that has no frames.

    Parameters
    ----------
    *results : Result
        Runs of one assay that were opened from their folders.

    Raises
    ------
    InputError
        If they cannot be side by side.
    """

    def __init__(self, *results: Result) -> None:
        first = results[0]
        super().__init__(first.scenario)
        if len(results) > ARMS:
            raise InputError(f"{len(results)} runs: at most {ARMS} can be side by side")
        for other in results[1:]:
            if other.scenario.assay != first.scenario.assay:
                raise InputError(
                    f"{other.folder}: is of {other.scenario.assay}, and {first.folder} of "
                    f"{first.scenario.assay}; only runs of one assay can be side by side"
                )
        self._runs = [_Run(result) for result in results]
        self._moments = sorted({at for run in self._runs for at in run.seconds})
        self._at, self._shown = 0, self._read(0)
        self._marks: dict[str, str] = {}
        self.speed = 5

    def begin(self) -> Mapping[str, Any]:
        """Read the records; return what the page is made of."""
        start_h = self.scenario.time.start_h
        moments = sorted({at for run in self._runs for at in run.row_seconds})
        self.rows = []
        for at in moments:  # all at the time of the first run
            time_h = float(f"{start_h + at / 3600:.12g}")
            self.rows.append(tuple({**run.row(at), "time_h": time_h} for run in self._runs))
        folders = [str(run.result.folder) for run in self._runs]
        return {
            **about(self.scenario),
            "kind": "player",
            "seed": self._runs[0].result.seed,
            "folder": ", ".join(folders),
            "labels": [one.rstrip("/").rpartition("/")[2] for one in folders],
            "sizes_um": [run.scenario.domain.size_um for run in self._runs],
            "controls": [],
            "dose": False,
            "overlay": isinstance(self.scenario, LatticeScenario),
            "times_h": [self._time_h(frame) for frame in range(len(self._moments))],
        }

    @property
    def left(self) -> int:
        """Frames to the end."""
        return len(self._moments) - 1 - self._at

    def advance(self, most: int) -> int:
        """Go on by some frames; as fast as possible, by one."""
        steps = min(most, self.left) if self.speed else 1
        self._go(self._at + steps)
        return steps

    def scenes(self) -> Sequence[Scene]:
        """Return what is to see in this frame."""
        found, self._marks = [], {}
        for run, (mcs, arrays) in zip(self._runs, self._shown, strict=True):
            over = None
            if self.look.overlay and isinstance(run.scenario, LatticeScenario):
                over = overlay_of_frame(run.scenario, mcs, arrays, run.result.final)
            self._marks |= over.marks() if over else {}
            found.append(scene_of_frame(run.scenario, run.result.seed, arrays, over))
        return found

    def _time_h(self, frame: int) -> float:
        """Return the time of a frame, in the drug's schedule of the first run."""
        return time_of(self.scenario, 0) + float(f"{self._moments[frame] / 3600:.12g}")

    def _go(self, frame: int) -> None:
        """Go to a frame, if it can be read."""
        self._shown, self._at = self._read(frame), frame

    def _read(self, frame: int) -> list[tuple[int, Arrays]]:
        return [run.read(self._moments[frame]) for run in self._runs]

    def head(self) -> dict[str, Any]:
        """Return where it is."""
        now = bisect_right([row[0]["time_h"] for row in self.rows], self._time_h(self._at) + 1e-9)
        return {
            "step": self._shown[0][0],
            "time_h": self._time_h(self._at),
            "frame": self._at,
            "row": max(0, now - 1),
            "marks": self._marks,
            "arms": [{} for _ in self._runs],
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
        if frame >= len(self._moments):
            raise InputError(f"frame = {frame}: must be from 0 to {len(self._moments) - 1}")
        self.playing = False
        self._go(frame)
