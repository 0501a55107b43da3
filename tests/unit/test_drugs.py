"""Drugs and species as data, populations drawn from them, and exposure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import data
from sim.errors import InputError
from sim.pharmacology import drugs
from sim.pharmacology.compartments import OneCompartment, TwoCompartment
from sim.pharmacology.dosing import Dose
from sim.pharmacology.drugs import body_weight_kg, load_drug
from sim.pharmacology.exposure import Pharmacokinetic
from sim.pharmacology.population import bands, draw_subjects

NAMES = data.names("drugs")


def leaves_of(node: Any) -> list[dict[str, Any]]:
    if data.is_leaf(node):
        return [node]
    below = node.values() if isinstance(node, dict) else ()
    return [leaf for item in below for leaf in leaves_of(item)]


def test_the_comparators_exist() -> None:
    assert set(NAMES) >= {
        "anlotinib", "axitinib", "lenvatinib", "nintedanib", "pazopanib", "sorafenib", "sunitinib",
    }  # fmt: skip
    assert set(data.names("species")) >= {"rat", "dog", "human"}


@pytest.mark.parametrize("name", NAMES)
def test_every_drug_is_complete(name: str) -> None:
    drug = load_drug(name)
    for potency in drug.potencies.values():
        assert set(potency.ic50_nM) == {"VEGFR2", "PDGFRB", "FGFR1"}
        assert potency.source
    for species, sets in drug.pk.items():
        assert 0 < drug.unbound(species) <= 1
        for kinetics in sets.values():
            assert kinetics.source
            assert kinetics.model().subjects is None
            assert kinetics.model(80.0).subjects is None


@pytest.mark.parametrize("species", data.names("species"))
def test_every_number_of_a_species_has_a_source(species: str) -> None:
    for leaf in leaves_of(data.read("species", species)):
        assert leaf["source"] and leaf["evidence"]
    assert body_weight_kg(species) > 0


def test_one_binding_assay_for_those_that_were_in_it() -> None:
    for name in ("sunitinib", "sorafenib", "axitinib", "pazopanib"):
        assert load_drug(name).potency().name == "davis2011"
    for name in ("nintedanib", "lenvatinib"):
        assert set(load_drug(name).potencies) == {"company"}


def test_models_are_scaled_by_weight() -> None:
    rat = load_drug("anlotinib").kinetics("rat").model(0.5)
    assert isinstance(rat, TwoCompartment)
    found = [rat.CL, rat.V1, rat.Q, rat.V2]
    np.testing.assert_allclose(found, [2.675, 5.52, 2.71, 8.28])
    assert (rat.ka, rat.F) == (1.0, 0.43)
    human = load_drug("anlotinib").kinetics("human").model(50)
    assert isinstance(human, OneCompartment)
    assert (human.CL, human.V, human.ka, human.F) == (12.3, 2010, 0.64, 1.0)
    assert load_drug("anlotinib").kinetics("human", "poppk2024").model().CL == 9.26
    with pytest.raises(InputError, match="weight_kg = -1"):
        load_drug("anlotinib").kinetics("rat").model(-1)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda d: d.kinetics("mouse"), "no pharmacokinetics in 'mouse': must be one of 'rat'"),
        (lambda d: d.kinetics("Rat"), "did you mean 'rat'"),
        (lambda d: d.kinetics("human", "poppk"), "did you mean 'poppk2024'"),
        (lambda d: d.unbound("mouse"), "no fraction_unbound in 'mouse'"),
    ],
)
def test_what_is_not_known_is_refused(ask: Callable[[drugs.Drug], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask(load_drug("anlotinib"))


def test_apparent_clearance_allows_no_iv_dose() -> None:
    human = load_drug("anlotinib").kinetics("human")
    human.check([Dose(0, 12)])
    with pytest.raises(InputError, match=r"doses\.1\.route = 'iv': must be 'oral'"):
        human.check([Dose(0, 12), Dose(24, 12, "iv")])
    load_drug("axitinib").kinetics("human").check([Dose(0, 1, "iv")])


GOOD = """
molar_mass_g_per_mol = {value = 400, source = "s", evidence = "assumed"}
default_potency = "set"
[potency.set]
source = "s"
[fraction_unbound]
rat = {value = 0.1, source = "s", evidence = "assumed"}
[pk.rat.default]
source = "s"
CL = {value = 1, spread = "20 %", unit = "L/h/kg", source = "s", evidence = "assumed"}
V = {value = 2, unit = "L/kg", source = "s", evidence = "assumed"}
ka = {value = 1, unit = "1/h", source = "s", evidence = "assumed"}
F = {value = 0.5, spread = [0.4, 0.6], source = "s", evidence = "assumed"}
[pk.rat.default.correlation]
CL_V = {value = 0.5, source = "s", evidence = "assumed"}
"""


@pytest.fixture
def own(own_data: Path) -> Callable[[str], drugs.Drug]:
    """Loads a drug from a text."""

    def load(text: str) -> drugs.Drug:
        (own_data / "drugs" / "own.toml").write_text(text)
        return load_drug("own")

    return load


def test_a_drug_is_one_file(own: Callable[[str], drugs.Drug]) -> None:
    kinetics = own(GOOD).kinetics("rat")
    assert kinetics.per_kg and not kinetics.apparent
    assert kinetics.parameters["CL"].cv == 0.2
    assert kinetics.parameters["F"].between == (0.4, 0.6)
    assert kinetics.correlation == {("CL", "V"): 0.5}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("value = 0.1,", "value = 1.1,", r"fraction_unbound.rat = 1.1: must be above 0"),
        ("\nV = ", "\nV1 = ", "pk.rat.default = .*must have CL, V, ka or CL, Q, V1, V2, ka"),
        ('"L/kg"', '"L"', r"pk.rat.default.V.unit = 'L': must be 'L/kg'"),
        ("20 %", "many", r"pk.rat.default.CL.spread = 'many'"),
        ("[0.4, 0.6]", "[0.6, 0.7]", r"pk.rat.default.F.spread"),
        ("CL_V", "CL_V1", r"pk.rat.default.correlation.CL_V1 = 0.5: must be two parameters"),
        ("{value = 0.5, source", "{value = 1.5, source", r"pk.rat.default.correlation.CL_V = 1.5"),
    ],
)
def test_a_wrong_file_is_refused(
    own: Callable[[str], drugs.Drug], old: str, new: str, message: str
) -> None:
    with pytest.raises(InputError, match=f"drugs/own.toml: {message}"):
        own(GOOD.replace(old, new))


# --- populations -----------------------------------------------------------------------------


def test_a_subject_does_not_depend_on_how_many_there_are() -> None:
    kinetics = load_drug("anlotinib").kinetics("rat")
    few, many = draw_subjects(kinetics, 3, seed=7), draw_subjects(kinetics, 30, seed=7)
    np.testing.assert_array_equal(few.CL, np.asarray(many.CL)[:3])
    np.testing.assert_array_equal(few.F, np.asarray(many.F)[:3])
    assert not np.isin(few.CL, draw_subjects(kinetics, 3, seed=8).CL).any()
    taken = many.subject(2)
    assert taken.subjects is None
    assert np.asarray(few.CL)[2] == taken.CL


def test_spread_and_correlation() -> None:
    population = draw_subjects(load_drug("anlotinib").kinetics("human"), 4000, seed=1)
    assert isinstance(population, OneCompartment)
    CL, V, ka = (np.asarray(x) for x in (population.CL, population.V, population.ka))
    assert np.median(CL) == pytest.approx(12.3, rel=0.02)
    assert np.std(CL) / np.mean(CL) == pytest.approx(0.29, rel=0.05)
    assert np.std(ka) / np.mean(ka) == pytest.approx(0.57, rel=0.08)
    assert np.corrcoef(np.log(CL), np.log(V))[0, 1] == pytest.approx(0.8, abs=0.02)
    assert abs(np.corrcoef(np.log(CL), np.log(ka))[0, 1]) < 0.05
    rat = draw_subjects(load_drug("anlotinib").kinetics("rat"), 50, seed=1)
    assert isinstance(rat, TwoCompartment)
    np.testing.assert_allclose(np.asarray(rat.V2) / rat.V1, 1.5)


def test_without_spread_all_subjects_are_typical() -> None:
    kinetics = load_drug("axitinib").kinetics("human")
    assert set(np.asarray(draw_subjects(kinetics, 4, seed=1).CL)) == {14.6}


def test_bands() -> None:
    values = np.arange(101.0)[:, None] * [1.0, 2.0]
    np.testing.assert_allclose(bands(values), [[5, 10], [50, 100], [95, 190]])


@pytest.mark.parametrize(("n", "seed", "message"), [(0, 1, "subjects = 0"), (1, -1, "seed = -1")])
def test_impossible_populations_are_refused(n: int, seed: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        draw_subjects(load_drug("anlotinib").kinetics("rat"), n, seed)


def test_correlations_that_exclude_each_other(own: Callable[[str], drugs.Drug]) -> None:
    leaf = '{value = %s, source = "s", evidence = "assumed"}'
    further = f"\nCL_ka = {leaf % 0.9}\nV_ka = {leaf % -0.9}\n"
    kinetics = own(GOOD + further).kinetics("rat")
    with pytest.raises(InputError, match="are inconsistent"):
        draw_subjects(kinetics, 1, 1, weight_kg=1.0)


# --- exposure --------------------------------------------------------------------------------


def test_free_drug() -> None:
    model, doses = OneCompartment(1, 10, 1), [Dose(0, 1, "iv")]
    exposure = Pharmacokinetic(model, doses, fu=0.07, kp_uu=3.0, molar_mass=400.0)
    times = np.array([0.0, 1.0])
    total = exposure.total_nM(times)
    assert total[0] == pytest.approx(0.1 / 400 * 1e6)
    np.testing.assert_allclose(exposure.free_nM(times), 0.21 * total)
    assert exposure.total_nM(times, before=True)[0] == 0.0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fu": 0.0}, "fu = 0: must be above 0, at most 1"),
        ({"fu": 1.5}, "fu = 1.5"),
        ({"kp_uu": -1.0}, "kp_uu = -1: must be above 0"),
        ({"molar_mass": float("nan")}, "molar_mass = nan"),
    ],
)
def test_impossible_exposure_is_refused(wrong: dict[str, float], message: str) -> None:
    numbers = {"fu": 0.07, "kp_uu": 1.0, "molar_mass": 407.44} | wrong
    with pytest.raises(InputError, match=message):
        Pharmacokinetic(OneCompartment(1, 10, 1), [Dose(0, 1)], **numbers)


def test_nothing_heavy_is_imported() -> None:
    program = (
        "import sys; import sim.pharmacology.metrics, sim.pharmacology.population as p;"
        "from sim.pharmacology.drugs import load_drug;"
        "p.draw_subjects(load_drug('anlotinib').kinetics('rat'), 5, 1);"
        "print([m for m in ('numba', 'mesa', 'scipy', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
