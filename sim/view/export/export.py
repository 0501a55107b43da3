"""Exporting the folder of a run or a study in the formats of other tools."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sim.assays import assay, assays
from sim.assays.declare import Assay, called
from sim.errors import InputError, shown
from sim.labels import MOST_16_BIT
from sim.runs.folder import make_new, remove_empty
from sim.runs.result import Result
from sim.studies.table import STUDY, Study
from sim.view.export.snapshots import Snapshots

if TYPE_CHECKING:
    import xarray as xr

DEFAULT = "export"
"""Folder of exported files in that of a run."""

MANY_CELLS = (
    f"ids above {MOST_16_BIT:,}: cell_id.ome.tif has 32 bits, which ImageJ shows as decimal "
    "numbers (exact up to 16,777,216), and there is no PNG, which has 16"
)


@dataclass(frozen=True)
class Format:
    """A format of other tools.

    Attributes
    ----------
    write : str
        ``module:function`` of this package; ``function(run, folder)``, with the `Snapshots` of a
        run, yields each file that it has written.
    library : str
        What has to be installed.
    of_study : str
        The same with a `Study`.
    needs : str
        What a run must have: ``"cells"`` on a lattice, or a ``"network"``.
    """

    write: str
    library: str = ""
    of_study: str = ""
    needs: str = ""


FORMATS: dict[str, Format] = {
    "tiff": Format("tiff:write", library="tifffile"),
    "vti": Format("vtk:write"),
    "parquet": Format("tables:write", library="pyarrow", of_study="tables:write_study"),
    "graphml": Format("network:write", needs="network"),
    "piff": Format("labels:write_piffs", needs="cells"),
    "labels": Format("labels:write", needs="cells"),
}


@dataclass
class Exported:
    """What was written.

    Attributes
    ----------
    folder : Path
    files : dict of str to list of Path
        By format.
    notes : list of str
        What the user of other tools should know of these files.
    """

    folder: Path
    files: dict[str, list[Path]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def export(
    source: Path,
    to: Sequence[str],
    out: Path | None = None,
    check: Callable[[], None] = lambda: None,
) -> Exported:
    """Export a run or a study.

    Parameters
    ----------
    source : Path
        Its folder.
    to : sequence of str
        Names of `FORMATS`.
    out : Path, optional
        A new or empty folder; by default ``export`` in that of the run, with a number appended if
        it exists.
    check : callable
        Called after each file; it may raise to stop.

    Raises
    ------
    InputError
        If there is no such format, it has nothing to show of this run, a library is not installed,
        or the folder is in use; then nothing has been written.
    """
    formats = {name: _format(name) for name in to}
    opened = Study.open(source) if os.path.isfile(source / STUDY) else Result.open(source)
    for name, found in formats.items():
        _check_content(name, found, opened, source)
        need(found.library, f"--to {name}")
    run = Snapshots(opened) if isinstance(opened, Result) else opened
    with _new_folder(source / DEFAULT if out is None else out, numbered=out is None) as folder:
        made = Exported(folder)
        for name, found in formats.items():
            place = found.write if isinstance(run, Snapshots) else found.of_study
            unfinished = folder / f".{name}.tmp"
            unfinished.mkdir()
            files = []
            for path in called(f"sim.view.export.{place}")(run, unfinished):
                files.append(folder / name / path.name)
                check()
            unfinished.rename(folder / name)
            made.files[name] = files
        if (
            isinstance(run, Snapshots)
            and {"tiff", "labels"} & {*formats}
            and run.survey.most_id > MOST_16_BIT
        ):
            made.notes.append(MANY_CELLS)
    return made


def to_xarray(result: Result) -> xr.Dataset:
    """Return a run as a Dataset; see `sim.runs.result.Result.to_xarray`."""
    need("xarray", "to_xarray")
    from sim.view.export import dataset

    return dataset.to_xarray(result)


def need(library: str, what: str) -> None:
    """Refuse what needs a library that is not installed."""
    if library and find_spec(library) is None:
        raise InputError(f"{what} needs {library}: pip install 'angiosim[export]'")


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise InputError(f"--to {shown(name)}: must be one of {', '.join(FORMATS)}")
    return FORMATS[name]


def _check_content(name: str, found: Format, opened: Result | Study, source: Path) -> None:
    """Refuse a format that has nothing to show of a run or a study."""
    if isinstance(opened, Study):
        if not found.of_study:
            known = ", ".join(each for each, one in FORMATS.items() if one.of_study)
            raise InputError(
                f"{source}: this is a study, which exports to {known} only; --to {name} is for the "
                "folder of a run, which each of its runs has with `angiosim sweep --keep-runs`"
            )
        return
    own = assay(opened.scenario.assay)
    has: Mapping[str, Callable[[Assay], bool]] = {
        "cells": lambda one: one.model == "lattice",
        "network": lambda one: one.graph is not None,
    }
    if found.needs and not has[found.needs](own):
        those = [each.name for each in assays().values() if has[found.needs](each)]
        what = {"cells": "cells on a lattice", "network": "a network"}[found.needs]
        raise InputError(
            f"{source}: --to {name} needs {what}, and {own.name} has none; these assays do: "
            f"{', '.join(those)}"
        )


@contextmanager
def _new_folder(path: Path, *, numbered: bool) -> Iterator[Path]:
    """Make a folder, or use an empty one; if anything fails, leave nothing in it.

    Raises
    ------
    FolderError
        If it is not empty or not writable.
    """
    path, made = make_new(path, numbered=numbered)
    try:
        yield path
    except BaseException:
        for item in path.iterdir():
            shutil.rmtree(item)
        remove_empty(made)
        raise
