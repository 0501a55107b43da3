"""The energy of one copy against energies from scratch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lattices import attractants, place, rules
from naive import potts as naive

from sim.scenario.checks.cells import MOST_TYPES
from sim.tissue.attractants import sense
from sim.tissue.energy import DIGIT_BITS, copy_energy, digits, shapes
from sim.tissue.hamiltonian import energy_by_term
from sim.tissue.lattice import REACH, RING, flat, load_patch, patch_axis

TYPES, WALL_TYPE = 4, 3  # medium, two kinds of cell, wall
J = np.array([[0, 16, 7, 0], [16, 11, 29, 60], [7, 29, 3, -5], [0, 60, -5, 0]]) * 1.7
NO_J = np.zeros((TYPES, TYPES))
COPIES = 8  # looked at on each lattice


class Case:
    """A lattice of random patches, and the copies that can be made on it."""

    def __init__(self, seed: int, *, periodic: bool, fields: int = 0, **terms: Any) -> None:
        self.rng = np.random.default_rng(seed)
        self.periodic = periodic
        height, width = self.rng.integers(9, 15, 2)
        # patches larger than a site, so that cells have an inside; rows 1 to 5, medium between them
        coarse = self.rng.integers(0, 6, ((height + 1) // 2, (width + 1) // 2))
        self.sites = np.kron(coarse, np.ones((2, 2), dtype=np.int32))[:height, :width]
        noise = self.rng.random(self.sites.shape) < 0.25
        self.sites[noise] = self.rng.integers(0, 6, noise.sum())
        self.types = [1, 2, 1, 2, 2]
        self.lattice, self.cells, self.grid = place(
            self.sites, self.types, periodic=periodic, wall_type=WALL_TYPE, fields=fields
        )
        self.cells["target"][1:-1] = self.rng.uniform([5, 2], [40, 12], (5, 2))
        self.attractants = attractants(*np.zeros((fields, *self.lattice.shape)))
        self.rules = rules(self.grid, **{"J": NO_J, "stiffness": np.zeros((TYPES, 2)), **terms})

    def copies(self) -> list[tuple[tuple[int, int], tuple[int, int], int]]:
        """Random (source, target, neighbour) whose owners differ; the source is no wall."""
        found = []
        neighbours = self.rules.copy_yx
        height, width = self.sites.shape
        while len(found) < COPIES:
            y, x = int(self.rng.integers(height)), int(self.rng.integers(width))
            if self.rng.random() < 0.5:  # a good share at the border
                y, x = (0, x) if self.rng.random() < 0.5 else (y, width - 1)
            k = int(self.rng.integers(len(neighbours)))
            sy, sx = y + int(neighbours[k, 0]), x + int(neighbours[k, 1])
            if self.periodic:
                sy, sx = sy % height, sx % width
            elif not (0 <= sy < height and 0 <= sx < width):
                continue
            if self.sites[sy, sx] != self.sites[y, x]:
                found.append(((sy, sx), (y, x), k))
        return found

    def kernel(self, target: tuple[int, int], neighbour: int) -> float:
        y, x = target
        axes = [patch_axis(0, side, side, self.periodic) for side in self.lattice.shape]
        row = axes[1].size
        moments, *columns = self.cells.arrays()
        _, J, stiffness, *constants, copy_yx, contact_yx, _ = self.rules
        return float(
            copy_energy(
                load_patch(self.lattice, *axes, len(moments) - 1),
                sense(self.attractants, *axes, self.periodic),
                moments,
                shapes(moments, self.cells["type"], self.cells["target"], stiffness),
                digits(self.cells["type"]),
                *columns,
                J,
                *constants,
                copy_yx,
                flat(copy_yx, row),
                flat(contact_yx, row),
                flat(RING, row),
                *self.grid,
                (y + REACH) * row + x + REACH,
                y,
                x,
                np.uint64(neighbour),
            )
        )

    def total_energy(self, sites: np.ndarray, contact_sites: int) -> float:
        return naive.total_energy(
            sites,
            [0, *self.types],
            self.rules.J,
            contact_sites,
            self.periodic,
            WALL_TYPE,
            self.rules.stiffness[:, 0],
            self.cells["target"][:, 0],
            self.rules.stiffness[:, 1],
            self.cells["target"][:, 1],
        )

    def check(self, contact_sites: int) -> None:
        """The energy of a copy is the difference of total energies, to 1e-9 of the total."""
        before = self.total_energy(self.sites, contact_sites)
        for source, target, neighbour in self.copies():
            copied = self.sites.copy()
            copied[target] = self.sites[source]
            wanted = self.total_energy(copied, contact_sites) - before
            assert self.kernel(target, neighbour) == pytest.approx(
                wanted, rel=0, abs=1e-9 * max(1.0, abs(before))
            ), (source, target)


seeds = st.integers(0, 2**32)
edges = st.booleans()
few = settings(max_examples=15)  # each looks at several copies
STIFF_AREA = np.array([[0, 0], [3.7, 0], [0.9, 0], [0, 0]])
STIFF_LENGTH = np.array([[0, 0], [0, 2.3], [0, 5.1], [0, 0]])


def test_contacts_of_every_type_fit_one_integer() -> None:
    assert DIGIT_BITS * MOST_TYPES <= 64
    assert 2**DIGIT_BITS > 20
    last = digits(np.arange(MOST_TYPES))
    assert int((last * np.uint64(20)).sum()) == sum(20 << 5 * tau for tau in range(MOST_TYPES))


@pytest.mark.parametrize("contact_sites", [4, 8, 12, 20])
@few
@given(seed=seeds, periodic=edges)
def test_contact(contact_sites: int, seed: int, periodic: bool) -> None:
    Case(seed, periodic=periodic, J=J, contact_sites=contact_sites).check(contact_sites)


@few
@given(seed=seeds, periodic=edges)
def test_area(seed: int, periodic: bool) -> None:
    Case(seed, periodic=periodic, stiffness=STIFF_AREA).check(8)


@few
@given(seed=seeds)
def test_length(seed: int) -> None:
    Case(seed, periodic=False, stiffness=STIFF_LENGTH).check(8)


def compact_case(seed: int, **terms: Any) -> Case:
    """Small cells on a torus of 30 x 33 sites, some across its border.

    A length is defined for cells that reach less than half way around.
    """
    case = Case(seed, periodic=True, **terms)
    rng = case.rng
    case.sites = np.zeros((30, 33), dtype=np.int32)
    for row in range(1, 6):
        y, x = rng.integers(0, 30), rng.integers(0, 33)
        blob = rng.random((7, 9)) < 0.7
        at_y, at_x = np.nonzero(blob)
        case.sites[(y + at_y) % 30, (x + at_x) % 33] = row
    case.types = [1, 2, 1, 2, 2]
    targets = case.cells["target"].copy()
    case.lattice, case.cells, case.grid = place(
        case.sites, case.types, periodic=True, wall_type=WALL_TYPE
    )
    case.cells["target"][:] = targets
    case.attractants = attractants()
    case.rules = rules(case.grid, **{"J": NO_J, **terms})
    return case


@few
@given(seed=seeds)
def test_length_across_a_periodic_border(seed: int) -> None:
    compact_case(seed, stiffness=STIFF_LENGTH).check(8)


@few
@given(seed=seeds)
def test_all_terms_together(seed: int) -> None:
    stiffness = STIFF_AREA + STIFF_LENGTH
    compact_case(seed, J=J, stiffness=stiffness, contact_sites=20, copy_sites=4).check(20)
    compact_case(seed, J=J, stiffness=stiffness, contact_sites=4, copy_sites=20).check(4)
    Case(seed, periodic=False, J=J, stiffness=stiffness, contact_sites=12, copy_sites=12).check(12)


@few
@given(seed=seeds, periodic=edges)
def test_energy_by_term_changes_by_what_a_copy_costs(seed: int, periodic: bool) -> None:
    """The reported energy before and after a copy, against the kernel's for that copy."""
    terms = {"J": J, "stiffness": STIFF_AREA + STIFF_LENGTH, "contact_sites": 20}
    case = compact_case(seed, **terms) if periodic else Case(seed, periodic=False, **terms)

    def energy(sites: np.ndarray) -> float:
        lattice, cells, grid = place(sites, case.types, periodic=periodic, wall_type=WALL_TYPE)
        cells["target"][:] = case.cells["target"]
        found = energy_by_term(
            lattice, attractants(), cells.arrays(), cells["alive"], case.rules, grid
        )
        return sum(found.values())

    before = energy(case.sites)
    assert before == pytest.approx(case.total_energy(case.sites, 20), rel=1e-12)
    for source, target, neighbour in case.copies():
        copied = case.sites.copy()
        copied[target] = case.sites[source]
        change = energy(copied) - before
        assert case.kernel(target, neighbour) == pytest.approx(change, abs=1e-9 * abs(before))


@pytest.mark.parametrize("connectivity", ["none", "soft", "hard", "authors"])
@few
@given(seed=seeds, periodic=edges)
def test_connectivity(connectivity: str, seed: int, periodic: bool) -> None:
    case = Case(seed, periodic=periodic, connectivity=connectivity, penalty=123.0)
    cost = {"none": 0.0, "soft": 123.0, "hard": np.inf, "authors": 123.0}[connectivity]
    for _, (y, x), neighbour in case.copies():
        broken = naive.connectivity_break(case.sites, y, x, periodic)
        if connectivity == "authors":
            broken &= not naive.between_two_cells(case.sites, y, x, periodic)
        assert case.kernel((y, x), neighbour) == (cost if broken else 0.0)


@few
@given(seed=seeds, periodic=edges)
def test_tissue_connectivity(seed: int, periodic: bool) -> None:
    """Beside the connectivity of the cell that loses the site, and of medium alone."""
    case = Case(seed, periodic=periodic, connectivity="soft", penalty=123.0, tissue_penalty=77.0)
    for source, (y, x), neighbour in case.copies():
        cost = 123.0 * naive.connectivity_break(case.sites, y, x, periodic)
        if case.sites[source] == naive.MEDIUM:
            cost += 77.0 * naive.tissue_break(case.sites, y, x, periodic)
        assert case.kernel((y, x), neighbour) == cost


@pytest.mark.parametrize(
    ("above", "below", "torn"),
    [
        (2, 3, True),  # a bridge of three cells
        (2, 0, False),  # its end
        (0, 0, False),  # the last site of the tissue
    ],
)
def test_medium_tears_a_bridge(above: int, below: int, torn: bool) -> None:
    case = Case(1, periodic=False, tissue_penalty=77.0)
    case.sites = np.zeros((9, 9), dtype=np.int32)
    case.sites[4, 4] = 1
    case.sites[2:4, 3:6], case.sites[5:7, 3:6] = above, below
    case.types = [1, 2, 2]
    case.lattice, case.cells, case.grid = place(
        case.sites, case.types, periodic=False, wall_type=WALL_TYPE
    )
    left, up = ([tuple(step) for step in case.rules.copy_yx].index(s) for s in ((0, -1), (-1, 0)))
    assert case.kernel((4, 4), left) == (77.0 if torn else 0.0)
    if above:
        assert case.kernel((4, 4), up) == 0.0  # another cell takes the site


@pytest.mark.parametrize(
    ("above", "below", "penalised"),
    [
        (2, 2, False),  # a corner of four cells, of which two are one
        (2, 3, True),
        (0, 2, True),
        (0, 0, True),
        (1, 2, False),  # no break at all
    ],
)
def test_the_authors_let_two_cells_break(above: int, below: int, penalised: bool) -> None:
    case = Case(1, periodic=False, connectivity="authors", penalty=123.0)
    case.sites = np.zeros((9, 9), dtype=np.int32)
    case.sites[2:7, 2:7] = 1
    case.sites[2:4, 2:7], case.sites[5:7, 2:7] = above, below
    case.types = [1, 2, 2]
    case.lattice, case.cells, case.grid = place(
        case.sites, case.types, periodic=False, wall_type=WALL_TYPE
    )
    up = [tuple(step) for step in case.rules.copy_yx].index((1, 0))
    assert case.kernel((4, 4), up) == (123.0 if penalised else 0.0)


@pytest.mark.parametrize("acts_on", ["extension", "retraction", "both"])
@pytest.mark.parametrize("contact_inhibited", [False, True])
@few
@given(seed=seeds, periodic=edges)
def test_chemotaxis(acts_on: str, contact_inhibited: bool, seed: int, periodic: bool) -> None:
    s = (0.0, 0.3)
    case = Case(
        seed,
        periodic=periodic,
        copy_sites=20,
        fields=2,
        contact_inhibited=(contact_inhibited, False),
        acts_on=(acts_on, "both"),
        saturation=s,
    )
    field = case.rng.uniform(0, 4, (2, *case.sites.shape))
    case.attractants = attractants(*field)
    case.cells["mu"][1:-1] = case.rng.uniform(-200, 900, (5, 2))
    mu = case.cells["mu"]
    for source, target, neighbour in case.copies():
        wanted = naive.chemotaxis_work(
            case.sites, field[0], source, target, mu[:, 0], s[0], contact_inhibited, acts_on
        ) + naive.chemotaxis_work(
            case.sites, field[1], source, target, mu[:, 1], s[1], False, "both"
        )
        assert case.kernel(target, neighbour) == pytest.approx(wanted, rel=1e-12, abs=1e-9)


@few
@given(seed=seeds, periodic=edges)
def test_persistence(seed: int, periodic: bool) -> None:
    case = Case(seed, periodic=periodic, copy_sites=20)
    angle, mu_p = case.rng.uniform(0, 7, 7), case.rng.uniform(0, 60, 7)
    direction = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    case.cells["push"][1:-1] = (direction * mu_p[:, None])[1:-1]
    for source, target, neighbour in case.copies():
        wanted = naive.persistence_work(case.sites, source, target, mu_p, direction, periodic)
        assert case.kernel(target, neighbour) == pytest.approx(wanted, rel=1e-12, abs=1e-12)
