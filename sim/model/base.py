"""What all classes of model have in common: clock, drug, records, states."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar, Self

import mesa
import numpy as np
from numpy.typing import NDArray

from sim import hooks
from sim.errors import CheckpointError, InputError, shown
from sim.input import checked_count
from sim.model.guards import flags_of
from sim.model.records import drop_rows, record_again
from sim.pharmacology.drugs import inhibition
from sim.scenario.branch import changed
from sim.scenario.classes import RECEPTORS, receptors_of
from sim.scenario.exposure import effect_of, exposure_of, potency_of
from sim.scenario.schema import Scenario
from sim.scenario.writing import structure_of

if TYPE_CHECKING:
    from sim.hooks import Axes, Figure, SubFigure

logger = logging.getLogger(__name__)
Array = NDArray[np.float64]
Arrays = dict[str, NDArray[Any]]


class AssayModel(mesa.Model):
    """A scenario at work: what its class of model moves, and what is the same for all.

    Parameters
    ----------
    scenario : Scenario
        What to simulate; see `sim.load`.
    rng : int, optional
        Seed, from 0 to 2^63 - 1; the scenario's own if not given. All draws of the simulation are
        counted from it (`sim.kernels.draws`); Mesa's own generators are seeded with it and never
        used.
    threads : int
        Threads of the kernels, for large domains. No bit depends on it.
    paranoid : bool
        Whether sums, energies, fields and tables are computed from scratch at each record and
        compared; see `check`. No bit depends on it.

    Raises
    ------
    InputError
        If the seed or the number of threads is out of range, or the scenario is of another class.
    """

    STEP: ClassVar[str] = "mcs"
    """What the number of steps is called in records and states."""
    OF: ClassVar[type[Scenario]] = Scenario
    """The class of its scenarios."""
    scenario: Any = None  # hides a property of Mesa 3.5
    readouts: dict[str, float | int]

    def __init__(
        self,
        scenario: Scenario,
        rng: int | None = None,
        threads: int = 1,
        *,
        paranoid: bool = False,
    ) -> None:
        if not isinstance(scenario, Scenario):
            raise InputError(f"{scenario!r}: must be a Scenario; sim.load makes one")
        if not isinstance(scenario, self.OF):
            raise InputError(
                f"assay = {scenario.assay!r}: {type(self).__name__} cannot run it; "
                "sim.run and sim.model_of choose the class of model"
            )
        threads = checked_count("threads", threads, least=1)
        seed = scenario.seed if rng is None else _checked_seed(rng)
        super().__init__(rng=seed)
        self.scenario, self.seed, self.mcs, self.threads = scenario, seed, 0, threads
        self.paranoid = paranoid
        self.seconds: dict[str, float] = defaultdict(float)
        self.exposure = exposure_of(scenario)
        self.potency, self.effect = potency_of(scenario), effect_of(scenario)

    def _begin_records(self) -> None:
        """Measure the start, in the first row of the data collector."""
        self.check()
        self.readouts = self.measure()
        self.datacollector = mesa.DataCollector(
            model_reporters={name: partial(_reading, name=name) for name in self.readouts}
        )
        self.datacollector.collect(self)

    # -- what each class says of itself -----------------------------------------------------

    @abstractmethod
    def step(self) -> None:
        """One step; also after the end of the experiment, where `running` is False."""

    @abstractmethod
    def read(self) -> dict[str, float | int]:
        """What its assay reads now, after time and drug."""

    @abstractmethod
    def check_arrays(self) -> None:
        """Refuse values that are not finite or out of range, quickly; see `check`."""

    @abstractmethod
    def check_again(self) -> None:
        """Compute from scratch what is kept up to date, and compare; see `check`."""

    @abstractmethod
    def own_flags(self) -> dict[str, int]:
        """Its part of `flags`."""

    @abstractmethod
    def frame(self, *, fields: bool) -> Arrays:
        """Arrays of a snapshot, as in ``frames/NNNNNN.npz``; with concentrations if asked for."""

    @abstractmethod
    def final_arrays(self) -> Arrays:
        """Arrays of ``final.npz``."""

    @abstractmethod
    def tables(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Columns of the assay's own tables by the name of the file."""

    @abstractmethod
    def _state(self) -> Arrays:
        """All that the next step reads beside scenario, seed and number of steps: no copies."""

    @abstractmethod
    def _restore(self, state: Arrays) -> None:
        """Take over what `_state` gave."""

    # -- time, drug and records -------------------------------------------------------------

    def advance(self, steps: int) -> None:
        """Take this many steps."""
        for _ in range(checked_count("steps", steps, least=0)):
            self.step()

    @property
    def time_h(self) -> float:
        """Hours since the start of the drug's schedule."""
        return float(self.scenario.time.start_h + self.mcs * self.scenario.time.mcs_s / 3600)

    def measure(self) -> dict[str, float | int]:
        """Time, drug, and what the assay reads, now; there is no drug before time 0."""
        now, begun = np.array([self.time_h]), self.time_h >= 0
        return {
            "time_h": self.time_h,
            self.STEP: self.mcs,
            "total_nM": float(self.exposure.total_nM(now)[0]) if begun else 0.0,
            "free_nM": float(self.exposure.free_nM(now)[0]) if begun else 0.0,
            **(self._of_partner(now) if self.scenario.partner and self.effect else {}),
            **{f"inhibition_{name}": share for name, share in self.inhibited().items()},
            **self.read(),
        }

    def inhibited(self) -> dict[str, float]:
        """Share of each receptor's signal that the drug takes away now; none before time 0."""
        now, begun = np.array([self.time_h]), self.time_h >= 0
        found: Mapping[str, Any] = {}
        if begun and self.effect and not self.effect.alone:
            found = {name: share[0] for name, share in self.effect.inhibition(now).items()}
        elif self.potency:
            found = inhibition(float(self.exposure.free_nM(now)[0]) if begun else 0.0, self.potency)
        receptors = dict.fromkeys((*RECEPTORS, *receptors_of(self.scenario)))
        return {name: float(found.get(name, 0.0)) for name in receptors}

    def _of_partner(self, now: Array) -> dict[str, float]:
        """Concentrations of the second drug."""
        assert self.effect is not None
        exposure = self.effect.agents[1].exposure
        if self.time_h < 0:
            return {"partner_total_nM": 0.0, "partner_free_nM": 0.0}
        total_nM, free_nM = exposure.total_nM(now), exposure.free_nM(now)
        return {"partner_total_nM": float(total_nM[0]), "partner_free_nM": float(free_nM[0])}

    @property
    def recorded(self) -> bool:
        """Whether the latest record is of now."""
        return self.readouts[self.STEP] == self.mcs

    def record(self) -> None:
        """Measure, and add a row to the data collector.

        Raises
        ------
        NumericalError
            If `check` finds something; then there is no row.
        """
        with self.timed("measuring"):
            self.check()
            self.readouts = self.measure()
            self.datacollector.collect(self)

    def check(self) -> None:
        """Check the arrays, as before each record; if `paranoid`, also against what they follow.

        Raises
        ------
        NumericalError
            With the first value that is wrong: step, place and what it should be.
        """
        self.check_arrays()
        if self.paranoid:
            self.check_again()

    def flags(self) -> dict[str, int]:
        """What has happened that the assay does not expect, with how often; see `sim.assays`."""
        return {name: count for name, count in flags_of(self).items() if count}

    def plot(self, ax: Axes | None = None, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw the tissue as it is now, as a result draws its end; return the figure."""
        return hooks.draw(self, ax=ax, fig=fig)

    # -- changes ----------------------------------------------------------------------------

    def change(self, key: str, value: Any) -> None:
        """Change the drug, a medium, a dose or the duration, from the next step on.

        The change becomes an entry of the medium's history or a dose in `scenario`, which, run from
        its start, gives this run with its change to the same bits.

        Parameters
        ----------
        key : str
            Dotted, such as ``drug.free_nM`` or ``ligands.VEGF.bath_ng_ml``.
        value
            What it is set to.

        Raises
        ------
        ScenarioError
            If it cannot be changed in the course of a run, or the value is wrong; nothing has
            changed.
        """
        scenario = changed(self.scenario, {key: value}, self.mcs)
        self.scenario = scenario
        self.exposure = exposure_of(scenario)
        self.potency, self.effect = potency_of(scenario), effect_of(scenario)
        self._take(scenario)
        self.running = self.mcs < scenario.time.steps
        record_again(self)
        logger.info("%s = %s from %.6g h on", key, shown(value), self.time_h)

    def _take(self, scenario: Scenario) -> None:
        """Follow a scenario that differs in drug, media or duration."""

    # -- state ------------------------------------------------------------------------------

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the next step reads beside the scenario: a flat dictionary of copies."""
        return {name: array.copy() for name, array in self._whole_state().items()}

    def _whole_state(self) -> Arrays:
        return {
            "structure": np.array([f"{k} {v}" for k, v in structure_of(self.scenario).items()]),
            self.STEP: np.array(self.mcs),
            "seed": np.array(self.seed),
            **self._state(),
        }

    def restore(self, state: Arrays) -> None:
        """Continue from a state of the same scenario; drug, duration and records may differ.

        Each cell has a new agent with the id that it had. Records of later steps are dropped from
        the data collector, and all records if the state is of another seed.

        Raises
        ------
        CheckpointError
            If the state is of another scenario.
        """
        self._check(state)
        seed, self.mcs = self.seed, int(state[self.STEP])
        self.seed = int(state["seed"])
        try:
            self._restore(state)
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"this state is not consistent: {error}") from error
        self.steps = self.mcs
        self.running = self.mcs < self.scenario.time.steps
        self.readouts = self.measure()
        drop_rows(self, after=self.mcs if self.seed == seed else -1)

    def _check(self, state: dict[str, NDArray[Any]]) -> None:
        """Refuse a state of another scenario, or one that lacks something."""
        own = self._whole_state()
        for name in own.keys() & state:
            theirs, ours = np.asarray(state[name]), np.asarray(own[name])
            if (theirs.dtype.kind, theirs.ndim) != (ours.dtype.kind, ours.ndim):
                raise CheckpointError(f"this state has values of another kind in {name}")
        others = {*state.get("structure", own["structure"]).tolist()} ^ {*own["structure"].tolist()}
        if others:
            differ = ", ".join(sorted({entry.split()[0] for entry in others}))
            raise CheckpointError(
                f"this state belongs to another scenario, which differs in {differ}; only name, "
                "seed, drug, duration and records may differ"
            )
        for what, names in (("lacks", own.keys() - state), ("has unknown", state.keys() - own)):
            if names:
                raise CheckpointError(f"this state {what} {', '.join(sorted(names))}")

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what `__setstate__` rebuilds."""
        return {k: v for k, v in self.__dict__.items() if k not in ("potency", "effect")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.potency, self.effect = potency_of(self.scenario), effect_of(self.scenario)

    def __copy__(self) -> Self:
        """A model of its own: cells cannot belong to two."""
        return deepcopy(self)

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


def _reading(model: AssayModel, *, name: str) -> float | int:
    return model.readouts[name]
