"""Results of an analysis, as files in the folder of the study."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sim.analysis.analyse import Analysis, analyse
from sim.analysis.sensitivity import COLUMNS
from sim.assays import responses
from sim.errors import AngiosimError
from sim.files import plain, write_text_atomic
from sim.studies.table import Study

if TYPE_CHECKING:
    import pandas as pd

DOSE_RESPONSE, CURVES, COMBINATION = "dose_response.json", "dose_response.csv", "combination.csv"
SENSITIVITY, SENSITIVITY_TABLE = "sensitivity.json", "sensitivity.csv"
PANEL, WINDOWS = "panel.csv", "panel_windows.csv"
COURSES = "courses.csv"
TABLES = (
    DOSE_RESPONSE, CURVES, COMBINATION, SENSITIVITY, SENSITIVITY_TABLE, PANEL, WINDOWS, COURSES,
)  # fmt: skip


def picture(kind: str, response: str = "") -> str:
    """Return the file of a picture: ``ic50_meshes.png``."""
    return f"{kind}_{response}.png" if response else f"{kind}.png"


def pictures() -> tuple[str, ...]:
    """Return all that `sim.view.study.pictures` may draw of them."""
    kinds = ("dose_response", "ic50", "combination", "sensitivity")
    each = (picture(kind, response) for kind in kinds for response in responses())
    return (picture("dose_response"), picture("panel"), picture("courses"), *each)


def write_analysis(study: Study) -> Analysis:
    """Analyse a study whose table is written, and write what is found beside it.

    What is there is of an earlier table, so it is removed where nothing takes its place: of a
    shard, while runs are still planned, and when the study does not ask for it any more. So are
    its pictures, which are drawn elsewhere.

    Raises
    ------
    AngiosimError
        If the analysis fails.
    """
    try:
        for name in (*TABLES, *pictures()):
            if study.folder is not None:
                (study.folder / name).unlink(missing_ok=True)
        found = analyse(study)
        if study.folder is not None:
            _write(found, study.folder)
    except Exception as error:
        kind = "" if isinstance(error, AngiosimError) else f"{type(error).__name__}: "
        raise AngiosimError(
            f"{study.folder}: results.csv is complete, but it could not be analysed: {kind}{error}"
        ) from error
    return found


def _write(found: Analysis, folder: Path) -> None:
    if found.sensitivities:
        tree = {
            one.response: {arm: asdict(indices) for arm, indices in one.arms.items()}
            for one in found.sensitivities
        }
        _write_json(folder / SENSITIVITY, tree)
        table = io.StringIO(newline="")
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(row for one in found.sensitivities for row in one.rows())
        write_text_atomic(folder / SENSITIVITY_TABLE, table.getvalue())
    if found.dose_responses:
        fits = {
            one.response: {arm: fit.as_dict() for arm, fit in one.fits.items()}
            for one in found.dose_responses
        }
        _write_json(folder / DOSE_RESPONSE, fits)
        _write_tables(folder / CURVES, [one.table for one in found.dose_responses])
    if found.panel:
        _write_tables(folder / PANEL, [found.panel.table])
        _write_tables(folder / WINDOWS, [found.panel.windows])
    if found.courses:
        _write_tables(folder / COURSES, [found.courses.table])
    if found.combinations:
        _write_tables(folder / COMBINATION, [one.table for one in found.combinations])


def _write_json(path: Path, content: object) -> None:
    text = json.dumps(plain(content), indent=2, allow_nan=False, ensure_ascii=False)
    write_text_atomic(path, text + "\n")


def _write_tables(path: Path, tables: list[pd.DataFrame]) -> None:
    """Write tables below each other; numbers so that reading them gives the same bits."""
    lines = [
        table.to_csv(index=False, header=place == 0, lineterminator="\n")
        for place, table in enumerate(tables)
    ]
    write_text_atomic(path, "".join(lines))
