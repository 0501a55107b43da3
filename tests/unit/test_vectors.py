"""Instructions on vectors, against plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from sim.kernels import vectors
from sim.kernels.compiling import kernel
from sim.kernels.vectors import BLOCK


@kernel
def changes(line, first, before):  # type: ignore[no-untyped-def]
    return vectors.changes(line, first, np.int32(before))


@kernel
def nonzero(line, first):  # type: ignore[no-untyped-def]
    return vectors.nonzero(line, first)


@kernel
def lowest_one(word):  # type: ignore[no-untyped-def]
    return vectors.lowest_one(word)


def word(bits: np.ndarray) -> int:
    """A word from its bits, the lowest first."""
    return sum(1 << k for k in np.flatnonzero(bits).tolist())


@pytest.mark.parametrize("first", [0, 1, 6, 36])
def test_comparisons_of_a_block(first: int) -> None:
    rng = np.random.default_rng(first)
    for _ in range(50):
        line = rng.integers(-1, rng.integers(1, 4), 100).astype(np.int32)
        block, before = line[first : first + BLOCK], int(rng.integers(-1, 3))
        earlier = np.concatenate([[before], block[:-1]])
        assert changes(line, first, before) == word(block != earlier)
        assert nonzero(line, first) == word(block != 0)
    for same in (np.zeros(BLOCK, np.int32), np.full(BLOCK, -(2**31), np.int32)):
        assert changes(same, 0, same[0]) == 0
        assert changes(same, 0, 1) == 1
        assert nonzero(same, 0) == (2**BLOCK - 1 if same[0] else 0)


def test_bits_of_a_word() -> None:
    rng = np.random.default_rng(1)
    for k in range(BLOCK):
        one = np.uint64(1 << k)
        assert lowest_one(one) == k
        assert lowest_one(one | np.uint64(int(rng.integers(2**63)) >> k << k)) == k
