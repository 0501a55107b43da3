"""What is reported of a drug in a body, beside what its pharmacokinetics give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.pharmacology.course import Course
from sim.pharmacology.dosing import Dose
from sim.pharmacology.drugs import Kinetics
from sim.pharmacology.half_lives import half_lives

NEAR = 0.2
"""How far from a single reported number counts as agreement."""


@dataclass(frozen=True)
class Comparison:
    """One reported number.

    Attributes
    ----------
    name : str
        What it is; the key in ``[reported.SPECIES]`` of the drug's data file.
    computed : float
        What the pharmacokinetics give.
    reported : float or (float, float)
        A single number, which counts as met within 20 %, or a range.
    not_met : str
        Why it is not met, if the data file says so.
    """

    name: str
    computed: float
    reported: float | tuple[float, float]
    not_met: str

    @property
    def met(self) -> bool:
        """Whether the computed number agrees with what is reported."""
        if isinstance(self.reported, tuple):
            return self.reported[0] <= self.computed <= self.reported[1]
        return abs(self.computed - self.reported) <= NEAR * self.reported

    def __str__(self) -> str:
        whole = self.reported if isinstance(self.reported, tuple) else (self.reported,)
        reported = "-".join(f"{value:g}" for value in whole)
        agrees = "" if self.met else ": not met"
        return f"{self.name} {float(f'{self.computed:.3g}'):g}, reported {reported}{agrees}"


def compared(kinetics: Kinetics, leaves: Mapping[str, Any]) -> Iterator[Comparison]:
    """Yield what is reported of a drug in a species, with what its pharmacokinetics give.

    The dose and interval of ``[reported.SPECIES]`` are given in steady state, by mouth.
    """
    if not leaves:
        return
    every_h, dose = float(leaves["every_h"]["value"]), float(leaves["dose_mg"]["value"])
    model = kinetics.model()
    halves = half_lives(model, every_h)
    steady = Course(model, [Dose(0.0, dose)], every_h)
    times = np.linspace(0.0, every_h, 2401)
    level = steady.concentration(times)  # mg/L
    computed = {
        "effective_half_life_h": float(halves.effective_h),
        "terminal_half_life_h": float(halves.terminal_h),
        "accumulation": float(halves.accumulation),
        "cmax_ng_ml": 1e3 * float(level.max()),
        "tmax_h": float(times[level.argmax()]),
        "trough_ng_ml": 1e3 * float(steady.concentration(every_h, before=True)),
        "auc_mg_h_L": float(steady.auc(0.0, every_h)),
    }
    for name, leaf in leaves.items():
        if name in computed:
            value = leaf["value"]
            reported = (value[0], value[1]) if isinstance(value, list) else value
            yield Comparison(name, computed[name], reported, leaf.get("not_met", ""))
