"""The clock: one readable step that says the order of events."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from itertools import compress
from time import perf_counter
from typing import TYPE_CHECKING, Any

import mesa
import numpy as np
from numpy.typing import NDArray

from sim import hooks
from sim.assays.declare import Uniforms
from sim.errors import CheckpointError, InputError
from sim.kernels.draws import SEEDING, uniforms
from sim.model import assembly
from sim.model.agents import EndothelialCell
from sim.model.assay import RunningAssay
from sim.model.assembly import ENDOTHELIAL
from sim.model.parts.behaviour import behaviour, border_sums
from sim.model.parts.cells import potts_sweep
from sim.model.parts.drug import free_drug
from sim.model.parts.fields import fields
from sim.model.parts.life import births, deaths
from sim.model.parts.notch import begin_notch, notch
from sim.model.parts.record import assay_memory, record_when_due
from sim.model.parts.signals import ligand_at_cells, receptors
from sim.model.parts.together import steps_together, undisturbed
from sim.pharmacology.drugs import inhibition
from sim.scenario.exposure import effect_of, exposure_of, potency_of
from sim.scenario.schema import Scenario
from sim.scenario.writing import structure_of
from sim.signalling.clock import substeps
from sim.tissue import CellStore

if TYPE_CHECKING:
    from sim.hooks import Axes, Figure, SubFigure

Array = NDArray[np.float64]
PARTS = (
    free_drug, ligand_at_cells, receptors, border_sums, notch, behaviour, fields, potts_sweep,
    deaths, births, assay_memory, record_when_due,
)  # fmt: skip
"""The parts of a step in the order of events; fields move before or after the sweep.

Those that an assay brings itself come after behaviour.
"""
RECEPTORS = ("VEGFR2", "PDGFRB", "FGFR1")  # the first columns of inhibition, in this order


class AngiogenesisModel(mesa.Model):
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

    scenario: Scenario = None  # type: ignore[assignment]  # hides a property of Mesa 3.5

    def __init__(self, scenario: Scenario, rng: int | None = None, threads: int = 1) -> None:
        if not isinstance(scenario, Scenario):
            raise InputError(f"{scenario!r}: must be a Scenario; sim.load makes one")
        threads = _checked("threads", threads, least=1)
        seed = scenario.seed if rng is None else _checked_seed(rng)
        super().__init__(rng=seed)
        self.scenario, self.seed, self.mcs, self.threads = scenario, seed, 0, threads
        self.seconds: dict[str, float] = defaultdict(float)
        self.exposure = exposure_of(scenario)
        self.potency, self.effect = potency_of(scenario), effect_of(scenario)
        self.pathways = assembly.pathways_of(scenario)
        self.constants = assembly.constants_of(scenario, self.pathways)
        self.sensing = assembly.sensing_of(scenario, self.pathways)
        self.reactions = assembly.reactions_of(scenario, self.pathways)
        self.baths = assembly.baths_of(scenario)
        self.free_nM: Array = np.zeros(substeps(scenario.time.mcs_s))

        self.assay = RunningAssay(scenario)
        lattice, types = self._start(partial(uniforms, seed, SEEDING, 0, 0))
        self.tissue = assembly.tissue_of(scenario, lattice, types, self.pathways)
        begin_notch(self)
        self._ahead = np.zeros(1, np.int64)
        self.next_id = 1
        self._views: dict[int, EndothelialCell] = {}
        self._match_agents_to_rows()

        self.assay.begin(self)
        self._compile()
        self.readouts = self.measure()
        self.datacollector = mesa.DataCollector(
            model_reporters={name: partial(_reading, name=name) for name in self.readouts}
        )
        self.datacollector.collect(self)

    def step(self) -> None:
        """One Monte Carlo step; also after the end of the experiment, where `running` is False."""
        ahead = self._ahead.item()
        if ahead > 1:  # taken already, together with the next one, by `advance`
            self._ahead[0] -= 1
            self.mcs += 1
            return
        free_drug(self)
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
        steps = _checked("steps", steps, least=0)
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
    def time_h(self) -> float:
        """Hours since the start of the drug's schedule."""
        return self.scenario.time.start_h + self.mcs * self.scenario.time.mcs_s / 3600

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

    def measure(self) -> dict[str, float | int]:
        """Time, drug, drive, cells and the assay's read-outs, now."""
        living = self.living
        now = np.array([self.time_h])
        free_nM = float(self.exposure.free_nM(now)[0])
        inhibited: Mapping[str, Any] = inhibition(free_nM, self.potency) if self.potency else {}
        if self.effect and not self.effect.alone:
            inhibited = {name: found[0] for name, found in self.effect.inhibition(now).items()}
        receptors = dict.fromkeys((*RECEPTORS, *self.scenario.signalling.receptors))
        return {
            "time_h": self.time_h,
            "mcs": self.mcs,
            "total_nM": float(self.exposure.total_nM(now)[0]),
            "free_nM": free_nM,
            **(self._of_partner(now) if self.scenario.partner and self.effect else {}),
            **{f"inhibition_{name}": float(inhibited.get(name, 0.0)) for name in receptors},
            "mean_drive": float(self.cells["drive"][living].mean()) if living.size else 0.0,
            "cells": int(living.size),
            **self.assay.measure(self),
        }

    def _of_partner(self, now: Array) -> dict[str, float]:
        """Concentrations of the second drug."""
        assert self.effect is not None
        exposure = self.effect.agents[1].exposure
        total_nM, free_nM = exposure.total_nM(now), exposure.free_nM(now)
        return {"partner_total_nM": float(total_nM[0]), "partner_free_nM": float(free_nM[0])}

    def record(self) -> None:
        """Measure, and add a row to the data collector."""
        with self.timed("measuring"):
            self.readouts = self.measure()
            self.datacollector.collect(self)

    def plot(self, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw the tissue as it is now, as a result draws its end; return the figure."""
        return hooks.draw(self, ax=ax, fig=fig)

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

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the next step reads beside the scenario: a flat dictionary of copies."""
        return {name: array.copy() for name, array in self._state().items()}

    def _state(self) -> dict[str, NDArray[Any]]:
        return {
            "structure": np.array([f"{k} {v}" for k, v in structure_of(self.scenario).items()]),
            "mcs": np.array(self.mcs),
            "seed": np.array(self.seed),
            "next_id": np.array(self.next_id),
            "ids": self.ids,
            **self.tissue.arrays(),
            "drug.free_nM": self.free_nM,
            **{f"baths.{name}": value for name, value in self.baths.items()},
            **self.assay.state(),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Continue from a state of the same scenario; drug, duration and records may differ.

        Each cell has a new agent with the id that it had. Records of later steps are dropped from
        the data collector, and all records if the state is of another seed.

        Raises
        ------
        CheckpointError
            If the state is of another scenario.
        """
        self._check(state)
        seed, self.mcs = self.seed, int(state["mcs"])
        self.seed = int(state["seed"])
        self.tissue.restore(state)
        self._ahead[0] = 0
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
        self.steps = self.mcs
        self.running = self.mcs < self.scenario.time.steps
        self.readouts = self.measure()
        self._drop_records(after=self.mcs if self.seed == seed else -1)

    def _check(self, state: dict[str, NDArray[Any]]) -> None:
        """Refuse a state of another scenario, or one that lacks something."""
        own = self._state()
        theirs, ours = (set(of.get("structure", own["structure"]).tolist()) for of in (state, own))
        if theirs != ours:
            differ = ", ".join(sorted({entry.split()[0] for entry in theirs ^ ours}))
            raise CheckpointError(
                f"this state belongs to another scenario, which differs in {differ}; only name, "
                "seed, drug, duration and records may differ"
            )
        for what, names in (("lacks", own.keys() - state), ("has unknown", state.keys() - own)):
            if names:
                raise CheckpointError(f"this state {what} {', '.join(sorted(names))}")

    def _drop_records(self, after: int) -> None:
        """Drop the rows of later steps from the data collector."""
        collector: Any = self.datacollector
        if "mcs" not in collector.model_vars:  # a user's own
            return
        kept = [mcs <= after for mcs in collector.model_vars["mcs"]]
        times = list(getattr(collector, "_collection_steps", collector.model_vars["mcs"]))
        for records in (collector._agent_records, collector._agenttype_records):
            for time, keep in zip(times, kept, strict=True):
                if not keep:
                    records.pop(time, None)
        columns = [*collector.model_vars.values()]
        if hasattr(collector, "_collection_steps"):  # Mesa 3.5: by its own clock
            columns.append(collector._collection_steps)
        for column in columns:
            column[:] = list(compress(column, kept))

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what `__setstate__` rebuilds."""
        return {k: v for k, v in self.__dict__.items() if k not in ("potency", "effect")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.potency, self.effect = potency_of(self.scenario), effect_of(self.scenario)

    def __copy__(self) -> AngiogenesisModel:
        """A model of its own: cells cannot belong to two."""
        return deepcopy(self)

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

    @contextmanager
    def timed(self, part: str) -> Iterator[None]:
        """Count the wall time of a block under `seconds`."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[part] += perf_counter() - start


def _checked_seed(rng: Any) -> int:
    if not isinstance(rng, int | np.integer) or not 0 <= rng < 2**63:
        raise InputError(f"rng = {rng!r}: must be a whole number from 0 to 2^63 - 1")
    return int(rng)


def _checked(name: str, number: Any, *, least: int) -> int:
    if isinstance(number, bool) or not isinstance(number, int | np.integer) or number < least:
        raise InputError(f"{name} = {number!r}: must be a whole number of at least {least}")
    return int(number)


def _reading(model: AngiogenesisModel, *, name: str) -> float | int:
    return model.readouts[name]


class _Rehearsal(AngiogenesisModel):
    """A model whose cells have no sites: its steps make the kernels ready for others."""

    def _start(self, numbers: Uniforms) -> tuple[NDArray[np.int32], list[int]]:
        every_type = range(ENDOTHELIAL, ENDOTHELIAL + 1 + len(self.scenario.types))
        return np.zeros(self.scenario.shape, np.int32), list(every_type)

    def _compile(self) -> None:
        for name, reactions in self.reactions.items():
            if reactions.exchange or reactions.secretion.any():
                self.fields[name][:] += 1.0  # an empty field is not moved
