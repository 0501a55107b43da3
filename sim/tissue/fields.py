"""Concentration fields: secretion, decay, uptake and exchange on the lattice's voxels.

    dc/dt = D lap c + source - loss c

Sources and losses are one number per cell; a voxel has the mean over its sites. Two solvers:
forward Euler in stated sub-steps, and exponential time differencing whose steady state does not
depend on the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_FLUX, ABSORBING, PERIODIC = range(3)  # edges
EDGES = {"no_flux": NO_FLUX, "absorbing": ABSORBING, "periodic": PERIODIC}


@dataclass
class Field:
    """A concentration on voxels, and how it moves."""

    name: str
    values: NDArray[np.float64]
    """(rows, columns) voxels"""
    factor: int
    """sites along a voxel's side"""
    diffusion: float
    """D / voxel^2, per time"""
    edge: str
    """a name of `EDGES`"""
    solver: str
    """``"explicit"`` or ``"exponential"``"""
    substeps: int
    precision: str = "double"
    """of an explicit solver's sub-steps: ``"single"`` or ``"double"``"""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return bool(self.values.max() == 0.0)


def settle(c: NDArray[np.float64]) -> tuple[float, float]:
    """Lowest and highest value of a field; what is negative by rounding becomes zero."""
    lowest, highest = float(c.min()), float(c.max())
    if lowest < 0.0:
        np.maximum(c, 0.0, out=c)
    return lowest, highest
