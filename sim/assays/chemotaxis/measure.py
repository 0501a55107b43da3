"""The read-outs of the tracks, and the tracks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Scenario, Tissue

Array = NDArray[np.float64]


def measure(
    tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> dict[str, float]:
    """Return the read-outs of all cells that have lived until the latest position by name."""
    looks = memory["looks"]
    hours = float(looks[-1] - looks[0]) * tissue.mcs_s / 3600
    places = memory["places"] * tissue.spacing_um
    places = places[:, np.isfinite(places[-1]).all(axis=1)]
    steps = np.diff(places, axis=0)
    lengths = np.hypot(steps[..., 0], steps[..., 1])
    _, *direction = scenario.uphill()
    up = (places[-1] - places[0]) @ np.array(direction)
    path = lengths.sum(axis=0)
    index = np.divide(up, path, out=np.zeros_like(up), where=path > 0)
    return {
        "drift_um_h": _mean(up) / hours if hours else 0.0,
        "chemotactic_index": _mean(index),
        "speed_um_h": _mean(path) / hours if hours else 0.0,
        "persistence_min": _persistence_min(steps, lengths, 60 * hours),
        "migrated_percent": 100.0 * _mean((up > scenario.readout.migrated_um).astype(np.float64)),
    }


def tracks(
    tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> dict[str, NDArray[Any]]:
    """Return the columns of ``tracks.csv``: where each cell was at which time."""
    looks, places = memory["looks"], memory["places"]
    there = np.isfinite(places).all(axis=2).T
    which, when = np.nonzero(there)
    y, x = ((places[when, which] + 0.5) * tissue.spacing_um).T
    before_h = (looks - tissue.mcs) * tissue.mcs_s / 3600
    return {
        "cell": memory["rows"][which],
        "time_h": np.round(tissue.time_h + before_h[when], 9),
        "x_um": x,
        "y_um": y,
    }


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else 0.0


def _persistence_min(steps: Array, lengths: Array, minutes: float) -> float:
    """P of a mean cosine exp(-interval / P) between successive steps; 0 without persistence."""
    dot = (steps[1:] * steps[:-1]).sum(axis=2)
    both = lengths[1:] * lengths[:-1]
    cosine = _mean(dot[both > 0] / both[both > 0])
    if cosine <= 0.0:
        return 0.0
    interval = minutes / len(steps)
    return float(min(minutes, -interval / np.log(cosine) if cosine < 1.0 else minutes))
