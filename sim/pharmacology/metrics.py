"""What pharmacologists read off a time course: exposure, half-life, inhibition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.errors import InputError, Problem
from sim.pharmacology.course import BEFORE_H, Course
from sim.pharmacology.drugs import Potency, inhibition
from sim.pharmacology.effect import Effect
from sim.pharmacology.exposure import Pharmacokinetic

Array = NDArray[np.float64]

_STEP_H = 0.1
MOST_STEPS = 300_000  # of a window: three years at the usual step
_STEPS = 240  # at least, in a window of any length
_CLOSE = 0.98  # samples as high as this share of the highest may be beside the peak


@dataclass(frozen=True)
class Metrics:
    """Exposure in one subject over a window, whose end belongs to the next one.

    Attributes
    ----------
    cmax_nM, tmax_h : float
        Highest total concentration, and when it is reached on the clock of the doses.
    auc_nM_h : float
        Area under the total concentration, exact.
    mean_nM, last_nM : float
        Mean total concentration, and that at the end, before a dose given there.
    cmax_free_nM, mean_free_nM, last_free_nM : float
        The same of unbound drug at the cells.
    """

    cmax_nM: float
    tmax_h: float
    auc_nM_h: float
    mean_nM: float
    last_nM: float
    cmax_free_nM: float
    mean_free_nM: float
    last_free_nM: float


@dataclass(frozen=True)
class Blockade:
    """Inhibition of one receptor over a window, whose end belongs to the next one.

    Attributes
    ----------
    above_ic50_h, above_ic50 : float
        Time with free drug above the IC50, in hours and as a fraction of the window.
    mean, highest, last : float
        Inhibited fraction: time average, at the peak, at the end of the window.
    """

    above_ic50_h: float
    above_ic50: float
    mean: float
    highest: float
    last: float


def window_times(course: Course, start_h: float, end_h: float, step_h: float = _STEP_H) -> Array:
    """Return times that resolve a course: even steps, and each event with the moment before it.

    Steps are longer where there would be more than `MOST_STEPS`: in windows of many years.

    Raises
    ------
    InputError
        If the window is empty.
    """
    if not end_h > start_h >= 0.0:
        raise InputError(str(Problem("end_h", end_h, f"must be above start_h = {start_h:g}")))
    steps = min(int(np.ceil((end_h - start_h) / step_h)), MOST_STEPS)
    even = np.linspace(start_h, end_h, max(2, steps + 1))
    events = course.events_h(start_h, end_h)
    times = np.concatenate([even, events, events - BEFORE_H])
    return np.unique(times[times >= start_h])


def exposure_metrics(exposure: Pharmacokinetic, start_h: float, end_h: float) -> Metrics:
    """Return peak, area and mean of one subject's exposure from `start_h` to `end_h`.

    The area is exact; the peak is refined until its time is known to about 1e-6 h.

    Raises
    ------
    InputError
        If the window is empty, or the exposure is that of many subjects.
    """
    times, total = _resolved(exposure, start_h, end_h)
    cmax, tmax = _peak(exposure, times, total)
    to_nM = 1e6 / exposure.molar_mass
    auc = float(exposure.course.auc(start_h, end_h)) * to_nM
    mean, last = auc / (end_h - start_h), float(total[-1])
    free = exposure.fu * exposure.kp_uu
    return Metrics(cmax, tmax, auc, mean, last, free * cmax, free * mean, free * last)


def blockade(
    exposure: Pharmacokinetic,
    potency: Potency,
    start_h: float,
    end_h: float,
    effect: Effect | None = None,
) -> dict[str, Blockade]:
    """Return the inhibition of each receptor in one subject from `start_h` to `end_h`.

    Where an effect is given it decides the inhibition, with its other drug and off-rates; time
    above the IC50 is that of this drug.

    By linear interpolation between times at most 0.1 h apart; against exact crossings and
    integrals the error is below 1e-3 of the window and of the inhibition.
    """
    times, total = _resolved(exposure, start_h, end_h)
    to_free, length = exposure.fu * exposure.kp_uu, end_h - start_h
    free = to_free * total
    if effect is None or effect.alone:
        highest = inhibition(to_free * _peak(exposure, times, total)[0], potency)
        over_time = inhibition(free, potency)
    else:
        seen = np.append(times[:-1], end_h - BEFORE_H)
        over_time = effect.inhibition(seen)
        highest = {receptor: float(found.max()) for receptor, found in over_time.items()}
    found = {}
    for receptor, inhibited in over_time.items():
        if receptor not in potency.ic50_nM:
            continue
        above_h = _time_above(times, free, potency.ic50_nM[receptor])
        found[receptor] = Blockade(
            above_ic50_h=above_h,
            above_ic50=above_h / length,
            mean=float(np.trapezoid(inhibited, times)) / length,
            highest=float(highest[receptor]),
            last=float(inhibited[-1]),
        )
    return found


def accumulation_ratio(
    exposure: Pharmacokinetic, first_h: float, last_h: float, every_h: float
) -> Array:
    """Return the area over an interval relative to that over the first one (nan of 0), exact.

    Parameters
    ----------
    exposure : Pharmacokinetic
        One subject, or many.
    first_h, last_h : float
        Times of the first dose and of the dose that is compared with it.
    every_h : float
        Interval.
    """
    first, last = (exposure.course.auc(at_h, at_h + every_h) for at_h in (first_h, last_h))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(last / first)


def _time_above(time: Array, value: Array, level: float) -> float:
    """Return how long a piecewise linear function is above a level."""
    a, b, width = value[:-1] - level, value[1:] - level, np.diff(time)
    rise = np.where(a == b, 1.0, b - a)
    crossing = np.clip(-a / rise, 0.0, 1.0)  # share of the piece before the level is met
    share = np.where(a == b, a > 0.0, np.where(b > a, 1.0 - crossing, crossing))
    return float(width @ share)


def _resolved(exposure: Pharmacokinetic, start_h: float, end_h: float) -> tuple[Array, Array]:
    """Return times that resolve a window, and the total concentration in one subject (nM).

    A dose at the start belongs to the window, one at the end to the next window.
    """
    if exposure.model.subjects is not None:
        raise InputError("metrics are of one subject: take model.subject(i)")
    step_h = min(_STEP_H, (end_h - start_h) / _STEPS)
    times = window_times(exposure.course, start_h, end_h, step_h)
    # what a large dose blocks rises within minutes
    soon = np.add.outer(exposure.course.events_h(start_h, end_h), step_h * 0.5 ** np.arange(1, 8))
    times = np.union1d(times, soon[soon < end_h])
    total = exposure.total_nM(times)
    total[-1] = exposure.total_nM(end_h, before=True)
    return times, total


def _peak(exposure: Pharmacokinetic, times: Array, total: Array) -> tuple[float, float]:
    """Return the highest concentration and its time, refined between the samples beside it.

    All samples near the highest are refined: the peaks of many doses may differ by less than
    what lies between two samples.
    """
    padded = np.concatenate([[-np.inf], total, [-np.inf]])
    summit = (total >= padded[:-2]) & (total >= padded[2:]) & (total >= _CLOSE * total.max())
    at = np.flatnonzero(summit)
    time, value, each = times[at], total[at], np.arange(len(at))
    low, high = times[np.maximum(at - 1, 0)], times[np.minimum(at + 1, len(times) - 1)]
    high = np.minimum(high, times[-1] - BEFORE_H)  # a dose at the end does not count
    while value.any() and (high - low).max() > 1e-6:
        finer = np.linspace(low, high, 21)
        values = exposure.total_nM(finer)
        top = values.argmax(axis=0)
        better = values[top, each] > value
        time = np.where(better, finer[top, each], time)
        value = np.where(better, values[top, each], value)
        low, high = finer[np.maximum(top - 1, 0), each], finer[np.minimum(top + 1, 20), each]
    best = int(value.argmax())
    return float(value[best]), float(time[best])
