"""What the model asks of its assay: how it starts, what it remembers, what it reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sim.assays import assay
from sim.assays.declare import Assay, Tissue, Uniforms, called
from sim.scenario import image
from sim.scenario.schema import LatticeScenario
from sim.tissue import CellStore

PREFIX = "assay."
"""Of what an assay remembers, in the state of a model."""
EVENT = ("mcs", "born", "cell", "mother", "x", "y")
"""Columns of the events that an assay with births or deaths remembers; places in sites."""


class Model(Protocol):
    """A model, as far as its assay sees it."""

    scenario: LatticeScenario
    mcs: int

    @property
    def time_h(self) -> float: ...  # noqa: D102
    @property
    def cell_id(self) -> NDArray[np.int32]: ...  # noqa: D102
    @property
    def cells(self) -> CellStore: ...  # noqa: D102
    def id_of(self, row: int) -> int: ...  # noqa: D102
    @property
    def fields(self) -> Mapping[str, NDArray[np.float64]]: ...  # noqa: D102


def tissue_of(model: Model) -> Tissue:
    """Return what the assay sees of a model: arrays that cannot be written."""
    domain = model.scenario.domain
    return Tissue(
        mcs=model.mcs,
        mcs_s=model.scenario.time.mcs_s,
        time_h=model.time_h,
        spacing_um=domain.spacing_um,
        periodic=domain.boundary == "periodic",
        lattice=model.cell_id,
        cells={name: _read_only(rows[:-1]) for name, rows in model.cells.columns.items()},
        fields={name: _read_only(values) for name, values in model.fields.items()},
    )


def own_parts(declared: Assay) -> tuple[Callable[..., None], ...]:
    """Return the parts of a step that an assay brings itself."""
    return tuple(called(name) for name in declared.parts if ":" in name)


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


class RunningAssay:
    """The assay of one model.

    Parameters
    ----------
    scenario : LatticeScenario

    Attributes
    ----------
    memory : dict of str to ndarray
        What it remembers; nothing before `begin`.
    parts : tuple of str
        Parts of the step that it asks for.
    own_parts : tuple of callable
        Those of them that only it has: ``part(model, border)``.
    """

    def __init__(self, scenario: LatticeScenario) -> None:
        declared = assay(scenario.assay)
        self.scenario = scenario
        self.memory: dict[str, NDArray[Any]] = {}
        self._start, self._measure = called(declared.start), called(declared.measure)
        self._keeper, self.parts = declared.memory, declared.parts
        self._in_frames = declared.in_frames
        self.own_parts = own_parts(declared)

    @property
    def remembers(self) -> bool:
        """Whether it looks at every step."""
        return self._keeper is not None

    def start(self, uniforms: Uniforms) -> tuple[NDArray[Any], list[int]]:
        """Return the lattice with the cells on it, and their types."""
        if self.scenario.cells.seeding == image.SEEDING:
            sites, types = image.cells_of(self.scenario)
        else:
            sites, types = self._start(self.scenario, uniforms)
        return np.ascontiguousarray(sites, np.int32), types

    def begin(self, model: Model) -> None:
        """Remember what is there at the start."""
        if self._keeper:
            self.memory = dict(called(self._keeper).begin(tissue_of(model), self.scenario))
        if {"division", "death"} & {*self.parts}:
            self.memory |= {"born": np.array(0), "died": np.array(0)}
            self.memory["events"] = np.empty((0, len(EVENT)))

    def after_step(self, model: Model) -> None:
        """Bring the memory up to date."""
        if self._keeper:
            called(self._keeper).after_step(tissue_of(model), self.memory, self.scenario)

    def note_birth(self, model: Model, row: int, mother: int, mcs: int) -> None:
        """Remember that a cell was born in a step."""
        self._note(model, "born", row, model.id_of(mother), mcs)

    def note_death(self, model: Model, row: int, mcs: int) -> None:
        """Remember that a cell died in a step, unless it was dying, or no deaths are counted."""
        cells = model.cells
        if "died" in self.memory and not ("dying" in cells.columns and cells["dying"][row]):
            self._note(model, "died", row, 0, mcs)

    def _note(self, model: Model, what: str, row: int, mother: int, mcs: int) -> None:
        self.memory[what][...] += 1
        y, x = model.cells["centroid"][row] + 0.5  # the middle of a site, as in pictures
        height, width = model.scenario.shape
        event = mcs, what == "born", model.id_of(row), mother, x % width, y % height
        self.memory["events"] = np.vstack([self.memory["events"], event])

    def measure(self, model: Model) -> dict[str, float | int]:
        """Return the assay's own read-outs by name."""
        return dict(self._measure(tissue_of(model), self.memory, self.scenario))

    def tables(self, model: Model) -> dict[str, dict[str, NDArray[Any]]]:
        """Return the columns of the assay's own tables by the name of the file."""
        about = tissue_of(model), self.memory, self.scenario
        declared = assay(self.scenario.assay).tables
        return {name: dict(called(place)(*about)) for name, place in declared}

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the memory as entries of the model's state."""
        return {f"{PREFIX}{name}": array for name, array in self.memory.items()}

    def frame(self) -> dict[str, NDArray[Any]]:
        """Return copies of what each frame has of the memory."""
        return {f"{PREFIX}{name}": self.memory[name].copy() for name in self._in_frames}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Remember what a state of the model holds."""
        self.memory = {name: state[f"{PREFIX}{name}"].copy() for name in self.memory}
