"""The unbound drug that cells see, as a function of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, Problem
from sim.pharmacology.compartments import Compartments
from sim.pharmacology.course import ROUNDING_H, Change, Course
from sim.pharmacology.dosing import Dose
from sim.units import nM_to_ng_per_ml

Array = NDArray[np.float64]


class Exposure(Protocol):
    """Drug around the cells."""

    def free_nM(self, time_h: Array) -> Array:
        """Unbound drug (nM) at these times."""

    def total_nM(self, time_h: Array) -> Array:
        """All drug (nM) at these times."""

    def events_h(self, start_h: float, end_h: float) -> Array:
        """When it, or what it follows, changes at once between two times."""


@dataclass(frozen=True)
class Media:
    """In vitro: a medium of stated free concentration from each time on, none before the first.

    Culture medium holds little protein, so the drug in it counts as unbound unless a fraction is
    given.
    """

    at_h: tuple[float, ...]
    nM: tuple[float, ...]
    fraction_unbound: float = 1.0

    @cached_property
    def _levels(self) -> tuple[Array, Array]:
        """Starts of the media, and concentrations before the first and from each on."""
        return np.array(self.at_h, dtype=np.float64), np.array([0.0, *self.nM])

    def free_nM(self, time_h: Array) -> Array:
        """Unbound drug (nM) at these times."""
        start_h, level_nM = self._levels
        # times are sums of steps: one that is a rounding error short of a change is at it
        return level_nM[start_h.searchsorted(np.add(time_h, ROUNDING_H), side="right")]

    def total_nM(self, time_h: Array) -> Array:
        """All drug (nM) at these times."""
        return self.free_nM(time_h) / self.fraction_unbound

    def events_h(self, start_h: float, end_h: float) -> Array:
        """Changes of medium between two times."""
        at_h, _ = self._levels
        return at_h[(at_h >= start_h) & (at_h <= end_h)]


@dataclass(frozen=True)
class Pharmacokinetic:
    """In vivo: the drug of a list of doses, free = fu x kp_uu x total.

    Parameters
    ----------
    model : Compartments
        Of one subject, or of many: concentrations then have a row for each.
    doses : sequence of Dose
        What is given.
    fu : float
        Fraction unbound in plasma, above 0, at most 1.
    kp_uu : float
        Unbound drug at the cells relative to plasma, above 0.
    molar_mass : float
        g/mol.
    cycle_h : float, optional
        Period after which the doses repeat for ever (steady state).
    changes : sequence of Change
        What other drugs do to clearance and absorption from certain times on.

    Raises
    ------
    InputError
        If `fu`, `kp_uu` or `molar_mass` is out of range.
    """

    model: Compartments
    doses: Sequence[Dose]
    fu: float
    kp_uu: float
    molar_mass: float
    cycle_h: float | None = None
    changes: Sequence[Change] = ()

    def __post_init__(self) -> None:
        for key, highest in (("fu", 1.0), ("kp_uu", np.inf), ("molar_mass", np.inf)):
            value = getattr(self, key)
            if not (0.0 < value <= highest and np.isfinite(value)):
                allowed = "must be above 0" + (", at most 1" if highest == 1.0 else "")
                raise InputError(str(Problem(key, value, allowed)))

    @cached_property
    def course(self) -> Course:
        """The time course in plasma, in mg/L."""
        return Course(self.model, self.doses, self.cycle_h, self.changes)

    def total_nM(self, time_h: ArrayLike, *, before: bool = False) -> Array:
        """All drug in plasma (nM) at these times; just `before` a dose that falls on one."""
        mg_per_l = self.course.concentration(time_h, before=before)
        return mg_per_l * (1e3 / nM_to_ng_per_ml(1.0, self.molar_mass))

    def free_nM(self, time_h: ArrayLike, *, before: bool = False) -> Array:
        """Unbound drug at the cells (nM) at these times; just `before` a dose on one."""
        return self.fu * self.kp_uu * self.total_nM(time_h, before=before)

    def events_h(self, start_h: float, end_h: float) -> Array:
        """Doses, ends of infusions and changes of interactions between two times."""
        return self.course.events_h(start_h, end_h)


def constant(free_nM: float, fraction_unbound: float = 1.0) -> Media:
    """One medium throughout."""
    return Media((-np.inf,), (free_nM,), fraction_unbound)
