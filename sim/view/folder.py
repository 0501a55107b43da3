"""The pictures of a folder that exists: of a run, a study, a calibration or a design."""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn, TypeVar

from sim.errors import InputError
from sim.runs.folder import MANIFEST
from sim.studies.ledger import LEDGER
from sim.studies.table import CALIBRATION, DESIGN, STUDY, Study
from sim.view import canvas
from sim.view.canvas import Drawings, Marks

if TYPE_CHECKING:
    from sim.calibration.result import Calibration
    from sim.design.result import Design
    from sim.studies.task import Outcome, Task

Found = TypeVar("Found")


def pictures_of(folder: Path) -> tuple[Drawings, Marks]:
    """Return how to draw each picture of a folder, by its name, and what the files say of it.

    Raises
    ------
    InputError
        If it is no folder of a run, study, calibration or design, or cannot be read.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder")
    for file, opened in _KINDS.items():
        if os.path.isfile(folder / file):
            return opened(folder)
    raise InputError(
        f"{folder}: contains no run, study, calibration or design: none of {', '.join(_KINDS)}"
    )


def save_beside(
    drawings: Drawings, folder: Path, out: Path | None, marks: Marks, kind: str
) -> list[Path]:
    """Draw and save pictures; no file is ever overwritten.

    Parameters
    ----------
    drawings : dict
        By name.
    folder : Path
        Where they go without `out`; where there is a file of that name, it gets a number.
    out : Path or None
        A folder that was chosen: new, or one in which no such file is.
    marks : Marks
    kind : str
        ``"png"``, ``"pdf"`` or ``"svg"``.

    Raises
    ------
    InputError
        If a file exists in `out`; nothing is written.
    """
    where = out or folder
    names = {name: f"{name}.{kind}" for name in drawings}
    if out is None:
        names = {name: _free(folder, name, kind) for name in drawings}
    elif taken := [name for name in names.values() if (where / name).exists()]:
        raise InputError(
            f"{where}: {', '.join(taken)} exist{'s' * (len(taken) == 1)}, and existing files are "
            "never overwritten; choose another folder"
        )
    where.mkdir(parents=True, exist_ok=True)
    return canvas.save_pictures(
        {names[name]: draw for name, draw in drawings.items()}, where, marks
    )


def _free(folder: Path, name: str, kind: str) -> str:
    """Return the first of ``NAME.png``, ``NAME-2.png``, ... that does not exist."""
    number, file = 1, f"{name}.{kind}"
    while (folder / file).exists():
        number += 1
        file = f"{name}-{number}.{kind}"
    return file


def _run(folder: Path) -> tuple[Drawings, Marks]:
    from sim.runs.result import Result
    from sim.view.run.pictures import drawings_of, marks_of

    result = Result.open(folder)
    return drawings_of(result), marks_of(result)


def _study(folder: Path) -> tuple[Drawings, Marks]:
    from sim.analysis.analyse import analyse
    from sim.view.study.pictures import drawings_of

    study = Study.open(folder)
    study.check_not_shard()
    drawings = drawings_of(analyse(study))
    if not drawings:
        raise InputError(f"{folder}: this study has no picture: {_why_none(study)}")
    return drawings, canvas.marks_of(study.plan)


def _why_none(study: Study) -> str:
    if not study.is_complete:
        return "some of its runs are still to be done"
    return "it asks for no analysis that is drawn, such as [dose_response]"


def _calibration(folder: Path) -> tuple[Drawings, Marks]:
    from sim.calibration.calibrate import calibrate
    from sim.calibration.file import plan_calibration
    from sim.view.study.calibration import drawings_of

    def found(plan_text: str, copy: Path) -> Calibration:
        return calibrate(plan_calibration(tomllib.loads(plan_text)), _Nobody(folder), copy)

    result = _again(folder, CALIBRATION, found)
    return drawings_of(result), canvas.marks_of(result.plan)


def _design(folder: Path) -> tuple[Drawings, Marks]:
    from sim.design.design import design
    from sim.design.file import plan_design
    from sim.view.study.design import drawings_of

    def found(plan_text: str, copy: Path) -> Design:
        return design(plan_design(tomllib.loads(plan_text)), copy, _Nobody(folder))

    result = _again(folder, DESIGN, found)
    return drawings_of(result), canvas.marks_of(result.plan)


_KINDS: dict[str, Callable[[Path], tuple[Drawings, Marks]]] = {
    MANIFEST: _run, STUDY: _study, CALIBRATION: _calibration, DESIGN: _design,
}  # fmt: skip
"""How a folder is opened, by the file that says what it is."""


def _again(folder: Path, file: str, compute: Callable[[str, Path], Found]) -> Found:
    """Compute a result again from its finished runs, in a copy: the folder stays as it is."""
    if not os.path.isfile(folder / LEDGER):
        raise InputError(f"{folder}: has no {LEDGER}, so its runs are not known")
    with TemporaryDirectory() as copy:
        for name in (file, *(path.name for path in folder.glob(f"{LEDGER}*"))):
            shutil.copy(folder / name, copy)
        return compute((folder / file).read_text(encoding="utf-8"), Path(copy))


class _Nobody:
    """An executor that makes no runs: those that are missing are an error."""

    running = 0

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def submit(self, tasks: Sequence[Task]) -> NoReturn:
        """Refuse to run anything."""
        raise InputError(
            f"{self._folder}: {len(tasks)} of its runs are missing, or were made with another "
            "version of angiosim; resume it first"
        )

    def wait(self, seconds: float) -> list[Outcome]:
        """Return nothing: there are no runs."""
        return []

    def close(self) -> None:
        """Do nothing."""
