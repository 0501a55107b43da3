"""Which cells die and which divide: deaths first, then births, right after the sweep."""

from __future__ import annotations

from math import exp

import numpy as np

from sim.assays.declare import part
from sim.kernels.draws import DEATH, DIVISION, DIVISION_AXIS, uniform_at
from sim.model.parts.drug import free_of_all
from sim.model.parts.model import (
    EVERY,
    FRACTION,
    NUMBER,
    OF_CELLS,
    OF_DRUG,
    OWN,
    ROWS,
    SITES,
    STEPS,
    STRENGTH,
    Model,
)
from sim.model.parts.signals import by_pathway, signals_now
from sim.scenario.life import Death, Division
from sim.signalling.life import death_rate, division_rate, within

SHARED = ("free_receptors", "bound_receptors", "uptake")
"""Columns that count molecules: daughters share them by area."""


@part(
    reads={
        "seed": NUMBER,
        **OF_DRUG,
        "lattice": ROWS,
        **OF_CELLS,
        "cells.activity": FRACTION,
        "cells.survival": FRACTION,
        "cells.moments": SITES,
        "cells.anchor": SITES,
        "cells.target": SITES,
        "cells.generation": NUMBER,
        "cells.centroid": SITES,
        "assay.KEY": OWN,
    },
    writes={
        "lattice": ROWS,
        "cells.alive": "true or false",
        "cells.generation": NUMBER,
        "cells.moments": SITES,
        "cells.dying": STEPS,
        "cells.survival": FRACTION,
        "cells.target": SITES,
        "cells.mu": STRENGTH,
        "cells.push": "energy per site",
        "assay.KEY": OWN,
        "ids": NUMBER,
    },
)
def deaths(model: Model) -> None:
    """Cells begin to die, shrink and float off; those without a site are dead, their rows free."""
    cells, spec = model.tissue.cells, model.scenario.behaviour and model.scenario.behaviour.death
    spec = spec if model.scenario.cells.death else None
    for row in np.flatnonzero(cells["alive"] & (cells.area == 0)).tolist():
        model.assay.note_death(model, row, model.mcs + 1)
        cells.freed(row)
        model.part_with(row)
    if spec:
        _begin_to_die(model, spec)
        _shrink(model, spec)


def _begin_to_die(model: Model, spec: Death) -> None:
    """Survival signals follow activity, and chance decides: a dying cell is dead from here on."""
    cells, rows, dt_s = model.tissue.cells, model.endothelial, model.scenario.time.mcs_s
    activity, kept = cells["activity"][rows], exp(-dt_s / (3600 * spec.survival_tau_h))
    cells["survival"][rows] = activity + (cells["survival"][rows] - activity) * kept
    rate = death_rate(
        spec.basal_per_h, spec.unsupported_per_h, cells["survival"][rows], spec.cytotoxic_per_h,
        spec.cytotoxic_ec50_nM, spec.cytotoxic_hill, free_of_all(model),
    )  # fmt: skip
    dies = rows[uniform_at(model.seed, DEATH, model.mcs, rows) < within(rate, dt_s)]
    cells["dying"][cells["dying"] > 0] += 1
    for row in dies.tolist():
        model.assay.note_death(model, row, model.mcs + 1)
    cells["dying"][dies] = 1
    cells["mu"][dies] = 0.0
    cells["push"][dies] = 0.0


def _shrink(model: Model, spec: Death) -> None:
    """Dying cells shrink; where their neighbours do not let them, they float off in the end.

    Medium cannot appear inside a confluent layer: there no cell would ever leave by shrinking.
    """
    cells, dt_h = model.tissue.cells, model.scenario.time.mcs_s / 3600
    rows = np.flatnonzero(cells["alive"] & (cells["dying"] > 0))
    cells["target"][rows, 0] *= exp(-dt_h / spec.shrink_h)
    small = cells.area[rows] <= spec.float_area * model.scenario.engine.area.target_sites
    gone = small | (cells["dying"][rows] * dt_h >= spec.float_h)
    gone &= cells["dying"][rows] > 1  # what it took up in this step has yet to leave the field
    for row in rows[gone].tolist():
        model.tissue.remove(row)
        model.part_with(row)


@part(
    reads={
        "seed": NUMBER,
        **OF_DRUG,
        "lattice": ROWS,
        "cells.EVERY": EVERY,
        "assay.KEY": OWN,
    },
    writes={
        "lattice": ROWS,
        "cells.EVERY": EVERY,
        "assay.KEY": OWN,
        "ids": NUMBER,
    },
)
def births(model: Model) -> None:
    """Cells with room divide across their long axis; daughters share receptors and ligand."""
    spec, cells = model.scenario.behaviour and model.scenario.behaviour.division, model.tissue.cells
    if not (model.scenario.cells.division and spec and model.constants):
        return
    normal = model.scenario.engine.area.target_sites
    rows = model.endothelial
    rows = rows[cells.area[rows] >= spec.least_area * normal]
    rate = _rate(model, spec, rows)
    may = uniform_at(model.seed, DIVISION, model.mcs, rows) < within(
        rate, model.scenario.time.mcs_s
    )
    mothers = rows[may]
    axes = uniform_at(model.seed, DIVISION_AXIS, model.mcs, mothers)
    for mother, axis in zip(mothers.tolist(), axes.tolist(), strict=True):
        daughter = model.tissue.divide(mother, axis, spec.least_share)
        if daughter is None:  # too uneven, or in pieces: perhaps in a later step
            continue
        pair = [mother, daughter]
        area = cells.area[pair]
        for name in SHARED:
            whole = cells[name][mother].copy()
            cells[name][daughter] = whole * (area[1] / area.sum())
            cells[name][mother] = whole - cells[name][daughter]
        cells["target"][pair, 0] = np.maximum(area, normal / 2)
        model.take_in(daughter)
        model.assay.note_birth(model, daughter, mother, model.mcs + 1)


def _rate(model: Model, spec: Division, rows: np.ndarray) -> np.ndarray:
    """Divisions per hour of some cells."""
    by_signal = by_pathway(model, spec.signals_per_h)
    return division_rate(spec.own_per_h, by_signal, spec.most_per_h, signals_now(model, rows))
