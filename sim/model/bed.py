"""The clock of a tumour's vessels: one readable step of one hour."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import mesa
import numpy as np
from numpy.typing import NDArray

from sim.assays import assays
from sim.assays.declare import called
from sim.bed import Bed, Numbers
from sim.model.base import Arrays, AssayModel
from sim.model.guards import check_bed, recheck_bed
from sim.model.vessel_agents import VesselPiece, VesselTip
from sim.scenario.bed import BedScenario
from sim.scenario.classes import RECEPTORS
from sim.scenario.schema import Scenario

logger = logging.getLogger(__name__)

Share = tuple[float, float, float]
"""Of VEGFR2, PDGFRB and FGFR1 that is inhibited."""


class VesselBedModel(AssayModel):
    """Vessels in and around a tumour, oxygen, VEGF, a drug, and the clock that moves them.

    Parameters
    ----------
    scenario, rng
        As for `sim.model.base.AssayModel`.
    threads : int
        Accepted as for other models; a bed is computed by one.
    paranoid : bool
        Whether tables, flow and area are compared with each other at each record.

    Attributes
    ----------
    bed : sim.bed.Bed
        Vessels, tumour and fields.
    running : bool
        Whether the end of the experiment, ``scenario.time.steps``, is still to come.
    """

    STEP = "step"
    OF = BedScenario
    scenario: BedScenario

    def __init__(
        self,
        scenario: Scenario,
        rng: int | None = None,
        threads: int = 1,
        *,
        paranoid: bool = False,
    ) -> None:
        super().__init__(scenario, rng, threads, paranoid=paranoid)
        assert isinstance(scenario, BedScenario)  # else it was refused
        declared = assays()[scenario.assay]
        self._read = called(declared.measure)
        self.bed = empty_bed(scenario, self.seed)
        self._views: dict[int, mesa.Agent] = {}
        with self.timed("compile"):
            called(declared.start)(self.bed, scenario)
            self.bed.begin()
        self._fed = not self.bed.no_path
        self._begin_records()

    def step(self) -> None:
        """One hour; also after the end of the experiment, where `running` is False."""
        bed, blocked = self.bed, self._inhibited()
        bed.order_rows()
        with self.timed("fields"):
            bed.fields()
        with self.timed("vessels"):
            bed.survive(blocked)
            bed.pericytes(blocked)
            bed.regress()
            bed.refill()
            bed.sprout()
            bed.move_tips(blocked)
        with self.timed("tumour"):
            bed.grow()
        with self.timed("flow"):
            bed.drop_unused_nodes()
            bed.flow()
        bed.finish()
        self.mcs += 1
        if self.time_h == 0:
            bed.mark_diameter()
        self._watch_the_path()
        time = self.scenario.time
        if time.records(self.mcs):
            self.record()
        if self.mcs >= time.steps:
            self.running = False

    def _inhibited(self) -> Share:
        """Shares of the receptors that are inhibited in the middle of this hour; 0 before day 0."""
        middle_h = self.time_h + 0.5 * self.scenario.time.mcs_s / 3600
        if self.effect is None or middle_h < 0:
            return 0.0, 0.0, 0.0
        found: Mapping[str, Any] = self.effect.inhibition(np.array([middle_h]))
        one, two, three = (float(np.ravel(found.get(name, 0.0))[0]) for name in RECEPTORS)
        return one, two, three

    def _watch_the_path(self) -> None:
        """Warn when the last vessel from artery to vein is lost, or at the end if none was made."""
        fed, ends = not self.bed.no_path, self.mcs == self.scenario.time.steps
        if not fed and (self._fed or ends):
            what = "has been lost" if self._fed else "was made"
            day = self.time_h / 24
            logger.warning("day %.4g: %s vessel from artery to vein %s: no blood flows in the "
                           "tumour", day, "the last" if self._fed else "no", what)  # fmt: skip
        self._fed = fed

    # -- what a user looks at ---------------------------------------------------------------

    def read(self) -> dict[str, float | int]:
        """Living pieces and the assay's read-outs, now."""
        living = int(np.count_nonzero(~self.bed.is_sleeve))
        return {"cells": living, **self._read(self.bed, {}, self.scenario)}

    def check_arrays(self) -> None:
        """Refuse fields and rows that are not finite or out of range; see `check`."""
        check_bed(self, self.bed)

    def check_again(self) -> None:
        """Refuse tables that do not fit each other, lost flow and a wrong area; see `check`."""
        recheck_bed(self, self.bed)

    def own_flags(self) -> dict[str, int]:
        """None of its own; see `flags`."""
        return {}

    @property
    def agents(self) -> mesa.agent.AgentSet:
        """Living pieces of vessel and tips as they are now, in a new set."""
        self._match_agents()
        return mesa.agent.AgentSet(list(self._views.values()), random=self.random)

    @property
    def agents_by_type(self) -> dict[type[mesa.Agent], mesa.agent.AgentSet]:
        """`agents` by class."""
        every = list(self.agents)
        return {
            kind: mesa.agent.AgentSet([a for a in every if type(a) is kind], random=self.random)
            for kind in (VesselPiece, VesselTip)
        }

    def _match_agents(self) -> None:
        """One agent for each living piece and each tip; a tip's id is negative."""
        pieces, tips = self.bed.pieces, self.bed.tips
        now = [*pieces.id[~self.bed.is_sleeve].tolist(), *(-tips.id).tolist()]
        for gone in self._views.keys() - set(now):
            self._views.pop(gone).remove()
        for own in now:
            if own not in self._views:
                self._views[own] = (VesselPiece if own >= 0 else VesselTip)(self, own)

    # -- state ------------------------------------------------------------------------------

    def _state(self) -> Arrays:
        return {name: np.asarray(value) for name, value in self.bed.state().items()}

    def _restore(self, state: Arrays) -> None:
        self.bed.seed = self.seed
        self.bed.restore(state)
        self._fed = not self.bed.no_path
        for view in self._views.values():
            view.remove()
        self._views = {}

    def frame(self, *, fields: bool) -> Arrays:
        """Pieces, nodes, tips and the outline; with `fields` oxygen and VEGF too."""
        kept = self.final_arrays()
        return kept if fields else {k: v for k, v in kept.items() if k not in ("oxygen", "vegf")}

    def final_arrays(self) -> Arrays:
        """The arrays of `state`."""
        return self._state()

    def tables(self) -> dict[str, dict[str, NDArray[Any]]]:
        """No tables of its own."""
        return {}


def empty_bed(scenario: BedScenario, seed: int) -> Bed:
    """Return a bed with the numbers of a scenario, without tumour and vessels."""
    size, voxel = scenario.domain.size_um[0], scenario.domain.spacing_um
    return Bed(Numbers(size_um=size, voxel_um=voxel, **scenario.bed.model_dump()), seed)


def bed_of(scenario: BedScenario, seed: int, arrays: Mapping[str, Any]) -> Bed:
    """Return the bed that arrays of ``final.npz`` are of."""
    bed = empty_bed(scenario, seed)
    bed.restore(arrays)
    return bed
