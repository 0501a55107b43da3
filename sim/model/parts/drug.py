"""Unbound drug at the cells."""

from __future__ import annotations

import numpy as np

from sim.assays.declare import part
from sim.model.parts.model import STEPS, Array, Model


@part(reads={"mcs": STEPS}, writes={"drug.free_nM": "nM"})
def free_drug(model: Model) -> None:
    """Unbound drug from a constant, a schedule of media or doses to a body.

    One value for each equal part of the step, at its start.
    """
    model.free_nM[:] = model.exposure.free_nM(part_times(model))


def part_times(model: Model) -> Array:
    """Starts of the equal parts of the step (h)."""
    mcs_s, parts = model.scenario.time.mcs_s, model.free_nM.size
    return np.asarray(model.time_h + np.arange(parts) * mcs_s / parts / 3600)


def free_of_all(model: Model) -> float:
    """Unbound drug of all drugs together, mean over the step (nM)."""
    others = model.effect.agents[1:] if model.effect else ()
    times_h = part_times(model)
    added = sum(float(agent.exposure.free_nM(times_h).mean()) for agent in others)
    return float(model.free_nM.mean()) + added
