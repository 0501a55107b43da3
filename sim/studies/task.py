"""The task and the outcome of a worker, and the status of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.errors import AngiosimError

Metrics = dict[str, float | int]


PLANNED, DONE, FAILED = "planned", "done", "failed"


WORKER = "worker"  # stage of failures not caused by the run: its process died, no memory, no disk
TIME_LIMIT = "time limit"  # of runs that were stopped as they took longer than they may


class PlaceError(AngiosimError):
    """A worker that cannot do the run, where another, or a later one, may."""


@dataclass(frozen=True)
class Task:
    """A run to do.

    Attributes
    ----------
    key : str
        Its key.
    settings : dict
        What is laid over the study's base, by dotted key.
    seed : int
    folder : str or None
        New folder for all its results, if they are kept.
    base : dict or None
        The base of its arm, if that has its own instead of the study's.
    course : dict or None
        ``responses`` and ``at_h``: read-outs to keep at these times.
    from_h : float or None
        Time at which it branches from the run of its base alone.
    parents : str or None
        Folder in which those are kept.
    """

    key: str
    settings: dict[str, Any]
    seed: int
    folder: str | None = None
    base: dict[str, Any] | None = None
    course: dict[str, Any] | None = None
    from_h: float | None = None
    parents: str | None = None


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run: its metrics, or where and why it failed.

    Attributes
    ----------
    key : str
    metrics : dict or None
        Final read-outs; None if it failed.
    stage : str
        ``"set-up"``, ``"run"``, ``"read-out"``, ``"worker"`` if its process or machine failed, or
        ``"time limit"``.
    error, traceback : str
    seconds : float
        How long it took.
    environment : mapping of str to str
        Versions of libraries and the processor that made it.
    """

    key: str
    metrics: Metrics | None
    stage: str = ""
    error: str = ""
    traceback: str = ""
    seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
