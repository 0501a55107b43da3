from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.units import UNITS, ng_per_ml_to_nM, nM_to_ng_per_ml, parse_quantity


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("12 mg", "mg", 12.0),
        ("12mg", "mg", 12.0),
        ("0.012 g", "mg", 12.0),
        ("  1.5  h ", "min", 90.0),
        ("2 days", "h", 48.0),
        ("1 week", "d", 7.0),
        ("0.8 mm", "um", 800.0),
        ("5.6e-3 uM", "nM", 5.6),
        ("250 pM", "nM", 0.25),
        ("3 nmol/L", "nM", 3.0),
        ("50 ng/mL", "ng/mL", 50.0),
        ("50 ug/L", "ng/ml", 50.0),
        ("100 um2/s", "um^2/s", 100.0),
        ("100 µm²/s", "um2/s", 100.0),
        ("1e-10 m2/s", "um2/s", 100.0),
        ("3.6 1/h", "1/s", 0.001),
        ("400 1/mm2", "1/cm2", 40000.0),
        ("0.2 mg/kg", "ug/kg", 200.0),
        ("-10 um", "um", -10.0),
        ("45 kDa", "g/mol", 45000.0),
        ("25 %", "1", 0.25),
    ],
)
def test_known_conversions_are_exact(text: str, unit: str, value: float) -> None:
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize(
    ("text", "unit", "says"),
    [
        ("twelve mg", "mg", "not a number with a unit"),
        ("", "mg", "not a number with a unit"),
        ("mg", "mg", "not a number with a unit"),
        ("nan mg", "mg", "not a number with a unit"),
        ("1 2 mg", "mg", "not a known unit"),
        ("12", "mg", "has no unit; write it as '12 mg'"),
        ("12 mgs", "mg", "not a known unit; known are m, "),
        ("12 um/", "um", "not a known unit"),
        ("12 nm", "nM", "nm measures something else"),
        ("5 ng/mL", "nM", "ng/mL measures something else"),
        ("3 h", "um", "h measures something else"),
        ("1e999 mg", "ng", "too large"),
    ],
)
def test_other_quantities_are_refused(text: str, unit: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_quantity(text, unit)


@given(
    st.floats(-1e6, 1e6),
    st.sampled_from([(a, b) for a in UNITS for b in UNITS if UNITS[a][1] == UNITS[b][1]]),
)
def test_converting_there_and_back_gives_the_same(value: float, pair: tuple[str, str]) -> None:
    a, b = pair
    there = parse_quantity(f"{value!r} {a}", b)
    assert parse_quantity(f"{there!r} {b}", a) == pytest.approx(value, rel=1e-15, abs=1e-290)


@given(st.text(max_size=30))
def test_any_text_gives_a_number_or_a_value_error(text: str) -> None:
    try:
        assert isinstance(parse_quantity(text, "mg"), float)
    except ValueError as error:
        assert str(error)


def test_mass_and_molar_concentration() -> None:
    # 45 kDa: 45 ng/mL is 1 nM
    assert ng_per_ml_to_nM(45.0, 45_000.0) == 1.0
    assert nM_to_ng_per_ml(2.0, 45_000.0) == 90.0
