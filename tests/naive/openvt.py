"""The OpenVT angiogenesis model on the full lattice, as its specification says it.

Random single-site sampling: one MCS is as many attempts as sites, each with a uniform target site
and one of its 4 neighbours as source. No tiles, no border list, no integer energies.

``python -m tests.naive.openvt`` scans chemotaxis, saturation, decay and adhesion, and one free
cell, and writes the reference numbers beside this file.
"""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np

SIDE = 200
DEFAULTS = {"mu": 500.0, "s": 0.1, "eps": 0.3, "J_cc": 1.0}
SCANS = {
    "mu": [0.0, 100.0, 200.0, 300.0, 500.0, 600.0],
    "s": [0.0, 0.1, 0.2, 0.3, 0.6],
    "eps": [0.0, 0.1, 0.3, 0.6],
    "J_cc": [1.0, 4.0, 16.0],
}
RESULTS = Path(__file__).with_name("openvt_covered_fraction.json")

# The 20 sites with squared distance up to 5.
CONTACTS = np.array(
    [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if 0 < dy * dy + dx * dx <= 5]
)
NEAREST = np.array([(-1, 0), (1, 0), (0, -1), (0, 1)])


@numba.njit
def contact(a: int, b: int, J_cm: float, J_cc: float) -> float:
    """Contact energy of two neighbouring sites of owners ``a`` and ``b``."""
    if a == b:
        return 0.0
    if a == 0 or b == 0:
        return J_cm
    return J_cc


@numba.njit
def sweep(
    sigma: np.ndarray,
    areas: np.ndarray,
    field: np.ndarray,
    T: float,
    J_cm: float,
    J_cc: float,
    lambda_area: float,
    A: float,
    mu: float,
    s: float,
) -> None:
    """One MCS of cell motion on a periodic lattice; changes ``sigma`` and ``areas`` in place."""
    height, width = sigma.shape
    for _ in range(height * width):
        y = np.random.randint(height)
        x = np.random.randint(width)
        k = np.random.randint(4)
        from_y = (y + NEAREST[k, 0]) % height
        from_x = (x + NEAREST[k, 1]) % width
        old = sigma[y, x]
        new = sigma[from_y, from_x]
        if old == new:
            continue
        dH = 0.0
        for i in range(20):
            other = sigma[(y + CONTACTS[i, 0]) % height, (x + CONTACTS[i, 1]) % width]
            dH += contact(new, other, J_cm, J_cc) - contact(old, other, J_cm, J_cc)
        if new != 0:
            dH += lambda_area * ((areas[new] + 1 - A) ** 2 - (areas[new] - A) ** 2)
        if old != 0:
            dH += lambda_area * ((areas[old] - 1 - A) ** 2 - (areas[old] - A) ** 2)
        if new == 0 or old == 0:
            c_to = float(field[y, x])
            c_from = float(field[from_y, from_x])
            dH -= mu * (c_to / (1 + s * c_to) - c_from / (1 + s * c_from))
        if dH <= 0 or np.random.random() < math.exp(-dH / T):
            sigma[y, x] = new
            areas[new] += 1
            areas[old] -= 1


@numba.njit
def field_step(
    sigma: np.ndarray,
    field: np.ndarray,
    spare: np.ndarray,
    substeps: int,
    D: float,
    alpha: float,
    eps: float,
) -> None:
    """One MCS of the field in place: sub-steps of a tenth MCS each, diffuse, then react."""
    height, width = field.shape
    for _ in range(substeps):
        for y in range(height):
            up, down = (y - 1) % height, (y + 1) % height
            for x in range(width):
                around = (
                    float(field[up, x])
                    + field[down, x]
                    + field[y, (x - 1) % width]
                    + field[y, (x + 1) % width]
                )
                spare[y, x] = field[y, x] + 0.1 * D * (around - 4.0 * field[y, x])
        for y in range(height):
            for x in range(width):
                if sigma[y, x] > 0:
                    field[y, x] = spare[y, x] + 0.1 * alpha
                else:
                    field[y, x] = spare[y, x] - 0.1 * eps * spare[y, x]


@numba.njit
def run(
    seed: int,
    mcs: int,
    sigma: np.ndarray,
    areas: np.ndarray,
    field: np.ndarray,
    T: float,
    J_cm: float,
    J_cc: float,
    lambda_area: float,
    A: float,
    mu: float,
    s: float,
    D: float,
    alpha: float,
    eps: float,
    substeps: int,
) -> None:
    """Run the model in place: each MCS the sweep, then the field."""
    np.random.seed(seed)
    spare = np.zeros_like(field)
    for _ in range(mcs):
        sweep(sigma, areas, field, T, J_cm, J_cc, lambda_area, A, mu, s)
        field_step(sigma, field, spare, substeps, D, alpha, eps)


def start() -> np.ndarray:
    """(200, 200) int32: 400 cells of one site each, at (5 + 10 m, 5 + 10 n)."""
    sigma = np.zeros((SIDE, SIDE), dtype=np.int32)
    cell = 0
    for y in range(5, SIDE, 10):
        for x in range(5, SIDE, 10):
            cell += 1
            sigma[y, x] = cell
    return sigma


def simulate(
    seed: int,
    mcs: int = 500,
    mu: float = 500.0,
    s: float = 0.1,
    eps: float = 0.3,
    J_cc: float = 1.0,
    J_cm: float = 4.0,
    T: float = 5.0,
    lambda_area: float = 5.0,
    A: float = 50.0,
    D: float = 1.0,
    alpha: float = 0.3,
    substeps: int = 10,
    dtype: Any = np.float32,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run the OpenVT model; rates are per MCS, lengths in sites.

    Returns
    -------
    sigma : (200, 200) int32
        Cell at each site, 0 the medium, 1 to 400 the cells.
    field : (200, 200) dtype
        Chemoattractant.
    areas : (401,) int64
        Sites of the medium and of each cell.
    """
    sigma = start()
    areas = np.bincount(sigma.ravel(), minlength=401)
    field = np.zeros(sigma.shape, dtype=dtype)
    run(
        seed, mcs, sigma, areas, field, float(T), float(J_cm), float(J_cc), float(lambda_area),
        float(A), float(mu), float(s), float(D), float(alpha), float(eps), substeps,
    )  # fmt: skip
    return sigma, field, areas


def field_only(
    sigma: np.ndarray,
    mcs: int,
    substeps: int = 10,
    D: float = 1.0,
    alpha: float = 0.3,
    eps: float = 0.3,
    dtype: Any = np.float32,
) -> np.ndarray:
    """Field after ``mcs`` steps from zero over frozen cells (``sigma`` > 0).

    10 sub-steps are those of the specification, 11 those of its golden values; each lasts a tenth
    of an MCS.
    """
    field = np.zeros(sigma.shape, dtype=dtype)
    spare = np.zeros_like(field)
    for _ in range(mcs):
        field_step(sigma, field, spare, substeps, float(D), float(alpha), float(eps))
    return field


@numba.njit
def surface(sigma: np.ndarray, cell: int) -> int:
    """Count pairs of a site of ``cell`` and one of its 20 neighbours that is not of the cell."""
    height, width = sigma.shape
    pairs = 0
    for y in range(height):
        for x in range(width):
            if sigma[y, x] != cell:
                continue
            for i in range(20):
                if sigma[(y + CONTACTS[i, 0]) % height, (x + CONTACTS[i, 1]) % width] != cell:
                    pairs += 1
    return pairs


@numba.njit
def run_single(
    seed: int, mcs: int, every: int, sigma: np.ndarray, areas: np.ndarray, T: float, J_cm: float,
    lambda_area: float, A: float,
) -> np.ndarray:  # fmt: skip
    """Run one cell without a field; rows of MCS, area, surface every ``every`` MCS from 0."""
    np.random.seed(seed)
    field = np.zeros(sigma.shape)
    record = np.zeros((mcs // every + 1, 3), dtype=np.int64)
    for step in range(mcs + 1):
        if step % every == 0:
            record[step // every, 0] = step
            record[step // every, 1] = areas[1]
            record[step // every, 2] = surface(sigma, 1)
        if step < mcs:
            sweep(sigma, areas, field, T, J_cm, 0.0, lambda_area, A, 0.0, 0.0)
    return record


def single_cell(
    seed: int,
    mcs: int = 500,
    every: int = 10,
    side: int = 50,
    T: float = 5.0,
    J_cm: float = 4.0,
    lambda_area: float = 5.0,
    A: float = 50.0,
) -> np.ndarray:
    """Run one free cell without a field from a 7 x 7 square on a periodic lattice.

    A cell that never meets itself does not feel the size of the lattice, so a small one serves.

    Returns
    -------
    (samples, 3) int64
        MCS, area and 20-site surface, every ``every`` MCS from 0.
    """
    sigma = np.zeros((side, side), dtype=np.int32)
    middle = side // 2
    sigma[middle - 3 : middle + 4, middle - 3 : middle + 4] = 1
    areas = np.bincount(sigma.ravel())
    return run_single(
        seed, mcs, every, sigma, areas, float(T), float(J_cm), float(lambda_area), float(A)
    )


def spread(values: Any) -> dict[str, float]:
    """Mean, sample standard deviation and number of ``values``."""
    values = np.asarray(values, dtype=float)
    return {"mean": float(values.mean()), "sd": float(values.std(ddof=1)), "n": len(values)}


def measure_point(point: dict[str, float], seeds: list[int], mcs: int) -> dict[str, Any]:
    """Covered fraction and living cells at ``mcs`` over ``seeds`` at one point of the scans."""
    covered, living = [], []
    for seed in seeds:
        sigma, _, areas = simulate(seed, mcs=mcs, **point)
        covered.append(np.count_nonzero(sigma) / sigma.size)
        living.append(np.count_nonzero(areas[1:]))
    return {
        "parameters": point,
        "covered_fraction": spread(covered),
        "living_cells": {**spread(living), "min": int(min(living))},
    }


def measure_single_cell(replicates: int, mcs: int, every: int, relax: int) -> dict[str, Any]:
    """Area and surface of one free cell: mean and sd of all samples, standard error by cell."""
    samples = np.stack([single_cell(seed, mcs, every) for seed in range(1, replicates + 1)])
    samples = samples[:, samples[0, :, 0] > relax]
    found: dict[str, Any] = {
        "replicates": replicates,
        "sampled_mcs": [int(t) for t in samples[0, :, 0]],
    }
    for column, name in ((1, "area"), (2, "surface_20")):
        values = samples[:, :, column]
        by_cell = values.mean(axis=1)
        found[name] = {
            **spread(values.ravel()),
            "standard_error_of_mean": float(by_cell.std(ddof=1) / math.sqrt(replicates)),
        }
    return found


def main(seeds: int = 6, mcs: int = 500) -> None:
    """Measure every point of the scans and one free cell, and write ``RESULTS``."""
    chosen = list(range(1, seeds + 1))
    cache: dict[tuple[float, ...], dict[str, Any]] = {}
    scans: dict[str, list[dict[str, Any]]] = {}
    for name, values in SCANS.items():
        scans[name] = []
        for value in values:
            point = {**DEFAULTS, name: value}
            key = tuple(point.values())
            if key not in cache:
                began = time.perf_counter()
                cache[key] = measure_point(point, chosen, mcs)
                covered = cache[key]["covered_fraction"]
                living = cache[key]["living_cells"]
                print(
                    f"{name} {value:g}: covered {covered['mean']:.4f} sd {covered['sd']:.4f}, "
                    f"living {living['mean']:.1f} (least {living['min']}), "
                    f"{time.perf_counter() - began:.0f} s",
                    flush=True,
                )
            scans[name].append(cache[key])
    single = measure_single_cell(100, mcs, 10, 200)
    print(f"one free cell: {single['area']}, {single['surface_20']}")
    results = {
        "header": {
            "what": "OpenVT angiogenesis model, naive full-lattice implementation: fraction of "
            "sites covered by cells and living cells (of 400) after the last MCS, and one free "
            "cell without a field (area in sites; surface as pairs over 20 neighbours)",
            "made_by": "python -m tests.naive.openvt",
            "method": "200 x 200 periodic; 40000 attempts per MCS at uniform random sites, "
            "4 copy neighbours, 20 contact neighbours; float64 energies; float32 field, "
            "10 sub-steps after the sweep, diffuse then react",
            "seeds": chosen,
            "mcs": mcs,
            "defaults": DEFAULTS,
            "spread": "sd is the sample standard deviation (n - 1)",
            "numba": numba.__version__,
            "numpy": np.__version__,
        },
        "scans": scans,
        "single_cell": single,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
