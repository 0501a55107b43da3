"""Delta-Notch signalling between cells that touch, cell by cell, and as differential equations."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp

Contacts = dict[tuple[int, int], int]
"""Pairs of sites by (row, other row)."""


def met(delta: dict[int, float], contacts: Contacts, pairs: list[int], row: int) -> float:
    """Delta that a cell meets, over its whole border; rows without Delta have none."""
    total = 0.0
    for (one, other), length in contacts.items():
        if row in (one, other):
            total += length * delta.get(other if row == one else one, 0.0)
    return total / pairs[row] if pairs[row] else 0.0


def slopes(
    N: dict[int, float], D: dict[int, float], contacts: Contacts, pairs: list[int],
    b: dict[int, float], tau: float,
) -> dict[int, tuple[float, float]]:  # fmt: skip
    """tau N' = X^2 / (0.01 + X^2) - N and tau D' = b / (1 + 100 N^2) - D, of every cell."""
    found = {}
    for row in N:
        X = met(D, contacts, pairs, row)
        found[row] = (
            (X**2 / (0.01 + X**2) - N[row]) / tau,
            (b[row] / (1 + 100 * N[row] ** 2) - D[row]) / tau,
        )
    return found


def solve(
    N: dict[int, float], D: dict[int, float], contacts: Contacts, pairs: list[int],
    b: dict[int, float], tau: float, time: float,
) -> tuple[dict[int, float], dict[int, float]]:  # fmt: skip
    """Notch and Delta of every cell after a time."""
    rows = list(N)

    def f(_: float, state: np.ndarray) -> np.ndarray:
        n, d = (dict(zip(rows, half.tolist(), strict=True)) for half in np.split(state, 2))
        both = slopes(n, d, contacts, pairs, b, tau)
        return np.array([[both[row][k] for row in rows] for k in (0, 1)]).ravel()

    start = np.array([*(N[row] for row in rows), *(D[row] for row in rows)])
    end = solve_ivp(f, (0, time), start, rtol=1e-9, atol=1e-11).y[:, -1]
    n, d = np.split(end, 2)
    return dict(zip(rows, n.tolist(), strict=True)), dict(zip(rows, d.tolist(), strict=True))
