"""The smallest run, study and calibration, and what they leave."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import sim

ROOT = Path(sim.__file__).parents[1]
COMMAND = [sys.executable, "-m", "sim"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
TINY = {
    "domain.size_um": [60, 60],
    "cells.count": 3,
    "time.duration_h": 6 / 120,
    "time.record_every_h": 2 / 120,
}
STUDY: dict[str, Any] = {
    "name": "doses",
    "base": "tube_formation",
    "replicates": 2,
    "grid": {"drug.free_nM": [0, 1, 2]},
    "dose_response": {"dose": "drug.free_nM", "responses": ["tube_length_mm"]},
}
FIT: dict[str, Any] = {
    "name": "fit", "base": "tube_formation", "replicates": 1, "trials": 4,
    "parameters": {"engine.contact_energy.cell_cell": [2, 20]},
    "data": {"rows": [{"tube_length_mm": 1.0, "tube_length_mm_sd": 0.1}]},
}  # fmt: skip


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def results_of(folder: Path) -> dict[str, bytes]:
    """The files of a run, study or calibration that hold results, and not where they were made."""
    kept = (".csv", ".npz", ".toml", "summary.json", "calibration.json")
    return {name: data for name, data in files_of(folder).items() if name.endswith(kept)}


def litter_in(folder: Path) -> list[str]:
    ends = (".tmp", "-journal", ".lock")
    return [path.name for path in folder.rglob("*") if path.name.endswith(ends)]


def draw_nothing(result: Any, folder: Path) -> None:
    """In place of the pictures of a run."""
