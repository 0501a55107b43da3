"""Fits of measured tables: what is paired, what is monotone, what is missing, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from naive import dose_response as naive

from sim.fits.combination import Blockade, compare
from sim.fits.fitting import fit
from sim.fits.limits import reversal
from sim.fits.logistic import DoseResponse, logistic, normalised

Array = np.ndarray[Any, Any]

# Root length of ryegrass over ferulic acid, mM: Inderjit, Streibig & Olofsdotter (2002), Physiol
# Plant 114:422; in the R package drc (Ritz et al. 2015, PLOS ONE 10:e0146021).
RYEGRASS = {
    0: [7.58, 8.0, 8.328571429, 7.25, 7.375, 7.9625], 0.94: [8.355555556, 6.914285714, 7.75],
    1.88: [6.871428571, 6.45, 5.922222222], 3.75: [1.925, 2.885714286, 4.233333333],
    7.5: [1.1875, 0.857142857, 1.057142857], 15: [0.6875, 0.525, 0.825], 30: [0.25, 0.22, 0.44],
}  # fmt: skip
# Dry matter of Sinapis alba over a herbicide, g/ha: Christensen, Teicher & Streibig (2003), Pest
# Manag Sci 59:1303; in the R package drc.
GLYPHOSATE = {
    0: [4.7, 4.6, 4.1, 4.4, 3.2, 3.0, 3.8, 3.9], 10: [3.8, 3.8, 3.8, 3.3], 20: [4.1, 3.5, 4.1, 3.2],
    40: [2.8, 3.0, 3.7, 3.4], 80: [1.8, 1.6, 2.3, 1.7], 160: [1.1, 1.3, 1.0, 1.2],
    320: [0.9, 0.9, 0.9, 0.9],
}  # fmt: skip
BENTAZONE = {
    0: [4.1, 3.4, 2.6, 3.5, 4.3, 4.2, 4.1, 4.5], 10: [3.5, 3.8, 3.9, 3.7], 20: [3.2, 3.5, 3.0, 4.0],
    40: [1.1, 1.4, 1.4, 0.9], 80: [0.9, 0.6, 0.7, 0.8], 160: [0.7, 0.7, 0.5, 0.6],
    320: [0.8, 0.5, 0.7, 0.8], 640: [0.6, 0.7, 0.6, 0.8],
}  # fmt: skip
DOSES = np.array([0, 0.5, 1, 2, 4, 8, 16, 32, 64])


def rows(table: dict[float, list[float]], rng: np.random.Generator | None = None) -> Array:
    """Return values by dose as rows filled up with NaN; in random places if asked for."""
    size = max(map(len, table.values()))
    values = np.full((size, len(table)), np.nan)
    for column, known in enumerate(table.values()):
        places = rng.permutation(size) if rng else np.arange(size)
        values[places[: len(known)], column] = rng.permutation(known) if rng else known
    return values


def noisy(rng: np.random.Generator, count: int, noise: float = 0.3) -> Array:
    return logistic(DOSES, 5.5, 14.6, 6.0) + noise * rng.normal(size=(count, 9))


# --- unpaired data -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "ic50"), [(RYEGRASS, 3.058), (GLYPHOSATE, 62.05), (BENTAZONE, 29.26)]
)
def test_published_fits_come_out(table: dict[float, list[float]], ic50: float) -> None:
    found = fit(list(table), rows(table))
    assert found.ic50 == pytest.approx(ic50, abs=0.006)
    assert found.determined and not found.paired
    assert found.replicates == max(map(len, table.values()))
    assert found.note.startswith(f"{np.isnan(rows(table)).sum()} of {rows(table).size} values miss")
    assert fit(list(table), rows(table), paired=False).note == (
        "no unstimulated control: no absolute IC50, no Emax"
    )


def test_unpaired_limits_are_about_those_of_the_delta_method() -> None:
    """The R package drc gives 2.67 to 3.45, symmetric around the estimate."""
    found = fit(list(RYEGRASS), rows(RYEGRASS))
    assert found.ic50_low == pytest.approx(2.67, rel=0.01)
    assert found.ic50_high == pytest.approx(3.45, rel=0.03)
    for table in (RYEGRASS, GLYPHOSATE, BENTAZONE):
        found = fit(list(table), rows(table))
        limits = naive.unpaired_ic50_limits(np.array(list(table), dtype=float), rows(table))
        assert (found.ic50_low, found.ic50_high) == pytest.approx(limits, rel=0.03)


def test_unpaired_results_do_not_depend_on_the_order_of_values() -> None:
    rng = np.random.default_rng(1)
    controls = np.array([0.2, 0.1, 0.3, np.nan, np.nan, np.nan])
    whole = fit(list(RYEGRASS), rows(RYEGRASS), controls)
    for _ in range(5):
        assert fit(list(RYEGRASS), rows(RYEGRASS, rng), rng.permutation(controls)) == whole
    values, low = noisy(rng, 4), 5.5 + 0.3 * rng.normal(size=4)
    shuffled = rng.permuted(values, axis=0)
    unpaired = fit(DOSES, values, low, paired=False)
    assert fit(DOSES, shuffled, low[::-1], paired=False) == unpaired
    assert unpaired.paired is False and unpaired.note == "" and unpaired.determined
    assert fit(DOSES, values, low) == fit(DOSES, values, low, paired=True) != unpaired
    assert fit(DOSES, shuffled, low).ic50_low != fit(DOSES, values, low).ic50_low


def test_rows_and_doses_without_any_value_leave_replicates_paired() -> None:
    values = noisy(np.random.default_rng(1), 4)
    gaps = np.insert(np.vstack([values, np.full(9, np.nan)]), 5, np.nan, axis=1)
    found = fit(np.insert(DOSES, 5, 6.0), gaps)
    assert found.paired and found.ic50_low == fit(DOSES, values).ic50_low


def count_inside(cases: int, count: int, noise: float) -> tuple[int, int]:
    """Return in how many cases the limits hold the relative and the absolute IC50."""
    inside = [0, 0]
    for seed in range(cases):
        rng = np.random.default_rng(seed)
        controls = 5.5 + noise * rng.normal(size=count)
        found = fit(DOSES, noisy(rng, count, noise), controls, paired=False)
        for place, name in enumerate(("ic50", "absolute_ic50")):
            low, high = getattr(found, name + "_low"), getattr(found, name + "_high")
            inside[place] += (low is None or low <= 6) and (high is None or high >= 6)
    return inside[0], inside[1]


@pytest.mark.slow
def test_unpaired_limits_hold_in_90_to_99_of_100_cases() -> None:
    assert all(45 <= inside <= 50 for inside in count_inside(50, 3, 0.4))


@pytest.mark.slow
@pytest.mark.parametrize(("count", "noise"), [(2, 0.4), (3, 0.4), (4, 1.0), (8, 0.4)])
def test_unpaired_limits_hold_whatever_the_number(count: int, noise: float) -> None:
    assert all(270 <= inside <= 297 for inside in count_inside(300, count, noise))


def test_noise_without_pairs_is_no_response() -> None:
    found = [
        fit(DOSES, np.random.default_rng(s).normal(size=(3, 9)), paired=False) for s in range(40)
    ]
    assert sum(one.note.startswith("no detectable dose response") for one in found) >= 36


def test_one_value_a_dose_has_no_limits() -> None:
    values = noisy(np.random.default_rng(1), 1, 0.1)
    for paired, words in ((None, "one replicate"), (False, "one value a dose")):
        found = fit(DOSES, values, paired=paired)
        assert found.ic50 == pytest.approx(6, rel=0.2) and found.ic50_low is found.ic50_high is None
        assert f"no intervals: {words}" in found.note


def test_loewe_has_no_limits_from_unpaired_fits() -> None:
    rng = np.random.default_rng(1)
    values, low = noisy(rng, 4), np.full(4, 5.5)
    parts = {n: Blockade(values, fit(DOSES, values, low, paired=False)) for n in "ab"}
    one = compare(DOSES, values, low, parts)[2]
    assert one.loewe is not None and one.loewe_low is one.loewe_excess_high is None
    assert "no limits of Loewe: a part was not fitted by whole replicates" in one.note
    assert one.bliss_low is not None


# --- monotone or not ---------------------------------------------------------------------------


def bent(shape: str, size: float, values: Array) -> Array:
    """Add a bump at low doses, or a return at high doses."""
    values[:, slice(1, 4) if shape == "bump" else slice(-3, None)] += size
    return values


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("count", [2, 3, 4, 8])
@pytest.mark.parametrize("shape", ["bump", "valley"])
def test_a_bump_or_a_valley_is_seen_with_few_replicates(
    shape: str, count: int, paired: bool
) -> None:
    for sign in (1, -1):
        for seed in range(20):
            values = bent(shape, 6.0, noisy(np.random.default_rng(seed), count))
            found = fit(DOSES, sign * values, paired=paired)
            assert found.note == "the response is not monotone: no logistic describes it"
            assert not found.determined and found.ic50 is None


def test_replicates_that_differ_in_level_do_not_hide_a_bump() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        values = bent("bump", 6.0, noisy(rng, 2)) + 4 * rng.normal(size=(2, 1))
        assert reversal(values, paired=True) > 0.2


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("count", [2, 3, 8])
def test_monotone_data_are_rarely_called_non_monotone(count: int, paired: bool) -> None:
    rng = np.random.default_rng(1)
    for ic50 in (0.3, 6.0, 60.0, 1e9):
        for noise in (0.1, 1.0, 3.0):
            curve = logistic(DOSES, 5.5, 14.6, ic50)
            cases = [curve + noise * rng.normal(size=(count, 9)) for _ in range(100)]
            assert sum(reversal(case, paired=paired) > 0.1 for case in cases) <= 5


def test_a_small_bump_is_noted() -> None:
    values = bent("bump", 2.2, noisy(np.random.default_rng(1), 4, 0.1))
    found = fit(DOSES, values, 5.5)
    assert found.determined and "the response turns back by 1" in found.note
    assert found.note.endswith("of its range: more than noise")
    assert "turns back" not in fit(DOSES, bent("bump", 0.8, values - 2), 5.5).note


def test_one_replicate_that_turns_back_has_a_note() -> None:
    found = fit(DOSES, bent("valley", 8.0, noisy(np.random.default_rng(1), 1)))
    assert "% of its range: one replicate cannot show whether that is noise" in found.note
    assert "turns back" not in fit(DOSES, noisy(np.random.default_rng(1), 1)).note


# --- what is missing, and why ------------------------------------------------------------------


def test_an_ic50_of_one_replicate_beyond_the_doses_has_a_reason() -> None:
    found = fit([0, 1, 2, 4, 8], [[14, 13.9, 13.6, 12.9, 11.2]], 5.0)
    assert found.words() == "not determined"
    assert "IC50 not within the doses, 1 to 8" in found.note
    assert "absolute IC50 not within the doses, 1 to 8" in found.note
    inside = fit([0, 1, 2, 4, 8], [[14, 12, 11, 9, 8.5]])
    assert "not within" not in inside.note and "no intervals: one replicate" in inside.note


def test_masked_and_missing_values_of_any_kind_count_as_nan() -> None:
    values = noisy(np.random.default_rng(1), 4)
    values[1, 3] = 1e9
    with_nan = np.where(values == 1e9, np.nan, values)
    known = fit(DOSES, with_nan, 5.5)
    table = pd.DataFrame(with_nan).astype("Float64")
    none: list[list[float | None]] = [[None if v != v else v for v in row] for row in with_nan]
    anything: list[Any] = [
        np.ma.masked_equal(values, 1e9), list(np.ma.masked_equal(values, 1e9)), table, none,
        pd.DataFrame(none, dtype=object).replace({np.nan: pd.NA}),
        np.ma.masked_array(np.array(none, dtype=object), mask=np.isnan(with_nan)),
    ]  # fmt: skip
    for given in anything:
        assert fit(DOSES, given, 5.5) == known
    low = np.ma.masked_greater([5.4, 5.5, 9.0, 5.6], 8)
    assert fit(DOSES, with_nan, low) == fit(DOSES, with_nan, [5.4, 5.5, np.nan, 5.6])
    assert fit(pd.Series(DOSES), with_nan, 5.5) == known
    percent = normalised(np.ma.masked_equal([5.0, 1e9], 1e9), [0, None], 10)
    assert percent[0] == 50 and np.isnan(percent[1])
    assert np.isnan(logistic(np.ma.masked_equal([1.0, 9.0], 9.0), 0, 1, 5)).tolist() == [
        False,
        True,
    ]
    assert np.isnan(known.curve([1.0, None])).tolist() == [False, True]


@pytest.mark.parametrize(
    ("doses", "words"),
    [([0, 1, 2], "shape"), ([[0, 1, 2, 3]], "shape"),
     ([0, 1, 1, 2], "1 is given 2 times.*one column"),
     ([0, 1, 2, np.inf], "finite"), ([0, 1, 2, np.nan], "missing"), ([0, 1, None, 2], "missing"),
     (np.ma.masked_equal([0, 1, 2, 9], 9), "missing"),
     ([-9, -8, -7, -6], "at least 0, not -9; if these are logarithms"),
     (["0", "1", "2", "4"], "doses must be numbers"), ([0, 1, 2, "4 nM"], "not '4 nM'"),
     ([[0, 1], [2]], "rows differ in length")],
)  # fmt: skip
def test_wrong_doses_are_refused(doses: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(doses, np.ones((3, 4)))


@pytest.mark.parametrize(
    ("response", "words"),
    [(np.ones((4, 3)), "transpose"), (np.ones(4), "shape"), ([[1, 2, 3, np.inf]], "finite"),
     ([[1, 2, 3, "n.d."]], "response must be numbers, not 'n.d.'"),
     ([[1, 2, 3, 4], [1, 2]], "rows differ in length"), ([[1, 2, 3, 4j]], "must be numbers")],
)  # fmt: skip
def test_wrong_responses_are_refused(response: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit([0, 1, 2, 4], response)


@pytest.mark.parametrize(
    ("control", "words"),
    [([1, 2], "unstimulated: a control"), (np.inf, "finite"), ("a", "numbers")],
)
def test_wrong_controls_are_refused(control: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        fit(DOSES, np.ones((3, 9)), unstimulated=control)


def test_wrong_numbers_for_a_curve_are_refused() -> None:
    for ic50, hill in ((-2.0, 1.0), (0.0, 1.0), (5.0, -1.0), (np.nan, 1.0)):
        with pytest.raises(ValueError, match="ic50 and hill must be positive"):
            logistic([0, 1], 0, 1, ic50, hill)
    found = fit(DOSES, noisy(np.random.default_rng(1), 3))
    for evaluate in (found.curve, found.band, lambda x: logistic(x, 0, 1, 5)):
        with pytest.raises(ValueError, match="logarithms"):
            evaluate([-9.0, -8.0])


def test_one_dose_is_too_few() -> None:
    found = fit([5.0], [[1.0], [2.0]])
    assert found == DoseResponse(
        note="doses with values: 1; a fit needs at least 4", replicates=2, doses=(5.0,),
        means=(1.5,), errors=(0.5,),
    )  # fmt: skip
    assert fit([], np.empty((2, 0))).note == "doses with values: 0; a fit needs at least 4"
