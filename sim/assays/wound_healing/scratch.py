"""A layer with a gap as a label picture has it: a scratch that runs along y."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario
from sim.assays.seeding import covered
from sim.errors import Problem
from sim.readouts.front import LEFT, RIGHT, connected

MOST_OPEN = 0.9  # of the domain: what is emptier is no layer
LEAST_ALONG = 0.9  # of the domain's height


def gap_of(
    sites: NDArray[np.int32], spacing_um: float, *, periodic: bool
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Return the gap of a layer, and the line in its middle.

    Parameters
    ----------
    sites : (y, x) int32
        0 for medium, else a cell.
    spacing_um : float
        Side of a site.
    periodic : bool
        Whether opposite edges meet.

    Returns
    -------
    gap : (y, x) bool
        Parts of what cells leave open that the line crosses; narrow gaps between cells count as
        layer.
    middle : (y,) float
        Mean x of the largest part in each row, linear between rows that have some of it; NaN
        without any gap.
    """
    parts = connected(
        ~covered(sites, spacing_um, periodic=periodic), periodic=periodic, diagonal=False
    )
    height, width = sites.shape
    sizes = np.bincount(parts.ravel(), minlength=2)
    largest = parts == 1 + sizes[1:].argmax()
    rows = np.flatnonzero(largest.any(axis=1))
    if not rows.size:
        return np.zeros(sites.shape, np.bool_), np.full(height, np.nan)
    x = np.arange(width)
    means = (largest[rows] * x).sum(axis=1) / largest[rows].sum(axis=1)
    middle = np.interp(np.arange(height), rows, means)
    crossed = np.unique(parts[np.arange(height), np.rint(middle).astype(int)])
    return np.isin(parts, crossed[crossed > 0]), middle


def sides(
    centroids: NDArray[np.float64], middle: NDArray[np.float64], width: int
) -> NDArray[np.int8]:
    """Return `LEFT` or `RIGHT` of the line for each centroid (rows, 2) [y, x]."""
    y = np.clip(np.rint(centroids[:, 0]).astype(int) % len(middle), 0, len(middle) - 1)
    return np.where(centroids[:, 1] % width < middle[y], LEFT, RIGHT).astype(np.int8)


def check(sites: NDArray[np.int32], scenario: Scenario) -> Iterator[Problem]:
    """Refuse a label picture that is no layer with a gap along y."""
    periodic = scenario.domain.boundary == "periodic"
    gap, middle = gap_of(sites, scenario.domain.spacing_um, periodic=periodic)
    y, x = np.arange(len(sites)), np.arange(sites.shape[1])
    left = (sites > 0) & (x < middle[:, None])
    right = (sites > 0) & (x > middle[:, None])
    what = hint = ""
    if not gap.any():
        yield Problem("cells.image", scenario.cells.image, "has no gap: cells cover all of it")
        return
    along = gap[y, np.rint(middle).astype(int)].mean()
    across = gap.any(axis=0).mean()
    if gap.mean() > MOST_OPEN:
        what = f"is no layer with a gap: {gap.mean():.0%} of it has no cells"
    elif along < LEAST_ALONG:
        what = f"has a gap that runs along {along:.0%} of the y axis; must be along all of it"
        hint = "turn the picture by 90 degrees" if across >= LEAST_ALONG else ""
    elif not (left.any(axis=1) & right.any(axis=1)).any():
        what = "has no cells on one side of its gap"
    if what:
        yield Problem("cells.image", scenario.cells.image, what, hint)
