"""What a run has kept of its course: the frames and the end, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from sim.assays import assay
from sim.scenario.classes import ligands_of

if TYPE_CHECKING:
    from sim.runs.result import Result

FIELD, CELL = "field_", "cell_"
OF_CELLS = ("type", "drive", "activity")
"""Columns of the cells that are given as maps."""
OF_BED = {
    "oxygen": ("mmHg", "oxygen"),
    "vegf": ("ng/mL", "free VEGF"),
    "phi": ("um", "distance to the outline of the tumour, negative inside"),
    "w": ("1", "viable share of the tissue inside the outline"),
}
"""Unit and meaning of each field around vessels."""
ENDOTHELIAL = 1


class Field(NamedTuple):
    """Values on square voxels."""

    values: NDArray[np.float64]
    """(y, x)"""
    spacing_um: float
    unit: str
    """``"1"`` of what has none"""
    words: str


@dataclass(frozen=True)
class Snapshot:
    """A moment of a run.

    Attributes
    ----------
    step : int
        Steps since the start.
    seconds, time_h : float
        Time since the start; time in the drug's schedule, as in ``timeseries.csv``.
    arrays : mapping of str to ndarray
        As in ``frames/`` and ``final.npz``.
    scenario : Scenario
    """

    step: int
    seconds: float
    time_h: float
    arrays: Mapping[str, NDArray[Any]]
    scenario: Any

    @property
    def spacing_um(self) -> float:
        """Side of a site."""
        return float(self.scenario.domain.spacing_um)

    @cached_property
    def cell_id(self) -> NDArray[np.int64]:
        """Id of the cell on each site, 0 for none; the id is that of ``events.csv``."""
        rows = self.arrays["cell_id"]
        return np.asarray(self._ids[rows], np.int64)

    @property
    def _ids(self) -> NDArray[Any]:
        """Id of the cell in each row; the row itself where a run of an earlier version has none."""
        rows = np.arange(int(self.arrays["cell_id"].max(initial=0)) + 1)
        found: NDArray[Any] = self.arrays.get(f"{CELL}unique_id", rows)
        return found

    @property
    def maps(self) -> dict[str, NDArray[Any]]:
        """Maps [y, x] of the cells: ``cell_id``, ``cell_type``, ``cell_drive``, ..."""
        rows = self.arrays["cell_id"]
        columns = {name: self.arrays.get(f"{CELL}{name}") for name in OF_CELLS}
        found: dict[str, NDArray[Any]] = {"cell_id": self.cell_id.astype(np.int32)}
        for name, column in columns.items():
            if column is not None:
                kind = np.uint8 if name == "type" else np.float32
                found[f"{CELL}{name}"] = np.where(rows > 0, column[rows], 0).astype(kind)
        return found

    @property
    def type_names(self) -> dict[int, str]:
        """Name of the type of each cell, by its id."""
        known = ["endothelial", *self.scenario.types]
        rows = np.unique(self.arrays["cell_id"])
        types = self.arrays.get(f"{CELL}type", np.full(int(rows.max(initial=0)) + 1, ENDOTHELIAL))
        return {int(self._ids[row]): known[types[row] - ENDOTHELIAL] for row in rows if row}

    @property
    def fields(self) -> dict[str, Field]:
        """Fields that were recorded, by name."""
        own = self.spacing_um
        if is_bed(self.scenario):
            return {
                name: Field(self.arrays[name], own, *unit_and_words)
                for name, unit_and_words in OF_BED.items()
                if name in self.arrays
            }
        ligands = ligands_of(self.scenario)
        return {
            name: Field(
                values,
                float(self.arrays.get(f"spacing_um_{name}", own)),
                "ng/mL" if name in ligands else "1",
                f"concentration of {name}",
            )
            for name, values in (
                (key.removeprefix(FIELD), values)
                for key, values in self.arrays.items()
                if key.startswith(FIELD)
            )
        }


def is_bed(scenario: Any) -> bool:
    """Whether a scenario has vessels, and no cells on a lattice."""
    return assay(scenario.assay).model == "bed"


class Survey(NamedTuple):
    """What the snapshots of a run have, without their arrays."""

    shape: tuple[int, ...]
    """Of the lattice [y, x]; empty without one"""
    most_id: int
    """Greatest id of a cell"""
    fields: dict[str, Field]
    """Without values, by name"""
    shapes: dict[str, tuple[int, ...]]
    """Of each field"""
    seconds: dict[str, list[float]]
    """Times at which each field was recorded"""


class Snapshots:
    """The snapshots of a run in the order of time, each read when it is its turn.

    Attributes
    ----------
    result : Result
    steps : list of int
    """

    def __init__(self, result: Result) -> None:
        self.result = result
        table = result.timeseries
        self._last = int(table["mcs" if "mcs" in table else "step"].iloc[-1])
        self._frames = {*result.frames}
        self.steps = sorted({*self._frames, self._last})

    def __len__(self) -> int:
        return len(self.steps)

    @property
    def seconds(self) -> list[float]:
        """Time of each since the start."""
        return [step * float(self.result.scenario.time.mcs_s) for step in self.steps]

    def __iter__(self) -> Iterator[Snapshot]:
        scenario, frames = self.result.scenario, self.result.frames
        for step, seconds in zip(self.steps, self.seconds, strict=True):
            arrays = dict(frames[step]) if step in self._frames else {}
            if step == self._last:  # which has the fields, whatever is recorded
                arrays |= self.result.final
            time_h = float(scenario.time.start_h) + seconds / 3600
            yield Snapshot(step, seconds, time_h, arrays, scenario)

    @cached_property
    def survey(self) -> Survey:
        """What they have; found in one pass over all of them."""
        found = Survey((), 0, {}, {}, {})
        for one in self:
            if not is_bed(one.scenario):
                most = max(found.most_id, int(one.cell_id.max(initial=0)))
                found = found._replace(shape=one.cell_id.shape, most_id=most)
            for name, field in one.fields.items():
                found.fields[name] = field._replace(values=field.values[:0])
                found.shapes[name] = field.values.shape
                found.seconds.setdefault(name, []).append(one.seconds)
        return found


def file_of_field(name: str) -> str:
    """Return what the files of a field are called; its name may have any character."""
    return f"{FIELD}{quote(name, safe='+')}"


def about(result: Result) -> dict[str, Any]:
    """Return where a result comes from: version, scenario, its hash, seed."""
    return {
        "version": str(result.manifest.get("version", "")),
        "assay": result.scenario.assay,
        "scenario": result.scenario.name,
        "scenario_hash": str(result.manifest.get("scenario_hash", "")),
        "seed": int(result.seed),
    }


def origin(result: Result) -> str:
    """Return the same in a line."""
    found = about(result)
    return (
        f"angiosim {found['version']}, {found['assay']}, scenario {found['scenario']} "
        f"({found['scenario_hash'][:12]}), seed {found['seed']}"
    )
