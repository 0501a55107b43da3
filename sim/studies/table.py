"""Result of a study: its runs with their read-outs, as a table, and the failures."""

from __future__ import annotations

import csv
import io
import json
import os
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sim import hooks
from sim.assays import FLAGS
from sim.errors import FileError, FolderError, InputError, LedgerWarning, ScenarioError
from sim.files import (
    parse_toml,
    read_bytes,
    read_toml,
    sha256,
    write_bytes_atomic,
    write_text_atomic,
)
from sim.input import checked_path
from sim.studies.file import plan_study
from sim.studies.ledger import LEDGER, Entry, Ledger
from sim.studies.plan import Plan, PlannedRun
from sim.studies.task import DONE, FAILED, PLANNED
from sim.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

STUDY, RESULTS, PARQUET = "study.toml", "results.csv", "results.parquet"
"""Files of a study folder, beside the `LEDGER`."""
RUNS, PARENTS = "runs", "parents"
"""Folders in it: with the runs, and with those that others branch from."""
CALIBRATION, DESIGN = "calibration.toml", "design.toml"
"""The files that describe the folders of calibrations and designs, as `STUDY` does a study's."""


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    Attributes
    ----------
    run : PlannedRun
    stage : str
        ``"set-up"``, ``"run"``, ``"read-out"``, or ``"worker"`` if its process or machine failed.
    error, traceback : str
        What went wrong.
    """

    run: PlannedRun
    stage: str
    error: str
    traceback: str

    def __str__(self) -> str:
        return f"{label_of(self.run)}, {self.stage}: {self.error}"


@dataclass(repr=False)
class Study:
    """A study with the results of its runs.

    Attributes
    ----------
    plan : Plan
        The study as planned.
    runs : list of PlannedRun
        The runs asked for: all of the plan, or those of a shard.
    entries : mapping of str to Entry
        The ledger's entry of each run, by its key.
    folder : Path or None
        Its folder; None if nothing was written.
    """

    plan: Plan
    runs: list[PlannedRun]
    entries: Mapping[str, Entry]
    folder: Path | None

    def __repr__(self) -> str:
        where = f", in {self.folder}" if self.folder else ""
        done = self.count(DONE)
        return f"<{self.plan.name}: {done} of {len(self.runs)} runs done{where}>"

    def count(self, status: str) -> int:
        """Return how many runs are ``"planned"``, ``"done"`` or ``"failed"``."""
        return sum(self.entries[run.key].status == status for run in self.runs)

    @property
    def is_shard(self) -> bool:
        """Whether these are only some of the study's runs."""
        return len(self.runs) < len(self.plan.runs)

    @property
    def is_complete(self) -> bool:
        """Whether all runs of the study are done or failed: only then is it analysed."""
        return not self.is_shard and not self.count(PLANNED)

    @classmethod
    def open(cls, folder: str | Path) -> Study:
        """Return the study in a folder, also while it is running; see `open_result`."""
        return open_result(checked_path("folder", folder))

    def dose_response(self, response: str | None = None) -> Any:
        """Fit the dose-response of a read-out in every arm; by default of the study's first.

        Raises
        ------
        InputError
            If the study has no ``[dose_response]``, or no such read-out.
        """
        return hooks.call("dose_response", self, response)

    def combinations(self, response: str | None = None) -> Any:
        """Compare combined blockades with their parts; by default in the study's first read-out.

        Raises
        ------
        InputError
            If the study has no ``[combination]``, or no such read-out.
        """
        return hooks.call("combinations", self, response)

    def panel(self) -> Any:
        """Compare the assays of the study under its drugs: their IC50s, and windows to harm.

        Raises
        ------
        InputError
            If the study has no ``[dose_response]`` in ``drug.free_nM``.
        """
        return hooks.call("panel", self)

    def courses(self) -> Any:
        """Return the read-outs of all arms over time, and against their control.

        Raises
        ------
        InputError
            If the study has no ``[course]``.
        """
        return hooks.call("courses", self)

    def sensitivity(self, response: str | None = None) -> Any:
        """Compute sensitivity indices of a read-out in every arm; by default of the first.

        Raises
        ------
        InputError
            If the study has no ``[sample]`` with indices, or no such read-out.
        """
        return hooks.call("sensitivity", self, response)

    def plot(self, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw what the study is about: its panel, courses, sensitivity or dose-response.

        Raises
        ------
        InputError
            If it asks for none of them, or is not complete.
        """
        return hooks.draw(self, ax=ax, fig=fig)

    def whole(self) -> Self:
        """Return the whole study of a shard, as far as its folder has it."""
        return replace(self, runs=self.plan.runs) if self.is_shard else self

    def check_not_shard(self) -> None:
        """Refuse to analyse a shard as if it were the whole study.

        Raises
        ------
        InputError
            If this is a shard.
        """
        if self.is_shard:
            raise InputError(
                f"{self.plan.name}: this is one shard with {len(self.runs)} of "
                f"{len(self.plan.runs)} runs; `angiosim merge` all shards first"
            )

    @property
    def results(self) -> pd.DataFrame:
        """One row per run, as in ``results.csv``; read-outs of runs that are not done are NaN."""
        import pandas as pd

        columns, rows = table_of(self)
        return pd.DataFrame(rows, columns=columns)

    @property
    def environments(self) -> list[tuple[Mapping[str, str], int]]:
        """What made the runs that are done, with their number: versions and the processor.

        Runs of which the ledger does not know it have an empty one.
        """
        made = [self.entries[run.key] for run in self.runs]
        count = Counter(
            tuple(sorted(entry.environment.items())) for entry in made if entry.status == DONE
        )
        return [(dict(environment), number) for environment, number in count.most_common()]

    @property
    def failures(self) -> list[Failure]:
        """The runs that failed, with their reasons."""
        found = ((run, self.entries[run.key]) for run in self.runs)
        return [
            Failure(run, entry.stage, entry.error, entry.traceback)
            for run, entry in found
            if entry.status == FAILED
        ]


def label_of(run: PlannedRun) -> str:
    """Return which run of a study this is: its number and its settings."""
    settings = {**run.group, **run.parameters, "replicate": run.replicate}
    which = ", ".join(f"{key} = {_cell(value)}" for key, value in settings.items())
    return f"run {run.index} ({which})"


def check_content(folder: Path, file: str) -> None:
    """Refuse the folder of a calibration where a study is expected, and the like.

    Parameters
    ----------
    folder : Path
    file : str
        The file expected in it: `STUDY`, `CALIBRATION` or `DESIGN`.

    Raises
    ------
    FolderError
        If it has another one.
    """
    if os.path.exists(folder / file):
        return
    for other in {STUDY, CALIBRATION, DESIGN} - {file}:
        if os.path.exists(folder / other):
            found, kind = (name.removesuffix(".toml") for name in (other, file))
            raise FolderError(f"{folder}: contains a {found}, not a {kind}; choose another folder")


def open_result(folder: Path) -> Study:
    """Return the study in a folder; it may be running.

    Runs keep their keys, also if the code has changed since.

    Raises
    ------
    InputError
        If there is no study, one of another version, or one whose runs cannot be matched here.
    """
    check_content(folder, STUDY)
    if not os.path.isfile(folder / LEDGER):
        raise InputError(f"{folder}: not a study folder; `angiosim sweep` creates one")
    with Ledger(folder / LEDGER, read_only=True) as ledger, ledger.read_transaction():
        entries, keys, about = ledger.entries(), ledger.planned(), ledger.about()
        stored = ledger.identities()
    if not about:
        raise InputError(f"{folder}: this study was stopped before it was planned; start it again")
    try:
        plan = plan_study(parse_toml(about["study"]))
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(folder / LEDGER, f"says of no study what it is ({error})") from error
    except ScenarioError as error:
        raise InputError(
            f"{folder}: was planned with angiosim {about['version']}, and this is {__version__}; "
            f"open it with that version, or read results.csv. {error}"
        ) from error
    _check_files(folder, plan, about)
    runs = [replace(run, key=keys[run.index]) for run in plan.runs if run.index in keys]
    names: dict[str, list[Any]] = {}  # identical runs of several arms share a key
    for run in runs:
        names.setdefault(run.key, []).append((run.group | run.parameters, run.replicate, run.seed))
    known = {key: name for key, name in stored.items() if key in names}
    if len(runs) < len(keys) or any(name not in names[key] for key, name in known.items()):
        raise InputError(
            f"{folder}: was planned with angiosim {about['version']} or other versions of SciPy or "
            "SALib, which give other sample points, so its runs cannot be matched here; open it "
            "with those, or read results.csv"
        )
    ledger.warn_of_lost({run.key: label_of(run) for run in runs})
    lost = {key: Entry(PLANNED, {}) for key in names if key not in entries}
    return Study(plan, runs, entries | lost, folder)


def _check_files(folder: Path, plan: Plan, about: Mapping[str, str]) -> None:
    """Warn of files that are not as the study wrote them; refuse the ledger of another study."""
    again = f"`angiosim sweep {folder / STUDY} --out {folder}` writes it again"
    try:
        found = read_toml(folder / STUDY).get("name")
    except FileError as error:
        warnings.warn(f"{error}; {again}", LedgerWarning, stacklevel=4)
    else:
        if found not in (None, plan.name):
            raise InputError(
                f"{folder / LEDGER}: is of the study {plan.name!r}, and {STUDY} of {found!r}; "
                "restore the one that belongs here"
            )
        if found is None:
            warnings.warn(f"{folder / STUDY}: is damaged; {again}", LedgerWarning, stacklevel=4)
    try:
        same = sha256(read_bytes(folder / RESULTS)) == about.get("results")
    except FileError:
        same = False
    if "results" in about and not same:
        what = f"{folder / RESULTS}: is lost, or not as the study wrote it"
        warnings.warn(f"{what}; {again}", LedgerWarning, stacklevel=4)


def table_of(study: Study) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of the table of results, in the order of the plan."""
    known = [study.entries[run.key] for run in study.runs]
    readouts = list(dict.fromkeys(name for entry in known for name in entry.metrics))
    groups, parameters = study.plan.groups, study.plan.parameters
    columns = ["run", *groups, *parameters, "replicate", "seed", "status", *readouts]
    rows = [
        [
            run.index,
            *(run.group[name] for name in groups),
            *(run.parameters.get(key) for key in parameters),
            run.replicate,
            run.seed,
            entry.status,
            *(entry.metrics.get(name, _lacking(name, entry)) for name in readouts),
        ]
        for run, entry in zip(study.runs, known, strict=True)
    ]
    return columns, rows


def _lacking(name: str, entry: Entry) -> int | None:
    """Return what stands for a read-out that a run has not: a flag that is not raised is 0."""
    return 0 if name in FLAGS and entry.status == DONE else None


def write_results(study: Study, ledger: Ledger) -> None:
    """Write ``results.csv``, and ``results.parquet`` where pyarrow is installed."""
    if study.folder is None:
        return
    columns, rows = table_of(study)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_text_atomic(study.folder / RESULTS, text.getvalue())
    ledger.note_results(sha256(text.getvalue()))
    if find_spec("pyarrow") is not None:
        buffer = io.BytesIO()
        frame_of(study).to_parquet(buffer, engine="pyarrow", index=False)
        write_bytes_atomic(study.folder / PARQUET, buffer.getvalue())
    else:  # an older one, written where pyarrow is installed, would be outdated
        (study.folder / PARQUET).unlink(missing_ok=True)


def frame_of(study: Study) -> pd.DataFrame:
    """Return the table of results with one type in each column: mixed kinds become texts."""
    import pandas as pd

    columns, rows = table_of(study)
    table: dict[str, list[Any]] = {}
    for name, values in zip(columns, zip(*rows, strict=True), strict=True):
        numbers = all(value is None or type(value) in (int, float) for value in values)
        table[name] = [v if numbers or v is None else _cell(v) for v in values]
    return pd.DataFrame(table)


def _cell(value: Any) -> str:
    """Return a value as text; numbers so that reading them gives the same bits."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return repr(value) if type(value) in (int, float) else json.dumps(value)
