"""Combined blockades: expected and measured inhibition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq

from sim.fits.limits import (
    Array,
    alike,
    distinct,
    limits_of,
    measured,
    not_negative,
    numbers,
    reach,
)
from sim.fits.logistic import Curve, DoseResponse, normalised

IDLE = 0.1  # of the controls' difference: within it a blockade counts as doing nothing alone
NOISE = 0.5  # an inhibition measured below 0 or above 1 by more is no fraction


class Expectation(NamedTuple):
    """The inhibition to expect, a fraction; NaN where it is not defined, with the reason."""

    inhibition: float
    note: str


def bliss(inhibitions: ArrayLike) -> Array:
    """Return what independent blockades inhibit together, 1 - product of (1 - a).

    Parameters
    ----------
    inhibitions : (N, ...) array_like
        Inhibition by each blockade alone, a fraction, not percent. Values a little below 0 or
        above 1, which noise gives, are taken as they are.

    Returns
    -------
    array, shape (...)
        NaN where an inhibition is NaN.

    Raises
    ------
    ValueError
        If an inhibition is not a fraction: more than `NOISE` below 0 or above 1.

    Notes
    -----
    Independence after Bliss (1939), Ann Appl Biol 26:585. An observed inhibition above it is
    called synergy, one below antagonism.
    """
    return _independent(_fractions(inhibitions, "inhibitions", -NOISE))


def _independent(inhibitions: Array) -> Array:
    return np.asarray(1.0 - np.prod(1.0 - inhibitions, axis=0))


def _fractions(values: ArrayLike, name: str, least: float) -> Array:
    """Return `numbers` between `least` and 1 + `NOISE`, or missing."""
    table = numbers(values, name)
    wrong = table[(table < least) | (table > 1 + NOISE)]
    if wrong.size:
        guess = "; if these are percent, divide by 100" if np.abs(wrong).max() > 1 + NOISE else ""
        raise ValueError(f"{name} must be fractions from 0 to 1, not {wrong[0]:g}{guess}")
    return table


def loewe(
    doses: ArrayLike, ic50: ArrayLike, hill: ArrayLike = 1.0, emax: ArrayLike = 1.0
) -> Expectation:
    """Return the inhibition of a combination under Loewe additivity.

    It is the a at which the doses, each as a share of the dose D(a) that inhibits as much alone,
    add up to one: sum of d / D(a) = 1, with D(a) = ic50 (a / (emax - a))^(1 / hill). A drug is
    exactly additive with itself.

    Parameters
    ----------
    doses : (N,) array_like
        Dose of each blockade, at least 0; in units of `ic50`, or in IC50-equivalents with an
        `ic50` of 1.
    ic50, hill, emax : float or (N,) array_like
        Each blockade alone: dose of half its largest inhibition, slope, largest inhibition as a
        fraction; None or NaN where not determined. A blockade with an `emax` of 0 is inert and
        drops out (Greco et al. 1995).

    Returns
    -------
    Expectation
        NaN with the reason where a parameter or dose is not finite, an `emax` is negative, or the
        others alone inhibit more than one does at any dose: no dose of that one is equivalent.

    Raises
    ------
    ValueError
        If a dose is negative, an IC50 or slope not positive, or an `emax` above 1 by more than
        `NOISE`.

    Notes
    -----
    Loewe & Muischnek (1926), Arch Exp Pathol Pharmakol 114:313; Greco, Bravo & Parsons (1995),
    Pharmacol Rev 47:331.
    """
    columns = not_negative(doses), not_negative(ic50, "ic50"), numbers(hill, "hill")
    table = np.stack(np.broadcast_arrays(*columns, _fractions(emax, "emax", -1 - NOISE)))
    if table.ndim != 2:
        raise ValueError("doses must have the shape (N,)")
    if (table[1:3] <= 0).any():
        raise ValueError("ic50 and hill must be positive")
    return _additive(table)


def _additive(table: Array) -> Expectation:
    """Return Loewe's expectation of doses, IC50s, slopes and largest inhibitions (4, N)."""
    inert = table[3] == 0
    notes = [f"blockade {i + 1} is inert alone and drops out" for i in np.flatnonzero(inert)]
    table = table[:, ~inert]
    if not np.isfinite(table).all():
        return Expectation(math.nan, "; ".join(["a dose or parameter is not finite", *notes]))
    if (table[3] < 0).any():
        return Expectation(math.nan, "; ".join(["a blockade alone does the opposite", *notes]))
    table = table[:, table[0] > 0]
    if table.shape[1] == 0:
        return Expectation(0.0, "; ".join(notes))
    d, half, slope, most = table

    def excess(inhibition: float) -> float:
        with np.errstate(divide="ignore"):
            shares = d / half * (most / inhibition - 1.0) ** (1.0 / slope)
        return float(shares.sum()) - 1.0

    limit = float(most.min())
    if excess(limit) >= 0.0:
        words = f"the others inhibit more than {limit:g}, the most that one does at any dose"
        return Expectation(math.nan, "; ".join([words, *notes]))
    # At the largest inhibition that one of them gives alone, its share is one already.
    low = min(limit, float((most / (1.0 + (half / d) ** slope)).max()))
    found = float(brentq(excess, low, limit, xtol=1e-14)) if excess(low) > 0.0 else low
    return Expectation(found, "; ".join(notes))


class Blockade(NamedTuple):
    """Responses (R, D) to one blockade, by replicate and dose, and the fit to them."""

    response: Array
    fit: DoseResponse


@dataclass(frozen=True)
class Comparison:
    """Effect of a blockade at a dose, and the effect expected from its parts.

    Inhibition is a fraction of the difference between the controls. Limits, ``_low`` and ``_high``,
    are 95 %. None is what is not known or not defined; `note` says why.

    Attributes
    ----------
    dose : float
    inhibition : float or None
        As measured.
    bliss, loewe : float or None
        As expected of the parts; None for a single blockade.
    bliss_excess, loewe_excess : float or None
        Inhibition above the expectation: positive is synergy.
    note : str
        Why something is None, and what else should be known; empty if all is well.
    """

    dose: float
    inhibition: float | None = None
    inhibition_low: float | None = None
    inhibition_high: float | None = None
    bliss: float | None = None
    bliss_low: float | None = None
    bliss_high: float | None = None
    bliss_excess: float | None = None
    bliss_excess_low: float | None = None
    bliss_excess_high: float | None = None
    loewe: float | None = None
    loewe_low: float | None = None
    loewe_high: float | None = None
    loewe_excess: float | None = None
    loewe_excess_low: float | None = None
    loewe_excess_high: float | None = None
    note: str = ""


def compare(
    dose: ArrayLike,
    response: ArrayLike,
    unstimulated: ArrayLike,
    parts: Mapping[str, Blockade] | None = None,
) -> list[Comparison]:
    """Compare a combined blockade with its parts, each given at the same doses alone.

    Limits come from leaving out one whole replicate at a time, measurement and expectations
    together, so that what replicates share does not count.

    A part drops out of Loewe at a dose where its fit is a constant, the limits of its inhibition
    there contain 0, and those of its largest inhibition at any dose lie within `IDLE` of 0. A part
    whose response may hide in noise leaves Loewe undefined.

    Parameters
    ----------
    dose : (D,) array_like
        Rising, the first 0: there is the stimulated control of each blockade.
    response : (R, D) array_like
        Response of each replicate at each dose; NaN for runs that are missing.
    unstimulated : (R,) array_like
        The other control, of the same age.
    parts : mapping of str to Blockade, optional
        The single blockades by name, in the order of replicates and doses of `response`. Without
        them only the inhibition is given.

    Returns
    -------
    list of Comparison
        One for each dose above 0.

    Raises
    ------
    ValueError
        If the first dose is not 0, doses do not rise, shapes do not agree, or a value is infinite
        or text.
    """
    dose, low, parts = distinct(dose), measured(unstimulated, "unstimulated"), parts or {}
    if dose.ndim != 1 or not dose.size or dose[0] != 0 or (np.diff(dose) < 0).any():
        raise ValueError(
            "doses must rise, and the first dose must be 0: it is the stimulated control"
        )
    responses = [measured(response, "response")]
    responses += [measured(part.response, name) for name, part in parts.items()]
    if low.ndim != 1 or any(x.shape != (low.size, dose.size) for x in responses):
        raise ValueError(
            "dose must have the shape (D,), unstimulated (R,) and all responses (R, D), not "
            f"{dose.shape}, {low.shape} and {', '.join(str(x.shape) for x in responses)}"
        )
    flat = {name: part for name, part in parts.items() if _is_flat(part.fit)}
    alone = {name: compare(dose, part.response, low) for name, part in flat.items()}
    return [
        _compared(float(dose[j]), low, [x[:, 0] for x in responses], [x[:, j] for x in responses],
                  {name: part.fit for name, part in parts.items()},
                  {name for name, found in alone.items() if _is_idle(found[j - 1], found)})
        for j in range(1, dose.size)
    ]  # fmt: skip


def _is_flat(fit: DoseResponse) -> bool:
    """Whether the fit is a constant: no response is distinguishable from noise."""
    return bool(fit.left_out) and fit.left_out[0][3] == 0.0


def _is_idle(here: Comparison, doses: Sequence[Comparison]) -> bool:
    """Whether a blockade does nothing at a dose, and little at any; see `compare`."""

    def limits(one: Comparison) -> tuple[float, float]:
        value = one.inhibition or 0.0  # exact with one replicate: all its runs are the same
        low, high = one.inhibition_low, one.inhibition_high
        return value if low is None else low, value if high is None else high

    known = [one for one in doses if one.inhibition is not None]
    if here.inhibition is None:
        return False
    low, high = limits(here)
    least, most = limits(max(known, key=lambda one: abs(one.inhibition or 0.0)))
    return low < 1e-9 and high > -1e-9 and least > -IDLE and most < IDLE


def _compared(
    dose: float,
    low: Array,
    high: list[Array],
    values: list[Array],
    parts: dict[str, DoseResponse],
    idle: set[str],
) -> Comparison:
    """Compare at one dose; `high` and `values` are (R,) of the whole and of each of its parts.

    Parts in `idle` do nothing alone.
    """
    table = np.stack([low, *high, *values])
    known = np.isfinite(table).all(axis=0)
    missing = int(np.count_nonzero(~known))
    notes = [f"{missing} of {known.size} replicates missing"] if missing else []
    if missing == known.size:
        return Comparison(dose, note="; ".join(notes))
    table = table[:, known]
    count = table.shape[1]
    without = (table.sum(axis=1) - table.T) / (count - 1) if count > 1 else table.T[:0]
    means = np.vstack([table.mean(axis=1), without])  # (C, 1 + 2 (1 + parts)), all first
    low, highs, middle = means[:, :1], means[:, 1 : len(values) + 1], means[:, len(values) + 1 :]
    window = highs - low
    if (window * window[0] <= 0).any() or (count > 1 and _equal(window).any()):
        return Comparison(dose, note="; ".join([*notes, alike(window[0, 0], count)]))
    inhibition = 1.0 - normalised(middle, low, highs) / 100.0
    found: dict[str, Any] = limits_of("inhibition", inhibition[:, 0])
    if parts:
        expected = _independent(inhibition[:, 1:].T)
        found |= limits_of("bliss", expected)
        found |= limits_of("bliss_excess", inhibition[:, 0] - expected)
        expected, words = _loewe_of(dose, parts, idle, highs[:, 1:], window[:, 1:])
        notes += words
        if np.isfinite(expected[0]):
            why = ""
            if missing:
                why = "a run is missing"
            elif len(expected) < len(means):
                why = "a part was not fitted by whole replicates"
            elif not np.isfinite(expected).all():
                why = "not defined without each replicate"
            if why:
                notes.append(f"no limits of Loewe: {why}")
                expected = expected[:1]
            found |= limits_of("loewe", expected)
            found |= limits_of("loewe_excess", inhibition[: expected.size, 0] - expected)
    if count == 1:
        notes.append("no limits: one replicate")
    return Comparison(dose, **found, note="; ".join(notes))


def _loewe_of(
    dose: float, parts: dict[str, DoseResponse], idle: set[str], high: Array, window: Array
) -> tuple[Array, list[str]]:
    """Return Loewe's expectation (C,) from all replicates and without each, and what to know.

    `high` and `window` are (C, parts): the stimulated control, and its height above the other.
    """
    acting, words, rows = [], [], len(high)
    for place, (name, fit) in enumerate(parts.items()):
        if name in idle:
            words.append(f"{name} does nothing alone and drops out of Loewe")
        elif _is_flat(fit):
            words.append(f"no Loewe: response not distinguishable from noise in {name}")
            return np.array([math.nan]), words
        elif fit.ic50 is None or fit.emax is None:
            words.append(f"no Loewe: {name} alone, {fit.note or 'IC50 not determined'}")
            return np.array([math.nan]), words
        else:
            acting.append((place, fit))
            rows = min(rows, len(fit.left_out)) if fit.paired else 1
    expected = np.zeros(rows)
    for row in range(rows):
        curves = [Curve(*fit.left_out[row]) for _, fit in acting]
        most = [
            (high[row, place] - curve.bottom) / window[row, place]
            for (place, _), curve in zip(acting, curves, strict=True)
        ]
        ic50, hill = [math.exp(c.log_ic50) for c in curves], [c.hill for c in curves]
        table = np.array([[dose] * len(curves), ic50, hill, most])
        answer = _additive(table) if curves else Expectation(0.0, "")
        expected[row] = answer.inhibition
        if row == 0 and answer.note:
            words.append(f"no Loewe: {answer.note}")
    return expected, words


def _equal(values: Array) -> Array:
    """Whether a value is 0 within its error; rows from all replicates, then without each."""
    return np.asarray(np.abs(values[0]) <= reach(values[1:]))
