"""The least dose of each schedule, from the closed forms.

Every statistic of a concentration or an inhibition rises with the dose in every subject, so a
target that must be at least a value holds from some dose on, one that must be at most a value up
to some dose, and a share of subjects likewise: bisection finds that dose. Only the subjects whose
own dose is still within the bracket are computed again. There is one exception: of two drugs of
which one leaves slowly, the other keeps it off the receptor, and more of that may inhibit less
later. There doses are tried one by one, and a fall is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import ceil, inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from sim.design.curves import OF_MANY, OF_ONE, Curves, in_steady_state, one_cycle, window_of
from sim.design.plan import DesignPlan, Schedule, Target, Vary
from sim.design.result import Bound, Curve, Found, Reached
from sim.pharmacology.course import ROUNDING_H
from sim.pharmacology.dosing import Regimen
from sim.pharmacology.effect import Effect
from sim.pharmacology.exposure import Pharmacokinetic
from sim.pharmacology.population import bands
from sim.scenario.exposure import effect_of, kinetics_of, pharmacokinetic, regimen_of
from sim.scenario.partner import of_partner
from sim.scenario.schema import Scenario

Holds = Callable[[float, NDArray[np.intp]], NDArray[np.bool_]]

PRECISION = 1e-12
DOSES, DOSES_BY_SOLVER = 25, 9  # of a curve over the dose
FAR = 1e6
"""How far beyond the range a dose is looked for, to say which one it would take."""
PRECISION_OF_SOLVER, FAR_BY_SOLVER = 1e-7, 100.0
"""The same where inhibition is integrated, by a drug that leaves slowly."""
TURN = 1e-6  # a fall that is no rounding error


class Scheduled:
    """A schedule in the typical subject and in the population.

    Attributes
    ----------
    scenario : Scenario
        At a unit of what is varied.
    regimen : Regimen
    """

    def __init__(self, plan: DesignPlan, schedule: Schedule) -> None:
        self.schedule = schedule
        fixed, self.scenario = (plan.scenario(schedule, amount) for amount in (0.0, 1.0))
        assert self.scenario.drug is not None
        regimen = regimen_of(self.scenario.drug)
        assert regimen is not None  # of a checked design
        self.regimen: Regimen = regimen
        self._made: dict[tuple[float, float, bool, bool], Curves] = {}
        self._fixed = pharmacokinetic(fixed).doses  # what is given whatever the dose
        self._effects = {False: self._effect(None)}
        if varies(self.scenario):
            self._effects[True] = self._effect(plan.subjects)

    @property
    def has_population(self) -> bool:
        """Whether a spread between subjects is known."""
        return True in self._effects

    @property
    def words(self) -> str:
        """The regimen, without its dose."""
        line = str(self.regimen).splitlines()[0]
        return line.partition(" ")[2].partition(" ")[2]

    def given_mg(self, dose: float) -> float:
        """Return what is given in the last cycle (mg)."""
        start_h = self.regimen.end_h - self.regimen.cycle_h - ROUNDING_H
        fixed, unit = (
            sum(d.amount_mg for d in doses if self.regimen.steady or d.at_h >= start_h)
            for doses in (self._fixed, self._body(population=False).doses)
        )
        return fixed + dose * (unit - fixed)

    def curves(self, target: Target, *, population: bool = False) -> Curves:
        """Return the concentrations over the window of a target."""
        start_h, end_h, steady = window_of(target, self.scenario)
        key = (start_h, end_h, steady, population)
        if key not in self._made:
            self._made[key] = self._curves(start_h, end_h, steady, population=population)
        return self._made[key]

    def _curves(self, start_h: float, end_h: float, steady: bool, *, population: bool) -> Curves:
        fixed, body = self._fixed, self._body(population=population)
        agents = [replace(self._effects[population].agents[0], exposure=body)]
        agents += self._effects[population].agents[1:]
        if steady:
            fixed = one_cycle(fixed, self.regimen)
            agents = in_steady_state(agents, self.scenario)
        grid = OF_MANY if population else OF_ONE
        return Curves(agents, fixed, start_h, end_h, grid)

    def _effect(self, subjects: int | None) -> Effect:
        found = effect_of(self.scenario, subjects)
        assert found is not None  # the scenario has a drug
        return found

    def _body(self, *, population: bool) -> Pharmacokinetic:
        found = self._effects[population].agents[0].exposure
        assert isinstance(found, Pharmacokinetic)  # it doses a body
        return found


def varies(scenario: Scenario) -> bool:
    """Whether a spread between subjects is known, of the drug or of the one beside it."""
    if scenario.partner is not None and varies(of_partner(scenario)):
        return True
    if scenario.drug is None or scenario.drug.exposure != "pk":
        return False
    parameters = kinetics_of(scenario).parameters.values()
    spread = any(p.cv > 0.0 or p.between is not None for p in parameters)
    return spread or any(scenario.drug.ic50_cv.values())


def bound(scheduled: Scheduled, target: Target, low: float, high: float) -> Bound:
    """Return the least dose from which a target holds, or the most up to which it does.

    It is looked for well beyond `low` and `high`. The dose is 0 for a lower bound that holds at
    any dose, inf for an upper one, nan where the target holds at none.
    """
    population = target.share is not None
    curves = scheduled.curves(target, population=population)
    wanted = ceil((target.share or 1.0) * curves.subjects - 1e-9)

    def holds(dose: float, who: NDArray[np.intp]) -> NDArray[np.bool_]:
        return curves.holds(target, dose, who)

    def enough(dose: float, who: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Whether it holds in enough of the subjects, as if that were one subject."""
        return np.array([curves.holds(target, dose).sum() >= wanted])[: len(who)]

    everyone, tried = np.arange(curves.subjects), holds
    far, precision = (
        (FAR, PRECISION) if curves.is_closed(target) else (FAR_BY_SOLVER, PRECISION_OF_SOLVER)
    )
    steps = [low / far, low, high, high * far]
    if curves.may_turn(target):  # then subjects may cease to hold at a higher dose
        everyone, tried, wanted = np.arange(1), enough, 1
        steps[1:3] = np.geomspace(low, high, DOSES).tolist()
    bad, *others = steps if target.at_least else steps[::-1]
    met = tried(bad, everyone)
    if met.sum() >= wanted:
        return Bound(0.0 if target.at_least else inf, target.at_least)
    for good in others:
        now = tried(good, everyone)
        if now.sum() >= wanted:
            some = everyone[now & ~met]
            dose = _bisect(tried, good, bad, wanted - int(met.sum()), some, precision)
            return Bound(dose, target.at_least)
        bad, met = good, now
    if population:
        words = f"{100 * float(holds(bad, np.arange(curves.subjects)).mean()):.4g} % of subjects"
    else:
        words = f"{float(curves.value(target, bad)[0]):.4g} {target.unit}".rstrip()
    return Bound(nan, target.at_least, (bad, words))


def _bisect(
    holds: Holds, good: float, bad: float, wanted: int, who: NDArray[np.intp], precision: float
) -> float:
    """Return the dose nearest to `bad` at which the target holds in so many of these subjects.

    All of them hold at `good`, and none at `bad`.
    """
    while abs(good - bad) > precision * max(good, bad):
        middle = sqrt(good * bad)
        if middle in (good, bad):
            break
        now = holds(middle, who)
        if now.sum() >= wanted:
            good, who = middle, who[now]
        else:
            bad, who, wanted = middle, who[~now], wanted - int(now.sum())
    return good


def solve(plan: DesignPlan, scheduled: Scheduled) -> Found:
    """Return the dose at which each target in the body begins or ceases to hold."""
    vary = plan.vary
    of_body = [target for target in plan.targets if not target.of_tissue]
    bounds = {target: bound(scheduled, target, vary.low, vary.high) for target in of_body}
    found = Found(scheduled.schedule, scheduled.words, bounds)
    found.curves = [_curve(scheduled, target, vary) for target in of_body if not target.limit]
    found.notes += [words for curve in found.curves if (words := _turn(curve))]
    return found


def _turn(curve: Curve) -> str:
    """Return where a target falls while the dose rises, if it does."""
    highest = np.maximum.accumulate(curve.values)
    fall = highest - curve.values
    if fall.max() <= TURN * highest.max():
        return ""
    low = int(fall.argmax())
    high = int(curve.values[:low].argmax())
    each = (f"{curve.values[at]:.4g} at {curve.doses[at]:.4g}" for at in (high, low))
    return f"{curve.target.quantity} is not monotone: {', '.join(each)}"


def complete(plan: DesignPlan, scheduled: Scheduled, found: Found) -> None:
    """Add what the chosen dose gives and costs, in place."""
    dose = found.chosen
    if dose is None:
        return
    everyone: list[NDArray[np.bool_]] = []
    for target in plan.targets:
        if target.of_tissue:
            continue
        value = float(scheduled.curves(target).value(target, dose)[0])
        share = None
        if scheduled.has_population:
            everyone.append(scheduled.curves(target, population=True).holds(target, dose))
            share = float(everyone[-1].mean())
        found.reached[target] = Reached(value, share)
    if everyone:
        found.all_share = float(np.all(everyone, axis=0).mean())
    found.costs = _costs(scheduled, dose, plan.costs_over)


def _costs(scheduled: Scheduled, dose: float, window: str) -> dict[str, float]:
    """Return what a cycle costs the typical subject; see `COSTS`."""
    regimen = scheduled.regimen
    names = {"cmax_ng_ml": "max", "trough_ng_ml": "at_end", "auc_ng_h_ml_per_day": "auc"}
    found = {}
    for name, statistic in names.items():
        target = Target("total_ng_ml", statistic, 0.0, at_least=True, window=window)
        found[name] = float(scheduled.curves(target).value(target, dose)[0])
    found["auc_ng_h_ml_per_day"] *= 24.0 / regimen.cycle_h
    given = scheduled.given_mg(dose)
    return {"mg_per_day": given * 24.0 / regimen.cycle_h} | found


def _curve(scheduled: Scheduled, target: Target, vary: Vary) -> Curve:
    """Return a target over the range of doses."""
    typical = scheduled.curves(target)
    many_doses = typical.is_closed(target) or not scheduled.has_population
    doses = np.geomspace(vary.low, vary.high, DOSES if many_doses else DOSES_BY_SOLVER)
    values = np.array([float(typical.value(target, dose)[0]) for dose in doses])
    if not scheduled.has_population:
        return Curve(target, doses, values)
    many = scheduled.curves(target, population=True)
    everyone = np.array([many.value(target, dose) for dose in doses])
    holds = everyone >= target.value if target.at_least else everyone <= target.value
    return Curve(target, doses, values, bands(everyone.T), holds.mean(axis=1))
