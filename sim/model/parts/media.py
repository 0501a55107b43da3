"""Ligands in the bath."""

from __future__ import annotations

import numpy as np

from sim.assays.declare import part
from sim.model.parts.model import FIELD, STEPS, Model


@part(reads={"mcs": STEPS}, writes={"baths.FIELD": FIELD})
def media(model: Model) -> None:
    """Concentrations in the bath, of ligands whose medium is changed in the course of the run."""
    now = np.array([model.time_h])
    for name, course in model.media.items():
        model.baths[name][()] = course.free_nM(now)[0]
