"""The time course of doses: concentrations at any time, areas, the steady state.

Between events (a dose, the start or end of an infusion) the system is linear with constant input,
so its state is carried from event to event, and every concentration comes from the state after
the last event: the result is that of superposition, at a cost that does not grow with the number
of doses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, Problem
from sim.pharmacology.bateman import Array
from sim.pharmacology.compartments import Compartments, State, column
from sim.pharmacology.dosing import Dose

Part = Literal["gut", "central", "peripheral", "eliminated"]

ROUNDING_H = 1e-9  # of sums of hours that are meant to be one time
BEFORE_H = 2.0 * ROUNDING_H  # what is just before an event is before its rounding error, too
_BLOCK = 2**17  # values computed in one block, which fits the processor's cache
_MANY = 32  # subjects, from which on times are taken dose by dose


class Change(NamedTuple):
    """What another drug does to this one, from a time on (in all, until the next change)."""

    at_h: float
    factor_CL: float = 1.0
    """of the clearance"""
    factor_F: float = 1.0
    """of what is absorbed of oral doses given from then on"""


class Course:
    """The time course of a list of doses in one subject or many.

    Parameters
    ----------
    model : Compartments
        With numbers, or one value per subject.
    doses : sequence of Dose
        In any order.
    cycle_h : float, optional
        The doses are given again every `cycle_h` hours, and have been for ever: the steady state,
        solved exactly. They begin within the cycle; infusions may last longer.
    changes : sequence of Change
        In order of time; not of a steady state.

    Raises
    ------
    InputError
        If a dose does not begin within the cycle, the cycle is not above 0, or a steady state
        changes.
    """

    def __init__(
        self,
        model: Compartments,
        doses: Sequence[Dose],
        cycle_h: float | None = None,
        changes: Sequence[Change] = (),
    ) -> None:
        self.model, self.changes = model, tuple(changes)
        self.doses = tuple(sorted(doses, key=lambda dose: dose.at_h))
        self.cycle_h = cycle_h
        if cycle_h is not None and not (isfinite(cycle_h) and cycle_h > 0.0):
            raise InputError(str(Problem("cycle_h", cycle_h, "must be above 0")))
        for number, dose in enumerate(self.doses, start=1):
            if cycle_h is not None and dose.at_h >= cycle_h:
                allowed = f"must be within the cycle of {cycle_h:g} h"
                raise InputError(str(Problem(f"dose {number}.at_h", dose.at_h, allowed)))
        if cycle_h is not None and changes:
            raise InputError("a steady state has no changes: give a number of cycles")
        lags = np.ravel(model.lag)
        self._each: list[Course] = []
        if changes and (lags != lags[0]).any():  # then each subject has an order of its own
            each = range(model.subjects or 1)
            self._each = [Course(model.subject(i), doses, None, changes) for i in each]
            return
        models = [(-np.inf, model)] + [
            (change.at_h, replace(model, CL=model.CL * change.factor_CL))  # type: ignore[type-var]
            for change in changes
        ]
        self._streams = [
            (
                _Stream(
                    [(at_h - float(lag[0, 0]), of) for at_h, of in models],
                    [self._absorbed(dose) for dose in self.doses if dose.route == route],
                    cycle_h,
                ),
                lag,
            )
            for route, lag in (("oral", column(model.lag)), ("iv", column(0.0)))
        ]

    def _absorbed(self, dose: Dose) -> Dose:
        """Return a dose with what an interaction makes of its amount."""
        held = [change for change in self.changes if change.at_h <= dose.at_h]
        if not held or dose.route != "oral":
            return dose
        return replace(dose, amount_mg=dose.amount_mg * held[-1].factor_F)

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
        amount = self.amount("central", time_h, before)
        volume = self.model.central_volume
        return np.asarray(amount / volume.reshape(volume.shape + (1,) * np.ndim(time_h)))

    @property
    def terminal_half_life_h(self) -> Array:
        """Half-life of the slowest phase; after i.v. doses only, of disposition alone."""
        if {dose.route for dose in self.doses} == {"iv"}:
            return np.asarray(np.log(2.0) / self.model.terminal_rate)
        return self.model.terminal_half_life_h

    def in_body(self, time_h: ArrayLike) -> Array:
        """Return what is in gut, centre and periphery (mg), of the shape of `concentration`."""
        parts: tuple[Part, ...] = ("gut", "central", "peripheral")
        return np.asarray(sum(self.amount(part, time_h) for part in parts))

    def auc(self, start_h: float, end_h: float) -> Array:
        """Return the exact area under the concentration between two times (mg h/L)."""
        inside = [change for change in self.changes if start_h < change.at_h < end_h]
        before = [change.factor_CL for change in self.changes if change.at_h <= start_h]
        bounds = [start_h, *(change.at_h for change in inside), end_h]
        factors = [*before[-1:], *(change.factor_CL for change in inside)]
        found = self.amount("eliminated", np.array(bounds))
        if not self.changes:
            return np.asarray((found[..., 1] - found[..., 0]) / self.model.CL)
        factors = factors if before else [1.0, *factors]
        volumes = np.diff(found, axis=-1) / np.array(factors)
        return np.asarray(volumes.sum(axis=-1) / self.model.CL)

    def events_h(self, start_h: float, end_h: float) -> Array:
        """Return when doses arrive, infusions end and interactions change between two times.

        Of many subjects, in the first one.
        """
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
        found = np.append(found, [change.at_h for change in self.changes])
        return np.unique(found[(found >= start_h) & (found <= end_h)])

    def amount(self, part: Part, time_h: ArrayLike, before: bool = False) -> Array:
        """Return one part of the amounts (mg), summed over oral and i.v. doses."""
        if self._each:
            return np.stack([one.amount(part, time_h, before) for one in self._each])
        time = np.asarray(time_h, dtype=np.float64)
        flat, n = time.reshape(1, -1), self.model.subjects or 1
        found = np.zeros((flat.size, n)).T  # in the order in which it is filled
        step = max(1, _BLOCK // n)
        for start in range(0, flat.size, step):
            piece = slice(start, start + step)
            for stream, lag in self._streams:
                if stream.events:
                    found[:, piece] += stream.at(part, flat[:, piece] - lag, before)
        shape = time.shape if self.model.subjects is None else (n, *time.shape)
        return found.reshape(shape)


class _Stream:
    """The doses of one route, in their own time (oral ones after the lag), and their states."""

    def __init__(
        self, models: list[tuple[float, Compartments]], doses: list[Dose], cycle_h: float | None
    ) -> None:
        self.models, self.cycle_h = [model for _, model in models], cycle_h
        model = self.models[0]
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
        starts_h = [at_h for at_h, _ in models[1:]]
        changes += [(max(at_h, 0.0), 0.0, 0.0, 0.0) for at_h in starts_h]
        self.events = len(changes)
        changes.sort()
        time = np.array([0.0, *(change[0] for change in changes)])
        self._holds = np.searchsorted(starts_h, time, side="right")  # which model, from each on
        waits, which = np.unique(np.diff(time), return_inverse=True)
        flows = [_flows(model, np.maximum(waits, 0.0)) for model in self.models]
        n = model.subjects or 1
        F = np.broadcast_to(np.ravel(model.F), n)
        given = np.array([change[1:] for change in changes])
        rates = begun + np.concatenate([[0.0], np.cumsum(given[:, 2])])
        rates[np.abs(rates) < 1e-12 * np.abs(rates).max()] = 0.0  # rounding left by sums
        states = np.zeros((self.events + 1, 5, n))  # gut, centre, periphery, eliminated, infusion
        states[0, 4] = rates[0]

        def run() -> None:
            for event, wait in enumerate(which, start=1):
                flow = flows[self._holds[event - 1]][wait]
                states[event] = np.einsum("ijs,js->is", flow, states[event - 1])
                states[event, 0] += F * given[event - 1, 0]
                states[event, 1] += given[event - 1, 1]
                states[event, 4] = rates[event]

        run()
        if cycle_h is not None:  # x = M x + b over one cycle, b being what one cycle leaves
            rest = _flows(model, np.array([cycle_h - time[-1]]))[0]
            b = np.einsum("ijs,js->is", rest, states[-1])[:3]
            M = np.moveaxis(_flows(model, np.array([cycle_h]))[0, :3, :3], -1, 0)
            states[0, :3] = np.linalg.solve(np.eye(3) - M, b.T[..., None])[..., 0].T
            run()
            self._eliminated = np.einsum("ijs,js->is", rest, states[-1])[3]  # in a cycle
        self._time, self._states = time, states

    def at(self, part: Part, time: Array, before: bool) -> Array:
        """Return a part of the amounts at times of shape (1 or subjects, times)."""
        # a time that is a rounding error away from an event is that of the event
        moment = time - ROUNDING_H if before else time + ROUNDING_H
        if self.cycle_h is not None:
            turns = np.ceil(moment / self.cycle_h) - 1 if before else moment // self.cycle_h
            time, moment = (one - turns * self.cycle_h for one in (time, moment))
        side = "left" if before else "right"
        last = np.searchsorted(self._time[1:], moment, side=side)  # type: ignore[call-overload]
        since = np.maximum(time - self._time[last], 0.0)
        found = np.empty((time.shape[1], self._states.shape[-1])).T
        for at, event in self._stretches(last):
            rows = self._states[event] if isinstance(event, int) else self._gathered(event)
            gut, central, peripheral, eliminated, infusion = rows
            model = self.models[self._holds[event if isinstance(event, int) else event[0, 0]]]
            state = State(*(_column(one) for one in (gut, central, peripheral, infusion)))
            value = getattr(model, part)(state, since[:, at])
            found[:, at] = value + _column(eliminated) if part == "eliminated" else value
        if part != "eliminated" or self.cycle_h is None:
            return found
        return np.asarray(found + turns * self._eliminated[:, None])

    def _gathered(self, event: NDArray[np.int64]) -> list[Array]:
        """Return the states after an event for each subject and time."""
        subject = np.arange(self._states.shape[-1])[:, None]
        return [self._states[event, row, subject] for row in range(5)]

    def _stretches(
        self, last: NDArray[np.int64]
    ) -> Iterator[tuple[slice | NDArray[np.intp], int | NDArray[np.int64]]]:
        """Yield which times share a last event (of many subjects), and those that share a model."""
        if last.shape[0] == 1 and self._states.shape[-1] >= _MANY:
            for event in np.unique(last[0]).tolist():
                at = np.flatnonzero(last[0] == event)
                run = at[-1] - at[0] + 1 == len(at)  # as rising times have it
                yield slice(at[0], at[-1] + 1) if run else at, event
            return
        holds = self._holds[last[0]]
        for place in np.unique(holds):
            at = np.flatnonzero(holds == place)
            yield (slice(None), last) if len(at) == len(holds) else (at, last[:, at])


def _column(value: Array) -> Array:
    """Return what one event left of each subject as a column, and other states as they are."""
    return value[:, None] if value.ndim == 1 else value


def _flows(model: Compartments, waits: Array) -> Array:
    """Return the matrices that carry a state over these times, (waits, 5, 5, subjects)."""
    n = model.subjects or 1
    found = np.zeros((len(waits), 5, 5, n))
    parts = (model.gut, model.central, model.peripheral, model.eliminated)
    zero, one = np.zeros((n, 1)), np.ones((n, 1))
    for place, source in ((0, 0), (1, 1), (2, 2), (4, 3)):
        state = State(*(one if at == source else zero for at in range(4)))
        for row, part in enumerate(parts):
            found[:, row, place] = part(state, waits[None, :]).T
    found[:, 3, 3] = 1.0
    return found
