"""Made-up results of every kind that is drawn."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from made_runs import make_result
from matplotlib.figure import Figure

import sim
from sim.analysis.combination import Combinations
from sim.analysis.courses import Courses
from sim.analysis.dose_response import DoseResponses
from sim.analysis.sensitivity import Indices, Sensitivity
from sim.calibration.file import CalibrationPlan, Target
from sim.calibration.result import Calibration, Match, Trial
from sim.fits.combination import Blockade, compare
from sim.fits.fitting import fit
from sim.fits.logistic import logistic
from sim.runs.result import Result
from sim.studies.sampling import Spread
from sim.view.draw import draw, draw_map
from sim.view.run.fields import draw_fields
from sim.view.run.timeseries import draw_timeseries

DOSES = np.array([0, 0.1, 1, 10, 100, 1000])
LENGTH = "tube_length_mm"


def fitted(ic50: float) -> Any:
    noise = np.random.default_rng(1).normal(size=(4, len(DOSES)))
    return fit(DOSES, logistic(DOSES, 5.0, 14.0, ic50) + 0.3 * noise, unstimulated=5.0)


def dose_responses(response: str = LENGTH) -> DoseResponses:
    labels = {f"{drug}, {ligand}": {"drug": drug, "ligand": ligand}
              for drug in ("anlotinib", "axitinib") for ligand in ("VEGF", "FGF-2")}  # fmt: skip
    fits = {arm: fitted(5 + place) for place, arm in enumerate(labels)}
    return DoseResponses("a study", response, "drug.free_nM", fits, dict.fromkeys(fits, 5.0),
                         labels, "anlotinib")  # fmt: skip


def combinations(response: str = LENGTH) -> Combinations:
    chance = np.random.default_rng(1)
    low = 5 + 0.2 * chance.normal(size=4)
    level = {name: logistic(DOSES, 5.0, 14.0, ic50) + 0.2 * chance.normal(size=(4, len(DOSES)))
             for name, ic50 in (("a", 5), ("b", 12), ("both", 3))}  # fmt: skip
    parts = {name: Blockade(level[name], fit(DOSES, level[name], 5.0)) for name in "ab"}
    found = [({"blocked": "both"}, compare(DOSES, level["both"], low, parts))]
    found += [({"blocked": name}, compare(DOSES, level[name], low, {})) for name in "ab"]
    return Combinations("a study", response, "drug.free_nM", "blocked", {"both": ["a", "b"]}, found)


def indices(method: str, names: tuple[str, ...]) -> Indices:
    numbers = {name + end: 0.3 + shift for name in names
               for end, shift in (("", 0.0), ("_low", -0.1), ("_high", 0.1))}  # fmt: skip
    parameters: dict[str, dict[str, Any]] = {
        key: {**numbers, "mu": 0.3, "sigma": 0.2, "note": ""} for key in ("a.key", "another.key")
    }
    floor = {name: 0.1 for name in (*names, "sigma")}
    return Indices(method, 64, 64, 2, 0.1, 0.1, floor, "", parameters)


def sobol(response: str = LENGTH, arms: int = 2) -> Sensitivity:
    found = indices("saltelli", ("S1", "ST"))
    return Sensitivity("a study", response, {f"arm {n}": found for n in range(arms)})


def morris(response: str = LENGTH, arms: int = 2) -> Sensitivity:
    found = indices("morris", ("mu_star",))
    return Sensitivity("a study", response, {f"arm {n}": found for n in range(arms)})


def result() -> Result:
    made = make_result()
    return Result(made.scenario, 1, made.summary, made.timeseries, made.final, {}, made.manifest,
                  None)  # fmt: skip


def calibration(response: str = LENGTH) -> Calibration:
    parameters = {
        "a.key": Spread("uniform", (0, 1), False),
        "another.key": Spread("uniform", (0, 1), False),
    }
    targets = [Target(1 + n, n, None, response, 10.0, 0.5, response) for n in range(2)]
    conditions = [{"drug.free_nM": 0}, {"drug.free_nM": 10}]
    plan = CalibrationPlan(
        name="a calibration", description="", seed=1, replicates=2, trials=5, batch=1, base={},
        parameters=parameters, conditions=conditions, targets=targets, text="", cautions=[],
    )  # fmt: skip
    trials = [
        Trial(n, dict.fromkeys(parameters, n / 9), dict.fromkeys(parameters, n / 9),
              5.0 + (n - 4) ** 2, [Match(10.0 + n, 0.4, n / 2)] * 2)
        for n in range(1, 9)
    ]  # fmt: skip
    return Calibration(plan, trials, trials[3], None)


def courses() -> Courses:
    chance = np.random.default_rng(1)
    readouts = ("tumour_area_mm2", "mvd_per_mm2", "hypoxic_fraction")
    arms = {
        name: {readouts[0]: grow * np.geomspace(0.5, 20, 9) * chance.uniform(0.9, 1.1, (3, 1)),
               readouts[1]: chance.uniform(50, 90, (3, 9)),
               readouts[2]: chance.uniform(0, 1, (3, 9))}
        for name, grow in (("no drug", 1.0), ("12 mg, 2 weeks on and 1 off", 0.4), ("8 mg", 0.6))
    }  # fmt: skip
    columns = {"all of the arms": list(arms), "drug alone": list(arms)[1:]}
    return Courses("a study", readouts, np.linspace(0, 84 * 24, 9), arms, {}, columns, "d")


@cache
def pk() -> Any:
    return sim.pk("rat_oral", subjects=20)


@cache
def design() -> Any:
    return sim.design({
        "base": "human_12mg", "subjects": 20,
        "target": [{"of": "inhibition.VEGFR2", "statistic": "mean", "at_least": 0.4}],
        "vary": {"drug.regimen.dose_mg": {"low": 1, "high": 60}},
        "schedule": [{"name": name, "set": {"drug.regimen.on_days": on, "drug.regimen.off_days": 7}}
                     for name, on in (("2 weeks on, 1 off", 14), ("3 weeks on, 1 off", 21))],
    })  # fmt: skip


THINGS: dict[str, Callable[[], Any]] = {
    "run": result, "pk": pk, "dose-responses": dose_responses, "combinations": combinations,
    "sobol": sobol, "morris": morris, "calibration": calibration, "courses": courses,
    "design": design,
}  # fmt: skip
DRAWINGS: dict[str, Callable[..., Figure]] = {
    **{name: partial(lambda make, **place: draw(make(), **place), make)
       for name, make in THINGS.items()},
    "map": lambda **place: draw_map(dose_responses(), **place),
    "fields": lambda **place: draw_fields(make_result(), **place),
    "timeseries": lambda **place: draw_timeseries(make_result(), **place),
}  # fmt: skip
