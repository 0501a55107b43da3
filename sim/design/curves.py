"""Concentrations over a window as a function of the dose, in one subject or in many.

The body is linear, so a concentration is a + b x dose: what is given whatever the dose (a loading
dose, a reduction in mg), and a unit dose. Both are computed once, from the closed forms; trying a
dose is then arithmetic.

A window is cut into panels, at each dose and finer after it. Each panel has Gauss-Legendre nodes
and its two ends: means are sums over the nodes, and between them the polynomial through all of
them is good for extremes and crossings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander
from numpy.typing import NDArray

from sim.design.plan import INHIBITION, Target
from sim.errors import Problem, ScenarioError
from sim.pharmacology.dosing import Dose, Regimen
from sim.pharmacology.effect import BEFORE_H, Agent, Effect
from sim.pharmacology.exposure import Pharmacokinetic
from sim.runs.pk import span_of
from sim.scenario.exposure import regimen_of
from sim.scenario.schema import Scenario
from sim.units import nM_to_ng_per_ml

Array = NDArray[np.float64]
Who = slice | NDArray[np.intp]

EVERYONE = slice(None)
_FIRST_H = 0.1  # end of the first panel after a dose; the next ones end so many times later
_GROWTH = 5.0
_PANELS = 24  # at least, of a long stretch without a dose
_FINE = np.linspace(0.0, 1.0, 65)
_BLOCK = 2**15  # values computed in one block, which fits the processor's cache


@dataclass(frozen=True)
class Grid:
    """How finely a window is cut: the widest panel (h), and nodes inside each."""

    widest_h: float
    nodes: int


OF_ONE, OF_MANY = Grid(0.5, 8), Grid(4.0, 4)


class Curves:
    """Concentrations over a window, straight in the dose.

    Parameters
    ----------
    agents : sequence of Agent
        The drug in one subject or in many, with the doses of a unit dose, and perhaps another one.
    fixed : sequence of Dose
        The same doses at a dose of 0.
    start_h, end_h : float
        The window.
    grid : Grid
    """

    def __init__(
        self,
        agents: Sequence[Agent],
        fixed: Sequence[Dose],
        start_h: float,
        end_h: float,
        grid: Grid = OF_MANY,
    ) -> None:
        exposure = agents[0].exposure
        assert isinstance(exposure, Pharmacokinetic)
        self.potency, self.length_h = agents[0].potency, end_h - start_h
        self._agents, self._exposure, self._given = agents, exposure, fixed
        self.subjects = exposure.model.subjects or 1
        self._to_free = exposure.fu * exposure.kp_uu
        self._to_ng_ml = nM_to_ng_per_ml(1.0, exposure.molar_mass)
        x, w = leggauss(grid.nodes)
        self._at = np.concatenate([[0.0], (x + 1.0) / 2.0, [1.0]])
        self._weights = np.concatenate([[0.0], w / 2.0, [0.0]])
        at, fine = (legvander(2.0 * x - 1.0, grid.nodes + 1) for x in (self._at, _FINE))
        self._between = np.linalg.solve(at.T, fine.T)  # values at the nodes @ this
        edges, last = _panels(exposure.course.events_h(start_h, end_h), start_h, end_h, grid)
        self._widths = np.diff(edges)
        times = edges[:-1, None] + self._widths[:, None] * self._at
        self._seen = times.copy()  # for what cannot look just before a dose
        self._seen[last, -1] -= BEFORE_H
        whole = _nM(exposure, times, last)
        self._fixed: Array | None = None
        if any(dose.amount_mg > 0.0 for dose in fixed):
            self._fixed = _nM(replace(exposure, doses=fixed), times, last)
            whole = whole - self._fixed
        self._slope = whole

    def is_closed(self, target: Target) -> bool:
        """Whether a target follows from the concentration at the same time, without a solver."""
        receptor = target.of.removeprefix(INHIBITION)
        alone = len(self._agents) == 1 and receptor not in self._agents[0].residence_h
        return alone or not target.of.startswith(INHIBITION)

    def value(self, target: Target, dose: float, who: Who = EVERYONE) -> Array:
        """Return the value of a target at a dose in each subject."""
        subjects = np.arange(self.subjects)[who]
        if not self.is_closed(target):
            return self._statistic(target, self._effect(target.of, dose)[subjects], subjects)
        step = max(1, _BLOCK // self._slope[0].size)
        return np.concatenate([
            self._value(target, dose, subjects[start : start + step])
            for start in range(0, len(subjects), step)
        ] or [np.empty(0)])  # fmt: skip

    def _value(self, target: Target, dose: float, who: NDArray[np.intp]) -> Array:
        return self._statistic(target, self._quantity(target.of, dose, who), who)

    def _statistic(self, target: Target, values: Array, who: NDArray[np.intp]) -> Array:
        match target.statistic:
            case "mean":
                return self._mean(values)
            case "auc":
                return self._mean(values) * self.length_h
            case "at_end":
                return np.asarray(values[:, -1, -1])
            case "max":
                return self._highest(values)
            case "min":
                return -self._highest(-values)
        level = target.level
        if isinstance(level, str):
            return self._hours_above(values, self._ic50(level.removeprefix("ic50."), who))
        assert level is not None  # of a checked target
        return self._hours_above(values, level)

    def holds(self, target: Target, dose: float, who: Who = EVERYONE) -> NDArray[np.bool_]:
        """Return in which subjects a target holds at a dose."""
        value = self.value(target, dose, who)
        return np.asarray(value >= target.value if target.at_least else value <= target.value)

    def _quantity(self, of: str, dose: float, who: NDArray[np.intp]) -> Array:
        """Return a quantity at a dose, of shape (subjects, panels, nodes)."""
        factor = self._to_ng_ml if of == "total_ng_ml" else self._to_free
        found = self._slope[who] * (dose * factor)
        if self._fixed is not None:
            found += self._fixed[who] * factor
        if of.startswith(INHIBITION):  # 1 / (1 + (IC50 / free)^h), in place
            receptor = of.removeprefix(INHIBITION)
            with np.errstate(divide="ignore", over="ignore"):
                np.divide(self._ic50(receptor, who), found, out=found)
                if (hill := self.potency.hill[receptor]) != 1.0:
                    found **= hill
            found += 1.0
            np.reciprocal(found, out=found)
        return found

    def _effect(self, of: str, dose: float) -> Array:
        """Return the inhibition by drugs that leave slowly, or by two, in all subjects."""
        given = tuple(
            replace(unit, amount_mg=zero.amount_mg + dose * (unit.amount_mg - zero.amount_mg))
            for unit, zero in zip(self._exposure.doses, self._given, strict=True)
        )
        own = replace(self._agents[0], exposure=replace(self._exposure, doses=given))
        effect = Effect([own, *self._agents[1:]])
        found = effect.inhibition(self._seen)[of.removeprefix(INHIBITION)]
        return np.asarray(found.reshape(-1, *self._seen.shape))

    def _ic50(self, receptor: str, who: NDArray[np.intp]) -> Array:
        """Return the IC50, or that of each of these subjects, to go with their quantities."""
        found = np.asarray(self.potency.ic50_nM[receptor])
        return found[who][:, None, None] if found.ndim else found

    def _mean(self, values: Array) -> Array:
        return np.asarray(values @ self._weights @ self._widths / self.length_h)

    def _highest(self, values: Array) -> Array:
        """Return the highest of each subject, between nodes too."""
        best = values.max(axis=2).argmax(axis=1)
        found = np.full(len(values), -np.inf)
        for shift in (-1, 0, 1):  # a node at the end of a panel belongs to two
            panel = np.clip(best + shift, 0, len(self._widths) - 1)
            fine = values[np.arange(len(values)), panel] @ self._between
            at = fine[:, 1:-1].argmax(axis=1)[:, None] + [0, 1, 2]
            a, b, c = np.take_along_axis(fine, at, axis=1).T
            bend = 2.0 * b - a - c
            summit = (bend > 0.0) & (b >= a) & (b >= c)  # of the parabola through the three
            top = b + np.where(summit, (c - a) ** 2 / (8.0 * np.where(summit, bend, 1.0)), 0.0)
            found = np.maximum(found, np.maximum(top, fine.max(axis=1)))
        return found

    def _hours_above(self, values: Array, level: Array | float) -> Array:
        values = values - level
        above = values > 0.0
        whole = above.all(axis=2)
        found = whole @ self._widths
        subject, panel = np.nonzero(above.any(axis=2) & ~whole)
        fine = values[subject, panel] @ self._between
        a, b = fine[:, :-1], fine[:, 1:]
        rise = np.where(a == b, 1.0, b - a)
        crossing = np.clip(-a / rise, 0.0, 1.0)  # share of the piece before the level is met
        share = np.where(a == b, a > 0.0, np.where(b > a, 1.0 - crossing, crossing))
        np.add.at(found, subject, share.mean(axis=1) * self._widths[panel])
        return np.asarray(found)


def _nM(exposure: Pharmacokinetic, times: Array, last: NDArray[np.bool_]) -> Array:
    """Return total drug at the nodes; a panel before a dose ends just before it."""
    found = exposure.total_nM(times)
    found[..., last, -1] = exposure.total_nM(times[last, -1], before=True)
    return found.reshape(-1, *times.shape)


def _panels(
    events_h: Array, start_h: float, end_h: float, grid: Grid
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the ends of panels, and which panels end at an event or at the end."""
    edges, last = [start_h], []
    pieces = np.unique([start_h, *events_h, end_h])
    for a, b in pairwise(pieces.tolist()):
        length = b - a
        widest = max(grid.widest_h, length / _PANELS)
        inner, offset = [], _FIRST_H
        while offset < min(length, widest):
            inner.append(a + offset)
            offset *= _GROWTH
        begin = inner[-1] if inner else a
        even = np.linspace(begin, b, max(1, ceil((b - begin) / widest)) + 1)[1:]
        ends = [*inner, *even[:-1], b]
        edges += ends
        last += [False] * (len(ends) - 1) + [True]
    return np.array(edges), np.array(last)


def window_of(target: Target, schedule: Scenario) -> tuple[float, float, bool]:
    """Return start and end of a target's window, and whether it is one of a steady state.

    Raises
    ------
    ScenarioError
        If the schedule has no such window.
    """
    if target.hours is not None:
        return *target.hours, False
    assert schedule.drug is not None
    regimen, window = regimen_of(schedule.drug), target.window
    first, end_h = span_of(schedule)
    if window == "first day":
        return first, first + 24.0, False
    if window == "schedule":
        return first, end_h, False
    if window.startswith("day "):
        day, last = int(window.removeprefix("day ")), ceil((end_h - first) / 24.0 - 1e-9)
        if day <= last:
            return first + 24.0 * (day - 1), first + 24.0 * day, False
        raise _no(window, f"must be a day of the schedule, from 1 to {last}")
    if regimen is None:
        raise _no(window, "is of a regimen; doses listed one by one have no cycles")
    if window != "steady":
        return end_h - regimen.cycle_h, end_h, False
    if regimen.steady:  # as its doses are already
        return first, end_h, False
    of_one = ("loading", "reductions", "missed_days", "missed_doses", "late_days", "late_doses")
    for key in of_one:
        if getattr(regimen, key) not in (None, {}, [], ()):
            raise _no(window, f"has no meaning with drug.regimen.{key}: its cycles are equal")
    return 0.0, regimen.cycle_h, True


def _no(window: str, allowed: str) -> ScenarioError:
    return ScenarioError("design", [Problem("window", window, allowed)])


def one_cycle(doses: Sequence[Dose], regimen: Regimen) -> list[Dose]:
    """Return the doses of one cycle, on its own clock."""
    end_h = regimen.first_h + regimen.cycle_h
    return [replace(d, at_h=d.at_h - regimen.first_h) for d in doses if d.at_h < end_h - 1e-9]
