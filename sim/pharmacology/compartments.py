"""One- and two-compartment pharmacokinetics in closed form.

All responses are built from one function, the divided difference of exp(-rate t) over a few
rates (:func:`bateman`), which stays accurate where rates coincide and the textbook formulas
divide zero by zero. Between events (a dose, the start or end of an infusion) the system is
linear with constant input, so its state is carried from event to event, and every
concentration comes from the state after the last event: the result is that of superposition, at
a cost that does not grow with the number of doses.

Amounts are in mg, volumes in L, clearances in L/h, times in h, rates in 1/h: concentrations are
in mg/L. Parameters per kg of body weight go with doses in mg/kg.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import factorial, isfinite
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, Problem
from sim.pharmacology.dosing import Dose

Array = NDArray[np.float64]

_Part = Callable[..., Array]

_TERMS = 20  # of the series: the first one left out is below 1e-17 of the sum
_BLOCK = 2**16  # values computed at once: they stay in the processor's cache


def bateman(rates: Sequence[ArrayLike], time_h: ArrayLike) -> Array:
    """Return the divided difference of exp(-rate t) over one or more rates.

    sum over i of exp(-r_i t) / prod over j != i of (r_j - r_i): what is left of a unit impulse
    in the last of a chain of first-order steps, apart from the product of the rates between
    them (Bateman 1910, Proc Camb Phil Soc 15:423). A rate of zero integrates over time.

    Parameters
    ----------
    rates : sequence of array_like
        Rates of the steps, at least 0 (1/h), in any order; they may coincide.
    time_h : array_like
        Times; rates and times broadcast against each other.

    Returns
    -------
    array
        Never negative, 0 before time 0, in h^(number of rates - 1); accurate to about
        1e-13 of its value.
    """
    time = np.asarray(time_h, dtype=np.float64)
    columns = [np.asarray(rate, dtype=np.float64) for rate in rates]
    ordered = np.sort(np.stack(np.broadcast_arrays(*columns)), axis=0)
    return np.where(time < 0.0, 0.0, _divided(list(ordered), np.maximum(time, 0.0)))


def _divided(rates: list[Array], time: Array) -> Array:
    """Return :func:`bateman` of rates in rising order."""
    if len(rates) == 1:
        return np.asarray(np.exp(-rates[0] * time))
    spread = rates[-1] - rates[0]
    x = spread * time
    if len(rates) == 2:  # t e^(-r t) (1 - e^-x) / x
        positive = np.where(x > 0.0, x, 1.0)
        mean = np.where(x > 0.0, -np.expm1(-positive) / positive, 1.0)
        return np.asarray(time * np.exp(-rates[0] * time) * mean)
    difference = _divided(rates[:-1], time) - _divided(rates[1:], time)
    found = np.asarray(difference / np.where(spread > 0.0, spread, 1.0))
    near = x < 1.0  # where the difference loses digits
    if near.any():
        picked = [np.broadcast_to(part, near.shape)[near] for part in (*rates, time)]
        found[near] = _series(picked[:-1], picked[-1])
    return found


def _series(rates: list[Array], time: Array) -> Array:
    """Return :func:`bateman` of rates with (highest - lowest) t < 1, by Taylor series.

    t^(n-1) e^(-r_1 t) sum over m of (-1)^m h_m / (m + n - 1)!, where h_m is the complete
    homogeneous polynomial of degree m in the (r_i - r_1) t.
    """
    order = len(rates) - 1
    offsets = [(rate - rates[0]) * time for rate in rates[1:]]
    h = [np.ones_like(time) for _ in offsets]  # in the first, the first two, ... offsets
    total = h[-1] / factorial(order)
    for m in range(1, _TERMS):
        lower = np.zeros_like(time)
        for place, offset in enumerate(offsets):
            h[place] = lower = lower + offset * h[place]
        total += (-1.0) ** m / factorial(m + order) * h[-1]
    return np.asarray(time**order * np.exp(-rates[0] * time) * total)


class State(NamedTuple):
    """What is where (mg) after an event, and the rate of infusion (mg/h)."""

    gut: Array
    central: Array
    peripheral: Array
    infusion: Array


class Amounts(NamedTuple):
    """What is where (mg). Their sum is what has been given: F of oral doses, all of others."""

    gut: Array
    central: Array
    peripheral: Array
    eliminated: Array


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

    def course(self, doses: Sequence[Dose], cycle_h: float | None = None) -> Course:
        """Return the time course of doses.

        Parameters
        ----------
        doses : sequence of Dose
            In any order.
        cycle_h : float, optional
            The doses are given again every `cycle_h` hours, and have been for ever: the steady
            state, solved exactly. They begin within the cycle; infusions may last longer.
        """
        return Course(self, doses, cycle_h)

    def concentration(self, doses: Sequence[Dose], time_h: ArrayLike) -> Array:
        """Return the plasma concentration (mg/L); see :meth:`Course.concentration`."""
        return self.course(doses).concentration(time_h)

    @property
    @abstractmethod
    def terminal_rate(self) -> Array:
        """Rate of the last exponential of disposition (1/h)."""

    @property
    def half_life_h(self) -> Array:
        """Terminal half-life after an oral dose: absorption may be slower than disposition."""
        return np.asarray(np.log(2.0) / np.minimum(self.terminal_rate, self.ka))

    @property
    @abstractmethod
    def steady_volume(self) -> Array:
        """Volume of distribution at steady state (L)."""

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
    def _peripheral(self, state: State, time: Array) -> Array:
        """Return the amount in the periphery a time after an event."""

    def _gut(self, state: State, time: Array) -> Array:
        return state.gut * bateman([_column(self.ka)], time)

    def _central(self, state: State, time: Array, *steps: ArrayLike) -> Array:
        """Return the amount in the centre a time after an event (its integral, with a step 0)."""
        ka = _column(self.ka)
        found = state.central * self._passed(time, *steps)
        if state.peripheral.any():
            found = found + state.peripheral * self._returned(time, *steps)
        if state.gut.any():
            found = found + state.gut * ka * self._passed(time, ka, *steps)
        if state.infusion.any():
            found = found + state.infusion * self._passed(time, 0.0, *steps)
        return found

    def _eliminated(self, state: State, time: Array) -> Array:
        """Return what is eliminated in a time after an event."""
        return _column(self.CL / self.central_volume) * self._central(state, time, 0.0)

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
    def steady_volume(self) -> Array:
        """V (L)."""
        return np.asarray(self.V)

    @property
    def central_volume(self) -> Array:
        """V (L)."""
        return np.asarray(self.V)

    def _passed(self, time: Array, *steps: ArrayLike) -> Array:
        return bateman((*steps, _column(self.terminal_rate)), time)

    def _returned(self, time: Array, *steps: ArrayLike) -> Array:
        return np.zeros_like(time)

    def _peripheral(self, state: State, time: Array) -> Array:
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
    After a unit i.v. the centre holds B(alpha) + (k21 - beta) B(alpha, beta), B being
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
        """The slower rate beta (1/h)."""
        disposition = (self.CL, self.V1, self.Q, self.V2)
        return self._rates.beta.reshape(np.broadcast_shapes(*map(np.shape, disposition)))

    @property
    def steady_volume(self) -> Array:
        """V1 + V2 (L)."""
        return np.asarray(self.V1) + self.V2

    @property
    def central_volume(self) -> Array:
        """V1 (L)."""
        return np.asarray(self.V1)

    @cached_property
    def _rates(self) -> _Rates:
        k10, k12 = _column(self.CL) / _column(self.V1), _column(self.Q) / _column(self.V1)
        k21 = _column(self.Q) / _column(self.V2)
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

    def _peripheral(self, state: State, time: Array) -> Array:
        r, ka = self._rates, _column(self.ka)
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


def _column(value: ArrayLike) -> Array:
    """Return a parameter as a column: one row per subject, times run along the rows."""
    return np.asarray(value, dtype=np.float64).reshape(-1, 1)


def _larger_root(y: Array, product: Array, root: Array) -> Array:
    """Return (y + root) / 2, where root^2 = y^2 + 4 product, without cancellation."""
    below = np.where(root > y, root - y, 1.0)
    return np.where(y > 0.0, (y + root) / 2.0, 2.0 * product / below)


class Course:
    """The time course of a list of doses in one subject or many.

    Parameters
    ----------
    model : Compartments
        With numbers, or one value per subject.
    doses : sequence of Dose
        In any order.
    cycle_h : float, optional
        Period of the steady state; see :meth:`Compartments.course`.

    Raises
    ------
    InputError
        If a dose does not begin within the cycle, or the cycle is not above 0.
    """

    def __init__(
        self, model: Compartments, doses: Sequence[Dose], cycle_h: float | None = None
    ) -> None:
        self.model = model
        self.doses = tuple(sorted(doses, key=lambda dose: dose.at_h))
        self.cycle_h = cycle_h
        if cycle_h is not None and not (isfinite(cycle_h) and cycle_h > 0.0):
            raise InputError(str(Problem("cycle_h", cycle_h, "must be above 0")))
        for number, dose in enumerate(self.doses, start=1):
            if cycle_h is not None and dose.at_h >= cycle_h:
                allowed = f"must be within the cycle of {cycle_h:g} h"
                raise InputError(str(Problem(f"dose {number}.at_h", dose.at_h, allowed)))
        self._streams = [
            (_Stream(model, [d for d in self.doses if d.route == route], cycle_h), lag)
            for route, lag in (("oral", _column(model.lag)), ("iv", _column(0.0)))
        ]

    def concentration(self, time_h: ArrayLike, *, before: bool = False) -> Array:
        """Return the plasma concentration.

        Parameters
        ----------
        time_h : array_like
            Times of any shape.
        before : bool
            At the time of a dose, the concentration just before it.

        Returns
        -------
        array
            mg/L, of the shape of `time_h`; with subjects, a row for each.
        """
        amount = self._sum(self.model._central, time_h, before)
        volume = self.model.central_volume
        return np.asarray(amount / volume.reshape(volume.shape + (1,) * np.ndim(time_h)))

    def amounts(self, time_h: ArrayLike) -> Amounts:
        """Return what is in gut, centre and periphery, and what is eliminated (mg).

        A dose waiting for its lag is in the gut; the part 1 - F of it is nowhere.

        Raises
        ------
        InputError
            If this is a steady state, which has eliminated an infinite amount.
        """
        if self.cycle_h is not None:
            raise InputError("the amounts of a steady state are not defined; ask concentration()")
        gut = self._sum(self.model._gut, time_h) + self._waiting(time_h)
        central = self._sum(self.model._central, time_h)
        peripheral = self._sum(self.model._peripheral, time_h)
        return Amounts(gut, central, peripheral, self._sum(self.model._eliminated, time_h))

    @property
    def half_life_h(self) -> Array:
        """Terminal half-life; after i.v. doses alone that of disposition."""
        if {dose.route for dose in self.doses} == {"iv"}:
            return np.asarray(np.log(2.0) / self.model.terminal_rate)
        return self.model.half_life_h

    def auc(self, start_h: float, end_h: float) -> Array:
        """Return the exact area under the concentration between two times (mg h/L)."""
        found = self._sum(self.model._eliminated, np.array([start_h, end_h]))
        return np.asarray((found[..., 1] - found[..., 0]) / self.model.CL)

    def auc_inf(self) -> Array:
        """Return the exact area under the concentration from the first dose on (mg h/L)."""
        given = {route: 0.0 for route in ("oral", "iv")}
        for dose in self.doses:
            given[dose.route] += dose.amount_mg
        return np.asarray((np.asarray(self.model.F) * given["oral"] + given["iv"]) / self.model.CL)

    def events_h(self, start_h: float, end_h: float) -> Array:
        """Return when doses arrive and infusions end between two times, in the first subject."""
        lag = float(np.ravel(self.model.lag)[0])
        found = np.array(
            [
                time
                for dose in self.doses
                for time in (
                    (dose.at_h, dose.at_h + dose.infusion_h)
                    if dose.route == "iv"
                    else (dose.at_h + lag,)
                )
            ]
        )
        if self.cycle_h is not None and found.size:
            first = np.floor((start_h - found.max()) / self.cycle_h)
            turns = np.arange(first, np.ceil((end_h - found.min()) / self.cycle_h) + 1)
            found = np.add.outer(turns * self.cycle_h, found).ravel()
        return np.unique(found[(found >= start_h) & (found <= end_h)])

    def _sum(self, part: _Part, time_h: ArrayLike, before: bool = False) -> Array:
        """Return one part of the amounts, summed over oral and i.v. doses."""
        time = np.asarray(time_h, dtype=np.float64)
        flat, n = time.reshape(1, -1), self.model.subjects or 1
        found = np.zeros((n, flat.size))
        step = max(1, _BLOCK // n)
        for start in range(0, flat.size, step):
            piece = slice(start, start + step)
            for stream, lag in self._streams:
                if stream.events:
                    found[:, piece] += stream.at(part, flat[:, piece] - lag, before)
        shape = time.shape if self.model.subjects is None else (n, *time.shape)
        return found.reshape(shape)

    def _waiting(self, time_h: ArrayLike) -> Array:
        """Return what has been taken and waits for its lag (mg)."""
        time = np.asarray(time_h, dtype=np.float64)
        lag, F = _column(self.model.lag), _column(self.model.F)
        found = np.zeros((self.model.subjects or 1, time.size))
        for dose in (d for d in self.doses if d.route == "oral"):
            since = time.reshape(1, -1) - dose.at_h
            # the same comparison as for its arrival, so that nothing is counted twice
            found += F * dose.amount_mg * ((since >= 0.0) & (time.reshape(1, -1) - lag < dose.at_h))
        return found.reshape(time.shape if self.model.subjects is None else (-1, *time.shape))


class _Stream:
    """The doses of one route, in their own time (oral ones after the lag), and their states."""

    def __init__(self, model: Compartments, doses: list[Dose], cycle_h: float | None) -> None:
        self.model, self.cycle_h = model, cycle_h
        changes: list[tuple[float, float, float, float]] = []  # time, gut, centre, infusion
        begun = 0.0  # rate of the infusions that an earlier cycle began
        for dose in doses:
            if dose.route == "oral":
                changes.append((dose.at_h, dose.amount_mg, 0.0, 0.0))
            elif dose.infusion_h == 0.0:
                changes.append((dose.at_h, 0.0, dose.amount_mg, 0.0))
            else:
                rate, end_h = dose.amount_mg / dose.infusion_h, dose.at_h + dose.infusion_h
                if cycle_h is not None:
                    begun += rate * (end_h // cycle_h)
                    end_h %= cycle_h
                changes.append((dose.at_h, 0.0, 0.0, rate))
                changes.append((end_h, 0.0, 0.0, -rate))
        self.events = len(changes)
        if not changes:
            return
        changes.sort()
        time = np.array([0.0, *(change[0] for change in changes)])
        waits, which = np.unique(np.diff(time), return_inverse=True)
        flows = self._flows(np.maximum(waits, 0.0))
        n = model.subjects or 1
        F = np.broadcast_to(np.ravel(model.F), n)
        given = np.array([change[1:] for change in changes])
        rates = begun + np.concatenate([[0.0], np.cumsum(given[:, 2])])
        rates[np.abs(rates) < 1e-12 * np.abs(rates).max()] = 0.0  # rounding left by sums
        states = np.zeros((self.events + 1, 5, n))  # gut, centre, periphery, eliminated, infusion
        states[0, 4] = rates[0]

        def run() -> None:
            for event, wait in enumerate(which, start=1):
                states[event] = np.einsum("ijs,js->is", flows[wait], states[event - 1])
                states[event, 0] += F * given[event - 1, 0]
                states[event, 1] += given[event - 1, 1]
                states[event, 4] = rates[event]

        run()
        if cycle_h is not None:  # x = M x + b over one cycle, b being what one cycle leaves
            rest = self._flows(np.array([cycle_h - time[-1]]))[0]
            b = np.einsum("ijs,js->is", rest, states[-1])[:3]
            M = np.moveaxis(self._flows(np.array([cycle_h]))[0, :3, :3], -1, 0)
            states[0, :3] = np.linalg.solve(np.eye(3) - M, b.T[..., None])[..., 0].T
            run()
            self._eliminated = np.einsum("ijs,js->is", rest, states[-1])[3]  # in a cycle
        self._time, self._states = time, states

    def at(self, part: _Part, time: Array, before: bool) -> Array:
        """Return a part of the amounts at times of shape (1 or subjects, times)."""
        if self.cycle_h is not None:
            turns = time // self.cycle_h
            time = self.cycle_h - (-time % self.cycle_h) if before else time % self.cycle_h
        side = "left" if before else "right"
        last = np.searchsorted(self._time[1:], time, side=side)  # type: ignore[call-overload]
        subject = np.arange(self._states.shape[-1])[:, None]
        gut, central, peripheral, eliminated, infusion = (
            self._states[last, row, subject] for row in range(5)
        )
        since = np.maximum(time - self._time[last], 0.0)
        found = part(State(gut, central, peripheral, infusion), since)
        if part != self.model._eliminated:
            return found
        found = np.asarray(found + eliminated)
        return found if self.cycle_h is None else found + turns * self._eliminated[:, None]

    def _flows(self, waits: Array) -> Array:
        """Return the matrices that carry a state over these times, (waits, 5, 5, subjects)."""
        model, n = self.model, self.model.subjects or 1
        found = np.zeros((len(waits), 5, 5, n))
        parts = (model._gut, model._central, model._peripheral, model._eliminated)
        zero, one = np.zeros((n, 1)), np.ones((n, 1))
        for column, source in ((0, 0), (1, 1), (2, 2), (4, 3)):
            state = State(*(one if place == source else zero for place in range(4)))
            for row, part in enumerate(parts):
                found[:, row, column] = part(state, waits[None, :]).T
        found[:, 3, 3] = 1.0
        return found
