"""The unbound drug that cells see, as a function of time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Exposure(Protocol):
    """Drug around the cells."""

    def free_nM(self, time_h: Array) -> Array:
        """Unbound drug (nM) at these times."""

    def total_nM(self, time_h: Array) -> Array:
        """All drug (nM) at these times."""


@dataclass(frozen=True)
class Media:
    """In vitro: a medium of stated free concentration from each time on, none before the first.

    Culture medium holds little protein, so the drug in it counts as unbound.
    """

    at_h: tuple[float, ...]
    nM: tuple[float, ...]

    def free_nM(self, time_h: Array) -> Array:
        """Unbound drug (nM) at these times."""
        which = np.searchsorted(self.at_h, time_h, side="right")
        return np.concatenate([[0.0], self.nM])[which]

    def total_nM(self, time_h: Array) -> Array:
        """All drug (nM) at these times."""
        return self.free_nM(time_h)


def constant(free_nM: float) -> Media:
    """One medium throughout."""
    return Media((0.0,), (free_nM,))
