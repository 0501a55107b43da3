"""Compartment models fitted to the samples of a drug, subject by subject."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy import optimize, stats

from sim import hooks
from sim.data import one_of
from sim.errors import InputError, Problem
from sim.files import plain, write_text_atomic
from sim.lab.fitted_drug import NAME, Fitted, check_species, drug_file
from sim.lab.nca import profiles_of
from sim.lab.samples import Array, Samples, Subject, read_samples
from sim.pharmacology.compartments import Compartments, OneCompartment, State, TwoCompartment
from sim.pharmacology.dosing import Dose
from sim.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure

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


@dataclass(frozen=True, repr=False)
class PKFit:
    """Compartment models fitted to a table of samples.

    Attributes
    ----------
    samples : Samples
    weights : str
        One of `WEIGHTS`.
    species : str
    compartments : int
        Of the model that was chosen for all subjects.
    aicc : dict of int to float
        By number of compartments, the sum over the subjects to whom all models were fitted.
    fits : list of Fit
        The chosen model in each subject.
    others : list of Fit
        What else was fitted.
    failed : dict of str to str
        By subject why it was not fitted.
    """

    samples: Samples
    weights: str
    species: str
    compartments: int
    aicc: dict[int, float]
    fits: list[Fit]
    others: list[Fit]
    failed: dict[str, str]

    def __repr__(self) -> str:
        words = f"{self.compartments} compartment{'s' * (self.compartments > 1)}"
        return f"<PK fit of {self.samples.column}: {words}, {len(self.fits)} fitted>"

    @property
    def notes(self) -> dict[str, tuple[str, ...]]:
        """By subject what to know."""
        return {fit.subject: fit.notes for fit in self.fits} | {
            name: (f"not fitted: {reason}",) for name, reason in self.failed.items()
        }

    @property
    def typical(self) -> dict[str, float]:
        """Geometric mean of each parameter over the subjects."""
        return {
            name: float(np.exp(np.mean([math.log(fit.values[name]) for fit in self.fits])))
            for name in self.fits[0].values
        }

    @property
    def spread(self) -> dict[str, float]:
        """Coefficient of variation of each parameter between three or more subjects."""
        if len(self.fits) < 3:
            return {}
        logs = {
            name: np.log([fit.values[name] for fit in self.fits]) for name in self.fits[0].values
        }
        return {name: math.sqrt(math.expm1(float(one.var(ddof=1)))) for name, one in logs.items()}

    def table(self) -> pd.DataFrame:
        """Return a row for each subject and parameter of the chosen model."""
        import pandas as pd

        return pd.DataFrame(
            [
                {"subject": fit.subject, "parameter": name, "value": value,
                 "low": fit.limits[name][0], "high": fit.limits[name][1],
                 "unit": (UNITS | DERIVED)[name]}
                for fit in self.fits
                for name, value in fit.values.items()
            ]
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON, as in ``pk-fit.json``."""
        spread = self.spread
        found: dict[str, Any] = plain({
            "version": __version__,
            "column": self.samples.column,
            "weights": self.weights,
            "confidence": CONFIDENCE,
            "compartments": self.compartments,
            "aicc": self.aicc,
            "typical": self.typical,
            "cv_percent": {name: 100.0 * value for name, value in spread.items()} or None,
            "fits": [fit.to_dict() for fit in self.fits],
            "other_models": [fit.to_dict() for fit in self.others],
            "failed": self.failed,
            "notes": self.samples.notes,
        })  # fmt: skip
        return found

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw samples and fitted curves, also into a given figure."""
        return hooks.draw(self, fig=fig)

    def drug_file(self) -> str:
        """Return a drug file with the fitted pharmacokinetics, as in ``drug.toml``."""
        count, spread = len(self.fits), self.spread
        only = self.fits[0].limits if count == 1 else {}
        parameters = {
            name: Fitted(
                value, UNITS[name], spread.get(name),
                "fitted, 95 % limits {:.3g} to {:.3g}".format(*only[name])
                if only else f"geometric mean of {count} subjects",
            )
            for name, value in self.typical.items() if name in UNITS
        }  # fmt: skip
        source = (
            f"fitted to {sum(len(fit.time_h) for fit in self.fits)} samples of {count} "
            f"subject{'s' * (count != 1)}, weights {self.weights}"
        )
        return drug_file(self.samples, self.species, parameters, source)

    def write(self, folder: str | Path) -> None:
        """Write ``pk-fit.json``, ``drug.toml`` and ``pk-fit.png`` into a folder that exists."""
        folder = Path(folder)
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        write_text_atomic(folder / "pk-fit.json", text + "\n")
        write_text_atomic(folder / f"{NAME}.toml", self.drug_file())
        hooks.call("save_figures", {"pk-fit.png": self.plot}, folder, None)


def pk_fit(
    table: Any,
    *,
    time: str = "time_h",
    conc: str | None = None,
    subject: str | None = None,
    dose_mg: float | None = None,
    doses: Any = None,
    route: str = "oral",
    infusion_h: float = 0.0,
    drug: str | Path | None = None,
    molar_mass: float | None = None,
    compartments: int | None = None,
    weights: str = "1/y^2",
    species: str = "human",
) -> PKFit:
    """Fit one and two compartments to samples by weighted least squares, in each subject.

    Parameters of the table are those of `sim.lab.samples.read_samples`.

    Parameters
    ----------
    compartments : {1, 2}, optional
        Fit this model only; by default the one with the lower AICc (summed over the subjects).
    weights : {"1/y^2", "1/y", "1"}
        Weights of the residuals, y being the fitted concentration: an error in per cent, between
        both, or of the same size everywhere.
    species : str
        Whose samples they are: in the drug file that `PKFit.write` leaves.

    Raises
    ------
    InputError
        If the table, a column or a dose is wrong, or no subject has enough samples.
    """
    samples = read_samples(
        table, time=time, conc=conc, subject=subject, dose_mg=dose_mg, doses=doses, route=route,
        infusion_h=infusion_h, drug=drug, molar_mass=molar_mass,
    )  # fmt: skip
    if weights not in WEIGHTS:
        raise InputError(str(Problem("--weights", weights, one_of(WEIGHTS))))
    if compartments not in (None, 1, 2):
        raise InputError(str(Problem("--compartments", compartments, "must be 1 or 2")))
    check_species(species)
    numbers = (1, 2) if compartments is None else (compartments,)
    found: dict[int, dict[str, Fit]] = {number: {} for number in numbers}
    failed: dict[int, dict[str, str]] = {number: {} for number in numbers}
    for one in samples.subjects:
        for number in numbers:
            try:
                found[number][one.name] = fit_subject(one, samples.mg_per_L, number, weights)
            except TooFewSamplesError as error:
                failed[number][one.name] = str(error)
    both = set.intersection(*(set(fits) for fits in found.values()))
    aicc = {n: sum(fits[name].aicc for name in both) for n, fits in found.items() if both}
    best = min(aicc, key=lambda n: aicc[n]) if both else numbers[0]
    if not found[best]:
        reasons = "; ".join(f"{name}: {why}" if name else why for name, why in failed[best].items())
        raise InputError(f"no subject could be fitted: {reasons}")
    return PKFit(
        samples,
        weights,
        species,
        best,
        aicc,
        list(found[best].values()),
        [fit for n, fits in found.items() if n != best for fit in fits.values()],
        failed[best],
    )


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
