"""The Potts sweep as it is defined, one attempt after another in plain Python.

Written from the definition (tiles, colours, which draw decides what) and with energies from
scratch: slow, and bit for bit what the compiled sweep must give.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from naive import potts as naive

GOLDEN, MASK = 0x9E3779B97F4A7C15, 2**64 - 1
TILE_SHIFT, COPY = 2, 3


def mix(z: int) -> int:
    """Finaliser of SplitMix64."""
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
    return z ^ z >> 31


def key_of(*where: int) -> int:
    """Key of (seed, purpose, step, place)."""
    key = 0
    for number in where:
        key = mix((key ^ number) + GOLDEN & MASK)
    return key


def draw(key: int, counter: int) -> int:
    """64 random bits."""
    return mix(key + counter * GOLDEN & MASK)


def unit(bits: int) -> float:
    """A number in [0, 1)."""
    return (bits >> 11) * 2.0**-53


def cuts(side: int) -> list[int]:
    """Where an axis is cut into tiles: one, or an even number of 50 to 100 sites."""
    n = max(1, 2 * (side // 100))
    return [i * side // n for i in range(n + 1)]


def shape_energy(sigma: np.ndarray, row: int, physics: dict[str, float], periodic: bool) -> float:
    """Area and length energy of one cell."""
    if row == naive.MEDIUM:
        return 0.0
    area = np.count_nonzero(sigma == row)
    energy = physics["lambda_area"] * (area - physics["A"]) ** 2
    if physics["lambda_length"]:
        length = naive.cell_length(sigma, row, periodic)
        energy += physics["lambda_length"] * (length - physics["L"]) ** 2
    return energy


def contacts(
    sigma: np.ndarray, own: int, y: int, x: int, physics: dict[str, float], periodic: bool
) -> float:
    """Contact energy of a site, were it `own`."""
    energy = 0.0
    for dy, dx in naive.neighbourhood(int(physics["contact_sites"])):
        other = naive.value_at(sigma, y + dy, x + dx, periodic)
        if other == own:
            continue
        if other == naive.WALL:
            energy += physics["J_cw"] if own != naive.MEDIUM else 0.0
        else:
            energy += physics["J_cm"] if naive.MEDIUM in (own, other) else physics["J_cc"]
    return energy


Work = Callable[[np.ndarray, naive.Site, naive.Site], float]
"""Of a copy on a lattice, from its source into a site."""


def sweep(
    sites: np.ndarray,
    seed: int,
    step: int,
    physics: dict[str, float],
    *,
    periodic: bool,
    work: Work = lambda *_: 0.0,
) -> np.ndarray:
    """Lattice [y, x] after one MCS of cells of one type."""
    height, width = sites.shape
    now = sites.copy()
    ys, xs = cuts(height), cuts(width)
    shift = key_of(seed, TILE_SHIFT, step, 0)
    shift_y, shift_x = int(unit(draw(shift, 0)) * height), int(unit(draw(shift, 1)) * width)
    shift_y, shift_x = shift_y * (len(ys) > 2), shift_x * (len(xs) > 2)  # a single tile stays
    neighbours = naive.neighbourhood(int(physics["copy_sites"]))
    for colour in range(4):
        before = now.copy()
        for i in range(colour // 2, len(ys) - 1, 2):
            for j in range(colour % 2, len(xs) - 1, 2):
                rows = [(y + shift_y) % height for y in range(ys[i], ys[i + 1])]
                columns = [(x + shift_x) % width for x in range(xs[j], xs[j + 1])]
                seen = before.copy()  # with this tile's own changes, and nobody else's
                key = key_of(seed, COPY, step, i * (len(xs) - 1) + j)
                count = len(rows) * len(columns)
                half = (count + 1) // 2
                for attempt in range(count):
                    bits = draw(key, attempt % half)
                    bits = bits & 2**32 - 1 if attempt < half else bits >> 32
                    if len(neighbours) in (4, 8):
                        place, which = (bits >> 3) * count >> 29, bits & len(neighbours) - 1
                    else:
                        pair = bits * count * len(neighbours) >> 32
                        place, which = divmod(pair, len(neighbours))
                    y, x = rows[place // len(columns)], columns[place % len(columns)]
                    dy, dx = neighbours[which]
                    gaining = naive.value_at(now, y + dy, x + dx, periodic)
                    losing = int(now[y, x])
                    if gaining in (losing, naive.WALL):
                        continue
                    after = seen.copy()
                    after[y, x] = gaining
                    dH = contacts(now, gaining, y, x, physics, periodic)
                    dH -= contacts(now, losing, y, x, physics, periodic)
                    for row in (gaining, losing):
                        dH += shape_energy(after, row, physics, periodic)
                        dH -= shape_energy(seen, row, physics, periodic)
                    if naive.connectivity_break(now, y, x, periodic) and not (
                        physics.get("authors") and naive.between_two_cells(now, y, x, periodic)
                    ):
                        dH += physics["penalty"]
                    if gaining == naive.MEDIUM and naive.tissue_break(now, y, x, periodic):
                        dH += physics.get("tissue_penalty", 0.0)
                    source = (y + dy) % height, (x + dx) % width
                    dH += work(now, source, (y, x))
                    chance = unit(draw(key, count + attempt))
                    if dH > 0 and chance >= math.exp(-dH / physics["T"]):
                        continue
                    now[y, x] = seen[y, x] = gaining
    return now
