"""The tumour bed in plain NumPy: dense flow, direct fields, pairs by comparison, level sets."""

from __future__ import annotations

from math import pi
from typing import Any

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from scipy.optimize import brentq

SLEEVE = 1
PASCAL = 133.322


def dense_flow(
    x: Any, y: Any, pressure: Any, a: Any, b: Any, radius: float, viscosity: float
) -> np.ndarray:
    """Velocity (pieces,) from one dense system over all nodes that a held pressure reaches."""
    count = len(x)
    conductance = (
        pi * radius**4 / (8 * viscosity * np.maximum(np.hypot(x[a] - x[b], y[a] - y[b]), 1))
    )
    held = np.isfinite(pressure)
    reached = held.copy()
    for _ in range(count):
        before = reached.sum()
        either = reached[a] | reached[b]
        reached[a[either]] = reached[b[either]] = True
        if reached.sum() == before:
            break
    matrix, right = np.zeros((count, count)), np.zeros(count)
    for i, j, g in zip(a, b, conductance, strict=True):
        matrix[i, i] += g
        matrix[j, j] += g
        matrix[i, j] -= g
        matrix[j, i] -= g
    for i in np.flatnonzero(held | ~reached):
        matrix[i] = 0
        matrix[i, i] = 1
        right[i] = pressure[i] * PASCAL if held[i] else 0
    p = np.linalg.solve(matrix, right)
    return (p[a] - p[b]) * conductance / (pi * radius**2)


def laplacian(n: int) -> scipy.sparse.csr_matrix:
    """Of an n x n field without flux at the border, in units of 1 / voxel^2."""
    line = scipy.sparse.diags([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], [-1, 0, 1]).tolil()
    line[0, 0] = line[-1, -1] = -1
    one = scipy.sparse.identity(n)
    return (scipy.sparse.kron(line, one) + scipy.sparse.kron(one, line)).tocsr()


def direct_field(a: Any, b: Any, m: Any, half: float, k: float, guess: float) -> np.ndarray:
    """Field at rest: 0 = k lap u + b - a u - m u / (u + half), by Newton with direct solves."""
    u = np.full(a.size, guess)
    matrix = k * laplacian(a.shape[0])
    for _ in range(100):
        slope = m.ravel() * half / (u + half) ** 2
        right = b.ravel() - m.ravel() * u / (u + half) + slope * u
        new = scipy.sparse.linalg.spsolve(scipy.sparse.diags(a.ravel() + slope) - matrix, right)
        new = np.maximum(new, 0)
        if np.abs(new - u).max() < 1e-13 * max(1, np.abs(new).max()):
            return new.reshape(a.shape)
        u = new
    raise AssertionError("no convergence")


def spaced(order: Any, x: Any, y: Any, tip_x: Any, tip_y: Any, reach: float) -> list[int]:
    """Candidates in their order, none nearer than `reach` to a tip or one chosen before."""
    chosen: list[int] = []
    for row in order:
        others = [*zip(tip_x, tip_y, strict=True), *((x[k], y[k]) for k in chosen)]
        if all((p - x[row]) ** 2 + (q - y[row]) ** 2 >= reach**2 for p, q in others):
            chosen.append(row)
    return chosen


def partners(
    tip: Any, ident: Any, done: Any, ready: Any, x: Any, y: Any, trail: Any, a: Any, b: Any,
    reach: float,
) -> tuple[list[int], list[bool]]:  # fmt: skip
    """Node that each tip joins or -1, and which tips are done, by comparing all pairs."""
    done, found = list(done), []
    ends = np.stack([a, b], axis=1).ravel()  # in the order of the pieces
    for k, me in enumerate(tip):
        best, nearest = reach**2, -1
        if not done[k] and ready[k]:
            for i in ends:
                d = (x[i] - x[me]) ** 2 + (y[i] - y[me]) ** 2
                if i != me and trail[i] != ident[k] and d < best:
                    best, nearest = d, i
        found.append(nearest)
        if nearest >= 0:
            done[k] = True
            for other, node in enumerate(tip):
                if node == nearest:
                    done[other] = True
    return found, done


def catmull_rom(f: np.ndarray, y: float, x: float) -> float:
    """Value at a place in voxels from the cubic through each four rows, then the four results."""

    def along(p0: float, p1: float, p2: float, p3: float, t: float) -> float:
        m1, m2 = (p2 - p0) / 2, (p3 - p1) / 2  # Hermite form
        return (
            (2 * t**3 - 3 * t**2 + 1) * p1 + (t**3 - 2 * t**2 + t) * m1
            + (3 * t**2 - 2 * t**3) * p2 + (t**3 - t**2) * m2
        )  # fmt: skip

    wide = np.pad(f, 3, mode="edge")
    y, x = np.clip(y, 0, f.shape[0] - 1), np.clip(x, 0, f.shape[1] - 1)
    i, j = min(int(y), f.shape[0] - 2), min(int(x), f.shape[1] - 2)
    rows = [along(*wide[i + p + 2, j + 2 : j + 6], x - j) for p in range(4)]
    return along(*rows, y - i)


def curvature_step(phi: np.ndarray, voxel: float, amount: float) -> np.ndarray:
    """Interior of phi after one explicit step of curvature flow that keeps the area."""
    c, e, w = phi[1:-1, 1:-1], phi[1:-1, 2:], phi[1:-1, :-2]
    s, n = phi[2:, 1:-1], phi[:-2, 1:-1]
    x, y = (e - w) / 2 / voxel, (s - n) / 2 / voxel
    xx, yy = (e - 2 * c + w) / voxel**2, (s - 2 * c + n) / voxel**2
    xy = (phi[2:, 2:] - phi[2:, :-2] - phi[:-2, 2:] + phi[:-2, :-2]) / 4 / voxel**2
    size = np.sqrt(x**2 + y**2 + 1e-12)
    kappa = np.clip((xx * y**2 - 2 * x * y * xy + yy * x**2) / size**3, -1 / voxel, 1 / voxel)
    near = np.abs(c) < voxel
    step = amount * (kappa - kappa[near].mean()) * size
    return np.where(np.abs(c) <= 6 * voxel, c + step, c)


def shift_to_area(phi: np.ndarray, voxel: float, voxels: float) -> float:
    """The constant that makes so many voxels lie inside."""

    def excess(shift: float) -> float:
        return float(np.clip(0.5 - (phi + shift) / voxel, 0, 1).sum() - voxels)

    wide = float(np.abs(phi).max() + voxel)
    return brentq(excess, -wide, wide, xtol=1e-12)


def extended(w: np.ndarray, phi: np.ndarray, layers: int) -> np.ndarray:
    """Values inside the outline, layers of means of their neighbours around them, 1 beyond."""
    w, known = w.copy(), phi < 0
    for _ in range(layers):
        new = known.copy()
        for i in range(1, w.shape[0] - 1):
            for j in range(1, w.shape[1] - 1):
                block = np.s_[i - 1 : i + 2, j - 1 : j + 2]
                if not known[i, j] and known[block].any():
                    w[i, j] = w[block][known[block]].mean()
                    new[i, j] = True
        known = new
    return np.where(known, w, 1.0)
