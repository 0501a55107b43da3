"""Quantities with units: the one place where units are converted.

Numbers inside the simulator carry their unit in their name; strings such as ``"12 mg"`` are
turned into such numbers here, exactly (by fractions), before anything is computed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

# Base units: m, s, g, mol. Each unit: its size in these, and the powers of the four.
_Unit = tuple[Fraction, tuple[int, int, int, int]]
_LENGTH, _TIME, _MASS, _AMOUNT = (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)
_VOLUME, _MOLAR, _PER_MOLE = (3, 0, 0, 0), (-3, 0, 0, 1), (0, 0, 1, -1)

_SIZES: dict[tuple[int, int, int, int], dict[str, str]] = {
    _LENGTH: {"m": "1", "cm": "1e-2", "mm": "1e-3", "um": "1e-6", "nm": "1e-9"},
    _TIME: {"ms": "1e-3", "s": "1", "min": "60", "h": "3600", "d": "86400", "week": "604800"},
    _MASS: {"kg": "1e3", "g": "1", "mg": "1e-3", "ug": "1e-6", "ng": "1e-9", "pg": "1e-12"},
    _AMOUNT: {
        "mol": "1", "mmol": "1e-3", "umol": "1e-6", "nmol": "1e-9", "pmol": "1e-12",
        "fmol": "1e-15",
    },
    _VOLUME: {"L": "1e-3", "dL": "1e-4", "mL": "1e-6", "uL": "1e-9"},
    _MOLAR: {"M": "1e3", "mM": "1", "uM": "1e-3", "nM": "1e-6", "pM": "1e-9", "fM": "1e-12"},
    _PER_MOLE: {"Da": "1", "kDa": "1e3"},
    (0, 0, 0, 0): {"1": "1", "%": "1e-2"},
}  # fmt: skip

UNITS: Mapping[str, _Unit] = MappingProxyType(
    {name: (Fraction(size), power) for power, row in _SIZES.items() for name, size in row.items()}
)
"""Every unit by name; ``um2/s`` and the like are put together from these."""

_SPELLINGS = {
    "l": "L", "dl": "dL", "ml": "mL", "ul": "uL", "sec": "s", "second": "s", "seconds": "s",
    "minute": "min", "minutes": "min", "hr": "h", "hour": "h", "hours": "h", "day": "d",
    "days": "d", "weeks": "week",
}  # fmt: skip

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*(\S.*?)?\s*", re.ASCII | re.DOTALL)
_FACTOR = re.compile(r"(1|%|[A-Za-z]+)(?:\^?(-?\d))?", re.ASCII)


def parse_quantity(text: str, unit: str) -> float:
    """Return a quantity written with its unit as a number in another unit.

    Parameters
    ----------
    text : str
        A number and a unit: ``"12 mg"``, ``"0.5 h"``, ``"100 um2/s"``, ``"5 ng/mL"``.
    unit : str
        The unit wanted.

    Returns
    -------
    float
        The value in `unit`, rounded once.

    Raises
    ------
    ValueError
        If `text` is no number with a unit, or its unit measures something else than `unit`.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit, such as '12 {unit}'")
    number, written = match.groups()
    if written is None:
        raise ValueError(f"{text!r} has no unit; write it as '{number} {unit}'")
    size, power = _read_unit(written)
    wanted_size, wanted_power = _read_unit(unit)
    if power != wanted_power:
        raise ValueError(f"{text!r} cannot be given in {unit}: {written} measures something else")
    try:
        return float(Fraction(number) * size / wanted_size)
    except OverflowError:
        raise ValueError(f"{text!r} is too large") from None


AVOGADRO = 6.02214076e23  # 1/mol, exact in the SI


def ng_per_ml_to_nM(concentration_ng_ml: float, molar_mass_g_mol: float) -> float:
    """Return a mass concentration [ng/mL] as a molar one [nM]; the molar mass is in g/mol."""
    return concentration_ng_ml * 1e3 / molar_mass_g_mol


def nM_to_ng_per_ml(concentration_nM: float, molar_mass_g_mol: float) -> float:
    """Return a molar concentration [nM] as a mass one [ng/mL]; the molar mass is in g/mol."""
    return concentration_nM * molar_mass_g_mol / 1e3


def _read_unit(text: str) -> _Unit:
    """Return size and powers of a unit such as ``um2/s``, ``1/h`` or ``mg/kg``."""
    plain = text.replace("µ", "u").replace("μ", "u").replace("²", "2").replace("³", "3")
    size, powers = Fraction(1), [0, 0, 0, 0]
    for place, part in enumerate(plain.split("/")):
        match = _FACTOR.fullmatch(part.strip())
        name = _SPELLINGS.get(match[1], match[1]) if match else ""
        if match is None or name not in UNITS:
            raise ValueError(f"{text!r} is not a known unit; known are {', '.join(UNITS)}")
        exponent = int(match[2] or 1) * (-1 if place else 1)
        size *= UNITS[name][0] ** exponent
        powers = [p + exponent * q for p, q in zip(powers, UNITS[name][1], strict=True)]
    return size, (powers[0], powers[1], powers[2], powers[3])
