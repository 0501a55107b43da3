"""Dose-response: what a fit finds, how often its limits hold, and what it does not claim."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive import dose_response as naive

from sim.fits.fitting import fit
from sim.fits.logistic import DoseResponse, logistic, normalised

Array = np.ndarray[Any, Any]

DOSES = np.array([0, 0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 1000])  # of the shipped study, nM
TO_64 = DOSES[:-1]
UNSTIMULATED, STIMULATED = 5.5, 14.6  # mm, about those of network length


def replicates(
    rng: np.random.Generator,
    ic50: float = 6.0,
    hill: float = 1.2,
    bottom: float = UNSTIMULATED,
    *,
    count: int = 8,
    shared: float = 0.3,
    noise: float = 0.3,
    of_span: float = 0.05,
    of_ic50: float = 0.15,
    doses: Array = DOSES,
) -> tuple[Array, Array]:
    """Return responses (count, D) and unstimulated controls (count,), in mm.

    Replicates differ in level, span and potency, and share these over their doses; each value has
    its own noise beside. Together they vary like network length over seeds.
    """
    level = shared * rng.normal(size=count)
    span = (STIMULATED - bottom) * (1 + of_span * rng.normal(size=count))
    potency = ic50 * np.exp(of_ic50 * rng.normal(size=count))
    curves = [
        logistic(doses, bottom + up, bottom + up + wide, half, hill)
        for up, wide, half in zip(level, span, potency, strict=True)
    ]
    controls = UNSTIMULATED + level + noise * rng.normal(size=count)
    return np.array(curves) + noise * rng.normal(size=(count, doses.size)), controls


def only_noise(rng: np.random.Generator, count: int = 8) -> Array:
    return STIMULATED + 0.3 * rng.normal(size=(count, 1)) + 0.3 * rng.normal(size=(count, 12))


# --- what a fit finds --------------------------------------------------------------------------


@pytest.mark.parametrize("hill", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("ic50", [0.3, 6.0, 30.0])
@pytest.mark.parametrize(("bottom", "top"), [(5.0, 14.0), (14.0, 5.0), (0.0, 1e-7), (-1e6, 1e6)])
def test_a_curve_without_noise_is_recovered(
    bottom: float, top: float, ic50: float, hill: float
) -> None:
    found = fit(DOSES, np.tile(logistic(DOSES, bottom, top, ic50, hill), (4, 1)), bottom)
    assert found.determined and found.note == ""
    assert found.ic50 == pytest.approx(ic50, rel=1e-5)
    assert found.hill == pytest.approx(hill, rel=1e-5)
    size = abs(top - bottom)
    assert found.top == pytest.approx(top, abs=1e-5 * size)
    assert found.bottom == pytest.approx(bottom, abs=1e-5 * size)
    assert found.ic50_low == pytest.approx(ic50, rel=1e-5) == found.ic50_high
    assert found.absolute_ic50 == pytest.approx(ic50, rel=1e-5)
    assert found.emax == pytest.approx(100, abs=1e-3)


def test_agrees_with_the_plain_twin() -> None:
    response, _ = replicates(np.random.default_rng(4))
    response[2, 5] = response[6, 0] = np.nan
    found = fit(DOSES, response, paired=True)
    whole, left_out = naive.jackknife(DOSES, response)
    ours = (found.bottom, found.top, found.ic50, found.hill)
    assert ours == pytest.approx(whole, rel=1e-4)
    low, high = naive.ic50_limits(DOSES, response)
    assert (found.ic50_low, found.ic50_high) == pytest.approx((low, high), rel=2e-3)
    for i, name in ((0, "bottom"), (1, "top")):
        reach = naive.half_width([curve[i] for curve in left_out])
        fields = found.as_dict()
        limits = (fields[f"{name}_low"], fields[f"{name}_high"])
        assert limits == pytest.approx((whole[i] - reach, whole[i] + reach), rel=1e-3)
    reach = naive.half_width([math.log(curve[3]) for curve in left_out])
    assert found.hill_high == pytest.approx(whole[3] * math.exp(reach), rel=1e-3)


def test_relative_and_absolute_half_way_differ_by_definition() -> None:
    """A drug that takes 80 % of the effect: half of its own, and half of all."""
    response = np.tile(logistic(DOSES, 4.8, 14.0, 5.0, 1.0), (3, 1))
    found = fit(DOSES, response, unstimulated=2.5)
    assert found.ic50 == pytest.approx(5.0, rel=1e-5)
    level = (14.0 + 2.5) / 2
    assert logistic(found.absolute_ic50, 4.8, 14.0, 5.0) == pytest.approx(level, rel=1e-6)
    assert found.absolute_ic50 > found.ic50
    assert found.emax == pytest.approx(100 * (14.0 - 4.8) / (14.0 - 2.5), rel=1e-6)


def test_controls_of_their_own_replace_dose_zero() -> None:
    response = np.tile(logistic(DOSES, 5.0, 12.0, 5.0), (3, 1))
    found = fit(DOSES, response, unstimulated=5.0, stimulated=np.full(3, 14.0))
    assert logistic(found.absolute_ic50, 5.0, 12.0, 5.0) == pytest.approx(9.5, rel=1e-6)
    without = fit(DOSES, response)
    assert without.ic50 == found.ic50
    assert without.absolute_ic50 is without.emax is None
    assert without.note == "no unstimulated control: no absolute IC50, no Emax"
    no_zero = fit(DOSES[1:], response[:, 1:], unstimulated=5.0)
    assert no_zero.ic50 == pytest.approx(5.0, rel=1e-5)
    assert no_zero.absolute_ic50 is None
    assert no_zero.note == "no stimulated control: no absolute IC50, no Emax"
    neither = fit(DOSES[1:], response[:, 1:])
    assert neither.note.startswith("no unstimulated nor stimulated control")


def test_units_do_not_matter() -> None:
    response, controls = replicates(np.random.default_rng(2))
    one = fit(DOSES, response, controls)
    other = fit(1000 * DOSES, 1e4 * response - 7, 1e4 * controls - 7)
    for name in ("ic50", "ic50_low", "ic50_high", "absolute_ic50_low", "absolute_ic50_high"):
        assert getattr(other, name) == pytest.approx(1000 * getattr(one, name), rel=1e-4)
    assert (other.hill, other.emax) == pytest.approx((one.hill, one.emax), rel=1e-4)
    percent = normalised(response, controls.mean(), response[:, 0].mean())
    assert fit(DOSES, percent, 0, 100).ic50 == pytest.approx(one.ic50, rel=1e-4)


def test_the_same_data_give_the_same_result() -> None:
    response, controls = replicates(np.random.default_rng(1))
    shuffled = np.random.default_rng(0).permutation(DOSES.size)
    assert fit(DOSES, response, controls) == fit(DOSES, response, controls)
    assert fit(DOSES[shuffled], response[:, shuffled], controls, response[:, 0]) == fit(
        DOSES, response, controls
    )


def test_what_a_replicate_shares_over_its_doses_costs_nothing() -> None:
    response, _ = replicates(np.random.default_rng(1))
    apart = response + np.linspace(-5, 5, 8)[:, None]
    one, other = fit(DOSES, response), fit(DOSES, apart)
    assert (other.ic50_low, other.ic50_high) == pytest.approx(
        (one.ic50_low, one.ic50_high), rel=1e-3
    )
    assert other.top_high - other.top_low > 3 * (one.top_high - one.top_low)


def test_results_survive_json() -> None:
    rng = np.random.default_rng(1)
    response, controls = replicates(rng)
    for found in (fit(DOSES, response, controls), fit(DOSES, only_noise(rng), controls)):
        again = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert again["ic50"] == found.ic50
        assert [tuple(curve) for curve in again["left_out"]] == list(found.left_out)


def test_quantities_in_words() -> None:
    found = DoseResponse(ic50=5.812, ic50_low=5.2, ic50_high=6.43, absolute_ic50_low=64.0, emax=9.0)
    assert found.words() == "5.81 (5.2 to 6.43)"
    assert DoseResponse(ic50=1273, ic50_low=677.1, ic50_high=5361).words() == "1270 (677 to 5360)"
    assert found.words("absolute_ic50") == "> 64"
    assert found.words("emax") == "9 (no limits)"
    assert found.words("hill") == "not determined"
    assert DoseResponse(ic50=45.0, ic50_low=20.0).words() == "45 (> 20)"
    assert DoseResponse(ic50_high=0.125).words() == "< 0.125"


def test_the_band_holds_the_curve_and_its_ends() -> None:
    found = fit(DOSES, replicates(np.random.default_rng(1))[0])
    low, high = found.band(DOSES)
    curve = found.curve(DOSES)
    assert ((low < curve) & (curve < high)).all()
    assert curve[0] == pytest.approx(found.top)
    assert (low[0], high[0]) == pytest.approx((found.top_low, found.top_high))


def test_points_are_means_and_standard_errors() -> None:
    response, _ = replicates(np.random.default_rng(1))
    response[1:, 3] = np.nan
    found = fit(DOSES, response, unstimulated=5.0)
    assert found.doses == tuple(DOSES) and found.replicates == 8
    np.testing.assert_allclose(found.means, np.nanmean(response, axis=0))
    assert found.errors[3] is None
    assert found.errors[0] == pytest.approx(response[:, 0].std(ddof=1) / math.sqrt(8))
    assert found.note.startswith("7 of 96 values missing; rows with missing values are not taken")
    assert fit(DOSES, response, unstimulated=5.0, paired=True).note == "7 of 96 values missing"


# --- how often the limits hold -----------------------------------------------------------------


def count_inside(cases: int, seed: int, **truth: Any) -> tuple[int, int]:
    """Return in how many of the cases the relative and the absolute IC50 lie in their limits."""
    rng = np.random.default_rng(seed)
    inside = [0, 0]
    for _ in range(cases):
        found = fit(DOSES, *replicates(rng, **truth))
        assert found.determined
        inside[0] += found.ic50_low <= truth["ic50"] <= found.ic50_high
        assert found.absolute_ic50_low is not None and found.absolute_ic50_high is not None
        inside[1] += found.absolute_ic50_low <= truth["ic50"] <= found.absolute_ic50_high
    return inside[0], inside[1]


def test_the_limits_hold_in_90_to_99_of_100_cases() -> None:
    relative, absolute = count_inside(100, 1, ic50=6.0)
    assert 90 <= relative <= 99
    assert 90 <= absolute <= 99


@pytest.mark.slow
@pytest.mark.parametrize(
    "truth",
    [
        {"ic50": 6.0, "of_span": 0.0, "of_ic50": 0.0, "shared": 0.0, "noise": 0.4},
        {"ic50": 6.0, "of_span": 0.0, "of_ic50": 0.0},
        {"ic50": 9.0},
        {"ic50": 13.0},
        {"ic50": 6.0, "noise": 1.0},
        {"ic50": 6.0, "count": 3},
        {"ic50": 6.0, "count": 16},
    ],
    ids=lambda truth: " ".join(f"{key} {value}" for key, value in truth.items()),
)
def test_the_limits_hold_whatever_the_noise_and_number(truth: dict[str, float]) -> None:
    relative, absolute = count_inside(300, 2, **truth)
    assert 270 <= relative <= 297
    assert 270 <= absolute <= 297


def test_noise_is_no_response() -> None:
    rng = np.random.default_rng(3)
    found = [fit(DOSES, only_noise(rng), UNSTIMULATED) for _ in range(60)]
    assert sum(one.determined for one in found) <= 3
    silent = [one for one in found if one.note.startswith("no detectable dose response")]
    assert len(silent) > 50
    assert all(one.ic50 is one.ic50_low is one.ic50_high is one.hill is None for one in silent)
    assert all(one.absolute_ic50 is None and one.absolute_ic50_low == 1000 for one in silent)


# --- what it does not claim --------------------------------------------------------------------


def test_half_not_reached_gives_a_bound() -> None:
    rng = np.random.default_rng(0)
    found = fit(TO_64, *replicates(rng, ic50=600, of_span=0, doses=TO_64))
    assert not found.determined and found.ic50 is None and found.ic50_high is None
    assert found.absolute_ic50 is None and found.absolute_ic50_high is None
    assert found.absolute_ic50_low == 64
    assert "absolute IC50 not reached: > 64" in found.note
    assert found.bottom is found.emax is None  # would be an extrapolation
    assert found.top == pytest.approx(STIMULATED, abs=0.5)


def test_half_passed_at_the_first_dose_gives_a_bound() -> None:
    found = fit(DOSES, *replicates(np.random.default_rng(1), ic50=0.01, of_span=0))
    assert not found.determined and found.ic50 is None and found.ic50_low is None
    assert found.ic50_high is not None and found.ic50_high <= 0.25
    assert "IC50 not reached: < " in found.note


def test_an_interval_may_be_open_on_one_side() -> None:
    found = fit(TO_64, *replicates(np.random.default_rng(2), ic50=45, doses=TO_64))
    assert not found.determined
    assert found.ic50 is not None and found.ic50_low is not None and found.ic50_high is None
    assert found.ic50_low < found.ic50 < 64
    assert "its interval is open above 64" in found.note


@pytest.mark.parametrize("count", [1, 5])
def test_without_dose_zero_the_top_must_be_seen(count: int) -> None:
    def found(doses: list[float], **truth: float) -> DoseResponse:
        rng = np.random.default_rng(3)
        alike = {"of_ic50": 0.02, "of_span": 0.01, "noise": 0.05}
        response, _ = replicates(rng, count=count, doses=np.array(doses), **alike, **truth)
        return fit(doses, response)

    few = found([2, 10, 50, 300], ic50=4.6)
    assert few.ic50 == pytest.approx(4.6, rel=0.3)
    assert not few.determined and few.ic50_low is few.top is None
    assert "no dose 0: the top is extrapolated" in few.note
    many = found([0.1, 0.5, 2, 10, 50, 300], ic50=4.6)
    assert many.determined == (count > 1) and many.top is not None
    assert "extrapolated" not in found([0, 2, 10, 50, 300], ic50=4.6).note + many.note
    if count > 1:
        assert "its interval is open below 2" in few.note
        assert found([0, 2, 10, 50, 300], ic50=4.6).determined


def test_a_weak_drug_has_a_relative_ic50_only() -> None:
    found = fit(DOSES, *replicates(np.random.default_rng(2), bottom=11.0, of_span=0, of_ic50=0))
    assert found.determined and found.ic50_low < 6 < found.ic50_high
    assert found.absolute_ic50 is None and found.absolute_ic50_low == 1000
    assert found.emax == pytest.approx(40, abs=5)


def test_a_step_lies_between_two_doses() -> None:
    step = np.where(DOSES > 5, 0.0, 10.0) + 0.1 * np.random.default_rng(1).normal(size=(8, 12))
    found = fit(DOSES, step)
    assert (found.ic50_low, found.ic50_high) == (4, 8) and 4 < found.ic50 < 8
    assert "steeper than the doses resolve" in found.note


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_response_that_turns_back_has_no_ic50(sign: int) -> None:
    rng = np.random.default_rng(1)
    hump = sign * np.exp(-0.5 * (np.arange(12) - 6.0) ** 2)
    found = fit(DOSES, hump + 0.1 * rng.normal(size=(8, 12)), unstimulated=-2.0)
    assert found.note == "the response is not monotone: no logistic describes it"
    assert found.ic50 is found.absolute_ic50 is found.top is None and not found.determined
    assert len(found.means) == 12 and np.isnan(found.curve(DOSES)).all()


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_data(value: float) -> None:
    found = fit(DOSES, np.full((8, 12), value), unstimulated=0.0)
    assert (
        found.ic50 is None
        and not found.determined
        and found.note.startswith("no detectable dose response")
    )
    assert found.top == found.bottom == value
    assert (found.absolute_ic50_low == 1000) == (value > 0)
    assert ("the controls do not differ" in found.note) == (value == 0)


def test_controls_that_do_not_differ() -> None:
    rng = np.random.default_rng(1)
    response, _ = replicates(rng)
    found = fit(DOSES, response, unstimulated=response[:, 0] + 0.1 * rng.normal(size=8))
    assert found.determined and found.absolute_ic50 is found.emax is None
    assert "the controls do not differ" in found.note


def test_few_replicates_cannot_tell_controls_apart() -> None:
    response = np.outer([0.9, 1.1], 5 + 10 / (1 + DOSES / 6))
    found = fit(DOSES, response, unstimulated=[6.0, 2.0])
    words = "2 replicates are too few to tell the controls apart: no absolute IC50, no Emax"
    assert found.ic50 == pytest.approx(6, rel=0.01) and words in found.note
    assert "the controls do not differ" in fit(DOSES, response, unstimulated=response[:, 0]).note


def test_controls_that_scatter_more_widen_limits() -> None:
    rng = np.random.default_rng(1)
    response = 5 + 10 / (1 + DOSES / 6) + 0.5 * rng.normal(size=(3, DOSES.size))
    away = np.array([-1.0, 0.0, 1.0])
    little, alike, much = (
        fit(DOSES, response, unstimulated=2 + away * sd, paired=False) for sd in (0.01, 0.3, 2.0)
    )
    assert little.absolute_ic50_low == pytest.approx(alike.absolute_ic50_low)  # few know little
    assert much.absolute_ic50 == pytest.approx(alike.absolute_ic50)
    assert much.absolute_ic50_low < 0.9 * alike.absolute_ic50_low
    assert much.absolute_ic50_high > 1.1 * alike.absolute_ic50_high
    assert (much.ic50_low, much.ic50_high) == (alike.ic50_low, alike.ic50_high)


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_slope_at_its_bound_has_no_limits(noise: float) -> None:
    """All curves stop at the bound: that they agree there is no certainty."""
    values = noise * np.random.default_rng(1).normal(size=(8, 12))
    steep = fit(DOSES, logistic(DOSES, 5.0, 14.0, 5.0, 40.0) + values, unstimulated=5.0)
    assert steep.hill == pytest.approx(10, rel=0.01) and "steeper than" in steep.note
    assert steep.ic50_low <= 4 and steep.ic50_high >= 8  # between them, and nothing tells where
    assert steep.absolute_ic50_low <= 4 and steep.absolute_ic50_high >= 8
    line = fit(DOSES[1:], 14 - np.log(DOSES[1:]) + values[:, 1:])
    assert line.hill == pytest.approx(0.2, rel=0.01) and "flatter than" in line.note
    far = fit(DOSES, logistic(DOSES, 5.0, 14.0, 1e-5, 0.3) + values)
    assert far.ic50 is None
    for found in (steep, line, far):
        assert found.hill_low is found.hill_high is None


@pytest.mark.parametrize("count", [1, 2])
def test_few_replicates(count: int) -> None:
    response, controls = replicates(np.random.default_rng(1), count=count)
    found = fit(DOSES, response, controls)
    assert found.ic50 == pytest.approx(6, rel=0.5)
    if count == 1:
        assert found.ic50_low is found.ic50_high is found.emax_low is None and not found.determined
        assert "no intervals: one replicate" in found.note
        assert np.isnan(found.band(DOSES)).all()
    else:
        assert found.ic50_low is None or found.ic50_low < 6


def test_a_control_of_one_value_has_no_limits() -> None:
    response, controls = replicates(np.random.default_rng(1))
    controls[1:] = np.nan
    found = fit(DOSES, response, controls)
    assert found.determined and found.absolute_ic50 is not None
    assert found.absolute_ic50_low is found.absolute_ic50_high is found.emax_low is None
    assert "a control has one value" in found.note


@pytest.mark.parametrize("known", [0, 1, 3])
def test_fewer_doses_than_parameters(known: int) -> None:
    response, controls = replicates(np.random.default_rng(1))
    response[:, known:] = np.nan
    found = fit(DOSES, response, controls)
    assert found.note.startswith(f"doses with values: {known}; a fit needs at least 4")
    assert not found.determined and found.ic50 is None and len(found.means) == known


def test_missing_replicates_and_doses_are_left_out() -> None:
    response, controls = replicates(np.random.default_rng(1))
    gaps = np.vstack([response, np.full(12, np.nan)])
    found = fit(DOSES, gaps, np.append(controls, 5.0))
    whole = fit(DOSES, response, controls)
    assert found.note == "12 of 108 values missing"
    assert (found.ic50, found.ic50_low, found.replicates) == (whole.ic50, whole.ic50_low, 8)
    gaps = response.copy()
    gaps[1:, 4] = np.nan  # a dose that only one replicate has
    assert fit(DOSES, gaps, controls, paired=True).determined
    gaps = response[:2].copy()
    gaps[1, 1:] = np.nan  # without the first replicate there is no dose left
    assert not fit(DOSES, gaps, controls[:2], paired=True).determined


@given(st.data())
def test_any_table_gives_an_answer_that_is_consistent(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    count = data.draw(st.integers(1, 4))
    draw: Callable[[], Array] = data.draw(
        st.sampled_from(
            [
                lambda: rng.integers(0, 3, size=(count, 12)).astype(float),
                lambda: rng.normal(size=(count, 12)) * 10.0 ** rng.integers(-100, 100),
                lambda: replicates(rng, 10 ** rng.uniform(-3, 4), count=count)[0],
                lambda: np.where(rng.random((count, 12)) < 0.5, np.nan, rng.normal(size=12)),
                lambda: np.zeros((count, 12)),
            ]
        )
    )
    found = fit(
        DOSES,
        draw(),
        data.draw(st.sampled_from([None, 0.0, rng.normal(size=count)])),
        paired=data.draw(st.sampled_from([None, True, False])),
    )
    fields = found.as_dict()
    json.dumps(fields, allow_nan=False)
    for name in ("ic50", "absolute_ic50"):
        value, low, high = (fields[name + end] for end in ("", "_low", "_high"))
        assert value is None or 0.125 <= value <= 1000
        assert low is None or (low >= 0.125 and (value is None or low <= value))
        assert high is None or (high <= 1000 and (value is None or value <= high))
    closed = None not in (found.ic50, found.ic50_low, found.ic50_high)
    assert found.determined == closed
    assert found.note or (found.determined and None not in fields.values())


# --- percent -----------------------------------------------------------------------------------


def test_normalised() -> None:
    assert normalised([5, 7.5, 10], 5, 10).tolist() == [0, 50, 100]
    assert normalised([5, 7.5, 10], 10, 5).tolist() == [100, 50, 0]
    assert np.isnan(normalised([1, 2], 3, 3)).all()
    assert normalised([[1, 2], [3, 4]], [[0], [2]], [[2], [4]]).tolist() == [[50, 100], [50, 100]]


def test_dose_zero_is_exactly_the_top() -> None:
    assert logistic(0.0, 1.1, 7.3, 5.0, 0.3) == 7.3
    assert logistic([5.0, 1e300], 1.0, 7.0, 5.0, 2.0).tolist() == [4.0, 1.0]
    np.testing.assert_allclose(
        logistic(DOSES, 1.0, 7.0, 5.0, 1.7), naive.hill_curve(DOSES, 1.0, 7.0, 5.0, 1.7)
    )
