"""Two blockades together: what Bliss and Loewe expect, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.fits.combination import bliss, compare, loewe
from sim.fits.fitting import fit


def test_bliss() -> None:
    assert bliss([0.5, 0.5]) == 0.75
    assert bliss([[0.5, 0.2], [0.1, 0.0], [0.0, 1.0]]).tolist() == pytest.approx([0.55, 1.0])
    assert np.isnan(bliss([0.5, np.nan]))


@given(
    st.floats(0.01, 100), st.floats(0.01, 100), st.floats(0.5, 50), st.floats(0.3, 4),
    st.floats(0.2, 1),
)  # fmt: skip
def test_loewe_of_a_drug_with_itself(
    one: float, other: float, ic50: float, hill: float, emax: float
) -> None:
    """The sham experiment: two halves of one dose do what the dose does."""
    alone = emax / (1 + (ic50 / (one + other)) ** hill)
    together = loewe([one, other], ic50, hill, emax)
    assert together.inhibition == pytest.approx(alone, rel=1e-9)
    assert together.note == ""


def test_loewe_of_two_drugs_lies_on_their_isobole() -> None:
    ic50, hill, emax = np.array([5.6, 11.7]), np.array([1.0, 2.0]), np.array([1.0, 0.8])
    doses = np.array([2.0, 6.0])
    a = loewe(doses, ic50, hill, emax).inhibition
    equivalent = ic50 * (a / (emax - a)) ** (1 / hill)
    assert (doses / equivalent).sum() == pytest.approx(1)
    assert loewe([2.0, 0.0], ic50, hill, emax).inhibition == pytest.approx(2.0 / 7.6)
    assert loewe([0.0, 0.0], ic50, hill, emax) == (0.0, "")


def test_loewe_differs_from_bliss_as_it_should() -> None:
    """Two half-maximal doses: Bliss 3/4, Loewe 2/3 with slopes of 1 and more with steep ones."""
    assert loewe([1, 1], 1).inhibition == pytest.approx(2 / 3)
    assert loewe([1, 1], 1, 3).inhibition == pytest.approx(8 / 9)


@pytest.mark.parametrize(
    ("doses", "ic50", "emax", "words"),
    [
        ([3, 1], 1, [1.0, 0.3], "the others inhibit more than 0.3"),
        ([1, 1], [1, None], 1, "not finite"),
        ([1, np.inf], 1, 1, "not finite"),
        ([1, 1], 1, [1, -0.2], "the opposite"),
    ],
)
def test_loewe_that_is_not_defined(doses: Any, ic50: Any, emax: Any, words: str) -> None:
    inhibition, note = loewe(doses, ic50, 1.0, emax)
    assert math.isnan(inhibition) and words in note


def test_what_is_inert_alone_drops_out() -> None:
    inhibition, note = loewe([1, 9], [1, None], [1, None], [1, 0])
    assert inhibition == pytest.approx(0.5)
    assert note == "blockade 2 is inert alone and drops out"


@pytest.mark.parametrize(("doses", "ic50"), [([-1, 1], 1), ([1, 1], [1, 0]), ([[1], [1]], 1)])
def test_wrong_numbers_for_loewe_are_refused(doses: Any, ic50: Any) -> None:
    with pytest.raises(ValueError):
        loewe(doses, ic50)


@pytest.mark.parametrize("effects", [[30, 40], [[0.1, 0.2], [55.0, 0.3]], [0.4, -30], [2, 1]])
def test_percent_is_refused(effects: Any) -> None:
    with pytest.raises(ValueError, match=r"inhibitions must be fractions.*percent, divide by 100"):
        bliss(effects)
    with pytest.raises(ValueError, match=r"emax must be fractions.*percent, divide by 100"):
        loewe([1, 1], 1, 1, [1, 80])


def test_noise_around_fractions_is_not() -> None:
    assert bliss([-0.1, 1.05]) == pytest.approx(1 + 1.1 * 0.05)
    assert loewe([1, 0], 1, 1, [1.1, 1]).inhibition == pytest.approx(0.55)
    with pytest.raises(ValueError, match=r"from 0 to 1, not -0.8$"):
        bliss([0.3, -0.8])


def test_emax_of_a_fit_is_percent() -> None:
    doses = [0, 1, 3, 10, 30, 100]
    found = fit(doses, [[10, 9, 7, 4, 2, 1.2], [10.1, 9, 7.1, 4, 2, 1.1]], unstimulated=0.0)
    assert found.emax is not None
    with pytest.raises(ValueError, match="percent"):
        loewe([1, 1], found.ic50, found.hill, found.emax)
    assert loewe([found.ic50, 0], found.ic50, found.hill, found.emax / 100).note == ""


def test_missing_values_of_any_kind_stay_missing() -> None:
    for gap in (np.ma.masked_array([0.5, 9e9], mask=[0, 1]), [0.5, None], [0.5, pd.NA],
                pd.Series([0.5, pd.NA], dtype="Float64")):  # fmt: skip
        assert np.isnan(bliss(gap))
        assert "not finite" in loewe([1, 1], gap).note
    doses = [0, 1, 10]
    whole = np.ma.masked_greater([[10, 7, 2], [11, 8, 1e9]], 1e8)
    assert compare(doses, whole, [0, 0])[1].note.startswith("1 of 2 replicates missing")


@pytest.mark.parametrize(
    ("doses", "response", "low", "words"),
    [
        ([1, 2], [[1, 2]], [0], "first dose must be 0"),
        ([0, 2, 1], [[1, 2, 3]], [0], "must rise"),
        ([0, -1], [[1, 2]], [0], "logarithms"),
        ([0, 1], [[1, 2]], [0, 1], "shape"),
        ([0, 1], [[1, 2]], 0, "shape"),
        ([0, 1], [[1, np.inf]], [0], "finite"),
        ([0, 1], [[1, "a"]], [0], "must be numbers"),
    ],
)
def test_wrong_tables_are_not_compared(doses: Any, response: Any, low: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        compare(doses, response, low)
