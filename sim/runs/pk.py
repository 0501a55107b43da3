"""Pharmacokinetics alone: the time course of a scenario's drug, its read-outs and their spread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim import hooks
from sim.errors import InputError
from sim.pharmacology.dosing import Dose, Regimen, Route, days_of
from sim.pharmacology.drugs import Potency, inhibition
from sim.pharmacology.effect import Effect
from sim.pharmacology.exposure import Pharmacokinetic
from sim.pharmacology.half_lives import HalfLives, half_lives
from sim.pharmacology.metrics import accumulation_ratio, blockade, exposure_metrics, window_times
from sim.pharmacology.population import bands
from sim.runs import pk_table
from sim.runs.provenance import Provenance, provenance
from sim.scenario.exposure import doses_of, effect_of, pharmacokinetic, potency_of, regimen_of
from sim.scenario.schema import Scenario
from sim.scenario.treatment import Drug
from sim.units import nM_to_ng_per_ml

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure
    from pandas import DataFrame

Array = NDArray[np.float64]

PERCENTS = (5, 50, 95)
HALF_LIVES_AFTER = 3  # shown after the last dose of a list
LISTED_EVERY_H = 24.0  # of the effective half-life of doses listed one by one
STEP_H, STEPS = 0.5, 1000  # at most, and at least that many of them
BLOCK = 2**20  # concentrations of a population at once


@dataclass(frozen=True)
class Attained:
    """What a target comes to on a schedule.

    Attributes
    ----------
    target, window : str
        In words, with its bound; the window is part of it.
    unit : str
        Of its value; empty for a fraction.
    value : float
        In the typical (or chosen) subject.
    holds : bool
        Whether it holds there.
    share : float or None
        Share of the subjects in whom it holds; None without a population, or where no spread
        between subjects is known.
    bands : (float, float, float) or None
        5th, 50th and 95th percentile of its value.
    """

    target: str
    window: str
    unit: str
    value: float
    holds: bool
    share: float | None = None
    bands: tuple[float, float, float] | None = None


@dataclass(repr=False)
class PK:
    """The drug in a body over time.

    Attributes
    ----------
    scenario : Scenario
        The resolved scenario.
    regimen : Regimen or None
        Its calendar; None where the doses were listed one by one.
    doses : tuple of Dose
        What was given, in order of time.
    potency : Potency
        The IC50s that inhibition is computed from.
    time_h : (times,) ndarray
        Hours since the start of the schedule.
    total_nM, free_nM : (times,) ndarray
        Drug in plasma, and unbound drug at the cells, of the typical (or chosen) subject.
    total_bands_nM, free_bands_nM : (3, times) ndarray or None
        5th, 50th and 95th percentile of the virtual population, if there is one.
    inhibition_bands : dict of str to (3, times) ndarray, or None
        The same percentiles of the inhibition of each receptor.
    half_lives : HalfLives
        Effective half-life and those of the phases, of the doses of the schedule: every `every_h`
        of a regimen, every 24 h of doses listed one by one.
    accumulation : float or None
        Area after the last dose of the first cycle relative to that after its first dose, over
        `every_h`, or less where another dose follows earlier; None where it had fewer than two.
    windows : dict of str to dict
        Exposure (in nM and ng/mL) and inhibition over each cycle, and after the last and the first
        dose that were taken: over `every_h`, or up to the next dose where that comes earlier. Of
        listed doses, over the whole time from the first one on. A dose at the end of a window is
        not in it. Day 1 is the first 24 h after the first dose as planned.
    population : dict of str to dict
        Percentiles of half-lives, peak and area over the virtual population, if there is one;
        the peak is the highest of `time_h`, the area that up to the last of them. Empty where no
        spread is known.
    overrides : dict of str to any
        Settings by key that were laid over the scenario.
    subjects : int, optional
        Size of the virtual population.
    targets : list of Attained
        What was asked for, and in how many subjects it holds.
    """

    scenario: Scenario
    regimen: Regimen | None
    doses: tuple[Dose, ...]
    potency: Potency
    time_h: Array
    total_nM: Array
    free_nM: Array
    total_bands_nM: Array | None
    free_bands_nM: Array | None
    inhibition_bands: dict[str, Array] | None
    half_lives: HalfLives
    accumulation: float | None
    windows: dict[str, dict[str, Any]]
    population: dict[str, dict[str, float]]
    overrides: dict[str, Any] = field(default_factory=dict)
    subjects: int | None = None
    targets: list[Attained] = field(default_factory=list)

    @property
    def half_life_h(self) -> float:
        """The terminal half-life: deprecated, use `half_lives`."""
        return float(self.half_lives.terminal_h)

    def __repr__(self) -> str:
        last = str(self.regimen).splitlines()[0] if self.regimen else f"{len(self.doses)} doses"
        return f"<{self.drug.name}, {self.drug.species}: {last}>"

    @property
    def drug(self) -> Drug:
        """The scenario's drug."""
        assert self.scenario.drug is not None
        return self.scenario.drug

    @property
    def drugs(self) -> str:
        """The drug and its partner, in words."""
        partner = self.scenario.partner
        return self.drug.name + (f" with {partner.name}" if partner else "")

    @property
    def first_h(self) -> float:
        """When day 1 begins: the time of the first dose, as planned."""
        return self.regimen.first_h if self.regimen else self.doses[0].at_h

    @property
    def molar_mass(self) -> float:
        """Of the drug, g/mol."""
        assert self.scenario.resolved.pk is not None  # it doses a body
        return self.scenario.resolved.pk.molar_mass_g_per_mol

    @property
    def inhibition(self) -> dict[str, Array]:
        """Inhibited fraction (times,) of each receptor."""
        effect = effect_of(self.scenario)
        if effect is None or effect.alone:
            return inhibition(self.free_nM, self.potency)
        return effect.inhibition(self.time_h)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, ready for JSON."""
        drug = self.drug
        return {
            "drug": drug.name,
            "species": drug.species,
            "potency": self.potency.name,
            "ic50_nM": {name: float(one) for name, one in self.potency.ic50_nM.items()},
            "kp_uu": drug.kp_uu,
            "doses": len(self.doses),
            "half_life_h": self.half_life_h,
            **_of_half_lives(self.half_lives),
            "accumulation": self.accumulation,
            "windows": self.windows,
            "subject": drug.subject,
            "subjects": self.subjects,
            "population": self.population,
            "targets": [_of_target(one) for one in self.targets],
            "provenance": asdict(self.provenance),
            **({"partner": self._partner()} if self.scenario.partner else {}),
        }

    def _partner(self) -> dict[str, Any]:
        """Unbound drug of the second one over each window."""
        partner, effect = self.scenario.partner, effect_of(self.scenario)
        assert partner is not None and effect is not None
        exposure, windows = effect.agents[1].exposure, {}
        for name, window in self.windows.items():
            start_h, end_h = window["start_h"], window["end_h"]
            if isinstance(exposure, Pharmacokinetic):
                found = asdict(exposure_metrics(exposure, start_h, end_h))
                windows[name] = _in_mass(found, exposure.molar_mass)
            else:
                events = exposure.events_h(start_h, end_h)
                stops = np.unique([start_h, *events[events < end_h], end_h])
                levels, lengths = exposure.free_nM(stops[:-1]), np.diff(stops)
                mean = float(levels @ lengths / lengths.sum())
                windows[name] = {"cmax_free_nM": float(levels.max()), "mean_free_nM": mean}
        return {"drug": partner.name, "potency": partner.potency, "windows": windows}

    @property
    def provenance(self) -> Provenance:
        """Version, sets, hash, and what was overridden."""
        return provenance(self.scenario, self.overrides)

    def table(self) -> DataFrame:
        """Return all read-outs as a data frame: a row for each; see `sim.runs.pk_table.records`."""
        return pk_table.frame([self.labelled()])

    def csv(self) -> str:
        """Return the rows of `table` as a CSV file."""
        return pk_table.csv_of([self.labelled()])

    def markdown(self) -> str:
        """Return the tables of `angiosim pk` as Markdown, with where they come from."""
        return pk_table.markdown([self.labelled()])

    def labelled(self, label: str = "") -> dict[str, Any]:
        """Return `to_dict` with a name among several: that of the scenario without one."""
        return {"label": label or self.scenario.name, **self.to_dict()}

    def plot(self, fig: Figure | SubFigure | None = None) -> Figure:
        """Draw concentrations and inhibition over time, also into a given figure; return it."""
        return hooks.draw(self, fig=fig)


def run_pk(
    scenario: Scenario,
    *,
    subjects: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> PK:
    """Compute the drug of a scenario over its whole schedule.

    Parameters
    ----------
    scenario : Scenario
        With ``drug.exposure = "pk"``.
    subjects : int, optional
        Size of the virtual population behind the bands; none without it.
    overrides : mapping, optional
        Settings by dotted key that the scenario was loaded with, for its provenance.

    Raises
    ------
    InputError
        If the scenario does not dose a body.
    """
    drug = scenario.drug
    if drug is None or drug.exposure != "pk":
        raise InputError(f'{scenario.name}: needs a [drug] with exposure = "pk"')
    exposure = pharmacokinetic(scenario)
    regimen, doses = regimen_of(drug), _shown(scenario)
    every_h = regimen.every_h if regimen else LISTED_EVERY_H
    halves = half_lives(exposure.model, every_h, *_kind(doses))
    first_h, end_h = span_of(scenario)
    if regimen is not None and not regimen.steady:  # late doses and infusions may outlast it
        ends_h = [dose.at_h + dose.infusion_h for dose in doses]
        end_h = max([end_h, *ends_h, *(dose.at_h + every_h for dose in doses[-1:])])
    time_h = window_times(exposure.course, 0.0, end_h, min(STEP_H, end_h / STEPS))
    potency = potency_of(scenario)
    effect = effect_of(scenario)
    assert potency is not None and effect is not None  # the scenario has a drug
    result = PK(
        scenario=scenario,
        regimen=regimen,
        doses=doses,
        potency=potency,
        time_h=time_h,
        total_nM=exposure.total_nM(time_h),
        free_nM=exposure.free_nM(time_h),
        total_bands_nM=None,
        free_bands_nM=None,
        inhibition_bands=None,
        half_lives=halves,
        accumulation=None,
        windows={
            name: _read_out(exposure, potency, effect, first_h, *window)
            for name, window in _windows(regimen, doses, end_h).items()
        },
        population={},
        overrides=dict(overrides or {}),
        subjects=subjects,
    )
    varies = not result.provenance.nothing_varies
    if subjects is not None and not varies and drug.ic50_cv:
        result.inhibition_bands = _bands_of_inhibition(scenario, subjects, time_h)
    if subjects is not None and varies:
        everyone = pharmacokinetic(scenario, subjects)
        theirs = half_lives(everyone.model, every_h, *_kind(doses))
        result.total_bands_nM, highest_nM, last_nM = _over_subjects(everyone, time_h)
        result.free_bands_nM = result.total_bands_nM * everyone.fu * everyone.kp_uu
        if effect.alone and not drug.ic50_cv:  # which keeps the order of the subjects
            result.inhibition_bands = dict(inhibition(result.free_bands_nM, potency))
        else:
            result.inhibition_bands = _bands_of_inhibition(scenario, subjects, time_h)
        spread = {
            "half_life_h": theirs.terminal_h,
            "effective_half_life_h": theirs.effective_h,
            "terminal_half_life_h": theirs.terminal_h,
            "cmax_nM": highest_nM,
            "auc_nM_h": everyone.course.auc(0.0, end_h) * 1e6 / everyone.molar_mass,
            "last_nM": last_nM,
        }
        found = {name: bands(values).tolist() for name, values in spread.items()}
        each = [
            _in_mass({name: values[place] for name, values in found.items()}, everyone.molar_mass)
            for place in range(3)
        ]
        result.population = {
            name: {"p5": each[0][name], "p50": each[1][name], "p95": each[2][name]}
            for name in each[0]
        }
    if regimen is not None:
        result.accumulation = _accumulation(exposure, regimen)
    return result


def span_of(scenario: Scenario) -> tuple[float, float]:
    """Return when a schedule begins and ends, in hours.

    A regimen begins with its first dose as planned, and ends with its last cycle. Doses listed one
    by one end three half-lives after the last of them.
    """
    assert scenario.drug is not None
    if regimen := regimen_of(scenario.drug):
        return regimen.first_h, regimen.end_h
    doses = _shown(scenario)
    halves = half_lives(pharmacokinetic(scenario).model, LISTED_EVERY_H, *_kind(doses))
    last_h = max(dose.at_h + dose.infusion_h for dose in doses)
    return doses[0].at_h, last_h + HALF_LIVES_AFTER * float(halves.terminal_h)


def _over_subjects(everyone: Pharmacokinetic, time_h: Array) -> tuple[Array, Array, Array]:
    """Percentiles at each time, and the highest and last concentration of each subject (nM).

    In blocks of times: all of a large population at once takes long to move about in memory.
    """
    n = everyone.model.subjects or 1
    found, highest = np.empty((len(PERCENTS), time_h.size)), np.zeros(n)
    step = max(1, BLOCK // n)
    for start in range(0, time_h.size, step):
        piece = slice(start, start + step)
        values = everyone.total_nM(time_h[piece])
        np.maximum(highest, values.max(axis=1), out=highest)
        last = values[:, -1].copy()
        by_time = np.sort(np.ascontiguousarray(values.T), axis=1)  # quicker than to partition
        found[:, piece] = np.percentile(by_time, PERCENTS, axis=1, overwrite_input=True)
    return found, highest, last


def _bands_of_inhibition(scenario: Scenario, subjects: int, time_h: Array) -> dict[str, Array]:
    """Percentiles of the inhibition of each receptor, over the subjects."""
    effect = effect_of(scenario, subjects)
    assert effect is not None
    over_time = effect.inhibition(time_h)
    return {receptor: bands(found, PERCENTS) for receptor, found in over_time.items()}


def _shown(scenario: Scenario) -> tuple[Dose, ...]:
    """The doses in order of time; of a steady state, those of the cycle from `first_h` on."""
    assert scenario.drug is not None
    doses, regimen = doses_of(scenario), regimen_of(scenario.drug)
    if regimen is not None and regimen.steady:
        first_h, cycle_h = regimen.first_h, regimen.cycle_h
        doses = tuple(
            replace(dose, at_h=first_h + (dose.at_h - first_h) % cycle_h) for dose in doses
        )
    return tuple(sorted(doses, key=lambda dose: dose.at_h))


def _windows(
    regimen: Regimen | None, doses: tuple[Dose, ...], end_h: float
) -> dict[str, tuple[float, float]]:
    """The windows of time that are reported."""
    if regimen is None:
        return {"whole": (doses[0].at_h, end_h)}
    first, cycle_h = regimen.first_h, regimen.cycle_h
    ordinals = ["first cycle", *(f"cycle {n}" for n in range(2, regimen.counted + 1))]
    ordinals = ["cycle in steady state"] if regimen.steady else ordinals
    named = {
        name: (first + k * cycle_h, first + (k + 1) * cycle_h) for k, name in enumerate(ordinals)
    }
    times_h = [dose.at_h for dose in doses]
    if regimen.steady:  # the next cycle begins with its first dose
        last = _after(times_h[-1], [*times_h, times_h[0] + cycle_h], regimen.every_h)
        named = named if last in named.values() else named | {"last dose": last}
    elif times_h:
        named["last dose"] = _after(times_h[-1], times_h, regimen.every_h)
        named["first dose"] = _after(times_h[0], times_h, regimen.every_h)
    return {name: window for window, name in {w: n for n, w in named.items()}.items()}


def _after(at_h: float, times_h: list[float], every_h: float) -> tuple[float, float]:
    """The interval after a dose, up to the next one if that comes earlier."""
    return at_h, min([at_h + every_h, *(time for time in times_h if time > at_h)])


def _kind(doses: tuple[Dose, ...]) -> tuple[Route, float]:
    """Route and infusion of the doses: oral if any is, since the slowest phase takes part."""
    if not doses or any(dose.route == "oral" for dose in doses):
        return "oral", 0.0
    return "iv", doses[0].infusion_h


def _of_half_lives(found: HalfLives) -> dict[str, Any]:
    """What JSON says of half-lives."""
    effective_h, accumulation = float(found.effective_h), float(found.accumulation)
    return {
        "effective_half_life_h": effective_h if isfinite(effective_h) else None,
        "effective_half_life_every_h": found.every_h,
        "accumulation_steady": accumulation if isfinite(accumulation) else None,
        "terminal_half_life_h": float(found.terminal_h),
        "absorption_half_life_h": None if found.absorption_h is None else float(found.absorption_h),
        "phases": [
            {"half_life_h": float(half_life_h), "auc_share": float(share)}
            for half_life_h, share in found.phases
        ],
    }


def _accumulation(exposure: Pharmacokinetic, regimen: Regimen) -> float | None:
    """The area after the last dose of the first cycle relative to that after the first one."""
    taken_h = regimen.taken_h(1)
    if len(taken_h) < 2 or regimen.steady:
        return None
    times_h = [dose.at_h for dose in exposure.course.doses]
    first, last = (_after(at_h, times_h, regimen.every_h) for at_h in (taken_h[0], taken_h[-1]))
    shared_h = min(end_h - start_h for start_h, end_h in (first, last))
    ratio = float(accumulation_ratio(exposure, first[0], last[0], shared_h))
    return ratio if isfinite(ratio) else None


def _of_target(found: Attained) -> dict[str, Any]:
    """What JSON says of a target; the share is null where it is not known."""
    low, middle, high = found.bands or (None, None, None)
    told = {name: getattr(found, name) for name in ("target", "window", "unit", "value", "holds")}
    return told | {"share": found.share, "p5": low, "p50": middle, "p95": high}


def _in_mass(found: Mapping[str, float], molar_mass: float) -> dict[str, float]:
    """Read-outs in nM with the same in ng/mL behind each."""
    both = {}
    for name, value in found.items():
        both[name] = value
        if "_nM" in name:
            mass = name.replace("_nM_h", "_ng_h_ml").replace("_nM", "_ng_ml")
            both[mass] = nM_to_ng_per_ml(value, molar_mass)
    return both


def _read_out(
    exposure: Pharmacokinetic,
    potency: Potency,
    effect: Effect,
    first_h: float,
    start_h: float,
    end_h: float,
) -> dict[str, Any]:
    """Exposure and inhibition over a stretch of time, whose days are counted from `first_h`."""
    first_day, last_day = days_of(start_h - first_h, end_h - first_h)
    return {
        "first_day": first_day,
        "last_day": last_day,
        "start_h": start_h,
        "end_h": end_h,
        **_in_mass(asdict(exposure_metrics(exposure, start_h, end_h)), exposure.molar_mass),
        "inhibition": {
            receptor: asdict(found)
            for receptor, found in blockade(exposure, potency, start_h, end_h, effect).items()
        },
    }
