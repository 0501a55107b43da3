"""Non-compartmental analysis of the samples of a drug."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import hooks
from sim.files import plain, write_text_atomic
from sim.lab.samples import Array, Samples, Subject, read_samples
from sim.lab.writing import write_json
from sim.pharmacology.dosing import Dose
from sim.version import __version__

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure, SubFigure

MOST_EXTRAPOLATED = 20.0  # per cent of AUCinf, above which there is a warning
LEAST_POINTS = 3
_TIE = 1e-4  # of adjusted R^2, within which more points win
COLUMNS = (
    "subject", "cmax", "tmax_h", "auc_last", "auc_all", "auc_inf", "extrapolated_percent",
    "half_life_h", "half_life_points", "cl", "vz", "mrt_h", "note",
    "dose_h", "dose_mg", "route", "c0", "vss", "adjusted_r2", "tau_h", "auc_tau",
)  # fmt: skip
"""Of ``nca.csv``: a row for each dose that samples follow."""


@dataclass(frozen=True)
class Profile:
    """What is found in the samples after one dose; nan where it cannot be known.

    Attributes
    ----------
    subject : str
    dose : Dose
    time_h, concentration : (samples,) ndarray
        Times after the dose and concentrations that count, up to the last measurable one.
    below_h : (samples,) ndarray
        Times of samples below quantification, after the dose.
    first_added : bool
        Whether the first concentration was not sampled: that at the dose.
    cmax, tmax_h : float
        Highest concentration that was sampled, and its time after the dose.
    auc_last, auc_all, auc_inf : float
        Area up to the last measurable sample; with the triangle down to the first one below
        quantification behind it; extrapolated to infinity from the last measurable one.
    extrapolated_percent : float
        Share of `auc_inf` behind the last measurable sample.
    half_life_h, intercept, adjusted_r2 : float
        Of the terminal phase: half-life, concentration at the dose by its line, fit of the line.
    half_life_points : int
        The last so many samples above 0 are those of the terminal phase.
    cl : float
        Dose / AUC (L/h): of an oral dose CL/F; of a second or later dose by `auc_tau`.
    vz, vss : float
        Volume of the terminal phase and, after i.v. doses, at steady state (L).
    mrt_h : float
        Mean residence time; of an oral dose with the time of absorption.
    c0 : float
        Concentration at a bolus.
    tau_h, auc_tau : float
        Interval of several doses, and the area over it.
    notes : tuple of str
    """

    subject: str
    dose: Dose
    time_h: Array
    concentration: Array
    below_h: Array
    first_added: bool = False
    cmax: float = math.nan
    tmax_h: float = math.nan
    auc_last: float = math.nan
    auc_all: float = math.nan
    auc_inf: float = math.nan
    extrapolated_percent: float = math.nan
    half_life_h: float = math.nan
    intercept: float = math.nan
    adjusted_r2: float = math.nan
    half_life_points: int = 0
    cl: float = math.nan
    vz: float = math.nan
    vss: float = math.nan
    mrt_h: float = math.nan
    c0: float = math.nan
    tau_h: float = math.nan
    auc_tau: float = math.nan
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether nothing could be found."""
        return math.isnan(self.auc_last)

    @property
    def half_life_samples_h(self) -> Array:
        """Times of the samples of the terminal phase."""
        above = self.time_h[self.concentration > 0.0]
        return above[len(above) - self.half_life_points :]

    def row(self) -> dict[str, Any]:
        """Return the row of the table, None where something is not known."""
        more = {
            "note": "; ".join(self.notes),
            "dose_h": self.dose.at_h,
            "dose_mg": self.dose.amount_mg,
            "route": f"iv, {self.dose.infusion_h:g} h" if self.dose.infusion_h else self.dose.route,
        }
        found = {name: more[name] if name in more else getattr(self, name) for name in COLUMNS}
        return {name: None if value != value else value for name, value in found.items()}


@dataclass(frozen=True, repr=False)
class NCA:
    """Non-compartmental analysis of a table of samples.

    Attributes
    ----------
    samples : Samples
    profiles : list of Profile
        For each subject and dose that samples follow.
    """

    samples: Samples
    profiles: list[Profile] = field(default_factory=list)

    def __repr__(self) -> str:
        count = len(self.profiles)
        return f"<NCA of {self.samples.column}: {count} profile{'s' * (count != 1)}>"

    @property
    def failed(self) -> list[Profile]:
        """Profiles in which nothing could be found."""
        return [one for one in self.profiles if one.failed]

    @property
    def units(self) -> dict[str, str]:
        """Unit of each column that has one."""
        unit = self.samples.unit
        levels = dict.fromkeys(("cmax", "c0"), unit)
        areas = dict.fromkeys(("auc_last", "auc_all", "auc_inf", "auc_tau"), _area_unit(unit))
        return levels | areas | {"cl": "L/h", "vz": "L", "vss": "L"}

    def table(self) -> pd.DataFrame:
        """Return a row for each profile, in the columns of ``nca.csv``."""
        import pandas as pd

        return pd.DataFrame([one.row() for one in self.profiles], columns=list(COLUMNS))

    def to_dict(self) -> dict[str, Any]:
        """Return it ready for JSON, as in ``nca.json``."""
        found: dict[str, Any] = plain({
            "version": __version__,
            "column": self.samples.column,
            "units": self.units,
            "molar_mass_g_per_mol": self.samples.molar_mass,
            "notes": self.samples.notes,
            "profiles": [
                one.row() | {"half_life_samples_h": one.half_life_samples_h}
                for one in self.profiles
            ],
        })  # fmt: skip
        return found

    def csv(self) -> str:
        """Return ``nca.csv``."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(one.row() for one in self.profiles)
        return text.getvalue()

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw samples and terminal phases, also into a given figure."""
        return hooks.draw(self, fig=fig)

    def write(self, folder: str | Path) -> None:
        """Write ``nca.json``, ``nca.csv`` and ``nca.png`` into a folder that exists."""
        folder = Path(folder)
        write_json(self, folder / "nca.json")
        write_text_atomic(folder / "nca.csv", self.csv())
        hooks.call("save_figures", {"nca.png": self.plot}, folder, None)


def nca(
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
) -> NCA:
    """Analyse samples without a model: areas, half-life, clearance, volumes.

    Linear trapezoids while the concentration rises, logarithmic ones while it falls, the tail
    extrapolated with the terminal slope (Gabrielsson & Weiner 2012, Methods Mol Biol 929:377).
    Parameters are those of `sim.lab.samples.read_samples`.

    Samples below quantification count as 0 before the first measurable one and between others, and
    are left out after the last one; two in a row behind the peak end the profile. At the dose the
    concentration is 0 if nothing was sampled then; after a bolus it is extrapolated from the
    first two samples, also where 0 was sampled just before it.

    Raises
    ------
    InputError
        If the table, a column or a dose is wrong; `ScenarioError` lists all rows.
    """
    samples = read_samples(
        table, time=time, conc=conc, subject=subject, dose_mg=dose_mg, doses=doses, route=route,
        infusion_h=infusion_h, drug=drug, molar_mass=molar_mass,
    )  # fmt: skip
    return NCA(samples, [p for one in samples.subjects for p in profiles_of(one, samples.mg_per_L)])


def profiles_of(one: Subject, mg_per_L: float) -> list[Profile]:
    """Return what is found after each dose that samples follow.

    A sample at the time of the next dose was taken before it.
    """
    ends = [dose.at_h for dose in one.doses[1:]]
    found = []
    for place, (dose, end_h) in enumerate(zip(one.doses, [*ends, math.inf], strict=True)):
        inside = (one.time_h >= dose.at_h) & (one.time_h <= end_h)
        time, level = one.time_h[inside] - dose.at_h, one.concentration[inside]
        if (time[time > 0.0] < end_h - dose.at_h).any():
            gaps = np.diff([d.at_h for d in one.doses])
            tau = float(gaps[min(place, len(gaps) - 1)]) if len(gaps) else math.nan
            found.append(partial(_profile, one.name, dose, time, level, tau, place > 0, mg_per_L))
    if not found:
        nothing = np.empty(0)
        notes = (*one.notes, "no samples after the dose")
        return [Profile(one.name, one.doses[0], nothing, nothing, nothing, notes=notes)]
    return [analyse(one.notes if place == 0 else ()) for place, analyse in enumerate(found)]


def _profile(
    subject: str,
    dose: Dose,
    time: Array,
    level: Array,
    tau: float,
    later: bool,
    mg_per_L: float,
    notes: Sequence[str],
) -> Profile:
    """Return what is found in the samples from a dose on (times after it)."""
    said = [*notes]
    below = time[level == 0.0]
    bolus = dose.route == "iv" and dose.infusion_h == 0.0
    if later and bolus and time[0] == 0.0:
        time, level = time[1:], level[1:]  # taken before the dose
    kept, beyond = _measurable(time, level)
    if len(beyond):
        said.append(
            "two samples in a row below quantification behind the peak end the profile; not used: "
            + ", ".join(f"{float(value):g} at {at:g} h" for at, value in beyond)
        )
    if not later and len(time) > LEAST_POINTS and time[0] > (time[-1] - time[0]) / 2.0:
        said.append(f"the first sample is {time[0]:g} h after the dose: are times since the dose?")
    cut_h = time[kept:][level[kept:] == 0.0][:1]  # of the triangle of AUCall
    time, level = time[:kept], level[:kept]
    if not len(time):
        said.append("no sample after the dose is above quantification")
        return Profile(subject, dose, time, level, below, tau_h=tau, notes=tuple(said))
    c0, first_added = math.nan, False
    if bolus:
        time, level, c0, note = _from_bolus(time, level)
        said += [note] if note else []
        first_added = bool(note)
    elif time[0] > 0.0:
        first_added = True
        least = float(level.min()) if later else 0.0
        if later:
            said.append("no sample at the dose: the lowest of the interval counts there")
        time, level = np.append(0.0, time), np.append(least, level)
    peak = int(level[first_added:].argmax()) + first_added
    between = np.flatnonzero((level == 0.0) & (np.cumsum(level) > 0.0))
    if len(between):
        listed = ", ".join(f"{at:g}" for at in time[between])
        said.append(f"below quantification between measurable samples, counts as 0: at {listed} h")
    if not bolus and not later and peak == 1 and time[0] == 0.0 == level[0] and len(time) > 2:
        said.append("the first sample is the highest: the peak may have been missed")
    auc_last, aumc_last = areas(time, level)
    triangle = float(level[-1]) * (float(cut_h[0]) - float(time[-1])) / 2.0 if len(cut_h) else 0.0
    known: dict[str, Any] = {
        "first_added": first_added, "cmax": float(level[peak]),
        "tmax_h": float(time[peak]), "auc_last": auc_last, "auc_all": auc_last + triangle,
        "c0": c0, "tau_h": tau,
    }  # fmt: skip
    line = terminal_phase(time, level, dose.infusion_h)
    if line is None:
        said.append(f"no half-life: needs {LEAST_POINTS} falling samples behind the peak")
        if tau <= time[-1]:
            known |= _over_interval(time, level, tau, dose, math.nan, mg_per_L, later)[0]
        return Profile(subject, dose, time, level, below, **known, notes=tuple(said))
    rate, intercept, r2, points = line
    tail = float(level[-1]) / rate
    auc = auc_last + tail
    percent = 100.0 * tail / auc
    span = (time[-1] - time[level > 0.0][-points]) * rate / math.log(2.0)
    known |= {
        "auc_inf": auc, "extrapolated_percent": percent, "half_life_h": math.log(2.0) / rate,
        "intercept": intercept, "adjusted_r2": r2, "half_life_points": points,
    }  # fmt: skip
    if percent > MOST_EXTRAPOLATED and not later:
        said.append(f"{percent:.1f} % of AUCinf is extrapolated (above {MOST_EXTRAPOLATED:g} %)")
    if span < 1.0:
        said.append(f"the samples of the half-life span {span:.2g} half-lives (below 1)")
    aumc = aumc_last + tail * (float(time[-1]) + 1.0 / rate)
    if not later:
        cl = dose.amount_mg / (auc * mg_per_L)
        known |= _residence(aumc / auc, cl, cl / rate, dose)
    if tau == tau:
        more, note = _over_interval(time, level, tau, dose, rate, mg_per_L, later)
        known |= more
        said += [note] if note else []
    return Profile(subject, dose, time, level, below, **known, notes=tuple(said))


def _measurable(time: Array, level: Array) -> tuple[int, list[tuple[float, float]]]:
    """Return how many samples count, and those above 0 that do not."""
    above = np.flatnonzero(level > 0.0)
    if not above.size:
        return 0, []
    zero = level == 0.0
    zero[: level.argmax()] = False
    pairs = np.flatnonzero(zero[:-1] & zero[1:])
    end = int(min([above[-1] + 1, *pairs]))
    beyond = above[above >= end]
    return end, list(zip(time[beyond].tolist(), level[beyond].tolist(), strict=True))


def _from_bolus(time: Array, level: Array) -> tuple[Array, Array, float, str]:
    """Return samples with the concentration at a bolus, that alone, and how it was found."""
    if time[0] == 0.0 and level[0] > 0.0:
        return time, level, float(level[0]), ""
    first = int(np.flatnonzero(level > 0.0)[0])
    t, c = time[first:], level[first:]
    note = "C0 extrapolated from the first two samples"
    if len(c) > 1 and 0.0 < c[1] < c[0]:
        c0 = float(c[0] * (c[0] / c[1]) ** (t[0] / (t[1] - t[0])))
    else:
        c0, note = float(c[0]), "C0 is the first sample: the first two do not fall"
    if (time[:first] > 0.0).any():
        note += "; samples below quantification before it left out"
    return np.append(0.0, t), np.append(c0, c), c0, note


def terminal_phase(
    time_h: Array, concentration: Array, after_h: float = 0.0
) -> tuple[float, float, float, int] | None:
    """Return rate (1/h), intercept, adjusted R^2 and number of samples of the terminal phase.

    Of the last three or more samples above 0 behind the peak those with the best adjusted R^2 of
    log-linear regression; more samples win a tie within 1e-4, as is usual. None if there are
    fewer than three behind the peak (and the end of an infusion), or they do not fall.
    """
    behind = np.arange(len(time_h)) > int(np.argmax(concentration))
    behind &= (concentration > 0.0) & (time_h >= after_h)
    time, level = time_h[behind], np.log(concentration[behind])
    lines: list[tuple[float, float, float, int]] = []
    for number in range(LEAST_POINTS, len(time) + 1):
        x, y = time[-number:], level[-number:]
        slope, offset = np.polyfit(x - x.mean(), y, 1)
        scatter = float(np.sum((y - offset - slope * (x - x.mean())) ** 2))
        total = float(np.sum((y - y.mean()) ** 2))
        if slope < 0.0 and total > 0.0:
            r2 = 1.0 - scatter / total * (number - 1) / (number - 2)
            at_dose = math.exp(offset - slope * x.mean())
            lines.append((-float(slope), at_dose, r2, number))
    best = max((line[2] for line in lines), default=math.nan)
    near = (line for line in lines if line[2] >= best - _TIE)
    return max(near, key=lambda line: line[3], default=None)


def areas(time: Array, level: Array) -> tuple[float, float]:
    """Return the areas under c(t) and t c(t): linear where c rises, logarithmic where it falls."""
    t1, t2, c1, c2 = time[:-1], time[1:], level[:-1], level[1:]
    width = t2 - t1
    falls = (c1 > c2) & (c2 > 0.0)
    drop = np.log1p(np.where(falls, (c1 - c2) / np.where(falls, c2, 1.0), 1.0))
    auc = np.where(falls, -width * c1 * np.expm1(-drop) / drop, width * (c1 + c2) / 2.0)
    # from t1 on; differences of nearly equal concentrations would leave nothing but rounding
    moment = np.where(
        drop > 1e-3,
        -(np.expm1(-drop) + drop * np.exp(-drop)) / drop**2,
        1 / 2 - drop / 3 + drop**2 / 8 - drop**3 / 30,
    )
    aumc = np.where(falls, t1 * auc + width**2 * c1 * moment, width * (t1 * c1 + t2 * c2) / 2.0)
    return float(auc.sum()), float(aumc.sum())


def _over_interval(
    time: Array, level: Array, tau: float, dose: Dose, rate: float, mg_per_L: float, later: bool
) -> tuple[dict[str, float], str]:
    """Return the area over the interval, with what a second or later dose takes from it."""
    note = ""
    if tau <= time[-1]:
        end = int(np.searchsorted(time, tau))
        at_tau = _between(time, level, tau, end)
        inside = np.append(time[:end], tau), np.append(level[:end], at_tau)
    else:
        at_tau = float(level[-1] * math.exp(-rate * (tau - time[-1])))
        inside = np.append(time, tau), np.append(level, at_tau)
        note = f"the last sample is before the end of the interval of {tau:g} h: extrapolated"
    auc, aumc = areas(*inside)
    if not later:
        return {"auc_tau": auc}, note
    cl = dose.amount_mg / (auc * mg_per_L)
    mrt = (aumc + tau * at_tau / rate) / auc
    return {"auc_tau": auc, **_residence(mrt, cl, cl / rate, dose)}, note


def _residence(mrt_h: float, cl: float, vz: float, dose: Dose) -> dict[str, float]:
    """Return clearance, volumes and mean residence time, that of an infusion without its half."""
    mrt_h -= dose.infusion_h / 2.0
    vss = cl * mrt_h if dose.route == "iv" else math.nan
    return {"cl": cl, "vz": vz, "vss": vss, "mrt_h": mrt_h}


def _between(time: Array, level: Array, at_h: float, end: int) -> float:
    """Return a concentration between two samples: on a logarithm where it falls."""
    t1, t2, c1, c2 = *time[end - 1 : end + 1], *level[end - 1 : end + 1]
    share = (at_h - t1) / (t2 - t1)
    if c1 > c2 > 0.0:
        return float(c1 * (c2 / c1) ** share)
    return float(c1 + share * (c2 - c1))


def _area_unit(unit: str) -> str:
    return f"{unit.partition('/')[0]} h/{unit.partition('/')[2]}" if "/" in unit else f"{unit} h"
