"""What pharmacologists read off a time course: exposure, half-life, inhibition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.data import nearest, one_of
from sim.errors import InputError, Problem, ScenarioError
from sim.pharmacology.course import BEFORE_H, Course
from sim.pharmacology.dosing import ROUTES, Route
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


@dataclass(frozen=True)
class Noncompartmental:
    """What non-compartmental analysis finds in samples.

    Attributes
    ----------
    half_life_h : float
        From the slope of the last samples; `points` is how many were used.
    auc_last, auc_inf : float
        Area up to the last measurable sample, and extrapolated (mg h/L).
    extrapolated : float
        Share of `auc_inf` behind the last measurable sample.
    cmax, tmax_h : float
        Highest concentration (mg/L), after a bolus that at the dose, and its time after the dose.
    CL : float
        Dose / AUC (L/h): of an oral dose CL/F.
    mrt_h : float
        Mean residence time after a bolus; of an oral dose with the time of absorption.
    Vss, Vz : float
        Volumes at steady state (CL MRT; i.v. only, otherwise nan) and of the last phase (L).
    zeros : int
        Samples of 0 between measurable ones: they count in the areas, not in the slope.
    """

    half_life_h: float
    points: int
    auc_last: float
    auc_inf: float
    extrapolated: float
    cmax: float
    tmax_h: float
    CL: float
    mrt_h: float
    Vss: float
    Vz: float
    zeros: int


def noncompartmental(
    time_h: ArrayLike,
    concentration: ArrayLike,
    dose_mg: float,
    route: Route = "oral",
    dose_h: float = 0.0,
) -> Noncompartmental:
    """Analyse the samples after a single oral dose or i.v. bolus.

    Linear trapezoids while the concentration rises, logarithmic ones while it falls, the tail
    extrapolated with the terminal slope (Gabrielsson & Weiner 2012, Methods Mol Biol 929:377).

    At the dose the concentration is 0 if it was oral and nothing was sampled then; after a bolus
    it is extrapolated from the first two measurable samples, also where a sample of 0 was taken
    just before it. Samples of 0, below quantification, count as 0 before the first measurable
    one and between others, and are left out after the last one; two in a row behind the peak
    end the profile.

    Parameters
    ----------
    time_h, concentration : array_like, shape (samples,)
        Rising times, and concentrations in mg/L.
    dose_mg : float
        The dose, above 0.
    route : {"oral", "iv"}
        How it was given.
    dose_h : float
        When it was given, on the clock of the samples. Samples before it must be 0.

    Raises
    ------
    InputError
        If something is impossible, if there are too few samples behind the peak, or if they do
        not fall.
    """
    time, level = _samples(time_h, concentration, dose_mg, route, dose_h)
    if time[0] > 0.0:
        time, level = np.append(0.0, time), np.append(0.0, level)
    if route == "iv" and level[0] == 0.0:
        level[0] = _at_bolus(time[1:], level[1:])
    rate, points = terminal_rate(time, level)
    auc_last, aumc_last = _areas(time, level)
    tail = level[-1] / rate
    auc = auc_last + tail
    mrt = (aumc_last + tail * (time[-1] + 1.0 / rate)) / auc
    CL, peak = dose_mg / auc, int(level.argmax())
    return Noncompartmental(
        half_life_h=float(np.log(2.0) / rate),
        points=points,
        auc_last=float(auc_last),
        auc_inf=float(auc),
        extrapolated=float(tail / auc),
        cmax=float(level[peak]),
        tmax_h=float(time[peak]),
        CL=float(CL),
        mrt_h=float(mrt),
        Vss=float(CL * mrt) if route == "iv" else float("nan"),
        Vz=float(CL / rate),
        zeros=int((level[level.argmax() :] == 0.0).sum()),
    )


def _samples(
    time_h: ArrayLike, concentration: ArrayLike, dose_mg: float, route: str, dose_h: float
) -> tuple[Array, Array]:
    """Return times after the dose and concentrations, from it to the last measurable sample."""
    try:
        time, level = (  # what is masked is missing, whatever lies under the mask
            np.ma.filled(np.ma.array(values, dtype=np.float64), np.nan)
            for values in (time_h, concentration)
        )
    except (TypeError, ValueError) as error:
        wanted = "must be numbers, 0 for a sample below quantification"
        raise InputError(f"time_h, concentration: {wanted}") from error
    if time.ndim != 1 or time.shape != level.shape:
        raise InputError("time_h, concentration: must be two lists of one length")
    problems = list(_wrong(time, level, dose_mg, route, dose_h))
    if problems:
        raise ScenarioError("samples", problems)
    time, level = time[time >= dose_h] - dose_h, level[time >= dose_h]
    measurable = np.flatnonzero(level > 0.0)
    if not measurable.size:
        raise InputError("concentration: no sample after the dose is above 0")
    zero = level == 0.0
    zero[: level.argmax()] = False
    pairs = np.flatnonzero(zero[:-1] & zero[1:])
    end = min([measurable[-1] + 1, *pairs])
    return time[:end], level[:end]


def _wrong(
    time: Array, level: Array, dose_mg: float, route: str, dose_h: float
) -> Iterator[Problem]:
    """Yield what is impossible about samples and dose."""
    if not (math.isfinite(dose_mg) and dose_mg > 0.0):
        yield Problem("dose_mg", dose_mg, "must be above 0")
    if route not in ROUTES:
        yield Problem("route", route, one_of(ROUTES), nearest(str(route), ROUTES))
    if not math.isfinite(dose_h):
        yield Problem("dose_h", dose_h, "must be a number")
    last = -math.inf
    for place, (at_h, value) in enumerate(zip(time.tolist(), level.tolist(), strict=True)):
        if not math.isfinite(at_h):
            yield Problem(f"time_h[{place}]", at_h, "must be a number")
        elif at_h <= last:
            yield Problem(f"time_h[{place}]", at_h, f"must be above the one before, {last:g}")
        elif at_h < dose_h and value > 0.0:
            allowed = f"must be 0 before the dose at {dose_h:g} h"
            yield Problem(f"concentration[{place}]", value, allowed)
        if not (math.isfinite(value) and value >= 0.0):
            hint = "leave out a sample that is missing" if math.isnan(value) else ""
            yield Problem(f"concentration[{place}]", value, "must be at least 0", hint)
        last = max(last, at_h) if math.isfinite(at_h) else last


def _at_bolus(time: Array, level: Array) -> float:
    """Return the concentration at a bolus, extrapolated from the first two samples after it."""
    if level[0] == 0.0:
        raise InputError(f"concentration: 0 at {time[0]:g} h after a bolus, and above 0 later")
    falls = len(level) > 1 and 0.0 < level[1] < level[0]
    share = level[0] / level[1] if falls else 1.0
    return float(level[0] * share ** (time[0] / (time[1] - time[0]) if falls else 0.0))


def terminal_rate(time_h: Array, concentration: Array) -> tuple[float, int]:
    """Return the rate of the last phase (1/h) and the number of samples behind it.

    Of the last three or more samples above 0 behind the peak those with the best adjusted R^2 of
    log-linear regression; more samples win a tie within 1e-4, as is usual.

    Raises
    ------
    InputError
        If there are fewer than three samples behind the peak, or they do not fall.
    """
    behind = (np.arange(len(time_h)) > int(np.argmax(concentration))) & (concentration > 0.0)
    time, level = time_h[behind], np.log(concentration[behind])
    fits: list[tuple[float, float, int]] = []  # adjusted R^2, rate, number
    for number in range(3, len(time) + 1):
        x, y = time[-number:], level[-number:]
        slope, offset = np.polyfit(x - x.mean(), y, 1)
        scatter = float(np.sum((y - offset - slope * (x - x.mean())) ** 2))
        total = float(np.sum((y - y.mean()) ** 2))
        if slope < 0.0 and total > 0.0:
            r2 = 1.0 - scatter / total
            fits.append((1.0 - (1.0 - r2) * (number - 1) / (number - 2), -float(slope), number))
    if not fits:
        raise InputError("no terminal phase: needs three falling samples behind the peak")
    best = max(fit[0] for fit in fits)
    _, rate, number = max((fit for fit in fits if fit[0] >= best - 1e-4), key=lambda fit: fit[2])
    return rate, number


def _areas(time: Array, level: Array) -> tuple[float, float]:
    """Return the areas under c(t) and t c(t): linear where c rises, logarithmic where it falls."""
    t1, t2, c1, c2 = time[:-1], time[1:], level[:-1], level[1:]
    width = t2 - t1
    falls = (c1 > c2) & (c2 > 0.0)
    rate = np.log(np.where(falls, c1 / np.where(falls, c2, 1.0), math.e)) / width
    auc = np.where(falls, (c1 - c2) / rate, width * (c1 + c2) / 2.0)
    aumc = np.where(
        falls,
        (t1 * c1 - t2 * c2) / rate + (c1 - c2) / rate**2,
        width * (t1 * c1 + t2 * c2) / 2.0,
    )
    return float(auc.sum()), float(aumc.sum())


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
