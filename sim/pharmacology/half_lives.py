"""Half-lives of a drug with several phases, and what each of them is good for.

The terminal half-life is the slope at the very end. Where the last phase has a small share of the
area it says little of how a drug accumulates: the effective half-life does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim.errors import InputError, Problem
from sim.pharmacology.bateman import Array
from sim.pharmacology.compartments import Compartments
from sim.pharmacology.course import Course
from sim.pharmacology.dosing import Dose, Route


@dataclass(frozen=True)
class HalfLives:
    """Half-lives after doses of one kind, of one subject or of each of many.

    Attributes
    ----------
    effective_h : array
        From accumulation: the half-life of the one-compartment drug that would accumulate as much,
        every_h ln 2 / ln(R / (R - 1)) (Boxenbaum & Battle 1995, J Clin Pharmacol 35:763). It
        depends on the interval where there is more than one phase.
    every_h : float
        That interval.
    accumulation : array
        R, the area over an interval in steady state relative to that over the first one.
    terminal_h : array
        Of the slope at the end: of absorption where that is the slowest.
    absorption_h : array or None
        ln 2 / ka; None after i.v. doses.
    phases : list of (array, array)
        Half-life and share of the area of each phase of disposition, the fastest first. The shares
        are those after an i.v. bolus; absorption delays each phase and leaves its share.
    """

    effective_h: Array
    every_h: float
    accumulation: Array
    terminal_h: Array
    absorption_h: Array | None
    phases: list[tuple[Array, Array]]

    @property
    def flip_flop(self) -> Array:
        """Whether absorption is slower than disposition, and sets the terminal half-life."""
        last = self.phases[-1][0]
        return np.asarray(False if self.absorption_h is None else self.absorption_h > last)

    def __str__(self) -> str:
        effective = f"{self.effective_h:.3g} h" if np.isfinite(self.effective_h) else "not defined"
        effective += f" ({self.accumulation:.3g}-fold accumulation of a dose every "
        effective += f"{self.every_h:g} h)"
        terminal = f"terminal half-life {self.terminal_h:.4g} h"
        phases = [f"{half_life_h:.3g} h" for half_life_h, _ in self.phases]
        if self.flip_flop:
            terminal += ", of absorption, which is slower than elimination"
            terminal += f" ({' and '.join(phases)}): flip-flop"
        elif len(phases) > 1:
            share = 100 * float(self.phases[-1][1])
            terminal += f", of a phase with {share:.3g} % of the AUC; before it {phases[0]}"
            terminal += f" with {100 - share:.3g} %"
        return f"effective half-life {effective}\n{terminal}"


def half_lives(
    model: Compartments, every_h: float, route: Route = "oral", infusion_h: float = 0.0
) -> HalfLives:
    """Return the half-lives after doses that are given every so many hours.

    Parameters
    ----------
    model : Compartments
        Of one subject, or of many.
    every_h : float
        Interval between doses, above 0.
    route : {"oral", "iv"}
        How they are given.
    infusion_h : float
        How long an i.v. infusion lasts; 0 is a bolus.

    Raises
    ------
    InputError
        If the interval is not above 0.
    """
    if not every_h > 0.0:
        raise InputError(str(Problem("every_h", every_h, "must be above 0")))
    whole = replace(model, F=1.0)  # type: ignore[type-var]  # a dataclass in each subclass
    course = Course(whole, [Dose(0.0, 1.0, route, infusion_h)])
    if route == "oral":
        outside = np.where(every_h < np.asarray(model.lag), 1.0, 0.0)
    else:
        outside = np.asarray(1.0 - every_h / infusion_h if every_h < infusion_h else 0.0)
    left = course.in_body(every_h) + outside
    with np.errstate(divide="ignore"):  # a lag as long as the interval leaves all of it
        effective_h = every_h * np.log(2.0) / -np.log(left)
        accumulation = 1.0 / (1.0 - left)
    return HalfLives(
        effective_h=np.asarray(effective_h),
        every_h=every_h,
        accumulation=np.asarray(accumulation),
        terminal_h=np.asarray(course.terminal_half_life_h),
        absorption_h=np.log(2.0) / np.asarray(model.ka) if route == "oral" else None,
        phases=[(np.log(2.0) / rate, share) for rate, share in model.phases],
    )
