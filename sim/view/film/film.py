"""A film of finished runs, from their frames, one or several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from sim.errors import InputError, shown
from sim.files import new_file
from sim.runs.folder import not_writable
from sim.runs.result import Result
from sim.scenario.bed import BedScenario
from sim.scenario.schema import LatticeScenario, Scenario
from sim.scenario.writing import scenario_hash
from sim.version import __version__
from sim.view import style
from sim.view.export.snapshots import Snapshot, Snapshots
from sim.view.film import encode
from sim.view.film.sheet import LEAST, MOST, Arm, Sheet
from sim.view.paint import Overlay, Raster, round_limits
from sim.view.scene import (
    Limits,
    Look,
    Scene,
    cell_looks,
    first_look,
    grounds,
    overlay_of_frame,
    scene_of_frame,
)

Marks = tuple[tuple[tuple[str, str], ...], bool]
DEFAULT: Final = "film"
FPS: Final = 10
MOST_ARMS: Final = 6


@dataclass(frozen=True)
class Options:
    """What a film shows, and how.

    Attributes
    ----------
    to : str or None
        ``"gif"``, ``"apng"`` or ``"mp4"``; None for what the ending of the file says.
    fps : int
        Frames per second.
    width_px : int or None
        Width in pixels; None for whole pixels per site.
    cells : str or None
        How cells are coloured: ``"drive"``, ``"activity"``, ``"cell"``, ``"type"``, ``"outline"``.
    field : str or None
        The field that is shown between cells.
    skeleton : bool
        Whether the skeleton of a network is drawn.
    """

    to: str | None = None
    fps: int = FPS
    width_px: int | None = None
    cells: str | None = None
    field: str | None = None
    skeleton: bool = True

    def check(self, path: Path) -> str:
        """Return the format of a file.

        Raises
        ------
        InputError
            If an option is out of range, or the file cannot be written or exists.
        """
        for name in ("fps", "width_px"):
            value = getattr(self, name)
            if value is not None and type(value) is not int:
                raise InputError(f"{name} = {shown(value)}: must be a whole number")
        to = encode.format_of(path, self.to)
        encode.check(to, self.fps)
        if self.width_px is not None and not LEAST <= self.width_px <= MOST:
            raise InputError(f"width_px = {self.width_px}: must be from {LEAST} to {MOST}")
        if not path.parent.is_dir():
            raise InputError(f"{path.parent}: no such folder")
        if path.exists():
            raise InputError(
                f"{path}: file exists, and existing files are never overwritten; choose another"
            )
        return to

    def look(self, scenario: Scenario) -> Look:
        """Return how cells are coloured, and over which field.

        Raises
        ------
        InputError
            If the scenario has no such cells or field.
        """
        first, looks, fields = first_look(scenario), cell_looks(scenario), grounds(scenario)
        if self.cells is not None and self.cells not in looks:
            raise InputError(
                f"cells = {shown(self.cells)}: must be one of {', '.join(looks)}"
                if looks
                else f"cells = {shown(self.cells)}: {scenario.assay} shows no cells; leave it out"
            )
        if self.field is not None and self.field not in fields:
            raise InputError(
                f"field = {shown(self.field)}: must be one of {', '.join(fields) or 'none'}"
            )
        return Look(self.cells or first.cells, self.field or first.ground, overlay=True)


@dataclass(frozen=True)
class Made:
    """A film that was written.

    Attributes
    ----------
    path : Path
    frames : int
    size_px : (int, int)
        Width and height.
    """

    path: Path
    frames: int
    size_px: tuple[int, int]


class Writer:
    """Frames that become a file, which is complete or absent.

    Parameters
    ----------
    path : Path
        The temporary file.
    to : str
        Its format.
    sheet : Sheet
    fps : int
    about : mapping of str to str
    """

    def __init__(
        self, path: Path, to: str, sheet: Sheet, fps: int, about: Mapping[str, str]
    ) -> None:
        self.frames, self._encoder = 0, encode.encoder(
            to, path, sheet.size, sheet.palette, fps, about
        )  # fmt: skip

    def add(self, raster: Raster) -> None:
        """Write one more frame."""
        self._encoder.add(raster)
        self.frames += 1

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._encoder.close()
        else:
            self._encoder.abandon()


def film(
    folders: Sequence[Path],
    out: Path | None = None,
    options: Options | None = None,
    *,
    labels: Sequence[str] = (),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Made:
    """Film runs from their frames.

    Parameters
    ----------
    folders : sequence of Path
        Of runs of one assay; several are shown side by side, at the same time.
    out : Path, optional
        The new file; by default ``film.gif`` (or ``.apng``, ``.mp4``) in the first folder, with a
        number where there is one.
    options : Options, optional
    labels : sequence of str
        What the runs are called; by default as their folders, and one alone as its scenario.
    progress : callable
        Called with the frames done and the frames in all; it may raise to stop.

    Raises
    ------
    InputError
        If a folder has no run or no frames, or the film cannot be made as asked for; then nothing
        has been written.
    """
    options = options or Options()
    if not 1 <= len(folders) <= MOST_ARMS:
        raise InputError(f"{len(folders)} runs: from 1 to {MOST_ARMS} can be side by side")
    if labels and len(labels) != len(folders):
        raise InputError(f"{len(labels)} labels for {len(folders)} runs: give one for each")
    path = free_path(folders[0] / f"{DEFAULT}.{options.to or 'gif'}") if out is None else out
    if out is None and not folders[0].is_dir():
        raise InputError(f"{folders[0]}: no such folder")
    to = options.check(path)
    runs = [Snapshots(Result.open(folder)) for folder in folders]
    look = _look_of(runs, folders, options)
    reels = [_Reel(run, look, options) for run in runs]
    names = labels or [
        str(run.result.scenario.name) if len(runs) == 1 else folder.resolve().name
        for run, folder in zip(runs, folders, strict=True)
    ]
    steps = _moments(runs)
    limits = _limits(runs, look, options)
    arms = []
    for run, reel, name in zip(runs, reels, names, strict=True):
        result = run.result
        version = str(result.manifest.get("version", __version__))
        origin = origin_of(result.scenario, result.seed, version)
        end_h = float(result.scenario.time.start_h) + run.seconds[-1] / 3600
        arms.append(Arm(result.scenario, style.one_line(name, 60), origin, *reel.marks, end_h))
    start_h = float(runs[0].result.scenario.time.start_h)
    times_h = [start_h + seconds / 3600 for seconds in steps]
    sheet = Sheet(
        arms, look, (times_h[0], times_h[-1]), digits_of(arms[0].scenario, times_h),
        options.width_px, limits,
    )  # fmt: skip
    with (
        writing(path),
        new_file(path) as temporary,
        Writer(temporary, to, sheet, options.fps, about(arms)) as writer,
    ):
        for seconds, time_h in zip(steps, times_h, strict=True):
            scenes = [reel.at(seconds) for reel in reels]
            writer.add(sheet.frame(time_h, scenes, limits))
            progress(writer.frames, len(steps))
    return Made(path, len(steps), sheet.size)


class _Reel:
    """The scenes of a run, one after the other; the latest one stays until its time is over."""

    def __init__(self, run: Snapshots, look: Look, options: Options) -> None:
        self._run, self._skeleton = run, options.skeleton
        self._coming: Iterator[Snapshot] = iter(run)
        self._next: Snapshot | None = next(self._coming)
        self._end = run.result.final
        self._scene, self.marks = self._of(self._next)

    def at(self, seconds: float) -> Scene:
        """Return what there is to see at a time since the start; times never go back."""
        now = None
        while self._next is not None and self._next.seconds <= seconds + 1e-6:
            now, self._next = self._next, next(self._coming, None)
        if now is not None:
            self._scene, _ = self._of(now)
        return self._scene

    def _of(self, snapshot: Snapshot) -> tuple[Scene, Marks]:
        scenario, over = self._run.result.scenario, None
        if isinstance(scenario, LatticeScenario):
            over = overlay_of_frame(
                scenario, snapshot.step, snapshot.arrays, self._end, skeleton=self._skeleton
            )
        scene = scene_of_frame(scenario, self._run.result.seed, snapshot.arrays, over)
        return scene, marks_of(over, snapshot.arrays)


def _look_of(runs: Sequence[Snapshots], folders: Sequence[Path], options: Options) -> Look:
    """Return the look of all runs, which have frames and fit together."""
    for run, folder in zip(runs, folders, strict=True):
        if not run.result.frames:
            raise InputError(
                f"{folder}: this run has recorded no frames, so there is no film of it; run it "
                "with `record.frames = true` (how often: time.record_every_h), or film a run while "
                "it goes on: `angiosim run --film FILE`"
            )
        assay = run.result.scenario.assay
        if assay != runs[0].result.scenario.assay:
            raise InputError(
                f"{folder}: is of {assay}, and {folders[0]} of {runs[0].result.scenario.assay}; "
                "only runs of one assay can be side by side"
            )
        look = options.look(run.result.scenario)
        if options.field is not None:
            first = next(iter(run))
            names = ("oxygen", "vegf") if isinstance(first.scenario, BedScenario) else None
            known = first.arrays if names else {n.removeprefix("field_") for n in first.arrays}
            if options.field not in known:
                raise InputError(
                    f"{folder}: its frames have no fields, so {options.field} cannot be shown; run "
                    "it with `record.fields = true`"
                )
    return look


def _moments(runs: Sequence[Snapshots]) -> list[float]:
    """Return the times of the film: those of all runs, seconds since the start."""
    return sorted({round(seconds, 6) for run in runs for seconds in run.seconds})


def _limits(runs: Sequence[Snapshots], look: Look, options: Options) -> Limits | None:
    """Return the ends of the scale of the field, which are the same in all of the film."""
    if not look.ground:
        return None
    if fixed := fixed_limits(runs[0].result.scenario, look):
        return fixed
    ranges = [
        scene_of_frame(run.result.scenario, run.result.seed, one.arrays).range(look.ground)
        for run in runs
        for one in run
    ]
    return round_limits(min(low for low, _ in ranges), max(high for _, high in ranges), None)


def fixed_limits(scenario: Scenario, look: Look) -> Limits | None:
    """Return the ends of the scale of a field that are always the same: those of oxygen."""
    shade = style.SHADES.get(look.ground)
    return shade.limits if shade and isinstance(scenario, BedScenario) else None


def marks_of(over: Overlay | None, arrays: Mapping[str, Any]) -> Marks:
    """Return what an assay draws over its cells, how and of which kind, and if all are stained.

    `arrays` are those of a frame.
    """
    if over is None:
        return (), False
    drawn = [
        *(("stain", kind) for _, kind in over.stains),
        *((w, kind) for w, _, kind in over.drawn),
    ]
    there = np.unique(arrays["cell_id"])
    some = [rows[there] for rows, _ in over.stains]
    stained = bool(some) and bool(np.any(some, axis=0)[there > 0].all())
    return tuple(dict.fromkeys(drawn)), stained


def digits_of(scenario: Scenario, times_h: Sequence[float]) -> int:
    """Return how many decimals the times of a film need: at most two."""
    from sim.assays import assay

    if assay(scenario.assay).clock == "d":
        values = [time / 24 for time in times_h]
    else:
        values = [time - scenario.time.start_h for time in times_h]
    return next((n for n in (0, 1) if all(abs(v - round(v, n)) < 1e-6 for v in values)), 2)


def origin_of(scenario: Scenario, seed: int, version: str = __version__) -> str:
    """Return where a run comes from: scenario, seed, version, hash."""
    words = [style.one_line(str(scenario.name), 48), f"seed {seed}", f"angiosim {version}"]
    return " · ".join([*words, f"scenario {scenario_hash(scenario)[:12]}"])


def about(arms: Sequence[Arm]) -> dict[str, str]:
    """Return what the file of a film says of itself."""
    return {
        "Title": " | ".join(dict.fromkeys(arm.label for arm in arms)),
        "Comment": " | ".join(dict.fromkeys(arm.origin for arm in arms)),
        "Software": f"angiosim {__version__}",
    }


def free_path(path: Path) -> Path:
    """Return the first of ``film.gif``, ``film-2.gif``, ... that does not exist."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return found


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of an error of the disk where it was."""
    try:
        yield
    except FileExistsError:
        raise InputError(
            f"{path}: file exists, and existing files are never overwritten; choose another"
        ) from None
    except OSError as error:
        raise not_writable(path, error) from error
