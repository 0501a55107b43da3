"""Compartment models fitted to samples: known parameters, limits, choice, the drug file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

import sim
from sim.errors import InputError
from sim.lab.compartment_fit import Fit, response
from sim.lab.pk_fit import PKFit
from sim.pharmacology.compartments import Compartments, OneCompartment, TwoCompartment
from sim.pharmacology.course import Course
from sim.pharmacology.dosing import Dose

T = np.array([0.25, 0.5, 1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 36, 48])
THEOPHYLLINE = {  # subject 1 of R's data set Theoph, after 4.02 mg/kg by mouth (79.6 kg)
    "time_h": [0, 0.25, 0.57, 1.12, 2.02, 3.82, 5.1, 7.03, 9.05, 12.12, 24.37],
    "conc_mg_L": [0.74, 2.84, 6.57, 10.5, 9.66, 8.58, 8.36, 7.47, 6.89, 5.94, 3.28],
}
ONE, TWO = OneCompartment(2, 30, 1.0), TwoCompartment(2, 10, 3, 40, 1.5)
CASES: dict[str, tuple[Compartments, list[Dose]]] = {
    "one, bolus": (ONE, [Dose(0, 100, "iv")]),
    "one, infusion": (ONE, [Dose(0, 100, "iv", 1.0)]),
    "one, oral": (ONE, [Dose(0, 100)]),
    "one, three oral doses": (ONE, [Dose(0, 100), Dose(12, 50), Dose(24, 100)]),
    "one, bolus and oral": (OneCompartment(2, 30, 1.0, F=0.4), [Dose(0, 50, "iv"), Dose(12, 100)]),
    "two, bolus": (TWO, [Dose(0, 100, "iv")]),
    "two, infusion": (TWO, [Dose(0, 100, "iv", 1.0)]),
    "two, oral": (TWO, [Dose(0, 100)]),
}


def table_of(doses: list[Dose]) -> dict[str, Any]:
    return {
        "time_h": [d.at_h for d in doses],
        "amount_mg": [d.amount_mg for d in doses],
        "route": [d.route for d in doses],
        "infusion_h": [d.infusion_h for d in doses],
    }


def simulated(
    model: Compartments, doses: list[Dose], cv: float = 0.0, seed: int = 1, times: Any = T
) -> NDArray[np.float64]:
    level = response(model, doses, times)[0]
    noise = np.random.default_rng(seed).normal(0.0, cv, len(times))
    return np.asarray(level * np.exp(noise))


def fitted(model: Compartments, doses: list[Dose], cv: float = 0.0, **options: Any) -> PKFit:
    """Fit samples at times `T` after each dose."""
    times = np.concatenate([T[T < 12] + dose.at_h for dose in doses[:-1]] + [T + doses[-1].at_h])
    table = {"time_h": times, "conc_mg_L": simulated(model, doses, cv, times=times)}
    return sim.pk_fit(table, doses=table_of(doses), **options)


def truth(model: Compartments, fit: Fit) -> dict[str, float]:
    return {name: float(getattr(model, name)) for name in fit.values if hasattr(model, name)}


# --- numbers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_superposition_is_the_course_of_the_doses(case: str) -> None:
    model, doses = CASES[case]
    times = np.sort(np.append(T, [12, 24.0, 0.999, 1.001]))
    exact = Course(model, doses).concentration(times, before=True)
    assert response(model, doses, times)[0] == pytest.approx(exact, rel=1e-9)
    start = Course(model, doses).concentration(0.0)  # C0 of the first bolus
    assert response(model, doses, np.zeros(1))[0, 0] == pytest.approx(start)


@pytest.mark.parametrize("case", CASES)
def test_known_parameters_come_back(case: str) -> None:
    """Without noise to six digits; with noise of 10 % within twice the limits."""
    model, doses = CASES[case]
    number = 1 if case.startswith("one") else 2
    exact = fitted(model, doses, compartments=number).fits[0]
    assert truth(model, exact) == pytest.approx(
        {name: exact.values[name] for name in truth(model, exact)}, rel=1e-6
    )
    noisy = fitted(model, doses, cv=0.1)
    assert noisy.compartments == number
    (fit,) = noisy.fits
    for name, value in truth(model, fit).items():
        low, high = fit.limits[name]
        assert low < fit.values[name] < high, name
        assert low / (high / low) ** 0.5 < value < high * (high / low) ** 0.5, name
    slow = float(np.min([model.terminal_rate, model.ka if "ka" in fit.values else np.inf]))
    low, high = fit.limits["half_life_h"]
    assert low < math.log(2) / slow < high


def test_theophylline_as_r_fits_it() -> None:
    """R: nls(conc ~ SSfol(Dose, Time, lKe, lKa, lCl)) gives -2.9196, 0.5752 and -3.9159."""
    found = sim.pk_fit(THEOPHYLLINE, dose_mg=4.02 * 79.6, weights="1", compartments=1)
    values = found.fits[0].values
    assert math.log(values["CL"] / values["V"]) == pytest.approx(-2.9196, abs=2e-4)
    assert math.log(values["ka"]) == pytest.approx(0.5752, abs=2e-4)
    assert math.log(values["CL"] / 79.6) == pytest.approx(-3.9159, abs=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["one, bolus", "one, oral", "two, bolus", "two, oral"])
@pytest.mark.parametrize("cv", [0.1, 0.2])
def test_limits_hold_the_truth_as_often_as_they_say(case: str, cv: float) -> None:
    """100 tables: limits of 93 % and more hold it in at least 85 of them (99.9 %)."""
    model, doses = CASES[case]
    number = 1 if case.startswith("one") else 2
    table = {
        "subject": np.repeat(np.arange(100), len(T)),
        "time_h": np.tile(T, 100),
        "conc_mg_L": np.concatenate([simulated(model, doses, cv, seed) for seed in range(100)]),
    }
    found = sim.pk_fit(table, doses=table_of(doses), compartments=number)
    for name, value in truth(model, found.fits[0]).items():
        held = sum(fit.limits[name][0] < value < fit.limits[name][1] for fit in found.fits)
        assert held >= 85, (name, held)


def test_weights_follow_the_error_of_the_samples() -> None:
    level = simulated(*CASES["two, bolus"]) + 0.02
    table = {"time_h": T, "conc_mg_L": level}
    sizes = {}
    for weights in ("1/y^2", "1/y", "1"):
        fit = sim.pk_fit(table, dose_mg=100, route="iv", weights=weights, compartments=2).fits[0]
        sizes[weights] = abs(fit.fitted / level - 1)[-1]
    assert sizes["1/y^2"] < sizes["1/y"] < sizes["1"]


def test_the_number_of_compartments_is_that_of_lower_aicc_over_all_subjects() -> None:
    model, doses = CASES["two, bolus"]
    levels = [simulated(model, doses, 0.1, seed) for seed in range(3)]
    table = {
        "subject": np.repeat(["a", "b", "c"], len(T)),
        "time_h": np.tile(T, 3),
        "c_mg_L": np.concatenate(levels),
    }
    found = sim.pk_fit(table, dose_mg=100, route="iv")
    assert found.compartments == 2
    for number, fits in ((2, found.fits), (1, found.others)):
        assert found.aicc[number] == pytest.approx(sum(fit.aicc for fit in fits))
    for name, value in found.typical.items():
        logs = np.log([fit.values[name] for fit in found.fits])
        assert math.log(value) == pytest.approx(logs.mean())
        assert found.spread[name] == pytest.approx(math.sqrt(math.expm1(logs.var(ddof=1))))
    assert set(found.table()["subject"]) == {"a", "b", "c"}


def test_aicc_is_that_of_the_likelihood() -> None:
    fit = fitted(*CASES["one, bolus"], cv=0.1, compartments=1).fits[0]
    from scipy.stats import norm

    share = (fit.concentration - fit.fitted) / fit.fitted
    size = math.sqrt((share**2).mean())
    loglik = norm.logpdf(fit.concentration, fit.fitted, size * fit.fitted).sum()
    n, k = len(T), 3
    assert fit.aicc == pytest.approx(-2 * loglik + 2 * k + 2 * k * (k + 1) / (n - k - 1))
    assert fit.sigma == pytest.approx(size * math.sqrt(n / (n - 2)))


# --- what samples cannot tell ----------------------------------------------------------------


def test_flip_flop_is_warned_of_and_settled_by_an_intravenous_dose() -> None:
    slow = OneCompartment(6, 20, 0.05)  # absorption of 14 h, elimination of 2.3 h
    doses = [Dose(0, 100)]
    oral = fitted(slow, doses, compartments=1).fits[0]
    assert oral.values["ka"] == pytest.approx(0.3)  # of the two equal curves the faster
    assert oral.values["CL"] == pytest.approx(6)
    assert any("flip-flop cannot be excluded" in note for note in oral.notes)
    assert any("V/F is 20 L and ka 0.05" in note for note in oral.notes)
    assert oral.values["half_life_h"] == pytest.approx(math.log(2) / 0.05)
    both = fitted(slow, [Dose(0, 50, "iv"), Dose(12, 100)], compartments=1).fits[0]
    assert both.values["ka"] == pytest.approx(0.05, rel=1e-4)
    assert any(note.startswith("flip-flop: absorption is slower") for note in both.notes)
    bolus = fitted(*CASES["one, bolus"]).fits[0]
    assert not any("flip-flop" in note for note in bolus.notes)


def test_samples_below_quantification_and_at_the_dose_are_not_fitted() -> None:
    level = simulated(*CASES["one, oral"])
    table = {"time_h": [0, *T, 60], "c_mg_L": [0.1, *level, "BLQ"]}
    (fit,) = sim.pk_fit(table, dose_mg=100).fits
    assert len(fit.time_h) == len(T)
    assert "1 below quantification not fitted" in fit.notes
    assert "1 at the dose not fitted: the model has no drug then" in fit.notes
    loose = sim.pk_fit({"time_h": T, "c_mg_L": simulated(*CASES["one, bolus"], cv=0.1)},
                       dose_mg=100, route="iv", compartments=2).fits[0]  # fmt: skip
    assert any("hardly determined by these samples" in note for note in loose.notes)


def test_subjects_with_too_few_samples_are_named() -> None:
    level = simulated(*CASES["one, bolus"], cv=0.05)
    table = {
        "subject": ["a"] * len(T) + ["b"] * 3,
        "time_h": [*T, 1, 2, 3],
        "c_mg_L": [*level, 3, 2, 1],
    }
    found = sim.pk_fit(table, dose_mg=100, route="iv")
    assert [fit.subject for fit in found.fits] == ["a"]
    assert found.failed == {"b": "1 compartment needs at least 5 measurable samples, not 3"}
    with pytest.raises(InputError, match="no subject could be fitted: 1 compartment needs at"):
        sim.pk_fit({"time_h": [1, 2, 3], "c_mg_L": [3, 2, 1]}, dose_mg=1, route="iv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "y"}, "--weights = 'y': must be one of '1/y.2', '1/y', '1'"),
        ({"compartments": 3}, "--compartments = 3: must be 1 or 2"),
        ({"species": "humna"}, "--species = 'humna': must be one of .*did you mean 'human'"),
        ({"route": "po"}, "--route = 'po'"),
        ({"drug": "anlotinb"}, "anlotinb.*did you mean 'anlotinib'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    table = {"time_h": T, "c_mg_L": simulated(*CASES["one, oral"])}
    with pytest.raises(InputError, match=message):
        sim.pk_fit(table, **({"dose_mg": 100} | options))


# --- what is written -------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["one, oral", "two, infusion", "one, bolus and oral"])
def test_a_scenario_with_the_drug_file_gives_the_fitted_curve(
    case: str, workplace: Path, angiosim: Any
) -> None:
    model, doses = CASES[case]
    found = fitted(model, doses, cv=0.1, drug="anlotinib")
    folder = workplace / "fit"
    folder.mkdir()
    found.write(folder)
    assert angiosim("validate", "fit/drug.toml").exit_code == 0
    listed = ", ".join(
        f'{{at_h = {d.at_h}, amount_mg = {d.amount_mg}, route = "{d.route}", '
        f"infusion_h = {d.infusion_h}}}"
        for d in doses
    )
    (folder / "mine.toml").write_text(
        f'extends = "human_12mg"\nname = "mine"\n[time]\nduration_h = 48\n[drug]\n'
        f'file = "drug.toml"\ndoses = [{listed}]\n'
    )
    result = angiosim("pk", "fit/mine.toml")
    assert result.exit_code == 0, result.stderr
    pk = sim.pk(folder / "mine.toml")
    (fit,) = found.fits
    times = np.asarray(pk.time_h)
    away = np.min(np.abs(times[:, None] - [d.at_h for d in doses]), axis=1) > 1e-3
    away &= times <= 48
    expected = fit.curve(times[away]) * 1e6 / found.samples.molar_mass
    assert np.asarray(pk.total_nM)[away] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_the_drug_file_says_what_is_not_known(workplace: Path, angiosim: Any) -> None:
    iv = fitted(*CASES["one, bolus"], cv=0.1)
    (workplace / "drug.toml").write_text(iv.drug_file())
    found = angiosim("validate", "drug.toml")
    assert found.exit_code == 0
    for key in ("molar_mass_g_per_mol", "potency.mine.FGFR1.ic50_nM"):
        assert key in found.stderr, found.stderr
    text = iv.drug_file()
    assert 'ka = {value = 1, unit = "1/h", source = "a placeholder"' in text
    named = fitted(*CASES["one, oral"], drug="anlotinib", species="dog").drug_file()
    assert '"a placeholder"' not in named and "[pk.dog.fitted]" in named
    assert "CL, Q and volumes are those over F" in named
    molar = {"time_h": T, "c_nM": simulated(*CASES["one, oral"]) * 1e6 / 300}
    (workplace / "drug.toml").write_text(sim.pk_fit(molar, dose_mg=100, molar_mass=300).drug_file())
    assert "value = 300" in (workplace / "drug.toml").read_text()
    assert angiosim("validate", "drug.toml").exit_code == 0


def test_the_command_leaves_json_a_picture_and_a_drug(workplace: Path, angiosim: Any) -> None:
    rows = zip(*THEOPHYLLINE.values(), strict=True)
    (workplace / "t.csv").write_text("time_h,conc_mg_L\n" + "".join(f"{t},{c}\n" for t, c in rows))
    done = angiosim("pk-fit", "t.csv", "--dose-mg", "319.992", "--json")
    assert done.exit_code == 0, done.stderr
    folder = workplace / "t-pk-fit"
    assert {path.name for path in folder.iterdir()} == {"pk-fit.json", "pk-fit.png", "drug.toml"}
    tree = json.loads(done.stdout)
    assert tree == json.loads((folder / "pk-fit.json").read_text())
    assert tree["compartments"] == 1
    (fit,) = tree["fits"]
    assert set(fit["parameters"]) == {"CL", "V", "ka", "half_life_h", "Vss"}
    assert "warning: flip-flop cannot be excluded" in done.stderr
    shown = angiosim("pk-fit", "t.csv", "--dose-mg", "319.992", "--compartments", "2")
    assert shown.exit_code == 0 and "V1/F" in shown.stdout and "t-pk-fit-2" in shown.stdout


def test_the_picture_has_the_samples_and_both_models() -> None:
    found = fitted(*CASES["two, bolus"], cv=0.1)
    assert repr(found) == "<PK fit of conc_mg_L: 2 compartments, 1 fitted>"
    (ax,) = found.plot().axes
    assert len(ax.lines) == 3
    (part,) = (whole := Figure((8, 5))).subfigures(1, 1, squeeze=False).ravel()
    assert found.plot(fig=part) is whole
