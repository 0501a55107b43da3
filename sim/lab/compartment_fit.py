"""A compartment model fitted to the samples of one subject."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import optimize, stats

from sim.errors import InputError
from sim.lab.nca import profiles_of
from sim.lab.samples import Array, Subject
from sim.pharmacology.compartments import Compartments, OneCompartment, State, TwoCompartment
from sim.pharmacology.dosing import Dose

WEIGHTS: Final = {"1/y^2": 1.0, "1/y": 0.5, "1": 0.0}
"""Weights of residuals, y being the fitted concentration: the power of y that their size has."""
UNITS: Final = {"CL": "L/h", "V": "L", "V1": "L", "Q": "L/h", "V2": "L", "ka": "1/h", "F": ""}
DERIVED: Final = {"half_life_h": "h", "Vss": "L"}
CONFIDENCE = 0.95
_STARTS, _TRIED = 300, 5  # drawn around a first guess, and the best of them that are followed
_WIDE = 1e4  # parameters are looked for up to so many times above and below the guess
_STEP = 1e-5  # of logarithms, for derivatives
_SAME = 1e-4  # of the residuals of two equally good solutions
_LOOSE = 30.0  # from limit to limit: hardly determined


class TooFewSamplesError(InputError):
    """A model has too many parameters for the samples of a subject."""


@dataclass(frozen=True)
class Fit:
    """A model fitted to the samples of one subject.

    Attributes
    ----------
    subject : str
    compartments : int
        1 or 2.
    values : dict of str to float
        Parameters by the names of a drug file, then what follows from them: terminal half-life
        and volume at steady state. After oral doses alone CL, Q and volumes are those over F.
    limits : dict of str to (float, float)
        95 % confidence limits.
    time_h, concentration : (samples,) ndarray
        What was fitted, mg/L.
    fitted : (samples,) ndarray
    sigma : float
        Scatter of the residuals: with weights 1/y^2, a share of the concentration.
    aicc : float
        Akaike's criterion for small samples.
    doses : tuple of Dose
    notes : tuple of str
    """

    subject: str
    compartments: int
    values: dict[str, float]
    limits: dict[str, tuple[float, float]]
    time_h: Array
    concentration: Array
    fitted: Array
    sigma: float
    aicc: float
    doses: tuple[Dose, ...]
    notes: tuple[str, ...] = ()

    @property
    def model(self) -> Compartments:
        """The fitted model."""
        found = {name: value for name, value in self.values.items() if name not in DERIVED}
        return _model(list(found), np.log(list(found.values()))).subject(0)

    def curve(self, time_h: Array) -> Array:
        """Return the fitted concentration (mg/L); at the time of a later dose, that before it."""
        return np.asarray(response(self.model, self.doses, np.asarray(time_h, dtype=float))[0])

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        parameters = {
            name: {
                "value": value,
                "low": self.limits[name][0],
                "high": self.limits[name][1],
                "unit": (UNITS | DERIVED)[name],
            }
            for name, value in self.values.items()
        }
        return {
            "subject": self.subject,
            "compartments": self.compartments,
            "parameters": parameters,
            "sigma": self.sigma,
            "aicc": self.aicc,
            "samples": len(self.time_h),
            "note": "; ".join(self.notes),
        }


def response(model: Compartments, doses: Iterable[Dose], time_h: Array) -> Array:
    """Return the concentration (mg/L) by superposition of doses, (models, times).

    As `Course.concentration`, for the many models of a fit and few doses. At the time of a dose it
    is that before it, but for a bolus that is the first dose.
    """
    doses = sorted(doses, key=lambda dose: dose.at_h)
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    total: Array = np.zeros((model.subjects or 1, len(time_h)))
    for place, dose in enumerate(doses):
        since = (time_h - dose.at_h)[None, :]
        if dose.route == "oral":
            gut = np.asarray(model.F, dtype=np.float64).reshape(-1, 1) * dose.amount_mg
            total = total + model.central(State(gut, zero, zero, zero), since)
        elif dose.infusion_h == 0.0:
            since = np.where((since == 0.0) & (place > 0), -1.0, since)
            total = total + dose.amount_mg * model.central(State(zero, one, zero, zero), since)
        else:
            rate, state = dose.amount_mg / dose.infusion_h, State(zero, zero, zero, one)
            on, off = (model.central(state, since - lag) for lag in (0.0, dose.infusion_h))
            total = total + rate * (on - off)
    return np.asarray(total / np.asarray(model.central_volume).reshape(-1, 1))


def fit_subject(one: Subject, mg_per_L: float, compartments: int, weights: str) -> Fit:
    """Fit a model to the samples of one subject.

    Raises
    ------
    TooFewSamplesError
        If there are too few samples for it.
    """
    power = WEIGHTS[weights]
    notes = list(one.notes)
    at_first = one.doses[0].route == "iv" and one.doses[0].infusion_h == 0.0
    first_h = one.doses[0].at_h
    able = (one.time_h > first_h) | (at_first & (one.time_h == first_h))
    early = int(((one.concentration > 0.0) & ~able).sum())
    if early:
        notes.append(f"{early} at the dose not fitted: the model has no drug then")
    kept = able & (one.concentration > 0.0)
    if below := int((able & (one.concentration == 0.0)).sum()):
        notes.append(f"{below} below quantification not fitted")
    time, level = one.time_h[kept], one.concentration[kept] * mg_per_L
    names = _names(one.doses, compartments)
    least = len(names) + 3
    if len(time) < least:
        words = f"{compartments} compartment{'s' * (compartments > 1)}"
        words += f" need{'s' * (compartments == 1)} at least {least} measurable samples"
        raise TooFewSamplesError(f"{words}, not {len(time)}")

    def curves(logs: Array) -> Array:
        return response(_model(names, logs), one.doses, time)

    guess = _guess(one, mg_per_L, names)
    logs = _search(curves, guess, names, level, power)
    predicted = curves(logs)[0]
    scale = predicted**power
    left = (level - predicted) / scale
    freedom = len(time) - len(names)
    variance = float(left @ left) / freedom
    slopes = _slopes(curves, logs) / scale[:, None]
    covariance = variance * np.linalg.pinv(slopes.T @ slopes)
    reach = float(stats.t.ppf(0.5 + CONFIDENCE / 2.0, freedom))
    values, limits = {}, {}
    gradients = _slopes(lambda one: np.log(_derived(names, one)), logs)
    sizes = np.concatenate([np.eye(len(names)), gradients])
    for name, log, size in zip(
        [*names, *DERIVED], [*logs, *np.log(_derived(names, logs)[0])], sizes, strict=True
    ):
        error = reach * math.sqrt(float(size @ covariance @ size))
        values[name] = math.exp(log)
        limits[name] = (math.exp(max(log - error, -700.0)), math.exp(min(log + error, 700.0)))
        if name == "F":
            limits[name] = (limits[name][0], min(1.0, limits[name][1]))
    loose = [name for name in names if limits[name][1] > _LOOSE * limits[name][0]]
    if loose:
        notes.append(f"hardly determined by these samples: {', '.join(loose)}")
    notes += _flip_flop(values, compartments, one.doses)
    mean = float(left @ left) / len(time)
    parameters = len(names) + 1
    likelihood = len(time) * (math.log(2.0 * math.pi * mean) + 1.0) + 2.0 * np.log(scale).sum()
    aicc = float(likelihood) + 2.0 * parameters * len(time) / (len(time) - parameters - 1)
    return Fit(
        one.name, compartments, values, limits, time, level, predicted, math.sqrt(variance), aicc,
        one.doses, tuple(notes),
    )  # fmt: skip


def _names(doses: Sequence[Dose], compartments: int) -> list[str]:
    """Return the parameters that samples after such doses can determine."""
    routes = {dose.route for dose in doses}
    names = ["CL", "V"] if compartments == 1 else ["CL", "V1", "Q", "V2"]
    names += ["ka"] * ("oral" in routes)
    return names + ["F"] * (len(routes) == 2)


def _model(names: Sequence[str], logs: Array) -> Compartments:
    """Return the models of rows of logarithms of parameters."""
    values: dict[str, Any] = dict(zip(names, np.exp(np.atleast_2d(logs)).T, strict=True))
    values.setdefault("ka", np.ones_like(values["CL"]))
    return OneCompartment(**values) if "V" in values else TwoCompartment(**values)


def _derived(names: Sequence[str], logs: Array) -> Array:
    """Return what follows from parameters, (models, `DERIVED`)."""
    model = _model(names, logs)
    slow = model.terminal_half_life_h if "ka" in names else math.log(2.0) / model.terminal_rate
    volume = model.V if isinstance(model, OneCompartment) else model.V1 + model.V2  # type: ignore[attr-defined]
    return np.stack([np.asarray(slow), np.asarray(volume)], axis=1)


def _guess(one: Subject, mg_per_L: float, names: Sequence[str]) -> Array:
    """Return logarithms to begin at, from the analysis without a model."""
    profile = profiles_of(one, mg_per_L)[0]
    dose = sum(dose.amount_mg for dose in one.doses)
    area = profile.auc_inf if profile.auc_inf == profile.auc_inf else 1.5 * profile.auc_last
    half = profile.half_life_h
    if half != half:
        half = max(float(profile.time_h[-1]) / 3.0, 1e-3) if len(profile.time_h) else 1.0
    if len(one.doses) > 1 or not area > 0.0:
        area = float(np.trapezoid(one.concentration, one.time_h)) * 1.5
    CL = dose / (max(area, 1e-300) * mg_per_L)
    volume, rate = CL * half / math.log(2.0), math.log(2.0) / half
    known = {
        "CL": CL, "V": volume, "V1": 0.5 * volume, "Q": CL, "V2": 0.5 * volume, "ka": 4.0 * rate,
        "F": 0.5,
    }  # fmt: skip
    return np.log([known[name] for name in names])


def _search(curves: Any, guess: Array, names: Sequence[str], level: Array, power: float) -> Array:
    """Return the logarithms of the parameters with the least weighted squares, from many starts.

    First with residuals of logarithms, from the best of many draws around the guess. Then
    residuals are divided by the fitted concentration to a power, and multiplied by the geometric
    mean of that: the least sum of their squares is the highest likelihood of an error that
    follows the curve, and does not favour high curves.
    """
    rng = np.random.default_rng(0)
    reach = np.array([math.log(3.0) if name in ("CL", "F") else math.log(20.0) for name in names])
    low, high = guess - math.log(_WIDE), guess + math.log(_WIDE)
    if "F" in names:
        high[names.index("F")] = -2.0 * _STEP  # at most 1, also beside it
    draws = np.clip(guess + reach * rng.uniform(-1.0, 1.0, (_STARTS, len(names))), low, high)
    draws[0] = guess
    tiny = 1e-12 * level.min()  # no drug: an infinite residual otherwise

    def by_logarithm(logs: Array) -> Array:
        return np.asarray(np.log(np.maximum(curves(logs), tiny)) - np.log(level))

    def by_weight(logs: Array) -> Array:
        found = np.maximum(curves(logs), tiny)
        scale = found**power
        mean = np.exp(np.log(scale).mean(axis=1, keepdims=True))
        return np.asarray((found - level) / scale * mean)

    def solve(start: Array, residuals: Any, digits: float) -> Any:
        def at(logs: Array) -> Array:
            return np.asarray(residuals(logs)[0])

        def slopes(logs: Array) -> Array:
            return _slopes(residuals, logs)

        return optimize.least_squares(
            at, start, slopes, bounds=(low, high), xtol=digits, ftol=digits, gtol=1e-12,
            max_nfev=100,
        )  # fmt: skip

    order = np.argsort((by_logarithm(draws) ** 2).sum(axis=1))[:_TRIED]
    tried = [solve(draws[one], by_logarithm, 1e-7) for one in order]
    least = min(one.cost for one in tried)
    good = [one.x for one in tried if one.cost <= least * (1.0 + _SAME) + 1e-20]
    if "ka" in names:  # of equal curves the one with the fastest absorption
        good.sort(key=lambda x: -float(x[names.index("ka")]))
    x: Array = solve(np.clip(good[0], low, high), by_weight, 1e-10).x
    return _unflipped(x, names)


def _unflipped(logs: Array, names: Sequence[str]) -> Array:
    """Return the solution of one compartment in which absorption is the faster process.

    After oral doses alone CL, V, ka and CL, CL/ka, CL/V give the same curve.
    """
    if list(names) != ["CL", "V", "ka"] or logs[2] >= logs[0] - logs[1]:
        return logs
    CL, V, ka = logs
    return np.array([CL, CL - ka, CL - V])


def _flip_flop(values: Mapping[str, float], compartments: int, doses: Sequence[Dose]) -> list[str]:
    """Return what to know of absorption that may be slower than elimination."""
    if "ka" not in values:
        return []
    if any(dose.route == "iv" for dose in doses):
        if values["ka"] < math.log(2.0) / values["half_life_h"] * (1.0 + 1e-9):
            return ["flip-flop: absorption is slower than elimination and sets the half-life"]
        return []
    note = "flip-flop cannot be excluded by oral doses alone: absorption is taken to be the faster"
    if compartments == 1:
        V, ka = values["CL"] / values["ka"], values["CL"] / values["V"]
        note += f"; if it is the slower, V/F is {V:.3g} L and ka {ka:.3g} 1/h"
    return [note]


def _slopes(function: Any, at: Array) -> Array:
    """Return derivatives at one point, (values, parameters), all points computed at once."""
    steps = _STEP * np.eye(len(at))
    found = function(np.concatenate([at + steps, at - steps]))
    return np.asarray((found[: len(at)] - found[len(at) :]).T / (2.0 * _STEP))
