"""The kinds of folders: how each is opened, what is drawn of it, and what reports on it."""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from sim.errors import InputError
from sim.runs.folder import MANIFEST
from sim.studies.ledger import LEDGER
from sim.studies.table import CALIBRATION, DESIGN, STUDY, Study
from sim.view import canvas
from sim.view.canvas import Drawings, Marks

if TYPE_CHECKING:
    from sim.analysis.analyse import Analysis
    from sim.calibration.result import Calibration
    from sim.design.result import Design
    from sim.runs.environment import Environment
    from sim.runs.pk import PK
    from sim.runs.result import Result
    from sim.studies.task import Outcome, Task

Found = TypeVar("Found")


@dataclass(frozen=True)
class Kind:
    """A kind of result, and of the folder that contains it.

    Attributes
    ----------
    name : str
        What it is called: ``"run"``.
    of : str
        Class of the result, as ``module:class``; it is not imported for the question.
    report : str
        ``module:function`` of `sim.view.report` that gives its part of a report.
    drawn : callable
        How to draw each picture of the result, by its name, and what the files say of it.
    file : str
        The file that says that a folder is of this kind; empty without folders.
    opened : callable, optional
        Gives the result in a folder.
    """

    name: str
    of: str
    report: str
    drawn: Callable[[Any], tuple[Drawings, Marks]]
    file: str = ""
    opened: Callable[[Path], Any] | None = None


def kind_of(result: Any) -> Kind | None:
    """Return the kind of a result; None of what is none."""
    classes = {f"{cls.__module__}:{cls.__qualname__}" for cls in type(result).__mro__}
    file = getattr(result, "file", None)  # kinds of a user's own data share a class
    like = [kind for kind in KINDS if kind.of in classes]
    return next((kind for kind in like if kind.file == file), like[0] if like else None)


def open_folder(folder: Path) -> Any:
    """Return the result in a folder; of a study, its analysis.

    Raises
    ------
    InputError
        If it is no folder of a run, study, calibration or design, or cannot be read.
    """
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: no such folder")
    for kind in KINDS:
        if kind.opened is not None and os.path.isfile(folder / kind.file):
            return kind.opened(folder)
    names = [kind.name for kind in KINDS if kind.file]
    raise InputError(
        f"{folder}: contains no {', '.join(names[:-1])} or {names[-1]}: none of "
        f"{', '.join(kind.file for kind in KINDS if kind.file)}"
    )


def pictures_of(folder: Path) -> tuple[Drawings, Marks]:
    """Return how to draw each picture of a folder, by its name, and what the files say of it.

    Raises
    ------
    InputError
        If it is no folder of a run, study, calibration or design, cannot be read, or has none.
    """
    result = open_folder(folder)
    kind = kind_of(result)
    assert kind is not None
    drawings, marks = kind.drawn(result)
    if not drawings:
        raise InputError(f"{folder}: this {kind.name} has no picture: {_why_none(result)}")
    return drawings, marks


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


def _run(folder: Path) -> Result:
    from sim.runs.result import Result

    return Result.open(folder)


def _run_drawn(result: Result) -> tuple[Drawings, Marks]:
    from sim.view.run.pictures import drawings_of, marks_of

    return drawings_of(result), marks_of(result)


def _study(folder: Path) -> Analysis:
    from sim.analysis.analyse import analyse

    study = Study.open(folder)
    study.check_not_shard()
    return analyse(study)


def _study_drawn(result: Analysis) -> tuple[Drawings, Marks]:
    from sim.view.study.pictures import drawings_of, marks_of

    return drawings_of(result), marks_of(result.study)


def _why_none(result: Any) -> str:
    study = getattr(result, "study", None)
    if study is None:
        return "those that were drawn with it are in the folder"
    if not study.is_complete:
        return "some of its runs are still to be done"
    return "it asks for no analysis that is drawn, such as [dose_response]"


def _calibration(folder: Path) -> Calibration:
    from sim.calibration.calibrate import calibrate
    from sim.calibration.file import plan_calibration

    def found(plan_text: str, copy: Path) -> Calibration:
        return calibrate(plan_calibration(tomllib.loads(plan_text)), _Nobody(folder), copy)

    return _again(folder, CALIBRATION, found)


def _calibration_drawn(result: Calibration) -> tuple[Drawings, Marks]:
    from sim.view.study.calibration import drawings_of

    return drawings_of(result), canvas.marks_of(result.plan)


def _design(folder: Path) -> Design:
    from sim.design.design import design
    from sim.design.file import plan_design

    def found(plan_text: str, copy: Path) -> Design:
        return design(plan_design(tomllib.loads(plan_text)), copy, _Nobody(folder))

    return _again(folder, DESIGN, found)


def _design_drawn(result: Design) -> tuple[Drawings, Marks]:
    from sim.view.study.design import drawings_of

    return drawings_of(result), canvas.marks_of(result.plan)


def _pk_drawn(result: PK) -> tuple[Drawings, Marks]:
    from sim.runs.pk_comparison import PKComparison
    from sim.view.run.pk import draw_pk, marks_of

    return {"pk": partial(draw_pk, result)}, marks_of(PKComparison([result]))


def _saved(file: str, folder: Path) -> Any:
    from sim.view.report.saved import Saved

    return Saved(folder, file)


def _as_saved(result: Any) -> tuple[Drawings, Marks]:
    """Return nothing: the pictures of a user's own data are in the folder already."""
    return {}, Marks()


def _own(name: str, file: str) -> Kind:
    """Return a kind of folder with results of a user's own data."""
    return Kind(name, "sim.view.report.saved:Saved", "sim.view.report.saved:of_saved",
                _as_saved, file, partial(_saved, file))  # fmt: skip


KINDS: tuple[Kind, ...] = (
    Kind("run", "sim.runs.result:Result", "sim.view.report.run:of_run",
         _run_drawn, MANIFEST, _run),
    Kind("study", "sim.analysis.analyse:Analysis", "sim.view.report.study:of_study",
         _study_drawn, STUDY, _study),
    Kind("calibration", "sim.calibration.result:Calibration",
         "sim.view.report.fitted:of_calibration", _calibration_drawn, CALIBRATION, _calibration),
    Kind("design", "sim.design.result:Design", "sim.view.report.fitted:of_design",
         _design_drawn, DESIGN, _design),
    Kind("course of a drug", "sim.runs.pk:PK", "sim.view.report.run:of_pk", _pk_drawn),
    _own("plate", "plate.json"), _own("fit", "fit.json"),
    _own("checkerboard", "checkerboard.json"), _own("analysis of samples", "nca.json"),
    _own("fit of samples", "pk-fit.json"),
    _own("set of measurements", "measurements.csv"),
)  # fmt: skip
"""All kinds; the first whose file is in a folder opens it."""


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

    def environments(self) -> Sequence[Environment]:
        """Return none: nothing is run."""
        return ()

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
