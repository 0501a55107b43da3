"""What pharmacologists read off a time course: exposure, half-life, inhibition."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.errors import InputError, Problem
from sim.pharmacology.compartments import Course
from sim.pharmacology.drugs import Potency, inhibition
from sim.pharmacology.exposure import Pharmacokinetic

Array = NDArray[np.float64]

_STEP_H = 0.1


@dataclass(frozen=True)
class Metrics:
    """Exposure in one subject over a window.

    Attributes
    ----------
    cmax_nM, tmax_h : float
        Highest total concentration and when it is reached.
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
    """Inhibition of one receptor over a window.

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

    Raises
    ------
    InputError
        If the window is empty.
    """
    if not end_h > start_h >= 0.0:
        raise InputError(str(Problem("end_h", end_h, f"must be above start_h = {start_h:g}")))
    even = np.linspace(start_h, end_h, max(2, int(np.ceil((end_h - start_h) / step_h)) + 1))
    events = course.events_h()
    times = np.concatenate([even, events, np.nextafter(events, -np.inf)])
    return np.unique(times[(times >= start_h) & (times <= end_h)])


def exposure_metrics(exposure: Pharmacokinetic, start_h: float, end_h: float) -> Metrics:
    """Return peak, area and mean of one subject's exposure from `start_h` to `end_h`.

    The area is exact; the peak is refined until its time is known to about 1e-6 h.

    Raises
    ------
    InputError
        If the window is empty, or the exposure is that of many subjects.
    """
    _one_subject(exposure)
    times = window_times(exposure.course, start_h, end_h)
    total = exposure.total_nM(times)
    peak = int(total.argmax())
    cmax, tmax = float(total[peak]), float(times[peak])
    low, high = times[max(peak - 1, 0)], times[min(peak + 1, len(times) - 1)]
    while high - low > 1e-6:
        finer = np.linspace(low, high, 21)
        values = exposure.total_nM(finer)
        peak = int(values.argmax())
        if values[peak] > cmax:
            cmax, tmax = float(values[peak]), float(finer[peak])
        low, high = finer[max(peak - 1, 0)], finer[min(peak + 1, 20)]
    to_nM = 1e6 / exposure.molar_mass
    auc = float(exposure.course.auc(start_h, end_h)) * to_nM
    mean, last = auc / (end_h - start_h), float(exposure.total_nM(end_h, before=True))
    free = exposure.fu * exposure.kp_uu
    return Metrics(cmax, tmax, auc, mean, last, free * cmax, free * mean, free * last)


def blockade(
    exposure: Pharmacokinetic, potency: Potency, start_h: float, end_h: float
) -> dict[str, Blockade]:
    """Return the inhibition of each receptor in one subject from `start_h` to `end_h`.

    By linear interpolation between times at most 0.1 h apart; against exact crossings and
    integrals the error is below 1e-3 of the window and of the inhibition.
    """
    _one_subject(exposure)
    times = window_times(exposure.course, start_h, end_h)
    free = exposure.free_nM(times)
    free[-1] = exposure.free_nM(end_h, before=True)
    length = end_h - start_h
    found = {}
    for receptor, inhibited in inhibition(free, potency).items():
        above_h = _time_above(times, free, potency.ic50_nM[receptor])
        found[receptor] = Blockade(
            above_ic50_h=above_h,
            above_ic50=above_h / length,
            mean=float(np.trapezoid(inhibited, times)) / length,
            highest=float(inhibited.max()),
            last=float(inhibited[-1]),
        )
    return found


def troughs_nM(exposure: Pharmacokinetic) -> Array:
    """Return the total concentration just before each dose, shape (doses,) or (subjects, doses)."""
    return exposure.total_nM(np.array([dose.at_h for dose in exposure.course.doses]), before=True)


def accumulation_ratio(
    exposure: Pharmacokinetic, first_h: float, last_h: float, every_h: float
) -> Array:
    """Return the area over an interval relative to that over the first one, exact.

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
    return np.asarray(last / first)


@dataclass(frozen=True)
class Noncompartmental:
    """What non-compartmental analysis finds in samples.

    Attributes
    ----------
    half_life_h : float
        From the slope of the last samples; `points` is how many were used.
    auc_last, auc_inf : float
        Area up to the last sample, and extrapolated (mg h/L).
    extrapolated : float
        Share of `auc_inf` behind the last sample.
    cmax, tmax_h : float
        Highest sample (mg/L) and its time.
    CL : float
        Dose / AUC (L/h): of an oral dose CL/F.
    mrt_h : float
        Mean residence time after a bolus; of an oral dose with the time of absorption.
    Vss, Vz : float
        Volumes at steady state (CL MRT; i.v. only, otherwise nan) and of the last phase (L).
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


def noncompartmental(
    time_h: ArrayLike,
    concentration: ArrayLike,
    dose_mg: float,
    route: Literal["oral", "iv"] = "oral",
) -> Noncompartmental:
    """Analyse the samples after a single oral dose or i.v. bolus given at time 0.

    Linear trapezoids while the concentration rises, logarithmic ones while it falls, the tail
    extrapolated with the terminal slope (Gabrielsson & Weiner 2012, Methods Mol Biol 929:377).
    A missing sample at time 0 is 0 after an oral dose; after a bolus it is extrapolated from the
    first two samples.

    Parameters
    ----------
    time_h, concentration : array_like, shape (samples,)
        Rising times, and concentrations in mg/L.
    dose_mg : float
        The dose.
    route : {"oral", "iv"}
        How it was given.

    Raises
    ------
    InputError
        If there are too few samples behind the peak, or they do not fall.
    """
    time = np.asarray(time_h, dtype=np.float64)
    level = np.asarray(concentration, dtype=np.float64)
    kept = (level > 0.0) | (time == 0.0)
    time, level = time[kept], level[kept]
    if len(time) and time[0] > 0.0:
        start = 0.0
        if route == "iv" and len(time) > 1 and level[0] > level[1]:
            start = level[0] * (level[0] / level[1]) ** (time[0] / (time[1] - time[0]))
        elif route == "iv":
            start = level[0]
        time, level = np.append(0.0, time), np.append(start, level)
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
    )


def terminal_rate(time_h: Array, concentration: Array) -> tuple[float, int]:
    """Return the rate of the last phase (1/h) and the number of samples behind it.

    Of the last three or more samples behind the peak those with the best adjusted R^2 of
    log-linear regression; more samples win a tie within 1e-4, as is usual.

    Raises
    ------
    InputError
        If there are fewer than three samples behind the peak, or they do not fall.
    """
    behind = np.arange(len(time_h)) > int(np.argmax(concentration))
    time, level = time_h[behind], np.log(concentration[behind])
    fits: list[tuple[float, float, int]] = []  # adjusted R^2, rate, number
    for number in range(3, len(time) + 1):
        x, y = time[-number:], level[-number:]
        slope, offset = np.polyfit(x - x.mean(), y, 1)
        scatter = float(np.sum((y - offset - slope * (x - x.mean())) ** 2))
        total = float(np.sum((y - y.mean()) ** 2))
        if slope < 0.0:
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


def _one_subject(exposure: Pharmacokinetic) -> None:
    if exposure.model.subjects is not None:
        raise InputError("metrics are of one subject: take model.subject(i)")
