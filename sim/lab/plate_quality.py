"""How good a plate is: controls, Z', wells at the edge, and wells that are unlike their like."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import stats

from sim.fits.quality import outliers_within
from sim.lab.wells import FORMATS, NEGATIVE, POSITIVE, place, size_of

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Level(NamedTuple):
    """Wells of a control: their number, mean and standard deviation; None is not known."""

    wells: int
    mean: float | None
    sd: float | None


class OutlyingWell(NamedTuple):
    """A well that is too far from the others of its condition for chance."""

    well: str
    value: float
    expected: float
    p: float


@dataclass(frozen=True)
class WellQuality:
    """How good a plate is by one read-out.

    Attributes
    ----------
    positive, negative : Level
        Controls with full response and with none.
    z_prime : float or None
        1 - 3 (sd of positive + sd of negative) / difference of their means; None with fewer than
        two wells of each.
    edge_percent, edge_low, edge_high : float or None
        By how much wells at the edge differ from others of their condition, in per cent of the
        mean of all wells, with 95 % limits.
    outliers : tuple of OutlyingWell
    """

    positive: Level
    negative: Level
    z_prime: float | None
    edge_percent: float | None
    edge_low: float | None
    edge_high: float | None
    outliers: tuple[OutlyingWell, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as in ``plate.json``."""
        found = asdict(self)
        for name in ("positive", "negative"):
            found[name] = getattr(self, name)._asdict()
        return found | {"outliers": [one._asdict() for one in self.outliers]}


def percent(wells: pd.DataFrame, readout: str, dose: str) -> tuple[Array, list[str]]:
    """Return a read-out in per cent of the positive control of its plate, and what was assumed.

    The control of a well has its ligand; where no positive control names a ligand, all are its
    control. Without positive controls, wells without drug are.
    """
    notes: list[str] = []
    values = wells[readout].to_numpy(dtype=float)
    control = (wells["control"] == POSITIVE).to_numpy()
    if not control.any():
        control = ((wells[dose] == 0) & (wells["control"] == "")).to_numpy()
        if control.any():
            notes.append("no positive controls; per cent of the wells without drug")
    if not control.any():
        return np.full(values.size, math.nan), ["no control, so that there are no per cents"]
    ligand = wells["ligand"].to_numpy()
    if not (ligand[control] != "").any():
        ligand = np.zeros(values.size)
    level = np.full(values.size, math.nan)
    for one in dict.fromkeys(ligand.tolist()):
        here = ligand == one
        level[here] = _level(values[control & here]).mean or math.nan
    without = np.isnan(level) & (wells["control"] == NEGATIVE).to_numpy()
    level[without] = _level(values[control]).mean or math.nan  # a control without ligand
    found = 100.0 * values / level
    lost = sorted({str(one) for one, value, known in zip(ligand, found, values, strict=True)
                   if np.isnan(value) and np.isfinite(known)})  # fmt: skip
    for one in lost:
        which = f"with the ligand {one}" if one and ligand.dtype == object else "without a ligand"
        notes.append(f"wells {which} have no control, or one of 0: no per cents there")
    return found, notes


def quality(wells: pd.DataFrame, readout: str, dose: str, conditions: Sequence[str]) -> WellQuality:
    """Return how good a plate is by one read-out.

    Z' is that of Zhang, Chung & Oldenburg (1999) J Biomol Screen 4, 67-73. The edge is the
    coefficient of a linear model of condition and edge, so that it is no effect of where
    conditions are; outliers are those of `sim.fits.quality.outliers_within`.
    """
    values = wells[readout].to_numpy(dtype=float)
    control = wells["control"].to_numpy()
    positive, negative = _level(values[control == POSITIVE]), _level(values[control == NEGATIVE])
    z_prime = None
    if positive.sd is not None and negative.sd is not None:
        away = abs(positive.mean - negative.mean)  # type: ignore[operator]
        z_prime = 1.0 - 3.0 * (positive.sd + negative.sd) / away if away else None
    known = np.isfinite(values)
    y, names = values[known], wells["well"].to_numpy()[known]
    group = wells[known].groupby([*conditions], sort=False, dropna=False).ngroup().to_numpy()
    edge = _edge_effect(y, group, _at_edge(list(wells["well"]), list(names)))
    found = [
        OutlyingWell(str(names[n]), float(y[n]), expected, p)
        for n, expected, p in outliers_within(y, group)
    ]
    return WellQuality(positive, negative, z_prime, *edge, tuple(found))


def _level(values: Array) -> Level:
    values = values[np.isfinite(values)]
    mean = float(values.mean()) if values.size else None
    sd = float(values.std(ddof=1)) if values.size > 1 else None
    return Level(int(values.size), mean, sd)


def _at_edge(all_wells: list[str], wells: list[str]) -> NDArray[np.bool_]:
    """Return which wells are in the first or last row or column of the plate."""
    last_row, last_column = (n - 1 for n in FORMATS[size_of(all_wells)])
    places = [place(well) for well in wells]
    return np.array([r in (0, last_row) or c in (0, last_column) for r, c in places], dtype=bool)


def _edge_effect(
    y: Array, group: NDArray[np.int_], edge: NDArray[np.bool_]
) -> tuple[float | None, float | None, float | None]:
    """Return the effect of the edge in per cent of the mean, with 95 % limits."""
    lacking = None, None, None
    if not y.size or not y.mean():
        return lacking
    apart = edge.astype(float)
    left, own = y.copy(), apart.copy()
    for one in np.unique(group):  # conditions are taken off both sides: Frisch, Waugh and Lovell
        here = group == one
        left[here] -= y[here].mean()
        own[here] -= apart[here].mean()
    degrees = y.size - np.unique(group).size - 1
    weight = float(own @ own)
    if degrees < 1 or weight < 1e-9:
        return lacking  # no condition is both at the edge and inside
    slope = float(own @ left) / weight
    rest = left - slope * own
    error = math.sqrt(float(rest @ rest) / degrees / weight)
    reach = float(stats.t.ppf(0.975, degrees)) * error
    low, middle, high = (100.0 * value / abs(float(y.mean()))
                         for value in (slope - reach, slope, slope + reach))  # fmt: skip
    return middle, low, high
