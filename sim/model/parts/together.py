"""Several steps at once, of models in which nothing happens but that cells and one field move."""

from __future__ import annotations

from math import exp

import numpy as np
from numpy.typing import NDArray

from sim.model.parts.fields import check, rates
from sim.model.parts.model import Model

MOST = 100
"""Steps in one compiled call: a signal waits for its end."""


def undisturbed(model: Model) -> int:
    """How many of the next steps are alike: up to a record or the end, or the next one alone."""
    time, engine, assay = model.scenario.time, model.scenario.engine, model.assay
    behaves = model.tissue.rules.persistent or engine.area.creep_h is not None
    if model.audit is not None or model.constants or assay.remembers or assay.parts or behaves:
        return 1
    many = min(time.steps_per_record - model.mcs % time.steps_per_record, MOST)
    return min(many, time.steps - model.mcs) if model.mcs < time.steps else many


def steps_together(model: Model, steps: int, ahead: NDArray[np.int64]) -> None:
    """Take some steps with their fields and sweeps if that is possible.

    ``ahead`` (1,) is set to how many have been taken, and left alone if none.
    """
    fields, dt_s = model.fields, model.scenario.time.mcs_s
    names = list(model.reactions)
    source, loss = rates(model, names)
    moving = [k for k, name in enumerate(names) if source[k].any() or fields[name].any()]
    if len(moving) > 1:
        return
    seed, when, threads = model.seed, range(model.mcs, model.mcs + steps), model.threads
    kept = exp(-dt_s / (model.scenario.engine.persistence.tau_min * 60))
    with model.timed("fields and potts"):
        if not moving:
            model.tissue.advance(seed, when, kept, ahead, threads=threads)
            return
        k, name = moving[0], names[moving[0]]
        late = model.reactions[name].order == "after_sweep"
        rates_of = source[k], loss[k], dt_s
        model.tissue.advance(seed, when, kept, ahead, name, *rates_of, late=late, threads=threads)
        check(model, name, 0.0, float(fields[name].max()))
