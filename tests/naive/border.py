"""Border sums from their definition, one site and one neighbour at a time."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from tests.naive.potts import MEDIUM, WALL, neighbourhood, value_at


def border_sums(
    sigma: np.ndarray, rows: int, periodic: bool
) -> tuple[list[int], list[int], np.ndarray, dict[tuple[int, int], int]]:
    """P, F and N [y, x] by row, and the pairs of each two rows (low, high) that touch."""
    pairs, free = [0] * rows, [0] * rows
    outward = np.zeros((rows, 2))
    contacts: Counter[tuple[int, int]] = Counter()
    for y, x in np.ndindex(sigma.shape):
        row = int(sigma[y, x])
        if row == MEDIUM:
            continue
        for dy, dx in neighbourhood(8):
            other = value_at(sigma, y + dy, x + dx, periodic)
            if other == row:
                continue
            pairs[row] += 1
            if other == MEDIUM:
                free[row] += 1
                outward[row] += np.array([dy, dx]) / math.hypot(dy, dx) ** (dy * dx != 0)
            elif other != WALL and row < other:
                contacts[row, other] += 1
    for row in range(rows):
        outward[row] /= max(pairs[row], 1)
    return pairs, free, outward, dict(contacts)
