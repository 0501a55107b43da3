"""Counted randomness: each draw is a function of (seed, purpose, step, place, counter).

Nothing is drawn from a stream, so no draw depends on how many preceded it or on which
thread made it. The mixing function is the finaliser of SplitMix64 (Steele, Lea & Flood 2014,
OOPSLA, doi 10.1145/2660193.2660195), which passes the usual batteries on consecutive counters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.kernels.compiling import inlined, kernel

SEEDING, TILE_SHIFT, COPY, DIVISION, DIVISION_AXIS, DEATH = 1, 2, 3, 4, 5, 6  # purposes
NOTCH, DELTA, TIP = 7, 8, 9
SPROUT, SIDE, TURN, TURN_ANGLE, REGRESSION, REFILL = 10, 11, 12, 13, 14, 15
PERICYTE_GAIN, PERICYTE_LOSS, LATTICE, LEFT_OUT, COVERED = 16, 17, 18, 19, 20

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_TO_UNIT = 2.0**-53


@inlined
def mix(z: np.uint64) -> np.uint64:
    """Finaliser of SplitMix64: 64 bits to 64 well-mixed bits, one to one."""
    z = (z ^ (z >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return z ^ (z >> _31)


@inlined
def key_of(seed: int, purpose: int, step: int, place: int) -> np.uint64:
    """Key of the draws for one purpose, at one step and place."""
    key = mix(np.uint64(seed) + _GOLDEN)
    key = mix((key ^ np.uint64(purpose)) + _GOLDEN)
    key = mix((key ^ np.uint64(step)) + _GOLDEN)
    return np.uint64(mix((key ^ np.uint64(place)) + _GOLDEN))


@inlined
def bits(key: np.uint64, counter: int) -> np.uint64:
    """The draw of this number: 64 random bits."""
    return np.uint64(mix(key + np.uint64(counter) * _GOLDEN))


@inlined
def unit(random_bits: np.uint64) -> float:
    """A float in [0, 1) from 64 random bits."""
    return np.float64(random_bits >> _11) * _TO_UNIT


@kernel
def uniforms(
    seed: int, purpose: int, step: int, place: int, start: int, count: int
) -> NDArray[np.float64]:
    """Draws ``start`` to ``start + count`` of one key as floats in [0, 1)."""
    out = np.empty(count)
    key = key_of(seed, purpose, step, place)
    for i in range(count):
        out[i] = unit(bits(key, start + i))
    return out


@kernel
def uniform_at(
    seed: int, purpose: int, step: int, places: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The first draw of each of some places as a float in [0, 1)."""
    out = np.empty(places.size)
    for i in range(places.size):
        out[i] = unit(bits(key_of(seed, purpose, step, places[i]), 0))
    return out
