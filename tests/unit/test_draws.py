"""Counted randomness."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sim.kernels import draws
from sim.kernels.draws import COPY, SEEDING, TILE_SHIFT, bits, key_of, uniforms, unit


def test_the_mixing_function_is_that_of_splitmix64() -> None:
    # the first outputs of the reference implementation from state 0
    wanted = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC]
    assert [bits(np.uint64(0), i) for i in range(1, 5)] == wanted


def test_units_lie_in_the_half_open_interval() -> None:
    assert unit(np.uint64(0)) == 0.0
    assert unit(np.uint64(2**64 - 1)) == 1.0 - 2.0**-53


def test_a_draw_depends_on_its_number_alone() -> None:
    whole = uniforms(7, COPY, 3, 2, 0, 1000)
    assert ((whole >= 0) & (whole < 1)).all()
    assert (uniforms(7, COPY, 3, 2, 400, 300) == whole[400:700]).all()
    assert (uniforms(7, COPY, 3, 2, 0, 1000) == whole).all()
    for other in ((8, COPY, 3, 2), (7, SEEDING, 3, 2), (7, COPY, 4, 2), (7, COPY, 3, 1)):
        assert not np.isin(uniforms(*other, 0, 1000), whole).any()


def test_keys_are_distinct() -> None:
    """No two of 10,000 seeds share a key, at any purpose, step or place."""
    seeds = [*range(9_900), *(2**62 + 977 * i for i in range(100))]
    keys = {
        key_of(seed, *where)
        for seed in seeds
        for where in itertools.product((SEEDING, TILE_SHIFT, COPY), (0, 1, 719), (0, 63))
    }
    assert len(keys) == len(seeds) * 3 * 3 * 2
    assert len({SEEDING, TILE_SHIFT, COPY}) == 3


def test_swapped_arguments_give_other_keys() -> None:
    small = range(8)
    keys = {key_of(*four) for four in itertools.product(small, small, small, small)}
    assert len(keys) == 8**4


@pytest.mark.parametrize("where", [(0, COPY, 0, 0), (2**63 - 1, TILE_SHIFT, 10**6, 400)])
def test_draws_are_even(where: tuple[int, int, int, int]) -> None:
    n = 1_000_000
    x = uniforms(*where, 0, n)
    share = np.histogram(x, 100, (0, 1))[0]
    chi_squared = ((share - n / 100) ** 2 / (n / 100)).sum()
    assert 50 < chi_squared < 160  # 99 degrees of freedom
    for lag in (1, 2, 7):
        assert abs(np.corrcoef(x[:-lag], x[lag:])[0, 1]) < 4 / np.sqrt(n)


def test_neighbouring_keys_differ() -> None:
    first = np.array(
        [[uniforms(seed, COPY, step, 0, 0, 2) for step in range(60)] for seed in range(60)]
    )
    n = first.shape[0] * (first.shape[1] - 1)
    by_step = np.corrcoef(first[:, :-1, 0].ravel(), first[:, 1:, 0].ravel())[0, 1]
    by_seed = np.corrcoef(first[:-1, :, 0].ravel(), first[1:, :, 0].ravel())[0, 1]
    assert abs(by_step) < 4 / np.sqrt(n)
    assert abs(by_seed) < 4 / np.sqrt(n)
    assert first.mean() == pytest.approx(0.5, abs=4 * np.sqrt(1 / 12 / first.size))


def test_the_golden_ratio_is_odd() -> None:
    """Counters times an odd number are all different modulo 2^64."""
    assert int(draws._GOLDEN) % 2 == 1
