"""Tables as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.version import __version__
from sim.view.export.snapshots import Snapshots, about

if TYPE_CHECKING:
    import pandas as pd

    from sim.studies.table import Study


def write(run: Snapshots, folder: Path) -> Iterator[Path]:
    """Write the time series, the final read-outs and the tables of the assay."""
    import pandas as pd

    result = run.result
    tables = {"timeseries": result.timeseries, "summary": pd.DataFrame([result.summary])}
    tables |= {Path(name).stem: table for name, table in result.tables.items()}
    for name, table in tables.items():
        yield _write(folder / f"{name}.parquet", table, about(result))


def write_study(study: Study, folder: Path) -> Iterator[Path]:
    """Write the results of all runs, and the tables of the analysis that are in the folder."""
    import pandas as pd

    from sim.analysis.write import TABLES
    from sim.studies.table import RESULTS, frame_of

    assert study.folder is not None
    told = {"version": __version__, "study": study.plan.name}
    yield _write(folder / f"{Path(RESULTS).stem}.parquet", frame_of(study), told)
    for path in (study.folder / name for name in TABLES):
        if path.suffix == ".csv" and path.is_file():
            yield _write(folder / f"{path.stem}.parquet", pd.read_csv(path), told)


def _write(path: Path, table: pd.DataFrame, about: Mapping[str, Any]) -> Path:
    """Write a table, with where it comes from among its metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    made = pa.Table.from_pandas(table, preserve_index=False)
    told = {f"angiosim.{key}": str(value) for key, value in about.items()}
    parquet.write_table(
        made.replace_schema_metadata({**(made.schema.metadata or {}), **told}), path
    )
    return path
