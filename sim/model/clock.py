"""The clock: one readable step that says the order of events."""

from __future__ import annotations

from functools import partial
from time import perf_counter
from typing import Any

import mesa
import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Uniforms
from sim.input import checked_count
from sim.kernels.draws import SEEDING, uniforms
from sim.model import assembly, guards
from sim.model.agents import EndothelialCell
from sim.model.assay import RunningAssay
from sim.model.assembly import ENDOTHELIAL
from sim.model.base import Array, Arrays, AssayModel
from sim.model.parts.behaviour import behaviour, border_sums
from sim.model.parts.cells import potts_sweep
from sim.model.parts.drug import free_drug
from sim.model.parts.fields import fields
from sim.model.parts.life import births, deaths
from sim.model.parts.media import media
from sim.model.parts.notch import begin_notch, notch
from sim.model.parts.record import assay_memory, record_when_due
from sim.model.parts.signals import ligand_at_cells, receptors
from sim.model.parts.together import steps_together, undisturbed
from sim.scenario.schema import LatticeScenario, Scenario
from sim.signalling.clock import substeps
from sim.tissue import CellStore

PARTS = (
    free_drug, media, ligand_at_cells, receptors, border_sums, notch, behaviour, fields,
    potts_sweep, deaths, births, assay_memory, record_when_due,
)  # fmt: skip
"""The parts of a step in the order of events; fields move before or after the sweep.

Those that an assay brings itself come after behaviour.
"""


class AngiogenesisModel(AssayModel):
    """Endothelial cells on a lattice, their ligands, a drug, and the clock that moves them.

    Parameters
    ----------
    scenario : Scenario
        What to simulate; see `sim.load`.
    rng : int, optional
        Seed, from 0 to 2^63 - 1; the scenario's own if not given. All draws of the simulation are
        counted from it (`sim.kernels.draws`); Mesa's own generators are seeded with it and never
        used.
    threads : int
        Threads of the sweep and of explicit fields, for large domains. No bit depends on it.
    paranoid : bool
        Whether areas, moments, energies and the mass balance of fields are computed from scratch
        at each record and compared. No bit depends on it.

    Raises
    ------
    InputError
        If the cells find no room, or the seed or the number of threads is out of range.

    Attributes
    ----------
    mcs : int
        Monte Carlo steps made.
    running : bool
        Whether the end of the experiment, ``scenario.time.steps``, is still to come.
    tissue : sim.tissue.Tissue
        The cells on their lattice, and the fields around them.
    free_nM : (substeps,) float64
        Unbound drug at the start of each equal part of the latest step.
    baths : dict of str to () or (rows, columns) float64
        Concentration in the bath by field, of a held gradient by voxel; ng/mL for ligands.
    readouts : dict of str to number
        The latest record.
    datacollector : mesa.DataCollector
        A row for each record.
    seconds : dict of str to float
        Wall time by part.
    """

    OF = LatticeScenario
    scenario: LatticeScenario

    def __init__(
        self,
        scenario: Scenario,
        rng: int | None = None,
        threads: int = 1,
        *,
        paranoid: bool = False,
    ) -> None:
        super().__init__(scenario, rng, threads, paranoid=paranoid)
        assert isinstance(scenario, LatticeScenario)  # else it was refused
        self.pathways = assembly.pathways_of(scenario)
        self.constants = assembly.constants_of(scenario, self.pathways)
        self.sensing = assembly.sensing_of(scenario, self.pathways)
        self.reactions = assembly.reactions_of(scenario, self.pathways)
        self.baths, self.media = assembly.baths_of(scenario), assembly.media_of(scenario)
        self.free_nM: Array = np.zeros(substeps(scenario.time.mcs_s))

        self.assay = RunningAssay(scenario)
        lattice, types = self._start(partial(uniforms, self.seed, SEEDING, 0, 0))
        self.tissue = assembly.tissue_of(scenario, lattice, types, self.pathways)
        begin_notch(self)
        self._ahead = np.zeros(1, np.int64)
        self.audit = guards.Audit() if paranoid else None
        self.next_id = 1
        self._views: dict[int, EndothelialCell] = {}
        self._match_agents_to_rows()

        self.assay.begin(self)
        self._compile()
        self._begin_records()

    def step(self) -> None:
        """One Monte Carlo step; also after the end of the experiment, where `running` is False."""
        ahead = self._ahead.item()
        if ahead > 1:  # taken already, together with the next one, by `advance`
            self._ahead[0] -= 1
            self.mcs += 1
            return
        free_drug(self)
        media(self)
        if ahead == 0:
            ligand_M = ligand_at_cells(self)
            receptors(self, ligand_M)
            border = border_sums(self)
            notch(self, border)
            behaviour(self, border)
            for own_part in self.assay.own_parts:
                own_part(self, border)
            fields(self, "before_sweep")
            potts_sweep(self)
            deaths(self)
            births(self)
            fields(self, "after_sweep")
        else:
            self._ahead[0] = 0
            deaths(self)
        self.mcs += 1
        assay_memory(self)
        record_when_due(self)
        if self.mcs >= self.scenario.time.steps:
            self.running = False

    def advance(self, steps: int) -> None:
        """Take this many steps; where nothing but cells and a field moves, many in one call.

        A class with a `step` of its own has its steps taken one by one.
        """
        steps = checked_count("steps", steps, least=0)
        alone = type(self).step is not AngiogenesisModel.step
        while steps > 0:
            many = 1 if alone else min(steps, undisturbed(self))
            try:
                if many > 1:
                    steps_together(self, many, self._ahead)
                for _ in range(many):
                    self.step()
            except BaseException:  # an interruption waits for a call's end: its steps are counted
                while self._ahead.item() > 0:
                    self.step()
                raise
            steps -= many

    # -- what a user looks at ---------------------------------------------------------------

    @property
    def cell_id(self) -> NDArray[np.int32]:
        """(y, x) int32, 0 for medium, else the row of the cell: a view that cannot be written."""
        sites = self.lattice.view()
        sites.flags.writeable = False
        return sites

    @property
    def lattice(self) -> NDArray[np.int32]:
        """(y, x) int32, the array that the kernels use; `cell_id` is the same to look at."""
        return self.tissue.lattice

    @property
    def cells(self) -> CellStore:
        """Cells as arrays; `agents` are views of its rows."""
        return self.tissue.cells

    @property
    def fields(self) -> dict[str, Array]:
        """Concentrations (y, x) by name, the arrays that the kernels use; ng/mL for ligands."""
        return self.tissue.fields

    @property
    def endothelial(self) -> NDArray[np.int64]:
        """Rows of the living endothelial cells; dying ones count as dead."""
        living = self.living
        rows: NDArray[np.int64] = living[self.cells["type"][living] == ENDOTHELIAL]
        return rows

    @property
    def living(self) -> NDArray[np.int64]:
        """Rows of the living cells; dying ones, which are still in the tissue, count as dead."""
        cells = self.cells
        if "dying" in cells.columns:
            return np.flatnonzero(cells["alive"] & (cells["dying"] == 0))
        return cells.living

    @property
    def agents(self) -> mesa.agent.AgentSet:
        """The cells, in a new set: removing one from the set leaves it in the tissue."""
        return mesa.agent.AgentSet(list(super().agents), random=self.random)

    @property
    def agents_by_type(self) -> dict[type[mesa.Agent], mesa.agent.AgentSet]:
        """`agents` by class."""
        return {
            kind: mesa.agent.AgentSet(list(agents), random=self.random)
            for kind, agents in super().agents_by_type.items()
        }

    @property
    def ids(self) -> NDArray[np.int64]:
        """(rows,) ``unique_id`` of the cell in each row, 0 where there is none."""
        ids = np.zeros(self.cells.area.size, np.int64)
        for row, view in self._views.items():
            ids[row] = view.unique_id
        return ids

    def cell_at(self, y: int, x: int) -> EndothelialCell | None:
        """The cell on a site, if any."""
        return self._views.get(int(self.cell_id[y, x]))

    def read(self) -> dict[str, float | int]:
        """Drive, cells and the assay's read-outs, now."""
        living = self.living
        return {
            "mean_drive": float(self.cells["drive"][living].mean()) if living.size else 0.0,
            "cells": int(living.size),
            **self.assay.measure(self),
        }

    def check_arrays(self) -> None:
        """Refuse fields and cells out of range, and areas that do not add up; see `check`."""
        guards.check_lattice(self)

    def check_again(self) -> None:
        """Compare sums, agents and energies with those counted on the lattice; see `check`."""
        guards.recheck_lattice(self)

    def own_flags(self) -> dict[str, int]:
        """Cells that are lost, or where they should not be; see `flags`."""
        return {
            "flag_cells_lost": guards.lost_cells(self),
            "flag_cells_at_edge": guards.cells_at_edges(self),
        }

    def energy(self) -> dict[str, float]:
        """Energy of the whole tissue now, by term, in the unit of ``engine.temperature``.

        ``contact``, ``area`` and ``length`` add up to the Hamiltonian, whose change is part of what
        a copy costs. ``chemotaxis`` is the potential -sum of mu f(c) over the sites of cells, whose
        slope they follow; a copy costs -mu [f(c_t) - f(c_s)], which is not the change of this sum.
        Persistence and connectivity have no energy: they cost something only in a copy.
        """
        return self.tissue.energy()

    def deregister_agent(self, agent: mesa.Agent) -> None:
        """Remove an agent from the model, and a cell from the tissue too.

        Its sites become medium, its row is free, and what its receptors had bound leaves with it.
        Mesa calls this in ``cell.remove()`` and ``model.remove_all_agents()``.
        """
        super().deregister_agent(agent)
        if not isinstance(agent, EndothelialCell):
            return
        if self._views.get(agent.row) is agent:  # else it has died
            self.assay.note_death(self, agent.row, self.mcs)
            del self._views[agent.row]
            self.tissue.remove(agent.row)
        agent.forget()

    def id_of(self, row: int) -> int:
        """``unique_id`` of the cell in a row."""
        return int(self._views[row].unique_id)

    def take_in(self, row: int) -> None:
        """Add an agent for a cell that was born."""
        self._views[row] = EndothelialCell(self, row)

    def part_with(self, row: int) -> None:
        """Remove the agent of a cell that has died, whose row is free already."""
        self._views.pop(row).remove()

    # -- state ------------------------------------------------------------------------------

    def _state(self) -> Arrays:
        return {
            "next_id": np.array(self.next_id),
            "ids": self.ids,
            "followed": np.array(self.tissue.followed, np.str_),
            **self.tissue.arrays(),
            "drug.free_nM": self.free_nM,
            **{f"baths.{name}": value for name, value in self.baths.items()},
            **self.assay.state(),
        }

    def _restore(self, state: Arrays) -> None:
        self.tissue.restore(state)
        self._follow(state["followed"].tolist())
        self._ahead[0] = 0
        if self.audit is not None:
            self.audit.forget()
        self.free_nM[:] = state["drug.free_nM"]
        for name, value in self.baths.items():
            value[()] = state[f"baths.{name}"]
        self.assay.restore(state)
        former, self._views = self._views, {}
        for view in former.values():
            view.remove()
        ids = state["ids"]
        for row in sorted(self.cells.living.tolist(), key=ids.__getitem__):
            self.next_id = int(ids[row])
            self._views[row] = EndothelialCell(self, row)
        self.next_id = int(state["next_id"])

    def _follow(self, before: list[str]) -> None:
        """Let cells that followed some fields follow those of the scenario: a ligand may be new."""
        followed, cells = self.tissue.followed, self.cells
        if before == followed:
            return
        alive = cells["alive"] & (cells["type"] == ENDOTHELIAL)
        if "dying" in cells.columns:
            alive &= cells["dying"] == 0
        mu = np.zeros((alive.size, len(followed)))
        mu[np.ix_(np.flatnonzero(alive), np.array(self.sensing.columns, int))] = self.sensing.mu
        for column, name in enumerate(followed):
            if name in before:
                mu[:, column] = cells["mu"][:, before.index(name)]
        cells.columns["mu"] = mu

    def _take(self, scenario: Scenario) -> None:
        assert isinstance(scenario, LatticeScenario)
        state = self.state()
        self.assay.scenario, self.media = scenario, assembly.media_of(scenario)
        self.sensing = assembly.sensing_of(scenario, self.pathways)
        if assembly.chemotactic_fields(scenario) != self.tissue.followed:
            self.tissue = assembly.tissue_of(
                scenario, self.lattice, self.cells["type"][1:-1].tolist(), self.pathways
            )
            self.tissue.restore(state)
            self._follow(state["followed"].tolist())

    def frame(self, *, fields: bool) -> Arrays:
        """Lattice, who the cells are and what drives them, as in ``frames/NNNNNN.npz``.

        Parameters
        ----------
        fields : bool
            Whether concentrations are there too.

        Returns
        -------
        dict of str to ndarray
            ``cell_id`` (y, x); ``cell_unique_id``, ``cell_type``, ``cell_drive``,
            ``cell_activity`` and where cells die ``cell_dying`` (rows,), row 0 being the medium;
            ``assay.NAME`` of what the assay has in its frames; ``field_NAME`` and
            ``spacing_um_NAME``.
        """
        arrays: Arrays = {"cell_id": self.cell_id.copy(), "cell_unique_id": self.ids[:-1]}
        for name in ("type", "drive", "activity", "dying"):
            if name in self.cells.columns:
                arrays[f"cell_{name}"] = self.cells[name][:-1].copy()
        arrays |= self.assay.frame()
        return arrays | (self._field_arrays() if fields else {})

    def final_arrays(self) -> Arrays:
        """Everything that ``final.npz`` holds."""
        columns = {f"cell_{name}": rows for name, rows in self.cells.by_name().items()}
        memory = {name: array.copy() for name, array in self.assay.state().items()}
        who: Arrays = {"cell_id": self.cell_id.copy(), "cell_unique_id": self.ids[:-1]}
        return {**who, **self._field_arrays(), **columns, **memory}

    def _field_arrays(self) -> Arrays:
        arrays: Arrays = {}
        for name, values in self.fields.items():
            arrays[f"field_{name}"] = values.copy()
            factor = self.scenario.shape[0] // values.shape[0]
            arrays[f"spacing_um_{name}"] = np.array(self.scenario.domain.spacing_um * factor)
        return arrays

    def tables(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Columns of the assay's own tables by the name of the file."""
        return self.assay.tables(self)

    # -- housekeeping ---------------------------------------------------------------------------

    def _match_agents_to_rows(self) -> None:
        """One agent for each living row."""
        alive, generation = self.cells["alive"].tolist(), self.cells["generation"].tolist()
        for row, view in list(self._views.items()):
            if not alive[row] or generation[row] != view.generation:
                self._views.pop(row).remove()
        for row in self.cells.living.tolist():
            if row not in self._views:
                self._views[row] = EndothelialCell(self, row)

    def _start(self, numbers: Uniforms) -> tuple[NDArray[np.int32], list[int]]:
        """Lay the cells on the lattice, as the assay says."""
        return self.assay.start(numbers)

    def _compile(self) -> None:
        """Compile all kernels with two steps of a small model of the same kind."""
        start = perf_counter()
        _Rehearsal(assembly.small(self.scenario), rng=0, threads=self.threads).advance(2)
        self.seconds["compile"] = perf_counter() - start


class _Rehearsal(AngiogenesisModel):
    """A model whose cells have no sites: its steps make the kernels ready for others."""

    def _start(self, numbers: Uniforms) -> tuple[NDArray[np.int32], list[int]]:
        every_type = range(ENDOTHELIAL, ENDOTHELIAL + 1 + len(self.scenario.types))
        return np.zeros(self.scenario.shape, np.int32), list(every_type)

    def _compile(self) -> None:
        for name, reactions in self.reactions.items():
            if reactions.exchange or reactions.secretion.any():
                self.fields[name][:] += 1.0  # an empty field is not moved
