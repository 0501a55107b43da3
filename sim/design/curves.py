"""Concentrations over a window as a function of the dose, in one subject or in many.

The body is linear, so a concentration is a + b x dose: what is given whatever the dose (a loading
dose, a reduction in mg), and a unit dose. Both are computed once, from the closed forms; trying a
dose is then arithmetic.

A window is cut into panels, at each dose and finer after it, none of which lasts many half-lives of
what is still there. Each panel has Gauss-Legendre nodes and its two ends: means are sums over the
nodes, and between them the polynomial through all of them is good for extremes and crossings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.polynomial.legendre import leggauss, legvander
from numpy.typing import NDArray

from sim.design.plan import INHIBITION, Target
from sim.errors import Problem, ScenarioError
from sim.pharmacology.course import BEFORE_H, ROUNDING_H
from sim.pharmacology.dosing import Dose, Regimen
from sim.pharmacology.effect import Agent, Effect
from sim.pharmacology.exposure import Exposure, Pharmacokinetic
from sim.runs.pk import span_of
from sim.scenario.exposure import changes_of, doses_of, regimen_of
from sim.scenario.partner import of_partner
from sim.scenario.schema import Scenario
from sim.units import nM_to_ng_per_ml

Array = NDArray[np.float64]
Who = slice | NDArray[np.intp]

EVERYONE = slice(None)
_FIRST_H = 0.05  # end of the first panel after a dose; the next ones end so many times later
_GROWTH = 3.0
_HALF_LIVES = 3.0  # of a phase, at most, in a panel, ...
_FADED = 50.0  # ... until so many of its half-lives after a dose
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
        self._each: list[Curves] = []
        if not all(_arrives_alike(one.exposure) for one in agents):  # each has panels of its own
            for place in range(self.subjects):
                own = [one.some(slice(place, place + 1)) for one in agents]
                self._each.append(Curves(own, fixed, start_h, end_h, grid))
            return
        self._to_free = exposure.fu * exposure.kp_uu
        self._to_ng_ml = nM_to_ng_per_ml(1.0, exposure.molar_mass)
        x, w = leggauss(grid.nodes)
        self._at = np.concatenate([[0.0], (x + 1.0) / 2.0, [1.0]])
        self._weights = np.concatenate([[0.0], w / 2.0, [0.0]])
        at, fine = (legvander(2.0 * x - 1.0, grid.nodes + 1) for x in (self._at, _FINE))
        self._between = np.linalg.solve(at.T, fine.T)  # values at the nodes @ this
        bodies = [one.exposure for one in agents if isinstance(one.exposure, Pharmacokinetic)]
        events = np.concatenate([one.exposure.events_h(start_h, end_h) for one in agents])
        edges, last = _panels(events, start_h, end_h, grid, _half_lives(bodies))
        self._widths = np.diff(edges)
        times = edges[:-1, None] + self._widths[:, None] * self._at
        self._seen = times.copy()  # for what cannot look just before a dose
        self._seen[last, -1] -= BEFORE_H
        whole = _nM(exposure, times, last)
        self._rest: dict[str, list[Array]] = {}
        self._fixed: Array | None = None
        if any(dose.amount_mg > 0.0 for dose in fixed):
            self._fixed = _nM(replace(exposure, doses=fixed), times, last)
            whole = np.maximum(whole - self._fixed, 0.0)  # not below it by rounding
        self._slope = whole

    def may_turn(self, target: Target) -> bool:
        """Whether a target may rise and fall with the dose: one drug keeps another one off."""
        receptor = target.of.removeprefix(INHIBITION)
        slow = any(receptor in agent.residence_h for agent in self._agents)
        return slow and len(self._agents) > 1 and target.of.startswith(INHIBITION)

    def is_closed(self, target: Target) -> bool:
        """Whether a target follows from the concentrations at the same time, without a solver."""
        receptor = target.of.removeprefix(INHIBITION)
        return not any(receptor in agent.residence_h for agent in self._agents)

    def value(self, target: Target, dose: float, who: Who = EVERYONE) -> Array:
        """Return the value of a target at a dose in each subject."""
        subjects = np.arange(self.subjects)[who]
        if self._each:
            found = [self._each[place].value(target, dose) for place in subjects]
            return np.concatenate(found or [np.empty(0)])
        if not self.is_closed(target):
            return self._statistic(target, self._effect(target.of, dose, subjects), subjects)
        step = max(1, _BLOCK // self._slope[0].size)
        return np.concatenate([
            self._value(target, dose, subjects[start : start + step])
            for start in range(0, len(subjects), step)
        ] or [np.empty(0)])  # fmt: skip

    def _value(self, target: Target, dose: float, who: NDArray[np.intp]) -> Array:
        inhibited = target.of.startswith(INHIBITION)
        if not inhibited or target.statistic not in ("hours_above", "max", "min"):
            return self._statistic(target, self._quantity(target.of, dose, who), who)
        # extremes and crossings of the concentration, which a polynomial follows better; of x with
        # another drug
        receptor = target.of.removeprefix(INHIBITION)
        alone = len(self._agents) == 1
        hill = self.potency.hill[receptor] if alone else 1.0
        ic50 = self._ic50(receptor, who) if alone else np.ones((1, 1, 1))
        values = self._quantity("free_nM", dose, who) if alone else self._ratio(receptor, dose, who)
        if target.statistic == "hours_above":
            share = float(target.level or 0.0)
            return self._hours_above(values, ic50 * (share / (1.0 - share)) ** (1.0 / hill))
        x: Array = np.maximum(self._statistic(target, values, who) / ic50.ravel(), 0.0) ** hill
        return x / (1.0 + x)

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
        if of.startswith(INHIBITION):  # 1 / (1 + 1 / x), in place
            found = self._ratio(of.removeprefix(INHIBITION), dose, who)
            with np.errstate(divide="ignore"):
                np.reciprocal(found, out=found)
            found += 1.0
            return np.reciprocal(found, out=found)
        factor = self._to_ng_ml if of == "total_ng_ml" else self._to_free
        found = self._slope[who] * (dose * factor)
        if self._fixed is not None:
            found += self._fixed[who] * factor
        return found

    def _ratio(self, receptor: str, dose: float, who: NDArray[np.intp]) -> Array:
        """Return x, of all drugs at a receptor: (free / IC50)^h."""
        found = self._quantity("free_nM", dose, who)
        if receptor not in self.potency.ic50_nM:  # only the other drug binds it
            found[...] = 0.0
        else:
            found /= self._ic50(receptor, who)
            if (hill := self.potency.hill[receptor]) != 1.0:
                with np.errstate(over="ignore"):
                    found **= hill
        for rest in self._beside(receptor):
            found += rest[who] if len(rest) > 1 else rest
        return found

    def _beside(self, receptor: str) -> list[Array]:
        """Return x of each other drug, which does not depend on the dose."""
        if receptor not in self._rest:
            shape = (-1, *self._seen.shape)
            self._rest[receptor] = [
                agent.ratio([receptor], self._seen)[0].reshape(shape) for agent in self._agents[1:]
            ]
        return self._rest[receptor]

    def _effect(self, of: str, dose: float, who: NDArray[np.intp]) -> Array:
        """Return the inhibition by drugs that leave slowly, in some of the subjects."""
        given = tuple(
            replace(unit, amount_mg=zero.amount_mg + dose * (unit.amount_mg - zero.amount_mg))
            for unit, zero in zip(self._exposure.doses, self._given, strict=True)
        )
        own = replace(self._agents[0], exposure=replace(self._exposure, doses=given))
        effect = Effect([agent.some(who) for agent in (own, *self._agents[1:])])
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


def _arrives_alike(exposure: Exposure) -> bool:
    """Whether doses arrive at one time in all subjects."""
    lags = np.ravel(exposure.model.lag) if isinstance(exposure, Pharmacokinetic) else np.zeros(1)
    return bool((lags == lags[0]).all())


def _panels(
    events_h: Array, start_h: float, end_h: float, grid: Grid, half_lives_h: tuple[float, ...]
) -> tuple[Array, NDArray[np.bool_]]:
    """Return the ends of panels, and which panels end at an event or at the end."""
    near = 2.0 * ROUNDING_H  # events so near each other, or an end of the window, are one
    inside = np.sort(events_h[(events_h > start_h + near) & (events_h < end_h - near)])
    inside = inside[np.diff(inside, prepend=-np.inf) > near]
    edges, last = [np.array([start_h])], []
    for a, b in pairwise([start_h, *inside.tolist(), end_h]):
        ends = _ends(round(b - a, 6), grid, half_lives_h) * (b - a) + a
        ends[-1] = b
        edges.append(ends)
        last += [False] * (len(ends) - 1) + [True]
    return np.concatenate(edges), np.array(last)


@cache
def _ends(length_h: float, grid: Grid, half_lives_h: tuple[float, ...]) -> Array:
    """Return the ends of the panels of a stretch without an event, as shares of its length."""
    widest = max(grid.widest_h, length_h / _PANELS)
    ends, now = [], 0.0
    while length_h - now > ROUNDING_H * length_h:
        width = min([widest, max(_FIRST_H, (_GROWTH - 1.0) * now)] + [
            _HALF_LIVES * one for one in half_lives_h if now < _FADED * one
        ])  # fmt: skip
        left = length_h - now
        now += left / ceil(left / width) if width < left < 2.0 * width else min(width, left)
        ends.append(now / length_h)
    return np.array(ends or [1.0])


def _half_lives(bodies: Sequence[Pharmacokinetic]) -> tuple[float, ...]:
    """Return the half-lives (h) of absorption and disposition of the subject in the middle."""
    rates = [rate for one in bodies for rate in (one.model.ka, *(r for r, _ in one.model.phases))]
    return tuple(float(np.log(2.0) / np.median(rate)) for rate in rates)


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
    if given := _of_some_cycles(regimen):
        raise _no(window, f"has no meaning with drug.regimen.{given}: its cycles are equal")
    _check_steady(target, schedule)
    return first, first + regimen.cycle_h, True


def _no(window: str, allowed: str) -> ScenarioError:
    return ScenarioError("design", [Problem("window", window, allowed)])


def _of_some_cycles(regimen: Regimen) -> str:
    """Return what a regimen has that makes its cycles differ; empty if they are equal."""
    for key in (
        "loading", "reductions", "missed_days", "missed_doses", "late_days", "late_doses",
    ):  # fmt: skip
        if getattr(regimen, key) not in (None, {}, [], ()):
            return key
    return ""


def _check_steady(target: Target, scenario: Scenario) -> None:
    """Refuse a steady state that a target cannot have, of the drug or of the one beside it.

    Raises
    ------
    ScenarioError
    """
    drug, partner = scenario.drug, scenario.partner
    assert drug is not None
    if drug.interaction and changes_of(drug, doses_of(scenario)):
        raise _no_steady("drug.interaction on some days only")
    if partner is None or partner.exposure == "constant" or not target.of.startswith(INHIBITION):
        return
    regimen, own = regimen_of(partner), regimen_of(drug)
    assert own is not None  # it has a window
    if partner.exposure == "schedule":
        raise _no_steady("partner.media: give it doses in cycles")
    if regimen is None:
        raise _no_steady("partner.doses: give it a regimen")
    if given := _of_some_cycles(regimen):
        raise _no_steady(f"partner.regimen.{given}")
    if changes_of(partner, doses_of(of_partner(scenario))):
        raise _no_steady("partner.interaction on some days only")
    if own.cycle_h % regimen.cycle_h:
        what = f"cycles of {own.cycle_h / 24:g} days, and of {regimen.cycle_h / 24:g} of partner"
        raise _no_steady(f"{what}: the first must be a multiple of the second")


def _no_steady(what: str) -> ScenarioError:
    return _no("steady", f"has no meaning with {what}")


def in_steady_state(agents: Sequence[Agent], scenario: Scenario) -> list[Agent]:
    """Return the drugs with one cycle of each given again and again; a medium is as it is."""
    found = []
    for agent, drug in zip(agents, (scenario.drug, scenario.partner), strict=False):
        regimen = regimen_of(drug) if drug is not None else None
        if regimen is not None and isinstance(agent.exposure, Pharmacokinetic):
            doses = one_cycle(agent.exposure.doses, regimen)
            body = replace(agent.exposure, doses=doses, cycle_h=regimen.cycle_h)
            agent = replace(agent, exposure=body)
        found.append(agent)
    return found


def one_cycle(doses: Sequence[Dose], regimen: Regimen) -> list[Dose]:
    """Return the doses of one cycle, to be given again and again."""
    end_h = regimen.first_h + regimen.cycle_h - ROUNDING_H
    return [replace(d, at_h=d.at_h % regimen.cycle_h) for d in doses if d.at_h < end_h]
