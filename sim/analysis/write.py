"""The files of a study's analysis."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sim.analysis.sensitivity import SENSITIVITY, SENSITIVITY_TABLE, write_sensitivity
from sim.assays import responses
from sim.files import plain, write_text_atomic

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from sim.studies.table import Study

    Array = NDArray[np.float64]
from sim.analysis.combination import combinations
from sim.analysis.dose_response import COMBINATION, CURVES, DOSE_RESPONSE, dose_response


def pictures() -> tuple[str, ...]:
    """Return all that `sim.view.study.pictures` may draw of them."""
    kinds = ("dose_response", "ic50", "combination", "sensitivity")
    each = (f"{kind}_{response}.png" for kind in kinds for response in responses())
    return ("dose_response.png", *each)


def write_analysis(study: Study) -> None:
    """Write what a study asks for: fits, combinations, and the files of its sensitivity.

    What is there is of an earlier table, so it is removed where nothing is made: of a shard, while
    runs are still planned, and when the study does not ask for it any more. So are its pictures,
    which are drawn elsewhere.
    """
    if study.folder is None:
        return
    tables = (DOSE_RESPONSE, CURVES, COMBINATION, SENSITIVITY, SENSITIVITY_TABLE)
    for name in (*tables, *pictures()):
        (study.folder / name).unlink(missing_ok=True)
    if not study.is_complete:
        return
    write_sensitivity(study)
    if not study.plan.dose_response:
        return
    responses = study.plan.dose_response["responses"]
    found = {response: dose_response(study, response) for response in responses}
    fits = {
        response: {arm: fit.as_dict() for arm, fit in one.fits.items()}
        for response, one in found.items()
    }
    text = json.dumps(plain(fits), indent=2, allow_nan=False, ensure_ascii=False)
    write_text_atomic(study.folder / DOSE_RESPONSE, text + "\n")
    _write_tables(study.folder / CURVES, [one.table for one in found.values()])
    if study.plan.combination:
        compared = [combinations(study, response).table for response in responses]
        _write_tables(study.folder / COMBINATION, compared)


def _write_tables(path: Path, tables: list[pd.DataFrame]) -> None:
    """Write tables below each other; numbers so that reading them gives the same bits."""
    lines = [
        table.to_csv(index=False, header=place == 0, lineterminator="\n")
        for place, table in enumerate(tables)
    ]
    write_text_atomic(path, "".join(lines))
