"""Concentration fields: conservation, analytic modes, steady states, and NumPy twins."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
from lattices import attractants
from naive import fields as naive

import sim.tissue
from sim.errors import NumericalError
from sim.kernels.buffers import Buffers
from sim.model.clock import AngiogenesisModel
from sim.model.parts.fields import fields as move_fields
from sim.model.parts.signals import ligand_at_cells, receptors
from sim.scenario.resolve import load
from sim.tissue import euler, exponential, fields, voxels
from sim.tissue.attractants import sense
from sim.tissue.fields import ABSORBING, NO_FLUX, PERIODIC
from sim.tissue.lattice import patch_axis

EDGES = {"no_flux": NO_FLUX, "absorbing": ABSORBING, "periodic": PERIODIC}
CONSERVING = ["no_flux", "periodic"]
PRECISIONS = ["single", "double"]
SPACING = 2.0  # um


def on_cells_of_a_voxel(c: np.ndarray) -> np.ndarray:
    """A lattice with a cell of its own on each voxel, so that rates of rows are those of voxels."""
    return np.arange(c.size, dtype=np.int32).reshape(c.shape)


def euler_step(c: np.ndarray, source: np.ndarray, loss: np.ndarray, *how: float) -> None:
    """An explicit step with source and loss by voxel."""
    euler.euler_step(c, on_cells_of_a_voxel(c), 1, source.ravel(), loss.ravel(), *how)


def exponential_step(
    c: np.ndarray, source: np.ndarray, loss: np.ndarray, k: float, dt: float, least: int, edge: int
) -> None:
    """An exponential step with source and loss by voxel."""
    overlap = voxels.overlaps(on_cells_of_a_voxel(c), 1)
    source_of, loss_of = source.reshape(1, -1), loss.reshape(1, -1)
    substeps = exponential.substeps_for(loss_of, dt, least)
    exponential.exponential_step([c], overlap, 1, source_of, loss_of, [k], dt, substeps, edge)


def flat(shape: tuple[int, int], value: float = 0.0) -> np.ndarray:
    return np.full(shape, value)


# -- held gradients -----------------------------------------------------------------------------


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("threads", [1, 3])
def test_a_source_by_voxel_is_one_by_cell_where_each_voxel_is_a_cell(
    threads: int, border: str
) -> None:
    rng = np.random.default_rng(4)
    shape, edge = (37, 23), EDGES[border]
    start, held = rng.uniform(0, 2, shape), rng.uniform(0, 0.3, shape)
    loss, nothing = np.full(shape, 0.01), np.zeros(shape)
    wanted, found = start.copy(), start.copy()
    euler_step(wanted, held, loss, 0.2, 6.0, 20, edge)
    euler.euler_step(
        found, on_cells_of_a_voxel(found), 1, nothing.ravel(), loss.ravel(), 0.2, 6.0, 20, edge,
        threads=threads, held=held,
    )  # fmt: skip
    assert found.tobytes() == wanted.tobytes()

    wanted, found = start.copy(), start.copy()
    exponential_step(wanted, held, loss, 20.0, 30.0, 1, edge)
    overlap = voxels.overlaps(on_cells_of_a_voxel(found), 1)
    by_row = nothing.reshape(1, -1), loss.reshape(1, -1)
    exponential.exponential_step([found], overlap, 1, *by_row, [20.0], 30.0, 1, edge, [held])
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


@pytest.mark.parametrize("solver", ["exponential", "explicit"])
@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_held_gradient_has_its_steady_state(axis: str, solver: str) -> None:
    """D c'' = e (c - b), b linear with slope g: c = b - g l sinh(u/l) / cosh(L/2l), l^2 = D/e."""
    settings: dict[str, Any] = {
        "domain.size_um": [200, 1000] if axis == "y" else [1000, 200],
        "cells.count": 0,
        "ligands.VEGF.gradient": {"axis": axis, "low_ng_ml": 2, "high_ng_ml": 12},
        "fields.VEGF.solver": solver,
        "fields.VEGF.substeps": 200 if solver == "explicit" else 1,
    }
    scenario = load("tube_formation", settings)
    model = AngiogenesisModel(scenario)
    assert model.baths["VEGF"].shape == model.fields["VEGF"].shape == scenario.voxels("VEGF")
    for _ in range(400):
        model.mcs += 1
        move_fields(model, "after_sweep")
    c = model.fields["VEGF"] if axis == "y" else model.fields["VEGF"].T
    np.testing.assert_allclose(c, c[:, :1] * np.ones(c.shape), rtol=1e-9)
    u = 10.0 * (np.arange(100) + 0.5) - 500
    way = np.sqrt(100 / 0.01)
    wanted = 7 + 0.01 * (u - way * np.sinh(u / way) / np.cosh(500 / way))
    np.testing.assert_allclose(c[:, 0], wanted, atol=5e-3)


# -- conservation -------------------------------------------------------------------------------


@pytest.mark.parametrize("border", CONSERVING)
@pytest.mark.parametrize(
    ("step", "diffusion"), [(euler_step, 0.12), (exponential_step, 0.02), (exponential_step, 25.0)]
)
def test_mass_is_conserved(step: Any, diffusion: float, border: str) -> None:
    c = np.random.default_rng(1).exponential(3.0, (37, 52))
    c[10:14, 30] = 400.0
    mass, start = c.sum(), c.copy()
    for _ in range(200):
        step(c, flat(c.shape), flat(c.shape), diffusion, 30.0, 15, EDGES[border])
    assert not np.allclose(c, start, rtol=0.01)
    assert c.sum() == pytest.approx(mass, rel=1e-12)


@pytest.mark.parametrize("border", CONSERVING)
@pytest.mark.parametrize("step", [euler_step, exponential_step])
def test_all_secretion_is_in_the_field(step: Any, border: str) -> None:
    rng = np.random.default_rng(2)
    c, source = flat((40, 33)), rng.exponential(1.0, (40, 33))
    for _ in range(100):
        step(c, source, flat(c.shape), 0.1, 2.0, 2, EDGES[border])
    assert c.sum() == pytest.approx(200.0 * source.sum(), rel=1e-12)


# -- analytic solutions -------------------------------------------------------------------------


def mode_error(
    step: Any,
    border: str,
    *,
    side: int,
    substeps: int,
    lattice: bool,
    length: float = 40.0,
    D: float = 0.7,
    decay: float = 0.01,
    time: float = 30.0,
) -> float:
    """Largest error of a decaying eigenmode of a square domain, relative to its amplitude."""
    shape, orders = (side, side), (1, 2)
    spacing = length / (side + 1 if border == "absorbing" else side)
    mode = functools.partial(
        naive.decaying_mode, shape, orders, D=D, decay=decay, border=border, spacing=spacing
    )
    c = mode(0.0)
    step(c, flat(shape), flat(shape, decay), D / spacing**2, time, substeps, EDGES[border])
    wanted = mode(time, lattice=lattice)
    assert np.abs(wanted).max() > 0.02  # it is still there
    return float(np.abs(c - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("border", list(EDGES))
def test_euler_is_of_first_order_in_time(border: str) -> None:
    errors = [
        mode_error(euler_step, border, side=20, substeps=n, lattice=True) for n in (60, 120, 240)
    ]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("step", [euler_step, exponential_step])
def test_second_order_in_space(step: Any, border: str) -> None:
    # Euler's sub-step shrinks with the square of the voxel, and its error with it
    errors = [
        mode_error(step, border, side=side, substeps=120 * (side // 20) ** 2, lattice=False)
        for side in (20, 40, 80)
    ]
    if border == "absorbing":  # its spacing is length / (side + 1)
        errors = [e * (n + 1) ** 2 / n**2 for e, n in zip(errors, (20, 40, 80), strict=True)]
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.1)


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("substeps", [1, 7])
def test_exponential_is_exact_for_even_loss(border: str, substeps: int) -> None:
    for D in (0.7, 100.0):
        error = mode_error(
            exponential_step, border, side=21, substeps=substeps, lattice=True, D=D, time=0.7 / D
        )
        assert error < 1e-12
    # and for a constant source: relaxation of the mean, c = (s / u) (1 - exp(-u t))
    c = flat((20, 30))
    if border != "absorbing":
        exponential_step(c, flat(c.shape, 0.2), flat(c.shape, 0.02), 25.0, 30.0, 1, EDGES[border])
        np.testing.assert_allclose(c, 10.0 * (1 - np.exp(-0.6)), rtol=1e-12)


@pytest.mark.parametrize("border", list(EDGES))
def test_euler_agrees_with_its_plain_twin(border: str) -> None:
    rng = np.random.default_rng(3)
    inside = rng.random((17, 23)) < 0.3
    c = rng.exponential(1.0, inside.shape)
    twin = c.copy()
    source, loss = np.where(inside, 0.3, 0.0), np.where(inside, 0.1, 0.4)
    for substeps in (1, 4, 5):
        euler_step(c, source, loss, 0.6 / 2.25, 0.7, substeps, EDGES[border])
        for _ in range(substeps):
            twin = naive.substep(
                twin, inside, D=0.6, secretion=0.3, decay_outside=0.4, decay_inside=0.1,
                dt=0.7 / substeps, border=border, spacing=1.5,
            )  # fmt: skip
        np.testing.assert_allclose(c, twin, rtol=1e-12)


# -- steady states ------------------------------------------------------------------------------


def cell_problem(D: float, border: str) -> tuple[np.ndarray, np.ndarray, int]:
    """A cell of 10 x 10 sites that secretes, and one beside it.

    With D = 0.1 um^2/s loss and secretion are those of the cue. Else loss is 1e-3 /s everywhere and
    in both cells twice as much again: what 4,900 receptors take up from a layer of 100 um.
    """
    source, loss = flat((36, 33)), flat((36, 33), 1.8e-4 if D <= 0.1 else 1e-3)
    source[14:24, 8:18] = 1.8e-4 if D <= 0.1 else 1.0
    loss[14:24, 8:18] = loss[18:28, 20:30] = 0.0 if D <= 0.1 else 3e-3
    return source, loss, EDGES[border]


def to_the_end(
    c: np.ndarray, source: np.ndarray, loss: np.ndarray, k: float, dt: float, edge: int
) -> None:
    for _ in range(20_000):
        before = c.copy()
        exponential_step(c, source, loss, k, dt, 1, edge)
        if np.abs(c - before).max() < 1e-11 * c.max():
            return
    raise AssertionError("no steady state")


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("D", [0.1, 1.0, 10.0, 100.0])
def test_steady_state_does_not_depend_on_the_step(D: float, border: str) -> None:
    source, loss, edge = cell_problem(D, border)
    k = D / SPACING**2
    wanted = naive.steady_state(source, loss, D, border=border, spacing=SPACING)
    for dt in (3.0, 30.0, 300.0):
        c = wanted.copy()  # is there, and stays there
        for _ in range(5):
            exponential_step(c, source, loss, k, dt, 1, edge)
        assert np.abs(c - wanted).max() < 1e-9 * wanted.max()
    for dt in (30.0, 300.0) if D > 0.1 else (3000.0,):
        c = flat(source.shape)  # and is reached
        to_the_end(c, source, loss, k, dt, edge)
        assert np.abs(c - wanted).max() < 1e-6 * wanted.max()


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("D", [0.1, 1.0, 10.0, 100.0])
def test_steady_state_is_near_a_fine_solution(D: float, border: str) -> None:
    source, loss, _ = cell_problem(D, border)
    c = naive.steady_state(source, loss, D, border=border, spacing=SPACING)
    fine = naive.fine_steady_state(source, loss, D, border=border, spacing=SPACING, factor=5)
    error = np.abs(c - fine).max() / fine.max()
    print(f"D {D:g}, {border}: {error:.2%} off a fine solution")
    assert error < 0.01


@pytest.mark.parametrize("border", list(EDGES))
def test_euler_steady_state_tends_to_that_of_the_laplacian(border: str) -> None:
    """Diffusing before reacting costs a share of about decay times sub-step."""
    source, loss, edge = cell_problem(1.0, border)
    wanted = naive.steady_state(source, loss, 1.0, border=border, spacing=SPACING)
    errors = []
    for substeps in (40, 80):
        c = wanted.copy()
        for _ in range(120):
            euler_step(c, source, loss, 0.25, 30.0, substeps, edge)
        errors.append(np.abs(c - wanted).max() / wanted.max())
    assert errors[0] < 0.02
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("D", [0.1, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("dt", [3.0, 30.0, 300.0])
def test_nothing_becomes_negative(D: float, dt: float, border: str) -> None:
    rng = np.random.default_rng(4)
    for problem in range(4):
        c, source, loss = flat((40, 40)), flat((40, 40)), rng.exponential(0.02, (40, 40))
        if problem % 2:
            source[rng.integers(40), rng.integers(40)] = 1.0
        else:
            c[rng.integers(40), rng.integers(40)] = 1.0
        if problem >= 2:
            loss[:] = 0.0
        for _ in range(5):
            exponential_step(c, source, loss, D / SPACING**2, dt, 1, EDGES[border])
            assert c.min() >= -1e-12 * c.max()


@pytest.mark.parametrize("factor", [1, 2])
@pytest.mark.parametrize("alike", [True, False])
def test_an_explicit_step_over_cells(alike: bool, factor: int) -> None:
    """Cells that all gain and keep the same go another way than others."""
    rng = np.random.default_rng(8)
    lattice = some_lattice(rng)
    source_of, loss_of = np.full((2, 7), [[0.3], [0.01]])
    source_of[0], loss_of[0] = 0.0, 0.04
    if not alike:
        source_of[3], loss_of[2] = 0.5, 0.02
    c = rng.random([side // factor for side in lattice.shape])
    wanted = c.copy()
    euler.euler_step(c, lattice, factor, source_of, loss_of, 0.02, 3.0, 5, NO_FLUX)
    source, loss = (by_voxel(lattice, factor, of) for of in (source_of, loss_of))
    for _ in range(5):
        moved = wanted + 0.6 * 0.02 * naive.laplacian(wanted, "no_flux")
        wanted = moved + 0.6 * (source - loss * moved)
    np.testing.assert_allclose(c, wanted, rtol=1e-12)


def euler_problem(shape: tuple[int, int], *, alike: bool, seed: int = 9) -> tuple[Any, ...]:
    """Cells here and there: concentration, lattice, source and loss by cell."""
    rng = np.random.default_rng(seed)
    lattice = (rng.integers(1, 50, shape) * (rng.random(shape) < 0.4)).astype(np.int32)
    source, loss = rng.random(50), 0.05 * rng.random(50)
    if alike:
        source[1:], loss[1:] = 0.3, 0.0
    return rng.random(shape), lattice, source, loss


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("alike", [True, False])
def test_euler_equals_its_plain_twin(alike: bool, precision: str, border: str) -> None:
    """Bit for bit, in any number of sub-steps and on any number of threads."""
    h = 2.0
    for shape in ((41, 57), (3, 5), (1, 40)):
        start, lattice, source, loss = euler_problem(shape, alike=alike)
        kept, gained = (1.0 - h * loss)[lattice], (h * source)[lattice]
        for substeps in (*range(1, 21), 40):
            waves = -(-substeps // euler.MOST_PARTS)
            twin = start.copy()
            for wave in range(waves):
                parts = (wave + 1) * substeps // waves - wave * substeps // waves
                twin = getattr(naive, {"double": "euler", "single": "euler_single"}[precision])(
                    twin, kept, gained, h * 0.05, parts, border
                )
            for threads in (1, 2, 3, 4):
                c = start.copy()
                euler.euler_step(
                    c, lattice, 1, source, loss, 0.05, h * substeps, substeps, EDGES[border],
                    precision, threads,
                )  # fmt: skip
                if precision == "single" and not alike:  # rates of cells stay in double precision
                    np.testing.assert_allclose(c, twin, rtol=1e-6)
                else:
                    np.testing.assert_array_equal(c, twin)


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_bit_depends_on_how_a_field_is_cut(
    precision: str, border: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into bands by threads, and into strips by width."""
    start, lattice, source, loss = euler_problem((41, 853), alike=True)
    outcomes = []
    for strips in (1, 2, 7):
        size = 4 if precision == "single" else 8
        monkeypatch.setattr(euler, "STRIP_BYTES", 3 * 15 * 853 * size // strips)
        for bands in (1, 3):
            how = 1, source, loss, 0.1, 2.0, 15, EDGES[border], precision, bands
            assert euler.waves_of(start, *how)[0].strips == strips
            c = start.copy()
            for _ in range(2):
                euler.euler_step(c, lattice, *how)
            outcomes.append(c)
    assert all((c == outcomes[0]).all() for c in outcomes)


@pytest.mark.parametrize("border", list(EDGES))
def test_single_precision_is_near_double_precision(border: str) -> None:
    """And stays so: errors do not add up."""
    _, lattice, source, loss = euler_problem((60, 50), alike=True)
    lattice[:20] = 0
    source[1:], loss[0] = 1.8e-4, 1.8e-4
    source[0] = 0.0
    off = []
    buffers = Buffers()
    single, double = flat(lattice.shape), flat(lattice.shape)
    for _ in range(1000):
        for c, precision in ((single, "single"), (double, "double")):
            euler.euler_step(
                c, lattice, 1, source, loss, 0.025, 30.0, 15, EDGES[border], precision, 1, buffers
            )
        off.append(np.abs(single - double).max() / double.max())
    print(f"{border}: off by at most {max(off):.1e}, at the end {off[-1]:.1e}")
    assert max(off) < 1e-6
    assert off[-1] < 1e-7
    np.testing.assert_allclose(single, double, rtol=1e-6)


@pytest.mark.parametrize("border", CONSERVING)
def test_mass_is_conserved_in_single_precision(border: str) -> None:
    c = np.random.default_rng(1).exponential(3.0, (37, 52))
    c[10:14, 30] = 400.0
    mass, nothing = c.sum(), np.zeros(2)
    for _ in range(1000):
        euler.euler_step(
            c, np.zeros(c.shape, np.int32), 1, nothing, nothing, 0.025, 30.0, 15, EDGES[border],
            "single",
        )  # fmt: skip
    assert c.sum() == pytest.approx(mass, rel=1e-7)


def test_what_single_precision_must_not_hide() -> None:
    """Rounding makes nothing negative; but what is not finite, or unstable, is seen."""
    lattice = np.zeros((30, 30), np.int32)

    def moved(c: np.ndarray, loss: float, diffusion: float) -> np.ndarray:
        rates = np.zeros(2), np.full(2, loss)
        euler.euler_step(c, lattice, 1, *rates, diffusion, 15.0, 15, fields.ABSORBING, "single")
        return c

    start = np.random.default_rng(1).exponential(1.0, lattice.shape)
    for loss in (0.0, 0.5, 1.0):
        c = moved(start.copy(), loss, 0.25)
        assert c.min() >= 0.0
    for bad in (np.nan, np.inf):
        c = start.copy()
        c[3, 4] = bad
        assert not np.isfinite(moved(c, 0.1, 0.2)).all()
    wrong = start.copy()
    wrong[3, 4] = -50.0
    assert moved(wrong, 0.0, 0.2).min() < -0.1
    assert moved(start.copy(), 0.0, 0.4).min() < -1.0
    assert moved(start.copy(), 2.5, 0.2).min() < -1.0


def small_model(**settings: Any) -> AngiogenesisModel:
    small = {"domain.size_um": [120, 130], "cells.count": 3, "signalling.enabled": False}
    return AngiogenesisModel(load("tube_formation", small | settings))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -3.0])
def test_a_field_that_went_wrong_is_an_error(bad: float, precision: str) -> None:
    model = small_model(**{"fields.cue.precision": precision})
    model.step()
    model.fields["cue"][20, 20] = bad
    with pytest.raises(NumericalError, match=r"fields\.cue: values from .* at step 1"):
        model.step()


def test_an_empty_field_rests_until_something_is_put_into_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, moved = small_model(**{"fields.cue.secretion_per_s": 0}), []
    monkeypatch.setattr(sim.tissue, "euler_step", lambda c, *how: moved.append(c.max()))
    state = model.state()
    model.step()
    assert moved == []
    model.fields["cue"][3, 4] = 2.0
    model.step()
    assert moved == [2.0]
    model.fields["cue"][:] = 0.0
    model.step()
    model.restore({**state, "fields.cue": state["fields.cue"] + 1.0})
    model.step()
    assert moved == [2.0, 1.0]


def test_the_precision_of_a_scenario() -> None:
    def of(settings: dict[str, Any]) -> dict[str, str]:
        fields_of = AngiogenesisModel(load("tube_formation", settings)).tissue._fields
        return {name: fields_of[name].precision for name in ("cue", "VEGF")}

    assert of({}) == {"cue": "single", "VEGF": "double"}
    assert of({"fields.cue.precision": "double"}) == {"cue": "double", "VEGF": "double"}
    steps = {"fields.VEGF.solver": "explicit", "fields.VEGF.substeps": 800}
    assert of(steps)["VEGF"] == "double"


# -- between cells and voxels -------------------------------------------------------------------


def some_lattice(rng: np.random.Generator) -> np.ndarray:
    sites = np.kron(rng.integers(0, 6, (10, 8)), np.ones((3, 3))).astype(np.int32)
    sites[sites == 4] = 0  # a row without sites
    return sites


def by_voxel(sites: np.ndarray, factor: int, of: np.ndarray) -> np.ndarray:
    """Mean over each voxel's sites of one number per cell row."""
    shape = (sites.shape[0] // factor, sites.shape[1] // factor)
    return of[sites].reshape(shape[0], factor, shape[1], factor).mean(axis=(1, 3))


@pytest.mark.parametrize("factor", [1, 2, 3, 6])
def test_spread_and_average(factor: int) -> None:
    rng = np.random.default_rng(5)
    sites = some_lattice(rng)
    overlap = voxels.overlaps(sites, factor)
    for of in (rng.random(7), np.full(7, 0.3)):
        twin = by_voxel(sites, factor, of)
        out = np.full(twin.size, np.nan)
        voxels.spread(overlap, factor, of, out)
        np.testing.assert_allclose(out, twin.ravel(), rtol=1e-12)

    field = rng.random(twin.shape)
    area, means = np.bincount(sites.ravel(), minlength=7), np.full((7, 2), np.nan)
    voxels.average_by_cell(overlap, field.ravel(), area, means[:, 1])
    assert np.isnan(means[:, 0]).all()
    wide = np.kron(field, np.ones((factor, factor)))
    for row in range(7):
        wanted = wide[sites == row].mean() if row and area[row] else 0.0
        np.testing.assert_allclose(means[row, 1], wanted, rtol=1e-12)


@pytest.mark.parametrize("factor", [*range(1, 9), 13, 64, 70])
def test_overlaps_are_those_of_a_walk_along_the_lines(factor: int) -> None:
    """Also in the last block of a line, which has any number of sites, and in wide voxels."""
    rng = np.random.default_rng(factor)
    for columns in (1, 2, 7, 64 // factor, 64 // factor + 1, 128 // factor, 300 // factor):
        for widest in (1, 4, 200):
            sites = naive.striped(rng, 2 * factor, max(columns, 1) * factor, widest)
            wanted = naive.overlaps(sites, factor)
            assert voxels.overlaps(sites, factor).tolist() == wanted
    for row in (0, 3):
        sites = np.full((factor, 5 * factor), row, np.int32)
        assert voxels.overlaps(sites, factor).tolist() == naive.overlaps(sites, factor)


@pytest.mark.parametrize("border", list(EDGES))
@pytest.mark.parametrize("substeps", [1, 3])
def test_fields_move_together_as_they_move_alone(substeps: int, border: str) -> None:
    """No bit of a ligand depends on which others there are; odd numbers fill no vector."""
    rng = np.random.default_rng(11)
    lattice = naive.striped(rng, 33, 54, 20)
    overlap, n = voxels.overlaps(lattice, 3), 3
    start = rng.exponential(3.0, (n, 11, 18))
    rows = int(lattice.max()) + 1
    source, loss = rng.random((n, rows)), 0.02 * rng.random((n, rows))
    loss[1] = 0.01  # the same everywhere
    k = [0.3, 1.0, 25.0]
    together, alone = start.copy(), start.copy()
    how = 30.0, substeps, EDGES[border]
    exponential.exponential_step(list(together), overlap, 3, source, loss, k, *how)
    for i in range(n):
        own = slice(i, i + 1)
        exponential.exponential_step([alone[i]], overlap, 3, source[own], loss[own], k[own], *how)
    assert (together == alone).all()
    assert (together != start).any(axis=(1, 2)).all()


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("factor", [1, 2, 5])
def test_fields_at_the_sites(factor: int, periodic: bool) -> None:
    both = np.random.default_rng(6).random((2, 7, 9)) * 4
    y, x = np.mgrid[: 7 * factor, : 9 * factor]
    at = np.stack([(y + 0.5) / factor - 0.5, (x + 0.5) / factor - 0.5])
    mode = "grid-wrap" if periodic else "nearest"
    twins = [scipy.ndimage.map_coordinates(field, at, order=1, mode=mode) for field in both]
    followed = attractants(*both, factor=factor)
    # a patch that goes on at the other side of the domain
    ys, xs = patch_axis(4, 7 * factor - 2, 7 * factor, periodic), patch_axis(2, 5, 9 * factor, True)
    found = sense(followed, ys, xs, periodic).reshape(2, ys.size, xs.size)
    for c, twin in zip(found, twins, strict=True):
        wanted = twin[np.ix_(ys, xs)]
        np.testing.assert_allclose(c[ys >= 0], wanted[ys >= 0], rtol=1e-12)


def test_settle() -> None:
    c = np.array([[0.5, -1e-17], [3.0, 0.0]])
    assert fields.settle(c) == (-1e-17, 3.0)
    assert (c == [[0.5, 0.0], [3.0, 0.0]]).all()
    for bad in (np.nan, np.inf, -np.inf):
        c = np.array([[0.5, bad], [3.0, 0.0]])
        lowest, highest = fields.settle(c)
        assert not (np.isfinite(lowest) and np.isfinite(highest))


# -- a ligand on a coarse grid ------------------------------------------------------------------


def ligand_of_still_cells(bath_ng_ml: float, voxel_um: float) -> np.ndarray:
    """VEGF (times, cells) in M over cells that stand still and take it up."""
    model = AngiogenesisModel(
        load(
            "tube_formation",
            {
                "domain.size_um": [300, 300],
                "cells.count": 50,
                "ligands.VEGF.bath_ng_ml": bath_ng_ml,
                "fields.VEGF.spacing_um": voxel_um,
            },
        )
    )
    assert model.fields["VEGF"].shape == (300 / voxel_um, 300 / voxel_um)
    found = []
    for step in range(240):
        ligand_M = ligand_at_cells(model)
        receptors(model, ligand_M)
        move_fields(model, "after_sweep")
        if step in (1, 20, 60, 239):
            found.append(ligand_M[model.cells.living, 0])
    return np.array(found)


@pytest.mark.parametrize("bath_ng_ml", [50.0, 2.0])
def test_a_coarse_ligand_field_loses_nothing(bath_ng_ml: float) -> None:
    fine, coarse = (ligand_of_still_cells(bath_ng_ml, um) for um in (2.0, 10.0))
    spread = (fine.max(axis=1) / fine.min(axis=1)).max()
    off = np.abs(coarse / fine - 1).max()
    print(f"{bath_ng_ml:g} ng/mL: cells differ by {spread - 1:.1%}, grids by at most {off:.2%}")
    assert off < 0.01
