"""The records of a model: rows of its data collector, read, dropped and given back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any, Protocol

Rows = dict[str, list[Any]]
"""The columns of the time series, by name."""


class Recorded(Protocol):
    """A model that records itself."""

    datacollector: Any
    scenario: Any
    mcs: int

    def record(self) -> None: ...  # noqa: D102

    @property
    def STEP(self) -> str: ...  # noqa: D102


def rows_of(model: Recorded) -> Rows:
    """Return the rows that a model has recorded so far."""
    return {name: list(column) for name, column in model.datacollector.model_vars.items()}


def give_rows(model: Recorded, rows: Mapping[str, Sequence[Any]]) -> None:
    """Let a model have recorded these rows, and no others."""
    drop_rows(model, after=-1)
    collector: Any = model.datacollector
    for name, column in collector.model_vars.items():
        column[:] = rows[name]
    if hasattr(collector, "_collection_steps"):  # Mesa 3.5: by its own clock
        collector._collection_steps[:] = map(float, rows[model.STEP])


def keep_rows(rows: Rows, steps: str, wanted: Callable[[int], bool]) -> Rows:
    """Return the rows of the steps that are wanted, by the column with the steps."""
    kept = [wanted(step) for step in rows[steps]]
    return {name: list(compress(column, kept)) for name, column in rows.items()}


def record_again(model: Recorded) -> None:
    """Measure this step anew, if it is one to record: the drug may be another from it on."""
    drop_rows(model, after=model.mcs - 1)
    if model.scenario.time.records(model.mcs):
        model.record()


def drop_rows(model: Recorded, after: int) -> None:
    """Drop the rows of steps after `after` from the data collector, and those of agents then."""
    collector: Any = model.datacollector
    if model.STEP not in collector.model_vars:  # a user's own
        return
    kept = [step <= after for step in collector.model_vars[model.STEP]]
    times = list(getattr(collector, "_collection_steps", collector.model_vars[model.STEP]))
    for records in (collector._agent_records, collector._agenttype_records):
        for time, keep in zip(times, kept, strict=True):
            if not keep:
                records.pop(time, None)
    columns = [*collector.model_vars.values()]
    if hasattr(collector, "_collection_steps"):
        columns.append(collector._collection_steps)
    for column in columns:
        column[:] = list(compress(column, kept))
