"""Screens and combined blockades: tables, maps, expectations, pictures, and what is refused."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.text import Text
from numpy.typing import NDArray

import sim
from sim import api
from sim.assay.dose_response import Blockade, compare, fit, logistic
from sim.errors import InputError, ScenarioError
from sim.pharmacology.drugs import load_drug
from sim.study.design import Plan, plan_study
from sim.study.sweep import sweep
from sim.study.worker import Outcome, Task, attempt

Array = NDArray[np.float64]
LIGANDS = {"VEGF": "VEGFR2", "PDGF-BB": "PDGFRB", "FGF-2": "FGFR1"}
WEIGHT = 0.85


def length_mm(settings: dict[str, Any], seed: int) -> float:
    """The model in short: redundant pathways, blocked by the drug's IC50s, make length."""
    drug = load_drug(settings.get("drug.name", "anlotinib"))
    ic50 = dict(drug.potency(settings.get("drug.potency")).ic50_nM)
    rest = 1.0
    for ligand, receptor in LIGANDS.items():
        if settings.get(f"ligands.{ligand}.bath_ng_ml"):
            half = settings.get(f"drug.ic50_nM.{receptor}", ic50[receptor])
            rest *= 1 - WEIGHT / (1 + settings["drug.free_nM"] / half)
    chance = np.random.default_rng([seed, round(1000 * settings["drug.free_nM"])])
    level = np.random.default_rng(seed).normal()
    return float(5.5 + 10.7 * (1 - rest) + 0.2 * level + 0.15 * chance.normal())


class Chain:
    """Makes runs at once; those at `failing` nM fail."""

    running = 0
    outcomes: list[Outcome]

    def __init__(self, failing: float = -1) -> None:
        self.failing = failing

    def submit(self, tasks: Any) -> None:
        self.outcomes = [attempt(self.run, {}, task) for task in tasks]

    def wait(self, seconds: float) -> list[Outcome]:
        return [self.outcomes.pop()]

    def close(self) -> None:
        pass

    def run(self, base: dict[str, Any], task: Task) -> dict[str, float]:
        if task.settings["drug.free_nM"] == self.failing:
            raise ValueError("fails")
        length = length_mm(task.settings, task.seed)
        return {"tube_length_mm": length, "meshes": round(3 * length), "junctions": 2 * length}


def made(plan: Plan, out: Path | None = None, failing: float = -1) -> sim.Study:
    return sim.Study(**vars(sweep(plan, Chain(failing), out)))


def small(name: str) -> dict[str, Any]:
    """A shipped study with one read-out."""
    plan = plan_study(f"sweeps/{name}")
    tree = sim.files.read_toml(sim.scenario.loading.shipped_studies()[f"sweeps/{name}"])
    tree["dose_response"]["responses"] = ["tube_length_mm"]
    assert plan.name == tree["name"]
    return tree
