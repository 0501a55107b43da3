"""The tracks over the cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.assays.declare import Canvas, Scenario, Tissue


def draw(
    canvas: Canvas, tissue: Tissue, memory: Mapping[str, NDArray[Any]], scenario: Scenario
) -> None:
    """Draw the way of each cell to where it is now, and a dot where it started."""
    alive = tissue.cells["alive"][memory["rows"]]
    now = np.where(alive[:, None], memory["place"], np.nan)
    places = np.concatenate([memory["places"], now[None]])
    looks, cells = places.shape[:2]
    number = np.arange(looks * cells).reshape(looks, cells)
    links = np.stack([number[:-1], number[1:]], axis=-1).reshape(-1, 2)
    there = np.isfinite(places).all(axis=2).ravel()
    flat = places.reshape(-1, 2)
    flat = flat % tissue.lattice.shape if tissue.periodic else flat
    canvas.lines(flat, links[there[links].all(axis=1)], "tracks")
    canvas.dots(flat[:cells], "starts")
