"""Oxygen and VEGF of a bed: against direct solves, on any grid, and what cannot settle."""

from __future__ import annotations

import numpy as np
import pytest
from beds import NUMBERS, run, with_mesh, with_parents
from naive.bed import direct_field

from sim.bed import grid, oxygen
from sim.errors import NumericalError

DRAWN = np.random.default_rng(5)


def equation(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sparse supply, uptake in a disc, and loss, as in a bed."""
    a = np.where(DRAWN.random((n, n)) < 0.1, DRAWN.random((n, n)), 0.0) + 0.05
    m = np.where(DRAWN.random((n, n)) < 0.7, 15.0, 0.0)
    return a, 40.0 * a, m


@pytest.mark.parametrize("n", [8, 15, 50, 120, 125])
def test_rest_against_direct_solve(n: int) -> None:
    a, b, m = equation(n)
    u = np.full((n, n), 20.0)
    cycles = oxygen.settle(u, a, b, m, 1.5, 5.0, 1e-12, 200)
    assert cycles < 40
    assert np.abs(u - direct_field(a, b, m, 1.5, 5.0, 20.0)).max() < 1e-10


@pytest.mark.parametrize("host", [0.2, 1e-3, 1e-6])
def test_few_strong_sources_in_a_field_that_is_hardly_held(host: float) -> None:
    """Cycles converge however far the vessels are from each other."""
    a, m = np.full((120, 120), host), np.zeros((120, 120))
    a[::3, 24] += 15.0  # a broken line
    a[:, 96] += 15.0
    m[50:70, 50:70] = 15.0
    u = np.full((120, 120), 20.0)
    assert oxygen.settle(u, a, 40.0 * a, m, 1.5, 5.0, 1e-9, 200) < 60
    assert u == pytest.approx(direct_field(a, 40.0 * a, m, 1.5, 5.0, 20.0), abs=1e-7)


@pytest.mark.parametrize("guess", [0.0, 1e-3, 1e3])
def test_rest_does_not_depend_on_the_guess(guess: float) -> None:
    a, b, m = equation(64)
    u, other = np.full((64, 64), guess), np.full((64, 64), 20.0)
    for field in (u, other):
        assert oxygen.settle(field, a, b, m, 1.5, 5.0, 1e-12, 200) < 100
    assert u == pytest.approx(other, abs=1e-9)


def test_mirrored_sources_give_mirrored_fields() -> None:
    a, b, m = equation(60)
    u, mirrored = np.full((60, 60), 20.0), np.full((60, 60), 20.0)
    oxygen.settle(u, a, b, m, 1.5, 5.0, 1e-12, 200)
    oxygen.settle(mirrored, *(np.ascontiguousarray(f[::-1, ::-1]) for f in (a, b, m)), 1.5, 5.0,
                  1e-12, 200)  # fmt: skip
    assert mirrored[::-1, ::-1] == pytest.approx(u, abs=1e-9)


def test_working_tolerance() -> None:
    """What a step leaves is within 1e-3 mmHg and 1e-4 ng/mL of rest."""
    bed = run(with_mesh(), 24)
    bed.order_rows()
    bed.fields()
    p, c = bed.oxygen.copy(), bed.vegf.copy()
    for _ in range(30):
        bed.fields()
    assert np.abs(p - bed.oxygen).max() < 1e-3
    assert np.abs(c - bed.vegf).max() < 1e-4


def test_molecules_of_vegf() -> None:
    assert oxygen.molecules_per_um3(45.0) == pytest.approx(0.01338, rel=1e-3)


def test_vegf_is_released_taken_up_and_lost() -> None:
    """At rest, what cells release is what vessels take up and what decays."""
    bed = with_parents(60.0)
    n = bed.numbers
    for _ in range(20):
        bed.fields()
    unit, voxel = oxygen.molecules_per_um3(n.vegf_kda), n.voxel_um**2 * n.slab_um
    stress = 1 + (n.f - 1) / (1 + (bed.oxygen / n.hypoxic_mmHg) ** 4)
    released = (n.s_molecules_per_s * n.rho_per_um3 * voxel * bed.inside() * stress).sum()
    x = 0.5 * (bed.nodes.x[bed.pieces.a] + bed.nodes.x[bed.pieces.b])
    y = 0.5 * (bed.nodes.y[bed.pieces.a] + bed.nodes.y[bed.pieces.b])
    i, j = (y / n.voxel_um).astype(int), (x / n.voxel_um).astype(int)
    c = bed.vegf[i, j]
    taken = (n.U_molecules_per_s * c / (c + n.L50_ng_ml) * bed.lengths() / n.piece_um).sum()
    lost = n.k_per_s * bed.vegf.sum() * voxel * unit
    assert taken + lost == pytest.approx(released, rel=1e-6)
    assert taken > 0.02 * released


def test_unconverged_fields_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    bed = with_mesh()
    bed.place_tumour(500.0)
    monkeypatch.setattr(oxygen, "MOST_CYCLES", 1)
    with pytest.raises(NumericalError, match=r"oxygen .* after 1 cycles on day 0\.0: check"):
        bed.fields()


def test_values_at_points() -> None:
    f = np.arange(12.0).reshape(3, 4)
    x, y = np.array([10.0, 30.0, 20.0, -5.0, 999.0]), np.array([10.0, 10.0, 20.0, -5.0, 999.0])
    assert grid.at_points(f, x, y, 20.0) == pytest.approx([0.0, 1.0, 2.5, 0.0, 11.0])


def test_length_goes_to_the_voxel_of_the_middle() -> None:
    x, y, amount = np.array([1.0, 39.0, 40.0, -3.0]), np.array([1.0, 1.0, 59.0, 70.0]), np.ones(4)
    total = grid.by_voxel(x, y, amount, 20.0, 3)
    assert total.tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 1]]


def test_numbers_are_needed_whole() -> None:
    with pytest.raises(TypeError):
        type(NUMBERS)()  # no defaults
