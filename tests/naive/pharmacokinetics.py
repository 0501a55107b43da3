"""A regimen and its read-outs, plainly: a calendar counted out, a body stepped through time.

Time is a whole number of ticks of 0.025 h, on which everything happens: amounts go from tick to
tick by one matrix exponential, and windows are read out sample by sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from sim.pharmacology.compartments import Compartments, OneCompartment, TwoCompartment
from sim.pharmacology.course import Change, Course
from sim.pharmacology.dosing import Dose

TICK_H = 0.025
DAY = 960  # ticks

Array = NDArray[np.float64]


def amounts(course: Course, times: Array) -> list[Array]:
    """Gut, centre, periphery and eliminated (mg); a dose that waits for its lag is in the gut."""
    model = course.model
    found = [course.amount(part, times) for part in ("gut", "central", "peripheral", "eliminated")]
    for dose in (d for d in course.doses if d.route == "oral"):
        waits = (times >= dose.at_h) & (times - model.lag < dose.at_h)  # as its arrival is told
        found[0] = found[0] + model.F * dose.amount_mg * waits
    return found


def integrated(
    model: Compartments, doses: Sequence[Dose], times: Array, changes: Sequence[Change] = ()
) -> Array:
    """Gut, centre, periphery, eliminated (mg) and area (mg h/L) by solve_ivp, event by event."""
    if isinstance(model, TwoCompartment):
        k10, k12, k21 = model.CL / model.V1, model.Q / model.V1, model.Q / model.V2
    else:
        assert isinstance(model, OneCompartment)
        k10, k12, k21 = model.CL / model.V, 0.0, 0.0
    A = np.array(
        [
            [-model.ka, 0, 0, 0],
            [model.ka, -k10 - k12, k21, 0],
            [0, k12, -k21, 0],
            [0, k10, 0, 0],
        ]
    )
    A = np.vstack([np.column_stack([A, np.zeros(4)]), [0, 1 / model.central_volume, 0, 0, 0]])
    events: list[tuple[float, int, float]] = []
    for dose in doses:
        if dose.route == "oral":
            factor = [change.factor_F for change in changes if change.at_h <= dose.at_h][-1:]
            events.append((dose.at_h + model.lag, 0, model.F * dose.amount_mg * (factor or [1])[0]))
        elif dose.infusion_h == 0:
            events.append((dose.at_h, 1, dose.amount_mg))
        else:
            speed = dose.amount_mg / dose.infusion_h
            events += [(dose.at_h, 4, speed), (dose.at_h + dose.infusion_h, 4, -speed)]
    events += [(change.at_h, 5, change.factor_CL) for change in changes]
    state, infusion, now, factor_CL = np.zeros(5), 0.0, 0.0, 1.0
    found = np.zeros((5, len(times)))
    scale = sum(dose.amount_mg for dose in doses)
    # an integration for each stretch: the points inside one would only be interpolated
    stops = sorted([(at_h, 0, place, size) for at_h, place, size in events]
                   + [(at_h, 1, row, 0.0) for row, at_h in enumerate(times)])  # fmt: skip
    for at_h, sample, place, size in stops:
        if at_h > now and (state.any() or infusion):
            source = np.array([0, infusion, 0, 0, 0])
            here = A.copy()
            here[1, 1] += k10 * (1 - factor_CL)
            here[3, 1] *= factor_CL
            state = solve_ivp(
                lambda _, y, A=here, source=source: A @ y + source,
                (now, at_h),
                state,
                method="DOP853",
                rtol=1e-12,
                atol=1e-22 * scale,
            ).y[:, -1]
        now = at_h
        if sample:
            found[:, place] = state
        elif place == 5:
            factor_CL = size
        elif place == 4:
            infusion = infusion + size if abs(infusion + size) > 1e-12 * abs(size) else 0.0
        else:
            state[place] += size
    return found


class Given(NamedTuple):
    """A dose that was taken: ticks, mg, and the cycle it was planned in."""

    at: int
    mg: float
    infusion: int
    cycle: int


def ticks(hours: float) -> int:
    """Whole ticks of a time."""
    found = round(hours / TICK_H)
    assert abs(found * TICK_H - hours) < 1e-9
    return found


def calendar(regimen: Mapping[str, Any]) -> list[Given]:
    """Walk through the calendar tick by tick, and note what was taken."""
    every, on, off = ticks(regimen["every_h"]), regimen["on_days"], regimen["off_days"]
    found, number, dose = [], 0, regimen["dose_mg"]
    for cycle in range(1, regimen["cycles"] + 1):
        dose = regimen["reductions"].get(cycle, dose)
        for since_cycle in range(0, on * DAY, every):
            since = (cycle - 1) * (on + off) * DAY + since_cycle
            number, day = number + 1, since // DAY + 1
            if number in regimen["missed_doses"] or day in regimen["missed_days"]:
                continue
            late = regimen["late_doses"].get(number, regimen["late_days"].get(day, 0.0))
            mg = regimen["loading"] if number == 1 and regimen["loading"] is not None else dose
            at = ticks(regimen["first_h"]) + since + ticks(late)
            found.append(Given(at, mg, ticks(regimen["infusion_h"]), cycle))
    return found


class Body:
    """Concentrations at each tick, just before and just after what happens there (mg/L)."""

    def __init__(
        self, pk: Mapping[str, float], given: Iterable[Given], route: str, last: int
    ) -> None:
        k10, k12, k21 = pk["CL"] / pk["V1"], pk["Q"] / pk["V1"], pk["Q"] / pk["V2"]
        # gut, centre, periphery, area under the concentration, rate of infusion
        self.matrix = np.array(
            [
                [-pk["ka"], 0.0, 0.0, 0.0, 0.0],
                [pk["ka"], -k10 - k12, k21, 0.0, 1.0],
                [0.0, k12, -k21, 0.0, 0.0],
                [0.0, 1.0 / pk["V1"], 0.0, 0.0, 0.0],
                [0.0, 0.0, 0.0, 0.0, 0.0],
            ]
        )
        happens: dict[int, list[tuple[int, float]]] = {}
        for dose in given:
            if route == "oral":
                happens.setdefault(dose.at, []).append((0, pk["F"] * dose.mg))
            elif dose.infusion == 0:
                happens.setdefault(dose.at, []).append((1, dose.mg))
            else:
                rate = dose.mg / (dose.infusion * TICK_H)
                happens.setdefault(dose.at, []).append((4, rate))
                happens.setdefault(dose.at + dose.infusion, []).append((4, -rate))
        step, state = expm(self.matrix * TICK_H), np.zeros(5)
        self.before, self.after, self.area = np.zeros((3, last + 1))
        for tick in range(last + 1):
            self.before[tick], self.area[tick] = state[1] / pk["V1"], state[3]
            for place, size in happens.get(tick, []):
                state[place] += size
            self.after[tick] = state[1] / pk["V1"]
            state = step @ state

    def half_life_h(self, route: str) -> float:
        """From the slowest of what takes part."""
        parts = slice(0, 3) if route == "oral" else slice(1, 3)
        return float(np.log(2) / -np.linalg.eigvals(self.matrix[parts, parts]).real.max())


def read_out(
    body: Body, start: int, end: int, to_nM: float, free: float, ic50: float
) -> dict[str, float]:
    """Read a window out sample by sample; what happens at its end is not in it."""
    left, right = to_nM * body.after[start:end], to_nM * body.before[start + 1 : end + 1]
    samples = np.stack([left, right])  # the two ends of each tick
    inhibited = free * samples / (free * samples + ic50)
    low, high = np.sort(free * samples, axis=0)
    above = np.where(low >= ic50, 1.0, (high - ic50) / np.where(high > low, high - low, 1.0))
    return {
        "cmax_nM": samples.max(),
        "auc_nM_h": to_nM * (body.area[end] - body.area[start]),
        "last_nM": right[-1],
        "mean": inhibited.mean(),
        "highest": inhibited.max(),
        "last": inhibited[1, -1],
        "above_ic50": np.where(high <= ic50, 0.0, above).mean(),
    }


def interval_areas(
    pk: Mapping[str, float], every_h: float, count: int, route: str, infusion_h: float = 0.0
) -> Array:
    """Area under the concentration in each of `count` intervals of a dose that is repeated.

    Carried from event to event by matrix exponentials; infusions may outlast their interval.
    """
    matrix = Body(pk, (), route, 0).matrix
    events: list[tuple[float, int, float]] = []
    for number in range(count):
        at_h = number * every_h
        if route == "oral":
            events.append((at_h + pk.get("lag", 0.0), 0, pk["F"]))
        elif infusion_h == 0.0:
            events.append((at_h, 1, 1.0))
        else:
            events.append((at_h, 4, 1.0 / infusion_h))
            events.append((at_h + infusion_h, 4, -1.0 / infusion_h))
    stops = [(number * every_h, -1, 0.0) for number in range(1, count + 1)]
    state, now, areas = np.zeros(5), 0.0, []
    for at_h, place, size in sorted([*events, *stops], key=lambda stop: (stop[0], stop[1])):
        state, now = expm(matrix * (at_h - now)) @ state, at_h
        if place < 0:
            areas.append(state[3])
        else:
            state[place] += size
    return np.diff(np.array([0.0, *areas]))
