"""One- and two-compartment pharmacokinetics in closed form: what is where a time after an event.

All responses are built from one function, the divided difference of exp(-rate t) over a few
rates (:func:`bateman`), which stays accurate where rates coincide and the textbook formulas
divide zero by zero.

Amounts are in mg, volumes in L, clearances in L/h, times in h, rates in 1/h: concentrations are
in mg/L. Parameters per kg of body weight go with doses in mg/kg.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, Problem
from sim.pharmacology.bateman import Array, bateman


class State(NamedTuple):
    """What is where (mg) after an event, and the rate of infusion (mg/h)."""

    gut: Array
    central: Array
    peripheral: Array
    infusion: Array


class Compartments(ABC):
    """A linear model; its parameters are numbers, or arrays of one value per subject.

    Raises
    ------
    InputError
        If a parameter is out of range, or the arrays do not have one length.
    """

    CL: float | Array
    ka: float | Array
    F: float | Array
    lag: float | Array

    def __post_init__(self) -> None:
        for field in fields(self):  # type: ignore[arg-type]  # a dataclass in each subclass
            value = np.asarray(getattr(self, field.name), dtype=np.float64)
            if value.ndim > 1:
                raise InputError(f"{field.name}: must be a number or one value per subject")
            highest = 1.0 if field.name == "F" else np.finfo(np.float64).max
            wrong = ~((value >= 0.0) & (value <= highest))
            if field.name not in ("F", "Q", "lag"):
                wrong |= value == 0.0
            if wrong.any():
                bound = {"F": "from 0 to 1", "Q": "at least 0", "lag": "at least 0"}
                allowed = f"must be {bound.get(field.name, 'above 0')}"
                raise InputError(str(Problem(field.name, float(value[wrong].flat[0]), allowed)))
        if len({len(value) for value in self._arrays()}) > 1:
            raise InputError("all parameters must have one value, or one for each subject")

    @property
    def subjects(self) -> int | None:
        """Number of subjects; None if all parameters are numbers."""
        return next((len(value) for value in self._arrays()), None)

    def subject(self, index: int) -> Self:
        """Return the model of one subject."""
        taken = {
            field.name: float(value[index])
            for field in fields(self)  # type: ignore[arg-type]
            if (value := np.asarray(getattr(self, field.name))).ndim
        }
        return replace(self, **taken)  # type: ignore[type-var]

    def some(self, which: slice | NDArray[np.intp]) -> Self:
        """Return the model of some of the subjects; of a single one, itself."""
        taken = {
            field.name: value[which]
            for field in fields(self)  # type: ignore[arg-type]
            if (value := np.asarray(getattr(self, field.name))).ndim
        }
        return replace(self, **taken)  # type: ignore[type-var]

    @property
    @abstractmethod
    def terminal_rate(self) -> Array:
        """Rate of the last exponential of disposition (1/h)."""

    @property
    @abstractmethod
    def phases(self) -> list[tuple[Array, Array]]:
        """Rate (1/h) and share of the area of each exponential after an i.v. bolus, fastest first.

        The last rate is `terminal_rate`.
        """

    @property
    def terminal_half_life_h(self) -> Array:
        """Terminal half-life after an oral dose: absorption may be slower than disposition."""
        return np.asarray(np.log(2.0) / np.minimum(self.terminal_rate, self.ka))

    @property
    @abstractmethod
    def central_volume(self) -> Array:
        """Volume in which the concentration is measured (L)."""

    @abstractmethod
    def _passed(self, time: Array, *steps: ArrayLike) -> Array:
        """Return what is in the centre of a unit that first went through these steps."""

    @abstractmethod
    def _returned(self, time: Array, *steps: ArrayLike) -> Array:
        """Return what is in the centre of a unit from the periphery that then took the steps."""

    @abstractmethod
    def peripheral(self, state: State, time: Array) -> Array:
        """Return the amount in the periphery a time after an event."""

    def gut(self, state: State, time: Array) -> Array:
        """Return the amount in the gut a time after an event."""
        return state.gut * bateman([column(self.ka)], time)

    def central(self, state: State, time: Array, *steps: ArrayLike) -> Array:
        """Return the amount in the centre a time after an event (its integral, with a step 0)."""
        ka = column(self.ka)
        found = state.central * self._passed(time, *steps)
        if state.peripheral.any():
            found = found + state.peripheral * self._returned(time, *steps)
        if state.gut.any():
            found = found + state.gut * ka * self._passed(time, ka, *steps)
        if state.infusion.any():
            found = found + state.infusion * self._passed(time, 0.0, *steps)
        return found

    def eliminated(self, state: State, time: Array) -> Array:
        """Return what is eliminated in a time after an event."""
        return column(self.CL / self.central_volume) * self.central(state, time, 0.0)

    def _arrays(self) -> list[Array]:
        values = (np.asarray(getattr(self, f.name)) for f in fields(self))  # type: ignore[arg-type]
        return [value for value in values if value.ndim]


@dataclass(frozen=True, eq=False)
class OneCompartment(Compartments):
    """One compartment, first-order absorption, linear elimination.

    Parameters
    ----------
    CL, V : float or array, shape (subjects,)
        Clearance (L/h) and volume (L), above 0; apparent ones (CL/F, V/F) go with F = 1.
    ka : float or array
        Rate of absorption (1/h), above 0.
    F : float or array
        Absorbed fraction of an oral dose, 0-1.
    lag : float or array
        Time between an oral dose and the start of its absorption (h).
    """

    CL: float | Array
    V: float | Array
    ka: float | Array
    F: float | Array = 1.0
    lag: float | Array = 0.0

    @property
    def terminal_rate(self) -> Array:
        """CL / V (1/h)."""
        return np.asarray(self.CL) / self.V

    @property
    def phases(self) -> list[tuple[Array, Array]]:
        """The only one."""
        return [(self.terminal_rate, np.ones_like(self.terminal_rate))]

    @property
    def central_volume(self) -> Array:
        """V (L)."""
        return np.asarray(self.V)

    def _passed(self, time: Array, *steps: ArrayLike) -> Array:
        return bateman((*steps, column(self.terminal_rate)), time)

    def _returned(self, time: Array, *steps: ArrayLike) -> Array:
        return np.zeros_like(time)

    def peripheral(self, state: State, time: Array) -> Array:
        """Return 0: there is no periphery."""
        return np.zeros(np.broadcast_shapes(state.central.shape, time.shape))


class _Rates(NamedTuple):
    """Rates of the two-compartment model (1/h), and two differences without cancellation."""

    k12: Array
    k21: Array
    alpha: Array
    beta: Array
    k21_minus_beta: Array
    alpha_minus_k21: Array


@dataclass(frozen=True, eq=False)
class TwoCompartment(Compartments):
    """Two compartments, first-order absorption, linear elimination from the first.

    Parameters
    ----------
    CL, V1, Q, V2 : float or array, shape (subjects,)
        Clearance and clearance between the compartments (L/h), volumes of the central and the
        peripheral one (L).
    ka, F, lag : float or array
        As in :class:`OneCompartment`.

    Notes
    -----
    After a unit i.v. the centre contains B(alpha) + (k21 - beta) B(alpha, beta), B being
    :func:`bateman`; both terms are positive, since beta < k21 < alpha.
    """

    CL: float | Array
    V1: float | Array
    Q: float | Array
    V2: float | Array
    ka: float | Array
    F: float | Array = 1.0
    lag: float | Array = 0.0

    @property
    def terminal_rate(self) -> Array:
        """The slower rate beta (1/h); alpha where nothing reaches the periphery (Q = 0)."""
        return self.phases[-1][0]

    @property
    def phases(self) -> list[tuple[Array, Array]]:
        """Those of alpha and beta, whose shares of the area are k10 A / rate."""
        r = self._rates
        k10, apart = column(self.CL) / column(self.V1), r.alpha - r.beta
        alone = r.k12 == 0.0  # then there is one phase, and it counts as the last one
        slow = k10 * r.k21_minus_beta / np.where(alone, 1.0, r.beta * apart)
        slow = np.where(alone, 1.0, slow)
        found = ((r.alpha, 1.0 - slow), (np.where(alone, k10, r.beta), slow))
        disposition = (self.CL, self.V1, self.Q, self.V2)
        shape = np.broadcast_shapes(*map(np.shape, disposition))
        return [(rate.reshape(shape), share.reshape(shape)) for rate, share in found]

    @property
    def central_volume(self) -> Array:
        """V1 (L)."""
        return np.asarray(self.V1)

    @cached_property
    def _rates(self) -> _Rates:
        k10, k12 = column(self.CL) / column(self.V1), column(self.Q) / column(self.V1)
        k21 = column(self.Q) / column(self.V2)
        root = np.hypot(k10 + k12 - k21, 2.0 * np.sqrt(k12 * k21))
        alpha = (k10 + k12 + k21 + root) / 2.0
        beta = k10 * k21 / alpha
        # alpha - k10 and alpha - k21 are (y + root) / 2 with root^2 = y^2 + 4 product
        alpha_minus_k10 = _larger_root(k12 + k21 - k10, k10 * k12, root)
        alpha_minus_k21 = _larger_root(k10 + k12 - k21, k12 * k21, root)
        return _Rates(k12, k21, alpha, beta, k21 * alpha_minus_k10 / alpha, alpha_minus_k21)

    def _passed(self, time: Array, *steps: ArrayLike) -> Array:
        r = self._rates
        return bateman((*steps, r.alpha), time) + r.k21_minus_beta * self._both(time, *steps)

    def _returned(self, time: Array, *steps: ArrayLike) -> Array:
        return self._rates.k21 * self._both(time, *steps)

    def peripheral(self, state: State, time: Array) -> Array:
        """Return the amount in the periphery a time after an event."""
        r, ka = self._rates, column(self.ka)
        kept = bateman([r.alpha], time) + r.alpha_minus_k21 * self._both(time)
        return np.asarray(
            state.peripheral * kept
            + r.k12
            * (
                state.central * self._both(time)
                + state.gut * ka * self._both(time, ka)
                + state.infusion * self._both(time, 0.0)
            )
        )

    def _both(self, time: Array, *steps: ArrayLike) -> Array:
        return bateman((*steps, self._rates.alpha, self._rates.beta), time)


def column(value: ArrayLike) -> Array:
    """Return a parameter as a column: one row per subject, times run along the rows."""
    return np.asarray(value, dtype=np.float64).reshape(-1, 1)


def _larger_root(y: Array, product: Array, root: Array) -> Array:
    """Return (y + root) / 2, where root^2 = y^2 + 4 product, without cancellation."""
    below = np.where(root > y, root - y, 1.0)
    return np.where(y > 0.0, (y + root) / 2.0, 2.0 * product / below)
