"""How well a dose-response curve describes its values: residuals, lack of fit, outliers, hormesis.

Nothing here changes a fit: values that stand out are reported, and stay.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sim.fits.limits import CONFIDENCE, Array, has_bump, measured
from sim.fits.logistic import Curve, DoseResponse, response_at, share_of_top

MOST_OUTLIERS = 0.1  # of the values: what is more is no outlier, but how the data are


class Outlier(NamedTuple):
    """A value that is too far from the curve, or without one from the mean of its dose.

    Attributes
    ----------
    row, column : int
        Its place in the response: replicate and dose.
    dose, response, expected : float
        `expected` is the curve's value, with the level of its replicate where data are paired.
    p : float
        Two-sided, times the number of values looked at (Bonferroni).
    """

    row: int
    column: int
    dose: float
    response: float
    expected: float
    p: float


@dataclass(frozen=True)
class Quality:
    """How well a curve describes its values; None is what cannot be known.

    Attributes
    ----------
    residual_error : float or None
        Standard deviation of the values around the curve (of weight 1); of paired data after the
        level of each replicate is taken off.
    residual_degrees : int
        Values less parameters, and less levels of replicates.
    r2 : float or None
        Share of the (weighted) variance around the mean that the curve, and levels, take.
    lack_of_fit_f, lack_of_fit_p : float or None
        Whether the means are farther from the curve than the scatter within doses allows.
    hormesis_dose, hormesis_percent : float or None
        Where the response is beyond that of dose 0, against the direction of the curve and beyond
        noise, and by how many percent of the range of the means.
    outliers : tuple of Outlier
    """

    residual_error: float | None = None
    residual_degrees: int = 0
    r2: float | None = None
    lack_of_fit_f: float | None = None
    lack_of_fit_p: float | None = None
    hormesis_dose: float | None = None
    hormesis_percent: float | None = None
    outliers: tuple[Outlier, ...] = ()


def quality(
    dose: ArrayLike,
    response: ArrayLike,
    fit: DoseResponse,
    *,
    free: tuple[str, ...] = ("bottom", "top", "ic50", "hill"),
    weights: ArrayLike | None = None,
) -> Quality:
    """Return how well a fit describes its values.

    Lack of fit is the F test of the curve against free means of the doses, with the scatter within
    doses, which needs values that repeat (Draper & Smith 1998, Applied Regression Analysis, 3rd
    ed., section 2.1); of paired data both have a level for each replicate.

    Outliers are values whose deleted studentised residual is larger than chance allows among so
    many (Student's t with Bonferroni's correction, 5 %; Cook & Weisberg 1982, Residuals and
    Influence in Regression), looked for one after the other, each without those before it. Where
    two values of a dose disagree and nothing shows which is wrong, both are listed.

    Parameters
    ----------
    dose : (D,) array_like
        All different.
    response : (R, D) array_like
        As it was fitted; NaN where missing.
    fit : DoseResponse
        Its fit; without a curve, values are compared with the means of their doses.
    free : tuple of str
        Which parameters were fitted.
    weights : (D,) or (R, D) array_like, optional
        As for the fit.
    """
    dose, response = np.asarray(dose, dtype=float), measured(response, "response")
    weight = np.ones(response.shape) if weights is None else np.asarray(weights, dtype=float)
    root = np.sqrt(np.broadcast_to(weight, response.shape))
    known = np.isfinite(response)
    if not known.any():
        return Quality()
    rows, columns = np.nonzero(known)
    y, root = response[known], root[known]
    levels = _indicators(rows)[:, 1:] if fit.paired else np.empty((y.size, 0))
    means = np.hstack([_indicators(columns), levels])
    curve = Curve(*fit.left_out[0]) if fit.left_out else None
    if curve is None:
        design, offset = means, np.zeros(y.size)
    else:
        design = np.hstack([_slopes(dose[columns], curve, free), levels])
        offset = response_at(dose[columns], curve)
    residual, rank, _ = _solve(design * root[:, None], (y - offset) * root)
    degrees, squares = y.size - rank, float(residual @ residual)
    out: dict[str, float | None] = {}
    if degrees > 0 and curve is not None:
        out["residual_error"] = math.sqrt(squares / degrees)
    around, _, _ = _solve(root[:, None], y * root)
    if curve is not None and around @ around > 0:
        out["r2"] = 1.0 - squares / float(around @ around)
    pure, full, _ = _solve(means * root[:, None], y * root)
    if curve is not None and full > rank and y.size > full and pure @ pure > 0:
        more = max(squares - float(pure @ pure), 0.0) / (full - rank)
        f = more / (float(pure @ pure) / (y.size - full))
        out |= {
            "lack_of_fit_f": f,
            "lack_of_fit_p": float(stats.f.sf(f, full - rank, y.size - full)),
        }
    bump = has_bump(dose, response, paired=fit.paired)
    if bump is not None:
        out |= {"hormesis_dose": bump[0], "hormesis_percent": 100.0 * bump[1]}
    found = _outliers(design * root[:, None], (y - offset) * root)
    outliers = tuple(
        Outlier(int(rows[n]), int(columns[n]), float(dose[columns[n]]), float(y[n]),
                float(y[n] - away / root[n]), p)
        for n, away, p in found
    )  # fmt: skip
    return Quality(**out, residual_degrees=max(degrees, 0), outliers=outliers)


def outliers_within(values: ArrayLike, group: ArrayLike) -> list[tuple[int, float, float]]:
    """Return values that are too far from the others of their group, as `quality` looks for them.

    Parameters
    ----------
    values : (N,) array_like
        Finite. Their scatter is taken to be the same in all groups.
    group : (N,) array_like of int

    Returns
    -------
    list of (int, float, float)
        Place, the mean of the others of its group, and p (with Bonferroni's correction).
    """
    y = np.asarray(values, dtype=float)
    if y.size < 2:
        return []
    found = _outliers(_indicators(np.asarray(group)), y)
    return [(n, float(y[n] - away), p) for n, away, p in found]


def _indicators(places: NDArray[np.int_]) -> Array:
    """Return a column of zeros and ones for each place."""
    return np.asarray(places[:, None] == np.unique(places), dtype=float)


def _slopes(dose: Array, curve: Curve, free: tuple[str, ...]) -> Array:
    """Return the derivative of the curve by each free parameter, IC50 and slope as logarithms."""
    if curve.hill == 0.0:
        return np.ones((dose.size, 1))
    share = share_of_top(dose, curve.log_ic50, curve.hill)
    steep = (curve.top - curve.bottom) * share * (1.0 - share)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = np.where(dose > 0, np.log(dose) - curve.log_ic50, 0.0)
    by = {"bottom": 1.0 - share, "top": share, "ic50": curve.hill * steep,
          "hill": -curve.hill * along * steep}  # fmt: skip
    return np.stack([by[name] for name in free], axis=1)


def _solve(design: Array, y: Array) -> tuple[Array, int, Array]:
    """Return what a linear regression leaves, its rank, and the leverage of each value."""
    scale = np.linalg.norm(design, axis=0)
    u, sizes, _ = np.linalg.svd(design / np.where(scale > 0, scale, 1.0), full_matrices=False)
    u = u[:, sizes > 1e-9 * sizes[0]]
    return y - u @ (u.T @ y), u.shape[1], np.square(u).sum(axis=1)


def _outliers(design: Array, y: Array) -> list[tuple[int, float, float]]:
    """Return the places of outliers, how far they are from the others' fit, and their p."""
    found: list[tuple[int, float, float]] = []
    kept = np.arange(y.size)
    while len(found) < max(1, int(MOST_OUTLIERS * y.size)):
        residual, rank, leverage = _solve(design[kept], y[kept])
        degrees = kept.size - rank - 1
        room = 1.0 - leverage
        if degrees < 1:
            break
        squares = np.square(residual) / np.where(room > 1e-6, room, np.inf)
        rest = np.maximum(float(residual @ residual) - squares, 0.0) / degrees
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(squares > 0, np.sqrt(squares / rest), 0.0)
        p = float(2.0 * stats.t.sf(t.max(), degrees) * np.count_nonzero(room > 1e-6))
        if not p < 1.0 - CONFIDENCE or not squares.max() > 1e-18 * (y @ y):
            break
        same = np.flatnonzero(t >= t.max() * (1 - 1e-6))
        found += [(int(kept[n]), float(residual[n] / room[n]), p) for n in same]
        kept = np.delete(kept, same)
    return found
