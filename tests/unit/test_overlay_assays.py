"""Overlays of scratches and spheroids show what was found, where it is."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_rgb

from sim.lab.spheroid import measure_spheroids
from sim.lab.wound import measure_wounds
from sim.view.lab.assays import FIRST, FRONT, overlay_spheroid, overlay_wound


def test_the_fronts_are_drawn_where_they_are() -> None:
    start, later = np.ones((2, 60, 100))
    start[:, 30:70] = later[:, 40:60] = 0
    _, found = measure_wounds([start, later], "mask")
    image = overlay_wound(later, found)
    assert image.shape == (240, 400, 3)  # four times as large
    for colour, column in ((FRONT, 40), (FIRST, 30)):
        is_it = (image == (np.array(to_rgb(colour)) * 255).astype(np.uint8)).all(axis=2)
        columns = np.flatnonzero(is_it[20:-20].any(axis=0))
        assert columns.min() == 4 * column and columns.max() == 4 * (100 - column) - 1


def test_sprouts_and_core_are_drawn_where_they_are() -> None:
    y, x = np.mgrid[:120, :120] - 59.5
    start = np.hypot(y, x) <= 20
    later = start | ((abs(y) <= 3) & (x > 0) & (x < 50))
    found = measure_spheroids([1.0 * start, 1.0 * later], "mask")[1]
    image = overlay_spheroid(1.0 * later, found)
    colours = [(image == np.array(to_rgb(c)) * 255 // 1).all(axis=2) for c in (FRONT, FIRST)]
    line, circle = (np.argwhere(is_it) / 4 - 59.5 for is_it in colours)
    assert abs(line[:, 0]).max() < 2 and line[:, 1].min() > 20 and line[:, 1].max() < 50
    assert abs(np.hypot(*circle.T) - 20).max() < 1.5
